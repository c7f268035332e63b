# cython: language_level=3
"""What native engines of byte spans are made of: fragments in, items out, what is unfinished carried over.

How a new engine plugs in
-------------------------
Derive from ``Engine``; in ``__cinit__`` call ``configure()``. Then fill the hooks below. The base does the rest:
ownership of fragments, limits, items of each type, ``skipped`` and ``batches``; and its own base (engine.pxd) the life
cycle: ``feed finish reset iterate error offset``, cleanup, notes, errors after items.

A fragment is ``ptr[0:length]``, kept alive by ``owner``; ``base`` is the stream offset of ``ptr[0]``. What earlier
fragments left unfinished is ``carry[0:carry_size]`` and lies, in the same coordinates, at ``[-carry_size, 0)``: an item
may thus span ``[s, e)`` with a negative ``s``, and ``cut(s, e)`` makes it, by whatever way costs least.

The calls come in this order: ``begin()`` once a fragment (also an empty one), ``take()`` until it gives NULL,
``settle()`` (copy what is unfinished out of the fragment, by ``keep()``). At the end of input ``end()``, then
``take()`` until NULL, with ``ended`` set and ``length`` 0.

A hook that raises (in practice: MemoryError) must leave the object as if it had not been called: ``take()`` makes its
item first and moves ``progress`` on after that; ``settle()`` moves after its last allocation. ``feed()`` and
``finish()`` restore ``progress`` and drop the fragment when anything raises, so state that a fragment changes belongs
into ``progress``, or must be rebuilt by ``begin()``. An error of the *input* is not raised but given to ``fail()``;
then ``take()`` returns NULL.

Memory that is ``lent`` may change between two reads, though its owner promised otherwise: what comes of that may be
wrong, but has to stay inside the memory and inside what was allocated. ``cut()`` and ``join()`` read each byte once.
"""

from cpython.object cimport PyObject

from streamcore._native.engine.engine cimport AHEAD_ITEMS, BaseEngine


cdef enum:
    AS_BYTES = 0
    AS_STR = 1
    AS_VIEW = 2

cdef enum:
    RAISE_OVERSIZE = 0
    SKIP_OVERSIZE = 1
    TRUNCATE_OVERSIZE = 2

cdef enum:
    EMIT_INCOMPLETE = 0
    DROP_INCOMPLETE = 1
    RAISE_INCOMPLETE = 2

# A batch ends after so many items or bytes, or where the fragment ends.
cdef enum:
    BATCH_ITEMS = 16384
    BATCH_BYTES = 1 << 20

# Of the items that an iterator makes ahead, the bytes after which it stops.
cdef enum:
    AHEAD_BYTES = 1 << 12


cdef struct Progress:
    Py_ssize_t start  # where the unfinished item starts, relative to the fragment
    Py_ssize_t state  # the engine's own
    long long skipped  # items dropped by on_oversize="skip"
    bint discard  # inside an oversized item: everything up to its end vanishes
    long long discarded  # stream offset where that item starts
    int flag, open  # the engine's own


cdef class Engine(BaseEngine):  # ``unit`` is "byte", or "character" for str input
    cdef int kind  # AS_BYTES ...
    cdef int on_oversize, on_incomplete
    cdef bint borrow
    cdef Py_ssize_t max_size  # PY_SSIZE_T_MAX for no limit

    cdef object owner  # keeps ptr alive
    cdef const unsigned char *ptr
    cdef bint lent  # others may write at ptr (borrow=True): nothing may rest on reading a byte twice
    cdef Py_ssize_t length  # bytes at ptr
    cdef long long base  # stream offset of ptr[0]
    cdef Progress progress, saved  # saved: for undo()
    cdef list gathered  # items of a batch that could not be made yet, for want of memory; else None
    cdef unsigned char *carry
    cdef Py_ssize_t carry_size, carry_capacity

    # For engines to call.
    cdef int configure(self, str name, object as_, object borrow, object max_size, object on_oversize,
                       object on_incomplete) except -1
    cdef PyObject *cut(self, Py_ssize_t start, Py_ssize_t stop) except? NULL  # NULL also after fail()
    cdef object join(self, Py_ssize_t start, Py_ssize_t stop)  # the same as bytes
    cdef int keep(self, Py_ssize_t start) except -1  # carry [start, length)
    cdef int reserve(self, Py_ssize_t size) except -1  # capacity of the carry
    cdef PyObject *oversized(self, Py_ssize_t start) except? NULL
    cdef PyObject *overrun(self, Py_ssize_t start, Py_ssize_t decided) except? NULL
    cdef PyObject *incomplete(self) except? NULL
    cdef unsigned char at(self, Py_ssize_t index) noexcept

    # For engines to fill.
    cdef int accept(self, object fragment) except -1  # sets owner, ptr, length; here: bytes-like
    cdef int begin(self) except -1
    cdef object take_batch(self)  # Batch, or None when none is left; here: made from take()
    cdef object batch_class(self)  # Batch, or a class derived from it
    cdef Py_ssize_t size_of(self, object item) except -1  # what it counts for in a batch; here: its length
    cdef bint knows_kind(self)  # whether kind is what it will be; False while that hangs on the first fragment
    cdef int settle(self) except -1
    cdef int clear(self) except -1  # part of reset(), and of closing an iterator midway

    cdef int drop_fragment(self) except -1
