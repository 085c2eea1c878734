"""What refusals say: the value that was sent, one remedy, and no remedy that would be refused again."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
from cli_stub import Answer, deck, ormen

from ormen.cli.render.problem import fault_text
from ormen.cli.run_spec import spec_of
from ormen.errors import InvalidSpec
from ormen.policy import Policy
from ormen.schema import load_submission


def said(**fields: Any) -> list[str]:
    """Return what the command line prints of each fault of a spec."""
    with pytest.raises(InvalidSpec) as caught:
        load_submission({"image": "nginx", **fields}, policy=Policy(()), new_id=lambda: "x")
    return [fault_text(fault.to_json()) for fault in caught.value.faults]


@pytest.mark.parametrize(
    ("fields", "text"),
    [
        ({"memory": "0"}, "0 is less than 6 MiB, the least Docker takes"),
        ({"image": "BAD IMAGE"}, "not an image such as nginx:1.28 or registry.example.com/team/app:1"),
        (
            {"constraints": ["bad"]},
            '"bad" compares nothing; write bad=VALUE, bad!=VALUE, bad in (A,B), bad~REGEX or bad>=VERSION',
        ),
        ({"entrypoint": []}, "must not be empty; leave it out for the image's own"),
        (
            {"health": {"command": ["x"], **spec_of("x", (), {"health_cmd": "x", "health_interval": "0"})["health"]}},
            "0 is not within 100ms to 24h",
        ),
        ({"restart": "sometimes"}, '"sometimes" is not one of no, on-failure, always, unless-stopped'),
        ({"strategy": "fast"}, '"fast" is not one of epvm, spread, binpack, greedy, roundrobin'),
        ({"ports": [{"container": 80, "bind": "999.1.1.1"}]}, '"999.1.1.1" is not an IP address'),
        (
            {"volumes": [{"name": "one", "target": "/data"}, {"name": "two", "target": "/data"}]},
            "/data is where volumes[0] is mounted",
        ),
    ],
)
def test_a_fault_names_what_was_sent_and_one_remedy(fields: dict[str, Any], text: str) -> None:
    """The value stands in the sentence, and what is to be done stands there once."""
    assert said(**fields) == [text]


def test_a_word_that_yaml_reads_as_true_is_quoted_as_it_was_written(tmp_path: Path) -> None:
    """Whoever wrote yes is told to quote yes: the deck has only seen true."""
    file = tmp_path / "shop.yaml"
    file.write_text("image: nginx\nenv:\n  A: yes\n")
    fault = {"pointer": "/0/env/A", "code": "WRONG_TYPE", "detail": "must be a string", "hint": 'quote it: "true"'}
    problem = {"code": "INVALID_SPEC", "status": 422, "detail": "1 fault", "errors": [fault]}
    with deck({"POST /v1/tasks": Answer(422, problem)}) as stub:
        assert 'quote it: "yes"' in ormen("run", "-f", str(file), at=stub.address).stderr


def test_a_word_for_a_number_and_a_format_that_is_none_are_refused_in_our_words() -> None:
    """The option, the word and the rule; an output that events do not have is not passed over."""
    assert ormen("logs", "web", "-n", "x", at="127.0.0.1:1").stderr == 'error: --tail: "x" is not a whole number.\n'
    refused = ormen("events", "-o", "name", at="127.0.0.1:1")
    assert (refused.returncode, "events have no names" in refused.stderr) == (2, True)
