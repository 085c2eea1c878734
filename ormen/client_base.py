"""What every call of the client rests on: where the deck is, one answer, the pages of a list."""

from __future__ import annotations

import os
from collections.abc import Iterator, Mapping
from types import TracebackType
from typing import Any, Self

from ormen.transport import Address, Document, Request, Transport

LONGEST_WAIT_S = 300
"""The longest single wait that the deck grants one request."""

DEFAULT_URL = "localhost:5555"


class Caller:
    """A way to one deck."""

    def __init__(
        self,
        url: str | None = None,
        token: str | None = None,
        timeout: float = 10.0,
        *,
        patience: float | None = None,
    ) -> None:
        """`url` is host:port or a URL; None: as ORMEN_MANAGER and ORMEN_TOKEN say, else localhost:5555.

        `timeout` is how many seconds one answer may take. `patience` is for how many a request is repeated while the
        deck is away or says 503, with growing pauses; None: 10, and not at all where no deck ever was.
        Raises ValueError for a `url` that is no address.
        """
        url, token = default_place(url, token)
        self.address = Address.parse(url)
        self._transport = Transport(self.address, token=token, timeout=timeout, patience_s=patience)

    def pause(self, seconds: float) -> None:
        """Wait, but no longer than until `close`."""
        self._transport.pause(seconds)

    def close(self) -> None:
        """Give up whatever other threads ask just now. Nothing is held open, so an idle client need not be closed."""
        self._transport.abort()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    def _object(self, method: str, path: str, body: object = None) -> Document:
        answer: Document = self._transport.send(Request(method, path, body=body))
        return answer

    def _pages(self, path: str, query: Mapping[str, Any]) -> Iterator[Document]:
        cursor: str | None = None
        while True:
            page = self._transport.send(Request("GET", path, {**query, "cursor": cursor}))
            yield from page["items"]
            cursor = page.get("next")
            if cursor is None:
                return


def default_place(url: str | None, token: str | None) -> tuple[str, str | None]:
    """Return the deck's address and token; the environment's token goes only to the environment's deck."""
    if url is not None:
        return url, token
    return os.environ.get("ORMEN_MANAGER") or DEFAULT_URL, token or os.environ.get("ORMEN_TOKEN") or None


def granted(wait_s: float) -> float:
    """Return how much of a wait the deck grants one request, in whole milliseconds: it reads nine digits at most."""
    return round(min(wait_s, LONGEST_WAIT_S), 3)
