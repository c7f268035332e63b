# cython: language_level=3, freethreading_compatible=True
"""How threads and coroutines wait on a channel, and who wakes them (twin: ``_pure.channel.waiting``).

A side's lock guards its half of the hand-off and its queue of waiters. No Python code runs under it, nobody
holds two. Thread and event loop are rung outside it, except that a thread's bell is rung before the unlock: a
waiter that finds itself out of the queue then knows that its bell has rung.
"""

cimport cython
from cpython.exc cimport PyErr_CheckSignals
from cpython.object cimport PyObject, PyTypeObject
from cpython.ref cimport Py_DECREF

from streamcore._native.channel.bounds cimport max_weight_of
from streamcore._native.cpython cimport (
    PY_LOCK_ACQUIRED,
    PyLockStatus,
    PyThread_acquire_lock,
    PyThread_acquire_lock_timed,
    PyThread_allocate_lock,
    PyThread_free_lock,
    PyThread_get_thread_ident,
    PyThread_release_lock,
)
from streamcore._native.channel.handoff cimport (
    HANDOFF_STORE_SEQ,
    SIDE_LOCK,
    SIDE_UNLOCK,
    channel_collect_items,
    handoff_arm_getter,
    handoff_arm_putter,
    handoff_close,
    handoff_destroy,
    handoff_init,
    handoff_is_closed,
    handoff_pop,
)

import os
from operator import index
from sys import maxsize
from threading import main_thread
from time import monotonic

from streamcore.errors import ChannelClosed

# Seconds: see the twin.
cdef double PAUSE = 0.1
cdef double LONGEST = 3600.0  # of one wait on a bell; every platform's lock takes that many microseconds
NEVER = float("inf")
forks = 0
cdef object running_loop = None  # asyncio's two functions, once a coroutine has waited
cdef object needed_loop = None


def _after_fork_in_child():
    global forks
    forks += 1


if hasattr(os, "register_at_fork"):
    os.register_at_fork(after_in_child=_after_fork_in_child)


cdef double deadline_of(object timeout) except -1.0:
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


cdef size_t limit_of(object limit) except 0:
    """How many items ``get_many`` takes at most."""
    if limit is None:
        return <size_t>maxsize
    limit = index(limit)
    if limit < 1:
        raise ValueError(f"limit must be positive, got {limit}")
    return min(limit, maxsize)


cdef list list_or_none(object into):
    """Where ``get_many`` puts what it takes: a list and nothing derived from it, whose code would run half-way."""
    if into is not None and type(into) is not list:
        raise TypeError(f"into must be a list or None, got {type(into).__name__}")
    return into


cdef bint is_over(double deadline) except -1:
    return deadline != NEVER and monotonic() >= deadline


def _wake(future):
    if not future.done():
        future.set_result(None)


@cython.final
@cython.no_gc_clear
cdef class Waiter:
    """One that waits in a queue: a thread on ``bell``, or a coroutine on ``future`` of ``loop``."""

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
cdef class WaitQueue:
    """A side's lock and the waiters of that side, first come first served."""

    cdef void insert(self, Waiter waiter, bint in_front):
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

    cdef void remove(self, Waiter waiter):
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


@cython.no_gc_clear
cdef class Waiting:
    """What waits on a channel, and what wakes it; ``Passing`` adds what goes through."""

    def __cinit__(self, capacity, *, size=None, buffer_bytes=8388608):
        cdef size_t max_weight
        capacity = index(capacity)
        if capacity < 1:
            raise ValueError(f"capacity must be positive, got {capacity}")
        if capacity > maxsize:
            raise ValueError(f"capacity must be at most {maxsize}, got {capacity}")
        if size is not None and not callable(size):
            raise TypeError(f"size must be callable or None, got {type(size).__name__}")
        max_weight = max_weight_of(buffer_bytes if size is None else None)
        self.size = size
        self.weighs = max_weight != <size_t>-1
        self.forks = forks
        self.getters = WaitQueue.__new__(WaitQueue)
        self.getters.armed = &self.h.getter_armed
        self.putters = WaitQueue.__new__(WaitQueue)
        self.putters.armed = &self.h.putter_armed
        if handoff_init(&self.h, capacity, max_weight) < 0:
            raise MemoryError()

    def __dealloc__(self):
        if self.h.head_block == NULL:
            return
        while self.h.pushed != self.h.popped:
            Py_DECREF(<object>handoff_pop(&self.h))
        handoff_destroy(&self.h)

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

    cdef object _end(self, str message):
        """What to raise on a closed channel: the error with the traceback that it had at the close."""
        if self.error is None:
            return ChannelClosed(message)
        return self.error.with_traceback(self.trace)

    cdef int _refuse_after_fork(self) except -1:
        raise RuntimeError("this channel was made before a fork: make a new one in the child process")

    cdef int _ring_for(self, int state) except -1:
        if state & RING_GETTER:
            self._ring(self.getters)
        if state & RING_PUTTER:
            self._ring(self.putters)
        return 0

    cdef bint _ring(self, WaitQueue queue) except -1:
        """Wake the first in the queue; False if there is none."""
        cdef Waiter waiter, _answered = None
        SIDE_LOCK(&queue.lock)
        waiter = queue.first
        if waiter is not None:
            queue.remove(waiter)
            if queue.first is not None:
                HANDOFF_STORE_SEQ(queue.armed, 1)
            if waiter.bell != NULL:
                PyThread_release_lock(waiter.bell)
            else:
                _answered = queue.answering  # released after the unlock
                queue.answering = waiter
        SIDE_UNLOCK(&queue.lock)
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

    cdef int _ring_loop(self, Waiter waiter) except -1:
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

    cdef bint _enlist(self, Waiter waiter, WaitQueue queue, size_t cost, size_t weight, bint again) noexcept:
        """Put ``waiter`` in the queue, in front if it came back; False if it need not wait any more.

        A producer waits for room for ``cost`` and ``weight``; with no cost, until it may draw an item.
        """
        cdef bint idle
        SIDE_LOCK(&queue.lock)
        queue.insert(waiter, again)
        if queue is self.getters:
            idle = handoff_arm_getter(&self.h) and self.returned is None
        elif cost:
            idle = handoff_arm_putter(&self.h, cost, weight)
        elif self.gated and self.budget.is_spent(self.h.last_weight, True):
            idle = not handoff_is_closed(&self.h)  # rung by Budget.give, or by close()
        else:
            idle = handoff_arm_putter(&self.h, 1, self.h.last_weight)
        if not idle:
            queue.remove(waiter)
            if queue.first is None:
                HANDOFF_STORE_SEQ(queue.armed, 0)
        SIDE_UNLOCK(&queue.lock)
        return idle

    cdef void _leave(self, Waiter waiter, WaitQueue queue) noexcept:
        cdef bint rung
        SIDE_LOCK(&queue.lock)
        rung = not waiter.listed
        if waiter.listed:
            queue.remove(waiter)
            if queue.first is None:
                HANDOFF_STORE_SEQ(queue.armed, 0)
        if queue.answering is waiter:
            queue.answering = None
        SIDE_UNLOCK(&queue.lock)
        if rung and waiter.bell != NULL:
            PyThread_acquire_lock(waiter.bell, 0)  # rung after the wait was over: silence it

    cdef double _pause(self, WaitQueue queue, double deadline, object loop) except -1.0:
        """Seconds to wait before looking again. Closes if a loop that was rung on the other side died."""
        cdef WaitQueue other = self.getters if queue is self.putters else self.putters
        cdef Waiter answering
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

    cdef int _park(self, WaitQueue queue, size_t cost, size_t weight, double deadline, bint again) except -1:
        """Block this thread until it is rung or ``deadline`` has come."""
        cdef Waiter waiter
        cdef double pause
        cdef long long microseconds
        cdef PyLockStatus status
        SIDE_LOCK(&queue.lock)
        waiter = queue.idle
        queue.idle = None
        SIDE_UNLOCK(&queue.lock)
        if waiter is None:
            waiter = Waiter.__new__(Waiter, None)
        if self._enlist(waiter, queue, cost, weight, again):
            try:
                while True:
                    pause = self._pause(queue, deadline, None)
                    microseconds = -1 if pause == NEVER else <long long>(min(pause, LONGEST) * 1e6) + 1
                    with nogil:
                        status = PyThread_acquire_lock_timed(waiter.bell, microseconds, 1)
                    PyErr_CheckSignals()  # also when it was rung: raised now, nothing has been taken yet
                    if status == PY_LOCK_ACQUIRED or is_over(deadline):
                        break
            except BaseException:
                self._leave(waiter, queue)
                self._ring(queue)  # perhaps this waiter was rung, and what for is still there
                raise
            if status != PY_LOCK_ACQUIRED:
                self._leave(waiter, queue)
        SIDE_LOCK(&queue.lock)
        if queue.idle is None:
            queue.idle = waiter
        SIDE_UNLOCK(&queue.lock)
        return 0

    async def _wait(self, WaitQueue queue, size_t cost, size_t weight, double deadline, bint again):
        """Suspend this coroutine until it is rung, or ``deadline`` has come, or it is time to look again."""
        global running_loop, needed_loop
        cdef Waiter waiter
        cdef double pause
        if running_loop is None:
            from asyncio import _get_running_loop, get_running_loop

            needed_loop = get_running_loop
            running_loop = _get_running_loop
        loop = needed_loop()
        waiter = Waiter.__new__(Waiter, loop)
        timer = None
        try:
            if self._enlist(waiter, queue, cost, weight, again):
                pause = self._pause(queue, deadline, loop)
                if pause != NEVER:
                    timer = loop.call_later(pause, _wake, waiter.future)
                await waiter.future
        except BaseException:
            self._leave(waiter, queue)
            self._ring(queue)
            raise
        finally:
            if timer is not None:
                timer.cancel()
        self._leave(waiter, queue)


cdef Waiting _probe = Waiting(1)
channel_collect_items(<PyTypeObject *>Waiting, <char *>&_probe.h - <char *><PyObject *>_probe)
