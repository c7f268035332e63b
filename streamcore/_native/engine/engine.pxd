# cython: language_level=3
"""The life cycle of a native engine: fragments in, items out, one driver at a time.

How a new engine plugs in
-------------------------
An engine that cuts bytes or text derives from ``span_engine.Engine``, which owns the fragments and carries over what is
unfinished. One of other items (ids) derives from ``BaseEngine``, sets ``name`` and ``unit``, and fills the hooks below.
The base does the rest: ``feed finish reset iterate error offset``, one driver at a time, cleanup of the source, notes,
errors after items.

The calls come in this order: ``open_fragment()``, ``take()`` until it gives NULL, ``close_fragment()``. At the end of
input ``end()``, then ``take()`` until NULL, with ``ended`` set. After an error that was given to ``fail()``, ``take()``
gives what came before it, then NULL; the fragment then goes by ``close_fragment()`` or ``abandon()``.

A hook that raises (in practice: MemoryError, Ctrl-C, foreign code) must leave the object as if it had not been called:
an iterator then holds its fragment, and the next pull tries again after a MemoryError. ``feed()`` and ``finish()`` do
more than one hook: they call ``save()`` before and ``undo()`` when anything was raised, which must not need memory. An
engine that is ``single`` needs neither: ``open_fragment()`` and ``end()`` find its only item, and the list that
``feed()`` gives has room for one from the start. An error of the *input* is not raised but given to ``fail()``.

For some fragments there may be a shorter way than these calls: while ``ready`` is set, ``at_once()`` is tried first.

All hooks run with ``busy`` set, so whatever foreign code they run (a buffer's own, a finalizer, a handler) finds the
engine refusing every call.
"""

from cpython.object cimport PyObject

from streamcore._native.streams.closing cimport Stream

# Items that an iterator makes ahead at most, all of the fragment at hand.
cdef enum:
    AHEAD_ITEMS = 32


cdef class BaseEngine:
    cdef readonly object error  # what stopped the engine, else None
    cdef str name  # of the stage, for messages
    cdef str unit  # of offsets
    cdef bint ended
    cdef bint busy  # a call is at work: whatever code it runs may not call the engine
    cdef bint driven  # an Items has it, until that is exhausted, closed or dropped
    cdef bint single  # whether a fragment, and the end, give at most one item; set once
    cdef bint ready  # whether at_once() may be called: the engine has not failed or ended, nor is it done

    # For engines to call.
    cdef int fail(self, object error, long long offset) except -1

    # For engines to fill.
    cdef long long position(self) noexcept  # what ``offset`` gives
    cdef int open_fragment(self, object fragment) except -1
    cdef bint at_once(self, object fragment, PyObject **item) except -1  # False: not so; its item, or NULL for none
    cdef PyObject *take(self) except? NULL  # a new reference to the next item; NULL: none left, or fail()ed
    cdef int take_some(self, PyObject **items) except -1  # up to AHEAD_ITEMS of them, 0: none left; here: one take()
    cdef int close_fragment(self) except -1
    cdef bint is_done(self) noexcept  # whether no further input can give an item: none is pulled; here: never
    cdef int end(self) except -1
    cdef int save(self) except -1
    cdef int undo(self) except -1
    cdef int start_over(self) except -1  # part of reset()
    cdef int abandon(self) except -1  # an iterator ends: forget the fragment in work

    # For Items, and for engines that have a shorter way for some fragments.
    cdef list take_in(self, object fragment)
    cdef int check_idle(self) except -1
    cdef int check_open(self, str call) except -1
    cdef int drain(self, list items) except -1
    cdef int annotate(self, object error, long long offset) except -1


cdef class Items(Stream):
    cdef BaseEngine engine
    cdef object pulled  # a fragment that the engine had no memory for; None otherwise
    cdef bint opened  # the engine has a fragment, or the end, whose items are not all taken
    cdef bint exhausted  # the source has no more, or no more is wanted
    # Making items in one go saves 5 of 24 ns on a line of 100 bytes, against a call of take() for each.
    cdef PyObject *made[AHEAD_ITEMS]
    cdef int next_made, made_count

    cdef int drop_made(self) except -1
    cdef int shut_after(self, object error) except -1
    cdef PyObject *ready(self) except? NULL  # the next item that is already there; Batches has others than take_some()
    cdef PyObject *pull_item(self) except? NULL
    cdef PyObject *advance(self) except? NULL


cdef Items drive(Items items, BaseEngine engine, object fragments)
