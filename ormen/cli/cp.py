"""``ormen cp``: files into and out of a task's container, on whatever node it is."""

from __future__ import annotations

import sys

import click

from ormen.cli.errors import Failure
from ormen.cli.options import Command, common, session_of


@click.command(
    cls=Command,
    help="Copy files between here and the container of a task, also of an ended one\n"
    "whose container is still there. A folder that exists is copied into; DIR/. is\n"
    "its content; - is a tar on stdin or stdout.",
    usage=["[OPTIONS] TASK:PATH TARGET", "[OPTIONS] SOURCE TASK:PATH"],
    examples=[
        "ormen cp web:/etc/nginx/nginx.conf .",
        "ormen cp ./site/. web:/usr/share/nginx/html",
        "ormen cp web:/var/log - | tar t",
    ],
)
@click.argument("source")
@click.argument("target")
@common
@click.pass_context
def cp(ctx: click.Context, source: str, target: str) -> None:
    """Copy."""
    session = session_of(ctx)
    here, there = split(source), split(target)
    if (here is None) == (there is None):
        why = "both are in containers" if here else "neither names a container"
        raise Failure(f"{why}", hint="one of SOURCE and TARGET is TASK:PATH.", exit_code=2)
    client = session.client()
    try:
        if here is not None:
            word, path = here
            if target == "-":
                client.download_tar(word, path, sys.stdout.buffer)
            else:
                client.download(word, path, target)
        elif there is not None:
            word, path = there
            if source == "-":
                client.upload_tar(word, sys.stdin.buffer, path)
            else:
                client.upload(word, source, path)
    except OSError as error:
        if isinstance(error, BrokenPipeError):
            raise
        raise Failure(f"{error.filename or source}: {(error.strerror or str(error)).lower()}") from error
    if session.structured and target != "-":
        session.document({"source": source, "target": target})


def split(text: str) -> tuple[str, str] | None:
    """Return task and path of ``TASK:PATH``; None for a path of ours. ``./a:b`` is one of ours, too."""
    word, colon, path = text.partition(":")
    if not colon or "/" in word or word in ("", ".", ".."):
        return None
    return word, path if path.startswith("/") else f"/{path}"
