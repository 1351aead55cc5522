"""Changes of the past: which there were, and how to take one back. How far back they are kept is decided elsewhere."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import msgspec
from flask import Response

from cocoannot.api import body_schemas, query_schemas, response_schemas
from cocoannot.api.access import require
from cocoannot.api.blueprint import Blueprint, history, store
from cocoannot.api.caller import actor
from cocoannot.api.committing import change
from cocoannot.api.history import as_of_now
from cocoannot.api.responses import json_response
from cocoannot.changes.change import Edit
from cocoannot.changes.description import DescribedChange, Undone, describe, told
from cocoannot.changes.operations import GoBack, Revert, Undo
from cocoannot.errors import NotKept
from cocoannot.extension import runtime
from cocoannot.people.roles import needs
from cocoannot.store.base import Committed
from cocoannot.store.queries import ChangeQuery

blueprint = Blueprint("changes", __name__, url_prefix="/api/changes", description="What was done, and undo")

MOST_EDITS = 1000
"""Edits of one change that are listed."""

MOST_TEXT = 16 << 20
"""Bytes of records in one answer, unless one edit alone has more."""


@blueprint.route("")
@needs("viewer")
@blueprint.arguments(query_schemas.ChangesQuery, location="query")
@blueprint.response(200, response_schemas.Change(many=True))
@blueprint.errors(404)
def list_changes(query: dict[str, Any]) -> Response:
    """List changes, the newest last

    Those after the revision `since`, at most `limit` of them; without `since` the newest ones. 404 where not every
    change after `since` is kept: read the dataset again. Of a change with very many edits the first 1,000 are listed,
    and `more` counts the others. `with=records` adds the records before and after; an answer with very large ones has
    fewer changes.

    With `wait`, where there is no change after `since` (or after now), the answer comes with the next change, or empty
    after so many seconds; sooner where the server has few threads to spare. Where other parameters leave nothing of it,
    the answer is empty, too: go on from its `X-Dataset-Revision`.
    """
    if wait := query.pop("wait"):
        runtime().events.wait_beyond(query.get("since", store().revision), wait)
    with_records = "records" in query.pop("derived")
    if (annotation_id := query.pop("annotation_id", None)) is not None:
        query["record"] = ("annotations", annotation_id)
    query, revision = as_of_now(query)
    _check_kept(query.get("since"))
    found = history().find_changes(ChangeQuery(**query))
    listed = _with_records(found, oldest_first="since" in query) if with_records else [_body(each) for each in found]
    return json_response(listed, revision=revision)


@blueprint.route("/<id:revision>/undo", methods=["POST"])
@needs("annotator")
@blueprint.response(200, response_schemas.Change)
@blueprint.commits(404)
def undo_change(revision: int) -> Response:
    """Undo a change

    Makes its inverse as a new change, byte for byte and in place, as a whole or not at all. 409 with the edits that
    something later changed, and nothing is done. The undo of an undo is a redo. 404 where the change is not kept.
    Taking back what somebody else did needs the role reviewer.
    """
    made = history().change(revision)
    if made is not None and made.actor != actor():
        require("reviewer")
    committed = change(Undo(revision))
    (undone,) = committed.results
    assert isinstance(undone, Undone)
    made = committed.change
    assert made is not None
    body = _body(DescribedChange(made.revision, made.time, made.actor, undone.edits, undoes=made.undoes))
    return json_response(body, committed=committed)


@blueprint.route("/revert", methods=["POST"])
@needs("admin")
@blueprint.arguments(body_schemas.Reversal)
@blueprint.response(200, response_schemas.Reverted)
@blueprint.commits(400, 404, 413, 415)
def revert_changes(body: dict[str, Any]) -> Response:
    """Take back everything that a user did after a revision

    As one new change, byte for byte and in place, as a whole or not at all. 409 with the edits that somebody else built
    upon, and nothing is done. With `dry_run` nothing is done either, and the answer is what would be.
    """
    return _taken_back(change(Revert(**body)), body["dry_run"])


@blueprint.route("/restore", methods=["POST"])
@needs("admin")
@blueprint.arguments(body_schemas.Return)
@blueprint.response(200, response_schemas.Reverted)
@blueprint.commits(400, 404, 413, 415)
def restore_dataset(body: dict[str, Any]) -> Response:
    """Make the dataset what it was at a revision

    As one new change, byte for byte and in place, which can be undone like any other: what is there now is not lost.
    With `dry_run` nothing is done, and the answer is what would be. 404 where the revision can't be told any more, is
    yet to come, or the dataset was replaced since; 409 where more was done since than can be taken back at once.
    """
    return _taken_back(change(GoBack(**body)), body["dry_run"])


def _taken_back(committed: Committed, dry_run: bool) -> Response:
    (undone,) = committed.results
    assert isinstance(undone, Undone)
    made = committed.change
    listed = told(DescribedChange(0, 0, None, undone.edits), msgspec.to_builtins(undone.edits[:MOST_EDITS]))
    answer: dict[str, Any] = {"revision": made and made.revision, "dry_run": dry_run}
    answer |= {name: listed[name] for name in ("summary", "edits", "more") if name in listed}
    return json_response(answer, committed=committed)


def _check_kept(since: int | None) -> None:
    """Raise `NotKept` where who follows the dataset from `since` on would miss a change."""
    if since is not None and history().changes(since) is None and since < (oldest := history().oldest_change):
        raise NotKept(f"the changes after revision {since} are not all kept; the oldest are those after {oldest}")


def _body(made: DescribedChange) -> dict[str, Any]:
    edits = msgspec.to_builtins(made.edits[:MOST_EDITS])
    return told(made, edits)


def _with_records(changes: Sequence[DescribedChange], *, oldest_first: bool) -> list[dict[str, Any]]:
    """`changes` with the texts of their edits, as many of them as an answer may have."""
    found: list[dict[str, Any]] = []
    size = 0
    for made in changes if oldest_first else reversed(changes):
        edits: list[dict[str, Any]] = []
        for edit in _edits_of(made):
            size += len(edit.before or b"") + len(edit.after or b"")
            if edits and size > MOST_TEXT:
                break
            texts = {"before": _raw(edit.before), "after": _raw(edit.after)}
            edits.append({**msgspec.to_builtins(describe(edit)), **texts})
        if found and size > MOST_TEXT:
            break
        found.append(told(made, edits))
    return found if oldest_first else found[::-1]


def _edits_of(made: DescribedChange) -> Sequence[Edit]:
    whole = history().change(made.revision)
    return whole.edits[:MOST_EDITS] if whole else ()


def _raw(text: bytes | None) -> msgspec.Raw | None:
    return None if text is None else msgspec.Raw(text)
