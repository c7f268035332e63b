# cython: language_level=3
"""Throwing an exception into what is awaited; see ``throwing.pyx``."""


cdef object throw_into(awaited, tuple error)
cdef int raise_thrown(tuple error, bint* thrown) except -1
