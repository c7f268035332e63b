# cython: language_level=3, freethreading_compatible=True
"""How other native modules make views and take fragments; see view.pyx."""

cimport cython
from cpython.bytes cimport PyBytes_AS_STRING, PyBytes_CheckExact, PyBytes_GET_SIZE


@cython.final
cdef class View:
    cdef object owner  # what keeps the memory alive and unchanged: bytes, a slab or a Hold; None once released
    cdef const unsigned char *data  # first byte; meaningless once released
    cdef Py_ssize_t size  # bytes
    cdef Py_ssize_t exports  # buffers taken from this view and not yet given back
    cdef Py_hash_t hashed  # cached hash, -1 if not computed yet

    cdef int check(self) except -1  # ValueError once released
    cdef int check_new(self) except -1  # TypeError once it was made


@cython.final
cdef class Hold:
    cdef Py_buffer buffer  # held from construction to deallocation


# `data` as memory that nobody can change: returns what keeps it alive, and sets where it starts and its
# bytes. The slow path of freeze(); use that.
cdef object freeze_buffer(
    object data, str taker, bint borrow, const unsigned char **start, Py_ssize_t *size)


cdef inline View make_view(object owner, const unsigned char *data, Py_ssize_t size):
    """A view of the ``size`` bytes at ``data``, which stay alive and unchanged as long as ``owner`` lives."""
    cdef View view = View.__new__(View)
    view.owner = owner
    view.data = data
    view.size = size
    return view


cdef inline object freeze(
        object data, str taker, bint borrow, const unsigned char **start, Py_ssize_t *size):
    """Take a fragment as in ``_pure.buffers.view.freeze``: sets ``start`` and ``size``, returns the owner to hold."""
    if PyBytes_CheckExact(data):
        start[0] = <const unsigned char *> PyBytes_AS_STRING(data)
        size[0] = PyBytes_GET_SIZE(data)
        return data
    return freeze_buffer(data, taker, borrow, start, size)
