# cython: language_level=3, freethreading_compatible=True
"""A stream that closes everything it was made of, however it ends (twin: ``_pure.streams.closing``).

One C call per chunk: 3 to 5 ns, where a delegating generator costs 15 to 25. Streams stand inside streams, so that a
pull goes as deep as the C stack allows (``stack.h``); an end goes on one level, over a list of what is being closed.
"""

cimport cython
from cpython.exc cimport PyErr_CheckSignals
from cpython.object cimport PyObject, PyTypeObject

from streamcore._native.kernels.stack cimport STREAMCORE_FOR_CLOSE, STREAMCORE_FOR_NEXT, streamcore_check_stack
from streamcore._native.streams.surroundings cimport put_back, set_around, streamcore_around
from streamcore._native.streams.steps cimport Step, applied, dropped, satisfied, steps_of

from streamcore._shared.notes import make_room, note_failure

cdef extern from *:
    """
    #define streamcore_iternext(type) ((type)->tp_iternext)
    """
    iternext streamcore_iternext(PyTypeObject* type) nogil


@cython.trashcan(True)
cdef class Stream:
    """An iterator over a source that it owns: however it ends, what it owns is closed once."""

    def __iter__(self):
        return self

    def __next__(self):
        cdef bint ended = False
        if self.running:
            raise ValueError("generator already executing")
        source = self.source
        if source is None:
            raise StopIteration
        streamcore_check_stack(STREAMCORE_FOR_NEXT)
        self.running = True
        try:
            if self.passes:  # one call less: 4 ns, 20 over a generator
                item = pulled(self, source, &ended)
            else:
                item = self.step(source, &ended)
        except StopIteration:  # of a source in Python
            ended = True
        except BaseException as error:
            self.end(error)
            raise
        if ended:
            self.end(None)
            raise StopIteration
        self.running = False
        return item

    def close(self):
        """Close every stage and the source, last to first; a second call does nothing."""
        if self.running:
            raise ValueError("generator already executing")
        if self.source is not None:
            streamcore_check_stack(STREAMCORE_FOR_CLOSE)
            self.end(None)

    def __del__(self):
        if self.source is not None:
            self.end(None)

    cdef int over(self, source) except -1:
        self.next_item = streamcore_iternext((<PyObject*>source).ob_type)
        if self.next_item == NULL:
            raise TypeError(f"'{type(source).__name__}' object is not an iterator")
        self.source = source
        return 0

    cdef object step(self, source, bint* ended):
        """The next item to give; sets ``ended`` instead where there is none."""
        return pulled(self, source, ended)

    cdef list detach(self, error):
        """Forget the source, so that nothing is closed twice; gives what is to be closed, the last one first."""
        owned = [self.source]
        self.source = None
        return owned

    cdef int let_go(self) noexcept:
        """The end is over: all is closed."""
        self.running = False
        return 0

    cdef int end(self, error) except -1:
        """Close all that the stream owns, because of ``error`` if it is not None, to which failures become notes."""
        if self.source is None:
            self.running = False
            return 0
        if error is not None:
            try:
                make_room()
            except BaseException:
                self.running = False
                raise
        failed = close_levels(new_level(self, error))
        if failed is not None:
            raise failed
        return 0


@cython.final
cdef class closing_iterator(Stream):
    """closing_iterator(iterator, owned, annotate=None, *, steps=())\n--\n\n\
    Iterate over ``iterator``; when it ends, by whatever way, close ``owned`` from last to first, each once.

    ``owned`` is in the order of the data's way, source first, and has ``iterator`` as its last entry; entries without
    a ``close`` are passed over. ``close()`` returns after all are closed. An exception is shown to ``annotate`` first
    and then raised as it is; errors of ``close`` methods become notes of it, or are raised where there is none.
    ``steps`` are done with each item, in order.
    """

    cdef list owned
    cdef object annotate
    cdef list steps
    cdef Step counter  # the only step, if it does no more than count: 2 ns less of 10
    cdef object config  # around the code that the stream runs, or None

    def __cinit__(self, iterator, owned, annotate=None, *, steps=()):
        self.owned = list(owned)
        self.annotate = annotate
        self.steps = steps_of(steps, False)
        self.passes = not self.steps
        if len(self.steps) == 1 and (<Step>self.steps[0]).passes:
            self.counter = self.steps[0]
        self.over(iterator)

    def surround(self, config):
        """Let code that the stream runs find ``config`` around it; False if another one is set already."""
        if self.config is not None:
            return False
        self.config = config
        self.passes = False
        return True

    cdef object step(self, source, bint* ended):
        if self.config is None:
            return self.stepped(source, ended)
        cdef streamcore_around before
        set_around(self.config, &before)
        try:
            return self.stepped(source, ended)
        finally:
            put_back(&before)

    cdef object stepped(self, source, bint* ended):
        cdef int drops = 0
        cdef PyObject* steps = <PyObject*>self.steps
        if self.counter is not None:
            if self.counter.left == 0:
                ended[0] = True
                return None
            self.counter.left -= 1
            return pulled(self, source, ended)
        if not self.steps:
            return pulled(self, source, ended)
        while not satisfied(steps):
            item = pulled(self, source, ended)
            if ended[0]:
                return None
            item = applied(steps, item)
            if item is not dropped:
                return item
            drops += 1
            if not drops & 0xFFF:
                PyErr_CheckSignals()  # nothing else would, where source and steps are C
        ended[0] = True

    cdef int end(self, error) except -1:
        if self.config is None:
            return Stream.end(self, error)
        cdef streamcore_around before
        set_around(self.config, &before)
        try:
            return Stream.end(self, error)
        finally:
            put_back(&before)

    cdef list detach(self, error):
        annotate, owned = self.annotate, self.owned
        self.source = self.owned = self.annotate = None
        if error is not None and annotate is not None and not isinstance(error, GeneratorExit):
            try:
                annotate(error)
            except BaseException as failure:
                note_failure(error, "naming the stage", failure)
        return owned


@cython.final
cdef class Level:
    """A stream whose end is under way."""

    cdef Stream stream  # None for close_all()
    cdef list left  # to be closed, the next one last
    cdef object error  # why, or None
    cdef object failed  # the first failure where there is no error

    cdef int note(self, entry, failure) except -1:
        if self.error is None and self.failed is None:
            self.failed = failure
        else:
            error = self.failed if self.error is None else self.error
            note_failure(error, f"closing {type(entry).__name__}", failure)
        return 0


cdef Level new_level(Stream stream, error):
    cdef Level level = Level.__new__(Level)
    level.stream = stream
    level.error = error
    stream.running = True
    try:
        level.left = stream.detach(error)
    except BaseException:
        stream.let_go()
        raise
    return level


cdef Level inner_level(Stream stream, list outer):
    try:
        return new_level(stream, None)
    except BaseException:
        outer.pop()
        raise


cdef object close_levels(Level level):
    """Close what is left of ``level``, and of the streams in it in turn; gives the failure to raise, or None.

    One level stands on a list for each stream inside a stream, so that no depth of them fills the C stack.
    """
    cdef list outer = []
    cdef Level inner
    cdef Stream stream
    while True:
        if level.left:
            entry = level.left.pop()
            try:
                if not isinstance(entry, Stream):
                    close = getattr(entry, "close", None)
                    if close is not None:
                        close()
                    continue
                stream = <Stream>entry
                if stream.running:
                    raise ValueError("generator already executing")
                if stream.source is None:
                    continue
                outer.append(level)
                level = inner_level(stream, outer)
            except BaseException as failure:
                level.note(entry, failure)
            continue
        if level.stream is not None:
            level.stream.let_go()
        if not outer:
            return level.failed
        inner = level
        level = <Level>outer.pop()
        if inner.failed is not None:
            level.note(inner.stream, inner.failed)


def close_all(owned, error):
    """Call ``close()`` on each entry that has it, last to first; none is left out because another one failed.

    Failures are noted on ``error``, the exception under way; without one, the first failure is raised.
    """
    cdef Level level = Level.__new__(Level)
    level.left = list(owned)
    level.error = error
    failed = close_levels(level)
    if failed is not None:
        raise failed
