"""What Docker's refusals mean, as reasons. Values in, value out.

Docker has few error types: a port in use, a full disk and an unknown user are all status 500, and a missing tag,
a wrong password and a rate limit all end a pull with 500 or with the last item of a stream of 200. Callers judge by
status and by what they can look up; these functions read the message only where Docker gives nothing else.
"""

from __future__ import annotations

import re
from collections.abc import Sequence

from ormen.image_pin import has_digest
from ormen.reasons import Code, Reason
from ormen.registries import registry_of
from ormen.task import Port

DISK_FULL = "no space left on device"
AWAY = "keep the task off it with a constraint"

_AUTH_WORDS = (
    "unauthorized",
    "authentication required",
    "no basic auth credentials",
    "access denied",
    "is denied",
    "incorrect username or password",
    "403 forbidden",
)

_PULL_WORDS: tuple[tuple[Code, tuple[str, ...]], ...] = (
    (Code.PULL_RATE_LIMIT, ("toomanyrequests", "too many requests", "rate limit")),
    (Code.DISK_FULL, (DISK_FULL,)),
    (
        Code.PULL_ARCH,
        ("no matching manifest", "does not match the specified platform", "cannot be used on this platform"),
    ),
    (Code.PULL_NOT_FOUND, ("login': denied: requested access",)),
    # What follows comes from a registry that knows who asks: "denied: User ann is not authorized to …".
    (Code.PULL_AUTH, ("login': denied: ",)),
    # Docker Hub says this for a private and for a missing repository; the sentence offers both cures.
    (Code.PULL_NOT_FOUND, ("repository does not exist or may require",)),
    (Code.PULL_AUTH, _AUTH_WORDS),
    (Code.PULL_NOT_FOUND, ("manifest unknown", "name unknown", "not found", "invalid reference format")),
)
"""Measured with Docker 20.10 against a registry; whatever fits none is PULL_UNREACHABLE, which is tried again."""


def pull_refusal(image: str, message: str, *, user: str = "") -> Reason:
    """Return why `image` could not be pulled, given the engine's message; `user` is whose login was sent, if any."""
    low, registry = _without_names(message.lower(), image), registry_of(image)
    code = next((code for code, words in _PULL_WORDS if any(word in low for word in words)), Code.PULL_UNREACHABLE)
    if low.strip() == "denied":
        # Docker leaves no more of a 403 whose text is the usual one.
        code = Code.PULL_AUTH
    sentences = {
        Code.PULL_RATE_LIMIT: f"Registry {registry} limits how often this host may pull, so {image} was not pulled;"
        f" it is tried again{'' if user else f', or log in: ormen registry login {registry}'}.",
        Code.DISK_FULL: f"The disk of this host's Docker is full, so {image} was not pulled;"
        " free some room: docker image prune.",
        Code.PULL_ARCH: f"Image {image} is not made for this host's processor ({_clip(message)});"
        " use an image for it, or a constraint such as arch=arm64.",
        Code.PULL_AUTH: _not_allowed(registry, image, user),
        Code.PULL_NOT_FOUND: f"Registry {registry} has no image {image}, or hides it"
        f" from {user or 'who has no login'}; {_remedy_of_name(image)}, or log in: ormen registry login {registry}.",
        Code.PULL_UNREACHABLE: f"Registry {registry} could not be asked for {image}: {_clip(message)}.",
    }
    return Reason(code, sentences[code])


def _remedy_of_name(image: str) -> str:
    if has_digest(image):
        return "if it is what a tag once meant, submit the task anew to run what the tag means now"
    return "check its name and tag"


def _not_allowed(registry: str, image: str, user: str) -> str:
    if not user:
        return (
            f"Registry {registry} gives {image} only to who is logged in, and no login is kept for it;"
            f" log in: ormen registry login {registry}."
        )
    return (
        f"Registry {registry} does not let {user} have {image}: the password is wrong or no longer valid, or {user}"
        f" may not read it; log in anew: ormen registry login {registry}."
    )


def login_refusal(registry: str, user: str, message: str) -> Reason:
    """Return why a registry did not take a login, or could not be asked."""
    low = message.lower()
    if any(word in low for word in _AUTH_WORDS):
        return Reason(
            Code.PULL_AUTH, f"Registry {registry} does not know {user} with this password; check both and log in again."
        )
    return Reason(Code.PULL_UNREACHABLE, f"Registry {registry} could not be asked: {_clip(message)}.")


def login_sealed(registry: str, why: str) -> Reason:
    """Return the reason of a pull whose login this host cannot read."""
    return Reason(Code.PULL_AUTH, f"The login for {registry} cannot be read on this host: {why}.")


def login_unread(registry: str, why: str) -> Reason:
    """Return the reason of a pull for which this host's own logins, those of ``docker login``, cannot be read."""
    return Reason(
        Code.PULL_AUTH,
        f"The logins that this host keeps itself cannot be read ({_clip(why)}), so {registry} was not asked; correct"
        f" its agent's Docker config, or give the cluster a login: ormen registry login {registry}.",
    )


def pull_failed(image: str) -> Reason:
    """Return the reason of a pull that failed by a fault of ormen's own."""
    return Reason(
        Code.PULL_UNREACHABLE, f"Image {image} was not pulled on this host, whose agent failed at it; its log says why."
    )


def pull_stalled(image: str, *, silent_s: float, done_bytes: int, total_bytes: int) -> Reason:
    """Return the reason of a pull that was given up because nothing came any more."""
    far = f"{done_bytes // 10**6} of {total_bytes // 10**6} MB" if total_bytes else "nothing"
    return Reason(
        Code.PULL_STALLED,
        f"The pull of {image} from {registry_of(image)} made no progress for {silent_s:.0f}s, with {far} received;"
        " it is tried again, and what is complete is kept.",
    )


def image_missing(image: str) -> Reason:
    """Return the reason of a create without its image."""
    return Reason(Code.PULL_NOT_FOUND, f"Image {image} is not on this host; pull it there, or leave out pull: never.")


def create_refusal(name: str, message: str) -> Reason:
    """Return why the engine will not create container `name`."""
    if DISK_FULL in message.lower():
        return disk_full(name)
    if "no command specified" in message.lower():
        words = f"The image of {name} names no command to run, and the task names none; give it a command."
        return Reason(Code.COMMAND_NOT_FOUND, words)
    workdir = re.search(r"/merged(/\S+): (not a directory)", message)
    if workdir:
        words = (
            f"The working directory {workdir[1]} cannot be made in the image of {name}: {workdir[2]}; correct workdir."
        )
        return Reason(Code.CREATE_REFUSED, words)
    driver = _between(message, "logging plugin ", ":")
    if driver:
        return Reason(
            Code.NODE_LACKS,
            f"This host's Docker has no log driver {driver}, which {name} asks for; choose another, such as json-file.",
        )
    path = message.partition("bind source path does not exist: ")[2].strip()
    if path:
        return Reason(
            Code.NODE_LACKS, f"There is no {path} on this host, which {name} mounts; create it there, or {AWAY}."
        )
    return Reason(Code.CREATE_REFUSED, f"Docker refuses to create {name}: {_clip(message)}; change the spec.")


def resize_refusal(name: str, message: str) -> Reason:
    """Return why the engine will not give a running container other limits."""
    return Reason(Code.CREATE_REFUSED, f"Docker on this host refuses {name[:12]} its new limits: {_clip(message)}.")


def name_taken(name: str, *, holder: str | None) -> Reason:
    """Return the reason for a name that another container has; `holder` is its id."""
    who = f"container {holder[:12]}" if holder else "a container that went away meanwhile"
    return Reason(
        Code.NAME_TAKEN,
        f"The container name {name} is taken on this host by {who}; remove or rename that container.",
    )


def disk_full(name: str) -> Reason:
    """Return the reason for a container that found no room."""
    return Reason(
        Code.DISK_FULL, f"The disk of this host's Docker is full, so {name} was not started; free some room there."
    )


def vanished(name: str) -> Reason:
    """Return the reason for a container that somebody removed before it was started."""
    return Reason(Code.INTERRUPTED, f"Container {name[:12]} was removed by somebody before it was started.")


def start_refusal(name: str, *, exit_code: int | None, message: str) -> Reason:
    """Return why container `name` did not start, where no port is the cause.

    The engine leaves 127 (not found) or 126 (cannot be executed) as the exit code of a container whose
    command is the fault, and 128 for everything else.
    """
    low = message.lower()
    if DISK_FULL in low:
        return disk_full(name)
    # runc leaves 127 also where it could not set a sysctl.
    setting = _between(message, "open /proc/sys/", ":")
    if setting:
        words = (
            f"The kernel of this host has no sysctl {setting.replace('/', '.')}, which {name} asks for; leave it out."
        )
        return Reason(Code.NODE_LACKS, words)
    device = _between(message, 'adding custom device "', '": no such file')
    if device:
        words = f"There is no device {device} on this host, which {name} asks for; add it there, or {AWAY}."
        return Reason(Code.NODE_LACKS, words)
    if "could not select device driver" in low:
        words = f"This host's Docker has no driver for the GPUs that {name} asks for; install one there"
        return Reason(Code.NODE_LACKS, f"{words}, or {AWAY}.")
    if exit_code in (126, 127) or "executable file not found" in low:
        what = _quoted(message)
        cause = "is not an executable of its image" if exit_code != 126 else "cannot be executed in its image"
        return Reason(Code.COMMAND_NOT_FOUND, f"The command {what} of {name} {cause}; correct command or entrypoint.")
    return Reason(Code.CREATE_REFUSED, f"Docker could not start {name}: {_clip(message)}; change the spec.")


def exec_format(name: str, image: str, *, made_for: str, host: str) -> Reason:
    """Return why the kernel would not execute the program of `name`; `made_for` and `host` are processors.

    Docker pulls a single image whatever it is made for; only lists of images are looked through for a fitting one.
    """
    if made_for and made_for != host:
        return Reason(
            Code.PULL_ARCH,
            f"Image {image} is made for {made_for}, and this host's processor is {host};"
            f" use an image for it, or a constraint such as arch={made_for}.",
        )
    return Reason(
        Code.COMMAND_NOT_FOUND,
        f"The command of {name} cannot be executed on this host: it is no program for its processor ({host}),"
        " nor a script whose first line names one.",
    )


def network_missing(name: str, network: str, *, known: Sequence[str]) -> Reason:
    """Return the reason for a container whose network is not on this host; `known` are those that are."""
    others = [other for other in sorted(known) if other not in ("bridge", "host", "none")]
    has = f"it has {', '.join(others[:10])}" if others else "it has none but Docker's own"
    return Reason(
        Code.NODE_LACKS,
        f"This host's Docker has no network {network}, which {name} asks for ({has});"
        f" create it there: docker network create {network}.",
    )


def log_unreadable(container_id: str) -> Reason:
    """Return the reason for a log that its driver does not keep where the engine can read it."""
    return Reason(
        Code.CREATE_REFUSED,
        f"The log driver of container {container_id[:12]} keeps nothing that Docker can read;"
        " give the task the driver json-file or local.",
    )


def refused_port(ports: Sequence[Port], message: str) -> Port | None:
    """Return the port that kept a container from starting, None if it was none.

    Docker answers 500 for it, as for much else, so its message is read; the port is looked for among the
    container's own, never parsed.
    """
    if not any(
        words in message for words in ("already allocated", "address already in use", "cannot assign requested")
    ):
        return None
    return next((port for port in ports if f":{port.host}" in message), ports[0] if ports else None)


def port_in_use(port: Port, *, holder: str | None, message: str) -> Reason:
    """Return the reason for a port that could not be bound; `holder` says by whom it is held, if that was found."""
    if "cannot assign requested" in message:
        return Reason(
            Code.PORT_IN_USE,
            f"Host port {port.host}/{port.protocol} cannot be opened on {port.bind}: this host has no such address;"
            " bind to one of its own.",
        )
    return Reason(
        Code.PORT_IN_USE,
        f"Host port {port.host}/{port.protocol} is held {holder or 'by something else on this host'};"
        " end that, or publish another port.",
    )


def _without_names(message: str, image: str) -> str:
    """Return a message without the image's names, of which any part may read like a fault: ``acme/unauthorized:1``."""
    whole, registry = image.lower().partition("@")[0], registry_of(image).lower()
    head, colon, tag = whole.rpartition(":")
    repository = head if colon and "/" not in tag else whole
    names = {whole, repository, whole.removeprefix(f"{registry}/"), repository.removeprefix(f"{registry}/"), registry}
    for name in sorted(names, key=len, reverse=True):
        message = re.sub(rf"(?<![\w.-]){re.escape(name)}(?![\w.-])", "", message)
    return message


def _between(message: str, before: str, after: str) -> str:
    """Return what stands between two texts, the first time both do."""
    _, found, rest = message.partition(before)
    return rest.partition(after)[0] if found and after in rest else ""


def _quoted(message: str) -> str:
    # runc: exec: "name": executable file not found
    _, found, rest = message.partition('exec: "')
    return f'"{rest.partition(chr(34))[0]}"' if found else "(the image's own)"


def _clip(message: str) -> str:
    """Return one line of at most 300 characters, without the final full stop."""
    line = " ".join(message.split()).rstrip(".")
    return line if len(line) <= 300 else line[:299] + "…"
