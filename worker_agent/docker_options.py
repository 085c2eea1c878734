"""What of a container's body follows from the options of its spec. Only what a spec asks is added.

So a spec without options has the body, and the hash, that it had before there were any: its container is adopted by
a newer agent, and not started anew.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from ormen.spec import ROTATED, LogSpec, Spec

BARE_PATHS = ("systempaths=unconfined", "systempaths:unconfined")
"""That no path of /proc and /sys is hidden or read-only."""


def container_options(spec: Spec) -> dict[str, Any]:
    """Return the members of the body itself."""
    given = {
        "WorkingDir": spec.workdir,
        "User": spec.user,
        "Hostname": spec.hostname,
        "StopSignal": spec.stop_signal,
        "Tty": spec.tty or None,
        "OpenStdin": spec.stdin or None,
        # Its input ends with its one reader, so that a program that reads to the end comes to it.
        "StdinOnce": spec.stdin or None,
    }
    return _asked(given)


def host_options(spec: Spec) -> dict[str, Any]:
    """Return the members of its HostConfig."""
    given = {
        "Init": spec.init or None,
        "ReadonlyRootfs": spec.read_only or None,
        "Tmpfs": dict(spec.tmpfs) or None,
        "ShmSize": spec.shm_size_bytes,
        "Ulimits": [{"Name": item.name, "Soft": item.soft, "Hard": item.hard} for item in spec.ulimits] or None,
        "Sysctls": dict(spec.sysctls) or None,
        "Devices": [
            {"PathOnHost": item.host, "PathInContainer": item.container, "CgroupPermissions": item.permissions}
            for item in spec.devices
        ]
        or None,
        "DeviceRequests": _gpus(spec),
        "SecurityOpt": [option for option in spec.security_opt if option not in BARE_PATHS] or None,
        # What is no option to the engine itself: Docker's command line sends lists without any path instead.
        **({key: [] for key in ("MaskedPaths", "ReadonlyPaths")} if {*BARE_PATHS} & {*spec.security_opt} else {}),
        "CapAdd": list(spec.cap_add) or None,
        "CapDrop": list(spec.cap_drop) or None,
        # Docker's own word for the bridge is "default"; to name the bridge would be another body for the same thing.
        "NetworkMode": spec.network if spec.network != "bridge" else None,
        "ExtraHosts": [f"{name}:{address}" for name, address in spec.extra_hosts.items()] or None,
        "Dns": list(spec.dns) or None,
    }
    return {"Privileged": spec.privileged, "LogConfig": _log(spec.log or ROTATED), **_asked(given)}


def _gpus(spec: Spec) -> list[dict[str, Any]] | None:
    if spec.gpus is None:
        return None
    wanted = {"Count": spec.gpus} if isinstance(spec.gpus, int) else {"DeviceIDs": list(spec.gpus)}
    return [{"Capabilities": [["gpu"]], **wanted}]


def _log(log: LogSpec) -> dict[str, Any]:
    return {"Type": log.driver, "Config": dict(log.options)}


def _asked(given: Mapping[str, Any]) -> dict[str, Any]:
    return {key: value for key, value in given.items() if value is not None}
