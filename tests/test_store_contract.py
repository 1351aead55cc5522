"""What every store of a dataset promises (`cocoannot.store.base`); a second store is one more entry of `STORES`."""

from __future__ import annotations

import json
import shutil
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any, Protocol

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as strategies
from postgres_servers import Postgres
from postgres_stores import FilePostgresStore

from cocoannot.changes.change import Change, Edit
from cocoannot.changes.description import DescribedEdit, Undone
from cocoannot.changes.operations import Add, Delete, GoBack, Operation, Restore, Revert, Undo, Update
from cocoannot.coco.records import Record
from cocoannot.coco.statuses import Status
from cocoannot.errors import (
    BadOperation,
    Conflict,
    DatasetError,
    InvalidRecord,
    KeyReused,
    NotKept,
    NotLoaded,
    UnknownId,
    VersionMismatch,
)
from cocoannot.history.kept import KeptHistory
from cocoannot.store.base import Deleted, Follower, Found, Head, History, Page, Saves, SavingStore
from cocoannot.store.memory.store import MemoryStore
from cocoannot.store.queries import AnnotationQuery, CategoryQuery, ChangeQuery, ImageQuery, Ranking, Statistics

BOX = {"image_id": 1, "category_id": 1, "bbox": [1, 2, 3, 4]}
OPEN: tuple[Status, ...] = ("open",)
DONE_OR_OPEN: tuple[Status, ...] = ("done", "open")


class EveryStore(SavingStore, History, Protocol):
    """What the suite needs of a store."""


Server = Callable[[], Postgres]
"""The database, for those that need it."""

STORES: dict[str, Callable[[Server], EveryStore]] = {
    "memory": lambda server: MemoryStore(on_append=lambda: None),
    "memory with a history": lambda server: MemoryStore(on_append=lambda: None, history=KeptHistory()),
    "postgres": lambda server: FilePostgresStore(server()),
}
FOLLOWED: dict[str, Callable[[Server, Follower], EveryStore]] = {
    "memory": lambda server, follower: MemoryStore(on_append=lambda: None, follower=follower),
    "memory, durable": lambda server, follower: MemoryStore(follower=follower),
    "memory with a history": lambda server, follower: MemoryStore(follower=follower, history=KeptHistory()),
    "postgres": lambda server, follower: FilePostgresStore(server(), follower=follower),
}


def new_store(request: pytest.FixtureRequest, name: str) -> EveryStore:
    return STORES[name](lambda: request.getfixturevalue("postgres"))


@pytest.fixture(params=STORES)
def unloaded(request: pytest.FixtureRequest) -> Iterator[EveryStore]:
    store = new_store(request, request.param)
    yield store
    store.close()


@pytest.fixture
def store(unloaded: EveryStore, dataset_path: Path, small: dict[str, Any]) -> EveryStore:
    """Holds the small dataset: annotations 1 and 2 on image 1, 7 on image 2."""
    dataset_path.write_text(json.dumps(small))
    unloaded.load(str(dataset_path))
    return unloaded


def commit(store: EveryStore, *operations: Operation, actor: str | None = None, key: str | None = None) -> Change:
    change = store.commit(operations, actor=actor, key=key).change
    assert change is not None
    return change


def text_of(store: EveryStore) -> bytes:
    return b"".join(map(bytes, store.export().blocks))


def ids(texts: list[bytes]) -> list[int]:
    return [json.loads(text)["id"] for text in texts]


def what(change: Change) -> list[tuple[str, int, str]]:
    return [(edit.section, edit.record_id, edit.action) for edit in change.edits]


# Before there is a dataset


def test_nothing_can_be_asked_of_a_store_that_is_not_loaded(unloaded: EveryStore) -> None:
    assert not unloaded.is_loaded
    assert unloaded.revision == 0
    calls: list[Callable[[], object]] = [
        lambda: unloaded.get("images", 1),
        lambda: unloaded.find(ImageQuery()),
        lambda: unloaded.annotations_of(1),
        unloaded.head,
        unloaded.statistics,
        unloaded.export,
        unloaded.status,
        lambda: unloaded.commit([Add("annotations", BOX)]),
    ]
    for call in calls:
        with pytest.raises(NotLoaded):
            call()


def test_a_store_with_a_file_and_a_past_says_so(store: EveryStore) -> None:
    assert isinstance(store, Saves)
    assert isinstance(store, History)


# Who follows


class Heard:
    """A follower that keeps what it hears."""

    def __init__(self) -> None:
        self.changes: list[Change] = []
        self.told: list[tuple[str, int]] = []

    def changed(self, change: Change) -> None:
        self.changes.append(change)
        self.told.append(("changed", change.revision))

    def promised(self, revision: int) -> None:
        self.told.append(("promised", revision))

    def saved(self, revision: int) -> None:
        self.told.append(("saved", revision))


@pytest.fixture(params=FOLLOWED)
def followed(request: pytest.FixtureRequest, dataset_path: Path, small: dict[str, Any]) -> Iterator[tuple[Any, Heard]]:
    heard = Heard()
    store = FOLLOWED[request.param](lambda: request.getfixturevalue("postgres"), heard)
    dataset_path.write_text(json.dumps(small))
    store.load(str(dataset_path))
    yield store, heard
    store.close()


def test_a_follower_hears_of_each_change_once_and_then_of_its_promise(followed: tuple[EveryStore, Heard]) -> None:
    store, heard = followed
    changes = [commit(store, Add("annotations", BOX), actor="anna"), commit(store, Delete("images", 1))]
    assert heard.changes == changes
    assert heard.told == [("changed", 1), ("promised", 1), ("changed", 2), ("promised", 2)]


def test_a_follower_hears_nothing_of_what_changed_nothing(followed: tuple[EveryStore, Heard]) -> None:
    store, heard = followed
    with pytest.raises(BadOperation):
        store.commit([Delete("images", 99)])
    store.commit([])
    assert heard.told == []


def test_a_follower_hears_of_saves_and_replacements(followed: tuple[EveryStore, Heard]) -> None:
    store, heard = followed
    commit(store, Add("annotations", BOX))
    store.save()
    change = store.replace({"annotations": b"[]"})
    assert heard.told[2:] == [("promised", 1), ("saved", 1), ("changed", 2), ("promised", 2), ("saved", 2)]
    assert heard.changes[-1] == change


def test_followers_hear_changes_of_many_threads_in_the_order_of_revisions(followed: tuple[EveryStore, Heard]) -> None:
    store, heard = followed
    with ThreadPoolExecutor(8) as pool:
        list(pool.map(lambda _: commit(store, Add("annotations", BOX)), range(200)))
    assert [change.revision for change in heard.changes] == list(range(1, 201))


# Reading


def test_every_read_tells_the_revision_that_it_belongs_to(store: EveryStore) -> None:
    for revision in (0, 1):
        page = store.annotations_of(1)
        assert page is not None
        found: list[Found | Page | Head | Statistics] = [
            store.get("images", 1),
            store.find(AnnotationQuery()),
            page,
            store.head(),
            store.statistics(),
        ]
        assert [each.revision for each in found] == [revision] * 5
        assert (store.export().revision, store.revision) == (revision, revision)
        commit(store, Add("annotations", BOX))


def test_a_record_is_the_text_that_is_stored(store: EveryStore, small: dict[str, Any]) -> None:
    record = store.get("annotations", 7).record
    assert record is not None
    assert record.text == json.dumps(small["annotations"][2]).encode()
    assert store.get("annotations", 99).record is None


def test_the_first_image_is_the_first_one_of_the_list(store: EveryStore) -> None:
    commit(store, Update("images", 1, {"annotation_status": "done"}))
    for query in (
        ImageQuery(),
        ImageQuery(statuses=OPEN),
        ImageQuery(statuses=OPEN, without={2}),
        ImageQuery(statuses=OPEN, without={2, 4}),
        ImageQuery(statuses=DONE_OR_OPEN, sort="-id"),
        ImageQuery(ids={4, 1}, sort="-id"),
        ImageQuery(ids=()),
        ImageQuery(annotated=False),
    ):
        texts = store.find(query).texts
        found = store.first(query)
        assert (found.record.text if found.record else None) == (texts[0] if texts else None), query
        assert found.revision == 1


@settings(max_examples=40, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(
    steps=strategies.lists(
        strategies.tuples(strategies.integers(0, 3000), strategies.sampled_from(["done", None, "x", "delete", "add"])),
        max_size=40,
    )
)
def test_the_next_open_image_is_found_whatever_was_done(
    dataset_path: Path, steps: list[tuple[int, str | None]]
) -> None:
    images = [{"id": number, "file_name": f"{number}.png", "annotation_status": "done"} for number in range(3000)]
    shutil.rmtree(dataset_path.with_name(dataset_path.name + ".cocoannot"), ignore_errors=True)
    dataset_path.write_text(json.dumps({"images": images}))
    store = MemoryStore(on_append=lambda: None)
    store.load(str(dataset_path))
    for number, (image_id, what) in enumerate(steps):
        if what == "add":
            commit(store, Add("images", {"file_name": f"{number}.jpg", "width": 1, "height": 1}))
        elif store.get("images", image_id).record is not None:
            delete, update = Delete("images", image_id), Update("images", image_id, {"annotation_status": what})
            commit(store, delete if what == "delete" else update)
        query = ImageQuery(statuses=OPEN, without={image_id // 2})
        texts, found = store.find(query, 0, 1).texts, store.first(query).record
        assert ([found.text] if found else []) == texts
    store.close()


def test_annotations_of_an_image_tell_whether_there_is_one(store: EveryStore) -> None:
    one, empty = store.annotations_of(1), store.annotations_of(4)
    assert one is not None
    assert empty is not None
    assert (ids(one.texts), empty.texts) == ([1, 2], [])
    assert store.annotations_of(99) is None
    commit(store, Delete("images", 1))
    assert store.annotations_of(1) is None


def test_lists_are_in_file_order_and_cut_by_offset_and_limit(store: EveryStore) -> None:
    page = store.find(AnnotationQuery(), 1, 1)
    assert (page.total, ids(page.texts)) == (3, [2])
    assert ids(store.find(CategoryQuery()).texts) == [1, 2, 5]
    assert ids(store.find(ImageQuery(annotated=False)).texts) == [4]


def test_neighbours_are_told_by_the_list(store: EveryStore) -> None:
    assert store.neighbours(2, ImageQuery()) == (1, 4, 1, 3, 0)
    assert store.neighbours(2, ImageQuery(sort="-position")) == (4, 1, 1, 3, 0)
    assert store.neighbours(1, ImageQuery(annotated=True)) == (None, 2, 0, 2, 0)
    assert store.neighbours(4, ImageQuery(category_ids=[1], sort="-id")) == (None, 2, None, 2, 0)
    assert store.neighbours(99, ImageQuery()) is None
    commit(store, Delete("images", 2))
    assert store.neighbours(1, ImageQuery()) == (None, 4, 0, 2, 1)
    assert store.neighbours(4, ImageQuery(annotated=True)) == (1, None, None, 1, 1)


# Changing


def test_images_are_ranked_by_numbers_that_the_store_is_given(store: EveryStore) -> None:
    def ranked(sort: str, number: int, values: dict[int, float]) -> list[int]:
        ranking = Ranking(number, lambda asked: [values.get(each, 0) for each in asked])
        return ids(store.find(ImageQuery(sort=sort, ranking=ranking)).texts)

    assert ranked("-disagreement", 1, {2: 0.5, 4: 0.7}) == [4, 2, 1]
    assert ranked("disagreement", 1, {2: 0.5, 4: 0.7}) == [1, 2, 4]
    assert ranked("-disagreement", 2, {}) == [1, 2, 4], "ties keep file order"
    assert ranked("-disagreement", 3, {2: 0.1}) == [2, 1, 4]


def test_a_walk_gives_every_record_as_it_was_when_it_began(store: EveryStore) -> None:
    commit(store, Add("annotations", BOX), Update("annotations", 2, {"note": "other"}), Delete("annotations", 7))
    expected = store.find(AnnotationQuery()).texts
    walk = store.walk("annotations")
    commit(store, Add("annotations", BOX), Update("annotations", 1, {"note": "later"}), Delete("annotations", 2))
    assert [bytes(text) for block in walk.blocks for text in block] == expected
    assert (walk.revision, walk.total) == (1, 3)
    assert [len(block) for block in store.walk("images").blocks] == [3]


def test_an_added_record_comes_at_the_end_with_the_next_id(store: EveryStore) -> None:
    change = commit(store, Add("annotations", BOX), actor="anna", key="k1")
    (edit,) = change.edits
    assert (change.revision, change.actor, change.key, change.replaced) == (1, "anna", "k1", ())
    assert (edit.section, edit.record_id, edit.before) == ("annotations", 8, None)
    found = store.get("annotations", 8).record
    assert found is not None
    assert edit.after == found.text
    assert ids(store.find(AnnotationQuery()).texts) == [1, 2, 7, 8]


def test_an_update_has_both_texts_and_keeps_its_position(store: EveryStore, small: dict[str, Any]) -> None:
    first = commit(store, Update("annotations", 2, {"score": 0.5}))
    second = commit(store, Update("annotations", 2, {"score": None}))
    assert first.edits[0].before == json.dumps(small["annotations"][1]).encode()
    assert first.edits[0].after == second.edits[0].before
    assert first.edits[0].position == second.edits[0].position


def test_positions_order_the_records_and_are_never_given_again(store: EveryStore) -> None:
    gone = commit(store, Delete("annotations", 7)).edits[0]
    added = commit(store, Add("annotations", BOX)).edits[0]
    first = commit(store, Update("annotations", 1, {"score": 1})).edits[0]
    assert first.position < gone.position < added.position


def test_the_annotations_that_go_with_an_image_are_edits_of_their_own(store: EveryStore, small: dict[str, Any]) -> None:
    committed = store.commit([Delete("images", 1)])
    assert committed.results == [Deleted(2)]
    assert committed.change is not None
    assert what(committed.change) == [
        ("annotations", 1, "deleted"),
        ("annotations", 2, "deleted"),
        ("images", 1, "deleted"),
    ]
    before = [edit.before for edit in committed.change.edits]
    assert before == [json.dumps(record).encode() for record in (*small["annotations"][:2], small["images"][0])]


def test_the_annotations_that_leave_a_category_are_edits_of_their_own(store: EveryStore) -> None:
    change = commit(store, Delete("categories", 1, reassign_to=2))
    assert what(change) == [("annotations", 1, "updated"), ("annotations", 7, "updated"), ("categories", 1, "deleted")]


def test_a_batch_is_one_change_whose_operations_see_one_another(store: EveryStore, small: dict[str, Any]) -> None:
    committed = store.commit(
        [
            Add("annotations", BOX),
            Update("annotations", 8, {"score": 1}),
            Delete("annotations", 8),
            Delete("annotations", 7),
            Restore(json.dumps(small["annotations"][2]).encode()),
        ]
    )
    assert committed.change is not None
    assert [action for _, _, action in what(committed.change)] == ["added", "updated", "deleted", "deleted", "added"]
    assert (committed.revision, store.revision) == (1, 1)
    assert [isinstance(result, Record) for result in committed.results] == [True, True, False, False, True]
    assert ids(store.find(AnnotationQuery()).texts) == [1, 2, 7]


def test_sections_may_be_mixed_in_one_change(store: EveryStore) -> None:
    image = {"file_name": "new.jpg", "width": 10, "height": 10}
    operations: list[Operation] = [
        Add("images", image),
        Add("categories", {"name": "fish"}),
        Add("annotations", {**BOX, "image_id": 5, "category_id": 6}),
        Update("annotations", 1, {"image_id": 5}),
        Delete("images", 5),
    ]
    committed = store.commit(operations)
    assert committed.results[-1] == Deleted(2)
    assert ids(store.find(AnnotationQuery()).texts) == [2, 7]
    with pytest.raises(BadOperation) as raised:
        store.commit([Add("annotations", {**BOX, "category_id": 6}), Delete("categories", 6)])
    assert isinstance(raised.value.cause, Conflict)


@pytest.mark.parametrize(
    ("operation", "cause"),
    [
        (Delete("annotations", 99), UnknownId),
        (Update("annotations", 1, {"bbox": "x"}, None), InvalidRecord),
        (Update("annotations", 1, {"score": 1}, frozenset(["other"])), VersionMismatch),
        (Add("categories", {"name": "cat"}), Conflict),
        (Add("images", {"file_name": "two.jpg", "width": 9, "height": 9}), Conflict),
        (Update("categories", 5, {"skeleton": [[0, 1]]}), InvalidRecord),
    ],
)
def test_one_operation_that_can_not_be_done_undoes_all(
    store: EveryStore, operation: Operation, cause: type[Exception]
) -> None:
    before = text_of(store)
    with pytest.raises(BadOperation) as raised:
        store.commit([Add("annotations", BOX), operation])
    assert (raised.value.index, type(raised.value.cause)) == (1, cause)
    assert (text_of(store), store.revision) == (before, 0)
    assert commit(store, Add("annotations", BOX)).edits[0].record_id == 8


@pytest.mark.parametrize("value", [[1], {"id": 1}, "1", 1.5])
def test_a_record_is_named_by_a_number_or_refused(store: EveryStore, value: object) -> None:
    operations: list[Operation] = [
        *(Add("annotations", {**BOX, key: value}) for key in ("id", "image_id", "category_id")),
        *(Update("annotations", 1, {key: value}) for key in ("image_id", "category_id")),
    ]
    for operation in operations:
        with pytest.raises(BadOperation) as raised:
            store.commit([operation])
        assert isinstance(raised.value.cause, InvalidRecord)
    assert store.revision == 0


def test_a_change_may_be_made_at_one_revision_only(store: EveryStore) -> None:
    commit(store, Add("annotations", BOX))
    with pytest.raises(VersionMismatch) as raised:
        store.commit([Add("annotations", BOX)], if_revision=0)
    assert raised.value.current == "1"
    assert store.commit([Add("annotations", BOX)], if_revision=1).revision == 2


def test_an_update_without_fields_is_no_change(store: EveryStore) -> None:
    committed = store.commit([Update("annotations", 1, {})])
    assert (committed.change, committed.revision, store.revision) == (None, 0, 0)


# Replacing in bulk


@pytest.mark.parametrize(
    ("text", "gone", "left"),
    [
        ('{ "a" : 1 ,\n "b": [2], "images": [] }', "a", '{\n "b": [2], "images": [] }'),
        ('{"images": [], "b": [2]\n, "c": 3 }', "b", '{"images": []\n, "c": 3 }'),
        ('{"images": [], "b": [2], "c": 3 }', "c", '{"images": [], "b": [2] }'),
        ('{"images": [], "a,": ",", "b": 2}', "a,", '{"images": [], "b": 2}'),
    ],
)
def test_a_top_level_value_can_be_taken_away_and_the_rest_keeps_its_bytes(
    unloaded: EveryStore, dataset_path: Path, text: str, gone: str, left: str
) -> None:
    dataset_path.write_text(text)
    unloaded.load(str(dataset_path))
    change = unloaded.replace({gone: None})
    assert change.replaced == (gone,)
    assert text_of(unloaded).decode() == left


def test_every_top_level_value_can_be_taken_away_for_others(unloaded: EveryStore, dataset_path: Path) -> None:
    dataset_path.write_text('{"a": 1, "images": [], "b": 2}\n')
    unloaded.load(str(dataset_path))
    unloaded.replace({"a": None, "b": None, 'in "quotes"': b"3"})
    assert text_of(unloaded) == b'{ "images": [], "in \\"quotes\\"": 3}\n'


def test_a_replacement_that_is_made_by_a_call_sees_the_dataset_as_it_replaces_it(store: EveryStore) -> None:
    def make() -> dict[str, bytes | None]:
        assert store.export().revision == store.revision == 1
        return {"images": b"[%b]" % store.find(ImageQuery()).texts[0]}

    commit(store, Add("annotations", BOX))
    assert store.replace(make, actor="anna").revision == 2
    assert store.counts()["images"] == 1

    class Refused(Exception):
        pass

    def refuse() -> dict[str, bytes | None]:
        raise Refused

    with pytest.raises(Refused):
        store.replace(refuse)
    assert store.revision == 2
    commit(store, Add("annotations", BOX))


def test_an_update_on_an_older_version_is_merged_with_what_others_did(store: EveryStore) -> None:
    record = store.get("annotations", 2).record
    assert record is not None
    commit(store, Update("annotations", 2, {"category_id": 1}))
    late = Update("annotations", 2, {"note": "x"}, frozenset([record.etag]), merge=True)
    committed = store.commit([late])
    assert committed.merged == {0: ("category_id",)}
    (result,) = committed.results
    assert isinstance(result, Record)
    assert (result["category_id"], result["note"]) == (1, "x")
    with pytest.raises(BadOperation) as refused:
        store.commit([Add("annotations", BOX), Update("annotations", 2, {"category_id": 5}, late.if_match, merge=True)])
    cause = refused.value.cause
    assert isinstance(cause, VersionMismatch)
    assert cause.details["fields"] == ["category_id"]


def test_versions_tell_what_each_change_found(store: EveryStore) -> None:
    before = store.get("annotations", 2).record
    commit(store, Update("annotations", 2, {"note": 1}))
    commit(store, Delete("annotations", 2))
    first, second = store.versions("annotations", 2)
    assert before is not None
    assert first.before is not None
    assert second.before is not None
    assert first.record is not None
    assert (first.before.text, second.before.text, second.record) == (before.text, first.record.text, None)


def test_a_replacement_is_a_change_without_edits(store: EveryStore) -> None:
    change = store.replace({"annotations": b"[]"}, actor="anna", if_revision=0)
    assert (change.revision, change.actor, change.edits, change.replaced) == (1, "anna", (), ("annotations",))
    assert store.counts()["annotations"] == 0
    assert store.change(1) == change
    with pytest.raises(VersionMismatch):
        store.replace({"annotations": b"[]"}, if_revision=0)
    with pytest.raises(DatasetError):
        store.replace({"annotations": b"[1]"})
    assert store.revision == 1


# The past


def test_changes_are_there_in_order_and_by_revision(store: EveryStore) -> None:
    made = [commit(store, Add("annotations", BOX)), commit(store, Delete("annotations", 1))]
    assert store.changes(0) == made
    assert store.changes(1) == made[1:]
    assert store.changes(2) == []
    assert (store.change(2), store.change(3)) == (made[1], None)


def test_versions_of_a_record_tell_who_made_them(store: EveryStore) -> None:
    commit(store, Update("annotations", 7, {"score": 1}), actor="anna")
    commit(store, Delete("images", 2), actor="ben")
    versions = store.versions("annotations", 7)
    assert [(version.revision, version.actor) for version in versions] == [(1, "anna"), (2, "ben")]
    assert versions[0].record is not None
    assert versions[0].record["score"] == 1
    assert versions[1].record is None


def test_the_edits_of_a_change_taken_back_give_the_dataset_of_before(store: EveryStore, small: dict[str, Any]) -> None:
    commit(store, Delete("images", 1), Add("annotations", {**BOX, "image_id": 2}), Update("annotations", 7, {"a": 1}))
    change = store.change(1)
    assert change is not None
    records = {edit.record_id: edit.before for edit in change.edits if edit.section == "annotations" and edit.before}
    assert records == {each["id"]: json.dumps(each).encode() for each in small["annotations"]}


def summed_up(store: EveryStore, **conditions: Any) -> list[int]:
    return [change.revision for change in store.find_changes(ChangeQuery(**conditions))]


def test_changes_are_found_by_who_made_them_where_and_when(store: EveryStore) -> None:
    commit(store, Update("annotations", 7, {"score": 1}), actor="anna")
    commit(store, Update("annotations", 7, {"image_id": 1}), actor="ben")
    commit(store, Add("annotations", BOX), actor="anna")
    commit(store, Update("categories", 1, {"name": "kitten"}))
    assert summed_up(store) == [1, 2, 3, 4]
    assert (summed_up(store, actor="anna"), summed_up(store, actor="nobody")) == ([1, 3], [])
    assert (summed_up(store, image_id=1), summed_up(store, image_id=2)) == ([2, 3], [1, 2])
    assert summed_up(store, record=("annotations", 7)) == [1, 2]
    assert summed_up(store, record=("annotations", 7), image_id=1, actor="ben") == [2]
    assert (summed_up(store, since=2), summed_up(store, until=2), summed_up(store, since=1, until=3)) == (
        [3, 4],
        [1, 2],
        [2, 3],
    )
    assert (summed_up(store, limit=2), summed_up(store, since=0, limit=2)) == ([3, 4], [1, 2])
    assert summed_up(store, since=9) == []


def test_a_change_is_summed_up_by_its_edits(store: EveryStore) -> None:
    commit(store, Delete("images", 2), Add("categories", {"name": "fish"}), actor="anna")
    (found,) = store.find_changes(ChangeQuery())
    assert (found.revision, found.actor, found.replaced) == (1, "anna", ())
    assert found.edits == (
        DescribedEdit("annotations", 7, 2, "delete"),
        DescribedEdit("images", 2, 2, "delete"),
        DescribedEdit("categories", 6, None, "add"),
    )
    store.replace({"annotations": b"[]"})
    assert store.find_changes(ChangeQuery(since=1))[0].replaced == ("annotations",)


def test_versions_have_what_was_before_them_too(store: EveryStore, small: dict[str, Any]) -> None:
    commit(store, Update("annotations", 7, {"score": 1}))
    commit(store, Update("annotations", 7, {"score": 2}), Update("annotations", 7, {"score": 3}))
    first, second = store.versions("annotations", 7)
    assert first.before == small["annotations"][2]
    assert (second.before and second.before["score"], second.record and second.record["score"]) == (1, 3)


def test_the_annotations_of_an_image_are_told_as_they_were(store: EveryStore, small: dict[str, Any]) -> None:
    commit(store, Delete("annotations", 1))
    commit(store, Update("annotations", 7, {"image_id": 1}), Update("annotations", 2, {"image_id": 2}))
    commit(store, Add("annotations", BOX))
    commit(store, Delete("images", 1))
    commit(store, Add("images", {"id": 1, "file_name": "new.jpg", "width": 9, "height": 9}))
    expected = {0: [1, 2], 1: [2], 2: [7], 3: [7, 8], 4: None, 5: []}
    for revision, wanted in expected.items():
        page = store.annotations_at(1, revision)
        assert (None if page is None else ids(page.texts)) == wanted
    page = store.annotations_at(1, 0)
    assert page is not None
    assert page.texts == [json.dumps(record).encode() for record in small["annotations"][:2]]
    assert (page.total, page.revision) == (2, 0)
    assert store.annotations_at(99, 0) is None
    with pytest.raises(NotKept, match="no revision 6 yet; the dataset is at 5"):
        store.annotations_at(1, 6)


def test_the_dataset_is_exported_as_it_was(store: EveryStore) -> None:
    texts = [text_of(store)]
    for operations in (
        [Delete("images", 1)],
        [Add("annotations", {**BOX, "image_id": 2}), Update("annotations", 7, {"note": "x" * 1000})],
        [Add("categories", {"name": "fish"}), Delete("categories", 1, reassign_to=2)],
        [Delete("annotations", 8)],
    ):
        commit(store, *operations)
        texts.append(text_of(store))
    for revision, text in enumerate(texts):
        export = store.export_at(revision)
        assert json.loads(b"".join(map(bytes, export.blocks))) == json.loads(text)
        assert (export.revision, export.name) == (revision, "dataset.json")
    with pytest.raises(NotKept):
        store.export_at(5)


def test_what_was_before_a_replacement_can_not_be_told(store: EveryStore) -> None:
    commit(store, Delete("annotations", 1))
    store.replace({"annotations": b"[]"})
    commit(store, Add("annotations", BOX))
    for revision in (0, 1):
        with pytest.raises(NotKept):
            store.annotations_at(1, revision)
        with pytest.raises(NotKept):
            store.export_at(revision)
    page = store.annotations_at(1, 2)
    assert page is not None
    assert page.texts == []
    assert [version.revision for version in store.versions("annotations", 1)] == [1]


def test_the_work_of_each_user_is_counted_by_day(store: EveryStore) -> None:
    commit(store, Add("annotations", BOX), Add("annotations", BOX), actor="anna")
    commit(store, Update("images", 1, {"annotation_status": "done"}), actor="anna")
    commit(store, Update("images", 1, {"annotation_status": "empty"}), Delete("images", 2), actor="ben")
    commit(store, Update("images", 4, {"annotation_status": "empty"}))
    found = {each.actor: each[2:] for each in store.work()}
    assert found == {"anna": (2, 2, 1), "ben": (1, 1, 0), None: (1, 0, 1)}
    assert {len(each.day) for each in store.work()} == {10}


def test_changes_reach_back_to_a_revision(store: EveryStore) -> None:
    commit(store, Add("annotations", BOX))
    assert store.oldest_change == 0
    assert store.changes(-1) is None


# Undo


def test_an_undo_gives_back_the_bytes_as_a_change_of_its_own(store: EveryStore) -> None:
    before = text_of(store)
    made = commit(
        store, Delete("images", 1), Add("annotations", {**BOX, "image_id": 2}), Update("annotations", 7, {"a": 1})
    )
    committed = store.commit([Undo(1)], actor="anna", key="u")
    change = committed.change
    assert change is not None
    assert (change.revision, change.actor, change.key, change.undoes, made.undoes) == (2, "anna", "u", 1, None)
    assert what(change) == [
        ("annotations", 8, "deleted"),
        ("annotations", 7, "updated"),
        ("images", 1, "added"),
        ("annotations", 1, "added"),
        ("annotations", 2, "added"),
    ]
    assert [edit.index for edit in change.edits] == [None, None, 0, 0, 1]
    (undone,) = committed.results
    assert isinstance(undone, Undone)
    assert undone.edits[0] == DescribedEdit("annotations", 8, 2, "delete")
    assert text_of(store) == before
    assert store.next_id("annotations") == 9


def test_an_undo_is_undone(store: EveryStore) -> None:
    commit(store, Delete("annotations", 2))
    after = text_of(store)
    commit(store, Undo(1))
    commit(store, Undo(2))
    assert text_of(store) == after


def test_an_undo_that_something_stands_in_the_way_of_is_refused(store: EveryStore) -> None:
    commit(store, Add("categories", {"name": "fish"}))
    commit(store, Add("annotations", {**BOX, "category_id": 6}))
    with pytest.raises(BadOperation) as raised:
        store.commit([Undo(1)])
    assert isinstance(raised.value.cause, Conflict)
    assert raised.value.cause.details == {"edits": [{"section": "categories", "id": 6, "image_id": None, "op": "add"}]}
    with pytest.raises(BadOperation) as raised:
        store.commit([Undo(3)])
    assert isinstance(raised.value.cause, UnknownId)
    assert store.revision == 2


def test_a_restored_record_goes_where_it_is_to_be(store: EveryStore, small: dict[str, Any]) -> None:
    before = text_of(store)
    commit(store, Delete("annotations", 1), Delete("annotations", 2))
    texts = [json.dumps(record).encode() for record in small["annotations"]]
    commit(store, Restore(texts[1], 1), Restore(texts[0], 0))
    assert text_of(store) == before


# Reverting what a user did


def reverted(store: EveryStore, actor: str, since: int = 0, *, dry_run: bool = False) -> list[tuple[str, int, str]]:
    (undone,) = store.commit([Revert(actor, since, dry_run)], actor="admin").results
    assert isinstance(undone, Undone)
    return [(edit.section, edit.id, edit.op) for edit in undone.edits]


def test_what_a_user_did_is_taken_back_as_one_change(store: EveryStore) -> None:
    before = text_of(store)
    commit(store, Add("annotations", BOX), actor="anna")
    commit(store, Update("annotations", 7, {"score": 1}), actor="anna")
    commit(store, Update("annotations", 7, {"score": 2}), Delete("annotations", 1), actor="anna")
    expected = [("annotations", 8, "delete"), ("annotations", 7, "update"), ("annotations", 1, "add")]
    assert reverted(store, "anna", dry_run=True) == expected
    assert store.revision == 3
    assert reverted(store, "anna") == expected
    assert (store.revision, text_of(store)) == (4, before)
    assert reverted(store, "anna") == []
    assert store.revision == 4


def test_what_others_did_stays_and_so_does_what_came_before(store: EveryStore) -> None:
    commit(store, Update("annotations", 1, {"score": 1}), actor="anna")
    commit(store, Update("annotations", 2, {"score": 1}), actor="ben")
    commit(store, Update("annotations", 7, {"score": 1}), actor="anna")
    assert reverted(store, "anna", since=1) == [("annotations", 7, "update")]
    records = [store.get("annotations", record_id).record for record_id in (1, 2, 7)]
    assert [record is not None and "score" in record for record in records] == [True, True, False]


def test_what_somebody_took_back_already_is_not_in_the_way(store: EveryStore) -> None:
    before = text_of(store)
    commit(store, Update("annotations", 1, {"score": 1}), actor="anna")
    commit(store, Delete("annotations", 2), actor="anna")
    commit(store, Undo(1), actor="ben")
    assert reverted(store, "anna") == [("annotations", 2, "add")]
    assert text_of(store) == before


@pytest.mark.parametrize(
    "operations",
    [
        [("anna", Update("annotations", 1, {"score": 1})), ("ben", Update("annotations", 1, {"score": 2}))],
        [
            ("anna", Update("annotations", 1, {"score": 1})),
            ("ben", Update("annotations", 1, {"score": 2})),
            ("anna", Update("annotations", 1, {"score": 3})),
        ],
        [
            ("anna", Add("images", {"id": 1000, "file_name": "new.jpg", "width": 9, "height": 9})),
            ("ben", Add("annotations", {**BOX, "image_id": 1000})),
        ],
        [("anna", Update("annotations", 1, {"score": 1})), ("ben", Delete("annotations", 1))],
    ],
)
def test_what_somebody_built_upon_is_told_and_nothing_is_taken_back(
    store: EveryStore, operations: list[tuple[str, Operation]]
) -> None:
    commit(store, Update("annotations", 7, {"score": 1}), actor="anna")
    for actor, operation in operations:
        commit(store, operation, actor=actor)
    before, revision = text_of(store), store.revision
    for dry_run in (True, False):
        with pytest.raises(BadOperation) as raised:
            reverted(store, "anna", dry_run=dry_run)
        cause = raised.value.cause
        assert isinstance(cause, Conflict)
        edits = cause.details["edits"]
        assert isinstance(edits, list)
        assert len(edits) == 1
        assert edits[0]["id"] in (1, 1000)
    assert (text_of(store), store.revision) == (before, revision)


# Going back to a revision


def gone_back(store: EveryStore, revision: int, *, dry_run: bool = False) -> list[tuple[str, int, str]]:
    (undone,) = store.commit([GoBack(revision, dry_run)], actor="admin").results
    assert isinstance(undone, Undone)
    return [(edit.section, edit.id, edit.op) for edit in undone.edits]


def test_every_revision_can_be_gone_back_to_and_that_taken_back(store: EveryStore) -> None:
    texts = [text_of(store)]
    for actor, operations in (
        ("anna", [Update("annotations", 7, {"score": 1})]),
        ("ben", [Delete("images", 1)]),
        ("anna", [Add("categories", {"name": "bird"})]),
        ("ben", [Add("annotations", {**BOX, "image_id": 4}), Delete("annotations", 7)]),
    ):
        commit(store, *operations, actor=actor)
        texts.append(text_of(store))
    for revision in (0, 3, 1, 4, 2, 0):
        before, text = store.revision, text_of(store)
        made = commit(store, GoBack(revision), actor="admin")
        assert (made.revision, made.actor) == (before + 1, "admin")
        assert text_of(store) == texts[revision]
        commit(store, Undo(made.revision))
        assert text_of(store) == text
        commit(store, GoBack(revision))


def test_going_back_is_told_before_it_is_done(store: EveryStore) -> None:
    commit(store, Delete("annotations", 2), Update("annotations", 1, {"score": 1}))
    before = text_of(store)
    expected = [("annotations", 1, "update"), ("annotations", 2, "add")]
    assert gone_back(store, 0, dry_run=True) == expected
    assert (store.revision, text_of(store)) == (1, before)
    assert gone_back(store, 0) == expected
    assert gone_back(store, 0) == []
    assert store.revision == 2


def test_a_file_that_was_saved_and_opened_meanwhile_goes_back_too(store: EveryStore) -> None:
    before = text_of(store)
    commit(store, Delete("annotations", 1))
    store.save()
    commit(store, Add("annotations", BOX))
    store.save()
    assert [op for _, _, op in gone_back(store, 0)] == ["delete", "add"]
    assert text_of(store) == before


def test_nothing_goes_back_to_what_is_yet_to_come_or_was_replaced(store: EveryStore) -> None:
    commit(store, Update("annotations", 1, {"score": 1}))
    store.replace({"annotations": b"[]"})
    text = text_of(store)
    for revision in (7, 0):
        with pytest.raises(BadOperation) as raised:
            gone_back(store, revision)
        assert isinstance(raised.value.cause, NotKept)
    assert (text_of(store), store.revision) == (text, 2)
    with pytest.raises(BadOperation):
        store.commit([Add("images", {"file_name": "x.jpg", "width": 1, "height": 1}), GoBack(2)])
    assert store.revision == 2


# Requests that are sent again


def test_a_request_with_a_key_is_done_once(
    store: EveryStore, request: pytest.FixtureRequest, dataset_path: Path
) -> None:
    operations: list[Operation] = [Add("annotations", BOX), Delete("images", 2), Update("annotations", 1, {})]
    first = store.commit(operations, actor="anna", key="k", request="r")
    commit(store, Update("annotations", 8, {"score": 1}))
    store.save()
    again = new_store(request, request.node.callspec.params["unloaded"])
    for each in (store, again):
        if each is again:
            store.close()
            again.load(str(dataset_path))
        repeated = each.commit(operations, actor="anna", key="k", request="r")
        assert repeated.is_repeated
        assert repeated.revision == first.revision == 1
        assert [result.text if isinstance(result, Record) else result for result in repeated.results] == [
            result.text if isinstance(result, Record) else result for result in first.results
        ]
        with pytest.raises(KeyReused):
            each.commit(operations, actor="anna", key="k", request="other")
        assert each.revision == 2
    assert not again.commit([Add("annotations", BOX)], actor="ben", key="k", request="r").is_repeated
    again.close()


# Saving, and the next start


def test_a_start_goes_on_with_revision_ids_and_changes(
    store: EveryStore, request: pytest.FixtureRequest, dataset_path: Path
) -> None:
    commit(store, Add("annotations", BOX), actor="anna", key="k1")
    commit(store, Delete("annotations", 8), Delete("annotations", 1))
    made = store.changes(0)
    store.close()
    again = new_store(request, request.node.callspec.params["unloaded"])
    again.load(str(dataset_path))
    assert (again.revision, again.next_id("annotations")) == (2, 9)
    assert again.changes(0) == made
    saved = again.save()
    assert saved is not None
    assert saved.summary == "1 annotation(s) added, 2 annotation(s) deleted"
    assert json.loads(dataset_path.read_text()) == json.loads(text_of(again))
    again.close()


def test_edit_is_what_its_texts_say() -> None:
    texts = {"added": (None, b"{}"), "updated": (b"{}", b"{}"), "deleted": (b"{}", None)}
    for action, (before, after) in texts.items():
        assert Edit("images", 1, 0, before, after).action == action
