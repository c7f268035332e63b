"""``TokenBatch`` through the Arrow C data interface: values, no copy, all released whatever the consumer does."""

from __future__ import annotations

import ctypes
import gc
import inspect
import re
import weakref

import numpy as np
import pytest
from arrow_structures import RELEASED, Array, Schema, pointed

from streamcore import BPE, TokenBatch
from streamcore._backend import BACKEND

TEXTS = ["Hello world", "", "Größe 中文", "!" * 50]

pytestmark = pytest.mark.skipif(BACKEND == "pure", reason="the Arrow interface is native")


def structures(batch, requested=None):
    """What a consumer sees, and the capsules that it belongs to."""
    capsules = batch.__arrow_c_array__(requested)
    return (
        pointed(capsules[0], Schema, b"arrow_schema"),
        pointed(capsules[1], Array, b"arrow_array"),
        capsules,
    )


class Memory(bytearray):
    """What ids lie in; its end can be seen."""


def memory_of(batch):
    """A weak reference to it."""
    return weakref.ref(batch.ids.base.obj if isinstance(batch.ids.base, memoryview) else batch.ids.base)


@pytest.fixture
def new_batch():
    """Makes a batch that nobody else keeps alive."""
    made = BPE.gpt2().encode_batch(TEXTS)
    return lambda: TokenBatch(np.frombuffer(Memory(made.ids), np.uint32), made.offsets.copy())


def test_structures_are_those_of_the_specification(new_batch):
    batch = new_batch()
    schema, array, capsules = structures(batch)
    item = schema.children[0].contents
    assert (schema.format, schema.n_children, schema.flags, schema.dictionary) == (b"+L", 1, 2, None)
    assert (item.format, item.name, item.flags, item.n_children) == (b"I", b"item", 2, 0)
    assert (array.length, array.null_count, array.offset, array.n_buffers, array.n_children) == (
        4,
        0,
        0,
        2,
        1,
    )
    values = array.children[0].contents
    assert (values.length, values.null_count, values.n_buffers, values.n_children) == (
        len(batch.ids),
        0,
        2,
        0,
    )
    assert array.buffers[0] is None
    assert array.buffers[1] == batch.offsets.ctypes.data  # not copied
    assert values.buffers[1] == batch.ids.ctypes.data
    assert pointed(batch.__arrow_c_schema__(), Schema, b"arrow_schema") is not None
    del capsules


def test_list_with_short_offsets_where_the_consumer_asks_for_it(new_batch):
    batch = new_batch()
    large = batch.__arrow_c_schema__()
    schema, array, capsules = structures(batch, large)
    assert (schema.format, array.buffers[1]) == (b"+L", batch.offsets.ctypes.data)
    pointed(large, Schema, b"arrow_schema").format = b"+l"
    schema, array, capsules = structures(batch, large)
    assert schema.format == b"+l"
    assert list((ctypes.c_int32 * 5).from_address(array.buffers[1])) == batch.offsets.tolist()
    del capsules
    with pytest.raises(ValueError, match="PyCapsule"):
        batch.__arrow_c_array__("no capsule")


def test_what_nobody_takes_is_released_with_its_capsule(new_batch):
    batch = new_batch()
    memory = memory_of(batch)
    capsules = batch.__arrow_c_array__()
    del batch
    gc.collect()
    assert memory() is not None
    del capsules
    gc.collect()
    assert memory() is None


def test_consumer_that_moves_the_structures_out_releases_them_itself(new_batch):
    batch = new_batch()
    wanted, memory = batch.ids.tolist(), memory_of(batch)
    _, array, capsules = structures(batch)
    moved = Array.from_buffer_copy(array)
    child = Array.from_buffer_copy(moved.children[0].contents)
    moved.children[0].contents.release = RELEASED  # the child moves out as well
    array.release = RELEASED
    del array, capsules, batch
    moved.release(ctypes.addressof(moved))
    assert not moved.release
    gc.collect()
    assert memory() is not None
    assert list((ctypes.c_uint32 * child.length).from_address(child.buffers[1])) == wanted
    child.release(ctypes.addressof(child))
    gc.collect()
    assert memory() is None


def test_release_while_an_exception_is_under_way(new_batch):
    batch = new_batch()

    def fails():
        held = batch.__arrow_c_array__()
        raise KeyError(len(held))

    with pytest.raises(KeyError, match="2"):
        fails()


def test_no_texts():
    schema, array, capsules = structures(BPE.gpt2().encode_batch([]))
    assert (schema.format, array.length, array.children[0].contents.length) == (b"+L", 0, 0)
    del capsules


def test_arrays_that_are_not_contiguous_are_copied():
    batch = TokenBatch(np.arange(10, dtype=np.uint32)[::2], np.array([0, 2, 5]))
    _, array, capsules = structures(batch)
    values = (ctypes.c_uint32 * 5).from_address(array.children[0].contents.buffers[1])
    assert list(values) == [0, 2, 4, 6, 8]
    del capsules


def test_pure_core_says_what_to_do_instead():
    from streamcore._native.bpe import arrow_list as native
    from streamcore._pure.bpe import arrow_list as pure

    for name in ("export_lists", "list_type"):
        assert inspect.getdoc(getattr(native, name)) == inspect.getdoc(getattr(pure, name))
    with pytest.raises(NotImplementedError, match=re.escape("pyarrow.LargeListArray.from_arrays")):
        pure.export_lists(None, None)


def test_pyarrow_takes_it_without_a_copy(new_batch):
    batch = new_batch()
    pa = pytest.importorskip("pyarrow", reason="the consumer here is pyarrow")
    wanted, address = [ids.tolist() for ids in batch], batch.ids.ctypes.data
    memory = memory_of(batch)
    array = pa.array(batch)
    array.validate(full=True)
    assert array.type == pa.large_list(pa.uint32())
    assert array.to_pylist() == wanted
    assert array.values.buffers()[1].address == address
    as_list = pa.array(batch, type=pa.list_(pa.uint32()))
    as_list.validate(full=True)
    assert as_list.type == pa.list_(pa.uint32())
    assert as_list.to_pylist() == wanted
    values = array.values
    del batch, array, as_list
    gc.collect()
    assert values.to_pylist() == [number for ids in wanted for number in ids]
    assert memory() is not None
    del values
    gc.collect()
    assert memory() is None
