import itertools
import uuid
from dataclasses import replace
from typing import Any

import pytest

from ormen.errors import Fault, InvalidSpec, PolicyForbids, TooLarge
from ormen.node import Resources
from ormen.policy import Policy
from ormen.resolving import LONGEST_REMEMBERED
from ormen.schema import Item, Submission, load_submission, resolve
from ormen.spec import HealthSpec, PortSpec, RestartPolicy
from ormen.units import GIB, MIB

ID = "7f3c2a10-5b1e-4c0e-9d38-2f6a1c90b7e4"


def load(body: object, policy: Policy | None = None) -> Submission:
    numbers = itertools.count(1)
    return load_submission(
        body, policy=policy or Policy(), new_id=lambda: f"{next(numbers):08x}-0000-4000-8000-000000000000"
    )


def one(**fields: Any) -> Item:
    return load({"image": "nginx", **fields}).items[0]


def faults(body: object) -> tuple[Fault, ...]:
    with pytest.raises(InvalidSpec) as caught:
        load(body)
    return caught.value.faults


def fault(**fields: Any) -> Fault:
    (found,) = faults({"image": "nginx", **fields})
    return found


def test_an_image_is_enough() -> None:
    """Every field but the image has a default."""
    item = one()
    assert (item.name, item.spec.image) == ("nginx-0000", "nginx:latest")
    assert item.spec.resources == Resources(100, 128 * MIB, 0)
    assert item.spec.restart == RestartPolicy("on-failure", None)
    assert (item.spec.memory_limit_bytes, item.spec.health, item.spec.strategy) == (None, None, None)


def test_what_was_sent_is_kept() -> None:
    """The raw spec is echoed as it was sent, null included."""
    body = {"image": "nginx", "memory": "1g", "name": None, "env": {"PORT": 8080}}
    item = load(body).items[0]
    assert item.raw == body
    assert (item.spec.env, item.spec.memory_limit_bytes) == ({"PORT": "8080"}, GIB)


def test_nothing_is_mounted_on_the_root() -> None:
    """Volumes and folders in memory have one rule, each with its own word."""
    body = {"image": "nginx", "volumes": [{"name": "data", "target": "//"}], "tmpfs": {"/": ""}}
    with pytest.raises(InvalidSpec) as caught:
        load(body)
    said = {fault.pointer: fault.detail for fault in caught.value.faults}
    assert said["/volumes/0/target"] == "the root of the container cannot be a mount"
    assert said["/tmpfs/~1"] == "the root of the container cannot be a tmpfs"


def test_null_means_left_out() -> None:
    """A field that is null is as one that is not there, also within objects."""
    body = {"image": "nginx", "health": None, "cpu": None, "ports": [{"container": 80, "host": None}], "count": None}
    submission = load(body)
    assert submission.items[0].spec.ports == (PortSpec(80),)
    assert not submission.is_list
    assert faults({"image": None}) == (Fault(("image",), "REQUIRED", "is required"),)


def test_every_fault_is_named_at_once() -> None:
    """All faults of a list are found, each with its path, code and the probable meaning."""
    found = faults(
        [
            {"image": "a", "memroy": "512MiB", "ports": [{"container": 80}, {"container": 80, "host": 70000}]},
            {"image": "b", "restart": "allways"},
            "c",
        ]
    )
    assert [(item.pointer, item.code, item.hint) for item in found] == [
        ("/0/memroy", "UNKNOWN_FIELD", "did you mean memory?"),
        ("/0/ports/1/host", "OUT_OF_RANGE", None),
        ("/1/restart", "NOT_A_CHOICE", "did you mean always?"),
        ("/2", "WRONG_TYPE", None),
    ]
    assert found[1].detail == "70000 is not a port: 1 to 65535"


@pytest.mark.parametrize(
    ("field", "value", "code", "hint"),
    [
        ("cpu", "500m", "WRONG_TYPE", "did you mean 0.5?"), ("cpu", 0.1234, "OUT_OF_RANGE", "did you mean 0.123?"),
        ("cpu", float("nan"), "OUT_OF_RANGE", None), ("cpu", True, "WRONG_TYPE", None),
        ("cpu", 0, "OUT_OF_RANGE", None),
        ("memory", 512, "OUT_OF_RANGE", "did you mean 512MiB?"), ("memory", "5MiB", "OUT_OF_RANGE", None),
        ("disk", "10GB", "MALFORMED", "did you mean 10GiB?"), ("restart", True, "WRONG_TYPE", "did you mean always?"),
        ("restart", "on-failure:0", "OUT_OF_RANGE", None), ("restart", "on-failure:x", "MALFORMED", None),
        ("pull", "missing", "NOT_A_CHOICE", "did you mean if-missing?"), ("name", "a b", "MALFORMED", None),
        ("name", "a" * 64, "TOO_LONG", None), ("name", "a\n", "MALFORMED", None), ("id", "7f3c", "MALFORMED", None),
        ("image", "Nginx", "MALFORMED", "did you mean nginx?"), ("image", "a:b:c", "MALFORMED", None),
        ("image", "a@sha256:0", "MALFORMED", None), ("image", "0" * 64, "MALFORMED", None),
        ("image", "", "MALFORMED", None),
        ("command", [], "MALFORMED", "leave it out for the image's own"),
        ("command", "sh", "WRONG_TYPE", 'write it as a list: ["sh"]'),
        ("count", 0, "OUT_OF_RANGE", None), ("count", 1001, "OUT_OF_RANGE", None),
        ("count", 10**30, "OUT_OF_RANGE", None),
        ("stop_grace", -1, "OUT_OF_RANGE", None), ("strategy", "spred", "NOT_A_CHOICE", "did you mean spread?"),
        ("ports", [80], "WRONG_TYPE", None), ("ports", {}, "WRONG_TYPE", None), ("labels", [], "WRONG_TYPE", None),
        ("labels", {"a": 1}, "WRONG_TYPE", 'quote it: "1"'), ("labels", {"ormen.task": "x"}, "CONFLICT", None),
        ("env", {"A": True}, "WRONG_TYPE", 'quote it: "true"'), ("env", {"A=B": "x"}, "MALFORMED", None),
        ("env", {"A": "x\0"}, "MALFORMED", None), ("env", {"A": "x" * 200_000}, "TOO_LONG", None),
        ("env", {"A": "\ud800"}, "MALFORMED", None), ("env", {"A": float("inf")}, "OUT_OF_RANGE", None),
        ("health", {}, "REQUIRED", "for example http: /health"),
        ("health", {"tcp": 1, "command": ["a"]}, "CONFLICT", None),
        ("health", {"http": "/"}, "CONFLICT", "write it as :PORT/, or publish a port"),
        ("health", {"http": ":0/"}, "OUT_OF_RANGE", None), ("health", {"http": ":80/a b"}, "MALFORMED", None),
        ("health", {"tcp": 1, "expect": "200"}, "CONFLICT", None),
        ("health", {"tcp": 1, "interval": 0}, "OUT_OF_RANGE", None),
        ("volumes", [{"target": "/x"}], "REQUIRED", "for example name: data"),
        ("volumes", [{"name": "ab", "target": "x"}], "MALFORMED", "did you mean /x?"),
        ("volumes", [{"host": "/a/../b", "target": "/x"}], "MALFORMED", None),
        ("volumes", [{"name": "ab", "host": "/a", "target": "/x"}], "CONFLICT", None),
        ("volumes", [{"name": "ab", "target": "/x:rw"}], "MALFORMED", None),
        ("volumes", [{"name": "ab", "target": "/x"}, {"name": "cd", "target": "/x/"}], "DUPLICATE", None),
        ("constraints", ["zone"], "MALFORMED",
         "write zone=VALUE, zone!=VALUE, zone in (A,B), zone~REGEX or zone>=VERSION"),
        ("constraints", ["zone~(a+)+"], "MALFORMED",
         "write it as zone=eu, gpu!=none, disk in (ssd,nvme), zone~^eu- or kernel>=6.1"),
        ("retry_on", [0], "OUT_OF_RANGE", None), ("retry_on", [256], "OUT_OF_RANGE", None),
        ("retry_on", [], "MALFORMED", "leave it out for every code but 0"), ("retry_on", 75, "WRONG_TYPE", None),
        ("preferences", [{"weight": 1}], "REQUIRED", None), ("preferences", ["disk=ssd"], "WRONG_TYPE", None),
        ("preferences", [{"constraint": "disk=ssd", "weight": 101}], "OUT_OF_RANGE", None),
        ("spread", "zone=a", "MALFORMED", "name the label alone, such as zone"),
        ("max_per_node", 0, "OUT_OF_RANGE", None), ("near", "a b", "MALFORMED", None),
        ("priority", 101, "OUT_OF_RANGE", None), ("priority", "high", "WRONG_TYPE", None),
        ("deadline", {}, "REQUIRED", "leave deadline out for none"), ("deadline", "1h", "WRONG_TYPE", None),
        ("deadline", {"run": 0}, "OUT_OF_RANGE", None),
        ("deadline", {"run": 1, "runs": 1}, "UNKNOWN_FIELD", "did you mean run?"),
        ("deadline", {"wait": "9000h"}, "OUT_OF_RANGE", None),
        ("priviledged", True, "UNKNOWN_FIELD", "did you mean privileged?"), ("_schema", 1, "UNKNOWN_FIELD", None),
        ("", 1, "UNKNOWN_FIELD", None),
    ],
)  # fmt: skip
def test_faulty_values_are_refused(field: str, value: object, code: str, hint: str | None) -> None:
    """Each rule of a field refuses what breaks it, with its code and the probable meaning."""
    found = fault(**{field: value})
    assert (found.path[0], found.code, found.hint) == (field, code, hint)


def test_limits_are_at_least_what_is_reserved() -> None:
    """A limit below its reservation contradicts it, also where the reservation is the default."""
    assert fault(memory="1g", memory_limit="512m").detail == "512 MiB is less than memory, 1 GiB"
    assert fault(memory_limit="64m").detail == "64 MiB is less than memory, 128 MiB by default"
    assert fault(cpu=2, cpu_limit=1).path == ("cpu_limit",)
    assert one(memory="64m", memory_limit="1g").spec.memory_limit_bytes == GIB


@pytest.mark.parametrize(
    ("spec", "field", "hint"),
    [
        ({"name": "web", "far": "web"}, "far", "max_per_node: 1 keeps its copies apart"),
        ({"name": "web-2", "far": "web"}, "far", "max_per_node: 1 keeps its copies apart"),
        ({"name": "web", "count": 3, "far": "web-2"}, "far", "max_per_node: 1 keeps its copies apart"),
        ({"name": "web", "near": "web"}, "near", "leave it out"),
        ({"near": "db", "far": "db"}, "far", None),
    ],
)
def test_no_task_is_near_to_or_far_from_itself(spec: dict[str, object], field: str, hint: str | None) -> None:
    """Nor from its own group, which has a field of its own; and nothing is both near and far."""
    found = fault(**spec)
    assert (found.path, found.code, found.hint) == ((field,), "CONFLICT", hint)


def test_a_host_port_is_asked_once() -> None:
    """Two ports for one host port, protocol and address are a fault; a wildcard address takes the port on all."""
    port = {"container": 80, "host": 80}
    assert fault(ports=[port, {"container": 81, "host": 80}]).path == ("ports", 1, "host")
    assert fault(ports=[port | {"bind": "0.0.0.0"}, port | {"bind": "10.0.0.1"}]).code == "DUPLICATE"
    assert len(one(ports=[port, port | {"protocol": "udp"}, port | {"bind": "10.0.0.1"}]).spec.ports) == 3
    assert len(one(ports=[{"container": 80}, {"container": 80}]).spec.ports) == 2


def test_a_check_knows_its_port() -> None:
    """An HTTP check asks the port it names, else the first TCP port."""
    ports = [{"container": 53, "protocol": "udp"}, {"container": 8000}]
    assert one(health={"http": "/x"}, ports=ports).spec.health == HealthSpec(http="/x", port=8000)
    checked = one(health={"http": ":9000/ready", "expect": "200", "grace": "1m", "retries": 5.0}).spec.health
    assert checked == HealthSpec(http="/ready", port=9000, expect=(200, 200), grace_s=60.0, retries=5)
    assert one(health={"command": ["pg_isready"]}).spec.health == HealthSpec(command=("pg_isready",))


@pytest.mark.parametrize(
    ("sent", "image"),
    [
        ("nginx", "nginx:latest"), ("nginx:1.28", "nginx:1.28"), ("localhost:5000/a/b", "localhost:5000/a/b:latest"),
        ("[::1]:5000/a:1", "[::1]:5000/a:1"),
        ("r.example.com/a@sha256:" + "0" * 64, "r.example.com/a@sha256:" + "0" * 64),
        ("a__b/c--d.e", "a__b/c--d.e:latest"),
    ],
)  # fmt: skip
def test_images_are_read_as_docker_does(sent: str, image: str) -> None:
    """An image without tag and digest gets the tag latest; a port of the registry is no tag."""
    assert one(image=sent).spec.image == image


def test_restart_false_is_no() -> None:
    """YAML reads an unquoted no as false, so false means no."""
    assert one(restart=False).spec.restart == RestartPolicy("no")
    assert one(restart="on-failure:3").spec.restart == RestartPolicy("on-failure", 3)


def test_a_count_makes_copies() -> None:
    """The copies are named NAME-1 to NAME-N, have ids that follow from the first, and are answered as a list."""
    copies = load({"image": "nginx", "name": "web", "id": ID, "count": 3})
    assert [item.name for item in copies.items] == ["web-1", "web-2", "web-3"]
    assert copies.items[1].id == str(uuid.uuid5(uuid.UUID(ID), "2"))
    assert len({item.id for item in copies.items}) == 3
    assert load({"image": "nginx", "count": 1}).is_list
    assert fault(name="a" * 60, count=100).code == "TOO_LONG"


def test_same_content_has_the_same_digest() -> None:
    """Units, defaults and order of keys make no other content; a value or a name does."""
    assert one(memory="512MiB", id=ID).digest == one(memory=536870912, pull="if-missing").digest
    assert one(env={"A": "1", "B": 2}).digest == one(env={"B": "2", "A": 1}).digest
    assert one(name="a").digest != one(name="b").digest
    assert one(cpu=1).digest != one().digest


def test_default_names_within_a_list_differ() -> None:
    """Where four digits of the id are not enough for a list, more are taken; names that were given stay."""
    found = load([{"image": "acme/api:4"}, {"image": "acme/api:4"}, {"image": "x", "name": "api-0000"}])
    assert [item.name for item in found.items] == ["api-00000001", "api-00000002", "api-0000"]


def test_a_flood_of_faults_is_cut() -> None:
    """Of very many unknown fields a hundred are named, and of very many faults about a thousand."""
    flood = {"image": "a"} | {f"memory{number}": 1 for number in range(5000)}
    found = faults(flood)
    assert (len(found), found[-1].detail) == (101, "has 5000 unknown fields; the first 100 are named")
    assert 1000 <= len(faults([flood] * 50)) <= 1101
    assert fault(env={str(number): 1 for number in range(5000)}).code == "TOO_LONG"


def test_ids_and_names_stand_once_in_a_list() -> None:
    """A second task of the same id or name is a fault at its own place; copies count, too."""
    web = {"image": "a", "name": "web", "id": ID}
    assert [item.pointer for item in faults([web, web | {"id": ID.upper()}])] == ["/1/id", "/1/name"]
    assert [
        item.pointer for item in faults([{"image": "a", "name": "a", "count": 2}, {"image": "a", "name": "a-2"}])
    ] == ["/1/name"]


def test_at_most_a_thousand_tasks() -> None:
    """More than 1,000 tasks after count are too large, 1,000 are not."""
    assert len(load({"image": "a", "count": 1000}).items) == 1000
    for body in ([{"image": "a"}] * 1001, [{"image": "a", "count": 1000}, {"image": "a"}]):
        with pytest.raises(TooLarge, match="1001 tasks in one request; the most is 1000"):
            load(body)


@pytest.mark.parametrize("body", [None, True, 5, "x", [], [None], [[]], {"tasks": []}])
def test_other_bodies_are_refused(body: object) -> None:
    """What is neither a task nor a list of tasks is refused."""
    assert faults(body)


def test_host_paths_need_the_policy() -> None:
    """A path of the host that no rule allows is refused with the path, the rule and every pointer."""
    body = [{"image": "a", "volumes": [{"host": "/srv/x", "target": "/x"}, {"host": "/etc", "target": "/y"}]}]
    with pytest.raises(PolicyForbids, match=r"policy forbids the host path /etc \(host_paths: /srv\)") as caught:
        load(body, Policy(("/srv",)))
    assert [item.pointer for item in caught.value.faults] == ["/0/volumes/1/host"]
    assert load(body, Policy(("/",))).items[0].spec.volumes[1].host == "/etc"


def test_a_stored_spec_resolves_to_the_same() -> None:
    """What was stored resolves to what was accepted; its id and name are its task's."""
    item = one(name="web", id=ID, ports=[{"container": 80}], volumes=[{"name": "pgdata", "target": "/data"}])
    assert resolve(item.raw) == replace(item.spec, name=None, id=None)


def test_what_differs_in_id_and_name_only_is_read_once() -> None:
    """The tasks of a list share what they have in common."""
    first, second = (resolve({"image": "nginx", "name": name, "ports": [{"container": 80}]}) for name in ("a", "b"))
    assert first is second


def test_a_later_request_for_the_same_is_not_read_again() -> None:
    """A deck remembers what it read, but none so long that thousands of it would fill its memory."""
    assert one(env={"KEY": "short"}).spec is one(env={"KEY": "short"}).spec
    assert one(env={"KEY": "x" * LONGEST_REMEMBERED}).spec is not one(env={"KEY": "x" * LONGEST_REMEMBERED}).spec


def test_one_of_many_alike_is_not_far_from_itself() -> None:
    """Rules that look at a task's own name hold for each of a list, whatever else it has in common with the others."""
    body = [{"image": "nginx", "name": name, "far": "db"} for name in ("web", "db", "db-2")]
    assert {fault.pointer for fault in faults(body)} == {"/1/far", "/2/far"}


def test_a_fault_of_a_name_hides_no_other() -> None:
    """Where many tasks are alike, one with a faulty id and name is told both."""
    body = [{"image": "nginx", "name": "web"}, {"image": "nginx", "name": "-", "id": "x"}]
    assert {fault.pointer for fault in faults(body)} == {"/1/name", "/1/id"}


@pytest.mark.parametrize("field", [{"id": "7f3c2a10-5b1e-4c0e-9d38-2f6a1c90b7e4"}, {"name": "web"}])
def test_a_task_without_a_name_or_an_id_is_not_given_those_of_one_like_it(field: dict[str, str]) -> None:
    """What tasks of a list have in common is read once; id and name are not in common."""
    made = iter(str(uuid.UUID(int=number)) for number in range(9))
    first, *others = load_submission(
        [{"image": "nginx", **field}, {"image": "nginx"}, {"image": "nginx"}],
        policy=Policy(()),
        new_id=lambda: next(made),
    ).items
    assert {key: first.raw[key] for key in field} == field
    assert len({item.id for item in (first, *others)}) == 3
    assert all(item.name.startswith("nginx-") for item in others)
