"""What is wrong with a file's images. Whether their pictures are there is looked at beside it, in `pictures`."""

from __future__ import annotations

from typing import Annotated

import msgspec

from cocoannot.check.checked import Checked
from cocoannot.check.findings import Findings
from cocoannot.check.pictures import FindPictures, Search, last_part, look_for_pictures
from cocoannot.check.record_repairs import Size, is_text, repair_image, size_of
from cocoannot.check.scan import Id
from cocoannot.check.sections import decode
from cocoannot.check.text import INFINITE
from cocoannot.coco.fields import MAX_SIDE

_Side = Annotated[int, msgspec.Meta(ge=1, le=MAX_SIDE)]


class _ImageRow(msgspec.Struct, gc=False):
    """An image as it should be."""

    id: Id
    width: _Side
    height: _Side
    file_name: Annotated[str, msgspec.Meta(pattern=r"\S")]


_IMAGE = msgspec.json.Decoder(_ImageRow)


def look_at_images(checked: Checked, findings: Findings, find_pictures: FindPictures | None, *, measure: bool) -> None:
    """Look at all images; `measure` takes sizes that are missing from the pictures."""
    images = checked.images
    sizes: dict[int, Size] = {}
    names: dict[int, str] = {}
    for i in range(len(images)):
        text = images.text(i)
        try:
            if checked.readable.marked.infinite and INFINITE in text:
                raise msgspec.DecodeError
            row = _IMAGE.decode(text)
            images.ids[i], sizes[i], names[i] = row.id, (row.height, row.width), row.file_name
        except (msgspec.DecodeError, RecursionError):
            _look_closely(checked, i, sizes, names)
    images.assign_ids(findings)
    kept = {i: name for i, name in names.items() if i not in images.dropped}
    _look_at_names(checked, kept)
    # LVIS has addresses, and no file names.
    addressed = {i: name for i in images.problems["bad_file_name"] if (name := _name_in_address(checked, i))}
    if find_pictures is not None and (kept or addressed):
        gallery = find_pictures([*kept.values(), *addressed.values()])
        for i, name in addressed.items():
            if gallery.has(name):
                images.changes[i]["file_name"] = name
        look_for_pictures(Search(checked, findings, gallery, sizes, measure), kept | addressed)
    if addressed:
        findings.add("bad_file_name", "images", count=0).detail = f"{len(addressed):,} have an address"
    unnamed = [i for i in images.problems["bad_file_name"] if not is_text(images.changes[i].get("file_name"))]
    findings.unrepairable("bad_file_name", "images", len(unnamed))
    findings.unrepairable("bad_size", "images", sum(i not in sizes for i in images.problems["bad_size"]))
    # The first of those that share an id comes last, so it counts.
    ids = images.identity.ids.tolist()
    checked.known.sizes.update((ids[i], sizes[i]) for i in reversed(sizes))
    for i, record_id in images.identity.repeated.items():
        # Which of them is meant is not certain.
        if i not in images.identity.copies and sizes.get(i) != checked.known.sizes.get(record_id):
            checked.known.sizes.pop(record_id, None)


def _look_closely(checked: Checked, i: int, sizes: dict[int, Size], names: dict[int, str]) -> None:
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


def _name_in_address(checked: Checked, i: int) -> str:
    """The last part of an image's address, empty where it has none."""
    record = decode(checked.images.text(i))[0] if i not in checked.images.dropped else {}
    addresses = (record.get(key) for key in ("coco_url", "flickr_url"))
    names = (last_part(address) for address in addresses if isinstance(address, str))
    return next(filter(None, names), "")


def _look_at_names(checked: Checked, names: dict[int, str]) -> None:
    seen: set[str] = set()
    for i, name in sorted(names.items()):
        if name in seen:
            checked.images.problems["repeated_file_name"].append(i)
        seen.add(name)
