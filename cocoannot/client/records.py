"""Records as the client gives them: dicts that know their version."""

from __future__ import annotations

from typing import Any


class Record(dict[str, Any]):
    """An image, an annotation or a category; `etag` is the version that was read, `None` where that is not known."""

    etag: str | None = None


def record_of(fields: Any, etag: str | None = None) -> Record:
    """A record from JSON; `_etag` in it is its version, and no field of it."""
    record = Record(fields)
    record.etag = record.pop("_etag", etag)
    return record
