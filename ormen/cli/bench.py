"""``ormen bench``: how fast the user's own cluster is, beside the Docker SDK on this machine where it can be."""

from __future__ import annotations

import sys
from typing import TYPE_CHECKING, Any

import click

from ormen.cli.bench_figures import MEASURES
from ormen.cli.completing import NODE
from ormen.cli.errors import TIMED_OUT, Failure, Faulty, ended, has_rows, show
from ormen.cli.options import DURATION, Command, common, option, session_of
from ormen.cli.render import bench as render
from ormen.cli.render.problem import fault_text, fault_title
from ormen.cli.session import Session
from ormen.cli.talking import Gone, leaving
from ormen.client import Client
from ormen.client_errors import TaskFailed, WaitedTooLong
from ormen.errors import OrmenError
from ormen.reasons import Code
from ormen.transport import ClientError

if TYPE_CHECKING:
    from ormen.cli.bench_run import Bench

DEMO_IMAGE = "ormen/echo:1"
"""The image that is taken where none is named: the demo's. It is in no registry, so it is never pulled."""


def _measures(ctx: click.Context, param: click.Parameter, value: str | None) -> tuple[str, ...]:
    """Return the measures that a comma list names, all of them without one."""
    words = [word.strip() for word in value.split(",")] if value is not None else list(MEASURES)
    if wrong := [word for word in words if word not in MEASURES]:
        raise Failure(f'--only: "{wrong[0]}" is none of {", ".join(MEASURES)}', exit_code=2)
    return tuple(name for name in MEASURES if name in words)


@click.command(
    cls=Command,
    usage=["[OPTIONS] [-- COMMAND [ARG]...]"],
    examples=[
        "ormen bench",
        "ormen bench --image nginx --tasks 20",
        "ormen bench --only start,stop --rounds 30 --node node-2",
        "ormen bench --image busybox -- sleep 600",
        "ormen bench --no-docker -o json > today.json",
    ],
)
@click.argument("command", nargs=-1, type=click.UNPROCESSED)
@option("--only", "measures", metavar="WORDS", callback=_measures,
        help="Comma list of start, stop, throughput and failover  [all]")  # fmt: skip
@option("--rounds", type=click.IntRange(1, 1000), default=10, metavar="N",
        help="Rounds of each measure; of throughput at most 3  [10]")  # fmt: skip
@option("--tasks", type=click.IntRange(2, 1000), default=10, metavar="N",
        help="Tasks that throughput starts at once  [10]")  # fmt: skip
@option("--image", metavar="IMAGE", help=f"Image whose program stays up; pulled if missing  [{DEMO_IMAGE}, not pulled]")
@option("--node", metavar="NODE", help="Only on this node", shell_complete=NODE)
@option("--constraint", "constraints", metavar="EXPR", multiple=True, help="Only on nodes with zone=eu-west, ...")
@option("--no-docker", is_flag=True, help="Compare with nothing")
@option("--timeout", type=DURATION, default=60.0, metavar="TIME", help="Longest wait for one step  [1m]")
@common
@click.pass_context
def bench(
    ctx: click.Context,
    /,
    command: tuple[str, ...],
    rounds: int,
    no_docker: bool,
    timeout: float,
    **flags: Any,
) -> None:
    """Measure this cluster with tasks of its own, which are removed at the end.

    start       one task, from the request until it runs
    stop        one task, from the request until its container has ended
    throughput  many tasks by one request, until all of them run
    failover    one task's program is killed, until the task runs again

    Where this machine has a Docker engine with the image, the same is done there
    by Docker's SDK. No other task is touched, and no host is harmed.
    """
    from ormen.cli.bench_run import Bench, Wish

    session = session_of(ctx)
    client = session.client()
    image = flags["image"] or DEMO_IMAGE
    where = [f"node={client.node(flags['node'])['name']}"] if flags["node"] else []
    spec: dict[str, Any] = {"image": image, "constraints": [*where, *flags["constraints"]]}
    # A program that is a container's first process gets only signals that it has asked for: an init heeds them for it.
    spec |= {"command": list(command), "init": True} if command else {}
    spec |= {} if flags["image"] else {"pull": "never"}
    wish = Wish(flags["measures"], rounds, flags["tasks"], spec, timeout_s=timeout, docker=not no_docker)
    run = Bench(session, client, wish)
    _check(session, run)
    _conclude(session, client, run, *_measured(session, run))


def _check(session: Session, run: Bench) -> None:
    """Raise for faults of what was asked, each with its flag, and where the tasks would find no room."""
    try:
        run.rehearse()
    except ClientError as error:
        if not has_rows(error) or session.structured:
            raise
        from ormen.cli.run_spec import flag_of

        rows: list[tuple[str, ...]] = [
            (flag_of(fault["pointer"]).replace("IMAGE", "--image"), fault_text(fault))
            for fault in error.fault_documents
        ]
        raise Faulty(fault_title("", len(rows)), rows, code=error.code) from error


def _measured(session: Session, run: Bench) -> tuple[int, OrmenError | None]:
    """Measure, and remove what was started, also when this process is told to end; return its code and what failed."""
    trouble: OrmenError | None = None
    try:
        # From the first task to the last removal, so that no signal ends this process before it has cleaned up.
        with leaving():
            try:
                run.measure()
            except OrmenError as error:
                trouble = error
            except Gone:
                session.say("Removing what was started; Ctrl-C again leaves it there")
                raise
            finally:
                run.close()
    except Gone as gone:
        return gone.code, trouble
    return 0, trouble


def _conclude(session: Session, client: Client, run: Bench, code: int, trouble: OrmenError | None) -> None:
    """Show what was measured, what failed, and what may be left; end the command with the first of these codes."""
    found = run.document(complete=not code and trouble is None)
    if trouble is not None and not found["measures"]:
        pass  # there is nothing to show, and with -o json stdout stays empty, as with any refusal
    elif session.structured:
        session.document(found)
    elif session.output == "name":
        session.data("\n".join(row["measure"] for row in found["measures"]))
    else:
        session.data(render.measured(found, session.look(), quiet=session.quiet))
    if trouble is not None:
        code = code or show(_told(trouble, run.image), session)
    if found["left"] is None or found["left"]:
        print(render.left(found, session.look(sys.stderr)), file=sys.stderr)
        code = code or 1
    if code:
        ended(code)


def _told(trouble: OrmenError, image: str) -> OrmenError:
    """Return a failure of a task as this command says it."""
    if not isinstance(trouble, TaskFailed):
        return trouble
    code = trouble.reason_code
    if image == DEMO_IMAGE and code is not None and code.startswith("PULL_"):
        sentence = f"no other --image is named, and {DEMO_IMAGE} is not on every node: {trouble}"
        return Failure(sentence, hint="ormen bench --image IMAGE; its program must stay up.", exit_code=2)
    if isinstance(trouble, WaitedTooLong):
        return Failure(trouble.sentence, code=code, hint="--timeout TIME waits longer.", exit_code=TIMED_OUT)
    stays = f"its program must stay up: ormen bench --image {image} -- COMMAND"
    return Failure(trouble.sentence, code=code, hint=stays if code in (None, Code.EXIT) else None)
