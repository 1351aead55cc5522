"""`flask tag`: a name for the dataset as it is now, or was at a revision."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Any

import click
import msgspec
from flask.cli import with_appcontext

from cocoannot.cli.access import open_dataset
from cocoannot.cli.moments import revision_of, tags_of
from cocoannot.cli.output import errors_in_one_line, print_answer
from cocoannot.errors import NotKept
from cocoannot.exchange.tags import Tag, check_name
from cocoannot.extension import runtime


@click.command()
@click.argument("name", required=False)
@click.option("--at", metavar="MOMENT", help="Name this moment instead of now: another tag, @REVISION or a date.")
@click.option("--note", help="A text that says what the tag is for.")
@click.option("--move", is_flag=True, help="Let a tag that exists stand for this revision from now on.")
@click.option("--delete", is_flag=True, help="Take the tag NAME away. The dataset and its history stay.")
@click.option("--list", "as_list", is_flag=True, help="List all tags. This is what the command does without NAME, too.")
@click.option("--json", "as_json", is_flag=True, help="Print JSON.")
@with_appcontext
@errors_in_one_line
def tag(
    name: str | None, at: str | None, note: str | None, move: bool, delete: bool, as_list: bool, as_json: bool
) -> None:
    """Give the dataset as it is now the NAME, to come back to it later.

    `flask export --at NAME` gives the dataset as it was then, and `flask restore NAME` makes it so again. A tag is kept
    as long as you don't delete it, but the dataset can be told only as far back as its history goes
    (COCOANNOT_HISTORY_DAYS).
    """
    file = runtime().own_folder()
    if as_list or name is None:
        if delete or at or note or move or (name and as_list):
            raise click.UsageError("--list takes no NAME and no other option but --json")
        tags = tags_of(file).read()
        lines = [_line(each, told) for each, told in tags.items()]
        print_answer([_told(*each) for each in tags.items()], "\n".join(lines) or "There are no tags", as_json)
    elif delete:
        if at or note or move:
            raise click.UsageError("--delete takes NAME alone")
        gone = tags_of(file).delete(name)
        print_answer(_told(name, gone), f"Deleted {name}, which was revision {gone.revision}", as_json)
    else:
        made = _add(name, at, note, move=move)
        print_answer(_told(name, made), f"{name} is revision {made.revision} now", as_json)


def _add(name: str, at: str | None, note: str | None, *, move: bool) -> Tag:
    check_name(name)
    with open_dataset() as (dataset, file):
        revision = dataset.revision if at is None else revision_of(at, dataset, file)
        if revision > dataset.revision:
            raise NotKept(f"there is no revision {revision} yet; the dataset is at {dataset.revision}")
        newest = dataset.newest_change(revision)
        made = Tag(revision, datetime.now(UTC), newest and newest.time, note=note)
        tags_of(file).add(name, made, move=move)
    return made


def _told(name: str, told: Tag) -> dict[str, Any]:
    return {"name": name, **{key: value for key, value in msgspec.to_builtins(told).items() if key != "changed"}}


def _line(name: str, told: Tag) -> str:
    text = f"{name}: revision {told.revision}, named {told.created.astimezone():%Y-%m-%d %H:%M:%S}"
    return text + (f" ({told.note})" if told.note else "")
