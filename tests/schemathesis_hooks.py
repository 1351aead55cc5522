"""What schemathesis would call an error and is none, one by one, with the reason. Loaded by schemathesis itself."""

from __future__ import annotations

import os
import re
from collections.abc import Iterator
from typing import Any
from urllib.parse import urlencode
from zlib import crc32

import schemathesis
from schemathesis.core.failures import AcceptedNegativeData
from schemathesis.generation.meta import CoverageScenario, TestPhase
from schemathesis.openapi.checks import RejectedPositiveData
from schemathesis.specs.openapi.checks import negative_data_rejection, positive_data_acceptance

REFUSED = {
    r"(image_id|category_id|reassign_to): there is no (image|category) with id -?\d+": "which ids there are",
    "category_id: there is no category with id .*; GET /api/categories lists them": "the same",
    "annotated: is false, and images without annotations have no category_id": "which conditions contradict each other",
    "reassign_to: is the category that is to be deleted": "which id is in the path",
    "category_id: is required": "that only a caption may lack it (JSON Schema could, but code generators could not)",
    "segmentation: (is empty; give|an annotation needs|nothing would be left of).*": "that there must be some geometry",
    "segmentation: has no (pixels|width or no height), .*": "what the numbers mean",
    r"skeleton: has a keypoint above \d+, the number of keypoints of the category": "how many keypoints there are",
    r"category_id: defines \d+ keypoints, and the annotation has others; give keypoints too": "the same",
    r"segmentation\.\d+: must have an x and a y for each of at least three points": "that numbers come in pairs",
    r"segmentation\.size: must be \[\d+, \d+\], the height and width of the image": "how large the image is",
    "segmentation: can't be RLE, because the image has no usable height and width: give polygons": "the same",
    r"segmentation\.counts: .*": "that the counts add up to the image's pixels",
    "bbox: width and height must be greater than 0": "what the third and fourth number are (code generators could not)",
    r"bbox: x \+ width and y \+ height must be at most \d+ pixels": "what the numbers add up to",
    "(bbox|area): is computed from the segmentation; change the segmentation instead": "whether the record has one",
    "area: must be a number of square pixels, not negative": "the same: it counts only where there is no geometry",
    "keypoints: must be a list of three numbers for each keypoint, x, y and v": "that numbers come in threes",
    r"keypoints: (has \d+ keypoints, and the category defines \d+|v must be 0, 1 or 2)": "the same, and the category's",
    r"_schema: the (new dataset|body): annotations\[\d+\]: has no '(image_)?id'; .*": "that only panoptic ones lack it",
    "_schema: the body: there are no images, annotations or categories in it; .*": "that one of three is enough",
    "_schema: the body: not a COCO file: an object without images, annotations and categories.*": "the same",
    r"_schema: the body: its annotations are panoptic .*": "that they have ids in a dataset that is imported",
    "Idempotency-Key: Idempotency-Key .* was given to another request before .*": "which keys were used",
    "_schema: Give a user and a password, or a token.": "which fields go together (code generators could not)",
    "name: '(local|token)' is reserved": "that two names mean something already",
    "name: must have 1 to 100 printable characters": "that spaces around a name do not count",
    "comment: an open image has none; .*": "that the status and its comment go together",
    "(width|height): is required, because it can't be read: .*": "whether there is a picture to read it from",
    "file_name: .*; a picture can't be stored by it": "which names every file system takes",
    "file_name: must end as names of pictures do, .*": "that it goes with a picture",
    "predictions: sort=disagreement .* belong together; give both": "which parameters go together",
    "(predictions|name): there is no layer of predictions named .*": "which layers there are",
    "ids: layer .* has no prediction with id .*": "which predictions it has",
    "_schema: give either ids, or min_score, or image_id and min_score": "which fields go together",
    "_schema: give a box, or a point that is inside, or both": "the same",
    r"box: Must be \[x, y, width, height\] in pixels, .*": "that a width and a height are above 0",
    "max_iou: is for min_score; leave it out": "the same",
    "name: must have 1 to 100 characters of a-z, .*": "what is in the path",
    r"predictions\.\d+\..*": "the geometry of predictions, and ids that each of them or none has",
    r"(image_id|category_id)\.examples: -?\d+": "which ids there are",
    ".*: holds an integer that does not fit into 64 bits": "what fields of any name may hold, at any depth",
}
"""A field and a message of a 422 for a body that fits its schema, and what it is that no schema says."""


PHASES = (TestPhase.FUZZING, TestPhase.STATEFUL)

MAX_QUERY = 3000
"""Characters. gunicorn itself refuses request lines of more than 4,094 bytes, in HTML, before the application."""


COVERAGE_ONCE = bool(os.environ.get("COVERAGE_ONCE"))
"""Whether the coverage phase tries each kind of value once at each place, not every value of the kind."""

_covered: set[tuple[object, ...]] = set()


@schemathesis.hook
def filter_case(context: Any, case: Any) -> bool:
    """Leave out what would not reach the application, and what is like a case before where that is asked for."""
    if len(urlencode(case.query or {}, doseq=True)) >= MAX_QUERY:
        return False
    if not COVERAGE_ONCE or case.meta is None or case.meta.phase.name != TestPhase.COVERAGE:
        return True
    kind = case.meta.phase.data
    of_field = kind.description if kind.scenario == CoverageScenario.VALID_OBJECT else None
    place = (case.operation.label, case.method, kind.parameter_location, kind.parameter, kind.location, of_field)
    new = (kind.scenario, *place) not in _covered
    _covered.add((kind.scenario, *place))
    return new


@schemathesis.hook
def before_call(context: Any, case: Any, kwargs: Any) -> None:
    """Leave out the `id` of some new records: schemathesis prefers ids that it has seen, which gives 409s only."""
    drawn = case.meta is not None and case.meta.generation.mode.is_positive and case.meta.phase.name in PHASES
    if drawn and case.method == "POST" and isinstance(case.body, dict) and crc32(repr(case.body).encode()) % 4:
        case.body.pop("id", None)


@schemathesis.check
def positive_data_acceptance_but(ctx: Any, response: Any, case: Any) -> None:
    """What fits its schema is accepted, or refused for one of the reasons above."""
    try:
        positive_data_acceptance(ctx, response, case)
    except RejectedPositiveData:
        if response.status_code == 412 and has(case, "If-Match"):
            return  # No schema can say which version a record is at.
        if response.status_code == 416 and has(case, "Range"):
            return  # Nor how long a picture is.
        if response.status_code == 400 and case.operation.path in ("/api/s3", "/api/save-to-s3", "/api/s3/merge"):
            return  # Nor that the dataset is not from S3.
        if response.status_code == 422 and all(map(is_named, reasons(response))):
            return
        raise


@schemathesis.check
def negative_data_rejection_but(ctx: Any, response: Any, case: Any) -> None:
    """What does not fit its schema is refused, for whatever reason."""
    try:
        negative_data_rejection(ctx, response, case)
    except AcceptedNegativeData:
        if response.status_code == 412 and has(case, "If-Match"):
            return  # Refused it is, but for its version: that is looked at before geometry.
        raise


def has(case: Any, header: str) -> bool:
    """Whether the request has a header, or the field of a batch's operation that means the same."""
    operations = case.body.get("operations") if isinstance(case.body, dict) else None
    return header.lower() in {name.lower() for name in case.headers or {}} or any(
        isinstance(operation, dict) and header.lower().replace("-", "_") in operation
        for operation in (operations if isinstance(operations, list) else [])
    )


def is_named(reason: str) -> bool:
    return any(re.fullmatch(rf"(.*\.)?{pattern}", reason, re.DOTALL) for pattern in REFUSED)


def reasons(response: Any) -> Iterator[str]:
    """The texts in `errors` of an answer, each behind its path."""

    def texts(path: str, value: object) -> Iterator[str]:
        if isinstance(value, dict):
            for key, item in value.items():
                yield from texts(f"{path}.{key}" if path else key, item)
        elif isinstance(value, list):
            for item in value:
                yield f"{path}: {item}"

    return texts("", response.json().get("errors", {}))
