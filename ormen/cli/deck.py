"""`ormen deck`: the manager of a real cluster, API, loops and their clock."""

from __future__ import annotations

import os
import sys
from dataclasses import dataclass, replace
from pathlib import Path

import click

from ormen.cli.errors import ended
from ormen.cli.options import Command, common, option, session_of
from ormen.cli.session import Session
from ormen.cli.supervising import Journal, Service, fail, hold, settings_of_env, warn_of_silence
from ormen.local.address import check_deck
from ormen.local.decide import check_port, with_policy, with_token
from ormen.local.failure import LocalFailure
from ormen.local.plan import deck_programs
from ormen.local.state import StateFolder, default_folder
from ormen.settings import PROFILES, Settings


@dataclass(frozen=True)
class Flags:
    """What the command line says; None: as the environment says."""

    host: str | None
    port: int | None
    workers: str | None
    scheduler: str | None
    redis_url: str | None
    token_file: str | None
    policy_file: str | None
    insecure: bool
    profile: str | None


@click.command(
    cls=Command,
    usage=("[OPTIONS]",),
    help="Run the manager of a cluster: its API, its loops and their clock. Needs a Redis;\n"
    "the agents (ormen sailor) find it through the same one.",
    examples=(
        "ormen deck --redis-url redis://:PASSWORD@10.0.0.5",
        "ormen deck -H 0.0.0.0 --token-file /etc/ormen/token --redis-url redis://:PASSWORD@10.0.0.5",
    ),
)
@option("-H", "--host", metavar="ADDR", help="Address to listen on  [127.0.0.1]")
@option("-p", "--port", type=click.IntRange(1, 65535), metavar="PORT", help="Port to listen on  [5555]")
@option(
    "-w",
    "--workers",
    metavar="NAMES",
    help="Comma list of the nodes that may join: names, or host:port of their status pages  [any]",
)
@option(
    "-s",
    "--scheduler",
    "--strategy",
    type=click.Choice(["epvm", "spread", "binpack", "greedy", "roundrobin"]),
    metavar="NAME",
    help="epvm, spread, binpack, greedy or roundrobin  [epvm]",
)
@option("-d", "--dbType", "--dbtype", "db_type", metavar="TYPE", help="Accepted and ignored: the state is in Redis")
@option("--redis-url", metavar="URL", help="Where Redis is  [redis://127.0.0.1:6379/0]")
@option("--token-file", metavar="FILE", help="A file with the admin token; needed beyond loopback")
@option("--policy-file", metavar="FILE", help="What specs may ask, as YAML")
@option("--insecure", is_flag=True, help="Insist on no token, or on a Redis without a password")
@option("--profile", type=click.Choice(sorted(PROFILES)), metavar="NAME", help="default, or calm for nervous networks")
@common
@click.pass_context
def deck(ctx: click.Context, /, db_type: str | None, **words: str | int | bool | None) -> None:
    """Run the manager of a cluster."""
    if db_type is not None:
        print("warning: --dbType does nothing: the state is in Redis", file=sys.stderr)
    try:
        code = run(session_of(ctx), Flags(**words))  # type: ignore[arg-type]  # click has checked each by its option
    except LocalFailure as error:
        fail(session_of(ctx), error)
    if code:
        ended(code)


def run(session: Session, flags: Flags) -> int:
    """Supervise the deck until a signal; return the exit code."""
    settings = with_policy(deck_settings(flags, settings_of_env()))
    check_deck(settings.host, has_token=bool(settings.token), insecure=settings.insecure)
    check_port("the deck", settings.host, settings.port)
    journal = Journal(session, "deck")
    answers = warn_of_silence(journal, settings.redis_url, insecure=settings.insecure)
    folder = StateFolder(Path(settings.state_dir or default_folder(os.environ) / f"deck-{settings.port}").absolute())
    hold(folder, f"a deck on port {settings.port}", hint="stop it, or choose another --port")
    return Service(journal, deck_programs(settings, folder), answers, folder).run()


def deck_settings(flags: Flags, base: Settings) -> Settings:
    """Return the environment's settings with the flags over them, and the token that a file holds."""
    return with_token(
        replace(
            base,
            host=flags.host or base.host,
            port=flags.port or base.port,
            allowed_nodes=flags.workers or base.allowed_nodes,
            strategy=flags.scheduler or base.strategy,
            redis_url=flags.redis_url or base.redis_url,
            token_file=flags.token_file or base.token_file,
            policy_file=flags.policy_file or base.policy_file,
            insecure=flags.insecure or base.insecure,
            profile=flags.profile or base.profile,
        )
    )
