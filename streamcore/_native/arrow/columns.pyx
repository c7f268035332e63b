# cython: language_level=3, freethreading_compatible=True
"""Columns through the Arrow C data interface (structures.h); the twin, ``_pure.arrow.columns``, cannot do it.

Nothing is copied: the buffers are the ``bytes`` that the caller has, and a slice is an offset into them.
"""

from cpython.bytes cimport PyBytes_AS_STRING, PyBytes_GET_SIZE
from cpython.object cimport PyObject
from libc.stddef cimport size_t
from libc.stdint cimport int64_t, uint8_t
from libc.string cimport strcmp

from streamcore._native.arrow.structures cimport (
    ArrowArray, arrow_fill_array, arrow_fill_type, arrow_new_array, arrow_new_type, arrow_requested, ArrowSchema,
)

cdef extern from "kernels/utf8_char.h" nogil:
    size_t utf8_valid(const uint8_t *p, size_t n) noexcept

cdef enum:
    BINARY = 90  # Z, large_binary
    TEXT = 85  # U, large_string
    INT64 = 108  # l


def column_type(kinds, record):
    """The type of ``export_columns`` as a capsule: a struct of named columns, or with ``record`` false the only one.

    ``kinds`` are pairs of name and format: ``"Z"`` (large_binary), ``"U"`` (large_string) or ``"l"`` (int64).
    """
    cdef ArrowSchema *schema = NULL
    cdef int64_t i, n = len(kinds)
    capsule = arrow_new_type(&schema)
    if not record:
        (_, kind), = kinds
        fill_type(schema, "", kind)
        return capsule
    if arrow_fill_type(schema, "+s", "", n) < 0:
        raise MemoryError()
    for i in range(n):
        name, kind = kinds[i]
        fill_type(schema.children[i], name, kind)
    return capsule


def export_columns(columns, Py_ssize_t length, Py_ssize_t offset, requested_schema, record):
    """Capsules of type and data: ``length`` values of each column, from number ``offset`` on.

    A column is ``(name, format, validity, buffers)``, all buffers ``bytes``: n + 1 int64 offsets and the data, or int64
    values; ``validity`` None says that all values are there. ``requested_schema`` may have large_binary for text, and
    large_string for bytes that are UTF-8; any other wish is passed over, as the interface allows.
    """
    cdef ArrowArray *array = NULL
    cdef ArrowSchema *wanted = NULL
    cdef int64_t i, n = len(columns)
    kinds = []
    if requested_schema is not None:
        wanted = arrow_requested(requested_schema)
        if record and (wanted.format == NULL or strcmp(wanted.format, "+s") != 0 or wanted.n_children != n):
            wanted = NULL
    capsule = arrow_new_array(&array)
    if not record:
        column, = columns
        kinds.append((column[0], fill_array(array, column, length, offset, wanted)))
        return column_type(kinds, False), capsule
    if arrow_fill_array(array, length, 0, 1, NULL, NULL, NULL, n) < 0:
        raise MemoryError()
    for i in range(n):
        column = columns[i]
        kinds.append((column[0], fill_array(
            array.children[i], column, length, offset, NULL if wanted == NULL else wanted.children[i])))
    return column_type(kinds, True), capsule


def requested_kinds(kinds, requested_schema):
    """``kinds`` with text as bytes where the consumer of a stream asks for that; it cannot have bytes as text."""
    cdef ArrowSchema *wanted = arrow_requested(requested_schema)
    cdef int64_t i, n = len(kinds)
    if wanted.format == NULL or strcmp(wanted.format, "+s") != 0 or wanted.n_children != n:
        return kinds
    found = []
    for i in range(n):
        name, kind = kinds[i]
        found.append((name, "Z" if kind == "U" and asks_for(wanted.children[i], "Z") else kind))
    return tuple(found)


cdef bint asks_for(ArrowSchema *wanted, const char *format) noexcept:
    return wanted != NULL and wanted.format != NULL and strcmp(wanted.format, format) == 0


cdef int fill_type(ArrowSchema *schema, str name, str kind) except -1:
    cdef const char *format = "l"
    if kind == "Z":
        format = "Z"
    elif kind == "U":
        format = "U"
    elif kind != "l":
        raise ValueError(f"a column is of type 'Z', 'U' or 'l', not {kind!r}")
    encoded = name.encode()
    if arrow_fill_type(schema, format, encoded, 0) < 0:
        raise MemoryError()
    return 0


cdef object fill_array(ArrowArray *array, tuple column, Py_ssize_t length, Py_ssize_t offset, ArrowSchema *wanted):
    """Fill in one column; gives its format."""
    cdef const int64_t *offsets
    cdef const uint8_t *data = NULL
    cdef bytes first, second, mask
    _, kind, validity, buffers = column
    first = buffers[0]
    owner = (first, validity)
    check_size(first, (<int64_t> offset + length + (kind != "l")) * <int64_t> sizeof(int64_t))
    if kind != "l":
        second = buffers[1]
        owner = (first, second, validity)
        offsets = <const int64_t *> PyBytes_AS_STRING(first) + offset
        data = <const uint8_t *> PyBytes_AS_STRING(second)
        if not 0 <= offsets[0] <= offsets[length] <= PyBytes_GET_SIZE(second):
            raise ValueError(f"offsets leave the data, {PyBytes_GET_SIZE(second)} bytes")
        if kind == "U":
            if asks_for(wanted, "Z"):
                kind = "Z"
        elif asks_for(wanted, "U") and is_text(data, offsets, length):
            kind = "U"
    if arrow_fill_array(array, length, offset, 2 if kind == "l" else 3, PyBytes_AS_STRING(first), data,
                        <PyObject *> owner, 0) < 0:
        raise MemoryError()
    if validity is not None:
        mask = validity
        check_size(mask, (<int64_t> offset + length + 7) // 8)
        array.buffers[0] = PyBytes_AS_STRING(mask)
        array.null_count = -1  # not counted
    return kind


cdef int check_size(bytes buffer, int64_t size) except -1:
    if buffer is None or PyBytes_GET_SIZE(buffer) < size:
        raise ValueError(f"a buffer of {size} bytes is due")
    return 0


cdef bint is_text(const uint8_t *data, const int64_t *offsets, Py_ssize_t count) noexcept:
    """Whether items are UTF-8, each by itself."""
    cdef Py_ssize_t i, size = offsets[count] - offsets[0]
    if <Py_ssize_t> utf8_valid(data + offsets[0], size) != size:
        return False
    for i in range(1, count):
        if offsets[i] < offsets[count] and data[offsets[i]] & 0xC0 == 0x80:
            return False
    return True
