"""Sessions: texts that are signed here, and that browsers keep as a cookie. Nothing is stored of one until it is ended.

NAME:GENERATION:BEGUN:ID:TOKEN:MAC      TOKEN is the id of the token that it was begun with, or empty
"""

from __future__ import annotations

import secrets
from typing import NamedTuple

from cocoannot.people.directory import User
from cocoannot.people.users_file import Known

_PURPOSE = "session"


class Session(NamedTuple):
    """A session that was signed here; `begun` is in seconds since 1970."""

    name: str
    generation: int
    begun: int
    id: str
    token_id: str

    def is_of(self, user: User) -> bool:
        """Whether it is one of this user's that nobody has ended."""
        return user.generation == self.generation and self.id not in user.ended


def begin_session(known: Known, name: str, user: User, now: float, token_id: str = "") -> str:
    """A new session of `user` as they are in `known`: one whose password changes meanwhile gets one that is over."""
    return known.signer.sign(_PURPOSE, name, user.generation, int(now), secrets.token_hex(6), token_id)


def read_session(known: Known, text: str) -> Session | None:
    """The session that `text` is, ended or not; `None` where it was not signed here."""
    fields = known.signer.fields(_PURPOSE, text)
    if fields is None:
        return None
    name, generation, begun, session_id, token_id = fields
    return Session(name, int(generation), int(begun), session_id, token_id)
