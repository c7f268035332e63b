# cython: language_level=3, freethreading_compatible=True
"""Words of a batch that still lie in their fragment, as offsets; the engine in words.pyx fills them in."""

cimport cython
from cpython.bytes cimport PyBytes_AS_STRING, PyBytes_FromStringAndSize, PyBytes_GET_SIZE
from cpython.mem cimport PyMem_RawFree, PyMem_RawMalloc, PyMem_RawRealloc
from cpython.unicode cimport PyUnicode_AsUTF8String, PyUnicode_Substring
from libc.stdint cimport int64_t
from libc.string cimport memcpy

from streamcore._native.cpython cimport steal
from streamcore._native.engine.span_engine cimport AS_STR, AS_VIEW
from streamcore._native.kernels.utf8_text cimport text_of
from streamcore._native.buffers.view cimport make_view

cdef extern from "text/words_text.h":
    void words_utf8_places(const void *p, int width, Py_ssize_t first, int64_t *starts, int64_t *ends,
                           Py_ssize_t head, Py_ssize_t count) noexcept


@cython.final
cdef class WordSpans:
    """Words of a batch that still lie in their fragment, or in its UTF-8; see ``streamcore.batch.Spans``.

    Where an item lies follows from the ends alone when the items adjoin, else from the starts.
    """

    def __dealloc__(self):
        PyMem_RawFree(self.ends)
        PyMem_RawFree(self.starts)

    cdef int reserve(self, Py_ssize_t capacity, bint apart) except -1:
        self.ends = <int64_t *> PyMem_RawMalloc(capacity * sizeof(int64_t))
        if apart:
            self.starts = <int64_t *> PyMem_RawMalloc(capacity * sizeof(int64_t))
        if self.ends == NULL or (apart and self.starts == NULL):
            raise MemoryError()
        return 0

    cdef int shrink(self) noexcept:
        cdef void *smaller = PyMem_RawRealloc(self.ends, self.count * sizeof(int64_t))
        if smaller != NULL:
            self.ends = <int64_t *> smaller
        if self.starts != NULL:
            smaller = PyMem_RawRealloc(self.starts, self.count * sizeof(int64_t))
            if smaller != NULL:
                self.starts = <int64_t *> smaller
        return 0

    cdef Py_ssize_t start_of(self, Py_ssize_t index) noexcept:
        if self.starts != NULL:
            return self.starts[index]
        return self.first + (self.ends[index - 1] - self.head_size if index else 0)

    cdef int encode(self, int width, Py_ssize_t stop) except -1:
        """Move from text of ``width`` bytes a unit, where spans up to ``stop`` count code points, to its UTF-8."""
        data = PyUnicode_AsUTF8String(PyUnicode_Substring(self.owner, max(self.first, 0), stop))
        words_utf8_places(self.ptr, width, self.first, self.starts, self.ends, self.head is not None, self.count)
        self.owner = data
        self.ptr = <const unsigned char *> PyBytes_AS_STRING(data)
        self.first = 0
        self.size = self.ends[self.count - 1]
        return 0

    cdef object make(self, Py_ssize_t index):
        cdef Py_ssize_t start, size
        if index == 0 and self.head is not None:
            return self.head
        start = self.start_of(index)
        size = self.ends[index] - (self.ends[index - 1] if index else 0)
        if self.ascii and self.kind == AS_STR:
            return steal(ascii_text(self.ptr + start, size))
        if self.kind == AS_STR:
            return text_of(self.ptr + start, size)
        if self.kind == AS_VIEW:
            return make_view(self.owner, self.ptr + start, size)
        return PyBytes_FromStringAndSize(<const char *> self.ptr + start, size)

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
        """The items without what separates them."""
        cdef Py_ssize_t i, at, size
        cdef bint headed = self.head is not None
        cdef char *out
        if self.starts == NULL and not headed:
            if self.first == 0 and type(self.owner) is bytes and self.size == PyBytes_GET_SIZE(self.owner):
                return self.owner
            return PyBytes_FromStringAndSize(<const char *> self.ptr + self.first, self.size)
        joined = PyBytes_FromStringAndSize(NULL, self.size)
        out = PyBytes_AS_STRING(joined)
        if headed:
            head = self.head.encode() if self.kind == AS_STR else bytes(self.head)
            memcpy(out, PyBytes_AS_STRING(head), self.head_size)
        if self.starts == NULL:
            memcpy(out + self.head_size, self.ptr + self.first, self.size - self.head_size)
            return joined
        for i in range(headed, self.count):
            at = self.ends[i - 1] if i else 0
            size = self.ends[i] - at
            memcpy(out + at, self.ptr + self.starts[i], size)
        return joined

    def offsets(self):
        """n + 1 int64 values: 0 and the ends."""
        result = PyBytes_FromStringAndSize(NULL, (self.count + 1) * <Py_ssize_t> sizeof(int64_t))
        cdef int64_t *out = <int64_t *> PyBytes_AS_STRING(result)
        out[0] = 0
        if self.count:
            memcpy(out + 1, self.ends, self.count * sizeof(int64_t))
        return result
