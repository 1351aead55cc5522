"""Whether the pictures of a file's images are there, and as large as these say. How they are found is not known."""

from __future__ import annotations

import os
import unicodedata
from collections import Counter
from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import NamedTuple, Protocol
from urllib.parse import unquote, urlsplit

from cocoannot.check.checked import Checked
from cocoannot.check.findings import Findings
from cocoannot.check.record_repairs import Size
from cocoannot.check.sections import decode


class Measured(NamedTuple):
    """A picture's height and width in pixels, as they are in the file; `turned` where its EXIF swaps the two."""

    height: int
    width: int
    turned: bool = False


class Gallery(Protocol):
    """The pictures of a dataset, at `place`; `certain` tells whether they should surely be there."""

    place: str
    certain: bool

    def has(self, file_name: str) -> bool: ...

    def measure(self, file_name: str) -> Measured | None:
        """What its head says, `None` where there is no picture that can be read."""


FindPictures = Callable[[Sequence[str]], Gallery]
"""Finds the pictures of a dataset by the file names that its images have."""


class Search(NamedTuple):
    """What a look at pictures needs: the file's images, where their pictures are, and the images' `sizes` by position.

    Sizes that are missing go there, and into the copy, where `measure` is given.
    """

    checked: Checked
    findings: Findings
    gallery: Gallery
    sizes: dict[int, Size]
    measure: bool


def look_for_pictures(search: Search, names: Mapping[int, str]) -> None:
    """Look for the pictures of the images that have these names, by position."""
    findings, gallery, images = search.findings, search.gallery, search.checked.images
    found = {i: path for i, name in names.items() if (path := _path_of(gallery, name)) is not None}
    if not found and not gallery.certain:
        findings.notes.append(
            f"pictures were not looked for: none of the {len(names):,} is near {gallery.place}; "
            "COCOANNOT_IMAGES can say where they are"
        )
        return
    missing = [i for i in names if i not in found]
    images.problems["missing_picture"] += missing
    if words := _why(search, names, missing):
        findings.add("missing_picture", "images", count=0).detail = words
    for i, path in found.items():
        if path != names[i]:
            images.problems["odd_file_name"].append(i)
            images.changes[i]["file_name"] = path
    _compare_sizes(search, found)


def _path_of(gallery: Gallery, name: str) -> str | None:
    """What surely names the picture in the folder, `None` where nothing does."""
    if "\\" in name and gallery.has(path := os.path.normpath(name.replace("\\", "/"))):
        return path
    if gallery.has(name):
        return name
    if os.path.isabs(name):
        inside = os.path.relpath(name, gallery.place)
        if not inside.startswith("..") and gallery.has(inside):
            return inside
    others = (unquote(name), unicodedata.normalize("NFC", name), unicodedata.normalize("NFD", name))
    return next((other for other in others if other != name and gallery.has(other)), None)


def _compare_sizes(search: Search, found: Mapping[int, str]) -> None:
    images, sizes = search.checked.images, search.sizes
    wrong: list[str] = []
    for i, path in found.items():
        picture = search.gallery.measure(path)
        if picture is None:
            continue
        size = picture.height, picture.width
        if i not in sizes:
            if search.measure:
                sizes[i] = size
                images.changes[i] |= {"height": size[0], "width": size[1]}
        elif sizes[i] != size:
            height, width = sizes[i]
            exif = f", which its EXIF turns to {picture.height}x{picture.width}" if picture.turned else ""
            record_id = images.examples([i])[0]
            wrong.append(f"{record_id} is {width}x{height}, its picture {picture.width}x{picture.height}{exif}")
    if wrong:
        search.findings.add("wrong_size", "images", wrong, len(wrong))


def _why(search: Search, names: Mapping[int, str], missing: Sequence[int]) -> str:
    """Why pictures are not found, where that can be told."""
    reasons: Counter[str] = Counter()
    examples: dict[str, str] = {}
    for i in missing[:1000]:
        for reason, path in _others(names[i]):
            if search.gallery.has(path):
                reasons[reason] += 1
                examples.setdefault(reason, f"{names[i]!r} is there as {path!r}")
                break
        else:
            for reason in _plain_reasons(names[i], decode(search.checked.images.text(i))[0]):
                reasons[reason] += 1
                break
    return "; ".join(
        f"{count:,} {reason}" + (f" ({examples[reason]})" if reason in examples else "")
        for reason, count in reasons.most_common()
    )


def _others(name: str) -> Iterator[tuple[str, str]]:
    plain = name.replace("\\", "/")
    if plain != plain.strip():
        yield "with white space around it", plain.strip()
    if "%" in plain:
        yield "with %-signs of a web address", unquote(plain)
    for form in ("NFC", "NFD"):
        if (other := unicodedata.normalize(form, plain)) != plain:
            yield "with another form of accents", other
    for other in (plain.lower(), plain.upper()):
        if other != plain:
            yield "with capital letters that differ", other
    base = last_part(plain) if "://" in plain else os.path.basename(plain)
    if base and base != plain:
        yield "in another folder", base
    for suffix in (".jpg", ".jpeg", ".png", ".JPG", ".PNG"):
        yield "without its suffix", plain + suffix
        if (stem := os.path.splitext(plain)[0]) + suffix != plain:
            yield "with another suffix", stem + suffix


def last_part(address: str) -> str:
    """The name that a web address ends with, empty where it has none."""
    try:
        return urlsplit(address).path.rpartition("/")[2]
    except ValueError:
        # Such as http://[
        return ""


def _plain_reasons(name: str, record: Mapping[str, object]) -> Iterator[str]:
    if "\\" in name:
        yield "with backslashes"
    if "://" in name:
        yield "with a web address for a file_name"
    if os.path.isabs(name):
        yield "with an absolute path outside of the folder"
    if record.get("coco_url") or record.get("flickr_url"):
        yield "with an address that they can be downloaded from"
