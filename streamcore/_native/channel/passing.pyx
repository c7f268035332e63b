# cython: language_level=3, freethreading_compatible=True
"""How items go into a channel and come out, without waiting (twin: ``_pure.channel.passing``)."""

cimport cython
from cpython.exc cimport PyErr_CheckSignals
from cpython.list cimport PyList_New, PyList_SET_ITEM
from cpython.object cimport PyObject
from cpython.ref cimport Py_INCREF
from cpython.tuple cimport PyTuple_GET_ITEM, PyTuple_GET_SIZE

from weakref import ref

from streamcore._native.cpython cimport Py_SET_SIZE
from streamcore._native.channel.bounds cimport Budget, plain_weight, weight_of
from streamcore._native.channel.waiting cimport (
    FULL,
    INSIDE,
    NEVER,
    RING_GETTER,
    RING_PUTTER,
    Waiting,
    forks,
)
from streamcore._native.channel.handoff cimport (
    HANDOFF_BLOCK,
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
    handoff_room,
)


cdef int tell(object error, size_t done, list unsent) except -1:
    """Write into ``error`` what went in and what did not."""
    error.__dict__.update(items_put=done, unsent=unsent)
    return 0


@cython.final
cdef class Sending:
    """How far a ``put_many`` has come."""

    def __cinit__(self, Passing channel, items):
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
                self.cost = 0
                if self.waits and not self.channel._has_room():
                    return False
                for item in self.rest:
                    self.drawn = (item,)
                    self.position = 0
                    break
                else:
                    return True
            if self.cost == 0:
                item = self.drawn[self.position]
                self.weight = self.channel._weight(item)
                self.cost = self.channel._cost(item)
            state = self.channel._offer_span(self)
            if state == FULL:
                return False
            self.channel._ring_for(state)

    cdef int tell(self, error) except -1:
        return tell(error, self.done, list(self.drawn[self.position:]))


@cython.no_gc_clear
cdef class Passing(Waiting):
    """What goes into a channel and comes out, without waiting; ``Channel`` adds the waits."""

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

    cdef size_t _weight(self, object item) except? 1:
        """The bytes that ``item`` counts for: never more than fit."""
        return min(<size_t>weight_of(item), self.h.max_weight) if self.weighs else 0

    def _budget(self, items, bytes):
        """A bound for several channels of this kind, to ``_join``."""
        return Budget(items, bytes)

    def _join(self, Budget budget not None, bint gated):
        """Count in ``budget`` what is in here, and what a get took until the next one; before anything is put in.

        ``gated``: the producer here draws nothing more while the budget is spent.
        """
        if gated:
            budget.source = ref(self)
        self.budget = budget
        self.gated = gated

    cdef int _take_back(self) except -1:
        """Count no longer what the last get took: its taker comes for more."""
        cdef size_t items, bytes
        cdef Waiting source
        SIDE_LOCK(&self.getters.lock)
        items = self.lent_items
        bytes = self.lent_bytes
        self.lent_items = self.lent_bytes = 0
        SIDE_UNLOCK(&self.getters.lock)
        if self.budget.give(items, bytes) and self.budget.source is not None:
            source = self.budget.source()
            if source is not None:
                source._ring(source.putters)
        return 0

    async def _wait_for_room(self):
        """Until the next item may be drawn, for the bridge; raises on a closed channel."""
        while not self._has_room():
            await self._wait(self.putters, 0, 0, NEVER, False)

    cpdef bint _has_room(self) except -1:
        """Whether the next item may be drawn, one like the last; raises on a closed channel."""
        cdef bint closed, fits
        if self.forks != forks:
            self._refuse_after_fork()
        SIDE_LOCK(&self.putters.lock)
        closed = handoff_is_closed(&self.h)
        fits = handoff_fits(&self.h, 1, self.h.last_weight) and not (
            self.gated and self.budget.is_spent(self.h.last_weight, False)
        )
        SIDE_UNLOCK(&self.putters.lock)
        if closed:
            raise self._end("the channel is closed")
        return fits

    cdef int _offer(self, object item, size_t cost, size_t weight) except -1:
        """Put ``item`` in: FULL, or INSIDE and whom to ring now."""
        cdef int state = INSIDE
        cdef int pushed
        if self.forks != forks:
            self._refuse_after_fork()
        SIDE_LOCK(&self.putters.lock)
        if handoff_is_closed(&self.h):
            SIDE_UNLOCK(&self.putters.lock)
            raise self._end("the channel is closed")
        if not handoff_fits(&self.h, cost, weight):
            SIDE_UNLOCK(&self.putters.lock)
            return FULL
        pushed = handoff_push(&self.h, <void *>item, cost, weight)
        if pushed == 0:
            Py_INCREF(item)
            if self.budget is not None:
                self.budget.add(1, weight)
            if handoff_publish(&self.h):
                state |= RING_GETTER
            if self.putters.first is not None and handoff_room(&self.h, 1) > 0:
                state |= RING_PUTTER
        SIDE_UNLOCK(&self.putters.lock)
        if pushed < 0:
            raise MemoryError()
        return state

    cdef int _offer_span(self, Sending sending) except -1:
        """Put in as many of what ``sending`` has drawn as there is room for, one block's worth at most."""
        cdef int state = INSIDE
        cdef int pushed = 0
        cdef Py_ssize_t left = PyTuple_GET_SIZE(sending.drawn) - sending.position
        cdef Py_ssize_t wanted = min(left, <Py_ssize_t>HANDOFF_BLOCK) if self.size is None else 1
        cdef Py_ssize_t weight = sending.weight
        cdef size_t before
        cdef Py_ssize_t count = 0
        cdef PyObject *item
        if self.forks != forks:
            self._refuse_after_fork()
        SIDE_LOCK(&self.putters.lock)
        if handoff_is_closed(&self.h):
            SIDE_UNLOCK(&self.putters.lock)
            raise self._end("the channel is closed")
        before = self.h.weighed
        while handoff_fits(&self.h, sending.cost, weight):
            item = <PyObject *>PyTuple_GET_ITEM(sending.drawn, sending.position)
            pushed = handoff_push(&self.h, item, sending.cost, weight)
            if pushed < 0:
                break
            Py_INCREF(<object>item)
            sending.position += 1
            sending.done += 1
            count += 1
            if count == wanted:
                break
            if self.weighs:
                weight = plain_weight(<object>PyTuple_GET_ITEM(sending.drawn, sending.position))
                if weight < 0:
                    break  # foreign code tells, and none may run under the lock
                weight = min(<size_t>weight, self.h.max_weight)
        if count:
            sending.cost = 0
        elif pushed == 0:
            SIDE_UNLOCK(&self.putters.lock)
            return FULL
        if self.budget is not None:
            self.budget.add(count, self.h.weighed - before)
        if handoff_publish(&self.h):
            state |= RING_GETTER
        if self.putters.first is not None and handoff_room(&self.h, 1) > 0:
            state |= RING_PUTTER
        SIDE_UNLOCK(&self.putters.lock)
        if pushed < 0:
            self._ring_for(state)
            raise MemoryError()
        return state

    cdef list _take_many(self, size_t limit):
        """Take up to ``limit`` items, or None if there are none."""
        cdef bint closed, ring_putter, more
        cdef size_t found, before, i
        cdef list taken
        if self.forks != forks:
            self._refuse_after_fork()
        if self.lent_items:
            self._take_back()
        closed = handoff_is_closed(&self.h)
        if self.returned is not None:
            taken = self._take_returned(limit)
            if taken is not None:
                return taken
        limit = min(limit, handoff_length(&self.h))
        taken = PyList_New(limit)  # may run the collector, and that anything: so before the look that counts
        SIDE_LOCK(&self.getters.lock)
        found = min(limit, handoff_available(&self.h, limit))
        before = self.h.dropped
        for i in range(found):
            PyList_SET_ITEM(taken, i, <object>handoff_pop(&self.h))
        if self.budget is not None:
            self.lent_items += found
            self.lent_bytes += self.h.dropped - before
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
        cdef list later
        while True:
            SIDE_LOCK(&self.getters.lock)
            later = self.returned
            self.returned = items if later is None else None
            SIDE_UNLOCK(&self.getters.lock)
            if later is None:
                return 0
            items = items + later

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

    cdef int _let_go(self, object item, list items, list into) except -1:
        """The last step of a get: what a signal handler raises up to here puts back what the get took."""
        try:
            PyErr_CheckSignals()
            if into is not None:
                into += items
        except BaseException:
            self._give_back([item] if items is None else items)
            self._ring(self.getters)
            raise
        return 0
