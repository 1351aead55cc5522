"""A dataset for a day's work: the demo's pictures, and records as published COCO files have them, with their digits.

Nothing is written here that a reader of COCO would refuse; what a user may find in a broken file is tried elsewhere.
"""

from __future__ import annotations

import json
import math
import random
import shutil
from pathlib import Path
from typing import Any

import numpy as np
from PIL import Image
from pycocotools import mask as masks

from cocoannot.demo import make_demo

Record = dict[str, Any]

SIZES = [(640, 480), (480, 640), (640, 427), (500, 375), (427, 640), (612, 612)]
POINTS = 17
CATEGORIES: list[Record] = [
    {"supercategory": "person", "id": 21, "name": "pedestrian", "keypoints": [f"point {i}" for i in range(POINTS)]},
    {"supercategory": "animal", "id": 28, "name": "umbrella"},
    {"supercategory": "animal", "id": 90, "name": "toothbrush"},
]


def make_day(folder: Path, count: int, seed: int) -> Path:
    """Write a dataset of `count` images, the demo's first, and their pictures; returns the file."""
    make_demo(folder)
    path = folder / "annotations.json"
    dataset = json.loads(path.read_bytes())
    rng = random.Random(seed)
    dataset["categories"] += CATEGORIES
    samples = {size: _picture(folder, size) for size in SIZES}
    next_id = max(each["id"] for each in dataset["annotations"]) + 1
    for number in range(len(dataset["images"]), count):
        width, height = size = rng.choice(SIZES)
        image: Record = {
            "license": 1,
            "file_name": f"{number + 139:012}.jpg",
            "coco_url": f"http://images.cocodataset.org/train2017/{number + 139:012}.jpg",
            "height": height,
            "width": width,
            "id": number * 37 + 139,
        }
        shutil.copy(samples[size], folder / "images" / str(image["file_name"]))
        dataset["images"].append(image)
        for _ in range(rng.choice([0, 1, 2, 3, 5, 8])):
            next_id += rng.randint(1, 400)
            dataset["annotations"].append(_annotation(rng, next_id, image))
    _write(path, dataset)
    return path


def _picture(folder: Path, size: tuple[int, int]) -> Path:
    path = folder / f"{size[0]}x{size[1]}.jpg"
    Image.effect_noise(size, 40).convert("RGB").save(path, quality=60)
    return path


def _write(path: Path, dataset: dict[str, list[Record]]) -> None:
    """As COCO's files are: a line for each section, and spaces after commas, but for the sections that the demo has."""
    path.write_text(json.dumps(dataset))


def _annotation(rng: random.Random, record_id: int, image: Record) -> Record:
    """One of COCO's kinds."""
    kind = rng.choice(["polygon", "polygon", "parts", "box", "box", "crowd", "rle", "person", "points"])
    width, height = image["width"], image["height"]
    x, y = rng.uniform(5, width * 0.6), rng.uniform(5, height * 0.6)
    w, h = rng.uniform(30, width * 0.35), rng.uniform(30, height * 0.35)
    record: Record = {"segmentation": [], "area": 0.0, "iscrowd": 0, "image_id": image["id"]}
    if kind in ("polygon", "parts", "person"):
        parts = [_ring(rng, x, y, w, h)]
        if kind == "parts":
            parts.append(_ring(rng, x + w * 0.2, min(y + h * 1.05, height - 12), w * 0.5, 10))
        record["segmentation"] = parts
        record["area"] = sum(map(_area, parts)) + rng.choice([0, 0.0000000000002])
        record["bbox"] = _around(parts)
    elif kind == "box":
        # Whole numbers, two digits as COCO's, and as many as a program makes of a product.
        digits = rng.choice([0, 2, 13])
        box = [round(each, digits) for each in (x, y, w, h)]
        record["bbox"] = [int(each) for each in box] if digits == 0 and rng.random() < 0.5 else box
        record["area"] = record["bbox"][2] * record["bbox"][3]
    elif kind == "points":
        del record["segmentation"]
        record["keypoints"], found = _keypoints(rng, x, y, w, h)
        xs, ys = [each[0] for each in found], [each[1] for each in found]
        record["bbox"] = [min(xs), min(ys), max(xs) - min(xs), max(ys) - min(ys)]
        record["area"] = record["bbox"][2] * record["bbox"][3]
        record["num_keypoints"] = len(found)
        record["segmentation"] = []
    else:
        _add_mask(record, kind, (x, y, w, h), image)
    if kind == "person":
        record["keypoints"], found = _keypoints(rng, x, y, w, h)
        record["num_keypoints"] = len(found)
    own = 21 if "keypoints" in record else rng.choice([1, 2, 3, 28, 90])
    return {**record, "category_id": own, "id": record_id, **({"score": 0.50} if rng.random() < 0.1 else {})}


def _ring(rng: random.Random, x: float, y: float, w: float, h: float) -> list[float]:
    corners = rng.randint(4, 24)
    ring = []
    for number in range(corners):
        angle, far = 2 * math.pi * number / corners, rng.uniform(0.7, 1.0)
        ring += [
            round(x + w / 2 + math.cos(angle) * far * w / 2, 2),
            round(y + h / 2 + math.sin(angle) * far * h / 2, 2),
        ]
    return ring


def _area(ring: list[float]) -> float:
    xs, ys = ring[0::2], ring[1::2]
    return abs(sum(xs[i - 1] * ys[i] - xs[i] * ys[i - 1] for i in range(len(xs)))) / 2


def _around(parts: list[list[float]]) -> list[float]:
    xs, ys = [x for ring in parts for x in ring[0::2]], [y for ring in parts for y in ring[1::2]]
    return [min(xs), min(ys), max(xs) - min(xs), max(ys) - min(ys)]


def _keypoints(rng: random.Random, x: float, y: float, w: float, h: float) -> tuple[list[int], list[tuple[int, int]]]:
    """Not labelled ones are 0, 0, 0, as COCO has them; at least two are labelled."""
    flat: list[int] = []
    found = []
    for number in range(POINTS):
        seen = 2 if number in (0, POINTS - 1) else rng.choice([0, 1, 2])
        step = (number + 1) / (POINTS + 1)
        place = (int(x + step * w), int(y + rng.random() * h)) if seen else (0, 0)
        flat += [*place, seen]
        if seen:
            found.append(place)
    return flat, found


def _add_mask(record: Record, kind: str, box: tuple[float, float, float, float], image: Record) -> None:
    x, y, w, h = map(int, box)
    pixels = np.zeros((image["height"], image["width"]), dtype=np.uint8, order="F")
    pixels[y : y + h, x : x + w] = 1
    pixels[y + h // 3 : y + h // 2, x + w // 3 : x + w // 2] = 0
    encoded = masks.encode(pixels)
    record["area"], record["bbox"] = int(masks.area(encoded)), [float(each) for each in masks.toBbox(encoded)]
    size = [image["height"], image["width"]]
    if kind == "rle":
        record["segmentation"] = {"size": size, "counts": encoded["counts"].decode()}
        return
    flat = pixels.flatten(order="F")
    edges = np.flatnonzero(np.diff(flat)) + 1
    record["segmentation"] = {"counts": np.diff([0, *edges, flat.size]).tolist(), "size": size}
    record["iscrowd"] = 1
