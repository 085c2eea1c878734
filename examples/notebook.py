"""Cells for a notebook (VS Code, PyCharm and Jupytext read the ``# %%`` marks), or a plain script.

ORMEN_MANAGER=localhost:5555 python examples/notebook.py
"""

# %% A deck, from ORMEN_MANAGER and ORMEN_TOKEN
from __future__ import annotations

import os

from ormen import Client, TaskFailed

IMAGE = os.environ.get("EXAMPLE_IMAGE", "ormen/echo:1")
deck = Client(patience=30)
print([f"{node['name']}: {node['state']}" for node in deck.nodes()])

# %% Fan out: one job a month, placed together, all or none
MONTHS = ["2026-09", "2026-10", "2026-11"]
jobs = deck.run_all(
    {
        "image": IMAGE,
        "name": f"report-{month}",
        "entrypoint": ["sh", "-c", f"echo {month}; echo rows: {len(month) * 6}"],
        "restart": "on-failure:2",
        "cpu": 0.1,
        "labels": {"app": "report"},
    }
    for month in MONTHS
)

# %% Wait for each, and read what it printed
table = {}
for job in jobs:
    try:
        job.wait("completed", timeout=120)
        table[job.name] = list(job.logs())
    except TaskFailed as error:
        table[job.name] = [f"failed: {error}"]
for name, output in table.items():
    print(f"{name:16}", *output)

# %% Leave nothing behind
for job in jobs:
    job.remove(force=True)
