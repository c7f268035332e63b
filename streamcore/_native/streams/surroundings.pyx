# cython: language_level=3, freethreading_compatible=True
"""The config around the code of a stage, which a Runnable that is called in it inherits.

Twin: ``_pure.streams.surroundings``.
"""

from cpython.object cimport PyObject
from cpython.ref cimport Py_DECREF

from streamcore._shared.surroundings import SURROUNDING

cdef extern from "Python.h":
    int PyContextVar_Get(object variable, PyObject* default, PyObject** value) except -1
cdef extern from "streams/surroundings.h":
    streamcore_around streamcore_innermost


cdef int set_around(object config, streamcore_around* before) except -1:
    """For a pull that is about to begin in this thread; ``config`` and the context must outlive it."""
    cdef PyObject* variable = NULL
    PyContextVar_Get(SURROUNDING, NULL, &variable)
    Py_DECREF(<object>variable)  # the context keeps it
    before[0] = streamcore_innermost
    streamcore_innermost.config = <PyObject*>config
    streamcore_innermost.variable = variable
    return 0


cdef int put_back(streamcore_around* before) noexcept:
    """After the pull."""
    global streamcore_innermost
    streamcore_innermost = before[0]
    return 0


def surrounding():
    """The config around the code that runs here, or None."""
    cdef PyObject* variable = NULL
    PyContextVar_Get(SURROUNDING, NULL, &variable)
    value = <object>variable
    Py_DECREF(value)
    if streamcore_innermost.config != NULL and streamcore_innermost.variable == variable:
        value = <object>streamcore_innermost.config
    return value or None
