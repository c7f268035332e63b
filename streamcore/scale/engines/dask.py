"""Orders as tasks of a Dask cluster: of one that is there, or of one on this machine for the run."""

from __future__ import annotations

import asyncio
import os
import signal
from concurrent.futures import CancelledError
from contextlib import ExitStack
from queue import Empty, SimpleQueue
from typing import Any

from ...errors import StreamcoreError
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
            where = {"host": "127.0.0.1", "dashboard_address": None, "silence_logs": 40}
            each = {"threads_per_worker": 1, "memory_limit": None}
            failures = {"allowed_failures": 0}  # the driver is who tries again
            cluster = distributed.LocalCluster(
                n_workers=jobs or cores(), scheduler_kwargs=failures, **where, **each
            )
            started.callback(cluster.close)
        else:
            check_address(distributed, address)
        client = distributed.Client(cluster or address, set_as_default=False)
        started.callback(client.close)
        engine = DaskEngine(client, jobs, cluster)
        engine.started = started.pop_all()
    return engine


def check_address(distributed: Any, address: str) -> None:
    """Refuse what names no place: a Client that fails on it would hang when it is collected."""
    try:
        distributed.comm.resolve_address(address)
    except (ValueError, OSError) as error:
        raise ValueError(f"address={address!r}: {error}") from error


class DaskEngine:
    """``slots`` are the threads that the cluster has as the run begins; the first worker is waited for."""

    # messages wait for each other: CPU time of the driver for an empty part 5.9 ms with 2, and 3.8 with 8 and one send
    ahead = 8

    def __init__(self, client: Any, slots: int | None = None, cluster: Any = None) -> None:
        if client.asynchronous:
            raise TypeError(f"engine must be a Client of threads, got an asynchronous one: {client!r}")
        self.client, self.cluster, self.started = client, cluster, ExitStack()
        client.wait_for_workers(1)
        self.slots = slots or sum(client.nthreads().values())
        self.open: dict[str, tuple[Any, Any]] = {}
        self.waiting: dict[str, Order] = {}
        self.answers: SimpleQueue[tuple[str, Receipt | Failure | WorkerDied]] = SimpleQueue()

    def submit(self, order: Order) -> str:
        self.waiting[key := f"streamcore-{order.attempt}"] = order
        return key

    def send(self) -> None:
        """All that were handed in since the last time, in one message."""
        keys, orders = list(self.waiting), list(self.waiting.values())
        self.waiting.clear()
        futures = self.client.map(work, orders, key=keys, pure=False)
        loop = self.client.loop.asyncio_loop
        for each in zip(futures, orders, strict=True):
            self.open[each[0].key] = each[0], asyncio.run_coroutine_threadsafe(self.fetch(*each), loop)

    async def fetch(self, future: Any, order: Order) -> None:
        """Runs in the loop of the client: one answer that is slow to come holds up no other."""
        answer: Receipt | Failure | WorkerDied
        try:
            (answer,) = await self.client.gather([future], asynchronous=True)
        except (Exception, asyncio.CancelledError, CancelledError) as error:  # noqa: BLE001 - it is the answer
            # ``work`` raises nothing: a worker died, or could not begin
            died = type(error).__name__ == "KilledWorker" or "Cancelled" in type(error).__name__
            told = f"Dask lost its worker: {error or type(error).__name__}"
            answer = WorkerDied(told) if died else failure_of(order.part.id, error)
        self.answers.put((future.key, answer))

    def next_done(self, timeout: float | None = None) -> tuple[str, Receipt | Failure | WorkerDied] | None:
        if self.waiting:
            self.send()
        while True:
            try:
                key, answer = self.answers.get(timeout=timeout) if timeout != 0 else self.answers.get_nowait()
            except Empty:
                if self.client.status == "closed":
                    raise StreamcoreError("the connection to Dask is lost") from None
                return None
            if self.open.pop(key, None):
                return key, answer

    def cancel(self, handle: str) -> None:
        """A task that runs goes on to its end, unless the cluster is ours: then its worker is ended."""
        if self.waiting.pop(handle, None):
            return
        future, fetching = self.open.pop(handle)
        fetching.cancel()
        if self.cluster is not None:
            addresses = {address for address, keys in self.client.processing().items() if handle in keys}
            for nanny in self.cluster.workers.values():
                if nanny.worker_address in addresses:
                    os.kill(nanny.pid, signal.SIGTERM if os.name == "nt" else signal.SIGKILL)
        future.cancel()

    def close(self) -> None:
        self.waiting.clear()
        for _, fetching in self.open.values():
            fetching.cancel()
        if self.client.status == "running":
            self.client.cancel([future for future, _ in self.open.values()])
        self.open.clear()
        self.started.close()
