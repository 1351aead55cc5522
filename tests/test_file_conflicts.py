"""A dataset's file that something else changed: it is not written over, nothing is lost, and the operator decides."""

from __future__ import annotations

import json
import logging
import os
import shutil
import signal
import stat
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from conftest import OpenDataset
from tracing import needs_strace, run_traced

from cocoannot.errors import DatasetError, FileChanged, SaveError
from cocoannot.files.conflicts import load_file
from cocoannot.files.dataset_file import DatasetFile
from cocoannot.manager import DatasetManager
from cocoannot.store.base import Saved
from cocoannot.store.memory.maintenance import MemoryMaintenance

Change = Callable[[Path], object]

THEIRS = '{"images": [], "annotations": [], "categories": [{"id": 9, "name": "theirs"}]}'


@pytest.fixture
def folder(dataset_path: Path) -> Path:
    return dataset_path.with_name("dataset.json.cocoannot")


@pytest.fixture
def unsaved(folder: Path) -> Path:
    return folder / "unsaved.json"


@pytest.fixture
def conflict(manager: DatasetManager, dataset_path: Path) -> DatasetManager:
    """A manager with a category that the file does not have, and the file of somebody else."""
    manager.add_category({"name": "ours"})
    dataset_path.write_text(THEIRS)
    with pytest.raises(FileChanged):
        manager.save()
    return manager


def write_in_place(path: Path) -> None:
    path.write_text(THEIRS)


def rename_over(path: Path) -> None:
    path.with_name("new.json").write_text(THEIRS)
    path.with_name("new.json").rename(path)


def write_in_place_with_the_old_times(path: Path) -> None:
    times = path.stat()
    path.write_text(THEIRS)
    os.utime(path, ns=(times.st_atime_ns, times.st_mtime_ns))


def names_in(path: Path) -> list[str]:
    return [category["name"] for category in json.loads(path.read_text())["categories"]]


def category_names(manager: DatasetManager) -> list[str]:
    return [category["name"] for category in manager.get_categories()]


def path_of_kept(saved: Saved | None) -> Path:
    """Where a save that was expected to keep another version kept it."""
    assert saved is not None
    assert saved.kept is not None
    return Path(saved.kept)


def resolve(path: Path, choice: str) -> list[Path]:
    """Decide while no server runs, at the moment 1; returns the paths of what is kept."""
    return [Path(kept) for kept in MemoryMaintenance(DatasetFile(path)).resolve_conflict(choice, "1")]


def others(path: Path) -> list[str]:
    """The names of all files beside the dataset, without its own folder."""
    return sorted(each.name for each in path.parent.iterdir() if each != path and each.is_file())


@pytest.mark.parametrize("change", [write_in_place, rename_over, write_in_place_with_the_old_times])
def test_a_file_that_something_else_changed_is_not_written_over(
    manager: DatasetManager, dataset_path: Path, change: Change
) -> None:
    manager.add_category({"name": "ours"})
    change(dataset_path)
    with pytest.raises(FileChanged, match=r"something else changed .*dataset\.json, so it is not written over"):
        manager.save()
    assert dataset_path.read_text() == THEIRS
    assert others(dataset_path) == []


def test_a_file_that_something_else_changed_after_a_save_is_not_written_over(
    manager: DatasetManager, dataset_path: Path
) -> None:
    manager.add_category({"name": "ours"})
    manager.save()
    dataset_path.write_text(THEIRS)
    manager.add_category({"name": "ours too"})
    with pytest.raises(FileChanged):
        manager.save()
    assert dataset_path.read_text() == THEIRS


def test_a_file_that_something_else_changes_while_it_is_saved_is_not_written_over(
    dataset_path: Path, tmp_path: Path
) -> None:
    """The block that is being written changes the file: after the first look at it, before the second."""
    dataset_path.write_text("old")
    file = DatasetFile(dataset_path)
    load_file(file)

    def blocks() -> Iterator[bytes]:
        yield b"ours"
        dataset_path.write_text(THEIRS)

    with pytest.raises(FileChanged):
        file.save(blocks(), 1, {})
    assert dataset_path.read_text() == THEIRS
    assert others(dataset_path) == []


def touch(path: Path) -> None:
    os.utime(path, ns=(1, 1))


def write_the_same(path: Path) -> None:
    path.write_bytes(path.read_bytes())


def rename_a_copy_over(path: Path) -> None:
    shutil.copyfile(path, path.with_name("copy.json"))
    path.with_name("copy.json").rename(path)


def make_private(path: Path) -> None:
    path.chmod(0o600)


@pytest.mark.parametrize("change", [touch, write_the_same, rename_a_copy_over, make_private])
def test_a_file_with_the_content_that_it_had_is_saved_over(
    manager: DatasetManager, dataset_path: Path, change: Change
) -> None:
    manager.add_category({"name": "ours"})
    change(dataset_path)
    assert manager.save()
    assert names_in(dataset_path)[-1] == "ours"


def test_a_file_that_was_deleted_is_saved_anew(manager: DatasetManager, dataset_path: Path) -> None:
    manager.add_category({"name": "ours"})
    dataset_path.unlink()
    assert manager.save()
    assert names_in(dataset_path)[-1] == "ours"


def test_a_folder_that_was_deleted_is_made_anew(manager: DatasetManager, dataset_path: Path, folder: Path) -> None:
    manager.add_category({"name": "ours"})
    shutil.rmtree(folder)
    assert manager.save()
    assert (folder / "state.json").exists()


def test_changes_stay_pending_in_a_conflict(conflict: DatasetManager) -> None:
    assert conflict.changes.summary() == "1 category(ies) added"
    assert conflict.store.unsaved_since() is not None
    assert category_names(conflict)[-1] == "ours"


def test_a_conflict_keeps_ours_in_unsaved_json(conflict: DatasetManager, unsaved: Path) -> None:
    snapshot = b"".join(conflict.store.export().blocks)
    assert unsaved.read_bytes() == snapshot
    assert [path.name for path in unsaved.parent.iterdir() if "unfinished" in path.name] == []


def test_unsaved_json_is_written_once_for_each_revision(conflict: DatasetManager, unsaved: Path) -> None:
    written = unsaved.stat()
    with pytest.raises(FileChanged):
        conflict.save()
    assert (unsaved.stat().st_ino, unsaved.stat().st_mtime_ns) == (written.st_ino, written.st_mtime_ns)
    conflict.add_category({"name": "ours too"})
    with pytest.raises(FileChanged):
        conflict.save()
    assert names_in(unsaved)[-2:] == ["ours", "ours too"]


def test_unsaved_json_is_as_private_as_the_dataset(manager: DatasetManager, dataset_path: Path, unsaved: Path) -> None:
    dataset_path.chmod(0o600)
    manager.add_category({"name": "ours"})
    dataset_path.write_text(THEIRS)
    with pytest.raises(FileChanged):
        manager.save()
    assert stat.S_IMODE(unsaved.stat().st_mode) == 0o600


def test_status_shows_the_conflict_until_it_is_resolved(conflict: DatasetManager, dataset_path: Path) -> None:
    error = conflict.store.status().saves.error
    assert error is not None
    assert f"something else changed {dataset_path}" in error
    assert "`flask flush --on-conflict overwrite`" in error
    assert "`flask flush --on-conflict theirs`" in error
    conflict.store.save(overwrite=True)
    assert conflict.store.status().saves.error is None


def test_a_failure_that_comes_back_is_logged_once(
    conflict: DatasetManager, dataset_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    """The fixture's failure is the first one, logged before `caplog` is cleared."""
    caplog.clear()
    with caplog.at_level(logging.ERROR):
        for _ in range(3):
            with pytest.raises(FileChanged):
                conflict.save()
        assert caplog.messages == []
        conflict.store.save(overwrite=True)
        dataset_path.write_text(THEIRS)
        conflict.add_category({"name": "ours too"})
        with pytest.raises(FileChanged) as raised:
            conflict.save()
    assert caplog.messages == [str(raised.value)]


def test_a_copy_that_cannot_be_kept_is_said_and_tried_again(
    manager: DatasetManager, dataset_path: Path, unsaved: Path, caplog: pytest.LogCaptureFixture
) -> None:
    manager.add_category({"name": "ours"})
    dataset_path.write_text(THEIRS)
    unsaved.mkdir(parents=True)
    for _ in range(2):
        with pytest.raises(FileChanged, match=f"this failed too: can't save {unsaved}: Is a directory"):
            manager.save()
    error = manager.store.status().saves.error
    assert error is not None
    assert "this failed too" in error
    assert len([record for record in caplog.records if record.levelno == logging.ERROR]) == 1
    unsaved.rmdir()
    with pytest.raises(FileChanged):
        manager.save()
    assert names_in(unsaved)[-1] == "ours"


def test_a_replacement_that_meets_a_conflict_changes_nothing_and_keeps_what_was_pending(
    manager: DatasetManager, dataset_path: Path, unsaved: Path
) -> None:
    manager.add_category({"name": "ours"})
    dataset_path.write_text(THEIRS)
    with pytest.raises(FileChanged):
        manager.set_annotations([])
    assert dataset_path.read_text() == THEIRS
    assert manager.counts()["annotations"] == 3
    assert manager.changes.summary() == "1 category(ies) added"
    assert unsaved.read_bytes() == b"".join(manager.store.export().blocks)


def test_a_replacement_that_meets_a_conflict_with_nothing_pending_keeps_no_copy(
    manager: DatasetManager, dataset_path: Path, unsaved: Path
) -> None:
    dataset_path.write_text(THEIRS)
    with pytest.raises(FileChanged):
        manager.set_annotations([])
    assert not unsaved.exists()
    assert not manager.save()


def test_overwriting_saves_ours_and_keeps_theirs_beside_it(
    conflict: DatasetManager, dataset_path: Path, unsaved: Path
) -> None:
    dataset_path.chmod(0o600)
    saved = conflict.store.save(overwrite=True)
    assert saved is not None
    assert saved.summary == "1 category(ies) added"
    assert names_in(dataset_path)[-1] == "ours"
    kept = path_of_kept(saved)
    assert kept.parent == dataset_path.parent
    assert kept.name.startswith("dataset.json.theirs-")
    assert kept.read_text() == THEIRS
    assert stat.S_IMODE(kept.stat().st_mode) == 0o600
    assert not unsaved.exists()
    assert not conflict.save()


def test_overwriting_twice_in_a_second_keeps_both_of_theirs(conflict: DatasetManager, dataset_path: Path) -> None:
    first = conflict.store.save(overwrite=True)
    dataset_path.write_text(THEIRS + "\n")
    conflict.add_category({"name": "ours too"})
    second = conflict.store.save(overwrite=True)
    assert path_of_kept(first).read_text() == THEIRS
    assert path_of_kept(second).read_text() == THEIRS + "\n"


def test_overwriting_where_there_is_no_conflict_keeps_nothing_aside(
    manager: DatasetManager, dataset_path: Path
) -> None:
    manager.add_category({"name": "ours"})
    saved = manager.store.save(overwrite=True)
    assert saved is not None
    assert saved.kept is None
    assert others(dataset_path) == []


def test_saving_goes_on_after_an_overwrite(conflict: DatasetManager, open_dataset: OpenDataset) -> None:
    conflict.store.save(overwrite=True)
    conflict.add_category({"name": "ours too"})
    assert conflict.save()
    again = open_dataset()
    assert category_names(again)[-2:] == ["ours", "ours too"]
    assert again.revision == 2


def test_a_conflict_is_over_where_the_file_is_put_back(
    manager: DatasetManager, dataset_path: Path, unsaved: Path
) -> None:
    before = dataset_path.read_bytes()
    manager.add_category({"name": "ours"})
    dataset_path.write_text(THEIRS)
    with pytest.raises(FileChanged):
        manager.save()
    dataset_path.write_bytes(before)
    assert manager.save()
    assert names_in(dataset_path)[-1] == "ours"
    assert not unsaved.exists()


def test_a_start_with_unsaved_changes_of_a_conflict_is_refused_and_says_how_to_choose(
    conflict: DatasetManager, open_dataset: OpenDataset, dataset_path: Path, unsaved: Path
) -> None:
    with pytest.raises(DatasetError) as raised:
        open_dataset()
    for text in (str(dataset_path), str(unsaved), "--on-conflict overwrite`", "--on-conflict theirs`"):
        assert text in str(raised.value)
    assert dataset_path.read_text() == THEIRS
    assert names_in(unsaved)[-1] == "ours"


def test_choosing_ours_puts_it_in_place_and_keeps_theirs(
    conflict: DatasetManager, open_dataset: OpenDataset, dataset_path: Path, unsaved: Path
) -> None:
    (kept,) = resolve(dataset_path, "overwrite")
    assert kept == dataset_path.with_name("dataset.json.theirs-1")
    assert kept.read_text() == THEIRS
    assert not unsaved.exists()
    assert MemoryMaintenance(DatasetFile(dataset_path)).status().file_revision == 1
    again = open_dataset()
    assert category_names(again) == category_names(conflict)
    assert again.revision == conflict.revision == 1
    assert again.get_next_category_id() == conflict.get_next_category_id()


def test_choosing_theirs_leaves_it_in_place_and_keeps_ours(
    conflict: DatasetManager, open_dataset: OpenDataset, dataset_path: Path, unsaved: Path
) -> None:
    kept, journal = resolve(dataset_path, "theirs")
    assert (kept.name, journal.name) == ("dataset.json.ours-1", "dataset.json.ours-1.journal")
    assert kept.read_bytes() == b"".join(conflict.store.export().blocks)
    assert not unsaved.exists()
    again = open_dataset()
    assert category_names(again) == ["theirs"]
    assert again.revision == 2
    assert again.get_next_annotation_id() == conflict.get_next_annotation_id()


@pytest.mark.parametrize(
    ("choice", "name"), [("overwrite", "dataset.json.theirs-1"), ("theirs", "dataset.json.ours-1")]
)
def test_choosing_never_writes_over_what_was_kept_before(
    conflict: DatasetManager, dataset_path: Path, choice: str, name: str
) -> None:
    dataset_path.with_name(name).write_text("precious")
    kept = resolve(dataset_path, choice)[0]
    assert kept.name == f"{name}-2"
    assert dataset_path.with_name(name).read_text() == "precious"


def test_choosing_ours_keeps_the_mode_of_the_dataset(manager: DatasetManager, dataset_path: Path) -> None:
    dataset_path.chmod(0o660)
    manager.add_category({"name": "ours"})
    dataset_path.write_text(THEIRS)
    with pytest.raises(FileChanged):
        manager.save()
    (kept,) = resolve(dataset_path, "overwrite")
    assert [stat.S_IMODE(path.stat().st_mode) for path in (dataset_path, kept)] == [0o660, 0o660]


def test_choosing_ours_where_theirs_was_deleted_keeps_nothing_aside(
    conflict: DatasetManager, dataset_path: Path
) -> None:
    dataset_path.unlink()
    assert resolve(dataset_path, "overwrite") == []
    assert names_in(dataset_path)[-1] == "ours"
    assert others(dataset_path) == []


def test_choosing_fails_where_there_is_nothing_to_choose(manager: DatasetManager, dataset_path: Path) -> None:
    with pytest.raises(DatasetError, match="there is no conflict to settle"):
        resolve(dataset_path, "overwrite")


def test_choosing_says_the_reason_where_the_disk_fails(
    conflict: DatasetManager, dataset_path: Path, unsaved: Path
) -> None:
    dataset_path.unlink()
    dataset_path.mkdir()
    with pytest.raises(SaveError, match="Is a directory; both versions are still there"):
        resolve(dataset_path, "overwrite")
    assert names_in(unsaved)[-1] == "ours"


_OVERWRITE = """
import sys
from pathlib import Path
from cocoannot.manager import DatasetManager
from cocoannot.errors import FileChanged
path = Path(sys.argv[1])
manager = DatasetManager()
manager.load(path)
manager.add_category({"name": "ours"})
path.write_text(sys.argv[2])
try:
    manager.save()
except FileChanged:
    manager.store.save(overwrite=True)
"""


@needs_strace
def test_unsaved_json_of_a_process_that_died_before_clearing_up_is_cleared(
    manager: DatasetManager, open_dataset: OpenDataset, dataset_path: Path, unsaved: Path
) -> None:
    kill = ["-P", str(unsaved), "-e", "trace=unlink", "-e", "inject=unlink:signal=SIGKILL"]
    assert run_traced(_OVERWRITE, dataset_path, THEIRS, options=kill).returncode == -signal.SIGKILL
    assert unsaved.exists()
    again = open_dataset()
    assert category_names(again)[-1] == "ours"
    assert again.revision == 1
    assert not unsaved.exists()


def test_overwrite_resolves_a_conflict_that_only_a_replacement_met(manager: DatasetManager, dataset_path: Path) -> None:
    dataset_path.write_text(THEIRS)
    with pytest.raises(FileChanged):
        manager.set_annotations([])
    assert not manager.save()
    saved = manager.store.save(overwrite=True)
    assert path_of_kept(saved).read_text() == THEIRS
    assert names_in(dataset_path) == category_names(manager)
    assert manager.store.status().saves.error is None
