"""Names of images: which digest an engine has for one, and how it is shown."""

from __future__ import annotations

import pytest

from ormen.image_pin import Pin, digest_among, shortened

D1, D2 = "sha256:" + "1" * 64, "sha256:" + "2" * 64


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
