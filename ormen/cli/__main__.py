"""The ormen command's way in, also ``python -m ormen.cli``: so small that Ctrl-C while it loads finds it ready."""

from __future__ import annotations

import os


def main() -> None:
    """Load the command and be it; Ctrl-C before it is loaded ends it as silently as later."""
    try:
        from ormen.cli.main import main as command

        command()
    except KeyboardInterrupt:
        os._exit(130)


if __name__ == "__main__":
    main()
