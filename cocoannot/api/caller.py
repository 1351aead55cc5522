"""Who calls, for what is counted and kept for each of them."""

from __future__ import annotations

from flask import g, request

from cocoannot.teamwork.holder import Holder, holder_of


def actor() -> str | None:
    """Who calls; `None` where that is not known."""
    name: str | None = g.get("actor")
    return name


def all_of(user: str) -> str:
    """What all clients of `user` have in common, as presence and streams know them."""
    return holder_of(user, "", "").who


def holder(client: str = "") -> Holder:
    """The client `client` of the user who calls, or of their address where nobody knows who that is."""
    return holder_of(actor(), request.remote_addr or "", client)
