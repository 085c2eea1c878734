"""Keep children running: start, see each death, start again with growing pauses, once a minute what dies at once.

The supervisor owns no thread. `step` does what is due and is called by whoever waits, from the main thread: a child
is tied to the thread that starts it.
"""

from __future__ import annotations

import random
import signal
import time
from collections.abc import Callable, Iterable
from dataclasses import dataclass, field

from ormen.local.processes import Child, End, Program

MOST_DEATHS = 5
"""That many deaths within a minute are a crash loop."""
WINDOW_S = 60.0
CRASH_LOOP_PAUSE_S = 60.0
"""What dies at once is tried this seldom, and for ever: a full disk is emptied, a missing file put back, and nobody
should have to remember that a part of the deck had been given up."""
FIRST_PAUSE_S, LONGEST_PAUSE_S = 0.5, 10.0
LONGEST_BLAMELESS_S = 2.0
"""While Redis is away: whoever waits for it is back soon after it."""


@dataclass(frozen=True, slots=True)
class Started:
    """A program runs (again)."""

    program: Program
    pid: int


@dataclass(frozen=True, slots=True)
class Died:
    """A program ended by itself and will be started again after the pause."""

    program: Program
    end: End
    pause_s: float


@dataclass(frozen=True, slots=True)
class GaveUp:
    """A program dies at once each time and is tried only once a minute from now on.

    If `final`, its exit code was an answer, and it is not started again.
    """

    program: Program
    end: End
    final: bool
    log_start: int
    """Where its last run begins in its log file."""


Notice = Started | Died | GaveUp


@dataclass(frozen=True, slots=True)
class Stopped:
    """A program that was told to stop has ended; `killed` if the grace was over."""

    name: str
    end: End
    killed: bool


@dataclass(slots=True)
class _Charge:
    program: Program
    child: Child | None = None
    deaths: list[float] = field(default_factory=list)
    pause_s: float = 0.0
    due: float | None = None
    began: float = 0.0
    looping: bool = False


class Supervisor:
    """Children in the order in which they were started.

    `tell` hears of every start, death and surrender. `store_answers` is asked when a program that needs Redis dies:
    while Redis is away such deaths do not count, and the program is started again for as long as it takes.
    """

    def __init__(
        self,
        *,
        tell: Callable[[Notice], None] = lambda notice: None,
        store_answers: Callable[[], bool] = lambda: True,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self._charges: dict[str, _Charge] = {}
        self._tell = tell
        self._store_answers = store_answers
        self._clock = clock

    def start(self, program: Program) -> None:
        """Start a program and keep it running from now on."""
        charge = _Charge(program)
        self._charges[program.name] = charge
        self._run(charge)

    def pid(self, name: str) -> int | None:
        """Return the program's pid; None while it is down."""
        charge = self._charges.get(name)
        return charge.child.pid if charge and charge.child else None

    def gave_up(self, name: str) -> bool:
        """Return whether the program is neither running nor going to: its exit code was an answer."""
        charge = self._charges.get(name)
        return charge is None or (charge.child is None and charge.due is None)

    def names(self) -> list[str]:
        """Return the programs that run or will, in the order of their start."""
        return [name for name in self._charges if not self.gave_up(name)]

    def step(self) -> float | None:
        """Notice deaths and start what is due; return the seconds until the next start is due, None if none is."""
        for charge in list(self._charges.values()):
            if charge.child and (end := charge.child.end()):
                self._mourn(charge, charge.child, end)
            if charge.due is not None and charge.due <= self._clock():
                self._run(charge)
        dues = [charge.due for charge in self._charges.values() if charge.due is not None]
        return max(0.0, min(dues) - self._clock()) if dues else None

    def stop(
        self,
        names: Iterable[str],
        *,
        number: int = signal.SIGTERM,
        grace_s: float | None = None,
        pause: Callable[[], bool] | None = None,
    ) -> list[Stopped]:
        """Stop programs together and return how each ended; they are not started again.

        Each gets the signal and, when the grace (its own, if None) is over, SIGKILL with everything it started.
        `pause` is called while waiting and takes a little time; when it returns True the grace ends at once.
        """
        rest = pause or _rest
        charges = [self._charges.pop(name) for name in names if name in self._charges]
        waiting = [(charge.program, charge.child) for charge in charges if charge.child]
        begun, hurry, stopped = self._clock(), False, []
        killed: set[str] = set()
        for _, child in waiting:
            child.signal(number)
        while waiting:
            for program, child in list(waiting):
                grace = program.grace_s if grace_s is None else grace_s
                if end := child.end():
                    waiting.remove((program, child))
                    stopped.append(Stopped(program.name, end, program.name in killed))
                elif hurry or self._clock() - begun >= grace:
                    killed.add(program.name)
                    child.kill()
            hurry = bool(waiting) and (rest() or hurry)
        return stopped

    def stop_all(self, *, grace_s: float | None = None) -> list[Stopped]:
        """Stop every program, one after the other, the last that was started first."""
        return [stopped for name in reversed(list(self._charges)) for stopped in self.stop([name], grace_s=grace_s)]

    def _run(self, charge: _Charge) -> None:
        charge.due = None
        charge.began = self._clock()
        charge.child = Child(charge.program)
        self._tell(Started(charge.program, charge.child.pid))

    def _mourn(self, charge: _Charge, child: Child, end: End) -> None:
        charge.child = None
        final = end.exit_code is not None and end.exit_code in charge.program.final
        blameless = charge.program.needs_store and not final and not self._store_answers()
        now = self._clock()
        charge.deaths = [at for at in charge.deaths if now - at < WINDOW_S]
        if not blameless:
            charge.deaths.append(now)
        if final:
            self._tell(GaveUp(charge.program, end, final, child.log_start))
            return
        charge.pause_s = _pause(charge.pause_s, ran_s=now - charge.began)
        if blameless:
            charge.pause_s = min(charge.pause_s, LONGEST_BLAMELESS_S)
        was_looping = charge.looping and now - charge.began < WINDOW_S
        charge.looping = was_looping or len(charge.deaths) >= MOST_DEATHS
        if charge.looping:
            charge.pause_s = CRASH_LOOP_PAUSE_S
        charge.due = now + charge.pause_s
        if charge.looping and not was_looping:
            self._tell(GaveUp(charge.program, end, final, child.log_start))
        else:
            self._tell(Died(charge.program, end, charge.pause_s))


def _pause(last_s: float, *, ran_s: float) -> float:
    """Return the next pause: the first after a good minute is short, each further one about twice the last."""
    base = FIRST_PAUSE_S if last_s == 0 or ran_s >= WINDOW_S else min(last_s * 2, LONGEST_PAUSE_S)
    return base * random.uniform(0.9, 1.1)


def _rest() -> bool:
    time.sleep(0.02)
    return False
