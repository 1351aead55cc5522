"""The journal's own parts, and what a manager does with it on a disk that works; broken disks are for other modules."""

from __future__ import annotations

import json
import os
import queue
import re
import resource
import threading
import zlib
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager, suppress
from itertools import pairwise
from pathlib import Path
from typing import Any

import msgspec
import pytest
from conftest import FakeClock, OpenDataset
from servers import until
from tracing import needs_strace, run_traced

from cocoannot.background.journal_sync import PAUSE, JournalSync
from cocoannot.background.saver import Saver
from cocoannot.errors import DatasetError, JournalConflict, JournalError, NotDurable, SaveError
from cocoannot.files.atomic import unfinished
from cocoannot.files.dataset_file import DatasetFile
from cocoannot.files.journal import LARGE, Journal
from cocoannot.files.segments import Entry, Segment, read_segment, segment_paths
from cocoannot.files.state import read_state
from cocoannot.manager import DatasetManager
from cocoannot.store.memory.store import MemoryStore

BOX = {"image_id": 1, "category_id": 1, "bbox": [1, 2, 3, 4]}


@pytest.fixture
def folder(dataset_path: Path) -> Path:
    return dataset_path.with_name("dataset.json.cocoannot") / "journal"


@pytest.fixture
def segment(tmp_path: Path) -> Iterator[Segment]:
    """A segment that follows revision 41."""
    segment = Segment(tmp_path / "3.jsonl")
    segment.begin(41)
    yield segment
    segment.close()


@pytest.fixture
def journal(tmp_path: Path) -> Iterator[Journal]:
    """A journal of a dataset at revision 0, with none on disk yet."""
    journal = Journal(tmp_path / "journal")
    journal.read()
    journal.open(0, 0)
    yield journal
    journal.close()


def write_segment(path: Path, after: int, *changes: tuple[int, bytes]) -> None:
    segment = Segment(path)
    segment.begin(after)
    for revision, change in changes:
        segment.append(Entry(revision, 0.0, 0, msgspec.Raw(change), None))
    segment.close()


def text_of(manager: DatasetManager) -> bytes:
    return b"".join(manager.store.export().blocks)


def names_in(folder: Path) -> list[str]:
    return sorted(path.name for path in folder.iterdir())


def lines_in(folder: Path) -> list[Any]:
    """The entries of all lines that the journal has, heads included."""
    return [json.loads(line)["entry"] for path in segment_paths(folder) for line in path.read_bytes().splitlines()]


def revisions_in(folder: Path) -> list[int]:
    return [entry["revision"] for entry in lines_in(folder) if "revision" in entry]


def fail_to_save(manager: DatasetManager, path: Path) -> None:
    unfinished(path).mkdir()
    with pytest.raises(SaveError):
        manager.save()
    unfinished(path).rmdir()


@contextmanager
def files_no_larger_than(size: int) -> Iterator[None]:
    """No file of this process grows beyond `size` bytes: the write that comes there is cut short, the next fails."""
    soft, hard = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (size, hard))
    try:
        yield
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, (soft, hard))


# A segment's lines


def test_a_line_is_an_entry_and_its_crc(segment: Segment) -> None:
    segment.append(Entry(42, 1_763_866_801.5, 0, msgspec.Raw(b'[["images",3]]'), None))
    head, line = segment.path.read_bytes().splitlines(keepends=True)
    entry = b'{"revision":42,"time":1763866801.5,"durable":0,"change":[["images",3]],"actor":null,"key":null}'
    assert head == b'{"crc":"%08x","entry":%b}\n' % (
        zlib.crc32(b'{"after":41}'),
        b'{"after":41}',
    )
    assert line == b'{"crc":"%08x","entry":%b}\n' % (zlib.crc32(entry), entry)


def test_a_segment_is_read_as_it_was_written(segment: Segment) -> None:
    changes = [b'[["images",3]]', '[["annotations",7,{"id":7.0,"note":"\u2028\\n ü","x":1.50}]]'.encode()]
    segment.append(Entry(42, 5.0, 0, msgspec.Raw(changes[0]), None))
    segment.append(Entry(43, 6.25, 0, msgspec.Raw(changes[1]), 'Ada "L."'))
    reading = read_segment(segment.path)
    assert (reading.after, reading.damage, reading.sound) == (41, None, reading.size)
    assert reading.size == segment.size == segment.path.stat().st_size
    assert [(entry.revision, entry.time, entry.actor, bytes(entry.change)) for entry in reading.entries] == [
        (42, 5.0, None, changes[0]),
        (43, 6.25, 'Ada "L."', changes[1]),
    ]


def test_a_change_in_pieces_is_written_as_the_whole_one(segment: Segment) -> None:
    actor, change = '"change":0', [b"[", b'["images",3],', '["images",4,"ü"]'.encode(), b"]"]
    segment.append(Entry(42, 5.5, 40, msgspec.Raw(b"0"), actor, "0"), change)
    segment.append(Entry(42, 5.5, 40, msgspec.Raw(b"".join(change)), actor, "0"))
    _, in_pieces, whole = segment.path.read_bytes().splitlines()
    assert in_pieces == whole
    assert len(read_segment(segment.path).entries) == 2


def test_a_segment_cut_anywhere_is_sound_up_to_its_last_whole_line(segment: Segment, tmp_path: Path) -> None:
    for revision in (42, 43, 44):
        segment.append(Entry(revision, 0.0, 0, msgspec.Raw(b'[["images",%d]]' % revision), None))
    data, cut = segment.path.read_bytes(), tmp_path / "4.jsonl"
    for size in range(len(data)):
        cut.write_bytes(data[:size])
        reading = read_segment(cut)
        # A line that only lacks its end is whole.
        lines = (data[:size] + b"\n").count(b"}}\n")
        assert reading.after == (41 if lines else None), size
        assert [entry.revision for entry in reading.entries] == [42, 43, 44][: max(0, lines - 1)], size
        assert data[: reading.sound].strip() == b"\n".join(data.splitlines()[:lines]), size
        assert (reading.size, reading.damage) == (size, None), size


def test_nuls_at_the_end_are_no_line(segment: Segment) -> None:
    segment.append(Entry(42, 0.0, 0, msgspec.Raw(b"[]"), None))
    size = segment.size
    with segment.path.open("ab") as file:
        file.write(bytes(4096))
    reading = read_segment(segment.path)
    assert (len(reading.entries), reading.sound, reading.size, reading.damage) == (1, size, size + 4096, None)


def test_a_bad_line_before_a_good_one_is_damage_and_named(segment: Segment) -> None:
    for revision in (42, 43, 44):
        segment.append(Entry(revision, 0.0, 0, msgspec.Raw(b"[]"), None))
    segment.path.write_bytes(segment.path.read_bytes().replace(b'"revision":43', b'"revision":45'))
    reading = read_segment(segment.path)
    assert reading.damage == f"{segment.path}: line 3 is damaged, and good ones follow it"
    assert [entry.revision for entry in reading.entries] == [42, 44]


def test_an_append_that_fails_half_way_is_cut_back(segment: Segment) -> None:
    segment.append(Entry(42, 0.0, 0, msgspec.Raw(b"[]"), None))
    before = segment.path.read_bytes()
    with files_no_larger_than(segment.size + 20), pytest.raises(OSError, match="File too large"):
        segment.append(Entry(43, 0.0, 0, msgspec.Raw(b"[]"), None))
    assert segment.path.read_bytes() == before
    assert (segment.size, segment.last, segment.sound) == (len(before), 42, True)
    segment.append(Entry(43, 0.0, 0, msgspec.Raw(b"[1]"), None))
    assert [entry.revision for entry in read_segment(segment.path).entries] == [42, 43]


def test_a_segment_is_never_begun_over_another(segment: Segment) -> None:
    with pytest.raises(FileExistsError):
        Segment(segment.path)
    assert read_segment(segment.path).after == 41


def test_segments_are_in_the_order_of_their_numbers(tmp_path: Path) -> None:
    for number in (10, 9, 100):
        (tmp_path / f"{number}.jsonl").touch()
    assert [path.name for path in segment_paths(tmp_path)] == ["9.jsonl", "10.jsonl", "100.jsonl"]


def test_a_file_that_is_no_segment_stops_the_start(
    manager: DatasetManager, open_dataset: OpenDataset, folder: Path
) -> None:
    manager.add_category({"name": "ours"})
    (folder / "copy of 1.jsonl").touch()
    with pytest.raises(DatasetError, match=r"copy of 1\.jsonl is no segment of the journal; move it away"):
        open_dataset()


# A journal


def test_a_line_that_could_not_be_cut_off_is_passed_over(tmp_path: Path) -> None:
    """The segment after it says what it follows."""
    write_segment(tmp_path / "1.jsonl", 0, (1, b'"one"'), (2, b'"two"'), (3, b'"failed"'))
    write_segment(tmp_path / "2.jsonl", 2, (3, b'"three"'))
    recording = Journal(tmp_path).read()
    assert [bytes(entry.change) for entry in recording.entries] == [b'"one"', b'"two"', b'"three"']
    assert recording.damage is None


def test_a_journal_goes_on_in_a_segment_of_its_own(journal: Journal) -> None:
    journal.append(1, 0.0, None, None, b"[]")
    again = Journal(journal.folder)
    assert [entry.revision for entry in again.read().entries] == [1]
    again.open(1, 0)
    again.append(2, 0.0, None, None, b"[]")
    assert lines_in(journal.folder) == [
        {"after": 0},
        {"revision": 1, "time": 0.0, "actor": None, "key": None, "durable": 0, "change": []},
        {"after": 1},
        {"revision": 2, "time": 0.0, "actor": None, "key": None, "durable": 1, "change": []},
    ]


def test_a_start_deletes_the_segments_that_the_file_does_not_need(tmp_path: Path) -> None:
    write_segment(tmp_path / "1.jsonl", 0, (1, b"[]"), (2, b"[]"))
    write_segment(tmp_path / "2.jsonl", 2, (3, b"[]"))
    journal = Journal(tmp_path)
    journal.read()
    journal.open(3, 2)
    assert names_in(tmp_path) == ["2.jsonl"]
    assert journal.size == (tmp_path / "2.jsonl").stat().st_size


def test_a_journal_in_doubt_takes_no_change_until_everything_was_saved(journal: Journal) -> None:
    journal.append(1, 0.0, None, None, b"[]")
    journal.append(2, 0.0, None, None, b"[]")
    journal.doubt("the disk is odd")
    for revision in (1, 2):
        assert journal.in_doubt
        with pytest.raises(JournalError, match="the disk is odd; the change was not made"):
            journal.append(3, 0.0, None, None, b"[]")
        with pytest.raises(NotDurable, match="the disk is odd; the change was made, but a power cut may undo it"):
            journal.sync()
        journal.checkpoint(revision)
    assert (journal.in_doubt, journal.trouble, journal.durable) == (False, None, 2)
    journal.append(3, 0.0, None, None, b"[]")
    assert revisions_in(journal.folder) == [3]


def test_durable_is_what_was_fsynced_or_saved(journal: Journal) -> None:
    for revision in (1, 2):
        journal.append(revision, 0.0, None, None, b"[]")
        assert journal.durable == revision - 1
        journal.sync(revision)
        assert journal.durable == revision
    journal.append(3, 0.0, None, None, b"[]")
    journal.checkpoint(3)
    assert journal.durable == 3


def test_what_was_appended_is_durable_once_the_journal_is_closed(journal: Journal) -> None:
    journal.append(1, 0.0, None, None, b"[]")
    journal.close()
    assert journal.durable == 1
    with pytest.raises(JournalError, match="the change was not made"):
        journal.append(2, 0.0, None, None, b"[]")
    assert revisions_in(journal.folder) == [1]


# What a manager writes down


def test_a_change_is_in_the_journal_with_its_revision_time_and_record(
    manager: DatasetManager, clock: FakeClock, folder: Path, small: dict[str, Any]
) -> None:
    clock.advance(1.5)
    record = manager.add_annotation(BOX)
    manager.delete_annotation(1)
    assert lines_in(folder) == [
        {"after": 0},
        {
            "revision": 1,
            "time": clock.time(),
            "actor": None,
            "key": None,
            "durable": 0,
            "change": [["annotations", 8, 3 << 20, None, dict(record)]],
        },
        {
            "revision": 2,
            "time": clock.time(),
            "actor": None,
            "key": None,
            "durable": 0,
            "change": [["annotations", 1, 0, small["annotations"][0], None]],
        },
    ]


def test_a_refused_change_and_one_that_changes_nothing_leave_no_line(manager: DatasetManager, folder: Path) -> None:
    assert manager.delete_annotation(99) is False
    assert manager.update_annotation(1, {}) is not None
    with suppress(Exception):
        manager.add_annotation({"image_id": 99})
    assert not folder.exists()


@pytest.mark.parametrize(
    ("change", "operations"),
    [
        (lambda manager: manager.change_annotations([{"op": "delete", "id": each} for each in (1, 2, 7)]), 3),
        (lambda manager: manager.delete_image(1), 3),
        (lambda manager: manager.delete_category(1, reassign_to=2), 3),
    ],
    ids=["batch", "image", "category"],
)
def test_a_batch_and_a_cascade_are_one_line_that_is_made_again_as_a_whole(
    manager: DatasetManager,
    open_dataset: OpenDataset,
    folder: Path,
    change: Callable[[DatasetManager], object],
    operations: int,
) -> None:
    change(manager)
    (line,) = [entry for entry in lines_in(folder) if "revision" in entry]
    assert len(line["change"]) == operations
    again = open_dataset()
    assert text_of(again) == text_of(manager)
    assert again.changes == manager.changes


def test_a_start_makes_the_changes_again_in_their_order_and_they_are_pending(
    manager: DatasetManager, open_dataset: OpenDataset
) -> None:
    """The text has the records in the order in which they were added, and each as it was written last."""
    for annotation_id in (30, 20, 25):
        manager.add_annotation(BOX | {"id": annotation_id, "score": 1.0})
    manager.update_annotation(30, {"score": 0.5})
    manager.delete_annotation(2)
    manager.change_annotations([{"op": "restore", "annotation": BOX | {"id": 2, "area": 12}}])
    dirty: list[int] = []
    again = open_dataset(on_dirty=lambda: dirty.append(1))
    assert text_of(again) == text_of(manager)
    assert [record["id"] for record in again.get_annotations()] == [1, 7, 30, 20, 25, 2]
    assert (again.revision, again.store.status().file_revision) == (6, 0)
    assert again.changes == manager.changes
    assert dirty == [1]


def test_only_the_lines_above_the_file_are_made_again(
    manager: DatasetManager, open_dataset: OpenDataset, folder: Path
) -> None:
    """As after a power cut that brought back the segment that a save had deleted."""
    manager.add_annotation(BOX)
    manager.update_annotation(7, {"note": "old"})
    old = (folder / "1.jsonl").read_bytes()
    manager.save()
    manager.update_annotation(7, {"note": "new"})
    manager.delete_annotation(8)
    (folder / "1.jsonl").write_bytes(old)
    again = open_dataset()
    assert text_of(again) == text_of(manager)
    assert again.changes.summary() == "1 annotation(s) updated, 1 annotation(s) deleted"
    assert (again.revision, again.store.status().file_revision) == (4, 2)


def test_a_start_cuts_off_what_is_no_whole_line_and_says_so(
    manager: DatasetManager, open_dataset: OpenDataset, folder: Path, caplog: pytest.LogCaptureFixture
) -> None:
    manager.add_annotation(BOX)
    segment, before = folder / "1.jsonl", (folder / "1.jsonl").read_bytes()
    segment.write_bytes(before + b'{"crc":"00000000","ent' + bytes(10))
    again = open_dataset()
    assert (text_of(again), segment.read_bytes()) == (text_of(manager), before)
    assert f"The journal ended in a line that is not whole, which was cut off: {segment}: 32 bytes after" in caplog.text


def test_a_start_says_where_a_segment_tells_of_changes_that_are_not_there(
    manager: DatasetManager,
    open_dataset: OpenDataset,
    dataset_path: Path,
    folder: Path,
    caplog: pytest.LogCaptureFixture,
) -> None:
    for _ in range(2):
        manager.add_annotation(BOX)
    fail_to_save(manager, dataset_path)
    lines = (folder / "1.jsonl").read_bytes().splitlines(keepends=True)
    (folder / "1.jsonl").write_bytes(b"".join(lines[:-1]))
    assert open_dataset().revision == 1
    assert f"{folder / '2.jsonl'} begins after revision 2, and the dataset is at 1" in caplog.text


def test_ids_of_records_that_only_the_journal_knew_are_not_given_again(
    manager: DatasetManager, open_dataset: OpenDataset
) -> None:
    manager.add_annotation(BOX)
    manager.delete_annotation(8)
    assert open_dataset().add_annotation(BOX)["id"] == 9


@pytest.mark.parametrize(
    ("change", "error"),
    [
        (b'[["annotations",99]]', "the journal deletes annotation 99, which is not there"),
        (b'[["tracks",1,{}]]', "the journal holds a change that this version does not know"),
        (b'{"annotations":1}', "the journal holds a change that this version does not know"),
    ],
)
def test_a_change_that_can_not_be_made_again_stops_the_start(
    manager: DatasetManager, open_dataset: OpenDataset, folder: Path, change: bytes, error: str
) -> None:
    folder.mkdir(parents=True)
    write_segment(folder / "1.jsonl", 0, (1, change))
    with pytest.raises(DatasetError, match=error):
        open_dataset()


def test_a_change_that_can_not_be_written_is_not_made(
    manager: DatasetManager, open_dataset: OpenDataset, folder: Path
) -> None:
    manager.add_annotation(BOX)
    before, lines = text_of(manager), lines_in(folder)
    with files_no_larger_than((folder / "1.jsonl").stat().st_size + 50):
        with pytest.raises(JournalError, match=f"can't write {folder}: File too large; the change was not made"):
            manager.add_annotation(BOX)
        assert manager.store.status().journal_error == f"can't write {folder}: File too large"
        with pytest.raises(JournalError):
            manager.store.check_writable()
    assert (text_of(manager), manager.revision, lines_in(folder)) == (before, 1, lines)
    manager.store.check_writable()
    assert manager.store.status().journal_error is None
    assert lines_in(folder) == lines
    assert manager.add_annotation(BOX)["id"] == 9
    assert text_of(open_dataset()) == text_of(manager)


# Segments and saves


def test_a_save_begins_a_segment_and_deletes_the_ones_before_it(manager: DatasetManager, folder: Path) -> None:
    manager.add_annotation(BOX)
    assert names_in(folder) == ["1.jsonl"]
    manager.save()
    assert names_in(folder) == ["2.jsonl"]
    assert [entry.get("after") for entry in lines_in(folder)] == [1]
    manager.add_annotation(BOX)
    assert (names_in(folder), revisions_in(folder)) == (["2.jsonl"], [2])
    manager.save()
    assert names_in(folder) == ["3.jsonl"]


def test_a_change_made_during_a_save_is_in_the_segment_that_stays(
    manager: DatasetManager, open_dataset: OpenDataset, clock: FakeClock, folder: Path
) -> None:
    manager.add_annotation(BOX)
    clock.on_next_time(lambda: manager.add_annotation(BOX))
    manager.save()
    assert (names_in(folder), revisions_in(folder)) == (["2.jsonl"], [2])
    assert manager.store.status().file_revision == 1
    assert text_of(open_dataset()) == text_of(manager)


def test_a_failed_save_keeps_every_segment_and_the_next_one_deletes_them(
    manager: DatasetManager, dataset_path: Path, folder: Path
) -> None:
    for number in (1, 2):
        manager.add_annotation(BOX)
        fail_to_save(manager, dataset_path)
        assert revisions_in(folder) == list(range(1, number + 1))
    fail_to_save(manager, dataset_path)
    manager.add_annotation(BOX)
    assert revisions_in(folder) == [1, 2, 3]
    manager.save()
    assert revisions_in(folder) == []
    assert len(names_in(folder)) == 1


def test_a_save_that_can_not_begin_a_segment_works_and_keeps_the_old_one(
    manager: DatasetManager, open_dataset: OpenDataset, folder: Path
) -> None:
    manager.add_annotation(BOX)
    (folder / "2.jsonl").touch()
    assert manager.save()
    (folder / "2.jsonl").unlink()
    assert names_in(folder) == ["1.jsonl"]
    manager.add_annotation(BOX)
    assert revisions_in(folder) == [1, 2]
    again = open_dataset()
    assert (text_of(again), again.revision, again.store.status().file_revision) == (text_of(manager), 2, 1)


def test_a_replacement_is_a_save_and_changes_go_on_after_it(
    manager: DatasetManager, open_dataset: OpenDataset, folder: Path
) -> None:
    manager.add_annotation(BOX)
    manager.set_annotations([])
    manager.add_annotation(BOX)
    assert revisions_in(folder)[-1] == 3
    again = open_dataset()
    assert (text_of(again), again.revision, again.store.status().file_revision) == (text_of(manager), 3, 2)


# Revisions of memory, journal and file


def test_a_change_is_durable_when_it_returns_where_nobody_syncs_later(dataset_path: Path, manager: object) -> None:
    at_once = DatasetManager()
    at_once.load(dataset_path)
    for revision in (1, 2, 3):
        at_once.add_annotation(BOX)
        assert at_once.store.status().journal_revision == revision


def test_a_change_is_durable_after_the_next_sync_where_somebody_syncs_later(
    dataset_path: Path, manager: object
) -> None:
    appended: list[int] = []
    later = DatasetManager(MemoryStore(on_append=lambda: appended.append(later.revision)))
    later.load(dataset_path)
    later.add_annotation(BOX)
    later.add_annotation(BOX)
    assert (appended, later.store.status().journal_revision) == ([1, 2], 0)
    later.store.sync()
    assert later.store.status().journal_revision == 2


def test_no_revision_of_a_later_stage_is_ever_ahead_of_an_earlier_one(dataset_path: Path, manager: object) -> None:
    """Looked at by a thread of its own while others change, sync and save; and so is what is on disk."""
    busy = DatasetManager(MemoryStore(on_append=lambda: None))
    busy.load(dataset_path)
    folder = DatasetFile(dataset_path).folder
    seen = [(0, 0, 0)]
    done, errors = threading.Event(), queue.SimpleQueue[BaseException]()

    def look() -> None:
        status = busy.store.status()
        stages = status.revision, status.journal_revision, status.file_revision
        assert status.revision >= status.journal_revision >= status.file_revision
        assert all(now >= before for now, before in zip(stages, seen[-1], strict=True))
        seen.append(stages)
        # As a start would, which must find whatever was shown.
        try:
            written = [entry.revision for entry in Journal(folder / "journal").read().entries]
        except FileNotFoundError:
            # A save has deleted a segment meanwhile.
            return
        in_file = read_state(folder / "state.json").versions[-1].revision
        assert in_file >= status.file_revision
        assert max([in_file, *written]) >= status.revision

    def repeat(work: Callable[[], object]) -> threading.Thread:
        def run() -> None:
            try:
                while not done.is_set():
                    work()
            except BaseException as exc:
                errors.put(exc)
                done.set()

        thread = threading.Thread(target=run)
        thread.start()
        return thread

    def enough() -> bool:
        return done.is_set() or (len(seen) > 100 and len({in_file for _, _, in_file in seen}) > 5)

    threads = [repeat(work) for work in (look, busy.save, busy.store.sync, *[lambda: busy.add_annotation(BOX)] * 3)]
    try:
        until(enough, "a hundred looks at five saves", 60)
    finally:
        done.set()
        for thread in threads:
            thread.join()
    if not errors.empty():
        raise errors.get()
    busy.store.sync()
    assert busy.store.status().journal_revision == busy.revision >= seen[-1][0]


_FSYNCS = r"""
import logging, os, sys, threading
from pathlib import Path
from cocoannot.manager import DatasetManager
from cocoannot.store.memory.store import MemoryStore
from cocoannot.errors import SaveError
from cocoannot.files.atomic import unfinished

logging.getLogger("cocoannot").addHandler(logging.NullHandler())
path, how = Path(sys.argv[1]), sys.argv[2]
manager = DatasetManager(MemoryStore(on_append=(lambda: None) if how == "everysec" else None))
manager.load(path)

def add():
    manager.add_annotation({"image_id": 1, "category_id": 1, "bbox": [1, 2, 3, 4]})

def fail_to_save():
    unfinished(path).mkdir()
    try:
        manager.save()
    except SaveError:
        unfinished(path).rmdir()

if how == "group":
    threads = [threading.Thread(target=add) for _ in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
elif how != "load":
    for _ in range(2):
        add()
        os.write(1, b"changed\n")
    fail_to_save()
    add()
    manager.store.sync()
    os.write(1, b"synced\n")
    fail_to_save()
    add()
    manager.save()
    os.write(1, b"saved\n")
os.write(1, f"{manager.store.status().journal_revision}\n".encode())
"""


def calls_of(dataset_path: Path, how: str, *options: str) -> tuple[list[str], str]:
    """What was created, written to, fsynced and unlinked in the journal, in order, and what the script printed."""
    log = dataset_path.with_name("log")
    trace = ["-y", "--seccomp-bpf", "-e", "trace=openat,write,fsync,unlink", *options]
    done = run_traced(_FSYNCS, dataset_path, how, options=trace, log=log)
    assert (done.returncode, done.stderr) == (0, "")
    found = []
    for line in log.read_text().splitlines():
        if match := re.search(r"(write|fsync)\(\d+<.*/journal(/\d+\.jsonl)?>", line):
            found.append(f"{match[1]} {(match[2] or 'folder').lstrip('/')}")
        elif match := re.search(r'(openat|unlink)\(.*/journal/(\d+\.jsonl)".* = \d', line):
            if match[1] == "unlink" or "O_CREAT" in line:
                found.append(f"{match[1].replace('openat', 'create')} {match[2]}")
        elif match := re.search(r'write\(1<.*"(changed|synced|saved)', line):
            found.append(match[1])
    return found, done.stdout


@pytest.fixture
def quiet(dataset_path: Path, small: dict[str, Any]) -> Path:
    """A dataset that nobody has loaded."""
    dataset_path.write_text(json.dumps(small))
    return dataset_path


@needs_strace
def test_a_change_is_acknowledged_when_its_line_and_its_segment_s_name_are_durable(quiet: Path) -> None:
    found, _ = calls_of(quiet, "always")
    assert found[: found.index("changed")] == [
        "create 1.jsonl",
        "fsync folder",
        "write 1.jsonl",
        "write 1.jsonl",
        "fsync 1.jsonl",
    ]
    second = found[found.index("changed") + 1 :]
    assert second[: second.index("changed")] == ["write 1.jsonl", "fsync 1.jsonl"]


@needs_strace
def test_a_sync_makes_older_segments_durable_first(quiet: Path) -> None:
    found, printed = calls_of(quiet, "everysec")
    start, end = (len(found) - found[::-1].index("changed"), found.index("synced"))
    assert not any(each.startswith("fsync 1") for each in found[:start])
    assert found[start:end] == [
        "create 2.jsonl",
        "fsync folder",
        "write 2.jsonl",
        "write 2.jsonl",
        "fsync 1.jsonl",
        "fsync 2.jsonl",
    ]
    assert printed.splitlines()[-1] == "4"


@needs_strace
def test_a_save_deletes_segments_oldest_first(quiet: Path) -> None:
    found, _ = calls_of(quiet, "everysec")
    after = found[found.index("synced") : found.index("saved")]
    assert [each for each in after if each.startswith("unlink")] == [
        "unlink 1.jsonl",
        "unlink 2.jsonl",
        "unlink 3.jsonl",
    ]


@needs_strace
def test_a_start_makes_durable_what_it_found(manager: DatasetManager, dataset_path: Path) -> None:
    """The process before it may have been killed ahead of its fsync."""
    manager.add_annotation(BOX)
    assert manager.store.status().journal_revision == 0
    found, printed = calls_of(dataset_path, "load")
    assert found == ["fsync 1.jsonl"]
    assert printed == "1\n"


@needs_strace
def test_threads_that_wait_together_share_an_fsync(quiet: Path) -> None:
    """The first fsync takes so long that the other seven threads come to wait meanwhile."""
    segment = Path(os.path.realpath(quiet)).with_name("dataset.json.cocoannot") / "journal" / "1.jsonl"
    found, printed = calls_of(quiet, "group", "-P", str(segment), "-e", "inject=fsync:delay_enter=700000")
    assert 1 <= found.count("fsync 1.jsonl") <= 4
    assert found.count("write 1.jsonl") == 9
    assert printed == "8\n"


# A journal that has grown large


def test_a_large_journal_brings_the_save_forward(
    open_dataset: OpenDataset, small: dict[str, Any], clock: FakeClock
) -> None:
    told: list[int] = []
    manager = open_dataset(small, on_dirty=lambda: told.append(manager.revision))
    saver = Saver(
        30, manager.store.unsaved_since, manager.save, manager.shutdown, clock.monotonic, manager.store.save_is_urgent
    )
    note = "x" * (16 << 20)
    while manager.store.status().journal_size + len(note) <= LARGE:
        manager.update_annotation(1, {"note": note})
        assert (manager.store.save_is_urgent(), saver.next_save_in(), told) == (False, 30, [1])
    manager.update_annotation(1, {"note": note})
    assert manager.store.status().journal_size > LARGE
    assert (manager.store.save_is_urgent(), saver.next_save_in(), told) == (True, 0, [1, manager.revision])
    assert saver.step() is None
    status = manager.store.status()
    assert (status.file_revision, manager.store.save_is_urgent()) == (status.revision, False)
    assert status.journal_size < 200


# The journal sync


def test_a_step_of_the_journal_sync_syncs(manager: DatasetManager) -> None:
    manager.add_annotation(BOX)
    JournalSync(manager.store.sync).step()
    assert manager.store.status().journal_revision == 1


def test_a_step_that_fails_is_left_to_the_status(caplog: pytest.LogCaptureFixture) -> None:
    def fail() -> None:
        raise NotDurable("can't make it durable")

    JournalSync(fail).step()
    assert caplog.text == ""


class Rounds:
    """Syncs and pauses, that wait until they are let go on."""

    def __init__(self) -> None:
        self.synced: queue.Queue[str] = queue.Queue()
        self.paused: queue.Queue[float] = queue.Queue()
        self.go_on: queue.Queue[None] = queue.Queue()
        self.during: Callable[[], object] = lambda: None

    def sync(self) -> None:
        self.synced.put(threading.current_thread().name)
        during, self.during = self.during, lambda: None
        during()

    def wait(self, seconds: float) -> None:
        self.paused.put(seconds)
        self.go_on.get()


@pytest.fixture
def rounds() -> Rounds:
    return Rounds()


@pytest.fixture
def journal_sync(rounds: Rounds) -> JournalSync:
    return JournalSync(rounds.sync, rounds.wait)


def test_changes_are_synced_by_a_thread_of_their_own_which_pauses_then(
    journal_sync: JournalSync, rounds: Rounds
) -> None:
    journal_sync.notify()
    assert rounds.synced.get(timeout=10) == "journal-sync"
    assert rounds.paused.get(timeout=10) == PAUSE == 0.5


def test_changes_made_in_a_pause_share_the_sync_after_it(journal_sync: JournalSync, rounds: Rounds) -> None:
    journal_sync.notify()
    rounds.paused.get(timeout=10)
    assert rounds.synced.qsize() == 1
    for _ in range(5):
        journal_sync.notify()
    rounds.go_on.put(None)
    rounds.paused.get(timeout=10)
    assert rounds.synced.qsize() == 2


def test_a_change_made_during_a_sync_brings_another_one(journal_sync: JournalSync, rounds: Rounds) -> None:
    rounds.during = journal_sync.notify
    journal_sync.notify()
    rounds.go_on.put(None)
    rounds.paused.get(timeout=10)
    rounds.paused.get(timeout=10)
    assert rounds.synced.qsize() == 2


def test_an_unforeseen_failure_is_logged_and_tried_again(
    journal_sync: JournalSync, rounds: Rounds, caplog: pytest.LogCaptureFixture
) -> None:
    def fail() -> None:
        raise ZeroDivisionError

    rounds.during = fail
    journal_sync.notify()
    rounds.go_on.put(None)
    rounds.paused.get(timeout=10)
    rounds.paused.get(timeout=10)
    assert rounds.synced.qsize() == 2
    assert "Making the journal durable failed in an unforeseen way; it is tried again" in caplog.text


def test_the_journal_sync_keeps_the_journal_durable_while_changes_come(dataset_path: Path, manager: object) -> None:
    journal_sync: JournalSync
    synced = DatasetManager(MemoryStore(on_append=lambda: journal_sync.notify()))
    journal_sync = JournalSync(synced.store.sync)
    synced.load(dataset_path)
    for revision in (1, 2):
        synced.add_annotation(BOX)
        until(lambda revision=revision: synced.store.status().journal_revision == revision, "the change is durable")  # type: ignore[misc]


# Backups

DAY = 86_400.0


class Kept:
    """A manager that keeps backups, on a clock that begins at 2023-11-14T22:13:20Z."""

    def __init__(self, path: Path, clock: FakeClock, count: int) -> None:
        self.path = path
        self.folder = path.with_name("dataset.json.cocoannot") / "backups"
        store = MemoryStore(on_append=lambda: None, clock=clock)
        store.load_file(DatasetFile(path, count))
        self.manager = DatasetManager(store)

    def save(self) -> bytes:
        """Save a change; returns what the file held before."""
        before = self.path.read_bytes()
        self.manager.add_annotation(BOX)
        assert self.manager.save()
        return before

    def contents(self) -> dict[str, bytes]:
        return {path.name: path.read_bytes() for path in self.folder.iterdir()}


@pytest.fixture
def keep(quiet: Path, clock: FakeClock) -> Callable[[int], Kept]:
    return lambda count: Kept(quiet, clock, count)


def test_the_first_save_of_a_day_keeps_the_file_as_it_was(keep: Callable[[int], Kept], clock: FakeClock) -> None:
    kept = keep(7)
    first = kept.save()
    kept.save()
    assert kept.contents() == {"2023-11-14.json": first}
    clock.advance(2 * 3600)
    second = kept.save()
    kept.save()
    assert kept.contents() == {"2023-11-14.json": first, "2023-11-15.json": second}
    assert [Path(backup.path).name for backup in kept.manager.store.status().backups] == [
        "2023-11-14.json",
        "2023-11-15.json",
    ]
    assert [backup.size for backup in kept.manager.store.status().backups] == [len(first), len(second)]


def test_a_start_on_the_same_day_keeps_the_copy_of_its_first_save(keep: Callable[[int], Kept]) -> None:
    first = keep(7).save()
    again = keep(7)
    assert [backup.size for backup in again.manager.store.status().backups] == [len(first)]
    again.save()
    assert again.contents() == {"2023-11-14.json": first}


def test_a_replacement_keeps_the_file_as_it_was_too(keep: Callable[[int], Kept]) -> None:
    kept = keep(7)
    before = kept.path.read_bytes()
    kept.manager.set_annotations([])
    assert kept.contents() == {"2023-11-14.json": before}


def test_a_backup_is_a_link_and_takes_no_room(keep: Callable[[int], Kept]) -> None:
    kept = keep(7)
    inode = kept.path.stat().st_ino
    kept.save()
    assert (kept.folder / "2023-11-14.json").stat().st_ino == inode
    assert kept.path.stat().st_ino != inode


def test_no_more_backups_are_kept_than_wanted_and_the_oldest_go_first(
    keep: Callable[[int], Kept], clock: FakeClock
) -> None:
    kept = keep(2)
    befores = []
    for _ in range(4):
        befores.append(kept.save())
        clock.advance(DAY)
    assert kept.contents() == {"2023-11-16.json": befores[2], "2023-11-17.json": befores[3]}
    assert len(kept.manager.store.status().backups) == 2


def test_a_file_that_is_no_backup_is_left_alone(keep: Callable[[int], Kept], clock: FakeClock) -> None:
    kept = keep(1)
    kept.save()
    (kept.folder / "2023-11-01 my own.json").touch()
    clock.advance(DAY)
    kept.save()
    assert names_in(kept.folder) == ["2023-11-01 my own.json", "2023-11-15.json"]


def test_none_is_kept_where_none_is_wanted(keep: Callable[[int], Kept]) -> None:
    kept = keep(0)
    kept.save()
    assert not kept.folder.exists()


def test_a_backup_that_fails_is_logged_and_the_save_works(
    keep: Callable[[int], Kept], caplog: pytest.LogCaptureFixture
) -> None:
    kept = keep(7)
    kept.folder.parent.mkdir(exist_ok=True)
    kept.folder.touch()
    kept.save()
    assert f"No backup of {kept.path} for today: File exists" in caplog.text
    assert kept.path.read_bytes() == text_of(kept.manager)
    assert kept.manager.store.status().saves.error is None


def test_a_backup_is_a_copy_where_there_can_be_no_link(keep: Callable[[int], Kept], elsewhere: Path) -> None:
    """The operator keeps backups on another disk."""
    kept = keep(7)
    kept.path.chmod(0o640)
    kept.folder.symlink_to(elsewhere)
    first = kept.save()
    kept.save()
    assert kept.contents() == {"2023-11-14.json": first}
    assert (kept.folder / "2023-11-14.json").stat().st_mode & 0o777 == 0o640


# A power cut may keep a line from the disk, and not one that was written after it


def _restart_without(
    dataset_path: Path, revisions: Sequence[int], durable: int, hole: bytes = b""
) -> tuple[DatasetManager, Path]:
    """A start that finds lines of `revisions` alone, and `hole` where one is missing.

    Each of them knew that all up to `durable` was fsynced.
    """
    manager = DatasetManager()
    manager.load(dataset_path)
    folder = dataset_path.with_name(f"{dataset_path.name}.cocoannot") / "journal"
    folder.mkdir()
    segment = Segment(folder / "1.jsonl")
    segment.begin(0)
    for previous, revision in pairwise([0, *revisions]):
        if hole and revision != previous + 1:
            with segment.path.open("ab") as file:
                file.write(hole)
        change = b'[["annotations",%d,{"id":%d,"image_id":1,"category_id":1,"bbox":[1,2,3,4]}]]' % (
            revision + 9,
            revision + 9,
        )
        segment.append(Entry(revision, 0.0, durable, msgspec.Raw(change), None))
    segment.close()
    again = DatasetManager()
    again.load(dataset_path)
    return again, folder


@pytest.mark.parametrize("hole", [b"", b"\0" * 50, b'{"crc":"12' + b"\0" * 50 + b'"}}\n'], ids=["gone", "NULs", "torn"])
def test_lines_after_a_missing_one_that_no_fsync_had_reached_are_left_out_and_told_of(
    dataset_path: Path, manager: object, hole: bytes, caplog: pytest.LogCaptureFixture
) -> None:
    again, _ = _restart_without(dataset_path, [1, 2, 4, 5], durable=2, hole=hole)
    assert again.revision == 2
    assert "those after revision 2, up to 5 at least" in caplog.text
    # What was left out does not come back over what is given instead.
    added = again.add_annotation({"image_id": 1, "category_id": 2, "bbox": [5, 6, 7, 8]})
    third = DatasetManager()
    third.load(dataset_path)
    assert (third.revision, third.get_annotation(added["id"])) == (3, added)
    third.save()
    fourth = DatasetManager()
    fourth.load(dataset_path)
    assert (fourth.revision, fourth.get_annotation(13)) == (3, None)


def test_a_missing_line_that_was_durable_stops_the_start(dataset_path: Path, manager: object) -> None:
    with pytest.raises(JournalConflict, match="changes after revision"):
        _restart_without(dataset_path, [1, 2, 4, 5], durable=3)


def test_a_damaged_line_before_a_good_one_stops_the_start(dataset_path: Path, manager: object) -> None:
    with pytest.raises(JournalConflict, match="line 4 is damaged, and good ones follow it"):
        _restart_without(dataset_path, [1, 2, 4, 5], durable=0, hole=b'{"crc":"00000000","entry":{}}\n')
