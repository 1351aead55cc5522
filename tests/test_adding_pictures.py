"""Images that come with their pictures, and pictures that get records: over the API, on real folders."""

from __future__ import annotations

import hashlib
import io
import json
import os
import struct
import threading
import zlib
from pathlib import Path
from typing import Any

import pytest
from api_client import Response, Serve, Server
from PIL import Image

URL = "/api/images"
SCAN = "/api/images/scan"


def picture(size: tuple[int, int] = (64, 48), kind: str = "JPEG", colour: str = "red", orientation: int = 1) -> bytes:
    image = Image.new("RGB", size, colour)
    exif = Image.Exif()
    exif[0x0112] = orientation
    data = io.BytesIO()
    image.save(data, kind, **({"exif": exif} if orientation != 1 else {}))
    return data.getvalue()


def claimed_png(width: int, height: int) -> bytes:
    """The head of a PNG that says to be so large; its pixels are a handful of bytes."""

    def chunk(kind: bytes, body: bytes) -> bytes:
        return struct.pack(">I", len(body)) + kind + body + struct.pack(">I", zlib.crc32(kind + body))

    head = struct.pack(">IIBBBBB", width, height, 8, 2, 0, 0, 0)
    return b"\x89PNG\r\n\x1a\n" + chunk(b"IHDR", head) + chunk(b"IDAT", zlib.compress(b"\0" * 9)) + chunk(b"IEND", b"")


class Album:
    """An empty dataset with an image folder, and what is sent to it."""

    def __init__(self, serve: Serve, folder: Path) -> None:
        self._serve = serve
        self.folder = folder
        self.api = self.open()

    def open(self, images: list[dict[str, Any]] | None = None, **settings: Any) -> Server:
        content = {"images": images or [], "annotations": [], "categories": [{"id": 1, "name": "cat"}]}
        self.api = self._serve(content, **{"COCOANNOT_IMAGES": self.folder, **settings})
        return self.api

    def send(self, data: bytes, name: str = "a.jpg", key: str = "", **fields: Any) -> Response:
        form = {"file": (io.BytesIO(data), name), **fields}
        headers = {"Idempotency-Key": key} if key else {}
        return self.api.post(URL, data=form, content_type="multipart/form-data", headers=headers)

    def put(self, image_id: int, data: bytes, key: str = "") -> Response:
        headers = {"Idempotency-Key": key} if key else {}
        return self.api.ask("PUT", f"{URL}/{image_id}/file", data=data, content_type="image/jpeg", headers=headers)

    def names(self) -> list[str]:
        """Every file in the folder, hidden ones too: nothing unfinished may be left."""
        return sorted(path.relative_to(self.folder).as_posix() for path in self.folder.rglob("*") if path.is_file())

    def records(self) -> list[tuple[str, int, int]]:
        return [(each["file_name"], each["width"], each["height"]) for each in self.api.get(URL).json]


@pytest.fixture
def album(serve: Serve, tmp_path: Path) -> Album:
    folder = tmp_path / "pictures"
    folder.mkdir()
    return Album(serve, folder)


def test_picture_that_is_sent_is_stored_byte_for_byte_and_gets_a_record_with_its_size(album: Album) -> None:
    answer = album.send(picture((64, 48)), "cat.jpg", license="3", note="by hand", tags='["x", 1]')
    assert answer.status_code == 201
    assert answer.json == {
        "id": 1,
        "file_name": "cat.jpg",
        "width": 64,
        "height": 48,
        "license": 3,
        "note": "by hand",
        "tags": ["x", 1],
    }
    assert answer.headers["Location"] == "/api/images/1"
    assert (album.folder / "cat.jpg").read_bytes() == picture((64, 48)) == album.api.get(f"{URL}/1/file").data
    assert album.names() == ["cat.jpg"]


@pytest.mark.parametrize("kind", ["JPEG", "PNG", "WEBP", "GIF", "BMP", "TIFF"])
def test_each_kind_of_picture_is_taken(album: Album, kind: str) -> None:
    assert album.send(picture((7, 5), kind), f"a.{kind.lower()}").json["height"] == 5


@pytest.mark.parametrize(
    ("name", "stored"),
    [
        ("../../etc/passwd.jpg", "passwd.jpg"),
        ("/etc/cron.d/x.jpg", "x.jpg"),
        ("..", "picture.jpg"),
        (".hidden.jpg", "hidden.jpg"),
        ("a:b*c?.jpg", "a_b_c_.jpg"),
        ("CON.jpg", "_CON.jpg"),
        ("nul", "_nul.jpg"),
        ("annotations.json", "annotations.json.jpg"),
        ("run.sh", "run.sh.jpg"),
        ("x.json.cocoannot", "x.json_cocoannot.jpg"),
        ("u\u0308.JPG", "\u00fc.JPG"),
        ("  two  words .jpg", "two words.jpg"),
        ("gpj\u202e.exe.jpg", "gpj_.exe.jpg"),
        ("\U0001f408.jpg", "\U0001f408.jpg"),
        ("\u00e4" * 300 + ".jpg", "\u00e4" * 98 + ".jpg"),
    ],
)
def test_names_are_made_safe(album: Album, name: str, stored: str) -> None:
    assert album.send(picture(), name).json["file_name"] == stored
    assert album.names() == [stored]


def test_another_picture_of_the_same_name_gets_a_number(album: Album) -> None:
    names = [album.send(picture(colour=colour), "a.jpg").json["file_name"] for colour in ("red", "blue", "green")]
    assert names == ["a.jpg", "a-2.jpg", "a-3.jpg"]
    assert [(album.folder / name).read_bytes() == picture(colour="red") for name in names] == [True, False, False]


@pytest.mark.parametrize("name", ["A.JPG", "\u00dc.jpg"])
def test_names_that_differ_in_case_alone_are_the_same(album: Album, name: str) -> None:
    (album.folder / name.lower()).write_bytes(picture(colour="blue"))
    assert album.send(picture(), name).json["file_name"] == os.path.splitext(name)[0] + "-2" + name[-4:]


def test_the_very_picture_that_is_there_is_a_409_with_its_image(album: Album) -> None:
    album.send(picture(), "a.jpg")
    answer = album.send(picture(), "a.jpg")
    assert answer.status_code == 409
    assert answer.json["errors"] == {"file_name": "a.jpg", "same": True, "image_id": 1}
    assert len(album.records()) == 1


def test_the_very_picture_without_a_record_gets_one(album: Album) -> None:
    (album.folder / "a.jpg").write_bytes(picture())
    assert album.send(picture(), "a.jpg").json["file_name"] == "a.jpg"
    assert album.names() == ["a.jpg"]


def test_file_name_that_is_asked_for_is_taken_as_it_is_or_refused(album: Album) -> None:
    assert album.send(picture(), "x.jpg", file_name="day 1/a.jpg").json["file_name"] == "day 1/a.jpg"
    answer = album.send(picture(colour="blue"), "x.jpg", file_name="day 1/a.jpg")
    assert (answer.status_code, album.names()) == (409, ["day 1/a.jpg"])


@pytest.mark.parametrize(
    "file_name",
    [
        *("../a.jpg", "/tmp/a.jpg", "C:/a.jpg", "x/../../a.jpg", "a\\b.jpg", ".hidden/a.jpg", "a/.b.jpg", "a//b.jpg"),
        *(
            "d.json.cocoannot/users.json",
            "D.COCOANNOT/a.jpg",
            "con.jpg",
            "a./b.jpg",
            "page.html",
            "x" * 300 + ".jpg",
            "a\n.jpg",
        ),
    ],
)
def test_file_name_that_leads_elsewhere_is_a_422_and_nothing_is_stored(album: Album, file_name: str) -> None:
    answer = album.send(picture(), "x.jpg", file_name=file_name)
    assert answer.status_code == 422
    assert "file_name" in answer.json["errors"]["json"]
    assert (album.names(), album.records()) == ([], [])


def test_a_link_in_the_folder_is_no_way_out(album: Album, tmp_path: Path) -> None:
    (tmp_path / "elsewhere").mkdir()
    (album.folder / "way").symlink_to(tmp_path / "elsewhere")
    assert album.send(picture(), "x.jpg", file_name="way/out/a.jpg").status_code == 503
    assert list((tmp_path / "elsewhere").iterdir()) == []


@pytest.mark.parametrize(
    ("data", "message"),
    [
        (b"not a picture", "is not a picture"),
        (b"", "is empty"),
        (b"<svg xmlns='http://www.w3.org/2000/svg'/>", "is not a picture"),
        (b"PK\x03\x04" + b"\0" * 100, "is not a picture"),
        (claimed_png(100_000, 100_000), "too many pixels"),
        (claimed_png(70_000, 10), "70000 x 10 pixels"),
    ],
)
def test_what_is_no_picture_is_a_422_that_says_why(album: Album, data: bytes, message: str) -> None:
    answer = album.send(data, "a.jpg")
    assert answer.status_code == 422
    assert message in answer.json["message"]
    assert (album.names(), album.records()) == ([], [])


def test_picture_beyond_the_limit_is_a_413_that_names_the_setting(album: Album) -> None:
    data = picture((400, 400), "BMP")
    album.open(COCOANNOT_MAX_PICTURE_BYTES=len(data) - 1)
    answer = album.send(data, "a.bmp")
    assert answer.status_code == 413
    assert "COCOANNOT_MAX_PICTURE_BYTES" in answer.json["message"]
    assert album.names() == []
    album.open(COCOANNOT_MAX_PICTURE_BYTES=len(data))
    assert album.send(data, "a.bmp").status_code == 201


def test_picture_larger_than_other_bodies_may_be_is_taken(album: Album) -> None:
    album.open(COCOANNOT_MAX_BODY_BYTES=1024)
    assert album.send(picture((400, 400), "BMP"), "a.bmp").status_code == 201


def test_form_without_a_picture_is_a_422(album: Album) -> None:
    for form in ({"file_name": "a.jpg"}, {"file": "text"}, {"picture": (io.BytesIO(picture()), "a.jpg")}):
        answer = album.api.post(URL, data=form, content_type="multipart/form-data")
        assert answer.status_code == 422
        assert "file" in answer.json["errors"]["json"]


def test_form_with_two_pictures_is_a_422_and_stores_none(album: Album) -> None:
    form = {"file": [(io.BytesIO(picture()), "a.jpg"), (io.BytesIO(picture()), "b.jpg")]}
    assert album.api.post(URL, data=form, content_type="multipart/form-data").status_code == 422
    assert album.names() == []


@pytest.mark.parametrize("content_type", ["multipart/form-data", 'multipart/form-data; boundary="\u00fc"'])
def test_form_without_a_boundary_is_a_400(album: Album, content_type: str) -> None:
    assert album.api.post(URL, data=b"--x\r\n", content_type=content_type).status_code == 400


@pytest.mark.parametrize(
    "fields", [{"width": "9"}, {"id": "x"}, {"id": "-1"}, {"_note": "x"}, {"width": "64", "height": "1"}]
)
def test_form_whose_fields_are_wrong_leaves_no_picture(album: Album, fields: dict[str, str]) -> None:
    assert album.send(picture(), "a.jpg", **fields).status_code == 422
    assert (album.names(), album.records()) == ([], [])


def test_form_whose_id_is_taken_leaves_no_picture(album: Album) -> None:
    album.send(picture(), "a.jpg")
    assert album.send(picture(colour="blue"), "b.jpg", id="1").status_code == 409
    assert album.names() == ["a.jpg"]


def test_same_request_with_a_key_is_done_once(album: Album) -> None:
    first = album.send(picture(), "a.jpg", "key-1", note="x")
    again = album.send(picture(), "a.jpg", "key-1", note="x")
    assert (again.status_code, again.json) == (201, first.json)
    assert again.headers["Idempotency-Replayed"] == "true"
    assert album.names() == ["a.jpg"]
    assert album.send(picture(colour="blue"), "a.jpg", "key-1", note="x").status_code == 422
    assert album.send(picture(), "a.jpg", "key-1", note="y").status_code == 422
    assert (album.names(), len(album.records())) == (["a.jpg"], 1)


def test_picture_for_a_record_that_has_none_is_told_where_it_goes(album: Album) -> None:
    album.open([{"id": 7, "file_name": "a.jpg", "width": 64, "height": 48}])
    answer = album.send(picture(), "a.jpg")
    assert answer.status_code == 409
    assert answer.json["errors"] == {"image_id": 7, "has_picture": False}
    assert album.names() == []


def test_many_at_once_get_names_and_ids_of_their_own(album: Album) -> None:
    answers: list[Response] = []
    colours = ["red", "blue", "green", "black", "white", "pink"]
    sends = [threading.Thread(target=lambda c=each: answers.append(album.send(picture(colour=c)))) for each in colours]
    for each in sends:
        each.start()
    for each in sends:
        each.join()
    assert [answer.status_code for answer in answers] == [201] * 6
    assert sorted(name for name, _, _ in album.records()) == album.names()
    assert len(album.names()) == 6


def test_same_request_twice_at_once_is_done_once(album: Album) -> None:
    answers: list[Response] = []
    sends = [threading.Thread(target=lambda: answers.append(album.send(picture(), "a.jpg", "k"))) for _ in range(4)]
    for each in sends:
        each.start()
    for each in sends:
        each.join()
    assert [answer.status_code for answer in answers] == [201] * 4
    assert (album.names(), len(album.records())) == (["a.jpg"], 1)


def test_record_without_a_size_takes_that_of_its_picture(album: Album) -> None:
    (album.folder / "a.png").write_bytes(picture((30, 20), "PNG"))
    assert album.api.post(URL, {"file_name": "a.png", "note": 1}).json == {
        "id": 1,
        "file_name": "a.png",
        "note": 1,
        "width": 30,
        "height": 20,
    }


def test_record_without_a_size_and_without_a_picture_is_a_422_that_says_so(album: Album) -> None:
    answer = album.api.post(URL, {"file_name": "a.png", "width": 30})
    assert answer.status_code == 422
    assert list(answer.json["errors"]["json"]) == ["height"]
    assert "there is no picture 'a.png'" in answer.json["message"]


@pytest.mark.parametrize("orientation", [1, 3, 6])
def test_size_is_that_of_the_pixels_whatever_exif_says(album: Album, orientation: int) -> None:
    sent = album.send(picture((64, 48), orientation=orientation), "a.jpg").json
    assert (sent["width"], sent["height"]) == (64, 48)


def test_picture_is_put_for_a_record_that_has_none_and_never_over_another(album: Album) -> None:
    album.open([{"id": 7, "file_name": "day/a.jpg", "width": 64, "height": 48}])
    before = album.api.revision
    answer = album.put(7, picture())
    assert answer.status_code == 201
    body = {"file_name": "day/a.jpg", "bytes": len(picture()), "width": 64, "height": 48, "turned": False}
    assert answer.json == body
    assert album.api.get(f"{URL}/7/file").data == picture()
    for data in (picture(), picture(colour="blue")):
        assert album.put(7, data).status_code == 409
    assert (album.folder / "day/a.jpg").read_bytes() == picture()
    assert (album.names(), album.api.revision) == (["day/a.jpg"], before)


def test_picture_that_is_put_again_with_a_key_is_the_first_answer(album: Album) -> None:
    album.open([{"id": 7, "file_name": "a.jpg", "width": 64, "height": 48}])
    first, again = album.put(7, picture(), "k"), album.put(7, picture(), "k")
    assert (first.status_code, again.status_code, again.json) == (201, 201, first.json)
    assert "Idempotency-Replayed" not in first.headers
    assert again.headers["Idempotency-Replayed"] == "true"
    assert album.put(7, picture(colour="blue"), "k").status_code == 409
    assert album.put(7, picture(), "k" * 256).status_code == 422


@pytest.mark.parametrize(
    "file_name", ["../a.jpg", "/elsewhere/a.jpg", "d.json.cocoannot/lock2", "a\\b.jpg", ".x.jpg", 7]
)
def test_picture_is_not_put_where_a_record_s_name_leads_elsewhere(album: Album, file_name: object) -> None:
    album.open([{"id": 7, "file_name": file_name, "width": 64, "height": 48}])
    assert album.put(7, picture()).status_code == 422
    assert album.names() == []


def test_what_is_put_must_be_a_picture_within_the_limit(album: Album) -> None:
    album.open([{"id": 7, "file_name": "a.jpg", "width": 64, "height": 48}], COCOANNOT_MAX_PICTURE_BYTES=20_000)
    assert album.put(7, b"text").status_code == 422
    assert album.put(7, b"").status_code == 422
    assert album.put(7, claimed_png(100_000, 100_000)).status_code == 422
    assert album.put(7, bytes(20_001)).status_code == 413
    assert album.put(8, picture()).status_code == 404
    for kind in ("application/json", "multipart/form-data; boundary=x", "text/html"):
        assert album.api.ask("PUT", f"{URL}/7/file", data=picture(), content_type=kind).status_code == 415
    assert album.names() == []


def test_scan_adds_what_has_no_record_in_natural_order_and_tells_what_is_none(album: Album) -> None:
    (album.folder / "sub").mkdir()
    for name in ("10.jpg", "9.jpg", "sub/1.PNG", "old.jpg", "100%25.jpg"):
        (album.folder / name).write_bytes(picture((20, 10), "PNG" if name.endswith("PNG") else "JPEG"))
    (album.folder / "turned.jpg").write_bytes(picture((20, 10), orientation=6))
    (album.folder / "notes.txt").write_text("hello")
    (album.folder / "huge.png").write_bytes(claimed_png(100_000, 100_000))
    (album.folder / ".hidden.jpg").write_bytes(picture())
    album.open([{"id": 5, "file_name": "old.jpg", "width": 1, "height": 1}])
    answer = album.api.post(SCAN)
    assert answer.json["added"] == 5
    assert [each["file_name"] for each in answer.json["skipped"]] == ["huge.png", "notes.txt"]
    assert "is not a picture" in answer.json["skipped"][1]["reason"]
    assert answer.json["skipped_count"] == 2
    assert answer.json["turned"] == ["turned.jpg"]
    names = ["old.jpg", "9.jpg", "10.jpg", "100%25.jpg", "sub/1.PNG", "turned.jpg"]
    assert [name for name, _, _ in album.records()] == names
    assert album.records()[-1] == ("turned.jpg", 20, 10)
    assert album.api.revision == 1
    assert album.api.post(SCAN).json["added"] == 0
    assert album.api.revision == 1
    assert album.api.post("/api/changes/1/undo").status_code == 200
    assert [name for name, _, _ in album.records()] == ["old.jpg"]


def test_scan_knows_pictures_by_every_reading_of_their_records_names(album: Album) -> None:
    (album.folder / "sub").mkdir()
    for name in ("sub/b.jpg", "my photo.jpg", "u\u0308.jpg"):
        (album.folder / name).write_bytes(picture())
    names = ["sub\\b.jpg", "my%20photo.jpg", "\u00fc.jpg"]
    album.open([{"id": n, "file_name": name, "width": 64, "height": 48} for n, name in enumerate(names)])
    assert album.api.post(SCAN).json == {"added": 0, "skipped": [], "skipped_count": 0, "turned": []}


def test_scan_with_a_key_is_done_once(album: Album) -> None:
    (album.folder / "a.jpg").write_bytes(picture())
    assert album.api.post(SCAN, headers={"Idempotency-Key": "k"}).json["added"] == 1
    (album.folder / "b.jpg").write_bytes(picture())
    again = album.api.post(SCAN, headers={"Idempotency-Key": "k"})
    assert (again.json["added"], again.headers["Idempotency-Replayed"]) == (1, "true")
    assert len(album.records()) == 1


def test_scan_of_a_dataset_beside_its_pictures_does_not_speak_of_the_dataset(serve: Serve, tmp_path: Path) -> None:
    (tmp_path / "a.jpg").write_bytes(picture())
    api = serve({"images": [{"id": 1, "file_name": "a.jpg", "width": 64, "height": 48}]})
    assert api.post(SCAN).json == {"added": 0, "skipped": [], "skipped_count": 0, "turned": []}


def test_scan_does_not_follow_links_out_of_the_folder(album: Album, tmp_path: Path) -> None:
    (tmp_path / "secret.jpg").write_bytes(picture())
    (album.folder / "way.jpg").symlink_to(tmp_path / "secret.jpg")
    (album.folder / "loop").symlink_to(album.folder)
    (album.folder / "nowhere.jpg").symlink_to(tmp_path / "nothing")
    answer = album.api.post(SCAN).json
    assert answer["added"] == 0
    assert {each["file_name"] for each in answer["skipped"]} == {"way.jpg", "nowhere.jpg"}
    album.open(COCOANNOT_IMAGES_FOLLOW_LINKS="1")
    answer = album.api.post(SCAN).json
    assert (answer["added"], [each["file_name"] for each in answer["skipped"]]) == (1, ["nowhere.jpg"])
    assert album.api.get(f"{URL}/1/file").data == picture()


def test_scan_leaves_out_a_name_that_is_not_utf8(album: Album) -> None:
    with open(os.fsencode(album.folder) + b"/\xff.jpg", "wb") as file:
        file.write(picture())
    answer = album.api.post(SCAN).json
    assert (answer["added"], answer["skipped"][0]["reason"]) == (0, "its name is not UTF-8; rename it")


def test_what_was_added_is_there_after_a_restart(album: Album) -> None:
    album.send(picture(), "a.jpg")
    saved = album.api.saved()
    assert [each["file_name"] for each in saved["images"]] == ["a.jpg"]
    assert json.dumps(saved)


def test_unfinished_files_of_long_ago_are_cleared_away(album: Album) -> None:
    old, new = (album.folder / f".cocoannot-{name}.unfinished" for name in ("old", "new"))
    for path in (old, new):
        path.write_bytes(b"half")
    os.utime(old, (1, 1))
    album.send(picture(), "a.jpg")
    assert (old.exists(), new.exists()) == (False, True)


def test_a_stored_picture_can_be_read_by_everybody_who_may_read_the_folder(album: Album) -> None:
    album.send(picture(), "a.jpg")
    mask = os.umask(0)
    os.umask(mask)
    assert (album.folder / "a.jpg").stat().st_mode & 0o777 == 0o666 & ~mask
    assert hashlib.sha256((album.folder / "a.jpg").read_bytes()).digest() == hashlib.sha256(picture()).digest()
