"""Pascal VOC's format: an XML file for each image.

    Annotations/NAME.xml           the image's size, and for each object its class and box
    ImageSets/Main/default.txt     the name of each image, without extension
    JPEGImages/NAME.EXT            the pictures, where they were asked for

Boxes are whole pixels, counted from 1, both ends included, as the VOC development kit has them: `xmin` is 1 for an
object that begins in the first column. A box that lies between pixels grows to whole ones. Crowds are `difficult`,
which an evaluation ignores. See http://host.robots.ox.ac.uk/pascal/VOC/voc2012/htmldoc/.
"""

from __future__ import annotations

import re
from collections.abc import Callable
from math import ceil, floor
from pathlib import Path
from xml.sax.saxutils import escape

from cocoannot.exchange.names import stem_of
from cocoannot.exchange.objects import ImageObjects, Object, Reading

PICTURES = "JPEGImages"

_NO_XML = re.compile(r"[^\t\n\r\x20-\ud7ff\ue000-\ufffd\U00010000-\U0010ffff]")
_WHITE = {"\t": "&#9;", "\n": "&#10;", "\r": "&#13;"}


def write_voc(reading: Reading, folder: Path, on_image: Callable[[ImageObjects], object]) -> dict[str, int]:
    """Write annotations and the list of images into `folder`; `on_image` is called for each image.

    Returns how many images and objects were written. Raises `OSError`.
    """
    counts = {"images": 0, "objects": 0}
    (folder / "Annotations").mkdir()
    sets = folder / "ImageSets" / "Main"
    sets.mkdir(parents=True)
    with (sets / "default.txt").open("x", encoding="utf-8") as listed:
        for image in reading:
            path = folder / "Annotations" / f"{stem_of(image.name)}.xml"
            path.parent.mkdir(parents=True, exist_ok=True)
            with path.open("x", encoding="utf-8") as file:
                file.write(_document(image, reading.class_names))
            listed.write(stem_of(image.name) + "\n")
            counts["images"] += 1
            counts["objects"] += len(image.objects)
            on_image(image)
    return counts


def _document(image: ImageObjects, names: list[str]) -> str:
    parts = [
        "<annotation>\n",
        f"  <folder>{PICTURES}</folder>\n",
        f"  <filename>{_text(image.name)}</filename>\n",
        f"  <size><width>{ceil(image.width)}</width><height>{ceil(image.height)}</height><depth>3</depth></size>\n",
        "  <segmented>0</segmented>\n",
        *(_object(each, names[each.category], image) for each in image.objects),
        "</annotation>\n",
    ]
    return "".join(parts)


def _object(each: Object, name: str, image: ImageObjects) -> str:
    left, top, right, bottom = each.box
    corners = {
        "xmin": floor(left) + 1,
        "ymin": floor(top) + 1,
        "xmax": min(ceil(right), ceil(image.width)),
        "ymax": min(ceil(bottom), ceil(image.height)),
    }
    box = "".join(f"<{side}>{number}</{side}>" for side, number in corners.items())
    return (
        f"  <object>\n    <name>{_text(name)}</name>\n    <pose>Unspecified</pose>\n"
        f"    <truncated>{int(each.is_cut)}</truncated>\n    <difficult>{int(each.is_crowd)}</difficult>\n"
        f"    <bndbox>{box}</bndbox>\n  </object>\n"
    )


def _text(text: str) -> str:
    """`text` within XML, which has no place for some characters."""
    return escape(_NO_XML.sub("\ufffd", text), _WHITE)
