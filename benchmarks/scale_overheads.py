"""What a run costs besides its work: a part on each engine, the start, a finished run again.

    python benchmarks/scale_overheads.py [local dask ray start resume]

Parts are files of 8 bytes, each one record, to ``jsonl`` in a temporary folder (``TMPDIR`` says where). A part costs
(time of a run of 1,000 - time of a run of 100) / 900, each on two workers; "one process" is ``task.perform`` in a loop,
which fsyncs and renames as all do. Start-up is that of a fresh process with its imports; the least of five.
"""

from __future__ import annotations

import shutil
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from typing import Any

from streamcore import RunnableLambda
from streamcore.scale import Plan, plan, run
from streamcore.scale.task import Job, perform


def same(record: bytes) -> str:
    return record.decode()


PIPELINE = RunnableLambda(same)


def parts(folder: Path, count: int) -> Plan:
    folder.mkdir(exist_ok=True)
    for number in range(count):
        path = folder / f"{number:06}"
        if not path.exists():
            path.write_bytes(b"8 bytes.")
    return plan([folder / f"{number:06}" for number in range(count)], split="fixed")


def timed(made: Plan, out: Path, **options: Any) -> float:
    begun = time.perf_counter()
    run(PIPELINE, made, out=out, format="jsonl", progress=False, **options)
    return time.perf_counter() - begun


def alone(made: Plan, out: Path) -> float:
    out.mkdir()
    begun = time.perf_counter()
    for part in made:
        perform(Job(made, PIPELINE, str(out), "jsonl"), part, "0")
    return time.perf_counter() - begun


def overhead(folder: Path, engine: str) -> None:
    few, many = parts(folder / "in", 100), parts(folder / "in", 1000)
    for name, made in (("100", few), ("1,000", many)):
        shutil.rmtree(folder / "out", ignore_errors=True)
        print(f"{engine}: one process, {name} parts: {alone(made, folder / 'out'):.3f} s")
    times = []
    for made in (few, many):
        shutil.rmtree(folder / "out", ignore_errors=True)
        times.append(timed(made, folder / "out", engine=engine, jobs=2))
    a_part = (times[1] - times[0]) / 900 * 1e3
    print(f"{engine}: run of 100 {times[0]:.2f} s, of 1,000 {times[1]:.2f} s: {a_part:.2f} ms a part")


def resume(folder: Path) -> None:
    for count in (100, 1000, 10_000):
        made = parts(folder / "in", count)
        for jobs in (1, 2):
            shutil.rmtree(folder / "out", ignore_errors=True)
            seconds = timed(made, folder / "out", jobs=jobs)
            print(f"{count} parts, jobs={jobs}: {seconds:.2f} s, {seconds / count * 1e3:.2f} ms a part")
        print(f"again: {min(timed(made, folder / 'out', jobs=2) for _ in range(3)):.3f} s")


START = """
import time
from streamcore import Words
from streamcore.scale import plan, run
if __name__ == "__main__":
    made = plan({path!r}, target={target})
    run(Words(keep="none", as_=str), made, out={out!r}, format="jsonl", jobs={jobs}, progress=False)
"""


def start(folder: Path) -> None:
    path, script = folder / "text", folder / "script.py"
    path.write_bytes((b"some words of a line " * 500 + b"\n") * 100)
    for what in ("import", 1, 2):
        times = []
        for number in range(5):
            out = folder / f"out-{what}-{number}"
            if what == "import":
                script.write_text("from streamcore import Words\nfrom streamcore.scale import plan, run\n")
            else:
                script.write_text(START.format(path=str(path), out=str(out), jobs=what, target=1 << 18))
            begun = time.perf_counter()
            subprocess.run([sys.executable, str(script)], check=True)
            times.append(time.perf_counter() - begun)
        print(f"start-up, {what}: {min(times):.3f} s")


def main(wanted: list[str]) -> None:
    for name in wanted or ["local", "dask", "ray", "start", "resume"]:
        with tempfile.TemporaryDirectory() as folder:
            {"start": start, "resume": resume}.get(name, lambda path, name=name: overhead(path, name))(
                Path(folder)
            )


if __name__ == "__main__":
    main(sys.argv[1:])
