"""Faults of pulls: each by a registry on loopback that gives the answer of a real one."""

from __future__ import annotations

from tests.faults.provoking import by_spec

by_spec("the registry refuses connections", image="127.0.0.1:1/web:1")
by_spec("the registry has no address", image="registry.invalid/web:1")
by_spec("the image may not be pulled", image="ormen-faults-absent:1", pull="never")


def from_registry(name: str, image: str, *, registry: str = "open") -> None:
    """Register a fault that lies in what a registry answers for an image."""
    by_spec(name, image=f"{{{registry}}}/{image}", command=None)


from_registry("the registry has no such repository", "nosuch:1")
from_registry("the registry has no such tag", "good:nosuch")
from_registry("a missing image is named unauthorized", "unauthorized:toomanyrequests")
from_registry("the registry wants a login", "private:1", registry="closed")
from_registry("the login of the node is wrong", "private:1", registry="known")
from_registry("the registry denies the image in one word", "curt:1")
from_registry("the registry says who may have the image", "forbidden:1")
from_registry("the registry hides the image from strangers", "hidden:1")
from_registry("the node pulls too often", "limited:1")
from_registry("the image is for another processor", "arm:1")
from_registry("an image without a list is for another processor", "alien:1")
from_registry("the layer stops coming", "slow:1")
from_registry("the registry is broken", "broken:1")
from_registry("a layer is not what it claims to be", "torn:1")
