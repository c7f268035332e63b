"""``Batch`` and ``stage.batches()`` through the Arrow C data interface: values, no copy, all released."""

from __future__ import annotations

import ctypes
import gc
import itertools
import signal
import sys
import threading
import weakref

import numpy as np
import pytest
from arrow_structures import RELEASED, Array, Schema, Stream, pointed
from recorder import Source

from streamcore import Batch, FixedSize, InvalidEncoding, Lines, Words
from streamcore._backend import BACKEND

pytestmark = pytest.mark.skipif(BACKEND == "pure", reason="the Arrow interface is native")

LINES = b"one\n\nthree\0\nfour\n"
ITEMS = [b"one", b"", b"three\0", b"four"]


def structures(batch, requested=None):
    """What a consumer sees, and the capsules that it belongs to."""
    capsules = batch.__arrow_c_array__(requested)
    return (
        pointed(capsules[0], Schema, b"arrow_schema"),
        pointed(capsules[1], Array, b"arrow_array"),
        capsules,
    )


def address(data: bytes) -> int:
    return np.frombuffer(data, np.uint8).ctypes.data


def values(array) -> list[bytes]:
    """The items of a column, as the specification says where they are."""
    offsets = (ctypes.c_int64 * (array.offset + array.length + 1)).from_address(array.buffers[1])
    bounds = offsets[array.offset :]
    return [
        ctypes.string_at(array.buffers[2] + start, end - start)
        for start, end in zip(bounds, bounds[1:], strict=False)  # noqa: RUF007
    ]


def made(which: str) -> Batch:
    """The same items in each of the forms that a batch has."""
    if which == "spans":
        (batch,) = Lines().batches(LINES)
    elif which == "data":
        batch = Batch(b"onethree\0four", [0, 3, 3, 9, 13])
    else:
        (batch,) = Lines(as_="view", max_size=100, on_oversize="skip").batches([LINES])
    return batch


FORMS = ["spans", "data", "views"]


@pytest.mark.parametrize("which", FORMS)
def test_structures_are_those_of_the_specification(which):
    batch = made(which)
    schema, array, capsules = structures(batch)
    assert (schema.format, schema.name, schema.flags, schema.n_children) == (b"Z", b"", 2, 0)
    assert (array.length, array.null_count, array.offset) == (4, 0, 0)
    assert (array.n_buffers, array.n_children, array.buffers[0]) == (3, 0, None)
    assert array.buffers[2] == address(batch.data)  # not copied
    assert values(array) == ITEMS
    assert pointed(batch.__arrow_c_schema__(), Schema, b"arrow_schema").format == b"Z"
    del capsules


@pytest.mark.parametrize("which", FORMS)
def test_a_slice_shares_the_buffers_by_its_offset(which):  # apache/arrow#48428, scikit-hep/awkward#624
    batch = made(which)
    for start in range(5):
        for stop in range(5):
            part = batch[start:stop]
            _, array, capsules = structures(part)
            assert array.buffers[2] == address(batch.data)
            assert (array.length, array.offset) == (max(stop - start, 0), start)
            assert values(array) == ITEMS[start:stop]
            assert [bytes(item) for item in part] == ITEMS[start:stop]
            assert part.nbytes == len(part.data) == sum(map(len, ITEMS[start:stop]))
            del capsules
    _, array, capsules = structures(batch[1:][1:][:1])
    assert (array.offset, values(array)) == (2, [b"three\0"])
    _, array, capsules = structures(batch[::-1])
    assert values(array) == ITEMS[::-1]
    del capsules


def test_a_slice_shares_the_offsets():
    batch = made("data")
    _, whole, kept = structures(batch)
    _, part, kept_too = structures(batch[2:])
    assert part.buffers[1] == whole.buffers[1]
    del kept, kept_too


def test_no_items():
    _, array, capsules = structures(Batch(b"", [0]))
    assert (array.length, values(array)) == (0, [])
    del capsules


def test_text_is_large_string_and_bytes_where_asked_for():
    (batch,) = Lines(as_=str).batches("é\nü\n".encode())
    binary = made("data").__arrow_c_schema__()
    schema, array, capsules = structures(batch)
    assert (schema.format, values(array)) == (b"U", ["é".encode(), "ü".encode()])
    schema, array, capsules = structures(batch, binary)
    assert (schema.format, array.buffers[2]) == (b"Z", address(batch.data))
    pointed(binary, Schema, b"arrow_schema").format = b"u"  # another type: ours
    schema, _, capsules = structures(batch, binary)
    assert schema.format == b"U"
    del capsules


@pytest.mark.parametrize(
    ("data", "offsets", "format"),
    [
        ("éü".encode(), [0, 2, 4], b"U"),
        ("éü".encode(), [0, 2, 2, 4, 4], b"U"),
        ("éü".encode(), [0, 1, 4], b"Z"),  # the whole is UTF-8, the items are not
        ("éü".encode(), [0, 4], b"U"),
        (b"a\xffb", [0, 1, 3], b"Z"),
        ("é".encode()[:1], [0, 1], b"Z"),
        (b"", [0, 0, 0], b"U"),
    ],
)
def test_bytes_are_text_where_asked_for_and_they_are_utf8(data, offsets, format):
    text = Batch(b"", [0], as_=str).__arrow_c_schema__()
    batch = Batch(data, offsets)
    schema, array, capsules = structures(batch, text)
    assert schema.format == format
    assert array.buffers[2] == address(batch.data)
    del capsules


def test_a_slice_is_text_by_its_own_items():
    text = Batch(b"", [0], as_=str).__arrow_c_schema__()
    batch = Batch(b"a\xffb", [0, 1, 2, 3])
    for part, format in ((batch[2:], b"U"), (batch[1:2], b"Z")):
        schema, _, capsules = structures(part, text)
        assert schema.format == format
        del capsules


def test_text_made_by_hand_is_checked():
    for data, offsets, bad in ((b"a\xffb", [0, 1, 3], 1), ("é".encode(), [0, 1, 2], 0)):
        batch = Batch(data, offsets, as_=str)
        for _ in range(2):
            with pytest.raises(InvalidEncoding) as caught:
                batch.__arrow_c_array__()
            assert caught.value.offset == bad


def test_what_is_no_type_is_refused():
    with pytest.raises(ValueError, match="PyCapsule"):
        made("data").__arrow_c_array__("no capsule")
    released = made("data").__arrow_c_schema__()
    schema = pointed(released, Schema, b"arrow_schema")
    schema.release(ctypes.addressof(schema))
    with pytest.raises(ValueError, match="has been released"):
        made("data").__arrow_c_array__(released)


def test_what_nobody_takes_is_released_with_its_capsule():
    data = bytes(1000)
    before = sys.getrefcount(data)
    batch = Batch(data, [0, 1000])
    capsules = batch.__arrow_c_array__()
    del batch
    assert sys.getrefcount(data) > before
    del capsules
    gc.collect()
    assert sys.getrefcount(data) == before


def test_a_consumer_that_moves_the_structure_out_releases_it_itself():
    data = bytes(range(100))
    before = sys.getrefcount(data)
    _, array, capsules = structures(Batch(data, [0, 50, 100]))
    moved = Array.from_buffer_copy(array)
    array.release = RELEASED
    del array, capsules
    assert sys.getrefcount(data) > before
    assert values(moved) == [data[:50], data[50:]]
    moved.release(ctypes.addressof(moved))
    assert not moved.release
    assert sys.getrefcount(data) == before


def test_released_on_another_thread_without_the_gil():
    data = bytes(1000)
    before = sys.getrefcount(data)
    _, array, capsules = structures(Batch(data, [0, 1000]))
    moved = Array.from_buffer_copy(array)
    array.release = RELEASED
    thread = threading.Thread(target=moved.release, args=(ctypes.addressof(moved),))
    thread.start()
    thread.join()
    del array, capsules
    assert sys.getrefcount(data) == before


# ---- streams ----


class Consumer:
    """Reads a stream as a library in C would."""

    def __init__(self, batches, requested=None):
        self.capsule = batches.__arrow_c_stream__(requested)
        self.stream = pointed(self.capsule, Stream, b"arrow_array_stream")
        self.at = ctypes.addressof(self.stream)

    def schema(self):
        out = Schema()
        assert self.stream.get_schema(self.at, ctypes.addressof(out)) == 0
        found = (
            out.format,
            [(out.children[i].contents.name, out.children[i].contents.format) for i in range(out.n_children)],
        )
        out.release(ctypes.addressof(out))
        return found

    def next(self):
        """The columns of the next record, None at the end, or an error number."""
        out = Array()
        failure = self.stream.get_next(self.at, ctypes.addressof(out))
        if failure:
            return failure
        if not out.release:
            return None
        assert out.n_buffers == 1
        found = [values(out.children[i].contents) for i in range(out.n_children)]
        out.release(ctypes.addressof(out))
        return found

    def message(self):
        return self.stream.get_last_error(self.at)

    def release(self):
        self.stream.release(self.at)


def test_a_stream_has_the_batches():
    source = Source([b"one\ntw", b"o\n", b"three"])
    consumer = Consumer(Lines().batches(source))
    assert consumer.schema() == (b"+s", [(b"item", b"Z")])
    assert source.pulled == 0  # the type needs no input
    assert [consumer.next() for _ in range(5)] == [[[b"one"]], [[b"two"]], [[b"three"]], None, None]
    assert consumer.message() is None
    assert source.closed == 1
    consumer.release()
    assert not consumer.stream.release
    assert source.closed == 1


@pytest.mark.parametrize("pulls", [0, 1])
def test_a_stream_let_go_midway_closes_its_source_if_it_has_pulled(pulls):
    source = Source([b"a\n"] * 10)
    batches = Lines().batches(source)
    consumer = Consumer(batches)
    for _ in range(pulls):
        assert consumer.next() == [[b"a"]]
    consumer.release()
    assert source.closed == pulls
    assert [list(batch) for batch in batches] == [[b"a"]] * (0 if pulls else 10)


def test_a_stream_that_nobody_takes_is_released_with_its_capsule():
    source = Source([b"a\n"] * 10)
    seen = weakref.ref(source)
    consumer = Consumer(Lines().batches(source))
    consumer.next()
    del consumer
    gc.collect()
    assert source.closed == 1
    del source
    gc.collect()
    assert seen() is None


@pytest.mark.parametrize(
    ("error", "number"), [(KeyError("k"), 5), (ValueError("v"), 22), (MemoryError(), 12), (OSError("o"), 5)]
)
def test_an_exception_becomes_an_error_with_its_text(error, number):
    source = Source([b"a\nb"], error)
    consumer = Consumer(Lines().batches(source))
    assert consumer.next() == [[b"a"]]
    for _ in range(2):
        assert consumer.next() == number
        assert consumer.message().decode() == repr(error) + "\nin Lines, at byte 3 of its input"
    assert source.closed == 1
    consumer.release()


@pytest.mark.skipif(
    threading.current_thread() is not threading.main_thread(), reason="signals come in the main thread"
)
def test_ctrl_c_is_sent_again():
    before = signal.signal(signal.SIGINT, signal.default_int_handler)
    source = Source([b"a\n"], KeyboardInterrupt())
    consumer = Consumer(Lines().batches(source))
    assert consumer.next() == [[b"a"]]
    with pytest.raises(KeyboardInterrupt):
        consumer.next()
        for _ in range(1000):  # until the interpreter looks for signals
            pass
    signal.signal(signal.SIGINT, before)
    consumer.release()


def test_an_error_of_the_input_comes_after_the_items_before_it():
    consumer = Consumer(Lines(max_size=3).batches([b"ab\nabcdef\n"]))
    assert consumer.next() == [[b"ab"]]
    assert consumer.next() == 22
    assert b"ItemTooLarge" in consumer.message()


def test_a_request_for_bytes_is_honoured_and_one_for_text_is_not():
    binary, text = Lines().batches(b""), Lines(as_=str).batches(b"")
    assert Consumer(Lines(as_=str).batches(b"a\n"), binary.__arrow_c_schema__()).schema()[1] == [
        (b"item", b"Z")
    ]
    consumer = Consumer(Lines().batches(b"a\n\xff\n"), text.__arrow_c_schema__())
    assert consumer.schema()[1] == [(b"item", b"Z")]
    assert consumer.next() == [[b"a", b"\xff"]]


def test_words_ask_the_input_what_they_are():
    for source, format in (("a b", b"U"), (b"a b", b"Z"), ([], b"Z")):
        batches = Words().batches(source)
        consumer = Consumer(batches)
        assert consumer.schema()[1] == [(b"item", format)]
        found = []
        while (columns := consumer.next()) is not None:
            found += columns[0]
        assert found == ([b"a ", b"b"] if source else [])


def test_items_one_by_one_are_no_stream_of_records():
    assert not hasattr(Lines().stream(b""), "__arrow_c_stream__")
    assert not hasattr(Lines().stream(b""), "__arrow_c_schema__")


# ---- consumers ----


def test_pyarrow_takes_batches_without_a_copy():
    pa = pytest.importorskip("pyarrow", reason="the consumer here is pyarrow")
    for which in FORMS:
        batch = made(which)
        array = pa.array(batch)
        array.validate(full=True)
        assert (array.type, array.to_pylist()) == (pa.large_binary(), ITEMS)
        assert array.buffers()[2].address == address(batch.data)
        part = pa.array(batch[1:3])
        part.validate(full=True)
        assert (part.to_pylist(), part.offset) == (ITEMS[1:3], 1)
        text = pa.array(batch, type=pa.large_string())
        assert (text.type, text.to_pylist()) == (pa.large_string(), [item.decode() for item in ITEMS])
        assert text.buffers()[2].address == address(batch.data)


def test_pyarrow_reads_an_endless_stream_bit_by_bit():
    pa = pytest.importorskip("pyarrow", reason="the consumer here is pyarrow")
    fragment = b"x" * 99 + b"\n"

    def endless():
        while True:
            yield fragment * 1000

    source = Source(endless())
    reader = pa.RecordBatchReader.from_stream(Lines().batches(source))
    assert reader.schema == pa.schema([("item", pa.large_binary())])
    for _ in range(200):
        assert reader.read_next_batch().num_rows == 1000
    assert source.pulled == 200
    assert pa.total_allocated_bytes() < 1 << 20
    del reader
    gc.collect()
    assert source.closed == 1


def test_pyarrow_raises_what_the_source_raised():
    pa = pytest.importorskip("pyarrow", reason="the consumer here is pyarrow")
    reader = pa.RecordBatchReader.from_stream(Lines().batches(Source([b"a\n"], KeyError("lost"))))
    assert reader.read_next_batch().to_pydict() == {"item": [b"a"]}
    with pytest.raises(OSError, match="KeyError\\('lost'\\)"):
        reader.read_next_batch()


def test_polars_and_duckdb_take_streams():
    polars = pytest.importorskip("polars", reason="the consumer here is polars")
    frame = polars.DataFrame(Lines(as_=str).batches(b"one\ntwo\n"))
    assert frame.to_dict(as_series=False) == {"item": ["one", "two"]}
    duckdb = pytest.importorskip("duckdb", reason="the consumer here is duckdb")
    batches = Lines(as_=str).batches(b"one\ntwo\n")
    assert duckdb.sql("select item from batches").fetchall() == [("one",), ("two",)]
    del batches


def test_polars_takes_a_batch_of_pyarrow_without_a_copy():
    pa = pytest.importorskip("pyarrow", reason="polars takes a batch by it")
    polars = pytest.importorskip("polars", reason="the consumer here is polars")
    for as_ in (bytes, str):
        long = b"longer than what a view of Arrow holds in itself"
        batch = next(Lines(as_=as_).batches(long + b"\n" + long + b"\n"))
        series = polars.from_arrow(pa.array(batch))
        assert series.to_list() == list(batch)
        shown = series.to_arrow(compat_level=polars.CompatLevel.newest())
        assert shown.buffers()[2].address == address(batch.data)


def test_duckdb_reads_an_endless_stream_as_far_as_it_must():
    duckdb = pytest.importorskip("duckdb", reason="the consumer here is duckdb")
    source = Source(itertools.repeat((b"x" * 99 + b"\n") * 1000))
    with duckdb.connect() as connection:
        batches = Lines(as_=str).batches(source)
        assert connection.sql("select length(item) from batches limit 3").fetchall() == [(99,)] * 3
        assert source.pulled < 50
        del batches
    gc.collect()
    assert source.closed == 1
    with duckdb.connect() as connection:
        batches = Lines(as_=str).batches(Source([(b"x" * 99 + b"\n") * 1000] * 200))
        counted = connection.sql("select count(*), sum(length(item)) from batches").fetchall()
        assert counted == [(200_000, 19_800_000)]
        del batches


def test_fixed_sizes_and_a_first_offset_that_is_not_0():  # apache/arrow-java#709
    pa = pytest.importorskip("pyarrow", reason="the consumer here is pyarrow")
    batch = next(FixedSize(4).batches(b"abcdefghij"))
    assert pa.array(batch).to_pylist() == [b"abcd", b"efgh"]
    assert pa.array(batch[1:]).to_pylist() == [b"efgh"]
    table = pa.RecordBatchReader.from_stream(FixedSize(4).batches(b"abcdefghij")).read_all()
    assert table["item"].to_pylist() == [b"abcd", b"efgh", b"ij"]
    table.validate(full=True)
