"""Tokens on a terminal: their text in alternating colours, their ids below."""

from __future__ import annotations

import os
import shutil
import unicodedata
from collections.abc import Iterable, Iterator
from typing import TYPE_CHECKING, Any, Final

from .failure import printable
from .outputs import Output

if TYPE_CHECKING:
    from ..bpe import BPE
    from .tokens import TokenReport

COLOURS: Final = ("\x1b[7m", "\x1b[4m")
"""Reversed and underlined in turn, which every colour scheme shows, and a colour of its own for each."""
TINTS: Final = ("\x1b[36m", "\x1b[33m")
DIM, END = "\x1b[2m", "\x1b[0m"
BLANK: Final = {
    " ": "\N{MIDDLE DOT}",
    "\n": "\N{DOWNWARDS ARROW WITH CORNER LEFTWARDS}",
    "\t": "\N{RIGHTWARDS ARROW}",
}


def wanted(out: Output) -> bool:
    """On a terminal that has colours, unless the user wants none (https://no-color.org)."""
    plain = os.environ.get("NO_COLOR") or os.environ.get("TERM", "dumb" if os.name != "nt" else "") == "dumb"
    return out.on_terminal() and not plain and (os.name != "nt" or "WT_SESSION" in os.environ)


def write(bpe: BPE, arrays: Iterable[Any], out: Output, report: TokenReport) -> None:
    """Rows as wide as the terminal, each when it is full; a line end of the text ends a row."""
    width = max(shutil.get_terminal_size().columns, 20)
    row: list[tuple[str, str, str]] = []
    used = 0
    for number, (text, id) in enumerate(pieces(bpe, arrays, report)):
        wide = max(cells(text), len(id)) + 1
        if row and used + wide > width:
            out.write(lines_of(row))
            row, used = [], 0
        row.append((text, id, COLOURS[number % 2] + TINTS[number % 2]))
        used += wide
        if text.endswith(BLANK["\n"]):
            out.write(lines_of(row))
            row, used = [], 0
    if row:
        out.write(lines_of(row))


def pieces(bpe: BPE, arrays: Iterable[Any], report: TokenReport) -> Iterator[tuple[str, str]]:
    """What is shown of each token: its text with blanks made visible, its id."""
    for ids in arrays:
        for id in ids.tolist():
            piece = bpe.decode_bytes((id,))
            report.text_bytes += len(piece)
            yield visible(piece), str(id)
        report.add(len(ids))


def visible(piece: bytes) -> str:
    """A part of a character is shown as ``\\xe2``, what moves the cursor as an escape."""
    text = piece.decode(errors="backslashreplace")
    return "".join(BLANK.get(each) or printable(each) for each in text)


def lines_of(row: list[tuple[str, str, str]]) -> bytes:
    above, below = [], []
    for text, id, colour in row:
        wide = max(cells(text), len(id))
        above.append(f"{colour}{text}{END}{' ' * (wide - cells(text))}")
        below.append(f"{DIM}{id:<{wide}}{END}")
    return f"{' '.join(above)}\n{' '.join(below)}\n".encode()


def cells(text: str) -> int:
    """Columns of a terminal: East Asian wide characters take two, combining ones none."""
    return sum(
        2 if unicodedata.east_asian_width(each) in "WF" else not unicodedata.combining(each) for each in text
    )
