"""Logging in and out: attempts that fail slow down, and what is ended is ended here, not only in the browser."""

from __future__ import annotations

import ipaddress
from collections.abc import Iterator
from contextlib import AbstractContextManager, contextmanager, suppress

from cocoannot.clock import Clock
from cocoannot.errors import LoginFailed, TooManyLogins, UnknownUser
from cocoannot.people.callers import Callers
from cocoannot.people.directory import fold
from cocoannot.people.passwords import Passwords
from cocoannot.people.sessions import begin_session, read_session
from cocoannot.people.throttle import Throttle
from cocoannot.people.users_file import UsersFile, sha256

_IPV6_NETWORK = 64
"""Bits that one customer has: whoever has one address there has all of them."""


class Logins:
    """Logs people in and out who are in `file`. Whoever is logged in is never slowed down."""

    def __init__(self, file: UsersFile, passwords: Passwords, callers: Callers, clock: Clock) -> None:
        self._file = file
        self._passwords = passwords
        self._callers = callers
        self._clock = clock
        self.names = Throttle(clock)
        self.addresses = Throttle(clock)

    def by_password(self, name: str, password: str, address: str) -> str:
        """A new session. Raises `LoginFailed`, `TooManyLogins`, `UsersUnreadable`."""
        name = fold(name)
        with self._attempt(address, name):
            known = self._file.current()
            user = known.directory.users.get(name) if known else None
            hashed = None if user is None or user.disabled else user.password
            if not self._passwords.matches(hashed, password) or known is None or user is None:
                raise LoginFailed("The user or the password is wrong")
        self.names.forget(name)
        return begin_session(known, name, user, self._clock.time())

    def by_token(self, token: str, address: str) -> str:
        """A new session of whoever has a personal token. Raises as `by_password`."""
        with self._attempt(address):
            known = self._file.current()
            found = known.tokens.get(sha256(token)) if known else None
            if known is None or found is None or self._callers.by_token(token) is None:
                raise LoginFailed("The token is wrong")
        name, entry = found
        return begin_session(known, name, known.directory.users[name], self._clock.time(), entry.id)

    def attempt(self, address: str) -> AbstractContextManager[None]:
        """An attempt in another way; where its block raises `LoginFailed` it has failed."""
        return self._attempt(address)

    def log_out(self, text: str) -> str | None:
        """End a session; returns whose it was, `None` for what is none, or ended already, which is left alone.

        Raises `SaveError`, `UsersUnreadable`.
        """
        known = self._file.current()
        session = read_session(known, text) if known else None
        if session is None or self._callers.by_session(text) is None:
            return None
        # Somebody may have removed the user a moment ago, with all sessions.
        with suppress(UnknownUser):
            self._file.change(lambda directory: directory.end_session(session.name, session.id))
        return session.name

    @contextmanager
    def _attempt(self, address: str, name: str | None = None) -> Iterator[None]:
        network = _network(address)
        self.addresses.begin(network)
        if name is not None:
            try:
                self.names.begin(name)
            except TooManyLogins:
                self.addresses.forgive(network)
                raise
        try:
            yield
        except LoginFailed:
            raise
        except BaseException:
            # It came to no answer.
            if name is not None:
                self.names.forgive(name)
            self.addresses.forgive(network)
            raise
        self.addresses.forgive(network)


def _network(address: str) -> str:
    try:
        parsed = ipaddress.ip_address(address)
    except ValueError:
        return address[:64]
    if parsed.version == 4 or parsed.is_loopback:
        return str(parsed)
    if parsed.ipv4_mapped is not None:
        return str(parsed.ipv4_mapped)
    return str(ipaddress.ip_network((parsed, _IPV6_NETWORK), strict=False))
