"""For each reason code its page and its remedies. What a placement lacks has remedies of its own, with amounts.

What is true of every case of a code stands in `ormen.meanings`; here it is worded for one task.
"""

from __future__ import annotations

import re
from collections.abc import Mapping

from ormen import meanings
from ormen.reasons import Code
from ormen.registries import registry_of
from ormen.why.case import Case, Fix

Remedy = tuple[str, str | None]
"""A sentence, and the command that does it, if one command does; both with {name}, {node}, {container}."""

FIXES: Mapping[Code, tuple[Remedy, ...]] = {
    Code.PORT_IN_USE: (("publish any free port instead: -p {container}", None),),
    Code.NAME_TAKEN: (("remove that container on {node}: docker rm {container_name}", None),),
    Code.DISK_FULL: (("remove what nothing needs", "ormen prune --images"),),
    Code.STOPPED: (("start it again", "ormen restart {name}"),),
    Code.RESTARTED: (),
    Code.CLUSTER_DOWN: (("start its node again: ormen up, or the agent of {node}", None),),
    Code.ENGINE_DOWN: (("start Docker on {node}", None),),
    Code.ENGINE_HUNG: (("look at Docker's log on {node}, and restart it if it does not recover", None),),
    Code.ENGINE_DENIED: (("let the agent's user on {node} into the group docker, and start the agent again", None),),
    Code.NODE_SUSPECT: (("look whether {node} and its way to Redis are well", None),),
    Code.NODE_LOST: (("bring {node} back, or forget it: ormen mast rm {node}", None),),
    Code.START_STALLED: (("look at the log of the agent on {node}", None),),
    Code.BRAKE: (("let what waits be moved", "ormen mast release"),),
}
"""Remedies that name more of the case than a code's general hint can; all others are that hint."""

_PLACES = re.compile(r"\b(TASK|NODE|HOST)\b")


def page(code: Code | None) -> str | None:
    """Return the page that explains a code."""
    return meanings.page(code) if code else None


def fixes(code: Code | None, case: Case, *, node: str | None = None) -> tuple[Fix, ...]:
    """Return the remedies of a code, worded for the task; `node` is where it happened, else the latest attempt's."""
    if code is None:
        return ()
    words = _words(case, node)
    if code not in FIXES:
        return (Fix(_PLACES.sub(lambda found: words[found[1]], meanings.MEANINGS[code].hint)),)
    return tuple(
        Fix(sentence.format(**words), command.format(**words) if command else None) for sentence, command in FIXES[code]
    )


def retry(case: Case) -> tuple[Fix, ...]:
    """Return the remedy that only saves the wait, where the next try is still to come."""
    task = case.task
    if task.next_try_ms is None or task.next_try_ms <= case.now_ms:
        return ()
    return (Fix("at once", f"ormen retry {task.name}", kind="retry"),)


def _words(case: Case, node: str | None) -> dict[str, str]:
    ports = case.spec.ports
    fixed = next((port for port in ports if port.host is not None), ports[0] if ports else None)
    place = node or case.task.node or "its node"
    return {
        "name": case.task.name,
        "node": place,
        "container": str(fixed.container) if fixed else "PORT",
        "container_name": case.task.container_name,
        "TASK": case.task.name,
        "NODE": place,
        "HOST": registry_of(case.spec.image),
    }
