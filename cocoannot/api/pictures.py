"""The picture of an image, and its thumbnail. Where pictures are, and what counts as one, is not known here."""

from __future__ import annotations

from typing import Any

from flask import Response, request
from webargs.flaskparser import abort

from cocoannot.api import query_schemas
from cocoannot.api.blueprint import store
from cocoannot.api.images import blueprint
from cocoannot.api.openapi import ETAG, RANGE, RANGES
from cocoannot.api.responses import conditional_response, existing
from cocoannot.api.streams import stream_response
from cocoannot.coco.records import Record
from cocoannot.extension import runtime
from cocoannot.people.roles import needs

__all__ = ["blueprint"]
"""That of the images, with the routes of their pictures."""

_BYTES = {"type": "string", "format": "binary"}


@blueprint.route("/<id:image_id>/file")
@needs("viewer")
@blueprint.arguments(query_schemas.FileQuery, location="query")
@blueprint.response(200, _BYTES, content_type="image/*", headers=ETAG)
@blueprint.response(206, _BYTES, content_type="image/*", headers=RANGES)
@blueprint.errors(404, 409, 412, 416, 422, 502)
@blueprint.unchanged(RANGE)
def get_picture(query: dict[str, Any], image_id: int) -> Response:
    """Get the picture of an image

    Conditional, and by `Range`. With `as=jpeg` it is a JPEG of the same size, turned as its EXIF says, on white where
    it is transparent, and always whole: for TIFF, 16 bits a channel and others that browsers can't show. 422 for a
    picture that is damaged or too large; 502 where S3 has the pictures, and fails.
    """
    image = existing(store().get("images", image_id).record, "image", image_id)
    response = runtime().pictures.use(image, stream_response) if "kind" not in query else _rendered(image, None)
    tag = response.get_etag()[0] or ""
    # werkzeug does not look at it where there is a `Range`, and a part of another version is of no use.
    if response.status_code == 412 or (request.if_match and tag not in request.if_match):
        response.close()
        abort(412, message="the picture has changed since you read it; read it again")
    return response


@blueprint.route("/<id:image_id>/thumbnail")
@needs("viewer")
@blueprint.arguments(query_schemas.ThumbnailQuery, location="query")
@blueprint.response(200, _BYTES, content_type="image/jpeg", headers=ETAG)
@blueprint.errors(404, 409, 502)
@blueprint.unchanged()
def get_thumbnail(query: dict[str, Any], image_id: int) -> Response:
    """Get a small JPEG of the picture of an image

    Never larger than the picture, turned as its EXIF says, on white where it is transparent. 422 for a picture that
    is damaged or too large; 502 where S3 has the pictures, and fails.
    """
    image = existing(store().get("images", image_id).record, "image", image_id)
    return _rendered(image, query["size"])


def _rendered(image: Record, size: int | None) -> Response:
    thumbnail = runtime().pictures.thumbnail(image, size)
    response = conditional_response(thumbnail.data, "image/jpeg", thumbnail.key)
    response.headers["Cache-Control"] = "no-cache"
    response.headers["X-Content-Type-Options"] = "nosniff"
    return response
