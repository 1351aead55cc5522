"""The server under a real gunicorn: whatever ends a worker, what was acknowledged is saved; and one process owns."""

from __future__ import annotations

import json
import os
import re
import signal
import socket
import ssl
import threading
from collections.abc import Callable
from contextlib import closing
from http.client import HTTPSConnection
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import pytest
from s3_servers import make_certificate
from servers import ANNOTATION, GUNICORN, Server, annotation_ids, half_sent, refused, serve, start, until

from cocoannot.files.atomic import Stamp
from cocoannot.files.lock import find_owner

pytestmark = pytest.mark.slow

SAVED_LAST = "Dataset saved on shutdown"


@pytest.fixture
def dataset(dataset_path: Path, small: dict[str, Any]) -> Path:
    """The small dataset in a file."""
    dataset_path.write_text(json.dumps(small))
    return dataset_path


def one_line(log: str, text: str) -> str:
    """The only line of `log` with `text` in it; no line is of a traceback."""
    assert "Traceback" not in log, log
    lines = [line for line in log.splitlines() if text in line]
    assert len(lines) == 1, log
    return lines[0]


# Ending


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT, signal.SIGQUIT])
def test_pending_changes_are_saved_when_a_signal_ends_the_server(dataset: Path, number: signal.Signals) -> None:
    with serve(dataset) as server:
        added = [server.add(), server.add()]
        server.signal(number)
        assert server.wait() == 0
        assert server.log.count(SAVED_LAST) == 1
        assert "(2 annotation(s) added)" in one_line(server.log, "Auto-saved dataset to")
        assert "DEBUG" not in server.log
        # No thread has kept it.
        assert "unanswered" not in server.log
    assert annotation_ids(dataset) == [1, 2, 7, *added]


def test_unchanged_dataset_is_not_saved_at_the_end(dataset: Path) -> None:
    before = Stamp.of(dataset.stat())
    with serve(dataset) as server:
        server.signal(signal.SIGTERM)
        assert server.wait() == 0
        assert SAVED_LAST not in server.log
    assert Stamp.of(dataset.stat()) == before


def test_change_is_saved_though_a_request_hangs_until_the_worker_is_killed(dataset: Path) -> None:
    with serve(dataset, args=["--graceful-timeout", "1"]) as server:
        added = server.add()
        with half_sent(server):
            server.signal(signal.SIGTERM)
            server.wait_for_log(SAVED_LAST)
            assert annotation_ids(dataset) == [1, 2, 7, added]
            assert server.wait() == 0


def test_change_acknowledged_while_requests_drain_is_saved(dataset: Path) -> None:
    with serve(dataset, args=["--graceful-timeout", "1"]) as server:
        added = [server.add()]
        with half_sent(server), half_sent(server) as late:
            server.signal(signal.SIGTERM)
            server.wait_for_log(SAVED_LAST)
            answer = late.finish()
            assert answer.status == 201
            added.append(answer.body["id"])
            assert server.wait() == 0
        assert annotation_ids(dataset) == [1, 2, 7, *added]


def test_quick_end_does_not_wait_for_a_request_that_hangs(dataset: Path) -> None:
    with serve(dataset) as server:
        added = server.add()
        with half_sent(server):
            server.signal(signal.SIGINT)
            # By default, gunicorn would kill it after 30 s.
            assert server.wait() == 0
        assert "Ending with requests unanswered" in server.log
    assert annotation_ids(dataset) == [1, 2, 7, added]


# Replacing the worker


def test_reload_saves_and_hands_over_to_a_new_worker(dataset: Path) -> None:
    with serve(dataset) as server:
        first = server.worker
        kept, deleted = server.add(), server.add()
        assert server.request("DELETE", f"/api/annotations/{deleted}").status == 204
        server.signal(signal.SIGHUP)
        server.wait_until_ready(but=first)
        assert annotation_ids(dataset) == [1, 2, 7, kept]
        assert server.request("GET", f"/api/annotations/{kept}").status == 200
        assert server.add() == deleted + 1, "no id is given twice"


def test_reload_while_annotations_are_added_loses_none(dataset: Path) -> None:
    acknowledged: list[int] = []
    enough = threading.Event()

    def add(server: Server) -> None:
        while not enough.is_set():
            acknowledged.append(server.add_stubbornly())

    def more_than(count: int) -> Callable[[], bool]:
        return lambda: len(acknowledged) > count

    with serve(dataset) as server:
        threads = [threading.Thread(target=add, args=(server,)) for _ in range(4)]
        for thread in threads:
            thread.start()
        for _ in range(2):
            worker = server.worker
            until(more_than(len(acknowledged) + 20), "annotations are added")
            server.signal(signal.SIGHUP)
            server.wait_until_ready(but=worker)
        enough.set()
        for thread in threads:
            thread.join()
        server.signal(signal.SIGTERM)
        assert server.wait() == 0
    saved = annotation_ids(dataset)
    assert len(set(acknowledged)) == len(acknowledged)
    assert len(set(saved)) == len(saved)
    assert set(acknowledged) <= set(saved)


def test_reload_waits_for_the_old_worker_longer_than_for_a_stranger(dataset: Path) -> None:
    env, args = {"COCOANNOT_LOCK_TIMEOUT": "0"}, ["--graceful-timeout", "1"]
    with serve(dataset, env=env, args=args) as server:
        first, added = server.worker, server.add()
        with half_sent(server):
            server.signal(signal.SIGHUP)
            # The old worker can't end by itself: the interpreter waits for the thread of the request.
            server.wait_until_ready(but=first)
            assert server.request("GET", f"/api/annotations/{added}").status == 200
        assert len(server.workers) == 2


def test_reload_with_an_address_that_is_refused_saves_and_ends(dataset: Path, tmp_path: Path) -> None:
    config = tmp_path / "gunicorn.conf.py"
    config.write_text("from cocoannot.gunicorn_conf import *\nbind = '127.0.0.1:0'\n")
    with start(dataset, [GUNICORN[0], "-c", str(config), "wsgi:app"]) as server:
        server.wait_until_ready()
        added = server.add()
        config.write_text("from cocoannot.gunicorn_conf import *\nbind = '0.0.0.0:0'\n")
        server.signal(signal.SIGHUP)
        assert server.wait() != 0
        assert "ERROR" in one_line(server.log, "listening at '0.0.0.0' lets others in")
    assert annotation_ids(dataset) == [1, 2, 7, added]


def test_worker_that_is_replaced_after_max_requests_loses_nothing(dataset: Path) -> None:
    with serve(dataset, args=["--max-requests", "5"]) as server:
        added = [server.add_stubbornly() for _ in range(12)]
        server.signal(signal.SIGTERM)
        assert server.wait() == 0
        assert len(server.workers) > 1
    assert annotation_ids(dataset) == [1, 2, 7, *added]
    assert added == sorted(set(added))


def test_stray_ttin_starts_no_second_worker(dataset: Path) -> None:
    with serve(dataset) as server:
        worker, added = server.worker, server.add()
        server.signal(signal.SIGTTIN)
        server.wait_for_log("the number of workers stays 1")
        server.signal(signal.SIGTTIN)
        server.wait_for_log("the number of workers stays 1", 2)
        assert server.request("GET", f"/api/annotations/{added}").status == 200
        assert server.workers == [worker]


def test_new_server_of_an_upgrade_takes_over_from_the_old_one(dataset: Path) -> None:
    with serve(dataset) as server:
        old, added = server.worker, server.add()
        server.signal(signal.SIGUSR2)
        until(lambda: len(server.workers) == 2, "the new server has a worker, which waits")
        assert server.add() == added + 1
        server.signal(signal.SIGTERM)
        assert server.wait() == 0
        # For a moment nobody does.
        lock = dataset.parent / "dataset.json.cocoannot" / "lock"
        until(lambda: (owner := find_owner(lock)) and owner.pid != old, "the new worker owns the dataset")
        assert server.request("GET", f"/api/annotations/{added + 1}").status == 200
        assert server.log.count(SAVED_LAST) == 1


# Loading before forking


def test_saver_runs_in_the_worker_with_preload(dataset: Path) -> None:
    with serve(dataset, args=["--preload"], env={"DATASET_AUTO_SAVE_INTERVAL": "0.3"}, anew=True) as server:
        added = server.add()
        server.wait_for_log("Auto-saved dataset to")
        assert annotation_ids(dataset) == [1, 2, 7, added]


def test_only_the_worker_loads_and_saves_with_preload(dataset: Path) -> None:
    with serve(dataset, args=["--preload"], anew=True) as server:
        added = server.add()
        server.signal(signal.SIGTERM)
        assert server.wait() == 0
        one_line(server.log, "Dataset loaded into memory from")
        one_line(server.log, "Auto-saved dataset to")
        one_line(server.log, SAVED_LAST)
        assert "ERROR" not in server.log
    assert annotation_ids(dataset) == [1, 2, 7, added]


# Dying


def test_worker_that_is_killed_is_replaced(dataset: Path) -> None:
    with serve(dataset) as server:
        server.add()
        server.request("POST", "/api/flush")
        worker, saved = server.worker, dataset.read_bytes()
        added = server.add()
        os.kill(worker, signal.SIGKILL)
        server.wait_until_ready(but=worker)
        assert dataset.read_bytes() == saved
        assert server.add() == added + 1
        assert server.request("GET", f"/api/annotations/{added}").status == 200


def test_worker_that_is_aborted_saves_and_is_replaced_though_a_request_hangs(dataset: Path) -> None:
    with serve(dataset) as server:
        worker, added = server.worker, server.add()
        with half_sent(server):
            # As the arbiter does with a worker that it has not heard of for too long.
            os.kill(worker, signal.SIGABRT)
            server.wait_until_ready(but=worker)
        assert server.log.count(SAVED_LAST) == 1
        assert annotation_ids(dataset) == [1, 2, 7, added]


def test_server_that_is_killed_starts_again(dataset: Path) -> None:
    with serve(dataset) as server:
        added = server.add()
        server.kill()
    with serve(dataset) as server:
        assert "Changes after revision 0 found in the journal (1 annotation(s) added)" in server.log
        assert server.request("GET", f"/api/annotations/{added}").status == 200
        assert server.add() == added + 1


def test_worker_saves_and_ends_when_its_arbiter_is_killed(dataset: Path) -> None:
    with serve(dataset) as server:
        added = server.add()
        os.kill(server.pid, signal.SIGKILL)
        server.wait()
        server.wait_until_let_go()
        assert annotation_ids(dataset) == [1, 2, 7, added]


# One owner


@pytest.mark.parametrize("linked", [False, True], ids=["same path", "symbolic link"])
def test_second_server_ends_and_names_the_first(dataset: Path, linked: bool, tmp_path: Path) -> None:
    path = dataset
    if linked:
        path = tmp_path / "elsewhere" / "link.json"
        path.parent.mkdir()
        path.symlink_to(dataset)
    with serve(dataset) as server:
        added = server.add()
        status, log = refused(path, env={"COCOANNOT_LOCK_TIMEOUT": "0.3"})
        assert status != 0
        line = one_line(log, "stop it first")
        assert f"{dataset} is in use by process {server.worker} at {server.url}" in line
        assert log.count("Booting worker") == 1
        assert server.request("GET", f"/api/annotations/{added}").status == 200
        assert find_owner(dataset.parent / "dataset.json.cocoannot" / "lock") == server.owner
        assert len(server.workers) == 1


def test_second_server_takes_over_when_the_first_has_saved(dataset: Path) -> None:
    with serve(dataset) as first:
        added = first.add()
        with start(dataset, [*GUNICORN, "wsgi:app"]) as second:
            until(lambda: second.workers, "the second server has a worker")
            first.signal(signal.SIGTERM)
            assert first.wait() == 0
            second.wait_until_ready()
            assert second.request("GET", f"/api/annotations/{added}").status == 200


def takes_signals(worker: int) -> bool:
    """Whether a worker has its own handlers. Until then it has the arbiter's, with which it loses what it is sent."""
    caught = re.search(r"^SigCgt:\s*(\w+)$", Path(f"/proc/{worker}/status").read_text(), re.MULTILINE)
    assert caught
    # The arbiter has none for this one.
    return bool(int(caught[1], 16) >> (signal.SIGABRT - 1) & 1)


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT, signal.SIGQUIT])
def test_second_server_can_be_ended_while_it_waits(dataset: Path, number: signal.Signals) -> None:
    with serve(dataset) as first, start(dataset, [*GUNICORN, "--graceful-timeout", "60", "wsgi:app"]) as second:
        until(lambda: second.workers and takes_signals(second.workers[0]), "the second server has a worker")
        second.signal(number)
        assert second.wait() == 0
        assert first.request("GET", "/readyz").status == 200


# What is refused at the start


@pytest.mark.parametrize(
    ("args", "message"),
    [
        (["--workers", "2"], "workers=2 is not allowed"),
        (["--worker-class", "sync", "--threads", "1"], "worker_class='sync' is not allowed"),
        (["--worker-class", "gthread"], "worker_class='gthread' is not allowed; leave it out"),
        (["--bind", "0.0.0.0:0"], "listening at '0.0.0.0' lets others in"),
        (["--bind", "[::]:0"], "listening at '::' lets others in"),
        (["--bind", "unix:FOLDER/socket"], "/socket' lets others in"),
    ],
)
def test_gunicorn_that_can_not_work_is_refused(dataset: Path, args: list[str], message: str) -> None:
    status, log = refused(dataset, args=[arg.replace("FOLDER", str(dataset.parent)) for arg in args])
    assert status == 1
    assert "ERROR" in one_line(log, message)
    assert "Booting worker" not in log
    assert "Listening" not in log
    assert not (dataset.parent / "socket").exists()


def test_socket_of_systemd_that_is_open_to_all_is_refused(dataset: Path) -> None:
    with socket.create_server(("0.0.0.0", 0)) as listener:
        script = f'export LISTEN_PID=$$ LISTEN_FDS=1; exec "$@" 3<&{listener.fileno()}'
        command = ["bash", "-c", script, "bash", *GUNICORN, "wsgi:app"]
        with start(dataset, command, pass_fds=[listener.fileno()]) as server:
            assert server.wait() == 1
            assert "ERROR" in one_line(server.log, "listening at '0.0.0.0' lets others in")
            assert "Booting worker" not in server.log


@pytest.mark.parametrize(
    ("content", "message"),
    [
        (None, "does not exist; correct COCOANNOT_DATASET, or set COCOANNOT_CREATE=1"),
        ("no JSON", "dataset.json"),
        ("[]", "dataset.json"),
        ("FOLDER", "is not a file; COCOANNOT_DATASET must name a COCO JSON file"),
    ],
)
def test_dataset_that_can_not_be_loaded_ends_the_server(dataset_path: Path, content: str | None, message: str) -> None:
    if content == "FOLDER":
        dataset_path.mkdir()
    elif content is not None:
        dataset_path.write_text(content)
    status, log = refused(dataset_path)
    assert status != 0
    line = one_line(log, message)
    assert "ERROR" in line
    assert str(dataset_path) in line
    assert log.count("Booting worker") == 1


def test_empty_dataset_is_made_where_that_is_asked_for(dataset_path: Path) -> None:
    with serve(dataset_path, env={"COCOANNOT_CREATE": "1"}) as server:
        assert server.request("GET", "/api/dataset").body["counts"] == {"images": 0, "annotations": 0, "categories": 0}
    assert annotation_ids(dataset_path) == []


@pytest.mark.parametrize(
    ("env", "args", "message"),
    [
        ({"COCOANNOT_THREADS": "abc"}, [], "COCOANNOT_THREADS='abc' is not allowed; give an integer from 2 to 1024"),
        ({"COCOANNOT_THREADS": "abc"}, ["--preload"], "COCOANNOT_THREADS='abc' is not allowed"),
        ({"DATASET_AUTO_SAVE_INTERVAL": "0"}, [], "DATASET_AUTO_SAVE_INTERVAL='0' is not allowed; give seconds, from"),
        ({"COCOANNOT_DATASET": ""}, [], "COCOANNOT_DATASET is not set"),
    ],
)
def test_bad_setting_ends_the_server(dataset: Path, env: dict[str, str], args: list[str], message: str) -> None:
    status, log = refused(dataset, env=env, args=args)
    assert status == 1
    one_line(log, message)
    assert "Booting worker" not in log


def test_picture_folder_that_is_none_ends_the_server(dataset: Path) -> None:
    status, log = refused(dataset, env={"COCOANNOT_IMAGES": str(dataset)})
    assert status != 0
    assert "is not a folder" in one_line(log, "COCOANNOT_IMAGES=")
    assert log.count("Booting worker") == 1


@pytest.mark.parametrize("args", [[], ["--preload"]], ids=["", "preload"])
def test_name_in_the_environment_that_is_no_setting_is_warned_of_once(dataset: Path, args: list[str]) -> None:
    with serve(dataset, env={"COCOANNOT_TOKN": "a-secret-of-mine"}, args=args) as server:
        line = one_line(server.log, "COCOANNOT_TOKN")
        assert "WARNING" in line
        assert line.endswith("COCOANNOT_TOKN is not a setting; did you mean COCOANNOT_TOKEN?")
        assert "a-secret" not in server.log


def test_misspelt_name_of_what_must_be_set_is_warned_of_before_the_server_ends(dataset: Path) -> None:
    status, log = refused(dataset, env={"COCOANNOT_DATASET": "", "COCOANNOT_DATSET": str(dataset)})
    assert status == 1
    one_line(log, "COCOANNOT_DATSET is not a setting; did you mean COCOANNOT_DATASET?")
    assert "ERROR" in one_line(log, "COCOANNOT_DATASET is not set")


# Saving behind


def test_change_is_saved_after_the_interval_and_logged(dataset: Path) -> None:
    env = {"DATASET_AUTO_SAVE_INTERVAL": "0.3", "COCOANNOT_LOG_LEVEL": "DEBUG"}
    with serve(dataset, env=env) as server:
        added = server.add()
        server.wait_for_log(f"INFO: Auto-saved dataset to {dataset} (1 annotation(s) added)")
        assert annotation_ids(dataset) == [1, 2, 7, added]
        assert "DEBUG: Auto-save timer scheduled (0.3s)" in server.log
        server.request("DELETE", "/api/annotations/7")
        server.wait_for_log(f"INFO: Auto-saved dataset to {dataset} (1 annotation(s) deleted)")
        assert annotation_ids(dataset) == [1, 2, added]
        assert server.status()["saver"]["next_save_in"] is None


def test_failed_save_is_tried_again_until_it_works(dataset: Path) -> None:
    in_the_way = dataset.parent / ".dataset.json.unfinished"
    with serve(dataset, env={"DATASET_AUTO_SAVE_INTERVAL": "0.3"}) as server:
        in_the_way.mkdir()
        added = server.add()
        server.wait_for_log(f"ERROR: can't save {dataset}")
        assert "can't save" in server.status()["saver"]["last_error"]
        assert server.status()["pending"]["annotations_added"] == 1
        in_the_way.rmdir()
        server.wait_for_log("Auto-saved dataset to")
        assert annotation_ids(dataset) == [1, 2, 7, added]
        assert server.status()["saver"]["last_error"] is None


def test_failed_save_at_the_end_is_tried_again_while_requests_drain(dataset: Path) -> None:
    in_the_way = dataset.parent / ".dataset.json.unfinished"
    with serve(dataset) as server:
        added = server.add()
        in_the_way.mkdir()
        with half_sent(server) as late:
            server.signal(signal.SIGTERM)
            server.wait_for_log("Dataset not saved on shutdown (1 annotation(s) added)")
            in_the_way.rmdir()
            server.wait_for_log(SAVED_LAST)
            assert annotation_ids(dataset) == [1, 2, 7, added]
            assert late.finish().status == 201
        assert server.wait() == 0
        assert len(annotation_ids(dataset)) == 5


# gunicorn's own


def test_server_over_tls_answers_and_saves(dataset: Path, tmp_path: Path) -> None:
    certificate, key = make_certificate(tmp_path)
    args = ["--certfile", str(certificate), "--keyfile", str(key)]
    with start(dataset, [*GUNICORN, *args, "wsgi:app"]) as server:
        server.wait_for_log("Dataset loaded into memory")
        context = ssl.create_default_context(cafile=str(certificate))
        body = json.dumps(ANNOTATION)
        with closing(HTTPSConnection(urlsplit(server.url).netloc, timeout=20, context=context)) as client:
            # Twice on one connection, which is kept.
            for _ in range(2):
                client.request("POST", "/api/annotations", body, {"Content-Type": "application/json"})
                answer = client.getresponse()
                assert answer.status == 201
                added = json.loads(answer.read())["id"]
        server.signal(signal.SIGTERM)
        assert server.wait() == 0
        assert "Traceback" not in server.log
    assert annotation_ids(dataset) == [1, 2, 7, added - 1, added]


def test_gunicorn_opens_no_control_socket(dataset: Path, tmp_path: Path) -> None:
    home = tmp_path / "home"
    home.mkdir()
    with serve(dataset, env={"HOME": str(home), "XDG_RUNTIME_DIR": str(home)}) as server:
        server.signal(signal.SIGUSR1)
        # The socket would be opened before signals are handled.
        server.wait_for_log("Handling signal: usr1")
        assert list(home.rglob("*")) == []
