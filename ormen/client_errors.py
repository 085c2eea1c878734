"""What the clients raise: the same tree as in errors.py, with what an answer carries beside the sentence.

Each problem of the deck is raised as the class of `ormen.errors` that has its code *and* as a `ClientError`, so
``except NameTaken``, ``except Conflict`` and ``except ClientError`` all catch a name that is taken. All of them survive
pickle and Celery's JSON, with which a worker hands an exception on.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from ormen import errors
from ormen.errors import Fault, OrmenError

Document = dict[str, Any]
"""A JSON object of the API, as docs/api.md describes it."""

EXIT_CODES: Mapping[int, int] = {400: 2, 413: 2, 422: 2, 404: 3, 409: 4, 503: 5, 0: 5, 401: 6, 403: 6}
"""Exit code of the command line by HTTP status; status 0 means that no deck answered. Any other status is 1."""


class ClientError(OrmenError):
    """The deck refused a request, or did not answer.

    `code` is the problem document's, or UNREACHABLE, NOT_A_DECK, BROKEN_OFF, HTTP_ERROR; `sentence` and `hint` are for
    people. `http_status` is 0 without an answer. `document` is the problem document (made up here if the deck sent
    none), `faults` what is wrong with a body, each with its path. `retryable` says that the same request may succeed
    later.
    """

    faults: tuple[Fault, ...]

    def __init__(self, document: Mapping[str, Any], *, retry_after_s: float | None = None) -> None:
        sentence = str(document.get("detail") or document.get("title") or "no sentence")
        OrmenError.__init__(self, sentence, hint=document.get("hint"))
        self.args = (dict(document),)
        self.document = dict(document)
        self.code = str(document.get("code") or "HTTP_ERROR")
        self.title = str(document.get("title") or self.code)
        self.http_status = int(document.get("status") or 0)
        self.retryable = retry_after_s is not None
        self.retry_after_s = retry_after_s or 0.0
        self.faults = tuple(_fault(member) for member in self.fault_documents)

    def __str__(self) -> str:
        return self.sentence

    @property
    def fault_documents(self) -> tuple[Document, ...]:
        """Return each fault as the deck wrote it: pointer, code, detail, value, hint."""
        return tuple(self.document.get("errors") or ())

    @property
    def exit_code(self) -> int:
        """Return what the command line exits with."""
        return EXIT_CODES.get(self.http_status, 1)


class Unreachable(ClientError):
    """No deck answers there, or what answers is none. Whether a request was carried out is not known."""


class BrokenOff(ClientError):
    """A long answer, such as a followed log, ended in its middle."""


class TaskFailed(OrmenError):
    """A task that was waited for cannot come to what it was waited for; `record` is its last state.

    `reason_code` is the code of the record's reason (EXIT, OOM, FIT_MEMORY …), None without one.
    """

    code = "TASK_FAILED"
    title = "The task is not up"

    def __init__(self, record: Document, sentence: str) -> None:
        super().__init__(sentence)
        self.args = (record, sentence)
        self.record = record

    def __str__(self) -> str:
        return self.sentence

    @property
    def reason_code(self) -> str | None:
        """Return the code of the record's reason."""
        return (self.record.get("reason") or {}).get("code")


class WaitedTooLong(TaskFailed):
    """The time to wait is over, and the task may still come to it by itself."""

    code = "WAITED_TOO_LONG"
    title = "The task is not up in time"


def error_of(document: Mapping[str, Any], *, retry_after_s: float | None = None) -> ClientError:
    """Return the error of a problem document, as the class that its code names."""
    kind = KINDS.get(str(document.get("code")), ClientError)
    return kind(document, retry_after_s=retry_after_s)


def _fault(member: Mapping[str, Any]) -> Fault:
    parts = str(member.get("pointer") or "").split("/")[1:]
    words = [part.replace("~1", "/").replace("~0", "~") for part in parts]
    path = tuple(int(word) if word.isdigit() else word for word in words)
    detail, hint = str(member.get("detail") or ""), member.get("hint")
    return Fault(path, str(member.get("code") or ""), detail, member.get("value"), hint)


def _twins() -> Mapping[str, type[ClientError]]:
    """Return by code, for each class of errors.py that has one, a class of the same name that is a ClientError too."""
    known = [kind for kind in vars(errors).values() if isinstance(kind, type) and issubclass(kind, OrmenError)]
    twins = {
        str(kind.__dict__["code"]): type(kind.__name__, (ClientError, kind), {"__module__": __name__})
        for kind in known
        if "code" in kind.__dict__ and kind is not OrmenError
    }
    # By their names here, so that pickle finds them.
    globals().update({kind.__name__: kind for kind in twins.values()})
    return twins


KINDS: Mapping[str, type[ClientError]] = {
    **_twins(),
    "UNREACHABLE": Unreachable,
    "NOT_A_DECK": Unreachable,
    "BROKEN_OFF": BrokenOff,
}
"""The class of each code; any other code is a plain ClientError."""
