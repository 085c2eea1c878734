"""The screens of `up`, `down` and `sailor`: pure functions of what is told."""

from __future__ import annotations

from pathlib import Path

import pytest

from ormen.cli.render import cluster as screens
from ormen.cli.render.text import Look
from ormen.local.failure import LocalFailure
from ormen.local.processes import End, Program
from ormen.local.stage import Failure, Remark, Result, Step

PIPE, TERMINAL = Look(), Look(80)
REDIS = "Valkey 9.1.2, bundled, 127.0.0.1:41233, AOF on"


def node(name: str, tasks: int, cpu: float, memory: int) -> dict[str, object]:
    return {"name": name, "state": "ready", "tasks": tasks, "reserved": {"cpu": cpu, "memory_bytes": memory}}


def task(name: str, state: str, sentence: str | None = None) -> dict[str, object]:
    reason = {"code": "FIT_MEMORY", "sentence": sentence} if sentence else None
    return {"name": name, "state": state, "reason": reason}


@pytest.mark.parametrize(
    ("what", "line"),
    [
        (Step("✓", "redis", REDIS, 0.21), f"  ✓ redis     {REDIS}      0.2s"),
        (Step("⠹", "flower", "starting"), "  ⠹ flower    starting"),
        (Remark("port 5555 is held by nginx, pid 812; the deck takes 5557"),
         "  ! port 5555 is held by nginx, pid 812; the deck takes 5557"),
        (Result("Ready in 2.7s."), "Ready in 2.7s."),
    ],
)  # fmt: skip
def test_what_is_told_is_one_line(what, line):
    """Mark, name and text stand in columns, the seconds at the end."""
    assert screens.told(what, PIPE) == [line]


def test_a_step_whose_text_is_long_is_not_cut():
    """The seconds give way, never the text."""
    text = "node-1, node-2, node-3, node-4, node-5 and node-6 are ready"
    assert screens.step(Step("✓", "sailors", text, 12.0), PIPE).endswith(f"{text}  12s")


def test_an_engine_that_refuses_is_an_error_with_a_remedy():
    """Sentence and code, then what to do about it."""
    error = LocalFailure(
        "Docker's socket refuses you: permission denied",
        hint="join the group docker and log in again, or set DOCKER_HOST",
        code="ENGINE_DENIED",
    )
    assert screens.failure(Failure.of(error), TERMINAL) == [
        "error: Docker's socket refuses you: permission denied.  [ENGINE_DENIED]",
        "hint:  join the group docker and log in again, or set DOCKER_HOST.",
    ]


def test_evidence_stands_between_the_sentence_and_the_remedy():
    """The last lines of a log explain a failure better than any words of ours."""
    error = LocalFailure(
        "deck could not be started", hint="its log says more", evidence=("Traceback", "KeyError\x1b[0m")
    )
    lines = screens.failure(Failure.of(error), PIPE)
    assert lines == ["error: deck could not be started.", "  Traceback", "  KeyError[0m", "hint:  its log says more."]


def test_the_block_tells_nodes_and_what_waits():
    """Counts first, then a line for each node, then each task that waits with its reason."""
    nodes = [node("node-1", 2, 0.6, 640 * 2**20), node("node-2", 0, 0, 0), node("node-3", 1, 0.5, 512 * 2**20)]
    tasks = [task("web", "running"), task("api", "running"), task("report", "scheduled")]
    tasks.append(task("train", "pending", "Needs 40 GiB of memory; the largest node has 15.6 GiB."))
    assert screens.block(nodes, tasks, up_s=725, look=TERMINAL) == [
        "3 nodes ready     4 tasks: 2 running, 1 scheduled, 1 pending     up 12m",
        "node-1  ready     2 tasks   0.6 cpu    640 MiB reserved",
        "node-2  ready     0 tasks   0 cpu        0 MiB reserved",
        "node-3  ready     1 task    0.5 cpu    512 MiB reserved",
        "train   pending   Needs 40 GiB of memory; the largest node has 15.6 GiB.",
    ]


@pytest.mark.parametrize("width", [80, 120])
def test_no_line_of_the_block_is_wider_than_the_terminal(width):
    """A line that the terminal wraps could not be redrawn in place."""
    nodes = [node(f"node-{number}", 1000, 12.125, 2**40) for number in range(40)]
    tasks = [task("a-rather-long-name-of-a-task", "pending", "Needs " + "a lot of memory and " * 9 + "more.")]
    lines = screens.block(nodes, tasks, up_s=1, look=Look(width))
    assert max(map(len, lines)) <= width
    assert len(lines) < 30


def test_a_death_says_how_and_when_it_is_back():
    """An exit code 0 that nobody asked for is an end, not a death."""
    agent = Program("node-2", (), Path("node-2.log"), role="agent")
    assert screens.died(agent, End(None, 9), 0.8) == "agent died (signal 9), back in 0.8s"
    assert screens.died(agent, End(0, None), 0.5) == "agent ended (exit code 0), back in 0.5s"


def test_a_crash_loop_names_the_log_and_quotes_its_end():
    """What dies at once each time is told once, with its last words."""
    agent = Program("node-2", (), Path("node-2.log"), role="agent")
    lines = screens.gave_up(agent, "~/x/logs/node-2.log", last=("KeyError: 'x'",), look=PIPE)
    assert lines == ["✗ node-2  agent dies at once: ~/x/logs/node-2.log", "    KeyError: 'x'"]
