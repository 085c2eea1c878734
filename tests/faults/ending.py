"""Faults by which attempts end: the program's own, somebody's, and a check's."""

from __future__ import annotations

import signal
from collections.abc import Iterator

from tests.faults.ground import Ground
from tests.faults.provoking import Asked, by_spec, fault

CHECK = {"grace": "0s", "interval": "0.2s", "timeout": "0.3s", "retries": 2}
"""A check that gives up soon."""


def sh(script: str) -> list[str]:
    """Return a command that is a line for the shell."""
    return ["sh", "-c", script]


SERVE = sh(
    "mkdir -p /w/cgi-bin; echo '#!/bin/sh' >/w/cgi-bin/bad; chmod +x /w/cgi-bin/bad;"
    """ echo 'echo "Status: 503 Bad"; echo; echo db down' >>/w/cgi-bin/bad; exec httpd -f -p 80 -h /w"""
)
IDLE = ["sleep", "600"]
SILENT = sh("httpd -f -p 80 -h / & sleep 0.1; kill -STOP $!; wait")
"""Its kernel takes connections, and the program says nothing."""
CURT = sh("while :; do echo hello | nc -l -p 80; done")

by_spec("the program fails", command=sh("exit 3"), restart="no")
by_spec("the program dies of a signal", command=sh("sh -c 'kill -SEGV $$'; exit $?"), restart="no")
by_spec("the program fails over and over", command=sh("exit 7"), restart="always")
by_spec("the tries are spent", command=sh("exit 4"), restart="on-failure:1")
by_spec("the code is not one to try again", command=sh("exit 5"), retry_on=[75])
by_spec(
    "the program takes too much memory",
    command=sh("x=a; while :; do x=$x$x; done"),
    memory="16MiB",
    memory_limit="16MiB",
    restart="no",
)
by_spec("the page answers 503", command=SERVE, health={"http": ":80/cgi-bin/bad", **CHECK}, restart="no")
by_spec("nobody listens at the page's port", command=IDLE, health={"http": ":80/", **CHECK}, restart="no")
by_spec(
    "the page does not answer in time",
    command=SILENT,
    health={"http": ":80/", **CHECK, "interval": "1s"},
    restart="no",
)
by_spec(
    "the port is no page",
    command=CURT,
    health={"http": ":80/", **CHECK, "interval": "1s"},
    restart="no",
)
by_spec("the run is too long", command=IDLE, deadline={"run": "1s"})
by_spec("nobody listens at the port", command=IDLE, health={"tcp": 5432, **CHECK}, restart="no")
by_spec(
    "the command says no",
    command=IDLE,
    health={"command": sh("echo no response; exit 9"), **CHECK, "timeout": "3s"},
    restart="no",
)
by_spec(
    "the command of the check is not there",
    command=IDLE,
    health={"command": ["pg_isready"], **CHECK, "timeout": "3s"},
    restart="no",
)
by_spec("the command of the check hangs", command=IDLE, health={"command": ["sleep", "5"], **CHECK}, restart="no")


def behind_our_back(name: str, *words: str) -> None:
    """Register a fault that somebody makes with Docker's own means."""

    @fault(name)
    def do(ground: Ground) -> Iterator[Asked]:
        task = ground.run_on("anchor", restart="no")
        container = ground.engine.containers.get(task["container_id"])
        getattr(container, words[0])(**({"force": True} if words[0] == "remove" else {}))
        yield Asked(task["id"])


behind_our_back("somebody kills the container", "kill")
behind_our_back("somebody stops the container", "stop")
behind_our_back("somebody removes the container", "remove")


@fault("a stop is asked for")
def a_stop(ground: Ground) -> Iterator[Asked]:
    task = ground.run_on("anchor")
    ground.call("POST", f"/v1/tasks/{task['id']}/stop", {})
    yield Asked(task["id"])


@fault("a stop is not heeded")
def a_stop_not_heeded(ground: Ground) -> Iterator[Asked]:
    task = ground.run_on("anchor", command=sh("trap '' TERM; while :; do sleep 0.2; done"), stop_grace="1s")
    ground.call("POST", f"/v1/tasks/{task['id']}/stop", {})
    yield Asked(task["id"])


@fault("a stop is asked for of a lost node")
def a_stop_of_a_lost_node(ground: Ground) -> Iterator[Asked]:
    task = ground.run_on("mute")
    with ground.frozen("mute", silent_s=17):
        ground.call("POST", f"/v1/tasks/{task['id']}/stop", {})
        ground.silence("mute", silent_s=40)
        yield Asked(task["id"])


@fault("a restart is asked for")
def a_restart(ground: Ground) -> Iterator[Asked]:
    task = ground.run_on("anchor")
    ground.call("POST", f"/v1/tasks/{task['id']}/restart", {})
    yield Asked(task["id"])


@fault("the cluster goes down")
def the_cluster_goes_down(ground: Ground) -> Iterator[Asked]:
    ground.start_node("leaver")
    task = ground.run_beside("leaver", "anchor")
    assert ground.nodes["leaver"].end(signal.SIGUSR1) == 0
    yield Asked(task["id"])
    ground.call("DELETE", "/v1/nodes/leaver")
