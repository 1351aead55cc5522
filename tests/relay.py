"""What stands between browsers and a server, as a proxy does, and cuts their streams of events off."""

from __future__ import annotations

import socket
import threading
from collections.abc import Callable
from contextlib import suppress
from urllib.parse import urlsplit


class Relay:
    """At `url`, for the server at another one. No stream comes through while `is_closed`."""

    def __init__(self, url: str) -> None:
        target = urlsplit(url)
        assert target.hostname
        assert target.port
        self._target = (target.hostname, target.port)
        self._listener = socket.create_server(("127.0.0.1", 0))
        self.url = f"http://127.0.0.1:{self._listener.getsockname()[1]}"
        self.is_closed = False
        self.asked: list[bytes] = []
        """The heads of the requests for streams."""
        self._streams: list[socket.socket] = []
        self._sockets: list[socket.socket] = []
        self._threads: list[threading.Thread] = []
        self._start(self._accept)

    def cut(self) -> None:
        """Cut off all streams, and let none through."""
        self.is_closed = True
        for stream in self._streams:
            _shut(stream)

    def close(self) -> None:
        """Cut off everything."""
        _shut(self._listener)
        self._threads[0].join()
        for each in self._sockets:
            _shut(each)
        for thread in self._threads:
            thread.join()
        for each in (self._listener, *self._sockets):
            each.close()

    def _start(self, run: Callable[..., None], *args: socket.socket) -> None:
        thread = threading.Thread(target=run, args=args, daemon=True)
        self._threads.append(thread)
        thread.start()

    def _accept(self) -> None:
        with suppress(OSError):
            while True:
                browser, _ = self._listener.accept()
                self._sockets.append(browser)
                server = socket.create_connection(self._target)
                self._sockets.append(server)
                self._start(self._ask, browser, server)
                self._start(self._answer, server, browser)

    def _ask(self, browser: socket.socket, server: socket.socket) -> None:
        with suppress(OSError):
            while data := browser.recv(65536):
                if data.startswith(b"GET /api/events"):
                    self.asked.append(data)
                    if self.is_closed:
                        break
                    self._streams.append(browser)
                server.sendall(data)
        _shut(browser)
        _shut(server)

    def _answer(self, server: socket.socket, browser: socket.socket) -> None:
        with suppress(OSError):
            while data := server.recv(65536):
                browser.sendall(data)
        _shut(browser)


def _shut(connection: socket.socket) -> None:
    with suppress(OSError):
        connection.shutdown(socket.SHUT_RDWR)
