# cython: language_level=3
"""``str`` objects made of UTF-8 by the kernels of utf8.h."""

from libc.stdint cimport uint8_t

cdef enum:
    NO_CHARACTER = -1


# The str of p[0:n]; UnicodeDecodeError as of bytes.decode().
cdef object text_of(const uint8_t *p, Py_ssize_t n)

# The str of code point ``first`` (or NO_CHARACTER) and of p[0:used]; None if empty. Stops before the first bad piece,
# or after ``limit`` of them, which give U+FFFD if ``replace``, else nothing.
cdef object decode_span(const uint8_t *p, Py_ssize_t n, int first, bint replace, int limit, Py_ssize_t *used)
