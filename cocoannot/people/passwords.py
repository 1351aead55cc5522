"""Passwords and their hashes: argon2id, with the second set of parameters of OWASP's "Password Storage Cheat Sheet"."""

from __future__ import annotations

import threading
import unicodedata
from collections.abc import Iterator
from contextlib import contextmanager
from functools import cached_property

from argon2 import PasswordHasher
from argon2.exceptions import InvalidHashError, VerificationError

from cocoannot.errors import InvalidRecord, TooManyLogins

MIN_PASSWORD = 8
MAX_PASSWORD = 1024
"""Characters."""

_AT_ONCE = 2
_WAITING = 4


class Passwords:
    """Makes and checks hashes, two at a time: each takes 19 MiB, and some 40 ms of a core."""

    def __init__(self) -> None:
        self._hasher = PasswordHasher(time_cost=2, memory_cost=19 * 1024, parallelism=1)
        self._hashing = threading.BoundedSemaphore(_AT_ONCE)
        # Others are sent away: a crowd that waits here would have all threads of the server.
        self._admitted = threading.BoundedSemaphore(_AT_ONCE + _WAITING)

    def hash(self, password: str) -> str:
        """What to keep of a password. Raises `InvalidRecord` where it is too short or too long, `TooManyLogins`."""
        text = _normalized(password)
        if not MIN_PASSWORD <= len(text) <= MAX_PASSWORD:
            raise InvalidRecord({"password": [f"must have {MIN_PASSWORD} to {MAX_PASSWORD} characters"]})
        with self._admit():
            return self._hasher.hash(text.encode("utf-8", "replace"))

    def matches(self, known: str | None, password: str) -> bool:
        """Whether `known` is the hash of `password`; the answer takes as long where it is `None`, and then is no.

        Raises `TooManyLogins`.
        """
        with self._admit():
            nobody = self._nobody
            try:
                self._hasher.verify(known or nobody, _normalized(password).encode("utf-8", "replace"))
            except (VerificationError, InvalidHashError):
                return False
        return known is not None

    @contextmanager
    def _admit(self) -> Iterator[None]:
        if not self._admitted.acquire(blocking=False):
            raise TooManyLogins("many people log in at this moment; try again in a second", 1)
        try:
            with self._hashing:
                yield
        finally:
            self._admitted.release()

    @cached_property
    def _nobody(self) -> str:
        return self._hasher.hash("the password of nobody")


def _normalized(password: str) -> str:
    """So that the same letters are the same, whatever keyboard and system they come from."""
    return unicodedata.normalize("NFKC", password)
