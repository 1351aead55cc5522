"""The README says of settings and commands what the code does."""

from __future__ import annotations

import re

from servers import ROOT

from cocoannot import create_app
from cocoannot.api.blueprint import Blueprint
from cocoannot.api.body_schemas import MAX_OPERATIONS
from cocoannot.api.parsing import MAX_DEPTH
from cocoannot.coco.rules import MAX_FILE_NAME, MAX_NAME
from cocoannot.settings import SETTINGS

README = (ROOT / "README.md").read_text(encoding="utf-8")


def section(title: str) -> str:
    """The text below a heading, up to the next one of its level."""
    found = re.search(rf"^## {title}\n(.*?)(?=^## |\Z)", README, re.MULTILINE | re.DOTALL)
    assert found, title
    return found[1]


def test_every_setting_is_listed_with_its_default_and_what_it_is_and_no_other() -> None:
    rows = re.findall(r"^\| `([A-Z0-9_]+)` \| (?:`([^`]*)` )?\| (.+) \|$", section("Settings"), re.MULTILINE)
    listed = {name: (default, description) for name, default, description in rows}
    assert listed == {setting.name: (setting.default, setting.description) for setting in SETTINGS.values()}
    assert len(rows) == len(listed)


def test_every_setting_that_is_named_exists() -> None:
    names = set(re.findall(r"\b(?:COCOANNOT|DATASET)_[A-Z0-9_]+\b", README))
    assert names == {setting.name for setting in SETTINGS.values()}


def test_every_command_and_option_that_is_named_exists() -> None:
    commands = create_app({}).cli.commands
    # `run` is Flask's own, `openapi` is flask-smorest's.
    named = set(re.findall(r"\bflask (?:--app [\w.:]+ )?([a-z][a-z0-9-]*)", README)) - {"run"}
    assert named == commands.keys() - {"openapi"}
    for name, options in re.findall(r"\bflask ([a-z-]+)[^`\n]*?((?: --[a-z-]+)+)", README):
        if name in commands:
            known = {option for parameter in commands[name].params for option in parameter.opts}
            assert set(options.split()) <= known, name


def test_limits_are_those_of_the_code() -> None:
    text = " ".join(section("Who may call").split())
    assert f"{MAX_DEPTH} levels of JSON" in text
    assert f"{Blueprint.DEFAULT_PAGINATION_PARAMETERS['max_page_size']:,} records a page" in text
    assert f"{MAX_OPERATIONS:,} operations a batch" in text
    assert f"{MAX_NAME:,} characters for a category's name and supercategory" in text
    assert f"{MAX_FILE_NAME:,} for a `file_name`" in text


def test_figures_of_speed_are_rows_of_the_last_measurement() -> None:
    results = (ROOT / "bench" / "RESULTS.md").read_text(encoding="utf-8")
    rows = re.findall(r"^\| (?!figure |---)(.+) \|$", section("Speed"), re.MULTILINE)
    assert len(rows) > 10
    assert [row for row in rows if f"| {row} |" not in results] == []
