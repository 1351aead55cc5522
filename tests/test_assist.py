"""Outlines that the server finds: in a box by GrabCut, at points by a model, of objects that are painted here."""

from __future__ import annotations

import io
import threading
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import pytest
from api_client import Serve, Server
from browser import PICTURE
from painted import CARD, CIRCLE, paint
from PIL import Image, ImageDraw
from pycocotools import mask as reference

from cocoannot.assist.assistant import Assistant
from cocoannot.assist.masks import compressed, tidied
from cocoannot.assist.model import Model, Prompt
from cocoannot.errors import ConfigError, Conflict, TooMany

pytest.importorskip("cv2", reason="OpenCV is not installed")
tiny_model = pytest.importorskip("tiny_model", reason="onnx is not installed")
pytest.importorskip("onnxruntime", reason="onnxruntime is not installed")

# pycocotools 2.0.11 has not followed NumPy 2's change of `__array__`.
pytestmark = pytest.mark.filterwarnings("ignore:__array__ implementation:DeprecationWarning")

Mask = npt.NDArray[np.bool_]

IMAGE = {"id": 1, "file_name": "objects.png", "width": PICTURE[0], "height": PICTURE[1]}
URL = "/api/images/1/outline"
AROUND_CIRCLE = [120, 165, 290, 275]


@pytest.fixture(scope="module")
def files(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with the picture, an encoder and a decoder."""
    folder = tmp_path_factory.mktemp("assist")
    paint(folder / "objects.png")
    tiny_model.write_encoder(folder / "encoder.onnx")
    tiny_model.write_decoder(folder / "decoder.onnx")
    return folder


@pytest.fixture
def api(serve: Serve, files: Path) -> Server:
    """Without a model."""
    return serve({"images": [IMAGE]}, COCOANNOT_IMAGES=files)


@pytest.fixture
def with_model(serve: Serve, files: Path) -> Server:
    both = f"{files / 'encoder.onnx'},{files / 'decoder.onnx'}"
    return serve({"images": [IMAGE]}, COCOANNOT_IMAGES=files, COCOANNOT_ASSIST=both)


def true_mask(draw: str) -> Mask:
    """Of the circle or of the card."""
    picture = Image.new("1", PICTURE)
    x, y, radius = CIRCLE
    if draw == "circle":
        ImageDraw.Draw(picture).ellipse((x - radius, y - radius, x + radius - 1, y + radius - 1), fill=1)
    else:
        ImageDraw.Draw(picture).polygon(CARD, fill=1)
    return np.asarray(picture)


def iou(one: Mask, other: Mask) -> float:
    return float((one & other).sum() / (one | other).sum())


def found(answer: Any) -> Mask:
    """The mask of an answer, as pycocotools reads it."""
    assert answer.status_code == 200, answer.json
    mask: Mask = reference.decode(answer.json["segmentation"]).astype(np.bool_)
    return mask


# The object in a box


@pytest.mark.parametrize(("box", "object_"), [(AROUND_CIRCLE, "circle"), ([470, 110, 320, 390], "card")])
def test_the_object_in_a_box_is_found_to_a_pixel_or_two(api: Server, box: list[float], object_: str) -> None:
    answer = api.post(URL, {"box": box})
    mask, true = found(answer), true_mask(object_)
    # A pixel all around the circle is 1.7 % of it.
    assert iou(mask, true) > 0.97
    rows, columns = np.flatnonzero(true.any(1)), np.flatnonzero(true.any(0))
    expected = [columns[0], rows[0], np.ptp(columns) + 1, np.ptp(rows) + 1]
    assert np.abs(np.array(answer.json["bbox"]) - expected).max() <= 2
    assert answer.json["score"] is None
    # The same box gives the same object.
    assert api.post(URL, {"box": box}).json == answer.json


def test_a_large_object_is_found_too_at_a_smaller_size(serve: Serve, tmp_path: Path) -> None:
    picture = Image.new("RGB", (3000, 2400), (90, 120, 150))
    ImageDraw.Draw(picture).ellipse((400, 300, 2599, 2099), fill=(220, 90, 60))
    # With noise as photographs have it: else the ground is one colour, and all that a JPEG makes of edges stands out.
    noise = np.random.default_rng(2).normal(0, 6, (2400, 3000, 3))
    Image.fromarray(np.clip(np.asarray(picture) + noise, 0, 255).astype(np.uint8)).save(tmp_path / "large.png")
    api = serve(
        {"images": [{"id": 1, "file_name": "large.png", "width": 3000, "height": 2400}]}, COCOANNOT_IMAGES=tmp_path
    )
    x, y, width, height = api.post(URL, {"box": [300, 200, 2400, 2000]}).json["bbox"]
    # It is worked on at a quarter of its size.
    assert np.abs(np.array([x, y, width, height]) - [400, 300, 2200, 1800]).max() <= 8


@pytest.mark.parametrize("box", [[0, 0, *PICTURE], [-50, -50, 2000, 2000], [138, 178, 244, 244]])
def test_boxes_that_are_very_large_or_very_tight_give_something_in_the_picture(api: Server, box: list[float]) -> None:
    answer = api.post(URL, {"box": box})
    x, y, width, height = answer.json["bbox"]
    assert x >= 0
    assert y >= 0
    assert x + width <= PICTURE[0]
    assert y + height <= PICTURE[1]


@pytest.mark.parametrize("box", [[5000, 5000, 10, 10], [100, 100, 0.5, 0.5], [-20, -20, 10, 10]])
def test_a_box_with_nothing_in_it_gives_nothing(api: Server, box: list[float]) -> None:
    assert api.post(URL, {"box": box}).json == {"segmentation": None, "bbox": None, "score": None}


def test_what_is_found_changes_nothing(api: Server) -> None:
    api.post(URL, {"box": AROUND_CIRCLE})
    assert api.revision == 0


# At points


def test_a_click_on_an_object_finds_it(with_model: Server) -> None:
    answer = with_model.post(URL, {"inside": [[CIRCLE[0], CIRCLE[1]]]})
    # The tiny network sees cells of seven pixels.
    assert iou(found(answer), true_mask("circle")) > 0.95
    assert answer.json["score"] == pytest.approx(0.9)
    both = found(with_model.post(URL, {"inside": [[CIRCLE[0], CIRCLE[1]], [630, 300]]}))
    assert iou(both, true_mask("circle") | true_mask("card")) > 0.95


def test_a_point_outside_takes_away_what_is_like_it(with_model: Server) -> None:
    inside = [[CIRCLE[0], CIRCLE[1]], [630, 300]]
    without = found(with_model.post(URL, {"inside": inside, "outside": [[640, 310]]}))
    assert iou(without, true_mask("circle")) > 0.95


def test_the_picture_is_read_once_and_again_when_it_is_another_one(serve: Serve, files: Path, tmp_path: Path) -> None:
    picture = tmp_path / "objects.png"
    picture.write_bytes((files / "objects.png").read_bytes())
    both = f"{files / 'encoder.onnx'},{files / 'decoder.onnx'}"
    api = serve({"images": [IMAGE]}, COCOANNOT_IMAGES=tmp_path, COCOANNOT_ASSIST=both)
    body = {"inside": [[CIRCLE[0], CIRCLE[1]]]}
    assert iou(found(api.post(URL, body)), true_mask("circle")) > 0.95
    Image.new("RGB", PICTURE, "navy").save(picture)
    assert found(api.post(URL, body)).all()


@pytest.mark.parametrize("size", [(300, 900), (900, 300), (40, 30)])
def test_pictures_of_every_shape_are_found_where_they_are(files: Path, size: tuple[int, int]) -> None:
    picture = Image.new("RGB", size, (40, 60, 90))
    left, top = size[0] // 2, size[1] // 3
    box = (left, top, left + size[0] // 4, top + size[1] // 4)
    ImageDraw.Draw(picture).rectangle(box, fill=(230, 120, 60))
    model = Model(files / "encoder.onnx", files / "decoder.onnx")
    mask, _ = model.decode(model.encode(picture), Prompt([(left + size[0] / 8, top + size[1] / 8)], [1]), *size)
    assert mask.shape == (size[1], size[0])
    rows, columns = np.flatnonzero(mask.any(1)), np.flatnonzero(mask.any(0))
    blur = max(size) / tiny_model.SIDE * tiny_model.CELL
    assert abs(columns[0] - box[0]) <= 1 + blur
    assert abs(rows[-1] - box[3]) <= 1 + blur


def test_embeddings_are_kept_within_a_bound(files: Path) -> None:
    def jpeg(name: str) -> Any:
        def give(longest: int | None) -> tuple[bytes, str]:
            data = io.BytesIO()
            Image.new("RGB", (tiny_model.SIDE, tiny_model.SIDE), "navy").save(data, "JPEG")
            return data.getvalue(), name

        return give

    one = 128 * 128 * 3 * 4
    assistant = Assistant((files / "encoder.onnx", files / "decoder.onnx"), 2, most_bytes=10 * one)
    assistant.start()
    size, prompt = (tiny_model.SIDE, tiny_model.SIDE), Prompt([(1.0, 1.0)], [1])
    for name in map(str, range(40)):
        assistant.by_points(jpeg(name), size, prompt)
    assert assistant.kept_bytes == 10 * one


# What can't be done


def test_what_the_server_can_find_is_told(api: Server, with_model: Server) -> None:
    assert with_model.get("/api/assist").json == {"box": True, "points": True}


def test_without_a_model_points_are_refused_with_what_to_do(api: Server) -> None:
    assert api.get("/api/assist").json == {"box": True, "points": False}
    answer = api.post(URL, {"inside": [[1, 2]]})
    assert answer.status_code == 409
    assert "COCOANNOT_ASSIST" in answer.json["message"]


@pytest.mark.parametrize(
    ("body", "field"),
    [
        ({}, "_schema"),
        ({"outside": [[1, 2]]}, "_schema"),
        ({"box": [1, 2, 3]}, "box"),
        ({"box": [1, 2, 0, 4]}, "box"),
        ({"box": [1, 2, "3", 4]}, "box"),
        ({"box": [1, 2, 1e300, 4]}, "box"),
        ({"box": None}, "box"),
        ({"inside": [[1]]}, "inside"),
        ({"inside": [[True, 2]]}, "inside"),
        ({"inside": [[1, 2]] * 101}, "inside"),
        ({"box": [1, 2, 3, 4], "why": 1}, "why"),
    ],
)
def test_a_body_that_does_not_fit_is_refused(api: Server, body: dict[str, Any], field: str) -> None:
    answer = api.post(URL, body)
    assert answer.status_code == 422
    assert field in answer.json["errors"]["json"]


@pytest.mark.parametrize(
    ("record", "status"),
    [
        ({**IMAGE, "file_name": "nothing.png"}, 404),
        ({**IMAGE, "width": 100}, 409),
        ({**IMAGE, "width": PICTURE[1], "height": PICTURE[0]}, 409),
        ({"id": 1, "file_name": "objects.png"}, 409),
    ],
)
def test_a_picture_that_is_missing_or_not_as_recorded_is_refused(
    serve: Serve, files: Path, record: dict[str, Any], status: int
) -> None:
    api = serve({"images": [record]}, COCOANNOT_IMAGES=files)
    assert api.post(URL, {"box": AROUND_CIRCLE}).status_code == status
    assert api.post("/api/images/2/outline", {"box": AROUND_CIRCLE}).status_code == 404


def test_a_damaged_picture_is_refused(serve: Serve, tmp_path: Path, files: Path) -> None:
    (tmp_path / "objects.png").write_bytes((files / "objects.png").read_bytes()[:2000])
    api = serve({"images": [IMAGE]}, COCOANNOT_IMAGES=tmp_path)
    assert api.post(URL, {"box": AROUND_CIRCLE}).status_code == 422


def test_only_so_many_wait_at_a_time(files: Path) -> None:
    assistant = Assistant(None, 1)
    began, go = threading.Event(), threading.Event()
    data = (files / "objects.png").read_bytes()

    def jpeg(_: int | None) -> tuple[bytes, str]:
        began.set()
        assert go.wait(20)
        return data, "key"

    box = (120.0, 165.0, 290.0, 275.0)
    with ThreadPoolExecutor(1) as pool:
        first = pool.submit(assistant.in_box, jpeg, PICTURE, box)
        assert began.wait(20)
        with pytest.raises(TooMany):
            assistant.in_box(lambda _: pytest.fail("it was read"), PICTURE, box)
        go.set()
        assert first.result() is not None
    assert assistant.in_box(lambda _: (data, "key"), PICTURE, box) == first.result()


@pytest.fixture
def broken(tmp_path: Path) -> Path:
    (tmp_path / "broken.onnx").write_bytes(b"not a network")
    tiny_model.write_decoder(tmp_path / "part.onnx", without="has_mask_input")
    return tmp_path


def test_files_that_are_no_such_model_stop_the_start_with_one_line(files: Path, broken: Path) -> None:
    for encoder, decoder, why in (
        (broken / "broken.onnx", files / "decoder.onnx", "broken.onnx can't be loaded"),
        (files / "decoder.onnx", files / "decoder.onnx", "the encoder decoder.onnx must take one input"),
        (files / "encoder.onnx", files / "encoder.onnx", "must take image_embeddings, point_coords"),
        (files / "encoder.onnx", broken / "part.onnx", "must take has_mask_input"),
    ):
        with pytest.raises(ConfigError, match=why) as raised:
            Assistant((encoder, decoder), 2).start()
        assert "\n" not in str(raised.value)


def test_who_has_no_model_is_refused_before_the_picture_is_read() -> None:
    with pytest.raises(Conflict, match="COCOANNOT_ASSIST"):
        Assistant(None, 2).by_points(lambda _: pytest.fail("it was read"), (1, 1), Prompt([(0, 0)], [1]))


# Masks


def test_masks_are_written_as_pycocotools_reads_them() -> None:
    random = np.random.default_rng(5)
    for _ in range(300):
        height, width = random.integers(1, 60, 2)
        mask = random.random((height, width)) < random.choice([0, 0.02, 0.5, 0.98, 1])
        read = reference.decode({"size": [int(height), int(width)], "counts": compressed(mask)})
        assert (read == mask).all()


def test_specks_and_pinholes_go_and_parts_and_holes_stay() -> None:
    mask = np.zeros((100, 120), np.bool_)
    mask[10:60, 10:60] = True
    mask[20:40, 20:40] = False
    mask[70:95, 70:110] = True
    clean = mask.copy()
    mask[50, 50] = False
    mask[5, 100] = True
    assert (tidied(mask) == clean).all()
    assert not tidied(np.zeros((3, 3), np.bool_)).any()
    assert tidied(np.ones((3, 3), np.bool_)).all()
