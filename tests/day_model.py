"""What the saved file must hold after a day's work: told from what hands meant, and from the API's rules. It knows
neither the page nor the server.

A record is known by its text, once that was seen and found to be what was meant. From then on every byte of it counts,
also when an undo gives it back.
"""

from __future__ import annotations

import json
from collections.abc import Generator, Iterable, Mapping
from dataclasses import dataclass, field
from itertools import combinations, count
from typing import Any, Literal, NamedTuple

import numpy as np
import numpy.typing as npt
from pycocotools import mask as masks

Fields = dict[str, Any]
Pixels = npt.NDArray[np.uint8]

_EXACT = 1e-9
_serial = count()


class Token(str):
    """A number as it is written in JSON."""


class Near(NamedTuple):
    """A number that a hand made: `value`, give or take."""

    value: float
    give: float


class Mask(NamedTuple):
    """The pixels of a mask; how its runs are written is not looked at."""

    pixels: Pixels

    def __repr__(self) -> str:
        rows, columns = np.nonzero(self.pixels)
        return f"Mask({len(rows)} pixels from {columns.min()}, {rows.min()})"


class Computed:
    """What the server computes: by its rules, from the rest of the record."""

    def __repr__(self) -> str:
        return "COMPUTED"


COMPUTED = Computed()


def value(number: object) -> float:
    """A number of a record, however it is known."""
    return number.value if isinstance(number, Near) else float(number)  # type: ignore[arg-type]


def parse(text: str) -> Any:
    """JSON whose numbers are `Token`s."""
    return json.loads(text, parse_float=Token, parse_int=Token)


def texts_in(text: str, section: str) -> list[str]:
    """The text of each record of a section of a whole document, or of a list, where `section` is empty."""
    decoder = json.JSONDecoder()
    at = text.index(f'"{section}"') + len(section) + 2 if section else 0
    at = text.index("[", at) + 1
    found: list[str] = []
    while True:
        while text[at] in " \t\r\n,":
            at += 1
        if text[at] == "]":
            return found
        _, end = decoder.raw_decode(text, at)
        found.append(text[at:end])
        at = end


class Shape:
    """An annotation, whatever becomes of it; `id` is None until the server has given one."""

    def __init__(self, image_id: int, record_id: int | None = None) -> None:
        self.image_id = image_id
        self.id = record_id

    def __repr__(self) -> str:
        return f"annotation {self.id} of image {self.image_id}"


class Version:
    """What an annotation is between two changes; `text` is None until it was seen."""

    def __init__(self, fields: Fields, text: str | None = None) -> None:
        self.fields = fields
        self.text = text
        self.serial = next(_serial)

    def changed(self, changes: Mapping[str, Any]) -> Version:
        """The version after a change of some fields."""
        return Version({**self.fields, **changes})

    def problem(self, text: str) -> str | None:
        """Why `text` is not what this version is; where it is, it has to be this very text from now on."""
        if self.text is not None:
            return None if text == self.text else f"it is {text}\nand not    {self.text}"
        found = parse(text)
        if set(found) != set(self.fields):
            return f"it has {sorted(found)} and not {sorted(self.fields)}"
        for name, expected in self.fields.items():
            if isinstance(expected, Computed):
                why = _miscomputed(name, found)
            else:
                why = None if _same(expected, found[name]) else f"is {_short(found[name])}, not {_short(expected)}"
            if why:
                return f"{name} {why}: {text[:400]}"
        self.fields, self.text = found, text
        return None


def _short(value: object) -> str:
    if isinstance(value, dict) and "counts" in value:
        return repr(Mask(pixels_of(value)))
    return repr(value)


def _same(expected: object, found: object) -> bool:
    match expected:
        case Near():
            return isinstance(found, Token) and abs(float(found) - expected.value) <= expected.give + _EXACT
        case Mask():
            return isinstance(found, dict) and np.array_equal(pixels_of(found), expected.pixels)
        case list():
            return isinstance(found, list) and len(expected) == len(found) and all(map(_same, expected, found))
        case dict():
            return isinstance(found, dict) and expected == found
        case _:
            return type(expected) is type(found) and expected == found


def pixels_of(segmentation: Mapping[str, Any]) -> Pixels:
    """The pixels of an RLE, as pycocotools reads it."""
    height, width = (int(side) for side in segmentation["size"])
    counts = segmentation["counts"]
    rle = {"size": [height, width], "counts": counts if isinstance(counts, str) else [int(each) for each in counts]}
    pixels: Pixels = masks.decode(rle if isinstance(counts, str) else masks.frPyObjects(rle, height, width))
    return pixels


# The API's rules for what it computes


def _miscomputed(name: str, found: Fields) -> str | None:
    number = found[name]
    if name == "num_keypoints":
        expected: Any = sum(float(seen) > 0 for seen in found["keypoints"][2::3])
        return None if float(number) == expected else f"is {number}, not {expected}"
    if name == "id":
        return None
    low, high, box = _measured(found)
    if name == "bbox":
        return None if [float(each) for each in number] == box else f"is {number}, not {box}"
    give = _EXACT * max(1.0, high)
    return None if low - give <= float(number) <= high + give else f"is {number}, not {low} to {high}"


def _measured(found: Fields) -> tuple[float, float, list[float]]:
    """The least and the largest area that the geometry may have, and its box."""
    segmentation = found.get("segmentation")
    if isinstance(segmentation, dict):
        encoded = masks.encode(np.asfortranarray(pixels_of(segmentation)))
        area = float(masks.area(encoded))
        return area, area, [float(each) for each in masks.toBbox(encoded)]
    if segmentation:
        return _measured_rings([[float(each) for each in ring] for ring in segmentation])
    if "keypoints" in found:
        flat = [float(each) for each in found["keypoints"]]
        box = _around([(x, y) for x, y, seen in zip(flat[0::3], flat[1::3], flat[2::3], strict=True) if seen])
        if [float(each) for each in found["bbox"]] == box:
            return box[2] * box[3], box[2] * box[3], box
    box = [float(each) for each in found["bbox"]]
    return box[2] * box[3], box[2] * box[3], box


def _measured_rings(rings: list[list[float]]) -> tuple[float, float, list[float]]:
    boxes, areas = [], []
    for ring in rings:
        xs, ys = ring[0::2], ring[1::2]
        boxes.append(box := _around(list(zip(xs, ys, strict=True))))
        # From the first corner, so that a small ring far away keeps its digits.
        twice = sum(
            (xs[i - 1] - xs[0]) * (ys[i] - ys[0]) - (xs[i] - xs[0]) * (ys[i - 1] - ys[0]) for i in range(len(xs))
        )
        areas.append(min(abs(twice) / 2, box[2] * box[3]))
    around = _around([(x, y) for ring in rings for x, y in zip(ring[0::2], ring[1::2], strict=True)])
    if _meet(boxes):
        # The area of their union, which the tests of geometry look at. One that crosses itself is hard to foretell.
        return 0.0, min(sum(box[2] * box[3] for box in boxes), around[2] * around[3]), around
    area = min(sum(areas), around[2] * around[3])
    return area, area, around


def _around(points: list[tuple[float, float]]) -> list[float]:
    xs, ys = [x for x, _ in points], [y for _, y in points]
    return [min(xs), min(ys), max(xs) - min(xs), max(ys) - min(ys)]


def _meet(boxes: list[list[float]]) -> bool:
    return any(
        one[0] < other[0] + other[2] and other[0] < one[0] + one[2] and one[1] < other[1] + other[3]
        and other[1] < one[1] + one[3]
        for one, other in combinations(boxes, 2)
    )  # fmt: skip


# Changes


class Edit(NamedTuple):
    """What a hand did to one annotation: `fields` are those of a new one, or those that are other."""

    kind: Literal["add", "update", "delete"]
    shape: Shape
    fields: Fields = {}  # noqa: RUF012


class Change(NamedTuple):
    """What is one step for undo."""

    image_id: int
    edits: list[Edit]


Asked = Change | Literal["undo", "redo"]


class Part(NamedTuple):
    """What a change did to one annotation; None: it was not there."""

    shape: Shape
    before: Version | None
    after: Version | None


@dataclass
class Made:
    """A change that the server has made; it may have forgotten it since, where it was started again."""

    image_id: int
    parts: list[Part]
    forgettable: bool = False


@dataclass
class History:
    """What one user can undo and redo, the newest last."""

    undoable: list[Made] = field(default_factory=list)
    redoable: list[Made] = field(default_factory=list)

    def add(self, made: Made) -> None:
        self.undoable.append(made)
        self.redoable.clear()

    def restarted(self) -> None:
        for made in self.undoable + self.redoable:
            made.forgettable = True


View = dict[Shape, Version]


class Model:
    """The annotations of a file, in its order."""

    def __init__(self, text: str) -> None:
        self.state: View = {}
        # With those that are deleted: what comes back goes to its old place.
        self._order: list[Shape] = []
        for each in texts_in(text, "annotations"):
            fields = parse(each)
            shape = Shape(int(fields["image_id"]), int(fields["id"]))
            self._order.append(shape)
            self.state[shape] = Version(fields, each)
        self.originals = {shape: version.text for shape, version in self.state.items()}
        self._next_id = max((shape.id or 0 for shape in self._order), default=0) + 1

    def shapes(self, image_id: int | None = None) -> list[Shape]:
        """Those that are there, in the file's order."""
        return [
            shape for shape in self._order if shape in self.state and image_id in (None, shape.image_id)
        ]  # fmt: skip

    def view(self, image_id: int) -> View:
        return {shape: self.state[shape] for shape in self.shapes(image_id)}

    def fingerprint(self) -> int:
        """The same for the same state only."""
        return hash(tuple((shape.id, self.state[shape].serial) for shape in self.shapes()))

    def apply(self, change: Change, *, lost: Mapping[Shape, Version] | None = None) -> Made:
        """Make a change; `lost` has what its maker knew of annotations that somebody else has deleted meanwhile."""
        parts = []
        for edit in change.edits:
            shape, before = edit.shape, self.state.get(edit.shape)
            if edit.kind == "add":
                shape.id, self._next_id = self._next_id, self._next_id + 1
                self._order.append(shape)
                after: Version | None = Version({**edit.fields, "id": Token(shape.id)})
            elif edit.kind == "delete":
                after = None
            else:
                known = before
                if known is None and lost is not None:
                    known = lost[shape]
                    self._order.remove(shape)
                    self._order.append(shape)
                assert known is not None
                after = known.changed(edit.fields)
            self._set(shape, after)
            parts.append(Part(shape, before, after))
        return Made(change.image_id, parts)

    def move(self, source: list[Made], target: list[Made]) -> Literal["done", "refused", "none"]:
        """Undo or redo: take the last of `source` back, where nobody else was there; it is the last of `target`."""
        if not source:
            return "none"
        made = source.pop()
        if not self.is_as_made(made):
            return "refused"
        for shape, before, _ in made.parts:
            self._set(shape, before)
        target.append(Made(made.image_id, [Part(shape, after, before) for shape, before, after in made.parts]))
        return "done"

    def is_as_made(self, made: Made) -> bool:
        return all(_is_same_version(self.state.get(shape), after) for shape, _, after in made.parts)

    def _set(self, shape: Shape, version: Version | None) -> None:
        if version is None:
            self.state.pop(shape, None)
        else:
            self.state[shape] = version


def _is_same_version(one: Version | None, other: Version | None) -> bool:
    if one is None or other is None or one is other:
        return one is other
    return one.text is not None and one.text == other.text


def with_changes(view: View, changes: Iterable[Asked]) -> View:
    """What a page shows whose changes are not answered."""
    shown = dict(view)
    for change in changes:
        for edit in change.edits if isinstance(change, Change) else []:
            if edit.kind == "add":
                shown[edit.shape] = Version(edit.fields)
            elif edit.kind == "delete":
                shown.pop(edit.shape, None)
            else:
                shown[edit.shape] = shown[edit.shape].changed(edit.fields)
    return shown


Choice = Literal["mine", "theirs"]


class Settling:
    """What becomes of changes that were made while the server was away, when others have changed the same image."""

    def __init__(self, model: Model, history: History, known: View) -> None:
        self._model = model
        self._history = history
        self._known: dict[Shape, Version | None] = dict(known)
        self._dropped: set[Shape] = set()
        self.answers: list[str] = []

    def settle(self, changes: Iterable[Asked]) -> Generator[Change, Choice, None]:
        """Gives each change that the user has to choose about; `answers` tells then how undos and redos went."""
        for change in changes:
            if isinstance(change, Change):
                yield from self._make(change)
                continue
            history = self._history
            stacks = (history.undoable, history.redoable)
            self.answers.append(self._model.move(*(stacks if change == "undo" else stacks[::-1])))

    def _make(self, change: Change) -> Generator[Change, Choice, None]:
        edits = [edit for edit in change.edits if edit.shape not in self._dropped]
        conflicts = [edit for edit in edits if edit.kind != "add" and self._is_other(edit.shape)]
        agreed = {edit.shape for edit in conflicts if edit.kind == "delete" and edit.shape not in self._model.state}
        asked = {edit.shape for edit in conflicts} - agreed
        dropped = set(agreed)
        if asked and (yield change) == "theirs":
            dropped |= asked
        self._dropped |= dropped
        if left := [edit for edit in edits if edit.shape not in dropped]:
            lost = {shape: version for shape in asked if (version := self._known[shape]) is not None}
            made = self._model.apply(Change(change.image_id, left), lost=lost)
            self._known.update({part.shape: part.after for part in made.parts})
            self._history.add(made)

    def _is_other(self, shape: Shape) -> bool:
        return not _is_same_version(self._model.state.get(shape), self._known.get(shape))
