"""Logging in and out, and what belongs to whoever calls: who they are, and their personal tokens."""

from __future__ import annotations

from typing import Any

from flask import Response, g, request

from cocoannot.api import people_schemas
from cocoannot.api.access import COOKIE, cookie_of_token
from cocoannot.api.blueprint import Blueprint
from cocoannot.api.caller import all_of
from cocoannot.api.responses import no_content
from cocoannot.errors import Conflict, LoginFailed, NotAllowed
from cocoannot.extension import runtime
from cocoannot.people.callers import Caller
from cocoannot.people.directory import Token
from cocoannot.people.roles import ANYBODY, allows, needs, role_of
from cocoannot.people.signatures import same

blueprint = Blueprint("sessions", __name__, url_prefix="/api", description="Who you are")


@blueprint.route("/login", methods=["POST"])
@needs(ANYBODY)
@blueprint.arguments(people_schemas.Login)
@blueprint.response(204)
@blueprint.errors(400, 401, 413, 415, 429, 503)
def login(body: dict[str, str]) -> Response:
    """Log in, for pages: trade a password or a token for a cookie

    After 5 failures for a user or from an address, further attempts have to wait, each twice as long as the one before.
    """
    settings, people = runtime().settings, runtime().people
    address, token = request.remote_addr or "", body.get("token")
    if not people.is_on and not settings.token:
        return no_content()
    if settings.token and token is not None and same(token, settings.token):
        return _with_cookie(cookie_of_token(settings.token), None)
    if not people.is_on:
        with people.logins.attempt(address):
            raise LoginFailed("The token is wrong" if token is not None else "There are no users; log in by the token")
    if token is not None:
        session = people.logins.by_token(token, address)
    else:
        session = people.logins.by_password(body["user"], body["password"], address)
    return _with_cookie(session, people.session_seconds)


@blueprint.route("/logout", methods=["POST"])
@needs(ANYBODY)
@blueprint.response(204)
@blueprint.errors(503, 507)
def logout() -> Response:
    """Log out: the session ends for good, and the cookie goes

    All clients of the user are gone from presence then; those that are still logged in come back with their next sign
    of life. The session's streams of events end within seconds.
    """
    user = runtime().people.logins.log_out(request.cookies.get(COOKIE, ""))
    if user is not None:
        runtime().team.presence.leave_all(all_of(user))
    response = no_content()
    response.delete_cookie(COOKIE, httponly=True, samesite="Strict", secure=request.is_secure)
    return response


@blueprint.route("/password", methods=["POST"])
@needs(ANYBODY)
@blueprint.arguments(people_schemas.NewPassword)
@blueprint.response(204)
@blueprint.errors(400, 401, 413, 415, 429, 503, 507)
def set_password(body: dict[str, str]) -> Response:
    """Set a password by a one-time link

    The link is used up then, and all sessions of the user end. Log in with the new password.
    """
    runtime().people.accounts.use_link(body["link"], body["password"])
    return no_content()


@blueprint.route("/me")
@needs("viewer")
@blueprint.response(200, people_schemas.Me)
def get_me() -> dict[str, Any]:
    """Get who you are, what you may do, and how that is known"""
    return _caller()._asdict()


@blueprint.route("/me/tokens")
@needs("viewer")
@blueprint.response(200, people_schemas.Token(many=True))
def list_tokens() -> list[dict[str, Any]]:
    """List your personal tokens, not paged"""
    user = runtime().people.accounts.users().get(_caller().user)
    return [_told(token) for token in user.tokens] if user else []


@blueprint.route("/me/tokens", methods=["POST"])
@needs("viewer")
@blueprint.arguments(people_schemas.NewToken)
@blueprint.response(201, people_schemas.CreatedToken)
@blueprint.errors(400, 409, 413, 415, 503, 507)
def add_token(body: dict[str, Any]) -> dict[str, Any]:
    """Make a personal token, for scripts

    Its text is shown once. It is good for what you may do, or for less if you give a `role`. Not by a token:
    log in first.
    """
    caller, accounts = _caller(), runtime().people.accounts
    if caller.user not in accounts.users():
        raise Conflict(f"{caller.user} is no user of this server, so can't have tokens; an admin adds users")
    _require_login(caller)
    if (role := body.get("role")) and not allows(caller.role, role_of(role)):
        raise NotAllowed(f"A token of yours can't have the role {role}; you have {caller.role}")
    token, text = accounts.new_token(caller.user, body["name"], role, body.get("days"))
    return {**_told(token), "token": text}


@blueprint.route("/me/tokens/<token_id>", methods=["DELETE"])
@needs("viewer")
@blueprint.response(204)
@blueprint.errors(404, 503, 507)
def delete_token(token_id: str) -> Response:
    """Revoke a personal token; sessions that were begun with it end

    Not by a token: log in first.
    """
    caller = _caller()
    _require_login(caller)
    runtime().people.accounts.remove_token(caller.user, token_id)
    return no_content()


def _caller() -> Caller:
    caller: Caller = g.caller
    return caller


def _require_login(caller: Caller) -> None:
    """Raise `NotAllowed` for a token: one that was stolen must neither outlive its end nor take away the others."""
    if caller.by == "token":
        raise NotAllowed("A token can neither make nor revoke tokens; log in with a password")


def _told(token: Token) -> dict[str, Any]:
    return {name: getattr(token, name) for name in ("id", "name", "role", "created", "expires", "used")}


def _with_cookie(value: str, seconds: int | None) -> Response:
    response = no_content()
    response.set_cookie(COOKIE, value, max_age=seconds, httponly=True, samesite="Strict", secure=request.is_secure)
    return response
