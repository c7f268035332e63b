"""Where the threads of streams and batches begin: an interrupt in the midst of that leaves none."""

from __future__ import annotations

import threading
from collections.abc import Callable
from typing import Any

__all__ = ["Begun"]


class Begun(threading.Thread):
    """A daemon thread that does nothing before ``begin`` knows that it has been started.

    A ``KeyboardInterrupt`` may come out of ``Thread.start`` though the thread runs: nobody would have it, to end it,
    and whoever started it would close what the thread works on.
    """

    def __init__(self, target: Callable[..., object], args: tuple[Any, ...] = (), *, name: str) -> None:
        super().__init__(target=target, args=args, name=name, daemon=True)
        self._gate = threading.Lock()
        self._gate.acquire()
        self._goes = False

    def begin(self) -> None:
        """Start it. Where this raises, its function is never called."""
        try:
            try:
                self.start()
                self._goes = True
            finally:
                self._gate.release()
        except BaseException:
            if self.ident is not None and not self._goes:
                self.join()
            raise

    def run(self) -> None:
        with self._gate:
            pass
        if self._goes:
            super().run()
