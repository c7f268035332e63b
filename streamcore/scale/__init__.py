"""Corpora in parts: ``plan`` cuts inputs into byte ranges, ``run`` puts their records through a pipeline to files.

Optional: of the rest of the package only the commands import it. ``fsspec`` is imported for URLs alone, ``zstandard``
for ``.zst``.

splits       what ends a record, as the user names it
inputs       which files there are, their sizes and versions
planning     ``plan``, ``Plan``, ``Part``, ``Piece``
reading      ranges of bytes of a local or remote file; what a compressed one holds
borders      where the first record of a range starts
records      the records of a part
documents    records through a pipeline
outputs/     formats of files, one each; ``files`` makes them appear when they are whole
places       where they lie: a folder; ``remote``: an object store
task         a part to its files, and the receipt
closing      what stands for the whole job at its end; ``vocabulary`` says which tokenizer it was

worker       an order to a receipt, in whatever process
engines/     what brings orders to workers, one each
driving      the loop: what is ordered, tried again, given up
manifest     what is done, a line each
resuming     which of it is trusted
workspace    the output folder of a run
lock         one driver for a folder
running      ``run``
result       what it gives back
progress     what it shows
"""

from __future__ import annotations

from .engines import Engine
from .errors import BadRecord, InputChanged
from .inputs import Input
from .lock import Locked
from .manifest import OtherJob
from .parts import Part, Piece
from .planning import Plan, plan
from .records import Record, RecordBlock, read_blocks, read_records
from .result import FailedPart, IncompleteRun, Result
from .running import run
from .task import Receipt

__all__ = [
    "BadRecord",
    "Engine",
    "FailedPart",
    "IncompleteRun",
    "Input",
    "InputChanged",
    "Locked",
    "OtherJob",
    "Part",
    "Piece",
    "Plan",
    "Receipt",
    "Record",
    "RecordBlock",
    "Result",
    "plan",
    "read_blocks",
    "read_records",
    "run",
]
