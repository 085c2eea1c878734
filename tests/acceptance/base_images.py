"""Base images made from this machine's own Python, Redis and busybox, so that no registry is needed.

What a Debian image would bring is taken from here: the interpreter with its library, the shared libraries that
these need, and of the project's environment the packages that a running ormen depends on.
"""

from __future__ import annotations

import io
import os
import re
import subprocess
import sys
import sysconfig
import tarfile
from collections.abc import Iterable
from importlib.metadata import distribution
from pathlib import Path

import docker

from ormen.local.redis import find_server

ROOT = Path(__file__).resolve().parents[2]
LEFT_OUT = {"test", "tests", "idlelib", "tkinter", "turtledemo", "__pycache__", "site-packages", "dist-packages"}


class Layer:
    """An image's only layer, growing."""

    def __init__(self) -> None:
        self.output = io.BytesIO()
        self.archive = tarfile.open(fileobj=self.output, mode="w", dereference=True)  # noqa: SIM115  # closed by tag()
        self.names: set[str] = set()

    def add(self, source: Path, name: str | Path | None = None) -> None:
        """Add a file under its own or another absolute name, once."""
        name = str(name or source).lstrip("/")
        if name not in self.names:
            self.names.add(name)
            self.archive.add(source, name, recursive=False)

    def add_program(self, program: Path, name: str) -> None:
        """Add a program or library with all the libraries that it needs."""
        self.add(program, name)
        self.add_libraries([program])

    def add_libraries(self, programs: Iterable[Path]) -> None:
        """Add the shared libraries that these files need, the loader among them."""
        listing = subprocess.run(["ldd", *map(str, programs)], capture_output=True, text=True).stdout
        for path in set(re.findall(r"(/[^ ():]+\.so[^ ():]*) \(0x", listing)):
            if "site-packages" not in path and "dist-packages" not in path:  # those come with their package
                self.add(Path(os.path.normpath(path)))

    def add_tree(self, folder: Path) -> None:
        """Add a folder without what a server never loads."""
        for path in sorted(folder.rglob("*")):
            if path.is_file() and not LEFT_OUT.intersection(path.relative_to(folder).parts):
                self.add(path)
        self.add_libraries(folder.glob("lib-dynload/*.so"))

    def add_folder(self, name: str, *, owner: int = 0, mode: int = 0o755) -> None:
        """Add an empty folder."""
        entry = tarfile.TarInfo(name.lstrip("/"))
        entry.type, entry.uid, entry.gid, entry.mode = tarfile.DIRTYPE, owner, owner, mode
        self.archive.addfile(entry)

    def add_link(self, name: str, target: str) -> None:
        """Add a symbolic link."""
        entry = tarfile.TarInfo(name.lstrip("/"))
        entry.type, entry.linkname = tarfile.SYMTYPE, target
        self.archive.addfile(entry)

    def add_shell(self) -> None:
        """Add busybox and its names."""
        self.add(Path("/bin/busybox"))
        for name in ("sh", "ls", "cat", "hostname"):
            self.add_link(f"/bin/{name}", "busybox")
        self.add_folder("/tmp", mode=0o1777)

    def tag(self, client: docker.DockerClient, name: str) -> None:
        """Hand the layer to the engine as an image of that name."""
        self.archive.close()
        repository, _, tag = name.partition(":")
        path = ["ENV PATH=/usr/local/bin:/usr/bin:/bin"]
        client.api.import_image_from_data(self.output.getvalue(), repository=repository, tag=tag, changes=path)


def python_image(client: docker.DockerClient, name: str) -> None:
    """Make an image with python3, pip and the packages of constraints-runtime.txt."""
    layer = Layer()
    layer.add_shell()
    library = Path(sysconfig.get_path("stdlib"))
    interpreter = Path(sys._base_executable).resolve()
    layer.add_tree(library)
    layer.add_program(interpreter, interpreter)
    layer.add_link("/usr/local/bin/python3", str(interpreter))
    layer.add(Path("/usr/share/zoneinfo/UTC"))
    packages = Path(subprocess.check_output([interpreter, "-c", _SITE_PACKAGES], text=True).strip())
    for package in ("pip", *runtime_packages()):
        for file in distribution(package).files or ():
            source = Path(distribution(package).locate_file(file)).resolve()
            if source.is_file() and ".." not in file.parts and "__pycache__" not in file.parts:
                layer.add(source, packages / file)
    layer.add_libraries(Path(sysconfig.get_path("platlib")).rglob("*.so*"))
    layer.tag(client, name)


_SITE_PACKAGES = "import site; print(site.getsitepackages()[0])"


def runtime_packages() -> list[str]:
    """Return the names that constraints-runtime.txt lists and that are installed for this Python and machine."""
    names = re.findall(r"^([A-Za-z0-9._-]+)==", (ROOT / "constraints-runtime.txt").read_text(), re.MULTILINE)
    return [name for name in dict.fromkeys(names) if _installed(name)]


def _installed(name: str) -> bool:
    try:
        distribution(name)
    except ModuleNotFoundError:
        return False
    return True


def redis_image(client: docker.DockerClient, name: str) -> None:
    """Make an image with the Redis that `ormen up` would take here, under the name redis-server."""
    layer = Layer()
    layer.add_shell()
    layer.add_program(Path(find_server().path).resolve(), "/usr/local/bin/redis-server")
    layer.add_folder("/data", owner=999)
    layer.tag(client, name)
