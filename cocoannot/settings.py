"""The settings: their names, defaults, and what is allowed. Where they are used is not known here."""

from __future__ import annotations

import difflib
import hashlib
import ipaddress
import os
import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, fields
from pathlib import Path
from typing import Any, NamedTuple

import platformdirs

from cocoannot import setting_values as values
from cocoannot.database_uri import DatabaseUri
from cocoannot.errors import ConfigError
from cocoannot.setting_values import FLAG, Setting, integer, integer_or_nothing, one_of, seconds, setting, size
from cocoannot.setting_values import S3Uri as S3Uri

_MEBIBYTE = 1024 * 1024
_PREFIX = "COCOANNOT_"
_UNSAFE = re.compile(r"[^A-Za-z0-9._-]")


class S3Options(NamedTuple):
    """How S3 is talked to: seconds of silence that are too many, and what servers that are not AWS need."""

    timeout: float
    addressing: str
    checksums: str
    conditional: bool


@dataclass(frozen=True)
class Settings:
    """The settings of one application, checked. This is the one list of them; `None` is one that is not set."""

    dataset: Path | S3Uri | DatabaseUri | None = setting(
        "COCOANNOT_DATASET",
        "",
        values.DATASET,
        "the COCO JSON file, `s3://BUCKET/KEY` (`s3a://` too), or `postgresql://USER@HOST/DATABASE?dataset=NAME`. If "
        "it is not set, `make run` makes and serves a demo dataset",
    )
    export: Path | S3Uri | None = setting(
        "COCOANNOT_EXPORT",
        "",
        values.FILE_OR_S3,
        "the COCO JSON file, or `s3://BUCKET/KEY`, that a dataset in PostgreSQL is exported to by each save. If it is "
        "not set, it is exported only when somebody asks for it",
    )
    create: bool = setting("COCOANNOT_CREATE", "0", FLAG, "`1` makes an empty dataset if there is no file")
    images: Path | S3Uri | None = setting(
        "COCOANNOT_IMAGES",
        "",
        values.FOLDER_OR_S3,
        "the image folder, or `s3://BUCKET/PREFIX`. If it is not set, the folder is looked for beside the dataset",
    )
    images_follow_links: bool = setting(
        "COCOANNOT_IMAGES_FOLLOW_LINKS",
        "0",
        FLAG,
        "`1` also serves pictures through links that lead out of the image folder",
    )
    auto_save_interval: float = setting(
        "DATASET_AUTO_SAVE_INTERVAL", "30", seconds(0.1, 86400), "seconds from the first unsaved change to the save"
    )
    journal_fsync: str = setting(
        "COCOANNOT_JOURNAL_FSYNC",
        "everysec",
        one_of("everysec", "always"),
        "`always`: a change is answered when it would survive a power cut. `everysec`: it would survive one "
        "within a second",
    )
    backups: int = setting(
        "COCOANNOT_BACKUPS", "7", integer(0, 1000), "how many daily copies of the dataset are kept; 0 for none"
    )
    history_days: int | None = setting(
        "COCOANNOT_HISTORY_DAYS",
        "",
        integer_or_nothing(0, 36500),
        "after how many days changes are forgotten. If it is not set, all are kept for good. `0` keeps no history, in "
        "a database a day",
    )
    threads: int = setting("COCOANNOT_THREADS", "16", integer(2, 1024), "how many threads may answer requests at once")
    event_streams: int = setting(
        "COCOANNOT_EVENT_STREAMS",
        "1000",
        integer(0, 100_000),
        "how many event streams may be open. They take no threads",
    )
    lock_timeout: float = setting(
        "COCOANNOT_LOCK_TIMEOUT",
        "40",
        seconds(0, 3600),
        "seconds to wait at the start until another process releases the dataset",
    )
    client_timeout: float = setting(
        "COCOANNOT_CLIENT_TIMEOUT",
        "20",
        seconds(1, 3600),
        "seconds after which the server closes the connection of a client that neither sends nor reads",
    )
    max_body_bytes: int = setting(
        "COCOANNOT_MAX_BODY_BYTES", str(64 * _MEBIBYTE), size(1024, 40), "largest body of a request, bytes"
    )
    max_dataset_bytes: int = setting(
        "COCOANNOT_MAX_DATASET_BYTES",
        str(2048 * _MEBIBYTE),
        size(1024, 40),
        "largest body of `PUT /api/dataset`, `POST /api/import` and `PUT /api/predictions/{name}`, bytes",
    )
    max_picture_bytes: int = setting(
        "COCOANNOT_MAX_PICTURE_BYTES",
        str(128 * _MEBIBYTE),
        size(1024, 33),
        "largest picture that can be added through the server, bytes",
    )
    token: str | None = setting(
        "COCOANNOT_TOKEN",
        "",
        values.TOKEN,
        "the token that callers must send; at least 16 printable ASCII characters without a space",
        secret=True,
    )
    insecure: bool = setting("COCOANNOT_INSECURE", "0", FLAG, "`1` allows any address without a token")
    hosts: frozenset[str] = setting(
        "COCOANNOT_HOSTS",
        "",
        values.HOSTS,
        "names and addresses by which the server may be called, besides the loopback ones: "
        "`annotate.example.org,10.0.0.7`",
    )
    cors_origins: tuple[str, ...] = setting(
        "COCOANNOT_CORS_ORIGINS",
        "",
        values.ORIGINS,
        "origins of other servers' pages that may call: `https://annotate.example.org,http://localhost:3000`",
    )
    proxies: int = setting(
        "COCOANNOT_PROXIES",
        "0",
        integer(0, 10),
        "how many proxies stand in front. Their `X-Forwarded-For`, `-Host` and `-Proto` are believed",
    )
    session_days: int = setting(
        "COCOANNOT_SESSION_DAYS", "14", integer(1, 365), "days after which a user has to log in again"
    )
    user_header: str | None = setting(
        "COCOANNOT_USER_HEADER",
        "",
        values.HEADER,
        "the header in which a proxy names the user whose password it has checked: `X-Forwarded-User`",
    )
    proxy_secret: str | None = setting(
        "COCOANNOT_PROXY_SECRET",
        "",
        values.TOKEN,
        "what the proxy sends as `X-Proxy-Secret`, so that its user header is believed; not needed over a Unix "
        "socket; at least 16 printable ASCII characters without a space",
        secret=True,
    )
    user_role: str = setting(
        "COCOANNOT_USER_ROLE",
        "annotator",
        one_of("viewer", "annotator", "reviewer", "admin"),
        "the role of users whom the proxy names and who have no account here",
    )
    cache: Path | None = setting(
        "COCOANNOT_CACHE",
        "",
        values.PATH,
        "the folder for thumbnails and for local copies of datasets in S3. If it is not set, it is "
        "`cocoannot` in the user's cache folder",
    )
    cache_bytes: int = setting(
        "COCOANNOT_CACHE_BYTES",
        str(1024 * _MEBIBYTE),
        size(_MEBIBYTE, 50),
        "how much of the disk thumbnails may take, about, bytes",
    )
    assist: tuple[Path, Path] | None = setting(
        "COCOANNOT_ASSIST",
        "",
        values.TWO_FILES,
        "a model that finds objects by clicks: the ONNX files of its encoder and its decoder, "
        "`encoder.onnx,decoder.onnx`",
    )
    s3_timeout: float = setting(
        "COCOANNOT_S3_TIMEOUT",
        "20",
        seconds(0.1, 3600),
        "seconds without an answer after which a request to S3 has failed. It is tried three times. For "
        "uploads the limit is three times as long",
    )
    s3_addressing: str = setting(
        "COCOANNOT_S3_ADDRESSING",
        "auto",
        one_of("auto", "path", "virtual"),
        "`path` or `virtual`. `auto` is `path` if an endpoint is set, else what AWS uses",
    )
    s3_checksums: str = setting(
        "COCOANNOT_S3_CHECKSUMS",
        "when_supported",
        one_of("when_supported", "when_required"),
        "`when_required` for servers that don't know checksums in requests",
    )
    s3_conditional: bool = setting(
        "COCOANNOT_S3_CONDITIONAL",
        "1",
        FLAG,
        "`0` for servers without conditional writes. Then the object is compared first and written after "
        "that, which is not atomic",
    )
    log_level: str = setting(
        "COCOANNOT_LOG_LEVEL",
        "INFO",
        one_of("DEBUG", "INFO", "WARNING", "ERROR", any_case=True),
        "`DEBUG`, `INFO`, `WARNING` or `ERROR`",
    )
    log_format: str = setting(
        "COCOANNOT_LOG", "text", one_of("text", "json"), "`text`, or `json` for one JSON line for each event"
    )

    @classmethod
    def read(cls, config: Mapping[str, Any] | None = None, environ: Mapping[str, str] | None = None) -> Settings:
        """Read the settings from `config`, and what is not there from `environ` (default: the process's).

        Raises `ConfigError`, which names the variable, its value and what is allowed.
        """
        config = config or {}
        environ = os.environ if environ is None else environ
        read = {}
        for name, known in SETTINGS.items():
            given = config.get(known.name)
            text = environ.get(known.name, known.default) if given is None else _text(given)
            try:
                read[name] = known.kind.parse(text.strip())
            except ConfigError as exc:
                raise ConfigError(f"{known.name} is not allowed: {exc}") from exc
            except (ValueError, KeyError, OverflowError, RuntimeError) as exc:
                shown = "..." if known.secret else repr(text)
                raise ConfigError(f"{known.name}={shown} is not allowed; give {known.allowed}") from exc
        if read["export"] is not None and not isinstance(read["dataset"], DatabaseUri):
            raise ConfigError("COCOANNOT_EXPORT is for a dataset in a database; COCOANNOT_DATASET names another one")
        if read["user_header"] and not read["proxies"]:
            raise ConfigError("COCOANNOT_USER_HEADER needs COCOANNOT_PROXIES: how many proxies stand in front")
        return cls(**read)

    @property
    def changes_wait(self) -> bool:
        """Whether a change waits for a disk or a database before it is answered, together with others."""
        return self.journal_fsync == "always" or isinstance(self.dataset, DatabaseUri)

    def dataset_path(self) -> Path:
        """The file of the dataset that is named, for one in S3 its local copy, for one in a database where it is
        exported to. Raises `ConfigError` where none is named."""
        if self.dataset is None:
            raise ConfigError(f"COCOANNOT_DATASET is not set; give {SETTINGS['dataset'].allowed}")
        if isinstance(self.dataset, Path):
            return self.dataset
        if isinstance(self.dataset, DatabaseUri):
            # What is kept beside a dataset's file is kept beside this one.
            return self.export if isinstance(self.export, Path) else self._own_folder() / "dataset.json"
        return self._own_folder() / (_UNSAFE.sub("-", self.dataset.key.rpartition("/")[2]))

    def _own_folder(self) -> Path:
        """The folder in the cache for what belongs to a dataset that is not a file on this machine."""
        uri = str(self.dataset)
        # A folder a URI, that people can tell: the hash alone keeps two apart.
        name = _UNSAFE.sub("-", uri.removeprefix("s3://"))[-80:]
        folder = f"{name}-{hashlib.sha256(uri.encode()).hexdigest()[:12]}"
        return self.cache_folder() / "datasets" / folder

    def cache_folder(self) -> Path:
        """The folder of what can be made or downloaded again."""
        return self.cache or platformdirs.user_cache_path("cocoannot")

    def s3_options(self) -> S3Options:
        """How S3 is talked to."""
        return S3Options(self.s3_timeout, self.s3_addressing, self.s3_checksums, self.s3_conditional)

    def check_address(self, host: str, *, users: bool = False) -> None:
        """Raise `ConfigError` where listening at `host` (an IP address, a name, a socket's path) lets strangers in.

        With `users` everybody has to log in.
        """
        if not (is_loopback(host) or self.token or users or self.user_header or self.insecure):
            raise ConfigError(
                f"listening at {host!r} lets others in: set COCOANNOT_TOKEN, or COCOANNOT_INSECURE=1 if everybody who "
                "reaches it may change the dataset, or give a loopback address such as 127.0.0.1:8000"
            )

    def warning(self, host: str, *, users: bool = False) -> str | None:
        """What the log should say of listening at `host`, which `check_address` allows; `None` for nothing."""
        if self.user_header and not self.proxy_secret and not host.startswith("/"):
            return (
                f"COCOANNOT_USER_HEADER is not believed at {host!r}: set COCOANNOT_PROXY_SECRET, or let the proxy use "
                "a Unix socket"
            )
        if self.token or users or self.user_header:
            return None
        if not is_loopback(host):
            return f"COCOANNOT_INSECURE=1, listening at {host!r}: everybody who reaches it may change the dataset"
        if self.proxies:
            return "COCOANNOT_TOKEN is not set: everybody whom the proxy lets through may change the dataset"
        return None


SETTINGS: dict[str, Setting] = {item.name: item.metadata["setting"] for item in fields(Settings)}
"""Every setting by its field in `Settings`."""


def unknown_settings(names: Iterable[str]) -> list[str]:
    """A warning for each of `names` that looks like one of our settings and is none, with the nearest that is."""
    known = {one.name for one in SETTINGS.values()}
    unknown = sorted(name for name in names if name.startswith(_PREFIX) and name not in known)
    return [f"{name} is not a setting" + _did_you_mean(name) for name in unknown]


def is_loopback(host: str) -> bool:
    """Whether only this machine reaches `host`, an IP address or a name."""
    try:
        return host == "localhost" or ipaddress.ip_address(host.strip("[]")).is_loopback
    except ValueError:
        return False


def _did_you_mean(name: str) -> str:
    # Without what all have in common, which would make every two of them alike.
    by_rest = {one.name.partition("_")[2]: one.name for one in SETTINGS.values()}
    near = difflib.get_close_matches(name.removeprefix(_PREFIX), by_rest, 1)
    return f"; did you mean {by_rest[near[0]]}?" if near else ""


def _text(value: object) -> str:
    return str(int(value)) if isinstance(value, bool) else str(value)
