# cython: language_level=3
"""``Event``, made by the engine; see event.pyx."""

cimport cython


@cython.final
cdef class Event:
    cdef str name  # None: "message"
    cdef object held  # the data: str, or bytes until it is asked for; None: ""
    cdef str last_id  # None: ""
    cdef object milliseconds  # int or None
    cdef bint made
