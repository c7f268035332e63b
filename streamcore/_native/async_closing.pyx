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

from streamcore._pure.async_closing import CLOSED, PULLED, aclose_all, close_without_loop, dismiss, end, guard_of

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

# What a pull is doing.
cdef enum:
    NEW
    WAITING  # for the iterator
    ENDING  # the stream: for the coroutine that closes
    DONE


@cython.final
cdef class async_closing_iterator:
    """Iterate over an async ``iterator``; when it ends, by whatever way, close ``owned`` from last to first, once.

    As ``closing_iterator``: ``owned`` has the source first and ``iterator`` last. ``aclose()`` awaits each entry's
    ``aclose()``, or calls its ``close()`` where it has no other. With ``blocks`` the iterator gives lists, which the
    stream keeps and empties, and the stream gives their items.
    """

    cdef object iterator  # None once the end has begun
    cdef list owned
    cdef object annotate
    cdef object guard
    cdef object busy  # why nothing else may begin: the message, or None
    cdef bint given_up
    cdef bint blocks
    cdef list held  # of a block, the last item first
    cdef object __weakref__

    def __cinit__(self, iterator, owned, annotate=None, *, blocks=False):
        if not streamcore_is_async_iterator(iterator):
            raise TypeError(f"'{type(iterator).__name__}' object is not an async iterator")
        self.iterator = iterator
        self.owned = list(owned)
        self.annotate = annotate
        self.blocks = blocks
        self.held = []
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
        if PyList_GET_SIZE(stream.held) and stream.busy is None:
            pull.state = DONE
            result[0] = popped(stream.held)
            return PYGEN_RETURN
        pull.begin()
    elif pull.state == DONE or pull.stepping:
        pull.check()
    while True:
        if pull.awaited is None:
            result[0] = streamcore_pull(stream.iterator)
            if result[0] == NULL:
                return pull_failed(pull, result)
            pull.awaited = taken(result[0])
        step = pull.awaited  # kept alive, whatever the step does to the pull
        pull.stepping = True
        sent = PyIter_Send(step, value, result)
        pull.stepping = False
        if sent == PYGEN_ERROR:
            return pull_failed(pull, result)
        if sent == PYGEN_NEXT:
            return sent
        pull.awaited = None
        if not stream.blocks:
            break
        stream.held = taken(result[0])[::-1]
        if PyList_GET_SIZE(stream.held):
            result[0] = popped(stream.held)
            break
        value = None
    pull.state = DONE
    stream.busy = None
    return PYGEN_RETURN


cdef PySendResult pull_failed(Pull pull, PyObject** result) except PYGEN_ERROR:
    try:
        streamcore_raised()
    except BaseException as raised:
        error = raised
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
