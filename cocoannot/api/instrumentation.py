"""Each request, from its first moment until its answer has gone out: measured, then told. A WSGI layer around Flask.

What the answer is, is not changed by it.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from flask import Flask, Request

from cocoannot.api.responses import REVISION

if TYPE_CHECKING:
    from _typeshed.wsgi import StartResponse, WSGIApplication, WSGIEnvironment

UNMATCHED = "unmatched"
"""The route of a request that no rule takes."""


@dataclass
class ServedRequest:
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


def instrument(
    app: Flask,
    revision: Callable[[], int],
    on_begin: Callable[[], object],
    on_end: Callable[[ServedRequest], object],
) -> None:
    """Call `on_begin` for each request to `app`, and `on_end` once its answer has gone out, or was given up."""
    app.wsgi_app = _Instrumented(app.wsgi_app, revision, on_begin, on_end)  # type: ignore[method-assign]


class _Instrumented:
    def __init__(
        self,
        app: WSGIApplication,
        revision: Callable[[], int],
        on_begin: Callable[[], object],
        on_end: Callable[[ServedRequest], object],
    ) -> None:
        self._app = app
        self._revision = revision
        self._on_begin = on_begin
        self._on_end = on_end

    def __call__(self, environ: WSGIEnvironment, start_response: StartResponse) -> Iterable[bytes]:
        started = time.perf_counter()
        served = ServedRequest(
            environ["REQUEST_METHOD"], environ.get("PATH_INFO", ""), environ.get("REMOTE_ADDR") or "-"
        )

        sent_headers: list[tuple[str, str]] = []

        def start(status: str, headers: list[tuple[str, str]], exc_info: Any = None) -> Callable[[bytes], object]:
            nonlocal sent_headers
            served.status, sent_headers = int(status[:3]), headers
            told = next((value for name, value in headers if name == REVISION), None)
            served.revision = self._revision() if told is None else int(told)
            # Here werkzeug leaves its request until it is answered, also one that was refused before any view.
            request = environ.get("werkzeug.request")
            if isinstance(request, Request) and request.url_rule is not None:
                served.route = request.url_rule.rule
            return start_response(status, headers, exc_info)

        def end() -> None:
            served.seconds = time.perf_counter() - started
            self._on_end(served)

        self._on_begin()
        try:
            body = self._app(environ, start)
        except BaseException:
            end()
            raise
        close = _Close(body, end)
        wrapper = environ.get("wsgi.file_wrapper")
        if isinstance(wrapper, type) and isinstance(body, wrapper):
            # The server may send it by its descriptor, past us.
            served.sent = next((int(value) for name, value in sent_headers if name.lower() == "content-length"), 0)
            body.close = close  # type: ignore[attr-defined]
            return body
        return _CountedBody(body, served, close)


class _Close:
    """Closes a body, and tells that the answer has ended; once."""

    def __init__(self, body: Iterable[bytes], end: Callable[[], object]) -> None:
        self._close: Callable[[], object] = getattr(body, "close", lambda: None)
        self._end: Callable[[], object] | None = end

    def __call__(self) -> None:
        end, self._end = self._end, None
        try:
            self._close()
        finally:
            if end is not None:
                end()


class _CountedBody:
    """An answer's body, that counts what is taken from it."""

    def __init__(self, body: Iterable[bytes], served: ServedRequest, close: Callable[[], None]) -> None:
        self._blocks = iter(body)
        self._served = served
        self.close = close

    def __iter__(self) -> Iterator[bytes]:
        return self

    def __next__(self) -> bytes:
        block = next(self._blocks)
        self._served.sent += len(block)
        return block
