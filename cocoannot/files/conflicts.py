"""What the file, `unsaved.json` and the journal hold may not belong together. The operator decides then, by a choice:

    overwrite   ours goes into the file: unsaved.json, then what can be read of the journal
    theirs      the file is taken as it is

What was not chosen is kept beside the dataset. What a change means is not known here: who calls makes them again.
"""

from __future__ import annotations

import logging
import os
import shutil
from collections.abc import Callable, Mapping, Sequence
from itertools import count, takewhile
from pathlib import Path
from typing import NamedTuple

import msgspec

from cocoannot.errors import DatasetError, JournalConflict
from cocoannot.files.atomic import NewFile, content_of, sync_folder
from cocoannot.files.dataset_file import Blocks, DatasetFile, FileSnapshot
from cocoannot.files.disk_errors import save_error
from cocoannot.files.identity import identify
from cocoannot.files.journal import Recording
from cocoannot.files.kept_copies import keep_file, keep_folder, kept_while_replaced, move
from cocoannot.files.lineage import survived
from cocoannot.files.segments import Entry
from cocoannot.files.state import State, Version, write_state

log = logging.getLogger(__name__)


class LoadedFile(NamedTuple):
    """What a start finds: the file's text, which version it is, and the changes that the journal has after it.

    `is_known` is false for a content that is in no state file: the first one, or one that something else wrote.
    `is_certain` is false where it is not certain that the changes belong to this file. `earlier` are changes that the
    journal still has, and the file too.
    """

    data: bytes
    version: Version
    entries: list[Entry]
    is_known: bool
    is_certain: bool
    earlier: Sequence[Entry] = ()

    @property
    def revision(self) -> int:
        """The newest one: that of the last change, of the file where there is none after it."""
        return max([self.version.revision, *(entry.revision for entry in self.entries)])


def load_file(file: DatasetFile, meanwhile: Callable[[bytes], object] = lambda text: None) -> LoadedFile:
    """The file, and the changes that its journal has after it; `meanwhile` is that of `DatasetFile.read`.

    Raises `DatasetError` where it can't be read, or there is a conflict; `JournalConflict` for one of the journal.
    """
    found, recording = _read(file, meanwhile)
    entries = _after(_floor(found), recording)
    goes_on = found.is_known and survived(found.state.boot)
    if entries:
        certain = _certain(file, found, entries, recording)
        if len(certain) < len(entries):
            log.warning(
                "Changes that no fsync had reached were lost in a crash of the machine: those after revision %d, "
                "up to %d at least",
                _floor(found) + len(certain),
                entries[-1].revision,
            )
            goes_on = False
        entries = certain
    lineage = found.state.lineage if goes_on else ""
    file.identity.take([found.version], found.stamp, found.state.remote_of(found.version), lineage)
    earlier = [entry for entry in recording.entries if entry.revision <= _floor(found)]
    return LoadedFile(found.data, found.version, entries, found.is_known, is_certain=True, earlier=earlier)


def load_uncertain(file: DatasetFile) -> LoadedFile:
    """The file, and all that can be read of its journal, to be put on top of it: the operator decided so.

    Raises `DatasetError`.
    """
    found, recording = _read(file)
    floor = _floor(found)
    # Older than each of the changes: a crash before this is saved must find them needed.
    version = msgspec.structs.replace(found.version, revision=max(floor, 0))
    # And it must have to be decided again: what is not known yet is not to be taken for known before it was saved.
    versions = [version] if found.is_known or not found.state.versions else found.state.versions
    file.identity.take(versions, found.stamp, found.state.remote_of(version))
    return LoadedFile(found.data, version, _after(floor, recording), found.is_known, is_certain=False)


def keep_unsaved(file: DatasetFile, blocks: Blocks, revision: int, next_ids: Mapping[str, int]) -> None:
    """Write the text `blocks` to `unsaved.json`, once for each revision. Raises `SaveError`."""
    identity = file.identity
    try:
        if identity.unsaved is None or identity.unsaved.revision != revision:
            file.folder.mkdir(exist_ok=True)
            with NewFile(file.unsaved, like=file.path) as new:
                # In the form of the file, whose place it may take.
                content = new.write(file.packed(blocks))
                version = Version(content.size, content.sha256, revision, dict(next_ids))
                identity.expect_unsaved(version)
                new.replace()
            identity.unsaved = version
        sync_folder(file.folder)
    except OSError as exc:
        raise save_error(str(file.unsaved), exc) from exc


def resolve_conflict(
    file: DatasetFile,
    choice: str,
    moment: str,
    replay: Callable[[LoadedFile], object],
    ids_after: Callable[[LoadedFile], dict[str, int]],
) -> list[Path]:
    """Make `choice`; returns where what was not chosen is kept, in names that end in `theirs-` or `ours-MOMENT`.

    The caller owns the dataset. `replay` saves the file with the changes that come with it; `ids_after` gives the ids
    that neither the file nor these changes have taken. Raises `DatasetError` where there is no conflict, `SaveError`
    where a disk fails.
    """
    kept = []
    has_unsaved = file.unsaved.exists()
    if has_unsaved:
        kept += _take_unsaved(file, moment) if choice == "overwrite" else _leave_unsaved(file, moment)
    certain = _load_if_certain(file)
    if certain and not has_unsaved:
        raise DatasetError(f"{file.name}: there is no conflict to settle")
    uncertain = load_uncertain(file)
    if uncertain.entries and choice == "theirs":
        kept.append(_give_up_journal(file, moment, uncertain, ids_after(uncertain)))
    elif uncertain.entries and certain:
        replay(certain)
    elif uncertain.entries:
        kept.append(keep_file(file.path, f"theirs-{moment}", file.folder))
        kept.append(keep_folder(file.journal.folder, file.path, f"ours-{moment}.journal", file.folder))
        replay(uncertain)
    return kept


def set_aside(file: DatasetFile, moment: str) -> list[Path]:
    """Keep all that is ours beside the dataset: a copy of the file, and where they are, unsaved.json and journal.

    Returns their paths, which end in `ours-MOMENT`. Raises `SaveError`.
    """
    suffix = f"ours-{moment}"
    kept = [keep_file(file.path, suffix, file.folder)]
    try:
        if file.unsaved.exists():
            kept.append(move(file.unsaved, file.path, f"{suffix}.unsaved"))
        if file.journal.folder.exists() and file.journal.read().entries:
            kept.append(move(file.journal.folder, file.path, f"{suffix}.journal"))
        sync_folder(file.path.parent)
    except OSError as exc:
        raise save_error(file.name, exc, "nothing is lost, try again") from exc
    return kept


def _read(
    file: DatasetFile, meanwhile: Callable[[bytes], object] = lambda text: None
) -> tuple[FileSnapshot, Recording]:
    found = file.read(meanwhile)
    with file.reading():
        if file.unsaved.exists():
            _check_unsaved(file, found)
        return found, file.journal.read()


def _check_unsaved(file: DatasetFile, found: FileSnapshot) -> None:
    unsaved = found.state.unsaved
    if unsaved is not None and found.is_known and found.version.revision >= unsaved.revision:
        file.unsaved.unlink()  # left by a process that died between saving and clearing up
        return
    raise DatasetError(
        f"{file.name} was changed by something else while changes were pending; they are in {file.unsaved}. "
        "`flask flush --on-conflict overwrite` saves them and keeps the other version beside the dataset, "
        "`flask flush --on-conflict theirs` takes the other version and keeps ours beside it"
    )


def _floor(found: FileSnapshot) -> int:
    """The revision after which changes are needed: what is newer than the oldest content that may have been in place,
    unless a newer one is there."""
    if found.is_known:
        return found.version.revision
    return min((version.revision for version in found.state.versions), default=-1)


def _after(floor: int, recording: Recording) -> list[Entry]:
    return [entry for entry in recording.entries if entry.revision > floor]


def _certain(file: DatasetFile, found: FileSnapshot, entries: list[Entry], recording: Recording) -> list[Entry]:
    """Those of `entries` that follow the file one by one. Raises `JournalConflict` where promised ones are missing.

    A power cut may keep a line from the disk and not one that was written after it, where neither had been fsynced
    yet. None of them was promised then, and those after the missing one are no good without it.
    """
    floor = _floor(found)
    numbered = takewhile(lambda each: each[0].revision == each[1], zip(entries, count(floor + 1), strict=False))
    following = [entry for entry, _ in numbered]
    rest = entries[len(following) :]
    last = floor + len(following)
    unpromised = recording.damage is None and all(entry.durable <= last < entry.revision for entry in rest)
    if found.is_known and (unpromised or not rest):
        return following
    if found.is_known:
        reason = recording.damage or f"{file.journal.folder}: changes after revision {floor} are missing"
    else:
        reason = f"{file.name} was changed by something else"
    raise JournalConflict(
        f"{reason}, and the journal holds {len(entries)} change(s) that are not in the file. `flask flush "
        "--on-conflict overwrite` puts those that can be read on top of the file as it is now, `flask flush "
        "--on-conflict theirs` takes the file without them; what was not chosen is kept beside the dataset"
    )


def _load_if_certain(file: DatasetFile) -> LoadedFile | None:
    try:
        return load_file(file)
    except JournalConflict:
        return None


def _take_unsaved(file: DatasetFile, moment: str) -> list[Path]:
    """Put `unsaved.json` in the place of the file, which is kept where there is one."""
    kept: list[Path] = []
    try:
        state = file.identity.stored()
        version = identify(state, content_of(file.unsaved))
        write_state(file.identity.path, State([*state.versions, version], version, state.remote))
        # The folder is on the same file system as the dataset beside it.
        if file.path.exists():
            with kept_while_replaced(file.path, f"theirs-{moment}", file.folder) as theirs:
                os.rename(file.unsaved, file.path)
            kept.append(theirs)
        else:
            os.rename(file.unsaved, file.path)
        _sync_both(file)
    except OSError as exc:
        raise save_error(file.name, exc, "both versions are still there; try again") from exc
    return kept


def _leave_unsaved(file: DatasetFile, moment: str) -> list[Path]:
    """Keep `unsaved.json` beside the dataset, whose file stays."""
    try:
        # Nothing is moved where that is damaged.
        file.identity.stored()
        kept = move(file.unsaved, file.path, f"ours-{moment}")
        _sync_both(file)
    except OSError as exc:
        raise save_error(file.name, exc, "both versions are still there; try again") from exc
    return [kept]


def _sync_both(file: DatasetFile) -> None:
    sync_folder(file.folder)
    sync_folder(file.path.parent)


def _give_up_journal(file: DatasetFile, moment: str, found: LoadedFile, next_ids: dict[str, int]) -> Path:
    """Take the file without the journal, as a version newer than any there; returns the path where that is kept."""
    version = msgspec.structs.replace(found.version, revision=found.revision + 1, next_ids=next_ids)
    kept = keep_folder(file.journal.folder, file.path, f"ours-{moment}.journal", file.folder)
    try:
        # Before the journal goes: no revision and no id of it may be given again, wherever this process dies.
        write_state(file.identity.path, State([version], None, file.identity.remote))
    except OSError as exc:
        shutil.rmtree(kept, ignore_errors=True)
        raise save_error(file.name, exc, "nothing was changed; try again") from exc
    file.identity.confirm(version)
    # What stays of it is older than the file now, and goes with the next start.
    shutil.rmtree(file.journal.folder, ignore_errors=True)
    return kept
