"""What the tests of the API share: the real application on a real Redis, and nodes that exist only in the store."""

from __future__ import annotations

import socket
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import pytest
from flask import Flask
from flask.testing import FlaskClient

from manager_api.app import create_app
from ormen.settings import Settings
from ormen.store.agent import AgentStore
from ormen.store.loops import LoopStore
from tests.contract.bench import busybox_image
from tests.integration.halls import Hall, hall_in
from tests.integration.nodes import Harbour
from tests.integration.sailors import Sailor
from tests.integration.served import Deck


@pytest.fixture
def app(settings: Settings) -> Iterator[Flask]:
    """The API, with connections of its own."""
    made = create_app(settings)
    yield made
    made.extensions["ormen"].close()


@pytest.fixture
def api(app: Flask) -> FlaskClient:
    """A client of the API."""
    return app.test_client()


@pytest.fixture
def guarded(settings: Settings) -> Iterator[FlaskClient]:
    """A client of an API that wants the token ``s3cret``."""
    made = create_app(replace(settings, token="s3cret"))
    yield made.test_client()
    made.extensions["ormen"].close()


@pytest.fixture
def store(settings: Settings) -> Iterator[LoopStore]:
    """The manager's side of the store."""
    opened = LoopStore.connect(settings, "test")
    yield opened
    opened.close()


@pytest.fixture
def sailor(settings: Settings) -> Iterator[Sailor]:
    """An agent without a Docker engine: node-1 with 4 cores and 4 GiB, which does what the test says."""
    opened = AgentStore.connect(settings, "test-agent")
    yield Sailor(opened).join()
    opened.close()


@pytest.fixture(scope="module")
def image() -> Iterator[str]:
    """Put an image of busybox alone onto the engine."""
    with busybox_image("agent") as name:
        yield name


@pytest.fixture(scope="module")
def hall(image: str, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Hall]:
    """One cluster for all tests of a file."""
    with hall_in(tmp_path_factory.mktemp("hall"), image) as made:
        yield made


@pytest.fixture
def harbour(settings: Settings, image: str, tmp_path: Path) -> Iterator[Harbour]:
    """Give a deck and the engine; what runs at the end is removed."""
    made = Harbour(settings, image, tmp_path)
    yield made
    made.close()


@pytest.fixture
def at_port(settings: Settings, tmp_path: Path) -> Settings:
    """Settings with a free port and a folder."""
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        return replace(settings, port=free.getsockname()[1], state_dir=str(tmp_path))


@pytest.fixture
def served(at_port: Settings) -> Iterator[Deck]:
    """The API on a port of its own."""
    deck = Deck(at_port)
    yield deck
    if deck.process.poll() is None:
        deck.end()
