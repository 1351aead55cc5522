"""Lineages: they go on where it is certain that every change is still there, and a new one begins where it is not."""

from __future__ import annotations

import json
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import msgspec
import pytest

from cocoannot.files.dataset_file import DatasetFile
from cocoannot.files.state import read_state, write_state
from cocoannot.manager import DatasetManager
from cocoannot.store.memory.maintenance import MemoryMaintenance

BOX = {"image_id": 1, "category_id": 1, "bbox": [1, 2, 3, 4]}

Start = Callable[[], DatasetManager]


@pytest.fixture
def dataset(dataset_path: Path, small: dict[str, Any]) -> Path:
    dataset_path.write_text(json.dumps(small))
    return dataset_path


@pytest.fixture
def state(dataset: Path) -> Path:
    return dataset.with_name(dataset.name + ".cocoannot") / "state.json"


@pytest.fixture
def start(dataset: Path) -> Start:
    """Starts anew on the dataset, as a process does that knows nothing but what is on disk."""

    def start() -> DatasetManager:
        manager = DatasetManager()
        manager.load(dataset)
        return manager

    return start


def restart_machine(state: Path) -> None:
    """Let what is on disk look as if it was written before the machine was started last."""
    written = read_state(state)
    if written.boot:
        write_state(state, msgspec.structs.replace(written, boot="00000000-another-run"))


def test_lineage_goes_on_over_an_orderly_restart(start: Start, state: Path) -> None:
    first = start()
    first.add_annotation(BOX)
    lineage = first.store.lineage
    assert len(lineage) == 8
    first.flush()
    first.close()
    restart_machine(state)
    assert start().store.lineage == lineage


def test_lineage_goes_on_where_a_process_died_and_its_journal_has_all(start: Start) -> None:
    first = start()
    first.add_annotation(BOX)
    again = start()
    assert (again.revision, again.store.lineage) == (1, first.store.lineage)


def test_lineage_goes_on_over_a_bulk_replacement(start: Start) -> None:
    manager = start()
    lineage = manager.store.lineage
    manager.set_annotations([])
    manager.close()
    assert start().store.lineage == lineage


def test_lineage_ends_where_the_machine_went_down_without_an_end(start: Start, state: Path) -> None:
    first = start()
    first.add_annotation(BOX)
    restart_machine(state)
    assert start().store.lineage != first.store.lineage


def test_lineage_ends_where_the_last_changes_were_not_saved_before_the_machine_went_down(
    start: Start, dataset: Path, state: Path
) -> None:
    first = start()
    first.add_annotation(BOX)
    first.close()
    assert json.loads(dataset.read_bytes())["annotations"][-1]["id"] == 7
    restart_machine(state)
    assert start().store.lineage != first.store.lineage


def test_lineage_ends_where_something_else_wrote_the_file(start: Start, dataset: Path, small: dict[str, Any]) -> None:
    first = start()
    first.close()
    dataset.write_text(json.dumps({**small, "annotations": []}))
    assert start().store.lineage != first.store.lineage


def test_lineage_ends_with_the_state_file(start: Start, dataset: Path, state: Path) -> None:
    first = start()
    first.close()
    shutil.rmtree(state.parent)
    assert start().store.lineage != first.store.lineage


@pytest.mark.parametrize("choice", ["overwrite", "theirs"])
def test_lineage_ends_where_a_conflict_was_decided(
    start: Start, dataset: Path, small: dict[str, Any], choice: str
) -> None:
    first = start()
    first.add_annotation(BOX)
    dataset.write_text(json.dumps({**small, "annotations": []}))
    MemoryMaintenance(DatasetFile(dataset)).resolve_conflict(choice, "20260101T000000Z")
    assert start().store.lineage != first.store.lineage


def test_lineages_of_two_datasets_differ(start: Start, tmp_path: Path, small: dict[str, Any]) -> None:
    other = tmp_path / "other.json"
    other.write_text(json.dumps(small))
    manager = DatasetManager()
    manager.load(other)
    assert manager.store.lineage != start().store.lineage
