"""What a submission is refused with: ids and names that other tasks have."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from ormen.errors import IdTaken, NameTaken, OrmenError
from ormen.task import Task

MOST_NAMED = 10
"""So many conflicts are told in words; the rest is a number."""
HINTS = {
    "ID_TAKEN": ("send the same content again, or choose another id", "choose other ids"),
    "NAME_TAKEN": (
        "choose another name, or remove that task first",
        "choose other names, or remove the tasks that have them first",
    ),
}
"""The remedy for one, and for several."""


@dataclass(frozen=True, slots=True)
class Clash:
    """A task whose id or name (`code` ID_TAKEN or NAME_TAKEN) the task `holder` has."""

    code: str
    name: str
    task: str
    holder: str


def refusal(clashes: Sequence[Clash], holders: Mapping[str, Task | None]) -> OrmenError:
    """Return the error that tells all of them, at least one; `task` is who holds the first, `taken` each."""
    told = [_sentence(clash, holders.get(clash.holder)) for clash in clashes[:MOST_NAMED]]
    if len(clashes) > MOST_NAMED:
        told.append(f"and {len(clashes) - MOST_NAMED} more")
    first, several = clashes[0], len(clashes) > 1
    hint = "; ".join(HINTS[code][several] for code in dict.fromkeys(clash.code for clash in clashes))
    extra = {"taken": [{"code": c.code, "name": c.name, "task": c.holder} for c in clashes]} if several else {}
    kind = IdTaken if first.code == "ID_TAKEN" else NameTaken
    return kind("; ".join(told), hint=hint, task=first.holder, **extra)


def _sentence(clash: Clash, holder: Task | None) -> str:
    if clash.code == "ID_TAKEN":
        return f"the id {clash.task} is known with other content"
    where = f" ({holder.state.value}{f' on {holder.node}' if holder.node else ''})" if holder else ""
    return f"the name {clash.name} is taken by task {clash.holder[:8]}{where}"
