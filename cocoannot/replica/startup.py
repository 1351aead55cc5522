"""What the start of a server does about the local copy and the object in S3: the facts, the decision, the action."""

from __future__ import annotations

import logging
from collections.abc import Callable
from enum import Enum, auto

from cocoannot.clock import Clock
from cocoannot.errors import CocoannotError, DatasetError, S3Error
from cocoannot.files.conflicts import LoadedFile, load_file
from cocoannot.files.dataset_file import DatasetFile
from cocoannot.files.state import Remote
from cocoannot.replica.download import download
from cocoannot.replica.remote_object import RemoteObject

log = logging.getLogger(__name__)


class CopyState(Enum):
    """The local copy: none, one that is not known to be from this object or was changed by something else, one that
    is, and one that has edits: what came after the revision that was agreed with S3 last."""

    NONE = auto()
    NOT_OURS = auto()
    UNEDITED = auto()
    EDITED = auto()


class ObjectState(Enum):
    """The object in S3, beside what was agreed last; `CHANGED` too where nothing was."""

    SAME = auto()
    CHANGED = auto()
    GONE = auto()
    UNREACHABLE = auto()


class Action(Enum):
    """What is done at the start."""

    DOWNLOAD = auto()
    USE_COPY = auto()
    USE_COPY_IN_CONFLICT = auto()
    USE_COPY_UNCHECKED = auto()
    CREATE = auto()
    STOP = auto()


def decide(copy: CopyState, theirs: ObjectState, *, create: bool = False) -> Action:
    """What to do; with `create`, a dataset that is nowhere is made.

    local copy             S3              at the start
    none                   there           download
    no edits of its own    same ETag       use the copy: level
    no edits of its own    another ETag    download
    edits not uploaded     same ETag       use the copy: ahead
    edits not uploaded     another, gone   use the copy: conflict, nothing is discarded
    no edits of its own    gone            use the copy: conflict
    there                  unreachable     use the copy: unknown
    not known, or changed  there           stop, and say how to choose
    none                   missing, or     stop
                           unreachable
    """
    match copy, theirs:
        case CopyState.NONE, ObjectState.UNREACHABLE:
            return Action.STOP
        case CopyState.NONE, ObjectState.GONE:
            return Action.CREATE if create else Action.STOP
        case CopyState.NONE, _:
            return Action.DOWNLOAD
        case _, ObjectState.UNREACHABLE:
            return Action.USE_COPY_UNCHECKED
        case CopyState.NOT_OURS, _:
            return Action.STOP
        case _, ObjectState.SAME:
            return Action.USE_COPY
        case CopyState.UNEDITED, ObjectState.CHANGED:
            return Action.DOWNLOAD
        case _:
            return Action.USE_COPY_IN_CONFLICT


def start(
    remote: RemoteObject, file: DatasetFile, clock: Clock, beat: Callable[[], object], *, create: bool
) -> LoadedFile | None:
    """Bring the local copy to what the table says; returns it where it was read and is used as it is.

    `beat` is called often while that takes long. Raises `S3Error`, `DatasetError`, `SaveError`.
    """
    loaded = load_file(file) if file.path.exists() else None
    refusal = _look(remote)
    copy = _copy_state(remote, file, loaded, clock)
    theirs = _object_state(remote, file.identity.remote, reached=refusal is None)
    match decide(copy, theirs, create=create):
        case Action.DOWNLOAD:
            assert remote.seen is not None
            download(remote, remote.seen, file, clock, beat)
            return None
        case Action.CREATE:
            file.remember_remote(Remote(str(remote.uri), None, "", -1))
        case Action.USE_COPY:
            log.info("%s has not changed since; the local copy %s is used", remote.uri, file.path)
            _keep_agreed(file)
        case Action.USE_COPY_IN_CONFLICT:
            log.warning("%s; the local copy %s is used", remote.describe_conflict(), file.path)
        case Action.USE_COPY_UNCHECKED:
            log.warning("%s; the local copy is used, it is not known what is in S3", refusal)
        case Action.STOP:
            raise refusal or _refusal(remote, file, loaded)
    return loaded


def _keep_agreed(file: DatasetFile) -> None:
    """Version 0.1.0 did not keep what was agreed with S3; it may be there all the same."""
    agreed, version = file.identity.remote, file.identity.version
    if agreed is not None and agreed.sha256 == version.sha256:
        file.agreed.keep(file.path, version.sha256)


def _look(remote: RemoteObject) -> S3Error | None:
    try:
        remote.look()
    except S3Error as exc:
        return exc
    return None


def _copy_state(remote: RemoteObject, file: DatasetFile, loaded: LoadedFile | None, clock: Clock) -> CopyState:
    if loaded is None:
        return CopyState.NONE
    if not _is_of(remote, file):
        return CopyState.NOT_OURS
    agreed = file.identity.remote
    assert agreed is not None
    # Where there never was an object there is nothing to choose from; a start that was killed may leave that.
    if not loaded.is_known and not (agreed.etag is None and remote.seen is None):
        return CopyState.NOT_OURS
    if remote.is_known and (recognised := remote.recognise(agreed, clock.time())):
        file.remember_remote(recognised)
        agreed = recognised
    return CopyState.EDITED if loaded.revision > agreed.revision else CopyState.UNEDITED


def _object_state(remote: RemoteObject, agreed: Remote | None, *, reached: bool) -> ObjectState:
    if not reached:
        return ObjectState.UNREACHABLE
    if agreed is not None and agreed.etag == remote.etag:
        return ObjectState.SAME
    return ObjectState.GONE if remote.seen is None else ObjectState.CHANGED


def _is_of(remote: RemoteObject, file: DatasetFile) -> bool:
    agreed = file.identity.remote
    return agreed is not None and agreed.uri == str(remote.uri)


def _refusal(remote: RemoteObject, file: DatasetFile, loaded: LoadedFile | None) -> CocoannotError:
    if loaded is None:
        return S3Error(
            f"{remote.uri}: there is no such object; correct COCOANNOT_DATASET, or set COCOANNOT_CREATE=1 to make an "
            "empty dataset"
        )
    reason = "was changed by something else" if _is_of(remote, file) else f"is not known to be one of {remote.uri}"
    return DatasetError(
        f"the local copy {file.path} {reason}: `flask pull-from-s3` takes S3's version and keeps the "
        "local one beside it, `flask save-to-s3 --on-conflict overwrite` uploads the local one and keeps S3's"
    )
