"""What can go wrong with a call, as one small tree. The text of each says what the server said."""

from __future__ import annotations

from typing import Any


class ClientError(Exception):
    """Base of every error that the client raises on purpose."""


class NoAnswer(ClientError):
    """The server could not be reached, or did not answer, for as long as the client has patience."""


class Refused(ClientError):
    """The server answered with an error; `status` is HTTP's, `errors` has details by field, where there are any."""

    def __init__(self, status: int, message: str, errors: dict[str, Any]) -> None:
        super().__init__(f"{message} ({status})")
        self.status = status
        self.message = message
        self.errors = errors


class Invalid(Refused):
    """What was sent does not fit: `errors` says where and why."""


class NotLoggedIn(Refused):
    """A token, or a name and a password, are needed, or wrong."""


class NotAllowed(Refused):
    """Whoever calls may not do this."""


class NotFound(Refused):
    """There is no such record, or no such address."""


class Conflict(Refused):
    """It contradicts what the dataset holds."""


class VersionMismatch(Refused):
    """The record, or the dataset, has changed since it was read; `current` is the version that it has now."""

    @property
    def current(self) -> str | None:
        """An ETag without quotes for a record, a revision for the dataset."""
        current = self.errors.get("current")
        return None if current is None else str(current)


class Unavailable(Refused):
    """The server can't do it at the moment, and could not for as long as the client has patience."""


_BY_STATUS: dict[int, type[Refused]] = {
    400: Invalid,
    401: NotLoggedIn,
    403: NotAllowed,
    404: NotFound,
    409: Conflict,
    412: VersionMismatch,
    413: Invalid,
    415: Invalid,
    422: Invalid,
    428: Invalid,
    429: Unavailable,
}


def refused(status: int, body: Any, reason: str) -> Refused:
    """The error of an answer whose body is `body`; `reason` is HTTP's own, for an answer of something else."""
    told: dict[str, Any] = body if isinstance(body, dict) else {}
    errors = told.get("errors")
    kind = _BY_STATUS.get(status, Unavailable if status >= 500 else Refused)
    return kind(status, str(told.get("message") or reason), errors if isinstance(errors, dict) else {})
