"""`flask predictions`: beside a running server and without one; and the evaluation, held against pycocotools itself."""

from __future__ import annotations

import contextlib
import io
import json
import random
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import Any

import pytest
from pycocotools.coco import COCO
from pycocotools.cocoeval import COCOeval
from servers import Server, annotation_ids, run_flask, serve

from cocoannot import create_app

pytestmark = pytest.mark.slow

Command = Callable[..., tuple[int, str]]

LIST = [
    {"image_id": 1, "category_id": 1, "bbox": [10, 10, 10, 10], "score": 0.9},
    {"image_id": 1, "category_id": 1, "bbox": [300, 200, 40, 30], "score": 0.6},
    {"image_id": 2, "category_id": 2, "bbox": [50, 50, 20, 20], "score": 0.2},
]


@pytest.fixture
def dataset(dataset_path: Path, small: dict[str, Any]) -> Path:
    dataset_path.write_text(json.dumps(small))
    return dataset_path


@pytest.fixture
def results(tmp_path: Path) -> Path:
    path = tmp_path / "results.json"
    path.write_text(json.dumps(LIST))
    return path


@pytest.fixture
def command(dataset: Path) -> Command:
    """Runs a command of the application in this process; returns its exit status and what it printed."""

    def run(*args: object, path: Path = dataset) -> tuple[int, str]:
        runner = create_app({"COCOANNOT_DATASET": path}).test_cli_runner()
        result = runner.invoke(args=["predictions", *map(str, args)])
        assert result.exception is None or isinstance(result.exception, SystemExit), result.exception
        return result.exit_code, result.stdout if result.exit_code == 0 else result.output

    return run


@pytest.fixture(params=["with a server", "without one"])
def beside(request: pytest.FixtureRequest, dataset: Path) -> Iterator[Server | None]:
    """A server that runs on the dataset, or none."""
    if request.param == "without one":
        yield None
        return
    with serve(dataset) as server:
        yield server


def test_layer_is_added_listed_accepted_and_removed(
    beside: Server | None, command: Command, dataset: Path, results: Path
) -> None:
    line = "yolo: 3 prediction(s) on 2 image(s), scores 0.2 to 0.9; "
    assert command("add", "yolo", results) == (0, f"Added {line}3 open\n")
    assert command("list") == (0, f"{line}3 open\n")
    accepted = command("accept", "yolo", "--min-score", "0.5")
    assert accepted == (0, "Accepted 1 prediction(s) of yolo, left out 1\n")
    assert command("list") == (0, f"{line}2 open, 1 accepted\n")
    assert command("remove", "yolo") == (0, "Removed yolo\n")
    assert command("list") == (0, "There are no predictions\n")
    if beside:
        beside.request("POST", "/api/flush")
    assert annotation_ids(dataset) == [1, 2, 7, 8]


def test_answers_are_json_on_request(beside: Server | None, command: Command, results: Path) -> None:
    added = json.loads(command("add", "yolo", results, "--json")[1])
    assert (added["name"], added["predictions"], added["open"]) == ("yolo", 3, 3)
    assert json.loads(command("list", "--json")[1]) == [added]
    accept = ["accept", "yolo", "--min-score", "0.1", "--image", "2", "--json"]
    assert json.loads(command(*accept)[1]) == {"accepted": 1, "left_out": 0}
    assert json.loads(command("remove", "yolo", "--json")[1]) == {"removed": "yolo"}


def test_what_is_wrong_with_a_file_is_told_in_one_line_and_nothing_is_imported(
    beside: Server | None, command: Command, tmp_path: Path
) -> None:
    path = tmp_path / "wrong.json"
    for text, words in (
        (json.dumps([LIST[0], {**LIST[1], "score": None}]), "prediction 1: score: is missing"),
        (json.dumps([{**LIST[0], "image_id": 99}]), "1 of 1 predictions are of 1 image(s) that do not exist"),
        ("[{", "not JSON"),
        ("", "empty"),
    ):
        path.write_text(text)
        status, output = command("add", "yolo", path)
        assert status == 1
        assert words in output
        assert len(output.splitlines()) == 1
    assert command("list") == (0, "There are no predictions\n")


@pytest.mark.parametrize("name", ["../x", "a/b", ".x", "%2e"])
def test_name_that_is_not_safe_is_refused(
    beside: Server | None, command: Command, results: Path, dataset: Path, name: str
) -> None:
    assert command("add", name, results)[0] == 1
    assert command("evaluate", name)[0] == 1
    assert command("remove", name)[0] == 1
    assert not list(dataset.parent.glob("x*"))


def test_layer_or_file_or_dataset_that_is_not_there_is_told(command: Command, tmp_path: Path, results: Path) -> None:
    for args in (["remove", "yolo"], ["accept", "yolo", "--min-score", "0"], ["evaluate", "yolo"]):
        status, output = command(*args)
        assert status == 1
        assert "there is no layer of predictions named 'yolo'" in output
    assert "does not exist" in command("add", "yolo", tmp_path / "nowhere.json")[1]
    assert "does not exist" in command("add", "yolo", results, path=tmp_path / "nothing.json")[1]


# Evaluation


def a_dataset(seed: int, *, masks: bool = False) -> tuple[dict[str, Any], list[dict[str, Any]]]:
    """A dataset of boxes, or masks, and what a middling model says of it."""
    rng = random.Random(seed)
    images = [{"id": number, "file_name": f"{number}.jpg", "width": 200, "height": 150} for number in range(1, 16)]
    annotations: list[dict[str, Any]] = []
    predictions: list[dict[str, Any]] = []
    for image in images:
        for _ in range(rng.randrange(6)):
            box = [rng.randrange(100), rng.randrange(80), rng.randrange(10, 90), rng.randrange(10, 60)]
            category = rng.choice([1, 2, 5])
            head = {"image_id": image["id"], "category_id": category}
            crowd = int(rng.random() < 0.1)
            annotations.append(
                {"id": len(annotations) + 1, **head, "bbox": box, "area": box[2] * box[3], "iscrowd": crowd}
            )
            annotations[-1]["segmentation"] = [corners(box)]
            for _ in range(rng.randrange(3)):
                near = [side + rng.uniform(-4, 4) for side in box]
                shape = {"segmentation": [corners(near)]} if masks else {"bbox": near}
                other = {**head, "category_id": rng.choice([category, category, 2])}
                predictions.append({**other, **shape, "score": round(rng.random(), 4)})
    categories = [{"id": number, "name": f"kind {number}"} for number in (1, 2, 5, 9)]
    for each in annotations:
        if each["iscrowd"]:
            each["segmentation"] = {"size": [150, 200], "counts": [10, 5000, 24990]}
    return {"info": {}, "images": images, "annotations": annotations, "categories": categories}, predictions


def corners(box: Sequence[float]) -> list[float]:
    left, top, width, height = (max(0, side) for side in box)
    return [left, top, left + width, top, left + width, top + height, left, top + height]


def theirs(dataset: Path, predictions: list[dict[str, Any]], iou: str) -> COCOeval:
    with contextlib.redirect_stdout(io.StringIO()):
        truth = COCO(str(dataset))
        if iou == "segm":
            size = truth.imgs[1]["height"], truth.imgs[1]["width"]
            from pycocotools import mask

            predictions = [
                {**each, "segmentation": mask.merge(mask.frPyObjects(each["segmentation"], *size))}
                for each in predictions
            ]
        run = COCOeval(truth, truth.loadRes(predictions), iou)
        run.evaluate()
        run.accumulate()
        run.summarize()
    return run


@pytest.mark.parametrize("iou", ["bbox", "segm"])
def test_evaluation_is_pycocotools_own(beside: Server | None, command: Command, tmp_path: Path, iou: str) -> None:
    content, predictions = a_dataset(7, masks=iou == "segm")
    path, results = tmp_path / "evaluated.json", tmp_path / "results.json"
    path.write_text(json.dumps(content))
    results.write_text(json.dumps(predictions))
    assert command("add", "model", results, path=path)[0] == 0
    status, output = command("evaluate", "model", "--json", path=path)
    assert status == 0, output
    answer = json.loads(output)
    run = theirs(path, predictions, iou)
    assert answer["stats"] == [None if value == -1 else value for value in run.stats.tolist()]
    assert [answer[name] for name in ("ap", "ap50", "ap75")] == run.stats.tolist()[:3]
    assert 0.05 < answer["ap"] < 0.95
    assert (answer["iou"], answer["predictions"], answer["left_out"]) == (iou, len(predictions), 0)
    assert answer["evaluator"].startswith("pycocotools ")
    for place, each in enumerate(answer["categories"]):
        precision = run.eval["precision"][:, :, place, 0, -1]
        known = precision[precision > -1]
        assert each["ap"] == (float(known.mean()) if known.size else None)
    assert [each["ap"] is None for each in answer["categories"]] == [False, False, False, True]


def test_accepting_what_is_right_makes_the_evaluation_better(command: Command, results: Path) -> None:
    command("add", "yolo", results)
    before = json.loads(command("evaluate", "yolo", "--json")[1])
    command("accept", "yolo", "--min-score", "0.5")
    after = json.loads(command("evaluate", "yolo", "--json")[1])
    assert after["ap"] > before["ap"]


def test_evaluation_is_told_as_a_table(command: Command, results: Path) -> None:
    command("add", "yolo", results)
    head, titles, total, cat, dog, person = command("evaluate", "yolo")[1].splitlines()
    assert head.startswith("yolo: 3 predictions; bbox, pycocotools ")
    assert titles.split() == ["category", "AP", "AP50", "AP75", "annotations"]
    assert total.split()[0] == "all"
    assert cat.split() == ["cat", "0.505", "0.505", "0.505", "2"]
    assert dog.split() == ["dog", "0.000", "0.000", "0.000", "1"]
    assert person.split() == ["person", "-", "-", "-", "0"]


@pytest.mark.parametrize(
    ("content", "options", "words"),
    [
        ([], [], "has no predictions"),
        (LIST, ["--iou", "segm"], "without a segmentation"),
        (LIST, ["--iou", "keypoints"], "have no keypoints"),
        (
            [LIST[0], {"image_id": 1, "category_id": 1, "segmentation": [[0, 0, 9, 0, 9, 9]], "score": 1}],
            [],
            "the layer has bbox and segm; say by --iou",
        ),
    ],
)
def test_what_can_t_be_evaluated_is_told(
    command: Command, results: Path, content: object, options: list[str], words: str
) -> None:
    results.write_text(json.dumps(content))
    command("add", "yolo", results)
    status, output = command("evaluate", "yolo", *options)
    assert status == 1
    assert words in output


def test_without_pycocotools_it_is_told_how_to_install_it(dataset: Path, results: Path, tmp_path: Path) -> None:
    missing = tmp_path / "without"
    for name in ("pycocotools", "faster_coco_eval"):
        (missing / name).mkdir(parents=True)
        (missing / name / "__init__.py").write_text("raise ImportError")
    env = {"PYTHONPATH": str(missing)}
    assert run_flask(dataset, "predictions", "add", "yolo", str(results))[0] == 0
    status, output = run_flask(dataset, "predictions", "evaluate", "yolo", env=env)
    assert status == 1
    assert "pip install 'cocoannot[evaluate]'" in output
