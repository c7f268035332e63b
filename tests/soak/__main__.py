"""Long runs that show what no short test can: memory that stays flat, time that stays linear, a million cuts.

    python tests/soak memory [--gb 10] [STAGE...]   M1: GB through each stage, items dropped, memory flat within 1 MB
    python tests/soak item [--mb 64]                M2: an item in fragments of 1 KiB against a bytearray, and 4 of it
    python tests/soak mixed [--gb 100]              all through one pipeline of threads, buffers, framers and tokens
    python tests/soak cuts [--count N] [STAGE...]   T1: random cuts of random input: native = pure = one-shot = oracle

Exit status 1 if one fails. ``--jobs N`` divides ``memory`` and ``cuts`` among N processes.
"""

from __future__ import annotations

import argparse
import sys
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parents[1] / "support"))
sys.path.insert(0, str(Path(__file__).parents[1]))

from soak import cuts, memory, mixed


def main() -> int:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    commands = parser.add_subparsers(dest="command", required=True)
    command = commands.add_parser("memory")
    command.add_argument("--gb", type=float, default=10)
    command.add_argument("--jobs", type=int, default=1)
    command.add_argument("stages", nargs="*", metavar="STAGE", help=", ".join(memory.STAGES))
    command = commands.add_parser("item")
    command.add_argument("--mb", type=int, default=64)
    command = commands.add_parser("mixed")
    command.add_argument("--gb", type=float, default=100)
    command = commands.add_parser("cuts")
    command.add_argument("--count", type=int, default=1_000_000)
    command.add_argument("--jobs", type=int, default=1)
    command.add_argument("--seed", type=int, default=0)
    command.add_argument("stages", nargs="*", metavar="STAGE", help=", ".join(cuts.STAGES))
    options = parser.parse_args()
    if options.command == "memory":
        return memory.soak(options.gb, options.stages or list(memory.STAGES), options.jobs)
    if options.command == "item":
        return memory.long_items(options.mb)
    if options.command == "mixed":
        return mixed.soak(options.gb)
    return cuts.soak(options.count, options.stages or list(cuts.STAGES), options.jobs, options.seed)


if __name__ == "__main__":
    sys.exit(main())
