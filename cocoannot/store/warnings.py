"""What is said of a dataset in which something is wrong, and kept as it is. Who finds it is not known here."""

from __future__ import annotations

from collections.abc import Sequence

from cocoannot.coco.parser import NOUNS, SectionName
from cocoannot.errors import AmbiguousId


def ambiguous(section: SectionName, record_id: int, times: int) -> AmbiguousId:
    """The error for an id that more than one record has."""
    noun = NOUNS[section]
    return AmbiguousId(
        f"{noun} id {record_id} is there {times} times, so it is not clear which one is meant; stop the server and "
        f"give each {noun} in the file an id of its own: `flask check --fix OUT` lists them, and writes a repaired "
        "copy where it is certain what is right"
    )


def counted(number: int, noun: str) -> str:
    """Such as `3 images`."""
    return f"{number} {noun}{'s' if number > 1 else ''}"


def few(ids: Sequence[int]) -> str:
    """The first of `ids`, which may be as few as six of them."""
    return ", ".join(map(str, ids[:5])) + (", ..." if len(ids) > 5 else "")
