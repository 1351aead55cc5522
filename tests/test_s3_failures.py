"""Servers that are not AWS, and all that goes wrong on the way to S3: each failure says the URI and the reason, changes
nothing, leaves saving to the file good, is over when its cause is, and tells nobody a credential.

Whose version wins is not tried here: nobody else writes, but where that is said.
"""

from __future__ import annotations

import gc
import io
import json
import logging
import os
import re
import signal
import subprocess
from collections.abc import Callable, Iterator
from contextlib import ExitStack, closing, contextmanager
from pathlib import Path
from typing import Any

import api_client
import pytest
import s3_faults
import servers
from s3_faults import Proxy, ScriptedS3, Stored, proxy_to, refuse, scripted_s3
from s3_servers import BUCKET, READ_ONLY, READ_WRITE, Identity, S3Server, lead_here, run_seaweedfs
from servers import ANNOTATION

from cocoannot.errors import CocoannotError
from cocoannot.extension import runtime
from cocoannot.settings import Settings

pytestmark = pytest.mark.slow

NOBODY = Identity("AKNOBODY", "SKNOBODY/0123456789+abcdefgh")
WRONG_SECRET = Identity(READ_WRITE.access_key, NOBODY.secret_key)
SESSION_TOKEN = "FwoGZXIvTOKEN+9876543210/=="
USER, PASSWORD = "user-of-the-endpoint", "pass@of#the-endpoint"
SECRETS = [*READ_WRITE, *READ_ONLY, *NOBODY, SESSION_TOKEN, USER, PASSWORD, "of#the-endpoint"]

KEY = "some/dataset.json"
URI = f"s3://{BUCKET}/{KEY}"
PLACE = f"/{BUCKET}/{KEY}"
LARGE = 2_000_000
"""Bytes of a dataset that is on its way for a while."""
SHORT = 0.2
"""A time-out, in seconds, for what never answers."""

needs_root = pytest.mark.skipif(os.geteuid() != 0, reason="only root may mount file systems")


class Said:
    """All that was said in a test, to the log, the terminal and to clients."""

    def __init__(self) -> None:
        self._log = io.StringIO()
        self._texts: list[str] = []
        self.handler = logging.StreamHandler(self._log)
        self.handler.setFormatter(logging.Formatter("%(name)s %(levelname)s: %(message)s"))

    def add(self, text: str) -> None:
        self._texts.append(text)

    @property
    def log(self) -> str:
        return self._log.getvalue()

    @property
    def everything(self) -> str:
        return "\n".join([self.log, *self._texts])


@pytest.fixture(autouse=True)
def said(capfd: pytest.CaptureFixture[str]) -> Iterator[Said]:
    """All that is said; there must be no credential in it."""
    said = Said()
    logging.getLogger().addHandler(said.handler)
    yield said
    logging.getLogger().removeHandler(said.handler)
    for text in capfd.readouterr():
        said.add(text)
    assert [secret for secret in SECRETS if secret in said.everything] == [], said.everything


class Annotator(api_client.Server):
    """The application on the dataset at `uri`, in this process, with its local copy in `folder`."""

    def __init__(self, folder: Path, uri: str, said: Said, settings: dict[str, Any]) -> None:
        self._said = said
        self.cache = folder / "cache"
        own = {"COCOANNOT_DATASET": uri, "COCOANNOT_LOG_LEVEL": "DEBUG", "COCOANNOT_CACHE": self.cache}
        # Looking for pictures in S3 would be requests too.
        own["COCOANNOT_IMAGES"] = folder
        self.copy = Settings.read(own).dataset_path()
        super().__init__(folder / "dataset.json", {**own, **settings})

    def ask(self, method: str, url: str, **options: Any) -> api_client.Response:
        answer = super().ask(method, url, **options)
        self._said.add(f"{answer.status}\n{answer.headers}\n{answer.text}")
        return answer

    def again(self, **settings: Any) -> Annotator:
        """Stopped and started, with other settings where they are given."""
        self.settings.update(settings)
        super().again()
        self.start()
        return self

    def start(self) -> None:
        """Raises `CocoannotError`, whose text a server would log."""
        try:
            runtime(self.app).lifecycle.start("")
        except CocoannotError as exc:
            self._said.add(str(exc))
            raise

    def add_and_flush(self) -> None:
        assert self.post("/api/annotations", ANNOTATION).status_code == 201
        assert self.post("/api/flush").json["saved"] is True

    @property
    def status(self) -> dict[str, Any]:
        status: dict[str, Any] = self.get("/api/status").json
        return status

    @property
    def annotations(self) -> int:
        """In the local copy."""
        return len(json.loads(self.copy.read_bytes())["annotations"])

    def files(self) -> dict[str, bytes]:
        """Every file in the folder of the local copy, with its content.

        What is kept of an upload that may be there, for a merge, is looked at in `test_s3_merge`, and the history,
        which is written behind, in `test_history`.
        """
        paths = sorted(path for path in self.copy.parent.rglob("*") if path.is_file())
        # What state.json holds is looked at by what a start makes of it, and a journal's segment grows.
        own = ("state.json", "lock")
        return {
            str(path.relative_to(self.copy.parent)): b"" if path.name in own else path.read_bytes()
            for path in paths
            if path.suffix != ".jsonl" and path.parent.name != "agreed" and not path.name.startswith("history.sqlite")
        }

    def facts(self) -> tuple[object, ...]:
        """What a failure must leave as it is."""
        status = self.status
        revisions = [status["revision"][stage] for stage in ("memory", "file", "s3")]
        return self.files(), revisions, status["pending"]["summary"], status["s3"]["etag"]


class Open(list[Annotator]):
    """Makes annotators; they are stopped at the end."""

    def __init__(self, folder: Path, said: Said) -> None:
        self._folder = folder
        self._said = said

    def __call__(self, uri: str = URI, **settings: Any) -> Annotator:
        """One that has not started."""
        self.append(Annotator(self._folder, uri, self._said, settings))
        return self[-1]


@pytest.fixture
def open_annotator(tmp_path: Path, said: Said) -> Iterator[Open]:
    opened = Open(tmp_path, said)
    yield opened
    for annotator in opened:
        annotator.stop()


@pytest.fixture
def dataset(small: dict[str, Any]) -> bytes:
    return json.dumps(small).encode()


@pytest.fixture
def large(small: dict[str, Any]) -> bytes:
    return json.dumps({**small, "info": {"description": "x" * LARGE}}).encode()


@pytest.fixture
def scripted(dataset: bytes, monkeypatch: pytest.MonkeyPatch) -> Iterator[ScriptedS3]:
    """A scripted server that has the small dataset; boto3's environment leads there."""
    with scripted_s3() as script:
        script.objects[PLACE] = Stored(dataset)
        lead_to(script.url, monkeypatch)
        yield script


def lead_to(url: str, monkeypatch: pytest.MonkeyPatch, **env: str) -> None:
    """Let boto3 find `url`, and a client who has all that a client may have."""
    lead_here(monkeypatch, {**S3Server("scripted", url).env(NOBODY), "AWS_SESSION_TOKEN": SESSION_TOKEN, **env})


class There:
    """An object on a real server, as somebody sees it who may do everything."""

    def __init__(self, server: S3Server, data: bytes) -> None:
        self.server = server
        self.key = server.new_key()
        self.uri = f"s3://{BUCKET}/{self.key}"
        self.put(data)

    def put(self, data: bytes) -> None:
        with closing(self.server.client()) as client:
            client.put_object(Bucket=BUCKET, Key=self.key, Body=data)

    def read(self) -> bytes:
        with closing(self.server.client()) as client:
            data: bytes = client.get_object(Bucket=BUCKET, Key=self.key)["Body"].read()
            return data

    def keys(self) -> list[str]:
        with closing(self.server.client()) as client:
            found = client.list_objects_v2(Bucket=BUCKET, Prefix=self.key)
            return [each["Key"] for each in found["Contents"]]


def check_refused(
    annotator: Annotator, *words: str, status: int = 502, uri: str = URI, **body: str
) -> api_client.Response:
    """An upload fails, names the URI and the reason, and changes nothing here; saving to the file goes on."""
    before = annotator.facts()
    answer = annotator.post("/api/save-to-s3", body or None)
    assert answer.status_code == status, answer.json
    for word in (uri, *words):
        assert word in answer.json["message"], answer.json
    assert "\n" not in answer.json["message"]
    assert annotator.facts() == before
    if status == 502:
        assert annotator.status["s3"]["last_error"] == answer.json["message"]
    annotations = annotator.annotations
    annotator.add_and_flush()
    assert annotator.annotations == annotations + 1
    return answer


def check_uploaded(annotator: Annotator, read: Callable[[], bytes]) -> None:
    """An upload works, and S3 has what the file has."""
    answer = annotator.post("/api/save-to-s3")
    assert answer.status_code == 200, answer.json
    assert read() == annotator.copy.read_bytes()
    s3 = annotator.status["s3"]
    assert (s3["state"], s3["last_error"], s3["uploading"]) == ("level", None, None)


def check_not_started(annotator: Annotator, *words: str, uri: str | None = URI) -> str:
    """A start fails with one line that names the URI and the reason, and leaves nothing in the cache."""
    with pytest.raises(CocoannotError) as raised:
        annotator.start()
    message = str(raised.value)
    for word in (uri, *words):
        assert word is None or word in message
    assert "\n" not in message
    assert [name for name in annotator.files() if not name.endswith("/lock")] == []
    return message


# Servers that are not AWS


def test_the_endpoint_for_s3_wins_over_the_one_for_all_services(
    scripted: ScriptedS3, open_annotator: Open, monkeypatch: pytest.MonkeyPatch
) -> None:
    with scripted_s3() as other:
        lead_to(other.url, monkeypatch, AWS_ENDPOINT_URL_S3=scripted.url)
        open_annotator().start()
        assert (len(scripted.asked), len(other.asked)) == (2, 0)


@pytest.mark.parametrize("name", ["AWS_ENDPOINT_URL", "AWS_ENDPOINT_URL_S3"])
def test_each_endpoint_counts_when_it_is_the_only_one_and_is_asked_with_the_bucket_in_the_path(
    name: str, scripted: ScriptedS3, open_annotator: Open, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The server is asked as a proxy: by an address, or as localhost, boto3 itself takes the path."""
    monkeypatch.delenv("AWS_ENDPOINT_URL")
    monkeypatch.setenv(name, "http://s3.example.org")
    monkeypatch.setenv("HTTP_PROXY", scripted.url)
    open_annotator().start()
    assert {asked.path for asked in scripted.asked} == {f"http://s3.example.org{PLACE}"}


def test_the_setting_puts_the_bucket_into_the_name_of_the_host(
    scripted: ScriptedS3, open_annotator: Open, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The server is asked as a proxy, so that nobody need know the name."""
    scripted.objects[f"/{KEY}"] = scripted.objects.pop(PLACE)
    lead_to("http://s3.example.org", monkeypatch)
    monkeypatch.setenv("HTTP_PROXY", scripted.url)
    open_annotator(COCOANNOT_S3_ADDRESSING="virtual").start()
    assert {asked.path for asked in scripted.asked} == {f"http://{BUCKET}.s3.example.org/{KEY}"}


@pytest.mark.parametrize(
    ("addressing", "host"),
    [("auto", f"{BUCKET}.s3.amazonaws.com:443"), ("path", "s3.amazonaws.com:443")],
)
def test_aws_is_asked_with_the_bucket_in_the_name_of_the_host_unless_the_setting_says_path(
    addressing: str, host: str, scripted: ScriptedS3, open_annotator: Open, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.delenv("AWS_ENDPOINT_URL")
    monkeypatch.setenv("HTTPS_PROXY", scripted.url.replace("//", f"//{USER}:secret@"))
    check_not_started(open_annotator(COCOANNOT_S3_ADDRESSING=addressing), "proxy")
    assert {(asked.method, asked.path) for asked in scripted.asked} == {("CONNECT", host)}


@pytest.mark.parametrize(("setting", "sent"), [("when_supported", True), ("when_required", False)])
def test_a_checksum_goes_along_unless_the_setting_says_when_required(
    setting: str, sent: bool, scripted: ScriptedS3, open_annotator: Open
) -> None:
    annotator = open_annotator(COCOANNOT_S3_CHECKSUMS=setting)
    annotator.start()
    annotator.add_and_flush()
    check_uploaded(annotator, lambda: scripted.objects[PLACE].data)
    (put,) = scripted.asked_to("PUT")
    checksums = [name for name in put.headers if re.search("checksum|trailer", name, re.IGNORECASE)]
    assert bool(checksums) is sent, checksums
    assert bool(re.search("x-amz-checksum-mode", str(scripted.asked_to("GET")[0].headers), re.IGNORECASE)) is sent


@pytest.mark.parametrize(("setting", "sent"), [("when_supported", True), ("when_required", False)])
def test_over_tls_the_checksum_is_a_trailer_unless_the_setting_says_when_required(
    setting: str,
    sent: bool,
    seaweedfs_tls: S3Server,
    dataset: bytes,
    open_annotator: Open,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    assert seaweedfs_tls.ca_bundle is not None
    key = seaweedfs_tls.ca_bundle.with_name("key.pem")
    with scripted_s3(seaweedfs_tls.ca_bundle, key) as script:
        script.objects[PLACE] = Stored(dataset)
        lead_to(script.url, monkeypatch, AWS_CA_BUNDLE=str(seaweedfs_tls.ca_bundle))
        annotator = open_annotator(COCOANNOT_S3_CHECKSUMS=setting)
        annotator.start()
        annotator.add_and_flush()
        check_uploaded(annotator, lambda: script.objects[PLACE].data)
        (put,) = script.asked_to("PUT")
        assert put.trailer.startswith(b"x-amz-checksum-crc32:") is sent
        assert ("aws-chunked" in (put.headers["Content-Encoding"] or "")) is sent


@pytest.mark.parametrize("setting", ["when_supported", "when_required"])
def test_an_upload_over_tls_arrives_with_and_without_a_trailer(
    setting: str, seaweedfs_tls: S3Server, large: bytes, open_annotator: Open, monkeypatch: pytest.MonkeyPatch
) -> None:
    there = There(seaweedfs_tls, large)
    lead_here(monkeypatch, seaweedfs_tls.env())
    annotator = open_annotator(there.uri, COCOANNOT_S3_CHECKSUMS=setting)
    annotator.start()
    assert annotator.copy.read_bytes() == large
    annotator.add_and_flush()
    check_uploaded(annotator, there.read)


def test_a_certificate_that_nobody_vouches_for_is_named_at_the_start(
    seaweedfs_tls: S3Server, dataset: bytes, open_annotator: Open, monkeypatch: pytest.MonkeyPatch
) -> None:
    there = There(seaweedfs_tls, dataset)
    env = seaweedfs_tls.env()
    del env["AWS_CA_BUNDLE"]
    lead_here(monkeypatch, env)
    check_not_started(open_annotator(there.uri), "certificate", uri=there.uri)


def test_without_conditions_a_foreign_version_is_seen_by_comparing_and_the_status_says_that_it_is_not_atomic(
    scripted: ScriptedS3, open_annotator: Open
) -> None:
    annotator = open_annotator(COCOANNOT_S3_CONDITIONAL="0")
    annotator.start()
    assert annotator.status["s3"]["atomic"] is False
    annotator.add_and_flush()
    check_uploaded(annotator, lambda: scripted.objects[PLACE].data)
    (put,) = scripted.asked_to("PUT")
    assert (put.headers["If-Match"], put.headers["If-None-Match"]) == (None, None)
    methods = [asked.method for asked in scripted.asked]
    assert methods[methods.index("PUT") - 1] == "HEAD"
    theirs = scripted.objects[PLACE] = Stored(b'{"images": []}')
    annotator.add_and_flush()
    assert check_refused(annotator, "somebody else", status=409).json["errors"]["current_etag"] == theirs.etag
    assert (scripted.objects[PLACE], len(scripted.asked_to("PUT"))) == (theirs, 1)
    assert annotator.post("/api/save-to-s3", {"on_conflict": "overwrite"}).status_code == 200
    assert theirs in [stored for place, stored in scripted.objects.items() if place.startswith(f"{PLACE}.conflict-")]


def test_with_conditions_which_are_the_default_each_put_has_one_and_the_status_says_that_it_is_atomic(
    scripted: ScriptedS3, open_annotator: Open
) -> None:
    annotator = open_annotator()
    annotator.start()
    assert annotator.status["s3"]["atomic"] is True
    annotator.add_and_flush()
    etag = scripted.objects[PLACE].etag
    check_uploaded(annotator, lambda: scripted.objects[PLACE].data)
    (put,) = scripted.asked_to("PUT")
    assert put.headers["If-Match"] == etag


def test_without_conditions_a_real_server_is_written_to_as_well(
    seaweedfs: S3Server, dataset: bytes, open_annotator: Open, monkeypatch: pytest.MonkeyPatch
) -> None:
    there = There(seaweedfs, dataset)
    lead_here(monkeypatch, seaweedfs.env())
    annotator = open_annotator(there.uri, COCOANNOT_S3_CONDITIONAL="0")
    annotator.start()
    annotator.add_and_flush()
    check_uploaded(annotator, there.read)
    there.put(b'{"images": []}')
    annotator.add_and_flush()
    check_refused(annotator, "somebody else", status=409, uri=there.uri)
    assert there.read() == b'{"images": []}'


def refuse_conditions(status: int, code: str) -> s3_faults.Answer:
    def answer(request: s3_faults.Request) -> None:
        if request.headers["If-Match"] or request.headers["If-None-Match"]:
            refuse(status, code, "A header you provided implies functionality that is not implemented.")(request)
        else:
            s3_faults.first(lambda: None)(request)

    return answer


@pytest.mark.parametrize(
    ("status", "code"),
    [(501, "NotImplemented"), (400, "InvalidArgument"), (400, "InvalidRequest"), (400, "NotImplemented")],
)
def test_a_server_that_refuses_conditions_is_not_written_to_without_them_unless_the_setting_says_so(
    status: int, code: str, scripted: ScriptedS3, dataset: bytes, open_annotator: Open
) -> None:
    scripted.always("PUT", refuse_conditions(status, code))
    annotator = open_annotator()
    annotator.start()
    annotator.add_and_flush()
    check_refused(annotator, "COCOANNOT_S3_CONDITIONAL=0", code)
    assert all(put.headers["If-Match"] for put in scripted.asked_to("PUT"))
    assert scripted.objects[PLACE].data == dataset
    annotator.again(COCOANNOT_S3_CONDITIONAL="0")
    check_uploaded(annotator, lambda: scripted.objects[PLACE].data)


def test_a_server_that_refuses_conditions_is_told_from_one_that_refuses_more_where_it_gets_none(
    scripted: ScriptedS3, open_annotator: Open
) -> None:
    scripted.always("PUT", refuse(400, "InvalidArgument"))
    annotator = open_annotator(COCOANNOT_S3_CONDITIONAL="0")
    annotator.start()
    annotator.add_and_flush()
    answer = check_refused(annotator, "InvalidArgument")
    assert "COCOANNOT_S3_CONDITIONAL" not in answer.json["message"]


def test_a_server_that_does_not_heed_conditions_is_compared_with_before_each_put_all_the_same(
    scripted: ScriptedS3, open_annotator: Open
) -> None:
    scripted.ignores_conditions = True
    annotator = open_annotator()
    annotator.start()
    annotator.add_and_flush()
    theirs = scripted.objects[PLACE] = Stored(b'{"images": []}')
    check_refused(annotator, "somebody else", status=409)
    assert scripted.objects[PLACE] == theirs


# Who may not


@pytest.mark.parametrize(
    ("identity", "reason"),
    [(NOBODY, "no such access key"), (WRONG_SECRET, "the secret key is wrong"), (None, "there are no credentials")],
    ids=["access key", "secret key", "none"],
)
def test_wrong_credentials_are_told_at_the_start_and_at_an_upload(
    identity: Identity | None,
    reason: str,
    seaweedfs: S3Server,
    dataset: bytes,
    open_annotator: Open,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    there = There(seaweedfs, dataset)
    env = seaweedfs.env(identity or READ_WRITE)
    if identity is None:
        del env["AWS_ACCESS_KEY_ID"], env["AWS_SECRET_ACCESS_KEY"]
    lead_here(monkeypatch, env)
    annotator = open_annotator(there.uri)
    check_not_started(annotator, reason, uri=there.uri)

    lead_here(monkeypatch, seaweedfs.env())
    annotator.again().add_and_flush()
    lead_here(monkeypatch, env)
    annotator.again()
    assert annotator.status["s3"]["state"] == "unknown"
    assert reason in annotator.status["s3"]["last_error"]
    check_refused(annotator, reason, uri=there.uri)
    assert there.read() == dataset

    lead_here(monkeypatch, seaweedfs.env())
    check_uploaded(annotator.again(), there.read)


def test_one_who_may_only_read_can_work_but_neither_upload_nor_copy_aside(
    seaweedfs: S3Server, dataset: bytes, open_annotator: Open, monkeypatch: pytest.MonkeyPatch
) -> None:
    there = There(seaweedfs, dataset)
    lead_here(monkeypatch, seaweedfs.env(READ_ONLY))
    annotator = open_annotator(there.uri)
    annotator.start()
    annotator.add_and_flush()
    check_refused(annotator, "upload", "access is denied", uri=there.uri)
    assert annotator.status["s3"]["state"] == "ahead"
    assert there.read() == dataset
    theirs = b'{"images": []}'
    there.put(theirs)
    check_refused(annotator, "copy", "access is denied", uri=there.uri, on_conflict="overwrite")
    assert annotator.status["s3"]["state"] == "conflict"
    assert (there.read(), there.keys()) == (theirs, [there.key])

    lead_here(monkeypatch, seaweedfs.env())
    annotator.again()
    answer = annotator.post("/api/save-to-s3", {"on_conflict": "overwrite"})
    assert answer.status_code == 200
    assert there.read() == annotator.copy.read_bytes()
    assert there.keys() == [there.key, answer.json["kept"].removeprefix(f"s3://{BUCKET}/")]


def test_one_who_may_not_see_a_bucket_learns_that_at_the_start(
    seaweedfs: S3Server, open_annotator: Open, monkeypatch: pytest.MonkeyPatch
) -> None:
    lead_here(monkeypatch, seaweedfs.env(READ_ONLY))
    uri = "s3://two/dataset.json"
    check_not_started(open_annotator(uri), "access is denied", uri=uri)


def test_a_bucket_that_is_not_there_is_told_from_an_object_that_is_not(
    seaweedfs: S3Server, open_annotator: Open, monkeypatch: pytest.MonkeyPatch
) -> None:
    lead_here(monkeypatch, seaweedfs.env())
    uri = "s3://nowhere/dataset.json"
    check_not_started(open_annotator(uri), "there is no such bucket", uri=uri)
    # Not even where a dataset is to be made: no upload could follow.
    check_not_started(open_annotator(uri, COCOANNOT_CREATE="1"), "there is no such bucket", uri=uri)
    uri = f"s3://{BUCKET}/not-there.json"
    check_not_started(open_annotator(uri), "there is no such object", "COCOANNOT_CREATE=1", uri=uri)


# Refusals and hangs of a server, at an upload

_REFUSALS = {
    "denied": ("PUT", refuse(403, "AccessDenied"), "access is denied"),
    "expired": ("PUT", refuse(400, "ExpiredToken"), "the credentials have expired"),
    "bucket gone": ("PUT", refuse(404, "NoSuchBucket"), "there is no such bucket"),
    "throttled": ("PUT", refuse(503, "SlowDown", "Please reduce your request rate."), "reduce your request rate"),
    "broken": ("PUT", refuse(500, "InternalError", "We encountered an internal error."), "InternalError"),
    "throttled when looked at": ("HEAD", refuse(503, "SlowDown"), "503"),
    # boto3 itself takes it for an error of the server.
    "a page instead": ("PUT", s3_faults.send_page, "500"),
    "a page instead when looked at": ("HEAD", s3_faults.send_page, "is not what S3 would answer"),
}


@pytest.mark.parametrize(("method", "answer", "reason"), _REFUSALS.values(), ids=_REFUSALS)
def test_a_refused_upload_says_why_and_works_when_the_cause_is_gone(
    method: str, answer: s3_faults.Answer, reason: str, scripted: ScriptedS3, dataset: bytes, open_annotator: Open
) -> None:
    annotator = open_annotator()
    annotator.start()
    annotator.add_and_flush()
    scripted.always(method, answer)
    check_refused(annotator, reason)
    assert scripted.objects == {PLACE: Stored(dataset)}
    scripted.mend()
    check_uploaded(annotator, lambda: scripted.objects[PLACE].data)


def test_an_error_of_looking_is_over_with_a_look_that_works(scripted: ScriptedS3, open_annotator: Open) -> None:
    annotator = open_annotator()
    annotator.start()
    scripted.always("HEAD", refuse(403, "AccessDenied"))
    scripted.always("GET", refuse(403, "AccessDenied"))
    s3 = annotator.get("/api/s3").json
    assert s3["state"] == "unknown"
    assert "access is denied" in s3["last_error"]
    scripted.mend()
    s3 = annotator.get("/api/s3").json
    assert (s3["state"], s3["last_error"]) == ("level", None)


def test_a_refused_copy_aside_writes_nothing_over(scripted: ScriptedS3, open_annotator: Open) -> None:
    annotator = open_annotator()
    annotator.start()
    annotator.add_and_flush()
    theirs = scripted.objects[PLACE] = Stored(b'{"images": []}')
    scripted.always("PUT", refuse(500, "InternalError"))
    check_refused(annotator, "copy", "InternalError", on_conflict="overwrite")
    assert scripted.objects == {PLACE: theirs}
    assert {bool(put.headers["x-amz-copy-source"]) for put in scripted.asked_to("PUT")} == {True}


@pytest.mark.parametrize("method", ["HEAD", "PUT"])
def test_throttling_is_waited_for_and_tried_three_times(
    method: str, scripted: ScriptedS3, open_annotator: Open
) -> None:
    annotator = open_annotator()
    annotator.start()
    annotator.add_and_flush()
    before = len(scripted.asked_to(method))
    scripted.next(method, *[refuse(503, "SlowDown")] * 2)
    check_uploaded(annotator, lambda: scripted.objects[PLACE].data)
    assert len(scripted.asked_to(method)) == before + 3
    annotator.add_and_flush()
    before = len(scripted.asked_to(method))
    scripted.next(method, *[refuse(503, "SlowDown")] * 3)
    check_refused(annotator, "SlowDown" if method == "PUT" else "503")
    # One more look, to see whether a put arrived all the same, is a HEAD.
    assert len(scripted.asked_to(method)) == before + 3


@pytest.mark.parametrize("method", ["HEAD", "PUT"])
def test_a_server_that_does_not_answer_an_upload_is_not_waited_for(
    method: str, scripted: ScriptedS3, dataset: bytes, open_annotator: Open
) -> None:
    annotator = open_annotator()
    annotator.start()
    annotator.add_and_flush()
    annotator.again(COCOANNOT_S3_TIMEOUT=SHORT)
    scripted.always(method, s3_faults.hang)
    check_refused(annotator, "the server did not answer in time")
    assert scripted.objects == {PLACE: Stored(dataset)}
    scripted.mend()
    check_uploaded(annotator.again(COCOANNOT_S3_TIMEOUT=20), lambda: scripted.objects[PLACE].data)


@pytest.fixture
def stopped(seaweedfs: S3Server) -> Iterator[Callable[[], None]]:
    """Stops the server where it is, as a machine does that hangs; until the end of the test at the latest."""
    assert seaweedfs.pid is not None
    pid = seaweedfs.pid
    yield lambda: os.kill(pid, signal.SIGSTOP)
    os.kill(pid, signal.SIGCONT)


def test_a_real_server_that_hangs_is_waited_for_neither_at_an_upload_nor_at_a_start(
    seaweedfs: S3Server,
    stopped: Callable[[], None],
    dataset: bytes,
    open_annotator: Open,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    assert seaweedfs.pid is not None
    there = There(seaweedfs, dataset)
    lead_here(monkeypatch, seaweedfs.env())
    annotator = open_annotator(there.uri)
    annotator.start()
    annotator.add_and_flush()
    annotator.again(COCOANNOT_S3_TIMEOUT=SHORT)
    stopped()
    check_refused(annotator, "the server did not answer in time", uri=there.uri)
    annotator.again()
    assert annotator.status["s3"]["state"] == "unknown"
    missing = f"s3://{BUCKET}/another.json"
    check_not_started(open_annotator(missing, COCOANNOT_S3_TIMEOUT=SHORT), "did not answer in time", uri=missing)
    os.kill(seaweedfs.pid, signal.SIGCONT)
    check_uploaded(annotator.again(COCOANNOT_S3_TIMEOUT=20), there.read)


@contextmanager
def nobody_listens() -> Iterator[str]:
    yield s3_faults.closed_address()


@pytest.mark.parametrize("address", [s3_faults.unanswered_address, nobody_listens])
def test_a_server_that_cannot_be_reached_is_not_waited_for_at_the_start_nor_at_an_upload(
    address: Callable[[], Any],
    scripted: ScriptedS3,
    dataset: bytes,
    open_annotator: Open,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    annotator = open_annotator()
    with address() as url:
        lead_to(url, monkeypatch)
        annotator.settings["COCOANNOT_S3_TIMEOUT"] = SHORT
        check_not_started(open_annotator(COCOANNOT_S3_TIMEOUT=SHORT), "the server can't be reached")
        lead_to(scripted.url, monkeypatch)
        annotator.again(COCOANNOT_S3_TIMEOUT=20).add_and_flush()
        lead_to(url, monkeypatch)
        annotator.again(COCOANNOT_S3_TIMEOUT=SHORT)
        assert annotator.status["s3"]["state"] == "unknown"
        check_refused(annotator, "the server can't be reached")
    lead_to(scripted.url, monkeypatch)
    check_uploaded(annotator.again(COCOANNOT_S3_TIMEOUT=20), lambda: scripted.objects[PLACE].data)


# Connections that are cut


@pytest.fixture
def proxied(seaweedfs: S3Server, large: bytes, monkeypatch: pytest.MonkeyPatch) -> Iterator[tuple[Proxy, There]]:
    """A large object on a real server, to which the way leads through a proxy."""
    there = There(seaweedfs, large)
    with proxy_to(seaweedfs.url) as proxy:
        lead_here(monkeypatch, seaweedfs.env(url=proxy.url))
        yield proxy, there


both_ways = pytest.mark.parametrize("reset", [True, False], ids=["RST", "FIN"])


@both_ways
def test_an_upload_that_is_cut_leaves_the_object_as_it_was(
    reset: bool, proxied: tuple[Proxy, There], large: bytes, open_annotator: Open
) -> None:
    proxy, there = proxied
    annotator = open_annotator(there.uri)
    annotator.start()
    annotator.add_and_flush()
    proxy.cut("up", LARGE // 3, reset=reset)
    check_refused(annotator, "onnection", uri=there.uri)
    assert proxy.cuts == 3
    assert there.read() == large
    proxy.mend()
    check_uploaded(annotator, there.read)


@both_ways
def test_a_download_that_is_cut_leaves_nothing_behind(
    reset: bool, proxied: tuple[Proxy, There], large: bytes, open_annotator: Open
) -> None:
    proxy, there = proxied
    proxy.cut("down", LARGE // 3, reset=reset)
    annotator = open_annotator(there.uri)
    message = check_not_started(annotator, uri=there.uri)
    assert re.search("onnection|bytes", message), message
    assert proxy.cuts == 1
    proxy.mend()
    annotator.again()
    assert annotator.copy.read_bytes() == large


@both_ways
def test_a_download_that_is_cut_leaves_the_local_copy_as_it_was(
    reset: bool, proxied: tuple[Proxy, There], large: bytes, open_annotator: Open
) -> None:
    """There is one without edits of its own, and S3 has another version."""
    proxy, there = proxied
    annotator = open_annotator(there.uri)
    annotator.start()
    annotator.stop()
    before = annotator.files()
    theirs = large.replace(b"xx", b"yy")
    there.put(theirs)
    proxy.cut("down", LARGE // 3, reset=reset)
    with pytest.raises(CocoannotError, match=re.escape(there.uri)):
        annotator.again()
    assert annotator.files() == before
    proxy.mend()
    annotator.again()
    assert annotator.copy.read_bytes() == theirs
    assert annotator.status["s3"]["state"] == "level"


def test_a_slow_way_is_no_failure(proxied: tuple[Proxy, There], large: bytes, open_annotator: Open) -> None:
    proxy, there = proxied
    proxy.slow(delay=0.02)
    annotator = open_annotator(there.uri)
    annotator.start()
    assert annotator.copy.read_bytes() == large
    annotator.add_and_flush()
    check_uploaded(annotator, there.read)


# Bodies that are not what was announced

_BODIES = {
    "ended early": (s3_faults.send_part(100), "bytes"),
    "less than was seen": (s3_faults.announce_less(100), "100 bytes came"),
    "stalled": (s3_faults.stall_after(100), "did not answer in time"),
    "throttled": (refuse(503, "SlowDown", "Please reduce your request rate."), "reduce your request rate"),
    "denied": (refuse(403, "AccessDenied"), "access is denied"),
    "a page instead": (s3_faults.send_page, "is not what S3 would answer"),
}


@pytest.mark.filterwarnings("ignore:Exception ignored in. <socket:pytest.PytestUnraisableExceptionWarning")
@pytest.mark.parametrize(("answer", "reason"), _BODIES.values(), ids=_BODIES)
def test_a_download_that_does_not_bring_all_stops_the_start_and_leaves_nothing_behind(
    answer: s3_faults.Answer, reason: str, scripted: ScriptedS3, dataset: bytes, open_annotator: Open
) -> None:
    scripted.always("GET", answer)
    annotator = open_annotator(COCOANNOT_S3_TIMEOUT=SHORT if reason.startswith("did") else 20)
    check_not_started(annotator, reason)
    # boto3 leaves the connection of an answer that it can't read to the collector; here, and not in the next test.
    gc.collect()
    scripted.mend()
    annotator.again(COCOANNOT_S3_TIMEOUT=20)
    assert annotator.copy.read_bytes() == dataset


def test_another_version_from_a_server_that_knows_no_conditions_stops_the_start(
    scripted: ScriptedS3, dataset: bytes, open_annotator: Open
) -> None:
    other = Stored(dataset.replace(b"a small dataset", b"a SMALL dataset"))
    scripted.next("GET", lambda request: request.send_object(other))
    annotator = open_annotator()
    check_not_started(annotator, "it was changed in this moment")
    annotator.again()
    assert annotator.copy.read_bytes() == dataset


# Full disks


@pytest.fixture
def disk(tmp_path: Path) -> Iterator[Path]:
    """The cache, on a file system of 1 MiB."""
    folder = tmp_path / "cache"
    folder.mkdir()
    subprocess.run(["mount", "-t", "tmpfs", "-o", "size=1m", "none", folder], check=True)
    yield folder
    subprocess.run(["umount", "--lazy", folder], check=True)


def fill(disk: Path) -> None:
    with (disk / "filler").open("wb", buffering=0) as file:
        try:
            while file.write(b"x" * 4096):
                pass
        except OSError:
            pass


@needs_root
def test_a_download_that_the_disk_has_no_room_for_stops_the_start_and_leaves_nothing_behind(
    scripted: ScriptedS3, large: bytes, disk: Path, open_annotator: Open
) -> None:
    scripted.objects[PLACE] = Stored(large)
    annotator = open_annotator()
    check_not_started(annotator, "No space left on device")
    subprocess.run(["mount", "-o", "remount,size=32m", disk], check=True)
    annotator.again()
    assert annotator.copy.read_bytes() == large


@needs_root
def test_a_disk_that_is_full_from_the_start_stops_it_with_the_reason(
    scripted: ScriptedS3, dataset: bytes, disk: Path, open_annotator: Open
) -> None:
    annotator = open_annotator()
    fill(disk)
    with pytest.raises(CocoannotError, match="No space left on device") as raised:
        annotator.start()
    assert URI in str(raised.value)
    (disk / "filler").unlink()
    annotator.again()
    assert annotator.copy.read_bytes() == dataset


@needs_root
@pytest.mark.parametrize("saved", [True, False], ids=["saved", "unsaved"])
def test_a_disk_that_is_full_at_an_upload_is_told_and_nothing_is_sent(
    saved: bool, scripted: ScriptedS3, dataset: bytes, disk: Path, open_annotator: Open
) -> None:
    annotator = open_annotator()
    annotator.start()
    if saved:
        annotator.add_and_flush()
    else:
        assert annotator.post("/api/annotations", ANNOTATION).status_code == 201
    before = annotator.facts()
    fill(disk)
    answer = annotator.post("/api/save-to-s3")
    assert answer.status_code == 507
    assert "No space left on device" in answer.json["message"]
    assert scripted.objects == {PLACE: Stored(dataset)}
    (disk / "filler").unlink()
    assert annotator.facts() == before
    check_uploaded(annotator, lambda: scripted.objects[PLACE].data)


@needs_root
@pytest.mark.parametrize("restart", [True, False], ids=["after a restart", "by the same server"])
def test_an_upload_that_could_not_be_written_down_is_recognised(
    restart: bool, scripted: ScriptedS3, disk: Path, open_annotator: Open
) -> None:
    """The disk is full by the time that the answer comes."""
    annotator = open_annotator()
    annotator.start()
    annotator.add_and_flush()
    scripted.next("PUT", s3_faults.first(lambda: fill(disk)))
    answer = annotator.post("/api/save-to-s3")
    assert answer.status_code == 507
    assert "No space left on device" in answer.json["message"]
    assert scripted.objects[PLACE].data == annotator.copy.read_bytes()
    (disk / "filler").unlink()
    if restart:
        annotator.again()
    assert annotator.get("/api/s3").json["state"] == "level"
    check_uploaded(annotator, lambda: scripted.objects[PLACE].data)
    assert len(scripted.asked_to("PUT")) == 1


@needs_root
def test_a_real_server_whose_disk_is_full_keeps_what_it_has(
    tmp_path: Path, large: bytes, open_annotator: Open, monkeypatch: pytest.MonkeyPatch
) -> None:
    folder = tmp_path / "seaweedfs"
    folder.mkdir()
    with ExitStack() as stack:
        subprocess.run(["mount", "-t", "tmpfs", "-o", "size=64m", "none", folder], check=True)
        stack.callback(lambda: subprocess.run(["umount", "--lazy", folder], check=True))
        server = stack.enter_context(run_seaweedfs(folder))
        there = There(server, large)
        lead_here(monkeypatch, server.env())
        annotator = open_annotator(there.uri)
        annotator.start()
        annotator.add_and_flush()
        fill(folder)
        check_refused(annotator, "upload", uri=there.uri)
        assert there.read() == large
        (folder / "filler").unlink()
        check_uploaded(annotator, there.read)
        # It may take its time to end when it is asked to, after that.
        assert server.pid is not None
        os.kill(server.pid, signal.SIGKILL)


# Credentials


def test_credentials_that_a_server_sends_back_are_not_passed_on(scripted: ScriptedS3, open_annotator: Open) -> None:
    annotator = open_annotator()
    annotator.start()
    annotator.add_and_flush()
    scripted.always("PUT", refuse(403, "Strange", f"{NOBODY.access_key}, {NOBODY.secret_key}, {SESSION_TOKEN}!"))
    check_refused(annotator, "..., ..., ...!")


@pytest.mark.parametrize("password", ["plain", PASSWORD], ids=["plain", "with @"])
def test_a_user_and_a_password_in_the_endpoint_are_never_shown(
    password: str, scripted: ScriptedS3, open_annotator: Open, said: Said, monkeypatch: pytest.MonkeyPatch
) -> None:
    lead_to(s3_faults.closed_address().replace("//", f"//{USER}:{password}@"), monkeypatch)
    check_not_started(open_annotator(COCOANNOT_S3_TIMEOUT=SHORT), "127.0.0.1" if "#" not in password else "")
    assert f":{password}" not in said.everything


# Whole servers, and commands


@pytest.mark.parametrize(
    ("identity", "key", "reason"),
    [(WRONG_SECRET, None, "the secret key is wrong"), (READ_WRITE, "not-there.json", "there is no such object")],
)
def test_a_server_that_cannot_start_ends_with_one_line(
    identity: Identity,
    key: str | None,
    reason: str,
    seaweedfs: S3Server,
    dataset: bytes,
    tmp_path: Path,
    said: Said,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    there = There(seaweedfs, dataset)
    lead_here(monkeypatch, seaweedfs.env(identity))
    uri = f"s3://{BUCKET}/{key}" if key else there.uri
    status, log = servers.refused(tmp_path / "dataset.json", env={"COCOANNOT_DATASET": uri})
    said.add(log)
    assert status != 0
    (line,) = [line for line in log.splitlines() if uri in line]
    assert reason in line
    assert "Traceback" not in log
    assert log.count("Booting worker") == 1


@pytest.mark.parametrize("command", ["save-to-s3", "pull-from-s3"])
def test_a_command_that_fails_says_why_in_one_line_and_changes_nothing(
    command: str,
    scripted: ScriptedS3,
    open_annotator: Open,
    tmp_path: Path,
    said: Said,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    annotator = open_annotator()
    annotator.start()
    annotator.add_and_flush()
    annotator.stop()
    before = annotator.files()
    scripted.always("HEAD", refuse(403, "AccessDenied"))
    scripted.always("GET", refuse(403, "AccessDenied"))
    settings = {"COCOANNOT_DATASET": URI, "COCOANNOT_CACHE": str(annotator.cache)}
    status, output = servers.run_flask(None, command, env=settings)
    said.add(output)
    assert status == 1
    (line,) = [line for line in output.splitlines() if line.startswith("Error: ")]
    assert URI in line
    assert "access is denied" in line
    assert "Traceback" not in output
    assert annotator.files() == before
    scripted.mend()
    status, output = servers.run_flask(None, command, env=settings)
    said.add(output)
    assert (status, URI in output) == (0, True)


def test_gunicorn_gives_its_worker_time_enough_to_find_out_that_s3_does_not_answer(tmp_path: Path, said: Said) -> None:
    settings = {"COCOANNOT_S3_TIMEOUT": "100"}
    with servers.start(
        tmp_path / "dataset.json", [*servers.GUNICORN, "--print-config", "wsgi:app"], env=settings
    ) as it:
        assert it.wait() == 0
        said.add(it.log)
        assert re.search(r"^timeout\s+= 400$", it.log, re.MULTILINE)


def test_a_slow_download_outlasts_the_time_that_gunicorn_gives_its_workers(
    seaweedfs: S3Server, large: bytes, tmp_path: Path, said: Said, monkeypatch: pytest.MonkeyPatch
) -> None:
    there = There(seaweedfs, large)
    settings = {"COCOANNOT_DATASET": there.uri, "COCOANNOT_CACHE": str(tmp_path / "cache")}
    settings["COCOANNOT_IMAGES"] = str(tmp_path)
    copy = Settings.read(settings).dataset_path()
    copy.parent.mkdir(parents=True)
    with proxy_to(seaweedfs.url) as proxy:
        lead_here(monkeypatch, seaweedfs.env(url=proxy.url))
        # Much longer in all.
        proxy.slow(rate=LARGE // 7)
        with servers.serve(copy, env=settings, args=["--timeout", "2"]) as server:
            said.add(server.log)
            assert len(server.workers) == 1
            assert copy.read_bytes() == large
            assert server.status()["s3"]["state"] == "level"
