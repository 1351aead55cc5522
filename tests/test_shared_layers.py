"""Two processes with one folder of layers: `Layers` of each, which know of each other by the folder alone."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import weakref
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from cocoannot.errors import Conflict, Unavailable, UnknownId
from cocoannot.files.lock import locked
from cocoannot.predictions.layer import Layer
from cocoannot.predictions.layers import MOST_LAYERS, Layers
from cocoannot.predictions.processes import Turn

BOX = {"image_id": 1, "category_id": 1, "bbox": [300, 200, 40, 30], "score": 0.6}

Pair = tuple[Layers, Layers]


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    return tmp_path / "predictions"


@pytest.fixture
def pair(folder: Path) -> Pair:
    return started(folder), started(folder)


def started(folder: Path) -> Layers:
    layers = Layers()
    layers.start(folder)
    return layers


def text(*predictions: dict[str, Any]) -> bytes:
    return json.dumps(predictions).encode()


def put(layers: Layers, blocks: Iterator[bytes] | list[bytes], name: str = "yolo") -> Layer:
    return layers.put(name, blocks, lambda index, checked: {}, lambda read: None)[0]


def rejected(layers: Layers) -> list[int]:
    return np.flatnonzero(layers.get("yolo").rejected).tolist()


def test_a_layer_is_read_again_only_if_its_file_is_another_one(pair: Pair, folder: Path) -> None:
    one, other = pair
    put(one, [text(BOX)])
    before = other.get("yolo")
    assert other.get("yolo") is before
    # The same size, and the same time.
    status = (folder / "yolo.json").stat()
    put(one, [text({**BOX, "score": 0.7})])
    (folder / "yolo.columns").unlink()
    os.utime(folder / "yolo.json", ns=(status.st_atime_ns, status.st_mtime_ns))
    assert other.get("yolo").columns.scores.tolist() == [0.7]


def test_processes_that_reject_at_once_lose_nothing(pair: Pair) -> None:
    put(pair[0], [text(*[BOX] * 64)])
    had = [layers.get("yolo") for layers in pair]

    def reject(row: int) -> None:
        layers, layer = pair[row % 2], had[row % 2]
        layers.reject(layer, np.array([row]))

    with ThreadPoolExecutor(4) as pool:
        list(pool.map(reject, range(48)))
    assert rejected(pair[0]) == rejected(pair[1]) == list(range(48))


def test_what_was_read_before_is_read_again_before_it_is_changed(pair: Pair) -> None:
    one, other = pair
    put(one, [text(BOX, BOX, BOX)])
    stale = other.get("yolo")
    one.reject(one.get("yolo"), np.array([0, 2]))
    other.reject(stale, np.array([1]))
    assert rejected(one) == [0, 1, 2]
    other.reject(stale, np.array([0]), rejected=False)
    assert rejected(one) == [1, 2]


def test_nothing_is_rejected_of_a_layer_that_another_process_has_replaced(pair: Pair) -> None:
    one, other = pair
    put(one, [text(BOX)])
    stale = other.get("yolo")
    put(one, [text(BOX, BOX)])
    one.reject(one.get("yolo"), np.array([1]))
    with pytest.raises(Conflict, match="was replaced meanwhile"):
        other.reject(stale, np.array([0]))
    assert rejected(other) == [1]


def test_a_start_leaves_alone_what_another_process_is_uploading(pair: Pair, folder: Path) -> None:
    folder.mkdir()
    left = folder / ".0123.upload.unfinished"
    left.write_bytes(b"[{")

    def blocks() -> Iterator[bytes]:
        yield text(BOX)[:10]
        started(folder)
        yield text(BOX)[10:]

    put(pair[0], blocks())
    assert sorted(path.name for path in folder.iterdir()) == ["yolo.columns", "yolo.json"]
    assert pair[1].get("yolo").rows == 1


def test_processes_that_add_replace_read_and_delete_at_once_only_ever_see_whole_layers(pair: Pair) -> None:
    texts = [text(*[{**BOX, "score": score / 10}] * score) for score in (1, 2, 3)]

    def write(number: int) -> None:
        layers = pair[number % 2]
        with suppress(UnknownId):
            layers.delete("yolo") if number % 5 == 4 else put(layers, [texts[number % 3]])

    def read(number: int) -> None:
        layers = pair[number % 2]
        with suppress(UnknownId):
            layer = layers.get("yolo")
            (score, *_) = layer.columns.scores.tolist()
            assert layer.rows == round(10 * score)
            assert json.loads(layer.texts(np.array([layer.rows - 1]))[0])["score"] == score

    with ThreadPoolExecutor(4) as pool:
        done = [pool.submit(write if number % 2 else read, number // 2) for number in range(120)]
    for each in done:
        each.result()
    put(pair[0], [texts[2]])
    assert pair[1].get("yolo").rows == 3


def test_there_are_no_more_layers_than_allowed_whoever_adds_them(pair: Pair, folder: Path) -> None:
    folder.mkdir()
    for number in range(MOST_LAYERS - 1):
        (folder / f"layer{number}.json").write_bytes(b"[]")

    def blocks() -> Iterator[bytes]:
        put(pair[1], [b"[]"], "theirs")
        yield b"[]"

    with pytest.raises(Conflict, match="delete one first"):
        put(pair[0], blocks(), "ours")
    assert "theirs" in pair[0].names()
    assert "ours" not in pair[1].names()


def test_what_another_process_deleted_takes_no_memory(pair: Pair) -> None:
    one, other = pair
    put(one, [text(BOX)])
    kept = weakref.ref(other.get("yolo"))
    one.delete("yolo")
    assert other.names() == []
    assert kept() is None


def test_a_turn_ends_with_the_process_that_had_it(tmp_path: Path) -> None:
    path = tmp_path / "lock"
    code = (
        "import sys\nfrom pathlib import Path\nfrom cocoannot.files.lock import locked\n"
        "with locked(Path(sys.argv[1]), 0):\n    print('held', flush=True)\n    sys.stdin.read()"
    )
    with subprocess.Popen([sys.executable, "-c", code, path], stdin=subprocess.PIPE, stdout=subprocess.PIPE) as process:
        assert process.stdout is not None
        assert process.stdout.readline() == b"held\n"
        turn = Turn(0)
        turn.start(path)
        with pytest.raises(Unavailable, match="try again in a moment"), turn.taken():
            pass
        process.kill()
        process.wait()
        with turn.taken(), pytest.raises(TimeoutError), locked(path, 0):
            pass


def test_a_turn_is_for_one_thread_at_a_time(tmp_path: Path) -> None:
    turn = Turn(0)
    turn.start(tmp_path / "lock")
    with turn.taken(), pytest.raises(Unavailable), turn.taken():
        pass
    with turn.taken():
        pass
