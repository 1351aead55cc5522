"""What the store tells, made into events for streams; and where a stream begins. Sockets are the hub's business.

    changed ----> the line of its lineage --> streams
    another lineage ----> a line of its own; the streams of the one before end, and come back to it with a reset

Whoever comes back has what they missed from the store's history, which is put back into the line's ring, for all who
come after them.
"""

from __future__ import annotations

import re
import socket
import threading
from collections.abc import Callable, Iterator, Mapping
from functools import partial
from typing import Any, NamedTuple

from cocoannot.changes.change import Change
from cocoannot.errors import HistoryError, NotKept, Unavailable
from cocoannot.events.audience import Images
from cocoannot.events.hub import Hub
from cocoannot.events.line import Line
from cocoannot.events.places import Places
from cocoannot.events.ring import MOST_EVENTS
from cocoannot.events.stream import Stream
from cocoannot.events.texts import Event, block, change_event, event_id, retry
from cocoannot.events.waiting import Waiting
from cocoannot.store.base import History, Store
from cocoannot.store.queries import ChangeQuery

RELEASE = "cocoannot.release"
"""Where the environment of a request has, from a server that can let go of a connection, what takes an `Opening`."""

_PLACE = re.compile(r"(?:([0-9a-f]{1,32}):)?([0-9]{1,16})")
_COME_AGAIN = 2.0
_LAST_WRITES = 2.0
_RECEIVED = 64 << 10
_RESTART = block("restart", {})
_AT_ONCE = 200
"""How many changes are read from the history at a time."""


class Place(NamedTuple):
    """Where somebody wants to go on from; `lineage` is "" for the current one."""

    lineage: str
    revision: int


def read_place(text: str) -> Place | None:
    """The place that `LINEAGE:REVISION`, or a revision alone, names; `None` for anything else."""
    found = _PLACE.fullmatch(text)
    return Place(found[1] or "", int(found[2])) if found else None


class Feed:
    """Follows a store (a `cocoannot.store.base.Follower`), and has streams written by a hub.

    `store()` gives what is followed. At most `streams` are open, and `threads` of requests that wait. `present(images)`
    tells who is where, for those who come; a stream that takes nothing for `patience` seconds is cut off.
    `each_second` is called while there are streams.
    """

    def __init__(
        self,
        store: Callable[[], Store],
        streams: int,
        threads: int,
        patience: float,
        present: Callable[[Images], list[dict[str, Any]]],
        each_second: Callable[[], object],
    ) -> None:
        self._store = store
        self._present = present
        self._places = Places(streams)
        self._threads = Places(threads, threads)
        self._waiting = Waiting(threads)
        # One at a time reads the store's history for the ring.
        self._reaching_back = threading.Lock()
        self._file_revision = 0
        self._s3_revision: int | None = None
        self._new_line = partial(Line, patience=patience, each_second=each_second)
        self._line = self._new_line("", 0)
        self._former = self._line
        self._cut_off = 0
        self._is_ending = False

    @property
    def count(self) -> int:
        """How many streams are open."""
        return self._places.count

    @property
    def cut_off(self) -> int:
        """How many streams were closed because their readers did not keep up."""
        return self._cut_off + self._line.hub.cut_off

    def start(self, file_revision: int, s3_revision: int | None) -> None:
        """The store was loaded; the file, and S3 where it is there, are at these revisions."""
        store = self._store()
        self._file_revision, self._s3_revision = file_revision, s3_revision
        self._begin(store.lineage, store.revision)

    def changed(self, change: Change) -> None:
        """See `cocoannot.store.base.Follower`, here and below."""
        if (lineage := self._store().lineage) != self._line.lineage:
            self._begin(lineage, change.revision)
        else:
            self._line.changed(change, is_followed=self._places.count > 0)

    def promised(self, revision: int) -> None:
        self._line.promise(revision)
        self._waiting.notify()

    def saved(self, revision: int) -> None:
        self._file_revision = revision
        self._tell_saved()

    def uploaded(self, revision: int) -> None:
        """S3 is at `revision`."""
        self._s3_revision = revision
        self._tell_saved()

    def tell_presence(self, key: str, data: Mapping[str, Any], images: Images) -> None:
        """Tell those who follow `images` where somebody is now, or that they are gone; `key` names them."""
        self._line.hub.tell(f"presence {key}", block("presence", data), images)

    def wait_beyond(self, revision: int, seconds: float) -> None:
        """Wait until there is a change after `revision` that was promised, if there is a thread to spare."""
        self._waiting.until(lambda: self._line.promised > revision, seconds, lambda: self._is_ending)

    def end(self) -> None:
        """Tell all who follow that the server is ending, and close their streams. For signal handlers too."""
        self._is_ending = True
        self._line.hub.end(_RESTART)

    def join(self) -> None:
        """Wait for the last of them to be closed, after `end`."""
        for line in (self._former, self._line):
            line.hub.join(_LAST_WRITES)

    def open(
        self, who: str, images: Images, given: Place | None, *, resume: bool, is_welcome: Callable[[], bool]
    ) -> Opening:
        """A place for a stream of `who`, which goes on from `given` where it is to `resume`, else from now.

        `is_welcome()` is asked every few seconds; where they are no more, the stream ends.
        Raises `TooMany`, `Unavailable` where the server is ending.
        """
        if self._is_ending:
            raise Unavailable("the server is ending; come again in a moment", _COME_AGAIN)
        self._places.take(who)
        # Where it ends before this stream is taken up, the stream is closed.
        line = self._line
        opening = Opening(line.hub, images, is_welcome)
        opening.at_end(lambda: self._places.leave(who))
        try:
            # After the place was taken: what comes later is noted.
            revision = self._store().revision
            goes_on = resume and given is not None and self._goes_on(line, given, revision)
            opening.cursor = given.revision if goes_on and given is not None else revision
            opening.hello = partial(self._hello, line, opening.cursor, images, reset=resume and not goes_on)
        except BaseException:
            opening.cancel()
            raise
        return opening

    def blocking(self, opening: Opening) -> Blocks:
        """What a stream writes, for a server that does not let go of a connection: it keeps a thread.

        Raises `Unavailable` where too many do.
        """
        try:
            self._threads.take("")
        except Exception as exc:
            opening.cancel()
            raise Unavailable(
                "too many event streams keep a thread of this server; ask by GET /api/changes?since=REVISION instead",
                _COME_AGAIN,
            ) from exc
        return Blocks(opening, lambda: self._threads.leave(""))

    def _begin(self, lineage: str, revision: int) -> None:
        """From now on revisions belong to `lineage`."""
        before, self._line = self._line, self._new_line(lineage, revision)
        self._cut_off += before.hub.cut_off
        before.hub.end(_RESTART)
        # Long since at its end.
        self._former.hub.join(_LAST_WRITES)
        self._former = before
        if self._is_ending:
            self._line.hub.end(_RESTART)

    def _goes_on(self, line: Line, given: Place, revision: int) -> bool:
        """Whether everything after `given` can be told."""
        if given.lineage not in ("", line.lineage) or given.revision > revision:
            return False
        with self._reaching_back:
            while (floor := line.ring.floor) > given.revision:
                if floor - given.revision > MOST_EVENTS:
                    return False
                events = self._past(line.lineage, given.revision, floor)
                # The floor moves up where the ring is full.
                if events is None or (
                    not line.ring.put_before(events, floor, given.revision) and floor == line.ring.floor
                ):
                    return False
        return True

    def _past(self, lineage: str, after: int, floor: int) -> list[Event] | None:
        """What happened after a revision, up to another; `None` where that is not all known."""
        store = self._store()
        if not isinstance(store, History):
            return None
        events: list[Event] = []
        while after < floor:
            # Piece by piece: whole changes are large, and events are not.
            until = min(after + _AT_ONCE, floor)
            try:
                changes = store.whole_changes(ChangeQuery(after, until, limit=_AT_ONCE))
            except (NotKept, HistoryError):
                return None
            if changes is None or [change.revision for change in changes] != list(range(after + 1, until + 1)):
                return None
            events += [change_event(lineage, change) for change in changes]
            after = until
        return events

    def _hello(self, line: Line, cursor: int, images: Images, *, reset: bool) -> bytes:
        data = {
            "revision": line.promised,
            "lineage": line.lineage,
            "saved": self._saved(),
            "present": self._present(images),
        }
        place = event_id(line.lineage, cursor)
        if not reset:
            return retry() + block("hello", data, place)
        # The place comes with the reset: who breaks off between the two has to be told again.
        return retry() + block("hello", data) + block("reset", {"revision": cursor}, place)

    def _tell_saved(self) -> None:
        self._line.hub.tell("saved", block("saved", self._saved()))

    def _saved(self) -> dict[str, int | None]:
        return {"file": self._file_revision, "s3": self._s3_revision}


class Opening:
    """A place that is taken for a stream that has no connection yet; it gets one by `go_on`, or none by `cancel`."""

    __slots__ = ("_at_end", "_hub", "_images", "_is_welcome", "cursor", "hello")

    def __init__(self, hub: Hub, images: Images, is_welcome: Callable[[], bool]) -> None:
        self.cursor = 0
        self.hello: Callable[[], bytes] = bytes
        self._hub = hub
        self._images = images
        self._is_welcome = is_welcome
        self._at_end: list[Callable[[], object]] = []

    def at_end(self, action: Callable[[], object]) -> None:
        """Do this when the stream has ended, or came to nothing."""
        self._at_end.append(action)

    def go_on(self, connection: socket.socket, head: bytes = b"") -> None:
        """Write `head`, then events, to a connection, which is the stream's own from now on."""
        hello, self.hello = self.hello, bytes
        stream = Stream(connection, self.cursor, self._images, lambda: head + hello(), self.cancel, self._is_welcome)
        self._hub.add(stream)

    def cancel(self) -> None:
        """There is no connection, or none any more."""
        for action in self._at_end:
            action()


class Blocks:
    """What a stream writes, as blocks that the thread of a request waits for."""

    def __init__(self, opening: Opening, closed: Callable[[], object]) -> None:
        self._ours, theirs = socket.socketpair()
        self._closed = closed
        opening.go_on(theirs)

    def __iter__(self) -> Iterator[bytes]:
        return self

    def __next__(self) -> bytes:
        if data := self._ours.recv(_RECEIVED):
            return data
        raise StopIteration

    def close(self) -> None:
        """Nobody reads it any more."""
        if self._ours.fileno() >= 0:
            self._ours.close()
            self._closed()
