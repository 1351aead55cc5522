"""`flask flush`: the running server is asked to save; where none runs, the journal is brought into the file here."""

from __future__ import annotations

from typing import Any

import click
from flask.cli import with_appcontext

from cocoannot.cli.output import errors_in_one_line, print_answer
from cocoannot.cli.server_client import ask_named, ask_status, call, named_server, server_option
from cocoannot.errors import DatasetError, OwnedElsewhere
from cocoannot.extension import runtime
from cocoannot.files.dataset_file import DatasetFile
from cocoannot.files.kept_copies import timestamp
from cocoannot.files.lock import Owner, describe
from cocoannot.store.base import Maintenance
from cocoannot.store.memory.maintenance import MemoryMaintenance


@click.command()
@click.option(
    "--on-conflict",
    type=click.Choice(["overwrite", "theirs"]),
    help="If another program has changed the file: `overwrite` saves our version and keeps the other one beside it; "
    "`theirs` takes the other version and keeps ours beside it (stop the server first).",
)
@server_option
@click.option("--json", "as_json", is_flag=True, help="Print JSON.")
@with_appcontext
@errors_in_one_line
def flush(on_conflict: str | None, as_json: bool) -> None:
    """Save unsaved changes to the dataset's file now.

    If a server runs on the dataset, it is asked to save. If none runs, this command saves the changes that a crashed
    server has left in its journal. --on-conflict decides which version of the file stays if another program has
    changed it.

    A dataset in a database is exported to COCOANNOT_EXPORT by the server that --server names.
    """
    if (server := named_server()) is not None:
        answer, text = _ask_to_export(server, on_conflict)
        print_answer(answer, text, as_json)
        return
    file = runtime().file()
    maintenance = MemoryMaintenance(file, runtime().history)
    if (owner := maintenance.owner()) is not None:
        answer, text = _ask_to_save(owner, file, on_conflict)
    elif not maintenance.exists:
        raise DatasetError(f"{file.name} does not exist; correct COCOANNOT_DATASET")
    elif on_conflict is None:
        answer, text = _save_journal(maintenance, file.name)
    else:
        answer, text = _resolve_conflict(maintenance, on_conflict)
    print_answer(answer, text, as_json)


def _ask_to_save(owner: Owner, file: DatasetFile, on_conflict: str | None) -> tuple[dict[str, Any], str]:
    if on_conflict == "theirs":
        raise OwnedElsewhere(
            f"{file.name} is served by {describe(owner)}; stop it first: its version can't change under it"
        )
    ask_status(owner, file)
    return _asked(owner, file.name, on_conflict)


def _ask_to_export(server: Owner, on_conflict: str | None) -> tuple[dict[str, Any], str]:
    if on_conflict == "theirs":
        raise DatasetError("the database has all changes, so that there is nothing to take; `cocoannot db import` does")
    exported = ask_named(server)["dataset"]["path"]
    return _asked(server, exported, on_conflict)


def _asked(owner: Owner, name: str, on_conflict: str | None) -> tuple[dict[str, Any], str]:
    answer = call(owner, "POST", "/api/flush", {"on_conflict": on_conflict} if on_conflict else {})
    text = f"Saved {name} ({answer['summary']})" if answer["saved"] else f"Nothing to save in {name}"
    return answer, f"{text}, revision {answer['revision']}"


def _save_journal(maintenance: Maintenance, name: str) -> tuple[dict[str, Any], str]:
    with maintenance.owned():
        flushed = maintenance.flush()
    if flushed is None:
        text = f"No server runs on {name}, and there is nothing to save"
        return {"saved": False, "summary": "no changes", "running": False}, text
    text = f"Saved {name} from its journal ({flushed.summary}), revision {flushed.revision}"
    return {"saved": True, "summary": flushed.summary, "running": False, "revision": flushed.revision}, text


def _resolve_conflict(maintenance: Maintenance, choice: str) -> tuple[dict[str, Any], str]:
    with maintenance.owned():
        kept = maintenance.resolve_conflict(choice, timestamp())
    text = f"Conflict resolved by {choice}; kept beside it: {', '.join(kept) or 'nothing, there was nothing else'}"
    return {"settled": choice, "kept": kept}, text
