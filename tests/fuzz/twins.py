"""Both backends driven alike, and what they did compared: items, errors with their notes, offsets, call by call."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from functools import cache
from itertools import pairwise
from typing import Any

import numpy as np
from backends import find
from fuzz.draw import Draw, cut

__all__ = ["BACKENDS", "Log", "attempt", "both", "described", "equal", "plain", "play_engine"]

BACKENDS = ("native", "pure")
# What an input may make a call raise. Any other exception is a finding, whether or not the twins agree on it.
EXPECTED = (ValueError, TypeError, OverflowError, IndexError, KeyError, BufferError, EOFError, TimeoutError)
SURPRISES = (UnboundLocalError,)


@cache
def both(name: str) -> list[Any]:
    """What bears this name, native and pure."""
    found = [find(backend, name) for backend in BACKENDS]
    assert None not in found, f"{name} is missing in {BACKENDS[found.index(None)]}"
    return found


def described(error: BaseException | None) -> Any:
    """Type, message and notes."""
    if error is None:
        return None
    return type(error).__name__, str(error), repr(error.args), list(getattr(error, "__notes__", ()))


def plain(item: Any) -> Any:
    """An item as something that can be compared and does not change."""
    if isinstance(item, (bytes, str, int, type(None))):
        return item
    if isinstance(item, np.ndarray):
        return str(item.dtype), item.tolist()
    if isinstance(item, (list, tuple)):
        return [plain(each) for each in item]
    if isinstance(item, float):
        return repr(item)
    if isinstance(item, dict):
        return {key: plain(value) for key, value in item.items()}
    if isinstance(item, BaseException):
        return described(item)
    if hasattr(item, "__match_args__"):
        return [type(item).__name__, *(plain(getattr(item, name)) for name in item.__match_args__)]
    return bytes(item)


class Log:
    """What one backend did, and all it handed out, to be looked at again when more has happened."""

    def __init__(self) -> None:
        self.steps: list[Any] = []
        self.kept: list[tuple[Any, Any]] = []

    def keep(self, items: list[Any]) -> list[Any]:
        shown = [plain(item) for item in items]
        self.kept += zip(items, shown, strict=True)
        return shown

    def call(self, what: str, function: Callable[..., Any], *arguments: Any) -> Any:
        """Call, write down the result or the exception; None after one."""
        result, error = attempt(function, *arguments)
        shown = described(error)
        if error is None:
            shown = self.keep(result) if isinstance(result, list) else self.keep([result])[0]
        self.steps.append((what, shown))
        return result

    def check_kept(self) -> None:
        for item, shown in self.kept:
            assert plain(item) == shown, f"an item changed after it was handed out, it was {shown!r}"


def attempt(function: Callable[..., Any], *arguments: Any) -> tuple[Any, BaseException | None]:
    """The result, or the exception if it is one that bad input may raise."""
    try:
        return function(*arguments), None
    except SURPRISES:
        raise
    except EXPECTED as error:
        return None, error


def equal(native: Any, pure: Any, *what: object) -> None:
    """Fail with the first difference, and with what was done (not made into text before it is needed)."""
    if native == pure:
        return
    if isinstance(native, list) and isinstance(pure, list):
        for at, (one, other) in enumerate(zip(native, pure, strict=False)):
            assert one == other, f"{what!r}: step {at} is natively\n  {one!r}\nand in the twin\n  {other!r}"
    raise AssertionError(f"{what!r}: natively\n  {native!r}\nand in the twin\n  {pure!r}")


# ---- engines


KINDS: tuple[Callable[[Any], Any], ...] = (
    lambda part: part,
    bytearray,
    memoryview,
    lambda part: part[:0] + part,
)


class Source:
    """Fragments for ``iterate()``; a mutable one is overwritten once the next is asked for."""

    def __init__(self, fragments: list[Any], spoil: bool) -> None:
        self.fragments, self.spoil, self.pulled, self.closed = fragments, spoil, 0, 0

    def __iter__(self) -> Iterator[Any]:
        return self

    def __next__(self) -> Any:
        if self.spoil and self.pulled:
            spoil(self.fragments[self.pulled - 1])
        if self.pulled == len(self.fragments):
            raise StopIteration
        self.pulled += 1
        return self.fragments[self.pulled - 1]

    def close(self) -> None:
        self.closed += 1


def spoil(fragment: Any) -> None:
    if isinstance(fragment, bytearray):
        fragment[:] = b"\xff" * len(fragment)


def state(engine: Any) -> Any:
    return (
        engine.offset,
        getattr(engine, "skipped", None),
        getattr(engine, "stopped", None),
        described(engine.error),
    )


def by_feed(log: Log, engine: Any, fragments: list[Any], may_spoil: bool) -> None:
    for fragment in fragments:
        log.call("feed", engine.feed, fragment)
        log.steps.append(state(engine))
        if may_spoil:
            spoil(fragment)
    for call in (engine.finish, engine.finish):
        log.call("finish", call)
        log.steps.append(state(engine))


def by_iterate(
    log: Log, engine: Any, fragments: list[Any], may_spoil: bool, way: str = "iterate", most: int = -1
) -> None:
    source = Source(fragments, may_spoil)
    run = getattr(engine, way)(source)
    while most:
        most -= 1
        item, error = attempt(next, run, DONE)
        if error is not None:
            log.steps.append(("error", described(error)))
        if item is DONE or error is not None:
            break
        if way == "batches":
            log.steps += [
                ("item", shown) for shown in log.keep(check_batch(item))
            ]  # where one ends is not promised
        else:
            log.steps.append(("item", log.keep([item])[0], source.pulled))
    run.close()
    run.close()
    log.steps.append(("closed", source.closed, source.pulled))
    if most < 0:
        log.steps.append(state(engine))


def check_batch(batch: Any) -> list[Any]:
    """Its items, which lie in its data where its offsets say; text with surrogates has no data."""
    items = list(batch)
    shown = [getattr(item, "data", getattr(item, "text", item)) for item in items]
    raw = [item.encode("utf-8", "surrogatepass") if isinstance(item, str) else bytes(item) for item in shown]
    _, error = attempt(lambda: batch.offsets)
    if error is None:
        ends = batch.offsets.tolist()
        assert [bytes(batch.data[a:b]) for a, b in pairwise(ends)] == raw, (raw, ends, batch.data)
        assert batch.nbytes == len(batch.data) == ends[-1]
    else:
        assert isinstance(error, UnicodeEncodeError), error
    return items


def by_batches(log: Log, engine: Any, fragments: list[Any], may_spoil: bool) -> None:
    by_iterate(log, engine, fragments, may_spoil, "batches")


def by_part(log: Log, engine: Any, fragments: list[Any], may_spoil: bool) -> None:
    by_iterate(log, engine, fragments, may_spoil, most=2)


DONE = object()
WAYS = (by_feed, by_iterate, by_batches, by_part)


def given(steps: list[Any]) -> tuple[list[Any], Any]:
    """The items in a log without their calls, and the error that came in the end."""
    items: list[Any] = []
    error = None
    for step in steps:
        if step[0] in ("feed", "finish") and isinstance(step[1], list):
            items += step[1]
        elif step[0] == "item":
            items.append(step[1])
        elif step[0] in ("feed", "finish", "error"):
            error = error or step[1]
    return items, error


def play_engine(
    draw: Draw,
    make: list[Callable[[], Any]],
    whole: Callable[[bytes], Any],
    flow: Any,
    borrow: bool,
    in_place: bool = False,
) -> None:
    """Two rounds with a reset() between them: the twins do the same, and what comes out is that of one fragment.

    ``make`` are the engines, ``whole`` makes the input of the rest of the bytes; ``flow`` joins items that are no more
    than parts of a flow, None for items that stand for themselves. ``in_place``: an item may be changed later.
    """
    ways = [way for way in WAYS if flow is None or way is not by_batches]
    rounds = [(draw.choice(ways), draw.choice(KINDS), draw.sizes()) for _ in range(2)]
    data = whole(draw.rest())
    logs = []
    for factory in make:
        log = Log()
        logs.append(log)
        engine, error = attempt(factory)
        if error is not None:
            log.steps.append(described(error))
            continue
        for way, kind, sizes in rounds:
            parts = cut(data, sizes)
            convert = kind if isinstance(data, (bytes, bytearray)) else KINDS[0]
            log.steps.append(("round", way.__name__))
            way(log, engine, [convert(part) for part in parts], not borrow)
            engine.reset()
            log.steps.append(state(engine))
        if not in_place:
            log.check_kept()
    equal(logs[0].steps, logs[1].steps, rounds, data)
    if engine is not None:
        check_cuts(make[1](), data, logs[0], flow, [way for way, _, _ in rounds])


def check_cuts(engine: Any, data: Any, log: Log, flow: Any, ways: list[Any]) -> None:
    """Each round that took all gives what one fragment gives (L2)."""
    whole = Log()
    by_feed(whole, engine, [data], False)
    wanted, error = given(whole.steps)
    starts = [at for at, step in enumerate(log.steps) if step[0] == "round"]
    for way, start, stop in zip(ways, starts, [*starts[1:], len(log.steps)], strict=True):
        if way is by_part:
            continue
        items, failed = given(log.steps[start:stop])
        if flow and "ItemTooLarge" in (failed[:1] if failed else ()) + (error[:1] if error else ()):
            # how much is held, and so what is too much, is a matter of the cut: one is the beginning of the other
            one, other = sorted((flow(items), flow(wanted)), key=len)
            assert other[: len(one)] == one, (way.__name__, data)
            continue
        told = way.__name__, data, "in parts against in one fragment"
        equal(flow(items) if flow else items, flow(wanted) if flow else wanted, *told)
        equal(failed[:2] if failed else None, error[:2] if error else None, *told)
