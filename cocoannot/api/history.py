"""What was: changes, the versions of a record, what each user did. How it was at a revision is told where it is now."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import Any

import msgspec
from flask import Response

from cocoannot.api import query_schemas, response_schemas
from cocoannot.api.blueprint import Blueprint, past, store
from cocoannot.api.responses import existing, json_response, moment
from cocoannot.changes.change import Edit
from cocoannot.changes.description import DescribedChange, describe, kind, summary
from cocoannot.coco.parser import SectionName
from cocoannot.coco.records import Record
from cocoannot.store.base import Version
from cocoannot.store.queries import ChangeQuery

blueprint = Blueprint("history", __name__, url_prefix="/api", description="Who changed what, and what was before")

MOST_EDITS = 1000
"""Edits of one change that are listed."""

MOST_TEXT = 16 << 20
"""Bytes of records in one answer, unless one change alone has more."""


@blueprint.route("/changes")
@blueprint.arguments(query_schemas.ChangeListQuery, location="query")
@blueprint.response(200, response_schemas.Change(many=True))
def list_changes(query: dict[str, Any]) -> Response:
    """List changes, newest last

    With `since` the oldest ones after that revision, so that they can be followed; without it the newest ones. The
    first 1,000 edits of a change are listed, and `more` is how many others there are. `with=records` adds the texts
    before and after; an answer with many of them has fewer changes.
    """
    with_records = "records" in query.pop("with")
    if (annotation_id := query.pop("annotation_id", None)) is not None:
        query["record"] = ("annotations", annotation_id)
    query, revision = _as_of_now(query)
    found = past().find_changes(ChangeQuery(**query))
    listed = _with_records(found, oldest_first="since" in query) if with_records else map(_change, found)
    return json_response(list(listed), revision=revision)


@blueprint.route("/annotations/<id:annotation_id>/history")
@blueprint.arguments(query_schemas.VersionsQuery, location="query")
@blueprint.response(200, response_schemas.Version(many=True))
@blueprint.errors(404, 409)
def list_versions_of_annotation(query: dict[str, Any], annotation_id: int) -> Response:
    """List the versions of an annotation, newest last, also of one that was deleted

    The first one, with `null` for its revision, is what was there before the first one that is listed.
    """
    return _versions("annotations", "annotation", annotation_id, query)


@blueprint.route("/images/<id:image_id>/history")
@blueprint.arguments(query_schemas.VersionsQuery, location="query")
@blueprint.response(200, response_schemas.Version(many=True))
@blueprint.errors(404, 409)
def list_versions_of_image(query: dict[str, Any], image_id: int) -> Response:
    """List the versions of an image's record, newest last, also of one that was deleted

    The first one, with `null` for its revision, is what was there before the first one that is listed.
    """
    return _versions("images", "image", image_id, query)


@blueprint.route("/categories/<id:category_id>/history")
@blueprint.arguments(query_schemas.VersionsQuery, location="query")
@blueprint.response(200, response_schemas.Version(many=True))
@blueprint.errors(404, 409)
def list_versions_of_category(query: dict[str, Any], category_id: int) -> Response:
    """List the versions of a category, newest last, also of one that was deleted

    The first one, with `null` for its revision, is what was there before the first one that is listed.
    """
    return _versions("categories", "category", category_id, query)


@blueprint.route("/stats/users")
@blueprint.response(200, response_schemas.UserDay(many=True))
def get_user_statistics() -> Response:
    """Get what each user did on each day (UTC)

    `changes` made, edits of `annotations` in them, and `images` whose `annotation_status` became `done` or `empty`.
    """
    days = [
        {"day": each.day, "user": each.actor, **dict(zip(("changes", "annotations", "images"), each[2:], strict=True))}
        for each in past().work()
    ]
    return json_response(days)


def _versions(section: SectionName, noun: str, record_id: int, query: dict[str, Any]) -> Response:
    query, revision = _as_of_now(query)
    versions = past().versions(section, record_id, ChangeQuery(**query))
    listed: list[Mapping[str, Any]] = [_version(version) for version in versions]
    original = versions[0].before if versions else existing(store().get(section, record_id).record, noun, record_id)
    if "since" not in query and original is not None:
        listed.insert(0, _original(original))
    return json_response(listed, revision=revision)


def _as_of_now(query: dict[str, Any]) -> tuple[dict[str, Any], int]:
    """`query` without what is changed from now on, and the revision that its answer belongs to."""
    revision = store().revision
    return {**query, "until": min(query.get("until", revision), revision)}, revision


def _change(change: DescribedChange) -> dict[str, Any]:
    edits = change.edits[:MOST_EDITS]
    return {**_facts(change), "edits": edits, **_more(change)}


def _with_records(changes: Sequence[DescribedChange], *, oldest_first: bool) -> list[dict[str, Any]]:
    """`changes` with the texts of their edits, as many of them as an answer may have."""
    found: list[dict[str, Any]] = []
    size = 0
    for change in changes if oldest_first else reversed(changes):
        edits: list[dict[str, Any]] = []
        for edit in _edits_of(change):
            size += len(edit.before or b"") + len(edit.after or b"")
            if edits and size > MOST_TEXT:
                break
            texts = {"before": _raw(edit.before), "after": _raw(edit.after)}
            edits.append({**msgspec.structs.asdict(describe(edit)), **texts})
        if found and size > MOST_TEXT:
            break
        found.append({**_facts(change), "edits": edits, **_more(change, len(edits))})
    return found if oldest_first else found[::-1]


def _edits_of(change: DescribedChange) -> Iterator[Edit]:
    whole = past().change(change.revision)
    yield from whole.edits[:MOST_EDITS] if whole else ()


def _facts(change: DescribedChange) -> dict[str, Any]:
    return {
        "revision": change.revision,
        "time": moment(change.time),
        "user": change.actor,
        "kind": kind(change),
        "summary": summary(change, change.edits),
        **({} if change.undoes is None else {"undoes": change.undoes}),
    }


def _more(change: DescribedChange, listed: int = MOST_EDITS) -> dict[str, int]:
    return {"more": len(change.edits) - listed} if len(change.edits) > listed else {}


def _version(version: Version) -> dict[str, Any]:
    return {
        "revision": version.revision,
        "time": moment(version.time),
        "user": version.actor,
        "record": version.record and version.record.raw,
    }


def _original(record: Record) -> dict[str, Any]:
    return {"revision": None, "time": None, "user": None, "record": record.raw}


def _raw(text: bytes | None) -> msgspec.Raw | None:
    return None if text is None else msgspec.Raw(text)
