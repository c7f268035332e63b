"""Facts about this installation: which backend runs and why, the kernels, the versions, the platform."""

from __future__ import annotations

import platform
import sys
import sysconfig
from importlib import metadata

__all__ = ["facts"]

# What each optional part of the package needs, for the user who wonders why a command is missing something.
EXTRAS = ("numpy", "click", "rich", "zstandard")


def facts() -> dict[str, str]:
    """What a bug report should contain, as label and value."""
    from . import __file__ as package_file
    from . import __version__, _backend

    return {
        "streamcore": f"{__version__} ({package_file})",
        "backend": f"{_backend.BACKEND} ({_backend.REASON})",
        "kernel": _backend.KERNEL,
        "python": f"{platform.python_implementation()} {platform.python_version()} ({sys.executable})",
        "threads": threads(),
        "compiler": f"{platform.python_compiler()} (of Python)",
        "platform": f"{platform.platform()}, {platform.machine()}",
        **{name: version(name) for name in EXTRAS},
    }


def threads() -> str:
    """Whether this Python is built without the global interpreter lock, and whether it runs without it."""
    if not sysconfig.get_config_var("Py_GIL_DISABLED"):
        return "with the GIL"
    enabled = getattr(sys, "_is_gil_enabled", lambda: True)()
    return "free-threaded build, but the GIL is on" if enabled else "free-threaded"


def version(name: str) -> str:
    """The version of an installed distribution, without importing it."""
    try:
        return metadata.version(name)
    except metadata.PackageNotFoundError:
        return "not installed"
