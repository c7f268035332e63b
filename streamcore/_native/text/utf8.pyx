# cython: language_level=3, freethreading_compatible=True
"""Incremental UTF-8 decoder (twin: ``_pure.text.utf8``): what makes the str in utf8_text.pyx, kernels in utf8.h.

Goals: one str per fragment, made at its final width and written once; nothing withheld but bytes of a character that
may still be completed; the same errors for every cut.
Plan: ``progress.start`` is the first byte not yet decoded, negative while the start of a character waits in the carry.
A span is measured first (that checks it and tells its width), then written; ASCII is written while it is checked.
"""

cimport cython
from cpython.bytes cimport PyBytes_AS_STRING, PyBytes_FromStringAndSize
from cpython.object cimport PyObject
from cpython.unicode cimport PyUnicode_FromOrdinal
from libc.stdint cimport uint8_t, uint32_t
from libc.stddef cimport size_t
from libc.string cimport memcpy, memmove

from streamcore._native.cpython cimport own
from streamcore._native.engine.span_engine cimport Engine
from streamcore._native.kernels.utf8_text cimport NO_CHARACTER, decode_span

from streamcore._shared.error_handlers import ask_handler, errors_option
from streamcore.errors import InvalidEncoding

cdef extern from "kernels/utf8.h" nogil:
    enum:
        UTF8_MAX_BAD

    int utf8_match(const uint8_t *p, size_t n, int surrogates, int *need) noexcept
    uint32_t utf8_code_point(const uint8_t *p, int length) noexcept
    size_t utf8_held(const uint8_t *p, size_t n, int surrogates) noexcept
    int utf8_bad_length(const uint8_t *p, size_t n) noexcept

cdef enum:
    # A fragment gives a str for each so many bytes: what is held stays bounded however large a fragment is.
    WINDOW = 1 << 20

cdef enum Policy:
    STRICT
    REPLACE
    IGNORE
    SURROGATEPASS
    HANDLER  # any other: asked about each bad piece

cdef dict POLICIES = {"strict": STRICT, "replace": REPLACE, "ignore": IGNORE, "surrogatepass": SURROGATEPASS}


@cython.final
cdef class UTF8Engine(Engine):
    """UTF8Engine(errors='strict')\n--\n\n\
    Decodes bytes fragments to str chunks whose concatenation does not depend on how the input was cut.

    ``errors`` is the name of an error handler of ``codecs``. A bad piece is what Unicode calls a maximal subpart, as
    for ``bytes.decode``. A handler that is not one of Python's own sees only the bad piece, at position 0, and may not
    go on beyond it: what it could see of the rest depends on the cut. A fragment gives at most one chunk for each MiB.
    """

    cdef readonly str errors
    cdef Policy policy

    def __cinit__(self, errors="strict"):
        self.errors = errors_option(errors)
        self.policy = <Policy> <int> POLICIES.get(errors, HANDLER)
        self.configure("UTF8", str, True, None, "raise", "emit")

    cdef PyObject *take(self) except? NULL:
        cdef Py_ssize_t before
        while self.error is None and self.progress.start < self.length:
            before = self.progress.start
            text = self.decode_window()
            if text is not None:
                return own(text)
            if self.progress.start == before:
                break
        if self.ended and self.error is None and self.progress.start < 0:
            text = self.decode_window()
            if text is not None:
                return own(text)
        return NULL

    cdef int settle(self) except -1:
        cdef Py_ssize_t held
        self.keep(self.progress.start)
        if self.lent and self.carry_size:
            # It may have changed since it was looked at; complete() rests on the carry being the start of a character.
            held = <Py_ssize_t> utf8_held(self.carry, self.carry_size, self.policy == SURROGATEPASS)
            memmove(self.carry, self.carry + self.carry_size - held, held)
            self.carry_size = held
            self.progress.start = -held
        return 0

    cdef object decode_window(self):
        """Decode up to WINDOW bytes from ``progress.start``, which moves; None if nothing came of them."""
        cdef const uint8_t *p = <const uint8_t *> self.ptr
        cdef Py_ssize_t at = self.progress.start, stop = min(self.length, max(at, 0) + <Py_ssize_t> WINDOW), used = 0
        cdef int first = NO_CHARACTER
        cdef str before = None
        if at < 0:
            before = self.complete(&at, &first)
            if at < 0:
                return None
        if self.lent:  # a window is measured, then written
            window = PyBytes_FromStringAndSize(<const char *> p + at, stop - at)
            p = <const uint8_t *> PyBytes_AS_STRING(window) - at
        stop -= <Py_ssize_t> utf8_held(p + at, stop - at, self.policy == SURROGATEPASS)
        text = decode_span(p + at, stop - at, first, self.policy == REPLACE, self.limit(), &used)
        at += used
        if at < stop and self.error is None:
            text = self.decode_rest(text, p, &at, stop)
        if before is not None:
            text = before if text is None else before + text
        self.progress.start = at
        return text

    cdef inline int limit(self) noexcept:
        """How many bad pieces a span may have."""
        return UTF8_MAX_BAD if self.policy == REPLACE or self.policy == IGNORE else 0

    cdef str complete(self, Py_ssize_t *at, int *first):
        """What the carry becomes with the fragment: a character into ``first``, or what stands for it.

        ``at`` moves to the first byte after it, and stays negative if nothing is decided yet, or on failure.
        """
        cdef uint8_t bytes_[8]
        cdef Py_ssize_t held = self.carry_size, more = min(<Py_ssize_t> 4 - held, self.length)
        cdef int need = 0, right
        memcpy(bytes_, self.carry, held)
        if more > 0:
            memcpy(bytes_ + held, self.ptr, more)
        right = utf8_match(bytes_, held + more, self.policy == SURROGATEPASS, &need)
        if right == need:
            first[0] = <int> utf8_code_point(bytes_, need)
            at[0] = need - held
            return None
        if right == held + more and not self.ended:
            return None
        right = utf8_bad_length(bytes_, held + more)
        if self.policy != REPLACE and self.policy != IGNORE:
            reason = "unexpected end of data" if right == held + more else "invalid continuation byte"
            text = self.replace(bytes_[:right], reason, -held)
            if text is not None:
                at[0] = right - held
            return text
        if self.policy == REPLACE:
            first[0] = 0xFFFD
        at[0] = right - held
        return None

    cdef object decode_rest(self, object text, const uint8_t *p, Py_ssize_t *start, Py_ssize_t stop):
        """As ``decode_window``, for what lies beyond the first bad piece, with ``text`` before it."""
        cdef Py_ssize_t at = start[0], used = 0
        cdef int need = 0, right
        cdef list pieces = [] if text is None else [text]
        while at < stop:
            if self.limit() == 0:
                right = utf8_match(p + at, stop - at, self.policy == SURROGATEPASS, &need)
                if need and right == need:
                    text = PyUnicode_FromOrdinal(<int> utf8_code_point(p + at, need))
                else:
                    right = utf8_bad_length(p + at, stop - at)
                    reason = "invalid continuation byte" if need else "invalid start byte"
                    text = self.replace(p[at:at + right], reason, at)
                    if text is None:
                        break
                pieces.append(text)
                at += right
            text = decode_span(p + at, stop - at, NO_CHARACTER, self.policy == REPLACE, self.limit(), &used)
            at += used
            if text is not None:
                pieces.append(text)
        start[0] = at
        return "".join(pieces) or None

    cdef str replace(self, bytes bad, str reason, Py_ssize_t at):
        """What the error handler puts for a bad piece, which begins at ``at``; None after fail()."""
        cdef long long offset = self.base + at
        if self.policy == HANDLER:
            try:
                return ask_handler(self.errors, bad, reason)
            except Exception as error:
                if not isinstance(error, UnicodeDecodeError):
                    self.fail(error, offset)
            if self.error is not None:
                return None
        self.fail(InvalidEncoding("utf-8", bad, 0, len(bad), reason, offset), offset)
        return None
