"""`flask export`, `tag` and `restore`, through a running server and without one."""

from __future__ import annotations

import fcntl
import gzip
import json
import os
import signal
import subprocess
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from conftest import open_here
from PIL import Image
from servers import FLASK, ROOT, Server, environment, run_flask, serve, until

from cocoannot.app import create_app
from cocoannot.extension import runtime

pytestmark = pytest.mark.slow

Command = Callable[..., tuple[int, str]]


@pytest.fixture
def dataset(tmp_path: Path, small: dict[str, Any]) -> Path:
    """The small dataset with its pictures, one of them missing."""
    path = tmp_path / "data" / "dataset.json"
    path.parent.mkdir()
    path.write_text(json.dumps(small))
    for name, size in (("one.jpg", (640, 480)), ("two.jpg", (320, 240))):
        Image.new("RGB", size).save(path.with_name(name))
    return path


@pytest.fixture
def command(dataset: Path) -> Command:
    """Runs a command in this process; returns its exit status and what it printed."""

    def run(*args: str) -> tuple[int, str]:
        result = create_app({"COCOANNOT_DATASET": dataset}).test_cli_runner().invoke(args=list(args))
        assert result.exception is None or isinstance(result.exception, SystemExit), result.exception
        return result.exit_code, result.output

    return run


@pytest.fixture(params=["here", "through the server"])
def served(request: pytest.FixtureRequest, dataset: Path) -> Iterator[Server | None]:
    """The server of the dataset, or none, for what must be the same either way."""
    if request.param == "here":
        yield None
        return
    with serve(dataset) as server:
        yield server


@pytest.fixture
def out(tmp_path: Path) -> Path:
    (tmp_path / "out").mkdir()
    return tmp_path / "out"


@pytest.fixture
def small_disk(tmp_path: Path) -> Iterator[Path]:
    """A file system of 1 MiB."""
    if os.geteuid():
        pytest.skip("only root may mount file systems")
    disk = tmp_path / "disk"
    disk.mkdir()
    mounted = subprocess.run(["mount", "-t", "tmpfs", "-o", "size=1m", "none", disk], capture_output=True, text=True)
    if mounted.returncode:
        pytest.skip(f"mount does not work here: {mounted.stderr.strip()}")
    yield disk
    subprocess.run(["umount", disk], check=True)


def left_in(folder: Path) -> list[str]:
    return sorted(os.listdir(folder))


# COCO


def test_coco_is_the_dataset_as_it_is(served: Server | None, dataset: Path, command: Command, out: Path) -> None:
    if served:
        served.add()
    status, output = command("export", str(out / "a.json"))
    assert (status, "Exported revision" in output) == (0, True)
    expected = json.loads(dataset.read_bytes())
    written = json.loads((out / "a.json").read_bytes())
    assert len(written["annotations"]) == len(expected["annotations"]) + (1 if served else 0)
    assert left_in(out) == ["a.json"]


def test_coco_is_a_part_with_what_was_asked_for(served: Server | None, command: Command, out: Path) -> None:
    options = ["--category", "cat", "--category", "2", "--file-name", "one", "--annotated", "--contiguous"]
    options += ["--boxes-as-polygons", "--ascii", "--status", "open", "--json"]
    status, output = command("export", str(out / "a.json.gz"), *options)
    assert status == 0, output
    answer = json.loads(output.splitlines()[-1])
    assert answer["bytes"] == (out / "a.json.gz").stat().st_size
    written = json.loads(gzip.decompress((out / "a.json.gz").read_bytes()))
    assert [each["file_name"] for each in written["images"]] == ["one.jpg"]
    assert [(each["id"], each["category_id"]) for each in written["annotations"]] == [(1, 1), (2, 2)]
    assert written["annotations"][1]["segmentation"] == [[1, 2, 4, 2, 4, 6, 1, 6]]
    assert [each["name"] for each in written["categories"]] == ["cat", "dog"]


@pytest.mark.parametrize(
    ("args", "words"),
    [
        (["--category", "horse"], "there is no category called 'horse'; there are: cat, dog, person"),
        (["--category", "999"], "there is no category with id 999"),
        (["--category", "cat", "--not-annotated"], "annotated"),
        (["--format", "yolo", "--ascii"], "--format coco alone"),
        (["--pictures", "link"], "--pictures is for yolo"),
        (["--at", "@9"], "there is no revision 9 yet"),
        (["--at", "@x"], "is no revision"),
        (["--at", "nothing"], "there is no tag 'nothing'"),
    ],
)
def test_what_can_not_be_exported_is_told_and_nothing_is_written(
    served: Server | None, command: Command, out: Path, args: list[str], words: str
) -> None:
    status, output = command("export", str(out / "a"), *args)
    assert status != 0
    assert words in output
    assert "Traceback" not in output
    assert left_in(out) == []


@pytest.mark.parametrize("kind", ["coco", "yolo"])
def test_nothing_is_written_over_unless_that_was_said(dataset: Path, command: Command, out: Path, kind: str) -> None:
    place = out / "a"
    place.write_text("mine") if kind == "coco" else place.mkdir()
    status, output = command("export", str(place), "--format", kind)
    assert (status, "exists" in output) == (1, True)
    if kind == "coco":
        assert place.read_text() == "mine"
        assert command("export", str(place), "--overwrite")[0] == 0
        assert place.read_bytes() == dataset.read_bytes()
    assert command("export", str(out / "none" / "a"), "--format", kind)[0] == 1


def test_the_dataset_itself_is_never_the_place(dataset: Path, command: Command) -> None:
    before = dataset.read_bytes()
    link = dataset.with_name("link.json")
    link.symlink_to(dataset)
    for place in (dataset, link):
        status, output = command("export", str(place), "--overwrite")
        assert (status, "the dataset itself" in output) == (1, True)
    assert dataset.read_bytes() == before


# YOLO and VOC


@pytest.mark.parametrize("format_", ["yolo", "yolo-seg"])
def test_yolo_has_labels_and_the_pictures_that_were_asked_for(
    served: Server | None, dataset: Path, command: Command, out: Path, format_: str
) -> None:
    status, output = command("export", str(out / "y"), "--format", format_, "--pictures", "link", "--json")
    assert status == 0, output
    answer = json.loads(output.splitlines()[-1])
    assert (answer["images"], answer["objects"], answer["classes"]) == (3, 3, 3)
    assert answer["pictures"] == {"linked": 2, "copied": 0, "not found": 1}
    assert left_in(out) == ["y"]
    assert left_in(out / "y") == ["cocoannot-export.json", "data.yaml", "images", "images.txt", "labels"]
    assert left_in(out / "y" / "labels") == ["empty.txt", "one.txt", "two.txt"]
    assert (out / "y" / "images" / "one.jpg").resolve() == dataset.with_name("one.jpg")
    assert (out / "y" / "labels" / "empty.txt").read_text() == ""


def test_voc_copies_pictures_and_says_what_it_is(command: Command, out: Path) -> None:
    status, output = command("export", str(out / "v"), "--format", "voc", "--pictures", "copy", "--category", "cat")
    assert status == 0, output
    assert not (out / "v" / "JPEGImages" / "one.jpg").is_symlink()
    assert left_in(out / "v" / "Annotations") == ["one.xml", "two.xml"]
    about = json.loads((out / "v" / "cocoannot-export.json").read_bytes())
    assert (about["format"], about["revision"], about["objects"]) == ("voc", 0, 2)


def test_only_an_export_is_replaced(command: Command, out: Path) -> None:
    place = out / "y"
    place.mkdir()
    (place / "precious.txt").write_text("mine")
    status, output = command("export", str(place), "--format", "yolo", "--overwrite")
    assert (status, "is no export" in output) == (1, True)
    assert left_in(place) == ["precious.txt"]
    assert command("export", str(out / "z"), "--format", "yolo")[0] == 0
    assert command("export", str(out / "z"), "--format", "voc", "--overwrite")[0] == 0
    assert "Annotations" in left_in(out / "z")
    assert left_in(out) == ["y", "z"]


def test_names_that_lead_out_stay_inside(dataset: Path, command: Command, out: Path, small: dict[str, Any]) -> None:
    names = ["../../evil.jpg", "/etc/passwd", "a\n./images/b.jpg"]
    images = [{**each, "file_name": name} for each, name in zip(small["images"], names, strict=True)]
    dataset.write_text(json.dumps({**small, "images": images}))
    status, output = command("export", str(out / "y"), "--format", "yolo", "--pictures", "copy", "--json")
    assert status == 0, output
    answer = json.loads(output.splitlines()[-1])
    assert (answer["renamed"], answer["pictures"]["not found"]) == (3, 3)
    about = json.loads((out / "y" / "cocoannot-export.json").read_bytes())
    made = ["evil.jpg", "etc/passwd", "a_./b.jpg"]
    assert [(each["file_name"], each["name"]) for each in about["renamed"]] == list(zip(names, made, strict=True))
    found = {str(path.relative_to(out / "y" / "labels")) for path in (out / "y" / "labels").rglob("*.txt")}
    assert found == {"evil.txt", "etc/passwd.txt", "a_./b.txt"}
    assert left_in(out) == ["y"]


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_an_export_that_is_broken_off_leaves_nothing(
    dataset: Path, out: Path, small: dict[str, Any], number: int
) -> None:
    images = [{"id": each, "file_name": f"{each}.jpg", "width": 9, "height": 9} for each in range(60_000)]
    dataset.write_text(json.dumps({**small, "images": images, "annotations": []}))
    process = subprocess.Popen(
        [*FLASK, "export", "--format", "yolo", str(out / "y")],
        cwd=ROOT,
        env=environment(dataset),
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        preexec_fn=lambda: signal.signal(signal.SIGINT, signal.default_int_handler),
    )
    until((out / ".y.unfinished" / "labels").is_dir, "the export writes labels")
    process.send_signal(number)
    output, _ = process.communicate(timeout=60)
    assert b"Traceback" not in output
    assert process.returncode in (1, 128 + number)
    assert left_in(out) == []


def test_what_a_killed_export_left_is_cleared_away(command: Command, out: Path) -> None:
    (out / ".y.unfinished" / "labels").mkdir(parents=True)
    (out / ".y.unfinished" / "labels" / "a.txt").write_text("half")
    assert command("export", str(out / "y"), "--format", "yolo")[0] == 0
    assert left_in(out) == ["y"]
    assert left_in(out / "y" / "labels") == ["empty.txt", "one.txt", "two.txt"]


@pytest.mark.parametrize("kind", ["coco", "yolo"])
def test_two_exports_to_one_place_do_not_mix(command: Command, out: Path, kind: str) -> None:
    unfinished = out / ".y.unfinished"
    unfinished.touch() if kind == "coco" else unfinished.mkdir()
    fd = os.open(unfinished, os.O_RDONLY)
    fcntl.flock(fd, fcntl.LOCK_EX)
    status, output = command("export", str(out / "y"), "--format", kind)
    assert (status, "another export writes" in output) == (1, True)
    os.close(fd)
    assert command("export", str(out / "y"), "--format", kind)[0] == 0
    assert left_in(out) == ["y"]


@pytest.mark.parametrize("kind", ["coco", "yolo"])
def test_a_full_disk_is_told_and_nothing_is_left(
    small_disk: Path, dataset: Path, command: Command, small: dict[str, Any], kind: str
) -> None:
    images = [{"id": each, "file_name": f"{each}.jpg", "width": 9, "height": 9} for each in range(9_000)]
    dataset.write_text(json.dumps({**small, "images": images, "annotations": []}))
    (small_disk / "full").write_bytes(bytes(1_000_000))
    status, output = command("export", str(small_disk / "y"), "--format", kind)
    assert (status, "No space left on device; nothing is left of it" in output) == (1, True)
    assert left_in(small_disk) == ["full"]


def test_nothing_stays_open(command: Command, out: Path) -> None:
    assert command("export", str(out / "y"), "--format", "yolo")[0] == 0
    assert open_here(str(out)) == {}


# Tags and restoring


def test_a_tag_is_a_moment_that_can_be_exported_and_restored(
    served: Server | None, dataset: Path, command: Command, out: Path
) -> None:
    before = dataset.read_bytes()
    assert command("tag", "v1", "--note", "before Anna")[0] == 0
    change(served, dataset)
    assert command("tag", "v2")[0] == 0
    assert command("export", str(out / "then.json"), "--at", "v1")[0] == 0
    assert (out / "then.json").read_bytes() == before
    status, output = command("restore", "v1", "--dry-run")
    assert (status, output.splitlines()[-1]) == (0, "Would restore revision 0: 1 annotation(s) deleted")
    status, output = command("restore", "v1")
    assert status == 0, output
    assert output.splitlines()[-1].startswith("Restored revision 0 (1 annotation(s) deleted), as revision 2; ")
    assert exported(command, out) == json.loads(before)
    assert command("restore", "@1")[0] == 0
    assert len(exported(command, out)["annotations"]) == 4
    status, output = command("restore", "v2")
    assert (status, "nothing to restore" in output) == (0, True)


def change(served: Server | None, dataset: Path) -> None:
    """Add an annotation, on the server or by one that runs for it."""
    if served:
        served.add()
        return
    app = create_app({"COCOANNOT_DATASET": dataset, "DATASET_AUTO_SAVE_INTERVAL": 86400})
    answer = app.test_client().post("/api/annotations", json={"image_id": 1, "category_id": 1, "bbox": [1, 2, 3, 4]})
    assert answer.status_code == 201
    runtime(app).lifecycle.stop()


def exported(command: Command, out: Path) -> dict[str, Any]:
    assert command("export", str(out / "now.json"), "--overwrite")[0] == 0
    content: dict[str, Any] = json.loads((out / "now.json").read_bytes())
    return content


def test_a_restored_dataset_is_saved_where_no_server_runs(dataset: Path, command: Command) -> None:
    before = dataset.read_bytes()
    change(None, dataset)
    assert dataset.read_bytes() != before
    assert command("restore", "@0")[0] == 0
    assert dataset.read_bytes() == before


def test_dates_are_moments_too(served: Server | None, dataset: Path, command: Command) -> None:
    change(served, dataset)
    status, output = command("restore", "2001-01-01", "--dry-run", "--json")
    assert status == 0, output
    assert json.loads(output.splitlines()[-1])["restored"] == 0
    status, output = command("restore", "2999-01-01T12:00", "--dry-run", "--json")
    assert status == 0, output
    assert json.loads(output.splitlines()[-1])["restored"] == 1


def test_tags_are_listed_moved_and_deleted(dataset: Path, command: Command) -> None:
    assert command("tag")[1].splitlines()[-1] == "There are no tags"
    assert command("tag", "v1")[0] == 0
    change(None, dataset)
    status, output = command("tag", "v1")
    assert (status, "the name of revision 0 already" in output) == (1, True)
    assert command("tag", "old", "--at", "v1", "--json")[0] == 0
    assert command("tag", "v1", "--move")[0] == 0
    tags = json.loads(command("tag", "--json")[1].splitlines()[-1])
    assert {each["name"]: each["revision"] for each in tags} == {"v1": 1, "old": 0}
    assert command("tag", "v1", "--delete")[0] == 0
    assert [each["name"] for each in json.loads(command("tag", "--json")[1].splitlines()[-1])] == ["old"]
    status, output = command("tag", "v1", "--delete")
    assert (status, "there is no tag 'v1'" in output) == (1, True)


@pytest.mark.parametrize("name", ["@3", "2026-11-30", "20261130", "17", "-x", "a b", "a/b", "", "x" * 101, "a\n"])
def test_names_that_mean_something_else_are_refused(command: Command, name: str) -> None:
    status, output = command("tag", "--", name)
    assert status != 0
    assert "Traceback" not in output


def test_a_tag_of_changes_that_were_lost_stands_for_nothing(dataset: Path, command: Command) -> None:
    change(None, dataset)
    assert command("tag", "v1")[0] == 0
    tags = dataset.with_name("dataset.json.cocoannot") / "tags.json"
    content = json.loads(tags.read_bytes())
    content["tags"]["v1"]["changed"] = "2001-01-01T00:00:00Z"
    tags.write_text(json.dumps(content))
    status, output = command("restore", "v1")
    assert (status, "are not kept any more" in output) == (1, True)


def test_damaged_tags_are_told(dataset: Path, command: Command) -> None:
    assert command("tag", "v1")[0] == 0
    (dataset.with_name("dataset.json.cocoannot") / "tags.json").write_text("{")
    for args in (["tag"], ["tag", "v2"], ["restore", "v1"]):
        status, output = command(*args)
        assert (status, "is damaged" in output) == (1, True)


def test_who_restores_is_somebody_at_this_machine_where_there_are_users(dataset: Path, command: Command) -> None:
    change(None, dataset)
    assert command("user", "add", "ben", "--role", "admin", "--no-password")[0] == 0
    with serve(dataset) as server:
        status, output = run_flask(dataset, "restore", "@0", "--json")
        assert status == 0, output
        assert server.owner.url
    app = create_app({"COCOANNOT_DATASET": dataset})
    store = runtime(app).store
    store.load(str(dataset))
    change_made = store.change(2)
    store.close()
    assert change_made is not None
    assert change_made.actor == "local"
