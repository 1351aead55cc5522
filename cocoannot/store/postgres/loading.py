"""A file's text put into tables, as a new generation of records beside the ones that are there. It is not shown yet."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import NamedTuple

import numpy as np

from cocoannot.coco.parser import NONE, SECTIONS, Document, Ints, SectionName
from cocoannot.store.placing import STRIDE
from cocoannot.store.postgres.copying import Column, Spans, Texts, copy_blocks
from cocoannot.store.postgres.database import Connection
from cocoannot.store.postgres.layout import encode_sections, layout_of_document, leads_of
from cocoannot.store.postgres.rows import TABLES, clean
from cocoannot.store.postgres.summaries import summaries


class Numbers(NamedTuple):
    """Positions of a section's records, ascending, when each was changed last, and the position of the next one."""

    positions: Ints
    revisions: Ints
    end: int


class Loaded(NamedTuple):
    """What the head is to say of records that were loaded: by section, how many, the next id, and the end."""

    counts: dict[SectionName, int]
    next_ids: dict[SectionName, int]
    ends: dict[SectionName, int]
    panoptic: bool


def load_document(
    connection: Connection,
    dataset_id: int,
    content: int,
    document: Document,
    revision: int,
    new: Mapping[SectionName, str] | None = None,
    numbers: Mapping[SectionName, Numbers] | None = None,
) -> Loaded:
    """Copy all of `document` into the generation `content`, of which there is nothing yet; within a transaction.

    `new` are the tables for the sections, where this transaction has made some; `numbers` what is known of records
    that were changed before.
    """
    tables = new or TABLES
    numbers = numbers or {name: _unchanged(len(document.sections[name].starts), revision) for name in SECTIONS}
    layout = layout_of_document(document)
    connection.execute(
        "INSERT INTO layout (dataset_id, content, skeleton, sections) VALUES (%s, %s, %s, %s)",
        (dataset_id, content, layout.skeleton.decode(), encode_sections(layout)),
    )
    for name in SECTIONS:
        section = document.sections[name]
        count = len(section.starts)
        if not count:
            continue
        ids = section.keys["id"]
        columns = [
            Column("int4", dataset_id),
            Column("int4", content),
            Column("int8", numbers[name].positions),
            Column("int8", ids, _missing(ids)),
            Column("int8", numbers[name].revisions),
        ]
        leads = leads_of(document, section, layout.sections[name].gap.encode())
        texts: list[Texts] = [leads, Spans(document.buffer, section.starts, section.ends)]
        names = "dataset_id, content, position, id, revision"
        if name == "annotations":
            names += ", image_id, category_id, area, iscrowd, lead, record"
            columns += _of_annotations(document)
        else:
            columns.append(Column("int8", _counts(document, name)))
            texts.insert(0, [clean(each).encode() for each in section.names])
            if name == "images":
                categories, sizes = summaries(document)
                names += ", annotations, sizes, status, sized, categories, file_name, lead, record"
                columns.append(Column("int4", sizes))
                texts.insert(0, categories)
                columns += [Column("int2", section.keys["status"]), Column("bool", section.keys["sized"])]
            else:
                names += ", annotations, name, lead, record"
        # Rows of a table that nobody else sees yet need no look at them later.
        options = "FORMAT binary" if tables[name] == TABLES[name] else "FORMAT binary, FREEZE"
        _copy(connection, f"COPY {tables[name]} ({names}) FROM STDIN ({options})", count, columns, texts)
    return _loaded(document, numbers)


def _copy(connection: Connection, sql: str, count: int, columns: Sequence[Column], texts: Sequence[Texts]) -> None:
    with connection.cursor() as cursor, cursor.copy(sql.encode()) as copy:
        for block in copy_blocks(count, columns, texts):
            copy.write(block)


def _of_annotations(document: Document) -> list[Column]:
    keys = document.sections["annotations"].keys
    area = keys["area"]
    return [
        Column("int8", keys["image_id"], _missing(keys["image_id"])),
        Column("int8", keys["category_id"], _missing(keys["category_id"])),
        Column("float4", area, np.isnan(area)),
        Column("bool", keys["iscrowd"]),
    ]


def _missing(ids: Ints) -> np.ndarray[tuple[int, ...], np.dtype[np.bool_]]:
    missing: np.ndarray[tuple[int, ...], np.dtype[np.bool_]] = ids == NONE
    return missing


def _counts(document: Document, name: SectionName) -> Ints:
    """How many annotations each record of `name` has."""
    referring = document.sections["annotations"].keys["image_id" if name == "images" else "category_id"]
    ids = document.sections[name].keys["id"]
    known, counts = np.unique(referring, return_counts=True)
    if not len(known):
        return np.zeros(len(ids), np.int64)
    at = np.minimum(known.searchsorted(ids), len(known) - 1)
    found: Ints = np.where(known[at] == ids, counts[at], 0)
    return found


def _unchanged(count: int, revision: int) -> Numbers:
    return Numbers(np.arange(count) * STRIDE, np.full(count, revision), count * STRIDE)


def _loaded(document: Document, numbers: Mapping[SectionName, Numbers]) -> Loaded:
    keys = {name: document.sections[name].keys for name in SECTIONS}
    # An id that an orphan points to was once given to another record.
    used = {
        "images": [keys["images"]["id"], keys["annotations"]["image_id"]],
        "annotations": [keys["annotations"]["id"]],
        "categories": [keys["categories"]["id"], keys["annotations"]["category_id"]],
    }
    counts = {name: len(document.sections[name].starts) for name in SECTIONS}
    return Loaded(
        counts,
        {name: max(1, *(int(ids.max(initial=-1)) + 1 for ids in used[name])) for name in SECTIONS},
        {name: numbers[name].end for name in SECTIONS},
        bool((keys["annotations"]["id"] == NONE).any()),
    )
