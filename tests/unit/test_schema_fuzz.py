import itertools
import json
from typing import Any

from hypothesis import given
from hypothesis import strategies as st

from ormen.errors import InvalidSpec, PolicyForbids, TooLarge
from ormen.policy import Policy
from ormen.schema import TaskSchema, load_submission, resolve

ID = "7f3c2a10-5b1e-4c0e-9d38-2f6a1c90b7e4"
FIELDS = sorted(TaskSchema().fields)
PARTS = ["container", "host", "protocol", "bind", "http", "tcp", "command", "expect", "grace", "name", "target", ""]
WORDS = [
    "no",
    "always",
    "udp",
    "512MiB",
    "1m30s",
    "/x",
    ":80/",
    "0.0.0.0",
    "nginx",
    "web",
    "zone=eu",
    "on-failure:3",
    ID,
]

scalars = (
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=8) | st.sampled_from(WORDS)
    | st.integers(1, 70000) | st.sampled_from([10**400, 0.1, "\ud800", "\0", "a\n"])
)  # fmt: skip
values = st.recursive(
    scalars,
    lambda inner: (
        st.lists(inner, max_size=4) | st.dictionaries(st.sampled_from(PARTS) | st.text(max_size=4), inner, max_size=4)
    ),
    max_leaves=12,
)
specs = st.dictionaries(st.sampled_from(FIELDS) | st.text(max_size=4), values, max_size=8) | st.fixed_dictionaries(
    {"image": st.just("nginx")}, optional=dict.fromkeys([field for field in FIELDS if field != "image"], values)
)


def has(body: Any, path: tuple[str | int, ...]) -> bool:
    for part in path:
        try:
            body = body[part]
        except (KeyError, IndexError, TypeError):
            return False
    return True


@given(values | specs | st.lists(specs, max_size=4))
def test_any_body_is_accepted_or_refused_with_places(body: Any) -> None:
    """No body raises anything but a refusal; each fault's pointer exists or names the missing key."""
    numbers = itertools.count()
    try:
        found = load_submission(body, policy=Policy(), new_id=lambda: f"{next(numbers):08x}{ID[8:]}")
    except (TooLarge, PolicyForbids):
        return
    except InvalidSpec as error:
        for fault in error.faults:
            json.dumps(fault.to_json(), allow_nan=False)
            assert has(body, fault.path) or (fault.code == "REQUIRED" and has(body, fault.path[:-1]))
        return
    for item in found.items:
        assert resolve(item.raw).resources == item.spec.resources


def test_deep_bodies_are_refused() -> None:
    """Nesting without end is refused as any wrong type is."""
    deep: Any = "x"
    for _ in range(100_000):
        deep = [deep]
    for body in (deep, {"image": deep}, [{"image": "a", "env": {"A": deep}}], {"image": "a", "zzz": deep}):
        try:
            load_submission(body, policy=Policy(), new_id=lambda: ID)
        except InvalidSpec as error:
            assert error.faults  # noqa: PT017 - the deep body must not be rendered by a failing assertion
        else:
            raise AssertionError("a deep body was accepted")
