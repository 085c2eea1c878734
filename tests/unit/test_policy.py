from pathlib import Path

import pytest

from ormen.policy import Policy, PolicyUnreadable, load_policy


def _write(folder: Path, text: str) -> str:
    file = folder / "policy.yaml"
    file.write_text(text)
    return str(file)


def test_without_a_file_nothing_beyond_the_container_is_allowed() -> None:
    """The default policy allows no host path."""
    assert load_policy(None) == Policy()
    assert not Policy().allows_host_path("/srv")


def test_a_path_and_what_lies_beneath_it_is_allowed(tmp_path: Path) -> None:
    """A rule allows its folder and everything in it, and nothing that merely begins alike."""
    policy = load_policy(_write(tmp_path, "host_paths: [/srv/data/, /opt]\n"))
    assert policy.allows_host_path("/srv/data")
    assert policy.allows_host_path("/srv/data/a/b")
    assert not policy.allows_host_path("/srv/database")
    assert not policy.allows_host_path("/srv/data/../../etc")
    assert not policy.allows_host_path("//etc")


def test_every_fault_of_the_file_is_named(tmp_path: Path) -> None:
    """Unknown keys, wrong types and relative paths are all named at once."""
    with pytest.raises(PolicyUnreadable) as caught:
        load_policy(_write(tmp_path, "host_path: x\nhost_paths: [5, srv, /ok]\n"))
    assert len(caught.value.faults) == 3
    assert "host_path: unknown key" in str(caught.value)
    assert 'host_paths[1]: "srv" is not an absolute path' in str(caught.value)


@pytest.mark.parametrize("text", ["- a\n", "host_paths: /srv\n", "host_paths: [\n", "\x00"])
def test_a_file_of_another_form_is_refused(tmp_path: Path, text: str) -> None:
    """What is no map, or no YAML, is refused with the file's name."""
    with pytest.raises(PolicyUnreadable, match=r"policy\.yaml"):
        load_policy(_write(tmp_path, text))


def test_a_missing_file_is_refused_and_an_empty_one_is_the_default(tmp_path: Path) -> None:
    """A policy file that was named must be there; an empty one adds nothing."""
    with pytest.raises(PolicyUnreadable, match="cannot be read"):
        load_policy(str(tmp_path / "none.yaml"))
    assert load_policy(_write(tmp_path, "")) == Policy()
