"""Streaming, fast and right: a thin ``Runnable`` API over a native core that cuts byte streams.

Public names are resolved on first use, so ``import streamcore`` loads nothing else.
"""

from __future__ import annotations

from importlib import import_module

__version__ = "0.1.0"

TYPE_CHECKING = (
    False  # as type checkers take it for true; to import typing is most of what this module could cost
)

# Where each public name lives. The type checker reads the block below instead; a test holds the two equal.
_HOME = {
    "AddableDict": "runnables.addable",
    "aadd": "runnables.addable",
    "add": "runnables.addable",
    "RunnableAssign": "runnables.assigning",
    "RunnableBinding": "runnables.binding",
    "RunnableEach": "runnables.each",
    "RunnablePassthrough": "runnables.passthrough",
    "RunnablePick": "runnables.passthrough",
    "RunnableMap": "runnables.parallel",
    "RunnableParallel": "runnables.parallel",
    "RunnableBranch": "runnables.branching",
    "RouterRunnable": "runnables.branching",
    "runnable": "runnables.function",
    "chain": "runnables.function",
    "register_fold": "runnables.folding",
    "BACKEND": "_backend",
    "BPE": "bpe",
    "Batch": "batch",
    "Channel": "_backend",
    "ChannelClosed": "errors",
    "Chunk": "_backend",
    "ContentDefined": "stages.chunks",
    "Delimited": "stages.lines",
    "Event": "_backend",
    "FixedSize": "stages.chunks",
    "IncompleteItem": "errors",
    "InvalidEncoding": "errors",
    "InvalidFrame": "errors",
    "InvalidRecord": "_backend",
    "ItemTooLarge": "errors",
    "JSONLines": "stages.records",
    "LengthPrefixed": "stages.frames",
    "JSONDelta": "_backend",
    "JSONDeltas": "stages.json_deltas",
    "Lines": "stages.lines",
    "RingBuffer": "_backend",
    "Runnable": "runnables.base",
    "RunnableConfig": "runnables.config",
    "RunnableGenerator": "runnables.function",
    "RunnableLambda": "runnables.function",
    "RunnableRetry": "runnables.retrying",
    "RunnableSequence": "runnables.sequence",
    "RunnableListening": "runnables.listening",
    "RunnableTimeout": "runnables.timeouts",
    "RunnableWithFallbacks": "runnables.fallbacks",
    "coerce_to_runnable": "runnables.function",
    "Section": "_backend",
    "Sections": "stages.sections",
    "Stop": "stages.sections",
    "ServerSentEvents": "stages.events",
    "StreamTimeout": "errors",
    "StreamcoreError": "errors",
    "TextChunk": "_backend",
    "TextSplitter": "stages.splitter",
    "TokenBatch": "token_batch",
    "UTF8": "stages.text",
    "View": "_backend",
    "Words": "stages.text",
}
_MODULES = frozenset({"config", "errors", "ops", "testing"})

if TYPE_CHECKING:
    from . import config as config
    from . import errors as errors
    from . import ops as ops
    from . import testing as testing
    from ._backend import BACKEND as BACKEND
    from ._backend import Channel as Channel
    from ._backend import Chunk as Chunk
    from ._backend import Event as Event
    from ._backend import InvalidRecord as InvalidRecord
    from ._backend import JSONDelta as JSONDelta
    from ._backend import RingBuffer as RingBuffer
    from ._backend import Section as Section
    from ._backend import TextChunk as TextChunk
    from ._backend import View as View
    from .batch import Batch as Batch
    from .bpe import BPE as BPE
    from .errors import ChannelClosed as ChannelClosed
    from .errors import IncompleteItem as IncompleteItem
    from .errors import InvalidEncoding as InvalidEncoding
    from .errors import InvalidFrame as InvalidFrame
    from .errors import ItemTooLarge as ItemTooLarge
    from .errors import StreamcoreError as StreamcoreError
    from .errors import StreamTimeout as StreamTimeout
    from .runnables.addable import AddableDict as AddableDict
    from .runnables.addable import aadd as aadd
    from .runnables.addable import add as add
    from .runnables.assigning import RunnableAssign as RunnableAssign
    from .runnables.base import Runnable as Runnable
    from .runnables.binding import RunnableBinding as RunnableBinding
    from .runnables.branching import RouterRunnable as RouterRunnable
    from .runnables.branching import RunnableBranch as RunnableBranch
    from .runnables.config import RunnableConfig as RunnableConfig
    from .runnables.each import RunnableEach as RunnableEach
    from .runnables.fallbacks import RunnableWithFallbacks as RunnableWithFallbacks
    from .runnables.folding import register_fold as register_fold
    from .runnables.function import RunnableGenerator as RunnableGenerator
    from .runnables.function import RunnableLambda as RunnableLambda
    from .runnables.function import chain as chain
    from .runnables.function import coerce_to_runnable as coerce_to_runnable
    from .runnables.function import runnable as runnable
    from .runnables.listening import RunnableListening as RunnableListening
    from .runnables.parallel import RunnableMap as RunnableMap
    from .runnables.parallel import RunnableParallel as RunnableParallel
    from .runnables.passthrough import RunnablePassthrough as RunnablePassthrough
    from .runnables.passthrough import RunnablePick as RunnablePick
    from .runnables.retrying import RunnableRetry as RunnableRetry
    from .runnables.sequence import RunnableSequence as RunnableSequence
    from .runnables.timeouts import RunnableTimeout as RunnableTimeout
    from .stages.chunks import ContentDefined as ContentDefined
    from .stages.chunks import FixedSize as FixedSize
    from .stages.events import ServerSentEvents as ServerSentEvents
    from .stages.frames import LengthPrefixed as LengthPrefixed
    from .stages.json_deltas import JSONDeltas as JSONDeltas
    from .stages.lines import Delimited as Delimited
    from .stages.lines import Lines as Lines
    from .stages.records import JSONLines as JSONLines
    from .stages.sections import Sections as Sections
    from .stages.sections import Stop as Stop
    from .stages.splitter import TextSplitter as TextSplitter
    from .stages.text import UTF8 as UTF8
    from .stages.text import Words as Words
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
