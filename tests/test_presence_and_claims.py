"""Who is where, and who has which image: what fades, what lasts, and what is refused. The clock stands still."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from datetime import timedelta
from pathlib import Path
from typing import Any, cast

import pytest
from conftest import FakeClock

from cocoannot.changes.operations import Update
from cocoannot.coco.parser import SectionName
from cocoannot.errors import NotLoaded, TooMany
from cocoannot.manager import DatasetManager
from cocoannot.store.base import Found, Store
from cocoannot.store.memory.store import MemoryStore
from cocoannot.store.queries import ImageQuery
from cocoannot.teamwork.claims import AFTER_STREAM, ALONE, Claims
from cocoannot.teamwork.holder import Holder, holder_of
from cocoannot.teamwork.kept_claims import KeptClaims
from cocoannot.teamwork.presence import LASTS, Presence
from cocoannot.teamwork.team import Team

ANNA = holder_of("anna", "10.0.0.1", "tab-1")
BEN = holder_of("ben", "10.0.0.1", "tab-1")


class Listener:
    """What was told of presence, and to whom."""

    def __init__(self) -> None:
        self.told: list[tuple[str | None, int | None, bool, set[int] | None]] = []

    def __call__(self, key: str, data: Mapping[str, Any], images: frozenset[int] | None) -> None:
        gone = bool(data.get("gone"))
        self.told.append((data["user"], data["image_id"], gone, None if images is None else set(images)))


@pytest.fixture
def listener() -> Listener:
    return Listener()


@pytest.fixture
def presence(clock: FakeClock, listener: Listener) -> Presence:
    return Presence(clock, listener)


@pytest.fixture
def claims(clock: FakeClock) -> Claims:
    return Claims(clock)


def where(presence: Presence, images: frozenset[int] | None = None) -> list[tuple[str | None, int | None]]:
    return [(each["user"], each["image_id"]) for each in presence.present(images)]


# Presence


def test_somebody_is_where_they_say_for_as_long_as_they_say_it(presence: Presence, clock: FakeClock) -> None:
    presence.arrive(ANNA, 3, editing=False)
    clock.advance(LASTS - 1)
    presence.arrive(ANNA, 3, editing=False)
    clock.advance(LASTS - 1)
    assert where(presence) == [("anna", 3)]
    clock.advance(1)
    assert where(presence) == []


def test_changes_are_told_to_those_whom_they_concern_and_repetitions_to_nobody(
    presence: Presence, listener: Listener
) -> None:
    presence.arrive(ANNA, 3, editing=False)
    presence.arrive(ANNA, 3, editing=False)
    presence.arrive(ANNA, 3, editing=True)
    presence.arrive(ANNA, 4, editing=True)
    presence.leave(ANNA)
    presence.leave(ANNA)
    assert listener.told == [
        ("anna", 3, False, {3}),
        ("anna", 3, False, {3}),
        ("anna", 4, False, {3, 4}),
        ("anna", None, True, {4}),
    ]


def test_somebody_who_fell_silent_is_told_to_be_gone(presence: Presence, listener: Listener, clock: FakeClock) -> None:
    presence.arrive(ANNA, 3, editing=False)
    clock.advance(LASTS)
    presence.sweep()
    assert listener.told[-1] == ("anna", None, True, {3})


def test_since_is_when_they_came_to_the_image(presence: Presence, clock: FakeClock) -> None:
    presence.arrive(ANNA, 3, editing=False)
    came = presence.present()[0]["since"]
    clock.advance(10)
    presence.arrive(ANNA, 3, editing=True)
    assert presence.present()[0]["since"] == came
    presence.arrive(ANNA, 4, editing=True)
    assert presence.present()[0]["since"] == came + timedelta(seconds=10)


def test_the_same_name_of_two_users_is_two_clients(presence: Presence) -> None:
    presence.arrive(ANNA, 3, editing=False)
    presence.arrive(BEN, 4, editing=False)
    presence.leave(BEN)
    assert where(presence) == [("anna", 3)]
    assert where(presence, frozenset({4})) == []


def test_at_logout_all_clients_of_a_user_are_gone(presence: Presence) -> None:
    for client in ("tab-1", "tab-2"):
        presence.arrive(ANNA._replace(client=client), 3, editing=False)
    presence.arrive(BEN, 3, editing=False)
    presence.leave_all(ANNA.who)
    assert where(presence) == [("ben", 3)]


def test_the_number_of_clients_is_bounded(clock: FakeClock, listener: Listener) -> None:
    presence = Presence(clock, listener, most=4, most_of_one=3)
    for number in range(3):
        presence.arrive(ANNA._replace(client=str(number)), 3, editing=False)
    with pytest.raises(TooMany, match="3 of your clients"):
        presence.arrive(ANNA._replace(client="4"), 3, editing=False)
    presence.arrive(BEN, 3, editing=False)
    with pytest.raises(TooMany, match="4 clients"):
        presence.arrive(BEN._replace(client="2"), 3, editing=False)
    # Whoever is here may go on.
    presence.arrive(BEN, 4, editing=False)
    clock.advance(LASTS)
    presence.arrive(BEN._replace(client="2"), 3, editing=False)
    assert where(presence) == [("ben", 3)]


# Claims


def test_an_image_is_one_client_s(claims: Claims) -> None:
    assert claims.take(3, ANNA)
    assert not claims.take(3, BEN)
    assert claims.take(3, ANNA)
    assert (claims.holder(3), claims.of(ANNA)) == (ANNA, [3])
    assert (set(claims.others(BEN)), set(claims.others(ANNA))) == ({3}, set())
    claims.let_go(3, ANNA)
    assert claims.take(3, BEN)


def test_two_tabs_of_one_user_are_two_clients(claims: Claims) -> None:
    assert claims.take(3, ANNA)
    assert not claims.take(3, ANNA._replace(client="tab-2"))


def test_a_claim_without_a_stream_lasts_ten_minutes(claims: Claims, clock: FakeClock) -> None:
    claims.take(3, ANNA)
    assert claims.seconds_left(3) == ALONE == 600
    clock.advance(ALONE - 1)
    assert not claims.take(3, BEN)
    clock.advance(1)
    assert claims.take(3, BEN)


@pytest.mark.parametrize(
    "sign",
    [
        lambda claims: claims.renew(ANNA),
        lambda claims: claims.renew_images([2, 3], "anna"),
        lambda claims: claims.take(3, ANNA),
    ],
    ids=["presence", "change", "again"],
)
def test_a_sign_of_life_renews_it(claims: Claims, clock: FakeClock, sign: Callable[[Claims], object]) -> None:
    claims.take(3, ANNA)
    clock.advance(ALONE - 1)
    sign(claims)
    clock.advance(ALONE - 1)
    assert claims.holder(3) == ANNA


def test_somebody_else_s_change_does_not(claims: Claims, clock: FakeClock) -> None:
    claims.take(3, ANNA)
    clock.advance(ALONE - 1)
    claims.renew_images([3], "ben")
    claims.renew(BEN)
    clock.advance(1)
    assert claims.holder(3) is None


def test_with_a_stream_it_lasts_as_long_as_that_and_thirty_seconds(claims: Claims, clock: FakeClock) -> None:
    claims.stream_opened(ANNA)
    claims.take(3, ANNA)
    assert claims.seconds_left(3) is None
    clock.advance(10 * ALONE)
    assert claims.holder(3) == ANNA
    assert claims.stream_closed(ANNA)
    clock.advance(AFTER_STREAM - 1)
    assert claims.holder(3) == ANNA
    clock.advance(1)
    assert claims.holder(3) is None


def test_a_client_that_comes_back_in_time_keeps_it(claims: Claims, clock: FakeClock) -> None:
    claims.take(3, ANNA)
    claims.stream_opened(ANNA)
    claims.stream_closed(ANNA)
    clock.advance(AFTER_STREAM - 1)
    claims.stream_opened(ANNA)
    clock.advance(10 * ALONE)
    assert claims.holder(3) == ANNA


def test_a_page_that_is_loaded_again_has_two_streams_for_a_moment(claims: Claims, clock: FakeClock) -> None:
    claims.stream_opened(ANNA)
    claims.take(3, ANNA)
    claims.stream_opened(ANNA)
    assert not claims.stream_closed(ANNA)
    clock.advance(10 * ALONE)
    assert claims.holder(3) == ANNA


def test_the_number_of_claims_of_a_client_is_bounded(claims: Claims) -> None:
    for image_id in range(100):
        claims.take(image_id, ANNA)
    with pytest.raises(TooMany, match="100 images"):
        claims.take(100, ANNA)
    assert claims.take(99, ANNA)
    assert claims.take(100, BEN)


# Over a restart


def again(path: Path, clock: FakeClock) -> Claims:
    claims = Claims(clock)
    claims.start(KeptClaims(path))
    return claims


@pytest.mark.parametrize("ending", [True, False])
def test_claims_go_on_after_a_restart_and_after_a_crash(tmp_path: Path, clock: FakeClock, *, ending: bool) -> None:
    path = tmp_path / "claims.jsonl"
    before = again(path, clock)
    for image_id, holder in ((1, ANNA), (2, BEN), (3, ANNA), (4, BEN)):
        before.take(image_id, holder)
    before.let_go(3, ANNA)
    if ending:
        before.end()
    clock.advance(3_600)
    after = again(path, clock)
    assert (after.of(ANNA), after.of(BEN), after.holder(3)) == ([1], [2, 4], None)
    assert not after.take(1, BEN)
    clock.advance(ALONE)
    assert after.take(1, BEN)


def test_nothing_is_claimed_of_a_server_that_has_ended(tmp_path: Path, clock: FakeClock) -> None:
    claims = again(tmp_path / "claims.jsonl", clock)
    claims.take(1, ANNA)
    claims.end()
    with pytest.raises(NotLoaded, match="ending"):
        claims.take(2, BEN)
    # What is let go of now is for whoever comes next to find out.
    claims.let_go(1, ANNA)
    assert again(tmp_path / "claims.jsonl", clock).of(ANNA) == [1]


def test_damaged_lines_of_claims_are_left_out(tmp_path: Path, clock: FakeClock) -> None:
    path = tmp_path / "claims.jsonl"
    again(path, clock).take(7, ANNA)
    damaged = [b"\xff\0", b"{}", b"[]", b'["x"]', b"[1, 2, 3, 4]", b'[2, "a", null]', b"null", b'[9, "address', b""]
    path.write_bytes(b"\n".join([*damaged[:4], path.read_bytes().strip(), *damaged[4:]]))
    assert again(path, clock).of(ANNA) == [7]
    # It is written anew, without them.
    assert len(path.read_bytes().splitlines()) == 1


def test_the_file_of_claims_stays_small(tmp_path: Path, clock: FakeClock) -> None:
    path = tmp_path / "claims.jsonl"
    claims = again(path, clock)
    claims.take(1, BEN)
    for _ in range(15_000):
        claims.take(2, ANNA)
        claims.let_go(2, ANNA)
    assert len(path.read_bytes().splitlines()) <= 20_001
    assert again(path, clock).of(BEN) == [1]


def test_claims_are_made_where_they_can_t_be_kept(tmp_path: Path, clock: FakeClock) -> None:
    claims = again(tmp_path / "nowhere" / "claims.jsonl", clock)
    assert claims.take(1, ANNA)
    assert claims.of(ANNA) == [1]


def test_without_users_an_address_is_who_it_is() -> None:
    assert holder_of(None, "10.0.0.1", "a") == Holder("address 10.0.0.1", None, "a")
    assert holder_of(None, "10.0.0.1", "a").who != holder_of("10.0.0.1", "", "a").who


# Whose turn it is


class Meanwhile:
    """A store in which something happens each time that somebody has looked at an image, before they do anything."""

    def __init__(self, store: MemoryStore, *actions: Callable[[], object]) -> None:
        self._store = store
        self._actions = list(actions)

    def get(self, section: SectionName, record_id: int) -> Found:
        found = self._store.get(section, record_id)
        if self._actions:
            self._actions.pop(0)()
        return found

    def __getattr__(self, name: str) -> Any:
        return getattr(self._store, name)


def set_done(store: MemoryStore, image_id: int) -> None:
    store.commit([Update("images", image_id, {"annotation_status": "done"})], actor="ben")


def test_an_image_that_is_finished_or_claimed_while_somebody_looks_for_one_is_not_given(
    manager: DatasetManager, clock: FakeClock, listener: Listener
) -> None:
    store = manager.store
    assert isinstance(store, MemoryStore)
    busy = Meanwhile(store, lambda: set_done(store, 1), lambda: team.claims.take(2, BEN))
    team = Team(lambda: cast(Store, busy), clock, listener)
    record = team.next_image(ANNA, "annotate", ImageQuery()).record
    assert record is not None
    assert record["id"] == 4
    assert (team.claims.of(ANNA), team.claims.of(BEN)) == ([4], [2])
