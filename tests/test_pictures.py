"""Which folder the pictures are looked for in, and what the log says of it."""

from __future__ import annotations

import json
import logging
from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import Any

import pytest
import servers
from api_client import Serve, Server
from PIL import Image

from cocoannot.errors import NotLoaded, UnknownId
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
        *(
            "../images",
            "../train2017",
            "../val2017",
            "../Images",
            "../img",
            "../train",
            "../val",
            "../valid",
            "../test",
        ),
        *("../images/default", "../images/train", "../images/val", "images/test", "images/train2017"),
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


@pytest.mark.parametrize(
    ("name", "where"),
    [
        ("instances_val.json", "val"),
        ("instances_val2017.json", "val2017"),
        ("instances_default.json", "images/default"),
        ("person-keypoints.test.json", "images/test"),
        ("train.json", "images/train"),
    ],
)
def test_folder_that_the_dataset_is_named_after_goes_first(dataset: Path, name: str, where: str) -> None:
    for other in ("images", "train2017", "train", "images/train2017", where):
        place(dataset.parent.parent / other, "1.png")
    if where == "images/train":
        (dataset.parent.parent / "train" / "1.png").unlink()
    assert chosen(dataset.with_name(name), ["1.png"]) == dataset.parent.parent / where


def test_folder_with_the_exact_names_goes_before_nearer_ones_with_others(dataset: Path) -> None:
    place(dataset.parent, "day/a.png")
    folder = place(dataset.parent.parent / "images", "day\\a.png")
    assert chosen(dataset, ["day\\a.png"]) == folder


@pytest.mark.parametrize(
    ("said", "there", "where"),
    [
        ("images\\day\\a.png", "images/day/a.png", ".."),
        ("day\\a.png", "images/day/a.png", "../images"),
        ("/home/ann/coco/train2017/a.png", "train2017/a.png", ".."),
        ("my%20photo.png", "img/my photo.png", "../img"),
        ("file:///c:/data/default/a.png", "images/default/a.png", "../images"),
    ],
)
def test_folder_is_found_by_what_the_names_mean(dataset: Path, said: str, there: str, where: str) -> None:
    place(dataset.parent.parent, there)
    assert chosen(dataset, ["none.png", said]).samefile(dataset.parent / where)


def test_folder_is_found_by_urls_where_there_are_no_file_names(dataset: Path) -> None:
    place(dataset.parent.parent, "train2017/000000391895.png")
    image = {"id": 391895, "coco_url": "http://images.cocodataset.org/train2017/000000391895.png"}
    places = folders(Settings.read(environ={}), dataset)
    source = choose(places, [image], lambda: None)
    assert source is not None
    assert source.folder == dataset.parent.parent


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


def get(server: Server, image_id: int) -> int:
    return server.get(f"/api/images/{image_id}/file").status_code


def test_empty_dataset_looks_for_its_folder_when_images_come(
    serve: Serve, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    place(tmp_path / "images", "2.png", "3.png")
    api = serve({"images": []})
    with caplog.at_level(logging.INFO, "cocoannot.pictures"):
        assert api.get("/readyz").status_code == 200
        for name in ("1.png", "2.png"):
            api.post("/api/images", {"file_name": name, "width": 4, "height": 4})
            api.get("/api/images/1/file")
        assert [get(api, 1), get(api, 2)] == [404, 200]
        # It stays where a picture was found.
        place(tmp_path, "1.png")
        api.post("/api/images", {"file_name": "3.png", "width": 4, "height": 4})
        assert [get(api, 1), get(api, 3)] == [404, 200]
    assert [message for message in caplog.messages if "pictures found" in message] == [
        f"0 of 0 pictures found under {tmp_path}",
        f"0 of 1 pictures found under {tmp_path}",
        f"1 of 2 pictures found under {tmp_path / 'images'}",
    ]


def test_place_is_chosen_again_only_while_there_are_few_images(tmp_path: Path) -> None:
    asked: list[int] = []
    names = [f"{n}.png" for n in range(98)]

    def first_images(count: int) -> list[dict[str, Any]]:
        asked.append(count)
        return images(names[:count])

    pictures = Pictures(Settings.read({"COCOANNOT_CACHE": tmp_path / "cache"}, {}))
    pictures.start(tmp_path / "dataset.json", first_images, lambda: None)

    def size(name: str) -> int:
        return pictures.use({"file_name": name}, lambda picture: picture.size)

    for _ in range(5):
        names.append(f"{len(names)}.png")
        with pytest.raises(UnknownId, match=f"in the image folder {tmp_path}$"):
            size("0.png")
    assert asked == [100] * 3
    # Now it is too late.
    place(tmp_path / "images", "0.png")
    with pytest.raises(UnknownId):
        size("0.png")


def test_pictures_are_not_there_before_the_start(tmp_path: Path) -> None:
    pictures = Pictures(Settings.read({"COCOANNOT_CACHE": tmp_path}, {}))
    with pytest.raises(NotLoaded):
        pictures.thumbnail({"file_name": "a.png"}, 100)


def test_check_tells_which_pictures_programs_that_train_do_not_find(tmp_path: Path) -> None:
    place(tmp_path, "images/default/my photo.png", "images/default/b.png")
    names = ["default\\b.png", "/data/default/b.png", "default/my%20photo.png", "images/default/none.png", "..\\b.png"]
    records = [{"id": i + 1, "file_name": name, "width": 4, "height": 4} for i, name in enumerate(names)]
    dataset = tmp_path / "dataset.json"
    dataset.write_text(json.dumps({"images": records, "annotations": [], "categories": []}))
    status, text = servers.run_flask(dataset, "check", "--json")
    found = {problem["kind"]: problem["count"] for problem in json.loads(text)["problems"]}
    assert (status, found) == (1, {"odd_file_name": 2, "missing_picture": 3})
