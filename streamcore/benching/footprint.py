"""What is paid before any work: import, size on disk; and the memory of one long item."""

from __future__ import annotations

import os
import re
import subprocess
import sys
from collections.abc import Iterator
from functools import partial
from importlib import import_module, metadata
from importlib.util import find_spec
from pathlib import Path

from .case import PEERS, Case, Side, Work, ours

__all__ = ["CASES"]

IMPORTS = {
    "native": "from streamcore import Lines; Lines()",
    "pure": "from streamcore import Lines; Lines()",
    "tiktoken": "import tiktoken",
    "tokenizers": "import tokenizers",
    "langchain-core": "import langchain_core.runnables",
}
INSTALLED = (".py", ".pyi", ".so", ".pyd", ".txt", ".gz", ".xz", ".typed")

# Prints the MB by which the most memory of the process grew, and the length of the item.
LONG_ITEM = """
import sys
megabytes = int(sys.argv[1])
def fragments():
    for number in range(16 * megabytes):
        yield b"%08d" % number * 7812 + b"1234"
    yield b"\\n"
def highest():
    if sys.platform == "linux":  # where ru_maxrss begins with that of the parent
        with open("/proc/self/status") as status:
            for line in status:
                if line.startswith("VmHWM"):
                    return int(line.split()[1]) * 1024
    import resource
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * (1 if sys.platform == "darwin" else 1024)
{made}
before = highest()
(item,) = lines(fragments())
print((highest() - before) / 1e6, len(item))
"""
OURS = """
from streamcore._{core}.framing.lines import LinesEngine
lines = LinesEngine(max_size=None).iterate
"""
JOINED = """
def lines(source):
    return b"".join(source).splitlines()
"""
BUFFERED = """
import io
from streamcore.benching.framing import Raw
def lines(source):
    raw = Raw([])
    raw.fragments = source
    return (line[:-1] for line in io.BufferedReader(raw, 65536))
"""


def environment(core: str) -> dict[str, str]:
    folder = str(Path(__file__).resolve().parents[2])
    path = os.pathsep.join(filter(None, [folder, os.environ.get("PYTHONPATH")]))
    chosen = {"STREAMCORE_BACKEND": core} if core in ("native", "pure") else {}
    return {**os.environ, "PYTHONPATH": path, **chosen}


def output_of(program: str, core: str, *arguments: str) -> str:
    # -P: what is imported is what runs here, not what lies in the current directory
    command = [sys.executable, "-P", "-c", program, *arguments]
    run = subprocess.run(command, capture_output=True, text=True, env=environment(core), check=False)
    if run.returncode:
        raise RuntimeError(f"a program of the benchmark failed: {run.stderr.strip().splitlines()[-1:]}")
    return run.stdout


def imports(_scale: float) -> Work:
    def of(name: str) -> Side:
        if name in ("native", "pure"):
            ours(name, "framing.lines", "LinesEngine")
        return Side(lambda: output_of(IMPORTS[name], name), lambda: None)

    work = Work(1, floor=Side(lambda: output_of("pass", ""), lambda: None))
    for name in IMPORTS:
        work.add(name, partial(of, name))
    return work


def long_item(scale: float) -> Work:
    megabytes = max(1, int(32 * scale))

    def of(made: str, core: str = "") -> Side:
        if sys.platform == "win32":
            raise ImportError("not measured on Windows")
        if core:
            ours(core, "framing.lines", "LinesEngine")

        def measured() -> list[str]:
            program = LONG_ITEM.replace("{made}", made.replace("{core}", core))
            return output_of(program, core, str(megabytes)).split()

        return Side(lambda: float(measured()[0]), lambda: measured()[1], direct=True)

    size = megabytes * 16 * (8 * 7812 + 4) / 1e6
    work = Work(1, floor=Side(lambda: size, lambda: None, direct=True))
    work.add("native", lambda: of(OURS, "native"))
    work.add("pure", lambda: of(OURS, "pure"))
    work.add("bytes.join by hand", lambda: of(JOINED))
    work.add("io.BufferedReader", lambda: of(BUFFERED))
    return work


def size_on_disk(distribution: str, seen: set[str]) -> int:
    """Bytes of the files of a distribution and of what it needs; what is not installed counts nothing."""
    if distribution in seen:
        return 0
    seen.add(distribution)
    try:
        found = metadata.distribution(distribution)
    except metadata.PackageNotFoundError:
        return 0
    total = sum(file.size or 0 for file in found.files or ())
    return total + sum(size_on_disk(name, seen) for name in needs(found))


def needs(distribution: metadata.Distribution) -> Iterator[str]:
    for line in distribution.requires or ():
        name = re.match(r"[\w.-]+", line)
        if name and "extra ==" not in line.replace("'", '"'):
            yield name[0].lower()


def own_size(core: str) -> int:
    """Of the files that an installation has, and of numpy, which it needs."""
    if core == "native":
        ours(core, "framing.lines", "LinesEngine")
    folder = Path(__file__).resolve().parents[1]
    total = size_on_disk("numpy", set())
    for path in folder.rglob("*"):
        if path.name.endswith(INSTALLED) and (core == "native" or path.suffix not in (".so", ".pyd")):
            total += path.stat().st_size
    return total


def install_size(_scale: float) -> Work:
    work = Work(1)

    def of(name: str) -> Side:
        if name in PEERS:
            import_module(PEERS[name][0])
            total = size_on_disk(PEERS[name][1], set())
        else:
            total = own_size(name)
        return Side(lambda: total / 1e6, lambda: None, direct=True)

    for name in IMPORTS:
        work.add(name, partial(of, name))
    if find_spec("numpy") is not None:
        work.floor = Side(lambda: size_on_disk("numpy", set()) / 1e6, lambda: None, direct=True)
    return work


CASES = (
    Case(
        "import",
        "a new interpreter that imports, ours with a first stage made",
        "ms",
        tuple(IMPORTS),
        "a new interpreter",
        imports,
    ),
    Case(
        "install-size",
        "files on disk with those of what it needs",
        "MB",
        tuple(IMPORTS),
        "numpy, which ours needs",
        install_size,
    ),
    Case(
        "long-item",
        "memory that one line of 32 MB takes (--quick: 8 MB), beyond what was there before",
        "MB",
        ("native", "pure", "bytes.join by hand", "io.BufferedReader"),
        "the line itself, once",
        long_item,
    ),
)
