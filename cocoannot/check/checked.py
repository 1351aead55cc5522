"""What a check knows of a file in the end: enough to say what is wrong, and to write a copy that is right."""

from __future__ import annotations

import json
from collections import Counter, defaultdict
from collections.abc import Iterable
from functools import cached_property
from itertools import islice
from pathlib import PurePosixPath
from typing import Any

import msgspec
import numpy as np

from cocoannot.check.findings import EXAMPLES, Example, Findings
from cocoannot.check.identity import Identity, identify, is_id
from cocoannot.check.lenient_parser import Readable
from cocoannot.check.record_repairs import RecordRepair, is_text, repair_annotation
from cocoannot.check.scan import Floats, Known
from cocoannot.coco.parser import NONE, SECTIONS, Ints
from cocoannot.coco.rules import Fields

_SHOWN = 40
_VALUE = msgspec.json.Decoder()


class Section:
    """One section's records by position: `changes` to merge in, the kinds of problems of those to be `dropped`, and
    the records to be `added`.

    `ids` are those that they came with, `NONE` where there was none; `odd_ids` what stood there then. `infinite` are
    the records that may have numbers that are not finite, `left` counts the problems that a copy still has.
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
        self.identity: Identity = identify(self.ids[:0], {}, self._is_same)
        self.left: Counter[str] = Counter()
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
        self.left.update(repair.left)

    def assign_ids(self, findings: Findings) -> None:
        """Decide on every id, once all records were read."""
        ids = self.ids.copy()
        ids[list(self.dropped)] = NONE
        odd = {i: value for i, value in self.odd_ids.items() if i not in self.dropped}
        # Nothing refers to annotations.
        self.identity = identify(ids, odd, self._is_same, references=self.name != "annotations")
        for position in self.identity.copies:
            self.dropped[position] = ("repeated_id",)
        if odd:
            places = (f"{self._place(i)} has {_shown(value)}" for i, value in odd.items())
            findings.add("bad_id", self.name, places, len(odd))
        if repeated := self.identity.repeated:
            findings.add("repeated_id", self.name, dict.fromkeys(repeated.values()), len(repeated))

    def apply_ids(self, findings: Findings, references: Ints) -> None:
        """Give the records their ids; `references` are those in annotations.

        Of records that share an id nobody knows which one is meant, so what annotations refer to keeps it.
        """
        identity = self.identity
        shared = {i: record_id for i, record_id in identity.repeated.items() if i not in identity.copies}
        if shared:
            meant = dict(zip(*np.unique(references, return_counts=True), strict=True))
            unclear = {i: record_id for i, record_id in shared.items() if record_id in meant}
            for position in unclear:
                identity.keep_repeated(position)
            if unclear:
                problem = findings.add("repeated_id", self.name, count=0)
                problem.cases += self._cases(unclear, meant)
                findings.unrepairable("repeated_id", self.name, len(unclear))
        for position, record_id in identity.changed.items():
            if position not in identity.copies:
                self.changes[position]["id"] = record_id

    def resolve(self, reference: object) -> int | None:
        """The id that a reference which is no integer means: it is written so, or is the name of one record."""
        found = self.identity.resolve(reference)
        if not isinstance(reference, str) or found in self._ids:
            return found
        return self._names.get(reference, found)

    @cached_property
    def _ids(self) -> set[int]:
        return set(self.present().tolist())

    @cached_property
    def _names(self) -> dict[str, int]:
        """The ids of records by what they are called, images also without folder and suffix, where that is one."""
        names: dict[str, set[int]] = {}
        for position, record_id in enumerate(self.identity.ids.tolist()):
            record = decode(self.text(position))[0] if position not in self.dropped else {}
            name = record.get("file_name" if self.name == "images" else "name")
            if isinstance(name, str) and name.strip():
                path = PurePosixPath(name)
                for each in {name, path.name, path.stem} if self.name == "images" else {name}:
                    names.setdefault(each, set()).add(record_id)
        return {name: ids.pop() for name, ids in names.items() if len(ids) == 1}

    def _cases(self, unclear: dict[int, int], meant: dict[int, int]) -> list[str]:
        """Each id that records share, with what they are called and how many annotations refer to it."""
        places: defaultdict[int, list[int]] = defaultdict(list)
        wanted = set(unclear.values())
        for position, record_id in enumerate(self.identity.ids.tolist()):
            if record_id in wanted and position not in self.dropped:
                places[record_id].append(position)
        noun = {"images": "image", "categories": "category"}[self.name]
        return [
            f"{noun} id {record_id}: {len(positions):,} records ({', '.join(map(self._label, positions[:EXAMPLES]))}"
            f"{', ...' if len(positions) > EXAMPLES else ''}), and {int(meant[record_id]):,} annotations refer to it"
            for record_id, positions in places.items()
        ]

    def _label(self, position: int) -> str:
        record = decode(self.text(position))[0]
        return _shown(record.get("file_name" if self.name == "images" else "name"))

    def _is_same(self, position: int, other: int) -> bool:
        """Whether two records with one id are the same one: an image of one picture, a category of one name."""
        one, two = self.text(position), self.text(other)
        if one == two:
            return True
        first, second = decode(one)[0], decode(two)[0]
        fields = {"images": ("file_name", "height", "width"), "categories": ("name",)}.get(self.name)
        if fields is None:
            return {**first, "id": 0} == {**second, "id": 0}
        return is_text(first.get(fields[0])) and all(first.get(field) == second.get(field) for field in fields)

    def report(self, findings: Findings) -> None:
        for kind, positions in self.problems.items():
            if positions:
                findings.add(kind, self.name, self.examples(positions), len(positions))
                if self.left[kind]:
                    findings.unrepairable(kind, self.name, self.left[kind])

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
    """A file that can be read. `geometry` marks the annotations whose own fields are to be repaired.

    `image_ids` and `category_ids` are what annotations refer to when that is repaired, `NONE` for nothing; `boxes` are
    theirs then, [x, y, width, height] in pixels, NaN for none. LVIS has no `iscrowd`.
    """

    def __init__(self, readable: Readable) -> None:
        self.readable = readable
        self.sections = {name: Section(readable, name) for name in SECTIONS}
        self.images, self.annotations, self.categories = (self.sections[name] for name in SECTIONS)
        lvis = any(field in readable.buffer for field in (b'"neg_category_ids"', b'"not_exhaustive_category_ids"'))
        self.known = Known({}, {}, crowds=not lvis)
        count = len(self.annotations)
        self.boxes: Floats = np.full((count, 4), np.nan)
        self.geometry = np.zeros(count, np.bool_)
        self.image_ids: Ints = np.full(count, NONE, np.int64)
        self.category_ids: Ints = np.full(count, NONE, np.int64)

    def repair_annotation(self, position: int, record: Fields) -> RecordRepair:
        """Raises `RecursionError`."""
        size = self.known.sizes.get(int(self.image_ids[position]))
        keypoints = self.known.keypoints.get(int(self.category_ids[position]))
        finite = position not in self.annotations.infinite
        return repair_annotation(record, size, keypoints, finite=finite, crowds=self.known.crowds)


def decode(text: bytes) -> tuple[Any, bool]:
    """Any JSON value, and whether all its numbers are surely finite. Raises `RecursionError`."""
    try:
        return _VALUE.decode(text), True
    except msgspec.DecodeError:
        return json.loads(text), False


def _shown(value: object) -> str:
    text = "no id" if value is None else json.dumps(value)
    return text if len(text) <= _SHOWN else text[:_SHOWN] + "..."
