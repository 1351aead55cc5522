"""The demo dataset is what it says that it is; pycocotools and the drawn pixels are the judges."""

from __future__ import annotations

import json
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import pytest
from PIL import Image
from pycocotools import mask as masks
from pycocotools.coco import COCO
from servers import run_flask

from cocoannot import demo

Pixels = npt.NDArray[np.float64]
Made = tuple[Path, subprocess.CompletedProcess[str]]

ROOT = Path(__file__).parents[1]

# pycocotools 2.0.11 has not followed NumPy 2's change of `__array__`.
pytestmark = [
    pytest.mark.slow,
    pytest.mark.filterwarnings("ignore:__array__ implementation:DeprecationWarning"),
]


def run_demo(*arguments: str | Path) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, "-W", "error", "-m", "cocoannot.demo", *map(str, arguments)]
    return subprocess.run(command, cwd=ROOT, capture_output=True, text=True, timeout=120)


def files_in(folder: Path) -> dict[Path, bytes]:
    return {path: path.read_bytes() for path in folder.rglob("*") if path.is_file()}


@pytest.fixture(scope="module")
def made(tmp_path_factory: pytest.TempPathFactory) -> Made:
    folder = tmp_path_factory.mktemp("demo") / "new" / "folder"
    return folder, run_demo(folder)


@pytest.fixture(scope="module")
def folder(made: Made) -> Path:
    return made[0]


@pytest.fixture(scope="module")
def coco(folder: Path) -> COCO:
    return COCO(str(folder / "annotations.json"))


def parts_of(annotation: dict[str, Any]) -> list[Pixels]:
    return [np.array(part).reshape(-1, 2) for part in annotation["segmentation"]]


def polygons_in(coco: COCO) -> list[dict[str, Any]]:
    return [a for a in coco.anns.values() if isinstance(a["segmentation"], list) and a["segmentation"]]


def crowds_in(coco: COCO) -> list[dict[str, Any]]:
    return [a for a in coco.anns.values() if a["iscrowd"]]


def test_run_prints_one_line_with_the_counts(made: Made, coco: COCO) -> None:
    folder, run = made
    counts = f"36 images, {len(coco.anns)} annotations, {len(coco.cats)} categories"
    assert (run.returncode, run.stderr) == (0, "")
    assert run.stdout == f"made {folder / 'annotations.json'}: {counts}\n"


def test_folder_holds_the_json_and_the_pictures_and_nothing_else(folder: Path, coco: COCO) -> None:
    pictures = {Path("images", image["file_name"]) for image in coco.imgs.values()}
    assert {path.relative_to(folder) for path in files_in(folder)} == {Path("annotations.json"), *pictures}


def test_every_picture_has_the_recorded_size(folder: Path, coco: COCO) -> None:
    for image in coco.imgs.values():
        with Image.open(folder / "images" / image["file_name"]) as picture:
            picture.load()
            assert picture.size == (image["width"], image["height"])
            assert picture.format == {".jpg": "JPEG", ".png": "PNG"}[Path(image["file_name"]).suffix]


def test_each_record_has_a_line_of_its_own(folder: Path) -> None:
    text = (folder / "annotations.json").read_text()
    lines = [line.removesuffix(",") for line in text.splitlines()]
    for key in ("licenses", "images", "annotations", "categories"):
        start = lines.index(f'"{key}": [') + 1
        records = json.loads(text)[key]
        assert [json.loads(line) for line in lines[start : start + len(records)]] == records


def test_references_lead_somewhere_and_every_category_is_used(coco: COCO) -> None:
    assert {a["image_id"] for a in coco.anns.values()} < set(coco.imgs)
    assert {a["category_id"] for a in coco.anns.values()} == set(coco.cats)
    assert {image["license"] for image in coco.imgs.values()} == {r["id"] for r in coco.dataset["licenses"]}


def test_some_pictures_are_left_to_annotate(coco: COCO) -> None:
    assert sum(not coco.imgToAnns[image] for image in coco.imgs) == 3


def test_pycocotools_makes_a_mask_of_each_segmentation(coco: COCO) -> None:
    for annotation in polygons_in(coco) + crowds_in(coco):
        image = coco.imgs[annotation["image_id"]]
        mask = coco.annToMask(annotation)
        assert mask.shape == (image["height"], image["width"])
        # A mask of whole pixels differs from the exact area by part of the pixels along the outline.
        assert mask.sum() == pytest.approx(annotation["area"], rel=0.12)


def test_polygon_area_is_the_shoelace_sum_and_bbox_the_extent_of_the_vertices(coco: COCO) -> None:
    assert polygons_in(coco)
    for annotation in polygons_in(coco):
        area = 0.0
        for part in parts_of(annotation):
            following = [*part[1:], part[0]]
            area += abs(sum(x * y2 - x2 * y for (x, y), (x2, y2) in zip(part, following, strict=True))) / 2
        assert annotation["area"] == pytest.approx(area, abs=1e-5)
        vertices = np.vstack(parts_of(annotation))
        extent = [*vertices.min(axis=0), *np.ptp(vertices, axis=0)]
        assert annotation["bbox"] == pytest.approx(extent, abs=1e-9)


def test_an_arrow_has_a_polygon_of_two_parts(coco: COCO) -> None:
    arrow = coco.getCatIds(catNms=["arrow"])
    assert {len(a["segmentation"]) for a in coco.anns.values() if a["category_id"] in arrow} <= {0, 2}


def test_crowd_is_uncompressed_rle_with_the_area_and_bbox_of_its_mask(coco: COCO) -> None:
    assert crowds_in(coco)
    for annotation in crowds_in(coco):
        image = coco.imgs[annotation["image_id"]]
        assert annotation["segmentation"]["size"] == [image["height"], image["width"]]
        assert sum(annotation["segmentation"]["counts"]) == image["height"] * image["width"]
        assert min(annotation["segmentation"]["counts"][1:]) > 0
        assert coco.annToMask(annotation).sum() == annotation["area"]
        assert masks.toBbox(coco.annToRLE(annotation)).tolist() == annotation["bbox"]


def test_box_only_annotations_have_the_area_of_their_box(coco: COCO) -> None:
    boxes = [a for a in coco.anns.values() if a["segmentation"] == []]
    assert 3 <= len(boxes) < len(coco.anns) / 4
    for annotation in boxes:
        width, height = annotation["bbox"][2:]
        assert annotation["area"] == pytest.approx(width * height, abs=1e-4)


def test_keypoints_belong_to_persons_and_lie_in_their_box(coco: COCO) -> None:
    with_keypoints = [a for a in coco.anns.values() if "keypoints" in a]
    assert with_keypoints
    for annotation in coco.anns.values():
        assert ("keypoints" in annotation) == ("keypoints" in coco.cats[annotation["category_id"]])
    for annotation in with_keypoints:
        x, y, visibility = np.array(annotation["keypoints"]).reshape(-1, 3).T
        left, top, width, height = annotation["bbox"]
        assert len(x) == annotation["num_keypoints"] == len(coco.cats[annotation["category_id"]]["keypoints"])
        assert set(visibility) == {2}
        assert (left <= x).all()
        assert (x <= left + width).all()
        assert (top <= y).all()
        assert (y <= top + height).all()


def drawn_parts(folder: Path, coco: COCO) -> Iterator[tuple[dict[str, Any], Pixels, Pixels]]:
    """Yield (annotation, part, pixels) for the pictures without JPEG's noise."""
    for annotation in polygons_in(coco):
        name = coco.imgs[annotation["image_id"]]["file_name"]
        if name.endswith(".png"):
            with Image.open(folder / "images" / name) as picture:
                pixels = np.asarray(picture.convert("RGB"), dtype=float)
            for part in parts_of(annotation):
                yield annotation, part, pixels


def test_each_edge_of_a_polygon_parts_paint_from_background(folder: Path, coco: COCO) -> None:
    checked = 0
    for annotation, part, pixels in drawn_parts(folder, coco):
        following = np.roll(part, -1, axis=0)
        turns_right = np.sum(part[:, 0] * following[:, 1] - following[:, 0] * part[:, 1]) > 0
        edges = (following - part) / np.hypot(*(following - part).T)[:, None]
        outward = np.stack([edges[:, 1], -edges[:, 0]], axis=1) * (1 if turns_right else -1)
        # A point that is 1.5 pixels away from an edge is in a pixel that the edge does not touch.
        inside = ((part + following) / 2 - 1.5 * outward).astype(int)
        outside = ((part + following) / 2 + 1.5 * outward).astype(int)
        paint = pixels[inside[0, 1], inside[0, 0]]
        assert (pixels[inside[:, 1], inside[:, 0]] == paint).all(), annotation
        assert (pixels[outside[:, 1], outside[:, 0]] != paint).any(axis=1).all(), annotation
        checked += len(part)
    assert checked > 200


def test_painted_pixels_have_the_place_and_the_area_of_the_polygon(folder: Path, coco: COCO) -> None:
    simple = coco.getCatIds(catNms=["circle", "triangle", "rectangle"])
    shifts = []
    for annotation, part, pixels in drawn_parts(folder, coco):
        if annotation["category_id"] not in simple:
            continue
        # These shapes have their centre of gravity in the mean of their vertices; no other shape is in their circle.
        centre = part.mean(axis=0)
        paint, background = pixels[tuple(centre.astype(int)[::-1])], pixels[0, 0]
        ys, xs = np.indices(pixels.shape[:2]) + 0.5
        near = np.hypot(xs - centre[0], ys - centre[1]) < np.hypot(*(part[0] - centre)) + 1
        painted = near & (np.abs(pixels - paint).sum(axis=2) < np.abs(background - paint).sum() / 2)
        assert painted.sum() == pytest.approx(annotation["area"], rel=0.02)
        shifts.append([xs[painted].mean() - centre[0], ys[painted].mean() - centre[1]])
    assert len(shifts) > 5
    assert np.abs(shifts).max() < 0.2
    assert np.abs(np.mean(shifts, axis=0)).max() < 0.05


def test_second_run_refuses_and_changes_nothing(folder: Path) -> None:
    before = files_in(folder)
    run = run_demo(folder)
    assert (run.returncode, run.stdout) == (1, "")
    assert run.stderr.startswith(f"cocoannot.demo: {folder / 'annotations.json'} exists already")
    assert files_in(folder) == before


def test_a_dangling_link_is_not_replaced(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (tmp_path / "annotations.json").symlink_to(tmp_path / "elsewhere.json")
    assert demo.main([str(tmp_path)]) == 1
    assert "exists already" in capsys.readouterr().err
    assert [path.name for path in tmp_path.iterdir()] == ["annotations.json"]


def test_two_runs_give_the_same_json(folder: Path, tmp_path: Path) -> None:
    assert demo.main([str(tmp_path)]) == 0
    assert (tmp_path / "annotations.json").read_bytes() == (folder / "annotations.json").read_bytes()


def test_a_run_that_failed_leaves_no_json_and_can_be_repeated(
    folder: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    in_the_way = tmp_path / "images" / "demo_20.png"
    in_the_way.mkdir(parents=True)
    assert demo.main([str(tmp_path)]) == 1
    assert str(in_the_way) in capsys.readouterr().err
    assert [path.name for path in tmp_path.iterdir()] == ["images"]
    in_the_way.rmdir()
    assert demo.main([str(tmp_path)]) == 0
    assert (tmp_path / "annotations.json").read_bytes() == (folder / "annotations.json").read_bytes()


def test_broken_dataset_has_what_check_finds_and_every_other_picture(folder: Path, tmp_path: Path) -> None:
    broken = tmp_path / "broken"
    run = run_demo("--broken", broken)
    assert run.stdout == f"made {broken / 'annotations.json'}: 36 images, 151 annotations, 7 categories\n"
    status, output = run_flask(None, "check", str(broken / "annotations.json"), "--json")
    assert status == 1
    assert {problem["kind"]: problem["count"] for problem in json.loads(output)["problems"]} == {
        "not_finite": 1,
        "bad_id": 1,
        "repeated_id": 1,
        "missing_image": 1,
        "missing_picture": 1,
        "bad_polygons": 1,
        "stale_area": 12,
    }
    whole, left = ({path.name for path in (place / "images").iterdir()} for place in (folder, broken))
    assert whole - left == {"demo_06.jpg"}
    assert left < whole


def test_help_says_what_it_makes() -> None:
    run = run_demo("--help")
    assert run.returncode == 0
    assert "annotations.json" in run.stdout
