"""Users, for admins."""

from __future__ import annotations

from typing import Any

from flask import Response

from cocoannot.api import people_schemas
from cocoannot.api.blueprint import Blueprint
from cocoannot.api.responses import no_content
from cocoannot.errors import Conflict
from cocoannot.extension import runtime
from cocoannot.people.accounts import Accounts, link_path
from cocoannot.people.directory import User, fold
from cocoannot.people.roles import needs

blueprint = Blueprint("users", __name__, url_prefix="/api/users", description="Who may log in")


@blueprint.route("")
@needs("admin")
@blueprint.response(200, people_schemas.User(many=True))
def list_users() -> list[dict[str, Any]]:
    """List all users, not paged"""
    return [_told(name, user) for name, user in _accounts().users().items()]


@blueprint.route("", methods=["POST"])
@needs("admin")
@blueprint.arguments(people_schemas.NewUser)
@blueprint.response(201, people_schemas.ChangedUser)
@blueprint.errors(400, 409, 413, 415, 429, 503, 507)
def add_user(body: dict[str, Any]) -> dict[str, Any]:
    """Add a user

    409 while there are no users at all: the first one is made by `flask user add`, because from then on everybody has
    to log in.
    """
    if not runtime().people.is_on:
        raise Conflict("there are no users yet; make the first one by `flask user add NAME --role admin`")
    name = _accounts().add(body["name"], body["role"], body.get("password"))
    return _changed(name, body["link"])


@blueprint.route("/<name>", methods=["PATCH"])
@needs("admin")
@blueprint.arguments(people_schemas.UserChanges)
@blueprint.response(200, people_schemas.ChangedUser)
@blueprint.errors(400, 404, 409, 413, 415, 429, 503, 507)
def update_user(body: dict[str, Any], name: str) -> dict[str, Any]:
    """Change a user's role or password, or whether they may log in

    409 where no admin would be left.
    """
    _accounts().user(name)
    _accounts().change(
        name, role=body.get("role"), password=body.get("password"), active=body.get("active"), keep_admin=True
    )
    return _changed(name, body["link"])


@blueprint.route("/<name>", methods=["DELETE"])
@needs("admin")
@blueprint.response(204)
@blueprint.errors(404, 409, 503, 507)
def delete_user(name: str) -> Response:
    """Delete a user, with sessions and tokens; changes keep the name

    409 where no admin would be left. Somebody who gets the same name later is a new user.
    """
    _accounts().user(name)
    _accounts().remove(name, keep_admin=True)
    return no_content()


def _accounts() -> Accounts:
    return runtime().people.accounts


def _changed(name: str, with_link: bool) -> dict[str, Any]:
    user = _accounts().user(name)
    link = {"link": link_path(_accounts().new_link(name))} if with_link else {}
    return {**_told(fold(name), user), **link}


def _told(name: str, user: User) -> dict[str, Any]:
    return {
        "name": name,
        "role": user.role,
        "active": not user.disabled,
        "has_password": user.password is not None,
        "created": user.created,
    }
