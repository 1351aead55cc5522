"""One bucket over HTTP: looking, reading, conditional writing, errors in words. What objects mean is not known here.

Every wait is bounded: connecting, and each read, by `timeout` seconds; boto3's standard retries make that three times.
"""

from __future__ import annotations

import io
import os
import re
from collections.abc import Iterator, Mapping
from contextlib import closing, contextmanager
from typing import Any, NamedTuple

import boto3
import botocore.loaders
import botocore.session
from botocore.config import Config
from botocore.exceptions import (
    BotoCoreError,
    ClientError,
    ConnectTimeoutError,
    EndpointConnectionError,
    NoCredentialsError,
    PartialCredentialsError,
    ReadTimeoutError,
)
from botocore.parsers import ResponseParserError
from urllib3.exceptions import HTTPError

from cocoannot.errors import S3Changed, S3Error
from cocoannot.settings import S3Options, S3Uri

MAX_BYTES = 5 * 1024**3
"""The largest object that one request can put, in bytes (AWS, PutObject)."""

# One comes soon on a slow connection too: after each, the caller may tell others that it is alive.
# What boto3 knows of S3 is read once a process, not once a client: that takes longer than all else about one.
_LOADER = botocore.loaders.create_loader()
_BLOCK = 1 << 16
# An answer to a whole upload, or to a copy within S3, may take longer than others.
_PATIENCE = 3
_MISSING = ("404", "NoSuchKey", "NotFound")
_REFUSED_CONDITION = ("412", "PreconditionFailed", "409", "ConditionalRequestConflict", "404", "NoSuchKey", "NotFound")
# How servers without conditional writes answer to a condition.
_UNKNOWN_CONDITION = ("501", "NotImplemented", "400", "InvalidArgument", "InvalidRequest")
_REASONS = {
    "403": "access is denied; the credentials need the permissions that the README lists",
    "AccessDenied": "access is denied; the credentials need the permissions that the README lists",
    "InvalidAccessKeyId": "the credentials are refused: there is no such access key",
    "SignatureDoesNotMatch": "the credentials are refused: the secret key is wrong",
    "ExpiredToken": "the credentials have expired",
    "NoSuchBucket": "there is no such bucket",
}
_USER_IN_URL = re.compile(r"//[^/\s]+@")


class Seen(NamedTuple):
    """An object as S3 shows it: its ETag (with its quotes), its size in bytes, its metadata."""

    etag: str
    size: int
    metadata: dict[str, str]


class Bucket:
    """The objects of one bucket. Every method raises `S3Error`, which names the URI and the reason."""

    def __init__(self, name: str, options: S3Options) -> None:
        self.name = name
        self._secrets: tuple[str, ...] = ()
        self._client, self._patient = self._connect(options, 1, _PATIENCE)

    def look(self, key: str, *, explain: bool = True) -> Seen | None:
        """The object as it is now, `None` where there is none.

        A missing one takes a second request, to tell it from a missing bucket; not so where it need not `explain`.
        """
        with self._told("look at", key):
            try:
                answer = self._client.head_object(Bucket=self.name, Key=key)
            except ClientError as exc:
                if explain or _code(exc) not in _MISSING:
                    self._ask_why(key, exc)
                return None
            return _seen(answer)

    def read(self, key: str, etag: str | None = None, start: int = 0, end: int | None = None) -> tuple[Seen, Any]:
        """The object's description and its body, to be read by `blocks`; bytes `start` to `end`, that one included.

        Raises `S3Changed` where `etag` is given and the object has another one, or is gone.
        """
        wanted: dict[str, str] = {}
        if etag is not None:
            wanted["IfMatch"] = etag
        if start or end is not None:
            wanted["Range"] = f"bytes={start}-{'' if end is None else end}"
        with self._told("read", key):
            try:
                answer = self._client.get_object(Bucket=self.name, Key=key, **wanted)
            except ClientError as exc:
                if etag is not None and _code(exc) in _REFUSED_CONDITION:
                    raise S3Changed(f"read {self._uri(key)}: it is not what it was") from exc
                raise
            return _seen(answer), answer["Body"]

    def blocks(self, key: str, body: Any, size: int) -> Iterator[bytes]:
        """The `size` bytes of a body, in blocks; fewer, or more, are an error."""
        left = size
        with self._told("read", key), closing(body):
            while block := body.read(_BLOCK):
                left -= len(block)
                yield block
        if left:
            raise S3Error(f"read {self._uri(key)}: {size - left} bytes came where {size} were announced")

    def put(self, key: str, body: io.RawIOBase, metadata: Mapping[str, str], condition: Mapping[str, str]) -> str:
        """Write the object in one request; returns its ETag. `condition` is `IfMatch` or `IfNoneMatch`, or nothing.

        Raises `S3Changed` where the condition does not hold.
        """
        with self._told("upload", key):
            try:
                answer = self._patient.put_object(
                    Bucket=self.name,
                    Key=key,
                    Body=body,
                    Metadata=dict(metadata),
                    ContentType="application/json",
                    **condition,
                )
            except ClientError as exc:
                if condition and _code(exc) in _REFUSED_CONDITION:
                    raise S3Changed(f"upload {self._uri(key)}: it is not what it was") from exc
                if condition and _code(exc) in _UNKNOWN_CONDITION:
                    raise S3Error(
                        f"upload {self._uri(key)}: {self._reason(exc)}; where the server does not know conditional "
                        "writes (If-Match), set COCOANNOT_S3_CONDITIONAL=0: S3 is then compared with just before"
                    ) from None
                raise
            return str(answer["ETag"])

    def copy(self, key: str, target: str, etag: str) -> None:
        """Copy the object at `key`, of this `etag`, to `target`. Raises `S3Changed` where it has another one."""
        source = {"Bucket": self.name, "Key": key}
        with self._told("copy", key):
            try:
                self._patient.copy_object(Bucket=self.name, Key=target, CopySource=source, CopySourceIfMatch=etag)
            except ClientError as exc:
                if _code(exc) in _REFUSED_CONDITION:
                    raise S3Changed(f"copy {self._uri(key)}: it is not what it was") from exc
                raise

    def _connect(self, options: S3Options, *patience: int) -> list[Any]:
        try:
            custom = os.environ.get("AWS_ENDPOINT_URL_S3") or os.environ.get("AWS_ENDPOINT_URL")
            user = (custom or "").partition("//")[2].rpartition("@")[0]
            # As a whole first: the password alone is a part of it.
            self._secrets = tuple(text for text in (user, user.partition(":")[2]) if text)
            core = botocore.session.get_session()
            core.register_component("data_loader", _LOADER)
            session = boto3.Session(botocore_session=core)
            credentials = session.get_credentials()
            if credentials is not None:
                frozen = credentials.get_frozen_credentials()
                self._secrets += tuple(text for text in (frozen.secret_key, frozen.token, frozen.access_key) if text)
            style = options.addressing
            config = Config(
                connect_timeout=options.timeout,
                retries={"mode": "standard", "total_max_attempts": 3},
                s3={"addressing_style": ("path" if custom else "auto") if style == "auto" else style},
                request_checksum_calculation=options.checksums,
                response_checksum_validation=options.checksums,
            )
            # AWS wants a region to sign for; servers of other kinds take any.
            region = session.region_name or "us-east-1"
            return [
                session.client(
                    "s3", region_name=region, config=config.merge(Config(read_timeout=options.timeout * each))
                )
                for each in patience
            ]
        except (BotoCoreError, ValueError) as exc:
            raise S3Error(f"s3://{self.name}: {self._reason(exc)}") from None

    def _ask_why(self, key: str, refused: ClientError) -> None:
        """Return where the object that was looked at is missing; else raise the reason.

        An answer to a look has no body to tell it, and not even that the bucket is missing; one to a read has.
        """
        if refused.response["ResponseMetadata"]["HTTPStatusCode"] >= 500:
            raise refused
        try:
            self._client.get_object(Bucket=self.name, Key=key, Range="bytes=0-0")["Body"].close()
        except ClientError as exc:
            if _code(exc) not in _MISSING:
                raise
        if _code(refused) not in _MISSING:
            raise refused

    @contextmanager
    def _told(self, doing: str, key: str) -> Iterator[None]:
        try:
            yield
        except (BotoCoreError, ClientError, HTTPError) as exc:
            # Not as its cause: that may show what was sent.
            raise S3Error(f"{doing} {self._uri(key)}: {self._reason(exc)}") from None
        except (KeyError, ValueError, ResponseParserError):
            raise S3Error(
                f"{doing} {self._uri(key)}: the answer is not what S3 would answer; see that AWS_ENDPOINT_URL is right"
            ) from None

    def _reason(self, error: Exception) -> str:
        match error:
            case ClientError():
                code = _code(error)
                text = error.response.get("Error", {}).get("Message", "")
                reason = _REASONS.get(code) or f"{text} ({code})".strip()
            case NoCredentialsError() | PartialCredentialsError():
                reason = "there are no credentials: set AWS_ACCESS_KEY_ID and AWS_SECRET_ACCESS_KEY, or a profile"
            case EndpointConnectionError() | ConnectTimeoutError():
                reason = f"the server can't be reached: {error}"
            case ReadTimeoutError():
                reason = "the server did not answer in time"
            case _:
                reason = str(error) or repr(error)
        for secret in self._secrets:
            reason = reason.replace(secret, "...")
        return _USER_IN_URL.sub("//...@", " ".join(reason.split()))

    def _uri(self, key: str) -> str:
        return str(S3Uri(self.name, key))


def _code(error: ClientError) -> str:
    return str(error.response.get("Error", {}).get("Code", ""))


def _seen(answer: Mapping[str, Any]) -> Seen:
    return Seen(str(answer["ETag"]), int(answer["ContentLength"]), dict(answer.get("Metadata", {})))
