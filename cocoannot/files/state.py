"""The state file: which content of the dataset's file stands for which revision."""

from __future__ import annotations

import hashlib
from pathlib import Path

import msgspec

from cocoannot.errors import DatasetError
from cocoannot.files.atomic import Content, replace_file


class Version(msgspec.Struct, frozen=True):
    """One content of the dataset's file: its size in bytes, its sha256, and what it stands for."""

    size: int
    sha256: str
    revision: int
    next_ids: dict[str, int]

    @property
    def content(self) -> Content:
        return Content(self.size, self.sha256)


class Remote(msgspec.Struct, frozen=True):
    """What was agreed last with an object elsewhere: its URI, ETag (`None` for none yet), and our version that it is.

    `uploading` is the sha256 and the revision of an upload that may be there, though no answer came. `version_id` is
    the object's, where its bucket has versions.
    """

    uri: str
    etag: str | None
    sha256: str
    revision: int
    uploaded_at: float | None = None
    uploading: tuple[str, int] | None = None
    version_id: str | None = None

    @property
    def contents(self) -> set[str]:
        """The sha256 of each content that may be what S3 has, as far as is known here."""
        return {self.sha256, self.uploading[0]} if self.uploading else {self.sha256}


class State(msgspec.Struct, frozen=True):
    """Every content that the file may have after a crash, oldest first, and the one kept in `unsaved.json`.

    `coming` takes the place of `remote` where the file is the version that it names: one that was being downloaded.
    `lineage` and `boot` are those of the revisions (see `cocoannot.files.lineage`): a state that is written without
    them ends the lineage.
    """

    versions: list[Version] = []
    unsaved: Version | None = None
    remote: Remote | None = None
    coming: Remote | None = None
    lineage: str = ""
    boot: str = ""

    def remote_of(self, version: Version) -> Remote | None:
        """What is agreed with S3 where the file is `version`."""
        if self.coming is not None and self.coming.sha256 == version.sha256:
            return self.coming
        return self.remote


class _Signed(msgspec.Struct):
    format: int
    sha256: str
    state: msgspec.Raw


_FORMAT = 1


def read_state(path: Path) -> State:
    """Read the state file; an empty `State` where there is none. Raises `DatasetError`, `OSError`."""
    try:
        text = path.read_bytes()
    except FileNotFoundError:
        return State()
    try:
        signed = msgspec.json.decode(text, type=_Signed)
        if signed.format != _FORMAT or hashlib.sha256(signed.state).hexdigest() != signed.sha256:
            raise ValueError("its checksum is wrong")
        return msgspec.json.decode(signed.state, type=State)
    except (ValueError, RecursionError) as exc:  # msgspec.DecodeError is the former
        raise DatasetError(
            f"{path}: the state file is damaged ({exc}); move it away to start from the dataset's file alone: "
            "revisions then begin again, and ids of deleted records may be given again"
        ) from exc


def write_state(path: Path, state: State) -> None:
    """Replace the state file, durably. Raises `OSError`."""
    text = msgspec.json.encode(state)
    signed = _Signed(_FORMAT, hashlib.sha256(text).hexdigest(), msgspec.Raw(text))
    replace_file(path, msgspec.json.encode(signed) + b"\n")
