"""View: what a memoryview of bytes does, natively at the price of a small object."""

from __future__ import annotations

import array
import copy
import ctypes
import gc
import hashlib
import io
import pickle
import re
import sys
from collections.abc import Iterable, Sequence, Sized

import pytest
from hypothesis import given
from hypothesis import strategies as st

DATA = b"hello, \x00\xff world!"

ATTRIBUTES = [
    "c_contiguous", "contiguous", "f_contiguous", "format", "itemsize", "nbytes", "ndim", "obj", "readonly",
    "shape", "strides", "suboffsets",
]  # fmt: skip


def outcome(action):
    """What an action gives, or how it fails: in words that do not name the class."""
    try:
        result = action()
    except (TypeError, ValueError, IndexError, NotImplementedError, BufferError) as error:
        return type(error)
    return bytes(result) if hasattr(result, "tobytes") else result


@pytest.mark.parametrize("name", ATTRIBUTES)
@pytest.mark.parametrize("data", [DATA, b"", b"x"])
def test_attributes_are_those_of_memoryview(backend, name: str, data: bytes) -> None:
    assert getattr(backend.View(data), name) == getattr(memoryview(data), name)


def test_it_has_what_memoryview_has(backend) -> None:
    # What the newest versions added (count, index: 3.14) may come when the oldest one here has it.
    public = {name for name in dir(memoryview) if not name.startswith("_")} - {"count", "index"}
    assert public <= set(dir(backend.View(DATA)))


@pytest.mark.parametrize(
    "action",
    [
        lambda view: view.tobytes(),
        lambda view: view.tobytes("C"),
        lambda view: view.tobytes(order=None),
        lambda view: view.tobytes("X"),
        lambda view: view.hex(),
        lambda view: view.hex(":"),
        lambda view: view.hex("-", 2),
        lambda view: view.hex(sep="_", bytes_per_sep=-4),
        lambda view: view.hex(5),
        lambda view: view.tolist(),
        lambda view: view.toreadonly(),
        lambda view: view.cast("b")[-1],
        lambda view: view[:8].cast("I").shape,
        lambda view: view.cast("I"),
        lambda view: view[:8].cast("B", (2, 4)).shape,
        lambda view: len(view),
        lambda view: bool(view),
        lambda view: list(view),
        lambda view: list(reversed(view)),
        lambda view: bytes(view),
        lambda view: bytearray(view),
        lambda view: b"".join([view, b"-", view]),
        lambda view: hashlib.sha256(view).digest(),
        lambda view: io.BytesIO(view).getvalue(),
        lambda view: int.from_bytes(view[:2], "little"),
        lambda view: str(view[:5], "ascii"),
        lambda view: re.search(rb"w.r", view).span(),
        lambda view: DATA.find(view[3:5]),
        lambda view: isinstance(view, Sequence) and isinstance(view, Sized) and isinstance(view, Iterable),
        lambda view: view < DATA,
        lambda view: view + b"x",
        lambda view: view.nothing,
        lambda view: setattr(view, "format", "b"),
        lambda view: view.__setitem__(0, 1),
        lambda view: view.__delitem__(0),
        copy.copy,
        copy.deepcopy,
        pickle.dumps,
    ],
)
@pytest.mark.parametrize("data", [DATA, b"12345678"])
def test_actions_give_what_memoryview_gives(backend, action, data: bytes) -> None:
    try:
        expected = outcome(lambda: action(memoryview(data)))
    except AttributeError:
        with pytest.raises(AttributeError):
            action(backend.View(data))
        return
    assert outcome(lambda: action(backend.View(data))) == expected


def test_a_match_statement_takes_it_for_a_sequence(backend) -> None:
    match backend.View(b"ab"):
        case [97, second]:
            assert second == 98
        case _:
            pytest.fail("View is no sequence to match")


# -- indexing


@pytest.mark.parametrize(
    "key", [0, 1, -1, 15, 16, -16, -17, 10**30, -(10**30), True, 1.0, "x", None, ..., (0,), (0, 1)]
)
def test_indexes(backend, key: object) -> None:
    view, model = backend.View(DATA), memoryview(DATA)
    assert len(DATA) == 16
    assert outcome(lambda: view[key]) == outcome(lambda: model[key])
    try:
        model[key]
    except (TypeError, IndexError, NotImplementedError) as error:
        with pytest.raises(type(error), match=re.escape(str(error))):
            view[key]


bounds = (
    st.none() | st.integers(-20, 20) | st.sampled_from([sys.maxsize, -sys.maxsize - 1, 10**30, -(10**30)])
)
slices = st.builds(slice, bounds, bounds, st.sampled_from([None, 1, 1, 2, 3, -1, -2, 10**30]))


@given(data=st.binary(max_size=20), keys=st.lists(slices, max_size=5))
def test_slices_of_slices(backend, data: bytes, keys: list[slice]) -> None:
    view, model = backend.View(data), data
    for key in keys:
        view, model = view[key], model[key]
        assert bytes(view) == model
        assert list(view) == list(model)
        assert view == model
    assert view.nbytes == len(model)


def test_a_slice_shares_the_memory_and_no_chain(backend) -> None:
    view = backend.View(DATA)
    part = view[2:][1:][:-1]
    assert isinstance(part, backend.View)
    assert part.obj is DATA
    view.release()
    assert bytes(part) == DATA[3:-1]


def test_a_step_of_zero_is_refused(backend) -> None:
    with pytest.raises(ValueError, match="slice step cannot be zero"):
        backend.View(DATA)[::0]


# -- comparing


@given(
    left=st.binary(max_size=6),
    right=st.binary(max_size=6),
    kind=st.sampled_from([bytes, bytearray, memoryview]),
)
def test_equality_with_anything_bytes_like(backend, left: bytes, right: bytes, kind) -> None:
    view = backend.View(left)
    for other in (kind(right), backend.View(right), kind(left), backend.View(left)):
        same = left == bytes(other)
        assert (view == other) is same
        assert (other == view) is same
        assert (view != other) is not same


def test_equality_with_everything_else(backend) -> None:
    view = backend.View(b"\1\0\0\0")
    for other in (
        array.array("I", [1]),
        array.array("B", [1, 0, 0, 0]),
        "x",
        None,
        5,
        [1, 0, 0, 0],
        ctypes.c_int(1),
    ):
        assert (view == other) is (memoryview(b"\1\0\0\0") == other)
    assert view.__eq__("x") is NotImplemented


def test_it_hashes_as_its_bytes_do(backend) -> None:
    for data in (b"", b"x", DATA, bytes(1000)):
        assert hash(backend.View(data)) == hash(backend.View(b"-" + data)[1:]) == hash(data)
    assert {DATA: 1}[backend.View(DATA)] == 1
    assert {backend.View(DATA): 1}[DATA] == 1


@pytest.mark.parametrize("item", [0, 255, 104, 103, -1, 256, 10**30, 104.0, True, "h", b"h", None])
def test_containing(backend, item: object) -> None:
    assert (item in backend.View(DATA)) is (item in memoryview(DATA))
    assert item not in backend.View(b"")


# -- what it is made from


def test_bytes_are_shared(backend) -> None:
    references = sys.getrefcount(DATA)
    views = [backend.View(DATA) for _ in range(10)]
    assert all(view.obj is DATA for view in views)
    del views
    assert sys.getrefcount(DATA) == references


def test_views_and_memoryviews_of_bytes_are_shared(backend) -> None:
    for source in (memoryview(DATA)[3:9], backend.View(DATA)[3:9], memoryview(backend.View(DATA)[3:9])):
        view = backend.View(source)
        assert view.obj is DATA
        source.release()
        assert bytes(view) == DATA[3:9]


def test_what_can_change_is_copied(backend) -> None:
    source = bytearray(DATA)
    for data in (source, memoryview(source), memoryview(source).toreadonly()):
        view = backend.View(data)
        source[0] ^= 255
        assert view[0] == source[0] ^ 255
        assert type(view.obj) is bytes
    del data
    source.append(1)  # no export is left


class Odd(bytes):
    """bytes that have a dict, and so can refer to a view of themselves."""


def test_bytes_of_a_subclass_are_shared(backend) -> None:
    odd = Odd(DATA)
    assert backend.View(odd).obj is odd
    assert bytes(backend.View(odd)) == DATA


@pytest.mark.skipif(sys.version_info < (3, 12), reason="Python classes export buffers since 3.12 (PEP 688)")
def test_bytes_that_export_other_memory_are_copied(backend) -> None:
    memory = bytearray(b"other")

    class Liar(bytes):
        def __buffer__(self, flags: int) -> memoryview:
            return memoryview(memory)

    view = backend.View(Liar(DATA))
    memory[0] = 0
    assert bytes(view) == b"other"


@pytest.mark.parametrize(
    "source",
    [
        array.array("I", [1, 2]),
        ctypes.c_int(5),
        (ctypes.c_short * 3)(1, 2, 3),
        memoryview(bytes(range(12))).cast("B", (3, 4)),
        memoryview(bytes(range(12))).cast("I"),
        memoryview(b"").cast("I"),
        array.array("d"),
    ],
    ids=["ints", "one int", "shorts", "square", "cast", "cast of nothing", "no doubles"],
)
def test_any_layout_without_gaps_is_its_bytes(backend, source) -> None:
    view = backend.View(source)
    assert (bytes(view), view.format, view.shape) == (bytes(source), "B", (memoryview(source).nbytes,))


@pytest.mark.parametrize(
    ("source", "error", "message"),
    [
        ("text", TypeError, "View takes bytes-like data, got str"),
        (None, TypeError, "View takes bytes-like data, got NoneType"),
        (3, TypeError, "View takes bytes-like data, got int"),
        (
            memoryview(DATA)[::2],
            BufferError,
            "View takes C-contiguous data, got a 1-dimensional view with gaps",
        ),
        (
            memoryview(DATA)[::-1],
            BufferError,
            "View takes C-contiguous data, got a 1-dimensional view with gaps",
        ),
    ],
)
def test_what_it_cannot_be_made_from(backend, source: object, error: type[Exception], message: str) -> None:
    with pytest.raises(error) as raised:
        backend.View(source)
    assert str(raised.value) == message


def test_it_cannot_be_made_again(backend) -> None:
    view = backend.View(DATA)
    if backend.name == "native":
        with pytest.raises(TypeError, match="View is made already and does not change"):
            view.__init__(b"other")
    assert bytes(view) == DATA


# -- lifetime


def test_the_memory_lives_as_long_as_anything_that_shows_it(backend) -> None:
    # python/cpython#157075: an exporter without owner; dora-rs/dora PR 1833: a view of a view counts.
    view = backend.View(bytes(range(256)) * 4000)
    part = view[1000:2000]
    memory = memoryview(part)[10:20]
    array_ = memory.cast("B", (2, 5))
    del view, part, memory
    gc.collect()
    assert array_.tolist() == [list(range(242, 247)), list(range(247, 252))]


def test_release(backend) -> None:
    view = backend.View(bytes(1000))
    view.release()
    view.release()
    for name in [*ATTRIBUTES]:
        with pytest.raises(ValueError, match=r"^operation forbidden on released memoryview object$"):
            getattr(view, name)
    uses = [
        lambda: view.tobytes(), lambda: view.hex(), lambda: view.tolist(), lambda: view.toreadonly(),
        lambda: view.cast("B"), lambda: len(view), lambda: view[0], lambda: view[1:], lambda: view[::2],
        lambda: list(view), lambda: 1 in view, lambda: None in view, lambda: hash(view), lambda: bytes(view),
        lambda: memoryview(view), lambda: view.__enter__(), lambda: backend.View(view),
        lambda: backend.RingBuffer(9).write(view),
    ]  # fmt: skip
    for use in uses:
        with pytest.raises(ValueError, match=r"^operation forbidden on released memoryview object$"):
            use()
    assert view == view
    assert view != b""
    assert view != backend.View(b"")
    assert backend.View(b"") != view
    assert "released" in repr(view)


def test_a_hash_taken_before_release_stays(backend) -> None:
    view = backend.View(DATA)
    known = {view}
    view.release()
    assert view in known
    assert hash(view) == hash(DATA)


def test_it_is_not_released_while_a_buffer_of_it_is_used(backend) -> None:
    view = backend.View(DATA)
    first = pickle.PickleBuffer(view)
    with pytest.raises(BufferError, match=r"^memoryview has 1 exported buffer$"):
        view.release()
    second = pickle.PickleBuffer(view)
    with pytest.raises(BufferError, match=r"^memoryview has 2 exported buffers$"):
        view.release()
    assert bytes(view) == DATA
    first.release()
    second.release()
    view.release()


def test_with(backend) -> None:
    with backend.View(DATA) as view:
        assert bytes(view) == DATA
    assert "released" in repr(view)


def test_repr(backend) -> None:
    if backend.name == "pure":
        pytest.skip("a memoryview prints its address")
    assert repr(backend.View(b"abc")) == "<View of 3 bytes: b'abc'>"
    assert repr(backend.View(bytes(21))) == f"<View of 21 bytes: {bytes(20)!r}...>"
