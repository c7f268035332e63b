# cython: language_level=3, freethreading_compatible=True
"""Which byte-scanning kernels run, and a Python face for the test that holds all of them equal.

``STREAMCORE_KERNEL`` = ``auto`` (the best that this machine runs) or the name of one of ``available()``: a demand, so
an ImportError where it cannot be met. Each module that has kernels (scan, utf8, words, bpe) has them under the same
names, and refuses one with the same words: cpu.h knows which are built, and which run.
"""

import os

from cpython.bytes cimport PyBytes_AS_STRING, PyBytes_GET_SIZE
from libc.stdint cimport uint8_t, uint32_t
from libc.stddef cimport size_t

cdef enum:
    BLOCK = 256  # places of the test face's block: small, so that its early stops are tested

cdef const sc_kernels *chosen = NULL
cdef bint demanded = False

NAMES = ("scalar", "sse2", "neon", "avx2")


cdef const sc_kernels *kernels() noexcept nogil:
    return chosen


cdef const char *demanded_kernel() noexcept nogil:
    return chosen.name if demanded else NULL


def refusal(str what not None, str name not None, int state):
    """What is said where the kernel ``name`` does not run, by what ``cpu_why_not`` of cpu.h says of it."""
    if state == CPU_LACKS:
        return f"{what} {name!r} is in this build, but not on this CPU, which runs {', '.join(available())}"
    if state == CPU_NOT_BUILT:
        built = []
        for each in NAMES:
            if cpu_why_not(each.encode()) in (CPU_RUNS, CPU_LACKS):
                built.append(each)
        return f"{what} {name!r} is not in this build, which has {', '.join(built)}"
    return f"{what} must be one of {', '.join(NAMES)}, got {name!r}"


cdef int check_kernel(str name) except -1:
    cdef int state = cpu_why_not(name.encode())
    if state != CPU_RUNS:
        raise ValueError(refusal("kernel", name, state))
    return 0


def available():
    """Names of the kernels that this machine can run, the scalar reference first."""
    names = []
    while sc_available(<int>len(names)) != NULL:
        names.append(sc_available(<int>len(names)).name.decode())
    return names


cdef const sc_kernels *by_name(str name) except NULL:
    check_kernel(name)
    return sc_available(<int>available().index(name))


def kernel():
    """Name of the kernels in use."""
    return chosen.name.decode()


def scan(bytes data not None, bytes wanted not None, str name=None):
    """Offsets in ``data`` of every byte that ``wanted`` holds, by the kernels ``name`` (default: those in use)."""
    cdef const sc_kernels *k = chosen if name is None else by_name(name)
    cdef const uint8_t *p = <const uint8_t *>PyBytes_AS_STRING(data)
    cdef size_t n = <size_t>PyBytes_GET_SIZE(data), at = 0, done = 0, found, i
    cdef uint32_t out[BLOCK]
    cdef sc_set bytes_wanted
    sc_set_init(&bytes_wanted)
    for byte in wanted:
        sc_set_add(&bytes_wanted, byte)
    offsets = []
    while at < n:
        if bytes_wanted.count == 1:
            found = k.byte(p + at, n - at, wanted[0], out, BLOCK, &done)
        else:
            found = k.set(p + at, n - at, &bytes_wanted, out, BLOCK, &done)
        for i in range(found):
            offsets.append(at + out[i])
        at += done
    return offsets


def scan_newlines(bytes data not None, bint after_cr=False, str name=None):
    """Offsets where a line end (LF, CR or CRLF) starts, and whether ``data`` ends in a CR (or was empty after one)."""
    cdef const sc_kernels *k = chosen if name is None else by_name(name)
    cdef const uint8_t *p = <const uint8_t *>PyBytes_AS_STRING(data)
    cdef size_t n = <size_t>PyBytes_GET_SIZE(data), at = 0, done = 0, found, i
    cdef uint32_t out[BLOCK]
    cdef int cr = after_cr
    offsets = []
    while at < n:
        found = k.newline(p + at, n - at, &cr, out, BLOCK, &done)
        for i in range(found):
            offsets.append(at + out[i])
        at += done
    return offsets, bool(cr)


def find_pair(bytes data not None, int first, int other, Py_ssize_t gap, str name=None):
    """First offset ``i`` with ``data[i] == first`` and ``data[i + gap] == other``, else ``len(data)``."""
    cdef const sc_kernels *k = chosen if name is None else by_name(name)
    return k.pair(<const uint8_t *>PyBytes_AS_STRING(data), len(data), <uint8_t>first, <uint8_t>other, <size_t>gap)


def find_set(bytes data not None, bytes wanted not None, str name=None):
    """First offset of a byte that ``wanted`` holds, else ``len(data)``."""
    cdef const sc_kernels *k = chosen if name is None else by_name(name)
    cdef sc_set bytes_wanted
    sc_set_init(&bytes_wanted)
    for byte in wanted:
        sc_set_add(&bytes_wanted, byte)
    return k.find_set(<const uint8_t *>PyBytes_AS_STRING(data), len(data), &bytes_wanted)


def ascii_run(bytes data not None, str name=None):
    """How many bytes below 0x80 ``data`` starts with."""
    cdef const sc_kernels *k = chosen if name is None else by_name(name)
    return k.ascii(<const uint8_t *>PyBytes_AS_STRING(data), len(data))


def _choose(str wanted):
    global chosen, demanded
    cdef int state
    names = available()
    demanded = wanted != "auto"
    state = cpu_why_not(wanted.encode("utf-8", "replace")) if demanded else CPU_RUNS
    if state == CPU_UNKNOWN:
        raise ImportError(f"STREAMCORE_KERNEL must be auto or one of {', '.join(NAMES)}, got {wanted!r}")
    if state != CPU_RUNS:
        raise ImportError(refusal("STREAMCORE_KERNEL", wanted, state))
    chosen = sc_available(<int>(names.index(wanted) if demanded else len(names) - 1))


_choose(os.environ.get("STREAMCORE_KERNEL", "auto"))
