"""Who may call: host, origin, token, in this order. What callers may then do is the same for all of them.

Host not one of ours          403   (a page that points its own name at this machine)
a change from another origin  403   (a page somewhere else that the user has open)
no token where one is set     401
"""

from __future__ import annotations

import hashlib
import hmac
import re
from functools import partial
from http import HTTPStatus

from flask import Flask, Response, request
from flask_cors import CORS
from werkzeug.middleware.proxy_fix import ProxyFix

from cocoannot.api import body_schemas
from cocoannot.api.blueprint import Blueprint
from cocoannot.api.errors import error_response
from cocoannot.api.responses import no_content
from cocoannot.extension import runtime
from cocoannot.settings import Settings

COOKIE = "cocoannot"
EXPOSED = [
    *("ETag", "Location", "X-Pagination", "X-Dataset-Revision"),
    *("X-Change-Revision", "Idempotency-Replayed", "X-Merged"),
]
"""Headers of answers that pages of other origins may read."""

_ALLOWED = ["Authorization", "Content-Type", "Idempotency-Key", "If-Match", "If-None-Match", "Range"]
_METHODS = ["GET", "HEAD", "POST", "PUT", "PATCH", "DELETE", "OPTIONS"]
_SAFE = {"GET", "HEAD", "OPTIONS"}
_ANY_HOST = {"health.healthz", "health.readyz"}
_OPEN = {*_ANY_HOST, "access.login", "docs.page", "docs.file", "web.page", "web.file"}

blueprint = Blueprint("access", __name__, url_prefix="/api", description="Who may call")


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


@blueprint.route("/login", methods=["POST"])
@blueprint.arguments(body_schemas.Login)
@blueprint.response(204)
@blueprint.errors(400, 401, 413, 415)
@blueprint.doc(security=[])
def login(body: dict[str, str]) -> Response:
    """Trade the token for a cookie, for pages"""
    token = runtime().settings.token
    if token and not _same(body["token"], token):
        return _unauthorized("The token is wrong")
    response = no_content()
    if token:
        response.set_cookie(COOKIE, _cookie_for(token), httponly=True, samesite="Strict", secure=request.is_secure)
    return response


def _check(settings: Settings) -> Response | None:
    endpoint, method = request.endpoint, request.method
    if endpoint not in _ANY_HOST and _host_name(request.host) not in settings.hosts:
        return error_response(
            HTTPStatus.FORBIDDEN, f"The host {request.host!r} is not served; COCOANNOT_HOSTS lists the names that are"
        )
    if method not in _SAFE and not _origin_is_ours(settings):
        return error_response(
            HTTPStatus.FORBIDDEN, "Changes from pages of other origins are refused; COCOANNOT_CORS_ORIGINS allows some"
        )
    if not settings.token or method == "OPTIONS" or endpoint in _OPEN:
        return None
    if _has_token(settings.token):
        return None
    return _unauthorized("A token is needed; send it as `Authorization: Bearer TOKEN`, or POST it to /api/login")


def _origin_is_ours(settings: Settings) -> bool:
    headers = request.headers
    origin = headers.get("Origin")
    if origin is None:
        # Browsers send Origin with every change; without one only this header of theirs can tell.
        return headers.get("Sec-Fetch-Site", "none") in ("none", "same-origin")
    return origin in settings.cors_origins or origin == f"{request.scheme}://{request.host}"


def _vary_by_origin(response: Response) -> Response:
    """An answer without CORS headers must not be cached for the pages that are allowed to read it."""
    response.vary.add("Origin")
    return response


def _has_token(token: str) -> bool:
    # Not `request.authorization`: it takes a token with "=" in it for parameters.
    scheme, _, given = request.headers.get("Authorization", "").partition(" ")
    if scheme.lower() == "bearer":
        return _same(given.strip(), token)
    return _same(request.cookies.get(COOKIE, ""), _cookie_for(token))


def _cookie_for(token: str) -> str:
    """What the cookie holds: it proves that its bearer had the token, without being it."""
    return hmac.new(token.encode(), b"cocoannot cookie", hashlib.sha256).hexdigest()


def _same(given: str, expected: str) -> bool:
    return hmac.compare_digest(given.encode("utf-8", "replace"), expected.encode())


def _unauthorized(message: str) -> Response:
    response = error_response(HTTPStatus.UNAUTHORIZED, message)
    response.headers["WWW-Authenticate"] = "Bearer"
    return response


def _host_name(host: str) -> str:
    """`host` without its port and a dot at the end, in lower case; brackets of an IPv6 address stay."""
    if host.startswith("["):
        return host.partition("]")[0].lower() + "]"
    return host.partition(":")[0].lower().rstrip(".")
