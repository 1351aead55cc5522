"""Streams of events where there are users: they end soon after whoever reads them may not read any more."""

from __future__ import annotations

import http.client
import json
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from event_streams import Reader, reading
from servers import Server, serve

from cocoannot.files.dataset_file import DatasetFile
from cocoannot.people.accounts import Accounts
from cocoannot.people.people import People

pytestmark = pytest.mark.slow

PASSWORD = "correct horse battery"


@pytest.fixture
def accounts(dataset_path: Path, small: dict[str, Any]) -> Accounts:
    """Those of the small dataset: the users anna and ben."""
    dataset_path.write_text(json.dumps(small))
    DatasetFile(dataset_path).folder.mkdir()
    found = People(DatasetFile(dataset_path).users).accounts
    for name in ("anna", "ben"):
        found.add(name, "annotator", PASSWORD, first=True)
    return found


@pytest.fixture
def server(dataset_path: Path, accounts: Accounts) -> Iterator[Server]:
    with serve(dataset_path) as server:
        yield server


def ask(
    server: Server, method: str, path: str, headers: dict[str, str], body: object = None
) -> http.client.HTTPMessage:
    """The headers of an answer that is a success."""
    connection = http.client.HTTPConnection(server.url.removeprefix("http://"), timeout=20)
    data = None if body is None else json.dumps(body)
    connection.request(method, path, data, {"Content-Type": "application/json", **headers})
    response = connection.getresponse()
    assert response.status < 300, response.read()
    response.read()
    connection.close()
    return response.headers


def log_in(server: Server, name: str) -> dict[str, str]:
    """What a browser sends that has logged in."""
    headers = ask(server, "POST", "/api/login", {}, {"user": name, "password": PASSWORD})
    return {"Cookie": headers["Set-Cookie"].partition(";")[0]}


def ends(reader: Reader) -> bool:
    """Whether the stream is closed before a heartbeat comes."""
    try:
        while reader.next().name:
            pass
    except (EOFError, ConnectionResetError):
        return True
    return False


@pytest.mark.parametrize(
    "end",
    [
        lambda accounts: accounts.change("anna", active=False),
        lambda accounts: accounts.change("anna", password="another password"),
        lambda accounts: accounts.remove("anna"),
    ],
    ids=["disabled", "other-password", "removed"],
)
def test_the_stream_of_whoever_may_not_call_any_more_ends_and_no_other(
    server: Server, accounts: Accounts, end: Callable[[Accounts], object]
) -> None:
    anna, ben = log_in(server, "anna"), log_in(server, "ben")
    with reading(server.url, headers=anna) as hers, reading(server.url, headers=ben) as his:
        assert (hers.next().name, his.next().name) == ("hello", "hello")
        end(accounts)
        assert ends(hers)
        ask(server, "POST", "/api/annotations", ben, {"image_id": 1, "category_id": 1, "bbox": [1, 2, 3, 4]})
        assert his.until("change").data["user"] == "ben"
        with reading(server.url, headers=anna) as again:
            assert again.status == 401


def test_the_stream_of_a_revoked_token_ends(server: Server, accounts: Accounts) -> None:
    token, text = accounts.new_token("anna", "script")
    with reading(server.url, headers={"Authorization": f"Bearer {text}"}) as reader:
        assert reader.next().name == "hello"
        accounts.remove_token("anna", token.id)
        assert ends(reader)


def test_logging_out_ends_the_session_s_stream_and_presence(server: Server) -> None:
    anna, ben = log_in(server, "anna"), log_in(server, "ben")
    with (
        reading(server.url, "?client=tab-1", headers=anna) as hers,
        reading(server.url, headers=ben) as his,
    ):
        ask(server, "PUT", "/api/presence/tab-1", anna, {"image_id": 1})
        assert his.until("presence").data["user"] == "anna"
        ask(server, "POST", "/api/logout", anna)
        assert his.until("presence").data["gone"] is True
        assert ends(hers)


def test_the_first_user_ends_the_streams_of_those_who_needed_none(dataset_path: Path, small: dict[str, Any]) -> None:
    dataset_path.write_text(json.dumps(small))
    with serve(dataset_path) as server, reading(server.url) as reader:
        assert reader.next().name == "hello"
        People(DatasetFile(dataset_path).users).accounts.add("anna", "admin", PASSWORD, first=True)
        assert ends(reader)
