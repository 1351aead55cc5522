"""A disk that fails at any system call of a save, or a process that dies there: nothing is lost, and it recovers.

The faults are real: small and read-only file systems, and errors and signals that strace injects.
"""

from __future__ import annotations

import contextlib
import itertools
import json
import os
import re
import subprocess
import sys
from collections.abc import Callable, Iterable, Iterator
from pathlib import Path
from typing import Any

import pytest
from servers import ROOT
from tracing import needs_strace, run_traced

from cocoannot.errors import DatasetError, SaveError
from cocoannot.manager import DatasetManager

Report = dict[str, Any]
Attempts = Callable[[str, str], tuple[Path, list[Report]]]
Start = Callable[[Path], DatasetManager]
Change = Callable[[Path], object]

pytestmark = pytest.mark.slow

_ATTEMPTS = r"""
import json, logging, os, sys
from pathlib import Path
import faulted
from cocoannot.manager import DatasetManager
from cocoannot.errors import FileChanged, SaveError

operation, fault, folder, dataset, theirs, *calls = sys.argv[1:]
logging.getLogger("cocoannot").addHandler(logging.NullHandler())

def memory(manager):
    return b"".join(manager.store.export().blocks).decode()

def facts(manager, path, after=""):
    status, names = manager.store.status(), [path.name + ".cocoannot/state.json", path.name + ".cocoannot"]
    found = {
        "memory": memory(manager), "file": path.read_text(), "summary": manager.changes.summary(),
        "since": manager.store.unsaved_since(), "revision": status.revision, "last_error": status.saves.error,
        "left": sorted(str(each.relative_to(path.parent)) for each in path.parent.rglob("*")),
    }
    return {key + after: value for key, value in found.items()}

def prepare(path):
    path.parent.mkdir()
    path.write_text(dataset)
    manager = DatasetManager()
    manager.load(path)
    if operation != "replace":
        manager.add_category({"name": "ours"})
    if operation in ("conflict", "overwrite"):
        path.write_text(theirs)
    if operation == "overwrite":
        try:
            manager.save()
        except FileChanged:
            pass
    return manager

def operate(manager):
    if operation.startswith("replace"):
        manager.set_annotations([])
    elif operation == "overwrite":
        manager.store.save(overwrite=True)
    else:
        manager.save()

def attempt(call, number):
    path = Path(folder, f"{call}-{number}", "dataset.json")
    manager = prepare(path)
    before = facts(manager, path, "_before")
    return faulted.in_a_child(lambda: with_fault(manager, path, call, number, before))

def with_fault(manager, path, call, number, before):
    report = {"call": call, "number": number, "error": None, "disk_full": None, **before}
    faulted.lead_up({call: number})
    try:
        operate(manager)
    except SaveError as exc:
        report |= {"error": str(exc), "kind": type(exc).__name__, "disk_full": exc.disk_full}
    if fault == faulted.KILL or not faulted.end(call, fault):
        return 3
    report |= facts(manager, path)
    try:
        manager.store.save(overwrite=operation == "overwrite")
        report["error_at_last"] = None
    except SaveError as exc:
        report["error_at_last"] = str(exc)
    report |= facts(manager, path, "_at_last")
    os.write(1, json.dumps(report).encode() + b"\n")

# What is imported late is imported now.
try:
    operate(prepare(Path(folder + "-without", "dataset.json")))
except FileChanged:
    pass
faulted.attach(fault, calls=calls)
for call in calls:
    for number in range(1, faulted.AT[call]):
        code = faulted.in_a_child(lambda: attempt(call, number) % 256)
        if code == 1:
            sys.exit(1)
        if code == 3:
            break
    else:
        # The numbers end before the calls do.
        sys.exit(1)
"""
_CALLS = ("mkdir", "openat", "write", "fsync", "rename", "unlink")
_DATASET = """{
  "images": [{"id": 1, "file_name": "one.jpg", "width": 64, "height": 48}],
  "annotations": [{"id": 1, "image_id": 1, "category_id": 1, "bbox": [1, 2, 3, 4], "area": 12, "iscrowd": 0}],
  "categories": [{"id": 1, "name": "cat"}]
}
"""
_THEIRS = '{"categories": [{"id": 1, "name": "theirs"}]}'
_USUAL = {"dataset.json", "dataset.json.cocoannot", "dataset.json.cocoannot/state.json"}
_UNSAVED = "dataset.json.cocoannot/unsaved.json"
_JOURNAL = re.compile(r"dataset\.json\.cocoannot/journal(/\d+\.jsonl)?")

needs_root = pytest.mark.skipif(os.geteuid() != 0, reason="only root may mount file systems")


@pytest.fixture(scope="module")
def attempts(tmp_path_factory: pytest.TempPathFactory) -> Attempts:
    """Makes an operation meet a fault at its 1st, 2nd, ... call of each kind, each time on a dataset of its own.

    Answers with the folder of the datasets, and a report on each attempt where its process lived.
    """
    made = {}

    def attempts(operation: str, fault: str) -> tuple[Path, list[Report]]:
        if (operation, fault) not in made:
            folder = tmp_path_factory.mktemp(f"{operation}-{fault}")
            done = subprocess.run(
                [sys.executable, "-c", _ATTEMPTS, operation, fault, folder, _DATASET, _THEIRS, *_CALLS],
                env={**os.environ, "PYTHONPATH": f"{ROOT}{os.pathsep}{Path(__file__).parent}"},
                capture_output=True,
                text=True,
                timeout=60,
            )
            assert (done.returncode, done.stderr) == (0, "")
            made[operation, fault] = folder, [json.loads(line) for line in done.stdout.splitlines()]
        return made[operation, fault]

    return attempts


@pytest.fixture
def reports(attempts: Attempts, operation: str, fault: str) -> list[Report]:
    return attempts(operation, fault)[1]


@pytest.fixture
def failures(reports: list[Report]) -> list[Report]:
    return [report for report in reports if report["error"]]


@pytest.fixture
def start() -> Iterator[Start]:
    """Starts anew on a dataset, as a process does that knows nothing but what is on disk."""

    started = []

    def start(path: Path) -> DatasetManager:
        manager = DatasetManager()
        started.append(manager)
        manager.load(path)
        return manager

    yield start
    for manager in started:
        manager.close()


def faults(*operations: tuple[str, str]) -> pytest.MarkDecorator:
    return pytest.mark.parametrize(("operation", "fault"), operations, ids=map("-".join, operations))


def where(report: Report) -> str:
    return f"{report['call']} number {report['number']}: {report['error']}"


def without_journal(names: Iterable[str], most: int = 2) -> set[str]:
    """`names` without the journal's, which has the segment in use, and one more for each save that failed."""
    assert sum(bool(found and found[1]) for found in map(_JOURNAL.fullmatch, names)) <= most, names
    return {name for name in names if not _JOURNAL.fullmatch(name)}


def text_of(manager: DatasetManager) -> str:
    return b"".join(manager.store.export().blocks).decode()


SAVE_FULL, SAVE_BROKEN, REPLACE, OVERWRITE, CONFLICT = (
    ("save", "ENOSPC"),
    ("save", "EIO"),
    ("replace", "EIO"),
    ("overwrite", "EIO"),
    ("conflict", "ENOSPC"),
)
every_fault = faults(SAVE_FULL, SAVE_BROKEN, REPLACE, OVERWRITE, CONFLICT)


@needs_strace
@every_fault
def test_faults_are_met_at_calls_of_every_kind(reports: list[Report], failures: list[Report]) -> None:
    assert {report["call"] for report in reports} == set(_CALLS)
    assert {report["call"] for report in failures} >= set(_CALLS) - {"mkdir"}


@needs_strace
@every_fault
def test_after_a_fault_the_dataset_is_the_old_or_the_new_one_as_a_whole(reports: list[Report], operation: str) -> None:
    new = {report["file"] for report in reports if not report["error"]}
    assert len(new) == (0 if operation == "conflict" else 1)
    for report in reports:
        assert report["file"] in {report["file_before"], *new}, where(report)


@needs_strace
@every_fault
def test_a_failed_save_leaves_memory_as_it_was_and_its_changes_pending(failures: list[Report]) -> None:
    for report in failures:
        assert report["memory"] == report["memory_before"], where(report)
        assert report["summary"] == report["summary_before"], where(report)
        if report["since_before"] is not None:
            assert report["since"] == report["since_before"], where(report)
            assert report["revision"] == report["revision_before"], where(report)


@needs_strace
@every_fault
def test_a_failed_save_says_the_reason_and_shows_it_in_the_status(failures: list[Report], fault: str) -> None:
    reason = {"ENOSPC": "No space left on device", "EIO": "Input/output error"}[fault]
    for report in failures:
        assert report["last_error"] == report["error"], where(report)
        if report["kind"] == "SaveError":
            assert f"dataset.json: {reason}; nothing is lost" in report["error"]
            assert report["disk_full"] == (fault == "ENOSPC"), where(report)


@needs_strace
@faults(SAVE_FULL, SAVE_BROKEN, REPLACE)
def test_a_failed_save_leaves_no_file_behind(reports: list[Report]) -> None:
    for report in reports:
        assert without_journal(report["left"]) == _USUAL, where(report)


@needs_strace
@faults(OVERWRITE, CONFLICT)
def test_a_failed_save_in_a_conflict_leaves_no_file_behind_but_copies_of_both(failures: list[Report]) -> None:
    for report in failures:
        others = without_journal(report["left"], most=3) - _USUAL - {_UNSAVED}
        replaced = report["file"] != report["file_before"]
        assert len(others) == replaced, where(report)
        assert all(name.startswith("dataset.json.theirs-") for name in others), where(report)


@needs_strace
@faults(SAVE_FULL, SAVE_BROKEN, REPLACE, OVERWRITE)
def test_the_next_save_brings_the_file_level_with_memory(reports: list[Report], operation: str) -> None:
    for report in reports:
        assert report["error_at_last"] is None, where(report)
        assert report["file_at_last"] == report["memory_at_last"] == report["memory"], where(report)
        assert report["summary_at_last"] == "no changes", where(report)
        assert report["last_error_at_last"] is None or report["memory"] == report["file"], where(report)


@needs_strace
@faults(SAVE_FULL, SAVE_BROKEN, REPLACE)
def test_a_start_after_a_fault_knows_the_revision(
    reports: list[Report], attempts: Attempts, operation: str, fault: str, start: Start
) -> None:
    for report in reports:
        path = attempts(operation, fault)[0] / f"{report['call']}-{report['number']}" / "dataset.json"
        assert start(path).revision == report["revision_at_last"], where(report)


@needs_strace
@faults(SAVE_BROKEN, REPLACE, OVERWRITE)
def test_a_save_that_is_not_known_to_be_durable_has_failed(failures: list[Report]) -> None:
    """The folder could not be fsynced, or not be opened for it, after the file was renamed."""
    uncertain = [report for report in failures if report["file"] != report["file_before"]]
    assert [report["call"] for report in uncertain] == ["openat", "fsync"]


@needs_strace
@faults(REPLACE)
def test_a_replacement_that_may_be_in_place_has_its_revision_to_itself(failures: list[Report]) -> None:
    for report in failures:
        uncertain = report["file"] != report["file_before"]
        assert report["revision"] == report["revision_before"] + 2 * uncertain, where(report)
        assert (report["since"] is not None) == uncertain, where(report)


@needs_strace
@faults(CONFLICT)
def test_a_fault_in_a_conflict_writes_over_nothing_and_is_over_with_the_next_save(failures: list[Report]) -> None:
    for report in failures:
        assert report["file"] == report["file_at_last"] == _THEIRS, where(report)
        assert "is not written over" in report["error_at_last"], where(report)
        assert _UNSAVED in report["left_at_last"], where(report)


def killed(attempts: Attempts, operation: str) -> list[Path]:
    """The datasets at which an operation was killed, by the call that it died at."""
    return sorted(path / "dataset.json" for path in attempts(operation, "KILL")[0].iterdir())


@needs_strace
@pytest.mark.parametrize(("operation", "new_revision"), [("save", 1), ("replace", 1)])
def test_a_start_after_a_kill_finds_the_old_or_the_new_dataset_and_its_revision(
    attempts: Attempts, operation: str, new_revision: int, start: Start
) -> None:
    seen = set()
    for path in killed(attempts, operation):
        manager = start(path)
        replaced = path.read_text() != _DATASET
        assert manager.store.status().file_revision == new_revision * replaced, path
        names = {each.relative_to(path.parent).as_posix() for each in path.parent.rglob("*")}
        assert without_journal(names) == _USUAL, path
        if operation == "replace":
            assert manager.revision == new_revision * replaced, path
            assert manager.counts()["annotations"] == (0 if replaced else 1), path
        else:
            # What the file does not have yet is in the journal.
            assert manager.revision == new_revision, path
            assert manager.counts()["categories"] == 2, path
        seen.add((path.parent.name.split("-")[0], replaced))
    assert {("rename", False), ("rename", True), ("fsync", False), ("fsync", True)} <= seen


@needs_strace
def test_a_kill_while_theirs_is_written_over_loses_neither(attempts: Attempts, start: Start) -> None:
    seen = set()
    for path in killed(attempts, "overwrite"):
        kept = [each.read_text() for each in path.parent.glob("dataset.json.theirs-*")]
        assert _THEIRS in [path.read_text(), *kept], path
        replaced = path.read_text() != _THEIRS
        if replaced:
            manager = start(path)
            assert manager.revision == 1, path
            assert not (path.parent / _UNSAVED).exists(), path
            ours = json.loads(text_of(manager))
        else:
            with pytest.raises(DatasetError, match="--on-conflict"):
                start(path)
            ours = json.loads((path.parent / _UNSAVED).read_text())
        assert [each["name"] for each in ours["categories"]] == ["cat", "ours"], path
        assert list(path.parent.rglob("*.unfinished")) == [], path
        seen.add(replaced)
    assert seen == {True, False}


_SAVE_TWICE = """
import sys
from pathlib import Path
from cocoannot.manager import DatasetManager
manager = DatasetManager()
manager.load(Path(sys.argv[1]))
for name in ("ours", "ours too"):
    manager.add_category({"name": name})
    manager.save()
"""


@pytest.fixture(scope="module")
def calls(tmp_path_factory: pytest.TempPathFactory) -> list[str]:
    """The system calls of a load and two saves of a private dataset, in a folder of the name `data`."""
    folder = tmp_path_factory.mktemp("calls") / "data"
    folder.mkdir()
    (folder / "dataset.json").write_text(_DATASET)
    (folder / "dataset.json").chmod(0o600)
    log = folder.with_name("log")
    options = ["-y", "--seccomp-bpf", "-e", "trace=openat,fsync,rename"]
    done = run_traced(_SAVE_TWICE, folder / "dataset.json", options=options, log=log)
    assert (done.returncode, done.stderr) == (0, "")
    return log.read_text().splitlines()


@needs_strace
def test_a_save_is_durable_before_it_is_seen_and_the_state_file_is_first(calls: list[str]) -> None:
    found = [re.search(r"(fsync|rename)\(.*?([^/<\"]+)[>\"]\) += 0", line) for line in calls]
    order = [" ".join(each.groups()) for each in found if each]
    save = [
        "fsync .dataset.json.unfinished",
        "fsync .state.json.unfinished",
        "rename state.json",
        "fsync dataset.json.cocoannot",
        "rename dataset.json",
        "fsync data",
        "fsync .state.json.unfinished",
        "rename state.json",
        "fsync dataset.json.cocoannot",
    ]
    change = ["fsync 2.jsonl", "fsync journal"]
    assert order[order.index(save[0]) :] == [*save, *change, *save]


@needs_strace
def test_a_private_dataset_is_private_from_the_first_moment_of_a_save(calls: list[str]) -> None:
    modes = [re.search(r'/\.dataset\.json\.unfinished", .*O_CREAT.*, (\d+)\) += \d', line) for line in calls]
    assert [mode[1] for mode in modes if mode] == ["0600", "0600"]


@needs_strace
def test_a_save_does_not_read_what_is_in_place(calls: list[str]) -> None:
    """Reading it each time would tell as well whether something else changed it, at twice the price."""
    assert len([line for line in calls if '/dataset.json", O_RDONLY' in line]) == 1


def mount(*arguments: object) -> None:
    done = subprocess.run(["mount", *map(str, arguments)], capture_output=True, text=True)
    if done.returncode:
        pytest.skip(f"can't mount here: {done.stderr.strip()}")


@pytest.fixture
def disk(tmp_path: Path) -> Iterator[Path]:
    """A disk of 1 MiB that holds at most 30 files."""
    folder = tmp_path / "disk"
    folder.mkdir()
    mount("-t", "tmpfs", "-o", "size=1m,nr_inodes=30", "none", folder)
    yield folder
    subprocess.run(["umount", "--lazy", folder], check=True)


@pytest.fixture
def path(disk: Path) -> Path:
    (disk / "dataset.json").write_text(_DATASET)
    return disk / "dataset.json"


def fill(disk: Path) -> None:
    with (disk / "filler").open("wb", buffering=0) as file, contextlib.suppress(OSError):
        while True:
            file.write(bytes(1024))


def fill_with_names(disk: Path) -> None:
    (disk / "filler").mkdir()
    with contextlib.suppress(OSError):
        for number in itertools.count():
            (disk / "filler" / str(number)).touch()


def change_and_die(path: Path) -> None:
    """Leave a change in the journal, and no file open: nothing could be mounted anew with one."""
    script = """
import sys
from pathlib import Path
from cocoannot.manager import DatasetManager
manager = DatasetManager()
manager.load(Path(sys.argv[1]))
manager.add_category({"name": "ours"})
"""
    subprocess.run([sys.executable, "-c", script, path], env={**os.environ, "PYTHONPATH": str(ROOT)}, check=True)


def names_on(disk: Path) -> set[str]:
    names = {each.relative_to(disk).as_posix() for each in disk.rglob("*") if "filler" not in each.parts}
    return without_journal(names)


def make_read_only(disk: Path) -> None:
    mount("-o", "remount,ro", disk)


def empty(disk: Path) -> None:
    (disk / "filler").unlink()


def empty_of_names(disk: Path) -> None:
    for file in (disk / "filler").iterdir():
        file.unlink()


def make_writable(disk: Path) -> None:
    mount("-o", "remount,rw", disk)


every_disk = pytest.mark.parametrize(
    ("break_it", "mend_it", "reason", "full"),
    [
        (fill, empty, "No space left on device", True),
        (fill_with_names, empty_of_names, "No space left on device", True),
        (make_read_only, make_writable, "Read-only file system", False),
    ],
    ids=["full", "out of inodes", "read-only"],
)


@needs_root
@every_disk
def test_a_save_on_a_broken_disk_loses_nothing_and_works_again_when_it_is_mended(
    disk: Path, path: Path, start: Start, break_it: Change, mend_it: Change, reason: str, full: bool
) -> None:
    change_and_die(path)
    manager = start(path)
    before = names_on(disk)
    since = manager.store.unsaved_since()
    break_it(disk)
    for _ in range(2):
        with pytest.raises(SaveError, match=f"can't save {path}: {reason}") as raised:
            manager.save()
        assert raised.value.disk_full is full
        assert manager.store.status().saves.error == str(raised.value)
        assert manager.changes.summary() == "1 category(ies) added"
        assert manager.store.unsaved_since() == since
        assert path.read_text() == _DATASET
        assert names_on(disk) == before
    mend_it(disk)
    assert manager.save()
    assert manager.store.status().saves.error is None
    assert path.read_text() == text_of(manager)
    assert start(path).counts()["categories"] == 2


@needs_root
@every_disk
def test_a_replacement_on_a_broken_disk_leaves_memory_as_it_was(
    disk: Path, path: Path, start: Start, break_it: Change, mend_it: Change, reason: str, full: bool
) -> None:
    manager = start(path)
    break_it(disk)
    with pytest.raises(SaveError, match=reason) as raised:
        manager.set_annotations([])
    assert raised.value.disk_full is full
    assert (manager.revision, manager.counts()["annotations"]) == (0, 1)
    assert not manager.save()
    mend_it(disk)
    manager.set_annotations([])
    assert json.loads(path.read_text())["annotations"] == []


@needs_root
@pytest.mark.parametrize("break_it", [fill, fill_with_names])
def test_a_full_disk_keeps_nobody_from_reading(disk: Path, path: Path, start: Start, break_it: Change) -> None:
    break_it(disk)
    assert start(path).counts()["annotations"] == 1


@needs_root
def test_a_file_that_is_mounted_by_itself_is_not_written_in_place(tmp_path: Path, start: Start) -> None:
    """As containers do it: nothing can be renamed over a file that is a mount point."""
    source, path = tmp_path / "source.json", tmp_path / "dataset.json"
    source.write_text(_DATASET)
    path.touch()
    mount("--bind", source, path)
    try:
        manager = start(path)
        manager.add_category({"name": "ours"})
        with pytest.raises(SaveError, match="Device or resource busy"):
            manager.save()
        assert path.read_text() == _DATASET
        assert manager.changes.summary() == "1 category(ies) added"
        assert sorted(each.name for each in tmp_path.iterdir()) == [
            "dataset.json",
            "dataset.json.cocoannot",
            "source.json",
        ]
    finally:
        subprocess.run(["umount", path], check=True)
    path.write_text(_DATASET)
    assert manager.save()
