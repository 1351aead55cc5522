"""`GET /api/images/{id}/thumbnail`: what is served, and that no picture makes the server fail."""

from __future__ import annotations

import io
import os
import struct
import zlib
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import pytest
from api_client import Serve, Server
from PIL import Image
from servers import until

URL = "/api/images/1/thumbnail"


def picture(kind: str = "JPEG", size: tuple[int, int] = (640, 480), colour: str = "red") -> bytes:
    data = io.BytesIO()
    Image.new("RGB", size, colour).save(data, kind)
    return data.getvalue()


class Gallery:
    """Serves one image's record, with a folder of its own as the image folder."""

    def __init__(self, serve: Serve, folder: Path) -> None:
        self._serve = serve
        self.folder = folder
        self.cache = folder.with_name("cache")

    def show(self, content: bytes | None = None, file_name: object = "a.jpg", **settings: Any) -> Server:
        if content is not None:
            (self.folder / str(file_name)).write_bytes(content)
        images = [{"id": 1, "file_name": file_name, "width": 64, "height": 48}]
        return self._serve({"images": images}, COCOANNOT_IMAGES=self.folder, **settings)

    def cached(self) -> list[Path]:
        return list(self.cache.rglob("*.cached"))


@pytest.fixture
def gallery(serve: Serve, tmp_path: Path) -> Gallery:
    folder = tmp_path / "pictures"
    folder.mkdir()
    return Gallery(serve, folder)


def dimensions(jpeg: bytes) -> tuple[int, int]:
    return Image.open(io.BytesIO(jpeg), formats=["JPEG"]).size


@pytest.mark.parametrize("kind", ["JPEG", "PNG", "WEBP", "GIF", "BMP", "TIFF"])
def test_thumbnail_of_each_kind_is_a_small_jpeg(gallery: Gallery, kind: str) -> None:
    answer = gallery.show(picture(kind)).get(URL)
    assert (answer.status_code, answer.mimetype) == (200, "image/jpeg")
    assert answer.headers["X-Content-Type-Options"] == "nosniff"
    assert dimensions(answer.data) == (256, 192)


@pytest.mark.parametrize(("size", "expected"), [(1, (1, 1)), (100, (100, 75)), (640, (640, 480)), (1024, (640, 480))])
def test_size_is_the_longest_side_and_never_enlarges(gallery: Gallery, size: int, expected: tuple[int, int]) -> None:
    assert dimensions(gallery.show(picture()).get(f"{URL}?size={size}").data) == expected


@pytest.mark.parametrize("size", ["0", "-1", "1025", "99999999999999999999", "x", "1.5", "", "NaN"])
def test_size_out_of_range_is_a_422_that_names_it(gallery: Gallery, size: str) -> None:
    answer = gallery.show(picture()).get(f"{URL}?size={size}")
    assert answer.status_code == 422
    assert "size" in answer.json["errors"]["query"]


def test_thumbnail_that_the_client_has_is_an_empty_304(gallery: Gallery) -> None:
    api = gallery.show(picture())
    first = api.get(URL)
    answer = api.get(URL, headers={"If-None-Match": first.headers["ETag"]})
    assert (answer.status_code, answer.data) == (304, b"")
    assert answer.headers["ETag"] == first.headers["ETag"]
    assert answer.headers["Cache-Control"] == first.headers["Cache-Control"] == "no-cache"
    other = api.get(f"{URL}?size=100", headers={"If-None-Match": first.headers["ETag"]})
    assert other.status_code == 200


def test_changed_picture_or_file_name_is_another_thumbnail_at_once(gallery: Gallery) -> None:
    (gallery.folder / "b.png").write_bytes(picture("PNG", (30, 20)))
    api = gallery.show(picture())
    first = api.get(URL)
    (gallery.folder / "a.jpg").write_bytes(picture(size=(200, 300)))
    second = api.get(URL, headers={"If-None-Match": first.headers["ETag"]})
    assert (second.status_code, dimensions(second.data)) == (200, (171, 256))
    api.patch("/api/images/1", {"file_name": "b.png"})
    third = api.get(URL, headers={"If-None-Match": second.headers["ETag"]})
    assert (third.status_code, dimensions(third.data)) == (200, (30, 20))


def test_head_has_the_size_and_no_body(gallery: Gallery) -> None:
    api = gallery.show(picture())
    answer = api.ask("HEAD", URL)
    assert (answer.data, answer.content_length) == (b"", len(api.get(URL).data))


def test_thumbnail_is_kept_in_the_cache_over_a_restart(gallery: Gallery) -> None:
    api = gallery.show(picture())
    first = api.get(URL)
    (kept,) = gallery.cached()
    os.utime(kept, (1e9, 1e9))
    assert api.again().get(URL).data == first.data
    assert gallery.cached() == [kept]
    assert kept.stat().st_mtime > 1e9


def test_cache_is_where_the_setting_says_and_within_its_bound(gallery: Gallery, tmp_path: Path) -> None:
    noise = io.BytesIO()
    Image.effect_noise((1024, 1024), 100).save(noise, "PNG")
    gallery.cache = tmp_path / "else where"
    api = gallery.show(noise.getvalue(), COCOANNOT_CACHE=gallery.cache, COCOANNOT_CACHE_BYTES=2**20)
    for size in range(760, 1025, 50):
        assert api.get(f"{URL}?size={size}").status_code == 200
        assert 0 < sum(path.stat().st_size for path in gallery.cached()) <= 2**20


def test_cache_that_is_a_file_only_costs_time(gallery: Gallery, caplog: pytest.LogCaptureFixture) -> None:
    gallery.cache.write_bytes(b"")
    api = gallery.show(picture())
    assert [api.get(URL).status_code for _ in range(2)] == [200, 200]
    assert caplog.text.count("can't write to") == 1


@pytest.mark.parametrize("content", [b"", b"\xff\xd8\xff\xd9", b"\xff\xd8 half of it"])
def test_thumbnail_that_is_damaged_in_the_cache_is_made_again(gallery: Gallery, content: bytes) -> None:
    api = gallery.show(picture())
    first = api.get(URL)
    (kept,) = gallery.cached()
    kept.write_bytes(content)
    assert api.get(URL).data == first.data
    assert kept.stat().st_size > len(first.data)


def test_missing_record_or_picture_is_a_404(gallery: Gallery) -> None:
    api = gallery.show()
    assert "no picture 'a.jpg'" in api.get(URL).json["message"]
    assert api.get("/api/images/2/thumbnail").status_code == 404


@pytest.mark.parametrize("file_name", ["../secret.jpg", "/etc/passwd", "..", "", "\0", None, 7])
def test_file_name_that_leads_out_of_the_folder_has_no_thumbnail(gallery: Gallery, file_name: object) -> None:
    gallery.folder.with_name("secret.jpg").write_bytes(picture())
    assert gallery.show(file_name=file_name).get(URL).status_code == 404
    assert gallery.cached() == []


def test_link_out_of_the_folder_has_a_thumbnail_only_where_that_is_allowed(gallery: Gallery) -> None:
    outside = gallery.folder.with_name("outside.jpg")
    outside.write_bytes(picture())
    (gallery.folder / "a.jpg").symlink_to(outside)
    assert gallery.show().get(URL).status_code == 404
    assert gallery.show(COCOANNOT_IMAGES_FOLLOW_LINKS="1").get(URL).status_code == 200
    assert gallery.show().get(URL).status_code == 404


@pytest.mark.parametrize("name", ["dataset.json", "dataset.json.cocoannot/state.json", "dataset.json.cocoannot/lock"])
def test_dataset_and_what_is_kept_beside_it_have_no_thumbnail(serve: Serve, tmp_path: Path, name: str) -> None:
    api = serve({"images": [{"id": 1, "file_name": name}]}, COCOANNOT_IMAGES=tmp_path)
    api.patch("/api/images/1", {"note": "x"})
    api.post("/api/flush")
    assert (tmp_path / name).is_file()
    assert api.get(URL).status_code == 404


@pytest.mark.parametrize("content", [b"", b"<svg onload='alert(1)'/>", b"<!doctype html>", b"%!PS-Adobe-3.0 EPSF-3.0"])
def test_what_is_no_picture_is_a_404_whatever_its_name(gallery: Gallery, content: bytes) -> None:
    assert gallery.show(content).get(URL).status_code == 404


@pytest.mark.parametrize("kind", ["JPEG", "PNG", "WEBP", "GIF", "BMP", "TIFF"])
def test_truncated_picture_is_a_4xx_that_says_so(gallery: Gallery, kind: str) -> None:
    content = picture(kind, (64, 48))
    api = gallery.show(content)
    for length in (20, 60, len(content) // 2):
        (gallery.folder / "a.jpg").write_bytes(content[:length])
        answer = api.get(URL)
        assert answer.status_code == 404 or (answer.status_code == 422 and "damaged" in answer.json["message"])
    assert gallery.cached() == []


@pytest.mark.parametrize("side", [10_000, 30_000])
@pytest.mark.parametrize("what", ["thumbnail", "file"])
def test_picture_beyond_pillow_s_limit_is_a_422_that_says_so(gallery: Gallery, side: int, what: str) -> None:
    def chunk(kind: bytes, data: bytes) -> bytes:
        return struct.pack(">I", len(data)) + kind + data + struct.pack(">I", zlib.crc32(kind + data))

    header = chunk(b"IHDR", struct.pack(">IIBBBBB", side, side, 8, 2, 0, 0, 0))
    bomb = b"\x89PNG\r\n\x1a\n" + header + chunk(b"IDAT", zlib.compress(bytes(99_999))) + chunk(b"IEND", b"")
    answer = gallery.show(bomb).get(f"/api/images/1/{what}")
    assert answer.status_code == 422
    assert "too" in answer.json["message"]


def test_picture_that_is_replaced_while_many_ask_is_always_one_or_the_other(gallery: Gallery) -> None:
    contents = [picture(size=(64, 32)), picture(size=(32, 64))]
    api = gallery.show(contents[0])

    def replace() -> None:
        for number in range(40):
            new = gallery.folder / "new"
            new.write_bytes(contents[number % 2])
            new.replace(gallery.folder / "a.jpg")

    with ThreadPoolExecutor(5) as pool:
        replacing = pool.submit(replace)
        answers = [pool.submit(lambda: api.app.test_client().get(URL)) for _ in range(60)]
        replacing.result()
        assert {dimensions(answer.result().data) for answer in answers} <= {(64, 32), (32, 64)}
    until(lambda: dimensions(api.get(URL).data) == (32, 64), "the last picture's thumbnail")


# A JPEG in the picture's own size

WHOLE = "/api/images/1/file?as=jpeg"


@pytest.mark.parametrize("kind", ["JPEG", "PNG", "WEBP", "GIF", "BMP", "TIFF"])
def test_whole_picture_of_each_kind_comes_as_a_jpeg_of_its_size(gallery: Gallery, kind: str) -> None:
    answer = gallery.show(picture(kind, (1601, 1203))).get(WHOLE)
    assert (answer.status_code, answer.mimetype) == (200, "image/jpeg")
    assert answer.headers["X-Content-Type-Options"] == "nosniff"
    assert dimensions(answer.data) == (1601, 1203)


def test_picture_of_16_bits_comes_as_a_jpeg_that_shows_it(gallery: Gallery) -> None:
    data = io.BytesIO()
    Image.new("I;16", (300, 200), 128 * 257).save(data, "TIFF")
    answer = gallery.show(data.getvalue()).get(WHOLE)
    pixel = Image.open(io.BytesIO(answer.data)).convert("L").getpixel((150, 100))
    assert isinstance(pixel, int)
    assert abs(pixel - 128) <= 1


def test_jpeg_of_a_picture_is_conditional_and_cached(gallery: Gallery) -> None:
    api = gallery.show(picture("TIFF"))
    first = api.get(WHOLE)
    etag = first.headers["ETag"]
    assert len(gallery.cached()) == 1
    again = api.get(WHOLE, headers={"If-None-Match": etag})
    assert (again.status_code, again.data) == (304, b"")
    assert api.get(WHOLE, headers={"If-Match": etag}).data == first.data
    assert api.get(WHOLE, headers={"If-Match": '"other"'}).status_code == 412
    # It is another one than the file itself, and than the thumbnail of the same size.
    assert api.get("/api/images/1/file").headers["ETag"] != etag != api.get(f"{URL}?size=640").headers["ETag"]
    assert api.get(WHOLE, headers={"Range": "bytes=0-9"}).data == first.data
    (gallery.folder / "a.jpg").write_bytes(picture("TIFF", (99, 66)))
    changed = api.get(WHOLE, headers={"If-None-Match": etag})
    assert (changed.status_code, dimensions(changed.data)) == (200, (99, 66))


@pytest.mark.parametrize(("size", "status"), [((1, 65_501), 422), ((8000, 6251), 422), ((1, 65_500), 200)])
def test_picture_that_is_too_large_for_a_jpeg_is_refused(gallery: Gallery, size: tuple[int, int], status: int) -> None:
    data = io.BytesIO()
    Image.new("1", size).save(data, "PNG")
    answer = gallery.show(data.getvalue()).get(WHOLE)
    assert answer.status_code == status
    if status == 422:
        assert "50000000 pixels, 65500 in a side, and" in answer.json["message"]


@pytest.mark.parametrize("content", [b"no picture", picture()[:500]])
def test_file_that_is_no_picture_or_damaged_comes_as_no_jpeg(gallery: Gallery, content: bytes) -> None:
    assert gallery.show(content).get(WHOLE).status_code in (404, 422)


@pytest.mark.parametrize("query", ["as=png", "as=", "as=JPEG", "size=3"])
def test_file_takes_no_other_parameter(gallery: Gallery, query: str) -> None:
    assert gallery.show(picture()).get(f"/api/images/1/file?{query}").status_code == 422
