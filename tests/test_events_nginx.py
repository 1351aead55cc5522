"""Streams of events through a real nginx, with the configuration that is in deploy/."""

from __future__ import annotations

import json
import re
import shutil
import signal
import socket
import subprocess
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path
from typing import Any

import pytest
from event_streams import reading
from servers import ROOT, Server, serve, until

pytestmark = pytest.mark.slow

NGINX = shutil.which("nginx") or "/usr/sbin/nginx"

WHOLE = """
daemon off; worker_processes 1; pid FOLDER/pid; error_log FOLDER/error.log notice;
events { worker_connections 512; }
http {
access_log off;
client_body_temp_path FOLDER/a; proxy_temp_path FOLDER/b; fastcgi_temp_path FOLDER/c; uwsgi_temp_path FOLDER/d;
scgi_temp_path FOLDER/e;
CONFIGURATION
}
"""


def free_port() -> int:
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port: int = free.getsockname()[1]
        return port


@contextmanager
def nginx(folder: Path, upstream: str, *changes: tuple[str, str]) -> Iterator[str]:
    """nginx in front of `upstream`, as deploy/nginx.conf has it, but for addresses, names and the certificate."""
    if not Path(NGINX).exists() or shutil.which("openssl") is None:
        pytest.skip("nginx or openssl is not there (apt-get install nginx openssl)")
    plain, tls = free_port(), free_port()
    key, certificate = folder / "key.pem", folder / "certificate.pem"
    make = ["openssl", "req", "-x509", "-newkey", "rsa:2048", "-nodes", "-days", "2", "-subj", "/CN=localhost"]
    subprocess.run([*make, "-keyout", str(key), "-out", str(certificate)], check=True, capture_output=True)
    text = (ROOT / "deploy" / "nginx.conf").read_text()
    text = re.sub(r" *listen \[::\].*\n", "", text)
    for old, new in (
        ("listen 80;", f"listen 127.0.0.1:{plain};"),
        ("listen 443 ssl http2;", f"listen 127.0.0.1:{tls} ssl http2;"),
        ("annotate.example.org;", "localhost;"),
        ("/etc/nginx/tls/annotate.example.org.pem", str(certificate)),
        ("/etc/nginx/tls/annotate.example.org.key", str(key)),
        ("http://127.0.0.1:8000", upstream),
        *changes,
    ):
        assert old in text, old
        text = text.replace(old, new)
    path = folder / "nginx.conf"
    path.write_text(WHOLE.replace("FOLDER", str(folder)).replace("CONFIGURATION", text))
    with subprocess.Popen([NGINX, "-c", str(path)], stderr=subprocess.PIPE, text=True) as process:
        try:
            log = folder / "error.log"
            until(
                lambda: process.poll() is not None or (log.exists() and "start worker" in log.read_text()), "nginx runs"
            )
            assert process.poll() is None, process.communicate()
            yield f"https://127.0.0.1:{tls}"
        finally:
            process.terminate()
            process.communicate()


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    folder = tmp_path / "nginx"
    folder.mkdir()
    # nginx's worker is another user.
    for each in (folder, *folder.parents[:3]):
        each.chmod(0o755)
    return folder


@pytest.fixture
def server(dataset_path: Path, small: dict[str, Any]) -> Iterator[Server]:
    dataset_path.write_text(json.dumps(small))
    with serve(dataset_path, env={"COCOANNOT_PROXIES": "1"}) as server:
        yield server


def open_streams(server: Server) -> int:
    target = server.url.removeprefix("http://").split(":")
    with socket.create_connection((target[0], int(target[1])), 20) as connection:
        connection.sendall(b"GET /metrics HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n")
        text = b""
        while data := connection.recv(1 << 16):
            text += data
    return int(float(re.findall(rb"^cocoannot_event_streams (\S+)$", text, re.MULTILINE)[0]))


def check_stream(server: Server, url: str) -> None:
    with reading(url, tls=True) as reader:
        assert reader.next().name == "hello"
        for revision in (1, 2, 3):
            server.add()
            assert reader.next().revision == revision


def test_each_event_comes_through_nginx_at_once(server: Server, folder: Path) -> None:
    with nginx(folder, server.url) as url:
        check_stream(server, url)
        until(lambda: open_streams(server) == 0, "the server has seen that the client is gone")


def test_each_event_comes_at_once_where_nginx_s_own_configuration_says_nothing_of_streams(
    server: Server, folder: Path
) -> None:
    with nginx(folder, server.url, ("location = /api/events", "location = /not-there")) as url:
        check_stream(server, url)


def test_a_stream_through_nginx_ends_with_the_server_and_goes_on_with_the_next(server: Server, folder: Path) -> None:
    with nginx(folder, server.url) as url:
        first = server.worker
        with reading(url, tls=True) as reader:
            server.add()
            last = reader.until("change").id
            server.signal(signal.SIGHUP)
            assert reader.rest()[-1].name == "restart"
        server.wait_until_ready(but=first)
        server.add()
        with reading(url, last=last, tls=True) as reader:
            assert reader.until("change").revision == 2


def test_streams_are_counted_by_the_addresses_of_clients_and_not_by_that_of_nginx(server: Server, folder: Path) -> None:
    with nginx(folder, server.url) as url, ExitStack() as stack:
        statuses = [stack.enter_context(reading(url, tls=True)).status for _ in range(21)]
        assert statuses == [200] * 20 + [429]
        assert stack.enter_context(reading(url, tls=True, source="127.0.0.2")).status == 200
