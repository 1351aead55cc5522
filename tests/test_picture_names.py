"""What a record's names of its picture are taken for: the exact name first, and nothing outside the image folder."""

from __future__ import annotations

from pathlib import Path
from typing import Any
from unicodedata import normalize

import pytest
from hypothesis import given
from hypothesis import strategies as st

from cocoannot.errors import UnknownId
from cocoannot.pictures.folder import PictureFolder
from cocoannot.pictures.names import read
from cocoannot.pictures.source import Reading

COCO = "http://images.cocodataset.org/val2017/000000397133.jpg"
FLICKR = "http://farm7.staticflickr.com/6116/6255196340_da26cf2c9e_z.jpg"


class Folder:
    """An image folder, and beside it files that nobody may get."""

    def __init__(self, parent: Path) -> None:
        self.path = parent / "coco" / "images"
        self.pictures = PictureFolder(self.path, identify=lambda file, name: "any")
        for secret in (parent, parent / "coco", parent / "elsewhere"):
            put(secret / "secret.jpg")

    def found(self, image: dict[str, Any]) -> str:
        """Which file is found, as a path below the folder."""
        return self.pictures.use(image, lambda picture: picture.name)


def put(path: Path) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(b"")


@pytest.fixture
def folder(tmp_path: Path) -> Folder:
    return Folder(tmp_path)


@pytest.mark.parametrize(
    ("said", "there"),
    [
        ("day/a.jpg", "day/a.jpg"),
        ("./day//a.jpg", "day/a.jpg"),
        ("night/../day/a.jpg", "day/a.jpg"),
        ("../images/day/a.jpg", "day/a.jpg"),
        # Windows
        ("day\\a.jpg", "day/a.jpg"),
        (".\\day\\a.jpg", "day/a.jpg"),
        ("images\\day\\a.jpg", "day/a.jpg"),
        ("C:\\Users\\Ann\\day\\a.jpg", "day/a.jpg"),
        ("d:/images/a.jpg", "a.jpg"),
        ("\\\\server\\share\\day\\a.jpg", "day/a.jpg"),
        # Percent-encoded
        ("my%20photo.jpg", "my photo.jpg"),
        ("day%2Fa.jpg", "day/a.jpg"),
        ("day%5Ca.jpg", "day/a.jpg"),
        ("Stra%C3%9Fe.jpg", "Straße.jpg"),
        ("100%.jpg", "100%.jpg"),
        # Both forms of accents
        (normalize("NFD", "Fée/é.jpg"), normalize("NFC", "Fée/é.jpg")),
        (normalize("NFC", "Fée/é.jpg"), normalize("NFD", "Fée/é.jpg")),
        (normalize("NFC", "é") + normalize("NFD", "é.jpg"), normalize("NFC", "éé.jpg")),
        # With the image folder's own path in front
        ("images/a.jpg", "a.jpg"),
        ("coco/images/day/a.jpg", "day/a.jpg"),
        # Absolute, of another machine
        ("/data/day/a.jpg", "day/a.jpg"),
        ("/mnt/sets/images/a.jpg", "a.jpg"),
        ("/images/train/images/a.jpg", "train/images/a.jpg"),
        ("/a/b/c/d/e/f/g/h/i/day/a.jpg", "day/a.jpg"),
        ("/x/1/2/3/a.jpg", "1/2/3/a.jpg"),
        # URLs
        ("https://host:8000/day/a.jpg?size=1#x", "day/a.jpg"),
        ("file:///home/ann/images/a.jpg", "a.jpg"),
        ("s3://bucket/day/a.jpg", "day/a.jpg"),
        ("https://host/my%20day/a.jpg", "my day/a.jpg"),
    ],
)
def test_name_is_found_as_what_it_means(folder: Folder, said: str, there: str) -> None:
    put(folder.path / there)
    assert folder.found({"file_name": said}) == there


@pytest.mark.parametrize(
    ("said", "other"),
    [
        ("day\\a.jpg", "day/a.jpg"),
        ("my%20photo.jpg", "my photo.jpg"),
        (normalize("NFD", "é.jpg"), normalize("NFC", "é.jpg")),
        ("images/a.jpg", "a.jpg"),
        ("C:\\day\\a.jpg", "day/a.jpg"),
        ("..\\images\\a.jpg", "a.jpg"),
    ],
)
def test_exact_name_goes_first(folder: Folder, said: str, other: str) -> None:
    put(folder.path / other)
    put(folder.path / said)
    assert folder.found({"file_name": said}) == said


def test_absolute_path_into_the_folder_goes_before_what_its_end_means(folder: Folder) -> None:
    put(folder.path / "images" / "a.jpg")
    put(folder.path / "a.jpg")
    assert folder.found({"file_name": str(folder.path / "a.jpg")}) == "a.jpg"


def test_absolute_path_into_the_folder_is_found_through_a_link_to_the_folder(folder: Folder, tmp_path: Path) -> None:
    put(folder.path / "day" / "a.jpg")
    link = tmp_path / "link"
    link.symlink_to(folder.path)
    for place in (link, folder.path):
        for path in (link, folder.path):
            linked = PictureFolder(place, identify=lambda file, name: "any")
            assert linked.use({"file_name": str(path / "day" / "a.jpg")}, lambda picture: picture.name) == "day/a.jpg"


@pytest.mark.parametrize(
    "said",
    [
        "/data/a.jpg",
        "/a.jpg",
        "C:\\a.jpg",
        "https://images/a.jpg",
        "other/a.jpg",
        "train/images/a.jpg",
        "/data/day/images2/a.jpg",
        "A.JPG",
        "a",
    ],
)
def test_name_that_is_alike_is_not_enough(folder: Folder, said: str) -> None:
    put(folder.path / "a.jpg")
    with pytest.raises(UnknownId):
        folder.found({"file_name": said})


@pytest.mark.parametrize(
    "image",
    [
        {"coco_url": COCO},
        {"file_name": None, "coco_url": COCO},
        {"file_name": 7, "coco_url": COCO},
        {"file_name": "missing.jpg", "coco_url": COCO},
        {"file_name": "", "coco_url": COCO, "flickr_url": 7},
    ],
)
@pytest.mark.parametrize("there", ["000000397133.jpg", "val2017/000000397133.jpg"])
def test_picture_is_found_by_the_last_part_of_a_url(folder: Folder, image: dict[str, Any], there: str) -> None:
    put(folder.path / there)
    assert folder.found(image) == there


@pytest.mark.parametrize("image", [{}, {"coco_url": 7}, {"coco_url": ""}, {"file_name": "a.jpg", "coco_url": COCO}])
def test_picture_is_found_by_the_last_part_of_flickr_s_url_too(folder: Folder, image: dict[str, Any]) -> None:
    put(folder.path / "6255196340_da26cf2c9e_z.jpg")
    assert folder.found({**image, "flickr_url": FLICKR}) == "6255196340_da26cf2c9e_z.jpg"


def test_file_name_goes_before_urls_and_coco_s_before_flickr_s(folder: Folder) -> None:
    image = {"file_name": "a\\a.jpg", "coco_url": COCO, "flickr_url": FLICKR}
    for there in ("6255196340_da26cf2c9e_z.jpg", "000000397133.jpg", "a/a.jpg"):
        put(folder.path / there)
        assert folder.found(image) == there


def test_what_is_missing_is_told_by_the_names_and_the_folder_it_was_looked_for_in(folder: Folder) -> None:
    with pytest.raises(UnknownId, match=f"^there is no picture 'a.jpg' in the image folder {folder.path}$"):
        folder.found({"file_name": "a.jpg"})
    with pytest.raises(UnknownId, match=f"{folder.path}; nor is 'day/a.jpg' there$"):
        folder.found({"file_name": "day\\a.jpg"})
    with pytest.raises(UnknownId, match=r"'val2017/000000397133.jpg' or '000000397133.jpg' there$"):
        folder.found({"coco_url": COCO})


ESCAPES = [
    "../secret.jpg",
    "..\\secret.jpg",
    "..\\..\\secret.jpg",
    "day\\..\\..\\secret.jpg",
    "%2e%2e/secret.jpg",
    "%2E%2E%2Fsecret.jpg",
    "..%5c..%5csecret.jpg",
    "day/%2e%2e/%2e%2e/secret.jpg",
    "/elsewhere/secret.jpg",
    "\\elsewhere\\secret.jpg",
    "ABSOLUTE/secret.jpg",
    "ABSOLUTE/coco/images/../secret.jpg",
    "ABSOLUTE/coco/images/../../secret.jpg",
    "ABSOLUTE/coco/images",
    "/data/images/../secret.jpg",
]


@pytest.mark.parametrize("follow_links", [False, True])
@pytest.mark.parametrize("said", ESCAPES)
def test_name_that_leads_out_is_not_found_and_says_so(
    folder: Folder, tmp_path: Path, said: str, follow_links: bool
) -> None:
    (folder.path / "day").mkdir(parents=True)
    pictures = PictureFolder(folder.path, follow_links=follow_links, identify=lambda file, name: "any")
    with pytest.raises(UnknownId, match="leads out of the image folder"):
        pictures.use({"file_name": said.replace("ABSOLUTE", str(tmp_path))}, lambda picture: picture.name)


@pytest.mark.parametrize(
    "url",
    [
        "http://host/..",
        "http://host/../secret.jpg",
        "http://host/%2e%2e/secret.jpg",
        "http://host/..%2fsecret.jpg",
        "http://host/..%5csecret.jpg",
        "../secret.jpg",
        "..",
        "\0",
    ],
)
def test_url_leads_nowhere_else_either(folder: Folder, url: str) -> None:
    folder.path.mkdir()
    with pytest.raises(UnknownId):
        folder.found({"coco_url": url})


@pytest.mark.parametrize(
    "said", ["out\\secret.jpg", "out%2Fsecret.jpg", "/data/out/secret.jpg", "images/out/secret.jpg"]
)
def test_link_that_leads_out_is_not_followed_by_another_name_either(folder: Folder, tmp_path: Path, said: str) -> None:
    folder.path.mkdir()
    (folder.path / "out").symlink_to(tmp_path / "elsewhere")
    with pytest.raises(UnknownId, match="leads out of the image folder"):
        folder.found({"file_name": said})
    followed = PictureFolder(folder.path, follow_links=True, identify=lambda file, name: "any")
    assert followed.use({"file_name": said}, lambda picture: picture.name) == "out/secret.jpg"


def test_name_that_is_too_long_as_it_is_may_be_found_decoded(folder: Folder) -> None:
    put(folder.path / ("日" * 60 + ".jpg"))
    assert folder.found({"file_name": "%E6%97%A5" * 60 + ".jpg"}) == "日" * 60 + ".jpg"


def test_exact_and_other_names_are_counted_apart(folder: Folder) -> None:
    put(folder.path / "day" / "a.jpg")
    images = [{"file_name": name} for name in ("day/a.jpg", "day\\a.jpg", "/data/day/a.jpg", "b.jpg")] + [{}]
    counts = [folder.pictures.count(images, reading) for reading in (Reading.EXACT, Reading.OTHER, Reading.ANY)]
    assert counts == [1, 2, 3]


PIECES = ["/", "\\", "..", ".", "%2e", "%2f", "%5c", ":", "C", "images", "http://", "s3://b", "é", "\0"]
TEXT = st.lists(st.sampled_from(PIECES)).map("".join)


@given(
    TEXT | st.text(), st.none() | TEXT, st.sampled_from([["/srv/coco/images"], ["/"], ["/b"], ["/a/b", "/c/images"]])
)
def test_no_reading_leads_out_and_there_are_few(file_name: str, url: str | None, places: list[str]) -> None:
    names = read({"file_name": file_name, "coco_url": url}, places).names(Reading.ANY)
    assert len(names) == len(set(names)) <= 17
    for name in names:
        assert "\0" not in name
        assert not {"..", ".", ""} & set(name.split("/"))


def test_very_long_name_is_read_as_it_is_only() -> None:
    for text in ("..%2f" * 1_000_000, "a\\" * 3000 + "b", "%20" * 2000, "e\u0301" * 2100):
        readings = read({"file_name": text, "coco_url": text}, ["/srv/images"])
        assert readings.names(Reading.ANY) == [text]
