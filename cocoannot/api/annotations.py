"""Annotations: list, one, batch."""

from __future__ import annotations

from typing import Any

from flask import Response
from flask_smorest.pagination import PaginationParameters

from cocoannot.api import body_schemas, query_schemas, response_schemas
from cocoannot.api.blueprint import Blueprint, store
from cocoannot.api.committing import change, commit
from cocoannot.api.openapi import ETAG, IF_MATCH, MERGED
from cocoannot.api.parsing import if_match, merges
from cocoannot.api.responses import (
    changed_response,
    created_response,
    found_response,
    json_response,
    list_response,
    no_content,
)
from cocoannot.changes.operations import Add, Delete, Operation, Update
from cocoannot.coco.records import Record
from cocoannot.errors import BadOperation
from cocoannot.people.roles import needs
from cocoannot.store.queries import AnnotationQuery

blueprint = Blueprint("annotations", __name__, url_prefix="/api/annotations", description="Shapes on images")


@blueprint.route("")
@needs("viewer")
@blueprint.arguments(query_schemas.AnnotationListQuery, location="query")
@blueprint.response(200, body_schemas.ListedAnnotation(many=True))
@blueprint.paginate()
def list_annotations(query: dict[str, Any], pagination_parameters: PaginationParameters) -> Response:
    """List annotations, in file order"""
    page = store().find(AnnotationQuery(**query), pagination_parameters.first_item, pagination_parameters.page_size)
    pagination_parameters.item_count = page.total
    return list_response(page)


@blueprint.route("", methods=["POST"])
@needs("annotator")
@blueprint.arguments(body_schemas.NewAnnotation)
@blueprint.created(body_schemas.Annotation, "annotation")
@blueprint.commits(400, 413, 415)
def add_annotation(annotation: dict[str, Any]) -> Response:
    """Add an annotation

    `area` and `bbox` are computed from the segmentation; a `bbox` alone gives `area` and an empty segmentation, and
    `keypoints` alone give both, from the labelled points. The server gives the `id`, unless the body brings one that
    is free.
    """
    committed = change(Add("annotations", annotation))
    return created_response(committed)


@blueprint.route("/<id:annotation_id>")
@needs("viewer")
@blueprint.response(200, body_schemas.Annotation, headers=ETAG)
@blueprint.errors(404, 409)
@blueprint.unchanged()
def get_annotation(annotation_id: int) -> Response:
    """Get one annotation, as stored"""
    return found_response(store().get("annotations", annotation_id), "annotation", annotation_id)


@blueprint.route("/<id:annotation_id>", methods=["PATCH"])
@needs("annotator")
@blueprint.arguments(query_schemas.UpdateQuery, location="query")
@blueprint.arguments(body_schemas.AnnotationChanges)
@blueprint.response(200, body_schemas.Annotation, headers={**ETAG, **MERGED})
@blueprint.commits(400, 404, 412, 413, 415)
@blueprint.takes(IF_MATCH)
def update_annotation(query: dict[str, Any], changes: dict[str, Any], annotation_id: int) -> Response:
    """Change fields of an annotation

    A field that is given replaces the stored one, `null` removes an optional one. A segmentation brings a new
    `area` and `bbox`.
    """
    return changed_response(change(Update("annotations", annotation_id, changes, if_match(), merges(query))))


@blueprint.route("/<id:annotation_id>", methods=["DELETE"])
@needs("annotator")
@blueprint.response(204)
@blueprint.commits(404, 412)
@blueprint.takes(IF_MATCH)
def delete_annotation(annotation_id: int) -> Response:
    """Delete an annotation"""
    return no_content(change(Delete("annotations", annotation_id, if_match())))


@blueprint.route("/batch", methods=["POST"])
@needs("annotator")
@blueprint.arguments(body_schemas.Batch)
@blueprint.response(200, response_schemas.BatchResults)
@blueprint.commits(400, 404, 412, 413, 415)
def change_annotations(batch: dict[str, Any]) -> Response:
    """Make many changes as one: all or none

    Each operation sees what the ones before it did. `restore` puts a deleted annotation back as it was, id, area
    and all, and at its place in the list where `position` is given. The results come in the operations' order; an error
    names the index of its operation.
    """
    operations: list[Operation] = batch["operations"]
    try:
        committed = commit(operations)
    except BadOperation as exc:
        part = {Update: "changes", Delete: None}.get(type(operations[exc.index]), "annotation")
        raise BadOperation(exc.index, exc.cause, part) from exc.cause
    records = [result if isinstance(result, Record) else None for result in committed.results]
    results: list[dict[str, Any]] = [
        {"annotation": record and record.raw, "etag": record and record.etag} for record in records
    ]
    for index, merged in committed.merged.items():
        results[index]["merged"] = merged
    return json_response({"results": results}, committed=committed)
