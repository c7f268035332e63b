"""Stages as a user writes them, that keep the laws: what the mutants are made from."""

from __future__ import annotations

from streamcore import Runnable

__all__ = ["ITEMS", "SAMPLES", "Doubler", "OnlyAsync", "OnlySync", "Splitter", "closing"]

SAMPLES = ["one\ntwo\n\nthree", "", "\n", "no end\n"]
ITEMS = [[], [1], [3, 1, 2, 1]]


class Splitter(Runnable[str, list]):
    """Lines, rightly: a plain generator function and its async twin."""

    def collect(self, chunks):
        return list(chunks)

    def transform(self, input, config=None):
        rest = ""
        for chunk in input:
            *lines, rest = (rest + chunk).split("\n")
            yield from lines
        if rest:
            yield rest

    async def atransform(self, input, config=None):
        rest = ""
        async for chunk in input:
            *lines, rest = (rest + chunk).split("\n")
            for line in lines:
                yield line
        if rest:
            yield rest


class OnlySync(Runnable[str, list]):
    collect = Splitter.collect
    transform = Splitter.transform


class OnlyAsync(Runnable[str, list]):
    collect = Splitter.collect
    atransform = Splitter.atransform


class Doubler(Runnable):
    """Items, rightly."""

    def collect(self, chunks):
        return list(chunks)

    def transform(self, input, config=None):
        for item in input:
            yield item * 2

    async def atransform(self, input, config=None):
        async for item in input:
            yield item * 2


class Closing:
    """An iterator of either kind over ``stream`` that closes ``source`` as often as told."""

    def __init__(self, stream, source, times):
        self.stream, self.source, self.times = stream, source, times

    def __iter__(self):
        return self

    __aiter__ = __iter__

    def __next__(self):
        try:
            return next(self.stream)
        except BaseException:
            self.close()
            raise

    async def __anext__(self):
        try:
            return await anext(self.stream)
        except BaseException:
            await self.aclose()
            raise

    def close(self):
        times, self.times = self.times, 0
        for _ in range(times if hasattr(self.source, "close") else 0):  # a list has none
            self.source.close()

    async def aclose(self):
        times, self.times = self.times, 0
        for _ in range(times if hasattr(self.source, "aclose") else 0):
            await self.source.aclose()

    def __del__(self):
        self.close()


def closing(times, atimes):
    """The splitter as a class whose streams close their source themselves."""

    class Closes(Splitter):
        def transform(self, input, config=None):
            return Closing(super().transform(input), input, times)

        def atransform(self, input, config=None):
            return Closing(super().atransform(input), input, atimes)

    return Closes()
