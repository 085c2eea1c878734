"""What can go wrong with a request, as one tree.

::

    OrmenError
    ├── InvalidSpec          422  every fault of a body, with its pointer
    │   └── InvalidQuery     422  every fault of a query string
    ├── NotJson              400  the body cannot be read at all
    ├── TooLarge             413
    ├── NotFound
    │   ├── TaskNotFound, NodeNotFound, TokenNotFound, LoginNotFound, WebhookNotFound  404
    │   └── TalkNotFound     404  or it is somebody else's
    ├── Conflict
    │   ├── Ambiguous        409  a prefix fits several tasks
    │   ├── NameTaken        409
    │   ├── IdTaken          409
    │   ├── NodeTaken        409  another living agent has this node's name
    │   ├── StillRunning     409  remove without force
    │   ├── NoRoom           409  a change of what a task reserves
    │   ├── TokenTaken       409
    │   ├── NotRunning       409  there is no container to enter
    │   ├── WebhookTaken     409
    │   └── NotBraked        409  release without a mass loss
    ├── Denied
    │   ├── TokenMissing     401
    │   ├── TokenWrong       401  unknown, removed, or expired
    │   ├── RoleTooLow       403
    │   └── PolicyForbids    403
    ├── Unavailable
    │   ├── StoreUnavailable 503  Redis does not answer
    │   └── Busy             503  too many long answers
    └── NodeRefused          ---  a node may not join (never seen over HTTP)

Each class has a stable `code`, an `http_status`, a `title` and `retryable`; each instance a sentence and,
where there is one, a hint with the remedy, and `extra` members for the problem document.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass


class OrmenError(Exception):
    """Base of all; `str(error)` is the sentence a user reads, without a final full stop."""

    code = "INTERNAL"
    title = "Something went wrong"
    http_status = 500
    retryable = False

    def __init__(self, sentence: str, *, hint: str | None = None, **extra: object) -> None:
        super().__init__(sentence)
        self.sentence = sentence
        self.hint = hint
        self.extra: Mapping[str, object] = extra


@dataclass(frozen=True, slots=True)
class Fault:
    """One thing wrong with a body: where (`path`, keys and indexes from the root), what, and the remedy.

    `code` is one of REQUIRED, UNKNOWN_FIELD, WRONG_TYPE, MALFORMED, OUT_OF_RANGE, NOT_A_CHOICE,
    DUPLICATE, CONFLICT, TOO_LONG; in a refusal of the policy's it is POLICY.
    """

    path: tuple[str | int, ...]
    code: str
    detail: str
    value: object = None
    hint: str | None = None

    @property
    def pointer(self) -> str:
        """Return the path as a JSON pointer (RFC 6901): ``/0/ports/1/host``; the root is ``""``."""
        return "".join("/" + str(part).replace("~", "~0").replace("/", "~1") for part in self.path)

    def to_json(self) -> dict[str, object]:
        """Return the member of a problem document's ``errors``."""
        return {
            "pointer": self.pointer,
            "code": self.code,
            "detail": self.detail,
            "value": self.value,
            "hint": self.hint,
        }


class InvalidSpec(OrmenError):
    """The body was read and has faults; nothing was stored."""

    code = "INVALID_SPEC"
    title = "The spec has faults"
    http_status = 422

    def __init__(self, faults: Sequence[Fault]) -> None:
        amount = "1 fault" if len(faults) == 1 else f"{len(faults)} faults"
        super().__init__(f"{amount}; nothing was stored.")
        self.faults = tuple(faults)


class InvalidQuery(InvalidSpec):
    """The query string has faults; nothing was done. Pointers are the parameters' names."""

    code = "INVALID_QUERY"
    title = "The query has faults"

    def __init__(self, faults: Sequence[Fault]) -> None:
        super().__init__(faults)
        amount = "1 fault" if len(faults) == 1 else f"{len(faults)} faults"
        self.sentence = f"{amount} in the query; nothing was done."


class NotJson(OrmenError):
    """The body is not JSON."""

    code = "NOT_JSON"
    title = "The body is not JSON"
    http_status = 400


class TooLarge(OrmenError):
    """The body is larger than ormen reads, or holds more tasks than one request may."""

    code = "TOO_LARGE"
    title = "The body is too large"
    http_status = 413


class NotFound(OrmenError):
    """What the request names is not there."""

    http_status = 404


class TaskNotFound(NotFound):
    """No task has that name, id or prefix."""

    code = "TASK_NOT_FOUND"
    title = "No such task"


class NodeNotFound(NotFound):
    """No node has that name."""

    code = "NODE_NOT_FOUND"
    title = "No such node"


class TokenNotFound(NotFound):
    """No token has that name."""

    code = "TOKEN_NOT_FOUND"
    title = "No such token"


class LoginNotFound(NotFound):
    """No login is kept for that registry."""

    code = "LOGIN_NOT_FOUND"
    title = "No such login"


class TalkNotFound(NotFound):
    """No talk has that id; one that ended two minutes ago is forgotten."""

    code = "TALK_NOT_FOUND"
    title = "No such talk"


class WebhookNotFound(NotFound):
    """No webhook has that name."""

    code = "WEBHOOK_NOT_FOUND"
    title = "No such webhook"


class Conflict(OrmenError):
    """The request contradicts what is there."""

    http_status = 409


class Ambiguous(Conflict):
    """A prefix fits more than one task."""

    code = "AMBIGUOUS"
    title = "Several tasks fit"


class NameTaken(Conflict):
    """A task that is pending, scheduled or running has this name."""

    code = "NAME_TAKEN"
    title = "The name is taken"


class IdTaken(Conflict):
    """The id is known, with other content."""

    code = "ID_TAKEN"
    title = "The id is taken"


class NodeTaken(Conflict):
    """Another living agent is this node."""

    code = "NODE_TAKEN"
    title = "The node's name is taken"


class StillRunning(Conflict):
    """The task has not ended, and the request did not insist."""

    code = "STILL_RUNNING"
    title = "Something still runs"


class NoRoom(Conflict):
    """The task's node does not have what the change would reserve there."""

    code = "NO_ROOM"
    title = "The node has no room for the change"


class TokenTaken(Conflict):
    """There is a token of that name."""

    code = "TOKEN_TAKEN"
    title = "The token's name is taken"


class NotRunning(Conflict):
    """The task has no container that could be entered just now."""

    code = "NOT_RUNNING"
    title = "The task does not run"


class WebhookTaken(Conflict):
    """There is a webhook of that name."""

    code = "WEBHOOK_TAKEN"
    title = "The webhook's name is taken"


class NotBraked(Conflict):
    """There is nothing to release: no mass loss is held back."""

    code = "NOT_BRAKED"
    title = "The brake does not hold"


class Denied(OrmenError):
    """The caller may not do this."""

    http_status = 401


class TokenMissing(Denied):
    """The deck wants a token and the request has none."""

    code = "TOKEN_MISSING"
    title = "A token is needed"


class TokenWrong(Denied):
    """The request's token is not the deck's, was removed, or has expired (`token` is its name then)."""

    code = "TOKEN_WRONG"
    title = "The token is wrong"


class RoleTooLow(Denied):
    """The request's token may not do this; `token`, `role` and `needed` say which may what."""

    code = "ROLE_TOO_LOW"
    title = "The token's role is too low"
    http_status = 403


class PolicyForbids(Denied):
    """The admin's policy does not allow what the spec asks; each fault is one thing with its rule."""

    code = "POLICY"
    title = "The policy forbids it"
    http_status = 403

    def __init__(self, sentence: str, faults: Sequence[Fault], *, hint: str | None = None) -> None:
        super().__init__(sentence, hint=hint)
        self.faults = tuple(faults)


class Unavailable(OrmenError):
    """Not now; repeating the request later is safe."""

    http_status = 503
    retryable = True


class StoreUnavailable(Unavailable):
    """Redis does not answer; whether a write happened is not known."""

    code = "STORE_UNAVAILABLE"
    title = "The store does not answer"


class Busy(Unavailable):
    """This process already gives as many long answers as it can."""

    code = "BUSY"
    title = "Too many long answers"


class NodeRefused(OrmenError):
    """The cluster does not let this node join."""

    code = "NODE_REFUSED"
    title = "The node may not join"
