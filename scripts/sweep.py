"""Remove the containers, networks and volumes that carry one of the labels listed in a file, one ``key=value`` a line.

A line is written before anything with that label is made, so what a killed command leaves behind can be found.
"""

from __future__ import annotations

import sys
from pathlib import Path

import docker
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
    """Sweep every label of the file; return the exit code."""
    labels = sorted({line.strip() for line in Path(path).read_text().splitlines() if "=" in line})
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
