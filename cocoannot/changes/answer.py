"""What came of a request that had a key, so that the same request gets it again. Where it is kept is not known here.

A result is one of these, so that no text is kept twice where the change has it:

    0            the record as the edit with this number left it
    "{...}"      a record's JSON text
    [7]          a deletion, with the annotations that went with it
    {"edits"}    an undone change: what was done to which records
"""

from __future__ import annotations

from collections.abc import Sequence

import msgspec

from cocoannot.changes.description import Undone

Result = int | str | tuple[int] | Undone


class Answer(msgspec.Struct, frozen=True, omit_defaults=True):
    """`request` is the SHA-256 of the request, in hexadecimal; `results` are those of its operations, in order.

    `merged` as in `cocoannot.store.base.Committed`.
    """

    request: str
    results: tuple[Result, ...]
    merged: dict[int, tuple[str, ...]] = {}


def whole(answer: Answer, after: Sequence[bytes | None]) -> Answer:
    """`answer` with texts instead of numbers, so that it can be kept without its change.

    `after` is what each edit left. Raises `IndexError` where there is no such edit.
    """
    results = [(after[each] or b"").decode() if isinstance(each, int) else each for each in answer.results]
    return Answer(answer.request, tuple(results), answer.merged)
