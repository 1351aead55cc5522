"""A file of predictions as columns: a results list, or a dataset whose annotations have a score.

The file is read in pieces, and no text of it is kept. Each prediction is looked at; what is wrong is told by its index,
from 0.
"""

from __future__ import annotations

import mmap
import re
from collections.abc import Callable
from itertools import chain
from operator import attrgetter
from pathlib import Path
from typing import Any

import msgspec
import numpy as np

from cocoannot.coco.geometry import COORDINATE_LIMIT
from cocoannot.coco.parser import MAX_ID
from cocoannot.errors import BadPredictions, DatasetError, InvalidRecord
from cocoannot.predictions.checks import Checked, check, fields_of
from cocoannot.predictions.columns import KINDS, Columns
from cocoannot.predictions.splitting import split

MOST_IN_RECORD = 16 << 20
"""Bytes of one prediction's text."""

MOST_ON_IMAGE = 10_000
"""Predictions of one layer on one image: comparing them takes as long as all pairs."""

MOST_NAMED = 20
"""How many wrong predictions are named; that there are more is told."""

_MOST_WRONG = 1000
_BOM = b"\xef\xbb\xbf"

Look = Callable[[int, Checked], dict[str, list[str]]]
"""What is wrong with a prediction, by its index and its row, that only the dataset knows; asked for what has a mask or
keypoints."""


class _Box(msgspec.Struct, gc=False, forbid_unknown_fields=True):
    """What nearly all predictions are, and what can be looked at many at a time."""

    image_id: int
    category_id: int
    score: float
    bbox: tuple[float, float, float, float]
    id: int | None = None


_BOXES = msgspec.json.Decoder(list[_Box])
_RAWS = msgspec.json.Decoder(list[msgspec.Raw])
_TOP = msgspec.json.Decoder(dict[str, msgspec.Raw])
_ANY = msgspec.json.Decoder(msgspec.Raw)


def read_predictions(path: Path, look: Look = lambda index, checked: {}) -> Columns:
    """The columns of the file at `path`.

    Raises `DatasetError` where it is of another form, `BadPredictions` with what is wrong by index, `OSError`.
    """
    with path.open("rb") as file:
        if not file.seek(0, 2):
            raise DatasetError("the file is empty; send a results list, or a dataset whose annotations have a score")
        # It goes with the last one who looks into it, which an error may do.
        mapped = mmap.mmap(file.fileno(), 0, access=mmap.ACCESS_READ)
        text = memoryview(mapped)
        start, end = _find_list(text)
        mapped.madvise(mmap.MADV_DONTNEED)
        return _Reading(mapped, text, start, end, look).columns()


class _Reading:
    """One file that is being read, in two passes: how many there are, and then what they are."""

    def __init__(self, mapped: mmap.mmap, text: memoryview, start: int, end: int, look: Look) -> None:
        self._mapped = mapped
        self._text = text
        self._start = start
        self._end = end
        self._look = look
        self._errors: dict[str, dict[str, list[str]]] = {}
        self._wrong = 0

    def columns(self) -> Columns:
        """See `read_predictions`."""
        columns: Columns | None = None
        total = self._count()
        starts, sizes = np.empty(total, np.int64), np.empty(total, np.int32)
        first, behind = 0, self._start + 1
        for begun, ended in split(self._text, self._start, self._end):
            rows = slice(first, first + len(begun))
            starts[rows], sizes[rows] = begun, ended - begun
            last = int(ended[-1])
            piece = bytes(self._text[behind:last]).lstrip(b" \t\r\n,")
            self._forget(behind, last)
            checked = self._piece(piece, first, len(begun))
            if columns is None and checked is not None:
                columns = Columns.empty(total, with_ids=len(checked["ids"]) > 0)
            if columns is not None and checked is not None:
                if (len(columns.ids) > 0) != (len(checked["ids"]) > 0):
                    self._refuse(first, {"id": ["must be given to every prediction, or to none"]})
                columns.put(first, **checked)
            first, behind = rows.stop, last
        if bytes(self._text[behind : self._end]).strip(b" \t\r\n,[]"):
            self._refuse(first, {"_schema": ["must be an object"]})
        if columns is None:
            columns = Columns.empty(0, with_ids=False)
        self._finish()
        columns = columns._replace(starts=starts, sizes=sizes)
        _check_whole(columns)
        return columns

    def _count(self) -> int:
        """How many predictions there are. Raises `BadPredictions` for one that is too long."""
        count = 0
        for begun, ended in split(self._text, self._start, self._end):
            too_long = ended - begun > MOST_IN_RECORD
            if too_long.any():
                at = str(count + int(np.argmax(too_long)))
                raise BadPredictions({at: {"_schema": [f"has more than {MOST_IN_RECORD >> 20} MiB"]}}, 1)
            count += len(begun)
            self._forget(int(begun[0]), int(ended[-1]))
        return count

    def _forget(self, start: int, stop: int) -> None:
        """Let the system take back the memory of what was read."""
        aligned = start // mmap.PAGESIZE * mmap.PAGESIZE
        self._mapped.madvise(mmap.MADV_DONTNEED, aligned, stop - aligned)

    def _piece(self, piece: bytes, first: int, count: int) -> dict[str, Any] | None:
        """The columns of the records in `piece`, `None` where something is wrong with it."""
        try:
            boxes = _BOXES.decode(b"[%b]" % piece)
        except (msgspec.DecodeError, UnicodeDecodeError, RecursionError):
            boxes = []
        if len(boxes) == count and (columns := _columns_of_boxes(boxes)) is not None:
            return columns
        return self._one_by_one(piece, first)

    def _one_by_one(self, piece: bytes, first: int) -> dict[str, Any] | None:
        rows: list[Checked] = []
        for index, raw in enumerate(_RAWS.decode(b"[%b]" % piece), start=first):
            try:
                text = bytes(raw)
                text.decode()
                if not text.startswith(b"{"):
                    raise InvalidRecord({"_schema": ["must be an object"]})
                row = check(fields_of(text))
                if (row.size is not None or row.points) and (errors := self._look(index, row)):
                    raise InvalidRecord(errors)
                rows.append(row)
            except InvalidRecord as exc:
                self._refuse(index, exc.errors)
            except UnicodeDecodeError:
                self._refuse(index, {"_schema": ["is not UTF-8, as JSON is"]})
            except (ValueError, RecursionError):
                self._refuse(index, {"_schema": ["can't be read: it is nested too deep, or has a number out of range"]})
        if self._wrong or not rows:
            return None
        with_ids = [row.id for row in rows if row.id is not None]
        if with_ids and len(with_ids) < len(rows):
            self._refuse(first, {"id": ["must be given to every prediction, or to none"]})
            return None
        return {
            "image_ids": np.array([row.image_id for row in rows], np.int64),
            "category_ids": np.array([row.category_id for row in rows], np.int64),
            "scores": np.array([row.score for row in rows], np.float64),
            "boxes": np.array([row.box for row in rows], np.float32),
            "kinds": np.array([row.kind for row in rows], np.uint8),
            "ids": np.array(with_ids, np.int64),
        }

    def _refuse(self, index: int, errors: dict[str, list[str]]) -> None:
        self._wrong += 1
        if len(self._errors) < MOST_NAMED:
            self._errors[str(index)] = errors
        if self._wrong >= _MOST_WRONG:
            self._finish()

    def _finish(self) -> None:
        if self._wrong:
            raise BadPredictions(self._errors, self._wrong)


def _columns_of_boxes(boxes: list[_Box]) -> dict[str, Any] | None:
    """The columns of boxes, `None` where one of them is wrong or has to be looked at by itself."""
    count = len(boxes)
    given = [box.id for box in boxes if box.id is not None]
    if given and len(given) < count:
        return None
    try:
        image_ids = np.fromiter(map(attrgetter("image_id"), boxes), np.int64, count)
        category_ids = np.fromiter(map(attrgetter("category_id"), boxes), np.int64, count)
        ids = np.array(given, np.int64)
    except OverflowError:
        return None
    scores = np.fromiter(map(attrgetter("score"), boxes), np.float64, count)
    exact = np.fromiter(chain.from_iterable(map(attrgetter("bbox"), boxes)), np.float64, 4 * count).reshape(-1, 4)
    ends = exact[:, :2] + exact[:, 2:]
    good = (
        np.isfinite(scores)
        & (np.abs(exact) <= COORDINATE_LIMIT).all(axis=1)
        & (exact[:, 2:] > 0).all(axis=1)
        & (ends <= COORDINATE_LIMIT).all(axis=1)
        & (np.abs(image_ids) <= MAX_ID)
        & (np.abs(category_ids) <= MAX_ID)
    )
    if not good.all() or ((ids < 1) | (ids > MAX_ID)).any():
        return None
    return {
        "image_ids": image_ids,
        "category_ids": category_ids,
        "scores": scores,
        "boxes": exact.astype(np.float32),
        "kinds": np.full(count, KINDS.index("bbox"), np.uint8),
        "ids": ids,
    }


def _check_whole(columns: Columns) -> None:
    """Raise `BadPredictions` where an id is there twice, or an image has too many predictions."""
    ids, counts = np.unique(columns.ids, return_counts=True)
    if (counts > 1).any():
        twice = int(ids[counts > 1][0])
        second = int(np.flatnonzero(columns.ids == twice)[1])
        raise BadPredictions({str(second): {"id": [f"{twice} is there twice; give each prediction its own id"]}}, 1)
    images, counts = np.unique(columns.image_ids, return_counts=True)
    if (counts > MOST_ON_IMAGE).any():
        at = int(np.argmax(counts))
        raise DatasetError(
            f"image {images[at]} has {counts[at]} predictions; a layer takes at most {MOST_ON_IMAGE} on one image: "
            "leave out those with low scores"
        )


def _find_list(text: memoryview) -> tuple[int, int]:
    """Where the list of predictions begins and ends. Raises `DatasetError`, `BadPredictions`."""
    skipped = len(_BOM) if bytes(text[: len(_BOM)]) == _BOM else 0
    body = text[skipped:]
    try:
        head = bytes(body[:1000]).lstrip()[:1]
        if head == b"[":
            whole = bytes(body[:1000])
            _ANY.decode(body)
            return skipped + whole.index(b"["), _end_of(text)
        return _find_annotations(text, body)
    except RecursionError as exc:
        raise DatasetError("the file is nested too deep to read") from exc
    except (msgspec.DecodeError, UnicodeDecodeError) as exc:
        raise _not_json(text, str(exc), skipped) from exc


def _end_of(text: memoryview) -> int:
    end = len(text)
    while end and text[end - 1] in b" \t\r\n":
        end -= 1
    return end


def _find_annotations(text: memoryview, body: memoryview) -> tuple[int, int]:
    try:
        values = _TOP.decode(body)
    except msgspec.ValidationError:
        raise DatasetError("must be a results list [{...}, ...], or a dataset whose annotations have a score") from None
    raw = values.get("annotations")
    if raw is None or bytes(memoryview(raw)[:1]) != b"[":
        raise DatasetError(
            "has no list of annotations; send a results list, or a dataset whose annotations have scores"
        )
    start = _address(raw) - _address(text)
    return start, start + len(raw)


def _address(data: Any) -> int:
    address: int = np.frombuffer(data, np.uint8).__array_interface__["data"][0]
    return address


def _not_json(text: memoryview, message: str, skipped: int) -> DatasetError:
    """Why the text is no JSON; where it is a number that JSON has not, such as NaN, by the index of its prediction."""
    found = re.search(r"byte (\d+)", message)
    at = int(found[1]) + skipped if found else len(text)
    before, word = bytes(text[max(0, at - 200) : at]), bytes(text[at : at + 9])
    number = re.match(rb"-?(NaN|Infinity|Inf)", word)
    if number is None:
        return DatasetError(f"not JSON: {message.removeprefix('JSON is malformed: ')}")
    key = re.search(rb'"([^"]*)"\s*:[^"]*$', before)
    name = key[1].decode(errors="replace") if key else "_schema"
    start = _list_before(text, at)
    index = sum(len(ended) for _, ended in split(text, start, at)) if start is not None else None
    problem = f"must be a finite number; JSON has no {number[0].decode()}"
    if index is None:
        return DatasetError(f"not JSON at byte {at}: {name!r} {problem}")
    return BadPredictions({str(index): {name: [problem]}}, 1)


def _list_before(text: memoryview, at: int) -> int | None:
    """Where the list of predictions begins that byte `at` is in, as far as that can be told of a text that is wrong."""
    head = bytes(text[: min(at, 1 << 20)])
    if head.removeprefix(_BOM).lstrip()[:1] == b"[":
        return head.index(b"[")
    found = re.search(rb'"annotations"\s*:\s*\[', head)
    return found.end() - 1 if found else None
