"""One connection that events are written to, and its place in the order of changes. When is the hub's business.

level --the socket takes no more--> stuck --it takes again, and has everything--> level
"""

from __future__ import annotations

import ctypes
import errno
import socket
import ssl
from collections.abc import Callable
from contextlib import suppress

SEND_BUFFER = 64 << 10
"""Bytes that the system may hold for a reader who does not read; what comes after them waits in the ring."""

_MOST_RECEIVED = 64 << 10
"""Bytes that a client may send though it has nothing to say."""

_BLOCK = 4096
_FLAGS = socket.MSG_DONTWAIT | getattr(socket, "MSG_NOSIGNAL", 0)

# `socket.send` lets go of the interpreter, and has to wait for it again behind threads that answer requests: up to 5 ms
# for each of a thousand streams. This one keeps it, for the microseconds that a write to a socket's buffer takes.
_send = ctypes.PyDLL(None, use_errno=True).send
_send.argtypes = (ctypes.c_int, ctypes.c_char_p, ctypes.c_size_t, ctypes.c_int)
_send.restype = ctypes.c_ssize_t


class Broken(Exception):
    """The connection is gone."""


class Stream:
    """A connected socket, plain or TLS, that is the stream's own from now on. Used by the hub's thread alone.

    `images` are those that it follows, `None` for all. `cursor` is the revision up to which it has everything.
    `hello()` gives the first bytes when it is taken up; `on_close` is called once, when it is closed.
    `is_welcome()` tells whether it may go on.
    """

    __slots__ = (
        "_closed",
        "_received",
        "_socket",
        "cursor",
        "fd",
        "hello",
        "images",
        "is_welcome",
        "last_write",
        "looked_at",
        "on_close",
        "out",
        "owed",
        "stuck_since",
    )

    def __init__(
        self,
        connection: socket.socket,
        cursor: int,
        images: frozenset[int] | None,
        hello: Callable[[], bytes],
        on_close: Callable[[], object],
        is_welcome: Callable[[], bool],
    ) -> None:
        self.cursor = cursor
        self.images = images
        self.hello = hello
        self.on_close = on_close
        self.is_welcome = is_welcome
        self.fd = connection.fileno()
        self.out = memoryview(b"")
        """What is to be written next."""
        self.owed = 0
        """Bytes of events that came since it is stuck."""
        self.stuck_since: float | None = None
        self.last_write = 0.0
        self.looked_at = 0.0
        """When it was asked last whether it is welcome."""
        self._socket = connection
        self._received = 0
        self._closed = False

    def prepare(self, silence: float) -> None:
        """Make the socket ready; a peer that acknowledges nothing for `silence` seconds is gone."""
        with suppress(OSError):
            self._socket.setblocking(False)
        # Not every system, nor every kind of socket, has these.
        with suppress(OSError, AttributeError):
            self._socket.setsockopt(socket.SOL_SOCKET, socket.SO_SNDBUF, SEND_BUFFER)
            self._socket.setsockopt(socket.IPPROTO_TCP, socket.TCP_USER_TIMEOUT, int(1000 * silence))

    def write(self) -> int:
        """Write of `out` what the socket takes now; returns how many bytes that were. Raises `Broken`."""
        count = self._send_tls() if isinstance(self._socket, ssl.SSLSocket) else self._send_plain()
        self.out = self.out[count:]
        return count

    def receive(self) -> None:
        """Read away what the client sends. Raises `Broken` where it has closed the connection, or sends too much."""
        try:
            data = self._socket.recv(_BLOCK)
        except (BlockingIOError, ssl.SSLWantReadError, ssl.SSLWantWriteError):
            return
        except OSError as exc:
            raise Broken from exc
        self._received += len(data)
        if not data or self._received > _MOST_RECEIVED:
            raise Broken

    def close(self) -> None:
        """Close the connection, and tell."""
        if not self._closed:
            self._closed = True
            self._socket.close()
            self.on_close()

    def _send_plain(self) -> int:
        data = bytes(self.out)
        count = int(_send(self.fd, data, len(data), _FLAGS))
        if count >= 0:
            return count
        if ctypes.get_errno() in (errno.EAGAIN, errno.EWOULDBLOCK, errno.EINTR, errno.ENOBUFS):
            return 0
        raise Broken

    def _send_tls(self) -> int:
        # Never by the descriptor: it takes plain bytes just as well.
        try:
            return self._socket.send(self.out)
        except (BlockingIOError, ssl.SSLWantWriteError, ssl.SSLWantReadError):
            return 0
        except OSError as exc:
            raise Broken from exc
