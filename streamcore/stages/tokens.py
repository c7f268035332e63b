"""``TokenEncoder`` and ``TokenDecoder``: the stages of a tokenizer, made by ``BPE.encoder()`` and ``BPE.decoder()``."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from os import PathLike
from typing import TYPE_CHECKING, Any

from ..runnables.base import Input, Output
from ..sources import fragments, is_text
from .stage import Stage

if TYPE_CHECKING:
    from typing import NoReturn

    import numpy as np
    import numpy.typing as npt

    from ..bpe import BPE
    from ..token_batch import TokenBatch
    from .kinds import IdSource, TextSource

    Ids = npt.NDArray[np.uint32]
else:
    IdSource = TextSource = Any

__all__ = ["TokenDecoder", "TokenEncoder"]


class _TokenStage(Stage[Input, Output]):
    """What both stages share: an engine made of a tokenizer."""

    def __init__(self, bpe: BPE, **options: Any) -> None:
        super().__init__(bpe, **options)

    def batches(self, source: Any) -> NoReturn:
        """Not for tokens, whose chunks are arrays or text already: TypeError."""
        raise TypeError(f"{type(self).__name__} has no batches(): use stream()")


class TokenEncoder(_TokenStage[TextSource, "Ids"]):
    """Turns text into ids, the same for every cut of the text: chunks are uint32 arrays, ``invoke`` gives one.

    Each id comes as soon as no later text can change it. Fragments are ``str`` or bytes-like UTF-8. The options are
    those of ``BPE.encode``; a disallowed special token raises ValueError after the ids before it. ``max_size`` bounds
    the bytes of text that wait for an id (``ItemTooLarge``; None: no bound).
    """

    _engine = "BPEEncoder"
    _chunks_are = "pieces"

    @property
    def bpe(self) -> BPE:
        """The tokenizer."""
        return self._args[0]  # type: ignore[no-any-return]

    def encode_batch(self, texts: Iterable[Any], threads: int = 1) -> TokenBatch:
        """The ids of many whole texts, each as ``invoke`` gives them; ``max_size`` bounds nothing here."""
        options = {name: value for name, value in self._options.items() if name != "max_size"}
        return self.bpe.encode_batch(texts, threads, **options)

    def collect(self, chunks: Iterable[Any]) -> Ids:
        """One array of all ids."""
        import numpy as np

        return np.concatenate([np.empty(0, np.uint32), *chunks])

    def _fragments(self, source: Any) -> Iterator[Any]:
        return fragments(source, text=is_text(source))


class TokenDecoder(_TokenStage[IdSource, str]):
    """Turns ids into text that is always valid: chunks are ``str``, ``invoke`` gives one.

    Fragments are ints, lists or arrays of ids. A character whose bytes have not all come is held back, and nothing else
    is; ``errors`` as for ``bytes.decode``. ``prompt`` are ids whose text was shown before. The text ends before the
    first of the strings ``stop``. An unknown id raises ValueError with its position, after the text before it.
    """

    _engine = "BPEDecoder"
    _chunks_are = "pieces"

    def collect(self, chunks: Iterable[Any]) -> str:
        """The text."""
        return "".join(chunks)

    def _fragments(self, source: Any) -> Iterator[Any]:
        return _id_fragments(source)


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
