"""Pictures on their way to a real server: broken connections, bodies without a length, disks that are full."""

from __future__ import annotations

import io
import json
import os
import socket
import subprocess
from collections.abc import Iterator
from contextlib import closing
from functools import cache
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import pytest
from PIL import Image
from servers import Server, connect, exchange, read_reply, serve, until

pytestmark = pytest.mark.slow

LIMIT = 300_000
EMPTY: dict[str, Any] = {
    "images": [{"id": 7, "file_name": "later.bmp", "width": 64, "height": 48}],
    "annotations": [],
    "categories": [],
}


@cache
def picture(side: int = 400) -> bytes:
    data = io.BytesIO()
    Image.effect_noise((side, side), 100).save(data, "BMP")
    return data.getvalue()


def form(data: bytes) -> bytes:
    return b'--x\r\nContent-Disposition: form-data; name="file"; filename="a.bmp"\r\n\r\n' + data + b"\r\n--x--\r\n"


def files(folder: Path) -> list[str]:
    return sorted(path.name for path in folder.iterdir())


POST = "POST /api/images HTTP/1.1\nHost: HOST\nContent-Type: multipart/form-data; boundary=x\nConnection: close"
PUT = "PUT /api/images/7/file HTTP/1.1\nHost: HOST\nContent-Type: image/bmp\nConnection: close"


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    folder = tmp_path / "pictures"
    folder.mkdir()
    return folder


@pytest.fixture
def server(dataset_path: Path, folder: Path) -> Iterator[Server]:
    dataset_path.write_text(json.dumps(EMPTY))
    env = {"COCOANNOT_IMAGES": str(folder), "COCOANNOT_MAX_PICTURE_BYTES": str(LIMIT), "COCOANNOT_CLIENT_TIMEOUT": "1"}
    with serve(dataset_path, env=env) as server:
        yield server


@pytest.mark.parametrize(("head", "wrap"), [(POST, True), (PUT, False)])
def test_picture_comes_with_a_length_and_in_chunks(server: Server, folder: Path, head: str, wrap: bool) -> None:
    body = form(picture()) if wrap else picture()
    chunks = b"".join(b"%x\r\n%b\r\n" % (len(part), part) for part in (body[:1000], body[1000:])) + b"0\r\n\r\n"
    assert exchange(server.url, f"{head}\nTransfer-Encoding: chunked", chunks).status == 201
    assert [(folder / name).read_bytes() for name in files(folder)] == [picture()]
    again = exchange(server.url, f"{head}\nContent-Length: {len(body)}", body)
    assert again.status == 409
    assert len(files(folder)) == 1


@pytest.mark.parametrize(("head", "wrap"), [(POST, True), (PUT, False)])
@pytest.mark.parametrize("chunked", [True, False])
def test_picture_beyond_the_limit_is_refused_however_it_comes(
    server: Server, folder: Path, head: str, wrap: bool, chunked: bool
) -> None:
    data = picture(600)
    body = form(data) if wrap else data
    if chunked:
        body, length = b"%x\r\n%b\r\n0\r\n\r\n" % (len(body), body), "Transfer-Encoding: chunked"
    else:
        length = f"Content-Length: {len(body)}"
    answer = exchange(server.url, f"{head}\n{length}", body)
    assert answer.status == 413
    assert "COCOANNOT_MAX_PICTURE_BYTES" in json.loads(answer.body)["message"]
    assert files(folder) == []


@pytest.mark.parametrize(("head", "wrap"), [(POST, True), (PUT, False)])
def test_connection_that_breaks_within_a_picture_leaves_nothing(
    server: Server, folder: Path, head: str, wrap: bool
) -> None:
    body = form(picture()) if wrap else picture()
    with closing(connect(server.url)) as connection:
        text = f"{head}\nContent-Length: {len(body)}".replace("HOST", urlsplit(server.url).netloc).replace("\n", "\r\n")
        connection.sendall(text.encode() + b"\r\n\r\n" + body[:70_000])
        until(lambda: files(folder), "the picture begins to come")
        connection.shutdown(socket.SHUT_WR)
        assert read_reply(connection).status == 400
    assert files(folder) == []
    assert [image["id"] for image in server.request("GET", "/api/images").body] == [7]


def test_picture_that_stops_coming_is_a_408_and_leaves_nothing(server: Server, folder: Path) -> None:
    body = form(picture())
    with closing(connect(server.url)) as connection:
        text = f"{POST}\nContent-Length: {len(body)}".replace("HOST", urlsplit(server.url).netloc).replace("\n", "\r\n")
        connection.sendall(text.encode() + b"\r\n\r\n" + body[:70_000])
        assert read_reply(connection).status == 408
    assert files(folder) == []


def test_killed_server_leaves_what_the_next_scan_finds(server: Server, folder: Path, dataset_path: Path) -> None:
    body = form(picture())
    with closing(connect(server.url)) as connection:
        text = f"{POST}\nContent-Length: {len(body)}".replace("HOST", urlsplit(server.url).netloc).replace("\n", "\r\n")
        connection.sendall(text.encode() + b"\r\n\r\n" + body[:70_000])
        until(lambda: files(folder), "the picture begins to come")
        server.kill()
    assert all(name.startswith(".cocoannot-") for name in files(folder))
    (folder / "b.bmp").write_bytes(picture())
    with serve(dataset_path, env={"COCOANNOT_IMAGES": str(folder)}) as again:
        scanned = again.request("POST", "/api/images/scan").body
        assert (scanned["added"], scanned["skipped"]) == (1, [])


@pytest.fixture
def disk(tmp_path: Path) -> Iterator[Path]:
    """A disk of 32 MiB: there is room for pictures, and little more than what is to stay free."""
    if os.geteuid():
        pytest.skip("only root may mount file systems")
    folder = tmp_path / "disk"
    folder.mkdir()
    command = ["mount", "-t", "tmpfs", "-o", "size=32m", "none", str(folder)]
    done = subprocess.run(command, capture_output=True, text=True)
    if done.returncode:
        pytest.skip(f"mount does not work here: {done.stderr.strip()}")
    yield folder
    subprocess.run(["umount", "--lazy", folder], check=True)


@pytest.mark.parametrize("announced", [True, False])
def test_full_disk_is_a_507_that_leaves_nothing(dataset_path: Path, disk: Path, announced: bool) -> None:
    dataset_path.write_text(json.dumps(EMPTY))
    body = form(bytes(40 << 20))
    with serve(dataset_path, env={"COCOANNOT_IMAGES": str(disk)}) as server:
        if announced:
            answer = exchange(server.url, PUT + f"\nContent-Length: {40 << 20}", bytes(40 << 20))
        else:
            chunks = b"%x\r\n%b\r\n0\r\n\r\n" % (len(body), body)
            answer = exchange(server.url, f"{POST}\nTransfer-Encoding: chunked", chunks)
        assert answer.status == 507
        assert "make room" in json.loads(answer.body)["message"]
        assert files(disk) == []
        assert exchange(server.url, f"{POST}\nContent-Length: {len(form(picture()))}", form(picture())).status == 201


def test_folder_that_is_read_only_is_a_503_and_scan_works_all_the_same(dataset_path: Path, disk: Path) -> None:
    dataset_path.write_text(json.dumps(EMPTY))
    (disk / "b.bmp").write_bytes(picture())
    subprocess.run(["mount", "-o", "remount,ro", disk], check=True)
    with serve(dataset_path, env={"COCOANNOT_IMAGES": str(disk)}) as server:
        answer = exchange(server.url, f"{POST}\nContent-Length: {len(form(picture()))}", form(picture()))
        assert answer.status == 503
        assert "Read-only" in json.loads(answer.body)["message"]
        assert server.request("POST", "/api/images/scan").body["added"] == 1


def test_pictures_are_never_whole_in_memory(dataset_path: Path, folder: Path) -> None:
    dataset_path.write_text(json.dumps(EMPTY))
    large = form(bytes(120 << 20))
    with serve(dataset_path, env={"COCOANNOT_IMAGES": str(folder)}) as server:

        def peak() -> int:
            status = Path(f"/proc/{server.worker}/status").read_text()
            return int(status.partition("VmHWM:")[2].split()[0]) << 10

        exchange(server.url, f"{POST}\nContent-Length: {len(form(picture()))}", form(picture()))
        before = peak()
        assert exchange(server.url, f"{POST}\nContent-Length: {len(large)}", large).status == 422
        assert peak() - before < 40 << 20
