"""Engines: what brings orders to workers. None is known to the rest but by this protocol.

An engine takes an ``Order`` and gives back what ``worker.work`` made of it. It knows nothing of parts, files and
manifests; ``running`` decides what is done again.

serial      one after another, here
local       processes of this machine
executor    any ``concurrent.futures.Executor``
dask        a Dask cluster
ray         a Ray cluster
"""

from __future__ import annotations

from importlib import import_module
from typing import Any, Final, Protocol, runtime_checkable

from ...errors import StreamcoreError
from ..task import Receipt
from ..worker import Failure, Order

NAMES: Final = ("local", "dask", "ray")


class WorkerDied(StreamcoreError, RuntimeError):
    """The worker that had an order ended before it answered."""


@runtime_checkable
class Engine(Protocol):
    """``slots`` orders run at once; more may be handed in, and wait."""

    slots: int

    def submit(self, order: Order) -> Any:
        """Take an order; what is given back stands for it."""

    def next_done(self, timeout: float | None = None) -> tuple[Any, Receipt | Failure | WorkerDied] | None:
        """An order that was answered, and the answer; None after ``timeout`` seconds without one.

        ``WorkerDied`` is given, not raised. What is raised ends the run.
        """

    def cancel(self, handle: Any) -> None:
        """Forget an order; if it runs, its worker may be ended."""

    def close(self) -> None:
        """End what this engine started; orders that still run are dropped. Called once."""


def open_engine(
    engine: Any, *, jobs: int | None, timeout: float | None, address: str | None, retries: int
) -> Engine:
    """The engine that ``run(engine=)`` names, or the object that was passed."""
    if isinstance(engine, str):
        if engine not in NAMES:
            raise ValueError(f"engine must be {', '.join(map(repr, NAMES))} or an object, got {engine!r}")
        if engine == "local" and address is not None:
            raise ValueError("address is for engine='dask' and engine='ray'")
        module = import_module(f".{engine}", __name__)
        opened: Engine = module.open_engine(jobs=jobs, timeout=timeout, address=address, retries=retries)
        return opened
    if address is not None:
        raise ValueError(f"address is for engine='dask' and engine='ray', got an engine: {engine!r}")
    if isinstance(engine, Engine):
        return engine
    if callable(getattr(engine, "submit", None)) and callable(getattr(engine, "shutdown", None)):
        from .executor import ExecutorEngine

        return ExecutorEngine(engine, jobs)
    raise TypeError(
        f"engine must be a name, an Executor or have submit, next_done, cancel and close, got {engine!r}"
    )
