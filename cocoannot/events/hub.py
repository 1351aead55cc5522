"""All streams, served by one thread: when they are written to, and which are cut off. What events mean is unknown here.

    news --> window over --> one write to each stream that they concern, of all that it has not had yet

With more to write, the window grows, so that the thread takes no more than a tenth of a core. A reader who does not
keep up has nothing but a place in the ring, and is cut off in the end: it comes back with the id of its last event.
"""

from __future__ import annotations

import logging
import selectors
import threading
import time
from collections.abc import Callable, Iterable
from contextlib import suppress

from cocoannot.events.alarm import Alarm
from cocoannot.events.audience import Audience, Images, overlap
from cocoannot.events.ring import Ring
from cocoannot.events.stream import Broken, Stream
from cocoannot.events.texts import Event

log = logging.getLogger(__name__)

HEARTBEAT = 15.0
"""Seconds without an event after which a stream gets its id alone."""

MOST_OWED = 1 << 20
"""Bytes that a reader may be behind."""

_SHORTEST, _LONGEST = 0.05, 1.0
"""Seconds from one writing to the next."""

_REST = 9.0
"""How long the thread rests after a writing, as a multiple of the processor time that it took."""

_LOOK = 1.0
"""Seconds between two looks for streams that are due for a heartbeat, or stuck for too long."""

_WELCOME = 5.0
"""Seconds between two looks whether a stream is still welcome, after a user was disabled, for example."""

_PIECE = 64 << 10
"""Bytes of events that are put together for one write, about."""

_Pieces = dict[tuple[int, Images], tuple[int, bytes]]


class Hub:
    """Writes events to streams, in a daemon thread of its own, which the first stream starts.

    `news()` gives the events that came since it was called last, `has_news()` whether there are any.
    `heartbeat(revision)` is what an idle stream gets. A stream that takes nothing for `patience` seconds is cut off.
    `each_second()` is called about once a second while there are any.
    """

    def __init__(
        self,
        ring: Ring,
        news: Callable[[], Iterable[Event]],
        has_news: Callable[[], bool],
        heartbeat: Callable[[int], bytes],
        patience: float,
        each_second: Callable[[], object] = lambda: None,
    ) -> None:
        self._ring = ring
        self._news = news
        self._has_news = has_news
        self._heartbeat = heartbeat
        self._patience = patience
        self._each_second = each_second
        self.cut_off = 0
        """How many streams were cut off because their readers did not keep up."""
        # Guards the three below.
        self._lock = threading.Lock()
        self._coming: list[Stream] = []
        self._passing: dict[str, tuple[bytes, Images]] = {}
        self._thread: threading.Thread | None = None
        self._alarm = Alarm()
        self._ending = False
        self._farewell = b""
        # From here on for the hub's thread alone.
        self._selector: selectors.BaseSelector
        self._streams = Audience()
        self._level = 0
        self._due = self._look_at = 0.0

    @property
    def is_ending(self) -> bool:
        """Whether streams have ended, or are about to."""
        return self._ending

    def __len__(self) -> int:
        return len(self._streams)

    def add(self, stream: Stream) -> None:
        """Take a stream over; where streams have ended it is closed at once."""
        with self._lock:
            if not self._ending:
                self._coming.append(stream)
                if self._thread is None or not self._thread.is_alive():
                    self._alarm.open()
                    self._thread = threading.Thread(target=self._run, name="events", daemon=True)
                    self._thread.start()
                self._alarm.sound()
                return
        stream.close()

    def tell(self, key: str, text: bytes, images: Images = None) -> None:
        """Send `text` to those who follow now, and to nobody later; a later text with the same `key` replaces it.

        Who follows only other images than `images` (`None` for all) does not get it, nor who does not keep up.
        """
        if not self._streams:
            return
        with self._lock:
            self._passing.pop(key, None)
            self._passing[key] = text, images
        self.wake()

    def wake(self) -> None:
        """There is something to send that was not there before."""
        if self._alarm.asleep:
            self._alarm.sound()

    def end(self, farewell: bytes) -> None:
        """Send what is left and `farewell`, then close all streams, for good. For signal handlers: it takes no lock."""
        self._farewell, self._ending = farewell, True
        self._alarm.sound()

    def join(self, seconds: float) -> None:
        """Wait for the thread, after `end`."""
        if self._thread is not None:
            self._thread.join(seconds)
            if not self._thread.is_alive():
                self._alarm.close()

    # The hub's thread

    def _run(self) -> None:
        with selectors.DefaultSelector() as self._selector:
            self._selector.register(self._alarm.open(), selectors.EVENT_READ)
            try:
                while not self._ending:
                    self._wait()
                    self._step(time.monotonic())
                self._say_farewell(time.monotonic())
            except Exception:
                log.exception("Serving events failed in an unforeseen way; all streams are closed, and may come back")
            finally:
                self._alarm.asleep = False
                with self._lock:
                    coming, self._coming = self._coming, []
                for stream in [*self._streams, *coming]:
                    self._close(stream)

    def _wait(self) -> None:
        """Wait until something is to be done; what clients do meanwhile is done here."""
        self._alarm.asleep = True
        pause: float | None = None
        if self._coming or self._ending:
            pause = 0.0
        elif self._streams:
            pause = max(0.0, min(self._due if self._is_wanted() else self._look_at, self._look_at) - time.monotonic())
        ready = self._selector.select(pause)
        self._alarm.asleep = False
        for key, mask in ready:
            if (stream := self._streams.get(key.fd)) is not None:
                self._serve(stream, mask)
            elif key.fd == self._alarm.open():
                self._alarm.hush()

    def _is_wanted(self) -> bool:
        return bool(self._passing) or self._has_news()

    def _step(self, now: float) -> None:
        """Take up who came; write where the window is over; look after those who are idle or stuck, where it is due."""
        # Where nobody followed for a while, it has gone on without us.
        self._level = self._ring.newest
        with self._lock:
            coming, self._coming = self._coming, []
        for stream in coming:
            self._take_up(stream, now)
        if now >= self._due and self._is_wanted():
            began = time.thread_time()
            self._flush(now)
            self._due = now + min(_LONGEST, max(_SHORTEST, _REST * (time.thread_time() - began)))
        if now >= self._look_at:
            self._look_at = now + _LOOK
            self._look_after(now)
            self._each_second()

    def _take_up(self, stream: Stream, now: float) -> None:
        stream.prepare(2 * HEARTBEAT)
        stream.last_write = stream.looked_at = now
        try:
            self._selector.register(stream.fd, selectors.EVENT_READ)
        except (OSError, ValueError):
            stream.close()
            return
        self._streams.add(stream)
        stream.out = memoryview(stream.hello())
        # What it holds is not needed any more.
        stream.hello = bytes
        self._pump(stream, {}, now)

    def _serve(self, stream: Stream, mask: int) -> None:
        try:
            if mask & selectors.EVENT_READ:
                stream.receive()
        except Broken:
            self._close(stream)
            return
        if mask & selectors.EVENT_WRITE:
            self._pump(stream, {}, time.monotonic())

    def _flush(self, now: float) -> None:
        """Write what is new to those whom it concerns; the others are level with it all the same."""
        seen = self._level
        events = list(self._news())
        for event in events:
            self._ring.add(event)
        self._level = self._ring.newest
        with self._lock:
            passing, self._passing = list(self._passing.values()), {}
        pieces: _Pieces = {}
        tails: dict[Images, bytes] = {}
        sizes: dict[Images, int] = {}
        for stream in self._streams.of([each.images for each in events] + [images for _, images in passing]):
            if (images := stream.images) not in tails:
                tails[images] = b"".join([text for text, of in passing if overlap(of, images)])
                sizes[images] = sum([len(event.text) for event in events if overlap(event.images, images)])
            if stream.stuck_since is None:
                # Nothing between its cursor and `seen` was for it.
                stream.cursor = max(stream.cursor, seen)
                self._pump(stream, pieces, now, tails[images])
            else:
                stream.owed += sizes[images]
                if stream.owed > MOST_OWED:
                    self._cut_off(stream)

    def _say_farewell(self, now: float) -> None:
        self._step(now)
        self._flush(now)
        for stream in self._streams:
            if stream.stuck_since is None:
                stream.out = memoryview(self._farewell)
                self._pump(stream, {}, now)

    def _pump(self, stream: Stream, pieces: _Pieces, now: float, tail: bytes = b"") -> None:
        """Write until there is nothing left, or the socket takes no more; `tail` goes with the first piece."""
        try:
            while stream.out or tail or stream.cursor < self._level:
                if not stream.out:
                    key = (stream.cursor, stream.images)
                    if key not in pieces:
                        pieces[key] = self._piece(*key)
                    stream.cursor, text = pieces[key]
                    stream.out = memoryview(text + tail if tail else text)
                    tail = b""
                elif stream.write():
                    stream.last_write = now
                else:
                    self._stuck(stream, now)
                    return
        except Broken:
            self._close(stream)
            return
        if stream.stuck_since is not None:
            stream.stuck_since, stream.owed = None, 0
            self._selector.modify(stream.fd, selectors.EVENT_READ)

    def _piece(self, cursor: int, images: Images) -> tuple[int, bytes]:
        """What comes after `cursor` for those who follow `images`, and up to which revision. Raises `Broken`."""
        events = self._ring.since(cursor)
        if events is None:
            self.cut_off += 1
            raise Broken
        texts, size = [], 0
        for event in events:
            if overlap(event.images, images):
                texts.append(event.text)
                size += len(event.text)
            if size > _PIECE:
                return event.revision, b"".join(texts)
        return max(cursor, self._level), b"".join(texts)

    def _stuck(self, stream: Stream, now: float) -> None:
        if stream.stuck_since is None:
            self._selector.modify(stream.fd, selectors.EVENT_READ | selectors.EVENT_WRITE)
        stream.stuck_since = now

    def _look_after(self, now: float) -> None:
        for stream in self._streams:
            if now >= stream.looked_at + _WELCOME:
                stream.looked_at = now
                if not stream.is_welcome():
                    self._close(stream)
                    continue
            if stream.stuck_since is not None:
                if now > stream.stuck_since + self._patience:
                    self._cut_off(stream)
            elif now > stream.last_write + HEARTBEAT - _LOOK:
                stream.cursor = max(stream.cursor, self._level)
                stream.out = memoryview(self._heartbeat(stream.cursor))
                self._pump(stream, {}, now)

    def _cut_off(self, stream: Stream) -> None:
        self.cut_off += 1
        self._close(stream)

    def _close(self, stream: Stream) -> None:
        if self._streams.remove(stream):
            with suppress(KeyError, ValueError, OSError):
                self._selector.unregister(stream.fd)
        stream.close()
