"""Writing the repaired copy of a file that was checked. What is wrong, and what it should be, was decided there.

OUT                 the copy: records that needed no repair, and the text between them, byte for byte
OUT.removed.json    what the copy does not have any more: whole records and values, and records that lost a field
"""

from __future__ import annotations

import json
import os
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path
from typing import Any

import msgspec
import numpy as np

from cocoannot.check.checked import Checked, Section, decode
from cocoannot.check.lenient_parser import Removed
from cocoannot.coco.parser import SECTIONS
from cocoannot.coco.parser import Section as SectionText
from cocoannot.coco.records import encode, merge
from cocoannot.coco.rules import Fields
from cocoannot.coco.serializer import FrozenDataset, FrozenSection, Piece, split
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
    repair = _Repair(checked)
    try:
        with NewFile(out, like=path) as new:
            new.write(_with_progress(split(repair.pieces()), progress))
            check_place(out)
            removed = repair.removed()
            if removed:
                with NewFile(removed_path(out), like=path) as beside:
                    beside.write(split(_listed(path, removed)))
                    beside.replace()
            new.replace()
        sync_folder(out.parent)
    except OSError as exc:
        raise SaveError(f"can't write {out}: {exc.strerror or exc}") from exc
    return removed


def _with_progress(blocks: Iterator[Piece], progress: Callable[[int], object]) -> Iterator[Piece]:
    for block in blocks:
        yield block
        progress(len(block))


class _Repair:
    """The copy's text, and what was removed, which is known once all pieces were taken."""

    def __init__(self, checked: Checked) -> None:
        self._checked = checked
        self._sections = {name: _RepairedSection(checked, section) for name, section in checked.sections.items()}

    def pieces(self) -> Iterator[Piece]:
        readable = self._checked.readable
        sections = {name: section.serialized() for name, section in self._sections.items()}
        return FrozenDataset(readable.buffer, readable.values, sections).pieces()

    def removed(self) -> list[Removed]:
        order = [key for key in self._checked.readable.values if key in SECTIONS]
        sections = (self._sections[name].removed for name in order)
        return self._checked.readable.lost + [each for removed in sections for each in sorted(removed, key=_position)]


def _position(removed: Removed) -> int:
    return removed.position


class _RepairedSection(Mapping[int, bytes]):
    """The texts of a section's records that are repaired or added, by slot; each is made when it is asked for.

    So no more than one is in memory, however many there are. `removed` is what was found to be lost meanwhile.
    """

    def __init__(self, checked: Checked, section: Section) -> None:
        self._checked = checked
        self._section = section
        self.removed = [
            Removed(section.name, i, kinds, "", section.text(i)) for i, kinds in sorted(section.dropped.items())
        ]
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
        return FrozenSection(buffer, text, rows.starts, rows.ends, leads, slots, self)

    def __getitem__(self, slot: int) -> bytes:
        if slot in self._slots:
            return self._repaired(slot)
        if 0 <= slot - len(self._section) < len(self._section.added):
            return encode(self._section.added[slot - len(self._section)])
        raise KeyError(slot)

    def __iter__(self) -> Iterator[int]:
        yield from self._changed
        yield from range(len(self._section), len(self._section) + len(self._section.added))

    def __len__(self) -> int:
        return len(self._changed) + len(self._section.added)

    def _repaired(self, i: int) -> bytes:
        section, text = self._section, self._section.text(i)
        changes: Fields = {}
        if section is self._checked.annotations and self._checked.geometry[i]:
            repair = self._checked.repair_annotation(i, decode(text)[0])
            self.removed += [Removed(section.name, i, tuple(repair.kinds), part, text) for part in repair.lost]
            changes = repair.changes
        changes = {**changes, **section.changes.get(i, {})}
        return merge(text, {field: _as_raw(value) for field, value in changes.items()})


def _as_raw(value: Any) -> Any:
    """A value that `merge` takes as it is: integers beyond 64 bits are nothing that msgspec would write."""
    return None if value is None else msgspec.Raw(json.dumps(value, ensure_ascii=False).encode())


def _listed(path: Path, removed: list[Removed]) -> Iterator[bytes]:
    yield b'{"removed_from": %b, "removed": [' % json.dumps(str(path)).encode()
    for number, each in enumerate(removed):
        about = {"section": each.section, "index": each.position, "kinds": each.kinds, "field": each.part}
        about = {key: value for key, value in about.items() if value not in ("", -1)}
        yield b"%b%b" % (b",\n" if number else b"\n", encode({**about, "was": msgspec.Raw(each.text)}))
    yield b"\n]}\n"
