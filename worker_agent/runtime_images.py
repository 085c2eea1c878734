"""What the agent asks of a container engine about images: the half of `runtime` that fetches and drops them."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Protocol

from ormen.registries import Login


@dataclass(frozen=True, slots=True)
class Image:
    """An image on this host. `size_bytes` counts layers that other images share, too; `arch` is what it is made for."""

    id: str
    size_bytes: int
    names: tuple[str, ...] = ()
    arch: str = ""


@dataclass(frozen=True, slots=True)
class PullProgress:
    """How far a pull is, over all layers heard of so far; decimal rates are for people to read."""

    done_bytes: int
    total_bytes: int
    bytes_per_s: float


OnProgress = Callable[[PullProgress], None]


class ImageRuntime(Protocol):
    """The images of an engine."""

    def image_present(self, image: str) -> bool:
        """Return whether the image is on this host."""
        ...

    def image(self, word: str) -> Image | None:
        """Return the image with that name or id, None if it is not on this host."""
        ...

    def images_in_use(self) -> frozenset[str]:
        """Return the ids of the images of all containers, in any state and whoever's they are."""
        ...

    def remove_image(self, word: str) -> bool:
        """Take a name from an image, and the image with its last one; False if something uses it. Gone is fine."""
        ...

    def pull(self, image: str, *, login: Login | None = None, on_progress: OnProgress | None = None) -> None:
        """Fetch the image; `on_progress` is called at most twice a second. Raise PullRefused, also on a stall."""
        ...

    def check_login(self, login: Login) -> None:
        """Return if the registry takes the login; raise PullRefused: PULL_AUTH, or PULL_UNREACHABLE."""
        ...
