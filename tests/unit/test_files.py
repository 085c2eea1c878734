import contextlib
import json

import pytest
from hypothesis import assume, example, given
from hypothesis import strategies as st

from ormen.files import FileFault, read_tasks
from ormen.seed import is_seed

SHOP = """\
tasks:
  - name: web
    image: nginx:1.28
    memroy: 512MiB
    ports:
      - container: 80
      - container: 81
        host: 70000
  - &base
    name: db
    restart: allways
  - <<: *base
    name: db2
"""


def test_each_fault_has_its_line_and_its_place() -> None:
    """The finder turns a fault's path into a line and into words."""
    tasks, find = read_tasks(SHOP, "shop.yaml")
    assert [task["name"] for task in tasks] == ["web", "db", "db2"]
    assert [find((0, "memroy")), find((0, "ports", 1, "host")), find((1, "restart"))] == [4, 8, 11]
    assert find.shown((0, "ports", 1, "host")) == "tasks[0].ports[1].host"
    assert find((1, "image")) == 9, "a missing key is at its object"
    assert (find((2, "restart")), find((2, "name"))) == (11, 13), "a merged key is where it is written"


def test_one_task_takes_paths_with_and_without_an_index() -> None:
    """A file of one task is found whether it was sent alone or as a list."""
    tasks, find = read_tasks("image: nginx\nmemroy: 1\n", "one.yaml")
    assert tasks == [{"image": "nginx", "memroy": 1}]
    assert find(("memroy",)) == find((0, "memroy")) == 2
    assert find.shown((0, "memroy")) == find.shown(("memroy",)) == "memroy"


def test_json_with_tabs_has_lines_too() -> None:
    """JSON may indent with tabs, which YAML may not."""
    tasks, find = read_tasks('[\n\t{"image": "nginx",\n\t "cpu": "x"}\n]', "shop.json")
    assert tasks == [{"image": "nginx", "cpu": "x"}]
    assert find((0, "cpu")) == 3
    assert find.shown((0, "cpu")) == "tasks[0].cpu"


def test_the_seeds_dialect_is_translated_and_found_by_its_own_keys() -> None:
    """A file of the seeds is read, and a fault is shown at the key that was written there."""
    text = '{"ID": "a7aa1d44-08f6-443e-9378-f5884311018e", "State": 2,\n "Task": {"Name": "x y",\n  "Image": "nginx"}}'
    tasks, find = read_tasks(text, "task1.json")
    assert tasks == [{"name": "x y", "image": "nginx"}]
    assert (find(("name",)), find.shown(("name",))) == (2, "Name")
    assert find((0, "image")) == 3


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("name: x\n- image\n", "f.yaml, line 2, column 1: a list item where a key was expected."),
        ("a: b: c\n", "f.yaml, line 1, column 5: a colon where no key can stand; quote the text if it holds one."),
        ("image: a\nimage: b\n", "f.yaml, line 2, column 1: the key image stands here a second time."),
        ('{"a": 1, "a": 2}', "f.yaml: the key a stands twice in one object."),
        ("", "f.yaml holds no task."),
        ("5", "f.yaml holds no task, but a single value."),
        ("tasks: []", "f.yaml: tasks must be a list of at least one task."),
        ("tasks: [{image: a}]\nname: x\n", "f.yaml: name stands beside tasks; fields belong to a task of the list."),
        ("- nginx\n", "f.yaml: tasks[0] is not a map of fields."),
        ("a: &a [*a]\n", "f.yaml, line 1, column 4: an alias holds itself."),
        ("image: !!binary aGk=\n", "f.yaml, line 1, column 8: this tag is not used in task files."),
        ("image: a\n---\nimage: b\n", "f.yaml, line 2, column 1: a second document; one file holds one list of tasks."),
    ],
)
def test_what_is_no_task_file_is_said_in_one_sentence(text: str, said: str) -> None:
    """A file that cannot be read is refused with its name, the place and what was expected."""
    with pytest.raises(FileFault) as caught:
        read_tasks(text, "f.yaml")
    assert str(caught.value) == said


def test_broken_json_has_line_and_column() -> None:
    """A file named .json is judged as JSON."""
    with pytest.raises(FileFault, match=r"^t\.json, line 2, column 1: "):
        read_tasks('{"image": "nginx",\n}', "t.json")


def test_a_file_that_asks_to_stop_is_refused_with_the_command() -> None:
    """A stop event in a file names the command that stops."""
    text = '{"State": 3, "Task": {"ID": "bb1d59ef-9fc1-4e4b-a44d-db571eeed203"}}'
    with pytest.raises(FileFault, match="ormen stop bb1d59ef"):
        read_tasks(text, "stop_task.json")


def test_yaml_keeps_what_looks_like_a_time_as_text() -> None:
    """Base 60 numbers and dates stay text, keys are text, and no is a boolean for the schema to judge."""
    tasks, _ = read_tasks("env: {T: 22:22, D: 2026-11-22, 80: x, no: y}\nrestart: no\nimage: a\n", "f.yaml")
    assert tasks[0]["env"] == {"T": "22:22", "D": "2026-11-22", "80": "x", "no": "y"}
    assert tasks[0]["restart"] is False


@pytest.mark.parametrize("text", ["[" * 100_000, "- " * 5000 + "x", "{a: " * 5000, '{"a":' * 50_000])
def test_deep_files_are_refused(text: str) -> None:
    """Nesting beyond what anybody writes is refused, not followed."""
    with pytest.raises(FileFault, match=r"^f(: |, line 1, column \d+: )nested"):
        read_tasks(text, "f")


def test_aliases_of_aliases_are_counted() -> None:
    """A short file that means a billion values is refused."""
    lines = ["a0: &a0 [x, x, x, x, x, x, x, x, x, x]"]
    lines += [f"a{n}: &a{n} [{', '.join([f'*a{n - 1}'] * 10)}]" for n in range(1, 9)]
    with pytest.raises(FileFault, match="more than 1000000 values"):
        read_tasks("\n".join(lines), "bomb.yaml")


@given(st.text())
def test_any_text_is_read_or_refused(text: str) -> None:
    """Whatever a file holds, it is read as JSON's types or refused by FileFault."""
    try:
        tasks, find = read_tasks(text, "f")
    except FileFault:
        return
    json.dumps(tasks)
    assert find((0,)) is None or find((0,)) >= 1


@given(st.lists(st.dictionaries(st.text(max_size=5), st.text() | st.integers() | st.none(), min_size=1), min_size=1))
def test_json_files_come_back_as_they_were_sent(tasks: list[dict[str, object]]) -> None:
    """A list of tasks in JSON is read to the same values, unless one speaks the seeds' dialect."""
    assume(not any(is_seed(task) for task in tasks))
    found, find = read_tasks(json.dumps(tasks, indent=1), "f.json")
    assert found == tasks
    assert find((len(tasks) - 1, next(iter(tasks[-1])))) != 0


@example([{"Image": None}])
@given(st.lists(st.dictionaries(st.sampled_from(["Image", "Sail", "image"]), st.none(), min_size=1), min_size=1))
def test_a_file_in_the_seeds_dialect_never_breaks_the_reader(tasks: list[dict[str, object]]) -> None:
    """What looks like the seeds' dialect is translated or refused by FileFault."""
    with contextlib.suppress(FileFault):
        assert isinstance(read_tasks(json.dumps(tasks), "f.json")[0], list)
