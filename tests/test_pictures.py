"""Which folder the pictures are looked for in, and what the log says of it."""

from __future__ import annotations

import logging
from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import Any

import pytest
from api_client import Serve
from PIL import Image

from cocoannot.pictures.choose import Pictures, choose, folders
from cocoannot.pictures.folder import PictureFolder
from cocoannot.settings import Settings


def place(folder: Path, *names: str) -> Path:
    for name in names:
        path = folder / name
        path.parent.mkdir(parents=True, exist_ok=True)
        Image.new("RGB", (4, 4)).save(path, "PNG")
    return folder


@pytest.fixture
def dataset(tmp_path: Path) -> Path:
    """Where a dataset would be: `data/annotations/instances.json`."""
    folder = tmp_path / "data" / "annotations"
    folder.mkdir(parents=True)
    return folder / "instances.json"


def images(names: Iterable[str]) -> list[dict[str, Any]]:
    return [{"file_name": name} for name in names]


def chosen(dataset: Path, names: Iterable[str]) -> Path:
    """The folder of the dataset's pictures, with nothing set."""
    places = folders(Settings.read(environ={}), dataset)
    return (choose(places, images(names), lambda: None) or places[0]).folder


def start(dataset: Path, names: Sequence[str], **settings: Any) -> Pictures:
    """The pictures of a dataset, as when its server starts."""
    pictures = Pictures(Settings.read({"COCOANNOT_CACHE": dataset.parent / "cache", **settings}, {}))
    pictures.start(dataset, lambda count: images(names[:count]), lambda: None)
    return pictures


@pytest.mark.parametrize(
    "where",
    [
        *(".", "..", "images", "train2017", "val2017", "test2017", "train2014", "val2014", "JPEGImages"),
        *("../images", "../train2017", "../val2017"),
    ],
)
def test_folder_with_the_pictures_is_found_near_the_dataset(dataset: Path, where: str) -> None:
    folder = place(dataset.parent / where, "a.png")
    assert chosen(dataset, ["a.png"]).samefile(folder)


def test_file_names_with_a_folder_in_front_are_found(dataset: Path) -> None:
    place(dataset.parent.parent, "images/day/a.png")
    assert chosen(dataset, ["images/day/a.png"]) == dataset.parent.parent
    assert chosen(dataset, ["day/a.png"]) == dataset.parent.parent / "images"


def test_nearer_folder_goes_first(dataset: Path) -> None:
    place(dataset.parent / "images", "a.png")
    place(dataset.parent.parent / "images", "a.png")
    assert chosen(dataset, ["a.png"]) == dataset.parent / "images"


def test_folder_is_found_where_the_first_pictures_are_missing(dataset: Path) -> None:
    folder = place(dataset.parent / "images", "51.png")
    assert chosen(dataset, [f"{n}.png" for n in range(52)]) == folder


@pytest.mark.parametrize("names", [[], ["missing.png"]])
def test_dataset_s_own_folder_is_taken_where_no_picture_is_found(dataset: Path, names: list[str]) -> None:
    assert chosen(dataset, names) == dataset.parent


def test_file_names_that_lead_out_choose_no_folder(dataset: Path) -> None:
    place(dataset.parent, "a.png")
    (dataset.parent / "images").mkdir()
    assert chosen(dataset, ["../annotations/a.png", "\0", "x" * 300]) == dataset.parent


def test_log_tells_how_many_pictures_were_found_where(dataset: Path, caplog: pytest.LogCaptureFixture) -> None:
    folder = place(dataset.parent / "images", *(f"{n}.png" for n in range(97)))
    with caplog.at_level(logging.INFO):
        start(dataset, [f"{n}.png" for n in range(5000)])
    assert caplog.messages == [f"97 of 100 pictures found under {folder}"]


def test_small_dataset_s_pictures_are_all_looked_for(dataset: Path, caplog: pytest.LogCaptureFixture) -> None:
    place(dataset.parent, "a.png")
    with caplog.at_level(logging.INFO):
        start(dataset, ["a.png", "b.png"])
    assert caplog.messages == [f"1 of 2 pictures found under {dataset.parent}"]


def test_link_that_leads_out_counts_only_where_links_are_followed(tmp_path: Path) -> None:
    place(tmp_path / "outside", "a.png")
    folder = tmp_path / "images"
    folder.mkdir()
    (folder / "a.png").symlink_to(tmp_path / "outside" / "a.png")
    assert PictureFolder(folder).count(images(["a.png"])) == 0
    assert PictureFolder(folder, follow_links=True).count(images(["a.png"])) == 1


def test_setting_goes_before_what_is_near(
    serve: Serve, small: dict[str, Any], tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    place(tmp_path / "images", "one.jpg")
    elsewhere = place(tmp_path / "else where", "two.jpg")
    api = serve(small, COCOANNOT_IMAGES=str(elsewhere))
    with caplog.at_level(logging.INFO):
        assert api.get("/api/images/2/file").mimetype == "image/png"
    assert api.get("/api/images/1/file").status_code == 404
    assert f"1 of 3 pictures found under {elsewhere}" in caplog.messages


def test_pictures_are_found_without_a_setting(serve: Serve, small: dict[str, Any], tmp_path: Path) -> None:
    place(tmp_path / "train2017", "one.jpg")
    assert serve(small).get("/api/images/1/file").status_code == 200


def test_image_folder_that_is_not_there_stops_the_start(serve: Serve, small: dict[str, Any], tmp_path: Path) -> None:
    answer = serve(small, COCOANNOT_IMAGES=tmp_path / "nope").get("/readyz")
    assert answer.status_code == 503
    assert "COCOANNOT_IMAGES" in answer.json["message"]
