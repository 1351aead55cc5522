"""A synthetic dataset of train2017's shape: seeded, so that two machines measure the same file."""

from __future__ import annotations

import random
from pathlib import Path

IMAGES, ANNOTATIONS, CATEGORIES = 118_287, 860_001, 80


def write_dataset(path: Path, scale: float = 1.0, seed: int = 17) -> None:
    """Write a compact COCO file of `scale` times train2017's 118,287 images and 860,001 annotations (472 MB at 1).

    Polygons have 3 to about 60 points and two decimals; categories are as skewed as COCO's.
    """
    rng = random.Random(seed)
    images, annotations = round(IMAGES * scale), round(ANNOTATIONS * scale)
    weights = [1 / (rank + 1) for rank in range(CATEGORIES)]
    categories = rng.choices(range(1, CATEGORIES + 1), weights, k=annotations)
    with path.open("w") as file:
        file.write('{"info": {"description": "synthetic", "year": 2017}, "licenses": [], "images": [')
        for number in range(images):
            name = f"{number + 1:012d}.jpg"
            file.write(", " if number else "")
            file.write(
                f'{{"license": 3, "file_name": "{name}", "coco_url": "http://images.example/train2017/{name}", '
                f'"height": 427, "width": 640, "date_captured": "2013-11-14 11:18:45", '
                f'"flickr_url": "http://farm9.example/8186/{number:010d}_640.jpg", "id": {number + 1}}}'
            )
        file.write('], "annotations": [')
        for number in range(annotations):
            file.write(", " if number else "")
            file.write(_annotation(rng, number + 1, rng.randint(1, images), categories[number]))
        file.write('], "categories": [')
        file.write(", ".join(f'{{"supercategory": "s", "id": {i}, "name": "c{i}"}}' for i in range(1, CATEGORIES + 1)))
        file.write("]}")


def _annotation(rng: random.Random, number: int, image_id: int, category_id: int) -> str:
    points = max(3, round(rng.expovariate(1 / 22)))
    x, y, width, height = rng.randint(0, 400), rng.randint(0, 300), rng.randint(10, 200), rng.randint(10, 120)
    numbers = [f"{x + width * rng.random():.2f}, {y + height * rng.random():.2f}" for _ in range(points)]
    return (
        f'{{"segmentation": [[{", ".join(numbers)}]], "area": {width * height * 0.6:.4f}, "iscrowd": 0, '
        f'"image_id": {image_id}, "bbox": [{x}.0, {y}.0, {width}.0, {height}.0], '
        f'"category_id": {category_id}, "id": {number}}}'
    )
