# cython: language_level=3, freethreading_compatible=True
"""What counts the tokens of text that grows, for other native modules: a function and its counter in a capsule.

Plan: the engine that has the capsule calls the function; so neither module has to know the other's classes. A context
of the core is taken for each call.
"""

from cpython.mem cimport PyMem_RawCalloc, PyMem_RawFree
from cpython.object cimport PyObject
from cpython.pycapsule cimport PyCapsule_GetPointer, PyCapsule_New
from cpython.ref cimport Py_INCREF, Py_XDECREF
from libc.stdint cimport int64_t

from streamcore._native.bpe.core cimport BPE_WHOLE, BPECore, bpe_context, bpe_spec, bpe_vocab

cdef extern from "bpe/counting.h" nogil:
    ctypedef struct bpe_counter:
        int64_t start
        int64_t stop

    void bpe_counter_forget(bpe_counter *c)
    void bpe_counter_clear(bpe_counter *c)
    int64_t bpe_counter_measure(bpe_counter *c, const bpe_vocab *v, const bpe_spec *spec, bpe_context *context,
                                const void *data, int width, int64_t base, int64_t start, int64_t stop) noexcept

cdef extern from "bpe/counter.h" nogil:
    ctypedef struct token_counter:
        int64_t (*measure)(token_counter *counter, const void *data, int width, int64_t base, int64_t start,
                           int64_t stop) noexcept
        void (*forget)(token_counter *counter, int64_t known) noexcept

ctypedef struct Counter:
    token_counter calls  # first: it is what the capsule's user knows
    bpe_counter counted
    PyObject *core


def counting(BPECore core):
    """A capsule of a ``token_counter``; None if Python takes part in what ``core`` does."""
    cdef Counter *counter
    if not core.plain or core.spec.family == BPE_WHOLE:
        return None
    counter = <Counter *> PyMem_RawCalloc(1, sizeof(Counter))
    if counter == NULL:
        raise MemoryError()
    counter.calls.measure = measure
    counter.calls.forget = forget
    counter.counted.start = -1
    Py_INCREF(core)
    counter.core = <PyObject *> core
    try:
        return PyCapsule_New(counter, NULL, destroy)
    except MemoryError:
        release(counter)
        raise


cdef int64_t measure(token_counter *calls, const void *data, int width, int64_t base, int64_t start,
                     int64_t stop) noexcept:
    """Tokens of the text from start to stop, whose code points from ``base`` on are ``data``; -1: no memory."""
    cdef Counter *counter = <Counter *> calls
    cdef BPECore core = <BPECore> counter.core
    cdef bpe_context *context
    cdef int64_t count
    try:
        context = core.take_context()
        count = bpe_counter_measure(&counter.counted, &core.vocab, &core.spec, context, data, width, base, start, stop)
        core.give_context(context)
    except MemoryError:
        return -1
    return count


cdef void forget(token_counter *calls, int64_t known) noexcept:
    """What was counted of the text from ``known`` on need not be what comes there."""
    cdef Counter *counter = <Counter *> calls
    if counter.counted.stop > known:
        bpe_counter_forget(&counter.counted)


cdef void destroy(object capsule) noexcept:
    release(<Counter *> PyCapsule_GetPointer(capsule, NULL))


cdef int release(Counter *counter) noexcept:
    bpe_counter_clear(&counter.counted)
    Py_XDECREF(counter.core)
    PyMem_RawFree(counter)
    return 0
