"""How a setting is declared, and the kinds of values. Which settings there are is not known here.

The parsers raise `ValueError`, `KeyError`,
`OverflowError` or `RuntimeError` for what is not allowed.
"""

from __future__ import annotations

import re
from collections.abc import Callable
from dataclasses import field
from pathlib import Path
from typing import Any, NamedTuple

from cocoannot.database_uri import DatabaseUri, is_database_uri, read_database_uri

_LOOPBACK_NAMES = ("localhost", "127.0.0.1", "[::1]")
_HOST = re.compile(r"[a-z0-9.-]+|\[[0-9a-f:.]+\]")
_BUCKET = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]{1,254}")
_HEADER = re.compile(r"[A-Za-z][A-Za-z0-9-]*")
_ORIGIN = re.compile(r"https?://([a-z0-9.-]+|\[[0-9a-f:.]+\])(:[0-9]{1,5})?")


class Kind(NamedTuple):
    """A kind of value: what is allowed, with its unit, as errors say it, and how its text is read."""

    allowed: str
    parse: Callable[[str], Any]


class Setting(NamedTuple):
    """One setting: its name in the environment and in `app.config`, its default as text, and what it is, for the docs.

    The value of a `secret` one is never shown.
    """

    name: str
    default: str
    kind: Kind
    description: str
    secret: bool

    @property
    def allowed(self) -> str:
        return self.kind.allowed


class S3Uri(NamedTuple):
    """An object, or with a key that ends in `/` or is empty, all below it: `s3://BUCKET/KEY`."""

    bucket: str
    key: str

    def __str__(self) -> str:
        return f"s3://{self.bucket}/{self.key}"


def setting(name: str, default: str, kind: Kind, description: str, *, secret: bool = False) -> Any:
    """A field of a dataclass whose metadata say, as `setting`, where its value comes from."""
    declared = Setting(name, default, kind, description, secret)
    return field(repr=not secret, metadata={"setting": declared})


def integer(low: int, high: int) -> Kind:
    """An integer, bounds included."""
    return Kind(f"an integer from {low} to {high}", _within(low, high, int))


def integer_or_nothing(low: int, high: int) -> Kind:
    """An integer, bounds included, or `None` where nothing is given."""
    number = _within(low, high, int)
    return Kind(f"an integer from {low} to {high}, or nothing", lambda text: number(text) if text else None)


def seconds(low: float, high: float) -> Kind:
    """Seconds, bounds included."""
    return Kind(f"seconds, from {low:g} to {high:g}", _within(low, high, float))


def size(low: int, power: int) -> Kind:
    """Bytes, from `low` to 2 to the `power`."""
    return Kind(f"bytes, from {low} to 2^{power}", _within(low, 2**power, int))


def one_of(*values: str, any_case: bool = False) -> Kind:
    """One of the texts `values`; with `any_case`, which are upper case then, in lower case too."""

    def parse(text: str) -> str:
        value = text.upper() if any_case else text
        if value not in values:
            raise ValueError(text)
        return value

    return Kind(f"{', '.join(values[:-1])} or {values[-1]}", parse)


def _within(low: float, high: float, number: Callable[[str], float]) -> Callable[[str], float]:
    def parse(text: str) -> float:
        value = number(text)
        if not low <= value <= high:
            raise ValueError(text)
        return value

    return parse


def _parse_flag(text: str) -> bool:
    return {"1": True, "true": True, "yes": True, "0": False, "false": False, "no": False, "": False}[text.lower()]


def _parse_path(text: str) -> Path | None:
    if "://" in text:
        raise ValueError(text)
    return Path(text).expanduser() if text else None


def _parse_folder(text: str) -> Path | S3Uri | None:
    scheme, separator, rest = text.partition("://")
    if not separator or scheme.lower() not in ("s3", "s3a"):
        return _parse_path(text)
    bucket, _, key = rest.partition("/")
    if not _BUCKET.fullmatch(bucket) or "?" in key or "#" in key:
        raise ValueError(text)
    return S3Uri(bucket, key)


def _parse_file(text: str) -> Path | S3Uri | None:
    place = _parse_folder(text)
    if isinstance(place, S3Uri) and (not place.key or place.key.endswith("/")):
        raise ValueError(text)
    return place


def _parse_dataset(text: str) -> Path | S3Uri | DatabaseUri | None:
    return read_database_uri(text) if is_database_uri(text) else _parse_file(text)


def _parse_two_files(text: str) -> tuple[Path, Path] | None:
    if not text:
        return None
    one, other = (_parse_path(name.strip()) for name in text.split(","))
    if one is None or other is None or not (one.is_file() and other.is_file()):
        raise ValueError(text)
    return one, other


def _parse_token(text: str) -> str | None:
    if text and (len(text) < 16 or not text.isascii() or not text.isprintable() or " " in text):
        # Without the text: a traceback must not show it.
        raise ValueError
    return text or None


def _parse_hosts(text: str) -> frozenset[str]:
    hosts = [name.strip().lower().rstrip(".") for name in text.split(",") if name.strip()]
    if not all(_HOST.fullmatch(name) for name in hosts):
        raise ValueError(text)
    return frozenset([*hosts, *_LOOPBACK_NAMES])


def _parse_origins(text: str) -> tuple[str, ...]:
    origins = [origin.strip().lower() for origin in text.split(",") if origin.strip()]
    if not all(_ORIGIN.fullmatch(origin) for origin in origins):
        raise ValueError(text)
    # Browsers leave the usual port out.
    return tuple(origin.removesuffix(":443" if origin.startswith("https:") else ":80") for origin in origins)


def _parse_header(text: str) -> str | None:
    # Those that carry a secret, or that mean something else already, name nobody.
    if text and (not _HEADER.fullmatch(text) or text.lower() in ("authorization", "cookie", "host", "origin")):
        raise ValueError(text)
    return text or None


FLAG = Kind("0 or 1", _parse_flag)
PATH = Kind("the path of a folder on this machine", _parse_path)
"""`None` where it is empty, as in those below, down to `HEADER`."""
FILE_OR_S3 = Kind("the path of a file on this machine, or s3://BUCKET/KEY", _parse_file)
DATASET = Kind(
    "the path of a COCO JSON file on this machine, s3://BUCKET/KEY, or postgresql://USER@HOST/DATABASE?dataset=NAME",
    _parse_dataset,
)
TWO_FILES = Kind("the paths of two files that are there, separated by a comma", _parse_two_files)
FOLDER_OR_S3 = Kind("the path of a folder on this machine, or s3://BUCKET/PREFIX", _parse_folder)
TOKEN = Kind("at least 16 printable ASCII characters without a space", _parse_token)
HEADER = Kind("the name of a header, such as X-Forwarded-User", _parse_header)
HOSTS = Kind("names or addresses without ports, separated by commas", _parse_hosts)
"""In lower case, without a dot at the end; the loopback names are always among them."""
ORIGINS = Kind("origins such as https://annotate.example.org, separated by commas", _parse_origins)
"""As browsers send them."""
