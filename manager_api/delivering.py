"""One try to deliver a webhook's message, and what came of it.

No redirect is followed and no body of an answer is read, so a receiver learns nothing and can hold nobody up for
longer than `PATIENCE_S`.
"""

from __future__ import annotations

import http.client
import socket
import ssl
import threading
import time
from collections.abc import Mapping
from dataclasses import dataclass
from urllib.parse import urlsplit

from ormen import __version__
from ormen.webhooks import Webhook, sign

PATIENCE_S = 10.0
"""How long a try may take in all."""

MOST_RETRY_AFTER_S = 3600


@dataclass(frozen=True, slots=True)
class Delivery:
    """What came of a try. `status` is None where there was no answer; `sentence` says it to a person."""

    ok: bool
    status: int | None
    sentence: str
    took_ms: int = 0
    retry_after_s: int = 0


def deliver(hook: Webhook, message_id: str, body: bytes, *, now_s: float | None = None) -> Delivery:
    """Sign and send a message; never raises for what a receiver or the way to it does."""
    at = int(time.time() if now_s is None else now_s)
    headers = {
        "Content-Type": "application/json",
        "User-Agent": f"ormen/{__version__}",
        "Connection": "close",
        "webhook-id": message_id,
        "webhook-timestamp": str(at),
        "webhook-signature": sign(hook.secret, message_id=message_id, timestamp_s=at, body=body),
    }
    return post(hook.url, headers, body)


def post(url: str, headers: Mapping[str, str], body: bytes, *, patience_s: float = PATIENCE_S) -> Delivery:
    """Send a POST and look at the status of its answer."""
    parts = urlsplit(url)
    kind = http.client.HTTPSConnection if parts.scheme == "https" else http.client.HTTPConnection
    connection = kind(parts.hostname or "", parts.port, timeout=patience_s)
    target = (parts.path or "/") + (f"?{parts.query}" if parts.query else "")
    late = threading.Event()
    guard = threading.Timer(patience_s, _cut, [connection, late])
    guard.daemon = True
    began = time.monotonic()
    guard.start()
    try:
        connection.connect()
        if late.is_set():
            # Its name was looked up for so long, or its addresses tried: there was nothing yet that could be cut.
            raise TimeoutError
        connection.request("POST", target, body, dict(headers))
        answer = connection.getresponse()
        return _judged(answer.status, answer.getheader("Retry-After"), took_ms=_since(began))
    except (OSError, http.client.HTTPException, ValueError) as error:
        said = f"no answer within {patience_s:g}s" if late.is_set() else _complaint(error, patience_s)
        return Delivery(False, None, said, _since(began))
    finally:
        guard.cancel()
        connection.close()


def _cut(connection: http.client.HTTPConnection, late: threading.Event) -> None:
    """End a try whose time is over: a receiver that sends a byte now and then would outlive every timeout."""
    late.set()
    if connection.sock is not None:
        try:
            connection.sock.shutdown(socket.SHUT_RDWR)
        except OSError:
            return


def _judged(status: int, retry_after: str | None, *, took_ms: int) -> Delivery:
    if 200 <= status < 300:
        return Delivery(True, status, f"answered {status} in {took_ms} ms", took_ms)
    rest = ", and redirects are not followed" if 300 <= status < 400 else ""
    wait_s = min(int(retry_after), MOST_RETRY_AFTER_S) if retry_after and retry_after.isdecimal() else 0
    return Delivery(False, status, f"answered {status}{rest}", took_ms, wait_s)


def _complaint(error: Exception, patience_s: float) -> str:
    if isinstance(error, ssl.SSLError):
        return f"no trust in its certificate: {error.reason or error}"
    if isinstance(error, socket.gaierror):
        return "no address for its name"
    if isinstance(error, TimeoutError):
        return f"no answer within {patience_s:g}s"
    if isinstance(error, ConnectionRefusedError):
        return "refuses connections"
    return f"no answer: {error or type(error).__name__}"


def _since(began: float) -> int:
    return round((time.monotonic() - began) * 1000)
