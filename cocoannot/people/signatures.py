"""Texts that only who has the secret can make: fields, and a MAC of them and of what they are for."""

from __future__ import annotations

import hmac

_SEPARATOR = ":"


class Signer:
    """Signs with HMAC-SHA256; `secret` is in hexadecimal."""

    def __init__(self, secret: str) -> None:
        self._key = bytes.fromhex(secret)

    def sign(self, purpose: str, *fields: object) -> str:
        """`FIELD:FIELD:...:MAC`; no field may hold a colon. It is good for this `purpose` alone."""
        body = _SEPARATOR.join(map(str, fields))
        return f"{body}{_SEPARATOR}{self._mac(purpose, body)}"

    def fields(self, purpose: str, text: str) -> list[str] | None:
        """The fields of a text that `sign` made for this `purpose`; `None` where it did not."""
        body, _, mac = text.rpartition(_SEPARATOR)
        return body.split(_SEPARATOR) if same(mac, self._mac(purpose, body)) else None

    def _mac(self, purpose: str, body: str) -> str:
        return hmac.digest(self._key, f"{purpose} {body}".encode("utf-8", "replace"), "sha256").hex()


def same(given: str, expected: str) -> bool:
    """Whether two texts are the same, in a time that does not tell where they differ."""
    return hmac.compare_digest(given.encode("utf-8", "replace"), expected.encode("utf-8", "replace"))
