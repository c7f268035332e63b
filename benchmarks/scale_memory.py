"""The most memory of a worker by format: ``python benchmarks/scale_memory.py [MB] [LONG]``.

``MB`` of JSON Lines (200), as benchmarks/scale.py makes them, in parts of 1 and of 64 MiB; then one record of ``LONG``
MB (69). Two workers encode with the tokenizer of GPT-2. Formats whose packages are not installed are left out. The
figures stand in docs/scale.md; they hardly depend on what else the machine does.
"""

from __future__ import annotations

import json
import os
import sys
import tempfile
from importlib.util import find_spec
from pathlib import Path

sys.path[:0] = [str(Path(__file__).parent), str(Path(__file__).parent.parent)]

MB = 1_000_000
FORMATS = ("bin", "megatron", "jsonl", "arrow", "parquet")


def peak(source: Path, format: str, target: str, out: Path) -> tuple[float, int]:
    """MB of the worker that had most, and how many ids all documents have."""
    from streamcore import BPE
    from streamcore.scale import plan, run

    made = plan(source, split="jsonl", target=target)
    result = run(BPE.gpt2().encoder(), made, out=out, format=format, jobs=2, progress=False)
    return max(each.peak_memory for each in result.receipts) / MB, result.items


def main() -> None:
    from scale import write_corpus

    size, long = (int(each) for each in (*sys.argv[1:], *("200", "69")[len(sys.argv) - 1 :]))
    formats = [each for each in FORMATS if each not in ("arrow", "parquet") or find_spec("pyarrow")]
    with tempfile.TemporaryDirectory(dir="/dev/shm" if os.path.isdir("/dev/shm") else None) as folder:
        short, one = Path(folder, "short.jsonl"), Path(folder, "one.jsonl")
        write_corpus(one, long * MB)
        with one.open(encoding="utf-8") as lines:
            text = " ".join(json.loads(line)["text"] for line in lines)
        # a short one beside it: one part alone would be done by the driver
        one.write_text(json.dumps({"text": text}) + '\n{"text": "short"}\n', encoding="utf-8")
        write_corpus(short, size * MB)
        print(f"{'':10}{'1 MiB':>8}{'64 MiB':>8}{f'{long} MB':>8}  MB of a worker")
        for format in formats:
            peaks = []
            for number, (source, target) in enumerate([(short, "1MiB"), (short, "64MiB"), (one, "32MiB")]):
                most, ids = peak(source, format, target, Path(folder, f"{format}{number}"))
                peaks.append(f"{most:8.0f}")
            print(f"{format:10}{''.join(peaks)}  {ids:,} ids in the long one", flush=True)


if __name__ == "__main__":
    main()
