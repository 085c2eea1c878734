"""What a program's last lines give away: known forms of a failure, each with what cures it."""

from __future__ import annotations

import re
from collections.abc import Sequence

_CLUES: tuple[tuple[re.Pattern[str], str], ...] = (
    (
        re.compile(r"KeyError: ['\"]([A-Z][A-Z0-9_]{2,})['\"]"),
        "start it with -e {0}=VALUE",
    ),
    (
        re.compile(
            r"(?:variable|env(?:ironment)?)\W{1,4}([A-Z][A-Z0-9_]{2,})\W{1,4}(?:is |must be )?"
            r"(?:not set|unset|missing|required|set)",
            re.IGNORECASE,
        ),
        "start it with -e {0}=VALUE",
    ),
    (
        re.compile(r"\b([A-Z][A-Z0-9]*_[A-Z0-9_]+)\b[^A-Za-z]{0,3}(?:is |was )?(?:not set|unset|missing|required)"),
        "start it with -e {0}=VALUE",
    ),
    (
        re.compile(r"(?:ModuleNotFoundError: No module named|Cannot find module) ['\"]([\w./@-]+)['\"]"),
        "build {0} into its image",
    ),
    (
        re.compile(r"(?:host not found in upstream|could not resolve host|getaddrinfo \w+)\W{1,3}([\w.-]+)", re.I),
        "its network knows no host {0}: publish that service's port, or use --add-host",
    ),
    (
        re.compile(r"exec (?:format|user process).*error|exec format error", re.I),
        "run an image that is built for its node's processor",
    ),
    (
        re.compile(r"No space left on device", re.I),
        "free space on its node: ormen prune --images",
    ),
    (
        re.compile(r"(?:Permission denied|EACCES)\W{1,4}(?:open )?['\"]?(/[\w./-]+)", re.I),
        "give its user the right to {0}, in the image or on the volume",
    ),
)


def cure(lines: Sequence[str]) -> str | None:
    """Return what the last line that is known says must be done, None if no line is known."""
    for line in reversed(lines):
        for pattern, remedy in _CLUES:
            found = pattern.search(line)
            if found:
                return remedy.format(*found.groups())
    return None
