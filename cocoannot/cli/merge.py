"""`flask merge-from-s3`: the running server is asked to merge; where none runs, it is done here."""

from __future__ import annotations

from collections.abc import Mapping
from contextlib import closing
from typing import Any

import click
from flask.cli import with_appcontext

from cocoannot.cli.output import errors_in_one_line, print_answer
from cocoannot.cli.s3 import local_copy
from cocoannot.cli.server_client import ask_status, call
from cocoannot.errors import Conflict, DatasetError
from cocoannot.extension import runtime
from cocoannot.files.dataset_file import DatasetFile
from cocoannot.files.lock import Owner
from cocoannot.merge.report import Conflict as MergeConflict
from cocoannot.store.memory.maintenance import MemoryMaintenance

_BASES = {
    "kept": "",
    "s3_version": "; the version agreed last was taken from S3's older versions",
    "none": "; the version agreed last is not known any more, so nothing counts as deleted",
}


@click.command("merge-from-s3")
@click.option("--dry-run", is_flag=True, help="Only show what would be merged, and the conflicts.")
@click.option(
    "--on-conflict",
    type=click.Choice(["ours", "theirs"]),
    help="Whose fields count if both sides have changed the same field of a record.",
)
@click.option("--json", "as_json", is_flag=True, help="Print JSON.")
@with_appcontext
@errors_in_one_line
def merge_from_s3(dry_run: bool, on_conflict: str | None, as_json: bool) -> None:
    """Merge S3's version into the local one.

    For a conflict, when S3 has a version that somebody else has uploaded. What each side has changed since the version
    that both had is kept. If both have changed the same field of a record, nothing is changed: the command lists these
    conflicts, and --on-conflict decides them. Nothing is uploaded: `flask save-to-s3` does that.

    If a server runs on the dataset, it is asked to merge.
    """
    file = local_copy()
    owner = MemoryMaintenance(file).owner()
    options = {"dry_run": dry_run, **({"on_conflict": on_conflict} if on_conflict else {})}
    try:
        answer = _merge_here(file, options) if owner is None else _ask_to_merge(owner, file, options)
    except Conflict as exc:
        if "conflicts" not in exc.details:
            raise
        print_answer(exc.details, "\n".join(_conflict_lines(exc.details)), as_json)
        raise
    print_answer(answer, _describe(answer), as_json)


def _merge_here(file: DatasetFile, options: Mapping[str, Any]) -> dict[str, Any]:
    maintenance = MemoryMaintenance(file, runtime().history)
    if not maintenance.exists:
        raise DatasetError(f"there is no local copy of {runtime().uri()} to merge with; the server downloads it")
    with maintenance.owned(), closing(maintenance.load()) as store:
        s3 = runtime().open_s3(file)
        merged = s3.merge(store, options.get("on_conflict"), dry_run=options["dry_run"])
    fields = {"etag": merged.etag, "revision": merged.revision, "needed": merged.is_needed, "base": merged.base}
    head = {"status": "success", "s3_uri": merged.uri, "dry_run": options["dry_run"]}
    return {**head, **fields, **merged.report.as_json()}


def _ask_to_merge(owner: Owner, file: DatasetFile, options: Mapping[str, Any]) -> dict[str, Any]:
    ask_status(owner, file)
    return call(owner, "POST", "/api/s3/merge", options)


def _describe(answer: Mapping[str, Any]) -> str:
    if not answer["needed"]:
        return f"{answer['s3_uri']} is as it was agreed last, so there is nothing to merge"
    did = "Would merge" if answer["dry_run"] else "Merged"
    end = "" if answer["dry_run"] else f", revision {answer['revision']}; `flask save-to-s3` uploads it"
    lines = [f"{did} {answer['s3_uri']}{end}{_BASES[answer['base']]}"]
    for section, counts in answer["counts"].items():
        words = ", ".join(f"{count} {name.replace('_', ' ')}" for name, count in counts.items() if count)
        if words:
            lines.append(f"{section}: {words}")
    return "\n".join([*lines, *_conflict_lines(answer)])


def _conflict_lines(report: Mapping[str, Any]) -> list[str]:
    lines = [str(MergeConflict(**{**each, "fields": tuple(each["fields"])})) for each in report["conflicts"]]
    more = report["conflict_count"] - len(lines)
    return [*lines, *([f"and {more} more conflict(s)"] if more else [])]
