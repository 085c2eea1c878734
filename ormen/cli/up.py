"""`ormen up`: a whole cluster on this machine, in one process tree."""

from __future__ import annotations

import os
import signal
import time
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import click

from ormen import __version__
from ormen.cli.drawing import PlainScreen, Screen, screen
from ormen.cli.errors import INTERRUPTED, ended
from ormen.cli.options import Command, common, option, session_of
from ormen.cli.render import cluster as screens
from ormen.cli.session import Session
from ormen.cli.supervising import fail
from ormen.cli.watching import Watching
from ormen.local.cluster import Cluster
from ormen.local.decide import STATUS_PORT, Wish, decide, with_policy
from ormen.local.detach import into_background, show_progress
from ormen.local.failure import WRONG_USE, LocalFailure
from ormen.local.leftovers import clear_leftovers
from ormen.local.plan import Layout
from ormen.local.probes import engine_address, engine_version
from ormen.local.stage import Both, Failure, ProgressFile, Remark, Result, Stage, Step
from ormen.local.state import StateFolder, default_folder, shown
from ormen.local.waker import Waker
from ormen.settings import Settings
from ormen.units import format_duration

SIGNALS = (signal.SIGINT, signal.SIGTERM, signal.SIGUSR2, signal.SIGHUP)
"""Ctrl-C and SIGTERM: down, with the containers. SIGUSR2, and a terminal that goes away: the containers run on."""
PORT = click.IntRange(1, 65535)


@dataclass(frozen=True)
class Manner:
    """How the command shows itself: in the background, with every line of the logs."""

    detach: bool
    logs: bool


@click.command(
    cls=Command,
    usage=("[OPTIONS]",),
    help="Start a whole cluster on this machine: Redis, the deck, its loops, a few\nsailors and Flower. "
    "Ctrl-C stops it, containers included, and keeps its state.",
    examples=("ormen up", "ormen up -d --sailors 5", "ormen up --port 6555 --state-dir ~/second"),
)
@option("--sailors", type=click.IntRange(0, 100), default=3, metavar="N", help="Nodes to simulate here  [3]")
@option(
    "--port",
    "-p",
    type=PORT,
    envvar=["ORMEN_PORT", "CUBE_MANAGER_PORT"],
    metavar="PORT",
    help="Port of the deck  [5555, or the next free one]",
)
@option(
    "--state-dir",
    type=click.Path(file_okay=False, path_type=Path),
    metavar="DIR",
    help="Where its state is kept  [~/.local/state/ormen]",
)
@option("--no-flower", is_flag=True, help="Leave out Flower, the page of the queues")
@option("--flower-port", type=PORT, metavar="PORT", help="Port of Flower  [5550, or the next free one]")
@option("-d", "--detach", is_flag=True, help="Go on in the background once all is ready")
@option("--logs", is_flag=True, help="Show every line that the processes log")
@option("--redis-url", envvar="ORMEN_REDIS_URL", metavar="URL", help="Use this Redis instead of one of its own")
@option(
    "-s",
    "--strategy",
    "--scheduler",
    type=click.Choice(["epvm", "spread", "binpack", "greedy", "roundrobin"]),
    metavar="NAME",
    help="epvm, spread, binpack, greedy or roundrobin  [epvm]",
)
@option("-w", "--workers", metavar="NAMES", help="Comma list of the nodes that may join  [any]")
@common
@click.pass_context
def up(
    ctx: click.Context,
    sailors: int,
    port: int | None,
    state_dir: Path | None,
    no_flower: bool,
    flower_port: int | None,
    detach: bool,
    logs: bool,
    redis_url: str | None,
    strategy: str | None,
    workers: str | None,
) -> None:
    """Start a whole cluster on this machine."""
    session = session_of(ctx)
    try:
        settings, status_port = read_settings(strategy=strategy, workers=workers)
        settings = with_policy(settings)
        folder = StateFolder((state_dir or Path(settings.state_dir or default_folder(os.environ))).absolute())
        wish = Wish(folder, settings, sailors, port, not no_flower, flower_port, status_port, redis_url)
        code = start_detached(session, wish) if detach else start(session, wish, logs=logs)
    except LocalFailure as error:
        fail(session, error)
    if code:
        ended(code)


def read_settings(*, strategy: str | None, workers: str | None) -> tuple[Settings, int]:
    """Return the settings of the environment, the second seed's variables included, and the first status port."""
    env = os.environ
    try:
        settings = Settings.from_env()
        status_port = int(env.get("CUBE_WORKER_PORT") or settings.status_port or STATUS_PORT)
    except ValueError as error:
        raise LocalFailure(str(error), hint="correct the variable, or unset it", exit_code=WRONG_USE) from None
    return replace(
        settings,
        host=env.get("CUBE_MANAGER_HOST") or settings.host,
        status_host=env.get("CUBE_WORKER_HOST") or settings.status_host,
        strategy=strategy or settings.strategy,
        allowed_nodes=workers or settings.allowed_nodes,
    ), status_port


def start(session: Session, wish: Wish, *, logs: bool) -> int:
    """Run the cluster in the foreground until a signal, and take it down; return the exit code."""
    wish.folder.take("a cluster")
    drawn = screen(session)
    _say_head(session, drawn, wish)
    try:
        return run(drawn, Both(drawn, ProgressFile(wish.folder.progress)), wish, manner=Manner(False, logs))
    finally:
        drawn.close()


def start_detached(session: Session, wish: Wish) -> int:
    """Run the cluster in a process of its own, show its start here; return the exit code."""
    wish.folder.take("a cluster")
    wish.folder.release()
    wish.folder.progress.unlink(missing_ok=True)
    pid = into_background(wish.folder.log("up"))
    if pid == 0:
        os._exit(_background(session, wish))
    drawn = screen(session)
    _say_head(session, drawn, wish)
    try:
        return show_progress(wish.folder.progress, drawn, pid=pid)
    finally:
        drawn.close()


def _say_head(session: Session, drawn: Screen, wish: Wish) -> None:
    if not session.quiet:
        drawn.line(screens.head(__version__, shown(wish.folder.path)))


def _background(session: Session, wish: Wish) -> int:
    quiet = PlainScreen(session)
    stage = ProgressFile(wish.folder.progress)
    try:
        wish.folder.take("a cluster")
        return run(quiet, stage, wish, manner=Manner(True, False))
    except LocalFailure as error:
        stage.tell(Failure.of(error))
        return error.exit_code
    except BaseException as error:
        stage.tell(Failure(f"the start failed: {error!r}", f"its log says more: {wish.folder.log('up')}", 1, "", ()))
        raise


def run(drawn: Screen, stage: Stage, wish: Wish, *, manner: Manner) -> int:
    """Start, watch and take down; return the exit code."""
    begun = time.monotonic()
    with Waker(SIGNALS) as waker:
        if last := wish.folder.read():
            clear_leftovers(last)  # of an `up` that was killed: they could still hold its ports
        _check_engine(stage, wish.settings, begun)
        layout = decide(wish, remark=lambda text: stage.tell(Remark(text)))
        cluster = Cluster(layout, stage=stage, waker=waker, begun=begun)
        watching = Watching(cluster, drawn, logs=manner.logs, idle=manner.detach)
        cluster.hear = watching.hear
        try:
            cluster.launch()
        except KeyboardInterrupt:
            return INTERRUPTED
        stage.tell(_ready(cluster, detach=manner.detach))
        number = cluster.watch(watching.refresh)
        watching.end()
        cluster.bring_down(keep_containers=number in (signal.SIGUSR2, signal.SIGHUP))
    return 0


def _check_engine(stage: Stage, settings: Settings, begun: float) -> None:
    address = engine_address(settings.docker_host)
    stage.tell(Step("⠹", "docker", f"asking {address}"))
    try:
        version = engine_version(address)
    except LocalFailure:
        stage.tell(Step("✗", "docker", f"no answer on {address}", time.monotonic() - begun))
        raise
    stage.tell(Step("✓", "docker", f"{version or 'not asked'}, {address}", time.monotonic() - begun))


def _ready(cluster: Cluster, *, detach: bool) -> Result:
    folder, settings = cluster.layout.folder, cluster.layout.settings
    usual = folder.path == default_folder(os.environ).absolute()
    text = f"Ready in {format_duration(cluster.elapsed())}"
    there = "" if settings.port == 5555 else f" -m localhost:{settings.port}"
    if detach:
        where = "" if usual else f" --state-dir {shown(folder.path)}"
        look = f"Look: ormen status{there}\n" if there else ""
        return Result(f"{text}, pid {os.getpid()}. {look}Stop it with: ormen down{where}", _facts(cluster.layout))
    return Result(
        f"{text}. Ctrl-C stops the cluster; another terminal can: ormen status{there}", _facts(cluster.layout)
    )


def _facts(layout: Layout) -> dict[str, Any]:
    flower = f"http://127.0.0.1:{layout.flower_port}" if layout.flower_port else None
    return {
        "manager": layout.url,
        "nodes": [sailor.name for sailor in layout.sailors],
        "flower": flower,
        "state_dir": str(layout.folder.path),
        "pid": os.getpid(),
    }
