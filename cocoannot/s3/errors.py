"""Errors of boto3 in words, as `S3Error`: which object, for which reason, and no secret."""

from __future__ import annotations

import re
from collections.abc import Iterator
from contextlib import contextmanager

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

from cocoannot.errors import S3Error
from cocoannot.settings import S3Uri

_REASONS = {
    "403": "access is denied; the credentials need the permissions that the README lists",
    "AccessDenied": "access is denied; the credentials need the permissions that the README lists",
    "InvalidAccessKeyId": "the credentials are refused: there is no such access key",
    "SignatureDoesNotMatch": "the credentials are refused: the secret key is wrong",
    "ExpiredToken": "the credentials have expired",
    "NoSuchBucket": "there is no such bucket",
}
_USER_IN_URL = re.compile(r"//[^/\s]+@")


class Errors:
    """Errors of requests to the bucket called `bucket`; `secrets` are left out of every text."""

    def __init__(self, bucket: str) -> None:
        self.secrets: tuple[str, ...] = ()
        self._bucket = bucket

    @contextmanager
    def translated(self, doing: str, key: str) -> Iterator[None]:
        """What boto3 raises meanwhile is raised as `S3Error`: `doing` the object at `key` failed."""
        try:
            yield
        except (BotoCoreError, ClientError, HTTPError) as exc:
            # Not as its cause: that may show what was sent.
            raise S3Error(f"{doing} {self.uri(key)}: {self.reason(exc)}") from None
        except (KeyError, ValueError, ResponseParserError):
            raise S3Error(
                f"{doing} {self.uri(key)}: the answer is not what S3 would answer; see that AWS_ENDPOINT_URL is right"
            ) from None

    def reason(self, error: Exception) -> str:
        """Why it failed, on one line."""
        match error:
            case ClientError():
                code = error_code(error)
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
        for secret in self.secrets:
            reason = reason.replace(secret, "...")
        return _USER_IN_URL.sub("//...@", " ".join(reason.split()))

    def uri(self, key: str) -> str:
        """The object at `key`, for messages."""
        return str(S3Uri(self._bucket, key))


def error_code(error: ClientError) -> str:
    """S3's code for the error, or the HTTP status where the answer had no body."""
    return str(error.response.get("Error", {}).get("Code", ""))
