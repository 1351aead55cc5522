"""Who is on which image. It is told, not asked for, so it fades; nothing is kept.

away --arrive--> here --arrive again within LASTS seconds--> here
                  |--leave, or silent for longer--> away

Where many processes serve one dataset they share a table, which counts: what is here is what it was at the last `look`,
and what came to this process since.
"""

from __future__ import annotations

import math
import threading
from collections.abc import Callable, Mapping, Sequence
from contextlib import suppress
from typing import Any, NamedTuple, Protocol

from cocoannot.clock import Clock, moment
from cocoannot.errors import TooMany, Unavailable
from cocoannot.teamwork.holder import Holder

LASTS = 60.0
"""Seconds after which somebody is gone who does not say that they are still here."""

MOST, MOST_OF_ONE = 4_000, 50
"""How many clients may be here: in all, and of one user or address."""

Images = frozenset[int] | None
Tell = Callable[[str, Mapping[str, Any], Images], object]
"""Tells those who follow some images, `None` for all, where a client is; the first argument names the client."""


class SharedPresence(Protocol):
    """Who is where, for all processes. Raises `Unavailable` where it can't be asked."""

    def put(
        self, name: tuple[str, str | None, str], image_id: int | None, editing: bool, since: float, seconds: float
    ) -> None:
        """A client is there since a moment, and for so many seconds from now on."""
        ...

    def remove(self, name: tuple[str, str | None, str]) -> None:
        """A client is gone."""
        ...

    def all(self) -> Sequence[tuple[tuple[str, str | None, str], int | None, bool, float]]:
        """Who is where, `editing` or not, and since when; the longest silent first."""
        ...


class Here(NamedTuple):
    """Where a client is: `image_id` `None` for no image, `since` in seconds since 1970, `until` in monotonic ones."""

    image_id: int | None
    editing: bool
    since: float
    until: float


class Presence:
    """Safe from any thread. `tell` is called outside the lock, for what changed."""

    def __init__(
        self,
        clock: Clock,
        tell: Tell,
        most: int = MOST,
        most_of_one: int = MOST_OF_ONE,
        shared: SharedPresence | None = None,
    ) -> None:
        self._clock = clock
        self._shared = shared
        self._tell = tell
        self._most = most
        self._most_of_one = most_of_one
        # Guards what follows.
        self._lock = threading.Lock()
        # Whoever said so last is at the end.
        self._here: dict[Holder, Here] = {}

    def arrive(self, holder: Holder, image_id: int | None, *, editing: bool) -> None:
        """A client is on an image, or still there. Raises `TooMany`."""
        self.sweep()
        with self._lock:
            before = self._here.pop(holder, None)
            if before is None:
                self._check_room(holder)
            stays = before is not None and before.image_id == image_id
            since = before.since if before is not None and stays else self._clock.time()
            here = self._here[holder] = Here(image_id, editing, since, self._clock.monotonic() + LASTS)
        if self._shared is not None:
            self._shared.put(holder, image_id, editing, since, LASTS)
        if before is None or (before.image_id, before.editing) != (image_id, editing):
            images = {before.image_id if before else None, image_id} - {None}
            self._tell(_name(holder), _told(holder, here), frozenset(images))  # type: ignore[arg-type]

    def leave(self, holder: Holder) -> None:
        """A client is gone."""
        with self._lock:
            here = self._here.pop(holder, None)
        if self._shared is not None:
            # Where it can't be asked, it forgets by itself.
            with suppress(Unavailable):
                self._shared.remove(holder)
        if here is not None:
            self._tell_gone(holder, here)

    def leave_all(self, who: str) -> None:
        """Every client of a user or an address is gone: they have logged out."""
        with self._lock:
            theirs = [holder for holder in self._here if holder.who == who]
        for holder in theirs:
            self.leave(holder)

    def sweep(self) -> None:
        """Let those go who have been silent for too long."""
        if self._shared is not None:
            # They may have spoken to another process.
            return
        now, gone = self._clock.monotonic(), []
        with self._lock:
            for holder, here in self._here.items():
                if here.until > now:
                    break
                gone.append((holder, here))
            for holder, _ in gone:
                del self._here[holder]
        for holder, here in gone:
            self._tell_gone(holder, here)

    def look(self) -> None:
        """Take what the table of all processes has, and tell what is another one than here. Raises `Unavailable`."""
        if self._shared is None:
            return
        with self._lock:
            known = dict(self._here)
        found = {
            Holder(*name): Here(image_id, editing, since, math.inf)
            for name, image_id, editing, since in self._shared.all()
        }
        with self._lock:
            # What came or went meanwhile is for the next look.
            busy = {holder for holder in {**known, **self._here} if known.get(holder) != self._here.get(holder)}
            before = self._here
            self._here = {holder: here for holder, here in found.items() if holder not in busy}
            self._here |= {holder: here for holder, here in before.items() if holder in busy}
            after = dict(self._here)
        for holder, here in after.items():
            old = before.get(holder)
            if holder not in busy and (old is None or old[:2] != here[:2]):
                images = {old.image_id if old else None, here.image_id} - {None}
                self._tell(_name(holder), _told(holder, here), frozenset(images))  # type: ignore[arg-type]
        for holder, here in before.items():
            if holder not in after:
                self._tell_gone(holder, here)

    def present(self, images: Images = None) -> list[dict[str, Any]]:
        """Who is on which of `images`, and since when; the longest silent first."""
        self.sweep()
        with self._lock:
            here = list(self._here.items())
        return [_told(holder, each) for holder, each in here if images is None or each.image_id in images]

    def _check_room(self, holder: Holder) -> None:
        if len(self._here) >= self._most:
            raise TooMany(f"{self._most} clients have said where they are, which is the limit; try again later", LASTS)
        if sum(other.who == holder.who for other in self._here) >= self._most_of_one:
            raise TooMany(
                f"{self._most_of_one} of your clients have said where they are, which is the limit; say it under fewer "
                "names, or DELETE those that are gone",
                LASTS,
            )

    def _tell_gone(self, holder: Holder, here: Here) -> None:
        images = frozenset[int]() if here.image_id is None else frozenset({here.image_id})
        self._tell(_name(holder), {**_told(holder, here), "image_id": None, "editing": False, "gone": True}, images)


def _name(holder: Holder) -> str:
    return f"{holder.who}\n{holder.client}"


def _told(holder: Holder, here: Here) -> dict[str, Any]:
    return {
        "client": holder.client,
        "user": holder.user,
        "image_id": here.image_id,
        "editing": here.editing,
        "since": moment(here.since),
    }
