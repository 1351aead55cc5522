"""Each setting: its default, what is allowed, and what an error says."""

from __future__ import annotations

import dataclasses
from pathlib import Path
from typing import Any

import pytest

from cocoannot import create_app
from cocoannot.config import SETTINGS, Settings
from cocoannot.errors import ConfigError
from cocoannot.extension import runtime

MEBIBYTE = 1024 * 1024


def test_defaults() -> None:
    assert Settings.read({}, {}) == Settings(
        dataset=None,
        create=False,
        images=None,
        images_follow_links=False,
        auto_save_interval=30,
        threads=16,
        lock_timeout=40,
        max_body_bytes=64 * MEBIBYTE,
        max_dataset_bytes=2048 * MEBIBYTE,
        log_level="INFO",
    )


def test_every_field_has_a_setting() -> None:
    assert [field.name for field in dataclasses.fields(Settings)] == list(SETTINGS)


@pytest.mark.parametrize(
    ("name", "text", "value"),
    [
        ("COCOANNOT_DATASET", "/data/a b.json", Path("/data/a b.json")),
        ("COCOANNOT_DATASET", "~/a.json", Path.home() / "a.json"),
        ("COCOANNOT_DATASET", "", None),
        ("COCOANNOT_CREATE", "1", True),
        ("COCOANNOT_CREATE", "0", False),
        ("COCOANNOT_CREATE", "true", True),
        ("COCOANNOT_CREATE", "No", False),
        ("COCOANNOT_CREATE", "", False),
        ("COCOANNOT_IMAGES", "/data", Path("/data")),
        ("COCOANNOT_IMAGES_FOLLOW_LINKS", "1", True),
        ("DATASET_AUTO_SAVE_INTERVAL", "0.1", 0.1),
        ("DATASET_AUTO_SAVE_INTERVAL", "86400", 86400),
        ("DATASET_AUTO_SAVE_INTERVAL", " 5 ", 5),
        ("COCOANNOT_THREADS", "2", 2),
        ("COCOANNOT_THREADS", "1024", 1024),
        ("COCOANNOT_LOCK_TIMEOUT", "0", 0),
        ("COCOANNOT_LOCK_TIMEOUT", "3600", 3600),
        ("COCOANNOT_MAX_BODY_BYTES", "1024", 1024),
        ("COCOANNOT_MAX_BODY_BYTES", str(2**40), 2**40),
        ("COCOANNOT_MAX_DATASET_BYTES", "1024", 1024),
        ("COCOANNOT_LOG_LEVEL", "debug", "DEBUG"),
        ("COCOANNOT_LOG_LEVEL", "ERROR", "ERROR"),
    ],
)
def test_value_that_is_allowed_is_read(name: str, text: str, value: object) -> None:
    field = next(field for field, setting in SETTINGS.items() if setting.name == name)
    assert getattr(Settings.read({}, {name: text}), field) == value
    assert getattr(Settings.read({name: text}, {}), field) == value


@pytest.mark.parametrize(
    ("name", "text"),
    [
        ("COCOANNOT_DATASET", "s3://bucket/key.json"),
        ("COCOANNOT_DATASET", "https://host/a.json"),
        ("COCOANNOT_DATASET", "~no-such-user/a.json"),
        ("COCOANNOT_CREATE", "2"),
        ("COCOANNOT_CREATE", "on"),
        ("COCOANNOT_IMAGES", "s3://bucket/images"),
        ("COCOANNOT_IMAGES_FOLLOW_LINKS", "-1"),
        ("DATASET_AUTO_SAVE_INTERVAL", "0"),
        ("DATASET_AUTO_SAVE_INTERVAL", "-30"),
        ("DATASET_AUTO_SAVE_INTERVAL", "86401"),
        ("DATASET_AUTO_SAVE_INTERVAL", "nan"),
        ("DATASET_AUTO_SAVE_INTERVAL", "inf"),
        ("DATASET_AUTO_SAVE_INTERVAL", "30s"),
        ("DATASET_AUTO_SAVE_INTERVAL", ""),
        ("COCOANNOT_THREADS", "1"),
        ("COCOANNOT_THREADS", "1025"),
        ("COCOANNOT_THREADS", "4.5"),
        ("COCOANNOT_LOCK_TIMEOUT", "-1"),
        ("COCOANNOT_LOCK_TIMEOUT", "3601"),
        ("COCOANNOT_MAX_BODY_BYTES", "1023"),
        ("COCOANNOT_MAX_BODY_BYTES", str(2**40 + 1)),
        ("COCOANNOT_MAX_BODY_BYTES", "64MB"),
        ("COCOANNOT_MAX_BODY_BYTES", "9" * 5000),
        ("COCOANNOT_MAX_DATASET_BYTES", "0"),
        ("COCOANNOT_LOG_LEVEL", "LOUD"),
        ("COCOANNOT_LOG_LEVEL", ""),
    ],
)
def test_value_that_is_refused_is_named_with_what_is_allowed(name: str, text: str) -> None:
    setting = next(setting for setting in SETTINGS.values() if setting.name == name)
    with pytest.raises(ConfigError) as error:
        Settings.read({}, {name: text})
    assert str(error.value) == f"{name}={text!r} is not allowed; give {setting.allowed}"


def test_s3_is_refused_with_what_to_give_instead() -> None:
    with pytest.raises(ConfigError, match=r"path of a COCO JSON file on this machine; s3:// is not supported"):
        Settings.read({"COCOANNOT_DATASET": "s3://bucket/key.json"}, {})


@pytest.mark.parametrize(
    ("name", "value", "field", "read"),
    [
        ("COCOANNOT_CREATE", True, "create", True),
        ("COCOANNOT_CREATE", False, "create", False),
        ("COCOANNOT_THREADS", 4, "threads", 4),
        ("DATASET_AUTO_SAVE_INTERVAL", 0.5, "auto_save_interval", 0.5),
        ("COCOANNOT_DATASET", Path("/data/a.json"), "dataset", Path("/data/a.json")),
    ],
)
def test_app_config_may_hold_python_values(name: str, value: Any, field: str, read: object) -> None:
    assert getattr(Settings.read({name: value}, {}), field) == read


def test_app_config_goes_before_the_environment() -> None:
    environ = {"COCOANNOT_THREADS": "8", "COCOANNOT_LOCK_TIMEOUT": "7"}
    settings = Settings.read({"COCOANNOT_THREADS": 4, "COCOANNOT_LOCK_TIMEOUT": None}, environ)
    assert (settings.threads, settings.lock_timeout) == (4, 7)


def test_value_of_the_environment_that_app_config_overrides_is_not_looked_at() -> None:
    assert Settings.read({"COCOANNOT_THREADS": 4}, {"COCOANNOT_THREADS": "x"}).threads == 4


def test_settings_can_t_be_changed() -> None:
    settings = Settings.read({}, {})
    with pytest.raises(dataclasses.FrozenInstanceError):
        settings.threads = 4  # type: ignore[misc]


def test_wrong_setting_fails_when_the_application_is_made() -> None:
    with pytest.raises(ConfigError, match="COCOANNOT_THREADS='0' is not allowed"):
        create_app({"COCOANNOT_THREADS": 0})


def test_application_keeps_what_it_was_made_with(tmp_path: Path) -> None:
    app = create_app({"COCOANNOT_DATASET": tmp_path / "a.json", "COCOANNOT_MAX_BODY_BYTES": 2048})
    assert runtime(app).settings.dataset == tmp_path / "a.json"
    assert app.config["MAX_CONTENT_LENGTH"] == 2048


def test_two_applications_have_settings_of_their_own() -> None:
    first, second = create_app({"COCOANNOT_THREADS": 4}), create_app({"COCOANNOT_THREADS": 5})
    assert (runtime(first).settings.threads, runtime(second).settings.threads) == (4, 5)
