"""The embedded vocabulary, ``.tiktoken`` files, and encodings of tiktoken."""

from __future__ import annotations

import base64
import hashlib
from pathlib import Path
from types import SimpleNamespace

import pytest

from streamcore import BPE
from streamcore.vocab import gpt2 as gpt2_module
from streamcore.vocab.encodings import CL100K, ENCODINGS, R50K
from streamcore.vocab.gpt2 import load_gpt2
from streamcore.vocab.tiktoken_file import read_tiktoken

END = "<|endoftext|>"
BYTES = [bytes((value,)) for value in range(256)]


def file_of(tokens):
    """A .tiktoken file of (token, rank) pairs."""
    return b"".join(base64.b64encode(token) + b" %d\n" % rank for token, rank in tokens)


def tokens_of(*more):
    return [*((token, rank) for rank, token in enumerate(BYTES)), *more]


# ---- the embedded one


def test_embedded_ranks_are_those_that_openai_publishes():
    # the file as OpenAI publishes it, made again from what the package holds
    ranks = load_gpt2().ranks
    data = file_of(sorted(ranks.items(), key=lambda item: item[1]))
    assert (
        hashlib.sha256(data).hexdigest() == "306cd27f03c1a714eca7108e03d66b7dc042abe8c258b44c199a7ed9838dd930"
    )
    assert ENCODINGS["r50k_base"].sha256 == hashlib.sha256(data).hexdigest()


def test_licence_stands_beside_the_embedded_ranks():
    licence = Path(gpt2_module.__file__).with_name("GPT2_LICENSE.txt").read_text("utf-8")
    assert "Copyright (c) 2019 OpenAI" in licence
    assert "Permission is hereby granted" in licence


def test_embedded_ranks_are_small():
    assert Path(gpt2_module.__file__).with_name("r50k_base.ranks.gz").stat().st_size < 210_000


# ---- .tiktoken files


def test_file_of_a_published_encoding_is_known_by_its_content(tmp_path):
    # offline vocabulary: openai/tiktoken#232, #317
    path = tmp_path / "any-name"
    path.write_bytes(file_of(sorted(load_gpt2().ranks.items(), key=lambda item: item[1])))
    for source in (path, str(path)):
        bpe = BPE.from_tiktoken(source)
        assert bpe.pattern == R50K
        assert bpe.encode_to_list(f"Hello{END}", allowed_special="all") == [15496, 50256]
    assert BPE.from_tiktoken(path, special_tokens={"<x>": 60000}, pattern=CL100K).special_tokens == {
        "<x>": 60000
    }


def test_other_file_needs_its_pattern(tmp_path):
    path = tmp_path / "own.tiktoken"
    path.write_bytes(file_of(tokens_of((b"ab", 256))))
    with pytest.raises(
        ValueError, match=r"own\.tiktoken is none of the published encodings .*: pass its pattern="
    ):
        BPE.from_tiktoken(path)
    bpe = BPE.from_tiktoken(path, pattern=CL100K, special_tokens={END: 300})
    assert bpe.encode_to_list(f"abc{END}", allowed_special="all") == [256, 99, 300]


def test_holes_blank_lines_and_carriage_returns_are_allowed():
    data = b"\r\n" + file_of(tokens_of((b"ab", 400), (b"cd", 500))).replace(b"\n", b"\r\n") + b"\n\n"
    ranks = read_tiktoken(data, "f")
    assert (ranks[b"ab"], ranks[b"cd"], len(ranks)) == (400, 500, 258)


@pytest.mark.parametrize(
    ("line", "message"),
    [
        (b"YWI=", "f, line 257: expected base64 and a rank, got 'YWI='"),
        (b"YWI= 256 1", "f, line 257: expected base64 and a rank, got 'YWI= 256 1'"),
        (b"YW!= 256", "f, line 257: bad base64 'YW!='"),
        (b"YWI 256", "f, line 257: bad base64 'YWI'"),
        (b"\xff\xfe 256", "f, line 257: bad base64 '\\\\\\\\xff\\\\\\\\xfe'"),
        (b"YWI= x", "f, line 257: rank must be from 0 to 4294967294, got 'x'"),
        (b"YWI= -1", "f, line 257: rank must be from 0 to 4294967294, got '-1'"),
        (b"YWI= 1.5", "f, line 257: rank must be"),
        (b"YWI= 4294967295", "f, line 257: rank must be"),
        (b"YWI= " + b"9" * 5000, "f, line 257: rank must be from 0 to 4294967294, got '9{37}[.]{3}'"),
        (b"YQ== 256", "f, line 257: token b'a' stands in line 98 already"),
        (b"YWI= 97", "f, line 257: rank 97 stands in line 98 already"),
        (b"= 256", "f, line 257: bad base64"),
    ],
)
def test_bad_line_is_named(line, message):
    with pytest.raises(ValueError, match=message):
        read_tiktoken(file_of(tokens_of()) + line + b"\n", "f")


@pytest.mark.parametrize(
    ("data", "message"),
    [
        (b"", "f: 256 of the 256 single bytes have no token, first 0x00"),
        (file_of(tokens_of()[:255]), "f: 1 of the 256 single bytes have no token, first 0xff"),
        (b"\x00\x01\x02", "f, line 1: expected base64 and a rank, got '[^']*01[^']*02'"),
        (b'{"version": "1.0"}', "f, line 1: bad base64"),
    ],
)
def test_file_that_is_no_vocabulary_is_refused(data, message):
    with pytest.raises(ValueError, match=message):
        read_tiktoken(data, "f")


def test_missing_file_is_an_os_error(tmp_path):
    with pytest.raises(FileNotFoundError):
        BPE.from_tiktoken(tmp_path / "none.tiktoken")
    with pytest.raises(FileNotFoundError):
        BPE.from_tiktoken(str(tmp_path / "none.tiktoken"))


# ---- encodings


def test_encoding_object_is_taken_by_its_attributes():
    encoding = SimpleNamespace(
        _mergeable_ranks={**{token: i for i, token in enumerate(BYTES)}, b"ab": 256},
        _pat_str=CL100K,
        _special_tokens={END: 300},
    )
    bpe = BPE.from_tiktoken(encoding, cache_bytes=1 << 16)
    assert bpe.encode_to_list(f"ab{END}", allowed_special="all") == [256, 300]
    assert bpe.pattern == CL100K
    assert BPE.from_tiktoken(encoding, special_tokens={}).special_tokens == {}


def test_encoding_of_tiktoken_is_taken():
    tiktoken = pytest.importorskip("tiktoken")
    ranks, pattern, special, *_ = load_gpt2()
    encoding = tiktoken.Encoding(
        "x", pat_str=pattern, mergeable_ranks=dict(ranks), special_tokens=dict(special)
    )
    text = "Hello, wörld! " * 3
    assert BPE.from_tiktoken(encoding).encode_to_list(text) == encoding.encode(text)


@pytest.mark.parametrize("name", ["gpt2", "r50k_base"])
def test_embedded_encoding_goes_by_its_names(name):
    assert BPE.from_tiktoken(name).encode_to_list("Hello world") == [15496, 995]


@pytest.mark.parametrize("source", [None, 1, b"x", {}])
def test_source_of_another_type_is_refused(source):
    with pytest.raises(
        TypeError, match=r"expected the path of a \.tiktoken file or a tiktoken\.Encoding, got"
    ):
        BPE.from_tiktoken(source)


def test_patterns_of_the_published_encodings_are_those_of_tiktoken(monkeypatch):
    public = pytest.importorskip("tiktoken_ext.openai_public")
    files = {}

    def note_hash(url, expected_hash=None):
        files[Path(url).stem] = expected_hash
        return {}

    monkeypatch.setattr(public, "load_tiktoken_bpe", note_hash)
    for name, known in ENCODINGS.items():
        theirs = getattr(public, name)()
        assert known.pattern == theirs["pat_str"]
        assert known.special_tokens == theirs["special_tokens"]
        assert known.sha256 == files[name]
