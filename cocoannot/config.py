"""The settings: their names, defaults and what is allowed. Where they are used is not known here."""

from __future__ import annotations

import os
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, NamedTuple

from cocoannot.errors import ConfigError

_MEBIBYTE = 1024 * 1024


class Setting(NamedTuple):
    """One setting: its name in the environment and in `app.config`, its default as text, what is allowed."""

    name: str
    default: str
    allowed: str
    parse: Callable[[str], Any]


def _path(text: str) -> Path | None:
    if "://" in text:
        raise ValueError(text)
    return Path(text).expanduser() if text else None


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


SETTINGS = {
    "dataset": Setting(
        "COCOANNOT_DATASET",
        "",
        "the path of a COCO JSON file on this machine; s3:// is not supported in this version",
        _path,
    ),
    "create": Setting("COCOANNOT_CREATE", "0", "0 or 1", _flag),
    "images": Setting("COCOANNOT_IMAGES", "", "the path of a folder on this machine", _path),
    "images_follow_links": Setting("COCOANNOT_IMAGES_FOLLOW_LINKS", "0", "0 or 1", _flag),
    "auto_save_interval": Setting(
        "DATASET_AUTO_SAVE_INTERVAL", "30", "seconds, from 0.1 to 86400", _within(0.1, 86400, float)
    ),
    "threads": Setting("COCOANNOT_THREADS", "16", "an integer from 2 to 1024", _within(2, 1024, int)),
    "lock_timeout": Setting("COCOANNOT_LOCK_TIMEOUT", "40", "seconds, from 0 to 3600", _within(0, 3600, float)),
    "max_body_bytes": Setting(
        "COCOANNOT_MAX_BODY_BYTES", str(64 * _MEBIBYTE), "bytes, from 1024 to 2^40", _within(1024, 2**40, int)
    ),
    "max_dataset_bytes": Setting(
        "COCOANNOT_MAX_DATASET_BYTES", str(2048 * _MEBIBYTE), "bytes, from 1024 to 2^40", _within(1024, 2**40, int)
    ),
    "log_level": Setting("COCOANNOT_LOG_LEVEL", "INFO", "DEBUG, INFO, WARNING or ERROR", _level),
}
"""Every setting by its field in `Settings`."""


@dataclass(frozen=True)
class Settings:
    """The settings of one application, checked.

    `auto_save_interval` and `lock_timeout` are seconds, `max_body_bytes` and `max_dataset_bytes` bytes;
    `dataset` and `images` are `None` where they are not set.
    """

    dataset: Path | None
    create: bool
    images: Path | None
    images_follow_links: bool
    auto_save_interval: float
    threads: int
    lock_timeout: float
    max_body_bytes: int
    max_dataset_bytes: int
    log_level: str

    @classmethod
    def read(cls, config: Mapping[str, Any] | None = None, environ: Mapping[str, str] | None = None) -> Settings:
        """Read the settings from `config`, and what is not there from `environ` (default: the process's).

        Raises `ConfigError`, which names the variable, its value and what is allowed.
        """
        config = config or {}
        environ = os.environ if environ is None else environ
        values = {}
        for field, setting in SETTINGS.items():
            given = config.get(setting.name)
            text = environ.get(setting.name, setting.default) if given is None else _text(given)
            try:
                values[field] = setting.parse(text.strip())
            except (ValueError, KeyError, OverflowError, RuntimeError) as exc:
                raise ConfigError(f"{setting.name}={text!r} is not allowed; give {setting.allowed}") from exc
        return cls(**values)


def _text(value: object) -> str:
    return str(int(value)) if isinstance(value, bool) else str(value)
