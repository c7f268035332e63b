# cython: language_level=3, freethreading_compatible=True
"""Chunks whose ends follow from their content (twin: ``_pure.framing.content_defined``).

Goals: the same chunks for every cut of the input, bit for bit those of fastcdc-rs; no byte is hashed twice; a chunk
inside a fragment is not copied. Plan: ``chunks.h`` hashes spans; how far the unfinished chunk is known, and its hash,
are carried over and only change for good in ``settle()``. At the end of input what is left is one chunk, whatever its
size: its end was not found, and only the end of input says that there is no more of it.
"""

cimport cython
from cpython.object cimport PyObject, Py_EQ, Py_NE
from libc.stddef cimport size_t
from libc.stdint cimport uint8_t, uint64_t

from streamcore._native.cpython cimport own, steal
from streamcore._native.engine.span_engine cimport Engine

from streamcore._shared import content_chunks

cdef extern from "framing/chunks.h" nogil:
    ctypedef struct sc_gear:
        uint64_t gear[256]
        uint64_t shifted[256]

    size_t sc_gear_scan(const sc_gear *t, const uint8_t *p, size_t n, uint64_t mask, uint64_t *state) noexcept
    bint sc_gear_byte(const sc_gear *t, uint8_t byte, uint64_t mask, uint64_t *state) noexcept
    uint8_t sc_greatest(const uint8_t *p, size_t n, uint8_t most) noexcept
    size_t sc_at_least(const uint8_t *p, size_t n, uint8_t least) noexcept

cdef enum:
    FASTCDC_2020 = 0
    FASTCDC_2016 = 1
    RAM = 2


@cython.final
@cython.freelist(64)
cdef class Chunk:
    """Chunk(data, offset=0, digest=None)
    --

    A chunk of a stream: ``data`` begins at byte ``offset``, ``digest`` is what the stage's ``digest`` made of it.
    """

    cdef readonly object data
    cdef readonly long long offset
    cdef readonly object digest

    __match_args__ = ("data", "offset", "digest")

    def __init__(self, data, offset=0, digest=None):
        checked = content_chunks.checked_chunk(data, offset, digest)
        if self.data is not None:
            raise TypeError("Chunk is made already and does not change")
        self.data, self.offset, self.digest = checked

    def __repr__(self):
        return f"Chunk(data={content_chunks.plain_data(self.data)!r}, offset={self.offset}, digest={self.digest!r})"

    def __hash__(self):
        return hash((self.data, self.offset, self.digest))

    def __richcmp__(self, other, int op):
        cdef Chunk one
        if type(other) is not Chunk or op not in (Py_EQ, Py_NE):
            return NotImplemented
        one = <Chunk> other
        return (self.offset == one.offset and self.data == one.data and self.digest == one.digest) is (op == Py_EQ)

    def __reduce__(self):
        return Chunk, (content_chunks.plain_data(self.data), self.offset, self.digest)


cdef class ContentDefinedEngine(Engine):
    """Cuts chunks by their content: FastCDC as of 2020 or 2016, or the maximum of a window ("ram")."""

    cdef int algorithm
    cdef Py_ssize_t least, center, most  # bytes: where hashing begins, where the mask changes, the largest chunk
    cdef uint64_t masks[2]
    cdef sc_gear gear
    cdef object digest
    cdef bint bare  # no digests: the items of batches are the data
    # Of the unfinished chunk: how many bytes are known, and the hash of these (the greatest of them for RAM). `kept_`:
    # as of the end of the fragment before.
    cdef Py_ssize_t known, kept_known
    cdef uint64_t state, kept_state
    cdef Py_ssize_t found  # size of the chunk whose end is found but which is not made yet, else 0

    def __cinit__(self, avg_size=16384, min_size=None, max_size=None, *, normalization=1, seed=0,
                  algorithm="fastcdc2020", digest=None, as_="view", borrow=False):
        cdef int i
        checked = content_chunks.Chunking(avg_size, min_size, max_size, normalization, seed, algorithm)
        self.algorithm = checked.algorithm
        self.most = checked.max_size
        self.least = checked.window if self.algorithm == RAM else checked.min_size
        self.center = checked.avg_size
        if self.algorithm == FASTCDC_2020:  # in pairs, the first of which may begin one byte early
            self.least &= ~1
            self.center &= ~1
        self.masks[0] = checked.mask_small
        self.masks[1] = checked.mask_large
        table = content_chunks.gear_table(checked.seed)
        for i in range(256):
            self.gear.gear[i] = table[i]
            self.gear.shifted[i] = self.gear.gear[i] << 1
        self.digest = content_chunks.checked_digest(digest)
        self.configure("ContentDefined", as_, borrow, None, "raise", "emit")

    cdef int begin(self) except -1:
        self.known = self.kept_known
        self.state = self.kept_state
        self.found = 0
        return 0

    cdef int clear(self) except -1:
        self.kept_known = 0
        self.kept_state = 0
        return self.begin()

    cdef PyObject *take(self) except? NULL:
        cdef Py_ssize_t start = self.progress.start
        cdef PyObject *item
        if self.ended:
            if start == 0:
                return NULL
            self.found = -start
        elif self.found == 0:
            self.found = self.find_gear(start) if self.algorithm != RAM else self.find_maximum(start)
            if self.found == 0:
                return NULL
        item = self.cut(start, start + self.found)
        if item == NULL:
            return NULL
        if self.digest is not None and not self.bare:
            item = self.with_digest(steal(item))
            if item == NULL:
                return NULL
        self.progress.start = start + self.found
        self.known = self.found = 0
        self.state = 0
        return item

    cdef PyObject *with_digest(self, data) except? NULL:
        """The chunk with its digest; NULL after fail()."""
        cdef Chunk chunk = Chunk.__new__(Chunk)
        chunk.data = data
        chunk.offset = self.base + self.progress.start
        try:
            chunk.digest = content_chunks.digest_of(self.digest, data)
        except Exception as error:
            if isinstance(error, MemoryError):
                raise
            self.fail(error, chunk.offset)
            chunk = None
        return NULL if chunk is None else own(chunk)

    cdef Py_ssize_t find_gear(self, Py_ssize_t start) noexcept:
        """Hash on in the chunk at ``start``; its size once its end is there, else 0."""
        cdef bint pairs = self.algorithm == FASTCDC_2020
        cdef Py_ssize_t there = min(self.length - start, self.most), last = there & ~1 if pairs else there, at, stop, n
        cdef uint64_t mask
        cdef uint8_t two[2]
        cdef size_t hit
        if self.known < self.least:
            if there < self.least:
                return 0
            self.known = self.least
        while self.known < last:
            stop = last
            mask = self.masks[self.known >= self.center]
            if self.known < self.center:
                stop = min(stop, self.center)
            at = start + self.known
            n = (stop - self.known) & ~1
            if n and at < 0:  # the rest of a pair that began in the fragment before
                n = 2
                two[0] = self.at(at)
                two[1] = self.at(at + 1)
                hit = sc_gear_scan(&self.gear, two, 2, mask, &self.state)
            elif n:
                hit = sc_gear_scan(&self.gear, self.ptr + at, n, mask, &self.state)
            else:
                n = 1
                hit = not sc_gear_byte(&self.gear, self.at(at), mask, &self.state)
            if hit < <size_t> n:
                return self.known + <Py_ssize_t> hit
            self.known += n
        return self.most if there == self.most else 0

    cdef Py_ssize_t find_maximum(self, Py_ssize_t start) noexcept:
        """The same for "ram": look on for the greatest of the window, then for what is not less."""
        cdef Py_ssize_t there = min(self.length - start, self.most), n
        cdef size_t hit
        if self.length == 0:
            return 0
        if self.known < self.least:
            n = min(there, self.least) - self.known
            self.state = sc_greatest(self.ptr + start + self.known, n, <uint8_t> self.state)
            self.known += n
        if self.known >= self.least:
            n = there - self.known
            hit = sc_at_least(self.ptr + start + self.known, n, <uint8_t> self.state)
            if hit < <size_t> n:
                return self.known + <Py_ssize_t> hit + 1
            self.known += n
        return self.most if there == self.most else 0

    cdef object take_batch(self):
        self.bare = True
        try:
            return Engine.take_batch(self)
        finally:
            self.bare = False

    cdef int settle(self) except -1:
        self.keep(self.progress.start)
        self.kept_known = self.known
        self.kept_state = self.state
        return 0
