"""Long streams through every class and operator, and what each has in memory meanwhile, beyond a short one.

``python tests/support/long_streams.py COUNT [NAME...]`` prints a line for each: its name, the most
bytes that were traced above the most of the warm-up, and the seconds it took. Run in a process of
its own: all that Python allocates meanwhile counts. Items are 400 characters, so that what is kept shows early, and
buffers hold 8 of them.
"""

from __future__ import annotations

import asyncio
import sys
import time
import tracemalloc
from contextlib import nullcontext

from long_cases import ASYNC, LONGER, MAPPINGS, STAGES, SYNC, TIMED, chosen, mapped
from metered import Meter, Moving, asource, on_clock, source, text

__all__ = ["names", "run"]

CONFIG = {"buffer_size": 8}


def names():
    both = [*STAGES, *TIMED, *MAPPINGS, *chosen(None)]
    return [f"{name}: sync" for name in (*both, *SYNC)] + [f"{name}: async" for name in (*both, *ASYNC)]


def streams(name, meter, make):
    """By form: what makes the stream of this name, of the items that ``make`` makes."""
    stages = STAGES | TIMED | MAPPINGS
    if name in stages:
        stage = stages[name]()
        return {
            "sync": lambda: stage.transform(source(meter, make), CONFIG),
            "async": lambda: stage.atransform(asource(meter, make), CONFIG),
        }
    if name in chosen(None):
        stage, input = chosen(meter)[name]
        return {"sync": lambda: stage.stream(input), "async": lambda: stage.astream(input)}
    forms = {"sync": SYNC.get(name), "async": ASYNC.get(name)}
    return {form: lambda build=build: build(meter) for form, build in forms.items()}


async def drain(make):
    async for _ in make():
        pass


def run(name, count):
    """The bytes that this stream grew by while ``count`` chunks went through, without the warm-up."""
    name, _, form = name.rpartition(": ")
    # of the source of what makes many of an item, or works long with each
    items = max(count // LONGER.get(name, 1), min(count, 100))
    meter, moving = Meter(items), Moving()
    with on_clock(moving) if name in TIMED else nullcontext():
        make = streams(name, meter, moving.item if name in TIMED else mapped if name in MAPPINGS else text)
        if form == "sync":
            for _ in make[form]():
                pass
        else:
            asyncio.run(drain(make[form]))
    if meter.grown is None:
        raise RuntimeError(f"{name}: {form}: its source gave {meter.given} items of {items}")
    return meter.grown


if __name__ == "__main__":
    tracemalloc.start()
    for wanted in sys.argv[2:] or names():
        began = time.perf_counter()
        grown = run(wanted, int(sys.argv[1]))
        print(f"{wanted}\t{grown}\t{time.perf_counter() - began:.2f}", flush=True)
