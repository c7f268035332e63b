"""Every public class of the core: how to make it, what each of its methods takes, and how to see what it holds.

What is tested of every class is driven from here: foreign code in the middle of a call, memory that changes under it,
allocations that fail. A new class is a line in the ``CLASSES`` of its family, the name of a part that has no twin one
in ``PARTS``; ``every_class/test_table.py`` fails until it is there.
"""

from __future__ import annotations

from . import bpe, buffers, channel, engine, framing, functions, streams, text
from .bpe import ALLOWED, SPECIAL, core, vocabulary
from .engine import RUNNING
from .table import Argument, Box, Call, Native, fresh, plain, tried, value

__all__ = [
    "ALLOWED",
    "CLASSES",
    "PARTS",
    "RUNNING",
    "SPECIAL",
    "Argument",
    "Box",
    "Call",
    "Native",
    "core",
    "fresh",
    "plain",
    "tried",
    "value",
    "vocabulary",
]

FAMILIES = (framing, text, bpe, buffers, channel, streams, functions)
CLASSES: list[Native] = [native for family in FAMILIES for native in family.CLASSES]

# Classes of native modules that have no twin, and the objects above that make them.
PARTS: dict[str, str] = {}
for family in (engine, *FAMILIES):
    PARTS.update(getattr(family, "PARTS", {}))
