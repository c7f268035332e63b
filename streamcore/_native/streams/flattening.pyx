# cython: language_level=3, freethreading_compatible=True
"""A stream of the items of iterables, one after the other (twin: ``_pure.streams.flattening``)."""

cimport cython
from cpython.exc cimport PyErr_CheckSignals, PyErr_Occurred
from cpython.object cimport PyObject

from streamcore._native.cpython cimport raise_set, steal
from streamcore._native.streams.closing cimport Stream, pulled

from streamcore._native.streams.closing import close_all
from streamcore._shared.notes import STOPPED, note

cdef extern from *:
    PyObject *next_or_null "PyIter_Next"(object iterator) noexcept  # an exception may be set


@cython.final
@cython.trashcan(True)
cdef class flat_iterator(Stream):
    """flat_iterator(iterator, owned, name=None, caught=None)\n--\n\n\
    Iterate over the items of the iterables that ``iterator`` gives; each is closed before the next one is pulled.

    However it ends, what is open of these is closed, then the entries of the list ``owned``, as ``closing_iterator``
    does; the list is not copied, so that what leaves it meanwhile is left alone. With ``name`` an error of an iterable
    gets a note with it and the iterable's number, counted from 0. With ``caught`` the first ``Exception`` of an
    iterable, or of its close at its end, goes there once that is closed; what it gives comes instead of the rest.
    """

    cdef list owned
    cdef object name
    cdef object inner  # or None
    cdef Py_ssize_t at  # the number of ``inner``
    cdef bint inside  # what is raised now comes from it
    cdef object caught  # or None

    def __cinit__(self, iterator, owned, name=None, caught=None):
        if type(owned) is not list:
            raise TypeError(f"owned must be a list, got {type(owned).__name__}")
        self.owned = owned
        self.name = name
        self.caught = caught
        self.at = -1
        self.over(iterator)

    cdef object step(self, source, bint* ended):
        cdef PyObject* item
        cdef int passed = 0
        while True:
            inner = self.inner
            if inner is not None:
                item = next_or_null(inner)
                if item != NULL:
                    return steal(item)
                self.leave_or_go_on()
                passed += 1
                if not passed & 0xFFF:
                    PyErr_CheckSignals()  # nothing else would, where all of them are C, and empty
                if self.inner is not None:
                    continue
            part = pulled(self, source, ended)
            if ended[0]:
                return None
            self.enter(part)

    cdef int leave_or_go_on(self) except -1:
        """The inner one has ended, or an exception of it is set. Apart: a ``try`` costs 3 ns an item."""
        try:
            if PyErr_Occurred() != NULL:
                raise_set()
            self.leave()
        except Exception as error:
            if self.caught is None:
                raise
            caught = self.caught
            inner = self.inner
            self.caught = self.inner = None
            close_all((inner,), error)
            self.enter(caught(error))
        return 0

    cdef int enter(self, part) except -1:
        self.at += 1
        self.inside = True
        try:
            self.inner = iter(part)
        except StopIteration as stop:
            raise RuntimeError(STOPPED) from stop
        return 0

    cdef int leave(self) except -1:
        inner = self.inner
        self.inside = False
        self.inner = None
        close = getattr(inner, "close", None)
        if close is not None:
            try:
                close()
            except StopIteration as stop:
                raise RuntimeError(STOPPED) from stop
        return 0

    cdef list detach(self, error):
        cdef list owned = list(self.owned)
        if self.inner is not None:
            owned.append(self.inner)
        self.source = self.inner = self.caught = None
        self.owned = []
        if error is not None and self.inside and self.name is not None:
            note(error, self.name, self.at)
        return owned
