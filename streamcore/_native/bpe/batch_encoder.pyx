# cython: language_level=3, freethreading_compatible=True
"""Many texts on several threads: ``BPECore.encode_many``.

Goal: threads that share nothing while they work. Each takes some texts at a time, encodes them with a context of its
own into memory of its own, without the interpreter's lock, and at the end copies its ids to their place.
"""

import threading

cimport cython
from cpython.buffer cimport PyBUF_SIMPLE, PyBuffer_Release, PyObject_GetBuffer
from cpython.exc cimport PyErr_CheckSignals
from cpython.mem cimport PyMem_RawCalloc, PyMem_RawFree, PyMem_RawMalloc
from libc.stdint cimport int64_t, uint8_t, uint32_t
from libc.string cimport memcpy

from streamcore._native.bpe.special_tokens cimport SpecialTokens, bpe_names
from streamcore._native.bpe.core cimport (
    BPECore, borrow, bpe_context, bpe_output, bpe_output_free, check_memory, take_array,
)

cdef enum:
    CHUNK = 1 << 17     # bytes of text that a thread takes at a time


@cython.final
cdef class BatchEncoder:
    """Texts that several threads encode: each takes some at a time, and copies its ids to their place at the end."""

    cdef BPECore core
    cdef SpecialTokens names
    cdef list owners
    cdef size_t count, next, threads
    cdef const uint8_t **data
    cdef size_t *sizes   # of each text: its bytes,
    cdef size_t *makers  # the thread that encoded it,
    cdef size_t *places  # where among that thread's ids its own begin,
    cdef size_t *counts  # and how many these are
    cdef bpe_output *outputs
    cdef uint32_t *ids
    cdef const int64_t *offsets
    cdef object arrays   # whose memory these two are: threads may outlive a call that is interrupted
    cdef object error
    cdef bint begun

    def __cinit__(self, BPECore core, list texts, threads, allowed_special, disallowed_special, errors):
        cdef size_t i
        self.core, self.owners = core, []
        self.count = len(texts)
        self.threads = max(1, min(threads, len(texts)))
        self.data = <const uint8_t **>PyMem_RawMalloc((self.count + 1) * sizeof(void *))
        self.sizes = <size_t *>PyMem_RawMalloc(4 * (self.count + 1) * sizeof(size_t))
        self.outputs = <bpe_output *>PyMem_RawCalloc(self.threads, sizeof(bpe_output))
        if self.data == NULL or self.sizes == NULL or self.outputs == NULL:
            raise MemoryError
        self.makers = self.sizes + self.count + 1
        self.places = self.makers + self.count + 1
        self.counts = self.places + self.count + 1
        for i in range(self.threads):
            self.outputs[i].own = 1
        for i in range(self.count):
            self.owners.append(borrow(texts[i], errors, &self.data[i], &self.sizes[i]))
            self.names = core.allowed(self.data[i], self.sizes[i], allowed_special, disallowed_special)

    def __dealloc__(self):
        cdef size_t i
        if self.outputs != NULL:
            for i in range(self.threads):
                bpe_output_free(&self.outputs[i])
        PyMem_RawFree(self.data)
        PyMem_RawFree(self.sizes)
        PyMem_RawFree(self.outputs)

    cdef int take(self, size_t *start, size_t *stop) except -1:
        """The next texts for a thread: as many as make up CHUNK bytes; 0 if there are none."""
        cdef size_t size = 0
        with cython.critical_section(self):
            start[0] = self.next
            while self.next < self.count and size < CHUNK:
                size += self.sizes[self.next]
                self.next += 1
            stop[0] = self.next
        return start[0] < stop[0]

    def _work(self, size_t maker):
        """Encode until no text is left."""
        cdef size_t start = 0, stop = 0
        cdef bpe_output *o
        cdef bpe_context *context = NULL
        self._check(maker)
        o = &self.outputs[maker]
        try:
            context = self.core.take_context()
            while self.error is None and self.take(&start, &stop):
                PyErr_CheckSignals()
                self.encode_some(context, o, maker, start, stop)
        except BaseException as error:
            self.error = error
        finally:
            if context != NULL:
                self.core.give_context(context)

    cdef int encode_some(self, bpe_context *context, bpe_output *o, size_t maker, size_t start, size_t stop) except -1:
        cdef size_t i, before
        cdef int error = 0
        cdef BPECore core = self.core
        cdef const bpe_names *found = &self.names.names if self.names is not None else NULL
        if not core.plain:
            for i in range(start, stop):
                before = o.count
                core.encode_data(context, self.names, self.data[i], self.sizes[i], 0, o)
                self.makers[i], self.places[i], self.counts[i] = maker, before, o.count - before
            return 0
        with nogil:
            for i in range(start, stop):
                before = o.count
                error = core.encode_span(context, found, self.data[i], self.sizes[i], o)
                if error:
                    break
                self.makers[i], self.places[i], self.counts[i] = maker, before, o.count - before
        return check_memory(error)

    cdef int _check(self, size_t maker) except -1:
        if not self.begun or maker >= self.threads:
            raise IndexError(f"no thread {maker} of {self.threads} at work")
        return 0

    def _copy(self, size_t maker):
        """Copy what one thread made to where it belongs."""
        cdef size_t i
        self._check(maker)
        if self.ids == NULL:
            return
        with nogil:
            for i in range(self.count):
                if self.makers[i] == maker and self.counts[i]:
                    memcpy(self.ids + self.offsets[i], self.outputs[maker].ids + self.places[i],
                           self.counts[i] * sizeof(uint32_t))

    def _wait_for(self, threads):
        """Wait for those that have begun; one that is about to sees the error first of all."""
        for thread in threads:
            while thread.ident is not None:
                try:
                    thread.join()
                    break
                except RuntimeError:  # interrupted in start(), which has not noted yet that it runs
                    continue

    def _run(self, method):
        others = []
        for i in range(1, self.threads):
            others.append(threading.Thread(target=method, args=(i,)))
        try:
            for thread in others:
                thread.start()
            method(0)
            for thread in others:
                thread.join()
        except BaseException as error:  # such as Ctrl-C
            self.error = error  # the others end after their texts in work
            self._wait_for(others)  # a second Ctrl-C does not
            raise
        if self.error is not None:
            raise self.error

    def encode(self):
        """The ids and offsets; once."""
        cdef int64_t[::1] offsets
        cdef Py_buffer view
        cdef size_t i
        import numpy
        if self.begun:
            raise RuntimeError("a BatchEncoder encodes once")
        self.begun = True
        self._run(self._work)
        ends = numpy.zeros(self.count + 1, numpy.int64)
        offsets = ends
        for i in range(self.count):
            offsets[i + 1] = offsets[i] + <int64_t>self.counts[i]
        if self.threads == 1:
            return take_array(&self.outputs[0]), ends
        ids = numpy.empty(offsets[self.count], numpy.uint32)
        PyObject_GetBuffer(ids, &view, PyBUF_SIMPLE)
        self.ids, self.offsets, self.arrays = <uint32_t *>view.buf, &offsets[0], (ids, ends)
        PyBuffer_Release(&view)
        self._run(self._copy)
        return ids, ends
