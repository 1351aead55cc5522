"""The dataset's file and the folder of its own beside it: read, replaced, never written over when it is not ours.

    NAME                           the dataset
    .NAME.unfinished               a save in the making
    NAME.cocoannot/lock            who owns the dataset
    NAME.cocoannot/state.json      which content of NAME stands for which revision
    NAME.cocoannot/unsaved.json    our version, where something else changed NAME

What the bytes mean is not known here.
"""

from __future__ import annotations

import errno
import hashlib
import os
from collections.abc import Iterable, Iterator, Mapping
from contextlib import contextmanager, suppress
from itertools import chain, count
from pathlib import Path

from cocoannot.errors import DatasetError, FileChanged, SaveError
from cocoannot.storage.files import (
    Content,
    NewFile,
    Stamp,
    clear_all_unfinished,
    clear_unfinished,
    content_of,
    copy_aside,
    sync_folder,
)
from cocoannot.storage.lock import OwnerLock
from cocoannot.storage.state import State, Version, read_state, write_state

Blocks = Iterable[bytes | memoryview]


class DatasetFile:
    """One dataset's file. Only the owner of `lock` may call anything that writes, and one thread at a time.

    `path` is where the file really is, symbolic links followed; `name` is how the operator calls it.
    """

    def __init__(self, path: Path) -> None:
        self.name = str(path)
        self.path = Path(os.path.realpath(path))
        self.folder = self.path.with_name(self.path.name + ".cocoannot")
        self.lock = OwnerLock(self.folder / "lock")
        self.unsaved = self.folder / "unsaved.json"
        self._state_path = self.folder / "state.json"
        self._known: list[Version] = []
        self._stamp: Stamp | None = None
        self._unsaved_version: Version | None = None

    def read(self) -> tuple[bytes, Version]:
        """The file's bytes, and which version they are. Clears away what a killed process left.

        A content that the state file does not know counts as one revision more than any that it does. Raises
        `DatasetError` where the file can't be read, or a decision of the operator is due.
        """
        try:
            clear_unfinished(self.path)
            clear_all_unfinished(self.folder)
            with self.path.open("rb") as file:
                stamp = Stamp.of(os.fstat(file.fileno()))
                data = file.read()
            content = Content(len(data), hashlib.sha256(data).hexdigest())
            if Stamp.of(self.path.stat()) != stamp:
                raise DatasetError(f"{self.name} is being changed by something else; start again when it is done")
            state = read_state(self._state_path)
            version = _identify(state, content)
            self._settle_unsaved(state, version)
        except OSError as exc:
            raise DatasetError(f"can't read {exc.filename or self.name}: {exc.strerror}") from exc
        self._known, self._stamp = [version], stamp
        return data, version

    def remember(self, next_ids: Mapping[str, int]) -> None:
        """Write down what was read, with the ids that are free, so that its revision stands for nothing else later.

        A disk that fails does not keep anybody from reading: the next save writes it down then.
        """
        found = self._known[-1]
        self._known = [Version(found.size, found.sha256, found.revision, dict(next_ids))]
        with suppress(OSError):
            state = State(self._known)
            if read_state(self._state_path) != state:
                self.folder.mkdir(exist_ok=True)
                write_state(self._state_path, state)
                sync_folder(self.path.parent)

    def create(self, data: bytes) -> None:
        """Make the file, where there is none. Raises `DatasetError`."""
        try:
            with NewFile(self.path) as new:
                new.write([data])
                new.replace()
            sync_folder(self.path.parent)
        except OSError as exc:
            raise DatasetError(f"can't create {self.name}: {exc.strerror}") from exc

    def save(
        self, blocks: Blocks, revision: int, next_ids: Mapping[str, int], *, keep_theirs: str | None = None
    ) -> Path | None:
        """Replace the file by `blocks`, durably, as `revision`. Raises `SaveError`, `FileChanged`.

        The file is left as it was where something else changed it, unless `keep_theirs` is given: then the
        other version is kept as `NAME.KEEP_THEIRS`, and its path returned.
        """
        try:
            self.folder.mkdir(exist_ok=True)
            # Looked at twice: before all is written for nothing, and at the last moment.
            if keep_theirs is None and self._changed():
                raise self._file_changed()
            with NewFile(self.path) as new:
                content = new.write(blocks)
                version = Version(content.size, content.sha256, revision, dict(next_ids))
                write_state(self._state_path, State([*self._known, version], self._unsaved_version))
                theirs = self._changed()
                if theirs and keep_theirs is None:
                    raise self._file_changed()
                with self._kept_aside(keep_theirs if theirs else None) as kept:
                    new.replace()
                # Until the folder is fsynced, a power cut may bring the older one back.
                if version != self._known[-1]:
                    self._known.append(version)
                self._stamp = new.stamp()
            sync_folder(self.path.parent)
        except OSError as exc:
            raise _save_error(self.name, exc) from exc
        self._known = [version]
        self._forget_the_rest()
        return kept

    def keep_unsaved(self, blocks: Blocks, revision: int, next_ids: Mapping[str, int]) -> None:
        """Write `blocks` to `unsaved.json`, once for each revision. Raises `SaveError`."""
        try:
            if self._unsaved_version is None or self._unsaved_version.revision != revision:
                self.folder.mkdir(exist_ok=True)
                with NewFile(self.unsaved, like=self.path) as new:
                    content = new.write(blocks)
                    version = Version(content.size, content.sha256, revision, dict(next_ids))
                    write_state(self._state_path, State(self._known, version))
                    new.replace()
                self._unsaved_version = version
            sync_folder(self.folder)
        except OSError as exc:
            raise _save_error(str(self.unsaved), exc) from exc

    @property
    def size(self) -> int:
        """Bytes of the file, as it was read or saved last."""
        return self._known[-1].size

    @property
    def newest_revision(self) -> int:
        """The newest revision whose content may be in place."""
        return self._known[-1].revision

    def known(self) -> Version | None:
        """The newest version that the state file knows, for when no server runs. Raises `DatasetError`, `OSError`."""
        versions = read_state(self._state_path).versions
        return versions[-1] if versions else None

    def changed(self) -> bool:
        """Whether something else changed the file since it was read or saved. Raises `SaveError`.

        A file that is gone is not one that could be written over. One that was only touched is hashed.
        """
        try:
            return self._changed()
        except OSError as exc:
            raise _save_error(self.name, exc) from exc

    def _changed(self) -> bool:
        try:
            stamp = Stamp.of(self.path.stat())
            if stamp == self._stamp:
                return False
            content = content_of(self.path)
        except FileNotFoundError:
            return False
        if content not in [version.content for version in self._known]:
            return True
        self._stamp = stamp
        return False

    def resolve(self, choice: str, suffix: str) -> Path | None:
        """Settle a conflict while no server runs; returns where the version that was not chosen is kept.

        `choice` is `overwrite` (ours replaces theirs) or `theirs`; the other one is kept beside the dataset as
        `NAME.SUFFIX`, unless the dataset's file is gone: then the answer is `None`.

        Raises `DatasetError` where there is no conflict, `SaveError` where a disk fails.
        """
        if not self.unsaved.exists():
            raise DatasetError(f"{self.name}: there is no conflict to settle, {self.unsaved} does not exist")
        kept: Path | None
        try:
            state = read_state(self._state_path)
            if choice == "theirs":
                kept = self._free_name(suffix)
                os.rename(self.unsaved, kept)
            else:
                version = _identify(state, content_of(self.unsaved))
                write_state(self._state_path, State([*state.versions, version], version))
                with self._kept_aside(suffix if self.path.exists() else None) as kept:
                    # The folder is on the same file system as the dataset beside it.
                    os.rename(self.unsaved, self.path)
            sync_folder(self.folder)
            sync_folder(self.path.parent)
        except OSError as exc:
            raise _save_error(self.name, exc, "both versions are still there; try again") from exc
        return kept

    def _file_changed(self) -> FileChanged:
        return FileChanged(
            f"something else changed {self.name}, so it is not written over; pending changes stay in memory, a copy "
            f"goes to {self.unsaved}. `flask flush --on-conflict overwrite` saves them and keeps the other version "
            "beside the dataset; to take the other version, stop the server, then `flask flush --on-conflict theirs`"
        )

    @contextmanager
    def _kept_aside(self, suffix: str | None) -> Iterator[Path | None]:
        """Keep a copy of the file as `NAME.SUFFIX` while it is replaced, and for good where that works."""
        kept = self._free_name(suffix) if suffix else None
        try:
            if kept:
                copy_aside(self.path, kept, self.folder)
            yield kept
        except OSError:
            if kept:
                with suppress(OSError):
                    kept.unlink()
            raise

    def _free_name(self, suffix: str) -> Path:
        """`NAME.SUFFIX` beside the dataset, with a number at its end where that was taken before."""
        names = chain([suffix], (f"{suffix}-{number}" for number in count(2)))
        paths = (self.path.with_name(f"{self.path.name}.{name}") for name in names)
        return next(path for path in paths if not path.exists())

    def _settle_unsaved(self, state: State, version: Version) -> None:
        if not self.unsaved.exists():
            return
        ours = version.content in [known.content for known in state.versions]
        if state.unsaved is not None and ours and version.revision >= state.unsaved.revision:
            self.unsaved.unlink()  # left by a process that died between saving and clearing up
            return
        raise DatasetError(
            f"{self.name} was changed by something else while changes were pending; they are in {self.unsaved}. "
            "`flask flush --on-conflict overwrite` saves them and keeps the other version beside the dataset, "
            "`flask flush --on-conflict theirs` takes the other version and keeps ours beside it"
        )

    def _forget_the_rest(self) -> None:
        """After a save that worked: what it replaced can't come back but by somebody's hand, so it is not ours.

        A disk that fails here takes nothing from that save, and the next one comes back to it.
        """
        with suppress(OSError):
            if self._unsaved_version is not None:
                self.unsaved.unlink(missing_ok=True)
                self._unsaved_version = None
            write_state(self._state_path, State(self._known))


def _identify(state: State, content: Content) -> Version:
    """The version that `content` is, with next ids that none in `state` has gone beyond: no id is given twice."""
    known = [*state.versions, *([state.unsaved] if state.unsaved else [])]
    sections = {section for version in known for section in version.next_ids}
    next_ids = {section: max(version.next_ids.get(section, 0) for version in known) for section in sections}
    matches = [version.revision for version in known if version.content == content]
    newest = max((version.revision + 1 for version in known), default=0)
    return Version(content.size, content.sha256, matches[-1] if matches else newest, next_ids)


def _save_error(name: str, exc: OSError, then: str = "nothing is lost, what is pending is tried again") -> SaveError:
    full = exc.errno in (errno.ENOSPC, errno.EDQUOT)
    return SaveError(f"can't save {name}: {exc.strerror or exc}; {then}", disk_full=full)
