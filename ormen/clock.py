"""Times as they are written down: milliseconds since the epoch inside, RFC 3339 outside."""

from __future__ import annotations

from datetime import UTC, datetime


def rfc3339(ms: int | None) -> str | None:
    """Return ``2026-11-21T10:02:11.390Z`` for milliseconds since the epoch; None stays None."""
    if ms is None:
        return None
    whole = datetime.fromtimestamp(ms // 1000, UTC)
    return f"{whole:%Y-%m-%dT%H:%M:%S}.{ms % 1000:03d}Z"
