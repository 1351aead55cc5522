"""The history's file: made, opened, put aside where it is of no use. What its tables mean is for those who use them.

    stretch   where revisions go on that can't be proven to follow the ones before; see `cocoannot.history.stretches`
    change    one row a change, numbered by the first of its edits: all edits are counted, over stretches and restarts
    block     the texts of about 128 edits, numbered by the first of them; see `cocoannot.history.blocks`
    version   which changes changed a record
    touched   which changes changed something on an image
    work      what each user did on each day
    numbering the positions of the records in the dataset's file; see `cocoannot.history.numbering`

SQLite in WAL mode: what was committed survives the end of the process, and a power cut once it was `sealed`.
"""

from __future__ import annotations

import os
import sqlite3
from collections.abc import Iterator
from contextlib import closing, contextmanager, suppress
from pathlib import Path
from typing import Any, TypeVar

import msgspec

from cocoannot.files.kept_copies import timestamp
from cocoannot.history.blocks import DamagedHistory

_APPLICATION = 0x636F636F
_VERSION = 1
_BUSY = 2.0
"""Seconds to wait for somebody else who has the file locked."""

_TRANSIENT = {
    sqlite3.SQLITE_BUSY,
    sqlite3.SQLITE_CANTOPEN,
    sqlite3.SQLITE_FULL,
    sqlite3.SQLITE_INTERRUPT,
    sqlite3.SQLITE_IOERR,
    sqlite3.SQLITE_LOCKED,
    sqlite3.SQLITE_NOLFS,
    sqlite3.SQLITE_NOMEM,
    sqlite3.SQLITE_PERM,
    sqlite3.SQLITE_PROTOCOL,
    sqlite3.SQLITE_READONLY,
}
"""What may be over the next time; whatever else SQLite says is taken for damage."""

_SCHEMA = f"""
PRAGMA page_size = 8192;
PRAGMA auto_vacuum = INCREMENTAL;
PRAGMA journal_mode = WAL;
BEGIN;
CREATE TABLE stretch (
    edit INTEGER NOT NULL, revision INTEGER NOT NULL, time REAL NOT NULL, reason TEXT NOT NULL, joined INTEGER NOT NULL
);
CREATE TABLE user (id INTEGER PRIMARY KEY, name TEXT NOT NULL UNIQUE);
CREATE TABLE change (
    edit INTEGER PRIMARY KEY, revision INTEGER NOT NULL, time REAL NOT NULL, user INTEGER, key TEXT, undoes INTEGER,
    replaced TEXT, heads BLOB NOT NULL
);
CREATE INDEX change_by_user ON change (user);
CREATE INDEX replacement ON change (edit) WHERE replaced IS NOT NULL;
CREATE TABLE block (edit INTEGER PRIMARY KEY, texts BLOB NOT NULL);
CREATE TABLE version (
    section INTEGER, id INTEGER, change INTEGER, PRIMARY KEY (section, id, change)
) WITHOUT ROWID;
CREATE TABLE touched (image INTEGER, change INTEGER, PRIMARY KEY (image, change)) WITHOUT ROWID;
CREATE TABLE work (
    day INTEGER, user INTEGER, changes INTEGER NOT NULL, annotations INTEGER NOT NULL, images INTEGER NOT NULL,
    PRIMARY KEY (day, user)
) WITHOUT ROWID;
CREATE TABLE numbering (revision INTEGER PRIMARY KEY, sections BLOB NOT NULL);
PRAGMA application_id = {_APPLICATION};
PRAGMA user_version = {_VERSION};
COMMIT;
"""


_Kind = TypeVar("_Kind")


class _Connection(sqlite3.Connection):
    """A connection that tells all damage as SQLite does: its messages have names that are in the file, and where these
    are no text, Python raises `UnicodeDecodeError` instead."""

    def execute(self, sql: str, parameters: Any = (), /) -> sqlite3.Cursor:
        try:
            return super().execute(sql, parameters)
        except UnicodeDecodeError as exc:
            error = sqlite3.DatabaseError("its names are no text")
            error.sqlite_errorcode = sqlite3.SQLITE_CORRUPT
            raise error from exc


def open_database(path: Path) -> sqlite3.Connection:
    """Open the history at `path` for writing; it is made where there is none, and its folder too.

    One thread at a time may use what comes back. Raises `sqlite3.Error`, `DamagedHistory`, `OSError`.
    """
    if path.is_dir():
        raise DamagedHistory("it is a folder")
    path.parent.mkdir(exist_ok=True)
    database = sqlite3.connect(path, timeout=_BUSY, isolation_level=None, check_same_thread=False, factory=_Connection)
    try:
        database.execute("PRAGMA synchronous = NORMAL")
        found, version = _number(database, "application_id"), _number(database, "user_version")
        if not (found or version) and not database.execute("SELECT count(*) FROM sqlite_schema").fetchone()[0]:
            database.executescript(_SCHEMA)
        elif found != _APPLICATION:
            raise DamagedHistory("it is not a history")
        elif version != _VERSION:
            raise DamagedHistory(f"it is of version {version}, and this cocoannot writes version {_VERSION}")
        # The log stays small beside the file: 512 pages of 8 KiB.
        database.execute("PRAGMA wal_autocheckpoint = 512")
        database.execute("PRAGMA journal_size_limit = 4194304")
    except BaseException:
        database.close()
        raise
    return database


def open_for_reading(path: Path) -> closing[sqlite3.Connection]:
    """A connection that reads one moment of the history, to be used by one thread. Raises `sqlite3.Error`."""
    address = f"{path.absolute().as_uri()}?mode=ro"
    database = sqlite3.connect(address, uri=True, timeout=_BUSY, isolation_level=None, factory=_Connection)
    database.execute("BEGIN")
    return closing(database)


@contextmanager
def transaction(database: sqlite3.Connection) -> Iterator[None]:
    """Everything that is done meanwhile is done, or nothing. Raises `sqlite3.Error`."""
    database.execute("BEGIN IMMEDIATE")
    try:
        yield
        database.execute("COMMIT")
    except BaseException:
        if database.in_transaction:
            database.execute("ROLLBACK")
        raise


def is_transient(error: Exception) -> bool:
    """Whether what went wrong with the file may be over the next time, so that the file is to be left where it is."""
    if isinstance(error, sqlite3.Error):
        # Those that Python raises by itself have no number: an `OperationalError` tells of a text that is none, all
        # others of a wrong call, which no other file would mend.
        unknown = sqlite3.SQLITE_CORRUPT if isinstance(error, sqlite3.OperationalError) else sqlite3.SQLITE_BUSY
        return getattr(error, "sqlite_errorcode", unknown) & 0xFF in _TRANSIENT
    return not isinstance(error, DamagedHistory)


def checked(row: object, kind: type[_Kind]) -> _Kind:
    """A row of the history as a tuple of `kind`: where the file is damaged, any column may hold anything, and a row may
    not be there. Raises `DamagedHistory`."""
    try:
        return msgspec.convert(row, kind)
    except msgspec.ValidationError as exc:
        raise DamagedHistory(f"a row can't be read ({exc})") from exc


def seal(database: sqlite3.Connection) -> None:
    """Make durable what was committed. Raises `sqlite3.Error`."""
    # The write-ahead log is fsynced, copied into the file, and that fsynced; readers are not waited for.
    database.execute("PRAGMA wal_checkpoint(PASSIVE)").fetchall()


def put_aside(path: Path, now: float) -> Path:
    """Rename a history that is of no use, with what SQLite keeps beside it; returns its new path. Raises `OSError`."""
    number, aside = 1, path.with_name(f"{path.name}.damaged-{timestamp(now)}")
    while aside.exists():
        number += 1
        aside = path.with_name(f"{path.name}.damaged-{timestamp(now)}-{number}")
    # The file first: a process that dies in between must not leave it without the log that it needs.
    for suffix in ("", "-wal", "-shm"):
        with suppress(FileNotFoundError):
            os.rename(f"{path}{suffix}", f"{aside}{suffix}")
    return aside


def _number(database: sqlite3.Connection, pragma: str) -> int:
    number: int = database.execute(f"PRAGMA {pragma}").fetchone()[0]
    return number
