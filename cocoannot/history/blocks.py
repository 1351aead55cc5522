"""Edits as the history has them: their texts, many together in one zlib stream, and what is told without these. No SQL.

A record's text before a change stands right before the one after it: what is alike in them then takes next to nothing.
"""

from __future__ import annotations

import zlib
from collections.abc import Sequence
from typing import Annotated

import msgspec
from msgspec import UNSET, Meta

from cocoannot.changes.change import Change, Edit, ValueEdit
from cocoannot.changes.description import DescribedEdit, Operation, describe
from cocoannot.coco.parser import SectionName
from cocoannot.errors import CocoannotError

MOST_EDITS = 128
MOST_BYTES = 1 << 18
"""How many edits one block holds at most, and how many bytes of text, unless one edit alone has more."""

# A higher one takes twice the time for a few per cent.
_LEVEL = 5
_SECTIONS: tuple[SectionName, ...] = ("images", "annotations", "categories")
_VALUE = len(_SECTIONS)
"""Stands for a section in what is told of a top-level value; its key is where a record has what stood before it."""
_OPERATIONS: tuple[Operation, ...] = ("add", "update", "delete")
_Id = Annotated[int, Meta(ge=-(2**63), le=2**63 - 1)]


class DamagedHistory(CocoannotError):
    """What the history's file holds is not what was written."""


class Texts(msgspec.Struct, frozen=True, gc=False, array_like=True, omit_defaults=True):
    """What `Edit` has of the record: its text before and after, and where it is in the file."""

    position: int
    before: bytes | None
    after: bytes | None
    index: int | None = None
    lead: bytes | None = None

    @property
    def size(self) -> int:
        """Bytes of both."""
        return len(self.before or b"") + len(self.after or b"")


class Head(msgspec.Struct, frozen=True, gc=False, array_like=True, omit_defaults=True):
    """What an edit is about. `image_id` is the image that the record is on or is, `left` one that it was on before."""

    section: Annotated[int, Meta(ge=0, le=_VALUE)]
    record_id: _Id
    operation: Annotated[int, Meta(ge=0, lt=len(_OPERATIONS))]
    image_id: _Id | None = None
    left: _Id | None = None

    @property
    def is_of_value(self) -> bool:
        """Whether it is about a top-level value, and not about a record."""
        return self.section == _VALUE

    @property
    def images(self) -> set[int]:
        """The images that the edit changed something on."""
        return {image_id for image_id in (self.image_id, self.left) if image_id is not None}

    def described(self) -> DescribedEdit:
        """What the edit did."""
        section, left = _SECTIONS[self.section], UNSET if self.left is None else self.left
        return DescribedEdit(section, self.record_id, self.image_id, _OPERATIONS[self.operation], left)


_texts = msgspec.msgpack.Decoder(list[Texts])
_heads = msgspec.msgpack.Decoder(list[Head])
_encoder = msgspec.msgpack.Encoder()


def pack(texts: Sequence[Texts]) -> bytes:
    """One block of `texts`."""
    return zlib.compress(_encoder.encode(texts), _LEVEL)


def unpack(block: bytes) -> list[Texts]:
    """The texts of a block. Raises `DamagedHistory`."""
    try:
        return _texts.decode(zlib.decompress(block))
    except (zlib.error, msgspec.MsgspecError) as exc:
        raise DamagedHistory(f"a block of texts can't be read ({exc})") from exc


def pack_heads(heads: Sequence[Head]) -> bytes:
    """What the edits of one change are about."""
    return _encoder.encode(heads)


def unpack_heads(data: bytes) -> list[Head]:
    """What `pack_heads` made. Raises `DamagedHistory`."""
    try:
        return _heads.decode(data)
    except msgspec.MsgspecError as exc:
        raise DamagedHistory(f"a change can't be read ({exc})") from exc


def head_of(edit: Edit) -> Head:
    """What `edit` is about."""
    told = describe(edit)
    left = None if told.from_image_id is UNSET else told.from_image_id
    return Head(section_number(edit.section), edit.record_id, _OPERATIONS.index(told.op), told.image_id, left)


def heads_of(change: Change) -> list[Head]:
    """What the edits of `change` are about, those of top-level values last."""
    return [*map(head_of, change.edits), *[Head(_VALUE, 0, _OPERATIONS.index("update"))] * len(change.values)]


def all_texts_of(change: Change) -> list[Texts]:
    """What they have, in the same order."""
    return [
        *map(texts_of, change.edits),
        *[Texts(0, value.before, value.after, lead=value.key.encode()) for value in change.values],
    ]


def value_of(texts: Texts) -> ValueEdit:
    """The edit of a top-level value that these were made of. Raises `DamagedHistory`."""
    try:
        return ValueEdit((texts.lead or b"").decode(), texts.before, texts.after)
    except UnicodeDecodeError as exc:
        raise DamagedHistory(f"a value's name can't be read ({exc})") from exc


def texts_of(edit: Edit) -> Texts:
    """What `edit` has of its record."""
    return Texts(edit.position, edit.before, edit.after, edit.index, edit.lead)


def edit_of(head: Head, texts: Texts) -> Edit:
    """The edit that these were made of."""
    section = _SECTIONS[head.section]
    return Edit(section, head.record_id, texts.position, texts.before, texts.after, texts.index, texts.lead)


def section_number(section: SectionName) -> int:
    """How the history names a section."""
    return _SECTIONS.index(section)
