# cython: language_level=3
"""What a stream does with each item on its way out; see ``steps.pyx``."""

from cpython.object cimport PyObject

cdef extern from *:
    # Borrowed: each reference taken to a list or a step that another one follows costs 1 ns an item.
    Py_ssize_t PyList_GET_SIZE(PyObject* items) noexcept
    PyObject* PyList_GET_ITEM(PyObject* items, Py_ssize_t at) noexcept

cdef object dropped  # the answer of a step whose item goes no further


cdef class Step:
    cdef Py_ssize_t left  # how many more items it lets through, below 0 for no limit
    cdef bint passes  # it only counts: ``apply`` is not called
    cdef bint in_async  # whose function must not end the stream by StopAsyncIteration either

    # For subclasses to fill.
    cdef object apply(self, item)


cdef list steps_of(steps, bint in_async)


cdef inline bint satisfied(PyObject* steps) noexcept:
    """Whether a step has let through all that it was asked for: then the source is not pulled."""
    cdef Py_ssize_t at
    for at in range(PyList_GET_SIZE(steps)):
        if (<Step>PyList_GET_ITEM(steps, at)).left == 0:
            return True
    return False


cdef inline object applied(PyObject* steps, item):
    """What the steps, at least one, make of ``item`` in order; ``dropped`` as soon as one drops it."""
    cdef Py_ssize_t at
    result = done(PyList_GET_ITEM(steps, 0), item)
    for at in range(1, PyList_GET_SIZE(steps)):
        if result is dropped:
            break
        result = done(PyList_GET_ITEM(steps, at), result)
    return result


cdef inline object done(PyObject* step, item):
    if not (<Step>step).passes:
        return (<Step>step).apply(item)
    (<Step>step).left -= 1
    return item
