"""What is wrong with a file's annotations, and with what they refer to. Images and categories are known by now."""

from __future__ import annotations

import json
from collections import Counter, defaultdict
from collections.abc import Callable, Iterator
from functools import partial

import numpy as np

from cocoannot.check.checked import Checked
from cocoannot.check.findings import Findings
from cocoannot.check.identity import is_id
from cocoannot.check.scan import Bools, scan
from cocoannot.check.sections import Section, decode
from cocoannot.check.shared_ids import find_shared
from cocoannot.check.text import INFINITE
from cocoannot.coco.parser import NONE, Ints
from cocoannot.coco.rules import Fields

_PIECE = 4096
_REFERENCES = {
    "video_id",
    "item_id",
    "frame_id",
    "clip_id",
    "sample_id",
    "picture_id",
    "img_id",
    "file_id",
    "document_id",
}


def look_at_annotations(checked: Checked, findings: Findings, progress: Callable[[int], object]) -> None:
    """Look at all of them in pieces, at odd ones one by one; then at their ids and references together."""
    annotations = checked.annotations
    references = _References(checked, findings)
    infinite = _with_infinite(checked)
    starts, ends = annotations.rows.starts, annotations.rows.ends
    for first in range(0, len(annotations), _PIECE):
        after = min(first + _PIECE, len(annotations))
        at = slice(first, after)
        text = checked.readable.buffer[starts[first] : ends[after - 1]]
        seen = scan(text, partial(_texts, annotations, first, after), checked.known)
        right = ~(seen.odd | infinite[at])
        annotations.ids[at] = np.where(right, seen.ids, NONE)
        checked.image_ids[at] = np.where(right, seen.image_ids, NONE)
        checked.category_ids[at] = np.where(right, seen.category_ids, NONE)
        checked.boxes[at][right] = seen.boxes[right]
        for kind, marked in seen.marks.items():
            annotations.problems[kind] += (first + np.flatnonzero(marked & right)).tolist()
            checked.geometry[at] |= marked & right
        for i in np.flatnonzero(~right).tolist():
            _look_closely(checked, first + i, references)
        progress(len(text))
    # The same text in two files that were put together is about two pictures.
    identity = checked.images.identity
    several = sorted({each for i, each in identity.repeated.items() if i not in identity.copies})
    annotations.unsure.update(np.flatnonzero(np.isin(checked.image_ids, several)).tolist())
    annotations.assign_ids(findings)
    annotations.replace_id_0()
    annotations.apply_ids(findings, np.zeros(0, np.int64))
    for section, column in ((checked.images, checked.image_ids), (checked.categories, checked.category_ids)):
        if shared := section.apply_ids(findings, column):
            cases = find_shared(section, shared, annotations, column)
            findings.add("repeated_id", section.name, count=0).cases += cases
    references.resolve(findings)
    _look_at_captions(checked)
    for positions in annotations.problems.values():
        positions.sort()


def _texts(annotations: Section, first: int, after: int) -> list[bytes]:
    return [annotations.text(i) for i in range(first, after)]


def _with_infinite(checked: Checked) -> Bools:
    """Which annotations may hold numbers that are not finite in any field."""
    rows, buffer = checked.annotations.rows, checked.readable.buffer
    marked = np.zeros(len(rows.starts), np.bool_)
    if checked.readable.marked.infinite and len(rows.starts):
        at = buffer.find(INFINITE, rows.start, rows.end)
        while at >= 0:
            marked[max(0, int(rows.starts.searchsorted(at, "right")) - 1)] = True
            at = buffer.find(INFINITE, at + 1, rows.end)
    return marked


def _look_closely(checked: Checked, i: int, references: _References) -> None:
    annotations = checked.annotations
    if (record := annotations.read(i)) is None:
        return
    references.read(i, record)
    try:
        repair = checked.repair_annotation(i, record)
    except RecursionError:
        annotations.drop(i, "too_deep")
        return
    annotations.note(i, repair)
    if repair.useless:
        annotations.dropped[i] = tuple(repair.kinds)
    checked.geometry[i] = bool(repair.changes)
    if repair.box:
        checked.boxes[i] = repair.box
    elif record.get("caption") is not None:
        checked.captions.append(i)


def _look_at_captions(checked: Checked) -> None:
    """Captions alone stop an evaluation of other annotations, which goes by category."""
    annotations, categories = checked.annotations, checked.categories
    captions = [i for i in checked.captions if i not in annotations.dropped]
    if (len(categories.present()) or categories.added) and not np.isnan(checked.boxes[:, 0]).all():
        annotations.problems["no_geometry"] += captions
        annotations.left["no_geometry"] += len(captions)


class _References:
    """What annotations refer to, where that is no integer, and what is not there."""

    def __init__(self, checked: Checked, findings: Findings) -> None:
        self._checked = checked
        self._findings = findings
        self._columns = (
            ("image_id", checked.images, checked.image_ids),
            ("category_id", checked.categories, checked.category_ids),
        )
        self._odd: dict[str, dict[int, object]] = {"image_id": {}, "category_id": {}}
        # Annotations that need no category.
        self._free: set[int] = set()

    def read(self, i: int, record: Fields) -> None:
        """Note the references of an odd annotation."""
        for field, section, column in self._columns:
            value = record.get(field)
            if is_id(value):
                column[i] = int(value)
            elif value is not None:
                self._odd[field][i] = value
                if (resolved := section.resolve(value)) is not None:
                    column[i] = self._checked.annotations.changes[i][field] = resolved
        if record.get("category_id") is None and "segments_info" in record:
            self._free.add(i)

    def resolve(self, findings: Findings) -> None:
        """Find what points nowhere, once all annotations were read."""
        annotations = self._checked.annotations
        for odd in self._odd.values():
            for i in odd:
                annotations.problems["bad_reference"].append(i)
        annotations.problems["bad_reference"] = sorted(set(annotations.problems["bad_reference"]))
        kept = np.ones(len(annotations), np.bool_)
        kept[list(annotations.dropped)] = False
        self._resolve_images(findings, kept)
        kept[list(self._free)] = False
        self._resolve_categories(kept)

    def _resolve_images(self, findings: Findings, kept: Bools) -> None:
        annotations, images = self._checked.annotations, self._checked.images.present()
        lost = np.flatnonzero(kept & ~np.isin(self._checked.image_ids, images))
        if not len(lost):
            return
        annotations.problems["missing_image"] += lost.tolist()
        without = lost[self._checked.image_ids[lost] == NONE]
        others = self._other_references(without)
        if others or 2 * len(lost) > np.count_nonzero(kept):
            # It is the images that are missing, or the references are of another kind: nothing is thrown away for that.
            findings.unrepairable("missing_image", "annotations", len(lost))
            problem = findings.add("missing_image", "annotations", count=0)
            problem.detail = self._what_it_may_be(others, len(without))
            if len(without):
                name = "annotation names" if len(without) == 1 else "annotations name"
                findings.no_copy = f"{len(without):,} {name} no image, and would have to go"
            return
        annotations.dropped |= dict.fromkeys(lost.tolist(), ("missing_image",))
        kept[lost] = False

    def _other_references(self, positions: Ints) -> list[str]:
        """The fields of these annotations that refer to something else than an image and a category."""
        found: Counter[str] = Counter()
        for i in positions[:_PIECE].tolist():
            fields = decode(self._checked.annotations.text(i))[0]
            found.update(key for key in fields if key.endswith("_id") and key not in ("image_id", "category_id"))
        return [key for key, _ in found.most_common(3) if key in _REFERENCES]

    def _what_it_may_be(self, others: list[str], without: int) -> str:
        keys = self._checked.readable.values
        words = [f"{without:,} have no image_id"] if without else []
        words += [f"they have {', '.join(others)} instead"] if others else []
        if "videos" in keys:
            words.append("this is a file of videos (YouTube-VIS), which has no images")
        elif "image" in keys:
            words.append("this is a file of one picture (SA-1B), named under 'image'")
        elif not len(self._checked.images):
            words.append("the file has no images")
        return "; ".join(words)

    def _resolve_categories(self, kept: Bools) -> None:
        annotations, categories = self._checked.annotations, self._checked.categories
        column = self._checked.category_ids
        odd = self._odd["category_id"]
        lost = np.flatnonzero(kept & ~np.isin(column, categories.present()))
        # Without a section of categories no annotation, such as a caption, needs one. Where there is a section, even an
        # empty one, pycocotools looks for the category_id of each; and the first category that is added makes one.
        named = (column[lost] != NONE).any() or not odd.keys().isdisjoint(lost.tolist())
        if not named and "categories" not in self._checked.readable.values:
            return
        annotations.problems["missing_category"] += lost.tolist()
        if len(lost) and (without := np.count_nonzero(column[lost] == NONE) - len(odd.keys() & set(lost.tolist()))):
            self._findings.add("missing_category", "annotations", count=0).detail = f"{without:,} have no category_id"
        missing = set(column[lost].tolist()) - {NONE}
        groups: defaultdict[str, list[int]] = defaultdict(list)
        for i in lost[column[lost] == NONE].tolist():
            groups[json.dumps(odd.get(i))].append(i)
        free: Iterator[int] = (each for each in categories.identity.free if each not in missing)
        names = _Names(self._checked)
        categories.added += [names.category(each, str(each)) for each in sorted(missing)]
        for value, positions in groups.items():
            record_id = next(free)
            categories.added.append(names.category(record_id, "missing" if value == "null" else value.strip('"')))
            for i in positions:
                annotations.changes[i]["category_id"] = record_id


class _Names:
    """Gives categories that are added names that no other has."""

    def __init__(self, checked: Checked) -> None:
        self._taken = set()
        for i in range(len(checked.categories)):
            if i not in checked.categories.dropped:
                record = checked.categories.read(i) or {}
                self._taken.add({**record, **checked.categories.changes[i]}.get("name"))

    def category(self, record_id: int, label: str) -> Fields:
        name = f"category {label}"[:200]
        while name in self._taken:
            name += "'"
        self._taken.add(name)
        return {"id": record_id, "name": name, "supercategory": "none"}
