"""Ratios of S1 to S6 and of operators with all sides in one process: ``python benchmarks/interleave.py [ROUNDS]``.

pytest-benchmark runs one side after the other, so a change of the machine's load looks like a difference. Here each
round times every side once; the ratio of the minima, and of the medians, to the first side of a group is printed.
"""

from __future__ import annotations

import asyncio
import sys
from collections.abc import Callable
from itertools import repeat
from pathlib import Path
from statistics import median
from time import perf_counter
from typing import Any

sys.path[:0] = [str(Path(__file__).parent), str(Path(__file__).parent.parent)]

import bench_async as a  # noqa: E402
import bench_ops as o  # noqa: E402
import bench_runnable as r  # noqa: E402

from streamcore import RunnableGenerator, RunnableLambda  # noqa: E402

Sides = dict[str, Callable[[], Any]]


def compare(title: str, sides: Sides, rounds: int, per: int) -> None:
    times: dict[str, list[float]] = {name: [] for name in sides}
    for _ in range(rounds + 1):
        for name, run in sides.items():
            start = perf_counter()
            run()
            times[name].append((perf_counter() - start) / per)
    first = next(iter(sides))
    print(title)
    for name, seconds in times.items():
        low, middle = min(seconds[1:]), median(seconds[1:])
        against = f"{low / min(times[first][1:]):7.3f} {middle / median(times[first][1:]):7.3f}"
        print(
            f"  {name:34} {low * 1e9:10.1f} ns, {middle * 1e9:10.1f} ns;   ratio of minima, medians {against}"
        )


def in_loop(make: Callable[[], Any]) -> Callable[[], Any]:
    return lambda: asyncio.run(make())


def main(rounds: int) -> None:
    count = 20_000
    chains = {
        name: make()
        for name, make in r.PYTHON_STAGES.items()
        if name != "langchain-core" or _has("langchain_core")
    }
    sides: Sides = {
        name: (lambda chain=chain: r.drain(chain(iter(range(count))))) for name, chain in chains.items()
    }
    compare("S1, S2: three Python stages, per chunk", sides, rounds, count)
    fragments = [(b"word " * 19 + b"four\n") * 655] * 10
    for work, (chain, bare) in r.NATIVE_STAGES.items():
        sides = {
            "bare generators": lambda bare=bare: r.drain(bare(fragments)),  # type: ignore[dict-item]
            "streamcore": lambda chain=chain: r.drain(chain.transform(fragments)),  # type: ignore[dict-item]
        }
        compare(f"S3: {work}, per line", sides, rounds, 6550)
    three = RunnableGenerator(a.one) | RunnableGenerator(a.two) | RunnableGenerator(a.three)
    makers: dict[str, Callable[[Any], Any]] = {
        "bare async generators": lambda chunks: a.three(a.two(a.one(chunks))),
        "RunnableGenerator": three.atransform,
    }
    if _has("langchain_core"):
        makers["langchain-core"] = a.by_langchain
    sides = {
        name: in_loop(lambda make=make: a.drain(make(a.source(range(count // 10)))))  # type: ignore[misc]
        for name, make in makers.items()
    }
    compare("S4: three async Python stages, per chunk", sides, rounds, count // 10)
    compare(
        "S5: a sync generator's 4 KiB chunks, per chunk",
        {
            name: in_loop(way)
            for name, way in a.WAYS.items()
            if _has(name.split("(")[-1].split(",")[0].rstrip(")"))
        },
        rounds,
        a.ITEMS,
    )
    invoke = RunnableLambda(r.double).invoke
    calls = {"plain call": r.double, "invoke": invoke}
    sides = {name: (lambda call=call: [*map(call, repeat(1, count))]) for name, call in calls.items()}
    compare("S6: a function, per call", sides, rounds, count)
    for group, sides in o.SIDES.items():
        compare(f"{group}, per item", sides, rounds, o.ITEMS)


def _has(module: str) -> bool:
    from importlib.util import find_spec

    return module == "astream" or find_spec(module) is not None


if __name__ == "__main__":
    main(int(sys.argv[1]) if len(sys.argv) > 1 else 15)
