"""GET /api/stats, and the filters of the list of images that it leads to."""

from __future__ import annotations

from typing import Any

import pytest
from api_client import Serve, Server

EVERY_STORE = True


def bars(found: list[dict[str, Any]], value: str) -> list[tuple[int, ...]]:
    return [tuple(bar.values()) for bar in found if bar[value]]


def test_statistics_count_what_there_is(api: Server) -> None:
    found = api.get("/api/stats").json
    assert found["counts"] == {"images": 3, "annotations": 3, "categories": 3}
    assert [(each["name"], each["annotations"]) for each in found["categories"]] == [
        ("cat", 2),
        ("dog", 1),
        ("person", 0),
    ]
    assert bars(found["annotations_per_image"], "images") == [(0, 0, 1), (1, 1, 1), (2, 2, 1)]
    # The areas are 100, 12 and 8.
    assert bars(found["sizes"], "annotations") == [(0, 8, 2), (8, 16, 1)]


def test_statistics_follow_changes(api: Server) -> None:
    api.post("/api/annotations", {"image_id": 4, "category_id": 5, "bbox": [0, 0, 40, 40]})
    api.patch("/api/annotations/1", {"segmentation": [[0, 0, 100, 0, 100, 100, 0, 100]]})
    api.delete("/api/annotations/7")
    found = api.get("/api/stats").json
    assert [each["annotations"] for each in found["categories"]] == [1, 1, 1]
    assert bars(found["annotations_per_image"], "images") == [(0, 0, 1), (1, 1, 1), (2, 2, 1)]
    assert bars(found["sizes"], "annotations") == [(0, 8, 1), (32, 64, 1), (96, 128, 1)]
    assert api.again().get("/api/stats").json == found


@pytest.mark.parametrize("area", [None, "large", [], -4])
def test_an_area_that_is_none_is_no_size(serve: Serve, small: dict[str, Any], area: object) -> None:
    small["annotations"][0]["area"] = area
    found = serve(small).get("/api/stats").json
    assert bars(found["sizes"], "annotations") == [(0, 8, 2)]


def test_a_record_without_an_area_is_no_size(serve: Serve, small: dict[str, Any]) -> None:
    del small["annotations"][0]["area"]
    assert bars(serve(small).get("/api/stats").json["sizes"], "annotations") == [(0, 8, 2)]


def test_an_empty_dataset_has_statistics(serve: Serve) -> None:
    found = serve({}).get("/api/stats").json
    assert found["categories"] == []
    assert bars(found["annotations_per_image"], "images") == bars(found["sizes"], "annotations") == []


@pytest.mark.parametrize(
    ("query", "ids"),
    [
        ("min_annotations=1", [1, 2]),
        ("max_annotations=1", [2, 4]),
        ("min_annotations=1&max_annotations=1", [2]),
        ("max_annotations=0", [4]),
        ("min_size=8", [1]),
        ("below_size=8", [1, 2]),
        ("min_size=3&below_size=8", [1]),
        ("min_size=100", []),
    ],
)
def test_each_bar_is_a_filter_of_the_images(api: Server, query: str, ids: list[int]) -> None:
    assert api.ids(f"/api/images?{query}") == ids


def test_images_are_counted_by_status_and_each_count_is_a_filter(api: Server) -> None:
    def counts() -> dict[str, int]:
        return {each["status"]: each["images"] for each in api.get("/api/stats").json["statuses"]}

    assert counts() == {"open": 3, "done": 0, "empty": 0, "skipped": 0, "approved": 0, "returned": 0}
    api.ask("PUT", "/api/images/2/status", json={"status": "done"})
    api.ask("PUT", "/api/images/4/status", json={"status": "returned"})
    api.delete("/api/images/1")
    found = counts()
    assert found == {"open": 0, "done": 1, "empty": 0, "skipped": 0, "approved": 0, "returned": 1}
    assert all(len(api.ids(f"/api/images?status={status}")) == number for status, number in found.items())


def test_every_bar_leads_to_the_images_that_it_counts(api: Server) -> None:
    for bar in api.get("/api/stats").json["annotations_per_image"]:
        most = "" if bar["at_most"] is None else f"&max_annotations={bar['at_most']}"
        assert len(api.ids(f"/api/images?min_annotations={bar['at_least']}{most}")) == bar["images"]


@pytest.mark.parametrize("query", ["min_annotations=-1", "max_annotations=x", "min_size=nan", "below_size=-1"])
def test_bounds_that_are_none_are_refused(api: Server, query: str) -> None:
    assert api.get(f"/api/images?{query}").status_code == 422
