"""``check_laws`` catches each of these stages, by the law that it breaks, and passes what they were made from."""

from __future__ import annotations

import asyncio
from contextlib import suppress

import pytest
from honest_stages import ITEMS, SAMPLES, Doubler, Splitter, closing

from streamcore import Runnable, ops
from streamcore.testing import LawViolation, check_laws

# -- the mutants


class DropsAnItem(Splitter):
    def invoke(self, input, config=None):
        return list(self.transform([input]))[:-1]


class DropsAnItemInTransform(Runnable):
    def invoke(self, input, config=None):
        return input.split("\n")

    def stream(self, input, config=None):
        yield from self.invoke(input)

    def transform(self, input, config=None):
        yield from self.invoke("".join(input))[1:]

    collect = Splitter.collect


class DropsAnItemAsync(Splitter):
    async def astream(self, input, config=None):
        for line in list(self.transform([input]))[1:]:
            yield line


class ReordersAcrossABoundary(Splitter):
    def transform(self, input, config=None):
        rest = ""
        for chunk in input:
            *lines, rest = (rest + chunk).split("\n")
            yield from reversed(lines)
        if rest:
            yield rest


class DependsOnCuts(Splitter):
    def transform(self, input, config=None):
        for chunk in input:
            yield from chunk.splitlines()


class DependsOnCutsAsync(Splitter):
    async def atransform(self, input, config=None):
        async for chunk in input:
            for line in self.transform([chunk]):
                yield line


class ReordersAsync(Splitter):
    async def atransform(self, input, config=None):
        rest = ""
        async for chunk in input:
            *lines, rest = (rest + chunk).split("\n")
            for line in reversed(lines):
                yield line
        if rest:
            yield rest


class LeaksOperator(ops.map):
    """It inherits the promise that it closes its source."""

    _closes_input = True

    def transform(self, input, config=None):
        yield from list(input)


class LeaksOperatorAsync(ops.map):
    _closes_input = True

    async def atransform(self, input, config=None):
        async for item in input:
            yield item


class PullsOneAhead(Splitter):
    def transform(self, input, config=None):
        lines = super().transform(input)
        held = next(lines, None)
        for line in lines:
            yield held
            held = line
        if held is not None:
            yield held


class PullsOneItemAhead(Doubler):
    transform = PullsOneAhead.transform


class PullsAll(Splitter):
    def transform(self, input, config=None):
        yield from super().transform(iter(["".join(input)]))


class PullsAllItems(Doubler):
    def transform(self, input, config=None):
        yield from super().transform(list(input))


class PullsAllAsync(Splitter):
    async def atransform(self, input, config=None):
        for line in self.transform(["".join([chunk async for chunk in input])]):
            yield line


class LosesTheError(Splitter):
    def transform(self, input, config=None):
        try:
            yield from super().transform(input)
        except OSError:
            return


class LosesTheErrorAsync(Splitter):
    async def atransform(self, input, config=None):
        try:
            async for line in super().atransform(input):
                yield line
        except OSError:
            return


class WrapsTheError(Splitter):
    def transform(self, input, config=None):
        try:
            yield from super().transform(input)
        except OSError as error:
            raise RuntimeError("no line") from error


class WrapsTheErrorAsync(Splitter):
    async def atransform(self, input, config=None):
        try:
            async for line in super().atransform(input):
                yield line
        except OSError as error:
            raise RuntimeError("no line") from error


class CopiesTheError(Splitter):
    def transform(self, input, config=None):
        try:
            yield from super().transform(input)
        except OSError as error:
            raise type(error)(*error.args) from None


class LosesItemsBeforeTheError(Splitter):
    def transform(self, input, config=None):
        held = []
        lines = super().transform(input)
        while True:
            try:
                held.append(next(lines))
            except StopIteration:
                break
        yield from held


class SwallowsCancellation(Splitter):
    async def atransform(self, input, config=None):
        try:
            async for line in super().atransform(input):
                yield line
        except asyncio.CancelledError:
            return


class SwallowsCancellationAndGoesOn(Splitter):
    async def atransform(self, input, config=None):
        rest = ""
        source = aiter(input)
        while True:
            try:
                chunk = await anext(source)
            except asyncio.CancelledError:
                continue
            except StopAsyncIteration:
                break
            *lines, rest = (rest + chunk).split("\n")
            for line in lines:
                yield line
        if rest:
            yield rest


class SwallowsCancellationOfACall(Runnable):
    def invoke(self, input, config=None):
        return input

    async def ainvoke(self, input, config=None):
        with suppress(asyncio.CancelledError):
            await asyncio.sleep(0)
        return input


class KeepsStateBetweenCalls(Splitter):
    rest = ""

    def transform(self, input, config=None):
        for chunk in input:
            *lines, self.rest = (self.rest + chunk).split("\n")
            yield from lines
        if self.rest:
            yield self.rest


class KeepsStateThatTheEndClears(KeepsStateBetweenCalls):
    def transform(self, input, config=None):
        yield from super().transform(input)
        self.rest = ""


class KeepsStateOfInvoke(Runnable):
    calls = 0

    def invoke(self, input, config=None):
        self.calls += 1
        return input * self.calls


class KeepsStateAsync(Splitter):
    rest = ""

    async def atransform(self, input, config=None):
        async for chunk in input:
            *lines, self.rest = (self.rest + chunk).split("\n")
            for line in lines:
                yield line
        rest, self.rest = self.rest, ""
        if rest:
            yield rest


class ScansAllAgain(Splitter):
    def transform(self, input, config=None):
        seen, given = "", 0
        for chunk in input:
            seen += chunk
            lines = seen.split("\n")
            yield from lines[given:-1]
            given = len(lines) - 1
        if lines := seen.split("\n")[given:]:
            yield from filter(None, lines)


class ScansAllAgainAsync(Splitter):
    async def atransform(self, input, config=None):
        seen, given = "", 0
        async for chunk in input:
            seen += chunk
            lines = seen.split("\n")
            for line in lines[given:-1]:
                yield line
            given = len(lines) - 1
        for line in filter(None, seen.split("\n")[given:]):
            yield line


class JoinsAllAgain(Splitter):
    """No method of the text shows it."""

    def transform(self, input, config=None):
        seen, given = [], 0
        for chunk in input:
            seen.append(chunk)
            lines = "".join(seen).split("\n")
            yield from lines[given:-1]
            given = len(lines) - 1
        yield from filter(None, "".join(seen).split("\n")[given:])


class LooksThroughAllItems(Doubler):
    def transform(self, input, config=None):
        seen = []
        for item in input:
            seen.append(object())
            yield item * (2 - (None in seen))


class Grows(Splitter):
    def transform(self, input, config=None):
        held = []
        for line in super().transform(input):
            held.append(line)
            yield line


class GrowsAsync(Splitter):
    async def atransform(self, input, config=None):
        held = []
        async for line in super().atransform(input):
            held.append(line)
            yield line


class GrowsByItems(Doubler):
    def transform(self, input, config=None):
        held = []
        for item in input:
            held.append(item)
            yield item * 2


TEXT = [
    ("drops an item", DropsAnItem(), "completeness"),
    ("drops an item in transform", DropsAnItemInTransform(), "completeness"),
    ("drops an item, async", DropsAnItemAsync(), "completeness"),
    ("reorders across a boundary", ReordersAcrossABoundary(), "fragmentation"),
    ("reorders across a boundary, async", ReordersAsync(), "fragmentation"),
    ("depends on cuts", DependsOnCuts(), "fragmentation"),
    ("depends on cuts, async", DependsOnCutsAsync(), "fragmentation"),
    ("leaks the source", closing(0, 1), "cleanup"),
    ("leaks the source, async", closing(1, 0), "cleanup"),
    ("closes three times", closing(3, 1), "cleanup"),
    ("closes three times, async", closing(1, 3), "cleanup"),
    ("closes twice", closing(2, 1), "cleanup"),
    ("closes twice, async", closing(1, 2), "cleanup"),
    ("pulls one ahead", PullsOneAhead(), "eagerness"),
    ("pulls all", PullsAll(), "eagerness"),
    ("pulls all, async", PullsAllAsync(), "eagerness"),
    ("loses the error", LosesTheError(), "errors"),
    ("loses the error, async", LosesTheErrorAsync(), "errors"),
    ("wraps the error", WrapsTheError(), "errors"),
    ("wraps the error, async", WrapsTheErrorAsync(), "errors"),
    ("copies the error", CopiesTheError(), "errors"),
    ("loses items before the error", LosesItemsBeforeTheError(), "eagerness"),
    ("swallows cancellation", SwallowsCancellation(), "cleanup"),
    ("swallows cancellation and goes on", SwallowsCancellationAndGoesOn(), "cleanup"),
    ("swallows cancellation of a call", SwallowsCancellationOfACall(), "cleanup"),
    ("keeps state between calls", KeepsStateBetweenCalls(), "independence"),
    ("keeps state that the end clears", KeepsStateThatTheEndClears(), "independence"),
    ("keeps state of invoke", KeepsStateOfInvoke(), "independence"),
    ("keeps state, async", KeepsStateAsync(), "independence"),
    ("scans all again", ScansAllAgain(), "cost"),
    ("scans all again, async", ScansAllAgainAsync(), "cost"),
    ("joins all again", JoinsAllAgain(), "cost"),
    ("grows", Grows(), "memory"),
    ("grows, async", GrowsAsync(), "memory"),
]
OF_ITEMS = [
    ("leaks the source as an operator", LeaksOperator(str), "cleanup"),
    ("leaks the source as an operator, async", LeaksOperatorAsync(str), "cleanup"),
    ("pulls one item ahead", PullsOneItemAhead(), "eagerness"),
    ("pulls all items", PullsAllItems(), "eagerness"),
    ("looks through all items", LooksThroughAllItems(), "cost"),
    ("grows by items", GrowsByItems(), "memory"),
]
MUTANTS = [(*mutant, SAMPLES) for mutant in TEXT] + [(*mutant, ITEMS) for mutant in OF_ITEMS]


@pytest.mark.parametrize(("name", "mutant", "law", "samples"), MUTANTS, ids=[each[0] for each in MUTANTS])
def test_a_mutant_is_caught_by_its_law(name, mutant, law, samples, monkeypatch):
    monkeypatch.setattr("streamcore.testing.eagerness.LATE", 0.05)
    with pytest.raises(LawViolation) as caught:
        check_laws(mutant, samples, laws=(law,))
    assert caught.value.law == law
