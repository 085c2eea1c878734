"""Print the first of COUNT neighbouring ports that are free on every address, below those Linux gives to clients."""

from __future__ import annotations

import random
import socket
import sys


def free(port: int) -> bool:
    """Whether nothing listens on the port now, on any address."""
    with socket.socket() as probe:
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind(("0.0.0.0", port))
        except OSError:
            return False
    return True


def main() -> int:
    """Try up to a hundred places; return the exit code."""
    count = int(sys.argv[1])
    for start in random.sample(range(10_000, 19_000, 20), 100):
        if all(free(start + offset) for offset in range(count)):
            print(start)
            return 0
    print(f"error: no {count} neighbouring ports are free from 10000 on.", file=sys.stderr)
    return 1


if __name__ == "__main__":
    sys.exit(main())
