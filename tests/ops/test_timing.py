"""``ops.throttle`` and ``ops.debounce``, on a clock that the test moves."""

from __future__ import annotations

import asyncio
import collections
import itertools
import pickle

import pytest
from fake_clock import AsyncFed, FakeClock, Fed
from hypothesis import given
from hypothesis import strategies as st
from loops import in_thread, run, turns
from recorder import AsyncSource, Source, listed
from traced_memory import traced_peak

from streamcore import RunnableGenerator, ops
from streamcore.testing import LAWS, check_laws


@pytest.fixture
def fake(monkeypatch):
    return FakeClock(monkeypatch)


def slow(clock, gaps, pulls=None):
    """A source that takes its time."""
    for gap in gaps:
        if pulls is not None:
            pulls.append(clock.time)
        clock.time += gap
        yield gap


def most_within(times, per):
    return max((sum(1 for time in times if start <= time < start + per) for start in times), default=0)


GAPS = st.lists(st.integers(0, 5).map(lambda n: n / 4), max_size=20)


@given(GAPS, GAPS, st.integers(1, 4), st.integers(1, 8).map(lambda n: n / 4))
def test_no_more_than_so_many_items_in_any_such_time(gaps, busy, count, per):
    with pytest.MonkeyPatch.context() as monkeypatch:
        fake = FakeClock(monkeypatch)
        times, pulls, got = [], [], []
        for item, pause in zip(
            ops.throttle(count, per).transform(slow(fake, gaps, pulls)), [*busy, *[0] * 20], strict=False
        ):
            times.append(fake.time)
            got.append(item)
            fake.time += pause
        assert got == gaps
        assert most_within(times, per) <= count
        # and no later than that: it waits before it pulls, until the one before the last ``count`` is old enough
        for at, pulled in enumerate(pulls):
            ready = 0 if not at else times[at - 1] + [*busy, *[0] * 20][at - 1]
            assert pulled == max(ready, times[at - count] + per if at >= count else 0)


def test_a_throttle_of_many_items_keeps_few_times(fake, backend):
    for count in 1024, 1025, 5000:
        times = []
        for item in ops.throttle(count, per=2).stream(range(3 * count)):
            times.append(fake.time)
            fake.time += (1 + item % 7) / 4096
        window, first = collections.deque(), times[0]
        for time in times:
            window.append(time)
            while window[0] + 2 <= time:
                window.popleft()
            assert len(window) <= count
        assert times[-1] - first < (3 * count * 4 / 4096 + 2 * 3) * 1.01
    peak = traced_peak(
        backend,
        "from streamcore import ops; stream = ops.throttle(10**9).stream(iter(int, 1)); next(stream)",
        "for _, item in zip(range(100_000), stream): pass",
    )
    assert peak < 16 << 10


def test_a_throttle_waits_before_it_pulls(fake):
    source = Source(itertools.count())
    stream = ops.throttle(2, per=3).transform(source)
    assert [next(stream), next(stream)] == [0, 1]
    assert (source.pulled, fake.slept) == (2, [])
    assert next(stream) == 2
    assert (source.pulled, fake.slept, fake.time) == (3, [3], 3)
    stream.close()
    assert source.closes == 1

    async def main():
        source = AsyncSource(itertools.count())
        stream = ops.throttle(2, per=3).atransform(source)
        assert [await anext(stream), await anext(stream)] == [0, 1]
        assert source.pulled == 2
        assert await anext(stream) == 2
        assert (source.pulled, fake.slept, fake.time) == (3, [3, 3], 6)
        await stream.aclose()
        assert source.closes == 1

    run(main())


def test_a_throttle_that_is_cancelled_at_each_await(fake):
    async def main(turn):
        source = AsyncSource(range(6), waits=2)
        task = asyncio.ensure_future(listed(ops.throttle(2, per=3).atransform(source)))
        await turns(turn)
        task.cancel()
        await asyncio.wait([task])
        assert task.cancelled() or task.result() == list(range(6))
        assert source.closes == 1

    for turn in range(1, 61):
        run(main(turn))


def test_errors_pass_a_throttle(fake):
    operator = ops.throttle(1)
    failure = KeyError("x")
    source, got = Source([1, 2], failure), []
    with pytest.raises(KeyError) as caught:
        got.extend(operator.transform(source))
    assert (got, source.closes, caught.value.__notes__) == ([1, 2], 1, [f"in the source of {operator!r}"])
    asource = AsyncSource([1, 2], KeyError("x"), close_error=OSError("net"))
    with pytest.raises(KeyError) as caught:
        run(listed(operator.atransform(asource)))
    assert asource.closes == 1
    assert caught.value.__notes__[0] == f"in the source of {operator!r}"
    source = Source([1, 2], close_error=OSError("disk"))
    stream = operator.transform(source)
    next(stream)
    with pytest.raises(OSError, match="disk"):
        stream.close()
    assert source.closes == 1

    def fails(items):
        yield 1
        raise LookupError

    stage = RunnableGenerator(fails)
    with pytest.raises(LookupError) as caught:
        (stage | operator | ops.map(abs)).invoke(0)
    assert caught.value.__notes__ == [f"in {stage!r}, stage 1 of 3"]


def test_debounce_gives_what_nothing_followed(fake):
    source = Fed()
    stream = ops.debounce(2).transform(source)
    first = in_thread(next, stream)
    source.put("a")
    fake.until_waiting(2)
    fake.advance(1)
    source.put("b")
    source.settled()
    fake.advance(1)
    fake.until_waiting(3)
    fake.advance(1)
    assert first() == "b"
    source.put("c")
    source.settled()
    fake.advance(5)
    assert next(stream) == "c"
    source.put("d")
    source.settled()
    fake.advance(5)
    source.put("e")  # takes the place of one that nobody took
    source.settled()
    source.end(KeyError("x"))
    assert next(stream) == "e"
    with pytest.raises(KeyError):
        next(stream)
    assert source.closed == 1


def test_an_async_debounce_gives_what_nothing_followed(fake):
    async def main():
        source = AsyncFed()
        stream = ops.debounce(2).atransform(source)
        first = asyncio.ensure_future(anext(stream))
        await fake.aadvance(9)
        source.put("a")
        await fake.aadvance(1)
        source.put("b")
        await fake.aadvance(1.5)
        assert not first.done()
        await fake.aadvance(0.5)
        assert await first == "b"
        source.put("c")
        await fake.aadvance(5)
        source.put("d")
        await turns(9)
        source.end(KeyError("x"))
        await turns(9)
        assert await anext(stream) == "d"
        with pytest.raises(KeyError):
            await anext(stream)
        assert source.closed == 1
        assert fake.timers == []

    run(main())


def test_debounce_of_a_source_that_is_quick(fake):
    for count in 0, 1, 5:
        last = list(range(count))[-1:]
        source = Source(range(count))
        assert list(ops.debounce(1).transform(source)) == last
        assert source.closes == 1
        assert run(listed(ops.debounce(1).astream(range(count)))) == last
        with pytest.raises(KeyError) as caught:
            list(ops.debounce(1).transform(Source(range(count), KeyError("x"))))
        assert caught.value.__notes__ == ["in the source of ops.debounce(1)"]
    assert (ops.debounce(1) | ops.map(str)).invoke(range(3)) == ["2"]


def test_arguments_repr_and_pickle():
    for wrong, error, message in [
        (lambda: ops.throttle(0), ValueError, "count must be positive, got 0"),
        (lambda: ops.throttle(1.5), TypeError, "count must be an int, got float"),
        (lambda: ops.throttle(1, per=0), ValueError, "per must be positive, got 0"),
        (lambda: ops.throttle(1, "1"), TypeError, "per must be a number, got str"),
        (lambda: ops.debounce(-1), ValueError, "seconds must be positive, got -1"),
        (lambda: ops.debounce(None), TypeError, "seconds must be a number, got NoneType"),
    ]:
        with pytest.raises(error, match=message):
            wrong()
    for operator, text in [
        (ops.throttle(5), "ops.throttle(5)"),
        (ops.throttle(5, 0.5), "ops.throttle(5, per=0.5)"),
        (ops.debounce(0.5), "ops.debounce(0.5)"),
    ]:
        assert repr(operator) == text
        assert repr(pickle.loads(pickle.dumps(operator))) == text
    assert ops.throttle(10**30).invoke([1]) == [1]


def test_they_keep_the_laws(fake):
    laws = [law for law in LAWS if law != "memory"]  # the clock keeps what was slept
    check_laws(ops.throttle(2), [[], [1], [1, 2, 3, 4, 5]], laws=laws)
    # of debounce the last one comes before the error, and it reads ahead
    laws = [law for law in LAWS if law != "errors"]
    check_laws(ops.debounce(1), [[], [1], [1, 2, 3]], laws=laws)
