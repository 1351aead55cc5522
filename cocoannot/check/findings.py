"""What a check can find, in words, and how much of it was found. Looking for it is done elsewhere."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from itertools import islice
from typing import Any, NamedTuple

EXAMPLES = 5
"""How many ids or places a problem names."""


class Kind(NamedTuple):
    """`wrong` follows the count and the noun; `repair` says what a repaired copy has instead, `None` where it can't."""

    wrong: str
    repair: str | None = None
    noun: str = ""


KINDS = {
    "empty_file": Kind("that is empty", noun="file"),
    "not_json": Kind("that is not JSON", noun="file"),
    "not_a_dataset": Kind("that is no JSON object", noun="file"),
    "not_utf8": Kind("not in UTF-8", "converted to UTF-8, U+FFFD for what is no character", "place"),
    "lone_surrogate": Kind("where half of a surrogate pair stands alone", "U+FFFD instead", "place"),
    "repeated_key": Kind(
        "there more than once", "lists of records joined; of other values the last one kept", "top-level key"
    ),
    "section_not_list": Kind(
        "that should be a list of records", "an object's records as a list; anything else replaced by []", "section"
    ),
    "not_finite": Kind(
        "with NaN, Infinity or a number beyond a double", "the numbers removed, or computed where possible"
    ),
    "too_deep": Kind("nested too deep to read", "removed"),
    "not_object": Kind("not JSON objects", "removed"),
    "bad_id": Kind(
        "without an integer id of at most 2^53 - 1", '"7" as 7, a new id for others; annotations follow their image'
    ),
    "repeated_id": Kind(
        "with the id of an earlier one", "an exact copy removed, a new id for others; references stay with the first"
    ),
    "bad_reference": Kind(
        "with an image_id or category_id that is no integer", '"7" as 7, else the new id of what has it'
    ),
    "missing_image": Kind("of an image that is not there", "removed (kept where the file has no image at all)"),
    "missing_category": Kind("of a category that is not there", "a category added for each such id"),
    "bad_name": Kind("without a name", "named by its id"),
    "repeated_name": Kind("with the name of an earlier one", "its id added to the name"),
    "bad_file_name": Kind("without a file_name"),
    "bad_size": Kind("without a usable width and height", '"640" as 640, else the size of the picture'),
    "missing_picture": Kind("whose picture is not there"),
    "bad_polygons": Kind("with polygons that are none", "removed; the polygons that are left, or the box, count"),
    "bad_rle": Kind("with an RLE that is no mask of its image", "the mask removed, the box kept"),
    "bad_bbox": Kind("with a bbox that is no box", "computed from the segmentation, else removed"),
    "bad_area": Kind("with an area that is none", "computed from the segmentation or the bbox, else removed"),
    "bad_keypoints": Kind("with keypoints that are none of their category", "removed"),
    "stale_area": Kind("whose area is not that of the segmentation", "computed"),
    "stale_bbox": Kind("whose bbox is not that of the segmentation", "computed"),
    "stale_num_keypoints": Kind("whose num_keypoints is not the number of labelled keypoints", "counted"),
}
"""Every kind of problem, in the order in which they are listed."""

Example = int | str


class Problem:
    """One kind of problem in one section: how often, and where first. `repaired` counts what a copy has put right."""

    def __init__(self, kind: str, section: str) -> None:
        self.kind = kind
        self.section = section
        self.count = 0
        self.examples: list[Example] = []
        self.detail = ""
        self.unrepairable = 0

    @property
    def repaired(self) -> int:
        return 0 if KINDS[self.kind].repair is None else self.count - self.unrepairable

    @property
    def message(self) -> str:
        """In words, without the examples."""
        kind = KINDS[self.kind]
        noun = kind.noun or {"categories": "category", "": "value"}.get(self.section, self.section[:-1])
        plural = noun[:-1] + "ies" if noun.endswith("y") and noun != "top-level key" else noun + "s"
        text = f"{self.count:,} {noun if self.count == 1 else plural} {kind.wrong}"
        return f"{text}: {self.detail}" if self.detail else text

    def as_json(self, *, fixed: bool) -> dict[str, Any]:
        ids = [example for example in self.examples if isinstance(example, int)]
        places = [example for example in self.examples if isinstance(example, str)]
        answer: dict[str, Any] = {"kind": self.kind, "section": self.section or None, "count": self.count}
        answer |= ({"ids": ids} if ids else {}) | ({"places": places} if places else {})
        answer["message"] = self.message
        if fixed:
            answer |= {"repaired": self.repaired, "repair": KINDS[self.kind].repair}
        return answer


class Findings:
    """All that is wrong with one file, and what is worth a `note` without being wrong."""

    def __init__(self) -> None:
        self.notes: list[str] = []
        self._problems: dict[tuple[str, str], Problem] = {}
        self._unrepairable: dict[tuple[str, str], int] = {}

    def add(
        self, kind: str, section: str = "", examples: Iterable[Example] = (), count: int = 1, detail: str = ""
    ) -> Problem:
        """Add `count` problems of one kind; `examples` may be longer than what is kept of them."""
        problem = self._problems.setdefault((kind, section), Problem(kind, section))
        problem.count += count
        problem.examples += islice(examples, EXAMPLES - len(problem.examples))
        problem.detail = problem.detail or detail
        return problem

    def unrepairable(self, kind: str, section: str, count: int) -> None:
        """Tell that `count` problems of a kind, which is added before or after, stay in a repaired copy."""
        self._unrepairable[(kind, section)] = count

    @property
    def problems(self) -> Sequence[Problem]:
        order = list(KINDS)
        for key, count in self._unrepairable.items():
            if key in self._problems:
                self._problems[key].unrepairable = count
        return sorted(self._problems.values(), key=lambda problem: order.index(problem.kind))

    @property
    def repairable(self) -> bool:
        """Whether a repaired copy would have nothing of this left."""
        return all(problem.repaired == problem.count for problem in self.problems)
