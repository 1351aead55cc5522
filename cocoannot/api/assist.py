"""Outlines that a program finds in a picture. They are answered, and become annotations where somebody keeps them."""

from __future__ import annotations

from typing import Any

from flask import Response

from cocoannot.api import assist_schemas as schemas
from cocoannot.api.blueprint import Blueprint, store
from cocoannot.api.responses import existing, json_response
from cocoannot.assist.model import Prompt
from cocoannot.coco.fields import is_integer
from cocoannot.coco.records import Record
from cocoannot.errors import Conflict
from cocoannot.extension import runtime
from cocoannot.people.roles import needs

blueprint = Blueprint("assist", __name__, url_prefix="/api", description="Outlines that a program finds")

_NOTHING = {"segmentation": None, "bbox": None, "score": None}


@blueprint.route("/assist")
@needs("viewer")
@blueprint.response(200, schemas.Assistance)
def get_assistance() -> Response:
    """Get what the server can find: objects in boxes, objects at points"""
    assistant = runtime().assistant
    return json_response({"box": assistant.finds_by_box, "points": assistant.finds_by_points})


@blueprint.route("/images/<id:image_id>/outline", methods=["POST"])
@needs("annotator")
@blueprint.arguments(schemas.OutlineBody)
@blueprint.response(200, schemas.Outline)
@blueprint.errors(400, 404, 409, 413, 415, 429, 502)
def find_outline(body: dict[str, Any], image_id: int) -> Response:
    """Find the object in a box, or at points

    Nothing is changed: what is found is an annotation only once it is added. With `inside`, a model finds it, which
    `COCOANNOT_ASSIST` names; a box alone needs none. All fields are null where nothing was found. 409 where the server
    can't find that, or the picture has another size than the record; 429 while many others ask.
    """
    image = existing(store().get("images", image_id).record, "image", image_id)
    size = _size(image)
    assistant = runtime().assistant
    box = None if body.get("box") is None else tuple(body["box"])
    inside, outside = body["inside"], body["outside"]

    def jpeg(longest: int | None) -> tuple[bytes, str]:
        thumbnail = runtime().pictures.thumbnail(image, longest)
        return thumbnail.data, thumbnail.key

    if box is not None and not inside and not outside:
        found = assistant.in_box(jpeg, size, box)
    else:
        labels = [1] * len(inside) + [0] * len(outside)
        found = assistant.by_points(jpeg, size, Prompt([*inside, *outside], labels, box))
    return json_response(_NOTHING if found is None else found._asdict())


def _size(image: Record) -> tuple[int, int]:
    """The width and the height that the record says, in pixels. Raises `Conflict`."""
    width, height = image.get("width"), image.get("height")
    if not (is_integer(width) and is_integer(height) and width >= 1 and height >= 1):
        raise Conflict(f"image {image['id']} has no width and height in its record: outlines can't be found")
    return int(width), int(height)
