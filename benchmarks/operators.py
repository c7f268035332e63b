"""R1 to R17 with their targets, as docs/speed.md has them: ``python benchmarks/operators.py [ROUNDS [ROW...]]``.

All sides of a row run in one process and in turn, after their results have been found equal; a figure is the ratio of
their medians. Peers that are not installed are left out: they come with ``pip install 'pystreamcore[bench]'``.
"""

from __future__ import annotations

import asyncio
import itertools
import subprocess
import sys
from collections.abc import AsyncIterator, Callable, Iterable, Iterator
from concurrent.futures import ThreadPoolExecutor
from importlib.util import find_spec
from itertools import repeat
from pathlib import Path
from statistics import median
from time import perf_counter
from typing import Any, NamedTuple

sys.path[:0] = [str(Path(__file__).parent), str(Path(__file__).parent.parent)]

import bench_async as a  # noqa: E402
import bench_import as i  # noqa: E402
import bench_ops as o  # noqa: E402
import bench_runnable as r  # noqa: E402

from streamcore import RunnableGenerator, RunnableLambda, RunnableParallel, ops  # noqa: E402

Run = Callable[[], Any]
CHUNKS = 20_000


class Row(NamedTuple):
    """``sides`` by name, ours first; ``targets``: of a peer how long ours may take, or how many ns more."""

    row: str
    work: str
    per: int
    sides: dict[str, Run]
    targets: dict[str, tuple[str, float]]
    most_rounds: int = 1000
    results: dict[str, Run] = {}  # noqa: RUF012 - what the sides give, where those only count


def chained(stage: Callable[[Any], Any], count: int) -> Any:
    chain = RunnableGenerator(stage)
    for _ in range(count - 1):
        chain = chain | RunnableGenerator(stage)  # type: ignore[assignment]
    return chain


def by_hand(stage: Callable[[Any], Any], count: int, chunks: Any) -> Any:
    for _ in range(count):
        chunks = stage(chunks)
    return chunks


def on_loop(make: Callable[[], Any]) -> Run:
    return lambda: asyncio.run(a.drain(make()))


def listed_on_loop(make: Callable[[], Any]) -> Run:
    return lambda: asyncio.run(a.listed(make()))


def of_streams(
    row: str, work: str, per: int, streams: dict[str, Run], *rest: Any, is_async: bool = False
) -> Row:
    """The sides are streams, drained to be timed and listed to be compared; ``rest`` as in a ``Row``."""
    targets, *most_rounds = rest
    drained = {
        name: on_loop(make) if is_async else lambda make=make: r.drain(make())
        for name, make in streams.items()
    }
    listed = {
        name: listed_on_loop(make) if is_async else lambda make=make: [*make()]
        for name, make in streams.items()
    }
    return Row(row, work, per, drained, targets, *most_rounds or [1000], listed)


def stages_in_a_row() -> Iterator[Row]:
    for count in 3, 10:
        chain = chained(r.one, count)
        yield of_streams(
            "R1", f"{count} Python stages, per chunk", CHUNKS,
            {"ours": lambda chain=chain: chain.transform(iter(range(CHUNKS))),
             "generators": lambda count=count: by_hand(r.one, count, iter(range(CHUNKS)))},
            {"generators": ("x", 1.15)},
        )  # fmt: skip
    for count in 3, 10:
        chain = chained(a.one, count)
        yield of_streams(
            "R2", f"{count} async Python stages, per chunk", CHUNKS // 4,
            {"ours": lambda chain=chain: chain.atransform(a.source(range(CHUNKS // 4))),
             "async generators": lambda count=count: by_hand(a.one, count, a.source(range(CHUNKS // 4)))},
            {"async generators": ("x", 1.2)}, is_async=True,
        )  # fmt: skip
    if find_spec("langchain_core") is None:
        return
    from langchain_core.runnables import RunnableGenerator as Theirs
    from langchain_core.runnables import RunnableParallel as TheirParallel

    ours, theirs = chained(r.upper, 3), Theirs(r.upper) | Theirs(r.upper) | Theirs(r.upper)
    for count, least, rounds in (1000, 12, 20), (100_000, 200, 1):
        words = ["word "] * count
        yield of_streams(
            "R3", f"3 stages, {count:,} chunks of text, per chunk", count,
            {"ours": lambda words=words: ours.transform(iter(words)),
             "langchain-core": lambda words=words: theirs.transform(iter(words))},
            {"langchain-core": ("x", 1 / least)}, rounds,
        )  # fmt: skip
    both = RunnableGenerator(r.one) | RunnableParallel(
        a=RunnableGenerator(r.two), b=RunnableGenerator(r.three)
    )
    their_both = Theirs(r.one) | TheirParallel(a=Theirs(r.two), b=Theirs(r.three))
    branches = of_streams(
        "R15", "generator and 2 branches, per output chunk", 1000,
        {"ours": lambda: both.transform(iter(range(500))),
         "langchain-core": lambda: their_both.transform(iter(range(500)))},
        {"langchain-core": ("x", 1 / 50)}, 10,
    )  # fmt: skip
    # in which order theirs come is left to its threads
    yield branches._replace(
        results={name: lambda run=run: by_key(run()) for name, run in branches.results.items()}
    )


def by_key(chunks: Iterable[dict[str, Any]]) -> dict[str, list[Any]]:
    return {key: [chunk[key] for chunk in chunks if key in chunk] for key in "ab"}


def plain(count: int) -> Callable[[int], int]:
    """A function that calls ``double`` on what ``double`` gave."""
    called: Callable[[int], int] = eval(f"lambda x: {'double(' * count}x{')' * count}", {"double": r.double})
    return r.double if count == 1 else called


def calls() -> Iterator[Row]:
    for count, most in (1, 5.0), (3, 6.0), (10, 6.0):
        chain: Any = RunnableLambda(r.double)
        for _ in range(count - 1):
            chain = chain | RunnableLambda(r.double)
        calls_made = plain(count)
        yield Row(
            "R4", f"`invoke` of {count}, per call", 2000,
            {"ours": lambda invoke=chain.invoke: [*map(invoke, repeat(1, 2000))],
             "plain calls": lambda call=calls_made: [*map(call, repeat(1, 2000))]},
            {"plain calls": ("x", most)},
        )  # fmt: skip
    inputs, sync, on_loop_ = list(range(1000)), RunnableLambda(r.double), RunnableLambda(r.adouble)

    def in_pool() -> list[int]:
        with ThreadPoolExecutor() as pool:
            return list(pool.map(r.double, inputs))

    async def gathered() -> list[int]:
        return await asyncio.gather(*map(r.adouble, inputs))

    yield Row(
        "R5", "`batch(1000)`, per call", 1000,
        {"ours": lambda: sync.batch(inputs), "ThreadPoolExecutor.map": in_pool},
        {"ThreadPoolExecutor.map": ("x", 1.0)},
    )  # fmt: skip
    yield Row(
        "R5", "`abatch(1000)`, per call", 1000,
        {"ours": lambda: asyncio.run(on_loop_.abatch(inputs)), "asyncio.gather": lambda: asyncio.run(gathered())},
        {"asyncio.gather": ("x", 1.3)},
    )  # fmt: skip


def three_by_hand() -> Iterator[int]:
    mapped = (abs(number) for number in o.NUMBERS)
    kept = (number for number in mapped if number)
    return itertools.islice(kept, o.ITEMS)


async def mapped_by_hand() -> AsyncIterator[int]:
    async for number in o.source(o.NUMBERS):
        yield abs(number)


async def filtered_by_hand() -> AsyncIterator[int]:
    async for number in o.source(o.NUMBERS):
        if abs(number):
            yield number


async def aiostreamed(operator: str, *args: Any) -> int:
    from aiostream import stream

    number = 0
    async with getattr(stream, operator)(*args).stream() as items:
        async for _ in items:
            number += 1
    return number


def with_aiostream(sides: dict[str, Run], run: Run) -> dict[str, Run]:
    return sides | ({"aiostream": run} if find_spec("aiostream") else {})


def operators() -> Iterator[Row]:
    three = ops.map(abs) | ops.filter(bool) | ops.take(o.ITEMS)
    yield from (
        of("R6", "`map`", "R6: map", "ops.map", {"map": ("x", 1.1)}),
        of("R6", "`filter`", "R6: filter", "ops.filter", {"filter": ("x", 1.1)}),
        of_streams("R6", "`take`", o.ITEMS,
            {"ours": lambda: ops.take(o.ITEMS).stream(o.NUMBERS),
             "islice": lambda: itertools.islice(o.NUMBERS, o.ITEMS)}, {"islice": ("x", 1.1)}),
        of_streams("R6", "three in a row", o.ITEMS,
            {"ours": lambda: three.stream(o.NUMBERS), "generators": three_by_hand}, {"generators": ("x", 1.0)}),
    )  # fmt: skip
    both = ("map", ops.map(abs), mapped_by_hand), ("filter", ops.filter(abs), filtered_by_hand)
    for name, operator, by_hands in both:
        yield Row(
            "R7", f"async `{name}`", o.ITEMS,
            with_aiostream(
                {"ours": on_loop(lambda operator=operator: operator.astream(o.source(o.NUMBERS))),
                 "async generator": on_loop(by_hands)},
                lambda name=name: asyncio.run(aiostreamed(name, o.source(o.NUMBERS), abs)),
            ),
            {"async generator": ("x", 1.05), "aiostream": ("x", 1 / 4)}, 9,
            {"ours": lambda operator=operator: asyncio.run(a.listed(operator.astream(o.source(o.NUMBERS)))),
             "async generator": lambda by_hands=by_hands: asyncio.run(a.listed(by_hands()))},
        )  # fmt: skip
    ahead, hop = "R8: read-ahead", "a thread and queue.Queue(64)"
    yield of("R8", "`buffer(64)`", ahead, "ops.buffer(64)", {hop: ("x", 1 / 4)})
    yield of("R8", "`buffer(512)`", ahead, "ops.buffer(512)", {hop: ("x", 1 / 10)})
    hop = "a task and asyncio.Queue(64)"
    yield of("R8", "async `buffer(64)`", f"{ahead}, async", "ops.buffer(64)", {hop: ("x", 0.7)})

    def theirs() -> int:
        return asyncio.run(aiostreamed("merge", *[o.source(o.PART) for _ in range(4)]))

    hop = "four tasks and a queue"
    merged = of("R9", "async `merge` of 4", "R9: merge of 4, async", "ops.merge", {hop: ("x", 1.0)})
    yield merged._replace(
        sides=with_aiostream(merged.sides, theirs),
        targets=merged.targets | {"aiostream": ("x", 1 / 15)},
        most_rounds=5,
    )
    yield of("R9", "`merge` of 4", "R9: merge of 4", "ops.merge", {"four threads and a queue": ("x", 1 / 5)})
    yield of("R10", "`zip` of 2", "R10: zip of 2", "ops.zip", {"zip": ("x", 1.2)})
    yield of(
        "R10", "async `zip` of 2", "R10: zip of 2, async", "ops.zip", {"a loop that awaits both": ("x", 1.3)}
    )
    ranges = "R11: flat_map of ranges of 10"
    yield of("R11", "`flat_map` of ranges of 10", ranges, "ops.flat_map", {"nested generator": ("x", 1.0)})
    yield of("R11", "async `flat_map`", f"{ranges}, async", "ops.flat_map", {"nested generator": ("x", 1.1)})
    yield of("R12", "`group(100)`", "R12: group(100)", "ops.group", {"chunked": ("x", 1.3)})
    yield of(
        "R12",
        "`group(100, seconds=1)`",
        "R12: group(100)",
        "ops.group, seconds=1",
        {"ops.group": ("ns", 100)},
    )
    grouped = "R12: group(100), async"
    yield of(
        "R12", "async `group(100, seconds=1)`", grouped, "ops.group, seconds=1", {"ops.group": ("ns", 100)}
    )
    if find_spec("streamable"):
        for work, group, most in (
            ("`map(concurrency=8)` of coroutines", "R13: map(concurrency=8) of coroutines", 0.7),
            ("`map(concurrency=4)` of functions", "R13: map(concurrency=4) of functions", 0.5),
        ):
            calls_made = of("R13", work, group, "ops.map", {"streamable": ("x", most)})
            yield calls_made._replace(per=len(o.CALLS), most_rounds=5)
    yield of("R14", "`tee(2)` in turn", "R14: tee of 2, in turn", "ops.tee", {"itertools.tee": ("x", 2.5)})
    yield of("R14", "`chain`", "R14: chain", "ops.chain", {"itertools.chain": ("x", 1.5)})
    for form, group in ("", "R16: three stages"), ("async ", "R16: three stages, async"):
        yield of(
            "R16", f"{form}3 stages with listeners", group, "with listeners", {"as they are": ("ns", 180)}
        )
        yield of("R16", f"{form}3 stages with a config", group, "with a config", {"as they are": ("ns", 60)})


def of(row: str, work: str, group: str, ours: str, targets: dict[str, tuple[str, float]]) -> Row:
    """Of a group of ``bench_ops`` one side of ours, and the peers of the targets."""
    sides = o.SIDES[group]
    return Row(row, work, o.ITEMS, {"ours": sides[ours], **{peer: sides[peer] for peer in targets}}, targets)


def imports() -> Iterator[Row]:
    def run(name: str) -> Run:
        return lambda: subprocess.run([sys.executable, "-c", i.IMPORTS[name]], check=True)

    bare = run("nothing")
    for name in "streamcore", "streamcore, Runnables", "streamcore, Runnables and operators":
        yield Row(
            "R17", f"import of {name}, without the interpreter's start", 1,
            {"ours": run(name), "standard library": run("standard library"), "nothing": bare},
            {"standard library": ("x", 1.5)}, 15,
        )  # fmt: skip


def measured(row: Row, rounds: int) -> dict[str, float]:
    """Seconds of each side, for one of ``row.per``; the results of all are equal."""
    results = [run() for run in row.results.values()] if row.most_rounds > 1 else []
    if any(result != results[0] for result in results):
        raise ValueError(f"{row.row}, {row.work}: the results differ")
    times: dict[str, list[float]] = {name: [] for name in row.sides}
    first: dict[str, Any] = {}
    once = row.most_rounds == 1
    for at in range(1 if once else min(rounds, row.most_rounds) + 1):
        for name, run in row.sides.items():
            start = perf_counter()
            given = run()
            if at or once:
                times[name].append((perf_counter() - start) / row.per)
            if not isinstance(given, subprocess.CompletedProcess) and given != first.setdefault(
                row.row, given
            ):
                raise ValueError(f"{row.row}, {row.work}: {name} gives another result")
    return {name: median(each) for name, each in times.items()}


def times(ratio: float) -> str:
    return f"{ratio:.2f}x" if ratio >= 0.3 else f"1/{1 / ratio:.3g}"


def main(rounds: int, wanted: Iterable[str]) -> None:
    print("| # | work | ours | peer | | target | |\n|---|---|---|---|---|---|---|")
    for row in itertools.chain(stages_in_a_row(), calls(), operators(), imports()):
        if wanted and row.row not in wanted:
            continue
        seconds = measured(row, rounds)
        start = seconds.pop("nothing", 0.0)  # of the interpreter, which is not ours
        ours = seconds["ours"] - start
        for peer, (kind, most) in row.targets.items():
            if peer not in seconds:
                continue
            theirs = seconds[peer] - start
            figure = ours / theirs if kind == "x" else (ours - theirs) * 1e9
            shown = (times(figure), times(most)) if kind == "x" else (f"{figure:+.0f} ns", f"{most:+.0f} ns")
            verdict = "met" if figure <= most else "**missed**"
            print(
                f"| {row.row} | {row.work} | {ours * 1e9:,.0f} ns | {peer}: {theirs * 1e9:,.0f} ns |"
                f" {shown[0]} | <= {shown[1]} | {verdict} |",
                flush=True,
            )


if __name__ == "__main__":
    main(int(sys.argv[1]) if len(sys.argv) > 1 else 15, sys.argv[2:])
