"""Undo: each change taken back, byte for byte and in place, as a change of its own; all of it or nothing."""

from __future__ import annotations

import json
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import pytest
from conftest import OpenDataset
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from test_round_trips import FLAVOURS, LAYOUTS, ODD_FILES

from cocoannot.changes.change import Change
from cocoannot.changes.operations import Add, Delete, Operation, Restore, Undo, Update
from cocoannot.coco.parser import SectionName
from cocoannot.errors import BadOperation, CocoannotError, Conflict, UnknownId
from cocoannot.manager import DatasetManager
from cocoannot.store.memory.store import MemoryStore
from cocoannot.store.queries import AnnotationQuery, CategoryQuery, ImageQuery

EVERY_STORE = "torture"

SECTIONS: tuple[SectionName, ...] = ("annotations", "images", "categories")
BOX = {"image_id": 1, "category_id": 1, "bbox": [1, 2, 3, 4]}


def text_of(manager: DatasetManager) -> bytes:
    return b"".join(map(bytes, manager.store.export().blocks))


def commit(manager: DatasetManager, *operations: Operation) -> Change:
    change = manager.store.commit(operations).change
    assert change is not None
    return change


def undo(manager: DatasetManager, revision: int | None = None) -> Change:
    return commit(manager, Undo(manager.revision if revision is None else revision))


def records_in(data: bytes) -> dict[str, Any]:
    """What is in a file, sections that are missing as empty ones."""
    found: dict[str, Any] = {section: [] for section in SECTIONS} | json.loads(data)
    return found


def ids(manager: DatasetManager, query: AnnotationQuery | CategoryQuery | ImageQuery) -> list[int]:
    return [json.loads(text).get("id") for text in manager.store.find(query).texts]


def every_change_of(manager: DatasetManager) -> list[Sequence[Operation]]:
    """One of each kind, for the first, a middle and the last record of each section that a file has."""
    annotations, images, categories = (
        ids(manager, query) for query in (AnnotationQuery(), ImageQuery(), CategoryQuery())
    )
    changes: list[Sequence[Operation]] = [[Add("images", {"file_name": "n.jpg", "width": 9, "height": 9})]]
    if None not in annotations:
        for record_id in {*annotations[:1], *annotations[1:2], *annotations[-1:]}:
            changes += [[Delete("annotations", record_id)], [Update("annotations", record_id, {"note": "\u00e4"})]]
        changes += [[Delete("annotations", record_id) for record_id in annotations]]
        changes += [[Delete("annotations", record_id) for record_id in reversed(annotations)]]
    for record_id in {*images[:1], *images[1:2], *images[-1:]}:
        changes += [[Delete("images", record_id)], [Update("images", record_id, {"note": 1})]]
    changes += [[Delete("images", record_id) for record_id in images]]
    changes += [[Add("categories", {"name": "a new one"})]]
    for number, record_id in enumerate(categories):
        changes += [[Delete("categories", record_id, reassign_to=categories[number - 1])]]
        changes += [[Update("categories", record_id, {"name": f"other {record_id}"})]]
    return [operations for operations in changes if operations]


def check_that_every_change_can_be_undone(manager: DatasetManager, path: Path, data: bytes) -> int:
    done = 0
    for operations in every_change_of(manager):
        try:
            commit(manager, *operations)
        except BadOperation:
            # What this file does not let anybody do.
            continue
        done += 1
        changed = text_of(manager)
        assert changed != data
        for expected in (data, changed, data):
            undo(manager)
            assert text_of(manager) == expected
    manager.save()
    assert path.read_bytes() == data
    return done


@pytest.mark.parametrize("flavour", FLAVOURS)
@pytest.mark.parametrize("layout", LAYOUTS)
def test_every_change_of_a_published_layout_is_undone_byte_for_byte(
    open_dataset: OpenDataset, dataset_path: Path, layout: str, flavour: str
) -> None:
    text = LAYOUTS[layout](FLAVOURS[flavour])
    data = text.encode() if isinstance(text, str) else text
    assert check_that_every_change_can_be_undone(open_dataset(data), dataset_path, data) > 2


@pytest.mark.parametrize("data", ODD_FILES.values(), ids=ODD_FILES)
def test_every_change_of_an_odd_file_is_undone_byte_for_byte(
    open_dataset: OpenDataset, dataset_path: Path, data: bytes
) -> None:
    assert check_that_every_change_can_be_undone(open_dataset(data), dataset_path, data) > 0


def test_what_was_missing_then_may_be_missing_when_a_record_comes_back(manager: DatasetManager) -> None:
    commit(manager, Delete("images", 2))
    commit(manager, Restore(b'{"id": 9, "image_id": 2, "category_id": 1}'))
    taken_back = [undo(manager, revision).revision for revision in (manager.revision, manager.revision - 1)]
    for revision in reversed(taken_back):
        undo(manager, revision)
    assert manager.store.get("annotations", 9).record is not None
    assert manager.store.get("images", 2).record is None


# Any changes, taken back in turn


@st.composite
def files(draw: st.DrawFn) -> bytes:
    """A dataset with a few records, with any gap between each two."""
    gap = st.sampled_from([",", ", ", ",\n", " ,\t", ",\r\n\n  "])
    values = []
    for section in draw(st.permutations(SECTIONS)):
        count = draw(st.integers(0, 5))
        texts = []
        for number in range(1, count + 1):
            record: dict[str, Any] = {"id": number}
            if section == "annotations":
                record |= {
                    "image_id": draw(st.integers(1, 5)),
                    "category_id": draw(st.integers(1, 3)),
                    "bbox": [1, 1, 2, 2],
                }
            elif section == "images":
                record |= {"file_name": f"{number}.jpg", "width": 9, "height": 9}
            else:
                record["name"] = f"c{number}"
            texts.append(json.dumps(record, indent=draw(st.sampled_from([None, 1]))))
        joined = "".join(text + (draw(gap) if number + 1 < count else "") for number, text in enumerate(texts))
        values.append(
            f'"{section}"{draw(st.sampled_from([":", " : "]))}[{draw(st.sampled_from(["", " ", chr(10)]))}{joined} ]'
        )
    return ("{" + ",\n".join(values) + "}\n").encode()


@st.composite
def an_operation(draw: st.DrawFn) -> Operation | None:
    number, other = draw(st.integers(1, 8)), draw(st.integers(1, 4))
    kind = draw(st.integers(0, 9))
    match kind:
        case 0:
            return Add("annotations", {"image_id": number, "category_id": other, "bbox": [1, 2, 3, 4]})
        case 1:
            return Add("images", {"file_name": "n.jpg", "width": 9, "height": 9})
        case 2:
            return Add("categories", {"name": f"new {number}"})
        case 3:
            return Update("annotations", number, {"score": other})
        case 4:
            return Update("annotations", number, {"image_id": other})
        case 5:
            return Delete("annotations", number)
        case 6:
            return Delete("images", number)
        case 7:
            return Delete("categories", other, reassign_to=draw(st.none() | st.integers(1, 4)))
        case 8:
            position = draw(st.none() | st.integers(0, 6))
            return Restore(b'{"id":%d,  "image_id": %d, "category_id": 1}' % (number, other), position)
    return Update("categories", other, {"name": f"name {number}"})


@given(files(), st.lists(st.lists(an_operation(), min_size=1, max_size=4), max_size=12), st.data())
@settings(max_examples=100, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
def test_random_changes_undone_in_turn_give_back_the_file(
    tmp_path_factory: pytest.TempPathFactory, data: bytes, changes: list[list[Operation]], draw: st.DataObject
) -> None:
    path = tmp_path_factory.mktemp("undo") / "dataset.json"
    path.write_bytes(data)
    manager = DatasetManager(MemoryStore(on_append=lambda: None))
    manager.load(path)
    texts = [data]
    for operations in changes:
        try:
            made = manager.store.commit(operations).change
        except CocoannotError:
            continue
        if made is not None:
            texts.append(text_of(manager))
        if draw.draw(st.integers(0, 4)) == 0:
            manager.save()
    next_ids = [manager.store.next_id(section) for section in SECTIONS]
    count = manager.revision
    undone = []
    for revision in range(count, 0, -1):
        try:
            undone.append(undo(manager, revision).revision)
        except BadOperation as exc:
            # It left everything as it was.
            if "nothing to undo" not in str(exc):
                raise
        assert text_of(manager) == texts[revision - 1]
    # What the process did is done again by the next one, from the journal alone. White space may have gone with what a
    # save left out of the file.
    again = DatasetManager(MemoryStore(on_append=lambda: None))
    again.load(path)
    if path.read_bytes() == data:
        assert text_of(again) == data
    assert records_in(text_of(again)) == records_in(data)
    assert all(again.store.next_id(section) >= number for section, number in zip(SECTIONS, next_ids, strict=True))
    again.close()
    # And the undos are undone: everything is done again.
    for revision in reversed(undone):
        undo(manager, revision)
    assert text_of(manager) == texts[-1]
    for revision in range(manager.revision, manager.revision - len(undone), -1):
        undo(manager, revision)
    manager.save()
    assert path.read_bytes() == data
    manager.close()


# Where memory has let go of the place


def many(count: int, padding: int, gaps: Sequence[str] = (",", ", ", " ,\n", ",\t")) -> bytes:
    images = "".join(
        (gaps[number % 3] if number else "")
        + f'{{"id": {number}, "file_name": "{number}.jpg", "width": 9, "height": 9}}'
        for number in range(count // 10)
    )
    annotations = "".join(
        (gaps[number % 4] if number else "")
        + f'{{"id": {number}, "image_id": {number // 10}, "category_id": 1, "note": "{"x" * padding}"}}'
        for number in range(count)
    )
    category = '{"id": 1, "name": "a"}'
    return f'{{"images": [{images}], "annotations": [ {annotations}\n], "categories": [{category}]}}'.encode()


@pytest.mark.parametrize("order", [1, -1], ids=["first to last", "last to first"])
@pytest.mark.parametrize("kept", [(), (0,), (60,), (119,)], ids=str)
def test_records_come_back_after_their_slots_and_their_text_went(
    open_dataset: OpenDataset, dataset_path: Path, order: int, kept: tuple[int, ...]
) -> None:
    """So much is deleted that the slots are numbered anew, and that a save lets memory stand on the new file."""
    data = many(1200, 2000)
    manager = open_dataset(data)
    gone = [image for image in range(120) if image not in kept][::order]
    for image in gone:
        commit(manager, Delete("images", image))
    emptied = text_of(manager)
    assert manager.save()
    assert dataset_path.read_bytes() == emptied
    added = commit(manager, Add("categories", {"name": "b"}))
    for revision in range(len(gone), 0, -1):
        undo(manager, revision)
    undo(manager, added.revision)
    assert text_of(manager) == data
    manager.save()
    assert dataset_path.read_bytes() == data


def test_a_journal_brings_records_back_to_their_place(open_dataset: OpenDataset) -> None:
    data = many(1200, 2000, [",\n"] * 4)
    manager = open_dataset(data)
    for image in range(100):
        commit(manager, Delete("images", image))
    manager.save()
    for revision in range(100, 0, -1):
        undo(manager, revision)
    # The next start has the file, which lacks them, and the journal.
    manager.close()
    assert text_of(open_dataset()) == data


# What stands in the way


def refused(manager: DatasetManager, revision: int) -> Conflict:
    before = text_of(manager), manager.revision
    with pytest.raises(BadOperation) as raised:
        undo(manager, revision)
    assert (text_of(manager), manager.revision) == before
    assert isinstance(raised.value.cause, Conflict)
    return raised.value.cause


@pytest.mark.parametrize(
    ("change", "later", "edits"),
    [
        (Update("annotations", 7, {"score": 1}), Update("annotations", 7, {"score": 2}), [("annotations", 7)]),
        (Update("annotations", 7, {"score": 1}), Delete("annotations", 7), [("annotations", 7)]),
        (Update("annotations", 7, {"score": 1}), Delete("images", 2), [("annotations", 7)]),
        (Add("annotations", BOX), Update("annotations", 8, {"score": 2}), [("annotations", 8)]),
        (Delete("annotations", 7), Delete("images", 2), [("annotations", 7)]),
        (Delete("annotations", 7), Add("annotations", {**BOX, "id": 7}), [("annotations", 7)]),
        (Delete("images", 1), Add("images", {"id": 1, "file_name": "o", "width": 1, "height": 1}), [("images", 1)]),
        (Add("categories", {"name": "fish"}), Add("annotations", {**BOX, "category_id": 6}), [("categories", 6)]),
        (
            Add("images", {"file_name": "n", "width": 9, "height": 9}),
            Add("annotations", {**BOX, "image_id": 5}),
            [("images", 5)],
        ),
        (Delete("categories", 5), Add("categories", {"name": "person"}), [("categories", 5)]),
        (Update("categories", 5, {"name": "man"}), Add("categories", {"name": "person"}), [("categories", 5)]),
        (Update("annotations", 7, {"category_id": 2}), Delete("categories", 1, reassign_to=2), [("annotations", 7)]),
        (
            Update("images", 4, {"width": 50}),
            Add(
                "annotations",
                {"image_id": 4, "category_id": 1, "segmentation": {"size": [50, 50], "counts": [9, 2491]}},
            ),
            [("images", 4)],
        ),
        (Delete("categories", 1, reassign_to=2), Update("annotations", 7, {"score": 1}), [("annotations", 7)]),
    ],
    ids=str,
)
def test_undo_is_refused_where_something_later_changed_what_it_needs(
    manager: DatasetManager, change: Operation, later: Operation, edits: list[tuple[str, int]]
) -> None:
    commit(manager, change)
    commit(manager, later)
    error = refused(manager, 1)
    found: Any = error.details["edits"]
    assert [(edit["section"], edit["id"]) for edit in found] == edits
    assert "nothing was done" in str(error)
    # As soon as that is undone, so can this be.
    undo(manager, 2)
    undo(manager, 1)


def test_undo_is_for_what_was_changed_back_too(manager: DatasetManager) -> None:
    first = text_of(manager)
    commit(manager, Update("annotations", 7, {"score": 1}))
    commit(manager, Update("annotations", 7, {"score": 2}))
    commit(manager, Update("annotations", 7, {"score": 1}))
    undo(manager, 1)
    assert text_of(manager) == first


def test_orphans_come_back_as_the_orphans_that_they_were(open_dataset: OpenDataset, small: dict[str, Any]) -> None:
    small["annotations"].append({"id": 9, "image_id": 77, "category_id": 88})
    manager = open_dataset(small)
    before = text_of(manager)
    commit(manager, Delete("annotations", 9))
    commit(manager, Delete("images", 4))
    undo(manager, 1)
    undo(manager, 2)
    assert text_of(manager) == before


def test_records_with_one_id_come_back_together(open_dataset: OpenDataset, small: dict[str, Any]) -> None:
    small["annotations"].insert(0, {**small["annotations"][0], "score": 1})
    manager = open_dataset(small)
    before = text_of(manager)
    commit(manager, Delete("images", 1))
    gone = text_of(manager)
    for expected in (before, gone, before):
        undo(manager)
        assert text_of(manager) == expected


def test_bulk_replacements_and_what_came_before_them_can_not_be_undone(manager: DatasetManager) -> None:
    commit(manager, Update("annotations", 7, {"score": 1}))
    manager.set_annotations([])
    assert "in bulk" in str(refused(manager, 2))
    assert "replaced the dataset since" in str(refused(manager, 1))


@pytest.mark.parametrize("revision", [0, -1, 2, 10**9])
def test_a_change_that_is_not_there_can_not_be_undone(manager: DatasetManager, revision: int) -> None:
    commit(manager, Update("annotations", 7, {"score": 1}))
    with pytest.raises(BadOperation) as raised:
        undo(manager, revision)
    assert isinstance(raised.value.cause, UnknownId)


def test_an_undo_is_a_change_of_its_own(manager: DatasetManager) -> None:
    commit(manager, Update("annotations", 7, {"score": 1}))
    mixed: list[list[Operation]] = [[Add("annotations", BOX), Undo(1)], [Undo(1), Undo(1)]]
    for operations in mixed:
        with pytest.raises(BadOperation) as raised:
            manager.store.commit(operations)
        assert raised.value.index == 1
    change = undo(manager, 1)
    assert (change.revision, change.undoes) == (2, 1)


def test_no_id_is_given_twice_after_the_undo_of_an_addition(open_dataset: OpenDataset, small: dict[str, Any]) -> None:
    manager = open_dataset(small)
    commit(manager, Add("annotations", BOX), Add("categories", {"name": "x"}))
    undo(manager)
    assert commit(manager, Add("annotations", BOX)).edits[0].record_id == 9
    manager.save()
    manager.close()
    assert open_dataset().get_next_category_id() == 7


# Restore


def restored(*wanted: tuple[int, int | None]) -> list[Operation]:
    return [Restore(b'{"id":%d,"image_id":1}' % number, position) for number, position in wanted]


@pytest.mark.parametrize(
    ("operations", "expected"),
    [
        (restored((20, 0)), [20, 1, 2, 7]),
        (restored((20, 1)), [1, 20, 2, 7]),
        (restored((20, 3)), [1, 2, 7, 20]),
        (restored((20, 2**40)), [1, 2, 7, 20]),
        (restored((20, None), (21, 1)), [1, 21, 2, 7, 20]),
        (restored((20, None), (21, 3)), [1, 2, 7, 21, 20]),
        (restored((20, None), (21, 4)), [1, 2, 7, 20, 21]),
        (restored((20, 1), (21, 1)), [1, 20, 21, 2, 7]),
        (restored((20, 4), (21, 0), (22, 2)), [21, 1, 22, 2, 20, 7]),
        ([Delete("annotations", 1), Delete("annotations", 2), *restored((2, 0), (1, 2))], [2, 7, 1]),
        ([Delete("annotations", 2), *restored((2, 0))], [2, 1, 7]),
        ([*restored((20, 1)), Update("annotations", 20, {"score": 1})], [1, 20, 2, 7]),
        ([*restored((20, 1)), Delete("annotations", 20), *restored((21, 0))], [21, 1, 2, 7]),
        ([*restored((20, 1)), Delete("annotations", 20), *restored((20, 0))], [20, 1, 2, 7]),
        ([*restored((20, 1)), Delete("annotations", 20), *restored((20, None))], [1, 2, 7, 20]),
        ([*restored((20, 1)), Delete("images", 1)], [7]),
    ],
    ids=str,
)
def test_a_restored_annotation_goes_where_it_is_to_be(
    open_dataset: OpenDataset, small: dict[str, Any], operations: list[Operation], expected: list[int]
) -> None:
    manager = open_dataset(small)
    before = text_of(manager)
    commit(manager, *operations)
    assert ids(manager, AnnotationQuery()) == expected
    after = text_of(manager)
    manager.close()
    # From the journal.
    manager = open_dataset()
    assert text_of(manager) == after
    undo(manager)
    assert text_of(manager) == before
    undo(manager)
    assert text_of(manager) == after
    manager.save()


def test_what_was_deleted_is_restored_byte_for_byte(open_dataset: OpenDataset) -> None:
    data = many(40, 5)
    manager = open_dataset(data)
    positions = [30, 5, 0, 39, 6]
    texts = {position: manager.get_annotation(position) for position in positions}
    commit(manager, *(Delete("annotations", position) for position in positions))
    manager.save()
    commit(manager, *(Restore(record.text, position) for position, record in texts.items() if record))
    assert text_of(manager) == data


def test_many_at_one_place_keep_their_order(open_dataset: OpenDataset, small: dict[str, Any]) -> None:
    manager = open_dataset(small)
    for number in range(100, 160):
        commit(manager, *restored((number, 1)))
    assert ids(manager, AnnotationQuery()) == [1, *range(159, 99, -1), 2, 7]
    commit(manager, *(restored((number, 63))[0] for number in range(1000, 3000)))
    assert ids(manager, AnnotationQuery()) == [1, *range(159, 99, -1), 2, 7, *range(1000, 3000)]
    commit(manager, *(restored((number, 62))[0] for number in range(5000, 7000)))
    assert ids(manager, AnnotationQuery())[60:64] == [100, 2, 5000, 5001]
