"""A machine on which the examples of the help are run word for word, since all that they name is there.

A host of the test bed (a network namespace with its own engine) that has the addresses, names, files and images of the
examples, and reaches nothing else: 10.0.0.5 has a Redis, registry.example.com and ghcr.io are a registry that wants a
login, ops.example.com and 10.0.0.9 listen for webhooks.
"""

from __future__ import annotations

import io
import signal
import subprocess
import sys
import tarfile
from pathlib import Path

from ormen.local.redis import find_server
from ormen.local.tether import tether
from scripts import engine as machine
from tests.acceptance.living import IMAGE, ORMEN, ROOT, Done
from tests.acceptance.locked import locked_registry_command
from tests.cluster.hosts import Host, clean_env, machine_processes, run
from tests.waiting import wait_until

REDIS, REGISTRY, HOOKS = "10.0.0.5", "10.0.0.8", "10.0.0.9"
NAMES = {"registry.example.com": REGISTRY, "ghcr.io": REGISTRY, "ops.example.com": HOOKS}
LISTEN = "\n".join(f": < /dev/tcp/{at}" for at in (f"{REDIS}/6379", f"{REGISTRY}/443", f"{HOOKS}/80", f"{HOOKS}/443"))
"""What a shell does if all of them listen."""
IMAGES = {
    "nginx:latest": "nginx",
    "postgres:latest": "stay",
    "alpine:latest": "sh",
    "busybox:latest": "sh",
    "acme/api:4": "stay",
    "acme/worker:7": "stay",
    "acme/report:9": "report",
}
"""The images of the examples and the program of each."""
PROGRAMS = {
    "nginx": 'test "$1" = -t && exec echo "the configuration is well"\n'
    "trap 'exit 0' TERM\nhttpd -f -p 80 -h /usr/share/nginx/html & echo serving; wait $!",
    "stay": "trap 'exit 0' TERM\necho \"here with $*\"; while :; do sleep 0.1; done",
    "work": 'exec stay "$@"',
    "report": "echo all is well; sleep 1",
    "psql": "cat",
}
FILES = {
    **{f"bin/{name}": f"#!/bin/sh\n{program}\n" for name, program in PROGRAMS.items()},
    "etc/passwd": "root:x:0:0:root:/:/bin/sh\n",
    "etc/nginx/nginx.conf": "listen 80;\n",
    "usr/share/nginx/html/index.html": "welcome\n",
    "srv/page": "",
    "var/log/nginx.log": "started\n",
}


class Workstation(Host):
    """The host, with a shell whose home has the files of the examples."""

    def __init__(self, name: str, number: int, folder: Path) -> None:
        super().__init__(name, number, folder / "host")
        self.home, self.etc, self.pki = (folder / part for part in ("home", "etc", "pki"))
        self.servers: list[subprocess.Popen[bytes]] = []

    def __enter__(self) -> Workstation:
        for place in (self.home, self.etc / "ormen", self.pki):
            place.mkdir(parents=True)
        hosts = [f"{address} {name}\n" for name, address in {"localhost": "127.0.0.1", **NAMES}.items()]
        (self.etc / "hosts").write_text("".join(hosts))
        (self.etc / "ormen" / "token").write_text("a-token-of-the-tests\n")
        super().__enter__()
        try:
            self._furnish()
        except BaseException:
            self.close()
            raise
        return self

    def close(self) -> None:
        """Take everything away, whatever runs in its namespace included."""
        pids = subprocess.run(["ip", "netns", "pids", self.netns], capture_output=True, text=True).stdout
        engine = machine_processes(self.run)
        machine.tell([pid for pid in map(int, pids.split()) if pid not in engine], signal.SIGKILL)
        for server in self.servers:
            server.wait()
        super().close()

    def inside(self, *words: str | Path) -> list[str]:
        """Return the command that runs another on this host, with the files that its /etc has besides the machine's."""
        mount = f'mount -t overlay overlay -o lowerdir="{self.etc}":/etc /etc && exec "$@"'
        trusted = f"SSL_CERT_FILE={self.pki}/certificate.pem"
        return super().inside("unshare", "--mount", "sh", "-c", mount, "sh", "env", trusted, *words)

    def environment(self) -> dict[str, str]:
        """Return the variables of its shell: as of somebody who has just installed ormen."""
        path = f"{Path(ORMEN).parent}:/usr/local/bin:/usr/bin:/bin:/usr/sbin:/sbin"
        return {**clean_env(), "DOCKER_HOST": self.socket, "HOME": str(self.home), "PATH": path, "TERM": "xterm"}

    def shell(self, line: str) -> list[str]:
        """Return the command that has a shell run lines at home."""
        return self.inside("bash", "-c", f"set -eo pipefail; cd; {line}")

    def _furnish(self) -> None:
        for address in (REDIS, REGISTRY, HOOKS):
            run(*self.inside("ip", "address", "add", f"{address}/32", "dev", "lo"))
        names = ",".join(f"DNS:{name}" for name in NAMES)
        key, certificate = self.pki / "key.pem", self.pki / "certificate.pem"
        run("openssl", "req", "-x509", "-newkey", "rsa:2048", "-nodes", "-subj", "/CN=tests", "-days", "2",
            "-addext", f"subjectAltName={names}", "-keyout", str(key), "-out", str(certificate))  # fmt: skip
        self._beside(*locked_registry_command(self.pki, f"{REGISTRY}:443", tls=(certificate, key)))
        self._beside(sys.executable, "-m", "tests.acceptance.doorbell", HOOKS, certificate, key)
        self._beside(find_server().path, "--bind", REDIS, "--requirepass", "PASSWORD", "--dir", self.pki,
                     "--appendonly", "yes", "--maxmemory-policy", "noeviction")  # fmt: skip
        self._build()
        wait_until(lambda: not self.type(LISTEN).code, what="for the servers of the examples")

    def _beside(self, *words: str | Path) -> None:
        with (self.pki / "log").open("ab") as log:
            process = subprocess.Popen(
                self.inside(*words), stdin=subprocess.DEVNULL, stdout=log, stderr=log, cwd=ROOT, preexec_fn=tether()
            )
        self.servers.append(process)

    def _build(self) -> None:
        for name, program in IMAGES.items():
            dockerfile = f'FROM {IMAGE}\nCOPY files /\nENTRYPOINT []\nCMD ["{program}"]\n'
            files = {"Dockerfile": dockerfile, **{f"files/{path}": text for path, text in FILES.items()}}
            self.client.images.build(fileobj=archived(files), custom_context=True, tag=name, rm=True)

    def type(self, lines: str) -> Done:
        """Have the shell run lines until one fails, and return how that ended."""
        done = subprocess.run(
            self.shell(lines), env=self.environment(), stdin=subprocess.DEVNULL, capture_output=True, text=True,
            timeout=200,
        )  # fmt: skip
        return Done(done.returncode, done.stdout, done.stderr)

    def start(self, line: str, output: Path) -> subprocess.Popen[bytes]:
        """Have a shell of its own, which heeds Ctrl-C, run a line that goes on; what it prints goes to a file."""
        with output.open("wb") as file:
            return subprocess.Popen(
                self.shell(line), env=self.environment(), stdin=subprocess.DEVNULL, stdout=file, stderr=file,
                start_new_session=True, preexec_fn=lambda: signal.signal(signal.SIGINT, signal.SIG_DFL),
            )  # fmt: skip


def archived(files: dict[str, str]) -> io.BytesIO:
    """Return a tar archive of programs."""
    output = io.BytesIO()
    with tarfile.open(fileobj=output, mode="w") as archive:
        for name, text in files.items():
            entry = tarfile.TarInfo(name)
            entry.size, entry.mode = len(text), 0o755
            archive.addfile(entry, io.BytesIO(text.encode()))
    output.seek(0)
    return output
