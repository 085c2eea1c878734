"""Several hosts on one machine: network namespaces, each with an engine, an address and a cable of its own.

An engine is only ever started inside a namespace. Whatever is made is announced to the guard before it is made, and
taken away when the block ends, however it ends.
"""

from __future__ import annotations

import contextlib
import json
import os
import signal
import subprocess
from collections.abc import Sequence
from functools import cached_property
from ipaddress import IPv4Address
from pathlib import Path

import docker
import psutil
from docker.models.containers import Container

from ormen.local.tether import tether
from scripts import engine as machine
from tests.acceptance.living import IMAGE, ORMEN, Done
from tests.sweep import announce
from tests.waiting import wait_until

RUN = Path("/run") / f"ormen-hosts-{os.getpid()}"
"""Sockets, in a short path; data lies in the test's own folder."""
MOST_HOSTS = 8
"""Hosts that one process may have."""
CLOCK = "/usr/lib/x86_64-linux-gnu/faketime/libfaketimeMT.so.1"
"""Debian's libfaketime, which moves the clock of one process."""


def clean_env() -> dict[str, str]:
    """Return this process's environment without anything that is ormen's or Docker's."""
    ours = ("ORMEN_", "CUBE_", "PYTHON", "DOCKER_", "XDG_")
    return {key: value for key, value in os.environ.items() if not key.startswith(ours)}


class Host:
    """One host: a namespace with a cable, and its own Docker engine with the echo image."""

    def __init__(self, name: str, number: int, folder: Path, *, disk_mb: int | None = None) -> None:
        self.name = name
        self.folder = folder
        self.disk_mb = disk_mb
        self.live_restore = False
        """Whether the next engine lets its containers live when it ends, as `live-restore` has it."""
        self.run = RUN / name
        self.netns = f"{RUN.name}-{name}"
        self.port = f"orm{os.getpid()}-{number}"
        # Of 198.18.0.0/15, which is meant for test beds: four addresses a host, others for each process.
        base = int(IPv4Address("198.18.0.0")) + (os.getpid() * MOST_HOSTS + number) % 2**15 * 4
        self.gateway, self.address = str(IPv4Address(base + 1)), str(IPv4Address(base + 2))
        self.sailors: list[subprocess.Popen[bytes]] = []
        self.daemon: subprocess.Popen[bytes] | None = None

    def __enter__(self) -> Host:
        self.folder.mkdir(parents=True)
        for place in (f"/run/netns/{self.netns}", RUN, self.folder):
            announce(str(place))
        try:
            self._cable()
            if self.disk_mb is not None:
                (self.folder / "data").mkdir()
                run("mount", "-t", "tmpfs", "-o", f"size={self.disk_mb}m", "tmpfs", str(self.folder / "data"))
            self.start_engine()
            self._hand_image_over()
        except BaseException:
            self.close()
            raise
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def close(self) -> None:
        """Take everything away; also what was made only in part."""
        self.end_sailors()
        if self.daemon is not None:
            self.stop_engine()
        left = machine.family([pid for pid in machine_processes(self.run) if machine.alive(pid)])
        machine.tell(left, signal.SIGKILL)
        wait_until(lambda: not any(map(machine.alive, left)), timeout_s=10, what=f"for {self.name}'s processes to end")
        self.client.close()
        for place in (self.run, self.folder / "data", Path("/run/netns") / self.netns):
            machine.clear(place)
        with contextlib.suppress(OSError):
            RUN.rmdir()
        # The kernel takes namespaces away one after the other, those of its containers first.
        gone = f"for {self.name}'s cable to go"
        wait_until(lambda: self.port not in psutil.net_if_addrs(), timeout_s=60, what=gone)

    # Its cable

    def inside(self, *words: str | Path) -> list[str]:
        """Return the command that runs another on this host; `ip netns exec` would hide the cgroups."""
        return ["nsenter", f"--net=/run/netns/{self.netns}", *map(str, words)]

    def _cable(self) -> None:
        run("ip", "netns", "add", self.netns)
        run("ip", "link", "add", self.port, "type", "veth", "peer", "name", "eth0", "netns", self.netns)
        run("ip", "address", "add", f"{self.gateway}/30", "dev", self.port)
        run("ip", "link", "set", self.port, "up")
        run(*self.inside("ip", "link", "set", "lo", "up"))
        run(*self.inside("ip", "address", "add", f"{self.address}/30", "dev", "eth0"))
        run(*self.inside("ip", "link", "set", "eth0", "up"))

    def cut(self) -> None:
        """Pull the cable."""
        run("ip", "link", "set", self.port, "down")

    def mend(self) -> None:
        """Plug the cable in again."""
        run("ip", "link", "set", self.port, "up")

    # Its power

    def power_off(self) -> None:
        """End everything on the host at once, without a word to anybody, its containers included."""
        self.cut()
        agents = [pid for sailor in self.sailors for pid in machine.family([sailor.pid])]
        machine.tell([*agents, *machine.family(machine_processes(self.run))], signal.SIGKILL)
        self.end_sailors()
        assert self.daemon is not None
        self.daemon.wait(10)
        self.daemon = None

    def power_on(self) -> None:
        """Start the host again, with what was on its disk: the engine runs, the sailor not yet."""
        self.boot()
        self.start_engine()

    def boot(self) -> None:
        """Bring back what a boot does before any service starts: the cable, and an empty /run."""
        machine.clear(self.run)
        self.mend()

    # Its disk

    def fill_disk(self) -> None:
        """Leave no room on the disk of its engine; only of a host with a disk of its own."""
        assert self.disk_mb is not None
        with (self.folder / "data" / "filler").open("wb") as file, contextlib.suppress(OSError):
            while True:
                file.write(bytes(2**20))
                file.flush()

    def free_disk(self) -> None:
        """Take away what `fill_disk` has written."""
        (self.folder / "data" / "filler").unlink()

    # Its engine

    @cached_property
    def client(self) -> docker.DockerClient:
        """What speaks to its engine."""
        return docker.DockerClient(base_url=self.socket, version="1.41", timeout=20)

    @property
    def socket(self) -> str:
        """Where its engine answers."""
        return f"unix://{self.run}/docker.sock"

    def start_engine(self) -> None:
        """Start the engine on the data it had, and return once it answers."""
        self.launch_engine()
        try:
            wait_until(self.engine_answers, timeout_s=120, what=f"for {self.name}'s engine")
        except AssertionError as vain:
            raise AssertionError(f"{vain}: {(self.folder / 'dockerd.log').read_text()[-2000:]}") from None

    def engine_answers(self) -> bool:
        """Return whether the engine answers its ping."""
        return machine.why_silent(self.socket) is None

    def launch_engine(self) -> None:
        """Start the engine on the data it had, and return at once."""
        self.run.mkdir(parents=True, exist_ok=True)
        # Its id is made from this key; by default all engines of one machine share the key, and so the id.
        settings = {"deprecated-key-path": str(self.folder / "key.json"), "live-restore": self.live_restore}
        (self.folder / "daemon.json").write_text(json.dumps(settings))
        command = ["dockerd", "--data-root", self.folder / "data", "--exec-root", self.run / "exec"]
        command += ["--pidfile", self.run / "pid", "--host", self.socket, "--containerd-namespace", self.netns]
        command += ["--containerd-plugins-namespace", f"{self.netns}-plugins", "--log-level", "warn"]
        command += ["--config-file", self.folder / "daemon.json"]
        with (self.folder / "dockerd.log").open("ab") as log:
            self.daemon = subprocess.Popen(
                self.inside(*command), stdin=subprocess.DEVNULL, stdout=log, stderr=log, preexec_fn=tether()
            )

    def stop_engine(self, number: signal.Signals = signal.SIGTERM) -> None:
        """End the engine by a signal, and return once it has ended."""
        assert self.daemon is not None
        self.thaw_engine()
        helpers = machine_processes(self.run, ("containerd",))
        self.daemon.send_signal(number)
        try:
            self.daemon.wait(20)
        except subprocess.TimeoutExpired:
            self.daemon.kill()
            self.daemon.wait()
        self.daemon = None
        # Its containerd dies with it, but is not at once reaped, and the next engine would wait for the dead one.
        wait_until(lambda: not any(map(psutil.pid_exists, helpers)), what=f"for {self.name}'s containerd to end")

    def freeze_engine(self) -> None:
        """Stop the engine where it is: it accepts and answers nothing, its containers run on."""
        assert self.daemon is not None
        self.daemon.send_signal(signal.SIGSTOP)

    def thaw_engine(self) -> None:
        """Let a frozen engine go on."""
        assert self.daemon is not None
        self.daemon.send_signal(signal.SIGCONT)

    def _hand_image_over(self) -> None:
        with contextlib.closing(docker.from_env()) as theirs:
            self.client.images.load(b"".join(theirs.images.get(IMAGE).save(named=True)))

    def containers(self, task: str | None = None) -> list[Container]:
        """Return the containers on its engine, also ended ones; those of one task (by id) if that is given."""
        chosen = {"label": f"ormen.task={task}"} if task else {}
        return list(self.client.containers.list(all=True, filters=chosen, ignore_removed=True))

    def own(self, name: str, **labels: str) -> Container:
        """Start a container here past ormen."""
        container = self.client.containers.run(IMAGE, name=name, detach=True, labels=labels)
        container.reload()
        return container

    # Its agent

    def environment(self) -> dict[str, str]:
        """Return the variables of a shell on this host, whose clock is where `set_clock` has put it."""
        clock = {"LD_PRELOAD": CLOCK, "FAKETIME_DONT_FAKE_MONOTONIC": "1", "FAKETIME_NO_CACHE": "1"}
        moved = {**clock, "FAKETIME_TIMESTAMP_FILE": str(self._clock)} if self._clock.exists() else {}
        return {**clean_env(), "DOCKER_HOST": self.socket, "ORMEN_STATE_DIR": str(self.folder / "state"), **moved}

    @property
    def _clock(self) -> Path:
        return self.folder / "clock"

    def set_clock(self, seconds: float) -> None:
        """Move the clock of its agent by so much; the first time it needs another sailor to take effect."""
        self._clock.write_text(f"{seconds:+g}\n")

    def reset_clock(self) -> None:
        """Let the next sailor have the right clock again."""
        self._clock.unlink()

    @property
    def agent(self) -> psutil.Process:
        """The process of its agent, which must live."""
        (found,) = psutil.Process(self.sailors[-1].pid).children()
        return found

    def freeze_agent(self) -> None:
        """Stop the agent where it is."""
        self.agent.suspend()

    def thaw_agent(self) -> None:
        """Let a frozen agent go on; a sailor that has just been started may have none yet."""
        for agent in psutil.Process(self.sailors[-1].pid).children():
            with contextlib.suppress(psutil.NoSuchProcess):
                agent.resume()

    def end_sailors(self) -> None:
        """End its sailors by SIGKILL; their agents end with them."""
        for sailor in self.sailors:
            machine.tell(machine.family([sailor.pid]), signal.SIGKILL)
            sailor.wait()
        self.sailors.clear()

    def sailor(self, url: str, *options: str) -> subprocess.Popen[bytes]:
        """Start `ormen sailor` here; what it says goes to a file."""
        command = self.inside(ORMEN, "sailor", "--redis-url", url, *options)
        with (self.folder / "sailor.log").open("ab") as log:
            process = subprocess.Popen(
                command, env=self.environment(), stdin=subprocess.DEVNULL, stdout=log, stderr=log, preexec_fn=tether()
            )
        self.sailors.append(process)
        return process

    def try_sailor(self, url: str, *options: str) -> Done:
        """Run `ormen sailor` here, which must end by itself."""
        process = subprocess.Popen(
            self.inside(ORMEN, "sailor", "--redis-url", url, *options),
            env={**self.environment(), "ORMEN_STATE_DIR": str(self.folder / "other")},
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
            preexec_fn=tether(),
        )
        try:
            out, err = process.communicate(timeout=20)
        except subprocess.TimeoutExpired:
            process.terminate()
            out, err = process.communicate()
            raise AssertionError(f"it runs on: {err}") from None
        return Done(process.returncode, out, err)

    @property
    def log(self) -> str:
        """Return what its sailors have said."""
        return (self.folder / "sailor.log").read_text()


PROGRAMS = ("dockerd", "containerd", "docker-proxy", "containerd-shim-runc-v2")
"""What an engine consists of."""


def machine_processes(place: Path, names: Sequence[str] = PROGRAMS) -> list[int]:
    """Return the processes of an engine that work in a folder; only those programs."""
    found = []
    for process in psutil.process_iter(["name", "cmdline"]):
        words = process.info["cmdline"] or [""]
        if os.path.basename(words[0]) in names and any(f"{place}/" in word for word in words):
            found.append(process.pid)
    return found


def run(*words: str) -> None:
    """Run a command that must work."""
    done = subprocess.run(words, capture_output=True, text=True)
    assert done.returncode == 0, f"{' '.join(words)}: {done.stderr}"
