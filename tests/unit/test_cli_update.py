"""``ormen update``: from flags to a change, and what is said of it."""

from __future__ import annotations

import json

import pytest
from cli_stub import UP, Answer, deck, ormen, problem

DONE = {**UP, "resizing": False, "resize_refused": None}
WAY = "PATCH /v1/tasks/web"


def test_flags_are_a_change_and_it_is_waited_for() -> None:
    """Each flag is a field of the body; KEY- and none take something away."""
    words = ("--name", "api", "--cpus", "0.5", "--cpu-limit", "none", "--memory", "1g", "--memory-limit", "2g")
    with deck({WAY: Answer(202, DONE)}) as stub:
        result = ormen("update", "web", *words, "-l", "tier=front", "-l", "old-", at=stub.address)
    assert (result.returncode, result.stdout, result.stderr) == (0, "web: updated\n", "")
    assert stub.seen[0].body == {
        "name": "api", "cpu": 0.5, "cpu_limit": None, "memory": "1g", "memory_limit": "2g",
        "labels": {"tier": "front", "old": None},
    }  # fmt: skip
    assert stub.seen[0].query == {"wait": ["1"], "timeout": ["60.0"]}


@pytest.mark.parametrize(
    ("record", "code", "said"),
    [
        ({**DONE, "resizing": True}, 124, "web: updated, its container has not its new limits yet after "),
        (
            {**DONE, "resize_refused": "Docker on node-1 refuses it: busy; a restart takes them"},
            1,
            "web: updated, but not its container on node-1: Docker on node-1 refuses it: busy; a restart takes them\n",
        ),
    ],
)
def test_a_container_without_its_new_limits_is_told(record: dict[str, object], code: int, said: str) -> None:
    """Not called done before the node has said so; without a wait it is no failure."""
    with deck({WAY: Answer(202, record)}) as stub:
        result = ormen("update", "web", "--memory", "1g", at=stub.address)
        assert ormen("update", "--no-wait", "-q", "web", "--memory", "1g", at=stub.address).returncode == 0
    assert result.returncode == code
    assert result.stdout.startswith(said)


def test_faults_are_told_at_once_by_their_flags() -> None:
    """Those of the flags before anything is sent, those of the deck with its code; nothing was changed either way."""
    result = ormen("update", "web", "--memory", "512", "--cpus", "500m", "-l", "x", at="127.0.0.1:1")
    assert (result.returncode, result.stdout) == (2, "")
    assert result.stderr.startswith("error: 3 faults; nothing was changed.\n")
    assert all(
        flag in result.stderr for flag in ("--memory", "--cpus", "did you mean 0.5?", "neither KEY=VALUE nor KEY-")
    )
    fault = {"pointer": "/memory_limit", "code": "CONFLICT", "detail": "64 MiB is less than memory, 128 MiB"}
    with deck({WAY: problem(422, "INVALID_SPEC", "1 fault", errors=[fault])}) as stub:
        result = ormen("update", "web", "--memory-limit", "64m", at=stub.address)
    assert result.returncode == 2
    assert result.stderr == (
        "error: 1 fault; nothing was changed.  [INVALID_SPEC]\n  --memory-limit  64 MiB is less than memory, 128 MiB\n"
    )


def test_a_change_that_says_nothing_or_two_names_at_once_is_wrong_use() -> None:
    """Neither is sent."""
    for words, said in ((("web",), "there is nothing to change"), (("web", "db", "--name", "x"), "is one name")):
        result = ormen("update", *words, at="127.0.0.1:1")
        assert (result.returncode, said in result.stderr) == (2, True), result.stderr


def test_each_task_is_tried_and_documents_are_for_programs() -> None:
    """The first failure's code is the command's; -o json prints the records."""
    full = problem(409, "NO_ROOM", "db cannot have 9 GiB of memory: node-1 has 1 GiB for it; nothing was changed")
    with deck({WAY: Answer(202, DONE), "PATCH /v1/tasks/db": full}) as stub:
        result = ormen("update", "db", "web", "--memory", "9g", at=stub.address)
        assert (
            json.loads(ormen("update", "web", "-o", "json", "--cpus", "1", at=stub.address).stdout)[0]["name"] == "web"
        )
    assert (result.returncode, result.stdout) == (4, "web: updated\n")
    assert "[NO_ROOM]" in result.stderr
