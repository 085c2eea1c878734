"""``ormen update``: other labels, resources or another name for tasks that are there."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any

import click

from ormen.cli import run_values as read
from ormen.cli.actions import each, waited
from ormen.cli.completing import TASK
from ormen.cli.errors import TIMED_OUT, Failure, Faulty, ended, has_rows
from ormen.cli.options import DURATION, Command, common, option, session_of
from ormen.cli.render import actions as render
from ormen.cli.render.problem import fault_text, path_of
from ormen.cli.render.text import count
from ormen.cli.session import Session
from ormen.transport import ClientError, Document
from ormen.units import UnitError

NONE = "none"
"""What takes a limit away."""


def patch_of(flags: Mapping[str, Any]) -> dict[str, Any]:
    """Return the change that the flags ask for; raise Faulty with all that is wrong with them."""
    patch: dict[str, Any] = {}
    rows: list[tuple[str, ...]] = []
    for field, (flag, reader) in _READERS.items():
        if flags.get(field) in (None, ()):
            continue
        try:
            patch[field] = reader(flags[field])
        except (read.Wrong, UnitError) as error:
            rows += [(flag, sentence) for sentence in read.sentences_of(error)]
    if rows:
        raise Faulty(_title(rows), rows)
    return patch


def _title(rows: Sequence[object]) -> str:
    return f"{count(len(rows), 'fault')}; nothing was changed."


def _changed(session: Session, word: str, patch: Mapping[str, Any], *, wait_s: float) -> Document:
    try:
        return session.client().update(word, wait_s=wait_s, **patch)
    except ClientError as error:
        if not has_rows(error) or session.structured:
            raise
        flags = [(_flag_of(fault["pointer"]), fault_text(fault)) for fault in error.fault_documents]
        raise Faulty(_title(flags), list(flags), code=error.code) from error


def _flag_of(pointer: str) -> str:
    field = str(next(iter(path_of(pointer)), ""))
    return _READERS[field][0] if field in _READERS else field


def _limit(reader: Callable[[str], Any]) -> Callable[[str], Any]:
    return lambda text: None if text == NONE else reader(text)


def _labels(values: Sequence[str]) -> dict[str, str | None]:
    return dict(read.every(_label)(values))


def _label(text: str) -> tuple[str, str | None]:
    key, equals, value = text.partition("=")
    if not equals and key.endswith("-") and len(key) > 1:
        return key[:-1], None
    if not key or not equals:
        raise read.Wrong(f'"{text}" is neither KEY=VALUE nor KEY-')
    return key, value


_READERS: Mapping[str, tuple[str, Callable[[Any], Any]]] = {
    "name": ("--name", str),
    "labels": ("--label", _labels),
    "cpu": ("--cpus", read.cores),
    "cpu_limit": ("--cpu-limit", _limit(read.cores)),
    "memory": ("--memory", read.size),
    "memory_limit": ("--memory-limit", _limit(read.size)),
}


@click.command(
    cls=Command,
    usage=["[OPTIONS] TASK..."],
    help="Change labels, resources or the name of tasks. A container that runs is given\n"
    "its new limits as it runs; nothing is restarted.",
    examples=[
        "ormen update web --memory 1g --cpus 0.5",
        "ormen update web -l tier=front -l old-",
        "ormen update web --name shop",
    ],
)
@click.argument("words", metavar="TASK...", nargs=-1, required=True, shell_complete=TASK)
@option("--name", metavar="NAME", help="Another name; the container keeps its own")
@option("-l", "--label", "labels", multiple=True, metavar="KEY=VALUE", help="Label to set; KEY- takes it away")
@option("--cpus", "cpu", metavar="N", help="Cores to reserve")
@option("--memory", metavar="SIZE", help="Memory to reserve, and the limit if no other is set")
@option("--cpu-limit", metavar="N", help="Most cores it may use, or none")
@option("--memory-limit", metavar="SIZE", help="Most memory it may use, or none: as --memory")
@waited
@option("--timeout", type=DURATION, default=60.0, metavar="TIME", help="Longest wait  [1m]")
@common
@click.pass_context
def update(ctx: click.Context, /, words: tuple[str, ...], wait: bool, timeout: float, **flags: Any) -> None:
    """Change tasks that are there."""
    session = session_of(ctx)
    patch = patch_of(flags)
    if not patch:
        raise Failure("there is nothing to change", hint="ormen update --help shows examples.", exit_code=2)
    if "name" in patch and len(words) > 1:
        raise Failure(f"--name {patch['name']} is one name, and these are {len(words)} tasks", exit_code=2)
    wait_s = timeout if wait else 0
    records = each(session, words, lambda word: _changed(session, word, patch, wait_s=wait_s), line=render.updated)
    if wait and any(record["resize_refused"] for record in records):
        ended(1)
    if wait and any(record["resizing"] for record in records):
        ended(TIMED_OUT)
