"""A dataset split in two: which images go where, and the text of each part. Nothing is written here.

Whole images are drawn by a hash of the seed and the image's name, so that every machine, every version and every order
of the file draws the same. By category, the rarest one is shared out first: each of its images goes to the part that
lacks most of its annotations (after the iterative stratification of Sechidis, Tsoumakas and Vlahavas, 2011).
"""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Iterator
from hashlib import blake2b
from typing import NamedTuple

import numpy as np

from cocoannot.coco.parser import NONE, Document, Ints, SectionName
from cocoannot.coco.serializer import FrozenDataset, FrozenSection, Piece
from cocoannot.coco.style import styles_of
from cocoannot.errors import DatasetError

_PARTS = (0, 1)


class Part(NamedTuple):
    """One of the two: its text, and how many records it has; of each category, how many annotations."""

    pieces: Iterator[Piece]
    images: int
    annotations: int
    per_category: dict[int, int]


def split_dataset(document: Document, fraction: float, seed: int, *, by_category: bool, name: str) -> list[Part]:
    """Two parts, the first one with `fraction` of the images. `name` is the file's in errors.

    Annotations of no image that is there go to the first part. Raises `DatasetError` for fewer than two images.
    """
    ids: list[int] = document.sections["images"].keys["id"].tolist()
    # Images of one id share their annotations, and so a part.
    order = _drawn(document, list(dict.fromkeys(ids)), seed)
    if len(order) < 2:
        raise DatasetError(f"{name}: a dataset of {len(order)} image(s) can't be split")
    first = min(max(round(len(order) * fraction), 1), len(order) - 1)
    parts = _stratified(document, order, first, fraction) if by_category else _in_order(order, first)
    image_parts = np.array([parts[image_id] for image_id in ids], np.int64)
    image_ids = document.sections["annotations"].keys["image_id"].tolist()
    annotation_parts = np.array([parts.get(image_id, 0) for image_id in image_ids], np.int64)
    return [
        _part(document, np.flatnonzero(image_parts == part), np.flatnonzero(annotation_parts == part))
        for part in _PARTS
    ]


def _drawn(document: Document, ids: list[int], seed: int) -> list[int]:
    """The ids of the images in the order in which they are drawn."""
    section = document.sections["images"]
    names = dict(zip(section.keys["id"].tolist(), section.names, strict=True))

    def key(image_id: int) -> tuple[bytes, int]:
        return blake2b(f"{seed}:{names[image_id] or image_id}".encode(), digest_size=16).digest(), image_id

    return sorted(ids, key=key)


def _in_order(order: list[int], first: int) -> dict[int, int]:
    return {image_id: int(place >= first) for place, image_id in enumerate(order)}


def _stratified(document: Document, order: list[int], first: int, fraction: float) -> dict[int, int]:
    """The part of each image, so that each category's annotations are shared out as the images are."""
    on_image, images_of = _annotations_by_category(document, order)
    shares = fraction, 1 - fraction
    totals: Counter[int] = Counter()
    for counts in on_image.values():
        totals.update(counts)
    lacking = {category: [totals[category] * share for share in shares] for category in totals}
    room = [first, len(order) - first]
    parts: dict[int, int] = {}

    def put(image_id: int, part: int) -> None:
        parts[image_id] = part
        room[part] -= 1
        for category, count in on_image.get(image_id, {}).items():
            lacking[category][part] -= count

    place = {image_id: number for number, image_id in enumerate(order)}
    for category in sorted(images_of, key=lambda category: (len(images_of[category]), category)):
        lacks = lacking[category]

        def turn(image_id: int, category: int = category) -> tuple[int, int]:
            # Fuller ones first, as the last ones level out; in steps, so that the seed counts too.
            return -on_image[image_id][category].bit_length(), place[image_id]

        for image_id in sorted(images_of[category] - parts.keys(), key=turn):
            put(image_id, max(_PARTS, key=lambda part: (room[part] > 0, lacks[part], room[part], -part)))
    for image_id in order:
        if image_id not in parts:
            put(image_id, 0 if room[0] > 0 else 1)
    return parts


def _annotations_by_category(
    document: Document, order: list[int]
) -> tuple[dict[int, Counter[int]], dict[int, set[int]]]:
    """How many annotations of each category each image has; the images of each category."""
    keys = document.sections["annotations"].keys
    known = set(order)
    on_image: defaultdict[int, Counter[int]] = defaultdict(Counter)
    images_of: defaultdict[int, set[int]] = defaultdict(set)
    for image_id, category_id in zip(keys["image_id"].tolist(), keys["category_id"].tolist(), strict=True):
        if image_id in known and category_id != NONE:
            on_image[image_id][category_id] += 1
            images_of[category_id].add(image_id)
    return on_image, images_of


def _part(document: Document, images: Ints, annotations: Ints) -> Part:
    all_categories = np.arange(len(document.sections["categories"].starts))
    chosen: dict[SectionName, Ints] = {"images": images, "annotations": annotations, "categories": all_categories}
    sections = {name: _section(document, name, slots) for name, slots in chosen.items()}
    category_ids = document.sections["annotations"].keys["category_id"][annotations]
    ids, counts = np.unique(category_ids[category_ids != NONE], return_counts=True)
    return Part(
        FrozenDataset(document.buffer, document.values, sections).pieces(),
        len(images),
        len(annotations),
        dict(zip(ids.tolist(), counts.tolist(), strict=True)),
    )


def _section(document: Document, name: SectionName, slots: Ints) -> FrozenSection:
    section = document.sections[name]
    leads = np.concatenate([section.starts[:1], section.ends[:-1]])
    style = styles_of(document)[name]
    return FrozenSection(document.buffer, section, section.starts, section.ends, leads, slots, {}, [], style)
