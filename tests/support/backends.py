"""Where a part of a backend is found by its name, whichever module has it."""

from __future__ import annotations

import pkgutil
from importlib import import_module

__all__ = ["SHARED", "find"]

# What the native backend takes from the twin, over native parts: tested as it is shipped.
SHARED: set[str] = set()


def find(backend: str, name: str) -> object:
    """What bears this name in a module of the backend, None if nothing does."""
    package = import_module(f"streamcore._{'pure' if name in SHARED else backend}")
    for module in pkgutil.walk_packages(package.__path__, f"{package.__name__}."):
        found = None if module.ispkg else vars(import_module(module.name)).get(name)
        if found is not None and not name.startswith("__"):
            return found
    return None
