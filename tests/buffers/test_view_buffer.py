"""View as an exporter: the buffer has what was asked for and nothing more, and is counted."""

from __future__ import annotations

import ctypes
import sys

import pytest

DATA = b"hello, \x00\xff world!"

SIMPLE, WRITABLE, FORMAT, ND, STRIDES = 0, 1, 4, 8, 24


class PyBuffer(ctypes.Structure):
    _fields_ = (
        ("buf", ctypes.c_void_p),
        ("obj", ctypes.py_object),
        ("len", ctypes.c_ssize_t),
        ("itemsize", ctypes.c_ssize_t),
        ("readonly", ctypes.c_int),
        ("ndim", ctypes.c_int),
        ("format", ctypes.c_char_p),
        ("shape", ctypes.POINTER(ctypes.c_ssize_t)),
        ("strides", ctypes.POINTER(ctypes.c_ssize_t)),
        ("suboffsets", ctypes.POINTER(ctypes.c_ssize_t)),
        ("internal", ctypes.c_void_p),
    )


def described(exporter: object, flags: int) -> tuple[object, ...]:
    buffer = PyBuffer()
    get, release = ctypes.pythonapi.PyObject_GetBuffer, ctypes.pythonapi.PyBuffer_Release
    get.argtypes = [ctypes.py_object, ctypes.POINTER(PyBuffer), ctypes.c_int]
    release.argtypes = [ctypes.POINTER(PyBuffer)]
    release.restype = None
    get(exporter, ctypes.byref(buffer), flags)
    try:
        return (
            ctypes.string_at(buffer.buf, buffer.len),
            buffer.itemsize,
            buffer.readonly,
            buffer.ndim,
            buffer.format,
            buffer.shape[0] if buffer.shape else None,
            buffer.strides[0] if buffer.strides else None,
            bool(buffer.suboffsets),
        )
    finally:
        release(ctypes.byref(buffer))


@pytest.mark.parametrize("flags", [SIMPLE, ND, STRIDES, FORMAT | STRIDES, FORMAT | ND, 0x38 | STRIDES, 0x11C])
def test_the_buffer_has_what_was_asked_for(backend, flags: int) -> None:
    view = backend.View(DATA)[2:9]
    assert described(view, flags) == described(memoryview(DATA)[2:9], flags)


@pytest.mark.parametrize("flags", [WRITABLE, WRITABLE | FORMAT, WRITABLE | STRIDES])
def test_a_writable_buffer_is_refused(backend, flags: int) -> None:
    with pytest.raises(BufferError, match=r"^memoryview: underlying buffer is not writable$"):
        described(backend.View(DATA), flags)


def test_taking_buffers_leaks_nothing(backend) -> None:
    view = backend.View(DATA)
    references = sys.getrefcount(view), sys.getrefcount(None), sys.getrefcount(DATA)
    for _ in range(1000):
        memoryview(view)[1:].release()
        view[2:5].tobytes()
        with pytest.raises(BufferError):
            described(view, WRITABLE)
    assert abs(sys.getrefcount(view) - references[0]) <= 2
    assert abs(sys.getrefcount(None) - references[1]) < 500
    assert abs(sys.getrefcount(DATA) - references[2]) <= 2
