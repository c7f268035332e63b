"""``BPE``: the tokenizer, where its vocabulary comes from, and its stages ``encoder()`` and ``decoder()``."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Mapping, Sequence
from os import PathLike, path
from typing import TYPE_CHECKING, Any, Self

from . import _backend
from ._shared.options import DEFAULT_MAX_SIZE
from ._shared.stop_strings import checked_stops
from ._shared.token_ids import id_list
from .stages.tokens import TokenDecoder, TokenEncoder
from .token_batch import TokenBatch

if TYPE_CHECKING:
    from _typeshed import ReadableBuffer

    from .vocab.view import TokenVocabulary
    from .vocab.vocabulary import Vocabulary

    Text = str | ReadableBuffer

__all__ = ["BPE"]


class BPE(_backend.BPECore):
    """A byte-pair tokenizer: ``encode`` text to ids, ``decode`` ids to text, at once or as a stream.

    Made by ``BPE.gpt2()``, ``BPE.from_tiktoken(...)``, ``BPE.from_tokenizer_json(...)`` or ``BPE.from_ranks(...)``.
    ``cache_bytes`` is the memory for pieces met before; it never grows beyond that. Several threads may use one object,
    and it can be pickled.

    >>> from streamcore import BPE
    >>> bpe = BPE.gpt2()
    >>> bpe.encode("Hello world").tolist()
    [15496, 995]
    >>> [ids.tolist() for ids in bpe.encoder().transform(["Hel", "lo wor", "ld"])]
    [[15496], [995]]
    """

    @classmethod
    def from_tiktoken(
        cls,
        source: Any,
        *,
        pattern: str | None = None,
        special_tokens: Mapping[str, int] | None = None,
        **options: Any,
    ) -> Self:
        """The tokenizer of a ``.tiktoken`` file, of a ``tiktoken.Encoding``, or of an encoding by its name.

        A file of a published encoding is known by its content; of another one, pass ``pattern`` (and
        ``special_tokens``). ``"gpt2"`` and ``"r50k_base"`` are part of this package, other names are asked of tiktoken.
        A bad file raises ValueError with its line. ``options``: ``cache_bytes``.
        """
        from .vocab.tiktoken_file import load_tiktoken, of_encoding

        if isinstance(source, str) and not path.exists(source) and _is_name(source):
            if source in ("gpt2", "r50k_base") and pattern is None and special_tokens is None:
                return cls.gpt2(**options)
            source = _named_encoding(source)
        if isinstance(source, (str, PathLike)):
            return cls._of(load_tiktoken(source, pattern, special_tokens), options)
        return cls._of(of_encoding(source, pattern, special_tokens), options)

    @classmethod
    def from_tokenizer_json(cls, source: str | PathLike[str], **options: Any) -> Self:
        """The tokenizer of a Hugging Face ``tokenizer.json`` with a BPE model, of bytes or of characters.

        Ids are those of ``tokenizers``; its added tokens are special tokens here, and those of its post-processor are
        put around a text with ``add_special_tokens=True``. What a file asks for beyond that raises ValueError.
        ``options``: ``cache_bytes``.
        """
        from .vocab.tokenizer_json import load_tokenizer_json

        return cls._of(load_tokenizer_json(source), options)

    @classmethod
    def from_pretrained(
        cls,
        source: str | PathLike[str],
        *,
        revision: str = "main",
        download: bool = False,
        **options: Any,
    ) -> Self:
        """The tokenizer of a directory with ``tokenizer.json``, or of a model's name in the cache of Hugging Face.

        ``tokenizer_config.json`` beside it says whether a text begins and ends with special tokens, and names some. The
        network is used with ``download`` alone, through ``huggingface_hub``. ``options``: ``cache_bytes``.
        """
        from .vocab.pretrained import load_pretrained

        return cls._of(load_pretrained(source, revision, download=download), options)

    @property
    def vocabulary(self) -> TokenVocabulary:
        """The tokens by id, as a read-only mapping; made at each call."""
        from .vocab.view import TokenVocabulary

        return TokenVocabulary(self)

    @classmethod
    def from_ranks(
        cls,
        ranks: Mapping[bytes, int],
        pattern: str | Sequence[tuple[Any, ...]],
        special_tokens: Mapping[str, int] | None = None,
        *,
        merges: Sequence[tuple[bytes, bytes]] | None = None,
        **options: Any,
    ) -> Self:
        """A tokenizer of ``ranks`` (bytes to id), the ``pattern`` that splits text, and special tokens.

        ``pattern`` may be a sequence of splits, each ``(pattern, behavior, inverted, prefix)`` (see docs/tokens.md).
        Tokens merge in the order of their ids, or with ``merges`` in the order of that sequence of pairs.
        ``options``: ``whole_pieces``, ``normalization``, ``template``, ``token_flags``, ``cache_bytes``
        (see docs/tokens.md).
        """
        return cls(ranks, pattern, special_tokens, merges=merges, **options)

    @classmethod
    def gpt2(cls, **options: Any) -> Self:
        """The GPT-2 tokenizer (r50k_base), which is part of this package. ``options``: ``cache_bytes``."""
        from .vocab.gpt2 import load_gpt2

        return cls._of(load_gpt2(), options)

    @classmethod
    def _of(cls, vocabulary: Vocabulary, options: dict[str, Any]) -> Self:
        try:
            return cls(
                vocabulary.ranks,
                vocabulary.pattern,
                vocabulary.special_tokens,
                merges=vocabulary.merges,
                whole_pieces=vocabulary.whole_pieces,
                normalization=vocabulary.normalization,
                template=vocabulary.template,
                decoding=vocabulary.decoding,
                token_flags=vocabulary.token_flags,
                symbols=vocabulary.symbols,
                **options,
            )
        except ValueError as error:
            if vocabulary.source is None:
                raise
            raise ValueError(f"{vocabulary.source}: {error}") from None

    def encode_batch(self, texts: Iterable[Text], threads: int = 1, **options: Any) -> TokenBatch:
        """The ids of many texts, ``threads`` at a time, as a ``TokenBatch``; ``options`` are those of ``encode``."""
        return TokenBatch._of(*self.encode_many(texts, threads, **options))

    def encoder(
        self,
        *,
        allowed_special: str | Collection[str] = frozenset(),
        disallowed_special: str | Collection[str] = "all",
        errors: str = "replace",
        max_size: int | None = DEFAULT_MAX_SIZE,
        add_special_tokens: bool = False,
    ) -> TokenEncoder:
        """A stage that turns a stream of text into uint32 arrays of ids."""
        return TokenEncoder(
            self,
            allowed_special=allowed_special,
            disallowed_special=disallowed_special,
            errors=errors,
            max_size=max_size,
            **({"add_special_tokens": True} if add_special_tokens else {}),
        )

    def decoder(
        self,
        *,
        errors: str = "replace",
        prompt: Iterable[int] = (),
        stop: str | Iterable[str] = (),
        skip_special_tokens: bool = False,
    ) -> TokenDecoder:
        """A stage that turns a stream of ids into text."""
        return TokenDecoder(
            self,
            errors=errors,
            prompt=tuple(id_list(prompt, "prompt")),
            stop=tuple(checked_stops(stop)),
            **({"skip_special_tokens": True} if skip_special_tokens else {}),
        )

    def __repr__(self) -> str:
        return f"{type(self).__name__}({self.n_vocab} ids)"


def _is_name(source: str) -> bool:
    return path.basename(source) == source and "." not in source


def _named_encoding(name: str) -> Any:
    try:
        import tiktoken
    except ImportError:
        raise ValueError(
            f"{name!r} is no file, and the known names are gpt2 and r50k_base; tiktoken, when installed, has others"
        ) from None
    known = tiktoken.list_encoding_names()
    if name not in known:
        raise ValueError(f"{name!r} is no file, and none of the known names: {', '.join(known)}")
    return tiktoken.get_encoding(name)
