"""The schema of what Docker is told about a container beyond image, command, resources and mounts.

`CONTAINER_FIELDS` are fields of a task like any other: `ormen.task_schema` includes them.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

from marshmallow import fields

from ormen import container_fields as words
from ormen import fields as read
from ormen.errors import Fault
from ormen.part_schemas import boolean
from ormen.strict import SIZE, TEXT, TEXTS, Leaf, Objects, Strict

_MOST_LIMIT = 2**63 - 1
_WHOLE = {"type": "integer", "minimum": -1, "maximum": _MOST_LIMIT}


class UlimitSchema(Strict):
    """A limit that Linux sets each process of the container."""

    name = Leaf(
        read.choice(words.LIMITS, {"nofiles": "nofile", "files": "nofile", "procs": "nproc"}),
        TEXT | {"enum": list(words.LIMITS), "description": "What is limited.", "example": "nofile"},
        required=True,
    )
    soft = Leaf(
        read.whole(-1, _MOST_LIMIT, "a limit"),
        _WHOLE | {"description": "What holds; -1 is no limit.", "example": 65536},
        required=True,
    )
    hard = Leaf(
        read.whole(-1, _MOST_LIMIT, "a limit"),
        _WHOLE | {"description": "Up to where the program may raise it; left out, soft.", "example": 65536},
    )

    def conflicts(self, found: Mapping[str, Any], sent: Mapping[str, Any]) -> Iterator[Fault]:
        """Yield a fault for a soft limit above the hard one."""
        soft, hard = found.get("soft"), found.get("hard")
        if soft is not None and hard is not None and hard != -1 and (soft == -1 or soft > hard):
            yield Fault(("hard",), "CONFLICT", f"{hard} is less than soft, {'no limit' if soft == -1 else soft}", hard)


class DeviceSchema(Strict):
    """A device of the host that the container may use, as far as the policy allows it."""

    host = Leaf(
        read.path, TEXT | {"pattern": "^/", "description": "The device.", "example": "/dev/fuse"}, required=True
    )
    container = Leaf(
        read.path, TEXT | {"pattern": "^/", "description": "Where in the container; left out, as on the host."}
    )
    permissions = Leaf(
        words.permissions,
        TEXT | {"pattern": "^[rwm]{1,3}$", "default": "rwm", "description": "Some of read, write and make."},
    )


class LogSchema(Strict):
    """Where Docker writes what the container prints."""

    driver = Leaf(
        words.log_driver,
        TEXT | {"default": "json-file", "example": "local", "description": "As Docker names it; by policy."},
    )
    options = Leaf(
        read.mapping(lambda key: read.text(key, most=255, empty=False), read.env_value, most_bytes=65536),
        {"type": "object", "additionalProperties": {"type": ["string", "number"]}, "example": {"max-size": "50m"},
         "description": "The driver's own; json-file keeps three files of 10 MB where they say nothing else."},
    )  # fmt: skip

    def conflicts(self, found: Mapping[str, Any], sent: Mapping[str, Any]) -> Iterator[Fault]:
        """Yield a fault for each option that a driver of the engine's own does not have."""
        driver = found.get("driver", "" if "driver" in sent else "json-file")
        if driver not in words.LOG_OPTIONS:
            return
        known = words.LOG_OPTIONS[driver]
        for option in found.get("options") or ():
            if option not in known:
                hint = read.did_you_mean(option.replace("_", "-"), known)
                yield Fault(("options", option), "UNKNOWN_FIELD", f"log driver {driver} has no such option", None, hint)


_CAPABILITIES = TEXTS | {"maxItems": 64, "example": ["NET_ADMIN"]}

CONTAINER_FIELDS: dict[str, Any] = {
    "workdir": Leaf(
        words.workdir,
        TEXT | {"pattern": "^/", "description": "Folder the program starts in; left out, the image's.",
                "example": "/srv"},
    ),
    "user": Leaf(
        words.user,
        TEXT | {"description": "USER or USER:GROUP, by name or number; left out, the image's.", "example": "1000:1000"},
    ),
    "hostname": Leaf(
        words.hostname,
        TEXT | {"maxLength": 63, "description": "The container's own name for itself.", "example": "db-1"},
    ),
    "stop_signal": Leaf(
        words.signal,
        TEXT | {"description": "Sent to ask it to stop; left out, the image's.", "example": "SIGQUIT"},
    ),
    "init": Leaf(
        boolean,
        {"type": "boolean", "default": False, "description": "Whether a small init reaps processes, hands on signals."},
    ),
    "tty": Leaf(boolean, {"type": "boolean", "default": False, "description": "Whether it prints to a terminal."}),
    "stdin": Leaf(
        boolean,
        {
            "type": "boolean",
            "default": False,
            "description": "Whether it has an input, for one reader that attaches; without one it ends after a minute.",
        },
    ),
    "read_only": Leaf(
        boolean,
        {"type": "boolean", "default": False, "description": "Whether the container's own files cannot be changed."},
    ),
    "privileged": Leaf(
        boolean,
        {"type": "boolean", "default": False, "description": "Root on the host in all but name; by policy."},
    ),
    "gpus": Leaf(
        words.gpus,
        {"anyOf": [{"type": "integer", "minimum": 1, "maximum": 1024}, TEXTS | {"minItems": 1, "maxItems": 64}],
         "description": "GPUs reserved: a number of them, or the ids or numbers of some.", "example": 1},
    ),
    "tmpfs": Leaf(
        read.mapping(read.target("a tmpfs"), words.tmpfs_options, most_bytes=65536),
        {"type": "object", "additionalProperties": {"type": "string"}, "example": {"/run": "size=64m,mode=1777"},
         "description": "Folders in memory, each with its mount options; an empty text is Docker's own."},
    ),
    "shm_size": Leaf(
        read.size(1, "1 byte"),
        SIZE | {"description": "Size of /dev/shm; left out, Docker's 64 MiB.", "example": "256MiB"},
    ),
    "ulimits": Objects(
        fields.Nested(UlimitSchema), allow_none=True, metadata={"maxItems": 16, "description": "Limits of processes."}
    ),
    "sysctls": Leaf(
        read.mapping(words.sysctl, read.env_value, most_bytes=65536),
        {"type": "object", "additionalProperties": {"type": ["string", "number"]},
         "example": {"net.ipv4.ip_unprivileged_port_start": 0},
         "description": "Settings of the kernel that a container has for itself; by policy."},
    ),
    "devices": Objects(
        fields.Nested(DeviceSchema), allow_none=True, metadata={"maxItems": 64, "description": "Devices; by policy."}
    ),
    "security_opt": Leaf(
        read.each(words.security_opt, most=64),
        TEXTS | {"maxItems": 64, "example": ["no-new-privileges"], "description": "In Docker's words; by policy."},
    ),
    "cap_add": Leaf(
        read.each(words.capability, most=64),
        _CAPABILITIES | {"description": "Capabilities beside Docker's usual ones; by policy."},
    ),
    "cap_drop": Leaf(
        read.each(words.capability, most=64),
        _CAPABILITIES | {"description": "Capabilities taken away, or ALL.", "example": ["ALL"]},
    ),
    "network": Leaf(
        words.network,
        TEXT | {"default": "bridge", "example": "backend",
                "description": "bridge, host (by policy), none, or a network that exists on the node. On host a port"
                " is the host's own, and ports only reserve it."},
    ),
    "extra_hosts": Leaf(
        read.mapping(words.host_entry, words.host_address, most_bytes=65536),
        {"type": "object", "additionalProperties": {"type": "string"}, "example": {"db": "10.0.0.7"},
         "description": "Names for the container's hosts file; host-gateway is the host."},
    ),
    "dns": Leaf(
        read.each(read.address, most=16),
        TEXTS | {"maxItems": 16, "example": ["10.0.0.53"], "description": "Name servers; left out, the host's."},
    ),
    "log": fields.Nested(LogSchema, allow_none=True),
}  # fmt: skip
"""The fields by name, in the order of the page."""
