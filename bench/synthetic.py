"""A synthetic dataset of train2017's shape: seeded, so that two machines with the same NumPy measure the same file."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

IMAGES, ANNOTATIONS, CROWDS = 118_287, 860_001, 10_134
LARGEST_IMAGE_ID = 581_929

# Annotations of each category in COCO's instances_train2017.json, by category id.
CATEGORIES = {
    1: ("person", 262_465),
    2: ("bicycle", 7_113),
    3: ("car", 43_867),
    4: ("motorcycle", 8_725),
    5: ("airplane", 5_135),
    6: ("bus", 6_069),
    7: ("train", 4_571),
    8: ("truck", 9_973),
    9: ("boat", 10_759),
    10: ("traffic light", 12_884),
    11: ("fire hydrant", 1_865),
    13: ("stop sign", 1_983),
    14: ("parking meter", 1_285),
    15: ("bench", 9_838),
    16: ("bird", 10_806),
    17: ("cat", 4_768),
    18: ("dog", 5_508),
    19: ("horse", 6_587),
    20: ("sheep", 9_509),
    21: ("cow", 8_147),
    22: ("elephant", 5_513),
    23: ("bear", 1_294),
    24: ("zebra", 5_303),
    25: ("giraffe", 5_131),
    27: ("backpack", 8_720),
    28: ("umbrella", 11_431),
    31: ("handbag", 12_354),
    32: ("tie", 6_496),
    33: ("suitcase", 6_192),
    34: ("frisbee", 2_682),
    35: ("skis", 6_646),
    36: ("snowboard", 2_685),
    37: ("sports ball", 6_347),
    38: ("kite", 9_076),
    39: ("baseball bat", 3_276),
    40: ("baseball glove", 3_747),
    41: ("skateboard", 5_543),
    42: ("surfboard", 6_126),
    43: ("tennis racket", 4_812),
    44: ("bottle", 24_342),
    46: ("wine glass", 7_913),
    47: ("cup", 20_650),
    48: ("fork", 5_479),
    49: ("knife", 7_770),
    50: ("spoon", 6_165),
    51: ("bowl", 14_358),
    52: ("banana", 9_458),
    53: ("apple", 5_851),
    54: ("sandwich", 4_373),
    55: ("orange", 6_399),
    56: ("broccoli", 7_308),
    57: ("carrot", 7_852),
    58: ("hot dog", 2_918),
    59: ("pizza", 5_821),
    60: ("donut", 7_179),
    61: ("cake", 6_353),
    62: ("chair", 38_491),
    63: ("couch", 5_779),
    64: ("potted plant", 8_652),
    65: ("bed", 4_192),
    67: ("dining table", 15_714),
    70: ("toilet", 4_157),
    72: ("tv", 5_805),
    73: ("laptop", 4_970),
    74: ("mouse", 2_262),
    75: ("remote", 5_703),
    76: ("keyboard", 2_855),
    77: ("cell phone", 6_434),
    78: ("microwave", 1_673),
    79: ("oven", 3_334),
    80: ("toaster", 225),
    81: ("sink", 5_610),
    82: ("refrigerator", 2_637),
    84: ("book", 24_715),
    85: ("clock", 6_334),
    86: ("vase", 6_613),
    87: ("scissors", 1_481),
    88: ("teddy bear", 4_793),
    89: ("hair drier", 198),
    90: ("toothbrush", 1_954),
}

_SIZES = ((640, 480), (640, 427), (480, 640), (500, 375), (640, 640))
_AT_ONCE = 10_000
_POINTS_OFTEN, _POINTS_SPREAD = 19.45, 0.78
# Coordinates are hundredths of a pixel, of which there are few enough to write each as text once.
_HUNDREDTHS = [str(number / 100) for number in range(65_536)]

Ints = npt.NDArray[np.int64]


def images_at(scale: float) -> int:
    """How many images there are at `scale`."""
    return max(1, round(IMAGES * scale))


def annotations_at(scale: float) -> int:
    """How many annotations there are at `scale`."""
    return max(1, round(ANNOTATIONS * scale))


def image_ids(scale: float, most: int = IMAGES, seed: int = 17) -> list[int]:
    """The ids of the first `most` images, in file order: sparse, and in no order, as COCO's are."""
    ids = np.random.default_rng(seed).permutation(LARGEST_IMAGE_ID)[: images_at(scale)] + 1
    first: list[int] = ids[:most].tolist()
    return first


def write_dataset(path: Path, scale: float = 1.0, seed: int = 17) -> None:
    """Write a COCO file of `scale` times train2017's 118,287 images and 860,001 annotations (470 MB at 1).

    Polygons have 3 to about 200 points in hundredths of a pixel, one annotation in 85 is a crowd with an RLE; each
    category has as many annotations as in train2017, and one image in a hundred has none.
    """
    ids = image_ids(scale, seed=seed)
    rng = np.random.default_rng(seed + 1)
    with path.open("w") as file:
        file.write('{"info": {"description": "synthetic", "year": 2017},"licenses": [],"images": [')
        file.write(",".join(_image(number, image_id) for number, image_id in enumerate(ids)))
        file.write('],"annotations": [')
        categories = _categories(annotations_at(scale), rng)
        images = _images(np.array(ids), len(categories), rng)
        for first in range(0, len(categories), _AT_ONCE):
            at = slice(first, first + _AT_ONCE)
            file.write("," if first else "")
            file.write(",".join(_annotations(first, images[at], categories[at], rng)))
        file.write('],"categories": [')
        file.write(
            ",".join(f'{{"supercategory": "s","id": {i},"name": "{name}"}}' for i, (name, _) in CATEGORIES.items())
        )
        file.write("]}")


def new_annotations(
    scale: float, count: int = 500, images: int = 1000, seed: int = 18
) -> dict[str, list[dict[str, Any]]]:
    """Annotations to add, a `box` or a `polygon` of 24 points each, on the first `images` of the dataset at `scale`."""
    rng = np.random.default_rng(seed)
    places = rng.choice(image_ids(scale, images), count).tolist()
    shapes = (rng.integers(0, 40_000, (count, 48)) / 100).tolist()
    boxes = (rng.integers(1, 30_000, (count, 4)) / 100).tolist()
    return {
        "box": [{"image_id": i, "category_id": 1, "bbox": box} for i, box in zip(places, boxes, strict=True)],
        "polygon": [
            {"image_id": i, "category_id": 1, "segmentation": [shape]} for i, shape in zip(places, shapes, strict=True)
        ],
    }


def _image(number: int, image_id: int) -> str:
    width, height = _SIZES[number % len(_SIZES)]
    name = f"{image_id:012d}.jpg"
    return (
        f'{{"license": 3,"file_name": "{name}","coco_url": "http://images.example.org/train2017/{name}",'
        f'"height": {height},"width": {width},"date_captured": "2013-11-14 11:18:45",'
        f'"flickr_url": "http://farm9.example.org/8186/{number:010d}_4e622c8349_z.jpg","id": {image_id}}}'
    )


def _categories(annotations: int, rng: np.random.Generator) -> Ints:
    """The category of each annotation: shares as in train2017, to the last annotation."""
    counts = np.array([count for _, count in CATEGORIES.values()])
    ends = np.round(np.cumsum(counts) * (annotations / ANNOTATIONS)).astype(np.int64)
    categories = np.repeat(np.array([*CATEGORIES]), np.diff(ends, prepend=0))
    return rng.permutation(categories)


def _images(ids: Ints, annotations: int, rng: np.random.Generator) -> Ints:
    """The image of each annotation: 7 on average, 90 on some."""
    weights = rng.gamma(1.5, size=len(ids))
    weights[: len(ids) // 100] = 0
    ends = np.cumsum(weights)
    places: Ints = np.searchsorted(ends, rng.random(annotations) * ends[-1]).clip(max=len(ids) - 1)
    return ids[places]


def _annotations(first: int, images: Ints, categories: Ints, rng: np.random.Generator) -> Iterator[str]:
    number = len(images)
    points = rng.lognormal(np.log(_POINTS_OFTEN), _POINTS_SPREAD, number).astype(np.int64).clip(3, 200)
    ends = np.cumsum(points)
    lows, sides = rng.integers(0, 30_000, (2, number)), rng.integers(1_000, 25_000, (2, number))
    corners = [
        np.repeat(low, points) + (np.repeat(side, points) * rng.random(ends[-1])).astype(np.int64)
        for low, side in zip(lows, sides, strict=True)
    ]
    texts = [_HUNDREDTHS[value] for value in np.column_stack(corners).ravel().tolist()]
    starts = ends - points
    left, top = (np.minimum.reduceat(each, starts) for each in corners)
    right, bottom = (np.maximum.reduceat(each, starts) for each in corners)
    boxes = np.column_stack([left, top, right - left, bottom - top]).tolist()
    areas = (sides[0] * sides[1] * rng.uniform(0.2, 0.8, number) / 10_000).tolist()
    spans = zip((starts * 2).tolist(), (ends * 2).tolist(), strict=True)
    rows = zip(images.tolist(), categories.tolist(), spans, boxes, areas, strict=True)
    for index, (image_id, category_id, (start, end), box, area) in enumerate(rows, start=first):
        crowd = index % (ANNOTATIONS // CROWDS) == 0
        shape = _runs(rng) if crowd else f"[[{','.join(texts[start:end])}]]"
        yield (
            f'{{"segmentation": {shape},"area": {area},"iscrowd": {int(crowd)},"image_id": {image_id},'
            f'"bbox": [{",".join(map(_HUNDREDTHS.__getitem__, box))}],"category_id": {category_id},'
            f'"id": {index + 1}}}'
        )


def _runs(rng: np.random.Generator) -> str:
    """A crowd's mask of 480 x 640 pixels, as run lengths that are not packed."""
    runs = rng.integers(1, 900, 300).tolist()
    return f'{{"counts": {[*runs, 480 * 640 - sum(runs)]},"size": [480,640]}}'
