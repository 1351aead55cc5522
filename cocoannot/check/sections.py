"""The records of one section, and what a check finds out about them: enough to report it, and to write them anew."""

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
from cocoannot.check.record_repairs import RecordRepair, is_text
from cocoannot.coco.parser import NONE, Ints
from cocoannot.coco.rules import Fields

_SHOWN = 40
_VALUE = msgspec.json.Decoder()


class Section:
    """One section's records by position: `changes` to merge in, the kinds of problems of those to be `dropped`, and
    the records to be `added`.

    `ids` are those that they came with, `NONE` where there was none; `odd_ids` what stood there then. `infinite` are
    the records that may have numbers that are not finite, `left` counts the problems that a copy still has. `unsure`
    are those that look like another one, and may be of another image.
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
        self.unsure: set[int] = set()
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

    def are_no_records(self) -> bool:
        """Whether there is nothing but texts or lists, such as names, where records should be."""
        return len(self) > 0 and all(self.text(i).startswith((b'"', b"[")) for i in range(len(self)))

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
            places = (f"{self._place(i)} has {shown(value)}" for i, value in odd.items())
            findings.add("bad_id", self.name, places, len(odd))
        if repeated := self.identity.repeated:
            findings.add("repeated_id", self.name, dict.fromkeys(repeated.values()), len(repeated))

    def replace_id_0(self) -> None:
        """Give annotations with id 0 another one: nothing refers to them."""
        for position in np.flatnonzero(self.identity.ids == 0).tolist():
            if position not in self.dropped:
                self.problems["zero_id"].append(position)
                self.identity.ids[position] = self.identity.changed[position] = next(self.identity.free)

    def apply_ids(self, findings: Findings, references: Ints) -> set[int]:
        """Give the records their ids; `references` are those in annotations. Returns the ids that records share.

        Nobody knows which one of these is meant, so what annotations refer to keeps its id.
        """
        identity, meant = self.identity, set(references.tolist() if self.identity.repeated else ())
        shared = {i: each for i, each in identity.repeated.items() if i not in identity.copies and each in meant}
        for position in shared:
            identity.keep_repeated(position)
        if shared:
            findings.unrepairable("repeated_id", self.name, len(shared))
        for position, record_id in identity.changed.items():
            if position not in identity.copies and (position in self.odd_ids or record_id != self.ids[position]):
                self.changes[position]["id"] = record_id
        return set(shared.values())

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

    def _is_same(self, position: int, other: int) -> bool:
        """Whether two records with one id are the same one: an image of one picture, a category of one name."""
        one, two = self.text(position), self.text(other)
        if position in self.unsure:
            return False
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
        """How the first few are called in a message, those that share an id once."""
        return list(dict.fromkeys(self.named(islice(positions, 100 * EXAMPLES))))[:EXAMPLES]

    def named(self, positions: Iterable[int]) -> list[Example]:
        """The ids of records, or their places where they have none."""
        return [self._place(i) if self.ids[i] == NONE else int(self.ids[i]) for i in positions]

    def present(self) -> Ints:
        """The ids there are when all is repaired."""
        ids: Ints = self.identity.ids[self.identity.ids != NONE]
        return ids

    def label(self, position: int) -> str:
        """What a record is called."""
        return shown(decode(self.text(position))[0].get("file_name" if self.name == "images" else "name"))

    def _place(self, position: int) -> str:
        return f"{self.name}[{position}]"


def decode(text: bytes) -> tuple[Any, bool]:
    """Any JSON value, and whether all its numbers are surely finite. Raises `RecursionError`."""
    try:
        return _VALUE.decode(text), True
    except msgspec.DecodeError:
        return json.loads(text), False


def shown(value: object) -> str:
    """A value in a few words."""
    text = "no id" if value is None else json.dumps(value)
    return text if len(text) <= _SHOWN else text[:_SHOWN] + "..."
