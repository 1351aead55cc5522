"""A process that dies, or a disk that fails, at any system call between a change and its save: what was acknowledged is
there after the next start, once and in order, and what was not is there as a whole or not at all.

What meets the faults is in journal_attempts.py, in processes of its own; here is told what is right. A power cut, which
takes away what was not fsynced, is not tried here.
"""

from __future__ import annotations

import itertools
import json
import os
import random
import re
import shutil
import signal
import subprocess
import sys
import tempfile
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any, NamedTuple

import faulted
import journal_attempts
import pytest
from ext4 import Disk, needs_ext4
from journal_attempts import BACKUPS, MOMENT, THEIRS, StandingClock, World
from servers import ANNOTATION, ROOT, Answer, Server, annotation_ids, exchange, serve
from tracing import needs_strace, run_traced

from cocoannot.errors import DatasetError, JournalError
from cocoannot.files.dataset_file import DatasetFile
from cocoannot.files.segments import read_segment
from cocoannot.manager import DatasetManager
from cocoannot.store.memory.maintenance import MemoryMaintenance
from cocoannot.store.memory.store import MemoryStore

pytestmark = pytest.mark.torture

Report = dict[str, Any]

FOLDER = "dataset.json.cocoannot"
CHANGES = {"add", "batch", "new_category", "delete_image", "last_category"}
REASONS = {"ENOSPC": "No space left on device", "EIO": "Input/output error"}

# What strace says, now and then, of a process that is killed at the very moment at which it is looked at.
_ODDITY = re.compile(r"strace: pid \d+: \w+, ptrace_syscall_info\.op == \d")


class Tried(NamedTuple):
    """Where the datasets are, what a start finds after each step without a fault, and what each attempt came to."""

    folder: Path
    expected: list[Report]
    attempts: list[Report]


class Found(NamedTuple):
    """What a start finds."""

    text: str
    revision: int
    file_revision: int
    new_ids: dict[str, int]


@pytest.fixture(scope="module")
def place(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Path]:
    """A folder in memory where there is one: how long an fsync takes is of no interest here."""
    memory = Path("/dev/shm")
    if not memory.is_dir():
        yield tmp_path_factory.mktemp("attempts")
        return
    with tempfile.TemporaryDirectory(dir=memory) as folder:
        yield Path(folder)


class Trials:
    """Runs attempts, each set of them once, in one process for all.

    A kill at a call that opens a file leaves mostly what one at the next call leaves: but for `make torture`, processes
    die at one in three of those, beginning with any of the first three.
    """

    def __init__(self, place: Path, process: subprocess.Popen[str], told: Path, *, torture: bool) -> None:
        self._place = place
        self._opens_at_kills = 1 if torture else 3
        self._process = process
        self._told = told
        self._done: dict[str, Tried] = {}

    def __call__(
        self,
        scenario: str,
        fault: str,
        *,
        calls: tuple[str, ...] = faulted.CALLS,
        left: tuple[str, ...] = (),
        also: tuple[str, ...] = (),
        times: int = 1,
        at_once: bool = True,
    ) -> Tried:
        """`left` are datasets that an earlier run with a kill left, which are then started on, in its copy."""
        folder = self._place / f"{scenario}-{fault}-{times}-{at_once}-{'-'.join(also)}"
        copy = folder.with_name(f"{folder.name}-copy")
        key = f"{folder}-{calls}-{left}"
        if key not in self._done:
            folder.mkdir(exist_ok=True)
            options = {"scenario": scenario, "fault": fault, "also": also, "times": times, "at_once": at_once}
            options["opens"] = self._opens_at_kills if fault == faulted.KILL else 1
            lines = self._run({**options, "folder": str(copy if left else folder), "calls": calls, "left": left})
            self._done[key] = Tried(copy if left else folder, lines[0], lines[1:])
            if fault == faulted.KILL and not left:
                shutil.copytree(folder, copy)
        return self._done[key]

    def killed(self, scenario: str) -> Tried:
        """What kills left, in a copy that nothing was started on yet."""
        tried = self(scenario, faulted.KILL)
        return tried._replace(folder=tried.folder.with_name(f"{tried.folder.name}-copy"))

    def _run(self, options: dict[str, Any]) -> list[Any]:
        assert self._process.stdin is not None
        assert self._process.stdout is not None
        print(json.dumps(options), file=self._process.stdin, flush=True)
        lines: list[Any] = []
        for line in self._process.stdout:
            lines.append(json.loads(line))
            if "ended" in lines[-1]:
                break
        errors = [line for line in self._told.read_text().splitlines() if not _ODDITY.fullmatch(line)]
        assert (lines[-1:], errors) == ([{"ended": 0}], []), options
        return lines[:-1]


@pytest.fixture(scope="module")
def trials(place: Path, request: pytest.FixtureRequest) -> Iterator[Trials]:
    told = place / "told"
    with (
        told.open("w") as file,
        subprocess.Popen(
            [sys.executable, journal_attempts.__file__],
            env={**os.environ, "PYTHONPATH": str(ROOT), "PYTHONDONTWRITEBYTECODE": "1"},
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=file,
            text=True,
        ) as process,
    ):
        yield Trials(place, process, told, torture=request.config.getoption("--torture"))


def load(path: Path) -> DatasetManager:
    store = MemoryStore(clock=StandingClock())
    store.load_file(DatasetFile(path, BACKUPS))
    return DatasetManager(store)


def start(path: Path) -> Found:
    """Start anew, as a process does that knows nothing but what is on disk; then one record of each kind is added, and
    all is saved and read again."""
    manager = load(path)
    status, text = manager.store.status(), text_of(manager)
    assert status.journal_revision == status.revision
    assert whole(path)
    new_ids = {
        "images": manager.add_image({"width": 1, "height": 1, "file_name": "new.jpg"})["id"],
        "annotations": manager.add_annotation({"image_id": 1, "category_id": 1, "bbox": [1, 2, 3, 4]})["id"],
        "categories": manager.add_category({"name": "new"})["id"],
    }
    manager.save()
    assert path.read_text() == text_of(manager)
    again = load(path)
    assert (text_of(again), again.revision) == (text_of(manager), status.revision + 3)
    for each in (manager, again):
        each.close()
    return Found(text, status.revision, status.file_revision, new_ids)


def text_of(manager: DatasetManager) -> str:
    return b"".join(bytes(block) for block in manager.store.export().blocks).decode()


def whole(path: Path) -> bool:
    """Whether every line of every segment of the journal is one."""
    found = [read_segment(each) for each in path.with_name(FOLDER).glob("journal/*")]
    return all((each.damage, each.sound) == (None, each.size) for each in found)


def names(path: Path) -> set[str]:
    """What there is in the dataset's folder, the number of the only segment as N."""
    found = sorted(each.relative_to(path.parent).as_posix() for each in path.parent.rglob("*"))
    numbered = [re.sub(r"journal/\d+\.jsonl$", "journal/N.jsonl", each) for each in found]
    assert numbered.count(SEGMENT) <= 1, found
    return set(numbered)


SEGMENT = f"{FOLDER}/journal/N.jsonl"
USUAL = {"dataset.json", FOLDER, f"{FOLDER}/state.json", f"{FOLDER}/journal", SEGMENT}
# A backup that could not be deleted goes with the next one that is made.
BACKED_UP = {f"{FOLDER}/backups", *(f"{FOLDER}/backups/2023-11-{day}.json" for day in (13, 14))}


def ids_in(texts: list[str], section: str) -> set[int]:
    return {record["id"] for text in texts for record in json.loads(text)[section]}


def where(tried: Tried, attempt: Report) -> str:
    return f"{tried.folder.name}/{attempt['name']}: {attempt['steps']}"


def check_start(tried: Tried, attempt: Report, acknowledged: int) -> int:
    """Start on what an attempt left after so many steps that returned; returns how many it finds to be made."""
    path, expected = tried.folder / attempt["name"] / "dataset.json", tried.expected
    found = start(path)
    possible = range(acknowledged, min(acknowledged + 2, len(expected)))
    made = [n for n in possible if (expected[n]["text"], expected[n]["revision"]) == (found.text, found.revision)]
    assert made, (where(tried, attempt), found)
    for section, new_id in found.new_ids.items():
        given = ids_in([each["text"] for each in expected[: acknowledged + 1]], section)
        given_now = ids_in([each["text"] for each in expected[: possible[-1] + 1]], section)
        assert max(given) < new_id <= max(given_now) + 1, (where(tried, attempt), section)
    assert names(path) - BACKED_UP == USUAL - {SEGMENT}, where(tried, attempt)
    return made[-1]


KILLED = {
    "append": {"mkdir", "openat", "write", "fsync"},
    "save": {"mkdir", "openat", "write", "fsync", "link", "rename", "unlink"},
    "replace": {"mkdir", "openat", "write", "fsync", "link", "rename", "unlink"},
    "start": {"openat", "write", "fsync", "ftruncate", "unlink"},
}


@needs_strace
@pytest.mark.parametrize("scenario", KILLED)
def test_a_start_after_a_kill_finds_what_was_acknowledged_and_no_part_of_what_was_not(
    trials: Trials, scenario: str, torture: bool
) -> None:
    for at_once in (True, False) if torture else (scenario != "save",):
        tried = trials(scenario, faulted.KILL, at_once=at_once)
        assert {attempt["call"] for attempt in tried.attempts} >= KILLED[scenario]
        seen = set()
        for attempt in tried.attempts:
            acknowledged = attempt["steps"] or 0
            seen.add(check_start(tried, attempt, acknowledged) - acknowledged)
        # A kill before the change was written down, and one after it.
        assert seen == {0, 1}
        if torture:
            kills, changes = len(tried.attempts), sum(attempt["steps"] or 0 for attempt in tried.attempts)
            print(f"{scenario}, {at_once=}: {kills} kills, {changes} steps acknowledged, none lost")


def states(tried: Tried) -> list[Report]:
    """The attempts that left different files, one of each."""
    found: dict[tuple[str, int], Report] = {}
    for attempt in tried.attempts:
        folder = tried.folder / attempt["name"]
        files = sorted(each for each in folder.rglob("*") if each.is_file())
        state = [(each.relative_to(folder).as_posix(), each.read_bytes()) for each in files]
        found.setdefault((repr(state), attempt["steps"] or 0), attempt)
    return list(found.values())


@pytest.fixture
def chosen(torture: bool) -> Callable[[Tried, int], list[Report]]:
    """Some of the states that kills left, all of them in the long form."""
    seed = random.randrange(1 << 32)
    print(f"{seed=}")

    def chosen(tried: Tried, most: int) -> list[Report]:
        found = states(tried)
        return found if torture or len(found) <= most else random.Random(seed).sample(found, most)

    return chosen


@needs_strace
@pytest.mark.parametrize("scenario", KILLED)
def test_a_kill_of_the_start_after_a_kill_loses_nothing_either(
    trials: Trials, scenario: str, chosen: Callable[[Tried, int], list[Report]], torture: bool
) -> None:
    first = trials.killed(scenario)
    left = {attempt["name"]: attempt for attempt in chosen(first, 2)}
    second = trials(scenario, faulted.KILL, left=tuple(left))
    for attempt in second.attempts:
        before = left[attempt["left"]]
        tried = Tried(second.folder, first.expected, [])
        check_start(tried, attempt | {"steps": [before["steps"], attempt["steps"]]}, before["steps"] or 0)
    assert len(second.attempts) > len(left)
    if torture:
        print(f"{scenario}: {len(second.attempts)} kills of a start after a kill, nothing lost")


# Settling

SETTLED = ("overwrite", "theirs", "overwrite-unsaved", "theirs-unsaved")
# Two changes; annotation 6 was the last that they added.
OURS, LAST_ID = 2, 6
_LEFT = {"overwrite": "theirs", "theirs": "ours"}


def check_settled(tried: Tried, attempt: Report) -> bool:
    """Whatever a kill left, the same choice once more comes to what was chosen; returns whether it was necessary."""
    path = tried.folder / attempt["name"] / "dataset.json"
    choice = tried.folder.name.split("-")[0]
    again = False
    try:
        found = start(path)
    except DatasetError as exc:
        again = "--on-conflict" in str(exc)
        assert again, (where(tried, attempt), exc)  # noqa: PT017
    if again:
        MemoryMaintenance(DatasetFile(path, BACKUPS)).resolve_conflict(choice, f"{MOMENT}-2")
        found = start(path)
    right = tried.expected[1]
    assert found.text == right["text"], where(tried, attempt)
    assert found.revision >= right["revision"], where(tried, attempt)
    assert found.new_ids["annotations"] > LAST_ID, where(tried, attempt)
    kept = [each for each in path.parent.iterdir() if each.name.startswith(f"dataset.json.{_LEFT[choice]}-")]
    if choice == "overwrite":
        assert THEIRS in [each.read_text() for each in kept], where(tried, attempt)
    else:
        segments = [read_segment(each) for folder in kept if folder.is_dir() for each in folder.iterdir()]
        revisions = {entry.revision for segment in segments for entry in segment.entries}
        assert revisions == set(range(1, OURS + 1)), where(tried, attempt)
    assert not list(path.parent.rglob("*.unfinished")), where(tried, attempt)
    return again


@needs_strace
@pytest.mark.parametrize("scenario", SETTLED)
def test_settling_that_is_killed_is_done_or_can_be_done_again(trials: Trials, scenario: str) -> None:
    tried = trials(scenario, faulted.KILL)
    assert {check_settled(tried, attempt) for attempt in tried.attempts} == {True, False}


# Errors


def follow(tried: Tried, attempt: Report, fault: str) -> None:
    """Hold each step of an attempt to what may come of it; the journal lets changes in again by itself."""
    expected, made = tried.expected, 0
    text, revision = expected[0]["text"], expected[0]["revision"]
    failed = in_doubt = False
    for index, step in enumerate(attempt["steps"]):
        context = where(tried, attempt), index
        change, outcome = step["step"] in CHANGES, step["outcome"]
        if in_doubt and change:
            assert outcome == "refused", context
            assert "none is until the dataset was saved" in step["error"], context
        elif failed:
            assert outcome == "made", context
        if outcome in ("made", "doubtful"):
            if made + 1 < len(expected) and step["step"] == expected[made + 1]["after"]:
                made += 1
                text = expected[made]["text"]
            elif change:
                text = step["text"]
            revision += change or step["step"] == "set_annotations"
            in_doubt = outcome == "doubtful"
        elif outcome == "not saved" and step["trouble"]:
            # The other dataset may be in place: neither its revision nor the next one may stand for another.
            assert "replacement" in step["trouble"], context
            in_doubt = True
            revision += 2
        if step["text"] is not None:
            assert (step["text"], step["revision"]) == (text, revision), context
            assert step["in file"] <= step["durable"] <= step["revision"], context
            assert not (outcome == "made" and step["step"] == "sync") or step["durable"] == revision, context
            assert (step["trouble"] is not None) == (in_doubt or outcome == "refused"), context
        check_message(step, context, fault, first=not failed)
        failed |= outcome != "made"
    assert made == len(expected) - 1, where(tried, attempt)


def check_message(step: Report, context: object, fault: str, *, first: bool) -> None:
    if step["outcome"] == "refused":
        assert "the change was not made" in step["error"], context
        assert step["full"] == (first and fault == "ENOSPC"), context
    elif step["outcome"] == "doubtful":
        assert "the change was made" in step["error"], context
    if first and step["outcome"] != "made":
        assert REASONS[fault] in step["error"], context


def check_then(tried: Tried, attempt: Report, *, torn: bool) -> None:
    """What a start finds that comes right after the first failure: what memory had then."""
    failed = next((step for step in attempt["steps"] if step["outcome"] != "made"), None)
    if failed is None or failed["text"] is None:
        return
    path = tried.folder / f"{attempt['name']}-then" / "dataset.json"
    assert whole(path) or torn, where(tried, attempt)
    found = start(path)
    if failed["outcome"] == "not saved" and failed["trouble"]:
        possible = [(each["text"], each["revision"]) for each in tried.expected]
        assert (found.text, found.revision) in possible, where(tried, attempt)
    else:
        assert (found.text, found.revision) == (failed["text"], failed["revision"]), where(tried, attempt)


def check_end(tried: Tried, attempt: Report) -> None:
    """What a start finds when all was made, first without another save, then after one."""
    end = start(tried.folder / f"{attempt['name']}-end" / "dataset.json")
    assert end.text == tried.expected[-1]["text"], where(tried, attempt)
    path, last = tried.folder / attempt["name"] / "dataset.json", attempt["steps"][-1]
    assert names(path) - BACKED_UP == USUAL, where(tried, attempt)
    assert path.read_text() == last["text"], where(tried, attempt)
    found = start(path)
    assert (found.text, found.revision) == (last["text"], last["revision"]), where(tried, attempt)
    assert found.file_revision == found.revision, where(tried, attempt)


BROKEN_AT_ONCE, FULL_LATER = ("EIO", True), ("ENOSPC", False)
FAILED = {
    "append": [BROKEN_AT_ONCE, FULL_LATER],
    "save": [BROKEN_AT_ONCE, FULL_LATER],
    "replace": [FULL_LATER],
    "start": [BROKEN_AT_ONCE],
}


@needs_strace
@pytest.mark.parametrize("scenario", FAILED)
def test_after_an_error_nothing_is_lost_or_half_made_and_changes_work_again_by_themselves(
    trials: Trials, scenario: str, torture: bool
) -> None:
    every = itertools.product((BROKEN_AT_ONCE, FULL_LATER), (1, 3))
    for (fault, at_once), times in every if torture else itertools.product(FAILED[scenario], (1,)):
        tried = trials(scenario, fault, at_once=at_once, times=times)
        assert {attempt["call"] for attempt in tried.attempts} >= KILLED[scenario]
        for attempt in tried.attempts:
            follow(tried, attempt, fault)
            check_then(tried, attempt, torn=False)
            check_end(tried, attempt)
        outcomes = [step["outcome"] for attempt in tried.attempts for step in attempt["steps"]]
        assert {"made", "refused", "doubtful"} <= set(outcomes)
        if torture:
            counts = {outcome: outcomes.count(outcome) for outcome in sorted(set(outcomes))}
            print(f"{scenario}, {fault} {times} time(s), {at_once=}: {len(tried.attempts)} attempts, steps {counts}")


@needs_strace
@pytest.mark.parametrize(("scenario", "fault", "at_once"), [("append", "ENOSPC", True), ("save", "EIO", False)])
def test_a_line_that_can_neither_be_written_nor_cut_off_is_followed_by_none(
    trials: Trials, scenario: str, fault: str, at_once: bool
) -> None:
    tried = trials(scenario, fault, calls=("write",), also=("ftruncate",), at_once=at_once)
    refused = 0
    for attempt in tried.attempts:
        follow(tried, attempt, fault)
        check_then(tried, attempt, torn=True)
        check_end(tried, attempt)
        refused += attempt["steps"][0]["outcome"] == "refused"
    assert refused


_ADD_UNTIL_MADE = """
import sys
from pathlib import Path
from cocoannot.manager import DatasetManager
from cocoannot.store.memory.store import MemoryStore
from cocoannot.errors import JournalError
manager = DatasetManager()
manager.load(Path(sys.argv[1]))
try:
    manager.add_category({"name": "refused"})
    print("made")
except JournalError:
    manager.add_category({"name": "made"})
"""


@needs_strace
def test_a_journal_whose_name_could_not_be_made_durable_has_that_done_before_it_takes_a_change(tmp_path: Path) -> None:
    path, log = tmp_path / "dataset.json", tmp_path / "log"
    path.write_text(journal_attempts.DATASET)
    folder = str(path.with_name(FOLDER))
    # The state file has its folder fsynced first, at the start.
    options = ["-y", "--seccomp-bpf", "-P", folder, "-e", "trace=fsync", "-e", "inject=fsync:error=EIO:when=2"]
    done = run_traced(_ADD_UNTIL_MADE, path, options=options, log=log)
    assert (done.returncode, done.stdout, done.stderr) == (0, "", "")
    results = [line.split(" = ")[1].split()[0] for line in log.read_text().splitlines() if "fsync(" in line]
    assert results == ["0", "-1", "0"]


# Real disks

needs_root = pytest.mark.skipif(os.geteuid() != 0, reason="only root may mount file systems")
SMALL = {
    "images": [{"id": 1, "file_name": "one.jpg", "width": 64, "height": 48}],
    "annotations": [],
    "categories": [{"id": 1, "name": "cat"}],
}
FULL = "No space left on device"


@pytest.fixture
def disk(tmp_path: Path) -> Iterator[Path]:
    """A disk of 1 MiB with a dataset on it."""
    folder = tmp_path / "disk"
    folder.mkdir()
    command = ["mount", "-t", "tmpfs", "-o", "size=1m", "none", str(folder)]
    done = subprocess.run(command, capture_output=True, text=True)
    if done.returncode:
        pytest.skip(f"can't mount here: {done.stderr.strip()}")
    (folder / "dataset.json").write_text(json.dumps(SMALL))
    yield folder
    subprocess.run(["umount", "--lazy", folder], check=True)


def fill(folder: Path, leave: int = 0) -> None:
    """Take all the space, but for `leave` bytes."""
    with (folder / "filler").open("wb", buffering=0) as file:
        with suppress(OSError):
            while True:
                file.write(bytes(1024))
        file.truncate(max(0, file.tell() - leave))


def empty(folder: Path) -> None:
    (folder / "filler").unlink()


@needs_root
@pytest.mark.parametrize("at_once", [True, False])
def test_a_disk_that_fills_up_takes_changes_again_when_there_is_space(disk: Path, at_once: bool, torture: bool) -> None:
    path = disk / "dataset.json"
    world = World(path, at_once=at_once)
    world.load()
    manager, acknowledged = world.manager, []
    seed = random.randrange(1 << 32)
    sizes = random.Random(seed)
    rounds = 50 if torture else 5
    for number in range(rounds):
        fill(disk, leave=8192)

        def add_for_ever() -> None:
            while True:
                note = "x" * sizes.randrange(300)
                acknowledged.append(manager.add_annotation({**ANNOTATION, "note": note})["id"])

        with pytest.raises(JournalError) as raised:
            add_for_ever()
        # Before anything else is tried, which would cut off what is torn.
        assert whole(path), seed
        assert raised.value.disk_full, seed
        assert FULL in str(raised.value), seed
        assert manager.counts()["annotations"] == manager.revision == len(acknowledged), seed
        assert FULL in (manager.store.status().journal_error or ""), seed
        with pytest.raises(JournalError, match=FULL):
            manager.store.check_writable()
        empty(disk)
        manager.store.check_writable()
        acknowledged.append(manager.add_annotation(ANNOTATION)["id"])
        assert manager.store.status().journal_error is None, seed
        if number % 2:
            manager.save()
    manager.store.sync()
    assert manager.store.status().journal_revision == manager.revision
    again = World(path, at_once=True)
    again.load()
    ids = [annotation["id"] for annotation in json.loads(again.text())["annotations"]]
    assert ids == acknowledged == list(range(1, len(acknowledged) + 1)), seed
    assert again.manager.revision == manager.revision
    if torture:
        print(f"{at_once=}: the disk was full {rounds} times, {len(acknowledged)} changes acknowledged, none lost")


_FILL_UP_TWICE = """
import sys
from pathlib import Path
from cocoannot.manager import DatasetManager
from cocoannot.store.memory.store import MemoryStore
from cocoannot.errors import JournalError
path = Path(sys.argv[1])
manager = DatasetManager()
manager.load(path)
for filler in (None, 800_000):
    if filler:
        path.with_name("filler").write_bytes(bytes(filler))
    try:
        while True:
            print(manager.add_category({"name": str(manager.revision), "note": "x" * 300})["id"])
    except JournalError:
        path.with_name("filler").unlink()
        print(manager.add_category({"name": str(manager.revision)})["id"])
"""


@needs_root
@needs_strace
def test_half_a_line_that_could_not_be_cut_off_is_followed_by_a_segment_and_not_by_a_line(disk: Path) -> None:
    path = disk / "dataset.json"
    fill(disk, leave=16384)
    options = ["--seccomp-bpf", "-e", "trace=ftruncate", "-e", "inject=ftruncate:error=EIO"]
    done = run_traced(_FILL_UP_TWICE, path, options=options)
    assert (done.returncode, done.stderr) == (0, "")
    # It is there: else this would show nothing.
    assert not whole(path)
    world = World(path, at_once=True)
    world.load()
    found = [category["id"] for category in world.manager.get_categories()]
    assert found == [1, *map(int, done.stdout.split())]
    assert whole(path)


def add_until_refused(server: Server) -> tuple[list[int], Answer]:
    """Add annotations until one is refused; returns the ids of the others, and that answer."""
    added = []
    while (answer := server.request("POST", "/api/annotations", {**ANNOTATION, "note": "x" * 300})).status == 201:
        added.append(answer.body["id"])
    return added, answer


def check_reads(server: Server, added: list[int]) -> None:
    annotations = server.request("GET", "/api/annotations?page_size=1000")
    assert annotations.status == 200
    assert [annotation["id"] for annotation in annotations.body] == added
    for url in ("/healthz", "/api/images/1", "/api/categories", "/api/status", "/metrics"):
        # Not every answer is JSON.
        assert exchange(server.url, f"GET {url} HTTP/1.1\nHost: HOST\nConnection: close").status == 200, url


@needs_root
@pytest.mark.parametrize("fsync", ["everysec", "always"])
def test_a_server_on_a_full_disk_says_507_goes_on_reading_and_is_ready_again_by_itself(disk: Path, fsync: str) -> None:
    path = disk / "dataset.json"
    env = {"COCOANNOT_JOURNAL_FSYNC": fsync, "COCOANNOT_CACHE": str(disk.with_name("cache"))}
    with elsewhere(path, env) as server:
        added = [server.add()]
        fill(disk, leave=8192)
        more, answer = add_until_refused(server)
        added += more
        assert answer.status == 507
        assert "the change was not made" in answer.body["message"]
        assert FULL in answer.body["message"]
        ready = server.request("GET", "/readyz")
        assert ready.status == 503
        assert FULL in ready.body["message"]
        assert FULL in server.status()["saver"]["last_error"]
        check_reads(server, added)
        empty(disk)
        assert server.request("GET", "/readyz").status == 200
        added.append(server.add())
        check_reads(server, added)
        os.kill(server.pid, signal.SIGKILL)
        os.kill(server.worker, signal.SIGKILL)
        server.wait_until_let_go()
    with elsewhere(path, env) as server:
        check_reads(server, added)
        server.signal(signal.SIGTERM)
        assert server.wait() == 0
    assert annotation_ids(path) == added


@contextmanager
def elsewhere(path: Path, env: dict[str, str]) -> Iterator[Server]:
    """A server of `path` that has its log on another disk."""
    link = path.parent.with_name("link") / path.name
    link.parent.mkdir(exist_ok=True)
    if not link.exists():
        link.symlink_to(path)
    with serve(link, env=env) as server:
        yield server


@needs_ext4
def test_a_server_on_a_disk_that_turned_read_only_says_503_and_goes_on_reading(tmp_path: Path) -> None:
    disk = Disk(tmp_path / "image", tmp_path / "disk")
    try:
        path = disk.folder / "dataset.json"
        path.write_text(json.dumps(SMALL))
        disk.sync()
        env = {"COCOANNOT_JOURNAL_FSYNC": "always", "COCOANNOT_CACHE": str(tmp_path / "cache")}
        with elsewhere(path, env) as server:
            added = [server.add(), server.add()]
            # As ext4 does by itself when it meets an error.
            subprocess.run(["mount", "-o", "remount,abort", disk.folder], check=True)
            for _ in range(2):
                answer = server.request("POST", "/api/annotations", ANNOTATION)
                assert answer.status == 503
                assert "Read-only file system" in answer.body["message"]
                assert "the change was not made" in answer.body["message"]
                ready = server.request("GET", "/readyz")
                assert ready.status == 503
                assert "Read-only file system" in ready.body["message"]
            check_reads(server, added)
        disk.boot()
        with elsewhere(path, env) as server:
            check_reads(server, added)
            assert server.add() == added[-1] + 1
    finally:
        disk.remove()
