"""Constraints: what the forms mean, and what a mistake is told."""

import re
import time
from dataclasses import replace

import pytest

from ormen.node import Node, NodeState
from ormen.scheduler.constraints import parse

NODE = Node("node-1", NodeState.READY, engine="E1", engine_version="24.0.7", labels={"zone": "eu-west", "disk": "ssd"})


@pytest.mark.parametrize(
    "text",
    ["zone=eu-west", " zone = eu-west ", "zone!=us", "gpu!=none", "disk in (ssd,nvme)", "disk in ( hdd, ssd )",
     "node=node-1", "os=linux", "arch in (amd64,arm64)", "engine=24.0.7", "engine=E1",
     "zone~^eu-", "zone~west$", "node~^node-[0-9]+$", "disk~^(ssd|nvme)$", "zone ~ eu", "disk~s{2}d",
     "engine>=24", "engine>=24.0.7", "engine>23.9.9", "engine<24.0.10", "engine<=24.0.7.0", "engine>v24.0"],
)  # fmt: skip
def test_a_met_constraint_admits(text: str) -> None:
    """Labels and facts are compared as text; a missing label is different from every value."""
    assert parse(text).admits(NODE)


@pytest.mark.parametrize(
    "text",
    [
        "zone=eu",
        "zone!=eu-west",
        "gpu=none",
        "gpu in (a,b)",
        "disk in (nvme,hdd)",
        "engine!=24.0.7",
        "node!=node-1",
        "zone~^west",
        "gpu~.*",
        "engine>24.0.7",
        "engine<24.0.7",
        "engine>=25",
        "zone>=1",
        "gpu<=9",
        "node>=0",
    ],
)
def test_an_unmet_constraint_does_not_admit(text: str) -> None:
    """A missing label equals nothing, and a forbidden value forbids."""
    assert not parse(text).admits(NODE)


@pytest.mark.parametrize(
    ("text", "part"),
    [
        ("zone", "write zone=VALUE, zone!=VALUE, zone in (A,B), zone~REGEX or zone>=VERSION"),
        ("", "write KEY=VALUE"),
        ("=eu", "no key"),
        ("zone==eu", "write zone=eu"),
        ("cpu=>2", "uses =>, which is unknown"),
        ("zone=~eu.*", "uses =~, which is unknown"),
        ("engine>=new", "compares with no version"),
        ("engine>=", "has an empty value"),
        ("zone~eu(", "no expression that can be read"),
        ("zone~(a+)+$", "repeats what repeats"),
        ("zone~(a{1,9}){2,9}b", "repeats what repeats"),
        ("zone~(a|ab)*c", "repeats a choice"),
        ("zone~.*.*.*.*=", "more than 3 parts"),
        ("zone~" + "a?" * 20, "in more than 256 ways"),
        ("zone~" + "(ab|cd)" * 20, "in more than 256 ways"),
        (r"zone~(a)\1", "refers to a group"),
        ("zone~(?=a)", "looks ahead"),
        ("zone~[[a]", "needs a backslash"),
        ("zone~[^[a]", "needs a backslash"),
        ("zone~[a&&b]", "needs a backslash"),
        ("zone~" + "a" * 201, "201 characters; the most is 200"),
        ("zone~a{99999999999}", "no expression that can be read"),
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


@pytest.mark.alone
def test_the_slowest_expression_that_is_let_in_is_quick() -> None:
    """Three open repetitions over the longest text that is looked at: far below what a request may take."""
    node = replace(NODE, labels={"zone": "a" * 100_000})
    began = time.thread_time()
    for end in "bcd":
        assert not parse(f"zone~^.*a.*a.*{end}$").admits(node)
        assert not parse(f"zone~{'a?' * 8}.*{end}$").admits(node)
    assert time.thread_time() - began < 30
