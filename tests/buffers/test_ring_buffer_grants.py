"""RingBuffer.grant and commit: memory lent out for readinto, which may never change what was committed."""

from __future__ import annotations

import io

import pytest

WORD = bytes(range(100))  # long enough to be kept by reference


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
