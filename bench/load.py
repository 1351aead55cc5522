"""Clients of an HTTP server, in a process of their own: as cheap as possible, so that not they are what is measured.

    python -m bench.load PORT CLIENTS WARM_UP SECONDS COUNT < REQUESTS

REQUESTS is a JSON list of whole requests as text. Each client has one connection that stays open, and sends the next
request when it has the answer to the one before; where COUNT is not 0, all end after that many answers. Prints
`{"seconds", "statuses", "latencies"}`, of what came after WARM_UP seconds.
"""

from __future__ import annotations

import itertools
import json
import re
import select
import socket
import sys
import time

_LENGTH = re.compile(rb"\r\ncontent-length: *(\d+)", re.IGNORECASE)


class _Client:
    """One connection, with one request on its way."""

    def __init__(self, port: int) -> None:
        self.socket = socket.create_connection(("127.0.0.1", port))
        self.socket.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        self.sent = 0.0
        self._head = b""
        self._received = self._whole = 0

    def send(self, request: bytes) -> None:
        self._head, self._received, self._whole = b"", 0, 0
        self.sent = time.perf_counter()
        self.socket.sendall(request)

    def receive(self) -> int:
        """The status, once the answer is whole, else 0."""
        data = self.socket.recv(1 << 20)
        if not data:
            raise ConnectionError("the server closed the connection")
        self._received += len(data)
        if not self._whole:
            self._head += data
            end = self._head.find(b"\r\n\r\n") + 4
            if end < 4:
                return 0
            length = _LENGTH.search(self._head, 0, end)
            if length is None:
                raise ConnectionError("an answer without its length")
            self._whole = end + int(length[1])
        return int(self._head[9:12]) if self._received >= self._whole else 0


def main() -> None:
    """Send until the time is over, then print."""
    port, clients, warm_up, seconds, count = int(sys.argv[1]), int(sys.argv[2]), *map(float, sys.argv[3:])
    requests = itertools.cycle([text.encode() for text in json.load(sys.stdin)])
    poll = select.epoll()
    by_number = {}
    for _ in range(clients):
        client = _Client(port)
        by_number[client.socket.fileno()] = client
        poll.register(client.socket, select.EPOLLIN)
        client.send(next(requests))
    begin = time.perf_counter() + warm_up
    end = begin + seconds
    latencies: list[float] = []
    statuses: dict[int, int] = {}
    waiting = len(by_number)
    now = begin
    while waiting:
        for number, _ in poll.poll():
            client = by_number[number]
            status = client.receive()
            if not status:
                continue
            now = time.perf_counter()
            if now > begin:
                latencies.append(now - client.sent)
                statuses[status] = statuses.get(status, 0) + 1
            if now < end and not 0 < count <= len(latencies):
                client.send(next(requests))
            else:
                waiting -= 1
    print(json.dumps({"seconds": now - begin, "statuses": statuses, "latencies": latencies}))


if __name__ == "__main__":
    main()
