"""Serving the page: its one document, and its files below an address that changes with their content."""

from __future__ import annotations

import hashlib
import mimetypes
import re
from functools import cache
from pathlib import Path, PurePosixPath
from posixpath import normpath

from flask import Blueprint, Response, abort, request

from cocoannot.people.roles import ANYBODY, needs

_STATIC = Path(__file__).parent / "static"
_FIRST, _EDITOR = "main.js", "views/editor.js"
"""What the page begins with, and what the first image that is opened needs beside that."""
_YEAR = 365 * 24 * 3600
_IMPORT = re.compile(r'^(?:import|export) [^;]*?"(\.[^"]+)";?$', re.MULTILINE)
_TYPES = {".js": "text/javascript", ".css": "text/css", ".svg": "image/svg+xml"}
_HEADERS = {
    # `blob:` are pictures that the page made itself, `data:` the icons in OpenLayers' style sheet.
    "Content-Security-Policy": "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self' blob: data:; "
    "connect-src 'self'; worker-src 'self'; base-uri 'none'; form-action 'none'; frame-ancestors 'none'",
    "X-Content-Type-Options": "nosniff",
    "X-Frame-Options": "DENY",
    "Referrer-Policy": "no-referrer",
}

blueprint = Blueprint("web", __name__)


@blueprint.route("/")
@needs(ANYBODY)
def page() -> Response:
    """The document, in which the address of the files stands; asked for again each time."""
    files = f"page/{_digest()}"
    first = _modules(_FIRST)
    preloads = {"{{modules}}": first, "{{editor}}": _modules(_EDITOR) - first}
    text = (_STATIC / "index.html").read_text()
    for place, names in preloads.items():
        links = [f'<link rel="modulepreload" href="{files}/{name}">' for name in sorted(names)]
        text = text.replace(place, "\n    ".join(links))
    text = text.replace("{{files}}", files)
    response = Response(text, mimetype="text/html", headers=_HEADERS)
    response.set_etag(hashlib.sha256(text.encode()).hexdigest()[:24])
    response.headers["Cache-Control"] = "no-cache"
    response.make_conditional(request)
    return response


@blueprint.route("/page/<digest>/<path:name>")
@needs(ANYBODY)
def file(digest: str, name: str) -> Response:
    """A script, style sheet or icon; what is at an address never changes."""
    if digest != _digest() or name not in _files():
        abort(404)
    media_type = _TYPES.get(Path(name).suffix) or mimetypes.guess_type(name)[0]
    response = Response(_files()[name], mimetype=media_type, headers=_HEADERS)
    response.cache_control.public = response.cache_control.immutable = True
    response.cache_control.max_age = _YEAR
    return response


@cache
def _files() -> dict[str, bytes]:
    files = (path for path in sorted(_STATIC.rglob("*")) if path.is_file())
    # `*.d.ts` are types, for `make check-page` alone.
    served = (path for path in files if path.name != "index.html" and path.suffix != ".ts")
    return {path.relative_to(_STATIC).as_posix(): path.read_bytes() for path in served}


@cache
def _modules(start: str) -> frozenset[str]:
    """`start` and what it imports, also by way of others: the browser asks for all at once, and not level by level."""
    found = {start}
    waiting = [start]
    while waiting:
        module = PurePosixPath(waiting.pop())
        for target in _IMPORT.findall(_files()[str(module)].decode()):
            name = normpath(module.parent / target)
            if name not in found:
                found.add(name)
                waiting.append(name)
    return frozenset(found)


@cache
def _digest() -> str:
    """Stands for the content of all files: one of them can't be taken from another version's cache."""
    digest = hashlib.sha256()
    for name, data in _files().items():
        digest.update(f"{name}\0{len(data)}\0".encode() + data)
    return digest.hexdigest()[:16]
