"""RingBuffer: order, backpressure, what is copied and what is not, views that never change, bad input."""

from __future__ import annotations

import array
import copy
import inspect
import io
import itertools
import pickle
import sys

import pytest

WORD = bytes(range(100))  # long enough to be kept by reference


def test_read_returns_bytes_in_the_order_written(backend) -> None:
    ring = backend.RingBuffer(capacity=4)
    assert ring.write(b"abcdef") == 4
    assert ring.read(10) == b"abcd"


def test_capacity_and_free_and_len_add_up(backend) -> None:
    ring = backend.RingBuffer(10)
    assert (ring.capacity, ring.free, len(ring)) == (10, 10, 0)
    ring.write(b"abc")
    assert (ring.capacity, ring.free, len(ring)) == (10, 7, 3)
    ring.read(1)
    assert (ring.free, len(ring)) == (8, 2)
    assert repr(ring) == "<RingBuffer: 2 of 10 bytes>"


@pytest.mark.parametrize("capacity", [1, 2, 63, 64, 65, 127, 128, 129, 20_000])
@pytest.mark.parametrize("by", [-1, 0, 1])
@pytest.mark.parametrize("make", [bytes, bytearray])
def test_write_takes_what_fits(backend, capacity: int, by: int, make: type) -> None:
    data = make(i % 251 for i in range(capacity + by))
    ring = backend.RingBuffer(capacity)
    taken = min(capacity, len(data))
    assert ring.write(data) == taken
    assert ring.free == capacity - taken
    assert ring.write(data) == min(capacity - taken, len(data))
    assert ring.read() == bytes(data[:taken] + data[: capacity - taken])
    assert ring.write(data) == taken


def test_a_full_buffer_takes_nothing_until_something_is_read(backend) -> None:
    ring = backend.RingBuffer(100)
    assert ring.write(WORD) == 100
    assert ring.write(b"x") == ring.write(WORD) == ring.write(bytearray(1)) == 0
    assert ring.read(1) == b"\0"
    assert ring.write(b"xy") == 1
    assert ring.read() == WORD[1:] + b"x"


@pytest.mark.parametrize("size", [1, 10, 64, 100, 150])
def test_reads_of_any_size_give_everything_once(backend, size: int) -> None:
    ring = backend.RingBuffer(10_000)
    pieces = [b"ab", WORD, b"c", bytearray(70), memoryview(WORD)[10:90], b"", b"defg", WORD]
    for piece in pieces:
        assert ring.write(piece) == len(piece)
    read = iter(lambda: ring.read(size), b"")
    got = list(read)
    assert b"".join(got) == b"".join(pieces)
    assert {len(piece) for piece in got[:-1]} == {size}


# -- what is copied


@pytest.mark.parametrize("size", [100, 4096, 65536])
def test_whole_bytes_pass_through_uncopied(backend, size: int) -> None:
    ring = backend.RingBuffer(4 * size)
    written = [bytes([i]) * size for i in range(4)]
    for data in written:
        ring.write(data)
    assert ring.peek(size) is written[0]
    assert [ring.read(size) is data for data in written] == [True] * 4
    assert ring.copied_bytes == 0


def test_the_last_whole_bytes_pass_through_for_a_longer_read(backend) -> None:
    ring = backend.RingBuffer(1000)
    for n in (-1, None, 1000, sys.maxsize, 10**30):
        ring.write(WORD)
        assert ring.read(n) is WORD


def test_a_view_of_most_of_its_bytes_is_kept_by_reference(backend) -> None:
    ring = backend.RingBuffer(1000)
    assert ring.write(backend.View(WORD)[10:]) == 90
    assert ring.copied_bytes == 0
    assert ring.write(memoryview(WORD)[:70]) == 70
    assert ring.write(memoryview(WORD)) == 100
    assert ring.copied_bytes == 0
    ring.consume(160)
    assert ring.read(100) is WORD


def test_a_small_part_of_large_bytes_does_not_keep_them_alive(backend) -> None:
    large = bytes(1_000_000)
    references = sys.getrefcount(large)
    ring = backend.RingBuffer(1000)
    assert ring.write(large) == 1000
    ring.consume(1000)
    for _ in range(10):
        assert ring.write(memoryview(large)[5:105]) == 100
    assert sys.getrefcount(large) == references
    assert ring.read() == bytes(1000)


def test_mutable_buffers_are_copied_once_on_entry(backend) -> None:
    for size in (3, 100, 20_000):
        source = bytearray(b"x" * size)
        ring = backend.RingBuffer(100_000)
        readonly = memoryview(source).toreadonly()
        assert ring.write(source) == ring.write(memoryview(source)) == ring.write(readonly) == size
        assert ring.copied_bytes == 3 * size
        source[:] = b"y" * size
        readonly.release()
        source.append(0)  # nothing holds its buffer
        assert ring.read() == b"x" * (3 * size)


def test_items_larger_than_a_byte_are_taken_as_their_bytes(backend) -> None:
    ring = backend.RingBuffer(1000)
    numbers = array.array("I", range(50))
    assert ring.write(numbers) == 4 * 50
    assert ring.read() == numbers.tobytes()
    square = memoryview(bytes(range(100))).cast("B", (10, 10))
    assert ring.write(square) == 100
    assert ring.read() == bytes(range(100))


def test_many_small_writes_share_memory(backend) -> None:
    ring = backend.RingBuffer(100_000)
    for i in range(100_000):
        ring.write(bytes([i % 256]))
    views = ring.views()
    assert len(views) <= 10
    assert b"".join(views) == bytes(i % 256 for i in range(100_000))


# -- peek, consume, clear


def test_peek_leaves_everything(backend) -> None:
    ring = backend.RingBuffer(1000)
    ring.write(b"abc")
    ring.write(WORD)
    for n in (0, 1, 3, 4, 103, 200, -1, None):
        expected = (b"abc" + WORD)[: None if n in (-1, None) else n]
        assert ring.peek(n) == expected
        assert type(ring.peek(n)) is bytes
    assert len(ring) == 103
    assert ring.read(50) == (b"abc" + WORD)[:50]


def test_consume_drops_across_segments(backend) -> None:
    ring = backend.RingBuffer(1000)
    for piece in (WORD, b"abc", WORD, b"def"):
        ring.write(piece)
    ring.consume(0)
    ring.consume(50)
    ring.consume(52)
    assert ring.peek(3) == b"c" + WORD[:2]
    with pytest.raises(ValueError, match=r"cannot consume 105 bytes, 104 are held"):
        ring.consume(105)
    assert len(ring) == 104
    ring.consume(104)
    assert ring.read() == b""


def test_clear_frees_everything_and_goes_on(backend) -> None:
    ring = backend.RingBuffer(200)
    ring.write(WORD)
    ring.write(b"abc")
    ring.clear()
    assert (len(ring), ring.free) == (0, 200)
    ring.write(b"next")
    assert ring.read() == b"next"


# -- find


def pieces_of(data: bytes, cuts: tuple[int, ...]) -> list[bytes]:
    return [data[a:b] for a, b in itertools.pairwise((0, *cuts, len(data)))]


def test_find_at_every_split_of_the_pattern(backend) -> None:
    before, after = WORD, WORD[::-1]
    for pattern in (b"\r\n", b"--boundary--", b"aab", bytes(200)):
        whole = before + pattern + after
        for cut in range(len(before), len(before) + len(pattern) + 1):
            ring = backend.RingBuffer(1000)
            for piece in pieces_of(whole, (cut,)):
                ring.write(piece)
            assert ring.find(pattern) == whole.find(pattern)
            assert ring.find(pattern, 1) == whole.find(pattern, 1)
            assert ring.find(pattern, len(before) + 1) == whole.find(pattern, len(before) + 1)


@pytest.mark.parametrize(
    "start", [None, 0, 1, 99, 100, 101, 205, 206, 207, 400, -1, -100, -500, 10**30, -(10**30)]
)
@pytest.mark.parametrize("end", [None, 0, 1, 101, 206, 300, -1, -150, 10**30, -(10**30)])
def test_find_takes_the_arguments_of_bytes_find(backend, start: int | None, end: int | None) -> None:
    whole = WORD + b"middle" + WORD
    ring = backend.RingBuffer(1000)
    for piece in (WORD, b"mid", b"dle", WORD):
        ring.write(piece)
    for pattern in (b"", b"middle", b"c", b"\x63m", b"e\0", 0, 99, 200, memoryview(b"ddl"), WORD, whole):
        assert ring.find(pattern, start, end) == whole.find(pattern, start, end)


def test_find_with_repetitive_patterns(backend) -> None:
    # The failure function is what this tries: every border of the pattern matters.
    ring = backend.RingBuffer(10_000)
    whole = b"a" * 130 + b"b" + b"aab" * 60 + b"aaab" + b"ab" * 70 + b"aabaaabaaac" * 3
    for piece in pieces_of(whole, (70, 140, 210, 280, 345)):
        ring.write(piece)
    for length in range(1, 9):
        for letters in itertools.product(b"abc", repeat=length if length < 6 else 1):
            pattern = bytes(letters) * (1 if length < 6 else length)
            assert ring.find(pattern) == whole.find(pattern)
    assert ring.find(b"a" * 131) == whole.find(b"a" * 131)
    assert ring.find(b"ab" * 66) == whole.find(b"ab" * 66)


@pytest.mark.parametrize("sub", ["x", None, 1.5, memoryview(b"abcd")[::2], 256, -1])
def test_find_refuses_what_bytes_find_refuses(backend, sub: object) -> None:
    ring = backend.RingBuffer(10)
    ring.write(b"abc")
    with pytest.raises((TypeError, ValueError, BufferError)) as expected:
        b"abc".find(sub)
    with pytest.raises(expected.type) as raised:
        ring.find(sub)
    assert str(raised.value) == str(expected.value)


# -- grants


@pytest.mark.parametrize("size", [1, 63, 64, 65, 1000, 20_000])
def test_a_grant_is_filled_and_committed(backend, size: int) -> None:
    ring = backend.RingBuffer(50_000)
    ring.write(b"before")
    grant = ring.grant(size)
    assert (grant.nbytes, grant.readonly, grant.format, ring.free) == (size, False, "B", 49_994 - size)
    for count in (size, size // 2, size // 3, 0):
        source = io.BytesIO(bytes(i % 255 for i in range(count)))
        assert source.readinto(grant) == count
        assert ring.commit(count) is None
        grant = ring.grant(size)
    ring.commit(0)
    expected = [bytes(i % 255 for i in range(count)) for count in (size, size // 2, size // 3)]
    assert ring.read() == b"before" + b"".join(expected)
    assert ring.free == 50_000


def test_a_grant_is_at_most_what_is_free(backend) -> None:
    ring = backend.RingBuffer(10)
    ring.write(b"abcd")
    assert len(ring.grant(100)) == 6
    assert ring.free == 0
    assert ring.write(b"x") == 0
    ring.commit(2)
    assert ring.free == 4


def test_a_full_buffer_grants_nothing_and_says_so(backend) -> None:
    ring = backend.RingBuffer(4)
    ring.write(b"abcd")
    with pytest.raises(BufferError, match=r"nothing is free to grant: 4 of 4 bytes are in use"):
        ring.grant(1)


def test_what_is_written_during_a_grant_comes_before_it(backend) -> None:
    ring = backend.RingBuffer(400)
    ring.grant(100)[:] = WORD
    assert ring.write(b"first") == 5
    ring.consume(1)
    ring.commit(100)
    assert ring.read() == b"irst" + WORD


def test_the_granted_memoryview_ends_with_the_commit(backend) -> None:
    ring = backend.RingBuffer(400)
    for count in (100, 99, 3, 0):
        grant = ring.grant(100)
        grant[:] = WORD
        ring.commit(count)
        with pytest.raises(ValueError, match="released"):
            grant[0] = 1
    assert ring.read() == WORD + WORD[:99] + WORD[:3]


@pytest.mark.parametrize("count", [3, 80, 100])
@pytest.mark.parametrize(
    "take", [lambda g: g[:], lambda g: memoryview(g), lambda g: memoryview(g.obj), io.BytesIO]
)
def test_a_slice_of_a_grant_that_lives_on_changes_nothing(backend, count: int, take) -> None:
    ring = backend.RingBuffer(1000)
    grant = ring.grant(100)
    grant[:] = WORD
    rest = take(grant)
    exporter = grant.obj
    ring.commit(count)
    views = ring.views()
    if isinstance(rest, memoryview):
        rest[:] = b"\xff" * 100
    for _ in range(3):  # nor may the memory come back as another grant
        second = ring.grant(100)
        if isinstance(rest, memoryview):
            rest[:] = b"\xfe" * 100
        second[:] = WORD
        ring.commit(100)
    try:
        late = memoryview(exporter)
    except BufferError:
        pass
    else:
        late[:] = b"\xfd" * len(late)
    assert b"".join(views) == WORD[:count]
    assert ring.read() == WORD[:count] + 3 * WORD


def test_a_grant_may_be_released_before_the_commit(backend) -> None:
    ring = backend.RingBuffer(1000)
    with ring.grant(100) as grant:
        grant[:] = WORD
    ring.commit(100)
    assert ring.read() == WORD


def test_one_grant_at_a_time(backend) -> None:
    ring = backend.RingBuffer(1000)
    ring.grant(100)[:] = WORD
    with pytest.raises(BufferError, match=r"a grant of 100 bytes is outstanding: commit\(\) it first"):
        ring.grant(1)
    with pytest.raises(BufferError, match=r"commit of 101 bytes is beyond the grant of 100"):
        ring.commit(101)
    with pytest.raises(BufferError, match=f"commit of {10**30} bytes is beyond the grant of 100"):
        ring.commit(10**30)
    with pytest.raises(ValueError, match=r"n must not be negative, got -1"):
        ring.commit(-1)
    ring.clear()
    ring.commit(100)
    assert ring.read() == WORD
    with pytest.raises(BufferError, match=r"commit of 0 bytes without a grant"):
        ring.commit(0)


# -- readinto


def test_readinto_fills_what_it_can(backend) -> None:
    ring = backend.RingBuffer(1000)
    for piece in (b"abc", WORD, b"def"):
        ring.write(piece)
    target = bytearray(50)
    assert ring.readinto(target) == 50
    assert target == (b"abc" + WORD)[:50]
    numbers = array.array("I", [0] * 5)
    assert ring.readinto(memoryview(numbers)) == 20
    assert numbers.tobytes() == WORD[47:67]
    assert ring.readinto(bytearray()) == 0
    assert ring.readinto(memoryview(target)[10:]) == 36
    assert target[10:46] == WORD[67:] + b"def"
    assert ring.readinto(target) == 0


# -- views


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


# -- closing


def test_a_closed_buffer_gives_and_takes_nothing(backend) -> None:
    ring = backend.RingBuffer(300)
    ring.write(WORD)
    views = ring.views()
    grant = ring.grant(10)
    assert not ring.closed
    ring.close()
    ring.close()
    assert ring.closed
    assert (len(ring), ring.free, ring.capacity, ring.copied_bytes) == (0, 0, 300, 0)
    assert repr(ring) == "<RingBuffer: closed>"
    assert bytes(views[0]) == WORD
    with pytest.raises(ValueError, match="released"):
        grant[0] = 1
    calls = [
        lambda: ring.write(b"x"), lambda: ring.write(WORD), lambda: ring.write(b""), lambda: ring.read(),
        lambda: ring.read(0), lambda: ring.peek(), lambda: ring.consume(0), lambda: ring.clear(),
        lambda: ring.find(b""), lambda: ring.views(), lambda: ring.grant(1), lambda: ring.commit(0),
        lambda: ring.readinto(bytearray(1)), ring.__enter__,
    ]  # fmt: skip
    for call in calls:
        with pytest.raises(ValueError, match=r"^RingBuffer is closed$"):
            call()


def test_with_closes(backend) -> None:
    with backend.RingBuffer(10) as ring:
        ring.write(b"abc")
        assert ring.read() == b"abc"
    assert ring.closed
    with pytest.raises(KeyError), backend.RingBuffer(10) as ring:
        raise KeyError
    assert ring.closed


# -- bad input


@pytest.mark.parametrize(
    ("capacity", "error", "message"),
    [
        (0, ValueError, "capacity must be positive, got 0"),
        (-5, ValueError, "capacity must be positive, got -5"),
        (-(10**30), ValueError, f"capacity must be positive, got -{10**30}"),
        (2**63, ValueError, f"capacity must be at most {sys.maxsize}, got {2**63}"),
        (1.5, TypeError, "capacity must be an int, got float"),
        (None, TypeError, "capacity must be an int, got NoneType"),
        ("4", TypeError, "capacity must be an int, got str"),
        (True, TypeError, "capacity must be an int, got bool"),
    ],
)
def test_bad_capacities(backend, capacity: object, error: type[Exception], message: str) -> None:
    with pytest.raises(error) as raised:
        backend.RingBuffer(capacity)
    assert str(raised.value) == message


def test_an_enormous_capacity_allocates_nothing(backend) -> None:
    ring = backend.RingBuffer(sys.maxsize)
    assert ring.write(WORD) == 100
    assert ring.free == sys.maxsize - 100


@pytest.mark.parametrize(
    ("data", "error", "message"),
    [
        ("text", TypeError, "write() takes bytes-like data, got str"),
        (None, TypeError, "write() takes bytes-like data, got NoneType"),
        (7, TypeError, "write() takes bytes-like data, got int"),
        ([1, 2], TypeError, "write() takes bytes-like data, got list"),
        (
            memoryview(WORD)[::2],
            BufferError,
            "write() takes C-contiguous data, got a 1-dimensional view with gaps",
        ),
    ],
)
def test_bad_data(backend, data: object, error: type[Exception], message: str) -> None:
    ring = backend.RingBuffer(10)
    with pytest.raises(error) as raised:
        ring.write(data)
    assert str(raised.value) == message
    assert len(ring) == 0


@pytest.mark.parametrize("method", ["read", "peek", "views"])
def test_bad_counts(backend, method: str) -> None:
    ring = backend.RingBuffer(200)
    ring.write(WORD)
    ring.write(b"x")
    for n, error, message in [
        (-2, ValueError, "n must be -1 (all) or not negative, got -2"),
        (-(10**30), ValueError, f"n must be -1 (all) or not negative, got -{10**30}"),
        (100.0, TypeError, "n must be an int, got float"),
        ("1", TypeError, "n must be an int, got str"),
        (True, TypeError, "n must be an int, got bool"),
    ]:
        with pytest.raises(error) as raised:
            getattr(ring, method)(n)
        assert str(raised.value) == message
    assert len(ring) == 101


@pytest.mark.parametrize("method", ["grant", "commit", "consume"])
@pytest.mark.parametrize("n", [1.0, "1", None, True])
def test_bad_sizes(backend, method: str, n: object) -> None:
    ring = backend.RingBuffer(200)
    with pytest.raises(TypeError) as raised:
        getattr(ring, method)(n)
    assert str(raised.value) == f"n must be an int, got {type(n).__name__}"
    with pytest.raises(ValueError, match=r"^n must (not be negative|be positive), got -1$"):
        getattr(ring, method)(-1)


@pytest.mark.parametrize("target", [b"abc", memoryview(b"abc"), "abc", None, 5])
def test_readinto_needs_writable_memory(backend, target: object) -> None:
    ring = backend.RingBuffer(10)
    ring.write(b"abc")
    with pytest.raises(TypeError) as raised:
        ring.readinto(target)
    expected = f"readinto() takes a writable bytes-like object, got {type(target).__name__}"
    assert str(raised.value) == expected
    with pytest.raises(BufferError, match="C-contiguous data, got a 1-dimensional view with gaps"):
        ring.readinto(memoryview(bytearray(8))[::2])
    assert len(ring) == 3


class Seven:
    def __index__(self) -> int:
        return 7


def test_integers_of_other_types_are_integers(backend) -> None:
    ring = backend.RingBuffer(Seven())
    assert ring.write(b"0123456789") == ring.capacity == 7
    assert ring.peek(Seven()) == b"0123456"
    ring.consume(Seven())
    assert len(ring.grant(Seven())) == 7
    ring.commit(Seven())


def test_bytes_of_a_subclass_come_out_as_bytes(backend) -> None:
    class Odd(bytes):
        def __len__(self) -> int:
            return 3

    ring = backend.RingBuffer(1000)
    assert ring.write(Odd(WORD)) == 100
    assert ring.write(Odd(b"abcd")) == 4
    assert type(ring.peek(100)) is bytes
    assert ring.read() == WORD + b"abcd"


def test_it_can_be_neither_copied_nor_pickled(backend) -> None:
    ring = backend.RingBuffer(10)
    for attempt in (copy.copy, copy.deepcopy, pickle.dumps):
        with pytest.raises(TypeError, match=r"^cannot pickle 'RingBuffer' object$"):
            attempt(ring)


def test_the_twins_have_the_same_names_signatures_and_docstrings() -> None:
    native = pytest.importorskip("streamcore._native.ring_buffer").RingBuffer
    pure = pytest.importorskip("streamcore._pure.ring_buffer").RingBuffer

    def parameters(function: object) -> list[tuple[object, ...]] | None:
        if not callable(function):
            return None
        return [(p.name, p.kind, p.default) for p in inspect.signature(function).parameters.values()]

    def public(kind: type) -> dict[str, tuple[object, ...]]:
        names = [name for name in vars(kind) if not name.startswith("_")]
        return {
            name: (inspect.getdoc(getattr(kind, name)), parameters(getattr(kind, name))) for name in names
        }

    assert public(native) == public(pure)
    assert inspect.getdoc(native) == inspect.getdoc(pure)
    assert parameters(native) == parameters(pure)
