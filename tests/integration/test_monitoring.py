"""What `/metrics` serves, and that the alert rules, the dashboard and the page ask for nothing else."""

from __future__ import annotations

import json
import re
from pathlib import Path
from typing import Any

import pytest
import yaml
from flask.testing import FlaskClient

from manager_api.control.app import Metronome, make_worker_app
from manager_api.control.loops import INTERVALS_MS, Loops
from ormen.client import Client
from ormen.messages import TICK_QUEUE
from ormen.reasons import Code
from ormen.ringer import Ringer
from ormen.settings import Settings
from ormen.store.figures import STEPS, Durations, figures_of, step_of
from ormen.store.loops import LoopStore
from tests.integration.promql import complaints, labels_of, samples
from tests.integration.sailors import Sailor
from tests.integration.served import Deck
from tests.waiting import wait_until

DOCS = Path(__file__).resolve().parents[2] / "docs"
RULES = yaml.safe_load((DOCS / "monitoring" / "alerts.yml").read_text())["groups"][0]["rules"]
PANELS = json.loads((DOCS / "monitoring" / "dashboard.json").read_text())["panels"]


def figure(api: FlaskClient, series: str) -> float | None:
    """One figure of /metrics."""
    lines = api.get("/metrics").get_data(as_text=True).splitlines()
    return next((float(line.rpartition(" ")[2]) for line in lines if line.rpartition(" ")[0] == series), None)


def traffic(client: Client, sailor: Sailor, store: LoopStore, settings: Settings) -> None:
    """Let happen what a cluster sees in a day: tasks that run, end, fail, crash and wait, and every loop."""
    for name in ("web", "bad", "job", "loop"):
        sailor.start(client.run("nginx", name=name).id)
    tasks = {task["name"]: task["id"] for task in client.tasks()}
    sailor.end(tasks["job"])
    sailor.end(tasks["bad"], exit_code=1)
    sailor.refuse(tasks["loop"], Code.EXIT, "Exited with code 1.")
    client.run("nginx", name="huge", memory="64GiB")
    loops = Loops(store, Ringer(store), settings)
    for loop in INTERVALS_MS:
        getattr(loops, loop)()


@pytest.fixture
def text(served: Deck, sailor: Sailor, store: LoopStore, settings: Settings) -> str:
    """What a deck of two processes serves after some traffic."""
    assert served.get("/readyz") == 503
    traffic(Client(f"127.0.0.1:{served.port}"), sailor, store, settings)
    connection, answer = served.stream("/metrics")
    found = answer.read().decode()
    connection.close()
    return found


def texts(rule: dict[str, Any]) -> set[str]:
    """The labels that a rule's sentences name."""
    return set(re.findall(r"\$labels\.(\w+)", " ".join(rule["annotations"].values())))


def test_rules_dashboard_and_page_ask_for_what_is_served(text: str) -> None:
    """Every expression is parsed; each name, label and value in it is served; the page has each metric and no other."""
    there = samples(text)
    wrong = {rule["alert"]: found for rule in RULES if (found := complaints(rule["expr"], there))}
    wrong |= {rule["alert"]: [*strange] for rule in RULES if (strange := texts(rule) - labels_of(rule["expr"], there))}
    for panel in PANELS:
        for target in panel["targets"]:
            named = set(re.findall(r"\{\{(\w+)\}\}", target["legendFormat"])) - labels_of(target["expr"], there)
            found = [*complaints(target["expr"], there), *named]
            wrong |= {panel["title"]: found} if found else {}
    assert wrong == {}
    told = set(re.findall(r"^\| `(ormen_\w+)`", (DOCS / "monitoring.md").read_text(), re.MULTILINE))
    assert told == {re.sub("_(bucket|sum|count)$", "", name) for name in there} - {"up"}


def test_a_rule_that_asks_for_something_else_is_found(text: str) -> None:
    """The check itself: a name, a label, a value or a grouping that is not there is named; nonsense is refused."""
    there = samples(text)
    assert complaints("ormen_task > 0", there) == ["no metric ormen_task"]
    assert complaints('ormen_tasks{stat="pending"}', there) == ["ormen_tasks: no label stat"]
    assert complaints('ormen_tasks{state="waiting"}', there)[0].startswith("ormen_tasks: no state=waiting, only")
    assert complaints('rate(ormen_events_total{type=~"x.*"}[5m])', there) == ["ormen_events_total: no type fits x.*"]
    assert complaints("sum by (nod) (ormen_nodes)", there) == ["grouped by nod, which no series has"]
    with pytest.raises(ValueError):
        complaints("sum by (state (ormen_nodes)", there)


def test_every_event_is_counted_once_and_by_its_reason(api: FlaskClient, sailor: Sailor) -> None:
    """The counter of a type and reason is the number of such events in the stream; before the first it is 0."""
    failed = 'ormen_events_total{reason="EXIT",type="task.failed"}'
    assert figure(api, failed) == 0
    for name in ("a", "b"):
        sailor.start(api.post("/v1/tasks", json={"image": "nginx", "name": name}).get_json()["id"])
        sailor.end(api.get(f"/v1/tasks/{name}").get_json()["id"], exit_code=1)
    api.post("/v1/tasks", json={"image": "nginx", "name": "huge", "memory": "64GiB"})
    assert figure(api, failed) == 2
    assert figure(api, 'ormen_events_total{reason="",type="task.placed"}') == 2
    assert figure(api, 'ormen_events_total{reason="FIT_MEMORY",type="task.waiting"}') == 1
    assert figure(api, "ormen_task_start_seconds_count") == 2
    assert figure(api, "ormen_placing_seconds_count") == 3


def test_room_is_told_by_state_and_resource(api: FlaskClient, sailor: Sailor) -> None:
    """What nodes have and have given away is added up for each state; a cordoned node's room is not a ready one's."""
    Sailor(sailor.store, "node-2").join()
    api.post("/v1/nodes/node-2/cordon")
    api.post("/v1/tasks", json={"image": "nginx", "cpu": 1.5, "memory": "1GiB"})
    for resource, has, taken in (("cpu", 4, 1.5), ("memory", 4 * 1024**3, 1024**3)):
        assert figure(api, f'ormen_nodes_capacity{{resource="{resource}",state="ready"}}') == has
        assert figure(api, f'ormen_nodes_capacity{{resource="{resource}",state="cordoned"}}') == has
        assert figure(api, f'ormen_nodes_reserved{{resource="{resource}",state="ready"}}') == taken


def test_the_age_of_the_oldest_message_is_told(api: FlaskClient, sailor: Sailor, settings: Settings) -> None:
    """The first message of a queue says when it was sent: of a node's, of the loops', and none of an empty one."""
    assert figure(api, 'ormen_queue_oldest_seconds{queue="node.node-1"}') == 0
    api.post("/v1/tasks", json={"image": "nginx"})
    beat = Metronome(make_worker_app(settings))
    beat.apply_async(beat.schedule["liveness"], producer=beat.producer, advance=False)
    for queue in ("node.node-1", TICK_QUEUE):
        wait_until(lambda name=queue: (figure(api, f'ormen_queue_oldest_seconds{{queue="{name}"}}') or 0) > 0.1)
    beat.close()
    assert figure(api, 'ormen_queue_oldest_seconds{queue="control"}') == 0


def test_a_strange_method_is_no_series_of_its_own(api: FlaskClient) -> None:
    """Whoever sends words without number as methods adds one series."""
    for number in range(5):
        api.open("/v1/tasks", method=f"WORD{number}")
    assert figure(api, 'ormen_http_requests_total{method="other",route="none",status="405"}') == 5


def test_requests_under_way_are_counted_until_they_end(api: FlaskClient) -> None:
    """The request for the figures is itself under way; refused ones and failed ones leave none behind."""
    for path in ("/nowhere", "/v1/tasks/none", "/v1/tasks?limit=x"):
        api.get(path)
    assert figure(api, "ormen_http_requests_in_flight") == 1


@pytest.mark.parametrize(("ms", "step"), [(0, 0), (1, 0), (2, 1), (3, 2), (4, 2), (5, 3), (1024, 10), (1025, 11)])
def test_a_duration_is_counted_under_the_least_limit_that_holds_it(ms: int, step: int) -> None:
    """Python's rule; the script's is the same, and the buckets of both add up."""
    assert step_of(ms) == step
    limits = [limit for limit, count in Durations({step: 1}, ms).buckets() if count]
    assert limits[0] == 2**step / 1000 >= ms / 1000
    assert len(limits) == STEPS + 1 - step


def test_figures_of_another_version_are_passed_over() -> None:
    """A field that is not known is no fault: a newer deck may have written it."""
    raw = {"event task.placed ": "3", "start 4": "2", "start sum": "20", "later thing 7": "1", "races": "5"}
    found = figures_of(raw)
    assert (list(found.events.values()), found.starts.sum_ms, found.races) == ([3], 20, 5)


def test_a_scrape_of_many_nodes_is_bounded(api: FlaskClient, sailor: Sailor) -> None:
    """A node adds two series, a task none; of events there is one for each type and code, whatever happens."""

    def series() -> int:
        lines = api.get("/metrics").get_data(as_text=True).splitlines()
        return sum(not line.startswith(("#", "ormen_events_total")) for line in lines)

    sailors = [Sailor(sailor.store, f"node-{number}").join() for number in range(2, 12)]
    api.post("/v1/tasks", json={"image": "nginx", "count": 20})
    series()  # the first scrape adds the series of scraping itself
    before = series()
    sailors += [Sailor(sailor.store, f"node-{number}").join() for number in range(12, 32)]
    api.post("/v1/tasks", json={"image": "nginx", "count": 200})
    assert series() - before == 2 * 20
