"""Images that come with their pictures, or whose pictures come later, and pictures that have no record yet."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import msgspec
from flask import Response, request

from cocoannot.api import body_schemas, response_schemas
from cocoannot.api.blueprint import Blueprint, store, titled_examples
from cocoannot.api.committing import answered, change, commit, has_key
from cocoannot.api.openapi import IDEMPOTENCY_KEY
from cocoannot.api.responses import REPEATED, created_response, existing, json_response
from cocoannot.api.uploads import FORM, Form, is_form, received_body, received_form
from cocoannot.api.work import blueprint
from cocoannot.changes.operations import Add
from cocoannot.coco.records import Record
from cocoannot.errors import BadOperation, BadPicture, Conflict, InvalidRecord, NotDurable, UnknownId
from cocoannot.extension import runtime
from cocoannot.people.roles import needs
from cocoannot.pictures.measuring import Head, Size
from cocoannot.pictures.placing import NameTaken
from cocoannot.pictures.receiving import Received
from cocoannot.pictures.safe_names import check_file_name, is_called_like_a_picture, numbered, safe_name
from cocoannot.pictures.scanning import NamesOfImage
from cocoannot.store.base import Committed
from cocoannot.store.queries import ImageQuery

__all__ = ["blueprint"]
"""That of the images, with the routes that add them."""

_SIDES = ("width", "height")
_MOST_SKIPPED = 1000
_ATTEMPTS = 3
_BYTES = {"type": "string", "format": "binary"}


@blueprint.route("", methods=["POST"])
@needs("admin")
@blueprint.doc(
    requestBody={
        "required": True,
        "content": {
            "application/json": {
                "schema": body_schemas.NewImage,
                "examples": titled_examples(body_schemas.NewImage),
            },
            FORM: {"schema": body_schemas.FORM_OF_IMAGE, "encoding": {"file": {"contentType": "image/*"}}},
        },
    }
)
@blueprint.created(body_schemas.Image, "image")
@blueprint.commits(400, 413, 415, 422, 502)
def add_image() -> Response:
    """Add an image's record, with or without its picture

    `width` and `height` are read from the picture where they are left out. As `multipart/form-data` with the picture as
    `file`, it is stored in the image folder: by `file_name` where that is given, else by the name of the file, made
    safe, with a number where another picture has that name. The other fields of the form are those of the record. 409
    where there is this very picture already.
    """
    if is_form():
        with received_form() as form:
            return created_response(_add_with_picture(form))
    image = Blueprint.ARGUMENTS_PARSER.parse(body_schemas.NewImage(), request, location="json")
    committed = answered() or change(Add("images", _with_size(image)))
    return created_response(committed)


@blueprint.route("/scan", methods=["POST"])
@needs("admin")
@blueprint.response(200, response_schemas.Scanned)
@blueprint.commits(404, 422, 502)
def scan_images() -> Response:
    """Add a record for each picture in the image folder, or under the S3 prefix, that has none

    In natural order of their names, as one change. `skipped` has what is no picture, with the reason: 1,000 of these at
    most, `skipped_count` has their number. `turned` has the names of those that their EXIF data turns: `width` and
    `height` are those of the pixels as they are stored.
    """
    with runtime().pictures.scanning:
        if before := answered():
            return json_response(_scanned(len(before.results)), committed=before)
        for _ in range(_ATTEMPTS):
            new = runtime().pictures.find_new(_images)
            if not new.found:
                return json_response(_scanned(0, new.skipped), revision=store().revision)
            try:
                committed = commit([Add("images", _record(name, size, {})) for name, size in new.found])
            except BadOperation as exc:
                if not isinstance(exc.cause, Conflict):
                    raise exc.cause from exc
                continue
            return json_response(_scanned(len(new.found), new.skipped, new.turned), committed=committed)
    raise Conflict("others add these pictures at the same time; try again")


@blueprint.route("/<id:image_id>/file", methods=["PUT"])
@needs("admin")
@blueprint.doc(requestBody={"required": True, "content": {"image/*": {"schema": _BYTES}}})
@blueprint.response(201, response_schemas.StoredPicture)
@blueprint.errors(400, 404, 409, 413, 415, 422, 502, 503, 507)
@blueprint.takes(IDEMPOTENCY_KEY)
def put_picture(image_id: int) -> Response:
    """Store the picture of an image that has none yet

    By the record's `file_name`; the body is the picture's bytes. The record stays as it is: the answer has the
    picture's own width and height. 409 where there is a picture; with an `Idempotency-Key` the first answer again where
    it is the same one.
    """
    pictures = runtime().pictures
    image = existing(store().get("images", image_id).record, "image", image_id)
    if not has_key() and pictures.has(image):
        raise _has_picture(image_id, image)
    name = check_file_name(_file_name(image))
    with received_body() as received:
        head = received.finish(name)
        with pictures.arrivals.hold(name):
            is_repeated = _put_once(image_id, image, name, received)
    body = {"file_name": name, "bytes": received.size, "width": head.size.width, "height": head.size.height}
    response = json_response({**body, "turned": head.size.is_turned}, 201)
    if is_repeated:
        response.headers[REPEATED] = "true"
    return response


def _put_once(image_id: int, image: Record, name: str, received: Received) -> bool:
    """Store what was received; returns whether that had been done before, where the request has a key."""
    pictures = runtime().pictures
    try:
        if pictures.has(image):
            raise NameTaken(name, is_same=pictures.is_same(image, received))
        pictures.put(name, received)
    except NameTaken as exc:
        if exc.is_same and has_key():
            return True
        raise _has_picture(image_id, image) from exc
    return False


def _add_with_picture(form: Form) -> Committed:
    if before := answered(form.body):
        return before
    head = form.received.finish(form.file_name or "the picture")
    _check_size(form.fields, head.size)
    given = form.fields.get("file_name")
    if given is not None and given.strip():
        name = check_file_name(given)
        if not is_called_like_a_picture(name):
            raise InvalidRecord({"file_name": ["must end as names of pictures do, such as .jpg or .png"]})
        return _add_as(name, form, head)
    for name in numbered(safe_name(form.file_name, head.format)):
        try:
            return _add_as(name, form, head)
        except NameTaken as exc:
            if exc.is_same:
                raise
    raise Conflict(f"there are too many pictures called {form.file_name!r}; give it another name")


def _add_as(name: str, form: Form, head: Head) -> Committed:
    """Store the picture by this name, then add its record. Raises `NameTaken`, and as `change`."""
    pictures = runtime().pictures
    record = _record(name, head.size, form.fields)
    with pictures.arrivals.hold(name):
        if before := answered(form.body):
            return before
        is_new = _stored(name, form.received)
        try:
            return change(Add("images", record), body=form.body)
        except NotDurable:
            raise
        except BaseException:
            if is_new:
                pictures.remove(name)
            raise


def _stored(name: str, received: Received) -> bool:
    """Store the picture by this name; returns whether it was not there before, without a record.

    Raises `NameTaken` for another picture, and for one that has a record; `Conflict` for a record without its picture.
    """
    pictures = runtime().pictures
    if not pictures.has({"file_name": name}) and (owner := _image_called(name)) is not None:
        raise Conflict(
            f"image {owner} has the file_name {name!r} and no picture yet; PUT /api/images/{owner}/file stores it",
            {"image_id": owner, "has_picture": False},
        )
    try:
        pictures.put(name, received)
    except NameTaken as exc:
        owner = _image_called(exc.name) if exc.is_same else None
        if exc.is_same and owner is None and exc.name == name:
            return False
        exc.details |= {"file_name": exc.name, "same": exc.is_same} | ({} if owner is None else {"image_id": owner})
        raise
    return True


def _with_size(image: Mapping[str, Any]) -> Mapping[str, Any]:
    """`image` with what it lacks of its size. Raises `InvalidRecord` where there is no picture to tell."""
    missing = [side for side in _SIDES if image.get(side) is None]
    if not missing or not isinstance(image.get("file_name"), str):
        return image
    try:
        size = runtime().pictures.size(image)
    except (UnknownId, BadPicture) as exc:
        raise InvalidRecord({side: [f"is required, because it can't be read: {exc}"] for side in missing}) from exc
    return {**image, **{side: getattr(size, side) for side in missing}}


def _check_size(fields: Mapping[str, Any], size: Size) -> None:
    """Raise `InvalidRecord` where a form tells another size than its picture has, by its pixels or as EXIF turns it."""
    sides = [(size.width, size.height)] + ([(size.height, size.width)] if size.is_turned else [])
    given = [fields.get(side) for side in _SIDES]
    if any(all(one in (None, side) for one, side in zip(given, each, strict=True)) for each in sides):
        return
    raise InvalidRecord(
        {
            side: [f"the picture is {size.width} x {size.height} pixels; leave it out"]
            for side in _SIDES
            if side in fields
        }
    )


def _record(name: str, size: Size, fields: Mapping[str, Any]) -> dict[str, Any]:
    return {"file_name": name, "width": size.width, "height": size.height, **fields} | {"file_name": name}


def _scanned(added: int, skipped: Any = (), turned: Any = ()) -> dict[str, Any]:
    return {
        "added": added,
        "skipped": [each._asdict() for each in skipped[:_MOST_SKIPPED]],
        "skipped_count": len(skipped),
        "turned": list(turned[:_MOST_SKIPPED]),
    }


def _images() -> list[Mapping[str, Any]]:
    decode = msgspec.json.Decoder(NamesOfImage).decode
    return [msgspec.structs.asdict(decode(text)) for text in store().find(ImageQuery()).texts]


def _image_called(name: str) -> int | None:
    """The id of the image whose `file_name` is `name`, `None` where there is none."""
    for text in store().find(ImageQuery(file_name=name)).texts:
        record = Record(text)
        if record.get("file_name") == name:
            return int(record["id"])
    return None


def _file_name(image: Record) -> str:
    name = image.get("file_name")
    if not isinstance(name, str):
        raise InvalidRecord({"file_name": ["is required, to store a picture by it; give the image one first"]})
    return name


def _has_picture(image_id: int, image: Record) -> Conflict:
    return Conflict(
        f"image {image_id} has its picture {image.get('file_name')!r} already; it is never written over",
        {"image_id": image_id},
    )
