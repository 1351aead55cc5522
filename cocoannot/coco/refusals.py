"""Why a text can't be read, in one line: what msgspec says, with the place in the file. Reading is done elsewhere."""

from __future__ import annotations

import re
from collections.abc import Callable

import msgspec

from cocoannot.coco.recognition import explain_syntax, recognise_bytes
from cocoannot.errors import DatasetError, NotADataset

# Every escape as a whole, so that a backslash that is escaped itself begins none.
_ESCAPES = re.compile(rb"\\(?:u[dD][89abAB][\da-fA-F]{2}\\u[dD][c-fC-F]|(?P<lone>u[dD][89a-fA-F])|.)", re.DOTALL)


def refusal(
    exc: Exception, text: bytes, source: str, offset: int = 0, recognise: Callable[[], str | None] = lambda: None
) -> DatasetError:
    """The error for what msgspec or Python raised for `text`, which begins at byte `offset` of the file.

    It is a `NotADataset` where no repaired copy could help. `recognise` says what a JSON value of another type is.
    """
    message = str(exc)
    if isinstance(exc, msgspec.ValidationError):
        words = f"{source}: not a COCO file: {message[0].lower()}{message[1:]}"
        try:
            more = recognise()
        except RecursionError:
            more = "nested too deep to read"
        except msgspec.DecodeError as other:
            # The type was wrong before the text was.
            return refusal(other, text, source, offset)
        return NotADataset(f"{words}; {more}") if more else DatasetError(words)
    if not text.strip():
        return NotADataset(
            f"{source}: the file is empty; COCOANNOT_CREATE=1 makes an empty dataset where there is no file"
        )
    if re.search("truncated|hex escape|surrogate", message) and (at := _lone_surrogate(text)) is not None:
        half = "half of a surrogate pair (\\uD800 to \\uDFFF) stands alone"
        return DatasetError(f"{source}: not JSON: {half} at byte {at + offset}")
    if words := recognise_bytes(text) or "":
        return NotADataset(f"{source}: not a COCO file: {words}")
    found = re.search(r"byte (\d+)", message)
    message = message.removeprefix("JSON is malformed: ")
    placed = re.sub(r"byte (\d+)", lambda number: f"byte {int(number[1]) + offset}", message)
    if found and _is_no_number(text, int(found[1])):
        return DatasetError(f"{source}: not JSON: {placed}: NaN and Infinity are not JSON")
    return NotADataset(f"{source}: not JSON: {placed}, {explain_syntax(text, exc)}")


def _is_no_number(text: bytes, at: int) -> bool:
    """Whether NaN or Infinity stands there, and not after a digit."""
    before, word = text[max(0, at - 2) : at], text[at : at + 9]
    return re.match(rb"-?(NaN|Infinity)", word) is not None and re.search(rb"[\w.+]-?$", before) is None


def _lone_surrogate(text: bytes) -> int | None:
    return next((found.start() for found in _ESCAPES.finditer(text) if found["lone"]), None)
