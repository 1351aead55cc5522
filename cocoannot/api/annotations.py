"""Annotations: list, one, batch."""

from __future__ import annotations

from typing import Any

from flask import Response
from flask_smorest.pagination import PaginationParameters

from cocoannot.api import body_schemas, query_schemas, response_schemas
from cocoannot.api.blueprint import Blueprint, manager
from cocoannot.api.openapi import ETAG, IF_MATCH
from cocoannot.api.parsing import if_match
from cocoannot.api.responses import created_response, found, json_response, list_response, no_content, record_response
from cocoannot.store.memory.queries import AnnotationQuery

blueprint = Blueprint("annotations", __name__, url_prefix="/api/annotations", description="Shapes on images")


@blueprint.route("")
@blueprint.arguments(query_schemas.AnnotationListQuery, location="query")
@blueprint.response(200, body_schemas.ListedAnnotation(many=True))
@blueprint.paginate()
def list_annotations(query: dict[str, Any], pagination_parameters: PaginationParameters) -> Response:
    """List annotations, in file order"""
    page = manager().find_annotations(
        AnnotationQuery(query.get("image_id"), query.get("category_id"), query.get("iscrowd")),
        pagination_parameters.first_item,
        pagination_parameters.page_size,
        query["derived"],
    )
    pagination_parameters.item_count = page.total
    return list_response(page.texts)


@blueprint.route("", methods=["POST"])
@blueprint.arguments(body_schemas.NewAnnotation)
@blueprint.created(body_schemas.Annotation, "annotation")
@blueprint.errors(400, 409, 413, 415, 503, 507)
def add_annotation(annotation: dict[str, Any]) -> Response:
    """Add an annotation

    `area` and `bbox` are computed from the segmentation; a `bbox` alone gives `area` and an empty segmentation.
    The server gives the `id`, unless the body brings one that is free.
    """
    record = manager().add_annotation(annotation)
    return created_response(record)


@blueprint.route("/<id:annotation_id>")
@blueprint.response(200, body_schemas.Annotation, headers=ETAG)
@blueprint.errors(404, 409)
@blueprint.unchanged()
def get_annotation(annotation_id: int) -> Response:
    """Get one annotation, as stored"""
    return record_response(found(manager().get_annotation(annotation_id), "annotation", annotation_id))


@blueprint.route("/<id:annotation_id>", methods=["PATCH"])
@blueprint.arguments(body_schemas.AnnotationChanges)
@blueprint.response(200, body_schemas.Annotation, headers=ETAG)
@blueprint.errors(400, 404, 409, 412, 413, 415, 503, 507)
@blueprint.takes(IF_MATCH)
def update_annotation(changes: dict[str, Any], annotation_id: int) -> Response:
    """Change fields of an annotation

    A field that is given replaces the stored one, `null` removes an optional one. A segmentation brings a new
    `area` and `bbox`.
    """
    record = manager().update_annotation(annotation_id, changes, if_match())
    return record_response(found(record, "annotation", annotation_id))


@blueprint.route("/<id:annotation_id>", methods=["DELETE"])
@blueprint.response(204)
@blueprint.errors(404, 409, 412, 503, 507)
@blueprint.takes(IF_MATCH)
def delete_annotation(annotation_id: int) -> Response:
    """Delete an annotation"""
    found(manager().delete_annotation(annotation_id, if_match()), "annotation", annotation_id)
    return no_content()


@blueprint.route("/batch", methods=["POST"])
@blueprint.arguments(body_schemas.Batch)
@blueprint.response(200, response_schemas.BatchResults)
@blueprint.errors(400, 404, 409, 412, 413, 415, 503, 507)
def change_annotations(batch: dict[str, Any]) -> Response:
    """Make many changes as one: all or none

    Each operation sees what the ones before it did. `restore` puts a deleted annotation back as it was, id, area
    and all. The results come in the operations' order; an error names the index of its operation.
    """
    return json_response(
        {
            "results": [
                {"annotation": record and record.raw, "etag": record and record.etag}
                for record in manager().change_annotations(batch["operations"])
            ]
        }
    )
