"""Readers of event streams, all in one program of its own.

python -m bench.readers PORT NUMBER IMAGE...

With images, each reader follows one of them. Prints `ready` once all are connected, reads until its input ends, and
then until nothing comes for a second. Prints `{"events", "closed", "delays"}`: events received by all, streams that the
server closed, and seconds from each change to its arrival at some of the readers.
"""

from __future__ import annotations

import json
import re
import resource
import selectors
import socket
import sys
import time

_TIME = re.compile(rb'"time":([0-9.]+)')
_OF_ONE = 20
_SAMPLE = 100
_QUIET = 1.0


def main() -> None:
    """Connect, read, print."""
    port, number, images = int(sys.argv[1]), int(sys.argv[2]), sys.argv[3:]
    hard = resource.getrlimit(resource.RLIMIT_NOFILE)[1]
    resource.setrlimit(resource.RLIMIT_NOFILE, (hard, hard))
    selector = selectors.DefaultSelector()
    for reader in range(number):
        query = f"?image_id={images[reader % len(images)]}" if images else ""
        selector.register(_connect(port, query, reader), selectors.EVENT_READ, reader)
    selector.register(sys.stdin, selectors.EVENT_READ, None)
    print("ready", flush=True)
    delays: list[float] = []
    events = closed = 0
    quiet_at = float("inf")
    while time.monotonic() < quiet_at:
        for key, _ in selector.select(0.2):
            if key.data is None:
                selector.unregister(sys.stdin)
                quiet_at = time.monotonic() + _QUIET
                continue
            assert isinstance(key.fileobj, socket.socket)
            data = key.fileobj.recv(1 << 18)
            arrived = time.time()
            if not data:
                closed += 1
                selector.unregister(key.fileobj)
                continue
            found = data.count(b"event: change")
            events += found
            if found and quiet_at < float("inf"):
                quiet_at = time.monotonic() + _QUIET
            if key.data % max(1, number // _SAMPLE) == 0:
                delays += [arrived - float(made) for made in _TIME.findall(data)]
    print(json.dumps({"events": events, "closed": closed, "delays": delays}))


def _connect(port: int, query: str, reader: int) -> socket.socket:
    connection = socket.socket()
    connection.settimeout(30)
    # As many addresses as the number of streams of each needs.
    connection.bind((f"127.0.{1 + reader // _OF_ONE // 250}.{1 + reader // _OF_ONE % 250}", 0))
    connection.connect(("127.0.0.1", port))
    connection.sendall(f"GET /api/events{query} HTTP/1.1\r\nHost: localhost\r\n\r\n".encode())
    if b" 200 " not in (first := connection.recv(1 << 16)):
        raise ConnectionError(repr(first[:200]))
    return connection


if __name__ == "__main__":
    main()
