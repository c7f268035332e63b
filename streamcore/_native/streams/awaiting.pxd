# cython: language_level=3
"""Awaiting in C; see ``awaiting.h``."""

from cpython.object cimport PyObject
from cpython.ref cimport Py_DECREF

cdef extern from "streams/awaiting.h":
    ctypedef enum PySendResult:
        PYGEN_RETURN
        PYGEN_ERROR
        PYGEN_NEXT
    ctypedef PySendResult (*sendfunc)(object, object, PyObject**) except PYGEN_ERROR
    ctypedef PyObject* (*iternextfunc)(object) except? NULL
    void streamcore_set_steps(object kind, sendfunc send, iternextfunc iternext)
    bint streamcore_is_async_iterator(object iterator)
    PyObject* streamcore_pull(object iterator) noexcept
    PyObject* streamcore_next(object iterator) noexcept
    void streamcore_ended() noexcept
    PySendResult PyIter_Send(object iterator, object value, PyObject** result) noexcept
    PyObject* streamcore_stop(PyObject* value) noexcept
    int streamcore_raised() except -1
    PyObject* streamcore_hook() noexcept


cdef inline object taken(PyObject* result):
    """The object of a reference that is ours."""
    value = <object>result
    Py_DECREF(value)
    return value
