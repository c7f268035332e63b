"""What ``long_streams`` pulls: stages by name for both forms, and streams of either form that are no stage."""

from __future__ import annotations

import asyncio
import itertools
import sys

from metered import Meter, aothers, aslow, asource, others, source, text

from streamcore import (
    AddableDict,
    RouterRunnable,
    RunnableBranch,
    RunnableGenerator,
    RunnableLambda,
    RunnableParallel,
    RunnablePassthrough,
    ops,
)

__all__ = ["ASYNC", "LONGER", "MAPPINGS", "STAGES", "SYNC", "TIMED", "chosen", "mapped"]

# ---- what the stages are made of


def passed(chunks):
    for chunk in chunks:  # noqa: UP028 - what a stage does
        yield chunk


async def apassed(chunks):
    async for chunk in chunks:
        yield chunk


async def aupper(item):
    return item.upper()


async def ayield(item):
    await asyncio.sleep(0)
    return item.upper()


def pair(item):
    return [item, item.upper()]


def many(item):
    """An iterable that a thread takes some time for."""
    return map(str.upper, [item] * 50)


async def apair(item):
    yield item
    await asyncio.sleep(0)
    yield item.upper()


async def amany(item):
    for each in many(item):
        yield each


def is_even(item):
    return item[-1] in "02468"


def later(held, item):
    return item


def fails(chunks):
    raise LookupError
    yield from chunks


async def afails(chunks):
    raise LookupError
    async for chunk in chunks:
        yield chunk


def once_more():
    """A stage whose every second stream fails."""
    streams = itertools.count()

    def begun(chunks):
        return fails(chunks) if next(streams) % 2 == 0 else passed(chunks)

    def abegun(chunks):
        return afails(chunks) if next(streams) % 2 == 0 else apassed(chunks)

    return RunnableGenerator(begun, abegun)


def in_a_row(stage, count):
    chain = stage
    for _ in range(count - 1):
        chain = chain | stage
    return chain


python = RunnableGenerator(passed, apassed)
sync = RunnableGenerator(passed)
on_loop = RunnableGenerator(apassed)
ignored = dict.fromkeys(("on_start", "on_first_chunk", "on_end", "on_error"), id)

# by name: a stage that both forms go through
STAGES = {
    "ten stages": lambda: in_a_row(python, 10),
    "ten stages without an async form": lambda: in_a_row(sync, 10),
    "ten stages without a sync form": lambda: in_a_row(on_loop, 10),
    "five stages of each form in turn": lambda: in_a_row(sync | on_loop, 5),
    "ten operators": lambda: in_a_row(ops.map(str.upper) | ops.filter(len), 5),
    "ten operators of all kinds": lambda: (
        ops.map(str.upper)
        | ops.flat_map(pair)
        | ops.skip(2)
        | ops.enumerate()
        | ops.tap(id)
        | ops.map(lambda pair: pair[1])
        | ops.distinct()
        | ops.buffer(8)
        | ops.group(3)
        | ops.flat_map(list)
    ),
    "map": lambda: ops.map(str.upper),
    "map of a coroutine function": lambda: ops.map(aupper),
    "map, concurrency": lambda: ops.map(str.upper, concurrency=4),
    "map, concurrency, unordered": lambda: ops.map(str.upper, concurrency=4, ordered=False),
    "map of a coroutine function, concurrency": lambda: ops.map(ayield, concurrency=4),
    "map of a coroutine function, unordered": lambda: ops.map(ayield, concurrency=4, ordered=False),
    "filter": lambda: ops.filter(is_even),
    "filter that drops all": lambda: ops.filter(lambda item: False),
    "take": lambda: ops.take(sys.maxsize),
    "skip": lambda: ops.skip(1),
    "skip of all": lambda: ops.skip(sys.maxsize),
    "take_while": lambda: ops.take_while(len),
    "skip_while": lambda: ops.skip_while(lambda item: item == text(0)),
    "skip_while of all": lambda: ops.skip_while(len),
    "enumerate": lambda: ops.enumerate(),
    "tap": lambda: ops.tap(str.upper),
    "flat_map": lambda: ops.flat_map(pair),
    "flat_map, concurrency": lambda: ops.flat_map(many, concurrency=3),
    "scan": lambda: ops.scan(lambda held, item: item.upper(), ""),
    "distinct": lambda: ops.distinct(),
    "distinct by key": lambda: ops.distinct(lambda item: item[-2:]),
    "group": lambda: ops.group(7),
    "group by weight": lambda: ops.group(1000, weigh=len),
    "buffer": lambda: ops.buffer(8),
    "buffer, drop_oldest": lambda: ops.buffer(8, overflow="drop_oldest"),
    "buffer, drop_newest": lambda: ops.buffer(8, overflow="drop_newest"),
    "conflate": lambda: ops.conflate(later),
    "timeout": lambda: ops.timeout(1000, first=2000),
    "catch": lambda: ops.catch(ValueError),
    "RunnablePassthrough": lambda: RunnablePassthrough(),
    "RunnableParallel": lambda: RunnableParallel(a=python, b=ops.map(str.upper), c=sync, d=ops.take(3)),
    "RunnableParallel, unordered": lambda: RunnableParallel(a=python, b=sync, ordered=False),
    "RunnableParallel in itself": lambda: RunnableParallel(a=RunnableParallel(b=python, c=sync), d=python),
    "with_config": lambda: python.with_config(tags=["a"], buffer_size=8) | python,
    "with_fold": lambda: python.with_fold("list") | python.with_fold("last"),
    "with_retry": lambda: once_more().with_retry(wait_exponential_jitter=False) | python,
    "with_retry, on_midstream": lambda: python.with_retry(
        on_midstream="resume", wait_exponential_jitter=False
    ),
    "with_fallbacks": lambda: RunnableGenerator(fails, afails).with_fallbacks([python]),
    "with_fallbacks, on_midstream": lambda: python.with_fallbacks([python], on_midstream="resume"),
    "with_timeout": lambda: python.with_timeout(1000, first_chunk_timeout=1000, chunk_timeout=1000),
    "with_listeners": lambda: in_a_row(python.with_listeners(**ignored), 3),
}

# the same on the clock that moves
TIMED = {
    "throttle": lambda: ops.throttle(10, per=3),
    "debounce": lambda: ops.debounce(0.5),
    "group, seconds": lambda: ops.group(seconds=5),
    "group, size and seconds": lambda: ops.group(3, seconds=5),
}

# chunks that are mappings
MAPPINGS = {
    "assign": lambda: python.assign(size=RunnableGenerator(passed, apassed), same=ops.map(dict)),
    "pick": lambda: RunnablePassthrough().pick("text"),
    "pick of a list": lambda: RunnablePassthrough().pick(["text", "none"]),
}


def mapped(number):
    return AddableDict(text=text(number))


# ---- what is no stage: each is given the meter


def given_others(item):
    yield from others()


async def agiven_others(item):
    async for chunk in aothers():
        yield chunk


def chosen(meter):
    """Stages that wait for their input, and stream what they make of it."""

    def given(item):
        yield from source(meter)

    async def agiven(item):
        async for chunk in asource(meter):
            yield chunk

    upper = RunnableLambda(str.upper, aupper)
    function, endless = RunnableLambda(given, agiven), RunnableLambda(given_others, agiven_others)
    return {
        "RunnableBranch": (RunnableBranch((lambda item: True, function), python) | python, "a"),
        "RouterRunnable": (RouterRunnable({"a": function}) | python, {"key": "a", "input": "b"}),
        "bind": (function.bind() | python, "a"),
        "merge as a stage": (ops.merge(function, function, buffer=8) | python, "a"),
        "zip as a stage": (ops.zip(function, endless), "a"),
        "chain as a stage": (ops.chain(upper, function), "a"),
    }


def caught(meter):
    """The rest comes from the handler."""
    return ops.catch(LookupError, lambda error: source(meter)).transform(fails(()))


def acaught(meter):
    return ops.catch(LookupError, lambda error: asource(meter)).atransform(afails(aothers()))


def one_of(sides):
    """The first, where the others have been closed."""
    for side in sides[1:]:
        side.close()
    return sides[0]


def in_turn(sides):
    return zip(*sides, strict=True)


async def ain_turn(sides):
    while True:
        try:
            for side in sides:
                await anext(side)
        except StopAsyncIteration:
            return
        yield


def half_read(hub):
    """What a hub gives, and to others that come, read a little and go."""
    for number, item in enumerate(hub):
        if number % 5 == 0:
            other = iter(hub)
            next(other)
            if number % 2 == 0:
                other.close()
        yield item


async def ahalf_read(hub):
    number = 0
    async for item in hub:
        if number % 5 == 0:
            other = aiter(hub)
            await anext(other)
            if number % 2 == 0:
                await other.aclose()
        number += 1
        yield item


def calls_of(runnable, meter):
    return runnable.batch_as_completed(source(meter), {"max_concurrency": 4})


SYNC = {
    "catch with a handler": caught,
    "chain": lambda meter: ops.chain(["a"], source(meter)),
    "zip": lambda meter: ops.zip(source(meter), others()),
    "merge": lambda meter: ops.merge(source(meter), source(Meter(meter.count)), buffer=8),
    "tee": lambda meter: in_turn(ops.tee(source(meter), 3, buffer=8)),
    "tee, one closed": lambda meter: one_of(ops.tee(source(meter), buffer=8)),
    "replay": lambda meter: half_read(ops.replay(source(meter), 5, buffer=8)),
    "batch_as_completed": lambda meter: calls_of(RunnableLambda(str.upper), meter),
    "invoke": lambda meter: map((python | str.upper | len).invoke, source(meter)),
    "streams that are closed half-way": lambda meter: map(half_way, source(meter)),
}
ASYNC = {
    "catch with a handler": acaught,
    "chain": lambda meter: ops.chain(["a"], asource(meter)),
    "zip": lambda meter: ops.zip(asource(meter), aothers()),
    "merge": lambda meter: ops.merge(asource(meter), asource(Meter(meter.count)), buffer=8),
    "tee": lambda meter: ain_turn(ops.tee(asource(meter), 3, buffer=8)),
    "replay": lambda meter: ahalf_read(ops.replay(asource(meter), 5, buffer=8)),
    "flat_map of async iterables": lambda meter: ops.flat_map(apair).atransform(asource(meter)),
    "flat_map of async iterables, concurrency": lambda meter: ops.flat_map(amany, concurrency=3).atransform(
        asource(meter)
    ),
    "switch_map": lambda meter: ops.switch_map(apair).atransform(asource(meter)),
    "switch_map, slow": lambda meter: ops.switch_map(apair).atransform(aslow(meter)),
    "abatch_as_completed": lambda meter: RunnableLambda(aupper).abatch_as_completed(
        source(meter), {"max_concurrency": 4}
    ),
    "ainvoke": lambda meter: ainvoked(python | aupper | len, meter),
    "streams that are closed half-way": lambda meter: ahalf_way(meter),
}


def half_way(item):
    stream = (python | ops.map(str.upper) | ops.buffer(2)).transform(iter([item] * 5))
    next(stream)
    stream.close()


async def ahalf_way(meter):
    chain = python | ops.map(str.upper) | ops.buffer(2) | RunnableParallel(a=python, b=python)
    async for item in asource(meter):
        stream = chain.atransform(iter_async([item] * 5))
        await anext(stream)
        await stream.aclose()
        yield item


async def iter_async(items):
    for item in items:
        yield item


async def ainvoked(chain, meter):
    async for item in asource(meter):
        yield await chain.ainvoke(item)


LONGER = {
    "flat_map, concurrency": 50,
    "flat_map of async iterables, concurrency": 50,
    "streams that are closed half-way": 10,
}
