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

import pickle
import sys
from collections.abc import Callable
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
    """``slots`` orders run at once; more may be handed in, and wait.

    How many for each slot an engine may say as ``ahead``; 2 if it says nothing.
    """

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


def is_dask_client(engine: Any) -> bool:
    distributed = sys.modules.get("distributed")  # who has a client has imported it
    return distributed is not None and isinstance(engine, distributed.Client)


def pickler(engine: Any) -> Callable[[Any], bytes]:
    """What pickles the job for an engine. With Dask and Ray comes cloudpickle, which takes functions by value.

    So lambdas go there too, and functions of a script, which is not imported by the workers of a cluster.
    """
    if (isinstance(engine, str) and engine in ("dask", "ray")) or is_dask_client(engine):
        extra = engine if isinstance(engine, str) else "dask"
        peer("distributed" if extra == "dask" else "ray", extra)
        made: Callable[[Any], bytes] = peer("cloudpickle", extra).dumps
        return made
    return pickle.dumps


def peer(name: str, extra: str) -> Any:
    """An optional module."""
    try:
        return import_module(name)
    except ImportError as error:
        raise ImportError(
            f"engine={extra!r} needs {name}: pip install 'pystreamcore[{extra}]' ({error})"
        ) from error


def check_engine(engine: Any, address: str | None) -> None:
    """ValueError or TypeError for what is no engine, before anything starts."""
    if isinstance(engine, str):
        if engine not in NAMES:
            raise ValueError(f"engine must be {', '.join(map(repr, NAMES))} or an object, got {engine!r}")
        if engine == "local" and address is not None:
            raise ValueError("address is for engine='dask' and engine='ray'")
    elif address is not None:
        raise ValueError(f"address is for engine='dask' and engine='ray', got an engine: {engine!r}")
    elif not (is_dask_client(engine) or isinstance(engine, Engine) or is_executor(engine)):
        raise TypeError(
            "engine must be a name, an Executor, a Client of Dask or have submit, next_done, cancel and close,"
            f" got {engine!r}"
        )


def is_executor(engine: Any) -> bool:
    return callable(getattr(engine, "submit", None)) and callable(getattr(engine, "shutdown", None))


def open_engine(
    engine: Any, *, jobs: int | None, timeout: float | None, address: str | None, retries: int
) -> Engine:
    """The engine that ``run(engine=)`` names, or the object that was passed; it was checked."""
    if isinstance(engine, str):
        module = import_module(f".{engine}", __name__)
        opened: Engine = module.open_engine(jobs=jobs, timeout=timeout, address=address, retries=retries)
        return opened
    if is_dask_client(engine):
        from .dask import DaskEngine

        return DaskEngine(engine, jobs)
    if isinstance(engine, Engine):
        return engine
    from .executor import ExecutorEngine

    return ExecutorEngine(engine, jobs)
