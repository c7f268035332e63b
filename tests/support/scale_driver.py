"""A driver in a process of its own: ``python scale_driver.py '{"paths": [...], "out": ..., ...}'`` prints its result.

What its workers do is steered by files of the folder in STREAMCORE_TEST_FOLDER: a record with ``stop-N`` in it says so
on the pipe ``told`` and waits for ever, unless the file ``pass-N`` is there.
"""

from __future__ import annotations

import json
import os
import sys
import threading
from contextlib import suppress
from pathlib import Path
from typing import Any

from streamcore import RunnableLambda, Words
from streamcore.scale import plan, run

with suppress(ImportError):  # for outputs at its URLs
    sys.path.append(os.path.dirname(__file__))
    import object_store  # noqa: F401


def held(line: bytes) -> bytes:
    at = line.find(b"stop-")
    if at >= 0:
        folder = Path(os.environ["STREAMCORE_TEST_FOLDER"])
        number = int(line[at + 5 :].split()[0])
        if not (folder / f"pass-{number}").exists():
            pipe = os.open(folder / "told", os.O_WRONLY)
            os.write(pipe, f"{number} {os.getpid()}\n".encode())
            threading.Event().wait()
    return line


def main(paths: list[str], out: str, target: int, **options: Any) -> None:
    made = plan(paths, target=target)
    pipeline = RunnableLambda(held) | Words(keep="none", as_=str)
    result = run(pipeline, made, out=out, format="jsonl", progress=False, **options)
    print(json.dumps({"done": result.done, "skipped": result.skipped, "files": list(result.files)}))


if __name__ == "__main__":
    main(**json.loads(sys.argv[1]))
