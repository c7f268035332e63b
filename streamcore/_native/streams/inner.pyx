# cython: language_level=3, freethreading_compatible=True
"""What ``async_closing_iterator`` takes with ``opened``. In the twin, ``_pure.streams.async_closing``, a method."""

cimport cython
from cpython.object cimport PyObject

from streamcore._native.streams.awaiting cimport streamcore_next, streamcore_raised
from streamcore._native.streams.surroundings cimport streamcore_leave

from streamcore._shared.surroundings import SURROUNDING

cdef extern from "Python.h":
    PyObject* PyContextVar_Set(object variable, object value) noexcept
    PyObject* PyErr_Occurred() noexcept


@cython.final
cdef class Inner:
    """The iterator of those that are open whose items come next."""

    def __cinit__(self, opened):
        self.opened = opened

    cdef int opens(self) except -1:
        """The last one comes next."""
        self.iterator = self.opened.entries[-1]
        return 0

    cdef bint drawn(self, object config, bint* stepping, PyObject** result) except -1:
        """Take its next item, with ``config`` around it; False where it has ended. ``stepping`` is set meanwhile."""
        cdef PyObject* token = NULL
        iterator = self.iterator  # kept alive, whatever the step does to the stream
        if config is not None:
            token = PyContextVar_Set(SURROUNDING, config)
            if token == NULL:
                streamcore_raised()
        stepping[0] = True
        result[0] = streamcore_next(iterator)
        stepping[0] = False
        streamcore_leave(SURROUNDING, token)
        if result[0] != NULL:
            return True
        self.iterator = None
        if PyErr_Occurred() != NULL:
            try:
                streamcore_raised()
            except BaseException as error:
                self.opened.failed(error)
                raise
        return False
