"""Text divided at separators, the pieces run together to chunks: the rules of ``TextSplitter`` for any measure.

Levels: a piece ends where the first separator does (``keep="end"``) or begins; one of ``size`` or more is divided at
the next separator of the list, and so on. Only the open piece of each level is known: where it starts, and from
where on its separator is looked for. A match of a deeper level counts if it ends before the piece above it does.

Chunks: pieces of one run (neighbours of one level, inside one piece of the level above) are joined while they fit.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any

__all__ = [
    "END",
    "KEEPS",
    "MARKDOWN",
    "PYTHON",
    "SENTENCES",
    "SEPARATORS",
    "START",
    "Splitting",
    "check_options",
    "each_of",
]

SEPARATORS = ("\n\n", "\n", " ", "")
MARKDOWN = (
    *("\n# ", "\n## ", "\n### ", "\n#### ", "\n##### ", "\n###### "),
    *("```\n", "\n***\n", "\n---\n", "\n___\n", "\n\n", "\n", " ", ""),
)
PYTHON = ("\nclass ", "\ndef ", "\nasync def ", "\n    def ", "\n    async def ", "\n\n", "\n", " ", "")
SENTENCES = ("\n\n", "\n", ". ", "? ", "! ", "\u3002", "\uff1f", "\uff01", "\u2026 ", "; ", ", ", " ", "")

KEEPS = ("end", "start", "none")
END, START, NONE = range(3)
NOWHERE = 1 << 62
PROBE = 2  # an open piece is measured when it has so many times `size` characters, and again at each doubling


def check_options(
    size: Any, overlap: Any, separators: Any, keep: Any, strip: Any
) -> tuple[int, int, tuple[str, ...], int, bool]:
    """The options that do not measure, checked."""
    from .options import choice_option, count_option, flag_option, shown, size_option

    size = size_option("size", size)
    overlap = count_option("overlap", overlap)
    if overlap >= size:
        raise ValueError(f"overlap must be smaller than size, {size}, got {shown(overlap)}")
    if isinstance(separators, str):
        raise TypeError("separators must be several strings, got one str")
    found = []
    for separator in each_of("separators", separators):
        if not isinstance(separator, str):
            raise TypeError(f"separators must be str, got {type(separator).__name__}")
        found.append(str.__str__(separator))
    if "" in found:
        del found[found.index("") + 1 :]  # nothing is left to divide
    return size, overlap, tuple(found), choice_option("keep", keep, KEEPS), flag_option("strip", strip)


def each_of(name: str, values: Any) -> Iterator[Any]:
    """What an option of several values has; TypeError where it has none."""
    try:
        return iter(values)
    except TypeError:
        raise TypeError(f"{name} must be several strings, got {type(values).__name__}") from None


class Level:
    """The open piece of one level."""

    __slots__ = ("divided", "found", "probe", "scan", "separator", "start")

    def __init__(self, separator: str | None, start: int) -> None:
        self.separator = separator  # None: nothing divides
        self.start = start
        self.scan = start  # its separator begins nowhere before, but in front of `start`
        self.found = -1  # where it begins next, if that is known
        self.divided = False  # deeper levels have given all that is in it
        self.probe = 0  # how often it was measured

    def copy(self) -> Level:
        """The same, for what may have to be undone."""
        level = Level(self.separator, self.start)
        level.scan, level.found, level.divided, level.probe = self.scan, self.found, self.divided, self.probe
        return level


class Splitting:
    """Chunks of a text that comes in fragments.

    ``measure`` None counts characters, ``"bytes"`` those of UTF-8, a callable is asked (its results are checked). An
    exception of it ends the work and is ``failure``; after one that is no ``Exception`` all is as before the call.
    """

    def __init__(
        self,
        size: int,
        overlap: int,
        separators: tuple[str, ...],
        measure: Callable[[str], int] | str | None,
        keep: int,
        strip: bool,
    ) -> None:
        self._size, self._overlap, self._keep, self._strip = size, overlap, keep, strip
        self._separators: tuple[str | None, ...] = separators or (None,)
        self._measure = measure
        self._joins = measure is None and keep == END and not overlap  # pieces that fit are taken together
        self._text = ""
        self._base = 0  # where in the stream _text begins
        self._stop = 0  # where it ends
        self._parts: list[str] = []  # text after that in which nothing happens
        self._parts_stop = 0
        self._wake = 0  # where something happens without a separator, too
        self._final = False
        self._open = [Level(self._separators[0], 0)]
        # Of the chunk in work, or of the last one; the third says that it is a run of characters, each a piece.
        self._pieces: list[tuple[int, int, bool]] = []
        self._start = self._end = 0  # of the chunk in work
        self._body = False  # there is one
        self._before = -1  # where the chunk before ended
        self._measured = (0, 0, 0)  # the last span and its measure
        self._out: list[tuple[str, int, int]] = []
        self.failure: Exception | None = None

    def feed(self, fragment: str, final: bool = False) -> list[tuple[str, int, int]]:
        """Text, start and stop of the chunks that are complete now."""
        if not final and self._nothing_happens(fragment):
            self._parts.append(fragment)
            self._parts_stop += len(fragment)
            return []
        saved = self._saved()
        try:
            self._text = "".join((self._text, *self._parts, fragment))
            self._parts = []
            self._stop = self._parts_stop = self._base + len(self._text)
            self._final = final
            self._run()
        except MemoryError:
            self._restore(saved)
            raise
        except Exception as error:  # noqa: BLE001 - of measure(): told after the chunks before it
            self.failure = error
        except BaseException:
            self._restore(saved)
            raise
        out, self._out = self._out, []
        return out

    @property
    def at(self) -> int:
        """Where the piece in work begins."""
        return self._open[-1].start

    @property
    def stop(self) -> int:
        """Characters taken in."""
        return self._parts_stop

    def _saved(self) -> dict[str, Any]:
        state = dict(vars(self))
        state["_open"] = [level.copy() for level in self._open]
        state["_pieces"], state["_parts"], state["_out"] = list(self._pieces), list(self._parts), []
        return state

    def _restore(self, state: dict[str, Any]) -> None:
        vars(self).update(state)

    def _nothing_happens(self, fragment: str) -> bool:
        stop = self._parts_stop + len(fragment)
        if stop >= self._wake:
            return False
        longest = max(len(level.separator or "") for level in self._open)
        last = self._parts[-1] if self._parts else self._text
        if len(last) < longest <= self._parts_stop - self._base:
            last = "".join((self._text, *self._parts))[-longest:]
        window = last[-longest:] + fragment if longest > 1 else fragment
        return not any(level.separator in window for level in self._open if level.separator is not None)

    def _run(self) -> None:
        while (piece := self._next_piece()) is not None:
            if self._open[-1].separator == "":
                self._add_characters(*piece)
            else:
                self._add(*piece)
        level = self._open[-1]
        sure = self._sure
        if self._final:
            self._close()
        elif (
            self._body
            and not callable(self._measure)
            and sure > level.start
            and self._length(self._start, sure) > self._size
        ):
            self._close()  # the piece that is open does not fit, whatever comes
        self._plan_wake(level)
        self._trim(level.start)

    def _plan_wake(self, level: Level) -> None:
        """Where the next step is due at the latest."""
        self._wake = NOWHERE
        if level.separator == "":
            self._wake = 0
        elif callable(self._measure):
            if len(self._open) < len(self._separators):
                self._wake = level.start + (PROBE * self._size << level.probe)
        else:
            starts = [self._start] if self._body else []
            if len(self._open) < len(self._separators):
                starts.append(level.start)
            for start in starts:
                left = self._size - self._length(start, self._stop)
                self._wake = min(self._wake, self._stop + max(left // (4 if self._measure else 1), 1))

    def _trim(self, start: int) -> None:
        """Let go of text that no chunk can have."""
        if self._body:
            start = min(start, self._start)
        elif self._pieces:
            start = min(start, self._pieces[0][0])
        for level in self._open:
            if level.found < 0 and level.separator:
                start = min(start, level.scan)
        if start - self._base > 0:
            self._text = self._text[start - self._base :]
            self._base = start

    # ---- pieces ----

    def _next_piece(self) -> tuple[int, int] | None:
        """The next piece that is not divided; None if that takes more text."""
        while True:
            level = self._open[-1]
            limit, known = self._limit()
            separator = level.separator
            if separator == "":
                stop = min(limit, self._stop)
                if level.start < stop:
                    piece = level.start, stop
                    level.start = stop
                    return piece
                if not known or not self._leave():
                    self._sure = stop
                    return None
                continue
            at = self._find(level)
            size = len(separator or "")
            if at >= 0 and at + size <= limit:
                if at == level.start and self._keep != END:  # it begins with its separator
                    level.scan, level.found = at + size, -1
                    if self._keep == NONE:
                        level.start = at + size
                    continue
                stop = at + size if self._keep == END else at
                if self._joins and self._body and not level.divided:
                    at = self._last_that_fits(separator or "", at, limit)
                    stop = at + size
            elif known:
                stop = limit
                if level.divided or level.start >= limit:
                    if not self._leave():
                        self._sure = limit
                        return None
                    continue
            else:
                sure = at if at >= 0 else level.scan
                self._sure = sure = min(limit, self._stop if self._keep == END or separator is None else sure)
                if (
                    not level.divided
                    and len(self._open) < len(self._separators)
                    and self._reaches(level, sure)
                ):
                    self._enter(level.start)
                    continue
                return None
            start, divided = level.start, level.divided
            large = not divided and self._is_large(level, stop)
            if large and len(self._open) < len(self._separators):
                self._enter(start)
                continue
            if at >= 0 and at + size <= limit:
                level.start = at + size if self._keep == NONE else stop
                level.scan, level.found = at + size, -1
            else:
                level.start = stop
            level.divided, level.probe = False, 0
            if divided:
                continue
            if large:  # nothing divides it
                self._close()
                self._add(start, stop)
                self._close()
                continue
            return start, stop

    def _enter(self, start: int) -> None:
        self._close()
        self._open[-1].divided = True
        self._open.append(Level(self._separators[len(self._open)], start))

    def _leave(self) -> bool:
        """Back to the level above, if there is one."""
        if len(self._open) == 1:
            return False
        self._close()
        self._open.pop()
        return True

    def _find(self, level: Level) -> int:
        if level.found < 0 and level.separator is not None:
            at = self._text.find(level.separator, max(level.scan - self._base, 0))
            if at < 0:
                level.scan = max(level.scan, self._stop - len(level.separator) + 1)
            else:
                level.found = self._base + at
        return level.found

    def _last_that_fits(self, separator: str, at: int, limit: int) -> int:
        """Where the last piece that still fits into the chunk in work has its separator; ``at`` is the first one."""
        size, base = len(separator), self._base
        last = self._text.rfind(separator, at + size - base, min(limit, self._start + self._size) - base)
        if last < 0 or self._text.find(separator, last - size + 1, last + size - 1) >= 0:
            return at  # none, or one that overlaps another, as in three line ends
        return base + last

    def _limit(self) -> tuple[int, bool]:
        """Where the pieces above the open one end, or the least that can be said of it; whether they do."""
        limit, known = (self._stop, True) if self._final else (NOWHERE, False)
        for level in self._open[:-1]:
            at = self._find(level)
            if at >= 0:
                stop = at + len(level.separator or "")
                end = stop if self._keep == END else at
                if stop <= limit:
                    limit, known = end, True
                elif not known:  # a piece above it may end within the match
                    limit = min(limit, end)
            elif not self._final and level.separator is not None:
                end = self._stop + 1 if self._keep == END else level.scan
                if end < limit:
                    limit, known = end, False
        return limit, known

    # ---- measuring ----

    def _length(self, start: int, stop: int) -> int:
        if self._measure is None or stop <= start:
            return stop - start
        text = self._text[start - self._base : stop - self._base]
        if self._measure == "bytes":
            return len(text) if text.isascii() else len(text.encode("utf-8", "surrogatepass"))
        if self._measured[:2] != (start, stop):
            assert callable(self._measure)
            self._measured = start, stop, measured(self._measure, text)
        return self._measured[2]

    def _is_large(self, level: Level, stop: int) -> bool:
        if callable(self._measure):
            if self._reaches(level, stop):
                return True
            if self._body and self._length(self._start, stop) <= self._size:
                return False  # with what is before it, and so by itself
        return self._length(level.start, stop) >= self._size

    def _reaches(self, level: Level, sure: int) -> bool:
        """Whether the open piece, which ends no earlier than ``sure``, has ``size`` already."""
        if not callable(self._measure):
            return self._length(level.start, sure) >= self._size
        while (stop := level.start + (PROBE * self._size << level.probe)) <= sure:
            if self._length(level.start, stop) >= self._size:
                return True
            level.probe += 1
        return False

    # ---- chunks ----

    def _add_characters(self, start: int, stop: int) -> None:
        """Characters that may be divided anywhere."""
        if self._measure is not None:
            for at in range(start, stop):
                self._add(at, at + 1)
            return
        while start < stop:
            if not self._body:
                self._begin(start, start + 1)
            room = min(stop, self._start + self._size)
            if room > start:
                self._end = room
                if self._overlap:
                    if self._pieces and self._pieces[-1][1] == start and self._pieces[-1][2]:
                        self._pieces[-1] = self._pieces[-1][0], room, True
                    else:
                        self._pieces.append((start, room, True))
                start = room
            if start < stop:
                self._close()

    _sure = 0  # the open piece ends no earlier

    def _add(self, start: int, stop: int) -> None:
        if self._body and self._length(self._start, stop) > self._size:
            self._close()
        if not self._body:
            self._begin(start, stop)
        self._end = stop
        if self._overlap:
            self._pieces.append((start, stop, False))

    def _begin(self, start: int, stop: int) -> None:
        """Begin a chunk with the piece from ``start`` to ``stop``, and what the one before hands on."""
        self._body, self._start = True, start
        self._keep_tail(stop, self._size)
        if self._pieces:
            self._start = self._pieces[0][0]

    def _keep_tail(self, stop: int, most: int) -> None:
        """Forget the pieces from whose start to ``stop`` it is more than that."""
        kept = len(self._pieces)
        while kept and self._length(self._pieces[kept - 1][0], stop) <= most:
            kept -= 1
        if kept and self._pieces[kept - 1][2] and stop - most < self._pieces[kept - 1][1]:
            self._pieces[kept - 1] = stop - most, self._pieces[kept - 1][1], True
            kept -= 1
        del self._pieces[:kept]

    def _close(self) -> None:
        """End the chunk in work."""
        if not self._body:
            return
        self._body = False
        start, stop = self._start, self._end
        self._keep_tail(stop, self._overlap)
        text = self._text[start - self._base : stop - self._base]
        if self._strip:
            left = text.lstrip()
            start += len(text) - len(left)
            text = left.rstrip()
            stop = start + len(text)
        if text and stop > self._before:
            self._before = stop
            self._out.append((text, start, stop))


def measured(measure: Callable[[str], int], text: str) -> int:
    """What the caller's function says; TypeError or ValueError unless it is a length."""
    from .options import count_option

    return count_option("the result of length()", measure(text))
