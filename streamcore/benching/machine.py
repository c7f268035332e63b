"""What a figure depends on beside the code: processor, Python, versions, load."""

from __future__ import annotations

import os
import platform
import subprocess
import sys
from importlib import metadata
from pathlib import Path

from .case import PEERS

__all__ = ["BUSY", "facts", "load"]

BUSY = 0.25  # load by core above which figures are doubtful


def facts() -> dict[str, str]:
    """Processor, system, Python, our version, kernel, and the versions of the peers that are installed."""
    from .. import __version__, _backend

    found = {
        "cpu": cpu(),
        "cores": str(cores()),
        "system": f"{platform.system()} {platform.machine()}",
        "python": f"{platform.python_implementation()} {platform.python_version()}",
        "streamcore": __version__,
        "kernel": _backend.KERNEL,
    }
    for _, distribution in PEERS.values():
        try:
            found[distribution] = metadata.version(distribution)
        except metadata.PackageNotFoundError:
            continue
    return found


def cores() -> int:
    """Those that this process may use."""
    if hasattr(os, "sched_getaffinity"):
        return len(os.sched_getaffinity(0))
    return os.cpu_count() or 1


def cpu() -> str:
    """The model of the processor, as the system names it."""
    try:
        if sys.platform == "linux":
            for line in Path("/proc/cpuinfo").read_text(encoding="utf-8", errors="replace").splitlines():
                if line.lower().startswith(("model name", "cpu model", "hardware")):
                    return line.partition(":")[2].strip()
        if sys.platform == "darwin":
            command = ["sysctl", "-n", "machdep.cpu.brand_string"]
            return subprocess.run(command, capture_output=True, text=True, check=True).stdout.strip()
    except (OSError, subprocess.CalledProcessError):
        return platform.processor() or "unknown"
    return platform.processor() or "unknown"


def load() -> float | None:
    """Programs that wanted a core in the last minute, divided by the cores; None where the system does not say."""
    try:
        return os.getloadavg()[0] / cores()
    except (AttributeError, OSError):
        return None
