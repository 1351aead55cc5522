"""Fingers on the picture of a page that is open in a browser. The mouse and the keys are Playwright's."""

from __future__ import annotations

from browser import Visitor
from playwright.sync_api import CDPSession

WINDOW = {"width": 1288, "height": 734}
"""Buttons are larger for fingers: in this window the picture is as large as everywhere."""

Pixel = tuple[float, float]


class Hand:
    """Fingers on the picture of a visitor."""

    def __init__(self, visitor: Visitor) -> None:
        self._visitor = visitor
        self._device: CDPSession = visitor.page.context.new_cdp_session(visitor.page)
        # Asked for at each move, a finger would rest meanwhile, and for too long on a busy machine.
        self._origin: Pixel | None = None

    def _send(self, kind: str, *fingers: Pixel) -> None:
        left, top = self._origin = self._origin or self._visitor.at(0, 0)
        if not fingers:
            self._origin = None
        points = [{"x": left + x, "y": top + y, "id": i} for i, (x, y) in enumerate(fingers)]
        self._device.send("Input.dispatchTouchEvent", {"type": kind, "touchPoints": points})

    def down(self, *fingers: Pixel) -> None:
        self._send("touchStart", *fingers)

    def move(self, *fingers: Pixel) -> None:
        self._send("touchMove", *fingers)

    def up(self) -> None:
        self._send("touchEnd")

    def lose(self) -> None:
        """The system takes the touch for something of its own."""
        self._send("touchCancel")

    def tap(self, finger: Pixel) -> None:
        self.down(finger)
        self.up()
