"""THE SEAM: what a store of one dataset must do, so that API, commands and page need to know no store's inside.

    Store        every store: reading, and changing as a whole or not at all
    Lookup       what a transaction asks of a store while it checks a change; see `cocoannot.store.transaction`
    Saves        a store with a file behind it, which is saved when told to
    History      a store that still has changes of the past
    Maintenance  what the operator's commands need where no server runs

A second implementation can be written from this module; `tests/test_store_contract.py` is what it has to pass. No
thread, lock, array or open file crosses the seam: only records as texts, numbers, and the classes named here; where
something lies is a text for people. Every method may be called from any thread, unless it says otherwise. What a read
returns belongs to the revision that comes with it.

Every method raises `NotLoaded` before there is a dataset to serve.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Container, Iterable, Iterator, Mapping, Sequence
from contextlib import AbstractContextManager
from typing import NamedTuple, Protocol, runtime_checkable

import msgspec

from cocoannot.changes.change import Change, Edit, ValueEdit
from cocoannot.changes.description import DescribedChange, Undone
from cocoannot.changes.operations import Operation
from cocoannot.changes.tracker import ChangeTracker
from cocoannot.coco.parser import SectionName
from cocoannot.coco.records import Record
from cocoannot.coco.style import Style
from cocoannot.store.queries import NEWEST, ChangeQuery, Derived, ImageQuery, Query, Statistics

Texts = Mapping[str, bytes | None] | Callable[[], Mapping[str, bytes | None]]
"""Top-level values as JSON texts, `None` for one that is to go; or what makes them, while nobody makes a change."""


class Found(NamedTuple):
    """One record, `None` where there is none with its id, at a revision."""

    record: Record | None
    revision: int


class Page(NamedTuple):
    """Some of the records that were asked for, as JSON texts, and how many there are in all, at a revision."""

    total: int
    texts: list[bytes]
    revision: int


class Neighbours(NamedTuple):
    """Where an image is in a list of `total`: how many are before it, and the ids of those beside it, `None` for none.

    `position` is `None` for an image that is not in the list; `previous` and `next` are then those that it would stand
    between.
    """

    previous: int | None
    next: int | None
    position: int | None
    total: int
    revision: int


class Head(NamedTuple):
    """The JSON texts of `info`, `licenses` and `categories`, `null` for what the file has not; how much there is."""

    texts: dict[str, bytes]
    counts: dict[str, int]
    revision: int


class Export(NamedTuple):
    """The whole dataset's text at a revision: `blocks` to be read once, `name` of its file.

    `size` is how many bytes there are, `None` where that is not known before all are read.
    """

    name: str
    revision: int
    size: int | None
    blocks: Iterator[bytes | memoryview]


class Snapshot(Protocol):
    """The dataset at `revision`, which nobody is held up by, and which does not change; `name` is that of its file.

    It is used by one thread at a time, and is to be closed where its text was not read to the end. Reading it may raise
    `OSError`.
    """

    name: str
    revision: int

    def records(self, section: SectionName) -> Iterator[bytes | memoryview]:
        """The texts of a section's records, in file order; it may be asked again."""
        ...

    def text(self, records: Mapping[SectionName, Iterable[bytes | memoryview]]) -> Iterator[bytes | memoryview]:
        """The whole text in blocks, once, with these records in some sections instead of those that they have."""
        ...

    def close(self) -> None:
        """Let go of what it is read from."""
        ...


class Walk(NamedTuple):
    """Every record of a section at a revision, as JSON texts in file order: `blocks` of many, to be read once.

    There are `total` of them.
    """

    revision: int
    total: int
    blocks: Iterator[list[bytes | memoryview]]


class Deleted(NamedTuple):
    """What went with a deleted record: the annotations of an image, none for others."""

    annotations: int = 0


OperationResult = Record | Deleted | Undone
"""What came of one operation: the record as it left it, what it deleted, or what it undid. Of an import it is a record
too, its report (see `cocoannot.store.import_report`)."""


class Committed(msgspec.Struct, frozen=True):
    """What came of operations, in order, and the revision that has them.

    `change` is `None` where the operations changed nothing. Where the same request was answered before, all this is
    what came of it then, `is_repeated` is true, and `change` is without its edits. `merged` has, by the index of its
    operation, the fields that others had changed where an update was merged with that.
    """

    results: list[OperationResult]
    revision: int
    change: Change | None
    is_repeated: bool = False
    merged: Mapping[int, tuple[str, ...]] = {}


class Status(NamedTuple):
    """Where a store stands. Times are seconds since 1970, `None` for never; sizes are bytes.

    `revision` >= `journal_revision` (durable: all up to it would survive a power cut) >= `file_revision`. `size` is
    that of the file, `pending` what it lacks, and `pending_seconds` how old the oldest of that is. `journal_error` says
    why changes are refused, `None` where they are not.
    """

    name: str
    path: str
    size: int
    counts: dict[str, int]
    warnings: list[str]
    revision: int
    journal_revision: int
    file_revision: int
    pending: ChangeTracker
    pending_since: float | None
    pending_seconds: float | None
    loaded_at: float
    saves: SaveResults
    journal_size: int
    journal_error: str | None
    backups: list[Backup]


class SaveResults(NamedTuple):
    """What came of saves since the start, replacements included.

    How many worked and failed, and seconds of those that worked; when the last of these was, since 1970, and its
    seconds; what is wrong since the last one that failed, `None` once one has worked.
    """

    done: int = 0
    failed: int = 0
    seconds: float = 0.0
    last_at: float | None = None
    last_seconds: float | None = None
    error: str | None = None

    def worked(self, at: float, seconds: float) -> SaveResults:
        """These, and one more that ended well at the time `at` and took `seconds`."""
        return SaveResults(self.done + 1, self.failed, self.seconds + seconds, at, seconds)

    def went_wrong(self, error: str) -> SaveResults:
        """These, and one more that failed."""
        return self._replace(failed=self.failed + 1, error=error)


class Backup(NamedTuple):
    """A copy of an older file: where it is, in words, and its size in bytes."""

    path: str
    size: int


class Saved(NamedTuple):
    """A save that worked: what was in it, its revision, and where another version was kept, if there was one."""

    summary: str
    revision: int
    kept: str | None


class Version(NamedTuple):
    """A record as a change left it, `None` for a deleted one; `revision`, `time` and `actor` are the change's.

    `before` is what the change found, `None` where there was none.
    """

    revision: int
    time: float
    actor: str | None
    record: Record | None
    before: Record | None


class UserDay(NamedTuple):
    """What a user (`None`: not known) did on a day (`2026-11-30`, UTC): changes made, edits of annotations in them, and
    images whose `annotation_status` became `done` or `empty`."""

    day: str
    actor: str | None
    changes: int
    annotations: int
    images: int


class Follower(Protocol):
    """Who hears of each change as it is made, and of saves. Called by the store; nothing may be raised."""

    def changed(self, change: Change) -> None:
        """Memory has `change`; called in the order of revisions, while no other change can be made: be quick."""
        ...

    def promised(self, revision: int) -> None:
        """Every change up to `revision` is as safe as the answers to those who made them say."""
        ...

    def saved(self, revision: int) -> None:
        """The file is at `revision`."""
        ...


class Followers:
    """Several who hear of each change, one after the other."""

    def __init__(self, *followers: Follower) -> None:
        self._followers = followers

    def changed(self, change: Change) -> None:
        """See `Follower`, here and below."""
        for follower in self._followers:
            follower.changed(change)

    def promised(self, revision: int) -> None:
        for follower in self._followers:
            follower.promised(revision)

    def saved(self, revision: int) -> None:
        for follower in self._followers:
            follower.saved(revision)


class Store(Protocol):
    """One dataset: records by id and by question, and changes that are made as a whole or not at all."""

    @property
    def is_loaded(self) -> bool:
        """Whether there is a dataset to serve. Never raises."""
        ...

    @property
    def revision(self) -> int:
        """How many changes were accepted so far, over restarts; 0 before a dataset is loaded."""
        ...

    @property
    def lineage(self) -> str:
        """What revisions belong to, "" before a dataset is loaded: within one, each stands for one change and no other.

        It goes on over restarts, unless it can't be proven that every change that was made is still there.
        """
        ...

    def get(self, section: SectionName, record_id: int) -> Found:
        """One record. Raises `AmbiguousId` where a file repeats the id."""
        ...

    def find(self, query: Query, offset: int = 0, limit: int | None = None) -> Page:
        """The records that `query` selects, from `offset` on, at most `limit`."""
        ...

    def neighbours(self, image_id: int, query: ImageQuery) -> Neighbours | None:
        """Where an image is in the list that `query` selects; `None` where there is no such image.

        Raises `AmbiguousId` where a file repeats the image's id.
        """
        ...

    def first(self, query: ImageQuery) -> Found:
        """The first image that `query` selects, `None` where it selects none. Quick for the next one that is open."""
        ...

    def annotations_of(self, image_id: int, derived: Collection[Derived] = ()) -> Page | None:
        """All annotations of one image, in file order; `None` where there is no such image, by the same read.

        Raises `AmbiguousId` where a file repeats the image's id.
        """
        ...

    def head(self) -> Head:
        """What the dataset is, without its images and annotations."""
        ...

    def top_level(self, key: str) -> bytes | None:
        """The JSON text of a top-level value that is no section, `None` where it is not there."""
        ...

    def counts(self) -> dict[str, int]:
        """How many `images`, `annotations` and `categories` there are."""
        ...

    def next_id(self, section: SectionName) -> int:
        """The id that the next new record gets, unless somebody else's is added first. No id is ever given twice."""
        ...

    def statistics(self) -> Statistics:
        """What the dataset is made of."""
        ...

    def export(self) -> Export:
        """The whole dataset as it is now, as the file would be: what nobody changed is there byte for byte."""
        ...

    def snapshot(self) -> Snapshot:
        """The dataset as it is now, for who needs a part of it, or reads it more than once."""
        ...

    def walk(self, section: SectionName) -> Walk:
        """Every record of a section as it is now, for who reads all of them; changes go on meanwhile."""
        ...

    def commit(
        self,
        operations: Sequence[Operation],
        *,
        actor: str | None = None,
        key: str | None = None,
        request: str = "",
        if_revision: int | None = None,
    ) -> Committed:
        """Make all operations, each on top of those before it, as one change, or none of them.

        When this returns, the change is written down: it survives the end of the process. `actor` is who asks, `key`
        the client's name for this request; both are kept with the change. The same key of the same actor is done once:
        with the same `request`, a hash of what is asked for, it returns what it did then, over restarts too, for at
        least 100,000 keys; with another one it raises `KeyReused`. Raises `BadOperation` with the index of the
        operation that can't be done and why (`UnknownId`, `AmbiguousId`, `VersionMismatch`, `InvalidRecord`,
        `Conflict`); `VersionMismatch` where `if_revision` is given and not the current one; `JournalError`: the change
        could not be written down and was not made; `NotDurable`: it was made, and may not survive a power cut.
        """
        ...

    def replace(self, texts: Texts, *, actor: str | None = None, if_revision: int | None = None) -> Change:
        """Replace top-level values by JSON texts, read by the same rules as a file, saved before it returns.

        Where `texts` are made by a call, that may read the dataset, and what it raises is raised. Raises `DatasetError`
        where a text can't be kept, `VersionMismatch`, `SaveError`; nothing is changed then.
        """
        ...

    def status(self) -> Status:
        """Where everything stands, at one moment."""
        ...


@runtime_checkable
class Saves(Protocol):
    """A store with a file behind it. When to save is decided elsewhere (`cocoannot.background.saver`)."""

    def load(self, uri: str, *, create: bool = False) -> None:
        """Begin to serve the dataset that `uri` names; `create` makes an empty one where there is none.

        The caller makes sure that nobody else owns it. Raises `DatasetError`.
        """
        ...

    def save(self, *, overwrite: bool = False, automatic: bool = False) -> Saved | None:
        """Bring the file to the newest revision; `None` where it is there already.

        With `overwrite`, a version that something else wrote is kept beside the file, and replaced. `automatic`, for
        the log alone, tells that nobody asked for it. Raises `SaveError`, `FileChanged`: nothing is lost then, the
        changes stay pending.
        """
        ...

    def unsaved_since(self) -> float | None:
        """When the oldest change was made that no save has taken yet, in monotonic seconds; `None` for no change."""
        ...

    def save_is_urgent(self) -> bool:
        """Whether the next save should not wait."""
        ...

    def sync(self) -> None:
        """Make every change durable that was made so far. Raises `NotDurable`; a save is then due at once."""
        ...

    def check_writable(self) -> None:
        """Raise `JournalError` where changes are refused now; where they were, it is tried whether they would be."""
        ...

    def shutdown(self) -> None:
        """Save what is pending before the process ends; safe to call more than once. Failures are logged."""
        ...

    def close(self) -> None:
        """Make no change and no save any more. Reading goes on."""
        ...


class SavingStore(Store, Saves, Protocol):
    """A store that is saved to a file: what the embedded default is."""


class Touched(Protocol):
    """The records that changes after a revision touched."""

    def __contains__(self, name: tuple[SectionName, int], /) -> bool:
        """Whether they touched the record of this section with this id."""
        ...

    def was_there(self, name: tuple[SectionName, int]) -> bool:
        """Whether they did, and the record was there before the first of them."""
        ...


class KeptChanges(Protocol):
    """Changes of the past, as far as those need them who take changes back.

    What the past can't be read for at the moment is a `HistoryError`.
    """

    @property
    def oldest_change(self) -> int:
        """The revision after which every change is still there, and found by `find_changes`."""
        ...

    def touched_since(self, revision: int) -> AbstractContextManager[Touched]:
        """The records that changes after `revision` touched; to be asked within the context.

        Raises `NotKept` where one of these changes is not kept any more, `Conflict` where one replaced the dataset.
        """
        ...

    def edits_since(self, revision: int) -> AbstractContextManager[Iterable[Edit | ValueEdit]]:
        """Every edit that was made after `revision`, oldest first, those of top-level values too.

        To be gone through once, within the context.

        Raises `NotKept` where not every one is kept, where one of these changes replaced the dataset, or where there is
        no such revision yet.
        """
        ...

    def change(self, revision: int) -> Change | None:
        """The change that made `revision`; `None` where the store does not have it any more."""
        ...

    def whole_changes(self, query: ChangeQuery) -> list[Change] | None:
        """Like `find_changes`, with their texts; `None` where there are more than `limit`, or than memory should hold.

        Raises `NotKept` where `since` is given and not every change after it is kept.
        """
        ...

    def versions(self, section: SectionName, record_id: int, query: ChangeQuery = NEWEST) -> list[Version]:
        """What the changes that `query` selects made of a record, oldest first."""
        ...


@runtime_checkable
class History(KeptChanges, Protocol):
    """A store that still has changes of the past; how far back is the store's decision."""

    def changes(self, since: int) -> list[Change] | None:
        """Every change after the revision `since`, oldest first; `None` where memory does not go back that far."""
        ...

    def find_changes(self, query: ChangeQuery) -> list[DescribedChange]:
        """The changes that `query` selects, oldest first; fewer than there are where they have very many edits."""
        ...

    def annotations_at(self, image_id: int, revision: int, derived: Collection[Derived] = ()) -> Page | None:
        """The annotations that an image had at `revision`, in file order; `None` where there was no such image.

        Raises `NotKept` where that can't be told any more, or not yet; `AmbiguousId`.
        """
        ...

    def export_at(self, revision: int) -> Export:
        """The whole dataset as it was at `revision`. Raises `NotKept` where that can't be told any more, or not yet."""
        ...

    def snapshot_at(self, revision: int) -> Snapshot:
        """Like `export_at`, for who needs a part of it, or reads it more than once. Raises `NotKept`."""
        ...

    def work(self) -> list[UserDay]:
        """What each user did on each day, by day and name."""
        ...


class Measure(NamedTuple):
    """A number about a store itself: what it is called and what it is, and whether it only grows while it runs."""

    name: str
    description: str
    value: float
    grows: bool


@runtime_checkable
class Measures(Protocol):
    """A store that tells how it does."""

    def measures(self) -> list[Measure]:
        """The numbers of this process, without asking anybody; none before a dataset is loaded. Never raises."""
        ...


class RememberingStore(SavingStore, History, Protocol):
    """A store with a file and a past: what an application has."""


class StoppedStatus(NamedTuple):
    """What is on disk: the newest revisions of the file, of the journal and of S3 (`None` for none), the object in S3
    that was agreed with last, and where changes are that could not be saved."""

    file_revision: int | None
    journal_revision: int | None
    s3_revision: int | None
    s3_uri: str | None
    s3_etag: str | None
    unsaved: str | None


class Maintenance(Protocol):
    """What the operator's commands need of a dataset that no server has open."""

    @property
    def exists(self) -> bool:
        """Whether there is a dataset."""
        ...

    def owned(self) -> AbstractContextManager[None]:
        """Own the dataset meanwhile, so that a server that starts now does not read one half of what is done.

        Raises `OwnedElsewhere`, `OSError`. `flush` and `resolve_conflict` are called within it.
        """
        ...

    def status(self) -> StoppedStatus:
        """What is on disk; nothing is changed, and the records are not read. Raises `DatasetError`, `OSError`."""
        ...

    def flush(self) -> Saved | None:
        """Bring into the file what a crashed server left in its journal; `None` where there is nothing.

        Raises `DatasetError`, also for a conflict, `SaveError`.
        """
        ...

    def resolve_conflict(self, choice: str, moment: str) -> list[str]:
        """Decide by `overwrite` (ours) or `theirs` what counts where something else changed the file.

        Returns where what was not chosen is kept; `moment` is a part of its name. Raises `DatasetError` where there is
        no conflict, `SaveError`.
        """
        ...


class Stored(msgspec.Struct, frozen=True, gc=False):
    """A record as a store has it. `position` and `lead` are as in `cocoannot.changes.change.Edit`."""

    record_id: int
    position: int
    record: Record
    lead: bytes | None = None


class Place(msgspec.Struct, frozen=True, gc=False):
    """Where a new record goes: `record_id` is above every one that was ever given, `position` that of the end."""

    record_id: int
    position: int


class AnnotationText(NamedTuple):
    """An annotation's text, with what it is found by; `category_id` is `NONE` for none."""

    record_id: int
    category_id: int
    text: bytes


class Lookup(Protocol):
    """What a transaction asks while it checks a change. It is used by one thread, which may change the store."""

    @property
    def panoptic(self) -> bool:
        """Whether the annotations are panoptic ones, which have no id and can't be changed."""
        ...

    def style(self, section: SectionName) -> Style:
        """How the texts of this section's records are written; a changed or new one is written so too."""
        ...

    def find(self, section: SectionName, record_id: int) -> Stored | None:
        """The record with this id, `None` where there is none. Raises `AmbiguousId`."""
        ...

    def has(self, section: SectionName, record_id: int) -> bool:
        """Whether there is a record with this id. Raises `AmbiguousId`."""
        ...

    def ids_there(self, section: SectionName, record_ids: Iterable[int]) -> Container[int]:
        """Those of many ids that records have, be it more than one."""
        ...

    @property
    def has_categories(self) -> bool:
        """Whether there is any category."""
        ...

    def top_level(self, key: str) -> bytes | None:
        """The JSON text of a top-level value that is no section, `None` where it is not there."""
        ...

    def next_place(self, section: SectionName, others: int = 0) -> Place:
        """What a record that is added now gets, its position after so many others that are added before it.

        The id may be beyond the largest there is.
        """
        ...

    def find_copy(self, section: SectionName, record_id: int, text: bytes) -> Stored | None:
        """The record with this id; of several, one with this text. `None` where there is none."""
        ...

    def rank(self, section: SectionName, position: int) -> int:
        """How many records of the section come before this position."""
        ...

    def ranks(self, section: SectionName, positions: Sequence[int]) -> list[int]:
        """The same for each of many positions."""
        ...

    def positions_at(self, section: SectionName, indexes: Sequence[int]) -> list[int | None]:
        """The positions of the records that have so many others before them, `None` beyond the last."""
        ...

    def position_between(
        self, section: SectionName, before: int | None, after: int | None, record_id: int, share: int = 1
    ) -> int | None:
        """A position for a record that comes between two neighbours, `None` for none on that side.

        It is one that this id had there before, where it had one; else it leaves room for the last of `share` records.
        `None` where `after` is, and it had none: that is the end.
        """
        ...

    def categories_named(self, name: str) -> list[int]:
        """The ids of the categories with this name."""
        ...

    def images_named(self, file_name: str) -> list[int]:
        """The ids of the images with this `file_name`; many images may be asked for in a row."""
        ...

    def count_annotations(self, *, image_id: int | None = None, category_id: int | None = None) -> int:
        """How many annotations an image or a category has."""
        ...

    def annotations_where(self, *, image_id: int | None = None, category_id: int | None = None) -> Iterable[Stored]:
        """The annotations of an image or of a category, in file order."""
        ...

    def annotation_texts(self, image_id: int, category_ids: Container[int]) -> Iterable[AnnotationText]:
        """The annotations of an image that have one of these categories, for who reads very many."""
        ...
