"""What log lines look like, in both forms; the access log; and gunicorn's own lines among ours."""

from __future__ import annotations

import errno
import io
import json
import logging
import re
import signal
import socket
import subprocess
import sys
import threading
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import pytest
from api_client import Serve, Server
from servers import ROOT, refused, run_flask, until
from servers import serve as serve_by_gunicorn
from werkzeug.test import create_environ
from werkzeug.wsgi import FileWrapper

from cocoannot.logs import LineHandler, batch_access_lines, flush, flush_due, formatter

pytestmark = pytest.mark.slow

BOX = {"image_id": 1, "category_id": 1, "bbox": [1, 2, 3, 4]}
ACCESS = "cocoannot.access"
PICTURE = bytes.fromhex(
    "89504e470d0a1a0a0000000d4948445200000001000000010806000000"
    "1f15c4890000000d49444154789c636001000000050001a5f645400000000049454e44ae426082"
)
FIXED_LINES = ("Dataset loaded into memory from {}", "Auto-saved dataset to {} (1 annotation(s) added)")


@pytest.fixture
def dataset(dataset_path: Path, small: dict[str, Any]) -> Path:
    """The small dataset in a file."""
    dataset_path.write_text(json.dumps(small))
    return dataset_path


@pytest.fixture
def access(caplog: pytest.LogCaptureFixture) -> pytest.LogCaptureFixture:
    """The access log of what the test asks, with nothing in it yet."""
    caplog.set_level(logging.DEBUG, ACCESS)
    return caplog


def calls(access: pytest.LogCaptureFixture) -> list[dict[str, Any]]:
    """The fields of each line of the access log, with its level."""
    records = [record for record in access.records if record.name == ACCESS]
    return [{**vars(record)["fields"], "level": record.levelname} for record in records]


def record(message: str, *args: object, **extra: object) -> logging.LogRecord:
    made = logging.LogRecord("cocoannot.x", logging.INFO, __file__, 1, message, args, None)
    made.__dict__.update(extra)
    return made


def events(log: str) -> list[dict[str, Any]]:
    return [json.loads(line) for line in log.splitlines()]


# The two forms


def test_text_is_one_line_for_each_event() -> None:
    line = formatter("text").format(record("name %s", "a\nb\r\x1b[31m\x85\u2028ü"))
    assert line.endswith(r" INFO: name a\nb\r\x1b[31m\x85\u2028ü")
    assert len(line.splitlines()) == 1


def test_nobody_waits_for_the_line_of_another_and_all_are_written(monkeypatch: pytest.MonkeyPatch) -> None:
    begun, go_on = threading.Event(), threading.Event()

    class Slow(io.StringIO):
        def write(self, text: str) -> int:
            begun.set()
            assert go_on.wait(10)
            return super().write(text)

    monkeypatch.setattr(sys, "stderr", stderr := Slow())
    handler = LineHandler()
    with ThreadPoolExecutor(2) as threads:
        first = threads.submit(handler.handle, record("first"))
        assert begun.wait(10)
        threads.submit(handler.handle, record("second")).result(timeout=10)
        assert not first.done()
        go_on.set()
    assert stderr.getvalue() == "first\nsecond\n"


def test_lines_of_many_threads_are_whole_and_all_there(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sys, "stderr", stderr := io.StringIO())
    handler = LineHandler()
    with ThreadPoolExecutor(8) as threads:
        list(threads.map(lambda number: handler.handle(record("line %d", number)), range(2000)))
    assert sorted(stderr.getvalue().splitlines()) == sorted(f"line {number}" for number in range(2000))


def test_lines_of_requests_wait_for_one_another_and_for_no_other_line(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sys, "stderr", stderr := io.StringIO())
    handler = LineHandler()
    handler.batch_seconds = 1e9
    handler.handle(record("1", name=ACCESS))
    handler.flush_due()
    assert stderr.getvalue() == ""
    handler.handle(record("2"))
    assert stderr.getvalue() == "1\n2\n"
    handler.handle(record("3", name=ACCESS))
    handler.handle(record("4", name=ACCESS, levelno=logging.WARNING))
    assert stderr.getvalue() == "1\n2\n3\n4\n"
    handler.handle(record("5", name=ACCESS))
    handler.batch_seconds = 0
    handler.flush_due()
    assert stderr.getvalue() == "1\n2\n3\n4\n5\n"


def test_flushing_goes_on_where_the_output_is_closed(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sys, "stderr", stderr := io.StringIO())
    handler = LineHandler()
    handler.batch_seconds = 1e9
    handler.handle(record("waits", name=ACCESS))
    stderr.close()
    logger = logging.getLogger("cocoannot")
    logger.addHandler(handler)
    try:
        batch_access_lines(0)
        flush_due()
        flush()
    finally:
        logger.removeHandler(handler)
    monkeypatch.setattr(sys, "stderr", again := io.StringIO())
    handler.handle(record("there"))
    assert again.getvalue() == "there\n"


def test_lines_that_nobody_reads_do_not_pile_up(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sys, "stderr", stderr := io.StringIO())
    handler = LineHandler()
    handler.batch_seconds = 1e9
    for number in range(20_000):
        handler.handle(record("%d", number, name=ACCESS))
    handler.flush()
    assert stderr.getvalue().splitlines() == [str(number) for number in range(10_000, 20_000)]


def test_line_after_one_that_could_not_be_written_is_written(monkeypatch: pytest.MonkeyPatch) -> None:
    class Full(io.StringIO):
        def write(self, text: str) -> int:
            raise OSError(errno.ENOSPC, "No space left on device")

    handler = LineHandler()
    monkeypatch.setattr(logging, "raiseExceptions", False)
    monkeypatch.setattr(sys, "stderr", Full())
    handler.handle(record("lost"))
    monkeypatch.setattr(sys, "stderr", stderr := io.StringIO())
    handler.handle(record("there"))
    assert stderr.getvalue() == "there\n"


def test_json_is_one_object_on_one_line_for_each_event() -> None:
    line = formatter("json").format(record("name %s", 'a\n"b"\u2028ü\udc80', fields={"status": 200}))
    assert len(line.splitlines()) == 1
    assert line.isascii()
    event = json.loads(line)
    assert event.pop("time").endswith("+00:00")
    assert isinstance(event.pop("pid"), int)
    assert event == {
        "level": "INFO",
        "logger": "cocoannot.x",
        "message": 'name a\n"b"\u2028ü\udc80',
        "status": 200,
    }


@pytest.mark.parametrize("style", ["text", "json"])
def test_exception_is_told_with_its_traceback(style: str) -> None:
    failed = record("it failed")
    try:
        raise ValueError("why")
    except ValueError:
        failed.exc_info = sys.exc_info()
    line = formatter(style).format(failed)
    text = json.loads(line)["exception"] if style == "json" else line
    assert "Traceback" in text
    assert text.endswith("ValueError: why")


def test_stack_and_odd_values_are_told_in_json() -> None:
    event = json.loads(formatter("json").format(record("x", stack_info="Stack:\n  here", fields={"path": Path("/a")})))
    assert (event["stack"], event["path"]) == ("Stack:\n  here", "/a")


def run_python(code: str) -> str:
    """What `code` prints as errors, in a process whose logging nobody has set up, pytest included."""
    done = subprocess.run([sys.executable, "-c", code], cwd=ROOT, capture_output=True, text=True, timeout=20)
    assert done.returncode == 0, done.stderr
    return done.stderr


def test_set_up_twice_tells_each_event_once_in_the_last_form() -> None:
    (event,) = events(
        run_python(
            "import logging, cocoannot.logs as logs; logs.set_up('INFO', 'text'); logs.set_up('WARNING', 'json'); "
            "log = logging.getLogger('cocoannot.x'); log.info('too low'); log.warning('seen')"
        )
    )
    assert (event["level"], event["message"]) == ("WARNING", "seen")


def test_logging_that_somebody_else_set_up_is_left_alone() -> None:
    printed = run_python(
        "import logging, cocoannot.logs as logs; logging.basicConfig(format='theirs: %(message)s'); "
        "logs.set_up('INFO', 'json'); logging.getLogger('cocoannot.x').info('seen')"
    )
    assert printed == "theirs: seen\n"


# The access log


def test_request_is_a_line_with_its_duration_and_revision(api: Server, access: pytest.LogCaptureFixture) -> None:
    access.clear()
    answer = api.post("/api/annotations", BOX)
    (call,) = calls(access)
    assert 0 < call.pop("duration_ms") < 60_000
    assert call == {
        "level": "INFO",
        "remote": "127.0.0.1",
        "method": "POST",
        "path": "/api/annotations",
        "route": "/api/annotations",
        "status": 201,
        "bytes": len(answer.data),
        "revision": 1,
    }
    (line,) = access.messages
    start, duration, end = re.split(r" ([0-9.]+) ms ", line)
    assert start == f"127.0.0.1 POST /api/annotations 201 {len(answer.data)} bytes"
    assert float(duration) > 0
    assert end == "revision 1"


def test_query_is_not_in_the_access_log(api: Server, access: pytest.LogCaptureFixture) -> None:
    api.get("/api/images?file_name=secret")
    assert calls(access)[-1]["path"] == "/api/images"
    assert "secret" not in access.text


def test_path_can_t_forge_a_line_or_a_field(api: Server, access: pytest.LogCaptureFixture) -> None:
    access.clear()
    api.get("/a%0A2026-11-23%20INFO:%20forged%1b%C3%BC")
    (call,) = calls(access)
    assert call["path"] == "/a%0A2026-11-23%20INFO:%20forged%1B%C3%BC"
    (line,) = access.messages
    assert line.isascii()
    assert line.isprintable()
    assert len(line.split()) == 10


def test_address_of_a_proxy_s_client_can_t_forge_one_either(
    serve: Serve, small: dict[str, Any], access: pytest.LogCaptureFixture
) -> None:
    api = serve(small, COCOANNOT_PROXIES=1)
    api.get("/api/images", headers={"X-Forwarded-For": "2001:db8::1"})
    api.get("/api/images", headers={"X-Forwarded-For": "1.2.3.4 GET /forged"})
    assert [call["remote"] for call in calls(access)] == ["2001:db8::1", "1.2.3.4%20GET%20%2Fforged"]


def test_probes_that_worked_are_told_at_debug_only(
    serve: Serve, small: dict[str, Any], access: pytest.LogCaptureFixture
) -> None:
    api = serve(small)
    for url in ("/healthz", "/readyz", "/metrics", "/api/status"):
        api.get(url)
    assert [call["level"] for call in calls(access)] == ["DEBUG", "DEBUG", "DEBUG", "INFO"]


def test_probe_that_failed_is_told(serve: Serve, access: pytest.LogCaptureFixture) -> None:
    serve().get("/readyz")
    assert [(call["path"], call["status"], call["level"]) for call in calls(access)] == [("/readyz", 503, "WARNING")]


def test_answer_without_a_body_has_no_bytes(api: Server, access: pytest.LogCaptureFixture) -> None:
    api.ask("HEAD", "/api/images")
    api.delete("/api/annotations/1")
    assert [(call["status"], call["bytes"]) for call in calls(access)[-2:]] == [(200, 0), (204, 0)]


def test_export_is_told_when_it_has_been_streamed(api: Server, access: pytest.LogCaptureFixture) -> None:
    access.clear()
    answer = api.app.test_client().get("/api/dataset/export")
    assert calls(access) == []
    size = len(answer.data)
    answer.close()
    assert [(call["path"], call["bytes"]) for call in calls(access)] == [("/api/dataset/export", size)]


def test_picture_stays_a_file_that_the_server_may_send_without_reading_it(
    api: Server, access: pytest.LogCaptureFixture
) -> None:
    (api.path.parent / "one.jpg").write_bytes(PICTURE)

    class Wrapper(FileWrapper):
        pass

    environ = create_environ("/api/images/1/file")
    environ["wsgi.file_wrapper"] = Wrapper
    access.clear()
    body = api.app.wsgi_app(environ, lambda status, headers, exc_info=None: lambda data: None)
    assert isinstance(body, Wrapper)
    assert calls(access) == []
    body.close()
    body.close()
    assert [(call["status"], call["bytes"]) for call in calls(access)] == [(200, len(PICTURE))]


def test_bug_of_ours_is_told_with_its_traceback(
    serve: Serve, small: dict[str, Any], access: pytest.LogCaptureFixture
) -> None:
    api = serve(small)

    @api.app.route("/<path:any>")
    def broken(any: str) -> str:
        raise RuntimeError("a bug")

    api.get("/%0Aforged")
    assert (calls(access)[-1]["status"], calls(access)[-1]["level"]) == (500, "WARNING")
    failure = next(record for record in access.records if record.exc_info)
    assert failure.name == "cocoannot"
    assert "\\nforged" in formatter("text").format(failure).splitlines()[0]
    assert "RuntimeError: a bug" in json.loads(formatter("json").format(failure))["exception"]


# Under gunicorn


def log_of_a_server(dataset: Path, style: str) -> str:
    """What a server printed, from its start to its end, that made a change and served a picture."""
    (dataset.parent / "one.jpg").write_bytes(PICTURE)
    with serve_by_gunicorn(dataset, env={"COCOANNOT_LOG": style}) as server:
        server.add()
        target = urlsplit(server.url)
        with closing(socket.create_connection((target.hostname, target.port), 10)) as connection:
            connection.sendall(f"GET /api/images/1/file HTTP/1.1\r\nHost: {target.netloc}\r\n".encode())
            connection.sendall(b"Connection: close\r\n\r\n")
            answer = b"".join(iter(lambda: connection.recv(1 << 16), b""))
        assert answer.endswith(PICTURE)
        server.wait_for_log("GET /api/images/1/file 200")
        server.signal(signal.SIGTERM)
        assert server.wait() == 0
        return server.log


def test_text_under_gunicorn_is_as_it_was(dataset: Path) -> None:
    lines = log_of_a_server(dataset, "text").splitlines()
    for fixed in (*FIXED_LINES, "Dataset saved on shutdown"):
        (line,) = [line for line in lines if fixed.format(dataset) in line]
        assert line.split(" ", 2)[2] == f"INFO: {fixed.format(dataset)}"
    assert any(line.endswith("[INFO] Starting gunicorn 27.0.0") for line in lines)
    assert not any(line.startswith("{") for line in lines)


def test_json_under_gunicorn_is_one_object_a_line_gunicorn_s_own_included(dataset: Path) -> None:
    found = events(log_of_a_server(dataset, "json"))
    messages = [event["message"] for event in found]
    for fixed in (*FIXED_LINES, "Dataset saved on shutdown"):
        assert messages.count(fixed.format(dataset)) == 1
    assert {event["logger"] for event in found} >= {"gunicorn.error", "cocoannot.store.memory.saving", ACCESS}
    assert all({"time", "level", "logger", "pid", "message"} <= event.keys() for event in found)
    picture = next(event for event in found if event.get("path") == "/api/images/1/file")
    assert (picture["status"], picture["bytes"], picture["revision"]) == (200, len(PICTURE), 1)


def test_error_that_ends_the_server_is_an_event_too(dataset: Path) -> None:
    status, log = refused(dataset, env={"COCOANNOT_LOG": "json"}, args=["--workers", "2"])
    assert status == 1
    assert any("workers=2 is not allowed" in event["message"] for event in events(log) if event["level"] == "ERROR")


def test_changed_file_is_told_in_json(dataset: Path) -> None:
    with serve_by_gunicorn(dataset, env={"COCOANNOT_LOG": "json"}) as server:
        server.add()
        dataset.write_text("{}")
        assert server.request("POST", "/api/flush").status == 409
        until(lambda: "something else changed" in server.log, "the error is in the log")
        error = next(event for event in events(server.log) if event["level"] == "ERROR")
        assert error["message"].startswith("something else changed")


def test_command_prints_no_log_lines_of_its_own(dataset: Path) -> None:
    status, printed = run_flask(dataset, "status", "--json", env={"COCOANNOT_LOG": "json"})
    assert status == 0
    assert "logger" not in json.loads(printed)
