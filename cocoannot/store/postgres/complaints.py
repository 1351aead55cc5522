"""What PostgreSQL and its client say, in one line, and what to do about it. No other room knows these texts."""

from __future__ import annotations

import re

import psycopg

_PRIMARY = "name its primary in the address, or all of its hosts"
_ADVICE = {
    r'database "[^"]*" does not exist': "create it (createdb), then run `cocoannot db upgrade`, or correct the address",
    r"no encryption": "correct sslmode in the address (this was asked for without TLS), the user, or pg_hba.conf",
    r"certificate|does not support SSL": "correct sslmode or sslrootcert in the address, or the server's certificate",
    r"password|authentication|pg_hba": "correct the password (in the address, ~/.pgpass or PGPASSWORD), the user, or "
    "pg_hba.conf",
    r'role "[^"]*" does not exist': "make this role, or correct the user in the address",
    r"permission denied": "grant this role what it lacks, see docs/scale.md",
    r"invalid URI query parameter": "leave it out of the address, or correct its name",
    r"invalid .*value|bad value for|invalid port number|unrecognized configuration": "correct it in the address",
    r"read-only transaction": f"this is a replica, {_PRIMARY}",
}
"""By what is said. What is not here may be over in a moment."""


def first_line(exc: BaseException) -> str:
    """What went wrong, in one line."""
    return " ".join(str(exc).split())[:300] or type(exc).__name__


def complaint(exc: BaseException) -> str:
    """What a database does that a request has waited for too long."""
    if is_read_only(exc):
        return f"takes no changes ({first_line(exc)}): {_PRIMARY}"
    return f"does not answer ({first_line(exc)})"


def is_read_only(exc: BaseException) -> bool:
    """Whether a replica was asked for changes."""
    return isinstance(exc, psycopg.errors.ReadOnlySqlTransaction) or "session is read-only" in str(exc)


def advice(exc: BaseException) -> str | None:
    """What the operator is to do; `None` where it is not known to be a mistake."""
    text = first_line(exc)
    return next((what for said, what in _ADVICE.items() if re.search(said, text)), None)


def nothing_changed(exc: BaseException) -> str:
    """What went wrong with something that was to be done whole, and what to do."""
    what = advice(exc)
    return f"{first_line(exc)}; nothing was changed{f', {what}' if what else ''}"
