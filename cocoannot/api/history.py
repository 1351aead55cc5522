"""What was: the versions of a record, what each user did. How it was at a revision is told where it is now."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from flask import Response

from cocoannot.api import query_schemas, response_schemas
from cocoannot.api.blueprint import Blueprint, history, store
from cocoannot.api.responses import existing, json_response
from cocoannot.clock import moment
from cocoannot.coco.parser import SectionName
from cocoannot.coco.records import Record
from cocoannot.people.roles import needs
from cocoannot.store.base import Version
from cocoannot.store.queries import ChangeQuery

blueprint = Blueprint("history", __name__, url_prefix="/api", description="Who changed what, and what was before")


@blueprint.route("/annotations/<id:annotation_id>/history")
@needs("viewer")
@blueprint.arguments(query_schemas.VersionsQuery, location="query")
@blueprint.response(200, response_schemas.Version(many=True))
@blueprint.errors(404, 409)
def list_versions_of_annotation(query: dict[str, Any], annotation_id: int) -> Response:
    """List the versions of an annotation, newest last, also of one that was deleted

    The first one, with `null` for its revision, is what was there before the first one that is listed.
    """
    return _versions("annotations", "annotation", annotation_id, query)


@blueprint.route("/images/<id:image_id>/history")
@needs("viewer")
@blueprint.arguments(query_schemas.VersionsQuery, location="query")
@blueprint.response(200, response_schemas.Version(many=True))
@blueprint.errors(404, 409)
def list_versions_of_image(query: dict[str, Any], image_id: int) -> Response:
    """List the versions of an image's record, newest last, also of one that was deleted

    The first one, with `null` for its revision, is what was there before the first one that is listed.
    """
    return _versions("images", "image", image_id, query)


@blueprint.route("/categories/<id:category_id>/history")
@needs("viewer")
@blueprint.arguments(query_schemas.VersionsQuery, location="query")
@blueprint.response(200, response_schemas.Version(many=True))
@blueprint.errors(404, 409)
def list_versions_of_category(query: dict[str, Any], category_id: int) -> Response:
    """List the versions of a category, newest last, also of one that was deleted

    The first one, with `null` for its revision, is what was there before the first one that is listed.
    """
    return _versions("categories", "category", category_id, query)


@blueprint.route("/stats/users")
@needs("viewer")
@blueprint.response(200, response_schemas.UserDay(many=True))
def get_user_statistics() -> Response:
    """Get what each user did on each day (UTC)

    `changes` made, edits of `annotations` in them, and `images` whose `annotation_status` became `done` or `empty`.
    """
    revision = store().revision
    days = [
        {"day": each.day, "user": each.actor, **dict(zip(("changes", "annotations", "images"), each[2:], strict=True))}
        for each in history().work()
    ]
    return json_response(days, revision=revision)


def _versions(section: SectionName, noun: str, record_id: int, query: dict[str, Any]) -> Response:
    query, revision = as_of_now(query)
    versions = history().versions(section, record_id, ChangeQuery(**query))
    listed: list[Mapping[str, Any]] = [_version(version) for version in versions]
    original = versions[0].before if versions else existing(store().get(section, record_id).record, noun, record_id)
    if "since" not in query and original is not None:
        listed.insert(0, _original(original))
    return json_response(listed, revision=revision)


def as_of_now(query: dict[str, Any]) -> tuple[dict[str, Any], int]:
    """`query` without what is changed from now on, and the revision that its answer belongs to."""
    revision = store().revision
    return {**query, "until": min(query.get("until", revision), revision)}, revision


def _version(version: Version) -> dict[str, Any]:
    return {
        "revision": version.revision,
        "time": moment(version.time),
        "user": version.actor,
        "record": version.record and version.record.raw,
    }


def _original(record: Record) -> dict[str, Any]:
    return {"revision": None, "time": None, "user": None, "record": record.raw}
