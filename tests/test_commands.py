"""The `flask` commands, beside a running server and without one; and `flask run`, which is a server too."""

from __future__ import annotations

import json
import os
import signal
import socket
import subprocess
import threading
from collections.abc import Callable, Iterator, Mapping
from contextlib import closing, contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import pytest
from conftest import open_here
from servers import ANNOTATION, FLASK, LONG, Server, annotation_ids, refused, run_flask, send, serve, start, until
from tracing import needs_strace

from cocoannot.app import create_app
from cocoannot.extension import runtime
from cocoannot.files.dataset_file import DatasetFile
from cocoannot.files.lock import Owner, read_owner

pytestmark = pytest.mark.slow

Command = Callable[..., tuple[int, str]]


@pytest.fixture
def dataset(dataset_path: Path, small: dict[str, Any]) -> Path:
    """The small dataset in a file."""
    dataset_path.write_text(json.dumps(small))
    return dataset_path


@pytest.fixture
def command(dataset: Path) -> Command:
    """Runs a command of the application in this process; returns its exit status and what it printed."""

    def run(*args: str, path: Path = dataset) -> tuple[int, str]:
        result = create_app({"COCOANNOT_DATASET": path}).test_cli_runner().invoke(args=list(args))
        assert result.exception is None or isinstance(result.exception, SystemExit), result.exception
        return result.exit_code, result.output

    return run


@pytest.fixture
def server(dataset: Path) -> Iterator[Server]:
    with serve(dataset) as server:
        yield server


def kept(dataset: Path, prefix: str) -> Path:
    """The only version of the dataset that was kept as `NAME.PREFIX-TIME`."""
    (found,) = dataset.parent.glob(f"{dataset.name}.{prefix}-*")
    return found


def change_behind(dataset: Path) -> bytes:
    """Change the file as something else would; returns its new content."""
    theirs = dataset.read_bytes().replace(b"a small dataset", b"theirs")
    dataset.write_bytes(theirs)
    return theirs


@contextmanager
def stranger(body: bytes, status: int = 200) -> Iterator[str]:
    """A server that answers everything by `body`; gives its address."""

    class Handler(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            self.send_response(status)
            self.send_header("Content-Length", str(len(body)))
            self.end_headers()
            self.wfile.write(body)

        def do_POST(self) -> None:
            raise AssertionError("a stranger is never told to do anything")

        def log_message(self, *args: object) -> None:
            pass

    with ThreadingHTTPServer(("127.0.0.1", 0), Handler) as http:
        thread = threading.Thread(target=http.serve_forever)
        thread.start()
        try:
            yield f"http://127.0.0.1:{http.server_address[1]}"
        finally:
            http.shutdown()
            thread.join()


@contextmanager
def owned(dataset: Path, url: str, served: Path | None = None) -> Iterator[None]:
    """The lock is held, by one that says that it answers at `url` and serves `served`."""
    lock = DatasetFile(dataset).lock
    lock.acquire(Owner(os.getpid(), url, str(served or dataset)), 0, lambda _: None)
    try:
        yield
    finally:
        lock.release()


def free_port() -> int:
    with socket.create_server(("127.0.0.1", 0)) as listener:
        return int(listener.getsockname()[1])


# Beside a running server


def test_flush_saves_in_the_running_server(dataset: Path, server: Server) -> None:
    added = server.add()
    # As an operator would; no proxy has any business in it.
    env = {"http_proxy": "http://127.0.0.1:1", "HTTP_PROXY": "http://127.0.0.1:1"}
    assert run_flask(dataset, "flush", env=env) == (0, f"Saved {dataset} (1 annotation(s) added), revision 1\n")
    assert annotation_ids(dataset) == [1, 2, 7, added]
    assert run_flask(dataset, "flush") == (0, f"Nothing to save in {dataset}, revision 1\n")


def test_flush_prints_json(command: Command, server: Server) -> None:
    server.add()
    status, output = command("flush", "--json")
    assert status == 0
    assert json.loads(output) == {"saved": True, "summary": "1 annotation(s) added", "revision": 1}


def test_status_shows_what_is_not_saved(dataset: Path, command: Command, server: Server) -> None:
    server.add()
    until(lambda: server.status()["revision"]["journal"] == 1, "the change is durable")
    status, output = command("status")
    assert status == 0
    lines = output.splitlines()
    assert lines[:3] == [
        f"{dataset}: 3 images, 4 annotations, 3 categories; served at {server.url} by process {server.worker}",
        "revision 1 in memory, 1 in the journal, 0 in the file",
        "pending: 1 annotation(s) added",
    ]
    assert lines[3].startswith("next save in 3")

    status, output = command("status", "--json")
    answer = json.loads(output)
    assert (answer["running"], answer["url"], answer["pending"]["annotations_added"]) == (True, server.url, 1)


def test_server_is_found_by_another_path_to_its_dataset(command: Command, server: Server, tmp_path: Path) -> None:
    link = tmp_path / "link.json"
    link.symlink_to("dataset.json")
    server.add()
    assert command("flush", path=link) == (0, f"Saved {link} (1 annotation(s) added), revision 1\n")


def test_other_commands_leave_the_running_server_alone(dataset: Path, server: Server) -> None:
    added, owner = server.add(), server.owner
    for arguments, text in ((["routes"], "/api/annotations"), (["--help"], "flush"), (["shell"], "App: cocoannot")):
        status, output = run_flask(dataset, *arguments)
        assert (status, text in output) == (0, True), output
        assert "loaded" not in output
    assert server.owner == owner
    assert server.request("GET", f"/api/annotations/{added}").status == 200


def test_conflict_is_reported_and_settled_by_keeping_theirs_beside(
    dataset: Path, command: Command, server: Server
) -> None:
    added = server.add()
    theirs = change_behind(dataset)
    status, output = command("flush")
    assert (status, output.count("\n")) == (1, 1)
    assert "something else changed" in output
    assert dataset.read_bytes() == theirs

    status, output = command("flush", "--on-conflict", "theirs")
    assert (status, output.count("\n")) == (1, 1)
    assert f"is served by process {server.worker} at {server.url}; stop it first" in output

    assert command("flush", "--on-conflict", "overwrite") == (
        0,
        f"Saved {dataset} (1 annotation(s) added), revision 1\n",
    )
    assert annotation_ids(dataset) == [1, 2, 7, added]
    assert kept(dataset, "theirs").read_bytes() == theirs


@pytest.mark.parametrize("choice", ["theirs", "overwrite"])
def test_conflict_of_a_stopped_server_is_settled_before_the_next_start(
    dataset: Path, command: Command, choice: str
) -> None:
    with serve(dataset) as server:
        added = server.add()
        theirs = change_behind(dataset)
        server.signal(signal.SIGTERM)
        assert server.wait() == 0
        assert "Dataset not saved on shutdown (1 annotation(s) added)" in server.log
    assert dataset.read_bytes() == theirs
    status, log = refused(dataset)
    assert status != 0
    assert "--on-conflict" in log

    status, output = command("flush")
    assert (status, output.count("\n")) == (1, 1)
    assert "`flask flush --on-conflict overwrite`" in output
    assert "`flask flush --on-conflict theirs`" in output
    assert "changes that could not be saved are in" in command("status")[1]

    status, output = command("flush", "--on-conflict", choice)
    others = sorted(dataset.parent.glob(f"{dataset.name}.{'ours' if choice == 'theirs' else 'theirs'}-*"))
    assert (status, output) == (0, f"Conflict resolved by {choice}; kept beside it: {', '.join(map(str, others))}\n")
    other = others[0]
    ours, not_ours = (other, dataset) if choice == "theirs" else (dataset, other)
    assert annotation_ids(ours) == [1, 2, 7, added]
    assert not_ours.read_bytes() == theirs
    with serve(dataset) as server:
        assert server.add() == added + 1


# Without a server


def test_commands_say_that_no_server_runs(dataset: Path, command: Command) -> None:
    assert command("flush") == (0, f"No server runs on {dataset}, and there is nothing to save\n")
    assert command("status") == (0, f"{dataset}: no server runs on it\n")
    assert json.loads(command("flush", "--json")[1])["saved"] is False
    assert json.loads(command("status", "--json")[1])["running"] is False


def crash(dataset: Path, env: dict[str, str] | None = None) -> int:
    """Add an annotation to a server of `dataset` that is killed before it can save; returns its id."""
    with serve(dataset, env=env) as server:
        added = server.add()
        server.kill()
    return added


def test_flush_brings_the_journal_of_a_killed_server_into_the_file(dataset: Path, command: Command) -> None:
    before = dataset.read_bytes()
    added = crash(dataset)
    assert dataset.read_bytes() == before
    assert command("status") == (
        0,
        f"{dataset}: no server runs on it; its file was saved at revision 0\n"
        "the journal has changes up to revision 1; `flask flush` or the next start makes them again\n",
    )
    assert command("flush") == (0, f"Saved {dataset} from its journal (1 annotation(s) added), revision 1\n")
    assert annotation_ids(dataset) == [1, 2, 7, added]
    assert command("flush") == (0, f"No server runs on {dataset}, and there is nothing to save\n")
    assert command("status") == (0, f"{dataset}: no server runs on it; its file was saved at revision 1\n")


@pytest.mark.parametrize("choice", ["theirs", "overwrite"])
def test_journal_of_a_file_that_something_else_wrote_stops_the_start_until_it_is_settled(
    dataset: Path, command: Command, choice: str
) -> None:
    added = crash(dataset)
    theirs = change_behind(dataset)
    status, log = refused(dataset)
    assert status != 0
    assert "was changed by something else, and the journal holds 1 change(s) that are not in the file" in log
    assert command("flush")[0] == 1
    assert dataset.read_bytes() == theirs

    status, output = command("flush", "--on-conflict", choice, "--json")
    kept = [Path(path) for path in json.loads(output)["kept"]]
    assert (status, [path for path in kept if path.exists()]) == (0, kept)
    assert annotation_ids(dataset) == [1, 2, 7, added] if choice == "overwrite" else [1, 2, 7]
    assert b"theirs" in dataset.read_bytes()
    if choice == "overwrite":
        assert kept[0].read_bytes() == theirs
    with serve(dataset) as server:
        # An id that was given is not given again, whichever was chosen.
        assert server.add() == added + 1
        assert server.status()["revision"]["memory"] == 3


def test_journal_of_a_dataset_whose_state_is_lost_stops_the_start(dataset: Path) -> None:
    crash(dataset)
    dataset.with_name("dataset.json.cocoannot").joinpath("state.json").unlink()
    status, log = refused(dataset)
    assert status != 0
    assert "`flask flush --on-conflict overwrite`" in log


def test_status_tells_the_revision_that_was_saved_last(dataset: Path, command: Command) -> None:
    with serve(dataset) as server:
        server.add()
        server.signal(signal.SIGTERM)
        server.wait()
    assert command("status") == (0, f"{dataset}: no server runs on it; its file was saved at revision 1\n")


def test_settling_where_there_is_no_conflict_is_an_error(dataset: Path, command: Command) -> None:
    before = dataset.read_bytes()
    for choice in ("theirs", "overwrite"):
        status, output = command("flush", "--on-conflict", choice)
        assert (status, output.count("\n")) == (1, 1)
        assert "there is no conflict to settle" in output
    assert dataset.read_bytes() == before


def test_flush_of_a_dataset_that_does_not_exist_is_an_error(command: Command, tmp_path: Path) -> None:
    status, output = command("flush", path=tmp_path / "none.json")
    assert (status, output) == (1, f"Error: {tmp_path / 'none.json'} does not exist; correct COCOANNOT_DATASET\n")


def test_commands_need_a_dataset_only_where_they_are_about_one() -> None:
    status, output = run_flask(None, "routes")
    assert (status, "/api/annotations" in output) == (0, True)
    for name in ("flush", "status"):
        assert run_flask(None, name) == (
            1,
            "Error: COCOANNOT_DATASET is not set; give the path of a COCO JSON file on this machine, s3://BUCKET/KEY, "
            "or postgresql://USER@HOST/DATABASE?dataset=NAME\n",
        )


def test_bad_setting_is_one_line_of_any_command(dataset: Path) -> None:
    status, output = run_flask(dataset, "flush", env={"COCOANNOT_THREADS": "abc"})
    assert status != 0
    assert "Error: COCOANNOT_THREADS='abc' is not allowed; give an integer from 2 to 1024\n" in output
    assert "Traceback" not in output


# Beside somebody else


@pytest.mark.parametrize(
    ("body", "status", "message"),
    [
        (b'{"dataset": {"path": "/elsewhere.json"}}', 200, "serves /elsewhere.json, not"),
        (b'{"dataset": null}', 200, "is not a server of"),
        (b"[]", 200, "is not a server of"),
        (b"<html>", 200, "does not answer"),
        (b"<html>", 404, "answered 404 Not Found"),
    ],
)
def test_stranger_at_the_address_of_the_lock_file_is_told_nothing(
    dataset: Path, command: Command, body: bytes, status: int, message: str
) -> None:
    with stranger(body, status) as url, owned(dataset, url):
        for name in ("flush", "status"):
            code, output = command(name)
            assert (code, output.count("\n"), message in output) == (1, 1, True), output
            assert url in output


def test_owner_that_does_not_answer_is_named(dataset: Path, command: Command) -> None:
    url = f"http://127.0.0.1:{free_port()}"
    with owned(dataset, url):
        code, output = command("flush")
    assert (code, output.count("\n")) == (1, 1)
    assert f"process {os.getpid()} at {url} does not answer: " in output
    assert "try again when it is up" in output


def test_owner_that_hangs_up_is_named(dataset: Path, command: Command) -> None:
    with socket.create_server(("127.0.0.1", 0)) as listener:
        listener.settimeout(10)

        def hang_up() -> None:
            connection, _ = listener.accept()
            with closing(connection):
                connection.recv(65536)

        thread = threading.Thread(target=hang_up)
        thread.start()
        with owned(dataset, f"http://127.0.0.1:{listener.getsockname()[1]}"):
            code, output = command("flush")
        thread.join()
    assert (code, output.count("\n")) == (1, 1)
    assert "does not answer: " in output


@pytest.mark.parametrize(("url", "served"), [("", None), ("http://127.0.0.1:1", Path("/elsewhere.json"))])
def test_owner_that_can_not_be_asked_is_named(dataset: Path, command: Command, url: str, served: Path | None) -> None:
    with owned(dataset, url, served):
        code, output = command("flush")
    assert (code, output.count("\n")) == (1, 1)
    assert f"{dataset} is in use by process {os.getpid()}" in output
    assert "which can't be asked" in output


# `flask run`


class Development:
    """A `flask run` of a dataset, on a port of its own."""

    def __init__(self, server: Server, dataset: Path, url: str) -> None:
        self.server = server
        self._lock = DatasetFile(dataset).lock.path
        self.url = url
        self._answers("/healthz")

    @property
    def owner(self) -> Owner:
        owner = read_owner(self._lock)
        assert owner is not None
        return owner

    def add(self) -> int:
        status, body = send(self.url, "POST", "/api/annotations", ANNOTATION)
        assert status == 201, body
        return int(body["id"])

    def knows(self, annotation_id: int) -> bool:
        return self._answers(f"/api/annotations/{annotation_id}")

    def _answers(self, path: str) -> bool:
        def answers() -> int:
            try:
                return send(self.url, "GET", path).status
            except OSError:
                return 0

        return until(answers, f"{self.url} answers") == 200


@contextmanager
def develop(dataset: Path, *options: str, env: Mapping[str, str] | None = None) -> Iterator[Development]:
    port = free_port()
    with start(dataset, [*FLASK, "run", "--port", str(port), *options], env=env) as server:
        yield Development(server, dataset, f"http://127.0.0.1:{port}")


def test_request_that_comes_after_the_end_is_refused(dataset: Path) -> None:
    app = create_app({"COCOANNOT_DATASET": dataset, "DATASET_AUTO_SAVE_INTERVAL": LONG})
    client = app.test_client()
    assert client.post("/api/annotations", json=ANNOTATION).status_code == 201
    runtime(app).lifecycle.stop()
    saved = dataset.read_bytes()
    answer = client.post("/api/annotations", json=ANNOTATION)
    assert answer.status_code == 503
    assert "the server is ending" in answer.get_json()["message"]
    assert dataset.read_bytes() == saved
    assert len(annotation_ids(dataset)) == 4


@pytest.mark.parametrize("saves", [True, False], ids=["saved", "not saved"])
def test_ended_application_leaves_no_thread_and_no_open_file(dataset: Path, *, saves: bool) -> None:
    before = set(threading.enumerate())
    app = create_app({"COCOANNOT_DATASET": dataset, "DATASET_AUTO_SAVE_INTERVAL": LONG})
    client = app.test_client()
    for flush in (True, False):
        assert client.post("/api/annotations", json=ANNOTATION).status_code == 201
        if flush:
            assert client.post("/api/flush").status_code == 200
    if not saves:
        dataset.write_text("{}")
    threads = set(threading.enumerate()) - before
    assert {thread.name for thread in threads} >= {"saver", "journal-sync"}
    assert open_here(f"{dataset.parent}/")
    runtime(app).lifecycle.stop()
    for thread in threads:
        thread.join(timeout=10)
    assert [thread.name for thread in threads if thread.is_alive()] == []
    assert open_here(f"{dataset.parent}/") == {}


def test_flask_run_warns_once_of_a_name_that_is_no_setting_and_commands_do_not(dataset: Path) -> None:
    env = {"COCOANNOT_TOKN": "x"}
    status, printed = run_flask(dataset, "status", env=env)
    assert status == 0
    assert "COCOANNOT_TOKN" not in printed
    with develop(dataset, env=env) as development:
        for _ in range(2):
            assert send(development.url, "GET", "/readyz").status == 200
        assert (
            development.server.log.count("WARNING: COCOANNOT_TOKN is not a setting; did you mean COCOANNOT_TOKEN?") == 1
        )


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_flask_run_loads_at_the_first_request_and_saves_at_the_end(dataset: Path, number: signal.Signals) -> None:
    with develop(dataset) as development:
        server = development.server
        assert "Dataset loaded" not in server.log
        assert send(development.url, "GET", "/readyz").status == 200
        assert development.owner == Owner(server.pid, development.url, str(dataset))
        added = development.add()
        server.signal(number)
        assert server.wait() == 0
        assert server.log.count("Dataset loaded") == server.log.count("Dataset saved on shutdown") == 1
    assert annotation_ids(dataset) == [1, 2, 7, added]


@needs_strace
def test_more_signals_do_not_break_off_the_last_save(dataset: Path) -> None:
    unfinished = dataset.parent / ".dataset.json.unfinished"
    slow = ["--trace=fsync", "--inject=fsync:delay_enter=200000"]
    with develop(dataset) as development:
        server = development.server
        added = development.add()
        attach = ["strace", "-f", "-o", os.devnull, *slow, "-p", str(server.pid)]
        with subprocess.Popen(attach, stderr=subprocess.PIPE) as tracer:
            assert tracer.stderr is not None
            assert b"attached" in tracer.stderr.readline()
            server.signal(signal.SIGINT)
            until(unfinished.exists, "the last save is under way")
            server.signal(signal.SIGINT)
            server.signal(signal.SIGTERM)
            assert server.wait() == 0
    assert annotation_ids(dataset) == [1, 2, 7, added]


def test_flask_run_answers_with_the_reason_where_another_server_owns_the_dataset(dataset: Path, server: Server) -> None:
    port = free_port()
    env = {"COCOANNOT_LOCK_TIMEOUT": "0.1"}
    with start(dataset, [*FLASK, "run", "--port", str(port)], env=env) as second:
        development = Development(second, dataset, f"http://127.0.0.1:{port}")
        status, body = send(development.url, "GET", "/api/status")
        assert status == 503
        assert f"is in use by process {server.worker} at {server.url}" in body["message"]
    assert server.request("GET", "/readyz").status == 200


def test_flask_run_with_debug_hands_over_to_the_reloaded_process(dataset: Path, tmp_path: Path) -> None:
    watched = tmp_path / "watched.txt"
    watched.touch()
    with develop(dataset, "--debug", "--extra-files", str(watched)) as development:
        server = development.server
        added = development.add()
        first = development.owner.pid
        assert first != server.pid, "the process that watches does not load"
        os.utime(watched, (2e9, 2e9))
        server.wait_for_log("Dataset saved on shutdown")
        until(lambda: development.knows(added), "the reloaded process serves what was saved")
        assert development.owner.pid not in (first, server.pid)
        assert server.log.count("Dataset loaded") == 2
        assert "in use by" not in server.log
        assert development.add() == added + 1
        os.kill(development.owner.pid, signal.SIGINT)
        server.wait()
    assert annotation_ids(dataset) == [1, 2, 7, added, added + 1]
