"""Debian's registry, which wants a login: that of ann, whose password is secret."""

from __future__ import annotations

import subprocess
from pathlib import Path


def locked_registry_command(folder: Path, address: str, *, tls: tuple[Path, Path] | None = None) -> list[str]:
    """Return the command of one that listens there and keeps its files in a folder; `tls` is certificate and key."""
    users = subprocess.run(["htpasswd", "-Bbn", "ann", "secret"], check=True, capture_output=True).stdout
    (folder / "htpasswd").write_bytes(users)
    secure = f", tls: {{certificate: {tls[0]}, key: {tls[1]}}}" if tls else ""
    (folder / "registry.yml").write_text(
        f"version: 0.1\nlog: {{level: error}}\nhttp: {{addr: '{address}'{secure}}}\n"
        f"storage: {{filesystem: {{rootdirectory: {folder}/data}}}}\n"
        f"auth: {{htpasswd: {{realm: test, path: {folder}/htpasswd}}}}\n"
    )
    return ["docker-registry", "serve", str(folder / "registry.yml")]
