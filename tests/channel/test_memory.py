"""Every allocation of a channel made to fail in turn (T4): survived, the item or items accounted for."""

from __future__ import annotations

import asyncio

import pytest
from interpreter_faults import skip_where_python_crashes

_testcapi = pytest.importorskip("_testcapi", reason="this Python has no _testcapi.set_nomemory")

native = pytest.importorskip("streamcore._native.channel.channel", reason="the native channel is not built")
# Python itself may fail to get as far as awaiting a coroutine.
pytestmark = [
    pytest.mark.fails_allocations,
    pytest.mark.filterwarnings("ignore:coroutine .* was never awaited"),
    pytest.mark.filterwarnings("ignore::pytest.PytestUnraisableExceptionWarning"),
]
MISSING = object()
PLENTY = 150  # more allocations than any action makes
FIRST = list(range(60))  # with these inside, the next items cross into a new block


def tried(action, number):
    """Run ``action`` while allocation ``number`` fails: its result, or the MemoryError."""
    _testcapi.set_nomemory(number, number + 1)
    try:
        return action(), None
    except MemoryError as error:
        return None, error
    finally:
        _testcapi.remove_mem_hooks()


def filled(size=None):
    channel = native.Channel(1000, size=size)
    channel.put_many(FIRST)
    return channel


def skip_coroutines(form):
    if form.startswith("a"):
        skip_where_python_crashes("fails_allocations_in_python")


def step(coroutine):
    """Await a coroutine that need not wait, as a coroutine does: without a StopIteration that may fail."""
    outcome = []

    async def outer():
        outcome[0] = await coroutine

    outcome.append(MISSING)
    running = None
    try:
        running = outer()
        running.send(None)
    except StopIteration:
        return outcome[0]
    except MemoryError:
        if outcome[0] is not MISSING:
            return outcome[0]
        raise
    finally:
        coroutine.close()
        if running is not None:
            running.close()
    raise AssertionError("it waits")


@pytest.mark.parametrize("sized", [False, True])
@pytest.mark.parametrize("form", ["put_many", "aput_many", "iterator"])
def test_put_many(form, sized):
    skip_coroutines(form)
    items = list(range(60, 260))
    for number in range(PLENTY):
        channel = filled(size=(lambda item: 1) if sized else None)
        given = iter(items) if form == "iterator" else items
        if form == "aput_many":
            _, error = tried(lambda channel=channel: step(channel.aput_many(items)), number)
        else:
            _, error = tried(lambda channel=channel, given=given: channel.put_many(given), number)
        put = len(items) if error is None else getattr(error, "items_put", 0)
        assert len(channel) == len(FIRST) + put
        if error is not None and form == "iterator":
            channel.put_many([*getattr(error, "unsent", []), *given])
        else:
            channel.put_many(items[put:])
        assert channel.get_many() == FIRST + items


@pytest.mark.parametrize("form", ["put", "aput", "put with a timeout"])
def test_put(form):
    skip_coroutines(form)
    for number in range(PLENTY):
        channel = filled()
        for item in range(60, 70):
            act = {
                "put": lambda channel=channel, item=item: channel.put(item),
                "aput": lambda channel=channel, item=item: step(channel.aput(item)),
                "put with a timeout": lambda channel=channel, item=item: channel.put(item, 1.5),
            }[form]
            _, error = tried(act, number)
            if error is not None and not getattr(error, "items_put", 0):
                channel.put(item)
        assert channel.get_many() == list(range(70))


@pytest.mark.parametrize("form", ["get", "get_many", "limited", "next", "aget", "aget_many", "anext"])
def test_get(form):
    skip_coroutines(form)
    for number in range(PLENTY):
        channel = filled()
        received = []
        while len(channel):
            act = {
                "get": channel.get,
                "get_many": channel.get_many,
                "limited": lambda channel=channel: channel.get_many(7, 1.5),
                "next": lambda channel=channel: next(channel),
                "aget": lambda channel=channel: step(channel.aget()),
                "aget_many": lambda channel=channel: step(channel.aget_many()),
                "anext": lambda channel=channel: step(channel.__anext__()),
            }[form]
            result, error = tried(act, number)
            if error is None:
                received += result if isinstance(result, list) else [result]
            else:
                number += PLENTY  # one failure a channel, then to the end
        assert received == FIRST


def test_a_wait_that_cannot_be_set_up_leaves_no_trace():
    skip_coroutines("a wait")

    async def main(number):
        channel = native.Channel(1)
        waiting = channel.aget()
        _testcapi.set_nomemory(number, number + 1)
        try:
            waiting.send(None)
        except (MemoryError, TypeError):  # Cython turns a failure to await a future into a TypeError
            pass
        finally:
            _testcapi.remove_mem_hooks()
            waiting.close()
        channel.put(1)
        assert await channel.aget() == 1
        assert not channel.closed

    for number in range(PLENTY):
        asyncio.run(main(number))


def test_making_a_channel():
    for number in range(PLENTY):
        channel, error = tried(lambda: native.Channel(5), number)
        if error is None:
            channel.put(1)
            assert channel.get() == 1
