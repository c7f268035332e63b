"""Vocabulary files from nobody in particular: a ValueError that names the file, or a tokenizer that loses no text."""

from __future__ import annotations

import atexit
import copy
import json
import os
import tempfile
from base64 import b64encode
from pathlib import Path
from typing import Any

from bpe_oracle import PATTERNS
from fuzz.draw import Draw
from fuzz.twins import attempt, both, described, equal

__all__ = ["tiktoken_file", "tokenizer_file"]

TEXTS = ("", "a b  c", "hello, World 123\r\n x", "é中😀'll <|end|>\n\n\t.")


def scratch() -> Path:
    """A file of this process, in memory where there is such a place."""
    place = "/dev/shm" if os.access("/dev/shm", os.W_OK) else None
    descriptor, name = tempfile.mkstemp(prefix="fuzz-", suffix=".json", dir=place)
    os.close(descriptor)
    atexit.register(Path(name).unlink, missing_ok=True)
    return Path(name)


FILE: list[Path] = []


def load(content: bytes, loader: Any) -> Any:
    """The vocabulary in a file of this content, None if it was refused as it should be."""
    if not FILE:
        FILE.append(scratch())
    FILE[0].write_bytes(content)
    message = str(FILE[0])
    try:
        return loader(FILE[0])
    except ValueError as error:
        message = str(error)
    assert str(FILE[0]) in message, f"an error that does not name the file: {message}"
    return None


def check(vocabulary: Any) -> None:
    """Both backends take it or refuse it alike, encode alike, and give the text back."""
    fields = vocabulary._asdict()
    fields.pop("source")
    positional = [fields.pop(name) for name in ("ranks", "pattern", "special_tokens")]
    made, errors = [], []
    for core in both("BPECore"):
        try:
            made.append(core(*positional, **fields))
        except ValueError as error:
            errors.append(described(error))
    equal(errors[:1], errors[1:], "refusal") if errors else None
    for text in TEXTS if made else ():
        tried = [attempt(core.encode_ordinary_to_list, text) for core in made]
        ids = [result for result, _ in tried]
        equal(ids[0], ids[1], text)
        equal(described(tried[0][1]), described(tried[1][1]), text)
        if ids[0] is None:
            continue
        assert made[0].decode(ids[0]) == text, f"{positional[1]!r} loses text of {text!r}"


# ---- tokenizer.json


def alphabet() -> list[str]:
    from streamcore.vocab.tokenizer_json import byte_alphabet

    return list(byte_alphabet())


def model() -> dict[str, Any]:
    """A small valid file: the bytes, two merges, a special token, a Split and ByteLevel."""
    vocab = {name: i for i, name in enumerate(alphabet())} | {"he": 256, "hel": 257}
    return {
        "added_tokens": [{"id": 300, "content": "<|end|>", "special": True, "normalized": False}],
        "normalizer": {"type": "NFC"},
        "pre_tokenizer": {
            "type": "Sequence",
            "pretokenizers": [
                {
                    "type": "Split",
                    "pattern": {"Regex": PATTERNS["cl100k"]},
                    "behavior": "Isolated",
                    "invert": False,
                },
                {"type": "ByteLevel", "add_prefix_space": False, "trim_offsets": True, "use_regex": False},
            ],
        },
        "decoder": {"type": "ByteLevel"},
        "model": {"type": "BPE", "vocab": vocab, "merges": ["h e", ["he", "l"]], "ignore_merges": False},
    }


VALUES: tuple[Any, ...] = (
    None, True, False, 0, 1, -1, 255, 256, 300, 2**32, 2**64, 10**30, 1.5, "", "a", "he", "h e", "\ud800", "NFC", "BPE",
    "Split", "ByteLevel", "Removed", "Isolated", [], {}, [[]], ["h", "e"], ["h", "l"], {"type": "Split"},
    {"type": None}, {"Regex": ""},
    {"Regex": "a|"}, {"Regex": "(?x) a # b"}, {"Regex": "\\b"}, {"Regex": "("}, {"Regex": "\\w+"},
    {"String": " "}, {"id": 300, "content": "he"}, {"id": 7, "content": ""},
)  # fmt: skip
PATHS: tuple[tuple[Any, ...], ...] = (
    ("added_tokens",), ("added_tokens", 0), ("added_tokens", 0, "id"), ("added_tokens", 0, "content"),
    ("added_tokens", 0, "special"), ("added_tokens", 0, "normalized"), ("added_tokens", 0, "lstrip"), ("normalizer",),
    ("normalizer", "type"), ("pre_tokenizer",), ("pre_tokenizer", "type"), ("pre_tokenizer", "pretokenizers"),
    ("pre_tokenizer", "pretokenizers", 0), ("pre_tokenizer", "pretokenizers", 0, "pattern"),
    ("pre_tokenizer", "pretokenizers", 0, "pattern", "Regex"), ("pre_tokenizer", "pretokenizers", 0, "behavior"),
    ("pre_tokenizer", "pretokenizers", 0, "invert"), ("pre_tokenizer", "pretokenizers", 1),
    ("pre_tokenizer", "pretokenizers", 1, "use_regex"), ("pre_tokenizer", "pretokenizers", 1, "add_prefix_space"),
    ("model",), ("model", "type"), ("model", "vocab"), ("model", "vocab", "he"), ("model", "vocab", "a"),
    ("model", "vocab", "new"), ("model", "merges"), ("model", "merges", 0), ("model", "merges", 1, 0),
    ("model", "ignore_merges"), ("model", "dropout"), ("model", "byte_fallback"), ("decoder",), ("version",),
)  # fmt: skip
MODEL: list[dict[str, Any]] = []


def replace(content: Any, path: tuple[Any, ...], value: Any) -> None:
    """Set what lies at ``path``, where its parent is still there."""
    for key in path[:-1]:
        try:
            content = content[key]
        except (LookupError, TypeError):
            return
    if (isinstance(content, dict) and isinstance(path[-1], str)) or (
        isinstance(content, list) and isinstance(path[-1], int) and path[-1] < len(content)
    ):
        content[path[-1]] = value


def tokenizer_file(draw: Draw) -> None:
    """A valid file with some values replaced, or any bytes."""
    from streamcore.vocab.tokenizer_json import load_tokenizer_json

    if not MODEL:
        MODEL.append(model())
    if draw.byte() % 4 == 3:
        content = draw.rest()
    else:
        made = copy.deepcopy(MODEL[0])
        for _ in range(draw.byte() % 4):
            value = copy.deepcopy(draw.choice(VALUES))  # a later one may be put into it
            if draw.byte() % 4 == 3:
                value = {"Regex": draw.rest()[-12:].decode("utf-8", "replace")}
            replace(made, draw.choice(PATHS), value)
        content = json.dumps(made).encode()
    vocabulary = load(content, load_tokenizer_json)
    if vocabulary is not None:
        check(vocabulary)


# ---- .tiktoken

BYTES = b"".join(b64encode(bytes((value,))) + b" %d\n" % value for value in range(256))


def tiktoken_file(draw: Draw) -> None:
    """Any lines after those of the single bytes, or any bytes."""
    from streamcore.vocab.tiktoken_file import load_tiktoken

    pattern = draw.choice(list(PATTERNS.values()))
    whole = draw.byte() % 8 == 7
    lines = [b"%s %d" % (b64encode(bytes(draw.byte() for _ in range(1 + draw.byte() % 3))), 256 + draw.byte())
             for _ in range(draw.byte() % 8)]  # fmt: skip
    content = draw.rest() if whole else BYTES + b"\n".join((*lines, draw.rest()))
    vocabulary = load(content, lambda path: load_tiktoken(path, pattern, {"<|end|>": 1000}))
    if vocabulary is not None:
        check(vocabulary)
