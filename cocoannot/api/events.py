"""Following changes: a stream of events, or a request that waits. Which events there are is not known here."""

from __future__ import annotations

from typing import Any

from flask import Response, request
from webargs.flaskparser import abort

from cocoannot.api import event_schemas
from cocoannot.api.access import is_still_here
from cocoannot.api.blueprint import Blueprint
from cocoannot.api.caller import holder
from cocoannot.api.openapi import LAST_EVENT_ID
from cocoannot.events.feed import RELEASE, Place, read_place
from cocoannot.extension import runtime
from cocoannot.people.roles import needs

blueprint = Blueprint("events", __name__, url_prefix="/api", description="Hearing of changes, and who is where")

_HEADERS = {
    "Cache-Control": "no-store, no-transform",
    # nginx would keep events until it has a buffer full of them.
    "X-Accel-Buffering": "no",
    "X-Content-Type-Options": "nosniff",
}
_STREAM = {"type": "string", "description": "events, as the WHATWG's HTML standard has them"}


@blueprint.route("/events")
@needs("viewer")
@blueprint.arguments(event_schemas.EventsQuery, location="query")
@blueprint.response(
    200, _STREAM, content_type="text/event-stream", example="id: 5d1f0c2a:42\nevent: hello\ndata: {}\n\n"
)
@blueprint.errors(429, 503)
@blueprint.takes(LAST_EVENT_ID)
def follow_events(query: dict[str, Any]) -> Response:
    """Follow the dataset's changes, as a stream of server-sent events

    The first one is `hello`; then there is a `change` for each change, with an id, in order, none left out, as soon as
    it is in the journal. `Last-Event-ID` (or `since`) goes on from there; where that is not possible, `reset` says that
    everything has to be read again. Without an id come `saved`, `presence` and `restart` (the server is ending: come
    again). An id alone each 15 seconds is no event.
    """
    who = holder(query["client"])
    resume, place = _wanted_place(query)
    if request.method == "HEAD":
        return Response(mimetype="text/event-stream", headers=_HEADERS)
    feed, team = runtime().events, runtime().team
    images = frozenset(query["image_ids"]) or None
    opening = feed.open(who.who, images, place, resume=resume, is_welcome=is_still_here())
    if query["client"]:
        team.claims.stream_opened(who)
        opening.at_end(lambda: team.stream_closed(who))
    response = Response(mimetype="text/event-stream", headers=_HEADERS)
    release = request.environ.get(RELEASE)
    if release is not None:
        release(opening)
    else:
        response.response = feed.blocking(opening)
    return response


def _wanted_place(query: dict[str, Any]) -> tuple[bool, Place | None]:
    """Whether to go on from somewhere, and from where: `None` for an id that is none of ours.

    A browser sends the id of its last event by itself, and gives up for good after an error.
    """
    if given := request.headers.get("Last-Event-ID"):
        return True, read_place(given)
    if "since" not in query:
        return False, None
    place = read_place(query["since"])
    if place is None:
        abort(
            422,
            message="`since` must be a revision, or LINEAGE:REVISION as the ids of events are",
            errors={"query": {"since": ["Not a valid place."]}},
        )
    return True, place
