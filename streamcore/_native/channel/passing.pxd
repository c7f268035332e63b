# cython: language_level=3
"""What goes through a channel; see passing.pyx."""

from streamcore._native.channel.waiting cimport Waiting

cdef int tell(object error, size_t done, list unsent) except -1


cdef class Sending:
    cdef Passing channel
    cdef object rest  # where more items come from, or None
    cdef tuple drawn
    cdef Py_ssize_t position  # of the next to go in, in drawn
    cdef size_t cost  # of that item, or 0 while unknown
    cdef size_t weight  # the same
    cdef size_t done  # items that went in
    cdef bint waits  # for room before it draws an item

    cdef bint advance(self) except -1
    cdef int tell(self, error) except -1


cdef class Passing(Waiting):
    cdef size_t _cost(self, object item) except 0
    cpdef bint _has_room(self) except -1
    cdef size_t _weight(self, object item) except? 1
    cdef int _take_back(self) except -1
    cdef int _offer(self, object item, size_t cost, size_t weight) except -1
    cdef int _offer_span(self, Sending sending) except -1
    cdef list _take_many(self, size_t limit)
    cdef list _take_returned(self, size_t limit)
    cdef int _give_back(self, list items) except -1
    cdef int _let_go(self, object item, list items, list into) except -1
    cdef int _ring_after(self, object item, list items, bint ring_putter, bint more) except -1
