"""Stream operators: Runnables that work on the items of a stream, to compose with ``|``.

``Lines() | ops.map(json.loads) | ops.take(10)``. Each takes an iterable of items (``stream([1, 2, 3])``), or the chunks
of the stage before it, and streams: an item goes out before the next one is pulled. Natively an operator is a C
iterator. The names shadow built-ins, so import the module: ``from streamcore import ops``.
"""

from .buffering import buffer, conflate
from .catching import catch
from .combining import chain, zip
from .flattening import flat_map
from .grouping import group
from .merging import merge
from .per_item import enumerate, filter, map, tap
from .running import distinct, scan
from .sharing import replay, tee
from .switching import switch_map
from .taking import skip, skip_while, take, take_while
from .timeouts import timeout
from .timing import debounce, throttle

__all__ = [
    "buffer",
    "catch",
    "chain",
    "conflate",
    "debounce",
    "distinct",
    "enumerate",
    "filter",
    "flat_map",
    "group",
    "map",
    "merge",
    "replay",
    "scan",
    "skip",
    "skip_while",
    "switch_map",
    "take",
    "take_while",
    "tap",
    "tee",
    "throttle",
    "timeout",
    "zip",
]

# Their place is this package: what a traceback shows, and a pickle names.
for _public in (
    buffer,
    catch,
    chain,
    conflate,
    debounce,
    distinct,
    enumerate,
    filter,
    flat_map,
    group,
    map,
    merge,
    replay,
    scan,
    skip,
    skip_while,
    switch_map,
    take,
    take_while,
    tap,
    tee,
    throttle,
    timeout,
    zip,
):
    _public.__module__ = __name__
del _public
