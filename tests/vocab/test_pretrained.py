"""``BPE.from_pretrained``: directories, the local cache of Hugging Face, and never the network unasked; the view."""

from __future__ import annotations

import json
import sys

import pytest

from streamcore import BPE
from streamcore.vocab.tokenizer_json import byte_alphabet

COMMIT = "0123456789abcdef0123456789abcdef01234567"
LEVEL = {"type": "ByteLevel", "add_prefix_space": False, "trim_offsets": True, "use_regex": True}


def added(content, number, special=True):
    flags = dict.fromkeys(("single_word", "lstrip", "rstrip", "normalized"), False)
    return {"id": number, "content": content, "special": special, **flags}


def write(directory, config=None, **sections):
    """A tokenizer of bytes, "ab", <s> (257) and </s> (258)."""
    vocab = byte_alphabet() | {"ab": 256, "<s>": 257, "</s>": 258}
    empty = dict.fromkeys(("truncation", "padding", "normalizer", "post_processor"))
    content = {
        "version": "1.0",
        **empty,
        "pre_tokenizer": LEVEL,
        "decoder": LEVEL,
        "added_tokens": [added("<s>", 257), added("</s>", 258)],
        "model": {"type": "BPE", "vocab": vocab, "merges": [["a", "b"]]},
        **sections,
    }
    directory.mkdir(parents=True, exist_ok=True)
    (directory / "tokenizer.json").write_text(json.dumps(content), "utf-8")
    if config is not None:
        (directory / "tokenizer_config.json").write_text(json.dumps(config), "utf-8")
    return directory


@pytest.fixture
def cache(tmp_path, monkeypatch):
    """A cache of Hugging Face with one model of two revisions."""
    for name in ("HF_HUB_CACHE", "HUGGINGFACE_HUB_CACHE", "HF_HOME", "XDG_CACHE_HOME"):
        monkeypatch.delenv(name, raising=False)
    model = tmp_path / "home" / "hub" / "models--org--model"
    write(model / "snapshots" / COMMIT)
    (model / "refs").mkdir()
    (model / "refs" / "main").write_text(COMMIT)
    monkeypatch.setenv("HF_HOME", str(tmp_path / "home"))
    return model


def test_a_directory(tmp_path):
    bpe = BPE.from_pretrained(write(tmp_path / "model"), cache_bytes=0)
    assert bpe.encode_to_list("abc") == [256, ord("c")]
    assert bpe.cache_bytes == 0
    with pytest.raises(FileNotFoundError, match=r"has no tokenizer\.json"):
        BPE.from_pretrained(tmp_path)


def test_a_name_in_the_cache(cache, monkeypatch, tmp_path):
    for revision in ("main", COMMIT):
        assert BPE.from_pretrained("org/model", revision=revision).encode_to_list("ab") == [256]
    for name, value in (("HF_HUB_CACHE", cache.parent), ("HUGGINGFACE_HUB_CACHE", cache.parent)):
        monkeypatch.setenv("HF_HOME", str(tmp_path / "other"))
        monkeypatch.setenv(name, str(value))
        assert BPE.from_pretrained("org/model").encode_to_list("ab") == [256]
        monkeypatch.delenv(name)
    monkeypatch.delenv("HF_HOME")
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path))
    (tmp_path / "huggingface").symlink_to(tmp_path / "home")
    assert BPE.from_pretrained("org/model").encode_to_list("ab") == [256]


@pytest.mark.parametrize("name", ["org/none", "none", "../model", "a/b/c", "/none", "", "org/model/", "a..b"])
def test_a_name_that_is_not_there_is_no_reason_for_the_network(cache, name, monkeypatch):
    monkeypatch.setitem(sys.modules, "huggingface_hub", None)
    with pytest.raises(FileNotFoundError, match=r"no directory"):
        BPE.from_pretrained(name)


def test_bad_revisions(cache):
    with pytest.raises(FileNotFoundError, match="revision 'other'"):
        BPE.from_pretrained("org/model", revision="other")
    with pytest.raises(ValueError, match="is no name of one"):
        BPE.from_pretrained("org/model", revision="../main")
    (cache / "refs" / "main").write_text("../../secret")
    with pytest.raises(ValueError, match="has no commit"):
        BPE.from_pretrained("org/model")


def test_download_asks_huggingface_hub(cache, monkeypatch, tmp_path):
    monkeypatch.setitem(sys.modules, "huggingface_hub", None)
    with pytest.raises(ImportError, match="needs huggingface_hub"):
        BPE.from_pretrained("org/none", download=True)
    monkeypatch.undo()
    hub = pytest.importorskip("huggingface_hub")
    directory, asked = write(tmp_path / "got"), []

    def download(name, file, revision):
        asked.append((name, file, revision))
        if file == "tokenizer_config.json":
            raise hub.errors.EntryNotFoundError("none")
        return str(directory / file)

    monkeypatch.setattr(hub, "hf_hub_download", download)
    monkeypatch.setenv("HF_HOME", str(tmp_path / "empty"))
    assert BPE.from_pretrained("org/none", revision="v1", download=True).encode_to_list("ab") == [256]
    wanted = [("org/none", name, "v1") for name in ("tokenizer.json", "tokenizer_config.json")]
    assert asked == wanted


@pytest.mark.parametrize(
    ("config", "first", "last"),
    [
        ({}, [], []),
        ({"add_bos_token": True, "bos_token": "<s>"}, [257], []),
        ({"add_bos_token": True, "bos_token": {"content": "<s>"}, "add_eos_token": False}, [257], []),
        ({"add_eos_token": True, "eos_token": "</s>"}, [], [258]),
    ],
)
def test_the_configuration_says_what_stands_around_a_text(tmp_path, config, first, last):
    bpe = BPE.from_pretrained(write(tmp_path, config))
    assert bpe.encode_to_list("ab", add_special_tokens=True) == [*first, 256, *last]


def test_the_configuration_may_take_a_token_away(tmp_path):
    template = {
        "type": "RobertaProcessing",
        "sep": ["</s>", 258],
        "cls": ["<s>", 257],
        "trim_offsets": True,
        "add_prefix_space": False,
    }
    config = {"add_bos_token": True, "bos_token": "<s>", "add_eos_token": False, "eos_token": "</s>"}
    bpe = BPE.from_pretrained(write(tmp_path, config, post_processor=template))
    assert bpe.encode_to_list("ab", add_special_tokens=True) == [257, 256]


def test_special_tokens_of_a_chat(tmp_path):
    tokens = {
        "257": {"content": "<s>"},
        "300": {"content": "<|user|>", "special": True, "lstrip": True},
        "301": {"content": "<think>", "special": False},
    }
    bpe = BPE.from_pretrained(write(tmp_path, {"added_tokens_decoder": tokens}))
    assert bpe.special_tokens == {"<s>": 257, "</s>": 258, "<|user|>": 300, "<think>": 301}
    assert bpe.encode_to_list("<think> <|user|>ab", allowed_special="all") == [301, 300, 256]
    assert bpe.encode_to_list("<think>ab") == [301, 256]
    with pytest.raises(ValueError, match="disallowed special token '<|user|>'"):
        bpe.encode("<|user|>")


@pytest.mark.parametrize(
    ("config", "message"),
    [
        ([], "tokenizer_config.json, the file: must be an object"),
        ({"add_bos_token": 1}, "add_bos_token: must be true or false, got 1"),
        ({"add_bos_token": True}, "bos_token: must be a token, got null"),
        ({"add_bos_token": True, "bos_token": "<none>"}, "bos_token: '<none>' is not in the vocabulary"),
        ({"added_tokens_decoder": {"x": {"content": "a"}}}, "must have an id for its key"),
        ({"added_tokens_decoder": {"5": {"content": "<s>"}}}, "has the id 5, which is 257"),
        ({"added_tokens_decoder": {"300": {"content": "<x>", "lstrip": 1}}}, "lstrip: must be true or false"),
    ],
)
def test_bad_configurations_are_named(tmp_path, config, message):
    with pytest.raises(ValueError, match=message):
        BPE.from_pretrained(write(tmp_path, config))


def test_vocabulary_is_a_read_only_mapping():
    bpe = BPE.gpt2()
    view = bpe.vocabulary
    assert view[15496] == b"Hello"
    assert view.ids[b"Hello"] == 15496
    assert view.special_tokens == {"<|endoftext|>": 50256}
    assert (view.size, len(view)) == (50257, 50257)
    assert list(view)[:2] == [0, 1]
    assert view[50256] == b"<|endoftext|>"
    assert 60_000 not in view
    assert repr(view) == "TokenVocabulary(50257 tokens, 1 of them special)"
    for mapping in (view, view.ids, view.special_tokens):
        with pytest.raises(TypeError):
            mapping[0] = 1


def test_to_tiktoken_and_back(tmp_path):
    bpe = BPE.gpt2()
    given = bpe.vocabulary.to_tiktoken()
    again = BPE.from_ranks(given["mergeable_ranks"], given["pat_str"], given["special_tokens"])
    text = "Hello world, it's 1234"
    assert again.encode_to_list(text) == bpe.encode_to_list(text)
    tiktoken = pytest.importorskip("tiktoken")
    assert tiktoken.Encoding("any", **given).encode(text) == bpe.encode_to_list(text)
    listed = BPE.from_pretrained(write(tmp_path)).vocabulary.to_tiktoken()
    assert listed["mergeable_ranks"][b"ab"] == 256


@pytest.mark.parametrize(
    ("tokens", "merges", "normalization", "message"),
    [
        ([b"ab"], [(b"a", b"b")], "NFC", "no normalization"),
        ([b"ab", b"cd"], [(b"c", b"d"), (b"a", b"b")], None, "in the order of ids"),
        ([b"ab"], [], None, "of other parts, or at all"),
        ([b"ab", b"bc", b"abc"], [(b"a", b"b"), (b"b", b"c"), (b"a", b"bc")], None, "of other parts"),
    ],
)
def test_what_tiktoken_would_encode_otherwise_is_refused(tokens, merges, normalization, message):
    ranks = {bytes((value,)): value for value in range(256)} | {
        token: 256 + i for i, token in enumerate(tokens)
    }
    bpe = BPE.from_ranks(ranks, r"\w+|\W+", merges=merges, normalization=normalization)
    with pytest.raises(ValueError, match=message):
        bpe.vocabulary.to_tiktoken()
    with pytest.raises(ValueError, match="one pattern"):
        BPE.from_ranks(ranks, [("a",), ("b",)]).vocabulary.to_tiktoken()
