"""How a client connects: the address without what is ours, and what is said to psycopg. Nothing is connected here."""

from __future__ import annotations

from typing import Any
from urllib.parse import parse_qsl, quote, urlencode, urlsplit

_CONNECT = 3
_OPTIONS: dict[str, Any] = {
    "autocommit": True,
    "prepare_threshold": 3,
    "connect_timeout": _CONNECT,
    # A machine that is gone, and not only its server, is noticed within half a minute.
    "keepalives_idle": 10,
    "keepalives_interval": 5,
    "keepalives_count": 3,
    # The same while an answer is waited for.
    "tcp_user_timeout": 25_000,
    "application_name": "cocoannot",
}


def client_dsn(dsn: str) -> str:
    """The address as PostgreSQL's client takes it."""
    return _split(dsn)[0]


def options_of(dsn: str) -> dict[str, Any]:
    """What psycopg is told beside the address. With `prepare=0` in it no statement is prepared.

    Each connection of a pooler in transaction mode meets another backend every time, which has not prepared it. Of
    several hosts, the one that takes changes is meant, if the address does not say otherwise.
    """
    options = _OPTIONS if _split(dsn)[1] else {**_OPTIONS, "prepare_threshold": None}
    if "," in urlsplit(dsn).netloc.rpartition("@")[2]:
        # In any order: the first one may be stopped, or an old primary that does not know yet that it is none.
        options = {**options, "target_session_attrs": "read-write", "load_balance_hosts": "random"}
    said = {name for name, _ in parse_qsl(urlsplit(dsn).query, keep_blank_values=True)}
    return {name: value for name, value in options.items() if name not in said}


def _split(dsn: str) -> tuple[str, bool]:
    parts = urlsplit(dsn)
    query = parse_qsl(parts.query, keep_blank_values=True)
    rest = [(key, value) for key, value in query if key != "prepare"]
    if len(rest) == len(query):
        return dsn, True
    return parts._replace(query=urlencode(rest, quote_via=quote)).geturl(), ("prepare", "0") not in query
