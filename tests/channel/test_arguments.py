"""Channel: what it refuses, and how ``size`` counts."""

from __future__ import annotations

import asyncio
import copy
import math
import pickle
import sys

import pytest

from streamcore.errors import StreamTimeout


class TestBadArguments:
    @pytest.mark.parametrize(
        ("capacity", "error", "message"),
        [
            (0, ValueError, "capacity must be positive, got 0"),
            (-5, ValueError, "capacity must be positive, got -5"),
            (sys.maxsize + 1, ValueError, f"capacity must be at most {sys.maxsize}, got {sys.maxsize + 1}"),
            (1.5, TypeError, "'float' object cannot be interpreted as an integer"),
            (None, TypeError, "'NoneType' object cannot be interpreted as an integer"),
            ("8", TypeError, "'str' object cannot be interpreted as an integer"),
        ],
    )
    def test_capacity(self, backend, capacity, error, message):
        with pytest.raises(error) as caught:
            backend.Channel(capacity)
        assert str(caught.value) == message

    def test_the_largest_capacity_costs_nothing(self, backend):
        channel = backend.Channel(sys.maxsize)
        channel.put(1)
        assert channel.capacity == sys.maxsize
        assert channel.get() == 1

    def test_size_must_be_callable(self, backend):
        with pytest.raises(TypeError, match=r"^size must be callable or None, got int$"):
            backend.Channel(1, size=3)
        with pytest.raises(TypeError):
            backend.Channel(1, len)

    @pytest.mark.parametrize(
        ("timeout", "error", "message"),
        [
            (-1, ValueError, "timeout must not be negative, got -1"),
            (-0.5, ValueError, "timeout must not be negative, got -0.5"),
            (math.nan, ValueError, "timeout must not be negative, got nan"),
            ("1", TypeError, "timeout must be a number of seconds or None, got str"),
            ([], TypeError, "timeout must be a number of seconds or None, got list"),
        ],
    )
    def test_timeout(self, backend, timeout, error, message):
        channel = backend.Channel(2)
        channel.put(0)
        calls = [
            lambda: channel.put(1, timeout),
            lambda: channel.get(timeout),
            lambda: channel.put_many([1], timeout),
            lambda: channel.get_many(None, timeout),
            lambda: asyncio.run(channel.aput(1, timeout)),
            lambda: asyncio.run(channel.aget(timeout)),
            lambda: asyncio.run(channel.aput_many([1], timeout)),
            lambda: asyncio.run(channel.aget_many(None, timeout)),
        ]
        for call in calls:
            with pytest.raises(error) as caught:
                call()
            assert str(caught.value) == message
        assert len(channel) == 1

    @pytest.mark.parametrize("timeout", [10**400, math.inf, 1e300, True, sys.maxsize])
    def test_a_timeout_may_be_as_long_as_it_likes(self, backend, timeout):
        channel = backend.Channel(1)
        channel.put(1, timeout=timeout)
        assert channel.get(timeout=timeout) == 1

    @pytest.mark.parametrize(
        ("limit", "error", "message"),
        [
            (0, ValueError, "limit must be positive, got 0"),
            (-1, ValueError, "limit must be positive, got -1"),
            (1.0, TypeError, "'float' object cannot be interpreted as an integer"),
        ],
    )
    def test_limit(self, backend, limit, error, message):
        channel = backend.Channel(1)
        channel.put(1)
        for call in (channel.get_many, lambda limit: asyncio.run(channel.aget_many(limit))):
            with pytest.raises(error) as caught:
                call(limit)
            assert str(caught.value) == message
        assert channel.get_many(10**30) == [1]

    @pytest.mark.parametrize("error", ["text", ValueError, 3])
    def test_error(self, backend, error):
        channel = backend.Channel(1)
        with pytest.raises(TypeError) as caught:
            channel.close(error)
        assert str(caught.value) == f"error must be an exception or None, got {type(error).__name__}"
        assert not channel.closed

    def test_put_many_of_what_is_not_iterable(self, backend):
        with pytest.raises(TypeError, match="'int' object is not iterable"):
            backend.Channel(1).put_many(3)

    def test_capacity_and_closed_are_read_only(self, backend):
        channel = backend.Channel(1)
        for name in ("capacity", "closed"):
            with pytest.raises(AttributeError):
                setattr(channel, name, 3)

    @pytest.mark.parametrize("act", [pickle.dumps, copy.copy, copy.deepcopy])
    def test_cannot_be_copied(self, backend, act):
        with pytest.raises(TypeError, match=r"^cannot pickle a Channel: it belongs to one process$"):
            act(backend.Channel(1))


class TestSize:
    def test_capacity_counts_units(self, backend):
        channel = backend.Channel(10, size=len)
        channel.put(b"1234")
        channel.put(b"123456")
        with pytest.raises(StreamTimeout):
            channel.put(b"1", timeout=0)
        assert channel.get() == b"1234"
        channel.put(b"abcd", timeout=0)
        assert channel.get_many() == [b"123456", b"abcd"]

    def test_an_item_takes_up_at_least_one_unit(self, backend):
        channel = backend.Channel(2, size=len)
        assert channel.put_many([b"", b""]) == 2
        with pytest.raises(StreamTimeout):
            channel.put(b"", timeout=0)

    @pytest.mark.parametrize("size", [11, 10**30])
    def test_an_item_larger_than_the_channel_goes_in_alone(self, backend, size):
        channel = backend.Channel(10, size=lambda item: item)
        channel.put(size)
        with pytest.raises(StreamTimeout):
            channel.put(1, timeout=0)
        assert channel.get() == size
        channel.put(1)
        with pytest.raises(StreamTimeout):
            channel.put(size, timeout=0)
        assert channel.get() == 1

    @pytest.mark.parametrize(
        ("answer", "error", "message"),
        [
            (-1, ValueError, "size must not return a negative number, got -1"),
            (1.0, TypeError, "size must return an int, got float"),
            (None, TypeError, "size must return an int, got NoneType"),
        ],
    )
    def test_a_bad_size_is_refused_and_nothing_changes(self, backend, answer, error, message):
        channel = backend.Channel(10, size=lambda item: answer if item == "bad" else 1)
        with pytest.raises(error) as caught:
            channel.put_many(["good", "bad", "later"])
        assert str(caught.value) == message
        assert (caught.value.items_put, caught.value.unsent) == (1, ["bad", "later"])
        assert channel.get_many() == ["good"]

    def test_a_size_that_raises(self, backend):
        channel = backend.Channel(10, size=len)
        with pytest.raises(TypeError, match="has no len") as caught:
            channel.put(3)
        assert (caught.value.items_put, caught.value.unsent) == (0, [3])
        assert len(channel) == 0

    def test_size_is_asked_once_for_an_item(self, backend):
        asked = []
        channel = backend.Channel(2, size=lambda item: asked.append(item) or 1)
        with pytest.raises(StreamTimeout):
            channel.put_many("abcd", timeout=0.01)
        assert asked == ["a", "b", "c"]

    def test_size_may_use_the_channel(self, backend):
        channel = backend.Channel(10, size=lambda item: 1 + len(channel))
        channel.put_many("abc")
        assert channel.get_many() == ["a", "b", "c"]
