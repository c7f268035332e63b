# cython: language_level=3, freethreading_compatible=True
"""Which byte-scanning kernels run.

``STREAMCORE_KERNEL`` = ``auto`` (the best that this machine runs) or the name of one of ``available()``: a demand, so
an ImportError where it cannot be met. Each module that has kernels (scan, utf8, words, bpe) has them under the same
names: cpu.h knows which are built, and which run.
"""

import os

cdef const sc_kernels *chosen = NULL
cdef bint demanded = False

NAMES = ("scalar", "sse2", "neon", "avx2")


cdef const sc_kernels *kernels() noexcept nogil:
    return chosen


cdef const char *demanded_kernel() noexcept nogil:
    return chosen.name if demanded else NULL


def available():
    """Names of the kernels that this machine can run, the scalar reference first."""
    names = []
    while sc_available(<int>len(names)) != NULL:
        names.append(sc_available(<int>len(names)).name.decode())
    return names


def kernel():
    """Name of the kernels in use."""
    return chosen.name.decode()


def _refusal(str name not None, int state):
    """What is said where the kernel ``name`` does not run, by what ``cpu_why_not`` of cpu.h says of it."""
    if state == CPU_LACKS:
        return f"STREAMCORE_KERNEL {name!r} is in this build, but not on this CPU, which runs {', '.join(available())}"
    if state == CPU_NOT_BUILT:
        built = []
        for each in NAMES:
            if cpu_why_not(each.encode()) in (CPU_RUNS, CPU_LACKS):
                built.append(each)
        return f"STREAMCORE_KERNEL {name!r} is not in this build, which has {', '.join(built)}"
    return f"STREAMCORE_KERNEL must be auto or one of {', '.join(NAMES)}, got {name!r}"


def _choose(str wanted):
    global chosen, demanded
    cdef int state
    names = available()
    demanded = wanted != "auto"
    state = cpu_why_not(wanted.encode("utf-8", "replace")) if demanded else CPU_RUNS
    if state != CPU_RUNS:
        raise ImportError(_refusal(wanted, state))
    chosen = sc_available(<int>(names.index(wanted) if demanded else len(names) - 1))


_choose(os.environ.get("STREAMCORE_KERNEL", "auto"))
