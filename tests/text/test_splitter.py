"""``TextSplitter``: chunks of text with their places in it."""

from __future__ import annotations

import asyncio
import copy
import gc
import io
import pickle
import sys

import pytest
from backends import Backend, stage_on
from traced_memory import traced_peak

from streamcore import BPE, UTF8, TextChunk, TextSplitter, ops
from streamcore.chunk_batch import ChunkBatch
from streamcore.testing import check_laws

TEXT = "One two three.\n\nFour five six seven eight nine.\nTen.\n\n  Eleven twelve 漢字 😀 end  \n"


def chunks(backend, text, size, **options):
    engine = backend.TextSplitterEngine(size, **options)
    return engine.feed(text) + engine.finish()


def texts(backend, text, size, **options):
    return chunks(backend, text, size, as_=str, **options)


def test_pieces_run_together_while_they_fit(backend):
    assert texts(backend, "aa bb cc dd", 6, separators=(" ",)) == ["aa bb", "cc dd"]
    assert texts(backend, "aa bb cc dd", 5, separators=(" ",)) == ["aa", "bb", "cc dd"]


def test_a_long_piece_is_divided_by_the_next_separator(backend):
    assert texts(backend, "aa\n\nbb bb bb bb\n\ncc", 6) == ["aa", "bb bb", "bb bb", "cc"]
    assert texts(backend, "aaaaaaaaaa", 4) == ["aaaa", "aaaa", "aa"]


def test_a_piece_that_nothing_divides_is_given_as_it_is(backend):
    assert texts(backend, "a bbbbbbbb c", 4, separators=(" ",)) == ["a", "bbbbbbbb", "c"]


def test_chunks_say_where_they_are(backend):
    for options in ({}, {"overlap": 5}, {"keep": "start"}, {"keep": "none"}, {"strip": False}):
        found = chunks(backend, TEXT, 12, **options)
        assert all(TEXT[chunk.start : chunk.stop] == chunk.text for chunk in found)
        assert all(len(chunk.text) <= 12 for chunk in found)


def test_a_repeated_text_has_its_own_place(backend):  # langchain-ai/langchain#21475
    assert [(c.start, c.stop) for c in chunks(backend, "ab ab ab", 3, separators=(" ",))] == [
        (0, 2),
        (3, 5),
        (6, 8),
    ]


def test_overlap_never_makes_a_chunk_too_long(backend):  # rocketride-org/rocketride-server PR 897
    found = texts(backend, "aa bb cc dd ee ff", 8, overlap=5, separators=(" ",))
    assert found == ["aa bb", "bb cc", "cc dd", "dd ee ff"]
    assert max(map(len, found)) <= 8


def test_overlap_where_a_long_piece_was_divided(backend):  # langchain-ai/langchain#8142
    assert texts(backend, "aa\n\nbb cc dd ee", 6, overlap=3) == ["aa", "bb cc", "cc dd", "dd ee"]
    assert texts(backend, "abcdefghij", 4, overlap=2) == ["abcd", "cdef", "efgh", "ghij"]


def test_there_is_no_chunk_of_overlap_only(backend):
    assert texts(backend, "aa bb     ", 6, overlap=3, separators=(" ",)) == ["aa bb"]


def test_offsets_count_characters_whatever_is_measured(backend):  # deepset-ai/haystack#11710
    text = "漢字 漢字 漢字"
    found = chunks(backend, text, 7, separators=(" ",), length="bytes")
    assert [(c.text, c.start, c.stop) for c in found] == [("漢字", 0, 2), ("漢字", 3, 5), ("漢字", 6, 8)]


@pytest.mark.parametrize("overlap", [5, 6, 10**30])
def test_overlap_of_size_is_refused(backend, overlap):  # BerriAI/litellm#38980
    with pytest.raises(ValueError, match=f"overlap must be smaller than size, 5, got {overlap}"):
        backend.TextSplitterEngine(5, overlap=overlap)


@pytest.mark.parametrize(
    ("arguments", "options", "error", "message"),
    [
        ((0,), {}, ValueError, "size must be positive, got 0"),
        ((1.0,), {}, TypeError, "size must be an int, got float"),
        ((5,), {"overlap": -1}, ValueError, "overlap must not be negative, got -1"),
        ((5,), {"separators": "\n"}, TypeError, "separators must be several strings, got one str"),
        ((5,), {"separators": (b"\n",)}, TypeError, "separators must be str, got bytes"),
        ((5,), {"length": "words"}, TypeError,
         "length must be 'chars', 'bytes', a BPE or a function of a str, got 'words'"),
        ((5,), {"keep": "both"}, ValueError, "keep must be 'end', 'start' or 'none', got 'both'"),
        ((5,), {"strip": 1}, TypeError, "strip must be a bool, got int"),
        ((5,), {"as_": bytes}, ValueError, "as_ must be 'chunk' or str, got <class 'bytes'>"),
    ],
)  # fmt: skip
def test_wrong_options_are_refused(backend, arguments, options, error, message):
    with pytest.raises(error) as caught:
        backend.TextSplitterEngine(*arguments, **options)
    assert str(caught.value) == message


def test_odd_input(backend):
    assert texts(backend, "one piece", 3, separators=()) == ["one piece"]
    assert texts(backend, " \n\n \t ", 3) == []
    assert texts(backend, "", 3) == []
    assert texts(backend, "a\ud800b\udc00", 2) == ["a\ud800", "b\udc00"]
    assert texts(backend, "a\ud800", 3, length="bytes") == ["a", "\ud800"]


def test_a_word_of_10_mb(backend):
    size = 10_000_000 if backend.name == "native" else 1_000_000
    found = texts(backend, "x" * size, 1000)
    assert set(found) == {"x" * 1000}
    assert len(found) == size // 1000


def test_bytes_are_refused_by_name(backend):
    engine = backend.TextSplitterEngine(5)
    with pytest.raises(
        TypeError, match=r"TextSplitter takes str, got bytes: put UTF8\(\) before it for bytes"
    ):
        engine.feed(b"text")
    assert engine.feed("some text") == [] or engine.offset == 9


def test_state_is_bounded(backend):
    """What is held is a chunk, not the stream."""
    for options in ({}, {"overlap": 50}, {"length": "bytes"}, {"length": len}):
        engine = backend.TextSplitterEngine(100, **options)
        for _ in range(200):
            engine.feed("some words " * 20)
        gc.collect()
        held = held_by(engine)
        for _ in range(1000):
            engine.feed("some words " * 20)
        assert held_by(engine) <= held + 2000


def held_by(engine):
    """Bytes of what an engine has left over, told by its copy in the form of a Python object."""
    splitting = getattr(engine, "_splitting", None)
    if splitting is None:
        return 0
    return sum(sys.getsizeof(value) for value in vars(splitting).values()) + len(splitting._text)


def test_native_state_is_bounded():
    pytest.importorskip("streamcore._native.text.splitter")
    before = """
engine = backend.TextSplitterEngine(100)
for count in range(1000):
    engine.feed("some words " * 20)
"""
    traced = 'for _ in range(2000): engine.feed("some words " * 20)'
    assert traced_peak(Backend("native"), before, traced) < 20_000


# ---- measures


def test_tokens_of_a_bpe(backend):
    bpe = BPE.gpt2()
    text = "Tokens of a chunk are counted in its own text, so that none has too many. " * 20
    for overlap in (0, 5):
        found = chunks(backend, text, 20, overlap=overlap, length=bpe)
        assert all(bpe.count(chunk.text) <= 20 for chunk in found)
        assert all(text[chunk.start : chunk.stop] == chunk.text for chunk in found)
        assert found[-1].stop == len(text.rstrip())
        engine = backend.TextSplitterEngine(20, overlap=overlap, length=bpe)
        assert [
            c for at in range(0, len(text), 7) for c in engine.feed(text[at : at + 7])
        ] + engine.finish() == found
    assert chunks(backend, "a <|endoftext|> b", 20, length=bpe)[0].text == "a <|endoftext|> b"


def test_a_character_of_more_tokens_than_size_is_a_chunk(backend):
    assert texts(backend, "😀😀", 1, length=BPE.gpt2()) == ["😀", "😀"]


def test_a_function_is_asked_for_candidates(backend):
    asked = []

    def length(text):
        asked.append(text)
        return len(text.split())

    assert texts(backend, "a b c d e", 3, length=length, separators=(" ",)) == ["a b c", "d e"]
    assert len(asked) <= 10


def test_what_length_raises_comes_after_the_chunks_before(backend):
    def length(text):
        if "!" in text:
            raise KeyError("bad")
        return len(text)

    whole = "aa bb cc d! ee"
    for cuts in ([whole], list(whole)):
        engine = backend.TextSplitterEngine(6, length=length, separators=(" ",), as_=str)
        found = []
        with pytest.raises(KeyError, match="bad") as caught:
            found.extend(engine.iterate(iter(cuts)))
        assert found == ["aa bb"]
        assert caught.value.__notes__ == ["in TextSplitter, at character 9 of its input"]


@pytest.mark.parametrize(
    ("result", "error"), [(-1, ValueError), (1.5, TypeError), (None, TypeError), (True, TypeError)]
)
def test_what_is_no_length_is_refused(backend, result, error):
    engine = backend.TextSplitterEngine(6, length=lambda text: result)
    with pytest.raises(error, match=r"the result of length\(\) must"):
        engine.feed("some text that is longer than that\n\n")
        engine.finish()


def test_an_interrupt_in_length_takes_nothing_in(backend):
    interrupted = []

    def length(text):
        if not interrupted:
            interrupted.append(1)
            raise KeyboardInterrupt
        return len(text)

    engine = backend.TextSplitterEngine(6, length=length, as_=str)
    with pytest.raises(KeyboardInterrupt):
        engine.feed("aa bb cc\n\n")
    if backend.name == "native":  # the twin may be anywhere
        assert engine.offset == 0
        assert engine.feed("aa bb cc\n\n") + engine.finish() == ["aa bb", "cc"]


# ---- items


def test_chunks_are_values(backend):
    one = backend.TextChunk("text", 3, 7)
    assert one == backend.TextChunk("text", 3, 7)
    assert one != backend.TextChunk("text", 2, 7)
    assert one != ("text", 3, 7)
    assert hash(one) == hash(backend.TextChunk("text", 3, 7))
    assert repr(one) == "TextChunk(text='text', start=3, stop=7)"
    assert pickle.loads(pickle.dumps(one)) == one
    assert copy.copy(one) == copy.deepcopy(one) == one
    match one:
        case backend.TextChunk(text, start, stop):
            assert (text, start, stop) == ("text", 3, 7)
    with pytest.raises(AttributeError):
        one.text = "other"
    with pytest.raises(AttributeError):
        del one.text
    for wrong in ((1, 2, 3), ("a", "b", 3), ("a", 1, 2.0)):
        with pytest.raises(TypeError):
            backend.TextChunk(*wrong)
    with pytest.raises(ValueError, match="start must be from 0 to"):
        backend.TextChunk("a", -1, 3)


def test_batches_have_columns(backend):
    (batch, *rest) = backend.TextSplitterEngine(12).batches(iter([TEXT]))
    found = [*batch, *(chunk for other in rest for chunk in other)]
    assert found == chunks(backend, TEXT, 12)
    assert isinstance(batch, ChunkBatch)
    assert batch.starts.tolist() == [chunk.start for chunk in batch]
    assert batch.stops.tolist() == [chunk.stop for chunk in batch]
    assert batch.data.decode() == "".join(chunk.text for chunk in batch)
    assert np_items(batch) == [chunk.text for chunk in batch]
    assert list(batch[1:3]) == found[1:3]
    assert batch[1:3].starts.tolist() == [chunk.start for chunk in found[1:3]]
    assert np_items(batch[1:3]) == [chunk.text for chunk in found[1:3]]
    assert list(batch[::-1]) == list(batch)[::-1]
    assert pickle.loads(pickle.dumps(batch)) == batch == batch[:]
    assert batch != batch[1:]
    assert repr(batch[1:3]) == "ChunkBatch(2 chunks)"


def np_items(batch):
    ends = batch.offsets.tolist()
    return [batch.data[a:b].decode() for a, b in zip(ends, ends[1:], strict=False)]  # noqa: RUF007


def test_batches_go_to_arrow():
    from streamcore._backend import BACKEND

    pa = pytest.importorskip("pyarrow", reason="the consumer here is pyarrow")
    if BACKEND == "pure":
        pytest.skip("the Arrow interface is native")
    splitter = TextSplitter(12)
    expected = [{"text": c.text, "start": c.start, "stop": c.stop} for c in splitter.invoke(TEXT)]
    reader = pa.RecordBatchReader.from_stream(splitter.batches([TEXT[:30], TEXT[30:]]))
    columns = [("text", pa.large_string()), ("start", pa.int64()), ("stop", pa.int64())]
    assert reader.schema == pa.schema(columns)
    table = reader.read_all()
    table.validate(full=True)
    assert table.to_pylist() == expected
    batch = next(splitter.batches(TEXT))
    array = pa.array(batch[1:3])
    array.validate(full=True)
    assert array.type == pa.struct(columns)
    assert array.to_pylist() == expected[1:3]
    texts = pa.RecordBatchReader.from_stream(TextSplitter(12, as_=str).batches(TEXT)).read_all()
    assert texts["item"].to_pylist() == [row["text"] for row in expected]
    with pytest.raises(UnicodeEncodeError):
        pa.array(next(splitter.batches("a\ud800")))


# ---- the stage


def test_stage_takes_text(backend):
    splitter = stage_on(TextSplitter(12), backend)
    expected = splitter.invoke(TEXT)
    assert list(splitter.transform(list(TEXT))) == expected
    assert list(splitter.stream(io.StringIO(TEXT))) == expected
    assert list((UTF8() | splitter).stream(TEXT.encode())) == expected
    assert list((splitter | ops.map(lambda chunk: chunk.text)).stream(TEXT)) == [c.text for c in expected]
    with pytest.raises(TypeError, match="UTF8"):
        list(splitter.stream(TEXT.encode()))

    async def collect():
        return [chunk async for chunk in splitter.astream(TEXT)]

    assert asyncio.run(collect()) == expected


def test_stage_can_be_pickled_and_shows_what_makes_it():
    for splitter in (
        TextSplitter(12),
        TextSplitter.markdown(50, overlap=3),
        TextSplitter(9, length="bytes", as_=str),
    ):
        assert pickle.loads(pickle.dumps(splitter)).invoke(TEXT) == splitter.invoke(TEXT)
        assert eval(repr(splitter)).invoke(TEXT) == splitter.invoke(TEXT)
    assert repr(TextSplitter(12, overlap=3)) == "TextSplitter(12, overlap=3)"


def test_presets():
    markdown = "# Title\n\nSome text.\n\n## Part one\n\nIts text.\n\n## Part two\n\nMore text.\n"
    assert [c.text for c in TextSplitter.markdown(40).invoke(markdown)] == [
        "# Title\n\nSome text.",
        "## Part one\n\nIts text.",
        "## Part two\n\nMore text.",
    ]
    python = "import a\n\ndef f():\n    return 1\n\ndef g():\n    return 2\n"
    assert [c.text for c in TextSplitter.python(30).invoke(python)] == [
        "import a",
        "def f():\n    return 1",
        "def g():\n    return 2",
    ]
    assert TextSplitter.sentences(20, as_=str).invoke("One is here. Two is there? Yes! 三。四。") == [
        "One is here.",
        "Two is there?",
        "Yes! 三。四。",
    ]


@pytest.mark.parametrize("options", [{}, {"overlap": 6}, {"keep": "start", "length": "bytes"}, {"as_": str}])
def test_laws(backend, options):
    check_laws(stage_on(TextSplitter(16, **options), backend), [TEXT, "", "x" * 100], cuts=30)


def test_public_names():
    assert TextChunk.__name__ == "TextChunk"
    assert isinstance(TextSplitter(5).invoke("text")[0], TextChunk)


def test_a_separator_of_several_characters_is_found_wherever_it_stands(backend):
    for separator in ("\n\n", "ab", "aba", "\n\xe9", "\n\u0101"):
        for at in range(40):
            for decoy in (separator[0], separator[0] * 3, separator[:-1] + "z"):
                text = (decoy + "x" * 40)[:at] + separator + "y" * 20 + decoy
                engine = backend.TextSplitterEngine(1, separators=[separator], strip=False)
                found = [chunk.text for chunk in engine.feed(text) + engine.finish()]
                parts = text.split(separator)
                whole = [part + separator for part in parts[:-1]] + [parts[-1]]
                assert "".join(found) == text
                assert found == [part for part in whole if part]
