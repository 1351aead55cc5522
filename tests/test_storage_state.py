"""The state file: revisions and ids go on over restarts, external changes and crashes, and nothing is guessed."""

from __future__ import annotations

import json
import signal
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from tracing import needs_strace, run_traced

from cocoannot.errors import DatasetError
from cocoannot.files.atomic import Content
from cocoannot.files.dataset_file import DatasetFile
from cocoannot.files.state import State, Version, read_state, write_state
from cocoannot.manager import DatasetManager
from cocoannot.store.memory.maintenance import MemoryMaintenance

Start = Callable[[], DatasetManager]

OLD = Version(11, "ab" * 32, 3, {"annotations": 5})
NEW = Version(12, "cd" * 32, 4, {"annotations": 9, "images": 1})


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "state.json"


@pytest.fixture
def dataset(dataset_path: Path, small: dict[str, Any]) -> Path:
    dataset_path.write_text(json.dumps(small))
    return dataset_path


@pytest.fixture
def start(dataset: Path) -> Start:
    """Starts anew on the dataset, as a process does that knows nothing but what is on disk."""

    def start() -> DatasetManager:
        manager = DatasetManager()
        manager.load(dataset)
        return manager

    return start


@pytest.mark.parametrize("state", [State(), State([OLD]), State([OLD, NEW]), State([OLD], NEW)])
def test_a_state_is_read_as_it_was_written(path: Path, state: State) -> None:
    write_state(path, state)
    assert read_state(path) == state


def test_the_newest_state_replaces_the_one_before(path: Path) -> None:
    write_state(path, State([OLD, NEW]))
    write_state(path, State([NEW]))
    assert read_state(path) == State([NEW])
    assert [each.name for each in path.parent.iterdir()] == ["state.json"]


def test_no_state_file_is_an_empty_state(path: Path) -> None:
    assert read_state(path) == State()


def test_a_version_knows_its_content() -> None:
    assert OLD.content == Content(11, "ab" * 32)


@pytest.mark.parametrize(
    "damage",
    [
        lambda text: b"",
        lambda text: text[:-20],
        lambda text: bytes(len(text)),
        lambda text: text.replace(b'"revision":3', b'"revision":2'),
        lambda text: text.replace(b'"format":1', b'"format":2'),
        lambda text: b"[]",
        lambda text: b"\xff" + text,
    ],
    ids=["empty", "torn", "zeros", "changed", "of another format", "something else", "no text"],
)
def test_a_damaged_state_file_is_an_error_that_names_it(
    dataset: Path, start: Start, damage: Callable[[bytes], bytes]
) -> None:
    manager = start()
    for name in ("one", "two", "three"):
        manager.add_category({"name": name})
    manager.save()
    path = dataset.with_name("dataset.json.cocoannot") / "state.json"
    text = path.read_bytes()
    path.write_bytes(damage(text))
    assert path.read_bytes() != text
    with pytest.raises(DatasetError, match=f"{path}: the state file is damaged .*move it away"):
        start()


def test_a_dataset_without_a_state_starts_at_revision_0(start: Start) -> None:
    assert start().revision == 0


def test_the_revision_goes_on_after_a_restart(start: Start) -> None:
    manager = start()
    manager.add_category({"name": "bird"})
    manager.add_category({"name": "fish"})
    manager.save()
    again = start()
    assert (again.revision, again.store.status().file_revision) == (2, 2)
    assert not again.save()


def test_an_unknown_content_is_one_revision_more_than_any_known_one(dataset: Path, start: Start) -> None:
    manager = start()
    manager.add_category({"name": "bird"})
    manager.save()
    dataset.write_text(dataset.read_text() + "\n")
    assert start().revision == 2


def test_every_unknown_content_gets_a_revision_of_its_own(dataset: Path, start: Start) -> None:
    assert start().revision == 0
    for revision in (1, 2):
        dataset.write_text(dataset.read_text() + "\n")
        assert start().revision == revision
        assert start().revision == revision


def test_an_older_content_that_somebody_put_back_is_a_new_revision(dataset: Path, start: Start) -> None:
    before = dataset.read_bytes()
    manager = start()
    manager.add_category({"name": "bird"})
    manager.save()
    dataset.write_bytes(before)
    assert start().revision == 2


def test_a_dataset_that_was_only_copied_and_touched_keeps_its_revision(dataset: Path, start: Start) -> None:
    manager = start()
    manager.add_category({"name": "bird"})
    manager.save()
    data = dataset.read_bytes()
    dataset.unlink()
    dataset.write_bytes(data)
    assert start().revision == 1


def test_the_id_of_a_deleted_record_is_not_given_again_after_a_restart(start: Start) -> None:
    manager = start()
    given = manager.add_category({"name": "bird"})["id"]
    manager.delete_category(given)
    manager.save()
    assert start().get_next_category_id() == given + 1


def test_ids_go_on_where_something_else_changed_the_dataset(dataset: Path, start: Start, small: dict[str, Any]) -> None:
    manager = start()
    given = manager.add_category({"name": "bird"})["id"]
    manager.save()
    small["categories"].append({"id": given + 10, "name": "fish"})
    dataset.write_text(json.dumps(small))
    assert start().get_next_category_id() == given + 11
    small["categories"].pop()
    dataset.write_text(json.dumps(small))
    assert start().get_next_category_id() == given + 11


def test_the_status_of_a_stopped_dataset_tells_the_newest_version_without_reading_the_dataset(
    dataset: Path, start: Start
) -> None:
    stopped = MemoryMaintenance(DatasetFile(dataset))
    assert stopped.status().file_revision is None
    manager = start()
    manager.add_category({"name": "bird"})
    manager.save()
    assert stopped.status().file_revision == 1


def test_a_start_on_a_file_that_cannot_be_kept_writes_nothing(dataset: Path, start: Start, tmp_path: Path) -> None:
    dataset.write_text("{")
    with pytest.raises(DatasetError):
        start()
    assert list(tmp_path.iterdir()) == [dataset]


_SAVE_TWICE = """
import sys
from pathlib import Path
from cocoannot.manager import DatasetManager
manager = DatasetManager()
manager.load(Path(sys.argv[1]))
manager.add_category({"name": "bird"})
manager.save()
manager.delete_category(manager.add_category({"name": "fish"})["id"])
manager.update_category(1, {"name": "lion"})
manager.save()
"""


@needs_strace
@pytest.mark.parametrize(
    ("rename", "revisions", "file_revision"),
    [
        (5, [1], 1),
        (6, [1, 4], 1),
        (7, [1, 4], 4),
    ],
    ids=["before the state says so", "before the dataset is replaced", "after the dataset was replaced"],
)
def test_a_start_after_a_crash_knows_what_it_found(
    dataset: Path, start: Start, rename: int, revisions: list[int], file_revision: int
) -> None:
    """The renames: the state of the load; state, dataset, state of the first save, and of the second."""
    kill = ["-e", "trace=rename", "-e", f"inject=rename:signal=SIGKILL:when={rename}"]
    assert run_traced(_SAVE_TWICE, dataset, options=kill).returncode == -signal.SIGKILL
    state = read_state(dataset.with_name("dataset.json.cocoannot") / "state.json")
    assert [version.revision for version in state.versions] == revisions
    manager = start()
    assert (manager.revision, manager.store.status().file_revision) == (4, file_revision)
    assert [category["name"] for category in manager.get_categories()] == ["lion", "dog", "person", "bird"]
    # The id of the fish was given.
    assert manager.get_next_category_id() == 8
