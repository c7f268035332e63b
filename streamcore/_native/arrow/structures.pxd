# cython: language_level=3
"""Declares structures.h."""

from cpython.object cimport PyObject
from libc.stdint cimport int64_t

cdef extern from "arrow/structures.h":
    struct ArrowSchema:
        const char *format
        const char *name
        int64_t flags
        int64_t n_children
        ArrowSchema **children
        void (*release)(ArrowSchema *) noexcept

    struct ArrowArray:
        int64_t length
        int64_t null_count
        const void **buffers
        ArrowArray **children
        void (*release)(ArrowArray *) noexcept

    struct ArrowArrayStream:
        int (*get_schema)(ArrowArrayStream *, ArrowSchema *) noexcept
        int (*get_next)(ArrowArrayStream *, ArrowArray *) noexcept
        const char *(*get_last_error)(ArrowArrayStream *) noexcept
        void (*release)(ArrowArrayStream *) noexcept
        void *private_data

    int arrow_fill_type(ArrowSchema *schema, const char *format, const char *name, int64_t n) noexcept
    int arrow_fill_array(ArrowArray *array, int64_t length, int64_t offset, int64_t n_buffers, const void *second,
                         const void *third, PyObject *owner, int64_t n) noexcept
    object arrow_new_type(ArrowSchema **schema)
    object arrow_new_array(ArrowArray **array)
    ArrowSchema *arrow_requested(object capsule) except NULL
    object arrow_new_stream(ArrowArrayStream **stream)
    int arrow_move_type(object capsule, ArrowSchema *out) except -1
    int arrow_move_array(object capsule, ArrowArray *out) except -1
