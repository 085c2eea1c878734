"""What the agent asks of a container engine to let somebody talk with a container; a part of `worker_agent.runtime`."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Protocol

from ormen.talk import Frame


@dataclass(frozen=True, slots=True)
class ExecPlan:
    """A command to be run in a container that runs."""

    command: Sequence[str]
    tty: bool = False
    stdin: bool = False
    env: Mapping[str, str] = field(default_factory=dict)
    user: str = ""
    workdir: str = ""


class Dialogue(Protocol):
    """A process in a container, with its streams. All methods may be called from any thread; `close` frees the reader.

    It iterates over what is printed, as frames `OUT` and `ERR` (with a terminal only `OUT`), until the process has
    closed its outputs.
    """

    def __iter__(self) -> Iterator[Frame]: ...

    def __next__(self) -> Frame: ...

    def write(self, data: bytes) -> None:
        """Hand input over; waits while the process takes none. Nobody there any more is fine."""
        ...

    def close_input(self) -> None:
        """Say that no more input comes."""
        ...

    def resize(self, rows: int, columns: int) -> None:
        """Change the terminal's size."""
        ...

    def signal(self, name: str) -> None:
        """Send the process a signal, such as ``SIGTERM``."""
        ...

    def exit_code(self) -> int | None:
        """Return how it ended, once it has; None while it runs on without its outputs."""
        ...

    def end(self) -> bool:
        """End the process and what it has started; return whether that is done and not merely asked."""
        ...

    def close(self) -> None:
        """Let go of the streams; the process is not ended by it."""
        ...


class Talking(Protocol):
    """The part of a runtime that lets somebody talk with containers."""

    def exec(self, container_id: str, plan: ExecPlan) -> Dialogue:
        """Begin a command. A program that is not there ends with 126 or 127 and says so as `ERR`.

        Raise ContainerGone, also for one that does not run.
        """
        ...

    def attach(self, container_id: str, *, tty: bool, past: bool) -> Dialogue:
        """Join a container's own streams: before its start nothing it prints is lost; `past` begins with its log.

        It ends with the container, and ending it only lets go. Raise ContainerGone.
        """
        ...

    def copy_out(self, container_id: str, path: str) -> Dialogue:
        """Read a path of a container as a tar: first a `STAT`, then `OUT`. Raise RuntimeFault where it is not.

        Reading raises it too, if the engine breaks off before the archive's end.
        """
        ...

    def copy_in(self, container_id: str, path: str) -> Dialogue:
        """Unpack the tar that is written, at a path of a container; a `STAT` of it comes first. Raise RuntimeFault."""
        ...

    def follow(self, container_id: str) -> Dialogue:
        """Read a container's log from its beginning to the container's end, each output by itself; it takes no input.

        Raise ContainerGone, or RuntimeFault where its log driver cannot be read.
        """
        ...
