"""Neighbours and wishes: for every fleet and list the hard ones hold, and the choice is that of the plain formula."""

from __future__ import annotations

from collections import Counter
from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ormen.groups import base_of
from ormen.node import Node, Resources
from ormen.scheduler.constraints import parse
from ormen.scheduler.explanation import refuse
from ormen.scheduler.order import in_order
from ormen.scheduler.placement import Fleet, Need, Placement, Refusal, place
from ormen.spec import Preference, Rules
from tests.properties.depth import examples
from tests.properties.test_scheduler_properties import fleets, placed

GROUPS = ("web", "db", "cache")
words = st.sampled_from([None, None, None, *GROUPS, "db-1"])
wishes = st.lists(
    st.builds(Preference, st.sampled_from(["zone=a", "zone!=b", "node=node-2"]), st.sampled_from([-100, -1, 40, 60])),
    max_size=3,
)
rules = st.builds(
    Rules, wishes.map(tuple), st.sampled_from([None, None, "zone", "node"]), st.sampled_from([None, None, 1, 2]),
    words, words,
)  # fmt: skip


@st.composite
def lists(draw: st.DrawFn) -> list[Need]:
    """Lists of copies of three groups, most of them with rules."""
    needs: list[Need] = []
    for group in draw(st.lists(st.sampled_from(GROUPS), min_size=1, max_size=4, unique=True)):
        made = draw(st.one_of(st.none(), rules))
        if made is not None:
            # Nobody is far from itself, and none is near to each other in a circle: the first is for those to come.
            near = made.near if GROUPS.index(base_of(made.near or group)) > GROUPS.index(group) else None
            made = replace(made, near=near, far=None if made.far == group else made.far)
        for number in range(draw(st.integers(1, 5))):
            name = f"{group}-{number}"
            needs.append(Need(name, Resources(500, 1, 0), name=name, group=group, rules=made))
    return in_order(needs)


@st.composite
def peopled(draw: st.DrawFn) -> Fleet:
    """Fleets on which some of the groups are already."""
    fleet = draw(fleets(most=6))
    names = [node.name for node in fleet.nodes]
    there = st.dictionaries(st.sampled_from(names), st.integers(1, 2), max_size=2) if names else st.just({})
    beside = {group: draw(there) for group in GROUPS}
    return replace(fleet, beside={**beside, "db-1": {}}, apart={"web": draw(there)} if draw(st.booleans()) else {})


def grown(fleet: Fleet, need: Need, chosen: str) -> Fleet:
    """The fleet as it is once a need was placed, counted by hand."""
    nodes = [
        replace(node, reserved=node.reserved + need.resources, tasks=node.tasks + 1) if node.name == chosen else node
        for node in fleet.nodes
    ]
    beside = {
        word: dict(Counter(there) + Counter([chosen] * (word in (need.group, need.name))))
        for word, there in fleet.beside.items()
    }
    far = need.rules.far if need.rules else None
    apart = {word: dict(there) for word, there in fleet.apart.items()}
    if far is not None:
        apart[far] = dict(Counter(apart.get(far, {})) + Counter([chosen]))
    turn = [node.name for node in nodes].index(chosen) + 1
    return replace(fleet, nodes=nodes, beside=beside, apart=apart, turn=turn)


def allowed(need: Need, fleet: Fleet, node: Node) -> bool:
    """Whether the neighbours let the need be on the node, written out from the words of the fields."""
    asked = need.rules or Rules()
    count = {word: there.get(node.name, 0) for word, there in fleet.beside.items()}
    away = {word for word, there in fleet.apart.items() if there.get(node.name)}
    return (
        (asked.most is None or count[need.group] < asked.most)
        and (asked.near is None or count[asked.near] > 0)
        and (asked.far is None or count[asked.far] == 0)
        and not {need.group, need.name} & away
    )


def best_suited(need: Need, fleet: Fleet) -> list[Node]:
    """The nodes that fit and meet the wishes best, written out."""
    plain = refuse(replace(need, rules=None), replace(fleet, apart={})).blockers
    nodes = [node for node in fleet.nodes if not plain[node.name] and allowed(need, fleet, node)]
    asked = need.rules or Rules()
    if asked.spread is not None:
        value = {node.name: node.name if asked.spread == "node" else node.labels.get("zone") for node in fleet.nodes}
        tally: Counter[str | None] = Counter()
        for name, count in fleet.beside[need.group].items():
            tally[value[name]] += count
        nodes = [node for node in nodes if tally[value[node.name]] == min(tally[value[one.name]] for one in nodes)]
    score = {
        node.name: sum(wish.weight for wish in asked.preferences if parse(wish.constraint).admits(node))
        for node in nodes
    }
    return [node for node in nodes if score[node.name] == max(score.values())]


@given(peopled(), lists())
@examples(150)
def test_the_choice_is_that_of_the_plain_formula(fleet: Fleet, needs: list[Need]) -> None:
    """One need after the other: refused exactly where nobody may take it, else on the cheapest of the best suited."""
    fleet = replace(fleet, base=2.0)
    for need, answer in zip(needs, place(needs, fleet), strict=True):
        suited = best_suited(need, fleet)
        assert isinstance(answer, Refusal) is (not suited), need
        if isinstance(answer, Placement):
            assert answer.node in {node.name for node in suited}
            (alone,) = place([replace(need, rules=None)], replace(fleet, nodes=suited, apart={}))
            assert isinstance(alone, Placement)
            assert answer.cost == pytest.approx(alone.cost)
            assert answer.suited in (None, len(suited))
            fleet = grown(fleet, need, answer.node)


@given(peopled(), lists())
@examples(100)
def test_columns_and_lists_answer_the_same_with_rules(fleet: Fleet, needs: list[Need]) -> None:
    """Nodes, costs, how many were as well suited, and the reasons of those that wait."""
    plain, columns = place(needs, fleet, vectors=False), place(needs, fleet, vectors=True)
    assert placed(plain) == placed(columns)
    assert [one.reason for one in plain if isinstance(one, Refusal)] == [
        one.reason for one in columns if isinstance(one, Refusal)
    ]


@given(peopled(), lists())
@examples(100)
def test_a_refusal_names_every_rule_in_the_way(fleet: Fleet, needs: list[Need]) -> None:
    """Each node has a blocker, each blocker a sentence, and room can come."""
    for answer in place(needs, fleet):
        if isinstance(answer, Refusal):
            assert all(answer.blockers.values())
            assert all(blocker.sentence for blockers in answer.blockers.values() for blocker in blockers)
            assert answer.reason.sentence.endswith((".", "?"))
            assert answer.fixes


@given(lists(), st.lists(st.integers(0, 3), min_size=25, max_size=25))
@examples(60)
def test_turns_lose_nobody_and_put_the_partner_first(needs: list[Need], priorities: list[int]) -> None:
    """The order has each need once; without `near` it is that of the priorities, and a partner goes before."""
    needs = [replace(need, priority=level) for need, level in zip(needs, priorities, strict=False)]
    ordered = in_order(needs)
    assert sorted(need.key for need in ordered) == sorted(need.key for need in needs)
    if all(need.rules is None or need.rules.near is None for need in needs):
        assert [need.priority for need in ordered] == sorted((need.priority for need in needs), reverse=True)
    turns = {need.key: turn for turn, need in enumerate(ordered)}
    free = [need for need in needs if need.rules is None or need.rules.near is None]
    for need in needs:
        for other in free:
            if need.rules and need.rules.near in (other.name, other.group):
                assert turns[other.key] < turns[need.key]
