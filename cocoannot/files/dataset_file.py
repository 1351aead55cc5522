"""The dataset's file and the folder of its own beside it: read, replaced, never written over when it is not ours.

    NAME                           the dataset
    .NAME.unfinished               a save in the making
    NAME.cocoannot/lock            who owns the dataset
    NAME.cocoannot/state.json      which content of NAME stands for which revision
    NAME.cocoannot/journal/        changes that NAME may not have yet
    NAME.cocoannot/unsaved.json    our version, where something else changed NAME
    NAME.cocoannot/backups/        NAME as it was before the first save of a day

What the bytes mean is not known here.
"""

from __future__ import annotations

import errno
import hashlib
import logging
import os
import shutil
import time
from collections.abc import Callable, Iterable, Iterator, Mapping
from contextlib import contextmanager, suppress
from itertools import chain, count, takewhile
from pathlib import Path
from typing import BinaryIO, NamedTuple

from cocoannot.errors import DatasetError, FileChanged, JournalConflict, SaveError
from cocoannot.files.atomic import (
    Content,
    NewFile,
    Stamp,
    clear_all_unfinished,
    clear_unfinished,
    content_of,
    copy_aside,
    sync_folder,
)
from cocoannot.files.backups import Backups
from cocoannot.files.journal import Journal, Recording
from cocoannot.files.lock import OwnerLock
from cocoannot.files.segments import Entry
from cocoannot.files.state import Remote, State, Version, read_state, write_state

log = logging.getLogger(__name__)

Blocks = Iterable[bytes | memoryview]


class Found(NamedTuple):
    """What a start finds: the file's bytes, which version they are, and the changes that came after it.

    `is_known` is false for a content that is in no state file: the first one, or one that something else wrote.
    """

    data: bytes
    version: Version
    entries: list[Entry]
    is_known: bool

    @property
    def revision(self) -> int:
        """The newest one: that of the last change, of the file where there is none after it."""
        return max([self.version.revision, *(entry.revision for entry in self.entries)])


class Held(NamedTuple):
    """A version of the dataset's file, open for reading."""

    file: BinaryIO
    version: Version

    def close(self) -> None:
        """Let go of the file."""
        self.file.close()


class DatasetFile:
    """One dataset's file. Only the owner of `lock` may call anything that writes, and one thread at a time.

    `path` is where the file really is, symbolic links followed; `name` is how the operator calls it.
    """

    def __init__(self, path: Path, backups: int = 0) -> None:
        self.name = str(path)
        self.path = Path(os.path.realpath(path))
        self.folder = self.path.with_name(self.path.name + ".cocoannot")
        self.lock = OwnerLock(self.folder / "lock")
        self.journal = Journal(self.folder / "journal")
        self.backups = Backups(self.path, self.folder / "backups", backups)
        self.unsaved = self.folder / "unsaved.json"
        self._state_path = self.folder / "state.json"
        self._known: list[Version] = []
        self._stamp: Stamp | None = None
        self._unsaved_version: Version | None = None
        self.remote: Remote | None = None
        """What was agreed with S3 last, `None` for a dataset that is not from there."""

    def read(self, *, settle: bool = False) -> Found:
        """The file, and what the journal has above it. Clears away what a killed process left.

        A content that the state file does not know counts as one revision more than any that it does. Raises
        `DatasetError` where the file can't be read, or a decision of the operator is due; with `settle` it was made:
        what can be read of the journal is then to be put on top of the file, whatever that is.
        """
        try:
            clear_unfinished(self.path)
            clear_all_unfinished(self.folder)
            clear_all_unfinished(self.folder / "backups")
            with self.path.open("rb") as file:
                stamp = Stamp.of(os.fstat(file.fileno()))
                data = file.read()
            content = Content(len(data), hashlib.sha256(data).hexdigest())
            if Stamp.of(self.path.stat()) != stamp:
                raise DatasetError(f"{self.name} is being changed by something else; start again when it is done")
            state = read_state(self._state_path)
            version = _identify(state, content)
            self._settle_unsaved(state, version)
            recording = self.journal.read()
            self.backups.look_up()
        except OSError as exc:
            raise DatasetError(f"can't read {exc.filename or self.name}: {exc.strerror}") from exc
        known = content in [version.content for version in state.versions]
        # What is newer than the oldest content that may have been in place is needed, unless a newer one is there.
        floor = version.revision if known else min((version.revision for version in state.versions), default=-1)
        entries = [entry for entry in recording.entries if entry.revision > floor]
        if settle:
            # Older than each of them: a crash before this is saved must find them needed.
            version = Version(version.size, version.sha256, max(floor, 0), version.next_ids)
        elif entries:
            certain = self._certain(entries, floor, recording, known=known)
            if len(certain) < len(entries):
                log.warning(
                    "Changes that no fsync had reached were lost in a crash of the machine: those after revision %d, "
                    "up to %d at least",
                    floor + len(certain),
                    entries[-1].revision,
                )
            entries = certain
        # Settling has to be done again until it was saved: what is not known yet must not be taken for known before.
        self._known = state.versions if settle and not known and state.versions else [version]
        self._stamp, self.remote = stamp, state.remote
        if state.coming is not None and state.coming.sha256 == version.sha256:
            self.remote = state.coming
        return Found(data, version, entries, known)

    def remember(self, next_ids: Mapping[str, int]) -> None:
        """Write down what was read, with the ids that are free, so that its revision stands for nothing else later.

        A disk that fails does not keep anybody from reading: the next save writes it down then.
        """
        found = self._known[-1]
        self._known = [Version(found.size, found.sha256, found.revision, dict(next_ids))]
        with suppress(OSError):
            state = State(self._known, None, self.remote)
            if read_state(self._state_path) != state:
                self.folder.mkdir(exist_ok=True)
                # First: a power cut must not bring the file back that this state does not know any more.
                sync_folder(self.path.parent)
                write_state(self._state_path, state)

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
        self,
        blocks: Blocks,
        revision: int,
        next_ids: Mapping[str, int],
        *,
        keep_theirs: str | None = None,
        now: float | None = None,
    ) -> Path | None:
        """Replace the file by `blocks`, durably, as `revision`. Raises `SaveError`, `FileChanged`.

        The file is left as it was where something else changed it, unless `keep_theirs` is given: then the
        other version is kept as `NAME.KEEP_THEIRS`, and its path returned. `now` (seconds since 1970, default: the
        time) tells the day of the backup.
        """
        try:
            self.folder.mkdir(exist_ok=True)
            # Looked at twice: before all is written for nothing, and at the last moment.
            if keep_theirs is None and self._changed():
                raise self._file_changed()
            with NewFile(self.path) as new:
                content = new.write(blocks)
                version = Version(content.size, content.sha256, revision, dict(next_ids))
                self._write_state([*self._known, version], self._unsaved_version)
                theirs = self._changed()
                if theirs and keep_theirs is None:
                    raise self._file_changed()
                with self._kept_aside(keep_theirs if theirs else None) as kept:
                    self._keep_backup(time.time() if now is None else now)
                    new.replace()
                # Until the folder is fsynced, a power cut may bring the older one back.
                if version != self._known[-1]:
                    self._known.append(version)
                self._stamp = new.stamp()
            sync_folder(self.path.parent)
        except OSError as exc:
            raise _save_error(self.name, exc) from exc
        self._known = [version]
        self.journal.checkpoint(revision, needed=not self._forget_the_rest())
        return kept

    def keep_unsaved(self, blocks: Blocks, revision: int, next_ids: Mapping[str, int]) -> None:
        """Write `blocks` to `unsaved.json`, once for each revision. Raises `SaveError`."""
        try:
            if self._unsaved_version is None or self._unsaved_version.revision != revision:
                self.folder.mkdir(exist_ok=True)
                with NewFile(self.unsaved, like=self.path) as new:
                    content = new.write(blocks)
                    version = Version(content.size, content.sha256, revision, dict(next_ids))
                    self._write_state(self._known, version)
                    new.replace()
                self._unsaved_version = version
            sync_folder(self.folder)
        except OSError as exc:
            raise _save_error(str(self.unsaved), exc) from exc

    def remember_remote(self, remote: Remote) -> None:
        """Write down what was agreed with S3. Raises `SaveError`; it holds all the same until the process ends."""
        self.remote = remote
        try:
            self.folder.mkdir(exist_ok=True)
            self._write_state(self._known, self._unsaved_version)
        except OSError as exc:
            raise _save_error(str(self._state_path), exc) from exc

    def replace_whole(
        self,
        blocks: Blocks,
        revision: int,
        check: Callable[[Content], object],
        agree: Callable[[Version], Remote],
    ) -> None:
        """Replace the file by `blocks`, which come from elsewhere, whatever it was.

        It is at least `revision`, and newer than all that was there. `check` is called before, and may raise: then
        nothing was changed. `agree` gives what is agreed with S3 once the version is in place, from that moment on.
        Raises `SaveError`, and what `blocks` raise. For when no server runs on it.
        """
        try:
            self.path.parent.mkdir(parents=True, exist_ok=True)
            self.folder.mkdir(exist_ok=True)
            state, entries = read_state(self._state_path), self.journal.read().entries
            with NewFile(self.path) as new:
                content = new.write(blocks)
                check(content)
                found = _identify(state, content)
                newest = max(entry.revision for entry in entries) + 1 if entries else 0
                version = Version(*content, max(found.revision, revision, newest), found.next_ids)
                coming = agree(version)
                write_state(self._state_path, State([*state.versions, version], None, state.remote, coming))
                new.replace()
            sync_folder(self.path.parent)
        except OSError as exc:
            raise _save_error(self.name, exc, "nothing was changed") from exc
        self._known = [version]
        self.remember_remote(coming)

    def set_aside(self, suffix: str) -> list[Path]:
        """Keep all that is ours beside the dataset: a copy of the file, and where they are, unsaved.json and journal.

        Returns their paths. Raises `SaveError`.
        """
        kept = [self.keep_theirs(suffix)]
        try:
            for path, name in ((self.unsaved, f"{suffix}.unsaved"), (self.journal.folder, f"{suffix}.journal")):
                if path.exists() and (path == self.unsaved or self.journal.read().entries):
                    kept.append(self._free_name(name))
                    os.rename(path, kept[-1])
            sync_folder(self.path.parent)
        except OSError as exc:
            raise _save_error(self.name, exc, "nothing is lost, try again") from exc
        return kept

    def hold(self) -> Held:
        """The file as it was saved last, to be read whatever replaces it. Raises `SaveError`, `FileChanged`."""
        try:
            file = self.path.open("rb")
            if self._changed():
                file.close()
                raise self._file_changed()
        except OSError as exc:
            raise _save_error(self.name, exc) from exc
        return Held(file, self._known[-1])

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

    def agreed(self) -> Remote | None:
        """What was agreed with S3 last, for when no server runs. Raises `DatasetError`, `OSError`."""
        return read_state(self._state_path).remote

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
                write_state(self._state_path, State([*state.versions, version], version, state.remote))
                with self._kept_aside(suffix if self.path.exists() else None) as kept:
                    # The folder is on the same file system as the dataset beside it.
                    os.rename(self.unsaved, self.path)
            sync_folder(self.folder)
            sync_folder(self.path.parent)
        except OSError as exc:
            raise _save_error(self.name, exc, "both versions are still there; try again") from exc
        return kept

    def keep_theirs(self, suffix: str) -> Path:
        """Keep the file as it is now as `NAME.SUFFIX`; returns its path. Raises `SaveError`."""
        kept = self._free_name(suffix)
        try:
            copy_aside(self.path, kept, self.folder)
        except OSError as exc:
            raise _save_error(str(kept), exc) from exc
        return kept

    def keep_journal(self, suffix: str) -> Path:
        """Keep a copy of the journal's folder as `NAME.SUFFIX`; returns its path. Raises `SaveError`."""
        kept = self._free_name(suffix)
        try:
            kept.mkdir()
            for path in self.journal.folder.iterdir():
                copy_aside(path, kept / path.name, self.folder)
            sync_folder(kept.parent)
        except OSError as exc:
            shutil.rmtree(kept, ignore_errors=True)
            raise _save_error(str(kept), exc) from exc
        return kept

    def give_up_journal(self, suffix: str, version: Version) -> Path:
        """Take the file that was read as `version`, without the journal; returns the path where that is kept.

        `version` is newer than any that the journal has. Raises `SaveError`.
        """
        kept = self.keep_journal(suffix)
        try:
            # Before the journal goes: no revision and no id of it may be given again, wherever this process dies.
            write_state(self._state_path, State([version], None, self.remote))
        except OSError as exc:
            shutil.rmtree(kept, ignore_errors=True)
            raise _save_error(self.name, exc, "nothing was changed; try again") from exc
        self._known = [version]
        # What stays of it is older than the file now, and goes with the next start.
        shutil.rmtree(self.journal.folder, ignore_errors=True)
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

    def _certain(self, entries: list[Entry], floor: int, recording: Recording, *, known: bool) -> list[Entry]:
        """Those of `entries` that follow the file one by one. Raises `JournalConflict` where promised ones are missing.

        A power cut may keep a line from the disk and not one that was written after it, where neither had been fsynced
        yet. None of them was promised then, and those after the missing one are no good without it.
        """
        following = [entry for entry, _ in takewhile(_matches, zip(entries, count(floor + 1), strict=False))]
        rest = entries[len(following) :]
        last = floor + len(following)
        unpromised = recording.damage is None and all(entry.durable <= last < entry.revision for entry in rest)
        if known and (unpromised or not rest):
            return following
        if known:
            reason = recording.damage or f"{self.journal.folder}: changes after revision {floor} are missing"
        else:
            reason = f"{self.name} was changed by something else"
        raise JournalConflict(
            f"{reason}, and the journal holds {len(entries)} change(s) that are not in the file. `flask flush "
            "--on-conflict overwrite` puts those that can be read on top of the file as it is now, `flask flush "
            "--on-conflict theirs` takes the file without them; what was not chosen is kept beside the dataset"
        )

    def _keep_backup(self, now: float) -> None:
        try:
            self.backups.keep_today(now)
        except OSError as exc:
            # The save is worth more than its backup.
            log.warning("No backup of %s for today: %s", self.name, exc.strerror)

    def _write_state(self, versions: list[Version], unsaved: Version | None = None) -> None:
        write_state(self._state_path, State(versions, unsaved, self.remote))

    def _forget_the_rest(self) -> bool:
        """After a save that worked: what it replaced can't come back but by somebody's hand, so it is not ours.

        A disk that fails here takes nothing from that save, and the next one comes back to it; the answer is then no.
        """
        try:
            if self._unsaved_version is not None:
                self.unsaved.unlink(missing_ok=True)
                self._unsaved_version = None
            self._write_state(self._known)
        except OSError:
            return False
        return True


def _matches(pair: tuple[Entry, int]) -> bool:
    return pair[0].revision == pair[1]


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
