"""ormen: a container orchestrator on Celery and Redis.

What the manager (``manager_api``) and the agents (``worker_agent``) share: words, specs, the store, the
scheduler and the command line. The two sides never import each other. ``ormen.Client`` and ``ormen.AsyncClient`` are
the way in for programs; what they raise stands in ``ormen.errors``.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from ormen.async_client import AsyncClient, AsyncTaskHandle
    from ormen.client import Client
    from ormen.client_errors import BrokenOff, ClientError, TaskFailed, Unreachable, WaitedTooLong
    from ormen.handles import TaskHandle

__version__ = "0.1.0"
__all__ = [
    "AsyncClient",
    "AsyncTaskHandle",
    "BrokenOff",
    "Client",
    "ClientError",
    "TaskFailed",
    "TaskHandle",
    "Unreachable",
    "WaitedTooLong",
    "__version__",
]

_HOMES = {
    "AsyncClient": "async_client",
    "AsyncTaskHandle": "async_client",
    "BrokenOff": "client_errors",
    "Client": "client",
    "ClientError": "client_errors",
    "TaskFailed": "client_errors",
    "TaskHandle": "handles",
    "Unreachable": "client_errors",
    "WaitedTooLong": "client_errors",
}


def __getattr__(name: str) -> Any:
    """Import what programs use when it is first asked for: agents and decks never do."""
    if name in _HOMES:
        from importlib import import_module

        return getattr(import_module(f"ormen.{_HOMES[name]}"), name)
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
