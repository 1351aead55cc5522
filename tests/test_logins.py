"""Logging in: what is right, what slows down, and what a crowd can't do."""

from __future__ import annotations

import threading
import time
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import pytest
from api_client import Serve, Server, as_json
from conftest import FakeClock

from cocoannot.errors import InvalidRecord, LoginFailed, TooManyLogins, UsersUnreadable
from cocoannot.extension import runtime
from cocoannot.people.logins import Logins
from cocoannot.people.passwords import Passwords
from cocoannot.people.people import People
from cocoannot.people.throttle import Throttle

PASSWORD = "correct horse battery"
ELSEWHERE: dict[str, Any] = {"environ_overrides": {"REMOTE_ADDR": "203.0.113.9"}}


@pytest.fixture(scope="module")
def users(tmp_path_factory: pytest.TempPathFactory) -> bytes:
    """A file of users, made once: to hash a password takes long, as it is to."""
    path = tmp_path_factory.mktemp("users") / "users.json"
    people = People(path, clock=FakeClock())
    people.accounts.add("anna", "annotator", PASSWORD, first=True)
    people.accounts.add("ben", "admin", PASSWORD)
    people.accounts.add("cleo", "viewer")
    return path.read_bytes()


@pytest.fixture
def people(users: bytes, tmp_path: Path, clock: FakeClock) -> People:
    """Anna and Ben with a password, Cleo without one, and a clock that stands still."""
    path = tmp_path / "users.json"
    path.write_bytes(users)
    path.chmod(0o600)
    return People(path, clock=clock)


@pytest.fixture
def server(api: Server, people: People) -> Server:
    """The small dataset, for these people."""
    runtime(api.app).people = people
    return api


def log_in(server: Server, user: str = "anna", password: str = PASSWORD, **options: Any) -> int:
    server.forget_cookies()
    return server.post("/api/login", {"user": user, "password": password}, **options).status_code


# What is right


@pytest.mark.parametrize("user", ["anna", "ANNA", " Anna "])
def test_name_is_compared_without_case(server: Server, user: str) -> None:
    assert log_in(server, user) == 204
    assert server.get("/api/me").json == {"user": "anna", "role": "annotator", "by": "password"}


def test_password_is_the_same_in_every_unicode_form(people: People) -> None:
    people.accounts.change("anna", password="pa\u0308ssword")
    assert people.logins.by_password("anna", "p\u00e4ssword", "")


@pytest.mark.parametrize(
    ("user", "password"),
    [
        ("anna", PASSWORD + " "),
        ("anna", PASSWORD.upper()),
        ("anna", "x"),
        ("anna", "\0"),
        ("cleo", PASSWORD),
        ("nobody", PASSWORD),
        ("token", PASSWORD),
        ("anna:ben", PASSWORD),
    ],
)
def test_whatever_is_wrong_has_one_answer(server: Server, user: str, password: str) -> None:
    answer = server.post("/api/login", {"user": user, "password": password})
    assert answer.status_code == 401
    assert answer.json["message"] == "The user or the password is wrong"
    assert "Set-Cookie" not in answer.headers


def test_disabled_user_is_told_nothing_else(server: Server, people: People) -> None:
    people.accounts.change("anna", active=False)
    answer = server.post("/api/login", {"user": "anna", "password": PASSWORD})
    assert answer.json["message"] == "The user or the password is wrong"


@pytest.mark.parametrize(
    "body",
    [
        {},
        {"user": "anna"},
        {"password": PASSWORD},
        {"user": "anna", "password": PASSWORD, "token": "x"},
        {"user": "anna", "token": "x"},
        {"user": "", "password": PASSWORD},
        {"user": "a" * 65, "password": PASSWORD},
        {"user": "anna", "password": "x" * 1025},
        {"user": "anna", "password": 12345678},
        {"user": None, "password": None},
    ],
)
def test_body_that_is_no_login_is_a_422(server: Server, body: dict[str, Any]) -> None:
    assert server.post("/api/login", body).status_code == 422


def test_half_of_a_surrogate_pair_is_a_400(server: Server) -> None:
    text = b'{"user": "anna", "password": "\\ud800aaaaaaa"}'
    assert server.post("/api/login", **as_json(text)).status_code == 400


def test_password_that_is_changed_during_a_login_lets_nobody_in_by_the_old_one(
    people: People, clock: FakeClock
) -> None:
    class ChangedMeanwhile(Passwords):
        """While the hash is computed, somebody else sets another password."""

        def matches(self, known: str | None, password: str) -> bool:
            people.accounts.change("anna", password="another password")
            return super().matches(known, password)

    logins = Logins(people.file, ChangedMeanwhile(), people.callers, clock)
    session = logins.by_password("anna", PASSWORD, "")
    assert people.callers.by_session(session) is None


def test_unknown_user_costs_as_much_as_a_wrong_password(people: People) -> None:
    def cost(user: str) -> float:
        begun = time.thread_time()
        with pytest.raises(LoginFailed):
            people.logins.by_password(user, "wrong password", "")
        people.logins.names.forget(user)
        people.logins.addresses.forget("")
        return time.thread_time() - begun

    # Of this thread's processor alone; without the hash it would be a hundredth.
    cost("anna")
    known = min(cost("anna") for _ in range(3))
    for user in ("nobody", "cleo", "token"):
        assert cost(user) > known / 2


# What slows down


def test_sixth_attempt_has_to_wait_and_each_further_one_twice_as_long(server: Server, clock: FakeClock) -> None:
    for _ in range(5):
        assert log_in(server, password="wrong") == 401
    for wait in (1, 2, 4, 8, 16, 32, 64, 128, 256, 512, 900, 900):
        answer = server.post("/api/login", {"user": "anna", "password": PASSWORD})
        assert answer.status_code == 429
        assert answer.headers["Retry-After"] == str(wait)
        assert f"try again in {wait} s" in answer.json["message"]
        clock.advance(wait - 0.1)
        assert log_in(server, password="wrong") == 429
        clock.advance(0.1)
        assert log_in(server, password="wrong") == 401


def test_attempt_that_has_to_wait_does_not_count(server: Server, clock: FakeClock) -> None:
    for _ in range(5):
        log_in(server, password="wrong")
    for _ in range(20):
        assert log_in(server, password="wrong") == 429
    clock.advance(1)
    assert log_in(server) == 204


def test_name_slows_down_from_everywhere_and_an_address_for_every_name(server: Server, clock: FakeClock) -> None:
    for _ in range(5):
        log_in(server, "anna", "wrong")
    assert log_in(server, "anna", **ELSEWHERE) == 429
    assert log_in(server, "ben") == 429
    assert log_in(server, "ben", **ELSEWHERE) == 204


def test_name_that_nobody_has_slows_down_alike(server: Server) -> None:
    for _ in range(5):
        assert log_in(server, "nobody", "wrong") == 401
    assert log_in(server, "nobody", "wrong", **ELSEWHERE) == 429


def test_login_forgets_the_failures_of_a_name_and_not_those_of_an_address(server: Server, clock: FakeClock) -> None:
    for number in range(4):
        log_in(server, f"nobody{number}", "wrong")
    # Somebody with an account must not get guesses at others' by logging in between.
    assert log_in(server, "anna") == 204
    assert log_in(server, "ben", "wrong") == 401
    assert log_in(server, "cleo", "wrong") == 429
    clock.advance(1)
    assert log_in(server, "ben") == 204
    assert len(runtime(server.app).people.logins.names) == 4


def test_many_logins_that_work_never_slow_down(server: Server) -> None:
    assert [log_in(server) for _ in range(8)] == [204] * 8


def test_whoever_is_logged_in_is_never_locked_out(server: Server, people: People) -> None:
    token = people.accounts.new_token("anna", "test")[1]
    assert log_in(server) == 204
    for _ in range(8):
        server.post("/api/login", {"user": "anna", "password": "wrong"})
    assert server.post("/api/login", {"user": "anna", "password": PASSWORD}).status_code == 429
    assert server.get("/api/me").status_code == 200
    server.forget_cookies()
    assert server.get("/api/me", headers={"Authorization": f"Bearer {token}"}).status_code == 200


def test_wrong_tokens_slow_an_address_down(server: Server) -> None:
    for _ in range(5):
        assert server.post("/api/login", {"token": "coa_wrong"}).status_code == 401
    assert server.post("/api/login", {"token": "coa_wrong"}).status_code == 429


def test_wrong_token_of_the_server_slows_down_too(serve: Serve, small: dict[str, Any]) -> None:
    server = serve(small, COCOANNOT_TOKEN="token-of-this-test")
    for _ in range(5):
        assert server.post("/api/login", {"token": "wrong"}).status_code == 401
    assert server.post("/api/login", {"token": "wrong"}).status_code == 429
    assert server.post("/api/login", {"token": "token-of-this-test"}).status_code == 204


def test_failures_are_forgotten_after_an_hour(server: Server, clock: FakeClock) -> None:
    for _ in range(5):
        log_in(server, password="wrong")
    clock.advance(3601)
    assert [log_in(server, password="wrong") for _ in range(5)] == [401] * 5
    assert log_in(server) == 429


@pytest.mark.parametrize(
    ("one", "other", "is_same"),
    [
        ("2001:db8:1:2::1", "2001:db8:1:2:ffff::9", True),
        ("2001:db8:1:2::1", "2001:db8:1:3::1", False),
        ("::ffff:203.0.113.9", "203.0.113.9", True),
        ("203.0.113.9", "203.0.113.10", False),
        ("", "", True),
        ("unknown", "203.0.113.9", False),
    ],
)
def test_address_is_that_of_one_customer(server: Server, one: str, other: str, is_same: bool) -> None:
    for number in range(5):
        log_in(server, f"nobody{number}", "wrong", environ_overrides={"REMOTE_ADDR": one})
    status = log_in(server, "anna", environ_overrides={"REMOTE_ADDR": other})
    assert status == (429 if is_same else 204)


def test_failures_of_very_many_take_bounded_memory(clock: FakeClock) -> None:
    throttle = Throttle(clock)
    for number in range(10_100):
        throttle.begin(f"{number}")
    assert len(throttle) == 10_000
    for _ in range(4):
        throttle.begin("10099")
    with pytest.raises(TooManyLogins):
        throttle.begin("10099")


def test_attempts_at_the_same_time_are_counted_before_their_answer(clock: FakeClock) -> None:
    throttle = Throttle(clock)
    barrier = threading.Barrier(16)

    def attempt() -> bool:
        barrier.wait(20)
        try:
            throttle.begin("anna")
        except TooManyLogins:
            return False
        return True

    with ThreadPoolExecutor(16) as pool:
        begun = [pool.submit(attempt) for _ in range(16)]
        assert sum(each.result() for each in begun) == 5


# What a crowd can't do


def test_crowd_that_logs_in_is_sent_away_and_does_not_wait() -> None:
    passwords = Passwords()
    known = passwords.hash(PASSWORD)
    barrier = threading.Barrier(12)

    def attempt() -> bool | None:
        barrier.wait(20)
        try:
            return passwords.matches(known, PASSWORD)
        except TooManyLogins:
            return None

    with ThreadPoolExecutor(12) as pool:
        results = [each.result() for each in [pool.submit(attempt) for _ in range(12)]]
    assert False not in results
    assert results.count(True) >= 6
    assert passwords.matches(known, PASSWORD)


def test_attempt_that_came_to_no_answer_is_no_failure(server: Server, people: People) -> None:
    path = people.file.path
    assert path is not None
    good = path.read_text()
    path.write_text("")
    for _ in range(6):
        with pytest.raises(UsersUnreadable):
            people.logins.by_password("anna", PASSWORD, "203.0.113.9")
    assert len(people.logins.names) == len(people.logins.addresses) == 0
    path.write_text(good)
    assert people.logins.by_password("anna", PASSWORD, "203.0.113.9")


def test_attempt_that_was_sent_away_is_no_failure(people: People) -> None:
    barrier = threading.Barrier(12)

    def attempt(number: int) -> bool:
        barrier.wait(20)
        try:
            people.logins.by_password("anna", PASSWORD, f"203.0.113.{number}")
        except TooManyLogins:
            return False
        return True

    with ThreadPoolExecutor(12) as pool:
        outcomes = list(pool.map(attempt, range(12)))
    assert any(outcomes)
    assert len(people.logins.names) == 0
    assert len(people.logins.addresses) == 0


def test_link_that_is_wrong_costs_no_hash(people: People) -> None:
    begun = time.thread_time()
    for _ in range(100):
        with pytest.raises(LoginFailed):
            people.accounts.use_link("anna:1:1:" + "0" * 64, PASSWORD)
    # A hundred hashes would take seconds of this thread.
    assert time.thread_time() - begun < 1


def test_of_two_who_use_one_link_at_once_one_comes_first(people: People) -> None:
    link = people.accounts.new_link("cleo")
    barrier = threading.Barrier(4)

    def use(number: int) -> str | None:
        barrier.wait(20)
        try:
            people.accounts.use_link(link, f"password {number}")
        except LoginFailed:
            return None
        return f"password {number}"

    with ThreadPoolExecutor(4) as pool:
        used = [each.result() for each in [pool.submit(use, number) for number in range(4)]]
    (password,) = filter(None, used)
    assert people.logins.by_password("cleo", password, "")


@pytest.mark.parametrize("password", ["", "seven77", "x" * 1025])
def test_password_of_another_length_is_refused_without_showing_it(people: People, password: str) -> None:
    with pytest.raises(InvalidRecord) as error:
        people.accounts.change("anna", password=password)
    assert not password or password not in str(error.value)
