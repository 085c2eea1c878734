"""What every fault has to be called: written down before any answer was seen, and the only place where it stands.

A row names the fault, as `tests/faults` provokes it for real, the code that the answer must carry, and the key words
of its first sentence: whoever reads that sentence alone has to find the thing, the amount and the place in it.
"""

from __future__ import annotations

from dataclasses import dataclass

from ormen.reasons import Code


@dataclass(frozen=True, slots=True)
class Row:
    """One fault and its right answer; `words` stand in the sentence whatever their case.

    ``{port}``, ``{pid}``, ``{node}`` and the like are what the provocation put there. `at` is whom one asks: the task,
    a node,
    the agent's own last words, or the refused request itself.
    """

    fault: str
    code: Code | str
    words: tuple[str, ...]
    at: str = "task"
    slow: bool = False
    """Whether it takes its time, so that it is better asked about last."""


PLACEMENT = (
    Row("cpu is short", Code.FIT_CPU, ("1.5 cpu", "most", "free", "anchor")),
    Row("no node has so many cores", Code.FIT_CPU, ("640 cpu", "largest node")),
    Row("memory is short", Code.FIT_MEMORY, ("of memory", "most", "free", "anchor")),
    Row("no node has so much memory", Code.FIT_MEMORY, ("64 TiB of memory", "largest node")),
    Row("no node has a GPU", Code.FIT_GPU, ("1 GPU", "no node has any")),
    Row("no node has so much disk", Code.FIT_DISK, ("900 TiB of disk", "largest node")),
    Row("a task holds the port", Code.FIT_PORT, ("port {port}", "task {holder}", "anchor")),
    Row("a value is mistyped", Code.CONSTRAINT, ("zone=eu-wset", "did you mean zone=eu-west")),
    Row("a label is unknown", Code.CONSTRAINT, ("no node has a label flavour",)),
    Row("a node is unknown", Code.CONSTRAINT, ("no node is named ancor", "did you mean anchor")),
    Row("nobody meets two constraints at once", Code.CONSTRAINT, ("no node has all of", "zone=eu-west", "node=spare")),
    Row("the volume is where the task may not run", Code.VOLUME_ELSEWHERE, ("volume", "anchor", "constraints")),
    Row("the only node is cordoned", Code.NODE_CORDONED, ("only node", "spare", "cordoned")),
    Row("the only node is being drained", Code.NODE_DRAINING, ("only node", "spare", "draining")),
    Row("the volume's node is cordoned", Code.NODE_CORDONED, ("spare", "cordoned", "volume", "only there")),
    Row("the only node is silent", Code.NODE_SUSPECT, ("only node", "mute", "suspect")),
    Row("the only node is lost", Code.NODE_LOST, ("only node", "mute", "lost")),
    Row("the node has enough of the group", Code.MAX_PER_NODE, ("anchor", "max_per_node")),
    Row("what it is to be near is nowhere", Code.NEAR, ("near nobody", "no node")),
    Row("what it is to be far from is there", Code.FAR, ("anchor", "{holder}", "far from")),
    Row("the wait is too long", Code.DEADLINE_WAIT, ("within 1s", "deadline.wait", "640 cpu")),
    Row("no node has joined", Code.NO_NODES, ("no node has joined",)),
)

PULLS = (
    Row("the registry has no such repository", Code.PULL_NOT_FOUND, ("{registry}", "no image", "nosuch:1")),
    Row("the registry has no such tag", Code.PULL_NOT_FOUND, ("{registry}", "no image", "good:nosuch")),
    Row("a missing image is named unauthorized", Code.PULL_NOT_FOUND, ("no image", "unauthorized:toomanyrequests")),
    Row(
        "the registry wants a login",
        Code.PULL_AUTH,
        ("{registry}", "only to who is logged in", "registry login {registry}"),
    ),
    Row("the login of the node is wrong", Code.PULL_AUTH, ("{registry}", "does not let anchor have", "password")),
    Row(
        "the registry denies the image in one word",
        Code.PULL_AUTH,
        ("{registry}", "curt:1", "only to who is logged in"),
    ),
    Row(
        "the registry says who may have the image",
        Code.PULL_AUTH,
        ("{registry}", "forbidden:1", "only to who is logged in"),
    ),
    Row(
        "the registry hides the image from strangers",
        Code.PULL_NOT_FOUND,
        ("no image", "hides it from who has no login"),
    ),
    Row("the node pulls too often", Code.PULL_RATE_LIMIT, ("{registry}", "limits", "anchor")),
    Row("the image is for another processor", Code.PULL_ARCH, ("arm:1", "not made for anchor's processor", "amd64")),
    Row("an image without a list is for another processor", Code.PULL_ARCH, ("alien:1", "arm64", "anchor", "amd64")),
    Row("the layer stops coming", Code.PULL_STALLED, ("slow:1", "no progress", "of 2 MB"), slow=True),
    Row("the registry refuses connections", Code.PULL_UNREACHABLE, ("127.0.0.1:1", "could not be asked", "refused")),
    Row("the registry has no address", Code.PULL_UNREACHABLE, ("registry.invalid", "could not be asked")),
    Row("the registry is broken", Code.PULL_UNREACHABLE, ("{registry}", "could not be asked", "500")),
    Row("a layer is not what it claims to be", Code.PULL_UNREACHABLE, ("{registry}", "torn:1", "verif")),
    Row("the image may not be pulled", Code.PULL_NOT_FOUND, ("not on anchor", "pull")),
)

STARTS = (
    Row("a process of the host has the port", Code.PORT_IN_USE, ("port {port}/tcp", "outside ormen", "pid {pid}")),
    Row("a process of the host has the udp port", Code.PORT_IN_USE, ("port {port}/udp", "outside ormen", "pid {pid}")),
    Row("a foreign container has the port", Code.PORT_IN_USE, ("port {port}/tcp", "container {holder}")),
    Row("the host has no such address", Code.PORT_IN_USE, ("192.0.2.1", "anchor has no such address")),
    Row("a foreign container has the name", Code.NAME_TAKEN, ("container name", "taken on anchor", "{holder}")),
    Row("there is no room on the disk", Code.DISK_FULL, ("full", "anchor")),
    Row("the command is not in the image", Code.COMMAND_NOT_FOUND, ('"nosuch"', "not an executable")),
    Row("the command is a folder", Code.COMMAND_NOT_FOUND, ('"/bin"', "cannot be executed")),
    Row("the command may not be executed", Code.COMMAND_NOT_FOUND, ('"/plain"', "cannot be executed")),
    Row("the image names no command", Code.COMMAND_NOT_FOUND, ("names no command",)),
    Row("the program is no program", Code.COMMAND_NOT_FOUND, ("cannot be executed on anchor", "first line")),
    Row("the entrypoint is not in the image", Code.COMMAND_NOT_FOUND, ('"/entry"', "not an executable")),
    Row("the folder is not in the image", Code.CREATE_REFUSED, ("/nosuch", "working directory")),
    Row("the host path is not there", Code.NODE_LACKS, ("{path}", "on anchor")),
    Row("the host has no such network", Code.NODE_LACKS, ("anchor", "no network nosuch-net")),
    Row("the image has no such user", Code.CREATE_REFUSED, ("user nosuch",)),
    Row("the host has no such log driver", Code.NODE_LACKS, ("anchor", "no log driver gelfx")),
    Row("the engine takes the create and says nothing", Code.START_STALLED, ("said nothing", "60s")),
)

ENDS = (
    Row("the program fails", Code.EXIT, ("code 3", "anchor")),
    Row("the program dies of a signal", Code.EXIT, ("code 139 (SIGSEGV)", "anchor")),
    Row("the program fails over and over", Code.EXIT, ("code 7", "after each start", "next try in"), slow=True),
    Row("the tries are spent", Code.EXIT, ("code 4", "on-failure:1 is spent after 2 attempts")),
    Row("the code is not one to try again", Code.EXIT, ("code 5", "only 75 is tried again")),
    Row("the program takes too much memory", Code.OOM, ("want of memory", "limit of 16 MiB")),
    Row("somebody kills the container", Code.INTERRUPTED, ("somebody sent it SIGKILL", "anchor")),
    Row("somebody stops the container", Code.INTERRUPTED, ("somebody sent it SIGTERM", "anchor")),
    Row("somebody removes the container", Code.INTERRUPTED, ("somebody removed its container", "anchor")),
    Row("a stop is asked for", Code.STOPPED, ("stopped on anchor",)),
    Row("a stop is not heeded", Code.STOPPED, ("was killed on anchor", "137 (SIGKILL)")),
    Row(
        "a stop is asked for of a lost node",
        Code.STOPPED_UNSEEN,
        ("counts as stopped", "nobody saw it end", "mute was lost"),
    ),
    Row("the page answers 503", Code.HEALTH_HTTP, ("GET :80/cgi-bin/bad", '503 "db down"', "2 times in a row")),
    Row("nobody listens at the page's port", Code.HEALTH_HTTP, ("GET :80/", "refused the connection")),
    Row("the page does not answer in time", Code.HEALTH_HTTP, ("GET :80/", "no answer within 0.3s")),
    Row("the port is no page", Code.HEALTH_HTTP, ("GET :80/", "not in HTTP")),
    Row("nobody listens at the port", Code.HEALTH_TCP, ("port 5432", "refused the connection")),
    Row("the command says no", Code.HEALTH_COMMAND, ("sh exited with 9", "no response")),
    Row("the command of the check is not there", Code.HEALTH_COMMAND, ("pg_isready",)),
    Row("the command of the check hangs", Code.HEALTH_COMMAND, ("sleep did not end within 0.3s",)),
    Row("the run is too long", Code.DEADLINE_RUN, ("ran for 1", "anchor", "deadline.run")),
    Row("a restart is asked for", Code.RESTARTED, ("restart was asked",)),
    Row("the cluster goes down", Code.CLUSTER_DOWN, ("leaver", "with the cluster")),
)

NODES = (
    Row("a task's node is drained", Code.NODE_DRAINING, ("stopped on spare", "drained")),
    Row("a task's node falls silent", Code.NODE_LOST, ("mute is lost", "silent for")),
    Row("a task's engine is gone", Code.ENGINE_DOWN, ("sick", "docker does not answer", "refused")),
    Row("a task's engine hangs", Code.ENGINE_HUNG, ("hung", "did not answer in time"), slow=True),
    Row("a task's agent is deaf", Code.NOT_CONSUMING, ("deaf", "read nothing from its queue"), slow=True),
    Row("a node's engine is gone", Code.ENGINE_DOWN, ("docker does not answer", "refused"), at="node"),
    Row("an agent may not use the engine", Code.ENGINE_DENIED, ("may not use Docker", "group docker"), at="agent"),
    Row("most nodes fall silent at once", Code.BRAKE, ("wait", "return")),
)

REQUESTS = (
    Row("a field is unknown", "INVALID_SPEC", ("1 fault", "nothing was stored"), at="request"),
    Row("the policy forbids it", Code.POLICY, ("policy forbids", "privileged"), at="request"),
    Row("a living task has the name", Code.NAME_TAKEN, ("name {holder} is taken",), at="request"),
    Row("Redis does not answer", Code.STORE_UNAVAILABLE, ("Redis at 127.0.0.1", "refuses"), at="request"),
)

ROWS = (*PLACEMENT, *PULLS, *STARTS, *ENDS, *NODES, *REQUESTS)
