"""Runs in a process of its own: steps on a dataset, with a fault at one system call after another; tells what was seen.

    python journal_attempts.py <<<'{"folder": "/tmp/...", "scenario": "append", "fault": "EIO", ...}'

For each line that it reads it prints one JSON line for what a start finds after each step without a fault, one for each
attempt, whose dataset is left in a folder of its own, and a last one: {"ended": 0}. What is right is not known here.
"""

from __future__ import annotations

import json
import logging
import mmap
import os
import random
import shutil
import sys
from collections.abc import Callable
from contextlib import suppress
from functools import partial
from itertools import product
from pathlib import Path
from signal import SIGKILL
from tempfile import TemporaryDirectory
from typing import Any, NamedTuple

import faulted

from cocoannot.errors import DatasetError, FileChanged, JournalError, NotDurable, SaveError
from cocoannot.files.dataset_file import DatasetFile
from cocoannot.manager import DatasetManager
from cocoannot.store.memory.maintenance import MemoryMaintenance
from cocoannot.store.memory.store import MemoryStore

DATASET = """{
  "images": [{"id": 1, "file_name": "one.jpg", "width": 64, "height": 48}, {"id": 2, "width": 64, "height": 48}],
  "annotations": [
    {"id": 1, "image_id": 1, "category_id": 1, "bbox": [1, 2, 3, 4], "area": 12, "iscrowd": 0},
    {"id": 2, "image_id": 1, "category_id": 1, "bbox": [1, 2, 3, 4], "area": 12, "iscrowd": 0},
    {"id": 3, "image_id": 2, "category_id": 1, "bbox": [1, 2, 3, 4], "area": 12, "iscrowd": 0}
  ],
  "categories": [{"id": 1, "name": "cat"}]
}
"""
THEIRS = """{
  "images": [{"id": 1, "file_name": "one.jpg", "width": 64, "height": 48}],
  "annotations": [{"id": 1, "image_id": 1, "category_id": 1, "bbox": [9, 9, 9, 9], "area": 81, "iscrowd": 0}],
  "categories": [{"id": 1, "name": "cat"}, {"id": 2, "name": "theirs"}]
}
"""
MOMENT = "20231114T221320Z"
# More than one backup is one too many, so that today's brings the deletion of yesterday's.
BACKUPS = 1

Step = Callable[["World"], None]

_ANNOTATION = {"image_id": 1, "category_id": 1, "bbox": [1, 2, 3, 4]}


class StandingClock:
    """What is written is the same each time, so that equal states of the disk are seen to be equal."""

    def time(self) -> float:
        return 1_700_000_000.0

    def monotonic(self) -> float:
        return 0.0


class World:
    """A dataset, and a manager of it. With `at_once` a change is durable when it returns, else at the next `sync`."""

    def __init__(self, path: Path, *, at_once: bool) -> None:
        self.path = path
        self._at_once = at_once
        self.renew()

    def renew(self) -> None:
        """Forget what is in memory, as a process that dies does."""
        self._store = MemoryStore(on_append=None if self._at_once else lambda: None, clock=StandingClock())
        self.manager = DatasetManager(self._store)

    def load(self) -> None:
        self._store.load_file(DatasetFile(self.path, BACKUPS))

    def resolve(self, choice: str) -> None:
        MemoryMaintenance(DatasetFile(self.path, BACKUPS)).resolve_conflict(choice, MOMENT)

    def text(self) -> str:
        return b"".join(self.manager.store.export().blocks).decode()


def _add(world: World) -> None:
    world.manager.add_annotation(_ANNOTATION)


def _batch(world: World) -> None:
    add, update = {"op": "add", "annotation": _ANNOTATION}, {"op": "update", "id": 1, "changes": {"bbox": [5, 6, 7, 8]}}
    world.manager.change_annotations([add, add, update, {"op": "delete", "id": 2}])


def _new_category(world: World) -> None:
    world.manager.add_category({"name": f"category {len(world.manager.get_categories())}"})


def _delete_image(world: World) -> None:
    world.manager.delete_image(2)


def _sync(world: World) -> None:
    world.manager.store.sync()


def _save(world: World) -> None:
    world.manager.save()


def _set_annotations(world: World) -> None:
    world.manager.set_annotations([{"id": 70, **_ANNOTATION}])


def _load(world: World) -> None:
    world.load()


_CHANGES = {_add, _batch, _new_category, _delete_image}


def _served(world: World, *steps: Step) -> None:
    world.load()
    for step in steps:
        step(world)


def _yesterday(world: World) -> None:
    folder = world.path.with_name("dataset.json.cocoannot") / "backups"
    folder.mkdir(parents=True)
    (folder / "2023-11-13.json").write_text(DATASET)


def _crashed(world: World) -> None:
    """What a power cut may leave: a segment that was to be deleted, changes, a torn line, a segment without a head."""
    _yesterday(world)
    _served(world, _add, _new_category)
    journal = world.path.with_name("dataset.json.cocoannot") / "journal"
    obsolete = (journal / "1.jsonl").read_bytes()
    for step in (_save, _add, _batch):
        step(world)
    (journal / "1.jsonl").write_bytes(obsolete)
    with (journal / "2.jsonl").open("ab") as file:
        file.write(b'{"crc":"00000000","entry":{"revis' + bytes(20))
    (journal / "3.jsonl").write_bytes(b'{"crc":"0000')
    world.renew()


def _conflict_of_journal(world: World) -> None:
    _served(world, _add, _batch)
    world.path.write_text(THEIRS)


def _conflict_of_save(world: World) -> None:
    _served(world, _add)
    world.path.write_text(THEIRS)
    with suppress(FileChanged):
        world.manager.save()
    _batch(world)


def _last_category(world: World) -> None:
    world.manager.add_category({"name": "last"})


def _overwrite(world: World) -> None:
    world.resolve("overwrite")


def _theirs(world: World) -> None:
    world.resolve("theirs")


_SETTLING = {_overwrite, _theirs}


# After these, each step has its lasting effect in the file, and nothing needs to be there beside it.
def _served_since_yesterday(world: World) -> None:
    _yesterday(world)
    _served(world, _add)


_LAST = (_last_category, _save)
_NOT_MET = 3


class Scenario(NamedTuple):
    """What there is before, and the steps that meet faults."""

    prepare: Callable[[World], object]
    steps: tuple[Step, ...]


SCENARIOS = {
    "append": Scenario(_served, (_add, _batch, _new_category, _delete_image, _add)),
    "save": Scenario(_served_since_yesterday, (_add, _save, _batch)),
    "replace": Scenario(lambda world: _served(world, _add), (_set_annotations, _add)),
    "start": Scenario(_crashed, (_load, _add)),
    "overwrite": Scenario(_conflict_of_journal, (_overwrite,)),
    "theirs": Scenario(_conflict_of_journal, (_theirs,)),
    "overwrite-unsaved": Scenario(_conflict_of_save, (_overwrite,)),
    "theirs-unsaved": Scenario(_conflict_of_save, (_theirs,)),
}


class Attempts:
    """The attempts at one scenario, each in a child of a child: one prepares, the other takes the steps."""

    def __init__(
        self,
        folder: str,
        scenario: str,
        fault: str,
        *,
        calls: list[str],
        left: list[str],
        also: list[str],
        times: int,
        at_once: bool,
        opens: int,
    ) -> None:
        """`left` are folders of datasets that earlier attempts left, which are then started on instead of prepared.

        `also` are calls that meet the fault together with the one that is tried. Of those that open a file, one in
        `opens` is tried.
        """
        self._folder = Path(folder)
        self._prepare, steps = SCENARIOS[scenario]
        self._at_once = at_once
        self._fault = fault
        self._times = times
        self._also = dict.fromkeys(also, 1)
        self._left = left
        self._calls = calls
        self._opens = opens
        self._steps: list[Step] = []
        for step in steps:
            self._steps += [step, _sync] if step in _CHANGES and not at_once else [step]
        # What a child has seen, in memory that it shares with its parent: telling takes no system call.
        self._seen = mmap.mmap(-1, 1 << 20)

    def run(self) -> int:
        """Print what is seen. Returns another number than 0 where an attempt ends in a way that is unforeseen."""
        self._print([] if self._left else self._without_a_fault())
        faulted.attach(self._fault, self._times)
        for left, call in product(self._left or [""], self._calls):
            between = self._opens if call == "openat" else 1
            for number in range(random.randint(1, between), faulted.AT[call], between):
                code = faulted.in_a_child(partial(self._attempt, left, call, number))
                if code == _NOT_MET:
                    break
                if code:
                    return code
            else:
                # The numbers of calls end before the calls do.
                return 1
        return 0

    def _without_a_fault(self) -> list[dict[str, Any]]:
        world = self._prepared(f"without-{'-'.join(self._calls)}")
        found = [self._start(world, "")]
        for step in self._steps:
            step(world)
            found.append(self._start(world, _name(step)))
        return found

    def _start(self, world: World, after: str) -> dict[str, Any]:
        """What a start would find now; in a copy, since it mends that."""
        with TemporaryDirectory() as folder:
            copy = World(self._copy(world, Path(folder, "copy")), at_once=True)
            try:
                copy.load()
            except DatasetError as exc:
                return {"after": after, "text": None, "revision": -1, "error": str(exc)}
            return {"after": after, "text": copy.text(), "revision": copy.manager.revision, "error": None}

    def _prepared(self, name: str) -> World:
        path = self._folder / name / "dataset.json"
        path.parent.mkdir()
        path.write_text(DATASET)
        world = World(path, at_once=self._at_once)
        self._prepare(world)
        return world

    def _copy(self, world: World, folder: Path) -> Path:
        shutil.copytree(world.path.parent, folder)
        return folder / world.path.name

    def _copy_in_a_child(self, world: World, when: str) -> None:
        """Keep the files as they are now; what that calls is not counted."""
        target = world.path.parent.with_name(f"{world.path.parent.name}-{when}")
        if faulted.in_a_child(lambda: 0 if self._copy(world, target) else 1):
            raise OSError(f"can't copy to {target}")

    def _attempt(self, left: str, call: str, number: int) -> int:
        name = f"{left}{'-then-' if left else ''}{call}-{number}"
        if left:
            shutil.copytree(self._folder / left, self._folder / name)
            world = World(self._folder / name / "dataset.json", at_once=True)
            steps: list[Callable[[World], None]] = [self._resume]
        else:
            world, steps = self._prepared(name), self._steps
        self._tell([])
        work = self._killed if self._fault == faulted.KILL else self._failed
        code = faulted.in_a_child(lambda: work(world, steps, call, number))
        if code in (0, -SIGKILL):
            self._print({"call": call, "number": number, "name": name, "left": left, "steps": self._told()})
            return 0
        return code

    def _resume(self, world: World) -> None:
        """What an operator does after a crash."""
        if len(self._steps) == 1 and self._steps[0] in _SETTLING:
            try:
                world.load()
            except DatasetError:
                self._steps[0](world)
        else:
            world.load()

    def _killed(self, world: World, steps: list[Step], call: str, number: int) -> int:
        faulted.lead_up({call: number})
        for count, step in enumerate(steps, 1):
            step(world)
            self._tell(count)
        return _NOT_MET

    def _failed(self, world: World, steps: list[Step], call: str, number: int) -> int:
        """Take the steps, each again until it works; the fault is over when something has failed for the first time."""
        faulted.lead_up({call: number, **self._also})
        found: list[dict[str, Any]] = []
        failed = False
        for count, step in enumerate([*steps, *_LAST], 1):
            for _ in range(5):
                one = _take(world, step)
                found.append(one)
                if one["outcome"] != "made" and not failed:
                    failed = True
                    self._copy_in_a_child(world, "then")
                    if not self._end(call):
                        return 1
                    if one["trouble"] and one["outcome"] in ("doubtful", "not saved"):
                        found.append(_take(world, _last_category))
                elif one["outcome"] == "refused":
                    found.append(_take(world, _save))
                if one["outcome"] in ("made", "doubtful"):
                    break
            if count == len(steps):
                if not failed and not self._end(call):
                    return _NOT_MET
                failed = True
                self._copy_in_a_child(world, "end")
        self._tell(found)
        return 0

    def _end(self, call: str) -> bool:
        met = faulted.end(call, self._fault, self._times)
        for other in self._also:
            faulted.end(other, self._fault, self._times)
        return met

    def _tell(self, found: object) -> None:
        data = json.dumps(found).encode()
        self._seen.seek(0)
        self._seen.write(len(data).to_bytes(4, "big") + data)

    def _told(self) -> Any:
        self._seen.seek(0)
        return json.loads(self._seen.read(int.from_bytes(self._seen.read(4), "big")))

    def _print(self, found: object) -> None:
        os.write(1, json.dumps(found).encode() + b"\n")


def _take(world: World, step: Step) -> dict[str, Any]:
    """Take one step; returns what it led to."""
    outcome = "made"
    error: Exception | None = None
    try:
        step(world)
    except NotDurable as exc:
        outcome, error = "doubtful", exc
    except JournalError as exc:
        outcome, error = "refused", exc
    except SaveError as exc:
        outcome, error = "not saved", exc
    except DatasetError as exc:
        outcome, error = "not read", exc
    found = {
        "step": _name(step),
        "outcome": outcome,
        "error": error and str(error),
        "full": getattr(error, "disk_full", None),
    }
    found |= {"text": None, "trouble": None}
    if world.manager.is_loaded:
        status = world.manager.store.status()
        found |= {
            "text": world.text(),
            "revision": status.revision,
            "durable": status.journal_revision,
            "in file": status.file_revision,
            "trouble": status.journal_error,
        }
    return found


def _name(step: Step) -> str:
    return step.__name__.strip("_")


if __name__ == "__main__":
    logging.getLogger("cocoannot").addHandler(logging.NullHandler())
    for line in sys.stdin:
        # strace is attached to one child only, and imports are shared by all.
        code = faulted.in_a_child(lambda: Attempts(**json.loads(line)).run())  # noqa: B023
        os.write(1, json.dumps({"ended": code}).encode() + b"\n")
