"""Pictures of odd sizes and kinds: they fit, are never stretched, and where they are not as recorded, that is said."""

from __future__ import annotations

import io
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from browser import Visit, Visitor, needs_browser, records, write_dataset
from PIL import Image
from playwright.sync_api import expect
from servers import Server, until
from windows import serve_again

pytestmark = [pytest.mark.slow, needs_browser]

RED, GREEN = (200, 20, 20), (20, 160, 20)
TURNED = 6
"""EXIF's number for a picture whose top is at its right."""

# The size of the file's picture, and of the record where that is another one.
SIZES: dict[str, tuple[tuple[int, int], tuple[int, int]]] = {
    "wide.png": ((10000, 1), (10000, 1)),
    "high.png": ((1, 10000), (1, 10000)),
    "long.png": ((4000, 200), (4000, 200)),
    "tower.png": ((300, 3000), (300, 3000)),
    "dot.png": ((1, 1), (1, 1)),
    "smaller.png": ((300, 200), (600, 400)),
    "larger.png": ((1200, 800), (600, 400)),
    "stored.jpg": ((600, 400), (600, 400)),
    "seen.jpg": ((600, 400), (400, 600)),
    "picture.tiff": ((600, 400), (600, 400)),
    "missing.png": ((0, 0), (600, 400)),
    "damaged.png": ((600, 400), (600, 400)),
}
IDS = {name: i for i, name in enumerate(SIZES, 1)}


def make_picture(path: Path, size: tuple[int, int]) -> None:
    """Its left half is red, the other one green."""
    picture = Image.new("RGB", size, GREEN)
    picture.paste(RED, (0, 0, (size[0] + 1) // 2, size[1]))
    exif = Image.Exif()
    if path.suffix == ".jpg":
        exif[0x0112] = TURNED
    picture.save(path, exif=exif)


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Server]:
    folder = tmp_path_factory.mktemp("pictures")
    for name, (size, _) in SIZES.items():
        if name != "missing.png":
            make_picture(folder / name, size)
    (folder / "damaged.png").write_text("This is no picture.")
    made = [{"id": IDS[name], "file_name": name, "width": w, "height": h} for name, (_, (w, h)) in SIZES.items()]
    with serve_again(write_dataset(folder, [], made)) as server:
        yield server


@pytest.fixture
def visitor(visit: Visit, server: Server) -> Visitor:
    return visit(server.url, expected=["Failed to load resource"])


class Place:
    """Where the pixels of a fitted picture are, of a record with that size."""

    def __init__(self, visitor: Visitor, size: tuple[int, int]) -> None:
        box = visitor.page.locator(".canvas").bounding_box()
        assert box is not None
        self.page = visitor.page
        self.scale = min((box["width"] - 24) / size[0], (box["height"] - 24) / size[1])
        self.left = box["x"] + (box["width"] - size[0] * self.scale) / 2
        self.top = box["y"] + (box["height"] - size[1] * self.scale) / 2

    def at(self, x: float, y: float) -> tuple[float, float]:
        return self.left + x * self.scale, self.top + y * self.scale

    def colour(self, x: float, y: float) -> str:
        """What is seen there: red, green or something else."""
        left, top = self.at(x, y)
        clip: Any = {"x": round(left), "y": round(top), "width": 1, "height": 1}
        pixel = Image.open(io.BytesIO(self.page.screenshot(clip=clip))).convert("RGB").getpixel((0, 0))
        assert isinstance(pixel, tuple)
        near = {
            name: max(abs(a - b) for a, b in zip(pixel, colour, strict=True))
            for name, colour in (("red", RED), ("green", GREEN))
        }
        return min(near, key=lambda name: near[name]) if min(near.values()) < 40 else "something else"


def notices(visitor: Visitor) -> Any:
    return visitor.page.locator(".notice")


def test_a_picture_fits_into_the_window_however_long_it_is(visitor: Visitor, server: Server) -> None:
    for name in ("wide.png", "high.png", "long.png", "tower.png", "dot.png"):
        visitor.open_image(IDS[name])
        canvas = visitor.page.locator(".canvas").bounding_box()
        assert canvas is not None
        left, top = canvas["x"] + 2, canvas["y"] + 2
        mouse = visitor.page.mouse
        # From one corner of the canvas to the other one is all of the picture, where all of it is to be seen.
        visitor.press("b")
        mouse.move(left, top)
        mouse.down()
        mouse.move(left + 100, top + 100)
        mouse.move(left + canvas["width"] - 4, top + canvas["height"] - 4)
        mouse.up()
        expect(visitor.objects).to_have_count(1)
        visitor.answered()
        assert records(server, IDS[name])[0]["bbox"] == [0, 0, *SIZES[name][1]]
        expect(notices(visitor)).to_have_count(0)


def test_a_picture_of_another_size_than_its_records_is_not_stretched_and_that_is_said(
    visitor: Visitor, server: Server
) -> None:
    for name in ("smaller.png", "larger.png"):
        visitor.open_image(IDS[name])
        width, height = SIZES[name][0]
        expect(notices(visitor)).to_contain_text(f"{width} \u00d7 {height}, the dataset says 600 \u00d7 400")
        place = Place(visitor, (600, 400))
        # Its pixel is the record's pixel, from the left top on.
        assert place.colour(width / 2 - 60, 150) == "red"
        assert place.colour(width / 2 + 60 if name == "smaller.png" else 599, 150) == (
            "green" if width < 600 else "red"
        )
        assert place.colour(590, 395) == ("something else" if name == "smaller.png" else "red")


def test_a_picture_with_exif_is_shown_as_its_record_counts_pixels(visitor: Visitor) -> None:
    visitor.open_image(IDS["stored.jpg"])
    as_stored = Place(visitor, (600, 400))
    assert [as_stored.colour(x, y) for x, y in ((100, 200), (500, 100), (500, 390))] == ["red", "green", "green"]
    expect(notices(visitor)).to_have_count(0)
    visitor.open_image(IDS["seen.jpg"])
    as_seen = Place(visitor, (400, 600))
    assert [as_seen.colour(x, y) for x, y in ((100, 100), (300, 100), (200, 500))] == ["red", "red", "green"]
    expect(notices(visitor)).to_have_count(0)


def test_a_tiff_is_seen_and_can_be_drawn_on(visitor: Visitor, server: Server) -> None:
    visitor.open_image(IDS["picture.tiff"])
    place = Place(visitor, (600, 400))
    assert [place.colour(x, 200) for x in (100, 500)] == ["red", "green"]
    expect(notices(visitor)).to_have_count(0)
    visitor.press("b")
    for step, (x, y) in enumerate([(100, 100), (150, 150), (200, 180)]):
        visitor.page.mouse.move(*place.at(x, y))
        if step == 0:
            visitor.page.mouse.down()
    visitor.page.mouse.up()
    until(lambda: records(server, IDS["picture.tiff"]), "it is in the server")
    drawn = records(server, IDS["picture.tiff"])[0]["bbox"]
    assert [round(each) for each in drawn] == [100, 100, 100, 80]


def test_an_image_without_a_picture_says_so_and_can_be_annotated(visitor: Visitor, server: Server) -> None:
    for name in ("missing.png", "damaged.png"):
        visitor.open_image(IDS[name])
        expect(notices(visitor)).to_contain_text("The picture can't be shown")
        place = Place(visitor, (600, 400))
        visitor.press("p")
        for x, y in [(100, 300), (300, 300), (300, 390)]:
            visitor.page.mouse.click(*place.at(x, y))
        visitor.press("Enter")
        expect(visitor.objects).to_have_count(1)
        visitor.answered()
        (drawn,) = records(server, IDS[name])
        assert [round(each) for each in drawn["segmentation"][0]] == [100, 300, 300, 300, 300, 390]
