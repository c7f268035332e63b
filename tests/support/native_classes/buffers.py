"""The ring buffer and the view."""

from __future__ import annotations

from typing import Any

from .table import PIECE, Box, Call, Native, attributes, fresh, method, special, value


def ring(backend: Any, box: Box) -> Any:
    made = backend.RingBuffer(1000)
    made.write(PIECE)
    made.write(b"short")
    return made


def granted(backend: Any, box: Box) -> Any:
    made = ring(backend, box)
    made.grant(len(PIECE))[:] = PIECE
    return made


def committing(ring: Any, n: Any) -> int:
    """With a grant first, so that the call stands for itself."""
    try:
        with ring.grant(300) as lent:
            lent[:] = b"g" * len(lent)
    except BufferError:  # there is one
        pass
    ring.commit(n)
    return len(ring)


RING = (
    method("write", value("buffer", PIECE)),
    method("write: a few", value("buffer", b"few")),
    method("read", value("int", 80)),
    method("peek", value("int", 80)),
    method("readinto", fresh("space", lambda: bytearray(80))),
    method("consume", value("int", 80)),
    method("views", value("int", 80)),
    method("find", value("buffer", b"zsh"), value("int", 1), value("int", 900)),
    method("find: a byte", value("int", 115)),
    Call(
        "grant", lambda box, n: len(box.subject.grant(n)), (value("int", 100),)
    ),  # what is in it, is undefined
    Call("commit", lambda box, n: committing(box.subject, n), (value("int", 78),), alone=False),
    method("clear"),
    method("close"),
    *attributes("capacity", "free", "closed", "copied_bytes"),
    special("len", len),
    special("repr", repr),
)


def ring_state(ring: Any) -> Any:
    return [len(ring), ring.free, ring.closed, ring.capacity]


def view_state(view: Any) -> Any:
    return [view == PIECE]


def view_rest(view: Any) -> Any:
    """The release is refused if something left an export behind."""
    return [bytes(view), view.release()]


VIEW = (
    special("__getitem__", lambda view, index: view[index], value("int", 7)),
    special(
        "__getitem__: slice", lambda view, start, stop: view[start:stop], value("int", 3), value("int", 20)
    ),
    special("__getitem__: step", lambda view, step: view[3:20:step], value("int", 2)),
    special("__contains__", lambda view, item: item in view, value("int", 99)),
    special("__contains__: anything", lambda view, item: item in view, fresh("anything", object)),
    special("__eq__", lambda view, other: view == other, value("buffer", PIECE)),
    special("__eq__: anything", lambda view, other: view == other, fresh("anything", object)),
    special("__setitem__", lambda view, index: view.__setitem__(index, 1), value("int", 7)),
    special("__iter__", list),
    special("__hash__", hash),
    special("len", len),
    special("with", lambda view: view.__enter__() is view),
    method("tobytes", value("str", "C")),
    method("hex", value("str", ":"), value("int", 2)),
    method("cast", value("str", "c")),
    method("tolist"),
    method("toreadonly"),
    method("release"),
    special("memoryview", lambda view: bytes(memoryview(view))),
    *attributes("nbytes", "readonly", "format", "itemsize", "ndim", "shape", "strides", "suboffsets"),
    *attributes("c_contiguous", "f_contiguous", "contiguous"),
    special("obj", lambda view: type(view.obj).__name__),
)

CLASSES: list[Native] = [
    Native(
        "RingBuffer",
        "RingBuffer",
        ring,
        RING,
        ring_state,
        rest=lambda ring: ring.closed or ring.read(),
        unlike=("copied_bytes",),  # the backends copy in different places
    ),
    Native(
        "RingBuffer",
        "RingBuffer with a grant",
        granted,
        RING,
        ring_state,
        rest=lambda ring: ring.closed or ring.read(),
        unlike=("copied_bytes",),  # the backends copy in different places
    ),
    Native(
        "View",
        "View",
        lambda backend, box: backend.View(PIECE),
        VIEW,
        view_state,
        view_rest,
        unlike=("release",),
    ),
]

PARTS = {
    "Grant": "RingBuffer",
    "Hold": "LinesEngine",
    "Slab": "RingBuffer",
}
