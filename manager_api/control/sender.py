"""Tells webhooks what happened: a thread of the control worker, and one more for each receiver that is spoken to.

Every deck may run it. What is to be told stands in the store, and a message is claimed before it is sent, so each is
sent once; should its sender die, it is sent again with the same id.
"""

from __future__ import annotations

import logging
import random
import threading
from collections.abc import Callable, Sequence

from manager_api.delivering import Delivery, deliver
from manager_api.services import open_deck
from manager_api.telling import tell
from ormen.errors import StoreUnavailable, WebhookNotFound
from ormen.events import Event
from ormen.policy import Policy
from ormen.sealing import SealError
from ormen.settings import Settings
from ormen.store.hooks import Claim, HookStore
from ormen.webhooks import Webhook, message_id

log = logging.getLogger("ormen.control")

IDLE_S = 5.0
"""How often it is looked for webhooks while there are none."""

BLOCK_MS = 2000
"""How long an event is waited for; what is due again is looked for as often."""

PAUSE_S = 0.2
"""After each look: events that come close together are told from one look."""

LEASE_MS = 60_000
"""A claimed message of which nothing is said for so long is sent again: its sender is gone."""

FIRST_AGAIN_S, MOST_AGAIN_S = 5.0, 3600.0
"""The pause after a first failure, and the longest; each is three times the one before."""

AT_ONCE = 16
"""Receivers that are spoken to at the same time."""


def pause_s(number: int) -> float:
    """Return the pause after so many tries, without its jitter."""
    return float(min(MOST_AGAIN_S, FIRST_AGAIN_S * 3 ** min(number - 1, 10)))


class Sender:
    """Sends until `stop`. `send` is told the webhook, the message's id and its body."""

    def __init__(self, settings: Settings, *, send: Callable[[Webhook, str, bytes], Delivery] = deliver) -> None:
        self.deck = open_deck(settings, policy=Policy(()))
        self.store = self.deck.store
        self.hooks = HookStore(settings, self.store.client)
        self._send = send
        self._stopping = threading.Event()
        self._lock = threading.Lock()
        self._busy: set[str] = set()

    def start(self) -> None:
        """Begin, in a thread of its own that ends with the process."""
        threading.Thread(target=self._run, name="webhooks", daemon=True).start()

    def stop(self) -> None:
        """Begin nothing any more; a try that is under way goes on to its end."""
        self._stopping.set()

    def _run(self) -> None:
        after, known, hooks = "", True, list[Webhook]()
        while not self._stopping.is_set():
            try:
                hooks = self.hooks.hooks()
                self.tell(hooks)
                after = after or self.store.edges()[1]
                events = self.store.follow(after, BLOCK_MS) if hooks else []
                after = events[-1].id if events else after
                known = True
            except StoreUnavailable as fault:
                if known:
                    log.warning("webhooks wait: %s", fault.sentence)
                known = False
            except Exception:
                # A fault of ours must not end the thread: nobody would be told of anything any more.
                log.exception("webhooks: a look failed; the next one is soon")
                known = False
            self._stopping.wait(PAUSE_S if known and hooks else IDLE_S)

    def tell(self, hooks: Sequence[Webhook]) -> None:
        """Have each webhook told what it is to be told, each by a thread of its own, if none is at it already."""
        for hook in hooks:
            with self._lock:
                free = hook.name not in self._busy and len(self._busy) < AT_ONCE
                if free:
                    self._busy.add(hook.name)
            if free:
                threading.Thread(target=self._tell, args=(hook,), name=f"webhook-{hook.name}", daemon=True).start()

    def _tell(self, hook: Webhook) -> None:
        try:
            self.step(hook)
        except StoreUnavailable as fault:
            log.warning("webhook %s waits: %s", hook.name, fault.sentence)
        except Exception:
            log.exception("webhook %s: a try failed; it is tried again in a minute", hook.name)
        finally:
            with self._lock:
                self._busy.discard(hook.name)

    def step(self, hook: Webhook) -> None:
        """Send what is due, until nothing is, or a try has failed."""
        more = True
        while more and not self._stopping.is_set():
            more = self.hooks.gather(hook.name)
            while not self._stopping.is_set():
                claim = self.hooks.claim(hook.name, lease_ms=LEASE_MS)
                if claim is None:
                    break
                if not self._try(claim, hook.name):
                    return
                more = True

    def _try(self, claim: Claim, name: str) -> bool:
        try:
            # Anew: whoever removes a webhook and makes another of its name must not have this one told.
            hook = self.hooks.hook(name)
            came = self._sent(hook, claim.event)
        except WebhookNotFound:
            return False
        except SealError as fault:
            came = Delivery(False, None, f"its secret is no use here: {fault}")
        except StoreUnavailable:
            raise
        except Exception as fault:
            # A fault of ours is a failed try like any other: the message is given up after a day, and others go on.
            log.exception("webhook %s: the message could not be made", name)
            came = Delivery(False, None, f"the message could not be made: {type(fault).__name__}")
        wait_s = max(pause_s(claim.number) * random.uniform(0.9, 1.1), came.retry_after_s)
        said = self.hooks.settle(name, claim, ok=came.ok, result=came.sentence, delay_ms=round(wait_s * 1000))
        if not came.ok:
            log.warning("webhook %s: %s: %s (try %d)", name, claim.event.type, came.sentence, claim.number)
        if said == "GIVEN_UP":
            log.warning("webhook %s: %s is given up", name, claim.event.type)
        return came.ok

    def _sent(self, hook: Webhook, event: Event) -> Delivery:
        return self._send(hook, message_id(self.store.cluster(), event.id), tell(self.deck, event))
