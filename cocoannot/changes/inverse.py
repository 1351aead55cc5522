"""What takes a change back: each record as it was before. Whether that may be done is not known here."""

from __future__ import annotations

from collections.abc import Iterable

from cocoannot.changes.change import Edit, ValueEdit
from cocoannot.coco.parser import SectionName

_ORDER: dict[SectionName, int] = {"categories": 0, "images": 1, "annotations": 2}


def inverse(edits: Iterable[Edit]) -> list[Edit]:
    """The edits that take `edits` back, one for each record that is another one by them.

    First those that delete, what refers to others before what it refers to; then those that update; then those that
    add, the other way round, and by position. They have no `index`.
    """
    first: dict[tuple[SectionName, int, int], Edit] = {}
    last: dict[tuple[SectionName, int, int], Edit] = {}
    for edit in edits:
        name = (edit.section, edit.record_id, edit.position)
        first.setdefault(name, edit)
        last[name] = edit
    inverted = [
        Edit(*name, last[name].after, began.before, lead=began.lead or last[name].lead)
        for name, began in first.items()
        if began.before != last[name].after
    ]
    return sorted(inverted, key=_order)


def inverse_values(values: Iterable[ValueEdit]) -> list[ValueEdit]:
    """The same for top-level values, one for each key that has another value by them."""
    first: dict[str, ValueEdit] = {}
    last: dict[str, ValueEdit] = {}
    for value in values:
        first.setdefault(value.key, value)
        last[value.key] = value
    return [
        ValueEdit(key, last[key].after, began.before) for key, began in first.items() if began.before != last[key].after
    ]


def _order(edit: Edit) -> tuple[int, int, int]:
    match edit.action:
        case "deleted":
            return 0, -_ORDER[edit.section], edit.position
        case "updated":
            return 1, 0, 0
        case "added":
            return 2, _ORDER[edit.section], edit.position
