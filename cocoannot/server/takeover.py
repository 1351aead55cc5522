"""Connections that an answer takes over from gunicorn's threaded worker, so that they keep no thread.

    request thread   the view says who goes on --> StopIteration: gunicorn sends nothing, and lets the thread go
    Worker.handle    gunicorn gets a socket that leads nowhere, to close; the real one goes on, TLS and all

What goes on with it is not known here.
"""

from __future__ import annotations

import socket
import threading
from collections.abc import Callable, Iterable
from email.utils import formatdate
from typing import TYPE_CHECKING, Any, Protocol

from cocoannot.events.feed import RELEASE

if TYPE_CHECKING:
    from _typeshed.wsgi import StartResponse, WSGIApplication, WSGIEnvironment


class Successor(Protocol):
    """Who goes on with a connection; one of the two is called."""

    def go_on(self, connection: socket.socket, head: bytes) -> None:
        """Send `head`, the answer's, and then what comes."""
        ...

    def cancel(self) -> None:
        """There is no connection after all."""
        ...


class Handover:
    """What one request wants done with its connection."""

    def __init__(self) -> None:
        self._successor: Successor | None = None
        self._head: bytes | None = None

    def release(self, successor: Successor) -> None:
        """Let `successor` go on, once the answer's head is known."""
        self._successor = successor

    @property
    def is_wanted(self) -> bool:
        return self._successor is not None

    def prepare(self, status: str, headers: Iterable[tuple[str, str]]) -> None:
        """The answer has this head, and ends with its connection."""
        lines = [f"HTTP/1.1 {status}", f"Date: {formatdate(usegmt=True)}", "Connection: close"]
        lines += [f"{name}: {value}" for name, value in headers if name.lower() not in ("content-length", "connection")]
        self._head = ("\r\n".join(lines) + "\r\n\r\n").encode("latin-1")

    def give_up(self) -> None:
        """Let gunicorn go on with the connection."""
        successor, self._successor = self._successor, None
        if successor is not None:
            successor.cancel()

    def finish(self, conn: Any) -> bool:
        """Do it, with gunicorn's `conn`, once gunicorn is done with the request; returns whether there was anything."""
        if self._head is None:
            self.give_up()
        successor = self._successor
        if successor is None or self._head is None:
            return False
        # Not nothing in its place: gunicorn closes what it finds there, and counts its connections by that.
        connection, conn.sock = conn.sock, socket.socket()
        successor.go_on(connection, self._head)
        return True


_current = threading.local()


def begin() -> Handover:
    """For the request that this thread is about to answer."""
    handover: Handover = Handover()
    _current.handover = handover
    return handover


def end() -> None:
    """The request of this thread was answered."""
    _current.handover = None


def releasing(app: WSGIApplication) -> WSGIApplication:
    """`app`, whose views may let go of their connections: the outermost layer of WSGI."""

    def call(environ: WSGIEnvironment, start_response: StartResponse) -> Iterable[bytes]:
        handover: Handover | None = getattr(_current, "handover", None)
        # Over HTTP/2 a connection has other answers too.
        if handover is None or environ.get("HTTP_VERSION") == "2":
            return app(environ, start_response)
        environ[RELEASE] = handover.release
        started: list[tuple[str, list[tuple[str, str]], Any]] = []

        def start(status: str, headers: list[tuple[str, str]], exc_info: Any = None) -> Callable[[bytes], object]:
            if not handover.is_wanted:
                return start_response(status, headers, exc_info)
            started[:] = [(status, headers, exc_info)]
            return lambda data: None

        body = app(environ, start)
        if not started:
            return body
        if not started[0][0].startswith("200"):
            # What came after the view was not content with it.
            handover.give_up()
            start_response(*started[0])
            return body
        close: Callable[[], object] = getattr(body, "close", lambda: None)
        close()
        handover.prepare(*started[0][:2])
        # gunicorn's own sign that somebody takes care of the connection.
        raise StopIteration

    return call
