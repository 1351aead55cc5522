"""Three versions of one dataset into one: what both sides began with, ours, and theirs. Nothing is written here.

Categories and images come first, then the annotations that refer to them. The other top-level values are merged alike,
by field where they have fields. What nobody changed keeps its bytes, and the file is laid out as ours.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import NamedTuple

import numpy as np

from cocoannot.coco.parser import SECTIONS, Document, SectionName
from cocoannot.coco.serializer import FrozenSection
from cocoannot.coco.style import COMPACT, Style, styles_of
from cocoannot.errors import DatasetError
from cocoannot.merge.differences import (
    Differences,
    Records,
    are_panoptic,
    find_differences,
    find_differences_of_two,
    same_texts,
)
from cocoannot.merge.records import MergedRecords, RecordMerger, merge_fields
from cocoannot.merge.references import FIELDS, follow, keep_what_is_used, with_followers
from cocoannot.merge.report import Conflict, Report, Side

_REFERRED: tuple[SectionName, ...] = ("categories", "images")
_ORDER: tuple[SectionName, ...] = (*_REFERRED, "annotations")


class Versions(NamedTuple):
    """What each side made of the dataset since they had one version, and of the top-level values that are no section.

    It is all that a merge needs of theirs and of the first version, which can go.
    """

    records: dict[SectionName, Differences]
    next_ids: dict[SectionName, int]
    values: dict[str, tuple[bytes | None, bytes | None, bytes | None]]
    """Base, ours, theirs, of those that are not the same in all; `None` for not there, and for an unknown base."""


class Merged(NamedTuple):
    """The top-level values of ours that are to be others, as JSON texts, `None` for gone; and what was done."""

    texts: dict[str, bytes | None]
    report: Report


def compare(base: Document | None, ours: Document, theirs: Document) -> Versions:
    """What both sides did; without a `base`, what is not the same on both counts as changed by both.

    Raises `DatasetError` where a file can't be merged: an id that is there twice, panoptic annotations that changed.
    """
    records: dict[SectionName, Differences] = {}
    next_ids: dict[SectionName, int] = {}
    for name in _ORDER:
        if name == "annotations" and _is_panoptic(base, ours, theirs):
            records[name], next_ids[name] = Differences({}, {}, {}, {}, {}), 1
            continue
        sides = Records(ours, name, "our version"), Records(theirs, name, "S3's version")
        if base is None:
            records[name] = find_differences_of_two(*sides, name, _others(name, records, ours, theirs))
        else:
            records[name] = find_differences(Records(base, name, "the version agreed last"), *sides)
        largest = max(int(side.ids.max(initial=0)) for side in sides)
        next_ids[name] = max(largest, *records[name].base, 0) + 1
    return Versions(records, next_ids, _values(base, ours, theirs))


def merge_datasets(
    versions: Versions, ours: Document, next_ids: Mapping[SectionName, int], choice: Side | None = None
) -> Merged:
    """What becomes of `ours`. `next_ids` are the ids that were never given here; `choice` decides in conflicts.

    Conflicts that are not decided are in the report; the texts have ours there.
    """
    report, styles = Report(), styles_of(ours)

    def merge_section(name: SectionName, found: Differences) -> MergedRecords:
        next_id = max(versions.next_ids[name], next_ids[name])
        return RecordMerger(name, styles[name], next_id, choice, report).merge(found)

    merged = {name: merge_section(name, versions.records[name]) for name in _REFERRED}
    followers = follow(ours, {name: merged[name].moved for name in _REFERRED}, styles["annotations"])
    annotations = versions.records["annotations"]
    if followers:
        annotations = with_followers(annotations, followers, Records(ours, "annotations", "our version"))
    merged["annotations"] = merge_section("annotations", annotations)
    # What follows and was changed by nobody else is as it followed.
    for record_id, text in followers.items():
        merged["annotations"].texts.setdefault(record_id, text)
    for name in _REFERRED:
        keep_what_is_used(name, ours, versions.records[name], merged, report)
    texts = _merge_values(versions, choice, styles["annotations"], report)
    for name in SECTIONS:
        if merged[name].texts or merged[name].added:
            texts[name] = _section_text(ours, name, merged[name], styles[name])
    return Merged(texts, report)


def _others(
    name: SectionName, records: Mapping[SectionName, Differences], ours: Document, theirs: Document
) -> frozenset[int]:
    """The annotations that are not the same ones on both sides, because their images or categories are not."""
    if name != "annotations":
        return frozenset()
    found: set[int] = set()
    for referred in _REFERRED:
        others = np.array([*(records[referred].our_new.keys() & records[referred].their_new.keys())], np.int64)
        for document in (ours, theirs):
            keys = document.sections["annotations"].keys
            found.update(keys["id"][np.isin(keys[FIELDS[referred]], others)].tolist())
    return frozenset(found)


def _is_panoptic(base: Document | None, ours: Document, theirs: Document) -> bool:
    """Whether there are panoptic annotations, which nobody but us changed. Raises `DatasetError` where somebody did."""
    if not any(are_panoptic(document) for document in (base, ours, theirs) if document):
        return False
    before, after = _section(ours if base is None else base), _section(theirs)
    if not same_texts(before, after):
        raise DatasetError("S3's version has other panoptic annotations (segments_info); they have no ids to merge by")
    return True


def _section(document: Document) -> bytes:
    start, end = document.values.get("annotations", (0, 0))
    return document.buffer[start:end] or b"null"


def _values(
    base: Document | None, ours: Document, theirs: Document
) -> dict[str, tuple[bytes | None, bytes | None, bytes | None]]:
    found = [_other_values(document) for document in (base, ours, theirs)]
    keys = [key for key in {**found[1], **found[2]} if not _same(found[1].get(key), found[2].get(key))]
    return {key: (found[0].get(key), found[1].get(key), found[2].get(key)) for key in keys}


def _other_values(document: Document | None) -> dict[str, bytes]:
    values = document.values if document else {}
    buffer = document.buffer if document else b""
    return {key: buffer[start:end] for key, (start, end) in values.items() if key not in SECTIONS}


def _merge_values(versions: Versions, choice: Side | None, style: Style, report: Report) -> dict[str, bytes | None]:
    texts: dict[str, bytes | None] = {}
    # These are laid out in a way of their own.
    style = COMPACT._replace(item_separator=style.item_separator, key_separator=style.key_separator, ascii=style.ascii)
    for key, (base, ours, theirs) in versions.values.items():
        if _same(base, theirs):
            continue
        if _same(base, ours) or ours is None:
            texts[key] = theirs
            if not _same(base, ours):
                report.conflicts.append(Conflict(key, None, "deleted_by_us", taken="theirs"))
        elif theirs is None:
            report.conflicts.append(Conflict(key, None, "deleted_by_them", taken="ours"))
        elif all(text.startswith(b"{") for text in (base or b"{}", ours, theirs)):
            text, clash = merge_fields(base or b"{}", ours, theirs, choice, style)
            if text != ours:
                texts[key] = text
            if clash:
                report.conflicts.append(Conflict(key, None, "fields", clash, choice))
        else:
            report.conflicts.append(Conflict(key, None, "fields", taken=choice))
            if choice == "theirs":
                texts[key] = theirs
    return texts


def _same(one: bytes | None, other: bytes | None) -> bool:
    return one is other or (one is not None and other is not None and same_texts(one, other))


def _section_text(ours: Document, name: SectionName, merged: MergedRecords, style: Style) -> bytes:
    section = ours.sections[name]
    count = len(section.starts)
    slots = np.arange(count + len(merged.added))
    changed: dict[int, bytes] = {}
    ids = np.array([*merged.texts], np.int64)
    places = Records(ours, name, "our version").slots_of(ids).tolist()
    gone = []
    for slot, text in zip(places, merged.texts.values(), strict=True):
        if text is None:
            gone.append(slot)
        else:
            changed[slot] = text
    leads = np.concatenate([section.starts[:1], section.ends[:-1]])
    frozen = FrozenSection(
        ours.buffer,
        section,
        section.starts,
        section.ends,
        leads,
        np.delete(slots, gone),
        changed,
        [*merged.added.values()],
        style,
    )
    return b"".join(frozen.pieces())
