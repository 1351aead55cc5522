"""HTTP for the client: one call, repeated until it is answered. What is called is not known here.

    call --> answered: done, or an error of `errors`
      |
      +--> broken off, 429, 502, 503, 504 --> wait (Retry-After, else 0.2 s and growing) --> call again

It is given up once `patience` seconds have passed since the first attempt. What must not be done twice has a key, by
which the server knows it again. Proxies that the environment names are not used.
"""

from __future__ import annotations

import json
import secrets
import ssl
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from http.client import HTTPConnection, HTTPException, HTTPResponse, HTTPSConnection
from typing import Any, NamedTuple
from urllib.parse import urlencode, urlsplit

from cocoannot.client.errors import ClientError, NoAnswer, refused

_AGAIN = frozenset([429, 502, 503, 504])
_FIRST_PAUSE, _LONGEST_PAUSE = 0.2, 10.0
_MOST_IDLE = 4


class Answer(NamedTuple):
    """A whole answer: its headers, by lower-case name, and its body."""

    headers: Mapping[str, str]
    body: bytes

    @property
    def json(self) -> Any:
        """The body's JSON value. Raises `NoAnswer` where it is something else, which this server never sends."""
        try:
            return json.loads(self.body)
        except ValueError as exc:
            raise NoAnswer(f"what answered is no server of cocoannot: {self.body[:60]!r}") from exc

    @property
    def etag(self) -> str | None:
        """The version, without quotes."""
        tag = self.headers.get("etag")
        return None if tag is None else tag.removeprefix("W/").strip('"')


class Transport:
    """Calls the server at `url`; any thread may. `wait(seconds)` pauses, and `clock()` counts seconds."""

    def __init__(
        self,
        url: str,
        timeout: float,
        patience: float,
        context: ssl.SSLContext | None,
        wait: Callable[[float], object],
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        # Connections that nobody uses at the moment. Lists are safe for threads as they are used here.
        self._idle: list[HTTPConnection] = []
        parts = urlsplit(url if "://" in url else f"http://{url}")
        if parts.scheme not in ("http", "https") or not parts.hostname or parts.query or parts.fragment:
            raise ValueError(f"{url!r} is no address of a server, such as http://127.0.0.1:8000")
        self.url = f"{parts.scheme}://{parts.netloc.rpartition('@')[2]}{parts.path.rstrip('/')}"
        self.headers: dict[str, str] = {}
        """Headers of every call."""
        self.revision: int | None = None
        """The dataset's revision, as the latest answer told it."""
        self.patience = patience
        self.wait = wait
        self._parts = parts
        self._timeout = timeout
        self._context = context or (ssl.create_default_context() if parts.scheme == "https" else None)
        self._clock = clock

    def call(
        self,
        method: str,
        path: str,
        query: Mapping[str, Any] | None = None,
        body: Any = None,
        headers: Mapping[str, str] | None = None,
        *,
        keyed: bool = False,
    ) -> Answer:
        """Call, and read the answer; `keyed` gives it an `Idempotency-Key`, for what must not be done twice.

        `body` is sent as JSON, bytes as they are. Raises `ClientError`.
        """
        data = body if isinstance(body, bytes | None) else json.dumps(body, default=_plain).encode()
        sent = {**self.headers, **(headers or {})}
        if data is not None:
            sent["Content-Type"] = "application/json"
        if keyed:
            sent["Idempotency-Key"] = secrets.token_hex(16)
        address = self.address(path, query)
        for attempt in self.attempts():
            with attempt:
                return self._once(method, address, data, sent)
        raise AssertionError("attempts end by a return or an error")

    def attempts(self) -> Iterator[Attempt]:
        """Attempts at something, with pauses between them, until one is left without an error worth another one."""
        pause, started = _FIRST_PAUSE, self._clock()
        while True:
            attempt = Attempt()
            yield attempt
            if attempt.trouble is None:
                return
            delay = pause if attempt.retry_after is None else attempt.retry_after
            if self._clock() - started + delay > self.patience:
                raise attempt.trouble
            self.wait(delay)
            pause = min(2 * pause, _LONGEST_PAUSE)

    def address(self, path: str, query: Mapping[str, Any] | None) -> str:
        """The path of a call with its query: `None` is left out, `True` is `true`, and a list is repeated."""
        given = {name: _text(value) for name, value in (query or {}).items() if value is not None}
        return f"{self._parts.path.rstrip('/')}{path}" + (f"?{urlencode(given, doseq=True)}" if given else "")

    @contextmanager
    def stream(self, address: str, headers: Mapping[str, str]) -> Iterator[HTTPResponse]:
        """An answer that is read as it comes, by a connection of its own. Raises `Broken`, `ClientError`."""
        connection = self._connect()
        try:
            with _broken(self.url):
                connection.request("GET", address, headers={**self.headers, **headers})
                response = connection.getresponse()
            self._check(response)
            yield response
        finally:
            connection.close()

    def close(self) -> None:
        """Let go of idle connections."""
        while self._idle:
            self._idle.pop().close()

    def __del__(self) -> None:
        self.close()

    def _once(self, method: str, address: str, data: bytes | None, headers: Mapping[str, str]) -> Answer:
        connection = self._idle.pop() if self._idle else self._connect()
        try:
            with _broken(self.url):
                connection.request(method, address, data, dict(headers))
                response = connection.getresponse()
                self._check(response)
                body = response.read()
        except BaseException:
            connection.close()
            raise
        if response.will_close or len(self._idle) >= _MOST_IDLE:
            connection.close()
        else:
            self._idle.append(connection)
        return Answer({name.lower(): value for name, value in response.getheaders()}, body)

    def _check(self, response: HTTPResponse) -> None:
        """Raise the error that an answer is, if it is one."""
        if (revision := response.headers.get("X-Dataset-Revision", "")).isdecimal():
            self.revision = int(revision)
        if response.status < 300:
            return
        text = response.read(1 << 20)
        try:
            body = json.loads(text)
        except ValueError:
            body = None
        error = refused(response.status, body, response.reason)
        if response.status in _AGAIN:
            raise Broken(error, _seconds(response.headers.get("Retry-After")))
        raise error

    def _connect(self) -> HTTPConnection:
        host, port = self._parts.hostname or "", self._parts.port
        if self._parts.scheme == "https":
            return HTTPSConnection(host, port, timeout=self._timeout, context=self._context)
        return HTTPConnection(host, port, timeout=self._timeout)


class Broken(Exception):
    """An attempt that may go better the next time: `error` is what to raise where there is none."""

    def __init__(self, error: ClientError, retry_after: float | None = None) -> None:
        super().__init__(str(error))
        self.error = error
        self.retry_after = retry_after


class Attempt:
    """Takes what breaks off within its `with` block; everything else is raised."""

    def __init__(self) -> None:
        self.trouble: ClientError | None = None
        self.retry_after: float | None = None

    def __enter__(self) -> Attempt:
        return self

    def __exit__(self, kind: object, error: BaseException | None, trace: object) -> bool:
        if not isinstance(error, Broken):
            return False
        self.trouble, self.retry_after = error.error, error.retry_after
        return True


@contextmanager
def _broken(url: str) -> Iterator[None]:
    """What the network does meanwhile is raised as `Broken`."""
    try:
        yield
    except ssl.SSLCertVerificationError as exc:
        raise NoAnswer(f"{url}: its certificate is not valid: {exc.verify_message}") from exc
    except (OSError, HTTPException) as exc:
        raise Broken(NoAnswer(f"{url} does not answer: {exc or type(exc).__name__}")) from exc


def _text(value: Any) -> Any:
    if isinstance(value, bool):
        return "true" if value else "false"
    return list(value) if isinstance(value, list | tuple | set | frozenset) else value


def _seconds(text: str | None) -> float | None:
    return float(text) if text is not None and text.isascii() and text.isdecimal() else None


def _plain(value: Any) -> Any:
    """A number or an array of NumPy, or of a library with arrays like it, as JSON has it."""
    for method in ("tolist", "item"):
        if hasattr(value, method):
            return getattr(value, method)()
    raise TypeError(f"{type(value).__name__} is nothing that JSON has")
