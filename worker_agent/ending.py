"""From a container to its end: stopping, removing, and judging the ends that came by themselves."""

from __future__ import annotations

import time
from dataclasses import replace

from ormen.reasons import Reason
from ormen.schema import resolve
from ormen.store.agent import Remark, Report
from ormen.task import Task
from ormen.units import format_age
from worker_agent import judgement
from worker_agent.docker_faults import exec_format
from worker_agent.judgement import End
from worker_agent.runtime import Container
from worker_agent.station import Station, Step

SUPERSEDED_GRACE_S = 1.0
"""Grace of a container that a newer attempt has replaced: two of one task must not run on for long."""


class Ender:
    """Ends attempts, and reports those that ended."""

    def __init__(self, station: Station) -> None:
        self._station = station

    def stop(self, task: Task, container: Container | None) -> Step:
        """Stop the container as was asked, and report the task completed."""
        began = time.monotonic()
        if container is None or not container.running:
            end = self._end_of(container)
            return self._tell(task, judgement.stopped(task, end, took_s=0.0, killed=False), "stopped", container)
        grace_s = resolve(task.spec).stop_grace_s
        ended = self._halt(task, container, grace_s)
        took_s = time.monotonic() - began
        killed = ended.exit_code == 137 and took_s >= grace_s
        report = judgement.stopped(task, self._end_of(ended), took_s=took_s, killed=killed)
        return self._tell(task, report, "stopped", ended)

    def renew(self, task: Task, container: Container | None) -> Step:
        """Stop and remove the container so that a next attempt follows, and report the task pending."""
        end = self._halt_and_remove(task, container)
        return self._tell(task, judgement.renewed(task, end), "pending")

    def take_down(self, task: Task, container: Container | None) -> Step:
        """Stop and remove the container with the whole cluster; the task is still wanted."""
        end = self._halt_and_remove(task, container)
        return self._tell(task, judgement.taken_down(task, end), "stopped")

    def end_unhealthy(self, task: Task, container: Container, reason: Reason) -> Step:
        """End the attempt because its check failed too often."""
        spec = resolve(task.spec)
        end = self._end_of(self._halt(task, container, spec.stop_grace_s, why="as unhealthy"))
        report = judgement.unhealthy(task, spec, end, reason=reason, rng=self._station.rng)
        return self._tell(task, report, reason.code.value)

    def end_overdue(self, task: Task, container: Container, longest_s: float) -> Step:
        """End the attempt because it has run as long as its spec lets it: the task has failed."""
        why = f"after {format_age(longest_s)}, its deadline.run"
        end = self._end_of(self._halt(task, container, resolve(task.spec).stop_grace_s, why=why))
        return self._tell(task, judgement.overdue(task, end, longest_s), "DEADLINE_RUN")

    def clear(self, task: Task, container: Container | None, *, grace_s: float | None = None) -> Step:
        """Remove the container, which the record no longer gives to this node, and confirm that it is gone."""
        if container is not None:
            self.clear_away(container, SUPERSEDED_GRACE_S if grace_s is None else grace_s)
        self._station.store.confirm(task.id, node=self._station.node)
        return Step("removed", task)

    def clear_away(self, container: Container, grace_s: float = SUPERSEDED_GRACE_S) -> None:
        """Stop and remove a container; whoever calls has read the record that says so."""
        with self._station.evidence.ending(container.id):
            if container.running:
                self._station.runtime.stop(container.id, grace_s=grace_s)
            self._remove(container)

    def discard(self, container_id: str) -> None:
        """Remove a container that has never run."""
        found = self._station.runtime.inspect(container_id)
        if found is not None:
            self._remove(found)

    def exited(self, task: Task, container: Container, *, unreported: bool = False) -> Step:
        """Report an end that came by itself, once it is known by whose doing."""
        verdict = self._station.evidence.verdict(container, self._station.wall_ms())
        if not verdict.known:
            return Step("ended, cause not known yet", task, container, again=True)
        spec = resolve(task.spec)
        end = self._end_of(container, cause=verdict.cause, unreported=unreported)
        if end.exit_code == 137 and end.cause is None and spec.memory_limit_bytes and not end.oom:
            end = replace(end, oom=self._station.evidence.oom_unheard(container.id))
        if judgement.not_executed(end):
            report = judgement.unfit(task, end, self._why_not_executed(task, spec.image), self._station.rng)
        else:
            report = judgement.exited(task, spec, end, self._station.rng)
        return self._tell(task, report, report.target.value, container)

    def gone(self, task: Task) -> Step:
        """Report that the container of a running task is not there any more."""
        code = self._station.evidence.exit_code(task.container_id) if task.container_id else None
        end = End(task.container_id, code, cause="somebody removed its container")
        report = judgement.exited(task, resolve(task.spec), end, self._station.rng)
        return self._tell(task, report, report.target.value)

    def _why_not_executed(self, task: Task, image: str) -> Reason:
        found, engine = self._station.runtime.image(image), self._station.runtime.engine()
        return exec_format(task.container_name, image, made_for=found.arch if found else "", host=engine.arch)

    def _halt_and_remove(self, task: Task, container: Container | None) -> End:
        if container is None:
            return End(None, None)
        if container.running:
            container = self._halt(task, container, resolve(task.spec).stop_grace_s)
        end = self._end_of(container)
        self._remove(container)
        return end

    def _remove(self, container: Container) -> None:
        self._station.runtime.remove(container.id)
        self._station.inventory.left(container.volumes, now_ms=self._station.wall_ms())

    def _halt(self, task: Task, container: Container, grace_s: float, *, why: str = "") -> Container:
        most = f"at most {judgement.span(grace_s)}"
        remark = Remark(task=task.id, node=self._station.node, attempt=task.attempt, detail=f"stopping, {most}")
        if why:
            # A user's own stop or restart was told when it was asked for; this one nobody asked for.
            text = f"{why}, {most}"
            remark = replace(remark, event="task.stopping", sentence=text, detail=f"stopping {text}")
        with self._station.evidence.ending(container.id):
            self._station.store.note(remark)
            self._station.runtime.stop(container.id, grace_s=grace_s)
        return self._station.runtime.inspect(container.id) or container

    def _end_of(self, container: Container | None, *, cause: str | None = None, unreported: bool = False) -> End:
        if container is None:
            return End(None, None)
        tail: tuple[str, ...] = self._station.runtime.log_tail(container.id)
        end = End.of(container, tail=tail, cause=cause, unreported=unreported)
        # 137: another process of the container may be killed for memory, and the program itself end by its own doing.
        return replace(end, oom=True) if end.exit_code == 137 and self._station.evidence.oom(container.id) else end

    def _tell(self, task: Task, report: Report, word: str, container: Container | None = None) -> Step:
        outcome = self._station.store.report(report, of=task)
        if not outcome.accepted:
            return Step("late", outcome.task or task, container, again=True)
        return Step(word, outcome.task or task, container)
