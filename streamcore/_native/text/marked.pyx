# cython: language_level=3, freethreading_compatible=True
"""Markers in a stream of text or bytes: the automaton as a class, and the base of the engines that cut at markers.

Goals: a fragment without a marker is scanned once by a kernel and handed on as it is; held back is nothing but the
beginning of a marker, which takes no memory: a node of the automaton stands for it.
"""

from cpython.mem cimport PyMem_RawCalloc, PyMem_RawFree
from libc.stddef cimport size_t
from libc.stdint cimport uint32_t, uint8_t
from libc.string cimport memset

from streamcore._native.kernels.scan cimport kernels, sc_set_add, sc_set_init
from streamcore._native.text.units cimport UnitEngine


cdef class Markers:
    """Markers of one kind, str or bytes, made ready to be found."""

    def __cinit__(self, list strings not None, bint longest):
        cdef list edges = [{}]
        cdef Py_ssize_t units = 0
        self.strings = strings
        self.of = [strings[0]]
        for string in strings:
            units += len(string)
            self.number(edges, string)
        self.m.longest = longest
        self.build(edges, units)

    def __dealloc__(self):
        PyMem_RawFree(self.memory)

    cdef int number(self, list edges, object string) except -1:
        """Number the beginnings of ``string``."""
        cdef uint32_t at = 0
        for unit in string:
            code = unit if isinstance(unit, int) else ord(unit)
            found = (<dict> edges[at]).get(code)
            if found is None:
                (<dict> edges[at])[code] = found = len(edges)
                edges.append({})
                self.of.append(string)
            at = found
        return 0

    cdef int build(self, list edges, Py_ssize_t units) except -1:
        cdef size_t n = len(edges), markers_ = len(self.strings)
        cdef uint32_t *p
        p = <uint32_t *> PyMem_RawCalloc(9 * n + 1 + <size_t> units + markers_ + 1, sizeof(uint32_t))
        if p == NULL:
            raise MemoryError()
        self.memory = p
        self.m.size = p
        self.m.shorter = p + n
        self.m.whole = p + 2 * n
        self.m.edge_units = p + 3 * n
        self.m.longer = p + 4 * n
        self.m.string = p + 5 * n
        self.m.match = p + 6 * n
        self.m.match_start = p + 7 * n
        self.m.first_edge = p + 8 * n
        self.m.units = p + 9 * n + 1
        self.m.marker_size = p + 9 * n + 1 + units
        self.fill(edges)
        return 0

    cdef int fill(self, list edges) except -1:
        cdef uint32_t *size = <uint32_t *> self.m.size
        cdef uint32_t *shorter = <uint32_t *> self.m.shorter
        cdef uint32_t *whole = <uint32_t *> self.m.whole
        cdef uint32_t *first_edge = <uint32_t *> self.m.first_edge
        cdef uint32_t *edge_units = <uint32_t *> self.m.edge_units
        cdef uint32_t *longer = <uint32_t *> self.m.longer
        cdef uint32_t *units = <uint32_t *> self.m.units
        cdef uint32_t *string = <uint32_t *> self.m.string
        cdef uint32_t *marker_size = <uint32_t *> self.m.marker_size
        cdef uint32_t n = <uint32_t> len(edges), i, at, edge = 0, place = 0, code, count = 0
        cdef dict places = {}
        for i in range(n):
            first_edge[i] = edge
            for one, node in sorted((<dict> edges[i]).items()):
                edge_units[edge], longer[edge] = one, node
                edge += 1
        first_edge[n] = edge
        sc_set_init(&self.m.set)
        memset(self.m.low, 0, sizeof(self.m.low))
        self.m.first_count = <int> len(edges[0])
        for edge in range(first_edge[0], first_edge[1]):
            code = edge_units[edge]
            self.m.low[code & 0xFF] = 1
            if code < 256:
                sc_set_add(&self.m.set, <uint8_t> code)
        for i in range(MARKERS_FIRSTS):
            self.m.firsts[i] = edge_units[min(i, <uint32_t> self.m.first_count - 1)]
        for marker in self.strings:
            count += 1
            marker_size[count] = <uint32_t> len(marker)
            places[marker] = place
            at = 0
            for one in marker:
                code = one if isinstance(one, int) else ord(one)
                units[place] = code
                place += 1
                at = markers_step(&self.m, at, code)
            whole[at] = count
        self.m.only_size = 0
        if len(self.strings) == 1 and units[0] < 256 and units[place - 1] < 256:
            self.m.only[0], self.m.only[1] = <uint8_t> units[0], <uint8_t> units[place - 1]
            self.m.only_size = place
        cdef list row = [0]  # by length, so that what is shorter is ready
        while row:
            longer_ones = []
            for number in row:
                i = number
                string[i] = places[self.of[i]]
                for edge in range(first_edge[i], first_edge[i + 1]):
                    at = longer[edge]
                    size[at] = size[i] + 1
                    shorter[at] = markers_step(&self.m, shorter[i], edge_units[edge]) if i else 0
                    if not whole[at]:
                        whole[at] = whole[shorter[at]]
                    markers_first(&self.m, <uint32_t *> self.m.match, <uint32_t *> self.m.match_start, at, i)
                    longer_ones.append(at)
            row = longer_ones
        return 0


cdef class MarkedEngine(UnitEngine):
    """Base of the engines that cut text or bytes at markers."""

    cdef int set_markers(self, list groups, bint longest) except -1:
        """What is looked for, several lists of str one of which is at a time."""
        cdef list text = [], data = [], group
        for group in groups:
            found = Markers(group, longest)
            text.append(found)
            encoded = []
            for marker in group:
                encoded.append(marker.encode("utf-8", "surrogatepass"))
            data.append(Markers(encoded, longest))
        self.by_kind = [data, text]
        return 0

    cdef int look_for(self, Py_ssize_t group) except -1:
        self.current = <Markers> (<list> self.by_kind[self.text])[group]
        return 0

    cdef Py_ssize_t group(self) noexcept:
        """Which list is looked for when the fragment begins."""
        return 0

    cdef int begin(self) except -1:
        self.look_for(self.group())
        markers_begin(&self.current.m, &self.run, <uint32_t> self.progress.flag)
        self.before = self.current.of[self.progress.flag]
        self.held = self.run.held_size
        self.found = False
        return 0

    cdef int clear(self) except -1:
        UnitEngine.clear(self)
        self.begin()
        return 0

    cdef bint find(self) noexcept:
        """Whether the next marker is certain; it stands in ``run``, and reading goes on where look_for() and
        markers_restart() let it."""
        if not self.found:
            self.found = markers_find(
                &self.current.m, kernels(), &self.run, self.ptr, self.width, self.length)
            if self.ended and self.run.match:
                self.found = True
        return self.found

    cdef Py_ssize_t match_stop(self) noexcept:
        return self.run.start + <Py_ssize_t> self.current.m.marker_size[self.run.match]

    cdef Py_ssize_t sure(self) noexcept:
        """Up to where no marker can begin any more, if none was found."""
        return self.length if self.ended else self.length - <Py_ssize_t> self.current.m.size[self.run.at]

    cdef Py_ssize_t sure_with_marker(self) noexcept:
        """Up to where all is text, where the marker itself is text too."""
        return self.match_stop() if self.run.match else self.length

    cdef int settle(self) except -1:
        self.take_kind()
        self.progress.flag = <int> self.run.at
        self.progress.start -= self.length
        return 0

    cdef object piece(self, Py_ssize_t start, Py_ssize_t stop):
        """The str or bytes [start, stop)."""
        if start == stop:
            return self.before[:0]
        if start >= 0:
            return self.units(start, stop)
        cdef object first = self.before[self.held + start:self.held + min(stop, 0)]
        return first if stop <= 0 else first + self.units(0, stop)
