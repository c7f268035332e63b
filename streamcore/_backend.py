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
        from ._native.bpe.arrow_list import export_lists, list_type
        from ._native.bpe.core import BPECore
        from ._native.bpe.decoder import BPEDecoder
        from ._native.bpe.encoder import BPEEncoder
        from ._native.buffers.ring_buffer import RingBuffer
        from ._native.buffers.view import View
        from ._native.channel.channel import Channel
        from ._native.engine.joining import joined
        from ._native.framing.delimited import DelimitedEngine
        from ._native.framing.fixed_size import FixedSizeEngine
        from ._native.framing.lines import LinesEngine
        from ._native.kernels.scan import kernel
        from ._native.streams.async_closing import async_closing_iterator
        from ._native.streams.closing import Stream, close_all, closing_iterator
        from ._native.streams.operators import filter_iterator, map_iterator, take_iterator
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
    from ._pure.bpe.arrow_list import export_lists as export_lists
    from ._pure.bpe.arrow_list import list_type as list_type
    from ._pure.bpe.core import BPECore as BPECore
    from ._pure.bpe.decoder import BPEDecoder as BPEDecoder
    from ._pure.bpe.encoder import BPEEncoder as BPEEncoder
    from ._pure.buffers.ring_buffer import RingBuffer as RingBuffer
    from ._pure.buffers.view import View as View
    from ._pure.channel.channel import Channel as Channel
    from ._pure.engine.joining import joined as joined
    from ._pure.framing.delimited import DelimitedEngine as DelimitedEngine
    from ._pure.framing.fixed_size import FixedSizeEngine as FixedSizeEngine
    from ._pure.framing.lines import LinesEngine as LinesEngine
    from ._pure.streams.async_closing import async_closing_iterator as async_closing_iterator
    from ._pure.streams.closing import Stream as Stream
    from ._pure.streams.closing import close_all as close_all
    from ._pure.streams.closing import closing_iterator as closing_iterator
    from ._pure.streams.operators import filter_iterator as filter_iterator
    from ._pure.streams.operators import map_iterator as map_iterator
    from ._pure.streams.operators import take_iterator as take_iterator
    from ._pure.text.utf8 import UTF8Engine as UTF8Engine
    from ._pure.text.words import WordsEngine as WordsEngine
