"""`flask import`: the running server is asked to import a file; where none runs, it is done here, and saved."""

from __future__ import annotations

from collections.abc import Mapping
from contextlib import closing
from pathlib import Path
from typing import Any
from urllib.parse import urlencode

import click
import msgspec
from flask.cli import with_appcontext

from cocoannot.changes.operations import Import, Match
from cocoannot.cli.output import errors_in_one_line, print_answer, tell_of_work
from cocoannot.cli.server_client import ask_named, ask_status, call, named_server, server_option
from cocoannot.coco.incoming import Incoming, read_incoming
from cocoannot.coco.records import Record
from cocoannot.errors import BadOperation, DatasetError
from cocoannot.exchange.files import read_text
from cocoannot.extension import runtime
from cocoannot.files.dataset_file import DatasetFile
from cocoannot.files.lock import Owner
from cocoannot.store.import_report import describe_report
from cocoannot.store.memory.maintenance import MemoryMaintenance

match_option = click.option(
    "--match",
    type=click.Choice(["file_name", "id"]),
    default="file_name",
    show_default=True,
    help="What images are the same by.",
)


@click.command("import")
@click.argument("file", type=click.Path(path_type=Path))
@match_option
@server_option
@click.option("--dry-run", is_flag=True, help="Only show what would be imported.")
@click.option("--json", "as_json", is_flag=True, help="Print JSON, with all old and new ids.")
@with_appcontext
@errors_in_one_line
def import_file(file: Path, match: Match, dry_run: bool, as_json: bool) -> None:
    """Bring the COCO dataset in FILE into the dataset.

    Categories are found by their names, images by --match. What is not there is added; an annotation is left out if one
    of the same image, category and geometry is there. Records keep their ids if these are free. What is there stays as
    it is. Records that can't be taken are listed with the reason.

    It is one change, which can be undone. If a server runs on the dataset, it is asked to import. If none runs, this
    command does it and saves the dataset.
    """
    data = read_text(file)
    tell_of_work(f"Reading {file}", len(data))
    theirs = read_incoming(data, str(file))
    if (server := named_server()) is not None:
        ask_named(server)
        tell_of_work("Importing", len(data))
        answer = _ask(server, data, match, dry_run=dry_run)
        print_answer(answer, _describe(answer, file), as_json)
        return
    ours = runtime().file()
    owner = MemoryMaintenance(ours).owner()
    tell_of_work("Importing", len(data))
    if owner is None:
        answer = _import_here(ours, theirs, match, dry_run=dry_run)
    else:
        answer = _ask_to_import(owner, ours, data, match, dry_run=dry_run)
    print_answer(answer, _describe(answer, file), as_json)


def _import_here(file: DatasetFile, theirs: Incoming, match: Match, *, dry_run: bool) -> dict[str, Any]:
    maintenance = MemoryMaintenance(file, runtime().history)
    if not maintenance.exists:
        raise DatasetError(f"{file.name} does not exist; correct COCOANNOT_DATASET")
    with maintenance.owned(), closing(maintenance.load()) as store:
        try:
            committed = store.commit([Import(theirs, match, dry_run)])
        except BadOperation as exc:
            raise exc.cause from exc
        if committed.change is not None:
            store.save()
    (report,) = committed.results
    assert isinstance(report, Record)
    head = {"revision": committed.revision, "changed": committed.change is not None, "match": match, "dry_run": dry_run}
    return {**head, **msgspec.json.decode(report.text, type=dict[str, Any])}


def _ask_to_import(owner: Owner, file: DatasetFile, data: bytes, match: Match, *, dry_run: bool) -> dict[str, Any]:
    ask_status(owner, file)
    return _ask(owner, data, match, dry_run=dry_run)


def _ask(owner: Owner, data: bytes, match: Match, *, dry_run: bool) -> dict[str, Any]:
    return call(owner, "POST", f"/api/import?{urlencode({'match': match, 'dry_run': int(dry_run)})}", data)


def _describe(answer: Mapping[str, Any], file: Path) -> str:
    if answer["dry_run"]:
        head = f"Would import {file}"
    elif answer["changed"]:
        head = f"Imported {file}, revision {answer['revision']}"
    else:
        head = f"Nothing to import from {file}: all that can be taken is there already"
    return "\n".join([head, *describe_report(dict(answer))])
