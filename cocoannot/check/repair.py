"""Writing the repaired copy of a file that was checked. What is wrong, and what it should be, was decided there.

OUT                 the copy: records that needed no repair, and the text between them, byte for byte
OUT.removed.json    what the copy does not have any more: whole records and values, and records that lost a field
"""

from __future__ import annotations

import json
import os
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import msgspec

from cocoannot.check.checked import Checked, Section, decode
from cocoannot.check.lenient_parser import Removed
from cocoannot.coco.parser import SECTIONS
from cocoannot.coco.records import encode, merge
from cocoannot.coco.rules import Fields
from cocoannot.coco.serializer import Piece, split
from cocoannot.errors import DatasetError, SaveError
from cocoannot.files.atomic import NewFile, sync_folder


def removed_path(out: Path) -> Path:
    """Where that goes which the copy at `out` does not have."""
    return out.with_name(out.name + ".removed.json")


def check_place(out: Path) -> None:
    """Raise `DatasetError` where a copy must not be written to `out`."""
    for path in (out, removed_path(out)):
        if os.path.lexists(path):
            raise DatasetError(f"{path} exists; a repaired copy is never written over anything, give another name")
    if not out.parent.is_dir():
        raise DatasetError(f"can't write {out}: there is no folder {out.parent}")


def write_repaired(
    checked: Checked, path: Path, out: Path, progress: Callable[[int], object] = lambda _: None
) -> list[Removed]:
    """Write the repaired copy of `path`, durably, to `out`; returns what it lost.

    Raises `DatasetError` where `out` exists, `SaveError`; nothing is left there then.
    """
    check_place(out)
    repair = _Repair(checked, progress)
    try:
        with NewFile(out, like=path) as new:
            new.write(split(repair.pieces()))
            check_place(out)
            if repair.lost:
                with NewFile(removed_path(out), like=path) as removed:
                    removed.write(split(_removed(path, repair.lost)))
                    removed.replace()
            new.replace()
        sync_folder(out.parent)
    except OSError as exc:
        raise SaveError(f"can't write {out}: {exc.strerror or exc}") from exc
    return repair.lost


class _Repair:
    """The copy's text. `lost` is complete once all pieces were taken."""

    def __init__(self, checked: Checked, progress: Callable[[int], object]) -> None:
        self.lost = list(checked.readable.lost)
        self._checked = checked
        self._progress = progress
        self._buffer = memoryview(checked.readable.buffer)

    def pieces(self) -> Iterator[Piece]:
        values, position = self._checked.readable.values, 0
        for key, (start, end) in values.items():
            if key in SECTIONS:
                yield self._buffer[position:start]
                yield from self._section(self._checked.sections[key])
                position = end
        if self._checked.categories.added and "categories" not in values:
            end = max(stop for _, stop in values.values())
            yield self._buffer[position:end]
            yield b', "categories": [%b]' % b", ".join(map(encode, self._checked.categories.added))
            position = end
        yield self._buffer[position:]

    def _section(self, section: Section) -> Iterator[Piece]:
        rows = section.rows
        touched = {i for i, changes in section.changes.items() if changes} | section.dropped.keys()
        if section is self._checked.annotations:
            touched |= set(self._checked.geometry.nonzero()[0].tolist())
        if not touched and not section.added:
            yield self._buffer[rows.start : rows.end]
            self._progress(rows.end - rows.start)
            return
        yield from self._records(section, sorted(touched))

    def _records(self, section: Section, touched: list[int]) -> Iterator[Piece]:
        starts, ends, count = section.rows.starts, section.rows.ends, len(section)
        yield self._buffer[section.rows.start : starts[0]] if count else b"["
        first, position = True, 0
        for i in [*touched, count]:
            if position < i:
                yield self._buffer[starts[position] if first else ends[position - 1] : ends[i - 1]]
                first = False
                self._progress(int(ends[i - 1] - starts[position]))
            if i < count and (text := self._repaired_text(section, i)) is not None:
                yield b"" if first else self._buffer[ends[i - 1] : starts[i]]
                yield text
                first = False
                self._progress(int(ends[i] - starts[i]))
            position = i + 1
        for added in section.added:
            yield (b"" if first else b", ") + encode(added)
            first = False
        yield self._buffer[ends[-1] : section.rows.end] if count else b"]"

    def _repaired_text(self, section: Section, i: int) -> bytes | None:
        """The new text of a record, `None` where it goes."""
        text = section.text(i)
        if (kind := section.dropped.get(i)) is not None:
            self.lost.append(Removed(section.name, i, (kind,), "", text))
            return None
        changes: Fields = {}
        if section is self._checked.annotations and self._checked.geometry[i]:
            repair = self._checked.repair_annotation(i, decode(text)[0])
            parts = [""] if repair.useless else repair.lost
            self.lost += [Removed(section.name, i, tuple(repair.kinds), part, text) for part in parts]
            if repair.useless:
                return None
            changes = repair.changes
        changes = {**changes, **section.changes.get(i, {})}
        return merge(text, {field: _as_raw(value) for field, value in changes.items()})


def _as_raw(value: Any) -> Any:
    """A value that `merge` takes as it is: integers beyond 64 bits are nothing that msgspec would write."""
    return None if value is None else msgspec.Raw(json.dumps(value, ensure_ascii=False).encode())


def _removed(path: Path, lost: list[Removed]) -> Iterator[bytes]:
    yield b'{"removed_from": %b, "removed": [' % json.dumps(str(path)).encode()
    for number, each in enumerate(lost):
        about = {"section": each.section, "index": each.position, "kinds": each.kinds, "field": each.part}
        about = {key: value for key, value in about.items() if value not in ("", -1)}
        yield b"%b%b" % (b",\n" if number else b"\n", encode({**about, "was": msgspec.Raw(each.text)}))
    yield b"\n]}\n"
