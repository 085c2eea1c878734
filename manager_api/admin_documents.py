"""The documents and bodies of what an admin does: tokens. OpenAPI is made from them."""

from __future__ import annotations

import re

import marshmallow as ma
from marshmallow import fields

from manager_api.documents import moment, text
from ormen import fields as read
from ormen.strict import Leaf, Strict
from ormen.tokens import NAME, Role


class TokenDocument(ma.Schema):
    """An access token; its secret is told once, when it is made."""

    name = text("who holds it")
    role = fields.String(required=True, metadata={"enum": [*Role]})
    created_at = moment("when it was made", null=False)
    expires_at = moment("when it stops being taken; null: never")
    last_used_at = moment("to the minute")
    by = text("whose token made it; null: the deck's own", null=True)


class NewTokenDocument(TokenDocument):
    """A token that was just made."""

    token = text("the secret: only here and only now")
    in_force = fields.Boolean(required=True, metadata={"description": "false: this deck asks nobody for a token"})


class TokenPage(ma.Schema):
    """Every token, by name."""

    items = fields.List(fields.Nested(TokenDocument), required=True)
    next = text(null=True)


def token_name(value: object) -> str:
    """Read a token's name."""
    name = read.text(value, most=63, empty=False)
    if not re.fullmatch(NAME, name):
        rule = "letters, digits and _ . @ -, first a letter or digit, at most 63"
        raise read.bad("MALFORMED", f'"{name}" is no name of a token: {rule}', value)
    return name


class TokenBody(Strict):
    """A token to be made."""

    name = Leaf(token_name, {"type": "string", "pattern": f"^{NAME}$"}, required=True)
    role = Leaf(read.choice([*Role]), {"type": "string", "enum": [*Role], "default": "read"})
    expires_in = Leaf(
        read.duration(1, 31_622_400, "1 second to 366 days"),
        {"anyOf": [{"type": "string"}, {"type": "number"}], "description": "a duration; null: never"},
    )
