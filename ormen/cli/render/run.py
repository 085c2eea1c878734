"""`ormen run`: the steps of one task, the lines of many, and how it ended."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from ormen.cli.render.problem import failure
from ormen.cli.render.tasks import bracketed, ports
from ormen.cli.render.text import Look, bar, clean, count, epoch, paint, small, symbol, wrap
from ormen.outcome import Verdict, code_of, judge, never_fits, sentence_of, waits_for_room
from ormen.reasons import FINAL
from ormen.registries import registry_of
from ormen.units import format_age, format_duration

Record = Mapping[str, Any]

_STEPS: Mapping[str, tuple[str, str]] = {
    "task.placed": ("placed", "✓"),
    "task.pulling": ("pulling", "⠹"),
    "task.pulled": ("pulled", "✓"),
    "task.running": ("started", "✓"),
    "task.adopted": ("adopted", "✓"),
    "task.healthy": ("healthy", "✓"),
    "task.completed": ("completed", "✓"),
    "task.waiting": ("waits", "!"),
    "task.pending": ("pending", "✗"),
    "task.failed": ("failed", "✗"),
}
_NUMBERS = {1: "once", 2: "twice", 3: "three times", 4: "four times", 5: "five times"}


@dataclass(frozen=True, slots=True)
class Step:
    """One thing that happened on the way: when (seconds since the epoch), what, and how long it took."""

    word: str
    sign: str
    text: str
    took_s: float | None


def steps(events: Sequence[Record], created_at: str | None) -> list[Step]:
    """Return the steps that these events of one task make; a pull that has ended shows only its end."""
    found: list[Step] = []
    before = epoch(created_at)
    for event in events:
        known = _STEPS.get(str(event["type"]))
        at = epoch(event.get("at"))
        if known is None or at is None:
            continue
        word, sign = known
        text = step_text(event)
        found = [step for step in found if not (step.word in ("pulling", "waits") and step.word != word)]
        if found and found[-1].word == word == "waits":
            found.pop()
        found.append(Step(word, sign, text, None if sign == "⠹" or before is None else max(at - before, 0.0)))
        if word not in ("pulling", "waits"):
            before = at
    return found


def step_text(event: Record) -> str:
    """Return what one step says: an event's sentence without what the step's own word repeats."""
    sentence = clean(event.get("sentence") or "").removesuffix(".")
    if event["type"] == "task.placed":
        _, on, rest = sentence.partition(" on ")
        return rest if on else sentence
    if event["type"] == "task.running":
        return sentence.removesuffix(" started")
    return sentence


def block(task: Record, done: Sequence[Step], look: Look) -> str:
    """Return the block of one task as a terminal shows it: its name and id, then a line per step."""
    head = f"{paint(clean(task['name']), 'bold', look)} {paint(str(task['id'])[:8], 'dim', look)}"
    return "\n".join([head, *steps_text(task, done, look)])


def steps_text(task: Record, done: Sequence[Step], look: Look) -> list[str]:
    """Return a line per step; the one under way shows the record's own detail."""
    lines: list[str] = []
    for step in done:
        text = step.text
        if step.word == "pulling":
            text = _pulling(step.text, clean(task.get("detail") or ""), look)
        lines += _step(step, text, look)
    last = done[-1] if done else None
    if judge(task) is Verdict.WAITING and (last is None or last.sign == "✓"):
        lines += _step(Step(*under_way(task), None), under_way(task)[2], look)
    return lines


def _pulling(image_on_node: str, detail: str, look: Look) -> str:
    """Return the image, with the share done drawn beside the amounts once the agent has told them."""
    image = image_on_node.partition(" on ")[0]
    amounts = re.search(r"([\d.]+) of ([\d.]+) [kMG]?B.*", detail)
    if amounts is None or not float(amounts[2]):
        return image
    return f"{image} {bar(float(amounts[1]) / float(amounts[2]), look)}  {amounts[0].removesuffix('.')}"


def _step(step: Step, text: str, look: Look) -> list[str]:
    took = "" if step.took_s is None else format_duration(step.took_s)
    width = look.width or 80
    edge = min(width, 70)
    lead = f"  {symbol(step.sign, look)} {step.word:<9} "
    shown = f"  x {step.word:<9} "
    lines = wrap(text, edge - 6 if took else min(width, 80), first=shown, rest=" " * len(shown))
    if took:
        lines[0] = lines[0].ljust(edge - 6) + took.rjust(6)
    return [(lead + lines[0][len(shown) :]).rstrip(), *lines[1:]]


def under_way(task: Record) -> tuple[str, str, str]:
    """Return the word, the sign and the text of what a waiting task is doing now."""
    state, said = task["state"], clean(task.get("detail") or sentence_of(task)).removesuffix(".")
    if state == "running":
        return "checking", "⠹", said or "waiting for its first good check"
    if state == "scheduled" and said.startswith("pulling "):
        return "pulling", "⠹", said.removeprefix("pulling ")
    if state == "scheduled":
        return "starting", "⠹", said or f"on {task.get('node')}"
    return "waits", "!", small(said)


def piped(name: str, event: Record, took_s: float | None) -> str | None:
    """Return the line that a step writes to a pipe, None for an event that is no step."""
    known = _STEPS.get(str(event["type"]))
    if known is None:
        return None
    word, _ = known
    text = step_text(event)
    took = "" if took_s is None or word in ("pulling", "waits") else f" ({format_duration(took_s)})"
    if word == "placed":
        return f"{name}: placed on {text}{took}"
    if word == "healthy":
        return f"{name}: healthy, {text}{took}"
    if word in ("waits", "pending", "failed", "completed"):
        return f"{name}: {word}: {small(text)}"
    return f"{name}: {word} {text}{took}"


def runs(task: Record, look: Look) -> str:
    """Return the last line of a good run: where it runs, or how it ended."""
    name = paint(clean(task["name"]), "bold", look)
    if task["state"] == "completed":
        return f"{name} has completed on {task.get('node')}, exit code {task.get('exit_code')}"
    text = f"{name} runs on {task.get('node')}"
    where = [_url(port) for port in task.get("ports") or () if _speaks_http(task, port)]
    where = where or [ports(task)] if task.get("ports") else []
    joint = ": " if look.width is not None else ", "
    return text + (joint + ", ".join(where) if where else "")


def _url(port: Record) -> str:
    return f"http://{bracketed(str(port['address']))}:{port['host']}"


def _speaks_http(task: Record, port: Record) -> bool:
    check = (task.get("spec") or {}).get("health") or {}
    return port["protocol"] == "tcp" and (bool(check.get("http")) or port["container"] in (80, 8000, 8080))


def waits(task: Record) -> str:
    """Return what ``run -d`` says of a task that found no room at once."""
    return f"{clean(task['name'])} waits: {small(sentence_of(task))}."


def many(tasks: Sequence[Record], took: Mapping[str, float], look: Look) -> str:
    """Return a line each, in the order of the file."""
    wide = max(len(clean(task["name"])) for task in tasks)
    nodes = max(len(str(task.get("node") or "-")) for task in tasks)
    lines = []
    for task in tasks:
        sign, word, text = _one_of_many(task, took.get(str(task["id"])))
        node = str(task.get("node") or "-") if task["state"] != "pending" else "-"
        before = f"{clean(task['name']):<{wide}}  "
        shown = f"{word:<9}  {node:<{nodes}}  "
        rest = " " * (len(before) + 2 + len(shown))
        first, *more = wrap(text, look.width, first=rest, rest=rest)
        lines += [f"{before}{symbol(sign, look)} {shown}{first[len(rest) :]}".rstrip(), *more]
    return "\n".join(lines)


def _one_of_many(task: Record, took_s: float | None) -> tuple[str, str, str]:
    verdict = judge(task)
    after = "" if took_s is None else format_duration(took_s)
    if verdict is Verdict.UP:
        return "✓", str(task.get("health") or "running"), after
    if verdict is Verdict.DONE:
        return "✓", "completed", after
    if verdict is Verdict.WAITING:
        word, sign, text = under_way(task)
        return sign, "pending" if word == "waits" else word, text
    return "✗", str(task["state"]), small(sentence_of(task))


def left(up: int, tasks: Sequence[Record]) -> str:
    """Return what Ctrl-C says while waiting."""
    if len(tasks) == 1:
        return f"Left: {clean(tasks[0]['name'])} goes on by itself. See: ormen status"
    verb = "runs" if up == 1 else "run"
    return f"Left: {up} of {len(tasks)} {verb}; the others go on by themselves. See: ormen status"


def not_up(task: Record, attempts: Sequence[Record], look: Look, *, waited_s: float | None = None) -> str:
    """Return the error of a run that did not come up: sentence and code, last log lines, remedy.

    `waited_s` is set when the time was over rather than the task beyond help.
    """
    name, code = clean(task["name"]), code_of(task)
    sentence, hint = _blame(task, attempts, waited_s)
    first, *rest = failure(sentence, look, code=code, hint=None).split("\n")
    lines = [first, *rest, *_last_lines(attempts, look)]
    tail = failure("x", look, hint=hint or f"ormen why {name} says more.").split("\n")[1:]
    return "\n".join([*lines, *tail])


def _blame(task: Record, attempts: Sequence[Record], waited_s: float | None) -> tuple[str, str | None]:
    name, code, sentence = clean(task["name"]), code_of(task) or "", clean(sentence_of(task))
    if never_fits(task):
        return f"{name} fits no node, not even an empty one: {small(sentence)}", (
            f"ask less, or add a node. It stays queued and starts when one fits; ormen rm {name} withdraws it."
        )
    if waited_s is not None:
        within = format_age(waited_s)
        if waits_for_room(task):
            return f"{name} found no room within {within}: {small(sentence)}", (
                f"{_other_port(task, code)}ormen why {name} shows every node. It stays queued."
            )
        why = small(sentence or clean(task.get("detail") or f"it is {task['state']}"))
        return f"{name} is not up within {within}: {why}", f"it goes on by itself; ormen why {name} says how far it is."
    if code == "EXIT":
        return _exited(task, attempts)
    if code.startswith("HEALTH_"):
        return f"{name} is not healthy: {small(sentence)}", f"ormen logs {name} --previous shows its last lines."
    if code.startswith("PULL_") and code not in FINAL:
        return sentence, f"it is tried again with growing pauses; ormen rm {name} withdraws it."
    if code in ("DEADLINE_WAIT", "DEADLINE_RUN"):
        return f"{name}: {small(sentence)}", f"ormen retry {name} tries again, with the same time."
    if code == "PULL_AUTH":
        image = clean((task.get("spec") or {}).get("image") or "")
        return sentence, f"ormen registry login {registry_of(image)}, then ormen retry {name}."
    if code.startswith("PULL_"):
        return sentence, f"check the name; then ormen rm {name} and run it again."
    if code in ("STOPPED", "STOPPED_UNSEEN"):
        return f"{name} was stopped before it was up", None
    return f"{name}: {small(sentence)}" if sentence else f"{name} is {task['state']}", (
        f"ormen rm {name} withdraws it." if task["state"] == "pending" else None
    )


def _other_port(task: Record, code: str) -> str:
    """Return the remedy for a host port that somebody else has, as the beginning of a hint."""
    fixed = [port["container"] for port in (task.get("spec") or {}).get("ports") or () if port.get("host")]
    return f"-p {fixed[0]} takes a free port; " if fixed and code in ("FIT_PORT", "PORT_IN_USE") else ""


def _exited(task: Record, attempts: Sequence[Record]) -> tuple[str, str]:
    name, restarts = clean(task["name"]), int(task.get("restarts") or 0)
    ended = [one for one in attempts if one.get("ended_at")]
    last = max(ended, key=lambda one: int(one["attempt"]), default=None)
    code = last.get("exit_code") if last else task.get("exit_code")
    often = _NUMBERS.get(restarts, f"{restarts} times")
    text = f"{name} exited with code {code}" + (f" {often}" if restarts > 1 else "")
    began, end = (epoch(last.get(key)) if last else None for key in ("started_at", "ended_at"))
    if began is not None and end is not None:
        text += f", {format_duration(end - began)} after its start"
    if task["state"] == "failed":
        return text, f"ormen restart {name} tries again."
    return text, (
        f"another try comes, with growing pauses; ormen stop {name} ends them, "
        f"ormen logs {name} --previous shows its last lines."
    )


def _last_lines(attempts: Sequence[Record], look: Look) -> list[str]:
    spoke = [one for one in attempts if one.get("log_tail")]
    if not spoke:
        return []
    last = max(spoke, key=lambda one: int(one["attempt"]))
    lines = [f"  last lines of attempt {last['attempt']} on {clean(last['node'])}:"]
    for text in last["log_tail"][-5:]:
        lines += wrap(clean(text), look.width, first="    ", rest="    ")
    return lines


def finished(tasks: Sequence[Record], up: int) -> str:
    """Return the count of a run of many."""
    return f"{up} of {count(len(tasks), 'task')} {'runs' if up == 1 else 'run'}"
