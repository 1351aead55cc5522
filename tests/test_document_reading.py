"""A dataset's text is read while its hash is computed, and errors are those that come first without that."""

from __future__ import annotations

import gzip
from pathlib import Path

import pytest

from cocoannot.errors import DatasetError
from cocoannot.files.dataset_file import DatasetFile
from cocoannot.store.memory.document_reading import DocumentReading

TEXT = b'{"images": [{"id": 3}], "annotations": [], "categories": []}'
BROKEN = b'{"images": 3, "annotations": [], "categories": []}'


def test_the_text_is_given_while_it_is_hashed(tmp_path: Path) -> None:
    path = tmp_path / "dataset.json"
    path.write_bytes(TEXT)
    given: list[bytes] = []
    found = DatasetFile(path).read(given.append)
    assert given == [TEXT]
    assert found.data is given[0]


def test_gzip_is_given_to_nobody(tmp_path: Path) -> None:
    path = tmp_path / "dataset.json.gz"
    path.write_bytes(gzip.compress(TEXT))
    given: list[bytes] = []
    assert DatasetFile(path).read(given.append).data == TEXT
    assert not given


def test_a_file_that_changes_meanwhile_is_not_called_broken(tmp_path: Path) -> None:
    path = tmp_path / "dataset.json"
    path.write_bytes(BROKEN)
    reading = DocumentReading(str(path))

    def read_while_it_is_written(text: bytes) -> None:
        reading.read(text)
        path.write_bytes(TEXT)

    with pytest.raises(DatasetError, match="is being changed by something else"):
        DatasetFile(path).read(read_while_it_is_written)


def test_what_is_wrong_is_raised_where_the_document_is_asked_for() -> None:
    reading = DocumentReading("dataset.json")
    reading.read(BROKEN)
    with pytest.raises(DatasetError, match=r"`flask check dataset\.json --fix OUT` writes a repaired copy"):
        reading.document(BROKEN)


def test_another_text_is_read_when_it_is_asked_for() -> None:
    reading = DocumentReading("dataset.json")
    reading.read(BROKEN)
    assert reading.document(TEXT).sections["images"].keys["id"].tolist() == [3]
