"""Types of operators, alone and in chains."""

from __future__ import annotations

import json
from collections.abc import AsyncIterator
from typing import reveal_type

from streamcore import Lines, RunnableLambda, Words, ops


async def fetched(line: bytes) -> int:
    return len(line)


def is_long(word: str) -> bool:
    return len(word) > 3


def added(total: int, line: bytes) -> int:
    return total + len(line)


async def slowly_added(total: int, line: bytes) -> int:
    return total + len(line)


async def pairs(line: bytes) -> AsyncIterator[tuple[int, bytes]]:
    yield 1, line


async def split(line: bytes) -> list[str]:
    return line.decode().split()


data = b"1\n2\n"

# ---- alone

reveal_type(ops.map(len))  # map[Sized, int]
reveal_type(ops.map(fetched))  # map[bytes, int]
reveal_type(ops.map(json.loads))  # map[str | bytes | bytearray, Any]
reveal_type(ops.filter(is_long))  # filter[str]
reveal_type(ops.map(len).stream(["a", "b"]))  # Iterator[int]
reveal_type(ops.map(len).invoke(["a", "b"]))  # list[int]
reveal_type(ops.map(str.upper).batch([["a"], ["b"]]))  # list[list[str]]
reveal_type(ops.take(2).stream([1, 2, 3]))  # Iterator[int]
reveal_type(ops.take(2).invoke([1, 2, 3]))  # list[int]
reveal_type(ops.buffer(2).stream([b"1"]))  # Iterator[bytes]
reveal_type(ops.filter(is_long).stream(["a"]))  # Iterator[str]
reveal_type(ops.take_while(is_long))  # take_while[str]
reveal_type(ops.skip_while(is_long).stream(["a"]))  # Iterator[str]
reveal_type(ops.tap(print).invoke([1]))  # list[int]
reveal_type(ops.skip(2).stream([1, 2, 3]))  # Iterator[int]
reveal_type(ops.distinct().invoke([1, 2, 3]))  # list[int]
reveal_type(ops.distinct(is_long))  # distinct[str]
reveal_type(ops.enumerate().stream(["a"]))  # Iterator[tuple[int, str]]
reveal_type(ops.enumerate(5).invoke(["a"]))  # list[tuple[int, str]]
reveal_type(ops.scan(added, 0))  # scan[bytes, int]
reveal_type(ops.scan(slowly_added, 0))  # scan[bytes, int]
reveal_type(ops.scan(added, 0).stream([b"1"]))  # Iterator[int]
reveal_type(ops.flat_map(str.split))  # flat_map[str, str]
reveal_type(ops.flat_map(pairs))  # flat_map[bytes, tuple[int, bytes]]
reveal_type(ops.flat_map(split).stream([b"a b"]))  # Iterator[str]
reveal_type(ops.flat_map(range).invoke([1, 2]))  # list[int]
reveal_type(ops.group(2).stream(["a"]))  # Iterator[list[str]]
reveal_type(ops.group(2, seconds=1, weigh=len).invoke(["a"]))  # list[list[str]]
reveal_type(ops.buffer(2, overflow="error").stream(["a"]))  # Iterator[str]
reveal_type(ops.conflate(max).stream(["a"]))  # Iterator[str]
reveal_type(ops.throttle(2).stream(["a"]))  # Iterator[str]
reveal_type(ops.timeout(2, first=5).stream(["a"]))  # Iterator[str]
reveal_type(ops.debounce(2).invoke(["a"]))  # list[str]
reveal_type(ops.switch_map(pairs))  # switch_map[bytes, tuple[int, bytes]]
reveal_type(ops.switch_map(split).astream([b"a b"]))  # AsyncIterator[str]
reveal_type(ops.catch(ValueError).stream(["a"]))  # Iterator[str]
reveal_type(ops.chain([1], {2}))  # Iterator[int]
reveal_type(ops.chain([(1, b"a")], pairs(b"b")))  # AsyncIterator[tuple[int, bytes]]
reveal_type(ops.zip([1]))  # Iterator[tuple[int]]
reveal_type(ops.zip([1], "ab"))  # Iterator[tuple[int, str]]
reveal_type(ops.zip([1], ["a"], [b"b"], strict=True))  # Iterator[tuple[int, str, bytes]]
reveal_type(ops.zip([1], [2], [3], [4]))  # Iterator[tuple[int, ...]]
reveal_type(ops.zip([1], pairs(b"a")))  # AsyncIterator[tuple[int, tuple[int, bytes]]]
reveal_type(ops.chain(Lines(), Lines()).invoke(data))  # list[bytes]
reveal_type(ops.zip(Lines(), Words(as_=str)).stream(data))  # Iterator[tuple[bytes, str]]
ops.map(5)  # error
ops.flat_map(len)  # error
reveal_type(ops.merge([1], {2}))  # Iterator[int]
reveal_type(ops.tee([1]))  # tuple[Iterator[int], ...]
reveal_type(ops.tee(pairs(b"b"), 3))  # tuple[AsyncIterator[tuple[int, bytes]], ...]
reveal_type(iter(ops.replay([1], 2)))  # Iterator[int]
reveal_type(aiter(ops.replay(pairs(b"b"), 2)))  # AsyncIterator[tuple[int, bytes]]
reveal_type(ops.flat_map(pairs, concurrency=2).astream([b"a"]))  # AsyncIterator[tuple[int, bytes]]
reveal_type(ops.scan(added, 0).with_timeout(1).stream([b"a"]))  # Iterator[int]
reveal_type((Lines() | ops.map(len, concurrency=4, ordered=False)).invoke(data))  # list[int]
reveal_type((Words(as_=str) | ops.flat_map(str.split, concurrency=4)).invoke(data))  # list[str]
reveal_type(ops.merge([(1, b"a")], pairs(b"b"), buffer=2))  # AsyncIterator[tuple[int, bytes]]
reveal_type(ops.merge(Lines(), Lines()).invoke(data))  # list[bytes]
ops.chain([1], 2)  # error
ops.zip([1], 2)  # error
ops.scan(added)  # error
ops.enumerate("1")  # error
ops.tap()  # error
ops.take("2")  # error
ops.group("2")  # error
ops.buffer(2, overflow=5)  # error
ops.throttle("2")  # error
ops.switch_map(len)  # error
ops.map(str.upper).stream([b"1"])  # error

# ---- in chains

reveal_type((Lines() | ops.map(json.loads)).stream(data))  # Iterator[Any]
reveal_type((Lines() | ops.map(json.loads)).invoke(data))  # list[Any]
reveal_type((Lines() | ops.map(len)).invoke(data))  # list[int]
reveal_type((Lines() | ops.map(fetched)).stream(data))  # Iterator[int]
reveal_type((Lines() | ops.filter(len)).stream(data))  # Iterator[bytes]
reveal_type((Lines() | ops.filter(len)).invoke(data))  # list[bytes]
reveal_type((Lines(as_=str) | ops.take(3) | ops.buffer(2)).invoke(data))  # list[str]
reveal_type((Lines() | ops.map(bytes.decode) | ops.map(int)).stream(data))  # Iterator[int]
reveal_type((Lines() | ops.map(len) | sum).invoke(data))  # int
reveal_type((Lines() | ops.take(1) | RunnableLambda(len)).invoke(data))  # int
reveal_type((Words(as_=str) | ops.filter(is_long) | ops.take(1)).stream(data))  # Iterator[str]
reveal_type((ops.map(bytes.decode) | ops.map(len)).invoke([b"1"]))  # list[int]
reveal_type((ops.take(2) | ops.map(len)).invoke(["1"]))  # list[int]
reveal_type((Lines() | ops.skip(1) | ops.take_while(len)).stream(data))  # Iterator[bytes]
reveal_type((Lines() | ops.skip_while(len) | ops.skip(1)).stream(data))  # Iterator[bytes]
reveal_type((Lines() | ops.tap(print) | ops.distinct(len) | ops.distinct()).invoke(data))  # list[bytes]
reveal_type((Lines(as_=str) | ops.flat_map(str.split)).stream(data))  # Iterator[str]
reveal_type((Lines() | ops.flat_map(split) | ops.map(len)).invoke(data))  # list[int]
reveal_type((Lines() | ops.flat_map(pairs)).stream(data))  # Iterator[tuple[int, bytes]]
reveal_type((Lines() | ops.scan(added, 0)).stream(data))  # Iterator[int]
reveal_type((Lines() | ops.scan(slowly_added, 0)).invoke(data))  # list[int]
reveal_type((Lines() | ops.enumerate()).stream(data))  # Iterator[tuple[int, bytes]]
reveal_type((Lines() | ops.enumerate(1)).invoke(data))  # list[tuple[int, bytes]]
reveal_type((Lines() | ops.catch((ValueError, OSError), lambda error: [])).invoke(data))  # list[bytes]
reveal_type((Lines() | ops.group(2)).stream(data))  # Iterator[list[bytes]]
numbers = Lines() | ops.map(lambda line: int(line)) | ops.filter(lambda number: number > 1)
for number in numbers.stream(data):
    print(number + 1)
_ = Lines() | ops.map(str.upper)  # error
_ = Lines() | ops.filter(is_long)  # error
_ = Lines() | ops.take_while(is_long)  # error
_ = Lines() | ops.flat_map(str.split)  # error
_ = Lines(as_=str) | ops.scan(added, 0)  # error
_ = Lines(as_=str) | ops.map(fetched)  # error
_ = Lines() | ops.map(len) | ops.map(str.upper)  # error
