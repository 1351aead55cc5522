"""Server-sent events as they come out of a stream (WHATWG HTML, 9.2.6). Where streams come from is not known here."""

from __future__ import annotations

import json
from collections.abc import Iterable, Iterator
from typing import Any, NamedTuple


class Event(NamedTuple):
    """What the server told: its `kind`, such as `change` or `hello`, and its data.

    `id` is what to give to `Client.events` to go on after it, `None` before the server has told one.
    """

    kind: str
    data: dict[str, Any]
    id: str | None


class Parser:
    """Makes events of lines; `last_id` is where to go on after what was read so far, also where no event tells it."""

    def __init__(self, last_id: str | None = None) -> None:
        self.last_id = last_id

    def events(self, lines: Iterable[bytes]) -> Iterator[Event]:
        """The events of lines that end by a line feed. One that is cut off is none."""
        kind, place = "message", self.last_id
        data: list[str] = []
        for line in lines:
            if not line.endswith(b"\n"):
                return
            text = line.decode("utf-8", "replace").rstrip("\r\n")
            if text:
                name, _, value = text.partition(":")
                value = value.removeprefix(" ")
                match name:
                    case "event":
                        kind = value
                    case "data":
                        data.append(value)
                    case "id" if "\0" not in value:
                        place = value
                continue
            self.last_id = place
            if data:
                yield Event(kind, json.loads("\n".join(data)), self.last_id)
            kind, data = "message", []
