"""The documents and bodies of what an admin does: tokens, logins of registries. OpenAPI is made from them."""

from __future__ import annotations

import re

import marshmallow as ma
from marshmallow import fields

from manager_api.documents import moment, text, whole
from ormen import fields as read
from ormen.doctor.finding import Level
from ormen.registries import canonical
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


class LoginDocument(ma.Schema):
    """A login of a registry; its password is never told."""

    host = text("the registry, as images name it", examples=["registry.example.com:5000", "docker.io"])
    username = text()
    changed_at = moment("when it was kept", null=False)
    by = text("whose token kept it; null: the deck's own", null=True)
    sealed = fields.Boolean(
        required=True, metadata={"description": "whether its password is sealed in Redis (ORMEN_SECRET_FILE)"}
    )


class CheckDocument(ma.Schema):
    """Whether the registry takes a login."""

    node = text("which node asked the registry; null: none did", null=True)
    ok = fields.Boolean(required=True)
    sentence = text("why it is not known", null=True)


class NewLoginDocument(LoginDocument):
    """A login that was just kept."""

    checked = fields.Nested(CheckDocument, required=True)


class LoginPage(ma.Schema):
    """Every login, by registry."""

    items = fields.List(fields.Nested(LoginDocument), required=True)
    next = text(null=True)


def registry_host(value: object) -> str:
    """Read the address of a registry, as images name it."""
    try:
        return canonical(read.text(value, most=500, empty=False))
    except ValueError as error:
        raise read.bad("MALFORMED", str(error)) from None


def user_name(value: object) -> str:
    """Read a user's name: a colon would end it where it is sent."""
    name = read.text(value, most=255, empty=False)
    if ":" in name or not name.isprintable():
        raise read.bad("MALFORMED", "a user name has no colon and no control characters")
    return name


def pass_word(value: object) -> str:
    """Read a password, or a token in its place."""
    return read.text(value, most=64 * 1024, empty=False)


def yes_or_no(value: object) -> bool:
    """Read true or false."""
    if not isinstance(value, bool):
        raise read.bad("WRONG_TYPE", f"must be true or false, not {read.kind(value)}", value)
    return value


class LoginBody(Strict):
    """A login to be kept."""

    host = Leaf(registry_host, {"type": "string"}, required=True)
    username = Leaf(user_name, {"type": "string"}, required=True)
    password = Leaf(pass_word, {"type": "string", "format": "password"}, required=True)
    check = Leaf(yes_or_no, {"type": "boolean", "default": True, "description": "have a node ask the registry first"})


class FindingDocument(ma.Schema):
    """One thing that is in order, or wrong."""

    level = fields.String(required=True, metadata={"enum": [*Level]})
    place = text("deck, redis, loops, nodes, or the name of a node")
    code = text("a stable code; OK for what is in order", examples=["REDIS_AOF_OFF"])
    sentence = text("what it is, with its amounts")
    fix = text("what to do, as a command where there is one", null=True)


class DoctorDocument(ma.Schema):
    """What was found, and how many of each level."""

    ok = fields.Boolean(required=True, metadata={"description": "whether no fault was found"})
    faults = whole()
    warnings = whole()
    in_order = whole()
    findings = fields.List(fields.Nested(FindingDocument), required=True)
