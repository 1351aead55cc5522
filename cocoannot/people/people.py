"""The parts of this room put together, for one dataset."""

from __future__ import annotations

import time
from pathlib import Path

from cocoannot.clock import Clock
from cocoannot.people.accounts import Accounts
from cocoannot.people.callers import Callers
from cocoannot.people.logins import Logins
from cocoannot.people.passwords import Passwords
from cocoannot.people.roles import Role
from cocoannot.people.users_file import UsersFile

_DAY = 86400


class People:
    """Everybody who may call. The file of users is at `path`, `None` where there is no dataset."""

    def __init__(
        self, path: Path | None, session_days: int = 14, proxy_role: Role = "annotator", clock: Clock = time
    ) -> None:
        passwords = Passwords()
        self.session_seconds = session_days * _DAY
        self.file = UsersFile(path)
        self.accounts = Accounts(self.file, passwords, clock)
        self.callers = Callers(self.file, self.session_seconds, proxy_role, clock)
        self.logins = Logins(self.file, passwords, self.callers, clock)

    def check(self) -> None:
        """Read the file of users, for the start. Raises `UsersUnreadable`."""
        self.file.current()

    @property
    def is_on(self) -> bool:
        """Whether there are users, so that everybody has to say who they are. Raises `UsersUnreadable`."""
        return self.file.current() is not None
