"""A dataset that no server has open: what is known of it, and bringing into its file what a stopped server left."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from cocoannot.errors import DatasetError, FileChanged, OwnedElsewhere
from cocoannot.files.dataset_file import DatasetFile
from cocoannot.files.state import Remote
from cocoannot.manager import DatasetManager
from cocoannot.store.base import Saved, StoppedStatus
from cocoannot.store.memory.maintenance import MemoryMaintenance
from cocoannot.store.memory.store import MemoryStore


@pytest.fixture
def path(dataset_path: Path, small: dict[str, Any]) -> Path:
    dataset_path.write_text(json.dumps(small))
    return dataset_path


@pytest.fixture
def maintenance(path: Path) -> MemoryMaintenance:
    return MemoryMaintenance(DatasetFile(path))


@pytest.fixture
def crashed(path: Path) -> MemoryStore:
    """A store that saved revision 1, made revision 2 and is never heard of again."""
    store = MemoryStore()
    manager = DatasetManager(store)
    manager.load(path)
    manager.add_category({"name": "saved"})
    manager.save()
    manager.add_category({"name": "in the journal"})
    return store


def names(path: Path) -> list[str]:
    return [category["name"] for category in json.loads(path.read_text())["categories"]]


def test_status_of_a_file_that_was_never_opened_knows_nothing(maintenance: MemoryMaintenance) -> None:
    assert maintenance.status() == StoppedStatus(None, None, None, None, None, None)


def test_status_tells_the_revisions_of_the_file_and_the_journal(
    crashed: MemoryStore, maintenance: MemoryMaintenance
) -> None:
    assert maintenance.status() == StoppedStatus(1, 2, None, None, None, None)


def test_status_tells_what_was_agreed_with_s3(crashed: MemoryStore, maintenance: MemoryMaintenance) -> None:
    crashed.remember_remote(Remote("s3://bucket/a.json", '"1"', "ab" * 32, 1))
    assert maintenance.status()[2:5] == (1, "s3://bucket/a.json", '"1"')
    crashed.remember_remote(Remote("s3://bucket/a.json", None, "", -1))
    assert maintenance.status()[2:5] == (None, "s3://bucket/a.json", None)


def test_status_tells_where_unsaved_changes_are(
    crashed: MemoryStore, path: Path, maintenance: MemoryMaintenance
) -> None:
    path.write_text("{}")
    with pytest.raises(FileChanged):
        crashed.save()
    unsaved = path.with_name("dataset.json.cocoannot") / "unsaved.json"
    assert maintenance.status().unsaved == str(unsaved)


def test_status_does_not_read_the_dataset(crashed: MemoryStore, path: Path, maintenance: MemoryMaintenance) -> None:
    path.write_text("no dataset")
    assert maintenance.status().file_revision == 1


def test_flush_brings_the_journal_into_the_file(
    crashed: MemoryStore, path: Path, maintenance: MemoryMaintenance
) -> None:
    assert maintenance.flush() == Saved("1 category(ies) added", 2, None)
    assert names(path)[-2:] == ["saved", "in the journal"]
    assert maintenance.flush() is None


def test_flush_where_nothing_is_left_does_not_read_the_dataset(path: Path, maintenance: MemoryMaintenance) -> None:
    path.write_text("no dataset")
    assert maintenance.flush() is None


def test_flush_does_not_decide_a_conflict(crashed: MemoryStore, path: Path, maintenance: MemoryMaintenance) -> None:
    path.write_text("{}")
    with pytest.raises(DatasetError, match="was changed by something else"):
        maintenance.flush()
    assert path.read_text() == "{}"


def test_resolving_tells_the_paths_of_what_is_kept(
    crashed: MemoryStore, path: Path, maintenance: MemoryMaintenance
) -> None:
    path.write_text("{}")
    kept = maintenance.resolve_conflict("overwrite", "1")
    assert kept == [f"{path}.theirs-1", f"{path}.ours-1.journal"]
    assert names(path) == ["in the journal"]


def test_who_works_on_a_dataset_owns_it_meanwhile(path: Path, maintenance: MemoryMaintenance) -> None:
    with maintenance.owned():
        assert maintenance.owner() is not None
        with pytest.raises(OwnedElsewhere), MemoryMaintenance(DatasetFile(path)).owned():
            pass
    assert maintenance.owner() is None
