"""What the fleet carries while a list is placed: every placement counts for the next.

For each class of needs (the same amounts, ports, constraints, strategy and volume) there is one list of marginal
costs, a cost a node, infinite where the need does not fit. After a placement only the chosen node's entry changes
(with host ports, those of all nodes on its engine), and only when the class is asked again. The list is kept in order
of cost, except for a class that spreads or has preferences: that looks at all nodes for each of its needs.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from functools import partial
from math import inf
from typing import TYPE_CHECKING, TypeAlias

from ormen.node import Resources
from ormen.scheduler.filters import WHERE
from ormen.scheduler.gpus import Lent, chosen
from ormen.scheduler.marginal import GROWING, GROWS_TO, Marginal, MarginalCosts
from ormen.scheduler.neighbours import Neighbours
from ormen.scheduler.ports import PortBook
from ormen.scheduler.ranks import Column, ColumnCosts, Columns, Lists, Ranks
from ormen.scheduler.sorted_costs import LateCosts, SortedCosts
from ormen.scheduler.strategies import LEAST_BASE, Formula, Load, Scalar, epvm, named
from ormen.scheduler.survey import Survey, growing
from ormen.scheduler.values import Fleet, Need, engine_of
from ormen.task import Port

if TYPE_CHECKING:
    from ormen.scheduler.runs import Picks

Costs: TypeAlias = SortedCosts | ColumnCosts
"""Every node's cost for one class of needs: sorted from the second need on, unless the class has ranks."""

_SCALAR = Scalar()


@dataclass(slots=True)
class Lane:
    """One class of needs: which nodes are open to it, and what each would cost.

    `watched` says that rules of tasks beside each other have a say in it. `cost_of` tells a node's cost as it is now.
    """

    need: Need
    formula: Formula
    open: list[bool]
    seen: int
    watched: bool = False
    ranks: Ranks | None = None
    marginal: MarginalCosts | None = None
    cost_of: Callable[[int], float] = field(init=False)
    costs: Costs = field(init=False)


class Ledger:
    """The fleet's amounts and ports, and the costs of every class that was asked for."""

    def __init__(self, fleet: Fleet, needs: Sequence[Need] = (), *, vectors: bool) -> None:
        nodes = fleet.nodes
        self.fleet = fleet
        self.neighbours = Neighbours.of(fleet, needs)
        self.book = PortBook(fleet)
        known = fleet.survey
        self._survey = known if known is not None and known.nodes is nodes else Survey.of(nodes)
        self.index, self._mates = self._survey.index, self._survey.mates
        self._base = fleet.base or max(LEAST_BASE, float(len(nodes)))
        self.turn = fleet.turn % len(nodes)
        self._vectors = vectors
        self._lanes: dict[tuple[object, ...], Lane] = {}
        self._where: dict[tuple[object, ...], list[bool]] = {}
        self._changed: list[int] = []
        # Nodes that one of the classes that are priced late may not fit any more, and the most that any of these asks.
        self._short: list[int] = []
        self._most = [0, 0, 0]
        self._lent_now: dict[int, Lent] = {}
        self._load = growing(self._survey.load)
        self._marginal = Marginal(self._load, self._base)
        self._late = GROWING[0] <= self._base <= GROWING[1]
        self._spreads: dict[str, list[Ranks]] = {}
        self._columns: Columns = Lists()
        if vectors:
            from ormen.scheduler.vectors import Arrays

            self._columns = Arrays()

    def lane(self, need: Need) -> Lane:
        """Return the need's class with costs for a task without a seat, true once `refresh` or `take_lowest` say so."""
        strategy = need.strategy or self.fleet.strategy
        neighbours = () if need.rules is None and not self.neighbours.apart else self.neighbours.class_of(need)
        key = (need.resources, need.ports, need.constraints, need.pinned, need.gpu_ids, strategy, neighbours)
        lane = self._lanes.get(key)
        if lane is None:
            lane = self._lanes[key] = self._build(replace(need, key="", seat=None), named(strategy))
        else:
            self._catch_up(lane)
        return lane

    @contextmanager
    def as_seen_by(self, need: Need, lane: Lane) -> Iterator[None]:
        """Change the lane's costs for the time of the block to what they are for a task that has a seat."""
        home = self.index.get(need.seat or "")
        mates = () if home is None else self._mates[engine_of(self.fleet.nodes[home])] if need.ports else (home,)
        general = [(i, lane.costs[i]) for i in mates]
        for i in mates:
            lane.costs.move(i, self._cost(lane, need, i))
        try:
            yield
        finally:
            for i, cost in general:
                lane.costs.move(i, cost)

    def pick(self, lane: Lane, need: Need) -> tuple[int, int | None]:
        """Return the best node of a lane, and how many were as well suited before its cost; None without such ranks."""
        turn = self.turn
        if isinstance(lane.costs, SortedCosts):
            return lane.costs.lowest(turn), None
        if lane.ranks is None:
            return self._columns.lowest(lane.costs.column, turn), None
        costs = lane.ranks.narrowed(lane.costs.column, seat=self.index.get(need.seat or ""))
        return self._columns.lowest(costs, turn), self._columns.finite(costs)

    def run(self, need: Need, amount: int) -> Picks:
        """Choose and reserve for up to so many needs like this, one after the other; empty where `pick` is to be asked.

        They are plain needs: they ask for no ports and no GPUs, have no seat, and no rule has a say in where they go.
        """
        if not self._vectors or need.ports or need.resources.gpus or self.neighbours.watches:
            return [], [], [], [], []
        from ormen.scheduler.runs import Run

        formula = named(need.strategy or self.fleet.strategy)
        run = Run.of(self._load, need.resources, formula, base=self._base, fits=self._open(need))
        picks = run.picks(amount, self.turn)
        run.write(self._load)
        if picks[0]:
            self.turn = (picks[0][-1] + 1) % len(self.index)
        for i in set(picks[0]):
            self._marginal.forget(i)
            self._changed.append(i)
            self._run_short(i)
        return picks

    def take(self, need: Need, i: int) -> tuple[Port, ...]:
        """Reserve what `need` asks on node `i`, which it fits, and return its ports. A seat is kept, not doubled."""
        node, asked, load = self.fleet.nodes[i], need.resources, self._load
        ports: tuple[Port, ...] = ()
        self.turn = i + 1 if i + 1 < len(load.tasks) else 0
        if need.ports:
            ports = self.book.choose(need, node)
            self.book.give(need.key, node, ports)
            self._changed.extend(self._mates[engine_of(node)])
        if need.seat != node.name:
            load.reserved_cpu[i] += asked.cpu_milli
            load.reserved_memory[i] += asked.memory_bytes
            load.reserved_disk[i] += asked.disk_bytes
            load.tasks[i] += 1
            self._marginal.forget(i)
            self._run_short(i)
            if self.neighbours.watches:
                self.neighbours.take(need, node.name)
            for ranks in self._spreads.get(need.group, ()):
                ranks.take(i)
            self._changed.append(i)
        return ports

    def lend(self, need: Need, i: int) -> tuple[str, ...]:
        """Give `need` the GPUs that it asks of node `i`, which it fits, and return them; it gives back what it had."""
        if not need.resources.gpus:
            return ()
        node, lent = self.fleet.nodes[i], self._lent(i)
        gpus = chosen(need, node, lent) or ()
        rest = {gpu: task for gpu, task in lent.items() if task != need.key}
        self._lent_now[i] = {**rest, **dict.fromkeys(gpus, need.key)}
        self._changed.append(i)
        return gpus

    def _lent(self, i: int) -> Lent:
        return self._lent_now.get(i, self.fleet.nodes[i].lent)

    def now(self) -> Fleet:
        """Return the fleet with everything that was taken."""
        nodes, load = list(self.fleet.nodes), self._load
        for i in set(self._changed):
            lent = self._lent(i)
            gpus = sum(gpu in lent for gpu in nodes[i].gpus)
            reserved = Resources(load.reserved_cpu[i], load.reserved_memory[i], load.reserved_disk[i], gpus)
            nodes[i] = replace(nodes[i], reserved=reserved, tasks=load.tasks[i], lent=lent)
        beside, apart = self.neighbours.beside, self.neighbours.apart
        return replace(self.fleet, nodes=tuple(nodes), taken=self.book.taken(), beside=beside, apart=apart)

    def _build(self, need: Need, formula: Formula) -> Lane:
        lane = Lane(need, formula, self._open(need), len(self._changed))
        lane.watched, lane.ranks = self.neighbours.concerns(need), self._ranks(need)
        if formula is epvm and not (need.ports or need.resources.gpus or lane.watched):
            lane.marginal = MarginalCosts(self._marginal, need.resources, lane.open)
            lane.cost_of = lane.marginal.cost
        else:
            lane.cost_of = partial(self._cost, lane, lane.need)
        lane.costs = ColumnCosts(self._column(lane), self._columns)
        return lane

    def _column(self, lane: Lane) -> Column:
        """Return every node's cost; with vectors what the formula says of all at once."""
        if not self._vectors:
            return [lane.cost_of(i) for i in range(len(lane.open))]
        from ormen.scheduler.vectors import costs, fitting, flags, packed

        need, fits, nodes = lane.need, lane.open, self.fleet.nodes
        if need.resources.gpus:
            fits = [here and chosen(need, nodes[i], self._lent(i)) is not None for i, here in enumerate(fits)]
        if need.ports:
            doubtful = self.book.doubtful(need)
            if doubtful is None:
                fits = [here and self.book.admits(need, nodes[i]) for i, here in enumerate(fits)]
            else:
                fits = fits[:]
            for i in (i for engine in doubtful or () for i in self._mates.get(engine, ())):
                fits[i] = fits[i] and self.book.admits(need, nodes[i])
        if lane.watched:
            fits = [here and self.neighbours.admits(need, nodes[i].name) for i, here in enumerate(fits)]
        asked, formula, base = need.resources, lane.formula, self._base
        if self._changed:
            return costs(packed(self._load), asked, formula=formula, base=base, fits=flags(fits))
        return fitting(self._survey.prices(asked, formula, base), self._survey.columns(), asked, flags(fits))

    def _ranks(self, need: Need) -> Ranks | None:
        rules = need.rules
        if rules is None or not (rules.spread or rules.preferences):
            return None
        ranks = Ranks(rules, self.fleet.nodes, self.neighbours.beside.get(need.group, {}), self._columns)
        if rules.spread:
            self._spreads.setdefault(need.group, []).append(ranks)
        return ranks

    def _open(self, need: Need) -> list[bool]:
        key = (need.constraints, need.pinned)
        if key not in self._where:
            takes = self._survey.takes
            if any(key):
                nodes = zip(takes, self.fleet.nodes, strict=True)
                takes = [here and all(rule.admits(need, node) for rule in WHERE) for here, node in nodes]
            self._where[key] = takes
        return self._where[key]

    def _catch_up(self, lane: Lane) -> None:
        """Make the costs true as far as `SortedCosts.take_lowest` needs it."""
        if isinstance(lane.costs, LateCosts):
            lane.costs.catch_up()
            return
        self.refresh(lane)
        if lane.ranks is not None or isinstance(lane.costs, SortedCosts):
            return
        column, tasks = lane.costs.column, self._load.tasks
        if lane.marginal is not None and self._late:
            lane.costs = LateCosts(column, self._columns, pricing=lane.marginal, tasks=tasks, short=self._short)
            asked = lane.need.resources
            amounts = asked.cpu_milli, asked.memory_bytes, asked.disk_bytes
            self._most = [max(pair) for pair in zip(self._most, amounts, strict=True)]
        else:
            lane.costs = SortedCosts(column, self._columns)

    def _run_short(self, i: int) -> None:
        """Note node `i` if some class that is priced late may fit there no more, or cost less there."""
        load, most = self._load, self._most
        if (
            load.cpu[i] - load.reserved_cpu[i] < most[0]
            or load.memory[i] - load.reserved_memory[i] < most[1]
            or load.disk[i] - load.reserved_disk[i] < most[2]
            or load.tasks[i] >= GROWS_TO
        ):
            self._short.append(i)

    def refresh(self, lane: Lane) -> None:
        """Make all costs of a lane true now."""
        if isinstance(lane.costs, LateCosts):
            lane.costs.settle()
        if lane.seen == len(self._changed):
            return
        move, cost_of = lane.costs.move, lane.cost_of
        for i in set(self._changed[lane.seen :]):
            move(i, cost_of(i))
        lane.seen = len(self._changed)

    def _cost(self, lane: Lane, need: Need, i: int) -> float:
        if not lane.open[i]:
            return inf
        load, asked, node = self._load, need.resources, self.fleet.nodes[i]
        own, one = (asked, 1) if need.seat == node.name else (Resources(), 0)
        cpu, memory = load.reserved_cpu[i] - own.cpu_milli, load.reserved_memory[i] - own.memory_bytes
        disk = load.reserved_disk[i] - own.disk_bytes
        if (
            cpu + asked.cpu_milli > load.cpu[i]
            or memory + asked.memory_bytes > load.memory[i]
            or disk + asked.disk_bytes > load.disk[i]
            or (need.ports and not self.book.admits(need, node))
            or (asked.gpus and chosen(need, node, self._lent(i)) is None)
            or (lane.watched and not self.neighbours.admits(need, node.name))
        ):
            return inf
        busy = load.busy_cpu[i], load.busy_memory[i], load.busy_disk[i]
        whole = load.cpu[i], load.memory[i], load.disk[i]
        there = Load(*whole, cpu, memory, disk, *busy, load.tasks[i] - one)
        return float(lane.formula(there, asked, self._base, _SCALAR))
