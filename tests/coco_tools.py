"""Other programs that read COCO files, each asked to read one and to evaluate its annotations as detections.

Each returns its average precision by the kind of evaluation: 1.0 where it finds in the file what is there. An
evaluation takes the categories of which every annotation has what it compares, as its users choose them; that of boxes
takes all.
Programs are imported when they are asked: some of them take seconds.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Sequence
from importlib import import_module
from pathlib import Path
from typing import Any

Record = dict[str, Any]
Scores = dict[str, float]

FIELDS = {"bbox": "bbox", "segm": "segmentation", "keypoints": "keypoints"}
"""What is compared in each kind of evaluation."""


def read(path: Path) -> dict[str, list[Record]]:
    """The dataset in the file at `path`."""
    dataset: dict[str, list[Record]] = json.loads(path.read_bytes())
    return dataset


def categories_with(dataset: dict[str, list[Record]], kind: str) -> list[Record]:
    """The categories whose annotations, one at least, can all be evaluated by `kind`."""
    if kind == "bbox":
        return dataset["categories"]
    found = []
    for category in dataset["categories"]:
        own = [each for each in dataset["annotations"] if each["category_id"] == category["id"]]
        if own and all(each.get(FIELDS[kind]) for each in own):
            found.append(category)
    return found


def pycocotools(path: Path) -> Scores:
    return _scores(path, import_module("pycocotools.coco").COCO, import_module("pycocotools.cocoeval").COCOeval)


def faster_coco_eval(path: Path) -> Scores:
    module = import_module("faster_coco_eval")
    return _scores(path, module.COCO, module.COCOeval_faster)


def _scores(path: Path, coco_class: Any, evaluator_class: Any) -> Scores:
    """What the reference computes, and who has its interface."""
    dataset = read(path)

    def average_precision(kind: str, category_ids: Sequence[int], points: int = 0) -> float:
        truth = coco_class(str(path))
        objects = truth.loadAnns(truth.getAnnIds(catIds=category_ids, iscrowd=False))
        detections = [_detection(kind, each, truth) for each in objects]
        evaluation = evaluator_class(truth, truth.loadRes(detections), kind)
        evaluation.params.catIds = category_ids
        if points:
            evaluation.params.kpt_oks_sigmas = import_module("numpy").full(points, 0.05)
        evaluation.evaluate()
        evaluation.accumulate()
        evaluation.summarize()
        return float(evaluation.stats[0])

    ids = {kind: [category["id"] for category in categories_with(dataset, kind)] for kind in FIELDS}
    # How many keypoints there are is a parameter of the evaluation.
    points = {category["id"]: len(category.get("keypoints", [])) for category in dataset["categories"]}
    return {
        "bbox": average_precision("bbox", ids["bbox"]),
        "segm": average_precision("segm", ids["segm"]),
        "keypoints": min(average_precision("keypoints", [each], points[each]) for each in ids["keypoints"]),
    }


def _detection(kind: str, annotation: Record, truth: Any) -> Record:
    value = truth.annToRLE(annotation) if kind == "segm" else annotation[FIELDS[kind]]
    return {
        "image_id": annotation["image_id"],
        "category_id": annotation["category_id"],
        FIELDS[kind]: value,
        "score": 1.0,
    }


def captions(module: str, path: Path) -> dict[int, str]:
    """The captions of the file at `path` by their ids, as `module` reads them."""
    reader = import_module(module)
    loaded = reader.COCO(str(path)) if hasattr(reader, "COCO") else reader.CocoDataset(str(path))
    return {number: record["caption"] for number, record in loaded.anns.items()}


def supervision(path: Path) -> Scores:
    sv = import_module("supervision")
    metrics = import_module("supervision.metrics")
    dataset = read(path)
    loaded = sv.DetectionDataset.from_coco(images_directory_path=str(path.parent), annotations_path=str(path))
    assert sorted(loaded.classes) == sorted(category["name"] for category in dataset["categories"])
    assert sum(map(len, loaded.annotations.values())) == len(dataset["annotations"])

    def average_precision(kind: str, target: Any) -> float:
        classes = [loaded.classes.index(category["name"]) for category in categories_with(dataset, kind)]
        metric = metrics.MeanAveragePrecision(metric_target=target)
        for truth in loaded.annotations.values():
            chosen = truth[[class_id in classes for class_id in truth.class_id]] if len(truth) else truth
            if not len(chosen):
                continue
            found = chosen[chosen.data["iscrowd"] == 0]
            found.confidence = import_module("numpy").ones(len(found))
            metric.update(found, chosen)
        return float(metric.compute().map50_95)

    boxes, masks = metrics.MetricTarget.BOXES, metrics.MetricTarget.MASKS
    return {"bbox": average_precision("bbox", boxes), "segm": average_precision("segm", masks)}


def kwcoco(path: Path) -> Scores:
    module = import_module("kwcoco")
    evaluator = import_module("kwcoco.coco_evaluator").CocoEvaluator
    loaded = module.CocoDataset(str(path))
    assert loaded.validate(missing=False)["errors"] == []
    dataset = read(path)

    def average_precision(kind: str) -> float:
        truth = loaded.copy()
        names = [category["name"] for category in categories_with(dataset, kind)]
        truth.remove_categories([name for name in truth.name_to_cat if name not in names], keep_annots=False)
        found = truth.copy()
        found.remove_annotations([each["id"] for each in found.dataset["annotations"] if each.get("iscrowd")])
        for each in found.dataset["annotations"]:
            each["score"] = 1.0
        evaluation = evaluator({"true_dataset": truth, "pred_dataset": found})
        return float(evaluation.evaluate_native_coco([kind])[kind]["summary"]["AP"])

    return {"bbox": average_precision("bbox"), "segm": average_precision("segm")}


def globox(path: Path) -> Scores:
    module = import_module("globox")
    truth = module.AnnotationSet.from_coco(path)
    found = module.AnnotationSet.from_coco(path)
    # It takes a `score` for a detection's, and evaluates detections against what has none.
    for box in truth.all_boxes:
        box.confidence = None
    for box in found.all_boxes:
        box.confidence = 1.0
    return {"bbox": float(module.COCOEvaluator(ground_truths=truth, predictions=found).ap())}


TOOLS: dict[str, Callable[[Path], Scores]] = {
    "pycocotools": pycocotools,
    "faster-coco-eval": faster_coco_eval,
    "supervision": supervision,
    "kwcoco": kwcoco,
    "globox": globox,
}
"""By the names of their packages."""
