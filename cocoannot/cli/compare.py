"""`flask diff`: two datasets compared, files or the dataset of the settings at a revision. Nothing is changed."""

from __future__ import annotations

import json
import re
import sys
from collections.abc import Iterator
from contextlib import closing, contextmanager
from pathlib import Path

import click
from flask.cli import with_appcontext

from cocoannot.cli.output import tell_of_work
from cocoannot.cli.server_client import ask_status, download
from cocoannot.coco.parser import NOUNS, Document, SectionName, read_document
from cocoannot.coco.records import Record
from cocoannot.errors import CocoannotError, DatasetError
from cocoannot.exchange.comparing import Changed, DatasetDifferences, SectionDifferences, compare
from cocoannot.exchange.files import read_file
from cocoannot.extension import runtime
from cocoannot.store.memory.maintenance import MemoryMaintenance

_SHOWN = 20
"""Records of one kind that are listed for people."""

_LONGEST = 40
"""Characters of a value that is shown."""

_REVISION = re.compile("@(now|[0-9]{1,15})")


class _Trouble(click.ClickException):
    """It can't be told whether there are differences."""

    exit_code = 2


@click.command("diff")
@click.argument("first", metavar="A")
@click.argument("second", metavar="B")
@click.option("--json", "as_json", is_flag=True, help="Print JSON, with all records.")
@with_appcontext
def diff(first: str, second: str, as_json: bool) -> None:
    """Show which records B has otherwise than A.

    A and B are COCO files, such as a dataset and its backup, or @REVISION: the dataset of the settings as it was at
    this revision, @now as it is. Values are compared, not how they are written.

    As for diff, the exit status is 0 if both are the same, 1 if they are not, and 2 if that can't be told.
    """
    with _trouble_told():
        before, after = _read(first), _read(second)
        tell_of_work("Comparing", len(before.buffer) + len(after.buffer))
        found = compare(before, after)
    click.echo(json.dumps(found.as_json()) if as_json else "\n".join(_lines(found)))
    sys.exit(0 if found.are_none else 1)


@contextmanager
def _trouble_told() -> Iterator[None]:
    try:
        yield
    except CocoannotError as exc:
        raise _Trouble(str(exc)) from exc
    except OSError as exc:
        raise _Trouble(f"{exc.filename or 'the server'}: {exc.strerror or exc}") from exc


def _read(name: str) -> Document:
    found = _REVISION.fullmatch(name)
    if found is None:
        if name.startswith("@") and not Path(name).exists():
            raise DatasetError(f"{name} is no revision, such as @42 or @now; a file of this name is ./{name}")
        return read_file(Path(name))
    return read_document(_at(None if found[1] == "now" else int(found[1])), f"the dataset at {name}")


def _at(revision: int | None) -> bytes:
    """The dataset of the settings at a revision, as it is where that is `None`."""
    file = runtime().file()
    maintenance = MemoryMaintenance(file, runtime().history)
    if (owner := maintenance.owner()) is not None:
        ask_status(owner, file)
        return download(owner, "/api/dataset/export" + ("" if revision is None else f"?at={revision}"))
    if not maintenance.exists:
        raise DatasetError(f"{file.name} does not exist; correct COCOANNOT_DATASET")
    with maintenance.owned(), closing(maintenance.load()) as store:
        export = store.export() if revision is None else store.export_at(revision)
        return b"".join(export.blocks)


def _lines(found: DatasetDifferences) -> Iterator[str]:
    if found.are_none:
        yield "No differences"
        return
    for name, section in found.sections.items():
        if not section.are_none:
            yield f"{name}: {len(section.added)} added, {len(section.changed)} changed, {len(section.deleted)} deleted"
            if section.fields:
                yield f"  changed fields: {', '.join(f'{field} {count}' for field, count in section.fields.items())}"
            yield from _records(name, section)
    for key, what in found.values.items():
        yield f"{key}: {what}"


def _records(name: SectionName, section: SectionDifferences) -> Iterator[str]:
    noun = NOUNS[name]
    changed = section.changed[:_SHOWN]
    rows = (
        ("+", "added", [f"{noun} {record_id}" for record_id in section.added[:_SHOWN]], len(section.added)),
        ("~", "changed", [_changed(noun, each) for each in changed], len(section.changed)),
        ("-", "deleted", [f"{noun} {record_id}" for record_id in section.deleted[:_SHOWN]], len(section.deleted)),
    )
    for sign, what, lines, count in rows:
        yield from (f"  {sign} {line}" for line in lines)
        if count > _SHOWN:
            yield f"  {sign} and {count - _SHOWN} more {what}; --json lists them"


def _changed(noun: str, changed: Changed) -> str:
    one, other = Record(changed.before), Record(changed.after)
    return f"{noun} {changed.id}: " + ", ".join(_field(field, one, other) for field in changed.fields)


def _field(field: str, before: Record, after: Record) -> str:
    if field not in before:
        return f"{field} added"
    if field not in after:
        return f"{field} removed"
    values = [json.dumps(each[field], ensure_ascii=False) for each in (before, after)]
    return f"{field} {' -> '.join(values)}" if max(map(len, values)) <= _LONGEST else field
