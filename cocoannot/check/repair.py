"""Writing the repaired copy of a file that was checked. What is wrong, and what it should be, was decided there.

OUT                 the copy: records that needed no repair, and the text between them, byte for byte
OUT.removed.json    see `originals`: what the copy does not have any more, and what stood where it has something else
OUT.ids.json        the old id beside the new one, where there are new ones
"""

from __future__ import annotations

import codecs
import json
import os
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path
from typing import Any

import msgspec
import numpy as np

from cocoannot.check.checked import Checked
from cocoannot.check.lenient_parser import Removed, Replaced
from cocoannot.check.originals import changed_ids, not_utf8, originals
from cocoannot.check.sections import Section, decode
from cocoannot.coco.parser import SECTIONS
from cocoannot.coco.parser import Section as SectionText
from cocoannot.coco.records import encode, merge
from cocoannot.coco.rules import Fields
from cocoannot.coco.serializer import FrozenDataset, FrozenSection, Piece, split
from cocoannot.errors import DatasetError, SaveError
from cocoannot.files.atomic import NewFile, sync_folder
from cocoannot.files.packing import has_packed_name, pack

_FIELDS = msgspec.json.Decoder(dict[str, msgspec.Raw])


class Repaired:
    """What a copy does not have as it was: `removed` and `replaced` are at one path, old ids at another, if any."""

    def __init__(self, out: Path) -> None:
        self.path = out
        self.removed: list[Removed] = []
        self.replaced: list[Replaced] = []
        self.new_ids: list[dict[str, Any]] = []
        self.originals_path = out.with_name(out.name + ".removed.json")
        self.ids_path = out.with_name(out.name + ".ids.json")

    @property
    def has_originals(self) -> bool:
        return bool(self.removed or self.replaced)


def check_place(out: Path) -> None:
    """Raise `DatasetError` where a copy must not be written to `out`."""
    beside = Repaired(out)
    for path in (out, beside.originals_path, beside.ids_path):
        if os.path.lexists(path):
            raise DatasetError(f"{path} exists; a repaired copy is never written over anything, give another name")
    if not out.parent.is_dir():
        raise DatasetError(f"can't write {out}: there is no folder {out.parent}")


def write_repaired(
    checked: Checked, path: Path, out: Path, progress: Callable[[int], object] = lambda _: None
) -> Repaired:
    """Write the repaired copy of `path`, durably, to `out`; returns what became of the rest.

    It is gzip where its name ends in `.gz`. Raises `DatasetError` where `out` exists, `SaveError`; nothing is left
    there then.
    """
    check_place(out)
    repair, repaired = _Repair(checked), Repaired(out)
    written: list[Path] = []
    try:
        with NewFile(out, like=path) as new:
            blocks = _with_progress(split(repair.pieces()), progress)
            new.write(pack(blocks) if has_packed_name(out) else blocks)
            check_place(out)
            repaired.removed, repaired.replaced = repair.removed(), repair.replaced()
            repaired.new_ids = list(changed_ids(checked))
            if repaired.has_originals:
                texts = originals(path, checked.readable.marked, repaired.removed, repaired.replaced)
                _write(repaired.originals_path, path, texts, written)
            if repaired.new_ids:
                text = json.dumps({"new_ids_in": str(out), "ids": repaired.new_ids}, indent=1)
                _write(repaired.ids_path, path, iter([text.encode() + b"\n"]), written)
            new.replace()
        sync_folder(out.parent)
    except OSError as exc:
        for each in written:
            each.unlink(missing_ok=True)
        raise SaveError(f"can't write {out}: {exc.strerror or exc}") from exc
    return repaired


def _write(target: Path, like: Path, texts: Iterator[bytes], written: list[Path]) -> None:
    with NewFile(target, like=like) as beside:
        beside.write(split(texts))
        beside.replace()
        written.append(target)


def _with_progress(blocks: Iterator[Piece], progress: Callable[[int], object]) -> Iterator[Piece]:
    for block in blocks:
        yield block
        progress(len(block))


def _without_byte_order_mark(pieces: Iterator[Piece]) -> Iterator[Piece]:
    for first in pieces:
        yield first[len(codecs.BOM_UTF8) :] if bytes(first[:4]).startswith(codecs.BOM_UTF8) else first
        break
    yield from pieces


class _Repair:
    """The copy's text; what was removed and replaced is known once all pieces were taken."""

    def __init__(self, checked: Checked) -> None:
        self._checked = checked
        self._sections = {name: _RepairedSection(checked, section) for name, section in checked.sections.items()}

    def pieces(self) -> Iterator[Piece]:
        readable = self._checked.readable
        sections = {name: section.serialized() for name, section in self._sections.items()}
        pieces = FrozenDataset(readable.buffer, readable.values, sections).pieces()
        if readable.marked.has_characters:
            pieces = iter([readable.marked.readable(b"".join(pieces))])
        return _without_byte_order_mark(pieces)

    def removed(self) -> list[Removed]:
        return self._checked.readable.removed + [
            each for section in self._in_order() for each in sorted(section.removed, key=lambda each: each.position)
        ]

    def replaced(self) -> list[Replaced]:
        others = self._checked.readable.replaced + list(not_utf8(self._checked))
        return others + [
            each for section in self._in_order() for each in sorted(section.replaced, key=lambda each: each.position)
        ]

    def _in_order(self) -> Iterator[_RepairedSection]:
        return (self._sections[key] for key in self._checked.readable.values if key in SECTIONS)


class _RepairedSection(Mapping[int, bytes]):
    """The texts of a section's records that are repaired, by slot; each is made when it is asked for.

    So no more than one is in memory, however many there are. What was found to be `removed` and `replaced` meanwhile
    is noted.
    """

    def __init__(self, checked: Checked, section: Section) -> None:
        self._checked = checked
        self._section = section
        self.removed = [
            Removed(section.name, i, kinds, "", section.text(i)) for i, kinds in sorted(section.dropped.items())
        ]
        self.replaced: list[Replaced] = []
        changed = {i for i, changes in section.changes.items() if changes}
        if section is checked.annotations:
            changed |= set(checked.geometry.nonzero()[0].tolist())
        self._changed = sorted(changed - section.dropped.keys())
        self._slots = set(self._changed)

    def serialized(self) -> FrozenSection:
        section, rows = self._section, self._section.rows
        slots = np.delete(np.arange(len(section) + len(section.added)), sorted(section.dropped))
        leads = np.concatenate([rows.starts[:1], rows.ends[:-1]])
        text = SectionText(rows.start, rows.end, rows.starts, rows.ends, {}, [])
        buffer = self._checked.readable.buffer
        return FrozenSection(buffer, text, rows.starts, rows.ends, leads, slots, self, [*map(encode, section.added)])

    def __getitem__(self, slot: int) -> bytes:
        if slot in self._slots:
            return self._repaired(slot)
        raise KeyError(slot)

    def __iter__(self) -> Iterator[int]:
        return iter(self._changed)

    def __len__(self) -> int:
        return len(self._changed)

    def _repaired(self, i: int) -> bytes:
        section, text = self._section, self._section.text(i)
        changes: Fields = {}
        lost: list[str] = []
        if section is self._checked.annotations and self._checked.geometry[i]:
            repair = self._checked.repair_annotation(i, decode(text)[0])
            self.removed += [Removed(section.name, i, tuple(repair.kinds), part, text) for part in repair.lost]
            changes, lost = repair.changes, repair.lost
        changes = {**changes, **section.changes.get(i, {})}
        if not lost:
            # Otherwise all of the record is kept beside the copy.
            fields = _FIELDS.decode(text)
            self.replaced += [
                Replaced(section.name, i, field, bytes(fields[field]))
                for field in changes
                if field in fields and field != "id"
            ]
        return merge(text, {field: _as_raw(value) for field, value in changes.items()})


def _as_raw(value: Any) -> Any:
    """A value that `merge` takes as it is: integers beyond 64 bits are nothing that msgspec would write."""
    return None if value is None else msgspec.Raw(json.dumps(value, ensure_ascii=False).encode())
