"""A dataset in S3 over HTTP and by the `flask` commands: what is answered, with S3 there and away."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator
from contextlib import closing, contextmanager
from pathlib import Path
from typing import Any

import pytest
from api_client import Server as Application
from s3_copies import Object, sha256
from s3_copies import application as application
from s3_copies import path as path
from s3_faults import closed_address
from s3_onlooker import Onlooker, onlooker_of
from s3_servers import S3Server, lead_here
from servers import ANNOTATION, Server, run_flask, serve

from cocoannot import create_app
from cocoannot.settings import Settings

pytestmark = pytest.mark.slow

Command = Callable[..., tuple[int, str]]
Serve = Callable[[], Application]


@pytest.fixture
def there(s3: S3Server, small: dict[str, Any]) -> Iterator[Object]:
    """An object of this test's own: the small dataset."""
    with closing(Object(s3, s3.new_key())) as there:
        there.put(small)
        yield there


@pytest.fixture
def settings(there: Object, tmp_path: Path) -> dict[str, str]:
    return {"COCOANNOT_DATASET": str(there.uri), "COCOANNOT_CACHE": str(tmp_path / "cache")}


@pytest.fixture
def command(settings: dict[str, str]) -> Command:
    """Runs a command of the application in this process; returns its exit status and what it printed."""

    def run(*args: str) -> tuple[int, str]:
        result = create_app(settings).test_cli_runner().invoke(args=list(args))
        assert result.exception is None or isinstance(result.exception, SystemExit), result.exception
        return result.exit_code, result.output

    return run


@contextmanager
def served(settings: dict[str, str], path: Path) -> Iterator[Server]:
    """A gunicorn that serves the object."""
    path.parent.mkdir(parents=True, exist_ok=True)
    with serve(path, env=settings) as server:
        yield server


def by_itself(path: Path, settings: dict[str, str], *args: str) -> tuple[int, str]:
    """Run a command in a process of its own."""
    return run_flask(path, *args, env=settings)


def go_away(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("AWS_ENDPOINT_URL", closed_address())


def test_upload_over_http_brings_every_stage_level(application: Application, there: Object, path: Path) -> None:
    added = application.post("/api/annotations", ANNOTATION).json["id"]
    status = application.get("/api/status").json
    assert status["revision"]["s3"] < status["revision"]["memory"]
    assert status["s3"]["state"] == "ahead"
    answer = application.post("/api/save-to-s3")
    assert answer.status_code == 200
    assert answer.json == {
        "status": "success",
        "s3_uri": str(there.uri),
        "etag": there.etag,
        "size": len(path.read_bytes()),
        "revision": application.revision,
        "kept": None,
    }
    assert there.read() == path.read_bytes()
    assert there.metadata["cocoannot-sha256"] == sha256(path.read_bytes())
    assert json.loads(there.read())["annotations"][-1]["id"] == added
    status = application.get("/api/status").json
    assert set(status["revision"].values()) == {application.revision}
    s3 = status["s3"]
    assert (s3["uri"], s3["state"], s3["etag"]) == (str(there.uri), "level", there.etag)
    assert (s3["uploading"], s3["last_error"], s3["atomic"]) == (None, None, True)
    assert s3["last_uploaded_at"] is not None


def test_s3_is_asked_when_that_is_asked_for(application: Application, there: Object, small: dict[str, Any]) -> None:
    assert application.get("/api/s3").json["state"] == "level"
    there.put({**small, "annotations": []})
    assert application.get("/api/status").json["s3"]["state"] == "level", "as it was seen last"
    assert application.get("/api/s3").json["state"] == "conflict"
    assert application.get("/api/status").json["s3"]["state"] == "conflict"


def test_conflict_over_http_tells_both_etags_and_the_choices(
    application: Application, there: Object, small: dict[str, Any]
) -> None:
    expected = there.etag
    application.post("/api/annotations", ANNOTATION)
    theirs = there.put({**small, "annotations": []})
    answer = application.post("/api/save-to-s3")
    assert answer.status_code == 409
    assert answer.json["errors"] == {
        "expected_etag": expected,
        "current_etag": there.etag,
        "choices": ["merge-from-s3", "overwrite", "pull-from-s3"],
    }
    assert there.read() == theirs
    assert application.post("/api/save-to-s3", {"on_conflict": "theirs"}).status_code == 422
    answer = application.post("/api/save-to-s3", {"on_conflict": "overwrite"})
    assert answer.status_code == 200
    [kept] = there.others()
    assert answer.json["kept"] == f"s3://{there.uri.bucket}/{kept}"
    assert there.read(kept) == theirs


@pytest.mark.parametrize(("method", "url"), [("GET", "/api/s3"), ("POST", "/api/save-to-s3")])
def test_dataset_on_disk_has_no_s3(api: Application, method: str, url: str) -> None:
    answer = api.ask(method, url)
    assert answer.status_code == 400
    assert "not from S3" in answer.json["message"]
    status = api.get("/api/status").json
    assert status["s3"] is None
    assert status["revision"]["s3"] is None


def test_while_s3_is_away_all_else_works(
    application: Application,
    settings: dict[str, str],
    path: Path,
    there: Object,
    monkeypatch: pytest.MonkeyPatch,
    s3: S3Server,
) -> None:
    application.stop()
    go_away(monkeypatch)
    away = Application(path, settings)
    try:
        assert away.get("/readyz").status_code == away.get("/healthz").status_code == 200
        assert away.get("/metrics").status_code == 200
        added = away.post("/api/annotations", ANNOTATION).json["id"]
        answer = away.post("/api/save-to-s3")
        assert answer.status_code == 502
        assert str(there.uri) in answer.json["message"]
        assert "can't be reached" in answer.json["message"]
        status = away.get("/api/status").json
        assert status["s3"]["state"] == "unknown"
        assert "can't be reached" in status["s3"]["last_error"]
        assert status["saver"]["last_error"] is None
        assert status["revision"]["file"] == status["revision"]["memory"], "the upload saved before it failed"
        again = away.post("/api/annotations", ANNOTATION).json["id"]
        assert away.post("/api/flush").json["saved"]
        assert [each["id"] for each in json.loads(path.read_bytes())["annotations"]] == [1, 2, 7, added, again]
        assert away.get("/readyz").status_code == 200
    finally:
        away.stop()
    lead_here(monkeypatch, s3.env())
    back = Application(path, settings)
    try:
        assert back.get("/api/s3").json["state"] == "ahead"
        assert back.post("/api/save-to-s3").status_code == 200
        assert there.read() == path.read_bytes()
    finally:
        back.stop()


def test_start_without_an_object_answers_with_the_reason(settings: dict[str, str], path: Path, there: Object) -> None:
    there.delete()
    application = Application(path, settings)
    answer = application.get("/api/status")
    assert answer.status_code == 503
    assert f"{there.uri}: there is no such object" in answer.json["message"]
    there.put(b'{"images": [], "annotations": [], "categories": []}')
    assert application.get("/api/status").json["s3"]["state"] == "level"
    application.stop()


def test_command_uploads_by_the_running_server(
    seaweedfs: S3Server, small: dict[str, Any], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    lead_here(monkeypatch, seaweedfs.env())
    with closing(Object(seaweedfs, seaweedfs.new_key())) as there:
        there.put(small)
        settings = {"COCOANNOT_DATASET": str(there.uri), "COCOANNOT_CACHE": str(tmp_path / "cache")}
        path = Settings.read(settings, {}).dataset_path()
        with served(settings, path) as server:
            server.add()
            revision = server.status()["revision"]["memory"]
            code, text = by_itself(path, settings, "status")
            assert (code, f"S3: {there.uri} is at revision 0 (ahead)" in text) == (0, True), text
            code, text = by_itself(path, settings, "save-to-s3")
            assert code == 0, text
            assert f"Uploaded to {there.uri}: revision {revision}, " in text
            assert there.read() == path.read_bytes()
            code, text = by_itself(path, settings, "pull-from-s3")
            assert code != 0
            assert f"is served by process {server.worker}" in text
            assert "stop it first" in text
            theirs = there.put(small)
            server.add()
            code, text = by_itself(path, settings, "save-to-s3")
            assert code != 0
            assert "--on-conflict overwrite" in text
            assert there.read() == theirs
            code, text = by_itself(path, settings, "save-to-s3", "--on-conflict", "overwrite", "--json")
            assert code == 0, text
            assert there.read(json.loads(text)["kept"].split("/", 3)[3]) == theirs
            assert there.read() == path.read_bytes()


def test_command_uploads_what_a_killed_server_left_in_its_journal(
    moto: S3Server, small: dict[str, Any], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    lead_here(monkeypatch, moto.env())
    with closing(Object(moto, moto.new_key())) as there:
        there.put(small)
        settings = {"COCOANNOT_DATASET": str(there.uri), "COCOANNOT_CACHE": str(tmp_path / "cache")}
        path = Settings.read(settings, {}).dataset_path()
        with served(settings, path) as server:
            added = server.add()
            server.kill()
        assert [each["id"] for each in json.loads(path.read_bytes())["annotations"]] == [1, 2, 7]
        code, text = by_itself(path, settings, "save-to-s3")
        assert code == 0, text
        assert [each["id"] for each in json.loads(there.read())["annotations"]] == [1, 2, 7, added]
        assert there.read() == path.read_bytes()
        code, text = by_itself(path, settings, "status")
        assert (code, f"S3: {there.uri} is at revision 1" in text) == (0, True), text


def test_stopped_upload_refuses_a_conflict_and_overwrites_when_told_to(
    application: Application, command: Command, there: Object, small: dict[str, Any], path: Path
) -> None:
    application.post("/api/annotations", ANNOTATION)
    application.stop()
    theirs = there.put({**small, "annotations": []})
    code, text = command("save-to-s3")
    assert code == 1
    assert f"{there.uri} was changed by somebody else" in text
    assert there.read() == theirs
    code, text = command("save-to-s3", "--on-conflict", "overwrite", "--json")
    assert code == 0, text
    [kept] = there.others()
    assert json.loads(text)["kept"] == f"s3://{there.uri.bucket}/{kept}"
    assert there.read() == path.read_bytes()


def test_copy_that_was_changed_by_hand_can_be_uploaded(
    application: Application,
    command: Command,
    there: Object,
    small: dict[str, Any],
    path: Path,
    settings: dict[str, str],
) -> None:
    application.stop()
    path.write_bytes(path.read_bytes().replace(b"a small dataset", b"by hand"))
    before = there.read()
    refused = Application(path, settings)
    assert "flask pull-from-s3" in refused.get("/api/status").json["message"]
    code, text = command("save-to-s3", "--on-conflict", "overwrite")
    assert code == 0, text
    assert there.read() == path.read_bytes() != before
    assert refused.get("/api/status").json["s3"]["state"] == "level"
    refused.stop()


@pytest.mark.parametrize("known", [True, False])
def test_copy_that_was_changed_by_hand_can_be_given_up_for_s3s(
    application: Application, command: Command, there: Object, path: Path, settings: dict[str, str], *, known: bool
) -> None:
    application.stop()
    by_hand = path.read_bytes().replace(b"a small dataset", b"by hand")
    path.write_bytes(by_hand)
    if not known:
        (path.parent / f"{path.name}.cocoannot" / "state.json").unlink()
    code, text = command("pull-from-s3", "--json")
    assert code == 0, text
    [kept] = json.loads(text)["kept"]
    assert Path(kept).read_bytes() == by_hand
    assert path.read_bytes() == there.read()
    again = Application(path, settings)
    assert again.get("/api/status").json["s3"]["state"] == "level"
    again.stop()


def test_pull_takes_theirs_and_keeps_what_a_killed_server_left(
    moto: S3Server, small: dict[str, Any], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    lead_here(monkeypatch, moto.env())
    with closing(Object(moto, moto.new_key())) as there:
        there.put(small)
        settings = {"COCOANNOT_DATASET": str(there.uri), "COCOANNOT_CACHE": str(tmp_path / "cache")}
        path = Settings.read(settings, {}).dataset_path()
        with served(settings, path) as server:
            added = server.add()
            server.kill()
        theirs = there.put({**small, "annotations": []})
        code, text = by_itself(path, settings, "pull-from-s3")
        assert code == 0, text
        assert path.read_bytes() == theirs
        [kept] = path.parent.glob(f"{path.name}.ours-*")
        assert str(kept) in text
        assert [each["id"] for each in json.loads(kept.read_bytes())["annotations"]] == [1, 2, 7, added]
        with served(settings, path) as server:
            assert server.status()["s3"]["state"] == "level"
            assert server.request("GET", "/api/annotations").body == []
            assert server.add() > added


def test_pull_without_a_copy_downloads(command: Command, there: Object, path: Path) -> None:
    code, text = command("pull-from-s3")
    assert (code, path.read_bytes()) == (0, there.read()), text


def test_pull_of_nothing_says_so(application: Application, command: Command, there: Object, path: Path) -> None:
    application.stop()
    data = path.read_bytes()
    there.delete()
    code, text = command("pull-from-s3")
    assert code == 1
    assert "there is no such object" in text
    assert path.read_bytes() == data


def test_upload_without_a_copy_says_so(command: Command, there: Object, path: Path) -> None:
    code, text = command("save-to-s3")
    assert code == 1
    assert f"there is no local copy of {there.uri}" in text


@pytest.mark.parametrize("name", ["save-to-s3", "pull-from-s3"])
def test_commands_need_a_dataset_from_s3(dataset_path: Path, small: dict[str, Any], name: str) -> None:
    dataset_path.write_text(json.dumps(small))
    result = create_app({"COCOANNOT_DATASET": dataset_path}).test_cli_runner().invoke(args=[name])
    assert result.exit_code == 1
    assert "is a file on this machine, not from S3" in result.output


def test_status_of_a_stopped_server_tells_what_s3_has(
    application: Application, command: Command, there: Object, onlooker: Onlooker
) -> None:
    application.post("/api/annotations", ANNOTATION)
    application.stop()
    code, text = command("status")
    assert code == 0
    assert f"S3: {there.uri} is at revision 0 (ahead)" in text
    assert json.loads(command("status", "--json")[1])["revision"]["s3"] == 0
    assert onlooker.requests == [], "nobody is asked"
    assert command("save-to-s3")[0] == 0
    assert f"S3: {there.uri} is at revision 1 (level, when it was last seen)" in command("status")[1]


@pytest.fixture
def onlooker(s3: S3Server, monkeypatch: pytest.MonkeyPatch) -> Iterator[Onlooker]:
    with onlooker_of(s3.url) as onlooker:
        lead_here(monkeypatch, s3.env(url=onlooker.url))
        yield onlooker
