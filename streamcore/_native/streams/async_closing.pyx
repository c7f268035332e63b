# cython: language_level=3, freethreading_compatible=True
"""An async stream that closes everything it was made of, however it ends (twin: ``_pure.streams.async_closing``).

A pull is a small object that hands on what the awaitable below it sends and returns, in C: 25 ns per chunk, where a
coroutine around each pull costs 130. Only the end of the stream runs a coroutine, the twin's.

CPython 3.12 to 3.14 step an awaitable through ``tp_iternext``, others through ``am_send``; Cython fills neither the way
it must be (its ``__next__`` builds a traceback for each StopIteration), so both are set by hand.
"""

cimport cython
from cpython.list cimport PyList_GET_SIZE
from cpython.object cimport PyObject
from cpython.ref cimport Py_INCREF

from streamcore._native.kernels.stack cimport STREAMCORE_FOR_AWAIT, STREAMCORE_FOR_CLOSE, streamcore_check_stack
from streamcore._native.streams.awaiting cimport (
    PYGEN_ERROR,
    PYGEN_NEXT,
    PYGEN_RETURN,
    PyIter_Send,
    PySendResult,
    streamcore_ended,
    streamcore_hook,
    streamcore_is_async_iterator,
    streamcore_pull,
    streamcore_raised,
    streamcore_set_steps,
    streamcore_stop,
    taken,
)
from streamcore._native.streams.inner cimport Inner
from streamcore._native.streams.row cimport Row
from streamcore._native.streams.steps cimport applied, dropped, satisfied, steps_of
from streamcore._native.streams.surroundings cimport streamcore_leave
from streamcore._native.streams.throwing cimport raise_thrown, throw_into

from streamcore._shared.async_ends import (
    ABROAD,
    CLOSED,
    LEFT,
    PULLED,
    aclose_all,
    close_without_loop,
    dismiss,
    end,
    guard_of,
    running_loop,
)
from streamcore._shared.surroundings import SURROUNDING
from streamcore._shared.surroundings import leave as leave_config

cdef extern from "Python.h":
    PyObject* PyContextVar_Set(object variable, object value) noexcept
    PyObject* PyList_GET_ITEM(object row, Py_ssize_t at) noexcept

# What a pull is doing.
cdef enum:
    NEW
    WAITING  # for the iterator
    ENDING  # the stream: for the coroutine that closes
    DONE


@cython.final
@cython.trashcan(True)
cdef class async_closing_iterator:
    """async_closing_iterator(iterator, owned, annotate=None, *, blocks=False, steps=(), beside=None, \
opened=None)\n--\n\n\
    Iterate over an async ``iterator``; when it ends, by whatever way, close ``owned`` from last to first, once.

    As ``closing_iterator``: ``owned`` has the source first and ``iterator`` last. ``aclose()`` awaits each entry's
    ``aclose()``, or calls its ``close()`` where it has no other. With ``blocks`` the iterator gives lists, which the
    stream keeps and empties, and the stream gives their items. ``steps`` are done with each item, in order.

    With async iterators ``beside`` it gives tuples, of an item of each, pulled in turn, and ends with the first that
    does. With ``opened`` the iterator may give DROPPED for an iterator that it has put last into ``opened.entries``:
    its items come next, and an error of it goes to ``opened.failed``, which raises.
    ``beside`` and ``opened`` go with no other option.
    """

    cdef object iterator  # None once the end has begun
    cdef list owned
    cdef bint owns  # anything, at first
    cdef object annotate
    cdef object guard
    cdef object busy  # why nothing else may begin: the message, or None
    cdef bint given_up
    cdef bint blocks
    cdef list held  # of a block, the last item first
    cdef object home  # the loop that the block came on
    cdef object hook  # by which that closes what is dropped, while it runs: the same one, the same loop
    cdef list steps  # or None
    cdef Row row  # with ``beside``, or None
    cdef Inner inner  # with ``opened``, or None
    cdef object config  # around the code that the stream runs, or None
    cdef object __weakref__

    def __cinit__(self, iterator, owned, annotate=None, *, blocks=False, steps=(), beside=None, opened=None):
        cdef list parts = [] if beside is None else list(beside)  # first: what is looked at is what is pulled
        for part in (iterator, *parts):
            if not streamcore_is_async_iterator(part):
                raise TypeError(f"'{type(part).__name__}' object is not an async iterator")
        self.iterator = iterator
        self.owned = list(owned)
        self.owns = len(self.owned) > 0
        self.annotate = annotate
        self.blocks = blocks
        self.held = []
        self.steps = steps_of(steps, True) or None
        if beside is not None:
            self.row = Row(parts)
        if opened is not None:
            self.inner = Inner(opened)
        if (beside is not None or opened is not None) and (
            blocks or self.steps is not None or (beside is not None and opened is not None)
        ):
            raise ValueError("beside and opened go with no other option")
        self.guard = guard_of(self.owned)

    def __aiter__(self):
        return self

    def __anext__(self):
        cdef Pull pull = Pull.__new__(Pull)
        pull.stream = self
        return pull

    def surround(self, config):
        """Let code that the stream runs find ``config`` around it; False if another one is set already."""
        if self.config is not None:
            return False
        self.config = config
        return True

    async def aclose(self):
        """Close every stage and the source, last to first; a second call does nothing."""
        owned, given_up = self._begin_close()
        token = None if self.config is None else SURROUNDING.set(self.config)
        try:
            await aclose_all(owned, None, given_up)
        finally:
            self.free()
            if token is not None:
                leave_config(token)

    def _begin_close(self):
        if self.busy is not None:
            raise RuntimeError(self.busy)
        self.iterator = self.annotate = None
        self.let_go()
        self.held = []
        self.busy = CLOSED
        return self.owned, self.given_up

    def _end_close(self):
        self.free()

    cdef int let_go(self) noexcept:
        """Of the inner iterator."""
        if self.inner is not None:
            self.inner.iterator = None
        return 0

    cdef bint is_over(self) noexcept:
        """Whether the end has begun, or the loop has closed all that there was."""
        return self.iterator is None or (self.owns and not PyList_GET_SIZE(self.owned))

    cdef int hold(self, block) except -1:
        """Keep the items of a block, which has come on the loop that runs."""
        cdef PyObject* hook = streamcore_hook()
        self.held = list(block)[::-1]
        if hook == NULL or hook != <PyObject*>self.hook:
            self.hook = None if hook == NULL else <object>hook
            self.home = running_loop()
        return 0

    cdef bint at_home(self) except -1:
        """Whether the loop runs on which the held items have come."""
        return streamcore_hook() == <PyObject*>self.hook or running_loop() is self.home

    cdef bint at_hand(self, PyObject** result) except -1:
        """Take the next item if it is here, or in a stream of blocks below, without a pull."""
        cdef async_closing_iterator below = self
        if not PyList_GET_SIZE(self.held):
            if type(self.iterator) is not async_closing_iterator:
                return False
            below = <async_closing_iterator>self.iterator
            if below.busy is not None or below.steps is not None or not PyList_GET_SIZE(below.held):
                return False
        if not below.at_home():
            raise RuntimeError(ABROAD)
        result[0] = popped(below.held)
        return True

    cdef bint passes(self, PyObject** result) except -1:
        """Do the steps with the item; False if one drops it."""
        cdef PyObject* token = NULL
        item = taken(result[0])
        result[0] = NULL
        if self.config is None:
            item = applied(<PyObject*>self.steps, item)
        else:
            token = PyContextVar_Set(SURROUNDING, self.config)
            if token == NULL:
                streamcore_raised()
            try:
                item = applied(<PyObject*>self.steps, item)
            finally:
                streamcore_leave(SURROUNDING, token)
        if item is dropped:
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
    """One awaited ``anext`` of an ``async_closing_iterator``: in all it answers, a coroutine."""

    cdef async_closing_iterator stream
    cdef object awaited  # the iterator's own pull; later the coroutine that ends the stream
    cdef int state
    cdef bint stepping

    def __await__(self):
        return self  # also half-way: ``anext(stream, default)`` asks before each step

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
        cdef PyObject* result = NULL
        cdef bint thrown = False
        if self.state == NEW:
            try:
                raise_thrown(error, &thrown)
            finally:
                if thrown:
                    self.state = DONE
        if pull_throw(self, error, &result) == PYGEN_RETURN:
            streamcore_stop(result)
            streamcore_raised()
        return taken(result)

    def close(self):
        """Give the pull up where it waits."""
        if self.state == NEW:
            self.state = DONE
        elif self.state != DONE:
            self.check()
            self.give_up()

    def __dealloc__(self):
        if self.state == WAITING or self.state == ENDING:
            try:
                self.give_up()
            finally:
                if self.state != DONE:
                    self.leave()

    cdef int give_up(self) except -1:
        """Close what is waited for, as a coroutine does that is closed or dropped; the stream stays to be closed.

        Pulls that wait for pulls are closed in a row, so that no depth of them fills the C stack.
        """
        cdef Pull pull = self
        cdef list row = [self]
        while type(pull.awaited) is Pull and (<Pull>pull.awaited).waits():
            pull.stepping = True
            pull = <Pull>pull.awaited
            row.append(pull)
        pull.stepping = True
        raised = None
        try:
            close = getattr(pull.awaited, "close", None)
            if close is not None:
                close()
        except BaseException as error:
            raised = error
        while row:
            raised = (<Pull>row.pop()).given_up(raised)
        if raised is not None:
            raise raised
        return 0

    cdef bint waits(self) noexcept:
        return (self.state == WAITING or self.state == ENDING) and not self.stepping

    cdef object given_up(self, raised):
        """After what was waited for has been closed, and ``raised`` if it is not None; gives what this one raises."""
        cdef PyObject* result = NULL
        cdef bint answered = False
        failure = None
        try:
            self.failed(GeneratorExit() if raised is None else raised, &result)
            answered = True
        except BaseException as error:
            if not isinstance(error, (GeneratorExit, StopIteration)):
                failure = error
        if not answered:
            return failure
        taken(result)
        return RuntimeError("coroutine ignored GeneratorExit")

    cdef int check(self) except -1:
        if self.state == DONE:
            raise RuntimeError("cannot reuse already awaited coroutine")
        if self.stepping:
            raise ValueError("coroutine already executing")
        return 0

    cdef int begin(self) except -1:
        cdef async_closing_iterator stream = self.stream
        if stream.busy is not None or stream.is_over():
            self.state = DONE
            if stream.busy is not None:
                raise RuntimeError(stream.busy)
            if stream.iterator is not None:
                stream.iterator = None
                raise RuntimeError(LEFT)
            raise StopAsyncIteration
        streamcore_check_stack(STREAMCORE_FOR_AWAIT)
        stream.busy = PULLED
        self.state = WAITING
        return 0

    cdef int leave(self) except -1:
        self.state = DONE
        self.stepping = False
        self.awaited = None
        if self.stream.row is not None:
            self.stream.row.forget()
        self.stream.free()
        return 0

    cdef PySendResult failed(self, error, PyObject** result) except PYGEN_ERROR:
        """After ``error``: end the stream, which may wait for something; raises in the end."""
        cdef async_closing_iterator stream = self.stream
        self.stepping = False
        if self.state != WAITING or isinstance(error, GeneratorExit):
            if self.state == WAITING:
                stream.given_up = True
            self.leave()
            raise error
        self.state = ENDING
        stream.iterator = None
        stream.let_go()
        annotate, stream.annotate = stream.annotate, None  # which knows frames that know the stream
        try:
            self.awaited = end(stream.owned, error, annotate, stream.given_up)
            return pull_advance(self, None, result, False)
        except BaseException:
            self.leave()
            raise


cdef PySendResult pull_send(object self, object value, PyObject** result) except PYGEN_ERROR:
    cdef Pull pull = <Pull>self
    cdef async_closing_iterator stream = pull.stream
    cdef PySendResult sent = PYGEN_ERROR
    cdef bint failed = False
    result[0] = NULL  # the caller's may hold anything, and looks at it after an error
    if pull.state == NEW:
        if stream is None:
            raise TypeError("a Pull is made by anext()")
        if value is not None:
            raise TypeError("can't send non-None value to a just-started coroutine")
        if (
            stream.steps is None
            and stream.busy is None
            and PyList_GET_SIZE(stream.held)
            and not stream.is_over()
            and stream.at_home()
        ):
            pull.state = DONE
            result[0] = popped(stream.held)
            return PYGEN_RETURN
        pull.begin()
        if stream.guard is None:
            try:
                stream.guard = guard_of(stream.owned)
            except BaseException as raised:
                sent = pull.failed(raised, result)
                failed = True
            if failed:
                return sent
    elif pull.state == DONE or pull.stepping:
        pull.check()
    return pull_resume(pull, value, result, False)


cdef PySendResult pull_throw(Pull pull, tuple error, PyObject** result) except PYGEN_ERROR:
    """Throw into what is awaited. One call on the C stack for each pull below, smaller than that of a send."""
    cdef PySendResult sent = PYGEN_NEXT
    cdef bint failed = False
    cdef PyObject* token = NULL
    pull.check()
    streamcore_check_stack(STREAMCORE_FOR_CLOSE)
    awaited = pull.awaited
    if pull.stream.config is not None:
        token = PyContextVar_Set(SURROUNDING, pull.stream.config)
        if token == NULL:
            streamcore_raised()
    pull.stepping = True
    try:
        if type(awaited) is Pull:
            sent = pull_throw(<Pull>awaited, error, result)
        else:
            waits_for = throw_into(awaited, error)
            Py_INCREF(waits_for)
            result[0] = <PyObject*>waits_for
    except StopIteration as stop:
        item = stop.value
        Py_INCREF(item)
        result[0] = <PyObject*>item
        sent = PYGEN_RETURN
    except BaseException as raised:
        result[0] = NULL
        sent = pull.failed(raised, result)
        failed = True
    finally:
        streamcore_leave(SURROUNDING, token)
    if failed:
        return sent
    pull.stepping = False
    return pull_resume(pull, None, result, True) if sent == PYGEN_RETURN else sent


cdef PySendResult pull_resume(Pull pull, object value, PyObject** result, bint returned) except PYGEN_ERROR:
    """``pull_advance``; its errors end the stream."""
    cdef PySendResult sent = (<advance>pull_advance)(pull, value, result, returned)
    if sent != PYGEN_ERROR:
        return sent
    result[0] = NULL
    try:
        streamcore_raised()
    except BaseException as raised:
        sent = pull.failed(raised, result)
    return sent


ctypedef PySendResult (*advance)(Pull, object, PyObject**, bint) noexcept


cdef PySendResult pull_advance(Pull pull, object value, PyObject** result, bint returned) except PYGEN_ERROR:
    """Go on to an item, or to a wait. ``returned``: what was awaited has given what stands in ``result``."""
    cdef async_closing_iterator stream = pull.stream
    cdef PySendResult sent
    while True:
        if stream.steps is not None and pull.awaited is None and satisfied(<PyObject*>stream.steps):
            raise StopAsyncIteration
        sent = pull_item(pull, value, result, returned)
        if sent == PYGEN_NEXT:
            return sent
        if stream.steps is None:
            break
        pull.stepping = True
        kept = stream.passes(result)
        pull.stepping = False
        if kept:
            break
        value = None
        returned = False
    pull.state = DONE
    stream.busy = None
    return PYGEN_RETURN


cdef PySendResult pull_item(Pull pull, object value, PyObject** result, bint returned) except PYGEN_ERROR:
    """An item as the iterator has it: here already, or out of what is awaited."""
    cdef async_closing_iterator stream = pull.stream
    cdef PySendResult sent
    while True:
        if returned:
            pull.awaited = None
            if stream.inner is not None and result[0] == <PyObject*>dropped:
                taken(result[0])
                result[0] = NULL
                stream.inner.opens()
            elif stream.blocks:
                block = taken(result[0])
                result[0] = NULL
                stream.hold(block)
            elif stream.row is None or stream.row.completes(result):
                return PYGEN_RETURN
        if pull.awaited is None:
            if stream.inner is not None and stream.inner.iterator is not None:
                if stream.inner.drawn(stream.config, &pull.stepping, result):
                    return PYGEN_RETURN
            if stream.row is None and stream.at_hand(result):
                return PYGEN_RETURN
        sent = pull_step(pull, value, result)
        if sent == PYGEN_NEXT:
            return sent
        if sent == PYGEN_ERROR:
            result[0] = NULL
            streamcore_raised()
        value = None
        returned = True


cdef PySendResult pull_step(Pull pull, object value, PyObject** result) noexcept:
    """Step what the pull waits for, or pull the iterator first; on PYGEN_ERROR an exception is set."""
    cdef PySendResult sent
    cdef PyObject* token = NULL
    if pull.stream.config is not None:
        token = PyContextVar_Set(SURROUNDING, pull.stream.config)
        if token == NULL:
            result[0] = NULL
            return PYGEN_ERROR
    sent = pull_stepped(pull, value, result)
    streamcore_leave(SURROUNDING, token)
    return sent


cdef PySendResult pull_stepped(Pull pull, object value, PyObject** result) noexcept:
    cdef PySendResult sent
    cdef async_closing_iterator stream = pull.stream
    cdef PyObject* iterator = <PyObject*>stream.iterator
    if pull.awaited is None:
        if stream.row is not None:
            if stream.given_up:  # half-way through a tuple: its beginning is lost
                streamcore_ended()
                result[0] = NULL
                return PYGEN_ERROR
            if stream.row.filled:
                iterator = PyList_GET_ITEM(stream.row.parts, stream.row.filled - 1)
        pull.stepping = True  # ``__anext__`` may be code of others
        result[0] = streamcore_pull(<object>iterator)
        pull.stepping = False
        if result[0] == NULL:
            return PYGEN_ERROR
        pull.awaited = taken(result[0])
    step = pull.awaited  # kept alive, whatever the step does to the pull
    pull.stepping = True
    sent = PyIter_Send(step, value, result)
    pull.stepping = False
    return sent


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


streamcore_set_steps(Pull, pull_send, pull_next)
