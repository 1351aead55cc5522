"""Who a caller is: by a personal token, a session, or what a trusted proxy says. It is looked up anew for each request.

A command on this machine that can read the file of users proves that by a text of its own, `local:TIME:MAC`.
"""

from __future__ import annotations

import logging
import threading
from datetime import UTC, datetime
from typing import Literal, NamedTuple

from cocoannot.clock import Clock
from cocoannot.errors import CocoannotError, NotAllowed
from cocoannot.people.accounts import PREFIX
from cocoannot.people.directory import Token, User, fold, problem_of_name
from cocoannot.people.roles import Role, lower
from cocoannot.people.sessions import read_session
from cocoannot.people.users_file import Known, UsersFile, sha256

_OPERATOR = "operator"
_OPERATOR_SECONDS = 60
_NOTE_USE_EVERY = 600
"""Seconds: a token's last use is written down no more often."""

log = logging.getLogger(__name__)


class Caller(NamedTuple):
    """Who calls, what they may do, and how that is known."""

    user: str
    role: Role
    by: Literal["password", "token", "proxy", "none"]


class Callers:
    """The callers whom `file` knows. Every method raises `UsersUnreadable`.

    A session is good for `session_seconds`. `proxy_role` is that of people whom a proxy names and the file does not.
    """

    def __init__(self, file: UsersFile, session_seconds: float, proxy_role: Role, clock: Clock) -> None:
        self._file = file
        self._session_seconds = session_seconds
        self._proxy_role = proxy_role
        self._clock = clock
        # When the use of a token was to be written down, by its id, until it was; the lock guards it.
        self._noted: dict[str, float] = {}
        self._noting = threading.Lock()

    def by_token(self, text: str) -> Caller | None:
        """Who has this personal token, or is an operator of this machine; `None` for nobody."""
        known = self._file.current()
        if known is None:
            return None
        if not text.startswith(PREFIX):
            return self._operator(known, text)
        name, token = known.tokens.get(sha256(text), ("", None))
        if token is None:
            return None
        caller = self._with_token(name, known.directory.users[name], token)
        if caller is not None:
            self._note_use(name, token)
        return caller

    def by_session(self, text: str) -> Caller | None:
        """Whose session this is, `None` where it is none, or is no longer good."""
        known = self._file.current()
        session = read_session(known, text) if known else None
        if known is None or session is None or self._clock.time() >= session.begun + self._session_seconds:
            return None
        user = known.directory.users.get(session.name)
        if user is None or user.disabled or not session.is_of(user):
            return None
        if not session.token_id:
            return Caller(session.name, user.role, "password")
        token = next((token for token in user.tokens if token.id == session.token_id), None)
        return None if token is None else self._with_token(session.name, user, token)

    def by_proxy(self, name: str) -> Caller:
        """Who it is that a proxy names. Raises `NotAllowed` where they may not call at all."""
        name = fold(name)
        if problem := problem_of_name(name):
            raise NotAllowed(f"The proxy names a user who can't be one: the name {problem}")
        known = self._file.current()
        user = known.directory.users.get(name) if known else None
        if user is not None and user.disabled:
            raise NotAllowed(f"The user {name} is disabled; ask an admin")
        return Caller(name, user.role if user else self._proxy_role, "proxy")

    def operator_proof(self) -> str | None:
        """What shows the server that this process may read the file of users; `None` where there is none."""
        known = self._file.current()
        return known.signer.sign(_OPERATOR, "local", int(self._clock.time())) if known else None

    def _operator(self, known: Known, text: str) -> Caller | None:
        fields = known.signer.fields(_OPERATOR, text)
        if fields is None or abs(self._clock.time() - int(fields[1])) > _OPERATOR_SECONDS:
            return None
        return Caller(fields[0], "admin", "token")

    def _with_token(self, name: str, user: User, token: Token) -> Caller | None:
        expired = token.expires is not None and self._clock.time() >= token.expires.timestamp()
        if user.disabled or expired:
            return None
        return Caller(name, user.role if token.role is None else lower(user.role, token.role), "token")

    def _note_use(self, name: str, token: Token) -> None:
        now = self._clock.time()
        with self._noting:
            written = token.used.timestamp() if token.used else 0.0
            if now - max(written, self._noted.get(token.id, 0.0)) < _NOTE_USE_EVERY:
                return
            self._noted[token.id] = now
        used = datetime.fromtimestamp(int(now), UTC)
        try:
            self._file.change(lambda directory: directory.use_token(name, token.id, used), wait=0)
        except CocoannotError as exc:
            # The request is none the worse for it.
            log.debug("the last use of a token was not written down: %s", exc)
            return
        with self._noting:
            self._noted.pop(token.id, None)
