"""Damaged files: bits that flipped, ends that are missing, garbage, in the dataset, the state file and the journal.

A start says what is wrong, naming a file, or has everything that was acknowledged; or it warns of what is missing,
which no fsync had reached. Only where a journal ends with a whole line nobody can tell. One file is damaged at a
time, and none is taken away.
"""

from __future__ import annotations

import itertools
import json
import logging
import os
import random
import re
import shutil
import tempfile
import time
import zlib
from collections import Counter
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any, NamedTuple

import pytest
from conftest import open_here

from cocoannot.errors import AmbiguousId, CocoannotError, JournalConflict, NotADataset, SaveError
from cocoannot.files.atomic import unfinished
from cocoannot.files.dataset_file import DatasetFile
from cocoannot.files.state import State, read_state, write_state
from cocoannot.manager import DatasetManager
from cocoannot.store.memory.settling import settle

pytestmark = pytest.mark.torture

DATASET = "dataset.json"
STATE = "dataset.json.cocoannot/state.json"
JOURNAL = "dataset.json.cocoannot/journal"
MOMENT = "20260102T030405Z"
COUNTS = {"dataset": (350, 2_000), "state": (150, 1_500), "journal": (1_000, 6_500)}
"""How many cases, in the usual form and in the long one."""

# A part of it may be there twice, which is JSON all the same.
_LINE = re.compile(rb'\{(?:.*,)?"crc":"([0-9a-f]{8})",(?:.*,)?"entry":(\{"(?:revision|after)":.*\})\}')

Files = dict[str, bytes]


class Prepared(NamedTuple):
    """What a process that died left: its files, which revision the dataset is at, and the text of each revision.

    `revision` is the newest; `told` is whether a later file tells that there were changes up to it.
    """

    files: Files
    file_revision: int
    revision: int
    texts: dict[int, bytes]
    told: bool = False


class Line(NamedTuple):
    """A change in the journal, and which revision was known to be fsynced when it was written."""

    revision: int
    durable: int
    change: list[list[Any]]


class Started(NamedTuple):
    """A start that worked: where the manager is, and which warnings were logged."""

    manager: DatasetManager
    text: bytes
    warnings: list[str]


class _Warnings(logging.Handler):
    def __init__(self) -> None:
        super().__init__(logging.WARNING)
        self.texts: list[str] = []

    def emit(self, record: logging.LogRecord) -> None:
        self.texts.append(record.getMessage())


class History:
    """A dataset in the making: changes of every kind, and saves, each text of memory remembered."""

    def __init__(self, path: Path, dataset: dict[str, Any]) -> None:
        path.write_text(json.dumps(dataset))
        self.path = path
        self.manager = DatasetManager(on_append=lambda: None)
        self.manager.load(path)
        self.texts = {0: self._text()}
        manager = self.manager
        box = {"image_id": 1, "category_id": 1, "bbox": [1, 2, 3, 4]}
        several = [
            {"op": "add", "annotation": box},
            {"op": "add", "annotation": box | {"note": "\u2028 ü"}},
            {"op": "update", "id": 7, "changes": {"note": {"deep": [1.5, None]}}},
            {"op": "delete", "id": 9},
        ]
        self._changes: Iterator[Callable[[], object]] = iter(
            [
                lambda: manager.add_annotation(box),
                lambda: manager.change_annotations(several),
                lambda: manager.delete_annotation(1),
                lambda: manager.add_category({"name": "ours"}),
                lambda: manager.update_annotation(10, {"bbox": [5, 6, 7, 8]}),
                lambda: manager.delete_category(2, reassign_to=6),
                lambda: manager.add_image({"file_name": "ours.jpg", "width": 9, "height": 9}),
                lambda: manager.delete_image(2),
                lambda: manager.add_annotation(box | {"image_id": 5}),
                lambda: manager.update_image(4, {"file_name": "other.jpg"}),
                lambda: manager.delete_annotation(8),
                lambda: manager.add_annotation(box),
            ]
        )

    def change(self, count: int) -> None:
        for _ in range(count):
            before = self.manager.revision
            next(self._changes)()
            assert self.manager.revision == before + 1
            self.texts[before + 1] = self._text()

    def save(self) -> None:
        assert self.manager.save()

    def sync(self) -> None:
        self.manager.sync_journal()

    def fail_to_save(self) -> None:
        """A save that begins a segment, and comes no further."""
        unfinished(self.path).mkdir()
        with pytest.raises(SaveError):
            self.manager.save()
        unfinished(self.path).rmdir()

    def files(self) -> Files:
        return files_in(self.path.parent)

    def left(self, files: Files | None = None, *, told: bool = False) -> Prepared:
        """What is there now, with `files` put back, as after a power cut."""
        files = self.files() | (files or {})
        at = next(revision for revision, text in self.texts.items() if text == files[DATASET])
        return Prepared(files, at, self.manager.revision, self.texts, told)

    def _text(self) -> bytes:
        return b"".join(self.manager.snapshot().blocks)


def files_in(folder: Path) -> Files:
    return {str(path.relative_to(folder)): path.read_bytes() for path in folder.rglob("*") if path.is_file()}


def journal_of(files: Files) -> Files:
    return {name: data for name, data in files.items() if name.startswith(JOURNAL)}


def level(history: History) -> Prepared:
    """All in the file; the segment that it made needless was not gone for good yet."""
    history.change(3)
    old = journal_of(history.files())
    history.save()
    return history.left(old)


def behind(history: History) -> Prepared:
    """Three segments above the file, and one that it made needless."""
    history.change(3)
    old = journal_of(history.files())
    history.save()
    history.change(3)
    history.fail_to_save()
    history.change(2)
    history.sync()
    history.change(1)
    history.fail_to_save()
    history.change(3)
    return history.left(old)


def spanning(history: History) -> Prepared:
    """A segment with lines below and above the file's revision: the save could not begin one."""
    history.change(3)
    in_the_way = history.path.parent / JOURNAL / "2.jsonl"
    in_the_way.touch()
    history.save()
    in_the_way.unlink()
    history.change(3)
    history.sync()
    history.fail_to_save()
    history.change(3)
    return history.left()


def turned(history: History) -> Prepared:
    """A save began a segment, and died; nothing was changed after that."""
    history.change(3)
    history.save()
    history.change(3)
    history.fail_to_save()
    return history.left(told=True)


def _in_a_save(history: History) -> tuple[Files, Prepared]:
    """What was there before a save, and what is there once it renamed its file and before that is durable."""
    history.change(3)
    history.save()
    history.change(3)
    before, state_path = history.files(), history.path.parent / STATE
    old = read_state(state_path)
    history.save()
    write_state(state_path, State(old.versions + read_state(state_path).versions))
    history.change(3)
    return before, history.left(journal_of(before))


def before_the_rename(history: History) -> Prepared:
    before, left = _in_a_save(history)
    return left._replace(files=left.files | {DATASET: before[DATASET]}, file_revision=3)


def after_the_rename(history: History) -> Prepared:
    return _in_a_save(history)[1]


SHAPES = [level, behind, spanning, turned, before_the_rename, after_the_rename]


@pytest.fixture(scope="module")
def seed() -> int:
    """Given as SEED, to see a failure again."""
    return int(os.environ.get("SEED") or time.time_ns())


@pytest.fixture
def folder(tmp_path: Path) -> Iterator[Path]:
    """In memory where it can be: nothing here is about fsync, and a busy disk takes its time for each."""
    memory = Path("/dev/shm")
    if not os.access(memory, os.W_OK):
        yield tmp_path
        return
    with tempfile.TemporaryDirectory(dir=memory) as folder:
        yield Path(folder)


@pytest.fixture
def prepared(folder: Path, small: dict[str, Any]) -> dict[str, Prepared]:
    found = {}
    # Room for bits to flip that leave a dataset.
    small["info"]["description"] = "a small dataset " * 200
    for shape in SHAPES:
        (folder / shape.__name__).mkdir()
        found[shape.__name__] = shape(History(folder / shape.__name__ / DATASET, small))
    return found


# Ways to damage


def truncated(data: bytes, rng: random.Random) -> bytes:
    return data[: rng.randrange(len(data))]


def truncated_at_a_line(data: bytes, rng: random.Random) -> bytes:
    lines = data.splitlines(keepends=True)
    return b"".join(lines[: rng.randrange(len(lines))])


def with_a_bit_flipped(data: bytes, rng: random.Random) -> bytes:
    return _written_over(data, at := rng.randrange(len(data)), bytes([data[at] ^ 1 << rng.randrange(8)]))


def with_bits_flipped(data: bytes, rng: random.Random) -> bytes:
    for _ in range(rng.randint(2, 8)):
        data = with_a_bit_flipped(data, rng)
    return data


def with_another_byte(data: bytes, rng: random.Random) -> bytes:
    return _written_over(data, rng.randrange(len(data)), rng.randbytes(1))


def with_a_newline(data: bytes, rng: random.Random) -> bytes:
    return _written_over(data, rng.randrange(len(data)), b"\n")


def with_random_bytes(data: bytes, rng: random.Random) -> bytes:
    return _written_over(data, rng.randrange(len(data)), rng.randbytes(rng.randint(2, 200)))


def with_nuls(data: bytes, rng: random.Random) -> bytes:
    return _written_over(data, rng.randrange(len(data)), bytes(rng.randint(1, 500)))


def with_nuls_to_the_end(data: bytes, rng: random.Random) -> bytes:
    at = rng.randrange(len(data))
    return data[:at] + bytes(len(data) - at)


def with_a_part_gone(data: bytes, rng: random.Random) -> bytes:
    start, end = sorted((rng.randrange(len(data) + 1), rng.randrange(len(data) + 1)))
    return data[:start] + data[end:]


def with_a_line_gone(data: bytes, rng: random.Random) -> bytes:
    lines = data.splitlines(keepends=True)
    del lines[rng.randrange(len(lines))]
    return b"".join(lines)


def with_a_part_twice(data: bytes, rng: random.Random) -> bytes:
    start, end = sorted((rng.randrange(len(data)), rng.randrange(len(data) + 1)))
    return data[:end] + data[start:]


def with_garbage_behind(data: bytes, rng: random.Random) -> bytes:
    return data + rng.choice([rng.randbytes(rng.randint(1, 300)), bytes(4096), b"\n \n", b"{}\n", _nested(rng)])


def with_its_beginning_behind(data: bytes, rng: random.Random) -> bytes:
    return data + truncated_at_a_line(data, rng)


def replaced(data: bytes, rng: random.Random) -> bytes:
    return rng.choice([b"", bytes(len(data)), rng.randbytes(len(data)), b"{}", b"[]\n", _nested(rng)])


DAMAGES: list[Callable[[bytes, random.Random], bytes]] = [
    truncated,
    truncated_at_a_line,
    with_a_bit_flipped,
    with_bits_flipped,
    with_another_byte,
    with_a_newline,
    with_random_bytes,
    with_nuls,
    with_nuls_to_the_end,
    with_a_part_gone,
    with_a_line_gone,
    with_a_part_twice,
    with_garbage_behind,
    with_its_beginning_behind,
    replaced,
]


def _nested(rng: random.Random) -> bytes:
    return rng.choice([b"[", b'{"entry":', b'{"x":']) * 20_000


def _written_over(data: bytes, at: int, new: bytes) -> bytes:
    return data[:at] + new + data[at + len(new) :]


# What a damaged journal still says, read without the code that is tested


def good_entry(line: bytes) -> dict[str, Any] | None:
    match = _LINE.fullmatch(line.strip(b" \t\r"))
    if match is None or f"{zlib.crc32(match[2]):08x}".encode() != match[1]:
        return None
    try:
        json.loads(line)
    except ValueError:
        return None
    entry: dict[str, Any] = json.loads(match[2])
    return entry


def all_good_lines(files: Files, above: int) -> list[Line]:
    names = sorted(journal_of(files), key=lambda name: int(Path(name).stem))
    entries = [good_entry(line) for name in names for line in files[name].split(b"\n")]
    lines = [Line(each["revision"], each["durable"], each["change"]) for each in entries if each and "change" in each]
    return [line for line in lines if line.revision > above]


def whole_lines_only(data: bytes) -> bool:
    *lines, last = data.split(b"\n")
    # One that lacks nothing but its end is whole.
    return all(map(good_entry, [*lines, last] if last else lines))


def is_rotten(data: bytes) -> bool:
    """Whether a bad line comes before a good one, and no block that a power cut kept from the disk is why."""
    runs = itertools.groupby(data.split(b"\n"), lambda line: good_entry(line) is not None)
    groups = [(good, b"\n".join(lines)) for good, lines in runs]
    return any(not good and b"\0" not in text for good, text in groups[:-1])


def outcome(changes: list[Line]) -> dict[tuple[str, int], Any]:
    """What each record is after `changes` that they speak of, `None` where it is gone."""
    found: dict[tuple[str, int], Any] = {}
    for line in changes:
        for section, record_id, *record in line.change:
            found[section, record_id] = record[0] if record else None
            if section == "images" and not record:
                for key, value in found.items():
                    if key[0] == "annotations" and value is not None and value["image_id"] == record_id:
                        found[key] = None
    return found


# One case


class Case:
    """A folder with a damaged file in it, to start on as often as wanted."""

    def __init__(self, folder: Path, left: Prepared, target: str, damaged: bytes) -> None:
        self.folder = folder
        self.path = folder / DATASET
        self.left = left
        self.damaged = damaged
        self.files = left.files | {target: damaged}

    def put_back(self) -> None:
        self.let_go()
        shutil.rmtree(self.folder, ignore_errors=True)
        (self.folder / JOURNAL).mkdir(parents=True)
        for name, data in self.files.items():
            (self.folder / name).write_bytes(data)

    def let_go(self) -> None:
        """Close what managers that were dropped had open, as the end of their process does."""
        for fd in open_here(f"{self.folder}/"):
            os.close(fd)

    def start(self) -> Started:
        """Raises `CocoannotError`."""
        warnings, logger = _Warnings(), logging.getLogger("cocoannot")
        logger.addHandler(warnings)
        try:
            manager = DatasetManager(on_append=lambda: None)
            manager.load(self.path)
        finally:
            logger.removeHandler(warnings)
        return Started(manager, b"".join(manager.snapshot().blocks), warnings.texts)

    def try_to_start(self) -> Started | CocoannotError:
        try:
            return self.start()
        except CocoannotError as exc:
            self.check_error(exc)
            return exc

    def settle(self, choice: str) -> list[Path] | CocoannotError:
        try:
            return settle(DatasetFile(self.path), choice, MOMENT)
        except CocoannotError as exc:
            self.check_error(exc)
            return exc

    def check_error(self, error: CocoannotError) -> None:
        text = str(error)
        assert text.isprintable(), f"not one line: {text!r}"
        assert str(self.path) in text or isinstance(error, AmbiguousId), f"names no file: {text}"


def check_start(case: Case, started: Started, text: bytes, revision: int, file_revision: int) -> None:
    """The start is at `revision`, and so are another one and, one further, those after a change and a save."""
    status = started.manager.status()
    assert (status.revision, status.file_revision) == (revision, file_revision)
    assert started.text == text
    again = case.start()
    assert (again.text, again.manager.revision) == (text, revision)
    again.manager.add_category({"name": "after the damage"})
    changed = case.start()
    assert changed.manager.revision == revision + 1
    assert changed.text == b"".join(again.manager.snapshot().blocks)
    assert changed.manager.save()
    assert case.path.read_bytes() == changed.text == case.start().text


def check_settling(case: Case, floor: int, *, must_work: bool) -> Counter[str]:
    """Each choice does what it says or changes nothing; the journal's changes are those above `floor`."""
    figures: Counter[str] = Counter()
    lines = all_good_lines(case.files, floor)
    for choice in ("overwrite", "theirs"):
        case.put_back()
        kept = case.settle(choice)
        if isinstance(kept, CocoannotError):
            assert not must_work, f"{choice} does not work: {kept}"
            assert case.files.items() <= files_in(case.folder).items(), f"{choice} raised and changed a file"
            figures["not settled"] += 1
            continue
        figures["settled"] += 1
        names = {path.name: path for path in kept}
        journal = names.pop(f"{DATASET}.ours-{MOMENT}.journal")
        before = {Path(name).name: data for name, data in journal_of(case.files).items()}
        assert files_in(journal) == before, f"{choice}: the journal was not kept"
        if choice == "overwrite":
            theirs = names.pop(f"{DATASET}.theirs-{MOMENT}")
            assert theirs.read_bytes() == case.files[DATASET], "the file was not kept"
            check_overwritten(case, lines)
        else:
            check_taken(case, lines)
        assert names == {}
    return figures


def check_overwritten(case: Case, lines: list[Line]) -> None:
    started = case.start()
    assert started.manager.revision == started.manager.status().file_revision
    assert started.manager.revision >= max(line.revision for line in lines)
    dataset = json.loads(started.text)
    for (section, record_id), record in outcome(lines).items():
        found = [each for each in dataset[section] if each["id"] == record_id]
        assert found == ([] if record is None else [record]), f"{section} {record_id} is not as the journal had it"


def check_taken(case: Case, lines: list[Line]) -> None:
    assert case.path.read_bytes() == case.files[DATASET]
    started = case.try_to_start()
    if isinstance(started, CocoannotError):
        # What was chosen is no dataset; where a copy can be made of it, it says how.
        assert "flask check" in str(started) or isinstance(started, NotADataset)
        return
    assert started.text == case.files[DATASET]
    assert started.manager.revision > max(line.revision for line in lines)


def check_dataset(case: Case) -> Counter[str]:
    changes = all_good_lines(case.files, case.left.file_revision)
    known = [version.revision for version in read_state(case.folder / STATE).versions]
    started = case.try_to_start()
    if isinstance(started, CocoannotError):
        assert bool(changes) == isinstance(started, JournalConflict), started
        return Counter(refused=1) + check_settling(case, min(known), must_work=False)
    assert not changes, "what the journal has was left out, or put on top of what somebody else wrote"
    assert any("something else wrote it" in text for text in started.warnings), started.warnings
    check_start(case, started, case.damaged, max(known) + 1, max(known) + 1)
    return Counter(taken=1)


def check_state(case: Case) -> Counter[str]:
    left, started = case.left, case.try_to_start()
    if not isinstance(started, CocoannotError):
        assert json.loads(case.damaged) == json.loads(left.files[STATE]), "a changed state file was taken"
        check_start(case, started, left.texts[left.revision], left.revision, left.file_revision)
        return Counter(whole=1)
    assert str(case.folder / STATE) in str(started)
    figures = Counter(refused=1) + check_settling(case, -1, must_work=False)
    # What the message says: move it away.
    del case.files[STATE]
    case.put_back()
    assert isinstance(case.try_to_start(), JournalConflict)
    return figures + check_settling(case, -1, must_work=True)


def check_segment(case: Case) -> Counter[str]:
    left = case.left
    lines = all_good_lines(case.files, left.file_revision)
    last, rest = left.file_revision, list(lines)
    while rest and rest[0].revision == last + 1:
        last = rest.pop(0).revision
    started = case.try_to_start()
    # Lines that a power cut took leave none out of order.
    if rest and (is_rotten(case.damaged) or not all(line.durable <= last < line.revision for line in rest)):
        assert isinstance(started, JournalConflict), f"{last} and then {rest[0].revision}, and yet: {started}"
        return Counter(refused=1) + check_settling(case, left.file_revision, must_work=True)
    assert isinstance(started, Started), f"refused, though nothing is missing that was fsynced: {started}"
    warned = bool(started.warnings)
    if last < left.revision:
        ends_with_a_line = whole_lines_only(case.damaged) and not (rest or left.told)
        assert warned or ends_with_a_line, f"revisions {last + 1} to {left.revision} are gone without a word"
    check_start(case, started, left.texts[last], last, left.file_revision)
    if last == left.revision:
        return Counter(whole=1)
    return Counter(warned=1) if warned else Counter({"ended with a line": 1})


def run(
    folder: Path,
    prepared: dict[str, Prepared],
    seed: int,
    count: int,
    targets: Callable[[Files], list[str]],
    check: Callable[[Case], Counter[str]],
) -> Counter[str]:
    """Check `count` cases; returns what became of them."""
    figures: Counter[str] = Counter()
    while figures["cases"] < count:
        rng = random.Random(f"{seed}-{figures['cases']}")
        figures["cases"] += 1
        shape, left = rng.choice(list(prepared.items()))
        target, damage = rng.choice(targets(left.files)), rng.choice(DAMAGES)
        damaged = damage(left.files[target], rng)
        if damaged == left.files[target]:
            figures["not damaged"] += 1
            continue
        case = Case(folder, left, target, damaged)
        case.put_back()
        try:
            figures += check(case)
        except Exception as exc:
            what = f"SEED={seed}, case {figures['cases']}: {target} of {shape!r} {damage.__name__}"
            raise AssertionError(f"{what}: {exc!r}") from exc
        finally:
            case.let_go()
    return figures


def tell(what: str, figures: Counter[str], seed: int) -> None:
    print(f"{what}: {', '.join(f'{count} {name}' for name, count in figures.items())}; seed {seed}")


def test_a_damaged_dataset_is_told_of_and_nothing_is_put_on_top_of_it(
    folder: Path, prepared: dict[str, Prepared], seed: int, torture: bool
) -> None:
    figures = run(folder / "case", prepared, seed, COUNTS["dataset"][torture], lambda _: [DATASET], check_dataset)
    tell("Damaged datasets", figures, seed)
    assert figures.keys() >= {"refused", "settled"}


def test_a_damaged_state_file_stops_the_start(
    folder: Path, prepared: dict[str, Prepared], seed: int, torture: bool
) -> None:
    figures = run(folder / "case", prepared, seed, COUNTS["state"][torture], lambda _: [STATE], check_state)
    tell("Damaged state files", figures, seed)
    assert figures.keys() >= {"refused", "settled"}


def test_a_damaged_journal_stops_the_start_or_loses_no_more_than_a_torn_end(
    folder: Path, prepared: dict[str, Prepared], seed: int, torture: bool
) -> None:
    count = COUNTS["journal"][torture]
    figures = run(folder / "case", prepared, seed, count, lambda files: list(journal_of(files)), check_segment)
    tell("Damaged segments", figures, seed)
    assert figures.keys() >= {"refused", "settled", "whole", "warned", "ended with a line"}
