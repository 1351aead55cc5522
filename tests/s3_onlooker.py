"""A way to an S3 server that sees each request, and does what a test wants at one moment of it. What requests mean is
not known here.

    head came --before--> body sent on --amid, at a byte of it--> answer came --after--> answer given
"""

from __future__ import annotations

import http.client
import threading
from collections.abc import Callable, Iterator
from contextlib import closing, contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any, Literal, NamedTuple
from urllib.parse import unquote, urlsplit

_BLOCK = 1 << 16
_LIMIT = 60.0

Moment = Literal["before", "amid", "after"]


class Request(NamedTuple):
    """A request as it came; `status` is what was answered, 0 where no answer was given."""

    method: str
    path: str
    headers: dict[str, str]
    status: int


class Lose(Exception):
    """Raised by an action: the connection is cut, without an answer."""


class _Plan(NamedTuple):
    moment: Moment
    which: str
    at_byte: int
    action: Callable[[], object]
    always: bool


class Onlooker:
    """The server at `target`, at another `url`. Requests are `HEAD`, `GET`, `PUT`, and `COPY` for a copy within S3."""

    def __init__(self, target: str) -> None:
        self.requests: list[Request] = []
        self.url = ""
        address = urlsplit(target)
        self._target = (address.hostname or "", address.port)
        # Guards the plans.
        self._lock = threading.Lock()
        self._plans: list[_Plan] = []

    def at(
        self,
        moment: Moment,
        which: str,
        action: Callable[[], object],
        *,
        at_byte: int = 0,
        always: bool = False,
    ) -> None:
        """Do `action` at a moment of the next request of this kind, or of each; `amid`, when `at_byte` bytes of its
        body were sent on. While it runs the request waits; it may raise `Lose`."""
        with self._lock:
            self._plans.append(_Plan(moment, which, at_byte, action, always))

    def let_pass(self) -> None:
        """Forget what was planned."""
        with self._lock:
            self._plans.clear()

    def of(self, which: str) -> list[Request]:
        """The requests of one kind, in the order of their answers."""
        return [request for request in self.requests if _kind(request.method, request.headers) == which]

    def reach(self, moment: Moment, which: str, sent: int = 0) -> None:
        """A request is there; `sent` bytes of its body were sent on."""
        with self._lock:
            due = [plan for plan in self._plans if plan[:2] == (moment, which) and plan.at_byte <= sent]
            # One each, so that what is planned for a request and its repetition is done in turn.
            due = due[:1]
            for plan in due:
                if not plan.always:
                    self._plans.remove(plan)
        for plan in due:
            plan.action()

    def lead(self, handler: BaseHTTPRequestHandler) -> None:
        """One request, there and back. Raises `Lose`, `OSError`, `HTTPException`."""
        headers = {name.lower(): value for name, value in handler.headers.items()}
        which, left = _kind(handler.command, headers), int(headers.get("content-length", 0))
        self.reach("before", which)
        with closing(http.client.HTTPConnection(*self._target, timeout=_LIMIT)) as connection:
            connection.putrequest(handler.command, handler.path, skip_host=True, skip_accept_encoding=True)
            for name, value in handler.headers.items():
                if name.lower() not in ("expect", "connection"):
                    connection.putheader(name, value)
            connection.endheaders()
            sent = 0
            while left > sent:
                block = handler.rfile.read(min(_BLOCK, left - sent))
                if not block:
                    raise ConnectionError("the client has gone")
                connection.send(block)
                sent += len(block)
                self.reach("amid", which, sent)
            answer = connection.getresponse()
            body = answer.read()
        self.reach("after", which)
        self._note(handler, headers, answer.status)
        handler.send_response_only(answer.status, answer.reason)
        for name, value in answer.getheaders():
            if name.lower() not in ("connection", "transfer-encoding", "content-length"):
                handler.send_header(name, value)
        length = answer.getheader("Content-Length") if handler.command == "HEAD" else str(len(body))
        handler.send_header("Content-Length", length or "0")
        handler.end_headers()
        handler.wfile.write(body)

    def _note(self, handler: BaseHTTPRequestHandler, headers: dict[str, str], status: int) -> None:
        self.requests.append(Request(handler.command, unquote(handler.path), headers, status))


class _Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    onlooker: Onlooker

    def _lead(self) -> None:
        try:
            self.onlooker.lead(self)
        except (Lose, OSError, http.client.HTTPException):
            headers = {name.lower(): value for name, value in self.headers.items()}
            self.onlooker.requests.append(Request(self.command, unquote(self.path), headers, 0))
            self.close_connection = True

    do_HEAD = do_GET = do_PUT = do_DELETE = do_POST = _lead

    def log_message(self, *args: object) -> None:
        pass


class _Http(ThreadingHTTPServer):
    daemon_threads = True

    def handle_error(self, request: Any, client_address: Any) -> None:
        """A client that breaks off is no error here."""


@contextmanager
def onlooker_of(target: str) -> Iterator[Onlooker]:
    """An `Onlooker` of the server at `target`."""
    onlooker = Onlooker(target)
    with _Http(("127.0.0.1", 0), type("Handler", (_Handler,), {"onlooker": onlooker})) as server:
        onlooker.url = f"http://127.0.0.1:{server.server_address[1]}"
        thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.02})
        thread.start()
        try:
            yield onlooker
        finally:
            onlooker.let_pass()
            server.shutdown()
            thread.join()


def _kind(method: str, headers: dict[str, str]) -> str:
    return "COPY" if "x-amz-copy-source" in headers else method
