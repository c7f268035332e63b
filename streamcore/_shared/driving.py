"""Who may call an engine when: what both backends raise, so that their messages cannot differ.

From the call of ``iterate()`` or ``batches()`` until that iterator is exhausted, has failed, is closed or dropped,
``feed``, ``finish``, ``reset`` and a second iterator are refused. So is, whoever drives the engine, every call from
code that runs within a call of the same engine: a fragment's ``__buffer__``, a source's ``__next__``, a finalizer.
"""

from __future__ import annotations

__all__ = ["check_idle", "driven", "executing"]


def executing(name: str) -> ValueError:
    """The error of a call from code that runs within a call."""
    return ValueError(f"{name} engine already executing")


def driven(name: str) -> ValueError:
    """The error of a call while an iterator drives the engine."""
    return ValueError(f"{name} engine is driven by an iterator: exhaust or close it first")


def check_idle(name: str, is_executing: bool, is_driven: bool) -> None:
    """Raise unless the engine is free for a call of its own."""
    if is_executing:
        raise executing(name)
    if is_driven:
        raise driven(name)
