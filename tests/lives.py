"""A server that is reloaded, ended and killed, and comes back each time."""

from __future__ import annotations

import random
import signal
import threading
from collections import Counter
from collections.abc import Callable, Mapping
from contextlib import ExitStack
from pathlib import Path

from servers import Server, serve


class Place:
    """Where the server is now; it changes with each start."""

    def __init__(self) -> None:
        self.url = "http://127.0.0.1:9"


class Lives:
    """A server that has one life after the other, all on the same dataset; `done` counts how they ended."""

    def __init__(self, dataset: Path, place: Place, env: Mapping[str, str] | None = None) -> None:
        self.done: Counter[str] = Counter()
        self._dataset = dataset
        self._place = place
        self._env = {"DATASET_AUTO_SAVE_INTERVAL": "2", **(env or {})}
        self._ways: list[tuple[str, Callable[[], None]]] = [
            ("HUP", self.reload),
            ("KILL", self.crash),
            ("TERM", self.end),
        ]
        self._rules = random.Random(7)
        self._stack = ExitStack()
        self.server = self._start()

    @property
    def has_ended_in_every_way(self) -> bool:
        return len(self.done) == len(self._ways)

    def go_on(self) -> None:
        """Let some time pass, then end this life in the next way, and begin another."""
        name, act = self._ways[sum(self.done.values()) % len(self._ways)]
        threading.Event().wait(self._rules.uniform(0.5, 1.5))
        act()
        self.done[name] += 1

    def reload(self) -> None:
        before = self.server.worker
        self.server.signal(signal.SIGHUP)
        self.server.wait_until_ready(but=before)

    def end(self) -> None:
        self.stop()
        self.server = self._start()

    def crash(self) -> None:
        self.server.kill()
        self.server = self._start()

    def stop(self) -> None:
        """End in an orderly way, for good."""
        self.server.signal(signal.SIGTERM)
        assert self.server.wait() == 0, self.server.log

    def close(self) -> None:
        self._stack.close()

    def _start(self) -> Server:
        self._stack.close()
        server = self._stack.enter_context(serve(self._dataset, env=self._env))
        self._place.url = server.url
        return server
