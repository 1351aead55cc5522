"""The dataset as a download: whole or a part, now or as it was, streamed while nobody waits for it."""

from __future__ import annotations

import zlib
from collections.abc import Iterable, Iterator
from typing import Any

from flask import Response, request

from cocoannot.api import query_schemas
from cocoannot.api.blueprint import Blueprint, history, store
from cocoannot.api.openapi import ACCEPT_ENCODING, ENCODING, ETAG
from cocoannot.api.responses import REVISION, disposition
from cocoannot.exchange.export import Options, export
from cocoannot.exchange.selection import Selection
from cocoannot.people.roles import needs

blueprint = Blueprint("export", __name__, url_prefix="/api/dataset/export", description="The dataset as a download")

_LEVEL = 5
"""Of gzip: half the time of the default, for a few percent more bytes."""


@blueprint.route("")
@needs("viewer")
@blueprint.arguments(query_schemas.ExportQuery, location="query")
@blueprint.response(
    200, {"type": "object"}, description="The dataset, or a part of it, as a COCO file", headers={**ETAG, **ENCODING}
)
@blueprint.errors(404)
@blueprint.takes(ACCEPT_ENCODING)
def export_dataset(query: dict[str, Any]) -> Response:
    """Download the dataset as it is now, or was at a revision, or a part of it

    `category_id`, `status`, `file_name` and `annotated` choose images: all conditions must hold. The answer has the
    annotations of these images, and of no others. With `category_id` it has the annotations of these categories alone,
    and these categories alone; else all categories. Other top-level values are always there. Without conditions it is
    everything, as the file would be, also annotations whose image is not there.

    Each record is what it was, byte for byte, but for what `ids`, `boxes` and `ascii` change. 404 where a revision
    can't be told any more, or is yet to come; 422 for a category that is not there, and for panoptic annotations with
    `category_id` or `ids`. With `Accept-Encoding: gzip` the answer is compressed.
    """
    options = _options(query)
    response = _plain(query.get("at")) if options.is_plain else _made(query.get("at"), options)
    response.headers["Vary"] = "Accept-Encoding"
    if _wants_gzip():
        response.response = _gzipped(response.iter_encoded())
        response.headers["Content-Encoding"] = "gzip"
        del response.headers["Content-Length"]
        # Other bytes are another version.
        response.set_etag(f"{response.headers[REVISION]}-gzip")
    return response


def _plain(revision: int | None) -> Response:
    whole = store().export() if revision is None else history().export_at(revision)
    response = _download(whole.blocks, whole.name, whole.revision)
    if whole.size is not None:
        response.content_length = whole.size
    return response


def _made(revision: int | None, options: Options) -> Response:
    snapshot = store().snapshot() if revision is None else history().snapshot_at(revision)
    try:
        response = _download(export(snapshot, options), snapshot.name, snapshot.revision)
    except BaseException:
        snapshot.close()
        raise
    response.call_on_close(snapshot.close)
    return response


def _download(blocks: Iterable[bytes | memoryview], name: str, revision: int) -> Response:
    response = Response(map(bytes, blocks), mimetype="application/json")
    response.headers["Content-Disposition"] = disposition("attachment", name)
    response.headers[REVISION] = str(revision)
    response.set_etag(str(revision))
    return response


def _options(query: dict[str, Any]) -> Options:
    return Options(
        Selection(tuple(query["category_ids"]), tuple(query["statuses"]), query["file_name"], query.get("annotated")),
        contiguous="ids" in query,
        polygons="boxes" in query,
        ascii="ascii" in query,
    )


def _wants_gzip() -> bool:
    accepted = request.accept_encodings
    return accepted["gzip"] > 0 and accepted["gzip"] >= accepted["identity"]


def _gzipped(blocks: Iterable[bytes]) -> Iterator[bytes]:
    packer = zlib.compressobj(_LEVEL, wbits=31)
    for block in blocks:
        if packed := packer.compress(block):
            yield packed
    yield packer.flush()
