"""A fleet that is looked at again and again: what is kept of it from one look to the next changes no answer."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

from hypothesis import given
from hypothesis import strategies as st

from ormen.node import Node, NodeState, Resources
from ormen.scheduler.placement import Fleet, Need, place
from ormen.scheduler.ports import PortBook
from ormen.scheduler.strategies import STRATEGIES, Load
from ormen.scheduler.survey import CLASSES, Survey
from ormen.scheduler.values import engine_of
from tests.properties.depth import examples
from tests.properties.test_scheduler_properties import amounts, capacities, fleets, lists

edits = st.lists(st.tuples(st.integers(0, 8), capacities, amounts, st.booleans(), st.booleans()), max_size=4)


def edited(nodes: Sequence[Node], changes: list[tuple[int, Resources, Resources, bool, bool]]) -> list[Node]:
    """Return the nodes with some of them changed in room and readiness, and now and then in their engine."""
    found = list(nodes)
    for at, capacity, reserved, synced, moved in changes:
        if at < len(found):
            node = replace(found[at], capacity=capacity, reserved=reserved, synced=synced, tasks=at)
            found[at] = replace(node, engine="shared", facts={"bind": "::"}) if moved else node
    return found


def columns(survey: Survey) -> tuple[object, ...]:
    """Return all that a survey says, its arrays as lists."""
    lists_ = [list(getattr(survey.load, name)) for name in Load.__slots__]
    arrays = [getattr(survey.columns(), name).tolist() for name in Load.__slots__]
    return list(survey.nodes), survey.index, survey.mates, survey.binds, lists_, arrays, survey.takes


@given(fleets(), edits, edits, st.booleans())
@examples(100)
def test_a_survey_brought_up_to_date_is_as_one_made_anew(
    fleet: Fleet, first: list[tuple[int, Resources, Resources, bool, bool]], second: list[object], asked: bool
) -> None:
    """Whatever changed since, and whether or not somebody had asked for arrays; the earlier one stays as it was."""
    start = Survey.of(fleet.nodes)
    if asked:
        start.columns()
    was = columns(Survey.of(fleet.nodes))
    once = Survey.of(edited(fleet.nodes, first), start)
    twice = Survey.of(edited(once.nodes, second), once)  # type: ignore[arg-type]
    assert columns(once) == columns(Survey.of(once.nodes))
    assert columns(twice) == columns(Survey.of(twice.nodes))
    assert columns(start) == was
    assert Survey.of(list(twice.nodes), twice) is twice


@given(fleets(), edits, amounts, amounts, st.sampled_from(sorted(STRATEGIES)))
@examples(100)
def test_costs_brought_up_to_date_are_those_worked_out_anew(
    fleet: Fleet,
    changes: list[tuple[int, Resources, Resources, bool, bool]],
    asked: Resources,
    other: Resources,
    strategy: str,
) -> None:
    """Where few of many nodes have changed, each class has the costs of a look from nothing, to the last bit."""
    many = [replace(node, name=f"{node.name}-{turn}") for turn in range(40) for node in fleet.nodes]
    kept, formula = Survey.of(many), STRATEGIES[strategy]
    for need in (asked, other):
        kept.prices(need, formula, 1000.0)
    once = Survey.of(edited(many, changes), kept)
    fresh = Survey.of(once.nodes)
    for need in (asked, other):
        assert once.prices(need, formula, 1000.0).tolist() == fresh.prices(need, formula, 1000.0).tolist()


def test_no_more_classes_are_kept_than_are_said() -> None:
    """A deck that is asked for ever other amounts keeps the costs of the last ones."""
    survey = Survey.of([Node("n1", NodeState.READY, capacity=Resources(1000, 2**30, 2**30))])
    for cpu in range(3 * CLASSES):
        survey.prices(Resources(cpu, 1, 1), STRATEGIES["epvm"], 1000.0)
    assert [asked.cpu_milli for asked, _, _ in survey.priced] == list(range(2 * CLASSES, 3 * CLASSES))


@given(fleets(), edits, lists(), st.booleans())
@examples(100)
def test_a_kept_survey_changes_no_placement(
    fleet: Fleet, changes: list[tuple[int, Resources, Resources, bool, bool]], needs: list[Need], vectors: bool
) -> None:
    """Answers are those of a look from nothing, and placing twice on one survey answers twice the same."""
    nodes = edited(fleet.nodes, changes)
    plain = place(needs, replace(fleet, nodes=nodes), vectors=vectors)
    kept = Survey.of(nodes, Survey.of(fleet.nodes))
    seen = replace(fleet, nodes=kept.nodes, survey=kept)
    assert place(needs, seen, vectors=vectors) == plain
    assert place(needs, seen, vectors=vectors) == plain


@given(fleets(), lists())
@examples(100)
def test_who_is_not_doubtful_has_the_ports(fleet: Fleet, needs: list[Need]) -> None:
    """An engine that is passed over without a look has what the need asks, also after some ports were given."""
    book = PortBook(replace(fleet, pool=range(20000, 20009)))
    for need in needs:
        doubtful = book.doubtful(need)
        for node in fleet.nodes:
            assert doubtful is None or engine_of(node) in doubtful or book.admits(need, node)
        if need.ports and fleet.nodes and book.admits(need, fleet.nodes[0]):
            book.give(need.key, fleet.nodes[0], book.choose(need, fleet.nodes[0]))
