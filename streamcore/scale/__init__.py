"""Corpora in parts: ``plan`` cuts inputs into byte ranges, ``read_blocks`` reads the records of one.

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
task         a part to its files, and the receipt
closing      what stands for the whole job at its end; ``vocabulary`` says which tokenizer it was

Nothing runs many tasks yet: ``task.perform`` is what an engine will call.
"""

from __future__ import annotations

from .errors import BadRecord, InputChanged
from .inputs import Input
from .planning import Part, Piece, Plan, plan
from .records import Record, RecordBlock, read_blocks, read_records

__all__ = [
    "BadRecord",
    "Input",
    "InputChanged",
    "Part",
    "Piece",
    "Plan",
    "Record",
    "RecordBlock",
    "plan",
    "read_blocks",
    "read_records",
]
