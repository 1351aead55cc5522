"""A dataset in S3 at the start: when its local copy counts, and when S3's. Sending ours there is not tested here."""

from __future__ import annotations

import json
import logging
import os
import signal
import subprocess
import sys
from collections.abc import Iterator
from contextlib import ExitStack, closing
from pathlib import Path
from typing import Any

import pytest
from conftest import FakeClock, open_here
from s3_copies import LocalCopy, Object, sha256
from s3_faults import closed_address
from s3_onlooker import Onlooker, onlooker_of
from s3_servers import BUCKET, S3Server, lead_here
from servers import ROOT, until
from tracing import needs_strace, run_traced

from cocoannot import create_app
from cocoannot.errors import DatasetError, OwnedElsewhere, S3Conflict, S3Error, SaveError
from cocoannot.extension import runtime
from cocoannot.files.atomic import unfinished
from cocoannot.settings import S3Uri

pytestmark = pytest.mark.slow

AWAY = {"AWS_ENDPOINT_URL": closed_address()}


@pytest.fixture
def there(s3: S3Server) -> Iterator[Object]:
    """An object of this test's own, not there yet."""
    with closing(Object(s3, s3.new_key())) as there:
        yield there


@pytest.fixture
def copy(there: Object, tmp_path: Path, clock: FakeClock) -> LocalCopy:
    return LocalCopy(there.uri, tmp_path, clock)


@pytest.fixture
def level(copy: LocalCopy, there: Object, small: dict[str, Any]) -> LocalCopy:
    """A copy of the small dataset, as S3 has it."""
    there.put(small)
    return copy.start()


@pytest.fixture
def onlooker(s3: S3Server, monkeypatch: pytest.MonkeyPatch) -> Iterator[Onlooker]:
    with onlooker_of(s3.url) as onlooker:
        lead_here(monkeypatch, s3.env(url=onlooker.url))
        yield onlooker


def go_away(monkeypatch: pytest.MonkeyPatch) -> None:
    for name, value in AWAY.items():
        monkeypatch.setenv(name, value)


def files(folder: Path) -> list[str]:
    """The files below `folder`, but for those that are always there."""
    found = (path.relative_to(folder).as_posix() for path in folder.rglob("*") if path.is_file())
    return sorted(each for each in found if "/lock" not in each and "/state.json" not in each)


def test_without_a_copy_the_object_is_downloaded(copy: LocalCopy, there: Object, small: dict[str, Any]) -> None:
    data = there.put(b"\xef\xbb\xbf" + json.dumps(small, indent=3).encode() + b"\r\n")
    copy.start()
    assert copy.data == data
    assert copy.ids() == [1, 2, 7]
    assert (copy.state, copy.status.etag) == ("level", there.etag)
    assert copy.status.revision == copy.manager.revision


def test_without_edits_and_changes_in_s3_the_copy_is_used(level: LocalCopy, there: Object, onlooker: Onlooker) -> None:
    level.start()
    assert level.state == "level"
    assert [request.method for request in onlooker.requests] == ["HEAD"]


@needs_strace
def test_the_copy_is_read_once_at_a_start(level: LocalCopy, tmp_path: Path) -> None:
    script = """
import sys
from cocoannot import create_app
from cocoannot.extension import runtime
state = runtime(create_app({"COCOANNOT_DATASET": sys.argv[1], "COCOANNOT_CACHE": sys.argv[2]})).lifecycle
state.start("")
state.stop()
"""
    log = tmp_path / "log"
    for opened in (0, 1):
        done = run_traced(
            script, level.uri, tmp_path / "cache", options=["--seccomp-bpf", "-e", "trace=openat"], log=log
        )
        assert done.returncode == 0, done.stderr
        (path,) = (tmp_path / "cache" / "datasets").glob("*/*.json")
        # What was downloaded is read to load it.
        assert log.read_text().count(f'"{path}", O_RDONLY') == 1, opened


def test_without_edits_the_newer_object_is_downloaded(level: LocalCopy, there: Object, small: dict[str, Any]) -> None:
    revision = level.manager.revision
    del small["annotations"][2]
    theirs = there.put(small)
    level.start()
    assert level.data == theirs
    assert level.ids() == [1, 2]
    assert (level.state, level.status.etag) == ("level", there.etag)
    assert level.manager.revision > revision
    assert level.add() == 8, "an id that was taken once is not given again"


def test_uploaded_edits_are_no_edits(level: LocalCopy, there: Object, small: dict[str, Any]) -> None:
    level.add()
    level.upload()
    theirs = there.put(small)
    level.start()
    assert level.data == theirs
    assert level.state == "level"


@pytest.mark.parametrize("saved", [False, True])
def test_edits_that_are_not_uploaded_are_ahead(level: LocalCopy, there: Object, *, saved: bool) -> None:
    etag, added = there.etag, level.add()
    if saved:
        level.manager.save()
    assert level.state == "ahead"
    level.start()
    assert level.state == "ahead"
    assert level.ids() == [1, 2, 7, added]
    assert there.etag == etag


@pytest.mark.parametrize("saved", [False, True])
@pytest.mark.parametrize("gone", [False, True])
def test_edits_beside_a_changed_object_are_a_conflict_and_none_is_lost(
    level: LocalCopy, there: Object, small: dict[str, Any], caplog: pytest.LogCaptureFixture, *, saved: bool, gone: bool
) -> None:
    added = level.add()
    if saved:
        level.manager.save()
    theirs = there.put({**small, "annotations": []})
    if gone:
        there.delete()
    level.start()
    assert level.state == "conflict"
    assert level.ids() == [1, 2, 7, added]
    assert f"{there.uri} was {'deleted' if gone else 'changed'} by somebody else" in caplog.text
    assert there.others() == []
    if not gone:
        assert there.read() == theirs
    level.manager.save()
    assert level.ids() == [1, 2, 7, added]


def test_without_edits_a_deleted_object_is_a_conflict(level: LocalCopy, there: Object) -> None:
    data = level.data
    there.delete()
    level.start()
    assert level.state == "conflict"
    assert level.data == data
    assert level.ids() == [1, 2, 7]


def test_while_s3_is_away_the_copy_is_used(
    level: LocalCopy, there: Object, monkeypatch: pytest.MonkeyPatch, s3: S3Server
) -> None:
    added = level.add()
    go_away(monkeypatch)
    level.start()
    assert level.state == "unknown"
    assert "can't be reached" in (level.status.last_error or "")
    assert level.ids() == [1, 2, 7, added]
    assert level.manager.save()

    lead_here(monkeypatch, s3.env())
    level.start()
    assert (level.state, level.status.last_error) == ("ahead", None)


def test_copy_that_was_changed_by_hand_stops_the_start(level: LocalCopy, there: Object) -> None:
    level.path.write_bytes(level.data.replace(b"a small dataset", b"by hand"))
    data = level.data
    with pytest.raises(DatasetError) as stopped:
        level.start()
    assert f"{level.path} was changed by something else" in str(stopped.value)
    assert "flask pull-from-s3" in str(stopped.value)
    assert "flask save-to-s3 --on-conflict overwrite" in str(stopped.value)
    assert level.data == data


@pytest.mark.parametrize("state", [None, b"{", b'{"format": 1}'])
def test_copy_without_a_valid_state_stops_the_start(level: LocalCopy, there: Object, state: bytes | None) -> None:
    path = level.file.folder / "state.json"
    data = level.data
    if state is None:
        path.unlink()
    else:
        path.write_bytes(state)
    with pytest.raises(DatasetError) as stopped:
        level.start()
    if state is None:
        assert f"{level.path} is not known to be one of {there.uri}" in str(stopped.value)
        assert "flask pull-from-s3" in str(stopped.value)
    else:
        assert f"{path}: the state file is damaged" in str(stopped.value)
    assert level.data == data


def test_copy_of_another_object_stops_the_start(level: LocalCopy, there: Object, small: dict[str, Any]) -> None:
    there.put(small)
    other = LocalCopy(S3Uri(BUCKET, f"{there.uri.key}.other"), level.path.parent, level.clock)
    with pytest.raises(DatasetError, match="is not known to be one of"):
        other.start()


def test_without_a_copy_and_an_object_the_start_says_so(copy: LocalCopy, there: Object) -> None:
    with pytest.raises(S3Error) as stopped:
        copy.start()
    assert f"{there.uri}: there is no such object" in str(stopped.value)
    assert "COCOANNOT_CREATE=1" in str(stopped.value)
    assert files(copy.path.parent) == []


def test_without_a_copy_and_s3_the_start_says_so(
    copy: LocalCopy, there: Object, small: dict[str, Any], monkeypatch: pytest.MonkeyPatch
) -> None:
    there.put(small)
    go_away(monkeypatch)
    with pytest.raises(S3Error, match=f"{there.uri}: the server can't be reached"):
        copy.start()
    assert files(copy.path.parent) == []


def test_dataset_that_is_nowhere_is_made_when_that_is_asked_for(copy: LocalCopy, there: Object) -> None:
    copy.start(create=True)
    assert copy.ids() == []
    assert (copy.state, copy.status.etag, copy.status.revision) == ("ahead", None, None)
    copy.start()
    assert copy.state == "ahead"
    copy.upload()
    assert there.read() == copy.data
    copy.start()
    assert copy.state == "level"


def test_dataset_that_is_there_is_not_made_anew(copy: LocalCopy, there: Object, small: dict[str, Any]) -> None:
    there.put(small)
    copy.start(create=True)
    assert copy.ids() == [1, 2, 7]


def test_object_that_somebody_made_meanwhile_is_a_conflict_for_the_new_one(
    copy: LocalCopy, there: Object, small: dict[str, Any]
) -> None:
    copy.start(create=True)
    theirs = there.put(small)
    with pytest.raises(S3Conflict):
        copy.upload()
    assert there.read() == theirs


def test_revision_goes_on_in_a_fresh_cache(level: LocalCopy, there: Object, tmp_path: Path, clock: FakeClock) -> None:
    for _ in range(3):
        level.add()
    level.upload()
    (tmp_path / "other").mkdir()
    other = LocalCopy(there.uri, tmp_path / "other", clock).start()
    assert other.manager.revision == level.manager.revision >= 3
    assert other.state == "level"


@pytest.mark.parametrize("revision", ["", "-1", "1e9", "9" * 400, "x"])
def test_revision_that_is_none_counts_as_none(
    copy: LocalCopy, there: Object, small: dict[str, Any], revision: str
) -> None:
    there.put(small, {"cocoannot-revision": revision})
    copy.start()
    assert copy.manager.revision == 0


def test_download_with_another_checksum_is_refused(
    level: LocalCopy, there: Object, small: dict[str, Any], tmp_path: Path, clock: FakeClock
) -> None:
    data, etag = level.data, level.status.etag
    theirs = there.put({**small, "annotations": []}, {"cocoannot-sha256": sha256(b"something else")})
    with pytest.raises(S3Error, match="another checksum"):
        level.start()
    assert level.data == data
    (tmp_path / "other").mkdir()
    other = LocalCopy(there.uri, tmp_path / "other", clock)
    with pytest.raises(S3Error, match="another checksum"):
        other.start()
    assert files(tmp_path / "other") == []

    there.put(theirs, {"cocoannot-sha256": sha256(theirs)})
    level.start()
    assert (level.data, level.state) == (theirs, "level")
    assert level.status.etag == there.etag
    assert etag is not None


def test_object_that_changes_before_its_download_leaves_the_copy_as_it_was(
    level: LocalCopy, there: Object, onlooker: Onlooker, small: dict[str, Any]
) -> None:
    data = level.data
    there.put({**small, "annotations": []})
    newest = {**small, "images": small["images"][:2], "annotations": []}
    onlooker.at("before", "GET", lambda: there.put(newest))
    with pytest.raises(S3Error, match=str(there.uri)):
        level.start()
    assert level.data == data
    assert not unfinished(level.path).exists()
    level.start()
    assert level.data == there.read()


def test_download_that_is_cut_leaves_the_copy_as_it_was(level: LocalCopy, there: Object, small: dict[str, Any]) -> None:
    data = level.data
    there.put({**small, "info": {"description": "x" * 3_000_000}})

    def end() -> None:
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        level.start(beat=end)
    assert level.data == data
    assert not unfinished(level.path).exists()
    assert level.start().data == there.read()


def test_download_that_the_disk_does_not_take_gives_its_connection_up(
    copy: LocalCopy, there: Object, small: dict[str, Any]
) -> None:
    there.put({**small, "info": {"description": "x" * 3_000_000}})
    unfinished(copy.path).mkdir(parents=True)
    before = set(open_here("socket:").values())
    # What was raised keeps alive all that was in use.
    with pytest.raises(SaveError) as raised:
        copy.start()
    until(lambda: set(open_here("socket:").values()) <= before, "no connection is left")
    assert str(there.uri) in str(raised.value)
    unfinished(copy.path).rmdir()
    assert copy.start().data == there.read()


def test_object_that_is_no_dataset_is_replaced_by_the_next_one(
    copy: LocalCopy, there: Object, small: dict[str, Any]
) -> None:
    there.put(b"<html>Please log in</html>")
    for _ in range(2):
        with pytest.raises(DatasetError):
            copy.start()
    there.put(small)
    assert copy.start().ids() == [1, 2, 7]


def test_long_download_tells_how_far_it_is(
    copy: LocalCopy, there: Object, small: dict[str, Any], caplog: pytest.LogCaptureFixture, clock: FakeClock
) -> None:
    there.put({**small, "info": {"description": "x" * 3_000_000}})
    size = there.head()["ContentLength"]
    blocks: list[None] = []

    def take_a_while() -> None:
        blocks.append(None)
        clock.advance(2.6)

    with caplog.at_level(logging.INFO):
        copy.start(beat=take_a_while)
    told = [message for message in caplog.messages if f" of {size} bytes" in message]
    assert f"Downloading {there.uri} ({size} bytes) to {copy.path}" in caplog.messages
    assert len(told) == len(blocks) // 2 >= 1, "one in five seconds"
    assert all(message.startswith(f"Downloading {there.uri}: ") for message in told)


def test_s3a_is_the_same_place(there: Object, small: dict[str, Any], tmp_path: Path) -> None:
    there.put(small)
    uri = str(there.uri)
    for name in (uri, uri.replace("s3://", "s3a://"), uri.replace("s3://", "S3://")):
        app = create_app({"COCOANNOT_DATASET": name, "COCOANNOT_CACHE": tmp_path})
        runtime(app).lifecycle.start("")
        assert runtime(app).uri() == uri
        runtime(app).lifecycle.stop()
    assert len(list((tmp_path / "datasets").iterdir())) == 1


def test_each_object_has_a_folder_of_its_own(s3: S3Server, small: dict[str, Any], tmp_path: Path) -> None:
    keys = [s3.new_key(name) for name in ("a b.json", "a-b.json", "a/b.json", "ä.json", f"{'long/' * 60}x.json")]
    for number, key in enumerate(keys):
        with closing(Object(s3, key)) as there:
            there.put({**small, "info": {"description": str(number)}})
        app = create_app({"COCOANNOT_DATASET": f"s3://{BUCKET}/{key}", "COCOANNOT_CACHE": tmp_path})
        runtime(app).lifecycle.start("")
        assert app.test_client().get("/api/dataset").get_json()["info"]["description"] == str(number)
        runtime(app).lifecycle.stop()
    assert len(list((tmp_path / "datasets").iterdir())) == len(keys)


def test_second_server_of_a_copy_is_refused_before_s3_is_asked(
    there: Object, onlooker: Onlooker, small: dict[str, Any], tmp_path: Path
) -> None:
    there.put(small)
    settings = {"COCOANNOT_DATASET": str(there.uri), "COCOANNOT_CACHE": tmp_path}
    first, second = runtime(create_app(settings)).lifecycle, runtime(create_app(settings)).lifecycle
    try:
        first.start("http://127.0.0.1:1")
        asked = len(onlooker.requests)
        with pytest.raises(OwnedElsewhere, match=r"is in use by process \d+ at http://127.0.0.1:1"):
            second.start("", lock_timeout=0)
        assert len(onlooker.requests) == asked > 0
    finally:
        first.stop()


def test_start_that_s3_refuses_lets_go_of_the_copy(there: Object, small: dict[str, Any], tmp_path: Path) -> None:
    settings = {"COCOANNOT_DATASET": str(there.uri), "COCOANNOT_CACHE": tmp_path}
    first, second = runtime(create_app(settings)).lifecycle, runtime(create_app(settings)).lifecycle
    with pytest.raises(S3Error):
        first.start("")
    there.put(small)
    second.start("", lock_timeout=0)
    second.stop()


def test_there_and_back_over_tls(
    seaweedfs_tls: S3Server,
    monkeypatch: pytest.MonkeyPatch,
    small: dict[str, Any],
    tmp_path: Path,
    clock: FakeClock,
) -> None:
    lead_here(monkeypatch, seaweedfs_tls.env())
    with closing(Object(seaweedfs_tls, seaweedfs_tls.new_key())) as there:
        there.put(small)
        copy = LocalCopy(there.uri, tmp_path, clock).start()
        copy.add()
        copy.upload()
        assert copy.state == "level"
        assert there.read() == copy.data
        copy.path.unlink()
        assert copy.start().data == there.read()


def test_certificate_that_nobody_vouches_for_is_refused(
    seaweedfs_tls: S3Server, monkeypatch: pytest.MonkeyPatch, tmp_path: Path, clock: FakeClock
) -> None:
    env = seaweedfs_tls.env()
    del env["AWS_CA_BUNDLE"]
    lead_here(monkeypatch, env)
    copy = LocalCopy(S3Uri(BUCKET, seaweedfs_tls.new_key()), tmp_path, clock)
    with pytest.raises(S3Error, match="certificate"):
        copy.start()


@needs_strace
@pytest.mark.parametrize("before", ["nothing", "a copy", "create"])
def test_start_that_is_killed_at_any_renaming_leaves_nothing_to_decide(
    moto: S3Server,
    monkeypatch: pytest.MonkeyPatch,
    small: dict[str, Any],
    tmp_path: Path,
    clock: FakeClock,
    before: str,
) -> None:
    lead_here(monkeypatch, moto.env())
    create, attempts = before == "create", 6
    with ExitStack() as closed:
        objects = [closed.enter_context(closing(Object(moto, moto.new_key()))) for _ in range(attempts)]
        copies = [LocalCopy(there.uri, tmp_path / str(number), clock) for number, there in enumerate(objects)]
        for copy, there in zip(copies, objects, strict=True):
            copy.path.parent.mkdir()
            if not create:
                there.put(small)
            if before == "a copy":
                copy.start()
                there.put({**small, "annotations": []})
        pairs = [f"{copy.uri.key}={copy.path}" for copy in copies]
        command = [sys.executable, str(Path(__file__).with_name("s3_starts.py")), str(create), *pairs]
        env = {**os.environ, "PYTHONPATH": str(ROOT)}
        done = subprocess.run(command, env=env, capture_output=True, text=True, timeout=60)
        assert done.returncode == 0, done.stderr
        codes = [int(code) for code in done.stdout.split()]
        assert codes == sorted(codes), done.stderr
        assert len(codes) == attempts
        assert 2 <= codes.count(-signal.SIGKILL) < attempts
        assert codes[-1] == 0, done.stderr
        for number, (copy, there) in enumerate(zip(copies, objects, strict=True), 1):
            copy.start(create=create)
            if create:
                assert (copy.state, copy.ids()) == ("ahead", []), f"at renaming {number}"
            else:
                assert (copy.state, copy.data) == ("level", there.read()), f"at renaming {number}"
