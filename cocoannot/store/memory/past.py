"""What was: changes, versions, the dataset at a revision. From memory as far back as that goes, else from the history.

Memory has the latest changes only; where there is no history kept, they are all there is.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable, Iterator, Sequence
from contextlib import contextmanager
from itertools import chain
from typing import NamedTuple

from cocoannot.changes.change import Change, Edit, ValueEdit
from cocoannot.changes.description import DescribedChange, describe_change, image_of, images_of
from cocoannot.coco.parser import SectionName
from cocoannot.coco.records import Record, with_etags
from cocoannot.coco.serializer import split
from cocoannot.errors import Conflict, NotKept
from cocoannot.history.kept import KeptHistory
from cocoannot.history.work import Work, day_of
from cocoannot.store.base import Export, Page, Stored, Touched, UserDay, Version
from cocoannot.store.memory.old_dataset import OldDataset
from cocoannot.store.memory.snapshot import MemorySnapshot
from cocoannot.store.memory.state import State
from cocoannot.store.queries import ChangeQuery, Derived


class _Now(NamedTuple):
    """What an image is at a revision that is to be gone back from."""

    revision: int
    there: bool
    annotations: list[Stored]


class Past:
    """Reads of the past for a store; any thread may call anything. Raises what `cocoannot.store.base.History` says."""

    def __init__(self, state: State, history: KeptHistory | None) -> None:
        self._state = state
        self._history = history

    @property
    def warnings(self) -> list[str]:
        """What is wrong with the history, for people."""
        return [] if self._history is None else self._history.warnings

    @property
    def oldest_change(self) -> int:
        if self._history is None:
            with self._state.lock:
                return self._state.recent.start
        with self._history.reading() as reader:
            return reader.oldest()

    @contextmanager
    def touched_since(self, revision: int) -> Iterator[Touched]:
        changes = self.changes(revision)
        if changes is not None:
            replaced = next((change.revision for change in changes if change.replaced), None)
            _check_replaced(replaced)
            yield _Touched(changes)
            return
        if self._history is None:
            raise NotKept(f"the changes after revision {revision} are not all kept any more")
        with self._history.reading() as reader:
            if revision < reader.oldest():
                raise NotKept(f"the changes after revision {revision} are not all kept any more")
            _check_replaced(reader.replaced_since(revision))
            yield reader.touched_since(revision)

    def changes(self, since: int) -> list[Change] | None:
        with self._state.lock:
            return self._state.recent.since(since)

    def change(self, revision: int) -> Change | None:
        with self._state.lock:
            change = self._state.recent.get(revision)
        if change is not None or self._history is None:
            return change
        with self._history.reading() as reader:
            return reader.change(revision)

    def find_changes(self, query: ChangeQuery) -> list[DescribedChange]:
        recent = self._recent(query)
        if recent is not None:
            return [describe_change(change) for change in recent]
        assert self._history is not None
        with self._history.reading() as reader:
            return reader.changes(query)

    def whole_changes(self, query: ChangeQuery) -> list[Change] | None:
        more = query._replace(limit=query.limit + 1)
        recent = self._recent(more)
        if recent is not None:
            if self._history is None and (query.since or 0) < self.oldest_change:
                raise NotKept(f"the changes after revision {query.since} are not all kept any more")
            return recent if len(recent) <= query.limit else None
        assert self._history is not None
        with self._history.reading() as reader:
            if query.since is not None and query.since < reader.oldest():
                raise NotKept(f"the changes after revision {query.since} are not all kept any more")
            return reader.whole_changes(query)

    def versions(self, section: SectionName, record_id: int, query: ChangeQuery) -> list[Version]:
        query = query._replace(record=(section, record_id))
        recent = self._recent(query)
        if recent is not None:
            return [_version(change, section, record_id) for change in recent]
        assert self._history is not None
        with self._history.reading() as reader:
            return reader.versions(section, record_id, query)

    def work(self) -> list[UserDay]:
        if self._history is not None:
            with self._history.reading() as reader:
                return reader.work()
        work = Work()
        for change in self._all():
            work.add(change)
        days = [UserDay(day_of(day), actor, *counts) for (day, actor), counts in work.counts.items()]
        return sorted(days, key=lambda each: (each.day, each.actor or ""))

    def last_changed_by(self, actor: str) -> tuple[set[int], int]:
        """The annotations whose newest change was made by `actor`, up to the revision that comes with them."""
        if self._history is None:
            with self._state.lock:
                return set(), self._state.recent.start
        with self._history.reading() as reader:
            return reader.last_changed_by(actor), reader.last()

    def annotations_at(self, image_id: int, revision: int, derived: Collection[Derived] = ()) -> Page | None:
        with self._state.lock:
            tables = self._state.tables
            there = tables.has("images", image_id)
            now = _Now(self._state.revision, there, list(tables.annotations_where(image_id=image_id)))
        with self._edits(revision, now.revision, image_id) as edits:
            first = _first_of_each(edits)
        image = first.pop(("images", image_id), None)
        if not (now.there if image is None else image.before is not None):
            return None
        rows = [
            (stored.position, stored.record.text)
            for stored in now.annotations
            if ("annotations", stored.record_id) not in first
        ]
        rows += [
            (edit.position, edit.before)
            for edit in first.values()
            if edit.before is not None and image_of(edit, edit.before) == image_id
        ]
        texts = [text for _, text in sorted(rows, key=lambda row: row[0])]
        return Page(len(texts), with_etags(texts) if "etag" in derived else texts, revision)

    def export_at(self, revision: int, name: str) -> Export:
        # One piece ahead, so that the file behind it is let go of where nobody reads on.
        return Export(name, revision, None, split(self._old_dataset(revision).pieces()))

    def snapshot_at(self, revision: int, name: str) -> MemorySnapshot:
        return MemorySnapshot(name, revision, self._old_dataset(revision))

    def _old_dataset(self, revision: int) -> OldDataset:
        with self._state.lock:
            now, old = self._state.revision, OldDataset(self._state.tables)
        try:
            with self._edits(revision, now) as edits:
                for edit in edits:
                    old.take_back(edit)
        except BaseException:
            old.close()
            raise
        return old

    @contextmanager
    def edits_since(self, revision: int) -> Iterator[Iterable[Edit | ValueEdit]]:
        with self._edits(revision, self._state.revision) as edits:
            yield edits

    @contextmanager
    def _edits(self, since: int, until: int, image_id: int | None = None) -> Iterator[Iterable[Edit | ValueEdit]]:
        """What was done after the revision `since` up to `until`. Raises `NotKept`."""
        if since > until:
            raise NotKept(f"there is no revision {since} yet; the dataset is at {until}")
        changes = self.changes(since)
        if changes is not None and not any(change.replaced for change in changes):
            taken = [change for change in changes if change.revision <= until]
            yield chain.from_iterable(chain[Edit | ValueEdit](change.edits, change.values) for change in taken)
            return
        if self._history is None:
            raise NotKept(f"revision {since} is not kept any more: this server keeps the latest changes only")
        with self._history.reading() as reader:
            floor = reader.floor()
            if since < floor:
                raise NotKept(
                    f"revision {since} can't be told any more: from {floor} on every change is known, "
                    "and before it some are not, or the dataset was replaced"
                )
            yield reader.edits(since, until, image_id)

    def _recent(self, query: ChangeQuery) -> list[Change] | None:
        """What memory has for `query`; `None` where the history may have more."""
        changes = None if query.since is None else self.changes(query.since)
        if changes is None:
            if self._history is not None:
                return None
            changes = [change for change in self._all() if change.revision > (query.since or 0)]
        found = [change for change in changes if _fits(change, query)]
        return found[-query.limit :] if query.since is None else found[: query.limit]

    def _all(self) -> list[Change]:
        with self._state.lock:
            return self._state.recent.all()


class _Touched:
    """See `cocoannot.store.base.Touched`."""

    def __init__(self, changes: Iterable[Change]) -> None:
        self._was_there: dict[tuple[SectionName, int], bool] = {}
        for change in changes:
            for edit in change.edits:
                self._was_there.setdefault((edit.section, edit.record_id), edit.before is not None)

    def __contains__(self, name: tuple[SectionName, int], /) -> bool:
        return name in self._was_there

    def was_there(self, name: tuple[SectionName, int]) -> bool:
        return self._was_there.get(name, False)


def _check_replaced(revision: int | None) -> None:
    if revision is not None:
        raise Conflict(f"change {revision} replaced the dataset since; what came before it can't be undone")


def _first_of_each(edits: Iterable[Edit | ValueEdit]) -> dict[tuple[SectionName, int], Edit]:
    """The first of the edits of each record: what it was before."""
    found: dict[tuple[SectionName, int], Edit] = {}
    for edit in edits:
        if isinstance(edit, Edit):
            found.setdefault((edit.section, edit.record_id), edit)
    return found


def _fits(change: Change, query: ChangeQuery) -> bool:
    if query.until is not None and change.revision > query.until:
        return False
    if query.actor is not None and change.actor != query.actor:
        return False
    if query.record is not None and query.record not in [(edit.section, edit.record_id) for edit in change.edits]:
        return False
    return query.image_id is None or any(query.image_id in images_of(edit) for edit in change.edits)


def _version(change: Change, section: SectionName, record_id: int) -> Version:
    mine = [edit for edit in change.edits if (edit.section, edit.record_id) == (section, record_id)]
    texts: Sequence[bytes | None] = mine[0].before, mine[-1].after
    before, after = (None if text is None else Record(text) for text in texts)
    return Version(change.revision, change.time, change.actor, after, before)
