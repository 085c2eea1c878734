"""The one way in which the commands of this machine fail: a sentence, evidence, a remedy, an exit code."""

from __future__ import annotations

from collections.abc import Sequence

from ormen.errors import OrmenError

WRONG_USE, FAILED, TAKEN, OUT_OF_REACH, NOT_ALLOWED = 2, 1, 4, 5, 6
"""Exit codes of the command line, as far as the commands of this machine use them."""


class LocalFailure(OrmenError):
    """A command cannot go on; `evidence` are the lines between the sentence and the hint."""

    code = ""
    title = "The command cannot go on"

    def __init__(
        self,
        sentence: str,
        *,
        hint: str | None = None,
        exit_code: int = FAILED,
        code: str = "",
        evidence: Sequence[str] = (),
    ) -> None:
        super().__init__(sentence, hint=hint)
        self.exit_code = exit_code
        self.code = code
        self.evidence = tuple(evidence)
