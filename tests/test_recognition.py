"""A file that is no dataset is refused in one line that says what it is; `flask check` says the same."""

from __future__ import annotations

import bz2
import gzip
import io
import json
import tarfile
import zipfile

import pytest

from cocoannot.coco.parser import read_document
from cocoannot.errors import NotADataset


def archive(kind: str) -> bytes:
    """A small archive with one file in it."""
    file = io.BytesIO()
    if kind == "zip":
        with zipfile.ZipFile(file, "w") as zipped:
            zipped.writestr("instances.json", "{}")
    else:
        with tarfile.open(fileobj=file, mode="w") as tar:
            tar.addfile(tarfile.TarInfo("instances.json"))
    return file.getvalue()


OTHERS: dict[str, tuple[str | bytes, str]] = {
    "LabelMe": (
        json.dumps({"version": "5.4", "flags": {}, "shapes": [], "imagePath": "crow.jpg"}),
        "a LabelMe file.*Its keys are 'version', 'flags', 'shapes', 'imagePath'",
    ),
    "VIA project": ('{"_via_settings": {}, "_via_img_metadata": {}}', "a VIA project"),
    "VIA annotations": ('{"crow.jpg9": {"filename": "crow.jpg", "size": 9, "regions": []}}', "VIA annotations"),
    "Datumaro": ('{"info": {}, "categories": {"label": {}}, "items": []}', "a Datumaro file"),
    "GeoJSON": ('{"type": "FeatureCollection", "features": []}', "a GeoJSON file"),
    "Label Studio": ('[{"id": 5, "data": {"image": "x"}, "annotations": []}]', "tasks of Label Studio"),
    "results": (
        '[{"image_id": 3, "category_id": 8, "bbox": [1, 2, 3, 4], "score": 0.25}]',
        "not a COCO file: expected `object`, got `array`; a results file: predictions, which belong to a dataset",
    ),
    "results of masks": ('[{"image_id": 3, "category_id": 8, "segmentation": {}, "score": 0.25}]', "a results file"),
    "annotations alone": ('[{"id": 1, "image_id": 3, "category_id": 8, "bbox": [1, 2, 3, 4]}]', "annotations alone"),
    "images alone": ('[{"id": 1, "file_name": "crow.jpg"}]', "images alone"),
    "a list of lists": ("[[1], [2]]", "a list of 2 values"),
    "other keys": ('{"pictures": [], "boxes": []}', "without images, annotations and categories. Its keys are 'pic"),
    "many keys": (json.dumps(dict.fromkeys("abcdefghijkl")), "'g', 'h' and 4 more"),
    "a text": ('"images"', "one value"),
    "JSON in a text": (json.dumps('{"images": []}'), "encoded twice"),
    "a dataset in a list": ('[{"images": [], "annotations": []}]', r"datasets in a list: take one out.* \(1 record\)"),
    "a dataset in an object": ('{"data": {"images": [], "annotations": []}}', "a dataset under 'data': take it out"),
    "keys in capitals": (
        '{"Images": [], "Annotations": [], "categories": []}',
        "'Images' and 'Annotations': these keys",
    ),
    "YOLO labels": ("0 0.5 0.5 0.25 0.125\n3 0.1 0.2 0.05 0.05\n", "a list of labels of one picture"),
    "YOLO label": ("0 0.5 0.5 0.25 0.125", "a list of labels of one picture"),
    "YOLO pictures": ("./images/crow.jpg\n./images/rook.png\n", "a list of pictures"),
    "YOLO dataset": ("path: birds\ntrain: images\nnames:\n  0: crow\n", "a description of a dataset in YAML"),
    "Pascal VOC": ('<?xml version="1.0"?>\n<annotation><folder/></annotation>', "Pascal VOC"),
    "HTML": ("\n<!DOCTYPE html>\n<html><body>404</body></html>", "an HTML page"),
    "HTML in capitals": ("<HTML><BODY>Sign in</BODY></HTML>", "an HTML page"),
    "an error of S3": ('<?xml version="1.0"?>\n<Error><Code>AccessDenied</Code></Error>', "an error of a file store"),
    "Git LFS": ("version https://git-lfs.github.com/spec/v1\noid sha256:1f\nsize 9\n", "a Git LFS pointer.*lfs pull"),
    "gzip": (gzip.compress(b"{}"), r"a gzip file: unpack it \(gunzip\), or give it a name that ends in \.gz"),
    "bzip2": (bz2.compress(b"{}"), "a bzip2 file: unpack it"),
    "zip": (archive("zip"), "a zip archive: unpack it"),
    "tar": (archive("tar"), "a tar archive: unpack it"),
    "NULs": (bytes(300), "nothing but NUL bytes"),
    "nothing": ("", "the file is empty"),
    "CSV": ("filename,width,height,class,xmin\ncrow.jpg,64,48,crow,3\n", "a table"),
    "Python": ("{'images': []}", "what Python prints"),
}

NO_JSON: dict[str, tuple[str | bytes, str]] = {
    "NDJSON": ('{"id": 1}\n{"id": 2}\n', "line 2, column 1: .*: a JSON value on each line"),
    "a bracket too many": ('{"images": []}\n]', "line 2, column 1: `]`: a closing bracket too many"),
    "two datasets": ('{\n"images": []}\n{"images": []}', "line 3, column 1: .*more than one JSON value"),
    "a comment": ('{"images": [] // all of them\n}', "line 1, column 15: .*: a comment"),
    "a comment before": ("/* birds */ {}", "line 1, column 1: .*: a comment"),
    "a comma in a list": ('{"images": [\n {"id": 1},\n]}', "line 3, column 1: `]}`: a comma before a closing bracket"),
    "a comma in an object": ('{"images": [{"id": 1, }]}', r"line 1, column 23: `.*}\]}`: a comma before a closing"),
    "no comma": ('{"images": [{"id": 1}\n {"id": 2}]}', "line 2, column 2: .*: a comma is missing"),
    "cut off": ('{"images": [\n{"id": 1}, {"i', "line 2, column 15: .*: .* cut off"),
    "Python's None": ('{"images": [{"id": 1, "x": None}]}', "line 1, column 28: .*: None, True and False"),
    "single quotes": ("{\"images\": [], 'x': 1}", "line 1, column 16: .*: texts are in double quotes"),
    "a list that breaks off": ("[1, 2,, 3]", "line 1, column 7: "),
    "a list that is too deep": ("[" * 100_000 + "]" * 100_000, "nested too deep"),
    "columns are characters": ('{"äöü": 1 2}', "line 1, column 11: `{"),
}


@pytest.mark.parametrize(("data", "words"), (OTHERS | NO_JSON).values(), ids=OTHERS | NO_JSON)
def test_start_refuses_it_and_says_what_it_is(data: str | bytes, words: str) -> None:
    with pytest.raises(NotADataset, match=words) as caught:
        read_document(data if isinstance(data, bytes) else data.encode(), "birds.json")
    assert "\n" not in str(caught.value)


def test_empty_object_is_an_empty_dataset() -> None:
    assert read_document(b" {}", "birds.json").values == {}
