"""A dataset in a gzip file, `NAME.gz`: read, saved, checked and sent as gzip, and shown as the text that it holds."""

from __future__ import annotations

import gzip
import json
import zlib
from contextlib import closing
from hashlib import sha256
from pathlib import Path
from typing import Any

import pytest
from api_client import Serve
from click.testing import Result
from conftest import FakeClock, OpenDataset
from flask import Flask
from s3_copies import LocalCopy, Object
from s3_servers import S3Server

from cocoannot.cli.check import check
from cocoannot.errors import DatasetError, FileChanged
from cocoannot.extension import Cocoannot
from cocoannot.files.dataset_file import DatasetFile
from cocoannot.files.packing import pack
from cocoannot.store.memory.maintenance import MemoryMaintenance
from cocoannot.store.memory.store import MemoryStore


@pytest.fixture
def dataset_path(tmp_path: Path) -> Path:
    return tmp_path / "dataset.json.gz"


@pytest.fixture
def packed(small: dict[str, Any]) -> bytes:
    """The small dataset, as another program packs it."""
    return gzip.compress(json.dumps(small).encode(), compresslevel=1)


def names_in(path: Path) -> list[str]:
    return [category["name"] for category in json.loads(gzip.decompress(path.read_bytes()))["categories"]]


def run(*arguments: object) -> Result:
    app = Flask("tests")
    Cocoannot().init_app(app)
    return app.test_cli_runner().invoke(check, list(map(str, arguments)))


def test_gzip_file_is_read_and_saved_as_gzip(
    open_dataset: OpenDataset, dataset_path: Path, packed: bytes, small: dict[str, Any]
) -> None:
    manager = open_dataset(packed)
    assert [dict(record) for record in manager.get_annotations()] == small["annotations"]
    assert manager.save() is False
    assert dataset_path.read_bytes() == packed
    manager.update_annotation(1, {"note": "x"})
    assert manager.save() is True
    small["annotations"][0]["note"] = "x"
    assert gzip.decompress(dataset_path.read_bytes()) == json.dumps(small).encode()
    again = open_dataset()
    assert (again.revision, [dict(record) for record in again.get_annotations()]) == (1, small["annotations"])


def test_state_file_and_status_tell_of_the_file_on_disk(
    open_dataset: OpenDataset, dataset_path: Path, packed: bytes
) -> None:
    manager = open_dataset(packed)
    assert manager.store.status().size == len(packed)
    manager.add_category({"name": "new"})
    manager.save()
    (version,) = DatasetFile(dataset_path).identity.stored().versions
    saved = dataset_path.read_bytes()
    assert (version.size, version.sha256) == (len(saved), sha256(saved).hexdigest())
    assert manager.store.status().size == len(saved)


def test_change_that_only_the_journal_has_is_made_again(open_dataset: OpenDataset, packed: bytes) -> None:
    manager = open_dataset(packed)
    manager.add_category({"name": "new"})
    manager.close()
    again = open_dataset()
    assert again.get_categories()[-1]["name"] == "new"


def test_the_same_text_is_packed_to_the_same_bytes() -> None:
    blocks: list[bytes | memoryview] = [b'{"images": []', memoryview(b"}" + b" " * 100_000)]
    packed = b"".join(pack(blocks))
    assert b"".join(pack([b"".join(blocks)])) == packed
    assert gzip.decompress(packed) == b"".join(blocks)
    # No time and no name in the header.
    assert (packed[3], packed[4:8]) == (0, bytes(4))


def test_dataset_that_is_made_under_such_a_name_is_gzip(dataset_path: Path) -> None:
    with closing(MemoryStore()) as store:
        store.load(str(dataset_path), create=True)
    assert json.loads(gzip.decompress(dataset_path.read_bytes()))["images"] == []


def test_gzip_file_of_several_members_is_read_whole(open_dataset: OpenDataset) -> None:
    manager = open_dataset(gzip.compress(b'{"images": [{"id": 1},') + gzip.compress(b' {"id": 2}]}'))
    assert manager.counts()["images"] == 2


def test_plain_text_under_such_a_name_stays_plain(open_dataset: OpenDataset, dataset_path: Path) -> None:
    manager = open_dataset('{"categories": [{"id": 1, "name": "a"}]}')
    manager.update_category(1, {"name": "b"})
    manager.save()
    assert dataset_path.read_text() == '{"categories": [{"id": 1, "name": "b"}]}'


@pytest.mark.parametrize(
    ("damage", "message"),
    [
        (lambda packed: packed[:-1], r"dataset\.json\.gz: the gzip file was cut off; copy or download it again"),
        (lambda packed: packed[: len(packed) // 2], r"dataset\.json\.gz: the gzip file was cut off"),
        (lambda packed: packed[:5], r"dataset\.json\.gz: the gzip file was cut off"),
        (lambda packed: packed[:-8] + bytes(8), r"dataset\.json\.gz: the gzip file is damaged \(CRC check failed"),
        (lambda packed: packed[:40] + b"\xff" * 20 + packed[60:], r"dataset\.json\.gz: the gzip file is damaged"),
        (lambda packed: packed + b"more", r"dataset\.json\.gz: the gzip file is damaged"),
    ],
    ids=["a byte is missing", "half of it", "a header", "another checksum", "other bytes", "something behind it"],
)
def test_damaged_gzip_file_is_refused_by_name(
    open_dataset: OpenDataset, dataset_path: Path, packed: bytes, damage: Any, message: str
) -> None:
    with pytest.raises(DatasetError, match=message):
        open_dataset(damage(packed))
    assert dataset_path.read_bytes() == damage(packed)
    result = run(dataset_path)
    assert (result.exit_code, len(result.output.splitlines())) == (2, 1)
    assert f"can't read {dataset_path}: the gzip file" in result.output


def test_gzip_file_that_would_fill_the_memory_is_refused_before_it_does(
    open_dataset: OpenDataset, dataset_path: Path
) -> None:
    bomb = b"".join(pack([b'{"images": [], "annotations": [], "categories": []'] + [bytes(1 << 20)] * 300))
    dataset_path.write_bytes(bomb)
    with pytest.raises(DatasetError, match=r"more than 256 MiB in \d{6} bytes"):
        open_dataset()
    assert dataset_path.read_bytes() == bomb


def test_text_in_a_gzip_file_that_is_no_dataset_is_refused_by_what_it_is(open_dataset: OpenDataset) -> None:
    with pytest.raises(DatasetError, match=r"dataset\.json\.gz: .*a results file"):
        open_dataset(gzip.compress(b'[{"image_id": 1, "score": 0.5}]'))


def test_export_is_the_text_under_a_name_without_gz(serve: Serve, packed: bytes, small: dict[str, Any]) -> None:
    answer = serve(packed).get("/api/dataset/export")
    assert answer.data == json.dumps(small).encode()
    assert answer.headers["Content-Disposition"] == "attachment; filename=dataset.json"
    assert "Content-Encoding" not in answer.headers


def test_replaced_dataset_is_gzip(open_dataset: OpenDataset, dataset_path: Path, packed: bytes) -> None:
    open_dataset(packed).set_images([{"id": 9}])
    assert json.loads(gzip.decompress(dataset_path.read_bytes()))["images"] == [{"id": 9}]


@pytest.mark.parametrize(
    ("choice", "expected", "kept"), [("overwrite", "ours", "theirs"), ("theirs", "theirs", "ours")]
)
def test_conflict_is_resolved_and_both_versions_are_gzip(
    open_dataset: OpenDataset, dataset_path: Path, packed: bytes, choice: str, expected: str, kept: str
) -> None:
    manager = open_dataset(packed)
    manager.add_category({"name": "ours"})
    dataset_path.write_bytes(gzip.compress(b'{"categories": [{"id": 9, "name": "theirs"}]}'))
    with pytest.raises(FileChanged):
        manager.save()
    manager.close()
    paths = MemoryMaintenance(DatasetFile(dataset_path)).resolve_conflict(choice, "1")
    assert names_in(dataset_path)[-1] == expected
    assert names_in(Path(paths[0]))[-1] == kept
    assert open_dataset().get_categories()[-1]["name"] == expected


def test_check_reads_gzip_and_writes_a_repaired_copy_as_its_name_says(dataset_path: Path, tmp_path: Path) -> None:
    text = (
        b'{"images": [{"id": "1", "file_name": "a.jpg", "width": 9, "height": 9}], "annotations": [], "categories": []}'
    )
    dataset_path.write_bytes(gzip.compress(text))
    out, plain = tmp_path / "out.json.gz", tmp_path / "out.json"
    assert run(dataset_path).exit_code == 1
    assert run(dataset_path, "--fix", out).exit_code == 0
    assert run(dataset_path, "--fix", plain).exit_code == 0
    assert gzip.decompress(out.read_bytes()) == plain.read_bytes() == text.replace(b'"1"', b"1")
    assert run(out).exit_code == 0


def test_capitals_in_the_name_make_no_difference(tmp_path: Path, packed: bytes) -> None:
    path = tmp_path / "DATASET.JSON.GZ"
    path.write_bytes(packed)
    with closing(MemoryStore()) as store:
        store.load(str(path))
        assert store.export().name == "DATASET.JSON"


def test_gzip_under_another_name_is_refused_with_advice(tmp_path: Path, packed: bytes) -> None:
    path = tmp_path / "dataset.json"
    path.write_bytes(packed)
    with closing(MemoryStore()) as store, pytest.raises(DatasetError, match=r"or give it a name that ends in \.gz"):
        store.load(str(path))
    assert "or give it a name that ends in .gz" in run(path).output


@pytest.mark.slow
@pytest.mark.parametrize("s3", ["moto"], indirect=True)
def test_gzip_object_is_downloaded_changed_and_uploaded_as_gzip(
    s3: S3Server, dataset_path: Path, clock: FakeClock, packed: bytes
) -> None:
    with closing(Object(s3, s3.new_key("dataset.json.gz"))) as there:
        there.put(packed)
        copy = LocalCopy(there.uri, dataset_path.parent, clock)
        copy.path = dataset_path
        copy.start()
        assert copy.data == packed
        copy.add()
        copy.manager.save()
        assert isinstance(copy.manager.store, MemoryStore)
        copy.s3.upload(copy.manager.store, overwrite=False)
        assert there.read() == copy.data
        assert zlib.decompress(there.read(), 31) == b"".join(copy.manager.store.export().blocks)
        assert there.head()["ContentType"] == "application/gzip"
        assert copy.state == "level"
