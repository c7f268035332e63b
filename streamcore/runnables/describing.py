"""``describe()``: a line for each stage, and, indented below those that are made of others, for each of their parts."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from .base import Runnable

__all__ = ["Part", "described"]

Part = tuple[str, "Runnable[Any, Any, Any]", bool]
"""What a part is called, the part, and whether it has its whole input at once."""


def described(stage: Runnable[Any, Any, Any], head: bool) -> list[str]:
    """The lines of ``stage``, or of all stages of a chain; the ``head`` of one has its whole input at once."""
    stages = stage._row()
    holding = _holding(stages, head)
    lines: list[str] = []
    for at, each in enumerate(stages):
        lines += _lines(each, head and not at, at == holding)
    return lines


def _holding(stages: tuple[Runnable[Any, Any, Any], ...], head: bool) -> int | None:
    """Which stage of a chain holds back its first chunk: the last one that waits for all that comes before it."""
    if len(stages) == 1:
        return None
    waiting = [at for at, stage in enumerate(stages) if stage._written.waits and not (head and not at)]
    if waiting:
        return waiting[-1]
    return None if stages[0]._written.gives_chunks else 0


def _lines(stage: Runnable[Any, Any, Any], head: bool, holds: bool) -> list[str]:
    parts = stage._parts(head)
    title, facts = repr(stage), [_streaming(stage, head), *stage._remarks()]
    if parts:
        title = title.partition("(")[0]
    elif not stage._written.is_async:
        facts.append("in async calls in a thread")
    elif not stage._written.is_sync:
        facts.append("in sync calls on a loop of its own")
    if holds:
        facts.append("holds back the first chunk")
    lines = [f"{title}: {'; '.join(facts)}"]
    for name, part, at_once in parts:
        below = described(part, at_once)
        if len(part._row()) == 1:
            lines += [f"  {name}: {below[0]}", *(f"  {line}" for line in below[1:])]
        else:
            lines += [f"  {name}:", *(f"    {line}" for line in below)]
    return lines


def _streaming(stage: Runnable[Any, Any, Any], head: bool) -> str:
    waits = stage._written.waits and not head
    if stage._written.gives_chunks:
        return "waits for its whole input, then streams" if waits else "streams"
    return "blocks: waits for its whole input, gives one chunk" if waits else "gives one chunk"
