"""What is wrong with a dataset's file, whatever it holds. Nothing is written; what a copy should have is `repair`'s.

bytes --> readable text --> images --> categories --> annotations, which refer to both
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Annotated, Protocol

import msgspec

from cocoannot.check.annotations import look_at_annotations
from cocoannot.check.checked import Checked
from cocoannot.check.findings import Findings
from cocoannot.check.lenient_parser import make_readable
from cocoannot.check.record_repairs import Size, is_text, repair_category, repair_image, size_of
from cocoannot.check.scan import Id
from cocoannot.check.text import INFINITE
from cocoannot.coco.rules import MAX_SIDE, Fields

_Side = Annotated[int, msgspec.Meta(ge=1, le=MAX_SIDE)]


class Gallery(Protocol):
    """The pictures of a dataset, at `place`; `certain` tells whether they should surely be there."""

    place: str
    certain: bool

    def has(self, file_name: str) -> bool: ...

    def size(self, file_name: str) -> Size | None:
        """Height and width in pixels, `None` where there is no picture that can be read."""


FindPictures = Callable[[Sequence[str]], Gallery]
"""Finds the pictures of a dataset by the file names that its images have."""


class _ImageRow(msgspec.Struct, gc=False):
    """An image as it should be."""

    id: Id
    width: _Side
    height: _Side
    file_name: Annotated[str, msgspec.Meta(pattern=r"\S")]


_IMAGE = msgspec.json.Decoder(_ImageRow)


def check_dataset(
    data: bytes,
    name: str,
    findings: Findings,
    *,
    find_pictures: FindPictures | None = None,
    measure_pictures: bool = False,
    progress: Callable[[int], object] = lambda _: None,
) -> Checked | None:
    """Look at all of a file; what is wrong goes to `findings`. `None` where it can't be read at all.

    `measure_pictures` takes missing sizes from the pictures; `progress` is called with how many more bytes are done.
    """
    readable = make_readable(data, name, findings)
    if readable is None:
        return None
    checked = Checked(readable)
    _look_at_images(checked, findings, find_pictures, measure=measure_pictures)
    progress(checked.images.rows.end - checked.images.rows.start)
    _look_at_categories(checked, findings)
    look_at_annotations(checked, findings, progress)
    for section in checked.sections.values():
        section.report(findings)
    return checked


def _look_at_images(checked: Checked, findings: Findings, find_pictures: FindPictures | None, *, measure: bool) -> None:
    images = checked.images
    sizes: dict[int, Size] = {}
    names: dict[int, str] = {}
    for i in range(len(images)):
        text = images.text(i)
        try:
            if checked.readable.infinite and INFINITE in text:
                raise msgspec.DecodeError
            row = _IMAGE.decode(text)
            images.ids[i], sizes[i], names[i] = row.id, (row.height, row.width), row.file_name
        except (msgspec.DecodeError, RecursionError):
            _look_at_image(checked, i, sizes, names)
    images.assign_ids(findings)
    wanted = {i: name for i, name in names.items() if i not in images.dropped}
    if find_pictures is not None and wanted:
        gallery = find_pictures(list(wanted.values()))
        _look_for_pictures(checked, findings, gallery, wanted)
        for i in images.problems["bad_size"] if measure else []:
            if i in wanted and i not in sizes and (size := gallery.size(wanted[i])):
                sizes[i] = size
                images.changes[i] |= {"height": size[0], "width": size[1]}
    findings.unrepairable("bad_size", "images", sum(i not in sizes for i in images.problems["bad_size"]))
    # The first of those that share an id comes last, so it counts.
    ids = images.identity.ids.tolist()
    checked.known.sizes.update((ids[i], sizes[i]) for i in reversed(sizes))


def _look_at_image(checked: Checked, i: int, sizes: dict[int, Size], names: dict[int, str]) -> None:
    images = checked.images
    if (record := images.read(i)) is None:
        return
    try:
        repair = repair_image(record, finite=i not in images.infinite)
    except RecursionError:
        images.drop(i, "too_deep")
        return
    images.note(i, repair)
    images.changes[i] |= repair.changes
    if size := size_of({**record, **repair.changes}):
        sizes[i] = size
    if is_text(name := record.get("file_name")):
        names[i] = str(name)


def _look_for_pictures(checked: Checked, findings: Findings, gallery: Gallery, wanted: dict[int, str]) -> None:
    missing = [i for i, name in wanted.items() if not gallery.has(name)]
    if len(missing) == len(wanted) and not gallery.certain:
        findings.notes.append(
            f"pictures were not looked for: none of the {len(wanted):,} is near {gallery.place}; "
            "COCOANNOT_IMAGES can say where they are"
        )
    else:
        checked.images.problems["missing_picture"] += missing


def _look_at_categories(checked: Checked, findings: Findings) -> None:
    categories = checked.categories
    records = {i: record for i in range(len(categories)) if (record := categories.read(i)) is not None}
    categories.assign_ids(findings)
    taken = {record["name"] for record in records.values() if is_text(record.get("name"))}
    seen: set[str] = set()
    for i, record in records.items():
        if i not in categories.dropped:
            _look_at_category(checked, i, record, taken, seen)


def _look_at_category(checked: Checked, i: int, record: Fields, taken: set[str], seen: set[str]) -> None:
    categories = checked.categories
    record_id = int(categories.identity.ids[i])
    try:
        repair = repair_category(record, record_id, finite=i not in categories.infinite)
    except RecursionError:
        categories.drop(i, "too_deep")
        return
    categories.note(i, repair)
    name = str(repair.changes.get("name", record.get("name")))
    if name in seen:
        if "bad_name" not in repair.kinds:
            categories.problems["repeated_name"].append(i)
        name = unused_name(f"{name} ({record_id})", taken | seen)
        repair.changes["name"] = name
    seen.add(name)
    categories.changes[i] = {**repair.changes, **categories.changes[i]}
    points = record.get("keypoints")
    if isinstance(points, list) and points:
        checked.known.keypoints.setdefault(record_id, len(points))


def unused_name(name: str, taken: set[str]) -> str:
    while name in taken:
        name += "'"
    return name
