"""Files into and out of a task's container, as `docker cp` does: a tar in between, nothing kept in memory."""

from __future__ import annotations

import contextlib
import io
import json
import os
import posixpath
import tarfile
import uuid
from collections.abc import Iterator
from pathlib import Path
from typing import IO, Any, Protocol

from ormen.client_talk import BEGIN_S, TOGETHER, Talk, TalkCalls
from ormen.errors import OrmenError, TalkNotFound
from ormen.talk import DATA, END, MOST_FRAME, OUT, STAT, Frame
from ormen.transport import Document, Request, segment


class CopyRefused(OrmenError):
    """What is asked for makes no sense at one of the two ends; nothing was copied."""

    code = "COPY_REFUSED"
    title = "It cannot be copied so"


class Sink(Protocol):
    """Where bytes are written."""

    def write(self, data: bytes, /) -> int:
        """Write."""


class CopyCalls(TalkCalls):
    """The calls that copy files."""

    def upload(self, word: str, source: str | os.PathLike[str], path: str) -> None:
        """Copy a file or a folder to `path` in the container of a task; a folder at `path` is copied into.

        ``source/.`` is the content of a folder. What is copied belongs to root there. Raises CopyRefused, OSError.
        """
        bare = os.fspath(source)
        folder, content = os.path.isdir(bare), os.path.basename(bare) == "."
        os.lstat(bare)
        copy = _Copy(self._copy(word, path, "in"))
        try:
            name = _name_inside(copy.found, bare, path, folder=folder, content=content)
            with tarfile.open(fileobj=copy, mode="w|", bufsize=MOST_FRAME, format=tarfile.GNU_FORMAT) as tar:
                tar.add(bare, arcname=name, filter=_as_root)
            copy.finish()
        except TalkNotFound:
            copy.finish()
            raise
        finally:
            copy.talk.hang_up()

    def upload_tar(self, word: str, archive: IO[bytes], path: str) -> None:
        """Unpack a tar into the folder `path` in the container of a task."""
        copy = _Copy(self._copy(word, path, "in"))
        try:
            if not copy.found.get("folder"):
                raise CopyRefused(f"{path} is no folder in {word}, so that nothing can be unpacked there")
            while data := archive.read(MOST_FRAME):
                copy.write(data)
            copy.finish()
        except TalkNotFound:
            copy.finish()
            raise
        finally:
            copy.talk.hang_up()

    def download(self, word: str, path: str, target: str | os.PathLike[str]) -> None:
        """Copy a file or a folder from the container of a task to `target`; a folder there is copied into.

        ``path/.`` is the content of a folder. What is copied belongs to whoever calls; links stay what they are, but
        nothing is written through one that leads out of `target`. Raises CopyRefused, OSError.
        """
        copy = _Copy(self._copy(word, path, "out"))
        try:
            content = posixpath.basename(path) == "."
            where = _place_here(copy.found, path, Path(target), os.fspath(target), content=content)
            with tarfile.open(fileobj=io.BufferedReader(copy), mode="r|", bufsize=MOST_FRAME) as tar:
                for member in tar:
                    if content and "/" not in member.name.strip("/") and where.is_dir():
                        continue
                    tar.extract(member, where.parent, filter=lambda item, _: _beneath(item, where))
            copy.finish()
        except tarfile.TarError as error:
            raise CopyRefused(f"{path} of {word} cannot be unpacked here: {error}") from error
        finally:
            copy.talk.hang_up()

    def download_tar(self, word: str, path: str, sink: Sink) -> None:
        """Write the tar of a path in the container of a task."""
        copy = _Copy(self._copy(word, path, "out"))
        try:
            for frame in copy.rest():
                sink.write(frame.data)
        finally:
            copy.talk.hang_up()

    def _copy(self, word: str, path: str, direction: str) -> Talk:
        body: Document = {"id": str(uuid.uuid4()), "path": path, "direction": direction}
        request = Request("POST", f"/v1/tasks/{segment(word)}/archive", body=body, wait_s=BEGIN_S)
        return Talk(self._transport, self._transport.send(request))


class _Copy(io.RawIOBase):
    """A copy under way as a file of either direction; `found` says what stands at the path in the container."""

    def __init__(self, talk: Talk) -> None:
        self.talk = talk
        self._frames = talk.frames()
        self._held = b""
        self._waiting: list[Frame] = []
        self.found: dict[str, Any] = json.loads(next(frame.data for frame in self._frames if frame.kind == STAT))

    def readable(self) -> bool:
        """Return True."""
        return True

    def readinto(self, buffer: Any) -> int:
        """Read what has come."""
        while not self._held and (frame := next(self.rest(), None)) is not None:
            self._held = frame.data
        most = min(len(buffer), len(self._held))
        buffer[:most], self._held = self._held[:most], self._held[most:]
        return most

    def rest(self) -> Iterator[Frame]:
        """Yield the pieces that are left."""
        return (frame for frame in self._frames if frame.kind == OUT)

    def write(self, data: Any) -> int:
        """Send a piece."""
        for at in range(0, len(data), MOST_FRAME):
            self._waiting.append(Frame(DATA, bytes(data[at : at + MOST_FRAME])))
        if len(self._waiting) >= TOGETHER:
            self._tell()
        return len(data)

    def finish(self) -> None:
        """Send the end, and return once all is done at the other end; raise what went wrong there."""
        if not self.talk.ended:
            self._waiting.append(Frame(END))
            with contextlib.suppress(TalkNotFound):  # the frames say why
                self._tell()
        for _ in self._frames:
            continue

    def _tell(self) -> None:
        frames, self._waiting = self._waiting, []
        for at in range(0, len(frames), TOGETHER):
            self.talk.tell(frames[at : at + TOGETHER])


def _as_root(member: tarfile.TarInfo) -> tarfile.TarInfo:
    member.uid = member.gid = 0
    member.uname = member.gname = "root"
    return member


def _beneath(member: tarfile.TarInfo, where: Path) -> tarfile.TarInfo:
    """Return the member under its name here; raise CopyRefused for a device, and for what would leave `where`."""
    name, rest = _named(member.name, where)
    link = _named(member.linkname, where)[0] if member.islnk() else member.linkname
    if not (member.isfile() or member.isdir() or member.issym() or member.islnk()):
        raise CopyRefused(f"{member.name} is a device or a pipe, and stays there; what came before it was copied")
    written = [name] if rest else []
    written += [link] if member.islnk() else []
    for each in written:
        path = where.parent / each
        # A link is replaced where it stands; anything else would be written through it.
        real = Path(os.path.realpath(path.parent), path.name) if member.issym() else Path(os.path.realpath(path))
        if not real.is_relative_to(os.path.realpath(where)):
            raise CopyRefused(f"{member.name} would be written outside {where}; what came before it was copied")
    owner: dict[str, Any] = dict.fromkeys(("uid", "gid", "uname", "gname"))
    return member.replace(name=name, linkname=link, mode=member.mode & 0o777, deep=False, **owner)


def _named(name: str, where: Path) -> tuple[str, str]:
    """Return a name of the archive as it is here, and its part beneath the first folder."""
    rest = name.strip("/").partition("/")[2]
    return where.name + (f"/{rest}" if rest else ""), rest


def _name_inside(found: dict[str, Any], source: str, path: str, *, folder: bool, content: bool) -> str:
    """Return the name of what is copied, seen from the folder that it is unpacked into."""
    if found["exists"] and found["folder"]:
        return "." if content else os.path.basename(os.path.abspath(source))
    if found["exists"] and folder:
        raise CopyRefused(f"{path} is a file in the container, and {source} a folder; nothing was copied")
    if path.endswith("/") and not folder:
        raise CopyRefused(f"there is no folder {path} in the container; nothing was copied")
    return posixpath.basename(path.rstrip("/"))


def _place_here(found: dict[str, Any], path: str, target: Path, written: str, *, content: bool) -> Path:
    """Return where what is copied goes."""
    if target.is_dir():
        return target.absolute() if content else target.absolute() / str(found["name"])
    if target.exists() and found["folder"]:
        raise CopyRefused(f"{target} is a file here, and {path} a folder; nothing was copied")
    if written.endswith("/") and not found["folder"]:
        raise CopyRefused(f"there is no folder {written} here; nothing was copied")
    return target.absolute()
