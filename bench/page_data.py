"""What the page is measured on: images with pictures and shapes, very many categories, very many images."""

from __future__ import annotations

import json
import math
import random
from pathlib import Path
from typing import Any

from PIL import Image

Record = dict[str, Any]

SIZE = (1280, 960)
USUAL = 24
"""Images of 20 shapes each; then come those of many polygons and of many shapes."""
MANY_POLYGONS, MANY_SHAPES = USUAL + 1, USUAL + 2
CATEGORIES = 1203
GALLERY = 118_287


def images(folder: Path) -> Path:
    """Images as annotators have them, then one of 1,000 polygons, then one of 300 shapes."""
    records = [_image(number) for number in range(1, MANY_SHAPES + 1)]
    picture = Image.effect_noise(SIZE, 60).convert("RGB")
    for record in records:
        picture.save(folder / record["file_name"], quality=80)
    rng = random.Random(1)
    annotations = [_polygon(rng, number, 12) for number in range(1, USUAL + 1) for _ in range(20)]
    annotations += [_polygon(rng, MANY_POLYGONS, 24) for _ in range(1000)]
    annotations += [_polygon(rng, MANY_SHAPES, 12) for _ in range(300)]
    return write(folder, records, annotations, 9)


def categories(folder: Path) -> Path:
    """One image, and as many categories as LVIS has."""
    Image.effect_noise(SIZE, 60).convert("RGB").save(folder / _image(1)["file_name"])
    rng = random.Random(2)
    return write(folder, [_image(1)], [_polygon(rng, 1, 12) for _ in range(20)], CATEGORIES)


def gallery(folder: Path) -> Path:
    """As many images as COCO's train2017 has, without pictures."""
    return write(folder, [_image(number) for number in range(1, GALLERY + 1)], [], 9)


def _image(number: int) -> Record:
    return {"id": number, "file_name": f"{number:06}.jpg", "width": SIZE[0], "height": SIZE[1]}


def _polygon(rng: random.Random, image_id: int, corners: int) -> Record:
    x, y = rng.uniform(80, SIZE[0] - 80), rng.uniform(80, SIZE[1] - 80)
    ring: list[float] = []
    for i in range(corners):
        angle, far = 2 * math.pi * i / corners, rng.uniform(30, 60)
        ring += [round(x + far * math.cos(angle), 2), round(y + far * math.sin(angle), 2)]
    left, top = min(ring[0::2]), min(ring[1::2])
    box = [left, top, max(ring[0::2]) - left, max(ring[1::2]) - top]
    return {"image_id": image_id, "category_id": 1, "segmentation": [ring], "area": box[2] * box[3] / 2, "bbox": box}


def write(folder: Path, images: list[Record], annotations: list[Record], count: int) -> Path:
    path = folder / "annotations.json"
    named = [{"id": number, "name": f"category {number:04}"} for number in range(1, count + 1)]
    numbered = [{"id": number, "iscrowd": 0, **each} for number, each in enumerate(annotations, 1)]
    path.write_text(json.dumps({"images": images, "annotations": numbered, "categories": named}))
    return path
