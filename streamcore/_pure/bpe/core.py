"""Byte-pair encoding with the ids of tiktoken or of a tokenizer.json: the pure core (native: ``_native.bpe.core``).

Plan: text is split into pieces (``patterns``), a bounded cache maps a piece to its ids, and what it does not hold is
merged (``merging``).
"""

from __future__ import annotations

import re
import sys
from collections.abc import Callable, Collection, Iterable, Iterator, Mapping, Sequence
from functools import cached_property
from itertools import chain, islice
from typing import TYPE_CHECKING, Any

from ..._shared.added_tokens import AddedTokens, checked_flags
from ..._shared.merging import Merges
from ..._shared.normalizers import Normalization, Normalizer, checked_normalization, keeps_ascii
from ..._shared.options import DEFAULT_CACHE_BYTES, count_option, size_option
from ..._shared.prefix_encodings import Neighbours
from ..._shared.special_tokens import one_of, raise_disallowed, special_names
from ..._shared.split_steps import check_keeps_text, checked_pattern, family_of, pieces_of
from ..._shared.symbols import Plan, Symbols, check_of_bytes, checked_symbols, planned, spaced
from ..._shared.template import checked_template, framed
from ..._shared.text_decoders import Decoding, TextDecoding, checked_decoding
from ..._shared.text_input import as_bytes, as_text, ends_between_characters
from ..._shared.token_ids import id_list, join_tokens
from ..._shared.token_offsets import TokenOffsets
from ..._shared.vocabulary import checked_merges, checked_vocabulary

if TYPE_CHECKING:
    import numpy as np
    import numpy.typing as npt
    from typing_extensions import Buffer

    Ids = npt.NDArray[np.uint32]
    Text = str | Buffer

# What an entry of the cache may take: a str of CACHED_CHARS, a list, their places in the dict.
ENTRY_BYTES = 320
CACHED_CHARS = 24


class PieceCache(dict[str | bytes, list[int]]):
    """Ids of the pieces met last: begins anew when it is full, so its size is fixed."""

    def __init__(self, encode: Callable[[bytes], list[int]], cache_bytes: int) -> None:
        super().__init__()
        self.encode = encode
        self.entries = cache_bytes // ENTRY_BYTES

    def __missing__(self, piece: str | bytes) -> list[int]:
        ids = self.encode(piece.encode() if isinstance(piece, str) else piece)
        if len(piece) <= CACHED_CHARS and self.entries:
            if len(self) >= self.entries:
                self.clear()
            self[piece] = ids
        return ids


class BPECore:
    """A byte-pair tokenizer: text to ids and back.

    ``ranks`` maps each token's bytes to its id, ``pattern`` is the tiktoken regular expression that splits text into
    pieces (or a sequence of splits, each ``(pattern, behavior, inverted, prefix)``, applied one after the other),
    ``special_tokens`` maps names to ids. Two tokens merge if their concatenation is a token, the lowest id
    first; with ``merges``, pairs of tokens merge in the order of that sequence and no others. With ``whole_pieces`` (as
    in tiktoken) a piece that is a token is that token, whatever the merges. ``normalization`` is
    None, the name of a normalizer such as ``"NFC"``, or a sequence of them (see docs/tokens.md).
    ``token_flags`` maps special tokens to what they are found by, of ``lstrip``, ``rstrip``, ``single_word``,
    ``normalized``, and ``always`` (whatever ``allowed_special`` says).
    ``template`` are the ids that ``add_special_tokens`` puts before a text, and those after it. ``decoding`` says how
    ids become text, where that is not the bytes of their tokens (``Decoding``). With
    ``symbols``, ``merges`` begin with characters, and not every byte is a token (``Symbols``).
    ``cache_bytes`` bounds the memory that remembers pieces, for each call that encodes at the same time; 0 turns it
    off. A call takes a cache and gives it back, so there are as many as calls that ever ran at once: at most the number
    of threads. They live as long as the object, and none takes more than 1 GiB.

    Text is ``str`` or any bytes-like object of UTF-8, whose invalid parts are treated as ``errors`` says (``"strict"``
    raises ``InvalidEncoding``). In ``str``, pairs of surrogates are joined and lone ones become U+FFFD.
    """

    _begun = False

    def __init__(
        self,
        ranks: Mapping[bytes, int],
        pattern: str | Sequence[tuple[Any, ...]],
        special_tokens: Mapping[str, int] | None = None,
        *,
        merges: Sequence[tuple[bytes, bytes]] | None = None,
        whole_pieces: bool = True,
        normalization: str | Sequence[Any] | None = None,
        cache_bytes: int = DEFAULT_CACHE_BYTES,
        template: Iterable[Iterable[int]] | None = None,
        decoding: Decoding | None = None,
        token_flags: Mapping[str, Collection[str]] | None = None,
        symbols: Symbols | None = None,
    ) -> None:
        if self._begun:  # also by a mapping of the caller's, from within
            raise RuntimeError("a BPECore is initialized once")
        self._begun = True
        try:
            self.symbols = checked_symbols(symbols)
            self._initialize(ranks, pattern, special_tokens, merges, whole_pieces, normalization, cache_bytes)
            self._begin_tokens(token_flags)
            self.template = checked_template(template, self._bytes_of)
            self.decoding = checked_decoding(decoding)
        except BaseException:
            self._begun = False
            raise

    def _initialize(
        self,
        ranks: Mapping[bytes, int],
        pattern: str | Sequence[tuple[Any, ...]],
        special_tokens: Mapping[str, int] | None,
        merges: Sequence[tuple[bytes, bytes]] | None,
        whole_pieces: bool,
        normalization: str | Sequence[Any] | None,
        cache_bytes: int,
    ) -> None:
        pattern = checked_pattern(pattern)
        normalization = checked_normalization(normalization)
        self.cache_bytes = count_option("cache_bytes", cache_bytes)
        symbols = self.symbols
        checked = checked_vocabulary(ranks, special_tokens, symbols is None)
        self._given, self.special_tokens, self._bytes_of = checked
        prefix = b"" if symbols is None else symbols.prefix
        self.pattern = pattern
        self.merges = None if merges is None else checked_merges(merges, self._given, prefix)
        self.whole_pieces = bool(whole_pieces)
        self._plan: Plan | None = None
        self._ranks, merges = self._given, self.merges
        if symbols is not None:
            base = max(self._bytes_of) + 1
            self._plan = planned(self._given, self.merges or [], symbols, self.whole_pieces, base)
            self._ranks, merges = self._plan.ranks, self._plan.merges
        self.normalization: Normalization = normalization
        self._normalizer = None if normalization is None else Normalizer(normalization)
        self._keeps_ascii = keeps_ascii(normalization)
        family = family_of(pattern)
        self._family = family if self._plan is None or self._plan.scans(family) else None
        self._split = pieces_of(pattern)
        # a repeated pair counts where it stands last, as in Hugging Face tokenizers
        pairs = None if merges is None else {pair: i for i, pair in enumerate(merges)}
        self._merges = Merges(self._ranks, pairs)
        self._cache = PieceCache(self.encode_piece, self.cache_bytes)
        self._all_special = frozenset(self.special_tokens)
        self._finders: dict[frozenset[str], re.Pattern[str]] = {}

    def _begin_tokens(self, token_flags: Mapping[str, Collection[str]] | None) -> None:
        self.token_flags = checked_flags(token_flags, self.special_tokens)
        self.tokens = AddedTokens(self.special_tokens, self.token_flags, self._normalizer)
        self._added = None if self.tokens.plain else self.tokens
        for name, data in self.tokens.bytes_of().items():
            self._bytes_of[self.special_tokens[name]] = data

    @cached_property
    def _neighbours(self) -> Neighbours:
        """What streams need to know about the vocabulary; made when the first one begins."""
        return Neighbours(self._merges)

    @cached_property
    def _texts(self) -> TextDecoding | None:
        """What makes text of ids; None where it is the bytes of their tokens."""
        if self.decoding.steps is None:
            return None
        return TextDecoding(self.decoding, self._bytes_of, self.special_tokens.values())

    @cached_property
    def _hidden(self) -> frozenset[int]:
        """The ids that ``skip_special_tokens`` leaves out."""
        return frozenset(self.special_tokens.values()).difference(self.decoding.plain)

    def __reduce__(self) -> tuple[Any, ...]:
        options = {
            "merges": self.merges,
            "whole_pieces": self.whole_pieces,
            "normalization": self.normalization,
            "cache_bytes": self.cache_bytes,
            "template": self.template,
            "decoding": self.decoding,
            "token_flags": self.token_flags,
            "symbols": self.symbols,
        }
        return _restore, (type(self), self._given, self.pattern, self.special_tokens, options)

    @property
    def ranks(self) -> dict[bytes, int]:
        """A copy of the ordinary tokens: bytes to id."""
        return dict(self._given)

    @property
    def n_vocab(self) -> int:
        """One more than the highest id."""
        return max(self._bytes_of) + 1

    @property
    def max_token_length(self) -> int:
        """Length of the longest ordinary token, in bytes."""
        return max(map(len, self._given))

    def encode_piece(self, piece: bytes) -> list[int]:
        """The ids of one piece, which is not split further."""
        piece = as_bytes(piece, "piece must be bytes-like")
        if self._plan is not None:
            return self._plan.encode(piece, self._encode_bytes)
        return self._encode_bytes(piece)

    def _encode_bytes(self, piece: bytes) -> list[int]:
        ranks = self._ranks
        if self.whole_pieces and piece in ranks:
            return [ranks[piece]]
        return [ranks[token] for token in self._merges.merge(piece)]

    def _expand(self, ids: list[int], unknown: bool) -> tuple[list[int], bool]:
        """Ids of a part of a piece by the vocabulary of bytes, as those of the model (see ``Expander``)."""
        plan: Any = self._plan
        made: tuple[list[int], bool] = plan.expander.expand(ids, unknown)
        return made

    def _finder(self, names: frozenset[str]) -> re.Pattern[str]:
        finder = self._finders.get(names)
        if finder is None:
            if len(self._finders) >= 64:
                self._finders.clear()
            finder = self._finders[names] = one_of(names)
        return finder

    def _allowed(
        self, text: str, allowed_special: str | Collection[str], disallowed_special: str | Collection[str]
    ) -> frozenset[str]:
        """The special tokens to look for; raises for one in ``text`` that is disallowed."""
        allowed, disallowed = special_names(
            self._all_special, self.tokens.always, allowed_special, disallowed_special
        )
        if disallowed and (match := self._finder(disallowed).search(text)):
            raise_disallowed(match[0], match.start())
        if disallowed and self._added is not None:
            self._added.check(text, allowed, disallowed)
        return allowed

    def _normalized(self, text: str) -> str:
        if self._normalizer is None or (self._keeps_ascii and text.isascii()):
            return text
        return self._normalizer(text)

    def _id_lists(self, text: str, allowed: frozenset[str]) -> Iterator[list[int]]:
        """The ids of ``text``, a list per piece or special token."""
        start = 0
        lookup = self._cache.__getitem__
        if allowed and self._added is not None:
            first = True
            for part, name in self._added.matcher(allowed).spans(text):
                for pieces in self._split(self._spaced(part, first)):
                    yield from map(lookup, pieces)
                first = False
                if name is not None:
                    yield [self.special_tokens[name]]
            return
        if allowed:
            for match in self._finder(allowed).finditer(text):
                for pieces in self._pieces(text[start : match.start()], start == 0):
                    yield from map(lookup, pieces)
                yield [self.special_tokens[match[0]]]
                start = match.end()
        for pieces in self._pieces(text[start:], start == 0):
            yield from map(lookup, pieces)

    def _pieces(self, text: str, first: bool) -> Iterator[list[str]] | Iterator[list[bytes]]:
        """The pieces of a text without special tokens; ``first`` says that nothing stands before it."""
        return self._split(self._spaced(self._normalized(text), first))

    def _spaced(self, text: str, first: bool) -> str:
        return text if self.symbols is None else spaced(text, self.symbols.space, first)

    def encode_ordinary_to_list(self, text: Text, *, errors: str = "replace") -> list[int]:
        """As ``encode_ordinary``, as a list."""
        return list(chain.from_iterable(self._id_lists(as_text(text, errors), frozenset())))

    def encode_ordinary(self, text: Text, *, errors: str = "replace") -> Ids:
        """The ids of ``text`` as a uint32 array; special tokens in it are ordinary text."""
        return as_ids(self.encode_ordinary_to_list(text, errors=errors))

    def encode_to_list(
        self,
        text: Text,
        *,
        allowed_special: str | Collection[str] = frozenset(),
        disallowed_special: str | Collection[str] = "all",
        errors: str = "replace",
        add_special_tokens: bool = False,
    ) -> list[int]:
        """As ``encode``, as a list."""
        text = as_text(text, errors)
        allowed = self._allowed(text, allowed_special, disallowed_special)
        ids = list(chain.from_iterable(self._id_lists(text, allowed)))
        return [*self.template[0], *ids, *self.template[1]] if add_special_tokens else ids

    def encode(
        self,
        text: Text,
        *,
        allowed_special: str | Collection[str] = frozenset(),
        disallowed_special: str | Collection[str] = "all",
        errors: str = "replace",
        add_special_tokens: bool = False,
    ) -> Ids:
        """The ids of ``text`` as a uint32 array.

        A special token in ``text`` becomes one id if ``allowed_special`` names it or is ``"all"``, raises ValueError
        if ``disallowed_special`` names it (``"all"``: those not allowed), and is ordinary text otherwise. With
        ``add_special_tokens``, the ids of the vocabulary's template stand around them.
        """
        ids = self.encode_to_list(
            text, allowed_special=allowed_special, disallowed_special=disallowed_special, errors=errors
        )
        return as_ids(framed(ids, self.template) if add_special_tokens else ids)

    def encode_many(
        self,
        texts: Iterable[Text],
        threads: int = 1,
        *,
        allowed_special: str | Collection[str] = frozenset(),
        disallowed_special: str | Collection[str] = "all",
        errors: str = "replace",
        add_special_tokens: bool = False,
    ) -> tuple[Ids, npt.NDArray[np.int64]]:
        """The ids of many texts in one uint32 array, and the n + 1 int64 offsets of the texts in it.

        ``threads`` is how many work at a time, without the interpreter's lock; in pure Python it is one.
        """
        import numpy as np

        size_option("threads", threads)
        if isinstance(texts, str):
            raise TypeError("texts must be an iterable of texts, not str")
        texts = list(texts)
        allowed, disallowed = special_names(
            self._all_special, self.tokens.always, allowed_special, disallowed_special
        )
        options: Any = {"allowed_special": allowed, "disallowed_special": disallowed, "errors": errors}
        options["add_special_tokens"] = add_special_tokens
        lists = [self.encode_to_list(text, **options) for text in texts]
        offsets = np.zeros(len(lists) + 1, np.int64)
        np.cumsum([len(ids) for ids in lists], out=offsets[1:])
        return np.fromiter(chain.from_iterable(lists), np.uint32, int(offsets[-1])), offsets

    def count(
        self,
        text: Text,
        *,
        allowed_special: str | Collection[str] = frozenset(),
        disallowed_special: str | Collection[str] = "all",
        errors: str = "replace",
    ) -> int:
        """How many ids ``text`` has."""
        text = as_text(text, errors)
        return sum(map(len, self._id_lists(text, self._allowed(text, allowed_special, disallowed_special))))

    def count_until(
        self,
        text: Text,
        limit: int,
        *,
        allowed_special: str | Collection[str] = frozenset(),
        disallowed_special: str | Collection[str] = "all",
        errors: str = "replace",
    ) -> int | None:
        """How many ids ``text`` has if that is at most ``limit``, else None; stops where the limit is passed."""
        limit = count_option("limit", limit)
        text = as_text(text, errors)
        total = 0
        for ids in self._id_lists(text, self._allowed(text, allowed_special, disallowed_special)):
            total += len(ids)
            if total > limit:
                return None
        return total

    def truncate(
        self,
        text: Text,
        n: int,
        *,
        allowed_special: str | Collection[str] = frozenset(),
        disallowed_special: str | Collection[str] = "all",
        errors: str = "replace",
    ) -> str | bytes:
        """The longest beginning of ``text`` that ends with one of its first ``n`` tokens and has at most ``n`` ids.

        It ends between two characters: if the last of these tokens ends inside a character, that character is left
        out, with all tokens that hold a part of it. ``str`` gives ``str``, bytes-like gives ``bytes``.
        """
        n = min(count_option("n", n), sys.maxsize - 1)
        check_of_bytes(self.symbols)
        check_keeps_text(self.pattern, self.normalization, self.tokens.keeps_text)
        whole = as_text(text, errors)
        allowed = self._allowed(whole, allowed_special, disallowed_special)
        first = list(islice(chain.from_iterable(self._id_lists(whole, allowed)), n + 1))
        data = join_tokens(first, self._bytes_of)
        if len(first) > n:
            # a beginning may have more ids than it took up in the whole text, so it is counted again
            while first:
                data = data[: len(data) - len(self._bytes_of[first.pop()])]
                if ends_between_characters(data) and self._fits(data.decode(), allowed, n):
                    break
        return data.decode() if isinstance(text, str) else data

    def _fits(self, text: str, allowed: frozenset[str], n: int) -> bool:
        return sum(map(len, self._id_lists(text, allowed))) <= n

    def offsets(
        self,
        text: Text,
        *,
        allowed_special: str | Collection[str] = frozenset(),
        disallowed_special: str | Collection[str] = "all",
        errors: str = "replace",
    ) -> TokenOffsets:
        """The ids of ``text`` and where their tokens begin, in bytes and in characters of the (normalised) text."""
        import numpy as np

        check_of_bytes(self.symbols)
        text = as_text(text, errors)
        allowed = self._allowed(text, allowed_special, disallowed_special)
        ids = list(chain.from_iterable(self._id_lists(text, allowed)))
        data = np.frombuffer(join_tokens(ids, self._bytes_of), np.uint8)
        places = np.zeros(len(ids) + 1, np.int64)
        np.cumsum([len(self._bytes_of[i]) for i in ids], out=places[1:])
        begins = (data & 0xC0) != 0x80
        before = np.zeros(len(data) + 1, np.int64)
        np.cumsum(begins, out=before[1:])
        inside = np.append(~begins, False)
        return TokenOffsets(as_ids(ids), places, before[places] - inside[places])

    def decode_bytes(self, ids: Iterable[int]) -> bytes:
        """The bytes of ``ids`` (a sequence or array of ints); an id not in the vocabulary raises ValueError."""
        return join_tokens(id_list(ids, "decode"), self._bytes_of)

    def decode(
        self, ids: Iterable[int], errors: str = "replace", *, skip_special_tokens: bool = False
    ) -> str:
        """The text of ``ids``; what is not valid UTF-8 is treated as ``errors`` says.

        ``skip_special_tokens`` leaves out special tokens.
        """
        numbers = id_list(ids, "decode")
        data = join_tokens(numbers, self._bytes_of)
        if skip_special_tokens and not self._hidden.isdisjoint(numbers):
            numbers = [number for number in numbers if number not in self._hidden]
            data = join_tokens(numbers, self._bytes_of)
        if self._texts is None:
            return data.decode("utf-8", errors)
        return self._texts.decode(numbers, errors)


def _restore(
    cls: Any,
    ranks: Any,
    pattern: str | Sequence[tuple[Any, ...]],
    special_tokens: Any,
    options: dict[str, Any],
) -> Any:
    return cls(ranks, pattern, special_tokens, **options)


def as_ids(ids: Sequence[int]) -> Ids:
    """A list of ids as a uint32 array."""
    import numpy as np

    return np.array(ids, np.uint32)
