"""Settling, while no server runs, what becomes of changes that the dataset's file lacks and may not belong to.

    overwrite   they go into the file: unsaved.json, then what can be read of the journal
    theirs      the file is taken as it is

What was not chosen is kept beside the dataset.
"""

from __future__ import annotations

from pathlib import Path

from cocoannot.errors import DatasetError, JournalConflict
from cocoannot.files.dataset_file import DatasetFile, Found
from cocoannot.files.state import Version
from cocoannot.store.memory.journal_changes import ids_beyond
from cocoannot.store.memory.store import MemoryStore


def settle(file: DatasetFile, choice: str, moment: str) -> list[Path]:
    """Make `choice`; returns where what was not chosen is kept, in names that end in `theirs-` or `ours-MOMENT`.

    The caller owns the dataset. Raises `DatasetError` where there is no conflict, `SaveError` where a disk fails.
    """
    kept = []
    resolved = file.unsaved.exists()
    if resolved:
        kept.append(file.resolve(choice, f"{'theirs' if choice == 'overwrite' else 'ours'}-{moment}"))
    certain = _journal_is_certain(file)
    if certain and not resolved:
        raise DatasetError(f"{file.name}: there is no conflict to settle")
    found = file.read(settle=True)
    if found.entries and choice == "theirs":
        kept.append(_give_up_journal(file, found, f"ours-{moment}.journal"))
    elif found.entries:
        if not certain:
            kept += [file.keep_theirs(f"theirs-{moment}"), file.keep_journal(f"ours-{moment}.journal")]
        _save_journal(file, certain=certain)
    return [path for path in kept if path]


def _journal_is_certain(file: DatasetFile) -> bool:
    try:
        file.read()
    except JournalConflict:
        return False
    return True


def _give_up_journal(file: DatasetFile, found: Found, suffix: str) -> Path:
    next_ids = ids_beyond(found.entries, found.version.next_ids)
    version = Version(found.version.size, found.version.sha256, found.revision + 1, next_ids)
    return file.give_up_journal(suffix, version)


def _save_journal(file: DatasetFile, *, certain: bool) -> None:
    store = MemoryStore()
    store.file_saver.load(file, lenient=not certain)
    store.save()
