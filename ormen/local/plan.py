"""What runs in a cluster: each process with its command, its settings as variables, its log file."""

from __future__ import annotations

import os
import site
import sys
from collections.abc import Mapping
from dataclasses import dataclass, replace
from pathlib import Path

from ormen.local.ports import Claims
from ormen.local.processes import Program
from ormen.local.redis import RedisPlan, ServerBinary
from ormen.local.state import MARK, Process, StateFolder
from ormen.settings import Settings

WRONG_USE, NODE_TAKEN, ENGINE_DENIED, NODE_REFUSED = 2, 4, 5, 6
"""Exit codes that are answers, so that trying again is vain: a setting that cannot be used, another living agent of
that name, an engine that refuses us, a node that may not join."""


@dataclass(frozen=True, slots=True)
class Sailor:
    """One agent of a cluster on one machine."""

    name: str
    status_port: int
    share: str


@dataclass(frozen=True, slots=True)
class Layout:
    """A cluster on one machine, decided: addresses, ports, names. `settings` are those that all its processes share."""

    folder: StateFolder
    settings: Settings
    sailors: tuple[Sailor, ...]
    flower_port: int | None
    server: ServerBinary | None
    redis: RedisPlan | None
    claims: Claims
    """Held for as long as the layout is in use, so that another `up` chooses other ports."""

    @property
    def url(self) -> str:
        """Return where the deck answers from this machine."""
        return f"http://{probe_host(self.settings.host)}:{self.settings.port}"


def probe_host(host: str) -> str:
    """Return the address under which a server that listens on `host` is reached from this machine."""
    return {"0.0.0.0": "127.0.0.1", "::": "::1", "": "127.0.0.1"}.get(host, host)


def redis_program(layout: Layout) -> Program:
    """Return the embedded Redis; its data is worth a patient end."""
    assert layout.redis is not None
    return Program(
        "redis",
        layout.redis.command,
        layout.folder.log("redis"),
        child_env(layout.settings),
        "server",
        30.0,
        needs_store=False,
    )


def deck_programs(settings: Settings, folder: StateFolder) -> list[Program]:
    """Return the three processes of a deck."""
    parts = (("deck", "api", "API", 5.0), ("control", "control", "worker", 10.0), ("beat", "beat", "process", 5.0))
    env, final = child_env(replace(settings, state_dir=str(folder.path))), frozenset({WRONG_USE})
    return [
        Program(name, module("manager_api", word), folder.log(name), env, role, grace_s, final)
        for name, word, role, grace_s in parts
    ]


def agent_program(settings: Settings, folder: StateFolder) -> Program:
    """Return the agent of the node that the settings name."""
    name = settings.node
    final = frozenset({WRONG_USE, NODE_TAKEN, ENGINE_DENIED, NODE_REFUSED})
    return Program(name, module("worker_agent"), folder.log(name), child_env(settings), "agent", 15.0, final)


def sailor_programs(layout: Layout) -> list[Program]:
    """Return the agents; they share one engine, so each owns its part of it."""
    agents = str(layout.folder.path / "agents")
    common = replace(layout.settings, bind="127.0.0.1", address="127.0.0.1", state_dir=agents)
    # GPUs cannot be shared out in thirds: the first agent has them all.
    first = "all" if common.gpus == "auto" else common.gpus
    gpus = [first if place == 0 else "none" for place in range(len(layout.sailors))]
    return [
        agent_program(
            replace(common, node=sailor.name, share=sailor.share, status_port=sailor.status_port, gpus=its),
            layout.folder,
        )
        for sailor, its in zip(layout.sailors, gpus, strict=True)
    ]


def flower_program(layout: Layout) -> Program:
    """Return Flower, on loopback: its pages of health and figures ask nobody for a password.

    It keeps nothing and was seen to ignore SIGTERM, so it gets little grace.
    """
    command = module("celery", "-A", "ormen.local.flower_app", "flower")
    command += ("--address=127.0.0.1", f"--port={layout.flower_port}")
    return Program("flower", command, layout.folder.log("flower"), child_env(layout.settings), "process", 0.5)


def module(*words: str) -> tuple[str, ...]:
    """Return the command that runs a module; ``-P`` keeps the folder we happen to be in from shadowing packages."""
    return (sys.executable, "-P", "-m", *words)


def child_env(settings: Settings) -> Mapping[str, str]:
    """Return the environment of a process with these settings, and no other variable of ormen's."""
    env = {name: value for name, value in os.environ.items() if not name.startswith(("ORMEN_", "CUBE_"))}
    root = str(Path(__file__).resolve().parents[2])
    if root not in site.getsitepackages():
        env["PYTHONPATH"] = os.pathsep.join(part for part in (root, env.get("PYTHONPATH")) if part)
    mark = Process.of(os.getpid()).mark
    # Celery warns of root at each start; whoever may talk to Docker is root anyway.
    env["PYTHONWARNINGS"] = "ignore:You're running the worker with superuser privileges"
    return {**env, "PYTHONUNBUFFERED": "1", MARK: mark, **settings.to_env()}
