"""From a scheduled record to a running container: create, pull if need be, start, report.

`create` comes first and its answer decides: the container's name is fixed in the record, so the engine's own
"name in use" is the mutex, also against another agent on the same engine and against our own past.
"""

from __future__ import annotations

from ormen.errors import InvalidSpec
from ormen.reasons import Code, Reason
from ormen.schema import resolve
from ormen.spec import Spec
from ormen.store.agent import Remark, Report
from ormen.task import Health, Task
from worker_agent import docker_args, judgement
from worker_agent.ending import Ender
from worker_agent.pinning import Look, Pinning
from worker_agent.pulls import Pulls
from worker_agent.runtime import (
    Container,
    ContainerGone,
    ContainerPlan,
    EngineDown,
    ImageMissing,
    NameInUse,
    PlanRefused,
    StartRefused,
)
from worker_agent.station import Station, Step

STALE = "changed meanwhile"
"""The word for a look at a record that somebody has changed since it was read."""
CREATE_TRIES = 4
"""How often a create is tried while what holds the name is being cleared away."""


class Starter:
    """Starts what is scheduled on this node."""

    def __init__(self, station: Station, pulls: Pulls, ender: Ender) -> None:
        self._station = station
        self._pulls = pulls
        self._ender = ender
        self._pinning = Pinning(station)

    def start(self, task: Task) -> Step:
        """Do the next step towards a running container of this attempt, unless its record has changed since."""
        if not self._receive(task):
            return Step(STALE, task, again=True)
        refusal = self._pulls.refusal(task)
        if refusal is not None:
            return self._refuse(task, refusal)
        if self._pulls.waits(task):
            return Step("pulling", task)
        try:
            spec = resolve(task.spec)
        except InvalidSpec as fault:
            sentence = f"This agent cannot read the spec of {task.name}: {fault}"
            return self._refuse(task, Reason(Code.CREATE_REFUSED, sentence))
        image = self._pinning.image_of(task, spec)
        if spec.pull == "always" and not self._pulls.pulled(task):
            return self._pull(task, image)
        return self._create(task, spec, self._plan(task, spec, image))

    def forget(self, task_id: str) -> None:
        """Drop what was kept of the task's start."""
        self._pulls.forget(task_id)

    def _plan(self, task: Task, spec: Spec, image: str) -> ContainerPlan:
        return docker_args.plan(task, spec, cluster=self._station.cluster, bind=self._station.bind, image=image)

    def _create(self, task: Task, spec: Spec, plan: ContainerPlan) -> Step:
        look = self._pinning.look(task, spec, plan.image)
        for _ in range(CREATE_TRIES):
            try:
                container_id = self._station.runtime.create(plan, meanwhile=look)
            except ImageMissing as fault:
                loaded = self._pinning.same_under_its_tag(task, spec)
                if loaded is not None and loaded != plan.image:
                    plan = self._plan(task, spec, loaded)
                    continue
                if spec.pull == "never" or self._pulls.pulled(task):
                    return self._refuse(task, fault.reason)
                return self._pull(task, plan.image)
            except NameInUse as fault:
                done = self._settle_name(task, spec, plan, fault)
                if done is not None:
                    return done
            except (PlanRefused, EngineDown) as fault:
                # An engine that does not answer a create has started nothing, so the task may go elsewhere at once.
                return self._refuse(task, fault.reason)
            else:
                return self._run(task, spec, container_id, look)
        return Step("name busy", task, again=True)

    def _settle_name(self, task: Task, spec: Spec, plan: ContainerPlan, fault: NameInUse) -> Step | None:
        """Adopt, judge or clear away the container that has the name; None: it is free, create again."""
        holder = fault.holder
        if holder is None:
            return None
        if holder.cluster != self._station.cluster or holder.task != task.id:
            return self._refuse(task, fault.reason)
        here = holder.node == self._station.node
        if here and holder.running and self._is_as_asked(spec, plan, holder):
            return self._adopt(task, spec, holder)
        if here and holder.ended and holder.started_ms and holder.attempt == task.attempt:
            return self._ender.exited(task, holder, unreported=True)
        # The record decides once more: it alone may order a removal.
        fresh = self._station.store.read([task.id])[task.id]
        if fresh is None or (fresh.fence, fresh.wanted, fresh.state) != (task.fence, task.wanted, task.state):
            return Step(STALE, task, again=True)
        self._ender.clear_away(holder)
        return None

    def _is_as_asked(self, spec: Spec, plan: ContainerPlan, holder: Container) -> bool:
        """Return whether it is what would be created; if only labels and limits differ, it is given the limits."""
        if holder.spec_hash == plan.labels[docker_args.SPEC]:
            return True
        if holder.fixed_hash is None or holder.fixed_hash != plan.labels[docker_args.FIXED]:
            return False
        try:
            self._station.runtime.resize(holder.id, docker_args.limits(spec))
        except PlanRefused:
            return False
        return True

    def _adopt(self, task: Task, spec: Spec, holder: Container) -> Step:
        outcome = self._station.store.adopt(task, label=holder.attempt, container_id=holder.id)
        if not outcome.accepted or outcome.task is None:
            return Step(STALE, outcome.task, again=True)
        return self._report(outcome.task, spec, holder)

    def _run(self, task: Task, spec: Spec, container_id: str, look: Look) -> Step:
        if look.forbids():
            self._ender.discard(container_id)
            return Step("another image is meant", task, again=True)
        try:
            if spec.stdin:
                # Before the start, so that whoever attaches misses nothing.
                self._station.held.keep(
                    container_id, self._station.runtime.attach(container_id, tty=spec.tty, past=False)
                )
            self._station.runtime.start(container_id)
        except ContainerGone:
            return Step("gone at once", task, again=True)
        except StartRefused as fault:
            self._station.held.drop(container_id)
            self._ender.discard(container_id)
            return self._refuse(task, fault.reason)
        container = self._station.runtime.inspect(container_id)
        if container is None:
            return Step("gone at once", task, again=True)
        if container.ended:
            return self._ender.exited(task, container, unreported=True)
        return self._report(task, spec, container)

    def _report(self, task: Task, spec: Spec, container: Container) -> Step:
        health = Health.STARTING if spec.health else None
        return self._tell(task, judgement.started(task, container, health), "running", container)

    def _refuse(self, task: Task, reason: Reason) -> Step:
        self._pulls.forget(task.id)
        return self._tell(task, judgement.refused(task, reason, self._station.rng), reason.code.value)

    def _tell(self, task: Task, report: Report, word: str, container: Container | None = None) -> Step:
        outcome = self._station.store.report(report, of=task)
        if not outcome.accepted:
            return Step("late", outcome.task or task, container, again=True)
        return Step(word, outcome.task or task, container)

    def _pull(self, task: Task, image: str) -> Step:
        self._pulls.want(task, image)
        return Step("pulling", task)

    def _receive(self, task: Task) -> bool:
        """Tell, if nobody has yet, that the attempt is in hand; False if the record is no longer as it was read."""
        if task.received:
            return True
        return self._station.store.note(
            Remark(
                task=task.id,
                node=self._station.node,
                attempt=task.attempt,
                event="task.received",
                sentence=f"by {self._station.node}",
                revision=task.revision,
            )
        )
