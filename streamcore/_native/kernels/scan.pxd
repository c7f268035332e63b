# cython: language_level=3
"""Byte-scanning kernels for the other native modules; see ``scan.h`` for what each one promises."""

from libc.stdint cimport uint8_t, uint32_t


cdef extern from "kernels/cpu.h" nogil:
    enum:
        CPU_RUNS
        CPU_LACKS
        CPU_NOT_BUILT
        CPU_UNKNOWN

    int cpu_why_not(const char *name) noexcept


cdef extern from "kernels/scan.h" nogil:
    enum:
        SC_MAX_SET

    ctypedef struct sc_set:
        int count

    ctypedef struct sc_kernels:
        const char *name
        size_t byte(const uint8_t *p, size_t n, uint8_t byte, uint32_t *out, size_t cap, size_t *done) noexcept nogil
        size_t set(
            const uint8_t *p, size_t n, const sc_set *set, uint32_t *out, size_t cap, size_t *done) noexcept nogil
        size_t newline(
            const uint8_t *p, size_t n, int *after_cr, uint32_t *out, size_t cap, size_t *done) noexcept nogil
        size_t pair(const uint8_t *p, size_t n, uint8_t first, uint8_t other, size_t gap) noexcept nogil
        size_t find_set(const uint8_t *p, size_t n, const sc_set *set) noexcept nogil
        size_t ascii(const uint8_t *p, size_t n) noexcept nogil

    void sc_set_init(sc_set *set) noexcept
    void sc_set_add(sc_set *set, uint8_t byte) noexcept
    const sc_kernels *sc_available(int index) noexcept


# The kernels that STREAMCORE_KERNEL chose, for every module of the core, and its name unless it was left to us (NULL).
cdef const sc_kernels *kernels() noexcept nogil
cdef const char *demanded_kernel() noexcept nogil
