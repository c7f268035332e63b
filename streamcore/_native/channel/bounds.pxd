# cython: language_level=3
"""What bounds a channel beside its capacity; see bounds.pyx."""

from streamcore._native.channel.handoff cimport side_lock

cdef size_t max_weight_of(object buffer_bytes) except 0
cdef Py_ssize_t plain_weight(object item) noexcept
cdef Py_ssize_t weight_of(object item) except -1


cdef class Budget:
    cdef side_lock lock
    cdef size_t most_items
    cdef size_t most_bytes
    cdef size_t items  # in the channels, and in the hands of those who took them last
    cdef size_t bytes  # the same
    cdef bint armed  # the producer that draws for all waits
    cdef object source  # a weak reference to its channel, once that has joined: that one holds the budget

    cdef void add(self, size_t items, size_t bytes) noexcept
    cdef bint give(self, size_t items, size_t bytes) noexcept
    cdef bint is_spent(self, size_t expected, bint arms) noexcept
