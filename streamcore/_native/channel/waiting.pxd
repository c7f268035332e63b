# cython: language_level=3
"""Who waits on a channel; see waiting.pyx."""

from cpython.pythread cimport PyThread_type_lock

from streamcore._native.channel.bounds cimport Budget
from streamcore._native.channel.handoff cimport handoff, handoff_word, side_lock

# Whom an offer must ring; see Passing.
cdef enum:
    FULL = 0
    INSIDE = 1
    RING_GETTER = 2
    RING_PUTTER = 4

cdef double NEVER  # a deadline that never comes
cdef unsigned long forks  # of this process since the start

cdef double deadline_of(object timeout) except -1.0
cdef size_t limit_of(object limit) except 0
cdef list list_or_none(object into)
cdef bint is_over(double deadline) except -1


cdef class Waiter:
    cdef PyThread_type_lock bell  # held while nobody has rung; NULL for a coroutine
    cdef object loop
    cdef object future
    cdef Waiter before
    cdef Waiter after
    cdef bint listed


cdef class WaitQueue:
    cdef side_lock lock
    cdef handoff_word *armed  # up while there are waiters
    cdef Waiter first
    cdef Waiter last
    cdef Waiter answering  # the last coroutine that was rung, until it runs
    cdef Waiter idle  # a thread's waiter to use again

    cdef void insert(self, Waiter waiter, bint in_front)
    cdef void remove(self, Waiter waiter)


cdef class Waiting:
    cdef handoff h
    cdef object size
    cdef bint weighs  # whether there is a bound in bytes
    cdef Budget budget  # shared with the other channels of a pipeline, or None
    cdef bint gated  # the producer here waits while the budget is spent
    cdef size_t lent_items  # what the last get took, which counts in the budget until the next one
    cdef size_t lent_bytes
    cdef WaitQueue getters
    cdef WaitQueue putters
    cdef object error  # what both sides get at the end, or None
    cdef object trace  # its traceback when the channel was closed
    cdef list returned  # items that a get had taken when a signal handler raised; the next to be taken
    cdef unsigned long forks
    cdef object __weakref__

    cdef object _end(self, str message)
    cdef int _refuse_after_fork(self) except -1
    cdef int _ring_for(self, int state) except -1
    cdef bint _ring(self, WaitQueue queue) except -1
    cdef int _ring_loop(self, Waiter waiter) except -1
    cdef int _close_for(self, object cause) except -1
    cdef bint _enlist(self, Waiter waiter, WaitQueue queue, size_t cost, size_t weight, bint again) noexcept
    cdef void _leave(self, Waiter waiter, WaitQueue queue) noexcept
    cdef double _pause(self, WaitQueue queue, double deadline, object loop) except -1.0
    cdef int _park(self, WaitQueue queue, size_t cost, size_t weight, double deadline, bint again) except -1
