"""Query strings and small bodies: strict, and every fault of one told at once."""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping, Sequence
from datetime import UTC, datetime
from typing import Any

from marshmallow import Schema, ValidationError, fields

from ormen import fields as read
from ormen.errors import InvalidSpec
from ormen.node_labels import key_trouble, value_trouble
from ormen.strict import Leaf, Strict, flatten
from ormen.task import State
from ormen.units import UnitError, parse_duration

LONGEST_WAIT_S = 300.0
"""The longest wait that one request gets; ask again for more."""

FLAGS: Mapping[str, bool] = {"1": True, "true": True, "yes": True, "0": False, "false": False, "no": False}
FLAG = {"type": "string", "enum": ["1", "0"], "default": "0"}
TEXT = {"type": "string", "minLength": 1}
WAIT = {"type": "string", "description": "at most 300 seconds", "default": "60", "examples": ["1m30s"]}
SINCE = {"type": "string", "description": "a time, or how long ago", "examples": ["10m", "2026-11-21T10:02:11Z"]}
SELECTOR = re.compile(r"[^\s=!<>~,()]+(!?=.*)?", re.DOTALL)
WHOLE = re.compile(r"-?\d{1,18}", re.ASCII)


KINDS = ("images", "volumes", "orphans")
"""What a node can be asked to give up."""


class Param(fields.Raw):
    """A query parameter that `reader` reads from its text (from a list of texts if `many`); `doc` is its schema."""

    def __init__(
        self, reader: Callable[[Any], Any], doc: Mapping[str, Any], *, default: object = None, many: bool = False
    ) -> None:
        # A callable default is not documented, and leaves null out of the parameter's type.
        super().__init__(load_default=lambda: default, metadata=dict(doc))
        self.reader = reader
        self.is_multiple = many

    def _deserialize(self, value: Any, attr: str | None, data: Mapping[str, Any] | None, **kwargs: Any) -> Any:
        return self.reader(value)


def flag(value: str) -> bool:
    """Read ``1`` or ``0``; also true, yes, false, no."""
    if value.lower() not in FLAGS:
        raise read.bad("NOT_A_CHOICE", "is neither 1 nor 0", value)
    return FLAGS[value.lower()]


def word(value: str) -> str:
    """Read any text that is not empty."""
    return read.text(value, most=500, empty=False)


def whole(low: int, high: int) -> Callable[[str], int]:
    """Return a reader of whole numbers from `low` to `high`."""

    def reader(value: str) -> int:
        if not WHOLE.fullmatch(value):
            raise read.bad("WRONG_TYPE", "is no whole number", value)
        if not low <= int(value) <= high:
            raise read.bad("OUT_OF_RANGE", f"{value} is not between {low} and {high}", value)
        return int(value)

    return reader


def selector(value: str) -> str:
    """Read ``k=v``, ``k!=v`` or ``k``."""
    if not SELECTOR.fullmatch(word(value)):
        raise read.bad("MALFORMED", f'"{value[:60]}" selects by no label', value, hint="write k=v, k!=v or k")
    return value


def words(each: Callable[[str], str]) -> Callable[[Sequence[str]], tuple[str, ...]]:
    """Return a reader of several words: the parameter repeated, or a comma list, or both."""

    def reader(given: Sequence[str]) -> tuple[str, ...]:
        return tuple(each(part) for item in given for part in item.split(",") if part)

    return reader


def seconds(value: str) -> float:
    """Read a duration: a number of seconds or ``1m30s``, at most the longest wait."""
    found = _duration(value)
    if found > LONGEST_WAIT_S:
        raise read.bad("OUT_OF_RANGE", f"{value} is more than {LONGEST_WAIT_S:g} seconds", value)
    return found


def since(value: str) -> tuple[str, float]:
    """Read a moment as ``("at", epoch s)`` of an RFC 3339 time, or ``("ago", s)`` of a duration."""
    if not re.match(r"\d{4}-", value, re.ASCII):
        return "ago", _duration(value)
    try:
        # A plus sign that was sent unescaped has become a space.
        moment = datetime.fromisoformat(value.replace(" ", "+"))
        return "at", (moment if moment.tzinfo else moment.replace(tzinfo=UTC)).timestamp()
    except (ValueError, OverflowError):
        hint = "such as 2026-11-21T10:02:11Z, or 10m for ten minutes ago"
        raise read.bad("MALFORMED", "is no RFC 3339 time", value, hint=hint) from None


def _duration(value: str) -> float:
    try:
        return parse_duration(value)
    except UnitError as error:
        raise read.bad(error.code, str(error), value, hint=error.hint) from None


class WaitQuery(Strict):
    """How long to wait for a change to be so."""

    wait = Param(flag, FLAG, default=False)
    timeout = Param(seconds, WAIT, default=60.0)


class SubmitQuery(Strict):
    """Whether a submission is answered only once its tasks run."""

    wait = Param(read.choice(["running"]), {"type": "string", "enum": ["running"]})
    timeout = Param(seconds, WAIT, default=60.0)


class PageQuery(Strict):
    """One page of a list."""

    limit = Param(whole(1, 1000), {"type": "integer", "minimum": 1, "maximum": 1000, "default": 100}, default=100)
    cursor = Param(word, TEXT | {"description": "`next` of the page before"})


class TasksQuery(PageQuery):
    """Which tasks."""

    state = Param(words(read.choice([*State])), {"type": "array", "items": {"enum": [*State]}}, default=(), many=True)
    node = Param(word, TEXT)
    name = Param(word, TEXT)
    label = Param(
        words(selector),
        {"type": "array", "items": {"type": "string"}, "description": "`k=v`, `k!=v` or `k`; all must hold"},
        default=(),
        many=True,
    )


class WhyQuery(Strict):
    """Which nodes are told, and how fully."""

    node = Param(word, {**TEXT, "description": "say why the task is not on this node"})
    all = Param(flag, {**FLAG, "description": "tell every node in full, however many there are"}, default=False)


class EventsQuery(PageQuery):
    """Which events, and whether to stay for those to come."""

    follow = Param(flag, FLAG, default=False)
    task = Param(word, TEXT | {"description": "name, id, or beginning of an id"})
    node = Param(word, TEXT)
    since = Param(since, SINCE)


class LogsQuery(Strict):
    """Which part of a log, and whether to stay for more."""

    tail = Param(whole(0, 1_000_000), {"type": "integer", "minimum": 0, "maximum": 1_000_000})
    follow = Param(flag, FLAG, default=False)
    until = Param(since, SINCE)
    since = Param(since, SINCE)
    timestamps = Param(flag, FLAG, default=False)
    attempt = Param(
        whole(1, 1_000_000),
        {"type": "integer", "minimum": 1, "maximum": 1_000_000, "description": "null: the latest"},
    )
    format = Param(
        read.choice(["text", "json"]),
        {"type": "string", "enum": ["text", "json"], "default": "text"},
        default="text",
    )


class StatsQuery(Strict):
    """Of which tasks the use is asked: of those named, of a node's, or of all."""

    task = Param(
        words(word),
        {"type": "array", "items": {"type": "string"}, "description": "name, id, or beginning of an id"},
        default=(),
        many=True,
    )
    node = Param(word, TEXT)


class RemoveQuery(WaitQuery):
    """Whether a task that has not ended is stopped first, and how long to wait until its container is gone."""

    force = Param(flag, FLAG, default=False)


class MarkBody(Strict):
    """Why a node is marked, and by whom."""

    reason = Leaf(lambda value: read.text(value, most=500), {"type": "string", "maxLength": 500})
    by = Leaf(lambda value: read.text(value, most=100), {"type": "string", "maxLength": 100})


def read_boolean(value: object) -> bool:
    """Read true or false."""
    if not isinstance(value, bool):
        raise read.bad("WRONG_TYPE", f"must be true or false, not {read.kind(value)}", value)
    return value


class PruneBody(Strict):
    """What is to go beside ended tasks, and how long ago those have ended."""

    older_than = Leaf(
        read.duration(0, 31_622_400, "0 to 366 days"),
        {"anyOf": [{"type": "string"}, {"type": "number"}], "description": "a duration; null: 0", "examples": ["24h"]},
    )
    kinds = Leaf(
        read.each(read.choice(KINDS), most=len(KINDS)),
        {"type": "array", "items": {"type": "string", "enum": list(KINDS)}, "uniqueItems": True},
    )
    dry_run = Leaf(read_boolean, {"type": "boolean", "description": "only say what would go"})


def node_label_key(value: object) -> str:
    """Read a key that a constraint can name."""
    key = read.label_key(value)
    if trouble := key_trouble(key):
        raise read.bad("MALFORMED", f'"{key}" {trouble}', value)
    return key


def node_label_value(value: object) -> str:
    """Read a value that a constraint can name."""
    found = read.text(value, most=200)
    if trouble := value_trouble(found):
        raise read.bad("MALFORMED", f'"{found}" {trouble}', value)
    return found


def node_labels(value: object) -> dict[str, str | None]:
    """Read labels to set; null removes one."""
    if not isinstance(value, dict):
        raise read.bad("WRONG_TYPE", f"must be an object, not {read.kind(value)}", value)
    kept = {key: text for key, text in value.items() if text is not None}
    read_all = read.mapping(node_label_key, node_label_value, most_bytes=16_384)
    return {**read_all(kept), **{read.label_key(key): None for key, text in value.items() if text is None}}


class NodePatch(Strict):
    """What to change of a node: labels to set; null removes one."""

    labels = Leaf(node_labels, {"type": "object", "additionalProperties": {"type": ["string", "null"]}}, required=True)


def load_body(schema: Schema, body: object) -> dict[str, Any]:
    """Return `body` as `schema` reads it; raise InvalidSpec with every fault."""
    try:
        loaded: dict[str, Any] = schema.load(body)  # type: ignore[arg-type]
    except ValidationError as error:
        raise InvalidSpec(tuple(flatten(error.messages))) from error
    return loaded
