"""Edits as the history has them: their texts, many together in one zlib stream, and what is told without these. No SQL.

A record's text before a change stands right before the one after it: what is alike in them then takes next to nothing.
"""

from __future__ import annotations

import zlib
from collections.abc import Sequence

import msgspec

from cocoannot.changes.change import Edit
from cocoannot.changes.tracker import Action
from cocoannot.coco.parser import NONE, AnnotationKeys, SectionName, read_keys
from cocoannot.errors import CocoannotError
from cocoannot.store.base import EditSummary

MOST_EDITS = 128
MOST_BYTES = 1 << 18
"""How many edits one block holds at most, and how many bytes of text, unless one edit alone has more."""

# A higher one takes twice the time for a few per cent.
_LEVEL = 5
_SECTIONS: tuple[SectionName, ...] = ("images", "annotations", "categories")
_ACTIONS: tuple[Action, ...] = ("added", "updated", "deleted")


class DamagedHistory(CocoannotError):
    """What the history's file holds is not what was written."""


class Texts(msgspec.Struct, frozen=True, gc=False, array_like=True):
    """One edit's place in the file, and its record before and after."""

    position: int
    before: bytes | None
    after: bytes | None

    @property
    def size(self) -> int:
        """Bytes of both."""
        return len(self.before or b"") + len(self.after or b"")


class Head(msgspec.Struct, frozen=True, gc=False, array_like=True):
    """What an edit is about. `image_id` is the image that the record is on or is, `left` one that it was on before."""

    section: int
    record_id: int
    image_id: int | None
    action: int
    left: int | None = None

    @property
    def section_name(self) -> SectionName:
        return _SECTIONS[self.section]

    @property
    def images(self) -> set[int]:
        """The images that the edit changed something on."""
        return {image_id for image_id in (self.image_id, self.left) if image_id is not None}

    def summary(self) -> EditSummary:
        """What the seam says of the edit."""
        return EditSummary(self.section_name, self.record_id, self.image_id, _ACTIONS[self.action])


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
    except (zlib.error, TypeError, msgspec.MsgspecError) as exc:
        raise DamagedHistory(f"a block of texts can't be read ({exc})") from exc


def pack_heads(heads: Sequence[Head]) -> bytes:
    """What the edits of one change are about."""
    return _encoder.encode(heads)


def unpack_heads(data: bytes) -> list[Head]:
    """What `pack_heads` made. Raises `DamagedHistory`."""
    try:
        return _heads.decode(data)
    except (TypeError, msgspec.MsgspecError) as exc:
        raise DamagedHistory(f"a change can't be read ({exc})") from exc


def head_of(edit: Edit) -> Head:
    """What `edit` is about."""
    before, after = image_of(edit.section, edit.before), image_of(edit.section, edit.after)
    number, action = section_number(edit.section), _ACTIONS.index(edit.action)
    if edit.after is None:
        return Head(number, edit.record_id, before, action)
    return Head(number, edit.record_id, after, action, None if before == after else before)


def section_number(section: SectionName) -> int:
    """How the history names a section."""
    return _SECTIONS.index(section)


def image_of(section: SectionName, text: bytes | None) -> int | None:
    """The image that a record with this text is or is on; `None` where there is none."""
    if text is None or section == "categories":
        return None
    keys = read_keys(section, text)
    image_id = keys.image_id if isinstance(keys, AnnotationKeys) else keys.id
    return None if image_id == NONE else image_id
