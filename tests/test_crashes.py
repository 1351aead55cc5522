"""Servers that are killed, reloaded and ended under load, again and again: the dataset is what was acknowledged.

The dataset goes on from server to server. Each client changes annotations of its own, so that it knows what they must
be; a change whose answer never came may or may not have been made, but as a whole. Nothing is told here about power
cuts: what a killed process has written stays.
"""

from __future__ import annotations

import http.client
import json
import os
import random
import re
import signal
import threading
from collections.abc import Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing, contextmanager
from itertools import pairwise
from pathlib import Path
from typing import Any, NamedTuple
from urllib.parse import urlsplit

import msgspec
import pytest
from servers import ANNOTATION, GUNICORN, Reply, Server, exchange, send, serve, start, until

from cocoannot.files.atomic import unfinished
from cocoannot.files.dataset_file import DatasetFile
from cocoannot.files.lock import read_owner
from cocoannot.files.segments import segment_paths
from cocoannot.files.state import read_state

pytestmark = pytest.mark.torture

_CLIENTS = 4
_FEW, _MANY = 4, 20
"""A client with no more annotations than this only adds some, and with no fewer than that adds none."""

_LIMIT = 20.0

Operation = dict[str, Any]
"""One, as batches have them."""


class Given(NamedTuple):
    """An annotation's id, given by a change that made a revision above `after`, which was told before it was sent,
    and `up_to` at most, which its answer told."""

    annotation_id: int
    after: int
    up_to: int


class Unanswered(NamedTuple):
    """A change whose answer never came, and the texts of the annotations that it was to update or delete."""

    operations: list[Operation]
    before: dict[int, bytes]


class Settled(NamedTuple):
    """What became of changes that were not answered: how many were made, with which new ids, and which by half."""

    made: int
    ids: list[int]
    by_half: list[Unanswered]


class Findings(NamedTuple):
    """What differs from what was acknowledged; `revisions` are the one that it should be at, and the one that it is."""

    lost: list[int]
    invented: list[int]
    made_by_half: list[Unanswered]
    out_of_order: list[Any]
    given_twice: list[int]
    revisions: list[int]


NOTHING = Findings([], [], [], [], [], [])


class Acknowledged:
    """What all clients together were told."""

    def __init__(self) -> None:
        # Guards the fields below.
        self._changed = threading.Condition()
        self.changes = 0
        self.revision = 0
        """The highest that an answer told."""
        self.given: list[Given] = []
        """Ids in the order of their answers."""

    def add(self, revision: int, ids: Sequence[int], after: int) -> None:
        with self._changed:
            self.changes += 1
            self.revision = max(self.revision, revision)
            self.given += [Given(each, after, revision) for each in ids]
            self._changed.notify_all()

    def wait_for(self, count: int) -> None:
        """Wait until `count` more changes were acknowledged."""
        with self._changed:
            enough = self.changes + count
            assert self._changed.wait_for(lambda: self.changes >= enough, _LIMIT), f"not within {_LIMIT:g} s: changes"


class Client:
    """Changes annotations of its own, one change at a time, and keeps what it was told about them."""

    def __init__(self, name: str, chance: random.Random, acknowledged: Acknowledged, *, keep_alive: bool) -> None:
        self.texts: dict[int, bytes] = {}
        """Its annotations as they were acknowledged, without those that an unanswered change was to change."""
        self.deleted: set[int] = set()
        self.unanswered: list[Unanswered] = []
        self._name = name
        self._chance = chance
        self._acknowledged = acknowledged
        self._header = "keep-alive" if keep_alive else "close"
        self._changes = 0

    def work(self, url: str, enough: threading.Event, may_be_cut: threading.Event) -> None:
        """Make changes until it is `enough`. It fails where a connection is cut before it may be."""
        with _connection(url) as connection:
            while not enough.is_set():
                operations = self._choose()
                try:
                    self.make(connection, operations)
                except ConnectionRefusedError:
                    # Nothing was sent, and the next server may take a moment.
                    assert may_be_cut.is_set(), "a connection was refused"
                    connection.close()
                    enough.wait(0.01)
                except (ConnectionError, http.client.HTTPException):
                    assert may_be_cut.is_set(), "a connection was cut"
                    connection.close()
                    self._set_aside(operations)

    def make(self, connection: http.client.HTTPConnection, operations: list[Operation]) -> None:
        """Make one change and take over what was acknowledged. Raises `OSError`, `HTTPException`."""
        after = self._acknowledged.revision
        reply = self._send(connection, operations)
        assert reply.status in (200, 201, 204), (reply, operations)
        ids = self._keep(operations, reply.body)
        self._acknowledged.add(int(reply.headers["X-Dataset-Revision"]), ids, after)

    def settle(self, found: Mapping[int, bytes], tokens: Mapping[str, int]) -> Settled:
        """Take what was not answered for made, or for not made, as it was found; `tokens` gives the id of each."""
        made, ids, by_half = 0, [], []
        for change in self.unanswered:
            fates = {_fate(operation, change.before, found, tokens) for operation in change.operations}
            made += fates == {True}
            by_half += [change] * (fates not in ({True}, {False}))
            new = [tokens[token] for each in change.operations if (token := _token(each, "annotation")) in tokens]
            ids += new
            for annotation_id in [*change.before, *new]:
                if annotation_id in found:
                    self.texts[annotation_id] = found[annotation_id]
                else:
                    self.deleted.add(annotation_id)
        self.unanswered = []
        return Settled(made, ids, by_half)

    def _choose(self) -> list[Operation]:
        self._changes += 1
        kinds = ["add", "update", "delete"]
        if len(self.texts) <= _FEW:
            kinds = ["add"]
        elif len(self.texts) >= _MANY:
            kinds = ["update", "delete"]
        ids = self._chance.sample(sorted(self.texts), len(self.texts))
        if self._chance.random() < 0.3:
            # The id of the newest is the one that might be given again when it is deleted.
            ids.sort()
        operations: list[Operation] = []
        for place in range(self._chance.choice([1, 1, 3])):
            token = f"{self._name}-{self._changes}-{place}"
            kind = self._chance.choice(kinds)
            if kind == "add":
                operations.append({"op": "add", "annotation": {**ANNOTATION, "token": token}})
            elif kind == "update":
                operations.append({"op": "update", "id": ids.pop(), "changes": {"token": token}})
            else:
                operations.append({"op": "delete", "id": ids.pop()})
        return operations

    def _send(self, connection: http.client.HTTPConnection, operations: list[Operation]) -> Reply:
        method, path, body = _request(operations)
        headers = {"Content-Type": "application/json", "Connection": self._header}
        connection.request(method, f"/api/annotations{path}", json.dumps(body), headers)
        with closing(connection.getresponse()) as response:
            return Reply(response.status, response.headers, response.read())

    def _keep(self, operations: list[Operation], body: bytes) -> list[int]:
        texts = [body]
        if len(operations) > 1:
            results = msgspec.json.decode(body, type=dict[str, list[dict[str, msgspec.Raw]]])["results"]
            texts = [bytes(result["annotation"]) for result in results]
        ids = []
        for operation, text in zip(operations, texts, strict=True):
            if operation["op"] == "delete":
                del self.texts[operation["id"]]
                self.deleted.add(operation["id"])
                continue
            annotation_id = json.loads(text)["id"]
            self.texts[annotation_id] = text
            if operation["op"] == "add":
                ids.append(annotation_id)
        return ids

    def _set_aside(self, operations: list[Operation]) -> None:
        ids = [operation["id"] for operation in operations if operation["op"] != "add"]
        self.unanswered.append(Unanswered(operations, {each: self.texts.pop(each) for each in ids}))


class History:
    """One dataset, and what its clients were told about it by all of its servers."""

    def __init__(self, dataset: Path, seed: int) -> None:
        self.acknowledged = Acknowledged()
        self.unanswered = self.unanswered_made = 0
        self._dataset = dataset
        self._clients = [
            Client(str(each), random.Random(f"{seed} {each}"), self.acknowledged, keep_alive=each % 2 == 0)
            for each in range(_CLIENTS)
        ]
        self._others, self._first = _parts(dataset.read_bytes())
        self._ids = {_id(text) for text in self._first}
        # Where the last comparison found it.
        self._revision = self._changes = self._given = 0

    @contextmanager
    def load(self, url: str, *, flushing: bool = False) -> Iterator[threading.Event]:
        """The clients work, and with `flushing` the dataset is saved all the time, to the end of the block.

        It gets an event, to be set before connections may be cut.
        """
        enough, may_be_cut = threading.Event(), threading.Event()
        with ThreadPoolExecutor(_CLIENTS + 1) as pool:
            works = [pool.submit(client.work, url, enough, may_be_cut) for client in self._clients]
            if flushing:
                works.append(pool.submit(_flush, url, enough, may_be_cut))
            try:
                yield may_be_cut
            finally:
                enough.set()
                for work in works:
                    work.result()

    def delete_newest(self, url: str) -> None:
        """Delete the annotation with the largest id, which must not be given again."""
        client = max(self._clients, key=lambda client: max(client.texts, default=0))
        if client.texts:
            with _connection(url) as connection:
                client.make(connection, [{"op": "delete", "id": max(client.texts)}])

    def compare(self, url: str) -> Findings:
        """How the dataset, as the server at `url` has it, differs from what was acknowledged. No client may work."""
        others, texts = _parts(_export(url))
        assert others == self._others
        found = {_id(text): text for text in texts}
        tokens = {json.loads(text).get("token"): annotation_id for annotation_id, text in found.items()}
        self.unanswered += sum(len(client.unanswered) for client in self._clients)
        settled = [client.settle(found, tokens) for client in self._clients]
        made = sum(each.made for each in settled)
        self.unanswered_made += made

        expected = {_id(text): text for text in self._first}
        for client in self._clients:
            expected |= client.texts
        deleted = set().union(*(client.deleted for client in self._clients))
        changed_or_gone = [each for each, text in expected.items() if found.get(each) != text]
        given = self.acknowledged.given[self._given :]
        new = [each.annotation_id for each in given] + [each for one in settled for each in one.ids]
        memory = send(url, "GET", "/api/status").body["revision"]["memory"]
        revision = self._revision + self.acknowledged.changes - self._changes + made
        findings = Findings(
            changed_or_gone + sorted(deleted & set(found)),
            sorted(set(found) - set(expected) - deleted),
            [each for one in settled for each in one.by_half],
            _misplaced([_id(text) for text in texts]) + _out_of_order(given, self._revision),
            sorted({each for each in new if each in self._ids or new.count(each) > 1}),
            [] if memory == revision else [revision, memory],
        )
        self._ids.update(new)
        self._revision, self._changes = memory, self.acknowledged.changes
        self._given = len(self.acknowledged.given)
        return findings

    def save(self, url: str) -> None:
        """The file is brought level with memory, and the journal let go."""
        assert send(url, "POST", "/api/flush").status == 200
        assert self._dataset.read_bytes() == _export(url)
        revisions = send(url, "GET", "/api/status").body["revision"]
        assert revisions["file"] == revisions["journal"] == revisions["memory"]
        assert len(segment_paths(DatasetFile(self._dataset).journal.folder)) <= 2


def _connection(url: str) -> closing[http.client.HTTPConnection]:
    target = urlsplit(url)
    assert target.hostname is not None
    return closing(http.client.HTTPConnection(target.hostname, target.port, timeout=_LIMIT))


def _request(operations: list[Operation]) -> tuple[str, str, object]:
    if len(operations) > 1:
        return "POST", "/batch", {"operations": operations}
    [operation] = operations
    match operation["op"]:
        case "add":
            return "POST", "", operation["annotation"]
        case "update":
            return "PATCH", f"/{operation['id']}", operation["changes"]
        case _:
            return "DELETE", f"/{operation['id']}", None


def _fate(
    operation: Operation, before: Mapping[int, bytes], found: Mapping[int, bytes], tokens: Mapping[str, int]
) -> bool | None:
    """Whether an operation was made, as far as what was found tells; `None` for something else than yes or no."""
    if operation["op"] == "add":
        token = _token(operation, "annotation")
        if token not in tokens:
            return False
        return True if operation["annotation"].items() <= json.loads(found[tokens[token]]).items() else None
    text, old = found.get(operation["id"]), before[operation["id"]]
    if text == old:
        return False
    wanted = None if operation["op"] == "delete" else {**json.loads(old), **operation["changes"]}
    return True if wanted == (text and json.loads(text)) else None


def _token(operation: Operation, part: str) -> str:
    return str(operation.get(part, {}).get("token", ""))


def _flush(url: str, enough: threading.Event, may_be_cut: threading.Event) -> None:
    while not enough.is_set():
        try:
            assert send(url, "POST", "/api/flush").status == 200
        except (ConnectionError, http.client.HTTPException):
            assert may_be_cut.is_set(), "a connection was cut"
            enough.wait(0.01)


def _export(url: str) -> bytes:
    reply = exchange(url, "GET /api/dataset/export HTTP/1.1\nHost: HOST\nConnection: close")
    assert reply.status == 200, reply
    return reply.body


def _parts(dataset: bytes) -> tuple[dict[str, bytes], list[bytes]]:
    """The texts of what is beside the annotations, by key, and those of the annotations."""
    values = msgspec.json.decode(dataset, type=dict[str, msgspec.Raw])
    annotations = msgspec.json.decode(values.pop("annotations"), type=list[msgspec.Raw])
    return {key: bytes(value) for key, value in values.items()}, [bytes(each) for each in annotations]


def _id(text: bytes) -> int:
    return int(json.loads(text)["id"])


def _misplaced(ids: list[int]) -> list[tuple[int, int]]:
    """Neighbours in the file that stand in another order than they were added in, or that are the same."""
    return [(one, other) for one, other in pairwise(ids) if one >= other]


def _out_of_order(given: Sequence[Given], revision: int) -> list[Given]:
    """Ids that can't have been given in their order, whatever revisions above `revision` their changes made.

    The ids of a batch may share one.
    """
    found = []
    for each in sorted(given):
        revision = max(revision, each.after + 1)
        if revision > each.up_to:
            found.append(each)
    return found


# Dying


def _kill(server: Server) -> None:
    """All of its processes at once."""
    os.killpg(server.pid, signal.SIGKILL)
    server.wait()
    server.wait_until_let_go()


def _kill_while_it_starts(dataset: Path, env: Mapping[str, str], chance: random.Random) -> None:
    lock = DatasetFile(dataset).lock.path
    before = read_owner(lock)
    with start(dataset, [*GUNICORN, "wsgi:app"], env=env) as server:
        if chance.random() < 0.3:
            _pause(chance.uniform(0, 1))
        else:
            until(lambda: read_owner(lock) not in (None, before), "the dataset is being loaded")
            _pause(chance.uniform(0, 0.03))
        _kill(server)


def _pause(seconds: float) -> None:
    threading.Event().wait(seconds)


def _is_half_saved(dataset: Path) -> bool:
    """Whether a save was under way when the last process died."""
    file = DatasetFile(dataset)
    return unfinished(dataset).exists() or len(read_state(file.folder / "state.json").versions) > 1


@contextmanager
def _told(seed: int, number: int, folder: Path) -> Iterator[None]:
    """A failure says how to repeat it, and where the logs of all servers are."""
    try:
        yield
    except BaseException as exc:
        exc.add_note(f"round {number}, seed {seed}, which repeats all but how the threads ran; logs: {folder}/*.log")
        raise


@pytest.fixture
def dataset(dataset_path: Path, small: dict[str, Any]) -> Path:
    """The small dataset in a file."""
    dataset_path.write_text(json.dumps(small))
    return dataset_path


@pytest.fixture
def seed() -> int:
    return random.SystemRandom().randrange(1 << 32)


@pytest.fixture
def history(dataset: Path, seed: int) -> History:
    return History(dataset, seed)


def test_kill_at_any_moment_leaves_what_was_acknowledged(
    dataset: Path, history: History, seed: int, torture: bool
) -> None:
    chance, acknowledged = random.Random(seed), history.acknowledged
    rounds = 500 if torture else 10
    starts = saves = 0
    for number in range(rounds):
        with _told(seed, number, dataset.parent):
            # Short: a kill lands in a save, or where the journal goes on in another segment.
            env = {"DATASET_AUTO_SAVE_INTERVAL": "0.1"} if chance.random() < 0.5 else {}
            if chance.random() < 0.3:
                env["COCOANNOT_JOURNAL_FSYNC"] = "always"
            for _ in range(chance.choice([0, 0, 1, 2])):
                _kill_while_it_starts(dataset, env, chance)
                starts += 1
                saves += _is_half_saved(dataset)
            if chance.random() < 0.2:
                with serve(dataset, env=env) as server:
                    assert history.compare(server.url) == NOTHING
                    history.delete_newest(server.url)
                    history.save(server.url)
                    _kill(server)
            with serve(dataset, env=env) as server:
                assert history.compare(server.url) == NOTHING
                flushing = chance.random() < 0.4
                with history.load(server.url, flushing=flushing) as may_be_cut:
                    acknowledged.wait_for(chance.randrange(200))
                    if flushing:
                        until(unfinished(dataset).exists, "a save is under way")
                    _pause(chance.uniform(0, 0.01))
                    may_be_cut.set()
                    _kill(server)
                assert not re.search("ERROR|CRITICAL|Traceback", server.log), server.log
            saves += _is_half_saved(dataset)
    with _told(seed, rounds, dataset.parent), serve(dataset) as server:
        assert history.compare(server.url) == NOTHING
        history.save(server.url)
    if torture:
        print(
            f"{rounds} kills under load and {starts} of servers that started, {saves} of them in a save: "
            f"{acknowledged.changes} changes acknowledged, 0 lost, 0 invented; "
            f"{history.unanswered} not answered, {history.unanswered_made} of them made"
        )


# Being replaced


def _replace(server: Server, how: str) -> None:
    """Let the worker be replaced, or the server end."""
    worker, count = server.worker, len(server.workers)
    match how:
        case "HUP":
            server.signal(signal.SIGHUP)
            server.wait_until_ready(but=worker)
        case "TERM":
            server.signal(signal.SIGTERM)
            assert server.wait() == 0, server.log
        case _:
            until(lambda: len(server.workers) > count, "the worker had its requests")


@pytest.mark.parametrize(("how", "in_all"), [("HUP", 17), ("TERM", 17), ("--max-requests", 16)])
def test_orderly_end_under_load_loses_nothing(
    dataset: Path, history: History, seed: int, torture: bool, how: str, in_all: int
) -> None:
    chance, acknowledged = random.Random(seed), history.acknowledged
    rounds = in_all if torture else 3
    args = ["--max-requests", "300"] if how == "--max-requests" else []
    number = 0
    while number < rounds:
        with _told(seed, number, dataset.parent), serve(dataset, args=args) as server:
            url = server.url
            revisions = server.status()["revision"]
            assert revisions["file"] == revisions["memory"], "the last server has saved"
            assert history.compare(url) == NOTHING
            while number < rounds:
                number += 1
                with history.load(url, flushing=chance.random() < 0.3) as may_be_cut:
                    acknowledged.wait_for(chance.randrange(200))
                    may_be_cut.set()
                    _replace(server, how)
                    if how != "TERM":
                        acknowledged.wait_for(10)
                if how == "TERM":
                    break
                assert history.compare(url) == NOTHING
            assert not re.search("ERROR|CRITICAL|Traceback", server.log), server.log
    with _told(seed, rounds, dataset.parent), serve(dataset) as server:
        assert history.compare(server.url) == NOTHING
        history.save(server.url)
    if torture:
        print(
            f"{rounds} times {how} under load: {acknowledged.changes} changes acknowledged, 0 lost, 0 invented, "
            f"no 5xx; {history.unanswered} not answered, {history.unanswered_made} of them made"
        )
