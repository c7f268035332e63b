"""The lock of what several threads share, and the wait for a change of it."""

from __future__ import annotations

from threading import Condition, RLock

__all__ = ["Changes"]


class Changes:
    """A condition of which to tell costs next to nothing while nobody waits. A finalizer may take the lock again."""

    __slots__ = ("_changed", "_waiting", "lock")

    def __init__(self) -> None:
        self.lock = RLock()
        self._changed = Condition(self.lock)
        self._waiting = 0  # threads

    def wait(self) -> None:
        """Until something has changed; under the lock, as ``tell``."""
        self._waiting += 1
        try:
            self._changed.wait()
        finally:
            self._waiting -= 1

    def tell(self) -> None:
        """Something has changed."""
        if self._waiting:
            self._changed.notify_all()
