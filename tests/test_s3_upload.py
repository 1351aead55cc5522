"""Sending the dataset to S3: exactly what was saved, once, and over nobody's work. Starts are not tested here."""

from __future__ import annotations

import json
import os
import random
import signal
import threading
from collections.abc import Callable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import closing, suppress
from http.client import HTTPException
from pathlib import Path
from typing import Any

import pytest
from conftest import FakeClock
from s3_copies import OPTIONS, LocalCopy, Object, sha256
from s3_onlooker import Lose, Onlooker, onlooker_of
from s3_servers import S3Server, lead_here
from servers import Server, send, serve, until

from cocoannot.errors import Conflict, S3Conflict, S3Error
from cocoannot.files.dataset_file import OpenedFile
from cocoannot.files.state import Remote, Version
from cocoannot.replica.upload import Uploaded
from cocoannot.s3.bucket import MAX_BYTES
from cocoannot.settings import Settings

pytestmark = pytest.mark.slow


@pytest.fixture
def there(s3: S3Server, small: dict[str, Any]) -> Iterator[Object]:
    """An object of this test's own: the small dataset."""
    with closing(Object(s3, s3.new_key())) as there:
        there.put(small)
        yield there


@pytest.fixture
def onlooker(s3: S3Server, monkeypatch: pytest.MonkeyPatch) -> Iterator[Onlooker]:
    with onlooker_of(s3.url) as onlooker:
        lead_here(monkeypatch, s3.env(url=onlooker.url))
        yield onlooker


@pytest.fixture
def copy(there: Object, onlooker: Onlooker, tmp_path: Path, clock: FakeClock) -> LocalCopy:
    """A copy of the small dataset, level, whose requests the onlooker sees."""
    return LocalCopy(there.uri, tmp_path, clock).start()


@pytest.fixture
def make_copy(there: Object, onlooker: Onlooker, tmp_path: Path, clock: FakeClock) -> Callable[[str], LocalCopy]:
    """Makes another machine's copy, level."""

    def make_copy(name: str) -> LocalCopy:
        (tmp_path / name).mkdir()
        return LocalCopy(there.uri, tmp_path / name, clock).start()

    return make_copy


def lose() -> None:
    raise Lose


def annotation_ids_in(data: bytes) -> list[int]:
    return [annotation["id"] for annotation in json.loads(data)["annotations"]]


def test_object_is_what_the_save_left_in_one_conditional_put(
    copy: LocalCopy, there: Object, onlooker: Onlooker
) -> None:
    before, added = there.etag, copy.add()
    uploaded = copy.upload()
    assert there.read() == copy.data
    assert annotation_ids_in(copy.data) == [1, 2, 7, added]
    assert there.metadata == {
        "cocoannot-sha256": sha256(copy.data),
        "cocoannot-revision": str(copy.manager.revision),
    }
    [put] = onlooker.of("PUT")
    assert put.headers["if-match"] == before
    assert put.headers["content-type"] == "application/json"
    assert uploaded == Uploaded(str(there.uri), there.etag, len(copy.data), copy.manager.revision, None)
    status = copy.status
    assert (status.state, status.etag, status.revision) == ("level", there.etag, copy.manager.revision)
    assert status.uploaded_at == copy.clock.time()
    assert status.uploading is None
    assert there.others() == []


def test_first_upload_of_a_new_dataset_asks_that_there_is_none(
    there: Object, onlooker: Onlooker, tmp_path: Path, clock: FakeClock
) -> None:
    there.delete()
    copy = LocalCopy(there.uri, tmp_path, clock).start(create=True)
    copy.upload()
    [put] = onlooker.of("PUT")
    assert put.headers["if-none-match"] == "*"
    assert there.read() == copy.data


def test_nothing_is_sent_where_s3_has_it(copy: LocalCopy, onlooker: Onlooker) -> None:
    assert copy.upload().etag == copy.status.etag
    assert onlooker.of("PUT") == []
    copy.add()
    first = copy.upload()
    assert copy.upload() == first
    copy.start()
    assert copy.upload() == first
    assert len(onlooker.of("PUT")) == 1


def test_change_that_was_taken_back_is_not_sent(copy: LocalCopy, onlooker: Onlooker) -> None:
    copy.manager.delete_annotation(copy.add())
    revision = copy.manager.revision
    assert copy.state == "ahead"
    assert copy.upload().revision == revision
    assert onlooker.of("PUT") == []
    assert copy.state == "level"
    assert copy.start().state == "level"


@pytest.mark.parametrize("request_kind", ["HEAD", "PUT"])
def test_save_during_an_upload_does_not_mix_into_it(
    copy: LocalCopy, there: Object, onlooker: Onlooker, request_kind: str
) -> None:
    first = copy.add()
    copy.manager.save()
    data = copy.data

    def save_more() -> None:
        copy.add()
        assert copy.manager.save()

    onlooker.at("before", request_kind, save_more)
    uploaded = copy.upload()
    assert copy.data != data
    assert there.read() == data
    assert annotation_ids_in(data) == [1, 2, 7, first]
    assert there.metadata["cocoannot-sha256"] == sha256(data)
    assert uploaded.revision == copy.manager.revision - 1
    assert copy.state == "ahead"
    assert copy.start().state == "ahead"
    copy.upload()
    assert there.read() == copy.data


def test_change_during_an_upload_stays_ahead(copy: LocalCopy, onlooker: Onlooker) -> None:
    copy.add()
    onlooker.at("after", "PUT", copy.add)
    uploaded = copy.upload()
    assert copy.status.revision == uploaded.revision == copy.manager.revision - 1
    assert copy.state == "ahead"
    copy.upload()
    assert copy.state == "level"


def test_dataset_that_one_request_does_not_bring_is_a_clear_error(
    copy: LocalCopy, there: Object, onlooker: Onlooker, tmp_path: Path
) -> None:
    class Huge:
        """A dataset whose file is one byte larger than that."""

        def save(self) -> None:
            """Nothing is pending."""

        def hold_file(self) -> OpenedFile:
            path = tmp_path / "huge"
            with path.open("wb") as file:
                file.truncate(MAX_BYTES + 1)
            return OpenedFile(path.open("rb"), Version(MAX_BYTES + 1, sha256(b""), 9, {}))

        def remember_remote(self, remote: Remote) -> None:
            raise AssertionError(f"nothing is agreed on, but {remote} was")

    etag = there.etag
    with pytest.raises(S3Error, match=f"upload {there.uri}: {MAX_BYTES + 1} bytes; one request brings {MAX_BYTES}"):
        copy.s3.upload(Huge())
    assert there.etag == etag
    assert onlooker.of("PUT") == []


def test_one_upload_at_a_time_and_it_tells_how_far_it_is(
    there: Object, onlooker: Onlooker, small: dict[str, Any], tmp_path: Path, clock: FakeClock
) -> None:
    there.put({**small, "info": {"description": "x" * 24_000_000}})
    copy = LocalCopy(there.uri, tmp_path, clock).start()
    copy.add()
    reached, go_on = threading.Event(), threading.Event()

    def wait() -> None:
        reached.set()
        assert go_on.wait(30)

    onlooker.at("amid", "PUT", wait, at_byte=1_000_000)
    with ThreadPoolExecutor(1) as pool:
        upload: Future[Uploaded] = pool.submit(copy.upload)
        try:
            assert reached.wait(30)
            progress = copy.status.uploading
            assert progress is not None
            assert 1_000_000 <= progress.bytes < progress.total
            with pytest.raises(Conflict, match=r"an upload to .* is running"):
                copy.upload()
            asked = len(onlooker.of("HEAD"))
            copy.s3.refresh(copy.store)
            assert len(onlooker.of("HEAD")) == asked
            assert copy.add()
            assert copy.manager.save()
        finally:
            go_on.set()
        assert upload.result().size == progress.total
    assert copy.status.uploading is None
    assert copy.state == "ahead"
    copy.upload()
    assert there.read() == copy.data


def test_put_whose_answer_was_lost_is_a_success(copy: LocalCopy, there: Object, onlooker: Onlooker) -> None:
    copy.add()
    onlooker.at("after", "PUT", lose)
    uploaded = copy.upload()
    assert uploaded.etag == there.etag
    assert there.read() == copy.data
    # The second is refused, since the first has worked.
    assert [put.status for put in onlooker.of("PUT")] == [0, 412]
    assert (copy.state, copy.status.last_error) == ("level", None)


@pytest.mark.parametrize("restarted", [False, True])
def test_put_whose_answers_were_all_lost_is_recognised_later(
    copy: LocalCopy, there: Object, onlooker: Onlooker, *, restarted: bool
) -> None:
    copy.add()

    def fall_silent() -> None:
        onlooker.at("before", "PUT", lose, always=True)
        onlooker.at("before", "HEAD", lose, always=True)
        raise Lose

    onlooker.at("after", "PUT", fall_silent)
    with pytest.raises(S3Error):
        copy.upload()
    assert copy.state == "unknown"
    assert copy.status.last_error
    assert there.read() == copy.data

    onlooker.let_pass()
    if restarted:
        copy.start()
    else:
        copy.s3.refresh(copy.store)
    assert (copy.state, copy.status.etag, copy.status.last_error) == ("level", there.etag, None)
    copy.add()
    copy.upload()
    assert there.read() == copy.data


def test_put_that_failed_is_tried_again(copy: LocalCopy, there: Object, onlooker: Onlooker) -> None:
    copy.add()
    etag = there.etag
    onlooker.at("before", "PUT", lose, always=True)
    with pytest.raises(S3Error, match=f"upload {there.uri}"):
        copy.upload()
    assert there.etag == etag
    assert copy.state == "ahead"
    assert copy.manager.store.status().saves.error is None
    onlooker.let_pass()
    copy.upload()
    assert (copy.state, copy.status.last_error) == ("level", None)


def test_newer_object_of_somebody_else_is_not_written_over(
    copy: LocalCopy, there: Object, onlooker: Onlooker, small: dict[str, Any]
) -> None:
    expected, added = there.etag, copy.add()
    theirs = there.put({**small, "annotations": []})
    with pytest.raises(S3Conflict, match="changed by somebody else") as refused:
        copy.upload()
    assert refused.value.details == {
        "expected_etag": expected,
        "current_etag": there.etag,
        "choices": ["merge-from-s3", "overwrite", "pull-from-s3"],
    }
    assert there.read() == theirs
    assert there.others() == []
    assert onlooker.of("PUT") == []
    assert copy.state == "conflict"
    assert annotation_ids_in(copy.data) == [1, 2, 7, added], "it was saved to the file all the same"


def test_object_that_somebody_puts_at_the_last_moment_is_not_written_over(
    copy: LocalCopy, there: Object, onlooker: Onlooker, small: dict[str, Any]
) -> None:
    copy.add()
    theirs: list[bytes] = []
    onlooker.at("before", "PUT", lambda: theirs.append(there.put({**small, "annotations": []})))
    with pytest.raises(S3Conflict):
        copy.upload()
    assert [there.read()] == theirs
    assert copy.state == "conflict"


def test_overwriting_keeps_theirs_and_replaces_exactly_that(
    copy: LocalCopy, there: Object, onlooker: Onlooker, small: dict[str, Any]
) -> None:
    added = copy.add()
    theirs = there.put({**small, "annotations": []}, {"who": "somebody"})
    etag = there.etag
    uploaded = copy.upload(overwrite=True)
    kept = f"{there.uri.key}.conflict-20231114T221320Z"
    assert uploaded.kept == f"s3://{there.uri.bucket}/{kept}"
    assert there.others() == [kept]
    assert there.read(kept) == theirs
    assert there.head(kept)["Metadata"] == {"who": "somebody"}
    [put] = onlooker.of("PUT")
    assert put.headers["if-match"] == etag
    assert there.read() == copy.data
    assert annotation_ids_in(copy.data) == [1, 2, 7, added]
    assert (copy.state, copy.status.last_error) == ("level", None)


def test_overwriting_where_nobody_changed_anything_copies_nothing(copy: LocalCopy, there: Object) -> None:
    copy.add()
    assert copy.upload(overwrite=True).kept is None
    assert there.others() == []


@pytest.mark.parametrize("looked_at", [False, True])
@pytest.mark.parametrize(("moment", "which"), [("before", "COPY"), ("after", "COPY"), ("before", "PUT")])
def test_third_writer_is_not_written_over(
    copy: LocalCopy,
    there: Object,
    onlooker: Onlooker,
    small: dict[str, Any],
    moment: Any,
    which: str,
    *,
    looked_at: bool,
) -> None:
    copy.add()
    second = there.put({**small, "annotations": []})
    thirds: list[bytes] = []

    def write() -> None:
        thirds.append(there.put({**small, "images": small["images"][:2], "annotations": []}))
        if looked_at:
            copy.s3.refresh(copy.store)

    onlooker.at(moment, which, write)
    with pytest.raises(S3Conflict) as refused:
        copy.upload(overwrite=True)
    [third] = thirds
    assert there.read() == third
    assert refused.value.details["current_etag"] == there.etag
    assert copy.state == "conflict"

    # In the same second, too.
    copy.upload(overwrite=True)
    seen = [second, third] if which == "PUT" or moment == "after" else [third]
    # moto copies whatever is there, so it may have copied one twice.
    assert set(there.versions()) == {copy.data, *seen}
    assert there.read() == copy.data


@pytest.mark.parametrize("edited", [False, True])
def test_deleted_object_is_a_conflict(copy: LocalCopy, there: Object, onlooker: Onlooker, *, edited: bool) -> None:
    if edited:
        copy.add()
    there.delete()
    with pytest.raises(S3Conflict, match="deleted by somebody else") as refused:
        copy.upload()
    assert refused.value.details["current_etag"] is None
    assert copy.state == "conflict"
    assert copy.upload(overwrite=True).kept is None
    [put] = onlooker.of("PUT")
    assert put.headers["if-none-match"] == "*"
    assert there.read() == copy.data
    assert copy.state == "level"


def test_server_without_conditions_is_looked_at_before(
    there: Object, onlooker: Onlooker, tmp_path: Path, clock: FakeClock, small: dict[str, Any]
) -> None:
    copy = LocalCopy(there.uri, tmp_path, clock, OPTIONS._replace(conditional=False)).start()
    assert not copy.status.atomic
    copy.add()
    copy.upload()
    [put] = onlooker.of("PUT")
    assert not {"if-match", "if-none-match"} & set(put.headers)
    theirs = there.put(small)
    copy.add()
    with pytest.raises(S3Conflict):
        copy.upload()
    assert there.read() == theirs


def test_conditions_are_the_default() -> None:
    assert Settings.read({}, {}).s3_options().conditional


def test_pull_takes_theirs_and_keeps_ours_beside_it(copy: LocalCopy, there: Object, small: dict[str, Any]) -> None:
    added = copy.add()
    copy.manager.save()
    ours, unsaved = copy.data, copy.add()
    theirs = there.put({**small, "annotations": []})
    [kept, journal] = copy.open().s3.pull(lambda: None, "NOW")
    assert kept.name == "dataset.json.ours-NOW"
    assert kept.read_bytes() == ours
    assert annotation_ids_in(ours) == [1, 2, 7, added]
    assert journal.name == "dataset.json.ours-NOW.journal"
    assert f'"id":{unsaved}' in "".join(path.read_text() for path in journal.iterdir()).replace(" ", "")
    assert copy.data == theirs
    copy.start()
    assert (copy.state, copy.ids()) == ("level", [])
    assert copy.add() > added
    copy.upload()


def test_pull_keeps_what_could_not_be_saved(copy: LocalCopy, there: Object, small: dict[str, Any]) -> None:
    added = copy.add()
    by_hand = copy.data.replace(b"a small dataset", b"by hand")
    copy.path.write_bytes(by_hand)
    assert not _saves(copy)
    theirs = there.put({**small, "annotations": []})
    kept = copy.open().s3.pull(lambda: None, "NOW")
    contents = {path.name: path.read_bytes() for path in kept if path.is_file()}
    assert contents["dataset.json.ours-NOW"] == by_hand
    assert annotation_ids_in(contents["dataset.json.ours-NOW.unsaved"]) == [1, 2, 7, added]
    assert copy.start().data == theirs
    assert copy.state == "level"


def test_pull_of_nothing_changes_nothing(copy: LocalCopy, there: Object) -> None:
    data = copy.data
    there.delete()
    with pytest.raises(S3Error, match="nothing to take"):
        copy.open().s3.pull(lambda: None, "NOW")
    assert copy.data == data
    assert list(copy.path.parent.glob("*.ours*")) == []


def _saves(copy: LocalCopy) -> bool:
    from cocoannot.errors import FileChanged

    with suppress(FileChanged):
        return copy.manager.save()
    return False


def _race(pool: ThreadPoolExecutor, copies: list[LocalCopy], *, overwrite: bool) -> list[Uploaded | S3Conflict]:
    """All upload at the same moment; what each was told."""
    start = threading.Barrier(len(copies))

    def upload(copy: LocalCopy) -> Uploaded | S3Conflict:
        start.wait(30)
        try:
            return copy.upload(overwrite=overwrite)
        except S3Conflict as exc:
            return exc

    return list(pool.map(upload, copies))


@pytest.mark.torture
def test_of_two_that_race_one_wins_and_nothing_of_the_other_is_lost(
    make_copy: Callable[[str], LocalCopy], there: Object, *, torture: bool
) -> None:
    rounds, wins = 40 if torture else 6, [0, 0]
    copies = [make_copy("a"), make_copy("b")]
    with ThreadPoolExecutor(2) as pool:
        for each in range(rounds):
            added = [copy.add() for copy in copies]
            # Otherwise both would have the same dataset, and both would be right.
            for number, copy in enumerate(copies):
                copy.manager.update_annotation(added[number], {"who": f"{number} in {each}"})
            answers = _race(pool, copies, overwrite=False)
            [winner] = [number for number, answer in enumerate(answers) if isinstance(answer, Uploaded)]
            wins[winner] += 1
            won, lost = copies[winner], copies[1 - winner]
            assert there.read() == won.data
            assert (won.state, lost.state) == ("level", "conflict")
            assert f"{1 - winner} in {each}".encode() in lost.data
            theirs = lost.data

            kept = lost.upload(overwrite=True).kept
            assert kept is not None
            assert there.read() == theirs
            assert there.read(kept.split("/", 3)[3]) == won.data
            lost.clock.advance(1)
            won.start()
            assert won.data == theirs
            assert (won.state, lost.state) == ("level", "level")
    if torture:
        print(f"{rounds} races of two uploads, won {wins[0]} to {wins[1]}: nothing lost, none written over")


# moto copies whatever is there, also where that is not what was to be copied.
@pytest.mark.torture
@pytest.mark.parametrize("s3", ["seaweedfs"], indirect=True)
def test_of_many_that_overwrite_each_other_every_version_is_kept(
    make_copy: Callable[[str], LocalCopy], there: Object, *, torture: bool
) -> None:
    rounds = 40 if torture else 3
    copies = [make_copy(str(number)) for number in range(3)]
    expected, refused = [there.read()], 0
    with ThreadPoolExecutor(len(copies)) as pool:
        for each in range(rounds):
            for number, copy in enumerate(copies):
                copy.manager.update_annotation(copy.add(), {"who": f"{number} in {each}"})
            answers = _race(pool, copies, overwrite=True)
            for copy, answer in zip(copies, answers, strict=True):
                if isinstance(answer, Uploaded):
                    expected.append(copy.data)
                else:
                    refused += 1
    found = there.versions()
    # Those that were replaced by the one who had put them are in nobody's way, so they are not copied aside.
    replaced_by_themselves = [data for data in expected if data not in found]
    for data in replaced_by_themselves:
        assert any(set(_marks(data)) <= set(_marks(other)) for other in found), "an uploaded version is lost"
    if torture:
        print(f"{rounds} rounds of three that overwrite, {len(expected) - 1} uploads, {refused} refused: none lost")


def _marks(data: bytes) -> list[str]:
    return [each["who"] for each in json.loads(data)["annotations"] if "who" in each]


def _large(small: dict[str, Any], size: int) -> dict[str, Any]:
    images = [{"id": 100 + each, "file_name": "x" * 1_000_000, "width": 1, "height": 1} for each in range(size)]
    return {**small, "images": [*small["images"], *images]}


@pytest.mark.torture
def test_upload_that_is_killed_leaves_one_version_and_a_server_that_knows_which(
    seaweedfs: S3Server, small: dict[str, Any], tmp_path: Path, *, torture: bool
) -> None:
    rounds, seed = (20, random.SystemRandom().randrange(2**32)) if torture else (3, 5)
    chance = random.Random(seed)
    cache, size = tmp_path / "cache", 66_000_000
    found = {"level": 0, "ahead": 0}
    with onlooker_of(seaweedfs.url) as onlooker, closing(Object(seaweedfs, seaweedfs.new_key())) as there:
        there.put(_large(small, 66))
        env = {**seaweedfs.env(url=onlooker.url), "COCOANNOT_DATASET": str(there.uri), "COCOANNOT_CACHE": str(cache)}
        path = Settings.read(env, {}).dataset_path()
        path.parent.mkdir(parents=True)
        for each in range(rounds):
            before = there.read()
            with serve(path, env=env) as server:
                added = server.add()
                where = ["before", "amid", "amid", "amid", "after", "answer"][each % 6 if torture else each * 2]
                byte = chance.randrange(size)
                ended = len(onlooker.of("PUT"))
                kill_at(onlooker, server, where, byte)
                with suppress(OSError, HTTPException):
                    # Where the whole body was in the pipe, the kill comes after the answer.
                    server.request("POST", "/api/save-to-s3")
                onlooker.let_pass()
                with suppress(ProcessLookupError):
                    os.killpg(server.pid, signal.SIGKILL)
                server.wait_until_let_go()
            # What was on its way when the server was killed may still arrive.
            until(lambda: len(onlooker.of("PUT")) > ended, "the upload has ended")  # noqa: B023
            said = f"seed {seed}, round {each}: killed {where} (byte {byte})"
            now = there.read()
            with serve(path, env=env) as server:
                s3 = server.request("GET", "/api/s3").body
                new = now != before
                assert s3["state"] == ("level" if new else "ahead"), said
                assert not new or annotation_ids_in(now) == [1, 2, 7, *range(8, added + 1)], said
                assert s3["etag"] == there.etag, said
                if where in ("after", "answer"):
                    assert new, said
                found[s3["state"]] += 1
                answer = server.request("POST", "/api/save-to-s3")
                assert answer.status == 200, (said, answer)
                assert annotation_ids_in(there.read())[-1] == added, said
                assert there.read() == path.read_bytes(), said
                assert server.request("GET", "/api/s3").body["state"] == "level", said
            assert there.others() == [], said
    if torture:
        print(
            f"{rounds} uploads of {size} bytes killed (seed {seed}): S3 had the new version {found['level']} times, "
            f"the old one {found['ahead']} times, half of one never; no false conflict"
        )


def kill_at(onlooker: Onlooker, server: Server, where: str, byte: int) -> None:
    """Kill the server at a moment of its upload."""

    def kill() -> None:
        os.killpg(server.pid, signal.SIGKILL)

    if where == "answer":
        # The answer is on its way already.
        onlooker.at("after", "PUT", lambda: threading.Timer(0.0, kill).start())
    else:
        onlooker.at(where, "PUT", kill, at_byte=byte)  # type: ignore[arg-type]


def test_two_servers_that_race_over_http(seaweedfs: S3Server, small: dict[str, Any], tmp_path: Path) -> None:
    with closing(Object(seaweedfs, seaweedfs.new_key())) as there:
        there.put(small)
        envs = [
            {**seaweedfs.env(), "COCOANNOT_DATASET": str(there.uri), "COCOANNOT_CACHE": str(tmp_path / name)}
            for name in ("a", "b")
        ]
        paths = [Settings.read(env, {}).dataset_path() for env in envs]
        for path in paths:
            path.parent.mkdir(parents=True)
        with serve(paths[0], env=envs[0]) as one, serve(paths[1], env=envs[1]) as two, ThreadPoolExecutor(2) as pool:
            servers = [one, two]
            for number, server in enumerate(servers):
                assert server.request("PATCH", "/api/annotations/1", {"who": str(number)}).status == 200
            answers = list(pool.map(lambda server: server.request("POST", "/api/save-to-s3"), servers))
            assert sorted(answer.status for answer in answers) == [200, 409], answers
            winner = answers[0].status == 409
            assert there.read() == paths[winner].read_bytes()
            lost = answers[not winner].body
            assert lost["errors"]["current_etag"] == there.etag
            assert json.loads(paths[not winner].read_bytes())["annotations"][0]["who"] == str(int(not winner))
            answer = servers[not winner].request("POST", "/api/save-to-s3", {"on_conflict": "overwrite"})
            assert answer.status == 200
            assert there.read(answer.body["kept"].split("/", 3)[3]) == paths[winner].read_bytes()
            assert there.read() == paths[not winner].read_bytes()
            until(lambda: send(servers[winner].url, "GET", "/api/s3").body["state"] == "conflict", "the winner sees it")
