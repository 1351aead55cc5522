"""The OpenAPI document tells what the API does. That answers keep to it is checked by api_client, in every test."""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import Any

import pytest
from api_client import openapi
from openapi_schema_validator import OAS31Validator
from openapi_spec_validator import OpenAPIV31SpecValidator

from cocoannot import create_app

Operation = dict[str, Any]

UNDESCRIBED = {"api-docs.openapi_json", "docs.page", "docs.file"}
"""The document itself, and the page that shows it."""


def operations() -> Iterator[tuple[str, str, Operation]]:
    for path, methods in openapi()["paths"].items():
        for method, operation in methods.items():
            if method != "parameters":
                yield path, method, operation


def operation(method: str, path: str) -> Operation:
    found: Operation = openapi()["paths"][path][method]
    return found


def responses(operation: Operation) -> Iterator[tuple[str, Operation]]:
    """The answers of an operation by status, those included that it refers to."""
    for status, response in operation["responses"].items():
        name = response.get("$ref", "").rpartition("/")[2]
        yield status, openapi()["components"]["responses"][name] if name else response


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
        if rule.rule.startswith("/api/") and rule.endpoint not in UNDESCRIBED
    }
    assert {(method, path) for path, method, _ in operations()} == rules


def test_every_operation_has_a_summary_of_its_own() -> None:
    summaries = [operation["summary"] for _, _, operation in operations()]
    assert all(summaries)
    assert len(set(summaries)) == len(summaries)


def test_every_operation_has_the_name_of_its_view_as_id() -> None:
    ids = [operation["operationId"] for _, _, operation in operations()]
    assert len(set(ids)) == len(ids)
    views = {rule.endpoint.rpartition(".")[2] for rule in create_app({}).url_map.iter_rules()}
    assert set(ids) <= views


def test_every_error_is_told_by_its_status_and_has_the_one_body() -> None:
    for path, method, operation in operations():
        assert "default" not in operation["responses"]
        for status, response in responses(operation):
            if int(status) >= 400:
                content = response["content"]["application/json"]
                assert content["schema"] == {"$ref": "#/components/schemas/Error"}, (method, path, status)
                assert content["example"]["code"] == int(status)


def test_every_answer_has_the_revision() -> None:
    for path, method, operation in operations():
        for status, response in responses(operation):
            assert "X-Dataset-Revision" in response["headers"], (method, path, status)


def test_errors_that_come_before_a_view_are_told_everywhere() -> None:
    for path, method, operation in operations():
        needed = {"403"} if operation["x-role"] == "anybody" else {"401", "403", "503"}
        assert needed <= operation["responses"].keys(), (method, path)


def test_errors_of_a_body_are_told_where_one_is_read() -> None:
    for path, method, operation in operations():
        told = {"400", "413", "415", "422"} & operation["responses"].keys()
        assert told >= {"400", "413", "415", "422"} if "requestBody" in operation else "413" not in told, (method, path)


def test_ways_to_send_the_token_are_told() -> None:
    schemes = openapi()["components"]["securitySchemes"]
    assert (schemes["bearer"]["type"], schemes["bearer"]["scheme"]) == ("http", "bearer")
    assert (schemes["cookie"]["in"], schemes["cookie"]["name"]) == ("cookie", "cocoannot")
    assert openapi()["security"] == [{"bearer": []}, {"cookie": []}, {}]
    assert operation("post", "/api/login")["security"] == []


def test_every_operation_says_which_role_it_needs_and_whether_it_is_open() -> None:
    roles = {f"{method} {path}": operation["x-role"] for path, method, operation in operations()}
    assert set(roles.values()) == {"anybody", "viewer", "annotator", "reviewer", "admin"}
    assert {name for name, role in roles.items() if role == "anybody"} == {
        "post /api/login",
        "post /api/logout",
        "post /api/password",
    }
    for _, _, operation in operations():
        assert (operation.get("security") == []) == (operation["x-role"] == "anybody")


def test_token_is_told_to_be_needed_where_one_is_set() -> None:
    token = "token-of-this-test"
    client = create_app({"COCOANNOT_TOKEN": token}).test_client()
    headers = {"Authorization": f"Bearer {token}"}
    assert client.get("/api/openapi.json", headers=headers).get_json()["security"] == [{"bearer": []}, {"cookie": []}]


def test_every_body_and_every_answer_in_json_has_examples_that_fit() -> None:
    for path, method, operation in operations():
        contents = [("request", operation["requestBody"])] if "requestBody" in operation else []
        for name, described in contents + list(responses(operation)):
            content = described.get("content", {}).get("application/json")
            if content is None or content["schema"] == {"type": "object"}:
                continue
            examples = (
                [content["example"]] if "example" in content else [e["value"] for e in content["examples"].values()]
            )
            assert examples
            for example in examples:
                OAS31Validator({**content["schema"], "components": openapi()["components"]}).validate(example)
                assert known(example, content["schema"]), (method, path, name)


def known(example: Any, schema: Any) -> bool:
    """Whether all fields of an answer's example are in its schema, but for other fields of a record."""
    if "$ref" in schema:
        schema = openapi()["components"]["schemas"][schema["$ref"].rpartition("/")[2]]
    if isinstance(example, list):
        return all(known(item, schema.get("items", {})) for item in example)
    fields = schema.get("properties") if isinstance(example, dict) else None
    if fields is None:
        return True
    open_ended = schema.get("additionalProperties", False) is not False
    return all(known(value, fields[key]) if key in fields else open_ended for key, value in example.items())


def test_added_record_links_to_what_reads_changes_and_deletes_it() -> None:
    for section, noun in (("images", "image"), ("annotations", "annotation"), ("categories", "category")):
        links = operation("post", f"/api/{section}")["responses"]["201"]["links"]
        for verb, method in (("get", "get"), ("update", "patch"), ("delete", "delete")):
            link = links[f"{verb}_{noun}"]
            assert link["operationId"] == operation(method, f"/api/{section}/{{{noun}_id}}")["operationId"]
            assert link["parameters"] == {f"{noun}_id": "$response.body#/id"}


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


def test_every_parameter_is_described() -> None:
    for path, method, operation in operations():
        for parameter in operation.get("parameters", []):
            if parameter["name"] not in ("page", "page_size"):
                assert parameter.get("description"), (method, path, parameter["name"])


def test_page_sizes_are_told() -> None:
    assert parameters("get", "/api/images")["page_size"]["schema"] == {
        "type": "integer",
        "default": 100,
        "minimum": 1,
        "maximum": 1000,
    }


def test_id_in_a_path_is_an_integer_and_a_client_a_name() -> None:
    for path, methods in openapi()["paths"].items():
        for parameter in methods.get("parameters", []):
            told = "string" if parameter["name"] in ("client", "name", "token_id") else "integer"
            assert parameter["schema"]["type"] == told, path


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
    assert body_of("post", "/api/images")["required"] == ["file_name"]
    assert body_of("post", "/api/annotations")["required"] == ["image_id"]
    assert body_of("post", "/api/categories")["required"] == ["name"]
    assert body_of("put", "/api/dataset")["required"] == ["annotations", "images"]


def test_flush_needs_no_body() -> None:
    assert operation("post", "/api/flush")["requestBody"].get("required", False) is False


def test_batch_s_limit_is_told() -> None:
    assert body_of("post", "/api/annotations/batch")["properties"]["operations"]["maxItems"] == 10_000
