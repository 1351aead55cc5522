"""Pictures in S3: where they are looked for, what is served of them, how much is read, and what comes of failures.

S3 is moto's server, at another address that sees each request; or one that is told to fail; or one of huge objects.
"""

from __future__ import annotations

import http.client
import io
import json
import logging
import re
import subprocess
import sys
import threading
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack, closing, contextmanager, suppress
from functools import partial
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any, BinaryIO

import pytest
import servers
from api_client import Serve, Server
from PIL import Image, TiffImagePlugin
from s3_faults import ScriptedS3, Stored, first, refuse, scripted_s3, send_part
from s3_onlooker import Lose, Onlooker, onlooker_of
from s3_servers import BUCKET, OTHER_BUCKET, S3Server, lead_here
from servers import until

from cocoannot.errors import S3Error, UnknownId
from cocoannot.pictures.parts import MAX_HEAD
from cocoannot.pictures.s3 import SAMPLE, S3Pictures
from cocoannot.s3.bucket import Bucket
from cocoannot.settings import Settings

pytestmark = pytest.mark.slow

FILE = "/api/images/1/file"
THUMBNAIL = "/api/images/1/thumbnail"
KINDS = {
    "JPEG": "image/jpeg",
    "PNG": "image/png",
    "WEBP": "image/webp",
    "GIF": "image/gif",
    "BMP": "image/bmp",
    "TIFF": "image/tiff",
}
HUGE = 200_000_000


def picture(kind: str = "JPEG", size: tuple[int, int] = (64, 48), **options: Any) -> bytes:
    data = io.BytesIO()
    Image.new("RGB", size, "red").save(data, kind, **options)
    return data.getvalue()


def noise(side: int = 400) -> bytes:
    """A picture of more bytes than the first read of it."""
    data = io.BytesIO()
    Image.effect_noise((side, side), 100).save(data, "BMP")
    return data.getvalue()


def dimensions(jpeg: bytes) -> tuple[int, int]:
    return Image.open(io.BytesIO(jpeg), formats=["JPEG"]).size


def dataset(*names: object) -> dict[str, Any]:
    images = [{"id": i + 1, "file_name": name, "width": 64, "height": 48} for i, name in enumerate(names)]
    return {"images": images, "annotations": [], "categories": []}


class Gallery:
    """Serves one image's record, with its picture under a prefix of its own in S3, where all requests are seen."""

    def __init__(self, serve: Serve, client: Any, prefix: str, onlooker: Onlooker) -> None:
        self._serve = serve
        self.client = client
        self.onlooker = onlooker
        self.prefix = prefix
        self.bucket = BUCKET

    @property
    def uri(self) -> str:
        return f"s3://{self.bucket}/{self.prefix}"

    def put(self, name: str, content: bytes, media_type: str = "text/html") -> None:
        self.client.put_object(Bucket=self.bucket, Key=self.prefix + name, Body=content, ContentType=media_type)

    def show(self, file_name: object, content: bytes | None = None, **settings: Any) -> Server:
        """A dataset on disk, its pictures in S3."""
        if content is not None:
            self.put(str(file_name), content)
        server = self._serve(dataset(file_name), **{"COCOANNOT_IMAGES": self.uri, **settings})
        assert server.get("/readyz").status_code == 200
        self.onlooker.requests.clear()
        return server

    def open(self, *names: str, key: str = "train.json", **settings: Any) -> Server:
        """A dataset in S3, under the same prefix."""
        self.put(key, json.dumps(dataset(*names)).encode())
        return self._serve(COCOANNOT_DATASET=self.uri + key, **settings)

    @property
    def asked(self) -> list[str]:
        """The methods of the requests for objects since the start."""
        return [request.method for request in self.onlooker.requests]


@pytest.fixture
def onlooker(moto: S3Server, monkeypatch: pytest.MonkeyPatch) -> Iterator[Onlooker]:
    with onlooker_of(moto.url) as onlooker:
        lead_here(monkeypatch, moto.env(url=onlooker.url))
        yield onlooker


@pytest.fixture(scope="module")
def client(moto: S3Server) -> Iterator[Any]:
    with closing(moto.client()) as client:
        yield client


@pytest.fixture
def gallery(serve: Serve, moto: S3Server, client: Any, onlooker: Onlooker) -> Gallery:
    return Gallery(serve, client, moto.new_key(""), onlooker)


# Where


@pytest.mark.parametrize("slash", ["", "/"])
def test_setting_is_a_prefix_with_or_without_a_slash(gallery: Gallery, slash: str) -> None:
    uri = gallery.uri.rstrip("/") + slash
    assert gallery.show("a.jpg", picture(), COCOANNOT_IMAGES=uri).get(FILE).data == picture()


def test_setting_may_be_a_whole_bucket(gallery: Gallery) -> None:
    gallery.put("a.jpg", picture())
    assert gallery.show(f"{gallery.prefix}a.jpg", COCOANNOT_IMAGES=f"s3://{BUCKET}").get(FILE).data == picture()


def test_dataset_and_pictures_may_be_in_two_buckets(gallery: Gallery) -> None:
    gallery.bucket = OTHER_BUCKET
    gallery.put("photos/a.jpg", picture())
    elsewhere = f"{gallery.uri}photos"
    gallery.bucket = BUCKET
    assert gallery.open("a.jpg", COCOANNOT_IMAGES=elsewhere).get(FILE).data == picture()


def test_pictures_of_a_dataset_in_s3_may_be_on_disk(gallery: Gallery, tmp_path: Path) -> None:
    (tmp_path / "a.jpg").write_bytes(picture())
    gallery.put("a.jpg", picture("PNG"))
    assert gallery.open("a.jpg", COCOANNOT_IMAGES=tmp_path).get(FILE).mimetype == "image/jpeg"


@pytest.mark.parametrize("folder", ["", "images/", "train2017/", "imgs/", "val/", "images/default/"])
def test_pictures_are_found_near_a_dataset_in_s3(
    gallery: Gallery, folder: str, caplog: pytest.LogCaptureFixture
) -> None:
    gallery.put(f"{folder}b.jpg", picture())
    with caplog.at_level(logging.INFO):
        answer = gallery.open("missing.jpg", "b.jpg").get("/api/images/2/file")
    assert answer.data == picture()
    assert f"1 of 2 pictures found under {gallery.uri}{folder}" in caplog.messages


def test_dataset_s_own_prefix_goes_first_and_is_taken_where_none_is_found(
    gallery: Gallery, caplog: pytest.LogCaptureFixture
) -> None:
    gallery.put("a.jpg", picture())
    gallery.put("images/a.jpg", picture("PNG"))
    assert gallery.open("a.jpg").get(FILE).mimetype == "image/jpeg"
    with caplog.at_level(logging.INFO):
        gallery.open("none.jpg", key="other.json").get(FILE)
    assert f"0 of 1 pictures found under {gallery.uri}" in caplog.messages


def test_looking_for_pictures_takes_a_bounded_number_of_requests(
    gallery: Gallery, caplog: pytest.LogCaptureFixture
) -> None:
    with caplog.at_level(logging.INFO):
        gallery.open(*(f"{i}.jpg" for i in range(2000))).get("/readyz")
    assert f"0 of {SAMPLE} pictures found under {gallery.uri}" in caplog.messages
    assert len(gallery.onlooker.requests) <= 110


def test_lists_ask_s3_for_nothing(gallery: Gallery) -> None:
    server = gallery.show("a.jpg", picture())
    for url in ("/api/images", "/api/images?with=annotation_count", "/api/images/1", "/api/status"):
        assert server.get(url).status_code == 200
    assert gallery.asked == []


def test_s3_that_fails_at_the_start_stops_nothing_and_is_looked_at_later(
    gallery: Gallery, caplog: pytest.LogCaptureFixture
) -> None:
    gallery.put("images/a.jpg", picture())

    def lose() -> None:
        raise Lose

    # The dataset itself is there first, and then no picture can be looked at.
    gallery.put("train.json", json.dumps(dataset("a.jpg")).encode())
    gallery.onlooker.at("after", "GET", lambda: gallery.onlooker.at("before", "HEAD", lose, always=True))
    server = gallery.open("a.jpg")
    assert server.get("/readyz").status_code == 200
    assert "pictures are looked for when they are asked for" in caplog.text
    assert server.get(FILE).status_code == 502
    gallery.onlooker.let_pass()
    assert server.get(FILE).data == picture()


# Containment


@pytest.mark.parametrize(
    "file_name", ["../secret.jpg", "x/../../secret.jpg", "/secret.jpg", "..", ".", "/", "", "a\0b"]
)
def test_file_name_that_leads_out_of_the_prefix_is_a_404_that_says_so(gallery: Gallery, file_name: str) -> None:
    gallery.put("secret.jpg", picture())
    gallery.put("inside/a.jpg", picture())
    server = gallery.show(file_name, COCOANNOT_IMAGES=f"{gallery.uri}inside")
    for url in (FILE, THUMBNAIL):
        answer = server.get(url)
        assert answer.status_code == 404
        assert "leads out of the image folder" in answer.json["message"]
    assert gallery.asked == []


@pytest.mark.parametrize("start", ["/", "s3://BUCKET/", "https://BUCKET.host/", "C:\\"])
def test_absolute_key_into_the_prefix_is_found(gallery: Gallery, start: str) -> None:
    gallery.put("a.jpg", picture())
    file_name = f"{start.replace('BUCKET', BUCKET)}{gallery.prefix}a.jpg"
    assert gallery.show(file_name).get(FILE).data == picture()


def test_prefix_is_a_folder_and_not_the_beginning_of_names(gallery: Gallery) -> None:
    gallery.put("inside-private/a.jpg", picture())
    server = gallery.show("-private/a.jpg", COCOANNOT_IMAGES=f"{gallery.uri}inside")
    assert server.get(FILE).status_code == 404


@pytest.mark.parametrize("file_name", ["./a.jpg", "x/../a.jpg", ".//a.jpg"])
def test_file_name_is_normalised_as_on_disk(gallery: Gallery, file_name: str) -> None:
    gallery.put("a.jpg", picture())
    assert gallery.show(file_name).get(FILE).data == picture()


@pytest.mark.parametrize("file_name", ["day 1/ü/a.jpg", "..\\a.jpg", "a+b%2F?x=1#y&.jpg", "a'b\"c.jpg", "日本.jpg"])
def test_any_other_name_is_a_key_as_it_is(gallery: Gallery, file_name: str) -> None:
    assert gallery.show(file_name, picture()).get(FILE).data == picture()


@pytest.mark.parametrize(
    ("file_name", "key"),
    [
        ("day\\a.jpg", "day/a.jpg"),
        ("my%20photo.jpg", "my photo.jpg"),
        ("/home/ann/day/a.jpg", "day/a.jpg"),
        ("e\u0301.jpg", "\u00e9.jpg"),
    ],
)
def test_picture_is_found_by_what_its_name_means(gallery: Gallery, file_name: str, key: str) -> None:
    gallery.put(key, picture())
    assert gallery.show(file_name).get(FILE).data == picture()
    gallery.put(file_name.lstrip("/"), picture("PNG"))
    assert gallery.show(file_name).get(FILE).mimetype == "image/png"


@pytest.mark.parametrize("file_name", ["..\\secret.jpg", "%2e%2e/secret.jpg", "/data/../secret.jpg", "..%5csecret.jpg"])
def test_no_other_reading_of_a_name_leads_out_of_the_prefix(gallery: Gallery, file_name: str) -> None:
    gallery.put("secret.jpg", picture())
    gallery.put("inside/a.jpg", picture())
    answer = gallery.show(file_name, COCOANNOT_IMAGES=f"{gallery.uri}inside").get(FILE)
    assert (answer.status_code, "leads out of the image folder" in answer.json["message"]) == (404, True)


def test_looking_for_one_picture_by_all_its_names_takes_few_requests(gallery: Gallery) -> None:
    server = gallery.show("C:\\1\\2\\3\\4\\é%20é.jpg")
    answer = server.get(FILE)
    assert (answer.status_code, gallery.uri in answer.json["message"]) == (404, True)
    assert len(gallery.asked) <= 6


def test_picture_with_a_plain_name_takes_one_request_to_be_missing_and_one_to_say_why(gallery: Gallery) -> None:
    assert gallery.show("a.jpg").get(FILE).status_code == 404
    assert gallery.asked == ["HEAD", "GET"]


def test_empty_dataset_in_s3_looks_for_its_pictures_when_images_come(gallery: Gallery) -> None:
    gallery.put("images/a.jpg", picture())
    server = gallery.open()
    assert server.get("/readyz").status_code == 200
    server.post("/api/images", {"file_name": "a.jpg", "width": 64, "height": 48})
    assert server.get(FILE).data == picture()
    gallery.onlooker.requests.clear()
    assert server.get(THUMBNAIL).status_code == 200
    assert gallery.asked == ["HEAD", "GET"]


@pytest.mark.parametrize("file_name", ["x" * 2000, "ü" * 520, "folder", "folder/", "A.JPG"])
def test_name_of_no_object_is_a_404(gallery: Gallery, file_name: str) -> None:
    gallery.put("folder/a.jpg", picture())
    gallery.put("a.jpg", picture())
    server = gallery.show(file_name)
    for url in (FILE, THUMBNAIL):
        answer = server.get(url)
        assert (answer.status_code, "there is no picture" in answer.json["message"]) == (404, True)


@pytest.mark.parametrize("name", ["train.json", "train.json.conflict-20260101-000000"])
def test_dataset_and_what_is_kept_beside_it_are_404s(gallery: Gallery, name: str) -> None:
    gallery.put(name, json.dumps(dataset(name)).encode())
    server = gallery.open(name)
    assert [server.get(url).status_code for url in (FILE, THUMBNAIL)] == [404, 404]


# What is served


@pytest.mark.parametrize("kind", KINDS)
def test_picture_is_served_byte_for_byte_with_the_type_found(gallery: Gallery, kind: str) -> None:
    answer = gallery.show("misnamed.dat", picture(kind)).get(FILE)
    assert answer.data == picture(kind)
    assert answer.mimetype == KINDS[kind]
    assert answer.headers["X-Content-Type-Options"] == "nosniff"
    assert answer.content_length == len(picture(kind))


def test_jpeg_of_a_phone_with_a_second_picture_in_it_is_a_jpeg(gallery: Gallery) -> None:
    content = picture("MPO", save_all=True, append_images=[Image.new("RGB", (64, 48))])
    answer = gallery.show("phone.jpg", content).get(FILE)
    assert (answer.data, answer.mimetype) == (content, "image/jpeg")


@pytest.mark.parametrize(
    "content",
    [
        b"",
        b"<svg xmlns='http://www.w3.org/2000/svg' onload='alert(1)'/>",
        b"<!doctype html><script>alert(1)</script>",
        b"%PDF-1.7",
        b"%!PS-Adobe-3.0 EPSF-3.0",
        b"\xff\xd8\xff",
        b"\x89PNG\r\n\x1a\n",
        b"II*\x00" + b"\xff" * 100,
        b"RIFF\xff\xff\xff\xffWEBPVP8 ",
    ],
)
def test_what_is_no_picture_is_a_404_whatever_its_name_and_type(gallery: Gallery, content: bytes) -> None:
    gallery.put("a.jpg", content, "image/jpeg")
    server = gallery.show("a.jpg")
    for url in (FILE, THUMBNAIL):
        answer = server.get(url)
        assert (answer.status_code, "is not a picture" in answer.json["message"]) == (404, True)


@pytest.mark.parametrize("wanted", ["bytes=10-19", "bytes=-7", "bytes=100000-", "bytes=0-"])
def test_part_of_a_picture_is_served_by_range_and_no_more_is_read(gallery: Gallery, wanted: str) -> None:
    content = noise()
    server = gallery.show("a.bmp", content)
    size = len(content)
    start, end = {
        "bytes=10-19": (10, 20),
        "bytes=-7": (size - 7, size),
        "bytes=100000-": (100_000, size),
        "bytes=0-": (0, size),
    }[wanted]
    answer = server.get(FILE, headers={"Range": wanted})
    assert (answer.status_code, answer.data) == (206, content[start:end])
    assert answer.headers["Content-Range"] == f"bytes {start}-{end - 1}/{size}"
    assert answer.content_length == end - start
    asked = gallery.onlooker.of("GET")[-1].headers
    assert asked.get("range") == (None if end - start == size else f"bytes={start}-{end - 1}")


def test_range_beyond_the_picture_is_a_416_with_its_size(gallery: Gallery) -> None:
    answer = gallery.show("a.jpg", picture()).get(FILE, headers={"Range": "bytes=999999-"})
    assert answer.status_code == 416
    assert answer.headers["Content-Range"] == f"bytes */{len(picture())}"


def test_etag_is_s3_s_and_a_picture_that_the_client_has_is_an_empty_304(gallery: Gallery) -> None:
    server = gallery.show("a.jpg", picture())
    etag = server.get(FILE).headers["ETag"]
    assert etag == gallery.client.head_object(Bucket=BUCKET, Key=f"{gallery.prefix}a.jpg")["ETag"]
    gallery.onlooker.requests.clear()
    answer = server.get(FILE, headers={"If-None-Match": etag})
    assert (answer.status_code, answer.data, answer.headers["ETag"]) == (304, b"", etag)
    assert answer.headers["Cache-Control"] == "no-cache"
    assert gallery.asked == ["HEAD"]


def test_range_is_served_whole_where_the_client_s_part_is_of_another_version(gallery: Gallery) -> None:
    server = gallery.show("a.jpg", picture())
    answer = server.get(FILE, headers={"Range": "bytes=0-9", "If-Range": '"other"'})
    assert (answer.status_code, answer.data) == (200, picture())


@pytest.mark.parametrize("more", [{}, {"Range": "bytes=0-9"}])
def test_picture_at_another_version_is_a_412(gallery: Gallery, more: dict[str, str]) -> None:
    server = gallery.show("a.jpg", picture())
    assert server.get(FILE, headers={"If-Match": '"other"', **more}).status_code == 412
    etag = server.get(FILE).headers["ETag"]
    assert server.get(FILE, headers={"If-Match": etag, **more}).status_code in (200, 206)


def test_head_has_the_size_and_reads_no_more_than_the_head(gallery: Gallery) -> None:
    content = noise()
    answer = gallery.show("a.bmp", content).ask("HEAD", FILE)
    assert (answer.status_code, answer.data, answer.content_length) == (200, b"", len(content))
    assert gallery.asked == ["HEAD", "GET"]
    assert gallery.onlooker.requests[1].headers["range"] == "bytes=0-65535"


def test_picture_that_changes_is_served_at_once_with_its_new_type(gallery: Gallery) -> None:
    server = gallery.show("a.jpg", picture())
    before = server.get(FILE)
    gallery.put("a.jpg", picture("PNG"))
    after = server.get(FILE, headers={"If-None-Match": before.headers["ETag"]})
    assert (after.status_code, after.data, after.mimetype) == (200, picture("PNG"), "image/png")


@pytest.mark.parametrize("url", [FILE, THUMBNAIL])
def test_picture_that_changes_while_it_is_looked_at_is_wholly_one_or_the_other(gallery: Gallery, url: str) -> None:
    server = gallery.show("a.jpg", picture("PNG"))
    new = picture(size=(30, 20))
    gallery.onlooker.at("before", "GET", lambda: gallery.put("a.jpg", new))
    answer = server.get(url)
    assert (answer.status_code, answer.mimetype) == (200, "image/jpeg")
    assert dimensions(answer.data) == (30, 20)


def test_picture_that_changes_before_its_bytes_are_read_is_looked_at_again(gallery: Gallery) -> None:
    server = gallery.show("a.jpg", picture("PNG"))
    # The first read tells the type, the second brings the bytes.
    replace = partial(gallery.put, "a.jpg", picture())
    gallery.onlooker.at("after", "GET", lambda: gallery.onlooker.at("before", "GET", replace))
    answer = server.get(FILE)
    assert (answer.status_code, answer.mimetype) == (200, "image/jpeg")
    assert answer.data == picture()


def test_picture_that_is_deleted_while_it_is_looked_at_is_a_404(gallery: Gallery) -> None:
    server = gallery.show("a.jpg", picture())
    key = f"{gallery.prefix}a.jpg"
    gallery.onlooker.at("before", "GET", lambda: gallery.client.delete_object(Bucket=BUCKET, Key=key))
    assert server.get(FILE).status_code == 404


# How much is read


class Huge:
    """An S3 of one object: `head`, zeros, `tail`, of `size` bytes together, none of which is kept."""

    def __init__(self, head: bytes, tail: bytes = b"", size: int = HUGE) -> None:
        self.head, self.tail, self.size = head, tail, size
        self.url = ""
        self.sent = 0
        self.broken_off = threading.Event()

    def block(self, start: int, end: int) -> bytes:
        data = self.head[start:end] if start < len(self.head) else b""
        zeros = min(end, self.size - len(self.tail)) - start - len(data)
        data += bytes(max(0, zeros))
        if len(data) < end - start:
            begin = start + len(data) - (self.size - len(self.tail))
            data += self.tail[begin : begin + end - start - len(data)]
        return data


@contextmanager
def huge_s3(huge: Huge) -> Iterator[Huge]:
    class Handler(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"

        def do_GET(self) -> None:
            start, end = 0, huge.size
            if found := re.fullmatch(r"bytes=(\d+)-(\d+)", self.headers["Range"] or ""):
                start, end = int(found[1]), int(found[2]) + 1
            self.send_response(206 if found else 200)
            self.send_header("ETag", '"huge"')
            self.send_header("Content-Length", str(end - start))
            if found:
                self.send_header("Content-Range", f"bytes {start}-{end - 1}/{huge.size}")
            self.end_headers()
            try:
                while self.command == "GET" and start < end:
                    block = huge.block(start, min(start + 65536, end))
                    self.wfile.write(block)
                    start += len(block)
                    huge.sent += len(block)
            except OSError:
                huge.broken_off.set()
                self.close_connection = True

        do_HEAD = do_GET

        def log_message(self, *args: object) -> None:
            pass

    with ThreadingHTTPServer(("127.0.0.1", 0), Handler) as server:
        server.daemon_threads = True
        huge.url = f"http://127.0.0.1:{server.server_address[1]}"
        thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.02})
        thread.start()
        try:
            yield huge
        finally:
            server.shutdown()
            thread.join()


def environment(url: str) -> dict[str, str]:
    return S3Server("huge", url).env() | {"COCOANNOT_IMAGES": f"s3://{BUCKET}/"}


@pytest.fixture
def show_huge(serve: Serve, monkeypatch: pytest.MonkeyPatch) -> Iterator[Callable[[Huge], Server]]:
    """Serves a huge object as the picture of image 1."""
    with ExitStack() as stack:

        def show(huge: Huge) -> Server:
            stack.enter_context(huge_s3(huge))
            lead_here(monkeypatch, environment(huge.url))
            server = serve(dataset("a"), COCOANNOT_IMAGES=f"s3://{BUCKET}/")
            assert server.get("/readyz").status_code == 200
            huge.sent = 0
            return server

        yield show


def tiff_with_its_directory_at_the_end() -> tuple[bytes, bytes]:
    """The first and the last bytes of a TIFF of `HUGE` bytes."""
    data = io.BytesIO()
    directory = TiffImagePlugin.ImageFileDirectory_v2()
    entries = {256: 64, 257: 48, 258: 8, 259: 1, 262: 1, 273: 8, 277: 1, 278: 48, 279: 64 * 48}
    for tag, value in entries.items():
        directory[tag] = value
    place = HUGE - 8000
    data.write(directory.tobytes(place))
    return b"II*\0" + place.to_bytes(4, "little"), data.getvalue().ljust(8000, b"\0")


@pytest.mark.parametrize("kind", ["JPEG", "PNG", "GIF", "BMP"])
def test_type_of_a_huge_object_is_told_by_its_head(show_huge: Callable[[Huge], Server], kind: str) -> None:
    huge = Huge(picture(kind))
    answer = show_huge(huge).ask("HEAD", FILE)
    assert (answer.status_code, answer.mimetype, answer.content_length) == (200, KINDS[kind], HUGE)
    assert huge.sent <= 1_000_000


def test_directory_at_the_end_of_a_huge_tiff_is_found(show_huge: Callable[[Huge], Server]) -> None:
    huge = Huge(*tiff_with_its_directory_at_the_end())
    server = show_huge(huge)
    answer = server.ask("HEAD", FILE)
    assert (answer.status_code, answer.mimetype) == (200, "image/tiff")
    assert huge.sent <= 1_000_000
    assert server.get(THUMBNAIL).status_code == 200
    assert huge.sent <= 10_000_000


@pytest.mark.parametrize("url", [FILE, THUMBNAIL])
@pytest.mark.parametrize("head", [b"<!doctype html>", b"", b"II*\0\xff\xff\xff\x0a"])
def test_huge_object_that_is_no_picture_is_a_404_after_little_of_it(
    show_huge: Callable[[Huge], Server], head: bytes, url: str
) -> None:
    huge = Huge(head)
    assert show_huge(huge).get(url).status_code == 404
    assert huge.sent <= MAX_HEAD


def test_kind_that_takes_reading_all_of_a_huge_object_is_a_422_that_says_so(
    show_huge: Callable[[Huge], Server],
) -> None:
    content = picture("WEBP")
    huge = Huge(content[:4] + (HUGE - 8).to_bytes(4, "little") + content[8:])
    answer = show_huge(huge).get(FILE)
    assert (answer.status_code, str(MAX_HEAD) in answer.json["message"]) == (422, True)
    assert huge.sent <= MAX_HEAD


def test_thumbnail_of_too_many_bytes_is_a_422_after_few_of_them(show_huge: Callable[[Huge], Server]) -> None:
    huge = Huge(picture("BMP", (2000, 1000)), size=2**30)
    answer = show_huge(huge).get(THUMBNAIL)
    assert (answer.status_code, "too large" in answer.json["message"]) == (422, True)
    assert huge.sent <= MAX_HEAD


def peak_memory(pid: int) -> int:
    """The most bytes that the process had in memory so far."""
    return int(re.findall(r"VmHWM:\s+(\d+) kB", Path(f"/proc/{pid}/status").read_text())[0]) * 1024


def write_dataset(path: Path, *names: object) -> Path:
    path.write_text(json.dumps(dataset(*names)))
    return path


@contextmanager
def answer_of(server: servers.Server, path: str) -> Iterator[http.client.HTTPResponse]:
    host, _, port = server.url.removeprefix("http://").partition(":")
    with closing(http.client.HTTPConnection(host, int(port), timeout=60)) as connection:
        connection.request("GET", path)
        yield connection.getresponse()


def test_huge_picture_takes_no_memory(dataset_path: Path) -> None:
    with (
        huge_s3(Huge(picture())) as huge,
        servers.serve(write_dataset(dataset_path, "a"), env=environment(huge.url)) as server,
    ):
        # What is needed for any picture is there after the first.
        assert server.request("HEAD", FILE).status == 200
        before = peak_memory(server.worker)
        with answer_of(server, FILE) as answer:
            length = 0
            while block := answer.read(1 << 20):
                length += len(block)
        assert (answer.status, length) == (200, HUGE)
        assert peak_memory(server.worker) - before < 20_000_000


def test_client_that_goes_away_ends_the_connection_to_s3(dataset_path: Path) -> None:
    with (
        huge_s3(Huge(picture())) as huge,
        servers.serve(write_dataset(dataset_path, "a"), env=environment(huge.url)) as server,
    ):
        with answer_of(server, FILE) as answer:
            assert answer.read(100) == picture()[:100]
            answer.close()
        assert huge.broken_off.wait(20)
        assert huge.sent < HUGE / 2
        assert "Traceback" not in server.log


# Failures


@pytest.fixture
def script() -> Iterator[ScriptedS3]:
    with scripted_s3() as script:
        yield script


def lead_to(script: ScriptedS3, monkeypatch: pytest.MonkeyPatch) -> None:
    lead_here(monkeypatch, environment(script.url))


@pytest.fixture
def failing(serve: Serve, script: ScriptedS3, monkeypatch: pytest.MonkeyPatch) -> Server:
    """Serves a picture from an S3 that fails as it is told to."""
    lead_to(script, monkeypatch)
    script.objects[f"/{BUCKET}/a.jpg"] = Stored(picture())
    server = serve(dataset("a.jpg"), COCOANNOT_IMAGES=f"s3://{BUCKET}/", COCOANNOT_S3_TIMEOUT=5)
    assert server.get("/readyz").status_code == 200
    return server


@pytest.mark.parametrize("url", [FILE, THUMBNAIL])
@pytest.mark.parametrize("method", ["HEAD", "GET"])
def test_s3_that_refuses_is_a_502_with_its_reason(failing: Server, script: ScriptedS3, method: str, url: str) -> None:
    script.always(method, refuse(403, "AccessDenied"))
    answer = failing.get(url)
    assert answer.status_code == 502
    assert "s3://one/a.jpg: access is denied" in answer.json["message"]
    script.mend()
    assert failing.get(url).status_code == 200


def test_bytes_that_break_off_are_a_502_for_a_thumbnail_and_nothing_is_kept(
    failing: Server, script: ScriptedS3, tmp_path: Path
) -> None:
    script.always("GET", send_part(len(picture()) - 100))
    assert failing.get(THUMBNAIL).status_code == 502
    assert list(tmp_path.rglob("*.cached")) == []
    script.mend()
    assert failing.get(THUMBNAIL).status_code == 200


def test_picture_that_s3_breaks_off_is_a_broken_connection_and_a_log_line(
    dataset_path: Path, script: ScriptedS3
) -> None:
    content = picture(size=(1200, 900))
    script.objects[f"/{BUCKET}/a.jpg"] = Stored(content)
    assert len(content) < 65536
    with servers.serve(write_dataset(dataset_path, "a.jpg"), env=environment(script.url)) as server:
        script.next("GET", first(lambda: None), send_part(5000))
        with answer_of(server, FILE) as answer:
            assert (answer.status, answer.length) == (200, len(content))
            with pytest.raises((http.client.IncompleteRead, ConnectionError)):
                answer.read()
        server.wait_for_log("the client's connection is broken off")
        assert "s3://one/a.jpg" in server.log
        assert "Traceback" not in server.log
        assert server.request("HEAD", FILE).status == 200


def test_failure_that_a_decoder_takes_for_damage_is_s3_s_all_the_same(
    script: ScriptedS3, monkeypatch: pytest.MonkeyPatch
) -> None:
    def identify(file: BinaryIO, file_name: str) -> str:
        with suppress(Exception):
            file.read(10)
        raise UnknownId("no picture")

    lead_to(script, monkeypatch)
    script.objects[f"/{BUCKET}/a.jpg"] = Stored(picture())
    script.always("GET", refuse(403, "AccessDenied"))
    bucket = Bucket(BUCKET, Settings.read(environ={}).s3_options())
    pictures = S3Pictures(bucket, "", identify=identify)
    with pytest.raises(S3Error, match="access is denied"):
        pictures.use({"file_name": "a.jpg"}, lambda found: found.media_type())


def test_server_that_ignores_ranges_is_a_502_and_not_another_part(failing: Server, script: ScriptedS3) -> None:
    answer = failing.get(FILE, headers={"Range": "bytes=10-19"})
    assert (answer.status_code, "were asked for" in answer.json["message"]) == (502, True)


def test_missing_bucket_is_a_502_that_says_so(gallery: Gallery) -> None:
    server = gallery.show("a.jpg", COCOANNOT_IMAGES="s3://nobody-has-this-bucket/")
    answer = server.get(FILE)
    assert (answer.status_code, "there is no such bucket" in answer.json["message"]) == (502, True)


# Thumbnails


@pytest.mark.parametrize("kind", KINDS)
def test_thumbnail_of_each_kind_is_a_small_jpeg(gallery: Gallery, kind: str) -> None:
    answer = gallery.show("a.dat", picture(kind, (640, 480))).get(THUMBNAIL)
    assert (answer.status_code, answer.mimetype, dimensions(answer.data)) == (200, "image/jpeg", (256, 192))
    assert answer.headers["X-Content-Type-Options"] == "nosniff"


def test_thumbnail_is_kept_by_etag_over_a_restart_and_costs_one_look(gallery: Gallery) -> None:
    server = gallery.show("a.jpg", picture(size=(640, 480)))
    made = server.get(THUMBNAIL)
    assert gallery.asked == ["HEAD", "GET"]
    server.again().get("/readyz")
    gallery.onlooker.requests.clear()
    kept = server.get(THUMBNAIL)
    assert (kept.data, kept.headers["ETag"]) == (made.data, made.headers["ETag"])
    assert server.get(THUMBNAIL, headers={"If-None-Match": made.headers["ETag"]}).status_code == 304
    assert gallery.asked == ["HEAD", "HEAD"]


def test_changed_picture_is_another_thumbnail_at_once(gallery: Gallery) -> None:
    server = gallery.show("a.jpg", picture(size=(640, 480)))
    before = server.get(THUMBNAIL)
    gallery.put("a.jpg", picture(size=(200, 300)))
    after = server.get(THUMBNAIL, headers={"If-None-Match": before.headers["ETag"]})
    assert (after.status_code, dimensions(after.data)) == (200, (171, 256))


def test_each_size_and_each_key_has_its_own_thumbnail(gallery: Gallery) -> None:
    gallery.put("b.jpg", picture())
    server = gallery.show("a.jpg", picture())
    tags = {server.get(f"{THUMBNAIL}?size={size}").headers["ETag"] for size in (20, 30)}
    server.patch("/api/images/1", {"file_name": "b.jpg"})
    assert len(tags | {server.get(f"{THUMBNAIL}?size=20").headers["ETag"]}) == 3


@pytest.mark.parametrize("kind", KINDS)
def test_truncated_picture_has_no_thumbnail(gallery: Gallery, kind: str) -> None:
    content = picture(kind)
    server = gallery.show("a", content[: len(content) // 2])
    answer = server.get(THUMBNAIL)
    assert answer.status_code == 404 or (answer.status_code == 422 and "damaged" in answer.json["message"])


def test_picture_larger_than_one_read_is_decoded_whole(gallery: Gallery) -> None:
    image = Image.effect_noise((2500, 2500), 100)
    image.paste(255, (0, 2400, 2500, 2500))
    data = io.BytesIO()
    image.save(data, "BMP")
    server = gallery.show("a.bmp", data.getvalue())
    small = Image.open(io.BytesIO(server.get(f"{THUMBNAIL}?size=100").data))
    assert small.getpixel((50, 98)) == pytest.approx((255, 255, 255), abs=8)
    assert len(gallery.asked) <= 4


def test_picture_that_is_replaced_while_many_ask_is_always_one_or_the_other(gallery: Gallery) -> None:
    contents = [picture(size=(64, 32)), picture("PNG", size=(32, 64))]
    server = gallery.show("a.jpg", contents[0])

    def replace() -> None:
        for number in range(30):
            gallery.put("a.jpg", contents[number % 2])

    def ask(url: str) -> tuple[str, int]:
        answer = server.app.test_client().get(url)
        if answer.status_code == 502:
            assert "changes again and again" in answer.get_json()["message"]
            return "", 502
        whole = url == THUMBNAIL or (answer.data, answer.mimetype) in list(zip(contents, KINDS.values(), strict=False))
        return "whole" if whole else "mixed", answer.status_code

    with ThreadPoolExecutor(5) as pool:
        replacing = pool.submit(replace)
        answers = [pool.submit(ask, url) for url in [FILE, THUMBNAIL] * 25]
        replacing.result()
        assert {answer.result() for answer in answers} <= {("whole", 200), ("", 502)}
    until(lambda: dimensions(server.get(THUMBNAIL).data) == (32, 64), "the last picture's thumbnail")


# Elsewhere


def test_check_does_not_report_pictures_in_s3_as_missing(dataset_path: Path) -> None:
    env = environment("http://127.0.0.1:9")
    status, text = servers.run_flask(write_dataset(dataset_path, "a.jpg"), "check", env=env)
    assert status == 0, text
    assert f"note: pictures were not looked for: they are in S3, under s3://{BUCKET}/" in text


def test_check_of_another_file_looks_for_its_pictures_beside_it(dataset_path: Path) -> None:
    env = {**environment("http://127.0.0.1:9"), "COCOANNOT_IMAGES": "", "COCOANNOT_DATASET": "s3://one/train.json"}
    path = write_dataset(dataset_path, "a.jpg")
    (path.parent / "a.jpg").write_bytes(picture())
    status, text = servers.run_flask(path, "check", str(path), env=env)
    assert (status, "note" in text) == (0, False), text


def test_dataset_on_disk_with_its_pictures_on_disk_loads_nothing_of_s3(dataset_path: Path) -> None:
    (dataset_path.parent / "a.jpg").write_bytes(picture())
    code = """
import sys
from cocoannot import create_app
app = create_app()
assert app.test_client().get("/api/images/1/file").status_code == 200
assert app.test_client().get("/api/images/1/thumbnail").status_code == 200
assert not {"boto3", "botocore", "urllib3"} & set(sys.modules), sorted(sys.modules)
"""
    env = servers.environment(write_dataset(dataset_path, "a.jpg"))
    done = subprocess.run([sys.executable, "-c", code], env=env, cwd=servers.ROOT, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
