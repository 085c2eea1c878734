"""`ormen sailor`: the agent of a real host, which joins the cluster of its Redis by itself."""

from __future__ import annotations

import os
import re
import socket
import sys
from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path

import click

from ormen.cli.errors import ended
from ormen.cli.options import Command, common, option, session_of
from ormen.cli.session import Session
from ormen.cli.supervising import Journal, Service, fail, hold, settings_of_env, warn_of_silence
from ormen.local.decide import check_port
from ormen.local.failure import WRONG_USE, LocalFailure
from ormen.local.logs import last_answer
from ormen.local.plan import agent_program
from ormen.local.state import StateFolder, default_folder
from ormen.local.supervisor import GaveUp
from ormen.node_labels import key_trouble, value_trouble
from ormen.settings import Settings


@dataclass(frozen=True)
class Flags:
    """What the command line says; None: as the environment says."""

    host: str | None
    port: int | None
    name: str | None
    redis_url: str | None
    address: str | None
    labels: tuple[str, ...]
    share: str | None
    insecure: bool
    gpus: str | None = None


@click.command(
    cls=Command,
    usage=("[OPTIONS]",),
    help="Run the agent of this host. It joins the cluster of its Redis by itself, and what\n"
    "it runs goes on when it stops.",
    examples=(
        "ormen sailor --redis-url redis://:PASSWORD@10.0.0.5 --name host7",
        "ormen sailor --redis-url redis://:PASSWORD@10.0.0.5 --label disk=ssd --label zone=eu-west",
    ),
)
@option("-H", "--host", metavar="ADDR", help="Address of the status page  [127.0.0.1]")
@option("-p", "--port", type=click.IntRange(1, 65535), metavar="PORT", help="Port of the status page  [5556]")
@option("-n", "--name", metavar="NAME", help="Name of the node  [the host's name]")
@option("-d", "--dbtype", "--dbType", "db_type", metavar="TYPE", help="Accepted and ignored: the state is in Redis")
@option("--redis-url", metavar="URL", help="Where the cluster's Redis is  [redis://127.0.0.1:6379/0]")
@option("--address", metavar="ADDR", help="Where the ports of its tasks are reached  [the address that faces Redis]")
@option("--label", "labels", multiple=True, metavar="KEY=VALUE", help="Label of the node; may be repeated")
@option("--share", metavar="PART", help="Its part of the host, for several on one engine: 1/3  [1/1]")
@option(
    "--gpus", metavar="GPUS", help="GPUs that tasks may have: a number, ids, all or none  [what NVIDIA's driver lists]"
)
@option("--insecure", is_flag=True, help="Insist on a Redis beyond this machine without a password")
@common
@click.pass_context
def sailor(ctx: click.Context, /, db_type: str | None, **words: str | int | bool | tuple[str, ...] | None) -> None:
    """Run the agent of this host."""
    if db_type is not None:
        print("warning: --dbtype does nothing: the state is in Redis", file=sys.stderr)
    try:
        code = run(session_of(ctx), Flags(**words))  # type: ignore[arg-type]  # click has checked each by its option
    except LocalFailure as error:
        fail(session_of(ctx), error)
    if code:
        ended(code)


def run(session: Session, flags: Flags) -> int:
    """Supervise the agent until a signal; return the exit code. Raises `LocalFailure` if it may not be this node."""
    settings = sailor_settings(flags, settings_of_env())
    journal = Journal(session, f"sailor {settings.node}", mark=":")
    answers = warn_of_silence(journal, settings.redis_url, insecure=settings.insecure)
    check_port("the status page", settings.status_host, settings.status_port)
    base = Path(settings.state_dir or default_folder(os.environ))
    folder = StateFolder((base / f"sailor-{settings.node}").absolute())
    hint = "choose another --name, or stop that agent"
    hold(folder, f"the agent of {settings.node}", hint=hint, code="NODE_TAKEN")
    settings = replace(settings, state_dir=str(base.absolute() / "agents"))
    service = Service(journal, [agent_program(settings, folder)], answers, folder)
    code = service.run()
    if service.lost and service.lost[-1].final:
        raise refusal(service.lost[-1])
    return code


def sailor_settings(flags: Flags, base: Settings) -> Settings:
    """Return the environment's settings with the flags over them; raise `LocalFailure` for a value that is none."""
    share = flags.share or base.share
    if not re.fullmatch(r"[1-9]\d*/[1-9]\d*", share) or int(share.split("/")[0]) > int(share.split("/")[1]):
        raise LocalFailure(f'--share "{share}" is no part', hint="write it as 1/3", exit_code=WRONG_USE)
    for label in flags.labels:
        if not re.fullmatch(r"[^=,]+=[^,]*", label):
            raise LocalFailure(f'--label "{label}" is no label', hint="write it as disk=ssd", exit_code=WRONG_USE)
        key, _, value = label.partition("=")
        if trouble := key_trouble(key) or value_trouble(value):
            raise LocalFailure(f'--label "{label}" {trouble}', exit_code=WRONG_USE)
    node = flags.name or base.node or socket.gethostname()
    if not re.fullmatch(r"[A-Za-z0-9][A-Za-z0-9_.-]{0,62}", node):
        raise LocalFailure(
            f'"{node}" is no name for a node: letters, digits, dots and dashes, at most 63',
            hint="choose one with --name",
            exit_code=WRONG_USE,
        )
    return replace(
        base,
        status_host=flags.host or base.status_host,
        status_port=flags.port or base.status_port,
        node=node,
        redis_url=flags.redis_url or base.redis_url,
        address=flags.address or base.address,
        node_labels=_joined([base.node_labels, *flags.labels]),
        share=share,
        gpus=flags.gpus or base.gpus,
        insecure=flags.insecure or base.insecure,
    )


def refusal(end: GaveUp) -> LocalFailure:
    """Return the failure of an agent that ended with an answer, in its own words."""
    answer = last_answer(end.program.log, offset=end.log_start)
    exit_code = end.end.exit_code or 1
    if answer is None:
        return LocalFailure(f"the agent ended ({end.end}); its log is {end.program.log}", exit_code=exit_code)
    return LocalFailure(answer.sentence, hint=answer.hint, exit_code=exit_code, code=answer.code)


def _joined(labels: Sequence[str]) -> str:
    return ",".join(label for label in labels if label)
