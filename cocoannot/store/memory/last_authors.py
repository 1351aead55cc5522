"""Whose change an annotation's newest one was, for lists of images that ask for it. Looked up once, then followed."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, replace
from typing import TypeVar

from cocoannot.changes.change import Change
from cocoannot.store.memory.past import Past
from cocoannot.store.memory.state import State
from cocoannot.store.queries import ImageQuery, Query

AnyQuery = TypeVar("AnyQuery", bound=Query)

MOST = 8
"""How many users are kept; the one that was asked for longest ago goes."""


@dataclass
class _Annotations:
    """Those whose newest change up to `revision` was made by `actor`. The state's lock guards them."""

    actor: str
    ids: set[int]
    revision: int

    def follow(self, changes: Iterable[Change]) -> None:
        """Take in the `changes` after `revision`."""
        for change in changes:
            if change.replaced:
                self.ids.clear()
            for edit in change.edits:
                if edit.section == "annotations":
                    if change.actor == self.actor and edit.after is not None:
                        self.ids.add(edit.record_id)
                    else:
                        self.ids.discard(edit.record_id)
            self.revision = change.revision


class LastAuthors:
    """What each user was the last to change. Any thread may call it."""

    def __init__(self, state: State, past: Past) -> None:
        self._state = state
        self._past = past
        # The one that was asked for last is the last one. The state's lock guards it.
        self._kept: dict[str, _Annotations] = {}

    @contextmanager
    def locked(self, query: AnyQuery) -> Iterator[AnyQuery]:
        """The state's lock, and `query` with the annotations that its user was the last to change, if it has a user.

        Raises `HistoryError` where these can't be looked up.
        """
        if not isinstance(query, ImageQuery) or query.user is None:
            with self._state.lock:
                yield query
            return
        while True:
            with self._state.lock:
                if (ids := self._known(query.user)) is not None:
                    yield replace(query, annotation_ids=ids)
                    return
            # The history is a file: nobody has to wait for it.
            found = _Annotations(query.user, *self._past.last_changed_by(query.user))
            with self._state.lock:
                self._kept[query.user] = found
                if len(self._kept) > MOST:
                    del self._kept[next(iter(self._kept))]

    def _known(self, actor: str) -> set[int] | None:
        annotations = self._kept.pop(actor, None)
        changes = None if annotations is None else self._state.recent.since(annotations.revision)
        if annotations is None or changes is None:
            return None
        annotations.follow(changes)
        self._kept[actor] = annotations
        return annotations.ids
