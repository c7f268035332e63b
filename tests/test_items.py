"""Items do not change, whatever is called on them."""

import pytest

MADE = {
    "Event": (("a", "b"), ("c", "d")),
    "Chunk": ((b"a", 1), (b"b", 2)),
    "TextChunk": (("a", 0, 1), ("b", 1, 2)),
    "JSONDelta": (((), 1), (("a",), 2)),
    "Section": (("a", "b", 0, False), ("c", "d", 1, True)),
}


def test_an_item_is_made_once(backend):
    for name, (first, second) in MADE.items():
        kind = getattr(backend, name)
        item = kind(*first)
        before = repr(item), hash(item)
        with pytest.raises(TypeError, match=f"^{name} is made already and does not change$"):
            item.__init__(*second)
        assert (repr(item), hash(item)) == before
        assert item == kind(*first) != kind(*second)


def test_bounds_are_told_with_the_value(backend):
    for make in (lambda at: backend.TextChunk("a", at, 1), lambda at: backend.Section("a", "b", at)):
        for at in (-1, 1 << 63):
            with pytest.raises(ValueError, match=f"^start must be from 0 to 9223372036854775807, got {at}$"):
                make(at)
