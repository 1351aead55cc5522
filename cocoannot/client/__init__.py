"""A client for Python programs: `Client` calls a server of cocoannot. It needs the standard library alone.

from cocoannot.client import Client

client = Client("http://127.0.0.1:8000")
for image in client.images(status="open"):
    ...
"""

from cocoannot.client.client import Client
from cocoannot.client.errors import (
    ClientError,
    Conflict,
    Invalid,
    NoAnswer,
    NotAllowed,
    NotFound,
    NotLoggedIn,
    Refused,
    Unavailable,
    VersionMismatch,
)
from cocoannot.client.events import Event
from cocoannot.client.records import Record

__all__ = [
    "Client",
    "ClientError",
    "Conflict",
    "Event",
    "Invalid",
    "NoAnswer",
    "NotAllowed",
    "NotFound",
    "NotLoggedIn",
    "Record",
    "Refused",
    "Unavailable",
    "VersionMismatch",
]
