"""Measure servers of a dataset in PostgreSQL beside one of a file and a bare route, over HTTP, and print a table.

python -m bench.database_http postgresql://USER@HOST/DATABASE [--scale 0.1] [--seconds 3] [--workers 1 2 4]

The database has to be on this machine, and to have its tables (`cocoannot db upgrade`); a dataset `bench` is made in
it, and removed. The processor's time is that of the server's processes, and of all of the database's.
"""

from __future__ import annotations

import argparse
import os
import statistics
import tempfile
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import NamedTuple

from bench.servers import Round, Server, request_text
from bench.synthetic import image_ids, new_annotations, write_dataset
from cocoannot.database_uri import DatabaseUri, split_database_uri
from cocoannot.store.postgres.database import connect
from cocoannot.store.postgres.maintenance import import_file, remove

_TICKS = os.sysconf("SC_CLK_TCK")
_ROUNDS = 3


class Seen(NamedTuple):
    """What one round came to: requests a second, and microseconds of the processor for each, here and there."""

    throughput: float
    application: float
    database: float


def main(arguments: Sequence[str] | None = None) -> None:
    """Parse the arguments, measure, print."""
    parser = argparse.ArgumentParser(
        prog="python -m bench.database_http", description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("database", help="postgresql://USER@HOST/DATABASE")
    parser.add_argument("--scale", type=float, default=1.0, help="part of train2017's size (default: 1)")
    parser.add_argument("--seconds", type=float, default=3.0, help="length of a round (default: 3)")
    parser.add_argument("--workers", type=int, nargs="+", default=[1, 2, 4], help="of a database's servers")
    options = parser.parse_args(arguments)
    uri = DatabaseUri(split_database_uri(options.database)[0], "bench")
    with tempfile.TemporaryDirectory(prefix="cocoannot-bench-") as folder:
        path = Path(folder) / "dataset.json"
        write_dataset(path, options.scale)
        import_file(uri, path)
        try:
            measure(uri, path, options.scale, options.seconds, options.workers)
        finally:
            remove(uri)


def measure(uri: DatabaseUri, path: Path, scale: float, seconds: float, workers: Sequence[int]) -> None:
    """Start the servers, load them by turns, and print a row for each."""
    servers = {"a file": Server("cocoannot", path, {})}
    gets = [request_text("GET", f"/api/images/{each}/annotations") for each in image_ids(scale, 1000)]
    additions = new_annotations(scale)["polygon"]
    posts = [request_text("POST", "/api/annotations", each) for each in additions]
    file = servers["a file"]
    listed = sum(len(file.request("GET", f"/api/images/{each}/annotations")) for each in image_ids(scale, 100)) // 100
    added = len(file.request("POST", "/api/annotations", additions[0]))
    servers["bare route"] = Server("bare route", path, {"BENCH_LISTED": str(listed), "BENCH_ADDED": str(added)})
    for count in workers:
        env = {"COCOANNOT_DATASET": uri.text, "GUNICORN_CMD_ARGS": f"--workers {count}"}
        servers[f"a database, {count} workers"] = Server("cocoannot", path, env)
    postmaster = _postmaster(uri)
    try:
        for what, requests in (("POST", posts), ("GET", gets)):
            seen: dict[str, list[Seen]] = {name: [] for name in servers}
            for _ in range(_ROUNDS):
                for name, server in servers.items():
                    seen[name].append(_round(server, requests, seconds, lambda: _spent(postmaster)))
            _print(what, seen)
    finally:
        for server in servers.values():
            server.close()


def _round(server: Server, requests: Sequence[str], seconds: float, database: Callable[[], float]) -> Seen:
    # Clients need the processor too, and are counted nowhere.
    before = _spent(server.pid), database()
    found: Round = server.load(requests, seconds, warm_up=0)
    count = len(found.latencies)
    spent = [(now - then) * 1e6 / count for now, then in zip((_spent(server.pid), database()), before, strict=True)]
    return Seen(found.throughput, *spent)


def _print(what: str, seen: dict[str, list[Seen]]) -> None:
    medians = {name: Seen(*map(statistics.median, zip(*rounds, strict=True))) for name, rounds in seen.items()}
    file = medians["a file"]
    print(f"\n| `{what}`, 8 clients | /s | to a file's | application, us | database, us | together, to a file's |")
    print("| --- | --- | --- | --- | --- | --- |")
    for name, each in medians.items():
        there = each.database if name.startswith("a database") else 0.0
        cost = (each.application + there) / file.application
        print(
            f"| {name} | {each.throughput:.0f} | {each.throughput / file.throughput:.2f} | {each.application:.0f} "
            f"| {there:.0f} | {cost:.2f} |"
        )


def _postmaster(uri: DatabaseUri) -> int:
    with connect(uri.dsn) as connection:
        row = connection.execute("SELECT pg_backend_pid()").fetchone()
        assert row is not None
        return int(_stat(row[0])[1])


def _spent(pid: int) -> float:
    """Seconds of the processor that a process and its children have taken, those included that have ended."""
    total = sum(map(int, _stat(pid)[11:15])) / _TICKS
    for child in Path(f"/proc/{pid}/task/{pid}/children").read_text().split():
        try:
            total += sum(map(int, _stat(int(child))[11:13])) / _TICKS
        except OSError:
            continue
    return total


def _stat(pid: int) -> list[str]:
    """What the kernel says of a process, from its state on."""
    return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()


if __name__ == "__main__":
    main()
