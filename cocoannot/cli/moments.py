"""What a moment of the dataset may be called in a command: a tag, `@REVISION`, or a date; and which revision it is."""

from __future__ import annotations

from cocoannot.cli.access import Dataset
from cocoannot.errors import Conflict, NotKept, UnknownId
from cocoannot.exchange.tags import Tag, TagsFile, date_of
from cocoannot.files.dataset_file import DatasetFile


def tags_of(file: DatasetFile) -> TagsFile:
    """The tags of the dataset in `file`."""
    return TagsFile(file.folder / "tags.json")


def revision_of(text: str, dataset: Dataset, file: DatasetFile) -> int:
    """The revision that `text` means. Raises `UnknownId`, `NotKept`, `Conflict` where it means none."""
    if text.startswith("@"):
        digits = text[1:]
        if not (digits.isascii() and digits.isdecimal() and len(digits) < 17):
            raise Conflict(f"{text!r:.60} is no revision; give @ and a number, such as @{dataset.revision}")
        return int(digits)
    tags = tags_of(file)
    if text not in tags.read() and (date := date_of(text)) is not None:
        return _at(date.timestamp(), text, dataset)
    try:
        tag = tags.get(text)
    except UnknownId as exc:
        raise UnknownId(f"{exc}. A revision is @ and a number, a date 2026-11-30 or 2026-11-30T18:00") from exc
    _check(text, tag, dataset)
    return tag.revision


def _check(name: str, tag: Tag, dataset: Dataset) -> None:
    """Raise `NotKept` where revision and change of the tag are not those of the dataset any more."""
    newest = dataset.newest_change(tag.revision) if tag.revision <= dataset.revision else None
    if (newest.time if newest else None) != tag.changed or tag.revision > dataset.revision:
        raise NotKept(
            f"tag {name!r} is of revision {tag.revision}, whose changes are not kept any more, or others took their "
            "place; see `flask tag --list`"
        )


def _at(time: float, text: str, dataset: Dataset) -> int:
    """The last revision that was made up to a moment: looked for by halves, since revisions come in order of time."""
    low, high = 0, dataset.revision + 1
    is_known = False
    while low < high:
        middle = (low + high) // 2
        newest = dataset.newest_change(middle)
        if newest is not None and newest.time.timestamp() > time:
            high = middle
        else:
            is_known = is_known or newest is not None
            low = middle + 1
    if low > 1 and not is_known:
        raise NotKept(f"how the dataset was at {text} is not known: the oldest change that is kept came later")
    return low - 1
