"""Who is at work: a user, or an address where there are no users, with one of their clients (a tab, a script)."""

from __future__ import annotations

from typing import NamedTuple


class Holder(NamedTuple):
    """One client. `user` is `None` where there are no users; `client` is the name that it gives itself, "" for none."""

    who: str
    user: str | None
    client: str


def holder_of(user: str | None, address: str, client: str) -> Holder:
    """The client `client` of a user, or of an address where there are no users."""
    return Holder(f"address {address}" if user is None else f"user {user}", user, client)
