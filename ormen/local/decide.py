"""Decide how a cluster on one machine is laid out: its ports, its Redis, its names. Nothing is started here."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, replace
from pathlib import Path

from ormen.local import ports, redis
from ormen.local.address import check_deck, check_store, parse_url
from ormen.local.failure import NOT_ALLOWED, OUT_OF_REACH, TAKEN, WRONG_USE, LocalFailure
from ormen.local.plan import Layout, Sailor
from ormen.local.state import StateFolder
from ormen.settings import Settings

DECK_PORT, FLOWER_PORT, STATUS_PORT = 5555, 5550, 5556


@dataclass(frozen=True, slots=True)
class Wish:
    """What `up` was asked for; None for a port: any that is free, from the usual one on."""

    folder: StateFolder
    settings: Settings
    sailors: int = 3
    port: int | None = None
    flower: bool = True
    flower_port: int | None = None
    status_port: int = STATUS_PORT
    redis_url: str | None = None


def decide(wish: Wish, *, remark: Callable[[str], None]) -> Layout:
    """Return the layout; raise `LocalFailure` if something asked for is taken, out of reach or not safe.

    `remark` hears of each port that moved because the usual one was taken.
    """
    settings = with_token(wish.settings)
    check_deck(settings.host, has_token=bool(settings.token), insecure=settings.insecure)
    claims = ports.Claims()
    chooser = _Chooser(claims, remark)
    port = chooser.port("the deck", settings.host, asked=wish.port, usual=DECK_PORT)
    flower_port = None
    if wish.flower:
        flower_port = chooser.port("Flower", "127.0.0.1", asked=wish.flower_port, usual=FLOWER_PORT)
    sailors = _sailors(wish, claims)
    server, plan = None, None
    if wish.redis_url:
        url = wish.redis_url
        reach_store(url, insecure=settings.insecure)
    else:
        server = redis.find_server()
        plan = redis.prepare(server, wish.folder.path / "redis", maxclients=6 * wish.sailors + 300)
        url = plan.url
    settings = replace(settings, redis_url=url, port=port, control_events=settings.control_events or wish.flower)
    return Layout(wish.folder, settings, sailors, flower_port, server, plan, claims)


def reach_store(url: str, *, insecure: bool) -> None:
    """Return if the configured Redis may be used and answers; raise `LocalFailure` otherwise."""
    address = parse_url(url)
    check_store(address, insecure=insecure)
    answer = address.answer(timeout_s=5.0)
    if answer == "+PONG" or answer.startswith("-LOADING"):
        return
    wrong = answer.startswith(("-NOAUTH", "-WRONGPASS"))
    raise LocalFailure(
        f"Redis at {address} {'refuses the password' if wrong else 'does not answer'}"
        + (f": {answer[1:]}" if answer else ""),
        hint="check the URL; without one, ormen up starts a Redis of its own",
        exit_code=NOT_ALLOWED if wrong else OUT_OF_REACH,
        code="STORE_UNAVAILABLE",
    )


def with_token(settings: Settings) -> Settings:
    """Return the settings with the token of `token_file`, if that is where it is."""
    if settings.token or not settings.token_file:
        return settings
    try:
        token = Path(settings.token_file).read_text().strip()
    except OSError as error:
        raise LocalFailure(
            f"the token file {settings.token_file} cannot be read: {str(error.strerror).lower()}",
            hint="create it, or set ORMEN_TOKEN instead",
            exit_code=WRONG_USE,
        ) from None
    if not token:
        raise LocalFailure(f"the token file {settings.token_file} is empty", exit_code=WRONG_USE)
    return replace(settings, token=token)


def with_policy(settings: Settings) -> Settings:
    """Return the settings with the policy file's whole path, once the file can be read; its rules are the deck's.

    A deck with a faulty file would die at once, again and again: so whoever starts it is told, with every fault.
    """
    if settings.policy_file is None:
        return settings
    from ormen.policy_file import PolicyUnreadable, load_policy

    path = str(Path(settings.policy_file).absolute())
    try:
        load_policy(path)
    except PolicyUnreadable as error:
        amount = "a fault" if len(error.faults) == 1 else f"{len(error.faults)} faults"
        raise LocalFailure(
            f"the policy file {path} {error.faults[0] if error.unread else f'has {amount}'}; nothing was started",
            hint="correct it, or start without it: then nothing is allowed that reaches beyond the container",
            exit_code=WRONG_USE,
            evidence=() if error.unread else error.faults,
        ) from None
    return replace(settings, policy_file=path)


def check_port(what: str, host: str, port: int) -> None:
    """Return if the port is free; raise `LocalFailure` that names who holds it."""
    with _readable(what, host, port):
        if not ports.is_free(host, port):
            raise _taken(what, host, port)


@dataclass(frozen=True, slots=True)
class _Chooser:
    claims: ports.Claims
    remark: Callable[[str], None]

    def port(self, what: str, host: str, *, asked: int | None, usual: int) -> int:
        """Return the port that was asked for, or else the usual one, or else the next that is free."""
        first = usual if asked is None else asked
        with _readable(what, host, first):
            if self.claims.take(host, first):
                return first
            if asked is not None:
                raise _taken(what, host, asked)
            port = self.claims.next_free(host, usual + 1)
        self.remark(f"port {usual} is held by {ports.holder(usual)}; {what} takes {port}")
        return port


def _taken(what: str, host: str, port: int) -> LocalFailure:
    return LocalFailure(
        f"port {port} on {host}, for {what}, is held by {ports.holder(port)}",
        hint="choose another, or end that process",
        exit_code=TAKEN,
        code="PORT_IN_USE",
    )


def _sailors(wish: Wish, claims: ports.Claims) -> tuple[Sailor, ...]:
    """Return the agents; their status pages take the free ports from the first on, whichever those are."""
    sailors, port = [], wish.status_port - 1
    for number in range(1, wish.sailors + 1):
        with _readable("the status page", wish.settings.status_host, port + 1):
            port = claims.next_free(wish.settings.status_host, port + 1)
        sailors.append(Sailor(f"node-{number}", port, f"1/{wish.sailors}"))
    return tuple(sailors)


@contextmanager
def _readable(what: str, host: str, port: int) -> Iterator[None]:
    """Turn what the kernel says of an address that cannot be listened on into a sentence."""
    try:
        yield
    except OSError as error:
        raise LocalFailure(
            f"{what} cannot listen on {host}:{port}: {str(error.strerror or error).lower()}",
            hint="give an address of this machine, and a port above 1023",
            exit_code=WRONG_USE,
        ) from None
