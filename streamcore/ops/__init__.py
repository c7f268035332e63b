"""Stream operators: Runnables that work on the items of a stream, to compose with ``|``.

``Lines() | ops.map(json.loads) | ops.take(10)``. Each takes an iterable of items (``stream([1, 2, 3])``), or the chunks
of the stage before it, and streams: an item goes out before the next one is pulled. Natively an operator is a C
iterator. The names shadow built-ins, so import the module: ``from streamcore import ops``.
"""

from .operators import buffer, filter, map, take

__all__ = ["buffer", "filter", "map", "take"]

# Their place is this package: what a traceback shows, and a pickle names.
for _public in (buffer, filter, map, take):
    _public.__module__ = __name__
del _public
