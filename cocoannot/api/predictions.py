"""Predictions: layers beside the dataset, what they say of an image, and what becomes of them."""

from __future__ import annotations

from typing import Any

from flask import Response, request

from cocoannot.api import prediction_schemas as schemas
from cocoannot.api.blueprint import Blueprint, titled_examples
from cocoannot.api.caller import actor
from cocoannot.api.committing import commit
from cocoannot.api.examples import ANSWERS
from cocoannot.api.openapi import ETAG, REVISION
from cocoannot.api.parsing import json_blocks
from cocoannot.api.responses import existing, json_response, no_content, versioned_list_response
from cocoannot.api.work import blueprint as images
from cocoannot.coco.fields import ID
from cocoannot.coco.records import Record
from cocoannot.errors import InvalidQuery, UnknownId
from cocoannot.extension import runtime
from cocoannot.people.roles import needs
from cocoannot.predictions.deciding import Chosen
from cocoannot.predictions.matching import COVERS

blueprint = Blueprint(
    "predictions", __name__, url_prefix="/api/predictions", description="What models say, in layers beside the dataset"
)

_RESULT: dict[str, Any] = {
    "type": "object",
    "required": ["image_id", "category_id", "score"],
    "properties": {"image_id": ID.schema, "category_id": ID.schema, "score": {"type": "number"}},
}
_RESULTS: dict[str, Any] = {"type": "array", "items": _RESULT}
_ANNOTATIONS = {"required": ["annotations"], "properties": {"annotations": _RESULTS}}


@blueprint.route("")
@needs("viewer")
@blueprint.response(200, schemas.Layer(many=True))
def list_layers() -> Response:
    """List the layers of predictions, by name"""
    return json_response(runtime().predictions.all_told())


@blueprint.route("/<name>")
@needs("viewer")
@blueprint.response(200, schemas.Layer)
@blueprint.errors(404, 503)
def get_layer(name: str) -> Response:
    """Get how much there is of a layer, and what became of it"""
    predictions = runtime().predictions
    return json_response(predictions.told(predictions.layers.get(name)))


@blueprint.route("/<name>", methods=["PUT"])
@needs("admin")
@blueprint.response(200, schemas.Layer)
@blueprint.alt_response(
    201,
    schema=schemas.Layer,
    description="There was no layer of this name before",
    headers=REVISION,
    example=ANSWERS["Layer"],
)
@blueprint.errors(400, 409, 413, 415, 422, 503, 507)
@blueprint.doc(
    requestBody={
        "required": True,
        "content": {
            "application/json": {
                "schema": {"oneOf": [_RESULTS, {"type": "object", **_ANNOTATIONS}]},
                "examples": titled_examples(schemas.PredictionList),
            }
        },
    }
)
def put_layer(name: str) -> Response:
    """Upload predictions as a layer, instead of the one of this name if there is one

    A list of results as COCO has it, `[{"image_id", "category_id", "bbox" or "segmentation" or "keypoints", "score"}]`,
    or a dataset whose annotations have a `score`. It is kept beside the dataset, never in its file. A prediction that
    is wrong is told by its index, images and categories that do not exist by their number, and nothing is imported.
    """
    request.max_content_length = runtime().settings.max_dataset_bytes
    put = runtime().predictions.put(name, json_blocks(request))
    runtime().predictions.prepare()
    return json_response(put.told, 201 if put.is_new else 200)


@blueprint.route("/<name>", methods=["DELETE"])
@needs("admin")
@blueprint.response(204)
@blueprint.errors(404, 503, 507)
def delete_layer(name: str) -> Response:
    """Delete a layer

    What was accepted of it stays.
    """
    runtime().predictions.delete(name)
    return no_content()


@images.route("/<id:image_id>/predictions")
@needs("viewer")
@blueprint.arguments(schemas.PredictionsQuery, location="query")
@blueprint.response(200, schemas.ImagePrediction(many=True), headers=ETAG)
@blueprint.errors(404, 409, 503)
@blueprint.unchanged()
def list_predictions_of_image(query: dict[str, Any], image_id: int) -> Response:
    """List what layers say of an image, not paged

    Each as it was uploaded, with its `id`: the one that the file gives, or its place in it, from 1. `_status` is what
    became of it, and `_covered` whether an annotation of the same category is where it is: an IoU of boxes of at least
    0.9, also for masks.
    """
    predictions = runtime().predictions
    try:
        page = predictions.of_image(image_id, query["names"] or predictions.layers.names(), query["min_score"])
    except UnknownId as exc:
        raise InvalidQuery({"name": [str(exc)]}) from exc
    return versioned_list_response(existing(page, "image", image_id))


@blueprint.route("/<name>/accept", methods=["POST"])
@needs("annotator")
@blueprint.arguments(schemas.Acceptance)
@blueprint.response(200, schemas.AcceptedPredictions)
@blueprint.commits(400, 404, 413, 415)
def accept_predictions(body: dict[str, Any], name: str) -> Response:
    """Make annotations of predictions, by the ordinary rules and as one change

    Each keeps where it came from as `prediction`: layer, version, id, score and user. `ids` are accepted whatever
    annotations there are, and though they were rejected; with `min_score`, what is rejected or covered by an annotation
    is left out; `max_iou` says from which IoU on. At most 100,000 at a time. Undoing the change makes them open again.
    """
    accepted = runtime().predictions.decisions.accept(name, _chosen(body), actor(), commit)
    committed = accepted.committed
    annotations = [
        {"prediction_id": record["prediction"]["id"], "id": record["id"], "etag": record.etag}
        for record in committed.results
        if isinstance(record, Record)
    ]
    answer = {"accepted": len(annotations), "left_out": accepted.left_out, "annotations": annotations}
    return json_response(answer, committed=committed)


@blueprint.route("/<name>/reject", methods=["POST"])
@needs("annotator")
@blueprint.arguments(schemas.Rejection)
@blueprint.response(200, schemas.RejectedPredictions)
@blueprint.errors(400, 404, 409, 413, 415, 503, 507)
def reject_predictions(body: dict[str, Any], name: str) -> Response:
    """Remember that predictions were rejected

    Nothing of the dataset is changed. `rejected: false` makes them open again.
    """
    decided = runtime().predictions.decisions.reject(name, _chosen(body), rejected=body.pop("rejected"))
    return json_response({"rejected": decided.done, "left_out": decided.left_out})


def _chosen(body: dict[str, Any]) -> Chosen:
    ids, image_id = body.get("ids"), body.get("image_id")
    return Chosen(
        None if ids is None else [int(each) for each in ids],
        None if image_id is None else int(image_id),
        float(body.get("min_score", 0)),
        float(body.get("max_iou", COVERS)),
    )
