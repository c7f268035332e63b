"""Streaming, fast and right: a thin ``Runnable`` API over a native core that cuts byte streams.

Public names are resolved on first use, so ``import streamcore`` loads nothing else.
"""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING

__version__ = "0.1.0"

# Where each public name lives. The type checker reads the block below instead; a test holds the two equal.
_HOME = {
    "BACKEND": "_backend",
    "BPE": "stages.tokens",
    "Batch": "batch",
    "Channel": "_backend",
    "ChannelClosed": "errors",
    "Delimited": "stages.lines",
    "FixedSize": "stages.chunks",
    "IncompleteItem": "errors",
    "InvalidEncoding": "errors",
    "InvalidFrame": "errors",
    "ItemTooLarge": "errors",
    "Lines": "stages.lines",
    "RingBuffer": "_backend",
    "Runnable": "runnables.base",
    "RunnableConfig": "runnables.config",
    "RunnableGenerator": "runnables.function",
    "RunnableLambda": "runnables.function",
    "RunnableSequence": "runnables.sequence",
    "coerce_to_runnable": "runnables.function",
    "StreamTimeout": "errors",
    "StreamcoreError": "errors",
    "TokenBatch": "token_batch",
    "UTF8": "stages.text",
    "View": "_backend",
    "Words": "stages.text",
}
_MODULES = frozenset({"errors", "ops", "testing"})

if TYPE_CHECKING:
    from . import errors as errors
    from . import ops as ops
    from . import testing as testing
    from ._backend import BACKEND as BACKEND
    from ._backend import Channel as Channel
    from ._backend import RingBuffer as RingBuffer
    from ._backend import View as View
    from .batch import Batch as Batch
    from .errors import ChannelClosed as ChannelClosed
    from .errors import IncompleteItem as IncompleteItem
    from .errors import InvalidEncoding as InvalidEncoding
    from .errors import InvalidFrame as InvalidFrame
    from .errors import ItemTooLarge as ItemTooLarge
    from .errors import StreamcoreError as StreamcoreError
    from .errors import StreamTimeout as StreamTimeout
    from .runnables.base import Runnable as Runnable
    from .runnables.config import RunnableConfig as RunnableConfig
    from .runnables.function import RunnableGenerator as RunnableGenerator
    from .runnables.function import RunnableLambda as RunnableLambda
    from .runnables.function import coerce_to_runnable as coerce_to_runnable
    from .runnables.sequence import RunnableSequence as RunnableSequence
    from .stages.chunks import FixedSize as FixedSize
    from .stages.lines import Delimited as Delimited
    from .stages.lines import Lines as Lines
    from .stages.text import UTF8 as UTF8
    from .stages.text import Words as Words
    from .stages.tokens import BPE as BPE
    from .token_batch import TokenBatch as TokenBatch

__all__ = [*sorted(_HOME), *sorted(_MODULES)]


def __getattr__(name: str) -> object:
    if name in _MODULES:
        return import_module(f".{name}", __name__)
    try:
        home = _HOME[name]
    except KeyError:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}") from None
    value = getattr(import_module(f".{home}", __name__), name)
    globals()[name] = value
    return value


def __dir__() -> list[str]:
    return [*globals(), *__all__]
