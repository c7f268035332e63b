"""``run``: a plan through a pipeline to a folder of files; what was done before is kept."""

from __future__ import annotations

import os
import re
from collections.abc import Mapping, Sequence
from contextlib import closing
from functools import partial
from typing import Any, Final

from ..runnables.config import seconds_or_none
from .driving import Driver
from .engines import Engine, check_engine, open_engine, pickler
from .inputs import local_path
from .lock import driver_lock
from .outputs import output
from .pipelines import checked_pipeline
from .places import Place, checked_places
from .planning import Plan
from .progress import Report
from .result import FailedPart, IncompleteRun, Result
from .resuming import checked_resume
from .splits import positive_size
from .task import Job
from .workspace import Workspace

OUTPUTS: Final = re.compile(
    r"(part|joined)-\d{6,}\.(arrow|bin|idx|jsonl|offsets|parquet)|tokens\.(bin|idx)|(meta|plan)\.json|manifest.*\.jsonl"
)


def run(
    pipeline: Any,
    plan: Plan,
    *,
    out: str | os.PathLike[str],
    state: str | os.PathLike[str] | None = None,
    out_options: Mapping[str, Any] | None = None,
    format: str = "parquet",
    engine: Any = "local",
    address: str | None = None,
    jobs: int | None = None,
    shard: tuple[int, int] | None = None,
    eod: int | None = None,
    join: int | str | None = None,
    max_in_flight: int | None = None,
    retries: int = 3,
    timeout: float | None = None,
    max_failed: int = 0,
    resume: bool | str = True,
    progress: bool = True,
) -> Result:
    """Put each record of ``plan`` through ``pipeline``, and write what comes out to files in the folder ``out``.

    ``out`` may be a URL, which fsspec opens with ``out_options``; the manifest is then in the local folder ``state``.

    The items of a record are a document; documents are in the order of the plan, whatever the engine, the number of
    workers, and what died on the way. ``format``: "parquet", "arrow", "jsonl", "bin", "megatron"; ``eod`` is an id
    behind each document ("bin", "megatron"). ``join``: a size such as "256MiB"; when all is done the files of parts
    that follow each other are joined to files of at most so many bytes (more only where one part has more).

    ``engine``: "local" (``jobs`` processes of this machine, by default one a core), "dask", "ray" (at ``address``, or a
    cluster on this machine for the run), a ``Client`` of Dask, any ``concurrent.futures.Executor``, or an object with
    the methods of ``streamcore.scale.engines.Engine``. ``max_in_flight`` orders at most are with the engine.
    ``shard=(i, n)`` does every n-th part from the i-th (0 to n - 1) on; the last of n such runs writes the closing
    files.

    ``retries``: how often a part is tried again after an error of disk, network or memory, or the death of its worker;
    ``timeout``: seconds for a part. When all else is done, ``IncompleteRun`` if more than ``max_failed`` parts failed.

    ``resume``: True goes on with what is done, unless it was done by another job, which is a ValueError; "verify" reads
    what is there and compares checksums; "force" keeps it whoever made it; False starts anew. ``progress`` writes to
    standard error.
    """
    if not isinstance(plan, Plan):
        raise TypeError(f"plan must be a Plan, which plan(...) makes, got {type(plan).__name__}")
    for name, value, least in (("jobs", jobs, 1), ("max_in_flight", max_in_flight, 1)):
        if value is not None:
            check_count(name, value, least)
    check_count("retries", retries, 0)
    check_count("max_failed", max_failed, 0)
    if timeout is not None:
        seconds_or_none("timeout", timeout)
    limit = None if join is None else positive_size("join", join)
    checked = checked_resume(resume)
    shard = checked_shard(shard)
    folder, place = checked_places(out, state, out_options)
    check_engine(engine, address)
    dumps = pickler(engine)
    pipeline = checked_pipeline(pipeline, dumps)
    output(format, pipeline, eod)
    check_inputs(plan, folder, place)
    # a pipeline may change the working directory
    job = Job(plan, pipeline, os.path.abspath(folder), format, eod, place, limit)
    named = partial(os.path.join, folder) if place is None else place.join
    for each in filter(None, (folder, job.place.local)):
        os.makedirs(each, exist_ok=True)
    with driver_lock(folder, shard):
        work = Workspace(job, shard, checked, max_failed)
        report = Report(work.size, len(work.mine), progress)
        for receipt in work.kept():
            report.skip(receipt)
        failed: tuple[FailedPart, ...] = work.given_up if work.whole else ()
        if left := work.left():
            if len(left) == 1 and timeout is None:
                jobs = 1
            with work.begun(dumps) as log:
                opened = open_engine(engine, jobs=jobs, timeout=timeout, address=address, retries=retries)
                with closing(opened):
                    driver = Driver(
                        opened,
                        work,
                        log,
                        report,
                        in_flight=max_in_flight or ahead(opened, timeout) * opened.slots,
                        retries=retries,
                        timeout=timeout,
                    )
                    failed = driver.run(left)
        files, complete = work.end(failed, report.seconds())
        report.close(folder if place is None else place.name)
        result = Result(
            records=report.records,
            items=report.items,
            bytes_in=report.bytes_in,
            bytes_out=report.bytes_out,
            done=report.done,
            skipped=report.skipped,
            failed=failed,
            receipts=work.done,
            files=[named(name) for name in files],
            manifest=os.path.join(folder, os.path.basename(work.manifest)),
            seconds=report.seconds(),
            complete=complete,
        )
    if len(failed) > max_failed:
        raise IncompleteRun(result)
    return result


def ahead(engine: Engine, timeout: float | None) -> int:
    """Orders for each slot. With a timeout none may wait behind another: its time runs."""
    found: int = getattr(engine, "ahead", 2) if timeout is None else 1
    return found


def check_count(name: str, value: object, least: int) -> None:
    if isinstance(value, bool) or not isinstance(value, int):
        raise TypeError(f"{name} must be an int, got {type(value).__name__}")
    if value < least:
        raise ValueError(f"{name} must be at least {least}, got {value}")


def check_inputs(plan: Plan, folder: str, place: Place | None = None) -> None:
    """No file of the output may take the place of an input."""
    local = [folder] if place is None or place.local is None else [folder, place.local]
    folders = {os.path.realpath(each): each for each in local}
    places: dict[str, str] = {}
    for each in plan.inputs:
        above, name = os.path.split(each.uri)
        if not OUTPUTS.fullmatch(name):
            continue
        if above not in places:
            path = local_path(above)
            if path is None:
                places[above] = place.name if place is not None and place.holds(each.uri) else ""
            else:
                places[above] = folders.get(os.path.realpath(path), "")
        if places[above]:
            raise ValueError(
                f"{each.uri} is an input, and a run writes files of such names to {places[above]}"
            )


def checked_shard(shard: Any) -> tuple[int, int] | None:
    if shard is None:
        return None
    if not isinstance(shard, Sequence) or isinstance(shard, str | bytes) or len(shard) != 2:
        raise TypeError(f"shard must be (i, n), got {shard!r}")
    number, count = shard
    check_count("n of shard", count, 1)
    check_count("i of shard", number, 0)
    if number >= count:
        raise ValueError(f"shard=(i, n) counts from 0 to n - 1, got {shard!r}")
    return number, count
