"""ormen: a container orchestrator on Celery and Redis.

What the manager (``manager_api``) and the agents (``worker_agent``) share: words, specs, the store, the
scheduler and the command line. The two sides never import each other. ``ormen.Client`` is the way in for programs.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from ormen.client import Client

__version__ = "0.1.0"
__all__ = ["Client", "__version__"]


def __getattr__(name: str) -> type[Client]:
    """Import the client when it is first asked for: agents and decks never do."""
    if name == "Client":
        from ormen.client import Client

        return Client
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
