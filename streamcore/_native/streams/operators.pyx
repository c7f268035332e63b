# cython: language_level=3, freethreading_compatible=True
"""The per-item operators of ``streamcore.ops`` as C iterators (twin: ``_pure.streams.operators``).

Each owns its source: however it ends, the source's ``close()`` is called once, if it has one.
"""

cimport cython
from cpython.exc cimport PyErr_CheckSignals

from streamcore._native.streams.closing cimport Stream, pulled

from streamcore._shared.notes import raise_noted

cdef extern from "Python.h":
    object PyObject_CallOneArg(object fn, object item)


@cython.final
cdef class map_iterator(Stream):
    """``fn`` of each item; an error gets a note with ``name`` and the item's number, counted from 0."""

    cdef object fn
    cdef object name
    cdef Py_ssize_t at

    def __cinit__(self, source, fn, name):
        self.fn = fn
        self.name = name
        self.over(source)

    cdef object step(self, source, bint* ended):
        item = pulled(self, source, ended)
        if ended[0]:
            return None
        result = call(self.fn, item, self.name, self.at)
        self.at += 1
        return result


@cython.final
cdef class filter_iterator(Stream):
    """The items for which ``keep`` is true; an error gets a note with ``name`` and the item's number."""

    cdef object keep
    cdef object name
    cdef Py_ssize_t at

    def __cinit__(self, source, keep, name):
        self.keep = keep
        self.name = name
        self.over(source)

    cdef object step(self, source, bint* ended):
        while True:
            item = pulled(self, source, ended)
            if ended[0]:
                return None
            kept = holds(self.keep, item, self.name, self.at)
            self.at += 1
            if kept:
                return item
            if not self.at & 0xFFF:
                PyErr_CheckSignals()  # nothing else would, where source and function are C


@cython.final
cdef class take_iterator(Stream):
    """The first ``count`` items; the source is not pulled for one more, but closed."""

    cdef Py_ssize_t left

    def __cinit__(self, source, Py_ssize_t count):
        self.left = count
        self.over(source)

    cdef object step(self, source, bint* ended):
        if self.left <= 0:
            ended[0] = True
            return None
        item = pulled(self, source, ended)
        self.left -= 1
        return item


cdef object call(fn, item, name, Py_ssize_t at):
    try:
        return PyObject_CallOneArg(fn, item)
    except BaseException as error:
        raise_noted(error, name, at)


cdef bint holds(keep, item, name, Py_ssize_t at) except -1:
    try:
        return PyObject_CallOneArg(keep, item)
    except BaseException as error:
        raise_noted(error, name, at)
