"""``python -m ormen.cli`` is the ormen command."""

from ormen.cli.main import main

main()
