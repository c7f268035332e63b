"""Orders as tasks of a Ray cluster: of the session that is there, of one at an address, or of one for the run."""

from __future__ import annotations

import os
from collections import deque
from typing import Any

from ..task import Receipt
from ..worker import Failure, Order, failure_of, work
from . import Engine, WorkerDied, peer
from .local import cores


def open_engine(*, jobs: int | None, timeout: float | None, address: str | None, retries: int) -> Engine:
    """The session of this process; else ``address`` or RAY_ADDRESS, else ``jobs`` processes that end with the run."""
    ray = peer("ray", "ray")
    if ray.is_initialized():
        if address is not None:
            raise ValueError(
                f"address={address!r}: this process has a Ray session, which is taken without address"
            )
        return RayEngine(ray, jobs)
    address = address or os.environ.get("RAY_ADDRESS")
    quiet: dict[str, Any] = {"log_to_driver": False, "logging_level": "ERROR"}
    if address is None:
        ray.init(address="local", num_cpus=jobs or cores(), include_dashboard=False, **quiet)
    else:
        ray.init(address=address, **quiet)
    try:
        return RayEngine(ray, jobs, own=True)
    except BaseException:
        ray.shutdown()
        raise


class RayEngine:
    """``slots`` are the CPUs that the cluster has when the run begins. ``own``: end the session in ``close``."""

    def __init__(self, ray: Any, slots: int | None = None, *, own: bool = False) -> None:
        self.ray, self.own = ray, own
        self.slots = slots or max(int(ray.cluster_resources().get("CPU", 1)), 1)
        self.task = ray.remote(num_cpus=1, max_retries=0)(work)  # the driver is who tries again
        self.open: dict[Any, Order] = {}
        self.ready: deque[Any] = deque()

    def submit(self, order: Order) -> Any:
        handle = self.task.remote(order)
        self.open[handle] = order
        return handle

    def next_done(self, timeout: float | None = None) -> tuple[Any, Receipt | Failure | WorkerDied] | None:
        while True:
            while self.ready:
                handle = self.ready.popleft()
                if handle in self.open:
                    return handle, self.answer(handle)
            if not self.open:
                return None
            ready, _ = self.ray.wait(list(self.open), timeout=timeout)
            if not ready:
                return None
            if len(self.open) > 1:
                ready, _ = self.ray.wait(list(self.open), num_returns=len(self.open), timeout=0)
            self.ready.extend(ready)

    def answer(self, handle: Any) -> Receipt | Failure | WorkerDied:
        order = self.open.pop(handle)
        try:
            answer: Receipt | Failure = self.ray.get(handle)
        except self.ray.exceptions.RayTaskError as error:
            return failure_of(order.part.id, error)  # ``work`` raises nothing: it could not begin
        except self.ray.exceptions.RayError as error:
            died = WorkerDied(
                f"Ray lost its worker: {type(error).__name__}: {str(error).partition(chr(10))[0]}"
            )
            died.__cause__ = error
            return died
        return answer

    def cancel(self, handle: Any) -> None:
        """Ends the process that has the order."""
        if self.open.pop(handle, None) is not None:
            self.ray.cancel(handle, force=True)

    def close(self) -> None:
        for handle in list(self.open):
            self.cancel(handle)
        if self.own:
            self.ray.shutdown()
