"""Every kind of problem that a check can find: how bad it is, for whom, in words. Looking for it is done elsewhere."""

from __future__ import annotations

from typing import NamedTuple

LEVELS = ("note", "warning", "error")
"""A convention; something that is hardly meant so; a named tool stops or reads something else than what is meant."""

TOOLS = ("pycocotools", "lvis", "yolo", "detr", "datumaro")

_ALL = frozenset(TOOLS)
_COCO = frozenset({"pycocotools", "detr", "datumaro"})
_NO_YOLO = _ALL - {"yolo"}
_NO_LVIS = _ALL - {"lvis"}


class Kind(NamedTuple):
    """`wrong` follows the count and the noun; `repair` says what a repaired copy has instead, `None` where it can't.

    `tools` are those that stop or read something else.
    """

    level: str
    wrong: str
    repair: str | None = None
    noun: str = ""
    tools: frozenset[str] = _ALL


KINDS = {
    "empty_file": Kind("error", "that is empty", noun="file"),
    "not_json": Kind("error", "that is not JSON", noun="file"),
    "not_a_dataset": Kind("error", "that is no dataset", noun="file"),
    "not_utf8": Kind("error", "not in UTF-8", "converted to UTF-8, U+FFFD for what is no character", "place"),
    "byte_order_mark": Kind(
        "error", "that begins with a byte order mark, which many programs refuse", "without it", noun="file"
    ),
    "lone_surrogate": Kind(
        "warning",
        "where half of a surrogate pair stands alone",
        "U+FFFD instead",
        "place",
        frozenset({"datumaro"}),
    ),
    "repeated_key": Kind(
        "error", "there more than once", "lists of records joined; of other values the last one kept", "top-level key"
    ),
    "section_not_list": Kind(
        "error", "that should be a list of records", "the records of an object as a list, keys as ids", "section"
    ),
    "not_finite": Kind(
        "error", "with NaN, Infinity or a number beyond a double", "the numbers left out, or computed where possible"
    ),
    "too_deep": Kind("error", "nested too deep to read", "removed"),
    "not_object": Kind("error", "not JSON objects", "removed"),
    "bad_id": Kind(
        "error", "without an integer id of at most 2^53 - 1", '"7" as 7, a new id for others; annotations follow'
    ),
    "repeated_id": Kind("error", "with the id of an earlier one", "a new id; the same record once"),
    "zero_id": Kind(
        "note",
        "with id 0, which pycocotools counts as not found",
        "a new id",
        tools=frozenset({"pycocotools", "detr"}),
    ),
    "bad_reference": Kind(
        "error", "with an image_id or category_id that is no integer", '"7" as 7, else the new id of what has it'
    ),
    "missing_image": Kind("error", "of an image that is not there", "removed"),
    "missing_category": Kind("error", "of a category that is not there", "a category added for each such id"),
    "bad_name": Kind("error", "without a name", "named by its id"),
    "repeated_name": Kind("warning", "with the name of another one", "its id added to the name"),
    "skeleton_from_0": Kind(
        "warning", "whose skeleton counts keypoints from 0", "counted from 1", tools=frozenset({"pycocotools"})
    ),
    "bad_skeleton": Kind(
        "warning",
        "whose keypoints are no list of names, or whose skeleton is no list of pairs of them",
        tools=frozenset({"pycocotools", "datumaro"}),
    ),
    "bad_file_name": Kind("error", "without a file_name", "that of the picture by its address", tools=_NO_LVIS),
    "odd_file_name": Kind(
        "warning", "whose file_name is no path from the folder of pictures", "the path where the picture is"
    ),
    "repeated_file_name": Kind(
        "warning", "with the file_name of an earlier one", tools=frozenset({"yolo", "datumaro"})
    ),
    "bad_size": Kind("error", "without a usable width and height", '"640" as 640, else the size of the picture'),
    "wrong_size": Kind("error", "whose width and height are not those of the picture", tools=_ALL - {"detr"}),
    "missing_picture": Kind("error", "whose picture is not there"),
    "no_geometry": Kind("error", "without segmentation, bbox and keypoints"),
    "bad_polygons": Kind(
        "error", "with polygons that are none, or in another form", "in COCO's form", tools=_ALL - {"yolo"}
    ),
    "flat_polygons": Kind("warning", "with a polygon or a mask that has no area", tools=frozenset({"yolo", "detr"})),
    "hole": Kind("warning", "with a polygon inside of another, a hole that COCO fills"),
    "bad_rle": Kind("error", "with an RLE that is no mask of its image, or in another form", "in COCO's form"),
    "no_bbox": Kind("error", "without a bbox", "computed"),
    "bad_bbox": Kind(
        "error", "with a bbox that is no box, or in another form", "in COCO's form, or computed from the segmentation"
    ),
    "flat_bbox": Kind("warning", "with a bbox of no extent around a keypoint", tools=frozenset({"yolo", "detr"})),
    "outside_image": Kind(
        "warning", "with a bbox that reaches out of the image", tools=frozenset({"yolo", "datumaro"})
    ),
    "corner_boxes": Kind("error", "with a bbox that fits the image only as x1, y1, x2, y2"),
    "relative_boxes": Kind("error", "with a bbox from 0 to 1, where COCO has pixels"),
    "no_area": Kind("error", "without an area", "computed", tools=_NO_YOLO),
    "bad_area": Kind(
        "error", "with an area that is none", "computed from the segmentation or the bbox", tools=_NO_YOLO
    ),
    "no_iscrowd": Kind("error", "without iscrowd", "0", tools=frozenset({"pycocotools", "datumaro"})),
    "bad_iscrowd": Kind("error", "with an iscrowd that is not 0 or 1", '"0" as 0', tools=_COCO),
    "bad_keypoints": Kind("error", "with keypoints that are none of their category, or in another form", "x, y, v"),
    "no_num_keypoints": Kind("error", "without num_keypoints", "counted", tools=frozenset({"pycocotools"})),
    "stale_bbox": Kind("warning", "whose bbox is not that of the segmentation", "computed"),
    "stale_area": Kind("note", "whose area is not that of the segmentation", "computed", tools=frozenset()),
    "stale_num_keypoints": Kind(
        "warning", "whose num_keypoints is not the number of labelled keypoints", "counted", tools=frozenset()
    ),
}
"""In the order in which problems are listed."""
