# cython: language_level=3, freethreading_compatible=True
"""Batches as an Arrow stream of records (``struct ArrowArrayStream``); native only.

A consumer pulls from whatever thread it likes, without the GIL, and knows no exceptions: one becomes an error number
and a message, and Ctrl-C is sent again. Pulled from and let go midway, the stream closes its source; let go untouched
(some consumers look at the type alone), it leaves the iterator as it was.
"""

cimport cython
from cpython.exc cimport PyErr_SetInterrupt
from cpython.object cimport PyObject
from cpython.ref cimport Py_INCREF, Py_XDECREF
from libc.errno cimport EINTR, EINVAL, EIO, ENOMEM

from streamcore._native.arrow.structures cimport (
    arrow_move_array, arrow_move_type, arrow_new_stream, ArrowArray, ArrowArrayStream, ArrowSchema,
)

from streamcore._native.arrow.columns import column_type, requested_kinds
from streamcore._shared.notes import shown

cdef extern from "Python.h":
    void PyErr_Fetch(PyObject **kind, PyObject **value, PyObject **traceback) noexcept
    void PyErr_Restore(PyObject *kind, PyObject *value, PyObject *traceback) noexcept
    bint Py_IsInitialized() noexcept nogil


@cython.final
cdef class Export:
    """What an exported stream holds."""

    cdef object batches  # the iterator; None once the stream has ended
    cdef tuple kinds  # name and format of each column
    cdef object wanted  # the requested schema, for batches to comply with; or None
    cdef bint pulled
    cdef int failure  # error number of the exception that ended the stream, else 0
    cdef bytes message

    cdef int pull(self, ArrowArray *out) except -1:
        self.pulled = True
        batch = None if self.batches is None else next(self.batches, None)
        if batch is None:
            self.batches = None
            return 0
        _, data = batch._arrow_record(self.wanted)
        return arrow_move_array(data, out)

    cdef int failed(self, object error) noexcept:
        """The error number for an exception, whose message is kept."""
        self.failure = EIO
        if isinstance(error, MemoryError):
            self.failure = ENOMEM
        elif isinstance(error, ValueError):
            self.failure = EINVAL
        elif isinstance(error, KeyboardInterrupt):
            self.failure = EINTR
        try:
            self.message = described(error).encode("utf-8", "replace").replace(b"\0", b"")
        except BaseException:
            self.message = b"an exception that cannot be shown"
        if self.failure == EINTR:
            PyErr_SetInterrupt()  # the consumer cannot raise it; last, for it strikes in the next code of Python
        return self.failure

    cdef int close(self) except -1:
        batches, self.batches = self.batches, None
        if batches is not None and self.pulled:
            batches.close()
        return 0


cdef str described(object error):
    lines = [shown(error)]
    for note in getattr(error, "__notes__", ()):
        lines.append(str(note))
    return "\n".join(lines)


cdef int get_schema(ArrowArrayStream *stream, ArrowSchema *out) noexcept with gil:
    cdef Export export = <Export> stream.private_data
    cdef PyObject *kind = NULL
    cdef PyObject *value = NULL
    cdef PyObject *traceback = NULL
    cdef int failure = 0
    PyErr_Fetch(&kind, &value, &traceback)
    out.release = NULL
    try:
        arrow_move_type(column_type(export.kinds, True), out)
    except BaseException as error:
        failure = export.failed(error)
    PyErr_Restore(kind, value, traceback)
    return failure


cdef int get_next(ArrowArrayStream *stream, ArrowArray *out) noexcept with gil:
    cdef Export export = <Export> stream.private_data
    cdef PyObject *kind = NULL
    cdef PyObject *value = NULL
    cdef PyObject *traceback = NULL
    out.release = NULL
    if export.failure:
        return export.failure
    PyErr_Fetch(&kind, &value, &traceback)
    try:
        export.pull(out)
    except BaseException as error:
        export.failed(error)
    PyErr_Restore(kind, value, traceback)
    return export.failure


cdef const char *get_last_error(ArrowArrayStream *stream) noexcept with gil:
    cdef Export export = <Export> stream.private_data
    return NULL if export.message is None else <char *> export.message


cdef void let_go(ArrowArrayStream *stream) noexcept with gil:
    cdef PyObject *held = <PyObject *> stream.private_data
    cdef PyObject *kind = NULL
    cdef PyObject *value = NULL
    cdef PyObject *traceback = NULL
    PyErr_Fetch(&kind, &value, &traceback)
    finish(held)
    Py_XDECREF(held)
    PyErr_Restore(kind, value, traceback)


cdef int finish(PyObject *held) noexcept:
    """An exception of the source's end has nowhere to go but to ``sys.unraisablehook``."""
    (<Export> held).close()
    return 0


cdef void release(ArrowArrayStream *stream) noexcept nogil:
    if Py_IsInitialized():
        let_go(stream)
    stream.release = NULL


def export_stream(batches, kinds, requested_schema):
    """A capsule with a stream of the batches of an iterator, each a struct of columns of these kinds.

    Text comes as large_binary where ``requested_schema`` asks for it; any other wish is passed over.
    """
    cdef Export export = Export.__new__(Export)
    cdef ArrowArrayStream *stream = NULL
    export.batches = batches
    export.kinds = kinds if requested_schema is None else requested_kinds(kinds, requested_schema)
    if export.kinds != kinds:
        export.wanted = column_type(export.kinds, True)
    capsule = arrow_new_stream(&stream)
    Py_INCREF(export)
    stream.private_data = <void *> export
    stream.get_schema = get_schema
    stream.get_next = get_next
    stream.get_last_error = get_last_error
    stream.release = release
    return capsule
