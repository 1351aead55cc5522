"""Make a small dataset to try the server on: `python -m cocoannot.demo FOLDER`. The pictures are drawn here, so
every annotation is exact, and the JSON is the same for each run of one version. With `--broken` the dataset has
mistakes, for `flask check`. Reading, checking and editing datasets is done elsewhere; this module shares no code with
it, so that either can be tested with the other.
"""

from __future__ import annotations

import argparse
import json
import math
import os
import random
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
from PIL import Image, ImageDraw

from cocoannot.version import __version__

Points = npt.NDArray[np.float64]  # shape (n, 2): x to the right, y down; pixel (0, 0) covers 0 to 1
Record = dict[str, Any]

SEED = 20140505
IMAGES = 36
UNANNOTATED_EVERY = 12
BOX_ONLY_EVERY = 9
MISSING_PICTURE = 6
OVERSAMPLING = 3  # pictures are drawn this much larger and reduced, for smooth edges
SIZES = [(800, 600), (640, 480), (480, 640), (640, 480), (600, 600)]
SKIES = [("#d6ecf5", "#fdf3e3"), ("#e6e0f4", "#fce9ec"), ("#dff1e4", "#fbf8e2"), ("#fbe3d3", "#f6f0fa")]
PAINTS = ["#e4572e", "#17a398", "#f3a712", "#29335c", "#a23b72", "#4c956c", "#3b7dd8"]

PERSON = {
    "keypoints": ["head", "neck", "left_hand", "right_hand", "hip", "left_foot", "right_foot"],
    "skeleton": [[1, 2], [2, 3], [2, 4], [2, 5], [5, 6], [5, 7]],
}
CATEGORIES: list[Record] = [
    {"id": 1, "name": "circle", "supercategory": "shape"},
    {"id": 2, "name": "triangle", "supercategory": "shape"},
    {"id": 3, "name": "rectangle", "supercategory": "shape"},
    {"id": 4, "name": "star", "supercategory": "shape"},
    {"id": 5, "name": "arrow", "supercategory": "sign"},
    {"id": 6, "name": "person", "supercategory": "figure", **PERSON},
    {"id": 7, "name": "confetti", "supercategory": "crowd"},
]


def make_demo(folder: Path, *, broken: bool = False) -> str:
    """Make `folder/images/*` and then `folder/annotations.json`; return one line that says what was made.

    A `broken` dataset has one mistake of each common kind, and one picture is missing.

    Raises FileExistsError where `annotations.json` is there already (nothing is touched then), and OSError where
    something can't be written. A run that failed leaves no `annotations.json` and can be repeated.
    """
    target = folder / "annotations.json"
    if os.path.lexists(target):
        raise FileExistsError(f"{target} exists already and is left as it is: name another folder")
    (folder / "images").mkdir(parents=True, exist_ok=True)
    rng = random.Random(SEED)
    images: list[Record] = []
    annotations: list[Record] = []
    for number in range(1, IMAGES + 1):
        name = f"demo_{number:02}.{'png' if number % 4 == 0 else 'jpg'}"
        picture, found = _picture(rng, number)
        picture.save(folder / "images" / name, quality=90)
        images.append({"id": number, "file_name": name, "width": picture.width, "height": picture.height})
        images[-1] |= {"license": 1, "date_captured": "2026-01-01 12:00:00"}
        # The shapes are in the picture all the same: this is what the user has to annotate.
        for record in found if number % UNANNOTATED_EVERY else []:
            annotations.append({"id": len(annotations) + 1, "image_id": number, **record})
    if broken:
        _make_mistakes(annotations)
        (folder / "images" / images[MISSING_PICTURE - 1]["file_name"]).unlink()
    _write(target, images, annotations)
    return f"made {target}: {len(images)} images, {len(annotations)} annotations, {len(CATEGORIES)} categories"


def _make_mistakes(annotations: list[Record]) -> None:
    """Give the dataset what published files have of mistakes, as people, tools and conversions make them."""
    polygons = [record for record in annotations if record["segmentation"] and not record["iscrowd"]]
    by_id = {record["id"]: record for record in annotations}
    for record in polygons[20:32]:
        record["area"] = round(record["area"] * 1.5, 2)
    polygons[10]["segmentation"] = [polygons[10]["segmentation"][0][:4]]
    by_id[16]["area"] = math.nan
    by_id[41]["image_id"] = 999
    by_id[21]["id"] = "21"
    annotations.append({**by_id[4], "category_id": 1})


def _write(target: Path, images: list[Record], annotations: list[Record]) -> None:
    info = {"description": "cocoannot demo: drawn shapes", "version": __version__, "year": 2026}
    info |= {"contributor": "cocoannot", "date_created": "2026/01/01"}
    licenses = [{"id": 1, "name": "CC0 1.0", "url": "https://creativecommons.org/publicdomain/zero/1.0/"}]
    sections = {"licenses": licenses, "images": images, "annotations": annotations, "categories": CATEGORIES}
    text = f'{{\n"info": {json.dumps(info)}'
    for key, records in sections.items():
        # One line a record, so that `diff` shows one line for each that was edited.
        text += f',\n"{key}": [\n' + ",\n".join(map(json.dumps, records)) + "\n]"
    unfinished = target.with_name(target.name + ".tmp")
    try:
        with unfinished.open("w", encoding="utf-8", newline="\n") as file:
            file.write(text + "\n}\n")
            file.flush()
            os.fsync(file.fileno())
        os.replace(unfinished, target)
    finally:
        unfinished.unlink(missing_ok=True)


def _picture(rng: random.Random, number: int) -> tuple[Image.Image, list[Record]]:
    width, height = SIZES[(number - 1) % len(SIZES)]
    canvas = _background(rng, width, height)
    # The first picture is the one that everybody opens: it shows every category.
    categories = rng.sample(CATEGORIES, len(CATEGORIES) if number == 1 else rng.randint(3, 6))
    annotations = []
    for category, (centre, radius) in zip(categories, _places(rng, width, height, len(categories)), strict=True):
        name = category["name"]
        parts, keypoints = _shape(rng, name)
        turn = _rotation(rng.uniform(-0.2, 0.2) if name == "person" else rng.uniform(-math.pi, math.pi))
        # Rounded before drawing and measuring, so that picture, segmentation, area and box agree.
        parts = [np.round(part @ turn * radius + centre, 2) for part in parts]
        colours = rng.choices(PAINTS, k=len(parts)) if name == "confetti" else [rng.choice(PAINTS)] * len(parts)
        _draw(canvas, parts, colours)
        if name == "confetti":
            mask = Image.new("L", canvas.size)
            _draw(mask, parts, [255] * len(parts))
            geometry = _crowd(np.asarray(mask.reduce(OVERSAMPLING)) >= 128)
        else:
            geometry = _polygons(parts, box_only=rng.randrange(BOX_ONLY_EVERY) == 0)
        if len(keypoints):
            # Visibility 2 is COCO's "labeled and visible".
            joints = np.round(keypoints @ turn * radius + centre, 2).tolist()
            geometry |= {"keypoints": [n for x, y in joints for n in (x, y, 2)], "num_keypoints": len(joints)}
        annotations.append({"category_id": category["id"], **geometry})
    return canvas.reduce(OVERSAMPLING), annotations


def _background(rng: random.Random, width: int, height: int) -> Image.Image:
    size = (width * OVERSAMPLING, height * OVERSAMPLING)
    top, bottom = (Image.new("RGB", (width, height), colour) for colour in rng.choice(SKIES))
    canvas = Image.composite(bottom, top, Image.linear_gradient("L").resize((width, height)))
    for shade in (0.94, 0.88):
        x, rise = rng.uniform(0, size[0]), rng.uniform(0.1, 0.3) * size[1]
        hill = Image.new("L", size)
        ImageDraw.Draw(hill).ellipse((x - size[0], size[1] - rise, x + size[0], size[1] + 3 * rise), fill=255)
        canvas.paste(canvas.point(lambda value, shade=shade: int(value * shade)), mask=hill.reduce(OVERSAMPLING))
    # Only what is drawn on it needs the larger size.
    return canvas.resize(size, Image.Resampling.NEAREST)


def _places(rng: random.Random, width: int, height: int, count: int) -> list[tuple[Points, float]]:
    """Discs (centre, radius in pixels) inside the picture that do not touch: a hidden part would not be exact."""
    places: list[tuple[Points, float]] = []
    largest = 0.24 * min(width, height)
    while len(places) < count:
        radius = largest * rng.uniform(0.6, 1)
        margin = radius * 1.05
        centre = np.array([rng.uniform(margin, width - margin), rng.uniform(margin, height - margin)])
        if all(np.hypot(*(centre - other)) > margin + size * 1.05 for other, size in places):
            places.append((centre, radius))
        else:
            largest *= 0.995  # a full picture must not keep us trying for ever
    return places


def _shape(rng: random.Random, name: str) -> tuple[list[Points], Points]:
    """Return the parts of a shape that fits the unit circle, and its keypoints (no rows where it has none)."""
    keypoints = np.empty((0, 2))
    match name:
        case "circle":
            parts = [_ring([1] * 36)]
        case "triangle":
            parts = [_ring([1] * 3)]
        case "star":
            parts = [_ring([1, 0.45] * 5)]
        case "rectangle":
            parts = [np.array([[-1, -1], [1, -1], [1, 1], [-1, 1]]) * [0.8, rng.uniform(0.35, 0.6)]]
        case "arrow":
            shaft = [[-0.95, -0.16], [0.15, -0.16], [0.15, 0.16], [-0.95, 0.16]]
            parts = [np.array(shaft), np.array([[0.25, -0.55], [1, 0], [0.25, 0.55]])]
        case "person":
            left, right, step = rng.uniform(-0.7, 0), rng.uniform(-0.7, 0), rng.uniform(0.15, 0.35)
            # The figure faces us, so its left is on the right of the picture.
            mirrored = np.array(_side(right, step))[::-1] * [-1, 1]
            parts = [_ring([0.2] * 20) - [0, 0.78], np.vstack([_side(left, step), [[0, 0.3]], mirrored])]
            joints = [[0, -0.78], [0, -0.5], [0.57, left], [-0.57, right], [0, 0.15], [step, 0.87], [-step, 0.87]]
            keypoints = np.array(joints)
        case _:
            spots = [(rng.uniform(-math.pi, math.pi), 0.9 * math.sqrt(rng.random())) for _ in range(60)]
            parts = [_ring([0.07] * 4) @ _rotation(a) + [r * math.cos(a), r * math.sin(a)] for a, r in spots]
    return parts, keypoints


def _side(hand: float, foot: float) -> list[list[float]]:
    arm = [[0.12, -0.55], [0.6, hand - 0.07], [0.6, hand + 0.07], [0.15, -0.3]]
    return [*arm, [0.13, 0.15], [foot + 0.1, 0.9], [foot - 0.07, 0.9]]


def _ring(radii: Sequence[float]) -> Points:
    angles = np.arange(len(radii)) * 2 * np.pi / len(radii)
    return np.array([np.cos(angles) * radii, np.sin(angles) * radii]).T


def _rotation(angle: float) -> Points:
    return np.array([[math.cos(angle), math.sin(angle)], [-math.sin(angle), math.cos(angle)]])


def _draw(canvas: Image.Image, parts: list[Points], colours: Sequence[str | int]) -> None:
    for part, colour in zip(parts, colours, strict=True):
        # Pillow cuts fractions off: a vertex becomes the pixel that it lies in, without a shift.
        ImageDraw.Draw(canvas).polygon((part * OVERSAMPLING).ravel().tolist(), fill=colour)


def _polygons(parts: list[Points], *, box_only: bool) -> Record:
    """Area and box as the published COCO files have them: the sum of the shoelace areas, the vertices' extent."""
    vertices = np.vstack(parts)
    low, high = vertices.min(axis=0), vertices.max(axis=0)
    bbox = np.round([*low, *(high - low)], 2).tolist()
    if box_only:
        return {"segmentation": [], "area": round(bbox[2] * bbox[3], 4), "bbox": bbox, "iscrowd": 0}
    area = sum(abs(x @ np.roll(y, -1) - y @ np.roll(x, -1)) / 2 for x, y in (part.T for part in parts))
    segmentation = [part.ravel().tolist() for part in parts]
    # Coordinates of two digits have areas of five at most: nothing is lost here but noise.
    return {"segmentation": segmentation, "area": round(float(area), 5), "bbox": bbox, "iscrowd": 0}


def _crowd(mask: npt.NDArray[np.bool_]) -> Record:
    """Uncompressed RLE of `mask` (shape (h, w)): lengths of runs down the columns, the first one of zeros."""
    pixels = mask.ravel(order="F")
    changes = np.flatnonzero(np.diff(pixels, prepend=False))
    counts = np.diff(changes, prepend=0, append=pixels.size).tolist()
    ys, xs = np.nonzero(mask)
    bbox = [xs.min(), ys.min(), np.ptp(xs) + 1, np.ptp(ys) + 1]
    segmentation = {"size": list(mask.shape), "counts": counts}
    return {"segmentation": segmentation, "area": int(mask.sum()), "bbox": list(map(int, bbox)), "iscrowd": 1}


def main(arguments: Sequence[str] | None = None) -> int:
    """Run the command; return its exit status."""
    parser = argparse.ArgumentParser(
        prog="python -m cocoannot.demo", description="Make a small COCO dataset to try cocoannot on."
    )
    parser.add_argument("folder", type=Path, help="the folder in which annotations.json and images/ are made")
    parser.add_argument("--broken", action="store_true", help="make a dataset with mistakes, to try `flask check` on")
    given = parser.parse_args(arguments)
    try:
        print(make_demo(given.folder, broken=given.broken))
    except OSError as exc:
        print(f"cocoannot.demo: {exc}", file=sys.stderr)
        return 1
    return 0


if __name__ == "__main__":
    sys.exit(main())
