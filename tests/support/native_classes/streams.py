"""Iterators that own their source, and their steps."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from streamcore._shared.steps import DROPPED

from .table import Box, Native, attribute, attributes, fresh, method, special


class Values:
    """An iterator in Python that counts how often it is closed."""

    def __init__(self, box: Box, values: Any, name: str = "source") -> None:
        self.box, self.values, self.name = box, iter(values), name
        self.closed = 0

    def __iter__(self) -> Values:
        return self

    def __next__(self) -> Any:
        self.box.callback(f"{self.name}.__next__")
        return next(self.values)

    def close(self) -> None:
        self.closed += 1
        self.box.callback(f"{self.name}.close")

    def __del__(self) -> None:
        self.box.callback(f"{self.name}.__del__")


STREAM = (
    special("__next__", lambda stream: next(stream, "end")),
    special("__next__: all", lambda stream: [next(stream, "end") for _ in range(4)]),
    method("close"),
)


def stream_rest(stream: Any) -> Any:
    return [next(stream, "end") for _ in range(5)]


def step(name: str, *rest: Callable[[Box], Any]) -> Native:
    """A step, with what it calls."""
    return Native(
        name,
        name,
        lambda backend, box: getattr(backend, name)(*[made(box) for made in rest]),
        (
            special("__call__", lambda step: step(1)),
            special("__call__: again", lambda step: (step(1), step(2))),
        ),
        look=lambda step: None,
        rest=lambda step: step(3),
        callbacks=("fn",),
    )


def stepping(backend: Any, box: Box) -> Any:
    source = Values(box, [1, 2, 3, 4])
    fn = called_back(box)
    steps = [backend.MapStep(fn, "map"), backend.FilterStep(fn, "filter"), backend.TakeStep(3)]
    return backend.closing_iterator(source, [source], steps=steps)


def called_back(box: Box) -> Callable[[Any], Any]:
    def fn(item: Any) -> Any:
        box.callback("fn")
        return item

    return fn


def called_back_with_two(box: Box) -> Callable[[Any, Any], Any]:
    def fn(before: Any, item: Any) -> Any:
        box.callback("fn")
        return before + item

    return fn


def closing(backend: Any, box: Box) -> Any:
    source = Values(box, [1, 2, 3], "first")
    last = Values(box, source, "source")
    return backend.closing_iterator(last, [source, last], lambda error: box.callback("fn"))


def flattening(backend: Any, box: Box) -> Any:
    first, second = Values(box, [1, 2], "first"), Values(box, [3], "second")
    source = Values(box, [first, second])
    return backend.flat_iterator(source, [source], "flat")


def shared(backend: Any, box: Box, items: list[int]) -> Any:
    source = backend.SharedSource(Values(box, items), 8, 1, False)
    box.other = backend.SharedStream(source)  # open all the time
    return source


def metered(backend: Any, box: Box) -> Any:
    source = Values(box, ["a", b"bc", 3])

    def begin() -> Values:
        box.callback("begin")
        return source

    def end(error: BaseException | None) -> None:
        box.callback("end")
        source.close()

    return backend.metered_iterator(meter(backend, box), begin, lambda: box.callback("first"), end, source)


def meter(backend: Any, box: Box) -> Any:
    def now() -> float:
        box.callback("now")
        return 1.0

    return backend.Meter(now)


SURROUND = special("surround", lambda stream: stream.surround({"tags": ["a"]}))


class AsyncValues(Values):
    """The same as an async iterator whose steps never wait."""

    def __aiter__(self) -> AsyncValues:
        return self

    async def __anext__(self) -> Any:
        try:
            return next(self)
        except StopIteration:
            raise StopAsyncIteration from None

    async def aclose(self) -> None:
        self.close()


def stepped(awaitable: Any) -> Any:
    """What an awaitable that need not wait gives."""
    steps = awaitable.__await__()
    try:
        steps.send(None)
    except StopIteration as stop:
        return stop.value
    except StopAsyncIteration:
        return "end"
    steps.close()
    return "waits"


def async_closing(backend: Any, box: Box) -> Any:
    source = AsyncValues(box, [1, 2, 3, 4])
    fn = called_back(box)
    steps = [backend.MapStep(fn, "map"), backend.FilterStep(fn, "filter"), backend.TakeStep(3)]
    return backend.async_closing_iterator(source, [source], lambda error: None, steps=steps)


def async_blocks(backend: Any, box: Box) -> Any:
    source = AsyncValues(box, [[1, 2], [3], [4, 5]])
    return backend.async_closing_iterator(source, [source], blocks=True)


def async_several(backend: Any, box: Box) -> Any:
    first, second = AsyncValues(box, [1, 2, 3]), AsyncValues(box, "abc", "second")
    return backend.async_closing_iterator(first, [first, second], beside=[second])


class Opened:
    """Of iterators that an async one has opened, the last."""

    def __init__(self, box: Box, *entries: Any) -> None:
        self.box, self.entries = box, list(entries)

    def failed(self, error: BaseException) -> None:
        self.box.callback("fn")
        raise error


def async_opened(backend: Any, box: Box) -> Any:
    source = AsyncValues(box, [0, DROPPED, 5])
    opened = Opened(box, Values(box, [1, 2], "inner"))
    return backend.async_closing_iterator(source, [source], opened=opened)


ASYNC_STREAM = (
    special("__anext__", lambda stream: stepped(anext(stream))),
    special("__anext__: closed before it began", lambda stream: anext(stream).close()),
    special("__anext__: all", lambda stream: [stepped(anext(stream)) for _ in range(4)]),
    special("aclose", lambda stream: stepped(stream.aclose())),
    SURROUND,
)


def async_stream(label: str, make: Callable[[Any, Box], Any]) -> Native:
    return Native(
        "async_closing_iterator",
        label,
        make,
        ASYNC_STREAM,
        look=lambda stream: None,
        rest=lambda stream: [stepped(anext(stream)) for _ in range(5)],
        callbacks=("fn", "source.__next__", "source.close", "source.__del__"),
    )


CLASSES: list[Native] = [
    step("MapStep", called_back, lambda box: "map"),
    step("FilterStep", called_back, lambda box: "filter"),
    step("TapStep", called_back, lambda box: "tap"),
    step("TakeWhileStep", called_back, lambda box: "take_while"),
    step("SkipWhileStep", called_back, lambda box: "skip_while"),
    step("DistinctStep", called_back, lambda box: "distinct"),
    step("ScanStep", called_back_with_two, lambda box: "scan", lambda box: 0),
    step("TakeStep", lambda box: 2),
    step("SkipStep", lambda box: 2),
    step("EnumerateStep", lambda box: 2),
    Native(
        "closing_iterator",
        "closing_iterator with steps",
        stepping,
        (*STREAM, SURROUND),
        look=lambda stream: None,
        rest=stream_rest,
        callbacks=("fn", "source.__next__", "source.close", "source.__del__"),
    ),
    Native(
        "closing_iterator",
        "closing_iterator",
        closing,
        (*STREAM, SURROUND),
        lambda stream: None,
        stream_rest,
        callbacks=(
            "fn",
            "first.__next__",
            "first.close",
            "source.__next__",
            "source.close",
            "source.__del__",
        ),
    ),
    Native(
        "flat_iterator",
        "flat_iterator",
        flattening,
        STREAM,
        look=lambda stream: None,
        rest=stream_rest,
        callbacks=(
            "source.__next__",
            "source.close",
            "source.__del__",
            "first.__next__",
            "first.close",
            "second.__next__",
        ),
    ),
    Native(
        "SharedStream",
        "SharedStream",
        lambda backend, box: backend.SharedStream(shared(backend, box, [1, 2, 3])),
        STREAM,
        look=lambda stream: None,
        rest=stream_rest,
        callbacks=("source.__next__", "source.close", "source.__del__"),
        inside=("close",),  # a pull from another thread waits for the one under way
    ),
    Native(
        "SharedSource",
        "SharedSource",
        lambda backend, box: shared(backend, box, [1, 2, 3]),
        (
            method("keep"),
            method("let_go"),
            method("end"),
            special("end: twice", lambda s: (s.end(), s.end())),
        ),
        look=lambda source: None,
        rest=lambda source: source.end(),
        callbacks=("source.close", "source.__del__"),
    ),
    Native(
        "Meter",
        "Meter",
        meter,
        (
            method("wait"),
            method("count", fresh("anything", object)),
            special(
                "count: several", lambda meter: [meter.count(chunk) for chunk in ("é", b"a", bytearray(2))]
            ),
            *attributes("items", "bytes", "waited"),
        ),
        look=lambda meter: (meter.items, meter.bytes),
        rest=lambda meter: (meter.items, meter.bytes, meter.waited),
        callbacks=("now",),
    ),
    Native(
        "metered_iterator",
        "metered_iterator",
        metered,
        (*STREAM, attribute("of")),
        look=lambda stream: None,
        rest=stream_rest,
        callbacks=("begin", "first", "end", "now", "source.__next__", "source.close"),
    ),
    async_stream("async_closing_iterator", async_closing),
    async_stream("async_closing_iterator of blocks", async_blocks),
    async_stream("async_closing_iterator of several", async_several),
    async_stream("async_closing_iterator of opened ones", async_opened),
]

PARTS = {
    "Place": "SharedStream",
    "Level": "closing_iterator",
    "Stream": "closing_iterator",
    "Pull": "async_closing_iterator",
    "Row": "async_closing_iterator",
    "Inner": "async_closing_iterator",
    "Step": "async_closing_iterator",
    "CallingStep": "MapStep",
}
