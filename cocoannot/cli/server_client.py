"""The running server as the commands ask it, over HTTP: found by the lock file, or named where it serves a database."""

from __future__ import annotations

import json
import urllib.error
import urllib.request
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from http import HTTPStatus
from http.client import HTTPException, HTTPResponse
from typing import Any, Protocol, TypeVar
from urllib.parse import urlsplit

import click

from cocoannot.database_uri import DatabaseUri, is_database_uri, split_database_uri
from cocoannot.errors import CocoannotError, ConfigError, Conflict, DatasetError, OwnedElsewhere
from cocoannot.extension import runtime
from cocoannot.files.dataset_file import DatasetFile
from cocoannot.files.lock import Owner, describe

# Seconds for an answer: the server may be loading, or saving a large dataset to a slow disk, or sending it to S3.
_STATUS_TIMEOUT = 60
_SAVE_TIMEOUT = 600
_UPLOAD_TIMEOUT = 6 * 3600

# The server is on this machine, whatever proxy the environment names.
_open = urllib.request.build_opener(urllib.request.ProxyHandler({})).open


_NAMED = "cocoannot server"

Command = TypeVar("Command", bound=Callable[..., Any])


def _name_server(context: click.Context, parameter: click.Parameter, url: str | None) -> None:
    if url is None:
        return
    parts = urlsplit(url)
    if parts.scheme not in ("http", "https") or not parts.netloc or parts.query or parts.fragment:
        raise click.BadParameter("give the address of a server, such as http://127.0.0.1:8000")
    context.meta[_NAMED] = url.rstrip("/")


def server_option(command: Command) -> Command:
    """The option that names the server of a dataset in a database."""
    return click.option(
        "--server",
        metavar="URL",
        callback=_name_server,
        expose_value=False,
        help="A server of a dataset in a database, such as http://127.0.0.1:8000. Not needed for a file.",
    )(command)


def named_server() -> Owner | None:
    """The server of a dataset in a database, by `--server`; `None` for a dataset in a file. Raises `ConfigError`."""
    url = click.get_current_context().meta.get(_NAMED)
    if not isinstance(runtime().settings.dataset, DatabaseUri):
        if url is not None:
            raise ConfigError(f"--server is for a dataset in a database; {runtime().uri()} finds its server by itself")
        return None
    if url is None:
        raise ConfigError(
            f"{runtime().uri()} is in a database: name a server of it, such as --server http://127.0.0.1:8000"
        )
    return Owner(0, url, runtime().uri())


class Readable(Protocol):
    """What has a body to be sent."""

    def read(self, size: int = -1, /) -> bytes:
        """At most `size` bytes, none at the end."""
        ...


def ask_named(owner: Owner) -> dict[str, Any]:
    """The status of a server that was named. Raises `DatasetError` where it serves something else."""
    answer = call(owner, "GET", "/api/status")
    try:
        served = str(answer["dataset"]["uri"])
    except (KeyError, TypeError):
        raise DatasetError(f"what answers at {owner.url} is not a server of cocoannot") from None
    # The same database may be called in more than one way.
    if not is_database_uri(served) or split_database_uri(served)[1] != split_database_uri(owner.dataset)[1]:
        raise DatasetError(f"{describe(owner)} serves {served}, not {owner.dataset}")
    return answer


def ask_status(owner: Owner, file: DatasetFile) -> dict[str, Any]:
    """The status of the server that owns the dataset. Raises `OwnedElsewhere`, `DatasetError`."""
    if not owner.url or owner.dataset != str(file.path):
        raise OwnedElsewhere(f"{file.name} is in use by {describe(owner)}, which can't be asked")
    answer = call(owner, "GET", "/api/status")
    try:
        served = answer["dataset"]["path"]
    except (KeyError, TypeError):
        raise OwnedElsewhere(f"what answers at {owner.url} is not a server of {file.path}") from None
    if served != str(file.path):
        raise OwnedElsewhere(f"{describe(owner)} serves {served}, not {file.path}")
    return answer


def call(owner: Owner, method: str, path: str, body: object = None) -> dict[str, Any]:
    """Like `ask`, where the answer is an object."""
    answer: dict[str, Any] = ask(owner, method, path, body)
    return answer


def ask(owner: Owner, method: str, path: str, body: object = None) -> Any:
    """The JSON that the server answers, `None` for an empty answer; a `body` of bytes is JSON already.

    Raises `Conflict`, `DatasetError`, `OwnedElsewhere`.
    """
    data = body if body is None or isinstance(body, bytes) else json.dumps(body).encode()
    with _answer(owner, method, path, data) as response:
        return _decode(owner, response)


def send(owner: Owner, method: str, path: str, file: Readable, size: int) -> Any:
    """Like `ask`, with the `size` bytes of `file` as the body."""
    with _answer(owner, method, path, file, {"Content-Length": str(size)}) as response:
        return _decode(owner, response)


def download(owner: Owner, path: str) -> bytes:
    """What the server gives at `path`, as it is. Raises as `ask`."""
    with downloading(owner, path) as response:
        return response.read()


@contextmanager
def downloading(owner: Owner, path: str) -> Iterator[HTTPResponse]:
    """An answer that is read as it comes. Raises as `ask`, also where it breaks off."""
    with _answer(owner, "GET", path) as response:
        yield response


def _decode(owner: Owner, response: HTTPResponse) -> Any:
    text = response.read()
    try:
        return json.loads(text) if text else None
    except ValueError as exc:
        raise _silent(owner, exc) from exc


@contextmanager
def _answer(
    owner: Owner, method: str, path: str, data: Any = None, headers: Mapping[str, str] | None = None
) -> Iterator[HTTPResponse]:
    # One of this machine by a name that is served whatever address this is.
    host = {"Host": "localhost"} if owner.pid else {}
    headers = {"Content-Type": "application/json", **host, **(headers or {})}
    request = urllib.request.Request(owner.url + path, data, headers, method=method)
    # Where there are users, who may read their file may ask the server for anything.
    if token := runtime().settings.token or runtime().people.callers.operator_proof():
        request.add_header("Authorization", f"Bearer {token}")
    try:
        with _open(request, timeout=_timeout(method, path)) as response:
            yield response
    except urllib.error.HTTPError as exc:
        raise _refusal(owner, exc) from exc
    except (TimeoutError, ConnectionError, urllib.error.URLError, HTTPException) as exc:
        raise _silent(owner, exc.reason if isinstance(exc, urllib.error.URLError) else exc) from exc


def _silent(owner: Owner, reason: object) -> OwnedElsewhere:
    return OwnedElsewhere(f"{describe(owner)} does not answer: {reason}; try again when it is up")


def _refusal(owner: Owner, error: urllib.error.HTTPError) -> CocoannotError:
    try:
        answer = json.load(error)
        message, details = str(answer["message"]), answer.get("errors")
    except (OSError, HTTPException, ValueError, KeyError, TypeError, AttributeError):
        return DatasetError(f"{describe(owner)} answered {error.code} {error.reason}")
    if error.code == HTTPStatus.CONFLICT and isinstance(details, dict):
        return Conflict(message, details)
    return DatasetError(message)


def _timeout(method: str, path: str) -> int:
    if method == "GET":
        return _STATUS_TIMEOUT
    return _UPLOAD_TIMEOUT if path in ("/api/save-to-s3", "/api/s3/merge") else _SAVE_TIMEOUT
