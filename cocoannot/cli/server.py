"""`flask flush` and `flask status`: they ask the running server, and never load the dataset themselves."""

from __future__ import annotations

import json
import os
import time
import urllib.error
import urllib.request
from collections.abc import Callable
from functools import wraps
from http.client import HTTPException
from typing import Any

import click
from flask.cli import with_appcontext

from cocoannot.dataset.manager import DatasetManager
from cocoannot.dataset.settling import settle
from cocoannot.errors import CocoannotError, DatasetError, OwnedElsewhere
from cocoannot.extension import runtime
from cocoannot.storage.dataset_file import DatasetFile
from cocoannot.storage.lock import Owner, describe, find_owner

# Seconds for an answer: the server may be loading, or saving a large dataset to a slow disk.
_STATUS_TIMEOUT = 60
_SAVE_TIMEOUT = 600
# Seconds for the lock: nobody held it a moment ago.
_LOCK_TIMEOUT = 1

# The server is on this machine, whatever proxy the environment names.
_open = urllib.request.build_opener(urllib.request.ProxyHandler({})).open


def _as_one_line(command: Callable[..., None]) -> Callable[..., None]:
    @wraps(command)
    def run(*args: Any, **options: Any) -> None:
        try:
            command(*args, **options)
        except CocoannotError as exc:
            raise click.ClickException(str(exc)) from exc
        except OSError as exc:
            raise click.ClickException(f"{exc.filename or 'the server'}: {exc.strerror or exc}") from exc

    return run


@click.command()
@click.option(
    "--on-conflict",
    type=click.Choice(["overwrite", "theirs"]),
    help="Where something else changed the file: `overwrite` saves our version and keeps theirs beside it; "
    "`theirs` (with the server stopped) takes theirs and keeps ours beside it.",
)
@click.option("--json", "as_json", is_flag=True, help="Print JSON.")
@with_appcontext
@_as_one_line
def flush(on_conflict: str | None, as_json: bool) -> None:
    """Save pending changes now.

    Asks the server that owns the dataset. Where none runs, what a crashed one left in its journal is brought into the
    file, and a conflict that it left behind can be settled.
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
    _ask_status(owner, file)
    answer = _call(owner, "POST", "/api/flush", {"on_conflict": on_conflict} if on_conflict else {})
    text = f"Saved {file.name} ({answer['summary']})" if answer["saved"] else f"Nothing to save in {file.name}"
    _print(answer, f"{text}, revision {answer['revision']}", as_json)


@click.command()
@click.option("--json", "as_json", is_flag=True, help="Print JSON.")
@with_appcontext
@_as_one_line
def status(as_json: bool) -> None:
    """Show what is saved and what is not."""
    file = DatasetFile(runtime().settings.dataset_path())
    owner = find_owner(file.lock.path)
    if owner is None:
        known, entries = file.known(), file.journal.read().entries
        answer: dict[str, Any] = {
            "running": False,
            "dataset": {"uri": file.name, "path": str(file.path)},
            "revision": {
                "file": known.revision if known else None,
                "journal": entries[-1].revision if entries else None,
            },
            "unsaved": str(file.unsaved) if file.unsaved.exists() else None,
        }
        _print(answer, _stopped_text(answer), as_json)
        return
    answer = _ask_status(owner, file)
    _print({"running": True, "url": owner.url, **answer}, _running_text(owner, answer), as_json)


def _flush_stopped(file: DatasetFile, on_conflict: str | None, as_json: bool) -> None:
    if not file.path.exists():
        raise DatasetError(f"{file.name} does not exist; correct COCOANNOT_DATASET")
    # A server that starts now must not read one half of it.
    file.lock.acquire(Owner(os.getpid(), "", str(file.path)), _LOCK_TIMEOUT, time.sleep)
    try:
        if on_conflict is None:
            answer = _save_journal(file)
            _print(answer, _saved_text(file, answer), as_json)
            return
        kept = [str(path) for path in settle(file, on_conflict, time.strftime("%Y%m%dT%H%M%SZ", time.gmtime()))]
        text = f"Settled: {on_conflict}; kept beside it: {', '.join(kept) or 'nothing, there was nothing else'}"
        _print({"settled": on_conflict, "kept": kept}, text, as_json)
    finally:
        file.lock.release()


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


def _ask_status(owner: Owner, file: DatasetFile) -> dict[str, Any]:
    """The status of the server that owns the dataset. Raises `OwnedElsewhere`, `DatasetError`."""
    if not owner.url or owner.dataset != str(file.path):
        raise OwnedElsewhere(f"{file.name} is in use by {describe(owner)}, which can't be asked")
    answer = _call(owner, "GET", "/api/status")
    try:
        served = answer["dataset"]["path"]
    except (KeyError, TypeError):
        raise OwnedElsewhere(f"what answers at {owner.url} is not a server of {file.path}") from None
    if served != str(file.path):
        raise OwnedElsewhere(f"{describe(owner)} serves {served}, not {file.path}")
    return answer


def _call(owner: Owner, method: str, path: str, body: object = None) -> dict[str, Any]:
    data = None if body is None else json.dumps(body).encode()
    # By a name that is served whatever address this is.
    headers = {"Content-Type": "application/json", "Host": "localhost"}
    request = urllib.request.Request(owner.url + path, data, headers, method=method)
    if token := runtime().settings.token:
        request.add_header("Authorization", f"Bearer {token}")
    try:
        with _open(request, timeout=_STATUS_TIMEOUT if method == "GET" else _SAVE_TIMEOUT) as response:
            answer: dict[str, Any] = json.load(response)
            return answer
    except urllib.error.HTTPError as exc:
        raise DatasetError(_message(owner, exc)) from exc
    except (OSError, HTTPException, ValueError) as exc:
        reason = exc.reason if isinstance(exc, urllib.error.URLError) else exc
        raise OwnedElsewhere(f"{describe(owner)} does not answer: {reason}; try again when it is up") from exc


def _message(owner: Owner, error: urllib.error.HTTPError) -> str:
    try:
        return str(json.load(error)["message"])
    except (OSError, HTTPException, ValueError, KeyError, TypeError):
        return f"{describe(owner)} answered {error.code} {error.reason}"


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
    lines += [f"warning: {warning}" for warning in dataset["warnings"]]
    return "\n".join(lines)


def _stopped_text(answer: dict[str, Any]) -> str:
    revision, journal = answer["revision"]["file"], answer["revision"]["journal"]
    text = f"{answer['dataset']['uri']}: no server runs on it"
    text += "" if revision is None else f"; its file was saved at revision {revision}"
    if journal is not None and journal > (revision or 0):
        text += f"\nthe journal has changes up to revision {journal}; `flask flush` or the next start makes them again"
    return text + (f"\nchanges that could not be saved are in {answer['unsaved']}" if answer["unsaved"] else "")


def _print(answer: object, text: str, as_json: bool) -> None:
    click.echo(json.dumps(answer) if as_json else text)
