"""The one sentence that says why a need waits, and the remedies that stand under it."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from difflib import get_close_matches

from ormen.node import Node, NodeState
from ormen.reasons import Code
from ormen.scheduler.constraints import FACTS, Constraint, parse, values_of
from ormen.scheduler.filters import AMOUNTS, GPUS, OPEN, VOLUME, WHERE, Amount, Filter, HostPorts, room, volume_phrase
from ormen.scheduler.gpus import OTHERS, absent_sentence, taken_sentence
from ormen.scheduler.neighbours import Beside
from ormen.scheduler.values import Finding, Fleet, Need
from ormen.scheduler.words import counted, listed
from ormen.units import format_age, format_size

NAME = "\0"
"""Stands for the task's name in a clause and in a remedy: one refusal answers for many tasks."""


@dataclass(frozen=True, slots=True)
class Views:
    """The fleet as one need sees it: `allowed` by constraints and volume, of these `open`, of these `fitting`.

    `taking` are the filters of what tasks take from nodes, `ports` is the last of them.
    """

    need: Need
    fleet: Fleet
    ports: HostPorts
    taking: tuple[Filter, ...]
    allowed: tuple[Node, ...]
    open: tuple[Node, ...]
    fitting: tuple[Node, ...]
    beside: Beside

    @classmethod
    def of(cls, need: Need, fleet: Fleet, rules: Sequence[Filter]) -> Views:
        """Return the views; `rules` are all filters, the one for ports last."""
        ports, beside = rules[-1], next(rule for rule in rules if isinstance(rule, Beside))
        assert isinstance(ports, HostPorts)
        allowed = tuple(node for node in fleet.nodes if all(rule.admits(need, node) for rule in WHERE))
        takes = tuple(node for node in allowed if OPEN.admits(need, node))
        taking = tuple(rule for rule in rules if rule is not OPEN and rule not in WHERE)
        fitting = tuple(node for node in takes if all(rule.admits(need, node) for rule in taking))
        return cls(need, fleet, ports, taking, allowed, takes, fitting, beside)


def find(views: Views) -> Finding:
    """Return the first cause that holds, from what no waiting cures to what is only taken just now."""
    if not views.fleet.nodes:
        remedy = ("start an agent on a host", "ormen sailor")
        return Finding(Code.NO_NODES, "No node has joined the cluster yet.", fixes=(remedy,))
    if not views.allowed:
        return _nowhere(views)
    if views.fitting:
        found = f"{counted(len(views.fitting), 'node')} {'fits' if len(views.fitting) == 1 else 'fit'}"
        return Finding(Code.BACKOFF, f"Its pause is not over yet; {found}.")
    return (
        _too_large(views)
        or _closed(views)
        or views.beside.finding(views.need, views.open)
        or _short(views)
        or _mixed(views)
    )


def fixes(views: Views, finding: Finding) -> tuple[tuple[str, str | None], ...]:
    """Return the finding's own remedies, or those that the fleet's state suggests."""
    if finding.fixes or views.fitting:
        return finding.fixes
    found: list[tuple[str, str | None]] = []
    # A cordoned node only waits for somebody; one that drains is being emptied for a purpose.
    for node in sorted(views.allowed, key=lambda node: node.state is NodeState.DRAINING):
        held = node.state in (NodeState.DRAINING, NodeState.CORDONED)
        if held and all(rule.admits(views.need, node) for rule in views.taking):
            found.append((f"activate {node.name}", f"ormen mast activate {node.name}"))
            break
    for amount in AMOUNTS:
        if amount.code is finding.code:
            # To ask less helps only where nothing else is lacking.
            others = [rule for rule in views.taking if rule is not amount]
            nearly = [node for node in views.open if all(rule.admits(views.need, node) for rule in others)]
            most = max((amount.of(room(views.need, node)) for node in nearly), default=0)
            if most > 0:
                found.append((f"ask {amount.more(most)}", None))
    if finding.code is Code.FIT_PORT:
        container = (views.need.fixed_ports() or views.need.ports)[0].container
        found.append((f"publish any free port instead: -p {container}", None))
    silent = {NodeState.SUSPECT, NodeState.LOST} if finding.code in (Code.NODE_SUSPECT, Code.NODE_LOST) else set()
    gone = [node.name for node in views.allowed if node.state in silent]
    found += [(f"bring {listed(gone, link='or')} back", None)] if gone else []
    return tuple(found) or (("add a node", "ormen sailor"),)


def _too_large(views: Views) -> Finding | None:
    """Say that even empty, no allowed node would do."""
    if any(views.need.resources.fits_in(node.capacity) for node in views.allowed):
        sentence = absent_sentence(views.need, views.allowed)
        return Finding(Code.FIT_GPU, sentence, fixes=((OTHERS, None),)) if sentence else None
    for amount in AMOUNTS:
        asked = amount.of(views.need.resources)
        largest = max(views.allowed, key=lambda node, amount=amount: amount.of(node.capacity))  # type: ignore[misc]
        has = amount.of(largest.capacity)
        if asked > has:
            size = _capacity(amount, has, beside=amount.up(asked))
            phrase = amount.phrase(asked)
            sentence = f"Needs {phrase}; the largest node, {largest.name}, has {size}."
            clause = f": it asks {phrase} and the largest node, {largest.name}, has {size}."
            if not has:
                some, fix = f"{phrase}, and no node has any.", ("add a node that has some", None)
                return Finding(amount.code, f"Needs {some}", f": it needs {some}", fixes=(fix,))
            remedy = f"ask {amount.more(has)} or less, or add a node"
            return Finding(amount.code, sentence, clause, fixes=((remedy, None),))
    return _none_has_all(views)


def _none_has_all(views: Views) -> Finding:
    asked = [amount for amount in AMOUNTS if amount.of(views.need.resources)]
    lacking = Counter(a.code for a in asked for n in views.allowed if a.of(views.need.resources) > a.of(n.capacity))
    phrases = listed([amount.phrase(amount.of(views.need.resources)) for amount in asked])
    sentence = f"Needs {phrases} on one node; no node has all of that, even when empty."
    return Finding(lacking.most_common(1)[0][0], sentence, fixes=(("ask less, or add a larger node", None),))


def _capacity(amount: Amount, has: int, *, beside: str) -> str:
    """Return what a node has as people know it, rounded to the nearest, unless that reads like what is asked."""
    nearest = amount.down(has) if amount.is_counted else format_size(has)
    return amount.down(has) if nearest == beside else nearest


_STATE_ORDER = (Code.NODE_DRAINING, Code.NODE_CORDONED, Code.NODE_SUSPECT, Code.NODE_LOST)


def _closed(views: Views) -> Finding | None:
    """Say that every allowed node takes no tasks just now."""
    if views.open:
        return None
    blockers = [OPEN.explain(views.need, node)[0] for node in views.allowed]
    counts = Counter(blocker.code for blocker in blockers)
    code = min(counts, key=lambda code: (-counts[code], _STATE_ORDER.index(code)))
    if views.need.pinned:
        return _pinned_away(views, views.allowed[0], code)
    where = _condition(views.need)
    if len(views.allowed) == 1:
        node = views.allowed[0]
        return Finding(code, f"The only node{where} takes no tasks: {node.name} {_is(node)}.")
    amount = "Both" if len(views.allowed) == 2 else f"All {len(views.allowed)}"
    return Finding(code, f"{amount} nodes{where} take no tasks: {_states(views.allowed)}.")


def _pinned_away(views: Views, node: Node, code: Code) -> Finding:
    """Say that the only node that will do, since the volume is there, takes no tasks."""
    only = f"{'the ' if views.need.volume else ''}{volume_phrase(views.need)} is only there"
    if code in (Code.NODE_LOST, Code.NODE_SUSPECT) and node.state is not NodeState.READY:
        spoke = f"{node.name} last spoke {format_age(node.heartbeat_age_s)} ago"
        sentence = f"Its node is {node.state.value}: {spoke}, and {only}."
        whose = f"{NAME}'s {volume_phrase(views.need).removeprefix('its ')} is only there"
        clause = f" because its node is {node.state.value}: {spoke}, and {whose}."
        return Finding(code, sentence, clause, fixes=_back_or_anew(f"bring {node.name} back"))
    return Finding(code, f"Its node takes no tasks: {node.name} {_is(node)}, and {only}.")


def _condition(need: Need) -> str:
    if not need.constraints:
        return ""
    return f" with {listed([parse(text).text for text in need.constraints], noun='constraints')}"


def _is(node: Node) -> str:
    if node.state is NodeState.READY:
        return "is still listing its containers"
    return f"is {node.state.value}"


def _states(nodes: Sequence[Node]) -> str:
    if len(nodes) <= 3:
        return listed([f"{node.name} {_is(node)}" for node in nodes])
    counts = Counter(_is(node).removeprefix("is ") for node in nodes).most_common()
    return listed([f"{amount} {'is' if amount == 1 else 'are'} {word}" for word, amount in counts], most=9)


def _short(views: Views) -> Finding | None:
    """Say what alone blocks every node that takes tasks: an amount, or host ports."""
    need, nodes = views.need, views.open
    if not all(views.beside.admits(need, node) for node in nodes):
        return None
    for amount in AMOUNTS:
        if any(amount.admits(need, node) for node in nodes):
            continue
        best = max(nodes, key=lambda node, amount=amount: amount.of(room(need, node)))  # type: ignore[misc]
        phrase, most = amount.phrase(amount.of(need.resources)), amount.down(amount.of(room(need, best)))
        clause = f": it asks {phrase}, and of the nodes that take tasks {best.name} has the most free, {most}."
        return Finding(amount.code, f"Needs {phrase}; the most free is {most}, on {best.name}.", clause)
    if not any(views.taking[-2].admits(need, node) for node in nodes):
        anyone = (f"take any that are free: --gpus {len(need.gpu_ids)}", None)
        return Finding(Code.FIT_GPU, taken_sentence(need, nodes), fixes=(anyone,))
    if any(views.ports.admits(need, node) for node in nodes):
        return None
    return _ports(views)


def _ports(views: Views) -> Finding:
    found = {node.name: views.ports.explain(views.need, node) for node in views.open}
    first = next(iter(found.values()))[0]
    port, _, who = first.sentence.partition(": ")
    if any(blocker.sentence == first.sentence and not blocker.fits_if for blocker in found[next(iter(found))]):
        return Finding(Code.FIT_PORT, f"Host {port} is named twice by the task itself.")
    if port == "ports":
        return Finding(Code.FIT_PORT, f"Needs a port of the pool on every node: {who}.".replace("asks", "it asks"))
    if len(found) == 1:
        return Finding(Code.FIT_PORT, f"Host {port} of {next(iter(found))} is held by {who}.")
    if all(any(b.sentence.startswith(f"{port}: ") for b in blockers) for blockers in found.values()):
        # Of the nodes that take tasks only; "every node" would be wrong while others drain.
        everywhere = len(found) == len(views.fleet.nodes)
        place = "every node" if everywhere else listed(list(found))
        holders = {b.sentence.partition(": ")[2] for bs in found.values() for b in bs}
        by = f", by {who}" if len(holders) == 1 else ""
        return Finding(Code.FIT_PORT, f"Host {port} is taken on {place}{by}.")
    taken = sorted({b.sentence.partition(": ")[0].removeprefix("port ") for bs in found.values() for b in bs})
    return Finding(Code.FIT_PORT, f"One of the host ports {listed(taken, most=9)} is taken on each node.")


def _mixed(views: Views) -> Finding:
    """Say what is short where, when no one thing blocks all nodes; the code is that of the most nodes."""
    blocked: dict[str, list[str]] = {}
    codes: Counter[Code] = Counter()
    for node in views.open:
        for name, code in _lacks(views, node):
            blocked.setdefault(name, []).append(node.name)
            codes[code] += 1
    parts = [f"{name} on {listed(nodes)}" for name, nodes in blocked.items()]
    return Finding(codes.most_common(1)[0][0], f"No node has all it needs: {listed(parts, most=9)}.")


def _lacks(views: Views, node: Node) -> list[tuple[str, Code]]:
    lacks = views.beside.lacks(views.need, node)
    for amount in AMOUNTS:
        if not amount.admits(views.need, node):
            lacks.append((f"{amount.noun} {'are' if amount.noun == GPUS.noun else 'is'} short", amount.code))
    for blocker in (blocker for rule in views.taking[-2:] for blocker in rule.explain(views.need, node)):
        name = blocker.sentence.partition(": ")[0]
        lacks.append((f"{name} is {'taken' if ' ' in name else 'short'}", blocker.code))
    return lacks


def _nowhere(views: Views) -> Finding:
    """Say that no node meets the constraints, or that the volume's node is unknown."""
    need, nodes = views.need, views.fleet.nodes
    for constraint in map(parse, need.constraints):
        if not any(constraint.admits(node) for node in nodes):
            return _unmet(constraint, nodes)
    meeting = [node for node in nodes if WHERE[0].admits(need, node)]
    if not meeting:
        texts = listed([parse(text).text for text in need.constraints], most=9)
        remedy = ("drop a constraint, or label a node", None)
        return Finding(Code.CONSTRAINT, f"No node has all of {texts}.", fixes=(remedy,))
    if any(VOLUME.admits(need, node) for node in nodes):
        sentence = f"{_capital(volume_phrase(need))} is on {need.pinned}, which does not meet its constraints."
    else:
        sentence = f"{_capital(volume_phrase(need))} is on {need.pinned}, which is not a node of this cluster any more."
    return Finding(Code.VOLUME_ELSEWHERE, sentence, fixes=_back_or_anew("bring that node back"))


def _back_or_anew(back: str) -> tuple[tuple[str, str | None], ...]:
    return ((back, None), (f"give the data up: ormen rm {NAME}, then run it anew", None))


def _capital(text: str) -> str:
    return text[0].upper() + text[1:]


def _unmet(constraint: Constraint, nodes: Sequence[Node]) -> Finding:
    """Say that no node meets one constraint; name the value that was probably meant, and those there are."""
    key = constraint.key
    holders: dict[str, list[str]] = {}
    for node in nodes:
        for value in values_of(node, key):
            holders.setdefault(value, []).append(node.name)
    if constraint.operator == "!=":
        has = f"{key}={constraint.values[0]}"
        return Finding(Code.CONSTRAINT, f"Every node has {has}, which {constraint.text} forbids.")
    if not holders:
        return _unlabelled(constraint, nodes)
    slips = constraint.values if constraint.exact else ()
    near = [match for value in slips for match in get_close_matches(value, list(holders), n=1)]
    what = f"No node has {'' if key in FACTS else 'the label '}{constraint.text}"
    if key == "node" and constraint.exact:
        what = f"No node is named {listed(constraint.values, link='or')}"
    known = sorted(holders.items(), key=lambda item: (-len(item[1]), item[0]))
    notes = () if key == "node" else (f"Values of {key}: {_values(known)}.",)
    if not near:
        told = "" if key == "node" else f"; {key} is {listed([value for value, _ in known], link='or', noun='others')}"
        return Finding(Code.CONSTRAINT, f"{what}{told}.", notes=notes, fixes=_rerun(f"{key}={known[0][0]}"))
    meant = near[0] if key == "node" else f"{key}={near[0]} ({_names(holders[near[0]])})"
    return Finding(Code.CONSTRAINT, f"{what}; did you mean {meant}?", notes=notes, fixes=_rerun(f"{key}={near[0]}"))


def _names(nodes: Sequence[str]) -> str:
    return ", ".join(nodes) if len(nodes) <= 3 else counted(len(nodes), "node")


def _unlabelled(constraint: Constraint, nodes: Sequence[Node]) -> Finding:
    keys = sorted({label for node in nodes for label in node.labels} | set(FACTS))
    near = get_close_matches(constraint.key, keys, n=1)
    label = f"ormen mast label NODE {constraint.key}={constraint.values[0] if constraint.exact else 'VALUE'}"
    meant = f"; did you mean {near[0]}?" if near else "."
    return Finding(Code.CONSTRAINT, f"No node has a label {constraint.key}{meant}", fixes=(("label a node", label),))


def _values(known: Sequence[tuple[str, list[str]]]) -> str:
    shown = [f"{value} ({counted(len(names), 'node')})" for value, names in known[:10]]
    return ", ".join(shown) + (f" and {len(known) - 10} others" if len(known) > 10 else "")


def _rerun(constraint: str) -> tuple[tuple[str, str | None], ...]:
    return ((f"ormen rm {NAME}, then run it with --constraint {constraint}", None),)
