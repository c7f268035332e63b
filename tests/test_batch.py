"""``Batch``: many items as one buffer and their offsets."""

from __future__ import annotations

import pickle

import numpy as np
import pytest

from streamcore import Batch

DATA = [b"one\ntwo\r\n\r\nthree", b"\nfour\n", b"five"]
LINES = [b"one", b"two", b"", b"three", b"four", b"five"]


def batches(backend, fragments=DATA, **options):
    return list(backend.LinesEngine(**options).batches(iter(fragments)))


def test_batches_hold_the_items_in_order(backend):
    found = batches(backend)
    assert [line for batch in found for line in batch] == LINES
    assert all(isinstance(batch, Batch) and len(batch) for batch in found)


def test_a_batch_ends_with_its_fragment(backend):
    items = backend.LinesEngine().batches(iter(DATA))
    assert list(next(items)) == LINES[:3]
    assert list(next(items)) == LINES[3:5]
    assert list(next(items)) == LINES[5:]


def test_data_and_offsets_describe_the_items(backend):
    for keepends in (False, True):
        for batch in batches(backend, keepends=keepends):
            assert batch.offsets.dtype == np.int64
            assert batch.offsets[0] == 0
            ends = batch.offsets.tolist()
            assert [batch.data[a:b] for a, b in zip(ends, ends[1:], strict=False)] == list(batch)  # noqa: RUF007
            assert batch.nbytes == len(batch.data) == sum(map(len, batch))


def test_offsets_cannot_be_written(backend):
    with pytest.raises(ValueError, match="read-only"):
        batches(backend)[0].offsets[0] = 1


@pytest.mark.parametrize(("as_", "types"), [(bytes, bytes), (str, str)])
def test_items_have_the_type_asked_for(backend, as_, types):
    (batch,) = batches(backend, ["é\nü\n".encode()], as_=as_)
    assert batch.as_ is as_
    assert all(isinstance(item, types) for item in batch)
    assert isinstance(batch[0], types)
    assert batch.data == "éü".encode()
    assert batch.offsets.tolist() == [0, 2, 4]


def test_views_are_items_too(backend):
    for batch in batches(backend, as_="view"):
        assert batch.as_ == "view"
        assert [item.tobytes() for item in batch] == [batch[i].tobytes() for i in range(len(batch))]


def test_indexing_is_that_of_a_list(backend):
    (batch,) = batches(backend, [b"a\nbb\r\nccc\n\n"])
    assert [batch[i] for i in range(-4, 4)] == [b"a", b"bb", b"ccc", b""] * 2
    for index in (4, -5):
        with pytest.raises(IndexError, match=f"item {index} of a batch of 4"):
            batch[index]
    with pytest.raises(TypeError):
        batch["0"]
    assert list(batch[1:3]) == [b"bb", b"ccc"]
    assert list(batch[::-1]) == [b"", b"ccc", b"bb", b"a"]
    assert batch[1:3].data == b"bbccc"
    assert len(batch[4:]) == 0
    assert batch[4:].offsets.tolist() == [0]
    assert list(reversed(batch)) == list(batch[::-1])
    assert batch.index(b"ccc") == 2
    assert b"bb" in batch


def test_batches_are_equal_when_their_items_are(backend):
    (one,) = batches(backend, [b"a\nbb\n"])
    assert one == batches(backend, [b"a\r\nbb\n"])[0] == one[:]
    assert one != batches(backend, [b"ab\nb\n"])[0]
    assert one != batches(backend, [b"a\nbb\n"], as_=str)[0]
    assert one != [b"a", b"bb"]
    with pytest.raises(TypeError, match="unhashable"):
        hash(one)


@pytest.mark.parametrize("as_", [bytes, str, "view"])
def test_a_batch_can_be_pickled(backend, as_):
    for batch in batches(backend, as_=as_):
        copy = pickle.loads(pickle.dumps(batch))
        assert copy == batch
        assert copy.as_ == as_
        assert [bytes(i) if as_ == "view" else i for i in copy] == [
            bytes(i) if as_ == "view" else i for i in batch
        ]


def test_a_batch_outlives_its_stream_and_fragment(backend):
    items = backend.LinesEngine().batches(iter([b"".join([b"abc\n", b"def\n"]), b"x\n"]))
    batch = next(items)
    list(items)
    assert list(batch) == [b"abc", b"def"]
    assert batch.data == b"abcdef"


def test_a_batch_is_bounded(backend):
    found = batches(backend, [b"\n" * 300_000])
    assert sum(map(len, found)) == 300_000
    assert max(map(len, found)) <= 1 << 18
    assert len(batches(backend, [b"x" * 99 + b"\n"] * 5)) == 5


@pytest.mark.parametrize("as_", [bytes, str, "view"])
def test_a_batch_is_made_from_data_and_offsets(as_):
    batch = Batch(b"abbccc", np.array([0, 1, 3, 6]), as_=as_)
    assert [item if as_ is str else bytes(item).decode() for item in batch] == ["a", "bb", "ccc"]
    assert (len(batch), batch.nbytes) == (3, 6)
    assert repr(batch) == "Batch(3 items, 6 bytes)"


@pytest.mark.parametrize("offsets", [[], [[0, 6]], [0.0, 6.0], [1, 6], [0, 5], [0, 4, 3, 6]])
def test_wrong_offsets_are_refused(offsets):
    with pytest.raises(ValueError, match="offsets must"):
        Batch(b"abbccc", offsets)


def test_a_wrong_item_type_is_refused():
    with pytest.raises(ValueError, match="as_ must be"):
        Batch(b"", [0], as_=int)
