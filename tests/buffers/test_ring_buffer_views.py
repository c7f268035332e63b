"""RingBuffer.views: shown without a copy, and never changed after."""

from __future__ import annotations

import sys

import pytest

WORD = bytes(range(100))  # long enough to be kept by reference


def test_views_show_without_taking(backend) -> None:
    ring = backend.RingBuffer(1000)
    for piece in (b"abc", WORD, b"def"):
        ring.write(piece)
    copied = ring.copied_bytes
    assert [bytes(view) for view in ring.views()] == [b"abc", WORD, b"def"]
    assert [bytes(view) for view in ring.views(50)] == [b"abc", WORD[:47]]
    assert ring.views(0) == []
    assert len(ring) == 106
    assert all(isinstance(view, backend.View) and view.readonly for view in ring.views())
    ring.consume(10)
    assert [bytes(view) for view in ring.views(None)] == [WORD[7:], b"def"]
    if backend.name == "native":
        assert ring.copied_bytes == copied


def test_a_kept_view_never_changes(backend) -> None:
    # pyfastcdc's cut_stream shows a buffer that moves; facebookresearch/spdl#1636 recycles under live views.
    ring = backend.RingBuffer(300)
    kept: list[tuple[object, bytes]] = []
    for i in range(2000):
        ring.write(bytes([i % 251]) * (i % 90 + 1))
        kept += [(view, bytes(view)) for view in ring.views(i % 120)]
        kept += [(memoryview(view)[1:], bytes(view)[1:]) for view in ring.views(2)]
        ring.consume(len(ring) * (i % 7) // 7)
    ring.close()
    assert all(bytes(view) == shown for view, shown in kept)


def test_a_view_of_a_view_counts(backend) -> None:
    # dora-rs/dora PR 1833: only the last consumer of a view of a view may let the memory go.
    ring = backend.RingBuffer(100)
    ring.write(b"abc")
    inner = memoryview(ring.views()[0][1:])[1:]
    for _ in range(100):
        ring.clear()
        ring.write(b"xyz")
    assert bytes(inner) == b"c"


def test_views_outlive_the_buffer(backend) -> None:
    # python/cpython#157075: an exporter without an owner.
    ring = backend.RingBuffer(1000)
    ring.write(b"small")
    ring.write(bytearray(WORD))
    views = ring.views()
    del ring
    assert [bytes(view) for view in views] == [b"small", WORD]


def test_live_views_do_not_stop_anything(backend) -> None:
    # python/cpython#146379, #85269: BufferError because of a view that somebody still has.
    ring = backend.RingBuffer(200)
    for _ in range(50):
        ring.write(b"small")
        ring.write(WORD)
        views = [memoryview(view) for view in ring.views()]
        ring.read(1)
        ring.write(b"more")
        grant = ring.grant(10)
        part = grant[2:]
        ring.commit(5)
        ring.readinto(bytearray(3))
        ring.clear()
        assert bytes(views[0]) == b"small"
        assert len(part) == 8
    ring.close()


def test_a_slab_lives_as_long_as_a_view_of_it_and_no_longer(backend) -> None:
    if backend.name == "pure":
        pytest.skip("the pure twin has no slabs: gathered bytes become bytes")
    ring = backend.RingBuffer(100)
    ring.write(b"abc")
    (view,) = ring.views()
    slab = view.obj
    del view
    references = sys.getrefcount(slab)
    views = [ring.views()[0] for _ in range(5)]
    memories = [memoryview(view[1:]) for view in views]
    assert sys.getrefcount(slab) == references + 10
    del views
    assert sys.getrefcount(slab) == references + 5
    del memories
    assert sys.getrefcount(slab) == references
