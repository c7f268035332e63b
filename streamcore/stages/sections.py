"""``Sections`` and ``Stop``: text or bytes between markers, and up to one."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from typing import TYPE_CHECKING, Any

from ..runnables.base import Chunk, Output
from ..sources import fragments, is_text
from .stage import Stage, own_value

if TYPE_CHECKING:
    from typing import NoReturn

    from .._backend import Section
    from .kinds import TextSource
else:
    TextSource = Any

__all__ = ["Sections", "Stop"]


class _Either(Stage[TextSource, Output, Chunk]):
    """A stage whose source is text or bytes: a path or a binary file is read as bytes."""

    _chunks_are = "pieces"

    def _fragments(self, source: Any) -> Iterator[Any]:
        return fragments(source, text=is_text(source))


def own_markers(markers: Any) -> Any:
    """The same, as nobody can change it; what is no mapping of pairs is left for the engine to refuse."""
    if not isinstance(markers, Mapping):
        return markers
    pairs = {name: tuple(pair) if isinstance(pair, list) else pair for name, pair in markers.items()}
    return {
        own_value(name): tuple(map(own_value, pair)) if isinstance(pair, tuple) else pair
        for name, pair in pairs.items()
    }


class Sections(_Either[list["Section"], "Section"]):
    """Cuts text or bytes into pieces of named sections between markers: ``Section(name, text, start, done)``.

    ``markers`` maps names to pairs, what a section begins and ends with: ``{"think": ("<think>", "</think>")}``. For
    bytes they are meant in UTF-8. Outside, pieces bear the name ``default``; the marker that begins first counts, of
    those the longest. Inside, only the section's own end counts; with ``nested`` its begin counts up. ``begin`` names
    the section that the stream starts in. ``start`` is the offset of the piece. The last piece of a section is
    ``done``, empty
    if need be; text outside is never ``done``. ``keep_markers`` leaves the markers in the text of their section.

    Held back is the longest tail that is a proper beginning of a marker that may come here, and nothing else. Where the
    input ends within a section, ``on_incomplete="emit"`` ends it there, ``"drop"`` leaves it without a last piece, and
    ``"raise"`` is an ``IncompleteItem`` with the offset of its begin. ``invoke`` gives the sections whole, in a list.
    """

    _engine = "SectionsEngine"

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
        super().__init__(
            own_markers(markers),
            default=default,
            begin=begin,
            nested=nested,
            keep_markers=keep_markers,
            on_incomplete=on_incomplete,
        )

    def collect(self, chunks: Iterable[Section]) -> list[Section]:
        """The sections whole: neighbouring pieces of one section joined."""
        whole: list[Section] = []
        pieces: list[Section] = []
        for piece in chunks:
            if pieces and (pieces[-1].done or pieces[-1].name != piece.name):
                whole.append(_joined(pieces))
                pieces = []
            pieces.append(piece)
        if pieces:
            whole.append(_joined(pieces))
        return whole

    def batches(self, source: Any) -> NoReturn:
        """Not for sections: TypeError."""
        raise TypeError("Sections has no batches(): use stream()")


def _joined(pieces: list[Section]) -> Section:
    first = pieces[0]
    if len(pieces) == 1:
        return first
    text = first.text[:0].join([piece.text for piece in pieces])
    return type(first)(first.name, text, first.start, pieces[-1].done)


class Stop(_Either[Any, Any]):
    """Gives text or bytes up to the first of some strings, and with ``include`` that string; then the stream ends.

    The first is the one that begins first, of those the shortest; for bytes they are meant in UTF-8. The source is
    closed without a further look at it. Held back is the longest tail that one of the strings may begin with, and
    nothing else. Of an engine, ``matched`` is the string that ended the stream, and ``rest`` what stood behind it in
    its fragment. ``invoke`` gives the whole as one; it is ``""`` where there is nothing.

    >>> from streamcore import Stop
    >>> "".join(Stop("END").stream(["one E", "ND two"]))
    'one '
    """

    _engine = "StopEngine"

    def __init__(self, *strings: str, include: bool = False) -> None:
        super().__init__(*strings, include=include)

    def collect(self, chunks: Iterable[Any]) -> Any:
        """The whole text, or all bytes."""
        pieces = list(chunks)
        return pieces[0][:0].join(pieces) if pieces else ""
