"""Categories: all of them, one."""

from __future__ import annotations

from typing import Any

from flask import Response

from cocoannot.api import body_schemas, query_schemas
from cocoannot.api.blueprint import Blueprint, store
from cocoannot.api.committing import change
from cocoannot.api.openapi import ETAG, IF_MATCH, MERGED
from cocoannot.api.parsing import if_match, merges
from cocoannot.api.responses import changed_response, created_response, found_response, list_response, no_content
from cocoannot.changes.operations import Add, Delete, Update
from cocoannot.people.roles import needs
from cocoannot.store.queries import CategoryQuery

blueprint = Blueprint("categories", __name__, url_prefix="/api/categories", description="What annotations show")


@blueprint.route("")
@needs("viewer")
@blueprint.arguments(query_schemas.CategoryListQuery, location="query")
@blueprint.response(200, body_schemas.ListedCategory(many=True))
def list_categories(query: dict[str, Any]) -> Response:
    """List all categories, not paged"""
    return list_response(store().find(CategoryQuery(**query)))


@blueprint.route("", methods=["POST"])
@needs("reviewer")
@blueprint.arguments(body_schemas.NewCategory)
@blueprint.created(body_schemas.Category, "category")
@blueprint.commits(400, 413, 415)
def add_category(category: dict[str, Any]) -> Response:
    """Add a category

    Its `name` must be free; `supercategory` is "none" if it is not given.
    """
    return created_response(change(Add("categories", category)))


@blueprint.route("/<id:category_id>")
@needs("viewer")
@blueprint.response(200, body_schemas.Category, headers=ETAG)
@blueprint.errors(404, 409)
@blueprint.unchanged()
def get_category(category_id: int) -> Response:
    """Get one category, as stored"""
    return found_response(store().get("categories", category_id), "category", category_id)


@blueprint.route("/<id:category_id>", methods=["PATCH"])
@needs("reviewer")
@blueprint.arguments(query_schemas.UpdateQuery, location="query")
@blueprint.arguments(body_schemas.CategoryChanges)
@blueprint.response(200, body_schemas.Category, headers={**ETAG, **MERGED})
@blueprint.commits(400, 404, 412, 413, 415)
@blueprint.takes(IF_MATCH)
def update_category(query: dict[str, Any], changes: dict[str, Any], category_id: int) -> Response:
    """Change fields of a category

    A field that is given replaces the stored one, `null` removes an optional one.
    """
    return changed_response(change(Update("categories", category_id, changes, if_match(), merges(query))))


@blueprint.route("/<id:category_id>", methods=["DELETE"])
@needs("reviewer")
@blueprint.arguments(query_schemas.ReassignQuery, location="query")
@blueprint.response(204)
@blueprint.commits(404, 412)
@blueprint.takes(IF_MATCH)
def delete_category(query: dict[str, Any], category_id: int) -> Response:
    """Delete a category

    409 with the count while annotations use it; with `reassign_to` they are moved there first, as one change.
    """
    return no_content(change(Delete("categories", category_id, if_match(), query.get("reassign_to"))))
