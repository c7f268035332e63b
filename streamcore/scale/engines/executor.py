"""Any ``concurrent.futures.Executor``: threads, processes, MPI, Parsl, or a Dask client's ``get_executor()``."""

from __future__ import annotations

import os
from concurrent.futures import BrokenExecutor, CancelledError, Executor, Future
from queue import Empty, SimpleQueue
from typing import Any

from ..task import Receipt
from ..worker import Failure, Order, work
from . import WorkerDied


class ExecutorEngine:
    """``own``: shut the executor down in ``close``; otherwise it is left as it is, with nothing of ours in it."""

    def __init__(self, executor: Executor, slots: int | None = None, *, own: bool = False) -> None:
        self.executor, self.own = executor, own
        self.slots = slots or getattr(executor, "_max_workers", None) or os.cpu_count() or 1
        self.done: SimpleQueue[Future[Any]] = SimpleQueue()
        self.open: set[Future[Any]] = set()

    def submit(self, order: Order) -> Future[Any]:
        future = self.executor.submit(work, order)
        self.open.add(future)
        future.add_done_callback(self.done.put)
        return future

    def next_done(
        self, timeout: float | None = None
    ) -> tuple[Future[Any], Receipt | Failure | WorkerDied] | None:
        while True:
            try:
                future = self.done.get(timeout=timeout) if timeout != 0 else self.done.get_nowait()
            except Empty:
                return None
            if future not in self.open:
                continue  # cancelled
            self.open.remove(future)
            try:
                return future, future.result()
            except BrokenExecutor:
                raise  # and so do all others that wait; only who made the executor can make a new one
            except (Exception, CancelledError) as error:  # noqa: BLE001 - it is the answer
                # ``work`` raises nothing: what comes is the executor's
                died = WorkerDied(f"{type(error).__name__}: {error}")
                died.__cause__ = error
                return future, died

    def cancel(self, handle: Future[Any]) -> None:
        self.open.discard(handle)
        handle.cancel()

    def close(self) -> None:
        for future in self.open:
            future.cancel()
        if self.own:
            self.executor.shutdown(wait=True, cancel_futures=True)
        else:
            running = [future for future in self.open if not future.done()]
            for future in running:
                if not future.cancelled():
                    future.exception()
        self.open.clear()
