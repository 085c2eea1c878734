"""A run: a bed, a workload, a plan; faults and healings at their times; a verdict after each burst and at the end."""

from __future__ import annotations

import shutil
import time
from collections import Counter
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from pathlib import Path

from tests.chaos.book import REMOVED, Book
from tests.chaos.clients import Away, Clients, ask
from tests.chaos.hands import Hands, Heal
from tests.chaos.judge import Judge
from tests.chaos.plan import MOVED_CLOCK, Burst, Fault, plan
from tests.chaos.story import story
from tests.chaos.verdict import Flaw
from tests.chaos.watcher import Watcher
from tests.cluster.bed import Bed, bed
from tests.waiting import wait_until

PATIENCE_S = 60.0
"""How long a cluster whose faults are all healed may take to be whole again before that is a finding."""
ENGINES_S = 120.0
"""How long engines that were started again may take to answer."""
BACKOFF_S = 75.0
"""How long a task may wait out its back-off: a minute, and some seconds of jitter and start."""
LINGER_S = 15.0
"""How long something may be left of a task after its containers are gone."""
STEP_S = 0.1
STORIES = 5
"""How many findings are told in full."""


class Found(Exception):
    """Promises that were broken."""

    def __init__(self, flaws: Sequence[Flaw]) -> None:
        super().__init__("\n".join(map(str, flaws)))
        self.flaws = flaws


@dataclass
class Done:
    """What was done so far."""

    began: float = field(default_factory=time.time)
    faults: list[tuple[float, str]] = field(default_factory=list)
    heal_s: list[float] = field(default_factory=list)
    kinds: Counter[str] = field(default_factory=Counter)
    paused: int = 0
    """Bursts after which some task waited out its back-off."""

    def note(self, text: str) -> None:
        """Write down what was done, and say so."""
        self.faults.append((time.time(), text))
        say(f"{time.time() - self.began:7.1f} s  {text}")


def say(text: str) -> None:
    """Print a line at once."""
    print(text, flush=True)


class Run:
    """One run on a bed that is whole."""

    def __init__(self, found: Bed, *, faults: int, seed: int) -> None:
        self.bed = found
        self.bursts = plan(faults, seed)
        self.done = Done()
        self.book = Book()
        self.hands = Hands(found)
        self.clients = Clients(found, self.book, seed=seed)
        self.watcher = Watcher(found, self.hands.disturbed)
        self.judge = Judge(found, self.book, self.clients, self.watcher)

    def go(self) -> None:
        """Do it all; raise Found at the first burst after which something is not as it has to be."""
        with self.watcher, self.clients:
            for burst in self.bursts:
                self.clients.go_on()
                self._strike(burst)
                self.clients.pause()
                self._until_whole()
                self._accuse(list(self.judge.crimes()))
            self._end()

    def _strike(self, burst: Burst) -> None:
        began = time.monotonic() + burst.calm_s
        left, healing = list(burst.faults), list[tuple[float, Fault, Heal]]()
        while left or healing:
            now = time.monotonic() - began
            for fault in [fault for fault in left if fault.begin_s <= now]:
                left.remove(fault)
                self.done.note(str(fault))
                self.done.kinds[fault.kind] += 1
                healing.append((time.monotonic() - began + fault.hold_s, fault, self.hands.do(fault)))
            for item in [item for item in healing if item[0] <= now]:
                healing.remove(item)
                item[2]()
                self.hands.free([fault for _, fault, _ in healing])
            time.sleep(STEP_S)

    def _until_whole(self, *, backoff: bool = False) -> None:
        """Wait until all is as it has to be; with `backoff` also for the tasks that wait out their back-off."""
        wait_until(self.hands.engines_answer, timeout_s=ENGINES_S, what="for the engines")
        began, said = time.time(), False
        patience_s = PATIENCE_S + (BACKOFF_S if backoff else 0)
        while True:
            flaws = self.judge.flaws(began) if self.clients.idle else [Flaw("said", "", "a client has no answer yet")]
            paused = [flaw for flaw in flaws if flaw.kind == "waits"]
            if not flaws or (len(paused) == len(flaws) and not backoff):
                break
            if time.time() - began > patience_s:
                raise Found(flaws)
            if time.time() - began > 10 and not said:
                said = True
                say("           still: " + "; ".join(map(str, flaws[:3])))
            self.hands.attend()
            time.sleep(STEP_S)
        took_s = time.time() - began
        self.done.heal_s += [] if backoff else [took_s]
        self.done.paused += bool(paused)
        say(f"{time.time() - self.done.began:7.1f} s  whole after {took_s:.1f} s, {len(self.book.present())} tasks")

    def _accuse(self, flaws: Sequence[Flaw]) -> None:
        if flaws:
            raise Found(flaws)

    def _end(self) -> None:
        """Let all back-offs end, compare what is reserved, remove every task, and look for what is left."""
        self._until_whole(backoff=True)
        self._accuse(self._stable(self.judge.reservations))
        for entry in self.book.present():
            status, _ = ask(self.bed, "DELETE", f"/v1/tasks/{entry.id}?force=1", patience_s=30)
            entry.note(f"remove answered {status}")
            entry.wanted = REMOVED
        self._until_whole(backoff=True)
        self._accuse(self._stable(self.judge.remains))
        self._accuse(list(self.judge.crimes()))

    def _stable(self, look: Callable[[], list[Flaw]]) -> list[Flaw]:
        """Return what is still wrong after some seconds."""
        deadline = time.monotonic() + LINGER_S
        while (flaws := look()) and time.monotonic() < deadline:
            time.sleep(STEP_S)
        return flaws


def main(faults: int, seed: int, folder: Path) -> int:
    """Run it; return the exit code."""
    say(f"chaos: {faults} faults, seed {seed}")
    found: Sequence[Flaw] = ()
    with bed(folder, count=3, address="127.0.0.1") as cluster:
        host = next(host for host in cluster.hosts if host.name == MOVED_CLOCK)
        host.set_clock(0)
        cluster.rejoin(host)
        cluster.until_node(host.name, "ready")
        run = Run(cluster, faults=faults, seed=seed)
        try:
            run.go()
        except AssertionError:
            keep_logs(folder, seed)
            raise
        except Found as fault:
            found = fault.flaws
        except Away as away:
            found = [Flaw("said", "", f"the deck does not answer: {away}")]
        if found:
            keep_logs(folder, seed)
        for flaw in found[:STORIES]:
            say("\n" + story(flaw, cluster, run.book, run.done.faults))
        say("\n" + "\n".join(summary(run, found)))
        say(f"seed {seed}: " + ("broken" if found else "all promises kept"))
    return 1 if found else 0


def keep_logs(folder: Path, seed: int) -> None:
    """Copy what every process has said to where it outlives the bed."""
    there = Path(".cache") / "chaos" / str(seed)
    shutil.rmtree(there, ignore_errors=True)
    for path in [*folder.glob("*/*.log"), folder / "deck" / "output"]:
        place = there / path.relative_to(folder)
        place.parent.mkdir(parents=True, exist_ok=True)
        shutil.copy(path, place)
    say(f"what everybody said is in {there}")


def summary(run: Run, found: Sequence[Flaw]) -> list[str]:
    """Return what was done and found, a line each."""
    done, count = run.done, Counter(flaw.kind for flaw in found)
    times = sorted(done.heal_s) or [0.0]
    other = len(found) - sum(count[kind] for kind in ("lost", "ended", "doubled", "left", "foreign"))
    return [
        f"faults    {done.kinds.total()} in {len(done.heal_s)} bursts, {time.time() - done.began:.0f} s; "
        f"{run.hands.missed} found nothing to hit",
        "          " + ", ".join(f"{number} {kind}" for kind, number in sorted(done.kinds.items())),
        f"workload  {len(list(run.book))} tasks, {run.clients.asked} requests, {run.clients.repeated} of them repeated",
        f"watched   {run.watcher.looks} looks at Docker, {run.judge.jobs} completed jobs confirmed; "
        f"longest that a task ran twice with both hosts within reach: {run.watcher.twice.longest_s:.1f} s",
        f"healing   p50 {percentile(times, 50):.1f} s, p99 {percentile(times, 99):.1f} s, most {times[-1]:.1f} s; "
        f"{done.paused} times a task waited out its back-off besides",
        f"verdict   {count['lost'] + count['ended']} lost, {count['doubled']} doubled, {count['left']} left behind, "
        f"{count['foreign']} foreign touched, {other} other",
    ]


def percentile(ordered: Sequence[float], part: int) -> float:
    """Return the value below or at which so many percent of the values lie."""
    return ordered[max(0, -(-len(ordered) * part // 100) - 1)]
