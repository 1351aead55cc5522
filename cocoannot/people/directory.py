"""Who there is: users and their tokens, as values. Where they are kept, and who asks, is not known here.

    {"format": 1, "secret": "64 hex digits", "users": {"anna": {
        "role": "annotator", "password": "$argon2id$..." or null, "generation": 3, "created": "...", "disabled": false,
        "tokens": [...], "ended": [...]}}}

`secret` signs sessions and links. A session, and a link, is of one `generation` of its user: a new generation ends all
of them. `ended` has the sessions of this generation that were ended before their time.
"""

from __future__ import annotations

import re
import secrets
from datetime import datetime
from typing import Annotated, Any

import msgspec

from cocoannot.errors import Conflict, InvalidRecord, UnknownUser
from cocoannot.people.roles import Role

MAX_USERS = 10_000
MAX_TOKENS = 100
"""Of one user."""
MAX_NAME = 64
NAME_RULE = f"must be 1 to {MAX_NAME} letters a to z, digits and . _ @ + -, and begin with a letter or a digit"
MAX_LABEL = 100
RESERVED = frozenset(["local", "token"])
"""Whom changes name that no user made: somebody on this machine, and somebody who has COCOANNOT_TOKEN."""

_MAX_ENDED = 100
_NAME = re.compile(r"[a-z0-9][a-z0-9._@+-]{0,63}")
_SECRET = re.compile(r"[0-9a-f]{64}")

Moment = Annotated[datetime, msgspec.Meta(tz=True)]


class Token(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """A personal token: `sha256` of its text in hexadecimal, `role` the most that it allows (`None`: as its user)."""

    id: str
    name: str
    sha256: str
    created: Moment
    role: Role | None = None
    expires: Moment | None = None
    used: Moment | None = None


class User(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """A user; `password` is an argon2id hash, `None` for somebody who can't log in by one."""

    role: Role
    generation: int
    created: Moment
    password: str | None = None
    disabled: bool = False
    tokens: tuple[Token, ...] = ()
    ended: tuple[str, ...] = ()


class Directory(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """All users. Each change gives a new directory, and leaves this one as it was."""

    format: int
    secret: str
    users: dict[str, User]

    @classmethod
    def empty(cls) -> Directory:
        return cls(FORMAT, secrets.token_hex(32), {})

    def problem(self) -> str | None:
        """What is wrong with a directory that was read from a file, `None` for nothing."""
        if not _SECRET.fullmatch(self.secret):
            return "its secret must be 64 hexadecimal digits"
        wrong = next((name for name in self.users if not _NAME.fullmatch(name) or name in RESERVED), None)
        return None if wrong is None else f"{wrong!r} is not allowed as the name of a user"

    def user(self, name: str) -> User:
        """The user of that name. Raises `UnknownUser`."""
        if name not in self.users:
            raise UnknownUser(f"there is no user {name!r}")
        return self.users[name]

    def add(self, name: str, role: Role, now: datetime) -> Directory:
        """With a new user, who has no password yet. Raises `InvalidRecord`, `Conflict`."""
        if problem := problem_of_name(name):
            raise InvalidRecord({"name": [problem]})
        if name in self.users:
            raise Conflict(f"there is a user {name!r} already")
        if len(self.users) >= MAX_USERS:
            raise Conflict(f"there are {MAX_USERS:,} users, and can't be more; delete some first")
        # Not from 1: a session of somebody who had this name before must not be one of the new user.
        return self._with(name, User(role, secrets.randbits(40), now))

    def change(self, name: str, **fields: Any) -> Directory:
        """With other `fields` of a user. Raises `UnknownUser`."""
        return self._with(name, msgspec.structs.replace(self.user(name), **fields))

    def remove(self, name: str) -> Directory:
        """Without a user. Raises `UnknownUser`."""
        self.user(name)
        return msgspec.structs.replace(self, users={key: user for key, user in self.users.items() if key != name})

    def end_sessions(self, name: str, **fields: Any) -> Directory:
        """With no session and no link of a user that is still good, and other `fields`. Raises `UnknownUser`."""
        return self.change(name, generation=self.user(name).generation + 1, ended=(), **fields)

    def end_session(self, name: str, session_id: str) -> Directory:
        """With one session ended; after very many, all that the user has. Raises `UnknownUser`."""
        ended = self.user(name).ended
        if len(ended) >= _MAX_ENDED:
            return self.end_sessions(name)
        return self.change(name, ended=(*ended, session_id))

    def add_token(self, name: str, token: Token) -> Directory:
        """With a further token of a user. Raises `UnknownUser`, `Conflict`."""
        tokens = self.user(name).tokens
        if len(tokens) >= MAX_TOKENS:
            raise Conflict(f"{name} has {MAX_TOKENS} tokens, and can't have more; delete some first")
        return self.change(name, tokens=(*tokens, token))

    def remove_token(self, name: str, token_id: str) -> Directory:
        """Without a token of a user. Raises `UnknownUser` where there is neither."""
        tokens = self.user(name).tokens
        if token_id not in [token.id for token in tokens]:
            raise UnknownUser(f"{name} has no token with this id")
        return self.change(name, tokens=tuple(token for token in tokens if token.id != token_id))

    def use_token(self, name: str, token_id: str, now: datetime) -> Directory:
        """With the moment at which a token was used last, where it is still there."""
        user = self.users.get(name)
        if user is None:
            return self
        used = (msgspec.structs.replace(each, used=now) if each.id == token_id else each for each in user.tokens)
        return self.change(name, tokens=tuple(used))

    def keeps_an_admin(self, before: Directory) -> bool:
        """Whether there is an admin who may log in, where there was one `before`."""
        return self._has_admin() or not before._has_admin()

    def _has_admin(self) -> bool:
        return any(user.role == "admin" and not user.disabled for user in self.users.values())

    def _with(self, name: str, user: User) -> Directory:
        return msgspec.structs.replace(self, users={**self.users, name: user})


FORMAT = 1


def fold(name: str) -> str:
    """`name` as it is kept and compared: in lower case, without spaces around it."""
    return name.strip().lower()


def problem_of_name(name: str) -> str | None:
    """Why no user can have the name `name`, folded; `None` where one can."""
    if name in RESERVED:
        return f"{name!r} is reserved"
    if not _NAME.fullmatch(name):
        return NAME_RULE
    return None
