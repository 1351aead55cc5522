"""The licences of an incoming dataset's images: ours that are the same, and those that have to be added.

Images refer to licences by their ids, and two files may have given one id to two licences. A licence is the same where
its name and its URL are.
"""

from __future__ import annotations

import json
import re
from collections.abc import Mapping
from typing import Any

import msgspec

from cocoannot.coco.records import Record, merge
from cocoannot.coco.style import Style

_LIST = msgspec.json.Decoder(list[msgspec.Raw])
_TAIL = re.compile(rb"\s*\]\s*$")


class Licenses:
    """Ours, and what becomes of theirs; `ours` and `theirs` are the JSON texts of the lists, `None` for none."""

    def __init__(self, ours: bytes | None, theirs: bytes | None, style: Style) -> None:
        self._text = ours
        self._style = style
        self._theirs = _by_id(theirs)
        known = _records(ours)
        # Of something else than a list nothing is known, and it stays as it is.
        self._can_add = known is not None
        self._ids = {each.get("id") for each in known or () if isinstance(each.get("id"), int | str)}
        self._by_thing = {_thing(each): each.get("id") for each in known or ()}
        self._moved: dict[Any, Any] = {}
        self._added: list[bytes] = []

    @property
    def added(self) -> int:
        """How many have to be added to ours."""
        return len(self._added)

    def text(self) -> bytes | None:
        """The JSON text of our list with those that have to be added."""
        if not self._added:
            return self._text
        ours = self._text if _records(self._text) else None
        if ours is None:
            return b"[%b]" % self._style.item_separator.join(self._added)
        tail = _TAIL.search(ours)
        assert tail is not None
        gap = _gap(ours, self._style)
        return ours[: tail.start()] + b"".join(gap + each for each in self._added) + tail[0]

    def change_of(self, image: bytes) -> dict[str, Any]:
        """What has to change in the text of a new image of theirs: `license`, or nothing."""
        if b'"license"' not in image:
            return {}
        their_id = Record(image).get("license")
        if their_id is None or not isinstance(their_id, int | str):
            return {}
        if their_id not in self._moved:
            self._moved[their_id] = self._find(their_id)
        our_id = self._moved[their_id]
        return {} if our_id == their_id else {"license": our_id}

    def _find(self, their_id: Any) -> Any:
        """Our id of a licence of theirs; `None` where it would be another licence's."""
        licence = self._theirs.get(their_id)
        if licence is None:
            return None if their_id in self._ids else their_id
        if (thing := _thing(licence)) in self._by_thing:
            return self._by_thing[thing]
        if not self._can_add:
            return None
        our_id = their_id
        if their_id in self._ids:
            our_id = max([each for each in self._ids if isinstance(each, int)], default=0) + 1
        self._ids.add(our_id)
        self._by_thing[thing] = our_id
        text = licence.text if our_id == their_id else merge(licence.text, {"id": our_id}, self._style)
        self._added.append(self._style.lay_out(msgspec.json.format(text, indent=-1)))
        return our_id


def _by_id(text: bytes | None) -> Mapping[Any, Record]:
    """Licences by their ids; of several with one id the first."""
    found: dict[Any, Record] = {}
    for each in _records(text) or ():
        if isinstance(each.get("id"), int | str):
            found.setdefault(each["id"], each)
    return found


def _records(text: bytes | None) -> list[Record] | None:
    """The licences in a JSON text; `None` where it is something else than a list of them."""
    if text is None or text == b"null":
        return []
    try:
        return [Record(bytes(each)) for each in _LIST.decode(text) if bytes(each).startswith(b"{")]
    except msgspec.MsgspecError:
        return None


def _thing(licence: Mapping[str, Any]) -> str:
    """What is the same licence in both files."""
    named = {key: value for key in ("name", "url") if isinstance(value := licence.get(key), str) and value}
    fields = named or {key: value for key, value in licence.items() if key != "id"}
    return json.dumps(fields, sort_keys=True)


def _gap(text: bytes, style: Style) -> bytes:
    """What stands between two licences of our list."""
    raws = _LIST.decode(text)
    first = text.index(bytes(raws[0])) + len(raws[0])
    if len(raws) > 1:
        return text[first : text.index(bytes(raws[1]), first)]
    head = text[1 : text.index(bytes(raws[0]))]
    return b"," + head if head.strip() == b"" and head else style.item_separator
