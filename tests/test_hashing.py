"""The hash of what is written: right whoever computes it, and no thread is left."""

from __future__ import annotations

import hashlib
import threading

import pytest

from cocoannot.files.hashing import Block, Hashing

MEGABYTE = bytes(range(256)) * 4096
LONG: list[Block] = [b"head", *[memoryview(MEGABYTE)[number:] for number in range(20)], b"", b"tail"]


def expected(blocks: list[Block]) -> tuple[int, str]:
    data = b"".join(blocks)
    return len(data), hashlib.sha256(data).hexdigest()


def hash_of(blocks: list[Block]) -> tuple[int, str]:
    with Hashing() as hashing:
        for block in blocks:
            hashing.update(block)
        return hashing.size, hashing.hexdigest()


def threads() -> list[str]:
    return [thread.name for thread in threading.enumerate() if thread.name == "hashing"]


@pytest.mark.parametrize("blocks", [[], [b""], [b"a", memoryview(b"abc")[1:]], [MEGABYTE * 30], LONG])
def test_size_and_hash_are_those_of_all_blocks_in_order(blocks: list[Block]) -> None:
    assert hash_of(blocks) == expected(blocks)
    assert not threads()


def test_a_long_one_has_a_thread_until_the_end_also_of_one_that_fails() -> None:
    def fail() -> None:
        with Hashing() as hashing:
            for block in LONG:
                hashing.update(block)
            assert threads()
            raise OSError

    with pytest.raises(OSError):  # noqa: PT011
        fail()
    assert not threads()


def test_where_no_thread_is_to_be_had_the_hash_is_the_same(monkeypatch: pytest.MonkeyPatch) -> None:
    def refuse(_: threading.Thread) -> None:
        raise RuntimeError("can't create new thread at interpreter shutdown")

    monkeypatch.setattr(threading.Thread, "start", refuse)
    assert hash_of(LONG) == expected(LONG)
