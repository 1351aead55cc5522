"""Users of a real server, and browsers in which they are logged in."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from functools import cache
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

from browser import Visitor
from servers import Server
from windows import Windows, serve_again

from cocoannot.files.dataset_file import DatasetFile
from cocoannot.people.people import People


def password_of(name: str) -> str:
    """Long enough, and another one for each."""
    return f"the password of {name}"


@cache
def _users_file(roles: tuple[tuple[str, str], ...]) -> bytes:
    """Made once: hashing passwords takes its time."""
    with TemporaryDirectory() as folder:
        path = Path(folder) / "users.json"
        accounts = People(path).accounts
        for name, role in roles:
            accounts.add(name, role, password_of(name), first=True)
        return path.read_bytes()


@contextmanager
def serve_team(dataset: Path, roles: Mapping[str, str]) -> Iterator[Server]:
    """A server of `dataset` with users, by their names and roles, who have passwords."""
    path = DatasetFile(dataset).users
    path.parent.mkdir(exist_ok=True)
    path.write_bytes(_users_file(tuple(roles.items())))
    path.chmod(0o600)
    with serve_again(dataset) as server:
        yield server


@contextmanager
def logged_in(windows: Windows, server: Server, name: str, **options: Any) -> Iterator[Visitor]:
    """Somebody with a browser of their own, in which they have logged in before."""
    with windows.opened(**options) as page:
        visitor = Visitor(page, server.url)
        body = {"user": name, "password": password_of(name)}
        answer = visitor.page.request.post(f"{server.url}/api/login", data=body, headers={"Origin": server.url})
        assert answer.status == 204, answer.text()
        yield visitor
