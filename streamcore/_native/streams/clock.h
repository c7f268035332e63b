/* The clock of time.monotonic, without an object made of each reading. */
#ifndef STREAMCORE_CLOCK_H
#define STREAMCORE_CLOCK_H

#include <Python.h>
#include <stdint.h>

/* Nanoseconds. */
static inline int64_t streamcore_monotonic(void)
{
#if PY_VERSION_HEX >= 0x030D0000
    PyTime_t now = 0;
    (void)PyTime_MonotonicRaw(&now);
    return (int64_t)now;
#else
    return (int64_t)_PyTime_GetMonotonicClock();
#endif
}

#endif
