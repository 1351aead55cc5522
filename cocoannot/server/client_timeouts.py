"""Clients that stall, under gunicorn's threaded worker. How long they may is decided elsewhere.

gunicorn lets a thread wait for a client for ever, in the head of a request, its body and its answer; and after an
answer it waits up to 2 seconds for the client to close, in the one thread that accepts everybody else.
"""

from __future__ import annotations

import logging
import socket
import struct
from contextlib import suppress

from gunicorn.util import close_graceful  # type: ignore[import-untyped]


def limit_waiting(connection: socket.socket, seconds: float) -> None:
    """Let reading and writing fail after this long without a byte in the direction that a thread waits for."""
    # Not `settimeout`: gunicorn switches that off again when a request begins.
    limit = struct.pack("ll", int(seconds), int(seconds % 1 * 1_000_000))
    for option in (socket.SO_RCVTIMEO, socket.SO_SNDTIMEO):
        connection.setsockopt(socket.SOL_SOCKET, option, limit)


def wait_for_close(connection: socket.socket) -> None:
    """Wait for the client to close, in the thread of its request; what gunicorn does after that takes no time."""
    # A TLS socket has no copies.
    with suppress(OSError, NotImplementedError):
        close_graceful(connection.dup())
        connection.shutdown(socket.SHUT_RD)


def without_traceback(record: logging.LogRecord) -> bool:
    """A filter of gunicorn's log: a client that stalls is no error of the server's."""
    if record.exc_info and isinstance(record.exc_info[1], BlockingIOError):
        record.levelno, record.levelname = logging.INFO, logging.getLevelName(logging.INFO)
        record.msg, record.args, record.exc_info = "Closing a connection that stalled", (), None
    return True
