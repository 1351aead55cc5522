"""People who work on one dataset by scripts, each in a thread, and write down what they were told that was done.

Each change has a key, and is sent again with it until there is an answer, however often the server goes.
"""

from __future__ import annotations

import http.client
import json
import random
import threading
from collections import Counter
from collections.abc import Callable, Sequence
from contextlib import closing, suppress
from typing import Any, NamedTuple
from urllib.parse import urlsplit

from lives import Place
from servers import Reply, connect, read_reply

Edit = tuple[str, int, str]
"""A section, an id, and `add`, `update` or `delete`."""


class Done(NamedTuple):
    """A change that was acknowledged: its revision, what it did, and the new ETag of a record where it was told."""

    revision: int
    edits: list[Edit]
    etag: str | None


class Person(threading.Thread):
    """Works until told to stop. `shared` are ids of annotations that everybody changes, `images` those of images."""

    def __init__(self, name: str, token: str, place: Place, shared: Sequence[int], images: Sequence[int]) -> None:
        super().__init__(name=name, daemon=True)
        self.log: list[Done] = []
        self.answers: Counter[int] = Counter()
        self.sent_again = self.replayed = 0
        self.error: BaseException | None = None
        self.rules = random.Random(name)
        self.shared = shared
        self.images = images
        self.mine: dict[int, str] = {}
        """The ids of annotations that they added, with their ETags."""
        self.stopped = threading.Event()
        self._token = token
        self._place = place
        self._requests = 0

    def run(self) -> None:
        try:
            while not self.stopped.wait(self.pause()):
                self.rules.choice(self.habits())()
        except BaseException as exc:
            self.error = exc
            raise

    # What they do, which is what tells them apart

    def pause(self) -> float:
        return self.rules.uniform(0.0, 0.1)

    def habits(self) -> list[Callable[[], object]]:
        return [self.add, self.add, self.add_two, self.move_mine, self.change_shared, self.delete_mine, self.undo]

    def add(self) -> None:
        reply = self.change("POST", "/api/annotations", self._box())
        assert reply.status == 201, reply.json
        self.mine[reply.json["id"]] = reply.headers["ETag"]
        self.note(reply, ("annotations", reply.json["id"], "add"))

    def add_two(self) -> None:
        operations = [{"op": "add", "annotation": self._box()} for _ in range(2)]
        reply = self.change("POST", "/api/annotations/batch", {"operations": operations})
        assert reply.status == 200, reply.json
        ids = [result["annotation"]["id"] for result in reply.json["results"]]
        self.note(reply, *[("annotations", annotation_id, "add") for annotation_id in ids], etag=False)

    def move_mine(self) -> None:
        if self.mine:
            annotation_id, etag = self.rules.choice(list(self.mine.items()))
            self._patch(annotation_id, {"If-Match": etag})

    def change_shared(self) -> None:
        self._patch(self.rules.choice(self.shared))

    def delete_mine(self) -> None:
        if self.mine:
            annotation_id = self.rules.choice(list(self.mine))
            reply = self.change("DELETE", f"/api/annotations/{annotation_id}")
            # Somebody else may have taken back what made it.
            assert reply.status in (204, 404), reply.json
            del self.mine[annotation_id]
            if reply.status == 204:
                self.note(reply, ("annotations", annotation_id, "delete"), etag=False)

    def undo(self) -> None:
        """Take back the last change of their own, where nothing later is in the way."""
        if self.log:
            self.undo_revision(self.log[-1].revision)

    def undo_revision(self, revision: int) -> None:
        reply = self.change("POST", f"/api/changes/{revision}/undo")
        assert reply.status in (200, 409), reply.json
        if reply.status == 200:
            assert reply.json["user"] == self.name
            self.note(reply, *[(each["section"], each["id"], each["op"]) for each in reply.json["edits"]], etag=False)

    def finish_an_image(self) -> None:
        """Be given an image, and say that it is done."""
        reply = self.ask("POST", f"/api/images/next?client={self.name}")
        if reply.status == 200:
            self.set_status(reply.json["id"], self.rules.choice(["done", "empty", "skipped"]))

    def set_status(self, image_id: int, status: str) -> None:
        reply = self.change("PUT", f"/api/images/{image_id}/status", {"status": status})
        assert reply.status in (200, 409), reply.json
        # Where it had that status already, nothing was changed.
        if reply.status == 200 and "X-Change-Revision" in reply.headers:
            self.note(reply, ("images", image_id, "update"))

    # How they do it

    def change(self, method: str, path: str, body: object = None, headers: dict[str, str] | None = None) -> Reply:
        """Ask for a change, again and again with the same key, until there is an answer."""
        self._requests += 1
        reply = self.ask(method, path, body, {**(headers or {}), "Idempotency-Key": f"{self.name}-{self._requests}"})
        self.replayed += "Idempotency-Replayed" in reply.headers
        return reply

    def ask(self, method: str, path: str, body: object = None, headers: dict[str, str] | None = None) -> Reply:
        """Send a request until there is an answer that is not about the server's coming and going."""
        data = b"" if body is None else json.dumps(body).encode()
        sent = {
            "Content-Type": "application/json",
            "Content-Length": len(data),
            "Connection": "close",
            **(headers or {}),
        }
        sent["Authorization"] = f"Bearer {self._token}"
        while True:
            with suppress(OSError, http.client.HTTPException):
                target = urlsplit(self._place.url)
                lines = "".join(f"{name}: {value}\r\n" for name, value in sent.items())
                head = f"{method} {path} HTTP/1.1\r\nHost: {target.netloc}\r\n{lines}\r\n"
                with closing(connect(self._place.url)) as connection:
                    self.send(connection, head.encode() + data)
                    reply = read_reply(connection)
                if reply.status < 500:
                    self.answers[reply.status] += 1
                    return reply
            self.sent_again += 1
            threading.Event().wait(self.rules.uniform(0.02, 0.2))

    def send(self, connection: Any, data: bytes) -> None:
        """Send a request. Whoever does not want its answer raises `OSError`."""
        connection.sendall(data)

    def note(self, reply: Reply, *edits: Edit, etag: bool = True) -> None:
        revision = int(reply.headers["X-Change-Revision"])
        self.log.append(Done(revision, list(edits), reply.headers["ETag"].strip('"') if etag else None))

    def stop(self) -> None:
        self.stopped.set()
        self.join(60)
        assert not self.is_alive(), f"{self.name} waits for an answer"
        assert self.error is None, f"{self.name}: {self.error!r}"

    def _patch(self, annotation_id: int, headers: dict[str, str] | None = None) -> int:
        body = {"bbox": self._box()["bbox"], "segmentation": None}
        reply = self.change("PATCH", f"/api/annotations/{annotation_id}", {"bbox": body["bbox"]}, headers)
        assert reply.status in (200, 404, 412), reply.json
        if reply.status == 200:
            if annotation_id in self.mine:
                self.mine[annotation_id] = reply.headers["ETag"]
            self.note(reply, ("annotations", annotation_id, "update"))
        return reply.status

    def _box(self) -> dict[str, Any]:
        left, top, width, height = (self.rules.randint(1, 30) for _ in range(4))
        return {"image_id": self.rules.choice(self.images), "category_id": 1, "bbox": [left, top, width, height]}


class Slow(Person):
    """Sends each request in pieces, and thinks long."""

    def pause(self) -> float:
        return self.rules.uniform(0.2, 0.6)

    def send(self, connection: Any, data: bytes) -> None:
        for at in range(0, len(data), 120):
            connection.sendall(data[at : at + 120])
            self.stopped.wait(self.rules.uniform(0.0, 0.1))


class Losing(Person):
    """Loses the connection before every other answer."""

    def send(self, connection: Any, data: bytes) -> None:
        connection.sendall(data)
        if self.rules.random() < 0.5:
            raise ConnectionResetError


class Stale(Person):
    """Changes what everybody changes by what a page showed some time ago."""

    page: dict[int, str]

    def habits(self) -> list[Callable[[], object]]:
        return [self.look, *[self.change_what_the_page_shows] * 5]

    def look(self) -> None:
        listed = self.ask("GET", "/api/annotations?with=etag&page_size=1000").json
        self.page = {each["id"]: each["_etag"] for each in listed if each["id"] in self.shared}

    def change_what_the_page_shows(self) -> None:
        if not hasattr(self, "page"):
            self.look()
        annotation_id, etag = self.rules.choice(list(self.page.items()))
        self._patch(annotation_id, {"If-Match": f'"{etag}"'})


class Annotator(Person):
    """Goes through the images."""

    def habits(self) -> list[Callable[[], object]]:
        return [*super().habits(), self.finish_an_image, self.finish_an_image]


class Reviewer(Person):
    """Looks at what the others have finished."""

    def habits(self) -> list[Callable[[], object]]:
        return [self.review, self.review, self.add, self.change_shared]

    def review(self) -> None:
        reply = self.ask("POST", f"/api/images/next?task=review&client={self.name}")
        if reply.status == 200:
            self.set_status(reply.json["id"], self.rules.choice(["approved", "returned"]))


class Admin(Person):
    """Changes images and categories, and takes back what others did."""

    def habits(self) -> list[Callable[[], object]]:
        return [self.change_an_image, self.add_a_category, self.undo_anything, self.save]

    def pause(self) -> float:
        return self.rules.uniform(0.05, 0.3)

    def change_an_image(self) -> None:
        image_id = self.rules.choice(self.images)
        reply = self.change("PATCH", f"/api/images/{image_id}", {"license": self._requests})
        assert reply.status == 200, reply.json
        self.note(reply, ("images", image_id, "update"))

    def add_a_category(self) -> None:
        reply = self.change("POST", "/api/categories", {"name": f"category {self._requests}"})
        assert reply.status == 201, reply.json
        self.note(reply, ("categories", reply.json["id"], "add"))

    def undo_anything(self) -> None:
        changes = self.ask("GET", "/api/changes?limit=20").json
        if changes:
            self.undo_revision(self.rules.choice(changes)["revision"])

    def save(self) -> None:
        assert self.ask("POST", "/api/flush").status == 200
