# cython: language_level=3, freethreading_compatible=True
"""Bounded hand-off between threads, or a thread and an event loop (twin: ``_pure.channel.channel``).

Goals and plan are the twin's. Here the queue is ``handoff.h``: a put or get that does not wait touches no
lock in a GIL build, one uncontended lock of its own side in a free-threaded one, and never lets go of the
GIL. What goes in and out stands in ``passing``, who waits and who wakes in ``waiting``.
"""

cimport cython
from cpython.object cimport PyObject
from cpython.ref cimport Py_DECREF, Py_INCREF

from streamcore._native.channel.bounds cimport plain_weight
from streamcore._native.channel.passing cimport Passing, Sending, tell
from streamcore._native.channel.waiting cimport (
    FULL,
    INSIDE,
    NEVER,
    RING_GETTER,
    deadline_of,
    forks,
    is_over,
    limit_of,
    list_or_none,
)
from streamcore._native.channel.handoff cimport (
    SIDE_LOCK,
    SIDE_UNLOCK,
    handoff_available,
    handoff_fits,
    handoff_is_closed,
    handoff_length,
    handoff_pop,
    handoff_publish,
    handoff_push,
    handoff_release,
)

from types import GenericAlias

from streamcore.errors import StreamTimeout

__all__ = ["Channel"]

cdef object NOTHING = object()
cdef object STOP = object()


@cython.final
@cython.no_gc_clear
cdef class Channel(Passing):
    """Channel(capacity, *, size=None, buffer_bytes=8388608)\n--\n\n\
    Bounded first-in, first-out hand-off of items between threads, event loops, or one of each.

    ``capacity`` counts items, which weigh at most ``buffer_bytes`` together (8 MiB; None for no such bound):
    bytes-like objects their bytes, text its characters, what has an int ``nbytes`` that, a list or tuple the
    sum of its items, anything else 64. Or it counts units, when ``size`` is given: a callable that tells an
    item's size (``len`` for bytes), at least 1. An item larger than a bound goes in alone, when the channel is
    empty.

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

    @classmethod
    def __class_getitem__(cls, item):
        if isinstance(item, tuple) and len(item) > 1:
            raise TypeError(f"Too many arguments for {cls!r}; actual {len(item)}, expected 1")
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
        if timeout is None and self.size is None and self.budget is None:
            state = self._offer_fast(item)
        if state != INSIDE:
            self._put(item, timeout, state)

    def get(self, timeout=None):
        """Take the oldest item, and wait while there is none.

        Ctrl-C, or what another signal handler raises, leaves the item in the channel, unless the signal comes in
        the instant between the end of this call and the caller's next step: Python then drops the result of any
        call. ``for item in channel`` and ``get_many(into=items)`` have no such instant.
        """
        cdef double deadline = deadline_of(timeout)
        cdef bint again = False
        while True:
            item = self._take(False)
            if item is not NOTHING:
                self._let_go(item, None, None)
                return item
            if is_over(deadline):
                raise StreamTimeout(f"no item within {timeout} s")
            self._park(self.getters, 0, 0, deadline, again)
            again = True

    def put_many(self, items, timeout=None):
        """Put all ``items`` in, in order, waiting for room as often as it takes; return how many that were.

        Whatever ends ``put`` or ``put_many`` early, the exception says how far it came: ``items_put`` is how
        many went in, ``unsent`` lists the others that were drawn from ``items``. A list or tuple is drawn at
        once; of any other iterable an item is drawn when the one before it went in. The error of a
        ``close(error)`` is one object: raised in several producers, it tells of the last of them.
        """
        return self._put_all(Sending.__new__(Sending, self, items), timeout)

    def _put_from(self, items):
        """``put_many`` for the bridge: no item is drawn before there is room for it, nor the end seen."""
        cdef Sending sending = Sending.__new__(Sending, self, items)
        sending.waits = True
        return self._put_all(sending, None)

    cdef object _put_all(self, Sending sending, object timeout):
        cdef double deadline = deadline_of(timeout)
        cdef bint again = False
        try:
            while not sending.advance():
                if is_over(deadline):
                    raise StreamTimeout(f"no room within {timeout} s")
                self._park(self.putters, sending.cost, sending.weight, deadline, again)
                again = True
        except BaseException as error:
            if not sending.waits:
                sending.tell(error)
            raise
        return sending.done

    def get_many(self, limit=None, timeout=None, *, into=None):
        """Take all items that are there, at most ``limit``, oldest first; wait while there is none.

        They are returned as a list, or added to the end of the list ``into``, which is returned then. What is in
        ``into`` cannot be lost to an interrupt: see ``get``.
        """
        cdef size_t most = limit_of(limit)
        cdef list owned = list_or_none(into)
        cdef double deadline = deadline_of(timeout)
        cdef bint again = False
        while True:
            taken = self._take_many(most)
            if taken is not None:
                self._let_go(None, taken, owned)
                return taken if owned is None else owned
            if is_over(deadline):
                raise StreamTimeout(f"no item within {timeout} s")
            self._park(self.getters, 0, 0, deadline, again)
            again = True

    async def aput(self, item, timeout=None):
        """Put ``item`` in, and let the event loop run while there is no room for it."""
        cdef double deadline = deadline_of(timeout)
        cdef size_t cost, weight
        cdef int state = FULL
        cdef bint again = False
        try:
            weight = self._weight(item)
            cost = self._cost(item)
            while True:
                state = self._offer(item, cost, weight)
                if state != FULL:
                    break
                if is_over(deadline):
                    raise StreamTimeout(f"no room within {timeout} s")
                await self._wait(self.putters, cost, weight, deadline, again)
                again = True
            if state != INSIDE:
                self._ring_for(state)
        except BaseException as error:
            tell(error, 0 if state == FULL else 1, [item] if state == FULL else [])
            raise

    async def aget(self, timeout=None):
        """Take the oldest item, and let the event loop run while there is none."""
        cdef double deadline = deadline_of(timeout)
        cdef bint again = False
        while True:
            item = self._take(False)
            if item is not NOTHING:
                self._let_go(item, None, None)
                return item
            if is_over(deadline):
                raise StreamTimeout(f"no item within {timeout} s")
            await self._wait(self.getters, 0, 0, deadline, again)
            again = True

    async def aput_many(self, items, timeout=None):
        """``put_many`` that lets the event loop run while there is no room."""
        cdef double deadline = deadline_of(timeout)
        cdef Sending sending = Sending.__new__(Sending, self, items)
        cdef bint again = False
        try:
            while not sending.advance():
                if is_over(deadline):
                    raise StreamTimeout(f"no room within {timeout} s")
                await self._wait(self.putters, sending.cost, sending.weight, deadline, again)
                again = True
        except BaseException as error:
            sending.tell(error)
            raise
        return sending.done

    async def aget_many(self, limit=None, timeout=None, *, into=None):
        """``get_many`` that lets the event loop run while there is no item."""
        cdef size_t most = limit_of(limit)
        cdef list owned = list_or_none(into)
        cdef double deadline = deadline_of(timeout)
        cdef bint again = False
        while True:
            taken = self._take_many(most)
            if taken is not None:
                self._let_go(None, taken, owned)
                return taken if owned is None else owned
            if is_over(deadline):
                raise StreamTimeout(f"no item within {timeout} s")
            await self._wait(self.getters, 0, 0, deadline, again)
            again = True

    def __iter__(self):
        return self

    def __next__(self):
        while True:
            item = self._take(True)
            if item is STOP:
                raise StopIteration
            if item is not NOTHING:
                return item
            self._park(self.getters, 0, 0, NEVER, False)

    def __aiter__(self):
        return self

    async def __anext__(self):
        while True:
            item = self._take(True)
            if item is STOP:
                raise StopAsyncIteration
            if item is not NOTHING:
                return item
            await self._wait(self.getters, 0, 0, NEVER, False)

    cdef int _put(self, object item, object timeout, int state) except -1:
        """The rest of ``put``: all of it, or from the ringing on."""
        cdef double deadline = deadline_of(timeout)
        cdef size_t cost, weight
        cdef bint again = False
        try:
            if state == FULL:
                weight = self._weight(item)
                cost = self._cost(item)
                state = self._offer(item, cost, weight)
                while state == FULL:
                    if is_over(deadline):
                        raise StreamTimeout(f"no room within {timeout} s")
                    self._park(self.putters, cost, weight, deadline, again)
                    again = True
                    state = self._offer(item, cost, weight)
            self._ring_for(state)
        except BaseException as error:
            tell(error, 0 if state == FULL else 1, [item] if state == FULL else [])
            raise
        return 0

    cdef int _offer_fast(self, object item) noexcept:
        """Put ``item`` in unless there is something to raise: INSIDE and whom to ring, or FULL."""
        cdef int state = FULL
        cdef Py_ssize_t weight = 0
        if self.forks != forks:
            return FULL
        if self.weighs:
            weight = plain_weight(item)
            if weight < 0:
                return FULL
            weight = min(<size_t>weight, self.h.max_weight)
        SIDE_LOCK(&self.putters.lock)
        if (
            not handoff_is_closed(&self.h) and self.putters.first is None
            and handoff_fits(&self.h, 1, weight) and handoff_push(&self.h, <void *>item, 1, weight) == 0
        ):
            Py_INCREF(item)
            state = INSIDE | RING_GETTER if handoff_publish(&self.h) else INSIDE
        SIDE_UNLOCK(&self.putters.lock)
        return state

    cdef object _take(self, bint stops):
        """Take the oldest item, or NOTHING; at a clean end STOP where that is asked for."""
        cdef bint closed, ring_putter, more
        cdef size_t before
        cdef PyObject *taken
        if self.forks != forks:
            self._refuse_after_fork()
        if self.lent_items:
            self._take_back()
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
        before = self.h.dropped
        taken = <PyObject *>handoff_pop(&self.h)
        if self.budget is not None:
            self.lent_items += 1
            self.lent_bytes += self.h.dropped - before
        ring_putter = handoff_release(&self.h)
        more = self.getters.first is not None and handoff_available(&self.h, 1) > 0
        SIDE_UNLOCK(&self.getters.lock)
        item = <object>taken
        Py_DECREF(item)  # the channel's reference; `item` has its own
        if ring_putter or more:
            self._ring_after(item, None, ring_putter, more)
        return item
