"""How log lines look, `text` or `json`, and where they go. What is logged is not known here."""

from __future__ import annotations

import json
import logging
import re
import sys
from datetime import UTC, datetime

_NAME = "cocoannot"
# Control characters of ASCII and of Latin-1, and the line ends of Unicode.
_CONTROL = re.compile("[\x00-\x1f\x7f-\x9f\u2028\u2029]")


class TextFormatter(logging.Formatter):
    """`2026-11-23 00:45:25,720 INFO: MESSAGE`: a line of its own for each event, whatever a client put into it.

    The traceback of an exception follows on lines of its own.
    """

    def __init__(self) -> None:
        super().__init__("%(asctime)s %(levelname)s: %(message)s")

    def formatMessage(self, record: logging.LogRecord) -> str:
        return _CONTROL.sub(lambda match: match[0].encode("unicode_escape").decode(), super().formatMessage(record))


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


class _Handler(logging.StreamHandler):  # type: ignore[type-arg]
    """Ours, to be told from those of an application that we are a part of."""


def formatter(style: str) -> logging.Formatter:
    """The formatter of `style`, `text` or `json`."""
    return JsonFormatter() if style == "json" else TextFormatter()


def set_up(level: str, style: str) -> None:
    """Show our events from `level` on, on the standard error output, formatted by `style`.

    Where something else has set up logging before, only the level is set. Of several applications in one process the
    last one decides.
    """
    logger = logging.getLogger(_NAME)
    logger.setLevel(level)
    if not logger.hasHandlers():
        logger.addHandler(_Handler(sys.stderr))
    for handler in logger.handlers:
        if isinstance(handler, _Handler):
            handler.setFormatter(formatter(style))
