"""A container engine in memory that keeps the page in `worker_agent.runtime`, so that a fleet can be simulated."""

from __future__ import annotations

import dataclasses
from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from hashlib import sha256
from typing import Any

from ormen.image_pin import repository
from ormen.reasons import Code, Reason
from ormen.registries import Login
from worker_agent.docker_faults import (
    create_refusal,
    image_missing,
    log_unreadable,
    name_taken,
    pull_refusal,
    resize_refusal,
    vanished,
)
from worker_agent.fake_engine import MIB, Behaviour, FakeEngine, Pace
from worker_agent.fake_streams import FakeStream
from worker_agent.fake_talk import FakeAttach, FakeExec
from worker_agent.fake_talk import attach as join
from worker_agent.fake_talk import begin as begin_exec
from worker_agent.runtime import (
    Container,
    ContainerGone,
    ContainerPlan,
    Engine,
    Image,
    ImageMissing,
    NameInUse,
    OnProgress,
    PlanRefused,
    ProbeResult,
    PullProgress,
    PullRefused,
    RuntimeEvent,
    RuntimeFault,
    StartRefused,
    Stream,
)
from worker_agent.talking import ExecPlan

__all__ = ["Behaviour", "FakeRuntime", "Pace"]


class FakeRuntime(FakeEngine):
    """`worker_agent.runtime.Runtime` in memory; `FakeEngine` has what happens to it from outside."""

    def engine(self) -> Engine:
        """Return what the engine says of itself."""
        self.begin("engine")
        return dataclasses.replace(self.behaviour.engine, started_at=f"start {self.generation}")

    def create(self, plan: ContainerPlan, *, meanwhile: Callable[[], object] = lambda: None) -> str:
        """Create the entry; names are unique."""
        self.begin("create", self.behaviour.pace.create_s)
        meanwhile()
        limit = plan.body.get("HostConfig", {}).get("Memory")
        if limit is not None and limit < 6 * MIB:
            raise PlanRefused(create_refusal(plan.name, "Minimum memory limit allowed is 6MB"))
        with self.lock:
            holder = self.find(plan.name)
            if holder is not None:
                raise NameInUse(name_taken(plan.name, holder=holder.id), holder)
            if self.behaviour.images is not None and plan.image not in self.behaviour.images:
                raise ImageMissing(image_missing(plan.image))
            self.check_log_driver(plan)
            return self.add(plan).id

    def start(self, container_id: str) -> None:
        """Let it run, unless another running container has one of its host ports."""
        self.begin("start", self.behaviour.pace.start_s)
        with self.lock:
            found = self.find(container_id)
            if found is None:
                raise StartRefused(vanished(container_id))
            if not found.running:
                self.check_network(found)
                self.check_ports(found)
                self.run(found)

    def resize(self, container_id: str, limits: Mapping[str, int]) -> None:
        """Note the limits; too little memory is refused as Docker does."""
        self.begin("resize")
        if 0 < limits["Memory"] < 6 * MIB:
            raise PlanRefused(resize_refusal(container_id, "Minimum memory limit allowed is 6MB"))
        with self.lock:
            if container_id in self.limits_of:
                self.limits_of[container_id] = dict(limits)

    def stop(self, container_id: str, *, grace_s: float) -> None:
        """Send SIGTERM, which every fake program heeds; without any grace it is killed."""
        self.begin("stop", min(self.behaviour.pace.stop_s, grace_s))
        with self.lock:
            found = self.find(container_id)
            if found is not None and found.running:
                self.halt(found, 15 if grace_s else 9)
                self.tell(found, "stop")

    def remove(self, container_id: str) -> None:
        """Drop the entry."""
        self.begin("remove")
        with self.lock:
            found = self.find(container_id)
            if found is not None and found.running:
                self.halt(found, 9)
            if found is not None:
                self.drop(found)

    def inspect(self, word: str) -> Container | None:
        """Return the entry."""
        self.begin("inspect")
        with self.lock:
            return self.find(word)

    def containers(self, cluster: str) -> list[Container]:
        """Return the cluster's entries, with as little as Docker's list shows."""
        self.begin("containers")
        with self.lock:
            ours = [item for item in self.table.values() if item.cluster == cluster]
            return [self._listed(item) for item in ours]

    def _listed(self, item: Container) -> Container:
        """Return an entry as a list shows it: made once for as long as the entry is the same."""
        known = self.listed.get(item.id)
        if known is None or known[0] is not item:
            shown = dataclasses.replace(item, started_ms=None, finished_ms=None, pid=None, oom_killed=False, volumes=())
            known = self.listed[item.id] = (item, shown)
        return known[1]

    def others(self, cluster: str) -> dict[str, int]:
        """Count the entries of other clusters."""
        self.begin("others")
        with self.lock:
            found = Counter(item.cluster for item in self.table.values() if item.cluster)
        found.pop(cluster, None)
        return dict(found)

    def image_present(self, image: str) -> bool:
        """Return whether a create would find the image."""
        self.begin("image_present")
        return self.behaviour.images is None or image in self.behaviour.images

    def image(self, word: str) -> Image | None:
        """Return the image; its id is the hash of its digest, or of its name where it has none."""
        self.begin("image")
        known = {self._image_id(name): name for name in self.behaviour.images or ()}
        name = word if word in (self.behaviour.images or ()) else known.get(word, word)
        present = name in (self.behaviour.images or ()) if self.behaviour.images is not None else True
        digest = self.meant.get(name)
        names = (name, f"{repository(name)}@{digest}") if digest else (name,)
        return Image(self._image_id(name), 10 * MIB, names) if present else None

    def images_in_use(self) -> frozenset[str]:
        """Return the ids of the images of the table's containers."""
        self.begin("images_in_use")
        with self.lock:
            return frozenset(map(self._image_id, self.image_of.values()))

    def remove_image(self, word: str) -> bool:
        """Drop the image unless a container has it."""
        self.begin("remove_image")
        if word in self.image_of.values() or word in self.images_in_use():
            return False
        if self.behaviour.images is not None:
            self.behaviour.images -= {name for name in self.behaviour.images if word in (name, self._image_id(name))}
        return True

    def remove_volume(self, name: str) -> bool:
        """Drop the volume unless a container has it."""
        self.begin("remove_volume")
        with self.lock:
            if any(name in item.volumes for item in self.table.values()):
                return False
            self.volumes.discard(name)
            return True

    def pull(self, image: str, *, login: Login | None = None, on_progress: OnProgress | None = None) -> None:
        """Make the image present; tells of 10 MB once."""
        took_s = self.begin("pull", self.behaviour.pace.pull_s)
        self.logins.append(login)
        if self.behaviour.remote is not None and image not in self.behaviour.remote:
            raise PullRefused(pull_refusal(image, "manifest unknown"))
        if on_progress is not None:
            on_progress(PullProgress(10**7, 10**7, 10**7 / max(took_s, 0.001)))
        if image in self.behaviour.tags:
            self.meant[image] = self.behaviour.tags[image]
        if self.behaviour.images is not None:
            self.behaviour.images |= {image, *({f"{repository(image)}@{d}"} if (d := self.meant.get(image)) else ())}

    def check_login(self, login: Login) -> None:
        """Take every login."""
        self.begin("check_login")

    def watch(self, cluster: str, *, since: int | None = None) -> Stream[RuntimeEvent]:
        """Return the stream of what happens."""
        self.begin("watch")
        return self.journal.watch(cluster, since, closed=self.gone("its event stream was closed"))

    def log_tail(self, container_id: str, lines: int = 50) -> tuple[str, ...]:
        """Return the last lines that `say` was given."""
        self.begin("log_tail")
        with self.lock:
            printed = b"".join(self.printed.get(container_id, ())).decode(errors="replace")
        return tuple(printed.splitlines()[-lines:])

    def logs(
        self,
        container_id: str,
        *,
        tail: int | None = None,
        since_s: float | None = None,
        until_s: float | None = None,
        follow: bool = False,
        timestamps: bool = False,
    ) -> Stream[bytes]:
        """Stream the lines that `say` was given; their times are not kept, so the other options change nothing."""
        self.begin("logs")
        with self.lock:
            found, printed = self.find(container_id), self.printed.get(container_id)
        if found is None or printed is None:
            raise ContainerGone(Reason(Code.INTERRUPTED, f"There is no container {container_id[:12]} any more."))
        if self.log_driver_of.get(container_id) == "none":
            raise RuntimeFault(log_unreadable(container_id))
        first = 0 if tail is None else max(0, len(printed) - tail)

        def more(at: int) -> tuple[Sequence[bytes], bool]:
            now = self.table.get(container_id)
            return printed[first + at :], not follow or now is None or not now.running

        return FakeStream(self.journal.changed, more)

    def use(self, container_id: str) -> Mapping[str, Any] | None:
        """Return a container's figures: 100 ms of a core for each second it has run, and 10 MiB."""
        self.begin("use")
        with self.lock:
            found = self.find(container_id)
        if found is None or not found.running:
            return None
        run_ms = self.now_ms() - (found.started_ms or 0)
        return {
            "cpu_stats": {"cpu_usage": {"total_usage": run_ms * 100_000}},
            "memory_stats": {"usage": 10 * 1024**2, "limit": 64 * 1024**2},
            "pids_stats": {"current": 1},
        }

    def probe_command(self, container_id: str, command: tuple[str, ...], *, timeout_s: float) -> ProbeResult:
        """Return what `answer_command` was told, else that it exited with 0."""
        self.begin("probe_command")
        with self.lock:
            found = self.find(container_id)
            if found is None or not found.running:
                return ProbeResult(False, f"{command[0]} could not be run: it does not run", Code.HEALTH_COMMAND)
            return self.command_result(found.id, command[0])

    def exec(self, container_id: str, plan: ExecPlan) -> FakeExec:
        """Begin one of the few commands there are."""
        self.begin("exec")
        return begin_exec(self, container_id, plan)

    def attach(self, container_id: str, *, tty: bool, past: bool) -> FakeAttach:
        """Join a container's streams; it prints nothing before its start."""
        self.begin("attach")
        return join(self, container_id)

    def copy_out(self, container_id: str, path: str) -> FakeAttach:
        """Refuse: fake containers have no files."""
        raise RuntimeFault(Reason(Code.CREATE_REFUSED, "A fake container has no files."))

    copy_in = copy_out

    def follow(self, container_id: str) -> FakeAttach:
        """Read what it printed, and what it prints."""
        self.begin("follow")
        return join(self, container_id)

    def close(self) -> None:
        """End every stream that waits for events."""
        self.journal.cut(self.gone("it was closed"))

    def _image_id(self, name: str) -> str:
        digest = name.partition("@")[2] or self.meant.get(name)
        return f"sha256:{sha256((digest or name).encode()).hexdigest()}"
