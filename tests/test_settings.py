"""Each setting: its default, what is allowed, and what an error says."""

from __future__ import annotations

import dataclasses
from pathlib import Path
from typing import Any

import pytest

from cocoannot import create_app
from cocoannot.database_uri import DatabaseUri
from cocoannot.errors import ConfigError
from cocoannot.extension import runtime
from cocoannot.settings import SETTINGS, S3Uri, Settings, unknown_settings

MEBIBYTE = 1024 * 1024
LOOPBACK = frozenset(["localhost", "127.0.0.1", "[::1]"])
TOKEN = "a-token-of-16-ch"


def test_defaults() -> None:
    assert Settings.read({}, {}) == Settings(
        dataset=None,
        export=None,
        create=False,
        images=None,
        images_follow_links=False,
        auto_save_interval=30,
        journal_fsync="everysec",
        backups=7,
        history_days=None,
        threads=16,
        event_streams=1000,
        lock_timeout=40,
        client_timeout=20,
        max_body_bytes=64 * MEBIBYTE,
        max_dataset_bytes=2048 * MEBIBYTE,
        max_picture_bytes=128 * MEBIBYTE,
        token=None,
        insecure=False,
        hosts=LOOPBACK,
        cors_origins=(),
        proxies=0,
        session_days=14,
        user_header=None,
        proxy_secret=None,
        user_role="annotator",
        cache=None,
        cache_bytes=1024 * MEBIBYTE,
        assist=None,
        s3_timeout=20,
        s3_addressing="auto",
        s3_checksums="when_supported",
        s3_conditional=True,
        log_level="INFO",
        log_format="text",
    )


def test_every_field_has_a_setting() -> None:
    assert [field.name for field in dataclasses.fields(Settings)] == list(SETTINGS)


@pytest.mark.parametrize(
    ("name", "text", "value"),
    [
        ("COCOANNOT_HISTORY_DAYS", "90", 90),
        ("COCOANNOT_HISTORY_DAYS", "0", 0),
        ("COCOANNOT_HISTORY_DAYS", " ", None),
        ("COCOANNOT_DATASET", "/data/a b.json", Path("/data/a b.json")),
        ("COCOANNOT_DATASET", "~/a.json", Path.home() / "a.json"),
        ("COCOANNOT_DATASET", "", None),
        (
            "COCOANNOT_DATASET",
            "postgresql://anna:secret@a.org,b.org:5433/coco?sslmode=verify-full&dataset=a%20b",
            DatabaseUri("postgresql://anna:secret@a.org,b.org:5433/coco?sslmode=verify-full", "a b"),
        ),
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
        ("COCOANNOT_EVENT_STREAMS", "0", 0),
        ("COCOANNOT_EVENT_STREAMS", "100000", 100_000),
        ("COCOANNOT_LOCK_TIMEOUT", "0", 0),
        ("COCOANNOT_LOCK_TIMEOUT", "3600", 3600),
        ("COCOANNOT_MAX_BODY_BYTES", "1024", 1024),
        ("COCOANNOT_MAX_BODY_BYTES", str(2**40), 2**40),
        ("COCOANNOT_MAX_DATASET_BYTES", "1024", 1024),
        ("COCOANNOT_CLIENT_TIMEOUT", "1", 1),
        ("COCOANNOT_CLIENT_TIMEOUT", "3600", 3600),
        ("COCOANNOT_TOKEN", TOKEN, TOKEN),
        ("COCOANNOT_TOKEN", f" {TOKEN}\n", TOKEN),
        ("COCOANNOT_TOKEN", "!~=+/" * 20, "!~=+/" * 20),
        ("COCOANNOT_TOKEN", "", None),
        ("COCOANNOT_INSECURE", "1", True),
        ("COCOANNOT_HOSTS", "", LOOPBACK),
        (
            "COCOANNOT_HOSTS",
            "A.example.org., 10.0.0.7,[FE80::1] ,",
            LOOPBACK | {"a.example.org", "10.0.0.7", "[fe80::1]"},
        ),
        ("COCOANNOT_CORS_ORIGINS", "", ()),
        ("COCOANNOT_CORS_ORIGINS", "https://a.org, http://[::1]:3000", ("https://a.org", "http://[::1]:3000")),
        ("COCOANNOT_CORS_ORIGINS", "HTTPS://A.org:443,http://a.org:80", ("https://a.org", "http://a.org")),
        ("COCOANNOT_CORS_ORIGINS", "https://a.org:80,http://a.org:443", ("https://a.org:80", "http://a.org:443")),
        ("COCOANNOT_PROXIES", "0", 0),
        ("COCOANNOT_PROXIES", "10", 10),
        ("COCOANNOT_CACHE", "~/cache", Path.home() / "cache"),
        ("COCOANNOT_CACHE_BYTES", str(MEBIBYTE), MEBIBYTE),
        ("COCOANNOT_CACHE_BYTES", str(2**50), 2**50),
        ("COCOANNOT_ASSIST", "", None),
        ("COCOANNOT_ASSIST", f"{__file__}, {__file__}", (Path(__file__), Path(__file__))),
        ("COCOANNOT_LOG", "json", "json"),
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
        ("COCOANNOT_ASSIST", __file__),
        ("COCOANNOT_ASSIST", f"{__file__},/nowhere/decoder.onnx"),
        ("COCOANNOT_ASSIST", f"{__file__},{__file__},{__file__}"),
        ("COCOANNOT_DATASET", "s3://bucket"),
        ("COCOANNOT_DATASET", "s3://bucket/folder/"),
        ("COCOANNOT_DATASET", "s3://b!/key.json"),
        ("COCOANNOT_DATASET", "https://host/a.json"),
        ("COCOANNOT_DATASET", "~no-such-user/a.json"),
        ("COCOANNOT_CREATE", "2"),
        ("COCOANNOT_CREATE", "on"),
        ("COCOANNOT_IMAGES", "gs://bucket/images"),
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
        ("COCOANNOT_CLIENT_TIMEOUT", "0"),
        ("COCOANNOT_CLIENT_TIMEOUT", "3601"),
        ("COCOANNOT_INSECURE", "maybe"),
        ("COCOANNOT_HOSTS", "a.example.org:8000"),
        ("COCOANNOT_HOSTS", "https://a.example.org"),
        ("COCOANNOT_HOSTS", "a.example.org b.example.org"),
        ("COCOANNOT_HOSTS", "*"),
        ("COCOANNOT_HOSTS", "::1"),
        ("COCOANNOT_CORS_ORIGINS", "*"),
        ("COCOANNOT_CORS_ORIGINS", "null"),
        ("COCOANNOT_CORS_ORIGINS", "a.example.org"),
        ("COCOANNOT_CORS_ORIGINS", "https://a.example.org/"),
        ("COCOANNOT_CORS_ORIGINS", "https://.*"),
        ("COCOANNOT_PROXIES", "-1"),
        ("COCOANNOT_PROXIES", "11"),
        ("COCOANNOT_PROXIES", "127.0.0.1"),
        ("COCOANNOT_SESSION_DAYS", "0"),
        ("COCOANNOT_SESSION_DAYS", "366"),
        ("COCOANNOT_USER_HEADER", "X Forwarded User"),
        ("COCOANNOT_USER_HEADER", "X_Forwarded_User"),
        ("COCOANNOT_USER_HEADER", "Authorization"),
        ("COCOANNOT_USER_HEADER", "cookie"),
        ("COCOANNOT_USER_ROLE", "owner"),
        ("COCOANNOT_USER_ROLE", ""),
        ("COCOANNOT_CACHE", "s3://bucket/cache"),
        ("COCOANNOT_CACHE_BYTES", "1000"),
        ("COCOANNOT_CACHE_BYTES", "1GB"),
        ("COCOANNOT_LOG", "xml"),
        ("COCOANNOT_LOG_LEVEL", "LOUD"),
        ("COCOANNOT_LOG_LEVEL", ""),
    ],
)
def test_value_that_is_refused_is_named_with_what_is_allowed(name: str, text: str) -> None:
    setting = next(setting for setting in SETTINGS.values() if setting.name == name)
    with pytest.raises(ConfigError) as error:
        Settings.read({}, {name: text})
    assert str(error.value) == f"{name}={text!r} is not allowed; give {setting.allowed}"


@pytest.mark.parametrize("token", ["x" * 15, "pass phrase of many words", "geheim-ä-geheim-ä", "tab\tin-a-long-token"])
def test_token_that_is_refused_is_not_shown(token: str) -> None:
    with pytest.raises(ConfigError) as error:
        Settings.read({}, {"COCOANNOT_TOKEN": token})
    allowed = SETTINGS["token"].allowed
    assert str(error.value) == f"COCOANNOT_TOKEN=... is not allowed; give {allowed}"
    assert token not in repr(error.value.__cause__)


@pytest.mark.parametrize("name", ["COCOANNOT_TOKEN", "COCOANNOT_PROXY_SECRET"])
def test_secret_is_not_shown_with_the_settings_nor_in_an_error(name: str) -> None:
    assert TOKEN not in repr(Settings.read({name: TOKEN}, {}))
    with pytest.raises(ConfigError) as error:
        Settings.read({name: f"{TOKEN} {TOKEN}"}, {})
    assert TOKEN not in str(error.value)


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("postgresql://anna:secret@a.org/coco", "names no dataset"),
        ("postgresql://anna:secret@a.org?dataset=a", "is to be postgresql://"),
        ("postgresql://anna:secret@a.org/coco?dataset=a&dataset=b", "one name"),
        ("postgresql://anna:secret@a.org/coco?dataset=a%00", "without U"),
        ("postgresql://anna:secret@a.org/coco?dataset=a&prepare=maybe", "`prepare` is to be 0 or 1"),
    ],
)
def test_address_of_a_database_is_refused_without_its_password(text: str, words: str) -> None:
    with pytest.raises(ConfigError, match=words) as error:
        Settings.read({"COCOANNOT_DATASET": text}, {})
    assert "secret" not in str(error.value)


def test_address_of_a_database_is_shown_without_its_password() -> None:
    settings = Settings.read({"COCOANNOT_DATASET": "postgresql://anna:secret@a.org/coco?dataset=a b"}, {})
    assert str(settings.dataset) == "postgresql://anna@a.org/coco?dataset=a%20b"
    assert "secret" not in repr(settings)


def test_what_goes_together_with_a_database_only_and_what_does_not() -> None:
    uri = "postgresql://a.org/coco?dataset=a"
    assert Settings.read({"COCOANNOT_DATASET": uri, "COCOANNOT_EXPORT": "/a.json"}, {}).dataset_path() == Path(
        "/a.json"
    )
    with pytest.raises(ConfigError, match="COCOANNOT_EXPORT is for a dataset in a database"):
        Settings.read({"COCOANNOT_DATASET": "/b.json", "COCOANNOT_EXPORT": "/a.json"}, {})


def test_header_of_a_proxy_needs_the_number_of_proxies() -> None:
    with pytest.raises(ConfigError, match="COCOANNOT_USER_HEADER needs COCOANNOT_PROXIES"):
        Settings.read({"COCOANNOT_USER_HEADER": "X-Forwarded-User"}, {})
    settings = Settings.read({"COCOANNOT_USER_HEADER": "X-Forwarded-User", "COCOANNOT_PROXIES": 1}, {})
    assert settings.user_header == "X-Forwarded-User"


@pytest.mark.parametrize(
    ("name", "warning"),
    [
        ("COCOANNOT_TOKN", "COCOANNOT_TOKN is not a setting; did you mean COCOANNOT_TOKEN?"),
        ("COCOANNOT_DATASETS", "COCOANNOT_DATASETS is not a setting; did you mean COCOANNOT_DATASET?"),
        (
            "COCOANNOT_AUTO_SAVE_INTERVAL",
            "COCOANNOT_AUTO_SAVE_INTERVAL is not a setting; did you mean DATASET_AUTO_SAVE_INTERVAL?",
        ),
        ("COCOANNOT_XYZ", "COCOANNOT_XYZ is not a setting"),
        ("COCOANNOT_", "COCOANNOT_ is not a setting"),
    ],
)
def test_name_that_is_no_setting_is_warned_of_with_the_nearest_one(name: str, warning: str) -> None:
    assert unknown_settings([name]) == [warning]


def test_settings_and_names_of_others_are_not_warned_of() -> None:
    assert unknown_settings([*(setting.name for setting in SETTINGS.values()), "PATH", "DATASET_X", "SECRET_KEY"]) == []


def test_name_in_app_config_that_is_no_setting_is_warned_of_once(
    monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    monkeypatch.setenv("COCOANNOT_FROM_OUTSIDE", "1")
    create_app({"COCOANNOT_TOKN": TOKEN, "COCOANNOT_FROM_OUTSIDE": "1"})
    assert caplog.messages == ["COCOANNOT_TOKN is not a setting; did you mean COCOANNOT_TOKEN?"]


@pytest.mark.parametrize("host", ["127.0.0.1", "127.8.9.10", "::1", "[::1]", "localhost"])
def test_loopback_address_needs_no_token(host: str) -> None:
    settings = Settings.read({}, {})
    settings.check_address(host)
    assert settings.warning(host) is None


@pytest.mark.parametrize(
    "host",
    ["0.0.0.0", "::", "", "192.168.1.5", "::ffff:10.0.0.7", "annotate.example.org", "localhost.org", "/run/socket"],
)
def test_any_other_address_needs_a_token_or_an_explicit_word(host: str) -> None:
    with pytest.raises(ConfigError, match=r"set COCOANNOT_TOKEN, or COCOANNOT_INSECURE=1") as error:
        Settings.read({}, {}).check_address(host)
    assert repr(host) in str(error.value)
    guarded = Settings.read({"COCOANNOT_TOKEN": TOKEN}, {})
    guarded.check_address(host)
    assert guarded.warning(host) is None
    insecure = Settings.read({"COCOANNOT_INSECURE": True}, {})
    insecure.check_address(host)
    assert "everybody who reaches it may change the dataset" in str(insecure.warning(host))


def test_proxy_without_a_token_is_warned_of() -> None:
    assert "the proxy lets through" in str(Settings.read({"COCOANNOT_PROXIES": 1}, {}).warning("127.0.0.1"))
    assert Settings.read({"COCOANNOT_PROXIES": 1, "COCOANNOT_TOKEN": TOKEN}, {}).warning("127.0.0.1") is None


@pytest.mark.parametrize("text", ["s3://bucket/a/key.json", "s3a://bucket/a/key.json", "S3://bucket/a/key.json"])
def test_places_in_s3_have_a_bucket_and_a_key(text: str) -> None:
    settings = Settings.read({"COCOANNOT_DATASET": text, "COCOANNOT_IMAGES": text}, {})
    assert settings.dataset == settings.images == S3Uri("bucket", "a/key.json")
    assert str(settings.dataset) == "s3://bucket/a/key.json"


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
