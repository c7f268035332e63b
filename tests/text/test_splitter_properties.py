"""Every way to cut text gives the chunks of a slow oracle, on both backends, and those of LangChain's splitter.

``STREAMCORE_TEST_SCALE`` multiplies the number of random texts.
"""

from __future__ import annotations

import os
import random

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from splitter_oracle import SEPARATORS, random_cuts, random_options, random_text, split

SCALE = float(os.environ.get("STREAMCORE_TEST_SCALE", "1"))
SEED = int(os.environ.get("STREAMCORE_TEST_SEED", "20240229"))


def engine(backend, options, **more):
    return backend.TextSplitterEngine(
        options["size"], **{k: v for k, v in options.items() if k != "size"}, **more
    )


def run(engine, cuts, way):
    if way == "feed":
        return [chunk for cut in cuts for chunk in engine.feed(cut)] + engine.finish()
    if way == "iterate":
        return list(engine.iterate(iter(cuts)))
    return [chunk for batch in engine.batches(iter(cuts)) for chunk in batch]


def plain(chunks):
    return [(chunk.text, chunk.start, chunk.stop) for chunk in chunks]


@pytest.mark.parametrize("way", ["feed", "iterate", "batches"])
def test_random_cuts(backend, way):
    rnd = random.Random(f"{SEED} {way}")
    for _ in range(int(600 * SCALE)):
        text, options = random_text(rnd), random_options(rnd)
        expected = split(text, options)
        assert plain(run(engine(backend, options), [text], way)) == expected, (text, options)
        for _ in range(2):
            cuts = random_cuts(rnd, text)
            assert plain(run(engine(backend, options), cuts, way)) == expected, (cuts, options)


@settings(max_examples=int(100 * SCALE), deadline=None)
@given(
    text=st.text(alphabet=st.sampled_from("a b\n.é中😀"), max_size=200),
    cut=st.lists(st.integers(0, 30), max_size=20),
    size=st.integers(1, 40),
    separators=st.sampled_from(SEPARATORS),
)
def test_any_text(backend, text, cut, size, separators):
    options = {
        "size": size, "overlap": size // 3, "separators": separators, "length": "chars", "keep": "end", "strip": True
    }  # fmt: skip
    cuts, at = [], 0
    for length in cut:
        cuts.append(text[at : at + length])
        at += length
    cuts.append(text[at:])
    chunks = run(engine(backend, options), cuts, "feed")
    assert plain(chunks) == split(text, options)
    assert all(text[chunk.start : chunk.stop] == chunk.text for chunk in chunks)


def test_twins_give_each_chunk_at_the_same_fragment():
    native = pytest.importorskip("streamcore._native.text.splitter")
    from streamcore._pure.text import splitter as pure

    rnd = random.Random(SEED)
    for _ in range(int(600 * SCALE)):
        options = random_options(rnd)
        cuts = random_cuts(rnd, random_text(rnd))
        native_engine, pure_engine = (engine(module, options, as_=str) for module in (native, pure))
        for fragment in cuts:
            assert native_engine.feed(fragment) == pure_engine.feed(fragment), (cuts, options)
        assert native_engine.finish() == pure_engine.finish()


WORDS = [
    "a", " ", "\n", "\n\n", "word ", "\ud83d", "\ude00", "\ud800", "😀", "中文", "é", "'s", "  ", "123", "thing",
    "\t", ".", "<|endoftext|>", "x" * 50,
]  # fmt: skip


def test_tokens_are_those_that_a_function_counts_however_the_text_is_cut():
    """What is counted natively as text grows, is what counting each candidate anew gives; the twin does that."""
    native = pytest.importorskip("streamcore._native.text.splitter")
    from streamcore import BPE
    from streamcore._pure.text import splitter as pure

    bpe, rnd = BPE.gpt2(), random.Random(f"{SEED} tokens")
    for _ in range(int(250 * SCALE)):
        text = "".join(rnd.choices(WORDS, k=rnd.randrange(60)))
        options = random_options(rnd) | {"overlap": 0}
        cuts = random_cuts(rnd, text)
        tokens = engine(native, options | {"length": bpe})
        counted = engine(pure, options | {"length": lambda part: bpe.count(part, disallowed_special=())})
        for _ in range(2):  # the second time after reset(), with another beginning
            for fragment in cuts:
                assert plain(tokens.feed(fragment)) == plain(counted.feed(fragment)), (cuts, options)
            assert plain(tokens.finish()) == plain(counted.finish()), (cuts, options)
            tokens.reset()
            counted.reset()
            cuts = cuts[1:]


def test_a_chunk_comes_once_no_later_text_can_change_it(backend):
    """With a separator at the end of pieces, each character decides what it can."""
    rnd = random.Random(SEED)
    for _ in range(int(200 * SCALE)):
        options = random_options(rnd) | {"keep": "end", "overlap": 0, "length": "chars"}
        text = random_text(rnd, 40)
        one = engine(backend, options, as_=str)
        given: list[str] = []
        for at, character in enumerate(text):
            given += one.feed(character)
            start = text[: at + 1]
            ends = [start, start + "x" * 30, *(start + s + "x" * 30 for s in options["separators"] if s)]
            futures = [[chunk for chunk, _, _ in split(end, options)] for end in ends]
            common = 0
            while all(len(f) > common for f in futures) and len({f[common] for f in futures}) == 1:
                common += 1
            assert len(given) <= common, (start, options)
            assert given == futures[0][: len(given)]


@pytest.mark.parametrize("keep", ["end", "start"])
def test_equal_to_langchain(backend, keep):
    splitters = pytest.importorskip(
        "langchain_text_splitters", reason="langchain-text-splitters is not installed"
    )
    rnd = random.Random(SEED)
    for _ in range(int(2500 * SCALE)):
        text, options = random_text(rnd), random_options(rnd) | {"overlap": 0, "keep": keep}
        if not options["separators"]:
            continue  # it takes its own then
        measure = {"chars": len, "bytes": lambda part: len(part.encode("utf-8", "surrogatepass"))}
        theirs = splitters.RecursiveCharacterTextSplitter(
            chunk_size=options["size"],
            chunk_overlap=0,
            separators=list(options["separators"]),
            keep_separator=keep,
            length_function=measure.get(options["length"], options["length"]),
            strip_whitespace=options["strip"],
        ).split_text(text)
        if options["strip"]:  # it leaves the white space on a piece that nothing divides
            theirs = [chunk.strip() for chunk in theirs if chunk.strip()]
        assert run(engine(backend, options, as_=str), [text], "feed") == theirs, (text, options)
