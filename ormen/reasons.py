"""Why something is as it is: a stable code and one sentence with amounts and names."""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum


class Code(StrEnum):
    """Every reason code there is. A code never changes its meaning and is never used again for another."""

    # Placement: why no node fits.
    FIT_CPU = "FIT_CPU"
    FIT_MEMORY = "FIT_MEMORY"
    FIT_DISK = "FIT_DISK"
    FIT_GPU = "FIT_GPU"
    FIT_PORT = "FIT_PORT"
    CONSTRAINT = "CONSTRAINT"
    VOLUME_ELSEWHERE = "VOLUME_ELSEWHERE"
    MAX_PER_NODE = "MAX_PER_NODE"
    NEAR = "NEAR"
    FAR = "FAR"
    NODE_CORDONED = "NODE_CORDONED"
    NODE_DRAINING = "NODE_DRAINING"
    NODE_SUSPECT = "NODE_SUSPECT"
    NO_NODES = "NO_NODES"
    # Refusals of the node, before the container ran.
    PULL_NOT_FOUND = "PULL_NOT_FOUND"
    PULL_AUTH = "PULL_AUTH"
    PULL_ARCH = "PULL_ARCH"
    PULL_RATE_LIMIT = "PULL_RATE_LIMIT"
    PULL_STALLED = "PULL_STALLED"
    PULL_UNREACHABLE = "PULL_UNREACHABLE"
    PORT_IN_USE = "PORT_IN_USE"
    NAME_TAKEN = "NAME_TAKEN"
    DISK_FULL = "DISK_FULL"
    COMMAND_NOT_FOUND = "COMMAND_NOT_FOUND"
    CREATE_REFUSED = "CREATE_REFUSED"
    NODE_LACKS = "NODE_LACKS"
    POLICY = "POLICY"
    # Ends of an attempt.
    EXIT = "EXIT"
    OOM = "OOM"
    INTERRUPTED = "INTERRUPTED"
    STOPPED = "STOPPED"
    STOPPED_UNSEEN = "STOPPED_UNSEEN"
    HEALTH_HTTP = "HEALTH_HTTP"
    HEALTH_TCP = "HEALTH_TCP"
    HEALTH_COMMAND = "HEALTH_COMMAND"
    DEADLINE_WAIT = "DEADLINE_WAIT"
    DEADLINE_RUN = "DEADLINE_RUN"
    RESTARTED = "RESTARTED"
    CLUSTER_DOWN = "CLUSTER_DOWN"
    # Nodes, and ormen itself.
    NODE_LOST = "NODE_LOST"
    ENGINE_DOWN = "ENGINE_DOWN"
    ENGINE_HUNG = "ENGINE_HUNG"
    ENGINE_DENIED = "ENGINE_DENIED"
    NOT_CONSUMING = "NOT_CONSUMING"
    START_STALLED = "START_STALLED"
    BRAKE = "BRAKE"
    BACKOFF = "BACKOFF"
    STORE_UNAVAILABLE = "STORE_UNAVAILABLE"


FINAL = frozenset(
    {
        Code.PULL_NOT_FOUND,
        Code.PULL_AUTH,
        Code.PULL_ARCH,
        Code.COMMAND_NOT_FOUND,
        Code.CREATE_REFUSED,
        Code.POLICY,
    }
)
"""Codes that trying again cannot cure: ``ormen run`` gives up at once, the task stays and is still retried."""

WAITS_FOR_ROOM = frozenset(
    {
        Code.FIT_CPU,
        Code.FIT_MEMORY,
        Code.FIT_DISK,
        Code.FIT_GPU,
        Code.FIT_PORT,
        Code.CONSTRAINT,
        Code.VOLUME_ELSEWHERE,
        Code.MAX_PER_NODE,
        Code.NEAR,
        Code.FAR,
        Code.NODE_CORDONED,
        Code.NODE_DRAINING,
        Code.NODE_SUSPECT,
        Code.NODE_LOST,
        Code.NO_NODES,
    }
)
"""Codes of a pending task that waits for room on a node rather than for its own repair: freed room may end them."""

SPENDS = frozenset({Code.EXIT, Code.OOM, Code.HEALTH_HTTP, Code.HEALTH_TCP, Code.HEALTH_COMMAND})
"""Codes that spend one try of the restart policy; no other does."""


@dataclass(frozen=True, slots=True)
class Reason:
    """A code and the sentence that a person reads: the thing, the amount and the place, in that order."""

    code: Code
    sentence: str

    def to_json(self) -> dict[str, str]:
        """Return ``{"code": …, "sentence": …}``."""
        return {"code": self.code.value, "sentence": self.sentence}

    @classmethod
    def from_json(cls, raw: dict[str, str] | None) -> Reason | None:
        """Return the reason that `to_json` wrote, or None for None."""
        return None if raw is None else cls(Code(raw["code"]), raw["sentence"])
