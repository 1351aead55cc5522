"""The `cocoannot` command: what it serves, what it makes of a folder of pictures, and the commands that it has."""

from __future__ import annotations

import io
import json
import signal
import socket
import subprocess
import sys
from collections.abc import Iterator, Mapping
from contextlib import closing, contextmanager
from pathlib import Path
from typing import Any

import pytest
import servers
from PIL import Image
from servers import ROOT, Server, environment, run_flask, start, until
from terminals import free_port

from cocoannot.cli.folder_dataset import make_dataset
from cocoannot.pictures.scanning import no_progress

pytestmark = pytest.mark.slow

COMMAND = [sys.executable, "-m", "cocoannot"]


def run(*args: str, folder: Path, env: Mapping[str, str] | None = None) -> tuple[int, str]:
    """Run the command in `folder`; returns its exit status and what it printed, errors included."""
    own = {"PYTHONPATH": str(ROOT), "COCOANNOT_CACHE": str(folder / "cache")}
    return servers.run([*COMMAND, *args], env=environment(None, {**own, **(env or {})}), cwd=folder)


@contextmanager
def serving(
    dataset: Path, path: Path, *args: str, command: str = "serve", env: Mapping[str, str] | None = None
) -> Iterator[Server]:
    """`cocoannot serve PATH`, which is to serve `dataset`, at a port that is free."""
    own = {"COCOANNOT_DATASET": "", **(env or {})}
    with start(dataset, [*COMMAND, command, str(path), "--port", str(free_port()), *args], env=own) as server:
        server.wait_until_ready()
        yield server


def picture(path: Path, size: tuple[int, int] = (64, 48), orientation: int = 1) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    exif = Image.Exif()
    exif[0x0112] = orientation
    Image.new("RGB", size, "red").save(path, exif=exif)


@pytest.fixture
def photos(tmp_path: Path) -> Path:
    folder = tmp_path / "photos"
    for name in ("10.jpg", "9.jpg", "day 2/a.png", "day 10/a.png"):
        picture(folder / name)
    picture(folder / "turned.jpg", (40, 30), orientation=6)
    (folder / "notes.txt").write_text("no picture")
    return folder


def images(dataset: Path) -> list[tuple[int, str, int, int]]:
    records = json.loads(dataset.read_bytes())["images"]
    return [(each["id"], each["file_name"], each["width"], each["height"]) for each in records]


def snapshot(folder: Path) -> dict[str, bytes]:
    return {str(path.relative_to(folder)): path.read_bytes() for path in folder.rglob("*") if path.is_file()}


def test_folder_of_pictures_becomes_a_dataset_and_is_served(photos: Path) -> None:
    dataset = photos / "annotations.json"
    with serving(dataset, photos, "--categories", "person, car") as server:
        assert "made" in server.log
        assert "notes.txt" in server.log
        assert "1 picture(s) are turned by their EXIF data (turned.jpg)" in server.log
        assert [each["file_name"] for each in server.request("GET", "/api/images").body][:2] == ["9.jpg", "10.jpg"]
        body = {"image_id": 1, "category_id": 2, "segmentation": [[1, 1, 9, 1, 9, 9]]}
        assert server.request("POST", "/api/annotations", body).status == 201
        server.signal(signal.SIGINT)
        assert server.wait() == 0
    assert images(dataset) == [
        (1, "9.jpg", 64, 48),
        (2, "10.jpg", 64, 48),
        (3, "day 2/a.png", 64, 48),
        (4, "day 10/a.png", 64, 48),
        (5, "turned.jpg", 40, 30),
    ]
    content = json.loads(dataset.read_bytes())
    assert [category["name"] for category in content["categories"]] == ["person", "car"]
    assert len(content["annotations"]) == 1


def test_dataset_that_is_there_is_served_and_its_new_pictures_are_told(photos: Path) -> None:
    dataset = photos / "annotations.json"
    make_dataset(photos, ["cat"], no_progress, follow_links=False)
    before = dataset.read_bytes()
    picture(photos / "new.jpg")
    with serving(dataset, photos) as server:
        assert f"{dataset} is there already, and is served" in server.log
        assert "1 picture(s) there have no record yet: new.jpg" in server.log
        assert len(server.request("GET", "/api/images").body) == 5
    assert dataset.read_bytes() == before


@pytest.mark.parametrize("name", ["_annotations.coco.json", "annotations/instances.json"])
def test_coco_file_of_another_name_is_served_and_no_other_made(photos: Path, small: dict[str, Any], name: str) -> None:
    (photos / name).parent.mkdir(exist_ok=True)
    (photos / name).write_text(json.dumps(small))
    (photos / "labelme.json").write_text('{"shapes": [], "imagePath": "9.jpg"}')
    with serving(photos / name, photos) as server:
        assert len(server.request("GET", "/api/images").body) == len(small["images"])
    assert not (photos / "annotations.json").exists()


@pytest.mark.parametrize("content", ['{"shapes": []}', "", "no JSON"])
def test_file_that_is_no_dataset_is_never_written_over(photos: Path, content: str) -> None:
    (photos / "annotations.json").write_text(content)
    before = snapshot(photos)
    status, output = run("serve", "photos", folder=photos.parent)
    assert (status, len(output.splitlines())) == (1, 1)
    assert "annotations.json is no COCO dataset, and is never written over" in output
    assert snapshot(photos) == before


def test_several_datasets_in_a_folder_are_named_and_none_is_chosen(photos: Path, small: dict[str, Any]) -> None:
    for name in ("a.json", "b.json"):
        (photos / name).write_text(json.dumps(small))
    status, output = run("serve", "photos", folder=photos.parent)
    assert (status, "a.json, b.json" in output) == (1, True)


def test_folder_that_can_t_be_written_is_told_with_what_to_do(photos: Path) -> None:
    before = snapshot(photos)
    # Root may write everywhere, but nobody may write more than this.
    limit = "import resource; resource.setrlimit(resource.RLIMIT_FSIZE, (0, 0)); import cocoannot.__main__"
    done = subprocess.run(
        [sys.executable, "-c", limit, "serve", "photos"],
        cwd=photos.parent,
        env=environment(None, {"PYTHONPATH": str(ROOT)}),
        capture_output=True,
        text=True,
        timeout=120,
    )
    status, output = done.returncode, done.stderr
    assert status == 1
    assert "can't save photos/annotations.json" in output
    assert "--images" in output
    assert snapshot(photos) == before


def test_folder_without_pictures_is_an_empty_dataset(tmp_path: Path) -> None:
    (tmp_path / "empty").mkdir()
    with serving(tmp_path / "empty" / "annotations.json", tmp_path / "empty") as server:
        assert server.request("GET", "/api/images").body == []


def test_path_goes_before_the_setting_and_so_does_images(
    photos: Path, dataset_path: Path, small: dict[str, Any]
) -> None:
    dataset_path.write_text(json.dumps(small))
    picture(photos / "one.jpg")
    env = {"COCOANNOT_DATASET": "/nowhere.json", "COCOANNOT_IMAGES": "/nowhere"}
    with serving(dataset_path, dataset_path, "--images", str(photos), env=env) as server:
        server.wait_for_log(f"1 of 3 pictures found under {photos}")


def test_setting_may_be_a_folder_of_pictures(photos: Path) -> None:
    command = [*COMMAND, "serve", "--port", str(free_port())]
    with start(photos / "annotations.json", command, env={"COCOANNOT_DATASET": str(photos)}) as server:
        server.wait_until_ready()
        assert len(server.request("GET", "/api/images").body) == 5


def test_without_a_path_the_setting_counts(dataset_path: Path, small: dict[str, Any]) -> None:
    dataset_path.write_text(json.dumps(small))
    command = [*COMMAND, "serve", "--port", str(free_port())]
    with start(dataset_path, command) as server:
        server.wait_until_ready()


@pytest.mark.parametrize(
    ("args", "message"),
    [
        (["serve"], "COCOANNOT_DATASET is not set"),
        (["serve", "nothing.json"], "nothing.json does not exist"),
        (["serve", "postgresql://host/db"], "postgresql://host/db names no dataset; write it as"),
        (["serve", "photos", "--images", "nowhere"], "is not a folder"),
        (["serve", "photos", "--categories", "a,b,a"], "'a' is there twice"),
        (["serve", "photos", "--host", "0.0.0.0"], "COCOANNOT_TOKEN"),
        (["serve", "photos", "--host", "no.such.host.invalid"], "can't be listened at"),
        (["serve", "photos", "--port", "0"], "Invalid value"),
        (["--dataset", "photos", "status"], "there is no COCO dataset in photos"),
        (["status"], "COCOANNOT_DATASET is not set"),
        (["nonsense"], "No such command"),
    ],
)
def test_what_can_t_be_done_is_told_without_a_traceback(photos: Path, args: list[str], message: str) -> None:
    status, output = run(*args, folder=photos.parent)
    assert status != 0
    assert message in output
    assert "Traceback" not in output


def test_port_that_is_in_use_is_told_with_another_one(photos: Path) -> None:
    with closing(socket.create_server(("127.0.0.1", 0))) as other:
        port = other.getsockname()[1]
        status, output = run("serve", "photos", "--port", str(port), folder=photos.parent)
    assert status == 1
    assert f"127.0.0.1 port {port} is in use; choose another one, such as --port" in output


def test_every_command_of_flask_is_there(tmp_path: Path) -> None:
    status, output = run("--help", folder=tmp_path)
    assert status == 0
    with_flask = run_flask(None, "--help")[1]
    flask_s_own = {"openapi", "routes", "run", "shell"}
    listed = {line.split()[0] for line in with_flask.partition("Commands:")[2].splitlines() if line.startswith("  ")}
    ours = {line.split()[0] for line in output.partition("Commands:")[2].splitlines() if line.startswith("  ")}
    assert ours == {name for name in listed if name} - flask_s_own | {"serve", "demo"}


def test_commands_work_on_the_dataset_in_a_folder(photos: Path) -> None:
    make_dataset(photos, ["cat"], no_progress, follow_links=False)
    status, output = run("--dataset", "photos", "status", folder=photos.parent)
    assert (status, "photos/annotations.json: no server runs on it" in output) == (0, True)
    status, output = run("check", "photos/annotations.json", folder=photos.parent)
    assert status == 0, output


def test_setting_that_does_not_exist_is_a_warning_with_the_nearest_name(photos: Path) -> None:
    make_dataset(photos, [], no_progress, follow_links=False)
    env = {"COCOANNOT_DATASETT": "x"}
    status, output = run("--dataset", "photos", "status", folder=photos.parent, env=env)
    assert (status, output.splitlines()[0]) == (
        0,
        "Warning: COCOANNOT_DATASETT is not a setting; did you mean COCOANNOT_DATASET?",
    )


def test_scan_adds_new_pictures_with_a_server_and_without(photos: Path) -> None:
    dataset = photos / "annotations.json"
    make_dataset(photos, [], no_progress, follow_links=False)
    picture(photos / "new 1.jpg")
    status, output = run("--dataset", "photos", "scan", folder=photos.parent)
    assert status == 0
    assert output.splitlines()[-3:] == [
        "added 1 image(s) to photos/annotations.json",
        "1 file(s) left out:",
        "  notes.txt: 'notes.txt' is not a picture (JPEG, PNG, WebP, GIF, BMP or TIFF)",
    ]
    assert images(dataset)[-1] == (6, "new 1.jpg", 64, 48)
    picture(photos / "new 2.jpg")
    with serving(dataset, photos) as server:
        status, output = run("--dataset", str(photos), "scan", "--json", folder=photos.parent)
        assert (status, json.loads(output)["added"]) == (0, 1), server.log
        assert len(server.request("GET", "/api/images").body) == 7


def test_demo_makes_a_dataset_and_serves_it_and_does_so_again(tmp_path: Path) -> None:
    dataset = tmp_path / "shown" / "annotations.json"
    dataset.parent.mkdir()
    for _ in range(2):
        with serving(dataset, tmp_path / "shown", command="demo") as server:
            assert server.status()["dataset"]["counts"]["images"] == 36


def test_open_opens_the_page_when_it_is_there(photos: Path, tmp_path: Path) -> None:
    browser = tmp_path / "browser"
    browser.write_text(f'#!/bin/sh\necho "$1" >{tmp_path}/opened.part\nmv {tmp_path}/opened.part {tmp_path}/opened\n')
    browser.chmod(0o755)
    with serving(photos / "annotations.json", photos, "--open", env={"BROWSER": str(browser)}) as server:
        until(lambda: (tmp_path / "opened").exists(), "the browser was started")
        assert (tmp_path / "opened").read_text().strip() == server.url


def test_a_scan_that_is_broken_off_leaves_nothing(photos: Path) -> None:
    many = photos / "many"
    many.mkdir()
    data = io.BytesIO()
    Image.new("L", (4, 4)).save(data, "JPEG")
    for number in range(3000):
        (many / f"{number}.jpg").write_bytes(data.getvalue())
    process = subprocess.Popen(
        [sys.executable, "-c", BREAK_OFF, str(photos)],
        env=environment(None, {"PYTHONPATH": str(ROOT)}),
        stdout=subprocess.PIPE,
        stderr=subprocess.DEVNULL,
        preexec_fn=lambda: signal.signal(signal.SIGINT, signal.default_int_handler),
    )
    assert process.stdout is not None
    assert process.stdout.readline() == b"reading\n"
    process.send_signal(signal.SIGINT)
    process.stdout.close()
    assert process.wait(60) != 0
    assert [path.name for path in photos.iterdir() if "annotations" in path.name] == []


BREAK_OFF = """
import sys, threading
from pathlib import Path
from cocoannot.cli.folder_dataset import make_dataset

def progress(done, total):
    if done:
        print("reading", flush=True)
        threading.Event().wait(60)

make_dataset(Path(sys.argv[1]), [], progress, follow_links=False)
"""


def test_two_that_make_a_dataset_at_once_leave_one_whole(photos: Path) -> None:
    both = [
        subprocess.Popen(
            [sys.executable, "-c", MAKE, str(photos)],
            env=environment(None, {"PYTHONPATH": str(ROOT)}),
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
        )
        for _ in range(2)
    ]
    for each in both:
        each.communicate(timeout=60)
    assert len(images(photos / "annotations.json")) == 5


MAKE = """
import sys
from pathlib import Path
from cocoannot.cli.folder_dataset import make_dataset
from cocoannot.pictures.scanning import no_progress

make_dataset(Path(sys.argv[1]), [], no_progress, follow_links=False)
"""
