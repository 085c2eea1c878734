"""A talk: a conversation with a container through the store, as frames in both directions. Pure.

From the node come `BEGUN`, of a copy `STAT` (JSON: what stands at the path), `OUT` and `ERR` (what was printed), then
one last frame: `EXIT` (the code as text) or `ERROR` (JSON with code and sentence: it did not run, or nobody knows how
it ended). To the node go `DATA` (input), `END` (no more of
it), `SIZE` (``ROWSxCOLUMNS`` of the terminal) and `SIGNAL` (a name). Data travels as base64, since it is any bytes.
"""

from __future__ import annotations

import base64
import binascii
import json
from dataclasses import dataclass
from typing import Any, Self

BEGUN, STAT, OUT, ERR, EXIT, ERROR = "begun", "stat", "out", "err", "exit", "error"
DATA, END, SIZE, SIGNAL = "data", "end", "size", "signal"

LAST = frozenset({EXIT, ERROR})
"""After one of these a talk is over."""

TO_NODE = (DATA, END, SIZE, SIGNAL)
"""What may be told to a talk."""

MOST_FRAME = 64 * 1024
"""Bytes of data in one frame at most."""

WINDOW = 1024 * 1024
"""Bytes that may be on their way and unread, in each direction; beyond it the writer waits."""

READER_S = 15
"""A talk that nobody has read for so long is ended. Longer than a deck takes to be started again."""

POLL_S = 4.0
"""How long one reading of a talk waits for something to come."""


@dataclass(frozen=True, slots=True)
class Frame:
    """One piece of a talk."""

    kind: str
    data: bytes = b""

    @classmethod
    def error(cls, code: str, sentence: str) -> Self:
        """Return the frame that says why there is no exit code."""
        return cls(ERROR, json.dumps({"code": code, "sentence": sentence}).encode())

    @property
    def fault(self) -> tuple[str, str]:
        """Return code and sentence of an `ERROR`."""
        said = json.loads(self.data)
        return str(said["code"]), str(said["sentence"])

    def pack(self) -> str:
        """Return the data as text."""
        return base64.b64encode(self.data).decode()

    def to_json(self) -> dict[str, Any]:
        """Return the frame as it goes over HTTP."""
        return {"kind": self.kind, "data": self.pack()}

    @classmethod
    def read(cls, kind: str, text: str) -> Self:
        """Return the frame of its packed form; raise ValueError for what is no base64."""
        try:
            return cls(kind, base64.b64decode(text, validate=True))
        except binascii.Error as error:
            raise ValueError(str(error)) from error
