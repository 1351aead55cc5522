"""The hand of an annotator: gestures at random in the open image, each with what it means to the file.

A gesture gives its `Change`, or None where there was no room for it. What becomes of it is not known here.
"""

from __future__ import annotations

import math
import random
import time
from collections.abc import Callable, Mapping, Sequence
from typing import Any

from browser import Visitor
from day_model import COMPUTED, Change, Edit, Fields, Near, Shape, Token, View, value
from day_shapes import (
    ROUNDING,
    Handle,
    Point,
    Size,
    bounds,
    extent,
    handles,
    is_around,
    is_inside,
    is_known,
    kind_of,
    moved,
    new_box,
    new_polygon,
    reshaped,
    ring_of,
    rings,
    shift,
    with_ring,
)
from servers import until

_MARGIN = 12
_REACH = 8
"""Screen pixels within which something is under the pointer."""
_ROOM = 28
"""Screen pixels of an edge that has a handle in its middle."""

_IS_FREE = """async (places) => {
    // What a tool shows over the picture is there with the next frame.
    await new Promise((resolve) => requestAnimationFrame(() => setTimeout(resolve)));
    return places.every(([x, y]) => document.elementFromPoint(x, y)?.closest(".canvas") != null);
}"""


class Hand:
    """`categories` are those of the keys 1 to 9, `with_points` those that define keypoints."""

    def __init__(
        self, visitor: Visitor, rng: random.Random, categories: Mapping[int, str], with_points: set[int]
    ) -> None:
        self.visitor = visitor
        self._rng = rng
        self._names = dict(categories)
        self._keys = list(categories)[:9]
        self._plain = [each for each in self._keys if each not in with_points]
        self._category = self._keys[0]
        self._selected: Shape | None = None
        self._clicked = (0.0, (0.0, 0.0))
        self.image_id = 0
        self.frame: Size = (1, 1)
        self.view: View = {}
        self._box: Mapping[str, float] = {}

    # Looking

    def page_loaded(self) -> None:
        """What was chosen before is forgotten."""
        self._category = self._keys[0]

    def look(self, image: Mapping[str, Any], view: View) -> None:
        """Look at an image that was opened, or at what became of it."""
        self.image_id, self.frame = int(image["id"]), (int(image["width"]), int(image["height"]))
        self.view = view
        self._selected = None
        box = self.visitor.page.locator(".canvas").bounding_box()
        assert box is not None
        self._box = {side: float(box[side]) for side in ("x", "y", "width", "height")}

    @property
    def _zoom(self) -> float:
        room = self._box["width"] - 2 * _MARGIN, self._box["height"] - 2 * _MARGIN
        return min(room[0] / self.frame[0], room[1] / self.frame[1])

    def _place(self, point: Point) -> tuple[int, int]:
        """The pixel of the window that is nearest to the picture's."""
        middle = self._box["x"] + self._box["width"] / 2, self._box["y"] + self._box["height"] / 2
        return (
            round(middle[0] + (point[0] - self.frame[0] / 2) * self._zoom),
            round(middle[1] + (point[1] - self.frame[1] / 2) * self._zoom),
        )

    def _pixel(self, place: Point) -> Point:
        """The picture's pixel at a place of the window."""
        middle = self._box["x"] + self._box["width"] / 2, self._box["y"] + self._box["height"] / 2
        return (
            self.frame[0] / 2 + (place[0] - middle[0]) / self._zoom,
            self.frame[1] / 2 + (place[1] - middle[1]) / self._zoom,
        )

    def _near(self, one: Point, other: Point) -> float:
        """How far apart two pixels of the picture are on the screen."""
        return math.hypot(one[0] - other[0], one[1] - other[1]) * self._zoom

    def _somewhere(self, margin: float = 0.0) -> tuple[int, int]:
        width, height = self.frame
        return self._place(
            (self._rng.uniform(margin, width - margin), self._rng.uniform(margin, height - margin))
        )  # fmt: skip

    # Gestures

    def act(self) -> Change | None:
        """Anything that an annotator does."""
        gestures: list[tuple[Callable[[], Change | None], int]] = [
            (self.draw_box, 4),
            (self.draw_polygon, 3),
            (self.add_part, 2),
            (self.drag, 5),
            (self.drag_handle, 6),
            (self.remove_corner, 2),
            (self.add_corner, 2),
            (self.delete, 3),
            (self.relabel, 3),
            (self.nudge, 4),
            (self.type_number, 3),
            (self.nudge_all, 1),
            (self.relabel_all, 1),
            (self.delete_all, 1),
        ]
        gesture = self._rng.choices([each for each, _ in gestures], [weight for _, weight in gestures])[0]
        return gesture()

    def draw_box(self) -> Change | None:
        """Some begin or end beside the picture."""
        self._choose_next_category()
        self.visitor.press("b")
        width, height = self.frame
        start = self._pixel(self._somewhere())
        end = start[0] + self._rng.uniform(-0.4, 0.4) * width, start[1] + self._rng.uniform(-0.4, 0.4) * height
        one, other = self._place(start), self._within(self._place(end))
        if abs(one[0] - other[0]) < 14 or abs(one[1] - other[1]) < 14 or not self._is_free(one, other):
            return None
        fields = new_box(self.image_id, self._category, self._pixel(one), self._pixel(other), self.frame)
        if min(value(side) for side in fields["bbox"][2:]) < 2:
            return None
        self._drag(one, other)
        return self._drawn(fields)

    def draw_polygon(self) -> Change | None:
        self._choose_next_category()
        self.visitor.press("p")
        corners = self._click_ring()
        if corners is None:
            return None
        self.visitor.press("Enter")
        return self._drawn(new_polygon(self.image_id, self._category, corners))

    def add_part(self) -> Change | None:
        shape = self._any("polygon")
        if shape is None or not self._select(shape):
            return None
        self.visitor.press("a")
        corners = self._click_ring()
        if corners is None:
            self.visitor.press("v")
            return None
        self.visitor.press("Enter")
        parts = [*self.view[shape].fields["segmentation"], ring_of(corners)]
        self._selected = None
        return self._updated(shape, {"segmentation": parts, "bbox": COMPUTED, "area": COMPUTED})

    def drag(self) -> Change | None:
        """The whole of a shape."""
        shape = self._any()
        if shape is None or not self._select(shape) or (start := self._ground(shape)) is None:
            return None
        fields = self.view[shape].fields
        end = self._within((start[0] + self._step(), start[1] + self._step()))
        by = (end[0] - start[0]) / self._zoom, (end[1] - start[1]) / self._zoom
        if kind_of(fields) == "mask" and any(abs(each % 1 - 0.5) < 0.1 for each in by):
            return None
        if not self._is_free(end) or not self._moves(fields, by):
            return None
        self._drag(start, end)
        return self._updated(shape, moved(fields, (round(by[0], 2), round(by[1], 2)), self.frame, ROUNDING))

    def drag_handle(self) -> Change | None:
        """A corner, the middle of an edge, or a keypoint."""
        shape = self._any()
        if shape is None or not self._select(shape):
            return None
        fields = self.view[shape].fields
        found = [each for each in handles(fields) if self._can_grip(shape, each)]
        if not found:
            return None
        handle = self._rng.choice(found)
        start = self._place(handle.at)
        end = self._within((start[0] + self._step(), start[1] + self._step()))
        by = (end[0] - start[0]) / self._zoom, (end[1] - start[1]) / self._zoom
        changes = reshaped(fields, handle, by, self.frame)
        if not self._is_free(end) or self._is_flat(changes):
            return None
        self._drag(start, end)
        return self._updated(shape, changes)

    def remove_corner(self) -> Change | None:
        shape = self._any("polygon")
        if shape is None or not self._select(shape):
            return None
        fields = self.view[shape].fields
        found = [each for each in handles(fields) if each.kind == "vertex" and self._can_grip(shape, each)]
        if not found:
            return None
        handle = self._rng.choice(found)
        parts = fields["segmentation"]
        if len(parts[handle.ring]) == 6 and len(parts) == 1:
            return None
        mouse, place = self.visitor.page.mouse, self._place(handle.at)
        self._wait_for_no_double_click(place)
        if self._rng.random() < 0.5:
            mouse.click(*place, button="right")
        else:
            self.visitor.page.keyboard.down("Alt")
            mouse.click(*place)
            self.visitor.page.keyboard.up("Alt")
        self._clicked = (time.monotonic(), place)
        if len(parts[handle.ring]) == 6:
            rest = [part for i, part in enumerate(parts) if i != handle.ring]
            return self._updated(shape, {"segmentation": rest, "bbox": COMPUTED, "area": COMPUTED})
        return self._updated(shape, with_ring(fields, handle.ring, 2 * handle.index, 2, []))

    def add_corner(self) -> Change | None:
        """By a double click on an edge."""
        shape = self._any("polygon")
        if shape is None or not self._select(shape):
            return None
        fields = self.view[shape].fields
        edges = [each for each in handles(fields) if each.kind == "middle" and each.room * self._zoom > 40]
        self._rng.shuffle(edges)
        for edge in edges:
            ring = rings(fields)[edge.ring]
            one, other = ring[edge.index], ring[(edge.index + 1) % len(ring)]
            place = self._place((0.7 * one[0] + 0.3 * other[0], 0.7 * one[1] + 0.3 * other[1]))
            at = _on_line(self._pixel(place), one, other)
            if (
                not self._is_alone(shape, place)
                or not self._is_free(place)
                or not self._is_nearest(fields, edge, place)
            ):
                continue
            self._wait_for_no_double_click(place)
            self.visitor.page.mouse.dblclick(*place)
            self._clicked = (time.monotonic(), place)
            numbers = [Near(at[0], ROUNDING), Near(at[1], ROUNDING)]
            return self._updated(shape, with_ring(fields, edge.ring, 2 * edge.index + 2, 0, numbers))
        return None

    def delete(self) -> Change | None:
        shape = self._any()
        if shape is None or not self._select(shape):
            return None
        self.visitor.press(self._rng.choice(["Delete", "Backspace"]))
        self._selected = None
        return Change(self.image_id, [Edit("delete", shape)])

    def relabel(self) -> Change | None:
        shape = self._any()
        if shape is None or not self._select(shape):
            return None
        category = self._rng.choice(self._others([shape]))
        self._take_category(category)
        return self._updated(shape, {"category_id": Token(category)})

    def nudge(self) -> Change | None:
        shape = self._any()
        if shape is None or not self._select(shape):
            return None
        return self._nudge([shape])

    def type_number(self) -> Change | None:
        shape = self._any("box")
        if shape is None or not self._select(shape):
            return None
        fields = self.view[shape].fields
        left, top, right, bottom = bounds(fields)
        if left < 0 or top < 0 or right > self.frame[0] or bottom > self.frame[1]:
            return None
        which = self._rng.randrange(4)
        most = [
            self.frame[0] - (right - left),
            self.frame[1] - (bottom - top),
            self.frame[0] - left,
            self.frame[1] - top,
        ]
        number = round(self._rng.uniform(2, max(2.0, most[which])), self._rng.choice([0, 1, 3]))
        if not 2 <= number <= most[which] or abs(number - value(fields["bbox"][which])) < 0.5:
            return None
        field = self.visitor.page.locator(f"[data-field={'xywh'[which]}]")
        # No hand is so quick that it types before it sees what was selected.
        shown = value(fields["bbox"][which])
        until(lambda: abs(float(field.input_value() or math.inf) - shown) < 3 * ROUNDING, "its numbers are shown")
        field.fill(f"{number:g}" if number % 1 else str(int(number)))
        field.press("Enter")
        field.press("Escape")
        box = list(fields["bbox"])
        box[which] = Near(float(f"{number:g}") if number % 1 else number, 0)
        return self._updated(shape, {"bbox": box, "segmentation": [], "area": COMPUTED})

    def nudge_all(self) -> Change | None:
        return self._nudge(self._select_all()) if self.view else None

    def relabel_all(self) -> Change | None:
        if not self.view:
            return None
        shapes = self._select_all()
        category = self._rng.choice(self._plain)
        self._take_category(category)
        others = [each for each in shapes if value(self.view[each].fields["category_id"]) != category]
        edits = [Edit("update", each, {"category_id": Token(category)}) for each in others]
        return Change(self.image_id, edits) if edits else None

    def delete_all(self) -> Change | None:
        if not self.view:
            return None
        shapes = self._select_all()
        self.visitor.press("Delete")
        return Change(self.image_id, [Edit("delete", each) for each in shapes])

    # Parts of gestures

    def _any(self, kind: str | None = None) -> Shape | None:
        found = [each for each, version in self.view.items() if kind in (None, kind_of(version.fields))]
        return self._rng.choice(found) if found else None

    def _updated(self, shape: Shape, changes: Fields) -> Change:
        return Change(self.image_id, [Edit("update", shape, changes)])

    def _drawn(self, fields: Fields) -> Change:
        self._selected = None
        return Change(self.image_id, [Edit("add", Shape(self.image_id), fields)])

    def _others(self, shapes: Sequence[Shape]) -> list[int]:
        taken = {int(value(self.view[each].fields["category_id"])) for each in shapes}
        return [each for each in self._plain if each not in taken]

    def _choose_next_category(self) -> None:
        """Of what is drawn next; nothing is selected then."""
        self.visitor.press("v")
        if self.view:
            self.visitor.press("Control+a", "Escape")
        self._selected = None
        if self._rng.random() < 0.5:
            self._category = self._rng.choice(self._plain)
            self._take_category(self._category)

    def _take_category(self, category: int) -> None:
        """By its key, or by its name."""
        if self._rng.random() < 0.7:
            self.visitor.press(str(self._keys.index(category) + 1))
            return
        page = self.visitor.page
        self.visitor.press("/")
        dialog = page.locator("dialog[open]")
        dialog.locator("input").fill(self._names[category])
        self.visitor.press("Enter")
        dialog.wait_for(state="detached")

    def _select_all(self) -> list[Shape]:
        self.visitor.press("v", "Control+a")
        self._selected = None
        return list(self.view)

    def _select(self, shape: Shape) -> bool:
        """By a click on it where it lies on top, else in the list."""
        self.visitor.press("v")
        if self._selected is shape:
            return True
        fields = self.view[shape].fields
        for _ in range(12):
            place = self._inside(fields)
            if (
                place
                and self._is_alone(shape, place)
                and is_inside(fields, self._pixel(place))
                and self._is_free(place)
            ):
                self._wait_for_no_double_click(place)
                self.visitor.page.mouse.click(*place)
                self._clicked = (time.monotonic(), place)
                self._selected = shape
                return True
        row = self.visitor.page.locator(f'.objects button.name[title$=", id {shape.id}"]')
        if shape.id is None or row.count() != 1:
            return False
        row.click()
        # In the list, arrows go from row to row. It has moved the picture so that the shape is seen.
        self.visitor.page.locator(".canvas").focus()
        self.visitor.press("0")
        self._selected = shape
        return True

    def _inside(self, fields: Fields) -> tuple[int, int] | None:
        left, top, right, bottom = bounds(fields)
        left, top = max(left, 1), max(top, 1)
        right, bottom = min(right, self.frame[0] - 1), min(bottom, self.frame[1] - 1)
        if right <= left or bottom <= top:
            return None
        place = self._place((self._rng.uniform(left, right), self._rng.uniform(top, bottom)))
        return place if is_around((1, 1, self.frame[0] - 1, self.frame[1] - 1), self._pixel(place), 0) else None

    def _is_alone(self, shape: Shape, place: Point) -> bool:
        """Whether no smaller shape is under the pointer."""
        point, size = self._pixel(place), extent(self.view[shape].fields)
        reach = _REACH / self._zoom
        return not any(
            other is not shape
            and is_around(bounds(version.fields), point, reach)
            and extent(version.fields) <= size * 1.02
            for other, version in self.view.items()
        )

    def _ground(self, shape: Shape) -> tuple[int, int] | None:
        """A place to drag the whole of a shape by: in it, and no handle near."""
        fields = self.view[shape].fields
        for _ in range(20):
            place = self._inside(fields)
            if not place or not is_inside(fields, self._pixel(place)) or not self._is_free(place):
                continue
            point = self._pixel(place)
            if all(self._near(point, each.at) > _REACH + 2 for each in handles(fields)):
                return place
        return None

    def _can_grip(self, shape: Shape, handle: Handle) -> bool:
        """Whether a press at the handle takes this one and no other."""
        fields = self.view[shape].fields
        if handle.kind in ("middle", "edge") and handle.room * self._zoom < _ROOM + 1:
            return False
        place = self._place(handle.at)
        left, top, right, bottom = bounds(fields)
        if min(right - left, bottom - top) * self._zoom < 12 or not self._is_free(place):
            return False
        others = [each for each in handles(fields) if each != handle]
        return all(self._near(self._pixel(place), each.at) > 4 for each in others) and is_around(
            (0, 0, *self.frame), self._pixel(place), 2
        )

    def _is_nearest(self, fields: Fields, edge: Handle, place: Point) -> bool:
        point = self._pixel(place)
        if any(self._near(point, each.at) < _REACH + 2 for each in handles(fields) if each.kind != "middle"):
            return False
        for number, ring in enumerate(rings(fields)):
            for index, one in enumerate(ring):
                other = ring[(index + 1) % len(ring)]
                is_edge = (number, index) == (edge.ring, edge.index)
                if not is_edge and self._near(point, _on_line(point, one, other)) < 4:
                    return False
        return True

    def _nudge(self, shapes: Sequence[Shape]) -> Change | None:
        arrows = {"ArrowLeft": (-1, 0), "ArrowRight": (1, 0), "ArrowUp": (0, -1), "ArrowDown": (0, 1)}
        key, (dx, dy) = self._rng.choice(list(arrows.items()))
        times = self._rng.choice([1, 10])
        by: Point = (dx * times, dy * times)
        versions = [self.view[each] for each in shapes]
        for version in versions:
            by = shift(bounds(version.fields), by, self.frame)
        known = all(is_known(version.fields) for version in versions)
        # Whether it moves at all can't be told where an edge is nearly reached by what is not answered yet.
        if not known and 0 < max(map(abs, by)) < 1 and times == 1:
            return None
        self.visitor.press(f"Shift+{key}" if times == 10 else key)
        if max(map(abs, by)) < 1e-8:
            return None
        # By whole pixels exactly; the rest of one up to the picture's edge is rounded as all that a hand makes.
        give = 2 * ROUNDING if not known or sum(by) % 1 else 1e-7
        edits = [Edit("update", each, moved(self.view[each].fields, by, self.frame, give)) for each in shapes]
        return Change(self.image_id, edits)

    def _moves(self, fields: Fields, by: Point) -> bool:
        """Whether the picture's edge lets the shape go far enough to be sure of it."""
        dx, dy = shift(bounds(fields), by, self.frame)
        return math.hypot(dx, dy) > 1

    def _is_flat(self, changes: Fields) -> bool:
        if "bbox" in changes and isinstance(changes["bbox"], list):
            return min(value(side) for side in changes["bbox"][2:]) < 2
        if changes.get("segmentation"):
            return any(_area(ring) < 4 for ring in rings(changes))
        return False

    def _click_ring(self) -> list[Point] | None:
        """Click the corners of a ring that does not cross itself, too far apart to be double clicks."""
        width, height = self.frame
        middle = self._pixel(self._somewhere(min(self.frame) * 0.2))
        corners = self._rng.randint(3, 7)
        far = self._rng.uniform(0.1, 0.35) * min(width, height)
        angles = [2 * math.pi * (i + self._rng.uniform(-0.25, 0.25)) / corners for i in range(corners)]
        places = [
            self._place((middle[0] + math.cos(angle) * far, middle[1] + math.sin(angle) * far)) for angle in angles
        ]
        points = [self._pixel(place) for place in places]
        inside = all(is_around((0, 0, width, height), point, 0) for point in points)
        apart = all(
            self._near(one, other) > 2 * _REACH + 2
            for i, one in enumerate(points)
            for other in points[i + 1 :]
        )  # fmt: skip
        if not inside or not apart or not self._is_free(*places):
            return None
        self._wait_for_no_double_click(places[0])
        for place in places:
            self.visitor.page.mouse.click(*place)
        self._clicked = (time.monotonic(), places[-1])
        return points

    def _step(self) -> int:
        return self._rng.choice([-1, 1]) * self._rng.randint(8, 90)

    def _within(self, place: Point) -> tuple[int, int]:
        """The nearest place on the canvas, which is larger than the picture."""
        left, top = self._box["x"], self._box["y"]
        right, bottom = left + self._box["width"] - 2, top + self._box["height"] - 2
        return round(min(right, max(left + 2, place[0]))), round(min(bottom, max(top + 2, place[1])))

    def _is_free(self, *places: Point) -> bool:
        """Whether nothing is over the canvas there."""
        free: bool = self.visitor.page.evaluate(_IS_FREE, [list(place) for place in places])
        return free

    def _drag(self, start: Point, end: Point) -> None:
        mouse = self.visitor.page.mouse
        mouse.move(*start)
        mouse.down()
        mouse.move((start[0] + end[0]) / 2, (start[1] + end[1]) / 2)
        mouse.move(*end)
        mouse.up()

    def _wait_for_no_double_click(self, place: Point) -> None:
        when, where = self._clicked
        if math.hypot(place[0] - where[0], place[1] - where[1]) < 3 * _REACH:
            left = 0.5 - (time.monotonic() - when)
            if left > 0:
                self.visitor.page.wait_for_timeout(left * 1000)


def _on_line(point: Point, one: Point, other: Point) -> Point:
    dx, dy = other[0] - one[0], other[1] - one[1]
    length = dx * dx + dy * dy
    along = min(1.0, max(0.0, ((point[0] - one[0]) * dx + (point[1] - one[1]) * dy) / length)) if length else 0.0
    return one[0] + along * dx, one[1] + along * dy


def _area(ring: Sequence[Point]) -> float:
    return abs(sum(ring[i - 1][0] * ring[i][1] - ring[i][0] * ring[i - 1][1] for i in range(len(ring)))) / 2
