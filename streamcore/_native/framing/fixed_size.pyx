# cython: language_level=3, freethreading_compatible=True
"""Blocks of a fixed size (twin: ``_pure.framing.fixed_size``)."""

from cpython.object cimport PyObject

from streamcore._native.engine.span_engine cimport Engine

from streamcore._shared import options


cdef class FixedSizeEngine(Engine):
    """FixedSizeEngine(size, *, on_incomplete='emit', as_='view', borrow=False)\n--\n\n\
    Cuts items of ``size`` bytes; the last one may be shorter.

    ``as_`` is ``"view"``, ``bytes`` or ``str`` (each item decoded as UTF-8 by itself).
    """

    cdef Py_ssize_t size

    def __cinit__(self, size, *, on_incomplete="emit", as_="view", borrow=False):
        self.size = options.size_option("size", size)
        self.configure("FixedSize", as_, borrow, None, "raise", on_incomplete)

    cdef PyObject *take(self) except? NULL:
        cdef Py_ssize_t start = self.progress.start
        cdef PyObject *item
        if self.ended:
            return self.incomplete()
        if self.length - start < self.size:
            return NULL
        item = self.cut(start, start + self.size)
        if item != NULL:
            self.progress.start = start + self.size
        return item

    cdef int settle(self) except -1:
        return self.keep(self.progress.start)
