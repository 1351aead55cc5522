"""What is wrong with a dataset's file, whatever it holds. Nothing is written; what a copy should have is `repair`'s.

bytes --> readable text --> images --> categories --> annotations, which refer to both --> ids, names and boxes
"""

from __future__ import annotations

from collections.abc import Callable

from cocoannot.check.annotations import look_at_annotations
from cocoannot.check.boxes import look_at_boxes
from cocoannot.check.categories import look_at_categories, look_at_names
from cocoannot.check.checked import Checked
from cocoannot.check.findings import Findings
from cocoannot.check.images import look_at_images
from cocoannot.check.lenient_parser import make_readable
from cocoannot.check.pictures import FindPictures
from cocoannot.check.sections import decode


def check_dataset(
    data: bytes,
    findings: Findings,
    *,
    find_pictures: FindPictures | None = None,
    measure_pictures: bool = False,
    progress: Callable[[int], object] = lambda _: None,
) -> Checked | None:
    """Look at all of a file; what is wrong goes to `findings`. `None` where it can't be read at all.

    `measure_pictures` takes missing sizes from the pictures; `progress` is called with how many more bytes are done.
    """
    readable = make_readable(data, findings)
    if readable is None:
        return None
    checked = Checked(readable)
    look_at_images(checked, findings, find_pictures, measure=measure_pictures)
    progress(checked.images.rows.end - checked.images.rows.start)
    look_at_categories(checked, findings)
    look_at_annotations(checked, findings, progress)
    look_at_names(checked, findings)
    look_at_boxes(checked)
    for section in checked.sections.values():
        section.report(findings)
        if section.are_no_records():
            # What they stand for, and which id each has, is known to somebody.
            findings.no_copy = f"the {len(section):,} {section.name} are no records with ids"
        elif len(section.dropped) == len(section) > 1:
            # It is rather this check that does not know their form.
            findings.no_copy = f"all {len(section):,} {section.name} would have to go"
    if _are_labels(checked):
        findings.add("no_geometry", "annotations", count=0).is_convention = True
    return checked


def _are_labels(checked: Checked) -> bool:
    """Whether all annotations say what is in an image, and none where it is."""
    annotations = checked.annotations
    if not len(annotations.problems["no_geometry"]) == len(annotations) > 0:
        return False
    fields = ("segmentation", "bbox", "keypoints", "area", "segmentations", "bboxes")
    return all(decode(annotations.text(i))[0].keys().isdisjoint(fields) for i in range(len(annotations)))
