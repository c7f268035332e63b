"""The command line: the stages on files, pipes and compressed input.

Data goes to standard output, everything else to standard error. ``job`` holds what all commands share; a
command is one small module with a ``command`` in it, listed in ``commands``.
"""

from __future__ import annotations

import sys
from collections.abc import Sequence

__all__ = ["main"]


def main(arguments: Sequence[str] | None = None) -> int:
    """Run the command line and return its exit code: 0 done, 1 some records skipped, 2 usage or input error,
    3 incomplete but resumable, 130 interrupted."""
    try:
        from .commands import run
    except ModuleNotFoundError as error:
        if error.name != "click":
            raise
        print("streamcore: the command line needs click: pip install 'pystreamcore[cli]'", file=sys.stderr)
        return 2
    except KeyboardInterrupt:
        return 130
    return run(list(sys.argv[1:] if arguments is None else arguments))
