"""What is too large, too deep, too slow or hostile, over real HTTP: a 4xx that says why, and everybody else is served.

Depth of JSON, sizes of pages and numbers: `test_api_errors.py`. Sizes of batches and RLE: `test_api_annotations.py`.
Pictures that are none: `test_api_pictures.py`.
"""

from __future__ import annotations

import json
import socket
import struct
from collections.abc import Iterator
from contextlib import ExitStack, closing
from pathlib import Path
from typing import Any

import pytest
from api_client import Serve, openapi
from api_client import Server as Api
from PIL import Image
from servers import ANNOTATION, Server, connect, exchange, half_sent, read_reply, serve

from cocoannot.settings import Settings

pytestmark = pytest.mark.slow

MEBIBYTE = 1024 * 1024
JSON = "Content-Type: application/json"
STALLED = "Closing a connection that stalled"

FILES = {
    2: "dataset.json",
    3: "dataset.json.cocoannot/state.json",
    4: "/etc/passwd",
    5: "../x",
    6: "link.jpg",
    7: "svg.jpg",
    8: "html.jpg",
}


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Server]:
    """A gunicorn with the default limits, whose image folder holds the dataset itself."""
    folder = tmp_path_factory.mktemp("outside") / "images"
    folder.mkdir()
    (folder.parent / "x").write_bytes(b"secret")
    (folder / "link.jpg").symlink_to("/etc/passwd")
    (folder / "svg.jpg").write_text("<svg xmlns='http://www.w3.org/2000/svg' onload='alert(1)'/>")
    (folder / "html.jpg").write_text("<!doctype html><script>alert(1)</script>")
    images = [{"id": 1, "file_name": "one.jpg", "width": 640, "height": 480}]
    images += [{"id": image_id, "file_name": file_name} for image_id, file_name in FILES.items()]
    dataset = folder / "dataset.json"
    dataset.write_text(
        json.dumps({"images": images, "annotations": [], "categories": [{"id": 1, "name": "cat"}]}), encoding="utf-8"
    )
    with serve(dataset, env={"COCOANNOT_IMAGES": str(folder)}) as server:
        server.request("PATCH", "/api/images/1", {"note": "so that there is a state file"})
        server.request("POST", "/api/flush")
        yield server


def add(geometry: str) -> tuple[str, str]:
    return "POST /api/annotations", f'{{"image_id": 1, "category_id": 1, {geometry}}}'


def rle(size: str, counts: str) -> tuple[str, str]:
    return add(f'"segmentation": {{"size": {size}, "counts": {counts}}}')


BODIES = {
    "RLE of size [0, 0]": (*rle("[0, 0]", "[]"), 422, "must be [480, 640]"),
    "RLE of size [0, 0], compressed": (*rle("[0, 0]", '""'), 422, "must be [480, 640]"),
    "RLE of size [2^33, 2^33]": (*rle("[8589934592, 8589934592]", "[1]"), 422, "must be [480, 640]"),
    "RLE of size [2^33, 2^33], compressed": (*rle("[8589934592, 8589934592]", '"1"'), 422, "must be [480, 640]"),
    "counts that add up to less": (*rle("[480, 640]", "[1, 2, 3]"), 422, "add up to 6 and must add up to 480 * 640"),
    "counts that add up to more": (*rle("[480, 640]", "[307200, 1]"), 422, "must add up to 480 * 640"),
    "counts that add up to less, compressed": (*rle("[480, 640]", '"12"'), 422, "must add up to 480 * 640"),
    "a negative count": (*rle("[480, 640]", "[-1, 307201]"), 422, "count 0 is not from 0 to 307200"),
    "a count of 2^66": (*rle("[480, 640]", "[73786976294838206464]"), 422, "counts must be at most"),
    "a polygon at 1e9": (*add('"segmentation": [[1e9, 1e9, 2e9, 1e9, 2e9, 2e9]]'), 422, "from -131070 to 131070"),
    "a box at 1e9": (*add('"bbox": [1e9, 1e9, 1, 1]'), 422, "from -131070 to 131070"),
    "keypoints at 1e9": (*add('"keypoints": [1e9, 1e9, 2]'), 422, "from -131070 to 131070"),
    "1e400": (*add('"bbox": [1e400, 1, 1, 1]'), 400, "out of range"),
    "an integer of 5,000 digits": (*add(f'"bbox": [{"9" * 5000}, 1, 1, 1]'), 400, "out of range"),
    "5,000 levels": (*add(f'"bbox": [1, 1, 1, 1], "x": {"[" * 5000}{"]" * 5000}'), 400, "more than 100 levels"),
    "a lone surrogate": (*add('"bbox": [1, 1, 1, 1], "x": "\\ud800"'), 400, "half of a surrogate pair"),
    "a long file_name": ("POST /api/images", f'{{"file_name": "{"x" * 4097}", "width": 1, "height": 1}}', 422, "4096"),
    "a long name": ("POST /api/categories", f'{{"name": "{"x" * 1001}"}}', 422, "1000"),
    "a long supercategory": ("POST /api/categories", f'{{"name": "x", "supercategory": "{"x" * 1001}"}}', 422, "1000"),
}


@pytest.mark.parametrize("case", BODIES)
def test_hostile_body_is_refused_with_its_reason(server: Server, case: str) -> None:
    line, body, status, reason = BODIES[case]
    revision = server.status()["revision"]["memory"]
    reply = exchange(server.url, f"{line} HTTP/1.1\nHost: HOST\n{JSON}\nContent-Length: {len(body)}", body.encode())
    assert reply.status == status
    assert reason in reply.body.decode()
    assert server.status()["revision"]["memory"] == revision


@pytest.mark.parametrize("image_id", FILES)
@pytest.mark.parametrize("below", ["file", "thumbnail"])
def test_file_that_is_no_picture_of_the_folder_is_a_404(server: Server, image_id: int, below: str) -> None:
    reply = server.request("GET", f"/api/images/{image_id}/{below}")
    assert reply.status == 404
    assert ("leads out of the image folder" if image_id in (4, 5, 6) else "is not a picture") in reply.body["message"]


MANY_ETAGS = '"a",' * 1500 + "*"
HEADS = {
    "a body of 64 MB and a byte": (
        f"POST /api/annotations HTTP/1.1\nHost: HOST\n{JSON}\nContent-Length: 67108865",
        413,
    ),
    "a dataset of 2 GB and a byte": (
        f'PUT /api/dataset HTTP/1.1\nHost: HOST\n{JSON}\nIf-Match: "1"\nContent-Length: 2147483649',
        413,
    ),
    "a length of -5": ("POST /api/flush HTTP/1.1\nHost: HOST\nContent-Length: -5", 400),
    "a length of x": ("POST /api/flush HTTP/1.1\nHost: HOST\nContent-Length: x", 400),
    "a length of 5,000 digits": (f"POST /api/flush HTTP/1.1\nHost: HOST\nContent-Length: {'9' * 5000}", 400),
    "two lengths": ("POST /api/flush HTTP/1.1\nHost: HOST\nContent-Length: 0\nContent-Length: 2", 400),
    "a length and chunks": ("POST /api/flush HTTP/1.1\nHost: HOST\nContent-Length: 0\nTransfer-Encoding: chunked", 400),
    "an unknown encoding": ("POST /api/flush HTTP/1.1\nHost: HOST\nTransfer-Encoding: gzip", 400),
    "many parameters": (f"GET /api/images?{'a&' * 1900} HTTP/1.1\nHost: HOST", 422),
    "many values": (f"GET /api/images?{'&'.join(['category_id=1'] * 250)} HTTP/1.1\nHost: HOST", 200),
    "many wrong values": (f"GET /api/images?{'&'.join(['category_id=x'] * 250)} HTTP/1.1\nHost: HOST", 422),
    "a long URL": (f"GET /api/images?file_name={'x' * 5000} HTTP/1.1\nHost: HOST", 414),
    "a URL of 1 MB": (f"GET /{'x' * MEBIBYTE} HTTP/1.1\nHost: HOST", 414),
    "many headers": ("GET /api/images HTTP/1.1\nHost: HOST\n" + "\n".join(f"X-{n}: 1" for n in range(200)), 431),
    "a long header": (f"GET /api/images HTTP/1.1\nHost: HOST\nX: {'x' * 10_000}", 431),
    "a header of 1 MB": (f"GET /api/images HTTP/1.1\nHost: HOST\nX: {'x' * MEBIBYTE}", 431),
    "many ranges": (f"GET /api/images HTTP/1.1\nHost: HOST\nRange: bytes={'0-1,' * 1500}0-1", 200),
    "many ETags": (f"GET /api/images/1 HTTP/1.1\nHost: HOST\nIf-None-Match: {MANY_ETAGS}", 200),
    "a header without a colon": ("GET /api/images HTTP/1.1\nHost: HOST\nX", 400),
    "a NUL": ("GET /api/images HTTP/1.1\nHost: HOST\nX: \0", 400),
    "another version": ("GET /api/images HTTP/9.9\nHost: HOST", 400),
    "TLS": ("\x16\x03\x01\x02\x00\x01", 400),
}


@pytest.mark.parametrize("case", HEADS)
def test_hostile_head_is_no_5xx(server: Server, case: str) -> None:
    head, status = HEADS[case]
    assert exchange(server.url, head).status == status


CHUNKS = {
    "no number": b"zz\r\n{}\r\n0\r\n\r\n",
    "negative": b"-1\r\n{}\r\n0\r\n\r\n",
    "empty": b"\r\n\r\n",
    "longer than it says": b"1\r\n{}\r\n0\r\n\r\n",
}


@pytest.mark.parametrize("case", CHUNKS)
def test_chunk_that_is_none_is_a_400(server: Server, case: str) -> None:
    head = f"POST /api/annotations HTTP/1.1\nHost: HOST\n{JSON}\nTransfer-Encoding: chunked"
    reply = exchange(server.url, head, CHUNKS[case])
    assert reply.status == 400
    assert reply.json["message"] == "The body's chunks can't be read"


def test_nothing_hostile_was_an_error_of_the_server(server: Server) -> None:
    assert server.request("GET", "/readyz").status == 200
    assert len(server.workers) == 1
    assert "Traceback" not in server.log
    assert "ERROR" not in server.log


# Sizes


def test_defaults() -> None:
    settings = Settings.read({}, {})
    assert (settings.max_body_bytes, settings.max_dataset_bytes) == (64 * MEBIBYTE, 2048 * MEBIBYTE)


def test_chunks_count_up_to_the_limit(dataset_path: Path, small: dict[str, Any]) -> None:
    dataset_path.write_text(json.dumps(small))
    head = f"POST /api/annotations HTTP/1.1\nHost: HOST\n{JSON}\nTransfer-Encoding: chunked"
    with serve(dataset_path, env={"COCOANNOT_MAX_BODY_BYTES": "1024"}) as server:
        for size, status in ((1024, 201), (1025, 413), (100_000, 413)):
            body = json.dumps(ANNOTATION).encode().ljust(size)
            chunks = b"".join(b"64\r\n%b\r\n" % body[at : at + 100] for at in range(0, size - 100, 100))
            last = body[len(chunks) // 106 * 100 :]
            reply = exchange(server.url, head, chunks + b"%x\r\n%b\r\n0\r\n\r\n" % (len(last), last))
            assert reply.status == status
        assert "COCOANNOT_MAX_BODY_BYTES" in reply.json["message"]
        assert server.status()["pending"]["annotations_added"] == 1


TEXTS = [
    ("/api/categories", "name", 1_000, {"name": "x"}),
    ("/api/categories", "supercategory", 1_000, {"name": "x"}),
    ("/api/images", "file_name", 4_096, {"file_name": "x", "width": 1, "height": 1}),
]


@pytest.mark.parametrize(("url", "field", "longest", "record"), TEXTS)
def test_text_has_a_longest_length(api: Api, url: str, field: str, longest: int, record: dict[str, Any]) -> None:
    fits, too_long = "ä" * longest, "ä" * (longest + 1)
    assert api.post(url, {**record, field: too_long}).json["errors"]["json"].keys() == {field}
    assert api.patch(f"{url}/1", {field: too_long}).json["errors"]["json"].keys() == {field}
    assert api.revision == 0
    added = api.post(url, {**record, field: fits})
    assert added.status_code == 201
    assert api.patch(f"{url}/1", {field: fits[1:]}).status_code == 200
    assert api.again().get(f"{url}/{added.json['id']}").json[field] == fits


@pytest.mark.parametrize(("url", "field", "longest", "record"), TEXTS)
def test_longest_length_is_documented(url: str, field: str, longest: int, record: dict[str, Any]) -> None:
    for path, method in ((url, "post"), (f"{url}/{{{url[5:].replace('ies', 'ys')[:-1]}_id}}", "patch")):
        content = openapi()["paths"][path][method]["requestBody"]["content"]["application/json"]
        name = content["schema"]["$ref"].rpartition("/")[2]
        assert openapi()["components"]["schemas"][name]["properties"][field]["maxLength"] == longest


def test_long_text_that_the_file_has_is_kept(serve: Serve, small: dict[str, Any]) -> None:
    small["categories"][0]["name"] = small["categories"][0]["supercategory"] = "x" * 2_000
    small["images"][0]["file_name"] = "x" * 5_000
    api = serve(small)
    assert api.patch("/api/categories/1", {"note": "kept"}).json["name"] == "x" * 2_000
    assert api.patch("/api/images/1", {"note": "kept"}).json["file_name"] == "x" * 5_000
    assert api.saved()["categories"][0]["supercategory"] == "x" * 2_000


# Slow and aborted clients


@pytest.fixture
def large(dataset_path: Path) -> Path:
    """A dataset whose export, and whose first picture, do not fit into the buffers between a server and its client."""
    picture = dataset_path.with_name("large.png")
    Image.new("RGB", (640, 480)).save(picture)
    with picture.open("ab") as file:
        file.write(bytes(20 * MEBIBYTE))
    images = [{"id": n, "file_name": "x" * 200, "width": 640, "height": 480} for n in range(1, 60_000)]
    images[0]["file_name"] = picture.name
    dataset_path.write_text(json.dumps({"images": images, "annotations": [], "categories": [{"id": 1, "name": "cat"}]}))
    return dataset_path


def stalled(url: str, data: bytes) -> socket.socket:
    """A connection that has sent `data`, and reads nothing."""
    connection = connect(url)
    connection.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)
    connection.sendall(data)
    return connection


EXPORT = b"GET /api/dataset/export HTTP/1.1\r\nHost: localhost\r\n\r\n"
HEAD = b"POST /api/annotations HTTP/1.1\r\nHost: localhost\r\nContent-Type: application/json\r\n"
STALLS = {
    "in the head": HEAD,
    "in the body": HEAD + b"Content-Length: 50\r\n\r\n{",
    "in a chunk": HEAD + b"Transfer-Encoding: chunked\r\n\r\n5\r\n{",
    "between chunks": HEAD + b"Transfer-Encoding: chunked\r\n\r\n1\r\n{\r\n",
    "in reading": EXPORT,
    "in reading a picture": b"GET /api/images/1/file HTTP/1.1\r\nHost: localhost\r\n\r\n",
}


def test_others_are_served_while_clients_stall(large: Path) -> None:
    with serve(large) as server, ExitStack() as stack:
        late = [stack.enter_context(half_sent(server)) for _ in range(3)]
        for data in STALLS.values():
            stack.enter_context(closing(stalled(server.url, data)))
        added = server.add()
        assert server.request("PATCH", "/api/images/1", {"note": "x"}).status == 200
        assert server.request("GET", f"/api/annotations/{added}").status == 200
        assert server.request("POST", "/api/flush").body["saved"]
        # They were still at it.
        assert [request.finish().status for request in late] == [201] * 3


@pytest.mark.parametrize("where", STALLS)
def test_clients_that_stall_give_their_threads_back(large: Path, where: str) -> None:
    env = {"COCOANNOT_THREADS": "2", "COCOANNOT_CLIENT_TIMEOUT": "1"}
    with serve(large, env=env) as server, ExitStack() as stack:
        connections = [stack.enter_context(closing(stalled(server.url, STALLS[where]))) for _ in range(2)]
        server.add()
        server.wait_for_log(STALLED if not where.endswith(("body", "chunk", "chunks")) else " 408 ", len(connections))
        if where.endswith(("body", "chunk", "chunks")):
            for connection in connections:
                reply = read_reply(connection)
                assert reply.status == 408
                assert "stopped coming" in reply.json["message"]
                assert connection.recv(1) == b"", "closed"
        assert "Traceback" not in server.log
        assert "ERROR" not in server.log
        assert server.status()["pending"]["annotations_added"] == 1


def test_clients_that_break_off_leave_nothing_behind(large: Path) -> None:
    with serve(large, env={"COCOANNOT_THREADS": "2"}) as server:
        for data in [*STALLS.values()] * 3:
            connection = stalled(server.url, data)
            # Closing it then sends RST.
            connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
            connection.close()
        server.add()
        assert "Traceback" not in server.log
        assert "ERROR" not in server.log
        assert server.status()["pending"]["annotations_added"] == 1


def test_body_that_ends_early_is_a_400(server: Server) -> None:
    with closing(stalled(server.url, STALLS["in the body"])) as connection:
        connection.shutdown(socket.SHUT_WR)
        reply = read_reply(connection)
        assert reply.status == 400
        assert "ends before the length" in reply.json["message"]


def test_client_that_does_not_close_after_its_answer_keeps_nobody_waiting(server: Server) -> None:
    with ExitStack() as stack:
        for _ in range(5):
            connection = stack.enter_context(closing(stalled(server.url, b"GET /healthz HTTP/1.0\r\n\r\n")))
            # By itself, gunicorn waits 2 seconds for the one before to close.
            connection.settimeout(1.5)
            assert read_reply(connection).status == 200
