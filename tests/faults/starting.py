"""Faults of starts: the engine of a node says no to the container, or says nothing."""

from __future__ import annotations

import os
import socket
from collections.abc import Callable, Iterator

from tests.acceptance.living import free_port
from tests.faults.ground import Ground
from tests.faults.provoking import Asked, by_spec, fault
from tests.waiting import wait_until

by_spec("the command is not in the image", command=["nosuch"])
by_spec("the command is a folder", command=["/bin"])
by_spec("the command may not be executed", command=["/plain"])
by_spec("the image names no command", command=None)
by_spec("the program is no program", command=["/text"])
by_spec("the entrypoint is not in the image", entrypoint=["/entry"])
by_spec("the folder is not in the image", workdir="/bin/busybox/nosuch")
by_spec("the host has no such network", network="nosuch-net")
by_spec("the image has no such user", user="nosuch")
by_spec("the host has no such log driver", log={"driver": "gelfx"})
by_spec("the host has no such address", ports=[{"container": 80, "host": 28_999, "bind": "192.0.2.1"}])


@fault("a process of the host has the port")
def a_process_has_the_port(ground: Ground) -> Iterator[Asked]:
    with socket.create_server(("127.0.0.1", free_port())) as held:
        port = held.getsockname()[1]
        task = ground.submit_on("anchor", ports=[{"container": 80, "host": port}])
        yield Asked(task["id"], facts={"port": port, "pid": os.getpid()})


@fault("a process of the host has the udp port")
def a_process_has_the_udp_port(ground: Ground) -> Iterator[Asked]:
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as held:
        held.bind(("127.0.0.1", free_port()))
        port = held.getsockname()[1]
        task = ground.submit_on("anchor", ports=[{"container": 53, "host": port, "protocol": "udp"}])
        yield Asked(task["id"], facts={"port": port, "pid": os.getpid()})


@fault("a foreign container has the port")
def a_foreign_container_has_the_port(ground: Ground) -> Iterator[Asked]:
    port, name = free_port(), f"ormen-faults-port-{os.getpid()}"
    command = ["sleep", "600"]
    held = ground.engine.containers.run(
        ground.image, command, name=name, detach=True, ports={"80/tcp": ("127.0.0.1", port)}, labels=ground.foreign
    )
    try:
        task = ground.submit_on("anchor", ports=[{"container": 80, "host": port}])
        yield Asked(task["id"], facts={"port": port, "holder": name})
    finally:
        held.remove(force=True)


@fault("a foreign container has the name")
def a_foreign_container_has_the_name(ground: Ground) -> Iterator[Asked]:
    with ground.marked("anchor", "cordon"):
        task = ground.submit_on("anchor")
        name = task["container_name"]
        held = ground.engine.containers.create(ground.image, ["true"], name=name, labels=ground.foreign)
    try:
        yield Asked(task["id"], facts={"holder": held.id[:12]})
    finally:
        held.remove(force=True)


@fault("there is no room on the disk")
def there_is_no_room(ground: Ground) -> Iterator[Asked]:
    # Docker copies what the image has at the target into a fresh volume; this one has no room for busybox.
    options = {"type": "tmpfs", "device": "tmpfs", "o": "size=64k"}
    volume = ground.engine.volumes.create(f"ormen-faults-tiny-{os.getpid()}", driver_opts=options)
    try:
        yield Asked(ground.submit_on("anchor", volumes=[{"name": volume.name, "target": "/bin"}])["id"])
    finally:
        ground.clear(also="")
        wait_until(lambda: _removed(volume.remove), what="for the volume to be free")


@fault("the host path is not there")
def the_host_path_is_not_there(ground: Ground) -> Iterator[Asked]:
    missing = ground.folder / "srv" / "missing"
    task = ground.submit_on("anchor", volumes=[{"host": str(missing), "target": "/data"}])
    yield Asked(task["id"], facts={"path": missing})


@fault("the engine takes the create and says nothing")
def the_engine_keeps_silent(ground: Ground) -> Iterator[Asked]:
    swallowed: list[bytes] = []

    def edit(piece: bytes) -> bytes:
        if b"/containers/create" in piece:
            swallowed.append(piece)
            return b""
        return piece

    ground.lines["sick"].editor = lambda: edit
    ground.lines["sick"].cut()
    try:
        with ground.marked("spare", "cordon"):
            task = ground.submit_beside("sick", "spare")
            wait_until(lambda: swallowed, what="for the agent to create the container")
        ground.unheard_for_a_minute(task["id"])
        yield Asked(task["id"])
    finally:
        ground.lines["sick"].editor = None
        ground.lines["sick"].cut()


def _removed(remove: Callable[[], object]) -> bool:
    try:
        remove()
    except Exception:  # whatever the engine says: somebody still uses it
        return False
    return True
