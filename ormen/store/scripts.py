"""The Lua scripts, one file a verb, loaded once and run by name."""

from __future__ import annotations

import json
from collections.abc import Mapping
from functools import cache
from importlib import resources
from typing import Any

from redis import Redis
from redis.client import Pipeline
from redis.commands.core import Script

VERBS = (
    "adopt",
    "ask",
    "assign",
    "attend",
    "begin",
    "claim",
    "confirm",
    "create",
    "evict",
    "expire",
    "fleet",
    "forget",
    "gather",
    "heartbeat",
    "hook",
    "join",
    "label",
    "leave",
    "look",
    "lose",
    "mark",
    "note",
    "pick",
    "pin",
    "prune",
    "recount",
    "release",
    "remove",
    "report",
    "restart",
    "settle",
    "show",
    "sieve",
    "stall",
    "stop",
    "sweep",
    "synced",
    "take",
    "talk",
    "tell",
    "update",
    "wait",
    "withdraw",
)
"""Every verb; a test compares the list with the files."""

WRITING = ("common", "events")
"""What stands before the text of a verb that writes."""

SHARED = {
    "assign": (*WRITING, "taking", "neighbours"),
    "fleet": ("common",),
    "look": ("common", "whole"),
    "lose": (*WRITING, "ending", "brake"),
    "take": (*WRITING, "whole"),
    **dict.fromkeys(("confirm", "expire", "forget", "prune", "remove", "report", "stop"), (*WRITING, "ending")),
}
"""What stands before a verb's own text, where that is not `WRITING` alone."""

BATCH = 100
"""The most records one script touches, so that no other client waits long for Redis."""


@cache
def source(verb: str) -> str:
    """Return a verb's whole text: what scripts share, then its own, and that its counts are kept at its end."""
    folder = resources.files("ormen.store") / "lua"
    shared, own = (
        "".join((folder / f"{part}.lua").read_text() for part in parts)
        for parts in (SHARED.get(verb, WRITING), (verb,))
    )
    return f"{shared}\nlocal function verb()\n{own}\nend\nlocal reply = verb()\nkeep_counts()\nreturn reply\n"


class Scripts:
    """All verbs on one connection pool."""

    def __init__(self, client: Redis, prefix: str) -> None:
        self._prefix = prefix
        self._scripts: dict[str, Script] = {verb: client.register_script(source(verb)) for verb in VERBS}

    def run(self, verb: str, arguments: Mapping[str, Any], *, pipe: Pipeline | None = None) -> Any:
        """Run one verb; in a pipeline the reply comes with its execution. Numbers are handed over as strings.

        The client library asks before a pipeline's execution whether Redis knows its scripts.
        """
        return self._scripts[verb](keys=[self._prefix], args=[json.dumps(arguments)], client=pipe)

    def trust(self, verb: str, arguments: Mapping[str, Any], *, pipe: Pipeline) -> None:
        """Let a pipeline run one verb that Redis most likely knows; else its reply is a NoScriptError."""
        pipe.evalsha(self._scripts[verb].sha, 1, self._prefix, json.dumps(arguments))
