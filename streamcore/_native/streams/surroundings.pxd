# cython: language_level=3
"""The config around the code of a stage; see ``surroundings.pyx``."""

from cpython.object cimport PyObject

cdef extern from "streams/surroundings.h":
    ctypedef struct streamcore_around:
        PyObject* config
        PyObject* variable
    void streamcore_leave(object variable, PyObject* token) noexcept


cdef int set_around(object config, streamcore_around* before) except -1
cdef int put_back(streamcore_around* before) noexcept
