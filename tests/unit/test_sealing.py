"""Passwords of registries: how they lie in Redis, and who can read them there."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest

from ormen.registries import Login, canonical, registry_of
from ormen.sealing import Sealer, SealError
from ormen.settings import Settings

OLD, NEW = "a" * 32, "b" * 32


def sealer(folder: Path, text: str) -> Sealer:
    """Return the sealer of a secret file with this text."""
    path = folder / "secret"
    path.write_text(text)
    return Sealer.of(replace(Settings(), secret_file=str(path)))


def test_a_sealed_password_is_read_with_its_key_alone(tmp_path: Path) -> None:
    """It is not in what is kept, every process with the key opens it, and nobody else does."""
    kept = sealer(tmp_path, f"{OLD}\n").seal("s3cret")
    assert "s3cret" not in kept
    assert sealer(tmp_path, OLD).open(kept) == "s3cret"
    with pytest.raises(SealError, match="a key that is not in this host's ORMEN_SECRET_FILE"):
        sealer(tmp_path, NEW).open(kept)
    with pytest.raises(SealError, match="has no key"):
        Sealer().open(kept)


def test_a_key_is_changed_without_a_gap(tmp_path: Path) -> None:
    """The first key of the file seals, the others still open; lines with # are remarks."""
    kept = sealer(tmp_path, OLD).seal("s3cret")
    both = sealer(tmp_path, f"# of November\n{NEW}\n\n{OLD}\n")
    assert both.open(kept) == "s3cret"
    assert sealer(tmp_path, NEW).open(both.seal("other")) == "other"


def test_without_a_key_it_lies_as_it_is_and_stays_readable(tmp_path: Path) -> None:
    """A cluster that gets a key later reads what it kept before."""
    kept = Sealer().seal("s3cret")
    assert sealer(tmp_path, NEW).open(kept) == Sealer().open(kept) == "s3cret"


@pytest.mark.parametrize(("text", "words"), [("", "is empty"), ("short\n", "less than 32 characters")])
def test_a_secret_file_without_a_good_key_is_refused(tmp_path: Path, text: str, words: str) -> None:
    """A process does not start with it, and says how to make a key."""
    with pytest.raises(ValueError, match=f"{words}; make one with: openssl rand"):
        sealer(tmp_path, text)
    with pytest.raises(ValueError, match="cannot be read: No such file"):
        Sealer.of(replace(Settings(), secret_file=str(tmp_path / "none")))


def test_a_login_does_not_show_its_password() -> None:
    """Neither where it is printed nor in its document."""
    login = Login("ghcr.io", "ann", "s3cret")
    assert "s3cret" not in repr(login) + str(login.to_json())


@pytest.mark.parametrize(
    ("address", "host"),
    [
        ("https://index.docker.io/v1/", "docker.io"),
        ("Docker.io", "docker.io"),
        ("registry-1.docker.io", "docker.io"),
        ("HTTPS://Registry.Example.com:5000/v2/", "registry.example.com:5000"),
        ("localhost", "localhost"),
        ("[::1]:5000", "[::1]:5000"),
    ],
)
def test_a_registry_has_one_name(address: str, host: str) -> None:
    """Case, scheme and path make no difference, and Docker Hub is docker.io by any of its addresses."""
    assert canonical(address) == host


@pytest.mark.parametrize("address", ["", "a b", "ghcr.io@x", "-x.example", "x" * 300, "http://"])
def test_what_is_no_address_is_no_registry(address: str) -> None:
    """Refused, before anything is sent there."""
    with pytest.raises(ValueError, match="is not the address of a registry"):
        canonical(address)


@pytest.mark.parametrize(
    ("image", "host"),
    [
        ("nginx:1", "docker.io"),
        ("acme/api", "docker.io"),
        ("index.docker.io/acme/api", "docker.io"),
        ("localhost/api", "localhost"),
        ("r.example:5000/api@sha256:ab", "r.example:5000"),
    ],
)
def test_an_image_means_the_registry_whose_login_it_takes(image: str, host: str) -> None:
    """As Docker reads names, and by the same name as a login is kept."""
    assert registry_of(image) == host == canonical(host)
