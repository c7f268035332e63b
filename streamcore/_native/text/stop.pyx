# cython: language_level=3, freethreading_compatible=True
"""Engine that ends a stream before the first of some strings (twin: ``_pure.text.stop``)."""

cimport cython
from cpython.object cimport PyObject

from streamcore._native.cpython cimport own
from streamcore._native.engine.span_engine cimport AS_BYTES, AS_STR
from streamcore._native.text.marked cimport MarkedEngine

from streamcore._shared.markers import include_option, stop_strings


@cython.final
cdef class StopEngine(MarkedEngine):
    """StopEngine(*strings, include=False)\n--\n\n\
    Gives text or bytes up to the first of some strings, and with ``include`` that string; then it is ``done``.

    The first is the one that begins first, of those the shortest. ``matched`` is that string, ``rest`` what stood
    behind it in its fragment; later fragments are passed over. Held back is only what one of the strings may begin
    with.
    """

    # progress.state: number of the string that was found
    cdef tuple strings
    cdef bint with_match
    cdef object after  # what stood behind it

    def __cinit__(self, *strings, **options):  # "include" is a word of Cython's
        self.with_match = include_option(**options)
        texts = stop_strings(strings)
        self.configure("Stop", bytes, False, None, "raise", "emit")
        self.strings = tuple(texts)
        self.set_markers([texts], False)
        self.begin()

    @property
    def matched(self):
        """The string that ended the stream, else None."""
        return self.strings[self.progress.state - 1] if self.progress.state else None

    @property
    def rest(self):
        """What stood behind it in its fragment, else empty."""
        if self.progress.state:
            return self.after
        return "" if self.text else b""

    cdef bint is_done(self) noexcept:
        return self.progress.state != 0

    cdef PyObject *take(self) except? NULL:
        cdef Py_ssize_t start = self.progress.start, stop
        if self.progress.state:
            return NULL
        self.kind = AS_STR if self.text else AS_BYTES
        if self.find():
            stop = self.match_stop() if self.with_match else self.run.start
            piece = self.piece(start, stop)
            self.after = self.piece(self.match_stop(), self.length)
            self.progress.state = self.run.match
            if start < stop:
                return own(piece)
            return NULL
        stop = self.sure_with_marker() if self.with_match else self.sure()
        if start < stop:
            piece = self.piece(start, stop)
            self.progress.start = stop
            return own(piece)
        return NULL

    cdef int settle(self) except -1:
        if self.progress.state:
            self.take_kind()
            self.progress.flag = 0
            self.progress.start = 0
            return 0
        return MarkedEngine.settle(self)

    cdef int clear(self) except -1:
        self.after = None
        return MarkedEngine.clear(self)
