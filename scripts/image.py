"""Build the echo image of ``images/echo``, unless the engine already has it as it is now.

The seed systems' READMEs name echo images of their own; the same image answers to those names too, but a tag that is
somebody else's is never moved.
"""

from __future__ import annotations

import hashlib
import io
import shutil
import sys
import tarfile
from pathlib import Path

import docker
from docker.errors import DockerException, ImageNotFound

CONTEXT = Path(__file__).resolve().parent.parent / "images" / "echo"
NAME = "ormen/echo:1"
OTHER_NAMES = ("timboring/echo-server:latest", "sun4965485/echo-smy:v1")
LABEL = "ormen.echo"


def busybox() -> bytes:
    """Return the program; raise FileNotFoundError if there is none that runs without libraries."""
    for place in ("/bin/busybox", shutil.which("busybox")):
        if place and Path(place).exists():
            program = Path(place).read_bytes()
            if b"ld-linux" not in program[:4096] and b"ld-musl" not in program[:4096]:
                return program
    raise FileNotFoundError("no static busybox is installed")


def context() -> bytes:
    """Return the build context as a tar archive that is the same for the same content."""
    output = io.BytesIO()
    with tarfile.open(fileobj=output, mode="w") as archive:
        files = {str(path.relative_to(CONTEXT)): path.read_bytes() for path in CONTEXT.rglob("*") if path.is_file()}
        for name, content in sorted({**files, "busybox": busybox()}.items()):
            entry = tarfile.TarInfo(name)
            entry.size, entry.mode = len(content), 0o755
            archive.addfile(entry, io.BytesIO(content))
    return output.getvalue()


def built_from(client: docker.DockerClient, name: str) -> str | None:
    """Return the hash of what the image was built from; "" if it is not one of these; None if there is none."""
    try:
        return str((client.images.get(name).labels or {}).get(LABEL, ""))
    except ImageNotFound:
        return None


def main() -> int:
    """Build and tag; return the exit code."""
    try:
        archive = context()
        digest = hashlib.sha256(archive).hexdigest()[:16]
        client = docker.from_env(timeout=60)
        if built_from(client, NAME) != digest:
            client.images.build(
                fileobj=io.BytesIO(archive),
                custom_context=True,
                tag=NAME,
                labels={LABEL: digest},
                rm=True,
                forcerm=True,
            )
            print(f"  · {'image':<9} built {NAME}", file=sys.stderr)
        image = client.images.get(NAME)
        for name in OTHER_NAMES:
            if built_from(client, name) not in ("", digest):
                image.tag(name)
    except (OSError, DockerException) as fault:
        print(f"error: {NAME} could not be built: {fault}", file=sys.stderr)
        print("hint:  it needs Debian's busybox-static and a Docker engine that answers.", file=sys.stderr)
        return 1
    return 0


if __name__ == "__main__":
    sys.exit(main())
