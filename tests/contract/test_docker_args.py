"""The body of Docker's create call, as a function of record and spec."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ormen.node import Resources
from ormen.spec import DeviceSpec, LogSpec, Spec, UlimitSpec, VolumeSpec
from ormen.task import Port, State, Task, Wanted
from worker_agent.docker_args import cpu_shares, plan, spec_hash
from worker_agent.runtime import ContainerPlan

MIB = 1024**2


def planned(
    *,
    ports: tuple[Port, ...] = (),
    attempt: int = 2,
    pinned: str | None = None,
    lent: tuple[str, ...] = (),
    **fields: Any,
) -> ContainerPlan:
    task = Task(
        id="7f3c2a10-5b1e-4c0e-9d38-2f6a1c90b7e4",
        name="web",
        spec={},
        wanted=Wanted.RUNNING,
        state=State.SCHEDULED,
        created_ms=0,
        container_name="web.4d1c0a9b2e",
        attempt=attempt,
        node="node-1",
        ports=ports,
        gpus=lent,
    )
    return plan(task, Spec(image="nginx:1.28", **fields), cluster="c1", bind="127.0.0.1", image=pinned)


def host(found: ContainerPlan) -> dict[str, Any]:
    config: dict[str, Any] = found.body["HostConfig"]
    return config


def test_the_name_is_the_records() -> None:
    """The container's name and image are those of the record and the spec."""
    found = planned()
    assert (found.name, found.image, found.body["Image"]) == ("web.4d1c0a9b2e", "nginx:1.28", "nginx:1.28")


def test_labels_say_whose_it_is() -> None:
    """Cluster, task, attempt, node and spec stand beside the user's labels, which cannot replace them."""
    labels = planned(labels={"app": "shop", "ormen.task": "forged"}).labels
    assert labels["app"] == "shop"
    assert labels["ormen.cluster"] == "c1"
    assert labels["ormen.task"] == "7f3c2a10-5b1e-4c0e-9d38-2f6a1c90b7e4"
    assert (labels["ormen.attempt"], labels["ormen.node"]) == ("2", "node-1")
    assert len(labels["ormen.spec"]) == 16


def test_attempts_of_one_spec_can_adopt_each_other() -> None:
    """The spec's hash is the same for every attempt."""
    assert planned(attempt=1).labels["ormen.spec"] == planned(attempt=9).labels["ormen.spec"]


@pytest.mark.parametrize(
    "changed",
    [
        {"command": ("a",)},
        {"env": {"A": "1"}},
        {"labels": {"a": "b"}},
        {"ports": (Port(80, 8080),)},
        {"memory_limit_bytes": 10 * MIB},
        {"stop_grace_s": 3.0},
        {"volumes": (VolumeSpec("/data", name="pg"),)},
    ],
)
def test_what_is_fixed_at_create_changes_the_hash(changed: dict[str, Any]) -> None:
    """Whatever Docker cannot change later gives another hash, so such a container is not adopted."""
    assert planned(**changed).labels["ormen.spec"] != planned().labels["ormen.spec"]


def test_another_name_of_the_image_changes_no_hash() -> None:
    """A container that was made from the tag is adopted by an attempt whose image is known by its digest."""
    pinned = planned(pinned="nginx@sha256:" + "a" * 64)
    assert (pinned.image, pinned.body["Image"]) == ("nginx@sha256:" + "a" * 64,) * 2
    assert pinned.labels["ormen.spec"] == planned().labels["ormen.spec"]


def test_the_hash_ignores_ormens_labels_only() -> None:
    """Of the labels, those of ormen are no part of the hash and all others are."""
    assert spec_hash({"Labels": {"ormen.attempt": "1"}}) == spec_hash({"Labels": {}})
    assert spec_hash({"Labels": {"a": "1"}}) != spec_hash({"Labels": {}})


@pytest.mark.parametrize(("milli", "shares"), [(1000, 1024), (100, 102), (1, 2), (2500, 2560)])
def test_a_reserved_core_weighs_1024(milli: int, shares: int) -> None:
    """CPU reservations are weights of 1,024 a core and never below the 2 that Linux demands."""
    assert cpu_shares(milli) == shares
    assert host(planned(resources=Resources(milli, MIB, 0)))["CpuShares"] == shares


def test_without_limits_there_is_none() -> None:
    """A spec without limits reserves, and sets neither NanoCpus nor Memory."""
    config = host(planned())
    assert config["MemoryReservation"] == 128 * MIB
    assert not {"NanoCpus", "Memory", "MemorySwap"} & set(config)


def test_limits_leave_no_swap() -> None:
    """A CPU limit is NanoCpus; a memory limit is Memory and MemorySwap alike."""
    config = host(planned(cpu_limit_milli=1500, memory_limit_bytes=512 * MIB))
    assert config["NanoCpus"] == 1_500_000_000
    assert config["Memory"] == config["MemorySwap"] == 512 * MIB


def test_a_reservation_never_exceeds_the_limit() -> None:
    """Docker refuses a reservation above the limit, so it is at most the limit."""
    assert host(planned(memory_limit_bytes=64 * MIB))["MemoryReservation"] == 64 * MIB


def test_ports_are_bound_as_the_record_says() -> None:
    """Each port of the record is exposed and bound; without an address the agent's own counts."""
    ports = (Port(80, 8080, "tcp", "10.0.0.1"), Port(80, 8081, "tcp", ""), Port(53, 5353, "udp", "0.0.0.0"))
    found = planned(ports=ports)
    assert found.body["ExposedPorts"] == {"80/tcp": {}, "53/udp": {}}
    assert host(found)["PortBindings"] == {
        "80/tcp": [{"HostIp": "10.0.0.1", "HostPort": "8080"}, {"HostIp": "127.0.0.1", "HostPort": "8081"}],
        "53/udp": [{"HostIp": "0.0.0.0", "HostPort": "5353"}],
    }


def test_volumes_are_named_or_bound() -> None:
    """A named volume is a volume mount, a host path a bind mount; both keep read_only."""
    volumes = (VolumeSpec("/data", name="pg"), VolumeSpec("/etc/x", host="/srv/x", read_only=True))
    assert host(planned(volumes=volumes))["Mounts"] == [
        {"Type": "volume", "Source": "pg", "Target": "/data", "ReadOnly": False},
        {"Type": "bind", "Source": "/srv/x", "Target": "/etc/x", "ReadOnly": True},
    ]


def test_only_what_was_given_replaces_the_images() -> None:
    """Without command and entrypoint the image's own stay; an entrypoint alone sends no Cmd, so Docker drops it."""
    assert not {"Cmd", "Entrypoint"} & set(planned().body)
    assert planned(command=("a", "b")).body["Cmd"] == ["a", "b"]
    found = planned(entrypoint=("/bin/sh", "-c")).body
    assert found["Entrypoint"] == ["/bin/sh", "-c"]
    assert "Cmd" not in found
    assert planned(entrypoint=()).body["Entrypoint"] == [""]


def test_docker_never_restarts_and_logs_are_rotated() -> None:
    """Docker's restart policy is no, the log three files of 10 MB, the grace rounded up to whole seconds."""
    found = planned(stop_grace_s=2.5, env={"PORT": "8080"})
    assert host(found)["RestartPolicy"] == {"Name": "no"}
    assert host(found)["LogConfig"] == {"Type": "json-file", "Config": {"max-size": "10m", "max-file": "3"}}
    assert found.body["StopTimeout"] == 3
    assert found.body["Env"] == ["PORT=8080"]


@given(
    cpu=st.integers(1, 10**6),
    memory=st.integers(6 * MIB, 2**45),
    limit=st.none() | st.integers(6 * MIB, 2**45),
    labels=st.dictionaries(st.text(max_size=8), st.text(max_size=8), max_size=3),
)
def test_no_spec_is_privileged(cpu: int, memory: int, limit: int | None, labels: dict[str, str]) -> None:
    """Unless it is asked for by name nothing in the body adds a privilege, and the reservation fits the limit."""
    config = host(planned(resources=Resources(cpu, memory, 0), memory_limit_bytes=limit, labels=labels))
    assert config["Privileged"] is False
    assert not {"CapAdd", "Devices", "SecurityOpt", "PidMode", "IpcMode", "NetworkMode"} & set(config)
    assert config["MemoryReservation"] <= config.get("Memory", config["MemoryReservation"])


def first_body(spec: Spec, ports: tuple[Port, ...]) -> dict[str, Any]:
    """The body as agents have always made it; containers with its hash run, so it stays as it is for ever."""
    bindings: dict[str, list[dict[str, str]]] = {}
    for port in ports:
        item = {"HostIp": port.bind, "HostPort": str(port.host)}
        bindings.setdefault(f"{port.container}/{port.protocol}", []).append(item)
    most = spec.memory_limit_bytes
    reserved = spec.resources.memory_bytes if most is None else min(spec.resources.memory_bytes, most)
    return {
        "Image": spec.image, "Env": [f"{name}={value}" for name, value in spec.env.items()],
        "ExposedPorts": {key: {} for key in bindings}, "StopTimeout": int(-(-spec.stop_grace_s // 1)),
        **({"Cmd": list(spec.command)} if spec.command is not None else {}),
        **({"Entrypoint": list(spec.entrypoint) or [""]} if spec.entrypoint is not None else {}),
        "HostConfig": {
            "CpuShares": max(2, spec.resources.cpu_milli * 1024 // 1000), "MemoryReservation": reserved,
            "PortBindings": bindings, "RestartPolicy": {"Name": "no"}, "Privileged": False,
            "Mounts": [{"Type": "volume" if item.name else "bind", "Source": item.name or item.host,
                        "Target": item.target, "ReadOnly": item.read_only} for item in spec.volumes],
            "LogConfig": {"Type": "json-file", "Config": {"max-size": "10m", "max-file": "3"}},
            **({"NanoCpus": spec.cpu_limit_milli * 10**6} if spec.cpu_limit_milli is not None else {}),
            **({"Memory": most, "MemorySwap": most} if most is not None else {}),
        },
    }  # fmt: skip


@given(
    ports=st.lists(st.builds(Port, st.integers(1, 65535), st.integers(1, 65535)), max_size=3).map(tuple),
    fields=st.fixed_dictionaries(
        {},
        optional={
            "command": st.lists(st.text(max_size=5), min_size=1, max_size=3).map(tuple),
            "entrypoint": st.lists(st.text(max_size=5), max_size=2).map(tuple),
            "env": st.dictionaries(st.text(min_size=1, max_size=5), st.text(max_size=5), max_size=3),
            "labels": st.dictionaries(st.sampled_from("abc"), st.text(max_size=5), max_size=3),
            "resources": st.builds(Resources, st.integers(1, 9999), st.integers(6 * MIB, 2**40), st.just(0)),
            "cpu_limit_milli": st.integers(1, 10**6),
            "memory_limit_bytes": st.integers(6 * MIB, 2**40),
            "stop_grace_s": st.floats(0, 86400),
            "volumes": st.sampled_from(
                [(), (VolumeSpec("/d", name="pg"), VolumeSpec("/e", host="/srv", read_only=True))]
            ),
        },
    ),
)
def test_a_spec_of_the_first_fields_keeps_its_hash(ports: tuple[Port, ...], fields: dict[str, Any]) -> None:
    """After an upgrade a running container has the hash that its spec asks for, so it is adopted and runs on."""
    spec = Spec(image="nginx:1.28", **fields)
    found = planned(ports=ports, **fields)
    body = {**first_body(spec, ports), "Labels": dict(spec.labels)}
    assert {key: value for key, value in found.body.items() if key != "Labels"} == first_body(spec, ports)
    assert found.labels["ormen.spec"] == spec_hash(body)


def test_two_hashes_are_as_they_were() -> None:
    """Written down from the first agent: neither the body nor the way it is hashed has changed."""
    ports = (Port(80, 8080, "tcp", "10.0.0.1"),)
    volumes = (VolumeSpec("/data", name="pg"), VolumeSpec("/etc/x", host="/srv/x", read_only=True))
    full = planned(
        ports=ports, command=("a", "b"), entrypoint=("/bin/sh", "-c"), env={"A": "1"}, labels={"app": "shop"},
        resources=Resources(500, 512 * MIB, 0), cpu_limit_milli=1500, memory_limit_bytes=1024 * MIB, volumes=volumes,
        stop_grace_s=2.5,
    )  # fmt: skip
    assert planned().labels["ormen.spec"] == "59145cb8161fc7c3"
    assert full.labels["ormen.spec"] == "781be94fc9fdd167"


OPTIONS: dict[str, Any] = {
    "workdir": "/srv", "user": "1", "hostname": "a", "stop_signal": "SIGINT", "init": True, "tty": True,
    "read_only": True, "privileged": True, "gpus": 1, "tmpfs": {"/run": ""}, "shm_size_bytes": MIB,
    "ulimits": (UlimitSpec("core", 0, 0),), "sysctls": {"net.a": "1"}, "devices": (DeviceSpec("/dev/a", "/dev/a"),),
    "security_opt": ("no-new-privileges",), "cap_add": ("KILL",), "cap_drop": ("ALL",), "network": "host",
    "extra_hosts": {"db": "10.0.0.7"}, "dns": ("10.0.0.53",), "log": LogSpec("local"),
}  # fmt: skip


@pytest.mark.parametrize("field", OPTIONS)
def test_every_option_of_the_container_changes_the_hash(field: str) -> None:
    """Whatever reaches Docker is in the hash, so that a container which lacks it is not adopted."""
    assert planned(**{field: OPTIONS[field]}).labels["ormen.spec"] != planned().labels["ormen.spec"]


@pytest.mark.parametrize(
    ("gpus", "request_"), [(2, {"Count": 2}), (("GPU-4d1c", "1"), {"DeviceIDs": ["GPU-4d1c", "1"]})]
)
def test_gpus_are_a_number_or_ids(gpus: Any, request_: dict[str, Any]) -> None:
    """Docker is asked for devices that can be GPUs: so many, or those of these ids."""
    assert host(planned(gpus=gpus))["DeviceRequests"] == [{"Capabilities": [["gpu"]], **request_}]


def test_the_gpus_of_the_record_are_asked_for_by_their_ids() -> None:
    """A number in the spec is turned into particular ones when the task is placed; a record without has the spec's."""
    request_ = host(planned(gpus=2, lent=("GPU-a", "GPU-c")))["DeviceRequests"]
    assert request_ == [{"Capabilities": [["gpu"]], "DeviceIDs": ["GPU-a", "GPU-c"]}]
    assert "DeviceRequests" not in host(planned())


def test_on_the_hosts_network_nothing_is_published() -> None:
    """The record's ports keep others from them; Docker is told of none."""
    found = planned(ports=(Port(80, 80),), network="host")
    assert (found.ports, found.body["ExposedPorts"], host(found)["PortBindings"]) == ((), {}, {})
    assert host(found)["NetworkMode"] == "host"
