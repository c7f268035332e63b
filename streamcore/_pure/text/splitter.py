"""Engine that splits text into chunks (native: ``_native.text.splitter``); the rules are in ``_shared.splitting``."""

from __future__ import annotations

from collections.abc import Callable, Generator, Iterable, Iterator
from typing import Any

from ..._shared.measures import chunk_option, measure_option, not_text
from ..._shared.splitting import SEPARATORS, Splitting, check_options
from ...batch import Batch
from ...chunk_batch import ChunkBatch
from ..engine.span_engine import AS_STR, Engine
from .text_chunk import TextChunk

__all__ = ["TextSplitterEngine"]

AS_CHUNK = 3
SPAN = 1 << 16  # characters split at once, which bounds the list of their chunks


class TextSplitterEngine(Engine):
    """TextSplitterEngine(size, *, overlap=0, separators=('\\n\\n', '\\n', ' ', ''), length='chars', keep='end',
    strip=True, as_='chunk')
    --

    Splits text into chunks of at most ``size``: what ``streamcore.TextSplitter`` says of it.

    Fragments are str. An exception of ``length`` stops the engine, after the chunks before it.
    """

    _unit = "character"

    def __init__(
        self,
        size: int,
        *,
        overlap: int = 0,
        separators: Any = SEPARATORS,
        length: Any = "chars",
        keep: str = "end",
        strip: bool = True,
        as_: Any = "chunk",
    ) -> None:
        checked = check_options(size, overlap, separators, keep, strip)
        measure = measure_option(length)
        plain = chunk_option(as_)
        self._new: Callable[[], Splitting] = lambda: Splitting(*checked[:3], measure, *checked[3:])
        super().__init__("TextSplitter", str)
        self._kind = AS_STR if plain else AS_CHUNK

    def _clear(self) -> None:
        super()._clear()
        self._splitting = self._new()
        self._shift = 0  # where in the stream it begins

    def _abandon(self) -> None:
        super()._abandon()
        self._shift = self._base

    def batches(self, fragments: Iterable[Any]) -> Generator[Batch, None, None]:
        """Iterator of ``Batch`` objects, otherwise as ``iterate()``; a batch ends at the latest with its fragment."""
        pack = ChunkBatch._of_items if self._kind != AS_STR else lambda items: Batch._of_items(items, str)
        return self._start_run(fragments, pack)

    def _accept(self, fragment: Any) -> Any:
        if not isinstance(fragment, str):
            raise not_text(fragment)
        return str.__str__(fragment)

    def _blocks(self, data: Any) -> Iterator[list[Any]]:
        for at in range(0, len(data), SPAN):
            yield self._made(data[at : at + SPAN])
            if self.error is not None:
                return

    def _settle(self, data: Any) -> None:
        pass  # Splitting has done it

    def _end(self) -> list[Any]:
        return self._made("", True)

    def _made(self, text: str, final: bool = False) -> list[Any]:
        spans = self._splitting.feed(text, final)
        failure = self._splitting.failure
        if failure is not None:
            self._fail(failure, self._shift + self._splitting.at)
        if self._kind == AS_STR:
            return [text for text, _, _ in spans]
        shift = self._shift
        return [TextChunk(text, shift + start, shift + stop) for text, start, stop in spans]
