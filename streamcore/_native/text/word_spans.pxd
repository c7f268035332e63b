# cython: language_level=3
"""Words of a batch that still lie in their fragment; see word_spans.pyx."""

cimport cython
from cpython.object cimport PyObject
from libc.stdint cimport int64_t
from libc.string cimport memcpy

from streamcore._native.cpython cimport new_character, new_text, text_data


cdef inline PyObject *ascii_text(const unsigned char *p, Py_ssize_t size) except NULL:
    cdef PyObject *text
    if size == 1:  # these exist already
        return new_character(p[0])
    text = new_text(size, 0x7F)
    memcpy(text_data(text), p, size)
    return text


@cython.final
cdef class WordSpans:
    cdef object owner  # keeps ptr alive
    cdef const unsigned char *ptr
    cdef int kind  # AS_BYTES ...
    cdef bint ascii  # ptr is text of ASCII alone
    cdef object head  # the first item when it began in an earlier fragment, else None
    cdef Py_ssize_t head_size, first  # first: where the items after the head start at ptr
    cdef Py_ssize_t count, size  # items, and units of all items
    cdef int64_t *ends  # of the items in data()
    cdef int64_t *starts  # of the items at ptr, but not of the head; NULL when the items adjoin

    cdef int reserve(self, Py_ssize_t capacity, bint apart) except -1
    cdef int shrink(self) noexcept
    cdef int encode(self, int width, Py_ssize_t stop) except -1
    cdef Py_ssize_t start_of(self, Py_ssize_t index) noexcept
    cdef object make(self, Py_ssize_t index)
