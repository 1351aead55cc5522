"""The power fails at any moment under load: what was promised is there, and no start ever stops with an error.

Promised is, with `always`, what was acknowledged; with `everysec` what the status called durable. The rest may be lost
from its end only. The file system is a real one, see `ext4`: what that does by itself it hides, so that a folder need
not be fsynced after a file in it, and what was not fsynced yet comes to the disk in the order in which it was written.
"""

from __future__ import annotations

import http.client
import json
import logging
import os
import random
import shutil
import subprocess
import sys
import threading
from collections.abc import Iterator, Sequence
from contextlib import closing, contextmanager, suppress
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import pytest
from ext4 import Disk, needs_ext4
from servers import GUNICORN, LONG, ROOT, Server, send, start, until

from cocoannot.files.journal import Journal
from cocoannot.manager import DatasetManager
from cocoannot.store.memory.store import MemoryStore

pytestmark = [pytest.mark.torture, needs_ext4]
needs_eatmydata = pytest.mark.skipif(shutil.which("eatmydata") is None, reason="eatmydata is not installed")

_COMMAND = [*GUNICORN, "wsgi:app"]
_CLIENTS = 4
_EMPTY = {
    "images": [{"id": 1, "file_name": "one.jpg", "width": 64, "height": 48}],
    "annotations": [],
    "categories": [{"id": 1, "name": "cat"}],
}


class Broken(AssertionError):
    """What a power cut must not do."""


class Seen:
    """The newest revisions that answers told of since a start at `revision`."""

    def __init__(self, revision: int) -> None:
        self.revision = revision
        self.durable = revision
        # Guards `revision`.
        self._lock = threading.Lock()

    def see(self, revision: int) -> int:
        with self._lock:
            self.revision = max(self.revision, revision)
        return revision


class Client:
    """Changes annotations of its own, one change after the other, until one fails.

    Each annotation says whose it is, and the number of the change that wrote it. What a client has tells how many
    changes were made: no two moments look alike, since the annotation that was written last is never deleted.
    """

    def __init__(self, name: int, rng: random.Random) -> None:
        self.name = name
        self.acknowledged = 0
        self.made = 0
        self._rng = rng
        self._annotations: dict[int, int] = {}
        # What it has after each of its changes: numbers of changes, sorted. The last one may be unacknowledged.
        self._moments: list[list[int]] = [[]]
        # Of each change since the start: its number, a revision that it is above, and one that it is not above.
        self._bounds: list[tuple[int, int, float]] = []

    def changes_in(self, document: dict[str, Any]) -> int:
        """How many of its changes are in `document`. Raises `Broken` where it never looked like that."""
        moment = sorted(self._mine(document).values())
        if moment not in self._moments:
            raise Broken(f"client {self.name} had {self._moments[-1]} at last, and never {moment}")
        return self._moments.index(moment)

    def check_order(self, changes: int, revision: int) -> None:
        """Raise `Broken` unless its first `changes` changes are those that a dataset of `revision` has."""
        for number, above, at_most in self._bounds:
            if number <= changes and above >= revision:
                raise Broken(f"revision {revision} has change {number} of client {self.name}, made after {above}")
            if number > changes and at_most <= revision:
                raise Broken(f"revision {revision} lacks change {number} of client {self.name}, made by {at_most}")

    def resume(self, document: dict[str, Any], changes: int) -> None:
        """Go on from `document`, which has its first `changes` changes."""
        del self._moments[changes + 1 :]
        self._annotations, self._bounds, self.acknowledged = self._mine(document), [], changes

    def run(self, url: str, seen: Seen) -> None:
        with closing(_connection(url)) as connection, suppress(OSError, http.client.HTTPException):
            while self._change(connection, seen):
                pass

    def _mine(self, document: dict[str, Any]) -> dict[int, int]:
        return {each["id"]: each["change"] for each in document["annotations"] if each["client"] == self.name}

    def _change(self, connection: http.client.HTTPConnection, seen: Seen) -> bool:
        number, above = len(self._moments), seen.revision
        after = dict(self._annotations)
        method, path, body = self._choose(number, after)
        self._moments.append(sorted([*after.values(), number] if method == "POST" else after.values()))
        self._bounds.append((number, above, float("inf")))
        connection.request(method, path, json.dumps(body), {"Content-Type": "application/json"})
        response = connection.getresponse()
        text = response.read()
        if response.status >= 500:
            return False
        assert response.status < 400, text
        if method == "POST":
            answer = json.loads(text)
            added = answer["results"][-1]["annotation"] if "results" in answer else answer
            after[added["id"]] = number
        self._bounds[-1] = (number, above, seen.see(int(response.headers["X-Dataset-Revision"])))
        self._annotations, self.acknowledged = after, number
        self.made += 1
        return True

    def _choose(self, number: int, after: dict[int, int]) -> tuple[str, str, object]:
        """A request; `after` becomes what there is after it, but for what it adds."""
        written = {"change": number, "note": "x" * self._rng.choice([0, 0, 100, 3000])}
        new = {"image_id": 1, "category_id": 1, "bbox": [0, 0, number, 1], "client": self.name, **written}
        older = sorted(after, key=lambda each: after[each])[:-1]
        kind = self._rng.choice(["add", "add", "update", "delete", "batch"]) if len(older) > 1 else "add"
        if kind == "add":
            return "POST", "/api/annotations", new
        first, second = self._rng.sample(older, 2)
        if kind in ("delete", "batch"):
            del after[second]
        if kind == "delete":
            return "DELETE", f"/api/annotations/{second}", None
        after[first] = number
        if kind == "update":
            return "PATCH", f"/api/annotations/{first}", written
        operations = [
            {"op": "update", "id": first, "changes": written},
            {"op": "delete", "id": second},
            {"op": "add", "annotation": new},
        ]
        return "POST", "/api/annotations/batch", {"operations": operations}


class Story:
    """A dataset that lives through power cuts, and what is known of it from outside."""

    def __init__(self, disk: Disk, folder: str, policy: str, rng: random.Random) -> None:
        self.lost = 0
        self._disk, self._policy, self._rng = disk, policy, rng
        self._real = disk.folder / folder / "dataset.json"
        self._real.parent.mkdir()
        self._real.write_text(json.dumps(_EMPTY))
        disk.sync()
        # The server's output goes beside this one, where it outlives the cut.
        self._link = disk.folder.with_name(f"{folder}.json")
        self._link.symlink_to(self._real)
        self._clients = [Client(name, rng) for name in range(_CLIENTS)]
        self._seen = Seen(0)
        self._promised = 0, [0] * _CLIENTS

    @property
    def made(self) -> int:
        """How many changes were acknowledged."""
        return sum(client.made for client in self._clients)

    def live(self, command: Sequence[str] = _COMMAND) -> None:
        """Start, check what the last cut left, make changes, cut the power, boot, and check the dataset's file."""
        interval = self._rng.choice([0.1, 0.3, LONG])
        threads: list[threading.Thread] = []
        try:
            with self._start(command, interval) as server:
                self._check_start(server)
                threads = self._start_threads(server.url)
                self._wait()
                self._cut(server.url, threads)
        finally:
            for thread in threads:
                thread.join()
        self._disk.boot()
        self._check_file()

    def end(self) -> None:
        """Start once more, and check what the last cut left."""
        with self._start(_COMMAND, LONG) as server:
            self._check_start(server)

    def _start(self, command: Sequence[str], interval: float) -> Any:
        env = {"COCOANNOT_JOURNAL_FSYNC": self._policy, "DATASET_AUTO_SAVE_INTERVAL": str(interval)}
        return start(self._link, command, env=env)

    def _start_threads(self, url: str) -> list[threading.Thread]:
        threads = [threading.Thread(target=client.run, args=(url, self._seen)) for client in self._clients]
        threads.append(threading.Thread(target=self._watch, args=(url,)))
        for thread in threads:
            thread.start()
        return threads

    def _watch(self, url: str) -> None:
        with closing(_connection(url)) as connection, suppress(OSError, http.client.HTTPException):
            while True:
                connection.request("GET", "/api/status")
                status = json.loads(connection.getresponse().read())
                self._seen.durable = max(self._seen.durable, status["revision"]["journal"])
                threading.Event().wait(0.01)

    def _wait(self) -> None:
        before, durable = sum(client.acknowledged for client in self._clients), self._seen.durable
        enough = before + self._rng.choice([1, 30, 200, 400])
        until(lambda: sum(client.acknowledged for client in self._clients) >= enough, "changes are acknowledged")
        until(lambda: self._seen.durable > durable, "changes are durable")

    def _cut(self, url: str, threads: list[threading.Thread]) -> None:
        moment = threading.Event()
        moment.wait(self._rng.uniform(0, 0.5))
        if self._rng.random() < 0.5:
            threads.append(threading.Thread(target=_flush, args=(url,)))
            threads[-1].start()
            moment.wait(self._rng.uniform(0, 0.05))
        disturbance = self._rng.choice([None, self._disk.commit, self._disk.write_out])
        writing = disturbance and disturbance()
        if writing:
            moment.wait(self._rng.uniform(0, 0.01))
        # What is answered from now on is answered by a machine without power.
        self._promised = self._seen.durable, [client.acknowledged for client in self._clients]
        self._disk.cut()
        if writing:
            writing.wait()

    def _check_file(self) -> None:
        try:
            document = json.loads(self._real.read_bytes())
        except (OSError, ValueError) as exc:
            raise Broken(f"the dataset's file is no whole document: {exc}") from exc
        self._check_prefix(document)

    def _check_start(self, server: Server) -> None:
        try:
            server.wait_until_ready()
        except AssertionError as exc:
            raise Broken("no start") from exc
        document = server.request("GET", "/api/dataset/export").body
        changes = self._check_prefix(document)
        revision = server.status()["revision"]["memory"]
        if revision != sum(changes):
            raise Broken(f"at revision {revision} there are {sum(changes)} changes")
        durable, acknowledged = self._promised
        if revision < durable:
            raise Broken(f"revision {durable} was called durable, and {revision} is left")
        for client, number, promised in zip(self._clients, changes, acknowledged, strict=True):
            if self._policy == "always" and number < promised:
                raise Broken(f"client {client.name}: {promised} changes acknowledged, {number} are left")
            self.lost += max(0, promised - number)
            client.resume(document, number)
        self._seen = Seen(revision)

    def _check_prefix(self, document: dict[str, Any]) -> list[int]:
        """How many changes of each client `document` has. Raises `Broken` unless they are the first that were made."""
        changes = [client.changes_in(document) for client in self._clients]
        for client, number in zip(self._clients, changes, strict=True):
            client.check_order(number, sum(changes))
        return changes


def _connection(url: str) -> http.client.HTTPConnection:
    target = urlsplit(url)
    return http.client.HTTPConnection(str(target.hostname), target.port, timeout=20)


def _flush(url: str) -> None:
    with suppress(OSError, http.client.HTTPException):
        send(url, "POST", "/api/flush")


@contextmanager
def noted(text: str) -> Iterator[None]:
    """Say `text` where something fails meanwhile."""
    try:
        yield
    except BaseException as exc:
        exc.add_note(text)
        raise


@pytest.fixture
def disk(tmp_path: Path) -> Iterator[Disk]:
    disk = Disk(tmp_path / "image", tmp_path / "disk")
    try:
        yield disk
    finally:
        disk.remove()


@pytest.fixture
def seed() -> int:
    return random.SystemRandom().randrange(1 << 32)


every_policy = pytest.mark.parametrize("policy", ["always", "everysec"])


# At random moments, under load


@every_policy
def test_power_cuts_lose_nothing_that_was_promised(disk: Disk, seed: int, policy: str, torture: bool) -> None:
    rounds = 40 if torture else 4
    story = Story(disk, "dataset", policy, random.Random(seed))
    with noted(f"seed {seed}"):
        for number in range(rounds):
            with noted(f"round {number}"):
                story.live()
        story.end()
    if torture:
        print(f"{policy}: {rounds} power cuts under load, {story.made} changes acknowledged, {story.lost} lost")


@needs_eatmydata
@every_policy
def test_power_cut_under_a_server_that_never_syncs_is_found_out(disk: Disk, seed: int, policy: str) -> None:
    """Without this, the test above could pass because the cuts take nothing away."""
    rng = random.Random(seed)

    def loses(number: int) -> bool:
        story = Story(disk, f"dataset-{number}", policy, rng)
        try:
            story.live(["eatmydata", *_COMMAND])
            story.end()
        except Broken:
            return True
        return False

    assert any(loses(number) for number in range(5)), f"seed {seed}"


# At each system call


class Lives:
    """Lives of a dataset, each in a process of its own that cuts the power at one of its system calls."""

    def __init__(self, disk: Disk, policy: str, process: subprocess.Popen[str]) -> None:
        self._disk, self._policy, self._process = disk, policy, process
        uncut = self._live(disk.folder / "uncut", 0, commit=False)
        self.calls: list[str] = uncut[-1]["calls"]
        """The names of the system calls that a life makes, in order."""
        self._texts = {told["revision"]: told["text"] for told in uncut if "text" in told}

    def check(self, call: int, *, commit: bool) -> int:
        """Live up to a call, cut the power there, and start again; returns how many changes were lost.

        With `commit`, somebody else's fsync has made names and sizes durable right before.
        """
        folder = self._disk.folder / f"{call}-{commit}"
        told = self._live(folder, call, commit=commit)
        self._disk.boot()
        json.loads((folder / "dataset.json").read_bytes())
        manager = DatasetManager(MemoryStore(lambda: None, lambda: None))
        manager.load(folder / "dataset.json")
        revision = manager.revision
        assert b"".join(manager.store.export().blocks).decode() == self._texts[revision], f"revision {revision}"
        stages = [each for each in told if "text" in each]
        made = max((stage["revision"] for stage in stages), default=0)
        assert max((stage["durable"] for stage in stages), default=0) <= revision <= made + 1
        if self._policy == "always":
            assert revision >= made
        return max(0, made - revision)

    def _live(self, folder: Path, call: int, *, commit: bool) -> list[dict[str, Any]]:
        assert self._process.stdin is not None
        assert self._process.stdout is not None
        folder.mkdir()
        (folder / "dataset.json").write_text(json.dumps(_EMPTY))
        self._disk.sync()
        print(json.dumps([str(folder), self._policy, call, commit]), file=self._process.stdin, flush=True)
        told = []
        while (last := json.loads(self._process.stdout.readline() or '{"status": "dead"}')).get("status") is None:
            told.append(last)
        assert last["status"] == 0, "a life did not end as it should; see above"
        return told


_LIVES = r"""
import fcntl, json, os, struct, sys, traceback
from pathlib import Path
from cocoannot.manager import DatasetManager
from cocoannot.store.memory.store import MemoryStore

CALLS = {os.open, os.write, os.fsync, os.rename, os.unlink, os.link, os.mkdir, os.ftruncate}

def tell(**facts):
    # Through a file object: this write is none of those that are counted.
    print(json.dumps(facts), flush=True)

def tell_all(manager):
    status, text = manager.store.status(), b"".join(manager.store.export().blocks).decode()
    tell(revision=status.revision, durable=status.journal_revision, text=text)

def load(path, policy):
    manager = DatasetManager(MemoryStore(on_append=None if policy == "always" else lambda: None))
    manager.load(path)
    tell_all(manager)
    return manager

def change(manager, then):
    for _ in range(3):
        annotation = {"image_id": 1, "category_id": 1, "bbox": [1, 2, 3, 4], "note": "x" * 900}
        added = manager.add_annotation(annotation)["id"]
        tell_all(manager)
    manager.update_annotation(added, {"note": "changed"})
    tell_all(manager)
    manager.delete_annotation(added)
    tell_all(manager)
    then()
    tell_all(manager)

def live(path, policy):
    manager = load(path, policy)
    replace = lambda: manager.set_annotations([])
    for then in (manager.store.sync, manager.save, manager.save, replace, manager.store.sync, lambda: None):
        change(manager, then)
    # As after a kill.
    manager = load(path, policy)
    for then in (manager.store.sync, manager.save, manager.store.sync):
        change(manager, then)

def live_up_to(folder, policy, last, commit):
    unrelated = os.open(folder / "unrelated", os.O_WRONLY | os.O_CREAT)
    os.write(unrelated, b".")
    calls = []
    def watch(frame, event, function):
        if event == "c_call" and function in CALLS:
            calls.append(function.__name__)
            if len(calls) == last:
                if commit:
                    os.fsync(unrelated)
                fcntl.ioctl(unrelated, 0x8004587D, struct.pack("I", 2))
                os._exit(0)
    sys.setprofile(watch)
    live(folder / "dataset.json", policy)
    sys.setprofile(None)
    tell(calls=calls)

for line in sys.stdin:
    child = os.fork()
    if not child:
        try:
            folder, *how = json.loads(line)
            live_up_to(Path(folder), *how)
            os._exit(0)
        except BaseException:
            traceback.print_exc()
            os._exit(1)
    tell(status=os.waitpid(child, 0)[1])
"""


@contextmanager
def lives_on(disk: Disk, policy: str) -> Iterator[Lives]:
    command, env = [sys.executable, "-c", _LIVES], {**os.environ, "PYTHONPATH": str(ROOT)}
    pipe = subprocess.PIPE
    with subprocess.Popen(command, env=env, stdin=pipe, stdout=pipe, text=True) as process:
        yield Lives(disk, policy, process)


@every_policy
def test_power_cut_at_any_system_call_loses_nothing_that_was_promised(
    disk: Disk, seed: int, policy: str, torture: bool, caplog: pytest.LogCaptureFixture
) -> None:
    # What the cuts cost is a warning each time.
    caplog.set_level(logging.ERROR, "cocoannot")
    with lives_on(disk, policy) as lives, noted(f"seed {seed}"):
        numbers = range(1, len(lives.calls) + 1)
        moments = [(number, commit) for number in numbers for commit in (False, True)]
        if not torture:
            # Where names change there is most to lose.
            names = [(number, True) for number in numbers if lives.calls[number - 1] in ("rename", "unlink", "link")]
            rng = random.Random(seed)
            moments = sorted({*rng.sample(names, 16), *rng.sample(moments, 8)})
        lost = 0
        for call, commit in moments:
            with noted(f"call {call}, {commit=}"):
                lost += lives.check(call, commit=commit)
    if torture:
        print(f"{policy}: {len(moments)} power cuts at {len(lives.calls)} system calls, {lost} changes lost")


# Moments that only luck would meet


_WRITE_DURING_AN_FSYNC = r"""
import fcntl, os, struct, sys
from pathlib import Path
from cocoannot.files.journal import Journal

folder = Path(sys.argv[1])
journal = Journal(folder / "journal")
journal.read()
journal.open(0, 0)
journal.append(1, 0.0, None, None, b"[]")

def watch(frame, event, function):
    if event == "c_return" and function is os.fsync:
        sys.setprofile(None)
        journal.append(2, 0.0, None, None, b"[]")
        journal.prepare()
        journal.turn(2)
        journal.append(3, 0.0, None, None, b"[]")

sys.setprofile(watch)
journal.sync()
journal.sync()
print(journal.durable)
fcntl.ioctl(os.open(folder, os.O_RDONLY), 0x8004587D, struct.pack("I", 2))
"""


def test_line_that_is_written_during_the_last_fsync_of_its_segment_is_durable_with_the_next(disk: Disk) -> None:
    command = [sys.executable, "-c", _WRITE_DURING_AN_FSYNC, str(disk.folder)]
    done = subprocess.run(command, env={**os.environ, "PYTHONPATH": str(ROOT)}, capture_output=True, text=True)
    assert (done.stdout, done.stderr) == ("3\n", "")
    disk.boot()
    assert revisions(disk.folder / "journal") == [1, 2, 3]


def test_change_that_begins_a_segment_while_a_save_prepares_one_comes_first(tmp_path: Path) -> None:
    journal = Journal(tmp_path)
    change = threading.Thread(target=journal.append, args=(1, 0.0, None, None, b"[]"))

    def watch(frame: object, event: str, function: object) -> None:
        if event == "c_return" and function is os.open:
            sys.setprofile(None)
            change.start()
            # It may have to wait for what this thread is at.
            change.join(0.5)

    sys.setprofile(watch)
    journal.prepare()
    change.join()
    journal.turn(1)
    journal.append(2, 0.0, None, None, b"[]")
    assert revisions(tmp_path) == [1, 2]


def revisions(folder: Path) -> list[int]:
    return [entry.revision for entry in Journal(folder).read().entries]
