"""The history over restarts and crashes, and with a file that is damaged, away, locked or of another version."""

from __future__ import annotations

import json
import os
import queue
import random
import shutil
import sqlite3
from collections.abc import Callable, Iterator
from contextlib import closing, suppress
from pathlib import Path
from typing import Any

import pytest
from conftest import FakeClock

from cocoannot.background.history_writer import PAUSE, HistoryWriter
from cocoannot.changes.operations import Add, Delete, Operation, Undo, Update
from cocoannot.errors import BadOperation, Conflict, HistoryError, NotKept, UnknownId
from cocoannot.files.dataset_file import DatasetFile
from cocoannot.history.forgetting import PORTION
from cocoannot.history.kept import MOST_WAITING, KeptHistory
from cocoannot.history.work import DAY
from cocoannot.store.memory.maintenance import MemoryMaintenance
from cocoannot.store.memory.recent_changes import MOST_BYTES
from cocoannot.store.memory.store import MemoryStore
from cocoannot.store.queries import ChangeQuery, ImageQuery

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


def test_what_was_brought_back_before_a_crash_stands_before_what_came_later(start: Open) -> None:
    store = start()
    change(store, Delete("images", 1), Delete("images", 2))
    # Nothing is left between which those could be put that come back.
    store.save()
    change(store, Undo(1))
    change(store)
    then = text_now(store)
    change(store, Undo(3))
    start().save()
    assert text_at(start(), 3) == then


def images_of(store: MemoryStore, actor: str, **conditions: Any) -> list[int]:
    """The images with an annotation that `actor` changed last."""
    return [json.loads(text)["id"] for text in store.find(ImageQuery(user=actor, **conditions)).texts]


def test_images_are_found_by_who_changed_one_of_their_annotations_last(start: Open) -> None:
    store = start()
    change(store, Update("annotations", 1, {"score": 1}), Update("annotations", 7, {"score": 1}), actor="anna")
    assert (images_of(store, "anna"), images_of(store, "ben")) == ([1, 2], [])
    change(store, Update("annotations", 2, {"score": 1}), Update("annotations", 7, {"score": 2}), actor="ben")
    assert (images_of(store, "anna"), images_of(store, "ben")) == ([1], [1, 2])
    store.save()
    store = start()
    assert store.changes(0) is None
    assert (images_of(store, "anna"), images_of(store, "ben"), images_of(store, "carl")) == ([1], [1, 2], [])
    assert images_of(store, "ben", sort="-id") == [2, 1]
    change(store, Update("annotations", 1, {"score": 3}))
    assert images_of(store, "anna") == []
    change(store, Delete("annotations", 2), actor="ben")
    assert images_of(store, "ben") == [2]
    found = store.neighbours(4, ImageQuery(user="ben"))
    assert found is not None
    assert (found.previous, found.position, found.total) == (2, None, 1)
    assert store.first(ImageQuery(user="carl")).record is None
    store.replace({"annotations": json.dumps([{"id": 7, "image_id": 2, **BOX}]).encode()}, actor="anna")
    assert images_of(store, "ben") == images_of(start(), "ben") == []


def test_who_changed_an_annotation_last_is_followed_further_than_memory_goes_back(start: Open) -> None:
    store = start()
    change(store, Update("annotations", 7, {"score": 1}), actor="anna")
    assert images_of(store, "anna") == [2]
    for letter in "abc":
        change(store, Update("annotations", 1, {"note": letter * (MOST_BYTES // 3)}), actor="ben")
    assert store.changes(1) is None
    change(store, Update("annotations", 7, {"score": 2}), actor="ben")
    assert (images_of(store, "anna"), images_of(store, "ben")) == ([], [1, 2])


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


def test_undo_reaches_what_only_the_history_has(start: Open, dataset_path: Path) -> None:
    first = dataset_path.read_bytes()
    store = start()
    change(store, Delete("images", 1))
    change(store, Update("annotations", 7, {"note": "kept"}))
    store.save()
    store = start()
    change(store, Add("annotations", {**BOX, "image_id": 2}))
    store.save()
    again = start()
    with pytest.raises(BadOperation) as raised:
        change(again, Undo(9))
    assert isinstance(raised.value.cause, UnknownId)
    change(again, Update("annotations", 7, {"note": "changed"}))
    again.save()
    again = start()
    with pytest.raises(BadOperation) as raised:
        change(again, Undo(2))
    assert isinstance(raised.value.cause, Conflict)
    for revision in (1, 4, 2, 3):
        change(again, Undo(revision))
    again.save()
    assert dataset_path.read_bytes() == first
    assert [found.undoes for found in start().find_changes(ChangeQuery())][4:] == [1, 4, 2, 3]


def test_an_image_that_annotations_came_to_since_can_not_be_taken_back(start: Open) -> None:
    store = start()
    change(store, Add("images", {"file_name": "new.jpg", "width": 9, "height": 9}))
    store.save()
    store = start()
    change(store, Add("annotations", {**BOX, "image_id": 5}))
    store.save()
    again = start()
    with pytest.raises(BadOperation, match="something later changed images 5"):
        change(again, Undo(1))
    again.replace({"annotations": b"[]"})
    again.save()
    with pytest.raises(BadOperation, match="change 3 replaced the dataset since"):
        change(start(), Undo(1))


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


# A file that is of no use


def garbage(path: Path) -> None:
    path.write_bytes(os.urandom(20_000))


def cut_off(path: Path) -> None:
    os.truncate(path, path.stat().st_size // 2)


def cut_off_after_the_head(path: Path) -> None:
    os.truncate(path, 100)


def overwritten_pages(path: Path) -> None:
    size = path.stat().st_size
    with path.open("r+b") as file:
        file.seek(4096)
        file.write(os.urandom(size - 4096))


def other_version(path: Path) -> None:
    with closing(sqlite3.connect(path)) as database:
        database.execute("PRAGMA user_version = 99")


def other_database(path: Path) -> None:
    path.unlink()
    with closing(sqlite3.connect(path)) as database:
        database.execute("CREATE TABLE of_somebody_else (id INTEGER)")
        database.commit()


def names_that_are_no_text(path: Path) -> None:
    data = path.read_bytes()
    assert data.count(b"tableworkwork") == data.count(b"CREATE TABLE work") == 1
    # What SQLite says of it has these bytes too.
    data = data.replace(b"tableworkwork", b"table\xff\xff\xff\xffwork").replace(b"CREATE TABLE work", b"\xff" * 17)
    path.write_bytes(data)


def damage_by(name: str, sql: str) -> Callable[[Path], None]:
    def damage(path: Path) -> None:
        with closing(sqlite3.connect(path)) as database:
            database.execute(sql)
            database.commit()

    damage.__name__ = name
    return damage


def folder(path: Path) -> None:
    path.unlink()
    path.mkdir()
    (path / "somebody's").write_text("file")


def empty(path: Path) -> None:
    path.write_bytes(b"")


def missing(path: Path) -> None:
    path.unlink()


DAMAGES = [
    *(garbage, cut_off, cut_off_after_the_head, overwritten_pages, other_version, other_database, folder),
    names_that_are_no_text,
    damage_by("without_a_table", "DROP TABLE version"),
    damage_by("other_columns", "ALTER TABLE change DROP COLUMN heads"),
    damage_by("unreadable_block", "UPDATE block SET texts = x'00010203'"),
    damage_by("missing_block", "DELETE FROM block"),
    damage_by("unreadable_heads", "UPDATE change SET heads = x'ff'"),
    # In MessagePack, [[9, 7, 1]]: there is no such section.
    damage_by("heads_of_nothing", "UPDATE change SET heads = x'9193090701'"),
    damage_by("words_for_revisions", "UPDATE change SET revision = 'one'"),
    damage_by("revisions_that_are_no_text", "UPDATE change SET revision = CAST(x'ff' AS TEXT)"),
    damage_by("words_for_stretches", "UPDATE stretch SET revision = 'one'"),
    damage_by("words_for_texts", "UPDATE block SET texts = CAST(x'fe' AS TEXT)"),
]


@pytest.mark.parametrize("damage", [*DAMAGES, empty, missing], ids=lambda damage: damage.__name__)
def test_a_history_that_is_of_no_use_stops_neither_start_nor_change(
    start: Open, history_path: Path, damage: Callable[[Path], None]
) -> None:
    store = start()
    for number in range(300):
        change(store, Update("annotations", 7, {"note": f"{number:0100}"}))
    store.save()
    store.close()
    damage(history_path)
    again = start()
    change(again, Delete("annotations", 1))
    again.save()
    # Some damage is found only by whoever reads there.
    for _ in range(2):
        with suppress(HistoryError):
            assert revisions(again)[-1:] in ([301], [])
            again.versions("annotations", 7, ChangeQuery(limit=500))
            again.change(5)
    change(again, Delete("annotations", 2))
    assert revisions(again)[-1] == 302
    again.save()
    warnings = again.status().warnings
    last = start()
    assert revisions(last)[-1] == 302
    assert [each["id"] for each in text_at(last, 301)["annotations"]] == [2, 7]
    aside = [path for path in history_path.parent.iterdir() if ".damaged-" in path.name]
    assert len([path for path in aside if not path.name.endswith(("-wal", "-shm"))]) == (damage in DAMAGES)
    if damage in DAMAGES:
        assert any("put aside as" in warning for warning in warnings)
    assert json.loads(b"".join(map(bytes, last.export().blocks)))["annotations"][0]["id"] == 7


def test_any_bytes_in_the_history_stop_neither_start_nor_change(start: Open, history_path: Path) -> None:
    store = start()
    for number in range(100):
        change(store, Update("annotations", 7, {"note": f"{number:0100}"}), actor="anna")
    store.save()
    store.close()
    whole, rng = history_path.read_bytes(), random.Random(1)
    for _ in range(150):
        data = bytearray(whole)
        # Most of what can be wrong in many ways is at the front.
        first = rng.randrange(100, rng.choice([8192, len(data)]))
        last = min(len(data), first + rng.choice([1, 30, 2000, len(data)]))
        data[first:last] = rng.randbytes(last - first)
        history_path.write_bytes(data)
        again = start()
        for _ in range(2):
            with suppress(HistoryError, NotKept):
                again.find_changes(ChangeQuery(limit=500))
                again.versions("annotations", 7, ChangeQuery(limit=500))
                again.work()
                text_at(again, 50)
        change(again, Delete("annotations", 1))
        # What was found to be of no use is put aside.
        assert revisions(again)[-1] == 101
        again.close()
        shutil.rmtree(history_path.parent / "journal")


def test_a_log_that_is_away_leaves_out_what_it_had(start: Open, history_path: Path, tmp_path: Path) -> None:
    store = start()
    change(store)
    store.save()
    change(store)
    assert revisions(store) == [1, 2]
    # As a machine that ended leaves it: the file without the log beside it.
    copy = shutil.copy(history_path, tmp_path / "copy")
    store.save()
    store.close()
    shutil.move(copy, history_path)
    again = start()
    change(again)
    assert revisions(again) == [1, 3]
    with pytest.raises(NotKept):
        again.annotations_at(1, 1)


def test_a_history_that_somebody_locked_waits_in_memory(start: Open, history_path: Path) -> None:
    store = start()
    change(store)
    assert revisions(store) == [1]
    with closing(sqlite3.connect(history_path, isolation_level=None)) as other:
        other.execute("BEGIN EXCLUSIVE")
        change(store)
        with pytest.raises(HistoryError, match="database is locked"):
            store.find_changes(ChangeQuery())
        assert any("database is locked" in warning for warning in store.status().warnings)
        saved = store.save()
        assert saved is not None
        assert saved.revision == 2
        other.execute("COMMIT")
    assert revisions(store) == [1, 2]
    assert store.status().warnings == []


def test_what_the_history_could_not_take_is_in_the_journal_until_it_can(start: Open, history_path: Path) -> None:
    store = start()
    change(store, actor="anna")
    with closing(sqlite3.connect(history_path, isolation_level=None)) as other:
        other.execute("BEGIN EXCLUSIVE")
        store.save()
        store.close()
    again = start()
    assert [found.actor for found in again.find_changes(ChangeQuery())] == ["anna"]


def test_a_start_with_a_locked_history_goes_on_when_it_is_free(start: Open, history_path: Path) -> None:
    store = start()
    change(store)
    store.save()
    store.close()
    with closing(sqlite3.connect(history_path, isolation_level=None)) as other:
        other.execute("BEGIN EXCLUSIVE")
        again = start()
        change(again)
        other.execute("COMMIT")
    assert revisions(again) == [1, 2]
    assert len(text_at(again, 0)["annotations"]) == 3


def test_a_file_that_is_deleted_under_a_server_begins_anew(start: Open, history_path: Path) -> None:
    store = start()
    change(store)
    assert revisions(store) == [1]
    history_path.unlink()
    store.save()
    change(store)
    assert revisions(store) == [2]


# Forgetting


def keep(dataset_path: Path, clock: FakeClock, days: int) -> tuple[MemoryStore, KeptHistory]:
    history = KeptHistory(days, clock)
    store = MemoryStore(on_append=lambda: None, clock=clock, history=history)
    store.load(str(dataset_path))
    return store, history


def forget_all(history: KeptHistory, clock: FakeClock) -> None:
    while history.step() == 0:
        pass


def test_older_changes_are_forgotten_in_portions(start: Open, dataset_path: Path, clock: FakeClock) -> None:
    store = start()
    for number in range(PORTION + 20):
        change(store, Update("annotations", 7, {"note": number}), actor="old")
    clock.advance(10 * DAY)
    change(store, Update("annotations", 1, {"note": "new"}), actor="anna")
    change(store, Delete("annotations", 7), actor="anna")
    store.save()
    store.close()
    kept, history = keep(dataset_path, clock, 5)
    with closing(kept):
        assert history.step() == 0
        # One portion is gone, the rest is whole.
        assert kept.oldest_change == PORTION
        assert kept.find_changes(ChangeQuery(since=PORTION, limit=1))[0].revision == PORTION + 1
        forget_all(history, clock)
        last = PORTION + 22
        assert kept.oldest_change == last - 2
        assert revisions(kept) == [last - 1, last]
        assert [version.revision for version in kept.versions("annotations", 7)] == [last]
        assert {each.actor for each in kept.work()} == {"anna"}
        page = kept.annotations_at(2, last - 2)
        assert page is not None
        assert json.loads(page.texts[0])["note"] == PORTION + 19
        with pytest.raises(NotKept):
            kept.annotations_at(2, last - 3)
        with pytest.raises(BadOperation):
            change(kept, Undo(1))
        change(kept, Undo(last), actor="old")
        assert kept.find_changes(ChangeQuery(actor="old"))[0].revision == last + 1
    assert b"old" not in dataset_path.read_bytes()


def test_the_newest_change_is_never_forgotten(start: Open, dataset_path: Path, clock: FakeClock) -> None:
    store = start()
    change(store, actor="anna")
    change(store, actor="anna")
    store.save()
    store.close()
    clock.advance(1000 * DAY)
    for revision in (2, 3):
        kept, history = keep(dataset_path, clock, 1)
        with closing(kept):
            forget_all(history, clock)
            assert revisions(kept) == [revision]
            change(kept)
            forget_all(history, clock)
            assert len(text_at(kept, revision)["annotations"]) == 3 + revision
            kept.save()


def test_a_file_gets_smaller_by_what_is_forgotten(start: Open, dataset_path: Path, clock: FakeClock) -> None:
    store = start()
    for _ in range(20):
        change(store, Update("annotations", 7, {"note": os.urandom(50_000).hex()}))
    change(store)
    store.save()
    store.close()
    path = DatasetFile(dataset_path).history
    before = path.stat().st_size
    clock.advance(10 * DAY)
    kept, history = keep(dataset_path, clock, 5)
    with closing(kept):
        forget_all(history, clock)
        kept.commit([Delete("annotations", 1)])
        kept.save()
    assert path.stat().st_size < before / 2


# What is too much


def test_what_waits_too_long_for_the_history_is_left_out_and_told(start: Open, history_path: Path) -> None:
    store = start()
    change(store)
    assert revisions(store) == [1]
    with closing(sqlite3.connect(history_path, isolation_level=None)) as other:
        other.execute("BEGIN EXCLUSIVE")
        note = "x" * (MOST_WAITING // 4)
        for _ in range(3):
            change(store, Update("annotations", 7, {"note": note}))
        change(store, Update("annotations", 7, {"note": None}))
        other.execute("COMMIT")
    assert revisions(store) == [1, 5]
    assert any("the history lacks" in warning for warning in store.status().warnings)
    # Memory may have them still, the history can't go back over the gap.
    store.save()
    with pytest.raises(NotKept):
        start().annotations_at(1, 1)


# The thread


def test_the_thread_writes_soon_after_a_change_and_when_it_is_told_to_come_again() -> None:
    rounds: queue.SimpleQueue[int] = queue.SimpleQueue()
    waits: list[float] = []

    def write() -> float | None:
        rounds.put(len(waits))
        return 0.0 if len(waits) < 2 else None

    writer = HistoryWriter(write, waits.append)
    writer.notify()
    assert [rounds.get(timeout=10) for _ in range(3)] == [0, 1, 2]
    writer.notify()
    assert rounds.get(timeout=10) >= 3
    writer.end()
    assert set(waits) == {PAUSE}


def test_a_round_that_fails_does_not_end_the_thread(caplog: pytest.LogCaptureFixture) -> None:
    def write() -> float | None:
        raise RuntimeError("unforeseen")

    assert HistoryWriter(write).step() is not None
    assert "tried again" in caplog.text
