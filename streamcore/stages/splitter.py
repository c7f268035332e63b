"""``TextSplitter``: text in chunks of a size, divided where its separators are."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from typing import TYPE_CHECKING, Any

from .._shared.splitting import MARKDOWN, PYTHON, SENTENCES, SEPARATORS, each_of
from ..sources import fragments, is_text
from .stage import Item, Stage, own_value

if TYPE_CHECKING:
    from typing import Literal, Unpack, overload

    from .._backend import TextChunk
    from ..bpe import BPE
    from .kinds import PresetOptions, SplitterOptions, StrSource
else:
    StrSource = Any

__all__ = ["TextSplitter"]


class TextSplitter(Stage[StrSource, list[Item], Item]):
    """Splits text into chunks of at most ``size``: ``TextChunk(text, start, stop)``, or with ``as_=str`` the text.

    Text is divided at the first of the ``separators``, leftmost first (``""``: between characters); a separator ends
    its piece, begins the next (``keep="start"``), or lies between (``"none"``). Pieces shorter than ``size`` are run
    together while they fit; one of ``size`` or more is divided by the separators after it in the list, and one that
    nothing divides is given as it is. A chunk has pieces of one separator. ``strip`` takes white space off its ends;
    what is empty then, or ends no later than the chunk before, is none. With ``keep`` ``"end"`` or ``"start"`` and
    without overlap the chunks are those of LangChain's ``RecursiveCharacterTextSplitter``.

    With ``overlap`` a chunk begins with the longest run of whole pieces that ended the one before, of at most that
    much, which leaves room for the next piece. ``length`` is what ``size`` and ``overlap`` count: ``"chars"``,
    ``"bytes"`` of UTF-8, the tokens of a ``BPE``, or a function of a ``str`` whose result does not fall as text grows.
    A single character may have more tokens than ``size``.

    Fragments are ``str``: put ``UTF8()`` before it for bytes. Held are at most ``size``, ``overlap`` and the longest
    separator, as far as something divides the text.

    >>> from streamcore import TextSplitter
    >>> TextSplitter(9, as_=str).invoke("one two three")
    ['one two', 'three']
    """

    _engine = "TextSplitterEngine"

    if TYPE_CHECKING:

        @overload
        def __init__(
            self: TextSplitter[TextChunk],
            size: int,
            *,
            as_: Literal["chunk"] = ...,
            **options: Unpack[SplitterOptions],
        ) -> None: ...
        @overload
        def __init__(
            self: TextSplitter[str], size: int, *, as_: type[str], **options: Unpack[SplitterOptions]
        ) -> None: ...

    def __init__(
        self,
        size: int,
        *,
        overlap: int = 0,
        separators: Iterable[str] = SEPARATORS,
        length: str | BPE | Callable[[str], int] = "chars",
        keep: str = "end",
        strip: bool = True,
        as_: Any = "chunk",
    ) -> None:
        if not isinstance(separators, str):  # each engine reads them
            separators = tuple(map(own_value, each_of("separators", separators)))
        super().__init__(
            size, overlap=overlap, separators=separators, length=length, keep=keep, strip=strip, as_=as_
        )

    if TYPE_CHECKING:

        @overload
        @classmethod
        def markdown(
            cls, size: int, *, as_: Literal["chunk"] = ..., **options: Unpack[PresetOptions]
        ) -> TextSplitter[TextChunk]: ...
        @overload
        @classmethod
        def markdown(
            cls, size: int, *, as_: type[str], **options: Unpack[PresetOptions]
        ) -> TextSplitter[str]: ...

    @classmethod
    def markdown(cls, size: int, **options: Any) -> TextSplitter[Any]:
        """For Markdown: at headings, which begin a piece, fences, rules, paragraphs, lines, words."""
        return cls(size, **{"separators": MARKDOWN, "keep": "start"} | options)

    if TYPE_CHECKING:

        @overload
        @classmethod
        def python(
            cls, size: int, *, as_: Literal["chunk"] = ..., **options: Unpack[PresetOptions]
        ) -> TextSplitter[TextChunk]: ...
        @overload
        @classmethod
        def python(
            cls, size: int, *, as_: type[str], **options: Unpack[PresetOptions]
        ) -> TextSplitter[str]: ...

    @classmethod
    def python(cls, size: int, **options: Any) -> TextSplitter[Any]:
        """For Python: at classes and functions, which begin a piece, then blank lines, lines, words."""
        return cls(size, **{"separators": PYTHON, "keep": "start"} | options)

    if TYPE_CHECKING:

        @overload
        @classmethod
        def sentences(
            cls, size: int, *, as_: Literal["chunk"] = ..., **options: Unpack[PresetOptions]
        ) -> TextSplitter[TextChunk]: ...
        @overload
        @classmethod
        def sentences(
            cls, size: int, *, as_: type[str], **options: Unpack[PresetOptions]
        ) -> TextSplitter[str]: ...

    @classmethod
    def sentences(cls, size: int, **options: Any) -> TextSplitter[Any]:
        """For prose: at paragraphs, lines, ends of sentences, clauses, words."""
        return cls(size, **{"separators": SENTENCES} | options)

    def _fragments(self, source: Any) -> Iterator[Any]:
        return fragments(source, text=is_text(source))
