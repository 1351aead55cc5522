"""Where a dataset in a database is: `postgresql://USER@HOST[,HOST...]/DATABASE?dataset=NAME`. Nothing is connected."""

from __future__ import annotations

import re
from typing import NamedTuple
from urllib.parse import parse_qsl, quote, urlencode, urlsplit

from cocoannot.errors import ConfigError

_SCHEME = re.compile(r"postgres(ql)?://", re.IGNORECASE)
_MOST = 1000


class DatabaseUri(NamedTuple):
    """`dsn` is what a client of the database takes; `dataset` is the name within it."""

    dsn: str
    dataset: str

    @property
    def text(self) -> str:
        """The address as it is to be given, with all that is in it."""
        return f"{self.dsn}{'&' if '?' in self.dsn else '?'}dataset={quote(self.dataset, safe='')}"

    def __repr__(self) -> str:
        return f"DatabaseUri({str(self)!r})"

    def __str__(self) -> str:
        """The address for people, without a password."""
        return f"{where(self.dsn)}?dataset={quote(self.dataset)}"


def is_database_uri(text: str) -> bool:
    """Whether `text` is to be read as the address of a database."""
    return _SCHEME.match(text) is not None


def read_database_uri(text: str) -> DatabaseUri:
    """The dataset that `text` names. Raises `ConfigError`, without a password in it."""
    dsn, dataset = split_database_uri(text)
    if not dataset:
        raise ConfigError(f"{where(dsn)} names no dataset; write it as {where(dsn)}?dataset=NAME")
    return DatabaseUri(dsn, dataset)


def split_database_uri(text: str) -> tuple[str, str]:
    """The address of the database, and the name of the dataset in it, "" for none. Raises `ConfigError`."""
    try:
        parts = urlsplit(text)
    except ValueError:
        parts = urlsplit("")
    if not is_database_uri(text) or not parts.path.strip("/"):
        raise ConfigError("the address of a database is to be postgresql://USER@HOST/DATABASE?dataset=NAME")
    query = parse_qsl(parts.query, keep_blank_values=True)
    names = [value for key, value in query if key == "dataset"]
    if len(names) > 1 or any("\0" in name or len(name) > _MOST for name in names):
        raise ConfigError(
            f"{where(text)}: `dataset` is to be one name of at most {_MOST} characters, without U+0000 (%00)"
        )
    if any(key == "prepare" and value not in ("0", "1") for key, value in query):
        raise ConfigError(f"{where(text)}: `prepare` is to be 0 or 1; leave it out if there is no pgbouncer")
    rest = urlencode([(key, value) for key, value in query if key != "dataset"], quote_via=quote)
    return parts._replace(query=rest).geturl(), names[0] if names else ""


def where(dsn: str) -> str:
    """The address for people: without password, and without parameters."""
    parts = urlsplit(dsn)
    user = parts.netloc.rpartition("@")[0].partition(":")[0]
    host = parts.netloc.rpartition("@")[2]
    return f"{parts.scheme}://{user + '@' if user else ''}{host}{parts.path}"
