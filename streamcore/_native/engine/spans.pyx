# cython: language_level=3, freethreading_compatible=True
"""Items of a batch that still lie in their fragment, with what separates them in between.

Only their ends in the compacted buffer are kept. Where an item lies in the fragment follows from them: all
separators are of one size, or (lines ended by LF and CRLF in turn) one walk over the separators tells. Where neither
does (frames with lengths of several widths) their starts are kept too. The buffer is compacted when it is asked for.
"""

cimport cython
from cpython.bytes cimport PyBytes_AS_STRING, PyBytes_FromStringAndSize
from cpython.mem cimport PyMem_RawFree, PyMem_RawMalloc, PyMem_RawRealloc
from cpython.object cimport PyObject
from libc.stdint cimport int64_t
from libc.string cimport memcpy

from streamcore._native.cpython cimport steal
from streamcore._native.engine.span_engine cimport AS_VIEW
from streamcore._native.buffers.view cimport make_view


cdef Spans new_spans(object owner, const unsigned char *ptr, int kind):
    cdef Spans spans = Spans.__new__(Spans)
    spans.owner = owner
    spans.ptr = ptr
    spans.kind = kind
    spans.gap = 1
    return spans


@cython.final
cdef class Spans:
    """See ``streamcore.batch.Spans``."""

    def __dealloc__(self):
        PyMem_RawFree(self.ends)
        PyMem_RawFree(self.starts)

    cdef int set_head(self, PyObject *item) except -1:
        self.head = steal(item)
        self.has_head = True
        self.grow(1)[0] = self.size = len(self.head)
        self.count = 1
        return 0

    cdef int64_t *grow(self, Py_ssize_t more) except NULL:
        """Room for ``more`` ends behind those there are; returns where it starts."""
        cdef Py_ssize_t capacity = self.capacity
        cdef void *grown
        if self.count + more > capacity:
            capacity = max(self.count + more, 2 * capacity, 16)
            grown = PyMem_RawRealloc(self.ends, capacity * sizeof(int64_t))
            if grown == NULL:
                raise MemoryError()
            self.ends = <int64_t *> grown
            self.capacity = capacity
        return self.ends + self.count

    cdef int64_t *grow_starts(self) except NULL:
        """Room for as many starts as there is for ends; returns where that of the next item belongs."""
        cdef void *grown = PyMem_RawRealloc(self.starts, self.capacity * sizeof(int64_t))
        if grown == NULL:
            raise MemoryError()
        self.starts = <int64_t *> grown
        return self.starts + self.count

    cdef int locate(self) except -1:
        """Find the starts of the items when they do not follow from the ends."""
        cdef Py_ssize_t i, at = self.first
        cdef int64_t *starts
        if self.gap >= 0 or self.starts != NULL:
            return 0
        starts = <int64_t *> PyMem_RawMalloc(self.count * sizeof(int64_t))
        if starts == NULL:
            raise MemoryError()
        for i in range(self.has_head, self.count):
            starts[i] = self.within(at, i)
            at = starts[i] + self.size_of(i)
            at += 2 if at < self.limit and self.ptr[at] == c"\r" else 1
        self.starts = starts
        return 0

    cdef Py_ssize_t size_of(self, Py_ssize_t index) noexcept:
        return self.ends[index] - (self.ends[index - 1] if index else 0)

    cdef Py_ssize_t start_of(self, Py_ssize_t index) noexcept:
        """Where an item that is not the head lies at ptr; after locate()."""
        cdef Py_ssize_t head = 0
        if self.gap < 0:
            return self.starts[index]
        if self.has_head:
            head = self.ends[0]
        return self.within(
            self.first + (self.ends[index - 1] if index else 0) - head + self.gap * (index - self.has_head), index)

    cdef Py_ssize_t within(self, Py_ssize_t start, Py_ssize_t index) noexcept:
        """``start``, or what still lies in the fragment: memory that was lent may have changed since it was scanned."""
        return min(start, self.limit - self.size_of(index))

    cdef object make(self, Py_ssize_t index):
        cdef Py_ssize_t start, size
        if index == 0 and self.has_head:
            return self.head
        start = self.start_of(index)
        size = self.size_of(index)
        if self.kind == AS_VIEW:
            return make_view(self.owner, self.ptr + start, size)
        return PyBytes_FromStringAndSize(<const char *> self.ptr + start, size)

    def __len__(self):
        return self.count

    def item(self, Py_ssize_t index):
        """Item number ``index``, which must be in range."""
        if not 0 <= index < self.count:
            raise IndexError(index)
        self.locate()
        return self.make(index)

    def items(self):
        """List of all items."""
        cdef Py_ssize_t i
        self.locate()
        items = []
        for i in range(self.count):
            items.append(self.make(i))
        return items

    def data(self):
        """The items without what separates them."""
        cdef Py_ssize_t at = 0
        if self.count > self.has_head and not self.has_head and self.gap == 0:
            return PyBytes_FromStringAndSize(<const char *> self.ptr + self.first, self.size)
        self.locate()
        joined = PyBytes_FromStringAndSize(NULL, self.size)
        if self.has_head:
            at = self.ends[0]
            memcpy(PyBytes_AS_STRING(joined), PyBytes_AS_STRING(bytes(self.head)), at)
        copy_spans(<unsigned char *> PyBytes_AS_STRING(joined), self.ptr, self.ends,
                   self.starts if self.gap < 0 else NULL, self.first, self.gap, self.limit, self.has_head, self.count)
        return joined

    def offsets(self):
        """n + 1 int64 values: 0 and the ends."""
        result = PyBytes_FromStringAndSize(NULL, (self.count + 1) * <Py_ssize_t> sizeof(int64_t))
        cdef int64_t *out = <int64_t *> PyBytes_AS_STRING(result)
        out[0] = 0
        if self.count:
            memcpy(out + 1, self.ends, self.count * sizeof(int64_t))
        return result


cdef void copy_spans(unsigned char *out, const unsigned char *p, const int64_t *ends, const int64_t *starts,
                     Py_ssize_t start, Py_ssize_t gap, Py_ssize_t limit, Py_ssize_t i, Py_ssize_t count) noexcept nogil:
    """Write items number ``i`` to ``count`` where they belong in ``out``.

    All but the last few are copied in steps of 16 bytes, what is too much being written over by the next one.
    """
    cdef Py_ssize_t at = ends[i - 1] if i else 0, size, done, last = ends[count - 1] - 16 if count else 0
    while i < count:
        size = ends[i] - at
        if starts != NULL:
            start = starts[i]
        else:
            start = min(start, limit - size)
        if at + size <= last and start + size + 16 <= limit:
            done = 0
            while True:
                memcpy(out + at + done, p + start + done, 16)
                done += 16
                if done >= size:
                    break
        else:
            memcpy(out + at, p + start, size)
        at += size
        start += size + gap
        i += 1
