"""The stages of ``BPE`` as users have them: streams of text and ids, composition, laws."""

from __future__ import annotations

import asyncio
import io
import pickle

import numpy as np
import pytest

from streamcore import BPE, Lines
from streamcore.testing import LAWS, RecordingSource, check_laws

END = "<|endoftext|>"
TEXT = "Hello 世界, it's  12345\n\n  fine \U0001f600"


@pytest.fixture(scope="module")
def bpe():
    return BPE.gpt2()


def same(one, other):
    """Equality of outputs that may be arrays."""
    if isinstance(one, (list, tuple)) and isinstance(other, (list, tuple)):
        return len(one) == len(other) and all(map(same, one, other))
    if isinstance(one, np.ndarray) or isinstance(other, np.ndarray):
        return type(one) is type(other) and one.dtype == other.dtype and one.tolist() == other.tolist()
    return one == other


def test_stages_are_picklable(bpe):
    pipeline = pickle.loads(pickle.dumps(bpe.encoder() | bpe.decoder()))
    assert pipeline.invoke(TEXT) == TEXT


# ---- the encoder


@pytest.mark.parametrize("source", [TEXT, TEXT.encode(), bytearray(TEXT.encode())])
def test_invoke_gives_one_array_equal_to_encode(bpe, source):
    ids = bpe.encoder().invoke(source)
    assert ids.dtype == np.uint32
    assert ids.tolist() == bpe.encode_to_list(TEXT)


def test_no_text_gives_an_empty_array(bpe):
    assert same(bpe.encoder().invoke(""), np.empty(0, np.uint32))
    assert list(bpe.encoder().stream("")) == []


def test_encoder_reads_paths_and_files(bpe, tmp_path):
    path = tmp_path / "text.txt"
    path.write_bytes(TEXT.encode())
    wanted = bpe.encode_to_list(TEXT)
    assert bpe.encoder().invoke(path).tolist() == wanted
    with path.open("rb") as file:
        assert bpe.encoder().invoke(file).tolist() == wanted
    assert bpe.encoder().invoke(io.StringIO(TEXT)).tolist() == wanted


def test_encoder_obeys_the_laws(bpe):
    samples = ["", "it's", TEXT, f"a   b {END}c"]
    laws = [law for law in LAWS if law != "eagerness"]
    both = [*samples, *(sample.encode() for sample in samples[1:])]
    check_laws(bpe.encoder(), both, laws=laws, cuts=10, equal=same)
    for options in ({"allowed_special": "all"}, {"disallowed_special": ()}):
        check_laws(bpe.encoder(**options), samples[3:], laws=laws, cuts=10, equal=same)


def test_pipeline_of_text_to_ids_to_text_obeys_the_laws(bpe):
    samples = ["a b c", TEXT.encode()]
    laws = ["completeness", "fragmentation", "cleanup"]
    check_laws(bpe.encoder() | bpe.decoder(), samples, laws=laws, cuts=20, flow=True)


def test_encoder_takes_what_another_stage_gives(bpe):
    data = b"first line\r\nsecond\nthird"
    pipeline = Lines(keepends=True) | bpe.encoder()
    assert pipeline.invoke(data).tolist() == bpe.encode_to_list(data)
    lines = [ids.tolist() for ids in map(bpe.encode, Lines().stream(data))]
    assert lines == [bpe.encode_to_list(line) for line in ("first line", "second", "third")]


def test_encoder_has_no_batches(bpe):
    with pytest.raises(TypeError, match=r"TokenEncoder has no batches\(\): use stream\(\)"):
        bpe.encoder().batches("a")


def test_bad_option_shows_when_the_stage_is_made(bpe):
    with pytest.raises(ValueError, match="errors must be"):
        bpe.encoder(errors="other")
    with pytest.raises(ValueError, match="unknown id 99999"):
        bpe.decoder(prompt=[99999])


def test_options_of_the_encoder(bpe):
    assert bpe.encoder(allowed_special="all").invoke(f"a{END}").tolist() == [64, 50256]
    with pytest.raises(ValueError, match="disallowed special token"):
        bpe.encoder().invoke(f"a{END}")


# ---- the decoder


def test_decoder_takes_ids_arrays_and_iterables_of_either(bpe):
    ids = bpe.encode_to_list(TEXT)
    stage = bpe.decoder()
    for source in (ids, tuple(ids), np.array(ids), iter(ids), [np.array(ids[:3]), ids[3:]], (i for i in ids)):
        assert stage.invoke(source) == TEXT
    assert stage.invoke(0) == "!"
    assert stage.invoke([]) == ""


@pytest.mark.parametrize("source", ["text", b"bytes"])
def test_decoder_refuses_text(bpe, source):
    with pytest.raises(TypeError, match=f"ids are due here, got {type(source).__name__}"):
        bpe.decoder().invoke(source)


def test_options_of_the_decoder(bpe):
    ids = bpe.encode_to_list("one two STOP three")
    assert bpe.decoder(stop=" STOP").invoke(ids) == "one two"
    assert bpe.decoder(stop=[" STOP", " two"]).invoke(ids) == "one"
    smile = bpe.encode_to_list("\U0001f600")
    assert bpe.decoder(prompt=smile[:1]).invoke(smile[1:]) == "\U0001f600"


def test_stop_string_closes_the_source_at_once(bpe):
    source = RecordingSource([[15496], [0], [995]])
    assert list(bpe.decoder(stop="!").transform(source)) == ["Hello"]
    assert (source.pulled, source.closed) == (2, 1)


# ---- async


async def parts(*fragments):
    for fragment in fragments:
        await asyncio.sleep(0)
        yield fragment


def test_both_stages_on_an_event_loop(bpe):
    async def run():
        ids = [array async for array in bpe.encoder().atransform(parts("Hel", "lo wor", "ld"))]
        text = [chunk async for chunk in bpe.decoder().atransform(parts(*ids))]
        both = [
            chunk async for chunk in (bpe.encoder() | bpe.decoder()).atransform(parts("Hel", "lo ", "you"))
        ]
        once = await bpe.encoder().ainvoke("Hello world")
        back = await bpe.decoder().ainvoke(once)
        return np.concatenate(ids).tolist(), "".join(text), "".join(both), once.tolist(), back

    wanted = [15496, 995]
    assert asyncio.run(run()) == (wanted, "Hello world", "Hello you", wanted, "Hello world")


def test_stop_string_closes_an_async_source_at_once(bpe):
    pulled, closed = [], []

    async def source():
        try:
            for ids in ([15496], [0], [995], [995]):
                pulled.append(ids)
                yield ids
        finally:
            closed.append(True)

    async def run():
        return [text async for text in bpe.decoder(stop="!").astream(source())]

    assert asyncio.run(run()) == ["Hello"]
    assert (len(pulled), closed) == (2, [True])


def test_async_source_needs_the_async_form(bpe):
    source = parts(1)
    with pytest.raises(TypeError, match=r"is asynchronous: use astream\(\) or atransform\(\)"):
        bpe.decoder().stream(source)
    asyncio.run(source.aclose())
