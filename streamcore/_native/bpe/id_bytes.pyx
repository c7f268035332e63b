# cython: language_level=3, freethreading_compatible=True
"""Ids to the bytes of their tokens: the fast way, for a vocabulary that has a table by id.

Plan: each id is read once, checked, and its bytes copied where there is room (ids.h); so a thread that writes to an
array meanwhile can change the text, and nothing else. Only memory of a type whose ``tolist()`` shows the same is read:
a masked array has a buffer too. What else there is, ``_pure.bpe.token_ids`` turns into a list of ints first.
"""

from array import array as Array
import sys

from cpython.buffer cimport PyBUF_FORMAT, PyBUF_STRIDES, PyBuffer_Release, PyObject_GetBuffer
from cpython.long cimport PyLong_AsLongLongAndOverflow, PyLong_CheckExact
from cpython.mem cimport PyMem_RawFree, PyMem_RawMalloc, PyMem_RawRealloc
from libc.stddef cimport size_t
from libc.stdint cimport uint8_t, uint32_t
from libc.string cimport memcpy

from streamcore._native.bpe.core cimport BPE_SLACK, bpe_decoder

cdef extern from "bpe/ids.h" nogil:
    enum: BPE_IDS_DONE
    enum: BPE_IDS_FULL

    ctypedef struct bpe_ids:
        const char *data
        Py_ssize_t stride
        size_t n
        int size

    int bpe_copy_ids(const bpe_decoder *d, const bpe_ids *ids, size_t *pos, uint8_t *out, size_t room, size_t *made)
    int bpe_ids_size(const char *format, Py_ssize_t itemsize)

cdef enum:
    BLOCK = 512   # ids of a list that are turned into C integers at a time

cdef object _view = memoryview
cdef object _array = Array
cdef object _ndarray = None, _memmap = None


cdef void begin_output(Output *out, uint8_t *small) noexcept:
    out.data, out.made, out.room, out.own = small, 0, SMALL, False


cdef void free_output(Output *out) noexcept:
    if out.own:
        PyMem_RawFree(out.data)


cdef int reserve_output(Output *out, size_t more) except -1:
    """Room for ``more`` bytes."""
    cdef size_t room = 2 * out.room + more
    cdef void *grown
    if out.room - out.made >= more:
        return 0
    if out.own:
        grown = PyMem_RawRealloc(out.data, room)
    else:
        grown = PyMem_RawMalloc(room)
        if grown != NULL:
            memcpy(grown, out.data, out.made)
    if grown == NULL:
        raise MemoryError
    out.data, out.room, out.own = <uint8_t *>grown, room, True
    return 0


cdef bint copy_tokens(const bpe_decoder *tokens, object ids, size_t *known, Output *out) except -1:
    """Append the bytes of an int, of a list or tuple of exact ints, or of a row of integers in memory; False if it is
    none of these, or if not all ids are known. No code of the caller's runs in here."""
    if type(ids) is list or type(ids) is tuple:
        return copy_numbers(tokens, ids, known, out)
    if type(ids) is int:
        return copy_numbers(tokens, (ids,), known, out)
    return is_plain_array(ids) and copy_array(tokens, ids, known, out)


cdef bint is_plain_array(object ids) except -1:
    """Whether the memory of ``ids`` is what its ``tolist()`` shows."""
    global _ndarray, _memmap
    cdef object kind = type(ids)
    if kind is _ndarray or kind is _view or kind is _array:
        return True
    if _ndarray is None:
        numpy = sys.modules.get("numpy")  # who has an array of numpy's has imported it
        _ndarray, _memmap = getattr(numpy, "ndarray", None), getattr(numpy, "memmap", None)
        return kind is _ndarray or kind is _memmap
    return kind is _memmap


cdef bint copy_array(const bpe_decoder *tokens, object array, size_t *known, Output *out) except -1:
    cdef Py_buffer view
    cdef bpe_ids ids
    try:
        PyObject_GetBuffer(array, &view, PyBUF_FORMAT | PyBUF_STRIDES)
    except (BufferError, TypeError, ValueError):  # released, or no such format: the twin's way says what is wrong
        return False
    try:
        ids.size = bpe_ids_size(view.format, view.itemsize)
        if view.ndim > 1 or not ids.size:
            return False
        ids.data = <const char *>view.buf
        ids.n = view.shape[0] if view.ndim else 1
        ids.stride = view.strides[0] if view.ndim else 0
        reserve_output(out, 4 * ids.n + BPE_SLACK)
        return copy_row(tokens, &ids, known, out)
    finally:
        PyBuffer_Release(&view)


cdef bint copy_row(const bpe_decoder *tokens, const bpe_ids *ids, size_t *known, Output *out) except -1:
    """The bytes of ids; False at one that is unknown."""
    cdef size_t pos = 0
    cdef int state = BPE_IDS_FULL
    while state == BPE_IDS_FULL:
        state = bpe_copy_ids(tokens, ids, &pos, out.data, out.room, &out.made)
        if state == BPE_IDS_FULL:
            reserve_output(out, out.room - out.made + SMALL)
    known[0] += pos
    return state == BPE_IDS_DONE


cdef bint copy_numbers(const bpe_decoder *tokens, object numbers, size_t *known, Output *out) except -1:
    cdef uint32_t block[BLOCK]
    cdef bpe_ids ids
    cdef Py_ssize_t n = len(numbers), i
    cdef long long value
    cdef int overflow = 0
    ids.data, ids.stride, ids.n, ids.size = <const char *>block, sizeof(uint32_t), 0, sizeof(uint32_t)
    for i in range(n):
        number = (<list>numbers)[i] if type(numbers) is list else (<tuple>numbers)[i]
        if not PyLong_CheckExact(number):
            return False
        value = PyLong_AsLongLongAndOverflow(number, &overflow)
        if value < 0 or value >= tokens.size:  # -1 also after an overflow
            return False
        block[ids.n] = <uint32_t>value
        ids.n += 1
        if ids.n == BLOCK or i == n - 1:
            if not copy_row(tokens, &ids, known, out):
                return False
            ids.n = 0
    return True
