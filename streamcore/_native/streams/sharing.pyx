# cython: language_level=3, freethreading_compatible=True
"""One source for several streams, each of which gives all of its items (twin: ``_pure.streams.sharing``).

No lock is held while code of others runs: ``pulling`` says that the source is in use, and by which thread. What is
looked at and changed in one go allocates nothing, so that no collection, and with it no finalizer, comes between; room
for an item is made before the pull, and then all is looked at anew. Who has to wait does so on ``changed``.
"""

cimport cython
from cpython.exc cimport PyErr_Occurred
from cpython.iterator cimport PyIter_Check
from cpython.object cimport PyObject

from streamcore._native.cpython cimport PyThread_get_thread_ident, clipped_index, own, raise_set, steal
from streamcore._native.kernels.stack cimport STREAMCORE_FOR_CLOSE, STREAMCORE_FOR_NEXT, streamcore_check_stack
from streamcore._native.streams.closing cimport Stream

from threading import Condition

from streamcore._native.streams.closing import close_all
from streamcore._shared.notes import make_room

cdef extern from *:
    PyObject *next_or_null "PyIter_Next"(object iterator) noexcept  # an exception may be set

cdef enum:
    LEAST = 8  # slots of a place: a power of two, and so is any other number of them

cdef enum Turn:
    TAKE  # an item is there
    PULL  # it is this thread that pulls the source, as ``pulling`` says from now on
    GROW  # a place is out of slots
    FULL  # another stream has as much as it may have
    BUSY  # another thread pulls
    WITHIN  # this thread does, and the source asks for an item of its own
    END
    FAIL


@cython.final
cdef class Place:
    """What a stream has not given out yet: a ring of items, in the order in which they came."""

    cdef list slots
    cdef Py_ssize_t first
    cdef Py_ssize_t count
    cdef bint open

    @cython.wraparound(False)
    cdef inline int push(self, item) except -1:
        """There is a slot for it."""
        slots = self.slots
        slots[(self.first + self.count) & (len(slots) - 1)] = item
        self.count += 1
        return 0

    @cython.wraparound(False)
    cdef inline object pop(self):
        cdef Py_ssize_t at = self.first
        slots = self.slots
        item = slots[at]
        slots[at] = None
        self.first = (at + 1) & (len(slots) - 1)
        self.count -= 1
        return item

    cdef int grow(self) except -1:
        """Twice the slots, unless there is one by now."""
        cdef Py_ssize_t at, size = max(2 * len(self.slots), LEAST)
        cdef list slots = [None] * size
        if self.count < len(self.slots) or size <= self.count:
            return 0
        for at in range(self.count):
            slots[at] = self.slots[(self.first + at) & (len(self.slots) - 1)]
        self.slots = slots
        self.first = 0
        return 0

    cdef list shut(self, list empty):
        """Hold nothing any more; gives the items, to be dropped once all is in order."""
        slots = self.slots
        self.slots = empty
        self.first = self.count = 0
        self.open = False
        return slots


cdef Place new_place():
    cdef Place place = Place.__new__(Place)
    place.slots = [None] * LEAST
    return place


@cython.final
@cython.trashcan(True)
cdef class SharedSource:
    """SharedSource(source, buffer, recent, waits)\n--\n\n\
    A source and what each of its streams has not given out yet; it does not know these: dropped ones are collected.

    At most ``buffer + recent`` items are held for a stream, and the last ``recent`` for those that are yet to come. A
    pull that would make it more is a BufferError, or, if it ``waits``, waits for another thread to take one.
    """

    cdef object source  # None once it is closed, or about to be
    cdef list places  # of the streams that are open
    cdef Place recent  # the last items
    cdef Py_ssize_t most_recent
    cdef Py_ssize_t capacity
    cdef bint waits
    cdef bint pulling  # the source is in use
    cdef unsigned long puller  # the thread, if so
    cdef Place short  # out of slots
    cdef bint over  # nothing more comes
    cdef object error  # by which it ended, or None
    cdef bint kept  # by a hub, though there may be no stream
    cdef bint ended  # the hub was closed
    cdef Py_ssize_t waiting  # threads
    cdef object changed  # a Condition, for these

    def __cinit__(self, source, buffer, recent, waits):
        if not PyIter_Check(source):
            raise TypeError(f"'{type(source).__name__}' object is not an iterator")
        self.most_recent = clipped_index(recent)
        self.capacity = clipped_index(buffer + recent)
        self.waits = waits
        self.places = []
        self.recent = new_place()
        self.changed = Condition()
        self.source = source

    def keep(self):
        """Stay open without a stream."""
        self.kept = True

    def let_go(self):
        """Stay open no longer than the last stream."""
        self.kept = False
        self.close_if_last()

    def end(self):
        """End all streams and close the source."""
        cdef Place place
        cdef list empty = [], places = []
        held = None  # what is let go of is dropped outside
        with cython.critical_section(self):
            self.ended = True
            self.kept = False
            places, self.places = self.places, places
            held = self.recent.shut(empty)
        for place in places:
            held = None
            empty = []
            with cython.critical_section(self):
                held = place.shut(empty)
        held = None
        self.tell()
        self.close_if_last()

    cdef Place add(self):
        cdef Place place = new_place()
        cdef Py_ssize_t at
        cdef bint fits = False
        while not fits:
            with cython.critical_section(self):
                fits = self.recent.count < len(place.slots)
                if fits and not self.ended:
                    for at in range(self.recent.count):
                        place.push(self.recent.slots[(self.recent.first + at) & (len(self.recent.slots) - 1)])
                    place.open = True
                    if not self.over:
                        self.places.append(place)
            if not fits:
                place.slots = [None] * (2 * len(place.slots))
        return place

    cdef object take(self, Place place):
        """The next item for ``place``, which may have none yet."""
        cdef int turn
        cdef PyObject* pulled
        streamcore_check_stack(STREAMCORE_FOR_NEXT)
        while True:
            item = None
            with cython.critical_section(self):
                turn = self.turn_of(place)
                if turn == TAKE:
                    item = place.pop()
            if turn == PULL:
                pulled = self.pull(place)
                if pulled != NULL:
                    return steal(pulled)
            elif turn == TAKE:
                if self.waiting:
                    self.tell()
                return item
            elif turn == GROW:
                short = self.short
                with cython.critical_section(self):
                    (<Place>short).grow()
            elif turn == END:
                raise StopIteration
            elif turn == FAIL:
                raise self.error
            elif turn == WITHIN:
                raise RuntimeError("the source of a shared stream pulls that stream")
            elif turn == FULL and not self.waits:
                raise BufferError(f"{self.capacity} items are held for another stream of the same source")
            else:
                self.wait(place)

    cdef int turn_of(self, Place place) except -1:
        """What to do for the next item; nothing in it runs code of others."""
        cdef Place other
        if place.count:
            return TAKE
        if not place.open:
            return END
        if self.pulling:
            return WITHIN if self.puller == PyThread_get_thread_ident() else BUSY
        if self.over:
            place.open = False
            return END if self.error is None else FAIL
        for other in self.places:
            if other.count >= self.capacity:
                return FULL
            if other.count == len(other.slots):
                self.short = other
                return GROW
        if self.recent.count < self.most_recent and self.recent.count == len(self.recent.slots):
            self.short = self.recent
            return GROW
        self.pulling = True
        self.puller = PyThread_get_thread_ident()
        return PULL

    cdef PyObject* pull(self, Place place) except? NULL:
        """Pull the source, once, for all; NULL where the next item of ``place`` is to be looked for again."""
        cdef Place other
        cdef bint direct = False, mine = False, is_last = False
        source = self.source
        item = oldest = None
        cdef PyObject* pulled = next_or_null(source)
        if pulled == NULL:
            self.finish(source)
            return NULL
        item = steal(pulled)
        with cython.critical_section(self):
            direct = not self.waiting  # else it is told these first, which may be interrupted
            for other in self.places:
                if direct and other is place:
                    mine = True
                else:
                    other.push(item)
            if self.most_recent:
                if self.recent.count == self.most_recent:
                    oldest = self.recent.pop()
                self.recent.push(item)
            is_last = not (self.places or self.kept)
            if is_last:
                self.over = True
                self.source = None
            else:
                self.pulling = False
        if is_last:  # all have been closed meanwhile
            try:
                close_all((source,), None)
            finally:
                self.pulling = False
                self.tell()
        elif not direct:
            self.tell()
        return own(item) if mine else NULL

    cdef int finish(self, source) except -1:
        """The source has ended, or an exception of it is set: nothing more comes."""
        error = None
        try:
            if PyErr_Occurred() != NULL:
                raise_set()
        except BaseException as raised:
            error = raised
        try:
            if error is not None:
                make_room()
            with cython.critical_section(self):
                self.over = True
                self.source = None
                self.error = error
            try:
                close_all((source,), error)
            except BaseException as failure:
                self.error = failure
        finally:
            self.pulling = False
            self.tell()
        return 0

    cdef int wait(self, Place place) except -1:
        """Wait until ``place`` has an item, or its turn; without one, until no pull is under way."""
        with self.changed:
            with cython.critical_section(self):
                self.waiting += 1  # seen from now on by who changes something
            try:
                while self.has_to_wait(place):
                    self.changed.wait()
            finally:
                with cython.critical_section(self):
                    self.waiting -= 1
        return 0

    cdef bint has_to_wait(self, Place place) except -1:
        cdef Place other
        with cython.critical_section(self):
            if place is not None and (place.count or not place.open):
                return False
            if self.pulling or place is None:
                return self.pulling
            if not self.over:
                for other in self.places:
                    if other.count >= self.capacity:
                        return True
            return False

    cdef int tell(self) except -1:
        """Something has changed."""
        if self.waiting:
            with self.changed:
                self.changed.notify_all()
        return 0

    cdef list leave(self, Place place):
        """``place`` counts no more; gives what is to be closed: the source, after the last one."""
        cdef list empty = []
        cdef Py_ssize_t at
        held = None
        with cython.critical_section(self):
            held = place.shut(empty)
            for at in range(len(self.places)):
                if self.places[at] is place:
                    del self.places[at]
                    break
        held = None
        self.tell()
        return self.unwanted()

    cdef list unwanted(self):
        """The source, if nobody wants more of it."""
        cdef list found = [None]
        cdef bint waits = True
        while waits:
            with cython.critical_section(self):
                waits = False
                if not (self.places or self.kept or self.source is None):
                    if not self.pulling:
                        found[0], self.source = self.source, None
                        self.over = True
                    else:  # from within it is closed once that pull has come to its end
                        waits = self.puller != PyThread_get_thread_ident()
            if waits:
                self.wait(None)
        return found

    cdef int close_if_last(self) except -1:
        close_all(self.unwanted(), None)
        return 0


@cython.final
@cython.trashcan(True)
cdef class SharedStream(Stream):
    """SharedStream(shared)\n--\n\n\
    A stream of a ``SharedSource``: all of its items from now on, after the recent ones.

    An error of the source reaches it at its place. Once it is closed or dropped it counts no more; the last one closes
    the source, before ``close()`` returns.
    """

    cdef Place place

    def __cinit__(self, shared):
        if not isinstance(shared, SharedSource):
            raise TypeError(f"shared must be a SharedSource, got {type(shared).__name__}")
        self.place = (<SharedSource>shared).add()
        self.source = shared

    def __next__(self):
        shared, place = self.source, self.place
        item = None
        cdef bint found = False
        if shared is None or place is None:
            raise StopIteration
        if not (<SharedSource>shared).waiting:
            with cython.critical_section(shared):
                found = (<Place>place).count > 0
                if found:
                    item = (<Place>place).pop()
            if found:
                return item
        return (<SharedSource>shared).take(<Place>place)

    def close(self):
        """Count no more; the last one closes the source."""
        if self.source is not None and not self.running:
            streamcore_check_stack(STREAMCORE_FOR_CLOSE)
            self.end(None)

    cdef list detach(self, error):
        closing = (<SharedSource>self.source).leave(self.place)
        self.source = None
        return closing
