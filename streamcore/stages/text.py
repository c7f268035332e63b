"""``UTF8`` and ``Words``: bytes to text, and text or bytes to words."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from typing import TYPE_CHECKING, Any

from .._shared.options import DEFAULT_MAX_SIZE
from ..sources import fragments, is_text
from .stage import ByteSource, Item, Stage

if TYPE_CHECKING:
    from typing import Literal, Unpack, overload

    from .._backend import View
    from .kinds import SizeOptions, TextSource

    Keep = Literal["trailing", "none"]
else:
    TextSource = Any

__all__ = ["UTF8", "Words"]


class UTF8(Stage[ByteSource, str]):
    """Decodes a byte stream to text: joined, the chunks are ``whole.decode("utf-8", errors)``, however it is cut.

    A chunk holds all characters that a fragment completes; only the bytes of a character that may still be completed
    wait, three at most. ``errors`` names an error handler of ``codecs``: with ``"strict"`` the text before the first
    bad byte comes first, then ``InvalidEncoding`` with the offset of that byte in the stream. A byte-order mark is
    a character like others, as for ``"utf-8"`` in Python. A handler that you registered sees the bad bytes alone.
    """

    _engine = "UTF8Engine"
    _chunks_are = "pieces"

    def __init__(self, errors: str = "strict") -> None:
        super().__init__(errors)

    def collect(self, chunks: Iterable[str]) -> str:
        """The whole text."""
        return "".join(chunks)


class Words(Stage[TextSource, list[Item], Item]):
    """Cuts text by ``str.isspace``, or bytes at ASCII whitespace, into words.

    ``keep="trailing"`` gives each word with the whitespace after it, and whitespace at the very start as an item of its
    own: joined, the items are the input. ``keep="none"`` gives what ``split()`` gives.

    A path or a binary file is cut as bytes, a text file as text. ``as_`` None gives items of the kind of the input;
    ``bytes``, ``str`` or ``"view"`` encode or decode each item as UTF-8. ``max_size`` bounds what is held of one item
    (None: no bound), in bytes, or in code points of text: the word, and with ``keep="trailing"`` the whitespace after
    it. A larger one is an ``ItemTooLarge``, or with ``on_oversize="skip"`` left out, or with ``"truncate"`` cut to that
    size. With ``borrow`` mutable fragments are not copied: do not change them while items live.

    >>> from streamcore import Words
    >>> list(Words().transform(["one ri", "ver  many", " cuts"]))
    ['one ', 'river  ', 'many ', 'cuts']
    """

    _engine = "WordsEngine"

    if TYPE_CHECKING:

        @overload
        def __init__(
            self: Words[Any],
            keep: Literal["trailing", "none"] = ...,
            *,
            as_: None = ...,
            **options: Unpack[SizeOptions],
        ) -> None: ...
        @overload
        def __init__(
            self: Words[bytes],
            keep: Literal["trailing", "none"] = ...,
            *,
            as_: type[bytes],
            **options: Unpack[SizeOptions],
        ) -> None: ...
        @overload
        def __init__(
            self: Words[str],
            keep: Literal["trailing", "none"] = ...,
            *,
            as_: type[str],
            **options: Unpack[SizeOptions],
        ) -> None: ...
        @overload
        def __init__(
            self: Words[View],
            keep: Literal["trailing", "none"] = ...,
            *,
            as_: Literal["view"],
            **options: Unpack[SizeOptions],
        ) -> None: ...

    def __init__(
        self,
        keep: str = "trailing",
        *,
        max_size: int | None = DEFAULT_MAX_SIZE,
        on_oversize: str = "raise",
        as_: Any = None,
        borrow: bool = False,
    ) -> None:
        super().__init__(keep, max_size=max_size, on_oversize=on_oversize, as_=as_, borrow=borrow)

    def _fragments(self, source: Any) -> Iterator[Any]:
        return fragments(source, text=is_text(source))
