"""The image that a submission runs: what its tag meant when a task of it first found it. Pure."""

from __future__ import annotations

import base64
import hashlib
from collections.abc import Iterable
from dataclasses import dataclass

from ormen.registries import parts

ID_BYTES = 9
"""How many bytes of a hash are a pin's id: 72 bits, as each task of the submission has it in its record."""


@dataclass(frozen=True, slots=True)
class Pin:
    """A digest, by which the registry gives the same image, and the engine's id of it, for hosts it was loaded on.

    With images for several processors the digest is that of their list; the id is of one of them.
    """

    digest: str
    image_id: str

    def packed(self) -> str:
        """Return the pin as the store holds it."""
        return f"{self.digest} {self.image_id}"

    @classmethod
    def unpack(cls, packed: str | None) -> Pin | None:
        """Return what `packed` wrote, None for nothing."""
        return cls(*packed.split(" ", 1)) if packed else None

    def reference(self, image: str) -> str:
        """Return the name of the pinned image for registry and engine; `image` names the repository."""
        return f"{repository(image)}@{self.digest}"


def pin_id(submission: str, image: str, *, pull: str) -> str:
    """Return under which id the store keeps what a tag means for a submission; "" where it is not resolved.

    `submission` is the id of its first task, so that a request that is repeated is the same one. All names of an image
    have one id. With ``pull: never`` what lies on a host is its operator's matter.
    """
    if pull == "never" or has_digest(image):
        return ""
    found = hashlib.sha256(" ".join((submission, *parts(image))).encode()).digest()
    return base64.urlsafe_b64encode(found[:ID_BYTES]).decode()


def repository(image: str) -> str:
    """Return a name without its tag and digest."""
    head, slash, tail = image.partition("@")[0].rpartition("/")
    return head + slash + tail.partition(":")[0]


def has_digest(image: str) -> bool:
    """Return whether a name says by itself which image is meant."""
    return "@" in image


def shortened(image: str) -> str:
    """Return a name for people: of a digest its first twelve digits."""
    head, at, digest = image.partition("@")
    kind, colon, digits = digest.partition(":")
    return f"{head}{at}{kind}{colon}{digits[:12]}{'…' if len(digits) > 12 else ''}"


def digest_among(names: Iterable[str], image: str) -> str | None:
    """Return the digest under which the image's own repository has it, given an engine's names for it; None for none.

    An image that was built or loaded on the host has none, and one of another repository says nothing of this one.
    """
    wanted = parts(repository(image))
    found = (name.partition("@")[2] for name in names if has_digest(name) and parts(repository(name)) == wanted)
    return next(found, None)
