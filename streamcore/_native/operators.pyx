# cython: language_level=3, freethreading_compatible=True
"""The per-item operators of ``streamcore.ops`` as C iterators (twin: ``_pure.operators``).

Each owns its source: however it ends, the source's ``close()`` is called once, if it has one.
"""

cimport cython
from cpython.exc cimport PyErr_CheckSignals
from cpython.object cimport PyObject, PyTypeObject
from cpython.ref cimport Py_DECREF

ctypedef PyObject* (*iternext)(object) except? NULL

cdef extern from *:
    """
    #define streamcore_iternext(type) ((type)->tp_iternext)
    """
    iternext streamcore_iternext(PyTypeObject* type) nogil

cdef extern from "Python.h":
    object PyObject_CallOneArg(object fn, object item)


cdef class Operator:
    """What the operators share: a source that is pulled by its C slot and closed once."""

    cdef object source  # None once ended
    cdef iternext next_item
    cdef bint running
    cdef object __weakref__

    def __iter__(self):
        return self

    def __next__(self):
        cdef bint ended = False
        source = self.source
        if source is None:
            raise StopIteration
        if self.running:
            raise ValueError("stream already executing")
        self.running = True
        try:
            item = self.step(source, &ended)
        except BaseException as error:
            self.running = False
            self.end(error)
            raise
        self.running = False
        if ended:
            self.end(None)
            raise StopIteration
        return item

    def close(self):
        """Close the source; a second call does nothing."""
        if self.running:
            raise ValueError("stream already executing")
        self.end(None)

    def __del__(self):
        self.end(None)

    cdef int own(self, source) except -1:
        self.next_item = streamcore_iternext((<PyObject*>source).ob_type)
        if self.next_item == NULL:
            raise TypeError(f"'{type(source).__name__}' object is not an iterator")
        self.source = source
        return 0

    cdef object step(self, source, bint* ended):
        """The next item to give; sets ``ended`` instead where there is none."""
        return self.pull(source, ended)

    cdef object pull(self, source, bint* ended):
        """The next item of ``source``; sets ``ended`` instead where there is none."""
        cdef PyObject* item = self.next_item(source)
        if item == NULL:
            ended[0] = True
            return None
        result = <object>item
        Py_DECREF(result)
        return result

    cdef int end(self, error) except -1:
        source = self.source
        if source is None:
            return 0
        self.source = None
        close = getattr(source, "close", None)
        if close is None:
            return 0
        try:
            close()
        except BaseException as failure:
            if error is None:
                raise
            error.add_note(f"and closing {type(source).__name__} failed: {failure!r}")
        return 0


@cython.final
cdef class map_iterator(Operator):
    """``fn`` of each item; an error gets a note with ``name`` and the item's number, counted from 0."""

    cdef object fn
    cdef object name
    cdef Py_ssize_t at

    def __cinit__(self, source, fn, name):
        self.fn = fn
        self.name = name
        self.own(source)

    cdef object step(self, source, bint* ended):
        item = self.pull(source, ended)
        if ended[0]:
            return None
        result = call(self.fn, item, self.name, self.at)
        self.at += 1
        return result


@cython.final
cdef class filter_iterator(Operator):
    """The items for which ``keep`` is true; an error gets a note with ``name`` and the item's number."""

    cdef object keep
    cdef object name
    cdef Py_ssize_t at

    def __cinit__(self, source, keep, name):
        self.keep = keep
        self.name = name
        self.own(source)

    cdef object step(self, source, bint* ended):
        while True:
            item = self.pull(source, ended)
            if ended[0]:
                return None
            kept = call(self.keep, item, self.name, self.at)
            self.at += 1
            if kept:
                return item
            if not self.at & 0xFFF:
                PyErr_CheckSignals()  # nothing else would, where source and function are C


@cython.final
cdef class take_iterator(Operator):
    """The first ``count`` items; the source is not pulled for one more, but closed."""

    cdef Py_ssize_t left

    def __cinit__(self, source, Py_ssize_t count):
        self.left = count
        self.own(source)

    cdef object step(self, source, bint* ended):
        if self.left <= 0:
            ended[0] = True
            return None
        item = self.pull(source, ended)
        self.left -= 1
        return item


cdef object call(fn, item, name, Py_ssize_t at):
    try:
        return PyObject_CallOneArg(fn, item)
    except StopIteration as stop:
        # it would end the stream in silence; generators turn it into the same error
        error = RuntimeError("generator raised StopIteration")
        note(error, name, at)
        raise error from stop
    except BaseException as error:
        note(error, name, at)
        raise


def note(error, name, at):
    """Name the operator and the item on ``error``, unless a stage before it has done so."""
    if isinstance(error, Exception) and not any([n.startswith("in ") for n in getattr(error, "__notes__", ())]):
        error.add_note(f"in {name}, at item {at}")
