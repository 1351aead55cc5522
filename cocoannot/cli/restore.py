"""`flask restore`: the dataset as it was, as a new change."""

from __future__ import annotations

import click
from flask.cli import with_appcontext

from cocoannot.cli.access import open_dataset
from cocoannot.cli.moments import revision_of
from cocoannot.cli.output import errors_in_one_line, print_answer


@click.command()
@click.argument("moment", metavar="NAME|@REVISION|DATE")
@click.option("--dry-run", is_flag=True, help="Only tell what would be changed.")
@click.option("--json", "as_json", is_flag=True, help="Print JSON.")
@with_appcontext
@errors_in_one_line
def restore(moment: str, dry_run: bool, as_json: bool) -> None:
    """Make the dataset what it was, byte for byte and in place.

    NAME is a tag (`flask tag`). DATE is a day or a moment, such as 2026-11-30 or 2026-11-30T18:00, in the time zone of
    this machine; a day means its first moment.

    Nothing is lost by it: it is a new change, which can be undone as any other, and the revisions before it can be
    restored, too. If a server runs on the dataset, it makes the change.
    """
    with open_dataset() as (dataset, file):
        before, revision = dataset.revision, revision_of(moment, dataset, file)
        answer = dataset.go_back(revision, dry_run=dry_run)
    answer = {"restored": revision, "before": before, **answer}
    if not answer["edits"]:
        text = f"The dataset is as it was at revision {revision}, so there is nothing to restore"
    elif dry_run:
        text = f"Would restore revision {revision}: {answer['summary']}"
    else:
        text = f"Restored revision {revision} ({answer['summary']}), as revision {answer['revision']}"
        text += f"; `flask restore @{before}` takes that back"
    print_answer(answer, text, as_json)
