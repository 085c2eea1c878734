"""Whose turn it is when several needs are placed together."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from ormen.scheduler.values import Need


def in_order(needs: Sequence[Need]) -> list[Need]:
    """Return the needs as they have their turn: the highest priority first, else as they were given.

    What a need is to be near to comes before it, if it is in the list, whatever its priority. Of needs that are near to
    each other in a circle one is first, and waits.
    """
    ordered = sorted(needs, key=lambda need: -need.priority)
    if all(need.rules is None or need.rules.near is None for need in needs):
        return ordered
    named: dict[str, list[Need]] = {}
    for need in ordered:
        for word in {need.name, need.group}:
            named.setdefault(word, []).append(need)
    done: dict[str, Need] = {}
    for need in ordered:
        _before(need, named, done)
    return list(done.values())


def _before(need: Need, named: Mapping[str, Sequence[Need]], done: dict[str, Need]) -> None:
    """Add a need to those that are done, after all that it waits for."""
    stack, begun = [need], {need.key}
    while stack:
        last = stack[-1]
        near = last.rules.near if last.rules else None
        others = [other for other in named.get(near or "", ()) if other.key not in done and other.key not in begun]
        if others:
            stack.append(others[0])
            begun.add(others[0].key)
        else:
            done.setdefault(stack.pop().key, last)
