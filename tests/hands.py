"""What a hand does for thirteen tasks on the page: clicks, keys and the pointer's way, counted in a real browser.

`make hands` prints the rows for docs/hands.md. A drag is one click. A key with Ctrl, Shift or Alt is one,
and so is such a key that is held for a click. The way begins in the middle of the picture and is straight from place to
place, in pixels of a window of 1280 x 720.
"""

from __future__ import annotations

import json
import math
import tempfile
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
from browser import PICTURE, Visitor, browser, images, pumped, records, write_dataset
from pixels import decoded, encoded
from playwright.sync_api import Locator, expect
from servers import Server, until
from windows import serve_again

Place = tuple[float, float]

MANY = 1203
POINTS = 17
CROWDED, COPIED, EMPTY = 1, 2, 3
"""The images with 30 shapes of one category, with ten boxes, and with nothing; one after another."""
ONE = 4
"""The image with a polygon, a box and a mask."""

CATEGORIES: list[dict[str, Any]] = [
    {"id": 1, "name": "person", "keypoints": [f"point {i}" for i in range(1, POINTS + 1)], "skeleton": [[1, 2]]},
    *({"id": i, "name": f"thing {i:04d}"} for i in range(2, MANY + 1)),
]


class Count(NamedTuple):
    clicks: int
    keys: int
    way: int


class Hand:
    """A hand that counts. Places are pixels of the picture, or what is to be clicked on the page."""

    def __init__(self, visitor: Visitor) -> None:
        self.visitor = visitor
        self.clicks = self.keys = 0
        self.way = 0.0
        self._at = visitor.at(PICTURE[0] / 2, PICTURE[1] / 2)

    @property
    def count(self) -> Count:
        return Count(self.clicks, self.keys, round(self.way))

    def go(self, place: Place | Locator) -> None:
        """Move the pointer there."""
        to = self._place(place)
        self.way += math.dist(self._at, to)
        self._at = to
        self.visitor.page.mouse.move(*to)

    def click(self, place: Place | Locator, *, button: Any = "left", held: str | None = None) -> None:
        """Click there, with a key held where it is given."""
        self.go(place)
        if held:
            self.visitor.page.keyboard.down(held)
            self.keys += 1
        self.visitor.page.mouse.down(button=button)
        self.visitor.page.mouse.up(button=button)
        if held:
            self.visitor.page.keyboard.up(held)
        self.clicks += 1

    def drag(self, start: Place, end: Place, *, held: str | None = None) -> None:
        """Press at one place and let go at the other."""
        self.go(start)
        if held:
            self.visitor.page.keyboard.down(held)
            self.keys += 1
        self.visitor.page.mouse.down()
        self.go(((start[0] + end[0]) / 2, (start[1] + end[1]) / 2))
        self.go(end)
        self.visitor.page.mouse.up()
        if held:
            self.visitor.page.keyboard.up(held)
        self.clicks += 1

    def press(self, *keys: str) -> None:
        """Press keys one after another."""
        for key in keys:
            self.visitor.page.keyboard.press(key)
            self.keys += 1

    def type(self, text: str) -> None:
        """Each letter is a key."""
        self.press(*text)

    def _place(self, place: Place | Locator) -> Place:
        if isinstance(place, tuple):
            return self.visitor.at(*place)
        box = place.bounding_box()
        assert box is not None, place
        return box["x"] + box["width"] / 2, box["y"] + box["height"] / 2


class Task(NamedTuple):
    """`act` does it, `shows` tells from the image's annotations whether it was done."""

    title: str
    image: int
    act: Callable[[Hand], None]
    shows: Callable[[list[dict[str, Any]]], bool]
    ends_on: int | None = None


def _boxes(hand: Hand) -> None:
    hand.press("b")
    for i in range(5):
        hand.drag((100 + 120 * i, 400), (180 + 120 * i, 480))


def _categories(hand: Hand) -> None:
    hand.press("b")
    for i in range(3):
        hand.press(str(i + 1))
        hand.drag((100 + 120 * i, 400), (180 + 120 * i, 480))


def _outline(hand: Hand) -> None:
    hand.press("p")
    for i in range(20):
        turn = 2 * math.pi * i / 20
        hand.click((450 + 200 * math.cos(turn), 350 + 120 * math.sin(turn)))
    hand.press("Enter")


def _correct(hand: Hand) -> None:
    hand.click((200, 200))
    hand.drag((300, 300), (330, 330))
    hand.drag((200, 100), (200, 70))
    hand.click((100, 300), button="right")


def _mask(hand: Hand) -> None:
    hand.click((700, 500))
    hand.press("r")
    hand.drag((760, 505), (860, 505))
    hand.drag((620, 480), (660, 480), held="Control")


def _keypoints(hand: Hand) -> None:
    hand.press("k")
    for i in range(POINTS - 1):
        hand.click((200 + 30 * i, 150 + 20 * (i % 7)), button="right" if i in (3, 8) else "left")
    hand.press("s")


def _relabel(hand: Hand) -> None:
    hand.click((70, 70))
    hand.press("Control+Shift+a", "2")


def _move(hand: Hand) -> None:
    hand.drag((40, 80), (680, 240), held="Shift")
    hand.drag((120, 130), (140, 150))


def _copy(hand: Hand) -> None:
    hand.visitor.page.evaluate("performance.clearMeasures('image')")
    hand.press("f")
    hand.visitor.painted()
    hand.press("Alt+r")


def _delete(hand: Hand) -> None:
    hand.drag((40, 80), (680, 240), held="Shift")
    hand.press("Delete")


def _find(hand: Hand) -> None:
    hand.click((560, 330))
    hand.press("/")
    expect(hand.visitor.page.get_by_role("combobox", name="Category")).to_be_focused()
    hand.type("0942")
    hand.press("Enter")


def _crowd(hand: Hand) -> None:
    hand.click((560, 330))
    hand.press("Shift+c")


def _number(hand: Hand) -> None:
    hand.click((560, 330))
    hand.click(hand.visitor.page.get_by_label("Width", exact=True))
    hand.press("Control+a")
    hand.type("125")
    hand.press("Enter")


def _has(count: int) -> Callable[[list[dict[str, Any]]], bool]:
    return lambda found: len(found) == count


def _copied(found: list[dict[str, Any]]) -> bool:
    return [each["bbox"] for each in found] == [each["bbox"] for each in _ten(COPIED, 0)]


def _corrected(found: list[dict[str, Any]]) -> bool:
    pixels = decoded(found[2]["segmentation"])
    return bool(pixels[505, 850]) and not pixels[480, 640]


TASKS = {
    "boxes": Task("draw 5 boxes of one category", EMPTY, _boxes, _has(5)),
    "categories": Task(
        "draw 3 boxes, each of another category",
        EMPTY,
        _categories,
        lambda found: [each["category_id"] for each in found] == [1, 2, 3],
    ),
    "outline": Task(
        "outline a car with 20 corners",
        EMPTY,
        _outline,
        lambda found: [len(each["segmentation"][0]) for each in found] == [40],
    ),
    "correct": Task(
        "move one corner of a polygon, add one, remove one",
        ONE,
        _correct,
        lambda found: found[0]["segmentation"] == [[100, 100, 200, 70, 300, 100, 330, 330]],
    ),
    "mask": Task("correct a mask: a stroke more, a stroke less", ONE, _mask, _corrected),
    "keypoints": Task(
        "place 17 keypoints, 2 hidden, 1 not there",
        EMPTY,
        _keypoints,
        lambda found: [sorted(each["keypoints"][2::3]) for each in found] == [[0, 1, 1] + [2] * 14],
    ),
    "relabel": Task(
        "relabel 30 shapes of one category",
        CROWDED,
        _relabel,
        lambda found: {each["category_id"] for each in found} == {2},
    ),
    "move": Task(
        "move 10 boxes together", COPIED, _move, lambda found: all(each["bbox"][1] in (120, 200) for each in found)
    ),
    "copy": Task("copy 10 boxes to the next image", COPIED, _copy, _copied, ends_on=EMPTY),
    "delete": Task("delete 10 boxes together", COPIED, _delete, _has(0)),
    "find": Task("give a shape one of 1,203 categories", ONE, _find, lambda found: found[1]["category_id"] == 942),
    "crowd": Task("mark a shape as a crowd", ONE, _crowd, lambda found: found[1]["iscrowd"] == 1),
    "number": Task("give a box a width by number", ONE, _number, lambda found: found[1]["bbox"][2] == 125),
}


def _ten(image: int, first: int) -> list[dict[str, Any]]:
    return [
        _box(first + i, image, [60 + 120 * (i % 5), 100 + 80 * (i // 5), 100, 50]) for i in range(10)
    ]  # fmt: skip


def _box(annotation_id: int, image: int, bbox: list[int]) -> dict[str, Any]:
    area = bbox[2] * bbox[3]
    return {
        "id": annotation_id,
        "image_id": image,
        "category_id": 1,
        "bbox": bbox,
        "area": area,
        "segmentation": [],
        "iscrowd": 0,
    }


@contextmanager
def served(folder: Path) -> Iterator[Server]:
    """A server of the images that the tasks are done on."""
    crowded = [_box(100 + i, CROWDED, [50 + 80 * (i % 10), 50 + 80 * (i // 10), 60, 60]) for i in range(30)]
    square = {"id": 300, "image_id": ONE, "category_id": 1, "iscrowd": 0, "area": 40000, "bbox": [100, 100, 200, 200]}
    square["segmentation"] = [[100, 100, 300, 100, 300, 300, 100, 300]]
    pixels = np.zeros(PICTURE[::-1], np.uint8)
    pixels[450:560, 600:800] = 1
    mask = {**_box(302, ONE, [600, 450, 200, 110]), "segmentation": encoded(pixels)}
    annotations = [*crowded, *_ten(COPIED, 200), square, _box(301, ONE, [500, 300, 120, 90]), mask]
    texts = [json.dumps(each) for each in annotations]
    with serve_again(write_dataset(folder, texts, images(4), CATEGORIES)) as server:
        yield server


def do(task: Task, visitor: Visitor, server: Server) -> Count:
    """Do a task, see that it is done, take it back, and tell what it took."""
    ends_on = task.ends_on or task.image
    before, revision = records(server, ends_on), _revision(server)
    visitor.open_image(task.image)
    hand = Hand(visitor)
    task.act(hand)
    pumped(visitor.page, lambda: task.shows(records(server, ends_on)), task.title)
    visitor.answered()
    for _ in range(_revision(server) - revision):
        visitor.page.locator(".canvas").focus()
        visitor.press("Control+z")
    until(lambda: records(server, ends_on) == before, f"it is taken back: {task.title}")
    return hand.count


def _revision(server: Server) -> int:
    revision: int = server.request("GET", "/api/status").body["revision"]["memory"]
    return revision


def row(task: Task, count: Count) -> str:
    """The first columns of the table."""
    return f"| {task.title} | {count.clicks} | {count.keys} | {count.way:,} |"


def main() -> None:
    """Do all tasks, print a row for each."""
    with tempfile.TemporaryDirectory() as folder, served(Path(folder)) as server, browser() as chromium:
        for task in TASKS.values():
            context = chromium.new_context(viewport={"width": 1280, "height": 720})
            print(row(task, do(task, Visitor(context.new_page(), server.url), server)))
            context.close()


if __name__ == "__main__":
    main()
