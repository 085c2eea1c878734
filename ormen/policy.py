"""What the admin of a deck lets specs ask: read once at start from a YAML file.

::

    host_paths:            # folders of the hosts that tasks may mount, each with everything beneath it
      - /srv/data
"""

from __future__ import annotations

import posixpath
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

KEYS = ("host_paths",)
"""Every key that a policy file may have."""


class PolicyUnreadable(ValueError):
    """The policy file cannot be used; `faults` holds a sentence for each thing wrong with it."""

    def __init__(self, path: str, faults: tuple[str, ...]) -> None:
        super().__init__(f"policy file {path}: " + "; ".join(faults))
        self.faults = faults


@dataclass(frozen=True, slots=True)
class Policy:
    """What specs may ask. The default allows nothing that reaches beyond the container."""

    host_paths: tuple[str, ...] = ()

    def allows_host_path(self, path: str) -> bool:
        """Return whether `path`, or a folder above it, is one of `host_paths`.

        Compared as written, part by part and after removing ``..`` and doubled slashes: a symbolic link
        inside an allowed folder is the business of whoever may write there.
        """
        wanted = _cleaned(path)
        return any(
            rule == "/" or wanted == rule or wanted.startswith(rule + "/") for rule in map(_cleaned, self.host_paths)
        )

    @property
    def host_path_rule(self) -> str:
        """Return the rule as a refusal names it: ``host_paths: /srv/data`` or ``host_paths: none``."""
        return "host_paths: " + (", ".join(self.host_paths) or "none")


def load_policy(path: str | None) -> Policy:
    """Return the policy of a YAML file, or the default for None.

    Raises PolicyUnreadable with every fault: an unknown key, a wrong type, a path that is not absolute; and
    for a file that cannot be opened or is no YAML.
    """
    if path is None:
        return Policy()
    import yaml

    try:
        document = yaml.safe_load(Path(path).read_text(encoding="utf-8"))
    except (OSError, UnicodeDecodeError) as error:
        raise PolicyUnreadable(path, (f"cannot be read: {getattr(error, 'strerror', None) or error}",)) from error
    except (yaml.YAMLError, ValueError, RecursionError) as error:
        mark = getattr(error, "problem_mark", None)
        where = f" at line {mark.line + 1}" if mark else ""
        raise PolicyUnreadable(path, (f"is not YAML{where}",)) from error
    faults = tuple(_faults(document))
    if faults:
        raise PolicyUnreadable(path, faults)
    return Policy(host_paths=tuple(map(_cleaned, (document or {}).get("host_paths") or ())))


def _faults(document: object) -> Iterator[str]:
    if document is None:
        return
    if not isinstance(document, dict):
        yield f"must be a map with the keys {', '.join(KEYS)}"
        return
    for key in document:
        if key not in KEYS:
            yield f"{key}: unknown key; it can have {', '.join(KEYS)}"
    paths = document.get("host_paths")
    if paths is None:
        return
    if not isinstance(paths, list):
        yield "host_paths: must be a list of absolute paths"
        return
    for index, item in enumerate(paths):
        if not isinstance(item, str):
            yield f"host_paths[{index}]: must be a string"
        elif not item.startswith("/") or "\0" in item:
            yield f'host_paths[{index}]: "{item}" is not an absolute path'


def _cleaned(path: str) -> str:
    # normpath keeps two leading slashes, which mean the same as one here.
    return "/" + posixpath.normpath(path).lstrip("/")
