"""`cocoannot db`: datasets in PostgreSQL, looked after. What is done is the store's business.

The commands work beside running servers, which are shown no half of what is done.
"""

from __future__ import annotations

import os
from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import Any, TypeVar

import click

from cocoannot.cli.moving import bring_people, closed_file, served_file
from cocoannot.cli.output import errors_in_one_line, failing_on_term, print_answer, tell_of_work
from cocoannot.database_uri import DatabaseUri, read_database_uri, split_database_uri, where
from cocoannot.errors import ConfigError, DatasetError
from cocoannot.exchange.placing import check_file, write_new_file

Command = TypeVar("Command", bound=Callable[..., None])


@click.group()
def db() -> None:
    """Look after datasets in PostgreSQL.

    The database is named by COCOANNOT_DATASET=postgresql://USER@HOST/DATABASE?dataset=NAME, or by --database.
    docs/scale.md tells when and how.
    """


def _database(command: Command) -> Command:
    return click.option(
        "--database",
        metavar="URI",
        help="postgresql://USER@HOST/DATABASE?dataset=NAME; goes before COCOANNOT_DATASET.",
    )(command)


@db.command()
@_database
@click.option("--json", "as_json", is_flag=True, help="Print JSON.")
@errors_in_one_line
def upgrade(database: str | None, as_json: bool) -> None:
    """Make the tables, or bring them up to date.

    All of it is done, or nothing. Needs a role that may make tables. Stop servers of an older version first.
    """
    dsn, _ = split_database_uri(_given(database))
    before = _maintenance().upgrade(dsn)
    now = _maintenance().VERSION
    text = {None: f"Made the tables in {where(dsn)}, version {now}", now: f"{where(dsn)} is up to date, version {now}"}
    print_answer(
        {"before": before, "version": now}, text.get(before, f"Upgraded {where(dsn)} from {before} to {now}"), as_json
    )


@db.command("import")
@click.argument("file", type=click.Path(path_type=Path))
@_database
@click.option("--json", "as_json", is_flag=True, help="Print JSON.")
@errors_in_one_line
def import_(file: Path, database: str | None, as_json: bool) -> None:
    """Make a dataset of FILE.

    FILE is a COCO file, perhaps gzip, that no server has open. Its records come byte for byte, and its history with
    them. Users, tags and predictions are copied to where servers of the database look for them, unless some are there.
    """
    uri = _dataset(database)
    tell_of_work(f"Importing {file}", file.stat().st_size if file.exists() else 0)
    with failing_on_term(), closed_file(file) as ours:
        _maintenance().import_file(uri, file)
        bring_people(ours, served_file(uri))
    print_answer({"dataset": str(uri), "file": str(file)}, f"Imported {file} as {uri}", as_json)


@db.command()
@click.argument("out", type=click.Path(path_type=Path))
@_database
@click.option("--overwrite", is_flag=True, help="Replace OUT if it is there.")
@click.option("--json", "as_json", is_flag=True, help="Print JSON.")
@errors_in_one_line
def export(out: Path, database: str | None, overwrite: bool, as_json: bool) -> None:
    """Write a dataset to OUT, a COCO file; gzip if the name ends in .gz.

    Its history, users, tags and predictions are written to the folder OUT.cocoannot, so that a server of the file OUT
    has them. What such a folder has of an older file is put aside in it.
    """
    uri = _dataset(database)
    check_file(out, replace=overwrite)
    with failing_on_term(), closed_file(out) as theirs:
        revision = _maintenance().export_file(uri, out, partial(write_new_file, replace=overwrite))
        bring_people(served_file(uri), theirs)
    answer = {"dataset": str(uri), "file": str(out), "revision": revision}
    print_answer(answer, f"Exported {uri} to {out}, revision {revision}", as_json)


@db.command()
@_database
@click.option("--json", "as_json", is_flag=True, help="Print JSON.")
@errors_in_one_line
def check(database: str | None, as_json: bool) -> None:
    """Check that counts, ids and revisions of a dataset are what its records and its history say.

    Ends with status 1 if something is wrong. Reads everything, and changes nothing.
    """
    uri = _dataset(database)
    problems = _maintenance().check_dataset(uri)
    text = "\n".join(problems) if problems else f"{uri}: everything agrees"
    print_answer({"dataset": str(uri), "problems": problems}, text, as_json)
    if problems:
        raise SystemExit(1)


@db.command()
@_database
@click.option("--yes", is_flag=True, help="Do not ask.")
@errors_in_one_line
def remove(database: str | None, yes: bool) -> None:
    """Remove a dataset with its history. Stop its servers, and export it, first."""
    uri = _dataset(database)
    if not yes:
        click.confirm(f"Remove {uri} with its history?", abort=True)
    _maintenance().remove(uri)
    click.echo(f"Removed {uri}")


@db.command()
@_database
@click.option("--json", "as_json", is_flag=True, help="Print JSON.")
@errors_in_one_line
def recovered(database: str | None, as_json: bool) -> None:
    """Say that the database was recovered to an earlier moment. Run it before its servers start.

    Revisions that were given after that moment are given again, for other changes. Pages and programs that were told of
    them read everything anew then. Not needed after a point-in-time recovery, which PostgreSQL itself tells of.
    """
    uri = _dataset(database)
    revision = _maintenance().begin_lineage(uri)
    print_answer(
        {"dataset": str(uri), "revision": revision},
        f"{uri} goes on from revision {revision}, as a new lineage",
        as_json,
    )


@db.command("list")
@_database
@click.option("--json", "as_json", is_flag=True, help="Print JSON.")
@errors_in_one_line
def list_(database: str | None, as_json: bool) -> None:
    """List the datasets of a database."""
    dsn, _ = split_database_uri(_given(database))
    found = _maintenance().list_datasets(dsn)
    lines = [f"{each.name}: {each.images} images, {each.annotations} annotations" for each in found]
    print_answer([each._asdict() for each in found], "\n".join(lines) or f"{where(dsn)} has no dataset", as_json)


def _given(database: str | None) -> str:
    text = database or os.environ.get("COCOANNOT_DATASET", "")
    if not text:
        raise ConfigError("no database is named; give --database, or set COCOANNOT_DATASET=postgresql://...")
    return text


def _dataset(database: str | None) -> DatabaseUri:
    return read_database_uri(_given(database))


def _maintenance() -> Any:
    """The room that knows how; its packages are an extra."""
    try:
        from cocoannot.store.postgres import maintenance
    except ImportError as exc:
        raise DatasetError(f"{exc.name} is missing: pip install 'cocoannot[postgres]'") from exc
    return maintenance
