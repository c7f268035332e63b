"""Every awaitable that a stream or channel hands out answers as a coroutine does: tasks, throws, closes, dead loops."""

from __future__ import annotations

import asyncio
import gc
import types

import pytest
from paused_sources import Paused, pause
from recorder import AsyncSource


class Items(AsyncSource):
    """Three items, a turn of the loop before each."""

    def __init__(self, items=(1, 2, 3), waits=1):
        super().__init__(items, waits=waits)


def plain(backend, source):
    return backend.async_closing_iterator(source, (source,))


def stepped(backend, source):
    steps = [
        backend.MapStep(lambda item: item, "same"),
        backend.FilterStep(lambda item: True, "all"),
        backend.TakeStep(9),
    ]
    return backend.async_closing_iterator(source, (source,), steps=steps)


def blocks_of(source):
    class Listed:
        def __aiter__(self):
            return self

        async def __anext__(self):
            return [await source.__anext__()]

    return Listed()


def in_blocks(backend, source):
    return backend.async_closing_iterator(blocks_of(source), (source,), blocks=True)


def nested(backend, source):
    return stepped(backend, plain(backend, stepped(backend, source)))


# name: what makes an awaitable that gives ``1``, from a backend and a source
STREAMS = {"plain": plain, "stepped": stepped, "in_blocks": in_blocks, "nested": nested}


def pull_of(make):
    return lambda backend, source: make(backend, source).__anext__()


def got_from_channel(backend, source):
    channel = backend.Channel(2)

    async def fill():
        await asyncio.sleep(0)
        channel.put(1)

    source.filling = asyncio.ensure_future(fill())
    return channel.aget()


AWAITABLES = {**{name: pull_of(make) for name, make in STREAMS.items()}, "aget": got_from_channel}


@pytest.fixture(params=AWAITABLES)
def awaitable(request):
    return AWAITABLES[request.param]


@pytest.fixture(params=STREAMS)
def stream(request):
    return STREAMS[request.param]


@pytest.fixture(autouse=True)
def _native_is_there(backend):
    assert backend.View  # skips where the extension is not built, before a coroutine is made for it


async def as_it_is(one):
    return await one


async def in_a_task(one):
    return await asyncio.create_task(as_it_is(one))


async def in_wait_for(one):
    return await asyncio.wait_for(one, 60)


async def in_gather(one):
    return (await asyncio.gather(one))[0]


async def in_shield(one):
    return await asyncio.shield(one)


@pytest.mark.parametrize("way", [as_it_is, in_a_task, in_wait_for, in_gather, in_shield])
def test_awaited_in_every_way(backend, awaitable, way):
    async def main():
        one = awaitable(backend, Items())
        assert await way(one) == 1
        with pytest.raises(RuntimeError, match="cannot reuse already awaited"):
            await one
        with pytest.raises(RuntimeError, match="cannot reuse already awaited"):
            one.throw(KeyError)
        assert one.close() is None

    asyncio.run(main())


def test_wait_for_that_expires_cancels_the_pull_and_closes(backend, stream):
    async def main():
        class Never(Items):
            async def __anext__(self):
                await asyncio.Event().wait()

        source = Never()
        pulled = stream(backend, source)
        with pytest.raises(TimeoutError):
            await asyncio.wait_for(anext(pulled), 0.001)
        assert source.closes == 1
        with pytest.raises(StopAsyncIteration):
            await anext(pulled)

    asyncio.run(main())


@pytest.mark.filterwarnings("ignore:coroutine .* was never awaited")
def test_never_awaited(backend, awaitable):
    async def main():
        source = Items()
        awaitable(backend, source)
        gc.collect()
        one = awaitable(backend, source)
        assert one.close() is None
        with pytest.raises(RuntimeError, match="cannot reuse already awaited"):
            await one

    asyncio.run(main())


@pytest.mark.filterwarnings("ignore:coroutine .* was never awaited")
def test_a_value_sent_at_the_start_is_refused(backend, awaitable):
    async def main():
        one = awaitable(backend, Items())
        with pytest.raises(TypeError, match="can't send non-None value to a just-started coroutine"):
            one.send(1)
        if not type(one).__module__.startswith("_cython"):  # Cython's own coroutines end by it
            assert await one == 1

    asyncio.run(main())


THROWN = [
    ((KeyError,), KeyError),
    ((KeyError("x"),), KeyError),
    ((asyncio.CancelledError(),), asyncio.CancelledError),
    ((GeneratorExit,), GeneratorExit),
    ((StopIteration(3),), RuntimeError),
    ((StopAsyncIteration(3),), StopAsyncIteration),
]


@pytest.mark.parametrize(("thrown", "wanted"), THROWN[:4])
def test_thrown_into_at_the_start(backend, stream, thrown, wanted):
    source = Paused([1])
    pulled = stream(backend, source)
    one = pulled.__anext__()
    with pytest.raises(wanted):
        one.throw(*thrown)
    with pytest.raises(RuntimeError, match="cannot reuse already awaited"):
        one.send(None)
    assert source.closes == 0
    assert driven(pulled.__anext__()) == 1  # the stream has not begun


@pytest.mark.parametrize("thrown", [(), (3,), (int,), ("KeyError",)])
def test_what_is_no_exception_is_refused_and_changes_nothing(backend, stream, thrown):
    one = stream(backend, Paused([1])).__anext__()
    with pytest.raises(TypeError, match="exceptions must be|expected at least 1 arg"):
        one.throw(*thrown)
    assert driven(one) == 1


@pytest.mark.parametrize(("thrown", "wanted"), THROWN)
def test_thrown_into_half_way(backend, stream, thrown, wanted):
    source = Paused([1])
    pulled = stream(backend, source)
    one = pulled.__anext__()
    assert one.send(None) == "paused"
    with pytest.raises(wanted):
        raised_in_the_end(one, thrown)
    with pytest.raises(RuntimeError, match="cannot reuse already awaited"):
        one.send(None)
    if wanted is GeneratorExit:  # given up: the stream stays to be closed
        assert source.closes == 0
        driven(pulled.aclose())
    assert source.closes == 1


def raised_in_the_end(one, thrown):
    one.throw(*thrown)
    while True:
        one.send(None)


def driven(one):
    """Step an awaitable to its end; what it returns."""
    while True:
        try:
            one.send(None)
        except StopIteration as stop:
            return stop.value


def test_an_exception_that_the_source_swallows_lets_the_item_through_the_steps(backend):
    class Swallows(Paused):
        async def __anext__(self):
            try:
                await pause()
            except KeyError:
                return 20

    source = Swallows([])
    steps = [backend.MapStep(lambda item: item + 1, "more")]
    one = backend.async_closing_iterator(source, (source,), steps=steps).__anext__()
    one.send(None)
    with pytest.raises(StopIteration) as stop:
        one.throw(KeyError)
    assert stop.value.value == 21
    block = backend.async_closing_iterator(blocks_of(source), (source,), blocks=True).__anext__()
    block.send(None)
    with pytest.raises(StopIteration) as stop:
        block.throw(KeyError)
    assert stop.value.value == 20


@pytest.mark.parametrize("end", ["close", "drop"])
def test_given_up_half_way(backend, stream, end):
    source = Paused([1, 2])
    pulled = stream(backend, source)
    one = pulled.__anext__()
    one.send(None)
    if end == "close":
        one.close()
        one.close()
    del one
    gc.collect()
    assert source.closes == 0
    driven(pulled.aclose())
    assert source.closes == 1


def test_a_source_that_ignores_being_given_up(backend, stream):
    class Ignores(Paused):
        async def __anext__(self):
            try:
                await pause()
            except GeneratorExit:
                await pause()

    one = stream(backend, Ignores([1])).__anext__()
    one.send(None)
    with pytest.raises(RuntimeError, match="coroutine ignored GeneratorExit"):
        one.close()


def test_a_pull_that_runs_is_refused_to_the_code_it_calls(backend, stream):
    seen = []

    class Calls(Paused):
        async def __anext__(self):
            for call in (one.send, one.throw, lambda _: one.close()):
                try:
                    call(None if call == one.send else KeyError)
                except ValueError as error:
                    seen.append(str(error))
            return 1

    pulled = stream(backend, Calls([]))
    one = pulled.__anext__()
    assert driven(one) == 1
    assert seen == ["coroutine already executing"] * 3


@pytest.mark.parametrize("call", ["__anext__", "aclose"])
@pytest.mark.parametrize("where", ["__anext__", "aclose", "step"])
def test_a_stream_that_is_busy_is_refused_to_the_code_it_calls(backend, where, call):
    seen = []

    def calls(_=None):
        try:
            getattr(stream, call)().send(None)
        except RuntimeError as error:
            seen.append(str(error))

    class Calls(Paused):
        async def __anext__(self):
            if where == "__anext__":
                calls()
            return 1

        async def aclose(self):
            self.closes += 1
            if where == "aclose":
                calls()

    source = Calls([])
    steps = [backend.MapStep(calls, "calls")] if where == "step" else []
    stream = backend.async_closing_iterator(source, (source,), steps=steps)
    driven(stream.__anext__())
    driven(stream.aclose())
    assert seen == [f"the stream is already being {'closed' if where == 'aclose' else 'pulled'}"]
    assert source.closes == 1


def test_two_tasks_that_pull_at_once(backend, stream):
    async def main():
        pulled = stream(backend, Items())
        first, second = await asyncio.gather(anext(pulled), anext(pulled), return_exceptions=True)
        assert first == 1
        assert repr(second) == "RuntimeError('the stream is already being pulled')"
        assert await anext(pulled) == 2

    asyncio.run(main())


def test_a_loop_that_ends_between_pulls(backend, stream):
    source = Items(waits=0)
    pulled = stream(backend, source)  # where no loop runs; it may skip the test
    loop = asyncio.new_event_loop()
    assert loop.run_until_complete(as_it_is(anext(pulled))) == 1
    loop.run_until_complete(loop.shutdown_asyncgens())
    assert source.closes == 1
    loop.close()
    with pytest.raises(RuntimeError, match="belongs to another event loop, which closed it when it ended"):
        asyncio.run(as_it_is(anext(pulled)))
    with pytest.raises(StopAsyncIteration):
        asyncio.run(as_it_is(anext(pulled)))


def test_a_pull_from_another_loop(backend, stream):
    source = Items(waits=0)
    pulled = stream(backend, source)  # where no loop runs
    first, second = asyncio.new_event_loop(), asyncio.new_event_loop()
    assert first.run_until_complete(as_it_is(anext(pulled))) == 1
    assert second.run_until_complete(as_it_is(anext(pulled))) == 2
    second.run_until_complete(pulled.aclose())
    assert source.closes == 1
    for loop in first, second:
        loop.run_until_complete(loop.shutdown_asyncgens())
        loop.close()
    assert source.closes == 1


def test_under_trio(backend, stream):
    trio = pytest.importorskip("trio")

    class Checked(Paused):
        async def __anext__(self):
            await trio.lowlevel.checkpoint()
            for item in self.items:
                return item
            raise StopAsyncIteration

        async def aclose(self):
            self.closes += 1

    async def main():
        source = Checked([1, 2])
        assert [item async for item in stream(backend, source)] == [1, 2]
        assert source.closes == 1
        source = Checked([1, 2])
        pulled = stream(backend, source)
        with trio.CancelScope() as scope:
            scope.cancel()
            await anext(pulled)
        assert source.closes == 1

    trio.run(main)


def test_an_inner_stream_that_is_closed_already(backend):
    async def main():
        source = Items()
        inner = stepped(backend, source)
        outer = stepped(backend, inner)
        assert await anext(outer) == 1
        await inner.aclose()
        with pytest.raises(StopAsyncIteration):
            await asyncio.wait_for(anext(outer), 60)
        assert source.closes == 1
        del inner, outer
        gc.collect()

    asyncio.run(main())


def test_an_inner_stream_that_is_busy(backend):
    source = Paused([1])
    inner = stepped(backend, source)
    outer = stepped(backend, inner)
    other = inner.__anext__()
    other.send(None)
    with pytest.raises(RuntimeError, match="already being pulled"):
        driven(outer.__anext__())
    gc.collect()


class Odd:
    """An async iterator whose ``__anext__`` does what it is told."""

    def __init__(self, answer):
        self.answer = answer
        self.closed = 0

    def __aiter__(self):
        return self

    def __anext__(self):
        if isinstance(self.answer, BaseException):
            raise self.answer
        return self.answer

    async def aclose(self):
        self.closed += 1


class Awaits:
    def __init__(self, steps):
        self.steps = steps

    def __await__(self):
        return self.steps


class Returns:
    """An iterator, and no generator, that returns ``value`` at once."""

    def __init__(self, value):
        self.value = value

    def __iter__(self):
        return self

    def __next__(self):
        raise StopIteration(self.value)


def a_generator():
    yield


async def a_coroutine():
    return 1


class Ended(StopAsyncIteration):
    pass


async def awaited(thing):
    return await thing


WRONG = {
    "raises": lambda: LookupError("x"),
    "stops": lambda: StopIteration(3),
    "ends": lambda: Ended(3),
    "interrupted": KeyboardInterrupt,
    "no awaitable": lambda: 3,
    "a generator": a_generator,
    "no iterator": lambda: Awaits(3),
}


@pytest.mark.parametrize("way", ["stepped", "plain"])
@pytest.mark.parametrize("what", WRONG)
def test_an_anext_that_fails_at_once_fails_as_await_does(backend, what, way):
    odd = Odd(WRONG[what]())
    with pytest.raises(BaseException) as wanted:  # noqa: PT011 - what await raises here
        driven(awaited(odd.__anext__()) if not isinstance(odd.answer, BaseException) else pulled_by_hand(odd))
    got = STREAMS[way](backend, odd).__anext__()
    with pytest.raises(type(wanted.value)) as raised:
        driven(got)
    assert str(raised.value) == str(wanted.value)
    assert odd.closed == 1


async def pulled_by_hand(odd):
    return await odd.__anext__()


def test_an_await_that_gives_a_coroutine_is_refused(backend):
    coroutine = a_coroutine()
    odd = Odd(Awaits(coroutine))
    with pytest.raises(TypeError, match=r"__await__\(\) returned a coroutine"):
        driven(plain(backend, odd).__anext__())
    coroutine.close()
    assert odd.closed == 1


def test_a_coroutine_that_another_one_awaits_is_left_to_it(backend):
    async def waits():
        await pause()
        return 1

    coroutine = waits()
    coroutine.send(None)
    odd = Odd(coroutine)
    with pytest.raises(RuntimeError, match="coroutine is being awaited already"):
        driven(plain(backend, odd).__anext__())
    assert driven(coroutine) == 1


@pytest.mark.parametrize(
    "value", [(), (1,), (1, 2), None, StopIteration(5), KeyError("x"), ValueError, [], 0], ids=repr
)
@pytest.mark.parametrize("way", ["stepped", "plain", "nested"])
def test_any_value_comes_out_of_any_awaitable(backend, way, value):
    @types.coroutine
    def returned():
        return value
        yield

    class Gives(Odd):
        def __anext__(self):
            return Awaits(Returns(value)) if self.answer else returned()

    for kind in 0, 1:
        one = STREAMS[way](backend, Gives(kind)).__anext__()
        got = driven(one)
        assert got is value or got == value  # a tuple of a raised StopIteration may be a new one


@pytest.mark.parametrize("way", ["stepped", "plain"])
def test_iterators_without_send_and_throw(backend, way):
    class Bare:
        def __init__(self):
            self.left = 2

        def __iter__(self):
            return self

        def __next__(self):
            self.left -= 1
            if self.left:
                return "waits"
            raise StopIteration(1)

    for thrown in KeyError, GeneratorExit:
        odd = Odd(Awaits(Bare()))
        one = STREAMS[way](backend, odd).__anext__()
        assert one.send(None) == "waits"
        with pytest.raises(thrown):
            one.throw(thrown)
    one = STREAMS[way](backend, Odd(Awaits(Bare()))).__anext__()
    assert one.send(None) == "waits"
    assert driven(one) == 1
    one = STREAMS[way](backend, Odd(Awaits(Bare()))).__anext__()
    one.send(None)
    with pytest.raises(AttributeError, match="send"):
        one.send("a value")


@pytest.mark.parametrize("kind", ["MapStep", "FilterStep"])
@pytest.mark.parametrize(
    ("stop", "message"),
    [
        (StopIteration(1), "generator raised StopIteration"),
        (StopAsyncIteration(1), "async generator raised StopAsyncIteration"),
        (Ended(1), "async generator raised StopAsyncIteration"),
    ],
)
@pytest.mark.parametrize("where", ["call", "bool"])
def test_a_step_cannot_end_the_stream_in_silence(backend, kind, stop, message, where):
    def fn(item):
        raise stop

    class Truth:
        __bool__ = lambda self: fn(self)  # noqa: E731

    if (kind, where) == ("MapStep", "bool"):
        return
    source = Paused([1])
    steps = [getattr(backend, kind)(fn if where == "call" else lambda item: Truth(), "ops.x(f)")]
    with pytest.raises(RuntimeError) as caught:
        driven(backend.async_closing_iterator(source, (source,), steps=steps).__anext__())
    assert str(caught.value) == message
    assert caught.value.__notes__ == ["in ops.x(f), at item 0"]
    assert caught.value.__cause__ is stop
    assert source.closes == 1


def test_a_hook_of_the_loop_that_fails_or_pulls(backend):
    import sys

    source = Paused([1], waits=0)
    stream = plain(backend, source)  # no loop yet: no guard
    hooks = sys.get_asyncgen_hooks()
    seen = []

    def firstiter(agen):
        try:
            stream.__anext__().send(None)
        except RuntimeError as error:
            seen.append(str(error))

    sys.set_asyncgen_hooks(firstiter=firstiter, finalizer=lambda agen: None)
    try:
        assert driven(stream.__anext__()) == 1
    finally:
        sys.set_asyncgen_hooks(*hooks)
    assert seen == ["the stream is already being pulled"]
    driven(stream.aclose())
    assert source.closes == 1


def test_throwing_and_closing_reach_through_many_pulls(backend):
    def deep(source, count):
        stream = source
        for _ in range(count):
            stream = backend.async_closing_iterator(stream, (stream,))
        return stream

    for end in "close", "drop", "throw":
        source = Paused([1])
        stream = deep(source, 100)
        one = stream.__anext__()
        assert one.send(None) == "paused"
        if end == "close":
            one.close()
        elif end == "throw":
            with pytest.raises(KeyError):
                raised_in_the_end(one, (KeyError,))
        del one
        assert source.closes == (end == "throw")
        driven(stream.aclose())
        assert source.closes == 1
