"""The past against a model that keeps a copy of everything at each revision, whatever is done and however it ends."""

from __future__ import annotations

import json
import tempfile
from pathlib import Path

import hypothesis.strategies as st
import msgspec
import pytest
from hypothesis import settings
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, rule, run_state_machine_as_test

from cocoannot.changes.operations import Add, Delete, Operation, Undo, Update
from cocoannot.errors import BadOperation, NotKept
from cocoannot.files.dataset_file import DatasetFile
from cocoannot.history.kept import KeptHistory
from cocoannot.store.memory.maintenance import MemoryMaintenance
from cocoannot.store.memory.store import MemoryStore
from cocoannot.store.queries import ChangeQuery

Sections = dict[str, list[bytes]]
"""The texts of the records, in file order."""

FEW = st.integers(0, 9)
USERS = st.sampled_from([None, "anna", "ben"])


class PastAndModel(RuleBasedStateMachine):
    """`told` is the dataset at each revision, `made` who made it, `floor` the oldest revision that can be told."""

    def __init__(self) -> None:
        super().__init__()
        self._folder = tempfile.TemporaryDirectory()
        self.path = Path(self._folder.name) / "dataset.json"

    @initialize(annotations=st.integers(0, 6))
    def start(self, annotations: int) -> None:
        dataset = {
            "images": [{"id": number, "file_name": f"{number}.jpg", "width": 9, "height": 9} for number in range(3)],
            "annotations": [
                {"id": number, "image_id": number % 3, "category_id": 1, "bbox": [1, 2, 3, 4], "area": 12}
                for number in range(annotations)
            ],
            "categories": [{"id": 1, "name": "one"}],
        }
        self.path.write_text(json.dumps(dataset))
        self.load()
        self.told: list[Sections] = [self.now()]
        self.made: list[str | None] = [None]
        self.floor = 0

    def teardown(self) -> None:
        if hasattr(self, "store"):
            self.store.close()
        self._folder.cleanup()

    def load(self) -> None:
        self.store = MemoryStore(on_append=lambda: None, history=KeptHistory())
        self.store.load(str(self.path))

    def now(self) -> Sections:
        return texts_of(b"".join(map(bytes, self.store.export().blocks)))

    def commit(self, actor: str | None, *operations: Operation) -> None:
        self.store.commit(operations, actor=actor)
        self.told.append(self.now())
        self.made.append(actor)

    def pick(self, section: str, number: int) -> int | None:
        ids = [json.loads(text)["id"] for text in self.told[-1][section]]
        return ids[number % len(ids)] if ids else None

    # Changes

    @rule(image=FEW, actor=USERS, note=st.text(max_size=3), count=st.integers(1, 3))
    def add(self, image: int, actor: str | None, note: str, count: int) -> None:
        image_id = self.pick("images", image)
        if image_id is not None:
            fields = {"image_id": image_id, "category_id": 1, "bbox": [1, 2, 3, 4], "note": note}
            self.commit(actor, *[Add("annotations", fields)] * count)

    @rule(number=FEW, image=FEW, actor=USERS, note=st.text(max_size=3))
    def update(self, number: int, image: int, actor: str | None, note: str) -> None:
        record_id, image_id = self.pick("annotations", number), self.pick("images", image)
        if record_id is not None and image_id is not None:
            self.commit(actor, Update("annotations", record_id, {"image_id": image_id, "note": note}))

    @rule(number=FEW, actor=USERS)
    def delete(self, number: int, actor: str | None) -> None:
        if (record_id := self.pick("annotations", number)) is not None:
            self.commit(actor, Delete("annotations", record_id))

    @rule(actor=USERS)
    def add_image(self, actor: str | None) -> None:
        self.commit(actor, Add("images", {"file_name": f"new-{len(self.told)}.jpg", "width": 9, "height": 9}))

    @rule(number=FEW, actor=USERS)
    def delete_image(self, number: int, actor: str | None) -> None:
        if (image_id := self.pick("images", number)) is not None:
            self.commit(actor, Delete("images", image_id))

    @rule(back=FEW, actor=USERS)
    def undo(self, back: int, actor: str | None) -> None:
        revision = len(self.told) - 1 - back
        if revision < 1:
            return
        try:
            self.commit(actor, Undo(revision))
        except BadOperation as exc:
            refused: Exception | None = exc.cause
        else:
            refused = None
        if refused is None:
            assert revision > self.floor
            assert back or self.told[-1] == self.told[revision - 1]
        else:
            # Nothing stands in the way where nothing came later.
            assert back or revision <= self.floor or self.told[revision] == self.told[revision - 1]

    @rule(actor=USERS)
    def replace(self, actor: str | None) -> None:
        self.store.replace({"annotations": b"[]"}, actor=actor)
        self.told.append(self.now())
        self.made.append(actor)
        self.floor = len(self.told) - 1

    # Ends

    @rule()
    def save(self) -> None:
        self.store.save()

    @rule()
    def end(self) -> None:
        self.store.shutdown()
        self.store.close()
        self.load()

    @rule()
    def end_without_a_save(self) -> None:
        self.store.close()
        self.load()

    @rule()
    def flush_without_a_server(self) -> None:
        self.store.close()
        MemoryMaintenance(DatasetFile(self.path), KeptHistory()).flush()
        self.load()

    # The past

    @rule(back=FEW, image_id=st.integers(0, 5))
    def look_at_an_image(self, back: int, image_id: int) -> None:
        revision = max(0, len(self.told) - 1 - back)
        try:
            page = self.store.annotations_at(image_id, revision)
        except NotKept:
            assert revision < self.floor
            return
        assert revision >= self.floor
        then = self.told[revision]
        if image_id not in [json.loads(text)["id"] for text in then["images"]]:
            assert page is None
        else:
            assert page is not None
            assert page.texts == [text for text in then["annotations"] if json.loads(text)["image_id"] == image_id]

    @rule(back=st.integers(0, 30))
    def look_at_all(self, back: int) -> None:
        revision = max(0, len(self.told) - 1 - back)
        try:
            text = b"".join(map(bytes, self.store.export_at(revision).blocks))
        except NotKept:
            assert revision < self.floor
            return
        assert texts_of(text) == self.told[revision]

    @rule(record_id=FEW)
    def look_at_a_record(self, record_id: int) -> None:
        versions = self.store.versions("annotations", record_id, ChangeQuery(limit=1000))
        for version in versions:
            assert version.actor == self.made[version.revision]
            after = text_of(self.told[version.revision], record_id)
            assert (version.record and version.record.text) == after
            before = text_of(self.told[version.revision - 1], record_id)
            assert (version.before and version.before.text) == before

    @invariant()
    def every_change_is_there(self) -> None:
        if hasattr(self, "told"):
            found = self.store.find_changes(ChangeQuery(limit=1000))
            assert [(change.revision, change.actor) for change in found] == list(enumerate(self.made))[1:]


def texts_of(dataset: bytes) -> Sections:
    """The records, byte for byte."""
    whole = msgspec.json.decode(dataset, type=dict[str, list[msgspec.Raw]])
    return {name: [bytes(record) for record in records] for name, records in whole.items()}


def text_of(sections: Sections, record_id: int) -> bytes | None:
    return next((text for text in sections["annotations"] if json.loads(text)["id"] == record_id), None)


TestPast = PastAndModel.TestCase
TestPast.settings = settings(max_examples=60, stateful_step_count=40, deadline=None)


@pytest.mark.torture
def test_the_past_is_told_for_long(torture: bool) -> None:
    examples, steps = (1000, 60) if torture else (5, 60)
    run_state_machine_as_test(
        PastAndModel, settings=settings(max_examples=examples, stateful_step_count=steps, deadline=None)
    )
