# cython: language_level=3, freethreading_compatible=True
"""``StopFinder``: ends a stream of text before the first of some strings (twin: ``_pure.bpe.stop_strings``).

The beginnings of all strings are numbered as in the twin; the edges between them lie in one array, so that a step is a
search among those of one node.
"""

from operator import itemgetter

cimport cython
from cpython.mem cimport PyMem_RawCalloc, PyMem_RawFree
from cpython.unicode cimport PyUnicode_DATA, PyUnicode_GET_LENGTH, PyUnicode_KIND
from libc.stdint cimport uint32_t
from libc.string cimport memset

from streamcore._native.cpython cimport PyUnicode_READ

from streamcore._shared.stop_strings import checked_stops


@cython.final
cdef class StopFinder:
    """StopFinder(stop)\n--\n\nCuts text at the first of some strings; holds back only what one of them may begin with.

    The first is the one that begins first, and of several that begin at one place the shortest. This is the automaton
    of Aho and Corasick (CACM 18, 1975), entered where a first character is found: each character of the text is looked
    at a constant number of times, whatever the strings and however the text is cut.
    """

    def __cinit__(self, stop):
        cdef list texts = checked_stops(stop)
        cdef list edges = [{}]
        memset(self.entrance, 0, sizeof(self.entrance))
        self.first_characters = frozenset(map(itemgetter(0), texts))
        for char in self.first_characters:
            self.stops = True
            self.entrance[(ord(char) & 0xFF) >> 3] |= 1 << (ord(char) & 7)
        self.whole = [""]
        for text in texts:
            self.whole[add(edges, self.whole, text)] = text
        self._build(edges)
        self.clear()

    def __dealloc__(self):
        PyMem_RawFree(self.nodes)

    cdef int _build(self, list edges) except -1:
        cdef uint32_t n = <uint32_t>len(edges), i, edge = 0, longer
        self.nodes = <uint32_t *>PyMem_RawCalloc(6 * <size_t>n + 1, sizeof(uint32_t))
        if self.nodes == NULL:
            raise MemoryError
        self.size = self.nodes
        self.whole_size = self.size + n
        self.shorter = self.whole_size + n
        self.characters = self.shorter + n
        self.longer = self.characters + n
        self.first_edge = self.longer + n
        for i in range(n):
            self.first_edge[i] = edge
            for char, number in sorted((<dict>edges[i]).items()):
                self.characters[edge], self.longer[edge] = ord(char), number
                edge += 1
        self.first_edge[n] = edge
        row = [0]  # by length, so that what is shorter is ready
        while row:
            longer_ones = []
            for number in row:
                i = number
                if not self.whole[i]:
                    self.whole[i] = self.whole[self.shorter[i]]
                self.whole_size[i] = <uint32_t>len(self.whole[i])
                for edge in range(self.first_edge[i], self.first_edge[i + 1]):
                    longer = self.longer[edge]
                    self.size[longer] = self.size[i] + 1
                    self.shorter[longer] = self.step(self.shorter[i], self.characters[edge]) if i else 0
                    longer_ones.append(longer)
            row = longer_ones
        return 0

    cdef int clear(self) except -1:
        self.found = None
        self.held = self.match = ""
        self.at = self.start = 0
        return 0

    def reset(self):
        """Forget what is held."""
        self.clear()

    @property
    def holds(self):
        """Whether text is held back."""
        return self.at != 0

    @cython.critical_section
    def feed(self, text, final):
        """The text that is surely before any of the strings; ``final`` ends it."""
        cdef bint ends = final  # before anything is looked at, because it may run other code
        cdef str whole = "".join((text,))  # of a subclass, a str whose methods are its own
        return whole if self.passes(whole) else self.cut(whole, ends)

    cdef bint passes(self, object text) noexcept:
        """Whether nothing is held, and no stop string can begin in ``text``."""
        cdef int kind
        cdef void *data
        cdef Py_ssize_t i
        cdef uint32_t char
        if not self.stops:
            return True
        if self.at:
            return False
        kind, data = PyUnicode_KIND(text), PyUnicode_DATA(text)
        for i in range(PyUnicode_GET_LENGTH(text)):
            char = PyUnicode_READ(kind, data, i)
            if self.entrance[(char & 0xFF) >> 3] >> (char & 7) & 1:
                return False
        return True

    cdef uint32_t step(self, uint32_t at, uint32_t char) noexcept nogil:
        """The longest beginning that ``char`` after the beginning ``at`` ends with."""
        cdef uint32_t low, high, middle
        while True:
            low, high = self.first_edge[at], self.first_edge[at + 1]
            while low < high:
                middle = (low + high) >> 1
                if self.characters[middle] == char:
                    return self.longer[middle]
                if self.characters[middle] < char:
                    low = middle + 1
                else:
                    high = middle
            if at == 0:
                return 0
            at = self.shorter[at]

    cdef str cut(self, str text, bint final):
        """As ``feed``; nothing is changed if this raises."""
        cdef uint32_t at = self.at, char, whole
        cdef Py_ssize_t position = PyUnicode_GET_LENGTH(self.held), n, sure, start = self.start
        cdef object match = self.match
        cdef bint matched = match != ""
        cdef str given, rest = ""
        cdef int kind
        cdef void *data
        if position:
            text = self.held + text
        kind, data, n = PyUnicode_KIND(text), PyUnicode_DATA(text), PyUnicode_GET_LENGTH(text)
        while position < n:
            char = PyUnicode_READ(kind, data, position)
            position += 1
            if at == 0 and not self.entrance[(char & 0xFF) >> 3] >> (char & 7) & 1:
                continue
            at = self.step(at, char)
            whole = self.whole_size[at]
            if whole and (not matched or position - whole < start):
                matched, match, start = True, self.whole[at], position - whole
            if matched and position - self.size[at] >= start:  # none that began earlier can come any more
                break
        sure = position - self.size[at]
        if matched and (final or sure >= start):
            given = text[:start]
            self.clear()
            self.found = match
            return given
        if final:
            self.clear()
            return text
        if sure == n:
            given = text
        else:
            given, rest = text[:sure], text[sure:]
        self.held, self.at, self.match, self.start = rest, at, match, start - sure
        return given


cdef int add(list edges, list whole, str text) except -1:
    """Number the beginnings of ``text``; the number of all of it."""
    cdef uint32_t at = 0
    for char in text:
        found = (<dict>edges[at]).get(char)
        if found is None:
            (<dict>edges[at])[char] = found = len(edges)
            edges.append({})
            whole.append("")
        at = found
    return at
