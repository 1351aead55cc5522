"""What a check knows of a file in the end: enough to say what is wrong, and to write a copy that is right."""

from __future__ import annotations

import json
from collections import defaultdict
from collections.abc import Iterable
from itertools import islice
from typing import Any

import msgspec
import numpy as np

from cocoannot.check.findings import EXAMPLES, Example, Findings
from cocoannot.check.identity import Identity, identify, is_id
from cocoannot.check.lenient_parser import Readable
from cocoannot.check.record_repairs import RecordRepair, repair_annotation
from cocoannot.check.scan import Known
from cocoannot.coco.parser import NONE, SECTIONS, Ints
from cocoannot.coco.rules import Fields

_SHOWN = 40
_VALUE = msgspec.json.Decoder()


class Section:
    """One section's records by position: `changes` to merge in, the kinds of problems of those to be `dropped`, and
    the records to be `added`.

    `ids` are those that they came with, `NONE` where there was none; `odd_ids` what stood there then. `infinite` are
    the records that may have numbers that are not finite.
    """

    def __init__(self, readable: Readable, name: str) -> None:
        self.name = name
        self.rows = readable.rows[name]
        self.ids: Ints = np.full(len(self.rows.starts), NONE, np.int64)
        self.odd_ids: dict[int, object] = {}
        self.infinite: set[int] = set()
        self.changes: defaultdict[int, Fields] = defaultdict(dict)
        self.dropped: dict[int, tuple[str, ...]] = {}
        self.added: list[Fields] = []
        self.identity: Identity = identify(self.ids[:0], {}, self.text)
        self.problems: defaultdict[str, list[int]] = defaultdict(list)
        self._buffer = readable.buffer

    def __len__(self) -> int:
        return len(self.ids)

    def text(self, position: int) -> bytes:
        return self._buffer[self.rows.starts[position] : self.rows.ends[position]]

    def read(self, position: int) -> Fields | None:
        """A record's fields, its id noted; `None` where it is no record, which is noted too."""
        try:
            record, finite = decode(self.text(position))
        except RecursionError:
            self.drop(position, "too_deep")
            return None
        if not isinstance(record, dict):
            self.drop(position, "not_object")
            return None
        if not finite:
            self.infinite.add(position)
        value = record.get("id")
        if is_id(value):
            self.ids[position] = int(value)
        elif value is not None or self.name != "annotations" or "segments_info" not in record:
            self.odd_ids[position] = value
        return record

    def drop(self, position: int, kind: str) -> None:
        self.dropped[position] = (kind,)
        self.problems[kind].append(position)

    def note(self, position: int, repair: RecordRepair) -> None:
        for kind in repair.kinds:
            self.problems[kind].append(position)

    def assign_ids(self, findings: Findings) -> None:
        """Decide on every id, once all records were read."""
        ids = self.ids.copy()
        ids[list(self.dropped)] = NONE
        odd = {i: value for i, value in self.odd_ids.items() if i not in self.dropped}
        self.identity = identify(ids, odd, self.text)
        for position, record_id in self.identity.changed.items():
            self.changes[position]["id"] = record_id
        for position in self.identity.copies:
            self.dropped[position] = ("repeated_id",)
        if odd:
            places = (f"{self._place(i)} has {_shown(value)}" for i, value in odd.items())
            findings.add("bad_id", self.name, places, len(odd))
        if repeated := self.identity.repeated:
            findings.add("repeated_id", self.name, dict.fromkeys(repeated), len(repeated))

    def report(self, findings: Findings) -> None:
        for kind, positions in self.problems.items():
            if positions:
                findings.add(kind, self.name, self.examples(positions), len(positions))

    def examples(self, positions: Iterable[int]) -> list[Example]:
        """The ids of the first few, or their places where they have none."""
        few = islice(positions, EXAMPLES)
        return [self._place(i) if self.ids[i] == NONE else int(self.ids[i]) for i in few]

    def present(self) -> Ints:
        """The ids there are when all is repaired."""
        ids: Ints = self.identity.ids[self.identity.ids != NONE]
        return ids

    def _place(self, position: int) -> str:
        return f"{self.name}[{position}]"


class Checked:
    """A file that can be read. `geometry` marks the annotations whose own fields are to be repair.

    `image_ids` and `category_ids` are what annotations refer to when that is repaired, `NONE` for nothing.
    """

    def __init__(self, readable: Readable) -> None:
        self.readable = readable
        self.sections = {name: Section(readable, name) for name in SECTIONS}
        self.images, self.annotations, self.categories = (self.sections[name] for name in SECTIONS)
        self.known = Known({}, {})
        count = len(self.annotations)
        self.geometry = np.zeros(count, np.bool_)
        self.image_ids: Ints = np.full(count, NONE, np.int64)
        self.category_ids: Ints = np.full(count, NONE, np.int64)

    def repair_annotation(self, position: int, record: Fields) -> RecordRepair:
        """Raises `RecursionError`."""
        size = self.known.sizes.get(int(self.image_ids[position]))
        keypoints = self.known.keypoints.get(int(self.category_ids[position]))
        return repair_annotation(record, size, keypoints, finite=position not in self.annotations.infinite)


def decode(text: bytes) -> tuple[Any, bool]:
    """Any JSON value, and whether all its numbers are surely finite. Raises `RecursionError`."""
    try:
        return _VALUE.decode(text), True
    except msgspec.DecodeError:
        return json.loads(text), False


def _shown(value: object) -> str:
    text = "no id" if value is None else json.dumps(value)
    return text if len(text) <= _SHOWN else text[:_SHOWN] + "..."
