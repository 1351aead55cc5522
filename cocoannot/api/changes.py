"""Changes of the past: which there were, and how to take one back. How far back they are kept is decided elsewhere."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Any

import msgspec
from flask import Response

from cocoannot.api import query_schemas, response_schemas
from cocoannot.api.access import require
from cocoannot.api.blueprint import Blueprint, history, store
from cocoannot.api.caller import actor
from cocoannot.api.committing import change
from cocoannot.api.responses import json_response
from cocoannot.changes.change import Change
from cocoannot.changes.description import DescribedEdit, Undone, describe, kind, summary
from cocoannot.changes.operations import Undo
from cocoannot.errors import UnknownId
from cocoannot.extension import runtime
from cocoannot.people.roles import needs

blueprint = Blueprint("changes", __name__, url_prefix="/api/changes", description="What was done, and undo")


@blueprint.route("")
@needs("viewer")
@blueprint.arguments(query_schemas.ChangesQuery, location="query")
@blueprint.response(200, response_schemas.Change(many=True))
@blueprint.errors(404)
def list_changes(query: dict[str, Any]) -> Response:
    """List changes, the newest last

    Those after the revision `since`, at most `limit` of them; without `since` the newest ones. The server keeps the
    latest changes only; 404 where it does not go back to `since`. With `wait`, where there is none after `since` (or
    after now), the answer comes with the next change, or empty after so many seconds; sooner where the server has few
    threads to spare.
    """
    limit, since = query["limit"], query.get("since")
    if wait := query["wait"]:
        runtime().events.wait_beyond(store().revision if since is None else since, wait)
    found = history().changes(history().oldest_change if since is None else since)
    if found is None:
        oldest = history().oldest_change
        raise UnknownId(f"the changes after revision {since} are not all kept; the oldest are those after {oldest}")
    chosen = found[-limit:] if since is None else found[:limit]
    return json_response([_body(each, tuple(map(describe, each.edits))) for each in chosen])


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
    assert committed.change is not None
    return json_response(_body(committed.change, undone.edits), committed=committed)


def _body(made: Change, edits: tuple[DescribedEdit, ...]) -> dict[str, Any]:
    return {
        "revision": made.revision,
        "time": datetime.fromtimestamp(made.time, UTC),
        "user": made.actor,
        "kind": kind(made),
        "summary": summary(made, edits),
        "edits": msgspec.to_builtins(edits),
    }
