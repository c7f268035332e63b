"""Records through a pipeline: the items of each are a document; ids stay in arrays."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from typing import Any, Final

from ..runnables.sequence import RunnableSequence
from ..stages.tokens import TokenEncoder
from ..token_batch import TokenBatch
from .errors import BadRecord
from .long_texts import LongText
from .records import LONG, RecordBlock

BLOCK: Final = 1 << 20  # characters that are encoded at once
STEP: Final = 1 << 20  # characters of a long record that the encoder gets at once
STREAMED: Final = LONG  # from this size on a record goes through the encoder of streams


class LongIds(Iterator[Any]):
    """The ids of one long text, an array at a time; ``seconds`` is what the encoder took."""

    def __init__(self, encoder: TokenEncoder, text: str | bytes | LongText, uri: str, offset: int) -> None:
        self.arrays = encoder.stream(steps(text))
        self.uri, self.offset = uri, offset
        self.seconds = 0.0

    def __next__(self) -> Any:
        begun = time.perf_counter()
        ids = placed(lambda arrays: next(arrays, None), self.uri, self.offset, self.arrays)
        self.seconds += time.perf_counter() - begun
        if ids is None:
            raise StopIteration
        return ids


def steps(text: str | bytes | LongText) -> Iterator[Any]:
    if isinstance(text, LongText):
        return iter(text)
    return (text[at : at + STEP] for at in range(0, len(text), STEP))


@dataclass(frozen=True)
class Documents:
    """What some records of one file became: a ``TokenBatch`` of ids, or a list of lists of items.

    Of one long record ``contents`` are its ``LongIds``, made while they are read.
    """

    uri: str
    offsets: list[int]
    contents: TokenBatch | LongIds | list[list[Any]]

    @property
    def name(self) -> str:
        """``uri`` as text that is UTF-8: bytes of a name that are none are written as ``\\udcff``."""
        return self.uri.encode(errors="backslashreplace").decode()


def last_of(pipeline: Any) -> Any:
    return pipeline.stages[-1] if isinstance(pipeline, RunnableSequence) else pipeline


def encoder_of(pipeline: Any) -> TokenEncoder | None:
    """The encoder that a pipeline ends in, if it does."""
    last = last_of(pipeline)
    return last if isinstance(last, TokenEncoder) else None


def takes_pieces(pipeline: Any) -> bool:
    """Whether a ``LongText`` may be given to it: nothing stands before its encoder."""
    return encoder_of(pipeline) is pipeline


def documents(pipeline: Any, blocks: Iterable[RecordBlock]) -> Iterator[Documents]:
    """Each record by itself through ``pipeline``; what fails has a note with the file and the byte of its record."""
    encoder = encoder_of(pipeline)
    if encoder is not None:
        yield from encoded(encoder, before_encoder(pipeline), blocks)
        return
    for uri, offsets, contents in blocks:
        yield Documents(
            uri,
            offsets,
            [
                placed(lambda record: list(pipeline.stream(record)), uri, offset, content)
                for offset, content in zip(offsets, contents, strict=True)
            ],
        )


def before_encoder(pipeline: Any) -> Callable[[Any], Any] | None:
    """What makes the text of a record, if anything stands before the encoder."""
    if not isinstance(pipeline, RunnableSequence):
        return None
    first = pipeline.stages[:-1]
    made: Callable[[Any], Any] = first[0].invoke if len(first) == 1 else RunnableSequence(*first).invoke
    return made


def placed(function: Callable[[Any], Any], uri: str, offset: int, argument: Any) -> Any:
    try:
        return function(argument)
    except Exception as error:
        error.add_note(f"in the record at byte {offset} of {uri}")
        raise


def encoded(
    encoder: TokenEncoder, prepare: Callable[[Any], Any] | None, blocks: Iterable[RecordBlock]
) -> Iterator[Documents]:
    """Records of one file are gathered to about ``BLOCK`` characters, over the reads that they came in."""
    uri, offsets, texts, size = "", list[int](), list[Any](), 0
    for block in blocks:
        made, places, new = texts_of(prepare, block), block.offsets, block.uri
        del block
        for first, last, length in runs(made):
            long = length >= STREAMED and last - first == 1
            if texts and (new != uri or long or size + length > BLOCK):
                yield Documents(uri, offsets, ids_of(encoder, texts, uri, offsets))
                offsets, texts, size = [], [], 0
            uri = new
            if long:
                long_ids = LongIds(encoder, made[first], uri, places[first])
                made[first] = ""  # whoever holds the block no longer holds the text
                yield Documents(uri, places[first:last], long_ids)
                del long_ids
                continue
            offsets += places[first:last]
            texts += made[first:last]
            size += length
    if texts:
        yield Documents(uri, offsets, ids_of(encoder, texts, uri, offsets))


def texts_of(prepare: Callable[[Any], Any] | None, block: RecordBlock) -> list[Any]:
    """The text of each record; BadRecord where it is none."""
    uri, offsets, texts = block
    if prepare is not None:
        for place, offset in enumerate(offsets):  # in their place: of a long one both would be held
            texts[place] = placed(prepare, uri, offset, texts[place])
    if not set(map(type, texts)) <= {str, bytes, LongText}:
        for offset, text in zip(offsets, texts, strict=True):
            if not isinstance(text, str | bytes | LongText):
                raise BadRecord(uri, offset, f"text for the encoder is due, got {type(text).__name__}")
    return texts


def runs(texts: list[Any]) -> Iterator[tuple[int, int, int]]:
    """First, last and length of runs of up to ``BLOCK`` characters, of one text if that is longer."""
    sizes = list(map(len, texts))
    first = size = 0
    if (total := sum(sizes)) > BLOCK:
        for place, length in enumerate(sizes):
            if place > first and size + length > BLOCK:
                yield first, place, size
                first = place
                size = 0
            size += length
        total = size
    yield first, len(texts), total


def ids_of(encoder: TokenEncoder, texts: list[Any], uri: str, offsets: list[int]) -> TokenBatch:
    try:
        return encoder.encode_batch(texts)
    except ValueError:
        for offset, text in zip(offsets, texts, strict=True):  # the bad one gets its note
            placed(encoder.encode_batch, uri, offset, [text])
        raise
