"""S24, the pure twins beside the best plain Python for the same: ``python benchmarks/twins.py [ROUNDS] [NAME ...]``.

The plain side is a loop or a generator that does the work of these very inputs and nothing else: no limit, no policy,
no place of an error. Results are compared first; then each round times every side, in CPU time, in one process. A
figure is how many times as fast the twin is: 1 is as fast as the plain side. The figures stand in docs/speed.md.
"""

from __future__ import annotations

import queue
import sys
from codecs import getincrementaldecoder
from collections import deque
from collections.abc import Callable, Iterable, Iterator
from pathlib import Path
from threading import Condition, Lock
from typing import Any

sys.path[:0] = [str(Path(__file__).parent), str(Path(__file__).parent.parent)]

from formats import CORPUS, NATIVE, PURE, Row, drain, show  # noqa: E402

from streamcore.benching import inputs  # noqa: E402
from streamcore.benching.framing import by_split  # noqa: E402

SIZE = 1_000_000
MARK = 0.8
COUNT = 10_000
CAPACITY = 1000
ITEM = b"chunk"


def row(title: str, unit: str, count: int, twin: Any, native: Any, *plain: Any) -> Row:
    """Of a work that gives a stream; ``plain`` are several ways, each of which the twin is held against."""
    sides = {"twin": twin, "native": native} | {way.__name__: way for way in plain}
    first, *others = [
        list(map(bytes if title.startswith("FixedSize") else str, side())) for side in sides.values()
    ]
    assert all("".join(map(str, first)) == "".join(map(str, other)) for other in others), title
    timed: dict[str, Callable[[], Any]] = {
        name: lambda side=side: drain(side()) for name, side in sides.items()
    }  # type: ignore[misc]
    return Row(title, unit, count, timed, [("twin", way.__name__, MARK) for way in plain])


def stream_row(name: str, size: int, data: bytes, engine: str, options: Any, *plain: Any) -> Row:
    fragments = CORPUS.fragments(data, size)

    def side(backend: Any) -> Any:
        def run() -> Any:
            return getattr(backend, engine)(*options[0], **options[1]).iterate(iter(fragments))

        return run

    def of(way: Callable[[Iterable[bytes]], Any]) -> Any:
        def run() -> Any:
            return way(iter(fragments))

        run.__name__ = way.__name__
        return run

    shown = f"{size} B" if size < 1024 else f"{size >> 10} KiB"
    return row(
        f"{name}, fragments of {shown}", "fragment", len(fragments), side(PURE), side(NATIVE), *map(of, plain)
    )


# ---- lines ----


def by_find(fragments: Iterable[bytes]) -> Iterator[bytes]:
    """Lines by hand, where most fragments hold no end."""
    carry = b""
    for fragment in fragments:
        if b"\n" in fragment:
            found = fragment.split(b"\n")
            found[0] = carry + found[0]
            carry = found.pop()
            yield from found
        else:
            carry += fragment
    if carry:
        yield carry


def lines() -> Iterator[Row]:
    data = CORPUS.lines(100, SIZE)
    for size in (64, 4096, 65536):
        yield stream_row("Lines of 100 B", size, data, "LinesEngine", ((), {}), by_split, by_find)


# ---- sizes ----


def fixed_size() -> Iterator[Row]:
    data = CORPUS.lines(100, SIZE * 10)
    for size, as_ in ((100, bytes), (4096, bytes), (4096, "view")):

        def by_slices(fragments: Iterable[bytes], size: int = size, as_: Any = as_) -> Iterator[Any]:
            carry = b""
            for fragment in fragments:
                whole = carry + fragment if carry else fragment
                end = len(whole) - len(whole) % size
                shown: Any = whole if as_ is bytes else memoryview(whole)
                for at in range(0, end, size):
                    yield shown[at : at + size]
                carry = whole[end:]
            if carry:
                yield carry

        name = f"FixedSize({size}) as {'bytes' if as_ is bytes else 'views'}"
        for fragment in (1000, 65536):
            yield stream_row(
                name,
                fragment,
                data[: SIZE * (fragment // 1000)],
                "FixedSizeEngine",
                ((size,), {"as_": as_}),
                by_slices,
            )


# ---- delimiters ----


def delimited() -> Iterator[Row]:
    def by_one_delimiter(fragments: Iterable[bytes]) -> Iterator[bytes]:
        carry = b""
        for fragment in fragments:
            found = (carry + fragment).split(b"--")
            carry = found.pop()
            yield from found
        if carry:
            yield carry

    data = CORPUS.lines(100, SIZE).replace(b"--", b"..").replace(b"\n", b"--")
    for size in (64, 4096, 65536):
        yield stream_row("Delimited('--')", size, data, "DelimitedEngine", ((b"--",), {}), by_one_delimiter)


# ---- text ----


def utf8() -> Iterator[Row]:
    def by_decoder(fragments: Iterable[bytes]) -> Iterator[str]:
        decoder = getincrementaldecoder("utf-8")()
        decode = decoder.decode
        for fragment in fragments:
            if text := decode(fragment):
                yield text
        if text := decode(b"", True):
            yield text

    for name, data in (("English", CORPUS.words(SIZE)), ("mixed", inputs.many_scripts(SIZE))):
        for size in (64, 4096, 65536):
            yield stream_row(f"UTF8, {name}", size, data, "UTF8Engine", ((), {}), by_decoder)


# ---- channel ----


class Bounded:
    """Items in lists between threads: bounded in items and in bytes of them, as a channel is."""

    def __init__(self, capacity: int, most: int = 8 << 20) -> None:
        self.capacity, self.most, self.weight = capacity, most, 0
        self.items: deque[bytes] = deque()
        self.lock = Lock()
        self.filled, self.emptied = Condition(self.lock), Condition(self.lock)

    def put_many(self, items: list[bytes]) -> None:
        weight = sum(map(len, items))
        with self.lock:
            while len(self.items) + len(items) > self.capacity or self.weight + weight > self.most:
                self.emptied.wait()
            self.items.extend(items)
            self.weight += weight
            self.filled.notify()

    def get_many(self) -> list[bytes]:
        with self.lock:
            while not self.items:
                self.filled.wait()
            items = [*self.items]
            self.items.clear()
            self.weight = 0
            self.emptied.notify()
        return items


def by_turns(put: Callable[[Any], Any], get: Callable[[], Any], item: Any, count: int) -> None:
    for _ in range(count):
        put(item)
        get()


def channel() -> Iterator[Row]:
    many = [ITEM] * 256
    twin, native = PURE.Channel(CAPACITY), NATIVE.Channel(CAPACITY)
    unweighed = PURE.Channel(CAPACITY, buffer_bytes=None)
    one, lists, bounded = queue.Queue(CAPACITY), queue.Queue(CAPACITY // 256), Bounded(CAPACITY)
    assert twin.put_many(many) == 256
    assert twin.get_many() == many
    sides: dict[str, Callable[[], Any]] = {
        "twin": lambda: by_turns(twin.put, twin.get, ITEM, COUNT),
        "native": lambda: by_turns(native.put, native.get, ITEM, COUNT),
        "queue.Queue": lambda: by_turns(one.put, one.get, ITEM, COUNT),
    }
    yield Row("Channel, put and get by turns", "item", COUNT, sides, [("twin", "queue.Queue", MARK)])
    times = COUNT // 256
    sides = {
        "twin": lambda: by_turns(twin.put_many, twin.get_many, many, times),
        "twin, buffer_bytes=None": lambda: by_turns(unweighed.put_many, unweighed.get_many, many, times),
        "native": lambda: by_turns(native.put_many, native.get_many, many, times),
        "bounded deque": lambda: by_turns(bounded.put_many, bounded.get_many, many, times),
        "queue.Queue of lists": lambda: by_turns(lists.put, lists.get, many, times),
    }
    marks = [
        ("twin", "bounded deque", MARK),
        ("twin, buffer_bytes=None", "queue.Queue of lists", MARK),
    ]
    yield Row("Channel, 256 items a call, by turns", "item", times * 256, sides, marks)


ROWS: dict[str, Callable[[], Iterator[Row]]] = {
    "lines": lines,
    "fixed": fixed_size,
    "delimited": delimited,
    "utf8": utf8,
    "channel": channel,
}


def main(rounds: int, names: list[str]) -> None:
    for name, rows in ROWS.items():
        if not names or name in names:
            for made in rows():
                show(made, rounds)


if __name__ == "__main__":
    main(int(sys.argv[1]) if len(sys.argv) > 1 else 7, sys.argv[2:])
