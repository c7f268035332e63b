"""Processes of this machine, each with a pipe of its own: which order died with a worker is known, not guessed.

``concurrent.futures.ProcessPoolExecutor`` breaks for all orders when one worker is killed, and
``multiprocessing.Pool`` waits for ever; both were tried.
"""

from __future__ import annotations

import multiprocessing
import os
import signal
import sys
import threading
from collections import deque
from typing import TYPE_CHECKING, Any, Final

from ...errors import StreamcoreError
from ..task import Receipt
from ..worker import Failure, Order, work
from . import Engine, WorkerDied

if TYPE_CHECKING:
    from multiprocessing.connection import Connection

READY: Final = "ready"
STARTS: Final = 3  # workers that end before they are ready, one after another, until the run is given up
PATIENCE: Final = 5.0  # seconds until a worker that was told to end is killed


def open_engine(*, jobs: int | None, timeout: float | None, address: str | None, retries: int) -> Engine:
    """Processes; threads where they run at once; neither for one job, unless it must be possible to end it."""
    count = jobs or cores()
    if count == 1 and timeout is None:
        from .serial import SerialEngine

        return SerialEngine()
    if not getattr(sys, "_is_gil_enabled", lambda: True)() and timeout is None:
        from concurrent.futures import ThreadPoolExecutor

        from .executor import ExecutorEngine

        return ExecutorEngine(ThreadPoolExecutor(count), count, own=True)
    return LocalEngine(count)


def cores() -> int:
    """The cores that this process may use."""
    if hasattr(os, "sched_getaffinity"):
        return len(os.sched_getaffinity(0))
    return os.cpu_count() or 1


class Worker:
    """A process, and our end of its pipe."""

    def __init__(self, context: Any) -> None:
        ours, theirs = context.Pipe()
        self.pipe: Connection[Any, Any] = ours
        self.process = context.Process(target=serve, args=(theirs, dict(os.environ)), daemon=True)
        self.order: Order | None = None
        self.ready = False
        try:
            self.process.start()
        except BaseException:
            ours.close()
            raise
        finally:
            theirs.close()

    def end(self, *, kill: bool) -> None:
        """Close the pipe, which ends an idle worker; a busy one is killed."""
        self.pipe.close()
        if kill:
            self.process.kill()

    def join(self) -> None:
        self.process.join(PATIENCE)
        if self.process.is_alive():
            self.process.kill()
            self.process.join()
        self.process.close()


class LocalEngine:
    def __init__(self, slots: int) -> None:
        self.slots = slots
        self.context = multiprocessing.get_context("forkserver" if sys.platform != "win32" else "spawn")
        self.waiting: deque[Order] = deque()
        self.workers: list[Worker] = []
        self.failed_starts = 0

    def submit(self, order: Order) -> str:
        self.waiting.append(order)
        self.hand_out()
        return order.attempt

    def hand_out(self) -> None:
        """Orders to workers that are free; new workers as long as there are orders for them."""
        free = [worker for worker in self.workers if worker.ready and worker.order is None]
        starting = sum(not worker.ready for worker in self.workers)
        while self.waiting and free:
            worker = free.pop()
            order = self.waiting.popleft()
            try:
                worker.pipe.send(order)
            except OSError:
                self.waiting.appendleft(order)  # it died while it was idle; next_done sees it
            else:
                worker.order = order
        while starting < len(self.waiting) and len(self.workers) < self.slots:
            self.workers.append(Worker(self.context))
            starting += 1

    def next_done(self, timeout: float | None = None) -> tuple[str, Receipt | Failure | WorkerDied] | None:
        from multiprocessing.connection import wait  # not for one job

        while self.waiting or any(worker.order for worker in self.workers):
            pipes = {worker.pipe: worker for worker in self.workers}
            readable = wait(list(pipes), timeout)
            if not readable:
                return None
            for pipe in readable:
                worker = pipes[pipe]  # type: ignore[index]
                answered = self.heard(worker)
                self.hand_out()
                if answered is not None:
                    return answered
        return None

    def heard(self, worker: Worker) -> tuple[str, Receipt | Failure | WorkerDied] | None:
        """What a worker says; its end is something it says too."""
        try:
            said = worker.pipe.recv()
        except (EOFError, OSError):
            return self.died(worker)
        if said == READY:
            worker.ready, self.failed_starts = True, 0
            return None
        order, worker.order = worker.order, None
        assert order is not None
        return order.attempt, said

    def died(self, worker: Worker) -> tuple[str, WorkerDied] | None:
        self.workers.remove(worker)
        worker.end(kill=True)
        worker.process.join()
        code = worker.process.exitcode
        worker.process.close()
        how = f"signal {signal_name(-code)}" if code is not None and code < 0 else f"exit code {code}"
        if worker.order is not None:
            return worker.order.attempt, WorkerDied(f"the worker ended with {how}")
        if not worker.ready:
            self.failed_starts += 1
            if self.failed_starts >= STARTS:
                raise StreamcoreError(
                    f"{STARTS} workers ended as they started, the last with {how}: in a script, run() belongs"
                    ' under if __name__ == "__main__":, since each worker imports the script'
                )
        return None

    def cancel(self, handle: str) -> None:
        self.waiting = deque(order for order in self.waiting if order.attempt != handle)
        for worker in self.workers:
            if worker.order is not None and worker.order.attempt == handle:
                self.workers.remove(worker)
                worker.end(kill=True)
                worker.join()
                return

    def close(self) -> None:
        self.waiting.clear()
        for worker in self.workers:
            worker.end(kill=worker.order is not None or not worker.ready)
        for worker in self.workers:
            worker.join()
        self.workers.clear()


def signal_name(number: int) -> str:
    try:
        return signal.Signals(number).name
    except ValueError:  # most real-time signals have none
        return str(number)


def serve(pipe: Connection[Any, Any], environment: dict[str, str]) -> None:
    """A worker: performs orders until its pipe is closed, or whoever started it is gone."""
    # the fork server has the environment of its own start
    os.environ.clear()
    os.environ.update(environment)
    # pyarrow reads it once; its own pool keeps 30 to 50 MB that parts had at their peak
    os.environ.setdefault("ARROW_DEFAULT_MEMORY_POOL", "system")
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # Ctrl-C goes to the whole group; the driver decides
    threading.Thread(target=end_with_parent, daemon=True).start()
    try:
        pipe.send(READY)
        while True:
            pipe.send(work(pipe.recv()))
    except (EOFError, BrokenPipeError, ConnectionResetError):
        return


def end_with_parent() -> None:
    parent = multiprocessing.parent_process()
    assert parent is not None
    parent.join()
    os._exit(1)
