"""Who may call: the token, the names of the server, pages of other origins; and what gunicorn listens at."""

from __future__ import annotations

import json
import re
import socket
from contextlib import closing
from pathlib import Path
from typing import Any

import pytest
from api_client import Serve, Server, as_json
from servers import ANNOTATION, GUNICORN, exchange, read_reply, run_flask, start
from servers import serve as serve_by_gunicorn

from cocoannot.files.lock import read_owner

TOKEN = "a=long/enough+token,with:signs="
BEARER = {"Authorization": f"Bearer {TOKEN}"}
OPEN = {"web.page", "web.file", "docs.page", "docs.file", "health.healthz", "health.readyz"}
OPEN |= {"sessions.login", "sessions.logout", "sessions.set_password"}
OTHERS = "https://annotate.example.org"


@pytest.fixture
def guarded(serve: Serve, small: dict[str, Any]) -> Server:
    """The small dataset, served to those who have the token."""
    return serve(small, COCOANNOT_TOKEN=TOKEN)


@pytest.fixture
def dataset(dataset_path: Path, small: dict[str, Any]) -> Path:
    """The small dataset in a file."""
    dataset_path.write_text(json.dumps(small))
    return dataset_path


# The token


def test_token_opens_what_is_a_401_without_it(guarded: Server) -> None:
    for rule in guarded.app.url_map.iter_rules():
        url = re.sub("<.*?>", "1", rule.rule)
        if rule.endpoint in OPEN:
            continue
        for method in sorted((rule.methods or set()) - {"HEAD", "OPTIONS"}):
            answer = guarded.ask(method, url)
            assert answer.status_code == 401, (method, url)
            assert answer.headers["WWW-Authenticate"] == "Bearer"
            assert "POST it to /api/login" in answer.json["message"]
        assert guarded.ask("HEAD", url).status_code in (401, 405)
    for url in ("/api/images", "/api/status", "/api/dataset/export", "/api/openapi.json"):
        assert guarded.get(url, headers=BEARER).status_code == 200
    assert guarded.post("/api/annotations", ANNOTATION, headers=BEARER).status_code == 201


def test_path_that_does_not_exist_is_a_401_too(guarded: Server) -> None:
    assert guarded.get("/api/nope").status_code == 401
    assert guarded.get("/api/nope", headers=BEARER).status_code == 404


def test_refused_change_changes_nothing(guarded: Server) -> None:
    guarded.post("/api/annotations", ANNOTATION)
    guarded.delete("/api/annotations/1")
    assert guarded.get("/api/status", headers=BEARER).json["revision"]["memory"] == 0


@pytest.mark.parametrize(
    "authorization",
    [
        "",
        "Bearer",
        "Bearer ",
        TOKEN,
        f"Bearer {TOKEN[:-1]}",
        f"Bearer {TOKEN}x",
        f"Bearer {TOKEN.upper()}",
        f'Bearer "{TOKEN}"',
        f"Bearer token={TOKEN}",
        f"Token {TOKEN}",
        f"Basic {TOKEN}",
        "Basic dXNlcjphPWxvbmcvZW5vdWdoK3Rva2Vu",
        "Basic !",
        "Digest username=x",
        "Bearer \xe4\xff",
        "Bearer " + "x" * 10_000,
    ],
)
def test_wrong_token_is_a_401(guarded: Server, authorization: str) -> None:
    assert guarded.get("/api/images", headers={"Authorization": authorization}).status_code == 401


@pytest.mark.parametrize("scheme", ["Bearer", "bearer", "BEARER"])
def test_scheme_may_be_in_any_case(guarded: Server, scheme: str) -> None:
    assert guarded.get("/api/images", headers={"Authorization": f"{scheme} {TOKEN}"}).status_code == 200


def test_what_tells_whether_the_server_is_up_is_open(guarded: Server) -> None:
    assert guarded.get("/healthz").status_code == 200
    assert guarded.get("/readyz").status_code == 200
    assert guarded.ask("OPTIONS", "/api/annotations").headers["Allow"]


def test_login_sets_a_cookie_that_opens(guarded: Server) -> None:
    answer = guarded.post("/api/login", {"token": TOKEN})
    assert (answer.status_code, answer.data) == (204, b"")
    name_and_value, *attributes = answer.headers["Set-Cookie"].split("; ")
    assert set(attributes) == {"HttpOnly", "Path=/", "SameSite=Strict"}
    assert TOKEN not in name_and_value
    assert guarded.get("/api/images").status_code == 200
    assert guarded.post("/api/annotations", ANNOTATION).status_code == 201


def test_cookie_over_https_is_for_https_only(guarded: Server) -> None:
    answer = guarded.post("/api/login", {"token": TOKEN}, base_url="https://localhost")
    assert "Secure" in answer.headers["Set-Cookie"].split("; ")


@pytest.mark.parametrize("token", [TOKEN[:-1], TOKEN + "x", "ä", "\0", "x" * 4096])
def test_login_with_a_wrong_token_is_a_401(guarded: Server, token: str) -> None:
    answer = guarded.post("/api/login", {"token": token})
    assert answer.status_code == 401
    assert answer.headers["WWW-Authenticate"] == "Bearer"
    assert "Set-Cookie" not in answer.headers
    assert guarded.get("/api/images").status_code == 401


@pytest.mark.parametrize("body", [{}, {"token": None}, {"token": ""}, {"token": 7}, {"token": "x" * 4097}, {"t": "x"}])
def test_login_without_a_token_is_a_422(guarded: Server, body: dict[str, object]) -> None:
    assert guarded.post("/api/login", body).status_code == 422


def test_login_by_a_form_is_a_415(guarded: Server) -> None:
    assert guarded.post("/api/login", data={"token": TOKEN}).status_code == 415


def test_login_where_no_token_is_set_needs_no_cookie(api: Server) -> None:
    answer = api.post("/api/login", {"token": "anything"})
    assert answer.status_code == 204
    assert "Set-Cookie" not in answer.headers


def test_cookie_that_is_not_from_login_is_a_401(guarded: Server) -> None:
    for value in (TOKEN, "", "x" * 64, "\xe4"):
        assert guarded.get("/api/images", headers={"Cookie": f"cocoannot={value}"}).status_code == 401


def test_changed_token_ends_the_cookies_of_the_old_one(serve: Serve, guarded: Server) -> None:
    cookie = guarded.post("/api/login", {"token": TOKEN}).headers["Set-Cookie"].partition(";")[0]
    changed = serve(COCOANNOT_TOKEN=TOKEN + "2")
    assert changed.get("/api/images", headers={"Cookie": cookie}).status_code == 401


def test_wrong_header_is_not_made_good_by_the_cookie(guarded: Server) -> None:
    guarded.post("/api/login", {"token": TOKEN})
    assert guarded.get("/api/images", headers={"Authorization": "Bearer wrong"}).status_code == 401


def test_token_is_in_no_answer_and_no_log(guarded: Server, caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level("DEBUG")
    answers = [
        guarded.get("/api/images", headers={"Authorization": f"Bearer {TOKEN}x"}),
        guarded.get("/api/images", headers={"Authorization": f"Basic {TOKEN}"}),
        guarded.post("/api/login", {"token": TOKEN + "x"}),
        guarded.post("/api/login", {"token": [TOKEN]}),
        guarded.post("/api/login", {"token": TOKEN, "more": 1}),
        guarded.post("/api/login", **as_json(json.dumps({"token": TOKEN}).encode()[:-1])),
        guarded.post("/api/login", {"token": TOKEN}),
        *(guarded.get(url, headers=BEARER) for url in ("/api/status", "/api/openapi.json", "/api/nope")),
    ]
    for answer in answers:
        assert TOKEN not in answer.text + str(answer.headers)
    assert TOKEN not in caplog.text


# The names of the server


@pytest.mark.parametrize(
    "host",
    ["localhost", "LocalHost", "localhost.", "localhost:8000", "localhost.:8000", "127.0.0.1:1", "[::1]", "[::1]:8000"],
)
def test_loopback_names_are_served(api: Server, host: str) -> None:
    answer = api.post("/api/annotations", ANNOTATION, headers={"Host": host, "Origin": f"http://{host}"})
    assert answer.status_code == 201


@pytest.mark.parametrize(
    "host",
    [
        "rebound.example.org",
        "rebound.example.org:8000",
        "localhost.example.org",
        "127.0.0.1.example.org",
        "xlocalhost",
        "192.168.1.5:8000",
        "[::2]",
        "localhost@example.org",
        "localhost,example.org",
        "localhost:99999",
        "localhost:x",
        "[::1",
        "::1",
        "a b",
        "",
        ":8000",
        ".",
        "\xe4\xff",
        "x" * 10_000,
    ],
)
def test_other_names_are_a_403(api: Server, host: str) -> None:
    for method, url in (
        ("GET", "/api/images"),
        ("POST", "/api/annotations"),
        ("GET", "/nope"),
        ("OPTIONS", "/api/status"),
    ):
        answer = api.ask(method, url, headers={"Host": host})
        assert answer.status_code == 403
        assert "COCOANNOT_HOSTS" in answer.json["message"]


def test_names_that_are_set_are_served_beside_loopback(serve: Serve, small: dict[str, Any]) -> None:
    api = serve(small, COCOANNOT_HOSTS="Annotate.example.org,10.0.0.7")
    for host in ("annotate.example.org", "ANNOTATE.example.org.:8000", "10.0.0.7:8000", "localhost"):
        assert api.get("/api/images", headers={"Host": host}).status_code == 200
    for host in ("example.org", "x.annotate.example.org", "10.0.0.8"):
        assert api.get("/api/images", headers={"Host": host}).status_code == 403


def test_a_probe_may_ask_by_any_name(api: Server) -> None:
    for host in ("10.1.2.3:8000", "", "\xff"):
        assert api.get("/healthz", headers={"Host": host}).status_code == 200
        assert api.get("/readyz", headers={"Host": host}).status_code == 200


# Pages of other origins


@pytest.mark.parametrize(
    "origin",
    [
        "https://evil.example.org",
        "null",
        "http://localhost:3000",
        "https://localhost",
        "http://127.0.0.1",
        "http://localhost.evil.example.org",
        "http://localhost/",
        "http://user@localhost",
        "file://",
        "localhost",
        "http://[",
        "",
        "\xff",
    ],
)
def test_change_from_another_origin_is_a_403(api: Server, origin: str) -> None:
    for method, url, body in (
        ("POST", "/api/annotations", ANNOTATION),
        ("PATCH", "/api/annotations/1", {"note": 1}),
        ("PUT", "/api/dataset", {"images": [], "annotations": []}),
        ("DELETE", "/api/annotations/1", None),
        ("POST", "/api/flush", None),
        ("POST", "/api/login", {"token": "x"}),
    ):
        answer = api.ask(method, url, headers={"Origin": origin, "If-Match": '"0"'}, **({"json": body} if body else {}))
        assert answer.status_code == 403, (method, url)
        assert "COCOANNOT_CORS_ORIGINS" in answer.json["message"]
    assert api.revision == 0


@pytest.mark.parametrize("site", ["cross-site", "same-site", "x"])
def test_change_that_a_browser_calls_foreign_is_a_403_without_origin_too(api: Server, site: str) -> None:
    assert api.post("/api/annotations", ANNOTATION, headers={"Sec-Fetch-Site": site}).status_code == 403


@pytest.mark.parametrize("headers", [{}, {"Sec-Fetch-Site": "none"}, {"Sec-Fetch-Site": "same-origin"}])
def test_change_without_origin_is_taken(api: Server, headers: dict[str, str]) -> None:
    assert api.post("/api/annotations", ANNOTATION, headers=headers).status_code == 201


@pytest.mark.parametrize(
    "origin",
    ["http://localhost", "http://localhost:8000", "https://localhost", "https://127.0.0.1:8443", "http://[::1]:80"],
)
def test_change_from_the_servers_own_origin_is_taken(api: Server, origin: str) -> None:
    # A browser leaves the usual port out, in both.
    headers = {"Origin": origin.removesuffix(":80"), "Sec-Fetch-Site": "same-origin"}
    assert api.post("/api/annotations", ANNOTATION, headers=headers, base_url=origin).status_code == 201


def test_token_does_not_open_to_other_origins(guarded: Server) -> None:
    headers = {**BEARER, "Origin": "https://evil.example.org"}
    assert guarded.post("/api/annotations", ANNOTATION, headers=headers).status_code == 403


def test_page_of_another_origin_may_not_read(api: Server) -> None:
    answer = api.get("/api/images", headers={"Origin": "https://evil.example.org"})
    assert not [name for name, _ in answer.headers if name.startswith("Access-Control-")]


# Behind a proxy

FORWARDED = {
    "Host": "127.0.0.1:8000",
    "X-Forwarded-For": "203.0.113.7",
    "X-Forwarded-Host": "annotate.example.org",
    "X-Forwarded-Proto": "https",
}


def test_own_origin_is_the_one_that_the_proxy_tells(serve: Serve, small: dict[str, Any]) -> None:
    api = serve(small, COCOANNOT_PROXIES=1, COCOANNOT_HOSTS="annotate.example.org", COCOANNOT_TOKEN=TOKEN)
    headers = {**FORWARDED, **BEARER, "Origin": "https://annotate.example.org"}
    assert api.post("/api/annotations", ANNOTATION, headers=headers).status_code == 201
    assert "Secure" in api.post("/api/login", {"token": TOKEN}, headers=headers).headers["Set-Cookie"]
    for origin in ("http://annotate.example.org", "http://127.0.0.1:8000"):
        headers["Origin"] = origin
        assert api.post("/api/annotations", ANNOTATION, headers=headers).status_code == 403


def test_name_that_the_proxy_tells_must_be_served(serve: Serve, small: dict[str, Any]) -> None:
    api = serve(small, COCOANNOT_PROXIES=1, COCOANNOT_HOSTS="annotate.example.org")
    for names in ("evil.example.org", "annotate.example.org, evil.example.org"):
        assert api.get("/api/images", headers={**FORWARDED, "X-Forwarded-Host": names}).status_code == 403
    # What stands before the last one came from the client.
    names = "evil.example.org, annotate.example.org"
    assert api.get("/api/images", headers={**FORWARDED, "X-Forwarded-Host": names}).status_code == 200


def test_proxy_is_not_believed_without_the_setting(serve: Serve, small: dict[str, Any]) -> None:
    api = serve(small, COCOANNOT_HOSTS="annotate.example.org")
    headers = {**FORWARDED, "Origin": "https://annotate.example.org"}
    assert api.post("/api/annotations", ANNOTATION, headers=headers).status_code == 403
    evil = {"Host": "evil.example.org", "X-Forwarded-Host": "localhost"}
    assert api.get("/api/images", headers=evil).status_code == 403


def test_commands_find_the_server_itself_and_not_its_proxy(serve: Serve, small: dict[str, Any]) -> None:
    api = serve(small, COCOANNOT_PROXIES=1, COCOANNOT_HOSTS="annotate.example.org")
    assert api.get("/api/images", headers=FORWARDED).status_code == 200
    owner = read_owner(api.path.parent / "dataset.json.cocoannot" / "lock")
    assert owner is not None
    assert owner.url == "http://localhost:80"


# CORS


@pytest.fixture
def shared(serve: Serve, small: dict[str, Any]) -> Server:
    """The small dataset, for pages of two other origins that have the token."""
    return serve(small, COCOANNOT_TOKEN=TOKEN, COCOANNOT_CORS_ORIGINS=f"{OTHERS},http://[::1]:3000")


@pytest.mark.parametrize("origin", [OTHERS, "http://[::1]:3000"])
def test_preflight_of_an_allowed_origin_is_answered_without_the_token(shared: Server, origin: str) -> None:
    for method, url in (("PUT", "/api/dataset"), ("PATCH", "/api/annotations/1"), ("DELETE", "/api/images/9")):
        headers = {
            "Origin": origin,
            "Access-Control-Request-Method": method,
            "Access-Control-Request-Headers": "authorization,content-type,if-match",
        }
        answer = shared.ask("OPTIONS", url, headers=headers)
        assert answer.status_code == 200
        assert answer.headers["Access-Control-Allow-Origin"] == origin
        assert method in answer.headers["Access-Control-Allow-Methods"].split(", ")
        allowed = answer.headers["Access-Control-Allow-Headers"].lower().split(", ")
        assert {"authorization", "content-type", "if-match"} == set(allowed)


def test_answers_can_be_read_by_an_allowed_origin_errors_too(shared: Server) -> None:
    headers = {**BEARER, "Origin": OTHERS}
    answers = [
        shared.get("/api/images", headers=headers),
        shared.post("/api/annotations", ANNOTATION, headers=headers),
        shared.get("/api/annotations/99", headers=headers),
        shared.get("/api/nope", headers=headers),
        shared.post("/api/annotations", {}, headers=headers),
        shared.delete("/api/annotations", headers=headers),
        shared.get("/api/images", headers={"Origin": OTHERS}),
    ]
    assert [answer.status_code for answer in answers] == [200, 201, 404, 404, 422, 405, 401]
    for answer in answers:
        assert answer.headers.getlist("Access-Control-Allow-Origin") == [OTHERS]
        exposed = set(answer.headers["Access-Control-Expose-Headers"].split(", "))
        assert exposed == {
            *("ETag", "Location", "X-Pagination", "X-Dataset-Revision"),
            *("X-Change-Revision", "Idempotency-Replayed", "X-Merged"),
            *("Retry-After", "X-Claim-Seconds"),
        }
        assert answer.headers.getlist("Vary") == ["Origin"]


@pytest.mark.parametrize(
    "origin",
    ["https://evil.example.org", "null", f"{OTHERS}.evil.org", f"{OTHERS}:444", "https://annotateXexample.org", None],
)
def test_others_get_no_cors_header(shared: Server, origin: str | None) -> None:
    headers = {} if origin is None else {"Origin": origin, "Access-Control-Request-Method": "POST"}
    for method in ("GET", "OPTIONS"):
        answer = shared.ask(method, "/api/images", headers={**BEARER, **headers})
        assert answer.status_code == 200
        assert not [name for name, _ in answer.headers if name.startswith("Access-Control-")]
        assert answer.headers.getlist("Vary") == ["Origin"]


def test_other_origins_send_the_token_and_no_cookie(shared: Server) -> None:
    answer = shared.post("/api/login", {"token": TOKEN}, headers={"Origin": OTHERS})
    # Without this header a browser neither keeps the cookie nor sends it.
    assert "Access-Control-Allow-Credentials" not in answer.headers
    assert "SameSite=Strict" in answer.headers["Set-Cookie"]


# What gunicorn listens at


@pytest.mark.slow
def test_open_address_with_a_token(dataset: Path) -> None:
    env = {"COCOANNOT_TOKEN": TOKEN}
    with serve_by_gunicorn(dataset, env=env, args=["--bind", "0.0.0.0:0"]) as server:
        assert exchange(server.url, "GET /api/status HTTP/1.1\nHost: HOST").status == 401
        head = (
            f"POST /api/annotations HTTP/1.1\nHost: HOST\nAuthorization: Bearer {TOKEN}\nContent-Type: application/json"
        )
        body = json.dumps(ANNOTATION).encode()
        assert exchange(server.url, f"{head}\nContent-Length: {len(body)}", body).status == 201
        assert "may change the dataset" not in server.log
        status, text = run_flask(dataset, "status", env=env)
        assert status == 0
        assert "pending: 1 annotation(s) added" in text
        assert run_flask(dataset, "flush", env=env)[0] == 0
        assert run_flask(dataset, "status") == (
            1,
            "Error: A token is needed; send it as `Authorization: Bearer TOKEN`, or POST it to /api/login\n",
        )
        assert TOKEN not in server.log
    assert len(json.loads(dataset.read_bytes())["annotations"]) == 4


@pytest.mark.slow
def test_open_address_without_a_token_is_warned_of(dataset: Path) -> None:
    env = {"COCOANNOT_INSECURE": "1"}
    with serve_by_gunicorn(dataset, env=env, args=["--bind", "0.0.0.0:0"]) as server:
        server.add()
        assert server.log.count("[WARNING] COCOANNOT_INSECURE=1, listening at '0.0.0.0': everybody who reaches it") == 1
        assert run_flask(dataset, "flush")[0] == 0


@pytest.mark.slow
def test_loopback_address_is_not_warned_of(dataset: Path) -> None:
    with serve_by_gunicorn(dataset) as server:
        assert "may change the dataset" not in server.log


@pytest.mark.slow
@pytest.mark.parametrize("env", [{"COCOANNOT_TOKEN": TOKEN}, {"COCOANNOT_INSECURE": "1"}], ids=["token", "insecure"])
def test_unix_socket_with_a_token_or_an_explicit_word(dataset: Path, env: dict[str, str]) -> None:
    path = dataset.parent / "socket"
    with start(dataset, [*GUNICORN[:1], "--bind", f"unix:{path}", "wsgi:app"], env=env) as server:
        server.wait_for_log("Dataset loaded into memory")
        with closing(socket.socket(socket.AF_UNIX)) as connection:
            connection.settimeout(20)
            connection.connect(str(path))
            connection.sendall(b"GET /api/status HTTP/1.1\r\nHost: localhost\r\n\r\n")
            assert read_reply(connection).status == (401 if "COCOANNOT_TOKEN" in env else 200)
        assert server.log.count(f"listening at '{path}': everybody") == ("COCOANNOT_INSECURE" in env)


@pytest.mark.slow
def test_commands_reach_a_server_whose_address_is_no_name_of_it(dataset: Path) -> None:
    # It is a loopback address, so that no token is needed, but not one of the loopback names.
    with start(dataset, [*GUNICORN[:1], "--bind", "127.0.0.2:0", "wsgi:app"]) as server:
        server.wait_until_ready()
        assert exchange(server.url, "GET /api/status HTTP/1.1\nHost: HOST").status == 403
        assert run_flask(dataset, "status")[0] == 0


@pytest.mark.slow
@pytest.mark.parametrize("proxies", [0, 1])
def test_gunicorn_leaves_it_to_the_setting_whether_a_proxy_is_believed(dataset: Path, proxies: int) -> None:
    with serve_by_gunicorn(dataset, env={"COCOANNOT_PROXIES": str(proxies)}) as server:
        head = "POST /api/flush HTTP/1.1\nHost: HOST\nContent-Length: 0\nX-Forwarded-Proto: https\nOrigin: https://HOST"
        assert exchange(server.url, head).status == (200 if proxies else 403)


@pytest.mark.parametrize(
    "head",
    [
        "GET /api/status HTTP/1.0",
        "GET /api/status HTTP/1.1",
        "GET /api/status HTTP/1.1\nHost:",
        "GET /api/status HTTP/1.1\nHost: localhost\nHost: evil.example.org",
        "GET /api/status HTTP/1.1\nHost: [",
        "GET /api/status HTTP/1.1\nHost: \xff\xfe",
        "GET http://evil.example.org/api/status HTTP/1.1\nHost: localhost",
        "GET http://[/api/status HTTP/1.1\nHost: localhost",
        "GET //evil.example.org/api/status HTTP/1.1\nHost: localhost",
    ],
)
def test_odd_host_over_a_socket_is_no_5xx(standing: str, head: str) -> None:
    assert exchange(standing, head).status < 500


@pytest.fixture(scope="module")
def standing(tmp_path_factory: pytest.TempPathFactory) -> Any:
    """The address of a gunicorn that all tests of this module may ask, and not change."""
    path = tmp_path_factory.mktemp("standing") / "dataset.json"
    path.write_text('{"images": [{"id": 1}], "annotations": [], "categories": [{"id": 1, "name": "cat"}]}')
    with serve_by_gunicorn(path) as server:
        yield server.url


def test_page_of_another_origin_tries_to_write_and_can_not(standing: str) -> None:
    """What a browser sends for `fetch` on a page of evil.example.org: see "CORS protocol" in fetch.spec.whatwg.org."""
    before = exchange(standing, "GET /api/dataset HTTP/1.1\nHost: HOST").json
    page = "Host: HOST\nOrigin: http://evil.example.org\nReferer: http://evil.example.org/\nSec-Fetch-Site: cross-site"
    body = json.dumps(ANNOTATION).encode()
    # A "simple" request goes out at once, whatever the server allows.
    for content_type in ("text/plain;charset=UTF-8", "application/x-www-form-urlencoded"):
        length = f"Content-Length: {len(body)}\nContent-Type: {content_type}\nSec-Fetch-Mode: no-cors"
        assert exchange(standing, f"POST /api/annotations HTTP/1.1\n{page}\n{length}", body).status == 403
    # For JSON, or another method, it asks before, and goes on only where the answer allows it.
    for method in ("POST", "PUT", "PATCH", "DELETE"):
        asks = f"Access-Control-Request-Method: {method}\nAccess-Control-Request-Headers: content-type"
        reply = exchange(standing, f"OPTIONS /api/annotations/1 HTTP/1.1\n{page}\n{asks}")
        assert "Access-Control-Allow-Origin" not in reply.headers
    # Were it to go on all the same, or to leave the preflight out:
    length = f"Content-Length: {len(body)}\nContent-Type: application/json"
    assert exchange(standing, f"POST /api/annotations HTTP/1.1\n{page}\n{length}", body).status == 403
    # What it can send without a body is a GET, which changes nothing, and whose answer it can't read.
    reply = exchange(standing, f"GET /api/dataset HTTP/1.1\n{page}")
    assert "Access-Control-Allow-Origin" not in reply.headers
    # A name of its own that it lets point here makes it the same origin, but not one that is served.
    rebound = "Host: evil.example.org\nOrigin: http://evil.example.org\nSec-Fetch-Site: same-origin"
    assert exchange(standing, f"POST /api/annotations HTTP/1.1\n{rebound}\n{length}", body).status == 403
    assert exchange(standing, f"GET /api/dataset HTTP/1.1\n{rebound}").status == 403
    assert exchange(standing, "GET /api/dataset HTTP/1.1\nHost: HOST").json == before
