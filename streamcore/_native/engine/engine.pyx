# cython: language_level=3, freethreading_compatible=True
"""Base of all native engines and the iterator that drives them (twin in ``_pure``); plan in engine.pxd.

Goals: one fragment is taken in and done with before the next is asked for; every end of a stream closes its source
exactly once; a call that fails for want of memory can be made again.
"""

cimport cython
from cpython.exc cimport PyErr_CheckSignals
from cpython.object cimport PyObject

from streamcore._native.cpython cimport PyIter_Next, steal
from streamcore._native.streams.closing cimport Stream
from streamcore._native.kernels.stack cimport STREAMCORE_FOR_CLOSE, STREAMCORE_FOR_NEXT, streamcore_check_stack

from streamcore._shared.driving import driven, executing
from streamcore._shared.notes import add_note, loud, make_room, place, shown

cdef extern from "engine/lists.h":
    list streamcore_list_new()


cdef class BaseEngine:
    """Base of the engines: sans-IO, fragments in by ``feed()``, items out."""

    def __cinit__(self):
        self.name = "Engine"
        self.unit = "byte"

    # ---- the public face ----

    @property
    def offset(self):
        """How much was taken in so far, in bytes; for str input in code points, for ids in ids."""
        return self.position()

    @cython.critical_section
    def feed(self, fragment):
        """Take in one fragment and give the list of items that are complete now.

        An error in the input is raised once every item before it was given, and by every further call until
        ``reset()``. When anything else is raised (TypeError for a wrong fragment), nothing was taken in; or, where an
        encoder or a twin was stopped in the middle, every further call raises RuntimeError until ``reset()``.
        """
        return self.take_in(fragment)

    @cython.critical_section
    def finish(self):
        """End the input and give the list of items that this completes; a second call gives an empty list."""
        cdef list items
        self.check_idle()
        if self.ended and self.error is None:
            return []
        self.check_open("finish")
        self.busy = True
        try:
            items = streamcore_list_new() if self.single else []
            self.save()
            try:
                self.end()
                self.ended = True
                self.drain(items)
            except BaseException:
                self.ended = False
                self.undo()
                raise
        finally:
            self.busy = False
        if self.error is not None and not items:
            raise self.error.with_traceback(None)
        return items

    @cython.critical_section
    def reset(self):
        """Back to new: nothing taken in, no error."""
        self.check_idle()
        self.busy = True
        try:
            self.start_over()
            self.error = None
            self.ended = False
        finally:
            self.busy = False

    @cython.critical_section
    def iterate(self, fragments):
        """Iterator of the items in ``fragments`` (an iterator, which it owns and closes exactly once, however it ends).

        Pulls a fragment only when no complete item is left. Exceptions of ``fragments`` pass through, with a note.
        Until it ends nothing else may drive the engine: ``feed``, ``finish``, ``reset`` and a second iterator are a
        ValueError. Closed or dropped midway, an engine of bytes or text forgets the fragment in work and the item that
        is unfinished; after an exception of ``fragments``, and in an engine of ids, what is unfinished is still there.
        Either way the engine then goes on from ``offset``.
        """
        return drive(Items.__new__(Items), self, fragments)

    # ---- driving ----

    cdef list take_in(self, object fragment):
        cdef list items
        self.check_open("feed")
        self.busy = True
        try:
            items = streamcore_list_new() if self.single else []
            self.save()
            try:
                self.open_fragment(fragment)
                self.drain(items)
                self.close_fragment()
            except BaseException:
                self.undo()
                raise
        finally:
            self.busy = False
        if self.error is not None and not items:
            raise self.error.with_traceback(None)
        return items

    cdef int check_idle(self) except -1:
        if self.busy:
            raise executing(self.name)
        if self.driven:
            raise driven(self.name)
        return 0

    cdef int check_open(self, str call) except -1:
        self.check_idle()
        if self.error is not None:
            raise self.error.with_traceback(None)
        if self.ended:
            raise ValueError(f"{call}() after finish(): call reset() first")
        return 0

    cdef int drain(self, list items) except -1:
        """Append what is ready."""
        cdef PyObject *item
        while True:
            item = self.take()
            if item == NULL:
                return 0
            items.append(steal(item))
            if self.single:
                return 0

    # ---- errors ----

    cdef int fail(self, object error, long long offset) except -1:
        """Stop the engine: ``error`` is raised after the items already cut, and ever after."""
        error = loud(error)
        self.annotate(error, offset)
        self.error = error
        return 0

    cdef int annotate(self, object error, long long offset) except -1:
        """Say where, unless a stage further up did."""
        place(error, f"{self.name}, at {self.unit} {offset} of its input")
        return 0

    # ---- hooks ----

    cdef long long position(self) noexcept:
        return 0

    cdef int open_fragment(self, object fragment) except -1:
        raise NotImplementedError

    cdef bint at_once(self, object fragment, PyObject **item) except -1:
        return False

    cdef PyObject *take(self) except? NULL:
        return NULL

    cdef int take_some(self, PyObject **items) except -1:
        items[0] = self.take()
        return items[0] != NULL

    cdef int close_fragment(self) except -1:
        return 0

    cdef bint is_done(self) noexcept:
        return False

    cdef int end(self) except -1:
        return 0

    cdef int save(self) except -1:
        return 0

    cdef int undo(self) except -1:
        return 0

    cdef int start_over(self) except -1:
        return 0

    cdef int abandon(self) except -1:
        return 0


cdef Items drive(Items items, BaseEngine engine, object fragments):
    """Let new ``items`` drive an engine. They are made before that: a collection may run finalizers."""
    engine.check_open("iterate")
    engine.busy = True
    try:
        items.source = iter(fragments)
        items.engine = engine
        engine.driven = True
    finally:
        engine.busy = False
    return items


cdef class Items(Stream):
    """Iterator of the items that an engine makes of fragments; owns and closes the fragments."""

    def __dealloc__(self):
        self.drop_made()

    cdef int drop_made(self) except -1:
        """Let go of the items made ahead."""
        while self.next_made < self.made_count:
            self.next_made += 1
            steal(self.made[self.next_made - 1])
        return 0

    @cython.critical_section
    def __next__(self):
        cdef PyObject *item = NULL
        if self.running:
            raise ValueError("generator already executing")
        if self.next_made < self.made_count:
            self.next_made += 1
            return steal(self.made[self.next_made - 1])
        if self.source is not None:
            try:
                item = self.pull_item()
            except StopIteration as stop:  # of foreign code: it would be taken for the end
                raise loud(stop) from stop
        if item == NULL:
            raise StopIteration
        return steal(item)

    @cython.critical_section
    def close(self):
        """Close the fragments and end the iteration; further calls do nothing."""
        if self.running:
            raise ValueError("generator already executing")
        streamcore_check_stack(STREAMCORE_FOR_CLOSE)
        self.end(None)

    def __del__(self):
        if not self.running:  # called by name, from code that runs within a call
            self.end(None)

    cdef list detach(self, error):
        self.engine.busy = True
        self.drop_made()
        self.engine.abandon()
        owned = [self.source]
        self.source = self.pulled = None
        return owned

    cdef int let_go(self) noexcept:
        """After that the engine is free."""
        self.running = self.engine.busy = self.engine.driven = False
        return 0

    cdef int shut_after(self, object error) except -1:
        """Close the source because of ``error``, which must not be lost to a second one."""
        make_room()
        try:
            self.end(None)
        except Exception as second:
            add_note(error, f"closing its source failed too: {shown(second)}")
        return 0

    cdef PyObject *ready(self) except? NULL:
        self.next_made = self.made_count = 0
        self.made_count = self.engine.take_some(self.made)
        if self.made_count == 0:
            return NULL
        self.next_made = 1
        return self.made[0]

    cdef PyObject *pull_item(self) except? NULL:
        """Pull fragments until there is an item; NULL at the end, when the source has been closed.

        A MemoryError of the engine leaves the stream as it was, so that ``next()`` can be tried again.
        """
        cdef BaseEngine engine = self.engine
        cdef PyObject *item
        streamcore_check_stack(STREAMCORE_FOR_NEXT)
        self.running = engine.busy = True
        try:
            while True:
                if self.opened:
                    item = self.ready()
                    if item != NULL:
                        return item
                if engine.error is not None:
                    error = engine.error
                    self.shut_after(error)
                    raise error.with_traceback(None)
                if engine.ended:
                    self.end(None)
                    return NULL
                if self.opened:
                    engine.close_fragment()
                    self.opened = False
                item = self.advance()
                if item != NULL:
                    return item
        finally:
            self.running = False
            if self.source is not None:  # else the end has set the engine free, for whoever uses it now
                engine.busy = False

    cdef PyObject *advance(self) except? NULL:
        """Give the engine its next fragment, or the end of input; an exception of either ends the stream.

        Gives the item of a fragment that went the short way.
        """
        cdef BaseEngine engine = self.engine
        cdef PyObject *fragment
        cdef PyObject *item = NULL
        cdef bint pulling = True
        try:
            if self.pulled is None and not self.exhausted:
                PyErr_CheckSignals()
                fragment = NULL if not engine.ready and engine.is_done() else PyIter_Next(self.source)
                if fragment == NULL:
                    self.exhausted = True
                else:
                    self.pulled = steal(fragment)
            pulling = False
            if engine.ready and not self.exhausted and engine.at_once(self.pulled, &item):
                self.pulled = None
                return item
            if self.exhausted:
                engine.end()
                engine.ended = True
            else:
                engine.open_fragment(self.pulled)
        except BaseException as error:
            if not pulling and isinstance(error, MemoryError):
                raise
            engine.annotate(error, engine.position())
            self.shut_after(error)
            raise
        self.pulled = None
        self.opened = True
        return NULL
