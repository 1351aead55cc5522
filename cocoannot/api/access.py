"""Who may call: host, origin, who it is, and the role that the route needs, in this order.

Host not one of ours              403   (a page that points its own name at this machine)
a change from another origin      403   (a page somewhere else that the user has open)
nobody known, where somebody must 401
somebody whose role is not enough 403   (what a route needs is said at the route, by `needs`)

`flask.g.actor` is the name of who calls from then on, `None` where that is not known: without users and without a
token, and at routes that are open to anybody. `flask.g.caller` has the role, too.
"""

from __future__ import annotations

import hashlib
import hmac
import re
from collections.abc import Callable
from functools import partial
from http import HTTPStatus

from flask import Flask, Request, Response, current_app, g
from flask.globals import app_ctx, request_ctx
from flask_cors import CORS
from werkzeug.middleware.proxy_fix import ProxyFix

from cocoannot.api.errors import error_response
from cocoannot.errors import CocoannotError, LoginFailed, NotAllowed
from cocoannot.extension import runtime
from cocoannot.people.accounts import PREFIX
from cocoannot.people.callers import Caller
from cocoannot.people.people import People
from cocoannot.people.roles import ANYBODY, Needed, Role, allows, role_needed
from cocoannot.people.signatures import same
from cocoannot.settings import Settings

COOKIE = "cocoannot"
EXPOSED = [
    *("ETag", "Location", "X-Pagination", "X-Dataset-Revision"),
    *("X-Change-Revision", "Idempotency-Replayed", "X-Merged"),
    *("Retry-After", "X-Claim-Seconds"),
]
"""Headers of answers that pages of other origins may read."""

_ALLOWED = [
    *("Authorization", "Content-Type", "If-Match", "If-None-Match", "Range"),
    *("Idempotency-Key", "Last-Event-ID"),
]
_METHODS = ["GET", "HEAD", "POST", "PUT", "PATCH", "DELETE", "OPTIONS"]
_SAFE = {"GET", "HEAD", "OPTIONS"}
_ANY_HOST = {"health.healthz", "health.readyz"}
_PROXY_SECRET = "X-Proxy-Secret"
_LOCAL = Caller("local", "admin", "none")
_WITH_THE_TOKEN = Caller("token", "admin", "token")


def register_access(app: Flask, settings: Settings) -> None:
    """Check every request to `app` before anything else does."""
    if settings.proxies:
        hops = settings.proxies
        app.wsgi_app = ProxyFix(app.wsgi_app, x_for=hops, x_proto=hops, x_host=hops)  # type: ignore[method-assign]
    if settings.cors_origins:
        CORS(
            app,
            resources=r"/api/*",
            # Patterns, because it takes the brackets of an IPv6 address for one.
            origins=[re.compile(re.escape(origin) + r"\Z") for origin in settings.cors_origins],
            methods=_METHODS,
            allow_headers=_ALLOWED,
            expose_headers=EXPOSED,
            max_age=600,
            vary_header=False,
        )
        app.after_request(_vary_by_origin)
    app.before_request(partial(_check, settings))


def require(role: Role) -> None:
    """Raise `NotAllowed` where the caller has not at least this role: for what only a part of a view needs."""
    caller: Caller = g.caller
    if not allows(caller.role, role):
        raise NotAllowed(f"This needs the role {role}; {_described(caller)}")


def is_still_here() -> Callable[[], bool]:
    """Tells later, without the request, whether whoever calls is still known: not disabled, revoked or logged out."""
    identify, user = g.identify, g.caller.user

    def is_here() -> bool:
        try:
            return bool(identify().user == user)
        except CocoannotError:
            return False

    return is_here


def cookie_of_token(token: str) -> str:
    """What the cookie holds: it proves that its bearer had the token, without being it."""
    return hmac.new(token.encode(), b"cocoannot cookie", hashlib.sha256).hexdigest()


def _check(settings: Settings) -> Response | None:
    # Not by `request` and `g`, each of which looks for the request first: this is done for all of them.
    asked, found = request_ctx.request, app_ctx.g
    found.actor = None
    endpoint, method = asked.endpoint, asked.method
    if endpoint not in _ANY_HOST and _host_name(asked.host) not in settings.hosts:
        return error_response(
            HTTPStatus.FORBIDDEN, f"The host {asked.host!r} is not served; COCOANNOT_HOSTS lists the names that are"
        )
    if method not in _SAFE and not _origin_is_ours(settings, asked):
        return error_response(
            HTTPStatus.FORBIDDEN, "Changes from pages of other origins are refused; COCOANNOT_CORS_ORIGINS allows some"
        )
    needed = _role_needed(endpoint)
    if method == "OPTIONS" or needed == ANYBODY:
        return None
    found.identify = partial(_identify, settings, runtime().people, asked)
    found.caller = caller = found.identify()
    found.actor = None if caller.by == "none" else caller.user
    if needed != "viewer":
        require(needed)
    return None


def _role_needed(endpoint: str | None) -> Needed:
    if endpoint is None:
        # There is nothing there, which strangers are not told.
        return "viewer"
    # Nobody but an admin gets to what has no role, though a test makes sure that there is nothing of the kind.
    return role_needed(current_app.view_functions[endpoint]) or "admin"


def _origin_is_ours(settings: Settings, asked: Request) -> bool:
    headers = asked.headers
    origin = headers.get("Origin")
    if origin is None:
        # Browsers send Origin with every change; without one only this header of theirs can tell.
        return headers.get("Sec-Fetch-Site", "none") in ("none", "same-origin")
    return origin in settings.cors_origins or origin == f"{asked.scheme}://{asked.host}"


def _vary_by_origin(response: Response) -> Response:
    """An answer without CORS headers must not be cached for the pages that are allowed to read it."""
    response.vary.add("Origin")
    return response


def _identify(settings: Settings, people: People, asked: Request) -> Caller:
    """Who calls: asked now, and later, too, since everything but the request is looked up each time.

    A token that is sent counts before all else, then what a trusted proxy says, then the cookie. Raises `LoginFailed`,
    which says what to do, `NotAllowed`, `UsersUnreadable`.
    """
    has_users = people.is_on
    if not (has_users or settings.token or settings.user_header):
        return _LOCAL
    bearer, named, cookie = _bearer(asked), _named_by_proxy(settings, asked), asked.cookies.get(COOKIE, "")
    # Proxies may send a token of their own on.
    if bearer is not None and (named is None or bearer.startswith(PREFIX)):
        caller = _by_bearer(settings, people, bearer)
    elif named is not None:
        return people.callers.by_proxy(named)
    else:
        caller = _by_cookie(settings, people, cookie)
    if caller is None:
        raise LoginFailed(_refusal(settings, asked, bearer, cookie, has_users=has_users))
    return caller


def _by_bearer(settings: Settings, people: People, bearer: str) -> Caller | None:
    if settings.token and same(bearer, settings.token):
        return _WITH_THE_TOKEN
    return people.callers.by_token(bearer)


def _by_cookie(settings: Settings, people: People, cookie: str) -> Caller | None:
    if settings.token and same(cookie, cookie_of_token(settings.token)):
        return _WITH_THE_TOKEN
    return people.callers.by_session(cookie) if cookie else None


def _bearer(asked: Request) -> str | None:
    # Not `authorization`: it takes a token with "=" in it for parameters.
    scheme, _, given = asked.headers.get("Authorization", "").partition(" ")
    return given.strip() if scheme.lower() == "bearer" else None


def _named_by_proxy(settings: Settings, asked: Request) -> str | None:
    """Whom the proxy names, where it is certain that the proxy does; `None` where it names nobody."""
    if not settings.user_header:
        return None
    return (asked.headers.get(settings.user_header) or None) if _is_from_proxy(settings, asked) else None


def _is_from_proxy(settings: Settings, asked: Request) -> bool:
    if settings.proxy_secret:
        return same(asked.headers.get(_PROXY_SECRET, ""), settings.proxy_secret)
    # As the server has it, before X-Forwarded-For: nothing, where the connection came over a Unix socket.
    original = asked.environ.get("werkzeug.proxy_fix.orig", asked.environ)
    return not original["REMOTE_ADDR"]


def _refusal(settings: Settings, asked: Request, bearer: str | None, cookie: str, *, has_users: bool) -> str:
    """What to say to somebody who is not known."""
    if settings.user_header and settings.user_header in asked.headers and not _is_from_proxy(settings, asked):
        how = f"as {_PROXY_SECRET}" if settings.proxy_secret else "over a Unix socket"
        return f"{settings.user_header} is believed from the proxy alone, which proves itself {how}"
    if not has_users:
        return "A token is needed; send it as `Authorization: Bearer TOKEN`, or POST it to /api/login"
    if bearer is not None:
        return "The token is wrong, has expired, or was revoked; make a new one on the page"
    if cookie:
        return "The session has ended; log in again, by POST to /api/login"
    return (
        "Log in, by POST of user and password to /api/login, or send a personal token as `Authorization: Bearer TOKEN`"
    )


def _described(caller: Caller) -> str:
    return (
        f"this token of {caller.user} has {caller.role}" if caller.by == "token" else f"{caller.user} has {caller.role}"
    )


def _host_name(host: str) -> str:
    """`host` without its port and a dot at the end, in lower case; brackets of an IPv6 address stay."""
    if host.startswith("["):
        return host.partition("]")[0].lower() + "]"
    return host.partition(":")[0].lower().rstrip(".")
