"""The settings: their names, defaults and what is allowed. Where they are used is not known here."""

from __future__ import annotations

import hashlib
import ipaddress
import os
import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, NamedTuple

import platformdirs

from cocoannot.errors import ConfigError

_MEBIBYTE = 1024 * 1024
_LOOPBACK_NAMES = ("localhost", "127.0.0.1", "[::1]")
_HOST = re.compile(r"[a-z0-9.-]+|\[[0-9a-f:.]+\]")
_BUCKET = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]{1,254}")
_UNSAFE = re.compile(r"[^A-Za-z0-9._-]")
_ORIGIN = re.compile(r"https?://([a-z0-9.-]+|\[[0-9a-f:.]+\])(:[0-9]{1,5})?")


class Setting(NamedTuple):
    """One setting: its name in the environment and in `app.config`, its default as text, what is allowed.

    The value of a `secret` one is never shown.
    """

    name: str
    default: str
    allowed: str
    parse: Callable[[str], Any]
    secret: bool = False


class S3Uri(NamedTuple):
    """An object, or with a key that ends in `/` or is empty, all below it: `s3://BUCKET/KEY`."""

    bucket: str
    key: str

    def __str__(self) -> str:
        return f"s3://{self.bucket}/{self.key}"


class S3Options(NamedTuple):
    """How S3 is talked to: seconds of silence that are too many, and what servers that are not AWS need."""

    timeout: float
    addressing: str
    checksums: str
    conditional: bool


def _path(text: str) -> Path | None:
    if "://" in text:
        raise ValueError(text)
    return Path(text).expanduser() if text else None


def _place(text: str) -> Path | S3Uri | None:
    scheme, separator, rest = text.partition("://")
    if not separator or scheme.lower() not in ("s3", "s3a"):
        return _path(text)
    bucket, _, key = rest.partition("/")
    if not _BUCKET.fullmatch(bucket) or "?" in key or "#" in key:
        raise ValueError(text)
    return S3Uri(bucket, key)


def _dataset(text: str) -> Path | S3Uri | None:
    place = _place(text)
    if isinstance(place, S3Uri) and (not place.key or place.key.endswith("/")):
        raise ValueError(text)
    return place


def _flag(text: str) -> bool:
    return {"1": True, "true": True, "yes": True, "0": False, "false": False, "no": False, "": False}[text.lower()]


def _within(low: float, high: float, number: Callable[[str], float]) -> Callable[[str], float]:
    def parse(text: str) -> float:
        value = number(text)
        if not low <= value <= high:
            raise ValueError(text)
        return value

    return parse


def _level(text: str) -> str:
    if text.upper() not in ("DEBUG", "INFO", "WARNING", "ERROR"):
        raise ValueError(text)
    return text.upper()


def _token(text: str) -> str | None:
    if text and (len(text) < 16 or not text.isascii() or not text.isprintable() or " " in text):
        raise ValueError
    return text or None


def _hosts(text: str) -> frozenset[str]:
    hosts = [name.strip().lower().rstrip(".") for name in text.split(",") if name.strip()]
    if not all(_HOST.fullmatch(name) for name in hosts):
        raise ValueError(text)
    return frozenset([*hosts, *_LOOPBACK_NAMES])


def _origins(text: str) -> tuple[str, ...]:
    origins = [origin.strip().lower() for origin in text.split(",") if origin.strip()]
    if not all(_ORIGIN.fullmatch(origin) for origin in origins):
        raise ValueError(text)
    # Browsers leave the usual port out.
    return tuple(origin.removesuffix(":443" if origin.startswith("https:") else ":80") for origin in origins)


def _one_of(*values: str) -> Callable[[str], str]:
    def parse(text: str) -> str:
        if text not in values:
            raise ValueError(text)
        return text

    return parse


SETTINGS = {
    "dataset": Setting(
        "COCOANNOT_DATASET",
        "",
        "the path of a COCO JSON file on this machine, or s3://BUCKET/KEY",
        _dataset,
    ),
    "create": Setting("COCOANNOT_CREATE", "0", "0 or 1", _flag),
    "images": Setting("COCOANNOT_IMAGES", "", "the path of a folder on this machine, or s3://BUCKET/PREFIX", _place),
    "images_follow_links": Setting("COCOANNOT_IMAGES_FOLLOW_LINKS", "0", "0 or 1", _flag),
    "auto_save_interval": Setting(
        "DATASET_AUTO_SAVE_INTERVAL", "30", "seconds, from 0.1 to 86400", _within(0.1, 86400, float)
    ),
    "journal_fsync": Setting(
        "COCOANNOT_JOURNAL_FSYNC", "everysec", "everysec or always", _one_of("everysec", "always")
    ),
    "backups": Setting("COCOANNOT_BACKUPS", "7", "an integer from 0 to 1000", _within(0, 1000, int)),
    "threads": Setting("COCOANNOT_THREADS", "16", "an integer from 2 to 1024", _within(2, 1024, int)),
    "lock_timeout": Setting("COCOANNOT_LOCK_TIMEOUT", "40", "seconds, from 0 to 3600", _within(0, 3600, float)),
    "client_timeout": Setting("COCOANNOT_CLIENT_TIMEOUT", "20", "seconds, from 1 to 3600", _within(1, 3600, float)),
    "max_body_bytes": Setting(
        "COCOANNOT_MAX_BODY_BYTES", str(64 * _MEBIBYTE), "bytes, from 1024 to 2^40", _within(1024, 2**40, int)
    ),
    "max_dataset_bytes": Setting(
        "COCOANNOT_MAX_DATASET_BYTES", str(2048 * _MEBIBYTE), "bytes, from 1024 to 2^40", _within(1024, 2**40, int)
    ),
    "token": Setting(
        "COCOANNOT_TOKEN", "", "at least 16 printable ASCII characters without a space", _token, secret=True
    ),
    "insecure": Setting("COCOANNOT_INSECURE", "0", "0 or 1", _flag),
    "hosts": Setting("COCOANNOT_HOSTS", "", "names or addresses without ports, separated by commas", _hosts),
    "cors_origins": Setting(
        "COCOANNOT_CORS_ORIGINS", "", "origins such as https://annotate.example.org, separated by commas", _origins
    ),
    "proxies": Setting("COCOANNOT_PROXIES", "0", "an integer from 0 to 10", _within(0, 10, int)),
    "cache": Setting("COCOANNOT_CACHE", "", "the path of a folder on this machine", _path),
    "cache_bytes": Setting(
        "COCOANNOT_CACHE_BYTES", str(1024 * _MEBIBYTE), "bytes, from 1048576 to 2^50", _within(_MEBIBYTE, 2**50, int)
    ),
    "s3_timeout": Setting("COCOANNOT_S3_TIMEOUT", "20", "seconds, from 0.1 to 3600", _within(0.1, 3600, float)),
    "s3_addressing": Setting(
        "COCOANNOT_S3_ADDRESSING", "auto", "auto, path or virtual", _one_of("auto", "path", "virtual")
    ),
    "s3_checksums": Setting(
        "COCOANNOT_S3_CHECKSUMS",
        "when_supported",
        "when_supported or when_required",
        _one_of("when_supported", "when_required"),
    ),
    "s3_conditional": Setting("COCOANNOT_S3_CONDITIONAL", "1", "0 or 1", _flag),
    "log_level": Setting("COCOANNOT_LOG_LEVEL", "INFO", "DEBUG, INFO, WARNING or ERROR", _level),
    "log_format": Setting("COCOANNOT_LOG", "text", "text or json", _one_of("text", "json")),
}
"""Every setting by its field in `Settings`."""


@dataclass(frozen=True)
class Settings:
    """The settings of one application, checked.

    `auto_save_interval`, `lock_timeout` and `client_timeout` are seconds; `max_body_bytes`, `max_dataset_bytes` and
    `cache_bytes` bytes. `dataset`, `images`, `cache` and `token` are `None` where they are not set. `hosts` are in
    lower case, without ports and a dot at the end, and hold the loopback names always; `cors_origins` are as browsers
    send them.
    """

    dataset: Path | S3Uri | None
    create: bool
    images: Path | S3Uri | None
    images_follow_links: bool
    auto_save_interval: float
    journal_fsync: str
    backups: int
    threads: int
    lock_timeout: float
    client_timeout: float
    max_body_bytes: int
    max_dataset_bytes: int
    token: str | None = field(repr=False)
    insecure: bool
    hosts: frozenset[str]
    cors_origins: tuple[str, ...]
    proxies: int
    cache: Path | None
    cache_bytes: int
    s3_timeout: float
    s3_addressing: str
    s3_checksums: str
    s3_conditional: bool
    log_level: str
    log_format: str

    @classmethod
    def read(cls, config: Mapping[str, Any] | None = None, environ: Mapping[str, str] | None = None) -> Settings:
        """Read the settings from `config`, and what is not there from `environ` (default: the process's).

        Raises `ConfigError`, which names the variable, its value and what is allowed.
        """
        config = config or {}
        environ = os.environ if environ is None else environ
        values = {}
        for name, setting in SETTINGS.items():
            given = config.get(setting.name)
            text = environ.get(setting.name, setting.default) if given is None else _text(given)
            try:
                values[name] = setting.parse(text.strip())
            except (ValueError, KeyError, OverflowError, RuntimeError) as exc:
                shown = "..." if setting.secret else repr(text)
                raise ConfigError(f"{setting.name}={shown} is not allowed; give {setting.allowed}") from exc
        return cls(**values)

    def dataset_path(self) -> Path:
        """The file of the dataset that is named, for one in S3 its local copy. Raises `ConfigError` where none is."""
        if self.dataset is None:
            raise ConfigError(f"COCOANNOT_DATASET is not set; give {SETTINGS['dataset'].allowed}")
        if isinstance(self.dataset, Path):
            return self.dataset
        uri = str(self.dataset)
        # A folder a URI, that people can tell: the hash alone keeps two apart.
        name = _UNSAFE.sub("-", uri.removeprefix("s3://"))[-80:]
        folder = f"{name}-{hashlib.sha256(uri.encode()).hexdigest()[:12]}"
        return self.cache_folder() / "datasets" / folder / (_UNSAFE.sub("-", self.dataset.key.rpartition("/")[2]))

    def cache_folder(self) -> Path:
        """The folder of what can be made or downloaded again."""
        return self.cache or platformdirs.user_cache_path("cocoannot")

    def s3_options(self) -> S3Options:
        """How S3 is talked to."""
        return S3Options(self.s3_timeout, self.s3_addressing, self.s3_checksums, self.s3_conditional)

    def check_address(self, host: str) -> None:
        """Raise `ConfigError` where listening at `host` (an IP address, a name, a socket's path) needs a token."""
        if not (is_loopback(host) or self.token or self.insecure):
            raise ConfigError(
                f"listening at {host!r} lets others in: set COCOANNOT_TOKEN, or COCOANNOT_INSECURE=1 if everybody who "
                "reaches it may change the dataset, or give a loopback address such as 127.0.0.1:8000"
            )

    def warning(self, host: str) -> str | None:
        """What the log should say of listening at `host`, which `check_address` allows; `None` for nothing."""
        if self.token:
            return None
        if not is_loopback(host):
            return f"COCOANNOT_INSECURE=1, listening at {host!r}: everybody who reaches it may change the dataset"
        if self.proxies:
            return "COCOANNOT_TOKEN is not set: everybody whom the proxy lets through may change the dataset"
        return None


def is_loopback(host: str) -> bool:
    """Whether only this machine reaches `host`, an IP address or a name."""
    try:
        return host == "localhost" or ipaddress.ip_address(host.strip("[]")).is_loopback
    except ValueError:
        return False


def _text(value: object) -> str:
    return str(int(value)) if isinstance(value, bool) else str(value)
