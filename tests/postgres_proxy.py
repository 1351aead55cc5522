"""What stands between a store and PostgreSQL, and cuts its connections after so many bytes."""

from __future__ import annotations

import socket
import threading
from contextlib import suppress


class CuttingProxy:
    """At `port`, for the server at another one on this machine. Passes everything until `cut_after` was called."""

    def __init__(self, target: int) -> None:
        self.cuts = 0
        """How often connections were cut."""
        self._target = target
        self._listener = socket.create_server(("127.0.0.1", 0))
        self.port: int = self._listener.getsockname()[1]
        # Guards what is left until the cut, and the connections.
        self._lock = threading.Lock()
        self._left: dict[bool, int | None] = {True: None, False: None}
        self._pairs: set[tuple[socket.socket, socket.socket]] = set()
        self._threads = [threading.Thread(target=self._accept, daemon=True)]
        self._threads[0].start()

    def cut_after(self, number: int, *, of_client: bool) -> None:
        """Cut all connections once so many bytes more have gone from the client, or to it; what goes beyond is lost."""
        with self._lock:
            self._left = {of_client: number, not of_client: None}

    def turn(self, target: int) -> None:
        """Cut all connections, and be for the server at another port from now on."""
        self._target = target
        self._cut()

    def pass_all(self) -> None:
        """Cut no more."""
        with self._lock:
            self._left = {True: None, False: None}

    def close(self) -> None:
        """Cut everything, for good."""
        with suppress(OSError):
            self._listener.shutdown(socket.SHUT_RDWR)
        self._listener.close()
        self._cut()
        for thread in self._threads:
            thread.join()

    def _accept(self) -> None:
        with suppress(OSError):
            while True:
                client, _ = self._listener.accept()
                try:
                    server = socket.create_connection(("127.0.0.1", self._target))
                except OSError:
                    client.close()
                    continue
                pair = (client, server)
                with self._lock:
                    self._pairs.add(pair)
                for of_client in (True, False):
                    thread = threading.Thread(target=self._pass, args=(pair, of_client), daemon=True)
                    self._threads.append(thread)
                    thread.start()

    def _pass(self, pair: tuple[socket.socket, socket.socket], of_client: bool) -> None:
        source, target = pair if of_client else pair[::-1]
        with suppress(OSError):
            while data := source.recv(65536):
                part, cut = self._allowed(data, of_client)
                target.sendall(part)
                if cut:
                    self._cut()
        for each in pair:
            with suppress(OSError):
                each.shutdown(socket.SHUT_RDWR)
        with self._lock:
            if pair in self._pairs:
                self._pairs.remove(pair)
                return
        # The other thread has ended already.
        for each in pair:
            each.close()

    def _allowed(self, data: bytes, of_client: bool) -> tuple[bytes, bool]:
        """What of `data` still goes, and whether that is all."""
        with self._lock:
            left = self._left[of_client]
            if left is None:
                return data, False
            if len(data) <= left:
                self._left[of_client] = left - len(data)
                return data, False
            self._left = {True: None, False: None}
            self.cuts += 1
            return data[:left], True

    def _cut(self) -> None:
        with self._lock:
            pairs = list(self._pairs)
        for pair in pairs:
            for each in pair:
                with suppress(OSError):
                    each.shutdown(socket.SHUT_RDWR)
