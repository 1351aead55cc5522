"""Claims of images by processes that share a database: no image is given to two people."""

from __future__ import annotations

import json
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import pytest
from conftest import FakeClock
from postgres_servers import Postgres
from postgres_stores import FilePostgresStore

from cocoannot.store.postgres.store import PostgresStore
from cocoannot.teamwork.claims import ALONE, Claims
from cocoannot.teamwork.holder import Holder

ANNA, BEN = Holder("user anna", "anna", "tab"), Holder("user ben", "ben", "tab")


@pytest.fixture
def stores(postgres: Postgres, dataset_path: Path, small: dict[str, Any]) -> Iterator[list[PostgresStore]]:
    """Of two processes, on one dataset."""
    dataset_path.write_text(json.dumps(small))
    found = [FilePostgresStore(postgres) for _ in range(2)]
    for store in found:
        store.load(str(dataset_path))
    yield list(found)
    for store in found:
        store.close()


@pytest.fixture
def claims(stores: list[PostgresStore], clock: FakeClock) -> list[Claims]:
    return [Claims(clock, store.claims) for store in stores]


def test_what_one_process_has_given_another_does_not_give(claims: list[Claims]) -> None:
    first, second = claims
    assert first.take(1, ANNA)
    assert not second.take(1, BEN)
    assert second.others(BEN) == {1}
    assert second.others(ANNA) == frozenset()
    assert second.holder(1) == ANNA
    assert second.of(ANNA) == [1], "who comes to another process goes on with their own"
    assert second.take(1, ANNA)
    first.let_go(1)
    assert second.take(1, BEN)


def test_of_many_who_ask_at_the_same_time_one_gets_an_image(claims: list[Claims]) -> None:
    holders = [Holder(f"user {number}", str(number), "tab") for number in range(16)]
    with ThreadPoolExecutor(8) as pool:
        got = list(pool.map(lambda number: claims[number % 2].take(1, holders[number]), range(16)))
    assert got.count(True) == 1


def test_a_claim_lasts_while_its_process_renews_it(claims: list[Claims], clock: FakeClock, postgres: Postgres) -> None:
    first, second = claims
    assert first.take(1, ANNA)
    first.share()
    assert not second.take(1, BEN)
    # The process that renewed it is gone, and so is the time that it has left.
    with postgres.connect() as connection:
        connection.execute("UPDATE claim SET until = now() - interval '1 second'")
    assert second.take(1, BEN)
    assert second.holder(1) == BEN


def test_a_claim_that_is_over_here_is_not_renewed(claims: list[Claims], clock: FakeClock, postgres: Postgres) -> None:
    first, _ = claims
    assert first.take(1, ANNA)
    clock.advance(ALONE + 1)
    with postgres.connect() as connection:
        connection.execute("UPDATE claim SET until = now() + interval '1 second'")
        first.share()
        left = connection.execute("SELECT extract(epoch FROM until - now())::float8 FROM claim").fetchall()
    assert max(seconds for (seconds,) in left) <= 1


def test_what_is_given_back_elsewhere_is_not_kept_here(claims: list[Claims]) -> None:
    first, second = claims
    assert first.take(1, ANNA)
    second.let_go(1)
    first.share()
    assert second.take(1, BEN)
    assert first.of(ANNA) == []
