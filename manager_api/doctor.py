"""What only the deck itself can say of its health: its own lines come before those of the store."""

from __future__ import annotations

import time
from collections.abc import Iterator
from contextlib import suppress

from manager_api.services import Services
from ormen import __version__
from ormen.doctor.examine import examine
from ormen.doctor.finding import Finding, fault, fine, warning
from ormen.errors import StoreUnavailable
from ormen.local.address import is_loopback
from ormen.policy_file import load_policy
from ormen.store.examining import DoctorStore
from ormen.units import format_age

EXPIRING_S = 7 * 24 * 3600.0
"""A token that ends within a week is told while there is time to make another."""

FAILING_MS = 60_000
"""A receiver that is away for a moment is tried again and told everything."""

RESTART = "systemctl restart ormen-deck"


def findings(mine: Services, *, address: str) -> list[Finding]:
    """Return everything that is found, first of the deck, which was asked at `address`, then of Redis and the rest."""
    store = DoctorStore(mine.settings, mine.deck.store.client)
    found = [fine("deck", f"{__version__}, {address}")]
    found += [*_openness(mine), *_policy(mine)]
    found += examine(store, up_s=time.monotonic() - mine.started)
    with suppress(StoreUnavailable):  # told already, as the fault of Redis
        found += [*_tokens(mine), *_logins(mine), *_webhooks(mine)]
    return found


def _openness(mine: Services) -> Iterator[Finding]:
    if not mine.guarded and not is_loopback(mine.settings.host):
        said = f"listens on {mine.settings.host} and asks nobody for a token: whoever reaches it may do everything"
        yield warning("deck", "DECK_OPEN", said, "start it with ORMEN_TOKEN or --token-file")


def _policy(mine: Services) -> Iterator[Finding]:
    path = mine.settings.policy_file
    if path is None:
        return
    try:
        now = load_policy(path)
    except ValueError as error:
        said = f"the policy file has become faulty, and the deck would not start again: {str(error).rstrip('.')}"
        yield fault("deck", "POLICY_FAULTY", said, f"correct {path}; then ormen doctor")
        return
    if now != mine.policy:
        said = f"the policy file {path} has changed since the deck read it at its start"
        yield warning("deck", "POLICY_CHANGED", said, f"{RESTART} on its host lets it hold")


def _tokens(mine: Services) -> Iterator[Finding]:
    tokens, now_ms = mine.token_store.all()
    for token in tokens:
        left_s = (token.expires_ms - now_ms) / 1000
        if not token.expires_ms or left_s > EXPIRING_S:
            continue
        ends = f"expires in {format_age(left_s)}" if left_s > 0 else f"expired {format_age(-left_s)} ago"
        fix = f"ormen token rm {token.name} && ormen token create {token.name} --role {token.role}"
        yield warning("deck", "TOKEN_ENDS", f"token {token.name} {ends}; its holder is refused then", fix)


def _logins(mine: Services) -> Iterator[Finding]:
    sealed = [login.host for login in mine.login_store.all() if login.sealed]
    if sealed and not mine.settings.secret_file:
        said = f"the login for {', '.join(sealed[:5])} is sealed, and this deck has no key to check or change it"
        yield fault("deck", "KEY_MISSING", said, f"give it ORMEN_SECRET_FILE; {RESTART}")


def _webhooks(mine: Services) -> Iterator[Finding]:
    store, now_ms = mine.hook_store, mine.deck.store.now_ms()
    for name, progress in store.progress([hook.name for hook in store.hooks()]).items():
        if not progress.failing_ms or now_ms - progress.failing_ms < FAILING_MS:
            continue
        since = format_age((now_ms - progress.failing_ms) / 1000)
        waits = "1 message waits" if progress.waiting == 1 else f"{progress.waiting} messages wait"
        said = f"webhook {name} has failed for {since}, and {waits}: {progress.result.rstrip('.')}"
        yield warning("deck", "WEBHOOK_FAILS", said, f"ormen webhook test {name}")
