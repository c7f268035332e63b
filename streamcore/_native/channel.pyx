# cython: language_level=3, freethreading_compatible=True
"""Bounded hand-off between threads, or a thread and an event loop (twin: ``_pure.channel``).

Goals and plan are the twin's. Here the queue is ``handoff.h``: a put or get that does not wait touches no
lock in a GIL build, one uncontended lock of its own side in a free-threaded one, and never lets go of the
GIL.

A side's lock guards its half of the hand-off and its line of waiters. No Python code runs under it, nobody
holds two. Thread and event loop are rung outside it, except that a thread's bell is rung before the unlock: a
waiter that finds itself out of the line then knows that its bell has rung.
"""

cimport cython
from cpython.list cimport PyList_New, PyList_SET_ITEM
from cpython.object cimport PyObject, PyTypeObject
from cpython.pythread cimport PyThread_type_lock
from cpython.ref cimport Py_DECREF, Py_INCREF
from cpython.tuple cimport PyTuple_GET_ITEM, PyTuple_GET_SIZE

import os
from operator import index
from sys import maxsize
from threading import main_thread
from time import monotonic
from types import GenericAlias

from ..errors import ChannelClosed, StreamTimeout

__all__ = ["Channel"]

cdef extern from "channel_object.h":
    ctypedef struct side_lock:
        pass
    void SIDE_LOCK(side_lock *lock) noexcept nogil
    void SIDE_UNLOCK(side_lock *lock) noexcept nogil
    ctypedef size_t handoff_word
    ctypedef struct handoff:
        size_t capacity
        handoff_word getter_armed
        handoff_word putter_armed
        void *head_block
        size_t pushed
        size_t popped
    enum: HANDOFF_BLOCK
    int handoff_init(handoff *h, size_t capacity) noexcept nogil
    void handoff_destroy(handoff *h) noexcept nogil
    size_t handoff_room(handoff *h, size_t wanted) noexcept nogil
    int handoff_push(handoff *h, void *item, size_t cost) noexcept nogil
    int handoff_publish(handoff *h) noexcept nogil
    size_t handoff_available(handoff *h, size_t wanted) noexcept nogil
    void *handoff_pop(handoff *h) noexcept nogil
    int handoff_release(handoff *h) noexcept nogil
    int handoff_arm_getter(handoff *h) noexcept nogil
    int handoff_arm_putter(handoff *h, size_t cost) noexcept nogil
    int handoff_close(handoff *h) noexcept nogil
    int handoff_is_closed(handoff *h) noexcept nogil
    size_t handoff_length(handoff *h) noexcept nogil
    void HANDOFF_STORE_SEQ(handoff_word *word, size_t value) noexcept nogil
    void channel_collect_items(PyTypeObject *kind, Py_ssize_t offset) noexcept

cdef extern from "Python.h":
    ctypedef enum PyLockStatus:
        PY_LOCK_FAILURE
        PY_LOCK_ACQUIRED
        PY_LOCK_INTR
    PyThread_type_lock PyThread_allocate_lock() noexcept nogil
    void PyThread_free_lock(PyThread_type_lock lock) noexcept nogil
    int PyThread_acquire_lock(PyThread_type_lock lock, int wait) noexcept nogil
    PyLockStatus PyThread_acquire_lock_timed(
        PyThread_type_lock lock, long long microseconds, int interruptible) noexcept nogil
    void PyThread_release_lock(PyThread_type_lock lock) noexcept nogil
    unsigned long PyThread_get_thread_ident() noexcept nogil
    int PyErr_CheckSignals() except -1
    void Py_SET_SIZE(object o, Py_ssize_t size) noexcept

# Seconds: see the twin.
cdef double PAUSE = 0.1
cdef double NEVER = float("inf")
cdef double LONGEST = 3600.0  # of one wait on a bell; every platform's lock takes that many microseconds
cdef object NOTHING = object()
cdef object STOP = object()
cdef object running_loop = None  # asyncio's, once a coroutine has waited
cdef unsigned long forks = 0

# What _offer did.
cdef enum:
    FULL = 0
    INSIDE = 1
    RING_GETTER = 2
    RING_PUTTER = 4


def _after_fork_in_child():
    global forks
    forks += 1


if hasattr(os, "register_at_fork"):
    os.register_at_fork(after_in_child=_after_fork_in_child)


cdef double _deadline(object timeout) except -1.0:
    """When ``timeout`` seconds from now is; NEVER for None."""
    if timeout is None:
        return NEVER
    if type(timeout) is int and timeout == 0:
        return 0.0  # long past, and known without asking the clock
    if not isinstance(timeout, (int, float)):
        raise TypeError(f"timeout must be a number of seconds or None, got {type(timeout).__name__}")
    if not timeout >= 0:
        raise ValueError(f"timeout must not be negative, got {timeout}")
    try:
        return monotonic() + timeout
    except OverflowError:
        return NEVER


cdef size_t _limit(object limit) except 0:
    """How many items ``get_many`` takes at most."""
    if limit is None:
        return <size_t>maxsize
    limit = index(limit)
    if limit < 1:
        raise ValueError(f"limit must be positive, got {limit}")
    return min(limit, maxsize)


cdef bint _is_over(double deadline) except -1:
    return deadline != NEVER and monotonic() >= deadline


cdef int _tell(object error, size_t done, list unsent) except -1:
    """Write into ``error`` what went in and what did not."""
    error.__dict__.update(items_put=done, unsent=unsent)
    return 0


def _wake(future):
    if not future.done():
        future.set_result(None)


@cython.final
@cython.no_gc_clear
cdef class _Waiter:
    """One that waits in a line: a thread on ``bell``, or a coroutine on ``future`` of ``loop``."""

    cdef PyThread_type_lock bell  # held while nobody has rung; NULL for a coroutine
    cdef object loop
    cdef object future
    cdef _Waiter before
    cdef _Waiter after
    cdef bint listed

    def __cinit__(self, loop):
        self.loop = loop
        if loop is not None:
            self.future = loop.create_future()
            return
        self.bell = PyThread_allocate_lock()
        if self.bell == NULL:
            raise MemoryError()
        PyThread_acquire_lock(self.bell, 1)

    def __dealloc__(self):
        if self.bell != NULL:
            PyThread_acquire_lock(self.bell, 0)  # freed unlocked, whatever state it is in
            PyThread_release_lock(self.bell)
            PyThread_free_lock(self.bell)


@cython.final
@cython.no_gc_clear
cdef class _Line:
    """A side's lock and the waiters of that side, first come first served."""

    cdef side_lock lock
    cdef handoff_word *armed  # up while there are waiters
    cdef _Waiter first
    cdef _Waiter last
    cdef _Waiter answering  # the last coroutine that was rung, until it runs
    cdef _Waiter idle  # a thread's waiter to use again

    cdef void insert(self, _Waiter waiter, bint in_front):
        waiter.listed = True
        if self.first is None:
            self.first = self.last = waiter
        elif in_front:
            waiter.after = self.first
            self.first.before = waiter
            self.first = waiter
        else:
            waiter.before = self.last
            self.last.after = waiter
            self.last = waiter

    cdef void remove(self, _Waiter waiter):
        if waiter.before is None:
            self.first = waiter.after
        else:
            waiter.before.after = waiter.after
        if waiter.after is None:
            self.last = waiter.before
        else:
            waiter.after.before = waiter.before
        waiter.before = waiter.after = None
        waiter.listed = False


@cython.final
cdef class _Sending:
    """How far a ``put_many`` has come."""

    cdef Channel channel
    cdef object rest  # where more items come from, or None
    cdef tuple drawn
    cdef Py_ssize_t position  # of the next to go in, in drawn
    cdef size_t cost  # of that item, or 0 while unknown
    cdef size_t done  # items that went in
    cdef bint waits  # for room before it draws an item

    def __cinit__(self, Channel channel, items):
        self.channel = channel
        self.drawn = ()
        if isinstance(items, (list, tuple)):
            self.drawn = tuple(items)
        else:
            self.rest = iter(items)

    cdef bint advance(self) except -1:
        """Put in what there is room for; False when the next item has to wait for ``cost`` units of room."""
        cdef int state
        while True:
            if self.position == PyTuple_GET_SIZE(self.drawn):
                if self.rest is None:
                    return True
                if self.waits and not self.channel._has_room():
                    self.cost = 1
                    return False
                self.cost = 0
                for item in self.rest:
                    self.drawn = (item,)
                    self.position = 0
                    break
                else:
                    return True
            if self.channel.size is None:
                self.cost = 1
                state = self.channel._offer_span(self)
            else:
                item = self.drawn[self.position]
                if self.cost == 0:
                    self.cost = self.channel._cost(item)
                state = self.channel._offer(item, self.cost)
                if state:
                    self.position += 1
                    self.done += 1
                    self.cost = 0
            if state == FULL:
                return False
            self.channel._ring_for(state)

    cdef int tell(self, error) except -1:
        return _tell(error, self.done, list(self.drawn[self.position:]))


@cython.final
@cython.no_gc_clear
cdef class Channel:
    """Bounded first-in, first-out hand-off of items between threads, event loops, or one of each.

    ``capacity`` counts items, or units when ``size`` is given: a callable that tells an item's size (``len``
    for bytes). An item takes up at least 1 unit; one larger than ``capacity`` goes in alone, when the channel
    is empty.

    One producer and one consumer is the fast case; more of either are served too. ``get`` and ``put`` block a
    thread, ``aget`` and ``aput`` wait on the running asyncio loop; the two sides may use different forms.
    ``timeout`` is in seconds; ``StreamTimeout`` is raised when it is over, and ``timeout=0`` does not wait. A
    wait that is cancelled, interrupted or timed out takes no item and loses none.

    After ``close()`` nothing goes in (``ChannelClosed``), and what was put can still be taken; then ``get``
    raises ``ChannelClosed`` and iteration ends. After ``close(error)`` both sides get ``error`` itself
    instead. If the event loop of a waiting coroutine is closed under it, the channel is closed with a
    ``ChannelClosed`` that says so.

    In a child process, a channel made before the fork raises ``RuntimeError``.
    """

    cdef handoff h
    cdef object size
    cdef _Line getters
    cdef _Line putters
    cdef object error  # what both sides get at the end, or None
    cdef object trace  # its traceback when the channel was closed
    cdef list returned  # items that a get had taken when a signal handler raised; the next to be taken
    cdef unsigned long forks
    cdef object __weakref__

    def __cinit__(self, capacity, *, size=None):
        capacity = index(capacity)
        if capacity < 1:
            raise ValueError(f"capacity must be positive, got {capacity}")
        if capacity > maxsize:
            raise ValueError(f"capacity must be at most {maxsize}, got {capacity}")
        if size is not None and not callable(size):
            raise TypeError(f"size must be callable or None, got {type(size).__name__}")
        self.size = size
        self.forks = forks
        self.getters = _Line.__new__(_Line)
        self.getters.armed = &self.h.getter_armed
        self.putters = _Line.__new__(_Line)
        self.putters.armed = &self.h.putter_armed
        if handoff_init(&self.h, capacity) < 0:
            raise MemoryError()

    def __dealloc__(self):
        if self.h.head_block == NULL:
            return
        while self.h.pushed != self.h.popped:
            Py_DECREF(<object>handoff_pop(&self.h))
        handoff_destroy(&self.h)

    @classmethod
    def __class_getitem__(cls, item):
        return GenericAlias(cls, item)

    @property
    def capacity(self):
        """The most that the channel holds, in items, or in units of ``size``."""
        return self.h.capacity

    @property
    def closed(self):
        """Whether ``close`` was called; items may still be inside."""
        return handoff_is_closed(&self.h) != 0

    def __len__(self):
        """How many items are inside."""
        cdef list returned = self.returned
        return handoff_length(&self.h) + (0 if returned is None else len(returned))

    def __repr__(self):
        state = "closed" if handoff_is_closed(&self.h) else "open"
        return f"<Channel of capacity {self.h.capacity}, {len(self)} items, {state}>"

    def __reduce__(self):
        raise TypeError("cannot pickle a Channel: it belongs to one process")

    def put(self, item, timeout=None):
        """Put ``item`` in, and wait while there is no room for it."""
        cdef int state = FULL
        if timeout is None and self.size is None:
            state = self._offer_fast(item)
        if state != INSIDE:
            self._put(item, timeout, state)

    def get(self, timeout=None):
        """Take the oldest item, and wait while there is none."""
        cdef double deadline = _deadline(timeout)
        cdef bint again = False
        while True:
            item = self._take(False)
            if item is not NOTHING:
                return item
            if _is_over(deadline):
                raise StreamTimeout(f"no item within {timeout} s")
            self._park(self.getters, 0, deadline, again)
            again = True

    def put_many(self, items, timeout=None):
        """Put all ``items`` in, in order, waiting for room as often as it takes; return how many that were.

        Whatever ends ``put`` or ``put_many`` early, the exception says how far it came: ``items_put`` is how
        many went in, ``unsent`` lists the others that were drawn from ``items``. A list or tuple is drawn at
        once; of any other iterable an item is drawn when the one before it went in. The error of a
        ``close(error)`` is one object: raised in several producers, it tells of the last of them.
        """
        return self._put_all(_Sending.__new__(_Sending, self, items), timeout)

    def _put_from(self, items):
        """``put_many`` for the bridge: no item is drawn before there is room for it, nor the end seen."""
        cdef _Sending sending = _Sending.__new__(_Sending, self, items)
        sending.waits = True
        return self._put_all(sending, None)

    cdef object _put_all(self, _Sending sending, object timeout):
        cdef double deadline = _deadline(timeout)
        cdef bint again = False
        try:
            while not sending.advance():
                if _is_over(deadline):
                    raise StreamTimeout(f"no room within {timeout} s")
                self._park(self.putters, sending.cost, deadline, again)
                again = True
        except BaseException as error:
            if not sending.waits:
                sending.tell(error)
            raise
        return sending.done

    def get_many(self, limit=None, timeout=None):
        """Take all items that are there, at most ``limit``, oldest first; wait while there is none."""
        cdef size_t most = _limit(limit)
        cdef double deadline = _deadline(timeout)
        cdef bint again = False
        while True:
            taken = self._take_many(most)
            if taken is not None:
                return taken
            if _is_over(deadline):
                raise StreamTimeout(f"no item within {timeout} s")
            self._park(self.getters, 0, deadline, again)
            again = True

    async def aput(self, item, timeout=None):
        """Put ``item`` in, and let the event loop run while there is no room for it."""
        cdef double deadline = _deadline(timeout)
        cdef size_t cost
        cdef int state = FULL
        cdef bint again = False
        try:
            cost = self._cost(item)
            while True:
                state = self._offer(item, cost)
                if state != FULL:
                    break
                if _is_over(deadline):
                    raise StreamTimeout(f"no room within {timeout} s")
                await self._wait(self.putters, cost, deadline, again)
                again = True
            if state != INSIDE:
                self._ring_for(state)
        except BaseException as error:
            _tell(error, 0 if state == FULL else 1, [item] if state == FULL else [])
            raise

    async def aget(self, timeout=None):
        """Take the oldest item, and let the event loop run while there is none."""
        cdef double deadline = _deadline(timeout)
        cdef bint again = False
        while True:
            item = self._take(False)
            if item is not NOTHING:
                return item
            if _is_over(deadline):
                raise StreamTimeout(f"no item within {timeout} s")
            await self._wait(self.getters, 0, deadline, again)
            again = True

    async def aput_many(self, items, timeout=None):
        """``put_many`` that lets the event loop run while there is no room."""
        cdef double deadline = _deadline(timeout)
        cdef _Sending sending = _Sending.__new__(_Sending, self, items)
        cdef bint again = False
        try:
            while not sending.advance():
                if _is_over(deadline):
                    raise StreamTimeout(f"no room within {timeout} s")
                await self._wait(self.putters, sending.cost, deadline, again)
                again = True
        except BaseException as error:
            sending.tell(error)
            raise
        return sending.done

    async def aget_many(self, limit=None, timeout=None):
        """``get_many`` that lets the event loop run while there is no item."""
        cdef size_t most = _limit(limit)
        cdef double deadline = _deadline(timeout)
        cdef bint again = False
        while True:
            taken = self._take_many(most)
            if taken is not None:
                return taken
            if _is_over(deadline):
                raise StreamTimeout(f"no item within {timeout} s")
            await self._wait(self.getters, 0, deadline, again)
            again = True

    def close(self, error=None):
        """Let nothing more in, and wake everyone who waits. The first call counts; any thread may make it.

        A ``StopIteration`` or ``StopAsyncIteration`` would read as a clean end: it becomes the cause of a
        RuntimeError.
        """
        if error is not None and not isinstance(error, BaseException):
            raise TypeError(f"error must be an exception or None, got {type(error).__name__}")
        if isinstance(error, (StopIteration, StopAsyncIteration)):
            cause, error = error, RuntimeError(f"the channel was closed with {type(error).__name__}")
            error.__cause__ = cause
        if self.forks != forks:
            handoff_close(&self.h)  # the waiters are in the parent, and so is whoever might hold a lock
            return
        trace = None if error is None else error.__traceback__
        SIDE_LOCK(&self.putters.lock)
        if not handoff_is_closed(&self.h):
            self.error = error
            self.trace = trace
            handoff_close(&self.h)
        SIDE_UNLOCK(&self.putters.lock)
        while self._ring(self.getters):
            pass
        while self._ring(self.putters):
            pass

    def __iter__(self):
        return self

    def __next__(self):
        while True:
            item = self._take(True)
            if item is STOP:
                raise StopIteration
            if item is not NOTHING:
                return item
            self._park(self.getters, 0, NEVER, False)

    def __aiter__(self):
        return self

    async def __anext__(self):
        while True:
            item = self._take(True)
            if item is STOP:
                raise StopAsyncIteration
            if item is not NOTHING:
                return item
            await self._wait(self.getters, 0, NEVER, False)

    cdef int _put(self, object item, object timeout, int state) except -1:
        """The rest of ``put``: all of it, or from the ringing on."""
        cdef double deadline = _deadline(timeout)
        cdef size_t cost
        cdef bint again = False
        try:
            if state == FULL:
                cost = self._cost(item)
                state = self._offer(item, cost)
                while state == FULL:
                    if _is_over(deadline):
                        raise StreamTimeout(f"no room within {timeout} s")
                    self._park(self.putters, cost, deadline, again)
                    again = True
                    state = self._offer(item, cost)
            self._ring_for(state)
        except BaseException as error:
            _tell(error, 0 if state == FULL else 1, [item] if state == FULL else [])
            raise
        return 0

    cdef size_t _cost(self, object item) except 0:
        """The units that ``item`` takes up: at least one, and never more than fit."""
        if self.size is None:
            return 1
        size = self.size(item)
        if not isinstance(size, int):
            raise TypeError(f"size must return an int, got {type(size).__name__}")
        if size < 0:
            raise ValueError(f"size must not return a negative number, got {size}")
        if size >= self.h.capacity:
            return self.h.capacity
        return max(<size_t>size, <size_t>1)

    cdef object _end(self, str message):
        """What to raise on a closed channel: the error with the traceback that it had at the close."""
        if self.error is None:
            return ChannelClosed(message)
        return self.error.with_traceback(self.trace)

    cdef int _refuse_after_fork(self) except -1:
        raise RuntimeError("this channel was made before a fork: make a new one in the child process")

    cdef int _offer_fast(self, object item) noexcept:
        """Put ``item`` in unless there is something to raise: INSIDE and whom to ring, or FULL."""
        cdef int state = FULL
        if self.forks != forks:
            return FULL
        SIDE_LOCK(&self.putters.lock)
        if (
            not handoff_is_closed(&self.h) and self.putters.first is None
            and handoff_room(&self.h, 1) > 0 and handoff_push(&self.h, <void *>item, 1) == 0
        ):
            Py_INCREF(item)
            state = INSIDE | RING_GETTER if handoff_publish(&self.h) else INSIDE
        SIDE_UNLOCK(&self.putters.lock)
        return state

    async def _wait_for_room(self):
        """Until anything fits, for the bridge; raises on a closed channel."""
        while not self._has_room():
            await self._wait(self.putters, 1, NEVER, False)

    cpdef bint _has_room(self) except -1:
        """Whether anything fits; raises on a closed channel."""
        cdef bint closed, fits
        if self.forks != forks:
            self._refuse_after_fork()
        SIDE_LOCK(&self.putters.lock)
        closed = handoff_is_closed(&self.h)
        fits = handoff_room(&self.h, 1) > 0
        SIDE_UNLOCK(&self.putters.lock)
        if closed:
            raise self._end("the channel is closed")
        return fits

    cdef int _offer(self, object item, size_t cost) except -1:
        """Put ``item`` in: FULL, or INSIDE and whom to ring now."""
        cdef int state = INSIDE
        cdef int pushed
        if self.forks != forks:
            self._refuse_after_fork()
        SIDE_LOCK(&self.putters.lock)
        if handoff_is_closed(&self.h):
            SIDE_UNLOCK(&self.putters.lock)
            raise self._end("the channel is closed")
        if handoff_room(&self.h, cost) < cost:
            SIDE_UNLOCK(&self.putters.lock)
            return FULL
        pushed = handoff_push(&self.h, <void *>item, cost)
        if pushed == 0:
            Py_INCREF(item)
            if handoff_publish(&self.h):
                state |= RING_GETTER
            if self.putters.first is not None and handoff_room(&self.h, 1) > 0:
                state |= RING_PUTTER
        SIDE_UNLOCK(&self.putters.lock)
        if pushed < 0:
            raise MemoryError()
        return state

    cdef int _offer_span(self, _Sending sending) except -1:
        """Put in as many of what ``sending`` has drawn as there is room for, one block's worth at most."""
        cdef int state = INSIDE
        cdef int pushed = 0
        cdef Py_ssize_t left = PyTuple_GET_SIZE(sending.drawn) - sending.position
        cdef size_t wanted = min(left, <Py_ssize_t>HANDOFF_BLOCK)
        cdef size_t room, _
        cdef PyObject *item
        if self.forks != forks:
            self._refuse_after_fork()
        SIDE_LOCK(&self.putters.lock)
        if handoff_is_closed(&self.h):
            SIDE_UNLOCK(&self.putters.lock)
            raise self._end("the channel is closed")
        room = handoff_room(&self.h, wanted)
        if room == 0:
            SIDE_UNLOCK(&self.putters.lock)
            return FULL
        for _ in range(min(room, wanted)):
            item = <PyObject *>PyTuple_GET_ITEM(sending.drawn, sending.position)
            pushed = handoff_push(&self.h, item, 1)
            if pushed < 0:
                break
            Py_INCREF(<object>item)
            sending.position += 1
            sending.done += 1
        if handoff_publish(&self.h):
            state |= RING_GETTER
        if self.putters.first is not None and handoff_room(&self.h, 1) > 0:
            state |= RING_PUTTER
        SIDE_UNLOCK(&self.putters.lock)
        if pushed < 0:
            self._ring_for(state)
            raise MemoryError()
        return state

    cdef object _take(self, bint stops):
        """Take the oldest item, or NOTHING; at a clean end STOP where that is asked for."""
        cdef bint closed, ring_putter, more
        cdef PyObject *taken
        if self.forks != forks:
            self._refuse_after_fork()
        closed = handoff_is_closed(&self.h)
        SIDE_LOCK(&self.getters.lock)
        if self.returned is not None:
            SIDE_UNLOCK(&self.getters.lock)
            again = self._take_many(1)
            return NOTHING if again is None else again[0]
        if handoff_available(&self.h, 1) == 0:
            SIDE_UNLOCK(&self.getters.lock)
            if closed:
                if stops and self.error is None:
                    return STOP
                raise self._end("the channel is closed and empty")
            return NOTHING
        taken = <PyObject *>handoff_pop(&self.h)
        ring_putter = handoff_release(&self.h)
        more = self.getters.first is not None and handoff_available(&self.h, 1) > 0
        SIDE_UNLOCK(&self.getters.lock)
        item = <object>taken
        Py_DECREF(item)  # the channel's reference; `item` has its own
        if ring_putter or more:
            self._ring_after(item, None, ring_putter, more)
        return item

    cdef list _take_many(self, size_t limit):
        """Take up to ``limit`` items, or None if there are none."""
        cdef bint closed, ring_putter, more
        cdef size_t found, i
        cdef list taken
        if self.forks != forks:
            self._refuse_after_fork()
        closed = handoff_is_closed(&self.h)
        if self.returned is not None:
            taken = self._take_returned(limit)
            if taken is not None:
                return taken
        limit = min(limit, handoff_length(&self.h))
        taken = PyList_New(limit)  # may run the collector, and that anything: so before the look that counts
        SIDE_LOCK(&self.getters.lock)
        found = min(limit, handoff_available(&self.h, limit))
        for i in range(found):
            PyList_SET_ITEM(taken, i, <object>handoff_pop(&self.h))
        ring_putter = found > 0 and handoff_release(&self.h)
        more = self.getters.first is not None and handoff_available(&self.h, 1) > 0
        SIDE_UNLOCK(&self.getters.lock)
        if found < limit:
            Py_SET_SIZE(taken, found)
        if ring_putter or more:
            self._ring_after(None, taken, ring_putter, more)
        if found == 0:
            if closed:
                raise self._end("the channel is closed and empty")
            return None
        return taken

    cdef list _take_returned(self, size_t limit):
        SIDE_LOCK(&self.getters.lock)
        cdef list returned = self.returned
        self.returned = None
        SIDE_UNLOCK(&self.getters.lock)
        if returned is None or len(returned) <= <Py_ssize_t>limit:
            return returned
        self._give_back(returned[limit:])
        return returned[:limit]

    cdef int _give_back(self, list items) except -1:
        SIDE_LOCK(&self.getters.lock)
        cdef list later = self.returned
        self.returned = None
        SIDE_UNLOCK(&self.getters.lock)
        if later is not None:
            items = items + later
        self.returned = items
        return 0

    cdef int _ring_after(self, object item, list items, bint ring_putter, bint more) except -1:
        """Ring whom a get must ring; if a signal handler raises meanwhile, what the get took goes back."""
        try:
            if ring_putter:
                self._ring(self.putters)
            if more:
                self._ring(self.getters)
        except BaseException:
            self._give_back([item] if items is None else items)
            self._ring(self.getters)
            raise
        return 0

    cdef int _ring_for(self, int state) except -1:
        if state & RING_GETTER:
            self._ring(self.getters)
        if state & RING_PUTTER:
            self._ring(self.putters)
        return 0

    cdef bint _ring(self, _Line line) except -1:
        """Wake the first in line; False if there is none."""
        cdef _Waiter waiter, _answered = None
        SIDE_LOCK(&line.lock)
        waiter = line.first
        if waiter is not None:
            line.remove(waiter)
            if line.first is not None:
                HANDOFF_STORE_SEQ(line.armed, 1)
            if waiter.bell != NULL:
                PyThread_release_lock(waiter.bell)
            else:
                _answered = line.answering  # released after the unlock
                line.answering = waiter
        SIDE_UNLOCK(&line.lock)
        if waiter is None:
            return False
        if waiter.bell == NULL:
            try:
                self._ring_loop(waiter)
            except BaseException as error:
                if waiter.loop.is_closed():
                    self._close_for(error)
                else:
                    self._ring_loop(waiter)  # a signal handler raised: once more, for nobody else will
                    raise
        return True

    cdef int _ring_loop(self, _Waiter waiter) except -1:
        if running_loop() is waiter.loop:
            _wake(waiter.future)
        else:
            waiter.loop.call_soon_threadsafe(_wake, waiter.future)
        return 0

    cdef int _close_for(self, object cause) except -1:
        """Close, because a coroutine waits on a loop that will never run again."""
        error = ChannelClosed("the event loop that waited on the other side was closed")
        error.__cause__ = cause
        self.close(error)
        return 0

    cdef bint _enlist(self, _Waiter waiter, _Line line, size_t cost, bint again) noexcept:
        """Put ``waiter`` in line, in front if it came back; False if it need not wait any more."""
        cdef bint idle
        SIDE_LOCK(&line.lock)
        line.insert(waiter, again)
        if line is self.getters:
            idle = handoff_arm_getter(&self.h) and self.returned is None
        else:
            idle = handoff_arm_putter(&self.h, cost)
        if not idle:
            line.remove(waiter)
            if line.first is None:
                HANDOFF_STORE_SEQ(line.armed, 0)
        SIDE_UNLOCK(&line.lock)
        return idle

    cdef void _leave(self, _Waiter waiter, _Line line) noexcept:
        cdef bint rung
        SIDE_LOCK(&line.lock)
        rung = not waiter.listed
        if waiter.listed:
            line.remove(waiter)
            if line.first is None:
                HANDOFF_STORE_SEQ(line.armed, 0)
        if line.answering is waiter:
            line.answering = None
        SIDE_UNLOCK(&line.lock)
        if rung and waiter.bell != NULL:
            PyThread_acquire_lock(waiter.bell, 0)  # rung after the wait was over: silence it

    cdef double _pause(self, _Line line, double deadline, object loop) except -1.0:
        """Seconds to wait before looking again. Closes if a loop that was rung on the other side died."""
        cdef _Line other = self.getters if line is self.putters else self.putters
        cdef _Waiter answering
        cdef bint pauses = loop is None and main_thread().ident == PyThread_get_thread_ident()
        cdef double remaining = NEVER
        SIDE_LOCK(&other.lock)
        answering = other.answering
        SIDE_UNLOCK(&other.lock)
        if answering is not None and answering.loop is not loop:
            pauses = True
            if answering.loop.is_closed():
                self._close_for(None)
                return 0.0
        if deadline != NEVER:
            remaining = max(0.0, deadline - <double>monotonic())
        return min(PAUSE, remaining) if pauses else remaining

    cdef int _park(self, _Line line, size_t cost, double deadline, bint again) except -1:
        """Block this thread until it is rung or ``deadline`` has come."""
        cdef _Waiter waiter
        cdef double pause
        cdef long long microseconds
        cdef PyLockStatus status
        SIDE_LOCK(&line.lock)
        waiter = line.idle
        line.idle = None
        SIDE_UNLOCK(&line.lock)
        if waiter is None:
            waiter = _Waiter.__new__(_Waiter, None)
        if self._enlist(waiter, line, cost, again):
            try:
                while True:
                    pause = self._pause(line, deadline, None)
                    microseconds = -1 if pause == NEVER else <long long>(min(pause, LONGEST) * 1e6) + 1
                    with nogil:
                        status = PyThread_acquire_lock_timed(waiter.bell, microseconds, 1)
                    if status == PY_LOCK_ACQUIRED:
                        break
                    PyErr_CheckSignals()
                    if _is_over(deadline):
                        break
            except BaseException:
                self._leave(waiter, line)
                self._ring(line)  # perhaps this waiter was rung, and what for is still there
                raise
            if status != PY_LOCK_ACQUIRED:
                self._leave(waiter, line)
        SIDE_LOCK(&line.lock)
        if line.idle is None:
            line.idle = waiter
        SIDE_UNLOCK(&line.lock)
        return 0

    async def _wait(self, _Line line, size_t cost, double deadline, bint again):
        """Suspend this coroutine until it is rung, or ``deadline`` has come, or it is time to look again."""
        global running_loop
        from asyncio import _get_running_loop, get_running_loop

        cdef _Waiter waiter
        cdef double pause
        running_loop = _get_running_loop
        loop = get_running_loop()
        waiter = _Waiter.__new__(_Waiter, loop)
        timer = None
        try:
            if self._enlist(waiter, line, cost, again):
                pause = self._pause(line, deadline, loop)
                if pause != NEVER:
                    timer = loop.call_later(pause, _wake, waiter.future)
                await waiter.future
        except BaseException:
            self._leave(waiter, line)
            self._ring(line)
            raise
        finally:
            if timer is not None:
                timer.cancel()
        self._leave(waiter, line)


cdef Channel _probe = Channel(1)
channel_collect_items(<PyTypeObject *>Channel, <char *>&_probe.h - <char *><PyObject *>_probe)
