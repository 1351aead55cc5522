"""Who is at work: a user, or an address where there are no users, with one of their clients (a tab, a script)."""

from __future__ import annotations

from typing import NamedTuple

SHARED = "token"
"""The actor of whoever has the one token of a server (COCOANNOT_TOKEN)."""


class Holder(NamedTuple):
    """One client. `user` is `None` where there are no users; `client` is the name that it gives itself, "" for none."""

    who: str
    user: str | None
    client: str


def person(actor: str | None) -> str | None:
    """The user behind what a change calls its actor; `None` where that may be anybody."""
    return None if actor == SHARED else actor


def holder_of(actor: str | None, address: str, client: str) -> Holder:
    """The client `client` of a user, or of an address where there are no users, or all have the same token."""
    user = person(actor)
    return Holder(f"address {address}" if user is None else f"user {user}", user, client)
