"""Images: list, one, its annotations. Its picture is in `pictures`."""

from __future__ import annotations

from typing import Any

from flask import Response
from flask_smorest.pagination import PaginationParameters

from cocoannot.api import body_schemas, query_schemas, response_schemas
from cocoannot.api.blueprint import Blueprint, history, store
from cocoannot.api.committing import change
from cocoannot.api.image_queries import image_query
from cocoannot.api.openapi import ETAG, IF_MATCH, MERGED
from cocoannot.api.parsing import if_match, merges
from cocoannot.api.responses import (
    changed_response,
    existing,
    found_response,
    json_response,
    list_response,
    versioned_list_response,
)
from cocoannot.changes.operations import Delete, Update
from cocoannot.people.roles import needs
from cocoannot.store.base import Deleted

blueprint = Blueprint("images", __name__, url_prefix="/api/images", description="Images and their pictures")


@blueprint.route("")
@needs("viewer")
@blueprint.arguments(query_schemas.ImageListQuery, location="query")
@blueprint.response(200, body_schemas.ListedImage(many=True))
@blueprint.paginate()
def list_images(query: dict[str, Any], pagination_parameters: PaginationParameters) -> Response:
    """List images

    In the file's own order, or sorted by `sort` (`-` in front for descending).
    """
    page = store().find(image_query(query), pagination_parameters.first_item, pagination_parameters.page_size)
    pagination_parameters.item_count = page.total
    return list_response(page)


@blueprint.route("/<id:image_id>")
@needs("viewer")
@blueprint.response(200, body_schemas.Image, headers=ETAG)
@blueprint.errors(404, 409)
@blueprint.unchanged()
def get_image(image_id: int) -> Response:
    """Get one image's record, as stored"""
    return found_response(store().get("images", image_id), "image", image_id)


@blueprint.route("/<id:image_id>", methods=["PATCH"])
@needs("admin")
@blueprint.arguments(query_schemas.UpdateQuery, location="query")
@blueprint.arguments(body_schemas.ImageChanges)
@blueprint.response(200, body_schemas.Image, headers={**ETAG, **MERGED})
@blueprint.commits(400, 404, 412, 413, 415)
@blueprint.takes(IF_MATCH)
def update_image(query: dict[str, Any], changes: dict[str, Any], image_id: int) -> Response:
    """Change fields of an image's record

    A field that is given replaces the stored one, `null` removes an optional one.
    """
    return changed_response(change(Update("images", image_id, changes, if_match(), merges(query))))


@blueprint.route("/<id:image_id>", methods=["DELETE"])
@needs("admin")
@blueprint.response(200, response_schemas.DeletedImage)
@blueprint.commits(404, 412)
@blueprint.takes(IF_MATCH)
def delete_image(image_id: int) -> Response:
    """Delete an image's record and its annotations, as one change

    The picture itself is left alone.
    """
    committed = change(Delete("images", image_id, if_match()))
    (deleted,) = committed.results
    assert isinstance(deleted, Deleted)
    return json_response({"annotations_deleted": deleted.annotations}, committed=committed)


@blueprint.route("/<id:image_id>/neighbours")
@needs("viewer")
@blueprint.arguments(query_schemas.ImageFilters, location="query")
@blueprint.response(200, response_schemas.Neighbours)
@blueprint.errors(404, 409)
def get_neighbours(query: dict[str, Any], image_id: int) -> Response:
    """Get where an image is in the list of images

    With the filters and the order of that list: how many images are before it (`position`), and the ids of those beside
    it. For an image that the filters leave out `position` is null, and those beside it are the ones between which it
    would be.
    """
    found = existing(store().neighbours(image_id, image_query(query)), "image", image_id)
    body = {"previous": found.previous, "next": found.next, "position": found.position, "total": found.total}
    return json_response(body, revision=found.revision)


@blueprint.route("/<id:image_id>/annotations")
@needs("viewer")
@blueprint.arguments(query_schemas.AnnotationsOfImageQuery, location="query")
@blueprint.response(200, body_schemas.ListedAnnotation(many=True), headers=ETAG)
@blueprint.errors(404, 409)
@blueprint.unchanged()
def list_annotations_of_image(query: dict[str, Any], image_id: int) -> Response:
    """List the annotations of an image, as stored, in file order, not paged

    With `at` as they were at that revision; 404 where that can't be told any more, or is yet to come.
    """
    if "at" in query:
        page = history().annotations_at(image_id, query["at"], query["derived"])
    else:
        page = store().annotations_of(image_id, query["derived"])
    return versioned_list_response(existing(page, "image", image_id))
