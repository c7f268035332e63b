# cython: language_level=3, freethreading_compatible=True
"""Chunks of a batch that still lie in their text, as offsets; the engine in splitter.pyx fills them in."""

cimport cython
from cpython.bytes cimport PyBytes_AS_STRING, PyBytes_FromStringAndSize
from cpython.mem cimport PyMem_RawFree
from cpython.unicode cimport PyUnicode_Substring
from libc.stdint cimport int64_t

from streamcore._native.cpython cimport PyUnicode_IS_ASCII
from streamcore._native.text.text_chunk cimport new_chunk


@cython.final
cdef class ChunkSpans:
    """See ``streamcore.chunk_batch.ChunkSpans``."""

    def __dealloc__(self):
        PyMem_RawFree(self.spans)

    cdef object make_text(self, Py_ssize_t index):
        return PyUnicode_Substring(self.text, self.spans[2 * index] - self.base, self.spans[2 * index + 1] - self.base)

    cdef object make(self, Py_ssize_t index):
        return new_chunk(self.make_text(index), self.spans[2 * index] + self.shift,
                         self.spans[2 * index + 1] + self.shift)

    def __len__(self):
        return self.count

    def item(self, Py_ssize_t index):
        """Item number ``index``, which must be in range."""
        if not 0 <= index < self.count:
            raise IndexError(index)
        return self.make(index)

    def items(self):
        """List of all items."""
        cdef Py_ssize_t i
        items = []
        for i in range(self.count):
            items.append(self.make(i))
        return items

    def data(self):
        """The texts, one after another, in UTF-8."""
        cdef Py_ssize_t i
        texts = []
        for i in range(self.count):
            texts.append(self.make_text(i))
        return "".join(texts).encode()

    def offsets(self):
        """n + 1 int64 values: where in ``data()`` each text starts, and its size."""
        result = PyBytes_FromStringAndSize(NULL, (self.count + 1) * <Py_ssize_t> sizeof(int64_t))
        cdef int64_t *out = <int64_t *> PyBytes_AS_STRING(result)
        cdef Py_ssize_t i
        cdef bint ascii = self.text is None or PyUnicode_IS_ASCII(self.text)
        out[0] = 0
        for i in range(self.count):
            if ascii:
                out[i + 1] = out[i] + self.spans[2 * i + 1] - self.spans[2 * i]
            else:
                out[i + 1] = out[i] + <int64_t> len(self.make_text(i).encode())
        return result

    def starts(self):
        """Where each chunk begins in the source: int64."""
        return self.places(0)

    def stops(self):
        """Where each chunk ends: int64."""
        return self.places(1)

    cdef object places(self, Py_ssize_t which):
        result = PyBytes_FromStringAndSize(NULL, self.count * <Py_ssize_t> sizeof(int64_t))
        cdef int64_t *out = <int64_t *> PyBytes_AS_STRING(result)
        cdef Py_ssize_t i
        for i in range(self.count):
            out[i] = self.spans[2 * i + which] + self.shift
        return result
