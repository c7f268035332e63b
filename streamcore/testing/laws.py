"""The checks of ``streamcore.testing``, one method for each law."""

from __future__ import annotations

import asyncio
import random
from collections.abc import Awaitable, Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass, field
from itertools import pairwise, product
from typing import Any

from ..runnables.base import Runnable
from .endings import ASYNC_ENDINGS, ENDINGS, AsyncSource, GatedSource
from .twins import on_backend

__all__ = ["LAWS", "LawReport", "LawViolation", "RecordingSource", "check_laws", "cut_at", "fragmentations"]

LAWS = ("completeness", "fragmentation", "order", "eagerness", "cleanup", "errors", "twins")
EXHAUSTIVE = 10
"""Samples of up to this many elements are cut in every way: 2 ** 9 of them."""
LATE = 10.0
"""Seconds after which a chunk that was due on an event loop is missing."""
_END = object()
EAGER = 48
"""Samples beyond this many elements are too long for the check of eagerness, which is quadratic."""


class LawViolation(AssertionError):
    """A law does not hold; ``law`` is its name, the message shows the input."""

    def __init__(self, law: str, message: str) -> None:
        super().__init__(f"{law}: {message}")
        self.law = law


@dataclass
class LawReport:
    """How much was checked: the number of comparisons for each law."""

    checked: dict[str, int] = field(default_factory=lambda: dict.fromkeys(LAWS, 0))

    @property
    def total(self) -> int:
        return sum(self.checked.values())


class RecordingSource:
    """An iterator over ``fragments`` that counts its pulls and closes, and may raise at the end."""

    def __init__(self, fragments: Iterable[Any], error: BaseException | None = None) -> None:
        self._fragments = iter(fragments)
        self._error = error
        self.pulled = 0
        self.closed = 0

    def __iter__(self) -> RecordingSource:
        return self

    def __next__(self) -> Any:
        if self.closed:
            raise LawViolation("cleanup", "the source was pulled after it had been closed")
        self.pulled += 1
        try:
            return next(self._fragments)
        except StopIteration:
            if self._error is not None:
                raise self._error from None
            raise

    def close(self) -> None:
        self.closed += 1


def cut_at(whole: Any, positions: Iterable[int]) -> list[Any]:
    """The fragments of ``whole`` between ``positions``, which may repeat (an empty fragment)."""
    edges = [0, *sorted(positions), len(whole)]
    return [whole[start:stop] for start, stop in pairwise(edges)]


def fragmentations(whole: Any, cuts: int = 100, seed: int = 0) -> Iterator[list[Any]]:
    """Ways to cut ``whole``: all of them if it is short, else every cut in two and ``cuts`` random ones.

    Empty fragments come first, last and in between.
    """
    size = len(whole)
    yield [whole]
    yield [whole[:0], whole, whole[:0]]
    if size <= EXHAUSTIVE:
        for inside in product((False, True), repeat=max(size - 1, 0)):
            yield cut_at(whole, (at + 1 for at, cut in enumerate(inside) if cut))
    else:
        yield [whole[at : at + 1] for at in range(size)]
        choose = random.Random(seed)
        points = range(1, size) if size <= 4 * cuts else choose.sample(range(1, size), cuts)
        yield from (cut_at(whole, (at,)) for at in points)
        for _ in range(cuts):
            count = choose.choice((2, 3, 5, size // 3, size))
            yield cut_at(whole, choose.choices(range(size + 1), k=count))


def check_laws(
    runnable: Runnable[Any, Any],
    samples: Iterable[Any],
    *,
    laws: Sequence[str] = LAWS,
    cuts: int = 100,
    seed: int = 0,
    flow: bool | None = None,
    equal: Callable[[Any, Any], bool] | None = None,
) -> LawReport:
    """Raise ``LawViolation`` if ``runnable`` breaks a law on one of ``samples``; see the module for what is checked.

    ``laws`` selects; ``cuts`` and ``seed`` steer the random fragmentations. ``flow`` says that the output is one text,
    one run of bytes or of ids, whose pieces may lie otherwise for another cut: then folds are compared, not items;
    ``None`` takes the Runnable's word. ``equal`` compares two outputs where ``==`` does not do.
    """
    unknown = set(laws) - set(LAWS)
    if unknown:
        raise ValueError(f"no such law: {', '.join(sorted(unknown))}; there are {', '.join(LAWS)}")
    check = _Check(runnable, list(samples), cuts, seed, flow, equal)
    for law in LAWS:
        if law in laws:
            for sample in check.samples:
                getattr(check, law)(sample)
    return check.report


class _Check:
    """One Runnable, its samples, and a method for each law."""

    def __init__(
        self,
        runnable: Runnable[Any, Any],
        samples: list[Any],
        cuts: int,
        seed: int,
        flow: bool | None,
        equal: Callable[[Any, Any], bool] | None,
    ) -> None:
        self.runnable = runnable
        self.samples = samples
        self.cuts = cuts
        self.seed = seed
        self.flow = runnable._chunks_are == "pieces" if flow is None else flow
        self.equal = equal or _equal
        self.report = LawReport()
        self.pair: list[Any] | None = None  # the twins; a tokenizer takes a while to make

    def same(self, law: str, got: Any, wanted: Any, where: str) -> None:
        self.report.checked[law] += 1
        if not self.equal(got, wanted):
            raise LawViolation(law, f"{self.runnable!r} {where}: got {_short(got)}, not {_short(wanted)}")

    def outcome(self, make: Callable[[], Iterable[Any]], runnable: Any = None) -> tuple[Any, Any]:
        """The output, folded if it is a flow, and the error that ended it as (type, text)."""
        chunks: list[Any] = []
        error = None
        try:
            chunks.extend(make())
        except Exception as failure:  # noqa: BLE001 - an outcome like any other, compared below
            error = type(failure), str(failure)
        return self.folded(chunks), error

    def folded(self, chunks: list[Any]) -> Any:
        return (self.runnable.collect(chunks) if chunks else None) if self.flow else chunks

    def pieces(self, sample: Any) -> list[Any]:
        """The sample as the fragments of a stream: text and bytes in halves, other sequences item by item."""
        if isinstance(sample, (str, bytes)):
            half = len(sample) // 2
            return [sample[:half], sample[half:]]
        return list(sample) if isinstance(sample, (list, tuple)) else [sample]

    def streams(self) -> bool:
        return not self.runnable._written.waits

    # -- the laws

    def completeness(self, sample: Any) -> None:
        whole = _value_or_error(lambda: self.runnable.invoke(sample))
        folded = _value_or_error(lambda: self.runnable.collect(self.runnable.stream(sample)))
        self.same("completeness", folded, whole, f"folding the stream of {_short(sample)}")
        runnable = self.runnable

        async def folded_async() -> Any:
            return runnable.collect([chunk async for chunk in runnable.astream(sample)])

        async def invoked_async() -> Any:
            return await runnable.ainvoke(sample)

        for name, make in ("folding astream", folded_async), ("ainvoke", invoked_async):
            got = _value_or_error(lambda make=make: asyncio.run(make()))  # type: ignore[misc]
            self.same("completeness", got, whole, f"{name} of {_short(sample)}")

    def fragmentation(self, sample: Any) -> None:
        if not (self.streams() and isinstance(sample, (str, bytes))):
            return
        wanted = self.outcome(lambda: self.runnable.transform([sample]))
        for fragments in fragmentations(sample, self.cuts, self.seed):
            got = self.outcome(lambda fragments=fragments: self.runnable.transform(fragments))  # type: ignore[misc]
            self.same("fragmentation", got, wanted, f"cut as {_short(fragments)}")

    def order(self, sample: Any) -> None:
        several = [sample, *self.samples[:7]]
        one_by_one = [_value_or_error(lambda each=each: self.runnable.invoke(each)) for each in several]  # type: ignore[misc]
        together = [
            (type(output), str(output)) if isinstance(output, Exception) else output
            for output in self.runnable.batch(several, return_exceptions=True)
        ]
        self.same("order", together, one_by_one, f"batch of {len(several)} inputs")

    def eagerness(self, sample: Any) -> None:
        if not (self.streams() and isinstance(sample, (str, bytes)) and len(sample) <= EAGER):
            return
        elements = sorted(
            {
                each[at : at + 1]
                for each in self.samples
                if isinstance(each, type(sample))
                for at in range(len(each))
            }
        )
        endings = [
            sample[:0],
            *elements,
            *(each for each in self.samples if isinstance(each, type(sample)) and len(each) <= EAGER),
        ]
        emitted = self.emitted_by_prefix(sample)
        for length in range(1, len(sample)):
            prefix = sample[:length]
            endings_here = [*endings, sample[length:]]
            decided = _common_prefix(
                [self.flat(self.runnable.transform([prefix, end])) for end in endings_here]
            )
            self.same("eagerness", emitted[length], decided, f"after {_short(prefix)}")
        asyncio.run(self.async_eagerness(sample, emitted))

    async def async_eagerness(self, sample: Any, emitted: list[Any]) -> None:
        """``atransform`` gives what ``transform`` gives, while its source waits with the next element."""
        source = GatedSource(sample)
        stream: Any = self.runnable.atransform(source)
        pull = asyncio.ensure_future(_next_or_failure(stream))
        held: list[Any] = []
        try:
            for length in range(1, len(sample)):
                source.allow_one()
                wanted = emitted[length]
                while not (held and held[-1] is _END):
                    late = len(self.flat(held)) < len(wanted)
                    await asyncio.wait([pull], timeout=LATE if late else 0)
                    if not pull.done():
                        break
                    held.append(pull.result())
                    pull = asyncio.ensure_future(_next_or_failure(stream))
                got = self.flat(held[:-1] if held and held[-1] is _END else held)
                self.same("eagerness", got, wanted, f"on an event loop, after {_short(sample[:length])}")
        finally:
            pull.cancel()
            await asyncio.wait([pull])
            await stream.aclose()

    def emitted_by_prefix(self, sample: Any) -> list[Any]:
        """What has come out by the time that the stage asks for more than the first n elements, for each n."""
        source = RecordingSource(sample[at : at + 1] for at in range(len(sample)))
        when = [(source.pulled, chunk) for chunk in _with_error(self.runnable.transform(source))]
        return [self.flat(chunk for pulled, chunk in when if pulled <= n) for n in range(len(sample) + 1)]

    def flat(self, chunks: Iterable[Any]) -> Any:
        """The output as a sequence of what cannot be cut further; an error that ended it is the last of it."""
        held = list(_with_error(chunks))
        if not self.flow:
            return held
        failed = [held.pop()] if held and isinstance(held[-1], _Failure) else []
        return [*(self.runnable.collect(held) if held else ()), *failed]

    def cleanup(self, sample: Any) -> None:
        if not self.streams():
            return
        for name, end in ENDINGS.items():
            source = RecordingSource(self.pieces(sample))
            try:
                end(self.runnable.transform(source))
            except LawViolation:
                raise
            except Exception:  # noqa: BLE001 - bad input: the other laws judge it, the source is closed all the same
                name = f"{name}, after an error"
            self.same("cleanup", source.closed, 1, f"times the source of {_short(sample)} was closed, {name}")
        for name, aend in ASYNC_ENDINGS.items():
            asource = AsyncSource(RecordingSource(self.pieces(sample)))
            closed = asyncio.run(self._closed_by(aend, asource))
            self.same("cleanup", closed, 1, f"times the async source of {_short(sample)} was closed, {name}")

    async def _closed_by(self, end: Callable[[Any], Awaitable[None]], source: AsyncSource) -> int:
        """How often ``source`` had been closed when ``end`` returned."""
        stream = self.runnable.atransform(source)
        try:
            await end(stream)
        except LawViolation:
            raise
        except Exception:  # noqa: BLE001 - bad input, as above; an error has closed the source already
            return int(source.counts.closed)
        return int(source.counts.closed)

    def errors(self, sample: Any) -> None:
        if not self.streams():
            return
        pieces = self.pieces(sample)
        bad = _value_or_error(lambda: list(self.runnable.transform(pieces)))
        if isinstance(bad, tuple):
            return
        for count in range(len(pieces) + 1):
            before = RecordingSource(pieces[:count])
            prefix = _with_error(self.runnable.transform(before))  # which may end inside an item
            wanted = [chunk for chunk in prefix if before.pulled <= count]
            failure = ConnectionResetError("the source broke")
            source = RecordingSource(pieces[:count], failure)
            got: list[Any] = []
            try:
                for chunk in self.runnable.transform(source):
                    got.append(chunk)  # noqa: PERF402
            except ConnectionResetError as error:
                self.same("errors", error is failure, True, "the source's exception arrives as it is")
                self.same("errors", source.closed, 1, "times the source was closed when it raised")
            else:
                # a stage that has enough may end before the source breaks
                if source.pulled > count:
                    raise LawViolation("errors", f"{self.runnable!r} swallowed the exception of its source")
                continue
            self.same(
                "errors", got, wanted, f"before its source broke after {count} fragments of {_short(sample)}"
            )

    def twins(self, sample: Any) -> None:
        if self.pair is None:
            self.pair = [on_backend(self.runnable, backend) for backend in ("native", "pure")]
        pair = self.pair
        if None in pair or not isinstance(sample, (str, bytes)):
            return
        for fragments in fragmentations(sample, max(self.cuts // 10, 3), self.seed):
            native, pure = (
                self.outcome(lambda twin=twin, fragments=fragments: twin.transform(fragments))  # type: ignore[misc]
                for twin in pair
            )
            self.same(
                "twins", _plain(native), _plain(pure), f"native against pure, cut as {_short(fragments)}"
            )


@dataclass(frozen=True)
class _Failure:
    """An error as the last item of an output."""

    kind: type[Exception]
    text: str


async def _next_or_failure(stream: Any) -> Any:
    """The next chunk, the error that ends the stream as a last one, or ``_END``."""
    try:
        return await anext(stream, _END)
    except LawViolation:
        raise
    except Exception as error:  # noqa: BLE001 - an outcome like any other
        return _Failure(type(error), str(error))


def _with_error(chunks: Iterable[Any]) -> Iterator[Any]:
    """``chunks``, and the error that ends them as a last one."""
    try:
        yield from chunks
    except LawViolation:
        raise
    except Exception as error:  # noqa: BLE001 - an outcome like any other
        yield _Failure(type(error), str(error))


def _value_or_error(call: Callable[[], Any]) -> Any:
    """What ``call`` returns, or its error as (type, text)."""
    try:
        return call()
    except Exception as error:  # noqa: BLE001 - compared with the error of another way
        return type(error), str(error)


def _common_prefix(sequences: list[Any]) -> Any:
    """The longest beginning that all ``sequences`` share."""
    first = sequences[0]
    size = min(map(len, sequences))
    for at in range(size):
        if any(not _equal(other[at], first[at]) for other in sequences[1:]):
            return first[:at]
    return first[:size]


def _equal(one: Any, other: Any) -> bool:
    """``==``, also for lists of arrays, whose ``==`` is an array."""
    if isinstance(one, (list, tuple)) and isinstance(other, (list, tuple)):
        return len(one) == len(other) and all(map(_equal, one, other))
    same = one == other
    return (
        bool(same.all())
        if hasattr(same, "all") and hasattr(one, "shape") and one.shape == other.shape
        else bool(same)
    )


def _plain(output: Any) -> Any:
    """Views as bytes: their type is the backend's own."""
    if isinstance(output, (list, tuple)):
        return [_plain(each) for each in output]
    if hasattr(output, "__match_args__"):  # an item of ours: its type is the backend's own, too
        return [_plain(getattr(output, name)) for name in output.__match_args__]
    return (
        output.tobytes()
        if hasattr(output, "tobytes") and hasattr(output, "nbytes") and not hasattr(output, "dtype")
        else output
    )


def _short(value: Any) -> str:
    text = repr(value)
    return text if len(text) <= 300 else f"{text[:200]} ... {text[-80:]}"
