"""What is asked of talks, and what is answered: the bodies of `manager_api.routes.talks`."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from signal import Signals
from typing import Any

import marshmallow as ma
from marshmallow import fields

from manager_api.documents import text, whole
from manager_api.queries import Param, read_boolean
from manager_api.queries import whole as whole_number
from ormen import container_fields as container
from ormen import fields as read
from ormen.errors import Fault
from ormen.strict import TEXT, TEXTS, Leaf, Strict
from ormen.talk import MOST_FRAME, SIGNAL, SIZE, TO_NODE, Frame

MOST_FRAMES = 64
"""Frames that one request may tell."""

BOOLEAN = {"type": "boolean"}
MOST_SIDE = 10_000
"""Rows or columns of a terminal."""


def _argument(value: object) -> str:
    return read.text(value)


class ExecBody(Strict):
    """A command to run in a task's container. With a terminal (`tty`) both outputs are one."""

    id = Leaf(
        read.task_id, TEXT | {"format": "uuid", "description": "repeating a request with its id runs nothing twice"}
    )
    command = Leaf(read.each(_argument, most=1000), TEXTS | {"minItems": 1}, required=True)
    tty = Leaf(read_boolean, BOOLEAN)
    stdin = Leaf(read_boolean, BOOLEAN | {"description": "whether input will be told"})
    env = Leaf(
        read.mapping(read.env_name, read.env_value, most_bytes=131_072),
        {"type": "object", "additionalProperties": {"type": ["string", "number"]}},
    )
    user = Leaf(container.user, TEXT)
    workdir = Leaf(container.workdir, TEXT)

    def conflicts(self, found: Mapping[str, Any], sent: Mapping[str, Any]) -> Iterator[Fault]:
        """Yield a command that is empty."""
        if "command" in found and not (found["command"] and found["command"][0]):
            yield Fault(
                ("command",), "MALFORMED", "a command begins with a program", None, 'such as ["sh", "-c", "date"]'
            )


class ArchiveBody(Strict):
    """A path in the container, and whether a tar goes in or out."""

    id = Leaf(read.task_id, TEXT | {"format": "uuid"})
    path = Leaf(container.workdir, TEXT | {"description": "absolute", "examples": ["/etc/nginx"]}, required=True)
    direction = Leaf(read.choice(("in", "out")), {"type": "string", "enum": ["in", "out"]}, required=True)


class AttachBody(Strict):
    """An id, so that repeating the request attaches once."""

    id = Leaf(read.task_id, TEXT | {"format": "uuid"})


def read_frame(value: object) -> Frame:
    """Read one frame of input."""
    if not isinstance(value, Mapping):
        raise read.bad("WRONG_TYPE", f"must be an object, not {read.kind(value)}", value)
    kind = read.choice(TO_NODE)(value.get("kind"))
    data = value.get("data")
    try:
        frame = Frame.read(kind, "" if data is None else read.text(data, most=MOST_FRAME * 2))
    except ValueError:
        raise read.bad("MALFORMED", "data is no base64", data) from None
    if kind == SIZE:
        _check_size(frame)
    if kind == SIGNAL:
        return Frame(SIGNAL, _signal(frame.data.decode(errors="replace")).encode())
    if len(frame.data) > MOST_FRAME:
        raise read.bad("TOO_LONG", f"has {len(frame.data)} bytes; the most is {MOST_FRAME}")
    return frame


def _check_size(frame: Frame) -> None:
    """Raise for what is no size of a terminal."""
    said = frame.data.decode(errors="replace")
    sides = said.split("x")
    if len(sides) != 2 or not all(side.isascii() and side.isdigit() and 0 < int(side) <= MOST_SIDE for side in sides):
        raise read.bad("MALFORMED", f'"{said[:20]}" is no size of a terminal', said[:20], hint="write it as 24x80")


def _signal(said: str) -> str:
    """Return the name of a signal that is written as Docker takes it: SIGTERM, TERM or 15."""
    word = container.signal(said)
    known = {signal.name for signal in Signals} | {str(int(signal)) for signal in Signals}
    if word not in known:
        raise read.bad("NOT_A_CHOICE", f"{word} cannot be sent to a talk", word, hint="such as SIGTERM")
    return Signals(int(word)).name if word.isdigit() else word


class InputBody(Strict):
    """What is told to a talk, in order: `seq` is the number of the first frame, counted from 0."""

    seq = Leaf(read.whole(0, 2**53, "a frame's number"), {"type": "integer", "minimum": 0}, required=True)
    frames = Leaf(
        read.each(read_frame, most=MOST_FRAMES),
        {
            "type": "array",
            "maxItems": MOST_FRAMES,
            "items": {
                "type": "object",
                "required": ["kind"],
                "additionalProperties": False,
                "properties": {"kind": {"enum": list(TO_NODE)}, "data": {"type": "string", "format": "byte"}},
            },
        },
        required=True,
    )


class OutputQuery(Strict):
    """From where on a talk is read."""

    after = Param(
        lambda value: _frame_id(value),
        {"type": "string", "pattern": "^[0-9]+-[0-9]+$", "description": "`next` of the answer before"},
        default="0-0",
    )
    wait = Param(
        whole_number(0, 10), {"type": "integer", "minimum": 0, "maximum": 10, "description": "seconds"}, default=4
    )


def _frame_id(value: str) -> str:
    at, dash, number = value.partition("-")
    if not (dash and at.isascii() and at.isdigit() and number.isascii() and number.isdigit() and len(value) <= 40):
        raise read.bad("MALFORMED", f'"{value[:40]}" is no id of a frame', value, hint="such as 1795255335791-0")
    return value


class TalkDocument(ma.Schema):
    """A talk that an agent has begun."""

    id = text(format="uuid")
    task = text("id of the task")
    node = text()
    attempt = whole()
    kind = text(enum=["exec", "attach", "copy"])


class FrameDocument(ma.Schema):
    """One piece of what came."""

    kind = text("`out`, `err`, `begun`, `stat`; `exit` (the code) or `error` (why there is none) is the last")
    data = text("base64", format="byte")


class OutputDocument(ma.Schema):
    """What came, and whether that was all."""

    frames = fields.List(fields.Nested(FrameDocument), required=True)
    next = text("what the next request gives as `after`; up to it all is known to be read, and forgotten")
    ended = fields.Boolean(required=True)


class ToldDocument(ma.Schema):
    """How far input was taken."""

    next = whole("the number of the frame that is due; still `seq` where the container takes no more just now")
