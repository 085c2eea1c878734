"""Commands in fake containers: as little of cat, echo, exit and sleep as tests of talks need."""

from __future__ import annotations

import threading
from collections import deque
from collections.abc import Iterator, Sequence
from signal import Signals
from typing import TYPE_CHECKING

from ormen.reasons import Code, Reason
from ormen.talk import ERR, OUT, Frame
from worker_agent.fake_streams import FakeStream
from worker_agent.runtime import ContainerGone
from worker_agent.talking import ExecPlan

if TYPE_CHECKING:
    from worker_agent.fake_engine import FakeEngine

KNOWN = ("cat", "echo", "exit", "sleep")


class FakeExec:
    """A command: ``cat`` gives its input back, ``echo`` its words, ``exit N`` ends so, ``sleep`` until it is ended."""

    def __init__(self, plan: ExecPlan) -> None:
        self.size: tuple[int, int] | None = None
        self.ended_by = ""
        self._plan = plan
        self._changed = threading.Condition()
        self._ready: deque[Frame] = deque()
        self._code: int | None = None
        self._begin(plan.command[0], plan.command[1:])

    def __iter__(self) -> Iterator[Frame]:
        """Return itself."""
        return self

    def __next__(self) -> Frame:
        """Return what is printed next; wait for it."""
        with self._changed:
            self._changed.wait_for(lambda: self._ready or self._code is not None)
            if not self._ready:
                raise StopIteration
            return self._ready.popleft()

    def write(self, data: bytes) -> None:
        """Let cat print its input."""
        with self._changed:
            if self._plan.command[0] == "cat" and self._code is None:
                self._print(OUT, data)

    def close_input(self) -> None:
        """End cat."""
        if self._plan.command[0] == "cat":
            self._exit(0)

    def resize(self, rows: int, columns: int) -> None:
        """Remember the size."""
        self.size = (rows, columns)

    def signal(self, name: str) -> None:
        """End it by the signal."""
        self.ended_by = name
        self._exit(143)

    def exit_code(self) -> int | None:
        """Return its code."""
        return self._code

    def end(self) -> bool:
        """End it."""
        self.ended_by = self.ended_by or "end"
        self._exit(137)
        return True

    def close(self) -> None:
        """Nothing is held."""

    def _begin(self, program: str, words: Sequence[str]) -> None:
        if program not in KNOWN:
            self._print(ERR, f"{program}: there is no such program in the container\n".encode())
            self._exit(127)
        elif program == "echo":
            self._print(OUT, f"{' '.join(words)}\n".encode())
            self._exit(0)
        elif program == "exit":
            self._exit(int(words[0]))

    def _print(self, kind: str, data: bytes) -> None:
        with self._changed:
            self._ready.append(Frame(kind, data))
            self._changed.notify_all()

    def _exit(self, code: int) -> None:
        with self._changed:
            self._code = code if self._code is None else self._code
            self._changed.notify_all()


class FakeAttach:
    """The streams of a fake container: what `say` was given, and remembered input."""

    def __init__(self, engine: FakeEngine, container_id: str) -> None:
        self.input = b""
        self._engine = engine
        self._container = container_id
        self._stream: FakeStream[bytes] = FakeStream(engine.journal.changed, self._more)

    def __iter__(self) -> Iterator[Frame]:
        """Return itself."""
        return self

    def __next__(self) -> Frame:
        """Return the next line; wait for it."""
        return Frame(OUT, next(self._stream))

    def write(self, data: bytes) -> None:
        """Remember input."""
        self.input += data

    def close_input(self) -> None:
        """End its input."""

    def resize(self, rows: int, columns: int) -> None:
        """There is no terminal."""

    def signal(self, name: str) -> None:
        """Kill the container by it."""
        if self._engine.table[self._container].running:
            self._engine.kill(self._container, int(Signals[name]))

    def exit_code(self) -> int | None:
        """Return the container's code."""
        found = self._engine.table.get(self._container)
        return 137 if found is None else found.exit_code if found.ended else None

    def end(self) -> bool:
        """Let go."""
        self.close()
        return True

    def close(self) -> None:
        """Let go."""
        self._stream.close()

    def _more(self, at: int) -> tuple[Sequence[bytes], bool]:
        found = self._engine.table.get(self._container)
        return self._engine.printed.get(self._container, [])[at:], found is None or found.ended


def attach(engine: FakeEngine, container_id: str) -> FakeAttach:
    """Join the streams of a container of the table."""
    with engine.lock:
        found = engine.find(container_id)
        if found is None:
            raise ContainerGone(Reason(Code.INTERRUPTED, f"Container {container_id[:12]} does not run."))
        return FakeAttach(engine, found.id)


def begin(engine: FakeEngine, container_id: str, plan: ExecPlan) -> FakeExec:
    """Begin a command in a container of the table."""
    with engine.lock:
        found = engine.find(container_id)
        if found is None or not found.running:
            raise ContainerGone(Reason(Code.INTERRUPTED, f"Container {container_id[:12]} does not run."))
        made = FakeExec(plan)
        engine.commands.append(made)
        return made
