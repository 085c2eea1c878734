"""What the command says of a mass loss."""

from __future__ import annotations

from cli_stub import UP, Answer, deck, node, ormen, problem

from ormen.brake import Brake

HELD = Brake(since_ms=1_795_255_335_791, silent=4, known=6, nodes=("node-1", "node-2"), tasks=37)
WIRE = HELD.to_json(now_ms=1_795_255_340_000)
LOST = {"code": "BRAKE", "sentence": "Its agent last spoke 12s ago; its tasks wait for its return."}
SAID = "! 4 of 6 nodes are silent; their 37 tasks wait for their return. Release: ormen mast release\n"


def test_mast_says_what_is_held_and_how_to_let_go() -> None:
    """Under the table stands how many are silent, how much waits, and the command; each node says it, too."""
    fleet = {"items": [node("node-1", state="lost", state_reason=LOST)], "next": None}
    with deck({"GET /v1/nodes": fleet, "GET /v1/brake": WIRE}) as stub:
        shown = ormen("mast", at=stub.address)
    assert "its tasks wait for its return" in shown.stdout
    assert shown.stderr == SAID


def test_mast_asks_for_no_brake_while_none_holds() -> None:
    """A fleet that is well is asked for nothing more."""
    with deck({"GET /v1/nodes": {"items": [node("node-1")], "next": None}}) as stub:
        ormen("mast", at=stub.address)
    assert "/v1/brake" not in [seen.path for seen in stub.seen]


def test_status_names_the_node_that_a_task_waits_for() -> None:
    """A task that stands as running on a silent node says so, in the list and alone."""
    answers = {
        "GET /v1/tasks": {"items": [UP], "next": None},
        "GET /v1/tasks/web": UP,
        f"GET /v1/tasks/{UP['id']}/attempts": {"items": [], "next": None},
        "GET /v1/brake": WIRE,
    }
    with deck(answers) as stub:
        listed, alone = ormen("status", at=stub.address), ormen("status", "web", at=stub.address)
    sentence = "Waits for node-1, which fell silent together with others."
    assert sentence in listed.stdout
    assert listed.stderr.endswith(SAID)
    assert sentence in alone.stdout


def test_a_deck_that_knows_no_brake_does_not_stop_the_list() -> None:
    """What is said of a mass loss comes on top."""
    with deck({"GET /v1/tasks": {"items": [UP], "next": None}}) as stub:
        shown = ormen("status", at=stub.address)
    assert (shown.returncode, "web" in shown.stdout) == (0, True)


def test_release_says_what_is_placed_anew() -> None:
    """The reason goes with it, and who asks."""
    with deck({"POST /v1/brake/release": Answer(202, WIRE | {"on": False})}) as stub:
        done = ormen("mast", "release", "--reason", "switch burnt", at=stub.address)
    assert (done.returncode, done.stdout) == (0, "released: 37 tasks of 2 nodes are placed anew\n")
    assert stub.seen[0].body["reason"] == "switch burnt"
    assert stub.seen[0].body["by"]


def test_release_without_a_mass_loss_is_a_conflict() -> None:
    """Nothing is held, so nothing is let go."""
    refusal = problem(409, "NOT_BRAKED", "the brake does not hold: no mass loss keeps tasks from being moved")
    with deck({"POST /v1/brake/release": refusal}) as stub:
        refused = ormen("mast", "release", at=stub.address)
    assert (refused.returncode, refused.stdout) == (4, "")
    assert "the brake does not hold" in refused.stderr


def test_the_sentence_counts_and_tells_when_it_lets_go() -> None:
    """One task waits, many wait; and when the nodes are returning, how long the rest still has."""
    one = Brake(since_ms=1, silent=3, known=5, nodes=("node-1",), tasks=1)
    assert one.sentence(now_ms=2) == "3 of 5 nodes are silent; their 1 task waits for their return."
    back = Brake(since_ms=1, silent=1, known=5, nodes=("node-1",), tasks=2, moves_ms=9000)
    assert (
        back.sentence(now_ms=3000) == "1 of 5 nodes is silent; their 2 tasks are placed anew in 6s unless they return."
    )
    assert Brake().sentence(now_ms=1) is None
