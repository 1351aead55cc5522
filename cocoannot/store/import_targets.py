"""Which of our categories and images those of an incoming dataset are, and which of them are new. Nothing is changed.

    a category     by its name; another skeleton or other keypoints than ours is a conflict, and nothing is imported
    an image       by its file_name, or by its id where that is asked for; another size is another picture: refused

What is there stays as it is: a supercategory that is another one, or a field that only theirs has, is noted.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable
from typing import Any, NamedTuple

from cocoannot.coco.incoming import Incoming
from cocoannot.coco.parser import ImageKeys, SectionName, read_keys
from cocoannot.coco.records import Record
from cocoannot.errors import AmbiguousId, Conflict
from cocoannot.store.base import Lookup
from cocoannot.store.import_report import MOST_LISTED, Report


class Target(NamedTuple):
    """What a record of theirs is here: `our_id` of one that is there, `None` for a new one, or why it is refused.

    `same_as` is the place of an earlier new one of theirs that it is the same as, `None` where there is none.
    """

    slot: int
    their_id: int
    our_id: int | None = None
    same_as: int | None = None
    refusal: str | None = None
    kind: str = ""


_NAMED = 5
"""Fields of a category that a note names, and categories that a message does."""


def find_categories(theirs: Incoming, lookup: Lookup, report: Report) -> list[Target]:
    """What each of their categories is here. Raises `Conflict` where one clashes with ours."""
    found: list[Target | None] = [None] * len(theirs.ids["categories"])
    by_name: defaultdict[str, list[int]] = defaultdict(list)
    for slot, name in enumerate(theirs.document.sections["categories"].names):
        if name:
            by_name[name].append(slot)
        else:
            found[slot] = _nameless("categories", theirs, slot, lookup, "name")
    for name, slots in by_name.items():
        for slot, our_id in zip(slots, _pair(theirs, slots, lookup.categories_named(name), lookup), strict=True):
            found[slot] = Target(slot, theirs.ids["categories"][slot], our_id)
    targets = [target for target in found if target is not None]
    _check_clashes(theirs, targets, lookup, report)
    return targets


def find_images(theirs: Incoming, lookup: Lookup, report: Report, *, by_name: bool) -> list[Target]:
    """What each of their images is here."""
    names = theirs.document.sections["images"].names
    if by_name:
        targets = [_by_name(theirs, slot, name, lookup) for slot, name in enumerate(names)]
    else:
        targets = [_by_id(theirs, slot, name, lookup, report) for slot, name in enumerate(names)]
    if not by_name:
        return targets
    first: dict[str, int] = {}
    for target in targets:
        # Programs that find images by their names refuse a file that has one twice.
        if target.our_id is None and target.refusal is None and names[target.slot]:
            first.setdefault(names[target.slot], target.slot)
    return [_checked(theirs, target, first.get(names[target.slot], target.slot)) for target in targets]


def _by_name(theirs: Incoming, slot: int, name: str, lookup: Lookup) -> Target:
    if not name:
        return _nameless("images", theirs, slot, lookup, "file_name")
    their_id, ours = theirs.ids["images"][slot], lookup.images_named(name)
    if len(ours) > 1:
        if their_id not in ours:
            reason = f"file_name {name!r:.100} is there {len(ours)} times here; match=id may tell which one is meant"
            return Target(slot, their_id, refusal=reason, kind="their file_name is there more than once here")
        ours = [their_id]
    return _same_size(theirs, slot, ours[0], lookup) if ours else Target(slot, their_id)


def _by_id(theirs: Incoming, slot: int, name: str, lookup: Lookup, report: Report) -> Target:
    their_id = theirs.ids["images"][slot]
    try:
        if (stored := lookup.find("images", their_id)) is not None:
            if (ours := stored.record.get("file_name")) != name:
                report.note(f"image {their_id} is {name!r:.100} in the file, and {ours!r:.100} here")
            return _same_size(theirs, slot, their_id, lookup)
    except AmbiguousId as exc:
        return Target(slot, their_id, refusal=str(exc), kind="their id is there more than once here")
    if name and (others := lookup.images_named(name)):
        reason = f"there is none with this id here, and its file_name is that of image {others[0]}; use match=file_name"
        return Target(slot, their_id, refusal=reason, kind="their file_name has another id here")
    return Target(slot, their_id)


def _same_size(theirs: Incoming, slot: int, our_id: int, lookup: Lookup) -> Target:
    their_id = theirs.ids["images"][slot]
    try:
        stored = lookup.find("images", our_id)
    except AmbiguousId as exc:
        return Target(slot, their_id, refusal=str(exc), kind="their id is there more than once here")
    assert stored is not None
    here, there = _size(stored.record.text), _size(theirs.text("images", slot))
    if here and there and here != there:
        reason = f"is {_times(there)} in the file, and {_times(here)} here (image {our_id}): another picture"
        return Target(slot, their_id, refusal=reason, kind="another size than here")
    return Target(slot, their_id, our_id)


def _checked(theirs: Incoming, target: Target, first: int) -> Target:
    """`target`, but for a new image whose name an earlier one of the same file has: that one, or a refusal."""
    if target.our_id is not None or target.refusal is not None or first == target.slot:
        return target
    sizes = [_size(theirs.text("images", slot)) for slot in (first, target.slot)]
    if None in sizes or sizes[0] == sizes[1]:
        return target._replace(same_as=first)
    return target._replace(
        refusal=f"images[{first}] has the same file_name, with another size",
        kind="their file_name is there more than once in the file",
    )


def _nameless(section: SectionName, theirs: Incoming, slot: int, lookup: Lookup, field: str) -> Target:
    """What can't be found by name is known only where it is there byte for byte, under the same id."""
    their_id = theirs.ids[section][slot]
    stored = lookup.find_copy(section, their_id, theirs.text(section, slot))
    if stored is not None and stored.record.text == theirs.text(section, slot):
        return Target(slot, their_id, their_id)
    return Target(slot, their_id, refusal=f"has no {field} to find it by", kind=f"no {field}")


def _pair(theirs: Incoming, slots: list[int], ours: list[int], lookup: Lookup) -> list[int | None]:
    """Ours for each of their categories of one name: that of the same id, else of the same supercategory, else the next
    one. Where they have more than we, what is left is our first; where we have none, all are new."""
    if not ours:
        return [None] * len(slots)
    left = list(ours)
    found: dict[int, int] = {}
    for slot in slots:
        if (their_id := theirs.ids["categories"][slot]) in left:
            found[slot] = their_id
            left.remove(their_id)
    for slot in slots:
        supercategory = Record(theirs.text("categories", slot)).get("supercategory")
        for our_id in left if slot not in found else ():
            if _ours(our_id, lookup).get("supercategory") == supercategory:
                found[slot] = our_id
                left.remove(our_id)
                break
    for slot in slots:
        if slot not in found:
            found[slot] = left.pop(0) if left else ours[0]
    return [found[slot] for slot in slots]


def _check_clashes(theirs: Incoming, targets: Iterable[Target], lookup: Lookup, report: Report) -> None:
    clashes: list[dict[str, Any]] = []
    for target in targets:
        if target.our_id is None:
            continue
        ours, their_text = _ours(target.our_id, lookup), theirs.text("categories", target.slot)
        name = ours.get("name")
        fields = Record(their_text)
        if clash := _clash(ours, fields):
            clashes.append({"name": name, "id": target.our_id, "their_id": target.their_id, "fields": clash})
        others = [key for key, value in fields.items() if key != "id" and ours.get(key) != value]
        if not clash and others:
            shown = ", ".join(f"{key:.100}" for key in others[:_NAMED]) + (", ..." if len(others) > _NAMED else "")
            report.note(f"category {name!r:.100} has another {shown} in the file; ours stays as it is")
    if clashes:
        names = ", ".join(f"{each['name']!r:.100} ({' and '.join(each['fields'])})" for each in clashes[:_NAMED])
        more = "" if len(clashes) <= _NAMED else f" and {len(clashes) - _NAMED} more"
        raise Conflict(
            f"nothing was imported: categories of the same name have others here: {names}{more}. Rename these "
            "categories in the file, or give both the same keypoints and skeleton",
            {"clashes": clashes[:MOST_LISTED]},
        )


def _clash(ours: Record, theirs: Record) -> list[str]:
    """The fields in which two categories of one name contradict each other.

    A file without keypoints knows less than we; one that has them where we have none has annotations that we can't
    describe.
    """
    found = []
    if theirs.get("keypoints") and ours.get("keypoints") != theirs["keypoints"]:
        found.append("keypoints")
    if theirs.get("skeleton") and ours.get("skeleton") != theirs["skeleton"] and (ours.get("skeleton") or found):
        found.append("skeleton")
    return found


def _ours(category_id: int, lookup: Lookup) -> Record:
    try:
        stored = lookup.find("categories", category_id)
    except AmbiguousId as exc:
        raise Conflict(f"nothing was imported: {exc}") from exc
    assert stored is not None
    return stored.record


def _size(text: bytes) -> tuple[int, int] | None:
    """Width and height of an image, `None` where it has none."""
    keys = read_keys("images", text)
    assert isinstance(keys, ImageKeys)
    width, height = keys.width, keys.height
    if isinstance(width, int | float) and isinstance(height, int | float):
        return int(width), int(height)
    return None


def _times(size: tuple[int, int]) -> str:
    return f"{size[0]} x {size[1]}"
