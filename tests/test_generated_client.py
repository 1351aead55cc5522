"""A client that openapi-python-client generates from the OpenAPI document, against a real server with a token."""

from __future__ import annotations

import importlib
import json
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from types import ModuleType
from typing import Any

import pytest
from api_client import openapi
from PIL import Image
from servers import serve

pytestmark = pytest.mark.slow

TOKEN = "token-of-this-test"
PACKAGE = "generated_cocoannot_client"
CONFIG = {
    "post_hooks": [],
    "content_type_overrides": {"image/*": "application/octet-stream", "image/jpeg": "application/octet-stream"},
}
"""No formatters; and the generator has no word for pictures, which are bytes to it then."""


@pytest.fixture(scope="module")
def generated(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Path]:
    """A folder with the generated package, on the path while this module's tests run."""
    folder = tmp_path_factory.mktemp("generated")
    (folder / "openapi.json").write_text(json.dumps(openapi()))
    (folder / "config.json").write_text(json.dumps(CONFIG))
    done = subprocess.run(
        [
            *(Path(sys.executable).with_name("openapi-python-client"), "generate", "--fail-on-warning"),
            *("--meta", "none", "--path", "openapi.json", "--config", "config.json", "--output-path", PACKAGE),
        ],
        cwd=folder,
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        timeout=60,
    )
    assert done.returncode == 0, done.stdout
    sys.path.insert(0, str(folder))
    yield folder / PACKAGE
    sys.path.remove(str(folder))
    for name in [name for name in sys.modules if name.partition(".")[0] == PACKAGE]:
        del sys.modules[name]


@pytest.fixture(scope="module")
def models(generated: Path) -> ModuleType:
    return importlib.import_module(f"{PACKAGE}.models")


class Client:
    """The generated client; `call("get_image", ...)` is the operation of that name."""

    def __init__(self, url: str, package: Path) -> None:
        self._operations = {
            path.stem: f"{PACKAGE}.api.{path.parent.name}.{path.stem}" for path in package.glob("api/*/*.py")
        }
        self._client = importlib.import_module(PACKAGE).AuthenticatedClient(base_url=url, token=TOKEN)

    def call(self, operation_id: str, *args: Any, **options: Any) -> Any:
        """What the operation answered: `status_code`, `headers`, `parsed`."""
        operation = importlib.import_module(self._operations[operation_id])
        return operation.sync_detailed(*args, client=self._client, **options)

    def close(self) -> None:
        self._client.get_httpx_client().close()


@pytest.fixture
def client(generated: Path, dataset_path: Path, small: dict[str, Any]) -> Iterator[Client]:
    dataset_path.write_text(json.dumps(small))
    Image.new("RGB", (640, 480), "teal").save(dataset_path.parent / "one.jpg")
    with serve(dataset_path, env={"COCOANNOT_TOKEN": TOKEN}) as server:
        client = Client(server.url, generated)
        yield client
        client.close()


def test_every_operation_is_generated(generated: Path) -> None:
    ids = {
        operation["operationId"]
        for path in openapi()["paths"].values()
        for key, operation in path.items()
        if key != "parameters"
    }
    assert {path.stem for path in generated.glob("api/*/*.py")} - {"__init__"} == ids


def test_annotation_is_created_read_updated_and_deleted(client: Client, models: ModuleType) -> None:
    polygon = [[10.0, 10.0, 20.0, 10.0, 20.0, 20.0, 10.0, 20.0]]
    new = models.NewAnnotation(image_id=1, category_id=2, segmentation=polygon)
    new["score"] = 0.5
    created = client.call("add_annotation", body=new)
    assert (created.status_code, created.parsed.area, created.parsed["score"]) == (201, 100.0, 0.5)

    read = client.call("get_annotation", created.parsed.id)
    assert read.parsed == created.parsed
    assert client.call("get_annotation", read.parsed.id, if_none_match=read.headers["ETag"]).status_code == 304

    changes = models.AnnotationChanges(category_id=1, segmentation=[[10.0, 10.0, 30.0, 10.0, 30.0, 20.0]])
    updated = client.call("update_annotation", read.parsed.id, body=changes, if_match=read.headers["ETag"])
    assert (updated.status_code, updated.parsed.category_id, updated.parsed.area) == (200, 1, 100.0)
    assert client.call("list_annotations", image_id=1).parsed[-1] == models.ListedAnnotation.from_dict(
        updated.parsed.to_dict()
    )

    stale = client.call("delete_annotation", read.parsed.id, if_match=read.headers["ETag"])
    assert (stale.status_code, stale.parsed.code) == (412, 412)
    assert client.call("delete_annotation", read.parsed.id, if_match=updated.headers["ETag"]).status_code == 204
    gone = client.call("get_annotation", read.parsed.id)
    assert (gone.status_code, type(gone.parsed)) == (404, models.Error)


def test_images_and_categories_are_created_read_updated_and_deleted(client: Client, models: ModuleType) -> None:
    image = client.call("add_image", body=models.NewImage(file_name="new.jpg", width=64, height=48)).parsed
    assert client.call("get_image", image.id).parsed == image
    assert client.call("update_image", image.id, body=models.ImageChanges(width=65)).parsed.width == 65
    assert client.call("delete_image", image.id).parsed.annotations_deleted == 0

    category = client.call("add_category", body=models.NewCategory(name="owl")).parsed
    assert category.supercategory == "none"
    assert client.call("update_category", category.id, body=models.CategoryChanges(name="eagle owl")).status_code == 200
    assert [found.name for found in client.call("list_categories").parsed][-1] == "eagle owl"
    assert client.call("delete_category", category.id).status_code == 204


def test_batch_is_all_or_none_and_restores(client: Client, models: ModuleType) -> None:
    before = client.call("get_annotation", 7).parsed
    kind = {name: getattr(models, f"{name}Operation") for name in ("Delete", "Restore", "Update")}
    operations = [
        kind["Update"](op="update", id=1, changes=models.AnnotationChanges(category_id=2)),
        kind["Delete"](op="delete", id=7),
        kind["Restore"](op="restore", annotation=models.RestoredAnnotation.from_dict(before.to_dict())),
    ]
    results = client.call("change_annotations", body=models.Batch(operations=operations)).parsed.results
    assert [result.annotation and result.annotation.id for result in results] == [1, None, 7]
    assert client.call("get_annotation", 7).parsed == before


def test_picture_is_read_and_what_is_pending_saved(client: Client) -> None:
    picture = client.call("get_picture", 1)
    assert (picture.status_code, picture.parsed.payload.read(3)) == (200, b"\xff\xd8\xff")
    assert client.call("get_thumbnail", 1, size=32).status_code == 200
    assert client.call("get_status").parsed.pending.summary == "no changes"
    assert client.call("flush").parsed.saved is False
