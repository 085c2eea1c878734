"""Which role each route needs at least. What no row names needs read to look and admin to change anything."""

from __future__ import annotations

import re
from collections.abc import Sequence

from ormen.tokens import Role

LOOKS = frozenset({"GET", "HEAD", "OPTIONS"})

ROWS: Sequence[tuple[str, str, Role]] = (
    ("GET", r"/v1/(tokens|registries|webhooks)", Role.ADMIN),
    ("POST", r"/v1/plan", Role.READ),
    ("*", r"/v1/tasks/<\w+>/(exec|attach|files|archive)(/.*)?", Role.OPERATE),
    ("*", r"/v1/talks(/.*)?", Role.OPERATE),
    ("POST|PATCH|DELETE", r"/v1/tasks(/.*)?", Role.OPERATE),
    ("POST", r"/v1/nodes/<\w+>/(drain|cordon|activate)", Role.OPERATE),
    ("POST", r"/v1/brake/release", Role.OPERATE),
    ("POST|DELETE", r"/tasks(/.*)?", Role.OPERATE),
)
"""Method, path as the routes write it, and the role. The first that fits counts."""


def needed(method: str, rule: str | None) -> Role:
    """Return the role that a request needs; `rule` is the route's path, None where there is no route.

    A new route that changes something is the admin's until a row says otherwise.
    """
    for methods, path, role in ROWS:
        if (methods == "*" or method in methods.split("|")) and re.fullmatch(path, rule or ""):
            return role
    return Role.READ if method in LOOKS or rule is None else Role.ADMIN
