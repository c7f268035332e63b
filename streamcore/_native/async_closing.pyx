# cython: language_level=3, freethreading_compatible=True
"""An async stream that closes everything it was made of, however it ends (twin: ``_pure.async_closing``).

A pull is a small object that hands on what the awaitable below it sends and returns, in C: 25 ns per chunk, where a
coroutine around each pull costs 130. Only the end of the stream runs a coroutine, the twin's.

CPython 3.12 to 3.14 step an awaitable through ``tp_iternext``, others through ``am_send``; Cython fills neither the way
it must be (its ``__next__`` builds a traceback for each StopIteration), so both are set by hand.
"""

cimport cython
from cpython.list cimport PyList_GET_SIZE
from cpython.object cimport PyObject
from cpython.ref cimport Py_DECREF, Py_INCREF

from streamcore._native.operators import note
from streamcore._pure.async_closing import CLOSED, PULLED, aclose_all, close_without_loop, dismiss, end, guard_of

cdef extern from "Python.h":
    object PyObject_CallOneArg(object fn, object item)

cdef extern from "awaiting.h":
    ctypedef enum PySendResult:
        PYGEN_RETURN
        PYGEN_ERROR
        PYGEN_NEXT
    ctypedef PySendResult (*sendfunc)(object, object, PyObject**) except PYGEN_ERROR
    ctypedef PyObject* (*iternextfunc)(object) except? NULL
    void streamcore_set_steps(object kind, sendfunc send, iternextfunc iternext)
    bint streamcore_is_async_iterator(object iterator)
    PyObject* streamcore_pull(object iterator) noexcept
    PySendResult PyIter_Send(object iterator, object value, PyObject** result) noexcept
    PyObject* streamcore_stop(PyObject* value) noexcept
    int streamcore_raised() except -1
    void streamcore_end()

# What a pull is doing.
cdef enum:
    NEW
    WAITING  # for the iterator
    ENDING  # the stream: for the coroutine that closes
    DONE


cdef enum:
    MAP
    FILTER
    TAKE


@cython.final
cdef class Step:
    """What is done with each item."""

    cdef int kind
    cdef object fn
    cdef object name
    cdef Py_ssize_t at  # items seen
    cdef Py_ssize_t left  # how many more it lets through, below 0 for no limit

    cdef object call(self, item):
        try:
            result = PyObject_CallOneArg(self.fn, item)
        except StopIteration as stop:
            error = RuntimeError("generator raised StopIteration")
            note(error, self.name, self.at)
            raise error from stop
        except BaseException as error:
            note(error, self.name, self.at)
            raise
        self.at += 1
        return result


cdef Step new_step(kind, argument, name):
    cdef Step step = Step.__new__(Step)
    step.kind = {"map": MAP, "filter": FILTER, "take": TAKE}[kind]
    step.name = name
    step.left = -1
    if step.kind == TAKE:
        step.left = argument
    else:
        step.fn = argument
    return step


@cython.final
cdef class async_closing_iterator:
    """Iterate over an async ``iterator``; when it ends, by whatever way, close ``owned`` from last to first, once.

    As ``closing_iterator``: ``owned`` has the source first and ``iterator`` last. ``aclose()`` awaits each entry's
    ``aclose()``, or calls its ``close()`` where it has no other. With ``blocks`` the iterator gives lists, which the
    stream keeps and empties, and the stream gives their items. ``steps`` are done with each item, in order, as
    ``operators`` does them: ``("map", fn, name)``, ``("filter", fn, name)``, ``("take", count, name)``.
    """

    cdef object iterator  # None once the end has begun
    cdef list owned
    cdef object annotate
    cdef object guard
    cdef object busy  # why nothing else may begin: the message, or None
    cdef bint given_up
    cdef bint blocks
    cdef list held  # of a block, the last item first
    cdef list steps  # Step objects, or None
    cdef object __weakref__

    def __cinit__(self, iterator, owned, annotate=None, *, blocks=False, steps=()):
        if not streamcore_is_async_iterator(iterator):
            raise TypeError(f"'{type(iterator).__name__}' object is not an async iterator")
        self.iterator = iterator
        self.owned = list(owned)
        self.annotate = annotate
        self.blocks = blocks
        self.held = []
        self.steps = [new_step(kind, argument, name) for kind, argument, name in steps] or None
        self.guard = guard_of(self.owned)

    def __aiter__(self):
        return self

    def __anext__(self):
        cdef Pull pull = Pull.__new__(Pull)
        pull.stream = self
        return pull

    async def aclose(self):
        """Close every stage and the source, last to first; a second call does nothing."""
        if self.busy is not None:
            raise RuntimeError(self.busy)
        self.iterator = None
        self.held = []
        self.busy = CLOSED
        try:
            await aclose_all(self.owned, None, self.given_up)
        finally:
            self.free()

    cdef bint at_hand(self, PyObject** result) except -1:
        """Take the next item if it is here, or in a stream of blocks below, without a pull."""
        cdef async_closing_iterator below = self
        if not PyList_GET_SIZE(self.held):
            if type(self.iterator) is not async_closing_iterator:
                return False
            below = <async_closing_iterator>self.iterator
            if below.busy is not None or below.steps is not None or not PyList_GET_SIZE(below.held):
                return False
        result[0] = popped(below.held)
        return True

    cdef bint satisfied(self) except -1:
        """Whether a step has let through all that it was asked for."""
        for step in self.steps:
            if (<Step>step).left == 0:
                return True
        return False

    cdef bint passes(self, PyObject** result) except -1:
        """Do the steps with the item; False if one drops it."""
        cdef Step step
        item = taken(result[0])
        result[0] = NULL
        for step in self.steps:
            if step.kind == TAKE:
                step.left -= 1
                continue
            answer = step.call(item)
            if step.kind == MAP:
                item = answer
            elif not answer:
                return False
        Py_INCREF(item)
        result[0] = <PyObject*>item
        return True

    cdef int free(self) except -1:
        """The pull or close is over."""
        self.busy = None
        if self.guard is not None and not self.owned:
            guard = self.guard
            self.guard = None
            dismiss(guard)
        return 0

    def __del__(self):
        if self.guard is None and self.owned:
            close_without_loop(self.owned)


@cython.final
@cython.no_gc_clear  # a pull that the collector drops half-way still needs its stream
@cython.freelist(16)
cdef class Pull:
    """One awaited ``anext`` of an ``async_closing_iterator``."""

    cdef async_closing_iterator stream
    cdef object awaited  # the iterator's own pull; later the coroutine that ends the stream
    cdef int state
    cdef bint stepping

    def __await__(self):
        return self

    def __iter__(self):
        return self

    def __next__(self):
        return self.send(None)

    def send(self, value):
        """Resume the awaitable; raises StopIteration with the chunk when it is there."""
        cdef PyObject* result = NULL
        if pull_send(self, value, &result) == PYGEN_RETURN:
            streamcore_stop(result)
            streamcore_raised()
        return taken(result)

    def throw(self, *error):
        """Raise an exception, such as a cancellation, where the awaitable waits."""
        if self.state == NEW:
            self.state = DONE
            raise_from(error)
        self.check()
        throw = getattr(self.awaited, "throw", None)
        self.stepping = True
        try:
            if throw is None:
                raise_from(error)
            waits_for = throw(*error)
        except StopIteration:
            self.leave()
            raise
        except BaseException as raised:
            self.stepping = False
            return self.failed(raised)
        self.stepping = False
        return waits_for

    def close(self):
        """Give the pull up where it waits."""
        if self.state == NEW:
            self.state = DONE
        if self.state == DONE:
            return
        self.check()
        self.give_up()

    def __dealloc__(self):
        if self.state == WAITING or self.state == ENDING:
            self.give_up()

    cdef int give_up(self) except -1:
        """Close what is waited for, as a coroutine does that is closed or dropped; the stream stays to be closed."""
        close = getattr(self.awaited, "close", None)
        self.stream.given_up = True
        self.leave()
        if close is not None:
            close()
        return 0

    cdef int check(self) except -1:
        if self.state == DONE:
            raise RuntimeError("cannot reuse already awaited coroutine")
        if self.stepping:
            raise ValueError("coroutine already executing")
        return 0

    cdef int begin(self) except -1:
        cdef async_closing_iterator stream = self.stream
        if stream.busy is not None or stream.iterator is None:
            self.state = DONE
            if stream.busy is not None:
                raise RuntimeError(stream.busy)
            raise StopAsyncIteration
        if stream.guard is None:
            stream.guard = guard_of(stream.owned)
        stream.busy = PULLED
        self.state = WAITING
        return 0

    cdef int leave(self) except -1:
        self.state = DONE
        self.stepping = False
        self.awaited = None
        self.stream.free()
        return 0

    cdef object failed(self, error):
        """After ``error``: end the stream. Gives what the end waits for, or raises."""
        cdef async_closing_iterator stream = self.stream
        if self.state == WAITING and not isinstance(error, GeneratorExit):
            self.state = ENDING
            stream.iterator = None
            self.awaited = end(stream.owned, error, stream.annotate, stream.given_up)
            return self.send(None)
        if self.state == WAITING:
            stream.given_up = True
        self.leave()
        raise error


cdef PySendResult pull_send(object self, object value, PyObject** result) except PYGEN_ERROR:
    cdef Pull pull = <Pull>self
    cdef async_closing_iterator stream = pull.stream
    cdef PySendResult sent
    if pull.state == NEW:
        if stream.steps is None and stream.busy is None and PyList_GET_SIZE(stream.held):
            pull.state = DONE
            result[0] = popped(stream.held)
            return PYGEN_RETURN
        pull.begin()
    elif pull.state == DONE or pull.stepping:
        pull.check()
    while True:
        if pull.awaited is None and stream.steps is not None and stream.satisfied():
            streamcore_end()
            return pull_failed(pull, result)
        if pull.awaited is not None or not stream.at_hand(result):
            sent = pull_step(pull, value, result)
            if sent == PYGEN_ERROR:
                return pull_failed(pull, result)
            if sent == PYGEN_NEXT:
                return sent
            value = None
            if stream.blocks and pull.state == WAITING:
                stream.held = taken(result[0])[::-1]
                continue
        if stream.steps is None:
            break
        pull.stepping = True
        try:
            kept = stream.passes(result)
        except BaseException as raised:
            pull.stepping = False
            error = raised
            return pull_ends(pull, error, result)
        pull.stepping = False
        if kept:
            break
    pull.state = DONE
    stream.busy = None
    return PYGEN_RETURN


cdef PySendResult pull_step(Pull pull, object value, PyObject** result) noexcept:
    """Step what the pull waits for, or pull the iterator first; on PYGEN_ERROR an exception is set."""
    cdef PySendResult sent
    if pull.awaited is None:
        result[0] = streamcore_pull(pull.stream.iterator)
        if result[0] == NULL:
            return PYGEN_ERROR
        pull.awaited = taken(result[0])
    step = pull.awaited  # kept alive, whatever the step does to the pull
    pull.stepping = True
    sent = PyIter_Send(step, value, result)
    pull.stepping = False
    if sent == PYGEN_RETURN:
        pull.awaited = None
    return sent


cdef PySendResult pull_failed(Pull pull, PyObject** result) except PYGEN_ERROR:
    try:
        streamcore_raised()
    except BaseException as raised:
        error = raised
    return pull_ends(pull, error, result)


cdef PySendResult pull_ends(Pull pull, object error, PyObject** result) except PYGEN_ERROR:
    waits_for = pull.failed(error)
    Py_INCREF(waits_for)
    result[0] = <PyObject*>waits_for
    return PYGEN_NEXT


cdef PyObject* pull_next(object self) except? NULL:
    cdef PyObject* result = NULL
    if pull_send(self, None, &result) == PYGEN_RETURN:
        return streamcore_stop(result)
    return result


cdef PyObject* popped(list held) except NULL:
    """The last item of ``held``, with the list's reference."""
    item = held.pop()
    Py_INCREF(item)
    return <PyObject*>item


cdef object taken(PyObject* result):
    """The object of a reference that is ours."""
    value = <object>result
    Py_DECREF(value)
    return value


cdef int raise_from(tuple error) except -1:
    """Raise what the arguments of ``throw()`` say."""
    kind = error[0]
    value = error[1] if len(error) > 1 else None
    if isinstance(kind, BaseException):
        raise kind
    if isinstance(value, BaseException):
        raise value
    raise kind() if value is None else kind(value)


streamcore_set_steps(Pull, pull_send, pull_next)
