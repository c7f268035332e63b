# cython: language_level=3, freethreading_compatible=True
"""How much a stream gives, and how long its consumer waits for it (twin: ``_pure.streams.metering``).

Two readings of the clock a chunk are most of the price: 27 ns each where they are made in C.
"""

cimport cython
from cpython.bytearray cimport PyByteArray_GET_SIZE
from cpython.bytes cimport PyBytes_GET_SIZE
from cpython.exc cimport PyErr_Occurred
from cpython.object cimport PyObject
from cpython.unicode cimport PyUnicode_GET_LENGTH
from libc.stdint cimport int64_t

from streamcore._native.buffers.view cimport View
from streamcore._native.cpython cimport PyUnicode_IS_ASCII, raise_set, steal
from streamcore._native.kernels.stack cimport STREAMCORE_FOR_CLOSE, STREAMCORE_FOR_NEXT, streamcore_check_stack

from time import monotonic

from streamcore._shared.notes import loud

cdef extern from "streams/clock.h":
    int64_t streamcore_monotonic() noexcept nogil

cdef extern from *:
    PyObject *next_or_null "PyIter_Next"(object iterator) noexcept  # an exception may be set


@cython.final
cdef class Meter:
    """Meter(now)\n--\n\n\
    Counts chunks, bytes of those that are text, in UTF-8, or bytes-like, and the seconds waited, by ``now()``."""

    cdef object now  # None for time.monotonic
    cdef double before  # waited until then
    cdef double since  # when the wait under way began
    cdef bint is_waiting
    cdef readonly Py_ssize_t items
    cdef readonly Py_ssize_t bytes

    def __cinit__(self, now):
        self.now = None if now is monotonic else now

    @property
    def waited(self):
        """Seconds, of the wait under way too."""
        return self.before + self.moment() - self.since if self.is_waiting else self.before

    def wait(self):
        """The consumer waits from now on."""
        self.since = self.moment()
        self.is_waiting = True

    def count(self, chunk):
        """``chunk`` has come, and the consumer waits no longer."""
        self.came(chunk)

    cdef inline double moment(self) except? -1.0:
        if self.now is None:
            return 1e-9 * streamcore_monotonic()
        return self.now()

    cdef inline int came(self, chunk) except -1:
        if self.is_waiting:
            self.before += self.moment() - self.since
            self.is_waiting = False
        self.items += 1
        if type(chunk) is bytes:
            self.bytes += PyBytes_GET_SIZE(chunk)
        elif type(chunk) is str and PyUnicode_IS_ASCII(chunk):
            self.bytes += PyUnicode_GET_LENGTH(chunk)
        else:
            self.bytes += size_of(chunk)
        return 0


cdef Py_ssize_t size_of(chunk) except -1:
    if isinstance(chunk, str):
        return PyBytes_GET_SIZE(str.encode(chunk, "utf-8", "surrogatepass"))
    if isinstance(chunk, (memoryview, View)):
        try:
            return chunk.nbytes
        except ValueError:  # it was released
            return 0
    if isinstance(chunk, bytes):
        return PyBytes_GET_SIZE(chunk)
    return PyByteArray_GET_SIZE(chunk) if isinstance(chunk, bytearray) else 0


@cython.final
@cython.trashcan(True)
cdef class metered_iterator:
    """metered_iterator(meter, begin, first, end, of=None)\n--\n\n\
    Iterate over what ``begin()`` gives at the first pull, with ``meter`` counting.

    ``first()`` is called once the first chunk is there, and ``end(error)`` when all is over, unless it never began:
    with None, with the exception, which is raised as it is, or with a GeneratorExit if it is closed or dropped before.
    It is ``end`` that closes what was begun. ``of`` is kept: the iterator that ``begin`` will give, where it is known.
    """

    cdef Meter meter
    cdef object begin  # None once it has begun
    cdef object first
    cdef object finish
    cdef readonly object of
    cdef object source  # None before, and when all is over
    cdef bint running
    cdef object __weakref__

    def __cinit__(self, meter, begin, first, end, of=None):
        if not isinstance(meter, Meter):
            raise TypeError(f"meter must be a Meter, got {type(meter).__name__}")
        self.meter = meter
        self.of = of
        self.begin = begin
        self.first = first
        self.finish = end

    def __iter__(self):
        return self

    def __next__(self):
        cdef Meter meter = self.meter
        cdef PyObject* got
        cdef bint ended = False
        if self.running:
            raise ValueError("generator already executing")
        if self.source is None and self.begin is None:
            raise StopIteration
        streamcore_check_stack(STREAMCORE_FOR_NEXT)
        self.running = True
        chunk = None
        try:
            if self.source is None:
                begin, self.begin = self.begin, None
                self.source = iter(begin())
            if not meter.is_waiting:
                meter.since = meter.moment()
                meter.is_waiting = True
            got = next_or_null(self.source)
            if got != NULL:
                chunk = steal(got)
                meter.came(chunk)
                if self.first is not None:
                    first, self.first = self.first, None
                    first()
            elif PyErr_Occurred() != NULL:
                raise_set()
            else:
                ended = True
        except BaseException as error:
            raised = loud(error)
            self.over(raised)
            raise raised
        if ended:
            self.over(None)
            raise StopIteration
        self.running = False
        return chunk

    def close(self):
        """End it, unless it has ended."""
        if self.running:
            raise ValueError("generator already executing")
        self.begin = None
        if self.source is not None:
            streamcore_check_stack(STREAMCORE_FOR_CLOSE)
            self.running = True
            self.over(GeneratorExit())

    def __del__(self):
        if self.source is not None and not self.running:
            self.close()

    cdef int over(self, error) except -1:
        """Nothing more comes, because of ``error`` where it is not None."""
        end = self.finish
        self.source = self.first = self.finish = self.of = None
        try:
            end(error)
        finally:
            self.running = False
        return 0
