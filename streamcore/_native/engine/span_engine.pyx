# cython: language_level=3, freethreading_compatible=True
"""Base of the native engines and the iterator that drives them (twin in ``_pure``); plan in span_engine.pxd.

Goals: one fragment is acquired once, scanned once, and released before the next is asked for; an item across fragments
is joined once; what is unfinished costs amortised constant time a byte, however small the fragments; every end of
a stream closes its source exactly once.
"""

cimport cython
from cpython.bytes cimport PyBytes_AS_STRING
from cpython.exc cimport PyErr_CheckSignals
from cpython.mem cimport PyMem_RawFree, PyMem_RawRealloc
from cpython.object cimport PyObject
from cpython.ref cimport Py_INCREF
from libc.string cimport memcpy, memmove

from streamcore._native.streams.closing cimport Stream
from streamcore._native.kernels.stack cimport STREAMCORE_FOR_CLOSE, STREAMCORE_FOR_NEXT, streamcore_check_stack
from streamcore._native.kernels.utf8_text cimport text_of
from streamcore._native.buffers.view cimport Hold, freeze, make_view

from streamcore._shared import options
from streamcore._shared.driving import driven, executing
from streamcore._shared.notes import add_note, make_room, place, shown
from streamcore.batch import Batch
from streamcore.errors import IncompleteItem, InvalidEncoding, ItemTooLarge

cdef extern from *:
    """
    static inline PyObject *sc_steal(PyObject *item) { return item; }
    """
    object sc_steal(PyObject *item)  # the reference is handed over
    PyObject *PyBytes_FromStringAndSize(const char *data, Py_ssize_t size) except NULL
    int PyList_SetSlice(object list, Py_ssize_t start, Py_ssize_t stop, PyObject *items) except -1
    PyObject *PyIter_Next(object iterator) except? NULL
    Py_ssize_t PY_SSIZE_T_MAX

cdef tuple _types = (bytes, str, "view")  # by kind

cdef enum:
    KEPT_CARRY = 1 << 20  # a larger carry buffer is given back once its item is complete


cdef inline PyObject *own(object item) noexcept:
    Py_INCREF(item)
    return <PyObject *> item


cdef class Engine:
    """Base of the engines: sans-IO, fragments in by ``feed()``, items out."""

    def __cinit__(self):
        self.max_size = PY_SSIZE_T_MAX
        self.name = "Engine"
        self.unit = "byte"

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
        self.borrow = bool(borrow)
        return 0

    # ---- the public face ----

    @property
    def offset(self):
        """Bytes taken in so far (code points for str input)."""
        return self.base + self.length

    @property
    def skipped(self):
        """How many items on_oversize="skip" dropped."""
        return self.progress.skipped

    @cython.critical_section
    def feed(self, fragment):
        """Take in one fragment and give the list of items that are complete now.

        An error in the input is raised once every item before it was given, and by every further call until
        ``reset()``. When anything else is raised (TypeError for a wrong fragment), nothing was taken in.
        """
        self.check_open("feed")
        cdef Progress saved = self.progress
        cdef list items
        self.busy = True
        try:
            try:
                self.open_fragment(fragment)
                items = self.drain()
                if self.error is None:
                    self.settle()
            except BaseException:
                self.progress = saved
                self.drop_fragment()
                raise
            self.base += self.length
            self.drop_fragment()
        finally:
            self.busy = False
        if self.error is not None and not items:
            raise self.error.with_traceback(None)
        return items

    @cython.critical_section
    def finish(self):
        """End the input and give the list of items that this completes; a second call gives an empty list."""
        self.check_idle()
        if self.ended and self.error is None:
            return []
        self.check_open("finish")
        cdef Progress saved = self.progress
        cdef list items
        self.busy = True
        try:
            self.end()
            self.ended = True
            items = self.drain()
        except BaseException:
            self.ended = False
            self.progress = saved
            self.begin()
            raise
        finally:
            self.busy = False
        if self.error is not None and not items:
            raise self.error.with_traceback(None)
        return items

    @cython.critical_section
    def reset(self):
        """Back to new: nothing taken in, no error."""
        self.check_idle()
        self.busy = True
        try:
            self.error = None
            self.base = 0
            self.progress = Progress(0, 0, 0, False, 0, 0, 0)
            self.drop_fragment()
            PyMem_RawFree(self.carry)
            self.carry = NULL
            self.carry_size = self.carry_capacity = 0
            self.ended = False
            self.clear()
        finally:
            self.busy = False

    def iterate(self, fragments):
        """Iterator of the items in ``fragments`` (an iterator, which it owns and closes exactly once, however it ends).

        Pulls a fragment only when no complete item is left. Exceptions of ``fragments`` pass through, with a note.
        Until it ends nothing else may drive the engine: ``feed``, ``finish``, ``reset`` and a second iterator are a
        ValueError. Closed or dropped midway, it forgets the fragment in work and the item that is unfinished; after
        an exception of ``fragments`` that item is still there. Either way the engine then goes on from ``offset``.
        """
        return new_items(self, fragments, False)

    def batches(self, fragments):
        """Iterator of ``Batch`` objects, otherwise as ``iterate()``; a batch ends at the latest with its fragment."""
        return new_items(self, fragments, True)

    # ---- fragments ----

    cdef int check_idle(self) except -1:
        if self.busy:
            raise executing(self.name)
        if self.driven:
            raise driven(self.name)
        return 0

    cdef int check_open(self, str call) except -1:
        self.check_idle()
        if self.error is not None:
            raise self.error.with_traceback(None)
        if self.ended:
            raise ValueError(f"{call}() after finish(): call reset() first")
        return 0

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

    cdef list drain(self):
        cdef list items = []
        cdef PyObject *item
        while True:
            item = self.take()
            if item == NULL:
                return items
            items.append(sc_steal(item))

    # ---- items ----

    cdef unsigned char at(self, Py_ssize_t index) noexcept:
        """The byte at ``index``, which lies in the carry when negative."""
        return self.ptr[index] if index >= 0 else self.carry[self.carry_size + index]

    cdef object join(self, Py_ssize_t start, Py_ssize_t stop):
        cdef Py_ssize_t held = 0
        if start >= 0:
            return sc_steal(PyBytes_FromStringAndSize(<const char *> self.ptr + start, stop - start))
        if stop <= 0:
            return sc_steal(PyBytes_FromStringAndSize(
                <const char *> self.carry + self.carry_size + start, stop - start))
        held = -start
        joined = sc_steal(PyBytes_FromStringAndSize(NULL, stop - start))
        memcpy(PyBytes_AS_STRING(joined), self.carry + self.carry_size - held, held)
        memcpy(PyBytes_AS_STRING(joined) + held, self.ptr, stop)
        return joined

    cdef PyObject *cut(self, Py_ssize_t start, Py_ssize_t stop) except? NULL:
        if self.kind == AS_BYTES:
            if start >= 0:
                return PyBytes_FromStringAndSize(<const char *> self.ptr + start, stop - start)
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

    # ---- errors ----

    cdef int fail(self, object error, long long offset) except -1:
        """Stop the engine: ``error`` is raised after the items already cut, and ever after."""
        self.annotate(error, offset)
        self.error = error
        return 0

    cdef int annotate(self, object error, long long offset) except -1:
        place(error, f"{self.name}, at {self.unit} {offset} of its input")
        return 0

    # ---- hooks ----

    cdef int begin(self) except -1:
        return 0

    cdef PyObject *take(self) except? NULL:
        return NULL

    cdef int take_some(self, PyObject **items) except -1:
        items[0] = self.take()
        return items[0] != NULL

    cdef object take_batch(self):
        cdef list items = self.gathered  # what a failure left
        cdef Py_ssize_t size = 0
        cdef PyObject *item
        if items is None:
            self.gathered = items = []
        for one in items:
            size += 0 if one is None else len(one)
        while len(items) < BATCH_ITEMS and size < BATCH_BYTES:
            if not items or items[len(items) - 1] is not None:
                items.append(None)  # before the item is taken, because it may fail
            item = self.take()
            if item == NULL:
                break
            one = sc_steal(item)
            size += len(one)
            items[len(items) - 1] = one
        if items and items[len(items) - 1] is None:
            PyList_SetSlice(items, len(items) - 1, len(items), NULL)  # needs no memory, unlike pop()
        batch = Batch._of_items(items, _types[self.kind]) if items else None
        self.gathered = None
        return batch

    cdef int settle(self) except -1:
        return 0

    cdef int end(self) except -1:
        return 0

    cdef int clear(self) except -1:
        return 0


cdef Items new_items(Engine engine, object fragments, bint batched):
    cdef Items items = Items.__new__(Items)  # first: a collection may run finalizers
    engine.check_open("iterate")
    engine.busy = True
    try:
        items.source = iter(fragments)
        items.engine = engine
        items.batched = batched
        engine.driven = True
    finally:
        engine.busy = False
    return items


@cython.final
cdef class Items(Stream):
    """Iterator of the items (or batches) that an engine cuts from fragments; owns and closes the fragments."""

    cdef Engine engine
    cdef object pulled  # a fragment that the engine had no memory for; None otherwise
    cdef bint batched
    # Making items in one go saves 5 of 24 ns on a line of 100 bytes, against a call of take() for each.
    cdef PyObject *made[AHEAD_ITEMS]
    cdef int next_made, made_count

    def __dealloc__(self):
        self.drop_made()

    cdef int drop_made(self) except -1:
        """Let go of the items made ahead."""
        while self.next_made < self.made_count:
            self.next_made += 1
            sc_steal(self.made[self.next_made - 1])
        return 0

    @cython.critical_section
    def __next__(self):
        cdef PyObject *item = NULL
        if self.running:
            raise ValueError("generator already executing")
        if self.next_made < self.made_count:
            self.next_made += 1
            return sc_steal(self.made[self.next_made - 1])
        if self.source is not None:
            item = self.pull_item()
        if item == NULL:
            raise StopIteration
        return sc_steal(item)

    @cython.critical_section
    def close(self):
        """Close the fragments and end the iteration; further calls do nothing."""
        if self.running:
            raise ValueError("generator already executing")
        streamcore_check_stack(STREAMCORE_FOR_CLOSE)
        self.end(None)

    def __del__(self):
        if not self.running:  # called by name, from code that runs within a call
            self.end(None)

    cdef list detach(self, error):
        self.engine.busy = True
        self.drop_made()
        self.engine.abandon()
        owned = [self.source]
        self.source = self.pulled = None
        return owned

    cdef int let_go(self) noexcept:
        """After that the engine is free."""
        self.running = self.engine.busy = self.engine.driven = False
        return 0

    cdef int shut_after(self, object error) except -1:
        """Close the source because of ``error``, which must not be lost to a second one."""
        make_room()
        try:
            self.end(None)
        except Exception as second:
            add_note(error, f"closing its source failed too: {shown(second)}")
        return 0

    cdef PyObject *ready(self) except? NULL:
        """The next item or batch that is already there."""
        if not self.batched:
            self.next_made = self.made_count = 0
            self.made_count = self.engine.take_some(self.made)
            if self.made_count == 0:
                return NULL
            self.next_made = 1
            return self.made[0]
        batch = self.engine.take_batch()
        return NULL if batch is None else own(batch)

    cdef PyObject *pull_item(self) except? NULL:
        """Pull fragments until there is an item; NULL at the end, when the source has been closed.

        A MemoryError of the engine leaves the stream as it was, so that ``next()`` can be tried again.
        """
        cdef Engine engine = self.engine
        cdef PyObject *item
        streamcore_check_stack(STREAMCORE_FOR_NEXT)
        self.running = engine.busy = True
        try:
            while True:
                item = self.ready()
                if item != NULL:
                    return item
                if engine.error is not None:
                    error = engine.error
                    self.shut_after(error)
                    raise error.with_traceback(None)
                if engine.ended:
                    self.end(None)
                    return NULL
                engine.close_fragment()
                self.advance()
        finally:
            self.running = False
            if self.source is not None:  # else the end has set the engine free, for whoever uses it now
                engine.busy = False

    cdef int advance(self) except -1:
        """Give the engine its next fragment, or the end of input; an exception of either ends the stream."""
        cdef Engine engine = self.engine
        cdef PyObject *fragment
        try:
            if self.pulled is None:
                PyErr_CheckSignals()
                fragment = PyIter_Next(self.source)
                if fragment == NULL:
                    engine.end()
                    engine.ended = True
                    return 0
                self.pulled = sc_steal(fragment)
        except BaseException as error:
            engine.annotate(error, engine.base)
            self.shut_after(error)
            raise
        try:
            engine.open_fragment(self.pulled)
        except MemoryError:
            raise
        except BaseException as error:
            engine.annotate(error, engine.base)
            self.shut_after(error)
            raise
        self.pulled = None
        return 0
