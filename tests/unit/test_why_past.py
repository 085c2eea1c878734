"""What `why` says of a task after an attempt before has gone wrong."""

from __future__ import annotations

from why_cases import at, case, exit_of, node, task

from ormen.reasons import Code, Reason
from ormen.task import Attempt, State, Task
from ormen.why.document import explain


def again(before: Attempt) -> Task:
    """Return a task that runs on node-1 since 10:00:10, after another attempt."""
    now = Attempt(2, "node-1", None, at("10:00:09"), at("10:00:10"))
    return task("web", State.RUNNING, {}, attempt=2, node="node-1", attempts=(before, now), started_ms=at("10:00:10"))


def test_a_task_that_one_node_refused_says_so_where_it_runs() -> None:
    """By whom and why, and that all is well now."""
    said = Reason(Code.NODE_LACKS, "node-2's Docker has no network backend; attempt 2 follows a pause of 1.1s.")
    refused = Attempt(1, "node-2", None, at("10:00:01"), None, at("10:00:02"), reason=said)
    found = explain(case(again(refused), "10:00:20", node=node("node-1")))
    assert found["sentence"].startswith("web was refused by node-2 at ")
    assert found["sentence"].endswith(" and runs on node-1 now: node-2's Docker has no network backend.")
    assert found["now"]["attempt"] == 2


def test_what_a_program_printed_before_its_end_is_told_while_that_is_recent() -> None:
    """Of an end of its own; what somebody else caused is not in its words."""
    tail = {"log_tail": ("KeyError: 'x'",)}
    own = exit_of(1, "node-1", "10:00:00", "10:00:02", **tail)
    other = exit_of(1, "node-1", "10:00:00", "10:00:02", reason=Reason(Code.INTERRUPTED, "Interrupted."), **tail)
    tails = [explain(case(again(one), "10:00:20", node=node("node-1")))["log_tail"] for one in (own, other)]
    assert tails == [["KeyError: 'x'"], []]


def test_a_task_out_of_memory_says_that_its_policy_is_spent() -> None:
    """Otherwise another attempt would be waited for."""
    said = Reason(
        Code.OOM,
        "Killed for want of memory: it reached its limit of 20 MiB, 3.0s after its start on node-1;"
        " on-failure:3 is spent after 4 attempts.",
    )
    past = (exit_of(4, "node-1", "10:00:00", "10:00:03", code=137, reason=said),)
    found = task("web", State.FAILED, {"memory": "20MiB"}, reason=said, attempt=4, attempts=past)
    assert explain(case(found, "10:01:00"))["sentence"] == (
        "web was killed for want of memory: it reached its limit of 20 MiB after 3s;"
        " on-failure:3 is spent after 4 attempts."
    )
