"""What a worker does, in whatever process an engine has it: keeps the job of a run, performs one part after another.

Everything that goes to a worker or comes back is small and made of plain values: an error of a pipeline may not pickle.
"""

from __future__ import annotations

import hashlib
import multiprocessing
import os
import pickle
import socket
import traceback
from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import Any, Final

from .. import __version__
from .errors import BadRecord, InputChanged
from .inputs import Input
from .parts import Part
from .planning import Plan
from .reading import paths_from
from .task import Job, Receipt, perform

LONGEST: Final = 10_000  # characters of a traceback that travels


@dataclass(frozen=True)
class Order:
    """A part to do. ``job`` is the file that holds the pickled job, ``digest`` its SHA-256.

    ``base`` is what relative paths of inputs start from: a worker may be in another folder than the driver.
    """

    job: str
    digest: str
    version: str
    part: Part
    inputs: tuple[Input, ...]
    attempt: str
    base: str


@dataclass(frozen=True)
class Failure:
    """Why a part was not done. ``again`` says whether another attempt may end otherwise."""

    part: int
    error: str
    trace: str
    again: bool

    def __str__(self) -> str:
        return self.error


# the job of the last order: a worker does one run after another, never several at once
_kept: tuple[str, Job] | None = None


def work(order: Order) -> Receipt | Failure:
    """Do the part; what goes wrong in it is a ``Failure``, whatever it was."""
    try:
        job = job_of(order)
        plan = replace(job.plan, inputs=order.inputs, parts=(order.part,))
        with paths_from(order.base):
            # a cluster that loses sight of a worker may run an order twice
            return perform(replace(job, plan=plan), order.part, f"{order.attempt}-{os.urandom(3).hex()}")
    except BaseException as error:
        if isinstance(error, KeyboardInterrupt) and multiprocessing.parent_process() is None:
            raise  # of the user, here in the driver; processes of a pool do not hear it
        return failure_of(order.part.id, error)


def job_of(order: Order) -> Job:
    global _kept
    if order.version != __version__:
        raise RuntimeError(
            f"{socket.gethostname()} runs streamcore {__version__}, this job is of {order.version}:"
            " install the same version on all workers"
        )
    kept = _kept
    if kept is None or kept[0] != order.digest:
        with open(order.job, "rb") as file:
            data = file.read()
        if hashlib.sha256(data).hexdigest() != order.digest:
            raise RuntimeError(f"{order.job} is not what the driver wrote")
        kept = _kept = (order.digest, pickle.loads(data))
    return kept[1]


def keep(digest: str, job: Job | None) -> None:
    """The driver has the job: orders that are done in its process need not read it. None: forget it."""
    global _kept
    _kept = None if job is None else (digest, job)


def failure_of(part: int, error: BaseException) -> Failure:
    """An error as text: its type, its message, its notes, its traceback."""
    text = text_of(error)
    name = type(error).__name__
    told = isinstance(error, BadRecord | InputChanged)  # say file and place, and so what they are
    lines = [text if told else f"{name}: {text}" if text else name]
    lines += [each for each in getattr(error, "__notes__", ()) if isinstance(each, str)]
    trace = "".join(traceback.format_exception(error))[-LONGEST:]
    return Failure(part, " ".join("; ".join(lines).split())[:LONGEST], trace, may_pass(error))


def text_of(error: BaseException) -> str:
    """Its message, also where it has none to give."""
    try:
        return str(error)
    except Exception as failure:  # noqa: BLE001 - of foreign code, while another error is told
        return f"(its text fails with {type(failure).__name__})"


def may_pass(error: BaseException) -> bool:
    """Whether an error can be one of the moment: of a disk, a network, memory. What the data says does not change."""
    return isinstance(error, OSError | MemoryError) and not isinstance(error, BadRecord | InputChanged)


def write_job(folder: str, job: Job, attempt: str, dumps: Callable[[Any], bytes]) -> tuple[str, str]:
    """The job in a file beside the manifest, where every worker can read it; its path and SHA-256."""
    empty = Plan((), (), job.plan.split, job.plan.key, job.plan.target, job.plan.storage_options)
    folder = os.path.abspath(folder)
    data = dumps(replace(job, plan=empty, folder=folder))
    path = os.path.join(folder, f"job.{attempt}.tmp")
    # for this user alone: storage options may hold secrets
    with open(path, "xb", opener=lambda name, flags: os.open(name, flags, 0o600)) as file:
        file.write(data)
    return path, hashlib.sha256(data).hexdigest()
