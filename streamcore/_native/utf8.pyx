# cython: language_level=3, freethreading_compatible=True
"""Incremental UTF-8 decoder (twin: ``_pure.utf8``): kernels and their sources in utf8.h.

Goals: one str a fragment, made at its final width and written once; nothing withheld but the bytes of a character that
may still be completed; the same errors for every cut.
Plan: ``progress.start`` is the first byte not yet decoded, negative while the start of a character waits in the carry.
A span is measured first (that checks it and tells its width), then written; ASCII is written while it is checked.
"""

cimport cython
from cpython.object cimport PyObject
from cpython.ref cimport Py_INCREF
from libc.stdint cimport uint8_t, uint32_t
from libc.stddef cimport size_t
from libc.string cimport memcpy

from streamcore._native.engine cimport Engine
from streamcore._native.scan cimport kernels as scan_kernels

from streamcore._pure.utf8 import ask_handler, errors_option
from streamcore.errors import InvalidEncoding

cdef extern from "utf8.h" nogil:
    """
    /* The kernel that bears the name of the one that scan.h's users run. */
    static const utf8_kernel *utf8_kernel_named(const char *name) {
        int i;
        const utf8_kernel *kernel;
        for (i = 0; (kernel = utf8_kernel_at(i)) != NULL; i++)
            if (strcmp(kernel->name, name) == 0) return kernel;
        return NULL;
    }
    #if !defined(UTF8_X86) && !defined(UTF8_ARM)
    static void utf8_prepare(void) {}
    #endif
    """
    enum:
        UTF8_MAX_BAD

    ctypedef struct utf8_kernel:
        const char *name
        size_t (*ascii)(const uint8_t *p, size_t n, uint8_t *out) noexcept nogil

    ctypedef struct utf8_span:
        size_t n
        size_t chars
        uint8_t top
        int bads

    int utf8_match(const uint8_t *p, size_t n, int surrogates, int *need) noexcept
    uint32_t utf8_code_point(const uint8_t *p, int length) noexcept
    size_t utf8_held(const uint8_t *p, size_t n, int surrogates) noexcept
    int utf8_bad_length(const uint8_t *p, size_t n) noexcept
    const utf8_kernel *utf8_kernel_named(const char *name) noexcept
    const utf8_kernel *utf8_kernel_at(int index) noexcept
    void utf8_prepare() noexcept
    void utf8_span_scan(const utf8_kernel *kernel, const uint8_t *p, size_t n, int limit, utf8_span *span) noexcept
    void utf8_span_write(const utf8_kernel *kernel, const uint8_t *p, const utf8_span *span, int width, int replace,
                         void *into) noexcept

cdef extern from *:
    object PyUnicode_New(Py_ssize_t size, uint32_t maxchar)
    object PyUnicode_FromOrdinal(int ordinal)
    void *PyUnicode_DATA(object text)

cdef enum:
    NO_CHARACTER = -1
    # A fragment gives a str for each so many bytes: what is held stays bounded however large a fragment is.
    WINDOW = 1 << 20

cdef enum Policy:
    STRICT
    REPLACE
    IGNORE
    SURROGATEPASS
    HANDLER  # any other: asked about each bad piece

cdef dict POLICIES = {"strict": STRICT, "replace": REPLACE, "ignore": IGNORE, "surrogatepass": SURROGATEPASS}

cdef const utf8_kernel *chosen = NULL


cdef inline PyObject *own(object item) noexcept:
    Py_INCREF(item)
    return <PyObject *> item


cdef inline uint32_t widest(uint8_t top) noexcept:
    """The largest code point that a str may need whose largest UTF-8 byte is ``top``, as PyUnicode_New wants it."""
    return 0x7F if top < 0x80 else 0xFF if top < 0xC4 else 0xFFFF if top < 0xF0 else 0x10FFFF


cdef object decode_span(const utf8_kernel *kernel, const uint8_t *p, Py_ssize_t n, int first, bint replace, int limit,
                        Py_ssize_t *used):
    """The str of code point ``first`` (or NO_CHARACTER) and of ``p[0:used]``; None if empty.

    Stops before the first bad piece, or after ``limit`` of them, which give U+FFFD if ``replace``, else nothing.
    """
    cdef utf8_span span
    cdef Py_ssize_t size
    cdef uint32_t most
    cdef int width = 0
    cdef uint8_t *out
    if first == NO_CHARACTER and n > 0 and p[0] < 0x80:
        if n == 1:
            used[0] = 1
            return PyUnicode_FromOrdinal(p[0])
        text = PyUnicode_New(n, 0x7F)
        if <Py_ssize_t> kernel.ascii(p, n, <uint8_t *> PyUnicode_DATA(text)) == n:
            used[0] = n
            return text
    utf8_span_scan(kernel, p, n, limit, &span)
    used[0] = <Py_ssize_t> span.n
    size = <Py_ssize_t> span.chars + (first != NO_CHARACTER) + (span.bads if replace else 0)
    if size == 0:
        return None
    most = widest(span.top)
    if first > <int> most:
        most = 0x7F if first < 0x80 else 0xFF if first < 0x100 else 0xFFFF if first < 0x10000 else 0x10FFFF
    if replace and span.bads and most < 0xFFFF:
        most = 0xFFFF
    text = PyUnicode_New(size, most)
    out = <uint8_t *> PyUnicode_DATA(text)
    width = (most > 0xFF) + (most > 0xFFFF)
    if first != NO_CHARACTER:
        if width == 0:
            out[0] = <uint8_t> first
        elif width == 1:
            (<unsigned short *> out)[0] = <unsigned short> first
        else:
            (<uint32_t *> out)[0] = <uint32_t> first
        out += 1 << width
    utf8_span_write(kernel, p, &span, width, replace, out)
    return text


@cython.final
cdef class UTF8Engine(Engine):
    """UTF8Engine(errors='strict')
    --

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
        return self.keep(self.progress.start)

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
        stop -= <Py_ssize_t> utf8_held(p + at, stop - at, self.policy == SURROGATEPASS)
        text = decode_span(chosen, p + at, stop - at, first, self.policy == REPLACE, self.limit(), &used)
        at += used
        if at < stop and self.error is None:
            text = self.decode_rest(text, &at, stop)
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

    cdef object decode_rest(self, object text, Py_ssize_t *start, Py_ssize_t stop):
        """As ``decode_window``, for what lies beyond the first bad piece, with ``text`` before it."""
        cdef const uint8_t *p = <const uint8_t *> self.ptr
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
            text = decode_span(chosen, p + at, stop - at, NO_CHARACTER, self.policy == REPLACE, self.limit(), &used)
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
            except UnicodeDecodeError:
                pass
            except Exception as error:
                self.fail(error, offset)
                return None
        self.fail(InvalidEncoding("utf-8", bad, 0, len(bad), reason, offset), offset)
        return None


def kernels():
    """Names of the kernels that this machine can run, the scalar reference first."""
    names = []
    while utf8_kernel_at(<int> len(names)) != NULL:
        names.append(utf8_kernel_at(<int> len(names)).name.decode())
    return names


def decode_by(str kernel not None, bytes data not None, bint replace=True):
    """``data`` decoded by one kernel, with U+FFFD for bad pieces or without them, and how many bytes it used.

    What it does not use is the start of a character at the end. For the test that holds all kernels equal.
    """
    cdef const utf8_kernel *found = utf8_kernel_named(kernel.encode())
    cdef const uint8_t *p = data
    cdef Py_ssize_t at = 0, used = 0, stop = len(data)
    if found == NULL:
        raise ValueError(f"kernel must be one of {', '.join(kernels())}, got {kernel!r}")
    stop -= <Py_ssize_t> utf8_held(p, stop, False)
    pieces = []
    while at < stop:
        pieces.append(decode_span(found, p + at, stop - at, NO_CHARACTER, replace, UTF8_MAX_BAD, &used) or "")
        at += used
    return "".join(pieces), stop


utf8_prepare()
chosen = utf8_kernel_named(scan_kernels().name)
if chosen == NULL:
    raise ImportError(f"no UTF-8 kernel for {scan_kernels().name.decode()}")
