"""The options of ``ormen run`` that say what a task is, in the groups and the order of its help."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from ormen.cli.options import option

Decorator = Callable[[Any], Any]
Making = Callable[[str], Decorator]


def one(*names: str, **words: Any) -> Making:
    """Return what makes an option with one value, once its group is known."""
    return lambda group: option(*names, group=group, **words)


def many(*names: str, **words: Any) -> Making:
    """Return what makes an option that may be given several times."""
    return lambda group: option(*names, group=group, multiple=True, **words)


def flag(*names: str, **words: Any) -> Making:
    """Return what makes an option without a value."""
    return lambda group: option(*names, group=group, is_flag=True, **words)


def _stack(group: str, *makings: Making) -> Decorator:
    """Return the decorator that gives a command all these options of one group, in this order."""

    def decorate(function: Any) -> Any:
        for make in reversed(makings):
            function = make(group)(function)
        return function

    return decorate


container = _stack(
    "Container",
    one("--name", metavar="NAME", help="Name of the task  [from the image: nginx-4d1c]"),
    many("-e", "--env", metavar="KEY[=VALUE]", help="Variable; without a value, taken from here"),
    many("--env-file", metavar="FILE", help="Variables, one a line"),
    many("-p", "--publish", "ports", metavar="PORTS",
         help="[IP:][HOST:]CONTAINER[/udp]; no HOST: a free one; 80-82 is a range"),
    many("-v", "--volume", "volumes", metavar="SRC:DST[:ro]", help="Volume, or a host path if the policy allows it"),
    many("--mount", "mounts", metavar="MOUNT", help="type=volume|bind|tmpfs,src=SRC,dst=DST[,ro]"),
    many("--tmpfs", metavar="DST[:OPTIONS]", help="Folder in memory: /run:size=64m,mode=1777"),
    many("-l", "--label", "labels", metavar="KEY=VALUE", help="Label of the task and its container"),
    one("--entrypoint", metavar="CMD", help="Instead of the image's"),
    one("-w", "--workdir", metavar="DIR", help="Folder the program starts in  [the image's]"),
    one("-u", "--user", metavar="USER[:GROUP]", help="By name or number  [the image's]"),
    one("--hostname", metavar="NAME", help="The container's own name for itself"),
    flag("--init", help="Run a small init that reaps processes"),
    flag("--read-only", help="Its own files cannot be changed"),
    one("--network", "--net", metavar="NAME", help="bridge, host, none, or a network of the nodes  [bridge]"),
    many("--add-host", "extra_hosts", metavar="NAME:IP", help="Line of its hosts file; host-gateway is the host"),
    many("--dns", metavar="IP", help="Name server  [the host's]"),
    many("--cap-add", metavar="NAME", help="Capability to give, if the policy allows it"),
    many("--cap-drop", metavar="NAME", help="Capability to take away, or ALL"),
    many("--device", "devices", metavar="HOST[:DST[:rwm]]", help="Device, if the policy allows it"),
    many("--security-opt", metavar="OPT", help="no-new-privileges, seccomp=FILE, ...; by policy"),
    many("--sysctl", "sysctls", metavar="KEY=VALUE", help="Setting of the kernel; by policy"),
    flag("--privileged", help="Root on the host in all but name; by policy"),
    one("--log-driver", metavar="NAME", help="json-file, local, none, or as the policy allows  [json-file]"),
    many("--log-opt", metavar="KEY=VALUE", help="Option of the log driver"),
    one("--pull", metavar="WHEN", help="missing, always or never  [missing]"),
)  # fmt: skip
"""What the container is, and what it may do."""

resources = _stack(
    "Resources",
    one("--cpus", "cpu", metavar="N", help="Cores to reserve  [0.1]"),
    one("--memory", metavar="SIZE", help="Memory to reserve; if given, also the limit  [128m, no limit]"),
    one("--cpu-limit", metavar="N", help="Most cores it may use  [none]"),
    one("--memory-limit", metavar="SIZE", help="Most memory it may use"),
    one("--disk", metavar="SIZE", help="Disk to reserve  [0]"),
    one("--gpus", metavar="N", help="GPUs to reserve, or device=ID,ID for particular ones"),
    one("--shm-size", metavar="SIZE", help="Size of /dev/shm  [64m]"),
    many("--ulimit", "ulimits", metavar="NAME=SOFT[:HARD]", help="Limit of each process: nofile=65536; -1 is none"),
)
"""What it takes of its node."""

placement = _stack(
    "Placement",
    many("--constraint", "constraints", metavar="EXPR", help="zone=eu-west, gpu!=none, disk in (ssd,nvme)"),
    one("--strategy", metavar="NAME", help="epvm, spread, binpack, greedy or roundrobin"),
    one("--count", metavar="N", help="That many tasks, NAME-1 to NAME-N"),
    many("--prefer", "preferences", metavar="EXPR[:WEIGHT]", help="Wish of a node, -100 to 100: disk=ssd:80  [50]"),
    one("--spread", metavar="LABEL", help="Evenly over a label's values, with its group: web for web-3"),
    one("--max-per-node", metavar="N", help="Most tasks of its group on one node"),
    one("--near", metavar="NAME", help="On the node of that task, or of one of that group"),
    one("--far", metavar="NAME", help="On no node with that task, or with one of that group"),
    one("--priority", metavar="N", help="0 to 100: of those that wait, the higher is placed first  [50]"),
)
"""Where it may go."""

health = _stack(
    "Health and restarts",
    one("--health", metavar="CHECK", help="/path, :9000/path or tcp:5432"),
    one("--health-cmd", metavar="CMD", help="Command run inside; exit 0 is healthy"),
    one("--health-interval", metavar="TIME", help="Between checks  [10s]"),
    one("--health-timeout", metavar="TIME", help="For one check  [3s]"),
    one("--health-retries", metavar="N", help="Failures in a row that end the attempt  [3]"),
    one("--health-start-period", metavar="TIME", help="Failures that do not count yet  [30s]"),
    one("--restart", metavar="POLICY", help="no, on-failure[:N], always, unless-stopped  [on-failure]"),
    one("--retry-on", metavar="CODES", help="With on-failure, only after these exit codes: 75,111  [all but 0]"),
    one("--stop-signal", metavar="SIGNAL", help="Sent to ask it to stop  [the image's]"),
    one("--stop-timeout", "stop_grace", metavar="TIME", help="Before it is killed  [10s]"),
    one("--deadline-wait", metavar="TIME", help="Longest wait to run; then it has failed"),
    one("--deadline-run", metavar="TIME", help="Longest run of each attempt; then it has failed"),
)
"""When it is well, and what follows its end."""

staying = _stack(
    "Staying with it",
    flag("-i", "--interactive", "stdin", help="Give it an input, and pass stdin on to it"),
    flag("-t", "--tty", help="Give it a terminal"),
    flag("--attach", help="Show what it prints, exit with its code"),
    flag("--rm", help="The same, and remove it at its end"),
)
"""Staying with the container, as docker run does."""
