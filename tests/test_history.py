"""The history over restarts and crashes, and with a file that is damaged, away, locked or of another version."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator
from contextlib import closing
from pathlib import Path
from typing import Any

import pytest
from conftest import FakeClock

from cocoannot.changes.operations import Add, Delete, Operation, Update
from cocoannot.errors import NotKept
from cocoannot.files.dataset_file import DatasetFile
from cocoannot.history.kept import KeptHistory
from cocoannot.store.memory.maintenance import MemoryMaintenance
from cocoannot.store.memory.store import MemoryStore
from cocoannot.store.queries import ChangeQuery

BOX = {"image_id": 1, "category_id": 1, "bbox": [1, 2, 3, 4]}

Open = Callable[[], MemoryStore]


@pytest.fixture
def history_path(dataset_path: Path) -> Path:
    return DatasetFile(dataset_path).history


@pytest.fixture
def start(dataset_path: Path, small: dict[str, Any], clock: FakeClock) -> Iterator[Open]:
    """Loads the small dataset into a store with a history; the one before is closed, without a save."""
    dataset_path.write_text(json.dumps(small))
    opened: list[MemoryStore] = []

    def start() -> MemoryStore:
        for store in opened:
            store.close()
        store = MemoryStore(on_append=lambda: None, clock=clock, history=KeptHistory(clock=clock))
        opened.append(store)
        store.load(str(dataset_path))
        return store

    yield start
    for store in opened:
        store.close()


def change(store: MemoryStore, *operations: Operation, actor: str | None = None) -> int:
    return store.commit(operations or [Add("annotations", BOX)], actor=actor).revision


def revisions(store: MemoryStore) -> list[int]:
    return [found.revision for found in store.find_changes(ChangeQuery(limit=1000))]


def text_at(store: MemoryStore, revision: int) -> Any:
    return json.loads(b"".join(map(bytes, store.export_at(revision).blocks)))


def text_now(store: MemoryStore) -> Any:
    return json.loads(b"".join(map(bytes, store.export().blocks)))


# Restarts


def test_what_the_journal_has_forgotten_is_there_after_a_restart(start: Open) -> None:
    store = start()
    before = text_now(store)
    change(store, Update("annotations", 7, {"score": 1}), actor="anna")
    made = [store.change(1)]
    middle = text_now(store)
    change(store, Delete("images", 1), actor="ben")
    made.append(store.change(2))
    store.save()
    again = start()
    assert again.changes(0) is None
    assert [again.change(revision) for revision in (1, 2)] == made
    assert again.change(3) is None
    assert revisions(again) == [1, 2]
    assert [version.actor for version in again.versions("annotations", 7)] == ["anna"]
    assert (text_at(again, 0), text_at(again, 1)) == (before, middle)
    page = again.annotations_at(1, 1)
    assert page is not None
    assert [json.loads(text)["id"] for text in page.texts] == [1, 2]


def test_the_lineage_stays_over_restarts_that_prove_what_they_go_on_with(start: Open) -> None:
    store = start()
    name = store.lineage
    change(store)
    assert start().lineage == name
    store = start()
    store.save()
    change(store)
    store.save()
    again = start()
    assert again.lineage == name
    assert revisions(again) == [1, 2]


def test_a_replacement_is_kept_over_restarts(start: Open) -> None:
    store = start()
    change(store)
    store.replace({"annotations": b"[]"}, actor="anna")
    again = start()
    assert revisions(again) == [1, 2]
    found = again.change(2)
    assert found is not None
    assert (found.replaced, found.actor, found.edits) == (("annotations",), "anna", ())
    with pytest.raises(NotKept, match="revision 1 can't be told any more: from 2 on"):
        again.annotations_at(1, 1)


def test_old_revisions_in_the_order_of_the_file_after_a_restart(start: Open) -> None:
    store = start()
    change(store, Delete("annotations", 2))
    store.save()
    store = start()
    change(store, Add("annotations", BOX))
    change(store, Delete("annotations", 7))
    store.save()
    again = start()
    change(again, Add("annotations", BOX))
    told = [[each["id"] for each in text_at(again, revision)["annotations"]] for revision in range(5)]
    assert told == [[1, 2, 7], [1, 7], [1, 7, 8], [1, 8], [1, 8, 9]]


# What can't be proven


def test_a_file_that_something_else_wrote_begins_a_lineage(
    start: Open, dataset_path: Path, small: dict[str, Any]
) -> None:
    store = start()
    name = store.lineage
    change(store)
    store.save()
    store.close()
    small["annotations"].pop()
    dataset_path.write_text(json.dumps(small))
    again = start()
    assert again.lineage != name
    change(again, Delete("annotations", 1))
    assert revisions(again) == [1, 3]
    assert [each["id"] for each in text_at(again, 2)["annotations"]] == [1, 2]
    for revision in (0, 1):
        with pytest.raises(NotKept):
            again.annotations_at(1, revision)


def test_revisions_that_are_given_again_are_not_mixed_up(start: Open, dataset_path: Path) -> None:
    store = start()
    change(store, Delete("annotations", 7), actor="anna")
    change(store, Update("annotations", 1, {"note": "older"}), actor="anna")
    store.save()
    store.close()
    (DatasetFile(dataset_path).folder / "state.json").unlink()
    again = start()
    assert again.revision == 0
    assert revisions(again) == []
    change(again, Update("annotations", 1, {"note": "newer"}), actor="ben")
    assert [(found.revision, found.actor) for found in again.find_changes(ChangeQuery())] == [(1, "ben")]
    versions = again.versions("annotations", 1)
    assert [version.record and version.record["note"] for version in versions] == ["newer"]
    found = again.change(1)
    assert found is not None
    assert found.actor == "ben"
    again.save()
    restarted = start()
    assert [(found.revision, found.actor) for found in restarted.find_changes(ChangeQuery())] == [(1, "ben")]
    assert [each["id"] for each in text_at(restarted, 0)["annotations"]] == [1, 2]


def test_changes_that_a_crash_of_the_machine_took_do_not_count_any_more(
    start: Open, dataset_path: Path, clock: FakeClock
) -> None:
    store = start()
    change(store, actor="anna")
    name, journal = store.lineage, DatasetFile(dataset_path).journal.folder
    kept = {path: path.read_bytes() for path in journal.iterdir()}
    change(store, actor="lost")
    change(store, actor="lost")
    assert revisions(store) == [1, 2, 3]
    store.close()
    # The history was on the disk already, the end of the journal was not.
    for path, data in kept.items():
        path.write_bytes(data)
    clock.advance(1)
    again = start()
    assert again.lineage != name
    assert revisions(again) == [1]
    change(again, Delete("annotations", 1), actor="ben")
    again.save()
    restarted = start()
    assert [found.actor for found in restarted.find_changes(ChangeQuery())] == ["anna", "ben"]
    assert [each["id"] for each in text_at(restarted, 0)["annotations"]] == [1, 2, 7]
    assert [version.actor for version in restarted.versions("annotations", 8)] == ["anna"]


def test_changes_made_while_no_history_was_kept_are_told_to_be_missing(start: Open, dataset_path: Path) -> None:
    store = start()
    change(store)
    store.save()
    store.close()
    with closing(MemoryStore(on_append=lambda: None)) as without:
        without.load(str(dataset_path))
        change(without)
        without.save()
    again = start()
    change(again)
    again.save()
    restarted = start()
    assert revisions(restarted) == [1, 3]
    assert len(text_at(restarted, 2)["annotations"]) == 5
    with pytest.raises(NotKept, match="from 2 on every change is known"):
        restarted.annotations_at(1, 1)


def test_a_history_begins_with_what_the_journal_has(start: Open, dataset_path: Path) -> None:
    dataset_path.write_bytes(dataset_path.read_bytes())
    with closing(MemoryStore(on_append=lambda: None)) as without:
        without.load(str(dataset_path))
        change(without, actor="anna")
        change(without, actor="ben")
    store = start()
    store.save()
    assert [found.actor for found in start().find_changes(ChangeQuery())] == ["anna", "ben"]


def test_a_flush_without_a_server_keeps_what_the_journal_has(start: Open, dataset_path: Path) -> None:
    store = start()
    change(store, actor="anna")
    store.close()
    DatasetFile(dataset_path).history.unlink()
    assert MemoryMaintenance(DatasetFile(dataset_path), KeptHistory()).flush() is not None
    again = start()
    assert again.unsaved_since() is None
    assert [found.actor for found in again.find_changes(ChangeQuery())] == ["anna"]
