"""``ormen doctor``: what is wrong with the cluster, and the fix. Where no deck answers, Redis itself is asked."""

from __future__ import annotations

import os
import re
import time
from typing import Any

import click

from ormen import __version__
from ormen.cli.errors import ended
from ormen.cli.options import Command, common, session_of
from ormen.cli.render import doctor as render
from ormen.cli.session import Session
from ormen.client_errors import Unreachable
from ormen.doctor.finding import Finding, fault, report, warning
from ormen.transport import Request

PATIENCE_S = 20.0
"""How long the deck may take to look at everything: a Redis that is away costs it a few seconds."""


@click.command(cls=Command, examples=["ormen doctor", "ormen doctor -o json | jq '.findings[] | select(.fix)'"])
@common
@click.pass_context
def doctor(ctx: click.Context) -> None:
    """Look at the deck, Redis, the loops, the queues and every node.

    Says what is wrong, with the amount, the place and the fix, and ends with 1
    if there is a fault. Where no deck answers it asks Redis itself, if it is
    known: ORMEN_REDIS_URL, or the cluster of ormen up on this machine.
    """
    session = session_of(ctx)
    found = _examined(session)
    if session.structured:
        session.document(found)
    elif session.output == "name":
        session.data("\n".join(one["code"] for one in found["findings"] if one["level"] != "ok"))
    else:
        session.data(render.findings(found["findings"], session.look(), quiet=session.quiet))
        session.say(render.summary(found))
    if not found["ok"]:
        ended(1)


def _examined(session: Session) -> dict[str, Any]:
    deck = session.transport(timeout=PATIENCE_S)
    began = time.perf_counter()
    try:
        found: dict[str, Any] = deck.send(Request("GET", "/v1/doctor"))
    except Unreachable as away:
        return report([_no_deck(away), *_without_deck()])
    took_ms = (time.perf_counter() - began) * 1000
    first = found["findings"][0]
    first["sentence"] = f"{first['sentence']}, answers in {took_ms:.0f} ms"
    theirs = first["sentence"].partition(",")[0]
    if theirs != __version__:
        found["findings"].insert(1, _other_version(theirs).to_json())
        found["warnings"] += 1
    return found


def _no_deck(away: Unreachable) -> Finding:
    return fault("deck", "DECK_AWAY", away.sentence.rstrip("."), "ormen deck on its host; or say where: -m HOST:PORT")


def _other_version(theirs: str) -> Finding:
    said = f"this command is {__version__}, the deck {theirs}"
    return warning("deck", "VERSIONS", said, "install the same version of ormen on both")


def _without_deck() -> list[Finding]:
    """Return what Redis itself says, if anybody knows where it is."""
    named = os.environ.get("ORMEN_REDIS_URL")
    url = named or _local_redis()
    if url is None:
        fix = "ORMEN_REDIS_URL=redis://:PASSWORD@HOST:6379/0 ormen doctor"
        return [warning("redis", "REDIS_UNKNOWN", "not asked: nobody has said here where it is", fix)]
    from dataclasses import replace

    from ormen.doctor.examine import examine
    from ormen.settings import Settings
    from ormen.store.examining import DoctorStore

    store = DoctorStore.connect(replace(Settings.from_env(), redis_url=url), "doctor")
    try:
        found = examine(store)
        # The Redis of `ormen up` is no service of the system.
        return found if named else [replace(one, fix="ormen up") if one.code == "REDIS_AWAY" else one for one in found]
    finally:
        store.close()


def _local_redis() -> str | None:
    """Return where the Redis of this machine's `ormen up` listens, if there was one."""
    from ormen.local.state import default_folder

    folder = default_folder(os.environ) / "redis"
    try:
        port = re.search(r"^port (\d+)$", (folder / "redis.conf").read_text(), re.MULTILINE)
        password = (folder / "password").read_text().strip()
    except OSError:
        return None
    return f"redis://:{password}@127.0.0.1:{port[1]}/0" if port else None
