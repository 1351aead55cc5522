"""Claims on disk, so that after a restart nobody is given an image that somebody else is at.

    NAME.cocoannot/claims.jsonl    [image, who, user, client] for a claim, [image] for its end; the last one counts

It is a convenience: what the disk does not take, or a power cut takes, is only forgotten by a restart.
"""

from __future__ import annotations

import os
from contextlib import suppress
from pathlib import Path

import msgspec

from cocoannot.files.atomic import NewFile
from cocoannot.teamwork.holder import Holder

_MOST_LINES = 20_000
"""So many lines may be appended before the file is written anew, with what still counts."""


class KeptClaims:
    """The claims of one dataset; whoever calls makes sure that one thread at a time does."""

    def __init__(self, path: Path) -> None:
        self._path = path
        self._claims: dict[int, Holder] = {}
        self._fd = -1
        self._appended = 0

    def open(self) -> dict[int, Holder]:
        """What was claimed when this was closed, or when the process died, by image; what can't be read is left out."""
        with suppress(OSError):
            for line in self._path.read_bytes().splitlines():
                self._read(line)
        self._rewrite()
        return dict(self._claims)

    def note(self, image_id: int, holder: Holder | None) -> None:
        """An image is claimed, or is not any more."""
        if holder is None:
            self._claims.pop(image_id, None)
        else:
            self._claims[image_id] = holder
        self._appended += 1
        if self._appended > _MOST_LINES:
            self._rewrite()
        elif self._fd >= 0:
            # One write, so that a process that dies leaves whole lines.
            with suppress(OSError):
                os.write(self._fd, _line(image_id, holder))

    def close(self) -> None:
        """Let go of the file."""
        if self._fd >= 0:
            os.close(self._fd)
            self._fd = -1

    def _read(self, line: bytes) -> None:
        with suppress(msgspec.DecodeError):
            self._claims.pop(msgspec.json.decode(line, type=tuple[int])[0], None)
            return
        with suppress(msgspec.DecodeError):
            image_id, who, user, client = msgspec.json.decode(line, type=tuple[int, str, str | None, str])
            self._claims[image_id] = Holder(who, user, client)

    def _rewrite(self) -> None:
        self.close()
        self._appended = 0
        with suppress(OSError):
            with NewFile(self._path, mode=0o600) as new:
                new.write([_line(image_id, holder) for image_id, holder in self._claims.items()])
                new.replace()
            self._fd = os.open(self._path, os.O_WRONLY | os.O_APPEND | os.O_CLOEXEC)


def _line(image_id: int, holder: Holder | None) -> bytes:
    return msgspec.json.encode([image_id, *(holder or ())]) + b"\n"
