"""`flask user`: users made and changed in their file, which a running server reads again at its next request."""

from __future__ import annotations

import sys
from typing import Any

import click
from flask.cli import AppGroup

from cocoannot.cli.output import errors_in_one_line, print_answer
from cocoannot.errors import InvalidRecord
from cocoannot.extension import runtime
from cocoannot.lifecycle import find_dataset
from cocoannot.people.accounts import LINK_DAYS, Accounts, link_path
from cocoannot.people.directory import User, fold
from cocoannot.people.roles import ROLES

_MAX_LINE = 8192

user = AppGroup(
    "user",
    help="""Add and change the users of a dataset.

    The first user turns logging in on: from then on nobody may call without it. The commands work while a server runs,
    and while none does. They never take a password as an argument: it is asked for, or read from the standard input.
    """,
)
_as_json = click.option("--json", "as_json", is_flag=True, help="Print JSON.")
_role = click.Choice(ROLES)
_link = click.option(
    "--link",
    is_flag=True,
    help=f"Instead of asking for a password, print a link to set one: once, in {LINK_DAYS} days.",
)


@user.command("add")
@click.argument("name")
@click.option("--role", type=_role, default="annotator", show_default=True, help="What the user may do.")
@_link
@click.option("--no-password", is_flag=True, help="For a user who has tokens only, or comes through a proxy.")
@_as_json
@errors_in_one_line
def add(name: str, role: str, link: bool, no_password: bool, as_json: bool) -> None:
    """Add a user."""
    find_dataset(runtime().settings)
    first = not _accounts().users()
    password = None if link or no_password else _ask_for_password()
    name = _accounts().add(name, role, password, first=True)
    text = f"Added {name} ({role})"
    text += "\nFrom now on everybody has to log in." if first else ""
    if first and role != "admin":
        text += " There is no admin yet: `flask user role NAME admin` makes one"
    _print(name, text, link, as_json)


@user.command("list")
@_as_json
@errors_in_one_line
def list_users(as_json: bool) -> None:
    """List all users and their tokens."""
    users = _accounts().users()
    answer = [_told(name, each) for name, each in users.items()]
    print_answer(answer, "\n".join(_line(name, each) for name, each in users.items()) or "There are no users", as_json)


@user.command("role")
@click.argument("name")
@click.argument("role", type=_role)
@_as_json
@errors_in_one_line
def change_role(name: str, role: str, as_json: bool) -> None:
    """Give a user another role."""
    _accounts().change(name, role=role)
    _print(name, f"{fold(name)} is {role} now", False, as_json)


@user.command("password")
@click.argument("name")
@_link
@_as_json
@errors_in_one_line
def change_password(name: str, link: bool, as_json: bool) -> None:
    """Set a user's password, which ends the user's sessions."""
    _accounts().user(name)
    if not link:
        _accounts().change(name, password=_ask_for_password())
    _print(name, "" if link else f"Set the password of {fold(name)}; all sessions have ended", link, as_json)


@user.command("token")
@click.argument("name")
@click.option("--label", default="made by a command", show_default=True, help="What the token is for.")
@click.option("--role", type=_role, help="The most that the token allows; by default what the user may do.")
@click.option("--days", type=int, help="How long the token is good; for ever by default.")
@click.option("--revoke", metavar="ID", help="Take a token away, by the id that `list` shows.")
@_as_json
@errors_in_one_line
def change_tokens(name: str, label: str, role: str | None, days: int | None, revoke: str | None, as_json: bool) -> None:
    """Make a personal token for a user, and print it: it can't be shown again."""
    if revoke is not None:
        _accounts().remove_token(name, revoke)
        print_answer({"revoked": revoke}, f"Revoked {revoke}", as_json)
        return
    token, text = _accounts().new_token(name, label, role, days)
    print_answer({"id": token.id, "name": token.name, "token": text}, text, as_json)


@user.command("disable")
@click.argument("name")
@_as_json
@errors_in_one_line
def disable(name: str, as_json: bool) -> None:
    """Let a user log in no more; sessions end, and tokens are removed."""
    _accounts().change(name, active=False)
    _print(name, f"{fold(name)} is disabled; all sessions have ended, all tokens are removed", False, as_json)


@user.command("enable")
@click.argument("name")
@_as_json
@errors_in_one_line
def enable(name: str, as_json: bool) -> None:
    """Let a disabled user log in again."""
    _accounts().change(name, active=True)
    _print(name, f"{fold(name)} is enabled", False, as_json)


def _accounts() -> Accounts:
    return runtime().people.accounts


def _ask_for_password() -> str:
    """Twice from a terminal, without showing it; else the first line of the standard input."""
    if sys.stdin.isatty():
        return str(click.prompt("Password", hide_input=True, confirmation_prompt=True))
    line = sys.stdin.readline(_MAX_LINE).removesuffix("\n").removesuffix("\r")
    if not line:
        raise InvalidRecord({"password": ["is not there; give it on the standard input, or take --link"]})
    return line


def _print(name: str, text: str, with_link: bool, as_json: bool) -> None:
    name = fold(name)
    answer = _told(name, _accounts().user(name))
    if with_link:
        answer["link"] = link_path(_accounts().new_link(name))
        told = f"To set a password, open this at the server's address, once and within {LINK_DAYS} days:"
        text = "\n".join(filter(None, [text, told, answer["link"]]))
    print_answer(answer, text, as_json)


def _told(name: str, told: User) -> dict[str, Any]:
    tokens = [
        {"id": token.id, "name": token.name, "role": token.role, "used": token.used and token.used.isoformat()}
        for token in told.tokens
    ]
    return {
        "name": name,
        "role": told.role,
        "active": not told.disabled,
        "has_password": told.password is not None,
        "created": told.created.isoformat(),
        "tokens": tokens,
    }


def _line(name: str, told: User) -> str:
    text = f"{name}: {told.role}"
    text += ", disabled" if told.disabled else ""
    text += "" if told.password else ", no password"
    for token in told.tokens:
        used = f"used {token.used:%Y-%m-%d}" if token.used else "never used"
        text += f"\n  token {token.id} ({token.name}), {token.role or 'as the user'}, {used}"
    return text
