"""Remove what a file lists, a thing a line: whatever in Docker carries a label ``key=value``; and each ``/path``.

A path is unmounted, with all beneath it, and deleted: the folders of an engine, or the name of a network namespace.
A line is written before the thing is made, so what a killed command leaves behind can be found.
"""

from __future__ import annotations

import sys
from pathlib import Path

import docker
import engine
from docker.errors import DockerException, NotFound


def sweep(client: docker.DockerClient, label: str) -> int:
    """Remove everything that carries the label; return how many things that were."""
    chosen = {"label": label}
    containers = client.containers.list(all=True, filters=chosen, ignore_removed=True)
    networks = client.networks.list(filters=chosen)
    volumes = client.volumes.list(filters=chosen)
    for container in containers:
        try:
            container.remove(force=True, v=True)
        except NotFound:
            continue  # somebody was quicker
    for thing in (*networks, *volumes):
        thing.remove()
    return len(containers) + len(networks) + len(volumes)


def main(path: str) -> int:
    """Sweep every line of the file; return the exit code."""
    lines = sorted({line.strip() for line in Path(path).read_text().splitlines()})
    for place in (line for line in lines if line.startswith("/")):
        engine.clear(Path(place))
    labels = [line for line in lines if "=" in line and not line.startswith("/")]
    if not labels:
        return 0
    try:
        client = docker.from_env(timeout=30)
        swept = sum(sweep(client, label) for label in labels)
    except DockerException as fault:
        print(f"error: could not remove what carries {', '.join(labels)}: {fault}", file=sys.stderr)
        return 1
    if swept:
        print(f"  · {'swept':<9} {swept} left in Docker", file=sys.stderr)
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1]))
