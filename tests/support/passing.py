"""Stages of the plain kind that pass their chunks on."""

from __future__ import annotations

__all__ = ["apassed", "passed"]


def passed(chunks):
    for chunk in chunks:  # noqa: UP028 - a stage of the plain kind
        yield chunk


async def apassed(chunks):
    async for chunk in chunks:
        yield chunk
