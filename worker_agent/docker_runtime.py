"""The container engine is Docker. The only module that imports docker.

A start is one create and one start call, nothing between: names, ports and refusals come back as the answers of these
two. Whatever is looked up to word a refusal is looked up after it.
"""

from __future__ import annotations

import json
import math
from collections import Counter
from collections.abc import Callable, Iterator, Mapping
from typing import Any

import docker
import docker.auth
import docker.errors
import docker.utils

from ormen.reasons import Code, Reason
from ormen.registries import Login, registry_of
from ormen.units import MOST_BYTES
from worker_agent import docker_args, docker_faults, docker_views
from worker_agent.docker_disk import QUICK_S, WORK_S, DockerDisk
from worker_agent.docker_gate import CONNECTIONS, Ask, Gate, message
from worker_agent.docker_probe import DockerProbe
from worker_agent.docker_pull import Pull, credentials, header_of
from worker_agent.docker_streams import EngineStream, lines, whole
from worker_agent.docker_talk import DockerTalk
from worker_agent.holders import engine_since, holder_of
from worker_agent.runtime import (
    Container,
    ContainerGone,
    ContainerPlan,
    Engine,
    ImageMissing,
    NameInUse,
    OnProgress,
    PlanRefused,
    PullRefused,
    RuntimeEvent,
    RuntimeFault,
    StartRefused,
)

STALL_S = 120.0
"""A pull without any progress for so long is given up; a pull with progress may take for ever."""
LOGIN_S = 12.0
"""A registry that is asked about a login, and whoever asked, wait no longer."""
WATCHED = ("create", "start", "kill", "die", "oom", "stop", "pause", "unpause", "destroy")


class DockerRuntime(DockerDisk, DockerProbe, DockerTalk):
    """`worker_agent.runtime.Runtime` on a Docker engine; `host` None finds it as the docker command does."""

    def __init__(self, host: str | None = None, *, stall_s: float = STALL_S) -> None:
        options = _options(host)
        self._gate = Gate(lambda: _connect(options), address=options["base_url"])
        self._stall_s = stall_s
        self._streams: set[EngineStream[Any]] = set()
        self._cpus: int | None = None

    def engine(self) -> Engine:
        """Return what the engine says of itself."""
        raw = self._get("/info")
        self._cpus = raw["NCPU"]
        return Engine(
            id=raw["ID"],
            version=raw["ServerVersion"],
            os=raw["OSType"],
            arch=docker_views.go_arch(raw["Architecture"]),
            cpus=raw["NCPU"],
            memory_bytes=raw["MemTotal"],
            root_dir=raw["DockerRootDir"],
            started_at=engine_since(self._gate.address),
        )

    def create(self, plan: ContainerPlan, *, meanwhile: Callable[[], object] = lambda: None) -> str:
        """Create the container; the engine's 409 is the answer to whether the name is free."""
        ask = Ask("POST", "/containers/create", {"name": plan.name}, self._capped(plan.body))
        for _ in range(3):
            answer = self._gate.ask(ask, timeout_s=WORK_S, meanwhile=meanwhile)
            if answer.status_code == 201:
                return str(answer.json()["Id"])
            if answer.status_code != 409:
                break
            holder = self.inspect(plan.name)
            if holder is not None and holder.state != "removing":
                raise NameInUse(docker_faults.name_taken(plan.name, holder=holder.id), holder)
            if holder is not None:
                self._wait_removed(holder.id)
        else:
            raise NameInUse(docker_faults.name_taken(plan.name, holder=None), None)
        # A missing image and a missing network are both 404.
        if answer.status_code == 404 and not self.image_present(plan.image):
            raise ImageMissing(docker_faults.image_missing(plan.image))
        raise PlanRefused(docker_faults.create_refusal(plan.name, message(answer)))

    def start(self, container_id: str) -> None:
        """Start a created container."""
        answer = self._gate.ask(Ask("POST", f"/containers/{container_id}/start"), timeout_s=WORK_S)
        if answer.status_code in (204, 304):
            return
        found = self.inspect(container_id)
        if found is None:
            raise StartRefused(docker_faults.vanished(container_id))
        said = message(answer)
        port = docker_faults.refused_port(found.ports, said)
        if answer.status_code == 404:
            networks = [str(item["Name"]) for item in self._get("/networks")]
            if found.network_mode not in networks:
                raise StartRefused(docker_faults.network_missing(found.name, found.network_mode, known=networks))
        if port is None:
            raise StartRefused(docker_faults.start_refusal(found.name, exit_code=found.exit_code, message=said))
        publishers = self._get("/containers/json", filters={"publish": [f"{port.host}/{port.protocol}"]})
        holder = next((f"by container {docker_views.from_list(raw).name}" for raw in publishers), None)
        raise StartRefused(docker_faults.port_in_use(port, holder=holder or holder_of(port), message=said))

    def resize(self, container_id: str, limits: Mapping[str, int]) -> None:
        """Give it other limits. Docker takes 0 for "as it is", so no limit is said as all that the host has."""
        engine = self.engine()
        body = dict(limits)
        body["NanoCpus"] = min(limits["NanoCpus"] or engine.cpus * 10**9, engine.cpus * 10**9)
        if not limits["Memory"]:
            # Its own word for no swap limit, -1, Docker refuses while there is one.
            body |= {"Memory": engine.memory_bytes, "MemorySwap": MOST_BYTES}
        answer = self._gate.ask(Ask("POST", f"/containers/{container_id}/update", body=body), timeout_s=WORK_S)
        if answer.status_code not in (200, 404):
            raise PlanRefused(docker_faults.resize_refusal(container_id, message(answer)))

    def stop(self, container_id: str, *, grace_s: float) -> None:
        """Stop it; the engine answers once it has exited."""
        ask = Ask("POST", f"/containers/{container_id}/stop", {"t": math.ceil(grace_s)})
        answer = self._gate.ask(ask, timeout_s=grace_s + WORK_S)
        if answer.status_code not in (204, 304, 404):
            raise self._gate.unexpected(ask, answer)

    def remove(self, container_id: str) -> None:
        """Remove it, its named and anonymous volumes excepted."""
        ask = Ask("DELETE", f"/containers/{container_id}", {"force": "1"})
        answer = self._gate.ask(ask, timeout_s=WORK_S)
        if answer.status_code == 409:  # with force only: somebody else's removal is under way
            self._wait_removed(container_id)
        elif answer.status_code not in (204, 404):
            raise self._gate.unexpected(ask, answer)

    def inspect(self, word: str) -> Container | None:
        """Return the container in full.

        An engine that shuts down ends its containers and still answers on lines that it has, but takes no new ones:
        an end is told only of an engine that would take another, or the task would be started where nothing starts.
        """
        ask = Ask("GET", f"/containers/{word}/json")
        answer = self._gate.ask(ask, timeout_s=QUICK_S)
        if answer.status_code == 404:
            return None
        if answer.status_code != 200:
            raise self._gate.unexpected(ask, answer)
        found = docker_views.from_inspect(answer.json())
        if found.ended:
            self._gate.knock()
        return found

    def containers(self, cluster: str) -> list[Container]:
        """Return the cluster's containers from one list call."""
        listed = self._get("/containers/json", filters={"label": [f"{docker_args.CLUSTER}={cluster}"]})
        return [docker_views.from_list(raw) for raw in listed]

    def others(self, cluster: str) -> dict[str, int]:
        """Count the other clusters' containers from one list call."""
        listed = self._get("/containers/json", filters={"label": [docker_args.CLUSTER]})
        found = Counter(str(raw["Labels"][docker_args.CLUSTER]) for raw in listed)
        found.pop(cluster, None)
        return dict(found)

    def pull(self, image: str, *, login: Login | None = None, on_progress: OnProgress | None = None) -> None:
        """Fetch the image; without a login of the cluster's, with this host's own if it has one (``docker login``)."""
        repository, tag = docker.utils.parse_repository_tag(image)
        header, user = (header_of(login), login.user) if login else self._own_login(image)
        ask = Ask(
            "POST",
            "/images/create",
            {"fromImage": repository, "tag": tag or "latest"},
            headers={"X-Registry-Auth": header} if header else {},
        )
        Pull(self._gate, image, stall_s=self._stall_s, user=user).run(ask, on_progress)

    def check_login(self, login: Login) -> None:
        """Have the engine ask the registry."""
        answer = self._gate.ask(Ask("POST", "/auth", body=credentials(login)), timeout_s=LOGIN_S)
        if answer.status_code not in (200, 204):
            raise PullRefused(docker_faults.login_refusal(login.host, login.user, message(answer)))

    def watch(self, cluster: str, *, since: int | None = None) -> EngineStream[RuntimeEvent]:
        """Return the cluster's events; probes' exec events stay away."""
        wanted = {"type": ["container"], "event": list(WATCHED), "label": [f"{docker_args.CLUSTER}={cluster}"]}
        params = {"filters": json.dumps(wanted)}
        if since is not None:
            params["since"] = f"{since // 10**9}.{since % 10**9:09d}"
        ask = Ask("GET", "/events", params)
        answer = self._gate.stream(ask, timeout_s=None)
        if answer.status_code != 200:
            raise self._gate.unexpected(ask, answer)

        def read() -> Iterator[RuntimeEvent]:
            for line in lines(answer):
                event = docker_views.to_event(json.loads(line))
                if since is None or event.at_ns > since:
                    yield event
            raise self._gate.down("its event stream ended")

        return EngineStream(read(), answer, self._streams)

    def log_tail(self, container_id: str, lines: int = 50) -> tuple[str, ...]:
        """Return the last lines, each at most 1,000 characters."""
        ask = Ask("GET", f"/containers/{container_id}/logs", {"stdout": 1, "stderr": 1, "tail": lines})
        answer = self._gate.ask(ask, timeout_s=QUICK_S)
        if answer.status_code != 200:
            return ()
        printed = b"".join(docker_views.frames([answer.content])).decode(errors="replace")
        return tuple(line[:1000] for line in printed.splitlines()[-lines:])

    def logs(
        self,
        container_id: str,
        *,
        tail: int | None = None,
        since_s: float | None = None,
        until_s: float | None = None,
        follow: bool = False,
        timestamps: bool = False,
    ) -> EngineStream[bytes]:
        """Stream the log from the engine."""
        params = {"stdout": 1, "stderr": 1, "follow": int(follow), "timestamps": int(timestamps)}
        asked = {**params, "tail": "all" if tail is None else str(tail)}
        for word, moment_s in (("since", since_s), ("until", until_s)):
            if moment_s is not None:
                asked[word] = f"{moment_s:.9f}"
        ask = Ask("GET", f"/containers/{container_id}/logs", asked)
        answer = self._gate.stream(ask, timeout_s=None if follow else QUICK_S)
        if answer.status_code == 404:
            gone = f"There is no container {container_id[:12]} on this host any more, so there is no log."
            raise ContainerGone(Reason(Code.INTERRUPTED, gone))
        if answer.status_code == 501:
            raise RuntimeFault(docker_faults.log_unreadable(container_id))
        if answer.status_code != 200:
            raise self._gate.unexpected(ask, answer)
        printed = docker_views.frames(whole(self._gate, answer, "GET /containers/ID/logs"))
        return EngineStream(docker_views.timed_once(printed) if timestamps else printed, answer, self._streams)

    def close(self) -> None:
        """Let go of the connections and end every stream."""
        for stream in list(self._streams):
            stream.close()
        self._gate.close()

    def _own_login(self, image: str) -> tuple[bytes | None, str]:
        registry = registry_of(image)
        try:
            header: bytes | None = docker.auth.get_config_header(self._gate.session(), registry)
        except docker.errors.DockerException as fault:  # its helper for passwords is not there, or fails
            raise PullRefused(docker_faults.login_unread(registry, str(fault))) from fault
        return header, "this host" if header else ""

    def _capped(self, body: Mapping[str, Any]) -> Mapping[str, Any]:
        """Return the body without a CPU limit that this host's cores are below anyway: Docker refuses such a limit."""
        config = body.get("HostConfig") or {}
        if "NanoCpus" not in config:
            return body
        cpus = self._cpus if self._cpus is not None else self.engine().cpus
        if config["NanoCpus"] <= cpus * 10**9:
            return body
        return {**body, "HostConfig": {key: value for key, value in config.items() if key != "NanoCpus"}}

    def _wait_removed(self, container_id: str) -> None:
        """Return when the container is gone; the engine answers 404 if it is already."""
        ask = Ask("POST", f"/containers/{container_id}/wait", {"condition": "removed"})
        answer = self._gate.ask(ask, timeout_s=WORK_S)
        if answer.status_code not in (200, 404):
            raise self._gate.unexpected(ask, answer)


def _options(host: str | None) -> dict[str, Any]:
    """Return where the engine is: `host`, else what DOCKER_HOST and its companions say, else the docker context."""
    if host is not None:
        return {"base_url": host}
    found: dict[str, Any] = {**docker.utils.kwargs_from_env()}
    if "base_url" not in found:
        context = docker.ContextAPI.get_current_context()
        found["base_url"] = (context.Host if context else None) or "unix:///var/run/docker.sock"
    return found


def _connect(options: Mapping[str, Any]) -> docker.APIClient:
    client = docker.APIClient(version="auto", timeout=int(QUICK_S), max_pool_size=CONNECTIONS, **options)
    # On a socket there is no proxy to look for; requests would read the environment at every call.
    client.trust_env = not options["base_url"].startswith("unix")
    return client
