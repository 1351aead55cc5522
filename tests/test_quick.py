"""The quick look at a body says nothing that marshmallow would not say."""

from __future__ import annotations

from typing import Any

import marshmallow as ma
import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from cocoannot.api import body_schemas as schemas
from cocoannot.api.quick import QuickSchema

POLYGON = {"image_id": 1, "category_id": 2, "segmentation": [[1, 1, 9, 1, 9, 9]], "note": "kept"}
SCHEMAS: dict[str, QuickSchema] = {
    each.__name__: each() for each in vars(schemas).values() if isinstance(each, type) and issubclass(each, QuickSchema)
}
ORDINARY: list[tuple[str, dict[str, Any]]] = [
    ("NewAnnotation", POLYGON),
    ("NewAnnotation", {"image_id": 1, "category_id": None, "bbox": [1, 1, 2, 2], "iscrowd": 0, "id": 9}),
    ("AnnotationChanges", {"segmentation": None, "caption": "a"}),
    ("AddOperation", {"op": "add", "annotation": POLYGON}),
    ("UpdateOperation", {"op": "update", "id": 1, "changes": {"iscrowd": 1}}),
    ("DeleteOperation", {"op": "delete", "id": 1}),
]


def by_marshmallow(schema: QuickSchema, body: object) -> Any:
    """What the schema makes of it without the quick look, nested ones included."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(QuickSchema, "load", ma.Schema.load)
        return schema.load(body)


VALUES: st.SearchStrategy[Any] = st.sampled_from(
    [
        None,
        True,
        False,
        0,
        1,
        -1,
        2,
        7.0,
        0.5,
        2**53 - 1,
        2**53,
        -(2**53),
        2**70,
        65_535,
        65_536,
        "",
        "1",
        "add",
        [],
        {},
    ]
) | st.just(POLYGON)


@pytest.mark.parametrize("name", SCHEMAS)
@given(data=st.data())
def test_what_the_quick_look_takes_marshmallow_takes_as_it_is(name: str, data: st.DataObject) -> None:
    schema = SCHEMAS[name]
    keys = st.sampled_from([*schema.fields, "_more", "more"])
    body = data.draw(st.dictionaries(keys, VALUES) | VALUES)
    if schema._quick is None:
        return
    try:
        msgspec.convert(body, schema._quick)
    except msgspec.ValidationError:
        return
    assert by_marshmallow(schema, body) == body


@pytest.mark.parametrize(("name", "body"), ORDINARY)
def test_ordinary_bodies_do_without_marshmallow(
    name: str, body: dict[str, Any], monkeypatch: pytest.MonkeyPatch
) -> None:
    def never(*_: object, **__: object) -> None:
        pytest.fail("marshmallow was asked")

    assert by_marshmallow(SCHEMAS[name], body) == body
    monkeypatch.setattr(ma.Schema, "load", never)
    assert SCHEMAS[name].load(body) == body


@pytest.mark.parametrize("body", [{"image_id": 7.0}, {"image_id": 7, "iscrowd": 1.0}])
def test_integers_that_are_written_as_floats_are_taken_as_before(body: dict[str, Any]) -> None:
    assert SCHEMAS["NewAnnotation"].load(body) == body


def test_schemas_with_rules_that_msgspec_does_not_know_have_no_quick_look() -> None:
    assert {name for name, schema in SCHEMAS.items() if schema._quick is None} == {
        "Batch", "Login", "NewCategory", "NewImage", "Replacement"
    }  # fmt: skip


def test_options_of_load_go_before_the_quick_look() -> None:
    assert SCHEMAS["NewAnnotation"].load([POLYGON], many=True) == [POLYGON]
    with pytest.raises(ma.ValidationError):
        SCHEMAS["NewAnnotation"].load(POLYGON, unknown=ma.RAISE)
