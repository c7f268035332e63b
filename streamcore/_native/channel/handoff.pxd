# cython: language_level=3
"""The hand-off of ``handoff.h``, and the lock of a channel's side, for Cython."""

from cpython.object cimport PyTypeObject


cdef extern from "channel/object.h":
    ctypedef struct side_lock:
        pass
    void SIDE_LOCK(side_lock *lock) noexcept nogil
    void SIDE_UNLOCK(side_lock *lock) noexcept nogil
    ctypedef size_t handoff_word
    ctypedef struct handoff:
        size_t capacity
        size_t max_weight
        size_t last_weight
        size_t weighed
        size_t dropped
        handoff_word getter_armed
        handoff_word putter_armed
        void *head_block
        size_t pushed
        size_t popped
    enum: HANDOFF_BLOCK
    int handoff_init(handoff *h, size_t capacity, size_t max_weight) noexcept nogil
    void handoff_destroy(handoff *h) noexcept nogil
    size_t handoff_room(handoff *h, size_t wanted) noexcept nogil
    bint handoff_fits(handoff *h, size_t cost, size_t weight) noexcept nogil
    int handoff_push(handoff *h, void *item, size_t cost, size_t weight) noexcept nogil
    int handoff_publish(handoff *h) noexcept nogil
    size_t handoff_available(handoff *h, size_t wanted) noexcept nogil
    void *handoff_pop(handoff *h) noexcept nogil
    int handoff_release(handoff *h) noexcept nogil
    int handoff_arm_getter(handoff *h) noexcept nogil
    int handoff_arm_putter(handoff *h, size_t cost, size_t weight) noexcept nogil
    int handoff_close(handoff *h) noexcept nogil
    int handoff_is_closed(handoff *h) noexcept nogil
    size_t handoff_length(handoff *h) noexcept nogil
    void HANDOFF_STORE_SEQ(handoff_word *word, size_t value) noexcept nogil
    void channel_collect_items(PyTypeObject *kind, Py_ssize_t offset) noexcept
