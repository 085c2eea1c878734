"""What the deck keeps under names of its own, tokens, logins and webhooks: shown as a list, and removed one by one."""

from __future__ import annotations

from collections.abc import Callable, Sequence

from ormen.cli.errors import ended, show
from ormen.cli.render.text import Look
from ormen.cli.session import Session
from ormen.errors import OrmenError
from ormen.transport import Document, Request, segment


def show_all(
    session: Session, path: str, render: Callable[[list[Document], Look], str], *, none: str, key: str = "name"
) -> None:
    """Show all that is at `path`, or the sentence `none` to whoever looks at a terminal; `key` is what names each."""
    found = session.transport().send(Request("GET", path))["items"]
    if session.structured:
        session.document(found)
    elif session.quiet or session.output == "name":
        session.data("\n".join(one[key] for one in found))
    elif found or session.look().width is None:
        session.data(render(found, session.look()))
    else:
        session.say(none)


def each(session: Session, names: Sequence[str], *, path: str, done: str, key: str = "name") -> None:
    """Delete each of these below `path`, say so, and end with the first failure's code; `key` is what names each."""
    deck, code, gone = session.transport(), 0, []
    for name in names:
        try:
            deck.send(Request("DELETE", f"{path}/{segment(name)}"))
        except OrmenError as error:
            failed = show(error, session, word=name)
            code = code or failed
            continue
        gone.append({key: name})
        if session.output == "name":
            session.data(name)
        elif not session.structured and not session.quiet:
            session.data(f"{name} {done}")
    if session.structured and (gone or not code):
        session.document(gone)
    if code:
        ended(code)
