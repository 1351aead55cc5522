"""What is stored can be used: after every kind of accepted change, other programs read the file, and evaluate it."""

from __future__ import annotations

import json
from importlib.metadata import version
from pathlib import Path
from typing import Any

import pytest
from api_client import Serve, Server
from coco_tools import FIELDS, TOOLS, captions
from doc_pages import rows, section
from servers import ROOT

pytestmark = [
    pytest.mark.slow,
    # What supervision and kwcoco say of their own options.
    pytest.mark.filterwarnings("ignore:OpenCV .* is not installed:UserWarning"),
    pytest.mark.filterwarnings("ignore:Table 'images' is missing . / . values for column 'name':UserWarning"),
]

Call = tuple[str, str, Any]

ANNOTATIONS, BATCH = "/api/annotations", "/api/annotations/batch"
IMAGES, CATEGORIES = "/api/images", "/api/categories"

POLYGON = [[10, 5, 60.5, 5, 60.5, 40, 10, 40]]
PARTS = [[2, 2, 20, 2, 20, 20], [30, 8, 80, 8, 80, 44, 30, 44]]
RLE = {"size": [50, 100], "counts": [505, 20, 30, 20, 30, 20, 4375]}
COMPRESSED = {"size": [50, 100], "counts": "Q_1d0n0000000000000000000000000000000000000000000000000000000000[n1"}
BOX = [12.5, 8, 30, 20.25]
KEYPOINTS = [15, 12, 2, 40, 31, 1]

DATASET: dict[str, Any] = {
    "images": [
        {"id": 1, "file_name": "one.jpg", "width": 640, "height": 480},
        {"id": 2, "file_name": "two.jpg", "width": 320, "height": 240},
        {"id": 3, "file_name": "three.jpg", "width": 100, "height": 50},
    ],
    "categories": [
        {"id": 1, "name": "cat", "supercategory": "animal"},
        {"id": 2, "name": "dog", "supercategory": "animal"},
        {"id": 5, "name": "person", "supercategory": "none", "keypoints": ["head", "hand"], "skeleton": [[1, 2]]},
        {"id": 7, "name": "bird", "supercategory": "animal"},
    ],
    "annotations": [
        {
            "id": 1,
            "image_id": 1,
            "category_id": 1,
            "segmentation": [[10, 10, 200, 10, 200, 120, 10, 120]],
            "area": 20900,
            "bbox": [10, 10, 190, 110],
            "iscrowd": 0,
        },
        {
            "id": 2,
            "image_id": 1,
            "category_id": 2,
            "segmentation": [],
            "area": 1200,
            "bbox": [300, 200, 30, 40],
            "iscrowd": 0,
        },
        {
            "id": 3,
            "image_id": 2,
            "category_id": 1,
            "segmentation": {"size": [240, 320], "counts": [4810, 60, 180, 60, 71690]},
            "area": 120,
            "bbox": [20, 10, 2, 60],
            "iscrowd": 1,
        },
        {
            "id": 4,
            "image_id": 2,
            "category_id": 5,
            "segmentation": [],
            "keypoints": [110, 120, 2, 150, 160, 2],
            "num_keypoints": 2,
            "area": 5400,
            "bbox": [100, 110, 60, 90],
            "iscrowd": 0,
        },
        {
            "id": 5,
            "image_id": 1,
            "category_id": 5,
            "segmentation": [],
            "keypoints": [0, 0, 0, 410, 260, 1],
            "num_keypoints": 1,
            "area": 2400,
            "bbox": [400, 210, 40, 60],
            "iscrowd": 0,
        },
        {
            "id": 8,
            "image_id": 2,
            "category_id": 1,
            "segmentation": [[200, 100, 300, 100, 300, 200]],
            "area": 5000,
            "bbox": [200, 100, 100, 100],
            "iscrowd": 0,
        },
    ],
}
"""An annotation of each shape. Cats have segmentations, dogs boxes, people keypoints; there is no bird."""

CAT, DOG, PERSON = ({"image_id": 3, "category_id": number} for number in (1, 2, 5))
ADDED: dict[str, Any] = {
    "polygon": {**CAT, "segmentation": POLYGON},
    "polygon of two parts": {**CAT, "segmentation": PARTS},
    "RLE": {**CAT, "segmentation": RLE},
    "compressed RLE": {**CAT, "segmentation": COMPRESSED},
    "crowd": {**CAT, "segmentation": RLE, "iscrowd": 1},
    "box": {**DOG, "bbox": BOX},
    "keypoints": {**PERSON, "keypoints": KEYPOINTS},
    "keypoints with a box": {**PERSON, "keypoints": KEYPOINTS, "bbox": BOX},
    "keypoints with a polygon": {**PERSON, "keypoints": KEYPOINTS, "segmentation": POLYGON},
    "box with a score": {**DOG, "bbox": BOX, "score": 0.5, "attributes": {"seen": None}},
}
PATCHED: dict[str, tuple[int, Any]] = {
    "polygon": (1, {"segmentation": [[5, 5, 25, 5, 25, 15.5]]}),
    "polygon to RLE": (8, {"segmentation": {"size": [240, 320], "counts": [4810, 60, 180, 60, 71690]}}),
    "polygon to crowd": (8, {"iscrowd": 1}),
    "RLE": (3, {"segmentation": {"size": [240, 320], "counts": [9, 30, 76761]}}),
    "RLE to polygon": (3, {"segmentation": [[20, 10, 22, 10, 22, 70, 20, 70]], "iscrowd": 0}),
    "box": (2, {"bbox": [310.25, 200, 40, 41]}),
    "box to polygon": (2, {"segmentation": [[300, 200, 330, 200, 330, 240]]}),
    "keypoints": (4, {"keypoints": [115, 120, 2, 0, 0, 0]}),
    "keypoints and box": (4, {"keypoints": [115, 120, 2, 0, 0, 0], "bbox": [100, 110, 61, 90]}),
    "keypoints away": (4, {"keypoints": None, "category_id": 2}),
    "image": (1, {"image_id": 2}),
    "category": (2, {"category_id": 7}),
    "other fields": (2, {"score": 0.25, "attributes": {"occluded": True}}),
}
IMAGE = {"file_name": "one.jpg", "width": 100, "height": 50}
REFUSED: dict[str, Call] = {
    "file_name of another image": ("POST", IMAGES, IMAGE),
    "file_name of another image instead": ("PATCH", f"{IMAGES}/2", {"file_name": "one.jpg"}),
    "no box": ("PATCH", f"{ANNOTATIONS}/2", {"bbox": None}),
    "no box beside keypoints": ("PATCH", f"{ANNOTATIONS}/4", {"bbox": None}),
    "no area": ("PATCH", f"{ANNOTATIONS}/2", {"area": None}),
    "no iscrowd": ("PATCH", f"{ANNOTATIONS}/2", {"iscrowd": None}),
    "no segmentation": ("PATCH", f"{ANNOTATIONS}/1", {"segmentation": None}),
    "no segmentation beside a box": ("PATCH", f"{ANNOTATIONS}/2", {"segmentation": None}),
    "caption without a category": ("POST", ANNOTATIONS, {"image_id": 3, "caption": "A cat looks out of a window."}),
    "annotation with id 0": ("POST", ANNOTATIONS, {**CAT, "id": 0, "segmentation": POLYGON}),
    "annotation with id 0 in a batch": (
        "POST",
        BATCH,
        {"operations": [{"op": "add", "annotation": {**DOG, "id": 0, "bbox": BOX}}]},
    ),
    "empty mask": ("POST", ANNOTATIONS, {**CAT, "segmentation": {"size": [50, 100], "counts": [5000]}}),
    "empty mask instead of another": (
        "PATCH",
        f"{ANNOTATIONS}/3",
        {"segmentation": {"size": [240, 320], "counts": [76_800, 0]}},
    ),
    "polygon without a height": ("POST", ANNOTATIONS, {**CAT, "segmentation": [[10, 10, 20, 10, 30, 10]]}),
}
"""Changes after which a program would fail: it takes these fields as given."""

GONE = DATASET["annotations"][-1]

ONE_OF_EACH = "batch"
"""The change after which the file has an annotation of every shape."""

CHANGES: dict[str, list[Call]] = {
    "nothing": [],
    **{f"POST {name}": [("POST", ANNOTATIONS, body)] for name, body in ADDED.items()},
    **{f"PATCH {name}": [("PATCH", f"{ANNOTATIONS}/{number}", body)] for name, (number, body) in PATCHED.items()},
    "POST keypoints, PATCH them": [
        ("POST", ANNOTATIONS, {**PERSON, "id": 20, "keypoints": KEYPOINTS}),
        ("PATCH", f"{ANNOTATIONS}/20", {"keypoints": [20, 12, 2, 45, 31, 2]}),
    ],
    "DELETE annotation": [("DELETE", f"{ANNOTATIONS}/8", None)],
    ONE_OF_EACH: [
        ("DELETE", f"{ANNOTATIONS}/8", None),
        (
            "POST",
            BATCH,
            {
                "operations": [
                    *({"op": "add", "annotation": body} for body in ADDED.values()),
                    {"op": "update", "id": 2, "changes": {"bbox": BOX}},
                    {"op": "delete", "id": 3},
                    {"op": "restore", "annotation": GONE},
                ]
            },
        ),
    ],
    "DELETE image": [("DELETE", f"{IMAGES}/1", None)],
    "DELETE category, reassigned": [("DELETE", f"{CATEGORIES}/2?reassign_to=7", None)],
    "DELETE category without annotations": [("DELETE", f"{CATEGORIES}/7", None)],
    "PATCH category": [("PATCH", f"{CATEGORIES}/2", {"name": "wolf", "supercategory": None})],
    "POST category with keypoints": [
        ("POST", CATEGORIES, {"id": 9, "name": "hand", "keypoints": ["wrist", "thumb", "palm"], "skeleton": [[1, 2]]}),
        ("POST", ANNOTATIONS, {"image_id": 3, "category_id": 9, "keypoints": [*KEYPOINTS, 0, 0, 0], "bbox": BOX}),
    ],
    "POST images": [
        ("POST", IMAGES, {"file_name": "four.jpg", "width": 100, "height": 50}),
        ("POST", IMAGES, {"id": 11, "file_name": "sub/five.jpg", "width": 64, "height": 48, "license": 1}),
        ("POST", ANNOTATIONS, {**CAT, "image_id": 4, "segmentation": RLE}),
    ],
    "PATCH image": [("PATCH", f"{IMAGES}/3", {"file_name": "new.png", "width": 200, "height": 80})],
    "PUT dataset": [("PUT", "/api/dataset", {**DATASET, "annotations": DATASET["annotations"][::-1], "licenses": []})],
}


def make(server: Server, method: str, url: str, body: Any) -> int:
    """Ask for a change; returns the status of the answer."""
    if method == "PUT":
        return server.put(body).status_code
    return server.ask(method, url, **({} if body is None else {"json": body})).status_code


def save_after(change: str, folder: Path) -> Path:
    """The file as it is saved after one kind of change."""
    path = folder / "dataset.json"
    path.write_text(json.dumps(DATASET))
    server = Server(path, {})
    for call in CHANGES[change]:
        assert make(server, *call) < 300, call
    server.stop()
    return path


@pytest.fixture(scope="module", params=CHANGES)
def saved(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Path:
    return save_after(request.param, tmp_path_factory.mktemp("saved"))


@pytest.mark.parametrize("tool", TOOLS)
def test_saved_file_evaluates_to_itself(saved: Path, tool: str) -> None:
    scores = TOOLS[tool](saved)
    assert scores == {kind: pytest.approx(1) for kind in scores}


@pytest.mark.parametrize("change", REFUSED)
def test_change_that_programs_could_not_read_is_refused(serve: Serve, change: str) -> None:
    assert make(serve(DATASET), *REFUSED[change]) in (409, 422)


# kwcoco says that there is no category, and can't name the dataset in which that is.
@pytest.mark.filterwarnings("ignore:Annotation .* is missing a category_id:UserWarning")
@pytest.mark.filterwarnings("ignore:object of type 'NoneType' has no len:RuntimeWarning")
@pytest.mark.parametrize("module", ["pycocotools.coco", "faster_coco_eval", "kwcoco"])
def test_file_of_captions_is_read(serve: Serve, module: str) -> None:
    server = serve({"images": DATASET["images"], "annotations": [{"id": 1, "image_id": 1, "caption": "A cat."}]})
    assert make(server, "POST", ANNOTATIONS, {"image_id": 3, "caption": "A dog."}) == 201
    assert make(server, "PATCH", f"{ANNOTATIONS}/1", {"caption": "A black cat."}) == 200
    server.stop()
    assert captions(module, server.path) == {1: "A black cat.", 2: "A dog."}


def test_documentation_has_these_versions_and_results(tmp_path: Path) -> None:
    path = save_after(ONE_OF_EACH, tmp_path)
    page = (ROOT / "docs" / "check.md").read_text()
    assert rows(section(page, "Works with")) == [
        [name, version(name), *results(tool(path))] for name, tool in TOOLS.items()
    ]


def results(scores: dict[str, float]) -> list[str]:
    return [f"{scores[kind]:.3f}" if kind in scores else "-" for kind in FIELDS]
