"""What a newcomer pays before the first result: each package installed into an environment of its own, and looked at.

    python benchmarks/first_contact.py [WHEEL]

``WHEEL`` is ours; without it one is built of this checkout. The peers come from the package index. Printed is a row of
a Markdown table for each: files on disk and distributions with all that the package needs, its own wheel for this
machine, the CPU time of an import in a new process less that of an interpreter that imports nothing, what other targets
get, whether it is typed, and whether it has a command.
"""

from __future__ import annotations

import json
import os
import statistics
import subprocess
import sys
import tempfile
import time
import venv
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
ROUNDS = 9
OURS = "pystreamcore"
# Distribution, and what its first use imports.
PACKAGES = {
    OURS: "import streamcore",
    f"{OURS}, `Lines` and `BPE` used": "from streamcore import BPE, Lines; Lines(); BPE.gpt2()",
    "tiktoken": "import tiktoken",
    "tokenizers": "import tokenizers",
    "gigatoken": "import gigatoken",
    "langchain-core": "import langchain_core.runnables",
    "aiostream": "import aiostream",
    "stringzilla": "import stringzilla",
}
GLIBC = ("manylinux_2_28_x86_64", "manylinux_2_17_x86_64", "manylinux2014_x86_64", "manylinux_2_5_x86_64")
TARGETS = {
    "3.14t": (GLIBC, "3.14", "cp314t"),
    "3.15": (GLIBC, "3.15", "cp315"),
    "musl": (("musllinux_1_2_x86_64", "musllinux_1_1_x86_64"), "3.11", "cp311"),
    "Windows ARM64": (("win_arm64",), "3.11", "cp311"),
}


def run(*command: str | Path, **extra: str) -> str:
    done = subprocess.run(
        list(map(str, command)), capture_output=True, text=True, check=True, env={**os.environ, **extra}
    )
    return done.stdout


def wheel_of_ours(folder: Path) -> Path:
    run(
        sys.executable,
        "-m",
        "pip",
        "wheel",
        "-q",
        "--no-deps",
        "-w",
        folder,
        ROOT,
        STREAMCORE_EXTENSIONS="require",
    )
    (found,) = folder.glob("*.whl")
    return found


def seconds(python: Path, program: str) -> float:
    """CPU time, the median of new processes; the first, which reads the files from the disk, does not count."""
    took = []
    for _ in range(ROUNDS + 1):
        process = subprocess.Popen([python, "-P", "-c", program])
        _, status, used = os.wait4(process.pid, 0)
        process.returncode = os.waitstatus_to_exitcode(status)
        assert process.returncode == 0, program
        took.append(used.ru_utime + used.ru_stime)
    return statistics.median(took[1:])


LOOK = """
import json, sys
from importlib import metadata
names = {each.metadata["Name"] for each in metadata.distributions()} - {"pip", "setuptools"}
files = [file for name in names for file in metadata.files(name) or ()]
own = metadata.distribution(sys.argv[1])
sizes = {file: file.locate().stat().st_size for file in files if file.locate().is_file() and file.suffix != ".pyc"}
print(json.dumps({
    "version": own.version, "distributions": len(names), "megabytes": sum(sizes.values()) / 1e6,
    "own": sum(sizes.get(file, 0) for file in own.files) / 1e6,
    "typed": any(file.name == "py.typed" for file in own.files),
    "command": any(each.group == "console_scripts" for each in own.entry_points),
}))
"""


def wheel_here(python: Path, wanted: str) -> float:
    """MB of the wheel that this machine gets."""
    with tempfile.TemporaryDirectory() as folder:
        run(python, "-m", "pip", "download", "-q", "--no-deps", "-d", folder, wanted)
        return sum(path.stat().st_size for path in Path(folder).iterdir()) / 1e6


def elsewhere(python: Path, wanted: str, target: tuple[tuple[str, ...], str, str]) -> str:
    """Whether the index has a wheel for a target, and which kind."""
    platforms, version, abi = target
    with tempfile.TemporaryDirectory() as folder:
        command = [
            python,
            "-m",
            "pip",
            "install",
            "-q",
            "--dry-run",
            "--ignore-installed",
            "--no-deps",
            "--target",
            folder,
        ]
        command += ["--report", "-", "--only-binary", ":all:", "--python-version", version]
        command += ["--implementation", "cp", "--abi", abi, "--abi", "none"]
        command += [] if abi.endswith("t") else ["--abi", "abi3"]
        for platform in platforms:
            command += ["--platform", platform]
        try:
            report = json.loads(run(*command, wanted))
        except subprocess.CalledProcessError:
            return "no"
    name = report["install"][0]["download_info"]["url"].rpartition("/")[2]
    return "pure" if name.endswith("-none-any.whl") else "abi3" if "-abi3-" in name else "yes"


def row(name: str, program: str, wheel: Path, folder: Path) -> str:
    distribution = name.partition(",")[0]
    wanted = str(wheel) if distribution == OURS else distribution
    place = folder / distribution
    python = place / "bin" / "python"
    if not place.exists():
        venv.create(place, with_pip=True)
        run(python, "-m", "pip", "install", "-q", "--disable-pip-version-check", wanted)
    extra = seconds(python, program) - seconds(python, "pass")
    if name != distribution:
        return f"| {name} | | | {extra * 1e3:,.0f} ms | | | |"
    found = json.loads(run(python, "-c", LOOK, distribution))
    if distribution == OURS:
        size, others = wheel.stat().st_size / 1e6, ["not on the index"]
    else:
        exact = f"{distribution}=={found['version']}"
        size = wheel_here(python, exact)
        others = [f"{label} {elsewhere(python, exact, target)}" for label, target in TARGETS.items()]
    disk = f"{found['megabytes']:.3g} MB, {found['own']:.2g} its own; {found['distributions']}"
    answers = [("no", "yes")[found[each]] for each in ("typed", "command")]
    return (
        f"| {name} {found['version']} | {disk} | {size:.2f} MB | {extra * 1e3:,.0f} ms"
        f" | {', '.join(others)} | {answers[0]} | {answers[1]} |"
    )


def main() -> None:
    with tempfile.TemporaryDirectory() as made:
        wheel = Path(sys.argv[1]) if len(sys.argv) > 1 else wheel_of_ours(Path(made))
        print(f"{sys.implementation.name} {sys.version.split()[0]}, {time.strftime('%Y-%m-%d')}")
        print("| package | on disk; distributions | wheel | import | wheels elsewhere | typed | command |")
        print("|---|---|---|---|---|---|---|")
        for name, program in PACKAGES.items():
            print(row(name, program, wheel, Path(made)), flush=True)


if __name__ == "__main__":
    main()
