"""A server that is reloaded, ended and killed while some change and others follow: nothing lost, nothing twice."""

from __future__ import annotations

import http.client
import json
import random
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any

import pytest
from event_streams import Follower
from lives import Lives, Place
from servers import ANNOTATION, exchange, until

from cocoannot.events.places import MOST_OF_ONE

pytestmark = [pytest.mark.slow, pytest.mark.torture]

_BODY = json.dumps(ANNOTATION).encode()
_ADD = (
    "POST /api/annotations HTTP/1.1\nHost: HOST\nContent-Type: application/json\nConnection: close\n"
    f"Content-Length: {len(_BODY)}"
)


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


def test_whoever_follows_a_server_that_comes_and_goes_hears_of_each_change_once(
    dataset_path: Path, small: dict[str, Any], torture: bool
) -> None:
    dataset_path.write_text(json.dumps(small))
    place, seconds, number = Place(), 60 if torture else 8, 40 if torture else 10
    lives = Lives(dataset_path, place)
    try:
        with following(place, number) as followers:
            until(lambda: all(each.first is not None for each in followers), "all follow")
            with adding(place, 4) as acknowledged:
                end = time.monotonic() + seconds
                while time.monotonic() < end or not lives.has_ended_in_every_way:
                    lives.go_on()
                before = len(acknowledged)
                until(lambda: len(acknowledged) > before, "it is changed once more")
            newest = max(acknowledged)
            until(lambda: all(each.has(newest) for each in followers), "all have heard of the last change", 60)
    finally:
        lives.close()
    lost = sum(len(each.lost(set(acknowledged))) for each in followers)
    twice = sum(each.twice() for each in followers)
    print(
        f"{dict(lives.done)}, {len(acknowledged)} changes acknowledged, {number} followers, "
        f"{sum(each.connections for each in followers)} connections, "
        f"{sum(len(each.resets) for each in followers)} resets, {lost} lost, {twice} twice"
    )
    assert (lost, twice) == (0, 0)
    assert all(each.seen == sorted(each.seen) for each in followers), "in order"
    assert all(each.connections > 3 for each in followers)
