"""One bucket over HTTP: looking, reading, conditional writing. What objects mean is not known here.

Every wait is bounded: connecting, and each read, by `timeout` seconds; boto3's standard retries make that three times.
"""

from __future__ import annotations

import io
import os
from collections.abc import Iterator, Mapping
from typing import Any, BinaryIO, NamedTuple

import boto3
import botocore.loaders
import botocore.session
from botocore.config import Config
from botocore.exceptions import BotoCoreError, ClientError

from cocoannot.errors import S3Changed, S3Error
from cocoannot.s3.body import Body, Seen
from cocoannot.s3.errors import Errors, error_code
from cocoannot.settings import S3Options

MAX_BYTES = 5 * 1024**3
"""The largest object that one request can put, in bytes (AWS, PutObject)."""

# What boto3 knows of S3 is read once a process, not once a client: that takes longer than all else about one.
_LOADER = botocore.loaders.create_loader()
# An answer to a whole upload, or to a copy within S3, may take longer than others.
_PATIENCE = 3
_MISSING = ("404", "NoSuchKey", "NotFound")
_REFUSED_CONDITION = ("412", "PreconditionFailed", "409", "ConditionalRequestConflict", "404", "NoSuchKey", "NotFound")
# How servers without conditional writes answer to a condition.
_UNKNOWN_CONDITION = ("501", "NotImplemented", "400", "InvalidArgument", "InvalidRequest")


class Written(NamedTuple):
    """What S3 calls an object that was written; `version_id` as in `Seen`."""

    etag: str
    version_id: str | None


class Bucket:
    """The objects of one bucket. Every method raises `S3Error`, which names the URI and the reason."""

    def __init__(self, name: str, options: S3Options) -> None:
        self.name = name
        self.is_conditional = options.conditional
        self._errors = Errors(name)
        self._client, self._patient = self._connect(options, 1, _PATIENCE)

    def look(self, key: str, *, explain: bool = True) -> Seen | None:
        """The object as it is now, `None` where there is none.

        A missing one takes a second request, to tell it from a missing bucket; not so where it need not `explain`.
        """
        with self._errors.translated("look at", key):
            try:
                answer = self._client.head_object(Bucket=self.name, Key=key)
            except ClientError as exc:
                if explain or error_code(exc) not in _MISSING:
                    self._ask_why(key, exc)
                return None
            return _seen(answer)

    def read(self, key: str, seen: Seen, start: int = 0, length: int | None = None) -> Body:
        """The version of the object that was `seen`, or its `length` bytes from `start`; the caller closes the body.

        That it is this version, and as many bytes, is known when this returns, but not a connection that breaks later.
        Raises `S3Changed` where the object has another version, or is gone.
        """
        length = seen.size - start if length is None else length
        part = {} if length == seen.size else {"Range": f"bytes={start}-{start + length - 1}"}
        with self._errors.translated("read", key):
            try:
                answer = self._client.get_object(Bucket=self.name, Key=key, IfMatch=seen.etag, **part)
            except ClientError as exc:
                if error_code(exc) in _REFUSED_CONDITION:
                    raise self._changed(key) from exc
                raise
            body = Body(_seen(answer), answer["Body"], self._errors, key)
        # Not every server knows conditions and ranges.
        if body.seen.etag != seen.etag:
            body.close()
            raise self._changed(key)
        if body.seen.size != length:
            body.close()
            raise S3Error(f"read {self._errors.uri(key)}: {body.seen.size} bytes came where {length} were asked for")
        return body

    def read_version(self, key: str, version_id: str) -> Body:
        """An older version of the object; the caller closes the body."""
        with self._errors.translated("read an older version of", key):
            answer = self._client.get_object(Bucket=self.name, Key=key, VersionId=version_id)
            return Body(_seen(answer), answer["Body"], self._errors, key)

    def keys(self, prefix: str) -> Iterator[str]:
        """The keys of all objects below `prefix`, in the order of their bytes."""
        with self._errors.translated("list", prefix):
            for page in self._client.get_paginator("list_objects_v2").paginate(Bucket=self.name, Prefix=prefix):
                yield from (str(each["Key"]) for each in page.get("Contents", ()))

    def remove(self, key: str) -> None:
        """Delete the object, where there is one."""
        with self._errors.translated("delete", key):
            self._client.delete_object(Bucket=self.name, Key=key)

    def put(
        self,
        key: str,
        body: io.RawIOBase | BinaryIO,
        metadata: Mapping[str, str],
        condition: Mapping[str, str],
        media_type: str = "",
    ) -> Written:
        """Write the object in one request. `condition` is `IfMatch` or `IfNoneMatch`, or nothing.

        `media_type` is JSON, or gzip, where it is not given. Raises `S3Changed` where the condition does not hold.
        """
        with self._errors.translated("upload", key):
            try:
                answer = self._patient.put_object(
                    Bucket=self.name,
                    Key=key,
                    Body=body,
                    Metadata=dict(metadata),
                    ContentType=media_type
                    or ("application/gzip" if key.lower().endswith(".gz") else "application/json"),
                    **condition,
                )
            except ClientError as exc:
                if condition and error_code(exc) in _REFUSED_CONDITION:
                    raise S3Changed(f"upload {self._errors.uri(key)}: it is not what it was") from exc
                if condition and error_code(exc) in _UNKNOWN_CONDITION:
                    raise S3Error(
                        f"upload {self._errors.uri(key)}: {self._errors.reason(exc)}; where the server does not know "
                        "conditional writes (If-Match), set COCOANNOT_S3_CONDITIONAL=0: S3 is then compared with just "
                        "before"
                    ) from None
                raise
            return Written(str(answer["ETag"]), _version_id(answer))

    def copy(self, key: str, target: str, etag: str) -> None:
        """Copy the object at `key`, of this `etag`, to `target`. Raises `S3Changed` where it has another one."""
        source = {"Bucket": self.name, "Key": key}
        with self._errors.translated("copy", key):
            try:
                self._patient.copy_object(Bucket=self.name, Key=target, CopySource=source, CopySourceIfMatch=etag)
            except ClientError as exc:
                if error_code(exc) in _REFUSED_CONDITION:
                    raise S3Changed(f"copy {self._errors.uri(key)}: it is not what it was") from exc
                raise

    def _connect(self, options: S3Options, *patience: int) -> list[Any]:
        try:
            custom = os.environ.get("AWS_ENDPOINT_URL_S3") or os.environ.get("AWS_ENDPOINT_URL")
            user = (custom or "").partition("//")[2].rpartition("@")[0]
            # As a whole first: the password alone is a part of it.
            self._errors.secrets = tuple(text for text in (user, user.partition(":")[2]) if text)
            core = botocore.session.get_session()
            core.register_component("data_loader", _LOADER)
            session = boto3.Session(botocore_session=core)
            credentials = session.get_credentials()
            if credentials is not None:
                frozen = credentials.get_frozen_credentials()
                self._errors.secrets += tuple(
                    text for text in (frozen.secret_key, frozen.token, frozen.access_key) if text
                )
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
            raise S3Error(f"s3://{self.name}: {self._errors.reason(exc)}") from None

    def _changed(self, key: str) -> S3Changed:
        return S3Changed(f"read {self._errors.uri(key)}: it is not what it was")

    def _ask_why(self, key: str, refused: ClientError) -> None:
        """Return where the object that was looked at is missing; else raise the reason.

        An answer to a look has no body to tell it, and not even that the bucket is missing; one to a read has.
        """
        if refused.response["ResponseMetadata"]["HTTPStatusCode"] >= 500:
            raise refused
        try:
            self._client.get_object(Bucket=self.name, Key=key, Range="bytes=0-0")["Body"].close()
        except ClientError as exc:
            if error_code(exc) not in _MISSING:
                raise
        if error_code(refused) not in _MISSING:
            raise refused


def _seen(answer: Mapping[str, Any]) -> Seen:
    size, metadata = int(answer["ContentLength"]), dict(answer.get("Metadata", {}))
    return Seen(str(answer["ETag"]), size, metadata, _version_id(answer))


def _version_id(answer: Mapping[str, Any]) -> str | None:
    """`None` too where versions are not counted any more: such an object is written over by the next one."""
    version_id = str(answer.get("VersionId") or "null")
    return None if version_id == "null" else version_id
