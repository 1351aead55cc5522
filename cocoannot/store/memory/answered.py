"""Requests with a key: what was answered before, and what is kept of an answer. Where that lies is not known here."""

from __future__ import annotations

import errno
import logging
from collections.abc import Iterable

import msgspec
from msgspec import UnsetType

from cocoannot.changes.answer import Answer, Result, whole
from cocoannot.changes.change import Change
from cocoannot.errors import DatasetError, JournalError
from cocoannot.files.answers import KeptAnswers
from cocoannot.files.segments import Entry
from cocoannot.store.answers import repeated
from cocoannot.store.base import Committed
from cocoannot.store.memory.journal_changes import texts_after

log = logging.getLogger(__name__)


class _KeptAnswer(msgspec.Struct, frozen=True, omit_defaults=True):
    """One line of `KeptAnswers`: the change that was made, and what was answered."""

    revision: int
    time: float
    key: str
    request: str
    results: tuple[Result, ...]
    actor: str | None = None
    undoes: int | None = None
    merged: dict[int, tuple[str, ...]] = {}


def answered(kept: KeptAnswers, actor: str | None, key: str, request: str) -> Committed | None:
    """What `actor` was answered to the request with this key, `None` where it was not done yet.

    Raises `KeyReused` where that was another request; `JournalError` where what is kept can't be read, or no further
    answer could be kept.
    """
    try:
        entry = kept.find(actor, key)
        if entry is None:
            kept.write()
    except OSError as exc:
        raise JournalError(
            f"can't keep answers in {kept.folder}: {exc.strerror}; the change was not made. It can be made as soon as "
            "the disk takes it, or without a key",
            disk_full=exc.errno in (errno.ENOSPC, errno.EDQUOT),
        ) from exc
    if entry is None:
        return None
    found = msgspec.json.decode(entry, type=_KeptAnswer)
    change = Change(found.revision, found.time, actor, key, undoes=found.undoes)
    return repeated(change, Answer(found.request, found.results, found.merged), request)


def keep(kept: KeptAnswers, change: Change, answer: Answer) -> None:
    """Keep what was answered to the request that made `change`."""
    assert change.key is not None
    _keep(kept, change, change.key, whole(answer, [edit.after for edit in change.edits]))


def take_over(kept: KeptAnswers, entries: Iterable[Entry], revision: int) -> None:
    """Keep the answers that the journal has in `entries`, up to `revision`. Raises `DatasetError`, `OSError`."""
    missing = False
    for entry in entries:
        if entry.key is None or isinstance(entry.answer, UnsetType) or entry.revision > revision:
            continue
        if kept.find(entry.actor, entry.key) is None:
            try:
                answer = msgspec.json.decode(entry.answer, type=Answer)
                _keep(kept, entry, entry.key, whole(answer, texts_after(entry)))
            except (msgspec.MsgspecError, IndexError) as exc:
                raise DatasetError(f"the journal holds an answer that this version does not know ({exc})") from exc
            missing = True
    if missing and not kept.sync():
        log.warning("can't write %s; a power cut may take answers to requests with a key", kept.folder)


def _keep(kept: KeptAnswers, change: Change | Entry, key: str, answer: Answer) -> None:
    undoes = None if isinstance(change.undoes, UnsetType) else change.undoes
    entry = _KeptAnswer(
        change.revision, change.time, key, answer.request, answer.results, change.actor, undoes, answer.merged
    )
    kept.add(change.actor, key, msgspec.json.encode(entry))
