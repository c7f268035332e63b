"""Picks the native core or its pure-Python twin, once, at import; the only file that knows there are two.

``STREAMCORE_BACKEND`` = ``auto`` (native where its extensions are there, else pure), ``native`` or ``pure``. A
named value is a demand: ``native`` without extensions is an ImportError, and so is any other value.

``BACKEND`` is the choice, ``REASON`` says why. The choice is whole: if one native module is not there, or the kernels
do not import, all parts are pure, so that twins are never mixed. A module is imported when a name of it is first
asked for (all of them at once were half of the time that importing the operators took); one that is there and does
not import then is an ImportError. A new core module adds its line to both lists below. ``KERNEL`` names the
byte-scanning kernels in use; ``STREAMCORE_KERNEL`` is a demand for one of them, and so for the native core.
"""

import os
import sys
from importlib import import_module
from typing import TYPE_CHECKING, Any

WANTED = os.environ.get("STREAMCORE_BACKEND", "auto")
if WANTED not in ("auto", "native", "pure"):
    raise ImportError(f"STREAMCORE_BACKEND must be auto, native or pure, got {WANTED!r}")

# the modules of either core, and what is taken from each
NAMES = {
    "arrow.columns": "column_type export_columns",
    "bpe.arrow_list": "export_lists list_type",
    "bpe.core": "BPECore",
    "bpe.decoder": "BPEDecoder",
    "bpe.encoder": "BPEEncoder",
    "buffers.ring_buffer": "RingBuffer",
    "buffers.view": "View",
    "channel.channel": "Channel",
    "engine.joining": "joined",
    "framing.content_defined": "Chunk ContentDefinedEngine",
    "framing.delimited": "DelimitedEngine",
    "framing.event": "Event",
    "framing.fixed_size": "FixedSizeEngine",
    "framing.json_lines": "InvalidRecord JSONLinesEngine",
    "framing.length_prefixed": "LengthPrefixedEngine",
    "framing.lines": "LinesEngine",
    "framing.sse": "ServerSentEventsEngine",
    "streams.async_closing": "async_closing_iterator",
    "streams.closing": "Stream close_all closing_iterator",
    "streams.flattening": "flat_iterator",
    "streams.metering": "Meter metered_iterator",
    "streams.sharing": "SharedSource SharedStream",
    "streams.steps": "DistinctStep EnumerateStep FilterStep MapStep ScanStep SkipStep SkipWhileStep Step"
    " TakeStep TakeWhileStep TapStep",
    "streams.surroundings": "surrounding",
    "text.json_delta": "JSONDelta json_folded",
    "text.json_deltas": "JSONDeltasEngine",
    "text.sections": "Section SectionsEngine",
    "text.splitter": "TextSplitterEngine",
    "text.stop": "StopEngine",
    "text.text_chunk": "TextChunk",
    "text.utf8": "UTF8Engine",
    "text.words": "WordsEngine",
}
HOME = {name: module for module, names in NAMES.items() for name in names.split()}

BACKEND = "pure"
REASON = "STREAMCORE_BACKEND=pure"
KERNEL = "none"


def _is_there(module: str, folders: list[str]) -> bool:
    """Whether ``_native``, in ``folders``, has ``module``: asks as importlib.util does, but imports no package."""
    name = f"{__package__}._native.{module}"
    path = [os.path.join(folder, *module.split(".")[:-1]) for folder in folders]
    finders = (finder.find_spec for finder in sys.meta_path if hasattr(finder, "find_spec"))
    return any(find(name, path) is not None for find in finders)


if not TYPE_CHECKING and WANTED != "pure":
    try:
        from ._native import __path__ as folders
        from ._native.kernels.scan import kernel

        for module in NAMES:
            if not _is_there(module, folders):
                raise ModuleNotFoundError(f"No module named '{__package__}._native.{module}'")
    except ImportError as error:
        if WANTED == "native":
            raise ImportError(f"STREAMCORE_BACKEND=native, but no native core: {error}") from error
        if os.environ.get("STREAMCORE_KERNEL", "auto") != "auto":
            raise
        REASON = f"no native core: {error}"
    else:
        BACKEND = "native"
        KERNEL = kernel()
        REASON = "STREAMCORE_BACKEND=native" if WANTED == "native" else "all native modules are there"


def __getattr__(name: str) -> Any:
    if name not in HOME:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    value = getattr(import_module(f"{__package__}._{BACKEND}.{HOME[name]}"), name)
    globals()[name] = value
    return value


if TYPE_CHECKING:
    from ._pure.arrow.columns import column_type as column_type
    from ._pure.arrow.columns import export_columns as export_columns
    from ._pure.bpe.arrow_list import export_lists as export_lists
    from ._pure.bpe.arrow_list import list_type as list_type
    from ._pure.bpe.core import BPECore as BPECore
    from ._pure.bpe.decoder import BPEDecoder as BPEDecoder
    from ._pure.bpe.encoder import BPEEncoder as BPEEncoder
    from ._pure.buffers.ring_buffer import RingBuffer as RingBuffer
    from ._pure.buffers.view import View as View
    from ._pure.channel.channel import Channel as Channel
    from ._pure.engine.joining import joined as joined
    from ._pure.framing.content_defined import Chunk as Chunk
    from ._pure.framing.content_defined import ContentDefinedEngine as ContentDefinedEngine
    from ._pure.framing.delimited import DelimitedEngine as DelimitedEngine
    from ._pure.framing.event import Event as Event
    from ._pure.framing.fixed_size import FixedSizeEngine as FixedSizeEngine
    from ._pure.framing.json_lines import InvalidRecord as InvalidRecord
    from ._pure.framing.json_lines import JSONLinesEngine as JSONLinesEngine
    from ._pure.framing.length_prefixed import LengthPrefixedEngine as LengthPrefixedEngine
    from ._pure.framing.lines import LinesEngine as LinesEngine
    from ._pure.framing.sse import ServerSentEventsEngine as ServerSentEventsEngine
    from ._pure.streams.async_closing import async_closing_iterator as async_closing_iterator
    from ._pure.streams.closing import Stream as Stream
    from ._pure.streams.closing import close_all as close_all
    from ._pure.streams.closing import closing_iterator as closing_iterator
    from ._pure.streams.flattening import flat_iterator as flat_iterator
    from ._pure.streams.metering import Meter as Meter
    from ._pure.streams.metering import metered_iterator as metered_iterator
    from ._pure.streams.sharing import SharedSource as SharedSource
    from ._pure.streams.sharing import SharedStream as SharedStream
    from ._pure.streams.steps import DistinctStep as DistinctStep
    from ._pure.streams.steps import EnumerateStep as EnumerateStep
    from ._pure.streams.steps import FilterStep as FilterStep
    from ._pure.streams.steps import MapStep as MapStep
    from ._pure.streams.steps import ScanStep as ScanStep
    from ._pure.streams.steps import SkipStep as SkipStep
    from ._pure.streams.steps import SkipWhileStep as SkipWhileStep
    from ._pure.streams.steps import Step as Step
    from ._pure.streams.steps import TakeStep as TakeStep
    from ._pure.streams.steps import TakeWhileStep as TakeWhileStep
    from ._pure.streams.steps import TapStep as TapStep
    from ._pure.streams.surroundings import surrounding as surrounding
    from ._pure.text.json_delta import JSONDelta as JSONDelta
    from ._pure.text.json_delta import json_folded as json_folded
    from ._pure.text.json_deltas import JSONDeltasEngine as JSONDeltasEngine
    from ._pure.text.sections import Section as Section
    from ._pure.text.sections import SectionsEngine as SectionsEngine
    from ._pure.text.splitter import TextSplitterEngine as TextSplitterEngine
    from ._pure.text.stop import StopEngine as StopEngine
    from ._pure.text.text_chunk import TextChunk as TextChunk
    from ._pure.text.utf8 import UTF8Engine as UTF8Engine
    from ._pure.text.words import WordsEngine as WordsEngine
