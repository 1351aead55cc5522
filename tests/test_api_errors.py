"""What clients send wrong: which status it has, and one body for all of it. Nothing that they send gives a 5xx."""

from __future__ import annotations

import json
import math
from pathlib import Path
from typing import Any

import pytest
from api_client import Serve, Server, as_json
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from pycocotools.coco import COCO

EVERY_STORE = "torture"

BOX = {"image_id": 1, "category_id": 1, "bbox": [1, 2, 3, 4]}


NOT_JSON = [
    b"{",
    b"   ",
    b"{} {}",
    b"{'image_id': 1}",
    b"NaN",
    b'{"x": NaN}',
    b'{"x": Infinity}',
    b'{"x": -Infinity}',
    b'{"x": "\\ud800"}',
    b'{"x": "\\udc00\\ud800"}',
    b'{"\\ud800": 1}',
    b'{"x": "\xff"}',
    b"\xff\xfe{\x00}\x00",
    b"\xef\xbb\xbf{}",
    b'{"x": 1e400}',
    b'{"x": -1e400}',
    b'{"x": ' + b"9" * 5000 + b"}",
    b'{"image_id": ' + b"9" * 5000 + b"}",
]


def test_body_that_is_not_json_is_a_400(api: Server) -> None:
    for body in NOT_JSON:
        for method, url in [("POST", "/api/annotations"), ("PATCH", "/api/images/1"), ("POST", "/api/flush")]:
            assert api.ask(method, url, **as_json(body)).status_code == 400, body


@pytest.mark.parametrize("levels", [101, 5000, 100_000])
def test_body_that_is_nested_too_deep_is_a_400(api: Server, levels: int) -> None:
    for body in (b"[" * levels + b"]" * levels, b'{"x":' * levels + b"1" + b"}" * levels, b"[" * levels):
        answer = api.post("/api/annotations", **as_json(body))
        assert answer.status_code == 400
        assert "100 levels" in answer.json["message"]


def test_body_nested_a_hundred_levels_deep_is_taken(api: Server) -> None:
    body = json.dumps({**BOX, "x": 0}).replace('"x": 0', '"x": ' + "[" * 99 + "]" * 99)
    assert api.post("/api/annotations", **as_json(body.encode())).status_code == 201


def test_brackets_in_texts_are_no_nesting(api: Server) -> None:
    note = '\\"' + "[{" * 500 + '\\\\"' + "]" * 7
    answer = api.post("/api/annotations", {**BOX, "note": note})
    assert answer.json["note"] == note


def test_brackets_in_texts_hide_no_nesting(api: Server) -> None:
    body = b'{"x": ' + b'["]\\\\", ' * 200 + b"1" + b"]" * 200 + b"}"
    assert "100 levels" in api.post("/api/annotations", **as_json(body)).json["message"]


def test_empty_body_is_a_400(api: Server) -> None:
    for method, url in [("POST", "/api/annotations"), ("PATCH", "/api/annotations/1"), ("POST", "/api/categories")]:
        assert "empty" in api.ask(method, url, content_type="application/json").json["message"]


@pytest.mark.parametrize(
    "content_type",
    ["text/plain", "application/x-www-form-urlencoded", "multipart/form-data; boundary=x", "text/json", "", "nonsense"],
)
def test_body_of_another_type_is_a_415(api: Server, content_type: str) -> None:
    answer = api.post("/api/annotations", data=json.dumps(BOX), content_type=content_type)
    assert answer.status_code == 415
    assert "application/json" in answer.json["message"]


def test_form_is_a_415(api: Server) -> None:
    assert api.post("/api/images", data={"file_name": "a.jpg", "width": "1", "height": "1"}).status_code == 415


@pytest.mark.parametrize("charset", ["latin-1", "utf-16", "nonsense"])
def test_body_in_another_charset_is_a_415(api: Server, charset: str) -> None:
    content_type = f"application/json; charset={charset}"
    assert api.post("/api/annotations", data=json.dumps(BOX), content_type=content_type).status_code == 415


def test_body_that_says_utf8_is_taken(api: Server) -> None:
    content_type = "application/json; charset=UTF-8"
    assert api.post("/api/annotations", data=json.dumps(BOX), content_type=content_type).status_code == 201


@pytest.mark.parametrize("body", [b"[]", b"null", b'"text"', b"1", b"true", b"[{}]"])
def test_body_that_is_no_object_is_a_422(api: Server, body: bytes) -> None:
    urls = [
        ("POST", "/api/annotations"),
        ("PATCH", "/api/annotations/1"),
        ("POST", "/api/annotations/batch"),
        ("POST", "/api/images"),
        ("POST", "/api/flush"),
    ]
    for method, url in urls:
        assert "json" in api.ask(method, url, **as_json(body)).json["errors"]
    assert api.put(body).status_code == 422


@pytest.mark.parametrize(
    ("fields", "path"),
    [
        ({"image_id": None}, ["image_id"]),
        ({"image_id": "1"}, ["image_id"]),
        ({"image_id": True}, ["image_id"]),
        ({"image_id": 1.5}, ["image_id"]),
        ({"image_id": 99}, ["image_id"]),
        ({"image_id": 2**53}, ["image_id"]),
        ({"category_id": 99}, ["category_id"]),
        ({"category_id": [1]}, ["category_id"]),
        ({"bbox": [1, 2, 3]}, ["bbox"]),
        ({"bbox": [1, 2, -3, 4]}, ["bbox"]),
        ({"bbox": {"x": 1}}, ["bbox"]),
        ({"segmentation": [[1, 1, 2, 2, 3, 3], [1, 1, 2, 2]]}, ["segmentation", "1"]),
        ({"segmentation": {"size": [480, 640], "counts": "!!"}}, ["segmentation", "counts"]),
        ({"segmentation": {"size": [1, 1], "counts": [1]}}, ["segmentation", "size"]),
        ({"iscrowd": 2}, ["iscrowd"]),
        ({"caption": 7}, ["caption"]),
        ({"keypoints": [1, 2]}, ["keypoints"]),
        ({"id": -1}, ["id"]),
        ({"id": 2**53}, ["id"]),
        ({"id": "7"}, ["id"]),
        ({"_etag": "x"}, ["_etag"]),
        ({"score": 2**70}, ["score"]),
        ({"score": {"deep": [2**64]}}, ["score"]),
    ],
)
def test_field_that_does_not_fit_is_a_422_with_its_path(api: Server, fields: dict[str, Any], path: list[str]) -> None:
    answer = api.post("/api/annotations", {**BOX, **fields})
    assert answer.status_code == 422
    place = answer.json["errors"]["json"]
    for key in path:
        place = place[key]
    assert isinstance(place[0], str)
    assert api.revision == 0


def test_parameter_that_does_not_fit_is_a_422_with_its_name(api: Server) -> None:
    for query in (
        *("page=0", "page=-1", "page=x", "page=", "page=1.5", "page_size=0", "page_size=1001"),
        *("page=" + "9" * 5000, "image_id=x", "image_id=", "image_id=1.0", "category_id=" + "9" * 5000),
        *("iscrowd=2", "iscrowd=true", "with=annotations", "with=", "with=etag,etag"),
    ):
        answer = api.get(f"/api/annotations?{query}")
        assert answer.status_code == 422, query
        assert answer.json["errors"]["query"].keys() == {query.partition("=")[0]}


@pytest.mark.parametrize("section", ["images", "annotations", "categories"])
def test_id_in_the_path_that_does_not_exist_is_a_404(api: Server, section: str) -> None:
    for record_id in ("99", "0", "-1", "9007199254740992", "9223372036854775808", "9" * 5000):
        url = f"/api/{section}/{record_id}"
        assert api.get(url).status_code == 404
        assert api.patch(url, {}).status_code == 404
        assert api.delete(url).status_code == 404


@pytest.mark.parametrize("below", ["annotations", "file"])
def test_what_is_below_an_image_that_does_not_exist_is_a_404(api: Server, below: str) -> None:
    assert "no image with id 99" in api.get(f"/api/images/99/{below}").json["message"]


def test_path_that_is_no_id_is_a_404(api: Server) -> None:
    for record_id in ("abc", "1.0", "1e0", "%D9%A1", "1%00", "+1", " 1", "..", "1/2"):
        assert api.get(f"/api/annotations/{record_id}").status_code == 404, record_id


@pytest.mark.parametrize(
    ("path", "there"),
    [
        ("/api/annotations?image=1", "category_id, image_id, iscrowd, page, page_size, with"),
        ("/api/categories?page=1", "with"),
        ("/api/images/1?with=etag", "none"),
    ],
)
def test_unknown_parameter_is_a_422_that_lists_what_there_is(api: Server, path: str, there: str) -> None:
    answer = api.get(path)
    assert answer.status_code == 422
    assert answer.json["message"].endswith(there)
    assert answer.json["errors"] == {"query": {path.partition("?")[2].partition("=")[0]: ["Unknown field."]}}


def test_unknown_path_is_a_404_that_says_where_to_look(api: Server) -> None:
    for url in ("/api", "/api/", "/api/nope", "/nope", "/api/images/", "/api//images", "/%ff"):
        answer = api.get(url)
        assert answer.status_code == 404, url
        assert "/api/openapi.json" in answer.json["message"]


@pytest.mark.parametrize(
    ("method", "url", "allowed"),
    [
        ("DELETE", "/api/annotations", {"GET", "HEAD", "OPTIONS", "POST"}),
        ("PUT", "/api/images/1", {"GET", "HEAD", "OPTIONS", "PATCH", "DELETE"}),
        ("POST", "/api/dataset/export", {"GET", "HEAD", "OPTIONS"}),
        ("GET", "/api/flush", {"OPTIONS", "POST"}),
        ("POST", "/healthz", {"GET", "HEAD", "OPTIONS"}),
        ("TRACE", "/api/status", {"GET", "HEAD", "OPTIONS"}),
    ],
)
def test_method_that_is_not_allowed_is_a_405_with_allow(api: Server, method: str, url: str, allowed: set[str]) -> None:
    answer = api.ask(method, url)
    assert answer.status_code == 405
    assert set(answer.headers["Allow"].split(", ")) == allowed
    assert all(name in answer.json["message"] for name in allowed)


def test_body_over_the_limit_is_a_413_that_names_the_setting(serve: Serve, small: dict[str, Any]) -> None:
    api = serve(small, COCOANNOT_MAX_BODY_BYTES=1024)
    fits = json.dumps({**BOX, "note": ""})
    fits = json.dumps({**BOX, "note": "x" * (1024 - len(fits))})
    assert api.post("/api/annotations", **as_json(fits.encode())).status_code == 201
    answer = api.post("/api/annotations", **as_json(fits.encode() + b" "))
    assert answer.status_code == 413
    assert "COCOANNOT_MAX_BODY_BYTES" in answer.json["message"]


def test_key_that_a_body_repeats_counts_as_it_comes_last(api: Server) -> None:
    body = b'{"image_id": 99, "image_id": 2, "category_id": 1, "bbox": [1, 2, 3, 4]}'
    assert api.post("/api/annotations", **as_json(body)).json["image_id"] == 2


def test_error_in_a_batch_has_the_path_of_its_operation(api: Server) -> None:
    operations = [{"op": "delete", "id": 1}, {"op": "add", "annotation": {**BOX, "image_id": 99}}]
    answer = api.post("/api/annotations/batch", {"operations": operations})
    assert answer.status_code == 422
    assert answer.json["errors"]["json"]["operations"]["1"]["annotation"]["image_id"]


@pytest.mark.parametrize("number", ["1e400", "-1e999", "9" * 30, "9" * 5000])
def test_record_whose_number_nobody_can_hold_is_answered_and_changed(
    serve: Serve, small: dict[str, Any], number: str
) -> None:
    small["images"][0]["odd"] = small["annotations"][0]["odd"] = small["categories"][0]["odd"] = "ODD"
    api = serve(json.dumps(small).replace('"ODD"', number))
    changed: list[tuple[str, dict[str, Any]]] = [
        ("images", {"width": 7}),
        ("annotations", {"bbox": None}),
        ("categories", {"name": "x"}),
    ]
    for section, changes in changed:
        assert number in api.get(f"/api/{section}/1").text
        answer = api.patch(f"/api/{section}/1", {"note": "changed", **changes})
        assert answer.status_code in (200, 422)
    assert api.get("/api/images/1/file").status_code == 404
    assert api.delete("/api/images/1").status_code == 200


HOSTILE: list[tuple[str, str, dict[str, Any]]] = [
    *(
        ("GET", f"/api/{section}?{query}", {})
        for section in ("images", "annotations", "categories")
        for query in (
            *("page=99999999999999999999999999", "page=9223372036854775807&page_size=1000", "page=1&page=2"),
            *("category_id=9223372036854775807", "category_id=-9223372036854775808", "category_id=" + "9" * 30),
            *("image_id=9223372036854775807", "image_id=-9223372036854775808", "image_id=" + "9" * 30),
            *("file_name=%00", "file_name=%ff%fe", "file_name=" + "a" * 10_000, "sort=x", "annotated=maybe"),
            *("with=etag&with=etag", "with=annotations&with=annotation_count&with=etag", "&&&=&", "%", "with[]=etag"),
            "&".join(["category_id=1"] * 2000),
        )
    ),
    *(
        (method, "/api/annotations/1", {"headers": {"If-Match": tag, "If-None-Match": tag, "Range": tag}})
        for method in ("GET", "DELETE")
        for tag in ("", '"', '"""', "W/", "W/*", ",,,", "\xff", '"\xe9"', "x" * 8000, '"a",' * 2000, "bytes=0-")
    ),
    *(
        ("PUT", "/api/dataset", {**as_json(b'{"images": [], "annotations": []}'), "headers": {"If-Match": tag}})
        for tag in (
            "",
            "*",
            '"',
            '"-1"',
            '"1.5"',
            '"\u0661"'.encode().decode("latin-1"),
            '"' + "9" * 5000 + '"',
            '"0", "1"',
        )
    ),
    *(
        ("POST", "/api/annotations", {"json": {"image_id": 1, "category_id": 1, **fields}})
        for fields in (
            *({"bbox": value} for value in ([], [[]], [None] * 4, ["1"] * 4, [1e308] * 4, [2**63] * 4, {}, "x", 0)),
            *(
                {"segmentation": value}
                for value in ([], [[]], {}, "x", 0, [{}], [[None] * 6], [[1e308] * 6], [[0] * 7])
            ),
            *(
                {"segmentation": {"size": size, "counts": counts}}
                for size in ([480, 640], [2**40, 2**40], [-1, -1], [480.0, 640], [], None, "x")
                for counts in ("", "x" * 10_000, "\x00\x7f", [2**63], [-1], [480 * 640], [1.5], [], None, {}, [[1]])
            ),
            *({"keypoints": value} for value in ([], [1], ["x"] * 3, [1e308, 1, 2], [1, 1, 3], {}, [None] * 3)),
            *({"bbox": [1, 1, 1, 1], "id": value} for value in (2**64, -(2**63), 1.5, [], {}, "x", True)),
            *({"bbox": [1, 1, 1, 1], key: 1} for key in ("", "_", "__proto__", "\x00", "x" * 10_000, "segments_info")),
            {"bbox": [1, 1, 1, 1], "area": "x", "iscrowd": None, "num_keypoints": {}},
            {"bbox": [1, 1, 1, 1], "segments_info": [{"id": 1}], "id": 5},
        )
    ),
    *(
        ("POST", "/api/annotations/batch", {"json": {"operations": operations}})
        for operations in (
            None,
            {},
            [[]],
            [None],
            [{}],
            [{"op": "x"}],
            [{"op": []}],
            [{"op": "add"}],
            [{"op": "add", "annotation": []}],
            [{"op": "update", "id": 1, "changes": {"id": 2}}],
            [{"op": "update", "id": 2**63, "changes": {}}],
            [{"op": "delete", "id": 1, "if_match": '"'}],
            [{"op": "delete", "id": 1, "if_match": 7}],
            [{"op": "restore", "annotation": {"image_id": 1}}],
            [{"op": "restore", "annotation": {"id": 50, "image_id": 1, "segmentation": "x", "bbox": 3, "area": []}}],
            [{"op": "delete", "id": 1}, {"op": "delete", "id": 1}],
        )
    ),
    *(
        ("POST", "/api/images", {"json": {"file_name": "a.jpg", "width": 1, "height": 1, **fields}})
        for fields in (
            *({"width": value} for value in (0, -1, 65_536, 1e308, 2**63, "1", None, True, [])),
            *({"file_name": value} for value in ("", " ", "\x00", "x" * 100_000, 7, None, [], "../x", "/etc/passwd")),
        )
    ),
    *(
        ("PATCH", "/api/images/1", {"json": changes})
        for changes in ({"id": 1}, {"width": None}, {"file_name": None}, {"_x": None}, {"": None}, {"x": {"y": None}})
    ),
    *(
        ("DELETE", f"/api/categories/1?reassign_to={target}", {})
        for target in ("1", "99", "x", "", "-1", "9223372036854775808", "9" * 5000)
    ),
    ("POST", "/api/flush", {"json": {"on_conflict": "theirs"}}),
    ("POST", "/api/flush", {"json": {"on_conflict": None, "x": 1}}),
    ("FOO", "/api/annotations", {}),
    ("POST", "/api/annotations", {"data": b"{}", "headers": {"Content-Encoding": "gzip"}}),
    ("POST", "/api/annotations", {"data": b"{}", "headers": {"Content-Length": "-5"}}),
]


def test_nothing_hostile_gives_a_5xx(serve: Serve, small: dict[str, Any]) -> None:
    api = serve(small)
    for method, url, options in HOSTILE:
        answer = api.ask(method, url, **options)
        assert answer.status_code < 500, (method, url, options)
        if answer.status_code < 300 and method not in ("GET", "HEAD"):
            assert json.loads(api.get("/api/dataset/export").data), (method, url, options)
            api = serve(small)


JSON_VALUES = st.recursive(
    st.none()
    | st.booleans()
    | st.integers()
    | st.integers(-(2**70), 2**70)
    | st.floats(allow_nan=False, allow_infinity=False)
    | st.text(st.characters(exclude_categories=["Cs"])),
    lambda inner: st.lists(inner, max_size=8) | st.dictionaries(st.text(max_size=3), inner, max_size=4),
    max_leaves=12,
)
NUMBERS = st.integers(-3, 700) | st.floats(-10, 700)
LIKELY = {
    "image_id": st.sampled_from([1, 2, 4, 1.0, 99]),
    "category_id": st.sampled_from([1, 2, 5, 99]),
    "bbox": st.lists(NUMBERS, min_size=4, max_size=4),
    "segmentation": st.lists(st.lists(NUMBERS, min_size=6, max_size=8), max_size=3)
    | st.fixed_dictionaries({"size": st.just([480, 640]), "counts": st.just([0, 480 * 640]) | st.text(max_size=9)}),
    "keypoints": st.lists(NUMBERS, min_size=6, max_size=6),
    "caption": st.text(max_size=5),
    "iscrowd": st.integers(0, 1),
    "area": NUMBERS,
    "id": st.integers(0, 2**54),
    "score": JSON_VALUES,
}
BODIES = JSON_VALUES | st.fixed_dictionaries(
    {}, optional={name: JSON_VALUES | st.none() | values | values for name, values in LIKELY.items()}
)


@given(st.lists(st.tuples(st.sampled_from(["POST", "PATCH"]), BODIES), max_size=8))
@settings(
    max_examples=40, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow]
)
def test_arbitrary_annotations_leave_a_dataset_that_others_can_load(
    serve: Serve, small: dict[str, Any], bodies: list[tuple[str, Any]]
) -> None:
    api = serve(small)
    for method, body in bodies:
        url = "/api/annotations" + ("/1" if method == "PATCH" else "")
        assert api.ask(method, url, **as_json(json.dumps(body).encode())).status_code < 500
    coco = COCO()
    coco.dataset = api.saved()
    if any("category_id" not in annotation for annotation in coco.dataset["annotations"]):
        del coco.dataset["categories"]  # With them, pycocotools takes no caption that has no category.
    coco.createIndex()
    for annotation in coco.anns.values():
        assert all(math.isfinite(number) for number in [annotation.get("area", 0), *annotation.get("bbox", [])])
        if annotation.get("segmentation"):
            coco.annToRLE(annotation)


# No database has one: it is refused when it is imported.
@pytest.mark.memory_store
def test_dataset_that_can_t_be_loaded_is_a_503_that_says_why(serve: Serve, dataset_path: Path) -> None:
    api = serve("[]")
    for url in ("/readyz", "/api/images"):
        answer = api.ask("HEAD", url)
        assert answer.status_code == 503
    assert str(dataset_path) in api.get("/readyz").json["message"]
    assert api.get("/healthz").status_code == 200


@pytest.mark.parametrize("tag", ['""', 'W/""', '"', "W/", ",", ""])
def test_if_match_that_names_no_version_is_a_412(api: Server, tag: str) -> None:
    headers = {"If-Match": tag}
    assert api.delete("/api/annotations/1", headers=headers).status_code == 412
    assert api.ask("PUT", "/api/dataset", json={"images": [], "annotations": []}, headers=headers).status_code == 412
    assert api.get("/api/annotations/1", headers={"If-None-Match": tag}).status_code == 200


@pytest.mark.parametrize("number", ["1_0", " 1", "+1", "\u0661", "1.0", ""])
def test_number_in_a_query_is_made_of_digits(api: Server, number: str) -> None:
    assert api.get("/api/annotations", query_string={"image_id": number}).status_code == 422
    assert api.get("/api/images", query_string={"category_id": number}).status_code == 422


def test_operation_of_no_kind_is_a_422(api: Server) -> None:
    operations: list[object] = [{}, {"op": "upsert"}, {"op": ["add"]}, [], None, 7]
    for operation in operations:
        answer = api.post("/api/annotations/batch", {"operations": [operation]})
        assert answer.status_code == 422
        assert "0" in answer.json["errors"]["json"]["operations"]
