"""What is held of UTF-8: exactly what later bytes may still make a character of, in every engine that makes text."""

from __future__ import annotations

import codecs
from itertools import product

import pytest

from streamcore import BPE
from streamcore._shared.eager_utf8 import unfinished

PATTERN = BPE.gpt2().pattern
BYTES = {bytes((value,)): value for value in range(256)}
ERRORS = ["strict", "replace", "ignore"]


def may_begin(data):
    """Whether some valid character of UTF-8 begins with these bytes and is longer; by the table of all of them."""
    return data in BEGINNINGS


def beginnings():
    found = set()
    for code in [*range(0x80, 0xD800), *range(0xE000, 0x110000, 0x40), 0x10FFFF]:
        whole = chr(code).encode()
        found.update(whole[:i] for i in range(1, len(whole)))
    return found


BEGINNINGS = beginnings()
# One of each kind of byte at the second and third place decides; the first is any byte that begins no ASCII.
SECOND = [0x00, 0x41, 0x7F, 0x80, 0x8F, 0x90, 0x9F, 0xA0, 0xBF, 0xC0, 0xC2, 0xE0, 0xED, 0xF0, 0xF4, 0xFF]
PREFIXES = [
    *(bytes(each) for each in product(range(256))),
    *(bytes(each) for each in product(range(0x80, 0x100), range(256))),
    *(bytes(each) for each in product(range(0xC0, 0x100), SECOND, SECOND)),
]


def held(data):
    """How many bytes at the end of ``data`` begin a character, by the definition."""
    return next((n for n in (3, 2, 1) if n <= len(data) and may_begin(data[-n:])), 0)


def shown(data, errors):
    """The text before an error of ``strict``, and whether there is one."""
    try:
        return data.decode("utf-8", errors), False
    except UnicodeDecodeError as error:
        return data[: error.start].decode(), True


def test_the_definition_is_that_of_the_codec_but_for_surrogates():
    for data in PREFIXES:
        codec = codecs.getincrementaldecoder("utf-8")("replace")
        codec.decode(data)
        waiting, _ = codec.getstate()
        if len(waiting) == 2 and waiting[0] == 0xED and waiting[1] >= 0xA0:
            assert held(data) == 0
        else:
            assert held(data) == len(waiting)


def test_bytes_worth_waiting_for():
    for data in PREFIXES:
        assert unfinished(data) == data[len(data) - held(data) :]
        assert unfinished(b"abc" + data) == data[len(data) - held(data) :]


def feed(engine, fragment):
    """The text of a fragment, and whether it ends with an error."""
    text = "".join(engine.feed(fragment))
    if engine.error is None:
        return text, False
    with pytest.raises(ValueError, match="utf-8"):
        engine.feed(fragment)
    return text, True


def fed(engine, fragment):
    try:
        return feed(engine, fragment)
    except ValueError:  # nothing was cut before the error
        return "", True


@pytest.mark.parametrize("errors", ERRORS)
@pytest.mark.parametrize("what", ["ids", "one id at a time", "one id", "utf8"])
def test_every_prefix_of_three_bytes_is_shown_but_for_what_may_be_completed(backend, errors, what):
    ranks = BYTES | {data: 256 + i for i, data in enumerate(PREFIXES[256:])}
    if what == "utf8":
        engine = backend.UTF8Engine(errors)
    else:
        engine = backend.BPEDecoder(
            backend.BPECore(ranks if what == "one id" else BYTES, PATTERN, cache_bytes=0), errors=errors
        )
    for data in PREFIXES:
        engine.reset()
        if what == "one id at a time":
            text, failed = "", False
            for byte in data:
                if not failed:
                    more, failed = fed(engine, byte)
                    text += more
        else:
            text, failed = fed(engine, {"ids": list(data), "one id": ranks[data], "utf8": data}[what])
        assert (text, failed) == shown(data[: len(data) - held(data)], errors), data


@pytest.mark.parametrize("errors", ["replace", "ignore"])
def test_encoder_waits_for_no_surrogate(backend, errors):
    core = backend.BPECore(BYTES, PATTERN)
    engine = backend.BPEEncoder(core, errors=errors)
    for data in PREFIXES[::7]:
        engine.reset()
        text = data[: len(data) - held(data)].decode("utf-8", errors) + " x"
        wanted = backend.BPEEncoder(core)
        rest = b" x" if not held(data) else b""
        got = [n for ids in engine.feed(data + rest) for n in ids.tolist()]
        if rest:
            assert got == [n for ids in wanted.feed(text) for n in ids.tolist()]


def test_start_of_a_surrogate_is_an_error_at_once_under_strict(backend):
    core = backend.BPECore(BYTES, PATTERN)
    engine = backend.BPEDecoder(core, errors="strict")
    assert engine.feed([97, 0xED]) == ["a"]
    with pytest.raises(ValueError, match=r"invalid continuation byte: b'\\xed' at offset 1"):
        engine.feed(0xA0)
    encoder = backend.BPEEncoder(core, errors="strict")
    assert [ids.tolist() for ids in encoder.feed(b"a \xed\xa0")] == [[97, 32]]
    with pytest.raises(ValueError, match="at offset 2"):
        encoder.feed(b"")


def test_prompt_that_ends_with_the_start_of_a_surrogate_holds_nothing(backend):
    engine = backend.BPEDecoder(backend.BPECore(BYTES, PATTERN), prompt=[97, 0xED, 0xA0])
    assert engine.finish() == []
