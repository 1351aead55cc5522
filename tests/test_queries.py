"""Lists, against the same question asked of plain Python lists; and that making room changes nothing that is read."""

from __future__ import annotations

import json
import random
from typing import Any

import pytest
from conftest import OpenDataset
from hypothesis import given, settings
from hypothesis import strategies as st

from cocoannot.changes.change import Edit
from cocoannot.coco.parser import SectionName, read_document
from cocoannot.coco.records import etag
from cocoannot.manager import DatasetManager
from cocoannot.store.memory.queries import find, neighbours
from cocoannot.store.memory.tables import Tables
from cocoannot.store.queries import SORTS, AnnotationQuery, CategoryQuery, ImageQuery, Query

EVERY_STORE = True

Fields = dict[str, Any]

NAMES = ["a.jpg", "B.jpg", "ab/é.png", "", None, 5]


@st.composite
def datasets(draw: st.DrawFn) -> Fields:
    def numbers(largest: int) -> Any:
        return st.lists(st.integers(0, largest), unique=True, max_size=8)

    images = [{"id": i, "file_name": draw(st.sampled_from(NAMES))} for i in draw(numbers(4))]
    categories = [{"id": i, "name": f"c{i}"} for i in draw(numbers(2))]
    annotations = []
    for i in draw(st.lists(st.integers(0, 99), unique=True, max_size=20)):
        optional = {"image_id": st.integers(0, 4), "category_id": st.integers(0, 2), "iscrowd": st.integers(0, 1)}
        annotations.append({"id": i, **draw(st.fixed_dictionaries({}, optional=optional))})
    return {"images": images, "annotations": annotations, "categories": categories}


def tables_of(dataset: Fields) -> Tables:
    return Tables(read_document(json.dumps(dataset).encode(), "test"))


def texts_of(tables: Tables, query: Query) -> list[bytes]:
    return find(tables, query, 0, None, 0).texts


def put(tables: Tables, section: SectionName, record_id: int, text: bytes) -> None:
    """Change the record with this id, or add it."""
    stored = tables.find(section, record_id)
    position = tables.next_place(section).position if stored is None else stored.position
    tables.apply([Edit(section, record_id, position, None if stored is None else stored.record.text, text)])


def drop(tables: Tables, section: SectionName, record_id: int) -> None:
    stored = tables.find(section, record_id)
    assert stored is not None
    tables.apply([Edit(section, record_id, stored.position, stored.record.text, None)])


def decoded(texts: list[bytes]) -> list[Fields]:
    return [json.loads(text) for text in texts]


def count(dataset: Fields, image: Fields) -> int:
    return sum(annotation.get("image_id") == image["id"] for annotation in dataset["annotations"])


def name_of(image: Fields) -> str:
    return image["file_name"] if isinstance(image["file_name"], str) else ""


def expected_images(dataset: Fields, query: ImageQuery) -> list[Fields]:
    def selected(image: Fields) -> bool:
        ours = [annotation for annotation in dataset["annotations"] if annotation.get("image_id") == image["id"]]
        return (
            query.file_name in name_of(image)
            and (query.annotated is None or bool(ours) == query.annotated)
            and (not query.category_ids or any(one.get("category_id") in query.category_ids for one in ours))
        )

    images = [image for image in dataset["images"] if selected(image)]
    key, down = query.sort.lstrip("-"), query.sort.startswith("-")
    if key == "position":
        return images[::-1] if down else images
    keys = {"id": lambda image: image["id"], "file_name": name_of}
    return sorted(images, key=keys.get(key, lambda image: count(dataset, image)), reverse=down)


image_queries = st.builds(
    ImageQuery,
    file_name=st.sampled_from(["", "", "a", ".jpg", "é", "z"]),
    category_ids=st.lists(st.sampled_from([0, 1, 2, -1, 10**30]), max_size=2),
    annotated=st.sampled_from([None, True, False]),
    sort=st.sampled_from(SORTS),
)


@settings(deadline=None)
@given(datasets(), image_queries, st.integers(0, 9), st.integers(0, 9))
def test_images_are_those_that_a_plain_search_finds(
    dataset: Fields, query: ImageQuery, offset: int, limit: int
) -> None:
    page = find(tables_of(dataset), query, offset, limit, 0)
    expected = expected_images(dataset, query)
    assert page.total == len(expected)
    assert decoded(page.texts) == expected[offset : offset + limit]


def expected_neighbours(dataset: Fields, image: Fields, query: ImageQuery) -> tuple[int | None, ...]:
    chosen = [each["id"] for each in expected_images(dataset, query)]
    position = chosen.index(image["id"]) if image["id"] in chosen else None
    # Among all images in this order, those that are chosen, and this one.
    order = [each["id"] for each in expected_images(dataset, ImageQuery(sort=query.sort))]
    row = [number for number in order if number in chosen or number == image["id"]]
    at = row.index(image["id"])
    return (row[at - 1] if at else None, row[at + 1] if at + 1 < len(row) else None, position, len(chosen))


@settings(deadline=None)
@given(datasets(), st.lists(image_queries, min_size=1, max_size=3), st.lists(st.integers(0, 99), max_size=4))
def test_neighbours_are_those_beside_an_image_in_the_list_whatever_was_asked_before(
    dataset: Fields, queries: list[ImageQuery], changes: list[int]
) -> None:
    tables = tables_of(dataset)
    for change in [None, *changes]:
        if change is not None:
            with_changed(dataset, tables, change)
        for query in queries:
            for image in dataset["images"]:
                found = neighbours(tables, image["id"], query, 0)
                assert found is not None
                assert found[:4] == expected_neighbours(dataset, image, query)
            assert decoded(texts_of(tables, query)) == expected_images(dataset, query)
    assert neighbours(tables, 5, ImageQuery(), 0) is None


def with_changed(dataset: Fields, tables: Tables, change: int) -> None:
    """Move, add or delete an annotation or an image, in both."""
    section: SectionName = "images" if change % 2 else "annotations"
    records, number = dataset[section], change // 10
    if change % 3 == 0 and records:
        drop(tables, section, records.pop(number % len(records))["id"])
        return
    record: Fields = {"id": 100 + change, "image_id": number % 5, "category_id": number % 3}
    if section == "images":
        record = {"id": 100 + change, "file_name": NAMES[number % 6]}
    if records and change % 5:
        record["id"] = records[number % len(records)]["id"]
    put(tables, section, record["id"], json.dumps(record).encode())
    dataset[section] = [record if each["id"] == record["id"] else each for each in records]
    if record not in dataset[section]:
        dataset[section].append(record)


@settings(deadline=None)
@given(
    datasets(),
    st.builds(
        AnnotationQuery,
        image_id=st.sampled_from([None, None, None, 0, 1, 9, 10**30, -(10**30)]),
        category_id=st.sampled_from([None, None, 0, 1, 10**30]),
        iscrowd=st.sampled_from([None, True, False]),
    ),
    st.integers(0, 5),
    st.none() | st.integers(0, 10),
)
def test_annotations_are_those_that_a_plain_search_finds(
    dataset: Fields, query: AnnotationQuery, offset: int, limit: int | None
) -> None:
    page = find(tables_of(dataset), query, offset, limit, 0)
    expected = [
        annotation
        for annotation in dataset["annotations"]
        if query.image_id in (None, annotation.get("image_id"))
        and query.category_id in (None, annotation.get("category_id"))
        and query.iscrowd in (None, bool(annotation.get("iscrowd", 0)))
    ]
    assert page.total == len(expected)
    assert decoded(page.texts) == expected[offset:][:limit]


@settings(deadline=None)
@given(datasets())
def test_derived_fields_of_images_come_after_their_own(dataset: Fields) -> None:
    texts = texts_of(tables_of(dataset), ImageQuery(derived=("annotation_count", "annotations", "etag")))
    expected = [
        {
            **image,
            "_annotation_count": count(dataset, image),
            "_annotations": [one for one in dataset["annotations"] if one.get("image_id") == image["id"]],
            "_etag": etag(json.dumps(image).encode()),
        }
        for image in dataset["images"]
    ]
    assert [list(record.items()) for record in decoded(texts)] == [list(record.items()) for record in expected]


@settings(deadline=None)
@given(datasets())
def test_categories_come_with_their_counts_if_asked_for(dataset: Fields) -> None:
    tables = tables_of(dataset)
    assert decoded(texts_of(tables, CategoryQuery())) == dataset["categories"]
    used = [annotation.get("category_id") for annotation in dataset["annotations"]]
    assert decoded(texts_of(tables, CategoryQuery(derived=["annotation_count"]))) == [
        {**category, "_annotation_count": used.count(category["id"])} for category in dataset["categories"]
    ]


def test_without_derived_fields_records_are_the_stored_text(manager: DatasetManager, small: Fields) -> None:
    assert manager.store.find(ImageQuery()).texts == [json.dumps(image).encode() for image in small["images"]]
    assert manager.store.find(AnnotationQuery(image_id=2)).texts == [json.dumps(small["annotations"][2]).encode()]
    assert manager.store.find(CategoryQuery()).texts == [
        json.dumps(category).encode() for category in small["categories"]
    ]


def test_etag_of_an_annotation_is_the_one_of_its_stored_text(manager: DatasetManager) -> None:
    (text,) = manager.store.find(AnnotationQuery(image_id=2, derived=["etag"])).texts
    record = manager.get_annotation(7)
    assert record is not None
    assert json.loads(text) == {**record, "_etag": record.etag}


def test_range_of_images_is_in_file_order_and_ends_with_them(manager: DatasetManager) -> None:
    assert [image["id"] for image in manager.get_images_range(1, 1)] == [2]
    assert [image["id"] for image in manager.get_images_range(1, 99)] == [2, 4]
    assert manager.get_images_range(3, 5) == []
    assert manager.get_images_range(0, 0) == []


@pytest.mark.parametrize("sort", SORTS)
def test_lists_follow_changes(manager: DatasetManager, small: Fields, sort: str) -> None:
    manager.update_image(1, {"file_name": "zzz.jpg"})
    manager.update_annotation(2, {"image_id": 4, "iscrowd": 1})
    manager.delete_annotation(7)
    manager.add_image({"file_name": "new.jpg", "width": 1, "height": 1})
    dataset = {
        "images": [dict(image) for image in manager.get_images()],
        "annotations": [dict(annotation) for annotation in manager.get_annotations()],
    }
    query = ImageQuery(sort=sort)
    assert decoded(manager.store.find(query).texts) == expected_images(dataset, query)
    crowds = manager.store.find(AnnotationQuery(iscrowd=True)).texts
    assert [record["id"] for record in decoded(crowds)] == [2]


@pytest.mark.parametrize(("offset", "limit", "expected"), [(0, 2, [1, 2]), (1, 1, [2]), (1, None, [2, 7]), (3, 1, [])])
def test_pages_of_annotations_are_by_offset_and_limit(
    manager: DatasetManager, offset: int, limit: int | None, expected: list[int]
) -> None:
    page = manager.store.find(AnnotationQuery(), offset, limit)
    assert (page.total, [record["id"] for record in decoded(page.texts)]) == (3, expected)


def test_first_annotation_of_the_file_counts_for_its_category(manager: DatasetManager) -> None:
    manager.delete_annotation(7)
    assert [image["id"] for image in decoded(manager.store.find(ImageQuery(category_ids=[1])).texts)] == [1]


def test_head_has_the_texts_of_the_file_and_the_counts_of_now(open_dataset: OpenDataset) -> None:
    manager = open_dataset('{"info" : {"a":  1.0}, "categories": [ {"id": 1,  "name": "x"},{"id": 2} ]}')
    manager.delete_category(2)
    head = manager.store.head()
    assert head.texts == {"info": b'{"a":  1.0}', "licenses": b"null", "categories": b'[{"id": 1,  "name": "x"}]'}
    assert (head.counts, head.revision) == ({"images": 0, "annotations": 0, "categories": 1}, 1)
    assert (manager.get_info(), manager.get_licenses()) == ({"a": 1.0}, None)


# Making room: slots of deleted records are given up once they outnumber the others


def test_thousands_of_changes_keep_order_texts_and_indexes() -> None:
    """The manager's rules are left out, so that many more changes can be made than through it."""
    chance = random.Random(7)
    rows = [{"id": i, "image_id": i % 5, "category_id": i % 3, "iscrowd": i % 2} for i in range(400)]
    images = [{"id": i, "file_name": f"{i}.jpg"} for i in range(5)]
    tables = tables_of({"images": images, "annotations": rows, "categories": []})
    next_id = 400
    for step in range(6000):
        if step % 2 == 0:
            row = {"id": next_id, "image_id": next_id % 5, "category_id": next_id % 3, "iscrowd": 0}
            rows.append(row)
            put(tables, "annotations", next_id, json.dumps(row).encode())
            next_id += 1
        if step % 3 == 0:
            row = chance.choice(rows)
            row |= {"image_id": chance.randrange(5), "category_id": chance.randrange(3), "step": step}
            put(tables, "annotations", row["id"], json.dumps(row).encode())
        if rows and (step % 2 == 1 or step > 5400):
            row = rows.pop(chance.randrange(len(rows)))
            drop(tables, "annotations", row["id"])
    dataset = {"images": images, "annotations": rows, "categories": []}
    assert json.loads(b"".join(tables.freeze().pieces())) == dataset
    assert tables.counts()["annotations"] == len(rows)
    for row in rows:
        record = tables.get("annotations", row["id"])
        assert record is not None
        assert json.loads(record.text) == row
    for image_id in range(5):
        assert decoded(texts_of(tables, AnnotationQuery(image_id=image_id))) == [
            row for row in rows if row["image_id"] == image_id
        ]
    for category_id in range(3):
        assert decoded(texts_of(tables, AnnotationQuery(category_id=category_id))) == [
            row for row in rows if row["category_id"] == category_id
        ]
    assert tables.annotation_index.per_category == {
        category_id: used
        for category_id in range(3)
        if (used := sum(row["category_id"] == category_id for row in rows))
    }
    assert tables.next_ids["annotations"] == next_id
    # What the test is about has happened: there are far fewer slots than there were records.
    assert len(tables.annotation_index.image_ids) < 4000


@pytest.mark.parametrize("gap", [", ", " ,\n"])
def test_making_room_for_images_and_categories_keeps_names_and_gaps(gap: str) -> None:
    records = [{"id": i, "file_name": f"{i}.jpg", "name": f"n{i}"} for i in range(3000)]
    listed = gap.join(map(json.dumps, records))
    tables = Tables(read_document(f'{{"images": [{listed}], "categories": [{listed}]}}'.encode(), "test"))
    for i in range(3000):
        if i % 10:
            drop(tables, "images", i)
            drop(tables, "categories", i)
    renamed = json.dumps({"id": 500, "file_name": "renamed.jpg", "name": "renamed"})
    added = json.dumps({"id": 9000, "file_name": "added.jpg", "name": "added"})
    sections: tuple[SectionName, ...] = ("images", "categories")
    for section in sections:
        put(tables, section, 500, renamed.encode())
        put(tables, section, 9000, added.encode())
    assert max(len(tables.image_index.names), len(tables.category_index.names)) < 2000
    kept = [json.dumps(record) for record in records[::10]]
    kept[50] = renamed
    kept.append(added)
    expected = gap.join(kept)
    assert b"".join(tables.freeze().pieces()).decode() == f'{{"images": [{expected}], "categories": [{expected}]}}'
    names = [json.loads(text)["file_name"] for text in kept]
    assert [record["file_name"] for record in decoded(texts_of(tables, ImageQuery(sort="file_name")))] == sorted(names)
    assert len(texts_of(tables, ImageQuery(file_name="added"))) == 1
    assert [tables.category_index.names[slot] for slot in tables.categories.slots()] == [
        json.loads(text)["name"] for text in kept
    ]


@pytest.mark.parametrize(
    "content", ["{}", '{"images": null, "annotations": null}', '{"images": [], "annotations": []}']
)
def test_columns_of_a_section_without_records_have_the_types_of_others(content: str) -> None:
    record = '{"id": 1, "image_id": 1, "category_id": 1, "iscrowd": 1, "area": 1.5, "width": 1, "height": 1}'
    full = read_document(f'{{"images": [{record}], "annotations": [{record}]}}'.encode(), "test").sections
    for name, section in read_document(content.encode(), "test").sections.items():
        types = {column: values.dtype for column, values in section.keys.items()}
        assert types == {column: values.dtype for column, values in full[name].keys.items()}
