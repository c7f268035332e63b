"""What ends a command before its time."""

from __future__ import annotations


class Failure(Exception):
    """Bad input, or output that cannot be written: the message is for the user, the exit code is 2."""


class ClosedPipe(Exception):
    """Whoever read the output has gone (``| head``): no error, there is just nobody left to write for."""


def printable(text: str) -> str:
    """Text for a terminal: a name of a file may hold what would change its colours, or lines of its own."""
    return "".join(each if each.isprintable() else ascii(each)[1:-1] for each in text)


def counted(count: int, unit: str) -> str:
    """``1 line``, ``2 lines``."""
    return f"{count} {unit.removesuffix('s') if count == 1 else unit}"


def in_short(error: BaseException) -> str:
    """One line of a message that may quote the input."""
    line = str(error).partition("\n")[0] or type(error).__name__
    return line if len(line) <= 200 else line[:200] + "..."
