"""Reverting what one user did: the edits that take all of it back, where nobody else built upon it.

All of it is taken back, or nothing. A record that is by now what it was before the user came to it stays as it is.
"""

from __future__ import annotations

from collections.abc import Sequence

import msgspec

from cocoannot.changes.change import Change, Edit, ValueEdit
from cocoannot.changes.description import describe
from cocoannot.changes.inverse import inverse, inverse_values
from cocoannot.coco.parser import SectionName
from cocoannot.errors import Conflict
from cocoannot.store.base import KeptChanges, Lookup
from cocoannot.store.queries import ChangeQuery
from cocoannot.store.undoing import changed_values, in_the_way, placed

MOST_CHANGES = 10_000
"""How many changes are taken back at once."""

_Name = tuple[SectionName, int]


def revert(actor: str, since: int, lookup: Lookup, history: KeptChanges) -> tuple[list[Edit], list[ValueEdit]]:
    """The edits that take the changes of `actor` after the revision `since` back, ready to be made; none for none.

    Those of top-level values stand beside them.

    Raises `Conflict` where somebody else built upon them, `NotKept` where not every change since then is kept.
    """
    changes = history.whole_changes(ChangeQuery(since=since, actor=actor, limit=MOST_CHANGES))
    if changes is None:
        raise Conflict(f"{actor!r} made more after revision {since} than can be taken back at once; give a later one")
    if replaced := next((change for change in changes if change.replaced), None):
        raise Conflict(f"change {replaced.revision} replaced the dataset in bulk, which can't be taken back")
    if not changes:
        return [], []
    edits = [edit for edit in inverse(_edits(changes)) if not _is_back(edit, lookup)]
    broken = _built_upon(changes)
    with history.touched_since(changes[0].revision - 1) as touched:
        changed = [edit for edit in edits if (edit.section, edit.record_id) in broken]
        changed += [edit for edit in in_the_way(edits, touched, lookup) if edit not in changed]
    if changed:
        raise _refusal(actor, changed)
    return placed(edits, lookup), _values(actor, changes, lookup)


def _values(actor: str, changes: Sequence[Change], lookup: Lookup) -> list[ValueEdit]:
    """The top-level values to be taken back. Raises `Conflict`."""
    values = inverse_values([value for change in changes for value in change.values])
    left = [value for value in values if lookup.top_level(value.key) != value.after]
    if changed := changed_values(left, lookup):
        raise Conflict(
            f"what {actor!r} did can't be taken back: somebody else changed {', '.join(changed)}; nothing was done"
        )
    return left


def _edits(changes: Sequence[Change]) -> list[Edit]:
    return [edit for change in changes for edit in change.edits]


def _built_upon(changes: Sequence[Change]) -> set[_Name]:
    """The records that somebody else changed between two edits of the user."""
    left: dict[_Name, bytes | None] = {}
    broken: set[_Name] = set()
    for edit in _edits(changes):
        name = edit.section, edit.record_id
        if left.get(name, edit.before) != edit.before:
            broken.add(name)
        left[name] = edit.after
    return broken


def _is_back(edit: Edit, lookup: Lookup) -> bool:
    """Whether the record is what it is to be already, because somebody took that back before."""
    if edit.after is None:
        return lookup.find(edit.section, edit.record_id) is None
    stored = lookup.find_copy(edit.section, edit.record_id, edit.after)
    return stored is not None and stored.record.text == edit.after


def _refusal(actor: str, edits: Sequence[Edit]) -> Conflict:
    described = [msgspec.to_builtins(describe(edit)) for edit in edits]
    names = ", ".join(f"{each['section']} {each['id']}" for each in described[:5])
    more = "" if len(described) <= 5 else f" and {len(described) - 5} more"
    return Conflict(
        f"what {actor!r} did can't be taken back: somebody else changed {names}{more}, or what they need; nothing was "
        "done",
        {"edits": described[:1000]},
    )
