"""A day of an annotator, in a real browser on a real server: 200 images, all tools, undo and redo, a network that
breaks, somebody else on the same images, a server that is ended and killed. At the end the file holds exactly what was
meant; nothing is lost.

`make torture` lets it last longer. Settings of that: DAY_SEED (it is printed), DAY_SECONDS, and DAY_DATASET, a COCO
file with its pictures in DAY_IMAGES, instead of the one that is made here.
"""

from __future__ import annotations

import hashlib
import json
import os
import random
import re
import shutil
import signal
import time
import urllib.request
from collections import Counter
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path
from typing import Any, Literal
from urllib.parse import urlsplit

import pytest
from browser import Visitor, needs_browser
from day_dataset import make_day
from day_hand import Hand
from day_model import Asked, Change, History, Model, Settling, View, texts_in, with_changes
from day_watch import LIMIT, Watch
from playwright.sync_api import Page, expect
from pycocotools.coco import COCO
from s3_faults import Proxy, closed_address, proxy_to
from servers import Server, serve, until
from windows import Windows

pytestmark = [
    pytest.mark.slow,
    pytest.mark.torture,
    needs_browser,
    # pycocotools 2.0.11 has not followed NumPy 2's change of `__array__`.
    pytest.mark.filterwarnings("ignore:__array__ implementation:DeprecationWarning"),
]

IMAGES = 200
SHORT, LONG = 10.0, 1800.0
"""Seconds that a day lasts in the suite and under `make torture`."""

Outage = Literal["refused", "reset", "lost", "half", "slow", "killed", "ended"]
OUTAGES: tuple[Outage, ...] = ("refused", "reset", "lost", "half", "slow", "killed", "ended")


class Serving:
    """The server of a dataset at one port, as often as it is started."""

    def __init__(self, dataset: Path, env: dict[str, str]) -> None:
        self._dataset, self._env = dataset, env
        self._port = urlsplit(closed_address()).port
        self._stack = ExitStack()
        self.server: Server
        self.start()

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self._port}"

    def start(self) -> None:
        args = ["--bind", f"127.0.0.1:{self._port}"]
        self.server = self._stack.enter_context(serve(self._dataset, env=self._env, args=args))

    def end(self) -> None:
        self.server.signal(signal.SIGTERM)
        assert self.server.wait() == 0

    def close(self) -> None:
        self._stack.close()

    def text(self, path: str) -> str:
        with urllib.request.urlopen(self.server.url + path) as answer:
            text: str = answer.read().decode()
        return text

    def newest_change(self, image_id: int) -> int:
        """The revision of the newest change on an image: a page need not ask for what others did elsewhere."""
        changes = json.loads(self.text(f"/api/changes?image_id={image_id}&limit=1"))
        return max((change["revision"] for change in changes), default=0)


class Worker:
    """A page with the hand that works on it."""

    def __init__(self, page: Page, url: str, rng: random.Random, dataset: dict[str, Any]) -> None:
        self.visitor = Visitor(page, url)
        self.watch = Watch(self.visitor)
        names = {each["id"]: each["name"] for each in dataset["categories"]}
        with_points = {each["id"] for each in dataset["categories"] if "keypoints" in each}
        self.hand = Hand(self.visitor, rng, names, with_points)

    def painted(self) -> int:
        """How many images were opened and painted."""
        count: int = self.visitor.page.evaluate("performance.getEntriesByName('image').length")
        return count

    def shows(self, view: View) -> None:
        """Wait until as many annotations are shown as there are."""
        count = len(view)
        words = f"{count} annotation{'' if count == 1 else 's'}"
        expect(self.visitor.page.locator("#editor .panel h2").first).to_have_text(words, timeout=LIMIT * 1000)

    def problems(self) -> list[str]:
        """What the console has, but for what a browser says of a network that fails."""
        return [each for each in self.visitor.problems if "Failed to load resource" not in each]


class Day:
    """The work itself. Each step ends when model, server and page agree."""

    def __init__(
        self, rng: random.Random, serving: Serving, proxy: Proxy, pages: tuple[Page, Page], dataset: Path
    ) -> None:
        text = dataset.read_text()
        content = json.loads(text)
        self._rng, self._serving, self._proxy = rng, serving, proxy
        self.model, self.history = Model(text), History()
        self._images = content["images"]
        self._by_id = {image["id"]: image for image in self._images}
        self._at = 0
        self.worker = Worker(pages[0], proxy.url, rng, content)
        self.other = Worker(pages[1], serving.url, rng, content)
        self._exports: dict[int, str] = {}
        self.figures: Counter[str] = Counter()
        self._visited: set[int] = set()
        self.story: list[str] = []

    # Steps

    def begin(self) -> None:
        self.worker.visitor.open(f"#/images/{self._image['id']}")
        self._opened(0)

    def work(self) -> None:
        """On one image, and go to another."""
        for _ in range(self._rng.randint(1, 5)):
            step = self._rng.choices(
                [self._change, self._undo, self._redo, self._break, self._share], [60, 18, 9, 9, 4]
            )[0]
            step()
        self._go(self._rng.choices([1, -1], [9, 2])[0])

    def _change(self) -> None:
        change = self.worker.hand.act()
        if change is None:
            self.figures["gestures without room"] += 1
            return
        self._tell(change)
        self.history.add(self.model.apply(change))
        self.figures["changes"] += 1
        self._agree()

    def _undo(self) -> None:
        self._move("undo")

    def _redo(self) -> None:
        self._move("redo")

    def _move(self, word: Literal["undo", "redo"]) -> None:
        stacks = self.history.undoable, self.history.redoable
        source, target = stacks if word == "undo" else stacks[::-1]
        if not source:
            return
        made, watch = source[-1], self.worker.watch
        self._tell(word)
        count, painted = len(watch.undos), self.worker.painted()
        self.worker.visitor.press(
            "v", "Control+z" if word == "undo" else self._rng.choice(["Control+Shift+z", "Control+y"])
        )
        watch.pumped(lambda: len(watch.undos) > count, f"the {word} is answered")
        status = watch.undos[-1]
        if status == 404 and made.forgettable:
            source.pop()
            self.figures["undos that a restart forgot"] += 1
        else:
            assert (self.model.move(source, target), status) in [("done", 200), ("refused", 409)], made
            self.figures[f"{word}s" if status == 200 else "undos refused"] += 1
        if status == 200 and made.image_id != self._image["id"]:
            self._at = self._images.index(self._by_id[made.image_id])
            self._opened(painted)
        self._agree()

    def _go(self, step: int) -> None:
        if not 0 <= self._at + step < len(self._images):
            step = -step
        if self._rng.random() < 0.05:
            return self._go_away(step)
        painted = self.worker.painted()
        self._leave(step)
        self._opened(painted)
        return None

    def _go_away(self, step: int) -> None:
        """To the next image while the server can't be reached."""
        self._tell("go away")
        painted = self.worker.painted()
        self._proxy.cut("up", 0, reset=True)
        self.figures["outages"] += 1
        self._leave(step)
        self.worker.visitor.page.wait_for_timeout(self._rng.choice([10, 200, 800]))
        self._proxy.mend()
        page = self.worker.visitor.page
        unknown = page.locator(".toast", has_text="The server does not answer")
        expect(page.locator(".editor .title", has_text=self._image["file_name"]).or_(unknown).first).to_be_visible()
        if unknown.count():
            # What is next was not known yet.
            unknown.get_by_role("button").click()
            self._at -= step
            self._leave(step)
        self._opened(painted)

    def _leave(self, step: int) -> None:
        self._at += step
        self._tell("next" if step > 0 else "back")
        self.worker.visitor.press("v", "f" if step > 0 else "d")

    def _share(self) -> None:
        """Somebody else changes the image that is open."""
        self._others_change()
        self._agree()

    def _break(self) -> None:
        """Work while the network or the server fails."""
        kind = self._rng.choice(OUTAGES)
        with_others = kind == "refused" and self._rng.random() < 0.6
        known = self.model.view(self._image["id"])
        pending: list[Asked] = []
        if kind == "killed" and self._rng.random() < 0.5:
            self._act_away(known, pending)
        self._begin_outage(kind)
        for _ in range(self._rng.randint(1, 3)):
            self._act_away(known, pending)
        if with_others:
            self._others_change()
        elif kind not in ("killed", "ended"):
            self._undo_away(pending)
        self._end_outage(kind)
        self._settle(known, pending)
        if kind in ("killed", "ended"):
            self.history.restarted()
        self._agree()

    def _begin_outage(self, kind: Outage) -> None:
        self._tell(kind)
        self.figures["outages"] += 1
        match kind:
            case "refused":
                self._proxy.cut("up", 0, reset=self._rng.random() < 0.5)
            case "reset" | "lost":
                self._proxy.cut("down", 0, reset=kind == "reset")
            case "half":
                self._proxy.cut("down", self._rng.randint(20, 600), reset=False)
            case "slow":
                self._proxy.slow(delay=self._rng.uniform(0.2, 1.5))
            case "killed":
                self._serving.server.kill()
            case "ended":
                self._serving.end()

    def _end_outage(self, kind: Outage) -> None:
        if kind in ("killed", "ended"):
            self.history.restarted()
            self._serving.start()
            self.figures["restarts"] += 1
        self._proxy.mend()

    def _act_away(self, known: View, pending: list[Asked]) -> None:
        change = self.worker.hand.act()
        if change is not None:
            pending.append(change)
            self._tell("away", change)
            self.figures["changes"] += 1
            self.figures["changes while away"] += 1
        shown = with_changes(known, pending)
        self.worker.shows(shown)
        self.worker.hand.look(self._image, shown)

    def _undo_away(self, pending: list[Asked]) -> None:
        """As many as were made: those before may be on other images."""
        undos = self._rng.randint(0, len(pending))
        redos = self._rng.randint(0, undos)
        for word, key, times in (("undo", "Control+z", undos), ("redo", "Control+y", redos)):
            for _ in range(times):
                self.worker.visitor.press("v", key)
                pending.append(word)  # type: ignore[arg-type]
                self._tell("away", word)
                self.figures[f"{word}s"] += 1

    def _settle(self, known: View, pending: list[Asked]) -> None:
        """The page sends what it kept; where somebody else was faster, it asks."""
        settling = Settling(self.model, self.history, known).settle(pending)
        dialog = self.worker.visitor.page.locator("dialog[open]", has_text="Two versions of one annotation")
        choice: Literal["mine", "theirs"] | None = None
        while True:
            try:
                asked: Change = settling.send(choice) if choice else next(settling)
            except StopIteration:
                break
            expect(dialog, f"it asks about {asked}").to_be_visible(timeout=LIMIT * 1000)
            choice = self._rng.choice(["mine", "theirs"])
            dialog.evaluate("(dialog) => dialog.dataset.seen = 'yes'")
            dialog.get_by_role("button", name=f"Take {choice}").click()
            expect(self.worker.visitor.page.locator("dialog[data-seen]")).to_have_count(0)
            self._tell("take", choice)
            self.figures["questions"] += 1
        state = self.worker.visitor.page.locator("#save-state")
        expect(state).not_to_contain_text(re.compile("Sending|kept here|away"), timeout=LIMIT * 1000)
        expect(dialog).to_have_count(0)

    def _others_change(self) -> None:
        hand, visitor = self.other.hand, self.other.visitor
        visitor.page.goto("about:blank")
        hand.page_loaded()
        visitor.open(f"#/images/{self._image['id']}")
        self._wait_until_open(self.other, 0)
        for _ in range(self._rng.randint(1, 2)):
            change = self._rng.choice([hand.nudge, hand.relabel, hand.delete, hand.draw_box, hand.nudge_all])()
            if change is None:
                continue
            self._tell("others", change)
            self.model.apply(change)
            self.figures["changes of others"] += 1
            self._wait_for_server()
            self._catch_up(self.other)

    def _tell(self, *words: object) -> None:
        self.story.append(f"image {self._image['id']}: {' '.join(map(str, words))}")

    # Agreeing

    @property
    def _image(self) -> dict[str, Any]:
        image: dict[str, Any] = self._images[self._at]
        return image

    def _opened(self, painted: int) -> None:
        self._wait_until_open(self.worker, painted)
        self._visited.add(self._image["id"])
        self.figures["images"] = len(self._visited)

    def _wait_until_open(self, worker: Worker, painted: int) -> None:
        title = worker.visitor.page.locator(".editor .title")
        expect(title).to_contain_text(self._image["file_name"], timeout=LIMIT * 1000)
        worker.watch.pumped(lambda: worker.painted() > painted, "the image is painted")
        self._catch_up(worker)

    def _agree(self) -> None:
        """Wait until server and page have what is meant; the same state is the same bytes, whenever it comes back."""
        self._wait_for_server()
        self._catch_up(self.worker)
        export = hashlib.sha256(self._serving.text("/api/dataset/export").encode()).hexdigest()
        assert self._exports.setdefault(self.model.fingerprint(), export) == export

    def _wait_for_server(self) -> None:
        problem: str | None = ""

        def agrees() -> bool:
            nonlocal problem
            problem = self._problem()
            return problem is None

        try:
            until(agrees, "the server has what is meant")
        except AssertionError:
            raise AssertionError(f"image {self._image['id']}: {problem}") from None

    def _problem(self) -> str | None:
        """What the server has of the open image that was not meant."""
        image_id = self._image["id"]
        texts = texts_in(self._serving.text(f"/api/images/{image_id}/annotations"), "")
        shapes = self.model.shapes(image_id)
        found = [json.loads(text)["id"] for text in texts]
        if found != [shape.id for shape in shapes]:
            return f"annotations {found}, not {[shape.id for shape in shapes]}"
        for shape, text in zip(shapes, texts, strict=True):
            if why := self.model.state[shape].problem(text):
                return f"{shape}: {why}"
        return None

    def _catch_up(self, worker: Worker) -> None:
        image_id = self._image["id"]
        revision = self._serving.newest_change(image_id)
        worker.watch.pumped(lambda: worker.watch.knows(image_id) >= revision, f"the page knows revision {revision}")
        worker.watch.rest()
        view = self.model.view(image_id)
        worker.shows(view)
        worker.hand.look(self._image, view)

    # The end

    def end(self) -> None:
        self.worker.visitor.press("v", "Control+s")
        expect(self.worker.visitor.page.locator("#save-state")).to_contain_text("Saved", timeout=LIMIT * 1000)

    def losses(self, dataset: Path, before: str) -> list[str]:
        """What the saved file does not hold as it was meant."""
        text = dataset.read_text()
        lost = [
            f"{section} {i}"
            for section in ("images", "categories")
            for i, (one, other) in enumerate(
                zip(texts_in(before, section), texts_in(text, section), strict=True)
            )
            if one != other
        ]  # fmt: skip
        shapes, texts = self.model.shapes(), texts_in(text, "annotations")
        found = [json.loads(each)["id"] for each in texts]
        if found != [shape.id for shape in shapes]:
            lost.append(f"annotations {found}")
        for shape, each in zip(shapes, texts, strict=False):
            if why := self.model.state[shape].problem(each):
                lost.append(f"{shape}: {why}")
        return lost

    def refused(self) -> set[tuple[str, str, int]]:
        """What the server refused that it had no reason to."""
        expected = {("/batch", 412), ("/batch", 404), ("/undo", 404), ("/undo", 409)}
        return {
            each
            for worker in (self.worker, self.other)
            for each in worker.watch.refused
            if each[2] != 503 and (f"/{each[1].rpartition('/')[2]}", each[2]) not in expected
        }


@contextmanager
def a_dataset(folder: Path, seed: int) -> Iterator[tuple[Path, dict[str, str]]]:
    """The file that is worked on, and the settings of its server."""
    settings = {"DATASET_AUTO_SAVE_INTERVAL": "20"}
    own = os.environ.get("DAY_DATASET")
    if own is None:
        yield make_day(folder, IMAGES, seed), settings
        return
    path = folder / "annotations.json"
    shutil.copy(own, path)
    yield path, {**settings, "COCOANNOT_IMAGES": os.environ.get("DAY_IMAGES", str(Path(own).parent))}


def opens_in_pycocotools(path: Path) -> None:
    coco = COCO(str(path))
    for annotation in coco.loadAnns(coco.getAnnIds()):
        if annotation.get("segmentation"):
            assert coco.annToMask(annotation).any() or annotation["area"] == 0, annotation["id"]


@pytest.mark.timeout(3600)
def test_after_a_day_of_work_the_file_holds_what_was_meant(windows: Windows, tmp_path: Path, torture: bool) -> None:
    seed = int(os.environ.get("DAY_SEED") or random.randrange(10**6))
    seconds = float(os.environ.get("DAY_SECONDS") or (LONG if torture else SHORT))
    print(f"DAY_SEED={seed}")
    with ExitStack() as stack:
        dataset, env = stack.enter_context(a_dataset(tmp_path, seed))
        before = dataset.read_text()
        serving = Serving(dataset, env)
        stack.callback(serving.close)
        proxy = stack.enter_context(proxy_to(serving.url))
        pages = stack.enter_context(windows.opened()), stack.enter_context(windows.opened())
        day = Day(random.Random(seed), serving, proxy, pages, dataset)
        begin = time.monotonic()
        try:
            day.begin()
            while day.figures["images"] < IMAGES and time.monotonic() < begin + seconds:
                day.work()
            day.end()
        finally:
            print("the last steps:", *day.story[-12:], *day.worker.watch.log[-25:], sep="\n  ")
            print(f"seed {seed}, {time.monotonic() - begin:.0f} s: {dict(day.figures)}")
        lost = day.losses(dataset, before)
        print(f"lost: {len(lost)}")
        assert lost == []
        assert day.worker.problems() + day.other.problems() == []
        assert day.refused() == set()
        opens_in_pycocotools(dataset)
