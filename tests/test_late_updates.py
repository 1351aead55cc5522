"""`PATCH ...?on_conflict=merge`: an update on an older version of a record, beside what others changed since."""

from __future__ import annotations

import json
from typing import Any

import pytest
from api_client import Response, Server
from hypothesis import given
from hypothesis import strategies as st

from cocoannot.merge.fields import GEOMETRY, changed_fields, clashing_fields, same_value
from cocoannot.store.late_updates import MOST_RECORDS

EVERY_STORE = True

BOX = [5, 5, 6, 6]


def read(api: Server, url: str) -> tuple[dict[str, Any], dict[str, str]]:
    """A record, and the headers that expect it to be as it is now."""
    answer = api.get(url)
    return answer.json, {"If-Match": answer.headers["ETag"]}


def merge(api: Server, url: str, changes: dict[str, Any], headers: dict[str, str]) -> Response:
    return api.patch(f"{url}?on_conflict=merge", changes, headers=headers)


def test_changes_of_different_fields_both_hold(api: Server) -> None:
    before, mine = read(api, "/api/annotations/2")
    api.patch("/api/annotations/2", {"category_id": 1, "seen": True})
    answer = merge(api, "/api/annotations/2", {"bbox": BOX}, mine)
    assert answer.status_code == 200
    assert answer.headers["X-Merged"] == "category_id,seen"
    assert answer.json == {**before, "category_id": 1, "seen": True, "bbox": BOX, "area": 36}
    assert answer.headers["ETag"] == api.get("/api/annotations/2").headers["ETag"]


@pytest.mark.parametrize(
    ("url", "theirs", "ours"),
    [
        ("/api/images/1", {"license": 1}, {"date_captured": "today"}),
        ("/api/categories/1", {"supercategory": "pet"}, {"name": "kitten"}),
    ],
)
def test_images_and_categories_are_merged_too(
    api: Server, url: str, theirs: dict[str, Any], ours: dict[str, Any]
) -> None:
    before, mine = read(api, url)
    api.patch(url, theirs)
    answer = merge(api, url, ours, mine)
    assert (answer.status_code, answer.headers["X-Merged"]) == (200, ",".join(theirs))
    assert api.get(url).json == {**before, **theirs, **ours}


def test_the_same_field_on_both_sides_is_refused_with_all_three_versions(api: Server) -> None:
    before, mine = read(api, "/api/annotations/2")
    theirs = api.patch("/api/annotations/2", {"category_id": 1}).json
    answer = merge(api, "/api/annotations/2", {"category_id": 5, "note": "x"}, mine)
    assert answer.status_code == 412
    current = api.get("/api/annotations/2").headers["ETag"]
    assert answer.headers["ETag"] == current
    assert answer.json["errors"] == {
        "current": current.strip('"'),
        "base": before,
        "theirs": theirs,
        "fields": ["category_id"],
    }
    assert api.get("/api/annotations/2").json == theirs


def test_the_geometry_is_one_field(api: Server) -> None:
    before, mine = read(api, "/api/annotations/2")
    api.patch("/api/annotations/2", {"segmentation": [[0, 0, 9, 0, 9, 9]]})
    answer = merge(api, "/api/annotations/2", {"iscrowd": 1}, mine)
    assert answer.status_code == 412
    assert answer.json["errors"]["fields"] == ["area", "bbox", "iscrowd", "segmentation"]
    assert answer.json["errors"]["base"] == before


def test_the_same_value_on_both_sides_is_no_conflict(api: Server) -> None:
    _, mine = read(api, "/api/annotations/2")
    theirs = api.patch("/api/annotations/2", {"bbox": BOX, "category_id": 1}).json
    revision = api.revision
    answer = merge(api, "/api/annotations/2", {"bbox": [5.0, 5, 6, 6]}, mine)
    assert (answer.status_code, answer.json) == (200, theirs)
    assert answer.headers["X-Merged"] == "area,bbox,category_id"
    assert api.revision == revision, "nothing was left to do"
    assert "X-Change-Revision" not in answer.headers


def test_a_field_that_both_removed_is_no_conflict(api: Server) -> None:
    api.patch("/api/annotations/2", {"note": "x"})
    _, mine = read(api, "/api/annotations/2")
    api.patch("/api/annotations/2", {"note": None, "other": 1})
    answer = merge(api, "/api/annotations/2", {"note": None}, mine)
    assert (answer.status_code, answer.headers["X-Merged"]) == (200, "note,other")


def test_what_a_client_gives_holds_or_is_refused(api: Server) -> None:
    """Also where it gives what it has read: others made something else of it, and one of both would be lost."""
    before, mine = read(api, "/api/annotations/2")
    api.patch("/api/annotations/2", {"category_id": 1})
    assert merge(api, "/api/annotations/2", {"category_id": before["category_id"]}, mine).status_code == 412


def test_without_being_asked_for_nothing_is_merged(api: Server) -> None:
    _, mine = read(api, "/api/annotations/2")
    api.patch("/api/annotations/2", {"category_id": 1})
    answer = api.patch("/api/annotations/2", {"bbox": BOX}, headers=mine)
    assert answer.status_code == 412
    assert answer.json["errors"].keys() == {"current"}
    assert api.patch("/api/annotations/2?on_conflict=ours", {"bbox": BOX}).status_code == 422


def test_on_the_version_that_is_expected_nothing_has_to_be_merged(api: Server) -> None:
    _, mine = read(api, "/api/annotations/2")
    answer = merge(api, "/api/annotations/2", {"bbox": BOX}, mine)
    assert (answer.status_code, "X-Merged" in answer.headers) == (200, False)
    assert "X-Merged" not in merge(api, "/api/annotations/2", {"note": 1}, {}).headers


def test_a_version_that_nobody_knows_is_refused(api: Server) -> None:
    answer = merge(api, "/api/annotations/2", {"bbox": BOX}, {"If-Match": '"0123456789abcdef01234567"'})
    assert answer.status_code == 412
    assert "not kept any more" in answer.json["message"]
    assert answer.json["errors"]["base"] is None
    assert answer.json["errors"]["theirs"] == api.get("/api/annotations/2").json


def test_a_deleted_record_is_not_there(api: Server) -> None:
    _, mine = read(api, "/api/annotations/2")
    api.delete("/api/annotations/2")
    assert merge(api, "/api/annotations/2", {"note": 1}, mine).status_code == 404


def test_the_rules_hold_for_what_comes_of_both(api: Server) -> None:
    _, mine = read(api, "/api/annotations/2")
    api.patch("/api/annotations/2", {"category_id": 5})
    answer = merge(api, "/api/annotations/2", {"keypoints": [1, 2, 2]}, mine)
    assert answer.status_code == 422, "category 5 has two keypoints"
    assert "keypoints" in answer.json["errors"]["json"]


def test_a_repeated_request_tells_again_what_it_was_merged_with(api: Server) -> None:
    _, mine = read(api, "/api/annotations/2")
    api.patch("/api/annotations/2", {"category_id": 1})
    keyed = {**mine, "Idempotency-Key": "one"}
    first = merge(api, "/api/annotations/2", {"bbox": BOX}, keyed)
    for server in (api, api.again()):
        again = merge(server, "/api/annotations/2", {"bbox": BOX}, keyed)
        assert (again.data, again.headers["X-Merged"]) == (first.data, "category_id")
        assert again.headers["Idempotency-Replayed"] == "true"


@pytest.mark.parametrize(
    ("names", "header"), [(["naïve", "a,b", "x\r\ny"], "a%2Cb,na%C3%AFve,x%0D%0Ay"), (["f" * 3000], "*")]
)
def test_names_of_fields_fit_into_a_header(api: Server, names: list[str], header: str) -> None:
    _, mine = read(api, "/api/annotations/2")
    api.patch("/api/annotations/2", dict.fromkeys(names, 1))
    assert merge(api, "/api/annotations/2", {"bbox": BOX}, mine).headers["X-Merged"] == header


def test_a_batch_merges_the_updates_that_ask_for_it(api: Server) -> None:
    tags = {i: api.get(f"/api/annotations/{i}").headers["ETag"] for i in (1, 2)}
    for record_id in tags:
        api.patch(f"/api/annotations/{record_id}", {"seen": True})
    operations = [
        {"op": "update", "id": i, "changes": {"note": i}, "if_match": tag, "on_conflict": "merge"}
        for i, tag in tags.items()
    ]
    # The second one of the same record was made on what the first one found.
    operations.append({**operations[0], "changes": {"other": 1}})
    results = api.post("/api/annotations/batch", {"operations": operations}).json["results"]
    assert [each["merged"] for each in results] == [["seen"], ["seen"], ["note", "seen"]]
    assert results[2]["annotation"]["note"] == results[2]["annotation"]["other"] == 1
    operations[1]["changes"] = {"seen": False}
    answer = api.post("/api/annotations/batch", {"operations": operations})
    assert (answer.status_code, answer.json["errors"]["operation"]) == (412, 1)
    assert answer.json["errors"]["fields"] == ["seen"]


def test_several_versions_later_the_base_is_still_found(api: Server) -> None:
    before, mine = read(api, "/api/annotations/2")
    for number in range(50):
        api.patch("/api/annotations/2", {"number": number})
        api.patch("/api/annotations/1", {"number": number})
    answer = merge(api, "/api/annotations/2", {"note": "x"}, mine)
    assert answer.json == {**before, "number": 49, "note": "x"}


def test_a_batch_merges_no_more_records_than_can_be_looked_up_soon(api: Server) -> None:
    box = {"image_id": 1, "category_id": 1, "bbox": BOX}
    added = api.post(
        "/api/annotations/batch", {"operations": [{"op": "add", "annotation": box}] * (MOST_RECORDS + 1)}
    ).json["results"]

    def update(count: int, changes: dict[str, Any]) -> list[dict[str, Any]]:
        return [
            {"op": "update", "id": each["annotation"]["id"], "changes": changes, "if_match": each["etag"]}
            for each in added[:count]
        ]

    assert api.post("/api/annotations/batch", {"operations": update(len(added), {"seen": 1})}).status_code == 200
    late = [{**each, "on_conflict": "merge"} for each in update(len(added), {"note": 1})]
    answer = api.post("/api/annotations/batch", {"operations": late})
    assert (answer.status_code, answer.json["errors"]["operation"]) == (409, MOST_RECORDS)
    assert "send fewer at a time" in answer.json["message"]
    # Of the same record there may be more.
    late = [*late[:MOST_RECORDS], late[0]]
    assert api.post("/api/annotations/batch", {"operations": late}).status_code == 200


VALUES = st.recursive(
    st.none() | st.booleans() | st.integers(-3, 3) | st.floats(-3, 3) | st.text(max_size=2),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=2), inner, max_size=3),
    max_leaves=6,
)


@given(VALUES, VALUES)
def test_values_are_the_same_where_their_json_is(one: object, other: object) -> None:
    def written(value: object) -> str:
        return json.dumps(_with_floats(value), sort_keys=True)

    assert same_value(one, other) == (written(one) == written(other))
    assert same_value(one, json.loads(json.dumps(one)))


def _with_floats(value: Any) -> Any:
    if isinstance(value, list):
        return list(map(_with_floats, value))
    if isinstance(value, dict):
        return {key: _with_floats(each) for key, each in value.items()}
    # There is one zero.
    return value if isinstance(value, bool) or not isinstance(value, (int, float)) else float(value) + 0.0


RECORDS = st.dictionaries(st.sampled_from(["id", "bbox", "area", "iscrowd", "name", "note"]), st.integers(0, 2))


@given(RECORDS, RECORDS, RECORDS)
def test_fields_clash_where_both_changed_them_to_different_values(
    base: dict[str, int], ours: dict[str, int], theirs: dict[str, int]
) -> None:
    mine, its = changed_fields(base, ours), changed_fields(base, theirs)
    clash = clashing_fields(mine, its, ours, theirs)
    assert clash == clashing_fields(its, mine, theirs, ours)
    for key in {*base, *ours, *theirs} - GEOMETRY:
        both = base.get(key) != ours.get(key) != theirs.get(key) != base.get(key)
        assert (key in clash) == both
    if clash & GEOMETRY:
        assert clash & GEOMETRY == (mine | its) & GEOMETRY
    merged = {**ours, **{key: theirs.get(key) for key in its - mine - clash}}
    for key in (mine | its) - clash:
        assert merged.get(key) == (ours if key in mine else theirs).get(key)
