from typing import Any

import pytest
from apispec import APISpec
from apispec.ext.marshmallow import MarshmallowPlugin

from ormen.errors import InvalidSpec
from ormen.policy import Policy
from ormen.schema import TaskSchema, load_submission

LOOSE = Policy(cap_add=("ALL",), sysctls=("*",))
"""Lets every example pass."""


@pytest.fixture(scope="module")
def document() -> dict[str, Any]:
    spec = APISpec("ormen", "1", "3.1.0", plugins=[MarshmallowPlugin()])
    spec.components.schema("Task", schema=TaskSchema)
    schemas: dict[str, Any] = spec.to_dict()["components"]["schemas"]
    return schemas


def test_the_document_has_every_field_and_no_other(document: dict[str, Any]) -> None:
    """The OpenAPI document names each field, says what is required and that others are refused."""
    task = document["Task"]
    assert list(task["properties"]) == list(TaskSchema().fields)
    assert (task["required"], task["additionalProperties"]) == (["image"], False)
    assert document["Port"]["properties"]["host"]["type"] == ["integer", "null"]


def test_every_example_and_default_of_the_document_is_accepted(document: dict[str, Any]) -> None:
    """What the document shows as an example, or as the default, is a value that the schema takes."""
    for name, field in document["Task"]["properties"].items():
        for key in ("example", "default"):
            if key in field:
                body = {"image": "a", "memory": "64m", "cpu": 0.1} | {name: field[key]}
                assert load_submission(body, policy=LOOSE, new_id=lambda: "0" * 8 + "-0000-4000-8000-" + "0" * 12)


def test_every_field_of_the_document_takes_null(document: dict[str, Any]) -> None:
    """Each optional field's document allows null, and the schema takes it as left out."""
    for name, field in document["Task"]["properties"].items():
        optional = "null" in field.get("type", []) or {"type": "null"} in field.get("anyOf", [])
        assert optional is (name != "image")
    body = dict.fromkeys(document["Task"]["properties"]) | {"image": "a"}
    assert load_submission(body, policy=Policy(), new_id=lambda: "0" * 8 + "-0000-4000-8000-" + "0" * 12).items
    with pytest.raises(InvalidSpec):
        load_submission({"image": None}, policy=Policy(), new_id=str)
