"""Records through a pipeline: the items of each are a document; ids stay in arrays."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from typing import Any, Final

from ..runnables.sequence import RunnableSequence
from ..stages.tokens import TokenEncoder
from ..token_batch import TokenBatch
from .errors import BadRecord
from .records import RecordBlock

BLOCK: Final = 1 << 20  # of text that is encoded at once
STREAMED: Final = 16 << 20  # from this size on a record goes through the encoder of streams


@dataclass(frozen=True)
class Documents:
    """What some records of one file became: ``contents`` is a ``TokenBatch`` of ids, or a list of lists of items."""

    uri: str
    offsets: list[int]
    contents: TokenBatch | list[list[Any]]


def last_of(pipeline: Any) -> Any:
    return pipeline.stages[-1] if isinstance(pipeline, RunnableSequence) else pipeline


def encoder_of(pipeline: Any) -> TokenEncoder | None:
    """The encoder that a pipeline ends in, if it does."""
    last = last_of(pipeline)
    return last if isinstance(last, TokenEncoder) else None


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
    for uri, offsets, contents in blocks:
        texts: list[Any] = []
        first = size = 0
        for place, content in enumerate(contents):
            text = content if prepare is None else placed(prepare, uri, offsets[place], content)
            if not isinstance(text, str | bytes):
                raise BadRecord(
                    uri, offsets[place], f"text for the encoder is due, got {type(text).__name__}"
                )
            texts.append(text)
            size += len(text)
            if size >= BLOCK or place == len(contents) - 1:
                places = offsets[first : place + 1]
                yield Documents(uri, places, ids_of(encoder, texts, uri, places))
                texts, first, size = [], place + 1, 0


def ids_of(encoder: TokenEncoder, texts: list[Any], uri: str, offsets: list[int]) -> TokenBatch:
    if len(texts[-1]) < STREAMED:
        try:
            batch = encoder.encode_batch(texts)
        except ValueError:
            pass  # one by one, the bad one gets its note
        else:
            return batch
    import numpy as np

    arrays = [placed(encoder.invoke, uri, offset, text) for offset, text in zip(offsets, texts, strict=True)]
    return TokenBatch(np.concatenate(arrays), np.cumsum([0, *map(len, arrays)]))
