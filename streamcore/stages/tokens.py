"""``BPE``: the tokenizer, and its stages ``encoder()`` and ``decoder()``."""

from __future__ import annotations

import io
from collections.abc import AsyncIterable, AsyncIterator, Collection, Iterable, Iterator, Mapping, Sequence
from functools import cached_property
from os import PathLike, path
from typing import TYPE_CHECKING, Any, Self

from .. import _backend
from .._shared.options import DEFAULT_MAX_SIZE
from .._shared.stop_strings import checked_stops
from .._shared.token_ids import id_list
from ..sources import async_fragments, fragments
from ..token_batch import TokenBatch
from .stage import Stage, _fed

if TYPE_CHECKING:
    import numpy as np
    import numpy.typing as npt
    from _typeshed import ReadableBuffer

    from ..batch import Batch
    from ..runnables.config import RunnableConfig
    from ..vocab.vocabulary import Vocabulary

    Ids = npt.NDArray[np.uint32]
    Text = str | ReadableBuffer

__all__ = ["BPE", "TokenDecoder", "TokenEncoder"]


class BPE(_backend.BPECore):
    """A byte-pair tokenizer: ``encode`` text to ids, ``decode`` ids to text, at once or as a stream.

    Made by ``BPE.gpt2()``, ``BPE.from_tiktoken(...)``, ``BPE.from_tokenizer_json(...)`` or ``BPE.from_ranks(...)``.
    ``cache_bytes`` is the memory for pieces met before; it never grows beyond that. Several threads may use one object,
    and it can be pickled.
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
        from ..vocab.tiktoken_file import load_tiktoken, of_encoding

        if isinstance(source, str) and not path.exists(source) and _is_name(source):
            if source in ("gpt2", "r50k_base") and pattern is None and special_tokens is None:
                return cls.gpt2(**options)
            source = _named_encoding(source)
        if isinstance(source, (str, PathLike)):
            return cls._of(load_tiktoken(source, pattern, special_tokens), options)
        return cls._of(of_encoding(source, pattern, special_tokens), options)

    @classmethod
    def from_tokenizer_json(cls, source: str | PathLike[str], **options: Any) -> Self:
        """The tokenizer of a Hugging Face ``tokenizer.json`` with a byte-level BPE model.

        Ids are those of ``tokenizers`` without added special tokens; its added tokens are special tokens here. What a
        file asks for beyond that raises ValueError. ``options``: ``cache_bytes``.
        """
        from ..vocab.tokenizer_json import load_tokenizer_json

        return cls._of(load_tokenizer_json(source), options)

    @classmethod
    def from_ranks(
        cls,
        ranks: Mapping[bytes, int],
        pattern: str,
        special_tokens: Mapping[str, int] | None = None,
        *,
        merges: Sequence[tuple[bytes, bytes]] | None = None,
        **options: Any,
    ) -> Self:
        """A tokenizer of ``ranks`` (bytes to id), the ``pattern`` that splits text, and special tokens.

        Tokens merge in the order of their ids, or with ``merges`` in the order of that sequence of pairs.
        ``options``: ``whole_pieces``, ``normalization``, ``cache_bytes``.
        """
        return cls(ranks, pattern, special_tokens, merges=merges, **options)

    @classmethod
    def gpt2(cls, **options: Any) -> Self:
        """The GPT-2 tokenizer (r50k_base), which is part of this package. ``options``: ``cache_bytes``."""
        from ..vocab.gpt2 import load_gpt2

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
                **options,
            )
        except ValueError as error:
            if vocabulary.source is None:
                raise
            raise ValueError(f"{vocabulary.source}: {error}") from None

    def encode_batch(self, texts: Iterable[Text], threads: int = 1, **options: Any) -> TokenBatch:  # type: ignore[override]
        """The ids of many texts, ``threads`` at a time, as a ``TokenBatch``; ``options`` are those of ``encode``."""
        return TokenBatch._of(*super().encode_batch(texts, threads, **options))

    def encoder(
        self,
        *,
        allowed_special: str | Collection[str] = frozenset(),
        disallowed_special: str | Collection[str] = "all",
        errors: str = "replace",
        max_size: int | None = DEFAULT_MAX_SIZE,
    ) -> TokenEncoder:
        """A stage that turns a stream of text into uint32 arrays of ids."""
        return TokenEncoder(
            self,
            allowed_special=allowed_special,
            disallowed_special=disallowed_special,
            errors=errors,
            max_size=max_size,
        )

    def decoder(
        self,
        *,
        errors: str = "replace",
        prompt: Iterable[int] = (),
        stop: str | Iterable[str] = (),
    ) -> TokenDecoder:
        """A stage that turns a stream of ids into text."""
        return TokenDecoder(
            self,
            errors=errors,
            prompt=tuple(id_list(prompt, "prompt")),
            stop=tuple(checked_stops(stop)),
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
            f"{name!r} is no file; to load an encoding by its name, install tiktoken (gpt2 needs nothing)"
        ) from None
    return tiktoken.get_encoding(name)


class _TokenStage(Stage):
    """What both stages share: an engine made of a tokenizer."""

    def __init__(self, bpe: BPE, **options: Any) -> None:
        super().__init__(bpe, **options)

    def engine(self) -> Any:
        """A new sans-IO engine: ``feed(fragment) -> list``, ``finish() -> list``, ``reset()``."""
        bpe = self._args[0] if self._core is _backend else self._twin
        return getattr(self._core, self._engine)(bpe, **self._options)

    @cached_property
    def _twin(self) -> Any:
        """The tokenizer in the backend where a test holds the twins equal; made once, it takes a while."""
        bpe = self._args[0]
        return self._core.BPECore(
            bpe.ranks,
            bpe.pattern,
            bpe.special_tokens,
            merges=bpe.merges,
            whole_pieces=bpe.whole_pieces,
            normalization=bpe.normalization,
            cache_bytes=bpe.cache_bytes,
        )

    def batches(self, source: Any) -> Iterator[Batch]:
        """Not for tokens, whose chunks are arrays or text already: TypeError."""
        raise TypeError(f"{type(self).__name__} has no batches(): use stream()")


class TokenEncoder(_TokenStage):
    """Turns text into ids, the same for every cut of the text: chunks are uint32 arrays, ``invoke`` gives one.

    Each id comes as soon as no later text can change it. Fragments are ``str`` or bytes-like UTF-8. The options are
    those of ``BPE.encode``; a disallowed special token raises ValueError after the ids before it. ``max_size`` bounds
    the bytes of text that wait for an id (``ItemTooLarge``; None: no bound).
    """

    _engine = "BPEEncoder"
    _flow = True

    def collect(self, chunks: Iterable[Any]) -> Ids:
        """One array of all ids."""
        import numpy as np

        return np.concatenate([np.empty(0, np.uint32), *chunks])

    def stream(self, input: Any, config: RunnableConfig | None = None, **kwargs: Any) -> Iterator[Any]:
        """Encode a source: text or bytes, a path, a file, or an iterable of fragments."""
        return self.engine().iterate(fragments(input, text=_is_text(input)))  # type: ignore[no-any-return]

    def astream(self, input: Any, config: RunnableConfig | None = None, **kwargs: Any) -> AsyncIterator[Any]:
        """Encode a source on the event loop; also takes async iterables of fragments."""
        return self._acut(async_fragments(input, text=_is_text(input)))


def _is_text(source: Any) -> bool:
    return isinstance(source, (str, io.TextIOBase))


class TokenDecoder(_TokenStage):
    """Turns ids into text that is always valid: chunks are ``str``, ``invoke`` gives one.

    Fragments are ints, lists or arrays of ids. A character whose bytes have not all come is held back, and nothing else
    is; ``errors`` as for ``bytes.decode``. ``prompt`` are ids whose text was shown before. The text ends before the
    first of the strings ``stop``. An unknown id raises ValueError with its position, after the text before it.
    """

    _engine = "BPEDecoder"
    _flow = True

    def collect(self, chunks: Iterable[Any]) -> str:
        """The text."""
        return "".join(chunks)

    def stream(self, input: Any, config: RunnableConfig | None = None, **kwargs: Any) -> Iterator[Any]:
        """Decode an array or list of ids, or an iterable of fragments of them."""
        return self.engine().iterate(_id_fragments(input))  # type: ignore[no-any-return]

    def transform(
        self, input: Iterable[Any], config: RunnableConfig | None = None, **kwargs: Any
    ) -> Iterator[Any]:
        """Decode fragments as they come."""
        return self.engine().iterate(_id_fragments(input))  # type: ignore[no-any-return]

    def astream(self, input: Any, config: RunnableConfig | None = None, **kwargs: Any) -> AsyncIterator[Any]:
        """Decode ids on the event loop; also takes async iterables of fragments."""
        if hasattr(input, "__aiter__"):
            return self._acut(async_fragments(input))
        return self._acut(async_fragments(_id_fragments(input)))

    def atransform(
        self, input: AsyncIterable[Any], config: RunnableConfig | None = None, **kwargs: Any
    ) -> AsyncIterator[Any]:
        """Decode fragments as they come, on the event loop."""
        return self.astream(input, config, **kwargs)

    def _acut(self, source: AsyncIterator[Any]) -> AsyncIterator[Any]:
        engine = self.engine()
        wanted = _until_stopped(engine, source)
        blocks = _fed(engine, wanted, type(self).__name__)
        return _backend.async_closing_iterator(blocks, (source, wanted, blocks), blocks=True)


async def _until_stopped(engine: Any, source: AsyncIterator[Any]) -> AsyncIterator[Any]:
    """The fragments up to the one with the stop string: nothing is pulled after it."""
    async for fragment in source:
        yield fragment
        if engine.stopped is not None:
            return


def _id_fragments(source: Any) -> Iterator[Any]:
    """Fragments of ids: an array, an int or a list of ints is one, of another iterable each item is."""
    if hasattr(source, "__aiter__"):
        raise TypeError(f"{type(source).__name__} is asynchronous: use astream() or atransform()")
    if isinstance(source, (str, bytes, bytearray, PathLike)):
        raise TypeError(f"ids are due here, got {type(source).__name__}")
    if isinstance(source, int) or hasattr(source, "tolist"):
        return iter((source,))
    if isinstance(source, (list, tuple)) and source and all(isinstance(item, int) for item in source):
        return iter((list(source),))
    return iter(source)
