"""Readers of what Docker is told about a container beyond image, command and resources; as `ormen.fields` has them."""

from __future__ import annotations

import re

from ormen import fields as read

CAPABILITIES = (
    "ALL", "AUDIT_CONTROL", "AUDIT_READ", "AUDIT_WRITE", "BLOCK_SUSPEND", "BPF", "CHECKPOINT_RESTORE", "CHOWN",
    "DAC_OVERRIDE", "DAC_READ_SEARCH", "FOWNER", "FSETID", "IPC_LOCK", "IPC_OWNER", "KILL", "LEASE",
    "LINUX_IMMUTABLE", "MAC_ADMIN", "MAC_OVERRIDE", "MKNOD", "NET_ADMIN", "NET_BIND_SERVICE", "NET_BROADCAST",
    "NET_RAW", "PERFMON", "SETFCAP", "SETGID", "SETPCAP", "SETUID", "SYSLOG", "SYS_ADMIN", "SYS_BOOT", "SYS_CHROOT",
    "SYS_MODULE", "SYS_NICE", "SYS_PACCT", "SYS_PTRACE", "SYS_RAWIO", "SYS_RESOURCE", "SYS_TIME", "SYS_TTY_CONFIG",
    "WAKE_ALARM",
)  # fmt: skip
"""Linux's capabilities (capabilities(7)), and Docker's word for all of them."""

SIGNALS = (
    "ABRT", "ALRM", "BUS", "CHLD", "CONT", "FPE", "HUP", "ILL", "INT", "IO", "IOT", "KILL", "PIPE", "POLL", "PROF",
    "PWR", "QUIT", "RTMAX", "RTMIN", "SEGV", "STKFLT", "STOP", "SYS", "TERM", "TRAP", "TSTP", "TTIN", "TTOU", "URG",
    "USR1", "USR2", "VTALRM", "WINCH", "XCPU", "XFSZ",
)  # fmt: skip
"""Linux's signals by the names that Docker knows (signal(7))."""

LIMITS = (
    "core", "cpu", "data", "fsize", "locks", "memlock", "msgqueue", "nice", "nofile", "nproc", "rss", "rtprio",
    "rttime", "sigpending", "stack",
)  # fmt: skip
"""What Linux limits for a process, by the names that Docker takes (getrlimit(2))."""

SYSCTLS = ("net.", "fs.mqueue.", "kernel.msg", "kernel.sem", "kernel.shm", "kernel.domainname")
"""What each container has of its own; every other sysctl is the host's, and Docker sets none of those."""

SECURITY = ("no-new-privileges", "seccomp", "apparmor", "label", "systempaths")
"""What a security option is about."""

LOG_OPTIONS = {
    "json-file": ("max-size", "max-file", "compress", "labels", "labels-regex", "env", "env-regex", "tag"),
    "local": ("max-size", "max-file", "compress"),
    "none": (),
}
"""Every option of the drivers that the engine itself brings and that write on its own disk, or nowhere."""

_TMPFS_WORDS = (
    "ro", "rw", "suid", "nosuid", "dev", "nodev", "exec", "noexec", "sync", "async", "dirsync", "mand", "nomand",
    "atime", "noatime", "diratime", "nodiratime", "relatime", "norelatime", "strictatime", "nostrictatime", "defaults",
)  # fmt: skip
_TMPFS_KEYS = ("size", "mode", "uid", "gid", "nr_inodes", "nr_blocks", "mpol")
_HOST = re.compile(r"[A-Za-z0-9]([A-Za-z0-9.-]{0,61}[A-Za-z0-9])?")
_HOST_ENTRY = re.compile(r"[A-Za-z0-9_]([A-Za-z0-9_.-]{0,251}[A-Za-z0-9_])?")
_NETWORK = re.compile(r"[A-Za-z0-9][A-Za-z0-9_.-]{0,254}")
_DRIVER = re.compile(r"[A-Za-z0-9][A-Za-z0-9_./:-]{0,254}")


def workdir(value: object) -> str:
    """Return an absolute path inside the container."""
    word = read.text(value, most=4096, empty=False)
    if not word.startswith("/"):
        hint = f"did you mean /{word[:60]}?"
        raise read.bad("MALFORMED", f'"{read.shown(word)}" is not an absolute path', value, hint=hint)
    return word


def user(value: object) -> str:
    """Return ``USER[:GROUP]``, by names or numbers."""
    word = read.text(value, most=255, empty=False)
    if not re.fullmatch(r"[^:\s]+(:[^:\s]+)?", word):
        raise read.bad("MALFORMED", "a user is NAME or NUMBER, and may have :GROUP", value)
    return word


def hostname(value: object) -> str:
    """Return a host's name: at most 63 characters, which is what Linux and DNS both take."""
    word = read.text(value, empty=False)
    if len(word) > read.MOST_NAME:
        raise read.bad("TOO_LONG", f"has {len(word)} characters; the most is {read.MOST_NAME}", value)
    if not _HOST.fullmatch(word):
        raise read.bad("MALFORMED", "a hostname has letters, digits, . and -, and none of these two at its ends", value)
    return word


def signal(value: object) -> str:
    """Return a signal as ``SIGTERM``, or a number from 1 to 64 as text."""
    word = read.text(value, empty=False, most=20)
    if word.isascii() and word.isdigit():
        read.whole(1, 64, "a signal")(int(word))
        return word
    bare = word.upper().removeprefix("SIG")
    if bare not in SIGNALS and not re.fullmatch(r"RTMIN\+([1-9]|1[0-5])|RTMAX-([1-9]|1[0-4])", bare):
        near = read.did_you_mean(bare.lower(), [name.lower() for name in SIGNALS])
        hint = near and near.replace("mean ", "mean SIG").upper().replace("DID YOU MEAN", "did you mean")
        raise read.bad("NOT_A_CHOICE", f'"{read.shown(word)}" is no signal of Linux', value, hint=hint)
    return f"SIG{bare}"


def _gpu(value: object) -> str:
    word = read.text(value, most=255, empty=False)
    if re.search(r"[\s=,]", word):
        raise read.bad("MALFORMED", f'"{read.shown(word)}" is not the id of a GPU: it has no blank, comma or =', value)
    return word


def gpus(value: object) -> int | tuple[str, ...]:
    """Return a number of GPUs, or the ids of some."""
    if isinstance(value, list):
        ids = read.each(_gpu, most=64)(value)
        if not ids:
            raise read.bad("MALFORMED", "must not be empty", hint="leave it out for none")
        if len(set(ids)) < len(ids):
            raise read.bad("DUPLICATE", "names a GPU twice")
        return ids
    if value == "all":
        raise read.bad("WRONG_TYPE", "all is no number: what a task takes is reserved", value, hint="give a number")
    return read.whole(1, 1024, "a number of GPUs")(value)


def capability(value: object) -> str:
    """Return a capability without ``CAP_``, in capitals."""
    word = read.text(value, empty=False)
    bare = word.upper().removeprefix("CAP_")
    if bare not in CAPABILITIES:
        hint = read.did_you_mean(bare.lower(), [name.lower() for name in CAPABILITIES])
        raise read.bad(
            "NOT_A_CHOICE",
            f'"{read.shown(word)}" is no capability of Linux',
            value,
            hint=hint and hint[:13] + hint[13:].upper(),
        )
    return bare


def sysctl(value: object) -> str:
    """Return the name of a sysctl that a container has for itself."""
    word = read.text(value, most=255, empty=False)
    if not re.fullmatch(r"[a-z0-9_]+([.][A-Za-z0-9_-]+)+", word):
        hint = f"did you mean {word.replace('/', '.')}?" if "/" in word[:60] else None
        raise read.bad("MALFORMED", "a sysctl is named as net.ipv4.ip_forward", value, hint=hint)
    if not word.startswith(SYSCTLS):
        own = "net.*, fs.mqueue.*, kernel.msg*, kernel.sem and kernel.shm*"
        raise read.bad("NOT_A_CHOICE", f"{word} is the host's; a container has its own of {own}", value)
    return word


def tmpfs_options(value: object) -> str:
    """Return the options of a tmpfs as mount(8) has them: ``size=64m,mode=1777``; empty for Docker's own."""
    word = read.text(value, most=1024)
    for option in word.split(",") if word else ():
        key, equals, amount = option.partition("=")
        if (equals and key in _TMPFS_KEYS and amount) or (not equals and option in _TMPFS_WORDS):
            continue
        hint = read.did_you_mean(key, [*_TMPFS_KEYS, *_TMPFS_WORDS])
        if hint == f"did you mean {key}?":
            hint = f"write it as {key}=VALUE" if key in _TMPFS_KEYS else f"{key} takes no value"
        raise read.bad("MALFORMED", f'"{read.shown(option)}" is no option of a tmpfs', value, hint=hint)
    return word


def permissions(value: object) -> str:
    """Return some of ``r``, ``w`` and ``m`` (make the node), in this order."""
    word = read.text(value)
    if not word or set(word) - set("rwm") or len(set(word)) < len(word):
        raise read.bad("MALFORMED", "permissions are some of r, w and m", value, hint="write it as rwm")
    return "".join(letter for letter in "rwm" if letter in word)


def security_opt(value: object) -> str:
    """Return a security option in Docker's words."""
    word = read.text(value, empty=False)
    key = re.split("[:=]", word, maxsplit=1)[0]
    if key not in SECURITY:
        hint = read.did_you_mean(key, SECURITY, {"no_new_privileges": "no-new-privileges"})
        detail = f'"{read.shown(word)}" is about none of {", ".join(SECURITY)}'
        raise read.bad("NOT_A_CHOICE", detail, key, hint=hint)
    if key == word and key != "no-new-privileges":
        raise read.bad("MALFORMED", f"{key} needs a value", value, hint=f"write it as {key}=VALUE")
    if key == "systempaths" and word[len(key) + 1 :] != "unconfined":
        detail = f'"{read.shown(word)}" is unknown to Docker'
        raise read.bad("NOT_A_CHOICE", detail, value, hint="did you mean systempaths=unconfined?")
    return word


def network(value: object) -> str:
    """Return ``bridge``, ``host``, ``none``, or the name of a network that somebody has made on the nodes."""
    word = read.text(value, empty=False)
    if word.startswith("container:"):
        detail = "a task cannot live in another container's network: either may move to another node"
        raise read.bad("MALFORMED", detail, value, hint="give both the same named network")
    if word == "default":
        raise read.bad("MALFORMED", "default is Docker's other word for bridge", value, hint="did you mean bridge?")
    if not _NETWORK.fullmatch(word):
        detail = "a network's name has letters, digits, _ . and -, and begins with a letter or digit"
        raise read.bad("MALFORMED", detail, value)
    return word


def host_entry(value: object) -> str:
    """Return a name for the container's hosts file."""
    word = read.text(value, empty=False)
    if not _HOST_ENTRY.fullmatch(word):
        raise read.bad("MALFORMED", f'"{read.shown(word)}" is not a host\'s name', value)
    return word


def host_address(value: object) -> str:
    """Return an IP address, or ``host-gateway``, which Docker replaces by the host's own."""
    return "host-gateway" if value == "host-gateway" else read.address(value)


def log_driver(value: object) -> str:
    """Return the name of a log driver; that the node's engine has it is seen when the container is created."""
    word = read.text(value, empty=False)
    if not _DRIVER.fullmatch(word):
        raise read.bad("MALFORMED", f'"{read.shown(word)}" is not the name of a log driver', value)
    hint = read.did_you_mean(word.replace("_", "-"), list(LOG_OPTIONS), {"json": "json-file", "file": "json-file"})
    if word not in LOG_OPTIONS and word in ("json", "jsonfile", "json_file", "file"):
        raise read.bad("NOT_A_CHOICE", f'"{word}" is no log driver', value, hint=hint)
    return word
