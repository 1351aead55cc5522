"""A process that is killed at any moment loses nothing of the history that it acknowledged, and no disk stops a change.

What a killed process has written stays; power cuts are not told of here.
"""

from __future__ import annotations

import json
import os
import random
import signal
import subprocess
import sys
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path
from typing import Any

import pytest
from servers import ROOT

from cocoannot.changes.operations import Add, Operation, Update
from cocoannot.errors import HistoryError
from cocoannot.files.dataset_file import DatasetFile
from cocoannot.history.kept import KeptHistory
from cocoannot.store.memory.store import MemoryStore
from cocoannot.store.queries import ChangeQuery

pytestmark = pytest.mark.torture

BOX = {"image_id": 1, "category_id": 1, "bbox": [1, 2, 3, 4]}

_WORK = r"""
import logging, os, random, sys
from pathlib import Path
from cocoannot.background.history_writer import HistoryWriter
from cocoannot.changes.operations import Add, Delete, Update
from cocoannot.history.kept import KeptHistory
from cocoannot.store.memory.store import MemoryStore

path, seed, at = sys.argv[1], int(sys.argv[2]), sys.argv[3]
logging.getLogger("cocoannot").addHandler(logging.NullHandler())
chance = random.Random(seed)
saves = 0

def die(where):
    if where == at and saves == 3:
        os.kill(os.getpid(), 9)

class DyingHistory(KeptHistory):
    def seal(self):
        die("before sealing")
        sealed = super().seal()
        die("after sealing")
        return sealed

# With every other seed nothing is written before a save seals it.
history = DyingHistory(on_note=lambda: seed % 2 and writer.notify())
writer = HistoryWriter(history.step, wait=lambda seconds: None)
store = MemoryStore(on_append=lambda: None, history=history)
store.load(path)
checkpoint = store.file_saver.journal.checkpoint

def dying_checkpoint(revision, **options):
    die("before the journal forgets")
    checkpoint(revision, **options)
    die("after the journal forgot")

store.file_saver.journal.checkpoint = dying_checkpoint
ids = [record for record in range(store.next_id("annotations")) if store.get("annotations", record).record]
while True:
    kind = chance.choice("aaud") if ids else "a"
    if kind == "a":
        box = {"image_id": 1, "category_id": 1, "bbox": [1, 2, 3, 4]}
        operations = [Add("annotations", box)] * chance.randint(1, 3)
    elif kind == "u":
        operations = [Update("annotations", chance.choice(ids), {"note": "x" * chance.randint(0, 2000)})]
    else:
        operations = [Delete("annotations", ids.pop(chance.randrange(len(ids))))]
    committed = store.commit(operations, actor=f"{seed}")
    ids += [edit.record_id for edit in committed.change.edits if edit.before is None]
    # Nothing but what is written by one call: the process may end in the midst of anything.
    os.write(1, b"%d\n" % committed.revision)
    if chance.random() < 0.05:
        saves += 1
        store.save()
"""

POINTS = ["before sealing", "after sealing", "before the journal forgets", "after the journal forgot"]


def work(path: Path, seed: int, at: str, answers: int) -> list[int]:
    """Let a process change the dataset until it dies at a point, or is killed after so many answers; the revisions that
    it acknowledged."""
    acknowledged = []
    environment = {**os.environ, "PYTHONPATH": str(ROOT)}
    command = [sys.executable, "-c", _WORK, str(path), str(seed), at]
    with subprocess.Popen(command, stdout=subprocess.PIPE, env=environment) as process:
        assert process.stdout is not None
        for line in process.stdout:
            acknowledged.append(int(line))
            if len(acknowledged) == answers:
                process.kill()
    assert process.returncode == -signal.SIGKILL
    return acknowledged


class Told:
    """What the history must have, over all processes."""

    def __init__(self, path: Path) -> None:
        self.path = path
        self.first = records_of(path.read_bytes())
        self.actors: dict[int, str] = {}

    def check(self, acknowledged: list[int], seed: int) -> None:
        """Start after a crash: everything that was acknowledged is there once, each change on what the one before left.

        One more may be there: the one whose answer did not come.
        """
        with closing(MemoryStore(on_append=lambda: None, history=KeptHistory())) as store:
            store.load(str(self.path))
            self.actors |= {revision: str(seed) for revision in range(acknowledged[0], store.revision + 1)}
            assert store.revision - acknowledged[-1] in (0, 1)
            assert store.status().warnings == []
            found = self._changes(store)
            assert {change.revision: change.actor for change in found} == self.actors
            self._check_texts(store)

    def _changes(self, store: MemoryStore) -> list[Any]:
        found: list[Any] = []
        while part := store.find_changes(ChangeQuery(since=len(found), limit=1000)):
            found += part
        return found

    def _check_texts(self, store: MemoryStore) -> None:
        """Going back from now, each change finds what it left; at the beginning stands the first file."""
        now = records_of(b"".join(map(bytes, store.export().blocks)))
        for revision in range(store.revision, 0, -1):
            change = store.change(revision)
            assert change is not None
            for edit in reversed(change.edits):
                assert now.pop(edit.record_id, None) == (edit.after and json.loads(edit.after))
                if edit.before is not None:
                    now[edit.record_id] = json.loads(edit.before)
        assert now == records_of(b"".join(map(bytes, store.export_at(0).blocks))) == self.first


def records_of(text: bytes) -> dict[int, Any]:
    return {each["id"]: each for each in json.loads(text)["annotations"]}


@pytest.fixture
def told(dataset_path: Path, small: dict[str, Any]) -> Told:
    dataset_path.write_text(json.dumps(small))
    return Told(dataset_path)


@pytest.mark.parametrize("point", POINTS)
def test_a_process_that_dies_while_it_saves_loses_no_change(told: Told, torture: bool, point: str) -> None:
    for seed in range(10 if torture else 2):
        told.check(work(told.path, seed, point, 10_000), seed)


def test_a_process_that_is_killed_at_any_moment_loses_no_change(told: Told, torture: bool) -> None:
    chance = random.Random(7)
    for seed in range(60 if torture else 4):
        told.check(work(told.path, seed, "never", chance.randint(1, 400)), seed)


# Disks


@pytest.fixture
def small_disk(tmp_path: Path, dataset_path: Path) -> Iterator[Path]:
    """A file system of 1 MiB that the history alone is on."""
    if os.geteuid():
        pytest.skip("only root may mount file systems")
    disk = tmp_path / "disk"
    disk.mkdir()
    mounted = subprocess.run(["mount", "-t", "tmpfs", "-o", "size=1m", "none", disk], capture_output=True, text=True)
    if mounted.returncode:
        pytest.skip(f"mount does not work here: {mounted.stderr.strip()}")
    history = DatasetFile(dataset_path).history
    history.parent.mkdir()
    history.symlink_to(disk / "history.sqlite")
    yield disk
    subprocess.run(["umount", disk], check=True)


def remount(disk: Path, options: str) -> None:
    subprocess.run(["mount", "-o", f"remount,{options}", disk], check=True)


def fill(store: MemoryStore) -> None:
    """More than the disk takes, and than can be made smaller."""
    chance = random.Random(1)
    for _ in range(30):
        note = "".join(chance.choices("abcdefghijklmnopqrstuvwxyz0123456789", k=100_000))
        store.commit([Update("annotations", 7, {"note": note})])


def test_a_full_disk_stops_no_change_and_takes_them_all_when_there_is_room(told: Told, small_disk: Path) -> None:
    with closing(MemoryStore(on_append=lambda: None, history=KeptHistory())) as store:
        store.load(str(told.path))
        fill(store)
        with pytest.raises(HistoryError, match="full"):
            store.find_changes(ChangeQuery())
        assert store.save() is not None
        (warning,) = store.status().warnings
        assert "database or disk is full" in warning
        remount(small_disk, "size=64m")
        assert len(store.find_changes(ChangeQuery())) == 30
        assert store.status().warnings == []


def test_a_disk_that_may_only_be_read_stops_no_start(told: Told, small_disk: Path) -> None:
    operations: list[Operation] = [Add("annotations", BOX)]
    with closing(MemoryStore(on_append=lambda: None, history=KeptHistory())) as store:
        store.load(str(told.path))
        store.commit(operations)
        store.save()
    remount(small_disk, "ro")
    with closing(MemoryStore(on_append=lambda: None, history=KeptHistory())) as store:
        store.load(str(told.path))
        store.commit(operations)
        store.save()
        assert store.status().warnings
        remount(small_disk, "rw")
        assert [change.revision for change in store.find_changes(ChangeQuery())] == [1, 2]
