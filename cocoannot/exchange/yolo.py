"""YOLO's format, as ultralytics reads it: a text file for each image, and data.yaml.

    data.yaml            the names of the classes, which are counted from 0, and where the images are listed
    images.txt           a path for each image, `./images/NAME`
    labels/NAME.txt      `CLASS X Y WIDTH HEIGHT` for a box, by its centre, or `CLASS X Y X Y ...` for an outline
    images/NAME.EXT      the pictures, where they were asked for

All numbers are shares of the image's width and height, from 0 to 1. An image without objects has an empty file. Crowds
are left out: here each line is one object. See https://docs.ultralytics.com/datasets/detect and .../segment.
"""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Sequence
from pathlib import Path

from cocoannot.exchange.names import stem_of
from cocoannot.exchange.objects import ImageObjects, Object, Reading
from cocoannot.exchange.outlines import TooLarge, outline

PICTURES = "images"

_UNPRINTABLE = re.compile(r"[\x00-\x1f\x7f-\x9f\u2028\u2029\ufeff\ud800-\udfff\ufffe\uffff]")


def write_yolo(
    reading: Reading, folder: Path, on_image: Callable[[ImageObjects], object], *, segments: bool
) -> dict[str, int]:
    """Write labels, and the files that list images and classes, into `folder`; `segments` writes outlines, not boxes.

    `on_image` is called for each image. Returns how many images and objects were written. Raises `OSError`.
    """
    counts = {"images": 0, "objects": 0}
    (folder / "labels").mkdir()
    with (folder / "images.txt").open("x", encoding="utf-8") as listed:
        for image in reading:
            lines = [line for each in image.objects if (line := _line(reading, image, each, segments=segments))]
            label = folder / "labels" / f"{stem_of(image.name)}.txt"
            label.parent.mkdir(parents=True, exist_ok=True)
            with label.open("x", encoding="ascii") as file:
                file.writelines(lines)
            listed.write(f"./{PICTURES}/{image.name}\n")
            counts["images"] += 1
            counts["objects"] += len(lines)
            on_image(image)
    (folder / "data.yaml").write_text(_data(reading.class_names), encoding="utf-8")
    return counts


def _line(reading: Reading, image: ImageObjects, each: Object, *, segments: bool) -> str | None:
    """The line of an object, `None` where it is left out, which is counted then."""
    if each.is_crowd:
        reading.left_out("crowd")
        return None
    numbers = _outline(reading, image, each) if segments else _box(image, each)
    if numbers is None:
        return None
    return " ".join([str(each.category), *(_text(number) for number in numbers)]) + "\n"


def _box(image: ImageObjects, each: Object) -> list[float]:
    left, top, right, bottom = each.box
    middle, size = ((left + right) / 2, (top + bottom) / 2), (right - left, bottom - top)
    return _shares([middle, size], image)


def _outline(reading: Reading, image: ImageObjects, each: Object) -> list[float] | None:
    try:
        ring = outline(each.record, image.width, image.height)
    except TooLarge:
        reading.left_out("the mask is too large")
        return None
    if ring is not None:
        return _shares(ring.tolist(), image)
    if each.record.get("segmentation"):
        reading.left_out("nothing of the segmentation is within the image")
        return None
    # Its corners: a line of four numbers beside outlines is read as an outline of two points.
    left, top, right, bottom = each.box
    return _shares([(left, top), (right, top), (right, bottom), (left, bottom)], image)


def _shares(points: Sequence[Sequence[float]], image: ImageObjects) -> list[float]:
    return [share for x, y in points for share in (x / image.width, y / image.height)]


def _text(number: float) -> str:
    """At most six digits behind the point: a hundredth of a pixel in an image of 10,000."""
    return f"{min(max(number, 0.0), 1.0):.6f}".rstrip("0").rstrip(".")


def _data(names: list[str]) -> str:
    """data.yaml. Without `path`, the folder that it is in counts."""
    lines = [f"  {number}: {_quoted(name)}" for number, name in enumerate(names)]
    listed = "\n".join(lines) if lines else "  {}"
    return f"train: images.txt\nval: images.txt\nnames:\n{listed}\n"


def _quoted(text: str) -> str:
    """A text as YAML has it in double quotes; JSON's escapes of these characters are YAML's too."""
    quoted = json.dumps(text, ensure_ascii=False)
    return _UNPRINTABLE.sub(lambda found: f"\\u{ord(found[0]):04x}", quoted)
