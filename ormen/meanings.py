"""What each reason code means in general, and the remedy: the words of pages and tables.

A reason's own sentence has the amounts and names of one case; this table has what is true of every case. `page`
is where the whole of it is told: how ormen knows, what happens next by itself, what to do, an example.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from types import MappingProxyType

from ormen.reasons import Code


@dataclass(frozen=True, slots=True)
class Meaning:
    """`says` is one sentence; `hint` the remedy as an order, without a full stop, perhaps with a command at its end."""

    says: str
    hint: str


_PLACEMENT = {
    Code.FIT_CPU: Meaning(
        "No node that may take the task has as many cores free as it asks for.",
        "ask fewer cores with --cpus, stop something, or add a node",
    ),
    Code.FIT_MEMORY: Meaning(
        "No node that may take the task has as much memory free as it asks for.",
        "ask less with --memory, stop something, or add a node",
    ),
    Code.FIT_DISK: Meaning(
        "No node that may take the task has as much disk free as it asks for.",
        "ask less with --disk, remove what holds a reservation, or add a node",
    ),
    Code.FIT_GPU: Meaning(
        "No node that may take the task has as many GPUs free as it asks for, or those that it names.",
        "ask fewer with --gpus, stop what has them, or add a node",
    ),
    Code.FIT_PORT: Meaning(
        "A host port that the task names is held by another task on every node that may take it.",
        "let ormen choose the host port (-p 80), or stop the task that has it",
    ),
    Code.CONSTRAINT: Meaning(
        "No node meets the task's constraints.",
        "correct the constraint, or label a node: ormen mast label NODE KEY=VALUE",
    ),
    Code.VOLUME_ELSEWHERE: Meaning(
        "The task's volume is on a node that it may not or cannot use any more.",
        "bring that node back, or give the data up: remove the task and run it anew",
    ),
    Code.MAX_PER_NODE: Meaning(
        "Each node that the task could use has as many tasks of its group as max_per_node allows.",
        "add a node, or let more be on one with --max-per-node",
    ),
    Code.NEAR: Meaning(
        "The task is to be near another, and no node that it could use has that one.",
        "start the task that it is to be near to, or make room on that node",
    ),
    Code.FAR: Meaning(
        "Each node that the task could use has one that it is to be far from, or that is to be far from it.",
        "add a node, or stop the other task",
    ),
    Code.NODE_CORDONED: Meaning(
        "Each node that the task could use takes no new tasks, since somebody cordoned it.",
        "let it take tasks again: ormen mast activate NODE",
    ),
    Code.NODE_DRAINING: Meaning(
        "The node is being drained: it takes no new tasks, and those it has move away.",
        "let it take tasks again: ormen mast activate NODE",
    ),
    Code.NODE_SUSPECT: Meaning(
        "The node's agent has not spoken for a while, so nothing new is given to it.",
        "look at that host: its agent, its network, its clock",
    ),
    Code.NO_NODES: Meaning(
        "No node has joined the cluster, so there is nowhere to run anything.",
        "start an agent on a host: ormen sailor",
    ),
}

_REFUSALS = {
    Code.PULL_NOT_FOUND: Meaning(
        "The registry has no such image, or hides it from this node.",
        "check the image's name and tag, or log in to its registry: ormen registry login HOST",
    ),
    Code.PULL_AUTH: Meaning(
        "The registry gives the image only to who is logged in, or refuses the login.",
        "log in to the registry, once for all nodes: ormen registry login HOST",
    ),
    Code.PULL_ARCH: Meaning(
        "The image is not made for this node's kind of processor or system.",
        "use an image that is, or keep the task to nodes that fit: --constraint arch=amd64",
    ),
    Code.PULL_RATE_LIMIT: Meaning(
        "The registry says that this node pulls too often.",
        "wait, or log in to the registry for a higher limit: ormen registry login HOST",
    ),
    Code.PULL_STALLED: Meaning(
        "The download of the image stopped coming, and was given up.",
        "look at the node's line to the registry; what was received whole is kept",
    ),
    Code.PULL_UNREACHABLE: Meaning(
        "The node could not ask the registry: no address, no connection, or no sound answer.",
        "check the registry's name, and the node's network, proxy and certificates",
    ),
    Code.PORT_IN_USE: Meaning(
        "Something outside ormen holds the host port on that node, or the node has no such address.",
        "end what holds it, or let ormen choose the host port (-p 80)",
    ),
    Code.NAME_TAKEN: Meaning(
        "The name is taken: by a living task, or on a node by a container that is not the task's.",
        "choose another name, or remove what has it",
    ),
    Code.DISK_FULL: Meaning(
        "The disk of the node's Docker is full.",
        "free room there: ormen prune --images, or docker system df shows what takes it",
    ),
    Code.COMMAND_NOT_FOUND: Meaning(
        "The command of the task cannot be run in its image: it is missing, or is no program.",
        "correct command or entrypoint, or use an image that has the program",
    ),
    Code.CREATE_REFUSED: Meaning(
        "Docker on the node refuses the container as it was asked for.",
        "change what the sentence names in the spec",
    ),
    Code.NODE_LACKS: Meaning(
        "The node lacks something that the task asks for and that another node may have.",
        "provide it on the node, such as: docker network create NAME",
    ),
    Code.POLICY: Meaning(
        "The deck's policy does not allow what the task asks.",
        "ask less, or let an admin change the policy file of the deck",
    ),
}

_ENDS = {
    Code.EXIT: Meaning(
        "The program ended by itself, with the exit code that the sentence names.",
        "read what it printed last: ormen logs TASK",
    ),
    Code.OOM: Meaning(
        "The kernel killed the program because it used more memory than it may.",
        "give it more with --memory, or let it use less",
    ),
    Code.INTERRUPTED: Meaning(
        "Somebody else ended the container, neither the program itself nor ormen.",
        "find out who ends containers on that node; to stop a task say: ormen stop TASK",
    ),
    Code.STOPPED: Meaning(
        "The task was stopped because somebody asked for it.",
        "start it again: ormen restart TASK",
    ),
    Code.STOPPED_UNSEEN: Meaning(
        "The task was to be stopped, and its node is lost, so nobody saw its container end.",
        "look at the lost node; its container goes when the node is back",
    ),
    Code.HEALTH_HTTP: Meaning(
        "The health check over HTTP failed too often in a row.",
        "see what the program says: ormen logs TASK; or give the check more time",
    ),
    Code.HEALTH_TCP: Meaning(
        "The port of the health check took no connection too often in a row.",
        "check that the program listens on that port at 0.0.0.0, or give the check more time",
    ),
    Code.HEALTH_COMMAND: Meaning(
        "The command of the health check failed too often in a row.",
        "run it by hand in the container, or give the check more time",
    ),
    Code.DEADLINE_WAIT: Meaning(
        "The task did not run within the time that its spec lets it wait.",
        "cure what its sentence says it waited for, then try again: ormen retry TASK",
    ),
    Code.DEADLINE_RUN: Meaning(
        "The task ran as long as its spec lets one attempt run, and was ended.",
        "see what it was at: ormen logs TASK; or give it longer with --deadline-run",
    ),
    Code.RESTARTED: Meaning(
        "A restart was asked for, so the task starts once more.",
        "nothing is to be done; who asked stands in ormen events TASK",
    ),
    Code.CLUSTER_DOWN: Meaning(
        "The whole cluster was taken down; the task is still wanted and starts with the cluster.",
        "start the cluster again: ormen up",
    ),
}

_OURS = {
    Code.NODE_LOST: Meaning(
        "The node has been silent for so long that it is given up, and its tasks are placed anew.",
        "bring the host back, or forget it: ormen mast rm NODE",
    ),
    Code.ENGINE_DOWN: Meaning(
        "Docker on the node does not answer.",
        "start it there: systemctl start docker",
    ),
    Code.ENGINE_HUNG: Meaning(
        "Docker on the node takes requests and does not answer them in time.",
        "look at Docker's log there, at its disk and its load; restart it if it does not recover",
    ),
    Code.ENGINE_DENIED: Meaning(
        "The agent's user may not use Docker on its host.",
        "put the user into the group docker and log in again, or run the agent as root",
    ),
    Code.NOT_CONSUMING: Meaning(
        "The node's agent lives, but reads nothing from its queue.",
        "nothing at first: the agent starts itself anew; if it comes again, look at its log",
    ),
    Code.START_STALLED: Meaning(
        "A node that speaks has said nothing of the task for too long, so it is placed anew.",
        "look at that node's Docker and at the agent's log",
    ),
    Code.BRAKE: Meaning(
        "So many nodes fell silent at once that it looks like the network; their tasks are not moved.",
        "mend the network, or give the nodes up: ormen mast release",
    ),
    Code.BACKOFF: Meaning(
        "The pause before the next attempt is not over yet.",
        "wait, or try at once: ormen retry TASK",
    ),
    Code.STORE_UNAVAILABLE: Meaning(
        "Redis does not answer; what runs goes on running.",
        "bring Redis back; repeating the request is safe",
    ),
}

MEANINGS: Mapping[Code, Meaning] = MappingProxyType({**_PLACEMENT, **_REFUSALS, **_ENDS, **_OURS})
"""Every code has its row, in the order of `Code`."""


def page(code: Code) -> str:
    """Return the path of the code's page in the checkout."""
    return f"docs/reasons/{code.value}.md"
