"""Operation by operation: the ring buffer, the channel in one thread, and views."""

from __future__ import annotations

from typing import Any

from fuzz.draw import Draw
from fuzz.twins import Log, attempt, both, described, equal, plain

__all__ = ["play_channel", "play_ring_buffer", "play_view"]


def operations(draw: Draw, names: tuple[str, ...]) -> list[tuple[Any, ...]]:
    """(name, number, number, a word of data, its form) until the input is used up, at most 200."""
    steps = []
    while draw.end and len(steps) < 200:
        name, number, other = draw.choice(names), draw.number(), draw.number()
        word = bytes(draw.byte() for _ in range(draw.byte() % 6)) * (1, 1, 1, 30, 3000)[draw.byte() % 5]
        steps.append((name, number, other, word, draw.byte() % 4))
    return steps


# ---- ring buffer

RING = ("write", "read", "peek", "consume", "readinto", "views", "find", "grant", "commit", "write_view", "clear",
        "close", "write", "read")  # fmt: skip


class Ring:
    """One backend's buffer, and what its operations need to remember."""

    def __init__(self, ring: Any, view: Any) -> None:
        self.ring, self.view, self.log = ring, view, Log()
        self.grant: Any = None
        self.old: list[Any] = []
        self.views: list[Any] = []

    def play(self, name: str, number: int, other: int, word: bytes, form: int) -> None:
        log, ring = self.log, self.ring
        if name == "write":
            data = (word, bytearray(word), memoryview(word), self.view(word))[form]
            log.call(name, ring.write, data)
            if form == 1:
                data[:] = b"#" * len(data)  # type: ignore[index]
        elif name in ("read", "peek", "consume"):
            log.call(name, getattr(ring, name), number)
        elif name == "views":
            views, error = attempt(ring.views, number)
            # how the bytes are divided is each backend's own affair
            log.steps.append((name, described(error), None if views is None else b"".join(log.keep(views))))
            self.views = views or self.views
        elif name == "readinto":
            target = bytearray(max(0, number) % 5000)
            log.call(name, ring.readinto, target)
            log.steps.append(bytes(target))
        elif name == "find":
            log.call(name, ring.find, word if form else number, *(other, number)[:form])
        elif name == "write_view":
            log.call(
                name, lambda: sum(map(ring.write, self.views))
            )  # all: each backend divides them its own way
        elif name == "grant":
            self.take_grant(number)
        elif name == "commit":
            self.commit(number, word, form)
        elif form == 0:
            log.call(name, getattr(ring, name))
        log.steps.append((len(ring), ring.free, ring.closed))
        for part in self.old:
            part[:] = b"!" * len(part)

    def commit(self, number: int, word: bytes, form: int) -> None:
        """Fill the grant and commit it; sometimes whoever filled it keeps a slice and goes on writing."""
        if self.grant is not None:
            _, error = attempt(self.fill, word)
            self.log.steps.append(("fill", described(error)))
            if form == 0 and error is None:
                self.old = [*self.old[-3:], self.grant[:]]
        _, error = attempt(self.ring.commit, number)
        self.log.steps.append(("commit", described(error)))
        if error is None:
            self.grant = None

    def fill(self, word: bytes) -> None:
        self.grant[: len(word)] = word[: len(self.grant)]

    def take_grant(self, number: int) -> None:
        grant, error = attempt(self.ring.grant, number)
        self.log.steps.append(("grant", described(error), None if grant is None else len(grant)))
        if grant is not None:
            grant[:] = b"?" * len(grant)
            self.grant = grant


def play_ring_buffer(draw: Draw) -> None:
    """The same operations on both; nothing that was handed out ever changes."""
    capacity = 1 + draw.byte() * draw.choice((1, 1, 16, 300))
    steps = operations(draw, RING)
    logs = []
    for ring, view in zip(both("RingBuffer"), both("View"), strict=True):
        side = Ring(ring(capacity), view)
        for step in steps:
            side.play(*step)
        side.log.check_kept()
        logs.append(side.log)
    equal(logs[0].steps, logs[1].steps, capacity, steps)


# ---- channel

CHANNEL = (
    "put",
    "get",
    "put_many",
    "get_many",
    "put",
    "get",
    "len",
    "next",
    "close",
    "close_error",
    "put_fails",
)


class Mistake(ValueError):
    """What a channel is closed with, or its source raises."""


def failing(items: list[Any]) -> Any:
    yield from items
    raise Mistake("source")


def play_channel(draw: Draw) -> None:
    """The same operations on both, in one thread, so that none may wait."""
    capacity = 1 + draw.byte() % 40
    size = draw.choice(
        (None, None, len, lambda item: len(item) - 1, lambda item: "x" if len(item) == 3 else 1)
    )
    steps = operations(draw, CHANNEL)
    logs = []
    for channel in both("Channel"):
        made, log = channel(capacity, size=size), Log()
        for name, number, _, word, form in steps:
            if name == "put":
                log.call(name, made.put, word, 0)
            elif name == "get":
                log.call(name, made.get, 0)
            elif name in ("put_many", "put_fails"):
                items = [word[:at] for at in range(number % 12)]
                given = items if name == "put_many" else failing(items)
                log.call(name, made.put_many, given, 0)
            elif name == "get_many":
                log.call(name, made.get_many, number if form else None, 0)
            elif name == "next" and (made.closed or len(made)):
                result, error = attempt(next, made, "end")
                log.steps.append((name, plain(result), described(error)))
            elif name == "close" and form == 0:
                log.call(name, made.close)
            elif name == "close_error" and form == 0:
                log.call(name, made.close, Mistake("closed"))
            log.steps.append((len(made), made.closed))
        log.check_kept()
        logs.append(log)
    equal(logs[0].steps, logs[1].steps, capacity, steps)


# ---- views

VIEW = ("slice", "item", "equal", "tobytes", "hash", "memory", "contains", "cast", "first")


def play_view(draw: Draw) -> None:
    """Slices of slices of a view, each against the same slice of ``bytes``."""
    steps = operations(draw, VIEW)[:40]
    data = bytes(number % 256 for step in steps for number in step[1:3]) * 3
    for view in both("View"):
        shown, expected = view(data), data
        kept = [(shown, expected)]
        for name, number, other, word, form in steps:
            if name == "slice":
                at = slice(
                    number - 40 if form else None,
                    other if form != 2 else None,
                    None if form < 3 else 1 + number % 3,
                )
                got, error = attempt(lambda part, at=at: part[at], shown)
                if error is None and form < 3:
                    shown, expected = got, expected[at]
                    kept.append((shown, expected))
                elif error is None:
                    assert bytes(got) == expected[at], (at, got)
            elif name == "item":
                got, error = attempt(lambda part, number=number: part[number], shown)
                wanted, due = attempt(lambda part, number=number: part[number], expected)
                assert (got, type(error)) == (wanted, type(due)), (number, got, error)
            elif name == "equal":
                assert (shown == expected, shown == word, shown != expected) == (
                    True,
                    expected == word,
                    False,
                )
            elif name == "hash":
                assert hash(shown) == hash(expected)
            elif name == "memory":
                memory = memoryview(shown)
                assert memory.readonly
                assert bytes(memory[::-1]) == expected[::-1]
            elif name == "tobytes":
                assert (shown.tobytes(), shown.nbytes, len(shown)) == (expected, len(expected), len(expected))
            elif name == "first" and kept:
                shown, expected = kept[number % len(kept)]
        for one, content in kept:
            assert bytes(one) == content
