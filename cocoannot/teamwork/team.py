"""Whose turn it is: the next image for somebody. What is in the records is asked of the store, through its seam.

annotate   what I hold --> what was returned to me --> the next open one
review     what I hold --> the next one that is done or empty, and not by me
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import replace
from pathlib import Path
from typing import Literal, Protocol

from cocoannot.changes.change import Change
from cocoannot.clock import Clock
from cocoannot.coco.parser import AnnotationKeys, read_keys
from cocoannot.coco.statuses import Status
from cocoannot.errors import AmbiguousId, Conflict, Unavailable
from cocoannot.store.base import Found, Store
from cocoannot.store.queries import ImageQuery
from cocoannot.teamwork.authors import Authors, status_of
from cocoannot.teamwork.claims import Claims, SharedClaims
from cocoannot.teamwork.holder import Holder, person
from cocoannot.teamwork.kept_claims import KeptClaims
from cocoannot.teamwork.presence import Presence, SharedPresence, Tell

Task = Literal["annotate", "review"]

_OPEN: tuple[Status, ...] = ("open",)
_RETURNED: tuple[Status, ...] = ("returned",)
_DO = _OPEN + _RETURNED
_REVIEW: tuple[Status, ...] = ("done", "empty")

_MOST_LOOKS = 200
"""How many images one request looks up in the history."""

_COME_AGAIN = 1.0

_FEW = 20
"""How many edits of a change are looked at for claims that they renew."""


class SharedTeam(Protocol):
    """What all processes know that serve one dataset."""

    @property
    def claims(self) -> SharedClaims:
        """Who has claimed which image."""
        ...

    @property
    def presence(self) -> SharedPresence:
        """Who is where."""
        ...


class Team:
    """Everybody who works on the dataset that `store()` gives; a `cocoannot.store.base.Follower` of it."""

    def __init__(self, store: Callable[[], Store], clock: Clock, tell: Tell, shared: SharedTeam | None = None) -> None:
        self.presence = Presence(clock, tell, shared=None if shared is None else shared.presence)
        self.claims = Claims(clock, None if shared is None else shared.claims)
        self._store = store
        self._authors = Authors()

    def start(self, claims: Path) -> None:
        """Go on with what is claimed by the file `claims`, which is written from now on."""
        self.claims.start(KeptClaims(claims))

    def changed(self, change: Change) -> None:
        """See `cocoannot.store.base.Follower`, here and below."""
        if change.replaced:
            self._authors.forget()
        for image_id in self._authors.note(change):
            self.claims.finish(image_id)
        if self.claims.is_used:
            self.claims.renew_images(_images_of(change), person(change.actor))

    def promised(self, revision: int) -> None:
        pass

    def saved(self, revision: int) -> None:
        pass

    def arrive(self, holder: Holder, image_id: int | None, *, editing: bool) -> None:
        """A client is on an image, or still there. Raises `TooMany`."""
        self.presence.arrive(holder, image_id, editing=editing)
        self.claims.renew(holder)

    def stream_closed(self, holder: Holder) -> None:
        """A stream of a client has ended; with the last one the client is gone, but for what it has claimed."""
        if self.claims.stream_closed(holder):
            self.presence.leave(holder)

    def next_image(self, holder: Holder, task: Task, query: ImageQuery) -> Found:
        """The next image that `query` selects, claimed for `holder`; `None` where there is none.

        Raises `TooMany`, and `Unavailable` where it takes longer to find out who did what.
        """
        store = self._store()
        refused: set[int] = set()
        looks = 0
        for asked in self._questions(holder, task, query):
            while (found := store.first(_without(asked, refused))).record is not None:
                image_id = int(found.record["id"])
                looks += not self._authors.knows(image_id)
                if looks > _MOST_LOOKS:
                    raise Unavailable("still looking up who did what; ask again in a moment", _COME_AGAIN)
                if self._suits(store, holder, task, image_id) and self.claims.take(image_id, holder):
                    # It may have changed before it was claimed.
                    if (now := store.first(replace(asked, ids=[image_id]))).record is not None:
                        return now
                    self.claims.let_go(image_id, holder)
                refused.add(image_id)
        return Found(None, store.revision)

    def give_back(self, holder: Holder, image_id: int) -> None:
        """Let go of an image, if `holder` has it. Raises `Conflict` where somebody else has."""
        other = self.claims.holder(image_id)
        if other is None:
            return
        if other != holder:
            by = (
                other.user or "somebody else"
                if other.who != holder.who
                else f"another client of yours ({other.client!r})"
            )
            raise Conflict(f"image {image_id} is claimed by {by}, who can give it back")
        self.claims.let_go(image_id, holder)

    def check_status(self, user: str | None, image_id: int, status: Status) -> None:
        """Raise `Conflict` where a user approves what they did themselves."""
        if status == "approved" and user is not None and self._authors.find(self._store(), image_id) == user:
            raise Conflict(f"you finished image {image_id} yourself; somebody else has to approve it")

    def _questions(self, holder: Holder, task: Task, query: ImageQuery) -> Iterator[ImageQuery]:
        """What to ask the store for, one after the other; nothing that somebody else has."""
        free = replace(query, without=self.claims.others(holder))
        statuses = _DO if task == "annotate" else _REVIEW
        if held := self.claims.of(holder):
            yield replace(query, statuses=statuses, ids=held)
        if task == "review":
            yield replace(free, statuses=statuses)
        else:
            yield replace(free, statuses=_RETURNED)
            yield replace(free, statuses=_OPEN)

    def _suits(self, store: Store, holder: Holder, task: Task, image_id: int) -> bool:
        """Whether an image may be given to `holder`: what was returned to them, and for a review not their own."""
        try:
            status = status_of(_text(store, image_id))
        except AmbiguousId:
            return False
        if status == "open" or holder.user is None:
            return True
        author = self._authors.find(store, image_id)
        if task == "review":
            return author != holder.user
        return author in (None, holder.user)


def _without(query: ImageQuery, ids: set[int]) -> ImageQuery:
    return replace(query, without=frozenset(query.without) | ids) if ids else query


def _text(store: Store, image_id: int) -> bytes | None:
    record = store.get("images", image_id).record
    return None if record is None else record.text


def _images_of(change: Change) -> set[int]:
    """The images that the first edits of a change are about."""
    images = set()
    for edit in change.edits[:_FEW]:
        text = edit.before if edit.after is None else edit.after
        if edit.section == "images":
            images.add(edit.record_id)
        elif edit.section == "annotations" and text is not None:
            keys = read_keys("annotations", text)
            assert isinstance(keys, AnnotationKeys)
            images.add(keys.image_id)
    return images
