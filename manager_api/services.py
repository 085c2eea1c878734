"""What the views of one API process share, opened after the fork."""

from __future__ import annotations

import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING, cast

from flask import current_app

from manager_api.feed import Feed
from manager_api.known_tokens import KnownTokens
from manager_api.metrics import Metrics
from manager_api.readers import Readers
from ormen.errors import Busy
from ormen.settings import Settings
from ormen.store.hooks import HookStore
from ormen.store.logins import LoginStore
from ormen.store.talks import TalkStore
from ormen.store.tokens import TokenStore

if TYPE_CHECKING:
    from manager_api.submission import Deck
    from ormen.policy import Policy

LONG_ANSWERS = 200
"""Streams and waits that one process gives at once; the rest of its 256 threads stay free for short answers."""


class LongAnswers:
    """Count the streams and waits under way, so that they never take every thread."""

    def __init__(self, most: int) -> None:
        self.most = most
        self.count = 0
        self._lock = threading.Lock()

    def enter(self) -> None:
        """Take a place; raise Busy when none is left. Each call needs one `leave`."""
        with self._lock:
            if self.count >= self.most:
                raise Busy(
                    f"this process of the deck already gives {self.most} streams and waits",
                    hint="ask again in a few seconds, or without follow or wait",
                )
            self.count += 1

    def leave(self) -> None:
        """Give the place back."""
        with self._lock:
            self.count -= 1

    @contextmanager
    def place(self) -> Iterator[None]:
        """Hold a place for the length of a block."""
        self.enter()
        try:
            yield
        finally:
            self.leave()


class Services:
    """The deck, its event feed, its long answers, its figures and the tokens it knows; `guarded`: it demands one.

    Nothing is connected before the first use, so that an application made before a fork shares no socket
    with its siblings.
    """

    def __init__(self, settings: Settings, *, policy: Policy, deck: Deck | None = None) -> None:
        self.settings = settings
        self.policy = policy
        self.started = time.monotonic()
        self.closing = threading.Event()
        self.long = LongAnswers(LONG_ANSWERS)
        self.feed = Feed(lambda: self.deck.store)
        self.readers = Readers(lambda: self.deck.store)
        self.metrics = Metrics(self)
        self.tokens = KnownTokens(lambda: self.token_store)
        self.guarded = False
        self._tokens: TokenStore | None = None
        self._hooks: HookStore | None = None
        self._logins: LoginStore | None = None
        self._talks: TalkStore | None = None
        self._deck = deck
        self._lock = threading.Lock()

    @property
    def deck(self) -> Deck:
        """Return the deck, opened at the first call."""
        with self._lock:
            if self._deck is None:
                self._deck = open_deck(self.settings, policy=self.policy)
                self._deck.store.observe = self.metrics.called
            return self._deck

    @property
    def token_store(self) -> TokenStore:
        """Return the tokens in the store, over the deck's own connections."""
        if self._tokens is None:
            self._tokens = TokenStore(self.settings, self.deck.store.client)
        return self._tokens

    @property
    def login_store(self) -> LoginStore:
        """Return the registries' logins in the store, over the deck's own connections."""
        if self._logins is None:
            self._logins = LoginStore(self.settings, self.deck.store.client)
        return self._logins

    @property
    def talks(self) -> TalkStore:
        """Return the talks in the store, over the deck's own connections."""
        if self._talks is None:
            self._talks = TalkStore(self.settings, self.deck.store.client)
        return self._talks

    @property
    def hook_store(self) -> HookStore:
        """Return the webhooks in the store, over the deck's own connections."""
        if self._hooks is None:
            self._hooks = HookStore(self.settings, self.deck.store.client)
        return self._hooks

    def close(self) -> None:
        """End every stream and wait, so that the process can stop at once."""
        self.closing.set()
        self.feed.close()
        self.readers.close()


def open_deck(settings: Settings, *, policy: Policy) -> Deck:
    """Return a deck of connections of this process's own; they are made at their first use."""
    from manager_api.submission import Deck
    from ormen.ringer import Ringer
    from ormen.store.manager import ManagerStore

    store = ManagerStore.connect(settings, name="deck")
    return Deck(store, Ringer(store), settings, policy)


def services() -> Services:
    """Return the services of the application that answers the current request."""
    return cast(Services, current_app.extensions["ormen"])
