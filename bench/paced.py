"""Requests at a fixed pace, whatever becomes of those before: a program of its own, so that servers get the rest.

python -m bench.paced PORT SECONDS < PLAN

PLAN is JSON, a list of `[NAME, REQUESTS, A_SECOND, CLIENTS]`; requests are whole ones, as text. A request's time counts
from when it was due. Prints `{NAME: {"done", "refused", "latencies"}}`.
"""

from __future__ import annotations

import json
import re
import socket
import sys
import threading
import time
from collections.abc import Sequence
from contextlib import closing
from typing import Any

_LENGTH = re.compile(rb"\r\ncontent-length: *(\d+)", re.IGNORECASE)
_LIMIT = 30.0

_GRACE = 0.5
"""Seconds after the last request was due in which it may be answered."""


class _Client(threading.Thread):
    """One of `clients` that share a pace: it sends each of its requests when that is due, or as soon as it can."""

    def __init__(self, port: int, requests: Sequence[bytes], due: Sequence[float], end: float) -> None:
        super().__init__()
        self.latencies: list[float] = []
        self.in_time = self.refused = 0
        self._port = port
        self._requests = requests
        self._due = due
        self._end = end

    def run(self) -> None:
        with closing(socket.create_connection(("127.0.0.1", self._port), _LIMIT)) as connection:
            connection.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
            for number, due in enumerate(self._due):
                time.sleep(max(0.0, due - time.perf_counter()))
                connection.sendall(self._requests[number % len(self._requests)])
                if _status(connection) < 300:
                    now = time.perf_counter()
                    self.latencies.append(now - due)
                    self.in_time += now <= self._end
                else:
                    self.refused += 1


def _status(connection: socket.socket) -> int:
    data = b""
    while b"\r\n\r\n" not in data:
        data += _more(connection)
    head, _, body = data.partition(b"\r\n\r\n")
    length = _LENGTH.search(head)
    while length is not None and len(body) < int(length[1]):
        body += _more(connection)
    return int(head[9:12])


def _more(connection: socket.socket) -> bytes:
    data = connection.recv(1 << 16)
    if not data:
        raise ConnectionError("the server closed the connection")
    return data


def main() -> None:
    """Send until the time is over, then print."""
    port, seconds = int(sys.argv[1]), float(sys.argv[2])
    begin = time.perf_counter() + 0.2
    plan: dict[str, list[_Client]] = {}
    for name, texts, pace, clients in json.load(sys.stdin):
        requests = [text.encode() for text in texts]
        due = [begin + number / pace for number in range(int(seconds * pace))]
        end = begin + seconds + _GRACE
        plan[name] = [_Client(port, requests[first::clients], due[first::clients], end) for first in range(clients)]
    running = [client for clients in plan.values() for client in clients]
    for client in running:
        client.start()
    for client in running:
        client.join()
    seen: dict[str, Any] = {
        name: {
            # What was answered later was not made at this pace.
            "done": sum(client.in_time for client in clients),
            "refused": sum(client.refused for client in clients),
            "latencies": [latency for client in clients for latency in client.latencies],
        }
        for name, clients in plan.items()
    }
    print(json.dumps(seen))


if __name__ == "__main__":
    main()
