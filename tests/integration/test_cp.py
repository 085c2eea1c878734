"""``ormen cp``: between this host and a container on a node, by a real agent, on the real engine."""

from __future__ import annotations

import io
import os
import subprocess
import tarfile
from pathlib import Path

import pytest

from tests.integration.halls import Hall


@pytest.fixture
def site(tmp_path: Path) -> Path:
    """A folder with a program, a link, and a folder beneath."""
    folder = tmp_path / "site"
    (folder / "below").mkdir(parents=True)
    (folder / "run.sh").write_text("#!/bin/sh\necho ran\n")
    (folder / "run.sh").chmod(0o755)
    (folder / "below" / "data").write_bytes(os.urandom(3_000_000))
    (folder / "link").symlink_to("run.sh")
    return folder


def said(hall: Hall, script: str) -> str:
    """What a script prints inside."""
    done = hall.client.exec("web", ["sh", "-c", script])
    assert done.exit_code == 0, done.stderr
    return done.text


def cp(hall: Hall, *words: str, stdin: bytes = b"") -> subprocess.CompletedProcess[bytes]:
    """Copy, in silence and with success."""
    ended = hall.ormen("cp", *words, stdin=stdin)
    assert (ended.returncode, ended.stderr) == (0, b"")
    return ended


def test_a_folder_goes_in_and_comes_out_as_it_was(hall: Hall, site: Path, tmp_path: Path) -> None:
    """A folder that is not there takes the name given; modes, links and bytes are those of the source."""
    cp(hall, str(site), "web:/one")
    assert said(hall, "/one/run.sh; readlink /one/link; stat -c %u:%g /one/run.sh") == "ran\nrun.sh\n0:0\n"
    cp(hall, "web:/one", str(tmp_path / "back"))
    assert (tmp_path / "back" / "below" / "data").read_bytes() == (site / "below" / "data").read_bytes()
    assert os.readlink(tmp_path / "back" / "link") == "run.sh"
    assert os.access(tmp_path / "back" / "run.sh", os.X_OK)


def test_a_folder_that_is_there_is_copied_into(hall: Hall, site: Path, tmp_path: Path) -> None:
    """As with docker cp: the folder goes beneath, and with /. its content does."""
    said(hall, "mkdir -p /two /three")
    cp(hall, str(site), "web:/two")
    cp(hall, f"{site}/.", "web:/three")
    assert said(hall, "ls /two; ls /three") == "site\nbelow\nlink\nrun.sh\n"
    cp(hall, "web:/two", str(tmp_path))
    assert (tmp_path / "two" / "site" / "run.sh").exists()
    (tmp_path / "flat").mkdir()
    cp(hall, "web:/two/site/.", str(tmp_path / "flat"))
    assert sorted(each.name for each in (tmp_path / "flat").iterdir()) == ["below", "link", "run.sh"]


def test_a_file_goes_into_a_folder_or_under_a_name(hall: Hall, site: Path, tmp_path: Path) -> None:
    """A file keeps its name in a folder, and takes the one given elsewhere, over a file that is there."""
    said(hall, "mkdir -p /four; echo old > /four/new")
    cp(hall, str(site / "run.sh"), "web:/four")
    cp(hall, str(site / "run.sh"), "web:four/new")
    assert said(hall, "ls /four; /four/new") == "new\nrun.sh\nran\n"
    cp(hall, "web:/four/new", str(tmp_path / "here"))
    assert (tmp_path / "here").read_text().endswith("echo ran\n")


def test_a_tar_goes_through_as_it_is(hall: Hall) -> None:
    """With - a tar is unpacked in a folder, or written to stdout."""
    raw = io.BytesIO()
    with tarfile.open(fileobj=raw, mode="w") as tar:
        member = tarfile.TarInfo("five")
        member.size = 2
        tar.addfile(member, io.BytesIO(b"hi"))
    cp(hall, "-", "web:/", stdin=raw.getvalue())
    out = cp(hall, "web:/five", "-").stdout
    with tarfile.open(fileobj=io.BytesIO(out)) as tar:
        assert [(each.name, each.size) for each in tar] == [("five", 2)]


@pytest.mark.parametrize(("source", "target", "code", "words"), [
    ("web:/nosuch", "x", 1, b"There is no /nosuch in the container"),
    ("/nosuch", "web:/x", 1, b"/nosuch: no such file"),
    ("/etc/hostname", "web:/nosuch/", 1, b"there is no folder /nosuch/ in the container"),
    ("/etc", "web:/bin/busybox", 1, b"is a file in the container"),
    ("/etc/hostname", "web:/no/such/file", 1, b"There is no /no/such in the container"),
    ("a", "b", 2, b"neither names a container"),
    ("web:/a", "web:/b", 2, b"both are in containers"),
    ("wbe:/a", "b", 3, b"TASK_NOT_FOUND"),
])  # fmt: skip
def test_what_cannot_be_copied_is_said(hall: Hall, source: str, target: str, code: int, words: bytes) -> None:
    """Each refusal names the path and the end at which it is wrong, and copies nothing."""
    ended = hall.ormen("cp", source, target)
    assert (ended.returncode, ended.stdout) == (code, b"")
    assert words in ended.stderr
