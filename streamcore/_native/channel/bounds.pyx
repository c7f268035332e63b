# cython: language_level=3, freethreading_compatible=True
"""What an item of a channel weighs, and the bound that a pipeline's channels share (twin: ``_pure.channel.bounds``)."""

cimport cython
from cpython.bytearray cimport PyByteArray_Check, PyByteArray_GET_SIZE
from cpython.bytes cimport PyBytes_Check, PyBytes_GET_SIZE
from cpython.dict cimport PyDict_Check
from cpython.float cimport PyFloat_Check
from cpython.list cimport PyList_AsTuple, PyList_Check
from cpython.long cimport PyLong_Check
from cpython.tuple cimport PyTuple_Check, PyTuple_GET_ITEM, PyTuple_GET_SIZE
from cpython.unicode cimport PyUnicode_Check, PyUnicode_GET_LENGTH

from streamcore._native.channel.handoff cimport SIDE_LOCK, SIDE_UNLOCK

from sys import maxsize

cdef Py_ssize_t OTHER = 64  # bytes: see the twin


cdef size_t max_weight_of(object buffer_bytes) except 0:
    """The bound in bytes that a caller asked for; None for none."""
    if buffer_bytes is None:
        return <size_t>-1
    if isinstance(buffer_bytes, bool) or not isinstance(buffer_bytes, int):
        raise TypeError(f"buffer_bytes must be an int or None, got {type(buffer_bytes).__name__}")
    if buffer_bytes < 1:
        raise ValueError(f"buffer_bytes must be positive, got {buffer_bytes}")
    return min(buffer_bytes, maxsize)


cdef Py_ssize_t plain_weight(object item) noexcept:
    """``weight_of`` where that takes no code but the interpreter's own; -1 otherwise."""
    if PyBytes_Check(item):
        return PyBytes_GET_SIZE(item)
    if PyUnicode_Check(item):
        return PyUnicode_GET_LENGTH(item)
    if PyByteArray_Check(item):
        return PyByteArray_GET_SIZE(item)
    if item is None or PyLong_Check(item) or PyFloat_Check(item) or PyDict_Check(item):
        return OTHER
    return -1


cdef Py_ssize_t flat_weight(object item) except -1:
    cdef Py_ssize_t weight = plain_weight(item)
    if weight >= 0:
        return weight
    size = None
    if hasattr(type(item), "nbytes"):
        try:
            size = item.nbytes
        except ValueError:  # a memoryview that was released
            return OTHER
    if not isinstance(size, int) or size < 0:
        return OTHER
    return min(size, maxsize)


cdef Py_ssize_t weight_of(object item) except -1:
    """How many bytes ``item`` counts for; may run the code of ``nbytes``."""
    cdef Py_ssize_t weight, total = 0, i
    cdef tuple each
    if PyList_Check(item):
        each = PyList_AsTuple(item)
    elif PyTuple_Check(item):
        each = item
    else:
        return flat_weight(item)
    for i in range(PyTuple_GET_SIZE(each)):
        weight = flat_weight(<object>PyTuple_GET_ITEM(each, i))
        total = total + weight if weight <= <Py_ssize_t>maxsize - total else <Py_ssize_t>maxsize
    return total


@cython.final
cdef class Budget:
    """How much the channels of one pipeline hold together, and who waits until that is less.

    Only the producer at its head is held back, so that what has been drawn can always flow on. It is rung when half
    of what may be held is gone: one wake-up for many items.
    """

    def __cinit__(self, most_items, most_bytes):
        self.most_items = most_items
        self.most_bytes = max_weight_of(most_bytes)

    cdef void add(self, size_t items, size_t bytes) noexcept:
        SIDE_LOCK(&self.lock)
        self.items += items
        self.bytes += bytes
        SIDE_UNLOCK(&self.lock)

    cdef bint give(self, size_t items, size_t bytes) noexcept:
        """Take off what nobody holds any more; True if the producer must be rung."""
        cdef bint rings
        SIDE_LOCK(&self.lock)
        self.items -= items
        self.bytes -= bytes
        rings = self.armed and self.items <= self.most_items // 2 and self.bytes <= self.most_bytes // 2
        if rings:
            self.armed = False
        SIDE_UNLOCK(&self.lock)
        return rings

    cdef bint is_spent(self, size_t expected, bint arms) noexcept:
        """Whether nothing more may be drawn, if the next item weighs ``expected``."""
        cdef bint spent
        SIDE_LOCK(&self.lock)
        spent = self.items >= self.most_items or (
            self.bytes != 0 and self.bytes + min(expected, self.most_bytes) > self.most_bytes
        )
        if arms:
            self.armed = spent
        SIDE_UNLOCK(&self.lock)
        return spent
