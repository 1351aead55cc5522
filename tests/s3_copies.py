"""An object in S3 as somebody else sees it, and local copies of it, without the server around them and with it."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path
from typing import Any

import pytest
from api_client import Server as Application
from conftest import FakeClock
from s3_servers import BUCKET, S3Server
from servers import ANNOTATION

from cocoannot.files.dataset_file import DatasetFile
from cocoannot.manager import DatasetManager
from cocoannot.replica.replica import Replica, S3Status
from cocoannot.replica.upload import Uploaded
from cocoannot.settings import S3Options, S3Uri, Settings
from cocoannot.store.memory.store import MemoryStore

OPTIONS = S3Options(10.0, "auto", "when_supported", True)


class Object:
    """One object, read and changed by somebody who is no cocoannot."""

    def __init__(self, server: S3Server, key: str) -> None:
        self.uri = S3Uri(BUCKET, key)
        self._client = server.client()

    def close(self) -> None:
        self._client.close()

    def put(self, content: Mapping[str, Any] | bytes, metadata: Mapping[str, str] | None = None) -> bytes:
        """Put a dataset or a text; returns its bytes."""
        data = content if isinstance(content, bytes) else json.dumps(content).encode()
        self._client.put_object(Bucket=BUCKET, Key=self.uri.key, Body=data, Metadata=dict(metadata or {}))
        return data

    def read(self, key: str | None = None) -> bytes:
        """All of it, or of another object."""
        answer = self._client.get_object(Bucket=BUCKET, Key=key or self.uri.key)
        with answer["Body"] as body:
            data: bytes = body.read()
            return data

    def head(self, key: str | None = None) -> dict[str, Any]:
        """What S3 tells of it, or of another object."""
        answer: dict[str, Any] = self._client.head_object(Bucket=BUCKET, Key=key or self.uri.key)
        return answer

    @property
    def etag(self) -> str:
        return str(self.head()["ETag"])

    @property
    def metadata(self) -> dict[str, str]:
        return dict(self.head()["Metadata"])

    def delete(self) -> None:
        self._client.delete_object(Bucket=BUCKET, Key=self.uri.key)

    def others(self) -> list[str]:
        """The keys beside it."""
        prefix = self.uri.key.rpartition("/")[0] + "/"
        found = self._client.list_objects_v2(Bucket=BUCKET, Prefix=prefix).get("Contents", [])
        return sorted(each["Key"] for each in found if each["Key"] != self.uri.key)

    def versions(self) -> list[bytes]:
        """What it holds, and what those beside it hold."""
        return [self.read(key) for key in [self.uri.key, *self.others()]]


class LocalCopy:
    """A machine's local copy of an object, in `folder`. Nothing is saved unless it is told to; a second `start` is one
    after a crash."""

    def __init__(self, uri: S3Uri, folder: Path, clock: FakeClock, options: S3Options = OPTIONS) -> None:
        self.uri = uri
        self.path = folder / "dataset.json"
        self.clock = clock
        self._options = options

    def start(self, *, create: bool = False, beat: Callable[[], object] = lambda: None) -> LocalCopy:
        """As the server does at its start. Raises `S3Error`, `DatasetError`."""
        self.open(self._options)
        loaded = self.s3.start(beat, create=create)
        self.store.load_file(self.file, create=create, loaded=loaded)
        return self

    def open(self, options: S3Options = OPTIONS) -> LocalCopy:
        """As a command does, which asks nothing and loads nothing yet."""
        self.file = DatasetFile(self.path)
        self.s3 = Replica(self.uri, options, self.file, self.clock)
        self.store = MemoryStore(clock=self.clock)
        self.manager = DatasetManager(self.store)
        return self

    def add(self) -> int:
        return int(self.manager.add_annotation(dict(ANNOTATION))["id"])

    def upload(self, *, overwrite: bool = False) -> Uploaded:
        return self.s3.upload(self.store, overwrite=overwrite)

    @property
    def status(self) -> S3Status:
        return self.s3.status(self.manager.revision)

    @property
    def state(self) -> str:
        return self.status.state

    @property
    def data(self) -> bytes:
        return self.path.read_bytes()

    def ids(self) -> list[int]:
        """The annotations in memory."""
        text = b"".join(self.manager.store.export().blocks)
        return [annotation["id"] for annotation in json.loads(text)["annotations"]]


def sha256(data: bytes) -> str:
    return hashlib.sha256(data).hexdigest()


@pytest.fixture
def path(settings: dict[str, str]) -> Path:
    """The local copy."""
    return Settings.read(settings, {}).dataset_path()


@pytest.fixture
def application(settings: dict[str, str], path: Path) -> Iterator[Application]:
    """The application in this process, loaded, by the `settings` of a module."""
    application = Application(path, settings)
    assert application.get("/readyz").status_code == 200
    yield application
    application.stop()
