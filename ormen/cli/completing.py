"""What a shell offers for the names of tasks, nodes and the like: asked of the deck, quickly and silently."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from typing import TYPE_CHECKING

import click

from ormen.cli.options import session_of

if TYPE_CHECKING:
    from ormen.transport import Transport

PATIENCE_S = 1.0
"""A deck that answers later than this completes nothing: nobody waits for the Tab key."""

MOST = 1000
"""Names that are offered at most, the newest tasks first."""

Completer = Callable[[click.Context, click.Parameter, str], list[str]]


def _offering(names: Callable[[Transport], Iterable[str]]) -> Completer:
    """Return what click asks for words that begin as what was typed; any failure offers nothing."""

    def complete(ctx: click.Context, param: click.Parameter, begun: str) -> list[str]:
        from ormen.errors import OrmenError

        taken = ctx.params.get(param.name or "") or ()
        try:
            found = [name for name in names(session_of(ctx).transport(timeout=PATIENCE_S)) if name.startswith(begun)]
        except (OrmenError, OSError):
            return []
        return [name for name in dict.fromkeys(found) if name not in taken]

    return complete


def _named(path: str, *, key: str = "name", **query: object) -> Callable[[Transport], list[str]]:
    def names(deck: Transport) -> list[str]:
        from ormen.transport import Request

        page = deck.send(Request("GET", path, query, patience_s=PATIENCE_S))
        return [str(item[key]) for item in page["items"]]

    return names


_tasks, _nodes = _named("/v1/tasks", limit=MOST), _named("/v1/nodes")


TASK = _offering(_tasks)
NODE = _offering(_nodes)
TASK_OR_NODE = _offering(lambda deck: [*_tasks(deck), *_nodes(deck)])


def _contexts(ctx: click.Context, param: click.Parameter, begun: str) -> list[str]:
    from ormen.contexts import load, place
    from ormen.errors import OrmenError

    try:
        return [name for name in load(place()).known if name.startswith(begun)]
    except OrmenError:
        return []


CONTEXT: Completer = _contexts
TOKEN = _offering(_named("/v1/tokens"))
REGISTRY = _offering(_named("/v1/registries", key="host"))
WEBHOOK = _offering(_named("/v1/webhooks"))
