"""Layers while something happens to them: two uploads at once, reading while they go, a kill in the middle, a disk that
refuses; and how much memory a large one takes."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import threading
from collections.abc import Iterator
from contextlib import closing, contextmanager
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from servers import Server, connect, serve, until

from cocoannot.errors import BadPredictions, Conflict, SaveError, UnknownId
from cocoannot.predictions.deciding import Chosen
from cocoannot.predictions.layers import MOST_LAYERS, Layers
from cocoannot.predictions.predictions import Predictions
from cocoannot.predictions.reading import read_predictions
from cocoannot.predictions.splitting import split
from cocoannot.store.memory.store import MemoryStore

BOX = {"image_id": 1, "category_id": 1, "bbox": [300, 200, 40, 30], "score": 0.6}


def text(*predictions: dict[str, Any]) -> bytes:
    return json.dumps(predictions).encode()


@pytest.fixture
def compared(dataset_path: Path, small: dict[str, Any], tmp_path: Path) -> Iterator[tuple[Predictions, MemoryStore]]:
    """The small dataset, and layers that follow it."""
    dataset_path.write_text(json.dumps(small))
    following = Predictions(lambda: memory)
    with closing(MemoryStore(follower=following)) as memory:
        memory.load(str(dataset_path))
        following.start(tmp_path / "predictions")
        yield following, memory


@pytest.fixture
def predictions(compared: tuple[Predictions, MemoryStore]) -> Predictions:
    return compared[0]


@pytest.fixture
def store(compared: tuple[Predictions, MemoryStore]) -> MemoryStore:
    return compared[1]


def test_of_two_uploads_at_once_the_one_that_ends_last_stays_whole(predictions: Predictions, tmp_path: Path) -> None:
    first_has_begun, first_may_end = threading.Event(), threading.Event()

    def slowly() -> Iterator[bytes]:
        yield text(BOX, BOX)[:20]
        first_has_begun.set()
        first_may_end.wait(30)
        yield text(BOX, BOX)[20:]

    first = threading.Thread(target=lambda: predictions.put("yolo", slowly()))
    first.start()
    first_has_begun.wait(30)
    predictions.put("yolo", [text(BOX)])
    assert predictions.layers.get("yolo").rows == 1
    first_may_end.set()
    first.join()
    assert predictions.layers.get("yolo").rows == 2
    assert (tmp_path / "predictions" / "yolo.json").read_bytes() == text(BOX, BOX)
    assert sorted(path.name for path in (tmp_path / "predictions").iterdir()) == ["yolo.columns", "yolo.json"]


def test_who_reads_a_layer_reads_on_when_it_is_deleted_or_replaced(predictions: Predictions) -> None:
    predictions.put("yolo", [text(BOX)])
    layer = predictions.layers.get("yolo")
    predictions.put("yolo", [text({**BOX, "score": 0.1}, BOX)])
    assert layer.texts(np.array([0])) == [json.dumps(BOX).encode()]
    replaced = predictions.layers.get("yolo")
    predictions.delete("yolo")
    assert json.loads(replaced.texts(np.array([0]))[0])["score"] == 0.1
    with pytest.raises(UnknownId, match="no layer of predictions named 'yolo'"):
        predictions.layers.get("yolo")


def test_decision_about_a_layer_is_not_written_over_one_that_came_meanwhile(predictions: Predictions) -> None:
    predictions.put("yolo", [text(BOX)])
    predictions.decisions.reject("yolo", Chosen([1]))
    predictions.put("yolo", [text({**BOX, "score": 0.1})])
    assert not predictions.layers.get("yolo").rejected.any()
    predictions.put("yolo", [text(BOX)])
    assert predictions.layers.get("yolo").rejected.all()


def test_two_who_accept_the_same_prediction_make_one_annotation(predictions: Predictions, store: MemoryStore) -> None:
    predictions.put("yolo", [text(BOX)])
    found: list[int] = []

    def accept() -> None:
        accepted = predictions.decisions.accept("yolo", Chosen(min_score=0.5), None, store.commit)
        found.append(len(accepted.committed.results))

    threads = [threading.Thread(target=accept) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert sorted(found) == [0, 0, 0, 1]


def test_upload_that_breaks_off_leaves_nothing(predictions: Predictions, tmp_path: Path) -> None:
    def breaking() -> Iterator[bytes]:
        yield text(BOX)[:10]
        raise ConnectionError("the client is gone")

    with pytest.raises(SaveError):
        predictions.put("yolo", breaking())
    assert list((tmp_path / "predictions").iterdir()) == []
    assert predictions.layers.names() == []


def test_there_are_so_many_layers_and_no_more(predictions: Predictions) -> None:
    for number in range(MOST_LAYERS):
        predictions.put(f"layer{number}", [b"[]"])
    with pytest.raises(Conflict, match="delete one first"):
        predictions.put("more", [b"[]"])
    predictions.put("layer0", [text(BOX)])


def test_folder_that_can_t_be_made_is_told(store: MemoryStore, tmp_path: Path) -> None:
    (tmp_path / "predictions").write_text("a file is in the way")
    predictions = Predictions(lambda: store)
    predictions.start(tmp_path / "predictions")
    with pytest.raises(SaveError, match=r"can't save layer yolo: .*; nothing was imported"):
        predictions.put("yolo", [text(BOX)])


def test_file_that_is_cut_short_while_it_is_served_is_told_and_not_a_fault(
    predictions: Predictions, store: MemoryStore, tmp_path: Path
) -> None:
    predictions.put("yolo", [text(BOX, BOX)])
    layer = predictions.layers.get("yolo")
    os.truncate(tmp_path / "predictions" / "yolo.json", 30)
    with pytest.raises(SaveError, match="changed by something else"):
        layer.texts(np.arange(2))
    with pytest.raises(SaveError, match=r"yolo\.json is damaged: .*; upload the layer again"):
        predictions.of_image(1, ["yolo"], 0)
    with pytest.raises(SaveError, match=r"yolo\.json is damaged"):
        predictions.decisions.accept("yolo", Chosen([1, 2]), None, store.commit)


def test_names_of_layers_are_those_of_files_in_the_folder_alone(tmp_path: Path) -> None:
    for name in ("good.json", "good.columns", "bad name.json", ".hidden.json", "no.txt"):
        (tmp_path / name).write_bytes(b"[]")
    layers = Layers()
    layers.start(tmp_path)
    assert layers.names() == ["good"]


# Reading


def test_records_are_found_wherever_blocks_end() -> None:
    tricky = ['"', "\\", '\\"', "]", "}", "[{", "ä", "\\u005d", "\n"]
    records = [{"a": sign * (number % 50), "b": [number, {"c": sign}]} for number in range(9000) for sign in tricky]
    data = json.dumps(records).encode()
    assert len(data) > 4 << 20
    found = [
        span
        for starts, ends in split(memoryview(data), 0, len(data))
        for span in zip(starts.tolist(), ends.tolist(), strict=True)
    ]
    assert [json.loads(data[start:end]) for start, end in found] == records


def test_backslashes_without_end_are_read_once(tmp_path: Path) -> None:
    path = tmp_path / "results.json"
    path.write_bytes(text({**BOX, "note": "\\" * (3 << 20)}, BOX))
    assert read_predictions(path).rows == 2


def test_one_prediction_without_end_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "results.json"
    path.write_bytes(text(BOX, {**BOX, "note": "x" * (17 << 20)}))
    with pytest.raises(BadPredictions, match="prediction 1: _schema: has more than 16 MiB"):
        read_predictions(path)


MEASURE = """
import sys
from pathlib import Path
from cocoannot.predictions.layer import Paths, read_layer

def anonymous():
    lines = Path("/proc/self/status").read_text().splitlines()
    return int(next(line for line in lines if line.startswith("RssAnon")).split()[1]) * 1024

before = anonymous()
layer, _ = read_layer("big", Paths.of(Path(sys.argv[1]), "big"))
print(layer.rows, anonymous() - before)
"""


@pytest.mark.skipif(not sys.platform.startswith("linux"), reason="it asks Linux how much memory a process has")
def test_large_layer_takes_less_memory_than_its_file(tmp_path: Path) -> None:
    one = b'{"image_id":%d,"category_id":18,"bbox":[258.15,41.29,348.26,243.78],"score":0.236}'
    rows = 200_000
    (tmp_path / "big.json").write_bytes(b"[%b]" % b",".join(one % (number * 7919 % 40_000) for number in range(rows)))
    size = (tmp_path / "big.json").stat().st_size
    done = subprocess.run([sys.executable, "-c", MEASURE, tmp_path], capture_output=True, text=True, check=True)
    found, memory = map(int, done.stdout.split())
    assert found == rows
    assert memory < 1.5 * size


# A server


@contextmanager
def half_uploaded(server: Server, folder: Path) -> Iterator[None]:
    """Another upload of the layer, a part of which is on disk; at the end the client goes away."""
    with closing(connect(server.url)) as connection:
        head = "PUT /api/predictions/yolo HTTP/1.1\r\nHost: localhost\r\nContent-Type: application/json\r\n"
        connection.sendall(f"{head}Content-Length: 4000000\r\n\r\n".encode() + b"[" + b" " * 3_000_000)
        until(lambda: list(folder.glob(".*.unfinished")), "a part of the upload is on disk")
        yield


@pytest.mark.slow
def test_kill_in_the_middle_of_an_upload_leaves_the_layer_that_was_there(
    dataset_path: Path, small: dict[str, Any]
) -> None:
    dataset_path.write_text(json.dumps(small))
    folder = dataset_path.with_name(dataset_path.name + ".cocoannot") / "predictions"
    with serve(dataset_path) as server:
        server.request("PUT", "/api/predictions/yolo", [BOX])
        with half_uploaded(server, folder):
            os.kill(server.worker, signal.SIGKILL)
            server.wait_until_ready()
        assert server.request("GET", "/api/predictions/yolo").body["predictions"] == 1
        assert sorted(path.name for path in folder.iterdir()) == ["yolo.columns", "yolo.json"]


@pytest.mark.slow
def test_upload_that_a_client_breaks_off_leaves_the_layer_that_was_there(
    dataset_path: Path, small: dict[str, Any]
) -> None:
    dataset_path.write_text(json.dumps(small))
    folder = dataset_path.with_name(dataset_path.name + ".cocoannot") / "predictions"
    with serve(dataset_path) as server:
        server.request("PUT", "/api/predictions/yolo", [BOX])
        with half_uploaded(server, folder):
            pass
        until(lambda: not list(folder.glob(".*.unfinished")), "it is taken away again")
        assert server.request("GET", "/api/predictions/yolo").body["predictions"] == 1
        assert "Traceback" not in server.log
