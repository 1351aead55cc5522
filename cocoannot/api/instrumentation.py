"""Each request, from its first moment until its answer has gone out: measured, then told. A WSGI layer around Flask.

What the answer is, is not changed by it; not even that a server may send a file without reading it.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from flask import Flask, Request

if TYPE_CHECKING:
    from _typeshed.wsgi import StartResponse, WSGIApplication, WSGIEnvironment

UNMATCHED = "unmatched"
"""The route of a request that no rule takes."""


@dataclass
class Call:
    """One request and its answer: `route` is the URL's rule, `sent` the bytes of the body, `seconds` its duration.

    `revision` is the dataset's when the answer began. `status` is 500 where there was none.
    """

    method: str
    path: str
    remote: str
    route: str = UNMATCHED
    status: int = 500
    sent: int = 0
    seconds: float = 0.0
    revision: int = 0


def watch(
    app: Flask, revision: Callable[[], int], begun: Callable[[], object], ended: Callable[[Call], object]
) -> None:
    """Call `begun` for each request to `app`, and `ended` once its answer has gone out, or was given up."""
    app.wsgi_app = _Watch(app.wsgi_app, revision, begun, ended)  # type: ignore[method-assign]


def _route(environ: WSGIEnvironment) -> str:
    # Here werkzeug leaves its request until it is answered, also one that was refused before any view was called.
    request = environ.get("werkzeug.request")
    rule = request.url_rule if isinstance(request, Request) else None
    return UNMATCHED if rule is None else rule.rule


class _Watch:
    def __init__(
        self,
        app: WSGIApplication,
        revision: Callable[[], int],
        begun: Callable[[], object],
        ended: Callable[[Call], object],
    ) -> None:
        self._app = app
        self._revision = revision
        self._begun = begun
        self._ended = ended

    def __call__(self, environ: WSGIEnvironment, start_response: StartResponse) -> Iterable[bytes]:
        started = time.perf_counter()
        call = Call(environ["REQUEST_METHOD"], environ.get("PATH_INFO", ""), environ.get("REMOTE_ADDR") or "-")
        sent: list[tuple[str, str]] = []

        def start(status: str, headers: list[tuple[str, str]], exc_info: Any = None) -> Callable[[bytes], object]:
            nonlocal sent
            call.status, call.revision, sent = int(status[:3]), self._revision(), headers
            call.route = _route(environ)
            return start_response(status, headers, exc_info)

        def end() -> None:
            call.seconds = time.perf_counter() - started
            self._ended(call)

        self._begun()
        try:
            body = self._app(environ, start)
        except BaseException:
            end()
            raise
        close = _Closing(getattr(body, "close", None), end)
        if _is_file(body, environ):
            # The server sends it by its descriptor, past us.
            call.sent = next((int(value) for name, value in sent if name.lower() == "content-length"), 0)
            body.close = close  # type: ignore[attr-defined]
            return body
        return _Body(body, call, close)


def _is_file(body: object, environ: WSGIEnvironment) -> bool:
    wrapper = environ.get("wsgi.file_wrapper")
    return isinstance(wrapper, type) and isinstance(body, wrapper)


class _Closing:
    """Closes what is to be closed, and then calls `end`, once."""

    def __init__(self, close: Callable[[], object] | None, end: Callable[[], object]) -> None:
        self._close = close
        self._end: Callable[[], object] | None = end

    def __call__(self) -> None:
        end, self._end = self._end, None
        try:
            if self._close is not None:
                self._close()
        finally:
            if end is not None:
                end()


class _Body:
    """An answer's body, that counts what is taken from it."""

    def __init__(self, body: Iterable[bytes], call: Call, close: Callable[[], object]) -> None:
        self._blocks = iter(body)
        self._call = call
        self.close = close

    def __iter__(self) -> Iterator[bytes]:
        return self

    def __next__(self) -> bytes:
        block = next(self._blocks)
        self._call.sent += len(block)
        return block
