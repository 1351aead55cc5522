"""The edits of a change as statements: a few for each table, whatever many edits there are. Nothing is read or decided.

What is written is for the head's row too; that is written by `write_head`, once for all changes of a transaction.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from itertools import islice
from typing import Any, NamedTuple
from uuid import UUID, uuid4

import msgspec

from cocoannot.changes.change import Change, Edit
from cocoannot.changes.description import describe
from cocoannot.coco.parser import SectionName
from cocoannot.store.placing import STRIDE
from cocoannot.store.postgres.adding import write_added
from cocoannot.store.postgres.counting import count_annotations
from cocoannot.store.postgres.moment import Moment
from cocoannot.store.postgres.rows import AREAS, CODES, SUMMARY, TABLES, HeadRow, Row, row_of

_AT_ONCE = 5_000
"""Records in one statement: more would make one that takes much memory on both sides."""

_CHANGES_AT_ONCE = 200

_REFERRED_FIRST: tuple[SectionName, ...] = ("images", "categories", "annotations")
_COLUMNS: dict[SectionName, dict[str, str]] = {
    "images": {"status": "int2", "sized": "boolean", "file_name": "text"},
    "categories": {"name": "text"},
    "annotations": {"image_id": "int8", "category_id": "int8", "area": "float4", "iscrowd": "boolean"},
}
_OLD_LEAD = (
    "coalesce(u.lead, (SELECT h.lead FROM history h WHERE h.dataset_id = %(d)s AND h.section = %(section)s "
    "AND h.id = u.id AND h.position = u.position AND h.after IS NULL ORDER BY h.revision DESC, h.seq DESC LIMIT 1))"
)
_HISTORY = {
    "seq": "int4",
    "section": "int2",
    "id": "int8",
    "position": "int8",
    "image_id": "int8",
    "from_image_id": "int8",
    "place": "int8",
    "lead": "text",
    "before": "text",
    "after": "text",
}


class _Net(NamedTuple):
    """What a change comes to for one record: its text before and after, and its last edit."""

    before: bytes | None
    after: bytes | None
    edit: Edit


def write_change(moment: Moment, change: Change, request: UUID, answer: bytes | None) -> None:
    """Write `change` and what it does; `moment.head` is brought up to it. Within a transaction that has the lock."""
    nets = _nets(change.edits)
    if not write_added(moment, change, request, answer):
        _write_all(moment, change, nets, request, answer)
    head = moment.head
    for net in nets:
        if net.before is None and net.after is not None:
            head.counts[net.edit.section] += 1
        elif net.after is None and net.before is not None:
            head.counts[net.edit.section] -= 1
    for edit in change.edits:
        if edit.before is None:
            section = edit.section
            head.next_ids[section] = max(head.next_ids[section], edit.record_id + 1)
            head.ends[section] = max(head.ends[section], edit.position + STRIDE)
    head.revision = change.revision


def _write_all(moment: Moment, change: Change, nets: Sequence[_Net], request: UUID, answer: bytes | None) -> None:
    # New images and categories first: they count the annotations that are there before this change, orphans of theirs.
    for section in _REFERRED_FIRST:
        _insert(moment, change.revision, section, [net for net in nets if _is(net, section, "added")])
    for section in reversed(_REFERRED_FIRST):
        _update(moment, change.revision, section, [net for net in nets if _is(net, section, "updated")])
        _delete(moment, section, [net.edit.position for net in nets if _is(net, section, "deleted")])
    count_annotations(moment, [(net.before, net.after) for net in nets if net.edit.section == "annotations"])
    for value in change.values:
        moment.do(
            "INSERT INTO top_value (dataset_id, content, key, value) VALUES (%(d)s, %(c)s, %(key)s, %(value)s) "
            "ON CONFLICT (dataset_id, content, key) DO UPDATE SET value = excluded.value",
            {"key": msgspec.json.encode(value.key).decode(), "value": _text(value.after)},
        )
    _write_history(moment, change)
    write_record(moment, change, request, answer)


def write_record(moment: Moment, change: Change, request: UUID, answer: bytes | None) -> None:
    """Write that there was `change`, without what it did."""
    moment.do(
        "INSERT INTO change (dataset_id, revision, time, actor, key, request, answer, undoes, replaced) VALUES "
        "(%(d)s, %(revision)s, %(time)s, %(actor)s, %(key)s, %(request)s, %(answer)s, %(undoes)s, %(replaced)s)",
        {
            "revision": change.revision,
            "time": change.time,
            "actor": change.actor,
            "key": change.key,
            "request": request,
            "answer": _text(answer),
            "undoes": change.undoes,
            "replaced": msgspec.json.encode(change.replaced).decode() if change.replaced else None,
        },
    )


def write_past_changes(moment: Moment, changes: Iterable[Change]) -> None:
    """Write changes that led to the dataset as it is. What their requests were answered is not known any more."""
    rest = iter(changes)
    while some := list(islice(rest, _CHANGES_AT_ONCE)):
        with moment.connection.pipeline():
            for change in some:
                _write_history(moment, change)
                write_record(moment, change, uuid4(), None)


def write_head(moment: Moment) -> None:
    """Write `moment.head`."""
    moment.do(
        "UPDATE head SET content = %(content)s, revision = %(revision)s, file_revision = %(file_revision)s, "
        "floor = %(floor)s, panoptic = %(panoptic)s, images = %(images)s, annotations = %(annotations)s, "
        "categories = %(categories)s, next_image = %(next_images)s, next_annotation = %(next_annotations)s, "
        "next_category = %(next_categories)s, image_end = %(images_end)s, annotation_end = %(annotations_end)s, "
        "category_end = %(categories_end)s WHERE dataset_id = %(d)s",
        head_values(moment.head),
    )


def head_values(head: HeadRow) -> dict[str, Any]:
    """The columns of the head's row as parameters."""
    return {
        "content": head.content,
        "revision": head.revision,
        "file_revision": head.file_revision,
        "floor": head.floor,
        "panoptic": head.panoptic,
        **head.counts,
        **{f"next_{name}": number for name, number in head.next_ids.items()},
        **{f"{name}_end": number for name, number in head.ends.items()},
    }


def _nets(edits: Iterable[Edit]) -> list[_Net]:
    """One for each record that `edits` leave another one, in the order in which they come to it."""
    found: dict[tuple[SectionName, int], _Net] = {}
    for edit in edits:
        name = edit.section, edit.position
        found[name] = _Net(found[name].before if name in found else edit.before, edit.after, edit)
    return [net for net in found.values() if net.before is not None or net.after is not None]


def _is(net: _Net, section: SectionName, action: str) -> bool:
    if net.edit.section != section:
        return False
    if net.before is None:
        return action == "added"
    return action == ("deleted" if net.after is None else "updated")


def _insert(moment: Moment, revision: int, section: SectionName, nets: Sequence[_Net]) -> None:
    for some in _portions(nets):
        kinds = {"id": "int8", **_COLUMNS[section], "lead": "text", "record": "text", "position": "int8"}
        rows = [
            (net.edit.record_id, *_row(section, net.after), _text(net.edit.lead), _text(net.after), net.edit.position)
            for net in some
        ]
        names = ", ".join(kinds)
        given = ", ".join(f"u.{name}" for name in kinds)
        if any(net.edit.index is not None for net in some):
            # What comes back to its place has before it what stood there.
            given = given.replace("u.lead", _OLD_LEAD)
        counted, count = "", ""
        if section != "annotations":
            column = "image_id" if section == "images" else "category_id"
            told = {"annotations": "count(*)", **(SUMMARY if section == "images" else {})}
            counted = "".join(f", {name}" for name in told)
            count = "".join(
                f", (SELECT {each} FROM annotation a WHERE a.dataset_id = %(d)s AND a.content = %(c)s "
                f"AND a.{column} = u.id)"
                for each in told.values()
            )
        moment.do(
            f"INSERT INTO {TABLES[section]} (dataset_id, content, revision, {names}{counted}) "
            f"SELECT %(d)s::int4, %(c)s::int4, %(revision)s::int8, {given}{count} "
            f"FROM unnest({_arrays(kinds)}) AS u ({names})",
            {"revision": revision, "section": CODES[section], "areas": AREAS, **_columns(kinds, rows)},
        )


def _update(moment: Moment, revision: int, section: SectionName, nets: Sequence[_Net]) -> None:
    for some in _portions(nets):
        kinds = {**_COLUMNS[section], "record": "text", "position": "int8"}
        rows = [(*_row(section, net.after), _text(net.after), net.edit.position) for net in some]
        names = ", ".join(kinds)
        changed = ", ".join(f"{name} = u.{name}" for name in kinds if name != "position")
        moment.do(
            f"UPDATE {TABLES[section]} t SET revision = %(revision)s, {changed} "
            f"FROM unnest({_arrays(kinds)}) AS u ({names}) "
            "WHERE t.dataset_id = %(d)s AND t.content = %(c)s AND t.position = u.position",
            {"revision": revision, **_columns(kinds, rows)},
        )


def _delete(moment: Moment, section: SectionName, positions: Sequence[int]) -> None:
    if positions:
        moment.do(
            f"DELETE FROM {TABLES[section]} "
            "WHERE dataset_id = %(d)s AND content = %(c)s AND position = ANY(%(positions)s::int8[])",
            {"positions": list(positions)},
        )


def _write_history(moment: Moment, change: Change) -> None:
    names = ", ".join(_HISTORY)
    for some in _portions(list(enumerate(change.edits))):
        rows = []
        for seq, edit in some:
            described = describe(edit)
            moved_from = described.from_image_id if isinstance(described.from_image_id, int) else None
            where = seq, CODES[edit.section], edit.record_id, edit.position, described.image_id, moved_from, edit.index
            rows.append((*where, _text(edit.lead), _text(edit.before), _text(edit.after)))
        moment.do(
            f"INSERT INTO history (dataset_id, revision, {names}) SELECT %(d)s::int4, %(revision)s::int8, u.* "
            f"FROM unnest({_arrays(_HISTORY)}) AS u ({names})",
            {"revision": change.revision, **_columns(_HISTORY, rows)},
        )
    for seq, value in enumerate(change.values):
        moment.do(
            "INSERT INTO value_history (dataset_id, revision, seq, key, before, after) "
            "VALUES (%(d)s, %(revision)s, %(seq)s, %(key)s, %(before)s, %(after)s)",
            {
                "revision": change.revision,
                "seq": seq,
                "key": msgspec.json.encode(value.key).decode(),
                "before": _text(value.before),
                "after": _text(value.after),
            },
        )


def _row(section: SectionName, text: bytes | None) -> Row:
    assert text is not None
    return row_of(section, text)


def _arrays(kinds: Mapping[str, str]) -> str:
    """The parameters of `unnest`, one for each column."""
    return ", ".join(f"%(col_{name})s::{kind}[]" for name, kind in kinds.items())


def _columns(kinds: Iterable[str], rows: Sequence[Sequence[Any]]) -> dict[str, list[Any]]:
    """`rows` as the parameters that `_arrays` names."""
    return {f"col_{name}": list(values) for name, values in zip(kinds, zip(*rows, strict=True), strict=True)}


def _portions(items: Sequence[Any]) -> Iterator[Sequence[Any]]:
    return (items[at : at + _AT_ONCE] for at in range(0, len(items), _AT_ONCE))


def _text(text: bytes | None) -> str | None:
    return None if text is None else text.decode()
