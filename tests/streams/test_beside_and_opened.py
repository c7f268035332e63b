"""``async_closing_iterator`` with ``beside`` and ``opened``, against an oracle of lists: any end at any turn."""

from __future__ import annotations

import asyncio

from hypothesis import given, settings
from hypothesis import strategies as st
from recorder import AsyncSource, Source

from streamcore.ops.flattening import aflattened


class Broke(Exception):
    pass


def sources(max_size=4):
    return st.tuples(st.lists(st.integers(), max_size=max_size), st.booleans(), st.integers(0, 2))


def opened_source(of):
    items, fails, waits = of
    return AsyncSource(items, Broke() if fails else None, waits=waits)


# -- the oracles: (what is given, whether it fails after that)


def rows(parts):
    given = []
    while True:
        row = []
        for items, fails, _ in parts:
            if len(given) == len(items):
                return given, fails
            row.append(items[len(given)])
        given.append(tuple(row))


def flat(parts, outer_fails):
    given = []
    for items, fails, _ in parts:
        given += items
        if fails:
            return given, True
    return given, outer_fails


async def ended(stream, taken, turns):
    """Take at most ``taken`` items; ``turns``: cancel after so many turns of the loop; how it came out."""
    got = []

    async def consume():
        async for item in stream:
            got.append(item)
            if len(got) == taken:
                break

    task = asyncio.create_task(consume())
    for _ in range(0 if turns is None else turns):
        await asyncio.sleep(0)
    if turns is not None:
        task.cancel()
    [outcome] = await asyncio.gather(task, return_exceptions=True)
    await stream.aclose()
    assert await anext(stream, None) is None
    assert asyncio.all_tasks() == {asyncio.current_task()}
    return got, outcome


def check(got, outcome, wanted, fails, taken):
    if isinstance(outcome, asyncio.CancelledError):
        assert got == wanted[: len(got)]
    elif taken is not None and len(got) == taken:
        assert (got, outcome) == (wanted[:taken], None)
    else:
        assert got == wanted
        assert isinstance(outcome, Broke) if fails else outcome is None


TAKEN = st.none() | st.integers(1, 4)
TURNS = st.none() | st.integers(0, 25)


def test_beside(backend):
    closing = backend.async_closing_iterator

    @settings(max_examples=150, deadline=None)
    @given(st.lists(sources(), min_size=1, max_size=4), TAKEN, TURNS)
    def holds(parts, taken, turns):
        made = [opened_source(part) for part in parts]

        async def main():
            got, outcome = await ended(closing(made[0], made, beside=made[1:]), taken, turns)
            check(got, outcome, *rows(parts), taken)
            for at, part in enumerate(made):
                assert part.closes == 1
                assert not part.pulled_after_close
                assert part.pulled - len(got) in (0, 1), at

        asyncio.run(main())

    holds()


def test_opened(backend, monkeypatch):
    closing = backend.async_closing_iterator
    monkeypatch.setattr("streamcore.ops.flattening.async_closing_iterator", closing)

    @settings(max_examples=150, deadline=None)
    @given(
        st.lists(st.tuples(sources(), st.booleans()), max_size=4),
        st.booleans(),
        st.integers(0, 2),
        TAKEN,
        TURNS,
    )
    def holds(inner, outer_fails, waits, taken, turns):
        parts = [part for part, _ in inner]
        made = [
            opened_source(part) if is_async else Source(part[0], Broke() if part[1] else None)
            for part, is_async in inner
        ]
        outer = AsyncSource(made, Broke() if outer_fails else None, waits=waits)

        async def main():
            stream = aflattened(outer, (), None)
            assert type(stream) is closing
            got, outcome = await ended(stream, taken, turns)
            check(got, outcome, *flat(parts, outer_fails), taken)
            assert outer.closes == 1
            assert [part.closes for part in made] == [1] * outer.pulled + [0] * (len(made) - outer.pulled)
            assert not any(part.pulled_after_close for part in (outer, *made))

        asyncio.run(main())

    holds()
