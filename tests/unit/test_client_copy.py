"""What a container's archive may write here: beneath the place that was named, and nowhere else."""

from __future__ import annotations

import tarfile
from pathlib import Path

import pytest

from ormen.client_copy import CopyRefused, _beneath


def member(name: str, kind: bytes = tarfile.REGTYPE, link: str = "") -> tarfile.TarInfo:
    """One entry of an archive."""
    made = tarfile.TarInfo(name)
    made.type, made.linkname, made.mode, made.uid = kind, link, 0o4755, 1000
    return made


def test_an_entry_takes_its_name_here_and_belongs_to_the_caller(tmp_path: Path) -> None:
    """The first folder is renamed, also in hard links; owners and special modes are not taken over."""
    found = _beneath(member("etc/a/b", tarfile.LNKTYPE, "etc/c"), tmp_path / "mine")
    assert (found.name, found.linkname, found.mode) == ("mine/a/b", "mine/c", 0o755)
    assert (found.uid, found.uname) == (None, None)


def test_a_link_may_point_anywhere(tmp_path: Path) -> None:
    """Links to absolute paths are common in /etc, are kept as they are, and may be replaced by a second copy."""
    where = tmp_path / "etc"
    where.mkdir()
    (where / "mtab").symlink_to("/proc/mounts")
    assert _beneath(member("etc/mtab", tarfile.SYMTYPE, "/proc/mounts"), where).linkname == "/proc/mounts"


@pytest.mark.parametrize("entry", [
    member("etc/../../out"),
    member("etc/up/out"),
    member("etc/file"),
    member("etc/hard", tarfile.LNKTYPE, "etc/../../out"),
    member("etc/up/link", tarfile.SYMTYPE, "x"),
    member("etc/null", tarfile.CHRTYPE),
], ids=lambda entry: entry.name)  # fmt: skip
def test_nothing_is_written_elsewhere(tmp_path: Path, entry: tarfile.TarInfo) -> None:
    """Neither by dots, nor through a link that came before, nor by a hard link; and no device is made."""
    where = tmp_path / "etc"
    where.mkdir()
    (where / "up").symlink_to(tmp_path)
    (where / "file").symlink_to("/etc/passwd")
    with pytest.raises(CopyRefused):
        _beneath(entry, where)
