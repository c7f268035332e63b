"""Orders as tasks of a Dask cluster: of one that is there, or of one on this machine for the run."""

from __future__ import annotations

import os
import signal
from collections import deque
from contextlib import ExitStack
from queue import Empty, SimpleQueue
from typing import Any

from ..task import Receipt
from ..worker import Failure, Order, failure_of, work
from . import Engine, WorkerDied, peer
from .local import cores


def open_engine(*, jobs: int | None, timeout: float | None, address: str | None, retries: int) -> Engine:
    """The cluster at ``address``; without one ``jobs`` processes, which end with the run."""
    distributed = peer("distributed", "dask")
    with ExitStack() as started:
        cluster = None
        if address is None:
            cluster = distributed.LocalCluster(
                n_workers=jobs or cores(),
                threads_per_worker=1,
                host="127.0.0.1",
                dashboard_address=None,
                memory_limit=None,
                silence_logs=40,
                scheduler_kwargs={"allowed_failures": 0},  # the driver is who tries again
            )
            started.callback(cluster.close)
        client = distributed.Client(address if cluster is None else cluster, set_as_default=False)
        started.callback(client.close)
        engine = DaskEngine(client, jobs, cluster)
        engine.started = started.pop_all()
    return engine


class DaskEngine:
    """``slots`` are the threads that the cluster has as the run begins; the first worker is waited for."""

    def __init__(self, client: Any, slots: int | None = None, cluster: Any = None) -> None:
        if client.asynchronous:
            raise TypeError(f"engine must be a Client of threads, got an asynchronous one: {client!r}")
        self.client, self.cluster, self.started = client, cluster, ExitStack()
        client.wait_for_workers(1)
        self.slots = slots or sum(client.nthreads().values())
        self.open: dict[str, tuple[Any, Order]] = {}
        self.done: SimpleQueue[Any] = SimpleQueue()
        self.answers: deque[tuple[str, Receipt | Failure | WorkerDied]] = deque()

    def submit(self, order: Order) -> str:
        key = f"streamcore-{order.attempt}"
        future = self.client.submit(work, order, key=key, pure=False)
        self.open[key] = future, order
        future.add_done_callback(self.done.put)
        return key

    def next_done(self, timeout: float | None = None) -> tuple[str, Receipt | Failure | WorkerDied] | None:
        if not self.answers:
            self.take(timeout)
        while self.answers:
            key, answer = self.answers.popleft()
            if self.open.pop(key, None):
                return key, answer
        return None

    def take(self, timeout: float | None) -> None:
        """Wait for the next, and fetch all that are there: one request, not one for each."""
        futures = []
        try:
            futures.append(self.done.get(timeout=timeout) if timeout != 0 else self.done.get_nowait())
            while True:
                futures.append(self.done.get_nowait())
        except Empty:
            futures = [each for each in futures if each.key in self.open]
        good = [each for each in futures if each.status == "finished"]
        if good:
            self.answers.extend(zip((each.key for each in good), self.client.gather(good), strict=True))
        self.answers.extend((each.key, self.failed(each)) for each in futures if each.status != "finished")

    def failed(self, future: Any) -> Failure | WorkerDied:
        """``work`` raises nothing: what a future holds says that a worker died, or could not begin."""
        error = None if future.cancelled() else future.exception()
        if error is None or type(error).__name__ == "KilledWorker":
            return WorkerDied(f"Dask lost its worker: {error or 'the task was cancelled'}")
        return failure_of(self.open[future.key][1].part.id, error)

    def cancel(self, handle: str) -> None:
        """A task that runs goes on to its end, unless the cluster is ours: then its worker is ended."""
        future, _ = self.open.pop(handle)
        if self.cluster is not None:
            addresses = {address for address, keys in self.client.processing().items() if handle in keys}
            for nanny in self.cluster.workers.values():
                if nanny.worker_address in addresses:
                    os.kill(nanny.pid, signal.SIGTERM if os.name == "nt" else signal.SIGKILL)
        future.cancel()

    def close(self) -> None:
        self.client.cancel([future for future, _ in self.open.values()])
        self.open.clear()
        self.started.close()
