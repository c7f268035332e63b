# cython: language_level=3, freethreading_compatible=True
"""Items of a batch with a separator after each (twin: ``_pure.engine.joining``)."""

from cpython.bytes cimport PyBytes_AS_STRING, PyBytes_FromStringAndSize, PyBytes_GET_SIZE
from libc.stddef cimport size_t
from libc.stdint cimport int64_t
from libc.string cimport memcpy

# Copies of a few bytes dominate (words), and memcpy of a variable size is a call of 5 to 10 ns: blocks of 16 bytes
# are copied past the end of a short item, where both sides have the room, and overwritten by what follows.
cdef enum:
    BLOCK = 16


cdef size_t join(const char *data, size_t size, const int64_t *ends, size_t count, const char *separator,
                 size_t gap, char *out) noexcept nogil:
    """Write the items and separators; returns how many bytes, all in ``out``'s size + count * gap."""
    cdef size_t i, at = 0, start = 0, length, whole = size + count * gap
    for i in range(count):
        length = <size_t>ends[i] - start
        if length <= BLOCK and start + BLOCK <= size and at + BLOCK <= whole:
            memcpy(out + at, data + start, BLOCK)
        else:
            memcpy(out + at, data + start, length)
        at += length
        if gap == 1:
            out[at] = separator[0]
        else:
            memcpy(out + at, separator, gap)
        at += gap
        start += length
    return at


def joined(bytes data not None, bytes offsets not None, bytes separator not None):
    """The items of a ``Batch``, each followed by ``separator``, in one piece of bytes.

    ``offsets`` are n + 1 int64 values in the machine's byte order, as a ``Batch`` holds them: from 0 to the size of
    ``data``, none smaller than the one before; ValueError if not.
    """
    cdef const int64_t *places = <const int64_t *>PyBytes_AS_STRING(offsets)
    cdef Py_ssize_t count = PyBytes_GET_SIZE(offsets) // <Py_ssize_t>sizeof(int64_t) - 1
    cdef Py_ssize_t i, size = PyBytes_GET_SIZE(data), gap = PyBytes_GET_SIZE(separator)
    cdef bint rising = True
    if PyBytes_GET_SIZE(offsets) % <Py_ssize_t>sizeof(int64_t):
        raise TypeError("memoryview: length is not a multiple of itemsize")
    for i in range(count):
        rising &= places[i] <= places[i + 1]
    if count < 0 or places[0] != 0 or places[count] != size or not rising:
        raise ValueError(f"offsets must rise from 0 to the size of the data, {size}")
    out = PyBytes_FromStringAndSize(NULL, size + count * gap)
    cdef const char *source = PyBytes_AS_STRING(data)
    cdef const char *between = PyBytes_AS_STRING(separator)
    cdef char *target = PyBytes_AS_STRING(out)
    with nogil:
        join(source, <size_t>size, places + 1, <size_t>count, between, <size_t>gap, target)
    return out
