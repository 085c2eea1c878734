"""The wheel: what is installed from it works without the checkout."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
import sysconfig
import venv
import zipfile
from collections.abc import Iterator
from pathlib import Path

import pytest

import ormen

ROOT = Path(__file__).resolve().parents[2]
pytestmark = pytest.mark.timeout(180)


def run(*command: str | Path, cwd: Path, **variables: str) -> str:
    """Return what the command prints; its standard error is part of the failure where there is one."""
    clean = {key: value for key, value in os.environ.items() if not key.startswith(("ORMEN_", "PYTHON"))}
    words = [str(word) for word in command]
    done = subprocess.run(words, cwd=cwd, env=clean | variables, capture_output=True, text=True, timeout=120)
    assert done.returncode == 0, f"{' '.join(words)} ended with {done.returncode}:\n{done.stdout}{done.stderr}"
    return done.stdout


@pytest.fixture(scope="module")
def wheel(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The wheel, built from a copy of what git would carry, so that nothing in the checkout can help it."""
    folder = tmp_path_factory.mktemp("wheel")
    for name in run("git", "ls-files", "--cached", "--others", "--exclude-standard", cwd=ROOT).splitlines():
        if (ROOT / name).is_file():
            (folder / "source" / name).parent.mkdir(parents=True, exist_ok=True)
            shutil.copy(ROOT / name, folder / "source" / name)
    options = ("--quiet", "--no-deps", "--no-build-isolation", "--no-index", "--wheel-dir", folder)
    run(sys.executable, "-m", "pip", "wheel", *options, folder / "source", cwd=folder)
    (built,) = folder.glob("ormen-*.whl")
    return built


@pytest.fixture(scope="module")
def bin_dir(wheel: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The programs of a fresh environment outside the checkout: the wheel, and the dependencies by a path entry."""
    home = tmp_path_factory.mktemp("installed")
    venv.create(home, with_pip=False, symlinks=True)
    python = home / "bin" / "python"
    run(sys.executable, "-m", "pip", "--python", python, "install", "-q", "--no-deps", "--no-index", wheel, cwd=home)
    packages = Path(sysconfig.get_path("purelib", vars={"base": str(home)}))
    # A path entry's own .pth files are not read, so the checkout's editable install stays out of sight.
    (packages / "dependencies.pth").write_text(sysconfig.get_path("purelib"))
    return home / "bin"


def test_the_wheel_carries_every_file_that_is_not_python(wheel: Path) -> None:
    """Lua scripts, unit files, pages and type markers are in the wheel, each of them."""
    inside = set(zipfile.ZipFile(wheel).namelist())
    packages = [ROOT / name for name in ("ormen", "manager_api", "worker_agent")]
    files = [path for package in packages for path in package.rglob("*") if path.is_file()]
    wanted = {str(path.relative_to(ROOT)) for path in files if path.suffix != ".pyc"}
    assert any(name.endswith(".lua") for name in wanted)
    assert {"ormen/local/systemd/ormen-deck.service", "ormen/local/systemd/ormen-sailor.service"} <= wanted
    assert wanted <= inside


def test_the_wheel_carries_nothing_but_the_three_packages(wheel: Path) -> None:
    """Tests, scripts and benchmarks stay at home."""
    inside = {name.split("/")[0] for name in zipfile.ZipFile(wheel).namelist()}
    assert inside == {"ormen", "manager_api", "worker_agent", f"ormen-{ormen.__version__}.dist-info"}


def test_the_installed_command_runs_its_own_code(bin_dir: Path, tmp_path: Path) -> None:
    """The command works outside the checkout, from the environment's own files."""
    assert "Usage: ormen" in run(bin_dir / "ormen", "--help", cwd=tmp_path)
    place = run(
        bin_dir / "python", "-c", "import ormen, manager_api, worker_agent; print(ormen.__file__)", cwd=tmp_path
    )
    assert Path(place.strip()).is_relative_to(bin_dir.parent)


@pytest.fixture
def address(bin_dir: Path, tmp_path: Path) -> Iterator[str]:
    """The address of a cluster that the installed command has started."""
    port = run(sys.executable, ROOT / "scripts" / "free_ports.py", "4", cwd=tmp_path).strip()
    state = ("--state-dir", tmp_path / "state")
    run(bin_dir / "ormen", "up", "--detach", "--sailors", "1", "--no-flower", "--port", port, *state, cwd=tmp_path)
    yield f"127.0.0.1:{port}"
    run(bin_dir / "ormen", "down", *state, cwd=tmp_path)


def test_the_installed_cluster_comes_up_and_runs_a_task(bin_dir: Path, address: str, tmp_path: Path) -> None:
    """`ormen up`, `version`, `run`, `status`, `rm` and `down` of the installed wheel need nothing of the checkout."""
    manager = ("--manager", address)
    assert run(bin_dir / "ormen", "version", *manager, cwd=tmp_path).count(ormen.__version__) == 2
    run(bin_dir / "ormen", "run", "ormen/echo:1", "--name", "wheel", "--health", ":7777/health", *manager, cwd=tmp_path)
    assert "wheel" in run(bin_dir / "ormen", "status", *manager, cwd=tmp_path)
    run(bin_dir / "ormen", "rm", "--force", "wheel", *manager, cwd=tmp_path)
