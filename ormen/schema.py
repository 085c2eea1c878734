"""The gate for what somebody sent: `load_submission` for a request's body, `resolve` for a spec already stored.

Every fault of a body is found at once and nothing is half accepted. What was sent is kept as it is; the
resolved `Spec` is always made from it anew.
"""

from __future__ import annotations

import contextlib
import hashlib
import json
import uuid
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass, fields, replace
from typing import Any, NamedTuple

from ormen.errors import Fault, InvalidSpec, PolicyForbids, TooLarge
from ormen.fields import kind
from ormen.policy import Policy
from ormen.resolving import load, of_template, own_of, resolve, template
from ormen.spec import Spec
from ormen.task_schema import MOST_COUNT, TaskSchema

__all__ = ["MOST_TASKS", "Item", "Submission", "TaskSchema", "default_name", "load_submission", "resolve"]

MOST_TASKS = 1000
"""Tasks of one submission, after `count`."""

MOST_FAULTS = 1000
"""When a list has shown this many faults, its further tasks are not read: nobody reads the answer to its end."""


@dataclass(frozen=True, slots=True)
class Item:
    """One task to be stored: `raw` is the spec as sent, shared by the copies of a `count`.

    `spec` is what all copies have in common, and `like` what it has in common with specs that differ from it in id and
    name only, as text. `digest` is the same for the same content: defaults and units resolved, the name included if
    one was sent, the id and `count` left out.
    """

    id: str
    name: str
    raw: Mapping[str, Any]
    spec: Spec
    digest: str
    like: str


@dataclass(frozen=True, slots=True)
class Submission:
    """The tasks of one request, in order; `is_list` says whether the answer is a list."""

    items: tuple[Item, ...]
    is_list: bool


@dataclass(frozen=True, slots=True)
class _Family:
    """One spec of a body, the id of its first, or only, task, and the name that was sent.

    `path` leads to the spec; `like` is its template.
    """

    path: tuple[int, ...]
    raw: Mapping[str, Any]
    spec: Spec
    id: str
    name: str | None
    like: str

    def ids(self) -> list[str]:
        if self.spec.count is None:
            return [self.id]
        parent = uuid.UUID(self.id)
        return [str(uuid.uuid5(parent, str(number))) for number in range(1, self.spec.count + 1)]

    def names(self, *, digits: int = 4) -> list[str]:
        first = self.name or default_name(self.spec.image, self.id, digits=digits)
        if self.spec.count is None:
            return [first]
        return [f"{first}-{number}" for number in range(1, self.spec.count + 1)]


def load_submission(body: object, *, policy: Policy, new_id: Callable[[], str]) -> Submission:
    """Return the tasks of a body: one spec, or a list of them.

    `new_id` makes an id for each spec that has none. Raises InvalidSpec with every fault, whose paths begin
    with the index in a list and with the field in a single spec; TooLarge for more than 1,000 tasks;
    PolicyForbids, when nothing else is wrong, for everything that the policy does not allow.
    """
    listed = isinstance(body, list)
    raws: Sequence[object] = body if isinstance(body, list) else (body,)
    _refuse_too_many(raws)
    read, faults = _read_all(raws, listed=listed)
    if listed and not raws:
        faults.append(Fault((), "REQUIRED", "the list holds no task"))
    if faults:
        raise InvalidSpec(faults)
    _refuse_forbidden([spec for _, spec, *_ in read], policy, listed=listed)
    families = [
        _Family((index,) if listed else (), raw, spec, task_id or new_id(), name, like)
        for index, (raw, spec, task_id, name, like) in enumerate(read)
    ]
    if faults := list(_faults_of_doubles(families)):
        raise InvalidSpec(faults)
    return Submission(tuple(_items(families)), is_list=listed or read[0].spec.count is not None)


def default_name(image: str, task_id: str, *, digits: int = 4) -> str:
    """Return the name of a task that was given none: ``nginx-4d1c``, from the image and the id's first digits."""
    last = image.partition("@")[0].rpartition("/")[2].partition(":")[0]
    return f"{last[:40]}-{task_id.replace('-', '')[:digits]}"


def _refuse_too_many(raws: Sequence[object]) -> None:
    counts = [raw.get("count") if isinstance(raw, Mapping) else None for raw in raws]
    # A single count beyond the most is a fault of that field and is named as one.
    total = sum(
        count if isinstance(count, int) and not isinstance(count, bool) and 1 <= count <= MOST_COUNT else 1
        for count in counts
    )
    if total > MOST_TASKS:
        sentence = f"{total} tasks in one request; the most is {MOST_TASKS}"
        raise TooLarge(sentence, hint="send several requests", tasks=total, most=MOST_TASKS)


class _Read(NamedTuple):
    """A spec as sent and resolved, the id and the name of it if there were any, and its template."""

    raw: Mapping[str, Any]
    spec: Spec
    id: str | None
    name: str | None
    like: str


def _read_all(raws: Sequence[object], *, listed: bool) -> tuple[list[_Read], list[Fault]]:
    found: list[_Read] = []
    faults: list[Fault] = []
    for index, raw in enumerate(raws):
        if len(faults) >= MOST_FAULTS:
            break
        try:
            found.append(_read(raw))
        except InvalidSpec as error:
            faults += (replace(fault, path=(index, *fault.path) if listed else fault.path) for fault in error.faults)
    return found, faults


def _read(raw: object) -> _Read:
    """Return one spec; what is like another but for id and name costs little, in this body and in later ones."""
    if not isinstance(raw, Mapping):
        detail = f"a task is an object, or a list of objects, not {kind(raw)}"
        raise InvalidSpec([Fault((), "WRONG_TYPE", detail)])
    # With a count the length of the name matters. And of what is faulty every fault must be told.
    if raw.get("count") is None:
        with contextlib.suppress(InvalidSpec, TypeError, ValueError, RecursionError):
            common = of_template(like := template(raw))
            return _Read(raw, common, like=like, **own_of(common, raw))
    spec = load(raw)
    return _Read(raw, spec, spec.id, spec.name, template(raw))


def _refuse_forbidden(specs: Sequence[Spec], policy: Policy, *, listed: bool) -> None:
    refused = [(index, item) for index, spec in enumerate(specs) for item in policy.refused(spec)]
    if not refused:
        return
    items = [item for _, item in refused]
    faults = [
        Fault((index, *item.path) if listed else item.path, "POLICY", policy.thing(item.key, [item.value]), item.value)
        for index, item in refused[:MOST_FAULTS]
    ]
    raise PolicyForbids(policy.sentence(items), faults, hint=policy.hint(items))


def _faults_of_doubles(families: Sequence[_Family]) -> Iterator[Fault]:
    """Yield a fault for each spec whose id or name an earlier spec of the body has."""
    ids: dict[str, tuple[int, ...]] = {}
    names: dict[str, tuple[int, ...]] = {}
    for family in families:
        given = family.names() if family.name else []
        for field, values, seen in (("id", family.ids(), ids), ("name", given, names)):
            double = next((value for value in values if value in seen), None)
            if double is not None:
                detail = f"{double} is also the {field} of task {seen[double][0]} of this list"
                yield Fault((*family.path, field), "DUPLICATE", detail, family.raw.get(field))
            seen.update((value, family.path) for value in values if value not in seen)


def _items(families: Sequence[_Family]) -> Iterator[Item]:
    """Yield the tasks; a default name that the body already holds gets more digits of its id."""
    taken = {name for family in families if family.name for name in family.names()}
    contents: dict[str, str] = {}
    for family in families:
        names = family.names()
        if not family.name:
            digits = next((some for some in (4, 8, 16) if not taken.intersection(family.names(digits=some))), 22)
            names = family.names(digits=digits)
            taken.update(names)
        if family.like not in contents:
            contents[family.like] = _content(family.spec)
        content = contents[family.like]
        for task_id, name in zip(family.ids(), names, strict=True):
            # A default name follows from image and id, so it adds nothing to the content.
            digest = hashlib.sha256((content + (name if family.name else "")).encode()).hexdigest()
            yield Item(task_id, name, family.raw, family.spec, digest, family.like)


FIRST = frozenset(
    {
        "image", "id", "name", "command", "entrypoint", "env", "resources", "cpu_limit_milli", "memory_limit_bytes",
        "ports", "restart", "health", "labels", "constraints", "volumes", "pull", "stop_grace_s", "strategy", "count",
    }
)  # fmt: skip
"""The fields that a spec has always had. A later one is content only where it differs from its default, so that a
request repeated after an upgrade is still the same request."""

_DEFAULT = Spec(image="")
_FIELDS = tuple(field.name for field in fields(Spec))


def _content(spec: Spec) -> str:
    # `asdict` of the whole would copy sixty fields, nearly all of which are as they are by default.
    found = {key: getattr(spec, key) for key in _FIELDS}
    kept = {key: value for key, value in found.items() if key in FIRST or value != getattr(_DEFAULT, key)}
    kept |= {"id": None, "name": None, "count": None, "resources": asdict(spec.resources)}
    # They are a field of their own, and were content before they were reserved.
    del kept["resources"]["gpus"]
    return json.dumps(kept, sort_keys=True, separators=(",", ":"), default=asdict)
