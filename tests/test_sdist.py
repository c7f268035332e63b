"""What setup.py makes of a checkout: an sdist that is the same in each build, metadata, a fallback that says so."""

from __future__ import annotations

import gzip
import os
import shutil
import subprocess
import sys
import tarfile
from importlib import metadata
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parent.parent
OWNED = ("GITHUB_", "STREAMCORE_", "SOURCE_DATE_EPOCH", "CFLAGS")


def setuptools_is_new() -> bool:
    """Whether setup.py can run here: it needs version 77."""
    try:
        return int(metadata.version("setuptools").partition(".")[0]) >= 77
    except metadata.PackageNotFoundError:
        return False


pytestmark = [
    pytest.mark.skipif(
        not (ROOT / "setup.py").is_file(), reason="the tests run without the rest of the checkout"
    ),
    pytest.mark.skipif(not setuptools_is_new(), reason="setuptools 77 or newer is not installed"),
]


def checkout(folder: Path, time: int) -> Path:
    """A few files of the checkout, all of this time."""
    names = ["setup.py", "pyproject.toml", "README.md", "CHANGELOG.md", "LICENSE", "MANIFEST.in"]
    names += ["streamcore/__init__.py", "streamcore/py.typed", "streamcore/vocab/GPT2_LICENSE.txt"]
    names += ["streamcore/vocab/__init__.py", "docs/images/bench.svg", "tests/test_sdist.py"]
    names += ["streamcore/_native/__init__.py", "streamcore/_native/kernels/bits.h"]
    for name in names:
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        shutil.copyfile(ROOT / name, folder / name)
        os.utime(folder / name, (time, time))
    return folder


def setup(folder: Path, *arguments: str, **extra: str) -> str:
    """Run setup.py; what it says on standard error."""
    environment = {name: value for name, value in os.environ.items() if not name.startswith(OWNED)} | extra
    environment["PYTHONPATH"] = ""
    command = [sys.executable, "setup.py", "-q", *arguments]
    done = subprocess.run(command, cwd=folder, env=environment, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    return done.stderr


def sdist(folder: Path, **extra: str) -> bytes:
    setup(folder, "sdist", STREAMCORE_EXTENSIONS="off", **extra)
    (path,) = (folder / "dist").iterdir()
    return path.read_bytes()


def test_two_builds_are_the_same_bytes(tmp_path: Path) -> None:
    one = sdist(checkout(tmp_path / "one", 1_600_000_000), SOURCE_DATE_EPOCH="1700000000")
    umask = os.umask(0o077)
    try:
        two = sdist(checkout(tmp_path / "two", 1_650_000_000), SOURCE_DATE_EPOCH="1700000000")
    finally:
        os.umask(umask)
    assert one == two
    with tarfile.open(tmp_path / "one" / "dist" / "pystreamcore-0.1.0.tar.gz") as archive:
        assert {member.mtime for member in archive} == {1_700_000_000}
        names = {member.name.partition("/")[2] for member in archive}
    assert {"docs/images/bench.svg", "streamcore/_native/kernels/bits.h", "tests/test_sdist.py"} <= names
    later = sdist(checkout(tmp_path / "later", 1_600_000_000), SOURCE_DATE_EPOCH="1700000001")
    assert gzip.decompress(later) != gzip.decompress(one)


def test_links_are_those_of_the_repository_whose_workflow_builds(tmp_path: Path) -> None:
    folder = checkout(tmp_path, 1_600_000_000)
    where = {"GITHUB_REPOSITORY": "owner/name", "GITHUB_SHA": "0" * 40}
    setup(folder, "egg_info", **where)
    told = (folder / "pystreamcore.egg-info" / "PKG-INFO").read_text(encoding="utf-8")
    assert "Project-URL: Source, https://github.com/owner/name\n" in told
    assert f"](https://github.com/owner/name/raw/{'0' * 40}/docs/images/bench.svg)" in told
    assert f"](https://github.com/owner/name/blob/{'0' * 40}/docs/index.md)" in told
    assert "](docs/" not in told
    assert "Author: The streamcore authors\n" in told
    assert "License-File: streamcore/vocab/GPT2_LICENSE.txt\n" in told
    setup(folder, "egg_info")
    told = (folder / "pystreamcore.egg-info" / "PKG-INFO").read_text(encoding="utf-8")
    assert "Project-URL" not in told
    assert "](docs/index.md)" in told


@pytest.mark.skipif(sys.platform == "win32", reason="its compiler is not found by CC")
def test_without_a_compiler_one_line_says_so(tmp_path: Path) -> None:
    folder = checkout(tmp_path, 1_600_000_000)
    (folder / "streamcore" / "_native" / "one.pyx").write_text("x = 1\n", encoding="utf-8")
    said = setup(folder, "build", CC="/nonexistent").splitlines()
    told = [line for line in said if line.startswith("streamcore: no native core, a pure install instead: ")]
    assert len(told) == 1, said
    assert not list(folder.rglob("one.*so"))
