"""TextSplitter: F7 (10 MB by characters) and F8 (1 MB by 512 tokens of GPT-2).

Peers: memchunk (looks only at the edges of chunks, in bytes) and langchain-text-splitters, for tokens with tiktoken as
its length. ``pytest benchmarks/bench_splitter.py`` prints all of it. On 2 shared cores of Zen 4, CPython 3.11:

- F7 at LF alone: 98 GB/s against 24 of memchunk, equal offsets. At the four separators, items: 2.6 GB/s (1.9 by 1000
  characters) against 0.1 of langchain-text-splitters, equal chunks: 26 times as fast (19 by 1000 characters).
- F8: see docs/speed.md, and formats.py for semchunk and cl100k.
"""

from __future__ import annotations

from typing import Any

import pytest

from streamcore.vocab.encodings import GPT2

SIZE, TOKENS = 4096, 512
F7 = "F7 chunks of 4096 characters"
EDGES = "F7 the same at LF alone, as offsets"
F8 = "F8 chunks of 512 tokens, 1 MB"


@pytest.fixture(scope="module")
def text(corpus) -> str:
    return corpus.text().decode("ascii", "ignore")


@pytest.fixture(scope="module")
def peer():
    return pytest.importorskip("langchain_text_splitters").RecursiveCharacterTextSplitter


def count(items: Any) -> int:
    return sum(1 for _ in items)


def test_items(backend, text, measure):
    def run() -> int:
        return count(backend.TextSplitterEngine(SIZE).iterate(iter((text,))))

    assert run()
    measure(F7, run, len(text))


def test_batches(backend, text, measure):
    def run() -> int:
        return sum(map(len, backend.TextSplitterEngine(SIZE).batches(iter((text,)))))

    measure(F7, run, len(text))


def test_langchain(backend, text, peer, measure):
    if backend.name == "pure":
        pytest.skip("one row")
    splitter = peer(chunk_size=SIZE, chunk_overlap=0, keep_separator="end")
    mine = list(backend.TextSplitterEngine(SIZE, as_=str).iterate(iter((text,))))
    assert [chunk.strip() for chunk in splitter.split_text(text) if chunk.strip()] == mine
    measure(F7, lambda: splitter.split_text(text), len(text), rounds=3)


def test_edges(backend, text, measure):
    def run() -> int:
        engine = backend.TextSplitterEngine(SIZE, separators=("\n",), strip=False)
        return sum(len(batch.starts) for batch in engine.batches(iter((text,))))

    measure(EDGES, run, len(text))


def test_memchunk(backend, text, measure):
    memchunk = pytest.importorskip("memchunk")
    if backend.name == "pure":
        pytest.skip("one row")
    data = text.encode()
    theirs = memchunk.chunk_offsets(data, SIZE, b"\n")
    engine = backend.TextSplitterEngine(SIZE, separators=("\n",), strip=False)
    mine = [(chunk.start, chunk.stop) for chunk in engine.iterate(iter((text,)))]
    assert mine == [tuple(pair) for pair in theirs]
    measure(EDGES, lambda: memchunk.chunk_offsets(data, SIZE, b"\n"), len(text))


def test_tokens(backend, text, measure):
    from streamcore import BPE

    bpe = BPE.gpt2()
    part = text[:1_000_000]
    measure(
        F8,
        lambda: count(backend.TextSplitterEngine(TOKENS, length=bpe).iterate(iter((part,)))),
        len(part),
        rounds=3,
    )


def test_tokens_langchain(backend, text, peer, measure):
    tiktoken = pytest.importorskip("tiktoken")
    if backend.name == "pure":
        pytest.skip("one row")
    from streamcore import BPE

    bpe = BPE.gpt2()
    theirs = tiktoken.Encoding("gpt2", pat_str=GPT2, mergeable_ranks=dict(bpe.ranks), special_tokens={})
    part = text[:1_000_000]
    splitter = peer(
        chunk_size=TOKENS,
        chunk_overlap=0,
        keep_separator="end",
        length_function=lambda piece: len(theirs.encode_ordinary(piece)),
    )
    measure(F8, lambda: splitter.split_text(part), len(part), rounds=3)
