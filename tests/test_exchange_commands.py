"""`flask import`, `diff`, `merge` and `split`: files as they come, a server that runs or not, nothing half-done."""

from __future__ import annotations

import contextlib
import gzip
import io
import json
from collections import Counter
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from conftest import OpenDataset
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from pycocotools.coco import COCO
from servers import run_flask, serve
from test_round_trips import FLAVOURS, LAYOUTS

from cocoannot.app import create_app
from cocoannot.changes.operations import Delete, Update
from cocoannot.coco.parser import read_document
from cocoannot.exchange.splitting import split_dataset
from cocoannot.files.dataset_file import DatasetFile
from cocoannot.files.lock import Owner

Dataset = dict[str, Any]
Command = Callable[..., tuple[int, str]]


@pytest.fixture
def dataset(dataset_path: Path, small: Dataset) -> Path:
    """The small dataset in a file."""
    dataset_path.write_text(json.dumps(small))
    return dataset_path


@pytest.fixture
def command(dataset: Path) -> Command:
    """Runs a command of the application in this process; returns its exit status and what it printed."""

    def run(*args: object) -> tuple[int, str]:
        runner = create_app({"COCOANNOT_DATASET": dataset}).test_cli_runner()
        result = runner.invoke(args=[str(each) for each in args])
        assert result.exception is None or isinstance(result.exception, SystemExit), result.exception
        return result.exit_code, result.stdout + result.stderr

    return run


def told(command: Command, *args: object, status: int = 0) -> Any:
    """What a command prints as JSON."""
    done, output = command(*args, "--json")
    assert done == status, output
    return json.loads(output.splitlines()[-1])


def write(path: Path, content: Dataset | bytes) -> Path:
    path.write_bytes(content if isinstance(content, bytes) else json.dumps(content).encode())
    return path


def read(path: Path) -> Any:
    return json.loads(path.read_bytes())


# Import


def test_import_without_a_server_saves_the_dataset(command: Command, dataset: Path, tmp_path: Path) -> None:
    before = dataset.read_bytes()
    theirs = write(tmp_path / "theirs.json", {"images": [{"id": 1, "file_name": "new.jpg"}]})
    status, output = command("import", theirs, "--dry-run")
    assert (status, output.splitlines()[0]) == (0, f"Would import {theirs}")
    assert dataset.read_bytes() == before
    assert "images: 1 added, 0 there already; 1 with another id here" in command("import", theirs)[1]
    assert read(dataset)["images"][-1] == {"id": 5, "file_name": "new.jpg"}
    assert command("import", theirs)[1].startswith(f"Nothing to import from {theirs}")


def test_import_takes_gzip_and_names_what_it_can_not_read(command: Command, dataset: Path, tmp_path: Path) -> None:
    before = dataset.read_bytes()
    packed = write(tmp_path / "a.json.gz", gzip.compress(b'{"images": [{"id": 9, "file_name": "new.jpg"}]}'))
    for name, data, message in (
        ("nan.json", b'{"annotations": [{"id": 1, "area": NaN}]}', "nan.json: not JSON"),
        ("ids.json", b'{"annotations": [{"id": 1}, {"id": "x"}]}', "annotations[1]"),
        ("list.json", b'[{"image_id": 1, "category_id": 1, "bbox": [1, 2, 3, 4], "score": 1}]', "list.json"),
        ("cut.json.gz", packed.read_bytes()[:-9], "cut off"),
        ("panoptic.json", json.dumps(FLAVOURS["panoptic"]).encode(), "panoptic"),
    ):
        status, output = command("import", write(tmp_path / name, data))
        assert (status, len(output.splitlines())) == (1, 1), output
        assert message in output
    assert command("import", tmp_path / "nowhere.json")[0] == 1
    assert dataset.read_bytes() == before
    assert told(command, "import", packed)["ids"]["images"] == {"9": 9}


def test_import_that_clashes_changes_nothing(command: Command, dataset: Path, tmp_path: Path) -> None:
    before = dataset.read_bytes()
    clash = {"categories": [{"id": 1, "name": "person", "keypoints": ["a"]}], "images": [{"id": 9, "file_name": "n"}]}
    status, output = command("import", write(tmp_path / "clash.json", clash))
    assert status == 1
    assert "'person' (keypoints)" in output
    assert dataset.read_bytes() == before


@pytest.mark.slow
def test_import_and_diff_ask_the_server_that_runs(dataset: Path, tmp_path: Path) -> None:
    theirs = write(tmp_path / "theirs.json", {"images": [{"id": 1, "file_name": "new.jpg"}]})
    with serve(dataset):
        status, output = run_flask(dataset, "import", str(theirs), "--json")
        answer = json.loads(output.splitlines()[-1])
        assert (status, answer["revision"], answer["changed"]) == (0, 1, True)
        status, output = run_flask(dataset, "diff", "@0", "@now")
        assert (status, output) == (1, "images: 1 added, 0 changed, 0 deleted\n  + image 5\n")
        assert run_flask(dataset, "diff", "@1", "@now") == (0, "No differences\n")
        status, output = run_flask(dataset, "diff", "@7", "@now")
        assert (status, len(output.splitlines())) == (2, 1)
        assert "there is no revision 7 yet" in output


# Diff


def test_diff_tells_records_by_field_and_exits_like_diff(command: Command, small: Dataset, tmp_path: Path) -> None:
    other = json.loads(json.dumps(small))
    other["annotations"][0] |= {"category_id": 2, "area": 100, "note": "x" * 100}
    del other["annotations"][1]["iscrowd"]
    other["annotations"][2]["id"] = 8
    other["categories"].reverse()
    other["licenses"] = []
    del other["info"]
    one, two = write(tmp_path / "one.json", small), write(tmp_path / "two.json", json.dumps(other, indent=1).encode())
    status, output = command("diff", one, two)
    assert status == 1
    assert output.splitlines() == [
        "annotations: 1 added, 2 changed, 1 deleted",
        "  changed fields: category_id 1, note 1, iscrowd 1",
        "  + annotation 8",
        "  ~ annotation 1: category_id 1 -> 2, note added",
        "  ~ annotation 2: iscrowd removed",
        "  - annotation 7",
        "info: deleted",
        "licenses: changed",
    ]
    assert told(command, "diff", one, two, status=1)["annotations"] == {
        "added": [8],
        "changed": [{"id": 1, "fields": ["category_id", "note"]}, {"id": 2, "fields": ["iscrowd"]}],
        "deleted": [7],
        "fields": {"category_id": 1, "note": 1, "iscrowd": 1},
    }
    assert command("diff", one, one) == (0, "No differences\n")


@pytest.mark.parametrize("layout", [name for name in LAYOUTS if name != "more keys"])
@pytest.mark.parametrize("flavour", FLAVOURS)
def test_layout_makes_no_difference(command: Command, tmp_path: Path, flavour: str, layout: str) -> None:
    one = write(tmp_path / "one.json", LAYOUTS["compact"](FLAVOURS[flavour]))
    two = write(tmp_path / "two.json", LAYOUTS[layout](FLAVOURS[flavour]))
    assert command("diff", one, two) == (0, "No differences\n")


def test_diff_tells_copies_of_one_id_and_panoptic_annotations_apart(command: Command, tmp_path: Path) -> None:
    def records(*annotations: Dataset) -> bytes:
        return json.dumps({"images": [], "annotations": annotations, "categories": []}).encode()

    one = write(tmp_path / "one.json", records({"id": 1, "a": 1}, {"id": 1, "a": 2}, {"id": 1, "a": 3}))
    two = write(tmp_path / "two.json", records({"id": 1, "a": 3.0}, {"id": 1, "a": 4}))
    assert told(command, "diff", one, two, status=1)["annotations"] == {
        "added": [],
        "changed": [{"id": 1, "fields": ["a"]}],
        "deleted": [1],
        "fields": {"a": 1},
    }
    panoptic = json.loads(json.dumps(FLAVOURS["panoptic"]))
    del panoptic["annotations"][0]["segments_info"][0]
    three = write(tmp_path / "three.json", FLAVOURS["panoptic"])
    status, output = command("diff", three, write(tmp_path / "four.json", panoptic))
    assert (status, "annotation 397133: segments_info" in output) == (1, True)


def test_diff_knows_revisions_and_backups_without_a_server(
    command: Command, open_dataset: OpenDataset, small: Dataset, dataset: Path, tmp_path: Path
) -> None:
    backup = write(tmp_path / "backup.json", small)
    manager = open_dataset(small)
    manager.store.commit([Delete("annotations", 7)])
    manager.store.commit([Update("images", 1, {"license": 1})])
    manager.save()
    manager.close()
    status, output = command("diff", backup, "@now")
    assert status == 1
    assert "  - annotation 7" in output
    assert "  ~ image 1: license added" in output
    assert command("diff", dataset, "@now")[0] == 0


@pytest.mark.parametrize("name", ["@x", "@", "@-1", "@now.json", "nowhere.json", "@99"])
def test_diff_exits_with_2_where_it_can_not_tell(command: Command, dataset: Path, name: str) -> None:
    status, output = command("diff", dataset, name)
    assert status == 2
    assert output.count("Error: ") == 1


# Merge


def test_merge_writes_a_new_file_and_leaves_the_others_alone(command: Command, small: Dataset, tmp_path: Path) -> None:
    one = write(tmp_path / "one.json", small)
    two = write(tmp_path / "two.json", {"images": [{"id": 1, "file_name": "2.jpg"}]})
    three = write(tmp_path / "three.json.gz", gzip.compress(b'{"images": [{"id": 1, "file_name": "3.jpg"}]}'))
    out = tmp_path / "out.json"
    answer = told(command, "merge", one, two, three, "-o", out)
    assert [each["ids"]["images"] for each in answer["imported"].values()] == [{"1": 5}, {"1": 6}]
    assert [each["id"] for each in read(out)["images"]] == [1, 2, 4, 5, 6]
    assert read(one) == small
    merged = out.read_bytes()
    status, output = command("merge", one, two, "-o", out)
    assert (status, out.read_bytes()) == (1, merged)
    assert "--overwrite" in output
    assert command("merge", one, two, "-o", out, "--overwrite")[0] == 0
    packed = tmp_path / "out.json.gz"
    assert command("merge", one, two, "-o", packed)[0] == 0
    assert gzip.decompress(packed.read_bytes()) == out.read_bytes()


def test_merge_that_can_not_be_leaves_no_file(command: Command, small: Dataset, tmp_path: Path) -> None:
    one = write(tmp_path / "one.json", small)
    clash = write(tmp_path / "clash.json", {"categories": [{"id": 1, "name": "person", "keypoints": ["a"]}]})
    bad = write(tmp_path / "bad.json", b"{")
    for args in ((one, clash), (one, bad), (bad, one), (one, tmp_path / "nowhere.json")):
        status, output = command("merge", *args, "-o", tmp_path / "out.json")
        assert (status, len(output.splitlines())) == (1, 1), output
    assert command("merge", one, one, "-o", tmp_path / "no" / "out.json")[0] == 1
    assert command("merge", one, "-o", tmp_path / "out.json")[0] == 2
    assert sorted(path.name for path in tmp_path.glob("*.json")) == [
        "bad.json",
        "clash.json",
        "dataset.json",
        "one.json",
    ]
    assert not list(tmp_path.glob(".*"))


def test_nothing_is_written_over_a_dataset_that_is_served(command: Command, dataset: Path, tmp_path: Path) -> None:
    before = dataset.read_bytes()
    two = write(tmp_path / "two.json", {"images": [{"id": 1, "file_name": "2.jpg"}]})
    lock = DatasetFile(dataset).lock
    lock.acquire(Owner(1, "http://127.0.0.1:1", str(dataset)), 0, lambda _: None)
    try:
        status, output = command("merge", dataset, two, "-o", dataset, "--overwrite")
    finally:
        lock.release()
    assert (status, dataset.read_bytes()) == (1, before)
    assert "is served by process 1" in output
    assert command("merge", dataset, two, "-o", dataset, "--overwrite")[0] == 0
    assert len(read(dataset)["images"]) == 4


# Split


def parts_of(path: Path, *args: object, command: Command) -> list[Any]:
    for old in (path.with_name(f"{path.stem}-{name}.json") for name in ("train", "val")):
        old.unlink(missing_ok=True)
    status, output = command("split", path, *args)
    assert status == 0, output
    return [read(path.with_name(f"{path.stem}-{name}.json")) for name in ("train", "val")]


def images_of(part: Any) -> list[int]:
    return [each["id"] for each in part["images"]]


@pytest.fixture
def large() -> Dataset:
    """200 images; categories 1 on all of them, 2 on every fourth, 3 on five, 4 on one."""
    images = [{"id": each, "file_name": f"{each}.jpg"} for each in range(1, 201)]
    on = [(each, 1) for each in range(1, 201)] + [(each, 2) for each in range(4, 201, 4) for _ in range(3)]
    on += [(each, 3) for each in (1, 50, 100, 150, 200)] + [(77, 4)]
    annotations = [
        {"id": number, "image_id": image_id, "category_id": category_id, "bbox": [number, 0, 1, 1]}
        for number, (image_id, category_id) in enumerate(on)
    ]
    categories = [{"id": each, "name": f"c{each}"} for each in (1, 2, 3, 4)]
    return {
        "info": {"a": 1},
        "licenses": [{"id": 1}],
        "images": images,
        "annotations": annotations,
        "categories": categories,
    }


@pytest.mark.parametrize("by", [[], ["--by", "category"]])
def test_every_image_goes_to_one_part_with_its_annotations(
    command: Command, large: Dataset, tmp_path: Path, by: list[str]
) -> None:
    parts = parts_of(write(tmp_path / "d.json", large), "--fraction", "0.8", *by, command=command)
    assert [len(part["images"]) for part in parts] == [160, 40]
    assert sorted(images_of(parts[0]) + images_of(parts[1])) == images_of(large)
    for part in parts:
        assert {each["image_id"] for each in part["annotations"]} <= set(images_of(part))
        assert (part["info"], part["licenses"], part["categories"]) == (
            large["info"],
            large["licenses"],
            large["categories"],
        )
    assert sum(len(part["annotations"]) for part in parts) == len(large["annotations"])


def test_categories_are_shared_out_as_the_images_are(command: Command, large: Dataset, tmp_path: Path) -> None:
    parts = parts_of(write(tmp_path / "d.json", large), "--fraction", "0.8", "--by", "category", command=command)
    counts = [Counter(each["category_id"] for each in part["annotations"]) for part in parts]
    assert counts == [{1: 160, 2: 120, 3: 4, 4: 1}, {1: 40, 2: 30, 3: 1}]


def test_a_seed_draws_the_same_images_in_any_order_of_the_file(
    command: Command, large: Dataset, tmp_path: Path
) -> None:
    path = write(tmp_path / "d.json", large)
    for by in ([], ["--by", "category"]):
        first = parts_of(path, "--seed", 7, *by, command=command)
        turned = write(tmp_path / "turned.json", {**large, "images": large["images"][::-1]})
        again = parts_of(turned, "--seed", 7, *by, command=command)
        assert [set(images_of(part)) for part in first] == [set(images_of(part)) for part in again]
        other = parts_of(path, "--seed", 8, *by, command=command)
        assert set(images_of(other[0])) != set(images_of(first[0]))
    # The same on every machine: these were drawn on another one.
    assert images_of(parts_of(path, "--seed", 1, "--fraction", 0.02, command=command)[0]) == [19, 25, 80, 133]


@pytest.mark.parametrize("layout", LAYOUTS)
@pytest.mark.parametrize("flavour", [name for name in FLAVOURS if name != "lvis"])
def test_records_of_a_part_have_the_bytes_that_they_had(flavour: str, layout: str) -> None:
    data = LAYOUTS[layout](FLAVOURS[flavour])
    whole = read_document(data, "it")
    texts = Counter(records_of(whole.buffer, whole.sections))
    parts = split_dataset(whole, 0.5, 1, by_category=True, name="it")
    found: Counter[bytes] = Counter()
    for part in parts:
        text = b"".join(map(bytes, part.pieces))
        document = read_document(text, "part")
        found.update(records_of(text, {name: each for name, each in document.sections.items() if name != "categories"}))
        assert list(json.loads(text)) == list(json.loads(data))
    assert found == texts - Counter(records_of(whole.buffer, {"categories": whole.sections["categories"]}))


def records_of(buffer: bytes, sections: Any) -> list[bytes]:
    return [
        buffer[start:end]
        for section in sections.values()
        for start, end in zip(section.starts.tolist(), section.ends.tolist(), strict=True)
    ]


@given(st.lists(st.tuples(st.integers(0, 9), st.integers(1, 4)), max_size=30), st.floats(0.01, 0.99), st.booleans())
@settings(max_examples=60, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
def test_parts_merged_are_the_whole(
    command: Command, tmp_path: Path, on: list[tuple[int, int]], fraction: float, by_category: bool
) -> None:
    annotations = [
        {"id": number, "image_id": image_id, "category_id": category_id, "bbox": [number, 1, 2, 3]}
        for number, (image_id, category_id) in enumerate(on)
    ]
    images = [{"id": each, "file_name": f"{each}.jpg"} for each in range(10)]
    categories = [{"id": each, "name": str(each)} for each in range(1, 5)]
    path = write(tmp_path / "d.json", {"images": images, "annotations": annotations, "categories": categories})
    parts_of(path, "--fraction", fraction, *(["--by", "category"] if by_category else []), command=command)
    out = tmp_path / "out.json"
    done, output = command("merge", tmp_path / "d-train.json", tmp_path / "d-val.json", "-o", out, "--overwrite")
    assert done == 0, output
    assert command("diff", path, out) == (0, "No differences\n")


def test_split_refuses_what_can_not_be_split(command: Command, small: Dataset, tmp_path: Path) -> None:
    one = write(tmp_path / "one.json", {**small, "images": small["images"][:1]})
    status, output = command("split", one)
    assert (status, "1 image(s) can't be split" in output) == (1, True)
    for fraction in ("0", "1", "nan", "-1", "x"):
        assert command("split", one, "--fraction", fraction)[0] == 2
    two = write(tmp_path / "two.json", small)
    there = write(tmp_path / "two-val.json", b"mine")
    status, output = command("split", two)
    assert (status, there.read_bytes()) == (1, b"mine")
    assert not (tmp_path / "two-train.json").exists()
    assert command("split", two, "-o", tmp_path / "a.json", tmp_path / "a.json")[0] == 1
    assert command("split", two, "-o", tmp_path / "a.json.gz", tmp_path / "b.json")[0] == 0
    with contextlib.redirect_stdout(io.StringIO()):
        assert len(COCO(str(tmp_path / "b.json")).getCatIds()) == 3


def test_parts_of_gzip_files_are_named_like_them(command: Command, small: Dataset, tmp_path: Path) -> None:
    path = write(tmp_path / "d.json.gz", gzip.compress(json.dumps(small).encode()))
    assert command("split", path)[0] == 0
    assert sorted(each.name for each in tmp_path.glob("d*.gz")) == ["d-train.json.gz", "d-val.json.gz", "d.json.gz"]
    assert json.loads(gzip.decompress((tmp_path / "d-val.json.gz").read_bytes()))["info"] == small["info"]
