# cython: language_level=3, freethreading_compatible=True
"""Read-only windows of bytes (twin: ``memoryview``, by ``_pure.buffers.view``).

Goals: an object per item at a fifth of the price of a ``memoryview`` slice; memory that cannot go or change
while any view of it, or any buffer of such a view, lives. Plan: a view holds its owner directly, so a slice
of a view keeps no chain of views; a buffer taken from a view holds the view (and is counted), which holds
the owner. Owners do not refer to views, so views need no cycle collection; the exception would be an object
lent with ``borrow=True`` that stores a view of itself.
"""

cimport cython
from cpython.buffer cimport (
    PyBUF_FORMAT, PyBUF_FULL_RO, PyBUF_ND, PyBUF_STRIDES, PyBUF_WRITABLE,
    PyBuffer_IsContiguous, PyBuffer_Release, PyObject_CheckBuffer, PyObject_GetBuffer,
)
from cpython.bytes cimport PyBytes_Check, PyBytes_FromStringAndSize
from cpython.memoryview cimport PyMemoryView_Check, PyMemoryView_FromObject
from cpython.number cimport PyIndex_Check, PyNumber_AsSsize_t
from cpython.slice cimport PySlice_AdjustIndices, PySlice_Check, PySlice_Unpack
from libc.string cimport memchr, memcmp

from _collections_abc import Sequence

cdef extern from *:
    """
    /* hash(bytes) without the bytes. Public since 3.14; before, the function that bytes use for all but empty ones
       (Py_HASH_CUTOFF, another function for short ones, is 0 unless somebody built a Python of their own so). */
    static Py_hash_t streamcore_hash_bytes(const void *data, Py_ssize_t size) {
    #if PY_VERSION_HEX >= 0x030E0000
        return Py_HashBuffer(data, size);
    #elif Py_HASH_CUTOFF > 0
        PyObject *bytes = PyBytes_FromStringAndSize((const char *)data, size);
        Py_hash_t hash = bytes ? PyObject_Hash(bytes) : -1;
        Py_XDECREF(bytes);
        return hash;
    #else
        Py_hash_t hash = size ? PyHash_GetFuncDef()->hash(data, size) : 0;
        return hash == -1 ? -2 : hash;
    #endif
    }
    """
    Py_hash_t streamcore_hash_bytes(const void *data, Py_ssize_t size) except -1

__all__ = ["View"]

cdef Py_ssize_t ONE = 1  # the stride of every exported buffer
cdef char *BYTE = "B"  # and its format
cdef str RELEASED = "operation forbidden on released memoryview object"


@cython.final
@cython.no_gc
cdef class Hold:
    """Keeps a buffer of some other object held, as the owner of views of it."""

    def __cinit__(self, object data):
        PyObject_GetBuffer(data, &self.buffer, PyBUF_FULL_RO)

    def __dealloc__(self):
        PyBuffer_Release(&self.buffer)


cdef bint lies_in(object owner, const unsigned char *start, Py_ssize_t size) noexcept:
    """Whether memory is part of ``owner``; a subclass of bytes may export something else (PEP 688)."""
    cdef const unsigned char *first = <const unsigned char *> PyBytes_AS_STRING(owner)
    return first <= start and start + size <= first + PyBytes_GET_SIZE(owner)


cdef object copied(const unsigned char *data, Py_ssize_t size, const unsigned char **start):
    """The bytes at ``data``, read once."""
    copy = PyBytes_FromStringAndSize(<const char *> data, size)
    start[0] = <const unsigned char *> PyBytes_AS_STRING(copy)
    return copy


cdef object freeze_view(View view, bint borrow, const unsigned char **start, Py_ssize_t *size):
    cdef object owner
    with cython.critical_section(view):
        owner = view.owner
        start[0] = view.data
        size[0] = view.size
    if owner is None:
        raise ValueError(RELEASED)
    if type(owner) is Hold and not borrow:  # that was lent to who made the view, not to this taker
        return copied(start[0], size[0], start)
    return owner


cdef object freeze_buffer(
        object data, str taker, bint borrow, const unsigned char **start, Py_ssize_t *size):
    cdef Hold held
    cdef object owner
    if isinstance(data, View):
        return freeze_view(<View> data, borrow, start, size)
    if not PyObject_CheckBuffer(data):
        raise TypeError(f"{taker} takes bytes-like data, got {type(data).__name__}")
    held = Hold(data)
    if not PyBuffer_IsContiguous(&held.buffer, b"C"):
        raise BufferError(
            f"{taker} takes C-contiguous data, got a {held.buffer.ndim}-dimensional view with gaps")
    owner = data
    if PyMemoryView_Check(data):
        owner = data.obj
    start[0] = <const unsigned char *> held.buffer.buf
    size[0] = held.buffer.len
    if PyBytes_Check(owner) and lies_in(owner, start[0], size[0]):
        return owner
    if isinstance(owner, View):
        # `data` may release the view before this taker is done: hold what the view holds (not None as long as
        # there is a buffer of it).
        owner = (<View> owner).owner
        if borrow or type(owner) is not Hold:
            return owner
    elif borrow:
        return held
    return copied(start[0], size[0], start)


@cython.final
@cython.no_gc
@cython.freelist(256)
@cython.collection_type("sequence")
cdef class View:
    """View(data)\n--\n\nRead-only window of bytes that keeps its memory alive and never changes.

    ``data`` is any C-contiguous bytes-like object: ``bytes`` and views of ``bytes`` are shared, everything
    else is copied once. Stages make views without copying. It has what a one-dimensional ``memoryview`` of
    bytes has: the buffer protocol, ``tobytes``, indexing, comparison with anything bytes-like, the hash of
    the ``bytes`` (so both find each other in a dict), ``release`` and ``with``. A slice of step 1 is a View
    that shares the memory and outlives this one's release; other steps give a ``memoryview``. Like a
    ``memoryview`` it can be neither copied nor pickled: take ``tobytes()``.
    """

    def __cinit__(self):
        self.hashed = -1

    def __init__(self, object data):
        cdef const unsigned char *start = NULL
        cdef Py_ssize_t size = 0
        cdef object owner
        self.check_new()
        owner = freeze(data, "View", False, &start, &size)
        self.check_new()  # the data's own code may have made it meanwhile
        self.data = start
        self.size = size
        self.owner = owner

    cdef int check_new(self) except -1:
        if self.owner is not None or self.data != NULL:
            raise TypeError("View is made already and does not change")
        return 0

    # -- buffer protocol

    @cython.critical_section
    def __getbuffer__(self, Py_buffer *buffer, int flags):
        if self.owner is None:
            raise ValueError(RELEASED)
        if flags & PyBUF_WRITABLE:
            raise BufferError("memoryview: underlying buffer is not writable")
        buffer.obj = self
        buffer.buf = <void *> self.data
        buffer.len = self.size
        buffer.readonly = True
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

    @cython.critical_section
    def release(self):
        """Let go of the memory now; every later use but this one is a ValueError."""
        if self.exports:
            plural = "" if self.exports == 1 else "s"
            raise BufferError(f"memoryview has {self.exports} exported buffer{plural}")
        self.owner = None

    def __enter__(self):
        self.check()
        return self

    def __exit__(self, *exc_info):
        self.release()

    # -- contents

    cdef int check(self) except -1:
        if self.owner is None:
            raise ValueError(RELEASED)
        return 0

    @cython.critical_section
    def tobytes(self, order=None):
        """The bytes, copied out; ``order`` is there because ``memoryview`` has it and changes nothing."""
        self.check()
        if order is not None:
            if not isinstance(order, str):
                raise TypeError(
                    f"tobytes() argument 'order' must be str or None, not {type(order).__name__}")
            if str.__str__(order) not in ("C", "F", "A"):
                raise ValueError("order must be 'C', 'F' or 'A'")
        return PyBytes_FromStringAndSize(<const char *> self.data, self.size)

    def hex(self, *args, **kwargs):
        """The bytes as hexadecimal digits, as ``bytes.hex``."""
        return self.tobytes().hex(*args, **kwargs)

    def tolist(self):
        """The bytes as a list of ints."""
        return list(self.tobytes())

    def toreadonly(self):
        """This view: it is read-only already."""
        self.check()
        return self

    def cast(self, *args, **kwargs):
        """A ``memoryview`` of the same memory in another format or shape, as ``memoryview.cast``."""
        return PyMemoryView_FromObject(self).cast(*args, **kwargs)

    @cython.critical_section
    def __len__(self):
        self.check()
        return self.size

    @cython.critical_section
    def __getitem__(self, key):
        cdef Py_ssize_t start, stop, step, count
        cdef object owner = self.owner  # a slice holds it even if an __index__ releases this view, as memoryview does
        self.check()
        if PyIndex_Check(key):
            start = PyNumber_AsSsize_t(key, IndexError)
            self.check()  # again: __index__ may have released it
            if start < 0:
                start += self.size
            if not 0 <= start < self.size:
                raise IndexError("index out of bounds on dimension 1")
            return self.data[start]
        if PySlice_Check(key):
            PySlice_Unpack(key, &start, &stop, &step)
            if step == 1:
                count = PySlice_AdjustIndices(self.size, &start, &stop, step)
                return make_view(owner, self.data + start, count)
            return PyMemoryView_FromObject(make_view(owner, self.data, self.size))[start:stop:step]
        return PyMemoryView_FromObject(self)[key]

    def __setitem__(self, key, value):
        raise TypeError("cannot modify read-only memory")

    def __delitem__(self, key):
        raise TypeError("cannot delete memory")

    def __iter__(self):
        return iter(PyMemoryView_FromObject(self))

    @cython.critical_section
    def __contains__(self, item):
        self.check()
        if type(item) is int:
            return 0 <= item <= 255 and memchr(self.data, item, self.size) != NULL
        return item in PyMemoryView_FromObject(self)

    def __eq__(self, other):
        if self is other:
            return True
        if self.owner is None:
            return False
        if isinstance(other, View):
            return equal(self, <View> other)
        if PyBytes_CheckExact(other):
            return equal_bytes(self, other)
        return PyMemoryView_FromObject(self).__eq__(other)

    @cython.critical_section
    def __hash__(self):
        if self.hashed == -1:
            self.check()
            self.hashed = streamcore_hash_bytes(self.data, self.size)
        return self.hashed

    def __repr__(self):
        if self.owner is None:
            return "<released View>"
        shown = self[:20].tobytes()
        return f"<View of {len(self)} bytes: {shown!r}{'...' if len(self) > 20 else ''}>"

    def __reduce__(self):
        raise TypeError("cannot pickle 'View' object: take its tobytes()")

    # -- what memoryview tells about its layout

    @property
    @cython.critical_section
    def obj(self):
        """The object whose memory this is."""
        self.check()
        if isinstance(self.owner, Hold):
            return <object> (<Hold> self.owner).buffer.obj
        return self.owner

    @property
    def nbytes(self):
        """Size in bytes."""
        self.check()
        return self.size

    @property
    def readonly(self):
        """True."""
        self.check()
        return True

    @property
    def format(self):
        """``"B"``: unsigned bytes."""
        self.check()
        return "B"

    @property
    def itemsize(self):
        """1."""
        self.check()
        return 1

    @property
    def ndim(self):
        """1."""
        self.check()
        return 1

    @property
    def shape(self):
        """``(nbytes,)``."""
        self.check()
        return (self.size,)

    @property
    def strides(self):
        """``(1,)``."""
        self.check()
        return (1,)

    @property
    def suboffsets(self):
        """``()``."""
        self.check()
        return ()

    @property
    def c_contiguous(self):
        """True."""
        self.check()
        return True

    @property
    def f_contiguous(self):
        """True."""
        self.check()
        return True

    @property
    def contiguous(self):
        """True."""
        self.check()
        return True


@cython.critical_section
cdef bint equal_bytes(View view, bytes other):
    return (
        view.owner is not None
        and view.size == PyBytes_GET_SIZE(other)
        and not memcmp(view.data, PyBytes_AS_STRING(other), view.size)
    )


cdef bint equal(View left, View right):
    with cython.critical_section(left, right):
        return (
            left.owner is not None
            and right.owner is not None
            and left.size == right.size
            and not memcmp(left.data, right.data, left.size)
        )


Sequence.register(View)
