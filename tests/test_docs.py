"""The documentation says what the code does: settings, commands, calls, limits, figures, files, links."""

from __future__ import annotations

import json
import re
from pathlib import Path

import click
import pytest
import yaml
from api_client import openapi
from doc_pages import PAGES, anchors, blocks, links, rows, section
from servers import ROOT, serve
from terminals import normalised

import cocoannot
from cocoannot import create_app
from cocoannot.api.assist_schemas import MOST_POINTS
from cocoannot.api.blueprint import Blueprint
from cocoannot.api.body_schemas import MAX_OPERATIONS
from cocoannot.api.event_schemas import MAX_COMMENT
from cocoannot.api.parsing import MAX_DEPTH
from cocoannot.assist.assistant import MOST_BYTES
from cocoannot.check.kinds import KINDS, TOOLS, Kind
from cocoannot.coco.fields import MAX_FILE_NAME, MAX_NAME
from cocoannot.events import places
from cocoannot.events.ring import MOST_EVENTS
from cocoannot.events.texts import MOST_EDITS
from cocoannot.people.directory import MAX_TOKENS, MAX_USERS
from cocoannot.predictions.deciding import MOST_AT_ONCE
from cocoannot.predictions.layers import MOST_LAYERS
from cocoannot.predictions.reading import MOST_ON_IMAGE
from cocoannot.settings import SETTINGS
from cocoannot.teamwork import claims, presence

TEXT = {page.name: page.read_text(encoding="utf-8") for page in PAGES}
EVERYTHING = "\n".join(text for name, text in TEXT.items() if name != "CHANGELOG.md")

each_page = pytest.mark.parametrize("page", PAGES, ids=lambda page: page.name)


# Links


@each_page
def test_links_lead_to_files_and_headings_that_exist(page: Path) -> None:
    for link in links(page.read_text()):
        if "://" in link:
            continue
        path, _, anchor = link.partition("#")
        target = (page.parent / path).resolve() if path else page
        assert target.exists(), link
        assert target.is_relative_to(ROOT), link
        if anchor:
            assert anchor in anchors(target.read_text()), link


def test_pages_say_nothing_of_other_hosts_but_what_is_known() -> None:
    hosts = set(re.findall(r"https?://([\w.-]+)", EVERYTHING))
    known = {"127.0.0.1", "localhost", "annotate.example.org"}
    assert hosts - known == {"docs.cvat.ai", "labelstud.io", "www.cvat.ai", "voxel51.com"}


def test_files_of_this_project_that_are_named_exist() -> None:
    named = set(re.findall(r"`((?:tests|deploy|docs|bench|tools|cocoannot)/[\w./-]*)`", EVERYTHING))
    assert len(named) > 15
    assert [path for path in sorted(named) if not (ROOT / path).exists()] == []


def test_modules_that_the_architecture_sends_readers_to_exist() -> None:
    table = section(TEXT["architecture.md"], "Where to change what")
    named = [path for _, places in rows(table) for path in re.findall(r"`([\w/]+(?:\.py|\.js|/))`", places)]
    assert len(named) > 20
    package = ROOT / "cocoannot"
    # Several of one folder are named without it.
    places = [package, package / "api", package / "web" / "static"]
    assert [path for path in named if not any((place / path).exists() for place in places)] == []


def test_rooms_of_the_architecture_are_those_of_the_package() -> None:
    named = {
        room
        for cells in rows(section(TEXT["architecture.md"], "The rooms"))
        for room in re.findall(r"`(\w+)/`", cells[0])
    }
    assert named == {path.parent.name for path in (ROOT / "cocoannot").glob("*/__init__.py")}


# Settings and commands


def test_every_setting_is_listed_with_its_default_and_no_other() -> None:
    listed = re.findall(r"^\| `([A-Z0-9_]+)` \| (?:`([^`]*)` )?\| (.+) \|$", TEXT["settings.md"], re.MULTILINE)
    defaults = {name: default for name, default, _ in listed}
    assert defaults == {setting.name: setting.default.removesuffix(".0") for setting in SETTINGS.values()}
    assert len(listed) == len(defaults)
    # The page has links besides.
    told = {name: re.sub(r"\[([^\]]*)\]\([^)]*\)", r"\1", description) for name, _, description in listed}
    assert told == {setting.name: setting.description for setting in SETTINGS.values()}


@each_page
def test_every_setting_that_is_named_exists(page: Path) -> None:
    names = set(re.findall(r"\b(?:COCOANNOT|DATASET)_[A-Z0-9_]*[A-Z0-9]\b", page.read_text()))
    assert names <= {setting.name for setting in SETTINGS.values()}


def test_every_command_and_option_that_is_named_exists() -> None:
    known = create_app({}).cli.commands
    named = set(re.findall(r"\bflask (?:--app [\w.:]+ )?([a-z][a-z0-9-]*)", EVERYTHING)) - {"commands", "run"}
    # `openapi` is flask-smorest's, `run` is Flask's own.
    assert named == known.keys() - {"openapi"}
    for name, options in re.findall(r"\bflask ([a-z0-9-]+)[^`\n]*?((?: --[a-z-]+)+)", EVERYTHING):
        if name in known:
            command = known[name]
            own = command.commands.values() if isinstance(command, click.Group) else [command]
            assert set(options.split()) <= {
                option for each in own for parameter in each.params for option in parameter.opts
            }


def test_every_command_of_a_group_is_explained() -> None:
    group = create_app({}).cli.commands["user"]
    assert isinstance(group, click.Group)
    assert set(re.findall(r"`flask user ([a-z]+)", section(TEXT["security.md"], "Users"))) == group.commands.keys()


def test_every_command_for_databases_is_explained() -> None:
    group = create_app({}).cli.commands["db"]
    assert isinstance(group, click.Group)
    told = {cells[0] for cells in rows(section(TEXT["scale.md"], "Commands"))}
    assert {re.findall(r"`cocoannot db ([a-z]+)", cell)[0] for cell in told} == group.commands.keys()


def test_every_command_of_predictions_is_explained() -> None:
    group = create_app({}).cli.commands["predictions"]
    assert isinstance(group, click.Group)
    told = {cells[0] for cells in rows(section(TEXT["predictions.md"], "Adding them"))}
    assert {re.findall(r"`flask predictions ([a-z]+)", cell)[0] for cell in told} == group.commands.keys()


def test_every_command_is_explained() -> None:
    explained = {
        cells[0].strip("`").removeprefix("flask ") for cells in rows(section(TEXT["operating.md"], "Commands"))
    }
    assert explained == create_app({}).cli.commands.keys() - {"openapi"}


def test_every_target_of_make_is_explained() -> None:
    targets = re.search(r"^\.PHONY: (.+)$", (ROOT / "Makefile").read_text(), re.MULTILINE)
    assert targets
    assert set(targets[1].split()) <= set(re.findall(r"`make ([a-z-]+)", TEXT["CONTRIBUTING.md"]))


def test_every_kind_of_problem_is_listed_with_its_level_and_who_minds() -> None:
    listed = rows(section(TEXT["check.md"], "Kinds of problems"))
    assert listed == [
        [f"`{name}`", kind.level, kind.wrong, _who_minds(kind), kind.repair or "as it is"]
        for name, kind in KINDS.items()
    ]


def _who_minds(kind: Kind) -> str:
    minds = [tool for tool in TOOLS if tool in kind.tools]
    others = [tool for tool in TOOLS if tool not in kind.tools]
    if len(others) < 2:
        return " but ".join(["all", *others])
    return ", ".join(minds) or "none"


# The API


def test_every_call_is_listed_and_no_other() -> None:
    listed = re.findall(r"`([A-Z]+) (/[^` ]*)`", section(TEXT["api.md"], "Calls").split("Filters of")[0])
    described = {
        (method.upper(), path.removeprefix("/api"))
        for path, item in openapi()["paths"].items()
        for method in item.keys() - {"parameters"}
    }
    assert set(listed) == described | {("GET", name) for name in ("/healthz", "/readyz", "/metrics")}
    assert len(listed) == len(set(listed))


def test_filters_of_images_are_those_of_the_call() -> None:
    text = section(TEXT["api.md"], "Calls").split("Filters of")[1]
    parameters = {parameter["name"] for parameter in openapi()["paths"]["/api/images"]["get"]["parameters"]}
    assert parameters - {"page", "page_size"} <= set(re.findall(r"`([a-z_]+)`", text))


def test_limits_are_those_of_the_code() -> None:
    limits = dict(rows(section(TEXT["security.md"], "Limits")))
    assert limits["depth of JSON"] == f"{MAX_DEPTH} levels"
    assert limits["records on a page"] == f"{Blueprint.DEFAULT_PAGINATION_PARAMETERS['max_page_size']:,}"
    assert limits["operations in a batch"] == f"{MAX_OPERATIONS:,}"
    assert limits["points that an outline is asked by"] == f"{MOST_POINTS} in the object, {MOST_POINTS} beside it"
    assert limits["users, tokens of one user"] == f"{MAX_USERS:,}, {MAX_TOKENS}"
    assert limits["name and supercategory of a category"] == f"{MAX_NAME:,} characters each"
    assert limits["`file_name` of an image"] == f"{MAX_FILE_NAME:,} characters"
    assert limits["event streams"].endswith(f"{places.MOST_OF_ONE} of a user or an address")
    assert limits["clients that say where they are"].startswith(f"{presence.MOST:,}, {presence.MOST_OF_ONE} of")
    assert limits["claimed images"] == f"{claims.MOST:,}, {claims.MOST_OF_ONE} of a client"
    assert limits["comment on a status"] == f"{MAX_COMMENT:,} characters"
    on_image = f"{MOST_ON_IMAGE:,} predictions"
    assert limits["layers of predictions"].startswith(f"{MOST_LAYERS}, ")
    assert limits["layers of predictions"].endswith(f"{on_image} on one image")
    assert limits["predictions accepted at a time"] == f"{MOST_AT_ONCE:,}"
    events = TEXT["events.md"]
    assert f"its first {MOST_EDITS} edits" in events
    assert f"more than {MOST_EVENTS:,} changes" in events
    assert f"up to {MOST_BYTES >> 20} MiB of" in TEXT["annotating.md"]
    assert f"After {presence.LASTS:g} seconds of silence" in events
    assert (
        f"and {claims.AFTER_STREAM:g} seconds after it. Without a stream it lasts {claims.ALONE / 60:g} minutes"
        in events
    )


# What is shown


def test_figures_are_rows_of_the_last_measurement() -> None:
    results = (ROOT / "bench" / "RESULTS.md").read_text(encoding="utf-8")
    shown = [" | ".join(cells) for cells in rows(TEXT["performance.md"])]
    assert len(shown) > 10
    assert [row for row in shown if f"| {row} |" not in results] == []
    (day,) = re.findall(r"on (\d{4}-\d\d-\d\d)", TEXT["performance.md"])
    assert f"on {day}" in results


@pytest.mark.slow
def test_log_lines_are_what_a_server_logs(tmp_path: Path) -> None:
    shown = {block.kind: block.text for block in blocks(TEXT["operating.md"])}
    expected = {"text": normalised(shown["text"]), "json": normalised(shown["json"])}
    polygon = [[100, 100, 220, 100, 220, 180, 100, 180]]
    dataset = tmp_path / "annotations.json"
    for style, wanted in expected.items():
        dataset.write_text(
            '{"images": [{"id": 12, "width": 640, "height": 480}], "categories": [{"id": 3, "name": "a"}]}'
        )
        with serve(dataset, env={"COCOANNOT_LOG": style, "DATASET_AUTO_SAVE_INTERVAL": "0.1"}) as server:
            server.add({"image_id": 12, "category_id": 3, "segmentation": polygon})
            server.wait_for_log("Auto-saved dataset to")
            server.wait_for_log("POST /api/annotations")
            printed = normalised(server.log).replace(str(dataset), "demo/annotations.json")
        # Counts of bytes and revisions depend on what is sent.
        for line in wanted.splitlines():
            assert re.sub(r"\d+", "N", line) in re.sub(r"\d+", "N", printed)


@each_page
def test_json_and_yaml_that_is_shown_can_be_read(page: Path) -> None:
    for block in blocks(page.read_text()):
        if block.kind == "json":
            json.loads(block.text)
        elif block.kind == "yaml":
            assert yaml.safe_load(block.text)


# The changelog


def test_changelog_has_the_version_of_the_code_and_days_in_order() -> None:
    headings = re.findall(r"^## (.+)$", TEXT["CHANGELOG.md"], re.MULTILINE)
    assert headings[0] == "Unreleased"
    released = [heading.split(" - ") for heading in headings[1:]]
    assert released[0][0] == cocoannot.__version__
    days = [day for _, day in released]
    assert days == sorted(days, reverse=True)
    assert all(re.fullmatch(r"\d{4}-\d\d-\d\d", day) for day in days)
