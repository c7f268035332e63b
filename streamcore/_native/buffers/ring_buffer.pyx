# cython: language_level=3, freethreading_compatible=True
"""Bounded FIFO of bytes made of reference-counted segments (twin: ``_pure.buffers.ring_buffer``).

Goals: no copy for bytes that already exist; a view can never see bytes that changed later; O(1) per
operation; a failed allocation leaves everything as it was. Plan: a circular array of segments; a segment is
a window of memory and a reference to what owns it: ``bytes``, the owner of a view, or a slab. A slab only
ever grows at its end, and starts over when nobody else holds it, so what a view shows is never written
again. Whatever can fail comes before the first change of state, and state is right before any reference is
dropped, because dropping one may run other code.
"""

cimport cython
from cpython.buffer cimport (
    PyBUF_FORMAT, PyBUF_FULL_RO, PyBUF_ND, PyBUF_SIMPLE, PyBUF_STRIDES,
    PyBuffer_IsContiguous, PyBuffer_Release, PyObject_CheckBuffer, PyObject_GetBuffer,
)
from cpython.bytes cimport (
    PyBytes_AS_STRING, PyBytes_CheckExact, PyBytes_FromStringAndSize, PyBytes_GET_SIZE,
)
from cpython.long cimport PyLong_CheckExact
from cpython.mem cimport PyMem_RawFree, PyMem_RawMalloc
from cpython.memoryview cimport PyMemoryView_FromObject
from cpython.number cimport PyIndex_Check, PyNumber_Index
from cpython.ref cimport Py_DECREF, PyObject
from libc.string cimport memcpy, strchr

from streamcore._native.cpython cimport clipped_index
from streamcore._native.buffers.view cimport Hold, freeze, make_view

cdef extern from *:
    """
    /* Whether nobody but the caller can reach an object. Without the GIL only 3.14 can tell. */
    #if PY_VERSION_HEX >= 0x030E0000
    #define streamcore_is_unshared(object) PyUnstable_Object_IsUniquelyReferenced(object)
    #elif defined(Py_GIL_DISABLED)
    #define streamcore_is_unshared(object) 0
    #else
    #define streamcore_is_unshared(object) (Py_REFCNT(object) == 1)
    #endif

    /* Shortens bytes that nobody else has seen, in place: unlike _PyBytes_Resize it cannot fail. */
    static void streamcore_shorten_bytes(PyObject *bytes, Py_ssize_t size) {
        Py_SET_SIZE((PyVarObject *)bytes, size);
        PyBytes_AS_STRING(bytes)[size] = 0;
    }
    """
    const Py_ssize_t PY_SSIZE_T_MAX
    bint streamcore_is_unshared(object)
    void streamcore_shorten_bytes(object bytes, Py_ssize_t size)

cdef extern from "buffers/segments.h":
    ctypedef struct Segment "streamcore_segment":
        PyObject *owner
        const unsigned char *data
        Py_ssize_t size

    ctypedef struct Segments "streamcore_segments":
        Segment *array
        Py_ssize_t count
        Py_ssize_t bytes

    Segment *segments_at(const Segments *, Py_ssize_t place)
    int segments_reserve(Segments *)
    void segments_push(Segments *, object owner, const unsigned char *data, Py_ssize_t size)
    bint segments_extend(Segments *, object owner, const unsigned char *data, Py_ssize_t size)
    PyObject *segments_pop(Segments *)
    void segments_drop(Segments *, Py_ssize_t size)
    void segments_copy(const Segments *, unsigned char *target, Py_ssize_t size)
    void segments_borders(const unsigned char *pattern, Py_ssize_t size, Py_ssize_t *borders)
    Py_ssize_t segments_find(
        const Segments *, Py_ssize_t start, Py_ssize_t stop, const unsigned char *pattern, Py_ssize_t size,
        const Py_ssize_t *borders)

__all__ = ["RingBuffer"]

cdef Py_ssize_t ONE = 1  # the stride of granted memory
cdef char *BYTE = "B"  # and its format

cdef enum:
    # Fewer bytes than this are gathered: an object and an entry of their own would cost more than they hold.
    SMALL = 64
    # Bytes in a slab, because a view of one of them keeps the whole slab alive.
    SLAB = 16384
    # Bytes of a pattern whose borders fit on the stack.
    SHORT_PATTERN = 128


@cython.final
@cython.no_gc
cdef class Slab:
    """Memory that small pieces share; lives as long as the buffer or a view refers to it."""
    cdef unsigned char *memory
    cdef Py_ssize_t used  # bytes that were given out since it last started over

    def __cinit__(self):
        self.memory = <unsigned char *> PyMem_RawMalloc(SLAB)
        if self.memory == NULL:
            raise MemoryError

    def __dealloc__(self):
        PyMem_RawFree(self.memory)


@cython.final
@cython.no_gc
cdef class Grant:
    """Writable memory lent out until ``commit``: new ``bytes`` that nobody can see otherwise."""
    cdef bytes block
    cdef Py_ssize_t size  # bytes lent; the block may be larger
    cdef Py_ssize_t exports  # buffers taken and not yet given back

    @cython.critical_section
    def __getbuffer__(self, Py_buffer *buffer, int flags):
        if self.block is None:
            raise BufferError("the grant is over")
        buffer.obj = self
        buffer.buf = PyBytes_AS_STRING(self.block)
        buffer.len = self.size
        buffer.readonly = False
        buffer.itemsize = 1
        buffer.ndim = 1
        buffer.format = BYTE if flags & PyBUF_FORMAT else <char *> NULL
        buffer.shape = &self.size if flags & PyBUF_ND else <Py_ssize_t *> NULL
        buffer.strides = &ONE if (flags & PyBUF_STRIDES) == PyBUF_STRIDES else <Py_ssize_t *> NULL
        buffer.suboffsets = NULL
        buffer.internal = NULL
        self.exports += 1

    @cython.critical_section
    def __releasebuffer__(self, Py_buffer *buffer):
        self.exports -= 1


cdef object integer(object value, str name):
    """``value`` as an int; TypeError for bool and for what is no integer."""
    if PyLong_CheckExact(value):
        return value
    if isinstance(value, bool) or not PyIndex_Check(value):
        raise TypeError(f"{name} must be an int, got {type(value).__name__}")
    return PyNumber_Index(value)


cdef Py_ssize_t size_of_owner(object owner) noexcept:
    """Bytes that a reference to ``owner`` keeps alive; the largest number for what is not known here."""
    if PyBytes_CheckExact(owner):
        return PyBytes_GET_SIZE(owner)
    if isinstance(owner, Slab):
        return SLAB
    if isinstance(owner, Hold):
        return (<Hold> owner).buffer.len
    return PY_SSIZE_T_MAX


@cython.final
@cython.no_gc  # nothing it refers to can refer back: bytes, slabs and memory lent out
cdef class RingBuffer:
    """RingBuffer(capacity)\n--\n\nBounded first-in first-out buffer of bytes that copies as little as it can.

    It holds at most ``capacity`` bytes. ``write`` takes as many as fit and tells how many, so a full buffer
    pushes back by taking 0; nothing ever waits. Memory is allocated as bytes come in and freed as they go
    out, never up front. ``bytes`` of 64 bytes and more, and views of them, are kept by reference: a ``read``
    that asks for just what one ``write`` gave returns that very object. Shorter pieces are gathered in slabs;
    mutable buffers are copied once, on entry. ``copied_bytes`` counts what was copied in and out.

    What it keeps alive is bounded: a part of a larger object is taken by reference only if it is at least
    half of it, else copied, so the objects held are at most twice ``capacity``. Bytes from ``read`` and
    ``peek`` stand for themselves. A view from ``views`` never changes, and keeps alive the whole object or
    slab (at most 16 KiB) that it lies in; a slab is used again only when no view of it lives.

    Calls from several threads must not overlap (``Channel`` hands over between threads); if they do, memory
    stays sound. A closed buffer raises ValueError for all but ``close``, ``closed``, ``len``, ``free``,
    ``capacity`` and ``copied_bytes``.
    """
    cdef Segments queue
    cdef Py_ssize_t bound  # the capacity
    cdef Py_ssize_t limit  # of it, what may be held: without the grant, and 0 once closed
    cdef Py_ssize_t copied
    cdef Slab slab  # where small pieces go, None before the first
    cdef Grant lent  # None if no grant is outstanding
    cdef object lent_view  # the grant as the caller has it
    cdef Grant spare  # a former grant whose memory was not used up
    cdef bint is_closed

    def __cinit__(self, capacity):
        capacity = integer(capacity, "capacity")
        if capacity <= 0:
            raise ValueError(f"capacity must be positive, got {capacity}")
        if capacity > PY_SSIZE_T_MAX:
            raise ValueError(f"capacity must be at most {PY_SSIZE_T_MAX}, got {capacity}")
        self.bound = self.limit = capacity

    def __dealloc__(self):
        segments_drop(&self.queue, self.queue.bytes)
        PyMem_RawFree(self.queue.array)

    cdef inline Py_ssize_t room(self) noexcept:
        """How many bytes write() may take."""
        return self.limit - self.queue.bytes

    cdef inline int reserve(self) except -1:
        """Make sure that one more segment can be pushed."""
        if segments_reserve(&self.queue) < 0:
            raise MemoryError
        return 0

    # -- in

    @cython.critical_section
    def write(self, data):
        """Append as many of the first bytes of ``data`` as are free, and return how many; 0 when full.

        TypeError if ``data`` is not bytes-like, BufferError if it is not C-contiguous.
        """
        cdef const unsigned char *start = NULL
        cdef Py_ssize_t size
        cdef object owner, taken
        if PyBytes_CheckExact(data):
            size = PyBytes_GET_SIZE(data)
            if SMALL <= size <= self.room():
                taken = size  # before the push, because making an int can fail
                self.reserve()
                segments_push(&self.queue, data, <const unsigned char *> PyBytes_AS_STRING(data), size)
                return taken
        self.check_open()
        owner = freeze(data, "write()", True, &start, &size)
        self.check_open()  # again: the data's own code may have closed it
        size = min(size, self.room())
        taken = size
        self.append(owner, start, size, not isinstance(owner, Hold))
        return taken

    cdef int append(
            self, object owner, const unsigned char *data, Py_ssize_t size, bint unchanging) except -1:
        """Append ``size`` bytes at ``data``, which fit: by reference if ``owner`` may be kept for them."""
        if size < SMALL:
            return self.gather(data, size)
        self.reserve()
        if not unchanging or size < size_of_owner(owner) - size:
            owner = PyBytes_FromStringAndSize(<const char *> data, size)
            data = <const unsigned char *> PyBytes_AS_STRING(owner)
            self.copied += size
        segments_push(&self.queue, owner, data, size)
        return 0

    cdef int gather(self, const unsigned char *data, Py_ssize_t size) except -1:
        """Append a copy of a few bytes, to the last segment if it ends where the slab does."""
        cdef unsigned char *target
        if size == 0:
            return 0
        self.reserve()
        if self.slab is None or self.slab.used + size > SLAB:
            self.slab = Slab()
        elif self.queue.count == 0 and streamcore_is_unshared(self.slab):
            self.slab.used = 0
        target = self.slab.memory + self.slab.used
        memcpy(target, data, size)
        self.slab.used += size
        self.copied += size
        if not segments_extend(&self.queue, self.slab, target, size):
            segments_push(&self.queue, self.slab, target, size)
        return 0

    @cython.critical_section
    def grant(self, n):
        """Lend ``n`` bytes of writable memory (fewer if fewer are free), to be filled and then committed.

        For ``readinto`` and ``recv_into``: what they read goes straight into the buffer. The space is taken
        off ``free`` until ``commit``; its content is undefined until written. BufferError if a grant is
        outstanding, or if nothing is free: memory of no bytes would make a file look exhausted.
        """
        cdef Py_ssize_t size
        cdef Grant lent
        n = integer(n, "n")
        self.check_open()
        if n <= 0:
            raise ValueError(f"n must be positive, got {n}")
        if self.lent is not None:
            raise BufferError(f"a grant of {self.lent.size} bytes is outstanding: commit() it first")
        if self.room() == 0:
            raise BufferError(f"nothing is free to grant: {self.queue.bytes} of {self.bound} bytes are in use")
        size = min(clipped_index(n), self.room())
        lent = self.spare
        if lent is None or lent.exports or not 0 <= PyBytes_GET_SIZE(lent.block) - size <= size:
            lent = Grant.__new__(Grant)
            lent.block = PyBytes_FromStringAndSize(NULL, size)
        lent.size = size
        self.lent_view = PyMemoryView_FromObject(lent)
        self.lent = lent
        self.spare = None
        self.limit -= size
        return self.lent_view

    @cython.critical_section
    def commit(self, n):
        """Append the first ``n`` bytes of the grant and end it; 0 gives it up.

        The granted memoryview is released. Where a slice of it or another buffer on it lives on, the bytes
        are copied, so that writing through those changes nothing here. BufferError if there is no grant, or
        if ``n`` is beyond it: it then stays outstanding.
        """
        cdef Grant lent
        cdef Py_ssize_t size
        cdef bytes block
        n = integer(n, "n")
        self.check_open()
        lent = self.lent
        if n < 0:
            raise ValueError(f"n must not be negative, got {n}")
        if lent is None:
            raise BufferError(f"commit of {n} bytes without a grant")
        if n > lent.size:
            raise BufferError(f"commit of {n} bytes is beyond the grant of {lent.size}")
        size = n
        self.reserve()
        self.release_lent()
        block = lent.block
        if lent.exports == 0 and size >= SMALL and size >= PyBytes_GET_SIZE(block) - size:
            streamcore_shorten_bytes(block, size)
            lent.block = None  # who still has this object can reach the memory no more
            self.end_grant()
            segments_push(&self.queue, block, <const unsigned char *> PyBytes_AS_STRING(block), size)
            return
        self.append(block, <const unsigned char *> PyBytes_AS_STRING(block), size, False)
        self.end_grant()
        if lent.exports == 0:
            self.spare = lent

    cdef int release_lent(self) except -1:
        try:
            self.lent_view.release()
        except BufferError:  # something else uses it: it keeps memory that is no longer ours
            pass
        return 0

    cdef void end_grant(self) noexcept:
        self.limit += self.lent.size
        self.lent = None
        self.lent_view = None

    # -- out

    @cython.critical_section
    def read(self, n=-1):
        """Take the first ``n`` bytes; fewer if fewer are held, all of them for -1 and None."""
        cdef Py_ssize_t size = self.count_of(n)
        cdef bytes data
        cdef PyObject *owner
        if self.is_first(size):
            owner = segments_pop(&self.queue)
            data = <bytes> owner
            Py_DECREF(<object> owner)
            return data
        data = self.copy_out(size)
        segments_drop(&self.queue, size)
        return data

    @cython.critical_section
    def peek(self, n=-1):
        """The bytes that ``read(n)`` would take, left where they are."""
        cdef Py_ssize_t size = self.count_of(n)
        if self.is_first(size):
            return <object> segments_at(&self.queue, 0).owner
        return self.copy_out(size)

    cdef Py_ssize_t count_of(self, object n) except -1:
        """How many bytes ``read(n)`` takes."""
        cdef Py_ssize_t size = -1
        if n is not None:
            n = integer(n, "n")
            size = clipped_index(n)
        self.check_open()
        if size < -1:
            raise ValueError(f"n must be -1 (all) or not negative, got {n}")
        return self.queue.bytes if size == -1 else min(size, self.queue.bytes)

    cdef inline bint is_first(self, Py_ssize_t size) noexcept:
        """Whether the first segment is ``bytes`` of this size, and not a part of them."""
        cdef Segment *head
        if self.queue.count == 0:
            return False
        head = segments_at(&self.queue, 0)
        return (
            head.size == size
            and PyBytes_CheckExact(<object> head.owner)
            and PyBytes_GET_SIZE(<object> head.owner) == size
        )

    cdef bytes copy_out(self, Py_ssize_t size):
        cdef bytes data = PyBytes_FromStringAndSize(NULL, size)
        segments_copy(&self.queue, <unsigned char *> PyBytes_AS_STRING(data), size)
        self.copied += size
        return data

    @cython.critical_section
    def readinto(self, buffer):
        """Take as many bytes as ``buffer`` has space for, write them there, and return how many."""
        cdef Py_buffer target
        cdef Py_ssize_t size
        cdef object taken
        self.check_open()
        if not PyObject_CheckBuffer(buffer):
            raise not_writable(buffer)
        PyObject_GetBuffer(buffer, &target, PyBUF_FULL_RO)
        try:
            self.check_open()  # again: the buffer's own code may have closed it
            if target.readonly or (target.format != NULL and strchr(target.format, c"O") != NULL):
                raise not_writable(buffer)  # also an array of objects: bytes written there would be taken for pointers
            if not PyBuffer_IsContiguous(&target, b"C"):
                raise BufferError(
                    f"readinto() takes C-contiguous data, got a {target.ndim}-dimensional view with gaps")
            size = min(target.len, self.queue.bytes)
            taken = size
            segments_copy(&self.queue, <unsigned char *> target.buf, size)
            self.copied += size
            segments_drop(&self.queue, size)
        finally:
            PyBuffer_Release(&target)
        return taken

    @cython.critical_section
    def consume(self, n):
        """Drop the first ``n`` bytes; ValueError if fewer are held."""
        n = integer(n, "n")
        self.check_open()
        if n < 0:
            raise ValueError(f"n must not be negative, got {n}")
        if n > self.queue.bytes:
            raise ValueError(f"cannot consume {n} bytes, {self.queue.bytes} are held")
        segments_drop(&self.queue, n)

    @cython.critical_section
    def clear(self):
        """Drop all bytes held; an outstanding grant stays."""
        self.check_open()
        segments_drop(&self.queue, self.queue.bytes)

    @cython.critical_section
    def views(self, n=-1):
        """Views of the first ``n`` bytes (all for -1 and None), one a segment; nothing is copied or taken.

        Follow with ``consume`` to take what they show. They stay as they are whatever happens to the buffer.
        """
        cdef list views = []
        cdef Py_ssize_t size = self.count_of(n)
        cdef Py_ssize_t place = 0, part
        cdef Segment *segment
        while size > 0:
            segment = segments_at(&self.queue, place)
            part = min(size, segment.size)
            views.append(make_view(<object> segment.owner, segment.data, part))
            size -= part
            place += 1
        return views

    @cython.critical_section
    def find(self, sub, start=0, end=None):
        """The first place of ``sub`` among the bytes held, or -1; arguments as those of ``bytes.find``.

        Only what lies between ``start`` and ``end`` is looked at: pass where the last search ended (less
        ``len(sub) - 1``) to look at no byte twice. Linear in that length.
        """
        cdef Py_ssize_t first, last
        cdef Py_buffer pattern
        cdef Py_ssize_t short_table[SHORT_PATTERN]
        cdef Py_ssize_t *table = short_table
        self.check_open()
        check_pattern(sub)
        if not PyObject_CheckBuffer(sub):
            sub = bytes((sub,))
        first = 0 if start is None else clipped_index(PyNumber_Index(start))
        last = PY_SSIZE_T_MAX if end is None else clipped_index(PyNumber_Index(end))
        PyObject_GetBuffer(sub, &pattern, PyBUF_SIMPLE)
        try:
            self.check_open()  # again: the arguments' own code may have closed it
            first = max(first + self.queue.bytes, 0) if first < 0 else first
            last = max(last + self.queue.bytes, 0) if last < 0 else min(last, self.queue.bytes)
            if pattern.len > last - first:
                return -1
            if pattern.len == 0:
                return first
            if pattern.len > SHORT_PATTERN:
                table = <Py_ssize_t *> PyMem_RawMalloc(pattern.len * sizeof(Py_ssize_t))
                if table == NULL:
                    raise MemoryError
            segments_borders(<const unsigned char *> pattern.buf, pattern.len, table)
            return segments_find(
                &self.queue, first, last, <const unsigned char *> pattern.buf, pattern.len, table)
        finally:
            PyBuffer_Release(&pattern)
            if table != short_table:
                PyMem_RawFree(table)

    # -- state

    @cython.critical_section
    def close(self):
        """Drop everything held and the grant; views given out stay valid. Calling it again does nothing."""
        if self.is_closed:
            return
        self.is_closed = True
        if self.lent is not None:
            self.release_lent()
            self.end_grant()
        self.limit = 0
        segments_drop(&self.queue, self.queue.bytes)
        self.slab = None
        self.spare = None

    cdef inline int check_open(self) except -1:
        if self.is_closed:
            raise ValueError("RingBuffer is closed")
        return 0

    @property
    def capacity(self):
        """The most bytes it holds."""
        return self.bound

    @property
    def free(self):
        """How many bytes ``write`` would take now."""
        return self.room()

    @property
    def closed(self):
        """Whether ``close`` was called."""
        return self.is_closed

    @property
    def copied_bytes(self):
        """Bytes copied so far on their way in and out (the backends copy in different places)."""
        return self.copied

    def __len__(self):
        return self.queue.bytes

    def __enter__(self):
        self.check_open()
        return self

    def __exit__(self, kind, error, trace):
        self.close()

    def __repr__(self):
        state = "closed" if self.is_closed else f"{self.queue.bytes} of {self.bound} bytes"
        return f"<RingBuffer: {state}>"

    def __reduce__(self):
        raise TypeError("cannot pickle 'RingBuffer' object")


cdef int check_pattern(object sub) except -1:
    b"".find(sub)  # raises what bytes.find raises
    return 0


cdef object not_writable(object buffer):
    return TypeError(f"readinto() takes a writable bytes-like object, got {type(buffer).__name__}")
