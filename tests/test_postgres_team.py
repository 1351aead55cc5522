"""Claims of images, and who is where, in processes that share a database: no image is given to two people."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import pytest
from conftest import FakeClock
from postgres_servers import Postgres
from postgres_stores import FilePostgresStore

from cocoannot.errors import NotLoaded, TooMany
from cocoannot.store.postgres.store import PostgresStore
from cocoannot.teamwork.claims import ALONE, MOST_OF_ONE, Claims
from cocoannot.teamwork.holder import Holder
from cocoannot.teamwork.presence import Presence

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
    return [Claims(clock, store.team.claims) for store in stores]


def test_what_one_process_has_given_another_does_not_give(claims: list[Claims]) -> None:
    first, second = claims
    assert first.take(1, ANNA)
    assert not second.take(1, BEN)
    assert second.others(BEN) == {1}
    assert second.others(ANNA) == frozenset()
    assert second.holder(1) == ANNA
    assert second.of(ANNA) == [1], "who comes to another process goes on with their own"
    assert second.take(1, ANNA)
    first.let_go(1, ANNA)
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


@pytest.mark.parametrize("sign", ["stream", "presence"])
def test_who_goes_on_at_another_process_keeps_what_the_first_one_gave_them(
    claims: list[Claims], clock: FakeClock, postgres: Postgres, dataset_path: Path, sign: str
) -> None:
    first, second = claims
    ours = "dataset_id = (SELECT dataset_id FROM dataset WHERE name = %s)"
    assert first.take(1, ANNA)
    assert first.take(2, BEN)
    # That process is dead. She is back before its claims are over, and he is not.
    if sign == "stream":
        second.stream_opened(ANNA)
    else:
        second.renew(ANNA)
    with postgres.connect() as connection:
        connection.execute("UPDATE claim SET until = now() + interval '20 seconds'")
        second.share()
        lapsed = connection.execute(
            f"DELETE FROM claim WHERE until < now() + interval '30 seconds' AND {ours} RETURNING image_id".encode(),
            [str(dataset_path)],
        )
        assert lapsed.fetchall() == [(2,)]
    assert second.of(ANNA) == [1]
    assert second.take(2, ANNA), "he is gone"
    assert not second.take(1, BEN)
    # From now on as if it had been given here.
    clock.advance(ALONE + 1)
    with postgres.connect() as connection:
        connection.execute("UPDATE claim SET until = now() + interval '20 seconds'")
        second.share()
        connection.execute("DELETE FROM claim WHERE until < now() + interval '30 seconds'")
    assert second.of(ANNA) == ([1, 2] if sign == "stream" else [])


def test_what_is_given_back_elsewhere_is_not_kept_here(claims: list[Claims]) -> None:
    first, second = claims
    assert first.take(1, ANNA)
    second.let_go(1, ANNA)
    first.share()
    assert second.take(1, BEN)
    assert first.of(ANNA) == []


def test_whoever_has_an_image_next_keeps_it_though_other_processes_hear_late_that_it_is_done(
    claims: list[Claims],
) -> None:
    first, second = claims
    assert first.take(1, ANNA)
    second.let_go(1, ANNA)
    assert second.take(1, BEN)
    first.finish(1)
    assert second.holder(1) == BEN
    assert first.of(ANNA) == []
    second.finish(1)
    assert first.take(1, ANNA)


def test_an_image_that_is_refused_for_the_limit_stays_free_for_others(claims: list[Claims]) -> None:
    first, second = claims
    for image_id in range(1, MOST_OF_ONE + 1):
        assert first.take(image_id, ANNA)
    with pytest.raises(TooMany):
        first.take(MOST_OF_ONE + 1, ANNA)
    first.end()
    with pytest.raises(NotLoaded):
        first.take(MOST_OF_ONE + 2, ANNA)
    for image_id in (MOST_OF_ONE + 1, MOST_OF_ONE + 2):
        assert second.take(image_id, BEN)


# Who is where


class Told:
    """What is told of clients: who, on which image, or gone."""

    def __init__(self) -> None:
        self.heard: list[tuple[str, int | None, bool]] = []

    def __call__(self, key: str, data: Mapping[str, Any], images: object) -> None:
        self.heard.append((data["user"], data["image_id"], data.get("gone", False)))


def test_who_is_at_another_process_is_seen_and_told_at_the_next_look(
    stores: list[PostgresStore], clock: FakeClock, postgres: Postgres
) -> None:
    told = [Told(), Told()]
    first, second = (
        Presence(clock, tell, shared=store.team.presence) for store, tell in zip(stores, told, strict=True)
    )
    first.arrive(ANNA, 1, editing=False)
    second.look()
    second.look()
    assert [each["user"] for each in second.present()] == ["anna"]
    assert told[1].heard == [("anna", 1, False)]
    # She goes on at the other process.
    second.arrive(ANNA, 2, editing=True)
    first.look()
    assert [(each["image_id"], each["editing"]) for each in first.present()] == [(2, True)]
    assert told[0].heard == [("anna", 1, False), ("anna", 2, False)]
    second.leave(ANNA)
    first.look()
    assert first.present() == []
    assert told[0].heard[-1] == ("anna", None, True)


def test_who_is_silent_for_too_long_is_gone_for_all(
    stores: list[PostgresStore], clock: FakeClock, postgres: Postgres
) -> None:
    told = [Told(), Told()]
    first, second = (
        Presence(clock, tell, shared=store.team.presence) for store, tell in zip(stores, told, strict=True)
    )
    first.arrive(ANNA, 1, editing=False)
    second.look()
    with postgres.connect() as connection:
        connection.execute("UPDATE presence SET until = now() - interval '1 second'")
    for presence in (first, second):
        presence.look()
        assert presence.present() == []
    assert [each.heard[-1] for each in told] == [("anna", None, True)] * 2
    stores[0].team.forget()
    with postgres.connect() as connection:
        assert connection.execute("SELECT count(*) FROM presence").fetchone() == (0,)
