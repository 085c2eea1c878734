"""What a spec says of its container beyond image, command and resources: every rule of every field."""

from __future__ import annotations

import textwrap
from typing import Any

import pytest

from ormen.cli.session import serialized
from ormen.errors import Fault, InvalidSpec
from ormen.files import read_tasks
from ormen.policy import Policy
from ormen.resolving import load
from ormen.schema import Item, load_submission
from ormen.spec import DeviceSpec, LogSpec, PortSpec, Spec, UlimitSpec
from ormen.units import MIB

ID = "7f3c2a10-5b1e-4c0e-9d38-2f6a1c90b7e4"

EVERYTHING: dict[str, Any] = {
    "name": "front", "image": "nginx:1.10", "command": ["serve", "--on", "yes"], "env": {"VERSION": "1.10", "N": 3},
    "cpu": 0.5, "memory": "256MiB", "ports": [{"container": 80, "host": 8080}], "restart": "no",
    "health": {"http": "/", "interval": "5s"}, "labels": {"when": "2026-11-25", "n": "012", "on": "on"},
    "volumes": [{"name": "data", "target": "/data"}], "constraints": ["disk in (ssd,nvme)"],
    "workdir": "/srv", "user": "1000:1000", "hostname": "db-1", "stop_signal": "SIGRTMIN+3", "init": True, "tty": True,
    "read_only": True, "gpus": ["0", "1"], "tmpfs": {"/run": "size=64m,mode=1777", "/tmp": ""},
    "shm_size": "256MiB", "ulimits": [{"name": "nofile", "soft": 1024, "hard": -1}],
    "sysctls": {"net.ipv4.ip_unprivileged_port_start": 0}, "devices": [{"host": "/dev/fuse", "permissions": "wr"}],
    "security_opt": ["no-new-privileges"], "cap_add": ["NET_BIND_SERVICE"], "cap_drop": ["ALL"], "network": "backend",
    "extra_hosts": {"db": "10.0.0.7", "self": "host-gateway"}, "dns": ["10.0.0.53", "fd00::53"],
    "log": {"driver": "local", "options": {"max-size": "50m", "max-file": 3}},
}  # fmt: skip


def spec(**fields: Any) -> Spec:
    return load({"image": "nginx", **fields})


def faults(**fields: Any) -> tuple[Fault, ...]:
    with pytest.raises(InvalidSpec) as caught:
        spec(**fields)
    return caught.value.faults


def submitted(raw: dict[str, Any]) -> Item:
    return load_submission(raw, policy=Policy(devices=("/dev",)), new_id=lambda: ID).items[0]


@pytest.mark.parametrize(
    ("sent", "field", "read"),
    [
        ({"stop_signal": "quit"}, "stop_signal", "SIGQUIT"), ({"stop_signal": "15"}, "stop_signal", "15"),
        ({"stop_signal": "sigrtmin+3"}, "stop_signal", "SIGRTMIN+3"), ({"user": "app"}, "user", "app"),
        ({"cap_add": ["cap_net_admin", "ALL"]}, "cap_add", ("NET_ADMIN", "ALL")), ({"gpus": 2}, "gpus", 2),
        ({"gpus": ["GPU-4d1c", "1"]}, "gpus", ("GPU-4d1c", "1")), ({"shm_size": "64m"}, "shm_size_bytes", 64 * MIB),
        ({"tmpfs": {"/run": ""}}, "tmpfs", {"/run": ""}), ({"dns": ["FD00::0:53"]}, "dns", ("fd00::53",)),
        ({"ulimits": [{"name": "nofile", "soft": 9}]}, "ulimits", (UlimitSpec("nofile", 9, 9),)),
        ({"ulimits": [{"name": "core", "soft": 0, "hard": -1}]}, "ulimits", (UlimitSpec("core", 0, -1),)),
        ({"sysctls": {"net.core.somaxconn": 9}}, "sysctls", {"net.core.somaxconn": "9"}),
        ({"devices": [{"host": "/dev/a", "permissions": "wr"}]}, "devices", (DeviceSpec("/dev/a", "/dev/a", "rw"),)),
        ({"log": {}}, "log", LogSpec("json-file", {"max-size": "10m", "max-file": "3"})),
        ({"log": {"options": {"max-size": "1g"}}}, "log", LogSpec("json-file", {"max-size": "1g", "max-file": "3"})),
        ({"log": {"driver": "local"}}, "log", LogSpec("local", {})), ({"network": "none"}, "network", "none"),
        ({"log": {"driver": "acme/loki:2", "options": {"any": "x"}}}, "log", LogSpec("acme/loki:2", {"any": "x"})),
        ({"security_opt": ["seccomp={}", "label:disable"]}, "security_opt", ("seccomp={}", "label:disable")),
    ],
)  # fmt: skip
def test_values_are_read_as_docker_does(sent: dict[str, Any], field: str, read: object) -> None:
    """Docker's spellings are taken, and what is left out has Docker's meaning."""
    assert getattr(spec(**sent), field) == read


@pytest.mark.parametrize(
    ("field", "value", "code", "hint"),
    [
        ("workdir", "srv", "MALFORMED", "did you mean /srv?"), ("workdir", "", "MALFORMED", None),
        ("user", 1000, "WRONG_TYPE", 'quote it: "1000"'), ("user", "a:b:c", "MALFORMED", None),
        ("hostname", "a_b", "MALFORMED", None), ("hostname", "a" * 64, "TOO_LONG", None),
        ("hostname", "-a", "MALFORMED", None), ("stop_signal", 15, "WRONG_TYPE", 'quote it: "15"'),
        ("stop_signal", "SIGTREM", "NOT_A_CHOICE", "did you mean SIGTERM?"), ("stop_signal", "0", "OUT_OF_RANGE", None),
        ("stop_signal", "65", "OUT_OF_RANGE", None),
        ("stop_signal", "RTMIN+99", "NOT_A_CHOICE", "did you mean SIGRTMIN?"),
        ("init", "yes", "WRONG_TYPE", None), ("tty", 1, "WRONG_TYPE", None), ("read_only", "true", "WRONG_TYPE", None),
        ("privileged", "always", "WRONG_TYPE", None), ("gpus", "all", "WRONG_TYPE", "give a number"),
        ("gpus", 0, "OUT_OF_RANGE", None), ("gpus", True, "WRONG_TYPE", None),
        ("gpus", [], "MALFORMED", "leave it out for none"),
        ("gpus", [0], "WRONG_TYPE", 'quote it: "0"'), ("gpus", ["a", "a"], "DUPLICATE", None),
        ("tmpfs", ["/run"], "WRONG_TYPE", None), ("tmpfs", {"run": ""}, "MALFORMED", "did you mean /run?"),
        ("tmpfs", {"/": ""}, "MALFORMED", None), ("tmpfs", {"/run": "sise=1m"}, "MALFORMED", "did you mean size?"),
        ("tmpfs", {"/run": "size"}, "MALFORMED", "write it as size=VALUE"),
        ("tmpfs", {"/run": "ro=1"}, "MALFORMED", "ro takes no value"), ("tmpfs", {"/run": None}, "WRONG_TYPE", None),
        ("shm_size", "64MB", "MALFORMED", "did you mean 64MiB?"), ("shm_size", 0, "OUT_OF_RANGE", None),
        ("ulimits", {"nofile": 9}, "WRONG_TYPE", None), ("ulimits", [{"name": "nofile"}], "REQUIRED", None),
        ("ulimits", [{"name": "nofiles", "soft": 1}], "NOT_A_CHOICE", "did you mean nofile?"),
        ("ulimits", [{"name": "core", "soft": 9, "hard": 1}], "CONFLICT", None),
        ("ulimits", [{"name": "core", "soft": -1, "hard": 1}], "CONFLICT", None),
        ("ulimits", [{"name": "core", "soft": 1}, {"name": "core", "soft": 2}], "DUPLICATE", None),
        ("ulimits", [{"name": "core", "soft": 1, "Hard": 2}], "UNKNOWN_FIELD", "did you mean hard?"),
        ("sysctls", {"net/ipv4/ip_forward": 1}, "MALFORMED", "did you mean net.ipv4.ip_forward?"),
        ("sysctls", {"vm.swappiness": 1}, "NOT_A_CHOICE", None),
        ("sysctls", {"net.a": True}, "WRONG_TYPE", 'quote it: "true"'),
        ("devices", ["/dev/fuse"], "WRONG_TYPE", None),
        ("devices", [{"host": "fuse"}], "MALFORMED", "did you mean /fuse?"),
        ("devices", [{"PathOnHost": "/dev/fuse", "host": "/dev/x"}], "UNKNOWN_FIELD", "did you mean host?"),
        ("devices", [{"host": "/dev/a", "permissions": "rx"}], "MALFORMED", "write it as rwm"),
        ("devices", [{"host": "/dev/a"}, {"host": "/dev/b", "container": "/dev/a"}], "DUPLICATE", None),
        ("security_opt", ["secomp=x"], "NOT_A_CHOICE", "did you mean seccomp?"),
        ("security_opt", ["systempaths=no"], "NOT_A_CHOICE", "did you mean systempaths=unconfined?"),
        ("security_opt", ["apparmor"], "MALFORMED", "write it as apparmor=VALUE"),
        ("cap_add", "NET_ADMIN", "WRONG_TYPE", 'write it as a list: ["NET_ADMIN"]'),
        ("cap_add", ["NET_ADMN"], "NOT_A_CHOICE", "did you mean NET_ADMIN?"),
        ("network", "container:web", "MALFORMED", "give both the same named network"),
        ("network", "default", "MALFORMED", "did you mean bridge?"), ("network", "a b", "MALFORMED", None),
        ("extra_hosts", ["db:10.0.0.7"], "WRONG_TYPE", None), ("extra_hosts", {"db": "ten"}, "MALFORMED", None),
        ("extra_hosts", {"d b": "10.0.0.7"}, "MALFORMED", None), ("dns", ["localhost"], "MALFORMED", None),
        ("log", "json-file", "WRONG_TYPE", None),
        ("log", {"driver": "json"}, "NOT_A_CHOICE", "did you mean json-file?"),
        ("log", {"options": {"max_size": "1m"}}, "UNKNOWN_FIELD", "did you mean max-size?"),
        ("log", {"driver": "none", "options": {"tag": "x"}}, "UNKNOWN_FIELD", None),
        ("log", {"opts": {}}, "UNKNOWN_FIELD", "did you mean options?"),
        ("log", {"options": {"compress": True}}, "WRONG_TYPE", 'quote it: "true"'),
    ],
)  # fmt: skip
def test_faulty_options_are_refused(field: str, value: object, code: str, hint: str | None) -> None:
    """Each rule of a field refuses what breaks it, with its code and the probable meaning."""
    (found,) = faults(**{field: value})
    assert (found.path[0], found.code, found.hint) == (field, code, hint)


@pytest.mark.parametrize(
    ("word", "meant"),
    [
        ("working_dir", "workdir"), ("networkmode", "network"), ("network_mode", "network"), ("logging", "log"),
        ("readonly", "read_only"), ("CapAdd", "cap_add"), ("capdrop", "cap_drop"), ("shmsize", "shm_size"),
        ("add_host", "extra_hosts"), ("gpu", "gpus"), ("ulimit", "ulimits"), ("sysctl", "sysctls"),
    ],
)  # fmt: skip
def test_words_of_other_tools_are_understood(word: str, meant: str) -> None:
    """Who writes Docker's or Compose's name of a field is told ours."""
    (found,) = faults(**{word: "x"})
    assert (found.code, found.hint) == ("UNKNOWN_FIELD", f"did you mean {meant}?")


def test_a_capability_is_not_added_and_dropped() -> None:
    """One name in both lists is a contradiction at its place; ALL beside a name is how one is kept."""
    (found,) = faults(cap_add=["CHOWN", "KILL"], cap_drop=["ALL", "KILL"])
    assert (found.path, found.detail) == (("cap_drop", 1), "KILL is also in cap_add")
    assert spec(cap_add=["CHOWN"], cap_drop=["ALL"]).cap_drop == ("ALL",)


def test_one_place_is_mounted_once() -> None:
    """A tmpfs where a volume is mounted, or twice, is a fault."""
    (found,) = faults(volumes=[{"name": "ab", "target": "/x/"}], tmpfs={"/x": ""})
    assert (found.path, found.detail) == (("tmpfs", "/x"), "/x is where volumes[0] is mounted")
    (found,) = faults(tmpfs={"/x": "", "/x/": ""})
    assert found.detail == "/x/ is the same folder as /x"


def test_a_port_on_the_hosts_network_is_the_hosts_own() -> None:
    """It reserves the host port of the same number on every address; another number or an address is a fault."""
    found = spec(network="host", ports=[{"container": 80}, {"container": 53, "host": 53, "protocol": "udp"}])
    assert found.ports == (PortSpec(80, 80, "tcp", "0.0.0.0"), PortSpec(53, 53, "udp", "0.0.0.0"))
    ports = [{"container": 80, "host": 8080}, {"container": 81, "bind": "127.0.0.1"}, {"container": 80}]
    assert [(item.pointer, item.code) for item in faults(network="host", ports=ports)] == [
        ("/ports/0/host", "CONFLICT"),
        ("/ports/1/bind", "CONFLICT"),
        ("/ports/2/container", "DUPLICATE"),
    ]
    (found_fault,) = faults(network="host", sysctls={"net.core.somaxconn": 9, "kernel.shmall": 1})
    assert found_fault.path == ("sysctls", "net.core.somaxconn")


def test_network_none_has_no_ports_and_is_checked_from_inside() -> None:
    """Ports, and checks that would need to reach the container, contradict it; a command does not."""
    found = faults(network="none", ports=[{"container": 80}], health={"http": "/"})
    assert [item.pointer for item in found] == ["/ports", "/health/http"]
    assert spec(network="none", health={"command": ["true"]}).network == "none"


def test_a_spec_that_is_shown_can_be_run_again() -> None:
    """The spec of ``ormen inspect -o yaml`` is, as text, a file that asks for the same."""
    first = submitted(EVERYTHING)
    shown = serialized({"name": "front", "spec": dict(first.raw), "ports": []}, "yaml")
    text = textwrap.dedent(shown.partition("spec:\n")[2].partition("\nports:")[0])
    (again,), _ = read_tasks(text, "again.yaml")
    assert again == EVERYTHING
    assert submitted(again).digest == first.digest


def test_what_is_asked_is_content() -> None:
    """A request that differs in any of these fields is another request; one that names a default is the same."""
    bare = {key: EVERYTHING[key] for key in ("name", "image", "command")}
    rest = EVERYTHING.keys() - bare.keys() - {"ports", "health"}
    digests = {submitted(bare | {key: EVERYTHING[key]}).digest for key in rest}
    assert len(digests | {submitted(bare).digest}) == len(rest) + 1
    assert submitted(bare | {"init": False, "network": "bridge", "tmpfs": {}}).digest == submitted(bare).digest
