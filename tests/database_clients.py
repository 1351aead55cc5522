"""Clients that write to servers of one dataset and read from them while something breaks, and the ledger of what they
were told.

Whatever was acknowledged is in the ledger, with its id, so that what the dataset holds at the end is known exactly. A
writer with keys repeats each change until it is acknowledged. One without asks once: what it gets no answer for may be
there or not.
"""

from __future__ import annotations

import http.client
import itertools
import json
import random
import threading
import time
from collections import Counter
from collections.abc import Sequence
from typing import Any, NamedTuple

_PAUSE = 0.05
PACE = 0.05
"""Seconds that a client waits between two things that it does, on average."""

_PATIENCE = 90.0
IMAGES = range(1, 21)
"""The ids of the images whose annotations they write."""


class Reply(NamedTuple):
    """An answer; `revision` is the header's, 0 for none."""

    status: int
    body: Any
    revision: int


class Ledger:
    """What clients were told, and what they saw that may not be. Any thread may call anything."""

    def __init__(self) -> None:
        self.expected: dict[int, str] = {}
        """The note of each annotation that is there, by id."""
        self.unknown: set[str] = set()
        """Notes of annotations that may be there or not."""
        self.changes = 0
        """Changes that were acknowledged."""
        self.revision = 0
        """The newest revision that was acknowledged."""
        self.wrong: list[str] = []
        """What no client may see."""
        self.seen: Counter[str] = Counter()
        """How often clients saw something that they may see: `503`, `cut`, `read`."""
        self.last: dict[str, float] = {}
        """When each writer was last acknowledged, by `time.monotonic`."""
        self.longest = 0.0
        """Seconds between two acknowledgements of one writer at most, since this was set to 0."""
        self._ids: set[int] = set()
        self._lock = threading.Lock()

    def acknowledge(self, writer: str, reply: Reply, notes: dict[int, str | None], *, new: bool = False) -> None:
        """A change was made; `notes` by id are there now, `None` for one that was deleted."""
        with self._lock:
            now = time.monotonic()
            self.longest = max(self.longest, now - self.last.get(writer, now))
            self.last[writer] = now
            self.changes += 1
            self.revision = max(self.revision, reply.revision)
            for record_id, note in notes.items():
                if new and record_id in self._ids:
                    self.wrong.append(f"id {record_id} was given twice")
                self._ids.add(record_id)
                if note is None:
                    del self.expected[record_id]
                else:
                    self.expected[record_id] = note

    def doubt(self, note: str) -> None:
        """It is not known whether an annotation was added."""
        with self._lock:
            self.unknown.add(note)

    def count(self, what: str) -> None:
        """Somebody saw something that may be."""
        with self._lock:
            self.seen[what] += 1

    def complain(self, what: str) -> None:
        """Somebody saw something that may not be."""
        with self._lock:
            self.wrong.append(what)


class Client:
    """A thread that calls `turn` every `pace` seconds until the end; at one server, at the next after a failure."""

    def __init__(self, urls: Sequence[str], name: str, ledger: Ledger, seed: int, pace: float) -> None:
        self.name = name
        self.pace = pace
        self.ledger = ledger
        self.random = random.Random(f"{name} {seed}")
        self._urls = itertools.cycle(urls)
        self._connection: http.client.HTTPConnection | None = None
        self._ended = threading.Event()
        self._thread = threading.Thread(target=self._run, daemon=True)

    def start(self) -> None:
        """Begin."""
        self._thread.start()

    def end(self) -> None:
        """End after the present turn."""
        self._ended.set()

    def join(self) -> None:
        """Wait for the end."""
        self._thread.join(2 * _PATIENCE)
        if self._thread.is_alive():
            self.ledger.complain(f"{self.name} does not end")

    def turn(self) -> None:
        """One thing that it does."""
        raise NotImplementedError

    def ask(self, method: str, path: str, body: object = None, key: str | None = None) -> Reply | None:
        """The answer of a server; `None` for none, or for one that asks to come again."""
        try:
            if self._connection is None:
                self._connection = http.client.HTTPConnection(
                    next(self._urls).removeprefix("http://"), timeout=_PATIENCE
                )
            headers = {"Content-Type": "application/json", **({"Idempotency-Key": key} if key else {})}
            self._connection.request(method, path, None if body is None else json.dumps(body), headers)
            answer = self._connection.getresponse()
            text = answer.read()
        except TimeoutError:
            self.ledger.complain(f"no answer to {method} {path} within {_PATIENCE:g} s")
            self._leave("timeout")
            return None
        except (OSError, http.client.HTTPException):
            self._leave("cut")
            return None
        if answer.status == 503:
            if not int(answer.headers.get("Retry-After", 0)) > 0:
                self.ledger.complain(f"503 without Retry-After: {text!r}")
            self._leave("503")
            return None
        if answer.status >= 500:
            self.ledger.complain(f"{method} {path}: {answer.status} {text[:300]!r}")
        revision = int(answer.headers.get("X-Dataset-Revision", 0))
        return Reply(answer.status, json.loads(text) if text else None, revision)

    def _leave(self, why: str) -> None:
        self.ledger.count(why)
        if self._connection is not None:
            self._connection.close()
            self._connection = None
        self._ended.wait(_PAUSE)

    def _run(self) -> None:
        try:
            while not self._ended.is_set():
                self.turn()
                # People do not work as fast as a server answers; and what matters is what is under way when it breaks.
                self._ended.wait(self.random.uniform(0, 2 * self.pace))
        except Exception as exc:
            self.ledger.complain(f"{self.name}: {exc!r}")
        finally:
            if self._connection is not None:
                self._connection.close()


class Writer(Client):
    """Adds, updates and deletes annotations of its own, each with a key, again until it is acknowledged."""

    _numbers = itertools.count()

    def __init__(self, urls: Sequence[str], name: str, ledger: Ledger, seed: int, pace: float) -> None:
        super().__init__(urls, name, ledger, seed, pace)
        self._own: list[int] = []

    def turn(self) -> None:
        note = f"{self.name} {next(self._numbers)}"
        way = self.random.random()
        if way < 0.2:
            self._add_pair(note)
        elif way < 0.4 and self._own:
            record_id = self.random.choice(self._own)
            self._insist("PATCH", f"/api/annotations/{record_id}", {"note": note}, {record_id: note})
        elif way < 0.5 and self._own:
            record_id = self._own.pop(self.random.randrange(len(self._own)))
            self._insist("DELETE", f"/api/annotations/{record_id}", None, {record_id: None})
        else:
            reply = self._insist("POST", "/api/annotations", _box(self.random, note=note))
            if reply is not None:
                self._own.append(reply.body["id"])
                self.ledger.acknowledge(self.name, reply, {reply.body["id"]: note}, new=True)

    def _add_pair(self, note: str) -> None:
        """Two annotations in one change: nobody may see one without the other."""
        box = _box(self.random, note=note, pair=note)
        reply = self._insist("POST", "/api/annotations/batch", {"operations": [{"op": "add", "annotation": box}] * 2})
        if reply is not None:
            ids = [each["annotation"]["id"] for each in reply.body["results"]]
            self.ledger.acknowledge(self.name, reply, dict.fromkeys(ids, note), new=True)

    def _insist(self, method: str, path: str, body: object, notes: dict[int, str | None] | None = None) -> Reply | None:
        key = f"{self.name} {next(self._numbers)}"
        deadline = time.monotonic() + _PATIENCE
        while (reply := self.ask(method, path, body, key)) is None:
            if time.monotonic() > deadline:
                self.ledger.complain(f"{self.name} was not acknowledged for {_PATIENCE:g} s")
                return None
        if reply.status not in (200, 201, 204):
            self.ledger.complain(f"{method} {path}: {reply.status} {reply.body}")
            return None
        if notes is not None:
            self.ledger.acknowledge(self.name, reply, notes)
        return reply


class WriterWithoutKeys(Client):
    """Adds annotations, each once."""

    _numbers = itertools.count()

    def turn(self) -> None:
        note = f"{self.name} {next(self._numbers)} without a key"
        reply = self.ask("POST", "/api/annotations", _box(self.random, note=note))
        if reply is None:
            self.ledger.doubt(note)
        elif reply.status == 201:
            self.ledger.acknowledge(self.name, reply, {reply.body["id"]: note}, new=True)
        else:
            self.ledger.complain(f"POST /api/annotations: {reply.status} {reply.body}")


class Reader(Client):
    """Reads what others write: no half of a change, nothing older than what was acknowledged, each revision in turn."""

    _followed = 0

    def turn(self) -> None:
        acknowledged = self.ledger.revision
        if self.random.random() < 0.3:
            self._follow()
            return
        image_id = self.random.choice(IMAGES)
        reply = self.ask("GET", f"/api/images/{image_id}/annotations")
        if reply is None:
            return
        if reply.status != 200:
            self.ledger.complain(f"GET /api/images/{image_id}/annotations: {reply.status} {reply.body}")
            return
        self.ledger.count("read")
        halves = [
            pair for pair, count in Counter(each.get("pair") for each in reply.body).items() if pair and count != 2
        ]
        if halves:
            self.ledger.complain(f"a reader saw halves of {halves}")
        if reply.revision < acknowledged:
            self.ledger.complain(f"a reader saw revision {reply.revision} after {acknowledged} was acknowledged")

    def _follow(self) -> None:
        since = max(self._followed, self.ledger.revision - 50)
        reply = self.ask("GET", f"/api/changes?since={since}&limit=1000")
        if reply is None or reply.status != 200:
            return
        revisions = [each["revision"] for each in reply.body]
        if revisions != list(range(since + 1, since + 1 + len(revisions))):
            self.ledger.complain(f"after revision {since} came {revisions}")
        self._followed = since + len(revisions)


def _box(chance: random.Random, **more: str) -> dict[str, Any]:
    return {"image_id": chance.choice(IMAGES), "category_id": 1, "bbox": [1, 2, 3, 4], **more}
