"""The manager against a model of plain lists of dicts: whatever is done in whatever order, they hold the same.

Its process ends in every way that loses no disk. What a broken disk does is for other modules.
"""

from __future__ import annotations

import copy
import json
import tempfile
from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import Any

import hypothesis.strategies as st
import pytest
from hypothesis import settings
from hypothesis.stateful import (
    Bundle,
    RuleBasedStateMachine,
    initialize,
    invariant,
    multiple,
    rule,
    run_state_machine_as_test,
)
from postgres_servers import Postgres
from postgres_stores import FilePostgresStore

from cocoannot.changes.tracker import ChangeTracker
from cocoannot.errors import Conflict
from cocoannot.manager import DatasetManager
from cocoannot.store.base import SavingStore
from cocoannot.store.memory.store import MemoryStore

EVERY_STORE = True
Fields = dict[str, Any]
Sections = dict[str, list[Fields]]
NewStore = Callable[[Callable[[], object]], SavingStore]

SECTIONS = ("images", "annotations", "categories")
FEW = st.integers(0, 6)
SIDE = st.integers(1, 50)
BOX = st.lists(SIDE, min_size=4, max_size=4)
NOTES = st.none() | st.integers(-(2**63), 2**63 - 1) | st.text(max_size=5) | st.just({"deep": [1.5, "ü"]})
LAYOUTS: list[Fields] = [{}, {"indent": 2}, {"separators": (",", ":")}, {"ensure_ascii": False, "indent": "\t"}]


class Model:
    """What a dataset is: its records in order, the ids that come next, the revision."""

    def __init__(self, sections: Sections) -> None:
        self.sections = sections
        self.next_ids = {name: max([record["id"] for record in sections[name]] + [0]) + 1 for name in SECTIONS}
        self.revision = 0

    def ids(self, section: str) -> list[int]:
        return [record["id"] for record in self.sections[section]]

    def find(self, section: str, record_id: int) -> Fields | None:
        return next((record for record in self.sections[section] if record["id"] == record_id), None)

    def image_named(self, name: str) -> int | None:
        return next((image["id"] for image in self.sections["images"] if image["file_name"] == name), None)

    def put(self, section: str, record: Fields) -> None:
        self.sections[section].append(record)
        self.next_ids[section] = max(self.next_ids[section], record["id"] + 1)

    def drop(self, section: str, field: str, value: int) -> list[Fields]:
        gone = [record for record in self.sections[section] if record[field] == value]
        self.sections[section] = [record for record in self.sections[section] if record[field] != value]
        return gone


def boxed(record_id: int, image_id: int, category_id: int, bbox: list[int]) -> Fields:
    fields = {"id": record_id, "image_id": image_id, "category_id": category_id, "iscrowd": 0}
    return fields | {"segmentation": [], "area": bbox[2] * bbox[3], "bbox": bbox}


class ManagerAndModel(RuleBasedStateMachine):
    """Drives both. `deleted` are annotations that can be restored."""

    deleted: Bundle[Fields] = Bundle("deleted")

    def __init__(self, new_store: NewStore, leave: Callable[[DatasetManager], object]) -> None:
        super().__init__()
        self._new_store = new_store
        self._leave = leave
        self._manager: DatasetManager | None = None
        self._folder = tempfile.TemporaryDirectory()
        self.path = Path(self._folder.name) / "dataset.json"

    @initialize(layout=st.sampled_from(LAYOUTS), images=st.integers(0, 3), bare=st.booleans())
    def start(self, layout: Fields, images: int, bare: bool) -> None:
        sections: Sections = {name: [] for name in SECTIONS}
        sections["images"] = [{"id": 2 * i, "file_name": f"{i}.jpg", "width": 9, "height": 9} for i in range(images)]
        sections["categories"] = [{"id": i, "name": f"c{i}"} for i in range(images)]
        sections["annotations"] = [boxed(3 * i, 2 * (i % images), i % images, [1, 2, 3, 4]) for i in range(2 * images)]
        dataset = {"before": None} | ({"images": []} if bare and not images else sections) | {"after": [{"images": 1}]}
        self.path.write_text(json.dumps(dataset, **layout), encoding="utf-8")
        self.others = {"before": None, "after": [{"images": 1}]}
        self.model = Model(sections)
        self.saved = copy.deepcopy(self.model)
        self.pending = ChangeTracker()
        self.dirty_calls: list[int] = []
        self.expected_calls = 0
        self.load()

    def teardown(self) -> None:
        self.let_go()
        self._folder.cleanup()

    @property
    def manager(self) -> DatasetManager:
        assert self._manager is not None
        return self._manager

    def load(self) -> None:
        self.let_go()
        manager = DatasetManager(self._new_store(lambda: self.dirty_calls.append(manager.revision)))
        manager.load(self.path)
        self._manager = manager

    def let_go(self) -> None:
        if self._manager is not None:
            self._leave(self._manager)

    def changed(self, **counts: int) -> None:
        """One change was accepted; `counts` are what the tracker must have counted for it."""
        if self.model.revision == self.saved.revision:
            self.expected_calls += 1
        self.model.revision += 1
        self.pending = self.pending.merge(ChangeTracker(**counts))

    def pick(self, section: str, number: int) -> int | None:
        """An id that is there, `None` in an empty section."""
        ids = self.model.ids(section)
        return ids[number % len(ids)] if ids else None

    # Annotations

    @rule(image=FEW, category=FEW, bbox=BOX, wanted=st.none() | st.integers(1, 40))
    def add_annotation(self, image: int, category: int, bbox: list[int], wanted: int | None) -> None:
        image_id, category_id = self.pick("images", image), self.pick("categories", category)
        if image_id is None or category_id is None or wanted in self.model.ids("annotations"):
            return
        record_id = self.model.next_ids["annotations"] if wanted is None else wanted
        fields = {"id": wanted, "image_id": image_id, "category_id": category_id, "bbox": bbox}
        assert self.manager.add_annotation(fields)["id"] == record_id
        self.model.put("annotations", boxed(record_id, image_id, category_id, bbox))
        self.changed(annotations_added=1)

    @rule(number=FEW, note=NOTES, bbox=st.none() | BOX, image=FEW)
    def update_annotation(self, number: int, note: Any, bbox: list[int] | None, image: int) -> None:
        record_id, image_id = self.pick("annotations", number), self.pick("images", image)
        if record_id is None or image_id is None:
            return
        changes = {"note": note, "image_id": image_id} | ({} if bbox is None else {"bbox": bbox})
        stored = self.manager.update_annotation(record_id, changes)
        record = self.model.find("annotations", record_id)
        assert record is not None
        record |= {"image_id": image_id, "note": note}
        if note is None:
            del record["note"]
        if bbox is not None:
            record |= {"bbox": bbox, "area": bbox[2] * bbox[3]}
        assert stored == record
        self.changed(annotations_updated=1)

    @rule(target=deleted, number=FEW)
    def delete_annotation(self, number: int) -> Any:
        record_id = self.pick("annotations", number)
        if record_id is None:
            return multiple()
        assert self.manager.delete_annotation(record_id) is True
        self.changed(annotations_deleted=1)
        return self.model.drop("annotations", "id", record_id)[0]

    @rule(record=deleted)
    def restore_annotation(self, record: Fields) -> None:
        free = record["id"] not in self.model.ids("annotations")
        whole = record["image_id"] in self.model.ids("images")
        if not (free and whole and record["category_id"] in self.model.ids("categories")):
            return
        self.manager.change_annotations([{"op": "restore", "annotation": record}])
        self.model.put("annotations", copy.deepcopy(record))
        self.changed(annotations_added=1)

    @rule(image=FEW, category=FEW, bbox=BOX, number=FEW)
    def change_many(self, image: int, category: int, bbox: list[int], number: int) -> None:
        """Two new ones, the second of which goes again, and two changes of one that was there."""
        image_id, category_id = self.pick("images", image), self.pick("categories", category)
        record_id = self.pick("annotations", number)
        if image_id is None or category_id is None or record_id is None:
            return
        first = self.model.next_ids["annotations"]
        fields = {"image_id": image_id, "category_id": category_id, "bbox": bbox}
        self.manager.change_annotations(
            [
                {"op": "add", "annotation": fields},
                {"op": "update", "id": record_id, "changes": {"note": "one"}},
                {"op": "add", "annotation": fields},
                {"op": "update", "id": record_id, "changes": {"category_id": category_id, "note": None}},
                {"op": "delete", "id": first + 1},
            ]
        )
        self.model.put("annotations", boxed(first, image_id, category_id, bbox))
        self.model.next_ids["annotations"] += 1
        record = self.model.find("annotations", record_id)
        assert record is not None
        record["category_id"] = category_id
        record.pop("note", None)
        self.changed(annotations_added=2, annotations_updated=2, annotations_deleted=1)

    # Images and categories

    @rule(name=st.text(alphabet="abü", min_size=1, max_size=3), side=SIDE)
    def add_image(self, name: str, side: int) -> None:
        fields = {"file_name": name, "width": side, "height": side}
        if self.model.image_named(name) is not None:
            with pytest.raises(Conflict):
                self.manager.add_image(fields)
            return
        record_id = self.model.next_ids["images"]
        assert self.manager.add_image(fields)["id"] == record_id
        self.model.put("images", {"id": record_id} | fields)
        self.changed(images_added=1)

    @rule(number=FEW, name=st.text(alphabet="abü", min_size=1, max_size=3), note=NOTES)
    def update_image(self, number: int, name: str, note: Any) -> None:
        record_id = self.pick("images", number)
        if record_id is None:
            return
        if self.model.image_named(name) not in (None, record_id):
            with pytest.raises(Conflict):
                self.manager.update_image(record_id, {"file_name": name, "note": note})
            return
        stored = self.manager.update_image(record_id, {"file_name": name, "note": note})
        record = self.model.find("images", record_id)
        assert record is not None
        record |= {"file_name": name, "note": note}
        if note is None:
            del record["note"]
        assert stored == record
        self.changed(images_updated=1)

    @rule(target=deleted, number=FEW)
    def delete_image(self, number: int) -> Any:
        record_id = self.pick("images", number)
        if record_id is None:
            return multiple()
        result = self.manager.delete_image(record_id)
        self.model.drop("images", "id", record_id)
        gone = self.model.drop("annotations", "image_id", record_id)
        assert result is not None
        assert result.annotations == len(gone)
        self.changed(images_deleted=1, annotations_deleted=len(gone))
        return multiple(*gone)

    @rule()
    def add_category(self) -> None:
        record_id = self.model.next_ids["categories"]
        fields = {"supercategory": "none", "name": f"new {record_id}"}
        assert self.manager.add_category({"name": fields["name"]})["id"] == record_id
        self.model.put("categories", {"id": record_id} | fields)
        self.changed(categories_added=1)

    @rule(number=FEW, other=FEW)
    def delete_category(self, number: int, other: int) -> None:
        record_id, target = self.pick("categories", number), self.pick("categories", other)
        if record_id is None or target is None or record_id == target:
            return
        assert self.manager.delete_category(record_id, reassign_to=target) is True
        self.model.drop("categories", "id", record_id)
        moved = [record for record in self.model.sections["annotations"] if record["category_id"] == record_id]
        for record in moved:
            record["category_id"] = target
        self.changed(categories_deleted=1, annotations_updated=len(moved))

    # The file

    @rule()
    def save(self) -> None:
        dirty = self.model.revision != self.saved.revision
        assert self.manager.save() is dirty
        self.remember()

    @rule(keep=FEW)
    def replace_annotations(self, keep: int) -> None:
        self.model.sections["annotations"] = self.model.sections["annotations"][::-1][:keep]
        self.manager.set_annotations(self.model.sections["annotations"])
        self.model.revision += 1
        self.remember()

    @rule()
    def restart(self) -> None:
        self.manager.shutdown()
        self.remember()
        self.load()

    @rule()
    def crash(self) -> None:
        """The manager is dropped as it is: what was acknowledged is there again, and pending again."""
        self.load()
        if self.model.revision != self.saved.revision:
            self.expected_calls += 1

    def remember(self) -> None:
        self.saved = copy.deepcopy(self.model)
        self.pending = ChangeTracker()

    # What holds after each step

    @invariant()
    def memory_holds_what_the_model_holds(self) -> None:
        manager, sections = self.manager, self.model.sections
        assert [dict(record) for record in manager.get_images()] == sections["images"]
        assert [dict(record) for record in manager.get_annotations()] == sections["annotations"]
        assert [dict(record) for record in manager.get_categories()] == sections["categories"]
        assert manager.counts() == {name: len(records) for name, records in sections.items()}
        for image_id in self.model.ids("images"):
            ours = [record for record in sections["annotations"] if record["image_id"] == image_id]
            assert [dict(record) for record in manager.get_annotations_by_image(image_id)] == ours
        for record in sections["annotations"]:
            assert manager.get_annotation(record["id"]) == record

    @invariant()
    def what_is_pending_is_counted(self) -> None:
        status = self.manager.store.status()
        assert (status.revision, status.file_revision) == (self.model.revision, self.saved.revision)
        assert status.journal_revision == status.revision
        assert self.manager.changes == self.pending
        assert (self.manager.store.unsaved_since() is None) == (status.revision == status.file_revision)
        assert len(self.dirty_calls) == self.expected_calls

    @invariant()
    def no_id_is_given_twice(self) -> None:
        manager = self.manager
        assert {
            "images": manager.get_next_image_id(),
            "annotations": manager.get_next_annotation_id(),
            "categories": manager.get_next_category_id(),
        } == self.model.next_ids

    @invariant()
    def file_holds_what_was_saved(self) -> None:
        dataset = json.loads(self.path.read_bytes())
        assert {name: dataset.get(name, []) for name in SECTIONS} == self.saved.sections
        assert {name: value for name, value in dataset.items() if name not in SECTIONS} == self.others


@pytest.mark.timeout(900)
def test_the_manager_holds_what_a_model_holds(store_kind: str, database: Postgres | None) -> None:
    def in_memory(on_dirty: Callable[[], object]) -> SavingStore:
        return MemoryStore(on_dirty)

    def in_database(on_dirty: Callable[[], object]) -> SavingStore:
        assert database is not None
        return FilePostgresStore(database, on_dirty)

    # What is dropped has to let go of its connections, and nothing else.
    leave = (lambda manager: None) if database is None else DatasetManager.close
    machine: Any = partial(ManagerAndModel, in_memory if database is None else in_database, leave)
    examples = {"memory": 50, "postgres": 15}[store_kind]
    run_state_machine_as_test(machine, settings=settings(max_examples=examples, stateful_step_count=30, deadline=None))
