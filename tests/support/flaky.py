"""A stage that fails in some of its attempts, and what comes of a stream of it."""

from __future__ import annotations

import asyncio

from recorder import AsyncSource, Source

from streamcore import RunnableGenerator

__all__ = ["Flaky", "taken"]


class Flaky:
    """Streaming stage: attempt i, from 1, fails after ``plan[i - 1]`` chunks; after the plan nothing fails."""

    def __init__(self, *plan, error=ValueError, pulls=0, change=None):
        self.plan, self.error, self.pulls, self.change = plan, error, pulls, change
        self.attempts, self.open, self.raised = 0, 0, []

    def begin(self):
        assert not self.open, "the attempt before is still open"
        self.open += 1
        self.attempts += 1
        return self.plan[self.attempts - 1] if self.attempts <= len(self.plan) else None

    def fail(self):
        self.raised.append(self.error(f"attempt {self.attempts}"))
        return self.raised[-1]

    def sync(self, chunks):
        left = self.begin()
        try:
            if left is not None and self.pulls:
                for _ in zip(range(self.pulls), chunks, strict=False):
                    pass
                raise self.fail()
            for chunk in chunks:
                if left is not None and not left:
                    raise self.fail()
                yield self.made(chunk)
                left = None if left is None else left - 1
            if left is not None:
                raise self.fail()
        finally:
            self.open -= 1

    async def asynchronous(self, chunks):
        left = self.begin()
        try:
            if left is not None and self.pulls:
                for _ in range(self.pulls):
                    await anext(chunks)
                raise self.fail()
            async for chunk in chunks:
                if left is not None and not left:
                    raise self.fail()
                yield self.made(chunk)
                left = None if left is None else left - 1
            if left is not None:
                raise self.fail()
        finally:
            try:
                await asyncio.sleep(0)
            finally:
                self.open -= 1

    def made(self, chunk):
        return self.change(self.attempts, chunk) if self.change else chunk

    @property
    def stage(self):
        return RunnableGenerator(self.sync, self.asynchronous)

    def retry(self, **options):
        return self.stage.with_retry(**{"wait_exponential_jitter": False, **options})


def taken(stage, items, mode, config=None, error=None):
    """The chunks, the exception after them, and the source."""
    source = (Source if mode == "sync" else AsyncSource)(items, error)
    chunks = []

    async def main():
        async for chunk in stage.atransform(source, config):
            chunks.append(chunk)  # noqa: PERF401 - kept where it fails

    try:
        if mode == "sync":
            for chunk in stage.transform(source, config):
                chunks.append(chunk)  # noqa: PERF402
        else:
            asyncio.run(main())
    except Exception as caught:  # noqa: BLE001 - looked at by the test
        return chunks, caught, source
    return chunks, None, source
