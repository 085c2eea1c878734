"""Constraints: what the three forms mean, and what a mistake is told."""

import re

import pytest

from ormen.node import Node, NodeState
from ormen.scheduler.constraints import parse

NODE = Node("node-1", NodeState.READY, engine="E1", engine_version="24.0.7", labels={"zone": "eu-west", "disk": "ssd"})


@pytest.mark.parametrize(
    "text",
    ["zone=eu-west", " zone = eu-west ", "zone!=us", "gpu!=none", "disk in (ssd,nvme)", "disk in ( hdd, ssd )",
     "node=node-1", "os=linux", "arch in (amd64,arm64)", "engine=24.0.7", "engine=E1"],
)  # fmt: skip
def test_a_met_constraint_admits(text: str) -> None:
    """Labels and facts are compared as text; a missing label is different from every value."""
    assert parse(text).admits(NODE)


@pytest.mark.parametrize(
    "text",
    ["zone=eu", "zone!=eu-west", "gpu=none", "gpu in (a,b)", "disk in (nvme,hdd)", "engine!=24.0.7", "node!=node-1"],
)
def test_an_unmet_constraint_does_not_admit(text: str) -> None:
    """A missing label equals nothing, and a forbidden value forbids."""
    assert not parse(text).admits(NODE)


@pytest.mark.parametrize(
    ("text", "part"),
    [
        ("zone", "write zone=VALUE, zone!=VALUE or zone in (A,B)"),
        ("", "write KEY=VALUE"),
        ("=eu", "no key"),
        ("zone==eu", "write zone=eu"),
        ("cpu>=2", "uses >=, which is unknown"),
        ("zone~eu.*", "uses ~, which is unknown"),
        ("zone=", "empty value"),
        ("disk in ssd", "write disk in (A,B)"),
        ("disk in (ssd,)", "empty value"),
        ("zone=eu west", "holds a space"),
    ],
)
def test_a_faulty_constraint_is_refused_with_the_right_form(text: str, part: str) -> None:
    """The error repeats the expression and says how it is written."""
    with pytest.raises(ValueError, match=re.escape(part)) as caught:
        parse(text)
    assert f'"{text}"' in str(caught.value)
