"""Every public class of the core: how to make it, what each of its methods takes, and how to see what it holds.

What is tested of every class is driven from here: foreign code in the middle of a call, memory that changes under it,
allocations that fail. A new class is a line in ``CLASSES``; ``every_class/test_table.py`` fails until it is there.
"""

from __future__ import annotations

import sys
from array import array
from collections.abc import Callable
from dataclasses import dataclass
from functools import cache
from inspect import isgenerator
from typing import Any

from streamcore.batch import Batch
from streamcore.vocab.gpt2 import load_gpt2

PIECE = bytes(range(97, 123)) * 3  # long enough to be kept by reference


@dataclass(frozen=True)
class Argument:
    """What a method takes: a kind of ``foreign.FORMS`` and a value that is right."""

    kind: str
    make: Callable[[], Any]


class Box:
    """An object under test, and what a call in it can reach besides."""

    def __init__(self) -> None:
        self.backend: Any = None
        self.subject: Any = None
        self.running: Any = None  # the iterator that a call made and drives
        self.hooks: dict[str, Callable[[], None]] = {}

    def callback(self, name: str) -> None:
        """Called by what the object was given to call."""
        hook = self.hooks.get(name)
        if hook is not None:
            hook()


@dataclass(frozen=True)
class Call:
    """A call of one public method, or of a special one, with arguments that are right."""

    name: str
    run: Callable[..., Any]  # of a box and the arguments
    arguments: tuple[Argument, ...] = ()
    alone: bool = True  # a failed allocation leaves all as it was; else the call is several

    @property
    def method(self) -> str:
        return self.name.partition(":")[0]

    def plainly(self, box: Box) -> Any:
        return self.run(box, *[argument.make() for argument in self.arguments])


@dataclass(frozen=True)
class Native:
    """A public class of the core."""

    name: str
    label: str
    make: Callable[[Any, Box], Any]
    calls: tuple[Call, ...]
    look: Callable[[Any], Any]  # all of the state that can be seen, and that makes nothing
    rest: Callable[[Any], Any]  # what is still inside, taken out
    again: Callable[[Any], Any] = lambda subject: None  # shows that it still works, or is in error for good
    callbacks: tuple[str, ...] = ()
    inside: tuple[str, ...] = ()  # the calls that hooks make, where not all of them
    unlike: tuple[str, ...] = ()  # those of them to which the twin answers as each version of CPython does

    def boxed(self, backend: Any) -> Box:
        box = Box()
        box.backend = backend
        box.subject = self.make(backend, box)
        return box

    @property
    def methods(self) -> set[str]:
        return {call.method for call in self.calls}


def plain(result: Any) -> Any:
    """A result in a form that is the same whatever the backend."""
    if isinstance(result, (str, int, float, bytes, type(None), type)):
        return result
    if isinstance(result, Batch):
        return [plain(item) for item in result]
    if isinstance(result, dict):
        return {key: plain(value) for key, value in result.items()}
    if isinstance(result, (set, frozenset)):
        return sorted(result)
    if isinstance(result, (list, tuple)):
        return [plain(item) for item in result]
    if hasattr(result, "tolist") and hasattr(result, "dtype"):
        return [str(result.dtype), result.tolist()]
    if hasattr(result, "tobytes"):
        return result.tobytes()
    return type(result).__name__


def tried(action: Callable[[], Any]) -> Any:
    """What the action gives, or all that can be told apart of what it raises."""
    try:
        return plain(action())
    except Exception as error:  # noqa: BLE001 - any of them is an outcome
        return [type(error).__name__, str(error), list(getattr(error, "__notes__", []))]


def value(kind: str, made: Any) -> Argument:
    return Argument(kind, lambda: made)


def fresh(kind: str, make: Callable[[], Any]) -> Argument:
    return Argument(kind, make)


def method(name: str, *arguments: Argument, alone: bool = True, **fixed: Any) -> Call:
    """A method called with these arguments; ``name`` may have a ``:remark``."""
    plain_name = name.partition(":")[0]
    return Call(
        name, lambda box, *args: getattr(box.subject, plain_name)(*args, **fixed), arguments, alone=alone
    )


def keyword(name: str, key: str, argument: Argument, *first: Argument) -> Call:
    plain_name = name.partition(":")[0]

    def run(box: Box, *args: Any) -> Any:
        return getattr(box.subject, plain_name)(*args[1:], **{key: args[0]})

    return Call(name, run, (argument, *first))


def attribute(name: str) -> Call:
    return Call(name, lambda box: getattr(box.subject, name))


def special(name: str, run: Callable[..., Any], *arguments: Argument) -> Call:
    return Call(name, lambda box, *args: run(box.subject, *args), arguments)


def attributes(*names: str) -> tuple[Call, ...]:
    return tuple(attribute(name) for name in names)


# ---- engines ----


def drive(name: str, kind: str, fragments: list[Any]) -> tuple[Call, ...]:
    """``iterate`` or ``batches``: driven to its end, and only begun."""

    def to_the_end(box: Box, source: Any) -> Any:
        mine = getattr(box.subject, name)(source)
        box.running = mine
        taken: list[Any] = []

        def drive_on() -> None:
            for item in mine:
                taken.extend(
                    item if isinstance(item, Batch) else [item]
                )  # backends may end batches elsewhere

        return [tried(drive_on), plain(taken)]

    def begin(box: Box, source: Any) -> Any:
        mine = getattr(box.subject, name)(source)
        box.running = mine
        first = next(mine, None)
        second = next(mine, None)
        mine.close()
        return [plain(first), plain(second)]

    calls = (Call(name, to_the_end, (value(kind, fragments),), alone=False),)
    if name == "iterate":
        calls += (Call("iterate: closed after two", begin, (value(kind, fragments),), alone=False),)
    return calls


def close_running(box: Box) -> None:
    """Before 3.13, to close a generator that runs, CPython may take its inline caches for instructions and crash."""
    if sys.version_info < (3, 13) and isgenerator(box.running) and box.running.gi_running:
        raise ValueError("generator already executing")  # as from 3.13 on
    box.running.close()


# What a hook can do to the iterator in the middle of whose call it runs.
RUNNING = (
    Call("next of the running iterator", lambda box: next(box.running)),
    Call("close of the running iterator", close_running),
)


def finished(engine: Any) -> Any:
    return engine.finish()


def started_over(first: Any) -> Callable[[Any], Any]:
    def run(engine: Any) -> Any:
        engine.reset()
        return [engine.feed(first), engine.finish()]

    return run


def engine(
    name: str,
    *arguments: Any,
    fragments: tuple[bytes, bytes] = (b"one two\nthree\r\nfo", b"ur five;six\xc3\xa9\n" * 5),
    **options: Any,
) -> Native:
    """A class derived from the base of engines."""
    shown = ", ".join([*map(repr, arguments), *(f"{key}={made!r}" for key, made in options.items())])

    def make(backend: Any, box: Box) -> Any:
        made = getattr(backend, name)(*arguments, **options)
        made.feed(fragments[0])
        return made

    calls = (
        method("feed", value("buffer", fragments[1])),
        method("finish"),
        method("reset"),
        *drive("iterate", "source", list(fragments)),
        *drive("batches", "source", list(fragments)),
        *attributes("offset", "skipped", "error"),
    )
    if name == "UTF8Engine":
        calls += attributes("errors")
    # Lent memory is given back after it was taken in, and what the twin of UTF8 copied, before.
    unlike = ("offset",) if name == "UTF8Engine" else ()
    return Native(
        name,
        f"{name}({shown})",
        make,
        calls,
        look=lambda engine: [engine.offset, engine.skipped, repr(engine.error)],
        rest=finished,
        again=started_over(fragments[1]),
        unlike=unlike,
    )


# ---- tokens ----


def vocabulary(*, sparse: bool = False) -> dict[bytes, int]:
    tokens = [bytes((byte,)) for byte in range(256)]
    tokens += [b"\xe4\xb8", b"th", b"er", b" th", b" ther", b"one", "é".encode() * 20]
    return {token: number * (10_000 if sparse else 1) for number, token in enumerate(tokens)}


OPTIONS: dict[str, dict[str, Any]] = {
    "": {},
    "another pattern": {"pattern": r"\w+|\W+"},
    "merges": {"merges": [(b"t", b"h"), (b"e", b"r"), (b" ", b"th")]},
    "NFC": {"normalization": "NFC"},
    "ids far apart": {"ranks": vocabulary(sparse=True)},
}
SPECIAL = {"<|end|>": 300, "<|mid|>": 301}


@cache
def core(backend: Any, which: str = "") -> Any:
    """One core for all streams over it; calls that change it make their own."""
    return new_core(backend, which)


def new_core(backend: Any, which: str = "") -> Any:
    options = {
        "ranks": vocabulary(),
        "pattern": load_gpt2().pattern,
        "cache_bytes": 4096,
        **OPTIONS[which],
    }
    special = {name: number * 100_000 for name, number in SPECIAL.items()} if "far" in which else SPECIAL
    return backend.BPECore(options.pop("ranks"), options.pop("pattern"), special, **options)


TEXT = "one thé other <|end|> there 一"
ALLOWED = value("names", frozenset(["<|end|>"]))
NONE_DISALLOWED = value("names", frozenset(["<|mid|>"]))


def encoding(name: str, *arguments: Argument, **fixed: Any) -> tuple[Call, ...]:
    """A method that encodes, and has the options of encoding."""

    def run(box: Box, allowed: Any, disallowed: Any, *args: Any) -> Any:
        return getattr(box.subject, name)(
            *args, allowed_special=allowed, disallowed_special=disallowed, **fixed
        )

    return (Call(name, run, (ALLOWED, NONE_DISALLOWED, *arguments)),)


def bpe_core(which: str = "") -> Native:
    texts = value("texts", ["one other", "there"])
    scale = 10_000 if "far" in which else 1
    ids = value("ids", [scale * number for number in (257, 32, 0xE4, 0xB8, 0xAD, 259)])
    text = value("text", TEXT)
    return Native(
        "BPECore",
        f"BPECore {which}",
        lambda backend, box: core(backend, which),
        (
            method("encode_ordinary", text),
            method("encode_ordinary_to_list", text),
            *encoding("encode", text),
            *encoding("encode_to_list", text),
            *encoding("count", text),
            *encoding("count_until", text, value("int", 5)),
            *encoding("truncate", text, value("int", 6)),
            *encoding("offsets", text),
            *encoding("encode_batch", texts, value("int", 1)),
            *encoding("encode_batch", texts, value("int", 2)),
            method("encode_piece", value("buffer", b" there")),
            method("decode", ids),
            method("decode:errors", ids, value("str", "ignore")),
            method("decode_bytes", ids),
            method("decode_bytes:array", fresh("ids", lambda: id_array(ids.make()))),
            *attributes("n_vocab", "max_token_length", "ranks", "pattern", "special_tokens", "merges"),
            *attributes("whole_pieces", "normalization", "cache_bytes"),
        ),
        look=lambda core: [core.n_vocab, core.max_token_length, len(core.ranks), core.special_tokens],
        rest=lambda core: core.encode_to_list(TEXT, disallowed_special=()),
        inside=("encode", "truncate", "decode_bytes"),
    )


def id_array(ids: list[int]) -> Any:
    import numpy as np

    return np.array(ids, np.uint32)


def token_engine(name: str, label: str, make: Callable[[Any, Box], Any], *calls: Call, first: Any) -> Native:
    return Native(
        name,
        f"{name} {label}",
        make,
        (method("finish"), method("reset"), *attributes("offset", "error"), *calls),
        look=lambda engine: [engine.offset, repr(engine.error)],
        rest=finished,
        again=started_over(first),
    )


def bpe_encoder(which: str = "", **options: Any) -> Native:
    def make(backend: Any, box: Box) -> Any:
        made = backend.BPEEncoder(core(backend, which), disallowed_special=(), **options)
        made.feed("one th")
        return made

    return token_engine(
        "BPEEncoder",
        ", ".join([which, *map(str, options.items())]),
        make,
        method("feed", value("text", "er there <|end|> 一")),
        method("feed: a wrong type", value("buffer", b"er there")),
        *drive("iterate", "sources of text", ["one other", "s there"]),
        first="one",
    )


def bpe_decoder(which: str = "", **options: Any) -> Native:
    scale = 10_000 if "far" in which else 1
    ids = [scale * number for number in (0xB8, 0xAD, 257, 259, 97)]

    def make(backend: Any, box: Box) -> Any:
        made = backend.BPEDecoder(core(backend, which), **options)
        made.feed([scale * 97, scale * 0xE4])
        return made

    return token_engine(
        "BPEDecoder",
        ", ".join([which, *map(str, options.items())]),
        make,
        method("feed", value("ids", ids)),
        method("feed: one", value("one id", scale * 98)),
        method("feed: an array", fresh("ids", lambda: id_array(ids))),
        *drive("iterate", "sources of ids", [ids[:2], ids[2:]]),
        attribute("stopped"),
        first=scale * 97,
    )


def stop_finder(backend: Any, box: Box) -> Any:
    finder = backend.StopFinder(["stop", "top", "é!"])
    finder.feed("a st", False)
    return finder


# ---- buffers ----


def ring(backend: Any, box: Box) -> Any:
    made = backend.RingBuffer(1000)
    made.write(PIECE)
    made.write(b"short")
    return made


def granted(backend: Any, box: Box) -> Any:
    made = ring(backend, box)
    made.grant(len(PIECE))[:] = PIECE
    return made


def committing(ring: Any, n: Any) -> int:
    """With a grant first, so that the call stands for itself."""
    try:
        with ring.grant(300) as lent:
            lent[:] = b"g" * len(lent)
    except BufferError:  # there is one
        pass
    ring.commit(n)
    return len(ring)


RING = (
    method("write", value("buffer", PIECE)),
    method("write: a few", value("buffer", b"few")),
    method("read", value("int", 80)),
    method("peek", value("int", 80)),
    method("readinto", fresh("space", lambda: bytearray(80))),
    method("consume", value("int", 80)),
    method("views", value("int", 80)),
    method("find", value("buffer", b"zsh"), value("int", 1), value("int", 900)),
    method("find: a byte", value("int", 115)),
    Call(
        "grant", lambda box, n: len(box.subject.grant(n)), (value("int", 100),)
    ),  # what is in it, is undefined
    Call("commit", lambda box, n: committing(box.subject, n), (value("int", 78),), alone=False),
    method("clear"),
    method("close"),
    *attributes("capacity", "free", "closed", "copied_bytes"),
    special("len", len),
    special("repr", repr),
)


def ring_state(ring: Any) -> Any:
    return [len(ring), ring.free, ring.closed, ring.capacity]


def view_state(view: Any) -> Any:
    return [view == PIECE]


def view_rest(view: Any) -> Any:
    """The release is refused if something left an export behind."""
    return [bytes(view), view.release()]


VIEW = (
    special("__getitem__", lambda view, index: view[index], value("int", 7)),
    special(
        "__getitem__: slice", lambda view, start, stop: view[start:stop], value("int", 3), value("int", 20)
    ),
    special("__getitem__: step", lambda view, step: view[3:20:step], value("int", 2)),
    special("__contains__", lambda view, item: item in view, value("int", 99)),
    special("__contains__: anything", lambda view, item: item in view, fresh("anything", object)),
    special("__eq__", lambda view, other: view == other, value("buffer", PIECE)),
    special("__eq__: anything", lambda view, other: view == other, fresh("anything", object)),
    special("__setitem__", lambda view, index: view.__setitem__(index, 1), value("int", 7)),
    special("__iter__", list),
    special("__hash__", hash),
    special("len", len),
    special("with", lambda view: view.__enter__() is view),
    method("tobytes", value("str", "C")),
    method("hex", value("str", ":"), value("int", 2)),
    method("cast", value("str", "c")),
    method("tolist"),
    method("toreadonly"),
    method("release"),
    special("memoryview", lambda view: bytes(memoryview(view))),
    *attributes("nbytes", "readonly", "format", "itemsize", "ndim", "shape", "strides", "suboffsets"),
    *attributes("c_contiguous", "f_contiguous", "contiguous"),
    special("obj", lambda view: type(view.obj).__name__),
)


# ---- channels ----


def coroutine(run: Callable[..., Any]) -> Callable[..., Any]:
    """A coroutine that need not wait, run without a loop."""

    def drive(box: Box, *args: Any) -> Any:
        result = ["waits"]

        async def wait() -> None:
            result[0] = await made  # needs no memory, as a StopIteration would

        made = run(box.subject, *args)
        try:
            wait().send(None)
        except StopIteration:
            pass
        except MemoryError:
            if result[0] == "waits":
                raise
        finally:
            made.close()
        return result[0]

    return drive


def channel(backend: Any, box: Box) -> Any:
    made = backend.Channel(6)
    made.put_many(["a", "bc", "def"])
    return made


def bounded_channel(backend: Any, box: Box) -> Any:
    made = backend.Channel(60, buffer_bytes=8)
    made.put_many(["a", "bc"])
    return made


def sized_channel(backend: Any, box: Box) -> Any:
    def size(item: Any) -> int:
        box.callback("size")
        return len(item)

    made = backend.Channel(12, size=size)
    made.put_many(["a", "bc", "def"])
    return made


NOW = value("seconds", 0)
ITEM = fresh("anything", lambda: "item")
CHANNEL = (
    method("put", ITEM, NOW),
    method("get", NOW),
    method("put_many", value("items", ["new", "and"]), NOW),
    method("put_many: too many", value("items", ["n"] * 20), NOW, alone=False),
    method("get_many", value("int", 2), NOW),
    Call(
        "get_many: into",
        lambda box, limit, timeout, into: box.subject.get_many(limit, timeout, into=into),
        (value("int", 2), NOW, fresh("list", list)),
    ),
    Call("aput", coroutine(lambda channel, *args: channel.aput(*args)), (ITEM, NOW)),
    Call("aget", coroutine(lambda channel, *args: channel.aget(*args)), (NOW,)),
    Call(
        "aput_many",
        coroutine(lambda channel, *args: channel.aput_many(*args)),
        (value("items", ["new", "and"]), NOW),
    ),
    Call("aget_many", coroutine(lambda channel, *args: channel.aget_many(*args)), (value("int", 2), NOW)),
    method("close"),
    method("close: with an error", fresh("anything", lambda: OSError("gone"))),
    *attributes("capacity", "closed"),
    special("len", len),
    special("repr", repr),
)


def channel_rest(channel: Any) -> Any:
    return tried(lambda: channel.get_many(timeout=0))


# ---- streams ----


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


def operator(name: str, *rest: Callable[[Box], Any]) -> Native:
    """An operator over a source in Python, with what it calls."""

    def make(backend: Any, box: Box) -> Any:
        return getattr(backend, name)(Values(box, [1, 2, 3, 4]), *[made(box) for made in rest])

    return Native(
        name,
        name,
        make,
        STREAM,
        look=lambda stream: None,
        rest=stream_rest,
        callbacks=("fn", "source.__next__", "source.close", "source.__del__"),
    )


def called_back(box: Box) -> Callable[[Any], Any]:
    def fn(item: Any) -> Any:
        box.callback("fn")
        return item

    return fn


def closing(backend: Any, box: Box) -> Any:
    source = Values(box, [1, 2, 3], "first")
    last = Values(box, source, "source")
    return backend.closing_iterator(last, [source, last], lambda error: box.callback("fn"))


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
    steps = [("map", fn, "map"), ("filter", fn, "filter"), ("take", 3, "take")]
    return backend.async_closing_iterator(source, [source], lambda error: None, steps=steps)


def async_blocks(backend: Any, box: Box) -> Any:
    source = AsyncValues(box, [[1, 2], [3], [4, 5]])
    return backend.async_closing_iterator(source, [source], blocks=True)


ASYNC_STREAM = (
    special("__anext__", lambda stream: stepped(anext(stream))),
    special("__anext__: closed before it began", lambda stream: anext(stream).close()),
    special("__anext__: all", lambda stream: [stepped(anext(stream)) for _ in range(4)]),
    special("aclose", lambda stream: stepped(stream.aclose())),
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


def closed_all(backend: Any, owned: Any) -> None:
    backend.close_all(owned, None)


OFFSETS = array("q", [0, 3, 6]).tobytes()
FUNCTIONS = (
    special(
        "joined",
        lambda backend, *args: backend.joined(*args),
        value("bytes", b"onetwo"),
        value("bytes", OFFSETS),
        value("bytes", b"\n"),
    ),
    special("close_all", closed_all, fresh("items", lambda: [Values(Box(), []), Values(Box(), [])])),
)


CLASSES: list[Native] = [
    engine("FixedSizeEngine", 7),
    engine("FixedSizeEngine", 7, as_=bytes, borrow=True),
    engine("LinesEngine"),
    engine("LinesEngine", as_=str, newline="universal", borrow=True),
    engine("LinesEngine", as_="view", keepends=True, max_size=4, on_oversize="truncate"),
    engine("LinesEngine", max_size=9, on_incomplete="raise"),
    engine("DelimitedEngine", b";", b"one"),
    engine("DelimitedEngine", "é".encode(), as_=str, keep=True, borrow=True),
    engine("UTF8Engine"),
    engine("UTF8Engine", errors="replace"),
    engine("WordsEngine"),
    engine("WordsEngine", as_=bytes, keep="none", max_size=4, on_oversize="truncate"),
    *[bpe_core(which) for which in OPTIONS],
    *[bpe_encoder(which) for which in OPTIONS],
    bpe_encoder(allowed_special="all"),
    bpe_encoder(max_size=3),
    bpe_decoder(),
    bpe_decoder(errors="strict"),
    bpe_decoder("ids far apart"),
    bpe_decoder(stop=["b", "tha"], prompt=[0xE4, 0xB8]),
    Native(
        "StopFinder",
        "StopFinder",
        stop_finder,
        (
            method("feed", value("str", "op it"), value("flag", False)),
            method("reset"),
            *attributes("holds", "found", "first_characters"),
        ),
        look=lambda finder: finder.holds,
        rest=lambda finder: finder.feed("", True),
    ),
    Native(
        "RingBuffer",
        "RingBuffer",
        ring,
        RING,
        ring_state,
        rest=lambda ring: ring.closed or ring.read(),
        unlike=("copied_bytes",),  # the backends copy in different places
    ),
    Native(
        "RingBuffer",
        "RingBuffer with a grant",
        granted,
        RING,
        ring_state,
        rest=lambda ring: ring.closed or ring.read(),
        unlike=("copied_bytes",),  # the backends copy in different places
    ),
    Native(
        "View",
        "View",
        lambda backend, box: backend.View(PIECE),
        VIEW,
        view_state,
        view_rest,
        unlike=("release",),
    ),
    Native("Channel", "Channel", channel, CHANNEL, len, channel_rest),
    Native("Channel", "Channel bounded in bytes", bounded_channel, CHANNEL, len, channel_rest),
    Native("Channel", "Channel by size", sized_channel, CHANNEL, len, channel_rest, callbacks=("size",)),
    operator("map_iterator", called_back, lambda box: "map"),
    operator("filter_iterator", called_back, lambda box: "filter"),
    operator("take_iterator", lambda box: 2),
    Native(
        "closing_iterator",
        "closing_iterator",
        closing,
        STREAM,
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
    async_stream("async_closing_iterator", async_closing),
    async_stream("async_closing_iterator of blocks", async_blocks),
    Native("functions", "functions", lambda backend, box: backend, FUNCTIONS, lambda _: None, lambda _: None),
]

# Classes of native modules that have no twin, and the objects above that make them.
PARTS = {
    "Batch": "BPECore",
    "Budget": "Channel",
    "Engine": "LinesEngine",
    "Grant": "RingBuffer",
    "Hold": "LinesEngine",
    "IdBlock": "BPECore",
    "Items": "LinesEngine",
    "Level": "closing_iterator",
    "Line": "Channel",
    "Names": "BPECore",
    "Passing": "Channel",
    "PieceLookup": "BPECore",
    "Pieces": "BPEDecoder",
    "Pull": "async_closing_iterator",
    "Sending": "Channel",
    "Slab": "RingBuffer",
    "Spans": "LinesEngine",
    "Step": "async_closing_iterator",
    "Stream": "BPEEncoder",
    "TokenTexts": "BPEDecoder",
    "Waiter": "Channel",
    "Waiting": "Channel",
    "WordSpans": "WordsEngine",
}
