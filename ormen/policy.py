"""What the admin of a deck lets specs ask, one rule a key. The default: nothing that reaches beyond the container.

A refusal names the rule as it stands: ``privileged containers (privileged: never)``.
"""

from __future__ import annotations

import posixpath
import re
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from fnmatch import fnmatchcase

from ormen.registries import parts
from ormen.spec import Spec

NEVER, ALWAYS = "never", "always"

DOCKERS_CAPABILITIES = (
    "AUDIT_WRITE", "CHOWN", "DAC_OVERRIDE", "FOWNER", "FSETID", "KILL", "MKNOD", "NET_BIND_SERVICE", "NET_RAW",
    "SETFCAP", "SETGID", "SETPCAP", "SETUID", "SYS_CHROOT",
)  # fmt: skip
"""What every container has unless it is dropped: adding one of these after ``cap_drop: [ALL]`` gives nothing new, so
no rule is needed for it."""

SAFE_SYSCTLS = (
    "kernel.shm_rmid_forced", "net.ipv4.ip_local_port_range", "net.ipv4.ip_unprivileged_port_start",
    "net.ipv4.ping_group_range", "net.ipv4.tcp_fin_timeout", "net.ipv4.tcp_keepalive_intvl",
    "net.ipv4.tcp_keepalive_probes", "net.ipv4.tcp_keepalive_time", "net.ipv4.tcp_syncookies",
)  # fmt: skip
"""Settings that hold for the container alone and cost the host nothing."""

TIGHTENING = ("no-new-privileges", "no-new-privileges:true", "no-new-privileges=true")
"""Security options that only take something away, and need no rule."""

OWN_DRIVERS = ("json-file", "local", "none")
"""Log drivers that write on the engine's own disk, or nowhere: others send to where the spec says, as the engine."""


_NOUNS = {
    "images": "the image", "privileged": "privileged containers", "host_network": "the host's network",
    "host_paths": "the host path", "cap_add": "the capability", "devices": "the device", "sysctls": "the sysctl",
    "security_opt": "the security option", "log_drivers": "the log driver",
}  # fmt: skip
_PLURALS = {"cap_add": "the capabilities"}


@dataclass(frozen=True, slots=True)
class Forbidden:
    """One thing that a spec asks and the policy does not allow: where in the spec, by which rule, and what."""

    path: tuple[str | int, ...]
    key: str
    value: str = ""


@dataclass(frozen=True, slots=True)
class Policy:
    """What specs may ask. `host_paths` and `devices` are folders or files; `images`, `sysctls` … are patterns."""

    host_paths: tuple[str, ...] = ()
    images: tuple[str, ...] = ("*",)
    privileged: str = NEVER
    host_network: str = NEVER
    cap_add: tuple[str, ...] = ()
    devices: tuple[str, ...] = ()
    sysctls: tuple[str, ...] = SAFE_SYSCTLS
    security_opt: tuple[str, ...] = ()
    log_drivers: tuple[str, ...] = OWN_DRIVERS
    exec: str = ALWAYS

    @property
    def allows_exec(self) -> bool:
        """Return whether whoever may operate may enter containers: run commands in them, copy files in and out."""
        return self.exec == ALWAYS

    def allows_host_path(self, path: str) -> bool:
        """Return whether `path`, or a folder above it, is one of `host_paths`.

        Compared as written, part by part and after removing ``..`` and doubled slashes: a symbolic link
        inside an allowed folder is the business of whoever may write there.
        """
        return _beneath(path, self.host_paths)

    def allows_capability(self, name: str) -> bool:
        """Return whether a capability may be added; ALL in the rule stands for every one of them."""
        return name in (*DOCKERS_CAPABILITIES, *self.cap_add) or "ALL" in self.cap_add

    def refused(self, spec: Spec) -> Iterator[Forbidden]:
        """Yield everything that the policy forbids, in the order of the rules."""
        if not any(allows_image(rule, spec.image) for rule in self.images):
            yield Forbidden(("image",), "images", spec.image)
        if spec.privileged and self.privileged != ALWAYS:
            yield Forbidden(("privileged",), "privileged")
        if spec.on_host_network and self.host_network != ALWAYS:
            yield Forbidden(("network",), "host_network")
        for index, volume in enumerate(spec.volumes):
            if volume.host is not None and not self.allows_host_path(volume.host):
                yield Forbidden(("volumes", index, "host"), "host_paths", volume.host)
        for index, name in enumerate(spec.cap_add):
            if not self.allows_capability(name):
                yield Forbidden(("cap_add", index), "cap_add", name)
        for index, device in enumerate(spec.devices):
            if not _beneath(device.host, self.devices):
                yield Forbidden(("devices", index, "host"), "devices", device.host)
        for name in spec.sysctls:
            if not _fits(name, self.sysctls):
                yield Forbidden(("sysctls", name), "sysctls", name)
        for index, option in enumerate(spec.security_opt):
            if option not in TIGHTENING and not _fits(option, self.security_opt):
                shown = option if len(option) <= 80 else option[:79] + "…"
                yield Forbidden(("security_opt", index), "security_opt", shown)
        if spec.log is not None and not _fits(spec.log.driver, self.log_drivers):
            yield Forbidden(("log", "driver"), "log_drivers", spec.log.driver)

    def sentence(self, refused: Iterable[Forbidden]) -> str:
        """Return ``policy forbids privileged containers (privileged: never)``, with every thing and its rule."""
        values: dict[str, list[str]] = {}
        for item in refused:
            values.setdefault(item.key, []).append(item.value)
        things = [self.thing(key, list(dict.fromkeys(found))) for key, found in values.items()]
        return "policy forbids " + " and ".join(filter(None, (", ".join(things[:-1]), things[-1])))

    def thing(self, key: str, values: list[str]) -> str:
        """Return what a rule forbids, with the rule: ``the host path /etc (host_paths: /srv)``."""
        more = f" and {len(values) - 10} more" if len(values) > 10 else ""
        noun = _NOUNS[key] if len(values) == 1 else _PLURALS.get(key, _NOUNS[key] + "s")
        named = f" {', '.join(values[:10])}" if values[0] else ""
        return f"{noun if named else _NOUNS[key]}{named}{more} ({key}: {self._rule(key)})"

    def hint(self, refused: Iterable[Forbidden]) -> str:
        """Return what is allowed instead of what was refused, and who may change that."""
        said = "an admin sets the rules on the deck"
        keys = {item.key for item in refused}
        if keys == {"host_paths"}:
            return f"{said}; a named volume needs none"
        instead = "privileged" in keys and self.cap_add
        return f"--cap-add {self.cap_add[0]} is allowed; {said}" if instead else said

    def _rule(self, key: str) -> str:
        rule = getattr(self, key)
        if isinstance(rule, str):
            return rule
        if rule is SAFE_SYSCTLS:
            return "the safe ones"
        more = f" and {len(rule) - 10} more" if len(rule) > 10 else ""
        return (", ".join(rule[:10]) or "none") + more


def allows_image(rule: str, image: str) -> bool:
    """Return whether an image is one of those that a rule names.

    Both are read as Docker does: ``nginx`` is ``docker.io/library/nginx``. ``*`` alone is every image; elsewhere it
    stands for any characters, in the registry's name for none of its slashes. A rule without tag and digest allows
    all of them. One with a tag allows no image that is named by a digest, since Docker then ignores the tag.
    """
    if rule == "*":
        return True
    (registry, name), (wanted_registry, wanted) = parts(image), parts(rule)
    if not fnmatchcase(registry, wanted_registry):
        return False
    repository, tag, digest = _split(name)
    ours, rule_tag, rule_digest = _split(wanted)
    if not fnmatchcase(repository, ours):
        return False
    if rule_digest:
        return bool(digest) and fnmatchcase(digest, rule_digest)
    return not rule_tag or (not digest and fnmatchcase(tag or "latest", rule_tag))


def _split(name: str) -> tuple[str, str, str]:
    """Return repository, tag and digest of a name without its registry."""
    rest, _, digest = name.partition("@")
    repository, colon, tag = rest.rpartition(":")
    return (repository, tag, digest) if colon else (rest, "", digest)


def _fits(word: str, patterns: Iterable[str]) -> bool:
    return any(fnmatchcase(word, pattern) for pattern in patterns)


def _beneath(path: str, folders: Iterable[str]) -> bool:
    wanted = cleaned(path)
    return any(folder == "/" or wanted == folder or wanted.startswith(folder + "/") for folder in map(cleaned, folders))


def cleaned(path: str) -> str:
    """Return an absolute path without ``..``, doubled slashes and a slash at its end."""
    # normpath keeps two leading slashes, which mean the same as one here.
    return "/" + re.sub("^/+", "", posixpath.normpath(path))
