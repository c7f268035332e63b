"""One order after another in this thread: no process is started, so a run of a small file costs no start-up."""

from __future__ import annotations

from collections import deque

from ..task import Receipt
from ..worker import Failure, Order, work


class SerialEngine:
    slots = 1

    def __init__(self) -> None:
        self.waiting: deque[Order] = deque()

    def submit(self, order: Order) -> str:
        self.waiting.append(order)
        return order.attempt

    def next_done(self, timeout: float | None = None) -> tuple[str, Receipt | Failure] | None:
        if timeout == 0 or not self.waiting:
            return None
        order = self.waiting.popleft()
        return order.attempt, work(order)

    def cancel(self, handle: str) -> None:
        self.waiting = deque(order for order in self.waiting if order.attempt != handle)

    def close(self) -> None:
        self.waiting.clear()
