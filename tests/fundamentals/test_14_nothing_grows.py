"""Lesson 14. Nothing grows for ever: what has ended is kept for a while, and for as many as one may want to look at."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

from manager_api import submission
from manager_api.control.app import Metronome, make_worker_app
from manager_api.control.loops import Loops
from ormen.broker import make_app, queue
from ormen.task import State, Task
from tests.fundamentals.world import World

DAY_MS = 86_400_000


def completed(world: World, name: str = "job") -> Task:
    """Run a task to its end."""
    task = world.run(name, restart="no")
    sailor = next(sailor for sailor in world.sailors if sailor.name == task.node)
    sailor.engine.exit(task.container_name, 0)
    ended = world.settle(task)
    assert ended.state is State.COMPLETED
    return ended


def age(world: World, task: Task, *, days: float) -> None:
    """Let a task have ended so long ago."""
    world.store.client.zadd(world.store.keys.ended, {task.id: world.store.now_ms() - days * DAY_MS})


def clean(world: World, **settings: Any) -> None:
    """Let the cleanup loop run now, whenever it ran before."""
    world.store.client.hdel(world.store.keys.loops, "cleanup:began")
    world.store.client.delete(world.store.keys.lease("sweep"))
    Loops(world.store, world.ringer, replace(world.settings, **settings)).cleanup()


def watched(world: World, node: str, *, silent_days: float) -> None:
    """Let a node have been silent for days while liveness watched for two hours."""
    world.silence(node, seconds=int(silent_days * 86_400))
    world.store.client.hset(world.store.keys.loops, "since", world.store.now_ms() - 7_200_000)


def test_an_ended_task_is_kept_for_a_week(world: World) -> None:
    """Then it is removed as by `ormen rm`: with an event that says why, and with its container."""
    sailor = world.sailor("node-1")
    young, old = completed(world, "young"), completed(world, "old")
    age(world, young, days=6.9), age(world, old, days=7.1)
    clean(world)
    sailor.look_into_inbox()
    assert world.store.read([old.id]) == {old.id: None}
    assert sailor.container(old) is None
    assert world.now(young).state is State.COMPLETED
    last = world.store.events(task=old.id)[-1]
    assert (last.type, last.sentence) == ("task.removed", "It had ended over 7d before.")


def test_the_newest_ended_tasks_are_kept(world: World) -> None:
    """However young they are, those beyond the number to be kept go, the longest ended first."""
    world.sailor("node-1")
    tasks = [completed(world, f"job-{n}") for n in range(4)]
    clean(world, keep_ended=2)
    assert [world.store.task(task.id) is not None for task in tasks] == [False, False, True, True]


def test_what_lives_is_never_too_old(world: World) -> None:
    """Only an end makes a task age; one that was started again is young, and leaves the index of the ended."""
    world.sailor("node-1")
    again, runs = completed(world, "again"), world.run("runs")
    age(world, again, days=30)
    submission.restart(world.deck, again)
    clean(world, keep_ended=0)
    assert world.settle(again).state is State.RUNNING
    assert world.now(runs).state is State.RUNNING
    assert world.store.client.zcard(world.store.keys.ended) == 0


def test_a_task_that_is_started_again_while_it_is_being_removed_stays(world: World) -> None:
    """The script looks again at what the loop has chosen, so the user's wish comes first."""
    world.sailor("node-1")
    task = completed(world)
    victims = world.store.ended_beyond(0)
    assert victims.ids == (task.id,)
    submission.restart(world.deck, task)
    assert world.store.prune(victims, why="too old").ids == ()
    assert world.settle(task).state is State.RUNNING


def test_a_task_that_has_ended_anew_meanwhile_stays(world: World) -> None:
    """It was chosen for an earlier end."""
    world.sailor("node-1")
    task = completed(world)
    age(world, task, days=8)
    victims = world.store.ended_beyond(0)
    age(world, task, days=0)
    assert world.store.prune(victims, why="too old").ids == ()


def test_an_index_without_a_record_is_put_right(world: World) -> None:
    """Whatever has become of a record, nothing is in the way of the next one's removal."""
    world.sailor("node-1")
    lost, old = completed(world, "lost"), completed(world, "old")
    world.store.client.delete(world.store.keys.task(lost.id))
    clean(world, keep_ended=0)
    assert world.store.client.zcard(world.store.keys.ended) == 0
    assert world.store.task(old.id) is None


def test_an_old_task_of_an_absent_agent_leaves_its_tombstone(world: World) -> None:
    """Absence is never an order: as long as a container of it may be somewhere, its record says that it is to go."""
    sailor = world.sailor("node-1")
    task = completed(world)
    sailor.lose_redis()
    clean(world, keep_ended=0)
    assert world.store.task(task.id) is None
    sailor.find_redis()
    assert sailor.container(task) is None
    assert world.store.read([task.id]) == {task.id: None}


def test_a_node_that_is_long_dead_is_forgotten(world: World) -> None:
    """After a week without a word, once it has no task, all its keys and Celery's go, as by `ormen mast rm`."""
    world.sailor("node-1"), world.sailor("node-2")
    with make_app(world.settings, "sailor").connection_for_write() as connection:
        queue("node.node-1")(connection.default_channel).declare()
    assert len(list(world.store.client.scan_iter("_kombu*node-1"))) == 2
    watched(world, "node-1", silent_days=7.1)
    world.loops.liveness()
    clean(world)
    assert [node.name for node in world.store.nodes()] == ["node-2"]
    assert list(world.store.client.scan_iter("*node-1*")) == []
    assert world.store.events(node="node-1")[-1].type == "node.removed"


def test_a_week_without_a_deck_makes_no_node_dead(world: World) -> None:
    """When nobody listened, silence says nothing: every node has an hour to speak."""
    world.sailor("node-1")
    world.silence("node-1", seconds=8 * 86_400)
    world.store.client.hset(world.store.keys.loops, "since", world.store.now_ms() - 3_000_000)
    clean(world)
    assert [node.name for node in world.store.nodes()] == ["node-1"]


def test_a_node_that_went_down_on_purpose_is_not_forgotten_at_once(world: World) -> None:
    """Its heartbeat is set to never; what counts is when it left."""
    sailor = world.sailor("node-1")
    sailor.store.leave("node-1", sailor.agent.station.instance)
    world.store.client.hset(world.store.keys.loops, mapping={"since": 1, "liveness:began": world.store.now_ms()})
    clean(world)
    assert [node.name for node in world.store.nodes()] == ["node-1"]


def test_a_dead_node_that_has_somebodys_volume_is_remembered(world: World) -> None:
    """A task that can run nowhere else waits for it, and says so."""
    world.sailor("node-1"), world.sailor("node-2")
    world.run("db", volumes=[{"name": "pgdata", "target": "/data"}], constraints=["node=node-1"])
    watched(world, "node-1", silent_days=8)
    world.loops.liveness()
    clean(world)
    assert [node.name for node in world.store.nodes()] == ["node-1", "node-2"]


def test_a_lost_nodes_inbox_does_not_grow(world: World) -> None:
    """Whatever is asked of its tasks, its agent reads it from the records when it is back."""
    sailor = world.sailor("node-1")
    task = world.run()
    world.silence("node-1")
    world.loops.liveness()
    for _ in range(5):
        submission.stop(world.deck, world.now(task))
        submission.restart(world.deck, world.now(task))
    submission.stop(world.deck, world.now(task))
    assert world.store.client.llen(world.store.keys.inbox("node-1")) == 0
    sailor.beat()
    sailor.look_at_everything()
    assert sailor.container(task) is None or not sailor.container(task).running  # type: ignore[union-attr]


def test_keys_of_nobody_are_swept(world: World) -> None:
    """Once an hour: what stands under a node or an engine that is not there goes, and nothing else."""
    world.sailor("node-1")
    task = world.run("web", ports=[{"container": 80, "host": 8080}])
    client, keys = world.store.client, world.store.keys
    client.rpush(keys.inbox("gone"), task.id), client.hset(keys.ports("old-engine"), "80/tcp", f"0.0.0.0={task.id}")
    client.set("node:gone", "of somebody else"), client.rpush("node.gone", "of somebody else, too")
    before = set(client.scan_iter("*"))
    assert world.store.strays() == (["gone"], ["old-engine"])
    clean(world)
    assert before - set(client.scan_iter("*")) == {keys.inbox("gone"), keys.ports("old-engine")}
    assert world.node("node-1").tasks == 1


def test_what_has_joined_since_it_was_missed_is_not_swept(world: World) -> None:
    """The walk takes a while; the script looks again before it deletes."""
    world.sailor("node-1")
    task = world.run("web", ports=[{"container": 80, "host": 8080}])
    assert world.store.sweep(["node-1"], ["engine-of-node-1"]) == 0
    assert world.store.node_ports(world.node("node-1")) == {"8080/tcp": task.name}


def test_a_request_that_ran_out_leaves_nothing(world: World) -> None:
    """An agent that comes too late to claim one must not bring it back for ever."""
    sailor = world.sailor("node-1")
    task = world.run()
    request = world.store.ask(task, "logs", {})
    assert request is not None
    world.store.client.delete(world.store.keys.request(request))
    sailor.store.claim(request)
    assert 0 < world.store.client.ttl(world.store.keys.request(request)) <= 60


def test_a_container_is_kept_for_a_day_after_its_task_ended(world: World) -> None:
    """Then its agent removes it. The record stays what it was, with the last lines, and names no container any more."""
    sailor = world.sailor("node-1")
    task = world.run("job", restart="no")
    sailor.engine.say(task.container_name, "done")
    sailor.engine.exit(task.container_name, 0)
    ended = world.settle(task)
    sailor.look_at_everything()
    assert sailor.container(task) is not None
    a_day_ago = world.store.now_ms() - DAY_MS - 1
    world.store.client.hset(world.store.keys.task(task.id), "ended", a_day_ago)
    sailor.look_at_everything()
    now = world.now(task)
    assert sailor.container(task) is None
    assert (now.state, now.exit_code, now.container_id) == (State.COMPLETED, 0, None)
    assert (now.attempts[0].log_tail, now.attempts[0].container_id) == (("done",), ended.container_id)
    assert world.store.node_task_ids("node-1") == []


def test_a_node_keeps_so_many_containers_of_ended_tasks(world: World) -> None:
    """Of ended tasks the newest are kept for their logs; what runs does not count."""
    sailor = world.sailor("node-1", keep_containers=2)
    tasks = [completed(world, f"job-{n}") for n in range(4)]
    runs = world.run("runs")
    sailor.look_at_everything()
    assert [sailor.container(task) is not None for task in tasks] == [False, False, True, True]
    assert world.settle(runs).state is State.RUNNING


def test_a_task_whose_container_was_dropped_can_be_started_again(world: World) -> None:
    """It is placed anew; nothing of the old container is missed."""
    sailor = world.sailor("node-1", keep_containers=0)
    task = completed(world)
    sailor.look_at_everything()
    submission.restart(world.deck, world.now(task))
    again = world.settle(task)
    assert (again.state, again.attempt) == (State.RUNNING, 2)
    assert sailor.container(task) is not None


def test_what_has_been_started_again_meanwhile_is_not_dropped(world: World) -> None:
    """The record is read anew before anything is removed."""
    sailor = world.sailor("node-1")
    task = completed(world)
    submission.restart(world.deck, task)
    assert world.settle(task).state is State.RUNNING
    sailor.agent.controller.drop(task)
    sailor.agent.lanes.drain()
    found = sailor.container(task)
    assert found is not None
    assert found.running


def test_only_the_end_for_which_it_was_chosen_drops_a_container(world: World) -> None:
    """A task that has run and ended once more meanwhile has a young container."""
    sailor = world.sailor("node-1")
    first = completed(world)
    submission.restart(world.deck, first)
    world.settle(first)
    sailor.engine.exit(first.container_name, 0)
    world.settle(first)
    sailor.agent.controller.drop(first)
    sailor.agent.lanes.drain()
    assert sailor.container(first) is not None


def test_a_container_that_never_ran_is_not_kept(world: World) -> None:
    """An agent that was killed between create and start leaves one; once its task has ended nobody wants it."""
    sailor = world.sailor("node-1")
    task = completed(world)
    sailor.engine.change(sailor.engine.find(task.container_name), state="created")  # type: ignore[arg-type]
    sailor.look_at_everything()
    assert sailor.container(task) is None


def test_ticks_that_nobody_takes_do_not_pile_up(world: World) -> None:
    """While the control worker is away beat goes on, and keeps the newest thousand; the loops make up for the rest."""
    client = world.store.client
    client.lpush("tick", *["old"] * 1500), client.lpush("control", *["ring"] * 20)
    beat = Metronome(app=make_worker_app(world.settings))
    beat.apply_entry(beat.schedule["cleanup"], producer=beat.producer)
    assert (client.llen("tick"), client.llen("control")) == (1000, 20)
    assert "manager_api.cleanup" in client.lindex("tick", 0)
    beat.app.close()
