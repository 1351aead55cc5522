"""Reads beside changes: what an answer says of its revision is true, and half of a change is never seen.

The races are made certain: the change happens exactly between two steps of an answer.
"""

from __future__ import annotations

from collections.abc import Collection
from typing import TypeVar

import pytest
from api_client import Server
from flask import Response

from cocoannot.changes.operations import Delete
from cocoannot.coco.parser import SectionName
from cocoannot.extension import runtime
from cocoannot.store.base import Found, Page
from cocoannot.store.memory.store import MemoryStore
from cocoannot.store.queries import Derived, Query

Result = TypeVar("Result")

BOX = {"image_id": 1, "category_id": 1, "bbox": [1, 2, 3, 4]}
READS = [
    "/api/dataset",
    "/api/dataset/export",
    "/api/stats",
    "/api/stats/users",
    "/api/changes",
    "/api/annotations/1/history",
    "/api/images",
    "/api/images/1",
    "/api/images/1/annotations",
    "/api/annotations",
    "/api/annotations/1",
    "/api/categories",
    "/api/categories/1",
]


def change_before_each_answer(api: Server) -> None:
    """Somebody adds an annotation after each view, before its answer has all headers."""

    def change(response: Response) -> Response:
        runtime(api.app).manager.add_annotation(BOX)
        return response

    api.app.after_request_funcs[None].append(change)


@pytest.mark.parametrize("path", READS)
def test_the_revision_of_an_answer_is_that_of_its_body(api: Server, path: str) -> None:
    change_before_each_answer(api)
    assert [api.get(path).headers["X-Dataset-Revision"] for _ in range(2)] == ["0", "1"]


def test_the_revision_of_an_answer_to_a_change_is_that_of_the_change(api: Server) -> None:
    change_before_each_answer(api)
    answers = [
        api.post("/api/annotations", BOX),
        api.patch("/api/annotations/1", {"score": 1}),
        api.post("/api/annotations/batch", {"operations": [{"op": "delete", "id": 2}]}),
        api.delete("/api/images/2"),
        api.delete("/api/categories/2"),
    ]
    assert [answer.headers["X-Dataset-Revision"] for answer in answers] == ["1", "3", "5", "7", "9"]


class DeletingStore(MemoryStore):
    """Somebody deletes image 1 right after each read, so that a second read of the same answer finds it gone."""

    def get(self, section: SectionName, record_id: int) -> Found:
        return self._delete_after(super().get(section, record_id))

    def find(self, query: Query, offset: int = 0, limit: int | None = None) -> Page:
        return self._delete_after(super().find(query, offset, limit))

    def annotations_of(self, image_id: int, derived: Collection[Derived] = ()) -> Page | None:
        return self._delete_after(super().annotations_of(image_id, derived))

    def _delete_after(self, result: Result) -> Result:
        if super().get("images", 1).record is not None:
            self.commit([Delete("images", 1)])
        return result


def test_the_annotations_of_an_image_that_is_deleted_meanwhile_are_whole_or_not_found(api: Server) -> None:
    runtime(api.app).store.__class__ = DeletingStore
    answer = api.get("/api/images/1/annotations")
    assert [annotation["id"] for annotation in answer.json] == [1, 2]
    assert answer.headers["X-Dataset-Revision"] == "0"
    assert api.get("/api/images/1/annotations").status_code == 404
