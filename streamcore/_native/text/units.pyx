# cython: language_level=3, freethreading_compatible=True
"""Base of the engines that take text as well as bytes; a mutable buffer is copied on entry."""

from cpython.bytes cimport PyBytes_AS_STRING, PyBytes_CheckExact, PyBytes_GET_SIZE
from cpython.object cimport PyObject
from cpython.unicode cimport PyUnicode_Check, PyUnicode_GET_LENGTH, PyUnicode_KIND, PyUnicode_Substring

from streamcore._native.cpython cimport new_bytes, steal, text_data
from streamcore._native.engine.span_engine cimport Engine

from streamcore._shared.markers import other_kind

cdef extern from *:
    """
    #if PY_VERSION_HEX < 0x030C0000
    #define units_ready(text) PyUnicode_READY(text)
    #else
    #define units_ready(text) 0
    #endif
    """
    int units_ready(object text) except -1


cdef class UnitEngine(Engine):
    """Base of the engines that take str or bytes-like fragments."""

    def __cinit__(self):
        self.text = True

    cdef int accept(self, object fragment) except -1:
        cdef bint text = PyUnicode_Check(fragment)
        if self.input != ANY_INPUT and (self.input == TEXT_INPUT) != text:
            raise other_kind(self.name, fragment, not text)
        if text:
            units_ready(fragment)
            self.owner = fragment
            self.ptr = <const unsigned char *> text_data(<PyObject *> fragment)
            self.length = PyUnicode_GET_LENGTH(fragment)
            self.width = PyUnicode_KIND(fragment)
            self.lent = False
        else:
            try:
                Engine.accept(self, fragment)
            except TypeError:
                raise TypeError(f"{self.name} takes str or bytes-like data, got {type(fragment).__name__}") from None
            self.width = 1
        self.text = text
        self.unit = "character" if text else "byte"
        return 0

    cdef int take_kind(self) except -1:
        if self.owner is not None:
            self.input = TEXT_INPUT if self.text else BYTES_INPUT
        return 0

    cdef int clear(self) except -1:
        self.input = ANY_INPUT
        self.text = True
        self.unit = "byte"
        return 0

    cdef object units(self, Py_ssize_t start, Py_ssize_t stop):
        if self.text:
            return PyUnicode_Substring(self.owner, start, stop)
        if start == 0 and stop == self.length and PyBytes_CheckExact(self.owner) and (
                PyBytes_GET_SIZE(self.owner) == stop
                and <const unsigned char *> PyBytes_AS_STRING(self.owner) == self.ptr):
            return self.owner
        return steal(new_bytes(<const char *> self.ptr + start, stop - start))
