"""A picture of objects whose outlines are known, and how far an outline that was found is from the true one."""

from __future__ import annotations

import math
from pathlib import Path

import numpy as np
from browser import PICTURE
from PIL import Image, ImageDraw

Points = list[tuple[float, float]]

CIRCLE = (260.0, 300.0, 120.0)
"""Its centre and its radius."""
CARD = [(520, 140), (760, 180), (730, 470), (500, 420)]
"""The corners of the other object."""
FINE = 4
"""The picture is painted so many times as large, so that its edges are as smooth as those of photographs."""


def paint(path: Path) -> None:
    """A circle and a card on a ground with a slope of light and some noise."""
    width, height = PICTURE
    slope = (np.linspace(90, 130, width * FINE)[:, None] + np.array([0, 20, 40])).astype(np.uint8)
    picture = Image.fromarray(np.repeat(slope[None], height * FINE, axis=0))
    draw = ImageDraw.Draw(picture)
    x, y, radius = (FINE * each for each in CIRCLE)
    draw.ellipse((x - radius, y - radius, x + radius - 1, y + radius - 1), fill=(214, 92, 60))
    draw.polygon([(FINE * left, FINE * top) for left, top in CARD], fill=(240, 220, 120))
    picture = picture.resize(PICTURE, Image.Resampling.BOX)
    noise = np.random.default_rng(3).normal(0, 4, (height, width, 3))
    Image.fromarray(np.clip(np.asarray(picture) + noise, 0, 255).astype(np.uint8)).save(path)


def on_circle(degrees: float) -> tuple[float, float]:
    x, y, radius = CIRCLE
    return x + radius * math.cos(math.radians(degrees)), y + radius * math.sin(math.radians(degrees))


def circle() -> Points:
    """The circle's outline, as a polygon of many corners."""
    return [on_circle(degrees) for degrees in range(360)]


def card() -> Points:
    return [(float(x), float(y)) for x, y in CARD]


def along(points: Points) -> Points:
    """Points on a closed line, a pixel apart."""
    found: Points = []
    for (x1, y1), (x2, y2) in zip(points, [*points[1:], points[0]], strict=True):
        steps = max(1, round(math.hypot(x2 - x1, y2 - y1)))
        found += [(x1 + (x2 - x1) * i / steps, y1 + (y2 - y1) * i / steps) for i in range(steps)]
    return found


def off(one: Points, other: Points) -> float:
    """How far two closed lines are from each other at most, in pixels (Hausdorff's distance)."""
    first, second = np.array(along(one)), np.array(along(other))
    distances = np.hypot(*(first[:, None] - second[None]).transpose(2, 0, 1))
    return float(max(distances.min(0).max(), distances.min(1).max()))
