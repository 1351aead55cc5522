"""`GET /api/images/{id}/file`: what is served, and how."""

from __future__ import annotations

import http.client
import io
import json
import os
from contextlib import closing
from pathlib import Path
from typing import Any

import pytest
import servers
from api_client import Serve, Server
from PIL import Image

URL = "/api/images/1/file"


def picture(kind: str = "JPEG", **options: Any) -> bytes:
    data = io.BytesIO()
    Image.new("RGB", (64, 48), "red").save(data, kind, **options)
    return data.getvalue()


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    folder = tmp_path / "pictures"
    folder.mkdir()
    return folder


class Gallery:
    """Serves one image's record, with `folder` as the image folder."""

    def __init__(self, serve: Serve, folder: Path) -> None:
        self._serve = serve
        self.folder = folder

    def show(self, file_name: object, content: bytes | None = None, **settings: Any) -> Server:
        if content is not None:
            (self.folder / str(file_name)).write_bytes(content)
        record = {"id": 1, "file_name": file_name, "width": 64, "height": 48}
        return self._serve({"images": [record]}, COCOANNOT_IMAGES=self.folder, **settings)


@pytest.fixture
def gallery(serve: Serve, folder: Path) -> Gallery:
    return Gallery(serve, folder)


@pytest.mark.parametrize(
    ("kind", "media_type"),
    [
        ("JPEG", "image/jpeg"),
        ("PNG", "image/png"),
        ("WEBP", "image/webp"),
        ("GIF", "image/gif"),
        ("BMP", "image/bmp"),
        ("TIFF", "image/tiff"),
    ],
)
def test_picture_is_served_byte_for_byte_with_the_type_found(gallery: Gallery, kind: str, media_type: str) -> None:
    answer = gallery.show("misnamed.dat", picture(kind)).get(URL)
    assert answer.data == picture(kind)
    assert answer.mimetype == media_type
    assert answer.headers["X-Content-Type-Options"] == "nosniff"


def test_jpeg_of_a_phone_with_a_second_picture_in_it_is_a_jpeg(gallery: Gallery) -> None:
    content = picture("MPO", save_all=True, append_images=[Image.new("RGB", (64, 48))])
    answer = gallery.show("phone.jpg", content).get(URL)
    assert (answer.data, answer.mimetype) == (content, "image/jpeg")


def test_picture_in_a_folder_below_is_served(gallery: Gallery) -> None:
    (gallery.folder / "day 1" / "ü").mkdir(parents=True)
    assert gallery.show("day 1/ü/a.jpg", picture()).get(URL).status_code == 200


def test_part_of_a_picture_is_served_by_range(gallery: Gallery) -> None:
    answer = gallery.show("a.jpg", picture()).get(URL, headers={"Range": "bytes=10-19"})
    assert answer.status_code == 206
    assert answer.data == picture()[10:20]
    assert answer.headers["Content-Range"] == f"bytes 10-19/{len(picture())}"


def test_range_beyond_the_picture_is_a_416_with_its_size(gallery: Gallery) -> None:
    answer = gallery.show("a.jpg", picture()).get(URL, headers={"Range": "bytes=999999-"})
    assert answer.status_code == 416
    assert answer.headers["Content-Range"] == f"bytes */{len(picture())}"


def test_picture_that_the_client_has_is_an_empty_304(gallery: Gallery) -> None:
    api = gallery.show("a.jpg", picture())
    first = api.get(URL)
    for headers in (
        {"If-None-Match": first.headers["ETag"]},
        {"If-Modified-Since": first.headers["Last-Modified"]},
    ):
        answer = api.get(URL, headers=headers)
        assert (answer.status_code, answer.data) == (304, b"")
        assert "X-Dataset-Revision" in answer.headers


def test_picture_at_another_version_is_a_412(gallery: Gallery) -> None:
    assert gallery.show("a.jpg", picture()).get(URL, headers={"If-Match": '"other"'}).status_code == 412


def test_head_has_the_size_and_no_body(gallery: Gallery) -> None:
    answer = gallery.show("a.jpg", picture()).ask("HEAD", URL)
    assert (answer.data, answer.content_length) == (b"", len(picture()))


def test_changed_file_name_serves_the_other_picture(gallery: Gallery) -> None:
    (gallery.folder / "b.png").write_bytes(picture("PNG"))
    api = gallery.show("a.jpg", picture())
    api.patch("/api/images/1", {"file_name": "b.png"})
    assert api.get(URL).mimetype == "image/png"


def test_missing_picture_is_a_404(gallery: Gallery) -> None:
    message = gallery.show("a.jpg").get(URL).json["message"]
    assert message == f"there is no picture 'a.jpg' in the image folder {gallery.folder}"


@pytest.mark.parametrize("file_name", ["../secret.jpg", "x/../../secret.jpg", "ABSOLUTE", "..", ".", "/", ""])
def test_file_name_that_leads_out_of_the_folder_is_a_404_that_says_so(gallery: Gallery, file_name: str) -> None:
    secret = gallery.folder.parent / "secret.jpg"
    secret.write_bytes(picture())
    every: list[dict[str, Any]] = [{}, {"COCOANNOT_IMAGES_FOLLOW_LINKS": "1"}]
    for settings in every:
        answer = gallery.show(file_name.replace("ABSOLUTE", str(secret)), **settings).get(URL)
        assert answer.status_code == 404
        assert "leads out of the image folder" in answer.json["message"]


@pytest.mark.parametrize(
    "file_name",
    ["..\\..\\secret.jpg", "%2e%2e/secret.jpg", "..%5Csecret.jpg", "/elsewhere/secret.jpg", "C:\\secret.jpg"],
)
def test_no_other_reading_of_a_name_leads_out_of_the_folder(gallery: Gallery, file_name: str) -> None:
    (gallery.folder.parent / "secret.jpg").write_bytes(picture())
    for settings in ({}, {"COCOANNOT_IMAGES_FOLLOW_LINKS": "1"}):
        assert gallery.show(file_name, None, **settings).get(URL).status_code == 404


def test_absolute_path_into_the_folder_is_found(gallery: Gallery) -> None:
    gallery.show("a.jpg", picture())
    assert gallery.show(str(gallery.folder / "a.jpg")).get(URL).data == picture()


@pytest.mark.parametrize(
    "file_name", ["a\\ü b.jpg", "a%2F%C3%BC%20b.jpg", "/home/ann/pictures/a/ü b.jpg", "D:\\a\\ü b.jpg"]
)
def test_picture_is_found_by_the_names_that_other_systems_write(gallery: Gallery, file_name: str) -> None:
    (gallery.folder / "a").mkdir()
    (gallery.folder / "a" / "ü b.jpg").write_bytes(picture())
    api = gallery.show(file_name)
    assert api.get(URL).data == picture()
    assert api.get("/api/images/1/thumbnail").status_code == 200


def test_picture_has_the_name_of_its_file_to_be_saved_by(gallery: Gallery) -> None:
    (gallery.folder / "a").mkdir()
    (gallery.folder / "a" / "b c.jpg").write_bytes(picture())
    answer = gallery.show("a\\b%20c.jpg").get(URL)
    assert answer.headers["Content-Disposition"] == 'inline; filename="b c.jpg"'


@pytest.mark.parametrize(
    ("name", "told"),
    [
        ("日本.jpg", "inline; filename=__.jpg; filename*=UTF-8''%E6%97%A5%E6%9C%AC.jpg"),
        ("a\x01\x7fb.jpg", "inline; filename=a__b.jpg; filename*=UTF-8''a%01%7Fb.jpg"),
        ("é 1.jpg", "inline; filename=\"_ 1.jpg\"; filename*=UTF-8''%C3%A9%201.jpg"),
    ],
)
def test_the_name_to_be_saved_by_is_one_that_every_server_sends(gallery: Gallery, name: str, told: str) -> None:
    (gallery.folder / name).write_bytes(picture())
    answer = gallery.show(name).get(URL)
    assert (answer.status_code, answer.headers["Content-Disposition"]) == (200, told)


def test_picture_is_found_by_a_url_where_the_record_has_no_file_name(gallery: Gallery, serve: Serve) -> None:
    (gallery.folder / "000000397133.jpg").write_bytes(picture())
    record = {"id": 1, "coco_url": "http://images.cocodataset.org/val2017/000000397133.jpg"}
    assert serve({"images": [record]}, COCOANNOT_IMAGES=gallery.folder).get(URL).data == picture()


def test_name_that_begins_like_the_folder_leads_out_of_it(gallery: Gallery) -> None:
    neighbour = gallery.folder.with_name("pictures-private")
    neighbour.mkdir()
    (neighbour / "a.jpg").write_bytes(picture())
    assert "leads out" in gallery.show("../pictures-private/a.jpg").get(URL).json["message"]


@pytest.mark.parametrize("where", ["file", "folder"])
def test_link_out_of_the_folder_is_followed_only_where_that_is_allowed(gallery: Gallery, where: str) -> None:
    outside = gallery.folder.parent / "outside"
    outside.mkdir()
    (outside / "a.jpg").write_bytes(picture())
    if where == "file":
        (gallery.folder / "a.jpg").symlink_to(outside / "a.jpg")
    else:
        (gallery.folder / "sub").symlink_to(outside)
    file_name = "a.jpg" if where == "file" else "sub/a.jpg"
    assert "leads out" in gallery.show(file_name).get(URL).json["message"]
    assert gallery.show(file_name, COCOANNOT_IMAGES_FOLLOW_LINKS="1").get(URL).data == picture()


def test_link_inside_the_folder_is_followed(gallery: Gallery) -> None:
    (gallery.folder / "link.jpg").symlink_to("a.jpg")
    gallery.show("a.jpg", picture())
    assert gallery.show("link.jpg").get(URL).data == picture()


def test_image_folder_may_be_a_link_itself(gallery: Gallery) -> None:
    gallery.show("a.jpg", picture())
    link = gallery.folder.with_name("link")
    link.symlink_to(gallery.folder)
    gallery.folder = link
    assert gallery.show("a.jpg").get(URL).status_code == 200


@pytest.mark.parametrize(
    "content",
    [
        b"",
        b"<svg xmlns='http://www.w3.org/2000/svg' onload='alert(1)'/>",
        b"<!doctype html><script>alert(1)</script>",
        b"%PDF-1.7",
        b"P6 1 1 255 abc",
        b"8BPS" + bytes(100),
        b"%!PS-Adobe-3.0 EPSF-3.0",
        b"\xff\xd8\xff",
        b"\x89PNG\r\n\x1a\n",
        b"II*\x00" + b"\xff" * 100,
        b"RIFF\xff\xff\xff\xffWEBPVP8 ",
    ],
)
def test_what_is_no_picture_is_a_404_whatever_its_name(gallery: Gallery, content: bytes) -> None:
    assert gallery.show("a.jpg", content).get(URL).status_code == 404


@pytest.mark.parametrize("kind", ["JPEG", "PNG", "WEBP", "GIF", "BMP", "TIFF"])
def test_truncated_picture_is_served_or_a_404(gallery: Gallery, kind: str) -> None:
    content = picture(kind)
    api = gallery.show("a.jpg", content)
    for length in (*range(0, 60, 3), len(content) // 2, len(content) - 1):
        (gallery.folder / "a.jpg").write_bytes(content[:length])
        answer = api.get(URL)
        assert (answer.status_code, answer.data) == (200, content[:length]) or answer.status_code == 404


@pytest.mark.parametrize(
    "file_name", ["dataset.json", "dataset.json.cocoannot/state.json", "dataset.json.cocoannot/lock"]
)
def test_dataset_and_what_is_kept_beside_it_are_404s(serve: Serve, tmp_path: Path, file_name: str) -> None:
    api = serve({"images": [{"id": 1, "file_name": file_name}]}, COCOANNOT_IMAGES=tmp_path)
    api.patch("/api/images/1", {"note": "x"})
    api.post("/api/flush")
    assert (tmp_path / file_name).is_file()
    assert api.get(URL).status_code == 404


@pytest.mark.parametrize("file_name", ["a\0.jpg", "\0", "x" * 300, "x/" * 5000 + "a.jpg", "folder", "folder/a.jpg/b"])
def test_name_of_no_file_is_a_404(gallery: Gallery, file_name: str) -> None:
    (gallery.folder / "folder").mkdir()
    (gallery.folder / "folder" / "a.jpg").write_bytes(picture())
    assert gallery.show(file_name).get(URL).status_code == 404


def test_link_to_itself_is_a_404(gallery: Gallery) -> None:
    (gallery.folder / "a.jpg").symlink_to("a.jpg")
    assert gallery.show("a.jpg").get(URL).status_code == 404


def test_fifo_is_a_404_and_not_waited_for(gallery: Gallery) -> None:
    os.mkfifo(gallery.folder / "a.jpg")
    assert gallery.show("a.jpg").get(URL).status_code == 404


@pytest.mark.parametrize("file_name", [None, 7, ["a.jpg"]])
def test_record_without_a_usable_file_name_has_no_picture(gallery: Gallery, file_name: object) -> None:
    api = gallery.show("a.jpg", picture())
    api = gallery.show(file_name)
    assert "no file_name" in api.get(URL).json["message"]


LARGE = 20_000_000


def large(path: Path) -> Path:
    """A picture of `LARGE` bytes."""
    path.write_bytes(picture("BMP"))
    os.truncate(path, LARGE)
    return path


def test_large_picture_is_sent_in_small_blocks(gallery: Gallery) -> None:
    large(gallery.folder / "a.bmp")
    with gallery.show("a.bmp").app.test_client().get(URL) as answer:
        sizes = [len(block) for block in answer.iter_encoded()]
    assert (sum(sizes), max(sizes) <= 2**20) == (LARGE, True)


def test_picture_that_is_replaced_while_it_is_sent_is_sent_as_it_was(gallery: Gallery) -> None:
    path = large(gallery.folder / "a.bmp")
    with gallery.show("a.bmp").app.test_client().get(URL) as answer:
        blocks = answer.iter_encoded()
        start = next(blocks)
        path.with_name("new").write_bytes(picture())
        path.with_name("new").replace(path)
        content = start + b"".join(blocks)
    assert content == picture("BMP").ljust(LARGE, b"\0")


def test_picture_that_gets_shorter_while_it_is_sent_is_a_broken_connection_and_a_log_line(
    gallery: Gallery, caplog: pytest.LogCaptureFixture
) -> None:
    path = large(gallery.folder / "a.bmp")
    with gallery.show("a.bmp").app.test_client().get(URL) as answer:
        blocks = answer.iter_encoded()
        next(blocks)
        os.truncate(path, 1000)
        with pytest.raises(ConnectionResetError):
            list(blocks)
    assert "'a.bmp' got shorter" in caplog.text


def test_files_are_closed_after_answers_with_and_without_a_body(gallery: Gallery) -> None:
    api = gallery.show("a.jpg", picture())
    etag = api.get(URL).headers["ETag"]
    before = os.listdir("/proc/self/fd")
    for headers in ({}, {"If-None-Match": etag}, {"If-Match": '"x"'}, {"Range": "bytes=1-2"}, {"Range": "bytes=9999-"}):
        for method in ("GET", "HEAD"):
            api.ask(method, URL, headers=headers)
    assert len(os.listdir("/proc/self/fd")) <= len(before)


def test_server_breaks_the_connection_off_where_a_picture_gets_shorter(dataset_path: Path) -> None:
    path = large(dataset_path.with_name("a.bmp"))
    record = {"id": 1, "file_name": "a.bmp", "width": 64, "height": 48}
    dataset_path.write_text(json.dumps({"images": [record], "annotations": [], "categories": []}))
    with servers.serve(dataset_path) as server:
        host, _, port = server.url.removeprefix("http://").partition(":")
        with closing(http.client.HTTPConnection(host, int(port), timeout=60)) as connection:
            connection.request("GET", URL)
            answer = connection.getresponse()
            assert answer.length == LARGE
            assert answer.read(1000)[:2] == b"BM"
            os.truncate(path, 1000)
            with pytest.raises((http.client.IncompleteRead, ConnectionError)):
                answer.read()
        server.wait_for_log("the client's connection is broken off")
        assert "Traceback" not in server.log
