"""Real servers in processes of their own, requests to them, and waiting for facts about them, with a time limit."""

from __future__ import annotations

import http.client
import json
import os
import re
import signal
import socket
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import closing, contextmanager, suppress
from pathlib import Path
from tempfile import TemporaryFile
from typing import Any, NamedTuple, TypeVar
from urllib.parse import urlsplit

import warm_starts

import cocoannot
from cocoannot.files.dataset_file import DatasetFile
from cocoannot.files.lock import Owner, find_owner, read_owner

ROOT = Path(cocoannot.__file__).parent.parent
GUNICORN = [str(Path(sys.executable).with_name("gunicorn")), "--bind", "127.0.0.1:0"]
FLASK = [sys.executable, "-m", "flask"]
LONG = 3600.0
"""An interval, in seconds, at which nothing is auto-saved while a test runs."""

ANNOTATION = {"image_id": 1, "category_id": 1, "bbox": [1, 2, 3, 4]}

_LIMIT = 20.0
_OWN_SETTINGS = re.compile(r"COCOANNOT_|DATASET_|GUNICORN_|FLASK_|WEB_CONCURRENCY|WERKZEUG_|.*_proxy$", re.IGNORECASE)

Fact = TypeVar("Fact")


class Answer(NamedTuple):
    """What a server answered: the status and the body's JSON, `None` for no body."""

    status: int
    body: Any


class Reply(NamedTuple):
    """What a server answered, as it came."""

    status: int
    headers: http.client.HTTPMessage
    body: bytes

    @property
    def json(self) -> Any:
        return json.loads(self.body)


def until(look: Callable[[], Fact], what: str, limit: float = _LIMIT) -> Fact:
    """What `look` returns once that is true; fails when it is not within `limit` seconds."""
    deadline = time.monotonic() + limit
    pause = threading.Event()
    while not (found := look()):
        assert time.monotonic() < deadline, f"not within {limit:g} s: {what}"
        pause.wait(0.02)
    return found


def annotation_ids(path: Path) -> list[int]:
    """The ids of the annotations in the file at `path`, which must be a whole document."""
    return [annotation["id"] for annotation in json.loads(path.read_bytes())["annotations"]]


class Server:
    """One server: its process (gunicorn's arbiter), what it printed, and requests to it."""

    def __init__(self, process: subprocess.Popen[bytes] | warm_starts.WarmProcess, dataset: Path, output: Path) -> None:
        self._process = process
        self._output = output
        self._file = DatasetFile(dataset)
        self.pid = process.pid

    @property
    def log(self) -> str:
        """All that was printed so far, by every process of the server."""
        return self._output.read_text()

    @property
    def workers(self) -> list[int]:
        """The process ids of all workers that were started so far, by gunicorn's log."""
        return [int(pid) for pid in re.findall(r"Booting worker with pid: (\d+)", self.log)]

    @property
    def owner(self) -> Owner:
        """Who the lock file says owns the dataset."""
        owner = read_owner(self._file.lock.path)
        assert owner is not None, self.log
        return owner

    @property
    def url(self) -> str:
        return self.owner.url

    @property
    def worker(self) -> int:
        """The process id of the worker that owns the dataset."""
        return self.owner.pid

    def wait_until_ready(self, but: int = 0) -> None:
        """Wait until a worker, not the one with the process id `but`, owns the dataset and answers."""

        def ready() -> bool:
            assert self._process.poll() is None, self.log
            owner = find_owner(self._file.lock.path)
            return owner is not None and owner.pid in set(self.workers) - {but}

        until(ready, f"a worker owns {self._file.name}")
        try:
            status = self.request("GET", "/readyz").status
        except (OSError, http.client.HTTPException) as exc:
            # It owned the dataset, and ended while it read it.
            raise AssertionError(self.log) from exc
        assert status == 200

    def wait_for_log(self, text: str, count: int = 1) -> None:
        """Wait until `text` was printed `count` times."""
        until(lambda: self.log.count(text) >= count, f"{count} times {text!r} in the log")

    def signal(self, number: signal.Signals) -> None:
        self._process.send_signal(number)

    def kill(self) -> None:
        """Kill every process of the server, as a crash would, and wait until nobody owns the dataset."""
        os.killpg(self.pid, signal.SIGKILL)
        self._process.wait()
        self.wait_until_let_go()

    def wait(self) -> int:
        """Wait for the end; returns the exit status."""
        try:
            return self._process.wait(_LIMIT)
        except subprocess.TimeoutExpired:
            raise AssertionError(f"still running:\n{self.log}") from None

    def wait_until_let_go(self) -> None:
        """Wait until nobody owns the dataset."""
        until(lambda: find_owner(self._file.lock.path) is None, f"nobody owns {self._file.name}")

    def request(self, method: str, path: str, body: object = None) -> Answer:
        """One request on a connection of its own. Raises `OSError`, `HTTPException`."""
        return send(self.url, method, path, body)

    def add(self, annotation: Mapping[str, Any] = ANNOTATION) -> int:
        """Add an annotation; returns its id once that was acknowledged. Raises `OSError`, `HTTPException`."""
        status, body = self.request("POST", "/api/annotations", annotation)
        assert status == 201, body
        return int(body["id"])

    def add_stubbornly(self) -> int:
        """Like `add`, again and again while a worker is replaced."""
        deadline = time.monotonic() + _LIMIT
        while True:
            try:
                return self.add()
            except (OSError, http.client.HTTPException):
                assert time.monotonic() < deadline, self.log

    def status(self) -> dict[str, Any]:
        """The answer to `GET /api/status`."""
        answer: dict[str, Any] = self.request("GET", "/api/status").body
        return answer


class HalfSent:
    """A request that a thread of the server waits for: all that it has is the head and the body's first byte."""

    def __init__(self, url: str, body: object = ANNOTATION) -> None:
        self._data = json.dumps(body).encode()
        target = urlsplit(url)
        self._socket = socket.create_connection((target.hostname, target.port), _LIMIT)
        head = (
            f"POST /api/annotations HTTP/1.1\r\nHost: {target.netloc}\r\nContent-Type: application/json\r\n"
            f"Content-Length: {len(self._data)}\r\nExpect: 100-continue\r\n\r\n"
        )
        self._socket.sendall(head.encode())
        # The server says this when it has read the head, so it is certain that the request runs.
        assert self._socket.recv(1024) == b"HTTP/1.1 100 Continue\r\n\r\n"
        self._socket.sendall(self._data[:1])

    def finish(self) -> Answer:
        """Send the rest; returns the answer."""
        self._socket.sendall(self._data[1:])
        response = http.client.HTTPResponse(self._socket)
        response.begin()
        return Answer(response.status, json.loads(response.read()))

    def close(self) -> None:
        self._socket.close()


def send(url: str, method: str, path: str, body: object = None) -> Answer:
    """One request, to any server. Raises `OSError`, `HTTPException`."""
    target = urlsplit(url)
    assert target.hostname is not None
    with closing(http.client.HTTPConnection(target.hostname, target.port, timeout=_LIMIT)) as connection:
        data = None if body is None else json.dumps(body)
        connection.request(method, path, data, {"Content-Type": "application/json", "Connection": "close"})
        response = connection.getresponse()
        text = response.read()
        return Answer(response.status, json.loads(text) if text else None)


def connect(url: str) -> socket.socket:
    """A connection to the server at `url`, to send to and read from with a time limit."""
    target = urlsplit(url)
    return socket.create_connection((target.hostname, target.port), _LIMIT)


def read_reply(connection: socket.socket) -> Reply:
    """The next answer on `connection`. Raises `OSError`, `HTTPException`."""
    response = http.client.HTTPResponse(connection)
    response.begin()
    return Reply(response.status, response.headers, response.read())


def exchange(url: str, head: str, body: bytes = b"") -> Reply:
    """Send `head`, whose lines are ended here, and `body` as they are; returns the answer. `HOST` is the server's."""
    text = head.replace("HOST", urlsplit(url).netloc).replace("\n", "\r\n") + "\r\n\r\n"
    with closing(connect(url)) as connection:
        # A server that refuses early may close before it has all.
        with suppress(ConnectionError):
            connection.sendall(text.encode("latin-1") + body)
        return read_reply(connection)


@contextmanager
def half_sent(server: Server) -> Iterator[HalfSent]:
    """A request that hangs in `server`."""
    with closing(HalfSent(server.url)) as request:
        yield request


def environment(dataset: Path | None, env: Mapping[str, str] | None = None) -> dict[str, str]:
    """The environment of a server of `dataset`, free of settings that this process was given."""
    settings = {"DATASET_AUTO_SAVE_INTERVAL": str(LONG), "PYTHONUNBUFFERED": "1"}
    if dataset is not None:
        settings["COCOANNOT_DATASET"] = str(dataset)
        settings["COCOANNOT_CACHE"] = str(dataset.with_name("cache"))
    kept = {name: value for name, value in os.environ.items() if not _OWN_SETTINGS.match(name)}
    return {**kept, **settings, **(env or {})}


@contextmanager
def start(
    dataset: Path,
    command: Sequence[str],
    *,
    env: Mapping[str, str] | None = None,
    anew: bool = False,
    pass_fds: Sequence[int] = (),
) -> Iterator[Server]:
    """Start `command` as a server of `dataset`, in a session of its own that is killed at the end.

    A program of ours is forked from a process that has imported what it imports, but where a test asks for it `anew`.
    """
    output = dataset.parent / f"{time.monotonic_ns()}.log"
    own = environment(dataset, env)
    process: subprocess.Popen[bytes] | warm_starts.WarmProcess
    with output.open("wb") as file, Path(os.devnull).open("rb") as nothing:
        if warm_starts.knows(command) and not (anew or pass_fds):
            process = warm_starts.start(command, ROOT, own, nothing, file)
        else:
            process = subprocess.Popen(
                command,
                cwd=ROOT,
                env=own,
                stdin=nothing,
                stdout=file,
                stderr=subprocess.STDOUT,
                start_new_session=True,
                pass_fds=pass_fds,
            )
    with _killed_at_the_end(process):
        yield Server(process, dataset, output)


@contextmanager
def _killed_at_the_end(process: subprocess.Popen[bytes] | warm_starts.WarmProcess) -> Iterator[None]:
    try:
        yield
    finally:
        with suppress(ProcessLookupError):
            os.killpg(process.pid, signal.SIGKILL)
        process.wait()


@contextmanager
def serve(
    dataset: Path,
    *,
    env: Mapping[str, str] | None = None,
    args: Sequence[str] = (),
    anew: bool = False,
    port: int = 0,
) -> Iterator[Server]:
    """A gunicorn that serves `dataset` on a free port, or on `port`, and answers."""
    command = [*GUNICORN[:-1], f"127.0.0.1:{port}", *args, "wsgi:app"]
    with start(dataset, command, env=env, anew=anew) as server:
        server.wait_until_ready()
        yield server


def refused(dataset: Path, *, env: Mapping[str, str] | None = None, args: Sequence[str] = ()) -> tuple[int, str]:
    """Start a gunicorn that is expected to end by itself; returns its exit status and what it printed."""
    with start(dataset, [*GUNICORN, *args, "wsgi:app"], env=env) as server:
        return server.wait(), server.log


def run(
    command: Sequence[str], *, env: Mapping[str, str], cwd: Path = ROOT, given: str = "", limit: float = _LIMIT
) -> tuple[int, str]:
    """Run a program of ours that reads `given`; returns its exit status and what it printed, errors included."""
    with TemporaryFile() as read, TemporaryFile() as printed:
        read.write(given.encode())
        read.seek(0)
        process = warm_starts.start(command, cwd, env, read, printed)
        with _killed_at_the_end(process):
            status = process.wait(limit)
        printed.seek(0)
        return status, printed.read().decode()


def run_flask(dataset: Path | None, *args: str, env: Mapping[str, str] | None = None) -> tuple[int, str]:
    """Run a `flask` command; returns its exit status and what it printed, errors included."""
    return run([*FLASK, *args], env=environment(dataset, env))
