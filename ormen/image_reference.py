"""The grammar of image references: ``[REGISTRY/]PATH[:TAG][@DIGEST]``, as the distribution project documents it."""

from __future__ import annotations

import re

from ormen.fields import bad, shown, text

_DOMAIN_PART = r"(?:[a-zA-Z0-9]|[a-zA-Z0-9][a-zA-Z0-9-]*[a-zA-Z0-9])"
_DOMAIN = re.compile(rf"(?:{_DOMAIN_PART}(?:\.{_DOMAIN_PART})*|\[[0-9a-fA-F:]+\])(?::[0-9]+)?")
_PATH = re.compile(r"[a-z0-9]+(?:(?:\.|_|__|-+)[a-z0-9]+)*")
_TAG = re.compile(r"[A-Za-z0-9_][A-Za-z0-9_.-]{0,127}")
_DIGEST = re.compile(r"[A-Za-z][A-Za-z0-9]*(?:[-_+.][A-Za-z][A-Za-z0-9]*)*:[0-9a-fA-F]{32,128}")
_HEX64 = re.compile(r"[0-9a-f]{64}")


def image(value: object) -> str:
    """Return an image reference as Docker reads it, with ``:latest`` where it has neither tag nor digest."""
    word = text(value, empty=False, most=1024)
    rest, at, digest = word.partition("@")
    if at and not _DIGEST.fullmatch(digest):
        raise bad("MALFORMED", "what follows the @ is not a digest such as sha256:9f1c…", value)
    head, colon, tag = rest.rpartition(":")
    if not colon or "/" in tag:
        head, colon, tag = rest, "", ""
    if colon and not _TAG.fullmatch(tag):
        raise bad("MALFORMED", "the tag has letters, digits, _ . and -, at most 128", value)
    _repository(head, value)
    return word if colon or at else word + ":latest"


def _repository(head: str, value: object) -> None:
    domain, slash, path = head.partition("/")
    if not slash or not (set(domain) & set(".:") or domain == "localhost" or domain != domain.lower()):
        domain, path = "", head
    if domain and not _DOMAIN.fullmatch(domain):
        raise bad("MALFORMED", f'"{shown(domain)}" is not the address of a registry', value)
    if not all(_PATH.fullmatch(part) for part in path.split("/")) or len(head) > 255:
        lower = str(value).lower()
        right = all(_PATH.fullmatch(part) for part in path.lower().split("/")) and len(lower) < 200
        hint = f"did you mean {lower}?" if lower != value and right else None
        raise bad("MALFORMED", "not an image such as nginx:1.28 or registry.example.com/team/app:1", value, hint=hint)
    if not domain and _HEX64.fullmatch(path):
        raise bad("MALFORMED", "64 hex digits are the id of an image, not its name", value)
