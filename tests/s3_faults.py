"""Servers and ways to them that fail when they are told to: a small S3 in memory that refuses, hangs and sends rubbish,
a proxy that cuts, delays and slows connections, an address that takes none. What must come of that is not known here.
"""

from __future__ import annotations

import asyncio
import hashlib
import re
import socket
import ssl
import struct
import threading
from collections import defaultdict, deque
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from email.message import Message
from email.utils import formatdate
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any, Literal, NamedTuple
from urllib.parse import unquote, urlsplit

_LIMIT = 15.0
"""Seconds that a request hangs where nobody lets it go; less than the default time-out, which is told from it so."""


class Asked(NamedTuple):
    """A request as it came; `trailer` is what came after an aws-chunked body."""

    method: str
    path: str
    headers: Message
    trailer: bytes


@dataclass
class Stored:
    """An object: its bytes and its metadata."""

    data: bytes
    metadata: dict[str, str] = field(default_factory=dict)

    @property
    def etag(self) -> str:
        return f'"{hashlib.md5(self.data).hexdigest()}"'


class ScriptedS3:
    """Keeps objects, by `/BUCKET/KEY`, and answers as S3 does, but for what it was told to do otherwise."""

    def __init__(self) -> None:
        self.objects: dict[str, Stored] = {}
        self.asked: list[Asked] = []
        self.url = ""
        self.ignores_conditions = False
        self._next: defaultdict[str, deque[Answer]] = defaultdict(deque)
        self._always: dict[str, Answer] = {}
        self._let_go = threading.Event()

    def next(self, method: str, *answers: Answer) -> None:
        """Answer the next requests of `method` so, one each."""
        self._next[method].extend(answers)

    def always(self, method: str, answer: Answer) -> None:
        """Answer every request of `method` so, until `mend`."""
        self._always[method] = answer

    def mend(self) -> None:
        """Answer as S3 does from now on; requests that hang are dropped."""
        self._next.clear()
        self._always.clear()
        self._let_go.set()
        self._let_go = threading.Event()

    def hang(self) -> None:
        """Wait until `mend`."""
        self._let_go.wait(_LIMIT)

    def asked_to(self, method: str) -> list[Asked]:
        """The requests of `method` so far."""
        return [asked for asked in self.asked if asked.method == method]

    def answer(self, request: Request) -> None:
        """Answer as told, or else as S3 does."""
        method = request.command
        answer = self._next[method].popleft() if self._next[method] else self._always.get(method, _usual)
        answer(request)


class Request(BaseHTTPRequestHandler):
    """One request to a `ScriptedS3`. The body is read when it is asked for."""

    protocol_version = "HTTP/1.1"
    script: ScriptedS3

    def _answer(self) -> None:
        self.script.asked.append(Asked(self.command, unquote(self.path), self.headers, b""))
        # A client that has gone is what some of the scripts are about.
        with suppress(ConnectionError):
            self.script.answer(self)

    do_HEAD = do_GET = do_PUT = do_CONNECT = _answer

    @property
    def place(self) -> str:
        """`/BUCKET/KEY`, also where the address names a proxy's target."""
        return unquote(urlsplit(self.path).path)

    def body(self) -> bytes:
        """The body, without what wraps it."""
        if self.headers["Transfer-Encoding"] != "chunked":
            return self.rfile.read(int(self.headers["Content-Length"] or 0))
        data, trailer = _unwrap(self._chunks())
        self.script.asked[-1] = self.script.asked[-1]._replace(trailer=trailer)
        return data

    def send(self, status: int, headers: Mapping[str, str] | None = None, body: bytes = b"") -> None:
        """An answer with a body of its own length, unless `headers` say something else."""
        self.send_response(status)
        for name, value in {"Content-Length": str(len(body)), **(headers or {})}.items():
            self.send_header(name, value)
        self.end_headers()
        if self.command != "HEAD":
            self.wfile.write(body)

    def send_object(self, stored: Stored, size: int | None = None) -> None:
        """The head of an answer with `stored`, and its first `size` bytes."""
        headers = {
            "ETag": stored.etag,
            "Content-Length": str(len(stored.data)),
            "Last-Modified": formatdate(usegmt=True),
        }
        headers |= {f"x-amz-meta-{name}": value for name, value in stored.metadata.items()}
        self.send(200, headers, stored.data[:size])
        self.wfile.flush()

    def refuse(self, status: int, code: str, message: str) -> None:
        """An error as S3 sends it; one to a HEAD has no body, so that the client learns the status alone."""
        text = f'<?xml version="1.0"?>\n<Error><Code>{code}</Code><Message>{message}</Message></Error>'
        self.send(status, {"Content-Type": "application/xml"}, text.encode())

    def log_message(self, *args: object) -> None:
        pass

    def _chunks(self) -> bytes:
        data = b""
        while size := int(self.rfile.readline(), 16):
            data += self.rfile.read(size)
            self.rfile.readline()
        self.rfile.readline()
        return data


Answer = Callable[[Request], object]


def refuse(status: int, code: str, message: str = "It is not to be.") -> Answer:
    """An error, once the whole request has come."""

    def answer(request: Request) -> None:
        request.body()
        request.refuse(status, code, message)

    return answer


def hang(request: Request) -> None:
    """No answer, and no more reading."""
    request.script.hang()
    request.close_connection = True


def send_page(request: Request) -> None:
    """A page for people, as a portal sends it that wants them to log in."""
    request.body()
    request.send(200, {"Content-Type": "text/plain"}, b"Please log in")


def send_part(size: int) -> Answer:
    """The object's first `size` bytes, then the connection ends."""

    def answer(request: Request) -> None:
        request.send_object(request.script.objects[request.place], size)
        request.close_connection = True

    return answer


def stall_after(size: int) -> Answer:
    """The object's first `size` bytes, then nothing."""

    def answer(request: Request) -> None:
        request.send_object(request.script.objects[request.place], size)
        hang(request)

    return answer


def announce_less(size: int) -> Answer:
    """The object as if it had `size` bytes, which is less than what was said before."""

    def answer(request: Request) -> None:
        stored = request.script.objects[request.place]
        request.send(200, {"ETag": stored.etag}, stored.data[:size])

    return answer


def first(action: Callable[[], object]) -> Answer:
    """As S3 does, after `action`."""

    def answer(request: Request) -> None:
        action()
        _usual(request)

    return answer


@contextmanager
def scripted_s3(certificate: Path | None = None, key: Path | None = None) -> Iterator[ScriptedS3]:
    """A `ScriptedS3` on a port of its own, over TLS where it is given a certificate."""
    script = ScriptedS3()
    handler = type("Handler", (Request,), {"script": script})
    with _Http(("127.0.0.1", 0), handler) as http:
        if certificate is not None:
            context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
            context.load_cert_chain(certificate, key)
            http.socket = context.wrap_socket(http.socket, server_side=True)
        script.url = f"http{'s' if certificate else ''}://127.0.0.1:{http.server_address[1]}"
        thread = threading.Thread(target=http.serve_forever, kwargs={"poll_interval": 0.02})
        thread.start()
        try:
            yield script
        finally:
            script.mend()
            http.shutdown()
            thread.join()


class _Http(ThreadingHTTPServer):
    daemon_threads = True

    def handle_error(self, request: Any, client_address: Any) -> None:
        """A client that breaks off is no error here."""


def _usual(request: Request) -> None:
    objects, place = request.script.objects, request.place
    if request.command == "PUT":
        _put(request, place)
    elif request.command == "CONNECT":
        request.refuse(502, "BadGateway", "This leads nowhere.")
    elif place not in objects:
        request.refuse(404, "NoSuchKey", "The specified key does not exist.")
    elif request.headers["If-Match"] not in (None, objects[place].etag):
        request.refuse(412, "PreconditionFailed", "A condition did not hold.")
    else:
        request.send_object(objects[place])


def _put(request: Request, place: str) -> None:
    objects, data = request.script.objects, request.body()
    there, headers = objects.get(place), request.headers
    held = headers["If-Match"] in (None, there and there.etag) and not (headers["If-None-Match"] and there)
    if source := unquote(headers["x-amz-copy-source"] or ""):
        stored = objects["/" + source.lstrip("/")]
        if headers["x-amz-copy-source-if-match"] not in (None, stored.etag):
            request.refuse(412, "PreconditionFailed", "A condition did not hold.")
            return
        objects[place] = stored
        request.send(200, body=f"<CopyObjectResult><ETag>{stored.etag}</ETag></CopyObjectResult>".encode())
    elif held or request.script.ignores_conditions:
        prefix = "x-amz-meta-"
        metadata = {name[len(prefix) :].lower(): value for name, value in headers.items() if name.startswith(prefix)}
        objects[place] = Stored(data, metadata)
        request.send(200, {"ETag": objects[place].etag})
    else:
        request.refuse(412, "PreconditionFailed", "A condition did not hold.")


def _unwrap(text: bytes) -> tuple[bytes, bytes]:
    """The data and the trailer of an aws-chunked body: `SIZE[;...]`, data, ..., `0`, trailer, each on its line."""
    data = b""
    while True:
        line, _, text = text.partition(b"\r\n")
        size = int(re.split(b";", line)[0], 16)
        if not size:
            return data, text.strip()
        data, text = data + text[:size], text[size + 2 :]


class _Fault(NamedTuple):
    direction: Literal["up", "down"]
    after: int
    reset: bool


class Proxy:
    """A way to a server. `up` is what the client sends, `down` what it gets."""

    def __init__(self, target: str) -> None:
        address = urlsplit(target)
        self._target = (address.hostname, address.port)
        self._scheme = address.scheme
        self._fault: _Fault | None = None
        self._rate: int | None = None
        self._delay = 0.0
        self.cuts = 0
        self.url = ""

    def cut(self, direction: Literal["up", "down"], after: int, *, reset: bool) -> None:
        """Cut each connection after that many bytes in one direction: by RST with `reset`, else by FIN."""
        self._fault = _Fault(direction, after, reset)

    def slow(self, *, delay: float = 0.0, rate: int | None = None) -> None:
        """Let what comes down wait for `delay` seconds, and be `rate` bytes a second at most."""
        self._delay, self._rate = delay, rate

    def mend(self) -> None:
        """Lead on as if nothing was between."""
        self._fault, self._rate, self._delay = None, None, 0.0

    async def serve(self, ready: threading.Event, loops: list[asyncio.AbstractEventLoop]) -> None:
        """Until the loop is stopped."""
        server = await asyncio.start_server(self._lead, "127.0.0.1", 0)
        self.url = f"{self._scheme}://127.0.0.1:{server.sockets[0].getsockname()[1]}"
        loops.append(asyncio.get_running_loop())
        ready.set()
        async with server:
            await asyncio.Event().wait()

    async def _lead(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        there = None
        try:
            far_reader, there = await asyncio.open_connection(*self._target)
            pumps = [
                asyncio.create_task(self._pump("up", reader, there)),
                asyncio.create_task(self._pump("down", far_reader, writer)),
            ]
            done, waiting = await asyncio.wait(pumps, return_when=asyncio.FIRST_COMPLETED)
            fault = next(filter(None, (pump.result() for pump in done)), None)
            if fault is None:
                await asyncio.gather(*waiting)
            else:
                for pump in waiting:
                    pump.cancel()
                await asyncio.wait(pumps)
                there.transport.abort()
                await self._break(fault, reader, writer)
        except OSError:
            pass
        finally:
            for each in (writer, there):
                if each is not None:
                    each.transport.abort()

    async def _pump(self, direction: str, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> _Fault | None:
        """Pass on what comes, until that ends or the connection is to be cut; returns how."""
        passed = 0
        try:
            while data := await reader.read(16384):
                if direction == "down":
                    await asyncio.sleep(self._delay + (len(data) / self._rate if self._rate else 0))
                fault = self._fault
                if fault and (fault.direction != direction or passed + len(data) <= fault.after):
                    fault = None
                writer.write(data[: max(fault.after - passed, 0)] if fault else data)
                await writer.drain()
                passed += len(data)
                if fault:
                    return fault
            writer.write_eof()
        except OSError:
            # One side broke off: it must not look to the other one as if it still thought about an answer.
            writer.transport.abort()
        return None

    async def _break(self, fault: _Fault, reader: asyncio.StreamReader, client: asyncio.StreamWriter) -> None:
        self.cuts += 1
        if fault.reset:
            linger = struct.pack("ii", 1, 0)
            client.get_extra_info("socket").setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, linger)
            return
        with suppress(OSError):
            client.write_eof()
            # Closing with something unread would send an RST.
            while await reader.read(1 << 20):
                pass


@contextmanager
def proxy_to(url: str) -> Iterator[Proxy]:
    """A `Proxy` to the server at `url`."""
    proxy, ready = Proxy(url), threading.Event()
    loops: list[asyncio.AbstractEventLoop] = []

    def run() -> None:
        with suppress(asyncio.CancelledError):
            asyncio.run(proxy.serve(ready, loops))

    thread = threading.Thread(target=run)
    thread.start()
    try:
        assert ready.wait(_LIMIT)
        yield proxy
    finally:
        for loop in loops:
            loop.call_soon_threadsafe(lambda: [task.cancel() for task in asyncio.all_tasks()])
        thread.join()


@contextmanager
def unanswered_address() -> Iterator[str]:
    """An address where connecting hangs, as behind a firewall that drops everything: its queue is full."""
    with socket.socket() as listener:
        listener.bind(("127.0.0.1", 0))
        listener.listen(0)
        waiting = [socket.socket() for _ in range(4)]
        for each in waiting:
            each.setblocking(False)
            each.connect_ex(listener.getsockname())
        try:
            yield f"http://127.0.0.1:{listener.getsockname()[1]}"
        finally:
            for each in waiting:
                each.close()


def closed_address() -> str:
    """An address where nobody listens."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return f"http://127.0.0.1:{probe.getsockname()[1]}"
