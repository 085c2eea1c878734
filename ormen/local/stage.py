"""What a command tells while it works, as values: steps, remarks, its result. Who draws them is another matter."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any, Protocol

from ormen.local.failure import LocalFailure


@dataclass(frozen=True, slots=True)
class Step:
    """One thing done (✓), failed (✗) or in need of attention (!), or under way (⠹); `seconds` is shown behind it."""

    mark: str
    name: str
    text: str
    seconds: float | None = None


@dataclass(frozen=True, slots=True)
class Remark:
    """A line of its own between the steps, e.g. that a port was taken."""

    text: str


@dataclass(frozen=True, slots=True)
class Result:
    """The last line of a success; `facts` are for programs: what there is now, and where."""

    text: str
    facts: Mapping[str, Any] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Failure:
    """The end of a failed command."""

    sentence: str
    hint: str | None
    exit_code: int
    code: str
    evidence: tuple[str, ...]

    @classmethod
    def of(cls, error: LocalFailure) -> Failure:
        """Return the failure as a value."""
        return cls(error.sentence, error.hint, error.exit_code, error.code, error.evidence)

    def to_error(self) -> LocalFailure:
        """Return the error it was made of."""
        return LocalFailure(
            self.sentence, hint=self.hint, exit_code=self.exit_code, code=self.code, evidence=self.evidence
        )


Told = Step | Remark | Result | Failure


class Stage(Protocol):
    """Where a command tells what it does."""

    def tell(self, told: Told) -> None:
        """Show it."""

    def tick(self) -> None:
        """Time passes: turn the spinner. Called about ten times a second while a step is under way."""


class ProgressFile:
    """A stage that writes what is told to a file, one JSON object a line, for other processes to show."""

    def __init__(self, path: Path) -> None:
        self._path = path
        path.write_text("")

    def tell(self, told: Told) -> None:
        """Append it."""
        with open(self._path, "a") as out:
            out.write(json.dumps({"kind": type(told).__name__, **asdict(told)}) + "\n")

    def tick(self) -> None:
        """Do nothing: a file has no spinner."""


class Both:
    """A stage that tells two others."""

    def __init__(self, first: Stage, second: Stage) -> None:
        self._stages = (first, second)

    def tell(self, told: Told) -> None:
        """Tell both."""
        for stage in self._stages:
            stage.tell(told)

    def tick(self) -> None:
        """Tick both."""
        for stage in self._stages:
            stage.tick()


def read_told(lines: list[str]) -> Iterator[Told]:
    """Yield what a `ProgressFile` wrote."""
    kinds: Mapping[str, Any] = {kind.__name__: kind for kind in (Step, Remark, Result, Failure)}
    for line in lines:
        data = json.loads(line)
        kind = kinds[data.pop("kind")]
        if kind is Failure:
            data["evidence"] = tuple(data["evidence"])
        yield kind(**data)
