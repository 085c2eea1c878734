import json
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ormen.errors import InvalidSpec
from ormen.node import Node, NodeState, Resources
from ormen.policy import Policy
from ormen.schema import load_submission
from ormen.seed import SeedError, SeedEvent, is_seed, render_node, render_task, sentence, to_event
from ormen.task import Port, State, Task, Wanted

ID = "bb1d59ef-9fc1-4e4b-a44d-db571eeed203"
TASK1 = {
    "ID": ID, "ContainerID": "", "Name": "test-chapter-9.1", "State": 1, "Image": "timboring/echo-server:latest",
    "Cpu": 0, "Memory": 0, "Disk": 0, "ExposedPorts": {"7777/tcp": {}}, "HostPorts": None,
    "PortBindings": {"7777/tcp": "7778"}, "RestartPolicy": "",
    "StartTime": "0001-01-01T00:00:00Z", "FinishTime": "0001-01-01T00:00:00Z",
    "HealthCheck": "/health", "RestartCount": 0,
}  # fmt: skip
RAW1 = {
    "id": ID, "name": "test-chapter-9.1", "image": "timboring/echo-server:latest",
    "ports": [{"container": 7777, "host": 7778}], "health": {"http": "/health", "expect": "200"},
}  # fmt: skip


def event(task: Any, *, state: int = 2, name: str = "Sail") -> dict[str, Any]:
    return {
        "ID": "a7aa1d44-08f6-443e-9378-f5884311018e",
        "State": state,
        "Timestamp": "2024-01-01T00:00:00Z",
        name: task,
    }


def record(raw: dict[str, Any], **known: Any) -> Task:
    fields = {"wanted": Wanted.RUNNING, "state": State.PENDING, "created_ms": 0, "container_name": "x.1"} | known
    return Task(id=ID, name=raw.get("name", "x"), spec=raw, **fields)


@pytest.mark.parametrize("body", [event(TASK1), event(TASK1, name="Task"), TASK1, event(TASK1, state=0)])
def test_each_form_of_an_event_asks_to_run(body: dict[str, Any]) -> None:
    """Both envelopes and the bare task give the same spec."""
    assert to_event(body) == SeedEvent("run", ID, RAW1)
    assert is_seed(body)


def test_keys_match_in_any_case() -> None:
    """Go matches keys in any case, and so does the translation; unknown keys are ignored."""
    task = {"iD": ID, "IMAGE": "a", "CPU": 0.5, "memory": 64 * 1024**2, "extra": 1}
    raw = {"id": ID, "image": "a", "cpu": 0.5, "memory": 64 * 1024**2}
    assert to_event({"state": 2, "SAIL": task}) == SeedEvent("run", ID, raw)


def test_state_three_stops() -> None:
    """An event that wants state 3 stops its task, whatever the task's own state says; a bare task is run."""
    stop = event({"State": 2, "ID": ID, "Image": "x"}, state=3, name="Task")
    assert to_event(stop) == SeedEvent("stop", ID, {})
    assert to_event({"ID": ID, "State": 3, "Image": "x"}).action == "run"
    with pytest.raises(SeedError, match="ID is needed"):
        to_event(event({}, state=3))


def test_zero_values_mean_not_given() -> None:
    """Zeros, empty strings and the zero id are what Go sends for nothing."""
    task = {
        "ID": "00000000-0000-0000-0000-000000000000",
        "Name": "",
        "Image": "a",
        "Cpu": 0,
        "Memory": 0,
        "RestartPolicy": "",
    }
    assert to_event(event(task)) == SeedEvent("run", None, {"image": "a"})
    assert to_event(event({"Image": "a", "Cpu": 0.00001})).raw["cpu"] == 0.001


def test_an_exposed_port_without_a_binding_is_published() -> None:
    """Exposed ports take a port from the pool unless they are bound; a missing protocol is tcp."""
    raw = to_event(
        event({"Image": "a", "ExposedPorts": {"80/tcp": {}, "53/udp": {}}, "PortBindings": {"80": "8080"}})
    ).raw
    assert raw["ports"] == [{"container": 80, "host": 8080}, {"container": 53, "protocol": "udp"}]


@pytest.mark.parametrize(
    ("body", "said"),
    [
        ([], "The body is not an event: a JSON object is needed."), (event(5), "Sail must be an object."),
        (event({"Name": 5}), "Name must be a string."), (event({"Memory": "1g"}), "Memory must be a whole number."),
        (event({"Cpu": True}), "Cpu must be a number."), ({"State": "2", "Task": {}}, "State must be a whole number."),
        (event({"ID": "x"}), "ID is not a UUID such as bb1d59ef-9fc1-4e4b-a44d-db571eeed203."),
        (event({"PortBindings": {"80": 80}}), 'PortBindings["80"] must be a string such as "7777".'),
        (event({"PortBindings": {"x": "80"}}), 'PortBindings: "x" is not a port such as 7777/tcp.'),
        (event({"PortBindings": {"80": "a"}}), 'PortBindings["80/tcp"]: "a" is not a port.'),
        (event({"ExposedPorts": ["80"]}), "ExposedPorts must be an object."),
    ],
)  # fmt: skip
def test_a_body_of_wrong_types_is_refused_in_one_sentence(body: object, said: str) -> None:
    """What Go could not decode is refused, and the sentence names the key."""
    with pytest.raises(SeedError) as caught:
        to_event(body)
    assert str(caught.value) == said


def test_faults_of_the_spec_name_the_seeds_keys() -> None:
    """A translated spec that is faulty is refused in the client's own words."""
    raw = to_event(event({"Name": "a b", "HealthCheck": "/x"})).raw
    with pytest.raises(InvalidSpec) as caught:
        load_submission(raw, policy=Policy(), new_id=lambda: ID)
    assert sentence(caught.value).startswith("Name: a name has letters")
    assert "; Image: is required; HealthCheck: no port to ask" in sentence(caught.value)


def test_a_task_comes_back_as_it_was_sent() -> None:
    """A task that was accepted is rendered with every field, in the seeds' order and types."""
    assert json.dumps(render_task(record(RAW1, state=State.SCHEDULED))) == json.dumps(TASK1)


def test_a_running_task_shows_its_bindings_and_times() -> None:
    """What is known of a running task is rendered from the record, amounts in cores and bytes."""
    raw = {"image": "a", "cpu": 0.5, "memory": "64MiB", "ports": [{"container": 80}], "restart": "on-failure:3"}
    known = {
        "state": State.RUNNING,
        "ports": (Port(80, 20001),),
        "container_id": "c" * 64,
        "started_ms": 1500,
        "tries": 2,
    }
    shown = render_task(record(raw, **known))
    assert (shown["Cpu"], shown["Memory"], shown["State"], shown["RestartCount"]) == (0.5, 64 * 1024**2, 2, 2)
    assert shown["HostPorts"] == {"80/tcp": [{"HostIp": "0.0.0.0", "HostPort": "20001"}]}
    assert (shown["PortBindings"], shown["ExposedPorts"]) == (None, {"80/tcp": {}})
    assert (shown["StartTime"], shown["FinishTime"]) == ("1970-01-01T00:00:01.500Z", "0001-01-01T00:00:00Z")
    assert (shown["RestartPolicy"], shown["ContainerID"]) == ("on-failure", "c" * 64)


def test_a_node_has_every_field_whatever_was_measured() -> None:
    """A node is rendered whole: kB of memory, bytes of disk, zeros for what no agent has told."""
    capacity = Resources(4000, 8 * 1024**3, 10**11)
    measured = {"MemStats": {"mem_total": 5, "mem_free": "x"}, "LoadStats": {"last1min": 1}}
    node = Node("n1", NodeState.READY, capacity=capacity, address="10.0.0.1", tasks=2, facts={"stats": measured})
    shown = render_node(node)
    assert (shown["Memory"], shown["Disk"], shown["Role"], shown["TaskCount"]) == (8388608, 10**11, "worker", 2)
    assert list(shown) == [
        "Name", "Ip", "Api", "Memory", "MemoryAllocated", "Disk", "DiskAllocated", "Stats", "Role", "TaskCount"
    ]  # fmt: skip
    assert (shown["Stats"]["MemStats"]["mem_total"], shown["Stats"]["MemStats"]["mem_free"]) == (5, 0)
    assert list(shown["Stats"]) == ["MemStats", "DiskStats", "CpuStats", "LoadStats", "TaskCount"]


def test_our_own_dialect_is_not_theirs() -> None:
    """A task in our fields, and what is no object, are not the seeds' dialect."""
    assert not any(map(is_seed, ({"image": "a", "name": "b"}, {}, [TASK1], None)))


VALUES = st.recursive(
    st.none()
    | st.booleans()
    | st.integers()
    | st.floats()
    | st.text(max_size=5)
    | st.sampled_from(["80/tcp", ID, "80"]),
    lambda inner: (
        st.dictionaries(st.sampled_from([*TASK1, "Sail", "task", "80/udp", ""]), inner) | st.lists(inner, max_size=2)
    ),
)


@given(VALUES)
def test_any_body_is_translated_or_refused(body: Any) -> None:
    """No body raises anything but a refusal, and what is accepted can be rendered again."""
    try:
        raw = dict(to_event(body).raw)
        item = load_submission(raw, policy=Policy(), new_id=lambda: ID).items[0]
    except SeedError:
        return
    except InvalidSpec as error:
        assert sentence(error).endswith(".")  # noqa: PT017 - a refusal is one of the two right outcomes
        return
    json.dumps(render_task(record(dict(item.raw))), allow_nan=False)
