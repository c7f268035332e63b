"""Types of stages by ``as_``, and of chains that begin with them."""

from __future__ import annotations

import asyncio
import io
import json
from collections.abc import AsyncIterator, Iterator
from pathlib import Path
from typing import Any, Literal, reveal_type

import numpy as np
import numpy.typing as npt

from streamcore import (
    BPE,
    UTF8,
    ContentDefined,
    Delimited,
    FixedSize,
    JSONDeltas,
    JSONLines,
    LengthPrefixed,
    Lines,
    Runnable,
    RunnableConfig,
    RunnableLambda,
    Sections,
    ServerSentEvents,
    Stop,
    TextSplitter,
    View,
    Words,
    ops,
)

reveal_type(Lines())  # Lines[bytes]
reveal_type(Lines(as_=bytes, keepends=True))  # Lines[bytes]
reveal_type(Lines(as_=str, newline="universal"))  # Lines[str]
reveal_type(Lines(as_="view", borrow=True))  # Lines[View]
reveal_type(Delimited(b",", b";", keep=True))  # Delimited[bytes]
reveal_type(Delimited(b",", as_=str))  # Delimited[str]
reveal_type(Delimited(b",", as_="view"))  # Delimited[View]
reveal_type(LengthPrefixed("u8", offset=1))  # LengthPrefixed[bytes]
reveal_type(LengthPrefixed(as_=str))  # LengthPrefixed[str]
reveal_type(LengthPrefixed(as_="view").stream(b""))  # Iterator[View]
reveal_type(ContentDefined())  # ContentDefined[View]
reveal_type(ContentDefined(1024, as_=bytes).stream(b""))  # Iterator[bytes]
reveal_type(ContentDefined(1024, digest=len))  # ContentDefined[Chunk]
reveal_type(FixedSize(10))  # FixedSize[View]
reveal_type(FixedSize(10, as_=bytes, on_incomplete="drop"))  # FixedSize[bytes]
reveal_type(FixedSize(10, as_=str))  # FixedSize[str]
reveal_type(ServerSentEvents())  # ServerSentEvents[Event]
reveal_type(ServerSentEvents(stop="x").stream(b""))  # Iterator[Event]
reveal_type(ServerSentEvents(as_=str).stream(b""))  # Iterator[str]
reveal_type(ServerSentEvents(as_=bytes).invoke(b""))  # list[bytes]
reveal_type(ServerSentEvents(as_="view"))  # ServerSentEvents[View]
ServerSentEvents(as_="events")  # error
reveal_type(JSONLines())  # JSONLines[Any]
reveal_type(JSONLines(on_error="yield", as_=str, sequence=True))  # JSONLines[Any]
reveal_type(JSONLines(int, max_size=None))  # JSONLines[int]
reveal_type(JSONLines(int).stream(b""))  # Iterator[int]
reveal_type(JSONLines(loads=json.loads).invoke(b""))  # list[Any]
reveal_type(JSONLines(str.split, as_=str, on_error="skip").invoke(b""))  # list[list[str]]
reveal_type(JSONLines(memoryview.tobytes, as_="view").stream(b""))  # Iterator[bytes]
reveal_type(JSONLines(int, on_error="yield").stream(b""))  # Iterator[int | InvalidRecord]
reveal_type(JSONLines(int, on_error="yield", as_="view"))  # JSONLines[int | InvalidRecord]
reveal_type(JSONLines.encoder().stream([1]))  # Iterator[Any]
JSONLines(str.split)  # error
JSONLines(as_="view")  # error
JSONLines(on_oversize="truncate")  # error
JSONLines.encoder(len)  # error
reveal_type(Words())  # Words[Any]
reveal_type(Words("none", as_=str))  # Words[str]
reveal_type(Words(as_=bytes, max_size=None))  # Words[bytes]
reveal_type(Words(as_="view"))  # Words[View]
Lines(as_="lines")  # error
Lines(keepend=True)  # error
Lines(on_oversize="skp")  # error
Delimited(",")  # error


reveal_type(TextSplitter(100))  # TextSplitter[TextChunk]
reveal_type(TextSplitter(100, as_=str, overlap=3, length=len))  # TextSplitter[str]
reveal_type(TextSplitter.markdown(100, as_=str))  # TextSplitter[str]
reveal_type(TextSplitter(100).stream("text"))  # Iterator[TextChunk]
reveal_type(TextSplitter(100, as_=str).invoke(["te", "xt"]))  # list[str]
reveal_type((UTF8() | TextSplitter.sentences(100)).stream(b"text"))  # Iterator[TextChunk]
TextSplitter(100).stream(b"text")  # error
TextSplitter(100, length="words")  # error


# ---- what they give

data = b"a\nb\n"
reveal_type(Lines().stream(data))  # Iterator[bytes]
reveal_type(Lines().invoke(data))  # list[bytes]
reveal_type(Lines(as_=str).stream(Path("data.txt")))  # Iterator[str]
reveal_type(Lines(as_="view").transform([data]))  # Iterator[View]
reveal_type(Lines().stream(io.BytesIO(data)))  # Iterator[bytes]
reveal_type(Lines().stream([bytearray(data), memoryview(data)]))  # Iterator[bytes]
reveal_type(FixedSize(2).invoke(data))  # list[View]
reveal_type(UTF8().stream(data))  # Iterator[str]
reveal_type(UTF8().invoke(data))  # str
reveal_type(Words(as_=str).stream("a b"))  # Iterator[str]
reveal_type(Words(as_=str).stream(io.StringIO("a b")))  # Iterator[str]
reveal_type(Sections({"think": ("<think>", "</think>")}).invoke("a"))  # list[Section]
reveal_type(Sections({"think": ("<think>", "</think>")}).stream("a"))  # Iterator[Section]
reveal_type(JSONDeltas().stream("[]"))  # Iterator[JSONDelta]
reveal_type(JSONDeltas(as_="delta", strict=False).stream("[]"))  # Iterator[JSONDelta]
reveal_type(JSONDeltas(as_="snapshot").stream("[]"))  # Iterator[Any]
reveal_type(Stop("END").stream("text"))  # Iterator[Any]
reveal_type(Lines().batch([data, data]))  # list[list[bytes]]
reveal_type(next(Lines().batches(data)))  # Batch
reveal_type(Lines().batches(data))  # Batches
reveal_type(Lines().batches(data).__arrow_c_stream__())  # object
Lines().stream("text")  # error
Lines().stream(["text"])  # error
Lines().stream(io.StringIO("text"))  # error
UTF8().invoke("text")  # error


async def on_a_loop(reader: asyncio.StreamReader) -> None:
    reveal_type(Lines().astream(reader))  # AsyncIterator[bytes]
    reveal_type(Lines().astream(data))  # AsyncIterator[bytes]
    reveal_type(await Lines(as_=str).ainvoke(data))  # list[str]


async def pieces() -> AsyncIterator[bytes]:
    yield data


async def chains_on_a_loop() -> None:
    lengths = Lines(as_=str) | ops.map(len)
    reveal_type(lengths.astream(pieces()))  # AsyncIterator[int]
    reveal_type(lengths.astream(data))  # AsyncIterator[int]
    reveal_type(lengths.atransform(pieces()))  # AsyncIterator[int]
    reveal_type((UTF8() | Words(as_=str)).astream(pieces()))  # AsyncIterator[str]
    (RunnableLambda(len) | ops.map(str)).astream(pieces())  # error
    lengths.astream("text")  # error


def by_view(view: View) -> None:
    reveal_type(view.tobytes())  # bytes
    reveal_type(view[0])  # int
    reveal_type(view[1:])  # View
    reveal_type(view.nbytes)  # int
    reveal_type(bytes(view))  # bytes
    view[0] = 1  # error


def by_options(as_: Any, kind: Literal["view"]) -> None:
    reveal_type(Lines(as_=kind))  # Lines[View]
    anything: Lines = Lines(as_=as_)
    reveal_type(anything.invoke(data))  # list[Any]


# ---- tokens

bpe = BPE.gpt2()
ids: npt.NDArray[np.uint32] = bpe.encoder().invoke("text")
no_ids: str = bpe.encoder().invoke("text")  # error
reveal_type(bpe.decoder().stream([1, 2]))  # Iterator[str]
reveal_type(bpe.decoder().stream(bpe.encode("text")))  # Iterator[str]
reveal_type(bpe.decoder().invoke([bpe.encode("text")]))  # str
reveal_type((bpe.encoder() | bpe.decoder()).invoke("text"))  # str
reveal_type((Lines(keepends=True) | bpe.encoder() | bpe.decoder()).stream(data))  # Iterator[str]
bpe.decoder().stream("text")  # error
bpe.encoder().stream(5)  # error

# ---- chains


class Fetcher(Runnable[str, bytes]):
    def invoke(self, input: str, config: RunnableConfig | None = None) -> bytes:
        return input.encode()


class Shorter(Runnable[bytes, str]):
    def transform(self, input: Any, config: RunnableConfig | None = None) -> Iterator[str]:
        yield from map(str, input)


reveal_type((Lines() | UTF8()).invoke(data))  # str
reveal_type((UTF8() | Words(as_=str)).stream(data))  # Iterator[str]
reveal_type((Lines() | Shorter()).stream(data))  # Iterator[str]
reveal_type((Lines() | len).stream(data))  # Iterator[int]
reveal_type((Lines(as_=str) | RunnableLambda(len)).invoke(data))  # int
reveal_type((Lines() | RunnableLambda(json.dumps)).invoke(data))  # str
reveal_type(Fetcher() | Lines(as_=str))  # RunnableSequence[str, list[str], str]
_ = Lines(as_=str) | UTF8()  # error
_ = Lines() | Fetcher()  # error
_ = Lines() | bpe.decoder() | Lines()  # error
_ = (Lines() | len) | Lines()  # error
