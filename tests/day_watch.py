"""What a page is told by the server: until when it knows an image, how its undos went, what was refused."""

from __future__ import annotations

import re
from collections import defaultdict
from collections.abc import Callable
from typing import Any
from urllib.parse import urlsplit

from browser import Visitor
from servers import until

LIMIT = 60.0
"""Seconds; after an outage a page waits longer and longer before it tries again."""

_LIST = re.compile(r"^/api/images/(\d+)/annotations$")
_UNDO = re.compile(r"^/api/changes/\d+/undo$")
_FRAMES = "() => new Promise((done) => requestAnimationFrame(() => requestAnimationFrame(done)))"


class Watch:
    """Listens to the answers that a visitor's page gets."""

    def __init__(self, visitor: Visitor) -> None:
        self.visitor = visitor
        self._known: dict[int, int] = defaultdict(lambda: -1)
        self._own = -1
        self._undos: dict[str, int] = {}
        self.log: list[str] = []
        self.refused: list[tuple[str, str, int]] = []
        visitor.page.on("response", lambda response: self._take(response.request, response))

    @property
    def undos(self) -> list[int]:
        """The status of each undo and redo that was answered, in order."""
        return list(self._undos.values())

    def knows(self, image_id: int) -> int:
        """The revision until which the page knows the annotations of an image."""
        return max(self._known[image_id], self._own)

    def pumped(self, look: Callable[[], Any], what: str) -> None:
        """As `until`; the page's events arrive meanwhile."""

        def after_a_while() -> Any:
            self.visitor.page.wait_for_timeout(20)
            return look()

        until(after_a_while, what, LIMIT)

    def rest(self) -> None:
        """Until what has arrived is on the screen."""
        self.visitor.page.evaluate(_FRAMES)

    def _take(self, request: Any, response: Any) -> None:
        path, status, headers = urlsplit(request.url).path, response.status, response.headers
        revisions = f"{headers.get('x-dataset-revision')} {headers.get('x-change-revision')}"
        self.log.append(f"{request.method} {path} {status} {revisions} {(request.post_data or '')[:300]}")
        if status >= 400:
            self.refused.append((request.method, path, status))
        if _UNDO.match(path) and status in (200, 404, 409):
            self._undos[request.headers["idempotency-key"]] = status
        elif found := _LIST.match(path):
            self._known[int(found[1])] = max(self._known[int(found[1])], int(headers.get("x-dataset-revision", -1)))
        elif path.endswith("/batch") and "x-change-revision" in headers:
            self._own = max(self._own, int(headers["x-change-revision"]))
