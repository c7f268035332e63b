"""Streams of one step."""

from __future__ import annotations

__all__ = ["stepped"]


def stepped(backend, step, source, *arguments):
    """A stream of ``source`` that does ``backend``'s ``MapStep``, ``FilterStep`` or ``TakeStep`` with each item."""
    return backend.closing_iterator(source, (source,), steps=[getattr(backend, step)(*arguments)])
