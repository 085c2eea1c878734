"""What the product has written for some tasks, as commands that write the same for others, as fast as Redis takes them.

Nothing here knows a key: all of Redis is read before and after the product has done its work, and what differs is the
mould. A copy puts other ids, names, nodes and times of the same length into it.
"""

from __future__ import annotations

import re
import socket
import threading
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any
from urllib.parse import urlsplit

import redis

Keys = dict[str, tuple[str, Any]]
"""Key -> its type, and what it holds as a mapping."""

SENT = 1 << 20
"""Bytes that are handed to Redis at once."""


def snapshot(client: Any, prefix: str) -> Keys:
    """Return all that lives for long under a prefix."""
    keys = list(client.scan_iter(f"{prefix}*", count=1000))
    with client.pipeline(transaction=False) as pipe:
        for key in keys:
            pipe.type(key), pipe.ttl(key)
        replies = iter(pipe.execute())
        kinds = {key: kind for key, kind, ttl in zip(keys, replies, replies, strict=False) if ttl == -1}
        for key, kind in kinds.items():
            READ[kind][0](pipe, key)
        values = pipe.execute()
    return {key: (kind, READ[kind][1](value)) for (key, kind), value in zip(kinds.items(), values, strict=True)}


READ: Mapping[str, tuple[Callable[[Any, str], object], Callable[[Any], dict[Any, Any]]]] = {
    "hash": (lambda pipe, key: pipe.hgetall(key), dict),
    "list": (lambda pipe, key: pipe.lrange(key, 0, -1), lambda rows: dict(enumerate(rows))),
    "set": (lambda pipe, key: pipe.smembers(key), lambda rows: dict.fromkeys(rows, "")),
    "stream": (lambda pipe, key: pipe.xrange(key), dict),
    "string": (lambda pipe, key: pipe.get(key), lambda text: {"": text}),
    "zset": (lambda pipe, key: pipe.zrange(key, 0, -1, withscores=True), dict),
}
"""How a key of each type is read, and what it holds as a mapping."""


def commands(before: Keys, after: Keys, words: Sequence[str]) -> Iterator[list[str]]:
    """Return what turns `before` into `after`, as far as it speaks of these words; shared counters are added to."""
    for key, (kind, rows) in sorted(after.items()):
        old = before.get(key, (kind, {}))[1]
        for member, value in rows.items():
            if old.get(member) == value:
                continue
            ours = any(word in f"{key} {member} {value}" for word in words)
            if ours:
                yield _write(kind, key, member, value)
            elif kind == "hash" and ":node" not in key and re.fullmatch(r"-?\d+", str(value)):
                yield ["HINCRBY", key, member, str(int(value) - int(old.get(member, 0)))]


def _write(kind: str, key: str, member: Any, value: Any) -> list[str]:
    if kind == "zset":
        return ["ZADD", key, f"{value:.0f}", member]
    if kind == "hash":
        return ["HSET", key, member, value]
    if kind == "stream":
        flat = [word for pair in value.items() for word in pair]
        return ["XADD", key, "MAXLEN", "~", "1000000", member, *flat]
    return {"set": ["SADD", key, member], "list": ["RPUSH", key, value], "string": ["SET", key, value]}[kind]


def joined(rows: Iterable[list[str]]) -> Iterator[list[str]]:
    """Return the same with one command for all fields of a hash."""
    whole: dict[str, list[str]] = {}
    for row in rows:
        if row[0] == "HSET":
            whole.setdefault(row[1], ["HSET", row[1]]).extend(row[2:])
        else:
            yield row
    yield from whole.values()


@dataclass(frozen=True)
class Mould:
    """Commands as Redis reads them, in pieces: what is fixed, and between that the words that each copy has anew.

    `times` are those of the product's own work in ms; each copy moves them all by the same amount.
    """

    fixed: tuple[bytes, ...]
    words: tuple[bytes, ...]

    @classmethod
    def of(cls, rows: Iterable[list[str]], words: Sequence[str], times: tuple[int, int]) -> Mould:
        """Return the mould of commands in which these words and the times between two stand for others."""
        raw = b"".join(encode(row) for row in rows)
        stamps = {m for m in re.findall(rb"(?<!\d)\d{13}(?!\d)", raw) if times[0] <= int(m) <= times[1]}
        pattern = b"|".join(re.escape(word) for word in [*(word.encode() for word in words), *sorted(stamps)])
        parts = re.split(b"(" + pattern + b")", raw)
        return cls(tuple(parts[::2]), tuple(parts[1::2]))

    def copy(self, words: Mapping[bytes, bytes], moved_ms: int) -> bytes:
        """Return the commands with other words, each as long as that for which it stands."""
        out = [self.fixed[0]]
        for word, after in zip(self.words, self.fixed[1:], strict=True):
            out += (words[word] if word in words else b"%d" % (int(word) + moved_ms)), after
        return b"".join(out)


def encode(row: Sequence[str]) -> bytes:
    """Return one command as Redis reads it."""
    parts = [word.encode() for word in row]
    return b"*%d\r\n" % len(parts) + b"".join(b"$%d\r\n%b\r\n" % (len(part), part) for part in parts)


def pour(url: str, texts: Iterable[bytes]) -> None:
    """Send commands as fast as Redis takes them, and return when all are done; end the run if one is refused."""
    place = urlsplit(url)
    with socket.create_connection((str(place.hostname), int(place.port or 6379))) as line:
        line.sendall(encode(["AUTH", place.password or ""]))
        fault: list[bytes] = []
        reader = threading.Thread(target=_hear, args=(line, fault))
        reader.start()
        waiting: list[bytes] = []
        for text in texts:
            waiting.append(text)
            if len(waiting) * len(text) > SENT:
                line.sendall(b"".join(waiting))
                waiting.clear()
        line.sendall(b"".join([*waiting, encode(["ECHO", "poured out"])]))
        reader.join()
    if fault:
        raise SystemExit(f"Redis refused a copy: {fault[0].decode()}")


def _hear(line: socket.socket, fault: list[bytes]) -> None:
    rest = b""
    while not rest.endswith(b"poured out\r\n"):
        heard = line.recv(SENT)
        if not heard:
            fault.append(b"it hung up")
            return
        rest = rest[-200:] + heard
        refused = re.search(rb"\r\n-([^\r\n]*)", rest)
        if refused and not fault:
            fault.append(refused[1])


def plain(url: str) -> Any:
    """Return a client that speaks texts."""
    return redis.Redis.from_url(url, decode_responses=True)
