"""Accounts: users made and changed, their passwords, links and tokens. Who may do it is not decided here."""

from __future__ import annotations

import secrets
from collections.abc import Callable
from datetime import UTC, datetime, timedelta

from cocoannot.clock import Clock
from cocoannot.errors import Conflict, InvalidRecord, LoginFailed, UnknownUser
from cocoannot.people.directory import MAX_LABEL, Directory, Token, User, fold
from cocoannot.people.passwords import Passwords
from cocoannot.people.roles import Role, role_of
from cocoannot.people.users_file import UsersFile, sha256

LINK_DAYS = 3
"""How long a link to set a password is good."""
MAX_TOKEN_DAYS = 3650

PREFIX = "coa_"
"""What every personal token begins with, so that it is known for one wherever it is found."""

_LINK = "link"


class Accounts:
    """The users in `file`. Every method raises `UsersUnreadable`, and `SaveError` where the file can't be written.

    Names may come in any case. What is said to raise `UnknownUser` does so where there is no user of that name.
    """

    def __init__(self, file: UsersFile, passwords: Passwords, clock: Clock) -> None:
        self._file = file
        self._passwords = passwords
        self._clock = clock

    def users(self) -> dict[str, User]:
        """All users by name, in the order in which they were added."""
        known = self._file.current()
        return dict(known.directory.users) if known else {}

    def user(self, name: str) -> User:
        """One user. Raises `UnknownUser`."""
        known = self._file.current()
        if known is None:
            raise UnknownUser("there are no users")
        return known.directory.user(fold(name))

    def add(self, name: str, role: str, password: str | None = None, *, first: bool = False) -> str:
        """Add a user; returns the name as it is kept. With `first` it may be the first of all.

        Raises `InvalidRecord` for a name, role or password that is not allowed, `Conflict` where the name is taken.
        """
        name, checked, now = fold(name), role_of(role), self._now()
        hashed = None if password is None else self._passwords.hash(password)

        def add(directory: Directory) -> Directory:
            return directory.add(name, checked, now).change(name, password=hashed)

        self._file.change(add, create=first)
        return name

    def change(
        self,
        name: str,
        *,
        role: str | None = None,
        password: str | None = None,
        active: bool | None = None,
        keep_admin: bool = False,
    ) -> None:
        """Change what is given of a user.

        A new password ends all sessions; being made inactive ends sessions and removes tokens. Raises `UnknownUser`,
        `InvalidRecord`; with `keep_admin` `Conflict` where no admin would be left.
        """
        name = fold(name)
        checked = None if role is None else role_of(role)
        hashed = None if password is None else self._passwords.hash(password)

        def change(directory: Directory) -> Directory:
            after = directory
            if checked is not None:
                after = after.change(name, role=checked)
            if hashed is not None:
                after = after.end_sessions(name, password=hashed)
            if active is False and not after.user(name).disabled:
                after = after.end_sessions(name, disabled=True, tokens=())
            if active is True:
                after = after.change(name, disabled=False)
            return after

        self._change(name, change, keep_admin)

    def remove(self, name: str, *, keep_admin: bool = False) -> None:
        """Remove a user, with tokens and sessions. Raises `UnknownUser`, `Conflict` as `change` does."""
        name = fold(name)
        self._change(name, lambda directory: directory.remove(name), keep_admin)

    def new_link(self, name: str) -> str:
        """The secret of a link by which a user sets a password, once. Raises `UnknownUser`."""
        name = fold(name)
        user = self.user(name)
        known = self._file.current()
        assert known is not None
        until = int(self._clock.time()) + LINK_DAYS * 86400
        return known.signer.sign(_LINK, name, user.generation, until)

    def use_link(self, link: str, password: str) -> str:
        """Set the password of the user whom `link` is for; returns the name. The link is used up then.

        Raises `LoginFailed`, `InvalidRecord`.
        """
        known = self._file.current()
        fields = known.signer.fields(_LINK, link) if known else None
        if fields is None or int(fields[2]) < self._clock.time():
            raise _bad_link()
        name, generation = fields[0], int(fields[1])
        _require_link(known.directory if known else None, name, generation)
        hashed = self._passwords.hash(password)

        def use(directory: Directory) -> Directory:
            # Again, under the lock: of two that use it at once, one comes second.
            _require_link(directory, name, generation)
            return directory.end_sessions(name, password=hashed)

        self._file.change(use)
        return name

    def new_token(self, name: str, label: str, role: str | None = None, days: int | None = None) -> tuple[Token, str]:
        """Give a user a token that is good for so many `days` (`None`: for ever), and at most for `role`.

        Returns it with its text, which is not kept. Raises `UnknownUser`, `InvalidRecord`, `Conflict`.
        """
        name, label = fold(name), label.strip()
        checked: Role | None = None if role is None else role_of(role)
        if not 1 <= len(label) <= MAX_LABEL or not label.isprintable():
            raise InvalidRecord({"name": [f"must have 1 to {MAX_LABEL} printable characters"]})
        if days is not None and not 1 <= days <= MAX_TOKEN_DAYS:
            raise InvalidRecord({"days": [f"must be 1 to {MAX_TOKEN_DAYS}"]})
        text, now = PREFIX + secrets.token_urlsafe(32), self._now()
        expires = None if days is None else now + timedelta(days=days)
        token = Token(secrets.token_hex(6), label, sha256(text), now, checked, expires)
        self._file.change(lambda directory: directory.add_token(name, token))
        return token, text

    def remove_token(self, name: str, token_id: str) -> None:
        """Take a token from a user. Raises `UnknownUser` where there is none."""
        self._file.change(lambda directory: directory.remove_token(fold(name), token_id))

    def _change(self, name: str, edit: Callable[[Directory], Directory], keep_admin: bool) -> None:
        def checked(before: Directory) -> Directory:
            after = edit(before)
            if keep_admin and not after.keeps_an_admin(before):
                raise Conflict(f"{name} is the last admin; make somebody else an admin first")
            return after

        self._file.change(checked)

    def _now(self) -> datetime:
        return datetime.fromtimestamp(int(self._clock.time()), UTC)


def _require_link(directory: Directory | None, name: str, generation: int) -> None:
    user = directory.users.get(name) if directory else None
    if user is None or user.disabled or user.generation != generation:
        raise _bad_link()


def _bad_link() -> LoginFailed:
    return LoginFailed("This link is wrong, too old, or was used already; ask an admin for a new one")


def link_path(secret: str) -> str:
    """Where the page takes the secret of a link, below the server's address; browsers send nothing behind the `#`."""
    return f"/#password={secret}"
