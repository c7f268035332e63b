"""Stream operators: Runnables that work on the items of a stream, to compose with ``|``.

``Lines() | ops.map(json.loads) | ops.take(10)``. Each takes an iterable of items (``stream([1, 2, 3])``), or the chunks
of the stage before it, and streams: an item goes out before the next one is pulled. Natively an operator is a C
iterator. The names shadow built-ins, so import the module: ``from streamcore import ops``.

The module of an operator is imported when it is first asked for.
"""

from importlib import import_module
from typing import TYPE_CHECKING

_HOME = {
    "buffer": "buffering",
    "catch": "catching",
    "chain": "combining",
    "conflate": "buffering",
    "debounce": "timing",
    "distinct": "running",
    "enumerate": "per_item",
    "filter": "per_item",
    "flat_map": "flattening",
    "group": "grouping",
    "map": "per_item",
    "merge": "merging",
    "replay": "sharing",
    "scan": "running",
    "skip": "taking",
    "skip_while": "taking",
    "switch_map": "switching",
    "take": "taking",
    "take_while": "taking",
    "tap": "per_item",
    "tee": "sharing",
    "throttle": "timing",
    "timeout": "timeouts",
    "zip": "combining",
}

if TYPE_CHECKING:
    from .buffering import buffer as buffer
    from .buffering import conflate as conflate
    from .catching import catch as catch
    from .combining import chain as chain
    from .combining import zip as zip
    from .flattening import flat_map as flat_map
    from .grouping import group as group
    from .merging import merge as merge
    from .per_item import enumerate as enumerate
    from .per_item import filter as filter
    from .per_item import map as map
    from .per_item import tap as tap
    from .running import distinct as distinct
    from .running import scan as scan
    from .sharing import replay as replay
    from .sharing import tee as tee
    from .switching import switch_map as switch_map
    from .taking import skip as skip
    from .taking import skip_while as skip_while
    from .taking import take as take
    from .taking import take_while as take_while
    from .timeouts import timeout as timeout
    from .timing import debounce as debounce
    from .timing import throttle as throttle

__all__ = sorted(_HOME)


def __getattr__(name: str) -> object:
    if name not in _HOME:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    value = getattr(import_module(f".{_HOME[name]}", __name__), name)
    globals()[name] = value
    return value


def __dir__() -> list[str]:
    return [*globals(), *__all__]
