"""A dataset in PostgreSQL that is exported to an object in S3: never over what somebody else wrote there."""

from __future__ import annotations

import json
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor

import pytest
from s3_servers import BUCKET, S3Server

from cocoannot.changes.operations import Add
from cocoannot.database_uri import DatabaseUri
from cocoannot.errors import FileChanged, SaveError
from cocoannot.replica.exported import ObjectPlace
from cocoannot.settings import S3Options, S3Uri, Settings
from cocoannot.store.postgres.place import PlaceChanged
from cocoannot.store.postgres.store import PostgresStore

pytestmark = pytest.mark.slow

BOX = {"image_id": 1, "category_id": 1, "bbox": [1, 2, 3, 4]}
OPTIONS = S3Options(20, "auto", "when_supported", True)


@pytest.fixture
def key(s3: S3Server) -> str:
    return s3.new_key("exported.json")


@pytest.fixture
def stores(uri: DatabaseUri, key: str) -> Iterator[list[PostgresStore]]:
    """Of two processes that export one dataset to one object."""
    found = [PostgresStore(export=ObjectPlace(S3Uri(BUCKET, key), OPTIONS)) for _ in range(2)]
    for store in found:
        store.load(uri.text)
    yield found
    for store in found:
        store.close()


def in_object(s3: S3Server, key: str) -> int:
    body = s3.client().get_object(Bucket=BUCKET, Key=key)["Body"].read()
    return len(json.loads(body)["annotations"])


def test_processes_export_to_one_object_one_after_the_other(
    stores: list[PostgresStore], s3: S3Server, key: str
) -> None:
    def change_and_save(number: int) -> None:
        stores[number % 2].commit([Add("annotations", BOX)])
        stores[number % 2].save()

    with ThreadPoolExecutor(4) as pool:
        list(pool.map(change_and_save, range(6)))
    assert in_object(s3, key) == 9
    assert [store.status().file_revision for store in stores] == [6, 6]
    assert stores[1].status().path == f"s3://{BUCKET}/{key}"
    assert stores[0].save() is None


def test_what_somebody_else_wrote_is_not_written_over_unless_that_is_said(
    stores: list[PostgresStore], s3: S3Server, key: str
) -> None:
    stores[0].commit([Add("annotations", BOX)])
    stores[0].save()
    s3.client().put_object(Bucket=BUCKET, Key=key, Body=b"theirs")
    stores[0].commit([Add("annotations", BOX)])
    with pytest.raises(FileChanged, match="something else changed s3://"):
        stores[0].save()
    assert s3.client().get_object(Bucket=BUCKET, Key=key)["Body"].read() == b"theirs"
    saved = stores[0].save(overwrite=True)
    assert saved is not None
    assert saved.kept is not None
    kept = saved.kept.removeprefix(f"s3://{BUCKET}/")
    assert s3.client().get_object(Bucket=BUCKET, Key=kept)["Body"].read() == b"theirs"
    assert in_object(s3, key) == 5


def test_who_writes_between_the_look_and_the_upload_is_not_written_over(s3: S3Server, key: str) -> None:

    place = ObjectPlace(S3Uri(BUCKET, key), OPTIONS)
    place.put([b"first"], None, lambda content: None, 1, None)
    seen = place.look()

    def blocks() -> Iterator[bytes]:
        s3.client().put_object(Bucket=BUCKET, Key=key, Body=b"theirs")
        yield b"second"

    with pytest.raises(PlaceChanged):
        place.put(blocks(), seen, lambda content: None, 2, None)
    assert s3.client().get_object(Bucket=BUCKET, Key=key)["Body"].read() == b"theirs"


def test_an_export_that_s3_refuses_is_told_and_tried_again(
    stores: list[PostgresStore], s3: S3Server, key: str, monkeypatch: pytest.MonkeyPatch, uri: DatabaseUri
) -> None:
    store = stores[0]
    store.commit([Add("annotations", BOX)])
    missing = PostgresStore(export=ObjectPlace(S3Uri("no-such-bucket-here", key), OPTIONS))
    missing.load(uri.text)
    with pytest.raises(SaveError, match="nothing is lost"):
        missing.save()
    assert missing.status().saves.error is not None
    assert missing.status().saves.failed == 1
    missing.close()
    assert store.save() is not None


def test_the_setting_takes_an_object(uri: DatabaseUri) -> None:
    settings = Settings.read({}, {"COCOANNOT_DATASET": uri.text, "COCOANNOT_EXPORT": "s3://bucket/a/b.json"})
    assert settings.export == S3Uri("bucket", "a/b.json")
    assert settings.dataset_path().name == "dataset.json"
