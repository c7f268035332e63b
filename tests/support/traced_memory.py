"""What a piece of code allocates at most, in a process of its own: here other threads allocate meanwhile."""

from __future__ import annotations

from loops import run_script

__all__ = ["traced_peak"]

SCRIPT = """
import tracemalloc
from backends import Backend

backend = Backend({backend!r})
{before}
tracemalloc.start()
{traced}
print(tracemalloc.get_traced_memory()[1])
"""


def traced_peak(backend, before: str, traced: str) -> int:
    """Bytes that were held at most, of those that the lines ``traced`` allocated, after those of ``before``."""
    (peak,) = run_script(SCRIPT.format(backend=backend.name, before=before, traced=traced), backend)
    return int(peak)
