"""What can go wrong, as one small tree. HTTP status codes are the business of `cocoannot.api`."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any


class CocoannotError(Exception):
    """Base of every error that cocoannot raises on purpose; its text says what, where and what to do."""


class ConfigError(CocoannotError):
    """A setting has a value that is not allowed."""


class DatasetError(CocoannotError):
    """The dataset can't be read, or a text that should replace it can't be."""


class BadPredictions(DatasetError):
    """Predictions of a file are wrong; `errors` maps the indexes of the first of them to fields and what is wrong."""

    def __init__(self, errors: Mapping[str, Mapping[str, Sequence[str]]], count: int) -> None:
        index, fields = next(iter(errors.items()))
        words = "; ".join(f"{field}: {' '.join(texts)}" for field, texts in fields.items())
        more = f" ({count} are wrong in all)" if count > 1 else ""
        super().__init__(f"prediction {index}: {words}{more}; nothing was imported")
        self.errors = errors
        self.count = count


class ForeignPredictions(DatasetError):
    """Predictions are of images or categories that the dataset does not have.

    `counts` has by field how many `predictions` that concerns, how many `ids`, and `examples` of these; `total` is how
    many predictions there are.
    """

    def __init__(self, counts: Mapping[str, Mapping[str, Any]], total: int) -> None:
        nouns = {"image_id": "image(s)", "category_id": "categories"}
        words = [
            f"{each['predictions']} of {total} predictions are of {each['ids']} {nouns[field]} that do not exist "
            f"(such as {field} {each['examples'][0]})"
            for field, each in counts.items()
        ]
        super().__init__(f"{'; '.join(words)}; they belong to another dataset, and nothing was imported")
        self.counts = counts


class NotADataset(DatasetError):
    """The file is of another kind, or no JSON: no copy of it can be repaired."""


class NotLoaded(CocoannotError):
    """The dataset is not loaded (yet)."""


class OwnedElsewhere(CocoannotError):
    """Another process owns the dataset."""


class SaveError(CocoannotError):
    """The dataset could not be written; nothing is lost, and the change stays pending."""

    def __init__(self, message: str, *, disk_full: bool = False) -> None:
        super().__init__(message)
        self.disk_full = disk_full


class FileChanged(SaveError):
    """Something else changed the dataset's file since it was read; it is not written over."""


class JournalError(CocoannotError):
    """A change could not be written down, so it was not made; or, as `NotDurable`, it was made all the same."""

    def __init__(self, message: str, *, disk_full: bool = False) -> None:
        super().__init__(message)
        self.disk_full = disk_full


class NotDurable(JournalError):
    """The change was made, but it is not known whether it would survive a power cut."""


class JournalConflict(DatasetError):
    """The journal holds changes, and it is not certain what they belong to; the operator decides."""


class S3Error(CocoannotError):
    """S3 refused, could not be reached, or sent something broken; nothing was changed here."""


class S3Changed(CocoannotError):
    """An object is not what a condition said."""


class NotInS3(CocoannotError):
    """The dataset has no object in S3."""


class NotKept(CocoannotError):
    """A revision of the past is not kept any more, or there is no such revision yet."""


class HistoryError(CocoannotError):
    """The history can't be read at the moment; nothing is lost."""


class UnknownId(CocoannotError):
    """No record has this id."""


class AmbiguousId(CocoannotError):
    """More than one record has this id."""


class Conflict(CocoannotError):
    """The change contradicts what the dataset holds (id or name taken, category in use, read-only)."""

    def __init__(self, message: str, details: Mapping[str, object] | None = None) -> None:
        super().__init__(message)
        self.details = dict(details or {})


class KeyReused(CocoannotError):
    """The key of a request was given to another request before."""


class BadHeader(CocoannotError):
    """A header of a request can't be what it is; `name` is its name."""

    def __init__(self, name: str, problem: str) -> None:
        super().__init__(f"{name}: {problem}")
        self.name = name
        self.problem = problem


class S3Conflict(Conflict):
    """S3 has a version of somebody else, which is not written over."""


class VersionMismatch(CocoannotError):
    """The record or the dataset is not at the version that the caller expected.

    `current` is the version that it is at: an ETag for a record, a revision for the dataset. `details` tell of what
    could not be merged.
    """

    def __init__(self, message: str, current: str, details: Mapping[str, object] | None = None) -> None:
        super().__init__(message)
        self.current = current
        self.details = dict(details or {})


class InvalidRecord(CocoannotError):
    """A record breaks the rules; `errors` maps each field to what is wrong with it."""

    def __init__(self, errors: Mapping[str, Sequence[str]]) -> None:
        super().__init__("; ".join(f"{field}: {' '.join(texts)}" for field, texts in errors.items()))
        self.errors: dict[str, list[str]] = {field: list(texts) for field, texts in errors.items()}


class InvalidQuery(InvalidRecord):
    """Parameters of a query do not fit; `errors` maps each to what is wrong with it."""


class UsersUnreadable(CocoannotError):
    """The file of users is damaged or gone; nobody is let in."""


class UnknownUser(CocoannotError):
    """There is no user of this name, or no token with this id."""


class LoginFailed(CocoannotError):
    """The name, the password, the token or the link is wrong; which of them is not told."""


class NotAllowed(CocoannotError):
    """It is known who asks, and they may not do this."""


class ComeAgain(CocoannotError):
    """Not at the moment; it may be tried again in `retry_after` seconds."""

    def __init__(self, message: str, retry_after: float) -> None:
        super().__init__(message)
        self.retry_after = retry_after


class TooMany(ComeAgain):
    """Whoever asks has asked for too much at a time."""


class TooManyLogins(TooMany):
    """A login comes too early."""


class Unavailable(ComeAgain):
    """Not possible for anybody."""


class OtherTables(Unavailable):
    """The tables of the database are of another version of cocoannot than this one; nothing was done."""


class BadPicture(CocoannotError):
    """A picture is damaged, or too large to be decoded."""


class PictureTooLarge(CocoannotError):
    """A picture that is sent has more bytes than are allowed."""


class BadOperation(CocoannotError):
    """One operation of a batch can't be done, so none was; `index` counts from 0, `cause` says why.

    `part` is the key of the operation that the cause's fields are in, `None` where it is the operation itself.
    """

    def __init__(self, index: int, cause: CocoannotError, part: str | None = None) -> None:
        super().__init__(f"operation {index}: {cause}")
        self.index = index
        self.cause = cause
        self.part = part
