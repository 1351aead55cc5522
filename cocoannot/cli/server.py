"""`flask flush` and `flask status`: they ask the running server, and never load the dataset themselves."""

from __future__ import annotations

from typing import Any

import click
from flask.cli import with_appcontext

from cocoannot.cli.common_options import as_one_line, moment, owned, print_answer
from cocoannot.cli.server_client import ask_status, call
from cocoannot.errors import DatasetError, OwnedElsewhere
from cocoannot.extension import runtime
from cocoannot.files.dataset_file import DatasetFile
from cocoannot.files.lock import Owner, describe, find_owner
from cocoannot.manager import DatasetManager
from cocoannot.store.memory.settling import settle


@click.command()
@click.option(
    "--on-conflict",
    type=click.Choice(["overwrite", "theirs"]),
    help="If another program has changed the file: `overwrite` saves our version and keeps the other one beside it; "
    "`theirs` takes the other version and keeps ours beside it (stop the server first).",
)
@click.option("--json", "as_json", is_flag=True, help="Print JSON.")
@with_appcontext
@as_one_line
def flush(on_conflict: str | None, as_json: bool) -> None:
    """Save unsaved changes to the dataset's file now.

    If a server runs on the dataset, it is asked to save. If none runs, this command saves the changes that a crashed
    server has left in its journal. --on-conflict decides which version of the file stays if another program has
    changed it.
    """
    file = DatasetFile(runtime().settings.dataset_path())
    owner = find_owner(file.lock.path)
    if owner is None:
        _flush_stopped(file, on_conflict, as_json)
        return
    if on_conflict == "theirs":
        raise OwnedElsewhere(
            f"{file.name} is served by {describe(owner)}; stop it first: its version can't change under it"
        )
    ask_status(owner, file)
    answer = call(owner, "POST", "/api/flush", {"on_conflict": on_conflict} if on_conflict else {})
    text = f"Saved {file.name} ({answer['summary']})" if answer["saved"] else f"Nothing to save in {file.name}"
    print_answer(answer, f"{text}, revision {answer['revision']}", as_json)


@click.command()
@click.option("--json", "as_json", is_flag=True, help="Print JSON.")
@with_appcontext
@as_one_line
def status(as_json: bool) -> None:
    """Show what is saved and what is not.

    If no server runs on the dataset, this command shows what is in the file and in the journal.
    """
    file = DatasetFile(runtime().settings.dataset_path())
    owner = find_owner(file.lock.path)
    if owner is None:
        known, remote, entries = file.known(), file.agreed(), file.journal.read().entries
        answer: dict[str, Any] = {
            "running": False,
            "dataset": {"uri": runtime().uri(), "path": str(file.path)},
            "revision": {
                "file": known.revision if known else None,
                "journal": entries[-1].revision if entries else None,
                "s3": remote.revision if remote and remote.etag else None,
            },
            "s3": {"uri": remote.uri, "etag": remote.etag} if remote else None,
            "unsaved": str(file.unsaved) if file.unsaved.exists() else None,
        }
        print_answer(answer, _stopped_text(answer), as_json)
        return
    answer = ask_status(owner, file)
    print_answer({"running": True, "url": owner.url, **answer}, _running_text(owner, answer), as_json)


def _flush_stopped(file: DatasetFile, on_conflict: str | None, as_json: bool) -> None:
    if not file.path.exists():
        raise DatasetError(f"{file.name} does not exist; correct COCOANNOT_DATASET")
    with owned(file):
        if on_conflict is None:
            answer = _save_journal(file)
            print_answer(answer, _saved_text(file, answer), as_json)
            return
        kept = [str(path) for path in settle(file, on_conflict, moment())]
        text = f"Settled: {on_conflict}; kept beside it: {', '.join(kept) or 'nothing, there was nothing else'}"
        print_answer({"settled": on_conflict, "kept": kept}, text, as_json)


def _save_journal(file: DatasetFile) -> dict[str, Any]:
    answer: dict[str, Any] = {"saved": False, "summary": "no changes", "running": False}
    if file.unsaved.exists() or file.journal.read().entries:
        manager = DatasetManager()
        manager.load(file)
        if saved := manager.save_now():
            answer |= {"saved": True, "summary": saved.summary, "revision": saved.revision}
    return answer


def _saved_text(file: DatasetFile, answer: dict[str, Any]) -> str:
    if not answer["saved"]:
        return f"No server runs on {file.name}, and there is nothing to save"
    return f"Saved {file.name} from its journal ({answer['summary']}), revision {answer['revision']}"


def _running_text(owner: Owner, answer: dict[str, Any]) -> str:
    dataset, revision, pending, saver = (answer[key] for key in ("dataset", "revision", "pending", "saver"))
    memory, journal, in_file = revision["memory"], revision["journal"], revision["file"]
    counts = ", ".join(f"{count} {noun}" for noun, count in dataset["counts"].items())
    lines = [
        f"{dataset['uri']}: {counts}; served at {owner.url} by process {owner.pid}",
        f"revision {memory} in memory, {journal} in the journal, {in_file} in the file",
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


def _stopped_text(answer: dict[str, Any]) -> str:
    revision, journal = answer["revision"]["file"], answer["revision"]["journal"]
    text = f"{answer['dataset']['uri']}: no server runs on it"
    text += "" if revision is None else f"; its file was saved at revision {revision}"
    if journal is not None and journal > (revision or 0):
        text += f"\nthe journal has changes up to revision {journal}; `flask flush` or the next start makes them again"
    if s3 := answer["s3"]:
        in_s3 = answer["revision"]["s3"]
        ahead = in_s3 is None or max(revision or 0, journal or 0) > in_s3
        text += "\n" + _s3_text(s3["uri"], in_s3, "ahead" if ahead else "level, when it was last seen")
    return text + (f"\nchanges that could not be saved are in {answer['unsaved']}" if answer["unsaved"] else "")
