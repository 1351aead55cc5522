"""Clients that stall, under gunicorn's gthread worker. How long they may is decided elsewhere.

gunicorn lets a thread wait for a client for ever, in the head of a request, its body and its answer; and after an
answer it waits up to 2 seconds for the client to close, in the one thread that accepts everybody else.
"""

from __future__ import annotations

import logging
import socket
import struct
from contextlib import suppress
from typing import Any

from gunicorn.util import close_graceful  # type: ignore[import-untyped]


def limit_waiting(worker: Any, seconds: float) -> None:
    """Close a connection of `worker` after this long without a byte in the direction that its thread waits for."""
    limit = struct.pack("ll", int(seconds), int(seconds % 1 * 1_000_000))
    handle = worker.handle

    def handle_and_part(connection: Any) -> Any:
        if not connection.initialized:
            for option in (socket.SO_RCVTIMEO, socket.SO_SNDTIMEO):
                connection.sock.setsockopt(socket.SOL_SOCKET, option, limit)
        again = handle(connection)
        if again is False:
            _part(connection.sock)
        return again

    # Not by a class of our own, so that `gthread` keeps its name in gunicorn's settings and log.
    worker.handle = handle_and_part
    worker.log.error_log.addFilter(_without_traceback)


def _part(sock: socket.socket) -> None:
    """Wait for the client to close, in the thread of its request; what gunicorn does after that takes no time."""
    # A TLS socket has no copies.
    with suppress(OSError, NotImplementedError):
        close_graceful(sock.dup())
        sock.shutdown(socket.SHUT_RD)


def _without_traceback(record: logging.LogRecord) -> bool:
    """A client that stalls is no error of the server's."""
    if record.exc_info and isinstance(record.exc_info[1], BlockingIOError):
        record.levelno, record.levelname = logging.INFO, logging.getLevelName(logging.INFO)
        record.msg, record.args, record.exc_info = "Closing a connection that stalled", (), None
    return True
