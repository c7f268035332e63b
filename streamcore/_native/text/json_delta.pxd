# cython: language_level=3
"""What comes of a JSON document that grows."""

from cpython.object cimport PyObject


cdef class JSONDelta:
    cdef readonly tuple path
    cdef readonly object value
    cdef readonly bint done


cdef PyObject *delta(tuple path, object value, bint done) except NULL
