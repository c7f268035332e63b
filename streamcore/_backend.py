"""Picks the native core or its pure-Python twin, once, at import; the only file that knows there are two.

``STREAMCORE_BACKEND`` = ``auto`` (native where its extensions import, else pure), ``native`` or ``pure``. A
named value is a demand: ``native`` without extensions is an ImportError, and so is any other value.

``BACKEND`` is the choice, ``REASON`` says why. The choice is whole: if one native module does not import, all
parts are pure, so that twins are never mixed. A new core module adds its line to both lists below. ``KERNEL`` names
the byte-scanning kernels in use; ``STREAMCORE_KERNEL`` is a demand for one of them, and so for the native core.
"""

import os
from typing import TYPE_CHECKING

WANTED = os.environ.get("STREAMCORE_BACKEND", "auto")
if WANTED not in ("auto", "native", "pure"):
    raise ImportError(f"STREAMCORE_BACKEND must be auto, native or pure, got {WANTED!r}")

BACKEND = "pure"
REASON = "STREAMCORE_BACKEND=pure"
KERNEL = "none"

if not TYPE_CHECKING and WANTED != "pure":
    try:
        from ._native.arrow.columns import column_type, export_columns
        from ._native.bpe.arrow_list import export_lists, list_type
        from ._native.bpe.core import BPECore
        from ._native.bpe.decoder import BPEDecoder
        from ._native.bpe.encoder import BPEEncoder
        from ._native.buffers.ring_buffer import RingBuffer
        from ._native.buffers.view import View
        from ._native.channel.channel import Channel
        from ._native.engine.joining import joined
        from ._native.framing.content_defined import Chunk, ContentDefinedEngine
        from ._native.framing.delimited import DelimitedEngine
        from ._native.framing.event import Event
        from ._native.framing.fixed_size import FixedSizeEngine
        from ._native.framing.json_lines import InvalidRecord, JSONLinesEngine
        from ._native.framing.length_prefixed import LengthPrefixedEngine
        from ._native.framing.lines import LinesEngine
        from ._native.framing.sse import ServerSentEventsEngine
        from ._native.kernels.scan import kernel
        from ._native.streams.async_closing import async_closing_iterator
        from ._native.streams.closing import Stream, close_all, closing_iterator
        from ._native.streams.flattening import flat_iterator
        from ._native.streams.metering import Meter, metered_iterator
        from ._native.streams.sharing import SharedSource, SharedStream
        from ._native.streams.steps import (
            DistinctStep,
            EnumerateStep,
            FilterStep,
            MapStep,
            ScanStep,
            SkipStep,
            SkipWhileStep,
            Step,
            TakeStep,
            TakeWhileStep,
            TapStep,
        )
        from ._native.streams.surroundings import surrounding
        from ._native.text.json_delta import JSONDelta, json_folded
        from ._native.text.json_deltas import JSONDeltasEngine
        from ._native.text.sections import Section, SectionsEngine
        from ._native.text.splitter import TextSplitterEngine
        from ._native.text.stop import StopEngine
        from ._native.text.text_chunk import TextChunk
        from ._native.text.utf8 import UTF8Engine
        from ._native.text.words import WordsEngine
    except ImportError as error:
        if WANTED == "native":
            raise ImportError(f"STREAMCORE_BACKEND=native, but no native core: {error}") from error
        if os.environ.get("STREAMCORE_KERNEL", "auto") != "auto":
            raise
        REASON = f"no native core: {error}"
    else:
        BACKEND = "native"
        KERNEL = kernel()
        REASON = "STREAMCORE_BACKEND=native" if WANTED == "native" else "all native modules import"

if TYPE_CHECKING or BACKEND == "pure":
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
