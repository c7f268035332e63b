# cython: language_level=3, freethreading_compatible=True
"""What comes of a JSON document that grows, and the value that it folds to (twin: ``_pure.text.json_delta``)."""

cimport cython
from cpython.list cimport PyList_GET_SIZE, PyList_SetSlice
from cpython.object cimport Py_EQ, Py_NE, PyObject
from cpython.tuple cimport PyTuple_GET_ITEM, PyTuple_GET_SIZE

from streamcore._native.cpython cimport own

from streamcore._shared.json_text import checked_delta, no_document, not_a_delta


@cython.final
@cython.freelist(64)
cdef class JSONDelta:
    """JSONDelta(path, value, done=True)\n--\n\n\
    What came of the value at ``path``, a tuple of keys and indexes.

    A string comes in pieces, the last of which is ``done``; ``{}`` or ``[]`` when one opens, and again, ``done``, when
    it closes; anything else once, ``done``.
    """

    __match_args__ = ("path", "value", "done")

    def __init__(self, path, value, done=True):
        checked = checked_delta(path, value, done)
        if self.path is not None:
            raise TypeError("JSONDelta is made already and does not change")
        self.path, self.value, self.done = checked

    def __repr__(self):
        return f"JSONDelta(path={self.path!r}, value={self.value!r}, done={self.done})"

    def __hash__(self):
        return hash((self.path, self.done))

    def __richcmp__(self, other, int op):
        cdef JSONDelta one
        if type(other) is not JSONDelta or op not in (Py_EQ, Py_NE):
            return NotImplemented
        one = <JSONDelta> other
        same = (type(self.value) is type(one.value)
                and (self.path, self.value, self.done) == (one.path, one.value, one.done))
        return same is (op == Py_EQ)

    def __reduce__(self):
        return JSONDelta, (self.path, self.value, self.done)


cdef PyObject *delta(tuple path, object value, bint done) except NULL:
    cdef JSONDelta made = JSONDelta.__new__(JSONDelta)
    made.path = path
    made.value = value
    made.done = done
    return own(made)


def json_folded(deltas):
    """The value of a document by its deltas, up to where they come: what is open counts as it is.

    ValueError for deltas that are not those of one document.
    """
    cdef list levels = [], pieces = None
    cdef tuple open_path = None, path
    cdef JSONDelta one
    cdef object root = NOTHING, value
    cdef Py_ssize_t depth
    for made in deltas:
        if type(made) is not JSONDelta:
            raise not_a_delta(made)
        one = <JSONDelta> made
        path, value = one.path, one.value
        if path is None:
            raise not_a_delta(made)
        depth = PyTuple_GET_SIZE(path)
        if depth > PyList_GET_SIZE(levels):
            raise no_document(path)
        if type(value) is str:
            if open_path is not None and open_path != path:
                raise no_document(path)
            if not one.done:
                if open_path is None:
                    open_path, pieces = path, []
                pieces.append(value)
                continue
            if open_path is not None:
                pieces.append(value)
                value = "".join(pieces)
                open_path = pieces = None
        elif open_path is not None:
            raise no_document(path)
        elif type(value) is dict or type(value) is list:
            if one.done and depth < PyList_GET_SIZE(levels):
                PyList_SetSlice(levels, depth, PyList_GET_SIZE(levels), NO_LEVELS)
                continue
            if not one.done:
                value = [] if type(value) is list else {}
        if depth == 0:
            root = value
        else:
            place(levels[depth - 1], <object> PyTuple_GET_ITEM(path, depth - 1), value, path)
        PyList_SetSlice(levels, depth, PyList_GET_SIZE(levels), NO_LEVELS)
        if not one.done:
            levels.append(value)
    if open_path is not None:
        value = "".join(pieces)
        if PyTuple_GET_SIZE(open_path) == 0:
            root = value
        else:
            place(levels[PyTuple_GET_SIZE(open_path) - 1], open_path[-1], value, open_path)
    if root is NOTHING:
        raise no_document(None)
    return root


cdef object NOTHING = object()
cdef list NO_LEVELS = []


cdef int place(object level, object key, object value, tuple path) except -1:
    if type(level) is dict:
        (<dict> level)[key] = value
    elif type(key) is int and key == PyList_GET_SIZE(level):
        (<list> level).append(value)
    else:
        raise no_document(path)
    return 0
