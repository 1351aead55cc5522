"""Roles, from the one that may do least: which a route asks for is said at the route, by `needs`."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, Literal, TypeVar, get_args

from cocoannot.errors import InvalidRecord

Role = Literal["viewer", "annotator", "reviewer", "admin"]
Needed = Role | Literal["anybody"]

ROLES: tuple[Role, ...] = get_args(Role)
ANYBODY: Literal["anybody"] = "anybody"
"""What a route needs that answers everybody, also those who are not logged in."""

_MARK = "role_needed"
_RANKS = {name: rank for rank, name in enumerate((ANYBODY, *ROLES))}

View = TypeVar("View", bound=Callable[..., Any])


def needs(role: Needed) -> Callable[[View], View]:
    """Say which role a caller of a view must have at least. It is looked at before anything of the request is read."""

    def mark(view: View) -> View:
        setattr(view, _MARK, role)
        return view

    return mark


def role_needed(view: object) -> Needed | None:
    """What `needs` has said of `view`, `None` where it was not used."""
    role: Needed | None = getattr(view, _MARK, None)
    return role


def allows(role: Role, needed: Needed) -> bool:
    """Whether somebody who has `role` may do what needs `needed`."""
    return _RANKS[role] >= _RANKS[needed]


def lower(one: Role, other: Role) -> Role:
    """The one of two roles that may do less."""
    return one if _RANKS[one] < _RANKS[other] else other


def role_of(text: str) -> Role:
    """The role that is called `text`. Raises `InvalidRecord`."""
    for role in ROLES:
        if text == role:
            return role
    raise InvalidRecord({"role": [f"must be one of {', '.join(ROLES)}"]})
