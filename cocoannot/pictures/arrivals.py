"""Names of pictures that are being added: each by one at a time. Where pictures go is not known here."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from contextlib import contextmanager

from cocoannot.pictures.safe_names import folded


class Arrivals:
    """Who adds a picture and its record holds the name meanwhile; safe from any thread."""

    def __init__(self) -> None:
        # Guards the names.
        self._changed = threading.Condition()
        self._names: dict[str, str] = {}

    @contextmanager
    def hold(self, name: str) -> Iterator[None]:
        """Hold `name`, as soon as nobody else does; one that differs in case alone is the same."""
        key = folded(name)
        with self._changed:
            self._changed.wait_for(lambda: key not in self._names)
            self._names[key] = name
        try:
            yield
        finally:
            with self._changed:
                del self._names[key]
                self._changed.notify_all()

    def names(self) -> set[str]:
        """The names that are held at the moment."""
        with self._changed:
            return set(self._names.values())
