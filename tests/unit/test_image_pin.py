"""Names of images: which digest an engine has for one, and how it is shown."""

from __future__ import annotations

import pytest

from ormen.image_pin import Pin, digest_among, pin_id, shortened

D1, D2 = "sha256:" + "1" * 64, "sha256:" + "2" * 64
FIRST, OTHER = "7f3c2a10-5b1e-4c0e-9d38-2f6a1c90b7e4", "7f3c2a10-5b1e-4c0e-9d38-2f6a1c90b7e5"


@pytest.mark.parametrize("image", ["nginx", "nginx:1", "docker.io/nginx:1", "index.docker.io/library/nginx"])
def test_one_repository_has_several_names(image: str) -> None:
    """The engine's name for it is found by each of them, and a tag or another repository's digest is none."""
    assert digest_among(["nginx:1", f"acme/nginx@{D2}", f"nginx@{D1}"], image) == D1
    assert digest_among(["nginx:1", f"acme/nginx@{D2}", f"r.example/nginx@{D2}"], image) is None


def test_a_pin_names_the_repository_without_its_tag() -> None:
    """Docker ignores a tag beside a digest; a registry's port is none."""
    pin = Pin(D1, "sha256:id")
    assert pin.reference("r.example:5000/acme/api:4") == f"r.example:5000/acme/api@{D1}"
    assert Pin.unpack(pin.packed()) == pin
    assert (Pin.unpack(None), Pin.unpack("")) == (None, None)


def test_a_digest_is_short_for_people() -> None:
    """Twelve digits, as Docker shows them; a name without one is left as it is."""
    assert shortened(f"nginx@{D1}") == f"nginx@sha256:{'1' * 12}…"
    assert shortened("r.example:5000/api:4") == "r.example:5000/api:4"


def test_one_tag_of_a_submission_has_one_pin() -> None:
    """However it is named and whenever it is pulled; another tag, repository or submission has another."""
    names = ["nginx:1", "library/nginx:1", "docker.io/nginx:1", "index.docker.io/library/nginx:1"]
    others = [(FIRST, "nginx:2"), (FIRST, "acme/nginx:1"), (FIRST, "r.example/nginx:1"), (OTHER, "nginx:1")]
    assert len({pin_id(FIRST, name, pull=pull) for name in names for pull in ("if-missing", "always")}) == 1
    assert len({pin_id(FIRST, "nginx:1", pull="always"), *(pin_id(*one, pull="always") for one in others)}) == 5


def test_what_says_itself_which_image_it_is_has_no_pin() -> None:
    """A digest needs none, and with pull: never each host's own image is meant."""
    assert (pin_id(FIRST, f"nginx:1@{D1}", pull="always"), pin_id(FIRST, "nginx:1", pull="never")) == ("", "")
