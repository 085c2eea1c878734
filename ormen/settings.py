"""Everything that can be set, on one page. Read once at start, from variables named ``ORMEN_`` + the field's name.

The commands `up`, `deck` and `sailor` turn their flags into these variables for the processes they start, so
a process never reads a flag and a setting has one name everywhere.
"""

from __future__ import annotations

import os
from collections.abc import Mapping
from dataclasses import dataclass, field, fields
from typing import Any

from ormen.units import UnitError, parse_duration

PROFILES: Mapping[str, tuple[int, int]] = {"default": (3, 8), "calm": (15, 30)}
"""Per profile: after how many missed heartbeat intervals a node is suspect, and after how many it is lost."""


@dataclass(frozen=True, slots=True)
class Settings:
    """One process's settings. Durations are seconds."""

    redis_url: str = field(default="redis://127.0.0.1:6379/0", repr=False)
    """Where Redis is: broker and store in one database. May hold a password, so it is never shown."""
    prefix: str = "ormen:"
    """What every key of ormen's own starts with, so that a Redis can be shared."""
    host: str = "127.0.0.1"
    """The address the deck's API listens on."""
    port: int = 5555
    """The port the deck's API listens on."""
    token: str | None = field(default=None, repr=False)
    """The admin token; a deck that listens beyond loopback demands one."""
    token_file: str | None = None
    """A file that holds the token, instead of `token`."""
    insecure: bool = False
    """Insist on listening without a token, or on a Redis beyond loopback without a password."""
    policy_file: str | None = None
    """The admin's policy (YAML): what specs may ask; its keys stand below."""
    secret_file: str | None = None
    """A file with the key that seals registry passwords and webhooks' secrets in Redis, the same on every deck and
    host: a long random word a line. The first seals, all open, so that a key can be changed. None: they lie in Redis
    as they are."""
    strategy: str = "epvm"
    """The placement strategy of tasks that name none: epvm, spread, binpack, greedy or roundrobin."""
    allowed_nodes: str | None = None
    """Comma list of nodes that may join (a node's name, or host:port of its status page); None: any may."""
    profile: str = "default"
    """How patient liveness is: ``default`` (3 and 8 intervals) or ``calm`` (15 and 30)."""
    api_workers: int = 2
    """API processes of one deck."""
    api_threads: int = 256
    """Threads of one API process; more than its 200 long answers."""
    control_events: bool = False
    """Whether Celery workers send task events and answer remote control (Flower shows more with it)."""
    node: str = ""
    """The agent's node name; empty: the host's name."""
    address: str = ""
    """The address under which the node's published ports are reached; empty: the one that faces Redis."""
    bind: str = "0.0.0.0"
    """The host address that published ports listen on where the spec names none."""
    status_host: str = "127.0.0.1"
    """The address the agent's status page listens on."""
    status_port: int = 5556
    """The port the agent's status page listens on."""
    share: str = "1/1"
    """The agent's part of its host, for several on one engine: ``1/3``."""
    node_labels: str = ""
    """The node's labels as a comma list: ``disk=ssd,zone=eu``."""
    gpus: str = "auto"
    """The GPUs of its host that tasks may have: ``auto`` is what ``nvidia-smi`` lists if the host is the agent's own,
    ``all`` the same in any case; ``none``, a number, or ids as a comma list."""
    docker_host: str | None = None
    """The engine's socket; None: as the Docker command line finds it."""
    state_dir: str = ""
    """A folder for what a process must remember on its own host. Empty: ``~/.local/state/ormen`` for `up`, and
    ``deck-PORT`` below it for `deck`. `sailor` keeps ``sailor-NODE`` and ``agents`` below either."""
    keep_ended: int = 100_000
    """How many ended tasks are kept on record, the newest; older ones are removed."""
    keep_ended_s: int = 604_800
    """How long an ended task is kept on record. This and every other time: seconds, or text such as ``12h``."""
    keep_containers: int = 100
    """How many containers of ended tasks a node keeps for `logs`, the newest; their last lines stay on record."""
    keep_containers_s: int = 86_400
    """How long a node keeps the container of an ended task."""
    keep_images_s: int = 86_400
    """How long after its last use an image that ormen pulled is safe from want of disk."""
    image_disk_percent: int = 85
    """How full the engine's disk may be before images that ormen pulled and nothing needs are removed, the longest
    unused first; 100: they never are."""
    pull_stall_s: int = 120
    """After how long without a byte the pull of an image is given up; one that moves may take for ever."""
    forget_nodes_s: int = 604_800
    """After how long a silence a lost node that has no task is forgotten, as ``ormen mast rm`` does."""
    log_level: str = "info"
    """debug, info, warning or error."""

    @property
    def allowed(self) -> list[str] | None:
        """Return the nodes that may join, None: any may."""
        return [name.strip() for name in (self.allowed_nodes or "").split(",") if name.strip()] or None

    @property
    def suspect_intervals(self) -> int:
        """Return after how many heartbeat intervals of silence a node is suspect."""
        return PROFILES[self.profile][0]

    @property
    def lost_intervals(self) -> int:
        """Return after how many heartbeat intervals of silence a node is lost."""
        return PROFILES[self.profile][1]

    @classmethod
    def from_env(cls, env: Mapping[str, str] | None = None) -> Settings:
        """Return the settings of the environment; raise ValueError naming the variable that cannot be read."""
        source = os.environ if env is None else env
        chosen: dict[str, Any] = {}
        for item in fields(cls):
            raw = source.get(f"ORMEN_{item.name.upper()}")
            if raw is not None and raw != "":
                chosen[item.name] = _read(item.name, str(item.type), raw)
        settings = cls(**chosen)
        if settings.profile not in PROFILES:
            raise ValueError(f"ORMEN_PROFILE is {settings.profile!r}; it can be {' or '.join(PROFILES)}")
        return settings

    def to_env(self) -> dict[str, str]:
        """Return the variables that `from_env` reads these settings from; what is at its default is left out."""
        env = {}
        for item in fields(self):
            value = getattr(self, item.name)
            if value != item.default and value is not None:
                env[f"ORMEN_{item.name.upper()}"] = str(int(value)) if isinstance(value, bool) else str(value)
        return env


def _read(name: str, kind: str, raw: str) -> Any:
    if kind == "bool":
        if raw.lower() in ("1", "true", "yes", "on"):
            return True
        if raw.lower() in ("0", "false", "no", "off"):
            return False
        raise ValueError(f"ORMEN_{name.upper()} is {raw!r}; it can be 1 or 0")
    if name.endswith("_s"):
        try:
            return int(parse_duration(raw))
        except UnitError as fault:
            raise ValueError(f"ORMEN_{name.upper()}: {fault}") from None
    if kind == "int":
        try:
            return int(raw)
        except ValueError:
            raise ValueError(f"ORMEN_{name.upper()} is {raw!r}, not a whole number") from None
    return raw
