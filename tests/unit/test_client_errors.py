"""What the client raises: one tree with the deck's own errors, and repeats with growing pauses within a deadline."""

from __future__ import annotations

import json
import pickle
import threading
import time

import pytest
from cli_stub import TRAIN, WEB, Answer, deck, problem
from kombu.utils.json import dumps, loads

import ormen
from ormen import errors
from ormen.client import Client
from ormen.client_errors import KINDS, ClientError, TaskFailed, WaitedTooLong, error_of
from ormen.transport import Aborted
from tests.waiting import wait_until

AWAY = problem(503, "STORE_UNAVAILABLE", "Redis refuses connections")
AWAY.headers = {"Retry-After": "0"}
FAULTY = problem(
    422,
    "INVALID_SPEC",
    "1 fault; nothing was stored.",
    errors=[{"pointer": "/0/ports/1/host", "code": "OUT_OF_RANGE", "detail": "70000 is not a port: 1 to 65535",
             "value": 70000, "hint": None}],
)  # fmt: skip


def test_a_refusal_is_caught_by_its_name_its_kind_and_as_the_clients() -> None:
    """`except NameTaken`, `except Conflict` and `except ClientError` all catch a name that is taken."""
    taken = problem(409, "NAME_TAKEN", "the name web is taken by 7f3c2a10", hint="choose another name")
    with deck({"POST /v1/tasks": taken}) as stub:
        for kind in (errors.NameTaken, errors.Conflict, ClientError):
            with pytest.raises(kind) as caught:
                Client(stub.address).run("nginx", name="web")
    error = caught.value
    assert (error.code, error.sentence, error.hint) == (
        "NAME_TAKEN",
        "the name web is taken by 7f3c2a10",
        "choose another name",
    )


def test_faults_come_with_path_value_and_sentence() -> None:
    """Each fault of a body is an object, so that a program can point at the field."""
    with deck({"POST /v1/tasks": FAULTY}) as stub, pytest.raises(errors.InvalidSpec) as caught:
        Client(stub.address).run("nginx", ports={80: 70000})
    (fault,) = caught.value.faults
    assert (fault.path, fault.value, fault.code) == ((0, "ports", 1, "host"), 70000, "OUT_OF_RANGE")
    assert fault.pointer == "/0/ports/1/host"


def test_every_code_of_the_tree_is_raised_as_its_class() -> None:
    """No class of errors.py is forgotten: whoever adds one can catch it at once."""
    kinds = [kind for kind in vars(errors).values() if isinstance(kind, type) and issubclass(kind, errors.OrmenError)]
    leaves = [kind for kind in kinds if "code" in vars(kind) and kind is not errors.OrmenError]
    assert len(leaves) > 12
    for leaf in leaves:
        assert isinstance(error_of({"code": leaf.code}), leaf)
    assert type(error_of({"code": "SOMETHING_NEW"})) is ClientError


@pytest.mark.parametrize(
    "error",
    [
        error_of({**FAULTY.body}),
        error_of({"code": "UNREACHABLE", "detail": "no deck answers"}, retry_after_s=0.2),
        TaskFailed({"id": "1", "reason": {"code": "EXIT", "sentence": "Exited."}}, "web: Exited."),
        WaitedTooLong({"id": "1", "reason": None}, "web is not up"),
    ],
    ids=lambda error: type(error).__name__,
)
def test_an_error_survives_pickle_and_json(error: errors.OrmenError) -> None:
    """A Celery or Airflow worker hands it on whole: as the same class, with sentence, code and faults."""
    again = pickle.loads(pickle.dumps(error))
    rebuilt = type(error)(*loads(dumps(error.args)))  # as Celery's JSON result does
    for copy in (again, rebuilt):
        assert (type(copy), str(copy), copy.code) == (type(error), str(error), error.code)
        assert getattr(copy, "faults", ()) == getattr(error, "faults", ())


def test_a_patient_client_waits_for_a_deck_that_is_not_there_yet() -> None:
    """With a patience even a refused first contact is repeated; without, there is no deck."""
    with deck({"GET /v1/version": {"version": "1"}}) as gone:
        address = gone.address
    found: list[str] = []
    waiting = threading.Thread(target=lambda: found.append(Client(address, patience=60).version()))
    waiting.start()
    with pytest.raises(ormen.Unreachable):
        Client(address).version()
    with deck({"GET /v1/version": {"version": "2"}}, port=int(address.rpartition(":")[2])):
        waiting.join(60)
    assert found == ["2"]


def test_repeats_end_with_the_patience_and_their_pauses_grow() -> None:
    """A deck that stays away is asked a few times, not hundreds, and the last refusal is told."""
    with deck({"GET /v1/version": AWAY}) as stub:
        began = time.monotonic()
        with pytest.raises(errors.StoreUnavailable) as caught:
            Client(stub.address, patience=2).version()
        took_s = time.monotonic() - began
    assert caught.value.retryable
    assert took_s >= 2
    assert 3 <= len(stub.seen) <= 6


def test_a_client_that_is_closed_gives_up_what_is_under_way() -> None:
    """Another thread's repeats end at once, long before their patience does."""
    with deck({"GET /v1/version": AWAY}) as stub:
        client, ended = Client(stub.address, patience=600), threading.Event()

        def ask() -> None:
            with pytest.raises(Aborted):
                client.version()
            ended.set()

        thread = threading.Thread(target=ask)
        thread.start()
        wait_until(lambda: stub.seen)
        client.close()
        thread.join(60)
    assert ended.is_set()


def test_waiting_too_long_is_told_from_a_failure() -> None:
    """Time that is over is an error of its own, and carries the reason that keeps the task waiting."""
    waits = {"POST /v1/tasks": Answer(201, [TRAIN]), f"GET /v1/tasks/{TRAIN['id']}": TRAIN}
    with deck(waits) as stub, pytest.raises(WaitedTooLong) as caught:
        Client(stub.address).run("nginx").wait("ended", timeout=0.1)
    assert caught.value.reason_code == "FIT_MEMORY"
    assert str(caught.value).startswith("train is not ended within 0.1s: Needs 4 GiB of memory")


def test_waiting_for_the_end_looks_past_attempts_that_are_tried_again() -> None:
    """Three failed attempts end the wait for a task to be up, and not the wait for its end."""
    trying = {**WEB, "state": "pending", "restarts": 3, "reason": {"code": "EXIT", "sentence": "Exited with code 75."}}
    done = {**WEB, "state": "completed", "exit_code": 0}
    path = f"GET /v1/tasks/{WEB['id']}"
    with deck({"POST /v1/tasks": Answer(201, [WEB]), path: [trying, trying, done]}) as stub:
        with pytest.raises(TaskFailed):
            Client(stub.address).run("job").wait()
        task = Client(stub.address).run("job").wait("ended")
    assert (task.state, task.exit_code) == ("completed", 0)


def test_the_environment_s_token_goes_to_the_environment_s_deck_only(monkeypatch: pytest.MonkeyPatch) -> None:
    """A client that is told where to go is given its token, too: a secret is not sent elsewhere."""
    monkeypatch.setenv("ORMEN_TOKEN", "s3cret")
    with deck({"GET /v1/version": {"version": "1"}}) as stub:
        Client(stub.address).version()
        monkeypatch.setenv("ORMEN_MANAGER", stub.address)
        Client().version()
    assert [request.headers.get("Authorization") for request in stub.seen] == [None, "Bearer s3cret"]


def test_the_errors_are_ready_to_be_shown() -> None:
    """A problem document is kept whole, for who wants to log it."""
    error = error_of(FAULTY.body)
    assert json.loads(json.dumps(error.document)) == FAULTY.body
    assert KINDS["INVALID_SPEC"] is type(error)
