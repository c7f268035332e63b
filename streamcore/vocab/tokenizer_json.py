"""``tokenizer.json`` of Hugging Face tokenizers, for BPE models of bytes (GPT-2, Llama 3) and of characters (Llama 2).

Such a file lists merges in order, so two tokens merge only where their pair is listed. What would change ids and is
not done here is refused. The file is not
trusted: whatever it holds, it is read or a ValueError names the file and the place.
"""

from __future__ import annotations

from collections.abc import Iterator
from itertools import chain, repeat
from os import PathLike, fspath
from typing import Any

from .._shared.split_steps import byte_characters
from .._shared.symbols import Symbols, fallback_ids
from .._shared.text_decoders import Decoding, token_bytes
from .._shared.vocabulary import are_joined
from .added_tokens import AddedSection, check_numbers
from .decoders import decoder_steps
from .fields import check_fields, check_model_fields
from .normalizers import normalization_of
from .post_processors import template_of
from .pre_tokenizers import character_pattern_of, has_byte_level, pattern_of
from .reading import Part, load_json, read_file, shown
from .vocabulary import Vocabulary

__all__ = ["load_tokenizer_json"]


def byte_alphabet() -> dict[str, int]:
    """The byte that each character of the byte-level alphabet stands for."""
    return {char: value for value, char in enumerate(byte_characters())}


BETWEEN, SPLIT = "\0", "\u0100"  # not of the alphabet; no byte


class _ByteTable(dict[int, str]):
    """For ``str.translate``: the byte of each character of the alphabet; ValueError for one that stands for none."""

    def __init__(self, alphabet: dict[str, int]) -> None:
        super().__init__((ord(char), chr(value)) for char, value in alphabet.items())
        self[ord(BETWEEN)] = SPLIT

    def __missing__(self, code: int) -> str:
        raise ValueError(f"{chr(code)!r} stands for no byte")


def known_merges(merges: list[Any], known: dict[str, bytes]) -> list[tuple[bytes, bytes]]:
    """All merges, of known tokens; nothing where one of them is not."""
    halves = [merge.split(" ") for merge in merges] if set(map(type, merges)) == {str} else merges
    if set(map(type, halves)) != {list} or set(map(len, halves)) != {2}:
        return []
    flat = list(chain.from_iterable(halves))
    if set(map(type, flat)) != {str} or not known.keys() >= set(flat):
        return []
    data = list(map(known.__getitem__, flat))
    return list(zip(data[::2], data[1::2], strict=True))


def known_ranks(
    vocab: dict[str, Any], known: dict[str, bytes], special: dict[str, int], alphabet: dict[str, int]
) -> dict[bytes, int]:
    """The ids of known tokens; nothing where an id is odd, or is that of two."""
    numbers = vocab.values()
    if not known or set(map(type, numbers)) != {int} or min(numbers) < 0 or max(numbers) >= 1 << 31:
        return {}
    texts = dict(zip(numbers, vocab, strict=True))
    if len(texts) != len(vocab) or any(
        texts.get(number, text) != text or vocab.get(text, number) != number or text in alphabet
        for text, number in special.items()
    ):
        return {}
    return dict(zip(known.values(), map(vocab.__getitem__, known), strict=True))


class TokenizerJson:
    """One file, section by section; every error names the file and the place."""

    def __init__(self, source: str | PathLike[str]) -> None:
        self.name = fspath(source)
        self.whole = load_json(read_file(source, self.name), self.name)
        self.whole.expect(dict)
        self.alphabet = byte_alphabet()
        self.of_bytes = True

    def vocabulary(self) -> Vocabulary:
        """The whole file."""
        check_fields(self.whole)
        model = self.whole["model"]
        model.expect(dict)
        kind = model["type"]
        if (kind.expect(str, or_null=True) or ("BPE" if "merges" in model.value else None)) != "BPE":
            raise kind.error(f"must be BPE, got {shown(kind.value)}")
        check_model_fields(model)
        normalization = normalization_of(self.whole["normalizer"])
        added = AddedSection(self.whole["added_tokens"], normalization)
        special = added.ids
        splits = self.whole["pre_tokenizer"]
        self.of_bytes = has_byte_level(splits)
        pattern, space = (
            (pattern_of(splits), None) if self.of_bytes else character_pattern_of(splits, normalization)
        )
        symbols = self.symbols(model, space)
        model["vocab"].expect(dict)
        model["merges"].expect(list)
        known = self.known_tokens(model["vocab"].value, special, symbols is not None)
        merges = known_merges(model["merges"].value, known) or list(self.merges(model["merges"]))
        ranks = known_ranks(model["vocab"].value, known, special, self.alphabet) or self.ranks(
            model["vocab"], special, symbols is not None
        )
        if symbols is None:
            self.check_bytes(model["vocab"], ranks)
        self.check_merges(model["merges"], merges, ranks, b"" if symbols is None else symbols.prefix)
        self.check_unknown(model["unk_token"], symbols, ranks)
        check_numbers(self.whole["added_tokens"], model["vocab"].value)
        whole_pieces = bool(model["ignore_merges"].expect(bool, or_null=True))
        template = template_of(self.whole["post_processor"])
        for number in {*template[0], *template[1]}.difference(ranks.values(), special.values()):
            raise self.whole["post_processor"].error(f"has the id {number}, which is not in the vocabulary")
        decoding = Decoding(self.steps(added.decoded), self.of_bytes, tuple(added.plain))
        return Vocabulary(
            ranks,
            pattern,
            special,
            merges,
            whole_pieces,
            normalization,
            template,
            decoding,
            symbols,
            added.flags,
            self.name,
        )

    def symbols(self, model: Part, space: tuple[str, str, bool] | None) -> Symbols | None:
        """What the first symbols of a piece are; None for its bytes, all of which are tokens then."""
        unknown, prefix, suffix = (
            self.token_bytes(model[name], text) if (text := model[name].expect(str, or_null=True)) else b""
            for name in ("unk_token", "continuing_subword_prefix", "end_of_word_suffix")
        )
        fallback, fuse = (
            bool(model[name].expect(bool, or_null=True)) for name in ("byte_fallback", "fuse_unk")
        )
        if self.of_bytes:
            if not prefix and not suffix:
                return None
            if fallback:
                raise model["byte_fallback"].error("is not supported with ByteLevel and a prefix or suffix")
        return Symbols(unknown or None, fallback, fuse, prefix, suffix, self.of_bytes, space)

    def check_unknown(self, place: Part, symbols: Symbols | None, ranks: dict[bytes, int]) -> None:
        """The unknown token must be one where there may be something unknown."""
        if symbols is None or symbols.unknown is None or symbols.unknown in ranks:
            return
        if fallback_ids(ranks, symbols) is None:
            raise place.error(f"{shown(place.value)} is not in the vocabulary")

    def steps(self, texts: list[str]) -> tuple[tuple[Any, ...], ...] | None:
        """What makes text of tokens; None where the bytes of tokens do, those of the added ones too."""
        steps = decoder_steps(self.whole["decoder"])
        if (
            not self.of_bytes
            or steps != (("byte_level",),)
            or any(token_bytes(text) != text.encode() for text in texts)
        ):
            return steps
        return None

    def ranks(self, vocab: Part, special: dict[str, int], symbols: bool) -> dict[bytes, int]:
        """The tokens as bytes; where bytes are the symbols, without those that are special."""
        ranks: dict[bytes, int] = {}
        texts: dict[int, str] = {number: text for text, number in special.items()}
        for text, number in vocab.value.items():
            if type(number) is not int or not 0 <= number < 1 << 31:
                number = vocab[text].identifier()
            if texts.setdefault(number, text) != text:
                raise vocab[text].error(f"id {number} belongs to the token {shown(texts[number])} too")
            if self.of_bytes and text in special and text in self.alphabet and not text.isascii():
                raise vocab[text].error(f"is the token of a byte, and an added one, got {shown(text)}")
            if symbols or text not in special or text in self.alphabet:
                ranks[self.token_bytes(vocab, text)] = number
            if special.get(text, number) != number:
                raise vocab[text].error(f"id {number} is not that of the added token, {special[text]}")
        if symbols and not ranks:
            raise vocab.error("has no token")
        return ranks

    def check_bytes(self, vocab: Part, ranks: dict[bytes, int]) -> None:
        """Each byte must be a token."""
        missing = [value for value in range(256) if bytes((value,)) not in ranks]
        if missing:
            raise vocab.error(
                f"{len(missing)} of the 256 single bytes have no token, first 0x{missing[0]:02x}"
            )

    def known_tokens(self, vocab: dict[str, Any], special: dict[str, int], symbols: bool) -> dict[str, bytes]:
        """The bytes of the tokens that ``ranks`` will have, all at once; nothing where one of them has none."""
        dropped = frozenset() if symbols else special.keys() - self.alphabet.keys()
        texts = list(vocab) if dropped.isdisjoint(vocab) else [text for text in vocab if text not in dropped]
        if "" in vocab:
            return {}
        try:
            if not self.of_bytes:
                return dict(zip(texts, map(str.encode, texts), strict=True))
            parts = BETWEEN.join(texts).translate(_ByteTable(self.alphabet)).split(SPLIT)
            return dict(zip(texts, map(str.encode, parts, repeat("latin-1")), strict=True))
        except ValueError:  # of UnicodeEncodeError, _ByteTable and zip
            return {}

    def token_bytes(self, place: Part, text: str) -> bytes:
        """The bytes that a token stands for, in the byte-level alphabet or as it is written."""
        try:
            data = bytes([self.alphabet[char] for char in text]) if self.of_bytes else text.encode()
        except UnicodeEncodeError:
            raise place.error(f"the token {shown(text)} has half a pair of surrogates") from None
        except KeyError as error:
            raise place.error(
                f"the token {shown(text)} has {error.args[0]!r}, which stands for no byte"
            ) from None
        if not data:
            raise place.error("a token is empty")
        return data

    def merges(self, merges: Part) -> Iterator[tuple[bytes, bytes]]:
        """The merges, written as "left right" or as [left, right]."""
        for i, merge in enumerate(merges.value):
            halves = merge.split(" ") if isinstance(merge, str) else merge
            if (
                not isinstance(halves, list)
                or len(halves) != 2
                or not all(isinstance(half, str) for half in halves)
            ):
                raise merges[i].error(f"must be two tokens, got {shown(merge)}")
            try:
                yield self.token_bytes(merges, halves[0]), self.token_bytes(merges, halves[1])
            except ValueError:
                for half in halves:
                    self.token_bytes(merges[i], half)

    def check_merges(
        self, place: Part, merges: list[tuple[bytes, bytes]], ranks: dict[bytes, int], prefix: bytes
    ) -> None:
        """Every merge must join two tokens to a third."""
        if not prefix and are_joined([left for left, _ in merges], [right for _, right in merges], ranks):
            return
        for i, (left, right) in enumerate(merges):
            if left in ranks and right in ranks and not prefix and left + right in ranks:
                continue
            if not right.startswith(prefix):
                raise place[i].error(f"{shown(right)} lacks the continuing_subword_prefix")
            for token in (left, right, left + right[len(prefix) :]):
                if token not in ranks:
                    raise place[i].error(f"{shown(token)} is not in the vocabulary")


def load_tokenizer_json(source: str | PathLike[str]) -> Vocabulary:
    """Read a ``tokenizer.json``; ValueError says what in the file is wrong or not supported, and where."""
    return TokenizerJson(source).vocabulary()
