"""Engine that cuts text or bytes into named sections between markers (native: ``_native.text.sections``)."""

from __future__ import annotations

from collections.abc import Generator, Iterable, Iterator, Mapping
from typing import Any

from ..._shared.markers import checked_section, section_markers
from ..._shared.options import flag_option
from ...errors import IncompleteItem
from ..engine.span_engine import BLOCK, EMIT, RAISE_INCOMPLETE
from .marked import of_both_kinds
from .units import UnitEngine

__all__ = ["Section", "SectionsEngine"]


class Section:
    """A piece of the section ``name``: ``text`` (str or bytes) lies at ``start`` of the stream; the last is done."""

    __slots__ = ("done", "name", "start", "text")
    __match_args__ = ("name", "text", "start", "done")

    name: str
    text: Any
    start: int
    done: bool

    def __init__(self, name: str, text: str | bytes, start: int = 0, done: bool = False) -> None:
        checked = checked_section(name, text, start, done)
        if hasattr(self, "name"):
            raise TypeError("Section is made already and does not change")
        _fill(self, *checked)

    def __setattr__(self, name: str, value: object) -> None:
        raise AttributeError(f"attribute {name!r} of 'Section' objects is not writable")

    def __delattr__(self, name: str) -> None:
        raise AttributeError(f"attribute {name!r} of 'Section' objects is not writable")

    def __repr__(self) -> str:
        return f"Section(name={self.name!r}, text={self.text!r}, start={self.start}, done={self.done})"

    def __hash__(self) -> int:
        return hash((self.name, self.text, self.start, self.done))

    def __eq__(self, other: object) -> bool:
        if type(other) is not Section:
            return NotImplemented
        return (
            self.start == other.start
            and self.done == other.done
            and self.name == other.name
            and type(self.text) is type(other.text)
            and self.text == other.text
        )

    def __reduce__(self) -> tuple[type[Section], tuple[str, Any, int, bool]]:
        return Section, (self.name, self.text, self.start, self.done)


_set_name = Section.__dict__["name"].__set__
_set_text = Section.__dict__["text"].__set__
_set_start = Section.__dict__["start"].__set__
_set_done = Section.__dict__["done"].__set__


def _fill(section: Section, name: str, text: Any, start: int, done: bool) -> Section:
    _set_name(section, name)
    _set_text(section, text)
    _set_start(section, start)
    _set_done(section, done)
    return section


class SectionsEngine(UnitEngine):
    """Cuts text or bytes into pieces of named sections between markers, ``Section(name, text, start, done)``.

    ``markers`` maps names to pairs: what a section begins and ends with. Outside, pieces bear the name ``default``; the
    marker that begins first counts, of those the longest. Inside, only the section's own end counts; with ``nested``
    its begin counts up. ``begin`` names the section that the stream starts in. The last piece of a section is ``done``,
    empty if need be. Where the input ends within a section, ``on_incomplete`` = ``"emit"`` ends it there, ``"drop"``
    leaves it without a last piece, and ``"raise"`` is an ``IncompleteItem``.
    """

    def __init__(
        self,
        markers: Mapping[str, tuple[str, str]],
        *,
        default: str = "text",
        begin: str | None = None,
        nested: bool = False,
        keep_markers: bool = False,
        on_incomplete: str = "emit",
    ) -> None:
        deep = flag_option("nested", nested)
        self._first = 0
        self._base = 0
        super().__init__("Sections", on_incomplete=on_incomplete)
        self._keep_markers = flag_option("keep_markers", keep_markers)
        outside, sections, self._first = section_markers(markers, default, begin, deep)
        self._names = [outside, *(name for name, _, _ in sections)]
        self._markers = [
            of_both_kinds([first for _, first, _ in sections], True),
            *(of_both_kinds([last, first] if deep else [last], True) for _, first, last in sections),
        ]
        self._clear()

    def _clear(self) -> None:
        super()._clear()
        self._held: Any = ""
        self._given = 0  # units of it that came already, because they are text in any case
        self._section = self._first  # 0: outside
        self._depth = 0
        self._began = 0

    def _abandon(self) -> None:
        super()._abandon()
        self._began = self._base

    def _cut(self, data: Any) -> Iterator[Iterable[Section]]:
        """As ``_sections()``; no generator for the most common fragment, one that is all of one section."""
        if self._held or self._markers[self._section][type(data)].entered(data, 0) >= 0:
            return super()._cut(data)
        self._input = type(data)
        start = self._base
        self._base += len(data)
        return iter(([self._piece(data, start, False)],) if data else ())

    def _blocks(self, data: Any) -> Iterator[list[Section]]:
        held = len(self._held)
        text = self._held + data if held else data
        yield from self._sections(text, self._base - held, False)

    def _sections(self, text: Any, base: int, final: bool) -> Iterator[list[Section]]:
        """Blocks of the pieces of ``text``, which lies at ``base`` of the stream; the rest is held."""
        items: list[Section] = []
        start, position = self._given, 0  # of what was not given yet, and of what was not read yet
        kind = type(text)
        closes = final and self._on_incomplete == EMIT
        while True:
            markers = self._markers[self._section][kind]
            kept = self._keep_markers and self._section != 0
            found, sure, tail = markers.find(text, position, final, kept)
            stop = sure if found is None else tail + len(found)
            if self._section and found is not None:
                number = markers.numbers[found]
                position = stop
                if number == 2:
                    self._depth += 1
                elif self._depth:
                    self._depth -= 1
                else:
                    items.append(self._piece(text[start:sure], base + start, True))
                    self._section, start = 0, stop
            else:
                if start < sure and not (found is None and closes and self._section):
                    items.append(self._piece(text[start:sure], base + start, False))
                if found is None:
                    break
                self._section = markers.numbers[found]
                self._depth, self._began = 0, base + tail
                position = stop
                start = sure if self._keep_markers else stop
            if len(items) >= BLOCK:
                yield items
                items = []
        self._held, self._given = text[tail:], sure - tail
        if final and self._section and self._on_incomplete == RAISE_INCOMPLETE:
            self._fail(IncompleteItem(self._base - self._began, self._began), self._base)
        elif closes and self._section:
            items.append(self._piece(text[start:], base + start, True))
        yield items

    def _piece(self, text: Any, start: int, done: bool) -> Section:
        return _fill(_new(Section), self._names[self._section], text, start, done)

    def _settle(self, data: Any) -> None:
        pass  # _sections() has done it

    def _end(self) -> list[Section]:
        text = self._held or (b"" if self._input is bytes else "")
        return [item for block in self._sections(text, self._base - len(text), True) for item in block]

    def batches(self, fragments: Iterable[Any]) -> Generator[Any, None, None]:
        """Not for sections: TypeError."""
        raise TypeError("Sections has no batches(): use iterate()")


_new = object.__new__
