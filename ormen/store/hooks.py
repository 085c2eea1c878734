"""Webhooks in the store: who is told of what, what waits to be sent, and how that goes."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from functools import cached_property

from ormen.errors import TooLarge, WebhookNotFound, WebhookTaken
from ormen.events import Event
from ormen.sealing import Sealer
from ormen.store.records import flat
from ormen.store.redis import RedisStore, answering
from ormen.webhooks import Progress, Webhook

MOST_HOOKS = 100
"""Each deck looks at all of them every few seconds."""

MOST_WAITING = 1000
"""Messages of one webhook that wait at most; the rest waits as events, which are kept anyway."""

GIVEN_UP_MS = 24 * 3600 * 1000
"""An event that could not be told for a day is given up."""

MOST_OF_A_NAME = 20
"""How many webhooks whose name nobody chose may share a host: NAME to NAME-20."""


@dataclass(frozen=True, slots=True)
class Claim:
    """A message that is to be sent now, and the number of the try."""

    event: Event
    number: int


class HookStore(RedisStore):
    """The webhooks of a cluster."""

    @cached_property
    def _sealer(self) -> Sealer:
        return Sealer.of(self.settings)

    @answering
    def hooks(self) -> list[Webhook]:
        """Return every webhook, by name, without the secrets."""
        rows = self.client.hgetall(self.keys.webhooks)
        return [Webhook.from_row(name, json.loads(row), secret="") for name, row in sorted(rows.items())]

    @answering
    def hook(self, name: str) -> Webhook:
        """Return one webhook; raises WebhookNotFound, and SealError where its secret cannot be opened here."""
        raw = self.client.hget(self.keys.webhooks, name)
        if raw is None:
            raise self._missing(name)
        row = json.loads(raw)
        return Webhook.from_row(name, row, secret=self._sealer.open(row["secret"]))

    @answering
    def add(self, hook: Webhook, *, named: bool) -> Webhook:
        """Keep a webhook that is told of events from now on; return it as it is kept.

        A name that nobody chose (not `named`) gets a number if it is taken. Raises WebhookTaken for a chosen name in
        use, TooLarge beyond a hundred.
        """
        if self.client.hlen(self.keys.webhooks) >= MOST_HOOKS:
            raise TooLarge(f"there are {MOST_HOOKS} webhooks already", hint="remove some: ormen webhook rm NAME")
        names = [hook.name, *(f"{hook.name}-{number}" for number in range(2, MOST_OF_A_NAME + 1) if not named)]
        for name in names:
            kept = replace(hook, name=name)
            row = {**kept.to_row(), "secret": self._sealer.seal(hook.secret)}
            if self.run("hook", hook=name, row=json.dumps(row)):
                return kept
        raise WebhookTaken(
            f"there is a webhook {hook.name} already",
            hint=f"choose another name, or ormen webhook rm {hook.name} first",
        )

    @answering
    def remove(self, name: str) -> None:
        """Forget a webhook and what waits for it; raises WebhookNotFound."""
        with self.client.pipeline(transaction=True) as pipe:
            pipe.hdel(self.keys.webhooks, name)
            pipe.delete(self.keys.webhook(name), self.keys.webhook_queue(name), self.keys.webhook_tries(name))
            if not pipe.execute()[0]:
                raise self._missing(name)

    @answering
    def progress(self, names: Sequence[str]) -> dict[str, Progress]:
        """Return how the deliveries of these webhooks go."""
        with self.client.pipeline(transaction=False) as pipe:
            for name in names:
                pipe.hgetall(self.keys.webhook(name))
                pipe.zcard(self.keys.webhook_queue(name))
            replies = pipe.execute() if names else []
        return {name: _progress(*replies[2 * at : 2 * at + 2]) for at, name in enumerate(names)}

    @answering
    def gather(self, name: str) -> bool:
        """Queue the events of which a webhook is to be told; return whether there may be more at once."""
        return bool(self.run("gather", hook=name, most=str(MOST_WAITING), keep=str(GIVEN_UP_MS)))

    @answering
    def claim(self, name: str, *, lease_ms: int) -> Claim | None:
        """Take the webhook's message that is due; unless something is said of it, it is due again after the lease."""
        reply = self.run("claim", hook=name, lease=str(lease_ms))
        return Claim(Event.from_fields(reply[0], flat(reply[2])), int(reply[1])) if reply else None

    @answering
    def settle(self, name: str, claim: Claim, *, ok: bool, result: str, delay_ms: int = 0) -> str:
        """Say what came of a try: return DONE, AGAIN (in `delay_ms`), GIVEN_UP, or LATE if it is not ours any more."""
        told = f"{claim.event.type} of {claim.event.name or claim.event.node or 'the cluster'}"
        return str(
            self.run(
                "settle",
                hook=name,
                event=claim.event.id,
                **{"try": str(claim.number)},
                ok="1" if ok else "0",
                result=result,
                delay=str(delay_ms),
                keep=str(GIVEN_UP_MS),
                gave=f"webhook {name}: {told} could not be delivered for 24 hours and is given up: {result}",
                back=f"webhook {name} delivers again",
            )
        )

    def _missing(self, name: str) -> WebhookNotFound:
        known = sorted(self.client.hkeys(self.keys.webhooks))
        hint = f"the webhooks are {', '.join(known[:10])}" if known else "there are none"
        return WebhookNotFound(f'no webhook "{name}"', hint=hint)


def _progress(row: Mapping[str, str], waiting: int) -> Progress:
    return Progress(
        waiting=waiting,
        delivered=int(row.get("delivered", 0)),
        dropped=int(row.get("dropped", 0)),
        last_ms=int(row.get("last", 0)),
        failing_ms=int(row.get("failing", 0)),
        result=row.get("result", ""),
    )
