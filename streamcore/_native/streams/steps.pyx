# cython: language_level=3, freethreading_compatible=True
"""What a stream does with each item on its way out: the per-item operators (twin: ``_pure.streams.steps``).

One step serves ``closing_iterator`` and ``async_closing_iterator``, which take any number of them in a row: a stream
with steps costs no iterator more than one without. A step counts, so that each stream needs its own.
"""

cimport cython

from cpython.object cimport PyObject, Py_EQ

from streamcore._native.cpython cimport (
    call_or_null,
    call_two_or_null,
    clipped_index,
    equal_or_error,
    raise_set,
    steal,
    truth_or_error,
)

from operator import index

from streamcore._shared.notes import raise_noted
from streamcore._shared.steps import DROPPED

dropped = DROPPED


cdef class Step:
    """Does one thing with each item."""

    def __cinit__(self):
        self.left = -1

    def __call__(self, item):
        """What becomes of the item: another one, or ``DROPPED``."""
        return self.apply(item)

    cdef object apply(self, item):
        raise NotImplementedError


cdef class CallingStep(Step):
    """CallingStep(fn, name)\n--\n\n\
    Calls ``fn(item)``; an error gets a note with ``name`` and the item's number, counted from 0."""

    cdef object fn
    cdef object name
    cdef Py_ssize_t at


@cython.final
cdef class MapStep(CallingStep):
    """MapStep(fn, name)\n--\n\n\
    ``fn`` of each item."""

    def __cinit__(self, fn, name):
        self.fn = fn
        self.name = name

    cdef object apply(self, item):
        result = called(self, item)
        self.at += 1
        return result


@cython.final
cdef class TapStep(CallingStep):
    """TapStep(fn, name)\n--\n\n\
    Each item as it is, once ``fn`` has seen it."""

    def __cinit__(self, fn, name):
        self.fn = fn
        self.name = name

    cdef object apply(self, item):
        called(self, item)
        self.at += 1
        return item


@cython.final
cdef class FilterStep(CallingStep):
    """FilterStep(fn, name)\n--\n\n\
    Drops the items for which ``fn`` is false."""

    def __cinit__(self, fn, name):
        self.fn = fn
        self.name = name

    cdef object apply(self, item):
        return item if is_true(self, item) else dropped


@cython.final
cdef class TakeWhileStep(CallingStep):
    """TakeWhileStep(fn, name)\n--\n\n\
    The items before the first one for which ``fn`` is false; the source is not pulled for one more."""

    def __cinit__(self, fn, name):
        self.fn = fn
        self.name = name
        self.left = 1  # at least, as far as it knows

    cdef object apply(self, item):
        if is_true(self, item):
            return item
        self.left = 0
        return dropped


@cython.final
cdef class SkipWhileStep(CallingStep):
    """SkipWhileStep(fn, name)\n--\n\n\
    The items from the first one on for which ``fn`` is false; for later ones it is not called."""

    cdef bint over

    def __cinit__(self, fn, name):
        self.fn = fn
        self.name = name

    cdef object apply(self, item):
        if not self.over:
            if is_true(self, item):
                return dropped
            self.over = True
        return item


@cython.final
cdef class ScanStep(CallingStep):
    """ScanStep(fn, name, initial)\n--\n\n\
    ``fn(before, item)`` of each item, where ``before`` is its answer for the item before, at first ``initial``."""

    cdef object value

    def __cinit__(self, fn, name, initial):
        self.fn = fn
        self.name = name
        self.value = initial

    cdef object apply(self, item):
        before = self.value  # kept alive, whatever ``fn`` does
        cdef PyObject* result = call_two_or_null(self.fn, <PyObject*>before, <PyObject*>item, NULL)
        if result == NULL:
            failed(self.name, self.at, self.in_async)
        self.at += 1
        value = steal(result)
        self.value = value
        return value


@cython.final
cdef class DistinctStep(CallingStep):
    """DistinctStep(fn, name)\n--\n\n\
    Drops an item whose ``fn(item)``, without a function the item itself, equals that of the item before."""

    cdef object key  # of the last item given out

    def __cinit__(self, fn, name):
        self.fn = fn
        self.name = name
        self.key = dropped

    cdef object apply(self, item):
        cdef int same = 0
        before = self.key  # kept alive, whatever ``fn`` and ``==`` do
        key = item
        if self.fn is not None:
            key = called(self, item)
        if before is not dropped:
            same = equal_or_error(before, key, Py_EQ)
        if same < 0:
            failed(self.name, self.at, self.in_async)
        self.at += 1
        if same:
            return dropped
        self.key = key
        return item


@cython.final
cdef class TakeStep(Step):
    """TakeStep(count)\n--\n\n\
    The first ``count`` items; the source is not pulled for one more."""

    def __cinit__(self, count):
        self.left = max(clipped_index(count), 0)
        self.passes = True

    cdef object apply(self, item):
        self.left -= 1
        return item


@cython.final
cdef class SkipStep(Step):
    """SkipStep(count)\n--\n\n\
    The items after the first ``count``."""

    cdef Py_ssize_t ahead  # how many more to drop

    def __cinit__(self, count):
        self.ahead = max(clipped_index(count), 0)

    cdef object apply(self, item):
        if self.ahead > 0:
            self.ahead -= 1
            return dropped
        return item


@cython.final
cdef class EnumerateStep(Step):
    """EnumerateStep(start)\n--\n\n\
    Pairs of a number, counted from ``start``, and the item."""

    cdef object number

    def __cinit__(self, start):
        self.number = index(start)

    cdef object apply(self, item):
        number = self.number
        self.number = number + 1
        return number, item


cdef inline object called(CallingStep step, item):
    """``fn`` of the item."""
    cdef PyObject* result = call_or_null(step.fn, item)
    if result == NULL:
        failed(step.name, step.at, step.in_async)
    return steal(result)


cdef inline int is_true(CallingStep step, item) except -1:
    """Whether ``fn`` of the item is true."""
    cdef int is_so = -1
    cdef PyObject* result = call_or_null(step.fn, item)
    if result != NULL:
        is_so = truth_or_error(steal(result))
    if is_so < 0:
        failed(step.name, step.at, step.in_async)
    step.at += 1
    return is_so


cdef int failed(name, Py_ssize_t at, bint in_async) except -1:
    """Raise what the function of a step raised, noted. Apart: a ``try`` costs 3 ns an item even if nothing fails."""
    try:
        raise_set()
    except BaseException as error:
        raise_noted(error, name, at, in_async=in_async)
    return -1


cdef list steps_of(steps, bint in_async):
    """The ``steps`` of a stream, each its own."""
    made = list(steps)
    for step in made:
        if not isinstance(step, Step):
            raise TypeError(f"expected a step, got {type(step).__name__}")
        (<Step>step).in_async = in_async
    return made
