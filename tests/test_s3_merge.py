"""Merging S3's version into ours: where the three versions come from, what is kept, what a crash leaves, and the words
of commands and API. How two sides are put together is tested in `test_merge`."""

from __future__ import annotations

import copy
import gzip
import json
import os
import signal
import subprocess
import sys
from collections.abc import Callable, Iterator
from contextlib import ExitStack, closing
from pathlib import Path
from typing import Any

import pytest
from api_client import Server as Application
from conftest import FakeClock
from s3_copies import LocalCopy, Object, sha256
from s3_copies import application as application
from s3_copies import path as path
from s3_onlooker import onlooker_of
from s3_servers import S3Server, lead_here
from servers import ROOT, Server, run_flask, serve
from tracing import needs_strace

from cocoannot import create_app
from cocoannot.changes.change import Change
from cocoannot.errors import Conflict, S3Conflict, S3Error, SaveError
from cocoannot.files.agreed import AgreedVersions
from cocoannot.files.state import Remote
from cocoannot.replica.merging import MergeResult
from cocoannot.settings import S3Uri, Settings
from cocoannot.store.base import Export, Texts

pytestmark = pytest.mark.slow

Dataset = dict[str, Any]
NEW = {"image_id": 4, "category_id": 2, "bbox": [5, 5, 6, 6]}


@pytest.fixture
def there(s3: S3Server) -> Iterator[Object]:
    """An object of this test's own, not there yet."""
    with closing(Object(s3, s3.new_key())) as there:
        yield there


@pytest.fixture
def level(there: Object, tmp_path: Path, clock: FakeClock, small: Dataset) -> LocalCopy:
    """A copy of the small dataset, as S3 has it."""
    there.put(small)
    return LocalCopy(there.uri, tmp_path, clock).start()


def theirs_of(small: Dataset) -> Dataset:
    """What somebody else made of the small dataset: a field of 1 and of 2, 7 deleted, 8 added."""
    theirs = copy.deepcopy(small)
    theirs["annotations"][0]["note"] = "theirs"
    theirs["annotations"][1]["category_id"] = 1
    theirs["annotations"][2] = {"id": 8, "image_id": 2, "category_id": 1, "bbox": [1, 1, 2, 2], "area": 4, "by": "them"}
    return theirs


def ours_on(copy: LocalCopy) -> int:
    """What we do: a field of 1, a box added; returns its id."""
    copy.manager.update_annotation(1, {"score": 0.5})
    return int(copy.manager.add_annotation(NEW)["id"])


def merge(copy: LocalCopy, choice: Any = None, *, dry_run: bool = False) -> MergeResult:
    return copy.s3.merge(copy.store, choice, dry_run=dry_run, actor="anna")


def records_of(copy: LocalCopy) -> dict[int, Dataset]:
    return {each["id"]: each for each in json.loads(b"".join(copy.store.export().blocks))["annotations"]}


def kept(copy: LocalCopy) -> list[str]:
    """The contents that are kept for a merge, by sha256."""
    return sorted(path.name for path in copy.file.agreed.folder.iterdir())


def test_what_both_sides_did_comes_together_and_is_ahead_of_theirs(
    level: LocalCopy, there: Object, small: Dataset
) -> None:
    added = ours_on(level)
    assert added == 8, "the id that they give too"
    data = there.put(theirs_of(small))
    assert merge(level).base == "kept"
    merged = records_of(level)
    assert merged[1] == {**small["annotations"][0], "note": "theirs", "score": 0.5}
    assert merged[2]["category_id"] == 1
    assert merged[8]["by"] == "them"
    assert merged[9]["bbox"] == NEW["bbox"], "ours has a new id"
    assert sorted(merged) == [1, 2, 8, 9]
    assert there.read() == data, "nothing is uploaded"
    assert (level.state, level.status.etag) == ("ahead", there.etag)
    assert kept(level) == [sha256(data)]
    assert json.loads(level.data) == json.loads(b"".join(level.store.export().blocks)), "it is in the file"
    uploaded = level.upload()
    assert (uploaded.kept, level.state, there.read()) == (None, "level", level.data)
    assert kept(level) == [sha256(level.data)]


def test_the_merge_is_one_change_with_its_author(level: LocalCopy, there: Object, small: Dataset) -> None:
    ours_on(level)
    there.put(theirs_of(small))
    before = level.manager.revision
    assert merge(level).revision == before + 1 == level.manager.revision
    change = level.store.change(before + 1)
    assert change is not None
    assert (change.actor, change.replaced) == ("anna", ("annotations",))
    assert level.start().manager.revision == before + 1
    assert level.state == "ahead"
    assert level.add() == 10, "no id is given twice"


def test_a_dry_run_tells_and_changes_nothing(level: LocalCopy, there: Object, small: Dataset) -> None:
    ours_on(level)
    data, names = level.data, kept(level)
    there.put(theirs_of(small))
    told = merge(level, dry_run=True)
    assert told.report.counts["annotations"].changed_by_them == 1
    assert told.report.renumbered["annotations"] == {8: 9}
    assert (level.data, kept(level), level.manager.revision) == (data, names, told.revision)
    assert level.state == "conflict"


@pytest.mark.parametrize("choice", ["ours", "theirs"])
def test_conflicts_are_refused_with_their_list_until_somebody_chooses(
    level: LocalCopy, there: Object, small: Dataset, choice: str
) -> None:
    level.manager.update_annotation(2, {"category_id": 5, "note": "ours"})
    there.put(theirs_of(small))
    revision = level.manager.revision
    with pytest.raises(S3Conflict, match="annotations 2: both sides changed category_id") as caught:
        merge(level)
    assert caught.value.details["conflicts"] == [
        {"section": "annotations", "id": 2, "kind": "fields", "fields": ["category_id"], "taken": None}
    ]
    assert caught.value.details["choices"] == ["ours", "theirs"]
    assert level.manager.revision == revision
    merge(level, choice)
    assert records_of(level)[2]["category_id"] == {"ours": 5, "theirs": 1}[choice]
    assert records_of(level)[2]["note"] == "ours"


def test_without_a_conflict_there_is_nothing_to_merge(level: LocalCopy, there: Object, small: Dataset) -> None:
    assert not merge(level).is_needed
    ours_on(level)
    data = level.data
    assert not merge(level).is_needed
    assert (level.data, level.state) == (data, "ahead")
    there.delete()
    with pytest.raises(S3Error, match="there is no such object"):
        merge(level)


def test_a_version_that_only_looks_otherwise_is_agreed_without_a_change(
    level: LocalCopy, there: Object, small: Dataset
) -> None:
    ours_on(level)
    level.manager.save()
    data, revision = level.data, level.manager.revision
    there.put(json.dumps(small, indent=2, sort_keys=True).encode())
    merge(level)
    assert (level.data, level.manager.revision, level.state) == (data, revision, "ahead")
    assert level.start().state == "ahead"
    level.upload()
    assert there.read() == data


def test_edits_are_still_edits_after_a_merge_that_changed_nothing(
    level: LocalCopy, there: Object, small: Dataset
) -> None:
    """A start would download over them else."""
    added = ours_on(level)
    there.put(json.dumps(small, indent=1).encode())
    merge(level)
    there.put({**small, "annotations": []})
    assert level.start().state == "conflict"
    assert added in level.ids()


# What the merge begins with


@pytest.mark.parametrize("way", ["download", "upload", "pull", "older program"])
def test_what_was_agreed_is_a_link_to_the_file(level: LocalCopy, there: Object, way: str) -> None:
    match way:
        case "upload":
            level.add()
            level.upload()
        case "pull":
            level.open().s3.pull(lambda: None, "now")
        case "older program":
            (link,) = level.file.agreed.folder.iterdir()
            link.unlink()
            level.start()
    assert kept(level) == [sha256(there.read())]
    assert os.path.samefile(level.file.agreed.folder / kept(level)[0], level.path)
    level.start()
    level.add()
    assert level.manager.save()
    assert (level.file.agreed.folder / kept(level)[0]).read_bytes() == there.read(), "the file goes on without it"


def test_where_there_can_be_no_link_a_copy_is_kept(tmp_path: Path, elsewhere: Path) -> None:
    file, versions = tmp_path / "file", AgreedVersions(elsewhere / "agreed")
    for text in (b"text", b"other"):
        file.write_bytes(text)
        versions.keep(file, sha256(text))
        assert versions.read(sha256(text)) == text
    versions.forget_others({sha256(b"other")})
    assert [path.name for path in versions.folder.iterdir()] == [sha256(b"other")]


def test_a_kept_version_that_was_written_over_is_not_taken_for_it(
    level: LocalCopy, there: Object, small: Dataset, caplog: pytest.LogCaptureFixture
) -> None:
    """By an editor that writes into the file, and so into the link."""
    with level.path.open("r+b") as file:
        file.write(b' {"annotations": []}')
        file.truncate()
    there.put(theirs_of(small))
    copy = LocalCopy(level.uri, level.path.parent, level.clock).open()
    copy.store.load_file(copy.file)
    assert merge(copy).base == "none"
    assert "the version agreed last is not kept any more" in caplog.text
    assert sorted(records_of(copy)) == [1, 2, 8]


def test_without_the_version_agreed_last_nothing_counts_as_deleted(
    level: LocalCopy, there: Object, small: Dataset
) -> None:
    ours_on(level)
    (level.file.agreed.folder / kept(level)[0]).unlink()
    there.put(theirs_of(small))
    with pytest.raises(S3Conflict):
        merge(level)
    told = merge(level, "ours")
    assert told.base == "none"
    assert {each.id for each in told.report.conflicts} == {2, 8}
    assert sorted(records_of(level)) == [1, 2, 7, 8]
    assert (level.state, level.status.etag) == ("ahead", there.etag)


def test_an_older_version_is_taken_from_a_bucket_that_has_them(
    level: LocalCopy, there: Object, small: Dataset, s3: S3Server, tmp_path: Path
) -> None:
    bucket = f"versions-{tmp_path.name[-1]}-{s3.kind}"
    with closing(s3.client()) as client:
        client.create_bucket(Bucket=bucket)
        client.put_bucket_versioning(Bucket=bucket, VersioningConfiguration={"Status": "Enabled"})

        def put(content: Dataset) -> None:
            client.put_object(Bucket=bucket, Key="a.json", Body=json.dumps(content).encode())

        put(small)
        folder = tmp_path / "versioned"
        folder.mkdir()
        copy = LocalCopy(S3Uri(bucket, "a.json"), folder, level.clock).start()
        for deleted in (2, 7):
            left = [each for each in json.loads(copy.data)["annotations"] if each["id"] != deleted]
            (copy.file.agreed.folder / kept(copy)[0]).unlink()
            copy.manager.update_annotation(1, {"score": deleted})
            put({**small, "annotations": left})
            assert merge(copy).base == "s3_version"
            assert deleted not in records_of(copy), "it was there in the older version"
            assert copy.state == "ahead"
            # S3 tells the version of what is uploaded too.
            copy.upload()


def test_a_copy_of_another_object_is_merged_without_an_agreed_version(
    level: LocalCopy, there: Object, small: Dataset, s3: S3Server
) -> None:
    with closing(Object(s3, s3.new_key())) as other:
        other.put(small)
        copy = LocalCopy(other.uri, level.path.parent, level.clock).open()
        copy.store.load_file(copy.file)
        assert merge(copy).base == "none"
        assert (copy.state, copy.status.etag) == ("ahead", other.etag)


def test_a_gzip_object_is_merged(there: Object, tmp_path: Path, clock: FakeClock, small: Dataset, s3: S3Server) -> None:
    with closing(Object(s3, s3.new_key("a.json.gz"))) as packed:
        packed.put(gzip.compress(json.dumps(small).encode()))
        copy = LocalCopy(packed.uri, tmp_path, clock)
        copy.path = tmp_path / "a.json.gz"
        copy.start()
        ours_on(copy)
        packed.put(gzip.compress(json.dumps(theirs_of(small)).encode()))
        assert merge(copy).base == "kept"
        assert sorted(records_of(copy)) == [1, 2, 8, 9]
        copy.upload()
        assert sorted(each["id"] for each in json.loads(gzip.decompress(packed.read()))["annotations"]) == [1, 2, 8, 9]


# What goes wrong


@pytest.mark.parametrize(
    ("data", "words"),
    [
        (b'{"images": [', "can't be merged: S3's version"),
        (b'{"images": [{"id": 1}, {"id": 1}], "annotations": []}', "image id 1 is there more than once"),
    ],
)
def test_a_version_that_is_no_dataset_is_refused(level: LocalCopy, there: Object, data: bytes, words: str) -> None:
    ours_on(level)
    names = kept(level)
    there.put(data)
    with pytest.raises(Conflict, match=words):
        merge(level)
    assert (kept(level), level.state) == (names, "conflict")


def test_what_comes_broken_is_not_merged(
    level: LocalCopy, there: Object, small: Dataset, s3: S3Server, monkeypatch: pytest.MonkeyPatch
) -> None:
    ours_on(level)
    names = kept(level)
    there.put(theirs_of(small), {"cocoannot-sha256": "0" * 64})
    with pytest.raises(S3Error, match="another checksum"):
        merge(level)
    with onlooker_of(s3.url) as onlooker:
        lead_here(monkeypatch, s3.env(url=onlooker.url))
        copy = LocalCopy(level.uri, level.path.parent, level.clock).start()
        onlooker.at("before", "GET", lambda: there.put(small))
        with pytest.raises(S3Error, match="changed in this moment"):
            merge(copy)
    assert kept(level) == names


@pytest.mark.parametrize(("changes", "attempts"), [(1, 2), (10, 3)])
def test_a_change_that_is_made_meanwhile_is_merged_too(
    level: LocalCopy, there: Object, small: Dataset, changes: int, attempts: int
) -> None:
    """Where changes go on, those who make them wait for the last attempt."""
    ours_on(level)
    there.put(theirs_of(small))
    before = len(level.ids())
    dataset = _Disturbed(level, changes)
    level.s3.merge(dataset)
    assert (dataset.exports, dataset.is_alone) == (attempts, attempts == 3)
    assert len(level.ids()) == before + min(changes, 2)
    assert level.state == "ahead"
    assert level.start().ids() == [each["id"] for each in json.loads(level.data)["annotations"]]


class _Disturbed:
    """The store; somebody changes it after each of its first exports, unless nobody can."""

    def __init__(self, copy: LocalCopy, changes: int = 0) -> None:
        self._copy = copy
        self._changes = changes
        self.exports = 0
        self.is_alone = False
        self.next_id = copy.store.next_id
        self.remember_remote: Callable[[Remote], None] = copy.store.remember_remote

    def export(self) -> Export:
        exported = self._copy.store.export()
        self.exports += 1
        if self.exports <= self._changes and not self.is_alone:
            self._copy.add()
        return exported

    def replace(self, texts: Texts, *, actor: str | None = None, if_revision: int | None = None) -> Change:
        self.is_alone = callable(texts)
        return self._copy.store.replace(texts, actor=actor, if_revision=if_revision)


def test_a_full_disk_leaves_everything_as_it_was(level: LocalCopy, there: Object, small: Dataset) -> None:
    ours_on(level)
    data = there.put(theirs_of(small))
    folder = level.file.agreed.folder
    names = kept(level)
    # A folder stands where the file in the making would be.
    (folder / ".coming.unfinished").mkdir()
    with pytest.raises(SaveError, match="nothing was changed"):
        merge(level)
    (folder / ".coming.unfinished").rmdir()
    assert (kept(level), level.state, there.read()) == (names, "conflict", data)
    merge(level)
    assert level.state == "ahead"


def test_an_upload_and_a_merge_exclude_one_another(
    level: LocalCopy, there: Object, small: Dataset, s3: S3Server, monkeypatch: pytest.MonkeyPatch
) -> None:
    with onlooker_of(s3.url) as onlooker:
        lead_here(monkeypatch, s3.env(url=onlooker.url))
        copy = LocalCopy(level.uri, level.path.parent, level.clock).start()
        copy.add()
        refused = []

        def try_both() -> None:
            for call in (copy.upload, lambda: merge(copy)):
                with pytest.raises(Conflict, match="is running; wait for it") as caught:
                    call()
                refused.append(caught.value)

        onlooker.at("before", "PUT", try_both)
        copy.upload()
        there.put(theirs_of(small))
        copy.add()
        onlooker.at("before", "GET", try_both)
        merge(copy, "ours")
        assert len(refused) == 4


def test_a_merge_that_died_before_it_was_written_down_is_made_again(
    level: LocalCopy, there: Object, small: Dataset
) -> None:
    """The file has both then, and what was agreed before still counts."""
    ours_on(level)
    data = there.put(theirs_of(small))

    class Died(Exception):
        pass

    def die(_: Remote) -> None:
        raise Died

    dataset = _Disturbed(level)
    dataset.remember_remote = die
    with pytest.raises(Died):
        level.s3.merge(dataset)
    merged = records_of(level)
    level.start()
    assert (level.state, records_of(level)) == ("conflict", merged)
    assert merge(level).base == "kept"
    assert records_of(level) == merged
    assert (level.state, kept(level)) == ("ahead", [sha256(data)])


@needs_strace
@pytest.mark.parametrize(("call", "attempts"), [("link", 3), ("rename", 14), ("unlink", 14)])
def test_whenever_a_merge_or_its_upload_dies_nothing_is_lost_or_mixed_up(
    moto: S3Server,
    small: Dataset,
    tmp_path: Path,
    clock: FakeClock,
    monkeypatch: pytest.MonkeyPatch,
    call: str,
    attempts: int,
) -> None:
    lead_here(monkeypatch, moto.env())
    with ExitStack() as stack:
        objects = [stack.enter_context(closing(Object(moto, moto.new_key()))) for _ in range(attempts)]
        copies = []
        for number, there in enumerate(objects):
            folder = tmp_path / str(number)
            folder.mkdir()
            there.put(small)
            copies.append(LocalCopy(there.uri, folder, clock).start())
            ours_on(copies[-1])
            there.put(theirs_of(small))
        pairs = [f"{copy.uri.key}={copy.path}" for copy in copies]
        command = [sys.executable, str(Path(__file__).with_name("s3_merges.py")), call, *pairs]
        env = {**os.environ, "PYTHONPATH": str(ROOT)}
        done = subprocess.run(command, env=env, capture_output=True, text=True, timeout=120)
        assert done.returncode == 0, done.stderr
        codes = [int(code) for code in done.stdout.split()]
        assert len(codes) == attempts
        assert 1 <= codes.count(-signal.SIGKILL) < attempts, codes
        assert codes[-1] == 0, done.stderr
        states = set()
        for number, (copy, there) in enumerate(zip(copies, objects, strict=True), 1):
            copy.start()
            states.add(copy.state)
            agreed = copy.file.identity.remote
            assert agreed is not None
            known = copy.file.agreed.read(agreed.sha256)
            assert known is not None, f"at {call} {number}"
            if copy.state != "conflict":
                assert known == there.read(), f"at {call} {number}"
            assert not merge(copy).is_needed or copy.state == "ahead"
            copy.upload()
            assert copy.state == "level"
            found = {each["id"]: each for each in json.loads(there.read())["annotations"]}
            assert (found[1]["score"], found[1]["note"]) == (0.5, "theirs"), f"at {call} {number}"
            # An id that may have been given is not given again.
            ours = max(found)
            assert (sorted(found), found[ours]["bbox"]) == ([1, 2, 8, ours], NEW["bbox"]), f"at {call} {number}"
            assert kept(copy) == [sha256(there.read())], f"at {call} {number}"
        assert states <= {"conflict", "ahead", "level"}


# Over HTTP, and by commands


@pytest.fixture
def settings(there: Object, tmp_path: Path, small: Dataset) -> dict[str, str]:
    there.put(small)
    return {"COCOANNOT_DATASET": str(there.uri), "COCOANNOT_CACHE": str(tmp_path / "cache")}


def test_merging_over_http(application: Application, there: Object, small: Dataset) -> None:
    answer = application.post("/api/s3/merge")
    assert (answer.status_code, answer.json["needed"]) == (200, False)
    application.patch("/api/annotations/1", {"score": 0.5})
    added = application.post("/api/annotations", NEW).json["id"]
    there.put(theirs_of(small))
    refused = application.post("/api/save-to-s3")
    assert refused.status_code == 409
    assert "merge-from-s3" in refused.json["errors"]["choices"]
    told = application.post("/api/s3/merge", {"dry_run": True}).json
    assert (told["dry_run"], told["needed"], told["base"]) == (True, True, "kept")
    assert told["counts"]["annotations"] | {"merged": 1, "changed_by_them": 1} == told["counts"]["annotations"]
    assert told["renumbered"]["annotations"] == [{"from": added, "to": added + 1}]
    assert application.ids("/api/annotations") == [1, 2, 7, added]
    answer = application.post("/api/s3/merge", {})
    assert answer.status_code == 200
    assert answer.json == {**told, "dry_run": False, "revision": application.revision}
    assert application.ids("/api/annotations") == [1, 2, added + 1, added]
    assert application.get("/api/changes").json[-1]["kind"] == "reset"
    status = application.get("/api/status").json
    assert (status["s3"]["state"], status["s3"]["etag"]) == ("ahead", there.etag)
    assert status["revision"]["s3"] < status["revision"]["memory"] == status["revision"]["file"]
    assert application.post("/api/save-to-s3").status_code == 200
    assert application.get("/api/s3").json["state"] == "level"


def test_conflicts_over_http_are_listed_and_chosen(application: Application, there: Object, small: Dataset) -> None:
    application.patch("/api/annotations/2", {"category_id": 5})
    there.put(theirs_of(small))
    answer = application.post("/api/s3/merge")
    assert answer.status_code == 409
    assert answer.json["errors"]["undecided_count"] == 1
    assert answer.json["errors"]["conflicts"][0]["fields"] == ["category_id"]
    assert application.post("/api/s3/merge", {"dry_run": True}).json["conflicts"] == answer.json["errors"]["conflicts"]
    for body in ({"on_conflict": "mine"}, {"dry_run": "yes"}, {"other": 1}):
        assert application.post("/api/s3/merge", body).status_code == 422
    assert application.post("/api/s3/merge", {"on_conflict": "theirs"}).json["undecided_count"] == 0
    assert application.get("/api/annotations/2").json["category_id"] == 1


def test_a_dataset_on_disk_has_nothing_to_merge(api: Application) -> None:
    answer = api.post("/api/s3/merge")
    assert (answer.status_code, "not from S3" in answer.json["message"]) == (400, True)


def test_what_s3_refuses_is_a_502(application: Application, there: Object) -> None:
    there.delete()
    assert application.post("/api/s3/merge").status_code == 502


def command(settings: dict[str, str], *args: str) -> tuple[int, str]:
    result = create_app(settings).test_cli_runner().invoke(args=list(args))
    assert result.exception is None or isinstance(result.exception, SystemExit), result.exception
    return result.exit_code, result.output


def test_the_command_merges_where_no_server_runs(
    application: Application, settings: dict[str, str], there: Object, small: Dataset, path: Path
) -> None:
    application.patch("/api/annotations/2", {"category_id": 5})
    application.post("/api/annotations", NEW)
    application.stop()
    there.put(theirs_of(small))
    data = path.read_bytes()
    code, text = command(settings, "merge-from-s3")
    assert code == 1
    assert text.splitlines()[0] == "annotations 2: both sides changed category_id"
    assert "--on-conflict ours" in text
    code, text = command(settings, "merge-from-s3", "--dry-run")
    assert code == 0, text
    assert text.splitlines() == [
        f"Would merge {there.uri}",
        "annotations: 1 added by them, 1 changed by them, 1 deleted by them, 1 renumbered",
        "annotations 2: both sides changed category_id",
    ]
    assert path.read_bytes() == data
    code, text = command(settings, "merge-from-s3", "--on-conflict", "theirs", "--json")
    assert code == 0, text
    assert json.loads(text)["conflicts"][0]["taken"] == "theirs"
    assert {each["id"]: each["category_id"] for each in json.loads(path.read_bytes())["annotations"]}[2] == 1
    assert command(settings, "merge-from-s3") == (
        0,
        f"{there.uri} is as it was agreed last, so there is nothing to merge\n",
    )
    code, text = command(settings, "save-to-s3")
    assert code == 0, text
    assert there.read() == path.read_bytes()


def test_the_command_needs_a_copy_and_a_dataset_from_s3(settings: dict[str, str], tmp_path: Path) -> None:
    code, text = command(settings, "merge-from-s3")
    assert (code, "there is no local copy" in text) == (1, True)
    code, text = command({"COCOANNOT_DATASET": str(tmp_path / "a.json")}, "merge-from-s3")
    assert (code, "not from S3" in text) == (1, True)


def test_the_command_asks_the_running_server(
    seaweedfs: S3Server, small: Dataset, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Two people, each with a server of their own, on one object: all that both did is there in the end."""
    lead_here(monkeypatch, seaweedfs.env())
    with closing(Object(seaweedfs, seaweedfs.new_key())) as there:
        there.put(small)
        envs = [{"COCOANNOT_DATASET": str(there.uri), "COCOANNOT_CACHE": str(tmp_path / name)} for name in "ab"]
        paths = [Settings.read(env, {}).dataset_path() for env in envs]
        for path in paths:
            path.parent.mkdir(parents=True, exist_ok=True)
        with serve(paths[0], env=envs[0]) as anna, serve(paths[1], env=envs[1]) as ben:
            for name, server in (("anna", anna), ("ben", ben)):
                _send(server, "PATCH", "/api/annotations/1", {name: True})
                _send(server, "PATCH", "/api/annotations/2", {"by": name})
                _send(server, "POST", "/api/annotations", {**NEW, "by": name})
            assert run_flask(paths[0], "save-to-s3", env=envs[0])[0] == 0
            code, text = run_flask(paths[1], "save-to-s3", env=envs[1])
            assert (code, "flask merge-from-s3" in text) == (1, True), text
            code, text = run_flask(paths[1], "merge-from-s3", env=envs[1])
            assert code == 1
            assert "annotations 2: both sides changed by\n" in text
            code, text = run_flask(paths[1], "merge-from-s3", "--on-conflict", "ours", env=envs[1])
            assert code == 0, text
            assert f"Merged {there.uri}, revision 4; `flask save-to-s3` uploads it" in text
            assert "annotations 2: both sides changed by; ours taken" in text
            code, text = run_flask(paths[1], "save-to-s3", env=envs[1])
            assert code == 0, text
            merged = {each["id"]: each for each in json.loads(there.read())["annotations"]}
            assert (merged[1]["anna"], merged[1]["ben"], merged[2]["by"]) == (True, True, "ben")
            assert [merged[8]["by"], merged[9]["by"]] == ["anna", "ben"]
            code, text = run_flask(paths[0], "merge-from-s3", "--on-conflict", "theirs", env=envs[0])
            assert code == 0, text
            assert merged == {each["id"]: each for each in json.loads(paths[0].read_bytes())["annotations"]}


def _send(server: Server, method: str, url: str, body: Dataset) -> None:
    assert server.request(method, url, body).status < 300
