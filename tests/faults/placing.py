"""Faults of placement: nowhere is room, or nobody may."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace

from manager_api.app import create_app
from tests.acceptance.living import Answer, free_port
from tests.faults.ground import IDLE, SMALL, Ground
from tests.faults.provoking import Asked, by_spec, fault

by_spec("no node has so many cores", cpu=640)
by_spec("no node has so much memory", memory="64TiB")
by_spec("no node has a GPU", gpus=1)
by_spec("no node has so much disk", disk="900TiB")
by_spec("what it is to be near is nowhere", near="nobody")
by_spec("the wait is too long", cpu=640, deadline={"wait": "1s"})
by_spec("a value is mistyped", constraints=["zone=eu-wset"])


@fault("cpu is short")
def cpu_is_short(ground: Ground) -> Iterator[Asked]:
    free = ground.node("anchor")["capacity"]["cpu"] - 1
    ground.submit_on("anchor", cpu=free)
    yield Asked(ground.submit_on("anchor", cpu=1.5)["id"])


@fault("memory is short")
def memory_is_short(ground: Ground) -> Iterator[Asked]:
    node = ground.node("anchor")
    free = node["capacity"]["memory_bytes"] - node["reserved"]["memory_bytes"]
    # The other faults' small tasks come and go meanwhile; half a GiB is more than all of them.
    ground.submit_on("anchor", memory=free - 2**29)
    yield Asked(ground.submit_on("anchor", memory=2**31)["id"])


@fault("a task holds the port")
def a_task_holds_the_port(ground: Ground) -> Iterator[Asked]:
    port = free_port()
    holder = ground.submit_on("anchor", ports=[{"container": 80, "host": port}])
    asked = ground.submit_on("anchor", ports=[{"container": 80, "host": port}])
    yield Asked(asked["id"], facts={"port": port, "holder": holder["name"]})


@fault("the node has enough of the group")
def the_node_has_enough(ground: Ground) -> Iterator[Asked]:
    ground.submit_on("anchor", name="crew-1")
    yield Asked(ground.submit_on("anchor", name="crew-2", max_per_node=1)["id"])


@fault("what it is to be far from is there")
def a_foe_is_there(ground: Ground) -> Iterator[Asked]:
    foe = ground.submit_on("anchor", name="foe")
    yield Asked(ground.submit_on("anchor", far="foe")["id"], facts={"holder": foe["name"]})


@fault("a label is unknown")
def a_label_is_unknown(ground: Ground) -> Iterator[Asked]:
    yield Asked(ground.submit(**SMALL, constraints=["flavour=plain"])["id"])


@fault("a node is unknown")
def a_node_is_unknown(ground: Ground) -> Iterator[Asked]:
    yield Asked(ground.submit(**SMALL, constraints=["node=ancor"])["id"])


@fault("nobody meets two constraints at once")
def nobody_meets_both(ground: Ground) -> Iterator[Asked]:
    yield Asked(ground.submit(**SMALL, constraints=["node=spare", "zone=eu-west"])["id"])


@fault("the volume is where the task may not run")
def the_volume_is_elsewhere(ground: Ground) -> Iterator[Asked]:
    volume = [{"name": "ormen-faults-data", "target": "/data"}]
    task = ground.submit(**SMALL, image=ground.image, command=IDLE, volumes=volume, constraints=["zone=eu-west"])
    ground.until(task["id"], lambda now: now["state"] == "running", timeout_s=40)
    try:
        _zone(ground, "spare", "eu-west")
        _zone(ground, "anchor", "moved")
        ground.call("POST", f"/v1/tasks/{task['id']}/restart", {})
        yield Asked(task["id"])
    finally:
        _zone(ground, "anchor", "eu-west")
        _zone(ground, "spare", "eu-east")


def _zone(ground: Ground, node: str, zone: str) -> None:
    assert ground.call("PATCH", f"/v1/nodes/{node}", {"labels": {"zone": zone}}).status == 200


@fault("the only node is cordoned")
def the_only_node_is_cordoned(ground: Ground) -> Iterator[Asked]:
    with ground.marked("spare", "cordon"):
        yield Asked(ground.submit_on("spare")["id"])


@fault("the only node is being drained")
def the_only_node_is_draining(ground: Ground) -> Iterator[Asked]:
    with ground.marked("spare", "drain"):
        yield Asked(ground.submit_on("spare")["id"])


@fault("the volume's node is cordoned")
def the_volumes_node_is_cordoned(ground: Ground) -> Iterator[Asked]:
    task = ground.run_on("spare", volumes=[{"name": "ormen-faults-more", "target": "/data"}])
    with ground.marked("spare", "cordon"):
        ground.call("POST", f"/v1/tasks/{task['id']}/stop?wait=1", {})
        ground.call("POST", f"/v1/tasks/{task['id']}/restart", {})
        yield Asked(task["id"])


@fault("the only node is silent")
def the_only_node_is_silent(ground: Ground) -> Iterator[Asked]:
    with ground.frozen("mute", silent_s=17):
        yield Asked(ground.submit_on("mute")["id"])


@fault("the only node is lost")
def the_only_node_is_lost(ground: Ground) -> Iterator[Asked]:
    with ground.frozen("mute", silent_s=40):
        yield Asked(ground.submit_on("mute")["id"])


@fault("no node has joined")
def no_node_has_joined(ground: Ground) -> Iterator[Asked]:
    settings = replace(ground.settings, prefix="ormen-empty:")
    app = create_app(settings)
    answer = app.test_client().post("/v1/tasks", json={**SMALL, "image": "nginx"})
    app.extensions["ormen"].close()
    yield Asked(refusal=Answer(answer.status_code, {}, answer.get_data(as_text=True)))
