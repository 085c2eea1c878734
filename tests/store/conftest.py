"""What the tests of the store share: its two sides on an emptied database."""

from __future__ import annotations

import pytest

from ormen.settings import Settings
from ormen.store.agent import AgentStore
from ormen.store.loops import LoopStore
from tests.store.test_flow import ready


@pytest.fixture
def deck(settings: Settings) -> LoopStore:
    """The manager's side."""
    return LoopStore.connect(settings, "test-deck")


@pytest.fixture
def agent(settings: Settings) -> AgentStore:
    """The agent of node-1, which is ready."""
    made = AgentStore.connect(settings, "test-agent")
    ready(made)
    return made
