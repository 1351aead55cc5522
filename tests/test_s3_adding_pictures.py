"""Pictures that are added where the pictures are in S3."""

from __future__ import annotations

import io
import json
from collections.abc import Iterator
from contextlib import closing
from typing import Any

import pytest
from api_client import Response, Serve, Server
from PIL import Image
from s3_servers import BUCKET, S3Server, lead_here

pytestmark = pytest.mark.slow

URL = "/api/images"
EMPTY: dict[str, Any] = {"images": [], "annotations": [], "categories": []}


def picture(colour: str = "red") -> bytes:
    data = io.BytesIO()
    Image.new("RGB", (64, 48), colour).save(data, "JPEG")
    return data.getvalue()


class Prefix:
    """A prefix in S3, of a server whose pictures are there."""

    def __init__(self, client: Any, prefix: str) -> None:
        self.client = client
        self.prefix = prefix
        self.uri = f"s3://{BUCKET}/{prefix}"

    def put(self, name: str, content: bytes) -> None:
        self.client.put_object(Bucket=BUCKET, Key=self.prefix + name, Body=content)

    def get(self, name: str) -> tuple[bytes, str]:
        found = self.client.get_object(Bucket=BUCKET, Key=self.prefix + name)
        return found["Body"].read(), found["ContentType"]

    def names(self) -> list[str]:
        found = self.client.list_objects_v2(Bucket=BUCKET, Prefix=self.prefix).get("Contents", [])
        return sorted(each["Key"].removeprefix(self.prefix) for each in found)


@pytest.fixture
def place(moto: S3Server, monkeypatch: pytest.MonkeyPatch) -> Iterator[Prefix]:
    lead_here(monkeypatch, moto.env())
    with closing(moto.client()) as client:
        yield Prefix(client, moto.new_key(""))


@pytest.fixture
def api(serve: Serve, place: Prefix) -> Server:
    return serve(EMPTY, COCOANNOT_IMAGES=place.uri)


def send(api: Server, data: bytes, name: str = "a.jpg", key: str = "", **fields: Any) -> Response:
    headers = {"Idempotency-Key": key} if key else {}
    form = {"file": (io.BytesIO(data), name), **fields}
    return api.post(URL, data=form, content_type="multipart/form-data", headers=headers)


def test_picture_is_stored_under_the_prefix_with_its_type_and_served(api: Server, place: Prefix) -> None:
    assert send(api, picture(), "a.jpg").json["file_name"] == "a.jpg"
    assert place.get("a.jpg") == (picture(), "image/jpeg")
    assert api.get(f"{URL}/1/file").data == picture()


@pytest.mark.parametrize("conditional", ["1", "0"])
def test_object_that_is_there_is_never_written_over(serve: Serve, place: Prefix, conditional: str) -> None:
    api = serve(EMPTY, COCOANNOT_IMAGES=place.uri, COCOANNOT_S3_CONDITIONAL=conditional)
    place.put("a.jpg", picture("blue"))
    assert send(api, picture(), "a.jpg").json["file_name"] == "a-2.jpg"
    assert send(api, picture(), "x.jpg", file_name="a.jpg").status_code == 409
    assert (place.get("a.jpg")[0], place.names()) == (picture("blue"), ["a-2.jpg", "a.jpg"])


def test_very_picture_without_a_record_gets_one(api: Server, place: Prefix) -> None:
    place.put("a.jpg", picture())
    assert send(api, picture(), "a.jpg").json["file_name"] == "a.jpg"
    assert place.names() == ["a.jpg"]
    assert send(api, picture(), "a.jpg").json["errors"]["image_id"] == 1


def test_request_that_is_sent_again_is_done_once(api: Server, place: Prefix) -> None:
    first, again = send(api, picture(), "a.jpg", "k"), send(api, picture(), "a.jpg", "k")
    assert (again.status_code, again.json, place.names()) == (201, first.json, ["a.jpg"])


def test_form_whose_fields_are_wrong_leaves_no_object(api: Server, place: Prefix) -> None:
    assert send(api, picture(), "a.jpg", _x="1").status_code == 422
    assert place.names() == []


def test_picture_is_put_for_a_record_that_has_none(serve: Serve, place: Prefix) -> None:
    record = {"id": 7, "file_name": "day/a.jpg", "width": 64, "height": 48}
    api = serve({**EMPTY, "images": [record]}, COCOANNOT_IMAGES=place.uri)
    put = f"{URL}/7/file"
    assert api.ask("PUT", put, data=picture(), content_type="image/jpeg").status_code == 201
    assert api.ask("PUT", put, data=picture("blue"), content_type="image/jpeg").status_code == 409
    assert place.get("day/a.jpg")[0] == picture()


def test_scan_adds_what_is_under_the_prefix(api: Server, place: Prefix) -> None:
    for name in ("10.jpg", "9.jpg", "sub/1.jpg"):
        place.put(name, picture())
    place.put("fake.jpg", b"no picture")
    place.put("labels.txt", b"text")
    answer = api.post(f"{URL}/scan")
    assert answer.json["added"] == 3
    assert {each["file_name"]: each["reason"][:15] for each in answer.json["skipped"]} == {
        "fake.jpg": "'fake.jpg' is n",
        "labels.txt": "is not called l",
    }
    listed = api.get(URL).json
    assert [each["file_name"] for each in listed] == ["9.jpg", "10.jpg", "sub/1.jpg"]
    assert {(each["width"], each["height"]) for each in listed} == {(64, 48)}


def test_s3_that_fails_is_a_502_and_nothing_is_added(serve: Serve, place: Prefix) -> None:
    api = serve(EMPTY, COCOANNOT_IMAGES="s3://no-such-bucket-anywhere/")
    assert send(api, picture()).status_code == 502
    assert api.post(f"{URL}/scan").status_code == 502
    assert json.loads(api.get(URL).data) == []
