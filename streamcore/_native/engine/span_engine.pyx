# cython: language_level=3, freethreading_compatible=True
"""Base of the native engines of byte spans (twin in ``_pure``); plan in span_engine.pxd.

Goals: one fragment is acquired once, scanned once, and released before the next is asked for; an item across fragments
is joined once; what is unfinished costs amortised constant time a byte, however small the fragments.
"""

cimport cython
from cpython.bytes cimport PyBytes_AS_STRING, PyBytes_FromStringAndSize
from cpython.mem cimport PyMem_RawFree, PyMem_RawRealloc
from cpython.object cimport PyObject
from cpython.pyport cimport PY_SSIZE_T_MAX
from libc.string cimport memcpy, memmove

from streamcore._native.cpython cimport new_bytes, own, PyList_SetSlice, steal
from streamcore._native.engine.engine cimport BaseEngine, drive, Items
from streamcore._native.kernels.utf8_text cimport text_of
from streamcore._native.buffers.view cimport Hold, freeze, make_view

from streamcore._native.arrow.columns import column_type
from streamcore._native.arrow.stream import export_stream
from streamcore._shared import options
from streamcore.batch import Batch
from streamcore.errors import IncompleteItem, InvalidEncoding, ItemTooLarge

cdef tuple _types = (bytes, str, "view")  # by kind

cdef enum:
    KEPT_CARRY = 1 << 20  # a larger carry buffer is given back once its item is complete


cdef class Engine(BaseEngine):
    """Base of the engines of byte spans: sans-IO, fragments in by ``feed()``, items out."""

    def __cinit__(self):
        self.max_size = PY_SSIZE_T_MAX

    def __dealloc__(self):
        PyMem_RawFree(self.carry)

    cdef int configure(self, str name, object as_, object borrow, object max_size, object on_oversize,
                       object on_incomplete) except -1:
        """Check and keep the options that engines share."""
        self.name = name
        limit = options.limit_option("max_size", max_size)
        self.on_oversize = options.on_oversize_option(on_oversize)
        self.on_incomplete = options.on_incomplete_option(on_incomplete)
        self.kind = options.as_option(as_)
        self.max_size = PY_SSIZE_T_MAX if limit is None else limit
        self.borrow = options.flag_option("borrow", borrow)
        return 0

    # ---- the public face ----

    @property
    def skipped(self):
        """How many items on_oversize="skip" dropped."""
        return self.progress.skipped

    @property
    def done(self):
        """Whether no further input can give an item: ``iterate()`` then pulls no more."""
        return self.is_done()

    def batches(self, fragments):
        """Iterator of ``Batch`` objects, otherwise as ``iterate()``; a batch ends at the latest with its fragment."""
        return drive(Batches.__new__(Batches), self, fragments)

    # ---- fragments ----

    cdef long long position(self) noexcept:
        return self.base + self.length

    cdef int accept(self, object fragment) except -1:
        cdef const unsigned char *data = NULL
        cdef Py_ssize_t size = 0
        owner = freeze(fragment, self.name, self.borrow, &data, &size)
        self.owner = owner
        self.ptr = data
        self.length = size
        self.lent = type(owner) is Hold
        return 0

    cdef int open_fragment(self, object fragment) except -1:
        self.accept(fragment)
        self.begin()
        return 0

    cdef int close_fragment(self) except -1:
        """What take() left is carried over and the fragment released."""
        if self.error is None:
            self.settle()
        self.base += self.length
        self.drop_fragment()
        return 0

    cdef int drop_fragment(self) except -1:
        self.length = 0
        self.ptr = NULL
        self.owner = None
        self.begin()
        return 0

    cdef int abandon(self) except -1:
        """Forget the fragment in work and what is unfinished: the stream was closed."""
        cdef long long skipped = self.progress.skipped
        self.gathered = None
        if self.owner is None:
            return 0
        self.base += self.length
        self.carry_size = 0
        self.progress = Progress(0, 0, skipped, False, 0, 0, 0)
        self.clear()
        self.drop_fragment()
        return 0

    cdef int save(self) except -1:
        self.saved = self.progress
        return 0

    cdef int undo(self) except -1:
        self.progress = self.saved
        return self.drop_fragment()

    cdef int start_over(self) except -1:
        self.base = 0
        self.progress = Progress(0, 0, 0, False, 0, 0, 0)
        self.drop_fragment()
        PyMem_RawFree(self.carry)
        self.carry = NULL
        self.carry_size = self.carry_capacity = 0
        return self.clear()

    # ---- items ----

    cdef unsigned char at(self, Py_ssize_t index) noexcept:
        """The byte at ``index``, which lies in the carry when negative."""
        return self.ptr[index] if index >= 0 else self.carry[self.carry_size + index]

    cdef object join(self, Py_ssize_t start, Py_ssize_t stop):
        cdef Py_ssize_t held = 0
        if start >= 0:
            return PyBytes_FromStringAndSize(<const char *> self.ptr + start, stop - start)
        if stop <= 0:
            return PyBytes_FromStringAndSize(
                <const char *> self.carry + self.carry_size + start, stop - start)
        held = -start
        joined = PyBytes_FromStringAndSize(NULL, stop - start)
        memcpy(PyBytes_AS_STRING(joined), self.carry + self.carry_size - held, held)
        memcpy(PyBytes_AS_STRING(joined) + held, self.ptr, stop)
        return joined

    cdef PyObject *cut(self, Py_ssize_t start, Py_ssize_t stop) except? NULL:
        if self.kind == AS_BYTES:
            if start >= 0:
                return new_bytes(<const char *> self.ptr + start, stop - start)
            return own(self.join(start, stop))
        if self.kind == AS_VIEW:
            if start >= 0:
                return own(make_view(self.owner, self.ptr + start, stop - start))
            joined = self.join(start, stop)
            return own(make_view(joined, <const unsigned char *> PyBytes_AS_STRING(joined), stop - start))
        try:
            if start >= 0 and not self.lent:  # text is measured, then written
                return own(text_of(self.ptr + start, stop - start))
            joined = self.join(start, stop)
            return own(text_of(<const unsigned char *> PyBytes_AS_STRING(joined), stop - start))
        except UnicodeDecodeError as error:
            bad = self.join(start + error.start, start + error.end)
            offset = self.base + start + error.start
            self.fail(InvalidEncoding("utf-8", bad, 0, len(bad), error.reason, offset), offset)
        return NULL

    cdef PyObject *oversized(self, Py_ssize_t start) except? NULL:
        """What max_size makes of the item at ``start``: its beginning when truncating, else NULL (counted, or failed).

        A truncated str ends before the character that does not fit.
        """
        cdef Py_ssize_t stop
        if self.on_oversize == TRUNCATE_OVERSIZE:
            stop = start + self.max_size
            if self.kind == AS_STR:
                while stop > start and stop > start + self.max_size - 3 and self.at(stop) & 0xC0 == 0x80:
                    stop -= 1
            return self.cut(start, stop)
        if self.on_oversize == SKIP_OVERSIZE:
            self.progress.skipped += 1
            return NULL
        self.fail(ItemTooLarge(self.max_size + 1, self.max_size, self.base + start), self.base + start)
        return NULL

    cdef PyObject *overrun(self, Py_ssize_t start, Py_ssize_t decided) except? NULL:
        """As ``oversized()`` for an item whose end has not come: what follows up to ``decided`` vanishes too."""
        cdef long long offset = self.base + start
        cdef PyObject *item = self.oversized(start)
        if self.error is None:
            self.progress.discard = True
            self.progress.discarded = offset
            self.progress.start = decided
        return item

    cdef PyObject *incomplete(self) except? NULL:
        """At the end of input, what on_incomplete makes of the carry: an item, or NULL (dropped, or failed)."""
        cdef Py_ssize_t start = self.progress.start
        cdef PyObject *item = NULL
        cdef long long offset = self.base + start
        if self.progress.discard:
            offset = self.progress.discarded
        elif start == 0:
            return NULL
        if self.on_incomplete == RAISE_INCOMPLETE:
            self.fail(IncompleteItem(self.base - offset, offset), self.base)
            return NULL
        if self.on_incomplete == EMIT_INCOMPLETE and not self.progress.discard:
            if -start > self.max_size:
                item = self.oversized(start)
            else:
                item = self.cut(start, 0)
        self.progress.start = 0
        self.progress.discard = False
        return item

    # ---- what is unfinished ----

    cdef int reserve(self, Py_ssize_t size) except -1:
        cdef Py_ssize_t capacity = self.carry_capacity
        cdef void *grown
        if size <= capacity:
            return 0
        capacity = max(size, capacity + (capacity >> 1), 64)
        grown = PyMem_RawRealloc(self.carry, capacity)
        if grown == NULL:
            raise MemoryError()
        self.carry = <unsigned char *> grown
        self.carry_capacity = capacity
        return 0

    cdef int keep(self, Py_ssize_t start) except -1:
        cdef Py_ssize_t size = self.length - start
        cdef void *shrunk
        if start >= 0:
            if size <= KEPT_CARRY < self.carry_capacity:
                shrunk = PyMem_RawRealloc(self.carry, size + 64)
                if shrunk != NULL:
                    self.carry = <unsigned char *> shrunk
                    self.carry_capacity = size + 64
            self.reserve(size)
            if size:
                memcpy(self.carry, self.ptr + start, size)
        else:
            self.reserve(self.carry_size + self.length)
            if self.length:
                memcpy(self.carry + self.carry_size, self.ptr, self.length)
            if -start < self.carry_size:
                memmove(self.carry, self.carry + self.carry_size + start, size)
        self.carry_size = size
        self.progress.start = -size
        return 0

    # ---- hooks ----

    cdef int begin(self) except -1:
        return 0

    cdef object take_batch(self):
        cdef list items = self.gathered  # what a failure left
        cdef Py_ssize_t size = 0
        cdef PyObject *item
        if items is None:
            self.gathered = items = []
        for one in items:
            size += 0 if one is None else self.size_of(one)
        while len(items) < BATCH_ITEMS and size < BATCH_BYTES:
            if not items or items[len(items) - 1] is not None:
                items.append(None)  # before the item is taken, because it may fail
            item = self.take()
            if item == NULL:
                break
            one = steal(item)
            size += self.size_of(one)
            items[len(items) - 1] = one
        if items and items[len(items) - 1] is None:
            PyList_SetSlice(items, len(items) - 1, len(items), NULL)  # needs no memory, unlike pop()
        batch = self.batch_class()._of_items(items, _types[self.kind]) if items else None
        self.gathered = None
        return batch

    cdef object batch_class(self):
        return Batch

    cdef Py_ssize_t size_of(self, object item) except -1:
        return len(item)

    cdef bint knows_kind(self):
        return True

    cdef int settle(self) except -1:
        return 0

    cdef int clear(self) except -1:
        return 0


@cython.final
cdef class Batches(Items):
    """Iterator of ``Batch`` objects, and for Arrow libraries a stream of records of the same."""

    cdef PyObject *ready(self) except? NULL:
        batch = (<Engine> self.engine).take_batch()
        return NULL if batch is None else own(batch)

    cdef tuple kinds(self):
        """Name and Arrow format of each column."""
        cdef Engine engine = <Engine> self.engine
        cdef PyObject *batch
        if self.engine is None:
            raise ValueError("an iterator that no engine made")
        if self.running:
            raise ValueError("generator already executing")
        if not engine.knows_kind() and self.next_made == self.made_count and self.source is not None:
            batch = self.pull_item()  # the input decides
            if batch != NULL:
                self.made[0] = batch
                self.next_made = 0
                self.made_count = 1
        return engine.batch_class()._kinds(_types[engine.kind] if engine.kind <= AS_VIEW else None)

    @cython.critical_section
    def __arrow_c_schema__(self):
        """The type of the records in Arrow, as a PyCapsule: a struct."""
        return column_type(self.kinds(), True)

    @cython.critical_section
    def __arrow_c_stream__(self, requested_schema=None):
        """The batches that are left as an Arrow stream in a PyCapsule; what it pulls, this iterator gives no more.

        A stream let go midway closes the source. An exception becomes an error of the consumer, with its type, message
        and notes in the text.
        """
        return export_stream(self, self.kinds(), requested_schema)
