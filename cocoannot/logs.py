"""How log lines look, `text` or `json`, and where they go. What is logged is not known here."""

from __future__ import annotations

import json
import logging
import re
import sys
import threading
import time
from collections import deque
from contextlib import suppress
from datetime import UTC, datetime

ACCESS = "cocoannot.access"
"""The logger that has a line for each request."""

_LOGGER = logging.getLogger("cocoannot")
_MAX_WAITING = 10_000
# Control characters of ASCII and of Latin-1, and the line ends of Unicode.
_CONTROL = re.compile("[\x00-\x1f\x7f-\x9f\u2028\u2029]")


class TextFormatter(logging.Formatter):
    """`2026-11-23 00:45:25,720 INFO: MESSAGE`: a line of its own for each event, whatever a client put into it.

    The traceback of an exception follows on lines of its own.
    """

    def __init__(self) -> None:
        super().__init__("%(asctime)s %(levelname)s: %(message)s")

    def formatMessage(self, record: logging.LogRecord) -> str:
        line = super().formatMessage(record)
        if line.isprintable():
            return line
        return _CONTROL.sub(lambda match: match[0].encode("unicode_escape").decode(), line)


class JsonFormatter(logging.Formatter):
    """One object on one line for each event: `time`, `level`, `logger`, `pid`, `message`, then what it brings.

    That is a mapping in `extra={"fields": ...}`, and for an exception its traceback as `exception`. All ASCII, so that
    it is JSON in any locale.
    """

    def format(self, record: logging.LogRecord) -> str:
        event: dict[str, object] = {
            "time": datetime.fromtimestamp(record.created, UTC).isoformat(timespec="milliseconds"),
            "level": record.levelname,
            "logger": record.name,
            "pid": record.process,
            "message": record.getMessage(),
            **getattr(record, "fields", {}),
        }
        if record.exc_info:
            event["exception"] = self.formatException(record.exc_info)
        if record.stack_info:
            event["stack"] = self.formatStack(record.stack_info)
        return json.dumps(event, default=str)


class LineHandler(logging.Handler):
    """Writes lines to the standard error output; while one thread does, the others leave theirs to it and go on.

    With `batch_seconds`, lines of requests wait for `flush_due` or for another line: a write for each of many requests
    takes a tenth of their time. Where nobody reads, the oldest lines go.
    """

    def __init__(self) -> None:
        super().__init__()
        self.batch_seconds = 0.0
        self._written = 0.0
        self._lines: deque[str] = deque(maxlen=_MAX_WAITING)
        self._writing = threading.Lock()

    def handle(self, record: logging.LogRecord) -> bool:
        """Like logging's, without its lock."""
        if taken := bool(self.filter(record)):
            self.emit(record)
        return taken

    def emit(self, record: logging.LogRecord) -> None:
        try:
            self._lines.append(self.format(record) + "\n")
            if not (self.batch_seconds and record.name == ACCESS and record.levelno < logging.WARNING):
                self.flush()
        except Exception:
            self.handleError(record)

    def flush_due(self) -> None:
        """Write what waits, `batch_seconds` after the last writing. Raises as `flush` does."""
        if self._lines and time.monotonic() - self._written >= self.batch_seconds:
            self.flush()

    def flush(self) -> None:
        """Write what waits. Raises `OSError`, and `ValueError` where the output is closed."""
        # Again after each release: a line may have been left when the thread that wrote saw no more.
        while self._lines and self._writing.acquire(blocking=False):
            try:
                self._written = time.monotonic()
                sys.stderr.write("".join(self._lines.popleft() for _ in range(len(self._lines))))
                sys.stderr.flush()
            finally:
                self._writing.release()


def formatter(style: str) -> logging.Formatter:
    """The formatter of `style`, `text` or `json`."""
    return JsonFormatter() if style == "json" else TextFormatter()


def set_up(level: str, style: str) -> None:
    """Show our events from `level` on, on the standard error output, formatted by `style`.

    Where something else has set up logging before, only the level is set. Of several applications in one process the
    last one decides.
    """
    _LOGGER.setLevel(level)
    if not _LOGGER.hasHandlers():
        _LOGGER.addHandler(LineHandler())
    for handler in _line_handlers():
        handler.setFormatter(formatter(style))


def leave_origins_out() -> None:
    """Don't look for the file, the line and the thread that an event comes from: no formatter here shows them.

    For all loggers of a process, so only for one that has none but ours and gunicorn's. Takes 4 % off a request; by
    "Optimization" in https://docs.python.org/3/howto/logging.html.
    """
    logging._srcfile = None
    logging.logThreads = logging.logMultiprocessing = False


def batch_access_lines(seconds: float) -> None:
    """Write lines of requests together, every `seconds` at most, by `flush_due`; 0 writes each at once."""
    for handler in _line_handlers():
        handler.batch_seconds = seconds


def flush_due() -> None:
    """Write the lines that wait, if it is time to. For somebody who calls it often."""
    for handler in _line_handlers():
        with suppress(OSError, ValueError):
            handler.flush_due()


def flush() -> None:
    """Write all lines that wait, before a process ends in a way that runs no exit handlers."""
    for handler in _line_handlers():
        with suppress(OSError, ValueError):
            handler.flush()


def _line_handlers() -> list[LineHandler]:
    return [handler for handler in _LOGGER.handlers if isinstance(handler, LineHandler)]
