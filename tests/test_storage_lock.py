"""One owner of a dataset: waiting for the lock, being refused, and its end with the process that held it."""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Protocol

import pytest

import cocoannot
from cocoannot.errors import OwnedElsewhere
from cocoannot.files.lock import Owner, OwnerLock, describe, find_owner, read_owner


class Take(Protocol):
    """Takes the lock for an owner."""

    def __call__(
        self, owner: Owner, timeout: float = ..., wait: Callable[[float], object] | None = ...
    ) -> OwnerLock: ...


FIRST = Owner(4711, "http://127.0.0.1:8000", "/data/dataset.json")
SECOND = Owner(4712, "http://127.0.0.1:8001", "/data/dataset.json")

_HOLDER = """
import sys
from pathlib import Path
from cocoannot.files.lock import Owner, OwnerLock
OwnerLock(Path(sys.argv[1])).acquire(Owner(4711, "", "/data/dataset.json"), 0, lambda seconds: None)
print("held", flush=True)
sys.stdin.read()
"""


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "dataset.json.cocoannot" / "lock"


@pytest.fixture
def take(path: Path) -> Iterator[Take]:
    """Takes the lock for an owner, and lets go of all that were taken at the end of the test."""
    taken = []

    def take(owner: Owner, timeout: float = 0.0, wait: Callable[[float], object] | None = None) -> OwnerLock:
        lock = OwnerLock(path)
        lock.acquire(owner, timeout, wait or never)
        taken.append(lock)
        return lock

    yield take
    for lock in taken:
        lock.release()


@pytest.fixture
def holder(path: Path) -> Iterator[subprocess.Popen[str]]:
    """A process that holds the lock until it ends."""
    environment = {**os.environ, "PYTHONPATH": str(Path(cocoannot.__file__).parent.parent)}
    command = [sys.executable, "-c", _HOLDER, str(path)]
    with subprocess.Popen(
        command, env=environment, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
    ) as process:
        assert process.stdout is not None
        assert process.stdout.readline() == "held\n"
        yield process
        process.kill()


def never(seconds: float) -> None:
    raise AssertionError("nothing to wait for")


def test_the_first_owner_gets_the_lock_without_waiting(path: Path, take: Take) -> None:
    assert take(FIRST).held
    assert find_owner(path) == read_owner(path) == FIRST


def test_a_second_owner_is_refused_and_told_who_the_first_is(path: Path, take: Take) -> None:
    take(FIRST)
    with pytest.raises(
        OwnedElsewhere, match=r"^/data/dataset\.json is in use by process 4711 at http://127\.0\.0\.1:80"
    ):
        take(SECOND)
    assert find_owner(path) == FIRST


def test_a_second_owner_waits_as_long_as_it_was_told_to(take: Take) -> None:
    waits: list[float] = []
    take(FIRST)
    with pytest.raises(OwnedElsewhere):
        take(SECOND, 2.0, waits.append)
    assert 2.0 <= sum(waits) < 2.5
    assert max(waits) <= 0.2


def test_a_second_owner_gets_the_lock_while_it_waits_for_it(path: Path, take: Take) -> None:
    first = take(FIRST)
    waits: list[float] = []

    def wait(seconds: float) -> None:
        waits.append(seconds)
        if len(waits) == 3:
            first.release()

    assert take(SECOND, 10.0, wait).held
    assert len(waits) == 3
    assert find_owner(path) == SECOND


def test_a_shorter_text_leaves_nothing_of_a_longer_one(path: Path, take: Take) -> None:
    take(FIRST).release()
    take(Owner(1, "", "d"))
    assert read_owner(path) == Owner(1, "", "d")


def test_releasing_lets_the_next_one_in_and_may_be_done_twice(path: Path, take: Take) -> None:
    first = take(FIRST)
    first.release()
    first.release()
    assert not first.held
    assert find_owner(path) is None
    assert take(SECOND).held


def test_a_release_by_the_one_that_was_refused_changes_nothing(path: Path, take: Take) -> None:
    take(FIRST)
    second = OwnerLock(path)
    with pytest.raises(OwnedElsewhere):
        second.acquire(SECOND, 0, never)
    second.release()
    assert find_owner(path) == FIRST


def test_another_process_holds_the_lock_until_it_is_killed(
    path: Path, holder: subprocess.Popen[str], take: Take
) -> None:
    assert find_owner(path) == Owner(4711, "", "/data/dataset.json")
    with pytest.raises(OwnedElsewhere, match="is in use by process 4711; stop it first"):
        take(SECOND)
    holder.kill()
    holder.wait(10)
    assert find_owner(path) is None
    owner = read_owner(path)
    assert owner is not None
    assert owner.pid == 4711
    assert take(SECOND).held


def test_a_program_that_was_started_meanwhile_does_not_keep_the_lock(take: Take) -> None:
    first = take(FIRST)
    with subprocess.Popen(["cat"], stdin=subprocess.PIPE, close_fds=False) as program:
        first.release()
        assert take(SECOND).held
        assert program.stdin is not None
        program.stdin.close()


def test_nobody_owns_what_has_no_lock_file(path: Path) -> None:
    assert find_owner(path) is None
    assert read_owner(path) is None


def test_looking_for_the_owner_makes_no_file_and_takes_no_lock(path: Path, take: Take) -> None:
    find_owner(path)
    assert not path.parent.exists()
    take(FIRST).release()
    find_owner(path)
    assert take(SECOND).held


@pytest.mark.parametrize("text", [b"", b'{"pid": 47', b'{"pid": "x"}'])
def test_a_lock_file_that_does_not_say_who_holds_it_still_counts_as_held(path: Path, take: Take, text: bytes) -> None:
    take(FIRST)
    path.write_bytes(text)
    assert read_owner(path) is None
    assert describe(find_owner(path)) == "another process"
    with pytest.raises(OwnedElsewhere, match="in use by another process"):
        take(SECOND)
