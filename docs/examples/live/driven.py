"""The live page driven by a program: a server in a thread, and sources that give tokens when they are told to."""

from __future__ import annotations

import asyncio
import math
import os
import shutil
import threading
from types import TracebackType

from app import HERE, LivePage, Server, Sources, listening, release

__all__ = ["HERE", "Background", "Stepped", "browser_here"]

BROWSERS = ["chromium", "chromium-browser", "google-chrome", "google-chrome-stable"]
LONG = 60.0
"""Seconds after which something that had to happen counts as one that never will."""


def browser_here() -> str | None:
    """The path of a Chromium: ``STREAMCORE_BROWSER``, or one on PATH. None is the one of Playwright, if it has one."""
    return os.environ.get("STREAMCORE_BROWSER") or next(filter(None, map(shutil.which, BROWSERS)), None)


class Stepped(Sources):
    """Every answer gives as many tokens as ``allow`` says, at once, and then waits."""

    def __init__(self) -> None:
        super().__init__()
        self.allowed = 0.0
        self.held: list[tuple[int, asyncio.Future[None]]] = []
        self.changed = threading.Condition()

    def begin(self, wait: asyncio.Future[None], seconds: float, given: int) -> None:
        self.held.append((given, wait))
        self.let_go()

    def let_go(self) -> None:
        for given, wait in self.held:
            if given < self.allowed:
                release(wait)
        self.held = [(given, wait) for given, wait in self.held if not wait.done()]

    def count(self, change: int) -> None:
        with self.changed:
            super().count(change)
            self.changed.notify_all()

    def until_open(self, number: int) -> None:
        """Return when so many sources are open, from any thread."""
        with self.changed:
            assert self.changed.wait_for(lambda: self.open == number, LONG), f"{self.open}, not {number}"


class Background:
    """The server in a thread, at ``url``, while the ``with`` block runs."""

    def __init__(self, sources: Sources | None = None) -> None:
        self.sources = sources or Sources()
        self.listener = listening("127.0.0.1", 0)
        self.port: int = self.listener.getsockname()[1]
        self.url = f"http://127.0.0.1:{self.port}/"
        self.server = Server(LivePage(self.sources))
        self.server.config.timeout_graceful_shutdown = int(
            LONG
        )  # a slow machine is no reason to cut connections
        self.running = threading.Event()
        self.thread = threading.Thread(target=self.run, name="live page")

    def run(self) -> None:
        asyncio.run(self.serve())

    async def serve(self) -> None:
        self.loop = asyncio.get_running_loop()
        self.running.set()  # the socket listens already: a client that comes too early waits there
        await self.server.serve(sockets=[self.listener])

    def allow(self, tokens: float = math.inf) -> None:
        """Let every answer, also those that begin later, give so many tokens in all."""
        assert isinstance(self.sources, Stepped)
        self.sources.allowed = tokens
        self.loop.call_soon_threadsafe(self.sources.let_go)

    def stop(self) -> None:
        """End it as Ctrl-C does."""
        self.server.should_exit = True
        self.thread.join(LONG)
        assert not self.thread.is_alive()

    def __enter__(self) -> Background:
        self.thread.start()
        assert self.running.wait(LONG)
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.stop()
