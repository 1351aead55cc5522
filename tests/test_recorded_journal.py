"""A journal that version 0.1.0 wrote, recorded: it is read, and every change in it made again."""

from __future__ import annotations

import json
import shutil
from pathlib import Path

import pytest

from cocoannot.manager import DatasetManager
from cocoannot.store.memory.store import MemoryStore

RECORDED = Path(__file__).parent / "data" / "journal-0.1.0"


@pytest.fixture
def recorded(tmp_path: Path) -> Path:
    """The dataset, its state and its journal, as a crashed server of 0.1.0 left them."""
    dataset, folder = tmp_path / "dataset.json", tmp_path / "dataset.json.cocoannot"
    (folder / "journal").mkdir(parents=True)
    shutil.copy(RECORDED / "dataset.json", dataset)
    shutil.copy(RECORDED / "state.json", folder)
    shutil.copy(RECORDED / "journal.jsonl", folder / "journal" / "1.jsonl")
    return dataset


def test_every_change_of_a_recorded_journal_is_made_again(recorded: Path) -> None:
    manager = DatasetManager()
    manager.load(recorded)
    assert manager.revision == 10
    assert manager.save()
    assert recorded.read_bytes() == (RECORDED / "expected.json").read_bytes()
    manager.close()


def test_changes_of_a_recorded_journal_are_complete(recorded: Path) -> None:
    store = MemoryStore()
    store.load(str(recorded))
    image = store.change(5)
    assert image is not None
    # Of annotation 5, which is there twice, the one on the image goes.
    assert [(edit.section, edit.record_id) for edit in image.edits] == [
        ("annotations", 7),
        ("annotations", 5),
        ("annotations", 1),
        ("images", 2),
    ]
    assert all(json.loads(edit.before or b"{}")["id"] == edit.record_id for edit in image.edits)
    store.close()


def test_a_journal_goes_on_after_a_recorded_one(recorded: Path) -> None:
    manager = DatasetManager()
    manager.load(recorded)
    added = manager.add_annotation({"image_id": 1, "category_id": 3, "bbox": [1, 1, 2, 2]})
    assert added["id"] == 11
    manager.close()
    again = DatasetManager()
    again.load(recorded)
    assert again.get_annotation(11) == added
    assert again.revision == 11
    again.close()
