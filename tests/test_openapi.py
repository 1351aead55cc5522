"""The OpenAPI document tells what the API does. That answers keep to it is checked by api_client, in every test."""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import Any

import pytest
from api_client import openapi
from openapi_spec_validator import OpenAPIV31SpecValidator

from cocoannot import create_app

Operation = dict[str, Any]


def operations() -> Iterator[tuple[str, str, Operation]]:
    for path, methods in openapi()["paths"].items():
        for method, operation in methods.items():
            if method != "parameters":
                yield path, method, operation


def operation(method: str, path: str) -> Operation:
    found: Operation = openapi()["paths"][path][method]
    return found


def parameters(method: str, path: str) -> dict[str, Operation]:
    return {parameter["name"]: parameter for parameter in operation(method, path)["parameters"]}


def body_of(method: str, path: str) -> Any:
    schema = operation(method, path)["requestBody"]["content"]["application/json"]["schema"]
    return openapi()["components"]["schemas"][schema["$ref"].rpartition("/")[2]]


def test_document_is_valid_openapi_3_1() -> None:
    assert openapi()["openapi"] == "3.1.0"
    OpenAPIV31SpecValidator(openapi()).validate()


def test_every_route_under_api_is_in_it() -> None:
    rules = {
        (method.lower(), re.sub(r"<(?:\w+:)?(\w+)>", r"{\1}", rule.rule))
        for rule in create_app({}).url_map.iter_rules()
        for method in (rule.methods or set()) - {"HEAD", "OPTIONS"}
        if rule.rule.startswith("/api/") and rule.rule != "/api/openapi.json"
    }
    assert {(method, path) for path, method, _ in operations()} == rules


def test_every_operation_has_a_summary_of_its_own() -> None:
    summaries = [operation["summary"] for _, _, operation in operations()]
    assert all(summaries)
    assert len(set(summaries)) == len(summaries)


def test_every_error_has_the_one_body() -> None:
    for path, method, operation in operations():
        for status, response in operation["responses"].items():
            if "$ref" in response:
                response = openapi()["components"]["responses"][response["$ref"].rpartition("/")[2]]
            if status == "default" or int(status) >= 400:
                schema = response["content"]["application/json"]["schema"]
                assert schema == {"$ref": "#/components/schemas/Error"}, (method, path, status)


def test_every_answer_that_works_has_the_revision() -> None:
    for path, method, operation in operations():
        for status, response in operation["responses"].items():
            if status.isdecimal() and int(status) < 400:
                assert "X-Dataset-Revision" in response["headers"], (method, path, status)


def test_pagination_header_is_a_text_that_holds_json() -> None:
    for path in ("/api/images", "/api/annotations"):
        schema = operation("get", path)["responses"]["200"]["headers"]["X-Pagination"]["schema"]
        assert (schema["type"], schema["contentMediaType"]) == ("string", "application/json")


@pytest.mark.parametrize(
    ("path", "name", "items"),
    [
        ("/api/images", "with", {"type": "string", "enum": ["annotation_count", "annotations", "etag"]}),
        ("/api/images", "category_id", {"type": "integer"}),
        ("/api/annotations", "with", {"type": "string", "enum": ["etag"]}),
        ("/api/images/{image_id}/annotations", "with", {"type": "string", "enum": ["etag"]}),
        ("/api/categories", "with", {"type": "string", "enum": ["annotation_count"]}),
    ],
)
def test_repeatable_parameter_is_an_exploded_array(path: str, name: str, items: dict[str, Any]) -> None:
    parameter = parameters("get", path)[name]
    assert parameter["schema"] == {"type": "array", "items": items}
    assert (parameter["style"], parameter["explode"]) == ("form", True)


def test_single_parameters_are_never_null() -> None:
    for path, method, operation in operations():
        for parameter in operation.get("parameters", []):
            assert isinstance(parameter["schema"]["type"], str), (method, path, parameter["name"])
            assert parameter["schema"].get("default", 0) is not None, (method, path, parameter["name"])


def test_parameters_of_the_query_are_told_beside_headers() -> None:
    assert {"reassign_to", "If-Match"} <= parameters("delete", "/api/categories/{category_id}").keys()


def test_page_sizes_are_told() -> None:
    assert parameters("get", "/api/images")["page_size"]["schema"] == {
        "type": "integer",
        "default": 100,
        "minimum": 1,
        "maximum": 1000,
    }


def test_id_in_a_path_is_an_integer() -> None:
    for path, methods in openapi()["paths"].items():
        for parameter in methods.get("parameters", []):
            assert parameter["schema"]["type"] == "integer", path


def test_conditional_headers_are_told_where_they_are_honoured() -> None:
    for section, noun in (("images", "image"), ("annotations", "annotation"), ("categories", "category")):
        path = f"/api/{section}/{{{noun}_id}}"
        assert "If-None-Match" in parameters("get", path)
        assert "ETag" in operation("get", path)["responses"]["304"]["headers"]
        for method in ("patch", "delete"):
            assert not parameters(method, path)["If-Match"].get("required", False)
            assert "412" in operation(method, path)["responses"]
    assert parameters("put", "/api/dataset")["If-Match"]["required"]


def test_added_record_s_location_is_told() -> None:
    for section in ("images", "annotations", "categories"):
        assert {"ETag", "Location"} <= operation("post", f"/api/{section}")["responses"]["201"]["headers"].keys()


def test_picture_is_told_as_bytes_with_ranges() -> None:
    path = "/api/images/{image_id}/file"
    assert {"If-None-Match", "Range"} <= parameters("get", path).keys()
    for status in ("200", "206"):
        assert operation("get", path)["responses"][status]["content"].keys() == {"image/*"}


def test_records_take_other_fields_and_requests_do_not() -> None:
    for path in ("/api/images", "/api/annotations", "/api/categories"):
        assert body_of("post", path)["additionalProperties"] is True
    for method, path in (("post", "/api/annotations/batch"), ("post", "/api/flush"), ("put", "/api/dataset")):
        assert body_of(method, path)["additionalProperties"] is False


def test_required_fields_are_told() -> None:
    assert body_of("post", "/api/images")["required"] == ["file_name", "height", "width"]
    assert body_of("post", "/api/annotations")["required"] == ["image_id"]
    assert body_of("post", "/api/categories")["required"] == ["name"]
    assert body_of("put", "/api/dataset")["required"] == ["annotations", "images"]


def test_flush_needs_no_body() -> None:
    assert operation("post", "/api/flush")["requestBody"].get("required", False) is False


def test_batch_s_limit_is_told() -> None:
    assert body_of("post", "/api/annotations/batch")["properties"]["operations"]["maxItems"] == 10_000
