"""Who may call what, where there are users: every route and every role, tokens, sessions, proxies; and the file itself
while a server runs."""

from __future__ import annotations

import base64
import json
import re
from collections.abc import Callable
from pathlib import Path
from typing import Any

import flask
import pytest
from api_client import Serve, Server
from conftest import FakeClock

from cocoannot import create_app
from cocoannot.api.blueprint import Blueprint
from cocoannot.errors import UsersUnreadable
from cocoannot.extension import runtime
from cocoannot.people.accounts import Accounts
from cocoannot.people.people import People
from cocoannot.people.roles import ROLES, role_needed

TOKEN = "token-of-the-operator"
PASSWORD = "correct horse battery"
SECRET = "secret-of-the-proxy"
PROXIED = {"COCOANNOT_PROXIES": 1, "COCOANNOT_USER_HEADER": "X-Forwarded-User", "COCOANNOT_PROXY_SECRET": SECRET}
FROM_PROXY = {"X-Forwarded-For": "203.0.113.7", "X-Proxy-Secret": SECRET}

NEEDED = {
    "viewer": """
        GET /api/dataset, GET /api/dataset/export, GET /api/stats, GET /api/status, GET /api/images,
        GET /api/images/{image_id}, GET /api/images/{image_id}/annotations, GET /api/images/{image_id}/neighbours,
        GET /api/changes, GET /api/annotations/{annotation_id}/history, GET /api/images/{image_id}/history,
        GET /api/categories/{category_id}/history, GET /api/stats/users, GET /api/images/{image_id}/file,
        GET /api/images/{image_id}/thumbnail,
        GET /api/predictions, GET /api/predictions/{name}, GET /api/images/{image_id}/predictions, GET /api/assist,
        GET /api/annotations, GET /api/annotations/{annotation_id},
        GET /api/categories, GET /api/categories/{category_id}, GET /api/s3, GET /api/openapi.json, GET /metrics,
        GET /api/events, GET /api/presence, PUT /api/presence/{client}, DELETE /api/presence/{client},
        GET /api/me, GET /api/me/tokens, POST /api/me/tokens, DELETE /api/me/tokens/{token_id}
    """,
    "annotator": """
        POST /api/annotations, PATCH /api/annotations/{annotation_id}, DELETE /api/annotations/{annotation_id},
        POST /api/annotations/batch, POST /api/flush, POST /api/changes/{revision}/undo,
        POST /api/predictions/{name}/accept, POST /api/predictions/{name}/reject,
        PUT /api/images/{image_id}/status, POST /api/images/next, DELETE /api/images/{image_id}/claim,
        POST /api/images/{image_id}/outline
    """,
    "reviewer": """
        POST /api/categories, PATCH /api/categories/{category_id}, DELETE /api/categories/{category_id}
    """,
    "admin": """
        POST /api/images, POST /api/images/scan, PUT /api/images/{image_id}/file,
        PATCH /api/images/{image_id}, DELETE /api/images/{image_id}, PUT /api/dataset, POST /api/import,
        POST /api/changes/revert, POST /api/changes/restore, POST /api/save-to-s3, POST /api/s3/merge, GET /api/users,
        POST /api/users, PATCH /api/users/{name}, DELETE /api/users/{name}, PUT /api/predictions/{name},
        DELETE /api/predictions/{name}
    """,
    "anybody": """
        GET /, GET /page/{digest}/{name}, GET /api/docs, GET /api/docs/{name}, GET /healthz, GET /readyz,
        POST /api/login, POST /api/logout, POST /api/password
    """,
}
CALLS = [(*call.strip().split(" "), needed) for needed, calls in NEEDED.items() for call in calls.split(",")]
"""Every route: method, path, and the role that it needs."""


def bearer(token: str) -> dict[str, str]:
    return {"Authorization": f"Bearer {token}"}


def cookie(value: str) -> dict[str, str]:
    return {"Cookie": f"cocoannot={value}"}


def accounts(server: Server) -> Accounts:
    return runtime(server.app).people.accounts


@pytest.fixture
def team(serve: Serve, small: dict[str, Any]) -> Server:
    """The small dataset, with a user for each role, named like it."""
    server = serve(small)
    for role in ROLES:
        accounts(server).add(role, role, first=True)
    return server


@pytest.fixture
def tokens(team: Server) -> dict[str, str]:
    """A token of each of them."""
    return {role: accounts(team).new_token(role, "test")[1] for role in ROLES}


def session(server: Server, name: str, password: str = PASSWORD, **options: Any) -> str:
    """Log in; returns the cookie's value, which the client forgets."""
    answer = server.post("/api/login", {"user": name, "password": password}, **options)
    assert answer.status_code == 204, answer.text
    server.forget_cookies()
    return answer.headers["Set-Cookie"].partition("=")[2].partition(";")[0]


# Every route


def test_table_has_every_route_once() -> None:
    rules = [
        (method, re.sub(r"<(?:\w+:)?(\w+)>", r"{\1}", rule.rule))
        for rule in create_app({}).url_map.iter_rules()
        for method in (rule.methods or set()) - {"HEAD", "OPTIONS"}
    ]
    assert sorted(rules) == sorted((method, path) for method, path, _ in CALLS)


def test_no_route_is_without_a_role() -> None:
    app = create_app({})
    without = [name for name, view in app.view_functions.items() if role_needed(view) is None]
    assert without == []


def test_route_without_a_role_can_t_be_added_to_the_api() -> None:
    blueprint = Blueprint("more", __name__, url_prefix="/api/more")
    with pytest.raises(TypeError, match="view has no role"):

        @blueprint.route("")  # type: ignore[untyped-decorator]
        def view() -> str:
            return ""


@pytest.mark.parametrize("role", ROLES)
def test_every_route_is_open_from_its_role_on_and_closed_below(team: Server, tokens: dict[str, str], role: str) -> None:
    for method, path, needed in CALLS:
        if needed == "anybody" or path == "/api/me/tokens/{token_id}":
            continue
        # An id that is nowhere, and a body that fits nothing: who is let in gets another error than a 403.
        url = re.sub(r"{\w+}", "999999", path)
        # A stream has no end, but a head.
        answer = team.ask("HEAD" if path == "/api/events" else method, url, json={"?": 1}, headers=bearer(tokens[role]))
        if ROLES.index(role) >= ROLES.index(needed):
            assert answer.status_code not in (401, 403), (method, path, answer.text)
        else:
            assert answer.status_code == 403, (method, path)
            message = answer.json["message"]
            assert message == f"This needs the role {needed}; this token of {role} has {role}"


def test_every_route_but_the_open_ones_is_a_401_for_strangers(team: Server) -> None:
    for method, path, needed in CALLS:
        answer = team.ask(method, re.sub(r"{\w+}", "1", path))
        assert (answer.status_code == 401) == (needed != "anybody"), (method, path)
    assert team.get("/api/nothing-here").status_code == 401


def test_role_is_looked_at_before_the_body(team: Server, tokens: dict[str, str]) -> None:
    answer = team.post("/api/categories", data=b"no json", headers=bearer(tokens["annotator"]))
    assert answer.status_code == 403


def test_flush_with_a_choice_is_for_admins(team: Server, tokens: dict[str, str]) -> None:
    for role, status in (("annotator", 403), ("reviewer", 403), ("admin", 200)):
        body = {"on_conflict": "overwrite"}
        assert team.post("/api/flush", body, headers=bearer(tokens[role])).status_code == status
    assert team.post("/api/flush", headers=bearer(tokens["annotator"])).status_code == 200


BOX = {"image_id": 1, "category_id": 1, "bbox": [1, 2, 3, 4]}


def test_annotators_undo_what_they_did_and_reviewers_what_anybody_did(team: Server, tokens: dict[str, str]) -> None:
    accounts(team).add("other", "annotator")
    other = bearer(accounts(team).new_token("other", "test")[1])
    made = [
        team.post("/api/annotations", BOX, headers=bearer(tokens[who])).headers["X-Change-Revision"]
        for who in ("annotator", "reviewer")
    ]
    answer = team.post(f"/api/changes/{made[0]}/undo", headers=other)
    assert answer.status_code == 403
    assert "reviewer" in answer.json["message"]
    assert team.post(f"/api/changes/{made[1]}/undo", headers=bearer(tokens["annotator"])).status_code == 403
    undone = team.post(f"/api/changes/{made[0]}/undo", headers=bearer(tokens["annotator"]))
    assert (undone.status_code, undone.json["user"]) == (200, "annotator")
    assert (
        team.post(f"/api/changes/{undone.json['revision']}/undo", headers=bearer(tokens["reviewer"])).status_code == 200
    )


@pytest.mark.parametrize(
    ("status", "role"), [("done", "annotator"), ("approved", "reviewer"), ("returned", "reviewer")]
)
def test_statuses_of_a_review_are_for_reviewers(team: Server, tokens: dict[str, str], status: str, role: str) -> None:
    for who in ROLES:
        answer = team.ask("PUT", "/api/images/1/status", json={"status": status}, headers=bearer(tokens[who]))
        assert (answer.status_code == 200) == (ROLES.index(who) >= ROLES.index(role)), (who, answer.text)
        assert answer.status_code in (200, 403)


def test_images_to_review_are_for_reviewers(team: Server, tokens: dict[str, str]) -> None:
    done = team.ask("PUT", "/api/images/1/status", json={"status": "done"}, headers=bearer(tokens["annotator"]))
    assert done.status_code == 200
    refused = team.post("/api/images/next?task=review", headers=bearer(tokens["annotator"]))
    assert (refused.status_code, "reviewer" in refused.json["message"]) == (403, True)
    assert team.post("/api/images/next?task=review", headers=bearer(tokens["reviewer"])).json["id"] == 1


def test_status_names_its_user_and_is_set_once_for_a_key(team: Server, tokens: dict[str, str]) -> None:
    headers = {"Idempotency-Key": "one", **bearer(tokens["annotator"])}
    first, again = (team.ask("PUT", "/api/images/1/status", json={"status": "done"}, headers=headers) for _ in range(2))
    assert (again.data, again.headers["Idempotency-Replayed"]) == (first.data, "true")
    changes = team.get("/api/changes", headers=bearer(tokens["viewer"])).json
    assert [(each["user"], each["summary"]) for each in changes] == [("annotator", "1 image(s) updated")]


def test_key_of_one_user_gives_nobody_else_the_answer(team: Server, tokens: dict[str, str]) -> None:
    key = {"Idempotency-Key": "one"}
    users = [bearer(tokens[name]) for name in ("annotator", "admin", "annotator")]
    ids = [team.post("/api/annotations", BOX, headers={**key, **user}).json["id"] for user in users]
    assert ids[0] == ids[2] != ids[1]


# Who it is


def actor(server: Server, **headers: str) -> str | None:
    with server.app.test_client() as client:
        assert client.get("/api/me", headers=headers).status_code == 200
        found: str | None = flask.g.actor
        return found


def test_without_users_everybody_is_local_and_changes_name_nobody(api: Server) -> None:
    assert api.get("/api/me").json == {"user": "local", "role": "admin", "by": "none"}
    assert actor(api) is None


def test_token_of_the_server_is_an_admin_who_is_called_token(serve: Serve, small: dict[str, Any]) -> None:
    server = serve(small, COCOANNOT_TOKEN=TOKEN)
    assert server.get("/api/me", headers=bearer(TOKEN)).json == {"user": "token", "role": "admin", "by": "token"}
    assert actor(server, **bearer(TOKEN)) == "token"


def test_token_of_the_server_is_an_admin_beside_users_too(serve: Serve, small: dict[str, Any]) -> None:
    server = serve(small, COCOANNOT_TOKEN=TOKEN)
    accounts(server).add("anna", "viewer", first=True)
    assert server.get("/api/users", headers=bearer(TOKEN)).json[0]["name"] == "anna"
    server.post("/api/login", {"token": TOKEN})
    assert server.get("/api/me").json == {"user": "token", "role": "admin", "by": "token"}


def test_change_names_its_user(team: Server, tokens: dict[str, str]) -> None:
    assert actor(team, **bearer(tokens["annotator"])) == "annotator"
    with team.app.test_client() as client:
        client.get("/healthz", headers=bearer(tokens["annotator"]))
        assert flask.g.actor is None


def test_first_user_closes_the_server_at_once(api: Server) -> None:
    assert api.get("/api/images").status_code == 200
    accounts(api).add("anna", "admin", PASSWORD, first=True)
    answer = api.get("/api/images")
    assert answer.status_code == 401
    assert "user and password" in answer.json["message"]
    value = session(api, "anna")
    assert api.get("/api/me", headers=cookie(value)).json == {"user": "anna", "role": "admin", "by": "password"}


def test_first_user_is_not_made_by_the_api(api: Server) -> None:
    answer = api.post("/api/users", {"name": "anna", "role": "admin"})
    assert answer.status_code == 409
    assert "flask user add" in answer.json["message"]
    assert api.get("/api/images").status_code == 200


def test_users_stay_over_restarts_and_sessions_too(api: Server) -> None:
    accounts(api).add("anna", "annotator", PASSWORD, first=True)
    value = session(api, "anna")
    assert api.again().get("/api/me", headers=cookie(value)).json["user"] == "anna"


# Sessions


@pytest.fixture
def timed(api: Server, clock: FakeClock) -> Server:
    """Anna, an annotator with a password, and a clock that stands still."""
    people = People(runtime(api.app).people.file.path, session_days=14, clock=clock)
    runtime(api.app).people = people
    people.accounts.add("anna", "annotator", PASSWORD, first=True)
    return api


def test_cookie_is_out_of_reach_and_ends_with_the_session(timed: Server) -> None:
    answer = timed.post("/api/login", {"user": "anna", "password": PASSWORD}, base_url="https://localhost")
    attributes = set(answer.headers["Set-Cookie"].split("; ")[1:])
    assert {"HttpOnly", "SameSite=Strict", "Path=/", "Secure", f"Max-Age={14 * 86400}"} <= attributes
    assert PASSWORD not in answer.headers["Set-Cookie"]


def test_session_ends_after_its_days(timed: Server, clock: FakeClock) -> None:
    value = session(timed, "anna")
    clock.advance(14 * 86400 - 1)
    assert timed.get("/api/me", headers=cookie(value)).status_code == 200
    clock.advance(1)
    answer = timed.get("/api/me", headers=cookie(value))
    assert answer.status_code == 401
    assert "The session has ended" in answer.json["message"]


def test_session_that_was_logged_out_is_refused_and_others_are_not(timed: Server) -> None:
    one, other = session(timed, "anna"), session(timed, "anna")
    assert one != other
    answer = timed.post("/api/logout", headers=cookie(one))
    assert answer.status_code == 204
    assert "Expires=Thu, 01 Jan 1970" in answer.headers["Set-Cookie"]
    assert timed.get("/api/me", headers=cookie(one)).status_code == 401
    assert timed.get("/api/me", headers=cookie(other)).status_code == 200


def test_whoever_logs_out_is_gone_from_presence_and_nobody_else_is(timed: Server) -> None:
    accounts(timed).add("ben", "viewer", PASSWORD)
    anna, ben = cookie(session(timed, "anna")), cookie(session(timed, "ben"))
    for client, headers in (("tab-1", anna), ("tab-2", anna), ("tab-3", ben)):
        answer = timed.ask("PUT", f"/api/presence/{client}", json={"image_id": 1}, headers=headers)
        assert answer.status_code == 204
    assert timed.post("/api/logout", headers=anna).status_code == 204
    assert [each["client"] for each in timed.get("/api/presence", headers=ben).json] == ["tab-3"]


def test_logging_out_very_often_ends_all_sessions_and_not_the_memory(timed: Server) -> None:
    kept, ended = session(timed, "anna"), [session(timed, "anna")]
    people = runtime(timed.app).people
    for _ in range(101):
        known = people.file.current()
        assert known is not None
        people.file.change(lambda directory: directory.end_session("anna", "0123456789ab"))
        assert len(people.accounts.user("anna").ended) <= 100
    for value in (kept, *ended):
        assert timed.get("/api/me", headers=cookie(value)).status_code == 401


@pytest.mark.parametrize("value", ["", "x", "a:b", ":::::", "anna:1:1:1:1:1", "\xe4:\xff", "anna:9:9:9::" + "0" * 64])
def test_logging_out_without_a_session_does_nothing(timed: Server, value: str) -> None:
    before = runtime(timed.app).people.file.current()
    assert timed.post("/api/logout", headers=cookie(value)).status_code == 204
    assert runtime(timed.app).people.file.current() == before


def test_session_that_was_altered_is_refused(timed: Server) -> None:
    value = session(timed, "anna")
    fields = value.split(":")
    forged = [value[:-1] + ("0" if value[-1] != "0" else "1"), value.upper(), value + "0", value[:-64]]
    for at, text in ((0, "admin"), (1, str(int(fields[1]) + 1)), (2, "9" * 12), (3, "0" * 12), (4, "0" * 12)):
        forged.append(":".join([*fields[:at], text, *fields[at + 1 :]]))
    for each in forged:
        assert timed.get("/api/me", headers=cookie(each)).status_code == 401, each
    assert timed.get("/api/me", headers=cookie(value)).status_code == 200


def test_what_is_signed_for_one_purpose_is_good_for_no_other(timed: Server) -> None:
    people = runtime(timed.app).people
    link, proof = people.accounts.new_link("anna"), people.callers.operator_proof()
    value = session(timed, "anna")
    assert proof is not None
    for text in (link, proof):
        assert timed.get("/api/me", headers=cookie(text)).status_code == 401
    for text in (link, value):
        assert timed.get("/api/me", headers=bearer(text)).status_code == 401
    for text in (proof, value):
        answer = timed.post("/api/password", {"link": text, "password": PASSWORD})
        assert answer.status_code == 401


def test_change_of_a_page_elsewhere_is_refused_with_a_session_too(timed: Server) -> None:
    headers = {**cookie(session(timed, "anna")), "Origin": "https://evil.example.org"}
    annotation = {"image_id": 1, "category_id": 1, "bbox": [1, 2, 3, 4]}
    assert timed.post("/api/annotations", annotation, headers=headers).status_code == 403
    assert timed.post("/api/logout", headers=headers).status_code == 403
    del headers["Origin"]
    assert timed.post("/api/annotations", annotation, headers=headers).status_code == 201


@pytest.mark.parametrize(
    "change",
    [
        lambda accounts: accounts.change("anna", active=False),
        lambda accounts: accounts.change("anna", password="another password"),
        lambda accounts: accounts.remove("anna"),
        lambda accounts: [accounts.remove("anna"), accounts.add("anna", "annotator", PASSWORD)],
        lambda accounts: [accounts.change("anna", active=False), accounts.change("anna", active=True)],
        lambda accounts: accounts.use_link(accounts.new_link("anna"), "another password"),
    ],
    ids=["disabled", "new password", "removed", "somebody else of that name", "disabled for a while", "link"],
)
def test_session_ends_with_what_it_was_given_for(timed: Server, change: Callable[[Accounts], object]) -> None:
    value = session(timed, "anna")
    change(accounts(timed))
    assert timed.get("/api/me", headers=cookie(value)).status_code == 401


def test_other_role_counts_from_the_next_request_on(timed: Server) -> None:
    value = session(timed, "anna")
    accounts(timed).change("anna", role="viewer")
    assert timed.delete("/api/annotations/1", headers=cookie(value)).status_code == 403
    accounts(timed).change("anna", role="annotator")
    assert timed.delete("/api/annotations/1", headers=cookie(value)).status_code == 204


# Tokens


def test_token_is_shown_once_and_kept_as_a_hash(timed: Server) -> None:
    value = session(timed, "anna")
    made = timed.post("/api/me/tokens", {"name": "laptop"}, headers=cookie(value))
    assert made.status_code == 201
    text = made.json["token"]
    listed = timed.get("/api/me/tokens", headers=cookie(value))
    assert [token["name"] for token in listed.json] == ["laptop"]
    file = runtime(timed.app).people.file.path
    assert file is not None
    for place in (listed.text, file.read_text()):
        assert text not in place
        assert PASSWORD not in place
    assert file.stat().st_mode & 0o777 == 0o600
    answer = timed.get("/api/me", headers=bearer(text))
    assert answer.json == {"user": "anna", "role": "annotator", "by": "token"}


def test_token_allows_at_most_its_role_and_at_most_the_users(timed: Server) -> None:
    for given, users, gives in (
        ("viewer", "admin", "viewer"),
        (None, "viewer", "viewer"),
        ("admin", "viewer", "viewer"),
    ):
        text = accounts(timed).new_token("anna", "test", given)[1]
        accounts(timed).change("anna", role=users)
        assert timed.get("/api/me", headers=bearer(text)).json["role"] == gives


def test_token_of_a_higher_role_or_by_a_token_is_a_403(timed: Server) -> None:
    value = session(timed, "anna")
    answer = timed.post("/api/me/tokens", {"name": "x", "role": "admin"}, headers=cookie(value))
    assert answer.status_code == 403
    text = accounts(timed).new_token("anna", "test")[1]
    assert timed.post("/api/me/tokens", {"name": "x"}, headers=bearer(text)).status_code == 403
    timed.post("/api/login", {"token": text})
    assert timed.post("/api/me/tokens", {"name": "x"}).status_code == 403
    (token,) = accounts(timed).user("anna").tokens
    assert timed.delete(f"/api/me/tokens/{token.id}", headers=bearer(text)).status_code == 403
    assert len(accounts(timed).user("anna").tokens) == 1


def test_revoked_token_is_refused_and_what_was_begun_with_it(timed: Server) -> None:
    value = session(timed, "anna")
    made = timed.post("/api/me/tokens", {"name": "laptop"}, headers=cookie(value)).json
    timed.post("/api/login", {"token": made["token"]})
    assert timed.get("/api/me").json == {"user": "anna", "role": "annotator", "by": "token"}
    url = f"/api/me/tokens/{made['id']}"
    assert timed.delete(url, headers=cookie(value)).status_code == 204
    assert timed.get("/api/me").status_code == 401
    assert timed.get("/api/me", headers=bearer(made["token"])).status_code == 401
    assert timed.delete(url, headers=cookie(value)).status_code == 404


def test_token_ends_after_its_days(timed: Server, clock: FakeClock) -> None:
    text = accounts(timed).new_token("anna", "test", days=1)[1]
    timed.post("/api/login", {"token": text})
    clock.advance(86399)
    assert timed.get("/api/me", headers=bearer(text)).status_code == timed.get("/api/me").status_code == 200
    clock.advance(1)
    assert timed.get("/api/me", headers=bearer(text)).status_code == timed.get("/api/me").status_code == 401


def test_tokens_of_others_can_t_be_seen_or_revoked(timed: Server) -> None:
    accounts(timed).add("ben", "admin", PASSWORD)
    token, text = accounts(timed).new_token("anna", "test")
    value = session(timed, "ben")
    assert timed.get("/api/me/tokens", headers=cookie(value)).json == []
    assert timed.delete(f"/api/me/tokens/{token.id}", headers=cookie(value)).status_code == 404
    assert timed.get("/api/me", headers=bearer(text)).status_code == 200


def test_disabled_user_has_no_token_any_more_not_even_when_enabled_again(timed: Server) -> None:
    text = accounts(timed).new_token("anna", "test")[1]
    accounts(timed).change("anna", active=False)
    assert timed.get("/api/me", headers=bearer(text)).status_code == 401
    accounts(timed).change("anna", active=True)
    assert timed.get("/api/me", headers=bearer(text)).status_code == 401


def test_last_use_is_told_to_within_ten_minutes(timed: Server, clock: FakeClock) -> None:
    text = accounts(timed).new_token("anna", "test")[1]

    def used() -> str | None:
        found: str | None = timed.get("/api/me/tokens", headers=bearer(text)).json[0]["used"]
        return found

    assert used() is not None
    first = used()
    clock.advance(599)
    assert used() == first
    clock.advance(1)
    assert used() != first


def test_tokens_of_a_user_are_not_without_number(timed: Server) -> None:
    value = session(timed, "anna")
    for _ in range(100):
        accounts(timed).new_token("anna", "test")
    assert timed.post("/api/me/tokens", {"name": "one more"}, headers=cookie(value)).status_code == 409


def test_who_is_no_user_has_no_tokens(serve: Serve, small: dict[str, Any]) -> None:
    server = serve(small)
    assert server.get("/api/me/tokens").json == []
    assert server.post("/api/me/tokens", {"name": "x"}).status_code == 409
    assert server.delete("/api/me/tokens/1").status_code == 404


# Users, for admins


def test_users_are_added_changed_and_removed(team: Server, tokens: dict[str, str]) -> None:
    admin = {"headers": bearer(tokens["admin"])}
    added = team.post("/api/users", {"name": "Anna@Example.org", "role": "reviewer", "password": PASSWORD}, **admin)
    assert added.status_code == 201
    assert added.json["name"] == "anna@example.org"
    assert added.json["has_password"] is True
    assert "link" not in added.json
    value = session(team, "ANNA@example.ORG")
    assert team.get("/api/me", headers=cookie(value)).json["role"] == "reviewer"
    assert team.patch("/api/users/anna@example.org", {"role": "viewer"}, **admin).json["role"] == "viewer"
    assert team.patch("/api/users/Anna@example.org", {"active": False}, **admin).json["active"] is False
    assert team.get("/api/me", headers=cookie(value)).status_code == 401
    names = [user["name"] for user in team.get("/api/users", **admin).json]
    assert names == [*ROLES, "anna@example.org"]
    assert team.delete("/api/users/anna@example.org", **admin).status_code == 204
    for method in ("PATCH", "DELETE"):
        assert team.ask(method, "/api/users/anna@example.org", json={}, **admin).status_code == 404


def test_answers_about_users_have_no_secret(team: Server, tokens: dict[str, str]) -> None:
    admin = {"headers": bearer(tokens["admin"])}
    team.post("/api/users", {"name": "anna", "password": PASSWORD}, **admin)
    text = team.get("/api/users", **admin).text
    file = json.loads((team.path.parent / "dataset.json.cocoannot" / "users.json").read_text())
    hashed = file["users"]["anna"]["password"]
    assert hashed.startswith("$argon2id$v=19$m=19456,t=2,p=1$")
    for secret in (hashed, file["secret"], file["users"]["admin"]["tokens"][0]["sha256"]):
        assert secret not in text


@pytest.mark.parametrize(
    "name", ["", " ", "a" * 65, "a:b", "a b", "ä", ".a", "-a", "a/b", "a\nb", "local", "TOKEN", "<b>", "a\0"]
)
def test_name_that_is_not_allowed_is_a_422(team: Server, tokens: dict[str, str], name: str) -> None:
    answer = team.post("/api/users", {"name": name}, headers=bearer(tokens["admin"]))
    assert answer.status_code == 422
    assert "name" in answer.json["errors"]["json"]


@pytest.mark.parametrize("name", ["a", "anna", "Anna.Schmidt+x@example.org", "0_-", "a" * 64])
def test_name_that_is_allowed(team: Server, tokens: dict[str, str], name: str) -> None:
    assert team.post("/api/users", {"name": name}, headers=bearer(tokens["admin"])).status_code == 201
    assert team.post("/api/users", {"name": name.upper()}, headers=bearer(tokens["admin"])).status_code == 409


@pytest.mark.parametrize(
    "body",
    [
        {"name": "anna", "role": "owner"},
        {"name": "anna", "role": None},
        {"name": "anna", "password": "short"},
        {"name": "anna", "password": "x" * 1025},
        {"name": "anna", "admin": True},
        {"name": "anna", "link": "yes"},
        {"name": ["anna"]},
        {},
    ],
)
def test_user_that_is_not_allowed_is_a_422(team: Server, tokens: dict[str, str], body: dict[str, Any]) -> None:
    answer = team.post("/api/users", body, headers=bearer(tokens["admin"]))
    assert answer.status_code == 422
    assert "x" * 1025 not in answer.text
    assert len(accounts(team).users()) == 4


def test_last_admin_can_t_be_removed_demoted_or_disabled(team: Server, tokens: dict[str, str]) -> None:
    admin = {"headers": bearer(tokens["admin"])}
    refused = [
        team.delete("/api/users/admin", **admin),
        team.patch("/api/users/admin", {"role": "reviewer"}, **admin),
        team.patch("/api/users/admin", {"active": False}, **admin),
    ]
    for answer in refused:
        assert answer.status_code == 409
        assert "last admin" in answer.json["message"]
    team.post("/api/users", {"name": "ben", "role": "admin"}, **admin)
    assert team.patch("/api/users/admin", {"role": "reviewer"}, **admin).status_code == 200
    assert team.get("/api/users", **admin).status_code == 403


def test_disabled_admin_does_not_count_as_one(team: Server, tokens: dict[str, str]) -> None:
    accounts(team).add("ben", "admin")
    accounts(team).change("ben", active=False)
    assert team.delete("/api/users/admin", headers=bearer(tokens["admin"])).status_code == 409


def test_server_whose_last_user_is_removed_lets_nobody_in(serve: Serve, small: dict[str, Any]) -> None:
    server = serve(small, COCOANNOT_TOKEN=TOKEN)
    accounts(server).add("anna", "annotator", first=True)
    assert server.delete("/api/users/anna", headers=bearer(TOKEN)).status_code == 204
    server = serve()
    assert server.get("/api/images").status_code == 401


# Links


def link(answer: Any) -> str:
    path: str = answer.json["link"]
    assert path.startswith("/#password=")
    return path.removeprefix("/#password=")


def test_link_sets_a_password_once(team: Server, tokens: dict[str, str]) -> None:
    admin = {"headers": bearer(tokens["admin"])}
    secret = link(team.post("/api/users", {"name": "anna", "link": True}, **admin))
    assert team.post("/api/password", {"link": secret, "password": PASSWORD}).status_code == 204
    session(team, "anna")
    again = team.post("/api/password", {"link": secret, "password": "another password"})
    assert again.status_code == 401
    assert "used already" in again.json["message"]
    session(team, "anna")


def test_link_is_good_for_three_days_and_for_its_user(timed: Server, clock: FakeClock) -> None:
    secret = accounts(timed).new_link("anna")
    clock.advance(3 * 86400 + 1)
    assert timed.post("/api/password", {"link": secret, "password": PASSWORD}).status_code == 401
    secret = accounts(timed).new_link("anna").replace("anna", "ben")
    accounts(timed).add("ben", "admin")
    assert timed.post("/api/password", {"link": secret, "password": PASSWORD}).status_code == 401


def test_link_of_somebody_who_was_disabled_or_removed_is_refused(timed: Server) -> None:
    for is_removed in (False, True):
        secret = accounts(timed).new_link("anna")
        if is_removed:
            accounts(timed).remove("anna")
        else:
            accounts(timed).change("anna", active=False)
        assert timed.post("/api/password", {"link": secret, "password": PASSWORD}).status_code == 401
        if not is_removed:
            accounts(timed).change("anna", active=True)


def test_password_that_is_too_short_does_not_use_the_link_up(timed: Server) -> None:
    secret = accounts(timed).new_link("anna")
    assert timed.post("/api/password", {"link": secret, "password": "short"}).status_code == 422
    assert timed.post("/api/password", {"link": secret, "password": "long enough"}).status_code == 204


# A proxy in front


def test_proxy_names_the_user(serve: Serve, small: dict[str, Any]) -> None:
    server = serve(small, **PROXIED)
    headers = {**FROM_PROXY, "X-Forwarded-User": "Anna@Example.org"}
    assert server.get("/api/me", headers=headers).json == {
        "user": "anna@example.org",
        "role": "annotator",
        "by": "proxy",
    }
    assert actor(server, **headers) == "anna@example.org"
    assert server.post("/api/categories", {"name": "x"}, headers=headers).status_code == 403


def test_proxy_s_users_have_the_role_of_the_setting_or_of_their_account(serve: Serve, small: dict[str, Any]) -> None:
    server = serve(small, **PROXIED, COCOANNOT_USER_ROLE="viewer")
    accounts(server).add("anna", "reviewer", first=True)
    accounts(server).add("ben", "admin")
    accounts(server).change("ben", active=False)
    roles = {
        name: server.get("/api/me", headers={**FROM_PROXY, "X-Forwarded-User": name})
        for name in ("anna", "cleo", "ben")
    }
    assert roles["anna"].json["role"] == "reviewer"
    assert roles["cleo"].json["role"] == "viewer"
    assert roles["ben"].status_code == 403
    assert "disabled" in roles["ben"].json["message"]


@pytest.mark.parametrize(
    "headers",
    [
        {"X-Forwarded-User": "admin"},
        {"X-Forwarded-User": "admin", "X-Proxy-Secret": ""},
        {"X-Forwarded-User": "admin", "X-Proxy-Secret": SECRET[:-1]},
        {"X-Forwarded-User": "admin", "X-Proxy-Secret": SECRET.upper()},
        {"X-Forwarded-User": "admin", "X-Proxy-Secret": f"{SECRET},{SECRET}"},
        {"X-Forwarded-User": "admin", "X-Proxy-Secret": "\xe4"},
        {"X-Forwarded-User": "admin", "X-Forwarded-For": "127.0.0.1"},
        {"X-Forwarded-User": "admin", "X-Forwarded-For": ""},
        {"X-Forwarded-User": "", "X-Proxy-Secret": SECRET},
        {"X-Proxy-Secret": SECRET},
        {"X-Remote-User": "admin", "X-Proxy-Secret": SECRET},
    ],
)
def test_header_from_beyond_the_proxy_lets_nobody_in(
    serve: Serve, small: dict[str, Any], headers: dict[str, str]
) -> None:
    server = serve(small, **PROXIED)
    answer = server.get("/api/me", headers=headers)
    assert answer.status_code == 401
    assert ("believed from the proxy alone" in answer.json["message"]) == (
        "X-Forwarded-User" in headers and headers.get("X-Proxy-Secret") != SECRET
    )
    assert SECRET not in answer.text


def test_header_is_not_believed_without_a_secret_over_the_network(serve: Serve, small: dict[str, Any]) -> None:
    server = serve(small, COCOANNOT_PROXIES=1, COCOANNOT_USER_HEADER="X-Forwarded-User")
    for headers in ({}, {"X-Forwarded-For": ""}, {"X-Forwarded-For": "unix:"}):
        answer = server.get("/api/me", headers={"X-Forwarded-User": "admin", **headers})
        assert answer.status_code == 401
        assert "over a Unix socket" in answer.json["message"]


def test_header_is_not_looked_at_where_no_setting_names_it(team: Server) -> None:
    headers = {"X-Forwarded-User": "admin", "X-Proxy-Secret": SECRET}
    assert team.get("/api/me", headers=headers).status_code == 401


@pytest.mark.parametrize("name", ["token", "Local", "a,b", "a b", "x" * 65, "\xe4", "admin:1"])
def test_proxy_that_names_what_can_t_be_a_user_is_a_403(serve: Serve, small: dict[str, Any], name: str) -> None:
    server = serve(small, **PROXIED)
    assert server.get("/api/me", headers={**FROM_PROXY, "X-Forwarded-User": name}).status_code == 403


def test_personal_token_counts_behind_a_proxy_and_another_token_of_the_proxy_does_not(
    serve: Serve, small: dict[str, Any]
) -> None:
    server = serve(small, **PROXIED)
    accounts(server).add("anna", "admin", first=True)
    text = accounts(server).new_token("anna", "test", "viewer")[1]
    headers = {**FROM_PROXY, "X-Forwarded-User": "anna"}
    assert server.get("/api/me", headers={**headers, **bearer(text)}).json["by"] == "token"
    assert server.get("/api/me", headers={**headers, **bearer("eyJhbGciOi")}).json["by"] == "proxy"
    basic = {"Authorization": "Basic " + base64.b64encode(b"anna:x").decode()}
    assert server.get("/api/me", headers={**headers, **basic}).json["by"] == "proxy"
    assert server.get("/api/me", headers=bearer(text)).json["by"] == "token"
    assert server.get("/api/me", headers={**headers, **bearer("coa_revoked")}).status_code == 401


# The file, while the server runs


def users_file(server: Server) -> Path:
    return server.path.parent / "dataset.json.cocoannot" / "users.json"


def test_file_that_another_process_replaces_counts_at_the_next_request(team: Server, tokens: dict[str, str]) -> None:
    other = People(users_file(team))
    token, text = other.accounts.new_token("admin", "of the other process")
    assert team.get("/api/users", headers=bearer(text)).status_code == 200
    other.accounts.remove_token("admin", token.id)
    assert team.get("/api/users", headers=bearer(text)).status_code == 401
    other.accounts.change("admin", role="viewer")
    assert team.get("/api/users", headers=bearer(tokens["admin"])).status_code == 403


DAMAGES: dict[str, Callable[[str], str]] = {
    "empty": lambda text: "",
    "cut off": lambda text: text[:-20],
    "no JSON": lambda text: "users",
    "no object": lambda text: "[]",
    "another format": lambda text: text.replace('"format": 1', '"format": 2'),
    "a role that is none": lambda text: text.replace('"role": "admin"', '"role": "root"'),
    "a field that is none": lambda text: text.replace('"disabled"', '"disabeld"'),
    "a short secret": lambda text: re.sub(r'"secret": "\w+"', '"secret": ""', text),
    "a name that is none": lambda text: text.replace('"admin": {', '"token": {'),
}


@pytest.mark.parametrize("damage", DAMAGES.values(), ids=DAMAGES.keys())
def test_damaged_file_lets_nobody_in_until_it_is_mended(
    team: Server, tokens: dict[str, str], damage: Callable[[str], str]
) -> None:
    path = users_file(team)
    good = path.read_text()
    assert damage(good) != good
    path.write_text(damage(good))
    for headers in (bearer(tokens["admin"]), {}, bearer("x")):
        answer = team.get("/api/images", headers=headers)
        assert answer.status_code == 503
        assert "nobody is let in" in answer.json["message"]
        assert json.loads(good)["secret"] not in answer.text
    assert team.post("/api/login", {"user": "admin", "password": PASSWORD}).status_code == 503
    assert team.post("/api/logout", headers=cookie("x")).status_code == 503
    assert team.get("/healthz").status_code == 200
    path.write_text(good)
    assert team.get("/api/images", headers=bearer(tokens["admin"])).status_code == 200


def test_damaged_file_stops_the_start_in_any_program(team: Server) -> None:
    team.stop()
    users_file(team).write_text("")
    lifecycle = runtime(create_app({"COCOANNOT_DATASET": team.path})).lifecycle
    with pytest.raises(UsersUnreadable, match="nobody is let in"):
        lifecycle.start("")
    assert not lifecycle.is_started


def test_file_that_vanishes_lets_nobody_in(team: Server, tokens: dict[str, str]) -> None:
    users_file(team).unlink()
    answer = team.get("/api/images", headers=bearer(tokens["admin"]))
    assert answer.status_code == 503
    assert "is gone" in answer.json["message"]
    assert team.get("/api/images").status_code == 503


def test_secrets_are_in_no_answer_and_no_log(team: Server, caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level("DEBUG")
    accounts(team).add("anna", "admin", PASSWORD)
    value = session(team, "anna")
    text = team.post("/api/me/tokens", {"name": "x"}, headers=cookie(value)).json["token"]
    secret = accounts(team).new_link("anna")
    wrong = "a wrong password"
    answers = [
        team.post("/api/login", {"user": "anna", "password": wrong}),
        team.post("/api/login", {"user": "anna", "password": [PASSWORD]}),
        team.post("/api/login", {"user": PASSWORD, "pass": PASSWORD}),
        team.post("/api/login", {"token": text + "x"}),
        team.post("/api/password", {"link": secret, "password": "short"}),
        team.post("/api/users", {"name": "ben", "password": PASSWORD}, headers=bearer(text)),
        team.post("/api/users", {"name": PASSWORD, "password": PASSWORD}, headers=bearer(text)),
        team.get("/api/users", headers=bearer(text)),
        team.get("/api/me/tokens", headers=bearer(text)),
        team.get("/api/status", headers=bearer(text)),
        team.get("/api/me", headers=bearer(text + "x")),
    ]
    for answer in answers:
        for each in (PASSWORD, wrong, text, value, secret, "$argon2id"):
            assert each not in answer.text
    for each in (PASSWORD, wrong, secret, "$argon2id"):
        assert each not in caplog.text
