"""`flask user`, beside a running server and without one; and servers of which everybody needs an account."""

from __future__ import annotations

import json
import os
import pty
import socket
import stat
import subprocess
import threading
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing
from pathlib import Path
from typing import Any

import pytest
from servers import ANNOTATION, FLASK, GUNICORN, ROOT, environment, exchange, read_reply, refused, run_flask, start
from servers import serve as serve_by_gunicorn

from cocoannot.app import create_app
from cocoannot.errors import SaveError
from cocoannot.files.atomic import NewFile
from cocoannot.files.lock import locked
from cocoannot.people.people import People

pytestmark = pytest.mark.slow

PASSWORD = "correct horse battery"
OPEN_ADDRESS = ["--bind", "0.0.0.0:0"]

Command = Callable[..., tuple[int, str]]


@pytest.fixture
def dataset(dataset_path: Path, small: dict[str, Any]) -> Path:
    """The small dataset in a file."""
    dataset_path.write_text(json.dumps(small))
    return dataset_path


@pytest.fixture
def file(dataset: Path) -> Path:
    """Where its users are."""
    return dataset.with_name("dataset.json.cocoannot") / "users.json"


@pytest.fixture
def command(dataset: Path) -> Command:
    """Runs `flask user ...` in this process; returns its exit status and what it printed."""

    def run(*args: str, stdin: str = "", **settings: Any) -> tuple[int, str]:
        runner = create_app({"COCOANNOT_DATASET": dataset, **settings}).test_cli_runner()
        result = runner.invoke(args=["user", *args], input=stdin)
        assert result.exception is None or isinstance(result.exception, SystemExit), result.exception
        return result.exit_code, result.output

    return run


def users(command: Command) -> dict[str, dict[str, Any]]:
    status, text = command("list", "--json")
    assert status == 0
    return {user["name"]: user for user in json.loads(text)}


# The commands


def test_users_are_added_and_listed(command: Command, file: Path) -> None:
    assert command("list") == (0, "There are no users\n")
    status, text = command("add", "Anna", "--role", "admin", stdin=f"{PASSWORD}\n")
    assert (status, text) == (0, "Added anna (admin)\nFrom now on everybody has to log in.\n")
    assert command("add", "ben", "--no-password") == (0, "Added ben (annotator)\n")
    assert command("list") == (0, "anna: admin\nben: annotator, no password\n")
    assert stat.S_IMODE(file.stat().st_mode) == 0o600
    assert PASSWORD not in file.read_text()
    assert People(file).logins.by_password("anna", PASSWORD, "")


def test_first_user_who_is_no_admin_is_remarked(command: Command) -> None:
    text = command("add", "anna", "--no-password")[1]
    assert "There is no admin yet: `flask user role NAME admin` makes one" in text


def test_role_password_disable_and_enable(command: Command, file: Path) -> None:
    command("add", "anna", stdin=PASSWORD)
    people = People(file)
    session = people.logins.by_password("anna", PASSWORD, "")
    assert command("role", "ANNA", "reviewer")[1] == "anna is reviewer now\n"
    caller = people.callers.by_session(session)
    assert caller is not None
    assert caller.role == "reviewer"
    assert command("password", "anna", stdin="another password\n")[0] == 0
    assert people.callers.by_session(session) is None
    session = people.logins.by_password("anna", "another password", "")
    assert command("disable", "anna")[0] == 0
    assert people.callers.by_session(session) is None
    assert users(command)["anna"]["active"] is False
    assert command("enable", "anna")[0] == 0
    assert people.logins.by_password("anna", "another password", "")


def test_token_is_printed_once(command: Command, file: Path) -> None:
    command("add", "anna", "--role", "admin", "--no-password")
    status, text = command("token", "anna", "--label", "night", "--role", "viewer", "--days", "3")
    assert status == 0
    token = text.strip()
    caller = People(file).callers.by_token(token)
    assert caller is not None
    assert (caller.user, caller.role) == ("anna", "viewer")
    assert token not in command("list")[1] + command("list", "--json")[1] + file.read_text()
    (listed,) = users(command)["anna"]["tokens"]
    assert command("token", "anna", "--revoke", listed["id"])[0] == 0
    assert People(file).callers.by_token(token) is None


def test_link_is_printed_and_sets_a_password(command: Command, file: Path) -> None:
    text = command("add", "anna", "--link")[1]
    secret = text.splitlines()[-1].removeprefix("/#password=")
    People(file).accounts.use_link(secret, PASSWORD)
    answer = json.loads(command("password", "anna", "--link", "--json")[1])
    assert People(file).logins.by_password("anna", PASSWORD, "")
    People(file).accounts.use_link(answer["link"].removeprefix("/#password="), "another password")


@pytest.mark.parametrize(
    ("args", "stdin", "said"),
    [
        (["add", "anna"], "", "Error: password: is not there; give it on the standard input, or take --link\n"),
        (["add", "anna"], "short\n", "Error: password: must have 8 to 1024 characters\n"),
        (["add", "a b", "--no-password"], "", "Error: name: must be 1 to 64 letters a to z, digits and"),
        (["add", "token", "--no-password"], "", "Error: name: 'token' is reserved\n"),
        (["role", "nobody", "admin"], "", "Error: there are no users: "),
        (["password", "nobody"], PASSWORD, "Error: there are no users\n"),
        (["token", "nobody"], "", "Error: there are no users: "),
        (["disable", "nobody"], "", "Error: there are no users: "),
    ],
)
def test_what_can_t_be_done_is_said_in_one_line(
    command: Command, file: Path, args: list[str], stdin: str, said: str
) -> None:
    status, text = command(*args, stdin=stdin)
    assert status == 1
    assert text.startswith(said)
    assert text.count("\n") == 1
    assert not file.exists()


def test_name_that_is_taken_is_said(command: Command) -> None:
    command("add", "anna", "--no-password")
    assert command("add", "ANNA", "--no-password") == (1, "Error: there is a user 'anna' already\n")
    assert command("role", "ben", "admin") == (1, "Error: there is no user 'ben'\n")
    assert command("add", "ben", "--role", "owner")[0] == 2
    assert list(users(command)) == ["anna"]


def test_password_is_never_an_argument(command: Command) -> None:
    assert command("add", "anna", PASSWORD)[0] == 2
    assert command("password", "anna", PASSWORD)[0] == 2


def test_terminal_is_asked_twice_and_shows_nothing(dataset: Path, file: Path) -> None:
    controller, terminal = pty.openpty()
    process = subprocess.Popen(
        [*FLASK, "user", "add", "anna"],
        cwd=ROOT,
        env=environment(dataset),
        stdin=terminal,
        stdout=terminal,
        stderr=terminal,
        start_new_session=True,
        preexec_fn=lambda: os.close(os.open(os.ttyname(0), os.O_RDWR)),
    )
    os.close(terminal)
    shown = b""
    for prompt in (b"Password:", b"confirmation"):
        while prompt not in shown:
            shown += os.read(controller, 1024)
        while not shown.rstrip().endswith(b":"):
            shown += os.read(controller, 1024)
        os.write(controller, f"{PASSWORD}\n".encode())
    try:
        while data := os.read(controller, 1024):
            shown += data
    except OSError:
        pass  # The terminal's other end is closed: the command has ended.
    assert process.wait(20) == 0
    os.close(controller)
    assert b"Added anna" in shown
    assert PASSWORD.encode() not in shown
    assert People(file).logins.by_password("anna", PASSWORD, "")


def test_dataset_that_does_not_exist_gets_no_users(command: Command, dataset: Path, file: Path) -> None:
    dataset.unlink()
    status, text = command("add", "anna", "--no-password")
    assert status == 1
    assert "does not exist" in text
    assert not file.exists()


def test_dataset_in_s3_has_its_users_beside_the_local_copy(tmp_path: Path) -> None:
    settings = {"COCOANNOT_DATASET": "s3://bucket/train.json", "COCOANNOT_CACHE": tmp_path}
    result = create_app(settings).test_cli_runner().invoke(args=["user", "add", "anna", "--no-password"])
    assert result.exit_code == 0
    (found,) = tmp_path.glob("datasets/*/train.json.cocoannot/users.json")
    assert '"anna"' in found.read_text()


def test_damaged_file_is_said_and_left_alone(command: Command, file: Path) -> None:
    command("add", "anna", "--no-password")
    file.write_text(file.read_text()[:-30])
    damaged = file.read_bytes()
    for args in (["list"], ["add", "ben", "--no-password"], ["role", "anna", "admin"], ["token", "anna"]):
        status, text = command(*args)
        assert status == 1
        assert "is damaged, so nobody is let in" in text
    assert file.read_bytes() == damaged


def test_commands_at_the_same_time_lose_nothing(dataset: Path, file: Path) -> None:
    def add(number: int) -> int:
        return run_flask(dataset, "user", "add", f"user{number}", "--no-password")[0]

    with ThreadPoolExecutor(6) as pool:
        assert set(pool.map(add, range(6))) == {0}
    assert sorted(People(file).accounts.users()) == [f"user{number}" for number in range(6)]


def test_server_and_commands_that_write_at_the_same_time_lose_nothing(file: Path) -> None:
    # Each has opened the file on its own, as processes do.
    file.parent.mkdir()
    People(file).accounts.add("anna", "admin", first=True)
    barrier = threading.Barrier(8)

    def make(number: int) -> None:
        people = People(file)
        barrier.wait(20)
        for each in range(5):
            people.accounts.new_token("anna", f"{number} {each}")

    with ThreadPoolExecutor(8) as pool:
        list(pool.map(make, range(8)))
    tokens = People(file).accounts.user("anna").tokens
    assert sorted(token.name for token in tokens) == sorted(f"{one} {two}" for one in range(8) for two in range(5))


def test_file_that_somebody_else_keeps_locked_is_an_error_and_no_hang(file: Path) -> None:
    file.parent.mkdir()
    people = People(file)
    people.accounts.add("anna", "admin", first=True)
    with locked(file.with_suffix(".lock"), 1), pytest.raises(SaveError, match="is being changed by another process"):
        people.file.change(lambda directory: directory.remove("anna"), wait=0)
    token = people.accounts.new_token("anna", "test")[1]
    with locked(file.with_suffix(".lock"), 1):
        # The last use can't be written down, which is no reason to refuse.
        assert people.callers.by_token(token) is not None


def test_start_of_a_server_leaves_alone_what_a_command_is_writing(dataset: Path, file: Path) -> None:
    file.parent.mkdir()
    left = file.with_name(".state.json.unfinished")
    left.write_text("{")
    with NewFile(file) as new, serve_by_gunicorn(dataset):
        assert new.path.exists()
        assert not left.exists()


# Real servers


@pytest.fixture
def closed(dataset: Path, command: Command) -> Iterator[tuple[Any, str]]:
    """A server at all addresses, that needs no token because there are users; and the token of an admin."""
    command("add", "anna", "--role", "admin", stdin=PASSWORD)
    token = command("token", "anna")[1].strip()
    with serve_by_gunicorn(dataset, args=OPEN_ADDRESS) as server:
        yield server, token


def test_users_are_enough_for_an_open_address(closed: tuple[Any, str], dataset: Path, command: Command) -> None:
    server, token = closed
    head = "GET /api/me HTTP/1.1\nHost: HOST"
    assert exchange(server.url, head).status == 401
    assert exchange(server.url, f"{head}\nAuthorization: Bearer {token}").json["user"] == "anna"
    assert "may change the dataset" not in server.log
    # A command is another process, and counts at the next request.
    assert run_flask(dataset, "user", "disable", "anna")[0] == 0
    assert exchange(server.url, f"{head}\nAuthorization: Bearer {token}").status == 401
    assert token not in server.log


def test_commands_of_this_machine_need_no_token(closed: tuple[Any, str], dataset: Path) -> None:
    server, token = closed
    body = json.dumps(ANNOTATION).encode()
    head = f"POST /api/annotations HTTP/1.1\nHost: HOST\nContent-Type: application/json\nContent-Length: {len(body)}"
    assert exchange(server.url, f"{head}\nAuthorization: Bearer {token}", body).status == 201
    assert run_flask(dataset, "status")[0] == 0
    status, text = run_flask(dataset, "flush", "--on-conflict", "overwrite")
    assert (status, "Saved" in text) == (0, True)
    assert run_flask(dataset, "flush", env={"COCOANNOT_TOKEN": token})[0] == 0
    wrong = run_flask(dataset, "flush", env={"COCOANNOT_TOKEN": "coa_of-somebody-else"})
    assert wrong[0] == 1
    assert "The token is wrong" in wrong[1]


def test_first_user_closes_a_running_server(dataset: Path, command: Command) -> None:
    with serve_by_gunicorn(dataset) as server:
        assert server.request("GET", "/api/images").status == 200
        command("add", "anna", stdin=PASSWORD)
        assert server.request("GET", "/api/images").status == 401
        assert server.request("POST", "/api/login", {"user": "anna", "password": PASSWORD}).status == 204


def test_damaged_file_stops_the_start_with_one_line(dataset: Path, command: Command, file: Path) -> None:
    command("add", "anna", stdin=PASSWORD)
    file.write_text("")
    for args in ([], OPEN_ADDRESS):
        status, log = refused(dataset, args=args)
        assert status != 0
        assert "Traceback" not in log
        (line,) = [line for line in log.splitlines() if "users.json" in line]
        assert f"{file} is damaged, so nobody is let in" in line


def test_damaged_file_is_a_503_under_flask_run(dataset: Path, command: Command, file: Path) -> None:
    command("add", "anna", stdin=PASSWORD)
    file.write_text("{}")
    with closing(socket.socket()) as probe:
        probe.bind(("127.0.0.1", 0))
        port = probe.getsockname()[1]
    with start(dataset, [*FLASK, "run", "--port", str(port)]) as server:
        server.wait_for_log("Running on")
        for path in ("/api/images", "/api/me"):
            reply = exchange(f"http://127.0.0.1:{port}", f"GET {path} HTTP/1.1\nHost: HOST")
            assert reply.status == 503
            assert "nobody is let in" in reply.json["message"]


def ask_socket(path: Path, headers: str) -> Any:
    with closing(socket.socket(socket.AF_UNIX)) as connection:
        connection.settimeout(20)
        connection.connect(str(path))
        connection.sendall(f"GET /api/me HTTP/1.1\r\nHost: localhost\r\n{headers}\r\n".encode())
        return read_reply(connection)


def test_proxy_s_header_is_believed_over_a_unix_socket_and_not_over_the_network(dataset: Path) -> None:
    path = dataset.parent / "socket"
    env = {"COCOANNOT_PROXIES": "1", "COCOANNOT_USER_HEADER": "X-Forwarded-User"}
    bind = ["--bind", f"unix:{path}", "--bind", "127.0.0.1:0"]
    header = "X-Forwarded-User: anna\r\nX-Forwarded-For: 203.0.113.7\r\n"
    with start(dataset, [*GUNICORN[:1], *bind, "wsgi:app"], env=env) as server:
        server.wait_for_log("Dataset loaded into memory")
        reply = ask_socket(path, header)
        assert (reply.status, reply.json) == (200, {"user": "anna", "role": "annotator", "by": "proxy"})
        assert ask_socket(path, "").status == 401
        forged = exchange(server.url, "GET /api/me HTTP/1.1\nHost: HOST\nX-Forwarded-User: anna\nX-Forwarded-For:")
        assert forged.status == 401
        # gunicorn drops names with an underscore, which would become the same name.
        assert ask_socket(path, "X_Forwarded_User: anna\r\n").status == 401
        assert "COCOANNOT_USER_HEADER is not believed at '127.0.0.1'" in server.log
        assert f"not believed at '{path}'" not in server.log


def test_proxy_s_secret_is_believed_over_the_network(dataset: Path) -> None:
    secret = "secret-of-the-proxy"
    env = {
        "COCOANNOT_PROXIES": "1",
        "COCOANNOT_USER_HEADER": "X-Forwarded-User",
        "COCOANNOT_PROXY_SECRET": secret,
        "COCOANNOT_LOG_LEVEL": "DEBUG",
    }
    with serve_by_gunicorn(dataset, env=env, args=OPEN_ADDRESS) as server:
        head = "GET /api/me HTTP/1.1\nHost: HOST\nX-Forwarded-User: anna"
        assert exchange(server.url, head).status == 401
        assert exchange(server.url, f"{head}\nX-Proxy-Secret: {secret}").json["user"] == "anna"
        # Two of them are one text for an application, which is no secret.
        assert exchange(server.url, f"{head}\nX-Proxy-Secret: x\nX-Proxy-Secret: {secret}").status == 401
        twice = exchange(server.url, f"{head}\nX-Forwarded-User: ben\nX-Proxy-Secret: {secret}")
        assert twice.status == 403
        assert secret not in server.log
