"""gunicorn's own events in the form of ours. What the form is, is not known here."""

from __future__ import annotations

from typing import Any

from gunicorn.glogging import Logger  # type: ignore[import-untyped]

from cocoannot import logs


class JsonLogger(Logger):  # type: ignore[misc]
    """One JSON line for each event."""

    def setup(self, cfg: Any) -> None:
        """Set up the handlers that gunicorn's settings ask for, with our formatter."""
        super().setup(cfg)
        for handler in [*self.error_log.handlers, *self.access_log.handlers]:
            handler.setFormatter(logs.formatter("json"))
