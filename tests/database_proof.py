"""The proof that a dataset in PostgreSQL loses nothing: clients write to two servers of two workers each and read from
them, something breaks, and after each round the dataset is compared with all that was acknowledged.

    PYTHONPATH=.:tests .venv/bin/python tests/database_proof.py --rounds 100

prints a table. The bounded form is `tests/test_postgres_proof.py`.
"""

from __future__ import annotations

import argparse
import http.client
import json
import os
import random
import sys
import tempfile
import time
from collections import Counter
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import ExitStack, contextmanager, suppress
from functools import partial
from pathlib import Path
from typing import Any, NamedTuple, TypeVar

import database_breaking as breaking
import postgres_cluster
from database_breaking import Break, Machine, Place, Unwell
from database_clients import IMAGES, PACE, Client, Ledger, Reader, Writer, WriterWithoutKeys
from postgres_cluster import ClusterPlace, is_installed, running_cluster
from postgres_proxy import CuttingProxy
from postgres_servers import clean_up, running_postgres
from postgres_workers import Workers, serving
from servers import Answer, until

from cocoannot.database_uri import DatabaseUri
from cocoannot.store.postgres.importing import import_file
from cocoannot.store.postgres.maintenance import check_dataset

_DATASET = {
    "images": [{"id": n, "file_name": f"{n}.jpg", "width": 640, "height": 480} for n in IMAGES],
    "annotations": [{"id": 1, "image_id": 1, "category_id": 1, "bbox": [1, 2, 3, 4]}],
    "categories": [{"id": 1, "name": "car"}],
}

RECOVERY = 30.0
"""Seconds after the database itself within which every writer has to be acknowledged again."""

KINDS: Mapping[str, Break] = {
    "a worker of each server killed (kill -9)": breaking.kill_workers,
    "a worker paused within a change (SIGSTOP)": breaking.pause_worker,
    "PostgreSQL killed (kill -9)": breaking.kill_postgres,
    "one backend killed (kill -9)": breaking.kill_backend,
    "all backends terminated, five times": breaking.terminate_backends,
    "PostgreSQL paused for 5 s (SIGSTOP)": breaking.pause(5),
    "PostgreSQL paused for 40 s": breaking.pause(40),
    "connections cut, 40 times, after any byte": breaking.cut(40),
    "SERIALIZABLE by default, backends terminated": breaking.serializable,
    "the disk full": partial(breaking.fill_disk, patient=True),
    "no database for 40 s": breaking.down(40),
}


CLUSTER_KINDS: Mapping[str, Callable[[ClusterPlace], None]] = {
    "Patroni: switchover": postgres_cluster.switch_over,
    "Patroni: the leading PostgreSQL killed (kill -9)": postgres_cluster.kill_leading_postgres,
    "Patroni: the whole leading node killed (kill -9)": postgres_cluster.kill_leading_node,
    "Patroni: another whole node killed (kill -9)": postgres_cluster.kill_other_node,
    "Patroni: the leading PostgreSQL paused, its Patroni killed": postgres_cluster.pause_leading_postgres,
}

Broken = TypeVar("Broken", bound=Place)


class Round(NamedTuple):
    """What came of one round."""

    changes: int
    """Changes that were acknowledged."""
    answers_503: int
    cut: int
    """Requests whose connection was cut."""
    recovery: float
    """Seconds from the time when the database was back until every writer had been acknowledged again."""
    longest: float
    """Seconds between two acknowledgements of one writer, at most."""
    wrong: list[str]


@contextmanager
def clients(urls: list[str], ledger: Ledger, seed: int) -> Iterator[list[Client]]:
    """Four that write with keys, two without, and two that read, until the end."""
    found: list[Client] = [Writer(urls[n % 2 :] + urls[: n % 2], f"writer {n}", ledger, seed, PACE) for n in range(4)]
    found += [WriterWithoutKeys(urls[n:] + urls[:n], f"writer {4 + n}", ledger, seed, PACE) for n in range(2)]
    found += [Reader(urls[n:] + urls[:n], f"reader {n}", ledger, seed, PACE) for n in range(2)]
    for each in found:
        each.start()
    try:
        yield found
    finally:
        for each in found:
            each.end()
        for each in found:
            each.join()


def play(place: Broken, uri: DatabaseUri, kind: Callable[[Broken], None], seed: int, changes: int = 20) -> Round:
    """One round: clients work, something breaks, they go on, and everything is compared."""
    ledger = place.ledger
    before, seen, ledger.longest = ledger.changes, Counter(ledger.seen), 0.0
    ledger.last.clear()
    with clients([each.url for each in place.servers], ledger, seed) as people:
        place.go_on(changes)
        kind(place)
        back = time.monotonic()
        writers = [each.name for each in people if not isinstance(each, Reader)]
        until(
            lambda: ledger.wrong or all(ledger.last.get(name, 0) > back for name in writers),
            "every writer is acknowledged again",
            120,
        )
        recovery = time.monotonic() - back
        place.go_on(changes)
    wrong = [*ledger.wrong, *differences(place, uri)]
    if recovery > RECOVERY:
        wrong.append(f"it took {recovery:.1f} s until every writer was acknowledged again")
    seen = Counter(ledger.seen) - seen
    return Round(ledger.changes - before, seen["503"], seen["cut"] + seen["timeout"], recovery, ledger.longest, wrong)


def differences(place: Place, uri: DatabaseUri) -> list[str]:
    """What in the dataset, as every server tells it, is not what the clients were told."""
    ledger, found = place.ledger, []
    for server in place.servers:
        until(server.is_ready, "the server is ready", 60)
        records = [each for n in IMAGES for each in read(server, f"/api/images/{n}/annotations")]
        there = {each["id"]: each["note"] for each in records if "note" in each}
        times = Counter(each["note"] for each in records if "note" in each)
        unknown = {note for note in there.values() if note in ledger.unknown}
        if len({each["id"] for each in records}) != len(records):
            found.append("an id is there twice")
        if lost := {record_id: note for record_id, note in ledger.expected.items() if there.get(record_id) != note}:
            found.append(f"acknowledged, and not there: {lost}")
        if more := {note for record_id, note in there.items() if record_id not in ledger.expected} - unknown:
            found.append(f"there, and never acknowledged: {more}")
        pairs = {each["pair"] for each in records if "pair" in each}
        if twice := [note for note, count in times.items() if count != (2 if note in pairs else 1)]:
            found.append(f"made twice: {twice}")
        # Each change has one revision: one that was made twice would have two.
        revision = read(server, "/api/status")["revision"]["memory"]
        if revision != ledger.changes + len(unknown):
            found.append(f"revision {revision} after {ledger.changes} changes and {len(unknown)} in doubt")
    return found + check_dataset(uri)


def read(server: Workers, path: str) -> Any:
    """What a server answers, perhaps after it asked to come again."""

    def ask() -> Answer | None:
        with suppress(OSError, http.client.HTTPException):
            answer = server.ask("GET", path)
            return answer if answer.status == 200 else None
        return None

    answer = until(ask, f"GET {path} is answered", 60)
    assert answer is not None
    return answer.body


@contextmanager
def one_machine(folder: Path, seed: int, *, small_disk: bool) -> Iterator[tuple[Machine, DatabaseUri]]:
    """Two servers and one PostgreSQL, where root may on a small disk of its own."""
    path = folder / "street.json"
    path.write_text(json.dumps(_DATASET))
    with ExitStack() as stack:
        # Nobody else may look into the folder of a test, and PostgreSQL runs as somebody else.
        top = Path(stack.enter_context(tempfile.TemporaryDirectory(prefix="cocoannot-proof-")))
        top.chmod(0o755)
        disk = stack.enter_context(breaking.small_disk(top / "disk")) if small_disk else None
        settings = {"min_wal_size": "32MB", "max_wal_size": "48MB"}
        database = stack.enter_context(running_postgres(disk, fsync="on", **settings))
        uri = DatabaseUri(database.uri(), "street")
        import_file(uri, path)
        proxy = CuttingProxy(database.port)
        stack.callback(proxy.close)
        through = DatabaseUri(uri.dsn.replace(str(database.port), str(proxy.port)), uri.dataset)
        servers: list[Workers] = [stack.enter_context(serving(each, path)) for each in (uri, through)]
        yield Machine(servers, Ledger(), random.Random(seed), database, proxy, disk), uri


@contextmanager
def one_cluster(folder: Path, seed: int) -> Iterator[tuple[ClusterPlace, DatabaseUri]]:
    """Two servers, and three nodes with Patroni."""
    path = folder / "street.json"
    path.write_text(json.dumps(_DATASET))
    with running_cluster() as cluster, ExitStack() as stack:
        uri = DatabaseUri(cluster.uri(), "street")
        import_file(uri, path)
        servers = [stack.enter_context(serving(uri, path)) for _ in range(2)]
        yield ClusterPlace(servers, Ledger(), random.Random(seed), cluster), uri


def row(kind: str, rounds: Sequence[Round]) -> str:
    """A line of the table."""
    wrong = sum(bool(each.wrong) for each in rounds)
    return (
        f"| {kind} | {len(rounds)} | {sum(each.changes for each in rounds):,} "
        f"| {sum(each.answers_503 for each in rounds)} "
        f"| {sum(each.cut for each in rounds)} | {max(each.recovery for each in rounds):.1f} "
        f"| {max(each.longest for each in rounds):.1f} | {wrong} |"
    )


TITLE = (
    "| what breaks | rounds | changes | 503 | cut off | again after, s | longest pause, s | wrong |\n"
    "| --- | --- | --- | --- | --- | --- | --- | --- |"
)


def judge(place: Broken, uri: DatabaseUri, kind: Callable[[Broken], None], seed: int) -> Round:
    """The same. Raises `Unwell` where what went wrong is no fault of cocoannot's."""
    try:
        found = play(place, uri, kind, seed)
    except AssertionError:
        place.check()
        raise
    if found.wrong:
        place.check()
    return found


def play_all(
    place: Broken, uri: DatabaseUri, kinds: Mapping[str, Callable[[Broken], None]], rounds: int, seed: int
) -> dict[str, list[Round]]:
    """So many rounds, all kinds in turn, until one goes wrong, or the database itself is not well any more."""
    done: dict[str, list[Round]] = {}
    for number in range(rounds):
        name, kind = list(kinds.items())[number % len(kinds)]
        try:
            found = judge(place, uri, kind, seed + number)
        except Unwell as exc:
            print(f"{name}: no verdict on cocoannot, and no more rounds: {exc}", flush=True)
            break
        done.setdefault(name, []).append(found)
        print(f"{time.strftime('%H:%M:%S')} {row(name, [found])}", *found.wrong, sep="\n  ", flush=True)
        if found.wrong:
            break
    return done


def main(arguments: Sequence[str]) -> int:
    """Play rounds, and print the table; returns the exit status."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--rounds", type=int, default=77, help="rounds on one machine")
    parser.add_argument("--cluster-rounds", type=int, default=25, help="rounds with Patroni, where it is installed")
    parser.add_argument("--only", default="", help="kinds whose names contain this")
    parser.add_argument("--seed", type=int, default=random.randrange(1 << 30))
    options = parser.parse_args(arguments)
    print(f"--seed {options.seed}", flush=True)
    kinds = {name: kind for name, kind in KINDS.items() if options.only in name}
    cluster_kinds = {name: kind for name, kind in CLUSTER_KINDS.items() if options.only in name}
    done: dict[str, list[Round]] = {}
    if os.geteuid():
        print("only root may have a small disk: none gets full")
        kinds.pop("the disk full", None)
    if not is_installed:
        print("patroni, etcd-server or postgresql is not installed: no cluster")
        cluster_kinds = {}
    with ExitStack() as stack:
        stack.callback(clean_up)
        folder = Path(stack.enter_context(tempfile.TemporaryDirectory(prefix="cocoannot-proof-")))
        if kinds and options.rounds:
            with one_machine(folder, options.seed, small_disk=os.geteuid() == 0) as (machine, uri):
                done |= play_all(machine, uri, kinds, options.rounds, options.seed)
        if cluster_kinds and options.cluster_rounds:
            with one_cluster(folder, options.seed) as (cluster, uri):
                done |= play_all(cluster, uri, cluster_kinds, options.cluster_rounds, options.seed)
    print(TITLE, *(row(name, rounds) for name, rounds in done.items()), sep="\n")
    return any(each.wrong for rounds in done.values() for each in rounds)


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
