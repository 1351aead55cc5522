"""The latest changes, and waiting for the next one."""

from __future__ import annotations

from typing import Any

from flask import Response
from webargs.flaskparser import abort

from cocoannot.api import event_schemas
from cocoannot.api.blueprint import Blueprint, store
from cocoannot.api.responses import json_response
from cocoannot.changes.change import Change
from cocoannot.changes.tracker import ChangeTracker
from cocoannot.events.texts import MOST_EDITS, described
from cocoannot.extension import runtime
from cocoannot.store.base import History

_MOST = 1_000

blueprint = Blueprint("changes", __name__, url_prefix="/api", description="What changed")


@blueprint.route("/changes")
@blueprint.arguments(event_schemas.ChangesQuery, location="query")
@blueprint.response(200, event_schemas.Change(many=True))
@blueprint.errors(410)
def list_changes(query: dict[str, Any]) -> Response:
    """List the changes after a revision, the newest last

    At most 1,000: ask again from the last one. With `wait`, an answer without changes comes after so many seconds, or
    sooner where the server has few threads to spare. 410 where the server does not have them any more: read again.
    """
    if query["wait"] and store().revision <= query["since"]:
        runtime().events.wait_beyond(query["since"], query["wait"])
    kept = store()
    revision = kept.revision
    changes = kept.changes(query["since"]) if isinstance(kept, History) else None
    if changes is None:
        abort(410, message=f"the changes after revision {query['since']} are not kept any more; read the dataset again")
    return json_response([_told(change) for change in changes[:_MOST]], revision=revision)


def _told(change: Change) -> dict[str, Any]:
    told: dict[str, Any] = {"revision": change.revision, "time": change.time, "user": change.actor}
    if change.replaced:
        return {**told, "kind": "reset", "summary": f"{', '.join(change.replaced)} replaced", "edits": []}
    tracker = ChangeTracker()
    tracker.count_edits(change.edits)
    edits = [described(edit) for edit in change.edits[:MOST_EDITS]]
    more = {"more": len(change.edits) - MOST_EDITS} if len(change.edits) > MOST_EDITS else {}
    return {**told, "kind": "change", "summary": tracker.summary(), "edits": edits, **more}
