"""``tokenizer.json`` of Hugging Face tokenizers, for byte-level BPE models (GPT-2, Llama 3, Qwen 2 and 3, ...).

Such a file lists merges in order, so two tokens merge only where their pair is listed. What would change ids and is
not done here is refused: other models, normalizers but NFC, tokens that strip blanks around them.
"""

from __future__ import annotations

import json
from collections.abc import Iterator
from os import PathLike, fspath
from pathlib import Path
from typing import Any

from .._pure.pretokenize import recognise
from .encodings import GPT2
from .vocabulary import Vocabulary

__all__ = ["load_tokenizer_json"]


def byte_alphabet() -> dict[str, int]:
    """The character that stands for each byte: itself where it is printable Latin-1, else one from U+0100 on."""
    printable = [*range(0x21, 0x7F), *range(0xA1, 0xAD), *range(0xAE, 0x100)]
    others = [value for value in range(256) if value not in printable]
    return {chr(value): value for value in printable} | {
        chr(256 + i): value for i, value in enumerate(others)
    }


class TokenizerJson:
    """One file, section by section; every error names the file."""

    def __init__(self, source: str | PathLike[str]) -> None:
        self.name = fspath(source)
        try:
            content = json.loads(Path(source).read_bytes())
        except UnicodeDecodeError as error:
            raise ValueError(f"{self.name}: not UTF-8 at byte {error.start}") from None
        except json.JSONDecodeError as error:
            raise ValueError(f"{self.name}, line {error.lineno}: not JSON: {error.msg}") from None
        self.content = self.checked("the file", content, dict)
        self.alphabet = byte_alphabet()

    def error(self, message: str) -> ValueError:
        """A ValueError that names the file."""
        return ValueError(f"{self.name}: {message}")

    def checked(self, what: str, value: Any, kind: type) -> Any:
        """``value`` if it is of ``kind``."""
        if not isinstance(value, kind):
            raise self.error(f"{what} must be a JSON {kind.__name__}, got {type(value).__name__}")
        return value

    def vocabulary(self) -> Vocabulary:
        """The whole file."""
        model = self.checked("model", self.content.get("model"), dict)
        kind = model.get("type", "BPE" if "merges" in model else None)
        if kind != "BPE":
            raise self.error(f"model type must be BPE, got {kind!r}")
        for option in ("dropout", "continuing_subword_prefix", "end_of_word_suffix", "byte_fallback"):
            if model.get(option):
                raise self.error(f"model option {option} is not supported, got {model[option]!r}")
        normalization = self.normalization()
        special = self.added_tokens(normalization)
        pattern = self.pattern()
        vocab = self.checked("model.vocab", model.get("vocab"), dict)
        merges = list(self.merges(self.checked("model.merges", model.get("merges"), list)))
        ranks = self.ranks(vocab, special)
        self.check_merges(merges, ranks)
        return Vocabulary(ranks, pattern, special, merges, bool(model.get("ignore_merges")), normalization)

    def ranks(self, vocab: dict[str, Any], special: dict[str, int]) -> dict[bytes, int]:
        """The tokens as bytes, without those that are special."""
        ranks: dict[bytes, int] = {}
        for text, number in vocab.items():
            if text in special:
                continue
            if not isinstance(number, int) or isinstance(number, bool) or number < 0:
                raise self.error(f"id of token {text!r} must be an int from 0 on, got {number!r}")
            ranks[self.token_bytes(f"token {number}", text)] = number
        ids = set(ranks.values())
        if len(ids) < len(ranks):
            raise self.error(f"{len(ranks) - len(ids)} tokens have the id of another one")
        missing = [value for value in range(256) if bytes((value,)) not in ranks]
        if missing:
            raise self.error(
                f"{len(missing)} of the 256 single bytes have no token, first 0x{missing[0]:02x}"
            )
        return ranks

    def token_bytes(self, what: str, text: str) -> bytes:
        """The bytes that a token in the byte-level alphabet stands for."""
        try:
            data = bytes([self.alphabet[char] for char in text])
        except KeyError as error:
            raise self.error(f"{what} ({text!r}) has {error.args[0]!r}, which stands for no byte") from None
        if not data:
            raise self.error(f"{what} is empty")
        return data

    def merges(self, merges: list[Any]) -> Iterator[tuple[bytes, bytes]]:
        """The merges, written as "left right" or as [left, right]."""
        for i, merge in enumerate(merges):
            halves = merge.split(" ") if isinstance(merge, str) else merge
            if (
                not isinstance(halves, list)
                or len(halves) != 2
                or not all(isinstance(half, str) for half in halves)
            ):
                raise self.error(f"merge {i} must be two tokens, got {merge!r}")
            yield self.token_bytes(f"merge {i}", halves[0]), self.token_bytes(f"merge {i}", halves[1])

    def check_merges(self, merges: list[tuple[bytes, bytes]], ranks: dict[bytes, int]) -> None:
        """Every merge must join two tokens to a third."""
        for i, (left, right) in enumerate(merges):
            for token in (left, right, left + right):
                if token not in ranks:
                    raise self.error(f"merge {i} ({left!r}, {right!r}): {token!r} is not in the vocabulary")

    def normalization(self) -> str | None:
        """``"NFC"`` or None."""
        normalizer = self.content.get("normalizer")
        if isinstance(normalizer, dict) and normalizer.get("type") == "Sequence":
            members = normalizer.get("normalizers") or [None]
            normalizer = members[0] if len(members) == 1 else normalizer
        if normalizer is None:
            return None
        if not isinstance(normalizer, dict) or normalizer.get("type") != "NFC":
            raise self.error(f"normalizer must be null or NFC, got {_type_of(normalizer)}")
        return "NFC"

    def added_tokens(self, normalization: str | None) -> dict[str, int]:
        """The added tokens, special or not: text is cut at all of them."""
        special: dict[str, int] = {}
        for entry in self.checked("added_tokens", self.content.get("added_tokens") or [], list):
            entry = self.checked("each of added_tokens", entry, dict)
            text, number = entry.get("content"), entry.get("id")
            if not isinstance(text, str) or not text or not isinstance(number, int):
                raise self.error(f"an added token needs content and id, got {entry!r}")
            for option in ("lstrip", "rstrip", "single_word"):
                if entry.get(option):
                    raise self.error(f"added token {text!r} has {option}, which is not supported")
            if normalization and entry.get("normalized"):
                raise self.error(
                    f"added token {text!r} is searched in normalized text, which is not supported"
                )
            special[text] = number
        return special

    def pattern(self) -> str:
        """The pattern of the pre-tokenizer: ByteLevel alone, or Split and then ByteLevel."""
        steps = self.content.get("pre_tokenizer")
        if isinstance(steps, dict) and steps.get("type") == "Sequence":
            steps = steps.get("pretokenizers")
        steps = steps if isinstance(steps, list) else [steps]
        kinds = [_type_of(step) for step in steps]
        if kinds not in (["ByteLevel"], ["Split", "ByteLevel"]):
            raise self.error(
                f"pre_tokenizer must be ByteLevel, or Split and ByteLevel, got {', '.join(kinds)}"
            )
        if steps[-1].get("add_prefix_space"):
            raise self.error("pre_tokenizer option add_prefix_space is not supported")
        uses_regex = steps[-1].get("use_regex", True)
        if len(steps) == 1:
            if not uses_regex:
                raise self.error("pre_tokenizer without a pattern (use_regex is false) is not supported")
            return GPT2
        if uses_regex:
            raise self.error(
                "pre_tokenizer with two patterns (Split and ByteLevel.use_regex) is not supported"
            )
        return self.split_pattern(steps[0])

    def split_pattern(self, split: dict[str, Any]) -> str:
        """The pattern of a Split whose pieces are the matches."""
        pattern = split.get("pattern")
        text = pattern.get("Regex") if isinstance(pattern, dict) else None
        if not isinstance(text, str):
            raise self.error(f"the pattern of Split must be a Regex, got {pattern!r}")
        way = split.get("behavior"), bool(split.get("invert"))
        if way == ("Removed", True):
            return text
        if way != ("Isolated", False):
            raise self.error(
                f"Split must be Isolated, or Removed and inverted, got {way[0]} and invert={way[1]}"
            )
        # text between matches is a piece too; the known patterns leave none
        return text if recognise(text) else rf"{text}|(?:(?!{text})[\s\S])+"


def _type_of(value: Any) -> str:
    return (
        str(value.get("type"))
        if isinstance(value, dict)
        else "null"
        if value is None
        else type(value).__name__
    )


def load_tokenizer_json(source: str | PathLike[str]) -> Vocabulary:
    """Read a ``tokenizer.json``; ValueError says what in the file is wrong or not supported."""
    return TokenizerJson(source).vocabulary()
