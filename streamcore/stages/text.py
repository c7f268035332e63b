"""``UTF8`` and ``Words``: bytes to text, and text or bytes to words."""

from __future__ import annotations

import io
from collections.abc import AsyncIterable, AsyncIterator, Iterable, Iterator
from typing import TYPE_CHECKING, Any

from .._shared.options import DEFAULT_MAX_SIZE
from ..sources import async_fragments, fragments
from .stage import Stage

if TYPE_CHECKING:
    from ..batch import Batch
    from ..runnables.config import RunnableConfig

__all__ = ["UTF8", "Words"]


class UTF8(Stage):
    """Decodes a byte stream to text: joined, the chunks are ``whole.decode("utf-8", errors)``, however it is cut.

    A chunk holds all characters that a fragment completes; only the bytes of a character that may still be completed
    wait, three at most. ``errors`` names an error handler of ``codecs``: with ``"strict"`` the text before the first
    bad byte comes first, then ``InvalidEncoding`` with the offset of that byte in the stream. A byte-order mark is
    a character like others, as for ``"utf-8"`` in Python. A handler that you registered sees the bad bytes alone.
    """

    _engine = "UTF8Engine"
    _flow = True

    def __init__(self, errors: str = "strict") -> None:
        super().__init__(errors)

    def collect(self, chunks: Iterable[str]) -> str:
        """The whole text."""
        return "".join(chunks)


class Words(Stage):
    """Cuts text by ``str.isspace``, or bytes at ASCII whitespace, into words.

    ``keep="trailing"`` gives each word with the whitespace after it, and whitespace at the very start as an item of its
    own: joined, the items are the input. ``keep="none"`` gives what ``split()`` gives.

    A path or a binary file is cut as bytes, a text file as text. ``as_`` None gives items of the kind of the input;
    ``bytes``, ``str`` or ``"view"`` encode or decode each item as UTF-8. ``max_size`` bounds what is held of one item
    (None: no bound), in bytes, or in code points of text: the word, and with ``keep="trailing"`` the whitespace after
    it. A larger one is an ``ItemTooLarge``, or with ``on_oversize="skip"`` left out, or with ``"truncate"`` cut to that
    size. With ``borrow`` mutable fragments are not copied: do not change them while items live.
    """

    _engine = "WordsEngine"

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

    def batches(self, source: Any) -> Iterator[Batch]:
        """Cut ``source`` into columnar ``Batch`` objects; of text, ``data`` is its UTF-8."""
        return self.engine().batches(fragments(source, text=_is_text(source)))  # type: ignore[no-any-return]

    def stream(self, input: Any, config: RunnableConfig | None = None, **kwargs: Any) -> Iterator[Any]:
        """Cut a source: text or bytes-like, a path, a file or an iterable of fragments."""
        return self.engine().iterate(fragments(input, text=_is_text(input)))  # type: ignore[no-any-return]

    def transform(
        self, input: Iterable[Any], config: RunnableConfig | None = None, **kwargs: Any
    ) -> Iterator[Any]:
        """Cut fragments as they come: all text, or all bytes-like."""
        return self.engine().iterate(fragments(input, text=_is_text(input)))  # type: ignore[no-any-return]

    def astream(self, input: Any, config: RunnableConfig | None = None, **kwargs: Any) -> AsyncIterator[Any]:
        """Cut a source on the event loop; also takes async iterables of fragments."""
        return self._acut(async_fragments(input, text=_is_text(input)))

    def atransform(
        self, input: AsyncIterable[Any], config: RunnableConfig | None = None, **kwargs: Any
    ) -> AsyncIterator[Any]:
        """Cut fragments as they come, on the event loop."""
        return self._acut(async_fragments(input, text=_is_text(input)))


def _is_text(source: Any) -> bool:
    return isinstance(source, (str, io.TextIOBase))
