"""Objects with the method names of a Runnable, as those of other libraries are."""

from __future__ import annotations

__all__ = ["AsyncForeign", "Foreign"]


class Foreign:
    def invoke(self, input, config=None):
        return input

    def stream(self, input, config=None):
        yield input

    def transform(self, input, config=None):
        yield from input


class AsyncForeign(Foreign):
    async def ainvoke(self, input, config=None):
        return input

    async def astream(self, input, config=None):
        yield input

    async def atransform(self, input, config=None):
        async for chunk in input:
            yield chunk
