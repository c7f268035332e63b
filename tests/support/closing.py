"""A stream that its consumer leaves, closed or dropped: its source is closed once, and no task is left."""

from __future__ import annotations

import asyncio
import gc

__all__ = ["aleave", "leave"]

CONFIG = {"buffer_size": 2}
SETTLED = 60
"""Turns of the loop after which it has closed what was dropped."""


def leave(stage, source, taken, closing):
    """Take some chunks of ``stage`` over ``source``, then close its stream, or drop it."""
    stream = stage.transform(source, CONFIG)
    for _ in range(taken):
        next(stream, None)
    if closing:
        stream.close()
        assert source.closes == 1
    del stream
    gc.collect()
    assert source.closes == source.closed == 1


async def aleave(stage, source, taken, closing):
    stream = stage.atransform(source, CONFIG)
    for _ in range(taken):
        await anext(stream, None)
    if closing:
        await stream.aclose()
    else:
        del stream
        gc.collect()
        for _ in range(SETTLED):
            await asyncio.sleep(0)
    assert source.closes == source.closed == 1
    assert asyncio.all_tasks() == {asyncio.current_task()}
