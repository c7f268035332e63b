"""What the items of a channel weigh: its bound in bytes beside the one in items."""

from __future__ import annotations

import array
import asyncio
import threading

import numpy as np
import pytest

from streamcore.errors import StreamTimeout

LONG = 60  # seconds until a test that hangs fails
OTHER = 64


class Bytes(bytes):
    def __len__(self):
        raise AssertionError("the length of bytes is known without asking")


class Text(str):
    def __len__(self):
        raise AssertionError("the length of text is known without asking")


class Items(list):
    def __iter__(self):
        raise AssertionError("the items of a list are known without asking")


class Sized:
    def __init__(self, nbytes):
        self.nbytes_asked = nbytes

    @property
    def nbytes(self):
        return self.nbytes_asked


class Proxy:
    def __getattr__(self, name):
        raise AssertionError("an instance that makes up attributes is not asked")


released = memoryview(b"12345")
released.release()

WEIGHTS = [
    (b"x" * 30, 30),
    (b"", 0),
    (bytearray(30), 30),
    ("x" * 30, 30),
    ("\u00e9\U0001f600", 2),
    (memoryview(b"x" * 30), 30),
    (memoryview(array.array("I", range(5))), 20),
    (memoryview(bytes(30))[::3], 10),
    (released, None),
    (np.zeros(7, np.uint32), 28),
    (np.zeros((2, 3), np.uint8), 6),
    (np.float32(1), 4),
    (np.float64(1), OTHER),
    (Bytes(b"x" * 30), 30),
    (Text("x" * 30), 30),
    (Items([b"123", b"45"]), 5),
    ([b"123", "45", 6], 5 + OTHER),
    ((b"123", (b"45",)), 3 + OTHER),
    ([], 0),
    (Sized(17), 17),
    (Sized(-1), OTHER),
    (Sized("17"), OTHER),
    (Sized(None), OTHER),
    (Sized(10**30), 1000),
    ([Sized(2**62), Sized(2**62), Sized(2**62)], 1000),
    (Proxy(), OTHER),
    (None, OTHER),
    (True, OTHER),
    (10**100, OTHER),
    (1.5, OTHER),
    ({"a": b"x" * 30}, OTHER),
    (object(), OTHER),
    (b"x" * 5000, 1000),
]


def room(channel):
    """How many bytes still fit."""
    fits = 0
    while True:
        try:
            channel.put(b"1", timeout=0)
        except StreamTimeout:
            return fits
        fits += 1


@pytest.mark.parametrize(
    "form", ["put", "put with a timeout", "put_many", "an iterator", "aput", "aput_many"]
)
@pytest.mark.parametrize(("item", "weight"), WEIGHTS, ids=lambda value: type(value).__name__)
def test_what_an_item_weighs(backend, item, weight, form):
    channel = backend.Channel(5000, buffer_bytes=1000)
    acts = {
        "put": lambda: channel.put(item),
        "put with a timeout": lambda: channel.put(item, LONG),
        "put_many": lambda: channel.put_many([item]),
        "an iterator": lambda: channel.put_many(iter([item])),
        "aput": lambda: asyncio.run(channel.aput(item)),
        "aput_many": lambda: asyncio.run(channel.aput_many([item])),
    }
    acts[form]()
    assert room(channel) == 1000 - (OTHER if weight is None else weight)
    assert channel.get() is item
    assert (
        channel.get_many() == [b"1"] * (1000 - (OTHER if weight is None else weight))
        if weight != 1000
        else True
    )
    assert room(channel) == 1000


def test_views_and_batches_weigh_their_bytes(backend):
    from streamcore import FixedSize, Lines

    channel = backend.Channel(5000, buffer_bytes=1000)
    (view,) = FixedSize(100).stream(b"x" * 100)
    channel.put(view)
    assert room(channel) == 900
    (batch,) = Lines().batches([b"one\ntwo\n"])
    channel = backend.Channel(5000, buffer_bytes=1000)
    channel.put(batch)
    assert room(channel) == 1000 - batch.nbytes


def test_eight_mib_by_default(backend):
    channel = backend.Channel(1000)
    mib = bytes(1 << 20)
    with pytest.raises(StreamTimeout) as caught:
        channel.put_many([mib] * 20, timeout=0)
    assert caught.value.items_put == 8
    assert channel.get() is mib
    channel.put(mib, timeout=0)
    with pytest.raises(StreamTimeout):
        channel.put(b"1", timeout=0)


def test_a_list_goes_in_as_far_as_the_bytes_allow(backend):
    for kind in (bytes, bytearray, memoryview, lambda data: (data,)):
        channel = backend.Channel(100, buffer_bytes=10)
        items = [kind(b"x" * size) for size in (3, 4, 3, 1, 50, 2)]
        with pytest.raises(StreamTimeout) as caught:
            channel.put_many(items, timeout=0)
        assert (caught.value.items_put, caught.value.unsent) == (3, items[3:])
        assert channel.get_many() == items[:3]
        for rest in (items[3:], items[4:]):  # the second begins with what is larger than the bound
            with pytest.raises(StreamTimeout) as caught:
                channel.put_many(rest, timeout=0)
            assert caught.value.items_put == 1
            assert channel.get_many() == rest[:1]
        assert channel.put_many(items[5:], timeout=0) == 1


def test_no_bound_in_bytes_where_none_is_wanted_or_size_counts(backend):
    mib = bytes(1 << 20)
    assert backend.Channel(20, buffer_bytes=None).put_many([mib] * 20, timeout=0) == 20
    assert backend.Channel(20, size=lambda item: 1).put_many([mib] * 20, timeout=0) == 20


def test_an_item_larger_than_the_bound_goes_in_alone(backend):
    channel = backend.Channel(10, buffer_bytes=100)
    channel.put(b"1")
    with pytest.raises(StreamTimeout):
        channel.put(b"x" * 101, timeout=0)
    assert channel.get() == b"1"
    channel.put(b"x" * 101, timeout=0)
    with pytest.raises(StreamTimeout):
        channel.put(b"1", timeout=0)
    assert len(channel.get()) == 101


@pytest.mark.parametrize("capacity", [1, 3, 100])
@pytest.mark.parametrize("buffer_bytes", [1, 50, 1000])
@pytest.mark.parametrize("forms", ["threads", "tasks", "loop to thread"])
def test_every_item_arrives_under_both_bounds(backend, capacity, buffer_bytes, forms):
    channel = backend.Channel(capacity, buffer_bytes=buffer_bytes)
    items = [bytes(number * 37 % 91) for number in range(400)]
    received = []

    async def produce():
        await channel.aput_many(items[:200])
        for item in items[200:]:
            await channel.aput(item)
        channel.close()

    async def consume():
        received.extend([item async for item in channel])

    async def both():
        await asyncio.gather(produce(), consume())

    if forms == "tasks":
        asyncio.run(both())
    else:

        def produce_in_thread():
            if forms == "threads":
                channel.put_many(items[:200])
                channel.put_many(iter(items[200:]))
                channel.close()
            else:
                asyncio.run(produce())

        thread = threading.Thread(target=produce_in_thread)
        thread.start()
        received.extend(channel)
        thread.join(LONG)
    assert received == items


@pytest.mark.parametrize(
    ("value", "error", "message"),
    [
        (0, ValueError, "buffer_bytes must be positive, got 0"),
        (-1, ValueError, "buffer_bytes must be positive, got -1"),
        (True, TypeError, "buffer_bytes must be an int or None, got bool"),
        (1.0, TypeError, "buffer_bytes must be an int or None, got float"),
        ("8", TypeError, "buffer_bytes must be an int or None, got str"),
    ],
)
def test_a_wrong_bound_is_refused(backend, value, error, message):
    with pytest.raises(error, match=f"^{message}$"):
        backend.Channel(1, buffer_bytes=value)
    assert backend.Channel(1, buffer_bytes=10**30).put_many([b"x"]) == 1


class TestForeignCode:
    """``nbytes`` is the item's own code: it runs with no lock held, and what it raises is told as for ``size``."""

    def test_what_nbytes_raises_comes_with_what_was_put(self, backend):
        class Raises:
            @property
            def nbytes(self):
                raise LookupError("no size")

        channel = backend.Channel(10)
        bad = Raises()
        with pytest.raises(LookupError) as caught:
            channel.put_many([1, 2, bad, 3])
        assert (caught.value.items_put, caught.value.unsent) == (2, [bad, 3])
        with pytest.raises(LookupError) as caught:
            channel.put(bad)
        assert (caught.value.items_put, caught.value.unsent) == (0, [bad])
        assert channel.get_many() == [1, 2]

    def test_nbytes_that_changes_its_mind_is_asked_once(self, backend):
        asked = []

        class Changes:
            @property
            def nbytes(self):
                asked.append(1)
                return 10 * len(asked)

        channel = backend.Channel(1000, buffer_bytes=100)
        channel.put(b"x" * 95)
        with pytest.raises(StreamTimeout):
            channel.put(Changes(), timeout=0.01)
        assert len(asked) == 1
        channel.get()
        channel.put(Changes())
        channel.get()
        assert room(channel) == 100

    def test_a_list_that_nbytes_empties(self, backend):
        class Clears:
            @property
            def nbytes(self):
                items.clear()
                return 5

        items = [Clears(), Clears(), b"123"]
        channel = backend.Channel(1000, buffer_bytes=100)
        channel.put(items)
        assert room(channel) == 87
