"""Docker's flags of ``ormen run``: what each sets in the spec, and how one is refused that cannot be read."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from ormen.cli.errors import Faulty
from ormen.cli.run_spec import FIELDS, flag_of, spec_of
from ormen.resolving import load
from ormen.task_schema import TaskSchema

PROFILE = {"defaultAction": "SCMP_ACT_ALLOW"}


@pytest.mark.parametrize(
    ("flags", "field", "expected"),
    [
        ({"workdir": "/srv"}, "workdir", "/srv"),
        ({"user": "1000:1000"}, "user", "1000:1000"),
        ({"hostname": "db-1"}, "hostname", "db-1"),
        ({"stop_signal": "QUIT"}, "stop_signal", "QUIT"),
        ({"init": True}, "init", True),
        ({"read_only": True}, "read_only", True),
        ({"privileged": True}, "privileged", True),
        ({"network": "backend"}, "network", "backend"),
        ({"extra_hosts": ("db:10.0.0.7", "me=host-gateway")}, "extra_hosts", {"db": "10.0.0.7", "me": "host-gateway"}),
        ({"extra_hosts": ("six:fd00::7", "b:[fd00::8]")}, "extra_hosts", {"six": "fd00::7", "b": "fd00::8"}),
        ({"dns": ("10.0.0.53",)}, "dns", ["10.0.0.53"]),
        ({"cap_add": ("NET_ADMIN",)}, "cap_add", ["NET_ADMIN"]),
        ({"cap_drop": ("ALL",)}, "cap_drop", ["ALL"]),
        ({"shm_size": "256m"}, "shm_size", "256m"),
        ({"gpus": "2"}, "gpus", 2),
        ({"gpus": '"device=GPU-aa,1"'}, "gpus", ["GPU-aa", "1"]),
        ({"tmpfs": ("/run", "/tmp:size=64m,mode=1777")}, "tmpfs", {"/run": "", "/tmp": "size=64m,mode=1777"}),
        ({"ulimits": ("nofile=1024:2048",)}, "ulimits", [{"name": "nofile", "soft": 1024, "hard": 2048}]),
        ({"ulimits": ("core=-1",)}, "ulimits", [{"name": "core", "soft": -1}]),
        ({"sysctls": ("net.core.somaxconn=1024",)}, "sysctls", {"net.core.somaxconn": "1024"}),
        ({"devices": ("/dev/fuse",)}, "devices", [{"host": "/dev/fuse"}]),
        ({"devices": ("/dev/fuse:r",)}, "devices", [{"host": "/dev/fuse", "permissions": "r"}]),
        ({"devices": ("/dev/a:/dev/b:rw",)}, "devices",
         [{"host": "/dev/a", "container": "/dev/b", "permissions": "rw"}]),
        ({"security_opt": ("no-new-privileges", "seccomp=unconfined")}, "security_opt",
         ["no-new-privileges", "seccomp=unconfined"]),
        ({"log_driver": "local"}, "log", {"driver": "local"}),
        ({"log_opt": ("max-size=1m", "max-file=2")}, "log", {"options": {"max-size": "1m", "max-file": "2"}}),
        ({"retry_on": "75, 111"}, "retry_on", [75, 111]),
        ({"ports": ("8000-8001:80-81/udp",)}, "ports",
         [{"container": 80, "host": 8000, "protocol": "udp"}, {"container": 81, "host": 8001, "protocol": "udp"}]),
        ({"ports": ("80-81",)}, "ports", [{"container": 80}, {"container": 81}]),
        ({"ports": ("10.0.0.1:80-81:80-81",)}, "ports",
         [{"container": 80, "host": 80, "bind": "10.0.0.1"}, {"container": 81, "host": 81, "bind": "10.0.0.1"}]),
    ],
)  # fmt: skip
def test_dockers_flags_set_their_field(flags: dict[str, Any], field: str, expected: object) -> None:
    """Docker's flags mean what they mean there, and the spec's own rules take what they set."""
    spec = spec_of("nginx", (), flags)
    assert spec[field] == expected
    load(spec)


@pytest.mark.parametrize(
    ("mount", "field", "expected"),
    [
        ("type=volume,source=pg,target=/data", "volumes", [{"name": "pg", "target": "/data"}]),
        ("source=pg,dst=/data,readonly", "volumes", [{"name": "pg", "target": "/data", "read_only": True}]),
        ("type=bind,src=/srv,destination=/data,ro=true", "volumes",
         [{"host": "/srv", "target": "/data", "read_only": True}]),
        ("type=bind,src=/srv,dst=/data,ro=false", "volumes", [{"host": "/srv", "target": "/data"}]),
        ('type=bind,"src=/a,b",dst=/data', "volumes", [{"host": "/a,b", "target": "/data"}]),
        ("type=tmpfs,dst=/run", "tmpfs", {"/run": ""}),
        ("type=tmpfs,dst=/run,tmpfs-size=64m,tmpfs-mode=1777,ro", "tmpfs", {"/run": "size=64m,mode=1777,ro"}),
    ],
)  # fmt: skip
def test_a_mount_is_a_volume_a_host_path_or_memory(mount: str, field: str, expected: object) -> None:
    """--mount has Docker's keys, and quotes as in its lists."""
    spec = spec_of("nginx", (), {"mounts": (mount,)})
    assert spec[field] == expected
    load(spec)


@pytest.mark.parametrize(
    ("flags", "row"),
    [
        ({"ulimits": ("nofile",)}, ("--ulimit", '"nofile" is not NAME=SOFT[:HARD]')),
        ({"devices": ("a:b:c:d",)}, ("--device", '"a:b:c:d" is not HOST[:DST[:rwm]]')),
        ({"extra_hosts": ("db",)}, ("--add-host", '"db" is not NAME:IP')),
        ({"extra_hosts": ("a:1.1.1.1", "a:2.2.2.2")}, ("--add-host", "a is given twice: 1.1.1.1 and 2.2.2.2")),
        ({"sysctls": ("net.a",)}, ("--sysctl", '"net.a" is not KEY=VALUE')),
        ({"log_opt": ("max-size",)}, ("--log-opt", '"max-size" is not KEY=VALUE')),
        ({"retry_on": "75,x"}, ("--retry-on", "x is not a whole number")),
        ({"shm_size": "64"}, ("--shm-size", "64 has no unit; did you mean 64m (MiB)?")),
        ({"security_opt": ("seccomp=/no.json",)}, ("--security-opt", "/no.json: no such file or directory")),
        ({"ports": ("80-82:80",)},
         ("--publish", '"80-82:80": a port has one port of the host; leave it out for a free one')),
        ({"ports": ("80-82:80-81",)}, ("--publish", '"80-82:80-81": 3 ports of the host are not 2 of the container')),
        ({"ports": ("82-80",)}, ("--publish", "82-80 ends before it begins")),
        ({"mounts": ("type=npipe,dst=/x",)},
         ("--mount", '"type=npipe,dst=/x": type npipe is not one of volume, bind, tmpfs')),
        ({"mounts": ("src=a",)}, ("--mount", '"src=a": target is missing')),
        ({"mounts": ("dst=/a",)}, ("--mount", '"dst=/a": source is missing; a volume without a name is not kept')),
        ({"mounts": ("src=a,dst=/a,ro=yes",)},
         ("--mount", '"src=a,dst=/a,ro=yes": readonly is true or false, not yes')),
        ({"mounts": ("src=a,dst=/a,tmpfs-size=1m",)},
         ("--mount", '"src=a,dst=/a,tmpfs-size=1m": tmpfs-size does not go with type=volume')),
        ({"mounts": ("type=tmpfs,src=a,dst=/a",)},
         ("--mount", '"type=tmpfs,src=a,dst=/a": source does not go with type=tmpfs')),
        ({"mounts": ("src,dst=/a",)}, ("--mount", '"src,dst=/a": "src" is not KEY=VALUE')),
    ],
)  # fmt: skip
def test_a_docker_value_that_cannot_be_read_is_a_fault_of_its_flag(flags: dict[str, Any], row: tuple[str, str]) -> None:
    """The flag is named with what is wrong, and nothing else is told."""
    with pytest.raises(Faulty) as caught:
        spec_of("nginx", (), flags)
    assert caught.value.rows == [row]


def test_a_key_that_a_mount_has_not_is_told_with_those_it_has() -> None:
    """What Docker has and ormen has not is no silent loss."""
    with pytest.raises(Faulty, match="1 fault") as caught:
        spec_of("nginx", (), {"mounts": ("src=a,dst=/a,volume-nocopy",)})
    assert "there is no volume-nocopy; keys are type, source, src, target" in caught.value.rows[0][1]


def test_every_value_of_every_flag_is_judged_at_once() -> None:
    """Each wrong value of one flag is told, and what the deck would refuse of the other flags as well."""
    with pytest.raises(Faulty) as caught:
        spec_of(
            "nginx",
            (),
            {"ports": ("70000", "80/sctp"), "cap_add": ("NET_ADMN",), "health": "/", "workdir": "srv", "cpu": "0"},
        )
    assert caught.value.rows == [
        ("--publish", "70000 is not a port: 1 to 65535"),
        ("--publish", '"80/sctp" is not [IP:][HOST:]CONTAINER[/udp]'),
        ("--cpus", "0 is not a number of cores: above 0, at most 100000"),
        ("--workdir", '"srv" is not an absolute path; did you mean /srv?'),
        ("--cap-add", '"NET_ADMN": did you mean NET_ADMIN?'),
    ]
    assert caught.value.sentence == "5 faults; nothing was started."


def test_an_env_file_is_read_as_docker_does(tmp_path: Path) -> None:
    """Only what stands before a name is trimmed; quotes, blanks and # belong to the value."""
    (tmp_path / "env").write_bytes('\ufeffA="x y" \r\n  # no\n\tB=1 # two\nC==\n\u2028D=\n'.encode())
    spec = spec_of("nginx", (), {"env_file": (str(tmp_path / "env"),)})
    assert spec["env"] == {"A": '"x y" ', "B": "1 # two", "C": "=", "D": ""}


def test_every_faulty_line_of_every_env_file_is_named(tmp_path: Path) -> None:
    """Each with its file and number."""
    one, two = tmp_path / "one", tmp_path / "two"
    one.write_text("A=1\nB C=2\n=3\n")
    with pytest.raises(Faulty) as caught:
        spec_of("nginx", (), {"env_file": (str(one), str(two))})
    assert caught.value.rows == [
        ("--env-file", f'{one}:2: "B C=2" is not KEY=VALUE'),
        ("--env-file", f'{one}:3: "=3" is not KEY=VALUE'),
        ("--env-file", f"{two}: no such file or directory"),
    ]


def test_a_seccomp_profile_is_read_here(tmp_path: Path) -> None:
    """The file is on the machine of whoever types, not on the node."""
    (tmp_path / "profile.json").write_text(json.dumps(PROFILE, indent=2))
    spec = spec_of("nginx", (), {"security_opt": (f"seccomp={tmp_path}/profile.json",)})
    assert spec["security_opt"] == ['seccomp={"defaultAction":"SCMP_ACT_ALLOW"}']
    (tmp_path / "profile.json").write_text("no")
    with pytest.raises(Faulty) as caught:
        spec_of("nginx", (), {"security_opt": (f"seccomp={tmp_path}/profile.json",)})
    assert caught.value.rows == [("--security-opt", f"{tmp_path}/profile.json is not JSON, as a seccomp profile is")]


@pytest.mark.parametrize(
    ("pointer", "flag"),
    [
        ("/0/extra_hosts/db", "--add-host"),
        ("/0/log/driver", "--log-driver"),
        ("/0/preferences/0/weight", "--prefer"),
        ("/0/max_per_node", "--max-per-node"),
        ("/0/deadline/run", "--deadline-run"),
        ("/0/log/options/max_size", "--log-opt"),
        ("/0/health/grace", "--health-start-period"),
        ("/0/volumes/0/host", "--volume"),
        ("/0/volumes/1/host", "--mount"),
        ("/0/tmpfs/~1run", "--tmpfs"),
        ("/0/tmpfs/~1tmp", "--mount"),
        ("/volumes/1/host", "--mount"),
    ],
)
def test_a_fault_of_the_deck_finds_the_flag_that_set_the_field(pointer: str, flag: str) -> None:
    """Two flags may set one field: the one is named from which the faulty part came."""
    given = {"volumes": ("a:/a",), "mounts": ("src=b,dst=/b", "type=tmpfs,dst=/tmp"), "tmpfs": ("/run",)}
    assert flag_of(pointer, given) == flag


def test_every_field_that_has_another_flag_is_a_field() -> None:
    """A renamed field would leave its row behind."""
    assert set(FIELDS) - set(TaskSchema().fields) == set()
