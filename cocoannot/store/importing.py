"""Import: the edits that bring another dataset into this one, and what is to be told of them.

    categories and images    ours, by name or id, or new ones      see `cocoannot.store.import_targets`
    annotations              left out where one of the same image, category and geometry is there; else new
    ids                      theirs where they are free, else new ones, in all that refers to them
    licences                 ours where they are the same, else added
    everything else          ours stays; a new record keeps all of its fields

An annotation that the file itself has twice is imported twice: only what was here before is compared.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import NamedTuple

from cocoannot.changes.change import Edit, ValueEdit
from cocoannot.changes.operations import Import
from cocoannot.coco.parser import NONE, NOUNS, SECTIONS, SectionName
from cocoannot.errors import Conflict
from cocoannot.store.base import Lookup
from cocoannot.store.import_annotations import AnnotationImport, Place, Refusal
from cocoannot.store.import_licenses import Licenses
from cocoannot.store.import_records import FreeIds, NewRecords
from cocoannot.store.import_report import Report
from cocoannot.store.import_targets import Target, find_categories, find_images


class Imported(NamedTuple):
    """The edits of an import, ready to be made, and its report."""

    edits: list[Edit]
    values: list[ValueEdit]
    report: Report


def import_dataset(operation: Import, lookup: Lookup) -> Imported:
    """What brings the dataset of `operation` in.

    Raises `Conflict` where nothing can be imported: categories clash, annotations here are panoptic.
    """
    if lookup.panoptic:
        raise Conflict(
            "this dataset's annotations are panoptic (segments_info), which are read-only: nothing is imported"
        )
    return _Importer(operation, lookup).run()


class _Importer:
    def __init__(self, operation: Import, lookup: Lookup) -> None:
        self._theirs = operation.theirs
        self._by_id = operation.match == "id"
        self._lookup = lookup
        self._report = Report()
        self._records = NewRecords(operation.theirs, lookup)
        on_one_line = lookup.style("images")._replace(line=b"", indent=b"")
        self._licenses = Licenses(lookup.top_level("licenses"), operation.theirs.value("licenses"), on_one_line)

    def run(self) -> Imported:
        theirs, lookup, report = self._theirs, self._lookup, self._report
        categories = self._take("categories", find_categories(theirs, lookup, report))
        self._check_captions()
        targets = find_images(theirs, lookup, report, by_name=not self._by_id)
        images = self._take("images", targets)
        known = {target.our_id for target in targets if target.our_id is not None}
        AnnotationImport(theirs, lookup, self._records, report, images, categories, known, by_id=self._by_id).take_all()
        for key in theirs.document.values:
            if key not in (*SECTIONS, "info", "licenses"):
                report.note(f"the top-level value {key!r:.100} of the file is not imported; ours stays")
        report.licenses_added = self._licenses.added
        values = []
        if self._licenses.added:
            values.append(ValueEdit("licenses", lookup.top_level("licenses"), self._licenses.text()))
        return Imported(self._records.edits, values, report)

    def _take(self, section: SectionName, targets: Iterable[Target]) -> dict[int, Place]:
        """Take categories or images; returns what each id of theirs is here."""
        noun, places = NOUNS[section], dict[int, Place]()
        ids = FreeIds(section, self._theirs.ids[section], self._lookup)
        given: dict[int, int] = {}
        for target in targets:
            place: Place
            if target.refusal is not None:
                self._report.refuse(section, target.their_id, target.slot, target.refusal, target.kind)
                place = Refusal(f"its {noun} was refused: {target.refusal}", f"their {noun} was refused")
            elif target.our_id is None and target.same_as is None:
                place = given[target.slot] = ids.give(target.their_id)
                self._add(section, target, place)
                self._report.take(section, target.their_id, place, new=True)
            else:
                place = given[target.same_as] if target.our_id is None else target.our_id  # type: ignore[index]
                self._report.take(section, target.their_id, place, new=False)
            if places.setdefault(target.their_id, place) != place:
                places[target.their_id] = Refusal(
                    f"{noun} id {target.their_id} is there more than once in the file, for different ones",
                    f"their {noun} id is there more than once in the file",
                )
        return places

    def _add(self, section: SectionName, target: Target, our_id: int) -> None:
        text = self._theirs.text(section, target.slot)
        ids = {} if our_id == target.their_id else {"id": our_id}
        self._records.add(section, our_id, text, ids, self._licenses.change_of(text) if section == "images" else {})

    def _check_captions(self) -> None:
        """Programs that read COCO want all annotations to have a category, as soon as there are any."""
        if self._records.counts["categories"] and self._lookup.count_annotations(category_id=NONE):
            raise Conflict(
                "nothing was imported: annotations here have no category (captions), and the file has categories; "
                "programs that read COCO refuse a file with both"
            )
