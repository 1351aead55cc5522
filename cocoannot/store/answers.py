"""Results of operations as they are kept for a request that is sent again, and back. See `cocoannot.changes.answer`."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from cocoannot.changes.answer import Answer, Result
from cocoannot.changes.change import Change, Edit
from cocoannot.changes.description import Undone
from cocoannot.coco.records import Record
from cocoannot.errors import KeyReused
from cocoannot.store.base import Committed, Deleted, OperationResult


def answer(
    request: str,
    results: Sequence[OperationResult],
    edits: Sequence[Edit],
    merged: Mapping[int, tuple[str, ...]],
) -> Answer:
    """What to keep of `results`, which `edits` came of; `merged` as in `Committed`."""
    numbers = {edit.after: number for number, edit in enumerate(edits)}
    return Answer(request, tuple([_kept(result, numbers) for result in results]), dict(merged))


def results_of(kept: Answer) -> list[OperationResult]:
    """The results in an answer that is `cocoannot.changes.answer.whole`."""
    return [_result(each) for each in kept.results]


def repeated(change: Change, kept: Answer, request: str) -> Committed:
    """What was answered to a request that is sent again: `change` is what it made, `kept` is whole.

    Raises `KeyReused` where that was another one than `request`.
    """
    if kept.request != request:
        raise KeyReused(
            f"Idempotency-Key {change.key!r} was given to another request before (revision {change.revision}); give "
            "each request a key of its own, and send the same key only with the same request"
        )
    return Committed(results_of(kept), change.revision, change, is_repeated=True, merged=kept.merged)


def _kept(result: OperationResult, numbers: dict[bytes | None, int]) -> Result:
    if isinstance(result, Undone):
        return result
    if isinstance(result, Deleted):
        return (result.annotations,)
    number = numbers.get(result.text)
    return result.text.decode() if number is None else number


def _result(kept: Result) -> OperationResult:
    match kept:
        case str(text):
            return Record(text.encode())
        case (int(annotations),):
            return Deleted(annotations)
        case Undone():
            return kept
    raise ValueError("an answer that is not whole")
