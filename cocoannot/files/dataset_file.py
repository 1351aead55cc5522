"""The dataset's file and the folder of its own beside it: read, replaced, never written over when it is not ours.

    NAME                           the dataset
    .NAME.unfinished               a save in the making
    NAME.cocoannot/lock            who owns the dataset
    NAME.cocoannot/state.json      which content of NAME stands for which revision
    NAME.cocoannot/journal/        changes that NAME may not have yet
    NAME.cocoannot/history.sqlite  every change; see `cocoannot.history`
    NAME.cocoannot/answers/        answers to requests that had a key
    NAME.cocoannot/unsaved.json    our version, where something else changed NAME
    NAME.cocoannot/backups/        NAME as it was before the first save of a day
    NAME.cocoannot/users.json      who may call; written by `cocoannot.people`, and by commands beside the owner
    NAME.cocoannot/agreed/         NAME as it was agreed with S3 last
    NAME.cocoannot/claims.jsonl    who is at which image; see `cocoannot.teamwork`
    NAME.cocoannot/predictions/    what models say of its images; see `cocoannot.predictions`

NAME may be gzip; who calls has to do with its text alone. What the text means is not known here, nor what becomes of a
conflict.
"""

from __future__ import annotations

import logging
import os
import time
from collections.abc import Callable, Iterable, Iterator, Mapping
from contextlib import contextmanager, nullcontext, suppress
from pathlib import Path
from typing import BinaryIO, NamedTuple

from cocoannot.errors import DatasetError, FileChanged
from cocoannot.files.agreed import AgreedVersions
from cocoannot.files.answers import KeptAnswers
from cocoannot.files.atomic import Content, NewFile, Stamp, clear_all_unfinished, clear_unfinished, sync_folder
from cocoannot.files.backups import Backups
from cocoannot.files.disk_errors import save_error
from cocoannot.files.hashing import Hashing
from cocoannot.files.identity import Identity, identify
from cocoannot.files.journal import Journal
from cocoannot.files.kept_copies import kept_while_replaced, timestamp
from cocoannot.files.lock import OwnerLock
from cocoannot.files.packing import has_packed_name, is_packed, pack, unpack
from cocoannot.files.state import Remote, State, Version, write_state

log = logging.getLogger(__name__)

Blocks = Iterable[bytes | memoryview]

_MOST_KEPT = 32 << 20
"""Bytes of journal that are kept for somebody else who needs them: a larger one would bring the next save forward."""


class FileSnapshot(NamedTuple):
    """The file's text, what the state file says, and which version the file is by that."""

    data: bytes
    stamp: Stamp
    state: State
    version: Version

    @property
    def is_known(self) -> bool:
        """Whether the state file has this content; not the first one, nor one that something else wrote."""
        return self.version.content in [version.content for version in self.state.versions]


class OpenedFile(NamedTuple):
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
        self.identity = Identity(self.folder / "state.json")
        self.journal = Journal(self.folder / "journal")
        self.answers = KeptAnswers(self.folder / "answers")
        self.backups = Backups(self.path, self.folder / "backups", backups)
        self.agreed = AgreedVersions(self.folder / "agreed")
        self.unsaved = self.folder / "unsaved.json"
        self.users = self.folder / "users.json"
        self.history = self.folder / "history.sqlite"
        self.claims = self.folder / "claims.jsonl"
        self.predictions = self.folder / "predictions"
        self._is_packed = has_packed_name(self.path)

    @property
    def text_name(self) -> str:
        """What a file is called that holds the text as it is, whether this one is gzip or not."""
        return self.path.stem if self._is_packed else self.path.name

    @property
    def size(self) -> int:
        """Bytes of the file, as it was read or saved last."""
        return self.identity.version.size

    @property
    def newest_revision(self) -> int:
        """The newest revision whose content may be in place."""
        return self.identity.version.revision

    def read(self, meanwhile: Callable[[bytes], object] = lambda text: None) -> FileSnapshot:
        """The file as it is now. Clears away what a killed process left. Raises `DatasetError`.

        `meanwhile` is called with the text while another thread hashes it, where the file is not gzip.
        """
        with self.reading():
            clear_unfinished(self.path)
            clear_all_unfinished(self.folder)
            clear_all_unfinished(self.folder / "backups")
            clear_all_unfinished(self.agreed.folder)
            with self.path.open("rb") as file:
                stamp = Stamp.of(os.fstat(file.fileno()))
                data = file.read()
            with Hashing() as hashing:
                hashing.update(data)
                if not is_packed(self.path, data):
                    meanwhile(data)
            content = Content(len(data), hashing.hexdigest())
            if Stamp.of(self.path.stat()) != stamp:
                raise DatasetError(f"{self.name} is being changed by something else; start again when it is done")
            state = self.identity.stored()
            self.backups.look_up()
        self._is_packed = is_packed(self.path, data)
        return FileSnapshot(self.unpacked(data), stamp, state, identify(state, content))

    def packed(self, blocks: Blocks) -> Blocks:
        """The text `blocks` as the file holds it: as gzip where the file is that."""
        return pack(blocks) if self._is_packed else blocks

    def unpacked(self, data: bytes) -> bytes:
        """The text of `data`, which a file of this name holds. Raises `DatasetError`."""
        return unpack(data, self.name) if is_packed(self.path, data) else data

    @contextmanager
    def reading(self) -> Iterator[None]:
        """What the disk refuses meanwhile is raised as a `DatasetError`."""
        try:
            yield
        except OSError as exc:
            raise DatasetError(f"can't read {exc.filename or self.name}: {exc.strerror}") from exc

    def remember(self, next_ids: Mapping[str, int]) -> None:
        """Write down what was read, with the ids that are free, so that its revision stands for nothing else later.

        A disk that fails does not keep anybody from reading: the next save writes it down then.
        """
        self.identity.number_ids(dict(next_ids))
        try:
            if self.identity.stored() != self.identity.state():
                self.folder.mkdir(exist_ok=True)
                # First: a power cut must not bring the file back that this state does not know any more.
                sync_folder(self.path.parent)
                self.identity.write()
        except OSError:
            self.identity.break_lineage()

    def begin_lineage(self) -> None:
        """Revisions are given again that stood for other changes. A disk that fails is let be, as in `remember`."""
        self.identity.break_lineage()
        with suppress(OSError):
            self.identity.write()

    def create(self, data: bytes) -> None:
        """Make the file of this text, where there is none. Raises `DatasetError`."""
        try:
            with NewFile(self.path) as new:
                new.write(self.packed([data]))
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
        overwrite: bool = False,
        keep_journal: bool = False,
        now: float | None = None,
    ) -> Path | None:
        """Replace the file by the text `blocks`, durably, as `revision`. Raises `SaveError`, `FileChanged`.

        Where something else changed the file it is left as it is; with `overwrite`, that version is kept beside it as
        `NAME.theirs-TIME`, and the path of this returned. With `keep_journal`, the journal keeps what the file has now,
        while it is small. `now` is the time in seconds since 1970.
        """
        now = time.time() if now is None else now
        try:
            self.folder.mkdir(exist_ok=True)
            # Looked at twice: before all is written for nothing, and at the last moment.
            if not overwrite and not self.identity.is_known(self.path):
                raise self._file_changed()
            with NewFile(self.path) as new:
                content = new.write(self.packed(blocks))
                version = Version(content.size, content.sha256, revision, dict(next_ids))
                self.identity.expect(version)
                is_theirs = not self.identity.is_known(self.path)
                if is_theirs and not overwrite:
                    raise self._file_changed()
                suffix = f"theirs-{timestamp(now)}"
                with kept_while_replaced(self.path, suffix, self.folder) if is_theirs else nullcontext() as kept:
                    self._back_up(now)
                    new.replace()
                self.identity.replaced(version, new.stamp())
            sync_folder(self.path.parent)
        except OSError as exc:
            raise save_error(self.name, exc) from exc
        self.identity.confirm(version)
        is_forgotten, are_kept = self._forget_older(), self.answers.sync()
        keep_journal = keep_journal and self.journal.size < _MOST_KEPT
        self.journal.checkpoint(revision, needed=keep_journal or not (is_forgotten and are_kept))
        return kept

    def replace_by_download(
        self,
        blocks: Blocks,
        revision: int,
        check: Callable[[Content], object],
        agree: Callable[[Version], Remote],
    ) -> None:
        """Replace the file by the bytes `blocks`, which come from S3, whatever it was. For when no server runs on it.

        It is at least `revision`, and newer than all that was there. `check` is called before, and may raise: then
        nothing was changed. `agree` gives what is agreed with S3 once the version is in place, from that moment on.
        Raises `SaveError`, and what `blocks` raise.
        """
        try:
            self.path.parent.mkdir(parents=True, exist_ok=True)
            self.folder.mkdir(exist_ok=True)
            state, entries = self.identity.stored(), self.journal.read().entries
            with NewFile(self.path) as new:
                content = new.write(blocks)
                check(content)
                self.agreed.keep(new.path, content.sha256)
                known = identify(state, content)
                newest = max(entry.revision for entry in entries) + 1 if entries else 0
                version = Version(*content, max(known.revision, revision, newest), known.next_ids)
                coming = agree(version)
                write_state(self.identity.path, State([*state.versions, version], None, state.remote, coming))
                new.replace()
            sync_folder(self.path.parent)
        except OSError as exc:
            raise save_error(self.name, exc, "nothing was changed") from exc
        self.identity.confirm(version)
        self.remember_remote(coming)

    def settle(self) -> None:
        """Write down that the file has everything, and that nothing changes any more. A disk that fails is let be."""
        with suppress(OSError):
            if self.identity.stored() == self.identity.state():
                self.identity.settle()

    def remember_remote(self, remote: Remote) -> None:
        """Write down what was agreed with S3. Raises `SaveError`; it holds all the same until the process ends."""
        self.identity.remote = remote
        try:
            self.folder.mkdir(exist_ok=True)
            self.identity.write()
        except OSError as exc:
            raise save_error(str(self.identity.path), exc) from exc
        self.agreed.forget_others(remote.contents)

    def open_saved(self) -> OpenedFile:
        """The file as it was saved last, to be read whatever replaces it. Raises `SaveError`, `FileChanged`."""
        try:
            file = self.path.open("rb")
            if not self.identity.is_known(self.path):
                file.close()
                raise self._file_changed()
        except OSError as exc:
            raise save_error(self.name, exc) from exc
        return OpenedFile(file, self.identity.version)

    def changed(self) -> bool:
        """Whether something else changed the file since it was read or saved. Raises `SaveError`."""
        try:
            return not self.identity.is_known(self.path)
        except OSError as exc:
            raise save_error(self.name, exc) from exc

    def _file_changed(self) -> FileChanged:
        return FileChanged(
            f"something else changed {self.name}, so it is not written over; pending changes stay in memory, a copy "
            f"goes to {self.unsaved}. `flask flush --on-conflict overwrite` saves them and keeps the other version "
            "beside the dataset; to take the other version, stop the server, then `flask flush --on-conflict theirs`"
        )

    def _back_up(self, now: float) -> None:
        try:
            self.backups.keep_today(now)
        except OSError as exc:
            # The save is worth more than its backup.
            log.warning("No backup of %s for today: %s", self.name, exc.strerror)

    def _forget_older(self) -> bool:
        """After a save that worked: what it replaced can't come back but by somebody's hand, so it is not ours.

        A disk that fails here takes nothing from that save, and the next one comes back to it; the answer is then no.
        """
        try:
            if self.identity.unsaved is not None:
                self.unsaved.unlink(missing_ok=True)
                self.identity.unsaved = None
            self.identity.write()
        except OSError:
            return False
        return True
