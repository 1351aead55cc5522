"""The file of users: read again when somebody changed it, replaced whole under a lock. What it means is not known here.

The server and the commands write it, each on its own. Where it can't be read, nobody is let in.
"""

from __future__ import annotations

import hashlib
import threading
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import msgspec

from cocoannot.errors import SaveError, UnknownUser, UsersUnreadable
from cocoannot.files.atomic import NewFile, Stamp, sync_folder
from cocoannot.files.disk_errors import save_error
from cocoannot.files.lock import locked
from cocoannot.people.directory import FORMAT, Directory, Token
from cocoannot.people.signatures import Signer

_WAIT = 5.0
"""Seconds to wait for somebody else who changes the file, which takes some milliseconds."""


@dataclass(frozen=True)
class Known:
    """One content of the file, and what is looked up in it for each request."""

    stamp: Stamp
    directory: Directory
    signer: Signer
    tokens: dict[str, tuple[str, Token]]
    """The name of its user, and the token, by the token's sha256."""


class UsersFile:
    """The file at `path`, which is there once there are users; with `None` there are never any."""

    def __init__(self, path: Path | None) -> None:
        self.path = path
        self._known: Known | None = None
        # Guards reading: one thread does it, and the others wait for what it finds.
        self._reading = threading.Lock()

    @property
    def exists(self) -> bool:
        """Whether the file is there, or was: a server that had users does not go on without them."""
        return self._known is not None or (self.path is not None and self.path.exists())

    def current(self) -> Known | None:
        """What the file holds now, `None` where there is none. Raises `UsersUnreadable`."""
        if self.path is None:
            return None
        try:
            known = self._known
            if known is not None and Stamp.of(self.path.stat()) == known.stamp:
                return known
            with self._reading:
                self._known = _read(self.path, self._known)
                return self._known
        except FileNotFoundError:
            if self._known is None:
                return None
            raise UsersUnreadable(
                f"{self.path} is gone, so nobody is let in; put it back, or start the server again to serve without "
                "users"
            ) from None
        except OSError as exc:
            raise UsersUnreadable(f"{self.path} can't be read, so nobody is let in: {exc.strerror}") from exc

    def change(self, edit: Callable[[Directory], Directory], *, create: bool = False, wait: float = _WAIT) -> None:
        """Replace what the file holds by what `edit` makes of it; whatever `edit` raises changes nothing.

        With `create` a file is made where there is none. Waits for at most `wait` seconds while somebody else changes
        it. Raises `UnknownUser` where there is none and none is to be made, `SaveError`, `UsersUnreadable`.
        """
        if self.path is None:
            raise UnknownUser("there is no dataset, so there can't be users; set COCOANNOT_DATASET")
        if not create and self.current() is None:
            raise UnknownUser(f"there are no users: {self.path} does not exist; `flask user add` makes it")
        try:
            self.path.parent.mkdir(parents=True, exist_ok=True)
            with locked(self.path.with_suffix(".lock"), wait):
                known = self.current()
                before = known.directory if known else Directory.empty()
                if (after := edit(before)) != before:
                    self._replace(self.path, after)
        except TimeoutError as exc:
            raise SaveError(f"{self.path} is being changed by another process; try again in a moment") from exc
        except OSError as exc:
            raise save_error(str(self.path), exc, "nothing was changed") from exc
        self.current()

    def _replace(self, path: Path, directory: Directory) -> None:
        text = msgspec.json.format(msgspec.json.encode(directory), indent=1) + b"\n"
        # The owner of the folder is the one who serves the dataset, also where root runs a command.
        with NewFile(path, like=path if path.exists() else path.parent, mode=0o600) as new:
            new.write([text])
            new.replace()
        sync_folder(path.parent)


def _read(path: Path, known: Known | None) -> Known:
    stamp = Stamp.of(path.stat())
    if known is not None and stamp == known.stamp:
        return known
    text = path.read_bytes()
    try:
        directory = msgspec.json.decode(text, type=Directory)
        problem = directory.problem() if directory.format == FORMAT else f"its format must be {FORMAT}"
    except (ValueError, RecursionError) as exc:  # msgspec.DecodeError is the former
        problem = str(exc)
    if problem:
        raise UsersUnreadable(
            f"{path} is damaged, so nobody is let in: {problem}; put a copy of it back. Without it there are no users: "
            "`flask user add` then begins anew"
        )
    tokens = {token.sha256: (name, token) for name, user in directory.users.items() for token in user.tokens}
    return Known(stamp, directory, Signer(directory.secret), tokens)


def sha256(text: str) -> str:
    """What is kept of a token, which is random and long, so that a fast hash is enough."""
    return hashlib.sha256(text.encode("utf-8", "replace")).hexdigest()
