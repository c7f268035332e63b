# cython: language_level=3
"""The C stack that is left to a thread; see ``stack.h``."""

cdef extern from "kernels/stack.h":
    const int STREAMCORE_FOR_CLOSE
    const int STREAMCORE_FOR_NEXT
    const int STREAMCORE_FOR_AWAIT
    int streamcore_check_stack(int share) except -1
