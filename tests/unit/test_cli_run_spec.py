"""From flags to a spec, and where the container's command begins."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import click
import pytest

from ormen.cli.errors import Faulty
from ormen.cli.run import command_place, run
from ormen.cli.run_spec import flag_of, spec_of

TAKES = {
    name: not param.is_flag
    for param in run.get_params(click.Context(run, help_option_names=["-h", "--help"]))
    if isinstance(param, click.Option)
    for name in param.opts
}


@pytest.mark.parametrize(
    ("flags", "field", "expected"),
    [
        ({"ports": ("8080:80",)}, "ports", [{"container": 80, "host": 8080}]),
        ({"ports": ("80",)}, "ports", [{"container": 80}]),
        ({"ports": ("53:53/udp",)}, "ports", [{"container": 53, "host": 53, "protocol": "udp"}]),
        ({"ports": ("10.0.0.1:8080:80",)}, "ports", [{"container": 80, "host": 8080, "bind": "10.0.0.1"}]),
        ({"ports": ("127.0.0.1::80",)}, "ports", [{"container": 80, "bind": "127.0.0.1"}]),
        ({"ports": ("[::1]:8080:80",)}, "ports", [{"container": 80, "host": 8080, "bind": "::1"}]),
        ({"volumes": ("pgdata:/data",)}, "volumes", [{"name": "pgdata", "target": "/data"}]),
        ({"volumes": ("/srv:/data:ro",)}, "volumes", [{"host": "/srv", "target": "/data", "read_only": True}]),
        ({"cpu": "0.5"}, "cpu", 0.5),
        ({"cpu": "2"}, "cpu", 2),
        ({"memory": "512m"}, "memory", "512m"),
        ({"env": ("A=1", "B=x=y")}, "env", {"A": "1", "B": "x=y"}),
        ({"labels": ("app=shop",)}, "labels", {"app": "shop"}),
        ({"count": "3"}, "count", 3),
        ({"pull": "missing"}, "pull", "if-missing"),
        ({"stop_grace": "30"}, "stop_grace", 30.0),
        ({"priority": "80"}, "priority", 80),
        (
            {"preferences": ("disk=ssd:80", "zone~^a:b")},
            "preferences",
            [{"constraint": "disk=ssd", "weight": 80}, {"constraint": "zone~^a:b"}],
        ),
        ({"preferences": ("os=linux:-5",)}, "preferences", [{"constraint": "os=linux", "weight": -5}]),
        ({"max_per_node": "1"}, "max_per_node", 1),
        ({"deadline_wait": "10m", "deadline_run": "3600"}, "deadline", {"wait": "10m", "run": 3600}),
        ({"entrypoint": "/bin/sh"}, "entrypoint", ["/bin/sh"]),
        ({"health": "/ready", "health_interval": "5s"}, "health", {"http": "/ready", "interval": "5s"}),
        ({"health": ":9000/ready"}, "health", {"http": ":9000/ready"}),
        ({"health": "tcp:5432", "health_start_period": "1m"}, "health", {"tcp": 5432, "grace": "1m"}),
        ({"health_cmd": "pg_isready -q"}, "health", {"command": ["/bin/sh", "-c", "pg_isready -q"]}),
    ],
)
def test_each_flag_sets_its_field(flags: dict[str, Any], field: str, expected: object) -> None:
    """Docker's flags mean what they mean there; amounts stay as they were written."""
    assert spec_of("nginx", (), flags)[field] == expected


@pytest.mark.parametrize(
    ("flags", "row"),
    [
        ({"ports": ("70000",)}, ("--publish", "70000 is not a port: 1 to 65535")),
        ({"ports": ("80/sctp",)}, ("--publish", '"80/sctp" is not [IP:][HOST:]CONTAINER[/udp]')),
        ({"volumes": ("pgdata",)}, ("--volume", '"pgdata" is not SRC:DST[:ro]')),
        ({"labels": ("app",)}, ("--label", '"app" is not KEY=VALUE')),
        ({"pull": "sometimes"}, ("--pull", '"sometimes" is not one of missing, always, never')),
        ({"memory": "-5m"}, ("--memory", '"-5m" is negative; a size is not')),
        ({"count": "many"}, ("--count", "many is not a whole number")),
        ({"health": "ready"}, ("--health", '"ready" is not /path, :PORT/path or tcp:PORT')),
        ({"health": ""}, ("--health", "is empty; leave it out for no check")),
        ({"health_cmd": " "}, ("--health-cmd", "is empty; leave it out for no check")),
        ({"health_retries": "3"}, ("--health-retries", "says nothing without --health or --health-cmd")),
        ({"health": "/", "health_cmd": "x"}, ("--health", "give --health or --health-cmd, not both")),
    ],
)
def test_a_value_that_cannot_be_read_is_a_fault_of_its_flag(flags: dict[str, Any], row: tuple[str, str]) -> None:
    """The flag is named with what is wrong and what would be right."""
    with pytest.raises(Faulty) as caught:
        spec_of("nginx", (), flags)
    assert row in caught.value.rows


def test_all_faults_of_the_flags_are_found_at_once() -> None:
    """Two wrong values are two rows."""
    with pytest.raises(Faulty) as caught:
        spec_of("nginx", (), {"memory": "512", "cpu": "500m"})
    assert caught.value.rows == [
        ("--cpus", "500m is not a number of cores; did you mean 0.5?"),
        ("--memory", "512 has no unit; did you mean 512m (MiB)?"),
    ]
    assert caught.value.sentence == "2 faults; nothing was started."


def test_variables_come_from_files_and_from_here(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """-e wins over --env-file; a bare name is taken from here and left out if it is not set."""
    monkeypatch.setenv("HERE", "yes")
    monkeypatch.delenv("NOWHERE", raising=False)
    (tmp_path / "env").write_text("# comment\nA=file\nB=file\n\nNOWHERE\n")
    spec = spec_of("nginx", (), {"env": ("A=flag", "HERE"), "env_file": (str(tmp_path / "env"),)})
    assert spec["env"] == {"A": "flag", "B": "file", "HERE": "yes"}


@pytest.mark.parametrize(
    ("line", "command"),
    [
        ("nginx -p 8080:80 --name web", None),
        ("--count 3 --cpus 0.5 acme/worker:7 work --fast", ["work", "--fast"]),
        ("-d alpine ls -l", ["ls", "-l"]),
        ("-eA=1 alpine -d ls -p 1", ["ls", "-p", "1"]),
        ("-dp 80 alpine sh -c x", ["sh", "-c", "x"]),
        ("alpine -- -x", None),
        ("--memory=4g alpine echo -h", ["echo", "-h"]),
    ],
)
def test_what_follows_the_command_belongs_to_the_container(line: str, command: list[str] | None) -> None:
    """Options right after IMAGE are ours; from the command's first word on nothing is."""
    args = line.split()
    place = command_place(args, TAKES)
    assert (None if place is None else args[place:]) == command


@pytest.mark.parametrize(
    ("pointer", "flag"),
    [
        ("/0/memory", "--memory"),
        ("/0/ports/1/host", "--publish"),
        ("/0/cpu_limit", "--cpu-limit"),
        ("/0/health/retries", "--health-retries"),
        ("/0/restart", "--restart"),
        ("/0/image", "IMAGE"),
    ],
)
def test_a_fault_of_the_deck_is_shown_at_its_flag(pointer: str, flag: str) -> None:
    """Who typed flags reads flags, not pointers."""
    assert flag_of(pointer) == flag
