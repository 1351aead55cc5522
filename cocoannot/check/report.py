"""What a check found, and what became of it, as text and as JSON. What is written where is not decided here."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import NamedTuple

from cocoannot.check.findings import Findings, Problem
from cocoannot.check.kinds import LEVELS
from cocoannot.check.repair import Repaired
from cocoannot.coco.parser import NOUNS

_MOST_CASES = 100


class Wanted(NamedTuple):
    """What matters to whom asks: to which tools (none for all), which kinds not, and from which level on it is bad."""

    tools: Sequence[str] = ()
    ignored: Sequence[str] = ()
    fail_on: str = "warning"


class Report:
    """`repaired` is what became of a copy, `None` where there is none: none was asked for, or `no_copy` can be made.

    `counts` are records by section.
    """

    def __init__(
        self,
        name: str,
        findings: Findings,
        counts: dict[str, int],
        wanted: Wanted,
        repaired: Repaired | None = None,
        *,
        no_copy: bool = False,
    ) -> None:
        self._name = name
        self._findings = findings
        self._counts = counts
        self._wanted = wanted
        self._repaired = repaired
        self._no_copy = no_copy
        # What was changed is never passed over.
        self._problems = [
            problem
            for problem in findings.problems
            if problem.kind not in wanted.ignored or (repaired and problem.repaired)
        ]

    @property
    def fine(self) -> bool:
        """Whether there is nothing that is as bad as what was asked for, in the copy where there is one."""
        return not self._no_copy and not any(map(self._is_bad, self._problems))

    def as_json(self) -> dict[str, object]:
        fixed = self._repaired is not None
        answer: dict[str, object] = {
            "file": self._name,
            "counts": self._counts,
            "problems": [problem.as_json(fixed=fixed, tools=self._wanted.tools) for problem in self._problems],
            "notes": self._findings.notes,
        }
        if self._no_copy:
            answer |= {"repaired_copy": None, "removed": None, "ids": None}
        if self._repaired:
            originals = str(self._repaired.originals_path) if self._repaired.has_originals else None
            ids = str(self._repaired.ids_path) if self._repaired.new_ids else None
            answer |= {"repaired_copy": str(self._repaired.path), "removed": originals, "ids": ids}
        return answer

    def lines(self) -> Iterator[str]:
        total = ", ".join(f"{count:,} {NOUNS[name] if count == 1 else name}" for name, count in self._counts.items())
        yield f"{self._name}: {total + '; ' if total else ''}{self._verdict()}"
        for problem in self._problems:
            yield from self._lines_of(problem)
        yield from (f"  note: {note}" for note in self._findings.notes)
        if self._repaired:
            yield from self._lines_of_copy(self._repaired)

    def _verdict(self) -> str:
        notes = sum(problem.level(self._wanted.tools) == "note" for problem in self._problems)
        bad = len(self._problems) - notes
        verdict = ("1 kind of problem" if bad == 1 else f"{bad} kinds of problems") if bad else "nothing is wrong"
        return verdict + (f", {notes} kind{'s' if notes > 1 else ''} of notes" if notes else "")

    def _lines_of(self, problem: Problem) -> Iterator[str]:
        few = ", ".join(map(str, problem.examples)) + (", ..." if problem.count > len(problem.examples) else "")
        level = problem.level(self._wanted.tools)
        yield f"  {level} {problem.kind}: {problem.message}" + (f": {few}" if problem.examples else "")
        yield from (f"    {case}" for case in problem.cases[:_MOST_CASES])
        if len(problem.cases) > _MOST_CASES:
            yield f"    and {len(problem.cases) - _MOST_CASES:,} more, which --json lists"
        if self._repaired:
            yield f"    {problem.outcome}"

    def _lines_of_copy(self, repaired: Repaired) -> Iterator[str]:
        left = dict.fromkeys(problem.kind for problem in self._problems if problem.repaired < problem.count)
        yield f"repaired copy: {repaired.path}" + (f"; in it are left: {', '.join(left)}" if left else "")
        removed, replaced = len(repaired.removed), len(repaired.replaced)
        if repaired.has_originals:
            what = f"{removed:,} removed, {replaced:,} replaced" if removed else f"{replaced:,} replaced"
            yield f"what it does not have as it was ({what}): {repaired.originals_path}"
        if repaired.new_ids:
            yield f"old ids beside new ones ({len(repaired.new_ids):,}): {repaired.ids_path}"

    def _is_bad(self, problem: Problem) -> bool:
        if problem.kind in self._wanted.ignored or (self._repaired and problem.repaired == problem.count):
            return False
        lowest = self._wanted.fail_on
        return lowest in LEVELS and LEVELS.index(problem.level(self._wanted.tools)) >= LEVELS.index(lowest)
