"""``ormen plan``: what it prints, and its exit code."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

from cli_golden import PIPE, eyes, fits, golden
from cli_stub import deck, ormen

from ormen.cli.render import plan as render

FREE = {"code": "FIT_MEMORY", "sentence": "Needs 4 GiB of memory; the most free is 1.5 GiB, on node-1."}


def row(name: str, **fields: Any) -> dict[str, Any]:
    """One task of a plan."""
    empty = dict.fromkeys(("task", "node", "because", "placement", "reason", "could_fit", "there"))
    return {"name": name, **empty, **fields}


SHOP: dict[str, Any] = {
    "items": [
        row("web-1", node="node-1", because="cost 0.041; next node-3, 0.046"),
        row("web-2", node="node-3", because="cost 0.046; node-1 has port 8080 taken by web-1"),
        row("worker", reason=FREE, could_fit="later"),
    ],
    "start": 2,
    "wait": 1,
    "there": 0,
}


def test_a_plan_is_drawn_as_sketched() -> None:
    """Each task with its node and why, also why it would wait; a pipe gets the same lines."""
    text = render.planned(SHOP, eyes(80)) + "\n" + render.summary(SHOP)
    golden("plan_80", text)
    assert fits(text, 80)
    assert "worker  -       waits: needs 4 GiB of memory" in render.planned(SHOP, PIPE)
    narrow = render.planned(SHOP, eyes(60))
    assert fits(narrow, 60)
    assert "(node-1)" in narrow


def test_the_summary_counts_what_is_so() -> None:
    """What would wait, and what is there already, is told only when there is such."""
    there = {"items": [row("db", node="node-1", there="running")], "start": 0, "wait": 0, "there": 1}
    assert render.summary(there) == "0 would start now, 1 is there already. Nothing was changed."
    assert "is there already, running" in render.planned(there, PIPE)
    assert render.summary({**SHOP, "wait": 0}) == "2 would start now. Nothing was changed."


def test_exit_1_says_that_something_would_wait(tmp_path: Path) -> None:
    """The file is sent as a list; exit 1 if a task would wait, else 0."""
    file = tmp_path / "shop.yaml"
    file.write_text("image: nginx\nname: web\n")
    with deck({"POST /v1/plan": [{**SHOP, "wait": 0}, SHOP]}) as stub:
        assert ormen("plan", "-f", str(file), at=stub.address).returncode == 0
        done = ormen("plan", "-f", str(file), at=stub.address)
        shown = ormen("plan", "-f", str(file), "-o", "json", at=stub.address)
    assert (done.returncode, shown.returncode) == (1, 1)
    assert "2 would start now, 1 would wait. Nothing was changed." in done.stderr
    assert stub.seen[0].body == [{"image": "nginx", "name": "web"}]
    assert [row["name"] for row in json.loads(shown.stdout)] == ["web-1", "web-2", "worker"]
