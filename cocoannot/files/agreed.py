"""The version that was agreed with S3 last, kept beside the file: what ours and a newer one of S3 began with.

    NAME.cocoannot/agreed/SHA256    a content of NAME, named by its own sha256

It is a hard link to what NAME was, so that it takes no room until NAME changes; a copy where there can be no link. The
state file says which one counts. A new one is there before that names it, and an older one goes after that, so that a
crash in between loses none; and who reads one checks it, so that none is taken for another.
"""

from __future__ import annotations

import hashlib
import logging
import os
from collections.abc import Collection, Iterable
from contextlib import nullcontext, suppress
from pathlib import Path
from typing import BinaryIO

from cocoannot.files.atomic import Content, NewFile, sync_folder, unfinished
from cocoannot.files.hashing import Block

log = logging.getLogger(__name__)

_COMING = "coming"
_BLOCK = 512 << 10


class AgreedVersions:
    """What is kept in `folder`, by sha256."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder

    def keep(self, file: Path, sha256: str, opened: BinaryIO | None = None) -> None:
        """Keep what `file` holds, which has this sha256; what `opened` holds, where `file` may be another one by now.

        Where the disk does not take it, the log says so.
        """
        kept = self.folder / sha256
        try:
            self.folder.mkdir(exist_ok=True)
            if not (kept.exists() and os.path.samefile(file, kept)):
                self._link(file, kept, opened)
                sync_folder(self.folder)
        except OSError as exc:
            log.warning("Can't keep what was agreed with S3 as %s: %s; a merge will know less", kept, exc.strerror)

    def write(self, blocks: Iterable[Block]) -> Content:
        """Keep the bytes `blocks`. Raises `OSError`, and what `blocks` raise; nothing is kept then."""
        self.folder.mkdir(exist_ok=True)
        coming = self.folder / _COMING
        with NewFile(coming) as new:
            content = new.write(blocks)
            new.replace()
        os.rename(coming, self.folder / content.sha256)
        sync_folder(self.folder)
        return content

    def read(self, sha256: str) -> bytes | None:
        """The content with this sha256; `None` where it is not kept, or is another one by now. Raises `OSError`."""
        try:
            data = (self.folder / sha256).read_bytes()
        except FileNotFoundError:
            return None
        return data if hashlib.sha256(data).hexdigest() == sha256 else None

    def forget(self, sha256: str) -> None:
        """Let go of one."""
        with suppress(OSError):
            (self.folder / sha256).unlink(missing_ok=True)

    def forget_others(self, needed: Collection[str]) -> None:
        """Let go of what is not `needed`. What the disk does not let go of goes the next time."""
        with suppress(OSError):
            for path in self.folder.iterdir():
                if path.name not in needed:
                    path.unlink()

    def _link(self, file: Path, kept: Path, opened: BinaryIO | None) -> None:
        linked = unfinished(kept)
        linked.unlink(missing_ok=True)
        try:
            os.link(file, linked)
            if opened is None or os.path.samestat(os.stat(linked), os.fstat(opened.fileno())):
                os.rename(linked, kept)
                return
        except OSError:
            # There are no links here, or the file is gone.
            pass
        with nullcontext(opened) if opened else file.open("rb") as source, NewFile(kept, like=file) as new:
            source.seek(0)
            new.write(iter(lambda: source.read(_BLOCK), b""))
            new.replace()
            source.seek(0)
