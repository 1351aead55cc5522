"""What the README and docs/client.md show of the Python client, run against a real server of a fresh demo dataset."""

from __future__ import annotations

import json
import re
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import Any

import pytest
from doc_pages import ARROW, rows, section, steps
from servers import ROOT, Server, serve

from cocoannot import client as package
from cocoannot.demo import make_demo

pytestmark = pytest.mark.slow

PAGE = ROOT / "docs" / "client.md"
ADDRESS = "http://127.0.0.1:8000"


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """An empty folder to work in, with the demo dataset in another one."""
    make_demo(tmp_path / "demo")
    (tmp_path / "work").mkdir()
    monkeypatch.chdir(tmp_path / "work")
    return tmp_path / "work"


def test_every_step_of_the_page_does_what_it_says(folder: Path) -> None:
    text = PAGE.read_text()
    assert text.count(ADDRESS) == 1
    with serve(folder.with_name("demo") / "annotations.json") as server:
        found = steps(PAGE, text.replace(ADDRESS, server.url))
        assert sum(step.claim is not None for step in found) == text.count(f"{ARROW} ") > 12
        names: dict[str, Any] = {}
        for step in found:
            step.run(names)
    assert {path.name for path in folder.iterdir()} == {"train.json", "then.json"}


def test_every_error_is_listed_and_no_other() -> None:
    listed = [cells[0].strip("`") for cells in rows(section(PAGE.read_text(), "When something goes wrong"))]
    errors = {name for name in package.__all__ if issubclass(getattr(package, name), Exception)}
    assert set(listed) == errors


class Enough(Exception):
    """The loop, which has no end, has gone round often enough."""


@pytest.fixture
def predicting(folder: Path) -> Iterator[Server]:
    """A server that saves soon."""
    dataset = folder.with_name("demo") / "annotations.json"
    with serve(dataset, env={"DATASET_AUTO_SAVE_INTERVAL": "0.1"}) as server:
        yield server


def test_the_training_loop_of_the_readme_trains_after_each_save(predicting: Server, folder: Path) -> None:
    readme = (ROOT / "README.md").read_text()
    (loop,) = [
        block for block in re.findall(r"^```python\n(.*?)^```$", readme, re.DOTALL | re.MULTILINE) if "client" in block
    ]
    assert len(loop.strip().splitlines()) <= 10
    trained: list[list[int]] = []
    asked: list[int] = []

    def train(path: str) -> int:
        content = json.loads((folder / path).read_bytes())
        trained.append([image["id"] for image in content["images"]])
        return len(trained)

    def predict(model: int, images: Iterable[Any]) -> list[dict[str, Any]]:
        asked.append(len(list(images)))
        if model == 2:
            raise Enough
        # What somebody does meanwhile: it is saved, and the loop goes round again.
        status = predicting.request("PUT", "/api/images/3/status", {"status": "done"}).status
        assert status == 200
        return [{"image_id": 1, "category_id": 1, "bbox": [1, 2, 3, 4], "score": 0.5}]

    with pytest.raises(Enough):
        exec(loop.replace(ADDRESS, predicting.url), {"train": train, "predict": predict})
    assert trained == [[], [3]]
    assert asked == [36, 35]
    assert predicting.request("GET", "/api/predictions/latest").body["predictions"] == 1
