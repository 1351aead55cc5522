"""From loading to the end of the process: what is in memory, in the file, counted and logged at each step."""

from __future__ import annotations

import json
import logging
import threading
from collections.abc import Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from pathlib import Path
from typing import Any

import pytest
from conftest import FakeClock, OpenDataset

from cocoannot.background.saver import Saver
from cocoannot.changes.tracker import ChangeTracker
from cocoannot.coco.records import Record
from cocoannot.coco.serializer import FrozenDataset, Piece
from cocoannot.errors import DatasetError, FileChanged, NotLoaded, SaveError, VersionMismatch
from cocoannot.manager import DatasetManager
from cocoannot.store.memory.store import MemoryStore

BOX = {"image_id": 1, "category_id": 1, "bbox": [1, 1, 2, 2]}


def read(path: Path) -> dict[str, Any]:
    dataset: dict[str, Any] = json.loads(path.read_bytes())
    return dataset


def ids(records: Any) -> list[int]:
    return [record["id"] for record in records]


# Loading


def test_load_reads_the_file_into_memory(manager: DatasetManager, dataset_path: Path, small: dict[str, Any]) -> None:
    dataset_path.unlink()
    assert [dict(image) for image in manager.get_images()] == small["images"]
    assert [dict(annotation) for annotation in manager.get_annotations()] == small["annotations"]
    assert [dict(category) for category in manager.get_categories()] == small["categories"]
    assert (manager.get_info(), manager.get_licenses()) == (small["info"], small["licenses"])


def test_load_of_a_saved_dataset_has_nothing_pending(manager: DatasetManager, dataset_path: Path) -> None:
    manager.add_annotation(BOX)
    manager.save()
    manager.load(dataset_path)
    assert manager.changes == ChangeTracker()
    assert manager.store.unsaved_since() is None
    assert manager.save() is False


def test_load_says_which_file(manager: DatasetManager, dataset_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    with caplog.at_level(logging.INFO):
        manager.load(dataset_path)
    assert caplog.messages == [f"Dataset loaded into memory from {dataset_path}"]


def test_nothing_works_before_the_dataset_is_loaded(clock: FakeClock) -> None:
    manager = DatasetManager(MemoryStore(clock=clock))
    assert not manager.is_loaded
    for call in (manager.get_annotations, manager.store.status, manager.save, manager.store.export, manager.counts):
        with pytest.raises(NotLoaded):
            call()
    with pytest.raises(NotLoaded):
        manager.add_annotation(BOX)


def test_shutdown_before_the_dataset_is_loaded_does_nothing(caplog: pytest.LogCaptureFixture) -> None:
    with caplog.at_level(logging.INFO):
        DatasetManager().shutdown()
    assert caplog.messages == []


def test_missing_file_is_an_error_that_names_it(dataset_path: Path) -> None:
    manager = DatasetManager()
    with pytest.raises(DatasetError, match=f"{dataset_path}: No such file"):
        manager.load(dataset_path)
    assert not manager.is_loaded
    assert not dataset_path.exists()


def test_create_makes_an_empty_dataset_where_there_is_no_file(dataset_path: Path) -> None:
    manager = DatasetManager()
    manager.load(dataset_path, create=True)
    assert manager.counts() == {"images": 0, "annotations": 0, "categories": 0}
    assert read(dataset_path) == {"info": {}, "licenses": [], "images": [], "annotations": [], "categories": []}


def test_create_leaves_a_file_that_is_there_alone(dataset_path: Path) -> None:
    dataset_path.write_bytes(b'{"images": [{"id": 3}]}')
    manager = DatasetManager()
    manager.load(dataset_path, create=True)
    assert ids(manager.get_images()) == [3]
    assert dataset_path.read_bytes() == b'{"images": [{"id": 3}]}'


def test_failed_load_leaves_the_dataset_of_before_in_place(manager: DatasetManager, tmp_path: Path) -> None:
    (tmp_path / "bad.json").write_bytes(b"[]")
    with pytest.raises(DatasetError):
        manager.load(tmp_path / "bad.json")
    assert manager.get_annotation(7) is not None


# Saving


def test_save_writes_to_disk_when_dirty(
    manager: DatasetManager, dataset_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    manager.add_annotation(BOX)
    manager.add_annotation(BOX)
    manager.update_category(5, {"name": "human"})
    with caplog.at_level(logging.INFO):
        assert manager.save() is True
    saved = read(dataset_path)
    assert ids(saved["annotations"]) == [1, 2, 7, 8, 9]
    assert saved["categories"][2]["name"] == "human"
    assert caplog.messages == [f"Auto-saved dataset to {dataset_path} (2 annotation(s) added, 1 category(ies) updated)"]


def test_save_returns_false_when_clean_and_leaves_the_file_alone(
    manager: DatasetManager, dataset_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    before = dataset_path.stat()
    with caplog.at_level(logging.INFO):
        assert manager.save() is False
    assert dataset_path.stat() == before
    assert caplog.messages == []


def test_changes_are_reset_after_a_save(manager: DatasetManager) -> None:
    manager.delete_annotation(7)
    assert manager.changes == ChangeTracker(annotations_deleted=1)
    manager.save()
    assert manager.changes == ChangeTracker()
    assert manager.store.unsaved_since() is None
    assert manager.save() is False


def test_the_returned_changes_are_a_copy(manager: DatasetManager) -> None:
    manager.delete_annotation(7)
    manager.changes.reset()
    assert manager.changes == ChangeTracker(annotations_deleted=1)


def test_revision_counts_each_accepted_change_and_no_other(manager: DatasetManager) -> None:
    before = manager.revision
    manager.add_annotation(BOX)
    manager.change_annotations([{"op": "delete", "id": 1}, {"op": "delete", "id": 2}])
    assert manager.revision == before + 2
    manager.delete_annotation(1)
    manager.update_annotation(7, {})
    assert manager.revision == before + 2
    assert manager.store.status().file_revision == before
    manager.save()
    assert manager.store.status().file_revision == before + 2


def test_flush_saves_now_and_stands_the_waiting_save_down(
    manager: DatasetManager, dataset_path: Path, clock: FakeClock
) -> None:
    saver = Saver(30, manager.store.unsaved_since, manager.save, manager.shutdown, clock.monotonic)
    manager.add_annotation(BOX)
    clock.advance(10)
    assert saver.next_save_in() == 20
    assert manager.flush() is True
    assert ids(read(dataset_path)["annotations"]) == [1, 2, 7, 8]
    assert saver.next_save_in() is None
    after_flush = dataset_path.stat()
    clock.advance(20)
    assert saver.step() is None
    assert dataset_path.stat() == after_flush


def test_flush_with_nothing_pending_returns_false(manager: DatasetManager) -> None:
    assert manager.flush() is False


def test_shutdown_saves_if_dirty_and_says_so(
    manager: DatasetManager, dataset_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    manager.delete_image(2)
    with caplog.at_level(logging.INFO):
        manager.shutdown()
    assert ids(read(dataset_path)["images"]) == [1, 4]
    assert caplog.messages == [
        f"Auto-saved dataset to {dataset_path} (1 annotation(s) deleted, 1 image(s) deleted)",
        "Dataset saved on shutdown",
    ]


def test_shutdown_with_nothing_pending_is_silent(manager: DatasetManager, caplog: pytest.LogCaptureFixture) -> None:
    manager.add_annotation(BOX)
    manager.shutdown()
    caplog.clear()
    with caplog.at_level(logging.INFO):
        manager.shutdown()
    assert caplog.messages == []


def test_shutdown_that_can_not_save_says_so_and_raises_nothing(
    manager: DatasetManager, dataset_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    manager.add_annotation(BOX)
    dataset_path.write_bytes(b"{}")
    with caplog.at_level(logging.INFO):
        manager.shutdown()
    assert caplog.messages[-1] == "Dataset not saved on shutdown (1 annotation(s) added); the journal has it"
    assert caplog.records[-1].levelno == logging.CRITICAL
    assert dataset_path.read_bytes() == b"{}"


def test_status_tells_where_everything_stands(manager: DatasetManager, dataset_path: Path, clock: FakeClock) -> None:
    loaded = manager.store.status()
    assert (loaded.name, loaded.path, loaded.size) == (
        str(dataset_path),
        str(dataset_path),
        dataset_path.stat().st_size,
    )
    assert loaded.counts == {"images": 3, "annotations": 3, "categories": 3}
    assert (loaded.loaded_at, loaded.pending_since, loaded.saves.last_at) == (1_700_000_000.0, None, None)
    clock.advance(5)
    manager.add_annotation(BOX)
    clock.advance(5)
    manager.add_annotation(BOX)
    pending = manager.store.status()
    assert (pending.pending, pending.pending_since) == (ChangeTracker(annotations_added=2), 1_700_000_005.0)
    assert pending.revision == loaded.revision + 2
    assert pending.file_revision == loaded.file_revision
    manager.save()
    saved = manager.store.status()
    assert saved.saves[3:] == (1_700_000_010.0, 0.0, None)
    assert saved.size == dataset_path.stat().st_size


def test_on_dirty_is_called_once_for_each_step_from_clean_to_dirty(
    open_dataset: OpenDataset, small: dict[str, Any]
) -> None:
    calls: list[None] = []
    manager = open_dataset(small, on_dirty=lambda: calls.append(None))
    assert calls == []
    manager.add_annotation(BOX)
    manager.add_annotation(BOX)
    assert len(calls) == 1
    manager.save()
    assert len(calls) == 1
    manager.delete_image(1)
    assert len(calls) == 2


def test_on_dirty_runs_outside_every_lock(open_dataset: OpenDataset, small: dict[str, Any]) -> None:
    with ThreadPoolExecutor(1) as other_thread:

        def look_and_change() -> None:
            other_thread.submit(manager.add_category, {"name": "from another thread"}).result(timeout=10)

        manager = open_dataset(small, on_dirty=look_and_change)
        manager.add_annotation(BOX)
    assert manager.counts()["categories"] == 4


# A save and a change at the same time


def test_change_made_during_a_save_is_saved_by_the_next_and_stays_counted(
    open_dataset: OpenDataset, small: dict[str, Any], dataset_path: Path, clock: FakeClock
) -> None:
    calls: list[None] = []
    manager = open_dataset(small, on_dirty=lambda: calls.append(None))
    manager.delete_annotation(1)
    seen: list[ChangeTracker] = []

    def change() -> None:
        clock.advance(3)
        manager.add_annotation(BOX)
        seen.append(manager.changes)

    clock.on_next_time(change)
    saved = manager.store.save()
    assert saved is not None
    assert saved.summary == "1 annotation(s) deleted"
    assert ids(read(dataset_path)["annotations"]) == [2, 7]
    assert seen == [ChangeTracker(annotations_added=1, annotations_deleted=1)]
    assert manager.changes == ChangeTracker(annotations_added=1)
    assert (len(calls), manager.store.unsaved_since()) == (2, 3.0)
    assert manager.revision == manager.store.status().file_revision + 1 == saved.revision + 1
    again = manager.store.save()
    assert again is not None
    assert again.summary == "1 annotation(s) added"
    assert ids(read(dataset_path)["annotations"]) == [2, 7, 8]
    assert manager.save() is False


def test_save_writes_the_moment_that_it_began_at_whatever_changes_meanwhile(
    manager: DatasetManager, dataset_path: Path, clock: FakeClock, small: dict[str, Any]
) -> None:
    manager.add_annotation({**BOX, "note": "before"})
    moment = {
        "images": [dict(image) for image in manager.get_images()],
        "annotations": [dict(annotation) for annotation in manager.get_annotations()],
        "categories": [dict(category) for category in manager.get_categories()],
    }

    def change_everything() -> None:
        manager.update_annotation(8, {"note": "during"})
        manager.update_annotation(2, {"note": "during"})
        manager.delete_image(2)
        manager.add_image({"file_name": "new.jpg", "width": 3, "height": 4})
        manager.delete_category(2, reassign_to=1)

    clock.on_next_time(change_everything)
    manager.save()
    assert read(dataset_path) == small | moment


@pytest.mark.parametrize("operation", ["save", "export"])
def test_text_is_put_together_while_others_read_and_change(
    manager: DatasetManager, operation: str, dataset_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    put_together = FrozenDataset.pieces
    with ThreadPoolExecutor(1) as other_thread:

        def meanwhile(frozen: FrozenDataset, *replaced: Any) -> Iterator[Piece]:
            for piece in put_together(frozen, *replaced):
                other_thread.submit(manager.add_annotation, BOX).result(timeout=10)
                yield piece

        monkeypatch.setattr(FrozenDataset, "pieces", meanwhile)
        manager.add_annotation(BOX)
        result = manager.save() if operation == "save" else manager.store.export()
        text = dataset_path.read_bytes() if isinstance(result, bool) else b"".join(map(bytes, result.blocks))
    assert ids(json.loads(text)["annotations"]) == [1, 2, 7, 8]
    assert manager.counts()["annotations"] > 5


@pytest.mark.parametrize("number", [1, 255, 256, 257, 600])
@pytest.mark.parametrize("there", [0, 2])
def test_additions_are_all_in_the_file_however_many(
    open_dataset: OpenDataset, small: dict[str, Any], dataset_path: Path, number: int, there: int
) -> None:
    manager = open_dataset({**small, "annotations": small["annotations"][:there]})
    first = manager.get_next_annotation_id()
    manager.change_annotations([{"op": "add", "annotation": BOX}] * number)
    manager.save()
    assert ids(read(dataset_path)["annotations"])[there:] == [*range(first, first + number)]


def test_snapshot_does_not_move_while_it_is_read(manager: DatasetManager, dataset_path: Path) -> None:
    snapshot = manager.store.export()
    manager.delete_image(1)
    manager.add_category({"name": "late"})
    text = b"".join(snapshot.blocks)
    assert text == dataset_path.read_bytes()
    assert (snapshot.size, snapshot.revision) == (len(text), manager.revision - 2)


def test_save_that_fails_keeps_the_changes_and_what_was_done_meanwhile(
    manager: DatasetManager, dataset_path: Path, clock: FakeClock
) -> None:
    manager.delete_annotation(1)
    theirs = b'{"theirs": true}'

    def meanwhile() -> None:
        dataset_path.write_bytes(theirs)
        clock.advance(4)
        manager.add_annotation(BOX)

    clock.on_next_time(meanwhile)
    with pytest.raises(FileChanged):
        manager.save()
    assert dataset_path.read_bytes() == theirs
    assert manager.changes == ChangeTracker(annotations_added=1, annotations_deleted=1)
    assert manager.store.unsaved_since() == 0.0
    assert manager.store.status().saves.error is not None
    saved = manager.store.save(overwrite=True)
    assert saved is not None
    assert saved.summary == "1 annotation(s) added, 1 annotation(s) deleted"
    assert saved.kept is not None
    assert Path(saved.kept).read_bytes() == theirs
    assert ids(read(dataset_path)["annotations"]) == [2, 7, 8]
    assert (manager.changes, manager.store.status().saves.error) == (ChangeTracker(), None)


def test_save_error_is_logged_once_however_often_it_comes_back(
    manager: DatasetManager, dataset_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    manager.add_annotation(BOX)
    dataset_path.write_bytes(b"{}")
    for _ in range(3):
        with pytest.raises(SaveError):
            manager.save()
    assert len([record for record in caplog.records if record.levelno == logging.ERROR]) == 1


def test_concurrent_mutations_from_many_threads_are_all_there(
    open_dataset: OpenDataset, small: dict[str, Any], dataset_path: Path
) -> None:
    manager = open_dataset(small)
    threads, each = 8, 50
    start = threading.Barrier(threads)

    def work(number: int) -> list[int]:
        start.wait(timeout=10)
        mine = []
        for i in range(each):
            record = manager.add_annotation({**BOX, "note": f"{number}.{i}"})
            manager.update_annotation(record["id"], {"seen": True})
            mine.append(record["id"])
            if i % 10 == 0:
                manager.save()
        manager.delete_annotation(mine[0])
        return mine

    with ThreadPoolExecutor(threads) as pool:
        given = [each_id for mine in pool.map(work, range(threads)) for each_id in mine]
    assert sorted(given) == list(range(8, 8 + threads * each))
    assert manager.counts()["annotations"] == 3 + threads * (each - 1)
    assert manager.revision == threads * (2 * each + 1)
    manager.save()
    notes = {record["note"] for record in read(dataset_path)["annotations"] if record.get("seen")}
    assert notes == {f"{number}.{i}" for number in range(threads) for i in range(1, each)}


def test_saves_during_mutations_write_consistent_documents(
    open_dataset: OpenDataset, small: dict[str, Any], dataset_path: Path
) -> None:
    manager = open_dataset(small)
    stop = threading.Event()
    pair = [{"op": "add", "annotation": BOX}, {"op": "add", "annotation": BOX}]

    def work() -> None:
        while not stop.is_set():
            added = manager.change_annotations(pair)
            gone = [{"op": "delete", "id": record["id"]} for record in added if record]
            if gone[0]["id"] % 3:
                manager.change_annotations(gone)

    with ThreadPoolExecutor(4) as pool:
        workers = [pool.submit(work) for _ in range(4)]
        counts: list[int] = []
        try:
            while len(counts) < 20:
                if manager.save():
                    counts.append(len(read(dataset_path)["annotations"]))
        finally:
            stop.set()
        for worker in workers:
            worker.result(timeout=10)
    # Pairs come and go whole, so that with the three of the start there is always an odd number.
    assert {count % 2 for count in counts} == {1}
    manager.save()
    assert len(read(dataset_path)["annotations"]) == manager.counts()["annotations"]


# Replacing in bulk


def test_set_annotations_replaces_them_and_saves_at_once(
    manager: DatasetManager, dataset_path: Path, small: dict[str, Any]
) -> None:
    new = [small["annotations"][2], {"id": 20, "image_id": 4, "category_id": 5, "bbox": [0, 0, 1, 1]}]
    manager.set_annotations(new)
    assert read(dataset_path) == small | {"annotations": new}
    assert [dict(annotation) for annotation in manager.get_annotations()] == new
    assert ids(manager.get_annotations_by_image(4)) == [20]
    assert manager.get_annotation(1) is None
    assert manager.get_next_annotation_id() == 21
    assert (manager.revision, manager.store.status().file_revision, manager.save()) == (1, 1, False)


def test_set_images_replaces_them_and_saves_what_was_pending_too(
    manager: DatasetManager, dataset_path: Path, small: dict[str, Any]
) -> None:
    manager.delete_annotation(7)
    new = [{"id": 9, "file_name": "nine.jpg", "width": 9, "height": 9}, small["images"][0]]
    manager.set_images(new)
    assert read(dataset_path) == small | {"images": new, "annotations": small["annotations"][:2]}
    assert ids(manager.get_images()) == [9, 1]
    assert (manager.changes, manager.store.unsaved_since()) == (ChangeTracker(), None)


def test_replacing_never_gives_an_id_twice(manager: DatasetManager) -> None:
    manager.set_annotations([])
    assert manager.get_next_annotation_id() == 8


def test_replace_says_what_and_counts_as_one_revision(
    manager: DatasetManager, dataset_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    with caplog.at_level(logging.INFO):
        assert manager.store.replace({"images": b"[]", "info": b'{"year": 2025}'}, if_revision=0).revision == 1
    assert caplog.messages == [f"Dataset replaced (images, info) and saved to {dataset_path}"]
    assert manager.get_info() == {"year": 2025}
    assert manager.counts() == {"images": 0, "annotations": 3, "categories": 3}
    assert manager.store.status().warnings == ["3 annotations of no image that is there: 1, 2, 7"]


def test_replace_adds_a_value_that_the_file_lacks(open_dataset: OpenDataset, dataset_path: Path) -> None:
    manager = open_dataset('{"images": [{"id": 1}]}\n')
    manager.store.replace({"categories": b'[{"id": 1, "name": "cat"}]'})
    assert dataset_path.read_bytes() == b'{"images": [{"id": 1}], "categories": [{"id": 1, "name": "cat"}]}\n'


def test_replace_with_another_revision_than_the_current_changes_nothing(
    manager: DatasetManager, dataset_path: Path
) -> None:
    manager.delete_annotation(1)
    before = dataset_path.read_bytes()
    with pytest.raises(VersionMismatch) as caught:
        manager.store.replace({"images": b"[]"}, if_revision=0)
    assert caught.value.current == "1"
    assert dataset_path.read_bytes() == before
    assert (manager.counts()["images"], manager.revision) == (3, 1)


@pytest.mark.parametrize(
    "text",
    [b"[1]", b"{}", b'[{"id": "x"}]', b'[{"name": "no id"}]', b"[NaN]", b'[{"id": 1}', b"[], 5", b'[{"id":1}\xff]'],
)
def test_replace_with_a_bad_text_changes_nothing(manager: DatasetManager, dataset_path: Path, text: bytes) -> None:
    manager.delete_annotation(1)
    before = dataset_path.read_bytes()
    with pytest.raises(DatasetError, match="the new dataset"):
        manager.store.replace({"annotations": text})
    assert dataset_path.read_bytes() == before
    assert ids(manager.get_annotations()) == [2, 7]
    assert (manager.revision, manager.changes) == (1, ChangeTracker(annotations_deleted=1))
    assert manager.save() is True


def test_replace_that_can_not_be_saved_changes_nothing(manager: DatasetManager, dataset_path: Path) -> None:
    manager.delete_annotation(1)
    dataset_path.write_bytes(b"{}")
    with pytest.raises(FileChanged):
        manager.set_annotations([])
    assert ids(manager.get_annotations()) == [2, 7]
    assert (manager.revision, manager.changes) == (1, ChangeTracker(annotations_deleted=1))


def test_change_waits_for_a_replacement_that_is_being_written(
    manager: DatasetManager, clock: FakeClock, dataset_path: Path
) -> None:
    with ThreadPoolExecutor(1) as other_thread:
        waiting: list[Future[Record]] = []

        def change_meanwhile() -> None:
            waiting.append(other_thread.submit(manager.add_annotation, BOX))
            with pytest.raises(TimeoutError):
                waiting[0].result(timeout=0.2)

        clock.on_next_time(change_meanwhile)
        manager.set_annotations([])
        assert read(dataset_path)["annotations"] == []
        assert waiting[0].result(timeout=10)["id"] == 8
    assert ids(manager.get_annotations()) == [8]
    assert manager.changes == ChangeTracker(annotations_added=1)


# Over restarts


def test_next_ids_on_an_empty_dataset_are_one(open_dataset: OpenDataset) -> None:
    manager = open_dataset("{}")
    assert (manager.get_next_annotation_id(), manager.get_next_category_id(), manager.get_next_image_id()) == (1, 1, 1)


def test_next_ids_are_one_above_the_largest(manager: DatasetManager) -> None:
    assert (manager.get_next_annotation_id(), manager.get_next_category_id(), manager.get_next_image_id()) == (8, 6, 5)


def test_ids_are_remembered_over_restarts_after_the_largest_was_deleted(
    manager: DatasetManager, open_dataset: OpenDataset
) -> None:
    assert manager.add_annotation(BOX)["id"] == 8
    manager.delete_annotation(8)
    manager.delete_image(4)
    manager.delete_category(5)
    manager.save()
    again = open_dataset()
    assert (again.get_next_annotation_id(), again.get_next_category_id(), again.get_next_image_id()) == (9, 6, 5)
    assert again.add_annotation(BOX)["id"] == 9


def test_revision_goes_on_over_restarts(manager: DatasetManager, open_dataset: OpenDataset) -> None:
    for _ in range(3):
        manager.add_annotation(BOX)
    manager.save()
    again = open_dataset()
    assert (again.revision, again.store.status().file_revision) == (3, 3)
    again.add_annotation(BOX)
    assert again.revision == 4


def test_file_that_changed_while_no_server_ran_counts_as_a_new_revision(
    manager: DatasetManager, open_dataset: OpenDataset, small: dict[str, Any]
) -> None:
    manager.add_annotation(BOX)
    manager.add_annotation(BOX)
    manager.save()
    small["annotations"] = []
    again = open_dataset(small)
    assert (again.revision, again.store.status().file_revision) == (3, 3)
    assert again.counts()["annotations"] == 0
    assert again.get_next_annotation_id() == 10


def test_restart_without_a_save_finds_the_changes_after_the_last_one_and_saves_them(
    manager: DatasetManager, open_dataset: OpenDataset, dataset_path: Path
) -> None:
    manager.add_annotation(BOX)
    manager.save()
    manager.add_annotation(BOX)
    told: list[str] = []
    again = open_dataset(on_dirty=lambda: told.append("dirty"))
    assert ids(again.get_annotations()) == [1, 2, 7, 8, 9]
    assert (again.revision, again.changes) == (2, ChangeTracker(annotations_added=1))
    assert (again.store.status().file_revision, told) == (1, ["dirty"])
    again.save()
    assert [annotation["id"] for annotation in read(dataset_path)["annotations"]] == [1, 2, 7, 8, 9]
