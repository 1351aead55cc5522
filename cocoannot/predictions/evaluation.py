"""COCO's evaluation of a layer, by pycocotools or faster-coco-eval, in a process of its own:

    python -m cocoannot.predictions.evaluation DATASET PREDICTIONS bbox|segm|keypoints

prints what came of it as one line of JSON. The figures are theirs; here the files are only brought into the form that
they read. They are in C, and trust what they read: a crash of theirs must not be one of a server.
"""

from __future__ import annotations

import json
import subprocess
import sys
from collections.abc import Mapping, Sequence
from contextlib import redirect_stdout
from importlib import import_module
from importlib.metadata import version
from pathlib import Path
from typing import Any

from cocoannot.errors import DatasetError

EVALUATORS = {"pycocotools": "pycocotools", "faster_coco_eval": "faster-coco-eval"}
"""Modules that evaluate as pycocotools does, the first one that is there is taken; and what they are called."""

MISSING = "pycocotools is not installed, which evaluates; install it by `pip install 'cocoannot[evaluate]'`"

_KEYPOINTS = 17
_STATS = ("ap", "ap50", "ap75")
_FAILED = 3


def evaluate(dataset: Path, predictions: Path, iou: str) -> dict[str, Any]:
    """The figures of a file of predictions against a dataset's file. Raises `DatasetError`."""
    command = [sys.executable, "-m", __name__, str(dataset), str(predictions), iou]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    if done.returncode == _FAILED:
        raise DatasetError(done.stderr.strip().splitlines()[-1])
    if done.returncode:
        ended = f"ended by signal {-done.returncode}" if done.returncode < 0 else "failed"
        last = (done.stderr.strip().splitlines() or [""])[-1]
        raise DatasetError(f"the evaluation {ended}: {last or 'nothing is known of the reason'}; try `flask check`")
    answer: dict[str, Any] = json.loads(done.stdout.strip().splitlines()[-1])
    return answer


def main(dataset: str, predictions: str, iou: str) -> dict[str, Any]:
    """Evaluate in this process. Raises `DatasetError`."""
    module = next((name for name in EVALUATORS if _is_there(name)), None)
    if module is None:
        raise DatasetError(MISSING)
    tools, mask, coco_eval = (_part(module, part) for part in ("coco", "mask", "cocoeval"))
    truth = tools.COCO(dataset)
    if not truth.anns or any("category_id" not in annotation for annotation in truth.anns.values()):
        raise DatasetError("the dataset has no annotations with categories to evaluate against")
    if iou == "segm" and not all(each.get("segmentation") for each in truth.anns.values()):
        raise DatasetError("annotations without a segmentation can't be evaluated by masks; use --iou bbox")
    if iou == "keypoints":
        _check_keypoints(truth)
    loaded = json.loads(Path(predictions).read_bytes())
    all_results = loaded["annotations"] if isinstance(loaded, dict) else loaded
    results = [each for each in all_results if each["image_id"] in truth.imgs]
    answer = {
        "iou": iou,
        "evaluator": f"{EVALUATORS[module]} {version(EVALUATORS[module])}",
        "predictions": len(results),
        "left_out": len(all_results) - len(results),
    }
    if not results:
        raise DatasetError("there are no predictions on images of the dataset")
    evaluator = coco_eval.COCOeval if module == "pycocotools" else coco_eval.COCOeval_faster
    run = evaluator(truth, truth.loadRes(_results(results, iou, truth, mask)), iou)
    run.evaluate()
    run.accumulate()
    run.summarize()
    named = zip(_STATS, [_figure(value) for value in run.stats], strict=False)
    return {**answer, **dict(named), "stats": [*map(_figure, run.stats)], "categories": _by_category(run, truth)}


def _results(results: Sequence[Mapping[str, Any]], iou: str, truth: Any, mask: Any) -> list[dict[str, Any]]:
    """What `loadRes` is to read: the one kind of shape that is evaluated, so that it computes the rest by that."""
    head = ("image_id", "category_id", "score")
    if iou == "keypoints":
        shape = "keypoints"
    elif iou == "segm" or not all(each.get("bbox") for each in results):
        shape = "segmentation" if iou == "segm" or all(each.get("segmentation") for each in results) else "bbox"
    else:
        shape = "bbox"
    without = sum(not each.get(shape) for each in results)
    if without:
        raise DatasetError(f"{without} of {len(results)} predictions have no {shape}; choose another --iou")
    made = [{name: each[name] for name in (*head, shape)} for each in results]
    if shape == "segmentation":
        for each in made:
            image = truth.imgs[each["image_id"]]
            each["segmentation"] = _mask(each["segmentation"], image["height"], image["width"], mask)
    return made


def _mask(segmentation: Any, height: int, width: int, mask: Any) -> Any:
    """Polygons and run lengths as the packed mask that results have."""
    if isinstance(segmentation, list):
        return mask.merge(mask.frPyObjects(segmentation, height, width))
    if isinstance(segmentation["counts"], list):
        return mask.frPyObjects(segmentation, height, width)
    return segmentation


def _check_keypoints(truth: Any) -> None:
    for annotation in truth.anns.values():
        if len(annotation.get("keypoints") or [0] * 3 * _KEYPOINTS) != 3 * _KEYPOINTS:
            raise DatasetError(
                f"keypoints are evaluated by the weights of COCO's {_KEYPOINTS}; this dataset has others"
            )
        annotation.setdefault("keypoints", [0] * 3 * _KEYPOINTS)
        annotation.setdefault("num_keypoints", 0)


def _by_category(run: Any, truth: Any) -> list[dict[str, Any]]:
    precision = run.eval["precision"]
    thresholds = [round(float(value), 2) for value in run.params.iouThrs]
    told = []
    for place, category_id in enumerate(run.params.catIds):
        # All recalls, all areas, and the largest number of detections.
        of_category = precision[:, :, place, 0, -1]
        at = {f"ap{int(value * 100)}": of_category[thresholds.index(value)] for value in (0.5, 0.75)}
        means = {name: _mean(values) for name, values in {"ap": of_category, **at}.items()}
        count = len(truth.getAnnIds(catIds=[category_id]))
        told.append({"id": int(category_id), "name": truth.cats[category_id]["name"], "annotations": count, **means})
    return told


def _mean(values: Any) -> float | None:
    known = values[values > -1]
    return float(known.mean()) if known.size else None


def _figure(value: Any) -> float | None:
    """pycocotools says -1 where there is nothing to evaluate."""
    return None if value == -1 else float(value)


def _is_there(name: str) -> bool:
    try:
        import_module(name)
    except ImportError:
        return False
    return True


def _part(module: str, part: str) -> Any:
    if module == "pycocotools":
        return import_module(f"pycocotools.{part}")
    place = {"coco": "coco", "mask": "mask", "cocoeval": "faster_eval_api"}[part]
    return import_module(f"faster_coco_eval.core.{place}")


if __name__ == "__main__":
    try:
        with redirect_stdout(sys.stderr):
            figures = main(*sys.argv[1:])
    except DatasetError as error:
        print(error, file=sys.stderr)
        sys.exit(_FAILED)
    print(json.dumps(figures))
