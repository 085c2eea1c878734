"""For each reason code its page and its remedies. What a placement lacks has remedies of its own, with amounts."""

from __future__ import annotations

from collections.abc import Mapping

from ormen.reasons import Code
from ormen.registries import registry_of
from ormen.why.case import Case, Fix

Remedy = tuple[str, str | None]
"""A sentence, and the command that does it, if one command does; both with {name}, {node}, {image}, {registry}."""

FIXES: Mapping[Code, tuple[Remedy, ...]] = {
    Code.NODE_SUSPECT: (("look whether {node} and its way to Redis are well", None),),
    Code.PULL_NOT_FOUND: (("check the name {image}; then ormen rm {name} and run it again", None),),
    Code.PULL_AUTH: (("run docker login {registry} on {node}", None),),
    Code.PULL_ARCH: (("ormen rm {name}, then run an image that is built for its nodes", None),),
    Code.PULL_RATE_LIMIT: (("run docker login {registry} on {node}: known users may pull more", None),),
    Code.PULL_STALLED: (("look at the way from {node} to {registry}", None),),
    Code.PULL_UNREACHABLE: (("see that {node} reaches {registry}: name service, proxy, firewall", None),),
    Code.PORT_IN_USE: (("end what holds the port, or publish any free one instead: -p {container}", None),),
    Code.NAME_TAKEN: (("remove that container on {node}: docker rm {container_name}", None),),
    Code.DISK_FULL: (("remove what nothing needs", "ormen prune --images"),),
    Code.COMMAND_NOT_FOUND: (("ormen rm {name}, then run it with a command that its image has", None),),
    Code.CREATE_REFUSED: (("ormen rm {name}, then run it with what Docker on {node} takes", None),),
    Code.POLICY: (("have an admin allow it in the deck's policy", None),),
    Code.EXIT: (("its lines are kept: ormen logs {name}", None),),
    Code.OOM: (("ormen rm --force {name}, then run it with more --memory", None),),
    Code.STOPPED: (("start it again", "ormen restart {name}"),),
    Code.STOPPED_UNSEEN: (("bring {node} back: its agent then removes the container", None),),
    Code.DEADLINE_WAIT: (("try again for as long", "ormen retry {name}"),),
    Code.DEADLINE_RUN: (("try again for as long", "ormen retry {name}"),),
    Code.CLUSTER_DOWN: (("start its node again: ormen up, or the agent of {node}", None),),
    Code.ENGINE_DOWN: (("start Docker on {node}", None),),
    Code.ENGINE_HUNG: (("restart Docker on {node}", None),),
    Code.ENGINE_DENIED: (("let the agent's user on {node} into the group docker, and start the agent again", None),),
    Code.START_STALLED: (("look at the log of the agent on {node}", None),),
    Code.BRAKE: (("let what waits be moved", "ormen mast release"),),
    Code.STORE_UNAVAILABLE: (("bring Redis back; containers run on meanwhile", None),),
}
"""In the order of `Code`. Of others ormen sees to it by itself, or the finding has remedies of its own."""


def page(code: Code | None) -> str | None:
    """Return the page that explains a code."""
    return f"docs/reasons/{code.value}.md" if code else None


def fixes(code: Code | None, case: Case, *, node: str | None = None) -> tuple[Fix, ...]:
    """Return the remedies of a code, worded for the task; `node` is where it happened, else the latest attempt's."""
    if code is None:
        return ()
    words = _words(case, node)
    return tuple(
        Fix(sentence.format(**words), command.format(**words) if command else None)
        for sentence, command in FIXES.get(code, ())
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
    return {
        "name": case.task.name,
        "node": node or case.task.node or "its node",
        "image": case.spec.image,
        "registry": registry_of(case.spec.image),
        "container": str(fixed.container) if fixed else "PORT",
        "container_name": case.task.container_name,
    }
