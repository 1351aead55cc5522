"""The one place where routes make changes: who asks, with which key, for what. What comes of it is the store's.

A request with an `Idempotency-Key` that was answered before gets that answer again. One that comes while the first is
still running waits for it, because changes are made one after the other.
"""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from hashlib import sha256

from flask import request

from cocoannot.api.blueprint import store
from cocoannot.api.caller import actor
from cocoannot.api.openapi import KEY_PATTERN, MAX_KEY
from cocoannot.changes.change import Change
from cocoannot.changes.operations import Operation
from cocoannot.errors import BadHeader, BadOperation
from cocoannot.store.base import Committed

KEY = "Idempotency-Key"

_KEY = re.compile(KEY_PATTERN)


def commit(operations: Sequence[Operation], *, if_revision: int | None = None, body: bytes | None = None) -> Committed:
    """Make `operations` as one change, for the current request. Raises as `Store.commit`, and `BadHeader`.

    `body` stands for the request's body where that was read already: the same for the same request, whatever the
    bytes are that carried it.
    """
    if KEY not in request.headers:
        return store().commit(operations, actor=actor(), if_revision=if_revision)
    key = _key()
    return store().commit(operations, actor=actor(), key=key, request=_fingerprint(body), if_revision=if_revision)


def answered(body: bytes | None = None) -> Committed | None:
    """What the current request was answered before, `None` where it was not. Raises as `commit`."""
    if KEY not in request.headers:
        return None
    committed = commit([], body=body)
    return committed if committed.is_repeated else None


def has_key() -> bool:
    """Whether the current request has a key. Raises `BadHeader`."""
    return KEY in request.headers and bool(_key())


def change(operation: Operation, *, body: bytes | None = None) -> Committed:
    """Do one thing, as `commit` does; raises what went wrong with it, without an index."""
    try:
        return commit([operation], body=body)
    except BadOperation as exc:
        raise exc.cause from exc.__cause__


def replace(texts: Mapping[str, bytes], *, if_revision: int) -> Change:
    """Replace top-level values in bulk, for the current request. Raises as `Store.replace`."""
    return store().replace(texts, actor=actor(), if_revision=if_revision)


def _key() -> str:
    key = request.headers[KEY]
    if len(key) > MAX_KEY or not _KEY.fullmatch(key):
        raise BadHeader(KEY, f"must be 1 to {MAX_KEY} printable ASCII characters; send a random one, such as a UUID")
    return key


def _fingerprint(body: bytes | None) -> str:
    """A hash of what makes this request the same as another one."""
    digest = sha256()
    for part in (request.method.encode(), request.path.encode(), request.query_string, body or request.get_data()):
        digest.update(b"%d:" % len(part))
        digest.update(part)
    return digest.hexdigest()
