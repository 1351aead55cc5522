"""Three versions of a dataset into one: what each side did is there, nothing is there twice, conflicts are told."""

from __future__ import annotations

import copy
import json
from collections import Counter
from collections.abc import Mapping
from typing import Any, Literal

import pytest
from hypothesis import given
from hypothesis import strategies as st

from cocoannot.coco.parser import SECTIONS, SectionName, read_document
from cocoannot.errors import DatasetError
from cocoannot.merge.dataset import Merged, compare, merge_datasets
from cocoannot.merge.report import Conflict, Side

Dataset = dict[str, Any]

FREE: Mapping[SectionName, int] = dict.fromkeys(SECTIONS, 1)
GEOMETRY = {"bbox", "area", "segmentation"}

BASE: Dataset = {
    "info": {"description": "base", "year": 2024},
    "licenses": [{"id": 1, "name": "CC BY 4.0"}],
    "images": [{"id": i, "file_name": f"{i}.jpg", "width": 9, "height": 9} for i in (1, 2, 3, 5)],
    "annotations": [
        {
            "id": i,
            "image_id": (1, 2, 3)[i % 3],
            "category_id": i % 2 + 1,
            "bbox": [i, 0, 2, 3],
            "area": 6.0,
            "note": "n",
        }
        for i in (1, 2, 3, 4, 6, 8)
    ],
    "categories": [{"id": i, "name": f"c{i}", "supercategory": "s"} for i in (1, 2, 4)],
    "type": "instances",
}


def text_of(dataset: Dataset) -> bytes:
    return json.dumps(dataset).encode()


def merge_texts(
    base: bytes | None, ours: bytes, theirs: bytes, choice: Side | None = None, free: Mapping[SectionName, int] = FREE
) -> Merged:
    ours_read = read_document(ours, "ours")
    base_read = None if base is None else read_document(base, "base")
    return merge_datasets(compare(base_read, ours_read, read_document(theirs, "theirs")), ours_read, free, choice)


def merge(base: Dataset | None, ours: Dataset, theirs: Dataset, choice: Side | None = None) -> tuple[Dataset, Merged]:
    """What comes of it, and what was said of it."""
    merged = merge_texts(None if base is None else text_of(base), text_of(ours), text_of(theirs), choice)
    result = copy.deepcopy(ours)
    for key, text in merged.texts.items():
        if text is None:
            del result[key]
        else:
            result[key] = json.loads(text)
    return result, merged


def by_id(dataset: Dataset, section: str = "annotations") -> dict[int, Dataset]:
    found = {record["id"]: record for record in dataset.get(section, [])}
    assert len(found) == len(dataset.get(section, [])), f"an id of {section} is there twice"
    return found


def edited(**changes: Any) -> Dataset:
    """The base with annotation 1 changed."""
    dataset = copy.deepcopy(BASE)
    dataset["annotations"][0].update(changes)
    return dataset


def box(record_id: int, **fields: Any) -> Dataset:
    return {"id": record_id, "image_id": 1, "category_id": 1, "bbox": [0, 0, record_id, 1], "area": record_id, **fields}


# Random edits


class Editor:
    """Somebody who edits a copy of the base as a server would: ids are given, what refers to a record goes with it."""

    def __init__(self, name: str) -> None:
        self.name = name
        self.data = copy.deepcopy(BASE)

    def do(self, edit: tuple[Any, ...]) -> None:
        kind, *rest = edit
        getattr(self, kind)(*rest)

    def change(self, section: str, at: int, field: str, value: object) -> None:
        if records := self.data[section]:
            record = records[at % len(records)]
            if value is None:
                record.pop(field, None)
            else:
                record[field] = value

    def move(self, at: int, to: int) -> None:
        if self.data["annotations"] and self.data["categories"]:
            category = self.data["categories"][to % len(self.data["categories"])]
            self.change("annotations", at, "category_id", category["id"])

    def delete(self, section: str, at: int) -> None:
        records = self.data[section]
        if not records:
            return
        gone = records.pop(at % len(records))["id"]
        if section == "images":
            self.data["annotations"] = [each for each in self.data["annotations"] if each["image_id"] != gone]
        if section == "categories":
            left = [each["id"] for each in records]
            self.data["annotations"] = [
                each for each in self.data["annotations"] if left or each["category_id"] != gone
            ]
            for each in self.data["annotations"]:
                each["category_id"] = left[0] if each["category_id"] == gone else each["category_id"]

    def add(self, section: str, image: int, category: int, number: int, *, shared: bool) -> None:
        name = f"{'both' if shared else self.name}{number}"
        records = self.data[section]
        record: Dataset = {"id": max([8, *(each["id"] for each in records)]) + 1}
        match section:
            case "images":
                record |= {"file_name": f"{name}.jpg", "width": 9, "height": 9}
            case "categories":
                record |= {"name": name, "supercategory": "s"}
            case _:
                if not self.data["images"] or not self.data["categories"]:
                    return
                record["image_id"] = self.data["images"][image % len(self.data["images"])]["id"]
                record["category_id"] = self.data["categories"][category % len(self.data["categories"])]["id"]
                record |= {"bbox": [number, 0, 1, 1], "area": 1, "by": name}
        if section == "annotations" or not any(_name(each) == _name(record) for each in records):
            records.append(record)

    def tell(self, field: str, value: object) -> None:
        self.data["info"][field] = value

    def top(self, key: str, value: object) -> None:
        if value is None:
            self.data.pop(key, None)
        else:
            self.data[key] = value


def _name(record: Dataset) -> object:
    return record.get("file_name", record.get("name"))


NUMBERS = st.integers(0, 7)
SECTION = st.sampled_from(["annotations", "annotations", "images", "categories"])
EDIT = st.one_of(
    st.tuples(
        st.just("change"),
        st.just("annotations"),
        NUMBERS,
        st.sampled_from(["note", "score"]),
        st.sampled_from([None, 1, 2, True, "x"]),
    ),
    st.tuples(
        st.just("change"),
        st.just("annotations"),
        NUMBERS,
        st.sampled_from(["bbox", "segmentation"]),
        st.sampled_from([[1, 1, 1, 1], [2, 2, 2, 2]]),
    ),
    st.tuples(st.just("change"), st.just("annotations"), NUMBERS, st.just("area"), st.sampled_from([1, 2.5])),
    st.tuples(st.just("change"), st.just("images"), NUMBERS, st.just("license"), st.sampled_from([1, 2])),
    st.tuples(st.just("change"), st.just("categories"), NUMBERS, st.just("supercategory"), st.sampled_from(["t", "u"])),
    st.tuples(st.just("move"), NUMBERS, NUMBERS),
    st.tuples(st.just("delete"), SECTION, NUMBERS),
    st.builds(
        lambda section, image, category, number, shared: ("add", section, image, category, number, shared),
        SECTION,
        NUMBERS,
        NUMBERS,
        st.integers(0, 2),
        st.booleans(),
    ),
    st.tuples(st.just("tell"), st.sampled_from(["year", "version"]), st.sampled_from([1, 2])),
    st.tuples(st.just("top"), st.sampled_from(["type", "extra"]), st.sampled_from([None, "a", "b"])),
)
EDITS = st.lists(EDIT, max_size=12)


def edited_by(name: str, edits: list[tuple[Any, ...]]) -> Dataset:
    editor = Editor(name)
    for edit in edits:
        if edit[0] == "add":
            editor.add(*edit[1:5], shared=edit[5])
        else:
            editor.do(edit)
    return editor.data


def meant(dataset: Dataset) -> dict[int, Dataset]:
    """Annotations by id, with names instead of ids: what they mean, however records are numbered."""
    images, categories = by_id(dataset, "images"), by_id(dataset, "categories")
    return {
        record_id: {
            **{key: value for key, value in record.items() if key not in ("id", "image_id", "category_id")},
            "image": images[record["image_id"]]["file_name"],
            "category": categories[record["category_id"]]["name"],
        }
        for record_id, record in by_id(dataset).items()
    }


def strict(value: object) -> str:
    """What is the same value: to Python, `True` is 1."""
    return json.dumps(value, sort_keys=True)


def changed(before: Dataset, after: Dataset) -> set[str]:
    return {key for key in {*before, *after} if strict(before.get(key)) != strict(after.get(key))}


def expected(base: Dataset, ours: Dataset, theirs: Dataset, choice: Side) -> tuple[Dataset, set[str]]:
    """A record that both have, and the fields in conflict."""
    mine, its = changed(base, ours), changed(base, theirs)
    differs = changed(ours, theirs)
    clash = mine & its & differs - GEOMETRY
    if mine & GEOMETRY & differs and its & GEOMETRY & differs:
        clash |= (mine | its) & GEOMETRY
    take_theirs = (its - mine - clash) | (clash if choice == "theirs" else set())
    result = {key: (theirs if key in take_theirs else ours).get(key) for key in {*ours, *theirs}}
    return {key: value for key, value in result.items() if value is not None}, clash


def fields_in_conflict(merged: Merged, section: str = "annotations") -> dict[int | None, set[str]]:
    names = {"image_id": "image", "category_id": "category"}
    return {
        each.id: {names.get(field, field) for field in each.fields}
        for each in merged.report.conflicts
        if each.section == section and each.kind == "fields"
    }


@given(EDITS, EDITS, st.sampled_from(["ours", "theirs"]))
def test_what_one_side_changed_is_there_and_conflicts_are_where_both_did(
    our_edits: list[Any], their_edits: list[Any], choice: Literal["ours", "theirs"]
) -> None:
    ours, theirs = edited_by("anna", our_edits), edited_by("ben", their_edits)
    result, merged = merge(BASE, ours, theirs, choice)
    # That no reference dangles is in `meant`, that no id is there twice, in `by_id`.
    base, mine, its, now = meant(BASE), meant(ours), meant(theirs), meant(result)
    conflicts = {}
    for record_id, before in base.items():
        left, right = mine.get(record_id), its.get(record_id)
        if left is not None and right is not None:
            wanted, clash = expected(before, left, right, choice)
            assert strict(now[record_id]) == strict(wanted)
            if clash:
                conflicts[record_id] = clash
        else:
            kept = left or right
            assert strict(now.get(record_id)) == strict(kept if kept and changed(before, kept) else None)
    assert fields_in_conflict(merged) == conflicts
    assert all(each.taken is not None for each in merged.report.conflicts)
    # What each side added is there once, and once where both added the same.
    new = Counter(strict(record) for record_id, record in now.items() if record_id not in base)
    left_new, right_new = (
        Counter(strict(record) for record_id, record in side.items() if record_id not in base) for side in (mine, its)
    )
    assert new == left_new | right_new


@given(EDITS, EDITS)
def test_images_and_categories_are_there_once_and_stay_where_they_are_used(
    our_edits: list[Any], their_edits: list[Any]
) -> None:
    ours, theirs = edited_by("anna", our_edits), edited_by("ben", their_edits)
    result, merged = merge(BASE, ours, theirs, "ours")
    for section, key in (("images", "image_id"), ("categories", "category_id")):
        base, mine, its, now = (by_id(each, section) for each in (BASE, ours, theirs, result))
        used = {annotation[key] for annotation in result["annotations"]}
        for record_id, before in base.items():
            left, right = mine.get(record_id), its.get(record_id)
            if left is not None and right is not None:
                assert now[record_id] == expected(before, left, right, "ours")[0]
            else:
                kept = left or right
                stays = (kept is not None and bool(changed(before, kept))) or record_id in used
                assert (record_id in now) == stays
        names = {_name(each) for each in [*mine.values(), *its.values()] if each["id"] not in base}
        assert sorted(_name(each) for each in now.values() if each["id"] not in base) == sorted(names)  # type: ignore[type-var]
    assert {each.kind for each in merged.report.conflicts} <= {"fields", "deleted_by_us", "deleted_by_them", "in_use"}


@given(EDITS)
def test_merging_with_nothing_is_nothing(edits: list[Any]) -> None:
    side = edited_by("anna", edits)
    assert merge(BASE, side, BASE)[1].texts == {}
    assert merge(BASE, side, side)[1].texts == {}
    result, merged = merge(BASE, BASE, side)
    assert merged.report.conflicts == []
    assert strict({**result, **_sorted(result)}) == strict({**side, **_sorted(side)})


def _sorted(dataset: Dataset) -> Dataset:
    return {section: [record for _, record in sorted(by_id(dataset, section).items())] for section in SECTIONS}


@given(EDITS, EDITS)
def test_other_values_are_merged_by_field(our_edits: list[Any], their_edits: list[Any]) -> None:
    ours, theirs = edited_by("anna", our_edits), edited_by("ben", their_edits)
    result, merged = merge(BASE, ours, theirs, "theirs")
    wanted, clash = expected(BASE["info"], ours["info"], theirs["info"], "theirs")
    assert result["info"] == wanted
    assert fields_in_conflict(merged, "info").get(None, set()) == clash
    for key in ("type", "extra"):
        before, left, right = BASE.get(key), ours.get(key), theirs.get(key)
        if left == right or right == before:
            assert result.get(key) == left
        elif left == before:
            assert result.get(key) == right
        else:
            assert result.get(key) == (right if right is not None else left), "an edit counts more than a deletion"
            assert key in {each.section for each in merged.report.conflicts}


@given(EDITS, EDITS)
def test_a_second_merge_with_the_same_brings_nothing(our_edits: list[Any], their_edits: list[Any]) -> None:
    """As after a crash between the merge and writing down that it was made."""
    ours, theirs = edited_by("anna", our_edits), edited_by("ben", their_edits)
    once, _ = merge(BASE, ours, theirs, "theirs")
    again, merged = merge(BASE, once, theirs, "theirs")
    assert strict(_sorted(again)) == strict(_sorted(once))
    assert [each for each in merged.report.conflicts if each.kind == "fields"] == []


@given(EDITS, EDITS)
def test_without_a_common_version_nothing_of_either_side_is_lost(our_edits: list[Any], their_edits: list[Any]) -> None:
    ours, theirs = edited_by("anna", our_edits), edited_by("ben", their_edits)
    result, _ = merge(None, ours, theirs, "ours")
    now = {strict(record) for record in meant(result).values()}
    assert {strict(record) for record in meant(ours).values()} <= now | _with_more(ours, result)
    assert {record["file_name"] for side in (ours, theirs) for record in side["images"]} == {
        record["file_name"] for record in result["images"]
    }
    merge_again, merged = merge(None, result, result)
    assert (merge_again, merged.texts) == (result, {})


def _with_more(side: Dataset, result: Dataset) -> set[str]:
    """Records of `side` that are there with more fields."""
    now = meant(result)
    return {
        strict(record)
        for record in meant(side).values()
        if any(all(strict(other.get(key)) == strict(value) for key, value in record.items()) for other in now.values())
    }


# Examples


def test_a_conflict_is_told_by_record_and_field_and_left_to_the_choice() -> None:
    ours, theirs = edited(note="ours", score=1), edited(note="theirs", bbox=[9, 9, 9, 9])
    result, merged = merge(BASE, ours, theirs)
    assert merged.report.conflicts == merged.report.undecided == [Conflict("annotations", 1, "fields", ("note",))]
    assert str(merged.report.conflicts[0]) == "annotations 1: both sides changed note"
    for choice, note in (("ours", "ours"), ("theirs", "theirs")):
        result, merged = merge(BASE, ours, theirs, choice)  # type: ignore[arg-type]
        assert by_id(result)[1] == {**BASE["annotations"][0], "note": note, "score": 1, "bbox": [9, 9, 9, 9]}
        assert merged.report.undecided == []


def test_records_keep_their_bytes_and_the_file_its_layout() -> None:
    record = b'{"id": 1,  "image_id":1, "category_id": 1, "bbox":[1, 2.50, 3,4], "x": "\\u00e9"}'
    other = b'{\n "id": 2, "image_id": 1, "category_id": 1, "y": 1e2}'
    frame = (
        b'{"images": [{"id":1, "file_name": "a"}],\r\n  "annotations": [ %b ], "categories":[{"id": 1,"name":"c"}] }\n'
    )
    base = frame % (record + b" ,\n" + other)
    theirs_text = b'{"id":3,"image_id":1, "category_id":1 , "z":[ ]}'
    theirs = json.dumps(json.loads(base)).encode()[:-1].replace(b'"y": 100.0', b'"y":  5.0') + b"}"
    theirs = theirs.replace(b'}], "categories"', b"}, " + theirs_text + b'], "categories"')
    ours = base.replace(b'"id": 1,  ', b'"id": 1,  "w": 1, ')
    merged = merge_texts(base, ours, theirs)
    assert merged.texts.keys() == {"annotations"}
    changed_record = b'{"id": 2, "image_id": 1, "category_id": 1, "y":  5.0}'
    mine = record.replace(b'"id": 1,  ', b'"id": 1,  "w": 1, ')
    assert merged.texts["annotations"] == b"[ " + mine + b" ,\n" + changed_record + b" ,\n" + theirs_text + b" ]"


def test_a_file_that_another_tool_wrote_anew_has_no_changes() -> None:
    base, ours = text_of(BASE), text_of(edited(note="ours"))
    for theirs in (
        json.dumps(BASE, indent=2).encode(),
        json.dumps(BASE, separators=(",", ":"), sort_keys=True).encode(),
        text_of({key: BASE[key] for key in reversed(BASE)}),
        b"\xef\xbb\xbf" + base.replace(b"6.0", b"6").replace(b"jpg", b"\\u006apg"),
    ):
        merged = merge_texts(base, ours, theirs)
        assert (merged.texts, merged.report.conflicts) == ({}, [])


def test_true_is_not_one() -> None:
    result, _ = merge(edited(note=1), edited(note=1), edited(note=True))
    assert by_id(result)[1]["note"] is True


def test_ids_that_both_gave_are_given_anew_on_our_side_and_references_follow() -> None:
    def with_new(name: str) -> Dataset:
        dataset = copy.deepcopy(BASE)
        dataset["images"].append({"id": 9, "file_name": f"{name}.jpg", "width": 9, "height": 9})
        dataset["categories"].append({"id": 9, "name": name})
        dataset["annotations"] += [box(9, image_id=9, category_id=9, by=name), box(10, category_id=9, by=name)]
        return dataset

    free: Mapping[SectionName, int] = {"images": 50, "annotations": 60, "categories": 3}
    merged = merge_texts(text_of(BASE), text_of(with_new("ours")), text_of(with_new("theirs")), free=free)
    assert merged.report.renumbered == {"images": {9: 50}, "annotations": {9: 60, 10: 61}, "categories": {9: 10}}
    annotations = {each["id"]: each for each in json.loads(merged.texts["annotations"] or b"")}
    assert annotations[9] == with_new("theirs")["annotations"][-2]
    assert annotations[10] == with_new("theirs")["annotations"][-1]
    assert annotations[60] == box(9, id=60, image_id=50, category_id=10, by="ours")
    assert annotations[61] == box(10, id=61, category_id=10, by="ours")


def test_what_both_added_is_there_once_with_their_id() -> None:
    ours, theirs = copy.deepcopy(BASE), copy.deepcopy(BASE)
    ours["categories"].append({"id": 9, "name": "both", "supercategory": "ours", "color": 1})
    ours["annotations"].append(box(9, category_id=9))
    theirs["categories"].append({"id": 12, "name": "both", "supercategory": "theirs", "rank": 2})
    theirs["annotations"].append({**box(15, category_id=12), "bbox": [0, 0, 9, 1], "area": 9})
    result, merged = merge(BASE, ours, theirs)
    assert merged.report.undecided == [Conflict("categories", 12, "fields", ("supercategory",))]
    assert result["categories"][3:] == [{"id": 12, "name": "both", "supercategory": "ours", "color": 1, "rank": 2}]
    assert [each["id"] for each in result["annotations"][6:]] == [15]
    assert result["annotations"][6]["category_id"] == 12


def test_an_edit_counts_more_than_a_deletion() -> None:
    without, changed_one = copy.deepcopy(BASE), edited(note="new")
    del without["annotations"][0]
    for ours, theirs, kind in ((without, changed_one, "deleted_by_us"), (changed_one, without, "deleted_by_them")):
        result, merged = merge(BASE, ours, theirs)
        assert by_id(result)[1]["note"] == "new"
        assert [(each.id, each.kind) for each in merged.report.conflicts] == [(1, kind)]
        assert merged.report.undecided == []


def test_an_image_that_one_side_deleted_stays_where_the_other_one_annotated_it() -> None:
    without, annotated = copy.deepcopy(BASE), copy.deepcopy(BASE)
    without["images"] = [each for each in without["images"] if each["id"] != 5]
    annotated["annotations"].append(box(9, image_id=5))
    for ours, theirs in ((without, annotated), (annotated, without)):
        result, merged = merge(BASE, ours, theirs)
        assert by_id(result, "images")[5] == BASE["images"][3]
        assert [(each.section, each.id, each.kind) for each in merged.report.conflicts] == [("images", 5, "in_use")]


@pytest.mark.parametrize("which", [0, 1, 2])
def test_an_id_that_is_there_twice_is_refused_with_the_file_that_has_it(which: int) -> None:
    sides = [text_of(BASE), text_of(edited(note=1)), text_of(edited(score=1))]
    twice = copy.deepcopy(BASE)
    twice["images"].append(twice["images"][1])
    sides[which] = text_of(twice)
    owner = ("the version agreed last", "our version", "S3's version")[which]
    with pytest.raises(DatasetError, match=f"{owner}: image id 2 is there more than once"):
        merge_texts(sides[0], sides[1], sides[2])


def test_panoptic_annotations_stay_ours_unless_they_changed_them() -> None:
    def panoptic(note: str, file_name: str) -> Dataset:
        annotations: list[Dataset] = [
            {"image_id": i, "file_name": "x.png", "segments_info": [], "note": note} for i in (1, 2)
        ]
        return {**copy.deepcopy(BASE), "annotations": annotations, "info": {"file_name": file_name}}

    base = panoptic("a", "f")
    result, _ = merge(base, panoptic("b", "f"), panoptic("a", "g"))
    assert (result["annotations"][0]["note"], result["info"]) == ("b", {"file_name": "g"})
    with pytest.raises(DatasetError, match="panoptic"):
        merge(base, base, panoptic("b", "f"))


def test_sections_that_a_side_does_not_have_are_empty() -> None:
    result, merged = merge({}, {"annotations": None}, BASE)
    assert merged.report.conflicts == []
    assert result == BASE


def test_numbers_that_nothing_here_can_hold_are_merged_as_they_are() -> None:
    base = text_of(edited(note=0))
    ours, theirs = (
        base.replace(b'"note": 0', b'"note": 1e999999'),
        base.replace(b'"area": 6.0', b'"area": 12345678901234567890123'),
    )
    merged = merge_texts(base, ours, theirs)
    first = (merged.texts["annotations"] or b"").split(b"}")[0]
    assert b'"note": 1e999999' in first
    assert b'"area": 12345678901234567890123' in first


def test_images_of_other_names_are_others_where_no_common_version_is_known() -> None:
    theirs: Dataset = {
        "images": [{"id": 1, "file_name": "other.jpg"}],
        "annotations": [copy.deepcopy(BASE["annotations"][2])],
        "categories": BASE["categories"],
    }
    theirs["annotations"][0]["image_id"] = 1
    ours = {**theirs, "images": [{"id": 1, "file_name": "ours.jpg"}]}
    result, _ = merge(None, ours, theirs)
    assert {each["file_name"] for each in result["images"]} == {"other.jpg", "ours.jpg"}
    assert sorted(each["image"] for each in meant(result).values()) == ["other.jpg", "ours.jpg"]
    assert by_id(result, "images")[1]["file_name"] == "other.jpg", "theirs is public"
