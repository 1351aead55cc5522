"""Readers of event streams, as browsers and scripts are, over plain TCP or TLS."""

from __future__ import annotations

import http.client
import json
import socket
import ssl
import threading
from collections.abc import Callable, Iterator, Mapping
from contextlib import closing, contextmanager, suppress
from typing import Any, NamedTuple
from urllib.parse import urlsplit

_LIMIT = 20.0


class Event(NamedTuple):
    """One block of a stream; `name` is "" for an id alone."""

    name: str
    id: str
    data: Any

    @property
    def revision(self) -> int:
        """That of its id."""
        return int(self.id.rpartition(":")[2])


class Reader:
    """One open stream: its head, and what comes, block by block."""

    def __init__(
        self,
        url: str,
        query: str = "",
        *,
        last: str = "",
        source: str = "",
        receive: int = 0,
        tls: bool = False,
        headers: Mapping[str, str] | None = None,
    ) -> None:
        target = urlsplit(url)
        assert target.hostname is not None
        self.socket: socket.socket = socket.socket()
        self._buffer = b""
        try:
            self.socket.settimeout(_LIMIT)
            if receive:
                self.socket.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, receive)
            if source:
                self.socket.bind((source, 0))
            self.socket.connect((target.hostname, target.port))
            if tls:
                context = ssl.create_default_context()
                context.check_hostname, context.verify_mode = False, ssl.CERT_NONE
                self.socket = context.wrap_socket(self.socket)
            sent = {"Host": target.netloc, **({"Last-Event-ID": last} if last else {}), **(headers or {})}
            lines = "".join(f"{name}: {value}\r\n" for name, value in sent.items())
            self.socket.sendall(f"GET /api/events{query} HTTP/1.1\r\n{lines}\r\n".encode())
            # It undoes chunks, where a server sends some.
            self._response = http.client.HTTPResponse(self.socket)
            self._response.begin()
        except BaseException:
            self.socket.close()
            raise
        self.status = self._response.status
        self.headers = self._response.headers

    def next(self) -> Event:
        """The next block. Raises `EOFError` where the stream has ended."""
        while True:
            fields = dict(line.split(": ", 1) for line in self._until(b"\n\n").decode().splitlines())
            if fields.keys() != {"retry"}:
                data = json.loads(fields["data"]) if "data" in fields else None
                return Event(fields.get("event", ""), fields.get("id", ""), data)

    def until(self, name: str) -> Event:
        """The next event with this name, those before it left out."""
        while (event := self.next()).name != name:
            pass
        return event

    def rest(self) -> list[Event]:
        """Everything up to the end of the stream."""
        events = []
        with suppress(EOFError, ConnectionResetError, http.client.IncompleteRead):
            while True:
                events.append(self.next())
        return events

    def close(self) -> None:
        self._response.close()
        self.socket.close()

    def _until(self, end: bytes) -> bytes:
        while end not in self._buffer:
            data = self._response.read1(1 << 16)
            if not data:
                raise EOFError(self._buffer)
            self._buffer += data
        block, _, self._buffer = self._buffer.partition(end)
        return block


@contextmanager
def reading(url: str, query: str = "", **options: Any) -> Iterator[Reader]:
    """A stream that is open meanwhile."""
    with closing(Reader(url, query, **options)) as reader:
        yield reader


class Follower(threading.Thread):
    """Follows a server that comes and goes, and comes back each time with the id of its last event."""

    def __init__(
        self,
        url: Callable[[], str],
        pause: Callable[[], float],
        source: str = "",
        headers: Mapping[str, str] | None = None,
    ) -> None:
        super().__init__(daemon=True)
        self.changes: list[dict[str, Any]] = []
        self.first: int | None = None
        self.seen: list[int] = []
        self.resets: list[int] = []
        self.connections = 0
        self._url = url
        self._pause = pause
        self._source = source
        self._headers = headers
        self._last = ""
        self._stopped = threading.Event()

    def run(self) -> None:
        while not self._stopped.is_set():
            with suppress(OSError, EOFError, http.client.HTTPException):
                self._come()
            self._stopped.wait(self._pause())

    def _come(self) -> None:
        with reading(self._url(), last=self._last, source=self._source, headers=self._headers) as reader:
            if reader.status == 200:
                self.connections += 1
                self._follow(reader)

    def _follow(self, reader: Reader) -> None:
        while not self._stopped.is_set():
            event = reader.next()
            if event.name == "change":
                self.seen.append(event.revision)
                self.changes.append(event.data)
            elif event.name == "reset":
                self.resets.append(event.revision)
            if event.id:
                self._last = event.id
                self.first = event.revision if self.first is None else self.first

    def has(self, revision: int) -> bool:
        """Whether it has heard of everything up to `revision`."""
        return max([*self.seen[-1:], *self.resets[-1:], -1]) >= revision

    def lost(self, acknowledged: set[int]) -> set[int]:
        """What it never heard of, of what others were told that it was done."""
        start = max([self.first or 0, *self.resets])
        return {revision for revision in acknowledged if revision > start} - set(self.seen)

    def twice(self) -> int:
        """How many changes it heard of more than once."""
        return len(self.seen) - len(set(self.seen))

    def stop(self) -> None:
        self._stopped.set()
