"""What calls about users, logins and tokens take and answer. Made once, at import."""

from __future__ import annotations

from typing import Any

import marshmallow as ma
from marshmallow import fields, validate

from cocoannot.api.body_schemas import Closed
from cocoannot.people.accounts import MAX_TOKEN_DAYS
from cocoannot.people.directory import MAX_LABEL, MAX_NAME, NAME_RULE
from cocoannot.people.passwords import MAX_PASSWORD, MIN_PASSWORD
from cocoannot.people.roles import ROLES

_MAX_SECRET = 4096


def _password(**options: Any) -> fields.String:
    return fields.String(validate=validate.Length(MIN_PASSWORD, MAX_PASSWORD), **options)


def _role(**options: Any) -> fields.String:
    return fields.String(validate=validate.OneOf(ROLES), **options)


class Login(Closed):
    """A user and a password; or a token, the server's or a personal one."""

    user = fields.String(validate=validate.Length(1, MAX_NAME))
    password = fields.String(validate=validate.Length(1, MAX_PASSWORD))
    token = fields.String(validate=validate.Length(1, _MAX_SECRET))

    @ma.validates_schema
    def _check_that_it_is_one_way(self, data: dict[str, Any], **_: Any) -> None:
        if set(data) not in ({"token"}, {"user", "password"}):
            raise ma.ValidationError("Give a user and a password, or a token.")


class NewPassword(Closed):
    """The secret of a one-time link, and the password to set."""

    link = fields.String(required=True, validate=validate.Length(1, _MAX_SECRET))
    password = _password(required=True)


class NewUser(Closed):
    """A user; without a password one who comes by a link, by a token or through a proxy."""

    name = fields.String(
        required=True,
        # The rules of the layer below say more of it.
        validate=validate.Regexp(rf"^[A-Za-z0-9][A-Za-z0-9._@+-]{{0,{MAX_NAME - 1}}}$", error=NAME_RULE.capitalize()),
        metadata={"description": "compared and kept in lower case"},
    )
    role = _role(load_default="annotator")
    password = _password()
    link = fields.Boolean(
        truthy={True},
        falsy={False},
        load_default=False,
        metadata={"description": "whether to make a link by which the user sets a password, once"},
    )


class UserChanges(Closed):
    """What to change of a user."""

    role = _role()
    active = fields.Boolean(
        truthy={True},
        falsy={False},
        metadata={"description": "false ends the user's sessions and removes the user's tokens"},
    )
    password = _password(metadata={"description": "ends the user's sessions"})
    link = fields.Boolean(
        truthy={True},
        falsy={False},
        load_default=False,
        metadata={"description": "whether to make a link by which the user sets a password, once"},
    )


class NewToken(Closed):
    """A personal token."""

    name = fields.String(
        required=True, validate=validate.Length(1, MAX_LABEL), metadata={"description": "what it is for"}
    )
    role = _role(allow_none=True, metadata={"description": "the most that it allows; your own role by default"})
    days = fields.Integer(
        strict=True,
        allow_none=True,
        validate=validate.Range(1, MAX_TOKEN_DAYS),
        metadata={"description": "how long it is good; for ever by default"},
    )


class Me(ma.Schema):
    user = fields.String(required=True)
    role = _role(required=True)
    by = fields.String(required=True, validate=validate.OneOf(["password", "token", "proxy", "none"]))


class User(ma.Schema):
    name = fields.String(required=True)
    role = _role(required=True)
    active = fields.Boolean(required=True)
    has_password = fields.Boolean(required=True)
    created = fields.DateTime(required=True)


class ChangedUser(User):
    link = fields.String(metadata={"description": "the path of the link, where one was asked for; shown once"})


class Token(ma.Schema):
    id = fields.String(required=True)
    name = fields.String(required=True)
    role = _role(required=True, allow_none=True, metadata={"description": "null: as the user has it"})
    created = fields.DateTime(required=True)
    expires = fields.DateTime(required=True, allow_none=True)
    used = fields.DateTime(
        required=True, allow_none=True, metadata={"description": "the last time, to within ten minutes"}
    )


class CreatedToken(Token):
    token = fields.String(required=True, metadata={"description": "the token itself; shown once"})
