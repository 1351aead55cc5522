"""Who works on which image, so that two people are never given the same one. Which images there are is asked elsewhere.

    free --take--> claimed --let_go, or its status is set, or its time is over--> free

Where many processes serve one dataset they share a table of claims. What a process has claimed for its clients lasts
there for `SHARED` seconds, and is renewed by `share`, so that a process that dies leaves nothing behind for long. A
client who goes on at another process keeps its claims: that one renews them from then on.

A claim lasts as long as its client's stream and `AFTER_STREAM` seconds; without a stream `ALONE` seconds from the last
sign of life, or from a restart of the server. It never keeps anybody from anything.
"""

from __future__ import annotations

import math
import threading
from collections.abc import Collection, Iterable, Mapping
from contextlib import suppress
from typing import Protocol

from cocoannot.clock import Clock
from cocoannot.errors import NotLoaded, TooMany, Unavailable
from cocoannot.teamwork.holder import Holder
from cocoannot.teamwork.kept_claims import KeptClaims

ALONE, AFTER_STREAM = 600.0, 30.0

SHARED = 90.0
"""Seconds that a claim lasts in the table of all processes."""

MOST, MOST_OF_ONE = 10_000, 100
"""How many images may be claimed: in all, and by one client."""


class SharedClaims(Protocol):
    """The claims of all processes. Raises `Unavailable` where they can't be asked."""

    def take(self, image_id: int, name: tuple[str, str | None, str], seconds: float) -> bool:
        """Claim an image for so long, or renew the claim; returns whether nobody else has it."""
        ...

    def let_go(self, image_id: int, name: tuple[str, str | None, str]) -> None:
        """This client does not have the image any more."""
        ...

    def renew(self, image_ids: Collection[int], seconds: float) -> frozenset[int]:
        """Let these claims last so long from now on; returns those that are still there."""
        ...

    def all(self) -> Mapping[int, tuple[str, str | None, str]]:
        """Who has which image."""
        ...


class Claim:
    """One image's."""

    def __init__(self, holder: Holder, until: float) -> None:
        self.holder = holder
        self.until = until
        """On the monotonic clock; infinite while there is a stream."""


class Claims:
    """Claims by image and by client. Safe from any thread. `shared` is the table of all processes, if there is one."""

    def __init__(self, clock: Clock, shared: SharedClaims | None = None) -> None:
        self._clock = clock
        self._shared = shared
        # Guards all below.
        self._lock = threading.Lock()
        self._by_image: dict[int, Claim] = {}
        self._by_holder: dict[Holder, dict[int, None]] = {}
        self._streams: dict[Holder, int] = {}
        # Who has given a sign of life here, and until when that counts; only where there are other processes.
        self._signs: dict[Holder, float] = {}
        self._kept: KeptClaims | None = None
        self._ended = False

    def start(self, kept: KeptClaims) -> None:
        """Go on with what was claimed before the server was started."""
        with self._lock:
            self._kept = kept
            for image_id, holder in kept.open().items():
                self._add(image_id, holder)

    def end(self) -> None:
        """Whoever serves the dataset next goes on from here: nothing can be claimed any more."""
        with self._lock:
            self._ended = True
            if self._kept is not None:
                self._kept.close()

    def take(self, image_id: int, holder: Holder) -> bool:
        """Claim an image, or renew the claim; returns whether nobody else has it. Raises `TooMany`, `NotLoaded`."""
        with self._lock:
            if not self._may_take(image_id, holder):
                return False
            if self._shared is None:
                self._claim(image_id, holder)
                return True
        if not self._shared.take(image_id, holder, SHARED):
            return False
        with self._lock:
            self._claim(image_id, holder)
        return True

    def let_go(self, image_id: int, holder: Holder) -> None:
        """This client does not have the image any more."""
        with self._lock:
            claim = self._by_image.get(image_id)
            if claim is not None and claim.holder == holder:
                self._forget(image_id)
        if self._shared is not None:
            # Where it can't be asked, it forgets by itself.
            with suppress(Unavailable):
                self._shared.let_go(image_id, holder)

    def finish(self, image_id: int) -> None:
        """What the image was claimed for is done, perhaps a moment ago: somebody else may have it since."""
        with self._lock:
            claim = self._by_image.get(image_id)
        if claim is not None:
            self.let_go(image_id, claim.holder)

    def holder(self, image_id: int) -> Holder | None:
        """Who has an image."""
        if self._shared is not None:
            name = self._shared.all().get(image_id)
            return None if name is None else Holder(*name)
        with self._lock:
            self._sweep()
            claim = self._by_image.get(image_id)
            return None if claim is None else claim.holder

    def of(self, holder: Holder) -> list[int]:
        """The images that a client has, in the order in which it took them, those of other processes last."""
        with self._lock:
            self._sweep()
            own = list(self._by_holder.get(holder, ()))
        if self._shared is None:
            return own
        shared = {image_id for image_id, name in self._shared.all().items() if Holder(*name) == holder}
        return [each for each in own if each in shared] + sorted(shared.difference(own))

    def others(self, holder: Holder) -> frozenset[int]:
        """The images that somebody else has."""
        if self._shared is not None:
            return frozenset(image_id for image_id, name in self._shared.all().items() if Holder(*name) != holder)
        with self._lock:
            self._sweep()
            return frozenset(self._by_image.keys() - self._by_holder.get(holder, {}).keys())

    def seconds_left(self, image_id: int) -> float | None:
        """How long a claim lasts without another sign of life; `None` for as long as there is a stream."""
        with self._lock:
            claim = self._by_image.get(image_id)
            if claim is None or math.isinf(claim.until):
                return None
            return max(0.0, claim.until - self._clock.monotonic())

    def renew(self, holder: Holder) -> None:
        """A client has given a sign of life."""
        with self._lock:
            self._sweep()
            if self._shared is not None and (holder in self._signs or len(self._signs) < MOST):
                self._signs[holder] = self._clock.monotonic() + SHARED
            for image_id in self._by_holder.get(holder, ()):
                self._by_image[image_id].until = self._end(holder)

    def renew_images(self, image_ids: Iterable[int], user: str | None) -> None:
        """A user has changed images; `None` stands for everybody where there are no users."""
        with self._lock:
            for image_id in image_ids:
                claim = self._by_image.get(image_id)
                if claim is not None and claim.holder.user == user:
                    claim.until = max(claim.until, self._end(claim.holder))

    def stream_opened(self, holder: Holder) -> None:
        """A client follows events."""
        with self._lock:
            self._streams[holder] = self._streams.get(holder, 0) + 1
            for image_id in self._by_holder.get(holder, ()):
                self._by_image[image_id].until = math.inf

    def stream_closed(self, holder: Holder) -> bool:
        """A stream of a client has ended; returns whether it was the last one."""
        with self._lock:
            self._streams[holder] -= 1
            if self._streams[holder]:
                return False
            del self._streams[holder]
            for image_id in self._by_holder.get(holder, ()):
                self._by_image[image_id].until = self._clock.monotonic() + AFTER_STREAM
            return True

    def share(self) -> None:
        """Renew the claims of this process in the table of all; those that are gone there are gone here too.

        The claims of clients who are here are this process's from now on, whichever gave them. To be called more often
        than every `SHARED` seconds. Raises `Unavailable`.
        """
        if self._shared is None:
            return
        claimed = self._shared.all()
        with self._lock:
            self._sweep()
            here = self._streams.keys() | self._signs.keys()
            for image_id, name in claimed.items():
                if image_id not in self._by_image and Holder(*name) in here:
                    self._add(image_id, Holder(*name))
            own = list(self._by_image)
        left = self._shared.renew(own, SHARED) if own else frozenset[int]()
        with self._lock:
            for image_id in own:
                if image_id not in left:
                    self._forget(image_id)

    @property
    def is_used(self) -> bool:
        """Whether any image is claimed."""
        return bool(self._by_image)

    def _may_take(self, image_id: int, holder: Holder) -> bool:
        """Whether nobody else has the image, as far as is known here. Raises `TooMany`, `NotLoaded`."""
        if self._ended:
            raise NotLoaded("the server is ending; try again in a moment")
        self._sweep()
        claim = self._by_image.get(image_id)
        if claim is not None and claim.holder == holder:
            return True
        if claim is not None and self._shared is None:
            return False
        if claim is None and len(self._by_image) >= MOST:
            raise TooMany(f"{MOST} images are claimed, which is the limit; try again later", AFTER_STREAM)
        if len(self._by_holder.get(holder, ())) >= MOST_OF_ONE:
            raise TooMany(f"you have claimed {MOST_OF_ONE} images; finish some, or give them back", AFTER_STREAM)
        return True

    def _claim(self, image_id: int, holder: Holder) -> None:
        claim = self._by_image.get(image_id)
        if claim is not None and claim.holder != holder:
            # It was given back to another process.
            self._forget(image_id)
            claim = None
        self._add(image_id, holder)
        if claim is None and self._kept is not None:
            self._kept.note(image_id, holder)

    def _add(self, image_id: int, holder: Holder) -> None:
        self._by_image[image_id] = Claim(holder, self._end(holder))
        self._by_holder.setdefault(holder, {})[image_id] = None

    def _end(self, holder: Holder) -> float:
        return math.inf if holder in self._streams else self._clock.monotonic() + ALONE

    def _sweep(self) -> None:
        now = self._clock.monotonic()
        for image_id in [image_id for image_id, claim in self._by_image.items() if claim.until <= now]:
            self._forget(image_id)
        self._signs = {holder: until for holder, until in self._signs.items() if until > now}

    def _forget(self, image_id: int) -> None:
        claim = self._by_image.pop(image_id, None)
        if claim is not None:
            theirs = self._by_holder[claim.holder]
            del theirs[image_id]
            if not theirs:
                del self._by_holder[claim.holder]
            if self._kept is not None and not self._ended:
                self._kept.note(image_id, None)
