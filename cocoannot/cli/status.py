"""`flask status`: what the running server says, or what is on disk where none runs. Nothing is loaded for it."""

from __future__ import annotations

from typing import Any

import click
from flask.cli import with_appcontext

from cocoannot.cli.output import errors_in_one_line, print_answer
from cocoannot.cli.server_client import ask_named, ask_status, named_server, server_option
from cocoannot.extension import runtime
from cocoannot.files.dataset_file import DatasetFile
from cocoannot.files.lock import Owner
from cocoannot.store.base import StoppedStatus
from cocoannot.store.memory.maintenance import MemoryMaintenance


@click.command()
@server_option
@click.option("--json", "as_json", is_flag=True, help="Print JSON.")
@with_appcontext
@errors_in_one_line
def status(as_json: bool) -> None:
    """Show what is saved and what is not.

    If no server runs on the dataset, this command shows what is in the file and in the journal.
    """
    if (server := named_server()) is not None:
        answer = ask_named(server)
        print_answer({"running": True, "url": server.url, **answer}, _running_text(server, answer), as_json)
        return
    file = runtime().file()
    maintenance = MemoryMaintenance(file)
    if (owner := maintenance.owner()) is not None:
        answer = ask_status(owner, file)
        print_answer({"running": True, "url": owner.url, **answer}, _running_text(owner, answer), as_json)
        return
    stopped = maintenance.status()
    print_answer(_stopped_answer(file, stopped), _stopped_text(stopped), as_json)


def _stopped_answer(file: DatasetFile, stopped: StoppedStatus) -> dict[str, Any]:
    return {
        "running": False,
        "dataset": {"uri": runtime().uri(), "path": str(file.path)},
        "revision": {"file": stopped.file_revision, "journal": stopped.journal_revision, "s3": stopped.s3_revision},
        "s3": {"uri": stopped.s3_uri, "etag": stopped.s3_etag} if stopped.s3_uri else None,
        "unsaved": stopped.unsaved,
    }


def _stopped_text(stopped: StoppedStatus) -> str:
    in_file, in_journal, in_s3 = stopped.file_revision, stopped.journal_revision, stopped.s3_revision
    text = f"{runtime().uri()}: no server runs on it"
    text += "" if in_file is None else f"; its file was saved at revision {in_file}"
    if in_journal is not None and in_journal > (in_file or 0):
        text += (
            f"\nthe journal has changes up to revision {in_journal}; `flask flush` or the next start makes them again"
        )
    if stopped.s3_uri:
        ahead = in_s3 is None or max(in_file or 0, in_journal or 0) > in_s3
        text += "\n" + _s3_text(stopped.s3_uri, in_s3, "ahead" if ahead else "level, when it was last seen")
    return text + (f"\nchanges that could not be saved are in {stopped.unsaved}" if stopped.unsaved else "")


def _running_text(owner: Owner, answer: dict[str, Any]) -> str:
    dataset, revision, pending, saver = (answer[key] for key in ("dataset", "revision", "pending", "saver"))
    memory, journal, in_file = revision["memory"], revision["journal"], revision["file"]
    counts = ", ".join(f"{count} {noun}" for noun, count in dataset["counts"].items())
    lines = [
        f"{dataset['uri']}: {counts}; served at {owner.url}" + (f" by process {owner.pid}" if owner.pid else ""),
        f"revision {memory} in memory, {journal} in the journal, {in_file} in the file"
        if owner.pid
        else f"revision {memory}, {in_file} in {dataset['path']}",
        f"pending: {pending['summary']}",
    ]
    if saver["next_save_in"] is not None:
        lines.append(f"next save in {saver['next_save_in']:.0f} s")
    lines += [f"last error: {saver['last_error']}"] if saver["last_error"] else []
    if s3 := answer["s3"]:
        lines.append(_s3_text(s3["uri"], revision["s3"], s3["state"]))
        lines += [f"last error of S3: {s3['last_error']}"] if s3["last_error"] else []
    lines += [f"warning: {warning}" for warning in dataset["warnings"]]
    return "\n".join(lines)


def _s3_text(uri: str, revision: int | None, state: str) -> str:
    return f"S3: {uri} {'has none of it yet' if revision is None else f'is at revision {revision}'} ({state})"
