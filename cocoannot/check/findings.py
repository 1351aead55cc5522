"""How much of each kind of problem was found in one file, and what became of it. Looking for it is done elsewhere."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Sequence
from itertools import islice
from typing import Any, Protocol

from cocoannot.check.kinds import KINDS

EXAMPLES = 5
"""How many ids or places a problem names."""

Example = int | str
Key = tuple[str, str]
"""A kind of problem, and the section that it is in."""


class Case(Protocol):
    """Something that somebody has to decide about; its text is a line."""

    def as_json(self) -> dict[str, Any]: ...


class Problem:
    """One kind of problem in one section: how often, and where first.

    `cases` has all of those that somebody has to decide about. In a repaired copy `removed` of the records or
    fields are not there any more, and `unrepairable` are left as they are. `is_convention` tells that it is no more
    than a note here.
    """

    def __init__(self, kind: str, section: str) -> None:
        self.kind = kind
        self.section = section
        self.count = 0
        self.examples: list[Example] = []
        self.detail = ""
        self.cases: list[Case] = []
        self.unrepairable = 0
        self.removed = 0
        self.is_convention = False

    @property
    def repaired(self) -> int:
        """How many a copy has put right, by removing them or otherwise."""
        return 0 if KINDS[self.kind].repair is None else self.count - self.unrepairable

    @property
    def message(self) -> str:
        """In words, without the examples."""
        kind = KINDS[self.kind]
        noun = kind.noun or {"categories": "category", "": "value"}.get(self.section, self.section[:-1])
        plural = noun[:-1] + "ies" if noun.endswith("y") and noun != "top-level key" else noun + "s"
        text = f"{self.count:,} {noun if self.count == 1 else plural} {kind.wrong}"
        return f"{text}: {self.detail}" if self.detail else text

    @property
    def outcome(self) -> str:
        """What a repaired copy has of it, in words."""
        changed, left = self.repaired - self.removed, self.count - self.repaired
        parts = [f"{changed:,} repaired: {KINDS[self.kind].repair}"] if changed else []
        parts += [f"{self.removed:,} removed"] if self.removed else []
        parts += [f"{left:,} left as they are" if parts else "not repaired"] if left else []
        return "; ".join(parts)

    def level(self, tools: Sequence[str] = ()) -> str:
        """How bad it is, for any tool or for those that are named."""
        kind = KINDS[self.kind]
        return "note" if self.is_convention or (tools and kind.tools.isdisjoint(tools)) else kind.level

    def as_json(self, *, fixed: bool, tools: Sequence[str] = ()) -> dict[str, Any]:
        ids = [example for example in self.examples if isinstance(example, int)]
        places = [example for example in self.examples if isinstance(example, str)]
        answer: dict[str, Any] = {"kind": self.kind, "level": self.level(tools), "section": self.section or None}
        answer |= {"count": self.count} | ({"ids": ids} if ids else {}) | ({"places": places} if places else {})
        answer |= {"message": self.message} | ({"cases": [each.as_json() for each in self.cases]} if self.cases else {})
        answer["tools"] = sorted(KINDS[self.kind].tools)
        if fixed:
            answer |= {"repaired": self.repaired, "removed": self.removed, "repair": KINDS[self.kind].repair}
        return answer


class Findings:
    """All that is wrong with one file, and what is worth a `note` without being wrong.

    `no_copy` says why no copy can be repaired, empty where one can.
    """

    def __init__(self) -> None:
        self.notes: list[str] = []
        self.no_copy = ""
        self._problems: dict[Key, Problem] = {}
        self._unrepairable: Counter[Key] = Counter()

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
        """`count` more problems of a kind, which is added before or after, stay in a repaired copy."""
        self._unrepairable[(kind, section)] += count

    def count_removed(self, removed: Iterable[tuple[str, str, int]]) -> None:
        """Note what a copy lost: kind, section and position of each record, once."""
        problems = {(each.kind, each.section): each for each in self.problems}
        for key, count in Counter((kind, section) for kind, section, _ in removed).items():
            problem = problems.get(key) or problems.get((key[0], ""))
            if problem:
                problem.removed = min(count, problem.repaired)

    @property
    def problems(self) -> Sequence[Problem]:
        """In the order of `KINDS`."""
        order = list(KINDS)
        for key, count in self._unrepairable.items():
            if key in self._problems:
                self._problems[key].unrepairable = count
        return sorted(self._problems.values(), key=lambda problem: order.index(problem.kind))

    @property
    def repairable(self) -> bool:
        """Whether a repaired copy would have nothing of this left."""
        return not self.no_copy and all(problem.repaired == problem.count for problem in self.problems)
