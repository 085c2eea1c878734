"""``ormen run``: an image, or the tasks of a file; waits until they are up, says why if they are not."""

from __future__ import annotations

import sys
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, TypeVar

import click

from ormen.cli.errors import INTERRUPTED, Failure, Faulty, ended, has_rows, show
from ormen.cli.options import DURATION, Command, common, option, session_of
from ormen.cli.render import run as render
from ormen.cli.render.problem import fault_text, fault_title, path_of
from ormen.cli.run_options import container, health, placement, resources, staying
from ormen.cli.run_spec import flag_of, is_given, spec_of
from ormen.cli.session import Session, is_terminal
from ormen.outcome import waits_for_room
from ormen.transport import ClientError, Document


@dataclass(frozen=True, slots=True)
class Stay:
    """How somebody stays with a container: with input, on a terminal; and whether its record goes with it."""

    stdin: bool
    tty: bool
    remove: bool


SEED_FILE = "task.json"
"""What a bare ``ormen run`` takes, as the seed systems did."""

DEFAULT_TIMEOUT_S = 300.0

Answer = TypeVar("Answer")


class RunCommand(Command):
    """Everything after IMAGE COMMAND belongs to the container; options right after IMAGE are still ours."""

    def parse_args(self, ctx: click.Context, args: list[str]) -> list[str]:
        """Put ``--`` before the command, so that its options stay its own."""
        takes = {
            name: not (param.is_flag or param.count)
            for param in self.get_params(ctx)
            if isinstance(param, click.Option)
            for name in param.opts
        }
        place = command_place(args, takes)
        if place is not None:
            args = [*args[:place], "--", *args[place:]]
        return super().parse_args(ctx, args)


def command_place(args: Sequence[str], takes: dict[str, bool]) -> int | None:
    """Return where the second word that is no option stands, None if there is none or ``--`` comes first."""
    words, place = 0, 0
    while place < len(args):
        arg = args[place]
        if arg == "--":
            return None
        if arg.startswith("--"):
            place += 1 if "=" in arg or not takes.get(arg) else 2
        elif arg.startswith("-") and len(arg) > 1:
            valued = next((at for at, letter in enumerate(arg[1:], 1) if takes.get(f"-{letter}")), None)
            place += 2 if valued == len(arg) - 1 else 1
        else:
            words += 1
            if words == 2:
                return place
            place += 1
    return None


@click.command(
    cls=RunCommand,
    help="Run a task: a node is chosen, the image pulled if missing, the container\n"
    "started. Waits until it runs, and is healthy if it has a check.",
    usage=["[OPTIONS] IMAGE [COMMAND [ARG]...]", "[OPTIONS] -f FILE"],
    examples=[
        "ormen run nginx -p 8080:80 --name web --health /",
        "ormen run --count 3 --cpus 0.5 --memory 512m acme/worker:7 work --fast",
        "ormen run --count 3 --max-per-node 1 --spread zone --prefer disk=ssd:80 nginx",
        "ormen run --user 1000 --read-only --tmpfs /run --cap-drop ALL acme/api:4",
        "ormen run --env-file db.env --mount src=pg,dst=/data --shm-size 256m postgres",
        "ormen run --rm -it alpine sh",
        "ormen run -f shop.yaml --timeout 2m",
        "id=$(ormen run -d --restart no acme/report:9)",
        "ormen run -d --deadline-wait 10m --deadline-run 1h acme/report:9",
    ],
)
@click.argument("image", required=False)
@click.argument("command", nargs=-1, type=click.UNPROCESSED)
@container
@resources
@placement
@health
@staying
@option("-d", "--detach", is_flag=True, group="Waiting", help="Return as soon as it is accepted")
@option("--timeout", type=DURATION, default=DEFAULT_TIMEOUT_S, metavar="TIME", group="Waiting",
        help="Longest wait  [5m]")  # fmt: skip
@option("-f", "--file", "--filename", "file", metavar="FILE", group="Waiting",
        help="JSON or YAML, one task or many; - is stdin")  # fmt: skip
@common
@click.pass_context
def run(
    ctx: click.Context,
    /,
    image: str | None,
    command: tuple[str, ...],
    detach: bool,
    timeout: float,
    file: str | None,
    **flags: Any,
) -> None:
    """Submit what image and flags, or a file, ask for; wait until it is up."""
    session = session_of(ctx)
    file = _source(ctx, image, file, flags)
    stay = stay_of(flags, detach=detach, structured=session.structured)
    tasks = _from_file(session, file) if file else _from_flags(session, str(image), command, flags)
    if stay is not None:
        from ormen.cli.run_attached import stay_with

        stay_with(session, tasks[0], stay, timeout_s=timeout)
    _announce(session, tasks, detach=detach)
    if not detach:
        try:
            from ormen.cli.run_wait import wait_until_up

            wait_until_up(session, tasks, timeout_s=timeout)
        except KeyboardInterrupt:  # before anything was shown, too: they are accepted, and go on
            session.say(render.left(0, tasks))
            ended(INTERRUPTED)


def stay_of(flags: dict[str, Any], *, detach: bool, structured: bool) -> Stay | None:
    """Return how to stay with the container, None for not at all; raise Failure for flags that contradict each other.

    One that somebody stays with is not restarted, unless it is asked for.
    """
    stay = Stay(stdin=flags["stdin"], tty=flags["tty"], remove=flags.pop("rm"))
    attach = flags.pop("attach")
    if not (stay.stdin or stay.tty or stay.remove or attach):
        return None
    restart = flags["restart"]
    for bad, what in (
        (detach and (attach or stay.remove), f"{'--attach' if attach else '--rm'} does not go with --detach"),
        (stay.remove and restart not in (None, "no"), f"--rm does not go with --restart {restart}"),
        (not detach and flags["count"] is not None, "only one task can be attached to, so not with --count"),
        (not detach and structured, "an attached run prints what the container prints, so not with --output"),
        (not detach and stay.stdin and stay.tty and not is_terminal(sys.stdin), "stdin is no terminal; leave out -t"),
    ):
        if bad:
            raise Failure(what, exit_code=2)
    if detach:
        return None
    flags["restart"] = restart or "no"
    return stay


def _source(ctx: click.Context, image: str | None, file: str | None, flags: dict[str, Any]) -> str | None:
    """Return the file to read, None for an image."""
    given = [max(param.opts, key=len) for param in ctx.command.params if is_given(flags.get(str(param.name)))]
    if file and (image or given):
        what = f"IMAGE {image}" if image else given[0]
        raise Failure(f"{what} does not go with -f {file}", hint="the file says all that a task is.", exit_code=2)
    if image or file:
        return file
    if not given and Path(SEED_FILE).is_file():
        return SEED_FILE
    raise Failure("IMAGE or -f FILE is missing", hint="ormen run --help shows examples.", exit_code=2)


def _from_flags(session: Session, image: str, command: Sequence[str], flags: dict[str, Any]) -> list[Document]:
    spec = spec_of(image, command, flags)
    try:
        return session.client().submit([spec])
    except ClientError as error:
        if has_rows(error) and not session.structured:
            rows: list[tuple[str, ...]] = [
                (flag_of(fault["pointer"], flags), fault_text(fault)) for fault in error.fault_documents
            ]
            raise Faulty(fault_title("", len(rows)), rows, code=error.code) from error
        ended(show(error, session, name=str(spec.get("name") or "")))


def _from_file(session: Session, file: str) -> list[Document]:
    return send_file(session, file, session.client().submit)


def send_file(session: Session, file: str, send: Callable[[list[Document]], Answer]) -> Answer:
    """Return what `send` answers to the tasks of a file; the deck's faults come back with their lines."""
    from ormen.files import FileFault, read_tasks

    try:
        text = sys.stdin.read() if file == "-" else Path(file).read_text(encoding="utf-8")
    except OSError as error:
        raise Failure(f"{file} cannot be read: {(error.strerror or str(error)).lower()}", exit_code=2) from error
    except UnicodeDecodeError as error:
        raise Failure(f"{file} is not UTF-8 text: byte {error.start}", exit_code=2) from error
    name = "stdin" if file == "-" else file
    try:
        specs, finder = read_tasks(text, name)
    except FileFault as error:
        raise Failure(str(error), exit_code=2) from error
    try:
        return send(specs)
    except ClientError as error:
        if not has_rows(error) or session.structured:
            raise
        raise Faulty(
            fault_title(name, len(error.faults)), _rows(error.fault_documents, finder), code=error.code
        ) from error


def _rows(faults: Sequence[Document], finder: Any) -> list[tuple[str, ...]]:
    """Return where in the file and what, for each fault, in the order of the file."""
    places = [path_of(fault["pointer"]) for fault in faults]
    lines = [finder(place) for place in places]
    rows = []
    for fault, place, line in zip(faults, places, lines, strict=True):
        if str(fault.get("hint") or "").startswith("quote it") and (word := finder.written(place)):
            # YAML reads yes and on as true; whoever wrote yes must see their own word.
            fault = {**fault, "hint": f'quote it: "{word}"'}
        before = (f"line {line}" if line is not None else "",) if any(lines) else ()
        rows.append((line or 0, (*before, finder.shown(place), fault_text(fault))))
    return [row for _, row in sorted(rows, key=lambda each: each[0])]


def _announce(session: Session, tasks: Sequence[Document], *, detach: bool) -> None:
    """Print the ids for a script; with -d also what waits."""
    if session.structured:
        if detach:
            session.document(list(tasks))
    elif session.output == "name":
        session.data("\n".join(task["name"] for task in tasks))
    elif detach or session.quiet or not is_terminal(sys.stdout):
        session.data("\n".join(task["id"] for task in tasks))
    if detach:
        for task in tasks:
            if waits_for_room(task):
                session.say(render.waits(task))
