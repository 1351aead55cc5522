"""A server that is reloaded, ended and killed while some change and others follow: nothing lost, nothing twice."""

from __future__ import annotations

import http.client
import json
import random
import signal
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager, suppress
from pathlib import Path
from typing import Any

import pytest
from event_streams import Follower
from servers import ANNOTATION, Server, exchange, serve, until

from cocoannot.events.places import MOST_OF_ONE

pytestmark = [pytest.mark.slow, pytest.mark.torture]

_BODY = json.dumps(ANNOTATION).encode()
_ADD = (
    "POST /api/annotations HTTP/1.1\nHost: HOST\nContent-Type: application/json\nConnection: close\n"
    f"Content-Length: {len(_BODY)}"
)


class Place:
    """Where the server is now; it changes with each start."""

    def __init__(self) -> None:
        self.url = "http://127.0.0.1:9"


@contextmanager
def adding(place: Place, threads: int) -> Iterator[list[int]]:
    """Threads add annotations meanwhile; gives the revisions that were acknowledged, as they come."""
    acknowledged: list[int] = []
    enough = threading.Event()

    def add() -> None:
        while not enough.wait(0.01):
            with suppress(OSError, http.client.HTTPException):
                reply = exchange(place.url, _ADD, _BODY)
                if reply.status == 201:
                    acknowledged.append(int(reply.headers["X-Dataset-Revision"]))

    running = [threading.Thread(target=add) for _ in range(threads)]
    for thread in running:
        thread.start()
    try:
        yield acknowledged
    finally:
        enough.set()
        for thread in running:
            thread.join()


@contextmanager
def following(place: Place, number: int) -> Iterator[list[Follower]]:
    """Followers, from as many addresses as it takes."""
    rules = random.Random(5)
    followers = [
        Follower(lambda: place.url, lambda: rules.uniform(0.05, 0.3), f"127.0.0.{2 + index // MOST_OF_ONE}")
        for index in range(number)
    ]
    for follower in followers:
        follower.start()
    try:
        yield followers
    finally:
        for follower in followers:
            follower.stop()


class Lives:
    """A server that has one life after the other, all on the same dataset."""

    def __init__(self, dataset: Path, place: Place) -> None:
        self._dataset = dataset
        self._place = place
        self._stack = ExitStack()
        self.server = self._start()

    def reload(self) -> None:
        before = self.server.worker
        self.server.signal(signal.SIGHUP)
        self.server.wait_until_ready(but=before)

    def end(self) -> None:
        self.server.signal(signal.SIGTERM)
        assert self.server.wait() == 0, self.server.log
        self.server = self._start()

    def crash(self) -> None:
        self.server.kill()
        self.server = self._start()

    def close(self) -> None:
        self._stack.close()

    def _start(self) -> Server:
        self._stack.close()
        server = self._stack.enter_context(serve(self._dataset, env={"DATASET_AUTO_SAVE_INTERVAL": "2"}))
        self._place.url = server.url
        return server


def test_whoever_follows_a_server_that_comes_and_goes_hears_of_each_change_once(
    dataset_path: Path, small: dict[str, Any], torture: bool
) -> None:
    dataset_path.write_text(json.dumps(small))
    place, seconds, number = Place(), 60 if torture else 8, 40 if torture else 10
    lives = Lives(dataset_path, place)
    ways: list[tuple[str, Callable[[], None]]] = [("HUP", lives.reload), ("KILL", lives.crash), ("TERM", lives.end)]
    done = {name: 0 for name, _ in ways}
    pause = threading.Event()
    rules = random.Random(7)
    try:
        with following(place, number) as followers:
            until(lambda: all(each.first is not None for each in followers), "all follow")
            with adding(place, 4) as acknowledged:
                end = time.monotonic() + seconds
                while time.monotonic() < end or not all(done.values()):
                    name, act = ways[sum(done.values()) % len(ways)]
                    pause.wait(rules.uniform(0.5, 1.5))
                    act()
                    done[name] += 1
                before = len(acknowledged)
                until(lambda: len(acknowledged) > before, "it is changed once more")
            newest = max(acknowledged)
            until(lambda: all(each.has(newest) for each in followers), "all have heard of the last change", 60)
    finally:
        lives.close()
    lost = sum(len(each.lost(set(acknowledged))) for each in followers)
    twice = sum(each.twice() for each in followers)
    print(
        f"{done}, {len(acknowledged)} changes acknowledged, {number} followers, "
        f"{sum(each.connections for each in followers)} connections, "
        f"{sum(len(each.resets) for each in followers)} resets, {lost} lost, {twice} twice"
    )
    assert (lost, twice) == (0, 0)
    assert all(each.seen == sorted(each.seen) for each in followers), "in order"
    assert all(each.connections > 3 for each in followers)
