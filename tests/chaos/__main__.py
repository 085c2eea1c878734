"""The command line of scripts/chaos."""

from __future__ import annotations

import argparse
import random
import sys
import tempfile
from pathlib import Path

from tests.chaos import run
from tests.chaos.plan import plan


def main() -> int:
    """Read the words, and run or print; return the exit code."""
    parser = argparse.ArgumentParser(prog="scripts/chaos", description="Faults at random; are the promises kept?")
    parser.add_argument("--faults", type=int, default=100, metavar="N", help="how many faults (100)")
    parser.add_argument("--seed", type=int, metavar="S", help="what the plan is made from (a random one)")
    parser.add_argument("--dry-run", action="store_true", help="print the plan and end")
    words = parser.parse_args()
    seed = random.randrange(10**6) if words.seed is None else words.seed
    if words.dry_run:
        print("\n".join(map(str, plan(words.faults, seed))))
        return 0
    with tempfile.TemporaryDirectory(prefix="chaos-", ignore_cleanup_errors=True) as folder:
        return run.main(words.faults, seed, Path(folder))


if __name__ == "__main__":
    sys.exit(main())
