# cython: language_level=3, freethreading_compatible=True
"""What ``async_closing_iterator`` gives with ``beside``. In the twin, ``_pure.streams.async_closing``, a loop."""

cimport cython
from cpython.list cimport PyList_AsTuple, PyList_GET_SIZE
from cpython.object cimport PyObject
from cpython.ref cimport Py_INCREF

from streamcore._native.streams.awaiting cimport taken


@cython.final
cdef class Row:
    """The tuple that the pull under way fills."""

    def __cinit__(self, list parts):
        self.parts = parts

    cdef bint completes(self, PyObject** result) except -1:
        """Add an item to the tuple; whether it is whole, and now the result."""
        cdef Py_ssize_t size = 1 + PyList_GET_SIZE(self.parts)
        item = taken(result[0])
        result[0] = NULL
        if self.filled == 0:
            self.got = item if size == 2 else [item]
        elif size > 2:
            (<list>self.got).append(item)
        self.filled += 1
        if self.filled < size:
            return False
        row = (self.got, item) if size == 2 else PyList_AsTuple(<list>self.got)
        self.got = None
        self.filled = 0
        Py_INCREF(row)
        result[0] = <PyObject*>row
        return True

    cdef int forget(self) except -1:
        """The pull is over."""
        self.filled = 0
        self.got = None
        return 0
